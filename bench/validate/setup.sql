-- The extension, the other candidates, and tokens that follow from a number.
SET client_min_messages = warning;
CREATE EXTENSION session;
CREATE EXTENSION pg_prewarm;
CREATE SCHEMA bench;

DO $$
BEGIN
    CREATE ROLE bench_app LOGIN;
EXCEPTION WHEN duplicate_object THEN
    NULL;
END $$;
GRANT USAGE ON SCHEMA bench TO bench_app;
SELECT session_grant('bench_app', 'app') \g /dev/null

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

-- connect-pg-simple: its table, as its own table.sql creates it. A sid is 32
-- random characters.
CREATE TABLE "session" (
    "sid" varchar NOT NULL COLLATE "default",
    "sess" json NOT NULL,
    "expire" timestamp(6) NOT NULL
) WITH (OIDS = FALSE);
ALTER TABLE "session" ADD CONSTRAINT "session_pkey" PRIMARY KEY ("sid");
CREATE INDEX "IDX_session_expire" ON "session" ("expire");
GRANT SELECT ON "session" TO bench_app;
GRANT USAGE ON SCHEMA session TO bench_app;
GRANT SELECT ON session.sessions TO bench_app;

CREATE FUNCTION bench.sid(n int) RETURNS text LANGUAGE sql IMMUTABLE
RETURN md5('sid' || n::text);

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
