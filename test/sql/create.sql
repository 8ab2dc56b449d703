-- Creating sessions: arguments, defaults, ids and errors.
CREATE EXTENSION session;
\getenv here PG_ABS_SRCDIR
\i :here/sql/include/helpers.sql

-- Without arguments the session is anonymous, and the settings determine the
-- rest.
SELECT * FROM session_create() \gset
SELECT user_id, tenant_id, role, auth_level, data, ip, user_agent,
       authenticated_at, refreshed_at, expires_at - created_at AS lifetime,
       idle_timeout, max_expires_at, revoked_at, revoked_reason
  FROM session.sessions \gx

-- The credentials match the row, and there is no refresh token.
SELECT id = :'id' AS same_id, expires_at = :'expires_at' AS same_deadline,
       pg_temp.is_recent(created_at) AS made_now,
       last_seen_at = created_at AS seen_when_made
  FROM session.sessions;
SELECT refresh_token, refresh_expires_at FROM session_create();

-- The columns of refreshable sessions are NULL.
SELECT count(*) AS rows, count(refresh_key) AS keys,
       count(refresh_generation) AS generations,
       count(refresh_expires_at) AS deadlines, count(rotated_at) AS rotations
  FROM session.sessions;
DELETE FROM session.sessions;

-- Every argument is stored in the row.
SELECT * FROM session_create(
    user_id => 'alice',
    data => '{"cart": [1, 2], "theme": null}',
    tenant_id => 'acme',
    role => 'customer',
    ip => '2001:db8::17',
    user_agent => 'Mozilla/5.0 (Ärger)',
    lifetime => '90 minutes',
    idle_timeout => '15 minutes',
    auth_level => 2,
    refreshable => false,
    max_sessions => 3,
    id => '7d444840-9dc0-41d1-b245-5ffdce74fad2') \gset
SELECT id, user_id, tenant_id, role, auth_level, data, ip, user_agent,
       authenticated_at = created_at AS authenticated_when_made,
       expires_at - created_at AS lifetime, idle_timeout
  FROM session.sessions \gx

-- session_validate returns the same session.
SELECT id = :'id' AS same_id, status, user_id, tenant_id, role, auth_level,
       data, ip, user_agent, pg_temp.is_recent(created_at) AS made_now,
       authenticated_at = created_at AS authenticated_when_made,
       expires_at - last_seen_at AS ends_after, current
  FROM session_validate(:'token') \gx

-- The returned deadline is the effective one: here the idle timeout, from this
-- use on.
SELECT expires_at - last_seen_at AS ends_after, pg_temp.is_recent(last_seen_at) AS seen_now FROM session_validate(:'token');
DELETE FROM session.sessions;

-- The order of arguments is user_id, data, tenant_id, role, ip, user_agent, ...
SELECT id FROM session_create('bob', '{"a": 1}', 'acme', 'clerk', '10.0.0.1', 'curl',
                              '1 hour', '10 minutes', 3, false, 5,
                              'a987fbc9-4bed-4078-8f07-9141ba07c9f3');
SELECT user_id, data, tenant_id, role, ip, user_agent, auth_level
  FROM session.sessions;
DELETE FROM session.sessions;

-- NULL means the default, except for the data.
SELECT id FROM session_create(NULL, '{}', NULL, NULL, NULL, NULL, NULL, NULL,
                              NULL, NULL, NULL, NULL) \gset
SELECT user_id, auth_level, expires_at - created_at AS lifetime, idle_timeout
  FROM session.sessions;
SELECT id FROM session_create('alice', auth_level => NULL) \gset
SELECT auth_level FROM session.sessions WHERE user_id = 'alice';
DELETE FROM session.sessions;

