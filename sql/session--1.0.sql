/* session 1.0: what CREATE EXTENSION session installs */

-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION session" to load this file. \quit

/*
 * Privileges: for each object that is not public, a REVOKE FROM PUBLIC follows
 * its creation.  The last statement of this script then sets the privileges on
 * all objects as the lists in levels.c define them, including the grants to
 * PUBLIC.  The default privileges of the database have no effect on the result.
 */

/*
 * Private storage.  The schema belongs to the extension alone: the script
 * fails if a schema of that name exists, and PUBLIC gets no privilege on it.
 */

CREATE SCHEMA session;
REVOKE ALL ON SCHEMA session FROM PUBLIC;

COMMENT ON SCHEMA session IS
'Private storage of the extension "session".  Use the functions of the extension to read and change it.';

/*
 * One row per session.  Texts compare by byte, so the indexes do not depend on
 * a collation library.  No index covers a column that activity, rotation or
 * data writes change, and pages keep free space, so that those updates are HOT.
 */
CREATE TABLE session.sessions
(
    id                 pg_catalog.uuid NOT NULL,
    token_hash         pg_catalog.bytea NOT NULL,
    user_id            pg_catalog.text COLLATE pg_catalog."C",
    tenant_id          pg_catalog.text COLLATE pg_catalog."C",
    role               pg_catalog.text COLLATE pg_catalog."C",
    auth_level         pg_catalog.int4 NOT NULL,
    amr                pg_catalog.text[] COLLATE pg_catalog."C",
    parent_id          pg_catalog.uuid,
    actor_id           pg_catalog.text COLLATE pg_catalog."C",
    scopes             pg_catalog.text[] COLLATE pg_catalog."C",
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
    bound_by           pg_catalog.text COLLATE pg_catalog."C",
    bound_thumbprint   pg_catalog.bytea,
    bound_key          pg_catalog.jsonb,
    bound_at           pg_catalog.timestamptz,
    answered_at        pg_catalog.timestamptz,
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
               (authenticated_at IS NULL AND amr IS NULL AND
                auth_level OPERATOR(pg_catalog.=) 0)),
    CONSTRAINT sessions_parent_is_another
        CHECK (parent_id OPERATOR(pg_catalog.<>) id),
    CONSTRAINT sessions_derived_is_not_refreshable
        CHECK (parent_id IS NULL OR refresh_key IS NULL),
    CONSTRAINT sessions_actor_has_parent_and_user
        CHECK (actor_id IS NULL OR
               (parent_id IS NOT NULL AND user_id IS NOT NULL AND
                auth_level OPERATOR(pg_catalog.<=) 1)),
    CONSTRAINT sessions_scopes_have_parent
        CHECK (scopes IS NULL OR parent_id IS NOT NULL),
    CONSTRAINT sessions_refresh_key_is_sealed
        CHECK (pg_catalog.octet_length(refresh_key) OPERATOR(pg_catalog.=) 72),
    CONSTRAINT sessions_refreshable_is_whole
        CHECK ((refresh_key IS NULL) OPERATOR(pg_catalog.=)
               (refresh_expires_at IS NULL) AND
               (refresh_key IS NULL) OPERATOR(pg_catalog.=)
               (refresh_generation IS NULL)),
    CONSTRAINT sessions_bound_by_is_known
        CHECK (bound_by OPERATOR(pg_catalog.=) ANY (ARRAY['dbsc', 'dpop'])),
    CONSTRAINT sessions_bound_thumbprint_is_sha256
        CHECK (pg_catalog.octet_length(bound_thumbprint)
               OPERATOR(pg_catalog.=) 32),
    CONSTRAINT sessions_bound_is_whole
        CHECK ((bound_by IS NULL) OPERATOR(pg_catalog.=)
               (bound_thumbprint IS NULL) AND
               (bound_by OPERATOR(pg_catalog.=) 'dbsc') IS TRUE
               OPERATOR(pg_catalog.=) (bound_key IS NOT NULL) AND
               (bound_key IS NULL) OPERATOR(pg_catalog.=) (bound_at IS NULL) AND
               (bound_key IS NULL) OPERATOR(pg_catalog.=)
               (answered_at IS NULL)),
    CONSTRAINT sessions_revoked_has_reason
        CHECK ((revoked_at IS NULL) OPERATOR(pg_catalog.=)
               (revoked_reason IS NULL))
)
WITH (fillfactor = 70);

CREATE INDEX sessions_user_id_idx ON session.sessions (user_id);
CREATE INDEX sessions_tenant_id_idx ON session.sessions (tenant_id)
    WHERE tenant_id IS NOT NULL;
CREATE INDEX sessions_parent_id_idx ON session.sessions (parent_id)
    WHERE parent_id IS NOT NULL;
CREATE INDEX sessions_purge_at_idx ON session.sessions (purge_at);

REVOKE ALL ON TABLE session.sessions FROM PUBLIC;

COMMENT ON TABLE session.sessions IS
'One row per session.  A stolen copy cannot be used to log in: a token cannot be computed from its hash.';
COMMENT ON COLUMN session.sessions.id IS
'Public id of the session, safe to log and to show; a UUIDv7 unless the caller of session_create gave another id, or a token, of which a UUIDv8 is made.';
COMMENT ON COLUMN session.sessions.token_hash IS
'SHA-256 of the 32 secret bytes of the session token, or of those that are made of a foreign token.';
COMMENT ON COLUMN session.sessions.user_id IS
'The user, by the application''s own id; NULL = anonymous session.';
COMMENT ON COLUMN session.sessions.tenant_id IS
'The tenant that the user belongs to; NULL = none.';
COMMENT ON COLUMN session.sessions.role IS
'Database role for row-level security; NULL = none.';
COMMENT ON COLUMN session.sessions.auth_level IS
'Number of authentication factors that were proven: 0 = anonymous, 1 = one factor, 2 = two, and so on.';
COMMENT ON COLUMN session.sessions.amr IS
'How the factors were proven, by names of RFC 8176 such as pwd, otp and hwk; NULL = not known.';
COMMENT ON COLUMN session.sessions.parent_id IS
'The session that this one was made of, without which it ends; NULL = none.';
COMMENT ON COLUMN session.sessions.actor_id IS
'Who acts as the user, by the application''s own id; NULL = the user.';
COMMENT ON COLUMN session.sessions.scopes IS
'What the session may do, as scopes of RFC 6749; NULL = everything.';
COMMENT ON COLUMN session.sessions.data IS
'Data of the application, a JSON object, or a JSON string if it was sealed with session.encrypt_data.';
COMMENT ON COLUMN session.sessions.ip IS
'Client address that the last session_login or session_regenerate gave, else session_create, as far as session.store_ip stores it; NULL = none.';
COMMENT ON COLUMN session.sessions.user_agent IS
'User agent that the last session_login or session_regenerate gave, else session_create, truncated to 1024 bytes; NULL = none.';
COMMENT ON COLUMN session.sessions.created_at IS
'When the session was created.  Changes only if the session gets a tenant or role whose earlier sessions session_revoke_all has ended: it is then just after that end.';
COMMENT ON COLUMN session.sessions.authenticated_at IS
'When the user last authenticated; NULL = anonymous.';
COMMENT ON COLUMN session.sessions.refreshed_at IS
'When the lifetime was last restarted; NULL = never.';
COMMENT ON COLUMN session.sessions.last_seen_at IS
'Last use of the session that was written to the row.  A use is written at most once per session.update_age, or per half the idle timeout if that is shorter, and always by session_touch.  With the library preloaded, session_get and session_list return the exact time.';
COMMENT ON COLUMN session.sessions.expires_at IS
'Hard deadline; infinity if only the idle timeout ends the session.';
COMMENT ON COLUMN session.sessions.idle_timeout IS
'How long the session may stay unused; NULL = without limit.  A month counts as 30 days and a day as 24 hours.';
COMMENT ON COLUMN session.sessions.max_expires_at IS
'Cap: no refresh moves expires_at past this time; NULL = none.';
COMMENT ON COLUMN session.sessions.refresh_key IS
'Key of a refreshable session from which its tokens are derived, sealed with a key of the purpose "seal"; NULL otherwise.';
COMMENT ON COLUMN session.sessions.refresh_generation IS
'Number of rotations of the tokens of a refreshable session; NULL otherwise.';
COMMENT ON COLUMN session.sessions.refresh_expires_at IS
'Deadline of the refresh token of a refreshable session; NULL otherwise.';
COMMENT ON COLUMN session.sessions.rotated_at IS
'When the tokens of a refreshable session were last rotated; NULL otherwise.';
COMMENT ON COLUMN session.sessions.bound_by IS
'How the session is bound to a key of its client: dbsc (Device Bound Session Credentials) or dpop (RFC 9449); NULL = not bound.  The token of a bound session is of no use without that key.';
COMMENT ON COLUMN session.sessions.bound_thumbprint IS
'SHA-256 thumbprint of that key (RFC 7638).';
COMMENT ON COLUMN session.sessions.bound_key IS
'That key, a public JWK, with dbsc; NULL otherwise.';
COMMENT ON COLUMN session.sessions.bound_at IS
'When the session was bound to that key, with dbsc; for session.dbsc_grace after that, its token is accepted alone.  NULL otherwise.';
COMMENT ON COLUMN session.sessions.answered_at IS
'When the last challenge was made that the client has answered, with dbsc; an answer to that or an earlier one is not accepted again.  NULL otherwise.';
COMMENT ON COLUMN session.sessions.revoked_at IS
'When the session was revoked; NULL = not revoked.  The row of a revoked session (tombstone) is kept for session.revoked_retention.';
COMMENT ON COLUMN session.sessions.revoked_reason IS
'Why the session was revoked: logout, login, admin, user, tenant, evicted, binding_mismatch, refresh_reuse, or a reason that the caller gave; NULL = not revoked.';
COMMENT ON COLUMN session.sessions.purge_at IS
'When the row may be deleted: the end of the session, or session.revoked_retention after it was revoked, rounded up to the hour; the end of a session that can be extended may be followed by one more hour.';
COMMENT ON INDEX session.sessions_user_id_idx IS
'Finds the sessions of a user in order to list, count and revoke them.';
COMMENT ON INDEX session.sessions_tenant_id_idx IS
'Finds the sessions of a tenant in order to revoke them.';
COMMENT ON INDEX session.sessions_parent_id_idx IS
'Finds the sessions that were made of a session in order to end them with it.';
COMMENT ON INDEX session.sessions_purge_at_idx IS
'Finds the rows that are due to be deleted.';

CREATE FUNCTION session.session_sessions_changed()
RETURNS pg_catalog.trigger
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_sessions_changed';
REVOKE ALL ON FUNCTION session.session_sessions_changed() FROM PUBLIC;
COMMENT ON FUNCTION session.session_sessions_changed() IS
'Makes the row decide about snapshots of the changed sessions, from before the commit on, and makes that commit flush its WAL to disk.';

/*
 * For UPDATE, the function itself compares the old and the new row.  A WHEN
 * clause would be parsed again for each statement, and UPDATE OF misses changes
 * that other triggers make.  For DELETE a WHEN clause pays off, because rows
 * are deleted in batches.
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
'Makes a change of a session take effect on its snapshots, for any statement that makes the change.';
COMMENT ON TRIGGER sessions_deleted ON session.sessions IS
'Ends the snapshots of a live session that is deleted.';
COMMENT ON TRIGGER sessions_emptied ON session.sessions IS
'Ends the snapshots of all sessions when the table is truncated.';

/*
 * Keys, sealed under a master key that is not in the database.  They are part
 * of a dump, because cookies that were made with them stay valid after a
 * restore.  A restored key can be used only with the same master key.
 */
CREATE TABLE session.keys
(
    kid          pg_catalog.text COLLATE pg_catalog."C" NOT NULL,
    purpose      pg_catalog.text COLLATE pg_catalog."C" NOT NULL,
    algorithm    pg_catalog.text COLLATE pg_catalog."C" NOT NULL,
    secret       pg_catalog.bytea,
    public_jwk   pg_catalog.jsonb,
    token_kid    pg_catalog.text COLLATE pg_catalog."C",
    issuer       pg_catalog.text COLLATE pg_catalog."C",
    audience     pg_catalog.text COLLATE pg_catalog."C",
    imported     pg_catalog.bool NOT NULL,
    created_at   pg_catalog.timestamptz NOT NULL,
    activated_at pg_catalog.timestamptz NOT NULL,
    retired_at   pg_catalog.timestamptz,
    CONSTRAINT keys_pkey PRIMARY KEY (kid),
    CONSTRAINT keys_secret_is_sealed
        CHECK (pg_catalog.octet_length(secret) OPERATOR(pg_catalog.>=) 60),
    CONSTRAINT keys_algorithm_is_known
        CHECK (algorithm OPERATOR(pg_catalog.=) ANY ('{HS256,ES256,EdDSA,RS256}')),
    CONSTRAINT keys_public_jwk_is_of_algorithm
        CHECK (CASE WHEN algorithm OPERATOR(pg_catalog.=) 'HS256'
                    THEN secret IS NOT NULL AND public_jwk IS NULL
                    ELSE public_jwk IS NOT NULL
                         AND pg_catalog.jsonb_typeof(public_jwk) OPERATOR(pg_catalog.=) 'object' END),
    CONSTRAINT keys_issuer_has_no_secret
        CHECK (secret IS NULL OR (token_kid IS NULL AND issuer IS NULL AND audience IS NULL)),
    CONSTRAINT keys_issuer_is_imported
        CHECK (secret IS NOT NULL OR imported)
);

CREATE INDEX keys_activated_at_idx ON session.keys (activated_at);

REVOKE ALL ON TABLE session.keys FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('session.keys', '');

