-- Loads :rows sessions, the same ones for every candidate.
INSERT INTO session.sessions (id, token_hash, user_id, tenant_id, auth_level, data,
                              ip, user_agent, created_at, authenticated_at,
                              last_seen_at, expires_at, purge_at)
SELECT bench.id(n), sha256(bench.secret(n)), 'user-' || n % (:rows / 5), 'tenant-' || n % 100,
       1, jsonb_build_object('locale', 'en', 'theme', 'dark', 'cart',
                             jsonb_build_array(jsonb_build_object('item', n, 'count', 1))),
       '192.0.2.1'::inet + n % 200,
       'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0',
       now(), now(), now(), now() + interval '30 days',
       date_trunc('hour', now() + interval '30 days') + interval '1 hour'
FROM generate_series(1, :rows) n;

INSERT INTO "session" (sid, sess, expire)
SELECT bench.sid(n),
       json_build_object('cookie', json_build_object('originalMaxAge', 2592000000,
                             'expires', expires_at, 'httpOnly', true, 'path', '/'),
                         'user', user_id, 'data', data),
       expires_at
FROM generate_series(1, :rows) n JOIN session.sessions ON id = bench.id(n);

INSERT INTO bench.plpgsql_sessions (id, token_hash, user_id, tenant_id, auth_level, data,
                                    ip, user_agent, created_at, authenticated_at,
                                    last_seen_at, expires_at, purge_at)
SELECT id, sha256(bench.token(n)::bytea), user_id, tenant_id, auth_level, data,
       ip, user_agent, created_at, authenticated_at,
       last_seen_at, expires_at, purge_at
FROM generate_series(1, :rows) n JOIN session.sessions ON id = bench.id(n);

VACUUM (FREEZE, ANALYZE);
CHECKPOINT;
SELECT pg_prewarm(oid) FROM pg_class
WHERE relkind IN ('r', 'i') AND oid >= 16384 \g /dev/null
