# Who is behind a transaction, over real connections: nothing that a role, a
# database, a client or a file brings along says so, loaded beforehand or not;
# workers of a parallel query are told, and the next transaction of the
# connection is not; and none of it takes memory that is not given back.

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# A value that would make its bearer the user "admin".
my $forged = '1:1:' . '0:' x 16 . '9:0:0:5:admin-1:-1:2:{}-1:';

# initdb names the superuser after the user of the operating system.
my $superuser = getpwuid($>);

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf(
	'postgresql.conf', q{
shared_preload_libraries = 'session'
max_prepared_transactions = 2
max_worker_processes = 8
max_parallel_workers = 8
autovacuum = off
});
$node->start;

my $bare = PostgreSQL::Test::Cluster->new('bare');
$bare->init;
$bare->append_conf(
	'postgresql.conf', q{
max_worker_processes = 8
max_parallel_workers = 8
});
$bare->start;

my %token;
for my $server ($node, $bare)
{
	$server->safe_psql(
		'postgres', q{
		CREATE EXTENSION session;
		CREATE ROLE web LOGIN;
		CREATE ROLE owner LOGIN;
		CREATE DATABASE theirs OWNER owner;
		GRANT CREATE ON SCHEMA public TO web;
		CREATE TABLE todo AS
			SELECT CASE n % 4 WHEN 0 THEN 'alice' WHEN 1 THEN 'bob' WHEN 2 THEN 'admin' END AS owner, n
			FROM generate_series(1, 40000) AS n;
		GRANT SELECT ON todo TO web, owner;
		ANALYZE todo;
	});
	$token{$_}{ $server->name } = $server->safe_psql('postgres',
		"SELECT token FROM session_create('$_', auth_level => 2)")
	  for qw(alice bob);
}

# Runs SQL as a role in a connection of its own, with $alice and $bob for the
# tokens; returns its output, and leaves what it was told in $err.
my $err;

sub as
{
	my ($server, $role, $sql, %params) = @_;
	my $out = '';

	$sql =~ s/\$(alice|bob)/'$token{$1}{$server->name}'/g;
	$sql =~ s/\$forged/'$forged'/g;
	local $ENV{PGOPTIONS} = $params{options} // '';
	$err = '';
	$server->psql(
		$params{database} // 'postgres', $sql,
		stdout => \$out,
		stderr => \$err,
		on_error_stop => 0,
		extra_params => [ '-U', $role, '-v', 'VERBOSITY=sqlstate' ]);
	return $out;
}

my $who = q{SELECT coalesce(session_user_id(), 'nobody'), session_id() IS NOT NULL, session_claims() IS NOT NULL;};
my $nobody = 'nobody|f|f';
my $alice = 'alice|t|t';
my $by_alice = "BEGIN; SELECT session_authenticate(\$alice); $who COMMIT; $who";

# What makes a query run in workers, and in nothing else.
my $in_workers = q{
	SET parallel_setup_cost = 0;
	SET parallel_tuple_cost = 0;
	SET min_parallel_table_scan_size = 0;
	SET max_parallel_workers_per_gather = 2;
	SET parallel_leader_participation = off;
};

# Where the library is loaded when the server starts.
for my $options (
	"-c session.context=$forged",
	"--session.context=$forged",
	'-c session.context=x',
	"-c SESSION.CONTEXT=$forged")
{
	is(as($node, 'web', $who, options => $options),
		'', 'a connection that brings an identity along is refused');
	like($err, qr/FATAL: .*42501|FATAL:.*cannot be set/, 'with the right error');
}
is(as($node, 'web', $by_alice, options => '-c session.context='),
	"t\n$alice\n$nobody", 'one that brings none is not');
for my $statement (
	'ALTER ROLE web SET session.context = $forged',
	'ALTER ROLE web IN DATABASE postgres SET session.context = $forged',
	'ALTER ROLE ALL SET session.context = $forged',
	'ALTER DATABASE postgres SET session.context = $forged',
	'ALTER SYSTEM SET session.context = $forged',
	'CREATE FUNCTION f() RETURNS text LANGUAGE sql SET session.context = $forged RETURN session_user_id()',
	'SET session.context = $forged')
{
	as($node, $superuser, $statement);
	like($err, qr/ERROR: +(?:42501|55P02)/, "not even a superuser: $statement");
}
as($node, 'owner', 'ALTER DATABASE theirs SET session.context = $forged');
like($err, qr/ERROR: +42501/, 'nor the owner of a database');
is(as($node, 'web', $who), $nobody, 'none of that was kept');

