-- Timeouts: absolute, idle and sliding, the cap, and what changes them.
CREATE EXTENSION session;
\getenv here PG_ABS_SRCDIR
\i :here/sql/include/helpers.sql
CREATE TEMP VIEW deadlines AS
SELECT user_id,
       CASE expires_at WHEN 'infinity' THEN 'none'
            ELSE (expires_at - created_at)::text END AS hard,
       idle_timeout AS idle, max_expires_at - created_at AS cap
  FROM session.sessions ORDER BY created_at, id;

-- A session lives for a day by default, however much it is used.
SELECT token FROM session_create('alice') \gset
TABLE deadlines;
CALL pg_temp.pass('23 hours 59 minutes');
SELECT status FROM session_validate(:'token');
SELECT session_touch(:'token');
TABLE deadlines;
CALL pg_temp.pass('1 minute');
SELECT session_status(:'token'), session_is_valid(:'token'), session_is_expired(:'token');
SELECT count(*) AS rows FROM session_validate(:'token');
DELETE FROM session.sessions;

-- The lifetime argument is for "remember me", the setting for all others.
SET session.lifetime = '8h';
SELECT token FROM session_create('alice') \gset
SELECT token AS remembered FROM session_create('bob', lifetime => '30 days') \gset
TABLE deadlines;
CALL pg_temp.pass('8 hours');
SELECT session_status(:'token') AS alice, session_status(:'remembered') AS bob;
CALL pg_temp.pass('29 days 15 hours 59 minutes');
SELECT session_status(:'remembered') AS bob;
CALL pg_temp.pass('1 minute');
SELECT session_status(:'remembered') AS bob;
DELETE FROM session.sessions;

-- A session keeps the settings of the moment it was created.
SELECT token FROM session_create('alice') \gset
SET session.lifetime = '1min';
SET session.idle_timeout = '1min';
SET session.max_lifetime = '1min';
CALL pg_temp.pass('7 hours');
SELECT session_status(:'token');
TABLE deadlines;
RESET session.lifetime;
RESET session.idle_timeout;
RESET session.max_lifetime;
DELETE FROM session.sessions;

-- A session that is not used for its idle timeout ends; every use restarts it.
SET session.idle_timeout = '30min';
SELECT token FROM session_create('alice') \gset
TABLE deadlines;
CALL pg_temp.pass('29 minutes');
SELECT expires_at - last_seen_at AS ends_after FROM session_validate(:'token');
CALL pg_temp.pass('29 minutes');
SELECT session_status(:'token');
CALL pg_temp.pass('1 minute');
SELECT session_status(:'token'), session_is_valid(:'token'), session_is_expired(:'token');
SELECT count(*) AS rows FROM session_validate(:'token');
DELETE FROM session.sessions;

-- session_status() is not a use.
SELECT token FROM session_create('alice') \gset
CALL pg_temp.pass('29 minutes');
SELECT session_status(:'token'), session_is_valid(:'token'), session_is_expired(:'token');
CALL pg_temp.pass('1 minute');
SELECT session_status(:'token'), session_is_valid(:'token'), session_is_expired(:'token');
DELETE FROM session.sessions;

-- The idle_timeout argument overrides the setting; zero means none.
SELECT token AS short FROM session_create('alice', idle_timeout => '5 minutes') \gset
SELECT token AS long FROM session_create('bob', idle_timeout => '2 hours') \gset
SELECT token AS never FROM session_create('carol', idle_timeout => '0') \gset
TABLE deadlines;
CALL pg_temp.pass('5 minutes');
SELECT session_status(:'short') AS alice, session_status(:'long') AS bob, session_status(:'never') AS carol;
CALL pg_temp.pass('1 hour 55 minutes');
SELECT session_status(:'short') AS alice, session_status(:'long') AS bob, session_status(:'never') AS carol;
CALL pg_temp.pass('22 hours');
SELECT session_status(:'short') AS alice, session_status(:'long') AS bob, session_status(:'never') AS carol;
RESET session.idle_timeout;
DELETE FROM session.sessions;

