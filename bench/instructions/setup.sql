/*
 * Sessions, tokens and cookies for count.pl.  A single-user server reads this
 * file: a semicolon and an empty line end a statement.
 */
CREATE EXTENSION session;

CREATE SCHEMA perf;

/* The rows of the reference: like sessions, but no change of ours moves them. */
CREATE TABLE perf.rows (
    id uuid PRIMARY KEY,
    user_id text COLLATE "C",
    data jsonb NOT NULL,
    hash bytea NOT NULL,
    purge_at timestamptz NOT NULL
);

CREATE INDEX ON perf.rows (user_id);

INSERT INTO perf.rows
SELECT md5(n::text)::uuid, 'user-' || n,
       jsonb_build_object('theme', 'dark', 'cart', jsonb_build_array(n)),
       sha256(n::text::bytea), 'infinity'
FROM generate_series(1, 1000) AS n;

SELECT session_key_rotate();

/* The arguments, one row for each call. */
CREATE TABLE perf.calls AS
SELECT n, c.token, r.refresh_token,
       session_cookie_encode(payload, 'compact') AS compact,
       session_cookie_encode(payload, 'jwt') AS jwt
FROM generate_series(1, 1000) AS n,
     jsonb_build_object('sub', 'user-' || n, 'role', 'member',
                        'cart', jsonb_build_array(n), 'theme', 'dark') AS payload,
     session_create('user-' || n, '{"theme": "dark", "cart": [1]}', 'acme',
                    ip => '192.0.2.1',
                    user_agent => 'Mozilla/5.0 (X11; Linux x86_64)') AS c,
     session_create('user-' || n, '{"theme": "dark", "cart": [1]}', 'acme',
                    refreshable => true) AS r;

ALTER TABLE perf.calls ADD PRIMARY KEY (n);

ALTER TABLE perf.calls ADD sealed text;

SET session.encrypt_data = on;

UPDATE perf.calls SET sealed = (session_create('user-' || n, '{"theme": "dark", "cart": [1]}')).token;

SET session.encrypt_data = off;

/*
 * Tokens that are refused.  Of "far", the hash in the row differs from that of
 * the token in its first byte, of "near" in its last byte.  Of "wrong", the
 * first character of the secret is another, and of "unknown", one of the id.
 */
ALTER TABLE perf.calls ADD far text, ADD near text, ADD wrong text, ADD unknown text;

UPDATE perf.calls SET
    far = (session_create('far', id => md5('far' || n)::uuid)).token,
    near = (session_create('near', id => md5('near' || n)::uuid)).token,
    wrong = overlay(token placing translate(substr(token, 26, 1), 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_', 'BCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_A') from 26),
    unknown = overlay(token placing translate(substr(token, 20, 1), 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_', 'BCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_A') from 20);

UPDATE session.sessions SET token_hash = set_byte(token_hash, 0, get_byte(token_hash, 0) # 1) WHERE user_id = 'far';

UPDATE session.sessions SET token_hash = set_byte(token_hash, 31, get_byte(token_hash, 31) # 1) WHERE user_id = 'near';

VACUUM (FREEZE, ANALYZE);

CHECKPOINT;
