-- The extension, :rows sessions with their tokens, and functions that return a
-- constant row. :library is the compiled constant.c.
SET client_min_messages = warning;
CREATE EXTENSION session;
CREATE EXTENSION pg_prewarm;
CREATE SCHEMA bench;
CREATE ROLE bench_app LOGIN;
SELECT session_grant('bench_app', 'app') \g /dev/null
GRANT USAGE ON SCHEMA bench, session TO bench_app;
GRANT SELECT ON session.sessions TO bench_app;

CREATE TABLE bench.arguments AS
SELECT c.token, c.id FROM generate_series(1, :rows) AS n, session_create(
    'user-' || n % (:rows / 5),
    jsonb_build_object('locale', 'en', 'theme', 'dark', 'cart',
                       jsonb_build_array(jsonb_build_object('item', n, 'count', 1))),
    'tenant-' || n % 100, ip => '192.0.2.1'::inet + n % 200,
    user_agent => 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0',
    lifetime => '30 days') AS c;
GRANT SELECT ON bench.arguments TO bench_app;

-- Declared as session_validate is, but for the arguments that have defaults.
CREATE FUNCTION bench.constant(token text) RETURNS SETOF session_info ROWS 1
LANGUAGE c VOLATILE PARALLEL RESTRICTED AS :'library', 'bench_constant';

CREATE FUNCTION bench.constant_plpgsql(token text) RETURNS SETOF session_info ROWS 1
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    row session_info;
BEGIN
    row.user_id := 'user-12345';
    row.data := '{"cart": [{"item": 12345, "count": 1}], "theme": "dark", "locale": "en"}';
    RETURN NEXT row;
END $$;

-- VOLATILE and STRICT, so that it is not inlined.
CREATE FUNCTION bench.constant_sql(token text) RETURNS SETOF session_info ROWS 1
LANGUAGE sql VOLATILE STRICT AS $$
    SELECT NULL::uuid, 'active'::text, 'user-12345'::text, 'tenant-12'::text, NULL::text, 1,
           NULL::text[],
           '{"cart": [{"item": 12345, "count": 1}], "theme": "dark", "locale": "en"}'::jsonb,
           '192.0.2.1'::inet, 'Mozilla/5.0'::text, NULL::timestamptz, NULL::timestamptz,
           NULL::timestamptz, NULL::timestamptz, true
$$;

VACUUM (FREEZE, ANALYZE);
CHECKPOINT;
SELECT pg_prewarm(oid) FROM pg_class
WHERE relkind IN ('r', 'i') AND oid >= 16384 \g /dev/null
