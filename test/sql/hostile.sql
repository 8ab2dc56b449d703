-- Hostile callers: objects in their schemas and their settings change nothing.
CREATE EXTENSION session;
CREATE ROLE regress_session_mallory;
SELECT session_grant('regress_session_mallory', 'admin');
CREATE SCHEMA evil AUTHORIZATION regress_session_mallory;

-- An ended session whose purge_at has passed waits for cleanup.
SELECT id FROM session_create('dead') \gset
UPDATE session.sessions SET expires_at = clock_timestamp(), purge_at = clock_timestamp();

-- Mallory creates a copy of every operator and function of pg_catalog that
-- works on the types that the extension uses.
SET ROLE regress_session_mallory;
DO $$
DECLARE
    ours regtype[] := '{uuid,bytea,text,int4,int8,bool,jsonb,inet,timestamptz,interval,uuid[],text[]}';
    f record;
    o record;
BEGIN
    FOR f IN
        SELECT proname, prorettype::regtype AS result,
               string_agg(t::regtype::text, ', ' ORDER BY n) AS arguments
          FROM pg_proc, unnest(proargtypes) WITH ORDINALITY AS a (t, n)
         WHERE pronamespace = 'pg_catalog'::regnamespace AND prokind = 'f' AND NOT proretset
           AND proargtypes::oid[]::regtype[] <@ ours AND prorettype = ANY (ours)
         GROUP BY pg_proc.oid
        UNION ALL
        SELECT proname, prorettype::regtype, '' FROM pg_proc
         WHERE pronamespace = 'pg_catalog'::regnamespace AND prokind = 'f' AND NOT proretset
           AND pronargs = 0 AND prorettype = ANY (ours)
    LOOP
        EXECUTE format($f$ CREATE FUNCTION evil.%I(%s) RETURNS %s LANGUAGE plpgsql
                           AS 'BEGIN RAISE EXCEPTION ''caught''; END' $f$,
                       f.proname, f.arguments, f.result);
    END LOOP;
    FOR o IN
        SELECT DISTINCT oprname, oprleft::regtype AS l, oprright::regtype AS r FROM pg_operator
         WHERE oprnamespace = 'pg_catalog'::regnamespace AND oprkind = 'b' AND oprname <> '=>'
           AND oprleft = ANY (ours) AND oprright = ANY (ours)
    LOOP
        EXECUTE format($f$ CREATE FUNCTION evil.%I(%s, %s) RETURNS boolean LANGUAGE plpgsql
                           AS 'BEGIN RAISE EXCEPTION ''caught''; END' $f$,
                       'op ' || o.oprname, o.l, o.r);
        EXECUTE format('CREATE OPERATOR evil.%s (FUNCTION = evil.%I, LEFTARG = %s, RIGHTARG = %s)',
                       o.oprname, 'op ' || o.oprname, o.l, o.r);
    END LOOP;
END
$$;
SELECT count(*) > 500 AS many FROM pg_proc WHERE pronamespace = 'evil'::regnamespace;
SELECT count(*) > 100 AS many FROM pg_operator WHERE oprnamespace = 'evil'::regnamespace;

-- Mallory also creates types, tables and a function of the extension, and the
-- tables as temporary tables, too.
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY '{uuid,bytea,text,int4,bool,jsonb,inet,timestamptz,interval,session_info,session_credentials}'::text[] LOOP
        EXECUTE format('CREATE DOMAIN evil.%I AS pg_catalog.int2 CHECK (VALUE > 100)', name);
    END LOOP;
    FOREACH name IN ARRAY '{sessions,sessions_pkey,sessions_user_id_idx,pg_class,pg_extension,pg_depend,pg_namespace,pg_proc,pg_authid}'::text[] LOOP
        EXECUTE format('CREATE TABLE evil.%I (id int)', name);
        EXECUTE format('CREATE TEMP TABLE %I (id int)', name);
    END LOOP;
END
$$;
CREATE FUNCTION evil.session_status(token text, ip inet = NULL, user_agent text = NULL) RETURNS text
LANGUAGE sql AS 'SELECT ''active''::pg_catalog.text';

-- In this search path, nearly every name refers to an object of Mallory's.
SET search_path = evil, pg_temp, public, pg_catalog;
\set VERBOSITY terse
SELECT 'a'::pg_catalog.text = 'a'::pg_catalog.text;
SELECT now();
SELECT NULL::uuid IS NULL AS is_null, count(id) FROM sessions;
SELECT session_status('junk') AS not_ours;