COMMENT ON TABLE session.keys IS
'Keys that sign, seal and verify cookies.  Their secrets cannot be used without the master key.  The row "session master" is not a key: it is used to check that the master key is the right one.';
COMMENT ON COLUMN session.keys.kid IS
'Public name of the key; cookies and tokens made with the key may contain it.';
COMMENT ON COLUMN session.keys.purpose IS
'Purpose of the key.  A value made for one purpose is never accepted for another.';
COMMENT ON COLUMN session.keys.algorithm IS
'Algorithm of JWTs made with the key: HS256, ES256, EdDSA or RS256.  A key of HS256 is a secret, which the other encodings of cookies use as well.';
COMMENT ON COLUMN session.keys.secret IS
'The secret or the private half of the key, as bare numbers, sealed with AES-256-GCM under a key derived from the master key; NULL = it is the key of an issuer and only verifies.';
COMMENT ON COLUMN session.keys.public_jwk IS
'The public half, with the members of a JWK that RFC 7638 requires; NULL if the algorithm is HS256.';
COMMENT ON COLUMN session.keys.token_kid IS
'The kid in the header of the tokens of an issuer; NULL = the tokens have none, or the key is not of an issuer.';
COMMENT ON COLUMN session.keys.issuer IS
'What the claim iss of a token that the key verifies must be; NULL = anything.';
COMMENT ON COLUMN session.keys.audience IS
'What the claim aud of a token that the key verifies must be or contain; NULL = the token must have none, or the key is not of an issuer.';
COMMENT ON COLUMN session.keys.imported IS
'Whether the key was imported.  An imported secret is used exactly as the format of the other system prescribes.';
COMMENT ON COLUMN session.keys.created_at IS
'When the key was generated or imported.';
COMMENT ON COLUMN session.keys.activated_at IS
'When the key starts to sign, which may lie ahead; a newer key of the same purpose replaces it.';
COMMENT ON COLUMN session.keys.retired_at IS
'When the key was retired: from then on, nothing made with it is accepted; NULL = in use.';
COMMENT ON INDEX session.keys_activated_at_idx IS
'Reads the keys in the order of their activation.';

CREATE VIEW session.key_ring AS
    SELECT kid, purpose, algorithm, token_kid, issuer, audience, imported,
           created_at, activated_at, retired_at,
           kid OPERATOR(pg_catalog.=) (
               SELECT signer.kid FROM session.keys signer
               WHERE signer.purpose OPERATOR(pg_catalog.=) keys.purpose
                 AND signer.retired_at IS NULL
                 AND signer.secret IS NOT NULL
                 AND (signer.algorithm OPERATOR(pg_catalog.=) 'HS256'
                      OR keys.algorithm OPERATOR(pg_catalog.<>) 'HS256')
               ORDER BY CASE WHEN signer.activated_at OPERATOR(pg_catalog.<=) pg_catalog.clock_timestamp()
                             THEN signer.activated_at END DESC NULLS LAST,
                        signer.activated_at
               LIMIT 1) IS TRUE AS signs
    FROM session.keys
    WHERE kid OPERATOR(pg_catalog.<>) 'session master';

REVOKE ALL ON TABLE session.key_ring FROM PUBLIC;
COMMENT ON VIEW session.key_ring IS
'The keys without their secrets.';
COMMENT ON COLUMN session.key_ring.kid IS
'Public name of the key, as in the header of a JWT made with it.';
COMMENT ON COLUMN session.key_ring.purpose IS
'Purpose of the key.  A key of one purpose verifies no value of another.';
COMMENT ON COLUMN session.key_ring.algorithm IS
'Algorithm of JWTs made with the key: HS256, ES256, EdDSA or RS256.  A key of HS256 is a secret, which the other encodings of cookies use as well.';
COMMENT ON COLUMN session.key_ring.token_kid IS
'The kid in the header of the tokens of an issuer; NULL = the tokens have none, or the key is not of an issuer.';
COMMENT ON COLUMN session.key_ring.issuer IS
'What the claim iss of a token that the key verifies must be; NULL = anything.';
COMMENT ON COLUMN session.key_ring.audience IS
'What the claim aud of a token that the key verifies must be or contain; NULL = the token must have none, or the key is not of an issuer.';
COMMENT ON COLUMN session.key_ring.imported IS
'Whether the key was imported from another system.  An imported secret is used exactly as that system uses it.';
COMMENT ON COLUMN session.key_ring.created_at IS
'When the key was generated or imported.';
COMMENT ON COLUMN session.key_ring.activated_at IS
'When the key starts to sign, which may lie ahead; a newer key of the same purpose replaces it.';
COMMENT ON COLUMN session.key_ring.retired_at IS
'When the key was retired: from then on, nothing made with it is accepted; NULL = in use.';
COMMENT ON COLUMN session.key_ring.signs IS
'Whether the key makes new values of its purpose.  JWTs are made with the newest key that is activated, other encodings with the newest one of algorithm HS256: a purpose with both kinds has two.  While none is activated, the first that will be counts.';

CREATE FUNCTION session.session_keys_changed()
RETURNS pg_catalog.trigger
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_keys_changed';
REVOKE ALL ON FUNCTION session.session_keys_changed() FROM PUBLIC;
COMMENT ON FUNCTION session.session_keys_changed() IS
'Makes every backend drop its cached keys when the change commits, and makes that commit flush its WAL to disk.';

CREATE TRIGGER keys_changed
    AFTER INSERT OR UPDATE OR DELETE ON session.keys
    FOR EACH ROW EXECUTE FUNCTION session.session_keys_changed();
CREATE TRIGGER keys_emptied
    AFTER TRUNCATE ON session.keys
    FOR EACH STATEMENT EXECUTE FUNCTION session.session_keys_changed();
ALTER TABLE session.keys ENABLE ALWAYS TRIGGER keys_changed;
ALTER TABLE session.keys ENABLE ALWAYS TRIGGER keys_emptied;
COMMENT ON TRIGGER keys_changed ON session.keys IS
'Makes a change of keys take effect in every backend, for any statement that makes the change.';
COMMENT ON TRIGGER keys_emptied ON session.keys IS
'Makes the loss of all keys take effect in every backend when the table is truncated.';

/*
 * Rules for all sessions, or those of a tenant, a role or both.  They are
 * configuration and part of a dump, the end of earlier sessions included.  The
 * id is the replica identity: tenant and role may be NULL.
 */
CREATE TABLE session.policies
(
    id              pg_catalog.uuid DEFAULT pg_catalog.gen_random_uuid() NOT NULL,
    tenant_id       pg_catalog.text COLLATE pg_catalog."C",
    role            pg_catalog.text COLLATE pg_catalog."C",
    lifetime        pg_catalog.interval,
    idle_timeout    pg_catalog.interval,
    max_sessions    pg_catalog.int4,
    bind_ip         pg_catalog.text COLLATE pg_catalog."C",
    bind_user_agent pg_catalog.bool,
    valid_after     pg_catalog.timestamptz,
    CONSTRAINT policies_pkey PRIMARY KEY (id),
    CONSTRAINT policies_scope_is_unique
        UNIQUE NULLS NOT DISTINCT (tenant_id, role),
    CONSTRAINT policies_lifetime_is_positive
        CHECK (lifetime OPERATOR(pg_catalog.>) INTERVAL '0'),
    CONSTRAINT policies_idle_timeout_is_not_negative
        CHECK (idle_timeout OPERATOR(pg_catalog.>=) INTERVAL '0'),
    CONSTRAINT policies_max_sessions_is_not_negative
        CHECK (max_sessions OPERATOR(pg_catalog.>=) 0),
    CONSTRAINT policies_bind_ip_is_known
        CHECK (bind_ip OPERATOR(pg_catalog.=)
               ANY (ARRAY['off', 'subnet', 'exact'])),
    CONSTRAINT policies_valid_after_is_finite
        CHECK (pg_catalog.isfinite(valid_after))
);

REVOKE ALL ON TABLE session.policies FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('session.policies', '');

COMMENT ON TABLE session.policies IS
'Rules for all sessions, or those of a tenant, a role or both.  They hold for live sessions from the commit of a change on.  For each column, the most specific row with a value counts: tenant and role, tenant, role, all sessions, then the setting.  Of valid_after, the latest counts.  Readable by administrators.';
COMMENT ON INDEX session.policies_scope_is_unique IS
'Makes sure that a tenant and a role, either of which may be NULL, have one row.';
COMMENT ON COLUMN session.policies.id IS
'Identifies the row in logical replication.';
COMMENT ON COLUMN session.policies.tenant_id IS
'The tenant whose sessions the row is about; NULL = any or none.';
COMMENT ON COLUMN session.policies.role IS
'The role whose sessions the row is about; NULL = any or none.';
COMMENT ON COLUMN session.policies.lifetime IS
'How long a session may live, counted from its creation or last refresh; if it is refreshable, from its creation or the last authentication of its user.  If the session''s own lifetime is shorter, that counts.  NULL = no rule.';
COMMENT ON COLUMN session.policies.idle_timeout IS
'How long a session may stay unused.  If the session''s own timeout is shorter, that counts.  0 = without limit; NULL = no rule.';
COMMENT ON COLUMN session.policies.max_sessions IS
'Limit on the live sessions of a user in a tenant, checked when a session of this tenant and role is added.  A lower limit of the call counts.  0 = without limit; NULL = no rule.';
COMMENT ON COLUMN session.policies.bind_ip IS
'How the address of a request must agree with that of the session: off, subnet or exact, as in session.bind_ip; NULL = no rule.';
COMMENT ON COLUMN session.policies.bind_user_agent IS
'Whether the user agent of a request must be that of the session, as in session.bind_user_agent; NULL = no rule.';
COMMENT ON COLUMN session.policies.valid_after IS
'Sessions that were created at or before this time are over, as are snapshots, cookies and JWTs of that time; of all rows that match a session, the latest counts.  session_revoke_all moves it; NULL = no rule.';

CREATE FUNCTION session.session_policies_changed()
RETURNS pg_catalog.trigger
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_policies_changed';
REVOKE ALL ON FUNCTION session.session_policies_changed() FROM PUBLIC;
COMMENT ON FUNCTION session.session_policies_changed() IS
'Makes every backend read the policies again when the change commits, and makes that commit flush its WAL to disk.';

CREATE TRIGGER policies_changed
    AFTER INSERT OR UPDATE OR DELETE ON session.policies
    FOR EACH ROW EXECUTE FUNCTION session.session_policies_changed();
CREATE TRIGGER policies_emptied
    AFTER TRUNCATE ON session.policies
    FOR EACH STATEMENT EXECUTE FUNCTION session.session_policies_changed();
ALTER TABLE session.policies ENABLE ALWAYS TRIGGER policies_changed;
ALTER TABLE session.policies ENABLE ALWAYS TRIGGER policies_emptied;
COMMENT ON TRIGGER policies_changed ON session.policies IS
'Makes a change of policies take effect in every backend, for any statement that makes the change.';
COMMENT ON TRIGGER policies_emptied ON session.policies IS
'Makes the loss of all policies take effect in every backend when the table is truncated.';

/*
 * Cookies that carry their own proof and were revoked.
 */
CREATE TABLE session.denylist
(
    hash       pg_catalog.bytea NOT NULL,
    expires_at pg_catalog.timestamptz NOT NULL,
    bound_at   pg_catalog.timestamptz,
    CONSTRAINT denylist_pkey PRIMARY KEY (hash),
    CONSTRAINT denylist_hash_is_sha256
        CHECK (pg_catalog.octet_length(hash) OPERATOR(pg_catalog.=) 32)
);

CREATE INDEX denylist_expires_at_idx ON session.denylist (expires_at);

REVOKE ALL ON TABLE session.denylist FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('session.denylist', '');

COMMENT ON TABLE session.denylist IS
'Cookies that were revoked.  An entry is kept until its cookie expires.';
COMMENT ON COLUMN session.denylist.hash IS
'SHA-256 of the purpose and the jti of the cookie, or of the purpose and the payload if it has no jti.';
COMMENT ON COLUMN session.denylist.expires_at IS
'When the cookie expires and the entry may be deleted.';
COMMENT ON COLUMN session.denylist.bound_at IS
'When another cookie took its place that is bound to a key of the browser; this one is accepted for session.dbsc_grace after that.  NULL = denied at once.';
COMMENT ON INDEX session.denylist_expires_at_idx IS
'Finds the entries that are due to be deleted.';

CREATE FUNCTION session.session_denylist_changed()
RETURNS pg_catalog.trigger
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_denylist_changed';
REVOKE ALL ON FUNCTION session.session_denylist_changed() FROM PUBLIC;
COMMENT ON FUNCTION session.session_denylist_changed() IS
'Ends the identities of a denied cookie when the change commits, and makes that commit flush its WAL to disk.';

CREATE TRIGGER denylist_changed
    AFTER INSERT OR UPDATE ON session.denylist
    FOR EACH ROW EXECUTE FUNCTION session.session_denylist_changed();
ALTER TABLE session.denylist ENABLE ALWAYS TRIGGER denylist_changed;
COMMENT ON TRIGGER denylist_changed ON session.denylist IS
'Makes the denial of a cookie take effect on identities that are bound, for any statement that denies it.';

/*
 * The trigger function of the tables that session_bind_users has bound.
 */
CREATE FUNCTION session.session_users_changed()
RETURNS pg_catalog.trigger
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_users_changed';
REVOKE ALL ON FUNCTION session.session_users_changed() FROM PUBLIC;
COMMENT ON FUNCTION session.session_users_changed() IS
'Revokes the sessions of users that are removed from a table.  Only session_bind_users creates triggers that call it.';

