-- Where sessions are stored: in an ordinary table, in an unlogged one (cache),
-- or in a tablespace.
CREATE EXTENSION session;
\getenv here PG_ABS_SRCDIR
\i :here/sql/include/helpers.sql
SET allow_in_place_tablespaces = on;
SET client_min_messages = error;
DROP TABLESPACE IF EXISTS "regress_session T";
RESET client_min_messages;
CREATE TABLESPACE "regress_session T" LOCATION '';
CREATE VIEW pg_temp.kept AS
SELECT relname, relkind, relpersistence, spcname
  FROM pg_class c LEFT JOIN pg_tablespace t ON t.oid = reltablespace
 WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = 'session')
   AND relkind IN ('r', 'i') AND relname ~ '^sessions(_|$)';
CREATE VIEW pg_temp.others AS
SELECT relname FROM pg_class
 WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = 'session')
   AND relkind IN ('r', 'i') AND relname !~ '^sessions(_|$)' AND (relpersistence <> 'p' OR reltablespace <> 0);
SELECT relname, relpersistence, spcname FROM pg_temp.kept ORDER BY relname COLLATE "C";
TABLE pg_temp.others;

-- A switch keeps every session.  It moves the table, its indexes and its TOAST
-- table, and nothing else.
CREATE TEMP TABLE made AS SELECT (session_create('ada', jsonb_build_object('n', n, 's', repeat(md5(n::text), 1000)))).*
  FROM generate_series(1, 3) AS n;
SELECT session_data_set(token, 'k', '1') FROM made LIMIT 1;
CREATE TEMP TABLE before AS SELECT * FROM session.sessions;
CREATE FUNCTION pg_temp.move(kind text, tablespace name DEFAULT NULL)
RETURNS TABLE (kept text, same boolean, live bigint)
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM session_storage(kind, tablespace);
    RETURN QUERY SELECT
        (SELECT string_agg(format('%s %s in %s', n, relpersistence, coalesce(spcname, 'default')), ', ' ORDER BY relpersistence, spcname)
           FROM (SELECT count(*) AS n, relpersistence, spcname FROM pg_temp.kept GROUP BY 2, 3) AS k),
        NOT EXISTS (TABLE before EXCEPT TABLE session.sessions),
        (SELECT count(*) FROM made, session_validate(made.token));
END $$;
SELECT * FROM pg_temp.move('cache');
SELECT * FROM pg_temp.move('cache');
SELECT * FROM pg_temp.move('filesystem', 'regress_session T');
SELECT relname, relpersistence, spcname FROM pg_temp.kept ORDER BY relname COLLATE "C";
TABLE pg_temp.others;
SELECT relpersistence, spcname, count(*) FROM pg_class c LEFT JOIN pg_tablespace t ON t.oid = reltablespace
 WHERE c.oid IN (SELECT reltoastrelid FROM pg_class WHERE oid = 'session.sessions'::regclass) GROUP BY 1, 2;
SELECT * FROM pg_temp.move('cache');
SELECT * FROM pg_temp.move('filesystem', 'regress_session T');
SELECT * FROM pg_temp.move('database');
SELECT * FROM pg_temp.move('database');

-- Everything works with each kind of storage, and a switch can be undone.
BEGIN;
SELECT session_storage('cache');
SELECT token FROM session_create('bob') \gset
ROLLBACK;
SELECT session_status(:'token');
SELECT session_storage('cache');
TABLE pg_temp.others;
SELECT token FROM session_create('bob', refreshable => true) \gset
SELECT session_data_set(:'token', 'a', '1'), session_touch(:'token'), session_revoke(:'token'), session_status(:'token');
SELECT count(*) AS listed FROM session_list('bob', include_ended => true);
SELECT session_cleanup();

-- Invalid arguments are errors that name the argument.
SELECT call, pg_temp.error_of(call) AS error
  FROM unnest(ARRAY[
    $$session_storage(NULL)$$,
    $$session_storage('')$$,
    $$session_storage('Cache')$$,
    $$session_storage('memory')$$,
    $$session_storage('filesystem')$$,
    $$session_storage('filesystem', 'nowhere')$$,
    $$session_storage('filesystem', '')$$,
    $$session_storage('filesystem', 'pg_global')$$,
    $$session_storage('database', 'pg_default')$$,
    $$session_storage('cache', 'regress_session T')$$]) AS call;
BEGIN READ ONLY;
SELECT session_storage('database');
ROLLBACK;

-- The owner of the tables needs CREATE on the tablespace, not the caller.
CREATE ROLE regress_session_admin;
CREATE ROLE regress_session_owner;
SELECT session_grant('regress_session_admin', 'admin');
SET ROLE regress_session_admin;
SELECT session_storage('filesystem', 'regress_session T');
SELECT current_user;
RESET ROLE;
SELECT count(*) AS moved FROM pg_temp.kept WHERE spcname = 'regress_session T';
SELECT session_storage('database');
ALTER TABLE session.sessions OWNER TO regress_session_owner;
GRANT USAGE ON SCHEMA session TO regress_session_owner;
SELECT pg_temp.error_of($$session_storage('filesystem', 'regress_session T')$$) AS error;
ALTER TABLE session.sessions OWNER TO CURRENT_USER;

-- A tablespace that contains sessions cannot be dropped until they are moved.
SELECT session_storage('filesystem', 'regress_session T');
\set VERBOSITY sqlstate
DROP TABLESPACE "regress_session T";
\set VERBOSITY default
REVOKE USAGE ON SCHEMA session FROM regress_session_owner;
DROP OWNED BY regress_session_admin;
DROP ROLE regress_session_admin, regress_session_owner;
DROP EXTENSION session;
DROP TABLESPACE "regress_session T";
