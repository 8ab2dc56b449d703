-- The installation leaves only the privileges of the owner and the public
-- ones, whatever the default privileges are.
CREATE ROLE regress_session_anon;
CREATE ROLE regress_session_other;
CREATE ROLE regress_session_super SUPERUSER;
CREATE SCHEMA regress_session_api;

-- Every privilege on an object of the extension, by owner, role or PUBLIC, with columns and row types.
CREATE FUNCTION pg_temp.held() RETURNS TABLE (object text, grantee text, privilege text, grantable boolean)
LANGUAGE sql AS $$
    WITH member AS (
        SELECT d.classid, d.objid FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
         WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND e.extname = 'session'),
    listed AS (
        SELECT classid, objid, '' AS part, proowner AS owner, coalesce(proacl, acldefault('f', proowner)) AS acl
          FROM member JOIN pg_proc p ON classid = 'pg_proc'::regclass AND p.oid = objid
        UNION ALL
        SELECT classid, objid, '', relowner,
               coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner))
          FROM member JOIN pg_class c ON classid = 'pg_class'::regclass AND c.oid = objid
         WHERE relkind <> 'i'
        UNION ALL
        SELECT classid, objid, attname, relowner, attacl
          FROM member JOIN pg_class c ON classid = 'pg_class'::regclass AND c.oid = objid
          JOIN pg_attribute ON attrelid = c.oid
        UNION ALL
        SELECT classid, objid, '', typowner, coalesce(typacl, acldefault('T', typowner))
          FROM member JOIN pg_type t ON classid = 'pg_type'::regclass AND t.oid = objid
        UNION ALL
        SELECT classid, objid, '', nspowner, coalesce(nspacl, acldefault('n', nspowner))
          FROM member JOIN pg_namespace n ON classid = 'pg_namespace'::regclass AND n.oid = objid)
    SELECT pg_describe_object(classid, objid, 0) || part,
           CASE x.grantee WHEN 0 THEN 'PUBLIC' WHEN owner THEN 'owner' ELSE pg_get_userbyid(x.grantee)::text END,
           privilege_type, is_grantable
      FROM listed, aclexplode(acl) x
$$;

-- The result with the usual default privileges, which all other cases must
-- match.
SET search_path = pg_catalog;
CREATE EXTENSION session SCHEMA regress_session_api;
CREATE TEMP TABLE usual AS SELECT * FROM pg_temp.held();
SELECT grantee, privilege, grantable, count(*) > 0 AS some FROM usual WHERE grantee <> 'owner' GROUP BY 1, 2, 3 ORDER BY 1, 2;
SELECT object, privilege FROM usual WHERE grantee = 'pg_monitor' ORDER BY object COLLATE "C";
SELECT object, privilege FROM usual WHERE grantee = 'PUBLIC' AND object NOT LIKE 'type session.%' AND object NOT LIKE '%[]'
 ORDER BY object COLLATE "C";
DROP EXTENSION session;

-- Each kind of default privilege, and all of them together; prints the
-- differences from the usual result.
CREATE PROCEDURE pg_temp.try(settings text[], creator name DEFAULT current_user)
LANGUAGE plpgsql AS $$
DECLARE
    setting text;
    extra text;
    lost text;
    findings text;
BEGIN
    PERFORM set_config('role', creator, true);
    FOREACH setting IN ARRAY settings LOOP
        EXECUTE 'ALTER DEFAULT PRIVILEGES ' || setting;
    END LOOP;
    CREATE EXTENSION session SCHEMA regress_session_api;
    SELECT string_agg(h::text, ', ') INTO extra FROM (TABLE pg_temp.now_held EXCEPT TABLE usual) h;
    SELECT string_agg(h::text, ', ') INTO lost FROM (TABLE usual EXCEPT TABLE pg_temp.now_held) h;
    SELECT string_agg(p::text, ', ') INTO findings FROM session.privileges p;
    PERFORM set_config('role', 'none', true);
    RAISE NOTICE 'extra: %, lost: %, findings: %', extra, lost, findings;
    RAISE EXCEPTION SQLSTATE 'P0042';
EXCEPTION WHEN SQLSTATE 'P0042' THEN
    NULL;