/*
 * Events of sessions.  The table is part of a dump, because it is the history
 * of the users in it.  Rows are only added at its end and deleted at its
 * beginning.
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
    actor      pg_catalog.text COLLATE pg_catalog."C" NOT NULL,
    actor_kind pg_catalog.text COLLATE pg_catalog."C" NOT NULL,
    detail     pg_catalog.jsonb,
    CONSTRAINT events_pkey PRIMARY KEY (at, id),
    CONSTRAINT events_actor_kind_check
        CHECK (actor_kind OPERATOR(pg_catalog.=) ANY (ARRAY['user', 'role', 'worker']))
);

CREATE INDEX events_user_id_idx ON session.events (user_id, at);

REVOKE ALL ON TABLE session.events FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('session.events', '');
SELECT pg_catalog.pg_extension_config_dump('session.events_id_seq', '');

COMMENT ON TABLE session.events IS
'Events of sessions and of administration, of the kinds that session.log_events lists, kept for session.event_retention.  Never contains a token.';
COMMENT ON COLUMN session.events.id IS
'Ascending number, mostly in the order of at.  A transaction that rolls back leaves a gap.';
COMMENT ON COLUMN session.events.at IS
'When the event happened, by the server''s clock; for expired, when the row of the session was deleted.';
COMMENT ON COLUMN session.events.kind IS
'created, refreshed, regenerated, revoked, evicted, expired, refresh_reuse, binding_mismatch, bound, unbound, risk, new_ip, new_user_agent, failures, accessed or administration.';
COMMENT ON COLUMN session.events.session_id IS
'Public id of the session; NULL for failures of an address and for administration.';
COMMENT ON COLUMN session.events.user_id IS
'User of the session, or whom an administration is about; NULL for an anonymous session, for failures of an address, and if the session no longer existed when the event was written.';
COMMENT ON COLUMN session.events.tenant_id IS
'Tenant of the session, or the one that an administration is about; NULL if there is none, and in the cases in which user_id is NULL.';
COMMENT ON COLUMN session.events.ip IS
'For created, refresh_reuse, binding_mismatch, unbound, risk and failures: address of the request, if the call passed it (for failures, the /64 of an IPv6 address).  Otherwise the address of the session.  Stored as session.store_ip says.';
COMMENT ON COLUMN session.events.user_agent IS
'For created, refresh_reuse, binding_mismatch, unbound and risk: user agent of the request, if the call passed it.  Otherwise the user agent of the session.';
COMMENT ON COLUMN session.events.actor IS
'Who caused the event, as actor_kind says: a user_id, the name of a database role (its OID if it was dropped before the event was written), or session worker.';
COMMENT ON COLUMN session.events.actor_kind IS
'user: the user of the identity that was bound.  role: no user was bound, and the client had this role.  worker: upkeep in the background.';
COMMENT ON COLUMN session.events.detail IS
'A JSON object whose keys depend on kind.  revoked, evicted: reason.  refreshed: generation, if refreshable.  regenerated: auth_level.  bound: by.  created, regenerated: risk, if session.risk_function is set.  risk: risk and at (login or use).  expired: status, ended_at.  accessed: last_seen_at.  administration: action and what it changed.  refresh_reuse, binding_mismatch, unbound, risk, failures: count in that minute.';
COMMENT ON SEQUENCE session.events_id_seq IS
'Numbers the events.';
COMMENT ON INDEX session.events_pkey IS
'Finds events by time, and those that are due to be deleted.';
COMMENT ON INDEX session.events_user_id_idx IS
'Finds the events of a user''s sessions by time.';

/*
 * The addresses and user agents that users have logged in from, for the events
 * new_ip and new_user_agent.  Rows are added while session.log_events lists one
 * of them.  No row is updated, and a random number makes every row unique, so
 * no login waits for another.  The primary key is also the replica identity;
 * without one, rows of a published table could not be deleted.
 */
CREATE TABLE session.origins
(
    hash      pg_catalog.int8 NOT NULL,
    user_hash pg_catalog.int8 NOT NULL,
    used_at   pg_catalog.timestamptz NOT NULL,
    nonce     pg_catalog.int8 NOT NULL,
    CONSTRAINT origins_pkey PRIMARY KEY (used_at, nonce)
);

CREATE INDEX origins_hash_idx ON session.origins USING hash (hash);

REVOKE ALL ON TABLE session.origins FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('session.origins', '');

COMMENT ON TABLE session.origins IS
'Addresses and user agents that users have logged in with, kept for session.event_retention.';
COMMENT ON COLUMN session.origins.hash IS
'First 64 bits of a SHA-256 of the user, the tenant and the address (of IPv6 the /64) or user agent.';
COMMENT ON COLUMN session.origins.user_hash IS
'First 64 bits of a SHA-256 of the user, by which session_erase finds the rows.';
COMMENT ON COLUMN session.origins.used_at IS
'When the user logged in with it.  A later login adds another row once 1/32 of session.event_retention has passed.';
COMMENT ON COLUMN session.origins.nonce IS
'Random number that distinguishes rows with the same used_at.';
COMMENT ON INDEX session.origins_hash_idx IS
'Finds whether a user has logged in with an address or user agent before.';
COMMENT ON INDEX session.origins_pkey IS
'Finds the rows that are due to be deleted.';

