-- What a statement costs does not depend on how large the tables are.
CREATE EXTENSION session;
SET session.log_events = 'all';

-- A backend keeps the plans of its statements. They use the indexes even if the
-- tables are so small, when a plan is made, that the planner prefers to scan
-- them: before it is made again, a table can grow by millions of rows.
SELECT count(session_create('user-' || n)) AS made FROM generate_series(1, 5) AS n;
SELECT token AS t FROM session_create('alice') \gset
SELECT refresh_token AS r FROM session_create('alice', refreshable => true) \gset
UPDATE session.sessions SET expires_at = created_at, purge_at = created_at WHERE user_id = 'user-5';
VACUUM ANALYZE session.sessions, session.events;
EXPLAIN (COSTS OFF) SELECT FROM session.sessions WHERE user_id = 'alice';
BEGIN;
SELECT seq_scan AS before FROM pg_stat_xact_all_tables WHERE relid = 'session.sessions'::regclass \gset
SELECT session_touch(:'t');
SELECT session_data_merge(:'t', '{"n": 1}');
SELECT count(token) FROM session_refresh(:'r');
SELECT token AS t FROM session_regenerate(:'t', 'alice') \gset
SELECT count(token) FROM session_login(:'t', 'alice');
SELECT jsonb_array_length(session_export('user-1') -> 'sessions') AS exported;
SELECT session_revoke_user('user-1');
SELECT session_revoke_user('user-2');
SELECT session_cleanup();
SELECT seq_scan - :before AS scans FROM pg_stat_xact_all_tables WHERE relid = 'session.sessions'::regclass;
ROLLBACK;

-- Old events are deleted in batches, each of which first passes what the earlier
-- ones have deleted. So those of session_cleanup, which are in one transaction,
-- become larger: 7 batches of 10, 20, ..., 640 rows, and one that finds none.
SET session.cleanup_batch = 10;
INSERT INTO session.events (at, kind, actor, actor_kind)
SELECT now() - interval '1 year' - n * interval '1 s', 'created', '', 'role' FROM generate_series(1, 1270) AS n;
BEGIN;
SELECT idx_scan AS before FROM pg_stat_xact_all_tables WHERE relid = 'session.events'::regclass \gset
SELECT session_cleanup();
SELECT idx_scan - :before < 30 AS few FROM pg_stat_xact_all_tables WHERE relid = 'session.events'::regclass;
SELECT count(*) AS "left" FROM session.events WHERE at < now() - interval '30 days';
ROLLBACK;

-- A caller that has some rows deleted does not look for all that there are.
SET session.log_events = '';
SELECT count(session_create()) AS made FROM generate_series(1, 5000);
UPDATE session.sessions SET expires_at = created_at, purge_at = created_at WHERE user_id IS NULL;
VACUUM ANALYZE session.sessions;
BEGIN;
SELECT idx_tup_fetch AS before FROM pg_stat_xact_all_tables WHERE relid = 'session.sessions'::regclass \gset
SELECT deleted FROM session_cleanup(10);
SELECT idx_tup_fetch - :before < 3000 AS few FROM pg_stat_xact_all_tables WHERE relid = 'session.sessions'::regclass;
ROLLBACK;

DROP EXTENSION session;
