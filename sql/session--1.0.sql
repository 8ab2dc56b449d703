/* session 1.0: what CREATE EXTENSION session installs */

-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION session" to load this file. \quit

/*
 * Private storage.  The schema is ours alone: the script fails if there is
 * one of that name, and PUBLIC gets nothing in it.
 */

CREATE SCHEMA session;
REVOKE ALL ON SCHEMA session FROM PUBLIC;

COMMENT ON SCHEMA session IS
'Private storage of the extension "session"; its functions are the way in.';

/*
 * One row a session.  Texts compare by byte, so the indexes do not depend on
 * a collation library.  Nothing that activity, rotation and data change is
 * indexed, and pages keep room, so that those updates are HOT.
 */
CREATE TABLE session.sessions
(
    id                 pg_catalog.uuid NOT NULL,
    token_hash         pg_catalog.bytea NOT NULL,
    user_id            pg_catalog.text COLLATE pg_catalog."C",
    tenant_id          pg_catalog.text COLLATE pg_catalog."C",
    role               pg_catalog.text COLLATE pg_catalog."C",
    auth_level         pg_catalog.int4 NOT NULL,
    data               pg_catalog.jsonb NOT NULL,
    ip                 pg_catalog.inet,
    user_agent         pg_catalog.text COLLATE pg_catalog."C",
    created_at         pg_catalog.timestamptz NOT NULL,
    authenticated_at   pg_catalog.timestamptz,
    refreshed_at       pg_catalog.timestamptz,
    last_seen_at       pg_catalog.timestamptz NOT NULL,
    expires_at         pg_catalog.timestamptz NOT NULL,
    idle_timeout       pg_catalog.interval,
    max_expires_at     pg_catalog.timestamptz,
    refresh_key        pg_catalog.bytea,
    refresh_generation pg_catalog.int4,
    refresh_expires_at pg_catalog.timestamptz,
    rotated_at         pg_catalog.timestamptz,
    revoked_at         pg_catalog.timestamptz,
    revoked_reason     pg_catalog.text COLLATE pg_catalog."C",
    purge_at           pg_catalog.timestamptz NOT NULL,
    CONSTRAINT sessions_pkey PRIMARY KEY (id),
    CONSTRAINT sessions_token_hash_is_sha256
        CHECK (pg_catalog.octet_length(token_hash) OPERATOR(pg_catalog.=) 32),
    CONSTRAINT sessions_expiry_is_within_cap
        CHECK (expires_at OPERATOR(pg_catalog.<=) max_expires_at),
    CONSTRAINT sessions_times_are_finite
        CHECK (pg_catalog.isfinite(created_at) AND
               pg_catalog.isfinite(last_seen_at) AND
               pg_catalog.isfinite(revoked_at)),
    CONSTRAINT sessions_idle_timeout_is_positive
        CHECK (idle_timeout OPERATOR(pg_catalog.>) INTERVAL '0'),
    CONSTRAINT sessions_authenticated_has_user
        CHECK (user_id IS NOT NULL OR
               (authenticated_at IS NULL AND
                auth_level OPERATOR(pg_catalog.=) 0)),
    CONSTRAINT sessions_revoked_has_reason
        CHECK ((revoked_at IS NULL) OPERATOR(pg_catalog.=)
               (revoked_reason IS NULL))
)
WITH (fillfactor = 70);

CREATE INDEX sessions_user_id_idx ON session.sessions (user_id);
CREATE INDEX sessions_tenant_id_idx ON session.sessions (tenant_id)
    WHERE tenant_id IS NOT NULL;
CREATE INDEX sessions_purge_at_idx ON session.sessions (purge_at);

REVOKE ALL ON TABLE session.sessions FROM PUBLIC;

