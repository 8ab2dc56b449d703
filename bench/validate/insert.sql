\set n random(1, :rows)
SELECT 'user-' || :n::int / 5 AS user, 'tenant-' || :n::int % 100 AS tenant, * FROM bench.new_row() \gset
INSERT INTO bench.plain (id, token_hash, user_id, tenant_id, role, auth_level, data, ip, user_agent, created_at, authenticated_at, last_seen_at, expires_at, idle_timeout, max_expires_at, purge_at) VALUES (:id, :hash, :user, :tenant, NULL, 1, '{"cart": [{"item": 1, "count": 1}], "theme": "dark", "locale": "en"}', '192.0.2.1', 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0', :created, :created, :created, :expires, NULL, NULL, :purge);
