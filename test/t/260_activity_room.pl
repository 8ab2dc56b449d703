# Room for activity: what happens when more sessions are in use than shared
# memory has room for. Uses that are in their rows are evicted first, a worker
# writes early, each database has a share, and no session ends because its use
# was lost while another one could be evicted.

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# One part of 16 entries. It is pressed when more than 4 of them wait and most of
# these are due, or when more than 12 of them wait. In the second case a worker
# writes uses that are not due, until 8 wait.
my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf(
	'postgresql.conf', q{
shared_preload_libraries = 'session'
session.activity_size = 16
session.naptime = '1d'
session.cleanup_interval = '1d'
autovacuum = off
});
$node->start;

sub query { return $node->safe_psql(@_); }

# Waits until the launcher sleeps. It has then looked at every database.
sub settle
{
	$node->poll_query_until('postgres',
		q{SELECT count(*) FILTER (WHERE backend_type = 'session launcher' AND state = 'idle' AND query <> '') = 1
			AND count(*) FILTER (WHERE backend_type = 'session worker') = 0 FROM pg_stat_activity}
	) or die 'the launcher does not sleep';
	return;
}

sub restart { $node->restart; settle(); return; }

# Makes sessions that were last used a span ago.
sub make
{
	my ($database, $user, $count, $span, $idle) = @_;
	$idle //= '0';
	query($database, qq{
		INSERT INTO tok SELECT '$user', (session_create('$user', idle_timeout => '$idle')).token FROM generate_series(1, $count);
		UPDATE session.sessions SET created_at = created_at - interval '1 day' WHERE user_id = '$user'});
	age($database, $user, $span);
	return;
}

# Moves what the rows have as the last use of a user's sessions.
sub age
{
	my ($database, $user, $span) = @_;
	query($database, qq{
		UPDATE session.sessions SET last_seen_at = clock_timestamp() - interval '$span' WHERE user_id = '$user'});
	return;
}

# Validates sessions of a user in a READ ONLY transaction; returns how many are
# valid.
sub validate
{
	my ($database, $user, $count, $offset) = @_;
	$offset //= 0;
	return query($database, qq{
		BEGIN READ ONLY;
		SELECT count(v.id) FROM (SELECT token FROM tok WHERE user_id = '$user' ORDER BY token OFFSET $offset LIMIT $count) AS t, session_validate(token) AS v;
		COMMIT});
}

# Returns how many rows of a user have a use of the last minute.
sub written
{
	my ($database, $user) = @_;
	return query($database,
		"SELECT count(*) FROM session.sessions WHERE user_id = '$user' AND last_seen_at > clock_timestamp() - interval '1 minute'");
}

sub stat_of
{
	my ($database, $column) = @_;
	return query('postgres',
		"SELECT $column FROM session.stats WHERE database = '$database'");
}

sub until_true
{
	my ($database, $query, $title) = @_;
	ok($node->poll_query_until($database, $query), $title);
	return;
}

query('postgres', 'CREATE EXTENSION session');
for my $database (qw(a b))
{
	query('postgres', "CREATE DATABASE $database");
	query($database, 'CREATE EXTENSION session');
	query($database, 'CREATE TABLE tok (user_id text, token text)');
}
restart();

# Uses that are due. The launcher would look for work once a day.
make('a', 'due', 6, '1 hour');
is(validate('a', 'due', 4), '4', 'sessions are validated');
is(written('a', 'due'), '0',
	'no row is written while three quarters of the table are free');
is(validate('a', 'due', 2, 4), '2', 'more sessions are validated');
until_true('a',
	q{SELECT count(*) >= 5 FROM session.sessions WHERE user_id = 'due' AND last_seen_at > clock_timestamp() - interval '1 minute'},
	'a worker writes uses that are due when a quarter of the table waits');
restart();

# Early writes of uses that are not due.
make('a', 'early', 14, '5 minutes');
is(validate('a', 'early', 12), '12', 'sessions are validated');
is(stat_of('a', 'activity_used'), '12', 'three quarters of the table wait');
is(written('a', 'early'), '0', 'no row is written while there is room');
is(validate('a', 'early', 2, 12), '2', 'more sessions are validated');
until_true('postgres',
	q{SELECT activity_used <= 9 FROM session.stats WHERE database = 'a'},
	'a worker writes early when more wait');
