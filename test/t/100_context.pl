# The identity of a transaction, over real connections. No setting of a role, a
# database, a connection or a file can forge it, whether the library is
# preloaded or not. Workers of a parallel query have the identity of their
# leader. The next transaction of the connection does not have it. None of this
# takes memory that is not freed.

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# A value of session.context that would make the user "admin".
my $forged = '0:1:1:' . '0' x 32
  . '9:0:0:0:9223372036854775807:0:0:1:9223372036854775807:5:admin-1:-1:-1:-1:-1:-1:-1:';

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

# Runs SQL as a role in a new connection, with $alice and $bob in the place of
# their tokens. Returns the output, and leaves the messages in $err.
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

# Settings with which a query runs in workers only, not in the leader.
my $in_workers = q{
	SET parallel_setup_cost = 0;
	SET parallel_tuple_cost = 0;
	SET min_parallel_table_scan_size = 0;
	SET max_parallel_workers_per_gather = 2;
	SET parallel_leader_participation = off;
};

# With the library preloaded.
for my $options (
	"-c session.context=$forged",
	"--session.context=$forged",
	'-c session.context=x',
	"-c SESSION.CONTEXT=$forged")
{
	is(as($node, 'web', $who, options => $options),
		'', "a connection with $options is refused");
	like($err, qr/FATAL: .*42501|FATAL:.*cannot be set/,
		"the connection with $options fails with the right error");
}
is(as($node, 'web', $by_alice, options => '-c session.context='),
	"t\n$alice\n$nobody",
	'a connection with an empty session.context is accepted');
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
	like($err, qr/ERROR: +(?:42501|55P02)/,
		"a superuser cannot do: $statement");
}
as($node, 'owner', 'ALTER DATABASE theirs SET session.context = $forged');
like($err, qr/ERROR: +42501/,
	'the owner of a database cannot set session.context for it');
is(as($node, 'web', $who), $nobody, 'no refused statement leaves an identity');

# A configuration file cannot set an identity, whether it is reloaded or read
# at the start.
my $conf = $node->data_dir . '/postgresql.conf';
my $kept = slurp_file($conf);
my $log = -s $node->logfile;
$node->append_conf('postgresql.conf', "session.context = '$forged'");
$node->reload;
$node->wait_for_log(qr/session\.context.*cannot be set|contains errors/s, $log);
is(as($node, 'web', $by_alice),
	"t\n$alice\n$nobody",
	'a configuration file that is reloaded sets no identity');
$node->restart;
is(as($node, 'web', "$by_alice $in_workers SELECT count(*) FROM todo WHERE session_user_id() IS NOT NULL"),
	"t\n$alice\n$nobody\n0",
	'a configuration file that is read at the start sets no identity');
unlink $conf;
append_to_file($conf, $kept);
$node->restart;

# Without preload the first call loads the library. Before that, any role can
# set session.context as a placeholder. The value must have no effect.
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
		$nobody,
		'a value that was set before the library is loaded is dropped');
	like($err, qr/WARNING: +42501/, 'dropping a value causes a warning');
	is(as($bare, 'web', "$before $by_alice"),
		"t\n$alice\n$nobody",
		'a session can be bound after a value was dropped');
	is( as( $bare, 'web', "$before $in_workers"
			  . 'SELECT count(*) FROM todo WHERE owner = session_user_id();'
			  . 'SELECT count(*) FROM todo WHERE session_user_id() IS NOT NULL'),
		"0\n0",
		'a value is dropped in workers that load the library');
}
for my $options ("-c session.context=$forged", '-c session.context=x')
{
	is(as($bare, 'web', "$who $by_alice", options => $options),
		"$nobody\nt\n$alice\n$nobody",
		'a value in the connection string is dropped');
	is( as( $bare, 'web', "$in_workers SELECT count(*) FROM todo WHERE session_user_id() IS NOT NULL",
			options => $options),
		'0',
		'a value in the connection string is dropped in workers');
}

# Placeholders that are set in a transaction, which commits or rolls back.
is( as( $bare, 'web', "BEGIN; SET LOCAL session.context = \$forged; $who COMMIT; $who"),
	"$nobody\n$nobody",
	'a value set with SET LOCAL is dropped');
is( as( $bare, 'web', "BEGIN; SET session.context = \$forged; $who ROLLBACK; $who"),
	"$nobody\n$nobody",
	'a value whose SET is rolled back is dropped');
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
	'values set in nested savepoints are dropped');
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
	'the call that loads the library can bind a session');

# A value in the SET clause of a function, from before the library could refuse
# it. Only a superuser can create such a function, and the value has no effect.
my @kept = map { "CREATE FUNCTION $_() RETURNS text LANGUAGE plpgsql PARALLEL SAFE SECURITY $_ "
	  . q{SET session.context = $forged AS 'BEGIN RETURN session_user_id(); END'} } qw(definer invoker);
