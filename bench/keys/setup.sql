-- Cookies that are JWTs, of a ring for each algorithm.
SET client_min_messages = warning;
CREATE EXTENSION session;
CREATE SCHEMA bench;

-- The nanoseconds for which this backend has run on a processor.
CREATE FUNCTION bench.ran() RETURNS bigint LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN split_part(pg_read_file('/proc/self/schedstat'), ' ', 1)::bigint;

CREATE FUNCTION bench.verify(way text, algorithm text, times integer) RETURNS void
LANGUAGE C STRICT AS :'library', 'bench_verify';

CREATE TABLE bench.jwts (algorithm text, n int, jwt text NOT NULL, PRIMARY KEY (algorithm, n));
SELECT session_key_rotate('bench_' || lower(a), a) FROM unnest(ARRAY['ES256', 'EdDSA', 'RS256', 'HS256']) AS a
\g /dev/null
INSERT INTO bench.jwts
SELECT a, n, session_cookie_encode(jsonb_build_object('sub', 'user ' || n, 'role', 'app_user',
                                                      'sid', gen_random_uuid(), 'level', 1),
                                   'jwt', '1 day', 'bench_' || lower(a))
FROM unnest(ARRAY['ES256', 'EdDSA', 'RS256', 'HS256']) AS a, generate_series(1, :calls) AS n;
ANALYZE bench.jwts;
