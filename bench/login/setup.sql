-- The extension, roles of both levels, and sessions that follow from a number.
SET client_min_messages = warning;
CREATE EXTENSION session;
CREATE EXTENSION pg_prewarm;
CREATE SCHEMA bench;

DO $$
BEGIN
    CREATE ROLE bench_app LOGIN;
    CREATE ROLE bench_admin LOGIN;
EXCEPTION WHEN duplicate_object THEN
    NULL;
END $$;
GRANT USAGE ON SCHEMA bench TO bench_app, bench_admin;
SELECT session_grant('bench_app', 'app') \g /dev/null
SELECT session_grant('bench_admin', 'admin') \g /dev/null
-- The administrator also reads the table, to compare with the view.
GRANT SELECT ON session.sessions TO bench_admin;

-- The id of session n. Ids ascend like the UUIDv7 of real sessions; secrets do
-- not.
CREATE FUNCTION bench.id(n int) RETURNS uuid LANGUAGE sql IMMUTABLE
RETURN (lpad(to_hex(1700000000000 + n), 12, '0') || '7' || substr(md5(n::text), 1, 3)
        || '8' || substr(md5(n::text), 4, 15))::uuid;

CREATE FUNCTION bench.secret(n int) RETURNS bytea LANGUAGE sql IMMUTABLE
RETURN sha256(('s' || n::text)::bytea);

CREATE FUNCTION bench.token(n int) RETURNS text LANGUAGE sql IMMUTABLE
RETURN 'st_' || translate(encode(uuid_send(bench.id(n)) || bench.secret(n), 'base64'),
                          E'+/=\n', '-_');

-- The nanoseconds for which this backend has run on a processor.
CREATE FUNCTION bench.ran() RETURNS bigint LANGUAGE sql VOLATILE SECURITY DEFINER
RETURN split_part(pg_read_file('/proc/self/schedstat'), ' ', 1)::bigint;

-- What the turns with and without policies took, in nanoseconds a validation.
CREATE UNLOGGED TABLE bench.turns (policies boolean, ns numeric);
GRANT INSERT ON bench.turns TO bench_app;

-- Returns whether validations after the first one read the table of policies.
CREATE FUNCTION bench.reads_policies(rows int) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    scans bigint;
BEGIN
    ASSERT session_is_valid(bench.token(1));
    scans := pg_stat_get_xact_numscans('session.policies'::regclass);
    FOR i IN 1 .. 1000 LOOP
        ASSERT session_is_valid(bench.token(1 + i % rows));
    END LOOP;
    RETURN pg_stat_get_xact_numscans('session.policies'::regclass) > scans;
END $$;