# A file does not do it either, read anew or from the start.
my $conf = $node->data_dir . '/postgresql.conf';
my $kept = slurp_file($conf);
my $log = -s $node->logfile;
$node->append_conf('postgresql.conf', "session.context = '$forged'");
$node->reload;
$node->wait_for_log(qr/session\.context.*cannot be set|contains errors/s, $log);
is(as($node, 'web', $by_alice),
	"t\n$alice\n$nobody", 'a file that is read anew gives nobody an identity');
$node->restart;
is(as($node, 'web', "$by_alice $in_workers SELECT count(*) FROM todo WHERE session_user_id() IS NOT NULL"),
	"t\n$alice\n$nobody\n0", 'nor does one that is read from the start');
unlink $conf;
append_to_file($conf, $kept);
$node->restart;

# Where it is loaded by the first call, until then anybody can say anything,
# which means nothing.
my @before = (
	'SET session.context = $forged;',
	"SELECT set_config('session.context', \$forged, false) \\g /dev/null\n",
	'DO $$ BEGIN PERFORM set_config($q$session.context$q$, ' . "'$forged'"
	  . ', false); END $$;',
	'SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY; SET session.context = $forged;'
);
for my $before (@before)
{
	is(as($bare, 'web', "$before $who"),
		$nobody, 'what was set before the library is loaded is dropped');
	like($err, qr/WARNING: +42501/, 'with a warning');
	is(as($bare, 'web', "$before $by_alice"),
		"t\n$alice\n$nobody", 'and somebody else can be bound');
	is( as( $bare, 'web', "$before $in_workers"
			  . 'SELECT count(*) FROM todo WHERE owner = session_user_id();'
			  . 'SELECT count(*) FROM todo WHERE session_user_id() IS NOT NULL'),
		"0\n0",
		'in workers that load it, too');
}
for my $options ("-c session.context=$forged", '-c session.context=x')
{
	is(as($bare, 'web', "$who $by_alice", options => $options),
		"$nobody\nt\n$alice\n$nobody",
		'what the connection brings along is dropped');
	is( as( $bare, 'web', "$in_workers SELECT count(*) FROM todo WHERE session_user_id() IS NOT NULL",
			options => $options),
		'0',
		'in workers, too');
}

# The same within a transaction that goes on, or back.
is( as( $bare, 'web', "BEGIN; SET LOCAL session.context = \$forged; $who COMMIT; $who"),
	"$nobody\n$nobody",
	'what was set for a transaction is dropped');
is( as( $bare, 'web', "BEGIN; SET session.context = \$forged; $who ROLLBACK; $who"),
	"$nobody\n$nobody",
	'also if that is undone');
is( as( $bare, 'web', qq{
	SET session.context = \$forged;
	BEGIN;
	SET LOCAL session.context = 'x';
	SAVEPOINT a;
	SET LOCAL session.context = \$forged;
	SAVEPOINT b;
	SET session.context = \$forged;
	$who
	ROLLBACK TO b;
	$who
	SELECT session_authenticate(\$alice);
	$who
	RELEASE b;
	ROLLBACK TO a;
	$who
	ROLLBACK;
	$who}),
	"$nobody\n$nobody\nt\n$alice\n$nobody\n$nobody",
	'and with one in another');
is( as( $bare, 'web', qq{
	BEGIN;
	SAVEPOINT a;
	SET LOCAL session.context = \$forged;
	SELECT session_authenticate(\$alice);
	$who
	ROLLBACK TO a;
	$who
	COMMIT;
	$who}),
	"t\n$alice\n$nobody\n$nobody",
	'the call that loads it can be the one that binds');

# A function's own, kept when there was no library to refuse it: that takes a
# superuser, and means nothing.
my @kept = map { "CREATE FUNCTION $_() RETURNS text LANGUAGE plpgsql PARALLEL SAFE SECURITY $_ "
	  . q{SET session.context = $forged AS 'BEGIN RETURN session_user_id(); END'} } qw(definer invoker);
