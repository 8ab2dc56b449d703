# The launcher finds the databases that use sessions, and starts workers that
# write activity and delete dead sessions, one database after the other. Upkeep
# blocks no other work, follows changes of settings, and restarts after a
# failure.

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf(
	'postgresql.conf', q{
shared_preload_libraries = 'session'
session.naptime = '1s'
session.cleanup_interval = '1s'
log_min_messages = debug1
wal_level = logical
});
$node->start;

sub query { return $node->safe_psql(@_); }

sub told
{
	my ($setting, $value) = @_;
	query('postgres', "ALTER SYSTEM SET $setting = '$value'");
	$node->reload;
	$node->poll_query_until('postgres',
		"SELECT current_setting('$setting') = '$value'")
	  or die "$setting was not set";
	return;
}

sub until_true
{
	my ($database, $sql, $name) = @_;
	ok($node->poll_query_until($database, $sql), $name);
	return;
}

# Creates a session that was last seen an hour ago and has just been used.
# Returns its id.
sub used
{
	my $database = shift;
	return query(
		$database, q{
		SELECT id, token FROM session_create('ada', idle_timeout => '2 hours') \gset
		UPDATE session.sessions SET last_seen_at = last_seen_at - interval '1 hour' WHERE id = :'id';
		SELECT FROM session_validate(:'token');
		SELECT :'id';
	});
}

sub written
{
	my $id = shift;
	return "SELECT last_seen_at > now() - interval '10 minutes' FROM session.sessions WHERE id = '$id'";
}

# Returns a statement that inserts rows of sessions that ended long ago.
sub dead_rows
{
	my ($count) = @_;
	return qq{
		INSERT INTO session.sessions (id, token_hash, auth_level, data, created_at, last_seen_at, expires_at, purge_at)
		SELECT gen_random_uuid(), sha256(n::text::bytea), 0, '{}', '2020-01-01 UTC', '2020-01-01 UTC', '2020-01-02 UTC', '2020-01-02 UTC'
		FROM generate_series(1, $count) AS n;
	};
}

# Inserts these rows, which a round may delete at once.
sub make_dead
{
	my ($database, $count) = @_;
	query($database, dead_rows($count));
	return;
}

my $no_dead =
  q{SELECT count(*) = 0 FROM session.sessions WHERE expires_at < '2020-02-01 UTC'};

sub launcher
{
	return query('postgres',
		q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'session launcher'});
}

sub working_in
{
	my $database = shift;
	return "SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type = 'session worker' "
	  . "AND application_name = 'session worker' AND datname = '$database'";
}

sub workers_for
{
	my $database = shift;
	my $oid =
	  query('postgres', "SELECT oid FROM pg_database WHERE datname = '$database'");
	my $log = slurp_file($node->logfile);
	return scalar(() =
		  $log =~ /DEBUG:  registering background worker "session worker for database $oid"/g);
}

# Three databases with the extension, and one without it.
query('postgres', "CREATE DATABASE $_") for qw(a b c plain);
query($_, 'CREATE EXTENSION session') for qw(a b c);
isnt(launcher(), '', 'the launcher is listed in pg_stat_activity');
is( query('postgres', q{SELECT datname IS NULL, application_name
	FROM pg_stat_activity WHERE backend_type = 'session launcher'}),
	't|session launcher',
	'the launcher is connected to no database');
for my $database (qw(a b c))
{
	my $id = used($database);
	make_dead($database, 10);
	until_true($database, written($id), "activity in $database is written");
	until_true($database, $no_dead, "dead sessions in $database are deleted");
	is(query($database, 'SELECT count(*) FROM session.sessions'),
		'1', "live sessions in $database are not deleted");
}

# After a server start a worker checks each database once. Upkeep runs in every
# database with the extension, even if no session is used.
told('session.cleanup_interval', '1d');
make_dead($_, 10) for qw(a b c);
my $plain_before = workers_for('plain');
$node->restart;
until_true($_, $no_dead, "dead sessions in $_ are deleted after a restart")
  for qw(a b c);
