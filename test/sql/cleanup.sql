-- Cleanup: deletes the rows of ended sessions, no others, and only when they
-- are due.
CREATE EXTENSION session;
\getenv here PG_ABS_SRCDIR
\i :here/sql/include/helpers.sql

-- Without anything to do, it does nothing.
SELECT session_cleanup();
SELECT count(session_create('alice')) AS made FROM generate_series(1, 5);
SELECT session_cleanup();
SELECT count(*) AS sessions FROM session.sessions;

-- With any number of live sessions, that costs one index probe per table that
-- finds nothing.
INSERT INTO session.sessions (id, token_hash, auth_level, data, created_at, last_seen_at, expires_at, purge_at)
SELECT gen_random_uuid(), sha256(n::text::bytea), 0, '{}', now(), now(), 'infinity', 'infinity' FROM generate_series(1, 2000) AS n;
SET session.log_events = 'all';
SELECT count(session_create('alice')), count(session_cookie_revoke(session_cookie_encode('{}'))) FROM session_key_rotate(), generate_series(1, 200);
RESET session.log_events;
CREATE TEMP TABLE looks AS SELECT NULL AS at, * FROM pg_stat_xact_all_tables LIMIT 0;
BEGIN;
INSERT INTO looks SELECT 'before', * FROM pg_stat_xact_all_tables;
SELECT session_cleanup();
SELECT relname, s.seq_scan - l.seq_scan AS seq_scans, s.idx_scan - l.idx_scan AS idx_scans, s.idx_tup_fetch - l.idx_tup_fetch AS fetched
  FROM pg_stat_xact_all_tables AS s JOIN looks AS l USING (relname)
 WHERE s.schemaname = 'session' AND (s.seq_scan, s.idx_scan) <> (l.seq_scan, l.idx_scan) ORDER BY relname COLLATE "C";
COMMIT;
DELETE FROM session.sessions WHERE user_id IS NULL OR user_id = 'alice' AND id NOT IN (SELECT id FROM session.sessions WHERE user_id = 'alice' LIMIT 5);

-- The row of an ended session stays until its purge_at.
SELECT id FROM session_create('bob', lifetime => '1 hour') \gset
CALL pg_temp.pass('1 hour');
UPDATE session.sessions SET purge_at = clock_timestamp() + interval '1 minute' WHERE id = :'id';
SELECT session_cleanup();
SELECT status FROM session_get(:'id');
UPDATE session.sessions SET purge_at = clock_timestamp() WHERE id = :'id';
SELECT session_cleanup();
SELECT count(*) AS left FROM session_get(:'id');
SELECT count(*) AS sessions FROM session.sessions;

-- purge_at alone does not decide: a live session is never deleted.
UPDATE session.sessions SET purge_at = clock_timestamp() - interval '1 day';
SELECT session_cleanup();
SELECT count(*) AS sessions FROM session.sessions;

-- Expired, idle and revoked sessions are deleted.
DELETE FROM session.sessions;
SELECT id FROM session_create('live') \gset
SELECT id FROM session_create('expired', lifetime => '1 hour') \gset
SELECT id FROM session_create('idle', idle_timeout => '1 hour') \gset
SELECT session_revoke(token) FROM session_create('revoked');
CALL pg_temp.pass('3 hours');
SELECT session_cleanup();
SELECT user_id FROM session.sessions ORDER BY user_id;

-- The tombstone of a revoked session is kept for session.revoked_retention,
-- one day.
CALL pg_temp.pass('20 hours');
SELECT session_cleanup();
SELECT user_id FROM session.sessions ORDER BY user_id;
CALL pg_temp.pass('2 hours');
SELECT session_cleanup();
SELECT count(*) AS sessions FROM session.sessions;

-- After that the status of the token is unknown.
SELECT token FROM session_create('alice') \gset
SELECT session_revoke(:'token'), session_status(:'token');
CALL pg_temp.pass('26 hours');
SELECT session_status(:'token');
SELECT session_cleanup();
SELECT session_status(:'token');

-- The id can be used again.
SELECT id FROM session_create('alice', lifetime => '1 minute', id => '7d444840-9dc0-41d1-b245-5ffdce74fad2') \gset
CALL pg_temp.pass('2 hours');
SELECT session_cleanup();
SELECT count(*) AS made FROM session_create('bob', id => :'id');
DELETE FROM session.sessions;

