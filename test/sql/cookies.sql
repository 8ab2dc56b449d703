-- Cookies that carry their own proof: all encodings, the formats of other
-- systems, and what is refused.
CREATE EXTENSION session;
\getenv here PG_ABS_SRCDIR
\i :here/sql/include/helpers.sql

CREATE TEMP VIEW encodings AS
SELECT n, encoding FROM unnest('{compact,jwt,jwe,sealed}'::text[]) WITH ORDINALITY AS t (encoding, n);
-- Returns the claims of a cookie without its times; NULL if it is not
-- accepted.
CREATE FUNCTION pg_temp.opened(cookie text, purpose text DEFAULT 'session') RETURNS jsonb
LANGUAGE sql AS $$
    SELECT session_cookie_decode(cookie, purpose) - '{iat,exp,jti}'::text[]
$$;
CREATE FUNCTION pg_temp.base64url(bytes bytea) RETURNS text
LANGUAGE sql AS $$
    SELECT translate(encode(bytes, 'base64'), E'+/=\n', '-_')
$$;
CREATE FUNCTION pg_temp.from_base64url(value text) RETURNS bytea
LANGUAGE sql AS $$
    SELECT decode(rpad(translate(value, '-_', '+/'), (length(value) + 3) / 4 * 4, '='), 'base64')
$$;
-- HMAC-SHA-256 of RFC 2104, computed with functions of the server, for a key
-- of at most 64 bytes.
CREATE FUNCTION pg_temp.hmac(message bytea, key bytea) RETURNS bytea
LANGUAGE plpgsql AS $$
DECLARE
    inner_pad bytea := decode(repeat('36', 64), 'hex');
    outer_pad bytea := decode(repeat('5c', 64), 'hex');
