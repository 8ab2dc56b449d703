-- Device Bound Session Credentials: offering, binding and renewing, with proofs
-- as a browser makes them.
CREATE EXTENSION session;
\getenv here PG_ABS_SRCDIR
\i :here/sql/include/helpers.sql
\i :here/sql/include/proofs.sql
SET session.log_events = 'bound, unbound, failures, revoked';
SET session.failure_threshold = 1000000;
-- What a session needs from the moment on when it is bound; see "grace" below.
SET session.dbsc_grace = 0;

-- A proof that answers an offer, or a challenge.  What is given replaces what a
-- browser would send; a JSON null leaves it out.
CREATE FUNCTION pg_temp.part(offer text, name text) RETURNS text LANGUAGE sql AS $$
    SELECT (regexp_match(offer, name || '="([^"]*)"'))[1]
$$;
CREATE FUNCTION pg_temp.registration(offer text, key text = 'one', header jsonb = '{}', payload jsonb = '{}') RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.signed(key, jsonb_strip_nulls(jsonb_build_object('alg', CASE key WHEN 'rsa' THEN 'RS256' ELSE 'ES256' END, 'jwk', jwk, 'typ', 'dbsc+jwt') || header),
                          jsonb_strip_nulls(jsonb_build_object('authorization', pg_temp.part(offer, 'authorization'), 'jti', pg_temp.part(offer, 'challenge')) || payload)::text)
      FROM proof_keys WHERE name = key
$$;
CREATE FUNCTION pg_temp.renewal(challenge text, key text = 'one', header jsonb = '{}', payload jsonb = '{}') RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.signed(key, jsonb_strip_nulls(jsonb_build_object('alg', CASE key WHEN 'rsa' THEN 'RS256' ELSE 'ES256' END, 'typ', 'dbsc+jwt') || header),
                          jsonb_strip_nulls(jsonb_build_object('jti', split_part(challenge, '"', 2)) || payload)::text)
$$;

-- The offer is a structured field.  Making one needs no key: the first is
-- generated.
SELECT count(*) AS keys FROM session.key_ring;
SELECT id, token FROM session_create('alice') \gset
SELECT session_dbsc_offer(:'token', '/reg') AS offer \gset
SELECT regexp_replace(:'offer', '"[\w-]{40,}"', '"..."', 'g') AS offer;
SELECT purpose, imported, signs FROM session.key_ring;
SELECT session_dbsc_offer(:'token', '/reg') <> :'offer' AS another, count(*) AS keys FROM session.key_ring;
SELECT session_dbsc_offer(token, '/reg') AS offer FROM unnest(ARRAY[NULL, '', 'x', 'st_' || repeat('A', 64)]) AS token;
SELECT path, pg_temp.error_of(format('session_dbsc_offer(%L, %L)', :'token', path)) AS error
  FROM unnest(ARRAY[NULL, '', 'reg', '//evil.example/', '/a b', '/a"b', '/a\b', E'/a\nb', '/ä', 'https://evil.example/', '/', '/a;b?c=d&e#f(g)', repeat('/x', 513)]) WITH ORDINALITY AS p (path, n)
 WHERE length(path) < 100 OR path IS NULL;
SELECT pg_temp.error_of(format('session_dbsc_offer(%L, %L)', :'token', repeat('/x', 513))) AS error;

-- A proof that is not exactly one that answers the offer binds nothing.
CREATE TEMP TABLE attempts (n int GENERATED ALWAYS AS IDENTITY, what text, proof text);
SELECT id AS other, token AS other_token FROM session_create('bob') \gset
SELECT session_dbsc_offer(:'other_token', '/reg') AS other_offer \gset
INSERT INTO attempts (what, proof) VALUES
    ('nothing', NULL), ('empty', ''), ('garbage', 'garbage'), ('a quote', '"'), ('two quotes', '""'), ('three parts', 'a.b.c'), ('10 MB', repeat('x', 10000000)), ('10 MB of parts', repeat('eyJ9.', 2000000)),
    ('another typ', pg_temp.registration(:'offer', header => '{"typ": "jwt"}')), ('typ of DPoP', pg_temp.registration(:'offer', header => '{"typ": "dpop+jwt"}')),
    ('no typ', pg_temp.registration(:'offer', header => '{"typ": null}')), ('typ in capitals', pg_temp.registration(:'offer', header => '{"typ": "DBSC+JWT"}')),
    ('another alg', pg_temp.registration(:'offer', header => '{"alg": "RS256"}')), ('alg none', pg_temp.registration(:'offer', header => '{"alg": "none"}')),
    ('alg HS256', pg_temp.registration(:'offer', header => '{"alg": "HS256"}')), ('alg not offered', pg_temp.registration(:'offer', header => '{"alg": "EdDSA", "jwk": {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}}')),
    ('no alg', pg_temp.registration(:'offer', header => '{"alg": null}')), ('no jwk', pg_temp.registration(:'offer', header => '{"jwk": null}')),
    ('jwk no object', pg_temp.registration(:'offer', header => '{"jwk": "x"}')), ('another jwk', pg_temp.registration(:'offer', header => (SELECT jsonb_build_object('jwk', jwk) FROM proof_keys WHERE name = 'two'))),
    ('private jwk', pg_temp.registration(:'offer', header => (SELECT jsonb_build_object('jwk', jwk || '{"d": "AAAA"}') FROM proof_keys WHERE name = 'one'))),
    ('point not on the curve', pg_temp.registration(:'offer', header => (SELECT jsonb_build_object('jwk', jwk || '{"y": "dmDA4af603LDsEc0vD8uHSrUHRPRj2JKiHVqAW9Bdxc"}') FROM proof_keys WHERE name = 'one'))),
    ('short RSA key', pg_temp.registration(:'offer', 'rsa', header => (SELECT jsonb_build_object('jwk', jwk || jsonb_build_object('n', right(jwk ->> 'n', 172))) FROM proof_keys WHERE name = 'rsa'))),
    ('crit', pg_temp.registration(:'offer', header => '{"crit": ["x"], "x": 1}')),
    ('no jti', pg_temp.registration(:'offer', payload => '{"jti": null}')), ('jti no string', pg_temp.registration(:'offer', payload => '{"jti": 1}')),
    ('jti cut', pg_temp.registration(:'offer', payload => jsonb_build_object('jti', left(pg_temp.part(:'offer', 'challenge'), -1)))),
    ('no authorization', pg_temp.registration(:'offer', payload => '{"authorization": null}')), ('another authorization', pg_temp.registration(:'offer', payload => jsonb_build_object('authorization', pg_temp.part(:'other_offer', 'authorization')))),
    ('challenge of another session', pg_temp.registration(:'offer', payload => jsonb_build_object('jti', pg_temp.part(:'other_offer', 'challenge')))),
    ('for another session', pg_temp.registration(:'other_offer')), ('payload no object', pg_temp.signed('one', '{"alg": "ES256", "typ": "dbsc+jwt"}', '[]')),
    ('signature cut', left(pg_temp.registration(:'offer'), -1)), ('no signature', regexp_replace(pg_temp.registration(:'offer'), '[^.]*$', '')),
    ('another signature', regexp_replace(pg_temp.registration(:'offer'), '[^.]*$', split_part(pg_temp.registration(:'other_offer'), '.', 3))),
    ('signature of zeroes', regexp_replace(pg_temp.registration(:'offer'), '[^.]*$', repeat('A', 86)));
