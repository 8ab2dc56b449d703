# Every SQL function of the extension has a call in Fault.pm that succeeds, and
# a call leaves nothing behind. The other tests break these calls.

use strict;
use warnings;
use File::Basename qw(dirname);
use lib dirname(__FILE__);
use Fault;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = make_server('calls');
my $conn = connection($node);
my $other = connection($node);
setup_calls($conn);
is(join(' ', sort(functions_without_call($conn))), '', 'every function has a call');
my %calls = calls();
my $file = $node->data_dir . '/session_master.key.new';
append_to_file($file, 'ab' x 32 . "\n");
chmod 0600, $file or die "could not chmod $file: $!";
for my $name (sort keys %calls)
{
	my @call = prepare_call($conn, $name);
	my $result = $conn->query('BEGIN; ' . join('; ', @call) . '; COMMIT');
	is("$result->{sqlstate} $result->{message}", ' ', "the call of $name succeeds");
	$conn->run("ROLLBACK") if $conn->{status} ne "I";
	is(leftovers($conn, $other), '', "$name leaves nothing behind");
}
$node->stop;
done_testing();
