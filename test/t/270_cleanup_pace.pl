# The worker rests between deletions, in proportion to the time that they took.
# A rest holds no transaction and no lock, and ends when the setting changes,
# when the database is dropped, and when the worker or the server stops.

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
# A round runs in each database after a start of the server, and then only when
# the launcher is woken.
$node->append_conf(
	'postgresql.conf', q{
shared_preload_libraries = 'session'
session.naptime = '1d'
session.cleanup_interval = '1d'
});
$node->start;

sub query { return $node->safe_psql(@_); }

sub paced
{
	my $pace = shift;
	query('postgres', "ALTER SYSTEM SET session.cleanup_pace = $pace");
	$node->reload;
	return;
}

sub until_true
{
	my ($database, $sql, $name) = @_;
	ok($node->poll_query_until($database, $sql), $name);
	return;
}

# Inserts rows of sessions that ended long ago.
sub make_dead
{
	my ($database, $count) = @_;
	query(
		$database, qq{
		INSERT INTO session.sessions (id, token_hash, auth_level, data, created_at, last_seen_at, expires_at, purge_at)
		SELECT gen_random_uuid(), sha256(n::text::bytea), 0, '{}', '2020-01-01 UTC', '2020-01-01 UTC', '2020-01-02 UTC', '2020-01-02 UTC'
		FROM generate_series(1, $count) AS n
	});
	return;
}

my $no_dead =
  q{SELECT count(*) = 0 FROM session.sessions WHERE expires_at < '2020-02-01 UTC'};

# Each deletion of a row takes 20 ms, or more where a test says so.
sub make_database
{
	my ($database, $seconds) = @_;
	query('postgres', "CREATE DATABASE $database");
	query(
		$database, qq{
		CREATE EXTENSION session;
		CREATE FUNCTION public.slow() RETURNS trigger LANGUAGE plpgsql AS \$\$
		BEGIN
			PERFORM pg_sleep($seconds);
			RETURN OLD;
		END \$\$;
		CREATE TRIGGER slow BEFORE DELETE ON session.sessions FOR EACH ROW EXECUTE FUNCTION public.slow();
	});
	return;
}

# Restarts the server and waits for the round in a database. Returns columns of
# session.stats about it.
sub round_after_restart
{
	my ($database, $columns) = @_;
	$node->restart;
	$node->poll_query_until($database,
		"SELECT round_duration IS NOT NULL FROM session.stats WHERE database = '$database'")
	  or die 'no round of upkeep ran';
	return query($database,
		"SELECT $columns FROM session.stats WHERE database = '$database'");
}

# A worker in a long rest. That after a search is short.
my $resting =
  q{FROM pg_stat_activity WHERE backend_type = 'session worker' AND state = 'idle' AND query = 'deleting dead sessions' AND wait_event_type = 'Extension' AND state_change < clock_timestamp() - interval '0.5 s'};

# Waits until the worker rests in a database. Returns its process id.
sub resting_worker
{
	my $database = shift;
	for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		my $pid =
		  query('postgres', "SELECT pid $resting AND datname = '$database'");
		return $pid if $pid ne '';
		usleep(100_000);
	}
	die "the worker does not rest in $database";
}

# Returns how many transactions the server has begun to write in.
sub transactions
{
	return query('postgres', 'SELECT pg_current_xact_id()::text::bigint');
}

make_database('fast', '0.02');

# The proportion. The trigger sleeps for 0.5 s in all, so the rests are 1 s at
# least. A rest can last longer than it was meant to, and the next one is shorter
# by as much. Batches are short while the worker rests between them, and not
# otherwise.
paced(2);
make_dead('fast', 25);
my $before = transactions();
my $columns = q{round_deleted, round_rested >= '0.95 s', round_rested <= (round_duration - round_rested) * 2 + '0.1 s'};
is(round_after_restart('fast', $columns),
	'25|t|t', 'the worker rests twice as long as it deletes');
cmp_ok(transactions() - $before, '>=', 25,
	'a batch of slow deletions is a row, if the worker rests');
paced(0);
make_dead('fast', 25);
$before = transactions();
is(round_after_restart('fast', 'round_deleted, round_rested'),
	'25|00:00:00', 'with a pace of 0 the worker does not rest');
cmp_ok(transactions() - $before, '<', 15,
	'a batch has more rows then');
paced(1);
is(round_after_restart('fast', q{round_deleted, round_rested < '0.1 s'}),
	'0|t', 'a worker that has nothing to delete does not rest');

# session_cleanup() does not rest.
make_database('slow', '0.1');
paced(100);
make_dead('slow', 5);
my $start = time;
is(query('slow', 'SELECT deleted FROM session_cleanup()'),
	'5', 'session_cleanup() deletes');
cmp_ok(time - $start, '<', 10, 'session_cleanup() does not rest');

# A rest holds nothing.
make_dead('slow', 20);
$node->restart;
until_true('postgres',
	"SELECT count(*) = 1 $resting AND xact_start IS NULL AND backend_xid IS NULL AND backend_xmin IS NULL "
	  . 'AND NOT EXISTS (SELECT FROM pg_locks WHERE pg_locks.pid = pg_stat_activity.pid)',
	'a rest holds no transaction, snapshot or lock');

# A rest of a worker that deletes for 0.1 s would last 5 s, and end its turn.
$node->restart;
my $pid = resting_worker('slow');
paced(0);
until_true('postgres',
	"SELECT count(*) = 1 FROM pg_stat_activity WHERE pid = $pid AND query = 'deleting dead sessions' AND wait_event = 'PgSleep'",
	'a smaller pace ends the rest of the worker that is running');
until_true('slow', $no_dead, 'it deletes the rest of the rows');

# The other databases get their turn.
paced(100);
make_dead('slow', 200);
make_dead('fast', 1);
$node->restart;
until_true('fast', $no_dead, 'another database is cleaned meanwhile');
is(query('slow', $no_dead), 'f', 'the worker is not done in the first one');

# What needs the database or the worker's end does not wait for the rest.
$pid = resting_worker('slow');
$start = time;
query('postgres', "SELECT pg_terminate_backend($pid)");
until_true('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $pid",
	'a worker that is terminated ends');
cmp_ok(time - $start, '<=', 2, 'it does not wait for the rest');
for my $mode (qw(smart fast immediate))
{
	$node->restart;
	resting_worker('slow');
	$start = time;
	$node->stop($mode);
	cmp_ok(time - $start, '<=', 3, "a $mode shutdown does not wait for the rest");
	$node->start;
}
resting_worker('slow');
$start = time;
is($node->psql('postgres', 'ALTER DATABASE slow RENAME TO slower'),
	0, 'a database can be renamed during a rest');
cmp_ok(time - $start, '<=', 2, 'renaming it does not wait for the rest');
$node->restart;
resting_worker('slower');
$start = time;
is($node->psql('postgres', 'DROP DATABASE slower'),
	0, 'a database can be dropped during a rest');
cmp_ok(time - $start, '<=', 2, 'dropping it does not wait for the rest');
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|server process .* was terminated/,
	'no process crashed');
$node->stop;

done_testing();
