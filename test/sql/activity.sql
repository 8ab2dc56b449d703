-- Activity: when the use of a session is recorded and when it is written to
-- the row.
CREATE EXTENSION session;
\getenv here PG_ABS_SRCDIR
\i :here/sql/include/helpers.sql

-- Returns the effect of a call on a session that was last used a span ago:
-- whether the call is seen as a use, and whether the call or the next round of
-- upkeep ("flushed") wrote it to the row.
CREATE FUNCTION pg_temp.after(call text, span interval, idle_timeout interval = '0')
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    made session_credentials;
    before tid;
    called tid;
    flushed tid;
    outcome text;
BEGIN
    made := session_create('alice', idle_timeout => idle_timeout);
    CALL pg_temp.pass(span);
    SELECT ctid INTO before FROM session.sessions WHERE id = made.id;
    EXECUTE 'SELECT count(*) FROM ' || replace(call, 'token', quote_literal(made.token));
    SELECT ctid INTO called FROM session.sessions WHERE id = made.id;
    PERFORM session_cleanup();
    SELECT ctid, CASE WHEN pg_temp.is_recent(g.last_seen_at) THEN 'seen' ELSE 'not seen' END ||
                 CASE WHEN called <> before THEN ', written' WHEN ctid <> called THEN ', flushed' ELSE '' END ||
                 CASE WHEN pg_temp.is_recent(g.last_seen_at) = pg_temp.is_recent(s.last_seen_at) THEN '' ELSE ', not in the row' END
      INTO flushed, outcome FROM session.sessions AS s, session_get(made.id) AS g WHERE s.id = made.id;
    RETURN outcome;
END
$$;

-- Validation never writes.  Upkeep does, once the last use in the row is
-- session.update_age (10 minutes) ago.
SELECT span, pg_temp.after('session_validate(token)', span)
  FROM unnest(ARRAY['2 minutes', '9 minutes 50 seconds', '10 minutes', '1 hour']::interval[]) AS span;

-- A use that is written is not written again.
DELETE FROM session.sessions;
SELECT id, token FROM session_create('alice') \gset
CALL pg_temp.pass('11 minutes');
SELECT count(*) AS valid FROM session_validate(:'token');
SELECT ctid AS first_ctid FROM session.sessions \gset
SELECT session_cleanup();
SELECT ctid, ctid <> :'first_ctid' AS written, last_seen_at FROM session.sessions \gset
SELECT :'written' AS written;
SELECT count(*) AS valid FROM session_validate(:'token');
SELECT count(*) AS valid FROM session_validate(:'token');
SELECT session_cleanup();
SELECT ctid = :'ctid' AND last_seen_at = :'last_seen_at' AS untouched,
       pg_temp.is_recent(last_seen_at) AS seen,
       (SELECT g.last_seen_at > s.last_seen_at FROM session_get(:'id') AS g) AS later_since
  FROM session.sessions AS s;
DELETE FROM session.sessions;

-- The age is a setting; with zero every round writes.
SET session.update_age = '1h';
SELECT span, pg_temp.after('session_validate(token)', span)
  FROM unnest(ARRAY['59 minutes 50 seconds', '1 hour']::interval[]) AS span;
SET session.update_age = 0;
SELECT span, pg_temp.after('session_validate(token)', span)
  FROM unnest(ARRAY['0', '1 second']::interval[]) AS span;
RESET session.update_age;

-- If half the idle timeout is shorter than the age, it is used instead.
SELECT idle_timeout, span, pg_temp.after('session_validate(token)', span::interval, idle_timeout::interval)
  FROM (VALUES ('4 minutes', '1 minute 50 seconds'), ('4 minutes', '2 minutes'),
               ('20 minutes', '9 minutes 50 seconds'), ('20 minutes', '10 minutes'),
               ('10 hours', '9 minutes 50 seconds'), ('10 hours', '10 minutes'))
       AS t (idle_timeout, span);

-- Therefore a session in use does not end, however long session.update_age is.
SET session.update_age = '1d';
CREATE TEMP TABLE made AS SELECT token FROM session_create('alice', idle_timeout => '2 minutes');
DO $$
BEGIN
    FOR n IN 1 .. 10 LOOP
        CALL pg_temp.pass('1 minute');
        PERFORM session_validate(token) FROM made;
    END LOOP;
