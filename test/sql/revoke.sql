-- Revoking: by token, by id, by user and by tenant, and for good.
CREATE EXTENSION session;
\getenv here PG_ABS_SRCDIR
\i :here/sql/include/helpers.sql

-- A token ends its own session, once.
SELECT id, token FROM session_create('alice', '{"a": 1}') \gset
SELECT session_revoke(:'token') AS first, session_revoke(:'token') AS second;
SELECT session_status(:'token') AS status, session_is_valid(:'token') AS is_valid,
       session_is_expired(:'token') AS is_expired,
       (SELECT count(*) FROM session_validate(:'token')) AS rows;

-- The row stays as a tombstone with the time and the reason.
SELECT user_id, data, pg_temp.is_recent(revoked_at) AS revoked_now, revoked_reason
  FROM session.sessions;

-- It is kept for session.revoked_retention, rounded up to the hour.
SELECT purge_at >= revoked_at + '1 day' AS not_before,
       purge_at < revoked_at + '1 day 1 hour' AS within_an_hour,
       purge_at = date_trunc('hour', purge_at) AS on_the_hour
  FROM session.sessions;
SET session.revoked_retention = 0;
SELECT session_revoke(token) FROM session_create('bob');
SELECT purge_at >= revoked_at AS not_before, purge_at < revoked_at + '1 hour' AS within_an_hour
  FROM session.sessions WHERE user_id = 'bob';
RESET session.revoked_retention;
DELETE FROM session.sessions;

-- An administrator ends a session by its id, with a reason or without.
SELECT id, token FROM session_create('alice') \gset
SELECT session_revoke_id(:'id') AS first, session_revoke_id(:'id', 'again') AS second,
       session_status(:'token');
SELECT revoked_reason FROM session.sessions WHERE id = :'id';
SELECT id, token FROM session_create('alice') \gset
SELECT session_revoke_id(:'id', 'stolen laptop'), session_status(:'token');
SELECT revoked_reason FROM session.sessions WHERE id = :'id';
SELECT session_revoke_id(NULL) AS "null", session_revoke_id(gen_random_uuid()) AS unknown;

-- Revoking a user ends all sessions of that user and no others.
DELETE FROM session.sessions;
CREATE TEMP TABLE made AS
SELECT n, user_id, tenant_id, made.id, made.token
  FROM (VALUES (1, 'alice', NULL), (2, 'alice', 'acme'), (3, 'alice', 'acme'),
               (4, 'alice', 'bolt'), (5, 'bob', 'acme'), (6, 'alice2', 'acme'),
               (7, NULL, 'acme'), (8, NULL, NULL), (9, 'acme', NULL))
       AS t (n, user_id, tenant_id),
       session_create(t.user_id, tenant_id => t.tenant_id) AS made;
CREATE TEMP VIEW ended AS
SELECT array_agg(n ORDER BY n) AS ended, s.revoked_reason AS reason
  FROM made JOIN session.sessions s USING (id)
 WHERE session_status(token) = 'revoked'
 GROUP BY reason ORDER BY min(n);
BEGIN;
SELECT session_revoke_user('alice');
TABLE ended;
ROLLBACK;

-- With a tenant, only the sessions in that tenant end.
BEGIN;
SELECT session_revoke_user('alice', 'acme');
TABLE ended;
SELECT session_revoke_user('alice', 'acme') AS again, session_revoke_user('alice') AS others;
TABLE ended;
ROLLBACK;

-- With an exception, all sessions but that one end: "log out everywhere else".
BEGIN;
SELECT session_revoke_user('alice', except_id => id) FROM made WHERE n = 3;
TABLE ended;
ROLLBACK;
BEGIN;
SELECT session_revoke_user('alice', 'acme', id) FROM made WHERE n = 3;
TABLE ended;
ROLLBACK;

-- An exception that is another user's or no session at all keeps none of them.
BEGIN;
SELECT session_revoke_user('alice', except_id => id) FROM made WHERE n = 5;
TABLE ended;
ROLLBACK;
BEGIN;
SELECT session_revoke_user('alice', except_id => gen_random_uuid());
TABLE ended;
ROLLBACK;

-- Revoking a tenant ends all its sessions, anonymous ones too.
BEGIN;
SELECT session_revoke_tenant('acme');
TABLE ended;
SELECT session_revoke_tenant('acme') AS again;
ROLLBACK;

-- Users and tenants without sessions: the result is 0.
SELECT session_revoke_user('nobody') AS unknown_user,
       session_revoke_user('alice', 'nowhere') AS not_there,
       session_revoke_user('acme', 'acme') AS tenant_as_user,
       session_revoke_tenant('nowhere') AS unknown_tenant,
       session_revoke_tenant('alice') AS user_as_tenant;
TABLE ended;

-- A session that had ended before is not counted and keeps its reason.
BEGIN;
SELECT session_revoke(token) FROM made WHERE n = 1;
UPDATE session.sessions SET expires_at = clock_timestamp() WHERE id = (SELECT id FROM made WHERE n = 2);
SELECT session_revoke_user('alice');
SELECT session_revoke_tenant('acme');
TABLE ended;
SELECT session_status(token) FROM made WHERE n = 2;
ROLLBACK;
TABLE ended;
DROP VIEW ended;

