-- What bench/scale/run needs in each of its databases. :rows = live sessions,
-- :dead = rows of sessions that have expired, :known = how many sessions are
-- validated, :ending = how many users and sessions end.
SET client_min_messages = warning;
CREATE EXTENSION session;
CREATE SCHEMA bench;

DO $$
BEGIN
    CREATE ROLE bench_app LOGIN;
EXCEPTION WHEN duplicate_object THEN
    NULL;
END $$;
GRANT USAGE ON SCHEMA bench TO bench_app;
SELECT session_grant('bench_app', 'app') \g /dev/null
-- For comparison, the bench reads a row as any program would.
GRANT USAGE ON SCHEMA session TO bench_app;
GRANT SELECT ON session.sessions TO bench_app;

-- Sessions live for 30 days. The live ones were made in the last 29 days, and the
-- dead ones in the 30 days that ended a day before.
SELECT (extract(epoch FROM now() - interval '29 days') * 1000)::bigint AS begin,
       29 * 86400000.0 / :rows AS step,
       30 * 86400000.0 / :dead AS dead_step,
       greatest(:rows / 5, 1) AS users \gset

-- When session n was made, in ms since 1970. The dead ones have the numbers from
-- -1 down.
CREATE FUNCTION bench.made(n int) RETURNS bigint LANGUAGE sql IMMUTABLE
RETURN :begin + CASE WHEN n > 0 THEN n * :step::float8 ELSE n * :dead_step::float8 - 86400000 END::bigint;

-- Its id, a UUIDv7 of that time, its secret, and its token.
CREATE FUNCTION bench.id(n int) RETURNS uuid LANGUAGE sql IMMUTABLE
RETURN (lpad(to_hex(bench.made(n)), 12, '0') || '7' || substr(md5(n::text), 1, 3)
        || '8' || substr(md5(n::text), 4, 15))::uuid;
CREATE FUNCTION bench.secret(n int) RETURNS bytea LANGUAGE sql IMMUTABLE
RETURN sha256(int4send(n));
CREATE FUNCTION bench.token(n int) RETURNS text LANGUAGE sql IMMUTABLE
RETURN 'st_' || translate(encode(uuid_send(bench.id(n)) || bench.secret(n), 'base64'),
                          E'+/=\n', '-_');

-- The number of its user. A user has five sessions, made at different times.
CREATE FUNCTION bench.usr(n int) RETURNS int LANGUAGE sql IMMUTABLE
RETURN n::bigint * 1000003 % :users;

-- One statement makes all sessions, in the order of their ids.
INSERT INTO session.sessions (id, token_hash, user_id, tenant_id, auth_level, data,
                              ip, user_agent, created_at, authenticated_at,
                              last_seen_at, expires_at, purge_at)
SELECT bench.id(n), sha256(bench.secret(n)), 'user-' || abs(bench.usr(n)), 'tenant-' || n % 1000,
       1, ('{"theme": "dark", "locale": "en", "cart": [' || n || ']}')::jsonb,
       '192.0.2.1'::inet + n % 200,
       'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0',
       t, t, t, t + interval '720 hours', date_trunc('hour', t) + interval '721 hours'
  FROM generate_series(-(:dead)::int, :rows) AS n,
       LATERAL (SELECT to_timestamp(bench.made(n) / 1000.0)) AS life (t)
 WHERE n <> 0;
VACUUM (FREEZE, ANALYZE) session.sessions;

-- The sessions that are used, spread evenly over all.
CREATE TABLE bench.known AS
SELECT bench.token(n) AS token, bench.id(n) AS id, 'user-' || bench.usr(n) AS usr
  FROM generate_series(1, :known) AS i,
       LATERAL (SELECT (i::bigint * :rows / :known)::int) AS s (n);

-- Tokens of random sessions among all.
CREATE FUNCTION bench.random_tokens(count int) RETURNS SETOF text LANGUAGE sql
RETURN bench.token(1 + floor(random() * :rows)::int + 0 * generate_series(1, count));

-- Users of one half, whose sessions end, and sessions of users of the other half,
-- which end one by one.
CREATE TABLE bench.users AS
SELECT 'user-' || i::bigint * :users / 2 / :ending AS usr FROM generate_series(0, :ending - 1) AS i;
CREATE TABLE bench.ending AS
SELECT bench.token(n) AS token
  FROM (SELECT (i::bigint * :rows / (4 * :ending))::int FROM generate_series(1, 4 * :ending) AS i) AS s (n)
 WHERE bench.usr(n) > :users / 2;
GRANT SELECT, DELETE ON ALL TABLES IN SCHEMA bench TO bench_app;
VACUUM (FREEZE, ANALYZE) bench.known, bench.users, bench.ending;
CHECKPOINT;
