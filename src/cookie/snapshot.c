/*
 * snapshot.c
 *	  Snapshots: signed copies of a session that spare reading its row.
 *
 * Rules:
 * - A snapshot is signed by a key derived for snapshots, even from an imported
 *	 secret, and for a purpose that nothing else can have.  So no other cookie
 *	 that an application encodes is accepted as a snapshot.
 * - It carries a digest of the token it was made for and is worthless beside
 *	 another token.
 * - It is valid without its row until it is due, "session.cookie_cache_ttl"
 *	 after the row was read.  That time counts from before the row was read, so
 *	 a session that ended since is not accepted for longer than the ttl.
 * - It carries a fingerprint of the policies from before its row was read.
 *	 If the policies have changed, the row decides.  So a change of them
 *	 reaches every snapshot when it commits, also those being made then.
 * - It names the era of the server.  Shared memory knows which sessions were
 *	 changed or ended in this era.  For a snapshot of one of them, and for one
 *	 of another era or of none, the row decides.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "cookie/proof.h"
#include "cookie/snapshot.h"
#include "engine/activity.h"
#include "engine/claims.h"
#include "engine/lifecycle.h"
#include "model/json.h"
#include "settings.h"
#include "shared/database.h"
#include "shared/revocation.h"
#include "shared/stamp.h"
#include "table/keyring.h"
#include "wire/base64url.h"

/* The ring whose keys sign snapshots. */
#define SNAPSHOT_RING "session"

/*
 * Returns the purpose that snapshots are signed for.  No application can give
 * a key or a cookie this name.  It includes the database, because a copy of a
 * database has the same keys and may have other sessions.
 */
static const char *
snapshot_purpose(void)
{
	static char purpose[SESSION_PURPOSE_BYTES + 1];

	/* A process has one database. */
	if (purpose[0] == '\0')
		snprintf(purpose, sizeof(purpose), "session/cache/%u", MyDatabaseId);
	return purpose;
}

/*
 * Minting
 */

/* Returns the time for a row.  Call it before the row is read. */
SessionSnapshotTime
session_snapshot_time(void)
{
	SessionSnapshotTime time;

	time.read_at = GetCurrentTimestamp();
	time.era = session_revocation_note_snapshot(time.read_at,
												session_settings.cookie_cache_ttl);
	strlcpy(time.policies, session_policies_fingerprint(),
			sizeof(time.policies));
	return time;
}

/*
 * Returns when the row must be read again.  The use of a snapshot may not be
 * recorded, so a session in use must be validated by its row before its idle
 * timeout has passed.
 */
static TimestampTz
due_time(const SessionRow *row, const SessionSnapshotTime *time)
{
	TimestampTz due = time->read_at +
	session_settings.cookie_cache_ttl * USECS_PER_SEC;

	if (row->idle_timeout != 0)
		due = Min(due, time->read_at + row->idle_timeout / 2);
	return Min(due, session_policy_deadline(row));
}

/* Adds the key that a session is bound to, if it is. */
static void
put_bound(JsonbParseState **claims, const SessionBound *bound)
{
	char		chars[SESSION_BASE64URL_CHARS(SESSION_SHA256_BYTES)];

	if (bound->by == SESSION_BOUND_NOT)
		return;
	session_base64url_encode(chars, bound->thumbprint,
							 sizeof(bound->thumbprint));
	session_json_put_int(claims, "bby", bound->by);
	session_json_put_text(claims, "bnd",
						  cstring_to_text_with_len(chars, sizeof(chars)));
}

/*
 * Returns the claims of a snapshot, except those of the claims function.
 * Snapshots go with every request, so the claims are short.
 *
 *	sid		the session's id, base64url		tok		digest of its token
 *	uid		user, if any					tid		tenant, if any
 *	role	role, if any					lvl		auth_level, unless 1
 *	amr		its words, if any				aut		authenticated_at, if any
 *	scp		its scopes, if any				aby		its actor, if any
 *	drv		1 if it is derived
 *	end		deadline, if any				era		era of the server, if any
 *	bby		how it is bound, if it is		bnd		thumbprint of that key
 *	pol		policies, if any				iat		when the row was read
 *	exp		when the snapshot is due
 */