SELECT what FROM attempts, session_dbsc_register(:'token', proof, '/refresh') ORDER BY n;
SELECT session_status(:'token') AS status, bound_by FROM session.sessions WHERE id = :'id';
SELECT count(*) AS rows FROM session_dbsc_register('st_' || repeat('A', 64), pg_temp.registration(:'offer'), '/refresh');
SELECT count(*) AS rows FROM session_dbsc_register(NULL, pg_temp.registration(:'offer'), '/refresh');
SELECT pg_temp.error_of(format('session_dbsc_register(%L, %L, %L)', :'token', 'x', path)) AS error FROM unnest(ARRAY[NULL, 'x', '//x']) AS path;

-- Neither does one that answers an offer from before the session got another
-- token.
SELECT session_dbsc_offer(token, '/reg') AS earlier_offer, token AS earlier_token FROM session_create('carol') \gset
SELECT token AS newer_token FROM session_regenerate(:'earlier_token') \gset
SELECT count(*) AS rows FROM session_dbsc_register(:'newer_token', pg_temp.registration(:'earlier_offer'), '/refresh');
SELECT count(*) AS rows FROM session_dbsc_register(:'newer_token', pg_temp.registration(session_dbsc_offer(:'newer_token', '/reg')), '/refresh');

-- A good proof binds the session.
SELECT pg_temp.registration(:'offer') AS proof \gset
BEGIN;
SELECT count(*) AS rows FROM session_dbsc_register(:'token', :'proof', '/refresh');
ROLLBACK;
SELECT instructions, bound_cookie, set_cookie, challenge FROM session_dbsc_register(:'token', :'proof', '/refresh') \gset
SELECT jsonb_pretty(replace(:'instructions', :'id', 'ID')::jsonb) AS instructions;
SELECT replace(:'set_cookie', :'bound_cookie', 'COOKIE') AS set_cookie, :'bound_cookie' ~ '^sb_[\w-]{112}$' AS form, regexp_replace(:'challenge', '^"[\w-]{54}";id="' || :'id' || '"$', 'matches') AS challenge;
SELECT bound_by, bound_key = (SELECT jwk FROM proof_keys WHERE name = 'one') AS same_key, answered_at < bound_at AND bound_at <= clock_timestamp() AS past,
       bound_thumbprint = sha256(convert_to(format('{"crv":"P-256","kty":"EC","x":"%s","y":"%s"}', bound_key ->> 'x', bound_key ->> 'y'), 'UTF8')) AS same_thumbprint
  FROM session.sessions WHERE id = :'id';
SELECT kind, user_id, detail FROM session.events WHERE kind = 'bound' AND session_id = :'id';

-- It is bound once, and not offered again.
SELECT count(*) AS rows FROM session_dbsc_register(:'token', :'proof', '/refresh');
SELECT count(*) AS rows FROM session_dbsc_register(:'token', pg_temp.registration(:'offer', 'two'), '/refresh');
SELECT session_dbsc_offer(:'token', '/reg') AS offer;

-- From then on, the token needs the bound cookie.
SELECT session_status(:'token') AS alone, session_status(:'token', bound_cookie => :'bound_cookie') AS together;
SELECT bound FROM session_validate(:'token', bound_cookie => :'bound_cookie');
SELECT session_is_valid(:'token') AS alone, session_is_valid(:'token', :'bound_cookie') AS together;
SELECT session_data_set(:'token', 'a', '1') AS alone, session_data_set(:'token', 'a', '1', :'bound_cookie') AS together;
SELECT session_data(:'token') AS alone, session_data(:'token', :'bound_cookie') AS together;
SELECT session_data_get(:'token', 'a') AS alone, session_data_get(:'token', 'a', :'bound_cookie') AS together;
SELECT session_data_merge(:'token', '{"b": 1}') AS alone, session_data_merge(:'token', '{"b": 1}', :'bound_cookie') AS together;
SELECT session_data_append(:'token', 'l', '1') AS alone, session_data_append(:'token', 'l', '1', :'bound_cookie') AS together;
SELECT session_data_replace(:'token', 'b', '1', '2') AS alone, session_data_replace(:'token', 'b', '1', '2', :'bound_cookie') AS together;
SELECT session_data_delete(:'token', 'b') AS alone, session_data_delete(:'token', 'b', :'bound_cookie') AS together;
SELECT session_data_pop(:'token', 'a') AS alone, session_data_pop(:'token', 'a', :'bound_cookie') AS together;
SELECT session_data_clear(:'token') AS alone, session_data_clear(:'token', :'bound_cookie') AS together;
SELECT session_data_save(:'token', '{"c": 1}') AS alone, session_data_save(:'token', '{"c": 1}', :'bound_cookie') AS together;
SELECT session_touch(:'token') AS alone, session_touch(:'token', :'bound_cookie') AS together;
SELECT (SELECT count(*) FROM session_refresh(:'token')) AS alone, (SELECT count(*) FROM session_refresh(:'token', bound_cookie => :'bound_cookie')) AS together;
SELECT count(session_key_rotate(purpose)) AS keys FROM unnest('{session,jwt}'::text[]) AS purpose;
SELECT session_jwt(:'token') IS NOT NULL AS alone, session_jwt(:'token', bound_cookie => :'bound_cookie') IS NOT NULL AS together;
BEGIN;
SELECT session_authenticate(:'token') AS alone;
SELECT session_authenticate(:'token', bound_cookie => :'bound_cookie') AS together;
SELECT session_user_id(), bound FROM session_mine();
COMMIT;

