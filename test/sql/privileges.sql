-- Privileges: a role may do nothing that was not granted.
CREATE EXTENSION session;
\getenv here PG_ABS_SRCDIR
\i :here/sql/include/helpers.sql
CREATE ROLE regress_session_nobody;
CREATE ROLE regress_session_app;
CREATE ROLE regress_session_admin;
SELECT session_grant('regress_session_app', 'app');
SELECT session_grant('regress_session_admin', 'admin');

-- Returns whether a role may call a function.  The call has NULL arguments and
-- a bound session.
SELECT set_config('test.token', token, false) IS NOT NULL AS set FROM session_create('eve');
CREATE FUNCTION pg_temp.may(role name, function oid) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    call text;
    outcome text := '';
BEGIN
    SELECT format('SELECT FROM %s(%s)', function::regproc,
                  (SELECT string_agg(format('NULL::%s', t::regtype), ', ')
                     FROM unnest(proargtypes) AS t))
      INTO call FROM extension_functions WHERE oid = function;
    PERFORM session_authenticate(current_setting('test.token'));
    PERFORM set_config('role', role, true);
    BEGIN
        EXECUTE call;
    EXCEPTION WHEN OTHERS THEN
        outcome := sqlstate;
    END;
    PERFORM set_config('role', 'none', true);
    RETURN outcome NOT IN ('42501', '42804');  -- 42804: a trigger function cannot be called
END
$$;

-- The functions that each role may call, found by calling them; the catalog
-- must agree.  Which they are is in test/privileges.txt.
CREATE TEMP TABLE matrix AS
SELECT p.proname, role, pg_temp.may(role, p.oid) AS may,
       has_function_privilege(role, p.oid, 'EXECUTE') AS granted
  FROM extension_functions p,
       unnest('{regress_session_nobody,regress_session_app,regress_session_admin}'::name[]) AS role;
SELECT count(*) FILTER (WHERE may <> granted) AS contradictions FROM matrix;

-- Without a grant all others are refused, whatever the arguments.
\set VERBOSITY sqlstate
SELECT token FROM session_create('alice') \gset
SET ROLE regress_session_nobody;
SELECT session_validate(:'token');
SELECT session_status(:'token');
SELECT session_create('mallory');
SELECT session_revoke(:'token');
SELECT session_list('alice');
SELECT session_grant('regress_session_nobody', 'admin');
SELECT session_cookie_encode('{"role": "admin"}');
SELECT session_cookie_decode('a.b');
SELECT session_cookie_issue(:'token');
SELECT session_cookie_validate('a.b');
SELECT session_jwt(:'token');
SELECT session_key_rotate();
SELECT session_key_import('0123456789abcdef0123456789abcdef');
SELECT session_key_retire('k');
\set VERBOSITY default
SELECT session_status(:'token');
\set VERBOSITY sqlstate
SELECT session_cookie_header('v'), session_cookie_clear(), session_cookie_read('__Host-session=v');
SELECT session_require();
BEGIN;
SELECT session_authenticate(:'token');
SELECT session_user_id(), session_require(), session_pre_request();
SELECT session_user_id(), session_authenticate(:'token');
SELECT user_id, data, current FROM session_mine();
SELECT session_revoke_mine(session_id()), session_revoke_others();
ROLLBACK;
RESET ROLE;

-- In the schema, an administrator may read the events and three views.  A
-- level is recorded as SELECT on a column of session.granted.
SELECT role, has_schema_privilege(role, 'session', 'USAGE') AS usage,
       has_schema_privilege(role, 'session', 'CREATE') AS create
  FROM unnest('{regress_session_nobody,regress_session_app,regress_session_admin}'::name[]) AS role;
SELECT c.relname, c.relkind, role, privilege
  FROM pg_class c,
       unnest('{regress_session_nobody,regress_session_app,regress_session_admin}'::name[]) AS role,
       unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[]) AS privilege
 WHERE c.relnamespace = 'session'::regnamespace
   AND c.relkind <> 'i'
   AND (has_table_privilege(role, c.oid, privilege)
        OR privilege IN ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES')
           AND has_any_column_privilege(role, c.oid, privilege))
 ORDER BY c.relname COLLATE "C", role;
