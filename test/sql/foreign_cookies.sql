-- Cookies that express-session and Django have signed: decoded with imported
-- keys, never made.
CREATE EXTENSION session;
\getenv here PG_ABS_SRCDIR
\i :here/sql/include/helpers.sql

-- The secret of express-session may be shorter than 32 bytes.  HMAC pads a key
-- with zeroes, so it is imported with zeroes.
SELECT session_key_import(convert_to('keyboard cat', 'UTF8'), purpose => 'connect.sid');
SELECT session_key_import(convert_to(secret, 'UTF8') || decode(repeat('00', 32 - octet_length(secret)), 'hex'), 'cat', 'connect.sid')
  FROM (VALUES ('keyboard cat')) AS t (secret);
\set sid abcdefghijklmnopqrstuvwxyz012345
\set express 's:abcdefghijklmnopqrstuvwxyz012345.2T3g1YIBqofc0ViEUEt59cUq+a6Wlfi59xfb4RQsxSQ'
\set encoded 's%3Aabcdefghijklmnopqrstuvwxyz012345.2T3g1YIBqofc0ViEUEt59cUq%2Ba6Wlfi59xfb4RQsxSQ'
SELECT session_cookie_decode(:'express', 'connect.sid') AS value, session_cookie_decode(:'encoded', 'connect.sid') AS as_sent;
SELECT session_cookie_decode(session_cookie_read('a=b; connect.sid=' || :'encoded', 'connect.sid'), 'connect.sid') AS read;
SELECT session_cookie_decode(:'express') AS other_purpose, session_cookie_decode(:'encoded', 'mfa') AS no_key;

-- Several secrets are several keys; a retired one proves nothing.
SELECT session_key_import(sha256('a newer secret'), purpose => 'connect.sid') IS NOT NULL AS imported;
SELECT session_cookie_decode(:'express', 'connect.sid') AS older_secret;
BEGIN;
SELECT session_key_retire('cat');
SELECT session_cookie_decode(:'express', 'connect.sid') AS retired;
ROLLBACK;

-- A key that was made here does not read it.
SELECT session_key_rotate('made') IS NOT NULL AS made;
SELECT session_cookie_decode(:'express', 'made') AS own_key;

-- One changed character, one less, one more, and much of anything: NULL.
SELECT count(*) AS tried, count(session_cookie_decode(overlay(:'express' PLACING CASE substr(:'express', p, 1) WHEN 'A' THEN 'B' ELSE 'A' END FROM p), 'connect.sid')) AS accepted
  FROM generate_series(1, length(:'express')) AS p;
SELECT session_cookie_decode(:'express' || '=', 'connect.sid') AS padded, session_cookie_decode(left(:'express', -1), 'connect.sid') AS shorter,
       session_cookie_decode('s:' || repeat('x', 65536), 'connect.sid') AS too_long, session_cookie_decode('s:' || repeat('x', 65534), 'connect.sid') AS longest,
       session_cookie_decode('s%3A' || repeat('%', 1000), 'connect.sid') AS percent, session_cookie_decode('s:', 'connect.sid') AS nothing;

-- They cannot be made: the error names the argument.
SELECT session_cookie_encode('{}', 'express');
SELECT session_cookie_encode('{}', 'django');
SELECT token FROM session_create('ada') \gset
SELECT session_cookie_issue(:'token', 'express');
SET session.cookie_encoding = 'express';

-- With foreign tokens, the cookie of the old system leads to its session.
SET session.foreign_tokens = on;
SELECT count(*) AS created FROM session_create('ada', token => :'sid');
SELECT user_id FROM session_validate(session_cookie_decode(:'encoded', 'connect.sid') ->> 'sid');
SELECT user_id FROM session_validate(session_cookie_decode(overlay(:'encoded' PLACING 'b' FROM 5), 'connect.sid') ->> 'sid');

-- A gateway passes the cookie as it arrives.  The purpose of the key is the
-- name of the cookie.
CREATE FUNCTION pg_temp.asked(cookies jsonb, headers jsonb = NULL) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('request.cookies', cookies::text, true), set_config('request.headers', headers::text, true);
    PERFORM session_pre_request();
    RETURN coalesce(session_user_id(), 'nobody');
END
$$;
SET session.cookie_name = 'connect.sid';
SELECT what, pg_temp.asked(jsonb_build_object('connect.sid', cookie)) AS bound
  FROM (VALUES (1, 'as sent', :'encoded'), (2, 'decoded', :'express'), (3, 'the bare id', :'sid'), (4, 'another MAC', overlay(:'express' PLACING '3' FROM 36)),
               (5, 'another id', overlay(:'express' PLACING 'b' FROM 3)), (6, 'no MAC', 's:' || :'sid')) AS t (n, what, cookie) ORDER BY n;
SELECT pg_temp.asked(NULL, jsonb_build_object('cookie', 'connect.sid=' || :'encoded')) AS header_cookie,
       pg_temp.asked(NULL, jsonb_build_object('x-session-token', :'express')) AS not_in_another_header;
SET session.strategy = cookie_cache;
SELECT pg_temp.asked(jsonb_build_object('connect.sid', :'encoded')) AS cookie_cache;
SET session.strategy = stateless;
SELECT pg_temp.asked(jsonb_build_object('connect.sid', :'encoded')) AS stateless;
RESET session.strategy;
SET session.foreign_tokens = off;
SELECT pg_temp.asked(jsonb_build_object('connect.sid', :'encoded')) AS off;
SET session.foreign_tokens = on;
SET session.cookie_name = 'other.sid';
SELECT pg_temp.asked(jsonb_build_object('other.sid', :'encoded')) AS other_name;
SET session.cookie_name = 'connect.sid';