until_true('a',
	q{SELECT count(*) >= 5 FROM session.sessions WHERE user_id = 'early' AND last_seen_at > clock_timestamp() - interval '1 minute'},
	'it writes into the rows');
cmp_ok(written('a', 'early'), '<=', '6',
	'it does not write more than it has to');
is(stat_of('a', 'activity_dropped'), '0', 'no use is lost');

# Uses that are in their rows are evicted first.
settle();
make('a', 'first', 8, '1 hour');
my $kept = query('a', q{SELECT count(*) FROM session.sessions AS s, session_get(s.id) AS g WHERE s.user_id = 'early' AND g.last_seen_at > s.last_seen_at});
is(validate('a', 'first', 4), '4', 'new uses find room');
is(query('a', q{SELECT count(*) FROM session.sessions AS s, session_get(s.id) AS g WHERE s.user_id = 'early' AND g.last_seen_at > s.last_seen_at}),
	$kept, 'uses that are not written do not give way to them');
is(stat_of('a', 'activity_dropped'), '0', 'no use is lost to them');

# Twice as many sessions as entries, all due, in READ ONLY transactions.
restart();
make('a', 'twice', 32, '1 hour');
for my $batch (0 .. 7)
{
	validate('a', 'twice', 4, 4 * $batch);
	$node->poll_query_until('postgres',
		q{SELECT activity_used <= 12 FROM session.stats WHERE database = 'a'})
	  or die 'no room is made';
}
is(stat_of('a', 'activity_dropped'), '0',
	'no use of twice as many sessions as entries is lost');
cmp_ok(written('a', 'twice'), '>=', 32 - 12, 'a worker has written the others');
age('a', 'twice', '1 hour');

# A use may be written and evicted after another backend has read the row. That
# backend reads the row again instead of taking the session for idle.
restart();
make('a', 'slow', 1, '5 minutes', '8 minutes');
age('a', 'slow', '7 minutes 58 seconds');
my $reader = $node->background_psql('a');
$reader->query_safe(
	'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM session.sessions');
is(validate('a', 'slow', 1), '1', 'a session is used just before it is idle');
make('a', 'many', 40, '1 hour');
for my $batch (0 .. 9)
{
	validate('a', 'many', 4, 4 * $batch);
	$node->poll_query_until('postgres',
		q{SELECT activity_used <= 12 FROM session.stats WHERE database = 'a'})
	  or die 'no room is made';
}
is(written('a', 'slow'), '1', 'its use is written meanwhile');
$node->poll_query_until('a',
	q{SELECT clock_timestamp() > last_seen_at + interval '3 seconds' FROM session.sessions WHERE user_id = 'slow'})
  or die 'the clock did not advance';
is( $reader->query_safe(
		q{SELECT last_seen_at < clock_timestamp() - interval '8 minutes' FROM session.sessions WHERE user_id = 'slow'}),
	't', 'an old snapshot has the row as it was, which is idle by now');
is( $reader->query_safe(
		q{SELECT status FROM session.directory WHERE user_id = 'slow'}),
	'active', 'the session is not taken for idle');
$reader->quit;

# A row has a use that is older than its write. The session was used again, and
# that use does not give way as one that the row need not have. The rows of the
# other database are locked, so that no worker makes room.
restart();
query('a', 'DELETE FROM session.sessions; DELETE FROM tok');
make('a', 'crowd', 40, '1 hour');
make('b', 'behind', 1, '12 seconds', '24 seconds');
validate('b', 'behind', 1);
query('b', 'SELECT pg_sleep(3.1)');
my $locker = $node->background_psql('a');
$locker->query_safe(
	'BEGIN; LOCK TABLE session.sessions IN SHARE ROW EXCLUSIVE MODE');
query('b', 'SELECT session_cleanup(); CREATE TABLE cleanup AS SELECT clock_timestamp() AS ended_at');
is(written('b', 'behind'), '1', 'the first use is in the row');
validate('b', 'behind', 1);
validate('a', 'crowd', 40);
is( query('b', q{SELECT g.last_seen_at > ended_at FROM cleanup, session.sessions AS s, session_get(s.id) AS g}),
	't', 'a use stays when the row has one that is older than a quarter of update_age, however late it was written');
$locker->query_safe('COMMIT');
$locker->quit;
query('b', 'DROP TABLE cleanup; DELETE FROM session.sessions; DELETE FROM tok');

