-- session.directory, the view of all sessions for administrators, and
-- session_revoke_ids, which ends the sessions that a query selects.
CREATE EXTENSION session;
\getenv here PG_ABS_SRCDIR
\i :here/sql/include/helpers.sql
CREATE ROLE regress_session_boss;
CREATE ROLE regress_session_clerk;
SELECT session_grant('regress_session_boss', 'admin');
SELECT session_grant('regress_session_clerk', 'app');

-- Sessions of each status, each created a minute after the one before.
CREATE TEMP TABLE made (n int, id uuid, token text);
GRANT SELECT ON made TO PUBLIC;
CREATE PROCEDURE pg_temp.make(n int, arguments text) LANGUAGE plpgsql AS $$
BEGIN
    CALL pg_temp.pass('1 minute');
    EXECUTE format('INSERT INTO made SELECT %s, id, token FROM session_create(%s)', n, arguments);
END
$$;
CALL pg_temp.make(1, $$ 'ada', tenant_id => 'acme', data => '{"a": 1}', ip => '10.0.0.7', user_agent => 'Firefox', role => 'clerk', auth_level => 2 $$);
CALL pg_temp.make(2, $$ 'ada', ip => '192.0.2.2', idle_timeout => '1 hour' $$);
CALL pg_temp.make(3, $$ 'ben', tenant_id => 'acme', ip => '10.1.2.3', refreshable => true $$);
CALL pg_temp.make(4, $$ NULL, ip => '2001:db8::1' $$);
CALL pg_temp.make(5, $$ 'eve', ip => '10.9.9.9' $$);
SELECT session_revoke(token) FROM made WHERE n = 5;
UPDATE session.sessions SET expires_at = clock_timestamp() WHERE id = (SELECT id FROM made WHERE n = 4);

-- The view has the columns of session_info, in their order.
SELECT count(*) AS columns, bool_and(i.attname = d.attname AND i.atttypid = d.atttypid) AS same
  FROM (SELECT * FROM pg_attribute WHERE attrelid = 'session_info'::regclass AND attnum > 0) AS i
  FULL JOIN (SELECT * FROM pg_attribute WHERE attrelid = 'session.directory'::regclass AND attnum > 0) AS d USING (attnum);

-- It shows every session as session_get does, to an administrator who is no
-- superuser.
SET ROLE regress_session_boss;
SELECT n, status, user_id, tenant_id, role, auth_level, data, ip, user_agent
  FROM session.directory JOIN made USING (id) ORDER BY n;
SELECT count(*) AS same FROM session.directory AS d, session_get(d.id) AS g
 WHERE row(d.*)::text = row(g.*)::text;
SELECT n FROM session.directory JOIN made USING (id) WHERE ip <<= '10.0.0.0/8' ORDER BY created_at DESC LIMIT 2;
SELECT tenant_id, count(*) FROM session.directory WHERE status = 'active' GROUP BY tenant_id ORDER BY tenant_id;
SELECT id FROM made WHERE n = 3 \gset
SELECT array_agg(n ORDER BY n) AS after FROM session.directory JOIN made USING (id) WHERE directory.id > :'id';
RESET ROLE;

-- It also does in a READ ONLY transaction. current marks the session that the
-- transaction validated, and last_seen_at includes a use that is not written.
CALL pg_temp.pass('5 minutes');
SELECT token FROM made WHERE n = 2 \gset
BEGIN READ ONLY;
SELECT count(*) AS validated FROM session_validate(:'token');
SET LOCAL ROLE regress_session_boss;
SELECT n, current, pg_temp.is_recent(last_seen_at) AS used, expires_at - last_seen_at AS idle_timeout
  FROM session.directory JOIN made USING (id) WHERE user_id = 'ada' ORDER BY n;
COMMIT;

-- An idle timeout ends a session as everywhere else.
CALL pg_temp.pass('2 hours');
SELECT n, d.status, g.status AS got, d.expires_at = g.expires_at AS same
  FROM made JOIN session.directory AS d USING (id), session_get(made.id) AS g ORDER BY n;

-- So do policies and the end of all sessions, in the next statement.
BEGIN;
SELECT session_policy_set(tenant_id => 'acme', lifetime => '1 hour');
SELECT n, d.status, g.status AS got, d.expires_at = g.expires_at AS same
  FROM made JOIN session.directory AS d USING (id), session_get(made.id) AS g WHERE d.tenant_id = 'acme' ORDER BY n;
