# Every SQL function is interrupted at random points: by cancelling the query,
# by ending the backend, and by statement_timeout, also while it waits for a
# lock.
#
# What holds:
# 1. The error says why (57014 or 57P01), and the transaction has changed
#    nothing: what was done in it is there as a whole or not at all.
# 2. The backend keeps no lock, no identity, no role and no memory.
# 3. Shared memory keeps no use of a session that is not there.
# 4. Rows agree with each other afterwards: no session is active whose parent has
#    ended, and no token that was given is accepted beside its successor.
# 5. The next call works, and the server does not restart.
#
# FAULT_SECONDS says how long, FAULT_SEED repeats the order.

use strict;
use warnings;
use File::Basename qw(dirname);
use lib dirname(__FILE__);
use Fault;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $seconds = $ENV{FAULT_SECONDS} // 20;
seed();
my $node = make_server('interrupts', conf => "session.update_age = '1s'\n");
my $maker = connection($node);
my $other = connection($node);
my $holder = connection($node);
setup_calls($maker);
$maker->run('CREATE TABLE faults.done (id uuid)');
my %calls = calls();
my @names = grep { !$calls{$_}{alone} } sort keys %calls;

# The backend whose queries are cancelled, which lives all the time, and the one
# that is ended.
my %victim = map { $_ => connection($node) } qw(cancel terminate);
my (%count, %seen, @wrong, %acknowledged);

sub uuid { return sprintf '%08x-%04x-4%03x-8%03x-%012x', rand 2**32, rand 2**16, rand 2**12, rand 2**12, rand 2**48; }

# Returns statements of one transaction: something of ours, some calls, and
# something of ours again.
sub transaction
{
	my ($id, @some) = @_;
	my @statements = map { prepare_call($maker, $_) } @some;

	return join '; ', "INSERT INTO faults.done VALUES ('$id')", @statements,
	  "SELECT FROM session_create('marked', id => '$id')",
	  (chance(0.5) ? () : 'SELECT pg_sleep(0.001)');
}

# Notes what is wrong with an answer.
sub judge
{
	my ($name, $how, $id, $conn, $result) = @_;
	my $state = $result->{lost} ? 'lost' : $result->{sqlstate};

	$count{"$how: " . ($state || 'done')}++;
	$seen{$name}++ if $state;
	$acknowledged{$id} = 1 if $state eq '';
	push @wrong, "$name, $how: $state $result->{message}"
	  if $state !~ ($how eq 'terminate' ? qr/^(57P01|lost|)$/ : qr/^(57014|)$/);
	return if $result->{lost} || $state eq '57P01';
	my $left = leftovers($conn, $other);
	push @wrong, "$name, $how: $left" if $left ne '';
	return;
}

# Runs a transaction and interrupts it after a random time.
sub interrupt
{
	my ($name, $how) = @_;
	my $conn = $victim{ $how eq 'terminate' ? 'terminate' : 'cancel' };
	my $id = uuid();
	my $sql = transaction($id, $name);

	if ($how eq 'timeout')
	{
		$sql = transaction(uuid(), map { $names[ rand @names ] } 1 .. 3) . "; $sql" if chance(0.7);
		$conn->run('SET statement_timeout = ' . (1 + int rand 3));
	}
	$conn->send($sql);
	if ($how ne 'timeout')
	{
		sleep rand 0.003;
		$other->run("SELECT pg_${how}_backend(" . $conn->pid . ')');
	}
	my $result = $conn->wait;
	$result = $conn->query('SELECT 1') if $how eq 'terminate' && $result->{sqlstate} eq '';
	if ($how eq 'terminate')
	{
		# The signal may arrive after the answer.
		$acknowledged{$id} = 1 if $other->value("SELECT count(*) FROM faults.done WHERE id = '$id'");
		$conn->wait while $conn->{status} && !$result->{lost} && !$result->{sqlstate} && !($result = $conn->query('SELECT 1'))->{sqlstate};
		judge($name, $how, uuid(), $conn, $result);
		$victim{terminate} = connection($node);
		return;
	}

	# A cancel or a timeout that comes too late may end the next statement.
	$conn->query('SELECT 1') if $how eq 'cancel';
	if ($how eq 'timeout')
	{
		1 while $conn->query('SET statement_timeout = 0')->{sqlstate};
		$conn->query('SELECT 1');
	}
	judge($name, $how, $id, $conn, $result);
	return;
}