for my $kept (@kept)
{
	as($bare, 'web', $kept);
	like($err, qr/ERROR: +42501/, 'a function cannot keep it for later');
	as($bare, $superuser, $kept);
	is($err, '', 'but a superuser can');
}
for my $function (qw(definer invoker))
{
	is( as( $bare, 'web', "SELECT $function() IS NULL; SELECT $function() IS NULL; $by_alice"),
		"t\nt\n$alice\n$nobody",
		'it is dropped with a call that loads the library, and then refused');
	is(() = $err =~ /ERROR: +42501/g, 1, 'with an error');
	is( as( $bare, 'web', "$in_workers SELECT count(*) FROM todo WHERE $function() IS NOT NULL"),
		'',
		'in workers as well');
	like($err, qr/ERROR: +42501/, 'with that error');
}
is( as( $bare, 'web', "SET session.context = \$forged; SET client_min_messages = error;"
		  . 'CREATE FUNCTION kept() RETURNS text LANGUAGE plpgsql SET session.context FROM CURRENT '
		  . "AS 'BEGIN RETURN session_user_id(); END'; SELECT session_user_id() IS NULL; SELECT kept()"),
	't',
	'nor does it help to have it kept from what was set');
like($err, qr/ERROR: +42501/, 'which is refused');

# What a role and a database bring along.
as($bare, 'web', 'ALTER ROLE web SET session.context = $forged');
like($err, qr/ERROR: +42501/, 'a role cannot say it of itself');
as($bare, 'owner', 'ALTER DATABASE theirs SET session.context = $forged',
	database => 'theirs');
like($err, qr/ERROR: +42501/, 'nor the owner of a database of that');
as($bare, $superuser, 'ALTER ROLE web SET session.context = $forged; ALTER DATABASE theirs SET session.context = $forged');
is($err, '', 'a superuser can of both');
$bare->safe_psql('theirs', 'CREATE EXTENSION session');
is(as($bare, 'web', "SHOW session.context; $who $by_alice"),
	"$forged\n$nobody\nt\n$alice\n$nobody", 'it means nothing');
is( as( $bare, 'web', "$in_workers SELECT count(*) FROM todo WHERE session_user_id() IS NOT NULL; "
		  . "BEGIN; SELECT session_authenticate(\$alice); SELECT count(*) FROM todo WHERE owner = session_user_id(); COMMIT; "
		  . 'SELECT count(*) FROM todo WHERE session_user_id() IS NOT NULL'),
	"0\nt\n10000\n0",
	'not in workers either, which tell the right one');
cmp_ok(() = $err =~ /WARNING: +42501/g,
	'>', 1, 'but refuse what is brought along themselves');
is(as($bare, 'owner', $who, database => 'theirs'),
	$nobody, 'and so it is with a database');
is(as($bare, 'web', "RESET session.context; $who RESET ALL; $who DISCARD ALL; $who"),
	"$nobody\n$nobody\n$nobody", 'going back means to nobody');
as($bare, $superuser, 'ALTER ROLE web RESET session.context');
$bare->append_conf('postgresql.conf', "session.context = '$forged'");
$bare->restart;
is(as($bare, 'web', "$who $by_alice"),
	"$nobody\nt\n$alice\n$nobody", 'and with a file');
is( as( $bare, 'web', "$in_workers SELECT count(*) FROM todo WHERE session_user_id() IS NOT NULL"),
	'0',
	'in workers, too');

