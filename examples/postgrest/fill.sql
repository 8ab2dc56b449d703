--
-- Fills the application with a few hundred sessions of some users, so that an
-- administrator has something to see. scripts/quickstart runs it; do not run
-- it where users are.
--
--   psql -X -1 -o /dev/null -v ON_ERROR_STOP=1 -d shop -f fill.sql
--
-- Sessions, revocations, policies, keys and bad requests are made with the
-- functions of the extension, and so are their events. None of these functions
-- works in the past, so this script, as the owner of the tables, then moves
-- times of rows back. The tokens are thrown away, and no password fits the
-- accounts.
--

SET search_path = extensions, pg_temp;
SELECT setseed(0.4);

-- Users of the shop and of two tenants. One hash, of a password that is not
-- kept, is for all of them.
INSERT INTO app.users (name, password, created_at)
SELECT name, hash, now() - interval '60 days'
FROM app.hash_password(gen_random_uuid()::text) hash,
     unnest('{amara,bela,chen,dmitri,elif,farid,gita,hugo,ines,jonas,keiko,lucia,maren,noor,
              oskar,priya,quentin,rosa,samir,tove,umar,vera,wanda,ximena,yusuf,zoe}'::text[]) name;

-- What a session is: whose, from where, how old, and how it ended.
CREATE TEMP TABLE plan AS
SELECT u.id AS user_id, n,
       CASE u.place % 3 WHEN 1 THEN 'acme' WHEN 2 THEN 'globex' END AS tenant_id,
       (ARRAY['192.0.2.', '198.51.100.', '203.0.113.', '2001:db8::'])[1 + u.place % 4]
           || (10 + u.place * 3 + n % 2) AS ip,
       (ARRAY['Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0',
              'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/146.0.0.0 Safari/537.36',
              'Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Mobile/15E148 Safari/604.1',
              'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Safari/605.1.15',
              'Mozilla/5.0 (Linux; Android 16; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/146.0.0.0 Mobile Safari/537.36',
              'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/146.0.0.0 Safari/537.36 Edg/146.0.0.0',
              'PantryApp/3.2 (Android 16)', 'curl/8.5.0'])[1 + (u.place + n * n) % 8] AS user_agent,
       date_trunc('milliseconds', now() - interval '1 hour'
                  - interval '24 days' * power(random(), 1.7)) AS created_at,
       random() AS used, random() AS fate, gen_random_uuid() AS id
FROM (SELECT id, row_number() OVER (ORDER BY name) AS place FROM app.users) u,
     generate_series(1, 12) n;

-- Ids are UUIDv7, so that their order is that of creation.
UPDATE plan SET id = (lpad(to_hex((extract(epoch FROM created_at) * 1000)::bigint), 12, '0')
                      || '7' || substr(replace(id::text, '-', ''), 14))::uuid;

-- Every session could live for 30 days, and a few for an hour without use.
SELECT count(session_create(user_id, '{}', tenant_id, 'web_user', ip::inet, user_agent,
    lifetime => '30 days', idle_timeout => CASE WHEN fate > 0.97 THEN '1 hour' ELSE '0' END::interval,
    auth_level => CASE WHEN n % 5 = 0 THEN 2 ELSE 1 END, max_sessions => 0, id => id,
    amr => CASE WHEN n % 5 = 0 THEN '{pwd,otp}' ELSE '{pwd}' END::text[]))
FROM (SELECT * FROM plan ORDER BY created_at) p;

-- Most logouts are users' own. Support has ended some sessions.
SELECT session_revoke_ids(array_agg(id), reason)
FROM (SELECT id, CASE WHEN fate < 0.28 THEN 'logout' WHEN fate < 0.31 THEN 'stolen laptop'
                      WHEN fate < 0.33 THEN 'password changed' END AS reason FROM plan) p
WHERE reason IS NOT NULL GROUP BY reason;

-- Rows to the past. A row that ended a while ago stays until upkeep deletes it:
-- revoked ones for session.revoked_retention, those that were idle for an hour
-- or two.
UPDATE session.sessions s SET
    created_at = p.created_at, authenticated_at = p.created_at,
    last_seen_at = p.seen_at, expires_at = p.created_at + interval '30 days',
    revoked_at = CASE WHEN s.revoked_at IS NOT NULL THEN p.seen_at END,
    purge_at = CASE WHEN s.revoked_at IS NULL THEN p.created_at + interval '31 days'
                    ELSE s.purge_at - (now() - p.seen_at) END
FROM (SELECT id, CASE WHEN fate > 0.97 THEN now() - interval '62 minutes'
                      ELSE created_at + (now() - created_at) * used END AS seen_at,
             LEAST(created_at, now() - interval '62 minutes') AS created_at FROM plan) p
WHERE s.id = p.id;

UPDATE session.events e SET
    at = CASE e.kind WHEN 'created' THEN s.created_at ELSE s.revoked_at END
FROM session.sessions s JOIN plan p ON p.id = s.id
WHERE e.session_id = s.id AND e.kind IN ('created', 'revoked');

-- Policies, keys, and what attackers do: guess tokens, and use a refresh token
-- that was replaced.
SELECT session_policy_set(lifetime => '60 days', max_sessions => 20);
SELECT session_policy_set('acme', idle_timeout => '14 days', bind_user_agent => true);
SELECT session_key_rotate() FROM generate_series(1, 3);
SELECT session_key_rotate('jwt', 'ES256');
SELECT session_key_retire(kid) FROM (
    SELECT kid FROM session.key_ring WHERE purpose = 'session' AND NOT signs
    ORDER BY created_at, kid LIMIT 1) k;
UPDATE session.keys k SET
    created_at = k.created_at - o.age, activated_at = k.activated_at - o.age,
    retired_at = k.retired_at - interval '9 days'
FROM (SELECT kid, interval '40 days' * (row_number() OVER (ORDER BY signs DESC, retired_at NULLS FIRST, kid) - 1)
                  + interval '3 days' AS age
      FROM session.key_ring WHERE purpose = 'session') o
WHERE k.kid = o.kid;

SELECT count(*)
FROM generate_series(1, 60) n LEFT JOIN LATERAL
     session_validate('st_' || rpad(n::text, 64, 'A'), '203.0.113.66', 'python-requests/2.32') ON true;

CREATE TEMP TABLE theft AS
SELECT (c).id, (c).refresh_token AS old FROM (
    SELECT session_create(user_id, role => 'web_user', ip => '192.0.2.40',
                          user_agent => 'PantryApp/3.2 (Android 16)', refreshable => true) c
    FROM (SELECT DISTINCT user_id FROM plan ORDER BY 1 LIMIT 2) u) c;
CREATE TEMP TABLE refreshed AS
SELECT (session_refresh(old)).refresh_token AS new FROM theft;
UPDATE session.sessions SET rotated_at = rotated_at - interval '1 hour'
WHERE id IN (SELECT id FROM theft);
SELECT count(*)
FROM refreshed LEFT JOIN LATERAL session_refresh(new) ON true;
UPDATE session.sessions SET rotated_at = rotated_at - interval '1 hour'
WHERE id IN (SELECT id FROM theft);
SELECT count(*)
FROM theft LEFT JOIN LATERAL session_refresh(old, '203.0.113.66', 'python-requests/2.32') ON true;

-- The administration was done three days ago, when the newest key was made.
UPDATE session.events SET at = at - interval '3 days' WHERE kind = 'administration';

-- Upkeep writes what was noted about them, and deletes rows that are due.
SELECT session_cleanup();
DROP TABLE plan, theft, refreshed;