COMMENT ON TABLE session.sessions IS
'One row a session.  Nothing in it authenticates: a token cannot be made from its hash.';
COMMENT ON COLUMN session.sessions.id IS
'Public name of the session, safe to log and to show; UUIDv7 unless the caller gave one.';
COMMENT ON COLUMN session.sessions.token_hash IS
'SHA-256 of the 32 secret bytes in the session token.';
COMMENT ON COLUMN session.sessions.user_id IS
'Whose session it is, as the application names its users; NULL = anonymous.';
COMMENT ON COLUMN session.sessions.tenant_id IS
'The tenant within which the user is meant; NULL = none.';
COMMENT ON COLUMN session.sessions.role IS
'Database role for row-level security; NULL = none.';
COMMENT ON COLUMN session.sessions.auth_level IS
'Factors proven: 0 = anonymous, 1 = one factor, 2 = two, and so on.';
COMMENT ON COLUMN session.sessions.data IS
'The application''s own data, a JSON object.';
COMMENT ON COLUMN session.sessions.ip IS
'Address the session was created from.';
COMMENT ON COLUMN session.sessions.user_agent IS
'User agent the session was created with, cut to 1024 bytes.';
COMMENT ON COLUMN session.sessions.created_at IS
'When the session was made; never moves.';
COMMENT ON COLUMN session.sessions.authenticated_at IS
'When somebody last proved who they are; NULL = anonymous.';
COMMENT ON COLUMN session.sessions.refreshed_at IS
'When the lifetime last started again; NULL = never.';
COMMENT ON COLUMN session.sessions.last_seen_at IS
'When the session was last used, as far as that has been written down.';
COMMENT ON COLUMN session.sessions.expires_at IS
'Hard deadline; infinity when only the idle timeout ends the session.';
COMMENT ON COLUMN session.sessions.idle_timeout IS
'How long the session may go unused; NULL = for ever.  A month is 30 days and a day 24 hours.';
COMMENT ON COLUMN session.sessions.max_expires_at IS
'Cap that no refresh moves expires_at past; NULL = none.';
COMMENT ON COLUMN session.sessions.refresh_key IS
'Sealed key of a refreshable session; NULL otherwise.';
COMMENT ON COLUMN session.sessions.refresh_generation IS
'How often the tokens of a refreshable session were rotated; NULL otherwise.';
COMMENT ON COLUMN session.sessions.refresh_expires_at IS
'Deadline of the refresh token of a refreshable session; NULL otherwise.';
COMMENT ON COLUMN session.sessions.rotated_at IS
'When the tokens of a refreshable session were last rotated; NULL otherwise.';
COMMENT ON COLUMN session.sessions.revoked_at IS
'When the session was revoked; the row stays for session.revoked_retention to say so.';
COMMENT ON COLUMN session.sessions.revoked_reason IS
'Why: logout, admin, user, tenant, evicted, binding_mismatch, or the caller''s own word.';
COMMENT ON COLUMN session.sessions.purge_at IS
'When the row may be deleted: its end, rounded up to the hour, or up to an hour later.';
COMMENT ON INDEX session.sessions_user_id_idx IS
'Finds the sessions of a user, to list, count and revoke them.';
COMMENT ON INDEX session.sessions_tenant_id_idx IS
'Finds the sessions of a tenant, to revoke them.';
COMMENT ON INDEX session.sessions_purge_at_idx IS
'Finds the rows whose time to be deleted has come.';

/*
 * What functions return.
 */

CREATE TYPE @extschema@.session_credentials AS
(
    id                 pg_catalog.uuid,
    token              pg_catalog.text,
    refresh_token      pg_catalog.text,
    expires_at         pg_catalog.timestamptz,
    refresh_expires_at pg_catalog.timestamptz
);

COMMENT ON TYPE @extschema@.session_credentials IS
'What a client needs to come back: the token goes into a cookie and is never shown again.  refresh_token and refresh_expires_at are NULL unless the session is refreshable.';

CREATE TYPE @extschema@.session_info AS
(
    id                 pg_catalog.uuid,
    status             pg_catalog.text,
    user_id            pg_catalog.text,
    tenant_id          pg_catalog.text,
    role               pg_catalog.text,
    auth_level         pg_catalog.int4,
    data               pg_catalog.jsonb,
    ip                 pg_catalog.inet,
    user_agent         pg_catalog.text,
    created_at         pg_catalog.timestamptz,
    authenticated_at   pg_catalog.timestamptz,
    last_seen_at       pg_catalog.timestamptz,
    expires_at         pg_catalog.timestamptz,
    current            pg_catalog.bool
);

COMMENT ON TYPE @extschema@.session_info IS
'A session as it may be shown.  status is active, revoked, expired or idle; expires_at is when it ends if it is not used again; current says that this transaction proved or made it.';

