-- Public keys of issuers: the tokens of other systems, such as identity
-- providers, are accepted for a purpose.
CREATE EXTENSION session;
\getenv here PG_ABS_SRCDIR
\i :here/sql/include/helpers.sql

-- The issuers of this test are purposes of the same key ring: their public
-- keys are imported for another purpose.
CREATE FUNCTION pg_temp.token(issuer text, claims jsonb, ttl interval DEFAULT '1 min') RETURNS text
LANGUAGE sql AS $$
    SELECT session_cookie_encode(claims, 'jwt', ttl, issuer)
$$;
-- Returns the sub of a token that is accepted.
CREATE FUNCTION pg_temp.sub(token text, purpose text DEFAULT 'app') RETURNS text
LANGUAGE sql AS $$
    SELECT session_cookie_decode(token, purpose) ->> 'sub'
$$;
-- Returns a JWK of a set.
CREATE FUNCTION pg_temp.jwk(jwks jsonb, n int DEFAULT 0) RETURNS jsonb
LANGUAGE sql AS $$
    SELECT jwks -> 'keys' -> n
$$;
SET session.key_lead = 0;
SELECT count(session_key_rotate(purpose, algorithm)) AS keys
  FROM (VALUES ('idp', 'RS256'), ('idp', 'ES256'), ('other', 'EdDSA'), ('third', 'ES256')) AS t (purpose, algorithm);
SELECT session_jwks('idp') AS idp, session_jwks('other') AS other \gset

-- A JWK Set is imported for a purpose, an issuer and an audience.
SELECT count(kid) AS keys, bool_and(kid ~ '^[A-Za-z0-9_-]{16}$') AS shape FROM session_key_import_jwk(:'idp', 'app', 'https://id.example.com', 'shop') AS kid;
SELECT algorithm, token_kid = pg_temp.jwk(:'idp', (algorithm = 'ES256')::int) ->> 'kid' AS token_kid, kid = token_kid AS same, issuer, audience, imported, activated_at = created_at AS at_once, retired_at, signs
  FROM session.key_ring WHERE purpose = 'app' ORDER BY algorithm;
SELECT count(secret) AS secrets, count(*) FILTER (WHERE public_jwk - '{crv,e,kty,n,x,y}'::text[] = '{}') AS jwks FROM session.keys WHERE purpose = 'app';
SELECT session_jwks('app');

-- Its tokens are accepted if iss is the issuer and aud the audience, or an
-- array that contains it.
SELECT claims, pg_temp.sub(pg_temp.token('idp', claims)) AS sub
  FROM unnest(ARRAY[
    '{"sub": "ada", "iss": "https://id.example.com", "aud": "shop"}',
    '{"sub": "ada", "iss": "https://id.example.com", "aud": ["shop"]}',
    '{"sub": "ada", "iss": "https://id.example.com", "aud": ["account", 1, null, "shop"]}',
    '{"sub": "ada", "iss": "https://id.example.com", "aud": "shop", "nbf": 0}',
    '{"sub": "eve", "iss": "https://id.example.com"}',
    '{"sub": "eve", "iss": "https://id.example.com", "aud": null}',
    '{"sub": "eve", "iss": "https://id.example.com", "aud": ""}',
    '{"sub": "eve", "iss": "https://id.example.com", "aud": "Shop"}',
    '{"sub": "eve", "iss": "https://id.example.com", "aud": "shop "}',
    '{"sub": "eve", "iss": "https://id.example.com", "aud": []}',
    '{"sub": "eve", "iss": "https://id.example.com", "aud": ["account"]}',
    '{"sub": "eve", "iss": "https://id.example.com", "aud": [["shop"]]}',
    '{"sub": "eve", "iss": "https://id.example.com", "aud": {"shop": "shop"}}',
    '{"sub": "eve", "aud": "shop"}',
    '{"sub": "eve", "iss": null, "aud": "shop"}',
    '{"sub": "eve", "iss": "https://id.example.com/", "aud": "shop"}',
    '{"sub": "eve", "iss": ["https://id.example.com"], "aud": "shop"}',
    '{"sub": "eve", "iss": "https://id.example.com", "aud": "shop", "nbf": 9999999999}']::jsonb[]) AS claims;
-- Not what another key signed, nor for another purpose.
SELECT pg_temp.token('idp', '{"sub": "ada", "iss": "https://id.example.com", "aud": "shop"}') AS token \gset
SELECT pg_temp.sub(:'token') AS app, pg_temp.sub(:'token', 'session') AS session,
       pg_temp.sub(pg_temp.token('third', '{"sub": "eve", "iss": "https://id.example.com", "aud": "shop"}')) AS third;
