-- Keys of algorithms for signatures: what they sign, when they begin to, and
-- where their public halves are published.
CREATE EXTENSION session;
\getenv here PG_ABS_SRCDIR
\i :here/sql/include/helpers.sql

-- Decodes base64url.
CREATE FUNCTION pg_temp.bytes(coded text) RETURNS bytea
LANGUAGE sql AS $$
    SELECT decode(rpad(translate(coded, '-_', '+/'), (length(coded) + 3) / 4 * 4, '='), 'base64')
$$;
CREATE FUNCTION pg_temp.coded(bytes bytea) RETURNS text
LANGUAGE sql AS $$
    SELECT translate(encode(bytes, 'base64'), E'+/=\n', '-_')
$$;
-- Returns the header of a JWT.
CREATE FUNCTION pg_temp.header(jwt text) RETURNS jsonb
LANGUAGE sql AS $$
    SELECT convert_from(pg_temp.bytes(split_part(jwt, '.', 1)), 'UTF8')::jsonb
$$;
-- Returns the kid of the key that signs the JWTs of a purpose.
CREATE FUNCTION pg_temp.signer(purpose text DEFAULT 'jwt') RETURNS text
LANGUAGE sql AS $$
    SELECT pg_temp.header(session_cookie_encode('{}', 'jwt', purpose => purpose)) ->> 'kid'
$$;
-- Returns the content of a cookie without its times and id, or NULL if the
-- cookie is not accepted.
CREATE FUNCTION pg_temp.opened(cookie text, purpose text DEFAULT 'jwt') RETURNS jsonb
LANGUAGE sql AS $$
    SELECT session_cookie_decode(cookie, purpose) - '{iat,exp,jti}'::text[]
$$;
CREATE FUNCTION pg_temp.published(purpose text DEFAULT 'jwt') RETURNS SETOF text
LANGUAGE sql AS $$
    SELECT key ->> 'kid' FROM jsonb_array_elements(session_jwks(purpose) -> 'keys') AS key
$$;

-- Each algorithm makes keys, whose JWTs name the algorithm and the key.
CREATE TEMP TABLE made AS
SELECT algorithm, session_key_rotate(algorithm, algorithm) AS kid FROM unnest('{HS256,ES256,EdDSA,RS256}'::text[]) AS algorithm;
ALTER TABLE made ADD jwt text;
UPDATE made SET jwt = session_cookie_encode('{"a": 1}', 'jwt', purpose => algorithm);
SELECT algorithm, kid ~ '^[A-Za-z0-9_-]{16}$' AS shape, pg_temp.header(jwt) = jsonb_build_object('alg', algorithm, 'typ', 'JWT', 'kid', kid) AS header,
       octet_length(pg_temp.bytes(split_part(jwt, '.', 3))) AS signature, pg_temp.opened(jwt, algorithm) AS opened
  FROM made;
SELECT algorithm, purpose = algorithm AS same, token_kid, issuer, audience, imported, pg_temp.is_recent(created_at) AS made_now, activated_at = created_at AS at_once, signs
  FROM session.key_ring ORDER BY activated_at;