static Jsonb *
snapshot_claims(const SessionIdentity *identity, uint32 era,
				const SessionSnapshotTime *time, TimestampTz due)
{
	JsonbParseState *claims;

	session_json_begin(&claims);
	session_identity_put_claims(&claims, identity, SESSION_IDENTITY_SHORT);
	session_json_put_text(&claims, "tok", identity->proof);
	put_bound(&claims, &identity->bound);
	if (identity->authenticated_at != SESSION_NO_TIME)
		session_json_put_int(&claims, "aut",
							 session_proof_seconds(identity->authenticated_at));
	if (!TIMESTAMP_NOT_FINITE(identity->expires_at))
		session_json_put_int(&claims, "end",
							 session_proof_seconds(identity->expires_at));
	if (era != 0)
		session_json_put_int(&claims, "era", era);
	if (time->policies[0] != '\0')
		session_json_put_text(&claims, "pol",
							  cstring_to_text(time->policies));
	session_json_put_int(&claims, "iat", session_proof_seconds(time->read_at));
	session_json_put_int(&claims, "exp", session_proof_seconds(due));
	return session_json_end(&claims);
}

/* Mints a snapshot from the row of a live session. */
text *
session_snapshot_mint_of_row(const SessionRow *row,
							 const SessionSnapshotTime *time, Jsonb *added,
							 const SessionCodec *codec)
{
	/* Without an era the row decides, which may yet be rolled back. */
	uint32		era = row->uncommitted ? 0 : time->era;
	SessionIdentity identity;
	SessionCodecKey key;
	Jsonb	   *claims;

	session_identity_of_row(&identity, row);
	claims = snapshot_claims(&identity, era, time, due_time(row, time));
	if (added != NULL)
		claims = session_json_merged(session_claims_without_reserved(added),
									 claims);
	/* Fetch the signer last: the claims function may reload the ring. */
	key = session_proof_signer(SNAPSHOT_RING, codec, true);
	return session_proof_encode(claims, NULL, codec, snapshot_purpose(),
								&key);
}

/* Mints a snapshot from a row; NULL where that is not possible. */
text *
session_snapshot_try_mint(const SessionRow *row,
						  const SessionSnapshotTime *time, Jsonb *added)
{
	MemoryContext caller = CurrentMemoryContext;
	text	   *volatile value = NULL;

	if (due_time(row, time) <= GetCurrentTimestamp() ||
		session_keyring_find_signer(SNAPSHOT_RING, true) == NULL)
		return NULL;

	/*
	 * A subtransaction is not needed: the keys are loaded, and the functions
	 * called have no effect other than memory of the caller's context.
	 */
	PG_TRY();
	{
		value = session_snapshot_mint_of_row(row, time, added,
											 session_proof_codec());
	}
	PG_CATCH();
	{
		session_json_swallow_error(caller);
	}
	PG_END_TRY();
	return value;
}

/* Mints a snapshot of the live session of a token; NULL when it has none. */
text *
session_snapshot_mint(const SessionToken *token,
					  const SessionPossession *proven,
					  const SessionCodec *codec)
{
	SessionSnapshotTime time = session_snapshot_time();
	SessionRow	row;

	if (!session_lifecycle_reread(token, proven, false, &row))
		return NULL;
	return session_snapshot_mint_of_row(&row, &time,
										session_claims_added(&row), codec);
}

/*
 * Reading
 */

/* Reads the claim sid; returns false when it is not an id. */
static bool
read_id(const SessionProof *proof, pg_uuid_t *id)
{
	const char *string = session_proof_string(proof, "sid");

	return string != NULL &&
		strlen(string) == SESSION_BASE64URL_CHARS(UUID_LEN) &&
		session_base64url_decode(id->data, string, strlen(string));
}

