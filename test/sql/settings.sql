-- Settings: names, defaults, ranges, and who may change them.
CREATE EXTENSION session;

-- All settings with their defaults.
SELECT name, boot_val AS setting, unit, vartype, min_val, max_val, enumvals
  FROM pg_settings WHERE name LIKE 'session.%' ORDER BY name COLLATE "C";

-- They are shown in units.  The test server sets a long session.naptime, so
-- that the launcher does not interfere.
SELECT name, current_setting(name) AS value
  FROM pg_settings WHERE name LIKE 'session.%' AND unit IS NOT NULL
 ORDER BY name COLLATE "C";

-- Each has a description, and only a superuser can change it.  The settings of
-- the master key and of the times of upkeep are for the whole server.
SELECT name, context FROM pg_settings WHERE name LIKE 'session.%' AND context <> 'superuser' ORDER BY name COLLATE "C";
SELECT count(*) FILTER (WHERE short_desc = '') AS undescribed,
       count(*) FILTER (WHERE context NOT IN ('superuser', 'sighup', 'postmaster')) AS for_anyone,
       string_agg(name, ' ') FILTER (WHERE setting <> boot_val) AS changed
  FROM pg_settings WHERE name LIKE 'session.%';

-- A value out of range and an unknown name are errors.
\set VERBOSITY sqlstate
SET session.lifetime = 0;
SET session.lifetime = '-1s';
SET session.idle_timeout = -1;
SET session.on_limit = 'ignore';
SET session.bind_ip = 'on';
SET session.bind_ip_prefix_v4 = 33;
SET session.bind_ip_prefix_v6 = 129;
SET session.on_mismatch = 'log';
SET session.max_data_size = 1023;
SET session.cleanup_batch = 0;
SET session.access_lifetime = 0;
SET session.refresh_lifetime = 0;
SET session.refresh_grace = -1;
SET session.refresh_grace = '3601s';
SET session.cookie_cache_ttl = 0;
SET session.cookie_cache_ttl = '86401s';
SET session.bound_cookie_ttl = '59s';
SET session.bound_cookie_ttl = '86401s';
SET session.dbsc_grace = -1;
SET session.dbsc_grace = '61s';
SET session.cookie_encoding = 'base64';
SET session.cookie_same_site = 'off';
SET session.strategy = 'cookie';
SET session.on_invalid = 'ignore';
SET session.csrf = 'on';
SET session.csrf = 'same-origin';
SET session.sensitive_paths = 'admin';
SET session.sensitive_paths = '/admin*';
SET session.context = 'alice';
SET session.encrypt_data = 'key';
SET session.event_retention = -1;
SET session.failure_threshold = -1;
SET session.notify = 'sometimes';
SET session.log_events = 'created, nothing';
SET session.log_events = 'created,';
SET session.log_events = '"Created"';
SET session.master_key_file = 'mine.key';
SET session.master_key_command = 'true';
SET session.naptime = '1s';
SET session.cleanup_interval = '1s';
SET session.cleanup_pace = 0;
SET session.activity_size = 16;
ALTER SYSTEM SET session.naptime = 0;
ALTER SYSTEM SET session.naptime = '86401s';
ALTER SYSTEM SET session.cleanup_interval = 0;
ALTER SYSTEM SET session.cleanup_pace = -0.1;
ALTER SYSTEM SET session.cleanup_pace = 100.1;
ALTER SYSTEM SET session.activity_size = 15;
ALTER SYSTEM SET session.activity_size = 10000001;
SET session.lifetme = '1h';
SELECT count(*) AS changed FROM pg_settings WHERE name LIKE 'session.%' AND setting <> reset_val;

-- An ordinary role cannot read where the master key is.
CREATE ROLE regress_session_nobody;
SET ROLE regress_session_nobody;
SHOW session.master_key_file;
SHOW session.master_key_command;
SELECT count(*) AS shown FROM pg_settings WHERE name LIKE 'session.master%';
SET session.encrypt_data = off;
SET session.claims_function = 'public.mine';
SET session.refresh_grace = '1h';
SET session.dbsc_grace = '1min';
SET session.cookie_secure = off;
SET session.strategy = 'stateless';
SET session.sensitive_paths = '';
SET session.token_header = 'accept';
SET session.client_ip_header = 'x-forwarded-for';
SET session.authenticated_role = 'postgres';
SET session.on_invalid = 'anonymous';
SET session.live_identity = off;
SET session.context = 'alice';
SET session.log_events = '';
SET session.notify = off;
SET session.event_retention = 1;
SET session.failure_threshold = 0;
RESET ROLE;
DROP ROLE regress_session_nobody;

-- The largest values work: no sum with them overflows.
SET session.lifetime = 2147483647;
SET session.idle_timeout = 2147483647;
SET session.max_lifetime = 2147483647;
SET session.update_age = 2147483647;
SET session.revoked_retention = 2147483647;
SET session.access_lifetime = 2147483647;
SET session.refresh_lifetime = 2147483647;
SET session.refresh_grace = 3600;
SET session.cookie_cache_ttl = 86400;
SET session.bound_cookie_ttl = 60;
SET session.dbsc_grace = 60;
SET session.event_retention = 2147483647;
SET session.failure_threshold = 2147483647;
SET session.log_events = 'all';
SELECT token FROM session_create('alice') \gset
SELECT count(*) AS valid FROM session_validate(:'token');
SELECT count(*) AS refreshed FROM session_refresh(:'token');
SELECT session_revoke(:'token');
SELECT expires_at < 'infinity' AND expires_at > clock_timestamp() + interval '60 years' AS far,
       purge_at < 'infinity' AND purge_at > clock_timestamp() + interval '60 years' AS kept
  FROM session.sessions;
SELECT session_key_rotate() IS NOT NULL AS made;
SELECT token, refresh_token FROM session_create('bob', refreshable => true) \gset
SELECT source, expires_at > clock_timestamp() + interval '60 years' AS far
  FROM session_cookie_validate(session_cookie_issue(:'token'));
SELECT count(*) AS refreshed FROM session_refresh(:'refresh_token');
SELECT count(*) AS refreshed FROM session_refresh(:'refresh_token');
SELECT session_cleanup();
SELECT count(*) > 0 AS events FROM session.events;
RESET ALL;

-- The list of events has a word for each kind, in any order and case; all
-- stands for all of them.
SET session.log_events = revoked, Created, revoked;
SHOW session.log_events;
SET session.log_events = '';
SHOW session.log_events;
SET session.log_events = 'all, created';
SHOW session.log_events;
\set VERBOSITY default
SET session.log_events = 'created, burned';
SET session.log_events = 'created revoked';
\set VERBOSITY sqlstate
RESET session.log_events;

-- They follow transactions and SET clauses of functions like other settings.
BEGIN;
SET LOCAL session.lifetime = '1h';
SELECT expires_at - created_at AS lifetime FROM (SELECT (session_create()).id) AS made, session_get(id);
ROLLBACK;
SELECT expires_at - created_at AS lifetime FROM (SELECT (session_create()).id) AS made, session_get(id);
CREATE FUNCTION pg_temp.create_short() RETURNS session_credentials
LANGUAGE sql SET session.lifetime = '1min' AS 'SELECT session_create()';
SELECT expires_at - created_at AS lifetime FROM (SELECT (pg_temp.create_short()).id) AS made, session_get(id);
SHOW session.lifetime;

DROP FUNCTION pg_temp.create_short();
DROP EXTENSION session;