for my $kept (@kept)
{
	as($bare, 'web', $kept);
	like($err, qr/ERROR: +42501/,
		'an unprivileged role cannot create a function with a value for session.context');
	as($bare, $superuser, $kept);
	is($err, '',
		'a superuser can create a function with a value for session.context');
}
for my $function (qw(definer invoker))
{
	is( as( $bare, 'web', "SELECT $function() IS NULL; SELECT $function() IS NULL; $by_alice"),
		"t\nt\n$alice\n$nobody",
		"the value of the $function function is dropped when the library loads, and then refused");
	is(() = $err =~ /ERROR: +42501/g, 1,
		"calling the $function function fails once the library is loaded");
	is( as( $bare, 'web', "$in_workers SELECT count(*) FROM todo WHERE $function() IS NOT NULL"),
		'',
		"a query that calls the $function function in workers returns nothing");
	like($err, qr/ERROR: +42501/,
		"a query that calls the $function function in workers fails");
}
is( as( $bare, 'web', "SET session.context = \$forged; SET client_min_messages = error;"
		  . 'CREATE FUNCTION kept() RETURNS text LANGUAGE plpgsql SET session.context FROM CURRENT '
		  . "AS 'BEGIN RETURN session_user_id(); END'; SELECT session_user_id() IS NULL; SELECT kept()"),
	't',
	'SET FROM CURRENT does not keep a value in a function');
like($err, qr/ERROR: +42501/, 'SET FROM CURRENT with a value is refused');

# Values that are set for a role and for a database.
as($bare, 'web', 'ALTER ROLE web SET session.context = $forged');
like($err, qr/ERROR: +42501/, 'a role cannot set session.context for itself');
as($bare, 'owner', 'ALTER DATABASE theirs SET session.context = $forged',
	database => 'theirs');
like($err, qr/ERROR: +42501/,
	'the owner of a database cannot set it for the database without preload');
as($bare, $superuser, 'ALTER ROLE web SET session.context = $forged; ALTER DATABASE theirs SET session.context = $forged');
is($err, '',
	'a superuser can set it for a role and a database without preload');
$bare->safe_psql('theirs', 'CREATE EXTENSION session');
is(as($bare, 'web', "SHOW session.context; $who $by_alice"),
	"$forged\n$nobody\nt\n$alice\n$nobody",
	'a value set for a role has no effect');
is( as( $bare, 'web', "$in_workers SELECT count(*) FROM todo WHERE session_user_id() IS NOT NULL; "
		  . "BEGIN; SELECT session_authenticate(\$alice); SELECT count(*) FROM todo WHERE owner = session_user_id(); COMMIT; "
		  . 'SELECT count(*) FROM todo WHERE session_user_id() IS NOT NULL'),
	"0\nt\n10000\n0",
	'a value set for a role has no effect in workers, which have the bound identity');
cmp_ok(() = $err =~ /WARNING: +42501/g,
	'>', 1, 'workers warn of the value that is set for the role');
is(as($bare, 'owner', $who, database => 'theirs'),
	$nobody, 'a value set for a database has no effect');
is(as($bare, 'web', "RESET session.context; $who RESET ALL; $who DISCARD ALL; $who"),
	"$nobody\n$nobody\n$nobody",
	'RESET and DISCARD ALL return to no identity');
as($bare, $superuser, 'ALTER ROLE web RESET session.context');
$bare->append_conf('postgresql.conf', "session.context = '$forged'");
$bare->restart;
is(as($bare, 'web', "$who $by_alice"),
	"$nobody\nt\n$alice\n$nobody",
	'a value in a configuration file has no effect');
is( as( $bare, 'web', "$in_workers SELECT count(*) FROM todo WHERE session_user_id() IS NOT NULL"),
	'0',
	'a value in a configuration file has no effect in workers');

# A pooled connection is used again. No identity is left, however the last
# transaction ended.
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
	is($now, "$connection|t", "no identity is left after: $last");
	$pooled->query('ROLLBACK; RESET ALL');
	$pooled->{stderr} = '';
}
$pooled->quit;

# Statements that are sent together are one transaction. A statement that is
# sent alone is a transaction of its own.
$node->safe_psql('postgres', 'CREATE TABLE seen (n serial, by text)');
is( $node->psql('postgres', "SELECT session_authenticate('$token{alice}{main}')\\;"
		. "INSERT INTO seen (by) VALUES (session_user_id());\n"
		. 'INSERT INTO seen (by) VALUES (session_user_id())'),
	0, 'two statements are sent together, and a third one alone');
is($node->safe_psql('postgres', q{SELECT string_agg(coalesce(by, 'nobody'), ',' ORDER BY n) FROM seen}),
	'alice,nobody',
	'the identity lasts for the statements that were sent together');