END
$$;
SELECT session_status(token) FROM made;
DELETE FROM session.sessions;
RESET session.update_age;

-- The calls that count as a use, written at once or throttled, and those that
-- do not count.
SELECT call, pg_temp.after(call, '5 minutes') AS "after 5 minutes",
       pg_temp.after(call, '15 minutes') AS "after 15 minutes"
  FROM unnest(ARRAY[
    $$session_validate(token)$$,
    $$session_data(token)$$,
    $$session_data_get(token, 'a')$$,
    $$session_data_delete(token, 'nothing')$$,
    $$session_data_pop(token, 'nothing')$$,
    $$session_data_clear(token)$$,
    $$session_data_merge(token, '{"nothing": null}')$$,
    $$session_data_append(token, 'list', '1')$$,
    $$session_data_replace(token, 'nothing', '1', '2')$$,
    $$session_data_replace(token, 'nothing', NULL, NULL)$$,
    $$session_data_set(token, 'a', '1')$$,
    $$session_data_save(token, '{"a": 1}')$$,
    $$session_touch(token)$$,
    $$session_refresh(token)$$,
    $$session_regenerate(token)$$,
    $$session_status(token)$$,
    $$session_is_valid(token)$$,
    $$session_is_expired(token)$$,
    $$session_list('alice')$$]) AS call;

-- Writing activity updates last_seen_at and purge_at and no other column.
DELETE FROM session.sessions;
SELECT id, token FROM session_create('alice', idle_timeout => '2 hours') \gset
CALL pg_temp.pass('90 minutes');
CREATE TEMP TABLE before AS SELECT * FROM session.sessions;
CREATE TEMP VIEW changed AS
SELECT a.key AS changed
  FROM session.sessions s, before b, jsonb_each(to_jsonb(s)) AS a
  JOIN jsonb_each(to_jsonb(b)) AS o USING (key)
 WHERE a.value <> o.value ORDER BY a.key;
SELECT count(*) AS valid FROM session_validate(:'token');
TABLE changed;
SELECT session_cleanup();
TABLE changed;
SELECT purge_at - date_trunc('hour', last_seen_at) IN ('3 hours', '4 hours') AS follows FROM session.sessions;

-- session_validate returns the use that it has just recorded, and so do
-- session_get and session_list.
CALL pg_temp.pass('90 minutes');
SELECT pg_temp.is_recent(last_seen_at) AS seen, expires_at - last_seen_at AS ends_after
  FROM session_validate(:'token');
CALL pg_temp.pass('5 minutes');
SELECT pg_temp.is_recent(last_seen_at) AS seen FROM session_get(:'id');
SELECT pg_temp.is_recent(last_seen_at) AS seen FROM session_validate(:'token');
SELECT pg_temp.is_recent(last_seen_at) AS seen FROM session_get(:'id');
SELECT pg_temp.is_recent(last_seen_at) AS seen FROM session_list('alice');

-- A session that is live only because of a use in shared memory is not purged,
-- does not idle out, and counts for the limit.
UPDATE session.sessions SET last_seen_at = last_seen_at - interval '1 day', purge_at = clock_timestamp() - interval '1 hour';
SELECT session_status(:'token');
BEGIN;
SELECT session_cleanup();
SELECT session_status(:'token');
ROLLBACK;
SELECT session_status(:'token'), pg_temp.is_recent(last_seen_at) AS written FROM session.sessions;
SET session.on_limit = reject;
SELECT pg_temp.error_of($$session_create('alice', max_sessions => 1)$$);
RESET session.on_limit;

-- A session that ended does not become live again, whatever is recorded about
-- its use.
SELECT session_revoke(:'token');
SELECT session_status(:'token'), session_cleanup(), (SELECT revoked_reason FROM session.sessions);
SELECT count(*) AS valid FROM session_validate(:'token');
DELETE FROM session.sessions;
SELECT id, token FROM session_create('alice', id => :'id', idle_timeout => '10 minutes') \gset
SELECT count(*) AS valid FROM session_validate(:'token');