/*
 * Proves a snapshot, due or not, and reads which session and token it was made
 * for.
 */
static bool
prove_snapshot(SessionProof *proof, const char *value, size_t len,
			   SessionSnapshot *snapshot)
{
	SessionIdentity *identity = &snapshot->identity;

	memset(snapshot, 0, sizeof(*snapshot));
	if (session_proof_verify(proof, value, len, SNAPSHOT_RING,
							 snapshot_purpose(), true) != SESSION_ACTIVE ||
		!session_proof_read_claims(proof) || !read_id(proof, &identity->id))
		return false;
	identity->has_row = identity->has_id = true;
	identity->proof = session_proof_text(proof, "tok");
	identity->stamp = session_stamp_of(identity->id.data);
	snapshot->payload = proof->payload;
	snapshot->len = proof->len;
	snapshot->members = proof->members;
	snapshot->count = proof->count;
	return true;
}

/* Reads the key that the session of a snapshot is bound to, if it is. */
static void
read_bound(SessionBound *bound, const SessionProof *proof)
{
	const char *chars = session_proof_string(proof, "bnd");

	memset(bound, 0, sizeof(*bound));
	bound->by = (int) session_proof_integer(proof, "bby", SESSION_BOUND_NOT);
	/* A thumbprint that cannot be read is one that no key has. */
	if (chars != NULL &&
		strlen(chars) == SESSION_BASE64URL_CHARS(SESSION_SHA256_BYTES) &&
		!session_base64url_decode(bound->thumbprint, chars, strlen(chars)))
		memset(bound->thumbprint, 0, sizeof(bound->thumbprint));
}

/* Fills the rest of a snapshot from its claims. */
static void
fill_from_claims(SessionSnapshot *snapshot, const SessionProof *proof,
				 int64 now)
{
	SessionIdentity *identity = &snapshot->identity;
	int64		issued = session_proof_integer(proof, "iat", now);
	int64		due = session_proof_integer(proof, "exp", now);
	int64		end = session_proof_integer(proof, "end", -1);
	int64		authenticated = session_proof_integer(proof, "aut", -1);

	identity->user_id = session_proof_text(proof, "uid");
	identity->tenant_id = session_proof_text(proof, "tid");
	identity->role = session_proof_text(proof, "role");
	identity->auth_level = (int32) session_proof_integer(proof, "lvl", 1);
	identity->amr = session_proof_text(proof, "amr");
	identity->derived = session_proof_integer(proof, "drv", 0) != 0;
	identity->actor_id = session_proof_text(proof, "aby");
	identity->scopes = session_proof_text(proof, "scp");
	read_bound(&identity->bound, proof);
	identity->authenticated_at = authenticated < 0 ? SESSION_NO_TIME :
		session_proof_time(authenticated);
	identity->expires_at = end < 0 ? DT_NOEND : session_proof_time(end);
	identity->check_at = session_proof_time(due);
	snapshot->made_before = session_proof_time(issued + 1);
	snapshot->from_row = false;
	/* After 80 % of the time, so an active client seldom has a due one. */
	snapshot->should_refresh = (now - issued) * 5 >= (due - issued) * 4;
}

/* Returns whether policies were changed since the snapshot was made. */
static bool
has_other_policies(const SessionProof *proof)
{
	const char *made = session_proof_string(proof, "pol");

	return strcmp(made == NULL ? "" : made,
				  session_policies_fingerprint()) != 0;
}

