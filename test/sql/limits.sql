-- Limits: how many live sessions a user may have within a tenant.
CREATE EXTENSION session;
\getenv here PG_ABS_SRCDIR
\i :here/sql/include/helpers.sql

-- Creates a session one minute after the last one, and stores its token under
-- a name.
CREATE TEMP TABLE made (name text PRIMARY KEY, token text);
CREATE PROCEDURE pg_temp.make(name text, arguments text) LANGUAGE plpgsql AS $$
BEGIN
    CALL pg_temp.pass('1 minute');
    EXECUTE format('INSERT INTO made SELECT %L, token FROM session_create(%s)',
                   name, arguments);
END
$$;
CREATE TEMP VIEW state AS
SELECT name, session_status(token) AS status,
       (SELECT revoked_reason FROM session.sessions
         WHERE id = encode(substr(pg_temp.bytes_of(token), 1, 16), 'hex')::uuid) AS reason
  FROM made ORDER BY name COLLATE "C";
CREATE PROCEDURE pg_temp.start_over() LANGUAGE sql AS $$
    DELETE FROM session.sessions;
    DELETE FROM made;
$$;

-- There is no limit by default.
DO $$ BEGIN FOR n IN 1 .. 5 LOOP CALL pg_temp.make('s' || n, $a$ 'alice' $a$); END LOOP; END $$;
SELECT count(*) FILTER (WHERE status = 'active') AS live FROM state;
CALL pg_temp.start_over();

-- At the limit, the oldest session of the user is evicted.
SET session.max_sessions = 2;
CALL pg_temp.make('1st', $$ 'alice' $$);
CALL pg_temp.make('2nd', $$ 'alice', id => 'ffffffff-ffff-4fff-bfff-ffffffffffff' $$);
TABLE state;
CALL pg_temp.make('3rd', $$ 'alice' $$);
TABLE state;
CALL pg_temp.make('4th', $$ 'alice', id => '00000000-0000-4000-8000-000000000000' $$);
TABLE state;

-- The oldest session is the one created first, whatever its id and its last
-- use.
SELECT session_touch(token) FROM made WHERE name = '3rd';
SELECT count(*) AS refreshed FROM made, session_refresh(token) WHERE name = '3rd';
CALL pg_temp.make('5th', $$ 'alice' $$);
TABLE state;
CALL pg_temp.start_over();

-- The limit holds for one user in one tenant.  Sessions without a tenant count
-- together, like those of a tenant.
SET session.max_sessions = 1;
CALL pg_temp.make('alice', $$ 'alice' $$);
CALL pg_temp.make('alice at acme', $$ 'alice', tenant_id => 'acme' $$);
CALL pg_temp.make('alice at bolt', $$ 'alice', tenant_id => 'bolt' $$);
CALL pg_temp.make('bob at acme', $$ 'bob', tenant_id => 'acme' $$);
CALL pg_temp.make('Alice at acme', $$ 'Alice', tenant_id => 'acme' $$);
TABLE state;
CALL pg_temp.make('alice at acme, again', $$ 'alice', tenant_id => 'acme' $$);
TABLE state;
CALL pg_temp.make('alice, again', $$ 'alice' $$);
TABLE state;
CALL pg_temp.start_over();

-- Anonymous sessions have no limit, not even in a tenant.
DO $$ BEGIN FOR n IN 1 .. 5 LOOP
    CALL pg_temp.make('s' || n, $a$ NULL, tenant_id => 'acme', max_sessions => 1 $a$);
END LOOP; END $$;
SELECT count(*) FILTER (WHERE status = 'active') AS live FROM state;
CALL pg_temp.start_over();

-- With on_limit = reject, no session is created beyond the limit.
SET session.max_sessions = 2;
SET session.on_limit = reject;
CALL pg_temp.make('1st', $$ 'alice' $$);
CALL pg_temp.make('2nd', $$ 'alice' $$);
\set VERBOSITY sqlstate
CALL pg_temp.make('3rd', $$ 'alice' $$);
\set VERBOSITY default
\set SHOW_CONTEXT never
SELECT id FROM session_create('alice');
TABLE state;
SELECT count(*) AS rows FROM session.sessions;
SELECT count(*) AS made FROM session_create('bob');
SELECT count(*) AS made FROM session_create('alice', tenant_id => 'acme');
DELETE FROM session.sessions WHERE user_id = 'bob' OR tenant_id = 'acme';

