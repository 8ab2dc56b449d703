/*
 * identity.c
 *	  The identity that a credential proves: user, tenant, role, level, times.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/uuid.h"

#include "compat.h"
#include "model/digest.h"
#include "model/identity.h"
#include "model/json.h"
#include "model/policy.h"
#include "model/scope.h"
#include "model/words.h"
#include "wire/base64url.h"

/* Fills an identity, except its claims, from the row of a live session. */
void
session_identity_of_row(SessionIdentity *identity, const SessionRow *row)
{
	memset(identity, 0, sizeof(*identity));
	identity->has_row = identity->has_id = true;
	identity->id = row->id;
	identity->user_id = row->user_id;
	identity->tenant_id = row->tenant_id;
	identity->role = row->role;
	identity->auth_level = row->auth_level;
	identity->amr = row->amr;
	identity->derived = row->has_parent;
	identity->actor_id = row->actor_id;
	identity->scopes = row->scopes;
	identity->lowered = row->lowered;
	identity->bound = row->bound;
	identity->authenticated_at = row->authenticated_at;
	identity->expires_at = session_policy_deadline(row);
	identity->proof = cstring_to_text(session_digest_of_row(row));
	identity->stamp = row->stamp;
	identity->check_at = identity->expires_at;
}

/* Returns whether the identity was made from the session token of a digest. */
static bool
has_digest(const SessionIdentity *identity, const char *digest)
{
	return identity->proof != NULL &&
		session_digest_equal(text_to_cstring(identity->proof), digest);
}

/* Returns whether a row is still the one the identity was made from. */
bool
session_identity_is_of_row(const SessionIdentity *identity,
						   const SessionRow *row)
{
	return identity->has_row &&
		memcmp(identity->id.data, row->id.data, UUID_LEN) == 0 &&
		has_digest(identity, session_digest_of_row(row));
}

/* Returns whether a token is still the one the identity was made from. */
bool
session_identity_is_of_token(const SessionIdentity *identity,
							 const SessionToken *token)
{
	return identity->has_row &&
		memcmp(identity->id.data, token->id, UUID_LEN) == 0 &&
		has_digest(identity, session_digest_of_token(token));
}

/*
 * Claims
 */

/* Returns an id in base64url, which is shorter than a UUID. */
static text *
short_id(const pg_uuid_t *id)
{
	char		chars[SESSION_BASE64URL_CHARS(UUID_LEN)];

	session_base64url_encode(chars, id->data, UUID_LEN);
	return cstring_to_text_with_len(chars, sizeof(chars));
}

static text *
uuid_text(const pg_uuid_t *id)
{
	Datum		out = DirectFunctionCall1(uuid_out, UUIDPGetDatum(id));

	return cstring_to_text(DatumGetCString(out));
}

/*
 * Adds what only derived sessions have: scope and act as RFC 9068 and RFC 8693
 * define them.
 */
static void
put_derived(JsonbParseState **claims, const SessionIdentity *identity,
			SessionIdentityForm form)
{
	if (form == SESSION_IDENTITY_SHORT)
	{
		if (identity->derived)
			session_json_put_int(claims, "drv", 1);
		session_json_put_optional(claims, "aby", identity->actor_id);
		session_json_put_optional(claims, "scp", identity->scopes);
		return;
	}
	session_json_put_optional(claims, "scope", identity->scopes);
	if (identity->actor_id != NULL)
		session_json_put_value(claims, "act",
							   session_json_with_text(session_json_empty(),
													  "sub",
													  identity->actor_id));
}

/* Adds the claims that follow from an identity to an object of claims. */
void
session_identity_put_claims(JsonbParseState **claims,
							const SessionIdentity *identity,
							SessionIdentityForm form)
{
	bool		is_short = form == SESSION_IDENTITY_SHORT;

	session_json_put_text(claims, "sid", is_short ? short_id(&identity->id) :
						  uuid_text(&identity->id));
	session_json_put_optional(claims, is_short ? "uid" : "sub",
							  identity->user_id);
	session_json_put_optional(claims, "tid", identity->tenant_id);
	session_json_put_optional(claims, "role", identity->role);
	if (!is_short || identity->auth_level != 1)
		session_json_put_int(claims, "lvl", identity->auth_level);
	if (is_short)
		session_json_put_optional(claims, "amr", identity->amr);
	else if (identity->amr != NULL)
		session_json_put_array(claims, "amr",
							   session_words_array(identity->amr));
	put_derived(claims, identity, form);
}

/* Returns the claims with those set that follow from an identity. */
Jsonb *
session_identity_write_claims(Jsonb *claims, const SessionIdentity *identity)
{
	JsonbParseState *own;

	session_json_begin(&own);
	session_identity_put_claims(&own, identity, SESSION_IDENTITY_PUBLIC);
	return session_json_merged(claims, session_json_end(&own));
}

/* Stores claims in the identity as text in the server's encoding. */
void
session_identity_store_claims(SessionIdentity *identity, Jsonb *claims)
{
	identity->claims = cstring_to_text(JsonbToCString(NULL, &claims->root,
													  VARSIZE(claims)));
}

/* Returns whether the identity may do what a scope names. */
bool
session_identity_has_scope(const SessionIdentity *identity, const text *scope)
{
	const text *scopes = identity->scopes;

	return scopes == NULL ||
		session_scope_covers(VARDATA_ANY(scopes), VARSIZE_ANY_EXHDR(scopes),
							 VARDATA_ANY(scope), VARSIZE_ANY_EXHDR(scope));
}

/* Returns all claims of the identity; NULL when they cannot be read. */
Jsonb *
session_identity_claims(const SessionIdentity *identity)
{
	Jsonb	   *claims = session_json_empty();

	if (identity->claims != NULL)
		claims = session_json_parse_local(text_to_cstring(identity->claims));
	if (claims == NULL || !identity->has_row)
		return claims;
	return session_identity_write_claims(claims, identity);
}
