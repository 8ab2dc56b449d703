-- The extension, and roles of both levels.
SET client_min_messages = warning;
CREATE EXTENSION session;
CREATE EXTENSION pg_prewarm;
\ir ../sessions.sql

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
