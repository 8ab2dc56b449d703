-- Sessions of API clients that are bound to a key with DPoP (RFC 9449).
CREATE EXTENSION session;
\getenv here PG_ABS_SRCDIR
\i :here/sql/include/helpers.sql
\i :here/sql/include/proofs.sql
SET session.log_events = 'bound, unbound, created';

-- The thumbprint of a key, and a proof of it.
CREATE FUNCTION pg_temp.jkt(key text) RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.base64url(sha256(convert_to(CASE jwk ->> 'kty' WHEN 'EC' THEN format('{"crv":"P-256","kty":"EC","x":"%s","y":"%s"}', jwk ->> 'x', jwk ->> 'y')
                                               ELSE format('{"e":"%s","kty":"RSA","n":"%s"}', jwk ->> 'e', jwk ->> 'n') END, 'UTF8')))
      FROM proof_keys WHERE name = key
$$;
CREATE FUNCTION pg_temp.proof(token text DEFAULT NULL, method text DEFAULT 'GET', url text DEFAULT 'https://api.example.com/todos', key text DEFAULT 'one',
                              header jsonb DEFAULT '{}', payload jsonb DEFAULT '{}', age int DEFAULT 0) RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.signed(key, jsonb_build_object('typ', 'dpop+jwt', 'alg', CASE key WHEN 'rsa' THEN 'RS256' ELSE 'ES256' END, 'jwk', jwk) || header,
                          jsonb_strip_nulls(jsonb_build_object('jti', gen_random_uuid(), 'htm', method, 'htu', url, 'iat', floor(extract(epoch FROM clock_timestamp()))::bigint - age,
                                                               'ath', pg_temp.base64url(sha256(token::bytea))) || payload)::text)
      FROM proof_keys WHERE name = key
$$;
-- The status that a token has beside a proof, for a request.
CREATE FUNCTION pg_temp.status(token text, proof text, method text DEFAULT 'GET', url text DEFAULT 'https://api.example.com/todos') RETURNS text LANGUAGE sql AS $$
    SELECT session_status(token, proof => proof, method => method, url => url)
$$;

-- A session can be bound when it is created, and at a login.
SELECT id, token FROM session_create('alice', '{"theme": "dark"}', jkt => pg_temp.jkt('one')) \gset
SELECT bound_by, bound_thumbprint = sha256(pg_temp.jkt('one')::bytea) AS hashed_twice, pg_temp.base64url(bound_thumbprint) = pg_temp.jkt('one') AS same, bound_key, bound_at FROM session.sessions WHERE id = :'id';
SELECT id AS logged_in, token AS login_token FROM session_login(NULL, 'bob', jkt => pg_temp.jkt('two')) \gset
SELECT bound_by, pg_temp.base64url(bound_thumbprint) = pg_temp.jkt('two') AS same FROM session.sessions WHERE id = :'logged_in';
SELECT kind, user_id, detail FROM session.events WHERE kind = 'bound' ORDER BY id;
SELECT pg_temp.error_of(format('session_create(jkt => %L)', jkt)) FROM unnest(ARRAY['', 'x', repeat('A', 42), repeat('A', 44), repeat('=', 43), repeat('A', 42) || 'B', repeat('x', 100000)]) AS jkt;
SELECT pg_temp.error_of('session_login(NULL, ''x'', jkt => ''x'')');