SELECT * FROM session.grants ORDER BY role;
SELECT relkind, array_agg(relname ORDER BY relname COLLATE "C") AS relations
  FROM pg_class WHERE relnamespace = 'session'::regnamespace GROUP BY relkind ORDER BY relkind;

-- Administrators get no further even if the schema is opened to PUBLIC by
-- mistake.
CREATE TEMP TABLE statements (statement text);
GRANT SELECT ON statements TO PUBLIC;
INSERT INTO statements VALUES
    ('SELECT FROM session.sessions'),
    ('SELECT id FROM session.sessions'),
    ('INSERT INTO session.sessions SELECT'),
    ('INSERT INTO session.sessions DEFAULT VALUES'),
    ('UPDATE session.sessions SET expires_at = ''infinity'''),
    ('DELETE FROM session.sessions'),
    ('TRUNCATE session.sessions'),
    ('LOCK TABLE session.sessions IN ACCESS SHARE MODE'),
    ('CREATE TRIGGER t BEFORE UPDATE ON session.sessions EXECUTE FUNCTION suppress_redundant_updates_trigger()'),
    ('CREATE RULE r AS ON UPDATE TO session.sessions DO INSTEAD NOTHING'),
    ('CREATE POLICY p ON session.sessions USING (true)'),
    ('CREATE INDEX ON session.sessions (token_hash)'),
    ('ALTER TABLE session.sessions ADD COLUMN c int'),
    ('ALTER TABLE session.sessions OWNER TO current_user'),
    ('CREATE TABLE session.mine ()'),
    ('CREATE TEMP TABLE child () INHERITS (session.sessions)'),
    ('DROP TABLE session.sessions'),
    ('SELECT kid FROM session.keys'),
    ('SELECT FROM session.key_ring'),
    ('INSERT INTO session.keys SELECT'),
    ('UPDATE session.keys SET retired_at = NULL'),
    ('DELETE FROM session.keys'),
    ('ALTER TABLE session.keys DISABLE TRIGGER ALL'),
    ('CREATE OR REPLACE VIEW session.key_ring AS SELECT'),
    ('INSERT INTO session.events (at, kind) SELECT now(), ''created'''),
    ('UPDATE session.events SET user_id = NULL'),
    ('DELETE FROM session.events'),
    ('TRUNCATE session.events'),
    ('SELECT nextval(''session.events_id_seq'')'),
    ('SELECT FROM session.origins'),
    ('DELETE FROM session.origins'),
    ('SELECT FROM session.denylist'),
    ('INSERT INTO session.denylist SELECT'),
    ('UPDATE session.denylist SET expires_at = ''-infinity'''),
    ('DELETE FROM session.denylist'),
    ('SELECT FROM session.policies'),
    ('INSERT INTO session.policies SELECT'),
    ('UPDATE session.policies SET valid_after = NULL'),
    ('DELETE FROM session.policies'),
    ('ALTER TABLE session.policies DISABLE TRIGGER ALL'),
    ('SELECT session.session_policies_changed()'),
    ('SELECT session.session_keys_changed()'),
    ('SELECT session.session_denylist_changed()'),
    ('SELECT session.session_users_changed()'),
    ('SELECT session.session_restore_privileges()'),
    ('DROP EXTENSION session'),
    ('ALTER EXTENSION session UPDATE'),
    ('ALTER FUNCTION public.session_validate OWNER TO current_user'),
    ('CREATE OR REPLACE FUNCTION public.session_revoke(token text) RETURNS boolean LANGUAGE sql AS ''SELECT true''');
SET ROLE regress_session_admin;
SELECT left(pg_temp.outcome_of(statement), 5) AS closed, count(*) FROM statements GROUP BY closed ORDER BY closed;
RESET ROLE;
GRANT USAGE ON SCHEMA session TO PUBLIC;
SET ROLE regress_session_admin;
SELECT left(pg_temp.outcome_of(statement), 5) AS opened, statement FROM statements;
COPY session.sessions TO STDOUT;
COPY session.keys TO STDOUT;
RESET ROLE;
REVOKE USAGE ON SCHEMA session FROM PUBLIC;