# A connection is used again: whatever happened before, nobody is there.
my $pooled = $node->background_psql('postgres', on_error_stop => 0);
my $connection = $pooled->query_safe('SELECT pg_backend_pid()');
for my $last (
	'BEGIN; SELECT session_authenticate($alice); COMMIT',
	'BEGIN; SELECT session_authenticate($alice); ROLLBACK',
	'BEGIN; SELECT session_authenticate($alice); SELECT 1 / 0; COMMIT',
	'BEGIN; SELECT session_authenticate($alice); SELECT nothing; ROLLBACK',
	'SELECT session_authenticate($alice)',
	'SELECT session_authenticate($alice) AND 1 / (n - 2) = 1 FROM generate_series(1, 3) AS n',
	'BEGIN; SELECT session_authenticate($alice); SAVEPOINT s; COMMIT',
	'BEGIN; SAVEPOINT s; SELECT session_authenticate($alice); RELEASE s; COMMIT',
	'BEGIN; SELECT session_authenticate($alice); COMMIT AND CHAIN; ROLLBACK AND CHAIN; COMMIT',
	q{BEGIN; SELECT session_authenticate($alice); PREPARE TRANSACTION 'p'; ROLLBACK PREPARED 'p'},
	q{BEGIN; SELECT session_authenticate($alice); PREPARE TRANSACTION 'p'; COMMIT PREPARED 'p'},
	q{DO $do$ BEGIN PERFORM session_authenticate($alice); COMMIT; PERFORM session_authenticate($alice); END $do$},
	q{DO $do$ BEGIN PERFORM session_authenticate($alice); RAISE 'x'; END $do$},
	'PREPARE a AS SELECT session_authenticate($alice); EXECUTE a; DEALLOCATE a',
	q{BEGIN; SELECT session_authenticate($alice); SET statement_timeout = '10ms'; SELECT pg_sleep(10); COMMIT; RESET statement_timeout})
{
	my $sql = $last =~ s/\$(alice|bob)/'$token{$1}{main}'/gr;
	my $now;

	$pooled->query($sql);
	$pooled->{stderr} = '';
	$now = $pooled->query('SELECT pg_backend_pid(), session_user_id() IS NULL AND session_claims() IS NULL');
	is($now, "$connection|t", "nobody is left of: $last");
	$pooled->query('ROLLBACK; RESET ALL');
	$pooled->{stderr} = '';
}
$pooled->quit;

# A statement of several parts is one transaction, and each that is alone is one.
$node->safe_psql('postgres', 'CREATE TABLE seen (n serial, by text)');
is( $node->psql('postgres', "SELECT session_authenticate('$token{alice}{main}')\\;"
		. "INSERT INTO seen (by) VALUES (session_user_id());\n"
		. 'INSERT INTO seen (by) VALUES (session_user_id())'),
	0, 'statements are sent together, and one more alone');
is($node->safe_psql('postgres', q{SELECT string_agg(coalesce(by, 'nobody'), ',' ORDER BY n) FROM seen}),
	'alice,nobody', 'the identity is that of the first');

# What is prepared was done by who was there, and is finished by nobody.
$node->safe_psql('postgres', qq{
	TRUNCATE seen;
	BEGIN;
	SELECT session_authenticate('$token{bob}{main}');
	INSERT INTO seen (by) VALUES (session_user_id());
	PREPARE TRANSACTION 'p';
	INSERT INTO seen (by) VALUES (session_user_id());
	COMMIT PREPARED 'p';
});
is($node->safe_psql('postgres', q{SELECT string_agg(coalesce(by, 'nobody'), ',' ORDER BY n) FROM seen}),
	'bob,nobody', 'a prepared transaction keeps what it did');

