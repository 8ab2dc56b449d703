-- Installation: the schemas that it uses, what it refuses, and that removal is
-- complete.

-- Functions and types go to the schema that is requested, and the tables to a
-- schema of their own.
CREATE SCHEMA regress_session_api;
CREATE EXTENSION session SCHEMA regress_session_api;
SELECT DISTINCT n.nspname, d.classid::regclass
  FROM pg_depend d
  JOIN pg_extension e ON e.oid = d.refobjid AND d.refclassid = 'pg_extension'::regclass
  LEFT JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid
  LEFT JOIN pg_type t ON d.classid = 'pg_type'::regclass AND t.oid = d.objid
   AND t.typrelid IN (SELECT oid FROM pg_class WHERE relkind = 'c')
  LEFT JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
  JOIN pg_namespace n ON n.oid IN (p.pronamespace, t.typnamespace, c.relnamespace)
 WHERE e.extname = 'session' AND d.deptype = 'e'
 ORDER BY n.nspname, classid;

-- All functions work in that schema, even if it is not in the search path.
SET search_path = '';
SELECT token FROM regress_session_api.session_create('alice') \gset
SELECT user_id, status FROM regress_session_api.session_validate(:'token');
SELECT token FROM regress_session_api.session_regenerate(:'token', auth_level => 2) \gset
SELECT regress_session_api.session_data_set(:'token', 'a', '1'), regress_session_api.session_data(:'token');
SELECT status, auth_level FROM regress_session_api.session_list('alice');
BEGIN;
SELECT regress_session_api.session_authenticate(:'token'), regress_session_api.session_require(2);
SELECT regress_session_api.session_user_id(), regress_session_api.session_claim('sub'), user_id, current
  FROM regress_session_api.session_mine();
SELECT pg_catalog.set_config('request.headers', pg_catalog.json_build_object('x-session-token', :'token')::text, true) <> '' AS set;
SELECT regress_session_api.session_pre_request();
SELECT regress_session_api.session_user_id();
COMMIT;
SELECT regress_session_api.session_key_rotate() AS kid \gset
SELECT regress_session_api.session_key_rotate('jwt') IS NOT NULL AS made;
SELECT regress_session_api.session_cookie_encode('{"a": 1}') AS cookie,
       regress_session_api.session_cookie_issue(:'token', 'jwe') AS snapshot \gset
SELECT regress_session_api.session_cookie_decode(:'cookie') -> 'a' AS a;
SELECT user_id, source FROM regress_session_api.session_cookie_validate(:'snapshot');
SELECT regress_session_api.session_cookie_revoke(:'cookie'), regress_session_api.session_cookie_decode(:'cookie');
SELECT count(regress_session_api.session_jwt(:'token')) AS jwts;
SELECT regress_session_api.session_cookie_header('v'), regress_session_api.session_cookie_read('__Host-session=v');
SELECT refresh_token FROM regress_session_api.session_create('carol', refreshable => true) \gset
SELECT count(*) AS refreshed FROM regress_session_api.session_refresh(:'refresh_token');
SELECT regress_session_api.session_key_retire(:'kid');
SELECT count(*) AS accepted FROM regress_session_api.session_cookie_validate(:'snapshot');
SELECT regress_session_api.session_revoke(:'token'), regress_session_api.session_status(:'token');
RESET search_path;

-- A grant gives access to that schema and to no other.
CREATE ROLE regress_session_app;
SELECT regress_session_api.session_grant('regress_session_app', 'app');
SELECT has_schema_privilege('regress_session_app', 'regress_session_api', 'USAGE') AS usage,
       has_schema_privilege('regress_session_app', 'regress_session_api', 'CREATE') AS create,
       has_schema_privilege('regress_session_app', 'session', 'USAGE') AS private;
SET ROLE regress_session_app;
SELECT count(*) AS made FROM regress_session_api.session_create('bob');
RESET ROLE;

-- The extension cannot be moved to another schema.
\set VERBOSITY sqlstate
ALTER EXTENSION session SET SCHEMA public;