-- The statistics of the planner about the tables are hidden too.
SELECT count(session_key_rotate(purpose)) AS keys FROM unnest('{session,jwt}'::text[]) AS purpose;
ANALYZE session.sessions, session.keys;
SELECT tablename, count(*) > 0 AS seen FROM pg_stats WHERE schemaname = 'session'
 GROUP BY tablename ORDER BY tablename;
SET ROLE regress_session_admin;
SELECT count(*) > 0 AS seen FROM pg_stats WHERE schemaname = 'session';
RESET ROLE;

-- A role with the level app can do everything that an application needs, and
-- owns nothing.
SET ROLE regress_session_app;
SELECT id, token FROM session_create('bob', '{"a": 1}', tenant_id => 'acme') \gset
SELECT user_id, data FROM session_validate(:'token');
SELECT session_status(:'token'), session_is_valid(:'token'), session_is_expired(:'token'), session_touch(:'token');
SELECT id = :'id' AS same_id FROM session_refresh(:'token');
SELECT token FROM session_regenerate(:'token', 'bob', 'clerk', 2) \gset
SELECT session_data_set(:'token', 'b', '2'), session_data_get(:'token', 'b'), session_data(:'token'),
       session_data_pop(:'token', 'b'), session_data_delete(:'token', 'a'),
       session_data_save(:'token', '{"c": 3}'), session_data_merge(:'token', '{"d": 4}'),
       session_data_append(:'token', 'e', '5'), session_data_replace(:'token', 'c', '3', NULL), session_data_clear(:'token');
SELECT session_cookie_encode('{"a": 1}') AS cookie, session_cookie_issue(:'token') AS snapshot \gset
SELECT session_cookie_decode(:'cookie') -> 'a' AS a, session_cookie_revoke(:'cookie'), session_cookie_decode(:'cookie');
SELECT id = :'id' AS same_id, source FROM session_cookie_validate(:'snapshot');
SELECT source FROM session_cookie_validate(:'snapshot', true, :'token');
SELECT count(session_jwt(:'token')) AS jwts;
SELECT refresh_token FROM session_create('bob', refreshable => true) \gset
SELECT count(*) AS refreshed FROM session_refresh(:'refresh_token');
SELECT session_list('bob');
SELECT session_revoke_id(:'id');
SELECT session_key_rotate();
SELECT session_key_import('0123456789abcdef0123456789abcdef');
SELECT session_key_import_jwk('{}', 'other');
SELECT session_key_retire('k');
SELECT session_cleanup();
SELECT session_bind_users('pg_class', 'oid');
SELECT session_unbind_users('pg_class');
SELECT session_storage('cache');
SELECT session_grant('regress_session_app', 'admin');
RESET ROLE;

-- A role with the level admin can do the same, and what an administrator
-- needs.
SET ROLE regress_session_admin;
SELECT session_status(:'token');
SELECT user_id, status FROM session_list('bob');
SELECT user_id, status FROM session_get(:'id');
SELECT session_key_rotate('other') AS kid \gset
SELECT session_key_retire(:'kid');
SELECT session_key_import('0123456789abcdef0123456789abcdef', 'k', 'other'), session_key_retire('k');
SELECT session_key_rotate('other', 'EdDSA') AS kid \gset
SELECT session_jwks('other') AS jwks \gset
SELECT session_key_retire(session_key_import_jwk(:'jwks', 'theirs', 'issuer', 'audience')), session_key_retire(:'kid');
SELECT session_revoke_id(:'id', 'because'), session_revoke_user('alice'), session_revoke_tenant('acme'), session_cleanup();
SELECT count(*) >= 0 AS readable FROM session.events;
RESET ROLE;

-- After an error in a function, the current role is the caller's again.
SET ROLE regress_session_app;
SELECT id FROM session_create('carol', id => :'id');
SELECT current_user;
\set VERBOSITY terse
DO $$
BEGIN
    PERFORM session_create('carol', id => id) FROM (SELECT (session_create('carol')).id OFFSET 0) AS made;