-- Then its token needs a proof of the key.
SELECT session_status(:'token') AS alone, pg_temp.status(:'token', pg_temp.proof(:'token')) AS together;
SELECT bound, user_id FROM session_validate(:'token', proof => pg_temp.proof(:'token'), method => 'GET', url => 'https://api.example.com/todos');
SELECT count(*) AS rows FROM session_validate(:'token');
BEGIN;
SELECT session_authenticate(:'token');
SELECT session_user_id();
SELECT session_authenticate(:'token', proof => pg_temp.proof(:'token'), method => 'GET', url => 'https://api.example.com/todos');
SELECT session_user_id();
-- The transaction has the proof from then on, and functions need no other.
SELECT session_data(:'token'), session_data_set(:'token', 'a', '1'), session_is_valid(:'token'), session_touch(:'token');
ROLLBACK;
SELECT session_data(:'token'), session_data_set(:'token', 'a', '1'), session_is_valid(:'token'), session_touch(:'token');
-- A JWT about the session says which key its client has.
SELECT session_key_rotate('jwt') IS NOT NULL AS rotated;
BEGIN;
SELECT session_authenticate(:'token', proof => pg_temp.proof(:'token'), method => 'GET', url => 'https://api.example.com/todos');
SELECT (payload ->> 'cnf')::jsonb = jsonb_build_object('jkt', pg_temp.jkt('one')) AS same_key, payload ? 'sub' AS has_user
  FROM session_jwt(:'token') AS jwt, LATERAL (SELECT convert_from(decode(translate(rpad(split_part(jwt, '.', 2), (length(split_part(jwt, '.', 2)) + 3) / 4 * 4, '='), '-_', '+/'), 'base64'), 'UTF8')::jsonb) AS t(payload);
COMMIT;
SELECT session_jwt(:'token');
-- The transaction that has created a session needs no proof either.
BEGIN;
SELECT token AS fresh FROM session_create('carol', jkt => pg_temp.jkt('one')) \gset
SELECT session_data_set(:'fresh', 'a', '1');
COMMIT;
SELECT session_data_set(:'fresh', 'a', '2');

-- A proof is accepted once, also if its transaction rolls back.
SELECT pg_temp.proof(:'token') AS proof \gset
SELECT pg_temp.status(:'token', :'proof') AS asking_uses_none, pg_temp.status(:'token', :'proof') AS again;
BEGIN READ ONLY;
SELECT session_authenticate(:'token', proof => :'proof', method => 'GET', url => 'https://api.example.com/todos') AS first;
ROLLBACK;
SELECT session_authenticate(:'token', proof => :'proof', method => 'GET', url => 'https://api.example.com/todos') AS again, pg_temp.status(:'token', :'proof') AS status;

-- It is for one request.
CREATE TEMP TABLE attempts (n serial, what text, proof text, method text DEFAULT 'GET', url text DEFAULT 'https://api.example.com/todos');
INSERT INTO attempts (what, proof) VALUES
    ('empty', ''), ('garbage', 'garbage'), ('10 MB', repeat('x', 10000000)), ('two proofs', pg_temp.proof(:'token') || ', ' || pg_temp.proof(:'token')),
    ('another key', pg_temp.proof(:'token', key => 'two')), ('another kind of key', pg_temp.proof(:'token', key => 'rsa')),
    ('key of another', pg_temp.proof(:'token', key => 'two', header => (SELECT jsonb_build_object('jwk', jwk) FROM proof_keys WHERE name = 'one'))),
    ('no key', pg_temp.proof(:'token', header => '{"jwk": null}')), ('kid for a key', pg_temp.proof(:'token', header => '{"jwk": null, "kid": "x"}')),
    ('private key', pg_temp.proof(:'token', header => (SELECT jsonb_build_object('jwk', jwk || '{"d": "AA"}') FROM proof_keys WHERE name = 'one'))),
    ('typ JWT', pg_temp.proof(:'token', header => '{"typ": "JWT"}')), ('typ of a browser', pg_temp.proof(:'token', header => '{"typ": "dbsc+jwt"}')),
    ('alg none', pg_temp.proof(:'token', header => '{"alg": "none"}')), ('alg HS256', pg_temp.proof(:'token', header => '{"alg": "HS256"}')), ('alg of another', pg_temp.proof(:'token', header => '{"alg": "EdDSA"}')),
    ('crit', pg_temp.proof(:'token', header => '{"crit": ["exp"]}')),
    ('cut', left(pg_temp.proof(:'token'), -1)), ('no signature', regexp_replace(pg_temp.proof(:'token'), '[^.]*$', '')),
    ('no jti', pg_temp.proof(:'token', payload => '{"jti": null}')), ('jti number', pg_temp.proof(:'token', payload => '{"jti": 1}')), ('jti empty', pg_temp.proof(:'token', payload => '{"jti": ""}')),
    ('jti long', pg_temp.proof(:'token', payload => jsonb_build_object('jti', repeat('x', 257)))), ('jti not ASCII', pg_temp.proof(:'token', payload => '{"jti": "ü"}')),
    ('no htm', pg_temp.proof(:'token', payload => '{"htm": null}')), ('another method', pg_temp.proof(:'token', 'POST')), ('method in lower case', pg_temp.proof(:'token', 'get')),
    ('no htu', pg_temp.proof(:'token', payload => '{"htu": null}')), ('another path', pg_temp.proof(:'token', url => 'https://api.example.com/Todos')), ('another host', pg_temp.proof(:'token', url => 'https://api.example.org/todos')),
    ('http', pg_temp.proof(:'token', url => 'http://api.example.com/todos')), ('another port', pg_temp.proof(:'token', url => 'https://api.example.com:8443/todos')), ('relative', pg_temp.proof(:'token', url => '/todos')),
    ('no iat', pg_temp.proof(:'token', payload => '{"iat": null}')), ('iat text', pg_temp.proof(:'token', payload => '{"iat": "1"}')), ('too old', pg_temp.proof(:'token', age => 62)), ('from the future', pg_temp.proof(:'token', age => -10)),
    ('no ath', pg_temp.proof()), ('ath of another', pg_temp.proof(:'login_token')), ('ath number', pg_temp.proof(:'token', payload => '{"ath": 1}'));
