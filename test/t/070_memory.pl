# The memory of a backend does not grow with the number of calls, in many
# transactions or in one.

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf(
	'postgresql.conf', qq{
shared_preload_libraries = 'session'
log_statement = none
autovacuum = off
});
$node->start;

# The loop commits every 100 calls, as a connection does, and measures the
# backend: the bytes in use in memory contexts, and the resident memory.
$node->safe_psql(
	'postgres', q{
	CREATE EXTENSION session;
	CREATE TABLE measured (contexts bigint, resident bigint);

	-- EXECUTE, so that no plan is kept that the first measurement would not have.
	CREATE PROCEDURE measure() LANGUAGE plpgsql AS $$
	BEGIN
		EXECUTE $sql$
			INSERT INTO public.measured
			SELECT (SELECT sum(used_bytes) FROM pg_backend_memory_contexts),
				   substring(pg_read_file('/proc/self/status')
							 FROM 'RssAnon:\s+(\d+)')::bigint * 1024
		$sql$;
	END $$;

	CREATE PROCEDURE serve(call text, calls int) LANGUAGE plpgsql AS $$
	DECLARE
		token text := (SELECT token FROM session_create('alice', '{"k": 1}'));
	BEGIN
		FOR i IN 0 .. calls LOOP
			-- What the first calls allocate once is not counted.
			IF i = 1000 THEN
				CALL measure();
			END IF;
			CASE call
				WHEN 'validate' THEN
					PERFORM FROM session_validate(token);
				WHEN 'read' THEN
					PERFORM session_status(token), session_data(token),
						session_data_get(token, 'k');
				WHEN 'refuse' THEN
					PERFORM FROM session_validate(overlay(token PLACING 'aaaaaaa' FROM 40));
					PERFORM FROM session_validate('no token');
				WHEN 'write' THEN
					PERFORM session_data_set(token, 'k', to_jsonb(i)),
						session_touch(token);
				WHEN 'live' THEN
					token := (SELECT c.token FROM session_create() AS c);
					token := (SELECT r.token FROM session_regenerate(token, 'bob') AS r);
					PERFORM session_revoke(token);
				WHEN 'list' THEN
					PERFORM FROM session_list('alice');
				WHEN 'purposes' THEN
					PERFORM session_cookie_decode('YQ.' || repeat('A', 43), 'p' || i);
				WHEN 'pairs' THEN
					-- A change of any key makes the backend open all of them again.
					UPDATE session.keys SET token_kid = 'k' || i WHERE purpose = 'many';
					PERFORM session_cookie_decode(session_cookie_encode('{"a": 1}', 'jwt', purpose => purpose), purpose)
					FROM unnest('{RS256,ES256,EdDSA}'::text[]) AS purpose;
					PERFORM session_cookie_decode('a.b.c', 'many');
			END CASE;
			IF i % 100 = 0 THEN
				COMMIT;
			END IF;
		END LOOP;
		CALL measure();
	END;
	$$;
});

sub does_not_grow
{
	my ($call, $calls, $title) = @_;
	my ($contexts, $resident) = split /\|/, $node->safe_psql(
		'postgres', qq{
		CALL serve('$call', $calls);
		SELECT max(contexts) - min(contexts), max(resident) - min(resident)
		FROM measured;
		TRUNCATE measured;
	});

	cmp_ok($contexts, '<', 64 * 1024,
		"$title: memory contexts do not grow over $calls calls");
	cmp_ok($resident, '<', 1024 * 1024,
		"$title: the process does not grow over $calls calls");
}

