-- Regenerating: a new token for the same session, at login and on every change
-- of privilege.
CREATE EXTENSION session;
\getenv here PG_ABS_SRCDIR
\i :here/sql/include/helpers.sql
CREATE TEMP VIEW now_set AS
SELECT user_id, pg_temp.is_recent(created_at) AS created,
       pg_temp.is_recent(authenticated_at) AS authenticated,
       pg_temp.is_recent(refreshed_at) AS refreshed,
       pg_temp.is_recent(last_seen_at) AS seen,
       date_trunc('minute', expires_at - clock_timestamp() + '30 seconds') AS ends_in
  FROM session.sessions ORDER BY created_at;

-- An anonymous visitor fills a cart and keeps it after the login.
SELECT id, token AS visit FROM session_create(
    data => '{"cart": ["book"]}', tenant_id => 'acme', ip => '192.0.2.10',
    user_agent => 'Firefox', lifetime => '1 hour') \gset
SELECT session_data_set(:'visit', 'cart', '["book", "pen"]');
CALL pg_temp.pass('20 minutes');
SELECT token AS login, id = :'id' AS same_id, token <> :'visit' AS new_token,
       refresh_token, refresh_expires_at
  FROM session_regenerate(:'visit', 'alice') \gset
SELECT :'same_id' AS same_id, :'new_token' AS new_token;
SELECT id = :'id' AS same_id, status, user_id, tenant_id, role, auth_level, data, ip,
       user_agent, pg_temp.is_recent(authenticated_at) AS authenticated_now, current
  FROM session_validate(:'login');

-- The old token is invalid from then on.
SELECT session_status(:'visit') AS old, session_status(:'login') AS new;
SELECT * FROM pg_temp.answers(:'visit');

-- The new token has only the id in common with the old one, and only its hash
-- is stored.
SELECT pg_temp.bytes_of(:'visit') AS old_bytes, pg_temp.bytes_of(:'login') AS new_bytes \gset
SELECT substr(:'old_bytes'::bytea, 1, 16) = substr(:'new_bytes'::bytea, 1, 16) AS same_id,
       count(*) FILTER (WHERE get_byte(:'old_bytes', n) = get_byte(:'new_bytes', n)) < 8 AS new_secret
  FROM generate_series(16, 47) AS n;
SELECT count(*) AS rows, bool_and(token_hash = sha256(substr(:'new_bytes'::bytea, 17))) AS is_sha256
  FROM session.sessions;

-- A login restarts the lifetime and does not change the time of creation.
TABLE now_set;

-- Without further arguments, the session gets another token and nothing else
-- changes.
CALL pg_temp.pass('20 minutes');
SELECT token AS rotated FROM session_regenerate(:'login') \gset
SELECT session_status(:'login') AS old, session_status(:'rotated') AS new;
SELECT user_id, role, auth_level, data FROM session_validate(:'rotated');
TABLE now_set;

-- A new role alone is not an authentication.
SELECT token AS promoted FROM session_regenerate(:'rotated', role => 'editor') \gset
SELECT session_status(:'rotated') AS old, session_status(:'promoted') AS new;
SELECT user_id, role, auth_level FROM session_validate(:'promoted');
TABLE now_set;

-- A higher level is an authentication: it restarts the lifetime.
SELECT token AS proven FROM session_regenerate(:'promoted', auth_level => 2) \gset
SELECT session_status(:'promoted') AS old, session_status(:'proven') AS new;
SELECT user_id, role, auth_level FROM session_validate(:'proven');
TABLE now_set;

-- Proving the same level again is an authentication too.
CALL pg_temp.pass('20 minutes');
SELECT token AS again FROM session_regenerate(:'proven', 'alice', 'admin', 2) \gset
SELECT user_id, role, auth_level FROM session_validate(:'again');
TABLE now_set;

-- A lower level is not an authentication and restarts nothing.
CALL pg_temp.pass('20 minutes');
SELECT token AS lower FROM session_regenerate(:'again', auth_level => 1) \gset
SELECT user_id, role, auth_level FROM session_validate(:'lower');
TABLE now_set;
SELECT token AS lower FROM session_regenerate(:'lower', auth_level => 0) \gset
SELECT user_id, role, auth_level FROM session_validate(:'lower');
TABLE now_set;

