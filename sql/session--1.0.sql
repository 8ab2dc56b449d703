/* session 1.0: what CREATE EXTENSION session installs */

-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION session" to load this file. \quit

/*
 * Privileges: an object that is not for PUBLIC is closed where it is created.
 * The last statement of this script then brings the privileges on all objects
 * to what src/engine/levels.c says, whatever the default privileges of the
 * database are, and grants to PUBLIC what is public.
 */

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
    CONSTRAINT sessions_refresh_key_is_sealed
        CHECK (pg_catalog.octet_length(refresh_key) OPERATOR(pg_catalog.=) 60),
    CONSTRAINT sessions_refreshable_is_whole
        CHECK ((refresh_key IS NULL) OPERATOR(pg_catalog.=)
               (refresh_expires_at IS NULL) AND
               (refresh_key IS NULL) OPERATOR(pg_catalog.=)
               (refresh_generation IS NULL)),
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
'When the session was last used, as far as that has been written down: once per session.update_age, or half the idle timeout where that is shorter, and by session_touch.  With the library preloaded, session_get and session_list know better.';
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
'Why: logout, admin, user, tenant, evicted, binding_mismatch, refresh_reuse, or the caller''s own word.';
COMMENT ON COLUMN session.sessions.purge_at IS
'When the row may be deleted: its end, or session.revoked_retention after it was revoked, rounded up to the hour, or up to an hour later.';
COMMENT ON INDEX session.sessions_user_id_idx IS
'Finds the sessions of a user, to list, count and revoke them.';
COMMENT ON INDEX session.sessions_tenant_id_idx IS
'Finds the sessions of a tenant, to revoke them.';
COMMENT ON INDEX session.sessions_purge_at_idx IS
'Finds the rows whose time to be deleted has come.';

CREATE FUNCTION session.session_sessions_changed()
RETURNS pg_catalog.trigger
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_sessions_changed';
REVOKE ALL ON FUNCTION session.session_sessions_changed() FROM PUBLIC;
COMMENT ON FUNCTION session.session_sessions_changed() IS
'Has snapshots of the changed sessions ask the row from before the commit on, and that commit flushed to disk.';

/*
 * What an UPDATE has changed is looked at by the function: each statement would
 * pay for parsing a WHEN clause anew, and UPDATE OF does not know of the changes
 * that other triggers make.  Deletions come in batches.
 */
CREATE TRIGGER sessions_changed
    AFTER UPDATE ON session.sessions
    FOR EACH ROW EXECUTE FUNCTION session.session_sessions_changed();
CREATE TRIGGER sessions_deleted
    AFTER DELETE ON session.sessions
    FOR EACH ROW
    WHEN (OLD.revoked_at IS NULL AND
          GREATEST(OLD.expires_at, OLD.refresh_expires_at)
          OPERATOR(pg_catalog.>) pg_catalog.clock_timestamp())
    EXECUTE FUNCTION session.session_sessions_changed();
CREATE TRIGGER sessions_emptied
    AFTER TRUNCATE ON session.sessions
    FOR EACH STATEMENT EXECUTE FUNCTION session.session_sessions_changed();
ALTER TABLE session.sessions ENABLE ALWAYS TRIGGER sessions_changed;
ALTER TABLE session.sessions ENABLE ALWAYS TRIGGER sessions_deleted;
ALTER TABLE session.sessions ENABLE ALWAYS TRIGGER sessions_emptied;
COMMENT ON TRIGGER sessions_changed ON session.sessions IS
'Makes changes of sessions known to their snapshots, however they are made.';
COMMENT ON TRIGGER sessions_deleted ON session.sessions IS
'Makes the end of a live session that is deleted known to its snapshots.';
COMMENT ON TRIGGER sessions_emptied ON session.sessions IS
'Makes the end of all sessions known to their snapshots.';

/*
 * Keys, sealed under a master key that is not in the database.  They are part
 * of a dump, because cookies made with them outlive it, and open only beside
 * the same master key.
 */
CREATE TABLE session.keys
(
    kid          pg_catalog.text COLLATE pg_catalog."C" NOT NULL,
    purpose      pg_catalog.text COLLATE pg_catalog."C" NOT NULL,
    secret       pg_catalog.bytea NOT NULL,
    imported     pg_catalog.bool NOT NULL,
    created_at   pg_catalog.timestamptz NOT NULL,
    activated_at pg_catalog.timestamptz NOT NULL,
    retired_at   pg_catalog.timestamptz,
    CONSTRAINT keys_pkey PRIMARY KEY (kid),
    CONSTRAINT keys_secret_is_sealed
        CHECK (pg_catalog.octet_length(secret) OPERATOR(pg_catalog.>=) 60)
);

CREATE INDEX keys_activated_at_idx ON session.keys (activated_at);

REVOKE ALL ON TABLE session.keys FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('session.keys', '');

COMMENT ON TABLE session.keys IS
'Keys that sign and seal cookies.  Their secrets are useless without the master key.  The row "session master" is no key: it tells whether the master key is the right one.';
COMMENT ON COLUMN session.keys.kid IS
'Public name of the key; it may appear in what the key made.';
COMMENT ON COLUMN session.keys.purpose IS
'What the key is for: a value made for one purpose is never accepted for another.';
COMMENT ON COLUMN session.keys.secret IS
'The secret, sealed with AES-256-GCM under a key derived from the master key.';
COMMENT ON COLUMN session.keys.imported IS
'Was the secret brought in by session_key_import?  Then it is used exactly as its own format wants.';
COMMENT ON COLUMN session.keys.created_at IS
'When the key was made or imported.';
COMMENT ON COLUMN session.keys.activated_at IS
'From when on it signs, unless a newer key of the purpose does.';
COMMENT ON COLUMN session.keys.retired_at IS
'From when on it verifies nothing any more; NULL = it does.';
COMMENT ON INDEX session.keys_activated_at_idx IS
'Reads the keys in the order of their activation.';

CREATE VIEW session.key_ring AS
    SELECT kid, purpose, imported, created_at, activated_at, retired_at,
           retired_at IS NULL AND NOT EXISTS (
               SELECT FROM session.keys newer
               WHERE newer.purpose OPERATOR(pg_catalog.=) keys.purpose
                 AND newer.retired_at IS NULL
                 AND newer.activated_at OPERATOR(pg_catalog.>) keys.activated_at)
           AS signs
    FROM session.keys
    WHERE kid OPERATOR(pg_catalog.<>) 'session master';

REVOKE ALL ON TABLE session.key_ring FROM PUBLIC;
COMMENT ON VIEW session.key_ring IS
'The keys without their secrets.';
COMMENT ON COLUMN session.key_ring.kid IS
'Name of the key, as in the header of what it made.';
COMMENT ON COLUMN session.key_ring.purpose IS
'What it is for; a key of one purpose verifies nothing of another.';
COMMENT ON COLUMN session.key_ring.imported IS
'Does another system have it too?  Then it is used as that one uses it.';
COMMENT ON COLUMN session.key_ring.created_at IS
'When it was made or imported.';
COMMENT ON COLUMN session.key_ring.activated_at IS
'From when on it signs, unless a newer key of the purpose does.';
COMMENT ON COLUMN session.key_ring.retired_at IS
'From when on it verifies nothing any more; NULL = it does.';
COMMENT ON COLUMN session.key_ring.signs IS
'Is it the one that makes new values for its purpose?';

CREATE FUNCTION session.session_keys_changed()
RETURNS pg_catalog.trigger
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_keys_changed';
REVOKE ALL ON FUNCTION session.session_keys_changed() FROM PUBLIC;
COMMENT ON FUNCTION session.session_keys_changed() IS
'Has every backend drop the keys it keeps when the change commits, and that commit flushed to disk.';

CREATE TRIGGER keys_changed
    AFTER INSERT OR UPDATE OR DELETE ON session.keys
    FOR EACH ROW EXECUTE FUNCTION session.session_keys_changed();
CREATE TRIGGER keys_emptied
    AFTER TRUNCATE ON session.keys
    FOR EACH STATEMENT EXECUTE FUNCTION session.session_keys_changed();
ALTER TABLE session.keys ENABLE ALWAYS TRIGGER keys_changed;
ALTER TABLE session.keys ENABLE ALWAYS TRIGGER keys_emptied;
COMMENT ON TRIGGER keys_changed ON session.keys IS
'Makes changes of keys known to every backend, however they are made.';
COMMENT ON TRIGGER keys_emptied ON session.keys IS
'Makes the loss of all keys known to every backend.';