-- A session that goes on from another system keeps the time at which its user
-- authenticated. Such a time is not in the future. One without a user is ignored.
SELECT now() - interval '1 hour' AS hour_ago \gset
SELECT id, token FROM session_create('alice', authenticated_at => :'hour_ago') \gset
SELECT pg_temp.is_recent(created_at) AS made_now, authenticated_at = :'hour_ago' AS kept
  FROM session_validate(:'token');
BEGIN;
SELECT session_authenticate(:'token');
SELECT session_require(max_age => '61 minutes');
SELECT pg_temp.error_of($$ session_require(max_age => '59 minutes') $$);
COMMIT;
SELECT pg_temp.error_of(format('session_create(%L, authenticated_at => %L)', user_id, at)) AS error
  FROM (VALUES ('alice', now() + interval '1 minute'), ('alice', 'infinity'), ('alice', '-infinity'),
               (NULL, now() - interval '1 hour')) AS t (user_id, at);
SELECT count(*) AS anonymous FROM session.sessions WHERE user_id IS NULL AND authenticated_at IS NULL;
DELETE FROM session.sessions;

-- Ids are UUIDv7: version 7, the variant of RFC 9562, the time of creation in milliseconds.
SELECT count(session_create()) AS made FROM generate_series(1, 1000);
SELECT count(*) AS ids,
       substr(id::text, 15, 1) AS version,
       substr(id::text, 20, 1) IN ('8', '9', 'a', 'b') AS variant,
       ('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint =
           floor(extract(epoch FROM created_at) * 1000) AS has_time
  FROM session.sessions
 GROUP BY version, variant, has_time;

-- Ids sort by time of creation, also within a millisecond.
SELECT count(*) AS out_of_order
  FROM (SELECT id < lag(id) OVER (ORDER BY created_at, id) AS is_lower
          FROM session.sessions) AS ordered
 WHERE is_lower;

-- The rest of an id is random: its last 62 bits are never the same.
SELECT count(DISTINCT right(id::text, 15)) AS tails FROM session.sessions;
DELETE FROM session.sessions;

-- The id of the caller is used unchanged, also if it is a UUIDv4.
SELECT id, token FROM session_create('alice', id => '9c5b94b1-35ad-49bb-b118-8e8fc24abf80') \gset
SELECT :'id' AS id, session_status(:'token');

-- An id that exists is a unique violation, and the first session is not
-- changed.
\set SHOW_CONTEXT never
SELECT id FROM session_create('bob', id => '9c5b94b1-35ad-49bb-b118-8e8fc24abf80');
\set VERBOSITY sqlstate
SELECT id FROM session_create('bob', id => :'id');
SELECT user_id FROM session_validate(:'token');

-- The id exists as long as there is a row with it, also after the end of the
-- session.
SELECT session_revoke(:'token');
SELECT id FROM session_create('bob', id => :'id');
SELECT count(*) AS sessions, count(*) FILTER (WHERE user_id = 'bob') AS of_bob
  FROM session.sessions;
DELETE FROM session.sessions;

-- An invalid argument is an error that names it.
SELECT pg_temp.error_of('session_create(' || arguments || ')') AS error, arguments
  FROM unnest(ARRAY[
    $$ user_id => '' $$,
    $$ tenant_id => '' $$,
    $$ role => '' $$,
    $$ user_id => repeat('x', 1025) $$,
    $$ tenant_id => repeat('x', 1025) $$,
    $$ role => repeat('x', 64) $$,
    $$ user_id => repeat('x', 10 * 1024 * 1024) $$,
    $$ data => '[]' $$,
    $$ data => '"text"' $$,
    $$ data => '1' $$,
    $$ data => 'true' $$,
    $$ data => 'null' $$,
    $$ data => '[{"a": 1}]' $$,
    $$ data => jsonb_build_object('k', repeat('x', 65536)) $$,
    $$ lifetime => '0' $$,
    $$ lifetime => '-1 second' $$,
    $$ lifetime => '70 years' $$,
    $$ lifetime => '178000000 years' $$,
    $$ lifetime => '1 day -25 hours' $$,
    $$ idle_timeout => '-1 microsecond' $$,
    $$ idle_timeout => '70 years' $$,
    $$ auth_level => -1 $$,
    $$ auth_level => 2 $$,
    $$ 'alice', auth_level => -1 $$,
    $$ max_sessions => -1 $$]) AS arguments;

-- Values just within the limits are accepted.
SELECT pg_temp.error_of('session_create(' || arguments || ')') AS error, arguments
  FROM unnest(ARRAY[
    $$ repeat('x', 1024), tenant_id => repeat('y', 1024), role => repeat('z', 63) $$,
    $$ lifetime => '1 microsecond' $$,
    $$ lifetime => '68 years' $$,
    $$ idle_timeout => '0' $$,
    $$ idle_timeout => '68 years' $$,
    $$ auth_level => 0 $$,
    $$ 'alice', auth_level => 0 $$,
    $$ 'alice', auth_level => 2147483647 $$,
    $$ max_sessions => 0 $$,
    $$ max_sessions => 2147483647 $$,
    $$ refreshable => NULL $$,
    $$ refreshable => true $$,
    $$ refreshable => true, lifetime => '68 years' $$]) AS arguments;

-- A failed call creates no session: there are only these.
SELECT count(*) AS sessions FROM session.sessions;
DELETE FROM session.sessions;

-- The detail of an error gives the limit.
\set VERBOSITY default
SELECT id FROM session_create('');
SELECT id FROM session_create(repeat('x', 1025));
SELECT id FROM session_create(data => jsonb_build_object('k', repeat('x', 65536)));
SELECT id FROM session_create(id => 'no uuid');
\set VERBOSITY sqlstate

-- Names are compared byte by byte and may contain any character.
SELECT token FROM session_create(E'O\'Brien \\ "x"; -- ü', tenant_id => ' ') \gset
SELECT user_id = E'O\'Brien \\ "x"; -- ü' AS user_id, tenant_id = ' ' AS tenant_id
  FROM session_validate(:'token');

-- Intervals have fixed lengths: a month is 30 days and a day is 24 hours.
SELECT id FROM session_create(lifetime => '1 month 2 days 3 hours') \gset
SELECT expires_at - created_at AS lifetime FROM session.sessions WHERE id = :'id';
DELETE FROM session.sessions;
SET TimeZone = 'Europe/Berlin';
SELECT id FROM session_create(lifetime => '1 year') \gset
SELECT extract(epoch FROM expires_at - created_at) / 3600 / 24 AS days
  FROM session.sessions;
SET TimeZone = 'UTC';
DELETE FROM session.sessions;

-- A user agent is truncated to 1024 bytes.
SELECT id FROM session_create(user_agent => 'A' || repeat('x', 5000)) \gset
SELECT octet_length(user_agent) AS bytes, left(user_agent, 2) AS start
  FROM session.sessions;
DELETE FROM session.sessions;

-- In a multibyte encoding, truncation removes whole characters.
SELECT id FROM session_create(user_agent => 'A' || repeat('é', 600)) \gset
SELECT octet_length(user_agent) = CASE getdatabaseencoding() WHEN 'UTF8' THEN 1023 ELSE 1024 END AS whole
  FROM session.sessions;
DELETE FROM session.sessions;

-- A new session is visible in its own transaction and is gone after a
-- rollback.
BEGIN;
SELECT token FROM session_create('alice') \gset
SELECT session_status(:'token');
ROLLBACK;
SELECT session_status(:'token');
BEGIN;
SAVEPOINT before;
SELECT token FROM session_create('alice') \gset
ROLLBACK TO before;
SELECT session_status(:'token');
COMMIT;

-- A READ ONLY transaction cannot create a session.
BEGIN READ ONLY;
SELECT id FROM session_create('alice');
ROLLBACK;
SELECT count(*) AS sessions FROM session.sessions;

DROP EXTENSION session;