-- Another user than that of the session is an error, and changes nothing.
SELECT pg_temp.error_of(format('session_regenerate(%L, ''bob'')', :'lower')) AS bob,
       pg_temp.error_of(format('session_regenerate(%L, ''alice2'')', :'lower')) AS longer,
       pg_temp.error_of(format('session_regenerate(%L, ''alic'')', :'lower')) AS shorter,
       pg_temp.error_of(format('session_regenerate(%L, ''Alice'')', :'lower')) AS capital;
\set VERBOSITY default
SELECT count(*) FROM session_regenerate(:'lower', 'bob');
\set VERBOSITY sqlstate
SELECT count(*) FROM session_regenerate(:'lower', 'bob');
SELECT user_id, session_status(:'lower') FROM session_validate(:'lower');
DELETE FROM session.sessions;

-- In a long chain, each token is valid until the next one.
SELECT token AS first FROM session_create('alice') \gset
CREATE TEMP TABLE chain AS
WITH RECURSIVE chain (n, token) AS (
    SELECT 0, :'first'
    UNION ALL
    SELECT n + 1, r.token FROM chain, session_regenerate(chain.token) AS r WHERE n < 50)
SELECT * FROM chain;
SELECT session_status(token) AS status, count(DISTINCT token) AS tokens, max(n) AS newest
  FROM chain GROUP BY status ORDER BY status;
SELECT count(*) AS rows FROM session.sessions;
DELETE FROM session.sessions;

-- An anonymous session is not authenticated, so its level can only be zero.
SELECT token FROM session_create() \gset
SELECT auth_level, pg_temp.error_of(format('session_regenerate(%L, auth_level => %s)', :'token', auth_level)) AS error
  FROM generate_series(2, 0, -1) AS auth_level;
SELECT user_id, auth_level, authenticated_at FROM session.sessions;
DELETE FROM session.sessions;

-- An anonymous session may have a role.
SELECT token FROM session_create(role => 'visitor') \gset
SELECT token FROM session_regenerate(:'token', role => 'guest') \gset
SELECT user_id, role, auth_level, authenticated_at FROM session_validate(:'token');

-- The user and the level can be set in one call.
SELECT token FROM session_regenerate(:'token', 'alice', 'customer', 3) \gset
SELECT user_id, role, auth_level FROM session_validate(:'token');
DELETE FROM session.sessions;

-- Neither the cap nor the time of creation changes, however often a session is
-- regenerated.
SET session.max_lifetime = '90min';
SELECT token FROM session_create(lifetime => '1 hour') \gset
CALL pg_temp.pass('50 minutes');
SELECT token FROM session_regenerate(:'token', 'alice') \gset
TABLE now_set;
CALL pg_temp.pass('30 minutes');
SELECT token FROM session_regenerate(:'token', auth_level => 2) \gset
TABLE now_set;
SELECT max_expires_at - created_at AS cap FROM session.sessions;
CALL pg_temp.pass('10 minutes');
SELECT session_status(:'token');
SELECT count(*) AS rows FROM session_regenerate(:'token');
RESET session.max_lifetime;
DELETE FROM session.sessions;

-- Regenerating counts as a use: the idle timeout restarts.
SELECT token FROM session_create('alice', idle_timeout => '30 minutes') \gset
CALL pg_temp.pass('25 minutes');
SELECT token FROM session_regenerate(:'token') \gset
CALL pg_temp.pass('25 minutes');
SELECT session_status(:'token');
DELETE FROM session.sessions;

-- An invalid argument is an error that names it, also without a token.
SELECT arguments, pg_temp.error_of('session_regenerate(' || arguments || ')') AS error
  FROM unnest(ARRAY[
    $$NULL, user_id => ''$$,
    $$NULL, role => ''$$,
    $$NULL, auth_level => -1$$,
    $$NULL, user_id => repeat('x', 1025)$$,
    $$NULL, role => repeat('x', 64)$$,
    $$NULL, user_id => 'alice', role => 'customer', auth_level => 1$$]) AS arguments;