-- The keys sign nothing.
SELECT encoding, pg_temp.error_of(format('session_cookie_encode(''{}'', %L, purpose => ''app'')', encoding)) AS error FROM unnest('{jwt,compact}'::text[]) AS encoding;

-- A token can be denied, and policies end it.
SELECT pg_temp.sub(pg_temp.token('idp', '{"sub": "bob", "iss": "https://id.example.com", "aud": "shop"}')) AS sub;
SELECT session_cookie_revoke(:'token', 'app') AS revoked, pg_temp.sub(:'token') AS sub;
SELECT pg_temp.token('idp', '{"sub": "ada", "iss": "https://id.example.com", "aud": "shop", "tid": "acme"}') AS token \gset
BEGIN;
SELECT pg_temp.sub(:'token') AS before, session_revoke_all(tenant_id => 'acme') IS NOT NULL AS ended;
SELECT pg_temp.sub(:'token') AS after;
ROLLBACK;
SELECT pg_temp.sub(:'token') AS sub;

-- The same set again changes nothing.
CREATE TEMP TABLE before AS TABLE session.keys;
SELECT count(*) AS keys, count(k.kid) AS kept FROM session_key_import_jwk(:'idp', 'app', 'https://id.example.com', 'shop') AS kid LEFT JOIN session.keys AS k USING (kid);
SELECT count(*) AS changed FROM (TABLE session.keys EXCEPT TABLE before) AS c;
-- Without members that say nothing about the key it is the same set.
SELECT jsonb_set(:'idp', '{keys,0}', pg_temp.jwk(:'idp') - '{alg,use}'::text[] || '{"x5c": ["MIIC"], "key_ops": ["verify"], "x5t": "x", "ext": true}') AS dressed \gset
SELECT count(*) AS keys FROM session_key_import_jwk(:'dressed', 'app', 'https://id.example.com', 'shop');
SELECT count(*) AS changed FROM (TABLE session.keys EXCEPT TABLE before) AS c;

-- A set replaces the set of its purpose and issuer: what is still there stays,
-- what is new is added, what is missing is retired.
SELECT session_key_rotate('idp', 'EdDSA') AS third \gset
SELECT jsonb_build_object('keys', (SELECT jsonb_agg(key) FROM jsonb_array_elements(session_jwks('idp') -> 'keys') AS key WHERE key ->> 'alg' <> 'RS256')) AS rotated \gset
SELECT count(*) AS keys FROM session_key_import_jwk(:'rotated', 'app', 'https://id.example.com', 'shop');
SELECT k.algorithm, b.kid IS NOT NULL AS before, pg_temp.is_recent(k.retired_at) AS retired FROM session.keys AS k LEFT JOIN before AS b USING (kid) WHERE k.purpose = 'app' ORDER BY k.algorithm;
SELECT detail ->> 'action' AS action, detail ->> 'purpose' AS purpose, count(*) FROM session.events WHERE detail ->> 'purpose' = 'app' GROUP BY 1, 2 ORDER BY 1;
SELECT pg_temp.sub(:'token') AS sub;
-- A key that comes back is added again.
SELECT count(*) AS keys FROM session_key_import_jwk(:'idp', 'app', 'https://id.example.com', 'shop');
SELECT algorithm, retired_at IS NOT NULL AS retired, count(*) FROM session.keys WHERE purpose = 'app' GROUP BY 1, 2 ORDER BY 1, 2;
-- Another audience holds for the keys that stay, too.
SELECT count(*) AS keys FROM session_key_import_jwk(:'idp', 'app', 'https://id.example.com', 'desk');
SELECT pg_temp.sub(pg_temp.token('idp', '{"sub": "ada", "iss": "https://id.example.com", "aud": "shop"}')) AS shop;
SELECT session_key_rotate('idp', 'ES256') IS NOT NULL AS made;
SELECT count(*) AS keys FROM session_key_import_jwk(session_jwks('idp'), 'app', 'https://id.example.com', 'desk');
SELECT pg_temp.sub(pg_temp.token('idp', '{"sub": "ada", "iss": "https://id.example.com", "aud": "shop"}')) AS shop,
       pg_temp.sub(pg_temp.token('idp', '{"sub": "ada", "iss": "https://id.example.com", "aud": "desk"}')) AS desk;
