-- The extension and the other candidates.
SET client_min_messages = warning;
CREATE EXTENSION session;
CREATE EXTENSION pg_prewarm;
\ir ../sessions.sql

DO $$
BEGIN
    CREATE ROLE bench_app LOGIN;
EXCEPTION WHEN duplicate_object THEN
    NULL;
END $$;
GRANT USAGE ON SCHEMA bench TO bench_app;
SELECT session_grant('bench_app', 'app') \g /dev/null

GRANT SELECT ON "session" TO bench_app;
GRANT USAGE ON SCHEMA session TO bench_app;
GRANT SELECT ON session.sessions TO bench_app;

-- The same function in PL/pgSQL, as fast as possible: names are qualified, so
-- it needs no SET search_path, and one index finds the row by the token's
-- hash.
CREATE TABLE bench.plpgsql_sessions (LIKE session.sessions, PRIMARY KEY (token_hash))
WITH (fillfactor = 70);

CREATE FUNCTION bench.plpgsql_validate(token text)
RETURNS SETOF bench.plpgsql_sessions ROWS 1 LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    s bench.plpgsql_sessions;
    moment timestamptz := clock_timestamp();
BEGIN
    SELECT * INTO s FROM bench.plpgsql_sessions p
    WHERE p.token_hash OPERATOR(pg_catalog.=) pg_catalog.sha256(token::bytea);
    IF s.id IS NULL OR s.revoked_at IS NOT NULL OR s.expires_at <= moment
       OR s.last_seen_at + s.idle_timeout <= moment
    THEN
        RETURN;
    END IF;
    RETURN NEXT s;
END $$;