-- The functions of the extension, called by their qualified names, work as
-- always.
SELECT user_id FROM (SELECT (public.session_create('alice')).id OFFSET 0) AS made, public.session_get(id);
SELECT id, token FROM public.session_create('bob', '{"a": 1}', 'acme', 'clerk', '192.0.2.10', 'Firefox',
    '1 hour', '10 minutes', 2, false, 2) \gset
SELECT id AS id_2, token AS token_2 FROM public.session_create(NULL, tenant_id => 'acme') \gset
SELECT user_id, tenant_id, role, auth_level, data, ip, user_agent FROM public.session_validate(:'token', '192.0.2.10');
SELECT public.session_status(:'token'), public.session_status('junk'), public.session_is_valid(:'token'),
       public.session_is_expired(:'token'), public.session_touch(:'token');
SELECT user_id FROM public.session_refresh(:'token') AS r, public.session_get(r.id);
SELECT token AS token_2 FROM public.session_regenerate(:'token_2', 'bob', 'clerk', 2) \gset
SELECT user_id, role, auth_level FROM public.session_get(:'id_2');
SELECT public.session_data_set(:'token', 'b', '2') AS set, public.session_data_get(:'token', 'b') AS get,
       public.session_data_delete(:'token', 'a') AS delete, public.session_data(:'token') AS data,
       public.session_data_pop(:'token', 'b') AS pop, public.session_data_save(:'token', '{"c": 3}') AS save,
       public.session_data_merge(:'token', '{"d": {"e": 1}}') AS merge, public.session_data_append(:'token', 'f', '1') AS append,
       public.session_data_replace(:'token', 'c', '3', NULL) AS replace, public.session_data(:'token') AS data,
       public.session_data_clear(:'token') AS clear, public.session_data(:'token') AS data;
SELECT user_id, status, current FROM public.session_list('bob');
SELECT id AS id_3, token AS token_3 FROM public.session_create('bob', tenant_id => 'acme', max_sessions => 2) \gset
SELECT public.session_status(:'token') AS evicted, public.session_status(:'token_2') AS second,
       public.session_status(:'token_3') AS third;
SELECT public.session_revoke(:'token_2') AS revoke, public.session_revoke_id(:'id_3', 'because') AS revoke_id,
       public.session_revoke_user('alice', except_id => NULL) AS revoke_user,
       public.session_revoke_tenant('acme') AS revoke_tenant;
SELECT public.session_cleanup(), public.session_cleanup(5);
SELECT token AS token_4 FROM public.session_create('erin', tenant_id => 'acme', role => 'regress_session_mallory', ip => '192.0.2.10', user_agent => 'Firefox') \gset
BEGIN;
SELECT public.session_authenticate(:'token_4', '192.0.2.10', 'Firefox'), public.session_require(1, '1 hour');
SELECT public.session_id() OPERATOR(pg_catalog.=) id AS id, public.session_user_id(), public.session_tenant_id(), public.session_role(), public.session_auth_level(),
       public.session_claims() OPERATOR(pg_catalog.->>) 'tid' AS tid, public.session_claim('sub') AS sub, user_id, current
  FROM public.session_mine();
SELECT public.session_revoke_others(), public.session_revoke_mine(public.session_id());
ROLLBACK;
BEGIN;
SELECT pg_catalog.set_config('request.headers', pg_catalog.json_build_object('x-session-token', :'token_4')::pg_catalog.text, true) OPERATOR(pg_catalog.<>) '' AS set;
SELECT public.session_pre_request();
SELECT public.session_user_id(), current_user;
ROLLBACK;
SELECT public.session_grant('regress_session_mallory', 'admin');
RESET search_path;
RESET ROLE;

-- Their changes are in the real table, and the other tables are empty.
SELECT user_id, tenant_id, revoked_reason FROM session.sessions ORDER BY created_at;
SELECT (SELECT count(*) FROM evil.sessions) AS evil, (SELECT count(*) FROM pg_temp.sessions) AS temporary;