# Workers are really there, and know what the leader does: each row is theirs.
my $plan = as($node, 'web', "$in_workers BEGIN; SELECT session_authenticate(\$alice);"
	  . 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT count(*) FROM todo WHERE owner = session_user_id(); COMMIT');
like($plan, qr/Workers Launched: [12]/, 'workers are launched');
like($plan, qr/Parallel Seq Scan on todo .*Filter: \(owner = session_user_id\(\)\)/s,
	'and compare the owner');
my $told = q{
	SELECT string_agg(DISTINCT concat_ws('/', session_user_id(), session_auth_level(), session_claim('sub'), session_claims() ->> 'lvl',
		(session_claims() ->> 'sid')::uuid = session_id(), session_tenant_id(), session_role(), session_authenticated_at() IS NOT NULL), ',')
	FROM todo WHERE n > 0;
	SELECT count(*) FROM todo WHERE owner = session_user_id();
};
like(as($node, 'web', "$in_workers EXPLAIN (COSTS OFF) $told"),
	qr/Partial Aggregate|Gather/, 'all readers are called in workers');
is( as( $node, 'web', qq{
	$in_workers
	BEGIN;
	$told
	SELECT session_authenticate(\$alice);
	$told
	SAVEPOINT s;
	SELECT session_authenticate(\$bob);
	$told
	SELECT session_authenticate('junk');
	$told
	ROLLBACK TO s;
	$told
	COMMIT;
	$told}),
	join("\n", 'f', 0, 't', 'alice/2/alice/2/t/t', 10000, 't', 'bob/2/bob/2/t/t', 10000, 'f', 'f', 0, 'alice/2/alice/2/t/t', 10000, 'f', 0),
	'they are told who it is now');
for my $mode ('on', 'regress')
{
	my $name = $node->pg_version >= 16 ? 'debug_parallel_query' : 'force_parallel_mode';

	is( as( $node, 'web', "SET $name = $mode; $by_alice BEGIN; SELECT session_authenticate(\$bob); $told ROLLBACK"),
		"t\n$alice\n$nobody\nt\nbob/2/bob/2/t/t\n10000",
		"also with $name = $mode");
}

# Bytes of every kind arrive there.
my $odd = $node->safe_psql('postgres',
	q{SELECT token FROM session_create(E'5:admin\n\t%s -1: €', tenant_id => '0:')});
is( as( $node, 'web', "$in_workers BEGIN; SELECT session_authenticate('$odd');"
		  . q{SELECT bool_and(session_user_id() = E'5:admin\n\t%s -1: €' AND session_tenant_id() = '0:' AND session_claim('sub') = session_user_id()) FROM todo; COMMIT}),
	"t\nt",
	'whatever the user is called');

# A worker says nothing of its own.
as($node, 'web', q{
	CREATE FUNCTION sets() RETURNS text LANGUAGE plpgsql PARALLEL SAFE
		AS $f$ BEGIN RETURN set_config('session.context', $forged, true); END $f$;
	CREATE FUNCTION clears() RETURNS text LANGUAGE plpgsql PARALLEL SAFE
		SET session.context = '' AS $f$ BEGIN RETURN session_user_id(); END $f$;
	CREATE FUNCTION binds() RETURNS boolean LANGUAGE plpgsql PARALLEL SAFE
		AS $f$ BEGIN RETURN session_authenticate($bob); END $f$;
} =~ s/\$forged/'$forged'/r =~ s/\$bob/'$token{bob}{main}'/r);
for my $function (qw(sets binds))
{
	is( as( $node, 'web', "$in_workers BEGIN; SELECT session_authenticate(\$alice); SAVEPOINT s; SELECT count($function()) FROM todo; ROLLBACK TO s; $who COMMIT"),
		"t\n$alice",
		"a worker cannot change who it is: $function");
	like($err, qr/ERROR: +(?:25000|42501)/, 'and says so');
}
is( as( $node, 'web', "$in_workers BEGIN; SELECT session_authenticate(\$alice); SELECT count(clears()), count(session_user_id()) FROM todo; $who COMMIT"),
	"t\n0|40000\n$alice",
	'it can forget it for the time of a function');

# A snapshot is replaced before its time is up.
$node->safe_psql('postgres', 'SELECT session_key_rotate()');
my $due = q{
	CREATE OR REPLACE PROCEDURE until_due(token text) LANGUAGE plpgsql AS $$
	DECLARE
		cookie text := session_cookie_issue(token);
		seen text := '';
		line text;
	BEGIN
		FOR i IN 1 .. 10000 LOOP
			PERFORM set_config('session.strategy', 'cookie_cache', true), set_config('response.headers', '', true),
				set_config('request.cookies', json_build_object('__Host-session', token, '__Host-session-cache', cookie)::text, true);
			SELECT concat(v.source, v.should_refresh) INTO line FROM session_cookie_validate(cookie, token => token) AS v;
			PERFORM session_pre_request();
			line := concat_ws(' ', line, session_user_id(), length(current_setting('response.headers')) > 0);
			-- A second that ended between the two tells nothing.
			IF line IN ('cookief alice f', 'cookiet alice t', 'databaset alice t') AND position(line IN seen) = 0 THEN
				seen := concat_ws(', ', nullif(seen, ''), line);
			END IF;
			EXIT WHEN line LIKE 'database%';
			COMMIT;
			PERFORM pg_sleep(0.02);
		END LOOP;
		RAISE NOTICE '%', seen;
	END $$;
	SET session.cookie_cache_ttl = '5s';
};
as($node, $superuser, "$due \\set VERBOSITY terse\nCALL until_due(\$alice)");
like($err, qr/NOTICE:  cookief alice f, cookiet alice t, databaset alice t$/m,
	'a snapshot is believed, then replaced, and the row asked');

# Readers and bindings take no memory that stays.
$node->safe_psql(
	'postgres', q{
	CREATE TABLE measured (contexts bigint, resident bigint);
	CREATE ROLE visitor;
	CREATE ROLE member;
	ALTER ROLE visitor SET work_mem = '1MB';
	ALTER ROLE member SET statement_timeout = '1h';
	ALTER ROLE member SET search_path = public;
	CREATE PROCEDURE measure() LANGUAGE sql AS $$
		INSERT INTO measured
		SELECT (SELECT sum(total_bytes) FROM pg_backend_memory_contexts),
			   substring(pg_read_file('/proc/self/status') FROM 'VmHWM:\s+(\d+)')::bigint * 1024;
	$$;
	CREATE PROCEDURE serve(call text, calls int, every int) LANGUAGE plpgsql AS $$
	DECLARE
		token text := (SELECT s.token FROM session_create('alice') AS s);
		other text := (SELECT s.token FROM session_create('bob') AS s);
		member text := (SELECT s.token FROM session_create('carol', role => 'member') AS s);
	BEGIN
		FOR i IN 0 .. calls LOOP
			-- What every first call needs is not counted.
			IF i = 1000 THEN
				CALL measure();
			END IF;
			CASE call
				WHEN 'bind' THEN
					PERFORM session_authenticate(CASE i % 3 WHEN 0 THEN token WHEN 1 THEN other ELSE 'junk' END);
				WHEN 'bind and read' THEN
					PERFORM session_authenticate(CASE i % 3 WHEN 0 THEN token WHEN 1 THEN other ELSE 'junk' END);
					PERFORM session_user_id(), session_id(), session_claims(), session_claim('sub');
				WHEN 'request' THEN
					PERFORM set_config('request.cookies', json_build_object('__Host-session', token)::text, true);
					PERFORM session_pre_request();
					PERFORM session_require(), session_mine();
				WHEN 'roles' THEN
					-- To a role with settings and back, with a savepoint and without.
					PERFORM set_config('work_mem', '1MB', true), set_config('role', 'visitor', true);
					PERFORM set_config('request.cookies', json_build_object('__Host-session', member)::text, true);
					BEGIN
						PERFORM session_pre_request();
					EXCEPTION WHEN division_by_zero THEN
						NULL;
					END;
					PERFORM session_pre_request();
					PERFORM set_config('request.cookies', '', true);
					PERFORM session_pre_request(), set_config('role', 'none', true);
				WHEN 'undo' THEN
					BEGIN
						PERFORM session_authenticate(token);
						RAISE division_by_zero;
					EXCEPTION WHEN division_by_zero THEN
						NULL;
					END;
			END CASE;
			IF i % every = 0 THEN
				COMMIT;
			END IF;
		END LOOP;
		CALL measure();
	END $$;
});

sub does_not_grow
{
	my ($sql, $title) = @_;
	my ($contexts, $resident) = split /\|/,
	  $node->safe_psql('postgres', "TRUNCATE measured; $sql;"
		  . 'SELECT max(contexts) - min(contexts), max(resident) - min(resident) FROM measured');

	cmp_ok($contexts, '<', 64 * 1024, "$title: memory contexts do not grow");
	cmp_ok($resident, '<', 4 * 1024 * 1024, "$title: nor does the process");
}

does_not_grow(q{CALL serve('bind', 200000, 1000000)},
	'200000 bindings in one transaction');
does_not_grow(q{CALL serve('bind', 200000, 1)},
	'200000 bindings in as many transactions');
does_not_grow(q{CALL serve('bind and read', 100000, 10)},
	'100000 bindings and readings');
does_not_grow(q{CALL serve('request', 20000, 10)}, '20000 requests');
does_not_grow(q{CALL serve('roles', 20000, 1000000)},
	'20000 changes of the role in one transaction');
does_not_grow(q{CALL serve('undo', 20000, 100)}, '20000 bindings that are undone');

# The scan itself, without readers, is what the first measurement has, too.
my $scan = 'FROM generate_series(1, 2000000) AS n';
my $read = join ', ', map { "count($_)" } 'session_user_id()', 'session_id()',
  'session_claims()', q{session_claim('sub')}, 'session_authenticated_at()';
does_not_grow(
	qq{BEGIN;
	SELECT FROM session_authenticate('$token{alice}{main}');
	DO \$\$ BEGIN
		PERFORM count(n::text) $scan;
		PERFORM ROW($read) FROM generate_series(1, 1000);
		CALL measure();
		PERFORM ROW($read) $scan;
		CALL measure();
	END \$\$;
	COMMIT},
	'two million rows that are read for');

done_testing();