-- The cookie is of no use beside another token, changed, or over.
SELECT session_status(:'token', bound_cookie => overlay(:'bound_cookie' PLACING CASE substr(:'bound_cookie', n, 1) WHEN 'A' THEN 'B' ELSE 'A' END FROM n FOR 1)) AS status, count(*)
  FROM generate_series(1, 115) AS n GROUP BY 1;
SELECT session_dbsc_offer(token, '/reg') AS second_offer, token AS second_token, id AS second FROM session_create('alice') \gset
SELECT bound_cookie AS second_cookie, challenge AS second_challenge FROM session_dbsc_register(:'second_token', pg_temp.registration(:'second_offer'), '/refresh') \gset
SELECT session_status(:'second_token', bound_cookie => :'bound_cookie') AS first_cookie, session_status(:'second_token', bound_cookie => :'second_cookie') AS its_own;
SELECT session_status(token, bound_cookie => :'bound_cookie') AS not_bound FROM session_create('dave');
SELECT session_key_retire(kid) AS retired FROM session.key_ring WHERE purpose = 'bound';
SELECT session_status(:'token', bound_cookie => :'bound_cookie') AS status;

-- Without a proof, and with one that is not good, the browser gets a challenge.
SELECT instructions, bound_cookie, set_cookie, regexp_replace(challenge, '^"[\w-]{54}";id="' || :'id' || '"$', 'matches') AS challenge FROM session_dbsc_refresh(:'id', NULL, '/refresh');
SELECT challenge FROM session_dbsc_refresh('"' || :'id' || '"', '', '/refresh') \gset
SELECT challenge AS other_challenge FROM session_dbsc_refresh(:'second', NULL, '/refresh') \gset
TRUNCATE attempts RESTART IDENTITY;
INSERT INTO attempts (what, proof) VALUES
    ('garbage', 'garbage'), ('10 MB', repeat('x', 10000000)), ('a registration', :'proof'), ('another key', pg_temp.renewal(:'challenge', 'two')), ('another kind of key', pg_temp.renewal(:'challenge', 'rsa')),
    ('with its jwk', pg_temp.renewal(:'challenge', header => (SELECT jsonb_build_object('jwk', jwk) FROM proof_keys WHERE name = 'one'))),
    ('with another jwk', pg_temp.renewal(:'challenge', 'two', header => (SELECT jsonb_build_object('jwk', jwk) FROM proof_keys WHERE name = 'two'))),
    ('another typ', pg_temp.renewal(:'challenge', header => '{"typ": "dpop+jwt"}')), ('another alg', pg_temp.renewal(:'challenge', header => '{"alg": "RS256"}')),
    ('no jti', pg_temp.renewal(:'challenge', payload => '{"jti": null}')), ('jti of the offer', pg_temp.renewal(:'challenge', payload => jsonb_build_object('jti', pg_temp.part(:'offer', 'challenge')))),
    ('challenge of another session', pg_temp.renewal(:'other_challenge')), ('signature cut', left(pg_temp.renewal(:'challenge'), -1));
SELECT what, r.instructions, r.bound_cookie, r.challenge IS NOT NULL AS challenge FROM attempts, session_dbsc_refresh(:'id', proof, '/refresh') AS r ORDER BY n;
SELECT count(*) AS rows FROM unnest(ARRAY[NULL, '', 'x', '""', repeat('x', 10000000)]) AS id, session_dbsc_refresh(id, NULL, '/refresh');

-- A good proof renews the cookie, once, and also without quotes.
SELECT pg_temp.renewal(:'challenge') AS renewal \gset
SELECT instructions = :'instructions'::jsonb AS same_instructions, replace(set_cookie, bound_cookie, 'COOKIE') AS set_cookie, bound_cookie AS renewed, challenge AS next_challenge FROM session_dbsc_refresh(:'id', :'renewal', '/refresh') \gset
SELECT :'same_instructions' AS same_instructions, :'set_cookie' AS set_cookie, session_status(:'token', bound_cookie => :'renewed') AS status;
SELECT instructions, bound_cookie, challenge IS NOT NULL AS challenge FROM session_dbsc_refresh(:'id', :'renewal', '/refresh');
SELECT bound_cookie IS NOT NULL AS renewed FROM session_dbsc_refresh(:'id', pg_temp.renewal(:'next_challenge'), '/refresh');
-- So the challenges from before are over.
SELECT bound_cookie IS NOT NULL AS renewed FROM session_dbsc_refresh(:'id', pg_temp.renewal(:'challenge'), '/refresh');

-- After five minutes, a challenge is over.
SELECT challenge AS stale FROM session_dbsc_refresh(:'id', NULL, '/refresh') \gset
BEGIN;
UPDATE session.sessions SET answered_at = clock_timestamp() + interval '301 seconds' WHERE id = :'id';
SELECT bound_cookie IS NOT NULL AS renewed FROM session_dbsc_refresh(:'id', pg_temp.renewal(:'stale'), '/refresh');
-- If the clock was set back, the browser can go on.
SELECT challenge AS ahead FROM session_dbsc_refresh(:'id', NULL, '/refresh') \gset
SELECT bound_cookie IS NOT NULL AS renewed FROM session_dbsc_refresh(:'id', pg_temp.renewal(:'ahead'), '/refresh');
ROLLBACK;

