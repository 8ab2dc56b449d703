-- Sessions that are bound and others, proofs of DPoP, and the loops that call
-- what is compared. Proofs of the second in which the server started are refused.
SELECT pg_sleep(1.1) \g /dev/null
\i :proofs
\set ECHO none

DO $$
BEGIN
    CREATE ROLE bench_gateway LOGIN NOINHERIT;
    CREATE ROLE bench_member;
    GRANT bench_member TO bench_gateway;
    PERFORM session_grant(r, 'app') FROM unnest('{bench_gateway,bench_member}'::regrole[]) AS r;
END $$;
GRANT USAGE ON SCHEMA bench TO bench_gateway, bench_member;

-- Which candidates of session_pre_request have which cookies. An answer to an
-- offer binds the session, and returns its second cookie.
CREATE TABLE bench.cookies (candidate text PRIMARY KEY, cookies text);
INSERT INTO bench.cookies
SELECT 'unbound', jsonb_build_object('theme', 'dark', '__Host-session', token)
  FROM session_create('alice', tenant_id => 'acme', role => 'bench_member');
SELECT token FROM session_create('alice', tenant_id => 'acme', role => 'bench_member') \gset
INSERT INTO bench.cookies
SELECT 'bound', jsonb_build_object('theme', 'dark', '__Host-session', :'token', '__Host-session-bound', bound_cookie)
  FROM session_dbsc_offer(:'token', '/register') AS offer,
       regexp_match(offer, 'authorization="([^"]*)"') AS a, regexp_match(offer, 'challenge="([^"]*)"') AS c,
       proof_keys AS k,
       session_dbsc_register(:'token', pg_temp.signed(name, jsonb_build_object('alg', 'ES256', 'jwk', jwk, 'typ', 'dbsc+jwt'),
                                                      jsonb_build_object('authorization', a[1], 'jti', c[1])::text), '/refresh')
 WHERE name = 'one';

-- Which candidates of session_authenticate have which token, and a proof for
-- each call, also of the round that does not count.
CREATE TABLE bench.tokens AS
SELECT 'plain' AS candidate, token FROM session_create('alice')
UNION ALL
SELECT 'dpop', token FROM proof_keys AS k,
       session_create('alice', jkt => pg_temp.base64url(sha256(convert_to(format('{"crv":"P-256","kty":"EC","x":"%s","y":"%s"}', jwk ->> 'x', jwk ->> 'y'), 'UTF8'))))
 WHERE name = 'one';
CREATE TABLE bench.proofs AS
SELECT n, pg_temp.signed('one', jsonb_build_object('typ', 'dpop+jwt', 'alg', 'ES256', 'jwk', jwk),
                         jsonb_build_object('jti', gen_random_uuid(), 'htm', 'GET', 'htu', 'https://api.example.com/notes',
                                            'iat', floor(extract(epoch FROM clock_timestamp()))::bigint,
                                            'ath', pg_temp.base64url(sha256(token::bytea)))::text) AS proof
  FROM generate_series(1, (:rounds + 1) * :calls) AS n, proof_keys, bench.tokens
 WHERE name = 'one' AND candidate = 'dpop';
CREATE INDEX ON bench.proofs (n);
GRANT SELECT ON bench.cookies, bench.tokens, bench.proofs TO bench_gateway;

-- Calls a candidate, a transaction each, as requests are; the others are compared
-- with "nothing". Proofs are those from the number on.
CREATE PROCEDURE bench.calls(called text, times int, first int = 1) LANGUAGE plpgsql AS $$
DECLARE
    credential text := (SELECT token FROM bench.tokens WHERE candidate = called);
    proofs text[] := (SELECT array_agg(p.proof) FROM bench.proofs AS p WHERE called = 'dpop' AND n >= first AND n < first + times);
    good boolean := true;
BEGIN
    PERFORM set_config('request.path', '/notes', false), set_config('request.cookies', cookies, false),
            set_config('request.headers', '{"host":"notes.example","accept":"application/json","accept-encoding":"gzip, deflate, br, zstd",'
                '"accept-language":"en-US,en;q=0.9","user-agent":"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",'
                '"referer":"https://notes.example/","sec-fetch-dest":"empty","sec-fetch-mode":"cors","sec-fetch-site":"same-origin",'
                '"x-forwarded-for":"203.0.113.7"}', false)
       FROM bench.cookies WHERE candidate = called;
    IF called = 'nothing' THEN
        FOR i IN 1 .. times LOOP
            good := good AND credential IS NULL;
            COMMIT;
        END LOOP;
    ELSIF called = 'plain' THEN
        FOR i IN 1 .. times LOOP
            good := good AND session_authenticate(credential);
            COMMIT;
        END LOOP;
    ELSIF called = 'dpop' THEN
        FOR i IN 1 .. times LOOP
            good := good AND session_authenticate(credential, proof => proofs[i], method => 'GET', url => 'https://api.example.com/notes');
            COMMIT;
        END LOOP;
    ELSE
        FOR i IN 1 .. times LOOP
            PERFORM session_pre_request();
            COMMIT;
        END LOOP;
        PERFORM session_pre_request();
        good := session_user_id() = 'alice';
    END IF;
    IF good IS NOT TRUE THEN
        RAISE 'a session of "%" was not good', called;
    END IF;
    COMMIT;
END $$;