/*
 * A session's life.  Level: app.
 *
 * All of these read what is committed at the moment of the call, so they are
 * VOLATILE, and take a snapshot of their own, so they are PARALLEL UNSAFE.
 */

CREATE FUNCTION @extschema@.session_create(
    user_id pg_catalog.text DEFAULT NULL,
    data pg_catalog.jsonb DEFAULT '{}',
    tenant_id pg_catalog.text DEFAULT NULL,
    role pg_catalog.text DEFAULT NULL,
    ip pg_catalog.inet DEFAULT NULL,
    user_agent pg_catalog.text DEFAULT NULL,
    lifetime pg_catalog.interval DEFAULT NULL,
    idle_timeout pg_catalog.interval DEFAULT NULL,
    auth_level pg_catalog.int4 DEFAULT 1,
    refreshable pg_catalog.bool DEFAULT false,
    max_sessions pg_catalog.int4 DEFAULT NULL,
    id pg_catalog.uuid DEFAULT NULL)
RETURNS @extschema@.session_credentials
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_create';
REVOKE ALL ON FUNCTION @extschema@.session_create(
    pg_catalog.text, pg_catalog.jsonb, pg_catalog.text, pg_catalog.text,
    pg_catalog.inet, pg_catalog.text, pg_catalog.interval,
    pg_catalog.interval, pg_catalog.int4, pg_catalog.bool,
    pg_catalog.int4, pg_catalog.uuid) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_create(
    pg_catalog.text, pg_catalog.jsonb, pg_catalog.text, pg_catalog.text,
    pg_catalog.inet, pg_catalog.text, pg_catalog.interval,
    pg_catalog.interval, pg_catalog.int4, pg_catalog.bool,
    pg_catalog.int4, pg_catalog.uuid) IS
'Makes a session and returns its token (67 characters), id and deadline.
user_id NULL makes an anonymous session.  lifetime, idle_timeout and max_sessions default to the settings of those names; zero means no idle timeout and no limit.  id defaults to a new UUIDv7.
Errors: 22023 and 22004 for arguments outside their domain, 54000 for data or names that are too large, 53400 when the user has too many sessions and session.on_limit is reject, 23505 when the id is taken.';

CREATE FUNCTION @extschema@.session_validate(
    token pg_catalog.text,
    ip pg_catalog.inet DEFAULT NULL,
    user_agent pg_catalog.text DEFAULT NULL)