-- A challenge can be made in a READ ONLY transaction, a proof accepted not.
BEGIN READ ONLY;
SELECT challenge IS NOT NULL AS challenge FROM session_dbsc_refresh(:'id', NULL, '/refresh');
SELECT session_status(:'token', bound_cookie => :'renewed') AS status, session_authenticate(:'token', bound_cookie => :'renewed') AS authenticated;
SELECT session_dbsc_refresh(:'id', 'x', '/refresh');
ROLLBACK;
BEGIN READ ONLY;
SELECT session_dbsc_register(:'token', 'x', '/refresh');
ROLLBACK;

-- When all keys are retired, no challenge can be made in a READ ONLY
-- transaction: that is an error, because a browser that gets neither a
-- challenge nor a cookie gives up the session.  The session is unbound, and no
-- other session is concerned.
BEGIN;
SELECT count(session_key_retire(kid)) > 0 AS retired FROM session.key_ring WHERE purpose = 'bound' AND retired_at IS NULL;
SET TRANSACTION READ ONLY;
SELECT session_status(:'token', bound_cookie => :'renewed') AS status, session_authenticate(:'token', bound_cookie => :'renewed') AS authenticated,
       (SELECT count(*) FROM session_validate(:'token', bound_cookie => :'renewed')) AS validated;
SELECT instructions ->> 'continue' AS continue, challenge FROM session_dbsc_refresh(gen_random_uuid()::text, NULL, '/refresh');
SELECT session_dbsc_refresh(:'id', NULL, '/refresh');
ROLLBACK;
BEGIN;
SELECT count(session_key_retire(kid)) > 0 AS retired FROM session.key_ring WHERE purpose = 'bound' AND retired_at IS NULL;
SELECT challenge IS NOT NULL AS challenge FROM session_dbsc_refresh(:'id', NULL, '/refresh');
SELECT count(*) AS active FROM session.key_ring WHERE purpose = 'bound' AND retired_at IS NULL;
ROLLBACK;

-- RS256 is offered too.  A proof may be in quotes, as in the draft.
SELECT session_dbsc_offer(token, '/reg') AS rsa_offer, token AS rsa_token, id AS rsa FROM session_create('erin') \gset
SELECT bound_cookie AS rsa_cookie, challenge AS rsa_challenge FROM session_dbsc_register(:'rsa_token', format('"%s"', pg_temp.registration(:'rsa_offer', 'rsa')), '/refresh') \gset
SELECT session_status(:'rsa_token', bound_cookie => :'rsa_cookie') AS status, bound_key ->> 'kty' AS kty FROM session.sessions WHERE id = :'rsa';
SELECT bound_cookie IS NOT NULL AS renewed FROM session_dbsc_refresh(:'rsa', format('"%s"', pg_temp.renewal(:'rsa_challenge', 'rsa')), '/refresh');

-- A session that gets new tokens by refresh tokens stays bound.
SELECT id AS long, token AS long_token, refresh_token AS long_refresh FROM session_create('frank', refreshable => true) \gset
SELECT bound_cookie AS long_cookie, challenge AS long_challenge FROM session_dbsc_register(:'long_token', pg_temp.registration(session_dbsc_offer(:'long_token', '/reg')), '/refresh') \gset
SELECT count(*) AS rows FROM session_refresh(:'long_refresh');
SELECT token AS long_next, refresh_token AS long_next_refresh FROM session_refresh(:'long_refresh', bound_cookie => :'long_cookie') \gset
SELECT session_status(:'long_next') AS alone, session_status(:'long_next', bound_cookie => :'long_cookie') AS together;
-- Its browser can renew the cookie while the session token is over.
UPDATE session.sessions SET expires_at = clock_timestamp() WHERE id = :'long';
SELECT session_status(:'long_next', bound_cookie => :'long_cookie') AS status;
SELECT bound_cookie IS NOT NULL AS renewed FROM session_dbsc_refresh(:'long', pg_temp.renewal(:'long_challenge'), '/refresh');
-- Reuse of an old refresh token ends it, with or without the cookie.
SET session.refresh_grace = 0;
SELECT count(*) AS rows FROM session_refresh(:'long_refresh');
SELECT revoked_reason FROM session.sessions WHERE id = :'long';
RESET session.refresh_grace;