-- Ended sessions do not count, however they ended, although their rows still
-- exist.
SELECT session_revoke(token) FROM made WHERE name = '1st';
CALL pg_temp.make('3rd', $$ 'alice', lifetime => '1 hour' $$);
CALL pg_temp.pass('1 hour');
CALL pg_temp.make('4th', $$ 'alice', idle_timeout => '10 minutes' $$);
CALL pg_temp.pass('10 minutes');
CALL pg_temp.make('5th', $$ 'alice' $$);
TABLE state;
SELECT pg_temp.error_of($$ session_create('alice') $$);
CALL pg_temp.start_over();

-- Ended sessions are not evicted either.
SET session.on_limit = evict;
CALL pg_temp.make('1st', $$ 'alice', lifetime => '1 minute' $$);
CALL pg_temp.make('2nd', $$ 'alice' $$);
CALL pg_temp.make('3rd', $$ 'alice' $$);
CALL pg_temp.make('4th', $$ 'alice' $$);
TABLE state;
CALL pg_temp.start_over();

-- The max_sessions argument overrides the setting: it can raise, lower or
-- remove the limit.
DO $$ BEGIN FOR n IN 1 .. 4 LOOP
    CALL pg_temp.make('s' || n, $a$ 'alice', max_sessions => 4 $a$);
END LOOP; END $$;
SELECT count(*) FILTER (WHERE status = 'active') AS live FROM state;
CALL pg_temp.make('s5', $$ 'alice', max_sessions => 0 $$);
SELECT count(*) FILTER (WHERE status = 'active') AS live FROM state;
CALL pg_temp.make('s6', $$ 'alice', max_sessions => 3 $$);
TABLE state;
CALL pg_temp.make('s7', $$ 'alice', max_sessions => NULL $$);
TABLE state;
CALL pg_temp.start_over();
RESET session.max_sessions;
SET session.on_limit = reject;
CALL pg_temp.make('s1', $$ 'alice' $$);
SELECT pg_temp.error_of($$ session_create('alice', max_sessions => 1) $$),
       pg_temp.error_of($$ session_create('alice', max_sessions => 2) $$);
CALL pg_temp.start_over();

-- An anonymous session that logs in counts as one more session of the user.
SET session.max_sessions = 2;
SET session.on_limit = evict;
CALL pg_temp.make('visit', 'NULL');
CALL pg_temp.make('1st', $$ 'alice' $$);
CALL pg_temp.make('2nd', $$ 'alice' $$);
UPDATE made SET token = (SELECT r.token FROM session_regenerate(made.token, 'alice') AS r)
 WHERE name = 'visit';
TABLE state;
SELECT user_id FROM made, session_validate(token) WHERE name = 'visit';

-- Regenerating a session that is logged in does not count: the session counts
-- already.
UPDATE made SET token = (SELECT r.token FROM session_regenerate(made.token, 'alice', auth_level => 2) AS r)
 WHERE name = 'visit';
TABLE state;
CALL pg_temp.start_over();

-- With on_limit = reject, a login beyond the limit fails, and the anonymous
-- session stays valid.
SET session.on_limit = reject;
CALL pg_temp.make('visit', $$ NULL, tenant_id => 'acme' $$);
CALL pg_temp.make('1st', $$ 'alice', tenant_id => 'acme' $$);
CALL pg_temp.make('2nd', $$ 'alice', tenant_id => 'acme' $$);
SELECT pg_temp.error_of(format('session_regenerate(%L, ''alice'')', token))
  FROM made WHERE name = 'visit';
SELECT user_id, auth_level FROM made, session_validate(token) WHERE name = 'visit';

-- The limit that applies is that of the tenant of the session.
SELECT count(session_create('bob')) AS made FROM generate_series(1, 2);
SELECT count(*) AS logged_in
  FROM made, session_regenerate(token, 'bob') WHERE name = 'visit';
CALL pg_temp.start_over();

-- Sessions whose creation was rolled back do not count.
SET session.max_sessions = 1;
BEGIN;
SELECT count(*) AS made FROM session_create('alice');
SELECT pg_temp.error_of($$ session_create('alice') $$);
ROLLBACK;
SELECT count(*) AS made FROM session_create('alice');

-- An eviction that is rolled back did not happen.
SET session.on_limit = evict;
CALL pg_temp.start_over();
CALL pg_temp.make('1st', $$ 'alice' $$);
BEGIN;
SELECT count(*) AS made FROM session_create('alice');
TABLE state;
ROLLBACK;
TABLE state;

-- The limit also holds within one transaction.
BEGIN;
SELECT count(session_create('alice', max_sessions => 3)) AS made FROM generate_series(1, 20);
SELECT count(*) AS listed FROM session_list('alice');
COMMIT;
SELECT count(*) AS listed FROM session_list('alice');

DROP VIEW state;
DROP EXTENSION session;