/*
 * Statistics and the state of the extension.
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
    OUT checks_unbound pg_catalog.int8,
    OUT checks_risk pg_catalog.int8,
    OUT sessions_created pg_catalog.int8,
    OUT sessions_refreshed pg_catalog.int8,
    OUT sessions_regenerated pg_catalog.int8,
    OUT sessions_ended pg_catalog.int8,
    OUT sessions_evicted pg_catalog.int8,
    OUT refresh_reuses pg_catalog.int8,
    OUT snapshots_accepted pg_catalog.int8,
    OUT snapshots_checked pg_catalog.int8,
    OUT proofs_replayed pg_catalog.int8,
    OUT proofs_evicted pg_catalog.int8,
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
    OUT round_trimmed pg_catalog.int8,
    OUT round_rested pg_catalog.interval)
RETURNS SETOF pg_catalog.record
ROWS 10
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_stats';
REVOKE ALL ON FUNCTION session.session_stats() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION session.session_stats() TO pg_monitor;
COMMENT ON FUNCTION session.session_stats() IS
'Returns the rows of the view session.stats.';

CREATE VIEW session.stats AS
    SELECT database, preloaded, master_key, workers, live, idle, expired, revoked, purge_backlog,
           checks_active, checks_malformed, checks_unknown, checks_revoked,
           checks_expired, checks_idle, checks_binding, checks_unbound,
           checks_risk, sessions_created,
           sessions_refreshed, sessions_regenerated, sessions_ended,
           sessions_evicted, refresh_reuses, snapshots_accepted,
           snapshots_checked, proofs_replayed, proofs_evicted,
           activity_used, activity_size, activity_dropped,
           evidence_dropped, revocation_overflows, rounds, round_errors,
           round_started_at, round_duration, round_written, round_deleted,
           round_evidence, round_trimmed, round_rested
    FROM session.session_stats();

REVOKE ALL ON TABLE session.stats FROM PUBLIC;
GRANT SELECT ON TABLE session.stats TO pg_monitor;
GRANT USAGE ON SCHEMA session TO pg_monitor;
COMMENT ON VIEW session.stats IS
'One row per database that uses sessions: the number of sessions, counters of calls, and the last round of upkeep.  Readable by pg_monitor.';
COMMENT ON COLUMN session.stats.database IS
'Name of the database.';
COMMENT ON COLUMN session.stats.preloaded IS
'Whether the library is preloaded.  If not, there is no shared memory and no worker, the columns that depend on them are NULL, and the view has only the row of the current database.';
COMMENT ON COLUMN session.stats.master_key IS
'State of the master key.  ok; new: the keys are sealed with the new key, which has not replaced the current one yet; missing: the file does not exist or the command fails; wrong: it cannot be used or is not the one that sealed the keys; unused: nothing is sealed yet.  Reading this column reads the file or runs session.master_key_command.  NULL for databases other than the current one.';
COMMENT ON COLUMN session.stats.workers IS
'Whether background workers do the upkeep.  ok; no slot: the launcher found no free slot for a worker at its last attempt; no launcher: there was no free slot for the launcher itself.  If it is not ok, increase max_worker_processes; until then, only session_cleanup() does upkeep.  The same for all databases.';
COMMENT ON COLUMN session.stats.live IS
'Number of live sessions, estimated from at most 500 pages of the table.  NULL for databases other than the current one.';
COMMENT ON COLUMN session.stats.idle IS
'Number of sessions that reached their idle timeout and whose rows are not deleted yet.  Estimated, and NULL, as live is.';
COMMENT ON COLUMN session.stats.expired IS
'Number of sessions that reached their hard deadline and whose rows are not deleted yet.  Estimated, and NULL, as live is.';
COMMENT ON COLUMN session.stats.revoked IS
'Number of revoked sessions whose rows (tombstones) are not deleted yet.  Estimated, and NULL, as live is.';
COMMENT ON COLUMN session.stats.purge_backlog IS
'Number of rows that are due to be deleted.  Estimated, and NULL, as live is.';
COMMENT ON COLUMN session.stats.checks_active IS
'Number of checks that found an active session.  A check is of a session token, of a cookie that is a session by itself, or of a cookie that was decoded.  Counted since the server started, like the next 18 columns; transactions that rolled back count too.';
COMMENT ON COLUMN session.stats.checks_malformed IS
'Number of checks of a value without the form of a token or cookie, or of NULL.';
COMMENT ON COLUMN session.stats.checks_unknown IS
'Number of checks of a token of no session, of a token that was replaced, or of a cookie that none of the keys made.';
COMMENT ON COLUMN session.stats.checks_revoked IS
'Number of checks that found a revoked session or a cookie on the denylist.';
COMMENT ON COLUMN session.stats.checks_expired IS
'Number of checks that found a session or cookie past its hard deadline.';
COMMENT ON COLUMN session.stats.checks_idle IS
'Number of checks that found a session past its idle timeout.';
COMMENT ON COLUMN session.stats.checks_binding IS
'Number of checks from another address or user agent than the session is bound to.';
COMMENT ON COLUMN session.stats.checks_unbound IS
'Number of checks by a request that did not prove the key that its session is bound to.';
COMMENT ON COLUMN session.stats.checks_risk IS
'Number of checks from another address that session.risk_function rejected.';
COMMENT ON COLUMN session.stats.sessions_created IS
'Number of sessions that were created.';
COMMENT ON COLUMN session.stats.sessions_refreshed IS
'Number of refreshes, with a session token or a refresh token.';
COMMENT ON COLUMN session.stats.sessions_regenerated IS
'Number of sessions that were regenerated.';
COMMENT ON COLUMN session.stats.sessions_ended IS
'Number of sessions that were ended for any reason but time, including those of the next two columns.';
COMMENT ON COLUMN session.stats.sessions_evicted IS
'Number of sessions that were ended to make room for another session of their user.';
COMMENT ON COLUMN session.stats.refresh_reuses IS
'Number of sessions that were ended because an old refresh token was used.';
COMMENT ON COLUMN session.stats.snapshots_accepted IS
'Number of snapshots of the cookie cache that were accepted without reading the row.';
COMMENT ON COLUMN session.stats.snapshots_checked IS
'Number of snapshots of the cookie cache that were younger than session.cookie_cache_ttl and were still checked against the row.';
COMMENT ON COLUMN session.stats.proofs_replayed IS
'Number of proofs of DPoP that were refused because they were used before, or may have been: proofs from before the server started, and those that are not newer than one that shared memory had no room for.';
COMMENT ON COLUMN session.stats.proofs_evicted IS
'Number of proofs of DPoP that shared memory forgot before they were session.dpop_window old, to make room for others.  Proofs that are not newer are refused since.  A larger session.dpop_size makes more room.';
COMMENT ON COLUMN session.stats.activity_used IS
'Number of entries of the activity table in shared memory whose use is not in the row yet, in all databases.';
COMMENT ON COLUMN session.stats.activity_size IS
'Number of entries of the activity table: session.activity_size, rounded up.';
COMMENT ON COLUMN session.stats.activity_dropped IS
'Number of uses of sessions of the database for which the activity table had no room, or that were evicted for a use of another database, since the server started.';
COMMENT ON COLUMN session.stats.evidence_dropped IS
'Number of pieces of evidence that were dropped because the database was over its limit per minute or the queue was full, in all databases, since the server started.';
COMMENT ON COLUMN session.stats.revocation_overflows IS
'Number of transactions that ended more sessions than shared memory had room for, in all databases, since the server started.  After each of them, the cookie cache reads the rows of all sessions for session.cookie_cache_ttl.  A larger session.activity_size makes more room.';
COMMENT ON COLUMN session.stats.rounds IS
'Number of rounds of upkeep since the server started.';
COMMENT ON COLUMN session.stats.round_errors IS
'Number of batches of rounds that failed since the server started; the server log has the errors.';
COMMENT ON COLUMN session.stats.round_started_at IS
'When the last round of upkeep started; NULL = there was none yet.';
COMMENT ON COLUMN session.stats.round_duration IS
'How long the last round took; NULL while it runs, or if its worker died.';
COMMENT ON COLUMN session.stats.round_written IS
'Number of rows to which the last round wrote activity.';
COMMENT ON COLUMN session.stats.round_deleted IS
'Number of rows of ended sessions that the last round deleted.';
COMMENT ON COLUMN session.stats.round_evidence IS
'Number of events that the last round wrote from evidence.';
COMMENT ON COLUMN session.stats.round_trimmed IS
'Number of rows of the denylist, events and origins that the last round deleted.';
COMMENT ON COLUMN session.stats.round_rested IS
'How long the worker rested between deletions in the last round, as session.cleanup_pace says; NULL while the round runs, or if its worker died.';

/*
 * The types that functions return.
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
'The credentials of a session.  token is for the client''s cookie; it is not stored and cannot be shown again.  refresh_token and refresh_expires_at are NULL unless the session is refreshable.';
COMMENT ON COLUMN @extschema@.session_credentials.id IS
'Public id of the session, safe to log and to show.';
COMMENT ON COLUMN @extschema@.session_credentials.token IS
'Session token for the client''s cookie; it is not stored and cannot be shown again.';
COMMENT ON COLUMN @extschema@.session_credentials.refresh_token IS
'Refresh token; NULL unless the session is refreshable.';
COMMENT ON COLUMN @extschema@.session_credentials.expires_at IS
'Deadline of the session token.';
COMMENT ON COLUMN @extschema@.session_credentials.refresh_expires_at IS
'Deadline of the refresh token; NULL unless the session is refreshable.';

CREATE TYPE @extschema@.session_info AS
(
    id                 pg_catalog.uuid,
    status             pg_catalog.text,
    user_id            pg_catalog.text,
    tenant_id          pg_catalog.text,
    role               pg_catalog.text,
    auth_level         pg_catalog.int4,
    amr                pg_catalog.text[],
    parent_id          pg_catalog.uuid,
    actor_id           pg_catalog.text,
    scopes             pg_catalog.text[],
    data               pg_catalog.jsonb,
    ip                 pg_catalog.inet,
    user_agent         pg_catalog.text,
    created_at         pg_catalog.timestamptz,
    authenticated_at   pg_catalog.timestamptz,
    last_seen_at       pg_catalog.timestamptz,
    expires_at         pg_catalog.timestamptz,
    current            pg_catalog.bool,
    bound              pg_catalog.bool
);

COMMENT ON TYPE @extschema@.session_info IS
'A session without its secrets.  status is active, revoked, expired or idle.  expires_at is when the session ends if it is not used again.  current is true if this transaction validated or created the session.';
COMMENT ON COLUMN @extschema@.session_info.id IS
'Public id of the session, safe to log and to show.';
COMMENT ON COLUMN @extschema@.session_info.status IS
'active, revoked, expired or idle.';
COMMENT ON COLUMN @extschema@.session_info.user_id IS
'The user; NULL = anonymous session.';
COMMENT ON COLUMN @extschema@.session_info.tenant_id IS
'The tenant that the user belongs to; NULL = none.';
COMMENT ON COLUMN @extschema@.session_info.role IS
'Database role for row-level security; NULL = none.';
COMMENT ON COLUMN @extschema@.session_info.auth_level IS
'Number of authentication factors that were proven; 0 = anonymous.';
COMMENT ON COLUMN @extschema@.session_info.amr IS
'How the factors were proven, by names of RFC 8176 such as pwd, otp and hwk; NULL = not known.';
COMMENT ON COLUMN @extschema@.session_info.parent_id IS
'The session that this one was made of, without which it ends; NULL = none.';
COMMENT ON COLUMN @extschema@.session_info.actor_id IS
'Who acts as the user, by the application''s own id; NULL = the user.';
COMMENT ON COLUMN @extschema@.session_info.scopes IS
'What the session may do, as scopes of RFC 6749; NULL = everything.';
COMMENT ON COLUMN @extschema@.session_info.data IS
'Data of the application, a JSON object; NULL where a function does not show it.';
COMMENT ON COLUMN @extschema@.session_info.ip IS
'Client address that the last session_login or session_regenerate gave, else session_create, as far as session.store_ip stores it; NULL = none.';
COMMENT ON COLUMN @extschema@.session_info.user_agent IS
'User agent that the last session_login or session_regenerate gave, else session_create; NULL = none.';
COMMENT ON COLUMN @extschema@.session_info.created_at IS
'When the session was created; see the same column of session.sessions.';
COMMENT ON COLUMN @extschema@.session_info.authenticated_at IS
'When the user last authenticated; NULL = anonymous.';
COMMENT ON COLUMN @extschema@.session_info.last_seen_at IS
'When the session was last used, as far as this server knows; on a standby, as far as the primary has written it to the row.';
COMMENT ON COLUMN @extschema@.session_info.expires_at IS
'When the session ends if it is not used again.';
COMMENT ON COLUMN @extschema@.session_info.current IS
'Whether this transaction validated or created the session.';
COMMENT ON COLUMN @extschema@.session_info.bound IS
'Whether the session is bound to a key that only its client has.';

/*
 * The life of a session.  Level: app.
 *
 * Each of these functions takes a new database snapshot and so reads what is
 * committed at the moment of the call.  Therefore they are VOLATILE and
 * PARALLEL UNSAFE.
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
    id pg_catalog.uuid DEFAULT NULL,
    sliding pg_catalog.bool DEFAULT NULL,
    amr pg_catalog.text[] DEFAULT NULL,
    token pg_catalog.text DEFAULT NULL,
    jkt pg_catalog.text DEFAULT NULL,
    authenticated_at pg_catalog.timestamptz DEFAULT NULL)
RETURNS @extschema@.session_credentials
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_create';
REVOKE ALL ON FUNCTION @extschema@.session_create(
    pg_catalog.text, pg_catalog.jsonb, pg_catalog.text, pg_catalog.text,
    pg_catalog.inet, pg_catalog.text, pg_catalog.interval,
    pg_catalog.interval, pg_catalog.int4, pg_catalog.bool,
    pg_catalog.int4, pg_catalog.uuid, pg_catalog.bool,
    pg_catalog.text[], pg_catalog.text,
    pg_catalog.text, pg_catalog.timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_create(
    pg_catalog.text, pg_catalog.jsonb, pg_catalog.text, pg_catalog.text,
    pg_catalog.inet, pg_catalog.text, pg_catalog.interval,
    pg_catalog.interval, pg_catalog.int4, pg_catalog.bool,
    pg_catalog.int4, pg_catalog.uuid, pg_catalog.bool,
    pg_catalog.text[], pg_catalog.text,
    pg_catalog.text, pg_catalog.timestamptz) IS
'Creates a session and returns its token, id and deadline.
user_id NULL: anonymous.  lifetime, idle_timeout, max_sessions and sliding default to the settings.  jkt: its key (DPoP).
Errors: 22023, 22004 for invalid, missing arguments; 54000 for what is too large; 53400 for too many sessions; 23505 if the id or token exists; 28000 if the login is rejected; 55000 if the master key is wrong.';

CREATE FUNCTION @extschema@.session_login(
    token pg_catalog.text,
    user_id pg_catalog.text,
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
    sliding pg_catalog.bool DEFAULT NULL,
    amr pg_catalog.text[] DEFAULT NULL,
    bound_cookie pg_catalog.text DEFAULT NULL,
    jkt pg_catalog.text DEFAULT NULL)
RETURNS @extschema@.session_credentials
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_login';
REVOKE ALL ON FUNCTION @extschema@.session_login(
    pg_catalog.text, pg_catalog.text, pg_catalog.jsonb, pg_catalog.text,
    pg_catalog.text, pg_catalog.inet, pg_catalog.text, pg_catalog.interval,
    pg_catalog.interval, pg_catalog.int4, pg_catalog.bool, pg_catalog.int4,
    pg_catalog.bool, pg_catalog.text[], pg_catalog.text,
    pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_login(
    pg_catalog.text, pg_catalog.text, pg_catalog.jsonb, pg_catalog.text,
    pg_catalog.text, pg_catalog.inet, pg_catalog.text, pg_catalog.interval,
    pg_catalog.interval, pg_catalog.int4, pg_catalog.bool, pg_catalog.int4,
    pg_catalog.bool, pg_catalog.text[], pg_catalog.text,
    pg_catalog.text) IS
'Logs a user in and always returns a new token.  token is what the client sent, or NULL.  The live session of the token goes on with its id and data if it is anonymous or of this user; that of another user ends.  jkt: its key.
Errors: 22023, 22004 for invalid, missing arguments; 54000 for large ones; 53400 for too many sessions; 28000 if the login is rejected; 55000 if the master key is wrong.';

CREATE FUNCTION @extschema@.session_validate(
    token pg_catalog.text,
    ip pg_catalog.inet DEFAULT NULL,
    user_agent pg_catalog.text DEFAULT NULL,
    bound_cookie pg_catalog.text DEFAULT NULL,
    proof pg_catalog.text DEFAULT NULL,
    method pg_catalog.text DEFAULT NULL,
    url pg_catalog.text DEFAULT NULL)
RETURNS SETOF @extschema@.session_info
ROWS 1
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_validate';
REVOKE ALL ON FUNCTION @extschema@.session_validate(
    pg_catalog.text, pg_catalog.inet, pg_catalog.text, pg_catalog.text,
    pg_catalog.text, pg_catalog.text, pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_validate(
    pg_catalog.text, pg_catalog.inet, pg_catalog.text, pg_catalog.text,
    pg_catalog.text, pg_catalog.text, pg_catalog.text) IS
'Returns the session of a token if it is active, otherwise no row.  Counts as a use of the session.
ip and user_agent are those of the request; they are compared with those of the session if session.bind_ip or session.bind_user_agent is on, and session.risk_function judges another ip.  Others: see session_authenticate.
Errors: 55000 if the data is sealed and the master key is missing or wrong.';

CREATE FUNCTION @extschema@.session_status(
    token pg_catalog.text,
    ip pg_catalog.inet DEFAULT NULL,
    user_agent pg_catalog.text DEFAULT NULL,
    bound_cookie pg_catalog.text DEFAULT NULL,
    proof pg_catalog.text DEFAULT NULL,
    method pg_catalog.text DEFAULT NULL,
    url pg_catalog.text DEFAULT NULL)
RETURNS pg_catalog.text
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_status';
REVOKE ALL ON FUNCTION @extschema@.session_status(
    pg_catalog.text, pg_catalog.inet, pg_catalog.text, pg_catalog.text,
    pg_catalog.text, pg_catalog.text, pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_status(
    pg_catalog.text, pg_catalog.inet, pg_catalog.text, pg_catalog.text,
    pg_catalog.text, pg_catalog.text, pg_catalog.text) IS
'Returns the status of a token: active, malformed, unknown, revoked, expired, idle, binding (the request does not come from the address or user agent of the session), unbound (it does not prove the key of the session) or risk (session.risk_function rejects it).  Changes nothing, and uses up no proof.  For the application; do not show the result to clients.';

CREATE FUNCTION @extschema@.session_is_valid(
    token pg_catalog.text,
    bound_cookie pg_catalog.text DEFAULT NULL)
RETURNS pg_catalog.bool
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_is_valid';
REVOKE ALL ON FUNCTION @extschema@.session_is_valid(pg_catalog.text, pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_is_valid(pg_catalog.text, pg_catalog.text) IS
'Returns whether a token belongs to an active session.  Changes nothing.  Returns false while session.bind_ip or session.bind_user_agent is on, because the call does not pass the address and user agent of the request.';

CREATE FUNCTION @extschema@.session_is_expired(token pg_catalog.text)
RETURNS pg_catalog.bool
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_is_expired';
REVOKE ALL ON FUNCTION @extschema@.session_is_expired(pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_is_expired(pg_catalog.text) IS
'Returns whether a token belongs to a session that reached its deadline or its idle timeout.  Changes nothing.';

CREATE FUNCTION @extschema@.session_touch(
    token pg_catalog.text,
    bound_cookie pg_catalog.text DEFAULT NULL)
RETURNS pg_catalog.bool
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_touch';
REVOKE ALL ON FUNCTION @extschema@.session_touch(pg_catalog.text, pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_touch(pg_catalog.text, pg_catalog.text) IS
'Writes to the row at once that the session was used, without the throttle of session_validate.  Returns false unless the session is live.';

CREATE FUNCTION @extschema@.session_refresh(
    token pg_catalog.text,
    ip pg_catalog.inet DEFAULT NULL,
    user_agent pg_catalog.text DEFAULT NULL,
    bound_cookie pg_catalog.text DEFAULT NULL,
    proof pg_catalog.text DEFAULT NULL,
    method pg_catalog.text DEFAULT NULL,
    url pg_catalog.text DEFAULT NULL)
RETURNS SETOF @extschema@.session_credentials
ROWS 1
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_refresh';
REVOKE ALL ON FUNCTION @extschema@.session_refresh(
    pg_catalog.text, pg_catalog.inet, pg_catalog.text, pg_catalog.text,
    pg_catalog.text, pg_catalog.text, pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_refresh(
    pg_catalog.text, pg_catalog.inet, pg_catalog.text, pg_catalog.text,
    pg_catalog.text, pg_catalog.text, pg_catalog.text) IS
'For the token of a live session that is not refreshable: restarts its lifetime, up to its cap.  For a refresh token: returns the next session token and refresh token.  One that was just replaced returns the same pair again; any other that was replaced returns no row and revokes the session.
Errors: 55000 if a refresh token is used and the master key is missing or wrong.';

CREATE FUNCTION @extschema@.session_regenerate(
    token pg_catalog.text,
    user_id pg_catalog.text DEFAULT NULL,
    role pg_catalog.text DEFAULT NULL,
    auth_level pg_catalog.int4 DEFAULT NULL,
    tenant_id pg_catalog.text DEFAULT NULL,
    lifetime pg_catalog.interval DEFAULT NULL,
    ip pg_catalog.inet DEFAULT NULL,
    user_agent pg_catalog.text DEFAULT NULL,
    amr pg_catalog.text[] DEFAULT NULL,
    bound_cookie pg_catalog.text DEFAULT NULL)
RETURNS SETOF @extschema@.session_credentials
ROWS 1
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_regenerate';
REVOKE ALL ON FUNCTION @extschema@.session_regenerate(
    pg_catalog.text, pg_catalog.text, pg_catalog.text, pg_catalog.int4,
    pg_catalog.text, pg_catalog.interval, pg_catalog.inet, pg_catalog.text,
    pg_catalog.text[], pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_regenerate(
    pg_catalog.text, pg_catalog.text, pg_catalog.text, pg_catalog.int4,
    pg_catalog.text, pg_catalog.interval, pg_catalog.inet, pg_catalog.text,
    pg_catalog.text[], pg_catalog.text) IS
'Gives a live session a new token; id and data stay, the old token is invalid.
user_id logs an anonymous session in.  NULL leaves a value as it is.  Only authentication unbinds it from a browser''s key.
Errors: 22023 if the session has another user, and for invalid arguments; 54000 for long names; 53400 and 28000 as in session_create; 55000 if refreshable and the master key is wrong.';

CREATE FUNCTION @extschema@.session_derive(
    token pg_catalog.text,
    scopes pg_catalog.text[],
    lifetime pg_catalog.interval DEFAULT NULL,
    data pg_catalog.jsonb DEFAULT '{}',
    bound_cookie pg_catalog.text DEFAULT NULL,
    proof pg_catalog.text DEFAULT NULL,
    method pg_catalog.text DEFAULT NULL,
    url pg_catalog.text DEFAULT NULL)
RETURNS SETOF @extschema@.session_credentials
ROWS 1
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_derive';
REVOKE ALL ON FUNCTION @extschema@.session_derive(
    pg_catalog.text, pg_catalog.text[], pg_catalog.interval, pg_catalog.jsonb,
    pg_catalog.text, pg_catalog.text, pg_catalog.text, pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_derive(
    pg_catalog.text, pg_catalog.text[], pg_catalog.interval, pg_catalog.jsonb,
    pg_catalog.text, pg_catalog.text, pg_catalog.text, pg_catalog.text) IS
'Makes a session of the user of a live session that may do no more (scopes; NULL = the same), lives no longer, and ends with it.  Its token cannot be refreshed.
Errors: 22023 for invalid scopes or without a user, 42501 if the session lacks a scope or may not derive, 53400 at session.max_derived, 54000 after 4 generations.';

CREATE FUNCTION @extschema@.session_revoke(token pg_catalog.text)
RETURNS pg_catalog.bool
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_revoke';
REVOKE ALL ON FUNCTION @extschema@.session_revoke(pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_revoke(pg_catalog.text) IS
'Revokes the session of a token with the reason logout.  Returns false unless the session was live.';

/*
 * The data of a session.  Level: app.
 */