/*
 * Cookies that are good by themselves and must not be accepted any more.
 */
CREATE TABLE session.denylist
(
    hash       pg_catalog.bytea NOT NULL,
    expires_at pg_catalog.timestamptz NOT NULL,
    CONSTRAINT denylist_pkey PRIMARY KEY (hash),
    CONSTRAINT denylist_hash_is_sha256
        CHECK (pg_catalog.octet_length(hash) OPERATOR(pg_catalog.=) 32)
);

CREATE INDEX denylist_expires_at_idx ON session.denylist (expires_at);

REVOKE ALL ON TABLE session.denylist FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('session.denylist', '');

COMMENT ON TABLE session.denylist IS
'Cookies that were revoked, until they would have expired.';
COMMENT ON COLUMN session.denylist.hash IS
'SHA-256 of the purpose and the jti, or the payload where there is none.';
COMMENT ON COLUMN session.denylist.expires_at IS
'When the cookie is over by itself and the entry may be deleted.';
COMMENT ON INDEX session.denylist_expires_at_idx IS
'Finds the entries whose time to be deleted has come.';

/*
 * What tables of users call that session_bind_users was told of.
 */
CREATE FUNCTION session.session_users_changed()
RETURNS pg_catalog.trigger
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_users_changed';
REVOKE ALL ON FUNCTION session.session_users_changed() FROM PUBLIC;
COMMENT ON FUNCTION session.session_users_changed() IS
'Ends the sessions of users who go from a table; put on it by session_bind_users alone.';

/*
 * What happened to sessions.  It is part of a dump, as the history of the users
 * in it, and only ever grows at its end and shrinks at its beginning.
 */
CREATE TABLE session.events
(
    id         pg_catalog.int8 GENERATED ALWAYS AS IDENTITY,
    at         pg_catalog.timestamptz NOT NULL,
    kind       pg_catalog.text COLLATE pg_catalog."C" NOT NULL,
    session_id pg_catalog.uuid,
    user_id    pg_catalog.text COLLATE pg_catalog."C",
    tenant_id  pg_catalog.text COLLATE pg_catalog."C",
    ip         pg_catalog.inet,
    user_agent pg_catalog.text COLLATE pg_catalog."C",
    detail     pg_catalog.jsonb,
    CONSTRAINT events_pkey PRIMARY KEY (at, id)
);

CREATE INDEX events_user_id_idx ON session.events (user_id, at);

REVOKE ALL ON TABLE session.events FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('session.events', '');
SELECT pg_catalog.pg_extension_config_dump('session.events_id_seq', '');

COMMENT ON TABLE session.events IS
'What happened to sessions: the events that session.log_events names, for session.event_retention.  Never holds a token.';
COMMENT ON COLUMN session.events.id IS
'Counts up, mostly in the order of at; a transaction that rolls back leaves a gap.';
COMMENT ON COLUMN session.events.at IS
'When it happened, by the server''s clock; of expired, when the row was deleted.';
COMMENT ON COLUMN session.events.kind IS
'created, refreshed, regenerated, revoked, evicted, expired, refresh_reuse, binding_mismatch, new_ip, new_user_agent or failures.';
COMMENT ON COLUMN session.events.session_id IS
'Public id of the session; NULL for failures of an address.';
COMMENT ON COLUMN session.events.user_id IS
'Its user; NULL when it had none, for failures of an address, and where the session was gone when the event was written.';
COMMENT ON COLUMN session.events.tenant_id IS
'Its tenant, likewise.';
COMMENT ON COLUMN session.events.ip IS
'Address of the request for created, refresh_reuse, binding_mismatch and failures (of IPv6 the /64), where the call said it; otherwise the one the session was created from.';
COMMENT ON COLUMN session.events.user_agent IS
'User agent of the request for created, refresh_reuse and binding_mismatch, where the call said it; otherwise the one the session was created with.';
COMMENT ON COLUMN session.events.detail IS
'revoked: reason.  refreshed: generation, of a refreshable session.  regenerated: auth_level.  expired: status (expired or idle) and ended_at.  refresh_reuse, binding_mismatch and failures: count, within the minute so far.';
COMMENT ON SEQUENCE session.events_id_seq IS
'Numbers the events.';
COMMENT ON INDEX session.events_pkey IS
'Finds the events by time, and those whose time to be deleted has come.';
COMMENT ON INDEX session.events_user_id_idx IS
'Finds what happened to the sessions of a user, by time.';

/*
 * Where users have logged in from, for new_ip and new_user_agent; filled while
 * session.log_events has one of them.  Nothing in it is updated, and a random
 * number makes every row unique, so no login waits for another.  The primary
 * key is also the replica identity, without which a publication of the table
 * would stop its rows from being deleted.
 */
CREATE TABLE session.origins
(
    hash    pg_catalog.int8 NOT NULL,
    used_at pg_catalog.timestamptz NOT NULL,
    nonce   pg_catalog.int8 NOT NULL,
    CONSTRAINT origins_pkey PRIMARY KEY (used_at, nonce)
);

CREATE INDEX origins_hash_idx ON session.origins USING hash (hash);

REVOKE ALL ON TABLE session.origins FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('session.origins', '');

COMMENT ON TABLE session.origins IS
'Addresses and user agents that users have logged in with, for session.event_retention.';
COMMENT ON COLUMN session.origins.hash IS
'First 64 bits of a SHA-256 of the user, the tenant and the address (of IPv6 the /64) or user agent.';
COMMENT ON COLUMN session.origins.used_at IS
'When that was used; noted again after a thirty-second part of session.event_retention.';
COMMENT ON COLUMN session.origins.nonce IS
'Random; tells rows of the same moment apart.';
COMMENT ON INDEX session.origins_hash_idx IS
'Tells whether something was used before.';
COMMENT ON INDEX session.origins_pkey IS
'Finds the rows whose time to be deleted has come.';

/*
 * What the extension knows about itself.
 */
CREATE FUNCTION session.session_stats(
    OUT database pg_catalog.name,
    OUT preloaded pg_catalog.bool,
    OUT master_key pg_catalog.text,
    OUT workers pg_catalog.text,
    OUT live pg_catalog.int8,
    OUT idle pg_catalog.int8,
    OUT expired pg_catalog.int8,
    OUT revoked pg_catalog.int8,
    OUT purge_backlog pg_catalog.int8,
    OUT checks_active pg_catalog.int8,
    OUT checks_malformed pg_catalog.int8,
    OUT checks_unknown pg_catalog.int8,
    OUT checks_revoked pg_catalog.int8,
    OUT checks_expired pg_catalog.int8,
    OUT checks_idle pg_catalog.int8,
    OUT checks_binding pg_catalog.int8,
    OUT sessions_created pg_catalog.int8,
    OUT sessions_refreshed pg_catalog.int8,
    OUT sessions_regenerated pg_catalog.int8,
    OUT sessions_ended pg_catalog.int8,
    OUT sessions_evicted pg_catalog.int8,
    OUT refresh_reuses pg_catalog.int8,
    OUT snapshots_believed pg_catalog.int8,
    OUT snapshots_doubted pg_catalog.int8,
    OUT activity_used pg_catalog.int4,
    OUT activity_size pg_catalog.int4,
    OUT activity_dropped pg_catalog.int8,
    OUT evidence_dropped pg_catalog.int8,
    OUT revocation_overflows pg_catalog.int8,
    OUT rounds pg_catalog.int8,
    OUT round_errors pg_catalog.int8,
    OUT round_started_at pg_catalog.timestamptz,
    OUT round_duration pg_catalog.interval,
    OUT round_written pg_catalog.int8,
    OUT round_deleted pg_catalog.int8,
    OUT round_evidence pg_catalog.int8,
    OUT round_trimmed pg_catalog.int8)
RETURNS SETOF pg_catalog.record
ROWS 10
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_stats';
REVOKE ALL ON FUNCTION session.session_stats() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION session.session_stats() TO pg_monitor;
COMMENT ON FUNCTION session.session_stats() IS
'What the view session.stats shows.';