-- A time before which everything has ended does not end the signed id, which
-- has no time: the row of its session decides.
BEGIN;
SELECT session_revoke_all() IS NOT NULL AS revoked;
SELECT session_cookie_decode(:'express', 'connect.sid') IS NOT NULL AS opened, pg_temp.asked(jsonb_build_object('connect.sid', :'encoded')) AS bound;
ROLLBACK;

-- A revoked cookie is refused in both forms, and so is the request.
BEGIN;
SELECT session_cookie_revoke(:'express', 'connect.sid');
SELECT session_cookie_decode(:'encoded', 'connect.sid') AS decoded, pg_temp.asked(jsonb_build_object('connect.sid', :'encoded')) AS bound;
ROLLBACK;

-- At a login the session gets an ordinary token, and the old cookie is over.
SELECT split_part(token, '_', 1) AS token FROM session_login(session_cookie_decode(:'encoded', 'connect.sid') ->> 'sid', 'ada');
SELECT pg_temp.asked(jsonb_build_object('connect.sid', :'encoded')) AS bound;

-- Django: the secret is SECRET_KEY, the purpose is the salt.  iat is the time
-- at which it was signed.
CREATE TEMP TABLE django (what text, purpose text, value text);
INSERT INTO django VALUES
    ('a row', 'django.contrib.sessions.SessionStore', 'eyJfYXV0aF91c2VyX2lkIjoiNDIifQ:1r31eq:Sl4PbqJ9vnUN8vsoBMAS4E2kahXId_uMxTf7fXv0v3Q'),
    ('a cookie', 'django.contrib.sessions.backends.signed_cookies', 'eyJfYXV0aF91c2VyX2lkIjoiNDIifQ:1r31eq:M7BubrH9B-qoaC4qYcN5pJKxIRnIG2X4OYnUA0RwJ_0'),
    ('compressed', 'django.contrib.sessions.SessionStore', '.eJyrVopPLC3JiC8tTi2Kz0xRslIyMVLSUUpOLCpRsopWKklNBPJGChlbCwBo7kzs:1r31eq:z67U5hOGUegYBpev78mfLs517phGi5UEpIyEY3Jhuuk'),
    ('65000 letters', 'django.contrib.sessions.SessionStore', '.eJztwQENADAIAzAvk4GbuyAheL8Q2k5eKg0AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAJyT_TEVDdU:1r31eq:8j4rFVNh0jtGx5Yr8tIBJgkR0sJO9lygbMmeCjuObBE'),
    ('70000 letters', 'django.contrib.sessions.SessionStore', '.eJztwUENADAIBDAvJwM3c0FC8D4TPNtOXioNAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAJzLfpf_Nhw:1r31eq:f9wSAciBzpFPl7r78E2oodpyEdQWOcjNTX56ApAfVJw'),
    ('an array', 'django.contrib.sessions.SessionStore', 'WzFd:1r31eq:1_1hEQatMkeMxPlijkUw_1sTSLFnMNgmqr67_bj0Z1o');
SELECT count(session_key_import(convert_to('django-insecure-a-secret-key-of-a-test-0123456789', 'UTF8'), purpose => purpose)) AS imported
  FROM (SELECT DISTINCT purpose FROM django) AS p;
SELECT what, left(decoded::text, 60) AS decoded, length(decoded ->> 'a') AS letters
  FROM django, session_cookie_decode(value, purpose) AS decoded ORDER BY what COLLATE "C";
SELECT count(*) AS tried, count(session_cookie_decode(value, other.purpose)) AS accepted
  FROM django JOIN (VALUES ('connect.sid'), ('session'), ('django.contrib.sessions.SessionStore'), ('django.contrib.sessions.backends.signed_cookies')) AS other (purpose)
    ON django.purpose <> other.purpose;
SELECT what, count(*) AS tried, count(session_cookie_decode(overlay(value PLACING CASE substr(value, p, 1) WHEN 'A' THEN 'B' ELSE 'A' END FROM p), purpose)) AS accepted
  FROM django, generate_series(1, length(value)) AS p WHERE what IN ('a row', 'compressed') GROUP BY what ORDER BY what;
SELECT session_cookie_decode(repeat(':', 65536), 'django.contrib.sessions.SessionStore') AS colons, session_cookie_decode(':', 'django.contrib.sessions.SessionStore') AS colon;

-- Its age is the reader's: Django does not write it into the value.
SELECT what, to_timestamp((decoded ->> 'iat')::bigint) > now() - interval '2 weeks' AS young
  FROM django, session_cookie_decode(value, purpose) AS decoded WHERE what = 'a cookie';

-- It is no session by itself, and the end of all sessions ends it.
SET session.strategy = stateless;
SET session.cookie_name = 'django.contrib.sessions.SessionStore';
SELECT pg_temp.asked(jsonb_build_object('django.contrib.sessions.SessionStore', value)) AS stateless FROM django WHERE what = 'a row';
RESET session.strategy;
BEGIN;
SELECT session_revoke_all() IS NOT NULL AS revoked;
SELECT count(session_cookie_decode(value, purpose)) AS opened FROM django;
ROLLBACK;
SELECT session_cookie_revoke(value, purpose) AS revoked, session_cookie_decode(value, purpose) AS decoded FROM django WHERE what = 'a row';

DROP EXTENSION session;