$node->poll_query_until('a', written(used('a')))
  or die 'no round of upkeep ran';
is(workers_for('plain') - $plain_before,
	1, 'a worker checks a database without the extension only once');

# Changes of settings take effect without a restart.
make_dead('a', 10);
until_true('a', written(used('a')), 'rounds of upkeep run');
is(query('a', $no_dead), 'f',
	'nothing is deleted before session.cleanup_interval is over');
told('session.cleanup_interval', '1s');
until_true('a', $no_dead, 'a shorter session.cleanup_interval takes effect');

told('session.naptime', '1d');
make_dead('a', 7);
used('a');
$node->restart;
until_true(
	'postgres',
	q{SELECT state = 'idle' FROM pg_stat_activity WHERE backend_type = 'session launcher' AND query <> ''},
	'the launcher has checked all databases and sleeps');
is( query('a', q{SELECT rounds, round_errors, round_deleted, round_written, round_duration > '0', round_started_at > pg_postmaster_start_time()
		FROM session.stats WHERE database = 'a'}),
	'1|0|7|0|t|t', 'session.stats describes the last round');
make_dead('b', 10);
my $id = used('b');
told('session.naptime', '1s');
until_true('b', $no_dead, 'a shorter session.naptime wakes the launcher');
until_true('b', written($id),
'activity is written after a shorter session.naptime too');

# The postmaster replaces a launcher that dies.
my $pid = launcher();
query('postgres', "SELECT pg_terminate_backend($pid)");
until_true(
	'postgres',
	qq{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'session launcher' AND pid <> $pid},
	'a launcher that was terminated is replaced');
make_dead('a', 10);
until_true('a', $no_dead, 'the new launcher has upkeep done');