RETURNS SETOF @extschema@.session_info
ROWS 1
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_validate';
REVOKE ALL ON FUNCTION @extschema@.session_validate(
    pg_catalog.text, pg_catalog.inet, pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_validate(
    pg_catalog.text, pg_catalog.inet, pg_catalog.text) IS
'Returns the session of a token, or no row unless it is active.  Counts as use of the session.
ip and user_agent are those of the request; they decide when session.bind_ip or session.bind_user_agent is on.';

CREATE FUNCTION @extschema@.session_status(
    token pg_catalog.text,
    ip pg_catalog.inet DEFAULT NULL,
    user_agent pg_catalog.text DEFAULT NULL)
RETURNS pg_catalog.text
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_status';
REVOKE ALL ON FUNCTION @extschema@.session_status(
    pg_catalog.text, pg_catalog.inet, pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_status(
    pg_catalog.text, pg_catalog.inet, pg_catalog.text) IS
'Says what a token is worth: active, malformed, unknown, revoked, expired, idle or binding.  Changes nothing.  For the application, not for its clients.';

CREATE FUNCTION @extschema@.session_is_valid(token pg_catalog.text)
RETURNS pg_catalog.bool
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_is_valid';
REVOKE ALL ON FUNCTION @extschema@.session_is_valid(pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_is_valid(pg_catalog.text) IS
'Is this the token of an active session?  Changes nothing.  False while binding is on, because the call does not say where the request comes from.';

CREATE FUNCTION @extschema@.session_is_expired(token pg_catalog.text)
RETURNS pg_catalog.bool
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_is_expired';
REVOKE ALL ON FUNCTION @extschema@.session_is_expired(pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_is_expired(pg_catalog.text) IS
'Is this the token of a session that ended because its time was up?  Changes nothing.';

CREATE FUNCTION @extschema@.session_touch(token pg_catalog.text)
RETURNS pg_catalog.bool
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_touch';
REVOKE ALL ON FUNCTION @extschema@.session_touch(pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_touch(pg_catalog.text) IS
'Records at once that a session was used, without the throttle of session_validate; false unless it is live.';

CREATE FUNCTION @extschema@.session_refresh(token pg_catalog.text)
RETURNS SETOF @extschema@.session_credentials
ROWS 1
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_refresh';
REVOKE ALL ON FUNCTION @extschema@.session_refresh(pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_refresh(pg_catalog.text) IS
'Starts the lifetime of a live session again, up to its cap, and returns its credentials with the same token; no row unless it is live.';

CREATE FUNCTION @extschema@.session_regenerate(
    token pg_catalog.text,
    user_id pg_catalog.text DEFAULT NULL,
    role pg_catalog.text DEFAULT NULL,
    auth_level pg_catalog.int4 DEFAULT NULL)
RETURNS SETOF @extschema@.session_credentials
ROWS 1
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_regenerate';
REVOKE ALL ON FUNCTION @extschema@.session_regenerate(
    pg_catalog.text, pg_catalog.text, pg_catalog.text, pg_catalog.int4) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_regenerate(
    pg_catalog.text, pg_catalog.text, pg_catalog.text, pg_catalog.int4) IS
'Gives a live session a new token, under the same id and with the same data; the old token is dead from then on.  No row unless it is live.
user_id logs an anonymous session in, role and auth_level change its privileges; NULL leaves them.  Logging in and setting auth_level count as authentication: they start the lifetime again.
Errors: 22023 when the session belongs to another user, 53400 as in session_create.';

CREATE FUNCTION @extschema@.session_revoke(token pg_catalog.text)
RETURNS pg_catalog.bool
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_revoke';
REVOKE ALL ON FUNCTION @extschema@.session_revoke(pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_revoke(pg_catalog.text) IS
'Ends the session of a token, with the reason logout; false unless it was live.';

/*
 * The data of a session.  Level: app.
 */

CREATE FUNCTION @extschema@.session_data(token pg_catalog.text)
RETURNS pg_catalog.jsonb
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_data';
REVOKE ALL ON FUNCTION @extschema@.session_data(pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_data(pg_catalog.text) IS
'The data of a live session, a JSON object; NULL unless it is live.  Counts as use of the session.';

CREATE FUNCTION @extschema@.session_data_get(
    token pg_catalog.text,
    key pg_catalog.text)
RETURNS pg_catalog.jsonb
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_data_get';
REVOKE ALL ON FUNCTION @extschema@.session_data_get(pg_catalog.text, pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_data_get(pg_catalog.text, pg_catalog.text) IS
'The value of a key in the data of a live session; NULL when there is none, ''null'' for a JSON null.  Counts as use of the session.';

CREATE FUNCTION @extschema@.session_data_pop(
    token pg_catalog.text,
    key pg_catalog.text)
RETURNS pg_catalog.jsonb
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_data_pop';
REVOKE ALL ON FUNCTION @extschema@.session_data_pop(pg_catalog.text, pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_data_pop(pg_catalog.text, pg_catalog.text) IS
'Removes a key from the data of a live session and returns its value; NULL when there is none.  Of several at once, one gets the value.';

CREATE FUNCTION @extschema@.session_data_set(
    token pg_catalog.text,
    key pg_catalog.text,
    value pg_catalog.jsonb)
RETURNS pg_catalog.bool
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_data_set';
REVOKE ALL ON FUNCTION @extschema@.session_data_set(
    pg_catalog.text, pg_catalog.text, pg_catalog.jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_data_set(
    pg_catalog.text, pg_catalog.text, pg_catalog.jsonb) IS
'Sets a key in the data of a session and leaves the others; false unless it is live.
Errors: 22004 for a NULL key or value, 54000 when the data would exceed session.max_data_size.';

CREATE FUNCTION @extschema@.session_data_delete(
    token pg_catalog.text,
    key pg_catalog.text)
RETURNS pg_catalog.bool
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_data_delete';
REVOKE ALL ON FUNCTION @extschema@.session_data_delete(pg_catalog.text, pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_data_delete(pg_catalog.text, pg_catalog.text) IS
'Removes a key from the data of a session, if it is there; false unless the session is live.';

CREATE FUNCTION @extschema@.session_data_clear(token pg_catalog.text)
RETURNS pg_catalog.bool
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_data_clear';
REVOKE ALL ON FUNCTION @extschema@.session_data_clear(pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_data_clear(pg_catalog.text) IS
'Removes all keys from the data of a session; false unless it is live.';

CREATE FUNCTION @extschema@.session_data_save(
    token pg_catalog.text,
    data pg_catalog.jsonb)
RETURNS pg_catalog.bool
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_data_save';
REVOKE ALL ON FUNCTION @extschema@.session_data_save(pg_catalog.text, pg_catalog.jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_data_save(pg_catalog.text, pg_catalog.jsonb) IS
'Replaces the data of a session by a JSON object; false unless the session is live.
Errors: 22004 for NULL, 22023 for anything but an object, 54000 above session.max_data_size.';

/*
 * Sessions by id, user and tenant, and upkeep.  Level: admin.
 */

CREATE FUNCTION @extschema@.session_get(id pg_catalog.uuid)
RETURNS SETOF @extschema@.session_info
ROWS 1
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_get';
REVOKE ALL ON FUNCTION @extschema@.session_get(pg_catalog.uuid) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_get(pg_catalog.uuid) IS
'Returns a session by its public id, whether it is live or not.';

CREATE FUNCTION @extschema@.session_list(
    user_id pg_catalog.text,
    tenant_id pg_catalog.text DEFAULT NULL,
    include_ended pg_catalog.bool DEFAULT false)
RETURNS SETOF @extschema@.session_info
ROWS 10
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_list';
REVOKE ALL ON FUNCTION @extschema@.session_list(
    pg_catalog.text, pg_catalog.text, pg_catalog.bool) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_list(
    pg_catalog.text, pg_catalog.text, pg_catalog.bool) IS
'Lists the live sessions of a user, newest first; with include_ended, those that ended and are not purged yet as well.  tenant_id NULL means all tenants.';

CREATE FUNCTION @extschema@.session_revoke_id(
    id pg_catalog.uuid,
    reason pg_catalog.text DEFAULT NULL)
RETURNS pg_catalog.bool
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_revoke_id';
REVOKE ALL ON FUNCTION @extschema@.session_revoke_id(pg_catalog.uuid, pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_revoke_id(pg_catalog.uuid, pg_catalog.text) IS
'Ends a session by its public id, with a reason of at most 256 bytes (default: admin); false unless it was live.';

CREATE FUNCTION @extschema@.session_revoke_user(
    user_id pg_catalog.text,
    tenant_id pg_catalog.text DEFAULT NULL,
    except_id pg_catalog.uuid DEFAULT NULL)
RETURNS pg_catalog.int8
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_revoke_user';
REVOKE ALL ON FUNCTION @extschema@.session_revoke_user(
    pg_catalog.text, pg_catalog.text, pg_catalog.uuid) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_revoke_user(
    pg_catalog.text, pg_catalog.text, pg_catalog.uuid) IS
'Ends the live sessions of a user, but not except_id, and says how many.  tenant_id NULL means all tenants.';

CREATE FUNCTION @extschema@.session_revoke_tenant(tenant_id pg_catalog.text)
RETURNS pg_catalog.int8
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_revoke_tenant';
REVOKE ALL ON FUNCTION @extschema@.session_revoke_tenant(pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_revoke_tenant(pg_catalog.text) IS
'Ends the live sessions of a tenant and says how many.';

CREATE FUNCTION @extschema@.session_cleanup(
    max_rows pg_catalog.int4 DEFAULT NULL)
RETURNS pg_catalog.int8
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_cleanup';
REVOKE ALL ON FUNCTION @extschema@.session_cleanup(pg_catalog.int4) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_cleanup(pg_catalog.int4) IS
'Deletes the rows of sessions that are over, at most max_rows (default: all), and says how many.  Passes over rows that somebody holds; takes session.cleanup_batch at a time.';

CREATE FUNCTION @extschema@.session_grant(
    role pg_catalog.regrole,
    level pg_catalog.text)
RETURNS pg_catalog.void
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_grant';
REVOKE ALL ON FUNCTION @extschema@.session_grant(pg_catalog.regrole, pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_grant(pg_catalog.regrole, pg_catalog.text) IS
'Lets a role call the functions of a level: app, or admin, which includes app.  Grants USAGE on their schema too.';
