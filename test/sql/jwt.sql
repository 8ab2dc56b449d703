-- Tokens for other services: their claims, their lifetime, and how another
-- service verifies them.
CREATE EXTENSION session;
\getenv here PG_ABS_SRCDIR
\i :here/sql/include/helpers.sql
CREATE FUNCTION pg_temp.part(jwt text, n int) RETURNS bytea
LANGUAGE sql AS $$
    SELECT decode(rpad(translate(part, '-_', '+/'), (length(part) + 3) / 4 * 4, '='), 'base64') FROM split_part(jwt, '.', n) AS part
$$;
CREATE FUNCTION pg_temp.payload(jwt text) RETURNS jsonb
LANGUAGE sql AS $$
    SELECT convert_from(pg_temp.part(jwt, 2), 'UTF8')::jsonb
$$;
-- HMAC-SHA-256 (RFC 2104), computed with functions of the server, for a key of
-- at most 64 bytes.
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
SELECT encode(pg_temp.hmac('what do ya want for nothing?', 'Jefe'), 'hex') AS rfc_4231_case_2;

-- If the secret of another service is imported, that service can verify the
-- token.
SELECT 'the secret that PostgREST has, too' AS secret \gset
SELECT session_key_import(:'secret', 'postgrest', 'jwt');
SELECT id, token, expires_at FROM session_create('alice', '{"a": 1}', 'acme', 'webuser', auth_level => 2) \gset
SELECT session_jwt(:'token') AS jwt \gset
SELECT :'jwt' ~ '^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{43}$' AS shape,
       convert_from(pg_temp.part(:'jwt', 1), 'UTF8') AS header,
       pg_temp.part(:'jwt', 3) = pg_temp.hmac(convert_to(left(:'jwt', -44), 'UTF8'), :'secret') AS signed;

-- The token names the user, the session, the tenant, the role and the level,
-- and contains no session data.
SELECT pg_temp.payload(:'jwt') - '{sid,iat,exp,jti}'::text[] AS claims, (pg_temp.payload(:'jwt') ->> 'sid')::uuid = :'id' AS sid,
       (SELECT array_agg(k ORDER BY k) FROM jsonb_object_keys(pg_temp.payload(:'jwt')) AS k) AS names;
SELECT session_cookie_decode(:'jwt', 'jwt') = pg_temp.payload(:'jwt') AS decoded_here;
SELECT count(DISTINCT pg_temp.payload(session_jwt(:'token')) ->> 'jti') AS jtis FROM generate_series(1, 100);

-- A token can also be issued for an anonymous session.
SELECT token AS visit FROM session_create() \gset
SELECT pg_temp.payload(session_jwt(:'visit')) - '{sid,iat,exp,jti}'::text[] AS claims;

-- The call can add an audience, as an argument or a claim, an issuer, and any
-- claim that session_jwt does not set.
SELECT pg_temp.payload(session_jwt(:'token', audience => 'https://api.example.com')) -> 'aud' AS aud;
SELECT pg_temp.payload(session_jwt(:'token', claims => '{"scope": ["read"], "nested": {"sub": "x"}, "é": "ü"}')) - '{sid,iat,exp,jti}'::text[] AS claims;
SELECT pg_temp.payload(session_jwt(:'token', claims => '{"iss": "https://id.example.com", "aud": ["a", "b"], "nbf": 1, "auth_time": 2, "uid": 3, "tok": null}'))
       - '{sid,iat,exp,jti}'::text[] AS claims;
SELECT pg_temp.payload(session_jwt(:'token', claims => '{"iss": "https://id.example.com"}', audience => 'c')) - '{sid,iat,exp,jti}'::text[] AS claims;

-- Passing a claim that session_jwt sets is an error, whether the session has
-- it or not.
SELECT name, what, pg_temp.error_of(format('session_jwt(%L, claims => jsonb_build_object(%L, %L), audience => %L)', t.token, name, 'x', audience)) AS error
  FROM unnest('{sid,sub,tid,role,lvl,iat,exp,jti,aud}'::text[]) WITH ORDINALITY AS n (name, n),
       (VALUES (1, 'a user''s', :'token'), (2, 'a visitor''s', :'visit'), (3, 'junk', 'junk')) AS t (m, what, token),
       LATERAL (SELECT CASE name WHEN 'aud' THEN 'c' END AS audience) AS a
 ORDER BY n, m;
SELECT pg_temp.error_of(format($$session_jwt(%L, claims => '{"sub": null}')$$, :'token')) AS "null", pg_temp.error_of(format($$session_jwt(%L, claims => '{"aud": null}', audience => 'c')$$, :'token')) AS null_aud;
\set VERBOSITY default
SELECT session_jwt(:'token', claims => '{"more": 1, "exp": 4102444800}');
SELECT session_jwt(:'token', claims => '{"aud": ["theirs"]}', audience => 'ours');
\set VERBOSITY sqlstate

