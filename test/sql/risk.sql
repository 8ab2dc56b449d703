-- session.risk_function judges logins, and requests that come from another
-- address than their session: ok, step_up (the level drops to 1) or reject.
CREATE EXTENSION session;
\getenv here PG_ABS_SRCDIR
\i :here/sql/include/helpers.sql
CREATE ROLE regress_session_app;
CREATE ROLE regress_session_anon;
SELECT session_grant('regress_session_app', 'app');
SELECT session_cleanup() IS NOT NULL AS cleaned;
TRUNCATE session.events;
CREATE TEMP VIEW story AS
SELECT kind, user_id AS "user", session_id IS NOT NULL AS has_id, ip, user_agent AS agent, detail
  FROM session.events WHERE kind <> 'administration' ORDER BY id;
CREATE PROCEDURE pg_temp.forget() LANGUAGE sql AS $$
    SELECT session_cleanup();
    DELETE FROM session.events;
$$;

-- The function says what it was asked.  Nobody but its owner may find or
-- execute it.
CREATE SCHEMA regress_session_risk;
CREATE FUNCTION regress_session_risk.judge(s session_info, ip inet, user_agent text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RAISE NOTICE 'asked about % of % at level % (%) from %: % %', s.user_id, s.tenant_id, s.auth_level, s.status, s.ip, ip, user_agent;
    IF ip <<= '127.0.0.0/8' THEN
        RAISE EXCEPTION 'the list of networks is missing' USING ERRCODE = 'RS001';
    END IF;
    RETURN CASE WHEN ip <<= '203.0.113.0/24' THEN 'reject' WHEN ip <<= '198.51.100.0/24' THEN 'step_up'
                WHEN ip <<= '10.0.0.0/8' THEN NULL WHEN ip <<= '172.16.0.0/12' THEN 'OK' ELSE 'ok' END;
END
$$;
REVOKE ALL ON FUNCTION regress_session_risk.judge FROM PUBLIC;
SELECT token FROM session_create('alice', tenant_id => 'acme', ip => '192.0.2.1', user_agent => 'Firefox', auth_level => 2, amr => '{pwd,otp}') \gset
SELECT token AS visit FROM session_create(ip => '192.0.2.1') \gset
SELECT token AS nowhere FROM session_create('erin', auth_level => 2) \gset
SELECT token AS renewable, refresh_token FROM session_create('bob', ip => '192.0.2.1', auth_level => 2, refreshable => true) \gset

SELECT count(session_key_rotate(purpose)) AS keys FROM unnest('{session,jwt}'::text[]) AS purpose;

-- Without the setting, an address does not matter.
SELECT session_status(:'token', '203.0.113.1');
SET session.risk_function = 'regress_session_risk.judge';
SET session.log_events = 'created, regenerated, risk, binding_mismatch, revoked';

-- The function is not called for a request from the address of the session,
-- nor for one of unknown address, nor for a session that is not active.
SET SESSION AUTHORIZATION regress_session_app;
SELECT auth_level, amr FROM session_validate(:'token', '192.0.2.1', 'curl');
SELECT auth_level FROM session_validate(:'token', '::ffff:192.0.2.1');
SELECT auth_level FROM session_validate(:'token');
SELECT session_status(:'token', '192.0.2.1/24'), session_is_valid(:'token'), session_touch(:'token'), session_data(:'token');
SELECT session_status('junk', '203.0.113.1'), session_status(overlay(:'token' PLACING 'AAAA' FROM 50), '203.0.113.1');

-- A request from another address: with ok, nothing changes.
SELECT auth_level, amr FROM session_validate(:'token', '192.0.2.2', 'Firefox');
SELECT session_status(:'token', '192.0.2.2');
SELECT auth_level FROM session_validate(:'visit', '192.0.2.2');
SELECT auth_level FROM session_validate(:'nowhere', '192.0.2.2');

-- With step_up, the level drops to 1 for that request.  The row keeps it.
SELECT auth_level, amr FROM session_validate(:'token', '198.51.100.1', 'Firefox');
SELECT session_status(:'token', '198.51.100.1');
SELECT auth_level, amr FROM session_validate(:'visit', '198.51.100.1');
SELECT auth_level, amr FROM session_validate(:'token', '192.0.2.1');

-- With reject, the session is not valid for that request, and lives on.
SELECT count(*) FROM session_validate(:'token', '203.0.113.1', 'Firefox');
SELECT session_status(:'token', '203.0.113.1');
SELECT session_authenticate(:'token', '203.0.113.1'), session_id();
SELECT session_status(:'token', '192.0.2.1');

-- The identity of a transaction remembers the level.
\set VERBOSITY terse
BEGIN READ ONLY;
SELECT session_authenticate(:'token', '198.51.100.1', 'Firefox'), session_auth_level(), session_amr(), session_claims() - 'sid' AS claims;
SELECT session_require(1);
SAVEPOINT s;
SELECT session_require(2);
ROLLBACK TO s;
SELECT session_require(amr => '{otp}');
ROLLBACK TO s;
SELECT session_auth_level(), session_amr();
SELECT session_cookie_decode(session_jwt(:'token'), 'jwt') - '{sid,iat,exp,jti}'::text[] AS jwt;
SELECT session_authenticate(:'token', '192.0.2.1'), session_auth_level(), session_amr();
SELECT session_cookie_decode(session_jwt(:'token'), 'jwt') - '{sid,iat,exp,jti}'::text[] AS jwt;
SELECT session_require(2), session_require(amr => '{otp}');
COMMIT;

-- Refreshing: with step_up as with ok, and with reject no tokens.  A reused
-- refresh token ends its session without a question.
SELECT count(*) FROM session_refresh(:'token', '192.0.2.1');
SELECT count(*) FROM session_refresh(:'token', '198.51.100.1');
SELECT count(*) FROM session_refresh(:'token', '203.0.113.1');
SELECT count(*) FROM session_refresh(:'renewable', '203.0.113.1');
SELECT count(*) FROM session_refresh(:'refresh_token', '203.0.113.1');
SELECT refresh_token AS second FROM session_refresh(:'refresh_token', '198.51.100.1', 'Firefox') \gset
SELECT refresh_token AS third FROM session_refresh(:'second', '192.0.2.1') \gset
SELECT count(*) FROM session_refresh(:'refresh_token', '203.0.113.1');
SELECT count(*) FROM session_refresh(:'third', '192.0.2.1');

-- Events: each result once a minute for a session, with the number.
RESET SESSION AUTHORIZATION;
SELECT session_cleanup() IS NOT NULL AS cleaned;
TABLE story;
CALL pg_temp.forget();

-- A login is always judged, as the session will be.  With step_up the level is
-- 1 at most, and there is no amr.
SET SESSION AUTHORIZATION regress_session_app;
SELECT token AS one FROM session_create('carol', tenant_id => 'acme', ip => '192.0.2.1', user_agent => 'Firefox', auth_level => 2) \gset
SELECT token AS two FROM session_create('carol', ip => '198.51.100.1', auth_level => 2, amr => '{pwd,otp}') \gset
SELECT token AS three FROM session_login(NULL, 'carol', ip => '198.51.100.1', auth_level => 3) \gset
SELECT count(*) AS anonymous FROM session_create(ip => '203.0.113.1');
SELECT auth_level, amr FROM session_validate(:'one') UNION ALL SELECT auth_level, amr FROM session_validate(:'two')
UNION ALL SELECT auth_level, amr FROM session_validate(:'three');

-- A visitor logs in: in the function, the session has its user and address.
SELECT token AS visit FROM session_login(:'visit', 'dan', ip => '198.51.100.2', auth_level => 2) \gset
SELECT user_id, auth_level, ip FROM session_validate(:'visit');
SELECT token AS visit FROM session_create(ip => '192.0.2.1') \gset
SELECT token AS visit FROM session_regenerate(:'visit', 'dan', auth_level => 2, ip => '198.51.100.2', user_agent => 'Safari') \gset
SELECT user_id, auth_level, ip FROM session_validate(:'visit');

-- Stepping up: what is proven from the new address counts, and that becomes
-- the address of the session.  Without proof the level stays low.
SELECT token FROM session_regenerate(:'token', ip => '198.51.100.3') \gset
SELECT auth_level, amr, ip FROM session_validate(:'token', '198.51.100.3');
SELECT token FROM session_regenerate(:'token', auth_level => 2, amr => '{pwd,hwk}', ip => '198.51.100.4') \gset
SELECT auth_level, amr, ip FROM session_validate(:'token', '198.51.100.4');
SELECT count(*) FROM session_regenerate(:'token', ip => '203.0.113.1');
SELECT session_status(:'token', '198.51.100.4');
RESET SESSION AUTHORIZATION;
SELECT session_cleanup() IS NOT NULL AS cleaned;
TABLE story;
CALL pg_temp.forget();

-- A rejected login is an error, writes nothing but evidence, and ends nothing.
SELECT token AS visit FROM session_create(ip => '192.0.2.1') \gset
SET session.max_sessions = 1;
SELECT count(*) AS rows FROM session.sessions \gset
\set VERBOSITY default
SELECT session_create('carol', '{}', 'acme', ip => '203.0.113.1', user_agent => 'curl');
\set VERBOSITY sqlstate
SELECT session_create('carol', tenant_id => 'acme', ip => '203.0.113.1');
SELECT session_create('carol', ip => '203.0.113.2', auth_level => 2);
SELECT session_login(:'visit', 'dan', ip => '203.0.113.3');
SELECT session_login(:'token', 'dan', ip => '203.0.113.3');
SELECT session_login('junk', repeat('x', 300), ip => '203.0.113.3');
SELECT session_regenerate(:'visit', 'erin', ip => '203.0.113.3', user_agent => 'curl');
RESET session.max_sessions;
SELECT count(*) = :rows AS unchanged FROM session.sessions;
SELECT session_status(:'visit', '192.0.2.1') AS visit, session_status(:'token', '198.51.100.4') AS token, session_status(:'one') AS one;
SELECT session_cleanup() IS NOT NULL AS cleaned;
TABLE story;
CALL pg_temp.forget();

-- What is no result, and an error, let nobody in.
\set SHOW_CONTEXT never
\set VERBOSITY default
SELECT session_create('carol', ip => '10.0.0.1');
SELECT session_validate(:'token', '172.16.0.1');
SELECT session_login(:'token', 'alice', ip => '127.0.0.1');
\set VERBOSITY terse
SELECT session_status(:'token', '10.0.0.1');
SELECT session_authenticate(:'token', '127.0.0.1');
SELECT session_refresh(:'token', '172.16.0.1');
SELECT session_regenerate(:'token', ip => '10.0.0.1');
CREATE FUNCTION regress_session_risk.takes_two(s session_info, ip inet) RETURNS text LANGUAGE sql AS $$SELECT 'ok'$$;
CREATE FUNCTION regress_session_risk.returns_jsonb(s session_info, ip inet, user_agent text) RETURNS jsonb LANGUAGE sql AS $$SELECT '"ok"'::jsonb$$;
CREATE FUNCTION regress_session_risk.returns_set(s session_info, ip inet, user_agent text) RETURNS SETOF text LANGUAGE sql AS $$SELECT 'ok'$$;
CREATE FUNCTION regress_session_risk.strict(s session_info, ip inet, user_agent text) RETURNS text LANGUAGE sql STRICT AS $$SELECT 'ok'$$;
CREATE FUNCTION regress_session_risk.again(s session_info, ip inet, user_agent text) RETURNS text LANGUAGE sql AS $$
    SELECT 'ok' FROM public.session_create('someone', ip => ip)
$$;
CREATE FUNCTION pg_temp.with_function(name text, token text) RETURNS TABLE (login text, use text) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('session.risk_function', name, true);
    login := coalesce(pg_temp.error_of('session_create(''carol'', ip => ''192.0.2.1'')'), 'ok');
    use := coalesce(pg_temp.error_of(format('session_status(%L, ''192.0.2.9'')', token)), 'ok');
    RETURN NEXT;
    PERFORM set_config('session.risk_function', '', true);
END
$$;
SELECT name, w.* FROM unnest('{judge,regress_session_risk.absent,no_such_schema.judge,a.b.c.d,"\"",regress_session_risk.takes_two,regress_session_risk.returns_jsonb,
                               regress_session_risk.returns_set,regress_session_risk.strict,regress_session_risk.again}'::text[])
       WITH ORDINALITY AS t (name, n), pg_temp.with_function(name, :'token') AS w ORDER BY n;
SET session.risk_function = 'regress_session_risk.strict';
SELECT session_status(:'token', '192.0.2.9', 'curl');

-- After an error of the function the next call asks it again.
SET session.risk_function = 'regress_session_risk.again';
SELECT session_status(:'token', '192.0.2.9');
SET session.risk_function = 'regress_session_risk.judge';
SELECT session_status(:'token', '192.0.2.9');

-- A function may use sessions in ways that are not judged, and end the one it
-- judges.
CREATE FUNCTION regress_session_risk.ends(s session_info, ip inet, user_agent text) RETURNS text LANGUAGE sql SECURITY DEFINER AS $$
    SELECT CASE WHEN public.session_revoke_id(s.id, 'risk') THEN 'ok' END
$$;
SET session.risk_function = 'regress_session_risk.ends';
SELECT token AS short FROM session_create(ip => '192.0.2.1') \gset
SET SESSION AUTHORIZATION regress_session_app;
SELECT count(*) FROM session_validate(:'short', '192.0.2.2');
SELECT session_status(:'short');
RESET SESSION AUTHORIZATION;

-- The caller's objects do not influence the function, and neither a client nor
-- the application can set the setting.
SET SESSION AUTHORIZATION regress_session_app;
SET session.risk_function = '';
RESET SESSION AUTHORIZATION;
CREATE FUNCTION regress_session_risk.named(s session_info, ip inet, user_agent text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('work_mem', '1MB', false), set_config('test.left', 'behind', false);
    RETURN CASE WHEN host(ip) = '203.0.113.1' THEN lower('REJECT') ELSE 'ok' END;
END
$$;
CREATE SCHEMA regress_session_hostile AUTHORIZATION regress_session_app;
SET session.risk_function = 'regress_session_risk.named';
SET SESSION AUTHORIZATION regress_session_app;
CREATE FUNCTION regress_session_hostile.host(inet) RETURNS text LANGUAGE sql AS $$SELECT 'nowhere'$$;
CREATE FUNCTION regress_session_hostile.lower(text) RETURNS text LANGUAGE sql AS $$SELECT 'ok'$$;
CREATE FUNCTION regress_session_hostile.judge(s session_info, ip inet, user_agent text) RETURNS text LANGUAGE sql AS $$SELECT 'ok'$$;
SET search_path = regress_session_hostile, pg_catalog, public;
SELECT session_status(:'token', '203.0.113.1');
SHOW search_path;
SELECT current_setting('test.left', true) AS setting_left;
RESET search_path;
RESET SESSION AUTHORIZATION;

-- The address is compared as it is stored.
SET session.risk_function = 'regress_session_risk.judge';
CREATE FUNCTION pg_temp.moved(made inet, used inet) RETURNS text LANGUAGE sql AS $$
    SELECT session_status((session_create(ip => made)).token, used)
$$;
SET session.store_ip = subnet;
SELECT pg_temp.moved('203.0.113.7', '203.0.113.8') AS same_subnet;
SELECT pg_temp.moved('203.0.112.7', '203.0.113.8') AS other_subnet;
SELECT pg_temp.moved('::ffff:203.0.113.7', '203.0.113.8') AS mapped;
SELECT pg_temp.moved('2001:db8::1', '2001:db8::2') AS same_v6;
SET session.store_ip = off;
SELECT pg_temp.moved('203.0.112.7', '203.0.113.8') AS nothing_stored;
RESET session.store_ip;
SELECT pg_temp.moved(NULL, '203.0.113.8') AS no_address;

-- Binding comes first, and on_mismatch does not apply to a rejected request.
SET session.on_mismatch = revoke;
SELECT token AS bound FROM session_create(ip => '192.0.2.1') \gset
SELECT count(*) FROM session_validate(:'bound', '203.0.113.1');
SELECT session_status(:'bound', '192.0.2.1');
SET session.bind_ip = exact;
SELECT count(*) FROM session_validate(:'bound', '203.0.113.1');
SELECT session_status(:'bound', '192.0.2.1');
RESET session.bind_ip;
RESET session.on_mismatch;

-- While the function is set the row decides about snapshots, because they do
-- not have an address.
SELECT token FROM session_create('alice', ip => '192.0.2.1', auth_level => 2) \gset
BEGIN;
SELECT session_cookie_issue(:'token') AS cookie \gset
SELECT source, auth_level FROM session_cookie_validate(:'cookie', token => :'token', ip => '192.0.2.1');
SELECT source, auth_level FROM session_cookie_validate(:'cookie', token => :'token', ip => '198.51.100.1');
SELECT source FROM session_cookie_validate(:'cookie', token => :'token', ip => '203.0.113.1');
SELECT source FROM session_cookie_validate(:'cookie');
COMMIT;

-- Requests through a gateway, in READ ONLY transactions of a role without
-- rights.
SET session.client_ip_header = 'x-real-ip';
SET session.strategy = cookie_cache;
SELECT session_cookie_issue(:'token') AS cookie \gset
CREATE FUNCTION pg_temp.asked(ip text, token text, cache text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('request.cookies', json_build_object('__Host-session', token, '__Host-session-cache', cache)::text, true),
            set_config('request.headers', json_build_object('x-real-ip', ip)::text, true), set_config('request.path', '/', true),
            set_config('response.headers', '', true);
    PERFORM session_pre_request();
    RETURN concat_ws(' ', coalesce(session_user_id(), 'nobody'), session_auth_level(), pg_temp.error_of('session_require(2)'), current_setting('response.headers'));
EXCEPTION
    WHEN OTHERS THEN
        RETURN sqlstate || ' ' || sqlerrm;
END
$$;
BEGIN READ ONLY;
SET LOCAL SESSION AUTHORIZATION regress_session_anon;
SELECT ip, pg_temp.asked(ip, :'token', :'cookie') FROM unnest('{192.0.2.1,192.0.2.2,198.51.100.1,203.0.113.1,10.0.0.1,127.0.0.1,unknown}'::text[]) AS ip;
COMMIT;
SET session.on_invalid = reject;
BEGIN READ ONLY;
SET LOCAL SESSION AUTHORIZATION regress_session_anon;
SELECT pg_temp.asked('203.0.113.1', :'token', :'cookie');
COMMIT;
RESET session.on_invalid;
SET session.risk_function = '';
BEGIN READ ONLY;
SELECT source FROM session_cookie_validate(:'cookie', token => :'token', ip => '203.0.113.1');
COMMIT;
SELECT checks_risk > 0 AS counted FROM session.stats WHERE database = current_database();

-- Evidence survives READ ONLY transactions and rollbacks.
SELECT session_cleanup() IS NOT NULL AS cleaned;
SELECT kind, "user", has_id, ip, detail FROM story WHERE kind = 'risk' AND "user" = 'alice';

-- session_erase finds the rejected logins of a user.
SET session.risk_function = 'regress_session_risk.judge';
SELECT session_create('trudy', ip => '203.0.113.1');
SELECT session_erase('trudy') > 0 AS erased;
SELECT count(*) FROM session.events WHERE user_id = 'trudy' AND kind = 'risk';

\set VERBOSITY terse
RESET session.risk_function;
DROP SCHEMA regress_session_hostile CASCADE;
DROP SCHEMA regress_session_risk CASCADE;
SELECT session_grant('regress_session_app', 'none');
DROP EXTENSION session CASCADE;
DROP ROLE regress_session_app, regress_session_anon;