# A worker is replaced too, if it dies in the middle of its work.
told('session.cleanup_batch', '1');
make_dead('a', 30000);
until_true('postgres', working_in('a'), 'a worker is deleting sessions');
until_true(
	'postgres',
	q{SELECT bool_or(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE backend_type = 'session worker' AND datname = 'a'},
	'the worker is terminated');
isnt(query('a', $no_dead), 't',
'the terminated worker has not deleted everything');
told('session.cleanup_batch', '1000');
until_true('a', $no_dead, 'another worker deletes the rest');

# A database can be dropped and copied while a worker works in it.
told('session.cleanup_batch', '1');
make_dead('b', 50000);
until_true('postgres', working_in('b'), 'a worker is deleting sessions in b');
query('postgres', 'CREATE DATABASE copy TEMPLATE b');
is(query('copy', $no_dead), 'f',
	'a database can be copied while a worker works in it');
until_true('postgres', working_in('b'),
'a worker is deleting sessions in b again');
query('postgres', 'DROP DATABASE b');
pass('a database can be dropped while a worker works in it');
query('postgres', 'DROP DATABASE copy');
$id = used('c');
until_true('c', written($id), 'upkeep continues in the other databases');

# A batch ends after a second, however long each of its rows takes. So a
# database can be renamed and dropped during every step of upkeep.
query('postgres', 'CREATE DATABASE slow');
query(
	'slow', q{
	CREATE EXTENSION session;
	SELECT FROM session_key_rotate();
	CREATE FUNCTION public.slow() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM pg_sleep(0.02);
		RETURN coalesce(NEW, OLD);
	END $$;
	CREATE TRIGGER slow BEFORE UPDATE OR DELETE ON session.sessions FOR EACH ROW EXECUTE FUNCTION public.slow();
	CREATE TRIGGER slow BEFORE DELETE ON session.denylist FOR EACH ROW EXECUTE FUNCTION public.slow();
	CREATE TRIGGER slow BEFORE INSERT OR DELETE ON session.events FOR EACH ROW EXECUTE FUNCTION public.slow();
	CREATE TRIGGER slow BEFORE DELETE ON session.origins FOR EACH ROW EXECUTE FUNCTION public.slow();
});
my %work = (
	'deleting dead sessions' => q{
		INSERT INTO session.sessions (id, token_hash, auth_level, data, created_at, last_seen_at, expires_at, purge_at)
		SELECT gen_random_uuid(), sha256(n::text::bytea), 0, '{}', '2020-01-01 UTC', '2020-01-01 UTC', '2020-01-02 UTC', '2020-01-02 UTC'
		FROM generate_series(1, 1000) AS n},
	'trimming the denylist' => q{INSERT INTO session.denylist SELECT sha256(n::text::bytea), '2020-01-01 UTC' FROM generate_series(1, 1000) AS n},
	'trimming events' => q{
		ALTER TABLE session.events DISABLE TRIGGER slow;
		INSERT INTO session.events (at, kind, actor, actor_kind) SELECT '2020-01-01 UTC', 'created', 'test', 'role' FROM generate_series(1, 1000) AS n;
		ALTER TABLE session.events ENABLE TRIGGER slow},
	'trimming origins' => q{INSERT INTO session.origins SELECT n, n, '2020-01-01 UTC', n FROM generate_series(1, 1000) AS n},
	'writing activity' => q{
		CREATE TEMP TABLE tok AS SELECT s.token FROM generate_series(1, 500) AS n, session_create('user' || n, idle_timeout => '2 hours') AS s;
		ALTER TABLE session.sessions DISABLE TRIGGER slow;
		UPDATE session.sessions SET last_seen_at = last_seen_at - interval '1 hour';
		ALTER TABLE session.sessions ENABLE TRIGGER slow;
		SELECT count(v.id) FROM tok, session_validate(token) AS v},
	'writing evidence' => q{
		CREATE TEMP TABLE tok AS SELECT s.token FROM generate_series(1, 400) AS n, session_create('user' || n, ip => '192.0.2.1') AS s;
		SET session.bind_ip = 'exact'; SET session.log_events = 'binding_mismatch';
		SELECT count(v.id) FROM tok, session_validate(token, '192.0.2.2') AS v});
my $name = 'slow';
for my $step (sort keys %work)
{
	query($name, $work{$step});
	until_true(
		'postgres',
		qq{SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type = 'session worker' AND datname = '$name' AND query = '$step' AND wait_event = 'PgSleep'},
		"$step is slow");
	my $other = $name eq 'slow' ? 'renamed' : 'slow';
	is( $node->psql('postgres', "ALTER DATABASE $name RENAME TO $other"),
		0, "the database can be renamed during $step");
	$name = $other;
	query($name, 'TRUNCATE session.sessions, session.denylist, session.events, session.origins');
}
query($name, $work{'deleting dead sessions'});
until_true(
	'postgres',
	qq{SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type = 'session worker' AND datname = '$name' AND wait_event = 'PgSleep'},
	'a worker is deleting dead sessions again');
is($node->psql('postgres', "DROP DATABASE $name"), 0,
	'the database can be dropped while dead sessions are deleted');

# A publication FOR ALL TABLES does not stop upkeep. A step that fails does not
# stop the other steps.
query(
	'a', q{
	CREATE PUBLICATION everything FOR ALL TABLES;
	CREATE FUNCTION public.fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'failed'; END $$;
	CREATE TRIGGER fail BEFORE DELETE ON session.denylist FOR EACH ROW EXECUTE FUNCTION public.fail();
	INSERT INTO session.denylist VALUES (sha256('a'), '2020-01-01 UTC');
	INSERT INTO session.events (at, kind, actor, actor_kind) SELECT '2020-01-01 UTC', 'created', 'test', 'role' FROM generate_series(1, 10);
	INSERT INTO session.origins SELECT n, n, '2020-01-01 UTC', n FROM generate_series(1, 10) AS n;
});
make_dead('a', 10);
until_true('a', $no_dead, 'dead sessions of a published table are deleted');
until_true('a', q{SELECT count(*) = 0 FROM session.events WHERE at < '2021-01-01 UTC'},
'old events of a published table are deleted');
until_true('a', q{SELECT count(*) = 0 FROM session.origins WHERE used_at < '2021-01-01 UTC'},
'old origins of a published table are deleted');
is(query('a', q{SELECT count(*) FROM session.denylist}), '1',
	'the step that trims the denylist has failed');
my $id_a = used('a');
until_true('a', written($id_a),
'activity is written although another step fails');
cmp_ok(query('a', q{SELECT round_errors FROM session.stats WHERE database = 'a'}), '>', 0,
	'session.stats counts the step that failed');
query('a', 'DROP TRIGGER fail ON session.denylist');
until_true('a', q{SELECT count(*) = 0 FROM session.denylist},
'the denylist is trimmed once that works again');
query('a', 'DROP PUBLICATION everything; DROP FUNCTION public.fail()');

# Upkeep skips a row that is locked, and deletes it in a later round. A round may
# delete dead rows before one is locked; then there are others.
my $holder = $node->background_psql('c');
$holder->query_safe('BEGIN');
do
{
	make_dead('c', 3);
} until $holder->query_safe(
	q{SELECT id FROM session.sessions WHERE expires_at < '2020-02-01 UTC' LIMIT 1 FOR UPDATE SKIP LOCKED});
until_true('c',
	q{SELECT count(*) = 1 FROM session.sessions WHERE expires_at < '2020-02-01 UTC'},
	'a locked row is skipped');
until_true('c', written(used('c')), 'rounds continue while a row is locked');
$holder->query_safe('COMMIT');
$holder->quit;
until_true('c', $no_dead, 'the row is deleted once it is unlocked');

# Rows that cannot be written or deleted do not stop the others. Here a trigger
# and a foreign key of the application are the reason.
sub round_errors
{
	my $database = shift;
	return query('postgres',
		"SELECT round_errors FROM session.stats WHERE database = '$database'");
}
query('postgres', 'CREATE EXTENSION session');
query(
	'c', q{
	CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		IF OLD.user_id = 'refused' THEN
			RAISE EXCEPTION 'refused';
		END IF;
		RETURN coalesce(NEW, OLD);
	END $$;
	CREATE TRIGGER refuse BEFORE UPDATE OF last_seen_at ON session.sessions FOR EACH ROW EXECUTE FUNCTION public.refuse();
	DELETE FROM session.sessions;
	CREATE TABLE public.kept (id uuid REFERENCES session.sessions);
});
my $errors = round_errors('c');
query(
	'c', q{
	CREATE TEMP TABLE tok AS SELECT s.id, s.token FROM generate_series(1, 30) AS n, session_create(CASE WHEN n % 10 = 0 THEN 'refused' ELSE 'ada' END, idle_timeout => '2 hours') AS s;
	ALTER TABLE session.sessions DISABLE TRIGGER refuse;
	UPDATE session.sessions SET last_seen_at = last_seen_at - interval '1 hour';
	ALTER TABLE session.sessions ENABLE TRIGGER refuse;
	SELECT count(v.id) FROM tok, session_validate(token) AS v;
});
my $fresh = q{last_seen_at > now() - interval '10 minutes'};
until_true('c',
	"SELECT count(*) FILTER (WHERE $fresh) = 27 FROM session.sessions WHERE user_id IN ('ada', 'refused')",
	'rows that cannot be written do not stop the others');
query('c', 'BEGIN;' . dead_rows(30)
	. q{INSERT INTO public.kept SELECT id FROM session.sessions WHERE expires_at < '2020-02-01 UTC' ORDER BY purge_at, id LIMIT 3; COMMIT});
until_true('c',
	q{SELECT count(*) = 3 AND bool_and(id IN (SELECT id FROM public.kept)) FROM session.sessions WHERE expires_at < '2020-02-01 UTC'},
	'rows that cannot be deleted do not stop the others');
cmp_ok(round_errors('c') - $errors, '>=', 2,
	'session.stats counts the rows that failed');
query('c', 'DROP TABLE public.kept');
is( query('c', q{SELECT bool_and(purge_at BETWEEN now() + interval '50 minutes' AND now() + interval '1 hour') FROM session.sessions WHERE expires_at < '2020-02-01 UTC'}),
	't', 'rows that cannot be deleted are put off by an hour');
query('c', q{UPDATE session.sessions SET purge_at = now() WHERE expires_at < '2020-02-01 UTC'});
until_true('c', $no_dead,
'rows that were put off are deleted once that is possible');

# This holds for any number of such rows.
query('c', 'CREATE TABLE public.kept (id uuid REFERENCES session.sessions)');
query('c', 'BEGIN;' . dead_rows(350)
	. q{INSERT INTO public.kept SELECT id FROM session.sessions WHERE expires_at < '2020-02-01 UTC'; COMMIT});
query('c', q{INSERT INTO session.sessions (id, token_hash, auth_level, data, created_at, last_seen_at, expires_at, purge_at)
	SELECT gen_random_uuid(), sha256(n::text::bytea), 0, '{}', '2020-01-01 UTC', '2020-01-01 UTC', '2020-01-02 UTC', '2020-01-03 UTC'
	FROM generate_series(1, 100) AS n});
until_true('c',
	q{SELECT count(*) = 350 FROM session.sessions WHERE expires_at < '2020-02-01 UTC'},
	'hundreds of rows that cannot be deleted do not stop the others');
query('c', q{DROP TABLE public.kept; UPDATE session.sessions SET purge_at = now() WHERE expires_at < '2020-02-01 UTC'});
until_true('c', $no_dead,
'hundreds of rows that were put off are deleted once that is possible');
query('c', 'DROP TRIGGER refuse ON session.sessions');
until_true('c', "SELECT bool_and($fresh) FROM session.sessions WHERE user_id = 'refused'",
	'activity is written once that is possible');

# Rows that cannot even be put off, and rows that wait for a lock of another
# transaction, do not stop the others.
query(
	'c', q{
	CREATE FUNCTION public.hold() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN RAISE EXCEPTION 'held'; END $$;
	CREATE TRIGGER hold BEFORE UPDATE OR DELETE ON session.sessions FOR EACH ROW WHEN (OLD.user_id = 'held') EXECUTE FUNCTION public.hold();
	CREATE TABLE public.child (id uuid REFERENCES session.sessions ON DELETE CASCADE);
});
query('c', 'BEGIN;' . dead_rows(400) . q{
	ALTER TABLE session.sessions DISABLE TRIGGER hold;
	UPDATE session.sessions SET user_id = 'held' WHERE id IN (SELECT id FROM session.sessions WHERE expires_at < '2020-02-01 UTC' LIMIT 150);
	UPDATE session.sessions SET user_id = 'parent', expires_at = '2100-01-01 UTC', purge_at = '2100-01-01 UTC' WHERE id = (SELECT id FROM session.sessions WHERE expires_at < '2020-02-01 UTC' AND user_id IS NULL LIMIT 1);
	INSERT INTO public.child SELECT id FROM session.sessions WHERE user_id = 'parent';
	ALTER TABLE session.sessions ENABLE TRIGGER hold;
	COMMIT;
});
my $locker = $node->background_psql('c');
$locker->query_safe('BEGIN; SELECT FROM public.child FOR UPDATE');
# The session ends only now: before, a round could delete it.
query('c', q{UPDATE session.sessions SET expires_at = '2020-01-02 UTC', purge_at = '2020-01-02 UTC' WHERE user_id = 'parent'});
until_true('c',
	q{SELECT count(*) FILTER (WHERE user_id = 'held') = 150 AND count(*) FILTER (WHERE user_id = 'parent') = 1 AND count(*) = 151
	FROM session.sessions WHERE expires_at < '2020-02-01 UTC'},
	'rows that cannot be put off do not stop the others');
$locker->query_safe('COMMIT');
$locker->quit;
query('c', q{DROP TRIGGER hold ON session.sessions; UPDATE session.sessions SET purge_at = now() WHERE expires_at < '2020-02-01 UTC'});
until_true('c', $no_dead,
'rows that could not be put off are deleted once that is possible');
query('c', 'DROP TABLE public.child');

# A table that the extension cannot work with causes an error in each round. It
# does not stop the server, and the other databases do not wait.
$errors = round_errors('c');
my $since = -s $node->logfile;
query('c', 'BEGIN;' . dead_rows(3)
  . 'CREATE TABLE public.more () INHERITS (session.sessions); COMMIT');
until_true('postgres', "SELECT round_errors > $errors + 2 FROM session.stats WHERE database = 'c'",
	'session.stats counts an error for a table with a child table');
until_true('a', written(used('a')),
'upkeep continues in the other databases after that error');
my ($refused, $workers) = (0, 0);
for (split /\n/, slurp_file($node->logfile, $since))
{
	$refused++ if /ERROR:  cannot work with table "session.sessions"/;
	$workers++ if /starting background worker process "session worker for database @{[query('c', 'SELECT oid FROM pg_database WHERE datname = current_database()')]}"/;
}
cmp_ok($refused, '>=', 3, 'the log has the error');
cmp_ok($refused, '<=', $workers,
	'the log has the error at most once per round');
isnt(query('postgres', q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'session launcher'}),
	'', 'the launcher survives the error');