# A prepared transaction was run with an identity, and is committed without
# one.
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
	'bob,nobody',
	'a prepared transaction keeps its changes and leaves no identity');

# Workers are launched and have the identity of the leader.
my $plan = as($node, 'web', "$in_workers BEGIN; SELECT session_authenticate(\$alice);"
	  . 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT count(*) FROM todo WHERE owner = session_user_id(); COMMIT');
like($plan, qr/Workers Launched: [12]/, 'workers are launched');
like($plan, qr/Parallel Seq Scan on todo .*Filter: \(owner = session_user_id\(\)\)/s,
	'workers evaluate session_user_id() in the filter');
my $told = q{
	SELECT string_agg(DISTINCT concat_ws('/', session_user_id(), session_auth_level(), session_claim('sub'), session_claims() ->> 'lvl',
		(session_claims() ->> 'sid')::uuid = session_id(), session_tenant_id(), session_role(), session_authenticated_at() IS NOT NULL), ',')
	FROM todo WHERE n > 0;
	SELECT count(*) FROM todo WHERE owner = session_user_id();
};
like(as($node, 'web', "$in_workers EXPLAIN (COSTS OFF) $told"),
	qr/Partial Aggregate|Gather/,
	'the readers of the identity are called in workers');
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
	'workers have the identity of the moment, also after a savepoint');
for my $mode ('on', 'regress')
{
	my $name = $node->pg_version >= 16 ? 'debug_parallel_query' : 'force_parallel_mode';

	is( as( $node, 'web', "SET $name = $mode; $by_alice BEGIN; SELECT session_authenticate(\$bob); $told ROLLBACK"),
		"t\n$alice\n$nobody\nt\nbob/2/bob/2/t/t\n10000",
		"workers have the identity with $name = $mode");
}

# Every character of an identity reaches the workers.
my $odd = $node->safe_psql('postgres',
	q{SELECT token FROM session_create(E'5:admin\n\t%s -1: €', tenant_id => '0:')});
is( as( $node, 'web', "$in_workers BEGIN; SELECT session_authenticate('$odd');"
		  . q{SELECT bool_and(session_user_id() = E'5:admin\n\t%s -1: €' AND session_tenant_id() = '0:' AND session_claim('sub') = session_user_id()) FROM todo; COMMIT}),
	"t\nt",
	'workers have an identity with special characters');

# A worker cannot change the identity.
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
		"a worker cannot change the identity: $function");
	like($err, qr/ERROR: +(?:25000|42501)/,
		"changing the identity in a worker fails with an error: $function");
}
is( as( $node, 'web', "$in_workers BEGIN; SELECT session_authenticate(\$alice); SELECT count(clears()), count(session_user_id()) FROM todo; $who COMMIT"),
	"t\n0|40000\n$alice",
	'a worker can clear the identity for the duration of a function');

# A snapshot is replaced before its ttl is over.
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
			-- Skip a result if the second changed between the two calls.
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
	'a snapshot is accepted, then replaced, and after its ttl the row is read');

# Reading and binding an identity takes no memory that stays.
$node->safe_psql(
	'postgres', q{
	CREATE TABLE measured (contexts bigint, resident bigint);
	CREATE ROLE visitor;
	CREATE ROLE member;
	ALTER ROLE visitor SET work_mem = '1MB';
	ALTER ROLE member SET statement_timeout = '1h';
	ALTER ROLE member SET search_path = public;
	-- EXECUTE, so that no plan is kept that the first measurement would not have.
	CREATE PROCEDURE measure() LANGUAGE plpgsql AS $$
	BEGIN
		EXECUTE $sql$
			INSERT INTO public.measured
			SELECT (SELECT sum(used_bytes) FROM pg_backend_memory_contexts),
				   substring(pg_read_file('/proc/self/status')
							 FROM 'VmHWM:\s+(\d+)')::bigint * 1024
		$sql$;
	END $$;

	CREATE PROCEDURE serve(call text, calls int, every int) LANGUAGE plpgsql AS $$
	DECLARE
		token text := (SELECT s.token FROM session_create('alice') AS s);
		other text := (SELECT s.token FROM session_create('bob') AS s);
		member text := (SELECT s.token FROM session_create('carol', role => 'member') AS s);
	BEGIN
		FOR i IN 0 .. calls LOOP
			-- What the first calls allocate once is not counted.
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
					-- To a role with settings and back, with and without a savepoint.
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
	cmp_ok($resident, '<', 4 * 1024 * 1024,
		"$title: the process does not grow");
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
does_not_grow(q{CALL serve('undo', 20000, 100)},
'20000 bindings that are rolled back');

# The first measurement follows the same scan without readers, so that only
# their memory is compared.
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
	'readers called for two million rows');

done_testing();