SELECT what, pg_temp.status(:'token', proof, method, url) FROM attempts WHERE pg_temp.status(:'token', proof, method, url) <> 'unbound';
SELECT count(*) FROM attempts, session_validate(:'token', proof => proof, method => method, url => url);

-- Spellings of one URL are the same, and the query does not count.
SELECT htu, url, pg_temp.status(:'token', pg_temp.proof(:'token', url => htu), url => url) AS status
  FROM (VALUES ('https://API.example.com/todos', 'https://api.example.com/todos'), ('HTTPS://api.example.com:443/todos', 'https://api.example.com/todos?a=1#b'),
               ('https://api.example.com/%74odos', 'https://api.example.com/a/../todos'), ('https://api.example.com', 'https://api.example.com/'),
               ('https://api.example.com/x%2fy', 'https://api.example.com/x%2Fy'), ('https://api.example.com/x%2fy', 'https://api.example.com/x/y')) AS v (htu, url);
SELECT pg_temp.status(:'token', pg_temp.proof(:'token', payload => jsonb_build_object('jti', repeat('x', 256), 'iat', floor(extract(epoch FROM clock_timestamp())) + 0.5))) AS longest_jti;

-- RSA keys are as good.
SELECT token AS rsa_token FROM session_create('alice', jkt => pg_temp.jkt('rsa')) \gset
SELECT pg_temp.status(:'rsa_token', pg_temp.proof(:'rsa_token', key => 'rsa')) AS status;

-- The application says what the request is.
SELECT pg_temp.error_of(format('session_authenticate(%L, proof => ''x'')', :'token'));
SELECT pg_temp.error_of(format('session_authenticate(%L, proof => ''x'', method => ''GET'')', :'token'));
SELECT pg_temp.error_of(format('session_authenticate(%L, proof => ''x'', method => ''GET'', url => ''/todos'')', :'token'));
SELECT session_authenticate(NULL, proof => 'x', method => '', url => 'https://');
-- A session that is not bound needs no proof, and none is looked at.
SELECT token AS plain FROM session_create('dave') \gset
SELECT pg_temp.status(:'plain', 'garbage') AS status;