SELECT count(*) AS keys FROM session_key_import_jwk(session_jwks('idp'), 'app', 'https://id.example.com');
-- Without an audience, the tokens must have none.
SELECT claims, pg_temp.sub(pg_temp.token('idp', claims)) AS sub
  FROM unnest(ARRAY['{"sub": "ada", "iss": "https://id.example.com"}', '{"sub": "eve", "iss": "https://id.example.com", "aud": "shop"}',
                    '{"sub": "eve", "iss": "https://id.example.com", "aud": null}', '{"sub": "eve", "iss": "https://id.example.com", "aud": []}', '{"sub": "eve"}']::jsonb[]) AS claims;

-- Several issuers at once, also with keys of the same kid: a JWK adds one key,
-- and a set replaces only those of its own issuer.
SELECT count(*) AS keys FROM session_key_import_jwk(pg_temp.jwk(:'other') || '{"kid": "1"}', 'app', 'https://other.example.com', 'shop');
SELECT count(*) AS keys FROM session_key_import_jwk(pg_temp.jwk(session_jwks('third')) || '{"kid": "1"}', 'app', 'https://third.example.com', 'shop');
SELECT issuer, token_kid FROM session.key_ring WHERE token_kid = '1' ORDER BY issuer;
SELECT count(*) AS keys FROM session_key_import_jwk(pg_temp.jwk(:'other') - 'kid', 'app', 'https://other.example.com', 'shop');
SELECT count(*) AS keys FROM session_key_import_jwk(pg_temp.jwk(:'other') - 'kid', 'app', 'https://other.example.com', 'shop');
SELECT issuer, token_kid FROM session.key_ring WHERE issuer = 'https://other.example.com' ORDER BY token_kid;
SELECT count(*) AS keys FROM session_key_import_jwk(:'other', 'app', 'https://other.example.com', 'shop');
SELECT count(*) AS keys FROM session_key_import_jwk(session_jwks('third'), 'app', 'https://third.example.com', 'shop');
SELECT issuer, count(*) AS keys, count(*) FILTER (WHERE token_kid = '1') AS first FROM session.key_ring WHERE purpose = 'app' AND retired_at IS NULL GROUP BY issuer ORDER BY issuer;
SELECT iss, signer, pg_temp.sub(pg_temp.token(signer, jsonb_build_object('sub', 'ada', 'iss', iss, 'aud', 'shop'))) AS sub
  FROM unnest('{https://other.example.com,https://third.example.com}'::text[]) AS iss, unnest('{other,third}'::text[]) AS signer ORDER BY 1, 2;
-- One key for two issuers: the one counts whose claims fit.
SELECT count(*) AS keys FROM session_key_import_jwk(:'other', 'app', 'https://alias.example.com', 'desk');
SELECT iss, aud, pg_temp.sub(pg_temp.token('other', jsonb_build_object('sub', 'ada', 'iss', iss, 'aud', aud))) AS sub
  FROM unnest('{https://alias.example.com,https://other.example.com}'::text[]) AS iss, unnest('{desk,shop}'::text[]) AS aud ORDER BY 1, 2;
-- Without an issuer, any is accepted.
SELECT count(*) AS keys FROM session_key_import_jwk(:'other', 'any', audience => 'shop');
SELECT claims, pg_temp.sub(pg_temp.token('other', claims), 'any') AS sub
  FROM unnest(ARRAY['{"sub": "ada", "aud": "shop"}', '{"sub": "ada", "iss": "any", "aud": "shop"}', '{"sub": "eve", "iss": "any", "aud": "desk"}']::jsonb[]) AS claims;

-- A key that is retired proves nothing.
SELECT pg_temp.sub(pg_temp.token('third', '{"sub": "ada", "iss": "https://third.example.com", "aud": "shop"}')) AS before;
SELECT session_key_retire(kid) AS retired, session_key_retire(kid) AS again FROM session.key_ring WHERE issuer = 'https://third.example.com' AND retired_at IS NULL;
SELECT pg_temp.sub(pg_temp.token('third', '{"sub": "ada", "iss": "https://third.example.com", "aud": "shop"}')) AS after;
-- An import that is rolled back leaves no trace.
BEGIN;
SELECT count(*) AS keys FROM session_key_import_jwk(session_jwks('third'), 'app', 'https://other.example.com', 'shop');
SELECT signer, pg_temp.sub(pg_temp.token(signer, jsonb_build_object('sub', 'ada', 'iss', 'https://other.example.com', 'aud', 'shop'))) AS sub FROM unnest('{third,other}'::text[]) AS signer;
ROLLBACK;
SELECT signer, pg_temp.sub(pg_temp.token(signer, jsonb_build_object('sub', 'ada', 'iss', 'https://other.example.com', 'aud', 'shop'))) AS sub FROM unnest('{third,other}'::text[]) AS signer;