does_not_grow('validate', 200_000, 'validating');
does_not_grow('read', 50_000, 'reading');
does_not_grow('refuse', 50_000, 'refusing');
does_not_grow('write', 20_000, 'writing');
does_not_grow('live', 10_000, 'creating, regenerating and revoking');
does_not_grow('list', 20_000, 'listing');
$node->safe_psql('postgres', q{SELECT count(session_key_retire(session_key_rotate('p1'))) FROM generate_series(1, 100)});
does_not_grow('purposes', 5_000, 'decoding for purposes without a key');
$node->safe_psql(
	'postgres', q{
	SELECT count(session_key_rotate(algorithm, algorithm)) FROM unnest('{RS256,ES256,EdDSA}'::text[]) AS algorithm;
	SELECT session_key_import_jwk(session_jwks(purpose), 'many', purpose) FROM unnest('{RS256,ES256,EdDSA}'::text[]) AS purpose;
});
does_not_grow('pairs', 3_000, 'opening pairs of keys and keys of issuers');

# Memory does not grow with the number of calls in one transaction either. This
# covers every function of the level app and every public function, and
# session_act_as. The
# identity changes with each call, so that no call can use what the call before
# it prepared.
$node->safe_psql(
	'postgres', q{
	ALTER PROCEDURE measure() RENAME TO measured_now;
	CREATE FUNCTION measure() RETURNS int LANGUAGE plpgsql AS $$
	BEGIN
		CALL public.measured_now();
		RETURN 1;
	END $$;
	CREATE ROLE app;
	SELECT session_grant('app', 'app');
	SELECT count(session_key_rotate(purpose)) FROM unnest('{session,jwt}'::text[]) AS purpose;
	ALTER DATABASE postgres SET session.log_events = 'all';
	CREATE FUNCTION may_act(i session_info, user_id text, tenant_id text, reason text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
	ALTER DATABASE postgres SET session.act_as_function = 'public.may_act';
	ALTER DATABASE postgres SET session.strategy = 'cookie_cache';
});

my $token = q{current_setting('test.token' || N % 2)};
my $bound = "session_authenticate($token)";
my $request = q{set_config('request.cookies', jsonb_build_object('__Host-session', } . $token . q{)::text, true) <> ''};

# The calls. 'set': the function returns a set and not a single value. 'write':
# the call writes; it is repeated less often, because the server itself keeps
# some memory for each change of a row.
my %calls = (
	session_authenticate => [ $bound ],
	session_pre_request => [ "CASE WHEN $request THEN session_pre_request() END" ],
	(map { $_ => [ "CASE WHEN $bound THEN $_() END" ] }
		  qw(session_csrf_token session_id session_user_id session_tenant_id session_role session_amr session_auth_level
		  session_authenticated_at session_actor_id session_scopes session_claims session_require session_revoke_others)),
	session_csrf_check => [ "CASE WHEN $bound THEN session_csrf_check(session_csrf_token()) AND session_csrf_check('junk') END" ],
	session_has_scope => [ "CASE WHEN $bound THEN session_has_scope('todo:' || N) END" ],
	session_claim => [ "CASE WHEN $bound THEN session_claim('sub') END" ],
	session_revoke_mine => [ "CASE WHEN $bound THEN session_revoke_mine(gen_random_uuid()) END" ],
	session_mine => [ 'session_mine()', 'set' ],
	session_cookie_header => [ "session_cookie_header('value' || N)", 'set' ],
	session_cookie_clear => [ "session_cookie_clear('name' || N)", 'set' ],
	session_cookie_read => [ "session_cookie_read('a=b; c=' || N, 'c')" ],
	session_jwks => [ q{jsonb_array_length(session_jwks(CASE N % 2 WHEN 0 THEN 'api' END) -> 'keys')} ],
	session_ip => [ "session_ip('192.0.2.1, for=192.0.2.2;by=' || N)" ],
	session_validate => [ "session_validate($token)", 'set' ],
	session_status => [ "session_status($token) || session_status('junk') || session_status(overlay($token PLACING 'aaaaaaa' FROM 40))" ],
	(map { $_ => [ "$_($token)" ] } qw(session_is_valid session_is_expired session_data)),
	session_data_get => [ "session_data_get($token, 'k')" ],
	session_cookie_encode => [ "session_cookie_encode(jsonb_build_object('n', N))" ],
	session_cookie_decode => [ "session_cookie_decode(current_setting('test.cookie')) ->> 'n' || session_cookie_decode('junk') IS NULL" ],
	session_cookie_validate => [ "session_cookie_validate(current_setting('test.snapshot' || N % 2))", 'set' ],
	session_cookie_issue => [ "session_cookie_issue($token)", 'write' ],
	session_jwt => [ "session_jwt($token)", 'write' ],
	session_cookie_revoke => [ "session_cookie_revoke(session_cookie_encode(jsonb_build_object('n', N)))", 'write' ],
	session_create => [ q{session_create('user ' || N)}, 'write' ],
	session_login => [ q{session_login((session_create(data => '{"k": 1}')).token, 'user ' || N, amr => '{pwd}')}, 'write' ],
	session_revoke => [ q{session_revoke((session_create('user ' || N)).token)}, 'write' ],
	session_regenerate => [ q{session_regenerate((session_create('user ' || N)).token, auth_level => 2)}, 'write set' ],
	session_refresh => [ q{session_refresh((session_create('user ' || N, refreshable => true)).refresh_token)}, 'write set' ],
	session_derive => [ q{session_derive((session_create('user ' || N)).token, '{todo:read}')}, 'write set' ],
	session_act_as => [ q{session_act_as((session_create('user ' || N)).token, 'another', 'asked')}, 'write set' ],
	session_bind_key => [ "session_bind_key((session_create('user ' || N)).token, 'a.b.c', 'GET', 'https://api.example.com/')", 'write' ],
	session_dpop_nonce => [ 'session_dpop_nonce()' ],
	session_dbsc_offer => [ "session_dbsc_offer($token, '/bind')", 'write' ],
	session_dbsc_register => [ "session_dbsc_register($token, 'a.b.c', '/refresh')", 'write set' ],
	session_dbsc_refresh => [ "session_dbsc_refresh('01890a5d-ac96-774b-bcce-b302099a8057', 'a.b.c', '/refresh')", 'set' ],
	session_touch => [ "session_touch($token)", 'write' ],
	session_data_set => [ "session_data_set($token, 'k', to_jsonb(N))", 'write' ],
	session_data_pop => [ "session_data_pop($token, 'j')", 'write' ],
	session_data_delete => [ "session_data_delete($token, 'j')", 'write' ],
	session_data_clear => [ "session_data_clear($token)", 'write' ],
	session_data_merge => [ "session_data_merge($token, jsonb_build_object('k', jsonb_build_object('l', N)))", 'write' ],
	session_data_append => [ q{session_data_append((session_create('user ' || N)).token, 'k', '1')}, 'write' ],
	session_data_replace => [ "session_data_replace($token, 'k', session_data_get($token, 'k'), to_jsonb(N))", 'write' ],
	session_data_save => [ "session_data_save($token, '{\"k\": 1}')", 'write' ],
);
is( join(' ', grep { $_ ne 'session_act_as' } sort keys %calls),
	$node->safe_psql(
		'postgres', q{
		SELECT string_agg(proname, ' ' ORDER BY proname COLLATE "C") FROM pg_proc
		JOIN pg_depend ON classid = 'pg_proc'::regclass AND objid = pg_proc.oid AND deptype = 'e'
		WHERE pronamespace = 'public'::regnamespace AND has_function_privilege('app', pg_proc.oid, 'EXECUTE')}),
	'the test calls every function of the level app and every public function');

# Tokens and snapshots of two sessions, whose rows exist before the
# transaction.
my $prepare = $node->safe_psql(
	'postgres', q{
	SELECT format('SET test.token%s = %L;', n, token) || format('SET test.snapshot%s = %L;', n, session_cookie_issue(token))
	FROM generate_series(0, 1) AS n, session_create(repeat('user', 50) || n, '{"k": 1}', 'acme') AS s;
	SELECT format('SET test.cookie = %L;', session_cookie_encode('{"n": 1}'))});

# Runs statements in one transaction that is rolled back. Checks that the
# measurements in it differ by little.
sub grown
{
	my ($name, $how, $sql, $calls, $limit) = @_;
	my $out = $node->safe_psql(
		'postgres', qq{
		SELECT measure() \\g /dev/null
		$prepare
		BEGIN;
		TRUNCATE measured;
		$sql
		SELECT count(*), max(contexts) - min(contexts), max(resident) - min(resident) FROM measured;
		ROLLBACK;
	});
	my ($count, $contexts, $resident) = split /\|/, (split /\n/, $out)[-1];

	cmp_ok($count, '>=', 2, "$name $how: the memory was measured twice");
	cmp_ok($contexts, '<', $calls * $limit + 16 * 1024, "$name $how: memory contexts do not grow");
	cmp_ok($resident, '<', $calls * $limit + 512 * 1024,
		"$name $how: the process does not grow");
	return;
}

for my $name (sort keys %calls)
{
	my ($call, $kind) = @{ $calls{$name} };
	my $writes = ($kind // '') =~ /write/;
	my $returns_set = ($kind // '') =~ /set/;
	my ($warm, $last) = $writes ? (300, 1500) : (2000, 8000);
	my $limit = $writes ? 200 : 8;
	my $calls = $last - $warm;
	my $n = sub { my $to = shift; return $call =~ s/\bN\b/$to/gr; };
	my $bind = "SELECT session_authenticate(current_setting('test.token0')) \\g /dev/null";

	grown($name, 'in a loop', qq{$bind
		DO \$\$
		DECLARE
			v text;
		BEGIN
			FOR n IN 1 .. $last LOOP
				IF n = $warm OR n = $last THEN
					PERFORM measure();
				END IF;
				PERFORM @{[ $n->('n') ]};
				@{[ $returns_set ? '' : 'v := ' . $n->('n') . ';' ]}
			END LOOP;
		END \$\$;}, $calls, $limit * 2);
	grown($name, 'in a loop of savepoints', qq{$bind
		DO \$\$
		BEGIN
			FOR n IN 1 .. $last LOOP
				IF n = $warm OR n = $last THEN
					PERFORM measure();
				END IF;
				BEGIN
					PERFORM @{[ $n->('n') ]};
					PERFORM CASE WHEN n % 2 = 0 THEN 1 / 0 END;
				EXCEPTION WHEN division_by_zero THEN
				END;
			END LOOP;
		END \$\$;}, $calls, $limit * 2);
	grown($name, 'in one statement', qq{$bind
		SELECT count(m) FROM (SELECT @{[ $n->('n') ]}, CASE WHEN n IN ($warm, $last) THEN measure() END AS m
			FROM generate_series(1, $last) AS n OFFSET 0) AS t \\g /dev/null}, $calls, $limit)
	  if $returns_set;
	grown($name, 'in one statement', qq{$bind
		SELECT count((@{[ $n->('n') ]})::text), count(CASE WHEN n IN ($warm, $last) THEN measure() END)
			FROM generate_series(1, $last) AS n \\g /dev/null}, $calls, $limit)
	  if !$returns_set;
	my $execute = sub { return join "\n", map { "EXECUTE call($_) \\g /dev/null" } @_ };
	grown($name, 'prepared', qq{$bind
		PREPARE call(int) AS SELECT @{[ $n->('$1') ]};
		@{[ $execute->(1 .. 50) ]}
		SELECT measure() \\g /dev/null
		@{[ $execute->(51 .. 550) ]}
		SELECT measure() \\g /dev/null}, 500, $limit);
}

# A value that a call has returned does not change when the identity changes.
is( $node->safe_psql(
		'postgres', $prepare . q{
		SELECT count(DISTINCT claims), bool_and(right(claims ->> 'sub', 1) = (n % 2)::text), bool_and(claims ->> 'sub' = name) FROM (
			SELECT n, session_authenticate(current_setting('test.token' || n % 2)), session_claims() AS claims, session_user_id() AS name
			FROM generate_series(1, 100) AS n OFFSET 0) AS t;
		SELECT count(DISTINCT name) FROM (
			SELECT unnest(ARRAY[session_user_id(), CASE WHEN session_authenticate(current_setting('test.token' || n % 2)) THEN session_user_id() END, session_user_id()]) AS name
			FROM generate_series(1, 100) AS n) AS t}),
	"2|t|t\n2",
	'values that were returned do not change with the identity');

# The response has one header for a snapshot, however often session_pre_request
# is called.
is( $node->safe_psql(
		'postgres', $prepare . qq{
		BEGIN;
		SELECT set_config('response.headers', '[{"X": "y"}, {"Set-Cookie": "a=b"}]', true) \\g /dev/null
		SELECT count(session_pre_request()) FROM (SELECT FROM generate_series(1, 5) AS n WHERE $request) AS t \\g /dev/null
		SELECT jsonb_array_length(headers), headers -> 0, headers -> 1, (headers -> 2 ->> 'Set-Cookie') LIKE '__Host-session-cache=%'
		FROM (SELECT current_setting('response.headers')::jsonb) AS t(headers)} =~ s/\bN\b/n/gr),
	'3|{"X": "y"}|{"Set-Cookie": "a=b"}|t',
	'session_pre_request replaces the header of an earlier snapshot');
$node->safe_psql('postgres', 'ALTER FUNCTION measure() RENAME TO measured_after; ALTER PROCEDURE measured_now() RENAME TO measure; DROP FUNCTION measured_after');

# One call that ends very many sessions keeps little memory for each.
$node->safe_psql(
	'postgres', q{
	CREATE FUNCTION measured() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		CALL public.measure();
		RETURN NULL;
	END $$;
	CREATE TABLE users (id text);
	SELECT session_bind_users('users', 'id');
	ALTER SYSTEM SET session.log_events = 'all';
	SELECT pg_reload_conf();
});

sub ends_many
{
	my ($call, $title) = @_;
	my $grown = $node->safe_psql(
		'postgres', qq{
		DELETE FROM session.sessions;
		TRUNCATE measured, users;
		INSERT INTO users VALUES ('ada');
		SELECT count(session_create('ada', tenant_id => 'acme', user_agent => repeat('x', 200), ip => '192.0.2.1')) FROM generate_series(1, 30000) \\g /dev/null
		-- Sessions are ended in the order of their ids.
		SELECT id AS first FROM session.sessions ORDER BY id OFFSET 1000 LIMIT 1 \\gset
		SELECT id AS last FROM session.sessions ORDER BY id DESC LIMIT 1 \\gset
		SELECT format('CREATE TRIGGER %s AFTER UPDATE ON session.sessions FOR EACH ROW WHEN (NEW.id = %L) EXECUTE FUNCTION measured()', name, id)
		FROM (VALUES ('first', :'first'), ('last', :'last')) AS t(name, id) \\gexec
		$call;
		DROP TRIGGER first ON session.sessions;
		DROP TRIGGER last ON session.sessions;
		SELECT CASE WHEN count(*) = 2 THEN (max(contexts) - min(contexts)) / 29000 END FROM measured;
	});

	cmp_ok((split /\n/, $grown)[-1] || 'none', '<', 200,
		"$title keeps less than 200 bytes for each session");
}

ends_many('SELECT session_revoke_tenant($$acme$$) = 30000',
'revoking the sessions of a tenant');
ends_many('SELECT session_revoke_user($$ada$$) = 30000',
'revoking the sessions of a user');
ends_many('DELETE FROM users', 'deleting a user');
ends_many('TRUNCATE users', 'truncating a table of users');

done_testing();