END
$$;
CREATE TEMP VIEW now_held AS SELECT * FROM pg_temp.held();
GRANT SELECT ON usual, now_held TO PUBLIC;
CALL pg_temp.try('{}');
CALL pg_temp.try('{IN SCHEMA regress_session_api GRANT EXECUTE ON FUNCTIONS TO regress_session_anon}');
CALL pg_temp.try('{IN SCHEMA regress_session_api GRANT EXECUTE ON FUNCTIONS TO PUBLIC}');
CALL pg_temp.try('{GRANT EXECUTE ON FUNCTIONS TO regress_session_anon WITH GRANT OPTION}');
CALL pg_temp.try('{GRANT SELECT ON TABLES TO regress_session_anon}');
CALL pg_temp.try('{GRANT ALL ON TABLES TO PUBLIC}');
CALL pg_temp.try('{"GRANT ALL ON SEQUENCES TO regress_session_anon, PUBLIC"}');
CALL pg_temp.try('{GRANT ALL ON TYPES TO regress_session_anon WITH GRANT OPTION}');
CALL pg_temp.try('{GRANT USAGE ON SCHEMAS TO regress_session_anon}');
CALL pg_temp.try('{GRANT ALL ON SCHEMAS TO PUBLIC}');
CALL pg_temp.try('{REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC}');
CALL pg_temp.try('{REVOKE USAGE ON TYPES FROM PUBLIC}');
CALL pg_temp.try('{REVOKE ALL ON FUNCTIONS FROM CURRENT_USER,REVOKE ALL ON TABLES FROM CURRENT_USER,REVOKE ALL ON SEQUENCES FROM CURRENT_USER,REVOKE ALL ON TYPES FROM CURRENT_USER,REVOKE ALL ON SCHEMAS FROM CURRENT_USER}');
CREATE TEMP TABLE everything AS SELECT ARRAY[
    'IN SCHEMA regress_session_api GRANT ALL ON FUNCTIONS TO regress_session_anon WITH GRANT OPTION',
    'IN SCHEMA regress_session_api GRANT ALL ON TYPES TO regress_session_other',
    'GRANT ALL ON FUNCTIONS TO regress_session_anon, regress_session_other',
    'GRANT ALL ON TABLES TO regress_session_anon WITH GRANT OPTION',
    'GRANT ALL ON TABLES TO PUBLIC, pg_monitor',
    'GRANT ALL ON SEQUENCES TO regress_session_anon, PUBLIC',
    'GRANT ALL ON TYPES TO regress_session_anon',
    'GRANT ALL ON SCHEMAS TO regress_session_anon, regress_session_other, PUBLIC',
    'REVOKE ALL ON FUNCTIONS FROM PUBLIC, CURRENT_USER',
    'REVOKE ALL ON TYPES FROM PUBLIC, CURRENT_USER',
    'REVOKE ALL ON TABLES FROM CURRENT_USER'] AS settings;
GRANT SELECT ON everything TO PUBLIC;
DO $$
DECLARE
    all_of_them text[] := (SELECT settings FROM everything);
BEGIN
    CALL pg_temp.try(all_of_them);
    CALL pg_temp.try(all_of_them, 'regress_session_super');
END
$$;

-- In a database with hostile default privileges, the roles have the same
-- access as elsewhere.
ALTER DEFAULT PRIVILEGES GRANT ALL ON FUNCTIONS TO regress_session_anon;
ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO regress_session_anon;
ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO regress_session_anon;
ALTER DEFAULT PRIVILEGES REVOKE ALL ON FUNCTIONS FROM PUBLIC;
CREATE EXTENSION session SCHEMA regress_session_api;
GRANT USAGE ON SCHEMA regress_session_api TO PUBLIC;
SELECT regress_session_api.session_grant('regress_session_other', 'app');
\set VERBOSITY sqlstate
SET ROLE regress_session_anon;
SELECT regress_session_api.session_create('admin', role => 'postgres');
SELECT regress_session_api.session_key_import('0123456789abcdef0123456789abcdef');
SELECT regress_session_api.session_grant('regress_session_anon', 'admin');
SELECT session.session_restore_privileges();
SELECT FROM session.sessions;
SELECT FROM session.privileges;
SELECT nextval('session.events_id_seq');
CREATE TABLE session.mine ();
SELECT regress_session_api.session_user_id() IS NULL AS nobody;
SET ROLE regress_session_other;
SELECT count(*) AS made FROM regress_session_api.session_create('alice');
SELECT regress_session_api.session_user_id() IS NULL AS nobody;
SELECT regress_session_api.session_list('alice');
RESET ROLE;
\set VERBOSITY default

-- Default privileges that are set later do not affect existing objects.
ALTER DEFAULT PRIVILEGES REVOKE ALL ON TABLES FROM regress_session_anon;
SELECT * FROM session.privileges;
DROP EXTENSION session;

-- The installation warns of a schema in which other roles may create
-- functions, and not of one where only its owner may.
GRANT CREATE ON SCHEMA regress_session_api TO regress_session_super;
CREATE EXTENSION session SCHEMA regress_session_api;
DROP EXTENSION session;
GRANT CREATE ON SCHEMA regress_session_api TO PUBLIC, regress_session_other;
CREATE EXTENSION session SCHEMA regress_session_api;
SELECT kind, object, grantee, privilege, finding, remedy FROM session.privileges ORDER BY grantee COLLATE "C";
SELECT session.session_restore_privileges();
SELECT remedy FROM session.privileges ORDER BY remedy \gexec
SELECT count(*) AS findings FROM session.privileges;
SELECT session.session_restore_privileges();
DROP EXTENSION session;
ALTER SCHEMA regress_session_api OWNER TO regress_session_other;
CREATE EXTENSION session SCHEMA regress_session_api;
SELECT count(*) AS findings FROM session.privileges;
DROP EXTENSION session;

RESET search_path;
DROP OWNED BY regress_session_anon, regress_session_other, regress_session_super;
DROP SCHEMA IF EXISTS regress_session_api;
ALTER DEFAULT PRIVILEGES GRANT ALL ON FUNCTIONS TO PUBLIC;
SELECT count(*) AS defaults FROM pg_default_acl;
DROP ROLE regress_session_anon, regress_session_other, regress_session_super;
