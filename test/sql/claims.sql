-- The claims function: which claims it adds to snapshots and JWTs, which it
-- cannot set, and how it fails.
CREATE EXTENSION session;
\getenv here PG_ABS_SRCDIR
\i :here/sql/include/helpers.sql
SELECT count(session_key_rotate(purpose)) AS keys FROM unnest('{session,jwt}'::text[]) AS purpose;
CREATE SCHEMA regress_session_claims;
SELECT id, token FROM session_create('alice', '{"plan": "gold"}', 'acme', 'customer', '192.0.2.1', 'Firefox', auth_level => 2) \gset

-- The claims of a snapshot and a JWT, without times and random values.
CREATE FUNCTION pg_temp.snapshot(token text) RETURNS jsonb
LANGUAGE sql AS $$
    SELECT convert_from(decode(rpad(translate(part, '-_', '+/'), (length(part) + 3) / 4 * 4, '='), 'base64'), 'UTF8')::jsonb
           - '{sid,tok,aut,end,era,iat,exp}'::text[]
      FROM split_part(session_cookie_issue(token, 'compact'), '.', 1) AS part
$$;
CREATE FUNCTION pg_temp.jwt(token text, claims jsonb DEFAULT '{}') RETURNS jsonb
LANGUAGE sql AS $$
    SELECT session_cookie_decode(session_jwt(token, claims => claims), 'jwt') - '{sid,iat,exp,jti}'::text[]
$$;
CREATE FUNCTION pg_temp.with_function(name text, token text) RETURNS TABLE (snapshot text, jwt text)
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('session.claims_function', name, true);
    snapshot := coalesce(pg_temp.error_of(format('session_cookie_issue(%L)', token)), 'minted');
    jwt := coalesce(pg_temp.error_of(format('session_jwt(%L)', token)), 'minted');
    RETURN NEXT;
    PERFORM set_config('session.claims_function', '', true);
END
$$;

-- Without a claims function there are only the claims of the session.
SELECT pg_temp.snapshot(:'token'), pg_temp.jwt(:'token');

-- The function receives the session as session_info and adds the claims that
-- it returns.
CREATE FUNCTION regress_session_claims.add(s session_info) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('plan', s.data -> 'plan', 'who', s.user_id, 'in', s.tenant_id, 'as', s.role, 'at', s.auth_level,
                              'from', host(s.ip), 'with', s.user_agent, 'status', s.status,
                              'same', s.id::text = current_setting('test.id') AND s.created_at < s.expires_at AND s.authenticated_at = s.created_at)
$$;
SELECT set_config('test.id', :'id', false) = :'id' AS set;
SET session.claims_function = 'regress_session_claims.add';
SELECT pg_temp.snapshot(:'token'), pg_temp.jwt(:'token');
SELECT pg_temp.jwt(:'token', '{"plan": "of the call", "more": 1}') ->> 'plan' AS plan;
SELECT source, user_id, role FROM session_cookie_validate(session_cookie_issue(:'token'));

-- It is not called for cookies that the application makes, nor for validation.
SELECT session_cookie_decode(session_cookie_encode('{"a": 1}')) - '{iat,exp,jti}'::text[] AS cookie;
SELECT session_cookie_issue(:'token') AS cookie \gset
CREATE OR REPLACE FUNCTION regress_session_claims.add(s session_info) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the billing service is down' USING ERRCODE = 'BS001', HINT = 'Try again later.';
END
$$;
SELECT source FROM session_cookie_validate(:'cookie');
SELECT source FROM session_cookie_validate(:'cookie', true, :'token');
SELECT count(*) AS valid FROM session_validate(:'token');
SELECT session_cookie_decode(session_cookie_encode('{"a": 1}')) - '{iat,exp,jti}'::text[] AS cookie;

-- Its error is an error of making a snapshot or a JWT, and of no other call.
-- Without a live session it is not called.
\set SHOW_CONTEXT never
SELECT session_cookie_issue(:'token');
SELECT session_jwt(:'token');
SELECT session_cookie_issue('junk'), session_jwt('junk'), session_cookie_issue(NULL), session_jwt(NULL);
SELECT session_status(:'token');
\set VERBOSITY sqlstate

-- It cannot replace the claims that the extension sets, nor set one that the
-- session does not have.
CREATE OR REPLACE FUNCTION regress_session_claims.add(s session_info) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_object_agg(name, 'mallory') || '{"added": true}'
      FROM unnest('{sid,sub,uid,tid,role,lvl,aut,tok,end,era,iat,exp,nbf,jti}'::text[]) AS name