SELECT session_revoke_all() IS NOT NULL AS ended;
SELECT status, count(*) FROM session.directory GROUP BY status;
ROLLBACK;
SELECT status, count(*) FROM session.directory GROUP BY status ORDER BY status;

-- The data of a session is there for a role that may call session_get, which
-- is decided once for a statement. Another role that was given the view sees
-- NULL.
REVOKE EXECUTE ON FUNCTION session_get FROM regress_session_boss;
SET ROLE regress_session_boss;
SELECT count(*) AS sessions, count(data) AS data FROM session.directory;
RESET ROLE;
GRANT EXECUTE ON FUNCTION session_get TO regress_session_boss;
SET ROLE regress_session_boss;
SELECT count(*) AS sessions, count(data) AS data FROM session.directory;
RESET ROLE;

-- Sealed data is opened.
SET session.encrypt_data = on;
INSERT INTO made SELECT 6, id, token FROM session_create('dora', data => '{"sealed": true}');
RESET session.encrypt_data;
SELECT d.data, jsonb_typeof(s.data) AS stored FROM session.directory AS d JOIN session.sessions AS s USING (id) WHERE d.user_id = 'dora';

-- No other role reads the view or calls its functions.
SET ROLE regress_session_clerk;
SELECT pg_temp.outcome_of('SELECT FROM session.directory');
RESET ROLE;
GRANT USAGE ON SCHEMA session TO regress_session_clerk;
SET ROLE regress_session_clerk;
SELECT pg_temp.outcome_of('SELECT FROM session.directory');
SELECT proname, pg_temp.outcome_of(format('SELECT FROM session.%s(%s)', proname,
           (SELECT string_agg(format('NULL::%s', t::regtype), ', ') FROM unnest(proargtypes) AS t)))
  FROM extension_functions WHERE proname LIKE 'session\_directory\_%' ORDER BY proname COLLATE "C";
RESET ROLE;
GRANT SELECT ON session.directory TO regress_session_clerk;
SET ROLE regress_session_clerk;
SELECT pg_temp.outcome_of('SELECT id FROM session.directory');
RESET ROLE;
REVOKE ALL ON session.directory FROM regress_session_clerk;
REVOKE USAGE ON SCHEMA session FROM regress_session_clerk;
SELECT * FROM session.privileges;

-- No administrator writes through it.
SET ROLE regress_session_boss;
SELECT pg_temp.outcome_of(statement) FROM unnest(ARRAY[
    'UPDATE session.directory SET user_id = ''eve''', 'DELETE FROM session.directory',
    'INSERT INTO session.directory (id) VALUES (gen_random_uuid())', 'SELECT FROM session.directory FOR UPDATE']) AS statement;
RESET ROLE;

