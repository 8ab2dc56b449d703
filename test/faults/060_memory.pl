# A backend runs out of memory at random points.
#
# The limit on the address space of the backend (RLIMIT_AS) is set to what it has
# and a little more, so that one of the next allocations fails.
#
# What holds:
# 1. The call fails with the error 53200, or succeeds with the right result.
#    Nothing else is answered: no session is called invalid that is valid, and
#    none valid that has ended.
# 2. No process crashes, and the backend goes on once it has memory again.
# 3. What failed has changed nothing, and nothing is left behind.

use strict;
use warnings;
use File::Basename qw(dirname);
use lib dirname(__FILE__);
use Fault;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $seconds = $ENV{FAULT_SECONDS} // 15;
seed();
plan skip_all => 'needs prlimit' if system('prlimit --version >/dev/null 2>&1') != 0;

my $node = make_server('memory', conf => "session.max_data_size = '16MB'\nsession.naptime = '1d'\n");
my $maker = connection($node);
my $other = connection($node);
setup_calls($maker);
$maker->run('SET session.max_data_size = $$16MB$$');
my %calls = calls();
my @names = grep { !$calls{$_}{alone} && /^session_/ } sort keys %calls;
my (%count, @wrong);

# Limits a backend to its size and some bytes more; without bytes, removes the
# limit.
sub limit
{
	my ($conn, $more) = @_;
	my $size = 'unlimited';

	if (defined $more)
	{
		my ($kb) = slurp_file('/proc/' . $conn->pid . '/status') =~ /VmSize:\s+(\d+) kB/ or die 'no VmSize';
		$size = $kb * 1024 + $more;
	}
	system('prlimit --pid ' . $conn->pid . " --as=$size:") == 0 or die 'could not set the limit';
	return;
}

# Notes what is wrong with an answer.
sub judge
{
	my ($what, $result, $conn) = @_;

	$count{ $result->{sqlstate} || 'done' }++;
	push @wrong, "$what: lost" if $result->{lost};
	push @wrong, "$what: $result->{sqlstate} $result->{message}" if $result->{sqlstate} !~ /^(53200)?$/;
	return $result->{lost};
}

# Each function with little memory, in a connection that has just begun, and in
# one that has its caches.
my $start = time;
my $next = 0;
while (time < $start + $seconds || $next < @names)
{
	my $name = $names[ $next++ % @names ];
	my @statements = prepare_call($maker, $name);
	my $conn = connection($node);

	if (chance(0.5))
	{
		$conn->query(join '; ', 'BEGIN', prepare_call($maker, $name), 'ROLLBACK');
	}
	limit($conn, int rand(chance(0.5) ? 200_000 : 2_000_000));
	my $result = $conn->query(join '; ', @statements);
	if (judge($name, $result, $conn)) { no_crash($node, 'no process crashed'); last; }
	limit($conn);
	if ($result->{sqlstate})
	{
		my $left = leftovers($conn, $other);
		push @wrong, "$name: $left" if $left ne '';
		my $again = $conn->query(join '; ', @statements);
		push @wrong, "$name, again: $again->{sqlstate} $again->{message}" if $again->{sqlstate};
	}
	$conn->close;
	$maker->run(q{DELETE FROM session.keys WHERE purpose LIKE 'faults%'; DELETE FROM session.sessions}) if $next % 20 == 0;
}
note sprintf '%d calls in %d s', $next, time - $start;

# Large data: the answer is right, or the error says why there is none.
$maker->run('SET session.encrypt_data = on');
my $data = q{(SELECT jsonb_object_agg('k' || n, repeat(md5(n::text), 8)) FROM generate_series(1, 6000) AS n)};
my ($live) = $maker->value("SELECT token FROM session_create('large', $data)");
my ($ended) = $maker->value("SELECT token FROM session_create('large', $data)");
$maker->run("SELECT session_revoke('$ended')");
my $right = $maker->value("SELECT md5(session_data('$live')::text)");
my $end = time + $seconds / 2;
my $conn = connection($node);
$conn->run('SET session.max_data_size = $$16MB$$; SET session.encrypt_data = on');
my $written = 0;
while (time < $end)
{
	limit($conn, int rand 20_000_000);
	for my $case (
		[ 'data', "SELECT md5(session_data('$live')::text)", $right ],
		[ 'a validation', "SELECT md5(data::text) FROM session_validate('$live')", $right ],
		[ 'a validation of an ended session', "SELECT count(*) FROM session_validate('$ended')", 0 ],
		[ 'a status', "SELECT session_status('$live'), session_status('$ended')", 'active' ],
		[ 'one value', "SELECT session_data_get('$live', 'k7') #>> '{}' = repeat(md5('7'), 8)", 't' ],
		[ 'a write', "SELECT session_data_set('$live', 'w', '" . ($written + 1) . "')", 't' ])
	{
		my ($what, $sql, $expected) = @$case;
		my $result = $conn->query($sql);
		last if judge($what, $result);
		next if $result->{sqlstate};
		my $answer = $result->{rows}[0][0] // '';
		push @wrong, "$what: $answer" if $answer ne $expected;
		if ($what eq 'a write')
		{
			$written++;
			limit($conn);
			$right = $conn->value("SELECT md5(session_data('$live')::text)");
		}
	}
	limit($conn);
	my $kept = $conn->value("SELECT coalesce(session_data_get('$live', 'w')::text, '0')");
	push @wrong, "the data has $kept after $written writes" if $kept ne $written;
}
note "$_: $count{$_}" for sort keys %count;
is(join("\n", @wrong), '', 'a call fails with 53200 or answers rightly, and leaves nothing behind');
cmp_ok($count{53200} // 0, '>=', 20, 'calls failed for want of memory');
cmp_ok($count{done} // 0, '>=', 20, 'others succeeded');
no_crash($node, 'no process crashed');
$_->close for $maker, $other, $conn;
$node->stop;
done_testing();