$$;
SELECT pg_temp.snapshot(:'token'), pg_temp.jwt(:'token');
SELECT pg_temp.jwt(:'token', '{"more": true, "added": false}');
SELECT count(*) AS mallory FROM session_cookie_decode(session_jwt(:'token'), 'jwt') AS j, jsonb_each_text(j) AS c WHERE c.value = 'mallory';
SELECT id = :'id' AS same_id, user_id, tenant_id, role, auth_level, source FROM session_cookie_validate(session_cookie_issue(:'token'));
BEGIN;
SELECT session_authenticate(:'token'), session_claims() - 'sid' AS claims;
COMMIT;

-- For an anonymous session, the claims that it does not have stay absent even
-- if the function returns them.
SELECT token AS visit FROM session_create() \gset
SELECT pg_temp.snapshot(:'visit'), pg_temp.jwt(:'visit');
SELECT user_id, tenant_id, role, auth_level FROM session_cookie_validate(session_cookie_issue(:'visit'));

-- The function may set an issuer and an audience: iss and aud in the argument
-- claims take precedence over it, and the argument audience over both.
CREATE OR REPLACE FUNCTION regress_session_claims.add(s session_info) RETURNS jsonb LANGUAGE sql AS
$$SELECT '{"iss": "function", "aud": ["function"]}'::jsonb$$;
SELECT pg_temp.snapshot(:'visit'), pg_temp.jwt(:'visit');
SELECT pg_temp.jwt(:'visit', '{"iss": "call", "aud": ["call", "call too"]}'),
       session_cookie_decode(session_jwt(:'visit', audience => 'audience'), 'jwt') -> 'aud' AS aud;
BEGIN;
SELECT session_authenticate(:'visit'), session_claims() - 'sid' AS claims;
COMMIT;

-- NULL adds nothing; a value that is not an object is an error.
CREATE FUNCTION regress_session_claims.nothing(s session_info) RETURNS jsonb LANGUAGE sql AS 'SELECT NULL::jsonb';
CREATE FUNCTION regress_session_claims.empty(s session_info) RETURNS jsonb LANGUAGE sql AS $$SELECT '{}'::jsonb$$;
CREATE FUNCTION regress_session_claims.list(s session_info) RETURNS jsonb LANGUAGE sql AS $$SELECT '[1]'::jsonb$$;
CREATE FUNCTION regress_session_claims.text(s session_info) RETURNS jsonb LANGUAGE sql AS $$SELECT '"a"'::jsonb$$;
CREATE FUNCTION regress_session_claims.json_null(s session_info) RETURNS jsonb LANGUAGE sql AS $$SELECT 'null'::jsonb$$;
CREATE FUNCTION regress_session_claims.huge(s session_info) RETURNS jsonb LANGUAGE sql AS $$SELECT jsonb_build_object('a', repeat('x', 65536))$$;
CREATE FUNCTION regress_session_claims.divides(s session_info) RETURNS jsonb LANGUAGE sql AS $$SELECT to_jsonb(1 / 0)$$;
CREATE FUNCTION regress_session_claims."Odd name"(s session_info) RETURNS jsonb LANGUAGE sql STRICT AS $$SELECT '{"odd": 1}'::jsonb$$;
SELECT name, w.* FROM unnest('{nothing,empty,list,text,json_null,huge,divides,"\"Odd name\""}'::text[]) WITH ORDINALITY AS t (name, n),
       pg_temp.with_function('regress_session_claims.' || name, :'token') AS w ORDER BY n;
SET session.claims_function = 'regress_session_claims.nothing';
SELECT pg_temp.snapshot(:'token'), pg_temp.jwt(:'token', '{"more": 1}');

