/*
 * identity.c
 *	  Who is behind a credential, and whether they still are.
 *
 * Rules: an identity says the same whatever it was proven by, so that a policy
 * need not know the strategy.  What it is proven again by is no secret: of a
 * row, the digest that tells whether the token is still the same; of a cookie
 * without a row, the hash it would be denied as.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "compat.h"
#include "engine/activity.h"
#include "engine/claims.h"
#include "engine/lifecycle.h"
#include "model/digest.h"
#include "model/json.h"
#include "request/identity.h"
#include "table/denylist.h"
#include "table/store.h"
#include "wire/base64url.h"
#include "wire/token.h"

/* A JSON object as text, in the server's encoding. */
static text *
object_text(Jsonb *object)
{
	return cstring_to_text(JsonbToCString(NULL, &object->root,
										  VARSIZE(object)));
}

/* Adds to the claims what the identity says itself. */
static void
set_claims(SessionIdentity *identity, Jsonb *added)
{
	Jsonb	   *claims = session_claims_without_reserved(added);
	Datum		id = DirectFunctionCall1(uuid_out, UUIDPGetDatum(&identity->id));

	claims = session_json_with_text(claims, "sid",
									cstring_to_text(DatumGetCString(id)));
	if (identity->user_id != NULL)
		claims = session_json_with_text(claims, "sub", identity->user_id);
	if (identity->tenant_id != NULL)
		claims = session_json_with_text(claims, "tid", identity->tenant_id);
	if (identity->role != NULL)
		claims = session_json_with_text(claims, "role", identity->role);
	claims = session_json_with_int(claims, "lvl", identity->auth_level);
	identity->claims = object_text(claims);
}

void
session_identity_of_row(SessionIdentity *identity, const SessionRow *row,
						Jsonb *added)
{
	memset(identity, 0, sizeof(*identity));
	identity->has_row = identity->has_id = true;
	identity->id = row->id;
	identity->auth_level = row->auth_level;
	identity->authenticated_at = row->authenticated_at;
	identity->expires_at = session_policy_deadline(row);
	identity->user_id = row->user_id;
	identity->tenant_id = row->tenant_id;
	identity->role = row->role;
	identity->proof = cstring_to_text(session_digest_of_row(row));
	set_claims(identity, added);
}

void
session_identity_of_snapshot(SessionIdentity *identity,
							 const SessionSnapshot *snapshot)
{
	memset(identity, 0, sizeof(*identity));
	identity->has_row = identity->has_id = true;
	identity->id = snapshot->id;
	identity->auth_level = snapshot->auth_level;
	identity->authenticated_at = snapshot->authenticated_at;
	identity->expires_at = snapshot->expires_at;
	identity->user_id = snapshot->user_id;
	identity->tenant_id = snapshot->tenant_id;
	identity->role = snapshot->role;
	identity->proof = cstring_to_text(snapshot->digest);
	set_claims(identity, session_cookie_added(snapshot));
}

/* A member that is text; false when it is anything else.  None is NULL. */
static bool
text_claim(text **value, const Jsonb *claims, const char *name)
{
	JsonbValue	scratch;
	JsonbValue *found;

	*value = NULL;
	found = getKeyJsonValueFromContainer(unconstify(JsonbContainer *,
													&claims->root),
										 name, strlen(name), &scratch);
	if (found == NULL || found->type == jbvNull)
		return true;
	if (found->type != jbvString)
		return false;
	if (found->val.string.len > 0)
		*value = cstring_to_text_with_len(found->val.string.val,
										  found->val.string.len);
	return true;
}

/* The public id of a cookie without a row, if it has one that is a UUID. */
static bool
uuid_claim(pg_uuid_t *id, const Jsonb *claims, const char *name)
{
	text	   *value;

	return text_claim(&value, claims, name) && value != NULL &&
		session_token_parse_id(id->data, VARDATA_ANY(value),
							   VARSIZE_ANY_EXHDR(value));
}

static text *
hash_text(const SessionDenied *denied)
{
	char		chars[SESSION_BASE64URL_CHARS(SESSION_SHA256_BYTES)];

	session_base64url_encode(chars, denied->hash, sizeof(denied->hash));
	return cstring_to_text_with_len(chars, sizeof(chars));
}

