# All connections are taken, and so are all connections of the database.
#
# What holds:
# 1. A client that finds no connection gets the error 53300, and nothing else
#    happens: the clients that are connected go on.
# 2. Upkeep needs no connection: the worker writes activity and deletes dead
#    sessions while there is none.
# 3. A limit of the database (CONNECTION LIMIT) does not stop the worker.
# 4. What waited without a worker, because its slots were taken, is done as soon
#    as there is one.

use strict;
use warnings;
use File::Basename qw(dirname);
use lib dirname(__FILE__);
use Fault;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $node = make_server(
	'connections', conf => q{
max_connections = 12
superuser_reserved_connections = 1
session.update_age = '1s'
max_worker_processes = 2
max_logical_replication_workers = 0
max_parallel_workers = 2
});
my $conn = connection($node);
$conn->run('CREATE ROLE client LOGIN; SELECT session_grant($$client$$, $$app$$)');

# Returns connections of a role that is no superuser, until one is refused, and
# the error of that.
sub take_all
{
	my @taken;

	while (@taken < 100)
	{
		my $one = eval { connection($node, user => 'client') };
		return ($@, @taken) if !$one;
		push @taken, $one;
	}
	return ('', @taken);
}

# Makes a dead session, and a live one whose use the worker must write.
sub leave_work
{
	my $row = $conn->run(q{SELECT id, token FROM session_create('u', idle_timeout => '2 hours')})->{rows}[0];

	$conn->run(q{INSERT INTO session.sessions (id, token_hash, auth_level, data, created_at, last_seen_at, expires_at, purge_at)
		SELECT gen_random_uuid(), sha256(random()::text::bytea), 0, '{}', '2020-01-01 UTC', '2020-01-01 UTC', '2020-01-02 UTC', '2020-01-02 UTC' FROM generate_series(1, 100)});
	$conn->run("UPDATE session.sessions SET last_seen_at = last_seen_at - interval '1 hour' WHERE id = '$row->[0]'");
	$conn->run("SELECT FROM session_validate('$row->[1]')");
	return $row->[0];
}

# Returns whether that work is done.
sub is_done
{
	my ($id) = @_;
	return $conn->value(
		"SELECT (SELECT last_seen_at > now() - interval '10 minutes' FROM session.sessions WHERE id = '$id')
		AND NOT EXISTS (SELECT FROM session.sessions WHERE purge_at < '2020-02-01 UTC')") eq 't';
}

# Waits on the connection that there is; poll_query_until would need another.
sub until_done
{
	my ($id, $name) = @_;
	my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;

	until (is_done($id) || time > $deadline) { sleep 0.05; }
	ok(is_done($id), $name);
	return;
}

# Every connection is taken.
my ($error, @taken) = take_all();
like($error, qr/^53300 /, 'a client gets the error 53300 when all connections are taken');
cmp_ok(scalar @taken, '>=', 9, 'the clients before got one');
like((take_all())[0], qr/^53300 /, 'so does the next');
for my $one (@taken)
{
	my $token = $one->value(q{SELECT token FROM session_create('v')});
	$one->run("SELECT session_data_set('$token', 'k', '1'), session_revoke('$token')");
}
is($conn->value(q{SELECT count(*) FROM session.sessions WHERE user_id = 'v' AND revoked_at IS NOT NULL}),
	scalar @taken, 'the clients that are connected create and end sessions');
until_done(leave_work(), 'the worker does its work while there is no connection');
is((take_all())[0] =~ /^53300/, 1, 'there was none all the time');

# The connections become free.
$_->close for @taken;
my $free = q{SELECT count(*) = 0 FROM pg_stat_activity WHERE usename = 'client'};
1 until $conn->value($free) eq 't';
($error, @taken) = take_all();
cmp_ok(scalar @taken, '>=', 9, 'all connections are free again after their clients have left');
$_->close for @taken;

# The database has a limit of its own.
1 until $conn->value($free) eq 't';
$conn->run('ALTER DATABASE postgres CONNECTION LIMIT 1');
like((take_all())[0], qr/^53300 /, 'the limit of the database refuses clients');
until_done(leave_work(), 'the limit of the database does not stop the worker');
$conn->run('ALTER DATABASE postgres CONNECTION LIMIT -1');

# Another server process takes the slot of the worker: work waits, and is done
# as soon as the slot is free.
$conn->run('CREATE TABLE t WITH (parallel_workers = 4) AS SELECT 1 AS a');
my $greedy = connection($node);
$greedy->run('SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET parallel_leader_participation = off; SET max_parallel_workers_per_gather = 2');
my $taken = q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'parallel worker'};
my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;
until ($conn->value($taken) > 0)
{
	die 'no parallel worker takes the slot' if time > $deadline;

	# While a worker of ours has the slot, the query would sleep without one.
	$greedy->send('SELECT count(pg_sleep(600)) FROM t');
	for (1 .. 50) { last if $conn->value($taken) > 0; sleep 0.01; }
	next if $conn->value($taken) > 0;
	$conn->run('SELECT pg_cancel_backend(' . $greedy->pid . ')');
	$greedy->wait;
}
my $id = leave_work();
my $state = q{SELECT workers FROM session.stats WHERE database = current_database()};
until ($conn->value($state) eq 'no slot' || time > $deadline) { sleep 0.05; }
is($conn->value($state), 'no slot', 'session.stats says that no worker can be started');
ok(!is_done($id), 'the work waits meanwhile');
my $token = $conn->value(q{SELECT token FROM session_create('w')});
is($conn->value("SELECT session_revoke('$token'), session_status('$token')"), 't', 'sessions are ended without a worker');
$conn->run('SELECT pg_cancel_backend(' . $greedy->pid . ')');
is($greedy->wait->{sqlstate}, '57014', 'the other process has left the slot');
until_done($id, 'the worker has caught up');
no_crash($node, 'no process crashed');
$_->close for $conn, $greedy;
$node->stop;
done_testing();