-- A row that was changed by hand is an error, and no key of another algorithm.
SELECT count(*) AS keys FROM session_key_import_jwk(:'other', 'damaged', 'https://other.example.com', 'shop');
SELECT pg_temp.sub(pg_temp.token('other', '{"sub": "ada", "iss": "https://other.example.com", "aud": "shop"}'), 'damaged') AS sub;
BEGIN;
UPDATE session.keys SET algorithm = 'ES256' WHERE purpose = 'damaged';
SELECT regexp_replace(pg_temp.error_of('session_cookie_decode(''a.b.c'', ''damaged'')'), '"[\w-]{16}"', '"KID"') AS error;
ROLLBACK;
BEGIN;
UPDATE session.keys SET public_jwk = public_jwk - 'x' WHERE purpose = 'damaged';
SELECT regexp_replace(pg_temp.error_of('session_cookie_decode(''a.b.c'', ''damaged'')'), '"[\w-]{16}"', '"KID"') AS error;
ROLLBACK;
SELECT pg_temp.sub(pg_temp.token('other', '{"sub": "ada", "iss": "https://other.example.com", "aud": "shop"}'), 'damaged') AS sub;

-- Keys of a set that are not for signatures, or of other algorithms, are left
-- out, as are those that are damaged. A key that occurs twice counts once.
SELECT count(*) AS keys FROM session_key_import_jwk(jsonb_build_object('keys', jsonb_build_array(
    pg_temp.jwk(:'idp') || '{"use": "enc", "alg": "RSA-OAEP", "kid": "enc"}', pg_temp.jwk(:'idp') || '{"alg": "PS256", "kid": "ps"}',
    pg_temp.jwk(:'idp') || '{"alg": "RS512", "kid": "rs"}', pg_temp.jwk(:'idp') || '{"key_ops": ["encrypt"], "kid": "ops"}',
    pg_temp.jwk(:'idp'), pg_temp.jwk(:'idp'), pg_temp.jwk(:'idp', 1), pg_temp.jwk(:'idp', 1) || '{"crv": "P-384"}', pg_temp.jwk(:'idp', 1) || '{"x": "AAAA"}',
    pg_temp.jwk(:'idp', 1) || jsonb_build_object('y', pg_temp.jwk(:'idp', 1) -> 'x'), pg_temp.jwk(:'idp', 1) || '{"kid": "a b"}',
    '{"kty": "RSA", "n": "uCm5Yk3pOyPCUfM3OnLzxQ", "e": "AQAB"}'::jsonb, '{"kty": "new"}'::jsonb, '{}'::jsonb, 'null'::jsonb, '[]'::jsonb, '1'::jsonb)), 'many', 'i', 'a');
SELECT algorithm, count(*) FROM session.key_ring WHERE purpose = 'many' GROUP BY 1 ORDER BY 1;

-- What is no public key for signatures is an error that names the argument and
-- does not show the key.
CREATE TEMP VIEW wrong AS
SELECT what, jwk::jsonb FROM (VALUES
    ('null', NULL), ('a number', '1'), ('a string', '"x"'), ('an array', '[{"kty": "OKP"}]'), ('no members', '{}'),
    ('no key', '{"keys": []}'), ('keys are no array', '{"keys": {}}'), ('keys are no array', '{"keys": "x"}'),
    ('no numbers', '{"kty": "EC", "crv": "P-256"}'), ('not on the curve', '{"kty": "EC", "crv": "P-256", "x": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "y": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}'),
    ('a curve that is not supported', '{"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA"}'),
    ('for encryption', '{"kty": "OKP", "crv": "Ed25519", "use": "enc", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}'),
    ('weak', '{"kty": "RSA", "n": "uCm5Yk3pOyPCUfM3OnLzxQ", "e": "AQAB"}'),
    ('private', '{"kty": "OKP", "crv": "Ed25519", "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}'),
    ('a secret', '{"kty": "oct", "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}'),
    ('a set with a private key', '{"keys": [{"kty": "OKP", "crv": "Ed25519", "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}'),
    ('a set with a secret', '{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}, {"kty": "oct", "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ"}]}'),
    ('a set without a usable key', '{"keys": [{"kty": "EC", "crv": "P-521"}, {"kty": "RSA", "use": "enc"}]}')) AS t (what, jwk)
UNION ALL SELECT 'a large key', jsonb_build_object('kty', 'OKP', 'crv', 'Ed25519', 'x', repeat('A', 10 * 1024 * 1024))
UNION ALL SELECT 'many keys', jsonb_build_object('keys', (SELECT jsonb_agg(n) FROM generate_series(1, 101) AS n));
SELECT what, pg_temp.error_of(format('session_key_import_jwk(%L::jsonb, ''wrong'')', jwk)) AS error FROM wrong;
\set VERBOSITY default
SELECT session_key_import_jwk('{"kty": "oct", "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}', 'wrong');
SELECT session_key_import_jwk('{"keys": [{"kty": "EC", "crv": "P-521"}, {"kty": "RSA", "use": "enc"}]}', 'wrong');