bool
session_identity_of_cookie(SessionIdentity *identity,
						   const SessionCarried *carried)
{
	const Jsonb *claims = carried->claims;

	memset(identity, 0, sizeof(*identity));
	if (!text_claim(&identity->user_id, claims, "sub") ||
		!text_claim(&identity->tenant_id, claims, "tid") ||
		!text_claim(&identity->role, claims, "role"))
		return false;
	identity->has_id = uuid_claim(&identity->id, claims, "sid") ||
		uuid_claim(&identity->id, claims, "jti");
	/* As everywhere: nobody has proven anything without a user. */
	identity->auth_level = identity->user_id == NULL ? 0 : carried->auth_level;
	identity->authenticated_at = identity->user_id == NULL ? SESSION_NO_TIME :
		carried->authenticated_at;
	identity->expires_at = carried->expires_at;
	identity->claims = object_text(carried->claims);
	identity->proof = hash_text(&carried->denied);
	return true;
}

/*
 * Looking again
 */

/* Is the session of the row alive, and has it the same token? */
static bool
row_holds(SessionIdentity *identity)
{
	SessionRow	row;

	if (!session_lifecycle_peek(&identity->id, &row) ||
		!session_digest_equal(text_to_cstring(identity->proof),
							  session_digest_of_row(&row)))
		return false;
	identity->auth_level = row.auth_level;
	identity->authenticated_at = row.authenticated_at;
	return true;
}

/* What a cookie without a row would be denied as. */
static bool
denylist_key_of_identity(SessionDenied *denied, const SessionIdentity *identity)
{
	const text *proof = identity->proof;

	return proof != NULL &&
		VARSIZE_ANY_EXHDR(proof) ==
		SESSION_BASE64URL_CHARS(SESSION_SHA256_BYTES) &&
		session_base64url_decode(denied->hash, VARDATA_ANY(proof),
								 VARSIZE_ANY_EXHDR(proof));
}

/* Has the cookie neither expired nor been denied? */
static bool
cookie_holds(const SessionIdentity *identity)
{
	SessionDenied denied;

	return GetCurrentTimestamp() < identity->expires_at &&
		denylist_key_of_identity(&denied, identity) && !session_denylist_has(&denied);
}

bool
session_identity_holds(SessionIdentity *identity)
{
	return identity->has_row ? row_holds(identity) : cookie_holds(identity);
}

/*
 * One's own sessions
 */

static bool
is_own(const SessionIdentity *identity, const pg_uuid_t *id)
{
	return identity->has_id &&
		memcmp(id->data, identity->id.data, UUID_LEN) == 0;
}

/* Is the session the identity's own, or of the same user and tenant? */
static bool
is_mine(const SessionIdentity *identity, const SessionRow *row)
{
	if (identity->user_id == NULL)
		return identity->has_row && is_own(identity, &row->id);
	return session_policy_is_of_user(row, identity->user_id, identity->tenant_id);
}

List *
session_identity_sessions(const SessionIdentity *identity)
{
	List	   *mine = NIL;

	if (identity->user_id == NULL)
	{
		SessionRow *row = palloc(sizeof(SessionRow));

		if (identity->has_row && session_store_read_without_data(&identity->id, row))
			mine = lappend(mine, row);
		return mine;
	}
	return session_store_of_user(identity->user_id, identity->tenant_id,
								 SESSION_STORE_ONE_TENANT);
}

bool
session_identity_revoke(const SessionIdentity *identity, const pg_uuid_t *id)
{
	SessionDenied denied;
	SessionRow	row;

	if (!identity->has_row && is_own(identity, id))
		return denylist_key_of_identity(&denied, identity) &&
			session_denylist_add(&denied, identity->expires_at);
	/* Another's makes nobody wait, and neither does one that is over. */
	if (!session_store_read_without_data(id, &row) || !is_mine(identity, &row))
		return false;
	session_activity_overlay(&row);
	if (session_policy_life(&row, GetCurrentTimestamp()) != SESSION_ACTIVE)
		return false;
	return session_lifecycle_revoke_id(id, cstring_to_text(is_own(identity, id) ?
														   "logout" : "user"));
}

int64
session_identity_revoke_others(const SessionIdentity *identity)
{
	SessionIds	ids = {0};

	if (identity->user_id == NULL)
		return 0;
	session_store_ids_of_user(&ids, identity->user_id, identity->tenant_id,
							  SESSION_STORE_ONE_TENANT);
	return session_lifecycle_revoke_all(&ids, "user", &identity->id);
}
