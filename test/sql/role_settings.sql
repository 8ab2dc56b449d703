-- session_pre_request() applies the settings of the role that it switches to
-- (ALTER ROLE ... SET) with the client's privileges, and undoes them.
CREATE EXTENSION session;

-- The role "gate" is the login role of the gateway.  PostgREST applies the
-- settings of the anonymous role, with names in lower case, and then switches
-- to that role.
CREATE ROLE regress_session_gate NOINHERIT;
CREATE ROLE regress_session_anon;
CREATE ROLE regress_session_member;
CREATE ROLE regress_session_clerk;
CREATE ROLE regress_session_plain;
GRANT regress_session_anon, regress_session_member, regress_session_clerk, regress_session_plain TO regress_session_gate;
ALTER ROLE regress_session_anon SET statement_timeout = '3s';
ALTER ROLE regress_session_anon SET work_mem = '1MB';
ALTER ROLE regress_session_anon SET application_name = 'Anonymous';
ALTER ROLE regress_session_member SET statement_timeout = '8s';
ALTER ROLE regress_session_member SET lock_timeout = '1s';
ALTER ROLE regress_session_clerk SET statement_timeout = '20s';
\set as_anon 'BEGIN READ ONLY; SET LOCAL SESSION AUTHORIZATION regress_session_gate; SET LOCAL statement_timeout = 3000; SET LOCAL work_mem = \'1MB\'; SET LOCAL application_name = anonymous; SET LOCAL ROLE regress_session_anon;'

