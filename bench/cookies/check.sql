-- Checks that both sides do the same. With an imported secret, which is used as
-- it is, each reads what the other has made, if the format is standardized.
DO $$
DECLARE
    secret bytea := gen_random_bytes(32);
    payload constant jsonb := '{"a": [1, "b", null], "text": "Ärger"}';
    times constant text[] := '{iat,exp,jti}';
    kid text := session_key_import(secret, 'check', 'check');
    value text;
    encoding text;
    read jsonb;
BEGIN
    INSERT INTO bench.keys VALUES ('check', 'check', secret, now());
    ASSERT session_cookie_decode(bench.compact_encode(payload, 'check'), 'check') - times = payload;
    ASSERT session_cookie_decode(bench.jwt_encode(payload, 'check'), 'check') - times = payload;
    ASSERT bench.compact_decode(session_cookie_encode(payload, 'compact', purpose => 'check'), 'check') - times = payload;
    ASSERT bench.jwt_decode(session_cookie_encode(payload, 'jwt', purpose => 'check'), 'check') - times = payload;
    ASSERT bench.jwe_decode(bench.jwe_encode(payload, 'check'), 'check') - times = payload;

    FOREACH encoding IN ARRAY '{compact,jwt,jwe}'::text[] LOOP
        -- A good cookie, one that has expired, one whose last character but one
        -- is another, one of another purpose, nonsense, and NULL.
        EXECUTE format('SELECT bench.%s_encode($1)', encoding) INTO value USING payload;
        EXECUTE format('SELECT bench.%s_decode($1)', encoding) INTO read USING value;
        ASSERT read - times = payload AND (read ->> 'exp')::int - (read ->> 'iat')::int = 86400;
        EXECUTE format('SELECT bench.%s_decode(overlay($1 placing CASE right($1, 2) ~ ''^A'' WHEN true THEN ''B'' ELSE ''A'' END FROM length($1) - 1 FOR 1))', encoding)
            INTO read USING value;
        ASSERT read IS NULL;
        EXECUTE format('SELECT bench.%s_decode($1, ''check'')', encoding) INTO read USING value;
        ASSERT read IS NULL;
        EXECUTE format('SELECT bench.%s_decode(bench.%s_encode($1, ttl => ''-1 s''))', encoding, encoding)
            INTO read USING payload;
        ASSERT read IS NULL;
        EXECUTE format('SELECT coalesce(bench.%1$s_decode(''a.b''), bench.%1$s_decode(''a.b.c.d.e''), bench.%1$s_decode(NULL))', encoding)
            INTO read;
        ASSERT read IS NULL;
        INSERT INTO bench.denylist
        SELECT digest('session' || chr(1) || (j.payload ->> 'jti'), 'sha256'), now()
        FROM (SELECT CASE encoding WHEN 'compact' THEN bench.compact_decode(value)
                                   WHEN 'jwt' THEN bench.jwt_decode(value)
                                   ELSE bench.jwe_decode(value) END AS payload) j;
        EXECUTE format('SELECT bench.%s_decode($1)', encoding) INTO read USING value;
        ASSERT read IS NULL;
    END LOOP;
    TRUNCATE bench.denylist;
END $$;

-- Every cookie that is timed is good.
DO $$
DECLARE
    times constant text[] := '{iat,exp,jti}';
BEGIN
    ASSERT (SELECT count(*) = 1000 FROM bench.cookies
            WHERE session_cookie_decode(compact) - times = payload AND session_cookie_decode(jwt) - times = payload
              AND session_cookie_decode(jwe) - times = payload AND session_cookie_decode(sealed) - times = payload
              AND bench.compact_decode(plpgsql_compact) - times = payload AND bench.jwt_decode(plpgsql_jwt) - times = payload
              AND bench.jwe_decode(plpgsql_jwe) - times = payload);
END $$;