-- A session whose uses are as far apart as its idle timeout allows still ends
-- at its hard deadline.
SELECT token FROM session_create('alice', lifetime => '1 hour', idle_timeout => '50 minutes') \gset
CALL pg_temp.pass('40 minutes');
SELECT expires_at - created_at AS ends_after FROM session_validate(:'token');
CALL pg_temp.pass('20 minutes');
SELECT session_status(:'token');
DELETE FROM session.sessions;

-- With sliding, every use restarts the lifetime, and there is no hard
-- deadline.
SET session.sliding = on;
SELECT token FROM session_create('alice', lifetime => '1 hour') \gset
SELECT user_id, expires_at, idle_timeout, max_expires_at FROM session.sessions;
SELECT expires_at - last_seen_at AS ends_after FROM session_validate(:'token');
CALL pg_temp.pass('59 minutes');
SELECT expires_at - created_at > '1 hour 58 minutes' AS moved FROM session_validate(:'token');
CALL pg_temp.pass('59 minutes');
SELECT session_status(:'token');
CALL pg_temp.pass('1 minute');
SELECT session_status(:'token');
DELETE FROM session.sessions;

-- Then the lifetime setting is the idle timeout, unless the call gives a
-- shorter one.
SELECT id FROM session_create('default') \gset
SELECT id FROM session_create('shorter', idle_timeout => '1 hour') \gset
SELECT id FROM session_create('longer', idle_timeout => '48 hours') \gset
SELECT id FROM session_create('none', idle_timeout => '0') \gset
TABLE deadlines;
DELETE FROM session.sessions;

-- The cap is the hard deadline of a sliding session.
SET session.max_lifetime = '90min';
SELECT token FROM session_create('alice', lifetime => '1 hour') \gset
TABLE deadlines;
CALL pg_temp.pass('50 minutes');
SELECT expires_at - created_at AS ends_after FROM session_validate(:'token');
CALL pg_temp.pass('39 minutes');
SELECT session_status(:'token');
CALL pg_temp.pass('1 minute');
SELECT session_status(:'token');
RESET session.sliding;
DELETE FROM session.sessions;

-- Without sliding no lifetime goes past the cap.
SELECT id FROM session_create('alice', lifetime => '30 days') \gset
SELECT id FROM session_create('bob', lifetime => '10 minutes') \gset
TABLE deadlines;
DELETE FROM session.sessions;

-- Refresh starts the lifetime again, with the same id and token.
RESET session.max_lifetime;
SELECT id, token FROM session_create('alice', lifetime => '1 hour') \gset
CALL pg_temp.pass('50 minutes');
SELECT id = :'id' AS same_id, token = :'token' AS same_token,
       refresh_token, refresh_expires_at,
       date_trunc('minute', expires_at - clock_timestamp() + '30 seconds') AS ends_in
  FROM session_refresh(:'token');
SELECT date_trunc('minute', expires_at - created_at + '30 seconds') AS lifetime,
       expires_at - refreshed_at AS since_refresh,
       pg_temp.is_recent(created_at) AS created_moved,
       pg_temp.is_recent(refreshed_at) AS refreshed_now,
       pg_temp.is_recent(last_seen_at) AS seen_now,
       pg_temp.is_recent(authenticated_at) AS authenticated_moved
  FROM session.sessions;

-- Each refresh uses the session's own lifetime, whatever the setting is now.
SET session.lifetime = '5min';
CALL pg_temp.pass('59 minutes');
SELECT date_trunc('minute', expires_at - clock_timestamp() + '30 seconds') AS ends_in
  FROM session_refresh(:'token');
CALL pg_temp.pass('59 minutes');
SELECT date_trunc('minute', expires_at - clock_timestamp() + '30 seconds') AS ends_in
  FROM session_refresh(:'token');
CALL pg_temp.pass('1 hour');
SELECT count(*) AS rows FROM session_refresh(:'token');
SELECT session_status(:'token');
RESET session.lifetime;
DELETE FROM session.sessions;

