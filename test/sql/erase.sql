-- Data protection: session_export returns what is kept about a user, and
-- session_erase ends and deletes it.
-- Events name the role, so it is the same on every machine.
CREATE ROLE regress_session_super SUPERUSER;
SET SESSION AUTHORIZATION regress_session_super;
CREATE EXTENSION session;
\getenv here PG_ABS_SRCDIR
\i :here/sql/include/helpers.sql
SET session.log_events = 'all';
CREATE ROLE regress_session_boss;
SELECT session_grant('regress_session_boss', 'admin');
TRUNCATE session.events;

-- Ada has a session that was anonymous first, one with sealed data in another
-- tenant, and one that ended.  Ben is another user.
SELECT token AS visitors FROM session_create(NULL, ip => '192.0.2.7', user_agent => 'Firefox', data => '{"cart": 1}') \gset
SELECT token AS first FROM session_regenerate(:'visitors', user_id => 'ada') \gset
SET session.encrypt_data = on;
SELECT token AS second FROM session_create('ada', tenant_id => 'acme', ip => '192.0.2.8', data => '{"sealed": true}', refreshable => true) \gset
RESET session.encrypt_data;
SELECT token AS third FROM session_create('ada', ip => '192.0.2.9') \gset
SELECT session_revoke(:'third');
SELECT token AS bens FROM session_create('ben', ip => '192.0.2.7', user_agent => 'Firefox') \gset
SELECT token AS visitors FROM session_create(NULL, ip => '192.0.2.7') \gset
-- Ada ends a session of Ben, who has another.
SELECT id AS other FROM session_create('ben') \gset
BEGIN;
SELECT session_authenticate(:'second');
SELECT session_revoke_id(:'other', 'asked');
COMMIT;

