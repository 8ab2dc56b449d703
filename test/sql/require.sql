-- Requiring a session: live now, with a level that is high enough and an
-- authentication that is recent enough.
CREATE EXTENSION session;
\getenv here PG_ABS_SRCDIR
\i :here/sql/include/helpers.sql
CREATE ROLE regress_session_web;
SELECT id AS alice_id, token AS alice FROM session_create('alice') \gset
SELECT id AS bob_id, token AS bob FROM session_create('bob', auth_level => 2) \gset
SELECT id AS visit_id, token AS visit FROM session_create() \gset

-- Whether the session of a token meets a requirement, or why not.
CREATE FUNCTION pg_temp.required(token text, call text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM session_authenticate(token);
    RETURN coalesce(pg_temp.error_of(call), 'met');
END
$$;
CREATE TEMP TABLE calls AS
SELECT n, call FROM unnest(ARRAY['session_require()', 'session_require(0)', 'session_require(1)', 'session_require(2)', 'session_require(3)',
                                 'session_require(2147483647)', 'session_require(max_age => ''1 minute'')', 'session_require(2, ''1 minute'')'])
       WITH ORDINALITY AS t (call, n);
GRANT SELECT ON calls TO PUBLIC;
SET ROLE regress_session_web;
BEGIN READ ONLY;
SELECT call, pg_temp.required(NULL, call) AS nobody, pg_temp.required(:'visit', call) AS anonymous,
       pg_temp.required(:'alice', call) AS one_factor, pg_temp.required(:'bob', call) AS two_factors
  FROM (TABLE calls ORDER BY n) AS calls;
COMMIT;
RESET ROLE;

-- A requirement that is not met is an error that says why and aborts the
-- caller's statement.
SELECT session_require();
BEGIN;
SELECT session_authenticate(:'alice');
SELECT session_require(2);
SELECT session_user_id();
ROLLBACK;

-- The time of authentication counts, not the age of the session.
CALL pg_temp.pass('10 minutes');
CREATE TEMP TABLE ages AS
SELECT n, age FROM unnest('{NULL,0,1 second,9 minutes,11 minutes,1 month,1000 years}'::interval[]) WITH ORDINALITY AS t (age, n);
SELECT age, pg_temp.required(:'alice', format('session_require(1, %L)', age)) AS alice,
       pg_temp.required(:'visit', format('session_require(0, %L)', age)) AS anonymous
  FROM (TABLE ages ORDER BY n) AS ages;
SELECT pg_temp.required(:'bob', 'session_require(2, ''9 minutes'')') AS bob;
SELECT token AS bob FROM session_regenerate(:'bob', auth_level => 2) \gset
SELECT pg_temp.required(:'bob', 'session_require(2, ''9 minutes'')') AS bob;
SELECT session_touch(:'alice'), pg_temp.required(:'alice', 'session_require(1, ''9 minutes'')') AS touched;
SELECT count(*) AS refreshed FROM session_refresh(:'alice');
SELECT pg_temp.required(:'alice', 'session_require(1, ''9 minutes'')') AS refreshed;

-- Level and time are read now: a change of the row after authentication
-- counts.
BEGIN;
SELECT session_authenticate(:'alice');
SELECT pg_temp.error_of('session_require(2, ''1 minute'')') AS before;
UPDATE session.sessions SET auth_level = 2, authenticated_at = clock_timestamp() WHERE id = :'alice_id';
SELECT session_auth_level(), pg_temp.error_of('session_require(2, ''1 minute'')') AS raised;
UPDATE session.sessions SET auth_level = 1 WHERE id = :'alice_id';
SELECT session_auth_level(), pg_temp.error_of('session_require(2, ''1 minute'')') AS lowered;
UPDATE session.sessions SET authenticated_at = clock_timestamp() - interval '2 minutes' WHERE id = :'alice_id';
SELECT pg_temp.error_of('session_require(1, ''1 minute'')') AS aged;
ROLLBACK;

-- Whether the session is live and still has the same token is read now, too.
CREATE TEMP TABLE ends AS
SELECT * FROM (VALUES
    (1, 'nothing', 'SELECT'),
    (2, 'touched', 'SELECT session_touch(%1$L)'),
    (3, 'revoked', 'SELECT session_revoke(%1$L)'),
    (4, 'revoked by id', 'SELECT session_revoke_id(%2$L)'),
    (5, 'its user', 'SELECT session_revoke_user(''alice'')'),
    (6, 'revoked by itself', 'SELECT session_revoke_mine(%2$L)'),
    (7, 'expired', 'UPDATE session.sessions SET expires_at = clock_timestamp() WHERE id = %2$L'),
    (8, 'idle', 'UPDATE session.sessions SET idle_timeout = ''1 microsecond'' WHERE id = %2$L'),
    (9, 'deleted', 'DELETE FROM session.sessions WHERE id = %2$L'),
    (10, 'regenerated', 'SELECT * FROM session_regenerate(%1$L)'),
    (11, 'others', 'SELECT session_revoke_others()'),
    (12, 'a refresh', 'SELECT * FROM session_refresh(%1$L)')) AS ends (n, what, statement);
CREATE FUNCTION pg_temp.after(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    outcome text;
BEGIN
    outcome := pg_temp.outcome_of(statement);
    RAISE EXCEPTION USING MESSAGE = concat_ws(', ', nullif(outcome, 'done'), coalesce(session_user_id(), 'nobody'),
                                              coalesce(pg_temp.error_of('session_require()'), 'met'));
EXCEPTION WHEN raise_exception THEN
    RETURN sqlerrm;
END
$$;
BEGIN;
SELECT session_authenticate(:'alice');
SELECT what, pg_temp.after(format(statement, :'alice', :'alice_id')) AS after FROM (TABLE ends ORDER BY n) AS ends;
COMMIT;
BEGIN;
SELECT session_authenticate(:'visit');
SELECT count(*) AS logged_in FROM session_regenerate(:'visit', 'alice');
SELECT session_user_id(), pg_temp.error_of('session_require(0)') AS anonymous;
ROLLBACK;

-- A session whose creation was rolled back to a savepoint does not count.
BEGIN;
SAVEPOINT s;
SELECT token AS made, session_authenticate(token) FROM session_create('carol') \gset
SELECT session_require();
ROLLBACK TO s;
SELECT session_authenticate(:'made'), pg_temp.error_of('session_require()');
COMMIT;

-- A binding to an address is not checked again: session_authenticate() has
-- checked it.
BEGIN;
SELECT token AS here FROM session_create('dave', ip => '192.0.2.1') \gset
SET LOCAL session.bind_ip = 'exact';
SELECT session_authenticate(:'here', '192.0.2.1');
SELECT session_require();
ROLLBACK;

-- A stateless identity is checked against the denylist and its expiry.
SELECT session_key_rotate() IS NOT NULL AS made;
BEGIN;
SET LOCAL session.strategy = 'stateless';
SELECT session_cookie_encode(jsonb_build_object('sub', 'erin', 'lvl', 2, 'auth_time', floor(extract(epoch FROM clock_timestamp()))::int - 60), 'jwt') AS cookie \gset
SELECT set_config('request.cookies', json_build_object('__Host-session', :'cookie')::text, true) IS NOT NULL AS set;
SELECT session_pre_request();
SELECT session_user_id(), session_auth_level();
SELECT call, coalesce(pg_temp.error_of(call), 'met') AS outcome
  FROM (TABLE calls UNION ALL VALUES (9, 'session_require(2, ''2 minutes'')') ORDER BY n) AS calls;
SAVEPOINT s;
SELECT session_cookie_revoke(:'cookie'), session_user_id(), pg_temp.error_of('session_require(0)');
ROLLBACK TO s;
SELECT pg_temp.error_of('session_require()');
COMMIT;
BEGIN;
SET LOCAL session.strategy = 'stateless';
SELECT session_cookie_encode('{"sub": "erin"}', 'jwt') AS cookie \gset
SELECT set_config('request.cookies', json_build_object('__Host-session', :'cookie')::text, true) IS NOT NULL AS set;
SELECT session_pre_request();
SELECT session_authenticated_at(), pg_temp.error_of('session_require(1)'), pg_temp.error_of('session_require(1, ''1000 years'')');
COMMIT;

-- An argument outside its range is an error, with and without a session.
SELECT call, pg_temp.required(:'alice', call) AS outcome, coalesce(pg_temp.error_of(call), 'met') AS bound, pg_temp.required(NULL, call) AS nobody
  FROM (VALUES (1, 'session_require(-1)'), (2, 'session_require(-2147483648, NULL)'), (3, 'session_require(1, ''-1 second'')'),
               (4, 'session_require(1, ''1000000 years'')'), (5, 'session_require(NULL, NULL)')) AS calls (n, call);

DROP EXTENSION session;
DROP ROLE regress_session_web;