EXCEPTION WHEN unique_violation THEN
    RAISE NOTICE 'unique violation, seen by %', current_user;
END
$$;
\set VERBOSITY sqlstate
SELECT count(*) FROM session.sessions;
RESET ROLE;

-- session_grant needs the owner of the tables to have the right to grant;
-- otherwise it is an error.
BEGIN;
ALTER TABLE session.sessions OWNER TO regress_session_admin;
SELECT session_grant('regress_session_nobody', 'app');
ROLLBACK;
-- A level that a role only inherits from another role, which it may leave,
-- does not count as granted to it.
BEGIN;
CREATE ROLE regress_session_member IN ROLE regress_session_admin;
ALTER FUNCTION session_list OWNER TO regress_session_app;
GRANT EXECUTE ON FUNCTION session_list TO regress_session_admin;
ALTER TABLE session.sessions OWNER TO regress_session_admin;
SELECT session_grant('regress_session_member', 'admin');
ROLLBACK;

-- Granting a level twice has the same effect as granting it once.  Granted
-- privileges can be revoked.
SELECT session_grant('regress_session_app', 'app');
SELECT session_grant('regress_session_admin', 'app');
SELECT has_function_privilege('regress_session_admin', 'session_list(text, text, boolean)', 'EXECUTE') AS still_admin;
REVOKE EXECUTE ON FUNCTION session_validate(text, inet, text, text, text, text, text) FROM regress_session_app;
SELECT has_function_privilege('regress_session_app', 'session_validate(text, inet, text, text, text, text, text)', 'EXECUTE') AS may;

-- The level none revokes what was granted.  It cannot revoke from the owner of
-- the tables.
BEGIN;
SELECT session_grant('regress_session_admin', 'none');
SELECT count(*) AS functions FROM extension_functions p, aclexplode(p.proacl) WHERE grantee = 'regress_session_admin'::regrole;
SELECT has_table_privilege('regress_session_admin', 'session.events', 'SELECT') AS events,
       has_schema_privilege('regress_session_admin', 'session', 'USAGE') AS schema;
SELECT has_function_privilege('regress_session_app', 'session_status(text, inet, text, text, text, text, text)', 'EXECUTE') AS others_keep_theirs;
SAVEPOINT s;
SELECT session_grant(relowner, 'none') FROM pg_class WHERE oid = 'session.sessions'::regclass;
ROLLBACK TO s;
GRANT EXECUTE ON FUNCTION session_touch TO regress_session_app WITH GRANT OPTION;
SET ROLE regress_session_app;
GRANT EXECUTE ON FUNCTION session_touch TO regress_session_nobody;
RESET ROLE;
SAVEPOINT t;
SELECT session_grant('regress_session_nobody', 'none');
ROLLBACK TO t;
SELECT session_grant('pg_monitor', 'none');
SELECT has_schema_privilege('pg_monitor', 'session', 'USAGE') AS still_monitors;
SELECT session_grant('regress_session_admin', 'app');
SELECT has_function_privilege('regress_session_admin', 'session_status(text, inet, text, text, text, text, text)', 'EXECUTE') AS app,
       has_function_privilege('regress_session_admin', 'session_list(text, text, boolean)', 'EXECUTE') AS admin;
ROLLBACK;

-- Revoking a level leaves no dependency, so the role can be dropped.  A schema
-- that it could use before stays usable.
CREATE ROLE regress_session_brief;
SELECT session_grant('regress_session_brief', 'app');
SELECT session_grant('regress_session_brief', 'admin');
SELECT * FROM session.grants WHERE role = 'regress_session_brief';
SELECT session_grant('regress_session_brief', 'none');
SELECT * FROM session.grants WHERE role = 'regress_session_brief';
SELECT count(*) AS dependencies FROM pg_shdepend WHERE refobjid = 'regress_session_brief'::regrole;
DROP ROLE regress_session_brief;
CREATE ROLE regress_session_brief;
SELECT session_grant('regress_session_brief', 'none');
GRANT USAGE ON SCHEMA public, session TO regress_session_brief;
SELECT session_grant('regress_session_brief', 'admin');
SELECT session_grant('regress_session_brief', 'none');
SELECT nspname FROM pg_namespace, aclexplode(nspacl) WHERE grantee = 'regress_session_brief'::regrole ORDER BY nspname;
REVOKE USAGE ON SCHEMA public, session FROM regress_session_brief;
SELECT session_grant('regress_session_brief', 'admin');
DROP OWNED BY regress_session_brief;
SELECT * FROM session.grants WHERE role = 'regress_session_brief';
DROP ROLE regress_session_brief;

