-- The tour of scripts/quickstart, in sections. scripts/tour.pl turns it into
-- a script for psql that shows each statement before its result.
--
--   "-- # "     begins a section: its heading, and below it a line that says
--               what happens
--   "-- $1 = "  binds the parameters of the next statement
--
-- A section fits a screen of 80 columns and 24 lines. The token of a user is
-- printed in one place only: as the cookie that a browser gets.

-- # Install, as a superuser
-- The library is preloaded. The functions have a schema of their own.
SHOW shared_preload_libraries;
CREATE SCHEMA auth;
CREATE EXTENSION session SCHEMA auth;
GRANT USAGE ON SCHEMA auth TO PUBLIC;
ALTER DATABASE shop SET search_path = public, auth;
ALTER DATABASE shop SET session.log_events = 'all';
SELECT auth.session_grant('shop', 'app'),               -- the application
       auth.session_grant('shop_backoffice', 'admin');  -- its administrators

-- # Log in
-- The application checks the password, then logs in, whatever cookie came.
\connect - shop
BEGIN;
-- $1 = 'theme=dark', $2 = 'ada', $3 = '198.51.100.7', $4 = 'Firefox/145'
SELECT token AS cookie
FROM session_login(session_cookie_read($1), $2, ip => session_ip($3),
                   user_agent => $4, amr => '{pwd}') \gset
COMMIT;

-- After COMMIT, the browser gets the token as a cookie.
-- $1 = :'cookie'
SELECT session_cookie_header($1) AS header \gset
\echo Set-Cookie: :header

-- # Validate the token in every request
-- A valid token gives one row. Any other value gives none, and no error.
-- $1 = :'cookie', $2 = '198.51.100.7', $3 = 'Firefox/145'
SELECT user_id, expires_at
FROM session_validate($1, ip => $2, user_agent => $3);
-- $1 = 'st_not-a-token'
SELECT user_id FROM session_validate($1);
-- The reason is for the application, not for the client.
-- $1 = 'st_not-a-token'
SELECT session_status($1);

-- # Row-level security: a table of notes, made by its owner
-- A policy compares the owner of a row with the user of the session.
\connect - postgres
CREATE TABLE note (owner text, body text);
ALTER TABLE note ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON note USING (owner = session_user_id());
GRANT SELECT ON note TO shop;
INSERT INTO note VALUES ('ada', 'from ada'), ('bob', 'from bob');
\connect - shop

-- # Row-level security: a request
-- The session is the identity of one transaction. ada sees only her notes.
BEGIN;
-- $1 = :'cookie'
SELECT session_authenticate($1);
SELECT * FROM note;
COMMIT;
SELECT count(*) AS notes_without_identity FROM note;

-- # Keep the cart when a visitor logs in
-- A session can have data and no user. It keeps its data and gets a new token.
SELECT token AS visitor FROM session_create(ip => '192.0.2.44') \gset
-- $1 = :'visitor', $2 = 'cart', $3 = '["tea"]'
SELECT session_data_set($1, $2, $3);
-- $1 = :'visitor', $2 = 'zoe'
SELECT token AS zoe FROM session_login($1, $2) \gset
-- $1 = :'visitor', $2 = :'zoe'
SELECT session_status($1) AS old_token, session_status($2) AS new_token,
       session_data_get($2, 'cart') AS cart;

-- # Ask for a second factor
-- An important action requires a higher level. A new token comes with it.
-- $1 = :'cookie'
SELECT token AS cookie
FROM session_regenerate($1, auth_level => 2, amr => '{pwd,otp}') \gset
BEGIN;
-- $1 = :'cookie'
SELECT session_authenticate($1);
-- This would raise an error at level 1, or after five minutes.
SELECT session_require(auth_level => 2, max_age => '5 min');
COMMIT;

-- # Limit the sessions of a user
-- With at most two sessions, the third login ends the oldest session.
SELECT token AS tv FROM session_login(NULL, 'bob', max_sessions => 2) \gset
SELECT token AS phone FROM session_login(NULL, 'bob', max_sessions => 2) \gset
SELECT token AS tablet FROM session_login(NULL, 'bob', max_sessions => 2) \gset
-- $1 = :'tv', $2 = :'phone', $3 = :'tablet'
SELECT session_status($1) AS tv, session_status($2) AS phone,
       session_status($3) AS tablet;

-- # Show "your devices", and log the others out
-- A session can list and end the other sessions of its user.
BEGIN;
-- $1 = :'phone'
SELECT session_authenticate($1);
SELECT status, created_at::timestamp(0), current FROM session_mine();
SELECT session_revoke_others();
COMMIT;

-- # End a session when time is up
-- A session ends at its deadline, or when it is not used for too long.
SELECT token AS short
FROM session_login(NULL, 'ada', lifetime => '0.2 s') \gset
SELECT token AS idle
FROM session_login(NULL, 'ada', idle_timeout => '0.2 s') \gset
SELECT pg_sleep(0.3);
-- $1 = :'short', $2 = :'idle'
SELECT session_status($1) AS short, session_status($2) AS idle;
\connect - shop_backoffice

-- # Change a password
-- Revocation commits or rolls back with the rest of the transaction.
BEGIN;
SELECT session_revoke_user('ada') AS ended;
ROLLBACK;
SELECT count(*) AS still_live FROM session_list('ada');
BEGIN;
SELECT session_revoke_user('ada') AS ended;
COMMIT;

-- # Refresh tokens
-- Each is good for one new pair. An old one means theft: the session ends.
\connect - shop
SELECT refresh_token AS first
FROM session_login(NULL, 'kim', refreshable => true) \gset
-- $1 = :'first'
SELECT refresh_token AS second FROM session_refresh($1) \gset
-- $1 = :'second'
SELECT token AS access FROM session_refresh($1) \gset
-- $1 = :'first'
SELECT count(*) AS pairs FROM session_refresh($1);
-- $1 = :'access'
SELECT session_status($1);

-- # Make a signing key
-- Keys are an administrator's work. They are stored encrypted.
\connect - shop_backoffice
SELECT session_key_rotate() IS NOT NULL AS made;
\connect - shop

-- # Skip the lookup with a snapshot cookie
-- For five minutes, no table is read, unless the session is revoked.
-- $1 = :'zoe'
SELECT session_cookie_issue($1) AS snapshot \gset
-- $1 = :'snapshot', $2 = :'zoe'
SELECT user_id, source FROM session_cookie_validate($1, token => $2);
-- $1 = :'zoe'
SELECT session_revoke($1);
-- $1 = :'snapshot', $2 = :'zoe'
SELECT user_id, source FROM session_cookie_validate($1, token => $2);

-- # Know what happened
-- Administrators read the events.
\connect - shop_backoffice
SELECT kind, user_id, host(ip) AS ip, detail
FROM session.events
WHERE kind IN ('evicted', 'revoked')
ORDER BY at, id;

-- # What is stored, as a superuser
-- The table has hashes of secrets. A copy of it cannot be used to log in.
\connect - postgres
SELECT user_id, revoked_reason, left(encode(token_hash, 'hex'), 24) AS hash
FROM session.sessions
ORDER BY created_at LIMIT 5;