-- Invalid arguments are errors that name the argument: NULL does not mean all.
SELECT call, pg_temp.error_of(call) AS error
  FROM unnest(ARRAY[
    $$session_revoke_user(NULL)$$,
    $$session_revoke_user(NULL, 'acme')$$,
    $$session_revoke_user('')$$,
    $$session_revoke_user('alice', '')$$,
    $$session_revoke_user(repeat('x', 1025))$$,
    $$session_revoke_user('alice', repeat('x', 1025))$$,
    $$session_revoke_tenant(NULL)$$,
    $$session_revoke_tenant('')$$,
    $$session_revoke_tenant(repeat('x', 1025))$$,
    $$session_revoke_id(NULL, '')$$,
    $$session_revoke_id(gen_random_uuid(), repeat('x', 257))$$,
    $$session_revoke_id(gen_random_uuid(), repeat('x', 256))$$]) AS call;
SELECT count(*) AS sessions, count(revoked_at) AS revoked FROM session.sessions;

-- A session that has ended cannot be revived, read or changed.
DELETE FROM session.sessions;
DELETE FROM made;
INSERT INTO made SELECT n, end_of, NULL, s.id, s.token
  FROM (VALUES (1, 'revoked'), (2, 'expired'), (3, 'idle')) AS t (n, end_of),
       session_create(end_of, '{"theme": "old"}', lifetime => '1 hour') AS s;
SELECT session_revoke(token) FROM made WHERE user_id = 'revoked';
UPDATE session.sessions SET expires_at = clock_timestamp() WHERE user_id = 'expired';
UPDATE session.sessions SET last_seen_at = clock_timestamp() - interval '1 hour', idle_timeout = '1 hour'
 WHERE user_id = 'idle';
CREATE TEMP TABLE before AS SELECT id, ctid AS place, s::text AS content FROM session.sessions s;
SELECT function, max(answer) FILTER (WHERE n = 1) AS revoked,
       max(answer) FILTER (WHERE n = 2) AS expired, max(answer) FILTER (WHERE n = 3) AS idle
  FROM made, pg_temp.answers(token)
 GROUP BY function ORDER BY function COLLATE "C";
SELECT user_id, array_agg(pg_temp.error_of(format('session_regenerate(%L, %L, auth_level => 2)', token, name))) AS errors
  FROM made, unnest(ARRAY[user_id, 'mallory', NULL]) AS name GROUP BY user_id ORDER BY user_id;
SELECT user_id, session_revoke_id(id) AS by_id, session_revoke_user(user_id) AS by_user
  FROM made ORDER BY n;

-- The rows are unchanged: they were not written again.
SELECT count(*) AS rows, bool_and(s.ctid = place AND s::text = content) AS untouched
  FROM session.sessions s JOIN before USING (id);

-- A session that is both revoked and expired is reported as revoked.
UPDATE session.sessions SET expires_at = clock_timestamp();
SELECT user_id, session_status(token) FROM made ORDER BY n;

-- A revocation commits or rolls back with its transaction.
SELECT id, token FROM session_create('alice') \gset
BEGIN;
SELECT session_revoke(:'token'), session_status(:'token');
ROLLBACK;
SELECT session_status(:'token');
BEGIN;
SAVEPOINT before;
SELECT session_revoke_id(:'id'), session_status(:'token');
ROLLBACK TO before;
SELECT session_status(:'token');
SELECT session_revoke_user('alice'), session_status(:'token');
COMMIT;
SELECT session_status(:'token');

-- A user can have more sessions than are revoked in one statement; those that
-- have ended, and ids that are there twice, do not count.
SELECT count(session_create('many')) FROM generate_series(1, 2500);
UPDATE session.sessions SET expires_at = created_at WHERE id IN
    (SELECT id FROM session.sessions WHERE user_id = 'many' ORDER BY id LIMIT 100);
SELECT array_agg(id ORDER BY random()) AS ids FROM session.sessions WHERE user_id = 'many' \gset
SELECT session_revoke_ids(:'ids'::uuid[] || :'ids'::uuid[] || gen_random_uuid()), session_revoke_user('many');
SELECT revoked_reason, count(*), count(DISTINCT purge_at) <= 2 AS purged_together
FROM session.sessions WHERE user_id = 'many' GROUP BY 1 ORDER BY 1;

-- A READ ONLY transaction cannot revoke.
\set VERBOSITY sqlstate
SELECT id, token FROM session_create('alice', tenant_id => 'acme') \gset
BEGIN READ ONLY;
SELECT pg_temp.error_of(format('session_revoke(%L)', :'token')) AS by_token;
SELECT pg_temp.error_of(format('session_revoke_id(%L)', :'id')) AS by_id;
SELECT pg_temp.error_of('session_revoke_user(''alice'')') AS by_user;
SELECT pg_temp.error_of('session_revoke_tenant(''acme'')') AS by_tenant;
ROLLBACK;
SELECT session_status(:'token');

DROP EXTENSION session;
