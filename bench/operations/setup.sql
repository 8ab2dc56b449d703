-- The extension, the same job in PL/pgSQL with pgcrypto, the table of
-- connect-pg-simple, and :rows sessions in each, five for a user.
SET client_min_messages = warning;
CREATE EXTENSION session;
CREATE EXTENSION pgcrypto;
\ir ../sessions.sql

CREATE ROLE bench_app LOGIN;
GRANT USAGE ON SCHEMA bench TO bench_app;
SELECT session_grant('bench_app', 'app') \g /dev/null
SELECT session_grant('bench_app', 'admin') \g /dev/null

GRANT SELECT, INSERT, UPDATE, DELETE ON "session" TO bench_app;

/*
 * PL/pgSQL with pgcrypto. The table has the columns, the checks, the indexes
 * and the fillfactor of session.sessions; only the sealed key has another
 * length. Names are qualified, so that the functions need no SET search_path.
 */

CREATE TABLE bench.sessions (LIKE session.sessions INCLUDING ALL) WITH (fillfactor = 70);
ALTER TABLE bench.sessions DROP CONSTRAINT sessions_refresh_key_is_sealed;

-- The key that seals the keys of refresh tokens.
CREATE TABLE bench.master (key bytea NOT NULL);
INSERT INTO bench.master VALUES (gen_random_bytes(32));

CREATE FUNCTION bench.base64url(bytes bytea) RETURNS text LANGUAGE sql IMMUTABLE
RETURN translate(encode(bytes, 'base64'), E'+/=\n', '-_');

-- Returns what a token consists of, or NULL if it cannot be one.
CREATE FUNCTION bench.token_bytes(prefix text, token text) RETURNS bytea
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF length(token) <> 67 OR NOT starts_with(token, prefix)
       OR token !~ '^.{3}[A-Za-z0-9_-]{64}$'
    THEN
        RETURN NULL;
    END IF;
    RETURN decode(translate(substr(token, 4), '-_', '+/'), 'base64');
END $$;

CREATE FUNCTION bench.new_id() RETURNS uuid LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    random text := encode(public.gen_random_bytes(9), 'hex');
BEGIN
    RETURN (lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0')
            || '7' || substr(random, 1, 3) || '8' || substr(random, 4, 15))::uuid;
END $$;

-- The MAC of a refresh token, and the secret of the session token beside it.
CREATE FUNCTION bench.derive(use text, id uuid, generation int, key bytea) RETURNS bytea
LANGUAGE sql IMMUTABLE
RETURN public.hmac(use::bytea || uuid_send(id) || int4send(generation), key, 'sha256');

CREATE FUNCTION bench.pair(id uuid, generation int, key bytea,
                           OUT token text, OUT refresh_token text)
LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
    SELECT 'st_' || bench.base64url(uuid_send(id) || bench.derive('session', id, generation, key)),
           'rt_' || bench.base64url(uuid_send(id) || int4send(generation)
                                    || substr(bench.derive('refresh', id, generation, key), 1, 28));
END;

CREATE FUNCTION bench.login(user_id text, data jsonb, tenant_id text, ip inet, user_agent text,
                            refreshable boolean, OUT token text, OUT refresh_token text)
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    moment timestamptz := clock_timestamp();
    deadline timestamptz := moment + interval '24 hours';
    new_id uuid := bench.new_id();
    secret bytea;
    key bytea;
    iv bytea;
    sealed bytea;