-- The private half is stored sealed, and the public half is stored as the
-- members that RFC 7638 requires.
SELECT algorithm, octet_length(secret) AS sealed, position(pg_temp.bytes(public_jwk ->> 'n') IN secret) > 0 AS readable,
       (SELECT jsonb_object_agg(name, CASE WHEN name IN ('x', 'y', 'n') THEN to_jsonb(octet_length(pg_temp.bytes(member #>> '{}'))) ELSE member END)
          FROM jsonb_each(public_jwk) AS m (name, member)) AS public_jwk
  FROM session.keys WHERE kid <> 'session master' ORDER BY activated_at;

-- The JWK Set of a purpose has the public halves of its keys, with name,
-- algorithm and use. It never has anything of a secret.
SELECT algorithm, session_jwks(algorithm) = jsonb_build_object('keys', CASE WHEN algorithm = 'HS256' THEN '[]'
         ELSE jsonb_build_array(public_jwk || jsonb_build_object('kid', kid, 'alg', algorithm, 'use', 'sig')) END) AS is_set
  FROM session.keys WHERE kid <> 'session master' ORDER BY activated_at;
SELECT session_jwks(), session_jwks(NULL), session_jwks('no such purpose'), session_jwks(''), session_jwks('session master');
SELECT session_jwks(repeat('x', 10 * 1024 * 1024)), session_jwks('HS256');

-- A key proves JWTs of its own purpose only, and no changed ones.
SELECT m.algorithm, p.algorithm AS purpose FROM made AS m, made AS p WHERE session_cookie_decode(m.jwt, p.algorithm) IS NOT NULL ORDER BY m.algorithm COLLATE "C";
SELECT algorithm, count(*) AS changed,
       count(pg_temp.opened(pg_temp.coded(set_bit(part[1], at % (8 * octet_length(part[1])), 1 - get_bit(part[1], at % (8 * octet_length(part[1])))))
                            || '.' || split_part(jwt, '.', 2) || '.' || split_part(jwt, '.', 3), algorithm)) AS header,
       count(pg_temp.opened(split_part(jwt, '.', 1) || '.' || pg_temp.coded(set_bit(part[2], at % (8 * octet_length(part[2])), 1 - get_bit(part[2], at % (8 * octet_length(part[2])))))
                            || '.' || split_part(jwt, '.', 3), algorithm)) AS payload,
       count(pg_temp.opened(split_part(jwt, '.', 1) || '.' || split_part(jwt, '.', 2) || '.'
                            || pg_temp.coded(set_bit(part[3], at % (8 * octet_length(part[3])), 1 - get_bit(part[3], at % (8 * octet_length(part[3]))))), algorithm)) AS signature
  FROM made, (SELECT jwt AS of, ARRAY[pg_temp.bytes(split_part(jwt, '.', 1)), pg_temp.bytes(split_part(jwt, '.', 2)), pg_temp.bytes(split_part(jwt, '.', 3))] AS part FROM made) AS parts,
       generate_series(0, 400, 7) AS at
 WHERE of = jwt GROUP BY algorithm ORDER BY algorithm COLLATE "C";
SELECT algorithm, what, session_cookie_decode(header || substr(jwt, position('.' in jwt)) || more, algorithm) AS opened
  FROM made, (VALUES ('none', '{"alg":"none","typ":"JWT","kid":"%s"}', ''), ('another algorithm', '{"alg":"HS256","typ":"JWT","kid":"%s"}', ''),
                     ('alg in another case', '{"alg":"es256","typ":"JWT","kid":"%s"}', ''), ('no kid', NULL, ''), ('a longer signature', '', 'AAAA')) AS t (what, form, more),
       LATERAL (SELECT CASE form WHEN '' THEN split_part(jwt, '.', 1) ELSE pg_temp.coded(convert_to(coalesce(format(form, kid), '{"alg":"ES256","typ":"JWT"}'), 'UTF8')) END AS header) AS h
 WHERE algorithm = 'ES256';
SELECT session_cookie_decode(split_part(jwt, '.', 1) || '.' || split_part(jwt, '.', 2) || '.' || signature, algorithm) AS opened
  FROM made, unnest(ARRAY['', 'A', repeat('A', 86), repeat('A', 10000)]) AS signature WHERE algorithm IN ('ES256', 'RS256');

-- Other encodings need a secret.
\set VERBOSITY default
SELECT session_cookie_encode('{}', purpose => 'ES256');
\set VERBOSITY sqlstate
SELECT encoding, pg_temp.error_of(format('session_cookie_encode(''{}'', %L, purpose => ''RS256'')', encoding)) AS error
  FROM unnest('{compact,sealed,jwe,jwt}'::text[]) AS encoding;
-- Beside a secret, each encoding uses the key that it can use.
SELECT session_key_rotate('ES256') AS secret \gset
SELECT pg_temp.signer('ES256') = :'secret' AS newest;
SELECT encoding, pg_temp.opened(session_cookie_encode('{"a": 1}', encoding, purpose => 'ES256'), 'ES256') AS opened FROM unnest('{compact,sealed,jwe,jwt}'::text[]) AS encoding;
SET session.key_lead = 0;
SELECT session_key_rotate('ES256', 'ES256') AS pair \gset
RESET session.key_lead;
SELECT pg_temp.signer('ES256') = :'pair' AS newest;
SELECT encoding, pg_temp.opened(session_cookie_encode('{"a": 1}', encoding, purpose => 'ES256'), 'ES256') AS opened FROM unnest('{compact,sealed,jwe,jwt}'::text[]) AS encoding;
SELECT algorithm, signs, count(*) FROM session.key_ring WHERE purpose = 'ES256' GROUP BY 1, 2 ORDER BY 1, 2;

-- Snapshots are made with a secret, also as JWTs: a key for signatures proves
-- nothing but JWTs of its own purpose.
SELECT token FROM session_create('alice') \gset
SELECT session_key_rotate('session', 'EdDSA') AS kid \gset
SELECT encoding, pg_temp.error_of(format('session_cookie_issue(%L, %L)', :'token', encoding)) AS error FROM unnest('{compact,jwt,jwe,sealed}'::text[]) AS encoding;
SELECT session_key_rotate() IS NOT NULL AS made;
SELECT encoding, (SELECT user_id FROM session_cookie_validate(session_cookie_issue(:'token', encoding))) FROM unnest('{compact,jwt,jwe,sealed}'::text[]) AS encoding;
SELECT convert_from(pg_temp.bytes(split_part(session_cookie_issue(:'token', 'compact'), '.', 1)), 'UTF8')::jsonb - '{iat,exp}'::text[] || '{"uid": "eve"}' AS claims \gset
SET session.key_lead = 0;
SELECT session_key_rotate('session', 'EdDSA') IS NOT NULL AS made;
RESET session.key_lead;
SELECT session_cookie_encode(:'claims', 'jwt') AS forged \gset
SELECT pg_temp.header(:'forged') ->> 'alg' AS alg, pg_temp.opened(:'forged', 'session') ->> 'uid' AS uid, (SELECT count(*) FROM session_cookie_validate(:'forged')) AS snapshots;

-- session_jwt signs with the first active key of the purpose jwt, of any
-- algorithm.
SELECT session_key_rotate('jwt') AS secret \gset
SELECT pg_temp.header(session_jwt(:'token')) ->> 'alg' AS alg;
SELECT session_key_rotate('jwt', 'EdDSA') AS first \gset
SELECT pg_temp.header(session_jwt(:'token')) ->> 'kid' = :'first' AS first, pg_temp.opened(session_jwt(:'token')) ->> 'sub' AS sub;

-- The first public key of a purpose signs at once. A later one is published
-- at once, and signs when session.key_lead has passed.
SHOW session.key_lead;
SELECT session_key_rotate('jwt', 'ES256') AS second \gset
SELECT array_agg(kid) = ARRAY[:'first', :'second'] AS published FROM pg_temp.published() AS kid;
SELECT pg_temp.signer() = :'first' AS first;
SELECT kid = :'second' AS second, round(extract(epoch FROM activated_at - created_at)) AS lead, signs FROM session.key_ring WHERE purpose = 'jwt' ORDER BY activated_at;
-- It verifies before it signs.
UPDATE session.keys SET activated_at = now() WHERE kid = :'second';
SELECT pg_temp.signer() = :'second' AS is_second, session_jwt(:'token') AS jwt \gset
SELECT :'is_second' AS second;
UPDATE session.keys SET activated_at = now() + interval '1 hour' WHERE kid = :'second';
SELECT pg_temp.signer() = :'first' AS first, pg_temp.opened(:'jwt') ->> 'sub' AS sub;
-- A rotation in between is activated after it.
SELECT session_key_rotate('jwt', 'RS256') AS third, session_key_rotate('jwt') AS fourth \gset
SELECT array_agg(CASE kid WHEN :'first' THEN 1 WHEN :'second' THEN 2 WHEN :'third' THEN 3 WHEN :'fourth' THEN 4 ELSE 0 END ORDER BY activated_at) AS keys
  FROM session.key_ring WHERE purpose = 'jwt';
SELECT pg_temp.signer() = :'first' AS first;
-- The time passes.
UPDATE session.keys SET activated_at = activated_at - interval '2 hours' WHERE kid = :'second';
SELECT pg_temp.signer() = :'first' AS first;
UPDATE session.keys SET activated_at = activated_at - interval '2 hours' WHERE kid IN (:'first', :'secret');
SELECT pg_temp.signer() = :'second' AS second;
SELECT CASE kid WHEN :'first' THEN 1 WHEN :'second' THEN 2 WHEN :'third' THEN 3 WHEN :'fourth' THEN 4 ELSE 0 END AS key, signs FROM session.key_ring WHERE purpose = 'jwt' ORDER BY activated_at;
-- While no key is active, the one that will be first signs.
SELECT count(session_key_retire(kid)) AS retired FROM unnest(ARRAY[:'first', :'second', :'secret']) AS kid;
SELECT pg_temp.signer() = :'third' AS third, array_agg(kid) = ARRAY[:'third'] AS published FROM pg_temp.published() AS kid;
SELECT CASE kid WHEN :'third' THEN 3 WHEN :'fourth' THEN 4 END AS key, signs FROM session.key_ring WHERE purpose = 'jwt' AND retired_at IS NULL ORDER BY activated_at;
SELECT pg_temp.opened(session_cookie_encode('{"a": 1}', 'sealed', purpose => 'jwt')) AS with_fourth;
-- Without an active public key there is none to be published before.
SELECT session_key_retire(:'third') AND session_key_retire(:'fourth') AS retired;
SELECT session_key_rotate('jwt', 'EdDSA') AS fifth \gset
SELECT pg_temp.signer() = :'fifth' AS fifth, activated_at - created_at AS lead FROM session.key_ring WHERE kid = :'fifth';
SET session.key_lead = '10 min';
SELECT session_key_rotate('jwt', 'EdDSA') AS sixth \gset
SELECT activated_at - created_at AS lead FROM session.key_ring WHERE kid = :'sixth';
RESET session.key_lead;

-- What a retired key signed is not accepted.
SELECT session_jwt(:'token') AS jwt \gset
SELECT pg_temp.opened(:'jwt') ->> 'sub' AS sub;
SELECT session_key_retire(:'fifth');
SELECT pg_temp.opened(:'jwt') AS opened, pg_temp.signer() = :'sixth' AS sixth;

-- A rotation and a retirement that are rolled back leave no trace.
BEGIN;
SELECT session_key_rotate('jwt', 'ES256') AS gone \gset
SELECT :'gone' IN (SELECT pg_temp.published()) AS published;
SAVEPOINT s;
SELECT session_key_retire(:'sixth');
SELECT pg_temp.signer() = :'gone' AS is_gone, session_jwt(:'token') AS within \gset
SELECT :'is_gone' AS gone;
ROLLBACK TO s;
SELECT pg_temp.signer() = :'sixth' AS sixth, pg_temp.opened(:'within') ->> 'sub' AS sub;
ROLLBACK;
SELECT pg_temp.signer() = :'sixth' AS sixth, pg_temp.opened(:'within') AS within, count(*) AS published FROM pg_temp.published();

-- A sealed private half opens only with its name, purpose and algorithm.
SELECT pg_temp.error_of($$session_cookie_encode('{}', 'jwt', purpose => 'EdDSA')$$) AS error;
BEGIN;
UPDATE session.keys SET algorithm = 'ES256' WHERE purpose = 'EdDSA';
SELECT pg_temp.error_of($$session_cookie_encode('{}', 'jwt', purpose => 'EdDSA')$$) AS error;
ROLLBACK;
BEGIN;
UPDATE session.keys SET purpose = 'other' WHERE purpose = 'EdDSA';
SELECT pg_temp.error_of($$session_cookie_encode('{}', 'jwt', purpose => 'other')$$) AS error;
ROLLBACK;
SELECT pg_temp.error_of($$session_cookie_encode('{}', 'jwt', purpose => 'EdDSA')$$) AS error;

-- An invalid argument is an error that names it.
SELECT call, pg_temp.error_of(call) AS error
  FROM unnest(ARRAY[
    $$session_key_rotate('jwt', '')$$,
    $$session_key_rotate('jwt', 'es256')$$,
    $$session_key_rotate('jwt', 'none')$$,
    $$session_key_rotate('jwt', 'ES384')$$,
    $$session_key_rotate('jwt', repeat('x', 10 * 1024 * 1024))$$,
    $$session_key_rotate('', 'ES256')$$,
    $$session_key_rotate('seal', 'ES256')$$,
    $$session_key_rotate('bound', 'EdDSA')$$,
    $$session_key_import(convert_to(repeat('x', 32), 'UTF8'), 'k', 'seal')$$,
    $$session_key_import(convert_to(repeat('x', 32), 'UTF8'), 'k', 'bound')$$]) AS call;

-- The table cannot hold what is neither a secret, nor a pair, nor of an issuer.
SELECT change, pg_temp.outcome_of('UPDATE session.keys SET ' || change || ' WHERE purpose = ''RS256''') AS outcome
  FROM unnest(ARRAY['algorithm = ''none''', 'algorithm = ''HS256''', 'public_jwk = NULL', 'public_jwk = ''[]''', 'secret = NULL', 'issuer = ''i''', 'audience = ''a''', 'token_kid = ''k''']) AS change;

-- Any role may read the public keys, in READ ONLY transactions, in parallel
-- workers too, and reads nothing else.
CREATE ROLE regress_session_stranger;
BEGIN READ ONLY;
SET LOCAL ROLE regress_session_stranger;
SELECT jsonb_array_length(session_jwks() -> 'keys') AS keys, session_jwks() = session_jwks('jwt') AS same;
\set VERBOSITY sqlstate
SAVEPOINT s;
TABLE session.key_ring;
ROLLBACK TO s;
SELECT session_key_rotate('jwt', 'ES256');
ROLLBACK;
DROP ROLE regress_session_stranger;
CREATE TABLE many AS SELECT n FROM generate_series(1, 10000) AS n;
ANALYZE many;
BEGIN;
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL min_parallel_table_scan_size = 0;
SET LOCAL parallel_leader_participation = off;
EXPLAIN (COSTS OFF) SELECT count(*) FROM many WHERE session_jwks(CASE WHEN n > 0 THEN 'jwt' END) = session_jwks();
SELECT count(*) FROM many WHERE n % 100 = 0 AND session_jwks(CASE WHEN n > 0 THEN 'jwt' END) <> '{"keys": []}';
ROLLBACK;
DROP TABLE many;

-- Another backend has the same keys.
\c -
SELECT session_cookie_decode(session_jwt(:'token'), 'jwt') ->> 'sub' AS sub, jsonb_array_length(session_jwks() -> 'keys') AS keys;

DROP EXTENSION session;