is(query('c', q{SELECT count(*) FROM ONLY session.sessions WHERE expires_at < '2020-02-01 UTC'}),
	'3', 'nothing is deleted from a table with a child table');
query('c', 'DROP TABLE public.more');
until_true('c', $no_dead, 'upkeep continues once the child table is dropped');
query('c', q{
	ALTER TABLE session.sessions RENAME TO heap;
	CREATE TABLE session.sessions (LIKE session.heap) PARTITION BY RANGE (id);
	ALTER EXTENSION session ADD TABLE session.sessions});
$errors = round_errors('c');
until_true('postgres', "SELECT round_errors > $errors + 2 FROM session.stats WHERE database = 'c'",
	'session.stats counts an error for a partitioned table');
query('c', 'ALTER EXTENSION session DROP TABLE session.sessions; DROP TABLE session.sessions; ALTER TABLE session.heap RENAME TO sessions');
query('postgres', 'DROP EXTENSION session');
query('c', 'DROP EXTENSION session; CREATE EXTENSION session');
until_true('c', written(used('c')),
'upkeep works after the extension was created again');

# A trigger on our tables runs with the privileges of their owner and no
# others.
query(
	'c', q{
	CREATE ROLE owner LOGIN;
	CREATE TABLE public.seen (who name, how text);
	GRANT ALL ON public.seen TO owner;
	GRANT USAGE ON SCHEMA session TO owner;
	CREATE FUNCTION public.trap() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		BEGIN
			RESET SESSION AUTHORIZATION;
			EXECUTE 'ALTER ROLE owner SUPERUSER';
		EXCEPTION WHEN OTHERS THEN
			NULL;
		END;
		INSERT INTO public.seen VALUES (current_user, TG_NAME);
		RETURN NULL;
	END $$;
	CREATE TRIGGER now AFTER DELETE ON session.sessions FOR EACH ROW EXECUTE FUNCTION public.trap();
	ALTER TABLE session.sessions OWNER TO owner;
});
make_dead('c', 1);
until_true('c', $no_dead,
'dead sessions of a table of another owner are deleted');
is(query('c', 'SELECT * FROM public.seen'),
	'owner|now', 'a trigger on the table runs as its owner');
