# Random sequences of calls on three connections, with transactions, savepoints,
# rollbacks and time, are compared with a simple model: see test/model.
#
#   MODEL_SEQUENCES   how many sequences (150)
#   MODEL_SEED        the first is made of this number, each next of the next
#   MODEL_CALLS       how many calls a sequence has, at most (40)

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../model";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use Connection;
use Sequence;

my $count = $ENV{MODEL_SEQUENCES} // 150;
my $first = $ENV{MODEL_SEED} // time;
my $longest = $ENV{MODEL_CALLS} // 40;

my $node = PostgreSQL::Test::Cluster->new('model');
$node->init;
$node->append_conf('postgresql.conf', <<'CONF');
shared_preload_libraries = 'session'
session.naptime = '1d'
session.log_events = 'all'
session.refresh_grace = '400s'
session.act_as_function = 'public.may_act_as'
lock_timeout = '20s'
fsync = off
autovacuum = off
CONF
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION session; SELECT FROM session_key_rotate();' . $Sequence::setup);

# A generator of its own: the numbers of perl differ from machine to machine.
my $state;
sub random { $state = ($state * 1103515245 + 12345) % 2**31; return int($state / 65536) % shift; }

my %conns = map { $_ => Connection->new($node->connstr('postgres')) } qw(a b c);
my $sequences = Sequence->new(\%conns, \&random);
my ($calls, $failed) = (0, 0);

diag("$count sequences from seed $first");
for my $seed ($first .. $first + $count - 1)
{
	$state = $seed;
	random(2) for 1 .. 5;
	my ($sequence, $differs) = $sequences->make(10 + random($longest - 9));
	$calls += @{ $sequence->{calls} };
	next unless defined $differs;
	$failed++;
	fail("the server does as the model in sequence $seed");
	diag("$differs\n" . $sequences->text($sequence));
	my ($short, $still) = $sequences->shrink($sequence);
	diag('shrunk to ' . @{ $short->{calls} } . " calls: $still\n" . $sequences->text($short));
	last if $failed == 3;
}
is($failed, 0, "the server does as the model in all sequences");
note("$calls calls in $count sequences; what they returned:\n" . $sequences->summary);
$_->close for values %conns;

done_testing();
