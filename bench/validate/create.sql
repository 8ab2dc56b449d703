\set n random(1, :rows)
SELECT 'user-' || :n::int / 5 AS user, 'tenant-' || :n::int % 100 AS tenant, * FROM bench.new_row() \gset
SELECT id, token, expires_at FROM session_create(:user, '{"cart": [{"item": 1, "count": 1}], "theme": "dark", "locale": "en"}', :tenant, NULL, '192.0.2.1', 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0');
