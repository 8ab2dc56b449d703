-- The extension, and the same cookies made and read in PL/pgSQL with pgcrypto.
SET client_min_messages = warning;
CREATE EXTENSION session;
CREATE EXTENSION pgcrypto;
CREATE SCHEMA bench;

CREATE ROLE bench_app LOGIN;
GRANT USAGE ON SCHEMA bench TO bench_app;
SELECT session_grant('bench_app', 'app') \g /dev/null
SELECT session_key_rotate() \g /dev/null

-- The nanoseconds for which this backend has run on a processor.
CREATE FUNCTION bench.ran() RETURNS bigint LANGUAGE sql VOLATILE
RETURN split_part(pg_read_file('/proc/self/schedstat'), ' ', 1)::bigint;

/*
 * PL/pgSQL. As the extension does, the functions look the key up by purpose, set
 * iat, exp and jti, verify the MAC over the received text before they read
 * anything in it, check exp and the denylist, and return NULL for a bad cookie.
 * To be as fast as possible, names are qualified instead of SET search_path,
 * MACs are compared as texts and not in constant time, and no key is derived for
 * the purpose and the encoding.
 */

CREATE TABLE bench.keys (
    kid text PRIMARY KEY,
    purpose text NOT NULL,
    secret bytea NOT NULL,
    activated_at timestamptz NOT NULL,
    retired_at timestamptz
);
CREATE INDEX ON bench.keys (purpose, activated_at);
CREATE TABLE bench.denylist (hash bytea PRIMARY KEY, expires_at timestamptz NOT NULL);
INSERT INTO bench.keys
VALUES ('k' || encode(gen_random_bytes(8), 'hex'), 'session', gen_random_bytes(32), now());

CREATE FUNCTION bench.base64url(bytes bytea) RETURNS text LANGUAGE sql IMMUTABLE
RETURN translate(encode(bytes, 'base64'), E'+/=\n', '-_');

CREATE FUNCTION bench.from_base64url(value text) RETURNS bytea LANGUAGE sql IMMUTABLE
RETURN decode(rpad(translate(value, '-_', '+/'), (length(value) + 3) / 4 * 4, '='), 'base64');

-- Returns the payload with its times and its id, as text.
CREATE FUNCTION bench.with_times(payload jsonb, ttl interval) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    moment bigint := extract(epoch FROM clock_timestamp());
BEGIN
    IF jsonb_typeof(payload) IS DISTINCT FROM 'object' OR payload ?| '{iat,exp,jti}' THEN
        RAISE 'invalid payload' USING ERRCODE = '22023';
    END IF;
    RETURN (payload || jsonb_build_object('iat', moment, 'exp', moment + extract(epoch FROM ttl)::bigint,
                                          'jti', gen_random_uuid()))::text;
END $$;

-- Returns the payload if it has not expired and is not in the denylist.
CREATE FUNCTION bench.checked(payload jsonb, for_purpose text) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    IF (payload ->> 'exp')::numeric <= extract(epoch FROM clock_timestamp())
       OR EXISTS (SELECT FROM bench.denylist d
                  WHERE d.hash = public.digest(for_purpose || chr(1) || (payload ->> 'jti'), 'sha256'))
    THEN
        RETURN NULL;
    END IF;
    RETURN payload;
END $$;

CREATE FUNCTION bench.compact_encode(payload jsonb, for_purpose text = 'session', ttl interval = '24 hours')
RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    message text := bench.base64url(convert_to(bench.with_times(payload, ttl), 'UTF8'));
    key bytea;
BEGIN
    SELECT k.secret INTO STRICT key FROM bench.keys k
    WHERE k.purpose = for_purpose AND k.retired_at IS NULL ORDER BY k.activated_at DESC LIMIT 1;
    RETURN message || '.' || bench.base64url(public.hmac(message::bytea, key, 'sha256'));
END $$;

CREATE FUNCTION bench.compact_decode(cookie text, for_purpose text = 'session')
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    message text := split_part(cookie, '.', 1);
    mac text := split_part(cookie, '.', 2);
    key bytea;
BEGIN
    IF cookie IS NULL OR cookie <> message || '.' || mac THEN
        RETURN NULL;
    END IF;
    FOR key IN SELECT k.secret FROM bench.keys k
        WHERE k.purpose = for_purpose AND k.retired_at IS NULL ORDER BY k.activated_at DESC
    LOOP
        IF mac = bench.base64url(public.hmac(message::bytea, key, 'sha256')) THEN
            RETURN bench.checked(convert_from(bench.from_base64url(message), 'UTF8')::jsonb, for_purpose);
        END IF;
    END LOOP;
    RETURN NULL;
END $$;

CREATE FUNCTION bench.jwt_encode(payload jsonb, for_purpose text = 'session', ttl interval = '24 hours')
RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    key record;
    message text;
BEGIN
    SELECT k.kid, k.secret INTO STRICT key FROM bench.keys k
    WHERE k.purpose = for_purpose AND k.retired_at IS NULL ORDER BY k.activated_at DESC LIMIT 1;
    message := bench.base64url(convert_to('{"alg":"HS256","typ":"JWT","kid":"' || key.kid || '"}', 'UTF8'))
               || '.' || bench.base64url(convert_to(bench.with_times(payload, ttl), 'UTF8'));
    RETURN message || '.' || bench.base64url(public.hmac(message::bytea, key.secret, 'sha256'));