is(query('c', q{SELECT rolsuper FROM pg_roles WHERE rolname = 'owner'}),
	'f', 'a trigger cannot make its owner a superuser');
query(
	'c', q{
	CREATE CONSTRAINT TRIGGER later AFTER DELETE ON session.sessions DEFERRABLE INITIALLY DEFERRED
		FOR EACH ROW EXECUTE FUNCTION public.trap();
});
my $position = -s $node->logfile;
make_dead('c', 1);
$node->wait_for_log(qr/ERROR: .*cannot fire deferred trigger within security-restricted operation/, $position);
pass('a deferred trigger fails');
is(query('c', q{SELECT rolsuper FROM pg_roles WHERE rolname = 'owner'}),
	'f', 'a deferred trigger cannot make its owner a superuser');
until_true('a', written(used('a')),
'upkeep continues in the other databases after the deferred trigger failed');
query('c', 'DROP TRIGGER later ON session.sessions; DROP TRIGGER now ON session.sessions');
query('c', q{UPDATE session.sessions SET purge_at = now() WHERE expires_at < '2020-02-01 UTC'});
until_true('c', $no_dead,
'dead sessions are deleted once the deferred trigger is dropped');

# A database whose extension was dropped gets no more workers.
query('c', 'DROP EXTENSION session');
until_true('a', written(used('a')), 'rounds run in another database');
my $asked = workers_for('c');
until_true('a', written(used('a')), 'another round runs in another database') for 1 .. 3;
cmp_ok(workers_for('c') - $asked, '<=', 1,
	'no worker is started for a database whose extension was dropped');