-- max_rows is the maximum number of rows deleted; NULL means all.
CREATE PROCEDURE pg_temp.make_dead(n int) LANGUAGE sql AS $$
    SELECT count(session_create(lifetime => '1 minute')) FROM generate_series(1, n);
    CALL pg_temp.pass('2 hours');
$$;
CALL pg_temp.make_dead(25);
SELECT count(session_create('alice')) AS live FROM generate_series(1, 3);
SELECT session_cleanup(1) AS one, session_cleanup(10) AS ten, session_cleanup(max_rows => 4) AS four;
SELECT count(*) AS sessions FROM session.sessions;
SELECT session_cleanup(NULL) AS rest, session_cleanup() AS again, session_cleanup(5) AS five;
SELECT count(*) AS sessions FROM session.sessions;

-- Batches of any size delete the same rows in total.
SET session.cleanup_batch = 1;
CALL pg_temp.make_dead(25);
SELECT session_cleanup(3), session_cleanup();
SET session.cleanup_batch = 7;
CALL pg_temp.make_dead(25);
SELECT session_cleanup(3) AS below, session_cleanup(7) AS one, session_cleanup(8) AS over, session_cleanup() AS rest;
CALL pg_temp.make_dead(28);
SELECT session_cleanup();
SET session.cleanup_batch = 1000000;
CALL pg_temp.make_dead(25);
SELECT session_cleanup(24), session_cleanup();
RESET session.cleanup_batch;
SELECT count(*) AS sessions FROM session.sessions;

-- Live sessions between them do not stop it.
SET session.cleanup_batch = 2;
CALL pg_temp.make_dead(20);
UPDATE session.sessions SET expires_at = 'infinity'
 WHERE id IN (SELECT id FROM session.sessions WHERE user_id IS NULL ORDER BY id LIMIT 10);
SELECT session_cleanup();
RESET session.cleanup_batch;
SELECT count(*) AS sessions FROM session.sessions;
DELETE FROM session.sessions;

-- Rows that have been due for longest are deleted first.
SELECT count(session_create('user' || n, lifetime => n * interval '1 hour')) AS made
  FROM generate_series(1, 6) AS n;
CALL pg_temp.pass('1 day');
SELECT session_cleanup(4);
SELECT user_id FROM session.sessions ORDER BY user_id;

-- A cleanup is part of the transaction in which it is called.
BEGIN;
SELECT session_cleanup();
ROLLBACK;
SELECT count(*) AS sessions FROM session.sessions;
SELECT session_cleanup();

-- A publication FOR ALL TABLES does not prevent any of it.
SET client_min_messages = error;
CREATE PUBLICATION regress_session_all FOR ALL TABLES;
RESET client_min_messages;
SELECT count(session_key_rotate()) AS keys;
SET session.log_events = 'all';
CREATE PROCEDURE pg_temp.make_due() LANGUAGE sql AS $$
    SELECT count(session_create('ada', ip => '192.0.2.1', lifetime => '1 minute')),
           count(session_cookie_revoke(session_cookie_encode('{}')))
      FROM generate_series(1, 5);
    UPDATE session.sessions SET created_at = '2020-01-01 UTC', last_seen_at = '2020-01-01 UTC', expires_at = '2020-01-02 UTC', purge_at = '2020-01-02 UTC';
    UPDATE session.denylist SET expires_at = '2020-01-01 UTC';
    UPDATE session.events SET at = '2020-01-01 UTC';
    UPDATE session.origins SET used_at = '2020-01-01 UTC';
$$;
CREATE VIEW due AS
    SELECT (SELECT count(*) FROM session.sessions WHERE expires_at < '2021-01-01 UTC') AS sessions,
           (SELECT count(*) FROM session.denylist WHERE expires_at < '2021-01-01 UTC') AS denylist,
           (SELECT count(*) FROM session.events WHERE at < '2021-01-01 UTC') AS events,
           (SELECT count(*) FROM session.origins WHERE used_at < '2021-01-01 UTC') AS origins;
CALL pg_temp.make_due();
SELECT sessions > 0 AND denylist > 0 AND events > 0 AND origins > 0 AS due FROM due;
SELECT * FROM session_cleanup();
SELECT * FROM due;
DROP PUBLICATION regress_session_all;