-- A refresh does not extend a session past its cap, and does not move the cap.
SET session.max_lifetime = '100min';
SELECT token FROM session_create('alice', lifetime => '1 hour') \gset
TABLE deadlines;
CALL pg_temp.pass('30 minutes');
SELECT count(*) AS refreshed FROM session_refresh(:'token');
SELECT date_trunc('minute', hard::interval + '30 seconds') AS hard, cap FROM deadlines;
CALL pg_temp.pass('30 minutes');
SELECT count(*) AS refreshed FROM session_refresh(:'token');
TABLE deadlines;
CALL pg_temp.pass('30 minutes');
SELECT count(*) AS refreshed FROM session_refresh(:'token');
TABLE deadlines;
CALL pg_temp.pass('10 minutes');
SELECT session_status(:'token');
SELECT count(*) AS refreshed FROM session_refresh(:'token');
RESET session.max_lifetime;
DELETE FROM session.sessions;

-- Refreshing a sliding session is using it.
SET session.sliding = on;
SELECT token FROM session_create('alice', lifetime => '1 hour') \gset
CALL pg_temp.pass('50 minutes');
SELECT date_trunc('minute', expires_at - clock_timestamp() + '30 seconds') AS ends_in
  FROM session_refresh(:'token');
SELECT expires_at, idle_timeout FROM session.sessions;
RESET session.sliding;
DELETE FROM session.sessions;

-- A session that is past both deadlines is expired, not idle.
SELECT token FROM session_create('alice', lifetime => '1 hour', idle_timeout => '10 minutes') \gset
CALL pg_temp.pass('10 minutes');
SELECT session_status(:'token');
CALL pg_temp.pass('50 minutes');
SELECT session_status(:'token');
DELETE FROM session.sessions;

-- The clock advances within a transaction: a session can expire while it runs.
SELECT token FROM session_create('alice') \gset
BEGIN;
SELECT session_status(:'token');
UPDATE session.sessions SET expires_at = clock_timestamp();
SELECT expires_at > now() AS after_begin, session_status(:'token') FROM session.sessions;
ROLLBACK;
BEGIN;
SELECT now() AS begun \gset
UPDATE session.sessions SET idle_timeout = '1 microsecond', last_seen_at = clock_timestamp();
SELECT last_seen_at > :'begun' AS after_begin, session_status(:'token') FROM session.sessions;
ROLLBACK;
DELETE FROM session.sessions;

-- At the moment of its deadline a session has expired.
SELECT token FROM session_create('alice') \gset
UPDATE session.sessions SET expires_at = clock_timestamp();
SELECT session_status(:'token');
DELETE FROM session.sessions;

-- purge_at is the effective deadline, rounded up to the hour.  If uses move
-- the deadline, it is an hour later.
SELECT token FROM session_create('alice', lifetime => '100 minutes') \gset
SELECT id FROM session_create('bob', lifetime => '10 days', idle_timeout => '7 hours') \gset
SELECT user_id, purge_at = date_trunc('hour', purge_at) AS on_the_hour,
       purge_at >= deadline AS not_before,
       purge_at < deadline + CASE WHEN idle_timeout IS NULL THEN '1 hour' ELSE '2 hours' END::interval AS soon_after
  FROM (SELECT *, least(expires_at, last_seen_at + idle_timeout) AS deadline
          FROM session.sessions) AS s
 ORDER BY user_id;
DELETE FROM session.sessions WHERE user_id = 'bob';

-- When purge_at must move, it moves an hour further, and then stays for that
-- hour.
UPDATE session.sessions SET expires_at = date_trunc('hour', expires_at) + '5 hours';
SELECT session_touch(:'token');
SELECT purge_at - expires_at AS rounded_by FROM session.sessions;
UPDATE session.sessions SET expires_at = expires_at + '1 microsecond';
SELECT session_touch(:'token');
SELECT purge_at - expires_at AS rounded_by FROM session.sessions;

-- It follows the deadline, in steps of an hour.
UPDATE session.sessions SET idle_timeout = '6 hours', expires_at = 'infinity';
SELECT session_touch(:'token');
SELECT purge_at - date_trunc('hour', last_seen_at) IN ('7 hours', '8 hours') AS follows FROM session.sessions;
UPDATE session.sessions SET idle_timeout = NULL;
SELECT session_touch(:'token');
SELECT purge_at FROM session.sessions;

DROP VIEW deadlines;
DROP EXTENSION session;