BEGIN
    IF user_id IS NULL OR user_id = '' OR octet_length(user_id) > 256
       OR tenant_id = '' OR octet_length(tenant_id) > 256
    THEN
        RAISE 'invalid name' USING ERRCODE = '22023';
    ELSIF jsonb_typeof(data) IS DISTINCT FROM 'object' THEN
        RAISE 'data is not an object' USING ERRCODE = '22023';
    ELSIF pg_column_size(data) > 65536 THEN
        RAISE 'data is too large' USING ERRCODE = '54000';
    END IF;
    IF refreshable THEN
        key := public.gen_random_bytes(32);
        iv := public.gen_random_bytes(16);
        sealed := iv || public.encrypt_iv(key, (SELECT m.key FROM bench.master m), iv, 'aes-cbc');
        SELECT * INTO token, refresh_token FROM bench.pair(new_id, 1, key);
        secret := bench.derive('session', new_id, 1, key);
    ELSE
        secret := public.gen_random_bytes(32);
        token := 'st_' || bench.base64url(uuid_send(new_id) || secret);
    END IF;
    INSERT INTO bench.sessions
        (id, token_hash, user_id, tenant_id, auth_level, data, ip, user_agent, created_at,
         authenticated_at, last_seen_at, expires_at, refresh_key, refresh_generation,
         refresh_expires_at, purge_at)
    VALUES
        (new_id, public.digest(secret, 'sha256'), user_id, tenant_id, 1, data, ip,
         left(user_agent, 1024), moment, moment, moment,
         CASE WHEN refreshable THEN moment + interval '15 min' ELSE deadline END, sealed,
         CASE WHEN refreshable THEN 1 END,
         CASE WHEN refreshable THEN moment + interval '30 days' END,
         date_trunc('hour', CASE WHEN refreshable THEN moment + interval '30 days' ELSE deadline END)
         + interval '1 hour');
END $$;

CREATE FUNCTION bench.logout(token text) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    moment timestamptz := clock_timestamp();
    bytes bytea := bench.token_bytes('st_', token);
BEGIN
    UPDATE bench.sessions s
    SET revoked_at = moment, revoked_reason = 'logout',
        purge_at = date_trunc('hour', moment + interval '24 hours') + interval '1 hour'
    WHERE s.id = encode(substr(bytes, 1, 16), 'hex')::uuid
      AND s.token_hash = public.digest(substr(bytes, 17), 'sha256')
      AND s.revoked_at IS NULL AND s.expires_at > moment
      AND (s.idle_timeout IS NULL OR s.last_seen_at + s.idle_timeout > moment);
    RETURN FOUND;
END $$;

CREATE FUNCTION bench.extend(token text) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    moment timestamptz := clock_timestamp();
    bytes bytea := bench.token_bytes('st_', token);
BEGIN
    UPDATE bench.sessions s
    SET expires_at = LEAST(moment + (s.expires_at - COALESCE(s.refreshed_at, s.created_at)), s.max_expires_at),
        refreshed_at = moment, last_seen_at = moment,
        purge_at = GREATEST(s.purge_at, date_trunc('hour', LEAST(
                       moment + (s.expires_at - COALESCE(s.refreshed_at, s.created_at)), s.max_expires_at))
                       + interval '1 hour')
    WHERE s.id = encode(substr(bytes, 1, 16), 'hex')::uuid
      AND s.token_hash = public.digest(substr(bytes, 17), 'sha256')
      AND s.revoked_at IS NULL AND s.expires_at > moment
      AND (s.idle_timeout IS NULL OR s.last_seen_at + s.idle_timeout > moment);
    RETURN FOUND;
END $$;

-- Rotates. The pair before is given again for ten seconds; an older refresh
-- token ends the session.
CREATE FUNCTION bench.rotate(used text, OUT token text, OUT refresh_token text)
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    moment timestamptz := clock_timestamp();
    bytes bytea := bench.token_bytes('rt_', used);
    s bench.sessions;
    key bytea;
    generation int;