-- The functions of computed columns return NULL for NULL.
SELECT session.session_directory_status(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
       session.session_directory_ends(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
       session.session_directory_seen(NULL, NULL, NULL), session.session_directory_data(NULL, NULL),
       session.session_directory_current(NULL), session.session_directory_ready(NULL);

-- A table that the extension cannot work with is an error, even if no column
-- of a row is computed.
BEGIN;
CREATE TABLE child () INHERITS (session.sessions);
SELECT pg_temp.outcome_of('SELECT count(*) FROM session.directory');
ROLLBACK;
BEGIN;
ALTER TABLE session.sessions RENAME TO moved;
CREATE TABLE session.sessions (LIKE session.moved INCLUDING ALL);
ALTER EXTENSION session ADD TABLE session.sessions;
SELECT pg_temp.outcome_of('SELECT count(*) FROM session.directory');
ROLLBACK;

-- Filters use the indexes that there are.  The list is of the kinds of nodes
-- and the indexes of the plan.
CREATE FUNCTION pg_temp.plan_of(query text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    plan json;
BEGIN
    EXECUTE 'EXPLAIN (COSTS OFF, FORMAT json) ' || query INTO plan;
    RETURN (WITH RECURSIVE node AS (
                SELECT plan -> 0 -> 'Plan' AS n, 0 AS depth
                UNION ALL
                SELECT c, depth + 1 FROM node, json_array_elements(n -> 'Plans') AS c
                 WHERE coalesce(c ->> 'Parent Relationship', '') <> 'InitPlan')
            SELECT string_agg(concat_ws(' ', n ->> 'Node Type', n ->> 'Scan Direction', n ->> 'Index Name'), ' > ' ORDER BY depth) FROM node);
END
$$;
INSERT INTO session.sessions (id, token_hash, user_id, tenant_id, auth_level, data, ip, created_at, last_seen_at, expires_at, purge_at)
SELECT gen_random_uuid(), sha256(i::text::bytea), 'user' || i / 5, 'tenant' || i / 50, 1, '{}', '10.0.0.0'::inet + i,
       now(), now(), now() + interval '1 day', now() + interval '1 day'
  FROM generate_series(1, 20000) AS i;
ANALYZE session.sessions;
SET enable_bitmapscan = off;
SELECT filter, pg_temp.plan_of('SELECT * FROM session.directory WHERE ' || filter) AS plan
  FROM unnest(ARRAY[
    $$ id = '019b0000-0000-7000-8000-000000000000' $$,
    $$ user_id = 'user7' $$,
    $$ user_id = 'user7' AND status = 'active' $$,
    $$ tenant_id = 'tenant7' $$,
    $$ user_id IN ('user7', 'user8') $$,
    $$ id > '019b0000-0000-7000-8000-000000000000' ORDER BY id LIMIT 50 $$,
    $$ id < '019b0000-0000-7000-8000-000000000000' ORDER BY id DESC LIMIT 50 $$,
    $$ ip <<= '10.0.0.0/8' ORDER BY created_at DESC LIMIT 50 $$]) AS filter;
RESET enable_bitmapscan;

-- After a sort with a limit, columns are computed for the rows of the result
-- alone: in a node above the sort, where no parentheses enclose the function.
CREATE FUNCTION pg_temp.is_computed_after_sort(query text, name text) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    line text;
    sorted boolean := false;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (COSTS OFF, VERBOSE) ' || query LOOP
        sorted := sorted OR line ~ '->  Sort';
        IF line ~ ('Output:.*[^(]session\.session_directory_' || name) THEN RETURN NOT sorted; END IF;
    END LOOP;
END
$$;
SELECT name, pg_temp.is_computed_after_sort('SELECT * FROM session.directory ORDER BY created_at DESC LIMIT 50', name) AS after_sort
  FROM unnest('{status,seen,ends,current}'::text[]) AS name;
SELECT count(*) FROM (SELECT * FROM session.directory WHERE ip <<= '10.0.0.0/8' ORDER BY created_at DESC LIMIT 50) AS page;
DELETE FROM session.sessions WHERE user_id LIKE 'user%';

-- session_revoke_ids ends the live ones of some sessions.  Elements that are
-- NULL, unknown, ended or given before do not count.
SET session.log_events = 'revoked';
SET ROLE regress_session_boss;
SELECT session_revoke_ids(ARRAY(SELECT id FROM made WHERE n IN (1, 3, 5)) || NULL::uuid || gen_random_uuid() ||
                          ARRAY(SELECT id FROM made WHERE n = 1), 'stolen laptop');
SELECT n, status FROM session.directory JOIN made USING (id) ORDER BY n;
SELECT n, kind, user_id, detail FROM session.events JOIN made ON session_id = made.id ORDER BY n;
SELECT session_revoke_ids(ARRAY(SELECT id FROM made WHERE n IN (1, 3, 5)));

-- NULL is what array_agg returns for no rows.
SELECT session_revoke_ids(array_agg(id)) FROM session.directory WHERE user_id = 'nobody';
SELECT session_revoke_ids('{}'), session_revoke_ids(NULL, NULL), session_revoke_ids('{NULL}');

-- The reason is admin unless the caller gives one.  An array may have several
-- dimensions.
SELECT session_revoke_ids(ARRAY[ARRAY[id], ARRAY[gen_random_uuid()]]) FROM made WHERE n = 6;
SELECT detail FROM session.events WHERE user_id = 'dora';
RESET ROLE;
SELECT pg_temp.error_of('session_revoke_ids(NULL, '''')'), pg_temp.error_of('session_revoke_ids(NULL, repeat(''x'', 257))');

-- A rollback takes the ends back.
SELECT id FROM session_create('zoe') \gset
BEGIN;
SELECT session_revoke_ids(ARRAY[:'id']::uuid[]);
SELECT status FROM session.directory WHERE id = :'id';
ROLLBACK;
SELECT status FROM session.directory WHERE id = :'id';
BEGIN READ ONLY;
SELECT session_revoke_ids(ARRAY[:'id']::uuid[]);
ROLLBACK;
SET ROLE regress_session_clerk;
SELECT session_revoke_ids(ARRAY[:'id']::uuid[]);
RESET ROLE;

DROP EXTENSION session;
DROP OWNED BY regress_session_boss, regress_session_clerk;
DROP ROLE regress_session_boss, regress_session_clerk;
