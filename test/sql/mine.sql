-- A user's own sessions: with a bound session, a client sees and revokes the
-- sessions of the same user and tenant, and no others.
CREATE EXTENSION session;
\getenv here PG_ABS_SRCDIR
\i :here/sql/include/helpers.sql
CREATE ROLE regress_session_web;
CREATE TEMP TABLE made (name text PRIMARY KEY, id uuid, token text);
GRANT SELECT ON made TO PUBLIC;

-- Creates a session and stores it under a name.  Each is a minute younger than
-- the one before.
CREATE FUNCTION pg_temp.make(name text, user_id text, tenant_id text = NULL, refreshable boolean = false) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    CALL pg_temp.pass('1 minute');
    INSERT INTO made SELECT name, id, token
      FROM session_create(user_id, '{"secret": 1}', tenant_id, ip => '192.0.2.1', user_agent => name, refreshable => refreshable);
END
$$;
SELECT count(pg_temp.make(name, user_id, tenant_id, name = 'refreshable')) AS made
  FROM (VALUES (1, 'laptop', 'alice', NULL), (2, 'phone', 'alice', NULL), (3, 'refreshable', 'alice', NULL), (4, 'work', 'alice', 'acme'),
               (5, 'office', 'alice', 'acme'), (6, 'other', 'alice', 'other'), (7, 'revoked', 'alice', NULL), (8, 'expired', 'alice', NULL),
               (9, 'idle', 'alice', NULL), (10, 'upper', 'Alice', NULL), (11, 'longer', 'alice2', NULL),
               (12, 'bob', 'bob', NULL), (13, 'bob at acme', 'bob', 'acme'), (14, 'visit', NULL, NULL), (15, 'visit 2', NULL, NULL),
               (16, 'visit at acme', NULL, 'acme')) AS names (n, name, user_id, tenant_id);
CREATE FUNCTION pg_temp.id(wanted text) RETURNS uuid LANGUAGE sql STABLE AS 'SELECT id FROM made WHERE name = wanted';
CREATE FUNCTION pg_temp.token(wanted text) RETURNS text LANGUAGE sql STABLE AS 'SELECT token FROM made WHERE name = wanted';
SELECT session_revoke(pg_temp.token('revoked'));
UPDATE session.sessions SET expires_at = clock_timestamp() WHERE id IN (pg_temp.id('expired'), pg_temp.id('refreshable'));
UPDATE session.sessions SET idle_timeout = '1 minute' WHERE id = pg_temp.id('idle');
SET ROLE regress_session_web;

-- Without a bound session the list is empty.
SELECT count(*) AS listed FROM session_mine();
SELECT session_revoke_mine(id), session_revoke_others() FROM made WHERE name = 'laptop';

-- The newest session comes first.  Ended sessions are not listed, but those
-- that can be refreshed are.
BEGIN READ ONLY;
SELECT session_authenticate(pg_temp.token('phone'));
SELECT status, user_id, tenant_id, role, auth_level, data, ip, user_agent, current
  FROM session_mine();
SELECT created_at = max(created_at) OVER () AS newest, pg_temp.is_recent(last_seen_at) AS recent, authenticated_at = created_at AS at_first,
       expires_at > clock_timestamp() AS later FROM session_mine();
COMMIT;

-- An anonymous session lists only itself, and its data is not shown either.
BEGIN READ ONLY;
SELECT session_authenticate(pg_temp.token('visit'));
SELECT id = session_id() AS own, status, user_id, auth_level, data, user_agent, current FROM session_mine();
COMMIT;