-- An extension installed under that search path works as always.
DROP EXTENSION session;
SET search_path = evil, pg_temp, public, pg_catalog;
CREATE EXTENSION session SCHEMA public;
RESET search_path;
SELECT token FROM session_create('alice') \gset
SELECT session_status(:'token');
SELECT session_grant('regress_session_mallory', 'admin');
DISCARD TEMP;
\getenv here PG_ABS_SRCDIR
\i :here/sql/include/helpers.sql

-- Returns the results of a session from creation to cleanup in one line.
CREATE FUNCTION pg_temp.life() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    visit public.session_credentials;
    login public.session_credentials;
    line text;
BEGIN
    visit := public.session_create(NULL, '{"cart": [1]}', tenant_id => 'acme', ip => '192.0.2.10');
    SELECT * INTO login FROM public.session_regenerate(visit.token, 'carol', 'clerk', 2);
    PERFORM public.session_data_set(login.token, 'theme', '"dark"');
    SELECT concat_ws(' ', v.status, v.user_id, v.tenant_id, v.role, v.auth_level, v.data, host(v.ip),
                     v.id = visit.id, public.session_status(visit.token),
                     (SELECT count(*) FROM public.session_list('carol')))
      INTO line FROM public.session_validate(login.token) AS v;
    RETURN concat_ws(' ', line, public.session_revoke_user('carol'), public.session_status(login.token),
                     public.session_cleanup());
END
$$;
SELECT pg_temp.life();

