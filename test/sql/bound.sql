-- Sessions that are bound to a key: the token alone is of no use.
CREATE EXTENSION session;
\getenv here PG_ABS_SRCDIR
\i :here/sql/include/helpers.sql
SET session.log_events = 'unbound, revoked, created';
SELECT count(session_key_rotate(purpose)) AS keys FROM unnest('{session,jwt}'::text[]) AS purpose;

-- Binds a session to a key that no client has, and not just now.
CREATE FUNCTION pg_temp.bind(session uuid) RETURNS void LANGUAGE sql AS $$
    UPDATE session.sessions SET bound_by = 'dbsc', bound_thumbprint = sha256('key'), bound_key = '{"kty": "EC"}', bound_at = created_at - interval '1 hour', answered_at = created_at WHERE id = session
$$;

-- Until it is bound, a session is like any other.
SELECT id, token FROM session_create('alice', '{"theme": "dark"}', ip => '192.0.2.1') \gset
SELECT session_status(:'token') AS status, bound FROM session_validate(:'token', bound_cookie => 'nonsense');
SELECT session_cookie_issue(:'token') AS snapshot \gset
SELECT pg_temp.bind(:'id');

-- Then no function accepts its token alone, but those that end it.
SELECT a.* FROM (SELECT DISTINCT proname FROM extension_functions WHERE proargnames[1] = 'token' AND proname NOT IN ('session_revoke', 'session_login')) AS f,
       pg_temp.answers(:'token', f.proname) AS a ORDER BY a.function COLLATE "C";
SELECT session_status(:'token', bound_cookie => cookie) AS status
  FROM unnest(ARRAY['', 'sb_', 'sb_' || repeat('A', 112), 'sb_' || repeat('!', 112), repeat('x', 10000000), :'token']) AS cookie;
SELECT count(*) AS rows FROM session_regenerate(:'token', user_id => 'mallory');
BEGIN;
SELECT session_authenticate(:'token');
SELECT session_user_id();
ROLLBACK;

-- Its row has not changed.
SELECT user_id, data, refreshed_at, last_seen_at = created_at AS unused, revoked_at FROM session.sessions WHERE id = :'id';
SELECT id = :'id' AS same, status, bound, current FROM session_list('alice');
SELECT id = :'id' AS same, status, bound, current FROM session.directory;
SELECT status, bound FROM session_get(:'id');

-- Neither is a snapshot accepted, also one that was made before.
SELECT count(*) AS rows FROM session_cookie_validate(:'snapshot');
SELECT count(*) AS rows FROM session_cookie_validate(:'snapshot', token => :'token');

-- That is evidence: one event a minute.
SELECT deleted FROM session_cleanup();
SELECT kind, user_id, detail ? 'count' AS counted FROM session.events WHERE kind = 'unbound';
SELECT checks_unbound > 0 AS counted FROM session.stats WHERE database = current_database();

-- Requests are anonymous, or are refused, by every strategy.
CREATE FUNCTION pg_temp.asked(headers text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('request.cookies', jsonb_build_object('__Host-session', current_setting('test.token'), '__Host-session-cache', current_setting('test.snapshot'),
                                                            '__Host-session-bound', current_setting('test.bound'))::text, true),
            set_config('request.headers', headers, true);
    PERFORM session_pre_request();
    RETURN coalesce(session_user_id(), 'anonymous');
EXCEPTION WHEN OTHERS THEN
    RETURN sqlstate || ' ' || sqlerrm;
END
$$;
SELECT set_config('test.token', :'token', false) = :'token' AS set, set_config('test.snapshot', :'snapshot', false) = :'snapshot' AS set, set_config('test.bound', 'sb_' || repeat('A', 112), false) <> '' AS set;
SELECT pg_temp.asked('{}');
SET session.strategy = 'cookie_cache';
SELECT pg_temp.asked('{}');
SET session.on_invalid = 'reject';
SELECT pg_temp.asked('{}');
SET session.strategy = 'database';
SELECT pg_temp.asked('{}');
RESET session.on_invalid;
RESET session.strategy;

-- A login with the token of a bound session does not go on with that session.
SELECT id AS visitor, token AS visitor_token FROM session_create(data => '{"cart": 1}') \gset
SELECT pg_temp.bind(:'visitor');
SELECT id <> :'visitor' AS another, token AS mallory FROM session_login(:'visitor_token', 'mallory') \gset
SELECT session_status(:'visitor_token') AS visitor, session_data(:'mallory') AS data;

-- A refresh token alone is of no use either.
SELECT id AS renewed, token AS short, refresh_token AS refresh FROM session_create('bob', refreshable => true) \gset
SELECT pg_temp.bind(:'renewed');
SELECT count(*) AS rows FROM session_refresh(:'refresh');
SELECT refresh_generation, rotated_at FROM session.sessions WHERE id = :'renewed';
SELECT session_revoke(:'refresh');

-- Time ends a bound session as any other, and so does its token.
UPDATE session.sessions SET expires_at = clock_timestamp() WHERE id = :'id';
SELECT session_status(:'token') AS status, session_is_expired(:'token') AS expired;
UPDATE session.sessions SET expires_at = 'infinity' WHERE id = :'id';
SELECT session_revoke(:'token'), session_status(:'token') AS status;
SELECT kind, user_id, detail FROM session.events WHERE kind = 'revoked' ORDER BY id;

-- The table refuses what makes no sense.
\set VERBOSITY sqlstate
UPDATE session.sessions SET bound_by = 'magic' WHERE id = :'id';
UPDATE session.sessions SET bound_by = NULL WHERE id = :'id';
UPDATE session.sessions SET bound_thumbprint = NULL WHERE id = :'id';
UPDATE session.sessions SET bound_thumbprint = 'short' WHERE id = :'id';
UPDATE session.sessions SET bound_key = NULL WHERE id = :'id';
UPDATE session.sessions SET bound_at = NULL WHERE id = :'id';
UPDATE session.sessions SET answered_at = NULL WHERE id = :'id';
UPDATE session.sessions SET bound_by = 'dpop' WHERE id = :'id';
UPDATE session.sessions SET bound_by = 'dpop', bound_key = NULL, bound_at = NULL, answered_at = NULL WHERE id = :'id';
\set VERBOSITY default
-- What waits in shared memory is not left to other tests.
SELECT failed FROM session_cleanup();
DROP EXTENSION session;
