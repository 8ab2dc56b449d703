-- What several benches share: tokens that follow from a number, and the table of
-- connect-pg-simple. The setup.sql of a bench includes it.
CREATE SCHEMA bench;

-- The id of session n. Ids ascend like the UUIDv7 of real sessions; secrets do
-- not.
CREATE FUNCTION bench.id(n int) RETURNS uuid LANGUAGE sql IMMUTABLE
RETURN (lpad(to_hex(1700000000000 + n), 12, '0') || '7' || substr(md5(n::text), 1, 3)
        || '8' || substr(md5(n::text), 4, 15))::uuid;

CREATE FUNCTION bench.secret(n int) RETURNS bytea LANGUAGE sql IMMUTABLE
RETURN sha256(('s' || n::text)::bytea);

CREATE FUNCTION bench.token(n int) RETURNS text LANGUAGE sql IMMUTABLE
RETURN 'st_' || translate(encode(uuid_send(bench.id(n)) || bench.secret(n), 'base64'),
                          E'+/=\n', '-_');

-- connect-pg-simple: its table, as its own table.sql creates it. A sid is 32
-- random characters.
CREATE TABLE "session" (
    "sid" varchar NOT NULL COLLATE "default",
    "sess" json NOT NULL,
    "expire" timestamp(6) NOT NULL
) WITH (OIDS = FALSE);
ALTER TABLE "session" ADD CONSTRAINT "session_pkey" PRIMARY KEY ("sid");
CREATE INDEX "IDX_session_expire" ON "session" ("expire");

CREATE FUNCTION bench.sid(n int) RETURNS text LANGUAGE sql IMMUTABLE
RETURN md5('sid' || n::text);

-- Makes that many sessions, five for a user, and the same ones for
-- connect-pg-simple.
CREATE PROCEDURE bench.load_sessions(rows int) LANGUAGE sql AS $$
INSERT INTO session.sessions (id, token_hash, user_id, tenant_id, auth_level, data,
                              ip, user_agent, created_at, authenticated_at,
                              last_seen_at, expires_at, purge_at)
SELECT bench.id(n), sha256(bench.secret(n)), 'user-' || n % (rows / 5), 'tenant-' || n % 100,
       1, jsonb_build_object('locale', 'en', 'theme', 'dark', 'cart',
                             jsonb_build_array(jsonb_build_object('item', n, 'count', 1))),
       '192.0.2.1'::inet + n % 200,
       'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0',
       now(), now(), now(), now() + interval '30 days',
       date_trunc('hour', now() + interval '30 days') + interval '1 hour'
FROM generate_series(1, rows) n;

INSERT INTO "session" (sid, sess, expire)
SELECT bench.sid(n),
       json_build_object('cookie', json_build_object('originalMaxAge', 2592000000,
                             'expires', expires_at, 'httpOnly', true, 'path', '/'),
                         'user', user_id, 'data', data),
       expires_at
FROM generate_series(1, rows) n JOIN session.sessions ON id = bench.id(n);
$$;