query('c', 'CREATE EXTENSION session');
until_true('c', written(used('c')),
'upkeep runs after the extension was created again');

# An extension that no worker has seen yet is found when it is used.
query('postgres', 'CREATE EXTENSION session');
my $creator = $node->background_psql('c');
$creator->query_safe('DROP EXTENSION session');
$creator->query_safe('BEGIN; CREATE EXTENSION session');
$creator->query_safe(q{CREATE TABLE tok AS SELECT * FROM session_create('ada', idle_timeout => '2 hours')});
until_true('postgres', q{SELECT count(*) = 0 FROM session.stats WHERE database = 'c'},
	'session.stats does not list a database whose extension is not committed');
$creator->query_safe(q{UPDATE session.sessions SET last_seen_at = last_seen_at - interval '1 hour'; COMMIT});
$creator->query_safe(q{SELECT FROM session_validate((SELECT token FROM tok))});
until_true('c', "SELECT $fresh FROM session.sessions",
	'using a new extension starts upkeep in its database');
$creator->quit;
query('postgres', 'DROP EXTENSION session');

# The server stops at once, in every mode, while a worker works.
for my $mode (qw(smart fast immediate))
{
	make_dead('a', 20000);
	until_true('postgres', working_in('a'),
	'a worker is deleting sessions before the shutdown');
	my $start = time;
	$node->stop($mode);
	cmp_ok(time - $start, '<=', 5,
		"a $mode shutdown does not wait for the worker");
	$node->start;
}
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|server process .* was terminated/,
	'no process crashed');
