-- Checks that each credential is good or is not, as before the upgrade, and
-- that sessions go on. Prints one line a test: "ok - NAME" or "not ok - NAME",
-- and a line before it with what was found instead.
\i :held
\i :includes/proofs.sql
\set ECHO none
CREATE FUNCTION pg_temp.test(name text, found anyelement, expected anyelement) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT line FROM (VALUES (format('%s instead of %s', found, expected), found IS DISTINCT FROM expected),
                             (CASE WHEN found IS DISTINCT FROM expected THEN 'not ' ELSE '' END || 'ok - ' || name, true)) AS t(line, printed) WHERE printed
$$;
CREATE FUNCTION pg_temp.proof(token text, method text, url text) RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.signed(name, jsonb_build_object('typ', 'dpop+jwt', 'alg', 'ES256', 'jwk', jwk),
                          jsonb_build_object('jti', gen_random_uuid(), 'htm', method, 'htu', url, 'iat', floor(extract(epoch FROM clock_timestamp()))::bigint + 3,
                                             'ath', pg_temp.base64url(sha256(token::bytea)))::text)
      FROM proof_keys WHERE name = 'one'
$$;

SELECT pg_temp.test('the master key opens the keys', master_key, 'ok') FROM session.stats WHERE database = current_database();
SELECT pg_temp.test('each session has the status that it had', string_agg(name || ' ' || session_status(token, ip, user_agent), ', ' ORDER BY name),
                    'access active, acting active, bound unbound, derived active, foreign active, over revoked, plain active, revoked revoked, sealed active, sliding active, stolen active, support active, tenant active, visitor active')
  FROM (VALUES ('over', :'over', NULL, NULL), ('plain', :'plain', NULL, NULL), ('visitor', :'visitor', NULL, NULL), ('sliding', :'sliding', NULL, NULL), ('access', :'access', NULL, NULL),
        ('stolen', :'stolen', NULL, NULL), ('tenant', :'tenant', inet '192.0.2.9', 'Safari'), ('bound', :'bound', NULL, NULL), ('foreign', :'foreign', NULL, NULL), ('derived', :'derived', NULL, NULL),
        ('support', :'support', NULL, NULL), ('acting', :'acting', NULL, NULL), ('revoked', :'revoked', NULL, NULL), ('sealed', :'sealed', NULL, NULL)) AS t(name, token, ip, user_agent)
;
SELECT pg_temp.test('a policy binds a session to its subnet', session_status(:'tenant', '198.51.100.1', 'Safari'), 'binding');
SELECT pg_temp.test('a session that is bound to a key needs a proof of it', string_agg(user_id, ','), 'dora')
  FROM session_validate(:'bound', proof => pg_temp.proof(:'bound', 'GET', 'https://api.example.com/'), method => 'GET', url => 'https://api.example.com/');
SELECT pg_temp.test('data is read', session_data(:'plain') -> 'cart', '[1, 2]');
SELECT pg_temp.test('sealed data opens', session_data(:'sealed') ->> 'secret', 'of the row');
SELECT pg_temp.test('sealed data is not in the row', data::text LIKE '%of the row%', false) FROM session.sessions WHERE user_id = 'ivan';
SELECT pg_temp.test('a derived session has its scopes', scopes, '{todo:read}') FROM session_validate(:'derived');
SELECT pg_temp.test('an acting session has its actor', actor_id, 'support') FROM session_validate(:'acting');
SELECT pg_temp.test('cookies are verified', (session_cookie_decode(:'cookie') -> 'cart')::text || (session_cookie_decode(:'theirs', 'legacy') -> 'cart')::text, '12');
SELECT pg_temp.test('a JWT is verified', session_cookie_decode(:'jwt', 'jwt') ->> 'sub', 'alice');
SELECT pg_temp.test('the public keys are published as before', session_jwks('jwt')::text, :'jwks');
SELECT pg_temp.test('a cookie on the denylist is refused', session_cookie_decode(:'denied'), NULL);
BEGIN;
SET LOCAL session.strategy = 'stateless';
SELECT set_config('request.cookies', json_build_object('__Host-session', :'stateless')::text, true) AS sent \gset
SELECT session_pre_request() \g /dev/null
SELECT pg_temp.test('a stateless cookie is good', session_user_id(), 'sam');
COMMIT;
BEGIN;
SELECT FROM session_authenticate(:'plain');
SET LOCAL ROLE app;
SELECT pg_temp.test('row-level security knows the user', string_agg(note, ','), 'of alice') FROM notes;
COMMIT;

-- Sessions go on.
SELECT token AS access, refresh_token AS fresh FROM session_refresh(:'refresh') \gset
SELECT pg_temp.test('a session is refreshed', string_agg(user_id, ','), 'rita') FROM session_validate(:'access');
SELECT pg_temp.test('the refresh token that was just used gives the same pair again', refresh_token, :'fresh') FROM session_refresh(:'refresh');
SELECT 'v' || current_setting('server_version_num')::int / 10000 AS name \gset
SELECT token AS made FROM session_login(NULL, :'name', '{"n": 1}') \gset
SELECT pg_temp.test('a user logs in and writes data', session_data_set(:'made', 'n', '2') AND session_data(:'made') = '{"n": 2}', true);
SELECT token AS moved FROM session_regenerate(:'made') \gset
SELECT pg_temp.test('regenerating replaces the token', session_status(:'made') || ' ' || session_status(:'moved'), 'unknown active');
DELETE FROM users WHERE id = :'name';
SELECT pg_temp.test('a deleted user has no session', session_status(:'moved'), 'revoked');
SELECT count(*) AS taken FROM session_refresh(:'stale') \gset
SELECT pg_temp.test('an old refresh token reveals a theft', :taken || ' ' || session_status(:'stolen'), '0 revoked');
SELECT session_key_rotate('jwt', 'ES256') IS NOT NULL AS rotated \gset
SELECT pg_temp.test('a new key signs and the old ones verify', :'rotated' AND session_cookie_decode(session_jwt(:'plain'), 'jwt') IS NOT NULL AND session_cookie_decode(:'jwt', 'jwt') IS NOT NULL, true);
SELECT session_jwks('jwt') AS jwks \gset
UPDATE session.sessions SET purge_at = now() - interval '2 days', revoked_at = revoked_at - interval '30 days' WHERE id = (SELECT max(id::text)::uuid FROM session.sessions WHERE user_id = 'theo');
SELECT pg_temp.test('upkeep deletes what has ended', deleted > 0, true) FROM session_cleanup();
SELECT pg_temp.test('events are written', count(*) > 0, true) FROM session.events WHERE kind = 'created' AND user_id = :'name';

\setenv HELD :held
\o | cat >>"$HELD"
SELECT format('\set %s %L', name, value) FROM (VALUES ('access', :'access'), ('refresh', :'fresh'), ('jwks', :'jwks')) AS t(name, value);
\i :here/steal.sql