-- A recorded use of a session does not count for a later session with the same
-- id.
DELETE FROM session.sessions;
BEGIN;
SELECT token AS undone FROM session_create('mallory', id => :'id') \gset
SELECT count(*) AS valid FROM session_validate(:'undone');
ROLLBACK;
SELECT token FROM session_create('bob', id => :'id', idle_timeout => '10 minutes') \gset
UPDATE session.sessions SET last_seen_at = last_seen_at - interval '11 minutes';
SELECT session_status(:'token'), session_status(:'undone');
DELETE FROM session.sessions;

-- A last_seen_at in the future, left by a clock that was ahead, is corrected,
-- also by validation.
SELECT id, token FROM session_create('alice') \gset
UPDATE session.sessions SET last_seen_at = clock_timestamp() + interval '5 minutes';
SELECT pg_temp.is_recent(last_seen_at) AS seen FROM session_validate(:'token');
SELECT session_cleanup();
SELECT pg_temp.is_recent(last_seen_at) AS seen FROM session.sessions;
UPDATE session.sessions SET last_seen_at = clock_timestamp() + interval '5 minutes';
SELECT session_touch(:'token'), session_data_set(:'token', 'a', '1');
SELECT last_seen_at > clock_timestamp() AS ahead FROM session.sessions;
DELETE FROM session.sessions;

-- In a READ ONLY transaction validation works, records the use in shared
-- memory and writes nothing.
SELECT id, token FROM session_create('alice', idle_timeout => '2 hours') \gset
CALL pg_temp.pass('1 hour');
SELECT ctid FROM session.sessions \gset
BEGIN READ ONLY;
SELECT count(*) AS valid FROM session_validate(:'token');
SELECT session_status(:'token'), session_is_valid(:'token'), session_data(:'token');
COMMIT;
SELECT ctid = :'ctid' AS untouched FROM session.sessions;
SELECT pg_temp.is_recent(last_seen_at) AS seen FROM session_get(:'id');
CALL pg_temp.pass('90 minutes');
SELECT session_status(:'token');
SELECT ctid FROM session.sessions \gset
SET default_transaction_read_only = on;
SELECT count(*) AS valid FROM session_validate(:'token');
RESET default_transaction_read_only;
SELECT ctid = :'ctid' AS untouched FROM session.sessions;
SELECT pg_temp.is_recent(last_seen_at) AS seen FROM session_get(:'id');

-- Validation assigns no transaction id, even if there is a use to record.
BEGIN READ ONLY;
SELECT count(*) AS valid FROM session_validate(:'token');
SELECT pg_current_xact_id_if_assigned() IS NULL AS no_xid;
COMMIT;
CALL pg_temp.pass('1 hour');
BEGIN;
SELECT count(*) AS valid FROM session_validate(:'token');
SELECT count(*) AS valid FROM session_validate('st_' || repeat('A', 64));
SELECT session_status(:'token'), session_data(:'token');
SELECT pg_current_xact_id_if_assigned() IS NULL AS no_xid;
COMMIT;

-- A use counts even if its transaction rolls back.  If a round of upkeep rolls
-- back, the uses that it wrote are not lost.
CALL pg_temp.pass('1 hour');
BEGIN;
SELECT pg_temp.is_recent(last_seen_at) AS seen FROM session_validate(:'token');
ROLLBACK;
SELECT pg_temp.is_recent(last_seen_at) AS seen FROM session_get(:'id');
BEGIN;
SELECT session_cleanup();
SELECT pg_temp.is_recent(last_seen_at) AS seen FROM session.sessions;
ROLLBACK;
SELECT pg_temp.is_recent(last_seen_at) AS seen FROM session.sessions;
SELECT pg_temp.is_recent(last_seen_at) AS seen FROM session_get(:'id');

-- session_touch is not throttled: it writes the row.
SELECT session_touch(:'token');
SELECT ctid FROM session.sessions \gset
SELECT session_touch(:'token');
SELECT ctid <> :'ctid' AS written, pg_temp.is_recent(last_seen_at) AS seen FROM session.sessions;

-- Unlike validation, session_touch needs a transaction that may write.
\set VERBOSITY sqlstate
BEGIN READ ONLY;
SELECT session_touch(:'token');
ROLLBACK;

DROP VIEW changed;
DROP EXTENSION session;