-- What is kept about Ada.
CREATE FUNCTION pg_temp.keys_of(object jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(k, ' ' ORDER BY k COLLATE "C") FROM jsonb_object_keys(object) AS k
$$;
SET ROLE regress_session_boss;
SELECT session_export('ada') AS export \gset
RESET ROLE;
SELECT pg_temp.keys_of(:'export');
SELECT s -> 'tenant_id' AS tenant, s -> 'ip' AS ip, s -> 'user_agent' AS user_agent, s -> 'data' AS data, s -> 'revoked_reason' AS reason
  FROM jsonb_array_elements(:'export'::jsonb -> 'sessions') AS s;
SELECT e -> 'kind' AS kind, e -> 'user_id' AS user_id, e -> 'ip' AS ip, e -> 'actor' AS actor
  FROM jsonb_array_elements(:'export'::jsonb -> 'events') AS e;
SELECT a - 'at' AS act FROM jsonb_array_elements(:'export'::jsonb -> 'acts') AS a;
SELECT count(*) AS origins, pg_temp.keys_of(min(o::text)::jsonb) AS keys FROM jsonb_array_elements(:'export'::jsonb -> 'origins') AS o;

-- The sessions have all columns but those that prove something.  A new column
-- must be decided on: add it to what session_export leaves out, or here.
SELECT attname AS left_out FROM pg_attribute
 WHERE attrelid = 'session.sessions'::regclass AND attnum > 0 AND NOT :'export'::jsonb -> 'sessions' -> 0 ? attname
 ORDER BY attname;
SELECT pg_temp.keys_of(:'export'::jsonb -> 'sessions' -> 0);
SELECT bool_or(:'export' LIKE '%' || secret || '%') AS leaks
  FROM session.sessions, unnest(ARRAY[encode(token_hash, 'hex'), encode(refresh_key, 'hex'), encode(token_hash, 'base64')]) AS secret;

-- last_seen_at includes a use that is not written yet.
CALL pg_temp.pass('5 minutes');
SELECT count(*) FROM session_validate(:'first');
SELECT pg_temp.is_recent((session_export('ada') -> 'sessions' -> 0 ->> 'last_seen_at')::timestamptz) AS used;

-- Exporting leaves an event about the user, except in a READ ONLY transaction,
-- where it works too.
SELECT user_id, actor, detail FROM session.events WHERE kind = 'administration' ORDER BY id;
BEGIN READ ONLY;
SELECT jsonb_array_length(session_export('ada') -> 'sessions') AS sessions;
COMMIT;
SELECT count(*) FROM session.events WHERE kind = 'administration';

-- Of an unknown user nothing is kept.
SELECT session_export('eve');
SELECT pg_temp.error_of(f || '(' || a || ')') FROM unnest('{session_export,session_erase}'::text[]) AS f,
       unnest(ARRAY['NULL', '''''', 'repeat(''x'', 1025)']) AS a;
SELECT pg_temp.error_of('session_erase(''eve'')');

-- Evidence about Ada, and about others, waits in shared memory.
SET session.failure_threshold = 1;
SET session.bind_user_agent = on;
SELECT count(*) FROM session_validate(:'first', NULL, 'Chrome');
SELECT count(*) FROM session_validate(:'bens', NULL, 'Chrome');
SELECT session_status(left(:'first', -1) || CASE right(:'first', 1) WHEN 'A' THEN 'B' ELSE 'A' END) FROM generate_series(1, 3);
RESET session.bind_user_agent;

-- session_erase ends and deletes it all, in all tenants.
CREATE TEMP VIEW traces AS
SELECT (SELECT count(*) FROM session.sessions WHERE user_id = 'ada') AS sessions,
       (SELECT count(*) FROM session.events WHERE user_id = 'ada') AS events,
       (SELECT count(*) FROM session.events WHERE user_id IS NULL AND session_id IS NOT NULL) AS anonymous,
       (SELECT count(*) FROM session.events WHERE actor = 'ada') AS acts,
       (SELECT count(*) FROM session.origins) AS origins;
SELECT * FROM traces;
BEGIN;
SELECT session_erase('ada') > 0 AS erased;
SELECT * FROM traces;
SELECT session_status(:'first'), session_status(:'second'), session_status(:'bens');
ROLLBACK;
-- A rollback takes it back, evidence included.
SELECT * FROM traces;
SELECT session_status(:'first'), session_status(:'second');
BEGIN;
SELECT failed FROM session_cleanup();
SELECT kind, user_id FROM session.events WHERE session_id IS NOT NULL AND kind IN ('binding_mismatch', 'failures') ORDER BY kind, user_id;
ROLLBACK;
SELECT sum((detail ->> 'sessions')::int) FROM session.events WHERE detail ->> 'action' = 'user_erased';

-- So does a rollback to a savepoint, also of sessions that the transaction has
-- created.
BEGIN;
SELECT token AS here FROM session_create('ada') \gset
SAVEPOINT s;
SELECT session_erase('ada') > 0 AS erased;
SELECT session_status(:'first'), session_status(:'here');
ROLLBACK TO s;
SELECT session_status(:'first'), session_status(:'here');
SELECT failed FROM session_cleanup();
SELECT kind, user_id FROM session.events WHERE session_id IS NOT NULL AND kind IN ('binding_mismatch', 'failures') ORDER BY kind, user_id;
ROLLBACK;

SET ROLE regress_session_boss;
SELECT session_erase('ada') > 0 AS erased;
RESET ROLE;
SELECT * FROM traces;
SELECT session_status(:'first'), session_status(:'second'), session_status(:'third'), session_status(:'bens'), session_status(:'visitors');
-- One event remains, without personal data, and the acts have no actor.
SELECT session_id, user_id, tenant_id, ip, user_agent, actor, actor_kind, detail - '{sessions,events,origins}'::text[] AS detail,
       (detail -> 'sessions')::int AS sessions, (detail -> 'origins')::int AS origins
  FROM session.events WHERE detail ->> 'action' = 'user_erased';
SELECT kind, user_id, actor, actor_kind, detail FROM session.events WHERE actor_kind = 'user';
SELECT count(*) AS about_ada FROM session.events AS e WHERE e::text ~ '\mada\M';
-- Nothing comes back from shared memory.
SELECT failed FROM session_cleanup();
SELECT kind, user_id FROM session.events WHERE session_id IS NOT NULL AND kind IN ('binding_mismatch', 'failures') ORDER BY kind, user_id;
SELECT session_erase('ada') AS again;
-- Looking for what is left leaves no trace either.
SELECT session_export('ada') AS kept;
SELECT count(*) AS events FROM session.events WHERE user_id = 'ada';
-- Origins of others stay: a login of Ben from the same place is not new.
SELECT FROM session_create('ben', ip => '192.0.2.7', user_agent => 'Firefox');
SELECT FROM session_create('ada', ip => '192.0.2.7', user_agent => 'Firefox');
SELECT user_id, count(*) AS new FROM session.events WHERE kind LIKE 'new%' GROUP BY user_id ORDER BY user_id;

-- A user who is bound and is erased leaves no trace as the actor either.
SELECT token FROM session_create('ada') \gset
BEGIN;
SELECT session_authenticate(:'token');
SELECT session_erase('ada') > 0 AS erased;
COMMIT;
SELECT * FROM traces;
SELECT actor, actor_kind, detail ->> 'action' AS action FROM session.events WHERE kind = 'administration' ORDER BY id DESC LIMIT 1;

-- A role with the name of the user stays the actor of its events.
SELECT id FROM session_create('fay') \gset
SELECT session_erase('regress_session_boss') AS erased;
SELECT count(*) > 0 AS some FROM session.events WHERE actor = 'regress_session_boss' AND actor_kind = 'role';

-- Snapshots of the erased sessions are not believed any more.
SELECT session_key_rotate() IS NOT NULL AS key;
SET session.strategy = 'cookie_cache';
SELECT token FROM session_create('gus') \gset
SELECT session_cookie_issue(:'token') AS snapshot \gset
SELECT count(*) AS before FROM session_cookie_validate(:'snapshot');
SELECT session_erase('gus') > 0 AS erased;
SELECT count(*) AS after FROM session_cookie_validate(:'snapshot');
-- That does not depend on the trigger.
SELECT token FROM session_create('gus') \gset
SELECT session_cookie_issue(:'token') AS snapshot \gset
ALTER TABLE session.sessions DISABLE TRIGGER sessions_deleted;
SELECT count(*) AS before FROM session_cookie_validate(:'snapshot');
SELECT session_erase('gus') > 0 AS erased;
SELECT count(*) AS after FROM session_cookie_validate(:'snapshot');
ALTER TABLE session.sessions ENABLE ALWAYS TRIGGER sessions_deleted;
RESET session.strategy;

-- In a READ ONLY transaction, and for other roles, it fails.
BEGIN READ ONLY;
SELECT session_erase('ben');
ROLLBACK;
CREATE ROLE regress_session_app;
SELECT session_grant('regress_session_app', 'app');
SET ROLE regress_session_app;
SELECT session_export('ben');
SELECT session_erase('ben');
RESET ROLE;

-- A table of the application that refers to a session keeps it, and with it
-- everything.
CREATE TABLE carts (session_id uuid REFERENCES session.sessions);
INSERT INTO carts SELECT id FROM session_create('hal');
SELECT count(*) AS before FROM session.events WHERE user_id = 'hal' \gset
SELECT pg_temp.error_of('session_erase(''hal'')') ~ '^23503' AS refused;
SELECT count(*) AS kept, (SELECT count(*) FROM session.events WHERE user_id = 'hal') = :before AS events_kept FROM session.sessions WHERE user_id = 'hal';
DROP TABLE carts;

-- A column that a user has added is part of the result.
ALTER TABLE session.sessions ADD COLUMN device text DEFAULT 'laptop';
SELECT session_export('hal') -> 'sessions' -> 0 -> 'device' AS device;

-- It deletes more sessions than fit a batch.
SET session.log_events = '';
INSERT INTO session.sessions (id, token_hash, user_id, auth_level, data, created_at, last_seen_at, expires_at, purge_at)
SELECT gen_random_uuid(), sha256(i::text::bytea), 'many', 1, '{}', now(), now(), now() + interval '1 day', now() + interval '1 day'
  FROM generate_series(1, 2500) AS i;
SELECT jsonb_array_length(session_export('many') -> 'sessions') AS sessions;
SELECT session_erase('many');

DROP VIEW traces;
DROP EXTENSION session;
DROP OWNED BY regress_session_boss, regress_session_app;
DISCARD TEMP;
RESET SESSION AUTHORIZATION;
DROP ROLE regress_session_boss, regress_session_app, regress_session_super;