BEGIN
    SELECT * INTO s FROM bench.sessions r
    WHERE r.id = encode(substr(bytes, 1, 16), 'hex')::uuid FOR UPDATE;
    IF s.id IS NULL OR s.refresh_key IS NULL OR s.revoked_at IS NOT NULL
       OR s.refresh_expires_at <= moment
    THEN
        RETURN;
    END IF;
    key := public.decrypt_iv(substr(s.refresh_key, 17), (SELECT m.key FROM bench.master m),
                             substr(s.refresh_key, 1, 16), 'aes-cbc');
    generation := ('x' || encode(substr(bytes, 17, 4), 'hex'))::bit(32)::int;
    IF substr(bytes, 21) <> substr(bench.derive('refresh', s.id, generation, key), 1, 28) THEN
        RETURN;
    ELSIF generation = s.refresh_generation - 1 AND s.rotated_at > moment - interval '10 s' THEN
        SELECT * INTO token, refresh_token FROM bench.pair(s.id, s.refresh_generation, key);
        RETURN;
    ELSIF generation < s.refresh_generation THEN
        UPDATE bench.sessions r SET revoked_at = moment, revoked_reason = 'refresh_reuse' WHERE r.id = s.id;
        RETURN;
    END IF;
    UPDATE bench.sessions r
    SET token_hash = public.digest(bench.derive('session', s.id, generation + 1, key), 'sha256'),
        refresh_generation = generation + 1, rotated_at = moment, refreshed_at = moment,
        last_seen_at = moment,
        expires_at = LEAST(moment + interval '15 min', s.refresh_expires_at)
    WHERE r.id = s.id;
    SELECT * INTO token, refresh_token FROM bench.pair(s.id, generation + 1, key);
END $$;

CREATE FUNCTION bench.list(who text) RETURNS SETOF bench.sessions
ROWS 10 LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    moment timestamptz := clock_timestamp();
BEGIN
    RETURN QUERY
    SELECT s.* FROM bench.sessions s
    WHERE s.user_id = who AND s.revoked_at IS NULL AND s.expires_at > moment
      AND (s.idle_timeout IS NULL OR s.last_seen_at + s.idle_timeout > moment)
    ORDER BY s.created_at DESC;
END $$;

CREATE FUNCTION bench.revoke_user(who text) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    moment timestamptz := clock_timestamp();
    revoked bigint;
BEGIN
    UPDATE bench.sessions s
    SET revoked_at = moment, revoked_reason = 'user',
        purge_at = date_trunc('hour', moment + interval '24 hours') + interval '1 hour'
    WHERE s.user_id = who AND s.revoked_at IS NULL AND s.expires_at > moment
      AND (s.idle_timeout IS NULL OR s.last_seen_at + s.idle_timeout > moment);
    GET DIAGNOSTICS revoked = ROW_COUNT;
    RETURN revoked;
END $$;

-- Puts the user of a token into a setting, for row-level security. Every role
-- that can run SQL can set it, too.
CREATE FUNCTION bench.authenticate(token text) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    moment timestamptz := clock_timestamp();
    bytes bytea := bench.token_bytes('st_', token);
    who text;
BEGIN
    SELECT s.user_id INTO who FROM bench.sessions s
    WHERE s.id = encode(substr(bytes, 1, 16), 'hex')::uuid
      AND s.token_hash = public.digest(substr(bytes, 17), 'sha256')
      AND s.revoked_at IS NULL AND s.expires_at > moment
      AND (s.idle_timeout IS NULL OR s.last_seen_at + s.idle_timeout > moment);
    PERFORM set_config('bench.user', coalesce(who, ''), true);
    RETURN who IS NOT NULL;
END $$;

/*
 * The sessions, and 20 notes of each user.
 */

CALL bench.load_sessions(:rows);
INSERT INTO bench.sessions SELECT * FROM session.sessions;

-- The same notes twice, with a policy each.
CREATE TABLE bench.notes (id int PRIMARY KEY, owner text NOT NULL, body text NOT NULL);
INSERT INTO bench.notes
SELECT n, 'user-' || n % (:rows / 5), 'note number ' || n FROM generate_series(1, :rows * 4) n;
CREATE INDEX ON bench.notes (owner, id);
CREATE TABLE bench.plpgsql_notes (LIKE bench.notes INCLUDING ALL);
INSERT INTO bench.plpgsql_notes SELECT * FROM bench.notes;
ALTER TABLE bench.notes ENABLE ROW LEVEL SECURITY;
ALTER TABLE bench.plpgsql_notes ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON bench.notes USING (owner = session_user_id());
CREATE POLICY own ON bench.plpgsql_notes USING (owner = current_setting('bench.user', true));
GRANT SELECT ON bench.notes, bench.plpgsql_notes TO bench_app;

VACUUM (FREEZE, ANALYZE);
CHECKPOINT;
