-- Logging in: one row with new credentials, whatever the token is.
CREATE EXTENSION session;
\getenv here PG_ABS_SRCDIR
\i :here/sql/include/helpers.sql
SET session.log_events = 'all';
CREATE TEMP VIEW all_sessions AS
SELECT user_id, tenant_id, role, auth_level, amr, data, ip, user_agent, revoked_reason FROM session.sessions ORDER BY created_at;

-- A visitor with a cart logs in: the session goes on with its id and its data,
-- and everything else is what the call says.
SELECT id, token AS visit FROM session_create(
    data => '{"cart": ["book"], "theme": "dark"}', tenant_id => 'shop', role => 'visitor', ip => '192.0.2.1', user_agent => 'Firefox') \gset
CALL pg_temp.pass('20 minutes');
SELECT id = :'id' AS same_id, token <> :'visit' AS new_token, token AS login, refresh_token,
       date_trunc('minute', expires_at - clock_timestamp() + '30 seconds') AS ends_in
  FROM session_login(:'visit', 'alice', '{"theme": "light", "welcome": true}', tenant_id => 'acme', role => 'editor', ip => '192.0.2.2',
                     user_agent => 'Safari', lifetime => '30 days', idle_timeout => '2 days', auth_level => 2, amr => '{pwd,otp}') \gset
SELECT :'same_id' AS same_id, :'new_token' AS new_token, :'ends_in' AS ends_in;
SELECT session_status(:'visit') AS old, session_status(:'login') AS new;
TABLE all_sessions;
SELECT pg_temp.is_recent(created_at) AS created, pg_temp.is_recent(authenticated_at) AS authenticated, idle_timeout FROM session.sessions;
SELECT kind, user_id, ip, detail FROM session.events ORDER BY id;

-- What a call leaves out, the session does not keep: a password alone is level
-- 1 again, without methods and without a role.
SELECT id = :'id' AS same_id, token AS again FROM session_login(:'login', 'alice') \gset
SELECT :'same_id' AS same_id, session_status(:'login') AS old, session_status(:'again') AS new;
TABLE all_sessions;

-- A session of another user is ended first, and its data does not follow.
SELECT id <> :'id' AS other_id, token AS bob FROM session_login(:'again', 'bob', tenant_id => 'acme') \gset
SELECT :'other_id' AS other_id, session_status(:'again') AS alice, session_status(:'bob') AS bob;
TABLE all_sessions;
SELECT kind, user_id, detail FROM session.events ORDER BY id DESC LIMIT 2;

-- A rollback undoes all of it.
BEGIN;
SELECT count(*) AS rows FROM session_login(:'bob', 'carol');
ROLLBACK;
SELECT session_status(:'bob') AS bob;

-- Whatever the token is, there is one row, and the session is new.
SELECT token AS revoked FROM session_create('alice') \gset
SELECT session_revoke(:'revoked');
SELECT token AS expired FROM session_create('alice', lifetime => '1 minute') \gset
SELECT token AS idle FROM session_create(lifetime => '1 day', idle_timeout => '1 minute') \gset
CALL pg_temp.pass('5 minutes');
SELECT token AS refreshed, refresh_token AS refresh FROM session_create('dora', refreshable => true) \gset
SELECT what, count(*) AS rows, count(DISTINCT l.id) AS ids,
       bool_and(l.token <> coalesce(tokens.token, '')) AS new_token, bool_and(session_is_valid(l.token)) AS valid,
       bool_and((SELECT data = '{"a": 1}' FROM session_get(l.id))) AS only_its_data
  FROM (VALUES ('NULL', NULL), ('empty', ''), ('junk', 'junk'), ('10 MB', repeat('st_x', 2500000)), ('no such session', :'again'),
               ('wrong secret', overlay(:'bob' placing 'AAAA' from 60)), ('revoked', :'revoked'), ('expired', :'expired'), ('idle', :'idle'),
               ('refresh token', :'refresh')) AS tokens (what, token),
       session_login(tokens.token, 'erin', '{"a": 1}') AS l
 GROUP BY what ORDER BY what COLLATE "C";
SELECT session_status(:'bob') AS bob, session_status(:'refreshed') AS refreshed;

-- A session whose token has expired and that could still be refreshed is not
-- gone on with. It is ended, because its client logs in.
UPDATE session.sessions SET expires_at = clock_timestamp() - interval '1 second' WHERE user_id = 'dora';
SELECT count(*) AS rows FROM session_login(:'refreshed', 'dora');
SELECT count(*) AS rows FROM session_refresh(:'refresh');
SELECT user_id, revoked_reason FROM session.sessions WHERE user_id = 'dora' ORDER BY created_at;

-- "Remember me": the lifetime, the idle timeout and sliding of the login
-- replace those of the visit.
DELETE FROM session.sessions;
SET session.max_lifetime = '90d';
SELECT token AS visit FROM session_create(lifetime => '2 hours', idle_timeout => '10 minutes') \gset
CREATE TEMP VIEW times AS
SELECT user_id, CASE WHEN isfinite(expires_at) THEN expires_at - refreshed_at END AS lifetime, idle_timeout, max_expires_at - refreshed_at AS cap,
       refresh_expires_at - refreshed_at AS family, refresh_key IS NOT NULL AS refreshable, refresh_generation,
       purge_at BETWEEN least(expires_at, refreshed_at + idle_timeout) AND least(greatest(expires_at, refresh_expires_at), refreshed_at + idle_timeout) + interval '2 hours' AS purged_after
  FROM session.sessions;
