-- :live live sessions with known tokens, :rows dead ones, and more live ones
-- up to :rows.
CREATE EXTENSION session;
CREATE TABLE tok AS
SELECT n, (session_create('user' || n, '{"theme": "dark"}', ip => '192.0.2.1', lifetime => '30 days')).token
FROM generate_series(1, :live) AS n;
CREATE UNIQUE INDEX ON tok (n);
INSERT INTO session.sessions (id, token_hash, user_id, auth_level, data, ip, created_at,
                              authenticated_at, last_seen_at, expires_at, purge_at)
SELECT gen_random_uuid(), sha256(n::text::bytea), 'user' || n % :rows, 1, '{"theme": "dark"}', '192.0.2.1',
       t, t, t, t + interval '1 hour', date_trunc('hour', t) + interval '2 hours'
FROM generate_series(1, :rows) AS n, LATERAL (SELECT now() - interval '40 days' + n % 720 * interval '1 hour') AS of_hour (t);
INSERT INTO session.sessions (id, token_hash, user_id, auth_level, data, ip, created_at,
                              authenticated_at, last_seen_at, expires_at, purge_at)
SELECT gen_random_uuid(), sha256(n::text::bytea), 'other' || n, 1, '{"theme": "dark"}', '192.0.2.1',
       now(), now(), now(), now() + interval '30 days', date_trunc('hour', now()) + interval '31 days'
FROM generate_series(:live + 1, :rows) AS n;
VACUUM (FREEZE, ANALYZE);

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