-- A step that fails does not stop the others; it is reported as a WARNING and
-- in the result.
CREATE FUNCTION public.regress_session_fail() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'failed in %', TG_TABLE_NAME USING detail = 'A detail.', hint = 'A hint.';
END
$$;
CREATE TRIGGER fail BEFORE DELETE ON session.denylist FOR EACH ROW EXECUTE FUNCTION public.regress_session_fail();
CREATE TRIGGER fail BEFORE DELETE ON session.origins FOR EACH ROW EXECUTE FUNCTION public.regress_session_fail();
CALL pg_temp.make_due();
SELECT * FROM session_cleanup();
SELECT sessions, denylist > 0 AS denylist, events, origins > 0 AS origins FROM due;
DROP TRIGGER fail ON session.denylist;
DROP TRIGGER fail ON session.origins;
CREATE TRIGGER fail BEFORE DELETE ON session.events FOR EACH ROW EXECUTE FUNCTION public.regress_session_fail();
CREATE TRIGGER fail BEFORE DELETE OR UPDATE ON session.sessions FOR EACH ROW EXECUTE FUNCTION public.regress_session_fail();
ALTER TABLE session.sessions DISABLE TRIGGER fail;
CALL pg_temp.make_due();
ALTER TABLE session.sessions ENABLE TRIGGER fail;
SET client_min_messages = error;
SELECT * FROM session_cleanup();
RESET client_min_messages;
SELECT sessions, denylist, events > 0 AS events, origins FROM due;
DROP TRIGGER fail ON session.events;
DROP TRIGGER fail ON session.sessions;
-- The same holds for a table that the extension cannot work with, or whose
-- rows cannot be deleted.
CALL pg_temp.make_due();
CREATE TABLE public.child () INHERITS (session.origins);
CREATE RULE keep AS ON DELETE TO session.denylist DO INSTEAD NOTHING;
CREATE FUNCTION public.regress_session_keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER keep BEFORE DELETE ON session.events FOR EACH ROW EXECUTE FUNCTION public.regress_session_keep();
SELECT * FROM session_cleanup();
SELECT sessions, denylist > 0 AS denylist, events > 0 AS events, origins > 0 AS origins FROM due;
DROP TABLE public.child;
DROP RULE keep ON session.denylist;
DROP TRIGGER keep ON session.events;
SELECT * FROM session_cleanup();
SELECT * FROM due;

-- A row that cannot be deleted does not prevent the deletion of others, and is
-- tried again an hour later.
CREATE TABLE public.kept (id uuid REFERENCES session.sessions);
CALL pg_temp.make_dead(50);
INSERT INTO public.kept SELECT id FROM session.sessions ORDER BY id LIMIT 2;
SET client_min_messages = error;
SELECT * FROM session_cleanup();
RESET client_min_messages;
SELECT count(*) AS sessions, bool_and(id IN (SELECT id FROM public.kept)) AS kept,
       bool_and(purge_at BETWEEN now() + interval '55 minutes' AND clock_timestamp() + interval '1 hour') AS later
  FROM session.sessions;
SELECT * FROM session_cleanup();
DROP TABLE public.kept;
UPDATE session.sessions SET purge_at = now();
SELECT * FROM session_cleanup();

-- A cancel request is an error.
CREATE FUNCTION public.regress_session_slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(60); RETURN OLD; END';
CREATE TRIGGER slow BEFORE DELETE ON session.sessions FOR EACH ROW EXECUTE FUNCTION public.regress_session_slow();
CALL pg_temp.make_dead(2);
SET statement_timeout = '100ms';
\set VERBOSITY sqlstate
SELECT session_cleanup();
\set VERBOSITY default
RESET statement_timeout;
DROP TRIGGER slow ON session.sessions;
SELECT * FROM session_cleanup();
RESET session.log_events;
DROP VIEW due;
DROP FUNCTION public.regress_session_fail(), public.regress_session_keep(), public.regress_session_slow();

-- A max_rows of less than one is an error.
SELECT max_rows, pg_temp.error_of(format('session_cleanup(%s)', max_rows)) AS error
  FROM unnest(ARRAY[0, -1, -2147483648, 2147483647]) AS max_rows;
\set VERBOSITY sqlstate
SELECT session_cleanup(0);

-- A READ ONLY transaction cannot delete rows.
BEGIN READ ONLY;
SELECT session_cleanup();
ROLLBACK;

DROP EXTENSION session;