-- A session that is regenerated stays bound to its key, unless the call says that
-- its user authenticated.  So a thief with both cookies cannot exchange them
-- for a session that is not bound.
SELECT count(*) AS rows FROM session_regenerate(:'second_token');
SELECT count(*) AS rows FROM session_regenerate(:'second_token', auth_level => 2);
SELECT challenge AS second_challenge, bound_cookie AS second_cookie FROM session_dbsc_refresh(:'second', pg_temp.renewal(:'other_challenge'), '/refresh') \gset
CREATE FUNCTION pg_temp.regenerated(arguments text, cookie text, token text, OUT alone text, OUT together text, OUT offered boolean, OUT new_token text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('SELECT r.token FROM session_regenerate($1, bound_cookie => $2 %s) AS r', ', ' || nullif(arguments, '')) INTO new_token USING token, cookie;
    alone := session_status(new_token);
    together := session_status(new_token, bound_cookie => cookie);
    offered := session_dbsc_offer(new_token, '/reg') IS NOT NULL;
END
$$;
CREATE TEMP TABLE regenerated (n int GENERATED ALWAYS AS IDENTITY, arguments text, alone text, together text, offered boolean, token text);
INSERT INTO regenerated (token) VALUES (:'second_token');
SELECT set_config('test.cookie', :'second_cookie', false) = :'second_cookie' AS set;
DO $$
DECLARE
    cookie text := current_setting('test.cookie');
    given text;
BEGIN
    FOREACH given IN ARRAY ARRAY['', 'user_id => ''alice''', 'role => ''editor''', 'tenant_id => ''acme''', 'lifetime => ''1 hour''', 'ip => ''192.0.2.1''', 'user_agent => ''x''', 'amr => ''{}''', 'auth_level => 0'] LOOP
        INSERT INTO regenerated (arguments, alone, together, offered, token)
        SELECT given, r.* FROM (SELECT token FROM regenerated ORDER BY n DESC LIMIT 1) AS t, pg_temp.regenerated(given, cookie, t.token) AS r;
    END LOOP;
END
$$;
SELECT arguments, alone, together, offered FROM regenerated WHERE n > 1 ORDER BY n;
SELECT token AS second_token FROM regenerated ORDER BY n DESC LIMIT 1 \gset
SELECT bound_by, bound_key = (SELECT jwk FROM proof_keys WHERE name = 'one') AS same_key FROM session.sessions WHERE id = :'second';
SELECT challenge AS second_challenge, bound_cookie AS second_cookie FROM session_dbsc_refresh(:'second', pg_temp.renewal(:'second_challenge'), '/refresh') \gset
SELECT session_status(:'second_token', bound_cookie => :'second_cookie') AS renewed;

-- After an authentication, as after a login that goes on with the session, it is
-- bound to no key: the browser is offered to bind it again.
BEGIN;
SELECT alone, together, offered FROM pg_temp.regenerated('auth_level => 0', :'second_cookie', :'second_token');
ROLLBACK;
BEGIN;
SELECT alone, together, offered FROM pg_temp.regenerated('amr => ''{pwd}''', :'second_cookie', :'second_token');
ROLLBACK;
SELECT token AS visitor_token FROM session_create() \gset
SELECT bound_cookie AS visitor_cookie FROM session_dbsc_register(:'visitor_token', pg_temp.registration(session_dbsc_offer(:'visitor_token', '/reg')), '/refresh') \gset
SELECT alone, together, offered FROM pg_temp.regenerated('user_id => ''mary''', :'visitor_cookie', :'visitor_token');
SELECT token AS second_token FROM session_regenerate(:'second_token', auth_level => 2, bound_cookie => :'second_cookie') \gset
SELECT session_status(:'second_token') AS status, bound_by, bound_key, bound_thumbprint, bound_at, answered_at FROM session.sessions WHERE id = :'second';
SELECT instructions - 'session_identifier' AS instructions, challenge FROM session_dbsc_refresh(:'second', pg_temp.renewal(:'second_challenge'), '/refresh');
SELECT bound_cookie AS second_cookie FROM session_dbsc_register(:'second_token', pg_temp.registration(session_dbsc_offer(:'second_token', '/reg'), 'two'), '/refresh') \gset
SELECT session_status(:'second_token', bound_cookie => :'second_cookie') AS status;
SELECT id = :'second' AS same, token AS second_token FROM session_login(:'second_token', 'alice', tenant_id => 'acme', bound_cookie => :'second_cookie') \gset
SELECT :'same' AS same, session_status(:'second_token') AS status, bound_by FROM session.sessions WHERE id = :'second';

-- A snapshot needs the cookie too.
SELECT session_cookie_issue(:'token') AS alone;
SELECT bound_cookie FROM session_dbsc_refresh(:'id', pg_temp.renewal(:'stale'), '/refresh') \gset
SELECT session_cookie_issue(:'token', bound_cookie => :'bound_cookie') AS snapshot \gset
-- For a while after the binding, the row decides, because earlier snapshots may
-- exist.  A session that was never changed has no such.
SELECT gen_random_uuid() AS copy \gset
INSERT INTO session.sessions SELECT (jsonb_populate_record(s, jsonb_build_object('id', :'copy', 'token_hash', sha256(decode(repeat('01', 32), 'hex'))))).* FROM session.sessions AS s WHERE id = :'id';
SELECT pg_temp.token_of(uuid_send(:'copy') || decode(repeat('01', 32), 'hex')) AS copy_token, challenge FROM session_dbsc_refresh(:'copy', NULL, '/refresh') \gset
SELECT bound_cookie AS copy_cookie FROM session_dbsc_refresh(:'copy', pg_temp.renewal(:'challenge'), '/refresh') \gset
SELECT session_cookie_issue(:'copy_token', bound_cookie => :'copy_cookie') AS copy_snapshot \gset
SELECT (SELECT source FROM session_cookie_validate(:'copy_snapshot', bound_cookie => :'copy_cookie')) AS together, (SELECT source FROM session_cookie_validate(:'copy_snapshot')) AS alone,
       (SELECT source FROM session_cookie_validate(:'copy_snapshot', token => :'copy_token')) AS with_token, (SELECT source FROM session_cookie_validate(:'copy_snapshot', token => :'copy_token', bound_cookie => :'copy_cookie')) AS with_both,
       (SELECT source FROM session_cookie_validate(:'copy_snapshot', token => :'copy_token', bound_cookie => :'second_cookie')) AS with_another;

-- So does a request, by every strategy, also READ ONLY.
CREATE FUNCTION pg_temp.asked(cookies jsonb, headers jsonb = '{}') RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('request.cookies', cookies::text, true), set_config('request.headers', headers::text, true), set_config('response.headers', '', true);
    PERFORM session_pre_request();
    RETURN coalesce(session_user_id(), 'anonymous') || CASE WHEN current_setting('response.headers', true) LIKE '%-cache=%' THEN ' and a snapshot' ELSE '' END;
EXCEPTION WHEN OTHERS THEN
    RETURN sqlstate || ' ' || sqlerrm;
END
$$;
CREATE TEMP TABLE jars (n int, what text, cookies jsonb, headers jsonb DEFAULT '{}');
INSERT INTO jars VALUES (1, 'both', jsonb_build_object('__Host-session', :'token', '__Host-session-bound', :'bound_cookie')), (2, 'the token', jsonb_build_object('__Host-session', :'token')),
    (3, 'another cookie', jsonb_build_object('__Host-session', :'token', '__Host-session-bound', :'second_cookie')), (4, 'a number', jsonb_build_object('__Host-session', :'token', '__Host-session-bound', 1)),
    (5, 'snapshot, both', jsonb_build_object('__Host-session', :'copy_token', '__Host-session-bound', :'copy_cookie', '__Host-session-cache', :'copy_snapshot')),
    (6, 'snapshot, the token', jsonb_build_object('__Host-session', :'copy_token', '__Host-session-cache', :'copy_snapshot'));
INSERT INTO jars VALUES (7, 'a header', NULL, jsonb_build_object('cookie', '__Host-session=' || :'token' || '; __Host-session-bound=' || :'bound_cookie')),
    (8, 'renewing', jsonb_build_object('__Host-session', :'token'), jsonb_build_object('sec-secure-session-id', '"' || :'id' || '"'));
BEGIN READ ONLY;
SELECT what, pg_temp.asked(cookies, headers) AS database FROM jars ORDER BY n;
SET LOCAL session.strategy = 'cookie_cache';
SELECT what, pg_temp.asked(cookies, headers) AS cookie_cache FROM jars ORDER BY n;
SET LOCAL session.on_invalid = 'reject';
SELECT what, pg_temp.asked(cookies, headers) AS cookie_cache FROM jars ORDER BY n;
COMMIT;
SELECT checks_unbound > 0 AS counted FROM session.stats WHERE database = current_database();

-- The grace: requests that the browser sent before it had the bound cookie
-- arrive after the session was bound.  For a while the token alone is good, as it
-- was before, by each strategy and READ ONLY.
SET session.dbsc_grace = '1min';
SELECT id AS lately, token AS lately_token, refresh_token AS lately_refresh FROM session_create('henry', refreshable => true) \gset
SELECT session_cookie_issue(:'lately_token') AS lately_snapshot \gset
SELECT bound_cookie AS lately_cookie, challenge AS lately_challenge FROM session_dbsc_register(:'lately_token', pg_temp.registration(session_dbsc_offer(:'lately_token', '/reg')), '/refresh') \gset
CREATE TEMP TABLE in_flight (n int, what text, cookies jsonb);
INSERT INTO in_flight VALUES (1, 'the token', jsonb_build_object('__Host-session', :'lately_token')), (2, 'a snapshot', jsonb_build_object('__Host-session', :'lately_token', '__Host-session-cache', :'lately_snapshot')),
    (3, 'the cookie of another', jsonb_build_object('__Host-session', :'lately_token', '__Host-session-bound', :'bound_cookie')), (4, 'with its cookie', jsonb_build_object('__Host-session', :'lately_token', '__Host-session-bound', :'lately_cookie'));
CREATE FUNCTION pg_temp.seen(strategy text, OUT what text, OUT answer text) RETURNS SETOF record LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('session.strategy', strategy, true);
    RETURN QUERY SELECT f.what, pg_temp.asked(cookies) FROM in_flight AS f ORDER BY n;
END
$$;
BEGIN READ ONLY;
SELECT d.what, d.answer AS database, c.answer AS cookie_cache FROM pg_temp.seen('database') AS d JOIN pg_temp.seen('cookie_cache') AS c USING (what) ORDER BY what;
SELECT session_status(:'lately_token') AS status, (SELECT user_id FROM session_validate(:'lately_token')) AS validated, session_authenticate(:'lately_token') AS authenticated, session_data(:'lately_token') AS data;
COMMIT;
SELECT count(*) AS derived_without FROM session_derive(:'lately_token', NULL);
SET session.act_as_function = 'public.may_act';
CREATE FUNCTION may_act(i session_info, user_id text, tenant_id text, reason text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
SELECT count(*) AS acting_without FROM session_act_as(:'lately_token', 'alice', 'asked');
SELECT count(*) AS acting_with FROM session_act_as(:'lately_token', 'alice', 'asked', bound_cookie => :'lately_cookie');
RESET session.act_as_function;
DROP FUNCTION may_act;
SELECT count(*) AS derived_with FROM session_derive(:'lately_token', NULL, bound_cookie => :'lately_cookie');
SELECT session_data_set(:'lately_token', 'k', '1') AS set, session_touch(:'lately_token') AS touched, (SELECT user_id FROM session_cookie_validate(:'lately_snapshot', token => :'lately_token')) AS snapshot;
SELECT deleted FROM session_cleanup();
SELECT count(*) AS evidence FROM session.events WHERE kind = 'unbound' AND session_id = :'lately';
-- It is bound once, and what the token alone gets in that time is bound, too.
SELECT session_dbsc_offer(:'lately_token', '/reg') AS offer, (SELECT count(*) FROM session_dbsc_register(:'lately_token', pg_temp.registration(:'offer'), '/refresh')) AS rows;
SELECT token AS lately_token FROM session_refresh(:'lately_refresh') \gset
SELECT token AS lately_token FROM session_regenerate(:'lately_token', lifetime => '1 hour') \gset
SELECT session_cookie_issue(:'lately_token') AS lately_snapshot \gset
SELECT session_status(:'lately_token') AS status, bound_by FROM session.sessions WHERE id = :'lately';
UPDATE in_flight SET cookies = cookies || jsonb_build_object('__Host-session', :'lately_token') || CASE WHEN what ~ 'snapshot' THEN jsonb_build_object('__Host-session-cache', :'lately_snapshot') ELSE '{}' END;
-- The time counts from the binding.  No renewal starts it again.
UPDATE session.sessions SET bound_at = clock_timestamp() - interval '61 seconds' WHERE id = :'lately';
BEGIN READ ONLY;
SELECT d.what, d.answer AS database, c.answer AS cookie_cache FROM pg_temp.seen('database') AS d JOIN pg_temp.seen('cookie_cache') AS c USING (what) ORDER BY what;
COMMIT;
SELECT bound_cookie AS lately_cookie FROM session_dbsc_refresh(:'lately', pg_temp.renewal(:'lately_challenge'), '/refresh') \gset
SELECT session_status(:'lately_token') AS alone, session_status(:'lately_token', bound_cookie => :'lately_cookie') AS together, bound_at < clock_timestamp() - interval '61 seconds' AS same_time FROM session.sessions WHERE id = :'lately';
SELECT deleted FROM session_cleanup();
SELECT count(*) AS evidence FROM session.events WHERE kind = 'unbound' AND session_id = :'lately';
-- A clock that is a little ahead does not matter; one that was set back does.
UPDATE session.sessions SET bound_at = clock_timestamp() + interval '30 seconds' WHERE id = :'lately';
SELECT session_status(:'lately_token') AS ahead;
UPDATE session.sessions SET bound_at = clock_timestamp() + interval '1 hour' WHERE id = :'lately';
SELECT session_status(:'lately_token') AS set_back;
-- A session that is unbound and bound again has another grace.
SELECT token AS lately_token FROM session_regenerate(:'lately_token', auth_level => 1, bound_cookie => :'lately_cookie') \gset
SELECT bound_cookie AS lately_cookie FROM session_dbsc_register(:'lately_token', pg_temp.registration(session_dbsc_offer(:'lately_token', '/reg')), '/refresh') \gset
SELECT session_status(:'lately_token') AS alone;
SET session.dbsc_grace = 0;
SELECT session_status(:'lately_token') AS alone, session_status(:'lately_token', bound_cookie => :'lately_cookie') AS together;

-- What ends a session ends its binding, and the browser forgets it.
SELECT challenge FROM session_dbsc_refresh(:'id', NULL, '/refresh') \gset
BEGIN;
SELECT session_revoke(:'token');
SELECT instructions - 'session_identifier' AS instructions, bound_cookie, challenge FROM session_dbsc_refresh(:'id', pg_temp.renewal(:'challenge'), '/refresh');
SELECT session_status(:'token', bound_cookie => :'bound_cookie') AS status;
ROLLBACK;
BEGIN;
SELECT session_revoke_all() IS NOT NULL AS all_ended;
SELECT instructions - 'session_identifier' AS instructions FROM session_dbsc_refresh(:'id', pg_temp.renewal(:'challenge'), '/refresh');
SELECT session_status(:'token', bound_cookie => :'bound_cookie') AS status;
ROLLBACK;
BEGIN;
UPDATE session.sessions SET expires_at = clock_timestamp();
SELECT instructions - 'session_identifier' AS instructions FROM session_dbsc_refresh(:'id', pg_temp.renewal(:'challenge'), '/refresh');
ROLLBACK;
BEGIN;
SET LOCAL session.max_sessions = 1;
SELECT count(*) AS created FROM session_create('alice');
SELECT instructions - 'session_identifier' AS instructions FROM session_dbsc_refresh(:'id', pg_temp.renewal(:'challenge'), '/refresh');
ROLLBACK;
SELECT instructions FROM session_dbsc_refresh('01890a5d-ac96-774b-bcce-b302099a8057', 'x', '/refresh');
SELECT bound_cookie IS NOT NULL AS renewed FROM session_dbsc_refresh(:'id', pg_temp.renewal(:'challenge'), '/refresh');

-- The cookies have the attributes that the settings describe.
SET session.bound_cookie_ttl = '1min';
SET session.cookie_name = 'sid';
SET session.cookie_same_site = 'strict';
SET session.cookie_path = '/app';
SELECT challenge FROM session_dbsc_refresh(:'id', NULL, '/r?x=1') \gset
SELECT instructions - 'session_identifier' AS instructions, replace(set_cookie, bound_cookie, 'COOKIE') AS set_cookie FROM session_dbsc_refresh(:'id', pg_temp.renewal(:'challenge'), '/r?x=1');
SET session.cookie_name = '__Host-sid';
SELECT challenge FROM session_dbsc_refresh(:'id', NULL, '/refresh') \gset
SELECT FROM session_dbsc_refresh(:'id', pg_temp.renewal(:'challenge'), '/refresh');
RESET session.cookie_name;
RESET session.cookie_path;
RESET session.cookie_same_site;
RESET session.bound_cookie_ttl;
SELECT session_cookie_clear(cookie_header => '__Host-session=x; __Host-session-bound=y');

-- A cookie that is a session by itself is bound too: it is made again with the
-- key, and the one from before is denied.
SET session.strategy = 'stateless';
SELECT session_cookie_encode('{"sub": "grace", "tid": "acme", "a": [1]}', 'jwt', '1 hour') AS free \gset
SELECT session_dbsc_offer(:'free', '/reg') AS free_offer \gset
SELECT session_dbsc_offer(cookie, '/reg') AS offer FROM unnest(ARRAY[NULL, 'a.b.c', :'token', repeat('x', 10000000), session_cookie_encode('{"sub": "x"}'), session_cookie_encode('{"sub": "x"}', 'jwt', purpose => 'jwt')]) AS cookie;
SELECT count(*) AS rows FROM unnest(ARRAY[pg_temp.registration(:'free_offer', header => '{"typ": "jwt"}'), pg_temp.registration(:'other_offer'), pg_temp.registration(:'free_offer', payload => '{"jti": "x"}'), 'x']) AS proof, session_dbsc_register(:'free', proof, '/refresh');
SELECT new_cookie AS kept, bound_cookie AS kept_cookie, challenge AS kept_challenge, instructions ->> 'session_identifier' AS kept_id FROM session_dbsc_register(:'free', pg_temp.registration(:'free_offer'), '/refresh') \gset
SELECT session_cookie_decode(:'free') AS before, p - '{iat,exp,jti,sid}'::text[] AS after, p ->> 'sid' = :'kept_id' AS same_id, (p ->> 'exp')::bigint - (p ->> 'iat')::bigint BETWEEN 3500 AND 3600 AS same_end FROM session_cookie_decode(:'kept') AS p;
SELECT count(*) AS rows FROM session_dbsc_register(:'free', pg_temp.registration(:'free_offer'), '/refresh');
SELECT session_dbsc_offer(:'kept', '/reg') AS again, session_dbsc_offer(:'free', '/reg') AS before;
SELECT pg_temp.asked(jsonb_build_object('__Host-session', :'kept', '__Host-session-bound', :'kept_cookie')) AS both, pg_temp.asked(jsonb_build_object('__Host-session', :'kept')) AS alone,
       pg_temp.asked(jsonb_build_object('__Host-session', :'kept', '__Host-session-bound', :'bound_cookie')) AS another, pg_temp.asked(jsonb_build_object('__Host-session', :'free', '__Host-session-bound', :'kept_cookie')) AS before,
       pg_temp.asked(jsonb_build_object('__Host-session', session_cookie_encode('{"sub": "x", "cnf": {"x5t#S256": "x"}}', 'jwe'), '__Host-session-bound', :'kept_cookie')) AS another_key;
SELECT set_config('test.free', :'free', false) = :'free' AS set;
-- Requests with the cookie from before may be on their way.  For the grace it is
-- accepted, and not bound again; when it is revoked, that is at once.
BEGIN;
SET LOCAL session.dbsc_grace = '1min';
SELECT pg_temp.asked(jsonb_build_object('__Host-session', :'free')) AS before, pg_temp.asked(jsonb_build_object('__Host-session', :'kept')) AS after, session_cookie_decode(:'free') ->> 'sub' AS decoded;
SELECT session_dbsc_offer(:'free', '/reg') AS offer, (SELECT count(*) FROM session_dbsc_register(:'free', pg_temp.registration(:'free_offer'), '/refresh')) AS rows;
SELECT count(*) FILTER (WHERE bound_at IS NOT NULL) AS entries FROM session.denylist;
SAVEPOINT before;
UPDATE session.denylist SET bound_at = clock_timestamp() - interval '61 seconds' WHERE bound_at IS NOT NULL;
SELECT pg_temp.asked(jsonb_build_object('__Host-session', :'free')) AS later, session_cookie_decode(:'free') AS decoded;
ROLLBACK TO before;
SELECT session_cookie_revoke(:'free') AS revoked, pg_temp.asked(jsonb_build_object('__Host-session', :'free')) AS then, session_cookie_decode(:'free') AS decoded;
ROLLBACK TO before;
DO $$ BEGIN PERFORM set_config('request.cookies', jsonb_build_object('__Host-session', current_setting('test.free'))::text, true), session_pre_request(); END $$;
SELECT session_user_id(), session_revoke_mine(session_id()) AS revoked, session_cookie_decode(:'free') AS decoded;
ROLLBACK;
-- A claim cnf need not be an object.
SELECT cnf, session_dbsc_offer(cookie, '/reg') IS NOT NULL AS offered, (SELECT count(*) FROM session_dbsc_register(cookie, 'x', '/refresh')) AS rows, (session_dbsc_refresh('018f0000-0000-7000-8000-000000000001', 'x', '/refresh', cookie)).instructions IS NOT NULL AS answered
  FROM unnest(ARRAY['"abc"', '"{"', '5', '[1]', '{"jwk": 5}', '{"jwk": "{"}']) AS cnf, session_cookie_encode(format('{"sub": "a", "sid": "018f0000-0000-7000-8000-000000000001", "cnf": %s}', cnf)::jsonb, 'jwt') AS cookie;
-- A cookie that is made again lasts no longer than a new session, so a key that
-- leaked and was retired since made nothing that lasts.
SELECT session_cookie_encode('{"sub": "henry"}', 'jwt', '30 days') AS long \gset
SELECT session_dbsc_offer(:'long', '/reg') AS long_offer \gset
SELECT (p ->> 'exp')::bigint - (p ->> 'iat')::bigint AS seconds FROM session_dbsc_register(:'long', pg_temp.registration(:'long_offer'), '/refresh') AS r, session_cookie_decode(r.new_cookie) AS p;
-- To renew the bound cookie, that cookie is needed.
SELECT instructions ->> 'continue' AS continue FROM session_dbsc_refresh(:'kept_id', pg_temp.renewal(:'kept_challenge'), '/refresh');
SELECT challenge IS NOT NULL AS challenged FROM session_dbsc_refresh(:'kept_id', NULL, '/refresh', :'kept');
SELECT bound_cookie IS NOT NULL AS renewed, challenge IS NOT NULL AS challenged FROM session_dbsc_refresh(:'kept_id', pg_temp.renewal(:'kept_challenge', 'two'), '/refresh', :'kept');
SELECT bound_cookie IS NOT NULL AS renewed, new_cookie FROM session_dbsc_refresh(:'kept_id', pg_temp.renewal(:'kept_challenge'), '/refresh', :'kept');
SELECT bound_cookie IS NOT NULL AS renewed, challenge IS NOT NULL AS challenged FROM session_dbsc_refresh(:'kept_id', pg_temp.renewal(:'kept_challenge'), '/refresh', :'kept');
SELECT instructions ->> 'continue' AS continue FROM session_dbsc_refresh(:'id', NULL, '/refresh', :'kept');
SELECT session_cookie_revoke(:'kept') AS revoked, instructions ->> 'continue' AS continue FROM session_dbsc_refresh(:'kept_id', NULL, '/refresh', :'kept');
SELECT instructions ->> 'continue' AS continue FROM session_dbsc_refresh(:'kept_id', NULL, '/refresh', :'kept');
RESET session.strategy;
SELECT session_dbsc_offer(session_cookie_encode('{"sub": "x"}', 'jwt'), '/reg') AS offer;

-- No key is imported for the ring.
SELECT pg_temp.error_of('session_key_import(''0123456789abcdef0123456789abcdef'', purpose => ''bound'')') AS error;
-- What waits in shared memory is not left to other tests.
SELECT failed FROM session_cleanup();
DROP EXTENSION session;