END $$;

-- The header is read only after the MAC has been verified: JSON that does not
-- parse would be an error. So the kid does not choose the key.
CREATE FUNCTION bench.jwt_decode(cookie text, for_purpose text = 'session')
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    header text := split_part(cookie, '.', 1);
    payload text := split_part(cookie, '.', 2);
    mac text := split_part(cookie, '.', 3);
    key bytea;
    fields jsonb;
BEGIN
    IF cookie IS NULL OR cookie <> header || '.' || payload || '.' || mac THEN
        RETURN NULL;
    END IF;
    FOR key IN SELECT k.secret FROM bench.keys k
        WHERE k.purpose = for_purpose AND k.retired_at IS NULL ORDER BY k.activated_at DESC
    LOOP
        IF mac = bench.base64url(public.hmac((header || '.' || payload)::bytea, key, 'sha256')) THEN
            fields := convert_from(bench.from_base64url(header), 'UTF8')::jsonb;
            IF fields ->> 'alg' IS DISTINCT FROM 'HS256' OR fields ? 'crit' THEN
                RETURN NULL;
            END IF;
            RETURN bench.checked(convert_from(bench.from_base64url(payload), 'UTF8')::jsonb, for_purpose);
        END IF;
    END LOOP;
    RETURN NULL;
END $$;

-- JWE: "dir" with A256CBC-HS512. The key is stretched to 64 bytes.
CREATE FUNCTION bench.jwe_tag(header text, iv bytea, ciphertext bytea, key bytea) RETURNS bytea
LANGUAGE sql IMMUTABLE
RETURN substr(public.hmac(header::bytea || iv || ciphertext || int8send(length(header) * 8),
                          substr(key, 1, 32), 'sha512'), 1, 32);

CREATE FUNCTION bench.jwe_encode(payload jsonb, for_purpose text = 'session', ttl interval = '24 hours')
RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    key record;
    wide bytea;
    header text;
    iv bytea := public.gen_random_bytes(16);
    ciphertext bytea;
BEGIN
    SELECT k.kid, k.secret INTO STRICT key FROM bench.keys k
    WHERE k.purpose = for_purpose AND k.retired_at IS NULL ORDER BY k.activated_at DESC LIMIT 1;
    wide := public.hmac('jwe', key.secret, 'sha512');
    header := bench.base64url(convert_to('{"alg":"dir","enc":"A256CBC-HS512","kid":"' || key.kid || '"}', 'UTF8'));
    ciphertext := public.encrypt_iv(convert_to(bench.with_times(payload, ttl), 'UTF8'),
                                    substr(wide, 33), iv, 'aes-cbc');
    RETURN header || '..' || bench.base64url(iv) || '.' || bench.base64url(ciphertext) || '.'
           || bench.base64url(bench.jwe_tag(header, iv, ciphertext, wide));
END $$;

CREATE FUNCTION bench.jwe_decode(cookie text, for_purpose text = 'session')
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    part text[] := string_to_array(cookie, '.');
    secret bytea;
    wide bytea;
    iv bytea;
    ciphertext bytea;
BEGIN
    IF cardinality(part) IS DISTINCT FROM 5 OR part[2] <> '' OR cookie !~ '^[A-Za-z0-9_.-]*$'
       OR length(part[3]) <> 22 OR length(part[4]) % 4 = 1
    THEN
        RETURN NULL;
    END IF;
    iv := bench.from_base64url(part[3]);
    ciphertext := bench.from_base64url(part[4]);
    FOR secret IN SELECT k.secret FROM bench.keys k
        WHERE k.purpose = for_purpose AND k.retired_at IS NULL ORDER BY k.activated_at DESC
    LOOP
        wide := public.hmac('jwe', secret, 'sha512');
        IF part[5] = bench.base64url(bench.jwe_tag(part[1], iv, ciphertext, wide)) THEN
            RETURN bench.checked(convert_from(public.decrypt_iv(ciphertext, substr(wide, 33), iv, 'aes-cbc'),
                                              'UTF8')::jsonb, for_purpose);
        END IF;
    END LOOP;
    RETURN NULL;
END $$;

/*
 * 1000 payloads, and what each function makes of them.
 */

CREATE TABLE bench.payloads AS
SELECT n, jsonb_build_object('sub', 'user-' || n, 'role', 'member', 'tenant', 'acme',
                             'cart', jsonb_build_array(jsonb_build_object('item', n, 'count', 1)),
                             'theme', 'dark', 'locale', 'en') AS payload
FROM generate_series(1, 1000) AS n;

CREATE TABLE bench.cookies AS
SELECT n, payload,
       session_cookie_encode(payload, 'compact') AS compact, bench.compact_encode(payload) AS plpgsql_compact,
       session_cookie_encode(payload, 'jwt') AS jwt, bench.jwt_encode(payload) AS plpgsql_jwt,
       session_cookie_encode(payload, 'jwe') AS jwe, bench.jwe_encode(payload) AS plpgsql_jwe,
       session_cookie_encode(payload, 'sealed') AS sealed
FROM bench.payloads;
GRANT SELECT ON bench.cookies TO bench_app;
VACUUM (FREEZE, ANALYZE);