-- After a rollback the old token is valid again and the new one is not.
SELECT token AS old FROM session_create('alice') \gset
BEGIN;
SELECT token AS new FROM session_regenerate(:'old') \gset
SELECT session_status(:'old') AS old, session_status(:'new') AS new;
ROLLBACK;
SELECT session_status(:'old') AS old, session_status(:'new') AS new;

-- Regenerating fails in a READ ONLY transaction.
BEGIN READ ONLY;
SELECT count(*) FROM session_regenerate(:'old');
ROLLBACK;
SELECT session_status(:'old') AS old;

DELETE FROM session.sessions;

-- Switching the organisation is one call: the session keeps its id, its user
-- and its data, and gets another tenant, role and address.
SELECT id, token FROM session_create('alice', '{"theme": "dark"}', 'acme', 'editor', '192.0.2.1', 'Firefox', lifetime => '1 hour') \gset
CALL pg_temp.pass('10 minutes');
SELECT id = :'id' AS same_id, token, date_trunc('minute', expires_at - clock_timestamp() + '30 seconds') AS ends_in
  FROM session_regenerate(:'token', tenant_id => 'umbrella', role => 'viewer', ip => '192.0.2.2', user_agent => 'Safari') \gset
SELECT :'same_id' AS same_id, :'ends_in' AS ends_in;
SELECT user_id, tenant_id, role, auth_level, data, ip, user_agent FROM session_validate(:'token');
TABLE now_set;
-- Another lifetime starts now.
SELECT token FROM session_regenerate(:'token', lifetime => '8 hours') \gset
TABLE now_set;
CALL pg_temp.pass('10 minutes');
SELECT count(*) AS rows FROM session_refresh(:'token');
TABLE now_set;
-- The limit of the user in the other tenant applies, and not that of the first.
SET session.max_sessions = 1;
SELECT token AS there FROM session_create('alice', tenant_id => 'acme') \gset
SELECT token AS bob FROM session_create('bob', tenant_id => 'acme') \gset
SELECT token FROM session_regenerate(:'token', tenant_id => 'acme') \gset
SELECT session_status(:'token') AS here, session_status(:'there') AS there, session_status(:'bob') AS bob;
SELECT token FROM session_regenerate(:'token', tenant_id => 'acme', user_id => 'alice') \gset
SELECT session_status(:'token') AS here;
SET session.on_limit = reject;
SELECT token AS there FROM session_create('alice', tenant_id => 'umbrella') \gset
SELECT pg_temp.error_of(format('session_regenerate(%L, tenant_id => ''umbrella'')', :'token')) AS error;
SELECT session_status(:'token') AS here, session_status(:'there') AS there;
RESET session.on_limit;
RESET session.max_sessions;
-- A visitor can change the tenant, too.
SELECT token AS visit FROM session_create(tenant_id => 'acme') \gset
SELECT token AS visit FROM session_regenerate(:'visit', tenant_id => 'umbrella') \gset
SELECT user_id, tenant_id FROM session_validate(:'visit');
-- While sessions are bound, the address must be that of the session.
SET session.bind_ip = exact;
SELECT token AS bound FROM session_create('carol', ip => '192.0.2.1') \gset
SELECT count(*) AS rows FROM session_regenerate(:'bound', ip => '192.0.2.2');
SELECT session_status(:'bound', '192.0.2.1') AS bound;
SELECT count(*) AS rows FROM session_regenerate(:'bound', ip => '192.0.2.1');
RESET session.bind_ip;
SELECT arguments, pg_temp.error_of('session_regenerate(NULL, ' || arguments || ')') AS error
  FROM unnest(ARRAY['tenant_id => ''''', 'lifetime => ''0''', 'lifetime => ''-1 day''', 'amr => ''{NULL}''']) AS arguments;

DROP VIEW now_set;
DROP EXTENSION session;