-- A level is complete: it depends on no privilege of PUBLIC.
BEGIN;
REVOKE USAGE ON SCHEMA public FROM PUBLIC;
DO $$
DECLARE
    f regprocedure;
BEGIN
    FOR f IN SELECT oid FROM extension_functions LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
    END LOOP;
END
$$;
REVOKE ALL ON TYPE session_info, session_credentials FROM PUBLIC;
SELECT finding, kind, grantee, count(*) > 0 AS some FROM session.privileges GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;
CREATE ROLE regress_session_later;
SELECT session_grant('regress_session_later', 'app');
SET LOCAL ROLE regress_session_later;
SELECT token FROM session_create('alice') \gset
SELECT session_authenticate(:'token');
SELECT session_user_id(), session_cookie_read('a=b', 'a');
CREATE FUNCTION pg_temp.f(s session_info) RETURNS text LANGUAGE sql AS 'SELECT s.user_id';
SELECT pg_temp.f(v) FROM session_validate(:'token') AS v;
RESET ROLE;
SELECT session.session_restore_privileges() > 0 AS restored;
SELECT count(*) AS findings FROM session.privileges;
ROLLBACK;

-- Privileges that a later GRANT opened are listed with the statement that
-- revokes them, and so are missing ones.
SELECT object, finding, remedy FROM session.privileges;
BEGIN;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO regress_session_app;
GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER ON ALL TABLES IN SCHEMA session TO regress_session_nobody;
GRANT ALL ON ALL SEQUENCES IN SCHEMA session TO PUBLIC;
GRANT SELECT (id, "token_hash"), UPDATE (user_id) ON session.sessions TO regress_session_nobody;
GRANT ALL ON SCHEMA session TO regress_session_nobody;
GRANT EXECUTE ON FUNCTION session_touch TO regress_session_app WITH GRANT OPTION;
GRANT EXECUTE ON FUNCTION session_create TO PUBLIC;
GRANT EXECUTE ON FUNCTION session_id TO regress_session_nobody;
REVOKE EXECUTE ON FUNCTION session_list FROM regress_session_admin;
SET LOCAL ROLE regress_session_app;
GRANT EXECUTE ON FUNCTION session_touch TO regress_session_nobody;
RESET ROLE;
\pset format unaligned
SELECT finding, kind, grantee, privilege, count(*), min(column_name) AS "column", min(remedy COLLATE "C") AS remedy
  FROM session.privileges GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4;
\pset format aligned
SELECT object FROM session.privileges
 WHERE finding = 'open' AND grantee = 'regress_session_app' ORDER BY object COLLATE "C";
SAVEPOINT s;
SELECT session.session_restore_privileges() > 0 AS restored;
SELECT * FROM session.privileges;
SELECT * FROM session.grants ORDER BY role;
ROLLBACK TO s;
-- An administrator sees them too.
SET LOCAL ROLE regress_session_admin;
SELECT count(*) > 0 AS seen FROM session.privileges;
RESET ROLE;
-- The level none revokes all functions from the role.
REVOKE GRANT OPTION FOR EXECUTE ON FUNCTION session_touch FROM regress_session_app CASCADE;
SELECT session_grant('regress_session_app', 'none');
SELECT count(*) AS functions FROM extension_functions p, aclexplode(p.proacl) WHERE grantee = 'regress_session_app'::regrole;
ROLLBACK;