CREATE VIEW session.stats AS
    SELECT database, preloaded, master_key, workers, live, idle, expired, revoked, purge_backlog,
           checks_active, checks_malformed, checks_unknown, checks_revoked,
           checks_expired, checks_idle, checks_binding, sessions_created,
           sessions_refreshed, sessions_regenerated, sessions_ended,
           sessions_evicted, refresh_reuses, snapshots_believed,
           snapshots_doubted, activity_used, activity_size, activity_dropped,
           evidence_dropped, revocation_overflows, rounds, round_errors,
           round_started_at, round_duration, round_written, round_deleted,
           round_evidence, round_trimmed
    FROM session.session_stats();

REVOKE ALL ON TABLE session.stats FROM PUBLIC;
GRANT SELECT ON TABLE session.stats TO pg_monitor;
GRANT USAGE ON SCHEMA session TO pg_monitor;
COMMENT ON VIEW session.stats IS
'One row a database that uses sessions: how many there are, what was asked of them, and the last round of upkeep.  Readable by pg_monitor.';
COMMENT ON COLUMN session.stats.database IS
'Name of the database.';
COMMENT ON COLUMN session.stats.preloaded IS
'Is the library preloaded?  If not, there is no shared memory and no worker, what they would tell is NULL, and there is only the row of the current database.';
COMMENT ON COLUMN session.stats.master_key IS
'Whether the master key is there: ok; missing when the file does not exist or the command fails; wrong when it cannot be used or is another than the one that sealed the keys; unused while nothing is sealed.  Reads the file, or runs session.master_key_command.  NULL but for the current database.';
COMMENT ON COLUMN session.stats.workers IS
'Whether background workers do the upkeep: ok; no slot when the launcher found no free slot for one at its last attempt, and no launcher when there was none for the launcher itself.  Increase max_worker_processes then; until that, only session_cleanup() writes and deletes.  The same for all databases.';
COMMENT ON COLUMN session.stats.live IS
'Sessions that can be used, estimated from at most 500 pages of the table.  Like the next four, NULL but for the current database.';
COMMENT ON COLUMN session.stats.idle IS
'Sessions that ended because they were not used, estimated likewise.';
COMMENT ON COLUMN session.stats.expired IS
'Sessions that ended at their deadline, estimated likewise.';
COMMENT ON COLUMN session.stats.revoked IS
'Sessions that were revoked and whose rows are kept to say so, estimated likewise.';
COMMENT ON COLUMN session.stats.purge_backlog IS
'Rows that are due to be deleted, estimated likewise.';
COMMENT ON COLUMN session.stats.checks_active IS
'Checks of a session token, or of a cookie that is a session by itself or was decoded, that found a session that can be used.  Like the next 14, a count since the server started; a transaction that rolled back counts.';
COMMENT ON COLUMN session.stats.checks_malformed IS
'Checks of a value that does not have the shape of a token or cookie, NULL included.';
COMMENT ON COLUMN session.stats.checks_unknown IS
'Checks of a token that no session has, one that was replaced included, or of a cookie that no key has made.';
COMMENT ON COLUMN session.stats.checks_revoked IS
'Checks that found a revoked session or a denied cookie.';
COMMENT ON COLUMN session.stats.checks_expired IS
'Checks that found a session or cookie past its deadline.';
COMMENT ON COLUMN session.stats.checks_idle IS
'Checks that found a session that had not been used for its idle timeout.';
COMMENT ON COLUMN session.stats.checks_binding IS
'Checks from another address or user agent than the session is bound to.';
COMMENT ON COLUMN session.stats.sessions_created IS
'Sessions created.';
COMMENT ON COLUMN session.stats.sessions_refreshed IS
'Sessions refreshed, with a session token or a refresh token.';
COMMENT ON COLUMN session.stats.sessions_regenerated IS
'Sessions regenerated.';
COMMENT ON COLUMN session.stats.sessions_ended IS
'Sessions ended for any reason but time, those of the next two columns included.';
COMMENT ON COLUMN session.stats.sessions_evicted IS
'Sessions ended to make room for another one of their user.';
COMMENT ON COLUMN session.stats.refresh_reuses IS
'Sessions ended because an old refresh token was used.';
COMMENT ON COLUMN session.stats.snapshots_believed IS
'Snapshots of the cookie cache that were accepted without reading the session.';
COMMENT ON COLUMN session.stats.snapshots_doubted IS
'Snapshots of the cookie cache that were not yet due and for which the session was read.';
COMMENT ON COLUMN session.stats.activity_used IS
'Entries of the activity table that are in use, by all databases.';
COMMENT ON COLUMN session.stats.activity_size IS
'Entries that the activity table has: session.activity_size, rounded up.';
COMMENT ON COLUMN session.stats.activity_dropped IS
'Uses of sessions that found the activity table full, since the server started.';
COMMENT ON COLUMN session.stats.evidence_dropped IS
'Evidence that was over the limit of its database for a minute, or found no room in the queue, of all databases, since the server started.';
COMMENT ON COLUMN session.stats.revocation_overflows IS
'Transactions that ended more sessions than there was room to note in shared memory, of all databases, since the server started.  Each has the cookie cache ask the rows of all sessions for session.cookie_cache_ttl; a larger session.activity_size makes more room.';
COMMENT ON COLUMN session.stats.rounds IS
'Rounds of upkeep since the server started.';
COMMENT ON COLUMN session.stats.round_errors IS
'Batches of rounds that failed since the server started; the server log says why.';
COMMENT ON COLUMN session.stats.round_started_at IS
'When the last round started; NULL = there was none yet.';
COMMENT ON COLUMN session.stats.round_duration IS
'How long it took; NULL while it runs, or if it died.';
COMMENT ON COLUMN session.stats.round_written IS
'Rows whose activity it wrote.';
COMMENT ON COLUMN session.stats.round_deleted IS
'Rows of sessions that were over which it deleted.';
COMMENT ON COLUMN session.stats.round_evidence IS
'Events it wrote of evidence.';
COMMENT ON COLUMN session.stats.round_trimmed IS
'Entries of the denylist, events and origins that it deleted.';

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
Errors: 22023 and 22004 for arguments outside their domain, and for no ip or user_agent where session.bind_ip or session.bind_user_agent wants one; 54000 for data or names that are too large, 53400 when the user has too many sessions and session.on_limit is reject, 23505 when the id is taken, 55000 when a refreshable session, or session.encrypt_data, finds the master key missing or wrong.';

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
'Returns the session of a token, or no row unless it is active.  Counts as use of the session, which is noted in shared memory, or without that in the row if it can be.
ip and user_agent are those of the request; they decide when session.bind_ip or session.bind_user_agent is on.
Errors: 55000 when its data is sealed and the master key is missing or wrong.';

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

CREATE FUNCTION @extschema@.session_refresh(
    token pg_catalog.text,
    ip pg_catalog.inet DEFAULT NULL,
    user_agent pg_catalog.text DEFAULT NULL)