-- An invalid name, or the name of another kind of function, is an error that
-- says what it must be.
CREATE FUNCTION regress_session_claims.takes_text(s text) RETURNS jsonb LANGUAGE sql AS $$SELECT '{}'::jsonb$$;
CREATE FUNCTION regress_session_claims.takes_record(s record) RETURNS jsonb LANGUAGE plpgsql AS $$BEGIN RETURN '{}'; END$$;
CREATE FUNCTION regress_session_claims.takes_credentials(s session_credentials) RETURNS jsonb LANGUAGE sql AS $$SELECT '{}'::jsonb$$;
CREATE FUNCTION regress_session_claims.takes_two(s session_info, t int DEFAULT 1) RETURNS jsonb LANGUAGE sql AS $$SELECT '{}'::jsonb$$;
CREATE FUNCTION regress_session_claims.takes_none() RETURNS jsonb LANGUAGE sql AS $$SELECT '{}'::jsonb$$;
CREATE FUNCTION regress_session_claims.gives_json(s session_info) RETURNS json LANGUAGE sql AS $$SELECT '{}'::json$$;
CREATE FUNCTION regress_session_claims.gives_none(s session_info) RETURNS void LANGUAGE sql AS $$SELECT$$;
CREATE FUNCTION regress_session_claims.gives_record(s session_info, OUT a jsonb, OUT b jsonb) LANGUAGE sql AS $$SELECT '{}'::jsonb, '{}'::jsonb$$;
CREATE PROCEDURE regress_session_claims.procedure(s session_info) LANGUAGE sql AS $$SELECT$$;
SELECT name, snapshot, jwt = snapshot AS jwt_too
  FROM unnest(ARRAY['regress_session_claims.absent', 'no_such_schema.add', 'add', 'regress_session_claims.', '.add', 'a.b.c.d', 'regress_session_claims.add(session_info)',
                    '"', ' ', 'regress_session_claims.add; DROP TABLE x', 'regress_session_claims.takes_text', 'regress_session_claims.takes_record',
                    'regress_session_claims.takes_credentials', 'regress_session_claims.takes_two', 'regress_session_claims.takes_none', 'regress_session_claims.gives_json',
                    'regress_session_claims.gives_none', 'regress_session_claims.gives_record', 'regress_session_claims.procedure', 'session.sessions', 'pg_catalog.now'])
       WITH ORDINALITY AS t (name, n), pg_temp.with_function(name, :'token') ORDER BY n;
\set VERBOSITY default
SET session.claims_function = 'regress_session_claims.takes_text';
SELECT session_jwt(:'token');
SET session.claims_function = 'regress_session_claims.gives_json';
SELECT session_jwt(:'token');
\set VERBOSITY sqlstate

-- Other functions of the same name do not matter.
CREATE FUNCTION regress_session_claims.overloaded(s session_info) RETURNS jsonb LANGUAGE sql AS $$SELECT '{"mine": true}'::jsonb$$;
CREATE FUNCTION regress_session_claims.overloaded() RETURNS jsonb LANGUAGE sql AS $$SELECT '{"mine": false}'::jsonb$$;
CREATE FUNCTION regress_session_claims.overloaded(s text) RETURNS jsonb LANGUAGE sql AS $$SELECT '{"mine": false}'::jsonb$$;
CREATE FUNCTION regress_session_claims.overloaded(s anyelement) RETURNS jsonb LANGUAGE sql AS $$SELECT '{"mine": false}'::jsonb$$;
CREATE FUNCTION regress_session_claims.overloaded(s session_credentials) RETURNS jsonb LANGUAGE sql AS $$SELECT '{"mine": false}'::jsonb$$;
CREATE FUNCTION regress_session_claims.overloaded(s session_info, t int DEFAULT 1) RETURNS jsonb LANGUAGE sql AS $$SELECT '{"mine": false}'::jsonb$$;
CREATE FUNCTION regress_session_claims.overloaded(VARIADIC s session_info[]) RETURNS jsonb LANGUAGE sql AS $$SELECT '{"mine": false}'::jsonb$$;
SET session.claims_function = 'regress_session_claims.overloaded';
BEGIN;
SELECT session_authenticate(:'token'), session_claim('mine') AS mine;
COMMIT;
SELECT pg_temp.snapshot(:'token') -> 'mine' AS snapshot, pg_temp.jwt(:'token') -> 'mine' AS jwt;
SET session.claims_function = '';

