-- Loads :rows sessions, the same ones for every candidate.
CALL bench.load_sessions(:rows);

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