# Interrupts a call that waits for the rows of a table.
sub interrupt_waiting
{
	my ($name) = @_;
	my $conn = $victim{cancel};
	my $id = uuid();
	my $sql = transaction($id, $name);
	my $deadline = time + 5;

	$holder->run('BEGIN; LOCK TABLE session.sessions, session.keys, session.policies, session.denylist, session.events IN SHARE MODE');
	$conn->send($sql);
	until ($conn->ready(0) || time > $deadline
		|| $other->value('SELECT count(*) FROM pg_locks WHERE NOT granted AND pid = ' . $conn->pid)) { }
	$other->run('SELECT pg_cancel_backend(' . $conn->pid . ')');
	my $result = $conn->wait;
	$conn->query('SELECT 1');
	judge($name, 'waiting', $id, $conn, $result);
	$holder->run('ROLLBACK');
	return;
}

# Each call once without an interrupt, so that every cache is filled.
for my $name (@names)
{
	my $id = uuid();
	judge($name, 'none', $id, $victim{cancel}, $victim{cancel}->query(transaction($id, $name)));
}
my ($start, $next, $half) = (time, 0, undef);

# There is a cache for each purpose of keys and for each table, however often
# they are used. What a call leaves behind is there hundreds of times.
my $memory = q{SELECT max(n), sum(bytes), string_agg(name || ' ' || n, ', ') FILTER (WHERE name LIKE 'session%')
	FROM (SELECT name, CASE WHEN name LIKE 'session%' THEN count(*) END AS n, sum(used_bytes) AS bytes FROM pg_backend_memory_contexts GROUP BY name) AS c};
while (time < $start + $seconds)
{
	my $name = $names[ $next++ % @names ];

	# Keep what the calls read small.
	$maker->run(q{DELETE FROM session.keys WHERE purpose LIKE 'faults%'; DELETE FROM session.sessions WHERE user_id = 'u'})
	  if $next % 20 == 0;
	interrupt($name, 'cancel');
	interrupt($name, 'timeout');
	interrupt($name, 'terminate') if chance(0.3);
	interrupt_waiting($name) if chance(0.3);
	$half //= $victim{cancel}->run($memory)->{rows}[0] if time > $start + $seconds / 2;
}
for my $name (grep { !$seen{$_} } @names)
{
	for (1 .. 100) { interrupt($name, 'timeout') if !$seen{$name}; }
}
my $end = $victim{cancel}->run($memory)->{rows}[0];
note "$_: $count{$_}" for sort keys %count;
my $interrupted = 0;
$interrupted += $count{$_} for grep { !/done/ } keys %count;
note sprintf '%d transactions interrupted in %d s, every function at least %d times', $interrupted, time - $start,
  (sort { $a <=> $b } map { $seen{$_} // 0 } @names)[0];
is(join("\n", @wrong), '', 'every interrupted call says why, and leaves no lock, no identity and no transaction');
is(scalar(grep { !$seen{$_} } @names), 0, 'every function was interrupted');
cmp_ok($end->[0], '<=', 10, 'no memory context of ours is left behind');
cmp_ok($end->[1] - $half->[1], '<', 256 * 1024, 'the backend keeps no memory');
note "memory: $half->[1] and $end->[1] bytes, $end->[2]";

is( $other->value(q{
		SELECT count(*) FROM (SELECT id FROM faults.done) AS d FULL JOIN (SELECT id FROM session.sessions WHERE user_id = 'marked') AS s USING (id)
		WHERE s.id IS NULL OR d.id IS NULL}),
	0, 'each transaction is there as a whole or not at all');
my $array = join ',', keys %acknowledged;
is($other->value("SELECT count(*) FROM unnest('{$array}'::uuid[]) AS id WHERE id NOT IN (SELECT id FROM faults.done)"),
	0, 'each transaction that was acknowledged is there');
is( $other->value(q{
		SELECT count(*) FROM session.directory c JOIN session.sessions p ON p.id = c.parent_id
		WHERE p.revoked_at IS NOT NULL AND c.status = 'active'}),
	0, 'no session is active whose parent has ended');
my %after = map { $_ => 1 } @names;
for my $name (@names)
{
	my $result = $victim{cancel}->query(transaction(uuid(), $name));
	delete $after{$name} if !$result->{sqlstate};
}
is(join(' ', sort keys %after), '', 'every function works afterwards');

# The uses of sessions that were rolled back, or are deleted, go.
$other->run('DELETE FROM session.sessions');
until_true($node, q{SELECT activity_used = 0 FROM session.stats WHERE database = current_database()},
	'shared memory keeps no use of a session that is not there');
is($other->value(q{SELECT count(*) FROM pg_locks WHERE locktype IN ('tuple', 'advisory', 'object')}), 0, 'no lock is left in the server');
no_crash($node, 'no process crashed');
$_->close for $maker, $other, $holder, values %victim;
$node->stop;
done_testing();
