--
-- A tour of session: the calls of an application and their results. Values
-- such as :'ada' are what the client keeps in its cookie.
--
CREATE SCHEMA auth;
CREATE EXTENSION session SCHEMA auth;
ALTER DATABASE :"DBNAME" SET search_path = auth, public;
SET search_path = auth, public;

-- The application connects as a role that owns nothing. It gets a level of
-- functions, and no access to the tables.
CREATE ROLE shop LOGIN;
SELECT session_grant('shop', 'app');
SELECT session_grant('shop', 'admin');
SET ROLE shop;

--
-- 1. Log in. Users of two tenants, from different addresses. The token goes
-- into a cookie. The table stores only its hash.
--
SELECT id AS ada_id, token AS ada FROM session_create(
    user_id => 'ada', tenant_id => 'acme', role => 'member',
    ip => '198.51.100.7', user_agent => 'Firefox/145',
    data => '{"theme": "dark"}') \gset
\echo :ada
SELECT token AS bob FROM session_create('bob', tenant_id => 'acme',
    ip => '203.0.113.20', user_agent => 'Safari/26') \gset
SELECT token AS eve FROM session_create('eve', tenant_id => 'globex',
    ip => '2001:db8::17', user_agent => 'Chrome/146') \gset

--
-- 2. Validate the token in every request. A live session is one row, anything
-- else none.
--
SELECT user_id, tenant_id, role, data, expires_at
FROM session_validate(:'ada', ip => '198.51.100.7', user_agent => 'Firefox/145');
SELECT user_id FROM session_validate('st_not-a-token');

-- The reason is for the application, not for the client.
SELECT session_status(:'ada'), session_status('st_not-a-token');

--
-- 3. A cart filled before login. An anonymous session has data too. It keeps
-- the data and its id when it gets a user. The token changes, so an attacker
-- who knew the old one is not logged in now.
--
SELECT id AS guest_id, token AS guest FROM session_create(
    ip => '192.0.2.44', user_agent => 'Firefox/145') \gset
SELECT session_data_set(:'guest', 'cart', '[{"sku": "tea", "n": 2}]');
SELECT token AS zoe, id = :'guest_id' AS same_id
FROM session_regenerate(:'guest', user_id => 'zoe') \gset
SELECT session_status(:'guest') AS before_login, session_status(:'zoe') AS after_login;
SELECT session_data_get(:'zoe', 'cart');

--
-- 4. Data, one key at a time. Four clients write four keys of one session at
-- the same time, ten times each. No write is lost.
--
RESET ROLE;
\setenv TOUR_TOKEN :zoe
\! for key in a b c d; do for n in 1 2 3 4 5 6 7 8 9 10; do echo "SELECT session_data_set('$TOUR_TOKEN', '$key', '$n');"; done | psql -X -q -o /dev/null & done; wait
SET ROLE shop;
SELECT session_data(:'zoe');
SELECT session_data_pop(:'zoe', 'cart') AS checked_out;
SELECT session_data_delete(:'zoe', 'a'), session_data_get(:'zoe', 'a') IS NULL AS gone;

--
-- 5. More privileges, another token: ada presents a second factor and becomes
-- an administrator. The id and the data stay.
--
SELECT token AS ada2 FROM session_regenerate(:'ada', role => 'manager', auth_level => 2) \gset
SELECT session_status(:'ada') AS old_token, session_status(:'ada2') AS new_token;
SELECT role, auth_level, data FROM session_validate(:'ada2');

--
-- 6. A limit of three sessions a user: the oldest session of bob is evicted.
--
SELECT token AS bob_phone  FROM session_create('bob', tenant_id => 'acme', max_sessions => 3) \gset
SELECT token AS bob_tablet FROM session_create('bob', tenant_id => 'acme', max_sessions => 3) \gset
SELECT token AS bob_tv     FROM session_create('bob', tenant_id => 'acme', max_sessions => 3) \gset
SELECT session_status(:'bob') AS oldest, session_status(:'bob_tv') AS newest;