-- A session can be bound later, once.
SELECT session_bind_key(:'plain', proof, 'POST', 'https://api.example.com/bind') FROM unnest(ARRAY[NULL, '', 'garbage', pg_temp.proof(key => 'two'), pg_temp.proof(:'token', 'POST', 'https://api.example.com/bind')]) AS proof;
SELECT session_bind_key(token, pg_temp.proof(NULL, 'POST', 'https://api.example.com/bind'), 'POST', 'https://api.example.com/bind') FROM unnest(ARRAY[NULL, '', 'st_x', 'st_' || repeat('A', 64)]) AS token;
SELECT pg_temp.proof(:'plain', 'POST', 'https://api.example.com/bind', 'two') AS binding \gset
SELECT session_bind_key(:'plain', :'binding', 'POST', 'https://api.example.com/bind') AS bound;
SELECT session_status(:'plain') AS alone, pg_temp.status(:'plain', pg_temp.proof(:'plain', key => 'one')) AS other_key, pg_temp.status(:'plain', pg_temp.proof(:'plain', key => 'two')) AS its_key;
SELECT session_bind_key(:'plain', pg_temp.proof(NULL, 'POST', 'https://api.example.com/bind'), 'POST', 'https://api.example.com/bind') AS again;
SELECT token AS other FROM session_create('dave') \gset
SELECT session_bind_key(:'other', :'binding', 'POST', 'https://api.example.com/bind') AS same_proof;
SELECT pg_temp.error_of(format('session_bind_key(%L, ''x'', NULL, ''https://x/'')', :'other'));
BEGIN READ ONLY;
SELECT pg_temp.error_of(format('session_bind_key(%L, ''x'', ''GET'', ''https://x/'')', :'other'));
ROLLBACK;

-- Its key stays when it is regenerated.  A login binds it to the key that the call names, or to none.
BEGIN;
SELECT session_authenticate(:'token', proof => pg_temp.proof(:'token'), method => 'GET', url => 'https://api.example.com/todos');
SELECT token AS second FROM session_regenerate(:'token') \gset
COMMIT;
SELECT session_status(:'token') AS old, session_status(:'second') AS alone, pg_temp.status(:'second', pg_temp.proof(:'second')) AS together;
SELECT count(*) AS rows FROM session_regenerate(:'second');
BEGIN;
SELECT session_authenticate(:'second', proof => pg_temp.proof(:'second'), method => 'GET', url => 'https://api.example.com/todos');
SELECT id = :'id' AS same, token AS third FROM session_login(:'second', 'alice') \gset
COMMIT;
SELECT session_status(:'third') AS status;

-- A refresh token needs a proof too, which may be one for no token.
SELECT id AS family, refresh_token AS refresh FROM session_create('erin', refreshable => true, jkt => pg_temp.jkt('one')) \gset
SELECT count(*) AS rows FROM session_refresh(:'refresh');
SELECT count(*) AS rows FROM session_refresh(:'refresh', proof => pg_temp.proof(NULL, 'POST', key => 'two'), method => 'POST', url => 'https://api.example.com/todos');
SELECT token AS next FROM session_refresh(:'refresh', proof => pg_temp.proof(NULL, 'POST'), method => 'POST', url => 'https://api.example.com/todos') \gset
SELECT session_status(:'next') AS alone, pg_temp.status(:'next', pg_temp.proof(:'next')) AS together;
-- With a session token, the proof is for that token.
SELECT token AS plain FROM session_create('fay', jkt => pg_temp.jkt('one')) \gset
SELECT count(*) AS rows FROM session_refresh(:'plain', proof => pg_temp.proof(NULL, 'POST'), method => 'POST', url => 'https://api.example.com/todos');
SELECT count(*) AS rows FROM session_refresh(:'plain', proof => pg_temp.proof(:'plain', 'POST'), method => 'POST', url => 'https://api.example.com/todos');

-- Nonces: none is needed unless the setting says so.
SET session.dpop_nonce = on;
SELECT session_dpop_nonce() AS nonce \gset
SELECT length(:'nonce') AS length;
SELECT pg_temp.status(:'next', pg_temp.proof(:'next')) AS none, pg_temp.status(:'next', pg_temp.proof(:'next', payload => jsonb_build_object('nonce', :'nonce'))) AS with_it,
       pg_temp.status(:'next', pg_temp.proof(:'next', payload => '{"nonce": "x"}')) AS another, pg_temp.status(:'next', pg_temp.proof(:'next', payload => '{"nonce": 1}')) AS number;
RESET session.dpop_nonce;

