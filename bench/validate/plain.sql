-- A table like session.sessions, with the same rows, for the plain INSERT.
CREATE TABLE bench.plain (LIKE session.sessions INCLUDING ALL) WITH (fillfactor = 70);
INSERT INTO bench.plain SELECT * FROM session.sessions;
GRANT INSERT ON bench.plain TO bench_app;
VACUUM (FREEZE, ANALYZE) bench.plain;
CHECKPOINT;

-- Returns the values that an application without session_create would make: an
-- id that ascends, like those of session_create, the hash of a secret, and the
-- times.
CREATE FUNCTION bench.new_row(OUT id uuid, OUT hash bytea, OUT created timestamptz,
                              OUT expires timestamptz, OUT purge timestamptz)
LANGUAGE sql VOLATILE
BEGIN ATOMIC
    SELECT (lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12, '0') || '7'
            || substr(random, 1, 3) || '8' || substr(random, 4, 15))::uuid,
           sha256(random::bytea), moment, moment + interval '24 hours',
           date_trunc('hour', moment + interval '24 hours') + interval '1 hour'
    FROM clock_timestamp() AS moment, md5(gen_random_uuid()::text) AS random;
END;