-- The function runs with the rights of the extension's caller, who needs no
-- privilege to call it or to use its schema; SECURITY DEFINER makes it run as
-- its owner.
CREATE ROLE regress_session_app;
SELECT session_grant('regress_session_app', 'app');
CREATE TABLE regress_session_claims.plans AS SELECT 'alice' AS user_id, 'gold' AS plan;
CREATE FUNCTION regress_session_claims.plan(s session_info) RETURNS jsonb LANGUAGE sql AS
'SELECT jsonb_build_object(''plan'', plan, ''by'', current_user) FROM regress_session_claims.plans p WHERE p.user_id = s.user_id';
REVOKE EXECUTE ON FUNCTION regress_session_claims.plan(session_info) FROM PUBLIC;
SET session.claims_function = 'regress_session_claims.plan';
SET ROLE regress_session_app;
SELECT regress_session_claims.plan(NULL);
\set VERBOSITY terse
SELECT session_jwt(:'token');
SELECT session_cookie_issue(:'token');
\set VERBOSITY sqlstate
RESET ROLE;
GRANT USAGE ON SCHEMA regress_session_claims TO regress_session_app;
GRANT SELECT ON regress_session_claims.plans TO regress_session_app;
SET ROLE regress_session_app;
SELECT pg_temp.jwt(:'token') -> 'plan' AS plan, pg_temp.jwt(:'token') -> 'by' = to_jsonb(current_user) AS by_me;
RESET ROLE;
REVOKE SELECT ON regress_session_claims.plans FROM regress_session_app;
ALTER FUNCTION regress_session_claims.plan(session_info) SECURITY DEFINER;
SET ROLE regress_session_app;
SELECT pg_temp.jwt(:'token') -> 'plan' AS plan, pg_temp.jwt(:'token') -> 'by' = to_jsonb(current_user) AS by_me;
SELECT pg_temp.snapshot(:'token') -> 'plan' AS plan;
SET session.claims_function = '';
RESET ROLE;

-- The search_path of the caller does not matter.
SET search_path = pg_temp;
SELECT session_jwt IS NOT NULL AS minted FROM public.session_jwt(:'token');
RESET search_path;

-- A name without a schema never resolves to an object of the caller: neither
-- to a temporary table nor to an operator, nor through the search_path.
-- Settings that the function changes are restored.
CREATE FUNCTION regress_session_claims.careless(s session_info) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    SET LOCAL application_name = 'careless';
    RETURN (SELECT jsonb_build_object('classes', count(*) > 100, 'path', current_setting('search_path'), 'sum', 1 + 1) FROM pg_class);
END
$$;
CREATE TEMP TABLE pg_class AS SELECT 1 AS fake;
CREATE FUNCTION pg_temp.forge(a int, b int) RETURNS int LANGUAGE sql AS 'SELECT 666';
CREATE OPERATOR pg_temp.+ (FUNCTION = pg_temp.forge, LEFTARG = int, RIGHTARG = int);
SET search_path = pg_temp, public, pg_catalog;
SET session.claims_function = 'regress_session_claims.careless';
BEGIN;
SELECT session_authenticate(:'token');
SELECT session_claim('classes'), session_claim('path'), session_claim('sum'), current_setting('application_name') = 'careless' AS left_behind;
COMMIT;
SET session.claims_function = '';
RESET search_path;
DROP OPERATOR pg_temp.+ (int, int);
DROP TABLE pg_temp.pg_class;

-- Its effects are part of the transaction.
CREATE TABLE regress_session_claims.minted (user_id text);
CREATE FUNCTION regress_session_claims.count(s session_info) RETURNS jsonb LANGUAGE sql AS
'INSERT INTO regress_session_claims.minted VALUES (s.user_id) RETURNING jsonb_build_object(''nth'', (SELECT count(*) + 1 FROM regress_session_claims.minted))';
SET session.claims_function = 'regress_session_claims.count';
BEGIN;
SELECT pg_temp.jwt(:'token') -> 'nth' AS nth;
SELECT pg_temp.jwt(:'token') -> 'nth' AS nth;
ROLLBACK;
SELECT pg_temp.snapshot(:'token') -> 'nth' AS nth;
BEGIN READ ONLY;
SELECT session_jwt(:'token');
ROLLBACK;

-- A set-returning function and an aggregate are refused.
CREATE FUNCTION regress_session_claims.many(s session_info) RETURNS SETOF jsonb LANGUAGE sql AS
'SELECT jsonb_build_object(''n'', n) FROM generate_series(1, 2) AS n';
SET session.claims_function = 'regress_session_claims.many';
SELECT session_jwt(:'token');
CREATE FUNCTION regress_session_claims.keep(state jsonb, s session_info) RETURNS jsonb LANGUAGE sql AS 'SELECT state';
CREATE AGGREGATE regress_session_claims.total(session_info) (SFUNC = regress_session_claims.keep, STYPE = jsonb, INITCOND = '{}');
SET session.claims_function = 'regress_session_claims.total';
SELECT session_jwt(:'token');

RESET session.claims_function;
SET client_min_messages = warning;
DROP SCHEMA regress_session_claims CASCADE;
DROP OWNED BY regress_session_app;
DROP ROLE regress_session_app;
DROP EXTENSION session;