-- The token is valid for 15 minutes or the requested time, but not beyond the
-- end of the session.
SELECT ttl, (p ->> 'exp')::bigint - (p ->> 'iat')::bigint AS seconds,
       abs((p ->> 'iat')::bigint - extract(epoch FROM clock_timestamp())) < 60 AS made_now
  FROM unnest(ARRAY[NULL, '1 second', '1.5 seconds', '5 minutes', '23 hours']::interval[]) AS ttl, pg_temp.payload(session_jwt(:'token', ttl)) AS p;
SELECT (p ->> 'exp')::bigint - (p ->> 'iat')::bigint AS seconds FROM pg_temp.payload(session_jwt(:'token')) AS p;
SELECT what, to_timestamp((p ->> 'exp')::bigint) <= ends AS within, to_timestamp((p ->> 'exp')::bigint) > ends - interval '1 second' AS to_the_second
  FROM (VALUES ('lifetime', interval '10 minutes', interval '0', false), ('idle timeout', '1 day', '10 minutes', false), ('access token', '10 minutes', '0', true)) AS t (what, lifetime, idle, refreshable),
       LATERAL (SELECT * FROM session_create('bob', lifetime => t.lifetime, idle_timeout => t.idle, refreshable => t.refreshable)) AS s,
       LATERAL (SELECT pg_temp.payload(session_jwt(s.token, '68 years')) AS p) AS j,
       LATERAL (SELECT expires_at AS ends FROM session_get(s.id)) AS e;
UPDATE session.sessions SET expires_at = 'infinity' WHERE id = :'id';
SELECT (p ->> 'exp')::bigint - (p ->> 'iat')::bigint AS seconds FROM pg_temp.payload(session_jwt(:'token')) AS p;
UPDATE session.sessions SET expires_at = :'expires_at' WHERE id = :'id';

-- A token is issued only for a live session.
CREATE TEMP TABLE made AS
SELECT what, s.* FROM unnest('{live,revoked,expired,idle,regenerated,purged}'::text[]) AS what, session_create(what, idle_timeout => '1 hour') AS s;
SELECT count(*) FILTER (WHERE session_revoke(token)) AS revoked FROM made WHERE what = 'revoked';
UPDATE session.sessions SET expires_at = clock_timestamp() WHERE user_id = 'expired';
UPDATE session.sessions SET last_seen_at = clock_timestamp() - interval '1 hour' WHERE user_id = 'idle';
SELECT count(*) AS regenerated FROM made, session_regenerate(token) WHERE what = 'regenerated';
DELETE FROM session.sessions WHERE user_id = 'purged';
SELECT what, session_jwt(token) IS NOT NULL AS minted FROM made ORDER BY what COLLATE "C";
SELECT refresh_token FROM session_create('carol', refreshable => true) \gset
SELECT session_jwt(:'refresh_token') AS refresh_token, session_jwt(NULL) AS "null", session_jwt('') AS nothing, session_jwt(:'jwt') AS jwt;

-- The token is not accepted as a session token, as a snapshot, or as a cookie
-- of another purpose.
SELECT session_key_rotate() IS NOT NULL AS made;
SELECT session_status(:'jwt'), session_cookie_decode(:'jwt') AS cookie, session_cookie_revoke(:'jwt') AS revoked,
       (SELECT count(*) FROM session_cookie_validate(:'jwt')) AS snapshot, (SELECT count(*) FROM session_cookie_validate(:'jwt', true)) AS sensitive;

-- In this database the token can be denied; retiring its key also ends it.
SELECT session_jwt(:'token') AS other \gset
SELECT session_cookie_revoke(:'jwt', 'jwt'), session_cookie_decode(:'jwt', 'jwt') AS revoked, session_cookie_decode(:'other', 'jwt') IS NOT NULL AS other;
SELECT session_key_rotate('jwt') AS kid \gset
SELECT convert_from(pg_temp.part(session_jwt(:'token'), 1), 'UTF8')::jsonb ->> 'kid' = :'kid' AS newest_signs, session_cookie_decode(:'other', 'jwt') IS NOT NULL AS other;
SELECT session_key_retire('postgrest'), session_cookie_decode(:'other', 'jwt') AS other;

-- Invalid arguments are errors that name the argument, also without a session.
SELECT call, pg_temp.error_of(call) AS error
  FROM unnest(ARRAY[
    $$session_jwt(NULL, '0')$$, $$session_jwt(NULL, '0.9 seconds')$$, $$session_jwt(NULL, '-1 minute')$$, $$session_jwt(NULL, '70 years')$$,
    $$session_jwt(NULL, claims => '[]')$$, $$session_jwt(NULL, claims => '"a"')$$, $$session_jwt(NULL, claims => 'null')$$,
    $$session_jwt(NULL, audience => '')$$, $$session_jwt(NULL, audience => repeat('x', 1025))$$, $$session_jwt(NULL, audience => repeat('x', 1024))$$]) AS call;
SELECT pg_temp.error_of(format($$session_jwt(%L, claims => jsonb_build_object('a', repeat('x', 65536)))$$, :'token')) AS error;

-- A token can be issued in a READ ONLY transaction.
BEGIN READ ONLY;
SELECT session_jwt(:'token') IS NOT NULL AS minted;
ROLLBACK;

DROP EXTENSION session;