-- The results are the same under every setting that a caller may change.
CREATE FUNCTION pg_temp.life_under(name text, value text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    before text := current_setting(name);
    line text;
BEGIN
    PERFORM set_config(name, value, true);
    line := pg_temp.life();
    PERFORM set_config(name, before, true);
    RETURN line;
END
$$;
SET ROLE regress_session_mallory;
SELECT name, value, pg_temp.life_under(name, value) = pg_temp.life() AS same
  FROM (VALUES ('search_path', ''), ('row_security', 'off'),
               ('enable_indexscan', 'off'), ('enable_indexonlyscan', 'off'), ('enable_bitmapscan', 'off'),
               ('enable_seqscan', 'off'), ('enable_tidscan', 'off'),
               ('plan_cache_mode', 'force_custom_plan'), ('plan_cache_mode', 'force_generic_plan'),
               ('jit_above_cost', '0'), ('random_page_cost', '1000000'), ('work_mem', '64kB'),
               ('max_parallel_workers_per_gather', '8'), ('parallel_setup_cost', '0'),
               ('DateStyle', 'SQL, DMY'), ('IntervalStyle', 'iso_8601'), ('TimeZone', 'Asia/Kolkata'),
               ('bytea_output', 'escape'), ('extra_float_digits', '-15'),
               ('standard_conforming_strings', 'off'), ('backslash_quote', 'on'), ('array_nulls', 'off'),
               ('transform_null_equals', 'on'), ('quote_all_identifiers', 'on'), ('synchronous_commit', 'off'),
               ('constraint_exclusion', 'on'), ('check_function_bodies', 'off'),
               ('statement_timeout', '1h'), ('lock_timeout', '1h'))
       AS settings (name, value);

-- A caller cannot change the settings of the extension in any way.  (Those for
-- the whole server cannot be changed from any connection.)
SELECT way, left(pg_temp.outcome_of(format(way, name)), 5) AS state, count(*) = max(settings) AS all
  FROM (SELECT name, count(*) OVER () AS settings FROM pg_settings WHERE name LIKE 'session.%' AND context = 'superuser') AS ours,
       unnest(ARRAY['SET %s = DEFAULT', 'SET %s = 1', 'SET LOCAL %s = 1', 'SELECT set_config(''%s'', ''1'', false)',
                    'UPDATE pg_settings SET setting = ''1'' WHERE name = ''%s''',
                    'ALTER ROLE CURRENT_USER SET %s = 1',
                    'CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql SET %s = 1 AS ''SELECT 1''']) AS way
 GROUP BY way, state ORDER BY way COLLATE "C";
\set VERBOSITY default
SET session.lifetime = '100d';
\set VERBOSITY sqlstate
SET session.anything = 1;
SELECT set_config('session.anything.else', '1', false);
RESET ROLE;
SELECT count(*) AS changed FROM pg_settings WHERE name LIKE 'session.%' AND setting <> reset_val;

-- Row-level security on the table, if an administrator enables it, does not
-- affect the extension.
BEGIN;
ALTER TABLE session.sessions ENABLE ROW LEVEL SECURITY;
ALTER TABLE session.sessions FORCE ROW LEVEL SECURITY;
SET ROLE regress_session_mallory;
SELECT pg_temp.life();
SET row_security = off;
SELECT pg_temp.life();
ROLLBACK;

-- The same holds if the owner of the table is not a superuser.
BEGIN;
CREATE ROLE regress_session_owner;
GRANT USAGE ON SCHEMA session TO regress_session_owner;
ALTER TABLE session.sessions OWNER TO regress_session_owner;
ALTER TABLE session.sessions ENABLE ROW LEVEL SECURITY;
ALTER TABLE session.sessions FORCE ROW LEVEL SECURITY;
SET ROLE regress_session_mallory;
SELECT pg_temp.life();
SET row_security = off;
SELECT pg_temp.life();
ROLLBACK;

-- Triggers that an administrator has added run as the owner.  A name without a
-- schema in them means the object of the server, even if the caller has one of
-- the same name.
CREATE SCHEMA trap AUTHORIZATION regress_session_mallory;
CREATE TABLE public.called (who name, what text);
GRANT ALL ON public.called TO regress_session_mallory;
SET ROLE regress_session_mallory;
CREATE FUNCTION trap.lower(text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.called VALUES (current_user, $1);
    RETURN $1;
END $$;
CREATE TABLE trap.users (id text);
RESET ROLE;
CREATE FUNCTION public.audit() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM lower(tg_tag); END $$;
CREATE FUNCTION public.follow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM lower(tg_table_name || ' ' || tg_op); RETURN NULL; END $$;
CREATE EVENT TRIGGER regress_session_audit ON ddl_command_end EXECUTE FUNCTION public.audit();
CREATE TRIGGER follow AFTER INSERT OR UPDATE OR DELETE ON session.sessions FOR EACH ROW EXECUTE FUNCTION public.follow();
CREATE TRIGGER follow AFTER INSERT ON session.events FOR EACH ROW EXECUTE FUNCTION public.follow();
SET session.log_events = 'all';
SET ROLE regress_session_mallory;
SET search_path = trap, pg_catalog, public;
SELECT count(session_create('u', max_sessions => 1)) AS made FROM generate_series(1, 2);
SELECT session_data_set(token, 'k', '1'), session_revoke(token) FROM session_create('v');
SELECT session_cleanup();
SELECT session_bind_users('trap.users', 'id');
SELECT session_unbind_users('trap.users');
SELECT session_storage('cache');
SELECT session_storage('database');
SELECT session_grant('regress_session_mallory', 'app');
SELECT * FROM public.called;
CREATE TABLE trap.own (id int);
SELECT * FROM public.called;
SHOW search_path;
RESET search_path;
RESET ROLE;
RESET session.log_events;
DROP EVENT TRIGGER regress_session_audit;
DROP TRIGGER follow ON session.sessions;
DROP TRIGGER follow ON session.events;
DROP FUNCTION public.audit, public.follow;
DROP TABLE public.called;

-- A table with the right name and columns is not trusted if it does not belong
-- to the extension.
BEGIN;
CREATE TABLE public.copy (LIKE session.sessions INCLUDING ALL);
DROP EXTENSION session;
CREATE SCHEMA session;
ALTER TABLE public.copy SET SCHEMA session;
ALTER TABLE session.copy RENAME TO sessions;
ALTER INDEX session.copy_pkey RENAME TO sessions_pkey;
ALTER INDEX session.copy_user_id_idx RENAME TO sessions_user_id_idx;
ALTER INDEX session.copy_tenant_id_idx RENAME TO sessions_tenant_id_idx;
ALTER INDEX session.copy_purge_at_idx RENAME TO sessions_purge_at_idx;
CREATE FUNCTION pg_temp.status(token text, ip inet, user_agent text) RETURNS text
LANGUAGE c AS '$libdir/session', 'session_status';
SELECT pg_temp.status(:'token', NULL, NULL);
ROLLBACK;
SELECT session_status(:'token');

DROP FUNCTION pg_temp.life();
SET client_min_messages = warning;
DROP SCHEMA evil, trap CASCADE;
DROP EXTENSION session;
DROP OWNED BY regress_session_mallory;
DROP ROLE regress_session_mallory;