-- Roles inherit a level from the roles that they are members of, like any
-- privilege.
CREATE ROLE regress_session_web IN ROLE regress_session_admin;
SET ROLE regress_session_web;
SELECT count(*) AS listed FROM session_list('alice');

-- An administrator may grant levels.  A role with a level cannot grant its
-- functions to others.
SELECT session_grant('regress_session_nobody', 'app');
RESET ROLE;
SET ROLE regress_session_nobody;
SELECT count(*) AS made FROM session_create('dave');
GRANT EXECUTE ON FUNCTION session_create TO PUBLIC;
RESET ROLE;
SELECT count(*) AS public FROM extension_functions p, aclexplode(p.proacl) WHERE grantee = 0 AND p.proname = 'session_create';

-- A record of a level counts only if the owner made it: a record of another
-- role makes no administrator.
CREATE ROLE regress_session_forger;
GRANT USAGE ON SCHEMA session TO regress_session_forger;
GRANT SELECT ON ALL TABLES IN SCHEMA session TO regress_session_forger WITH GRANT OPTION;
SET ROLE regress_session_forger;
GRANT SELECT (admin) ON session.granted TO regress_session_forger;
RESET ROLE;
SELECT * FROM session.grants WHERE role = 'regress_session_forger';
SELECT session.session_restore_privileges() > 0 AS restored;
SELECT session.session_restore_privileges() AS left, (SELECT count(*) FROM session.privileges) AS findings;
SELECT has_function_privilege('regress_session_forger', 'session_grant(regrole, text)', 'EXECUTE') AS may_grant,
       has_table_privilege('regress_session_forger', 'session.sessions', 'SELECT') AS may_read;
SELECT session_grant('regress_session_forger', 'app');
SELECT session_grant('regress_session_forger', 'none');
SELECT * FROM session.grants WHERE role = 'regress_session_forger';

-- A role keeps its level when the grants of another role are revoked.  One
-- call restores everything.
CREATE ROLE regress_session_second;
CREATE ROLE regress_session_fed;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO regress_session_second WITH GRANT OPTION;
SET ROLE regress_session_second;
GRANT EXECUTE ON FUNCTION session_validate(text, inet, text, text, text, text, text) TO regress_session_fed;
RESET ROLE;
SELECT session_grant('regress_session_fed', 'app');
SELECT session.session_restore_privileges() > 0 AS restored;
SELECT has_function_privilege('regress_session_fed', 'session_validate(text, inet, text, text, text, text, text)', 'EXECUTE') AS still,
       (SELECT count(*) FROM session.privileges) AS findings;

-- A role may have any name.
CREATE ROLE "regress_session; DROP TABLE ""x""; --";
CREATE ROLE "regress_session 'quoted' \ and as long as a name can be, ooooo";
SELECT session_grant(oid, 'app') FROM pg_roles WHERE rolname LIKE 'regress_session%' AND rolname ~ '[; ]';
SELECT count(*) AS granted FROM pg_roles
 WHERE rolname ~ '^regress_session[; ]' AND has_function_privilege(oid, 'session_status(text, inet, text, text, text, text, text)', 'EXECUTE');

-- An invalid argument is an error that names it.
SELECT call, pg_temp.error_of(call) AS error
  FROM unnest(ARRAY[
    $$session_grant(NULL, 'app')$$,
    $$session_grant('regress_session_app', NULL)$$,
    $$session_grant('regress_session_app', '')$$,
    $$session_grant('regress_session_app', 'App')$$,
    $$session_grant('regress_session_app', 'superuser')$$,
    $$session_grant('regress_session_none', 'app')$$,
    $$session_grant('public', 'app')$$,
    $$session_grant('-', 'app')$$,
    $$session_grant(4294967295, 'app')$$]) AS call;
BEGIN READ ONLY;
SELECT session_grant('regress_session_app', 'app');
ROLLBACK;

DROP EXTENSION session;
SELECT format('DROP OWNED BY %I', rolname), format('DROP ROLE %I', rolname)
  FROM pg_roles WHERE rolname LIKE 'regress\_session%' ORDER BY rolname COLLATE "C" \gexec