-- RSA keys have 2048 to 8192 bits. The token was signed with a key of 8192.
CREATE FUNCTION pg_temp.modulus(first text, bytes int) RETURNS jsonb
LANGUAGE sql AS $$
    SELECT jsonb_build_object('kty', 'RSA', 'e', 'AQAB', 'n',
                              rtrim(translate(encode(decode(first || repeat('ff', bytes - 1), 'hex'), 'base64'), E'+/\n', '-_'), '='))
$$;
SELECT session_key_import_jwk(pg_temp.modulus('7f', 256), 'large');
SELECT session_key_import_jwk(pg_temp.modulus('01', 1025), 'large');
SELECT session_key_import_jwk(pg_temp.modulus('ff', 1025), 'large');
SELECT count(kid) AS keys FROM unnest(ARRAY[pg_temp.modulus('80', 256), pg_temp.modulus('ff', 1024)]) AS jwk, session_key_import_jwk(jwk, 'large', 'sizes', 'shop') AS kid;
\i :here/sql/include/large_token.sql
SELECT count(kid) AS keys FROM session_key_import_jwk(jsonb_build_object('kty', 'RSA', 'kid', 'big', 'n', :'large_n', 'e', 'AQAB'), 'large', 'big', 'shop') AS kid;
SELECT pg_temp.sub(:'large_token', 'large') AS sub, pg_temp.sub(overlay(:'large_token' PLACING 'AAAA' FROM 1000), 'large') AS changed;
\set VERBOSITY sqlstate
SELECT call, pg_temp.error_of(format(call, :'other')) AS error
  FROM unnest(ARRAY[
    $$session_key_import_jwk(%L, NULL)$$,
    $$session_key_import_jwk(%L, '')$$,
    $$session_key_import_jwk(%L, 'a b')$$,
    $$session_key_import_jwk(%L, repeat('p', 129))$$,
    $$session_key_import_jwk(%L, 'seal')$$,
    $$session_key_import_jwk(%L, 'bound')$$,
    $$session_key_import_jwk(%L, 'wrong', '')$$,
    $$session_key_import_jwk(%L, 'wrong', repeat('i', 1025))$$,
    $$session_key_import_jwk(%L, 'wrong', 'i', '')$$,
    $$session_key_import_jwk(%L, 'wrong', 'i', repeat('a', 1025))$$]) AS call;
SELECT count(*) AS keys FROM session.keys WHERE purpose IN ('wrong', 'seal', 'bound');

-- A session of an issuer: with the strategy stateless, its tokens are sessions
-- if the purpose is the name of the cookie.
SET session.strategy = 'stateless';
SET session.cookie_name = 'id_token';
SELECT count(*) AS keys FROM session_key_import_jwk(:'idp', 'id_token', 'https://id.example.com', 'shop');
SELECT count(session_key_retire(kid)) AS retired FROM session.key_ring WHERE purpose = 'idp' AND algorithm <> 'ES256' OR kid = (SELECT kid FROM session.key_ring WHERE purpose = 'idp' ORDER BY activated_at DESC LIMIT 1);
CREATE FUNCTION pg_temp.request(token text) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('request.cookies', jsonb_build_object('id_token', token)::text, true), set_config('request.headers', '{}', true);
    PERFORM session_pre_request();
    RETURN session_user_id();
END
$$;
SELECT claims, pg_temp.request(pg_temp.token('idp', claims)) AS user_id
  FROM unnest(ARRAY['{"sub": "ada", "iss": "https://id.example.com", "aud": "shop"}', '{"sub": "eve", "iss": "https://id.example.com", "aud": "desk"}',
                    '{"sub": "eve", "iss": "https://evil.example.com", "aud": "shop"}', '{"sub": ["eve"], "iss": "https://id.example.com", "aud": "shop"}']::jsonb[]) AS claims;
SELECT pg_temp.request(pg_temp.token('idp', '{"sub": "ada", "iss": "https://id.example.com", "aud": "shop"}')) AS user_id, session_claims() ->> 'iss' AS iss, session_is_valid('x') AS valid;
RESET session.cookie_name;
SELECT pg_temp.request(pg_temp.token('idp', '{"sub": "eve", "iss": "https://id.example.com", "aud": "shop"}')) AS another_name;

DROP EXTENSION session;
