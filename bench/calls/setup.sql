-- The extension, a role of a gateway, a session, and the functions that call
-- each candidate in a loop.
SET client_min_messages = warning;
CREATE EXTENSION session;
CREATE SCHEMA bench;

DO $$
BEGIN
    CREATE ROLE bench_gateway LOGIN NOINHERIT;
    CREATE ROLE bench_member;
    GRANT bench_member TO bench_gateway;
EXCEPTION WHEN duplicate_object THEN
    NULL;
END $$;
GRANT USAGE ON SCHEMA bench TO bench_gateway, bench_member;
SELECT session_grant('bench_gateway', 'app') \g /dev/null
SELECT session_grant('bench_member', 'app') \g /dev/null
SELECT session_key_rotate() \g /dev/null
SELECT session_key_rotate('jwt') \g /dev/null

-- The session of the calls, and others. Cookies as a browser sends them.
CREATE TABLE bench.others AS
SELECT n, token FROM generate_series(1, :rows) AS n, session_create('user' || n, tenant_id => 'acme', role => 'bench_member');
CREATE TABLE bench.session AS
SELECT token, id
  FROM session_create('alice', tenant_id => 'acme', role => 'bench_member', amr => '{pwd}');
CREATE TABLE bench.cookie AS
SELECT session_cookie_encode(jsonb_build_object('sub', 'alice', 'tid', 'acme', 'role', 'bench_member', 'lvl', 1, 'amr', '["pwd"]'::jsonb,
                                                'sid', id), 'jwt') AS cookie
  FROM bench.session;
GRANT SELECT ON bench.session, bench.cookie, bench.others TO bench_gateway;

-- The value of request.cookies, as PostgREST makes it. The snapshot is new, so
-- it is of the present start of the server.
CREATE FUNCTION bench.cookies(strategy text, token text) RETURNS text LANGUAGE sql VOLATILE AS $$
    SELECT CASE strategy
        WHEN 'database' THEN jsonb_build_object('theme', 'dark', '__Host-session', token)
        WHEN 'cookie_cache' THEN jsonb_build_object('theme', 'dark', '__Host-session', token, '__Host-session-cache', session_cookie_issue(token))
        ELSE jsonb_build_object('theme', 'dark', '__Host-session', (SELECT cookie FROM bench.cookie))
    END::text
$$;

-- The settings of a request, except its cookies.
CREATE FUNCTION bench.request(strategy text) RETURNS void LANGUAGE sql VOLATILE AS $$
    SELECT set_config('session.strategy', strategy, false),
           set_config('request.path', '/notes', false),
           set_config('request.headers', '{"host":"notes.example","accept":"application/json","accept-encoding":"gzip, deflate, br, zstd",'
               '"accept-language":"en-US,en;q=0.9","user-agent":"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",'
               '"referer":"https://notes.example/","sec-fetch-dest":"empty","sec-fetch-mode":"cors","sec-fetch-site":"same-origin",'
               '"x-forwarded-for":"203.0.113.7"}', false)
$$;

-- Calls a candidate in a loop, a transaction each, as requests are. The loop
-- without a call is subtracted from the others. SECURITY INVOKER, so that each
-- call runs as the role of the gateway.
CREATE PROCEDURE bench.calls(candidate text, n int) LANGUAGE plpgsql AS $$
DECLARE
    credential text := (SELECT token FROM bench.session);
    who text;
    what jsonb;
BEGIN
    IF candidate = 'nothing' THEN
        FOR i IN 1 .. n LOOP
            who := lower(credential);
            COMMIT;
        END LOOP;
    ELSIF candidate = 'validate' THEN
        FOR i IN 1 .. n LOOP
            SELECT user_id, data INTO who, what FROM session_validate(credential);
            COMMIT;
        END LOOP;
    ELSIF candidate = 'authenticate' THEN
        FOR i IN 1 .. n LOOP
            PERFORM session_authenticate(credential);
            COMMIT;
        END LOOP;
    ELSIF candidate = 'claims' THEN
        FOR i IN 1 .. n LOOP
            PERFORM session_authenticate(credential);
            what := session_claims();
            COMMIT;
        END LOOP;
    ELSE
        PERFORM bench.request(candidate), set_config('request.cookies', bench.cookies(candidate, credential), false);
        FOR i IN 1 .. n LOOP
            PERFORM session_pre_request();
            COMMIT;
        END LOOP;
    END IF;
END $$;

-- Calls session_pre_request for many sessions in turn, in an order that is not
-- that of the table, and returns the CPU time of a call in microseconds. The
-- loop without the call sets the cookies only.
CREATE TABLE bench.requests (strategy text, n int, cookies text);
GRANT SELECT ON bench.requests TO bench_gateway;
CREATE PROCEDURE bench.many(strategy text, n int, called boolean, INOUT used float8 = NULL) LANGUAGE plpgsql AS $$
DECLARE
    cookies text[] := (SELECT array_agg(r.cookies ORDER BY md5(r.n::text)) FROM bench.requests AS r WHERE r.strategy = many.strategy);
    start bigint;
BEGIN
    PERFORM bench.request(strategy);
    COMMIT;
    start := bench.cpu();
    FOR i IN 1 .. n LOOP
        PERFORM set_config('request.cookies', cookies[1 + i % array_length(cookies, 1)], false);
        IF called THEN
            PERFORM session_pre_request();
        END IF;
        COMMIT;
    END LOOP;
    used := (bench.cpu() - start) / 1000.0 / n;
END $$;

-- The CPU time that the backend has used, in nanoseconds.
CREATE FUNCTION bench.cpu() RETURNS bigint LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN split_part(pg_read_file('/proc/self/schedstat'), ' ', 1)::bigint;

GRANT SET ON PARAMETER session.strategy TO bench_gateway;