--
-- 7. Time. A session expires at its hard deadline, or when it is idle for too
-- long. (Settings: session.lifetime, session.idle_timeout, session.sliding.)
--
SELECT token AS short FROM session_create('ada', tenant_id => 'acme', lifetime => '0.2 s') \gset
SELECT token AS idle FROM session_create('ada', tenant_id => 'acme', idle_timeout => '0.2 s') \gset
SELECT session_status(:'short'), session_status(:'idle');
SELECT pg_sleep(0.3);
SELECT session_status(:'short'), session_status(:'idle');
SELECT session_is_valid(:'short'), session_is_expired(:'short');
-- A refresh restarts the lifetime of a live session. It does not revive one
-- that has ended.
SELECT expires_at > now() + interval '23 h' AS extended FROM session_refresh(:'ada2');
SELECT count(*) AS refreshed FROM session_refresh(:'short');

--
-- 8. "Your devices": the newest first, the current one marked.
--
BEGIN;
SELECT user_id FROM session_validate(:'bob_tv');
SELECT status, ip, user_agent, created_at::time(0), current
FROM session_list('bob', include_ended => true);
COMMIT;

--
-- 9. Revoke one session, all but one, and those of a whole tenant. A
-- revocation commits or rolls back with the caller's own work.
--
SELECT session_revoke(:'bob_phone') AS logged_out;
SELECT session_status(:'bob_phone');
SELECT id AS tv_id FROM session_validate(:'bob_tv') \gset
SELECT session_revoke_user('bob', except_id => :'tv_id') AS others_ended;
SELECT session_status(:'bob_tablet') AS tablet, session_status(:'bob_tv') AS tv;
BEGIN;
SELECT session_revoke_id(:'ada_id', reason => 'password changed');
SELECT session_status(:'ada2');
ROLLBACK;
SELECT session_status(:'ada2');
SELECT session_revoke_tenant('acme') AS ended;
SELECT session_status(:'ada2') AS ada_acme, session_status(:'eve') AS eve_globex;

--
-- 10. Refresh tokens: a short-lived session token, and a refresh token that
-- gets the next pair. Two calls at the same time get the same pair. Reuse
-- later revokes the session.
--
SELECT token AS access, refresh_token AS refresh, id AS kim_id
FROM session_create('kim', refreshable => true) \gset
SELECT token AS access2, refresh_token AS refresh2 FROM session_refresh(:'refresh') \gset
SELECT token = :'access2' AND refresh_token = :'refresh2' AS same_pair FROM session_refresh(:'refresh');
SELECT session_status(:'access') AS before, session_status(:'access2') AS after;
RESET ROLE;
UPDATE session.sessions SET rotated_at = rotated_at - interval '1 minute' WHERE id = :'kim_id';
SET ROLE shop;
SELECT count(*) AS given FROM session_refresh(:'refresh');
SELECT session_status(:'access2') AS after_reuse;

--
-- 11. Cookies: the header, and a snapshot that skips the lookup of the
-- session.
--
SELECT session_cookie_header(:'eve', max_age => '1 day');
SELECT session_cookie_read('theme=dark; __Host-session=' || :'eve') = :'eve' AS read_back;
RESET ROLE;
SELECT session_key_rotate() IS NOT NULL AS key_made;
SET ROLE shop;
SELECT session_cookie_issue(:'eve') AS snapshot \gset
SELECT user_id, tenant_id, source FROM session_cookie_validate(:'snapshot');
SELECT user_id, tenant_id, source FROM session_cookie_validate(:'snapshot', sensitive => true, token => :'eve');
SELECT session_cookie_decode(session_cookie_encode('{"challenge": 7}', 'jwe', '5 min')) - 'jti' AS claims;

--
-- 12. What is stored. Nothing in the table can be used to log in.
--
RESET ROLE;
SELECT user_id, tenant_id, left(encode(token_hash, 'hex'), 16) || '...' AS token_hash,
       revoked_reason, purge_at
FROM session.sessions ORDER BY created_at;

-- Rows of dead sessions are deleted in batches once purge_at has come. Instead
-- of waiting, move it for the two that expired.
UPDATE session.sessions SET purge_at = now() WHERE expires_at < now() OR idle_timeout < '1 s';
SELECT * FROM session_cleanup();
SELECT session_status(:'short');