SELECT token FROM session_login(:'visit', 'alice', lifetime => '30 days', idle_timeout => '0') \gset
TABLE times;
SELECT token FROM session_login(:'token', 'alice', lifetime => '30 days', sliding => true) \gset
TABLE times;
SET session.sliding = on;
SELECT token FROM session_login(:'token', 'alice', lifetime => '30 days', sliding => false) \gset
TABLE times;
SELECT token FROM session_login(:'token', 'alice', lifetime => '30 days') \gset
TABLE times;
RESET session.sliding;
-- It can become refreshable and end to be.
SELECT token, refresh_token FROM session_login(:'token', 'alice', refreshable => true) \gset
TABLE times;
SELECT token AS next FROM session_refresh(:'refresh_token') \gset
SELECT session_status(:'next') AS next;
SELECT token FROM session_login(:'next', 'alice') \gset
TABLE times;
SELECT session_status(:'token') AS login, count(*) AS refreshed FROM session_refresh(:'refresh_token');
RESET session.max_lifetime;

-- The limit counts the session that goes on once.
DELETE FROM session.sessions;
SELECT count(token) FROM session_create('alice', '{"n": 1}');
SELECT token AS second FROM session_create('alice', '{"n": 2}') \gset
SELECT token AS second FROM session_login(:'second', 'alice', max_sessions => 2) \gset
SELECT data, revoked_reason FROM all_sessions;
SELECT token AS third FROM session_create(data => '{"n": 3}') \gset
SELECT token AS third FROM session_login(:'third', 'alice', max_sessions => 2) \gset
SELECT data, revoked_reason FROM all_sessions;
SET session.on_limit = reject;
SELECT pg_temp.error_of(format('session_login(NULL, ''alice'', max_sessions => 2)')) AS error;
SELECT token AS third FROM session_login(:'third', 'alice', max_sessions => 2) \gset
-- Another user's session does not make room, and is not ended by an error.
SELECT token AS bob FROM session_create('bob') \gset
SELECT pg_temp.error_of(format('session_login(%L, ''alice'', max_sessions => 2)', :'bob')) AS error;
SELECT session_status(:'bob') AS bob;
RESET session.on_limit;

-- Where sessions are bound, the login binds to its own address. A session of
-- another address does not go on.
SET session.bind_ip = exact;
SELECT token AS here FROM session_create(data => '{"cart": 1}', ip => '192.0.2.1') \gset
SELECT id, token FROM session_login(:'here', 'frank', ip => '192.0.2.9') \gset
SELECT data, ip FROM session_get(:'id');
SELECT session_status(:'here', '192.0.2.1') AS here, session_status(:'token', '192.0.2.9') AS token;
SELECT pg_temp.error_of('session_login(NULL, ''frank'')') AS without_ip;
RESET session.bind_ip;

-- Invalid arguments are errors that name the argument, whatever the token is.
SELECT call, pg_temp.error_of(call) AS error
  FROM unnest(ARRAY[
    $$session_login(NULL, NULL)$$,
    $$session_login('junk', '')$$,
    $$session_login(NULL, repeat('u', 1025))$$,
    $$session_login(NULL, 'u', '[]')$$,
    $$session_login(NULL, 'u', tenant_id => '')$$,
    $$session_login(NULL, 'u', lifetime => '0')$$,
    $$session_login(NULL, 'u', idle_timeout => '-1 second')$$,
    $$session_login(NULL, 'u', auth_level => -1)$$,
    $$session_login(NULL, 'u', max_sessions => -1)$$,
    $$session_login(NULL, 'u', refreshable => true, sliding => true)$$,
    $$session_create('u', refreshable => true, sliding => true)$$,
    $$session_login(NULL, 'u', amr => '{pwd,NULL}')$$,
    $$session_login(NULL, 'u', amr => '{{pwd},{otp}}')$$,
    $$session_login(NULL, 'u', amr => ARRAY['two words'])$$,
    $$session_login(NULL, 'u', amr => ARRAY[''])$$,
    $$session_login(NULL, 'u', amr => ARRAY[repeat('x', 65)])$$,
    $$session_login(NULL, 'u', amr => array_fill('pwd'::text, ARRAY[17]))$$,
    $$session_login(NULL, 'u', amr => ARRAY['pässword'])$$,
    $$session_create(amr => '{pwd}')$$]) AS call;
-- The data of both must fit together.
SET session.max_data_size = '1kB';
SELECT token AS visit FROM session_create(data => jsonb_build_object('a', repeat('x', 700))) \gset
SELECT pg_temp.error_of(format('session_login(%L, ''grace'', %L)', :'visit', jsonb_build_object('b', repeat('y', 700)))) AS error;
SELECT session_status(:'visit') AS visit;
RESET session.max_data_size;

DROP VIEW all_sessions, times;
DROP EXTENSION session;