/* Returns whether the row must decide although the snapshot is not due. */
static bool
must_check_row(const SessionProof *proof, SessionSnapshot *snapshot)
{
	int64		era = session_proof_integer(proof, "era", 0);
	bool		changed = has_other_policies(proof);
	bool		must_check = session_revocation_must_check_row(&snapshot->identity.id,
															   session_proof_string(proof, "tok"),
															   (uint32) era);

	/* A new snapshot would be of the present era and policies. */
	if (changed ||
		(must_check && session_revocation_is_outdated((uint32) era)))
		snapshot->should_refresh = true;
	/* What ends the sessions that it was made of is not noted for it. */
	must_check = must_check || changed || snapshot->identity.derived;
	session_database_count(must_check ? SESSION_COUNT_SNAPSHOT_CHECKED : SESSION_COUNT_SNAPSHOT_ACCEPTED);
	return must_check;
}

/* Returns whether the address or user agent of the session counts. */
bool
session_snapshot_needs_row(const SessionSnapshot *snapshot)
{
	SessionRules rules;

	session_policies_find(&rules, snapshot->identity.tenant_id,
						  snapshot->identity.role);
	return session_policy_needs_row(&rules, &session_settings);
}

/* Reads a snapshot and no table; returns false when it is none, or is due. */
bool
session_snapshot_read(const char *value, size_t len, SessionSnapshot *snapshot)
{
	int64		now = session_proof_seconds(GetCurrentTimestamp());
	SessionProof proof = {0};

	if (!prove_snapshot(&proof, value, len, snapshot) ||
		!session_proof_in_time(&proof, now))
		return false;
	fill_from_claims(snapshot, &proof, now);
	snapshot->must_check_row = must_check_row(&proof, snapshot);
	return true;
}

/* Returns the claims that the claims function had added to a snapshot. */
Jsonb *
session_snapshot_added(const SessionSnapshot *snapshot)
{
	int			i = 0;

	while (i < snapshot->count &&
		   session_claims_is_reserved(snapshot->members[i].name))
		i++;
	if (i == snapshot->count)
		return NULL;
	return session_json_parse(snapshot->payload, snapshot->len);
}

/*
 * Resolving
 */

/* Fills a snapshot from the row; returns false unless the token is valid. */
static bool
fill_from_row(SessionSnapshot *snapshot, const SessionSnapshotRequest *request)
{
	SessionRow	row;

	if (request->token == NULL ||
		session_lifecycle_validate(request->token, &request->binding,
								   &row) != SESSION_ACTIVE)
		return false;
	session_identity_of_row(&snapshot->identity, &row);
	snapshot->from_row = true;
	return true;
}

/* Validates a snapshot by itself, or by the row where that must decide. */
bool
session_snapshot_resolve(const char *value, size_t len,
						 const SessionSnapshotRequest *request,
						 SessionSnapshot *snapshot)
{
	int64		now = session_proof_seconds(GetCurrentTimestamp());
	const SessionToken *token = request->token;
	const SessionIdentity *identity = &snapshot->identity;
	SessionProof proof = {0};

	if (!prove_snapshot(&proof, value, len, snapshot))
	{
		session_proof_count(proof.codec == NULL ? SESSION_MALFORMED :
							SESSION_UNKNOWN, request->binding.ip);
		return false;
	}
	if (token != NULL && memcmp(identity->id.data, token->id, UUID_LEN) != 0)
		return false;
	/* Where the row decides, the client should get a new snapshot. */
	snapshot->should_refresh = true;
	if (request->sensitive || !session_proof_in_time(&proof, now) ||
		(token != NULL && !session_identity_is_of_token(identity, token)))
		return fill_from_row(snapshot, request);
	fill_from_claims(snapshot, &proof, now);

	/*
	 * should_refresh stays as the age of the snapshot says: the row may have
	 * to decide about a new snapshot as well.
	 */
	if (!session_policy_proves_key(&identity->bound, &identity->id,
								   &request->binding.proven) ||
		session_snapshot_needs_row(snapshot) ||
		must_check_row(&proof, snapshot))
		return fill_from_row(snapshot, request);
	return session_activity_again(&identity->id, snapshot->made_before,
								  GetCurrentTimestamp()) ||
		token == NULL || fill_from_row(snapshot, request);
}
