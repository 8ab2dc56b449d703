# The worker and the launcher are ended while they work, between two batches and
# within one: with SIGTERM, which ends one process, and with SIGKILL, after which
# the server restarts all.
#
# What holds:
# 1. Another worker goes on where the last batch ended: all dead sessions are
#    deleted, and none that lives.
# 2. With SIGTERM, no client notices: connections stay, and every use of a session
#    and every event reaches its table.
# 3. With SIGKILL, the server comes back, every acknowledged end holds, no snapshot
#    of a session that has ended is accepted, and upkeep goes on. Lost are the uses
#    of the last minutes, no more than session.update_age says.

use strict;
use warnings;
use File::Basename qw(dirname);
use lib dirname(__FILE__);
use Fault;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

seed();
my $node = make_server(
	'worker', conf => q{
session.cleanup_batch = 100
session.cleanup_pace = 5
session.update_age = '1s'
session.failure_threshold = 1
session.log_events = 'all'
log_min_messages = debug1
});
my $conn = connection($node);
$conn->run('SELECT session_key_rotate()');

# Makes dead sessions.
sub make_dead
{
	my ($count) = @_;
	$conn->run(qq{INSERT INTO session.sessions (id, token_hash, auth_level, data, created_at, last_seen_at, expires_at, purge_at)
		SELECT gen_random_uuid(), sha256(random()::text::bytea), 0, '{}', '2020-01-01 UTC', '2020-01-01 UTC', '2020-01-02 UTC', '2020-01-02 UTC' FROM generate_series(1, $count)});
	return;
}

my $dead = q{SELECT count(*) FROM session.sessions WHERE purge_at < '2020-02-01 UTC'};

# Waits until some sessions have been deleted and others have not, and returns
# the process of a type, or nothing if the deletion has ended.
sub wait_in_between
{
	my ($type) = @_;
	my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;
	my $before = $conn->value($dead);

	while (time < $deadline)
	{
		my $left = $conn->value($dead);
		my $pid = $conn->value("SELECT pid FROM pg_stat_activity WHERE backend_type = '$type'");

		return if $left == 0;
		return $pid if $pid ne '' && $left < $before;
	}
	die 'the worker does not work';
}

my @live = map { $conn->run(q{SELECT id, token FROM session_create('live', idle_timeout => '2 hours')})->{rows}[0] } 1 .. 50;
my $array = join ',', map { "'$_->[0]'" } @live;

#
# SIGTERM
#

my $terminated = 0;
sleep 1.1;
$conn->run("SELECT FROM session_validate('$_->[1]')") for @live;
$conn->run("SELECT count(session_status('st_', '192.0.2.$_')) FROM generate_series(1, 3)") for 1 .. 40;
make_dead(30_000);
for (1 .. 8)
{
	my $pid = wait_in_between('session worker') or last;

	sleep rand 0.02;
	$terminated += kill 'TERM', $pid;

	# The launcher starts the next.
	my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;
	until ($conn->value("SELECT count(*) FROM pg_stat_activity WHERE pid = $pid") == 0) { die 'it does not end' if time > $deadline; }
}
note "$terminated workers ended, ", $conn->value($dead), ' dead sessions left then';
cmp_ok($terminated, '>=', 3, 'workers were ended while they worked');
until_true($node, "$dead" =~ s/count\(\*\)/count(*) = 0/r, 'other workers have deleted all dead sessions');
is($conn->value("SELECT count(*) FROM session.sessions WHERE id IN ($array)"), 50, 'no live session was deleted');
until_true($node,
	"SELECT count(*) = 50 FROM session.sessions WHERE id IN ($array) AND last_seen_at > created_at + interval '1 second'",
	'every use has reached its row');
until_true($node, q{SELECT count(DISTINCT ip) = 40 FROM session.events WHERE kind = 'failures'},
	'every event has reached its table');
is($conn->value('SELECT 1'), 1, 'the connection has not noticed');

# The launcher itself.
for (1 .. 2)
{
	my ($launcher) = processes($node, 'session launcher');

	make_dead(500);
	kill 'TERM', $launcher;
	$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'session launcher' AND pid <> $launcher")
	  or die 'no other launcher';
	until_true($node, "$dead" =~ s/count\(\*\)/count(*) = 0/r, 'upkeep goes on with another launcher');
}
is($conn->value('SELECT 1'), 1, 'the connection has not noticed that either');
no_crash($node, 'no process crashed');

#
# SIGKILL
#

for my $type ('session worker', 'session worker', 'session launcher')
{
	my $token = $conn->value(q{SELECT token FROM session_create('ends')});
	my $snapshot = $conn->value("SELECT session_cookie_issue('$token')");
	my $kept = $conn->value(q{SELECT token FROM session_create('kept')});
	make_dead(3000);
	my $pid = wait_in_between($type) or die 'all sessions are deleted already';
	$conn->run("SELECT session_revoke('$token')");
	kill 'KILL', $pid;

	# The server ends all connections and starts again.
	my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;
	until ($conn->query('SELECT 1')->{lost}) { die 'the server does not restart' if time > $deadline; sleep 0.01; }
	undef $conn;
	until ($conn = eval { connection($node) }) { die 'the server does not come back' if time > $deadline; sleep 0.02; }
	is($conn->value("SELECT session_status('$token')"), 'revoked', "after SIGKILL of the $type, an acknowledged end holds");
	is($conn->value("SELECT count(*) FROM session_cookie_validate('$snapshot', token => '$token')"), 0, 'no snapshot of it is accepted');
	is($conn->value("SELECT count(*) FROM session_validate('$kept')"), 1, 'a session that lives is accepted');
	until_true($node, "$dead" =~ s/count\(\*\)/count(*) = 0/r, 'another worker has deleted all dead sessions');
	is($conn->value("SELECT count(*) FROM session.sessions WHERE id IN ($array)"), 50, 'no live session was deleted');
	$conn->run("SELECT FROM session_validate('$_->[1]')") for @live;
	my $since = $conn->value('SELECT clock_timestamp()');
	sleep 1.1;
	$conn->run("SELECT FROM session_validate('$_->[1]')") for @live;
	until_true($node, "SELECT count(*) = 50 FROM session.sessions WHERE id IN ($array) AND last_seen_at >= '$since'",
		'uses since then reach their rows');
}
$conn->close;
$node->stop;
done_testing();