-- Its objects cannot be dropped individually, and it cannot be installed
-- twice.
DROP TABLE session.sessions;
DROP TABLE session.keys CASCADE;
DROP TABLE session.denylist;
DROP TABLE session.events;
DROP TABLE session.origins;
DROP VIEW session.key_ring;
DROP FUNCTION session.session_keys_changed() CASCADE;
DROP FUNCTION session.session_users_changed();
DROP SCHEMA session CASCADE;
DROP FUNCTION regress_session_api.session_validate;
CREATE EXTENSION session;

-- Dropping the extension removes all its objects, including the sessions and
-- the keys.
SELECT regress_session_api.session_key_rotate() IS NOT NULL AS made;
SELECT regress_session_api.session_cookie_encode('{"a": 1}') AS cookie \gset
DROP EXTENSION session;
SELECT count(*) AS schemas FROM pg_namespace WHERE nspname = 'session';
SELECT count(*) AS functions FROM pg_proc WHERE proname LIKE 'session\_%' AND probin IS NOT NULL;
SELECT count(*) AS types FROM pg_type WHERE typname LIKE 'session\_%';
SELECT count(*) AS relations FROM pg_class
 WHERE relname ~ '^(sessions|keys|denylist|events|origins)(_|$)' OR relname = 'key_ring';

-- It can be installed again in the same connection.  It is empty then, and old
-- tokens and cookies are unknown.
CREATE EXTENSION session;
SELECT session_status(:'token'), session_cookie_decode(:'cookie');
SELECT session_cookie_encode('{"a": 1}');
SELECT token FROM session_create('alice') \gset
SELECT session_data_set(:'token', 'a', '1'), session_data(:'token'), session_revoke(:'token');
SELECT count(*) AS sessions FROM session.sessions;
DROP EXTENSION session;

-- It can be dropped and installed in one transaction, and a rollback restores
-- the previous state.
CREATE EXTENSION session;
SELECT token FROM session_create('alice') \gset
SELECT session_key_rotate() IS NOT NULL AS made;
SELECT session_cookie_encode('{"a": 1}') AS cookie \gset
BEGIN;
DROP EXTENSION session;
CREATE EXTENSION session SCHEMA regress_session_api;
SELECT regress_session_api.session_status(:'token'), regress_session_api.session_cookie_decode(:'cookie');
SELECT token AS inner FROM regress_session_api.session_create('bob') \gset
SELECT regress_session_api.session_key_rotate() IS NOT NULL AS made;
SELECT regress_session_api.session_cookie_encode('{"b": 2}') AS inner_cookie \gset
SELECT regress_session_api.session_status(:'inner'),
       regress_session_api.session_cookie_decode(:'inner_cookie') -> 'b' AS b;
ROLLBACK;
SELECT session_status(:'token') AS alice, session_status(:'inner') AS bob,
       session_cookie_decode(:'cookie') -> 'a' AS a, session_cookie_decode(:'inner_cookie') AS b;
SELECT session_revoke(:'token');

-- A schema that already exists may belong to any role, so the installation
-- fails and leaves nothing behind.
DROP EXTENSION session;
CREATE SCHEMA session;
CREATE EXTENSION session;
SELECT count(*) AS functions FROM pg_proc WHERE proname LIKE 'session\_%' AND probin IS NOT NULL;
SELECT count(*) AS extensions FROM pg_extension WHERE extname = 'session';
DROP SCHEMA session;

-- The same holds for a function or a type with one of its names: it is not
-- replaced.
CREATE FUNCTION public.session_revoke(token text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
CREATE EXTENSION session;
DROP FUNCTION public.session_revoke(text);
CREATE TYPE public.session_info AS (a int);
CREATE EXTENSION session;
DROP TYPE public.session_info;
SELECT count(*) AS schemas FROM pg_namespace WHERE nspname = 'session';

-- Only a superuser can install it, whatever else a role may create.
SET ROLE regress_session_app;
CREATE EXTENSION session;
RESET ROLE;
SELECT format('GRANT CREATE ON DATABASE %I TO regress_session_app', current_database()) \gexec
GRANT CREATE ON SCHEMA public TO regress_session_app;
SET ROLE regress_session_app;
CREATE EXTENSION session;
RESET ROLE;

SELECT format('REVOKE CREATE ON DATABASE %I FROM regress_session_app', current_database()) \gexec
DROP OWNED BY regress_session_app;
DROP ROLE regress_session_app;
DROP SCHEMA regress_session_api;