-- Requests of a gateway.
CREATE FUNCTION pg_temp.asked(headers jsonb, method text DEFAULT 'GET', path text DEFAULT '/todos') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
BEGIN
    PERFORM set_config('request.cookies', '{}', true), set_config('request.headers', headers::text, true),
            set_config('request.method', method, true), set_config('request.path', path, true), set_config('response.headers', '', true);
    PERFORM session_pre_request();
    RETURN coalesce(session_user_id(), 'anonymous') || regexp_replace(current_setting('response.headers', true), '"[\w-]{54}"', '"(nonce)"');
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RETURN concat_ws(' ', sqlstate, sqlerrm, regexp_replace(detail, '"[\w-]{54}"', '"(nonce)"'));
END
$$;
CREATE FUNCTION pg_temp.dpop(token text, proof text, scheme text DEFAULT 'DPoP ') RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_strip_nulls(jsonb_build_object('authorization', scheme || token, 'dpop', proof))
$$;
SET session.on_invalid = 'reject';
SELECT pg_temp.asked(pg_temp.dpop(:'next', pg_temp.proof(:'next'))) AS without_public_url;
SET session.public_url = 'https://api.example.com/';
SELECT pg_temp.asked(pg_temp.dpop(:'next', pg_temp.proof(:'next')));
SELECT pg_temp.asked(pg_temp.dpop(:'next', pg_temp.proof(:'next', 'POST'))) AS method, pg_temp.asked(pg_temp.dpop(:'next', pg_temp.proof(:'next')), path => '/other') AS path;
-- No proof is for a request whose method or path is not known.
SELECT pg_temp.asked(pg_temp.dpop(:'next', pg_temp.proof(:'next', url => 'https://api.example.com')), path => '') AS without_path, pg_temp.asked(pg_temp.dpop(:'next', pg_temp.proof(:'next', '')), method => '') AS without_method;
SELECT pg_temp.asked(pg_temp.dpop(:'next', NULL));
SELECT pg_temp.asked(pg_temp.dpop(:'other', pg_temp.proof(:'other'))) AS not_bound;
SET session.token_header = 'authorization';
SELECT pg_temp.asked(pg_temp.dpop(:'next', pg_temp.proof(:'next'), 'Bearer ')) AS bearer, pg_temp.asked(pg_temp.dpop(:'other', NULL, 'Bearer ')) AS bearer_not_bound, pg_temp.asked(pg_temp.dpop(:'next', pg_temp.proof(:'next'), 'dpop ')) AS in_lower_case;
RESET session.token_header;
SELECT pg_temp.asked(jsonb_build_object('x-session-token', :'next', 'dpop', pg_temp.proof(:'next'))) AS without_scheme;
SET session.dpop_nonce = on;
SELECT pg_temp.asked(pg_temp.dpop(:'next', pg_temp.proof(:'next')));
SELECT pg_temp.asked(pg_temp.dpop(:'next', pg_temp.proof(:'next', payload => jsonb_build_object('nonce', :'nonce'))));
SET session.on_invalid = 'anonymous';
SELECT pg_temp.asked(pg_temp.dpop(:'next', pg_temp.proof(:'next')));
-- Without a key of nonces, a request is refused without one, and makes no key.
BEGIN;
SELECT bool_and(session_key_retire(kid)) AS retired FROM session.key_ring WHERE purpose = 'bound' AND retired_at IS NULL;
SET LOCAL session.on_invalid = 'reject';
SELECT pg_temp.asked(pg_temp.dpop(:'next', pg_temp.proof(:'next')));
SELECT count(*) AS keys FROM session.key_ring WHERE purpose = 'bound' AND retired_at IS NULL;
SET TRANSACTION READ ONLY;
SELECT pg_temp.asked(pg_temp.dpop('x', NULL));
ROLLBACK;
RESET session.dpop_nonce;
RESET session.on_invalid;
RESET session.public_url;
SELECT pg_temp.asked(jsonb_build_object('x-session-token', :'next', 'dpop', pg_temp.proof(:'next'))) AS without_public_url;
SET session.public_url = 'api.example.com';
SET session.public_url = 'https://';
SET session.public_url = 'https://api.example.com/?x';

-- All that was refused is evidence, and counted.
SELECT deleted FROM session_cleanup();
SELECT DISTINCT kind, detail ? 'count' AS counted FROM session.events WHERE kind = 'unbound' AND session_id = :'id';
SELECT checks_unbound > 0 AS unbound, proofs_replayed > 0 AS replayed, proofs_evicted FROM session.stats WHERE database = current_database();
DROP EXTENSION session;