# Two databases. The rows of the first are locked, so that its uses cannot be
# written.
restart();
query('a', 'DELETE FROM session.sessions; DELETE FROM tok');
make('a', 'crowd', 40, '1 hour');
my $holder = $node->background_psql('a');
$holder->query_safe(
	'BEGIN; LOCK TABLE session.sessions IN SHARE ROW EXCLUSIVE MODE');
is(validate('a', 'crowd', 20), '20', 'one database fills the table');
is(stat_of('a', 'activity_dropped'), '4',
	'uses for which nothing gives way are counted');
make('b', 'few', 7, '9 minutes', '10 minutes');
is(validate('b', 'few', 7), '7', 'sessions of another database are used');
age('b', 'few', '11 minutes');
is(validate('b', 'few', 7), '7',
	'they do not end: their uses found room, up to the share of the database');
is(stat_of('b', 'activity_dropped'), '0', 'no use of that database is lost');
is(stat_of('a', 'activity_dropped'), '11',
	'the uses that gave way are counted for the first database');
is(validate('a', 'crowd', 40), '40',
	'the first database wants room again and does not get that of the other');
is(validate('b', 'few', 7), '7', 'the sessions of the other do not end');

# However often requests find the table nearly full, few rounds are run while
# nothing can be written.
my $rounds = stat_of('a', 'rounds');
validate('a', 'crowd', 40) for 1 .. 30;
cmp_ok(stat_of('a', 'rounds') - $rounds, '<=', 5,
	'requests cannot keep the server busy with rounds that write nothing');

# A session that is idle after ten seconds and is used every two, while the
# other database fills the table again and again.
sub survives
{
	my ($title) = @_;
	my $valid = 0;

	query('b', q{DELETE FROM tok WHERE user_id = 'short'; INSERT INTO tok SELECT 'short', token FROM session_create('short', idle_timeout => '10 seconds')});
	for (1 .. 7)
	{
		validate('a', 'crowd', 40);
		$valid += validate('b', 'short', 1);
		validate('a', 'crowd', 40);
		query('b', 'SELECT pg_sleep(2)');
	}
	is($valid, 7, $title);
	return;
}
survives(
	'a session of ten seconds that is used in READ ONLY transactions lives while nothing of the other database can be written');
$holder->query_safe('COMMIT');
$holder->quit;
query('postgres', q{ALTER SYSTEM SET session.naptime = '1s'});
query('postgres', 'SELECT pg_reload_conf()');
survives('the same while workers write');

# Writing takes more than half of a round. What is over is deleted all the same.
query('postgres', q{ALTER SYSTEM SET session.naptime = '1d'});
query('postgres', q{ALTER SYSTEM SET session.cleanup_interval = '1s'});
restart();
make('a', 'busy', 14, '1 hour');
make('a', 'dead', 1, '1 hour');
query('a', q{
	UPDATE session.sessions SET expires_at = created_at + interval '1 hour', purge_at = created_at + interval '1 hour' WHERE user_id = 'dead';
	CREATE FUNCTION rest() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_catalog.pg_sleep(0.4); RETURN NEW; END';
	CREATE TRIGGER rest BEFORE UPDATE ON session.sessions FOR EACH ROW WHEN (NEW.user_id = 'busy') EXECUTE FUNCTION rest();
	SELECT pg_sleep(1.1)});
validate('a', 'busy', 14);
until_true('a',
	q{SELECT round_written >= 10 AND round_deleted = 1 FROM session.stats WHERE database = 'a'},
	'a round deletes a session that is over, although it writes for long');
query('a', 'DROP TRIGGER rest ON session.sessions');
query('postgres', q{ALTER SYSTEM RESET session.cleanup_interval});
query('postgres', q{ALTER SYSTEM SET session.naptime = '1s'});
restart();

# Nothing of a database that was dropped stays.
until_true('postgres',
	q{SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = 'a')},
	'no worker is in the first database');
query('a', q{UPDATE session.sessions SET last_seen_at = clock_timestamp() - interval '5 minutes'});
validate('a', 'crowd', 10);
cmp_ok(stat_of('a', 'activity_used'), '>=', 10, 'its uses wait');
query('postgres', 'DROP DATABASE a');
until_true('postgres',
	q{SELECT activity_used <= 9 FROM session.stats WHERE database = 'b'},
	'the uses of a database that was dropped are removed');
is(stat_of('b', 'round_errors'), '0', 'no round of the other has failed');

done_testing();
