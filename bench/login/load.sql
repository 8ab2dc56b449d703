-- Loads :rows sessions: five for a user, in 100 tenants, from 10.0.0.0/8.
INSERT INTO session.sessions (id, token_hash, user_id, tenant_id, role, auth_level, data,
                              ip, user_agent, created_at, authenticated_at,
                              last_seen_at, expires_at, purge_at)
SELECT bench.id(n), sha256(bench.secret(n)), 'user-' || n % (:rows / 5), 'tenant-' || n % 100,
       'member', 1, jsonb_build_object('locale', 'en', 'theme', 'dark', 'cart',
                             jsonb_build_array(jsonb_build_object('item', n, 'count', 1))),
       '10.0.0.0'::inet + n::bigint * 7919 % 16777216,
       'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0',
       t, t, t, t + interval '30 days', date_trunc('hour', t + interval '30 days') + interval '1 hour'
FROM generate_series(1, :rows) AS n,
     LATERAL (SELECT now() - (:rows - n) * interval '1 second' / 10) AS creation (t);

VACUUM (FREEZE, ANALYZE);
CHECKPOINT;
SELECT pg_prewarm(oid) FROM pg_class
WHERE relkind IN ('r', 'i') AND oid >= 16384 \g /dev/null
