-- :known live sessions with known tokens; :rows dead sessions, and half as many
-- live ones between them, which share their pages.
CREATE EXTENSION session;
CREATE TABLE tok AS
SELECT n, (session_create('user' || n, '{"theme": "dark"}', ip => '192.0.2.1', lifetime => '30 days')).token
FROM generate_series(1, :known) AS n;
CREATE UNIQUE INDEX ON tok (n);

-- Dead sessions were made in the course of 30 days.
INSERT INTO session.sessions (id, token_hash, user_id, auth_level, data, ip, created_at,
                              authenticated_at, last_seen_at, expires_at, purge_at)
SELECT gen_random_uuid(), sha256(n::text::bytea), CASE WHEN live THEN 'other' ELSE 'user' END || n,
       1, '{"theme": "dark"}', '192.0.2.1',
       t, t, t, t + lifetime, date_trunc('hour', t + lifetime) + interval '1 hour'
FROM generate_series(1, :rows / 2 * 3) AS n,
     LATERAL (SELECT n % 3 = 0) AS kind (live),
     LATERAL (SELECT CASE WHEN live THEN now() ELSE now() - interval '40 days' + n % 720 * interval '1 hour' END,
                     CASE WHEN live THEN interval '30 days' ELSE interval '1 hour' END) AS life (t, lifetime);
VACUUM (FREEZE, ANALYZE);

-- Where the samples go that find a request waiting for the worker.
CREATE TABLE blocked (pid int);

-- A plain loop that deletes old rows in batches for some seconds.
CREATE PROCEDURE plain_cleanup(seconds float8, OUT rows_per_second float8) LANGUAGE plpgsql AS $$
DECLARE
    began timestamptz = clock_timestamp();
    took float8;
    deleted bigint;
    total bigint = 0;
BEGIN
    LOOP
        DELETE FROM session.sessions
         WHERE id IN (SELECT id FROM session.sessions WHERE purge_at <= now()
                       ORDER BY purge_at LIMIT 1000 FOR UPDATE SKIP LOCKED);
        GET DIAGNOSTICS deleted = ROW_COUNT;
        COMMIT;
        total = total + deleted;
        took = extract(epoch FROM clock_timestamp() - began);
        EXIT WHEN deleted = 0 OR took >= seconds;
    END LOOP;
    rows_per_second = total / took;
END $$;