CREATE TEMP TABLE made AS
SELECT role, token FROM unnest('{member,clerk,plain,anon}'::text[]) AS role, session_create('alice', role => 'regress_session_' || role);
GRANT SELECT ON made TO PUBLIC;
CREATE FUNCTION pg_temp.ask(wanted text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('request.cookies', coalesce((SELECT jsonb_build_object('__Host-session', token)::text FROM made WHERE role = wanted), ''), true);
    PERFORM session_pre_request();
END
$$;
SELECT current_user AS superuser \gset
CREATE TEMP VIEW now AS
SELECT CASE current_user WHEN :'superuser' THEN 'superuser' ELSE replace(current_user, 'regress_session_', '') END AS role, current_setting('statement_timeout') AS statement_timeout, current_setting('lock_timeout') AS lock_timeout,
       current_setting('work_mem') AS work_mem, current_setting('application_name') AS application_name;
GRANT SELECT ON now TO PUBLIC;

-- A parameter that the new role sets gets its value.  One that only the
-- anonymous role sets goes back to the value of the connection.
SET work_mem = '5MB';
TABLE now;
:as_anon
TABLE now;
SELECT pg_temp.ask('member');
TABLE now;
COMMIT;
TABLE now;
:as_anon
SELECT pg_temp.ask('plain');
TABLE now;
COMMIT;
RESET work_mem;

-- A request without a session keeps the settings of the anonymous role, and so
-- does a session with that role.
:as_anon
SELECT pg_temp.ask('nobody');
TABLE now;
SELECT pg_temp.ask('anon');
TABLE now;
COMMIT;

-- A parameter that the application has set to another value keeps it.
:as_anon
SET LOCAL work_mem = '7MB';
SET LOCAL lock_timeout = '9s';
SELECT pg_temp.ask('clerk');
TABLE now;
COMMIT;

-- The next request in the transaction starts with the earlier values, also
-- after a rollback to a savepoint.
:as_anon
SELECT pg_temp.ask('member');
TABLE now;
SELECT pg_temp.ask('nobody');
TABLE now;
SELECT pg_temp.ask('clerk');
TABLE now;
SAVEPOINT a;
SELECT pg_temp.ask('member');
SAVEPOINT b;
SELECT pg_temp.ask('nobody');
TABLE now;
RELEASE b;
SELECT pg_temp.ask('plain');
TABLE now;
ROLLBACK TO a;
TABLE now;
SELECT pg_temp.ask('nobody');
TABLE now;
COMMIT;
:as_anon
SAVEPOINT a;
SELECT pg_temp.ask('clerk');
RELEASE a;
TABLE now;
SET LOCAL statement_timeout = '11s';
SELECT pg_temp.ask('nobody');
TABLE now;
COMMIT;
TABLE now;

-- A role is left once.  The client gives itself the role and the value again
-- that the request had, and keeps both when the next request has no session
-- either, also behind a savepoint.
:as_anon
SELECT pg_temp.ask('member');
SELECT pg_temp.ask('nobody');
SET LOCAL statement_timeout = '8s';
SET LOCAL ROLE regress_session_member;
SELECT pg_temp.ask('nobody');
TABLE now;
SAVEPOINT a;
SELECT pg_temp.ask('nobody');
TABLE now;
RELEASE a;
SELECT pg_temp.ask('nobody');
TABLE now;
COMMIT;

-- Settings of the role in this database override its others.  Those in another
-- database are ignored.
SELECT format('ALTER ROLE regress_session_member IN DATABASE %I SET statement_timeout = %L', current_database(), '9s') \gexec
ALTER ROLE regress_session_member IN DATABASE postgres SET lock_timeout = '5s';
:as_anon
SELECT pg_temp.ask('member');
TABLE now;
COMMIT;
ALTER ROLE regress_session_member IN DATABASE postgres RESET ALL;
SELECT format('ALTER ROLE regress_session_member IN DATABASE %I RESET ALL', current_database()) \gexec

-- A parameter that needs a privilege is set if the login role or the new role
-- has that privilege.  It does not matter which role stored it.
ALTER ROLE regress_session_member SET log_min_duration_statement = '1h';
ALTER ROLE regress_session_member SET log_min_messages = 'fatal';
ALTER ROLE regress_session_member SET temp_file_limit = '1GB';
GRANT SET ON PARAMETER log_min_duration_statement TO regress_session_gate;
GRANT SET ON PARAMETER log_min_messages TO regress_session_member;
:as_anon
SELECT pg_temp.ask('member');
SELECT current_user, current_setting('log_min_duration_statement') AS login_role_may, current_setting('log_min_messages') AS new_role_may, current_setting('temp_file_limit') AS neither_may;
SELECT pg_temp.ask('nobody');
SELECT current_user, current_setting('log_min_duration_statement') AS login_role_may, current_setting('log_min_messages') AS new_role_may, current_setting('temp_file_limit') AS neither_may;
COMMIT;
REVOKE SET ON PARAMETER log_min_duration_statement FROM regress_session_gate;
REVOKE SET ON PARAMETER log_min_messages FROM regress_session_member;
ALTER ROLE regress_session_member RESET log_min_duration_statement;
ALTER ROLE regress_session_member RESET log_min_messages;
ALTER ROLE regress_session_member RESET temp_file_limit;

-- Parameters of an application are set too, and names may be written in upper
-- or lower case.
ALTER ROLE regress_session_member SET app.region = 'Europe';
ALTER ROLE regress_session_member SET "DateStyle" = 'German';
:as_anon
SELECT pg_temp.ask('member');
SELECT current_setting('app.region') AS region, current_setting('datestyle') AS datestyle;
SELECT pg_temp.ask('nobody');
SELECT current_setting('app.region') AS region, current_setting('datestyle') AS datestyle;
COMMIT;

-- Settings of a role do not change identity, role, request, transaction and
-- client encoding.
ALTER ROLE regress_session_member SET session.context = '';
ALTER ROLE regress_session_member SET role = 'regress_session_clerk';
ALTER ROLE regress_session_member SET session_authorization = 'regress_session_clerk';
ALTER ROLE regress_session_member SET transaction_read_only = 'on';
ALTER ROLE regress_session_member SET client_encoding = 'LATIN1';
ALTER ROLE regress_session_member SET request.cookies = '{}';
ALTER ROLE regress_session_member SET "Response.Headers" = '[]';
SELECT unnest(setconfig) AS stored FROM pg_db_role_setting WHERE setrole = 'regress_session_member'::regrole;
BEGIN;
SET LOCAL SESSION AUTHORIZATION regress_session_gate;
SET LOCAL ROLE regress_session_anon;
SELECT pg_temp.ask('member');
SELECT current_user, session_user, session_user_id(), current_setting('transaction_isolation') AS isolation, current_setting('transaction_read_only') AS read_only,
       current_setting('client_encoding') = getdatabaseencoding() AS same_encoding,
       current_setting('request.cookies') LIKE '%st_%' AS cookies, current_setting('response.headers', true) AS response;
COMMIT;
ALTER ROLE regress_session_member RESET ALL;

-- A setting that cannot be applied is skipped: its value names an object that
-- was dropped.
CREATE SCHEMA gone;
CREATE TEXT SEARCH CONFIGURATION gone.words (COPY = simple);
ALTER ROLE regress_session_member SET default_text_search_config = 'gone.words';
SET client_min_messages = 'error';
DROP SCHEMA gone CASCADE;
ALTER ROLE regress_session_member SET temp_tablespaces = 'regress_session_gone';
RESET client_min_messages;
ALTER ROLE regress_session_member SET lock_timeout = '2s';
:as_anon
SELECT pg_temp.ask('member');
SELECT current_user, session_user_id(), current_setting('default_text_search_config') AS words, current_setting('temp_tablespaces') AS tablespaces, current_setting('lock_timeout') AS lock_timeout;
SAVEPOINT a;
ROLLBACK TO a;
SELECT pg_temp.ask('nobody');
TABLE now;
COMMIT;
ALTER ROLE regress_session_member RESET ALL;

-- A search path is set.  In a function with a search path of its own it ends
-- with the function.
ALTER ROLE regress_session_member SET search_path = api, public;
CREATE FUNCTION pg_temp.ask_with_path(wanted text) RETURNS void LANGUAGE sql SET search_path = public, pg_temp AS $$ SELECT pg_temp.ask(wanted) $$;
:as_anon
SELECT pg_temp.ask('member');
SHOW search_path;
SELECT pg_temp.ask('nobody');
SELECT pg_temp.ask_with_path('member');
SHOW search_path;
COMMIT;
ALTER ROLE regress_session_member RESET ALL;

-- PostgREST overwrites the search path of the anonymous role with its own,
-- which stays.
ALTER ROLE regress_session_anon SET search_path = api, public;
:as_anon
SET LOCAL search_path = api, public;
SELECT pg_temp.ask('member');
SHOW search_path;
COMMIT;

-- The settings are found as well when those of many roles fill several pages.
DO $$
BEGIN
    FOR n IN 1 .. 20 LOOP
        EXECUTE format('CREATE ROLE regress_session_many_%s', n);
        EXECUTE format('ALTER ROLE regress_session_many_%s SET app.pad = %L', n, (SELECT string_agg(md5(n::text || m), '') FROM generate_series(1, 40) AS m));
    END LOOP;
END
$$;
SELECT pg_relation_size('pg_db_role_setting') > current_setting('block_size')::int AS several_pages;
ALTER ROLE regress_session_member SET statement_timeout = '8s';
SELECT format('ALTER ROLE regress_session_member IN DATABASE %I SET lock_timeout = %L', current_database(), '7s') \gexec
:as_anon
SELECT pg_temp.ask('member');
TABLE now;
SELECT pg_temp.ask('plain');
TABLE now;
COMMIT;
SELECT format('ALTER ROLE regress_session_member IN DATABASE %I RESET ALL', current_database()) \gexec
ALTER ROLE regress_session_member RESET ALL;
DO $$
BEGIN
    FOR n IN 1 .. 20 LOOP
        EXECUTE format('DROP ROLE regress_session_many_%s', n);
    END LOOP;
END
$$;
VACUUM pg_db_role_setting;

-- A timeout holds from the next statement on.
ALTER ROLE regress_session_clerk SET statement_timeout = '10ms';
ALTER ROLE regress_session_member SET statement_timeout = '5min';
BEGIN;
SET LOCAL SESSION AUTHORIZATION regress_session_gate;
SET LOCAL ROLE regress_session_anon;
SET LOCAL statement_timeout = '1min';
SELECT pg_temp.ask('clerk');
SELECT pg_sleep(60);
ROLLBACK;

DROP EXTENSION session;
DROP OWNED BY regress_session_gate, regress_session_anon, regress_session_member, regress_session_clerk, regress_session_plain;
DROP ROLE regress_session_gate, regress_session_anon, regress_session_member, regress_session_clerk, regress_session_plain;
