-- The view session.stats.
CREATE EXTENSION session;
\getenv here PG_ABS_SRCDIR
\i :here/sql/include/helpers.sql
CREATE VIEW pg_temp.here AS SELECT * FROM session.stats WHERE database = current_database();

-- There is a row for this database, whether or not anything has happened.
SELECT preloaded, master_key, workers, live, idle, expired, revoked, purge_backlog, activity_dropped, evidence_dropped, revocation_overflows FROM pg_temp.here;

-- Sessions are counted by their state.
SELECT token AS live FROM session_create('alice') \gset
SELECT count(session_create('bob', idle_timeout => '1 hour')) AS idle FROM generate_series(1, 2);
SELECT count(session_create('carol', lifetime => '1 hour')) AS expired FROM generate_series(1, 3);
SELECT count(session_create('dave')) AS revoked FROM generate_series(1, 4);
SELECT session_revoke_user('dave');
SELECT live, idle, expired, revoked, purge_backlog FROM pg_temp.here;
UPDATE session.sessions SET last_seen_at = last_seen_at - interval '2 hours' WHERE user_id = 'bob';
UPDATE session.sessions SET expires_at = expires_at - interval '2 hours', purge_at = purge_at - interval '1 day' WHERE user_id = 'carol';
SELECT live, idle, expired, revoked, purge_backlog FROM pg_temp.here;

-- The master key is needed when the first key is created.  Reading the view
-- creates no key.
BEGIN;
SELECT session_key_rotate() IS NOT NULL AS made;
SELECT master_key FROM pg_temp.here;
ROLLBACK;
SELECT master_key FROM pg_temp.here;

-- Calls are counted by their result.
CREATE TEMP TABLE before AS SELECT to_jsonb(here) AS counts FROM pg_temp.here;
SELECT session_status(:'live'), session_status('junk'), session_is_valid(:'live');
SELECT FROM session_validate('st_' || repeat('A', 64));
SELECT session_revoke(:'live');
SELECT FROM session_validate(:'live');
SELECT key, value::bigint - (before.counts ->> key)::bigint AS more
  FROM pg_temp.here, before, jsonb_each_text(to_jsonb(here))
 WHERE key ~ '^(checks|sessions|snapshots|refresh)_' AND value <> before.counts ->> key ORDER BY key COLLATE "C";

-- The counts of a table of more than 500 pages are estimates, which are close.
INSERT INTO session.sessions (id, token_hash, auth_level, data, created_at, last_seen_at, expires_at, purge_at)
SELECT gen_random_uuid(), sha256(n::text::bytea), 0, '{}', now(), now(), now() + CASE WHEN n % 2 = 0 THEN interval '1 day' ELSE interval '-1 s' END, now()
  FROM generate_series(1, 30000) AS n;
SELECT pg_relation_size('session.sessions') / current_setting('block_size')::int > 600 AS large,
       abs(live - 15000) < 1500 AS live, abs(expired - 15000) < 1500 AS expired, abs(purge_backlog - 15000) < 1500 AS backlog
  FROM pg_temp.here;

-- Members of pg_monitor may read it, other roles may not.
CREATE ROLE regress_session_watcher IN ROLE pg_monitor;
CREATE ROLE regress_session_nobody;
\set VERBOSITY sqlstate
SET ROLE regress_session_watcher;
SELECT count(*) AS rows FROM session.stats WHERE database = current_database();
SELECT FROM session.sessions;
SET ROLE regress_session_nobody;
SELECT FROM session.stats;
SELECT session.session_stats();
RESET ROLE;
DROP ROLE regress_session_watcher, regress_session_nobody;
DROP VIEW pg_temp.here;
DROP EXTENSION session;