-- Each session lists those with exactly the same user and tenant.
CREATE FUNCTION pg_temp.listed(token text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM session_authenticate(token);
    RETURN (SELECT string_agg(concat(user_agent, CASE WHEN current THEN '*' END), ', ') FROM session_mine());
END
$$;
SELECT name, pg_temp.listed(token) FROM made;

-- A caller cannot ask for the sessions of another user: the functions have no
-- argument for it.
SELECT proname, proargnames FROM extension_functions
 WHERE proname IN ('session_mine', 'session_revoke_mine', 'session_revoke_others', 'session_require') ORDER BY proname COLLATE "C";

-- Only ids on the list can be revoked.  For all other ids, known or unknown,
-- the answer is the same.
CREATE FUNCTION pg_temp.ends(token text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    found text;
BEGIN
    PERFORM session_authenticate(token);
    SELECT string_agg(name, ', ') INTO found
      FROM (SELECT * FROM made UNION ALL VALUES ('unknown', gen_random_uuid(), NULL), ('null', NULL, NULL) ORDER BY id DESC OFFSET 0) AS targets
     WHERE id IS DISTINCT FROM session_id() AND session_revoke_mine(id);
    RAISE EXCEPTION USING MESSAGE = coalesce(found, 'none');
EXCEPTION WHEN raise_exception THEN
    RETURN sqlerrm;
END
$$;
SELECT name, pg_temp.ends(token) FROM made;

-- Revoking a session has effect at once, and returns true once.
BEGIN;
SELECT session_authenticate(pg_temp.token('phone'));
SELECT session_revoke_mine(pg_temp.id('laptop')), session_revoke_mine(pg_temp.id('laptop')), session_revoke_mine(pg_temp.id('refreshable'));
SELECT pg_temp.listed(pg_temp.token('phone'));
SELECT session_authenticate(pg_temp.token('laptop'));
SELECT session_authenticate(pg_temp.token('phone'));
SELECT session_revoke_mine(session_id()), session_user_id(), session_revoke_mine(session_id());
SELECT session_authenticate(pg_temp.token('phone'));
RESET ROLE;
SELECT name, revoked_reason FROM session.sessions JOIN made USING (id) WHERE revoked_at IS NOT NULL ORDER BY name COLLATE "C";
ROLLBACK;

-- session_revoke_others leaves the bound session, other tenants and other
-- users.
CREATE FUNCTION pg_temp.others(token text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    story text;
BEGIN
    PERFORM session_authenticate(token);
    story := session_revoke_others();
    story := concat_ws(' ', story, session_revoke_others());
    story := concat_ws(': ', story, (SELECT string_agg(name, ', ' ORDER BY name COLLATE "C") FROM session.sessions JOIN made USING (id)
                                      WHERE revoked_reason = 'user'));
    RAISE EXCEPTION USING MESSAGE = concat_ws('; ', story, 'left ' || coalesce((SELECT string_agg(user_agent, ', ') FROM session_mine()), 'none'));
EXCEPTION WHEN raise_exception THEN
    RETURN sqlerrm;
END
$$;
RESET ROLE;
SELECT name, pg_temp.others(token) FROM made;

-- It rolls back with the caller's transaction.
SET ROLE regress_session_web;
BEGIN;
SELECT session_authenticate(pg_temp.token('phone'));
SELECT session_revoke_others();
ROLLBACK;
SELECT pg_temp.listed(pg_temp.token('phone'));

-- In a READ ONLY transaction nothing is revoked, and both functions fail, with
-- or without a bound session.
\set VERBOSITY sqlstate
BEGIN READ ONLY;
SELECT session_authenticate(pg_temp.token('phone'));
SAVEPOINT s;
SELECT session_revoke_mine(session_id());
ROLLBACK TO s;
SELECT session_revoke_others();
ROLLBACK TO s;
SELECT session_authenticate(NULL);
SELECT session_revoke_mine(NULL);
ROLLBACK TO s;
SELECT session_revoke_others();
ROLLBACK;

-- After the bound session has ended, or its token was replaced, it lists and
-- revokes nothing.
RESET ROLE;
CREATE FUNCTION pg_temp.after(token text, statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM session_authenticate(token);
    EXECUTE statement;
    RAISE EXCEPTION USING MESSAGE = format('%s, lists %s, ends %s %s', session_user_id(), (SELECT count(*) FROM session_mine()),
                                           session_revoke_mine(pg_temp.id('laptop')), session_revoke_others());
EXCEPTION WHEN raise_exception THEN
    RETURN sqlerrm;
END
$$;
SELECT n, pg_temp.after(pg_temp.token('phone'), format(statement, pg_temp.token('phone'), pg_temp.id('phone')))
  FROM (VALUES (1, 'SELECT'), (2, 'SELECT session_revoke(%1$L)'), (3, 'SELECT session_revoke_id(%2$L)'),
               (4, 'SELECT session_revoke_mine(%2$L)'), (5, 'DELETE FROM session.sessions WHERE id = %2$L'),
               (6, 'UPDATE session.sessions SET expires_at = clock_timestamp() WHERE id = %2$L'),
               (7, 'SELECT * FROM session_regenerate(%1$L)')) AS ends (n, statement);

-- A stateless session has no row, but it lists and revokes the rows of its
-- user.
SELECT session_key_rotate() IS NOT NULL AS made;
CREATE FUNCTION pg_temp.carried(claims jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('session.strategy', 'stateless', true);
    PERFORM set_config('request.cookies', json_build_object('__Host-session', session_cookie_encode(claims, 'jwt'))::text, true);
    PERFORM session_pre_request();
    RAISE EXCEPTION USING MESSAGE = concat_ws(': ', (SELECT string_agg(concat(user_agent, CASE WHEN current THEN '*' END), ', ') FROM session_mine()),
                                              session_revoke_others(), (SELECT count(*) FROM session_mine()));
EXCEPTION WHEN raise_exception THEN
    RETURN sqlerrm;
END
$$;
SELECT n, pg_temp.carried(claims)
  FROM (VALUES (1, '{"sub": "alice"}'::jsonb), (2, '{"sub": "alice", "tid": "acme"}'), (3, '{"sub": "nobody"}'), (4, '{}'), (5, '{"tid": "acme"}'),
               (6, jsonb_build_object('sub', 'alice', 'sid', pg_temp.id('phone'))), (7, jsonb_build_object('sid', pg_temp.id('visit')))) AS cookies (n, claims)
 ORDER BY n;

-- A stateless session can revoke itself if its cookie contains a session id.
BEGIN;
SET LOCAL session.strategy = 'stateless';
SELECT session_cookie_encode('{"sub": "kim", "sid": "01234567-89ab-cdef-0123-456789abcdef"}', 'jwt') AS cookie \gset
SELECT set_config('request.cookies', json_build_object('__Host-session', :'cookie')::text, true) IS NOT NULL AS set;
SELECT session_pre_request();
SELECT session_user_id(), session_revoke_mine(gen_random_uuid()) AS unknown, session_revoke_mine(pg_temp.id('phone')) AS phone,
       pg_temp.error_of('session_require()') AS before;
SELECT session_revoke_mine(session_id()) AS own, session_revoke_mine(session_id()) AS again, pg_temp.error_of('session_require()') AS after;
SELECT session_pre_request();
SELECT session_user_id(), session_cookie_decode(:'cookie') AS decoded;
COMMIT;

-- session_mine can be called with LIMIT, in a join, in the select list, and
-- without columns.
BEGIN;
SELECT session_authenticate(pg_temp.token('work'));
SELECT count(*) AS rows FROM generate_series(1, 3), session_mine();
SELECT (session_mine()).user_agent;
SELECT user_agent, ordinality FROM session_mine() WITH ORDINALITY LIMIT 1;
SELECT FROM session_mine() LIMIT 1;
COMMIT;

DROP EXTENSION session;
DROP OWNED BY regress_session_web;
DROP ROLE regress_session_web;