RETURNS SETOF @extschema@.session_credentials
ROWS 1
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_refresh';
REVOKE ALL ON FUNCTION @extschema@.session_refresh(
    pg_catalog.text, pg_catalog.inet, pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_refresh(
    pg_catalog.text, pg_catalog.inet, pg_catalog.text) IS
'For a session token: starts the lifetime of a live session again, up to its cap, and returns its credentials with the same token.  For a refresh token: returns the next session token and refresh token.
A refresh token that was just replaced returns the same pair again: within session.refresh_grace, and later as long as the session was certainly not used since, which is only known with the library preloaded and since the server started.
ip and user_agent are those of the request; they decide as in session_validate when session.bind_ip or session.bind_user_agent is on, and are kept with refresh_reuse.
No row for anything else.  A refresh token that was used before, other than above, ends the session.
Errors: 55000 when a refresh token finds the master key missing or wrong.';

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
Errors: 22023 when the session belongs to another user, and for arguments outside their domain; 54000 for names that are too large, 53400 as in session_create, 55000 when the session is refreshable and the master key is missing or wrong.';

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
'The data of a live session, a JSON object; NULL unless it is live.  Counts as use of the session.
Errors: 55000 when its data is sealed and the master key is missing or wrong.';

CREATE FUNCTION @extschema@.session_data_get(
    token pg_catalog.text,
    key pg_catalog.text)
RETURNS pg_catalog.jsonb
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_data_get';
REVOKE ALL ON FUNCTION @extschema@.session_data_get(pg_catalog.text, pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_data_get(pg_catalog.text, pg_catalog.text) IS
'The value of a key in the data of a live session; NULL when there is none, ''null'' for a JSON null.  Counts as use of the session.
Errors: 22004 for a NULL key, 55000 when its data is sealed and the master key is missing or wrong.';

CREATE FUNCTION @extschema@.session_data_pop(
    token pg_catalog.text,
    key pg_catalog.text)
RETURNS pg_catalog.jsonb
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_data_pop';
REVOKE ALL ON FUNCTION @extschema@.session_data_pop(pg_catalog.text, pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_data_pop(pg_catalog.text, pg_catalog.text) IS
'Removes a key from the data of a live session and returns its value; NULL when there is none.  Of several at once, one gets the value.
Errors: 22004 for a NULL key, 55000 when its data is sealed and the master key is missing or wrong.';

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
Errors: 22004 for a NULL key or value, 54000 when the data would exceed session.max_data_size, 55000 when its data is sealed and the master key is missing or wrong.';

CREATE FUNCTION @extschema@.session_data_delete(
    token pg_catalog.text,
    key pg_catalog.text)
RETURNS pg_catalog.bool
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_data_delete';
REVOKE ALL ON FUNCTION @extschema@.session_data_delete(pg_catalog.text, pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_data_delete(pg_catalog.text, pg_catalog.text) IS
'Removes a key from the data of a session, if it is there; false unless the session is live.
Errors: 22004 for a NULL key, 55000 when its data is sealed and the master key is missing or wrong.';

CREATE FUNCTION @extschema@.session_data_clear(token pg_catalog.text)
RETURNS pg_catalog.bool
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_data_clear';
REVOKE ALL ON FUNCTION @extschema@.session_data_clear(pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_data_clear(pg_catalog.text) IS
'Removes all keys from the data of a session; false unless it is live.
Errors: 55000 when its data is sealed and the master key is missing or wrong.';

CREATE FUNCTION @extschema@.session_data_save(
    token pg_catalog.text,
    data pg_catalog.jsonb)
RETURNS pg_catalog.bool
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_data_save';
REVOKE ALL ON FUNCTION @extschema@.session_data_save(pg_catalog.text, pg_catalog.jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_data_save(pg_catalog.text, pg_catalog.jsonb) IS
'Replaces the data of a session by a JSON object; false unless the session is live.
Errors: 22004 for NULL, 22023 for anything but an object, 54000 above session.max_data_size, 55000 when its data is sealed and the master key is missing or wrong.';

/*
 * Cookies that carry their own proof.  Level: app.
 */

CREATE FUNCTION @extschema@.session_cookie_encode(
    payload pg_catalog.jsonb,
    encoding pg_catalog.text DEFAULT 'compact',
    ttl pg_catalog.interval DEFAULT NULL,
    purpose pg_catalog.text DEFAULT 'session')
RETURNS pg_catalog.text
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_cookie_encode';
REVOKE ALL ON FUNCTION @extschema@.session_cookie_encode(
    pg_catalog.jsonb, pg_catalog.text, pg_catalog.interval,
    pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_cookie_encode(
    pg_catalog.jsonb, pg_catalog.text, pg_catalog.interval,
    pg_catalog.text) IS
'Makes a cookie from a JSON object, signed or sealed with the newest key of a purpose.  encoding is compact, jwt, jwe or sealed; ttl defaults to session.lifetime.  Sets iat, exp and jti, which the payload must not have: take them off one that session_cookie_decode returned.
Errors: 22004 for a NULL payload, 22023 for a payload with one of them and for arguments outside their domain, 54000 for a payload that is too large, 55000 when there is no key or the master key is missing or wrong.';

CREATE FUNCTION @extschema@.session_cookie_decode(
    cookie pg_catalog.text,
    purpose pg_catalog.text DEFAULT 'session')
RETURNS pg_catalog.jsonb
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_cookie_decode';
REVOKE ALL ON FUNCTION @extschema@.session_cookie_decode(
    pg_catalog.text, pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_cookie_decode(
    pg_catalog.text, pg_catalog.text) IS
'The payload of a cookie that was made for a purpose with a key that is not retired, has not expired and was not revoked; NULL of any other.  The encoding is known by its shape.
Errors: 22023 and 54000 for a purpose that is none, 55000 when the master key is missing or wrong.';

CREATE FUNCTION @extschema@.session_cookie_revoke(
    cookie pg_catalog.text,
    purpose pg_catalog.text DEFAULT 'session')
RETURNS pg_catalog.bool
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_cookie_revoke';
REVOKE ALL ON FUNCTION @extschema@.session_cookie_revoke(
    pg_catalog.text, pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_cookie_revoke(
    pg_catalog.text, pg_catalog.text) IS
'Denies a cookie that session_cookie_decode would accept until it expires; false of any other.
Errors: 22023 and 54000 for a purpose that is none, 55000 when the master key is missing or wrong.';

CREATE FUNCTION @extschema@.session_cookie_issue(
    token pg_catalog.text,
    encoding pg_catalog.text DEFAULT NULL)
RETURNS pg_catalog.text
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_cookie_issue';
REVOKE ALL ON FUNCTION @extschema@.session_cookie_issue(
    pg_catalog.text, pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_cookie_issue(
    pg_catalog.text, pg_catalog.text) IS
'A snapshot of the live session of a token, to be sent beside it and believed for session.cookie_cache_ttl; NULL unless the session is live.  encoding defaults to session.cookie_encoding.
Errors: 22023 for an encoding that is none, 55000 when there is no key for purpose session or the master key is missing or wrong; those of session.claims_function.';

CREATE FUNCTION @extschema@.session_cookie_validate(
    cookie pg_catalog.text,
    sensitive pg_catalog.bool DEFAULT false,
    token pg_catalog.text DEFAULT NULL,
    ip pg_catalog.inet DEFAULT NULL,
    user_agent pg_catalog.text DEFAULT NULL,
    OUT id pg_catalog.uuid,
    OUT user_id pg_catalog.text,
    OUT tenant_id pg_catalog.text,
    OUT role pg_catalog.text,
    OUT auth_level pg_catalog.int4,
    OUT expires_at pg_catalog.timestamptz,
    OUT source pg_catalog.text,
    OUT should_refresh pg_catalog.bool)
RETURNS SETOF pg_catalog.record
ROWS 1
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_cookie_validate';
REVOKE ALL ON FUNCTION @extschema@.session_cookie_validate(
    pg_catalog.text, pg_catalog.bool, pg_catalog.text, pg_catalog.inet,
    pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_cookie_validate(
    pg_catalog.text, pg_catalog.bool, pg_catalog.text, pg_catalog.inet,
    pg_catalog.text) IS
'Validates a snapshot that session_cookie_issue made; no row when it is not good.  It reads no table while the snapshot is younger than session.cookie_cache_ttl.  The row decides after that, when sensitive is true, while session.bind_ip or session.bind_user_agent is on, when token is not the one the snapshot was made for, and (with the library preloaded) when the session was revoked or rotated since.
When the row decides, token must be the session''s token: it is validated as session_validate does, with ip and user_agent, and without it there is no row.  A snapshot beside a token of another session is no row either.
source is cookie or database; should_refresh = a new snapshot is due.
Errors: 55000 when the master key is missing or wrong.';

CREATE FUNCTION @extschema@.session_jwt(
    token pg_catalog.text,
    ttl pg_catalog.interval DEFAULT '15 min',
    claims pg_catalog.jsonb DEFAULT '{}',
    audience pg_catalog.text DEFAULT NULL)
RETURNS pg_catalog.text
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_jwt';
REVOKE ALL ON FUNCTION @extschema@.session_jwt(
    pg_catalog.text, pg_catalog.interval, pg_catalog.jsonb,
    pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_jwt(
    pg_catalog.text, pg_catalog.interval, pg_catalog.jsonb,
    pg_catalog.text) IS
'A JWT (HS256) for the live session of a token that another service can verify; NULL unless the session is live.  Made with the newest key of purpose jwt: import the secret that the other service has.  Sets sid, sub, tid, role, lvl, iat, exp and jti, and aud if audience is given; claims adds any other, for example iss, nbf or an aud of several.  Never outlives the session.
Errors: 22023 for a claim that it sets itself and for arguments outside their domain, 54000 for a payload that is too large, 55000 when there is no key for purpose jwt; those of session.claims_function.';

/*
 * The identity of the running transaction.  Level: public, because these act on
 * a token that proves itself, or on what one has bound, and on nothing else.
 */

CREATE FUNCTION @extschema@.session_authenticate(
    token pg_catalog.text,
    ip pg_catalog.inet DEFAULT NULL,
    user_agent pg_catalog.text DEFAULT NULL)
RETURNS pg_catalog.bool
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_authenticate';
COMMENT ON FUNCTION @extschema@.session_authenticate(pg_catalog.text, pg_catalog.inet, pg_catalog.text) IS
'Binds the session of a token to the running transaction, for session_user_id() and its like; false, and nobody is bound, unless the token is good.  Counts as use of the session.';

CREATE FUNCTION @extschema@.session_pre_request()
RETURNS pg_catalog.void
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_pre_request';
COMMENT ON FUNCTION @extschema@.session_pre_request() IS
'Binds the session of a web request that PostgREST or its like describes in request.cookies and request.headers, and sets its role, with the settings of that role (ALTER ROLE ... SET), until the transaction ends; for db-pre-request.  What a token that is not good does is up to session.on_invalid.
Errors: PT401 for a token that is not good if session.on_invalid is reject, 42501 for a role that the connection may not have.';

CREATE FUNCTION @extschema@.session_id()
RETURNS pg_catalog.uuid
LANGUAGE C STABLE CALLED ON NULL INPUT LEAKPROOF PARALLEL SAFE
AS 'MODULE_PATHNAME', 'session_id';
COMMENT ON FUNCTION @extschema@.session_id() IS
'The public id of the session that is bound to the running transaction; NULL when there is none.';

CREATE FUNCTION @extschema@.session_user_id()
RETURNS pg_catalog.text
LANGUAGE C STABLE CALLED ON NULL INPUT LEAKPROOF PARALLEL SAFE
AS 'MODULE_PATHNAME', 'session_user_id';
COMMENT ON FUNCTION @extschema@.session_user_id() IS
'The user of the session that is bound to the running transaction; NULL when there is none, or it is anonymous.';

CREATE FUNCTION @extschema@.session_tenant_id()
RETURNS pg_catalog.text
LANGUAGE C STABLE CALLED ON NULL INPUT LEAKPROOF PARALLEL SAFE
AS 'MODULE_PATHNAME', 'session_tenant_id';
COMMENT ON FUNCTION @extschema@.session_tenant_id() IS
'The tenant of the session that is bound to the running transaction; NULL when there is none.';

CREATE FUNCTION @extschema@.session_role()
RETURNS pg_catalog.text
LANGUAGE C STABLE CALLED ON NULL INPUT LEAKPROOF PARALLEL SAFE
AS 'MODULE_PATHNAME', 'session_role';
COMMENT ON FUNCTION @extschema@.session_role() IS
'The role that the session bound to the running transaction was given; NULL when there is none.';

CREATE FUNCTION @extschema@.session_auth_level()
RETURNS pg_catalog.int4
LANGUAGE C STABLE CALLED ON NULL INPUT LEAKPROOF PARALLEL SAFE
AS 'MODULE_PATHNAME', 'session_auth_level';
COMMENT ON FUNCTION @extschema@.session_auth_level() IS
'The factors proven in the session that is bound to the running transaction, 0 if it is anonymous; NULL when there is none.';

CREATE FUNCTION @extschema@.session_authenticated_at()
RETURNS pg_catalog.timestamptz
LANGUAGE C STABLE CALLED ON NULL INPUT LEAKPROOF PARALLEL SAFE
AS 'MODULE_PATHNAME', 'session_authenticated_at';
COMMENT ON FUNCTION @extschema@.session_authenticated_at() IS
'When somebody last proved who they are in the session that is bound to the running transaction; NULL when that is not known.';

CREATE FUNCTION @extschema@.session_claims()
RETURNS pg_catalog.jsonb
LANGUAGE C STABLE CALLED ON NULL INPUT LEAKPROOF PARALLEL SAFE
AS 'MODULE_PATHNAME', 'session_claims';
COMMENT ON FUNCTION @extschema@.session_claims() IS
'What is known of the session that is bound to the running transaction, and what session.claims_function adds; NULL when there is none.';

CREATE FUNCTION @extschema@.session_claim(key pg_catalog.text)
RETURNS pg_catalog.text
LANGUAGE C STABLE CALLED ON NULL INPUT LEAKPROOF PARALLEL SAFE
AS 'MODULE_PATHNAME', 'session_claim';
COMMENT ON FUNCTION @extschema@.session_claim(pg_catalog.text) IS
'One of session_claims() as text; NULL when there is none.';

CREATE FUNCTION @extschema@.session_require(
    auth_level pg_catalog.int4 DEFAULT 1,
    max_age pg_catalog.interval DEFAULT NULL)
RETURNS pg_catalog.void
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_require';
COMMENT ON FUNCTION @extschema@.session_require(pg_catalog.int4, pg_catalog.interval) IS
'Fails unless the session that is bound to the running transaction is live at this moment, has proven so many factors, and proven them at most max_age ago.
Errors: 42501 if not, 22023 for arguments outside their domain.';

CREATE FUNCTION @extschema@.session_mine()
RETURNS SETOF @extschema@.session_info
ROWS 10
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_mine';
COMMENT ON FUNCTION @extschema@.session_mine() IS
'Lists the live sessions of the user, in the tenant, that is bound to the running transaction, newest first and without their data; of an anonymous session, itself.';

CREATE FUNCTION @extschema@.session_revoke_mine(id pg_catalog.uuid)
RETURNS pg_catalog.bool
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_revoke_mine';
COMMENT ON FUNCTION @extschema@.session_revoke_mine(pg_catalog.uuid) IS
'Ends one of the sessions that session_mine() lists; false for any other.';

CREATE FUNCTION @extschema@.session_revoke_others()
RETURNS pg_catalog.int8
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_revoke_others';
COMMENT ON FUNCTION @extschema@.session_revoke_others() IS
'Ends all sessions that session_mine() lists but the one that is bound, and says how many.';

/*
 * Headers of cookies.  Level: public; they read settings and nothing else.
 *
 * The settings may change between statements, so these are STABLE, and a
 * parallel worker has the same, so they are PARALLEL SAFE.
 */

CREATE FUNCTION @extschema@.session_cookie_header(
    value pg_catalog.text,
    name pg_catalog.text DEFAULT NULL,
    max_age pg_catalog.interval DEFAULT NULL,
    path pg_catalog.text DEFAULT NULL,
    domain pg_catalog.text DEFAULT NULL,
    secure pg_catalog.bool DEFAULT NULL,
    http_only pg_catalog.bool DEFAULT NULL,
    same_site pg_catalog.text DEFAULT NULL,
    partitioned pg_catalog.bool DEFAULT NULL)
RETURNS SETOF pg_catalog.text
ROWS 1
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'session_cookie_header';
COMMENT ON FUNCTION @extschema@.session_cookie_header(
    pg_catalog.text, pg_catalog.text, pg_catalog.interval, pg_catalog.text,
    pg_catalog.text, pg_catalog.bool, pg_catalog.bool, pg_catalog.text,
    pg_catalog.bool) IS
'The Set-Cookie headers that give a client a value, one a row and without the header''s name, to be sent in this order.
name, path, domain, secure, http_only and same_site (lax, strict or none) default to the settings session.cookie_...; an empty path or domain leaves the attribute out, a dot before a domain is dropped.  max_age has whole seconds, a fraction is dropped; NULL lets the cookie end with the browser, zero removes it.  partitioned NULL means false.
A header has at most 4096 bytes.  A value that is too long for one goes out as name.0, name.1 and so on, at most 100, after the removal of name itself.  Where it may replace a longer one, send session_cookie_clear with the request''s Cookie header first.
Errors: 22004 for a NULL value; 22023 for what a header cannot hold, a max_age of more than 400 days or less than zero, and what browsers would refuse (names that start with __Host-, __Secure- or __Http-, SameSite=None and Partitioned ask for more); 54000 for a value that is too large, and a name or path of more than 1024 bytes.  Settings are checked here, too.';

CREATE FUNCTION @extschema@.session_cookie_clear(
    name pg_catalog.text DEFAULT NULL,
    cookie_header pg_catalog.text DEFAULT NULL)
RETURNS SETOF pg_catalog.text
ROWS 1
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'session_cookie_clear';
COMMENT ON FUNCTION @extschema@.session_cookie_clear(
    pg_catalog.text, pg_catalog.text) IS
'The Set-Cookie headers that remove a cookie, one a row: of the name (default: session.cookie_name), of every chunk of it, name.0 to name.99, in the Cookie header of the request, and of the cookie with the snapshot, name-cache, and its chunks, if that header has them.
Path, domain and the rest are as set; a cookie made with others, or partitioned, is removed by session_cookie_header with them, an empty value and a max_age of zero.
Errors: as session_cookie_header for the name and the settings; none for the Cookie header, whatever is in it.';

CREATE FUNCTION @extschema@.session_cookie_read(
    cookie_header pg_catalog.text,
    name pg_catalog.text DEFAULT NULL)
RETURNS pg_catalog.text
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'session_cookie_read';
COMMENT ON FUNCTION @extschema@.session_cookie_read(
    pg_catalog.text, pg_catalog.text) IS
'The value of a cookie (default: session.cookie_name) in the Cookie header of a request, put together from name.0, name.1 and so on where it came in chunks.  NULL when it is not there or a chunk is missing.
Only exactly the name counts, and the first of several.  The value comes as it is: nothing is decoded, quotes belong to it.
Errors: 22023 for something that is no name of a cookie; none for the Cookie header, whatever is in it.';

/*
 * The key ring.  Level: admin.
 */

CREATE FUNCTION @extschema@.session_key_rotate(
    purpose pg_catalog.text DEFAULT 'session')
RETURNS pg_catalog.text
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_key_rotate';
REVOKE ALL ON FUNCTION @extschema@.session_key_rotate(pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_key_rotate(pg_catalog.text) IS
'Makes a new key for a purpose and returns its kid.  It signs from now on; older keys still verify.
Errors: 22023 and 54000 for a purpose that is none, 55000 when the master key is missing or wrong.';

CREATE FUNCTION @extschema@.session_key_import(
    secret pg_catalog.bytea,
    kid pg_catalog.text DEFAULT NULL,
    purpose pg_catalog.text DEFAULT 'session')
RETURNS pg_catalog.text
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_key_import';
REVOKE ALL ON FUNCTION @extschema@.session_key_import(
    pg_catalog.bytea, pg_catalog.text, pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_key_import(
    pg_catalog.bytea, pg_catalog.text, pg_catalog.text) IS
'Takes the secret of another system, at least 32 bytes, as the newest key of a purpose and returns its kid.  It is used exactly as that system''s format wants.
Errors: 22004 for a NULL secret, 22023 for one that is too short and a kid or purpose that is none, 54000 for what is too long, 23505 when the kid is taken, 55000 when the master key is missing or wrong.';

CREATE FUNCTION @extschema@.session_key_retire(kid pg_catalog.text)
RETURNS pg_catalog.bool
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_key_retire';
REVOKE ALL ON FUNCTION @extschema@.session_key_retire(pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_key_retire(pg_catalog.text) IS
'Ends the use of a key: nothing it made is accepted any more.  False unless there is such a key and it was in use.';

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
'Returns a session by its public id, whether it is live or not.
Errors: 55000 as in session_validate.';

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
'Lists the live sessions of a user, newest first; with include_ended, those that ended and are not purged yet as well.  tenant_id NULL means all tenants.
Errors: 22004 for a NULL user_id, 22023 for names that are empty, 54000 for those that are too long, 55000 as in session_validate.';

CREATE FUNCTION @extschema@.session_revoke_id(
    id pg_catalog.uuid,
    reason pg_catalog.text DEFAULT NULL)
RETURNS pg_catalog.bool
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_revoke_id';
REVOKE ALL ON FUNCTION @extschema@.session_revoke_id(pg_catalog.uuid, pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_revoke_id(pg_catalog.uuid, pg_catalog.text) IS
'Ends a session by its public id, with a reason of at most 256 bytes (default: admin); false unless it was live.
Errors: 22023 for a reason that is empty, 54000 for one of more than 256 bytes.';

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
'Ends the live sessions of a user, but not except_id, and says how many.  tenant_id NULL means all tenants.
Errors: 22004 for a NULL user_id, 22023 for names that are empty, 54000 for those that are too long.';

CREATE FUNCTION @extschema@.session_revoke_tenant(tenant_id pg_catalog.text)
RETURNS pg_catalog.int8
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_revoke_tenant';
REVOKE ALL ON FUNCTION @extschema@.session_revoke_tenant(pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_revoke_tenant(pg_catalog.text) IS
'Ends the live sessions of a tenant and says how many.
Errors: 22004 for NULL, 22023 for a name that is empty, 54000 for one that is too long.';

CREATE FUNCTION @extschema@.session_cleanup(
    max_rows pg_catalog.int4 DEFAULT NULL,
    OUT deleted pg_catalog.int8,
    OUT failed pg_catalog.text[])
RETURNS pg_catalog.record
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_cleanup';
REVOKE ALL ON FUNCTION @extschema@.session_cleanup(pg_catalog.int4) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_cleanup(pg_catalog.int4) IS
'Does upkeep at once, as a worker does it in the background.  Returns deleted, the number of rows of sessions that are over which it has deleted, at most max_rows (default: all), and failed, the names of the steps in which something failed: sessions, evidence, denylist, events, origins, bound_tables, triggers or activity; {} when nothing did.  A step that fails does not keep the others from being done; its error is a WARNING.
The steps, in this order: deletes the rows of sessions that are over, session.cleanup_batch in a statement; writes events that wait in shared memory; deletes entries of the denylist, events and origins that are over; warns, once until it is put right, of a table that session_bind_users bound and whose changes do not end all sessions; writes down activity that is due.  Rows that another transaction has locked are skipped.
Errors: 22023 for a max_rows of less than 1.';

CREATE FUNCTION @extschema@.session_bind_users(
    users pg_catalog.regclass,
    id_column pg_catalog.name,
    active_column pg_catalog.name DEFAULT NULL)
RETURNS pg_catalog.void
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_bind_users';
REVOKE ALL ON FUNCTION @extschema@.session_bind_users(
    pg_catalog.regclass, pg_catalog.name, pg_catalog.name) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_bind_users(
    pg_catalog.regclass, pg_catalog.name, pg_catalog.name) IS
'Has changes of a table of users end sessions, in the same transaction and with the reason user: those of a row''s user, in all tenants, when the row is deleted, its id changes or its active_column turns from true to false or NULL, and those of all its users when it is truncated.  The id as text is the user_id: as the type prints it, under the settings of whoever changes the table and under the defaults of bytea_output, DateStyle, IntervalStyle and extra_float_digits, and as a cast of the server''s own makes it.  Replaces what the table was told before.  The caller needs the privilege TRIGGER on the table.
Errors: 22004 for NULL, 42P01, 42703 and 42804 for a table or column that is not there or is no boolean, 42809 for something that is no table or that others inherit from, 0A000 for an id_column in which different texts are equal (citext, a nondeterministic collation), 42501.';

CREATE FUNCTION @extschema@.session_unbind_users(users pg_catalog.regclass)
RETURNS pg_catalog.void
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_unbind_users';
REVOKE ALL ON FUNCTION @extschema@.session_unbind_users(pg_catalog.regclass) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_unbind_users(pg_catalog.regclass) IS
'Undoes session_bind_users: changes of the table end no sessions any more.
Errors: 22004 for NULL, 42P01 for a table that is not there, 42704 for one that is not bound, 42501.';

CREATE FUNCTION @extschema@.session_storage(
    kind pg_catalog.text,
    tablespace pg_catalog.name DEFAULT NULL)
RETURNS pg_catalog.void
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_storage';
REVOKE ALL ON FUNCTION @extschema@.session_storage(
    pg_catalog.text, pg_catalog.name) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_storage(
    pg_catalog.text, pg_catalog.name) IS
'Moves the sessions to where they are kept from now on, all of them and without ending any; nobody reaches them meanwhile.
kind database is a logged table in the tablespace of the database, cache an unlogged one, which is empty after a crash and not there on a standby, and filesystem a logged one in another tablespace.  Keys and the denylist stay as they are.
Errors: 22023 for another kind and a tablespace where there is nothing to choose, 22004 for NULL where there is, 42704 for a tablespace that is not there, 42501 when the owner of the tables may not use it.';

CREATE FUNCTION @extschema@.session_grant(
    role pg_catalog.regrole,
    level pg_catalog.text)
RETURNS pg_catalog.void
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_grant';
REVOKE ALL ON FUNCTION @extschema@.session_grant(pg_catalog.regrole, pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_grant(pg_catalog.regrole, pg_catalog.text) IS
'Gives a role a level: app, or admin, which includes app.  The role gets everything that the level needs, public functions and USAGE on their schema included.  An administrator may also read session.events, session.grants, session.privileges and session.bound_tables.
A level is added to what the role has; none takes all of it back.  USAGE on a schema that the role had before stays.  Waits for another transaction that changes a level.
Errors: 22004 for NULL, 22023 for another level, and for taking from the owner of the tables; 42704 for a role that is not there, 42501 where the owner of the tables may not grant, 25006 in a READ ONLY transaction.';

/*
 * Who has which privilege.  The statements below name what they use in the
 * usual way, so a name without a schema means one of the server.
 */
SET LOCAL search_path = pg_catalog, pg_temp;

/*
 * What session_grant has given is recorded as SELECT on columns of a view.
 * Neither default privileges nor GRANT ON ALL TABLES touch columns, DROP OWNED
 * clears them, and a dump has them.
 */
CREATE VIEW session.granted AS
    SELECT true AS app, true AS admin, true AS functions, true AS storage;

REVOKE ALL ON TABLE session.granted FROM PUBLIC;
COMMENT ON VIEW session.granted IS
'Records what session_grant gave: a role has SELECT on the columns app and admin for its levels, and on functions and storage where session_grant gave it USAGE on the schema of the functions or on the schema session.  Read session.grants.';
COMMENT ON COLUMN session.granted.app IS
'SELECT on it records the level app.';
COMMENT ON COLUMN session.granted.admin IS
'SELECT on it records the level admin.';
COMMENT ON COLUMN session.granted.functions IS
'SELECT on it records that session_grant gave USAGE on the schema of the functions.';
COMMENT ON COLUMN session.granted.storage IS
'SELECT on it records that session_grant gave USAGE on the schema session.';

CREATE VIEW session.grants AS
    SELECT r.rolname AS role,
           CASE WHEN bool_or(a.attname = 'admin') THEN 'admin'
                ELSE 'app' END AS level
    FROM pg_attribute a
    CROSS JOIN LATERAL aclexplode(a.attacl) x
    JOIN pg_roles r ON r.oid = x.grantee
    /* What another role than the owner granted is no record. */
    WHERE a.attrelid = 'session.granted'::regclass
      AND a.attname IN ('app', 'admin')
      AND x.privilege_type = 'SELECT'
      AND x.grantor = (SELECT c.relowner FROM pg_class c
                       WHERE c.oid = a.attrelid)
    GROUP BY r.rolname;

REVOKE ALL ON TABLE session.grants FROM PUBLIC;
GRANT SELECT ON TABLE session.grants TO pg_monitor;
COMMENT ON VIEW session.grants IS
'The roles that session_grant gave a level.  Readable by administrators and pg_monitor.';
COMMENT ON COLUMN session.grants.role IS
'Name of the role.';
COMMENT ON COLUMN session.grants.level IS
'app, or admin, which includes app.';

CREATE FUNCTION session.session_levels(
    OUT classid oid,
    OUT objid oid,
    OUT level text)
RETURNS SETOF record
ROWS 100
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_levels';
REVOKE ALL ON FUNCTION session.session_levels() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION session.session_levels() TO pg_monitor;
COMMENT ON FUNCTION session.session_levels() IS
'Which objects each level opens: public, app, admin or monitor (for pg_monitor).  One row an object and level; an object without a row is for its owner alone.  For the view session.privileges.';

/*
 * Compares the privileges on the objects of the extension with those that they
 * should have.
 */
CREATE VIEW session.privileges AS
    WITH extension AS (
        SELECT oid, extnamespace FROM pg_extension WHERE extname = 'session'),
    member AS (
        SELECT d.classid, d.objid
        FROM extension e
        JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass
                        AND d.refobjid = e.oid AND d.deptype = 'e'),
    object AS (
        SELECT m.classid, m.objid, 0 AS attnum, 'FUNCTION' AS kind,
               p.proowner AS owner, acldefault('f', p.proowner) AS usual,
               p.proacl AS acl
        FROM member m
        JOIN pg_proc p ON m.classid = 'pg_proc'::regclass AND p.oid = m.objid
        UNION ALL
        SELECT m.classid, m.objid, 0,
               CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END,
               c.relowner,
               acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char",
                          c.relowner),
               c.relacl
        FROM member m
        JOIN pg_class c ON m.classid = 'pg_class'::regclass AND c.oid = m.objid
        WHERE c.relkind IN ('r', 'p', 'v', 'f', 'm', 'S')
        UNION ALL
        SELECT m.classid, m.objid, a.attnum, 'TABLE', c.relowner,
               NULL, a.attacl
        FROM member m
        JOIN pg_class c ON m.classid = 'pg_class'::regclass AND c.oid = m.objid
        JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE a.attacl IS NOT NULL AND c.oid <> 'session.granted'::regclass
        UNION ALL
        SELECT m.classid, m.objid, 0, 'TYPE', t.typowner,
               acldefault('T', t.typowner), t.typacl
        FROM member m
        JOIN pg_type t ON m.classid = 'pg_type'::regclass AND t.oid = m.objid
        LEFT JOIN pg_class c ON c.oid = t.typrelid
        WHERE t.typcategory <> 'A' AND (c.oid IS NULL OR c.relkind = 'c')
        UNION ALL
        SELECT m.classid, m.objid, 0, 'SCHEMA', n.nspowner,
               acldefault('n', n.nspowner), n.nspacl
        FROM member m
        JOIN pg_namespace n ON m.classid = 'pg_namespace'::regclass
                           AND n.oid = m.objid
        UNION ALL
        SELECT 'pg_namespace'::regclass, n.oid, 0, 'SCHEMA', n.nspowner,
               acldefault('n', n.nspowner), n.nspacl
        FROM extension e
        JOIN pg_namespace n ON n.oid = e.extnamespace),
    actual AS (
        SELECT o.classid, o.objid, o.attnum, o.kind, o.owner, x.grantor,
               x.grantee, x.privilege_type AS privilege, x.is_grantable
        FROM object o
        CROSS JOIN LATERAL aclexplode(coalesce(o.acl, o.usual)) x),
    holder AS (
        SELECT 'public' AS level, 0::oid AS role
        UNION ALL
        SELECT 'monitor', oid FROM pg_roles WHERE rolname = 'pg_monitor'
        UNION ALL
        SELECT l.level, r.oid
        FROM session.grants g
        JOIN pg_roles r ON r.rolname = g.role
        JOIN (VALUES ('app', 'public'), ('app', 'app'), ('admin', 'public'),
                     ('admin', 'app'), ('admin', 'admin')) l (given, level)
          ON l.given = g.level),
    wanted AS (
        SELECT o.classid, o.objid, o.attnum, o.kind, o.owner, x.grantee,
               x.privilege_type AS privilege
        FROM object o
        CROSS JOIN LATERAL aclexplode(o.usual) x
        WHERE x.grantee = o.owner
          AND (o.kind <> 'SCHEMA' OR o.objid = 'session'::regnamespace)
        UNION
        SELECT o.classid, o.objid, o.attnum, o.kind, o.owner, h.role,
               CASE o.kind WHEN 'FUNCTION' THEN 'EXECUTE'
                           WHEN 'TABLE' THEN 'SELECT' ELSE 'USAGE' END
        FROM object o
        JOIN session.session_levels() l USING (classid, objid)
        JOIN holder h USING (level)
        WHERE o.attnum = 0),
    /* The schema of the functions may be open to others, but for CREATE. */
    finding AS (
        SELECT a.*,
               CASE WHEN w.grantee IS NOT NULL THEN 'grantable'
                    WHEN a.is_grantable OR NOT EXISTS (
                        SELECT FROM wanted p
                        WHERE (p.classid, p.objid, p.attnum, p.privilege) =
                              (a.classid, a.objid, a.attnum, a.privilege)
                          AND p.grantee = 0) THEN 'open'
                    ELSE 'redundant' END AS finding
        FROM actual a
        LEFT JOIN wanted w
          ON (w.classid, w.objid, w.attnum, w.privilege) =
             (a.classid, a.objid, a.attnum, a.privilege)
         AND w.grantee = a.grantee
        WHERE a.grantee <> a.owner
          AND (w.grantee IS NULL OR a.is_grantable)
          AND (a.kind <> 'SCHEMA' OR a.objid = 'session'::regnamespace OR
               a.privilege = 'CREATE' AND NOT EXISTS (
                   SELECT FROM pg_roles r
                   WHERE r.oid = a.grantee AND r.rolsuper))
          AND (a.privilege <> 'USAGE' OR a.is_grantable OR NOT EXISTS (
                   SELECT FROM object o WHERE o.owner = a.grantee))
        UNION ALL
        SELECT w.classid, w.objid, w.attnum, w.kind, w.owner, w.owner,
               w.grantee, w.privilege, false, 'missing'
        FROM wanted w
        WHERE NOT EXISTS (
            SELECT FROM actual a
            WHERE (a.classid, a.objid, a.attnum, a.privilege) =
                  (w.classid, w.objid, w.attnum, w.privilege)
              AND (a.grantee = w.grantee OR
                   a.grantee = 0 AND w.kind = 'SCHEMA')))
    SELECT lower(f.kind) AS kind,
           i.identity AS object,
           c.attname AS column_name,
           CASE f.grantee WHEN 0 THEN 'PUBLIC' ELSE g.rolname END AS grantee,
           f.privilege,
           f.finding,
           CASE WHEN f.finding = 'missing'
                THEN format('GRANT %s ON %s %s TO %s', f.privilege, f.kind,
                            i.identity, q.grantee)
                WHEN f.grantor <> f.owner
                THEN format('REVOKE GRANT OPTION FOR %s%s ON %s %s FROM %I CASCADE',
                            f.privilege, q.columns, f.kind, i.identity,
                            pg_get_userbyid(f.grantor))
                ELSE format('REVOKE %s%s%s ON %s %s FROM %s CASCADE',
                            CASE f.finding WHEN 'grantable'
                                 THEN 'GRANT OPTION FOR ' END,
                            f.privilege, q.columns, f.kind, i.identity,
                            q.grantee)
           END AS remedy
    FROM finding f
    CROSS JOIN LATERAL pg_identify_object(f.classid, f.objid, 0) i
    LEFT JOIN pg_attribute c ON f.kind = 'TABLE' AND f.attnum <> 0
                            AND c.attrelid = f.objid AND c.attnum = f.attnum
    LEFT JOIN pg_roles g ON g.oid = f.grantee
    CROSS JOIN LATERAL (
        SELECT CASE f.grantee WHEN 0 THEN 'PUBLIC'
                    ELSE quote_ident(pg_get_userbyid(f.grantee)) END AS grantee,
               CASE WHEN c.attname IS NOT NULL
                    THEN format(' (%I)', c.attname) END AS columns) q;

REVOKE ALL ON TABLE session.privileges FROM PUBLIC;
GRANT SELECT ON TABLE session.privileges TO pg_monitor;
COMMENT ON VIEW session.privileges IS
'What differs from the privileges that the installation and session_grant gave on the objects of the extension, and who but its owner may create objects in the schema of its functions.  No row: all is as it should be.  Readable by administrators and pg_monitor.';
COMMENT ON COLUMN session.privileges.kind IS
'function, table (views too), sequence, type or schema.';
COMMENT ON COLUMN session.privileges.object IS
'The object, with its schema.';
COMMENT ON COLUMN session.privileges.column_name IS
'The column, for a privilege on one.';
COMMENT ON COLUMN session.privileges.grantee IS
'The role that has the privilege, or lacks it; PUBLIC = every role.';
COMMENT ON COLUMN session.privileges.privilege IS
'The privilege, as GRANT calls it.';
COMMENT ON COLUMN session.privileges.finding IS
'open = the role has the privilege and should not; grantable = the role may pass it on and should not; redundant = the role has by name what PUBLIC should have; missing = the role should have it.';
COMMENT ON COLUMN session.privileges.remedy IS
'The statement that puts it right.';

CREATE FUNCTION session.session_restore_privileges()
RETURNS int8
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_restore_privileges';
REVOKE ALL ON FUNCTION session.session_restore_privileges() FROM PUBLIC;
COMMENT ON FUNCTION session.session_restore_privileges() IS
'Runs the remedies that session.privileges shows for the objects of the extension and returns how many there were.  The schema of the functions is left as it is; it warns when others may create objects there.  For the owner of the extension.
Errors: 42501 for other roles, 25006 in a READ ONLY transaction.';

/*
 * The tables of users that session_bind_users has bound.
 */
CREATE VIEW session.bound_tables AS
    WITH RECURSIVE trigger AS (
        SELECT t.*
        FROM pg_depend d
        JOIN pg_trigger t ON d.classid = 'pg_trigger'::regclass
                         AND t.oid = d.objid
        WHERE d.refclassid = 'pg_proc'::regclass
          AND d.refobjid = 'session.session_users_changed'::regproc),
    clone AS (  -- of partitions
        SELECT tgrelid AS bound, tgenabled AS usual, oid, tgrelid, tgenabled
        FROM trigger WHERE tgparentid = 0
        UNION ALL
        SELECT c.bound, c.usual, t.oid, t.tgrelid, t.tgenabled
        FROM clone c JOIN trigger t ON t.tgparentid = c.oid),
    binding AS (
        SELECT t.tgrelid,
               min(t.tgattr[0]) FILTER (WHERE t.tgtype & 8 <> 0) AS id_number,
               min(t.tgattr[1]) FILTER (WHERE t.tgtype & 8 <> 0) AS active_number,
               count(*) AS triggers,
               CASE WHEN bool_or(t.tgenabled = 'D') THEN 'disabled'
                    WHEN bool_or(t.tgenabled = 'R') THEN 'replica'
                    WHEN bool_or(t.tgenabled = 'O') THEN 'origin'
                    ELSE 'always' END AS enabled
        FROM trigger t
        WHERE t.tgparentid = 0
        GROUP BY t.tgrelid)
    SELECT b.tgrelid::regclass AS users,
           pg_get_userbyid(c.relowner) AS owner,
           i.attname AS id_column,
           a.attname AS active_column,
           b.enabled,
           array_remove(ARRAY[
               CASE WHEN b.triggers <> 3 OR i.attname IS NULL
                    THEN 'not all three triggers are there' END,
               CASE b.enabled
                    WHEN 'disabled' THEN 'a trigger is disabled'
                    WHEN 'replica' THEN 'a trigger fires for replicated changes only'
                    WHEN 'origin' THEN 'a trigger does not fire for replicated changes'
               END,
               CASE WHEN c.relkind = 'r'
                    THEN 'changes of rows in these child tables end no session: ' ||
                         (SELECT string_agg(h.inhrelid::regclass::text, ', '
                                            ORDER BY h.inhrelid)
                          FROM pg_inherits h
                          WHERE h.inhparent = b.tgrelid
                            AND NOT EXISTS (SELECT FROM binding o
                                            WHERE o.tgrelid = h.inhrelid)) END,
               'triggers of these partitions are not enabled as those of the table: ' ||
               (SELECT string_agg(DISTINCT p.tgrelid::regclass::text, ', ')
                FROM clone p
                WHERE p.bound = b.tgrelid AND p.tgenabled <> p.usual)],
               NULL) AS problems
    FROM binding b
    JOIN pg_class c ON c.oid = b.tgrelid
    LEFT JOIN pg_attribute i ON i.attrelid = b.tgrelid
                            AND i.attnum = b.id_number
    LEFT JOIN pg_attribute a ON a.attrelid = b.tgrelid
                            AND a.attnum = b.active_number;

REVOKE ALL ON TABLE session.bound_tables FROM PUBLIC;
GRANT SELECT ON TABLE session.bound_tables TO pg_monitor;
COMMENT ON VIEW session.bound_tables IS
'The tables that session_bind_users has bound.  The owner of such a table, and each role that may insert and delete in it, can end the sessions of any user, whatever level the role has.  Readable by administrators and pg_monitor.';
COMMENT ON COLUMN session.bound_tables.users IS
'The table.';
COMMENT ON COLUMN session.bound_tables.owner IS
'The role that owns it.';
COMMENT ON COLUMN session.bound_tables.id_column IS
'The column whose text is the user_id of sessions.';
COMMENT ON COLUMN session.bound_tables.active_column IS
'The column that ends sessions when it turns to false or NULL; NULL = none.';
COMMENT ON COLUMN session.bound_tables.enabled IS
'When its triggers fire: always, origin (not for replicated changes), replica (for those only) or disabled; of three that differ, the worst.';
COMMENT ON COLUMN session.bound_tables.problems IS
'Which changes of users end no session, and why; empty = all is well.';

/* Last: brings the privileges on everything above to what they should be. */
SELECT session.session_restore_privileges();