$node->stop;

#
# No slot for a worker
#

my $small = PostgreSQL::Test::Cluster->new('small');
$small->init;
$small->append_conf(
	'postgresql.conf', q{
shared_preload_libraries = 'session'
session.naptime = '1s'
session.cleanup_interval = '1s'
session.bind_ip = 'exact'
session.failure_threshold = 1
max_logical_replication_workers = 0
max_worker_processes = 1
max_parallel_workers_per_gather = 4
log_min_messages = debug1
});
# Without workers no database is checked, so no master key is made.
append_to_file($small->data_dir . '/session_master.key', 'ab' x 32 . "\n");
chmod 0600, $small->data_dir . '/session_master.key' or die 'chmod failed';
$small->start;
my $worker_state = 'SELECT workers FROM session.stats WHERE database = current_database()';
my $complaint = 'could not start a session worker';

# There is a slot for the launcher only.
$small->safe_psql('postgres', 'CREATE EXTENSION session; SELECT count(session_status($$st_$$)) FROM generate_series(1, 5)');
ok($small->poll_query_until('postgres', $worker_state, 'no slot'),
	'session.stats says that there is no slot for a worker');
$small->wait_for_log(qr/DEBUG:  (?:\w+: )?$complaint.*DEBUG:  (?:\w+: )?$complaint/s);
is(scalar(() = slurp_file($small->logfile) =~ /LOG:  (?:\w+: )?$complaint/g),
	1, 'the log has the message once at level LOG');