CREATE FUNCTION @extschema@.session_data(
    token pg_catalog.text,
    bound_cookie pg_catalog.text DEFAULT NULL)
RETURNS pg_catalog.jsonb
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_data';
REVOKE ALL ON FUNCTION @extschema@.session_data(pg_catalog.text, pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_data(pg_catalog.text, pg_catalog.text) IS
'Returns the data of a session, a JSON object; NULL unless the session is live.  Counts as a use of the session.
Errors: 55000 if the data is sealed and the master key is missing or wrong.';

CREATE FUNCTION @extschema@.session_data_get(
    token pg_catalog.text,
    key pg_catalog.text,
    bound_cookie pg_catalog.text DEFAULT NULL)
RETURNS pg_catalog.jsonb
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_data_get';
REVOKE ALL ON FUNCTION @extschema@.session_data_get(
    pg_catalog.text, pg_catalog.text, pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_data_get(
    pg_catalog.text, pg_catalog.text, pg_catalog.text) IS
'Returns the value of a key in the data of a session, or NULL if there is no such key or the session is not live.  A JSON null is returned as ''null''.  Counts as a use of the session.
Errors: 22004 for a NULL key, 55000 if the data is sealed and the master key is missing or wrong.';

CREATE FUNCTION @extschema@.session_data_pop(
    token pg_catalog.text,
    key pg_catalog.text,
    bound_cookie pg_catalog.text DEFAULT NULL)
RETURNS pg_catalog.jsonb
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_data_pop';
REVOKE ALL ON FUNCTION @extschema@.session_data_pop(
    pg_catalog.text, pg_catalog.text, pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_data_pop(
    pg_catalog.text, pg_catalog.text, pg_catalog.text) IS
'Removes a key from the data of a session and returns its value, or NULL if there is no such key or the session is not live.  Of several concurrent calls, only one gets the value.
Errors: 22004 for a NULL key, 55000 if the data is sealed and the master key is missing or wrong.';

CREATE FUNCTION @extschema@.session_data_set(
    token pg_catalog.text,
    key pg_catalog.text,
    value pg_catalog.jsonb,
    bound_cookie pg_catalog.text DEFAULT NULL)
RETURNS pg_catalog.bool
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_data_set';
REVOKE ALL ON FUNCTION @extschema@.session_data_set(
    pg_catalog.text, pg_catalog.text, pg_catalog.jsonb, pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_data_set(
    pg_catalog.text, pg_catalog.text, pg_catalog.jsonb, pg_catalog.text) IS
'Sets a key in the data of a session and keeps the other keys.  Returns false unless the session is live.
Errors: 22004 for a NULL key or value, 54000 if the data would exceed session.max_data_size, 55000 if the data is sealed and the master key is missing or wrong.';

CREATE FUNCTION @extschema@.session_data_delete(
    token pg_catalog.text,
    key pg_catalog.text,
    bound_cookie pg_catalog.text DEFAULT NULL)
RETURNS pg_catalog.bool
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_data_delete';
REVOKE ALL ON FUNCTION @extschema@.session_data_delete(
    pg_catalog.text, pg_catalog.text, pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_data_delete(
    pg_catalog.text, pg_catalog.text, pg_catalog.text) IS
'Removes a key from the data of a session, if it exists.  Returns false unless the session is live.
Errors: 22004 for a NULL key, 55000 if the data is sealed and the master key is missing or wrong.';

CREATE FUNCTION @extschema@.session_data_clear(
    token pg_catalog.text,
    bound_cookie pg_catalog.text DEFAULT NULL)
RETURNS pg_catalog.bool
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_data_clear';
REVOKE ALL ON FUNCTION @extschema@.session_data_clear(pg_catalog.text, pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_data_clear(pg_catalog.text, pg_catalog.text) IS
'Removes all keys from the data of a session.  Returns false unless the session is live.
Errors: 55000 if the data is sealed and the master key is missing or wrong.';

CREATE FUNCTION @extschema@.session_data_save(
    token pg_catalog.text,
    data pg_catalog.jsonb,
    bound_cookie pg_catalog.text DEFAULT NULL)
RETURNS pg_catalog.bool
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_data_save';
REVOKE ALL ON FUNCTION @extschema@.session_data_save(
    pg_catalog.text, pg_catalog.jsonb, pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_data_save(
    pg_catalog.text, pg_catalog.jsonb, pg_catalog.text) IS
'Replaces the data of a session with a JSON object.  Returns false unless the session is live.
Errors: 22004 for NULL, 22023 for JSON that is not an object, 54000 for more than session.max_data_size, 55000 if the data is sealed and the master key is missing or wrong.';

CREATE FUNCTION @extschema@.session_data_merge(
    token pg_catalog.text,
    patch pg_catalog.jsonb,
    bound_cookie pg_catalog.text DEFAULT NULL)
RETURNS pg_catalog.bool
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_data_merge';
REVOKE ALL ON FUNCTION @extschema@.session_data_merge(
    pg_catalog.text, pg_catalog.jsonb, pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_data_merge(
    pg_catalog.text, pg_catalog.jsonb, pg_catalog.text) IS
'Changes the data of a session by a merge patch (RFC 7396): a null removes its key, objects are merged key by key, other values replace.  Returns false unless the session is live.
Errors: 22004 for NULL, 22023 for JSON that is not an object, 54000 if the data would exceed session.max_data_size, 55000 if the data is sealed and the master key is missing or wrong.';

CREATE FUNCTION @extschema@.session_data_append(
    token pg_catalog.text,
    key pg_catalog.text,
    value pg_catalog.jsonb,
    bound_cookie pg_catalog.text DEFAULT NULL)
RETURNS pg_catalog.bool
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_data_append';
REVOKE ALL ON FUNCTION @extschema@.session_data_append(
    pg_catalog.text, pg_catalog.text, pg_catalog.jsonb, pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_data_append(
    pg_catalog.text, pg_catalog.text, pg_catalog.jsonb, pg_catalog.text) IS
'Adds a value to the array under a key in the data of a session; makes the array if there is no such key.  Returns false unless the session is live.
Errors: 22004 for a NULL key or value, 22023 if the key has a value that is no array, 54000 if the data would exceed session.max_data_size, 55000 if the data is sealed and the master key is missing or wrong.';

CREATE FUNCTION @extschema@.session_data_replace(
    token pg_catalog.text,
    key pg_catalog.text,
    expected pg_catalog.jsonb,
    value pg_catalog.jsonb,
    bound_cookie pg_catalog.text DEFAULT NULL)
RETURNS pg_catalog.bool
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_data_replace';
REVOKE ALL ON FUNCTION @extschema@.session_data_replace(
    pg_catalog.text, pg_catalog.text, pg_catalog.jsonb, pg_catalog.jsonb,
    pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_data_replace(
    pg_catalog.text, pg_catalog.text, pg_catalog.jsonb, pg_catalog.jsonb,
    pg_catalog.text) IS
'Sets a key in the data of a session if it has the expected value: NULL for no such key.  A NULL value removes the key.  Returns whether it did: false if the value is another or the session is not live.
Errors: 22004 for a NULL key, 54000 if the data would exceed session.max_data_size, 55000 if the data is sealed and the master key is missing or wrong.';

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
'Makes a cookie from a JSON object with the newest key of a purpose.  encoding is compact, jwt, jwe or sealed; ttl defaults to session.lifetime.  Sets iat, exp and jti.
Errors: 22004 for a NULL payload; 22023 for a payload with one of these claims and for invalid arguments; 54000 for a payload that is too large; 55000 if there is no key or the master key is missing or wrong.';

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
'Returns the payload of a valid cookie, or NULL.  A cookie is valid if it was made for the purpose, with a key that is not retired, has not expired and was not revoked.  The form says the encoding: that of express-session and Django, too.
Errors: 22023 and 54000 for an invalid purpose, 55000 if the master key is missing or wrong.';

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
'Revokes a cookie that session_cookie_decode would accept: adds it to the denylist until it expires.  Returns false for any other cookie.
Errors: 22023 and 54000 for an invalid purpose, 55000 if the master key is missing or wrong.';

CREATE FUNCTION @extschema@.session_cookie_issue(
    token pg_catalog.text,
    encoding pg_catalog.text DEFAULT NULL,
    bound_cookie pg_catalog.text DEFAULT NULL)
RETURNS pg_catalog.text
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_cookie_issue';
REVOKE ALL ON FUNCTION @extschema@.session_cookie_issue(
    pg_catalog.text, pg_catalog.text, pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_cookie_issue(
    pg_catalog.text, pg_catalog.text, pg_catalog.text) IS
'Returns a snapshot of the live session of a token, which is accepted without reading the row for session.cookie_cache_ttl; NULL unless the session is live.  encoding defaults to session.cookie_encoding.
Errors: 22023 for an invalid encoding; 55000 if there is no key of purpose session or the master key is missing or wrong; errors of session.claims_function.';

CREATE FUNCTION @extschema@.session_cookie_validate(
    cookie pg_catalog.text,
    sensitive pg_catalog.bool DEFAULT false,
    token pg_catalog.text DEFAULT NULL,
    ip pg_catalog.inet DEFAULT NULL,
    user_agent pg_catalog.text DEFAULT NULL,
    bound_cookie pg_catalog.text DEFAULT NULL,
    OUT id pg_catalog.uuid,
    OUT user_id pg_catalog.text,
    OUT tenant_id pg_catalog.text,
    OUT role pg_catalog.text,
    OUT auth_level pg_catalog.int4,
    OUT amr pg_catalog.text[],
    OUT actor_id pg_catalog.text,
    OUT scopes pg_catalog.text[],
    OUT expires_at pg_catalog.timestamptz,
    OUT source pg_catalog.text,
    OUT should_refresh pg_catalog.bool)
RETURNS SETOF pg_catalog.record
ROWS 1
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_cookie_validate';
REVOKE ALL ON FUNCTION @extschema@.session_cookie_validate(
    pg_catalog.text, pg_catalog.bool, pg_catalog.text, pg_catalog.inet,
    pg_catalog.text, pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_cookie_validate(
    pg_catalog.text, pg_catalog.bool, pg_catalog.text, pg_catalog.inet,
    pg_catalog.text, pg_catalog.text) IS
'Validates a snapshot that session_cookie_issue made, without reading a table while it is younger than session.cookie_cache_ttl; otherwise, and if sensitive is true, the row and the token decide.
source is cookie or database: what decided.  should_refresh is true if the client needs a new snapshot.
Errors: 55000 if the master key is missing or wrong.';

CREATE FUNCTION @extschema@.session_jwt(
    token pg_catalog.text,
    ttl pg_catalog.interval DEFAULT '15 min',
    claims pg_catalog.jsonb DEFAULT '{}',
    audience pg_catalog.text DEFAULT NULL,
    bound_cookie pg_catalog.text DEFAULT NULL)
RETURNS pg_catalog.text
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_jwt';
REVOKE ALL ON FUNCTION @extschema@.session_jwt(
    pg_catalog.text, pg_catalog.interval, pg_catalog.jsonb, pg_catalog.text,
    pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_jwt(
    pg_catalog.text, pg_catalog.interval, pg_catalog.jsonb, pg_catalog.text,
    pg_catalog.text) IS
'Returns a JWT for the live session of a token; NULL unless the session is live.  It is signed with the newest active key of the purpose jwt and expires no later than the session.
Errors: 22023 for claims that the function sets itself and for invalid arguments; 54000 for a payload that is too large; 55000 if there is no key; errors of session.claims_function.';

/*
 * Device Bound Session Credentials: a session is bound to a key that the
 * browser keeps, and its token alone is of no use.  Level: app.
 */

CREATE FUNCTION @extschema@.session_dbsc_offer(
    token pg_catalog.text,
    path pg_catalog.text)
RETURNS pg_catalog.text
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_dbsc_offer';
REVOKE ALL ON FUNCTION @extschema@.session_dbsc_offer(
    pg_catalog.text, pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_dbsc_offer(
    pg_catalog.text, pg_catalog.text) IS
'Returns the value of the header Secure-Session-Registration, for the response with the new token: the browser may bind the session to a key, and posts its proof to path within 5 minutes.  NULL unless the session is live and not bound.
Errors: 22004, 22023, 54000 for a path that is NULL, not of this host, or too long; 55000 if the master key is wrong, or the first key is needed READ ONLY.';

CREATE FUNCTION @extschema@.session_dbsc_register(
    token pg_catalog.text,
    proof pg_catalog.text,
    refresh_path pg_catalog.text,
    OUT instructions pg_catalog.jsonb,
    OUT bound_cookie pg_catalog.text,
    OUT set_cookie pg_catalog.text,
    OUT challenge pg_catalog.text,
    OUT new_cookie pg_catalog.text)
RETURNS SETOF pg_catalog.record
ROWS 1
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_dbsc_register';
REVOKE ALL ON FUNCTION @extschema@.session_dbsc_register(
    pg_catalog.text, pg_catalog.text, pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_dbsc_register(
    pg_catalog.text, pg_catalog.text, pg_catalog.text) IS
'Binds a session to the key in a proof (Secure-Session-Response) that answers session_dbsc_offer.  Returns the body of the response, the bound cookie, its Set-Cookie, and the header Secure-Session-Challenge; no row unless the session is live and not bound and the proof is good.
Errors: as session_dbsc_offer for refresh_path; 55000 also if the settings describe no valid cookie.';

CREATE FUNCTION @extschema@.session_dbsc_refresh(
    id pg_catalog.text,
    proof pg_catalog.text,
    refresh_path pg_catalog.text,
    cookie pg_catalog.text DEFAULT NULL,
    OUT instructions pg_catalog.jsonb,
    OUT bound_cookie pg_catalog.text,
    OUT set_cookie pg_catalog.text,
    OUT challenge pg_catalog.text,
    OUT new_cookie pg_catalog.text)
RETURNS SETOF pg_catalog.record
ROWS 1
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_dbsc_refresh';
REVOKE ALL ON FUNCTION @extschema@.session_dbsc_refresh(
    pg_catalog.text, pg_catalog.text, pg_catalog.text, pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_dbsc_refresh(
    pg_catalog.text, pg_catalog.text, pg_catalog.text, pg_catalog.text) IS
'Renews the bound cookie of a session: id is Sec-Secure-Session-Id, proof is Secure-Session-Response.  With a good proof, returns what session_dbsc_register does; else only a challenge, for status 403.  For a session that ended or is not bound, returns instructions to forget it.  No row if id is none.
Errors: as session_dbsc_register; 25006 for a proof in a READ ONLY transaction.';

/*
 * DPoP (RFC 9449): a session is bound to a key that its client has, and its
 * token is of no use without a proof of that key.  Level: app.
 */

CREATE FUNCTION @extschema@.session_bind_key(
    token pg_catalog.text,
    proof pg_catalog.text,
    method pg_catalog.text,
    url pg_catalog.text)
RETURNS pg_catalog.bool
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_bind_key';
REVOKE ALL ON FUNCTION @extschema@.session_bind_key(
    pg_catalog.text, pg_catalog.text, pg_catalog.text, pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_bind_key(
    pg_catalog.text, pg_catalog.text, pg_catalog.text, pg_catalog.text) IS
'Binds the live session of a token to the key of a proof of DPoP, which came with a request of this method and URL.  From then on the token needs a proof.  Returns false unless the session is live and not bound, and the proof is good.
Errors: 22004 for a proof without method or url; 22023 for a relative url; 25006 in a READ ONLY transaction.';

CREATE FUNCTION @extschema@.session_dpop_nonce()
RETURNS pg_catalog.text
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_dpop_nonce';
REVOKE ALL ON FUNCTION @extschema@.session_dpop_nonce() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_dpop_nonce() IS
'Returns the value of the header DPoP-Nonce, a nonce that clients put into their proofs of DPoP.  It is good for 5 minutes.  Needed while session.dpop_nonce is on.
Errors: 55000 if there is no key of purpose bound yet and the transaction is READ ONLY, or the master key is missing or wrong.';

/*
 * The identity of the running transaction.  Level: public, because a caller of
 * these functions can act only on a session whose token it has, or on the one
 * that is bound to its transaction.
 */

CREATE FUNCTION @extschema@.session_authenticate(
    token pg_catalog.text,
    ip pg_catalog.inet DEFAULT NULL,
    user_agent pg_catalog.text DEFAULT NULL,
    bound_cookie pg_catalog.text DEFAULT NULL,
    proof pg_catalog.text DEFAULT NULL,
    method pg_catalog.text DEFAULT NULL,
    url pg_catalog.text DEFAULT NULL)
RETURNS pg_catalog.bool
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_authenticate';
COMMENT ON FUNCTION @extschema@.session_authenticate(
    pg_catalog.text, pg_catalog.inet, pg_catalog.text, pg_catalog.text,
    pg_catalog.text, pg_catalog.text, pg_catalog.text) IS
'Binds the session of a token to the running transaction, so that session_user_id() and the other functions return its identity.  Returns false and clears the identity unless the token is valid.  ip, user_agent, proof (the header DPoP), method and url are those of the request.  Counts as a use of the session.
Errors: 22004 for a proof without method or url, 22023 for a relative url.';

CREATE FUNCTION @extschema@.session_pre_request()
RETURNS pg_catalog.void
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_pre_request';
COMMENT ON FUNCTION @extschema@.session_pre_request() IS
'Binds the session of a web request to the running transaction and sets its role, for db-pre-request of PostgREST and similar servers.  Reads request.cookies and request.headers.
Errors: PT401 for an invalid token if session.on_invalid is reject; PT403 for a request that session.csrf refuses; 42501 for a role that the connection may not set.';

CREATE FUNCTION @extschema@.session_id()
RETURNS pg_catalog.uuid
LANGUAGE C STABLE CALLED ON NULL INPUT LEAKPROOF PARALLEL SAFE
AS 'MODULE_PATHNAME', 'session_id';
COMMENT ON FUNCTION @extschema@.session_id() IS
'Returns the public id of the session that is bound to the running transaction; NULL if there is none.';

CREATE FUNCTION @extschema@.session_user_id()
RETURNS pg_catalog.text
LANGUAGE C STABLE CALLED ON NULL INPUT LEAKPROOF PARALLEL SAFE
AS 'MODULE_PATHNAME', 'session_user_id';
COMMENT ON FUNCTION @extschema@.session_user_id() IS
'Returns the user of the session that is bound to the running transaction; NULL if there is none or it is anonymous.';

CREATE FUNCTION @extschema@.session_tenant_id()
RETURNS pg_catalog.text
LANGUAGE C STABLE CALLED ON NULL INPUT LEAKPROOF PARALLEL SAFE
AS 'MODULE_PATHNAME', 'session_tenant_id';
COMMENT ON FUNCTION @extschema@.session_tenant_id() IS
'Returns the tenant of the session that is bound to the running transaction; NULL if there is none or it has no tenant.';

CREATE FUNCTION @extschema@.session_role()
RETURNS pg_catalog.text
LANGUAGE C STABLE CALLED ON NULL INPUT LEAKPROOF PARALLEL SAFE
AS 'MODULE_PATHNAME', 'session_role';
COMMENT ON FUNCTION @extschema@.session_role() IS
'Returns the role of the session that is bound to the running transaction; NULL if there is none or it has no role.';

CREATE FUNCTION @extschema@.session_auth_level()
RETURNS pg_catalog.int4
LANGUAGE C STABLE CALLED ON NULL INPUT LEAKPROOF PARALLEL SAFE
AS 'MODULE_PATHNAME', 'session_auth_level';
COMMENT ON FUNCTION @extschema@.session_auth_level() IS
'Returns the number of factors proven in the session that is bound to the running transaction, 0 if it is anonymous; NULL if there is none.';

CREATE FUNCTION @extschema@.session_amr()
RETURNS pg_catalog.text[]
LANGUAGE C STABLE CALLED ON NULL INPUT LEAKPROOF PARALLEL SAFE
AS 'MODULE_PATHNAME', 'session_amr';
COMMENT ON FUNCTION @extschema@.session_amr() IS
'Returns how the user of the session that is bound to the running transaction authenticated, by names of RFC 8176; NULL if there is none or it is not known.';

CREATE FUNCTION @extschema@.session_authenticated_at()
RETURNS pg_catalog.timestamptz
LANGUAGE C STABLE CALLED ON NULL INPUT LEAKPROOF PARALLEL SAFE
AS 'MODULE_PATHNAME', 'session_authenticated_at';
COMMENT ON FUNCTION @extschema@.session_authenticated_at() IS
'Returns when the user of the session that is bound to the running transaction last authenticated; NULL if there is none, it is anonymous or the time is not known.';

CREATE FUNCTION @extschema@.session_actor_id()
RETURNS pg_catalog.text
LANGUAGE C STABLE CALLED ON NULL INPUT LEAKPROOF PARALLEL SAFE
AS 'MODULE_PATHNAME', 'session_actor_id';
COMMENT ON FUNCTION @extschema@.session_actor_id() IS
'Returns who acts as the user of the session that is bound to the running transaction; NULL if there is none or the user acts.';

CREATE FUNCTION @extschema@.session_scopes()
RETURNS pg_catalog.text[]
LANGUAGE C STABLE CALLED ON NULL INPUT LEAKPROOF PARALLEL SAFE
AS 'MODULE_PATHNAME', 'session_scopes';
COMMENT ON FUNCTION @extschema@.session_scopes() IS
'Returns the scopes of the session that is bound to the running transaction; NULL if there is none or it may do everything.';

CREATE FUNCTION @extschema@.session_has_scope(scope pg_catalog.text)
RETURNS pg_catalog.bool
LANGUAGE C STABLE STRICT LEAKPROOF PARALLEL SAFE
AS 'MODULE_PATHNAME', 'session_has_scope';
COMMENT ON FUNCTION @extschema@.session_has_scope(pg_catalog.text) IS
'Returns whether the session that is bound to the running transaction may do what a scope names: it has that scope, one that covers it such as todo:* or *, or no scopes at all; NULL if there is none.';

CREATE FUNCTION @extschema@.session_claims()
RETURNS pg_catalog.jsonb
LANGUAGE C STABLE CALLED ON NULL INPUT LEAKPROOF PARALLEL SAFE
AS 'MODULE_PATHNAME', 'session_claims';
COMMENT ON FUNCTION @extschema@.session_claims() IS
'Returns the claims of the session that is bound to the running transaction, a JSON object with the claims that session.claims_function adds; NULL if there is none.';

CREATE FUNCTION @extschema@.session_claim(key pg_catalog.text)
RETURNS pg_catalog.text
LANGUAGE C STABLE CALLED ON NULL INPUT LEAKPROOF PARALLEL SAFE
AS 'MODULE_PATHNAME', 'session_claim';
COMMENT ON FUNCTION @extschema@.session_claim(pg_catalog.text) IS
'Returns the value of one key of session_claims() as text; NULL if there is none.';

CREATE FUNCTION @extschema@.session_require(
    auth_level pg_catalog.int4 DEFAULT 1,
    max_age pg_catalog.interval DEFAULT NULL,
    amr pg_catalog.text[] DEFAULT NULL,
    scope pg_catalog.text DEFAULT NULL)
RETURNS pg_catalog.void
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_require';
COMMENT ON FUNCTION @extschema@.session_require(
    pg_catalog.int4, pg_catalog.interval, pg_catalog.text[],
    pg_catalog.text) IS
'Raises an error unless the session that is bound to the running transaction is live at this moment, has proven at least auth_level factors, by one of the methods amr, last authenticated at most max_age ago, and may do what scope names.
Errors: 42501 if the session does not meet the requirements, 22023 for arguments outside their domain.';

CREATE FUNCTION @extschema@.session_csrf_token()
RETURNS pg_catalog.text
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_csrf_token';
COMMENT ON FUNCTION @extschema@.session_csrf_token() IS
'Returns a token that a page of this application sends with requests, and pages of other origins do not know.  It is good while the session that is bound to the running transaction has its present token; each call returns another.  NULL if no session is bound.
Errors: 55000 if there is no key of purpose bound yet and the transaction is READ ONLY, or the master key is missing or wrong.';

CREATE FUNCTION @extschema@.session_csrf_check(token pg_catalog.text)
RETURNS pg_catalog.bool
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'session_csrf_check';
COMMENT ON FUNCTION @extschema@.session_csrf_check(pg_catalog.text) IS
'Returns whether a text is what session_csrf_token() returned for the session that is bound to the running transaction and the token that it has now.  False for any other text, for NULL, and if no session is bound.
Errors: 55000 if the master key is missing or wrong.';

CREATE FUNCTION @extschema@.session_mine()
RETURNS SETOF @extschema@.session_info
ROWS 10
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_mine';
COMMENT ON FUNCTION @extschema@.session_mine() IS
'Returns the live sessions of the user and tenant that are bound to the running transaction, newest first and without their data.  If the bound session is anonymous, returns only that session.';

CREATE FUNCTION @extschema@.session_revoke_mine(id pg_catalog.uuid)
RETURNS pg_catalog.bool
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_revoke_mine';
COMMENT ON FUNCTION @extschema@.session_revoke_mine(pg_catalog.uuid) IS
'Revokes one of the sessions that session_mine() returns.  Returns false for any other session.';

CREATE FUNCTION @extschema@.session_revoke_others()
RETURNS pg_catalog.int8
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_revoke_others';
COMMENT ON FUNCTION @extschema@.session_revoke_others() IS
'Revokes all sessions that session_mine() returns except the bound one.  Returns the number revoked.';

/*
 * Headers of cookies.  Level: public, because these functions read only their
 * arguments and settings.
 *
 * They are STABLE, because settings may change between statements, and PARALLEL
 * SAFE, because a parallel worker has the settings of its leader.
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
'Returns the Set-Cookie headers that store a value in a cookie, one per row and without the name of the header.  The other arguments default to settings.
Errors: 22004 for a NULL value; 22023 for what a header cannot contain or browsers would refuse; 54000 for a value, name or path that is too large.  Values from settings are checked too.';

CREATE FUNCTION @extschema@.session_cookie_clear(
    name pg_catalog.text DEFAULT NULL,
    cookie_header pg_catalog.text DEFAULT NULL)
RETURNS SETOF pg_catalog.text
ROWS 1
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'session_cookie_clear';
COMMENT ON FUNCTION @extschema@.session_cookie_clear(
    pg_catalog.text, pg_catalog.text) IS
'Returns the Set-Cookie headers that remove a cookie, its chunks, its snapshot and its bound cookie, one per row.  name defaults to session.cookie_name; cookie_header is the Cookie header of the request.
Errors: as session_cookie_header for the name and the settings; none for any content of the Cookie header.';

CREATE FUNCTION @extschema@.session_cookie_read(
    cookie_header pg_catalog.text,
    name pg_catalog.text DEFAULT NULL)
RETURNS pg_catalog.text
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'session_cookie_read';
COMMENT ON FUNCTION @extschema@.session_cookie_read(
    pg_catalog.text, pg_catalog.text) IS
'Returns the unchanged value of a cookie (default: session.cookie_name) in the Cookie header of a request, joined from name.0, name.1 and so on if it was split into chunks; NULL if the cookie or a chunk is missing.
Errors: 22023 for an invalid cookie name; none for any content of the Cookie header.';

/*
 * The address of the client, as proxies write it.  Level: public.
 */

CREATE FUNCTION @extschema@.session_ip(
    forwarded pg_catalog.text,
    hops pg_catalog.int4 DEFAULT 1)
RETURNS pg_catalog.inet
LANGUAGE C IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'session_ip';
COMMENT ON FUNCTION @extschema@.session_ip(pg_catalog.text, pg_catalog.int4) IS
'Returns the client''s address from the value of X-Forwarded-For, Forwarded or X-Real-IP: element number hops from the right, where hops is the number of trusted proxies. IPv4-mapped IPv6 becomes IPv4; ports and zones are left out. NULL if that element is missing or no address.
Errors: 22023 if hops is less than 1; none for any content of the header.';

/*
 * The key ring.  Level: admin.
 */

CREATE FUNCTION @extschema@.session_key_rotate(
    purpose pg_catalog.text DEFAULT 'session',
    algorithm pg_catalog.text DEFAULT 'HS256')
RETURNS pg_catalog.text
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_key_rotate';
REVOKE ALL ON FUNCTION @extschema@.session_key_rotate(
    pg_catalog.text, pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_key_rotate(
    pg_catalog.text, pg_catalog.text) IS
'Generates a key (HS256, ES256, EdDSA or RS256) for a purpose and returns its kid.  It signs from now on or, if a public key of the purpose is in use already, session.key_lead after it was published; older keys still verify.
Errors: 22023 and 54000 for an invalid purpose or algorithm, 55000 if the master key is missing or wrong.';

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
'Imports the secret of another system, at least 32 bytes, as the newest key of a purpose and returns its kid.  The secret is used exactly as the format of that system prescribes.
Errors: 22004 for a NULL secret; 22023 for a short secret and for an invalid kid or purpose, such as seal; 54000 for arguments that are too long; 23505 if the kid exists; 55000 if the master key is missing or wrong.';

CREATE FUNCTION @extschema@.session_key_import_jwk(
    jwk pg_catalog.jsonb,
    purpose pg_catalog.text,
    issuer pg_catalog.text DEFAULT NULL,
    audience pg_catalog.text DEFAULT NULL)
RETURNS SETOF pg_catalog.text
ROWS 2
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_key_import_jwk';
REVOKE ALL ON FUNCTION @extschema@.session_key_import_jwk(
    pg_catalog.jsonb, pg_catalog.text, pg_catalog.text, pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_key_import_jwk(
    pg_catalog.jsonb, pg_catalog.text, pg_catalog.text, pg_catalog.text) IS
'Imports public keys of an issuer and returns their kids: a JWK, or a JWK Set, which replaces the keys of this purpose and issuer.  Their JWTs are accepted if iss is the issuer (NULL = any) and aud is or contains the audience (NULL = there is none).
Errors: 22004 for a NULL jwk or purpose; 22023 for one that is invalid, a secret, or no key for signatures; 54000 for arguments that are too large.';

CREATE FUNCTION @extschema@.session_key_retire(kid pg_catalog.text)
RETURNS pg_catalog.bool
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_key_retire';
REVOKE ALL ON FUNCTION @extschema@.session_key_retire(pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_key_retire(pg_catalog.text) IS
'Retires a key: from now on, nothing made with it is accepted.  Returns false unless the key exists and was in use.
Errors: 55000 for a key of purpose seal while a session is sealed with it.';

CREATE FUNCTION @extschema@.session_jwks(
    purpose pg_catalog.text DEFAULT 'jwt')
RETURNS pg_catalog.jsonb
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'session_jwks';
COMMENT ON FUNCTION @extschema@.session_jwks(pg_catalog.text) IS
'Returns the JWK Set (RFC 7517) with which other services verify the JWTs of a purpose: {"keys": [...]} with the public halves of the keys in use of ES256, EdDSA and RS256, also of those that sign only later.  Works in READ ONLY transactions, on standbys and without the master key.  Level: public.
Errors: none.';

CREATE FUNCTION @extschema@.session_master_key_rotate()
RETURNS pg_catalog.int8
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_master_key_rotate';
REVOKE ALL ON FUNCTION @extschema@.session_master_key_rotate() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_master_key_rotate() IS
'Seals all keys of this database with the new master key, the file with ".new" after the name of the current one, and returns how many there are; 0 if that was done before.  Locks session.keys for writers.  A notice says what to do next.
Errors: 55000 if one of the two master keys is missing or wrong, or if they are the same.';

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
'Returns the session with a public id, live or not; no row if there is none.
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
'Returns the live sessions of a user, newest first; with include_ended, also those that ended and are not purged yet.  tenant_id NULL means all tenants.
Errors: 22004 for a NULL user_id, 22023 for empty names, 54000 for names that are too long, 55000 as in session_validate.';

CREATE FUNCTION @extschema@.session_revoke_id(
    id pg_catalog.uuid,
    reason pg_catalog.text DEFAULT NULL)
RETURNS pg_catalog.bool
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_revoke_id';
REVOKE ALL ON FUNCTION @extschema@.session_revoke_id(pg_catalog.uuid, pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_revoke_id(pg_catalog.uuid, pg_catalog.text) IS
'Revokes the session with a public id, with a reason of at most 256 bytes (default: admin).  Returns false unless the session was live.
Errors: 22023 for an empty reason, 54000 for a reason of more than 256 bytes.';

CREATE FUNCTION @extschema@.session_revoke_ids(
    ids pg_catalog.uuid[],
    reason pg_catalog.text DEFAULT NULL)
RETURNS pg_catalog.int8
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_revoke_ids';
REVOKE ALL ON FUNCTION @extschema@.session_revoke_ids(pg_catalog.uuid[], pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_revoke_ids(pg_catalog.uuid[], pg_catalog.text) IS
'Revokes those sessions with these public ids that are live, as session_revoke_id does.  Returns the number revoked.  Ignores elements that are NULL, that occur twice, or that are not the id of a session.  A NULL array revokes nothing.
Errors: 22023 for an empty reason, 54000 for a reason of more than 256 bytes.';

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
'Revokes the live sessions of a user except the session except_id.  Returns the number revoked.  tenant_id NULL means all tenants.
Errors: 22004 for a NULL user_id, 22023 for empty names, 54000 for names that are too long.';

CREATE FUNCTION @extschema@.session_revoke_tenant(tenant_id pg_catalog.text)
RETURNS pg_catalog.int8
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_revoke_tenant';
REVOKE ALL ON FUNCTION @extschema@.session_revoke_tenant(pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_revoke_tenant(pg_catalog.text) IS
'Revokes the live sessions of a tenant.  Returns the number revoked.
Errors: 22004 for NULL, 22023 for an empty name, 54000 for a name that is too long.';

CREATE FUNCTION @extschema@.session_revoke_all(
    reason pg_catalog.text DEFAULT NULL,
    tenant_id pg_catalog.text DEFAULT NULL,
    valid_after pg_catalog.timestamptz DEFAULT NULL)
RETURNS pg_catalog.timestamptz
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_revoke_all';
REVOKE ALL ON FUNCTION @extschema@.session_revoke_all(pg_catalog.text, pg_catalog.text, pg_catalog.timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_revoke_all(pg_catalog.text, pg_catalog.text, pg_catalog.timestamptz) IS
'Ends every session created until now or until valid_after, or those of a tenant, by one row of session.policies; also refresh tokens, snapshots, cookies and JWTs.  Later ones live.  reason (default: admin) is for the event log.  Returns the time up to which sessions are over.
Errors: 22023 for empty texts and a valid_after in the future, 54000 for long texts.';

CREATE FUNCTION @extschema@.session_policy_set(
    tenant_id pg_catalog.text DEFAULT NULL,
    role pg_catalog.text DEFAULT NULL,
    lifetime pg_catalog.interval DEFAULT NULL,
    idle_timeout pg_catalog.interval DEFAULT NULL,
    max_sessions pg_catalog.int4 DEFAULT NULL,
    bind_ip pg_catalog.text DEFAULT NULL,
    bind_user_agent pg_catalog.bool DEFAULT NULL)
RETURNS pg_catalog.void
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_policy_set';
REVOKE ALL ON FUNCTION @extschema@.session_policy_set(pg_catalog.text, pg_catalog.text, pg_catalog.interval, pg_catalog.interval, pg_catalog.int4, pg_catalog.text, pg_catalog.bool) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_policy_set(pg_catalog.text, pg_catalog.text, pg_catalog.interval, pg_catalog.interval, pg_catalog.int4, pg_catalog.text, pg_catalog.bool) IS
'Sets the rules for sessions of a tenant, a role, both or (both NULL) all, in place of those it had; NULL = no rule.  They hold for live sessions from the commit on and never lengthen one.  idle_timeout and max_sessions 0 = none; bind_ip: off, subnet or exact.
Errors: 22023 for no rule and for invalid values, 54000 for names that are too long.';

CREATE FUNCTION @extschema@.session_policy_drop(
    tenant_id pg_catalog.text DEFAULT NULL,
    role pg_catalog.text DEFAULT NULL)
RETURNS pg_catalog.bool
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_policy_drop';
REVOKE ALL ON FUNCTION @extschema@.session_policy_drop(pg_catalog.text, pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_policy_drop(pg_catalog.text, pg_catalog.text) IS
'Removes the rules that session_policy_set has set for exactly this tenant and role.  Sessions that session_revoke_all has ended stay ended.  Returns false if there were none.
Errors: 22023 for empty names, 54000 for names that are too long.';

CREATE FUNCTION @extschema@.session_export(user_id pg_catalog.text)
RETURNS pg_catalog.jsonb
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_export';
REVOKE ALL ON FUNCTION @extschema@.session_export(pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_export(pg_catalog.text) IS
'Returns everything that is kept about a user, in all tenants, as a JSON object with the arrays sessions, events, acts and origins.  Contains no secrets.
Errors: 22004 for NULL, 22023 for an empty user_id, 54000 for one that is too long or a result that is too large, 55000 as in session_validate.';

CREATE FUNCTION @extschema@.session_erase(user_id pg_catalog.text)
RETURNS pg_catalog.int8
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_erase';
REVOKE ALL ON FUNCTION @extschema@.session_erase(pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_erase(pg_catalog.text) IS
'Ends the sessions of a user in all tenants, and those in which the user acts as others; deletes their rows, the events of the user and the origins.  Events that the user caused lose their actor.  Returns the number of rows deleted.
Errors: 22004 for NULL, 22023 for an empty user_id, 54000 for one that is too long.';

CREATE FUNCTION @extschema@.session_act_as(
    token pg_catalog.text,
    user_id pg_catalog.text,
    reason pg_catalog.text,
    tenant_id pg_catalog.text DEFAULT NULL,
    role pg_catalog.text DEFAULT NULL,
    lifetime pg_catalog.interval DEFAULT '15 min',
    ip pg_catalog.inet DEFAULT NULL,
    user_agent pg_catalog.text DEFAULT NULL,
    bound_cookie pg_catalog.text DEFAULT NULL,
    proof pg_catalog.text DEFAULT NULL,
    method pg_catalog.text DEFAULT NULL,
    url pg_catalog.text DEFAULT NULL)
RETURNS SETOF @extschema@.session_credentials
ROWS 1
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_act_as';
REVOKE ALL ON FUNCTION @extschema@.session_act_as(
    pg_catalog.text, pg_catalog.text, pg_catalog.text, pg_catalog.text,
    pg_catalog.text, pg_catalog.interval, pg_catalog.inet, pg_catalog.text,
    pg_catalog.text, pg_catalog.text, pg_catalog.text, pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_act_as(
    pg_catalog.text, pg_catalog.text, pg_catalog.text, pg_catalog.text,
    pg_catalog.text, pg_catalog.interval, pg_catalog.inet, pg_catalog.text,
    pg_catalog.text, pg_catalog.text, pg_catalog.text, pg_catalog.text) IS
'Makes a session in which the user of a token acts as another, if session.act_as_function allows it.  It has at most level 1 and ends with the session of the token.  No row if that is not live, or the function refuses.
Errors: 42501 without that function, or from a session that was made of another; 22004, 22023, 54000 for invalid arguments.';

CREATE FUNCTION @extschema@.session_cleanup(
    max_rows pg_catalog.int4 DEFAULT NULL,
    OUT deleted pg_catalog.int8,
    OUT failed pg_catalog.text[])
RETURNS pg_catalog.record
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_cleanup';
REVOKE ALL ON FUNCTION @extschema@.session_cleanup(pg_catalog.int4) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_cleanup(pg_catalog.int4) IS
'Does upkeep at once, as a worker does it in the background.  Returns deleted, the number of rows of ended sessions that were deleted, at most max_rows (default: all), and failed, the names of the steps in which an error occurred.  The error is reported as a WARNING, and the other steps are still done.
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
'Makes changes of a table of users revoke sessions: when a row is deleted, its id changes, or active_column turns to false or NULL.  id_column as text is the user_id.
Errors: 22004 for NULL; 42P01, 42703 and 42804 for a table or column that does not exist or is not boolean; 42809 and 0A000 for tables and columns that cannot be bound; 42501 without the privilege TRIGGER.';

CREATE FUNCTION @extschema@.session_unbind_users(users pg_catalog.regclass)
RETURNS pg_catalog.void
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_unbind_users';
REVOKE ALL ON FUNCTION @extschema@.session_unbind_users(pg_catalog.regclass) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_unbind_users(pg_catalog.regclass) IS
'Undoes session_bind_users: from now on, changes of the table revoke no sessions.
Errors: 22004 for NULL, 42P01 for a table that does not exist, 42704 for a table that is not bound, 42501 without the privilege TRIGGER on the table.';

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
'Moves the table of sessions to another kind of storage: database, cache (unlogged) or filesystem (another tablespace).  No session ends.  Locks the table until the transaction ends.
Errors: 22023 and 22004 for a kind or tablespace that does not fit; 42704 for a tablespace that does not exist; 42501 if the owner of the tables may not use it.';

CREATE FUNCTION @extschema@.session_grant(
    role pg_catalog.regrole,
    level pg_catalog.text)
RETURNS pg_catalog.void
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_grant';
REVOKE ALL ON FUNCTION @extschema@.session_grant(pg_catalog.regrole, pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.session_grant(pg_catalog.regrole, pg_catalog.text) IS
'Gives a role a level: app, or admin, which includes app; none revokes all levels.  A level is added to the levels that the role has.
Errors: 22004 for NULL; 22023 for another level, and for revoking from the owner of the tables; 42704 for a role that does not exist; 42501 if the owner of the tables may not grant; 25006 in a READ ONLY transaction.';

/*
 * All sessions, for administrators.  The columns of the table are in it as
 * they are, so that filters on them use its indexes.  A computed column costs
 * only statements that select it, and its COST makes the planner compute it
 * after a sort with a limit, for the rows of the result alone.  The WHERE
 * clause does not depend on the rows: it is evaluated once, before any is read.
 */
CREATE FUNCTION session.session_directory_ready(relation pg_catalog.regclass)
RETURNS pg_catalog.bool
LANGUAGE C STABLE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_directory_ready';
REVOKE ALL ON FUNCTION session.session_directory_ready(pg_catalog.regclass) FROM PUBLIC;
COMMENT ON FUNCTION session.session_directory_ready(pg_catalog.regclass) IS
'Returns true.  Used by the view session.directory.
Errors: 55000 if the table is not the one that the functions of the extension read, or if they cannot work with it.';

CREATE FUNCTION session.session_directory_status(
    id pg_catalog.uuid,
    tenant_id pg_catalog.text,
    role pg_catalog.text,
    created_at pg_catalog.timestamptz,
    authenticated_at pg_catalog.timestamptz,
    refreshed_at pg_catalog.timestamptz,
    last_seen_at pg_catalog.timestamptz,
    expires_at pg_catalog.timestamptz,
    idle_timeout pg_catalog.interval,
    refresh_expires_at pg_catalog.timestamptz,
    revoked_at pg_catalog.timestamptz,
    parent_id pg_catalog.uuid,
    user_id pg_catalog.text,
    actor_id pg_catalog.text)
RETURNS pg_catalog.text
COST 100
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_directory_status';
REVOKE ALL ON FUNCTION session.session_directory_status(
    pg_catalog.uuid, pg_catalog.text, pg_catalog.text,
    pg_catalog.timestamptz, pg_catalog.timestamptz, pg_catalog.timestamptz,
    pg_catalog.timestamptz, pg_catalog.timestamptz, pg_catalog.interval,
    pg_catalog.timestamptz, pg_catalog.timestamptz, pg_catalog.uuid,
    pg_catalog.text, pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION session.session_directory_status(
    pg_catalog.uuid, pg_catalog.text, pg_catalog.text,
    pg_catalog.timestamptz, pg_catalog.timestamptz, pg_catalog.timestamptz,
    pg_catalog.timestamptz, pg_catalog.timestamptz, pg_catalog.interval,
    pg_catalog.timestamptz, pg_catalog.timestamptz, pg_catalog.uuid,
    pg_catalog.text, pg_catalog.text) IS
'Returns the status of the session whose row has these values.  Used by the view session.directory.';

CREATE FUNCTION session.session_directory_seen(
    id pg_catalog.uuid,
    created_at pg_catalog.timestamptz,
    last_seen_at pg_catalog.timestamptz)
RETURNS pg_catalog.timestamptz
COST 100
LANGUAGE C STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'session_directory_seen';
REVOKE ALL ON FUNCTION session.session_directory_seen(
    pg_catalog.uuid, pg_catalog.timestamptz, pg_catalog.timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION session.session_directory_seen(
    pg_catalog.uuid, pg_catalog.timestamptz, pg_catalog.timestamptz) IS
'Returns when the session whose row has these values was last used.  Used by the view session.directory.';

CREATE FUNCTION session.session_directory_ends(
    id pg_catalog.uuid,
    tenant_id pg_catalog.text,
    role pg_catalog.text,
    created_at pg_catalog.timestamptz,
    authenticated_at pg_catalog.timestamptz,
    refreshed_at pg_catalog.timestamptz,
    last_seen_at pg_catalog.timestamptz,
    expires_at pg_catalog.timestamptz,
    idle_timeout pg_catalog.interval,
    refresh_expires_at pg_catalog.timestamptz,
    revoked_at pg_catalog.timestamptz,
    parent_id pg_catalog.uuid,
    user_id pg_catalog.text,
    actor_id pg_catalog.text)
RETURNS pg_catalog.timestamptz
COST 100
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_directory_ends';
REVOKE ALL ON FUNCTION session.session_directory_ends(
    pg_catalog.uuid, pg_catalog.text, pg_catalog.text,
    pg_catalog.timestamptz, pg_catalog.timestamptz, pg_catalog.timestamptz,
    pg_catalog.timestamptz, pg_catalog.timestamptz, pg_catalog.interval,
    pg_catalog.timestamptz, pg_catalog.timestamptz, pg_catalog.uuid,
    pg_catalog.text, pg_catalog.text) FROM PUBLIC;
COMMENT ON FUNCTION session.session_directory_ends(
    pg_catalog.uuid, pg_catalog.text, pg_catalog.text,
    pg_catalog.timestamptz, pg_catalog.timestamptz, pg_catalog.timestamptz,
    pg_catalog.timestamptz, pg_catalog.timestamptz, pg_catalog.interval,
    pg_catalog.timestamptz, pg_catalog.timestamptz, pg_catalog.uuid,
    pg_catalog.text, pg_catalog.text) IS
'Returns when the session whose row has these values ends if it is not used again.  Used by the view session.directory.';

CREATE FUNCTION session.session_directory_data(id pg_catalog.uuid, data pg_catalog.jsonb)
RETURNS pg_catalog.jsonb
COST 100
LANGUAGE C STABLE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_directory_data';
REVOKE ALL ON FUNCTION session.session_directory_data(pg_catalog.uuid, pg_catalog.jsonb) FROM PUBLIC;
COMMENT ON FUNCTION session.session_directory_data(pg_catalog.uuid, pg_catalog.jsonb) IS
'Returns the data of a session as its row has it, opened if it is sealed.  Used by the view session.directory.
Errors: 55000 as in session_validate.';

CREATE FUNCTION session.session_directory_current(id pg_catalog.uuid)
RETURNS pg_catalog.bool
COST 100
LANGUAGE C STABLE STRICT PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'session_directory_current';
REVOKE ALL ON FUNCTION session.session_directory_current(pg_catalog.uuid) FROM PUBLIC;
COMMENT ON FUNCTION session.session_directory_current(pg_catalog.uuid) IS
'Returns whether this transaction validated or created the session.  Used by the view session.directory.';

CREATE VIEW session.directory AS
    SELECT s.id,
           session.session_directory_status(
               s.id, s.tenant_id, s.role, s.created_at, s.authenticated_at,
               s.refreshed_at, s.last_seen_at, s.expires_at, s.idle_timeout,
               s.refresh_expires_at, s.revoked_at, s.parent_id, s.user_id,
               s.actor_id) AS status,
           s.user_id,
           s.tenant_id,
           s.role,
           s.auth_level,
           s.amr,
           s.parent_id,
           s.actor_id,
           s.scopes,
           CASE WHEN (SELECT pg_catalog.has_function_privilege(
                          '@extschema@.session_get(pg_catalog.uuid)'::pg_catalog.regprocedure,
                          'EXECUTE'))
                THEN session.session_directory_data(s.id, s.data)
           END AS data,
           s.ip,
           s.user_agent,
           s.created_at,
           s.authenticated_at,
           session.session_directory_seen(
               s.id, s.created_at, s.last_seen_at) AS last_seen_at,
           session.session_directory_ends(
               s.id, s.tenant_id, s.role, s.created_at, s.authenticated_at,
               s.refreshed_at, s.last_seen_at, s.expires_at, s.idle_timeout,
               s.refresh_expires_at, s.revoked_at, s.parent_id, s.user_id,
               s.actor_id) AS expires_at,
           session.session_directory_current(s.id) AS current,
           s.bound_by IS NOT NULL AS bound
    FROM ONLY session.sessions s
    WHERE session.session_directory_ready('session.sessions'::pg_catalog.regclass);

REVOKE ALL ON TABLE session.directory FROM PUBLIC;
COMMENT ON VIEW session.directory IS
'All sessions whose rows are not deleted yet, with the columns of session_info, to be filtered, sorted and paged with plain SQL.  As in any query, the rows are those of the statement''s snapshot.  Readable by administrators.
Errors: 55000 as in session_get.';
COMMENT ON COLUMN session.directory.id IS
'Public id of the session, safe to log and to show.';
COMMENT ON COLUMN session.directory.status IS
'active, revoked, expired or idle, as session_get returns it.  Never binding, because that depends on a request.';
COMMENT ON COLUMN session.directory.user_id IS
'The user; NULL = anonymous session.';
COMMENT ON COLUMN session.directory.tenant_id IS
'The tenant that the user belongs to; NULL = none.';
COMMENT ON COLUMN session.directory.role IS
'Database role for row-level security; NULL = none.';
COMMENT ON COLUMN session.directory.auth_level IS
'Number of authentication factors that were proven; 0 = anonymous.';
COMMENT ON COLUMN session.directory.amr IS
'How the factors were proven, by names of RFC 8176 such as pwd, otp and hwk; NULL = not known.';
COMMENT ON COLUMN session.directory.parent_id IS
'The session that this one was made of, without which it ends; NULL = none.';
COMMENT ON COLUMN session.directory.actor_id IS
'Who acts as the user, by the application''s own id; NULL = the user.';
COMMENT ON COLUMN session.directory.scopes IS
'What the session may do, as scopes of RFC 6749; NULL = everything.';
COMMENT ON COLUMN session.directory.data IS
'Data of the application, a JSON object; NULL if the current role may not call session_get, which returns it too.';
COMMENT ON COLUMN session.directory.ip IS
'Client address that the last session_login or session_regenerate gave, else session_create, as far as session.store_ip stores it; NULL = none.';
COMMENT ON COLUMN session.directory.user_agent IS
'User agent that the last session_login or session_regenerate gave, else session_create; NULL = none.';
COMMENT ON COLUMN session.directory.created_at IS
'When the session was created; see the same column of session.sessions.';
COMMENT ON COLUMN session.directory.authenticated_at IS
'When the user last authenticated; NULL = anonymous.';
COMMENT ON COLUMN session.directory.last_seen_at IS
'When the session was last used, as far as this server knows; on a standby, as far as the primary has written it to the row.';
COMMENT ON COLUMN session.directory.expires_at IS
'When the session ends if it is not used again.';
COMMENT ON COLUMN session.directory.bound IS
'Whether the session is bound to a key that only its client has.';
COMMENT ON COLUMN session.directory.current IS
'Whether this transaction validated or created the session.';

/*
 * Privileges of roles.  The statements below use unqualified names for objects
 * of pg_catalog, so search_path is set accordingly.
 */
SET LOCAL search_path = pg_catalog, pg_temp;

/*
 * The grants of session_grant are recorded as SELECT on columns of a view.
 * Default privileges and GRANT ON ALL TABLES do not change privileges on
 * columns, DROP OWNED removes them, and a dump contains them.
 */
CREATE VIEW session.granted AS
    SELECT true AS app, true AS admin, true AS functions, true AS storage;

REVOKE ALL ON TABLE session.granted FROM PUBLIC;
COMMENT ON VIEW session.granted IS
'Records the grants of session_grant.  A role has SELECT on the columns app and admin for its levels, and on functions and storage if session_grant gave it USAGE on the schema of the functions or on the schema session.  To see the levels of roles, use the view session.grants.';
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
    /* Only grants by the owner count as records. */
    WHERE a.attrelid = 'session.granted'::regclass
      AND a.attname IN ('app', 'admin')
      AND x.privilege_type = 'SELECT'
      AND x.grantor = (SELECT c.relowner FROM pg_class c
                       WHERE c.oid = a.attrelid)
    GROUP BY r.rolname;

REVOKE ALL ON TABLE session.grants FROM PUBLIC;
GRANT SELECT ON TABLE session.grants TO pg_monitor;
COMMENT ON VIEW session.grants IS
'The roles that have a level from session_grant.  Readable by administrators and pg_monitor.';
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
'Returns the objects that each level gives access to: public, app, admin or monitor (for pg_monitor).  One row per object and level; only its owner has access to an object without a row.  Used by the view session.privileges.';

/*
 * The differences between the actual privileges on the objects of the extension
 * and the intended ones.
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
    /* Other roles may have USAGE on the schema of the functions, not CREATE. */
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
'The differences between the actual privileges on the objects of the extension and those that the installation and session_grant gave; and the roles other than its owner that may create objects in the schema of the functions.  The view is empty if the privileges are correct.  Readable by administrators and pg_monitor.';
COMMENT ON COLUMN session.privileges.kind IS
'Kind of the object: function, table (also for a view), sequence, type or schema.';
COMMENT ON COLUMN session.privileges.object IS
'Name of the object, with its schema.';
COMMENT ON COLUMN session.privileges.column_name IS
'Name of the column, for a privilege on a column; otherwise NULL.';
COMMENT ON COLUMN session.privileges.grantee IS
'The role that has or lacks the privilege; PUBLIC = all roles.';
COMMENT ON COLUMN session.privileges.privilege IS
'The privilege, as in GRANT.';
COMMENT ON COLUMN session.privileges.finding IS
'open: the role has the privilege and should not have it; grantable: the role may grant the privilege to others and should not; redundant: the role has a privilege that PUBLIC should have; missing: the role should have the privilege.';
COMMENT ON COLUMN session.privileges.remedy IS
'The statement that corrects the difference.';

CREATE FUNCTION session.session_restore_privileges()
RETURNS int8
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'session_restore_privileges';
REVOKE ALL ON FUNCTION session.session_restore_privileges() FROM PUBLIC;
COMMENT ON FUNCTION session.session_restore_privileges() IS
'Runs the remedies that session.privileges shows for the objects of the extension.  Returns the number of statements run.  Does not change the schema of the functions; raises a WARNING if other roles may create objects there.  For the owner of the extension.
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
    clone AS (  -- triggers of partitions
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
                    THEN 'not all three triggers exist' END,
               CASE b.enabled
                    WHEN 'disabled' THEN 'a trigger is disabled'
                    WHEN 'replica' THEN 'a trigger fires for replicated changes only'
                    WHEN 'origin' THEN 'a trigger does not fire for replicated changes'
               END,
               CASE WHEN c.relkind = 'r'
                    THEN 'changes of rows in these child tables revoke no session: ' ||
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
'The tables that session_bind_users has bound.  The owner of such a table, and each role that may insert and delete rows in it, can revoke the sessions of any user, even without a level.  Readable by administrators and pg_monitor.';
COMMENT ON COLUMN session.bound_tables.users IS
'The table of users.';
COMMENT ON COLUMN session.bound_tables.owner IS
'The role that owns the table.';
COMMENT ON COLUMN session.bound_tables.id_column IS
'The column whose text is the user_id of sessions.';
COMMENT ON COLUMN session.bound_tables.active_column IS
'The column that revokes sessions if it changes to false or NULL; NULL = none.';
COMMENT ON COLUMN session.bound_tables.enabled IS
'When the triggers of the table fire: always, origin (not for replicated changes), replica (only for replicated changes) or disabled.  If the three triggers differ, the state that misses the most changes.';
COMMENT ON COLUMN session.bound_tables.problems IS
'Reasons why some changes of the table revoke no session; empty = none.';

/* Last: sets the privileges on all objects above. */
SELECT session.session_restore_privileges();