BEGIN
    FOR i IN 0 .. length(key) - 1 LOOP
        inner_pad := set_byte(inner_pad, i, 54 # get_byte(key, i));
        outer_pad := set_byte(outer_pad, i, 92 # get_byte(key, i));
    END LOOP;
    RETURN sha256(outer_pad || sha256(inner_pad || message));
END
$$;
-- Returns the cookie that another system would make of a text with a shared
-- secret.
CREATE FUNCTION pg_temp.signed(message text, secret text) RETURNS text
LANGUAGE sql AS $$
    SELECT message || '.' || pg_temp.base64url(pg_temp.hmac(convert_to(message, 'UTF8'), convert_to(secret, 'UTF8')))
$$;
CREATE FUNCTION pg_temp.compact(payload bytea, secret text) RETURNS text
LANGUAGE sql AS $$
    SELECT pg_temp.signed(pg_temp.base64url(payload), secret)
$$;
CREATE FUNCTION pg_temp.jwt(header text, payload text, secret text) RETURNS text
LANGUAGE sql AS $$
    SELECT pg_temp.signed(pg_temp.base64url(convert_to(header, 'UTF8')) || '.' || pg_temp.base64url(convert_to(payload, 'UTF8')), secret)
$$;
-- Returns a time some seconds from now, in seconds since 1970.
CREATE FUNCTION pg_temp.in_seconds(n int) RETURNS bigint
LANGUAGE sql AS $$
    SELECT floor(extract(epoch FROM clock_timestamp()))::bigint + n
$$;

-- Decoding returns the encoded payload, in every encoding.
SELECT count(session_key_rotate(purpose)) AS keys FROM unnest('{session,mfa,other}'::text[]) AS purpose;
CREATE TEMP TABLE payloads AS
SELECT payload::jsonb FROM unnest(ARRAY[
    '{}', '{"a": 1}', '{"a": null, "b": true, "c": [], "d": {}}', '{"": ""}',
    '{"text": "quote \" backslash \\ slash / tab \t newline \n  two  blanks"}', '{"a b": "c:d, e"}',
    '{"n": [0, -1, 1.50, 12345678901234567890, 0.000001]}', '{"deep": {"a": [{"b": [{"c": "d"}]}]}}',
    '{"name": "Ärger", "ключ": "值", "emoji": "\ud83d\ude00"}', '{"sub": "42", "role": "clerk", "aud": ["x", "y"]}']) AS payload;
SELECT encoding, count(*) AS payloads,
       count(*) FILTER (WHERE pg_temp.opened(session_cookie_encode(payload, encoding)) = payload) AS same
  FROM payloads, encodings GROUP BY n, encoding ORDER BY n;

-- The encoding is recognized by the form of the cookie; no character in it
-- needs quoting.
SELECT encoding, cookie ~ '^[A-Za-z0-9_.-]+$' AS plain, length(cookie) - length(replace(cookie, '.', '')) AS dots
  FROM encodings, session_cookie_encode('{"a": 1}', encoding) AS cookie ORDER BY n;

-- Encoding adds iat, exp and jti, which the payload must not contain, and
-- nothing else.
SELECT encoding, payload ->> 'a' AS a,
       (payload ->> 'iat')::bigint - pg_temp.in_seconds(0) BETWEEN -60 AND 0 AS made_now,
       (payload ->> 'exp')::bigint - (payload ->> 'iat')::bigint AS ttl,
       payload ->> 'jti' ~ '^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$' AS jti,
       (SELECT count(*) FROM jsonb_object_keys(payload)) AS members
  FROM encodings, session_cookie_encode('{"a": 1, "nbf": 1, "iss": "us"}', encoding, '90 seconds') AS cookie,
       session_cookie_decode(cookie) AS payload ORDER BY n;
SELECT payload, pg_temp.error_of(format('session_cookie_encode(%L)', payload)) AS error
  FROM unnest('{"{\"iat\": 1}","{\"a\": 1, \"exp\": 4102444800}","{\"jti\": null}"}'::jsonb[]) AS payload;
\set VERBOSITY default
SELECT session_cookie_encode('{"sub": "ada", "exp": 4102444800}');
\set VERBOSITY sqlstate
SELECT session_cookie_decode(session_cookie_encode(session_cookie_decode(cookie) - '{iat,exp,jti}'::text[])) ->> 'a' AS renewed
  FROM session_cookie_encode('{"a": 1}') AS cookie;
SELECT ttl, (payload ->> 'exp')::bigint - (payload ->> 'iat')::bigint AS seconds
  FROM unnest(ARRAY[NULL, '1 second', '1.9 seconds', '1 day', '68 years']::interval[]) AS ttl,
       session_cookie_decode(session_cookie_encode('{}', ttl => ttl)) AS payload;
SELECT count(DISTINCT session_cookie_decode(session_cookie_encode('{}')) ->> 'jti') AS jtis FROM generate_series(1, 1000);

-- The payload of compact and jwt is readable, that of jwe and sealed is not.
SELECT encoding, count(*) FILTER (WHERE position('readable'::bytea IN pg_temp.from_base64url(part)) > 0) AS readable
  FROM encodings, session_cookie_encode('{"a": "readable"}', encoding) AS cookie, unnest(string_to_array(cookie, '.')) AS part
 GROUP BY n, encoding ORDER BY n;

-- Sizes in characters: of the smallest payload that names a session, and of
-- snapshots with more and more claims.
SELECT encoding, length(session_cookie_encode('{"sid": "0193a5c0-7e1f-7c3a-9a51-3f1b7c2d4e5f"}', encoding)) AS characters
  FROM encodings ORDER BY n;
SELECT token AS small FROM session_create('42') \gset
SELECT token FROM session_create('0193a5c0-7e1f-7c3a-9a51-3f1b7c2d4e5f', tenant_id => 'acme', role => 'customer') \gset
SELECT encoding, length(session_cookie_issue(:'small', encoding)) AS small, length(session_cookie_issue(:'token', encoding)) AS larger
  FROM encodings ORDER BY n;

-- A cookie with any character replaced, removed or added is refused.
CREATE TEMP TABLE good AS
SELECT n, encoding, session_cookie_encode('{"a": 1}', encoding) AS cookie FROM encodings;
SELECT encoding, bool_and(length(cookie) < 1000) AS tried_all,
       count(session_cookie_decode(overlay(cookie PLACING CASE substr(cookie, p, 1) WHEN 'A' THEN 'B' ELSE 'A' END FROM p))) AS replaced,
       count(session_cookie_decode(overlay(cookie PLACING '' FROM p FOR 1))) AS left_out,
       count(session_cookie_decode(left(cookie, p - 1))) AS cut,
       count(session_cookie_decode(overlay(cookie PLACING '=' FROM p FOR 0))) AS padded,
       count(session_cookie_decode(overlay(cookie PLACING '.' FROM p FOR 0))) AS parted,
       count(session_cookie_decode(overlay(cookie PLACING ' ' FROM p FOR 0))) AS spaced
  FROM good, generate_series(1, length(cookie)) AS p GROUP BY n, encoding ORDER BY n;

-- So is a cookie in which the unused bits of the last character of a part are
-- set.
SELECT encoding, count(other) AS others, count(session_cookie_decode(other)) AS accepted
  FROM good, unnest(string_to_array('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/', NULL)) AS c,
       overlay(cookie PLACING c FROM length(cookie)) AS other
 WHERE other <> cookie GROUP BY n, encoding ORDER BY n;

-- Decoding junk of any kind returns NULL, and revoking it returns false.
CREATE TEMP TABLE junk (what text, cookie text);
INSERT INTO junk VALUES
    ('NULL', NULL), ('nothing', ''), ('a dot', '.'), ('two dots', '..'), ('four dots', '....'), ('five dots', '.....'),
    ('three parts of nothing', 'no-dot-here'), ('a word', 'undefined'), ('three parts', 'abc.def.ghi'), ('five parts', 'a.b.c.d.e'),
    ('a blank', ' '), ('a control character', E'\x01'), ('a two-byte character', 'é.é'), ('JSON', '{"a": 1}'),
    ('a session token', :'token'), ('10 MB', repeat('x', 10 * 1024 * 1024)), ('10 MB of dots', repeat('.', 10 * 1024 * 1024)),
    ('64 kB', repeat('A', 65536)), ('64 kB in two parts', repeat('A', 65000) || '.' || repeat('A', 43)),
    ('10 MB that start as a cookie', (SELECT cookie FROM good WHERE n = 1) || repeat('x', 10 * 1024 * 1024));
SELECT what, session_cookie_decode(cookie), session_cookie_revoke(cookie) FROM junk ORDER BY what COLLATE "C";

-- Mistakes of the application are errors that name the argument.
SELECT call, pg_temp.error_of(call) AS error
  FROM unnest(ARRAY[
    $$session_cookie_encode(NULL)$$, $$session_cookie_encode('[]')$$, $$session_cookie_encode('"a"')$$, $$session_cookie_encode('null')$$,
    $$session_cookie_encode('{}', '')$$, $$session_cookie_encode('{}', 'JWT')$$,
    $$session_cookie_encode('{}', 'none')$$, $$session_cookie_encode('{}', 'jwts')$$,
    $$session_cookie_encode('{}', ttl => '0')$$, $$session_cookie_encode('{}', ttl => '0.5 s')$$, $$session_cookie_encode('{}', ttl => '-1 h')$$,
    $$session_cookie_encode('{}', ttl => '70 years')$$,
    $$session_cookie_encode('{}', purpose => '')$$, $$session_cookie_encode('{}', purpose => 'a b')$$,
    $$session_cookie_encode('{}', purpose => 'nothing made')$$, $$session_cookie_encode('{}', purpose => 'none')$$,
    $$session_cookie_encode(jsonb_build_object('a', repeat('x', 65536)))$$,
    $$session_cookie_encode(jsonb_build_object('a', repeat('x', 10 * 1024 * 1024)), 'jwe')$$,
    $$session_cookie_decode(NULL, '')$$, $$session_cookie_decode('a.b', 'a;b')$$,
    $$session_cookie_decode('a.b', repeat('p', 129))$$, $$session_cookie_revoke('a.b', 'a/b')$$]) AS call;
\set VERBOSITY default
SELECT session_cookie_encode(jsonb_build_object('a', repeat('x', 65536)));
\set VERBOSITY sqlstate

-- The largest payload that can be encoded can be decoded, in every encoding.
CREATE FUNCTION pg_temp.largest(encoding text) RETURNS int
LANGUAGE plpgsql AS $$
DECLARE
    low int := 1;
    high int := 65536;
    middle int;
BEGIN
    WHILE high - low > 1 LOOP
        middle := (low + high) / 2;
        IF pg_temp.error_of(format('session_cookie_encode(jsonb_build_object(''a'', repeat(''x'', %s)), %L)', middle, encoding)) IS NULL
        THEN low := middle; ELSE high := middle; END IF;
    END LOOP;
    RETURN low;
END
$$;
SELECT encoding, size > 40000 AS large, length(cookie) <= 65536 AS within, length(pg_temp.opened(cookie) ->> 'a') = size AS same
  FROM encodings, pg_temp.largest(encoding) AS size, session_cookie_encode(jsonb_build_object('a', repeat('x', size)), encoding) AS cookie
 ORDER BY n;

-- Example: an MFA challenge, issued after the password was checked, for one
-- purpose and a few minutes.
SELECT session_cookie_encode('{"sub": "42", "factor": "totp"}', 'jwe', '5 minutes', 'mfa') AS challenge \gset
SELECT payload ->> 'sub' AS sub, payload ->> 'factor' AS factor, (payload ->> 'exp')::bigint - (payload ->> 'iat')::bigint AS seconds
  FROM session_cookie_decode(:'challenge', 'mfa') AS payload;
SELECT session_cookie_decode(:'challenge') AS decoded, session_status(:'challenge') AS as_token,
       session_cookie_decode(:'challenge', 'other') AS other,
       (SELECT count(*) FROM session_validate(:'challenge')) AS validated,
       (SELECT count(*) FROM session_cookie_validate(:'challenge')) AS as_snapshot,
       (SELECT count(*) FROM session_cookie_validate(:'challenge', true)) AS sensitive;
SELECT session_cookie_revoke(:'challenge') AS as_session, session_cookie_revoke(:'challenge', 'mfa') AS as_challenge,
       session_cookie_decode(:'challenge', 'mfa');

-- A revoked cookie is on the denylist until it would have expired; other
-- cookies are not affected.
TRUNCATE session.denylist;
SELECT session_cookie_encode('{"a": 1}', 'jwt', '1 hour') AS cookie, session_cookie_encode('{"a": 1}', 'jwt', '1 hour') AS twin \gset
SELECT session_cookie_decode(:'cookie') AS payload \gset
SELECT session_cookie_revoke(:'cookie', 'other') AS other_purpose, session_cookie_revoke(:'cookie') AS first, session_cookie_revoke(:'cookie') AS again;
SELECT session_cookie_decode(:'cookie'), pg_temp.opened(:'twin') AS twin;
SELECT octet_length(hash) AS bytes, expires_at - to_timestamp((:'payload'::jsonb ->> 'exp')::bigint) AS after_exp,
       hash = sha256(convert_to(E'session\njti\n' || (:'payload'::jsonb ->> 'jti'), 'UTF8')) AS is_sha256
  FROM session.denylist;

-- session_cleanup deletes denylist entries a day after they expired, and none
-- before.
SELECT session_cleanup();
SELECT count(*) AS denied FROM session.denylist;
SELECT session_cookie_revoke(:'twin');
UPDATE session.denylist SET expires_at = clock_timestamp() - interval '1 day'
 WHERE hash = sha256(convert_to(E'session\njti\n' || (:'payload'::jsonb ->> 'jti'), 'UTF8'));
SELECT session_cookie_decode(:'cookie'), session_cookie_decode(:'twin');
SELECT session_cleanup();
SELECT count(*) AS denied, bool_and(expires_at > clock_timestamp()) AS to_come FROM session.denylist;
SELECT session_cookie_decode(:'twin');

-- A revocation is part of its transaction.
SELECT session_cookie_encode('{"a": 1}') AS cookie \gset
BEGIN;
SELECT session_cookie_revoke(:'cookie'), session_cookie_decode(:'cookie');
ROLLBACK;
SELECT pg_temp.opened(:'cookie');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) AS denied FROM session.denylist;
SELECT session_cookie_revoke(:'cookie'), session_cookie_decode(:'cookie');
COMMIT;
SELECT session_cookie_decode(:'cookie');
TRUNCATE session.denylist;

-- Auth.js 5: with the AUTH_SECRET of the application imported, its cookies are
-- accepted, for both cookie names and both ciphers.
CREATE TEMP TABLE authjs (purpose text, enc text, cookie text);
INSERT INTO authjs VALUES
    ('authjs.session-token', 'A256CBC-HS512', 'eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2Q0JDLUhTNTEyIiwia2lkIjoiZS0zcVBvTFl4T3dueHUzOGM1aE5Ba1F2ak5JNUIxdmFTdy1vRUYzVExWNnhiOGFsbFktcDN2akphOW81WjFNeU1SSWtoV0cxV0tNZG9BQldCbW9UTWcifQ..AAECAwQFBgcICQoLDA0ODw.MbkmrF6RPLmGCRiBDgnUqILf_w5Ttc0xWXB0ztN3WtajFNptPozqG0yA6cR4FzVarjex7bsh06y7wZuUn5JQXNaGYYZ0XUyL8BuXfhgV239flVra1TaSMsZRez6P5yJ9R3IAEA2vN8bf6UtAOmBYj9WcKsjXvbK8zN6ChjKYe5bTqhEo_SMPQZNhaQ7hV7LP.EmJ5ihU6CBJgeGqyMlFvvesEFrP9Hhf0aJc8cCxRJxw'),
    ('authjs.session-token', 'A256GCM', 'eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIiwia2lkIjoiRjVfRmctUElfYlpOeW5XclcxZ3VETkJ1T0pjblladkl6clRtVnhYVVA2byJ9..AAECAwQFBgcICQoL.LGvkIl_jZgbQSpW333cjCW-J9KcFjKUn4KvViq-9lJxM0oUWEbOQj2rVieKuFdi2Bb3y7yL8v2MakGczH-uPH_HjE6QtxkAllLSEV3XG98ZsQhnxXAkpdXsKl7VuMHLGb-rqvUlYOjP1fY8NbLUlIOPDvgPEmZF6hpzO7bX8poXCKw.UNhZIIv1ni4JQ7Ayhqiu-g'),
    ('__Secure-authjs.session-token', 'A256CBC-HS512', 'eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2Q0JDLUhTNTEyIiwia2lkIjoiMm43OVM5UTdwNWI1Sm9UZktjVFBpR09paEpEV3JTOEJCbEo3dEVnQVV2aVNPZjZhTVdIZ3dZTzJSWkJQbmQ0MGc3RmN0bjdfN3FDNUdxcU5YTUNja3cifQ..AAECAwQFBgcICQoLDA0ODw.jaWj_b3lr_nrQTVXQFwYVER0npF88_YByJzFtX99t2eQ-vL2NrWxMhL5nfv24OX7KdT3D_fFQSXJfrZDy71RoXYSVUQv_PRDHYiBbTlsjd68HdUdP6fCVn7UW4Xnxps1TgPCUsVbZWyAgfNBtGhnzDf3xFJj4y-oYZAIuPearxOKSZsJ8vp-yKmhmyO1nSZP.W2xmrtcyxJLcfoJ6ysDMzsdt5n437Q3FxB9uIknTJsU'),
    ('__Secure-authjs.session-token', 'A256GCM', 'eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIiwia2lkIjoidC14OWNJZWtkOU44VG8zWHU2dlh6NFotaHJBYWEwenN4YVVYalVIeEYxdyJ9..AAECAwQFBgcICQoL.Sw-l7eCAJrBPondoh5oUIZzECuaaLMI2FkypsXht3NHen_Y-KqzDhzw75_Id2ajHTix22jMTJpsGDCzdlxlqWQ_A0rVjTJ9dmGUjCV-LbDpU8bCR3b-HIEa5RaQtmfKO6Ww9eTqHnN8CY8gwLecwCCwQBiMywAot1vqNzX5ZndnmCw.2ITuQv_EB9iMQTk5Bh2z1A');
SELECT count(session_key_import('correct horse battery staple 0123456789', NULL, purpose)) AS keys
  FROM (SELECT DISTINCT purpose FROM authjs) AS p;
SELECT purpose, enc, session_cookie_decode(cookie, purpose) FROM authjs ORDER BY purpose COLLATE "C", enc;
SELECT count(session_cookie_decode(cookie, p)) AS under_another_name
  FROM authjs, unnest('{session,mfa,authjs.session-token,__Secure-authjs.session-token}'::text[]) AS p WHERE p <> purpose;

-- A cookie made here has the same header and so the same kid; decoding it
-- returns the same claims.
SELECT split_part(session_cookie_encode('{"sub": "42"}', 'jwe', purpose => purpose), '.', 1) = split_part(cookie, '.', 1) AS same_header
  FROM authjs WHERE enc = 'A256CBC-HS512';

-- Rotating AUTH_SECRET: the newest secret signs, earlier ones still verify,
-- and the order of the secrets does not matter.
SELECT count(session_key_import('a newer secret of the application', NULL, purpose)) AS keys
  FROM (SELECT DISTINCT purpose FROM authjs) AS p;
SELECT count(session_cookie_decode(cookie, purpose)) AS old_ones FROM authjs;
SELECT split_part(made, '.', 1) = split_part(cookie, '.', 1) AS same_header, pg_temp.opened(made, purpose) AS made
  FROM authjs, session_cookie_encode('{"sub": "43"}', 'jwe', purpose => purpose) AS made WHERE enc = 'A256CBC-HS512';
BEGIN;
UPDATE session.keys SET activated_at = activated_at - interval '1 day' WHERE purpose ~ 'authjs'
   AND activated_at = (SELECT max(activated_at) FROM session.keys k WHERE k.purpose = keys.purpose);
SELECT count(session_cookie_decode(cookie, purpose)) AS old_ones FROM authjs;
ROLLBACK;
SELECT count(session_key_retire(kid)) AS retired FROM session.key_ring WHERE purpose ~ 'authjs' AND NOT signs;
SELECT count(session_cookie_decode(cookie, purpose)) AS old_ones FROM authjs;

-- Forms that Auth.js does not write are refused: another alg or enc, more
-- header fields, another number of parts.
SELECT count(session_key_import('correct horse battery staple 0123456789', NULL, purpose)) AS keys
  FROM (SELECT DISTINCT purpose FROM authjs) AS p;
SELECT header, count(session_cookie_decode(pg_temp.base64url(convert_to(header, 'UTF8')) || substr(cookie, strpos(cookie, '.')), purpose)) AS accepted
  FROM authjs, unnest(ARRAY[
    '{"alg":"none","enc":"A256CBC-HS512"}', '{"alg":"dir","enc":"A256GCM"}', '{"alg":"dir","enc":"A256CBC-HS512"}',
    '{"alg":"dir","enc":"A128CBC-HS256"}', '{"alg":"dir"}', '{}', '{"alg":"A256KW","enc":"A256CBC-HS512"}',
    '{"alg":"dir","enc":"A256CBC-HS512","zip":"DEF"}', '{"alg":"dir","enc":"A256CBC-HS512","crit":["exp"]}', 'no JSON']) AS header
 GROUP BY header ORDER BY header COLLATE "C";
SELECT count(*) AS tried, count(session_cookie_decode(overlay(cookie PLACING CASE substr(cookie, p, 1) WHEN 'A' THEN 'B' ELSE 'A' END FROM p), purpose)) AS accepted
  FROM authjs, generate_series(1, length(cookie)) AS p WHERE purpose = 'authjs.session-token';

-- next-auth 4 has another salt, and therefore another key.
SELECT session_cookie_decode('eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..AAECAwQFBgcICQoL.3g2-SjKZZ0l6W5MgByEcUO6g-jkuO1LBSFpMEnReBjdeRpbw6PjsDbUw9odPKJW40_uT0W4J0g2rkSNPDniSo3CRkjGnPgK3CL_jTnXoBSaukgZFqGS90Xt09w.SdbDCzU_BVuznsRhK81rRQ', 'authjs.session-token');

-- goauth: compact and jwt, with the key used unchanged.
SELECT 'test-secret-key-for-session-cookies' AS secret \gset
SELECT session_key_import(:'secret', 'goauth', 'goauth_session_web');
SELECT session_cookie_decode('eyJzaWQiOiJzZXNzLTEyMy1hYmMiLCJ1aWQiOiJ1c2VyLTQ1Ni1kZWYiLCJleHAiOjQxMDI0NDQ4MDAsImlhdCI6MTcwMDAwMDAwMH0.Hj_9qvfGxS6ngeDExNTVksgf62Yc1vvPRi4MQCP1Nbc', 'goauth_session_web') AS compact;
SELECT session_cookie_decode('eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJleHAiOjQxMDI0NDQ4MDAsImlhdCI6MTcwMDAwMDAwMCwic2lkIjoic2Vzcy0xMjMtYWJjIiwidWlkIjoidXNlci00NTYtZGVmIn0.g9q0C76LWl8mxBm3ledMXBopVnX4JxkNCGadkLWQsCw', 'goauth_session_web') AS jwt;
SELECT pg_temp.compact('{"sid":"sess-123-abc","uid":"user-456-def","exp":4102444800,"iat":1700000000}', :'secret') =
       'eyJzaWQiOiJzZXNzLTEyMy1hYmMiLCJ1aWQiOiJ1c2VyLTQ1Ni1kZWYiLCJleHAiOjQxMDI0NDQ4MDAsImlhdCI6MTcwMDAwMDAwMH0.Hj_9qvfGxS6ngeDExNTVksgf62Yc1vvPRi4MQCP1Nbc' AS the_test_makes_the_same;
SELECT session_cookie_encode('{"sid": "s", "uid": "u"}', purpose => 'goauth_session_web') AS made \gset
SELECT pg_temp.signed(split_part(:'made', '.', 1), :'secret') = :'made' AS signed_as_theirs,
       convert_from(pg_temp.from_base64url(split_part(:'made', '.', 1)), 'UTF8')::jsonb = session_cookie_decode(:'made', 'goauth_session_web') AS json;
SELECT session_cookie_encode('{"sid": "s", "uid": "u"}', 'jwt', purpose => 'goauth_session_web') AS made \gset
SELECT convert_from(pg_temp.from_base64url(split_part(:'made', '.', 1)), 'UTF8') AS header,
       pg_temp.signed(split_part(:'made', '.', 1) || '.' || split_part(:'made', '.', 2), :'secret') = :'made' AS signed_as_theirs;

-- rockstar: sealed, only the id of a session, with the 32 bytes of the key
-- used unchanged.
SELECT session_key_import('0123456789abcdef0123456789abcdef', 'rockstar', 'rockstar_session');
SELECT session_cookie_decode('AAECAwQFBgcICQoLXoDID_Qp4J8j8EVm7tAEyBTQyVZaEGRF', 'rockstar_session');
SELECT pg_temp.opened(made, 'rockstar_session') AS made, length(made) % 4 AS unpadded
  FROM session_cookie_encode('{"a": 12}', 'sealed', purpose => 'rockstar_session') AS made;
SELECT count(*) AS tried, count(session_cookie_decode(overlay(cookie PLACING CASE substr(cookie, p, 1) WHEN 'A' THEN 'B' ELSE 'A' END FROM p), 'rockstar_session')) AS accepted
  FROM (VALUES ('AAECAwQFBgcICQoLXoDID_Qp4J8j8EVm7tAEyBTQyVZaEGRF')) AS t (cookie), generate_series(1, 48) AS p;
SELECT session_cookie_decode('AAECAwQFBgcICQoLXoDID_Qp4J8j8EVm7tAEyBTQyVZaEGRF') AS other_purpose;
SELECT session_cookie_revoke('AAECAwQFBgcICQoLXoDID_Qp4J8j8EVm7tAEyBTQyVZaEGRF', 'rockstar_session') AS revoked,
       session_cookie_decode('AAECAwQFBgcICQoLXoDID_Qp4J8j8EVm7tAEyBTQyVZaEGRF', 'rockstar_session');
SELECT expires_at FROM session.denylist WHERE expires_at = 'infinity';

-- With an imported key too, a cookie with a correct signature and wrong
-- content is refused.
CREATE TEMP TABLE claims (good boolean DEFAULT false, payload text);
INSERT INTO claims (good, payload) VALUES
    (true, '{"a":1}'), (true, '{"a":1,"exp":4102444800,"iat":1700000000,"nbf":1700000000}'), (true, ' { "a" : 1 } '), (true, '{"exp":4102444800}'),
    (true, '{"exp":' || pg_temp.in_seconds(-5) || '}'), (true, '{"nbf":' || pg_temp.in_seconds(5) || '}'), (true, '{"iat":' || pg_temp.in_seconds(5) || '}'),
    (true, '{"exp":4102444800.0}'), (true, '{"exp":4.1024448e9}'), (true, '{"exp":4102444800999E-3}'), (true, '{"exp":' || pg_temp.in_seconds(-5) || '.75}'),
    (true, '{"nbf":1.5}'), (true, '{"iat":1.7e9}'), (true, '{"nbf":' || pg_temp.in_seconds(5) || '.25}'), (true, '{"exp":1E10}');
INSERT INTO claims (payload) VALUES
    ('{"exp":' || pg_temp.in_seconds(-20) || '}'), ('{"nbf":' || pg_temp.in_seconds(3600) || '}'), ('{"iat":' || pg_temp.in_seconds(3600) || '}'),
    ('{"exp":1700000000}'), ('{"exp":0}'), ('{"exp":-1}'), ('{"exp":"4102444800"}'), ('{"exp":' || pg_temp.in_seconds(-20) || '.5}'), ('{"exp":1.7e9}'), ('{"exp":-4.1e9}'),
    ('{"exp":9007199254740992}'), ('{"exp":99999999999999999999}'), ('{"exp":1e400}'), ('{"exp":null}'), ('{"exp":[4102444800]}'), ('{"exp":true}'),
    ('{"nbf":"1"}'), ('{"nbf":-1}'), ('{"nbf":-1.5}'), ('{"nbf":4.1e9}'), ('{"iat":"1"}'), ('{"iat":-1}'), ('{"iat":-1.5}'), ('{"iat":' || pg_temp.in_seconds(3600) || '.5}'),
    ('{"a":1,"a":2}'), ('{"a":1,"\u0061":1}'), ('{"exp":4102444800,"exp":4102444801}'), ('{"exp":1,"\u0065xp":4102444800}'),
    ('{"a":"\u0000"}'), ('{"\u0000":1}'), ('{"a":{"b":"\u0000"}}'), ('{"a":"\ud800"}'), ('{"a":"\udc00\ud800"}'), ('{"a":"\u12"}'), ('{"a":"\x41"}'),
    ('[]'), ('[{"a":1}]'), ('"a"'), ('1'), ('null'), (''), (' '), ('{'), ('{"a":1'), ('{"a":1}}'), ('{"a":1}{}'), ('{"a":1}x'), ('{"a":1,}'), ('{a:1}'), ('{''a'':1}'),
    ('{"a":01}'), ('{"a":1e99999}'), ('{"a":NaN}'), (E'{"a":"\x01"}'), (E'{"a":"\n"}'), ('{"a":' || repeat('[', 10000) || repeat(']', 10000) || '}'),
    ('{"a":' || repeat('9', 10000) || '}');
CREATE TEMP VIEW judged AS
SELECT good, payload, compact IS NOT NULL AS compact, jwt IS NOT NULL AS jwt
  FROM claims,
       session_cookie_decode(pg_temp.compact(convert_to(payload, 'UTF8'), 'test-secret-key-for-session-cookies'), 'goauth_session_web') AS compact,
       session_cookie_decode(pg_temp.jwt('{"alg":"HS256"}', payload, 'test-secret-key-for-session-cookies'), 'goauth_session_web') AS jwt;
SELECT good, count(*) AS payloads, count(*) FILTER (WHERE compact) AS compact, count(*) FILTER (WHERE jwt) AS jwt
  FROM judged GROUP BY good ORDER BY good;
SELECT left(payload, 40) AS misjudged FROM judged WHERE compact <> good OR jwt <> good;
SELECT count(*) FILTER (WHERE session_cookie_revoke(pg_temp.compact(convert_to(payload, 'UTF8'), :'secret'), 'goauth_session_web')) AS revoked
  FROM claims WHERE NOT good;

-- Bytes that are not UTF-8 are refused too.
SELECT bytes, session_cookie_decode(pg_temp.compact('{"a":"' || bytes || '"}', :'secret'), 'goauth_session_web') AS decoded
  FROM unnest(ARRAY['\x41', '\x80', '\xc0af', '\xeda080', '\xf5808080', '\xff']::bytea[]) AS bytes;

-- A cookie whose header does not agree with the key is refused, whatever else
-- the header says and however it is signed.
SELECT header, pg_temp.opened(pg_temp.jwt(header, '{"a":1}', :'secret'), 'goauth_session_web') IS NOT NULL AS accepted
  FROM unnest(ARRAY[
    '{"alg":"HS256"}', '{"alg":"HS256","typ":"JWT"}', '{"typ":"JWT","alg":"HS256"}', '{"alg":"HS256","typ":"jwt"}', '{"alg":"HS256","typ":"application/JWT"}', '{"alg":"HS256","kid":"goauth"}', '{"alg":"HS256","x":1}',
    '{"alg":"none"}', '{"alg":"None"}', '{"alg":"hs256"}', '{"alg":"HS512"}', '{"alg":"HS384"}', '{"alg":"RS256"}', '{"alg":"ES256"}', '{"alg":"dir"}',
    '{"alg":""}', '{"alg":null}', '{"alg":256}', '{"alg":["HS256"]}', '{}', '{"typ":"JWT"}', '{"alg":"HS256","alg":"none"}', '{"alg":"none","alg":"HS256"}',
    '{"alg":"HS256","typ":"JWE"}', '{"alg":"HS256","typ":"at+jwt"}', '{"alg":"HS256","typ":null}', '{"alg":"HS256","kid":"other"}', '{"alg":"HS256","kid":""}',
    '{"alg":"HS256","kid":1}', '{"alg":"HS256","crit":["exp"]}', '{"alg":"HS256","crit":[]}', '{"alg":"HS256","b64":false,"crit":["b64"]}', '{"alg":"HS256","b64":true}',
    '{"alg":"HS256","zip":"DEF"}', '{"alg":"HS256","\u0000":1}', '[]', '"HS256"', 'null', '', '{"alg":"HS256"']) WITH ORDINALITY AS t (header, n)
 ORDER BY n;
SELECT pg_temp.base64url(convert_to('{"alg":"none"}', 'UTF8')) || '.' || pg_temp.base64url(convert_to('{"a":1}', 'UTF8')) || '.' AS none \gset
SELECT session_cookie_decode(:'none', 'goauth_session_web') AS unsigned, session_cookie_decode(:'none') AS ours;

-- The signature covers the received text: padding, blanks and a character with
-- unused bits are refused.
SELECT part, accepted IS NOT NULL AS accepted
  FROM unnest(ARRAY['eyJhIjoxfQ', 'eyJhIjoxfQ==', 'eyJhIjoxfQ=', 'eyJhIjoxfR', 'eyJhIjoxfQ ', 'eyJhIjox fQ', 'eyJhIjoxfQ' || E'\n', 'eyJhIjoxf', 'eyJhIj+xfQ', 'eyJhIj/xfQ', 'eyJhIj%3DfQ']) AS part,
       session_cookie_decode(pg_temp.signed(part, 'test-secret-key-for-session-cookies'), 'goauth_session_web') AS accepted;
SELECT what, session_cookie_decode(value, 'goauth_session_web') AS decoded
  FROM pg_temp.signed('eyJhIjoxfQ', 'test-secret-key-for-session-cookies') AS good,
       LATERAL (VALUES ('padding after the MAC', good || '='), ('half of the MAC', left(good, 11 + 21)), ('no MAC', 'eyJhIjoxfQ.'),
                       ('no payload', substr(good, 11)), ('a part more', good || '.eyJ9'), ('signed with another secret', pg_temp.signed('eyJhIjoxfQ', 'another-secret-key-for-session-cookies'))) AS t (what, value)
 ORDER BY what COLLATE "C";

-- A cookie signed in one encoding is not accepted in the form of another.
SELECT what, session_cookie_decode(value, 'goauth_session_web') AS decoded
  FROM (VALUES ('compact without its MAC', split_part(pg_temp.signed('eyJhIjoxfQ', :'secret'), '.', 1)),
               ('compact with another part', 'e30.' || pg_temp.signed('eyJhIjoxfQ', :'secret')),
               ('jwt without its header', substr(pg_temp.jwt('{"alg":"HS256"}', '{"a":1}', :'secret'), 22)),
               ('jwt with a payload for its header', pg_temp.jwt('{"a":1}', '{"a":1}', :'secret')),
               ('jwt with parts of a jwe', pg_temp.jwt('{"alg":"HS256"}', '{"a":1}', :'secret') || '..')) AS t (what, value)
 ORDER BY what COLLATE "C";

-- The denylist is keyed by purpose and jti, in any encoding but for no other
-- purpose; without a jti, by the payload.
TRUNCATE session.denylist;
SELECT session_key_import(:'secret', 'elsewhere', 'elsewhere');
SELECT pg_temp.compact('{"jti":"one"}', :'secret') AS one, pg_temp.jwt('{"alg":"HS256"}', '{"jti":"one","b":2}', :'secret') AS one_too,
       pg_temp.compact('{"jti":"two"}', :'secret') AS two, pg_temp.compact('{"a":1}', :'secret') AS none, pg_temp.compact('{"a":2}', :'secret') AS none_too \gset
SELECT session_cookie_revoke(:'one', 'goauth_session_web'), session_cookie_revoke(:'none', 'goauth_session_web');
SELECT session_cookie_decode(:'one', 'goauth_session_web') AS one, session_cookie_decode(:'one_too', 'goauth_session_web') AS one_too,
       session_cookie_decode(:'two', 'goauth_session_web') AS two, session_cookie_decode(:'one', 'elsewhere') AS elsewhere,
       session_cookie_decode(:'none', 'goauth_session_web') AS none, session_cookie_decode(:'none_too', 'goauth_session_web') AS none_too;
SELECT count(*) AS denied, bool_and(expires_at = 'infinity') AS for_ever FROM session.denylist;

-- Of several cookies with the same jti, the entry expires with the one that
-- lives longest; revoking another one changes nothing.
TRUNCATE session.denylist;
SELECT exp, session_cookie_revoke(pg_temp.compact(convert_to(format('{"jti":"one","exp":%s}', exp), 'UTF8'), :'secret'), 'goauth_session_web') AS revoked
  FROM unnest('{4102444800,4102444800,4102444700,4102444900}'::bigint[]) WITH ORDINALITY AS t (exp, n) ORDER BY n;
SELECT extract(epoch FROM expires_at)::bigint AS denied_until FROM session.denylist;

-- A cookie can be decoded in a READ ONLY transaction; one made with a retired
-- key is not accepted.
BEGIN READ ONLY;
SELECT session_cookie_decode(:'two', 'goauth_session_web');
SELECT session_cookie_revoke(:'two', 'goauth_session_web');
ROLLBACK;
SELECT session_key_retire('goauth');
SELECT session_cookie_decode(:'two', 'goauth_session_web'), session_cookie_revoke(:'two', 'goauth_session_web');

-- A forged cookie counts as a failed credential; an expired or denied one does
-- not.
SELECT session_cleanup() IS NOT NULL AS cleaned;
SET session.strategy = 'stateless';
SET session.cookie_name = 'elsewhere';
SET session.client_ip_header = 'x-real-ip';
SET session.failure_threshold = 3;
CREATE FUNCTION pg_temp.looks_of(what text, cookie text, ip text) RETURNS TABLE (outcome text, failures text)
LANGUAGE plpgsql AS $$
DECLARE
    before jsonb := (SELECT to_jsonb(stats) FROM session.stats WHERE database = current_database());
BEGIN
    TRUNCATE session.events;
    FOR n IN 1 .. 4 LOOP
        CASE what
            WHEN 'request' THEN
                PERFORM set_config('request.cookies', jsonb_build_object('elsewhere', cookie)::text, true),
                        set_config('request.headers', jsonb_build_object('x-real-ip', ip)::text, true);
                PERFORM session_pre_request();
            WHEN 'decode' THEN
                PERFORM session_cookie_decode(cookie, 'elsewhere');
            WHEN 'validate' THEN
                PERFORM session_cookie_validate(cookie);
        END CASE;
    END LOOP;
    PERFORM session_cleanup();
    RETURN QUERY
    SELECT (SELECT string_agg(substr(key, 8) || ' ' || value::bigint - (before ->> key)::bigint, ', ')
              FROM session.stats, jsonb_each_text(to_jsonb(stats))
             WHERE database = current_database() AND key ~ '^checks_' AND value <> before ->> key),
           (SELECT string_agg(host(e.ip) || ' ' || (e.detail ->> 'count'), ', ') FROM session.events AS e WHERE kind = 'failures');
END
$$;
SELECT session_cookie_revoke(pg_temp.jwt('{"alg":"HS256"}', '{"jti":"over"}', :'secret'), 'elsewhere') AS denied;
SELECT kind, l.*
  FROM (VALUES (1, 'good', pg_temp.jwt('{"alg":"HS256"}', '{"sub":"kim"}', :'secret')),
               (2, 'of another key', pg_temp.jwt('{"alg":"HS256"}', '{"sub":"kim"}', 'another secret')),
               (3, 'of no shape', 'junk'),
               (4, 'of another shape', pg_temp.compact('{"sub":"kim"}', :'secret')),
               (5, 'over', pg_temp.jwt('{"alg":"HS256"}', '{"sub":"kim","exp":1}', :'secret')),
               (6, 'denied', pg_temp.jwt('{"alg":"HS256"}', '{"sub":"kim","jti":"over"}', :'secret')),
               (7, 'empty', ''), (8, 'missing', NULL)) AS t (n, kind, cookie),
       pg_temp.looks_of('request', cookie, '203.0.113.20' || n) AS l ORDER BY n;
SELECT what, l.outcome
  FROM (VALUES (1, 'decode'), (2, 'validate')) AS t (n, what),
       pg_temp.looks_of(what, pg_temp.jwt('{"alg":"HS256"}', '{"sub":"kim"}', 'another secret'), NULL) AS l ORDER BY n;
RESET session.strategy;
RESET session.cookie_name;
RESET session.client_ip_header;
RESET session.failure_threshold;
TRUNCATE session.events;

-- Claims are what jsonb reads in the payload, whether they are nested or not.
SELECT session_cookie_decode(pg_temp.jwt('{"alg":"HS256"}', payload, :'secret'), 'elsewhere') = payload::jsonb AS same, payload
  FROM (VALUES ('{}'), ('{"":"","a":""}'), ('{"zz":1,"a":2,"b":"3"}'), ('{"a":"\"\\\/\b\f\n\r\t","\"":"x"}'),
               ('{"a":9223372036854775807,"b":-9223372036854775808,"c":-0}'), ('{"a":9223372036854775808}'),
               ('{"a":"\u00e9\ud83d\ude00"}'), (U&'{"\00E9":"\+01F600","b":1}'), ('{"a":"x","b":null,"c":[1,"y"]}'), ('{"a":1.0}')) AS t (payload);

DROP VIEW judged, encodings;
DROP EXTENSION session;