like(slurp_file($small->logfile), qr/HINT:  You might need to increase "max_worker_processes"/,
	'the message has a hint that names the setting');

# Meanwhile more evidence of less severe kinds arrives than the queue can hold.
$small->safe_psql(
	'postgres', q{
	SELECT count(session_status('st_', '10.0.0.0'::inet + n / 2)) FROM generate_series(2, 4000) AS n;
	SELECT count(v.id) FROM generate_series(1, 2000) AS n, session_create('user ' || n, ip => '192.0.2.1') AS c, session_validate(c.token, '192.0.2.2') AS v;
	SELECT c.refresh_token AS first, r.refresh_token AS second FROM session_create('ada', ip => '192.0.2.1', refreshable => true) AS c, session_refresh(c.refresh_token, '192.0.2.1') AS r \gset
	SELECT FROM session_refresh(:'second', '192.0.2.1');
	SELECT FROM session_refresh(:'first', '203.0.113.66');
});
is( $small->safe_psql(
		'postgres', q{
		SELECT count(*) FROM session.events;
		SELECT session_cleanup() \g /dev/null
		SELECT user_id, ip FROM session.events WHERE kind = 'refresh_reuse';
		SELECT count(*) >= 300 FROM session.events WHERE kind = 'binding_mismatch'}),
	"0\nada|203.0.113.66\nt",
	'evidence of a worse kind is kept');

# A slot that is taken and becomes free again.
$small->append_conf('postgresql.conf', "max_worker_processes = 2\nsession.cleanup_interval = '1d'\n");
$small->restart;
ok( $small->poll_query_until(
		'postgres',
		q{SELECT workers = 'ok' AND round_duration IS NOT NULL AND NOT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'session worker')
		FROM session.stats WHERE database = current_database()}),
	'a worker runs with one more slot');
$small->safe_psql('postgres', 'CREATE TABLE t WITH (parallel_workers = 4) AS SELECT 1 AS a; DELETE FROM session.events');
my $greedy = $small->background_psql('postgres', on_error_stop => 0);
$greedy->query_safe('SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET parallel_leader_participation = off');
$greedy->query_until(qr/busy/, "\\echo busy\nSELECT count(pg_sleep(600)) FROM t;\n");
my $parallel = q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'parallel worker' };
ok($small->poll_query_until('postgres', $parallel, '1'),
	'a parallel worker takes the last slot');
$small->safe_psql('postgres', q{SELECT count(session_status('st_')) FROM generate_series(1, 5)});
ok($small->poll_query_until('postgres', $worker_state, 'no slot'),
	'session.stats says that there is no slot again');
$small->safe_psql('postgres', q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND query LIKE '%pg_sleep(600)%' AND pid <> pg_backend_pid()});
ok($small->poll_query_until('postgres', $worker_state, 'ok'),
	'session.stats says that workers are ok once the slot is free');
ok($small->poll_query_until('postgres', q{SELECT count(*) > 0 FROM session.events WHERE kind = 'failures'}),
	'the evidence that waited is written');
eval { $greedy->quit };

# No slot for the launcher itself.
$small->append_conf('postgresql.conf', "max_worker_processes = 0\n");
$small->restart;
is($small->safe_psql('postgres', $worker_state), 'no launcher',
	'session.stats says that there is no launcher');
$small->stop;

done_testing();
