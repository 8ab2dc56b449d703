/*
 * cookie.c
 *	  Cookies of an application's own claims: minting, opening, denying.
 *
 * Rules:
 * - The purpose of a cookie is the ring of its keys.  It is part of what is
 *	 signed, so a cookie of one purpose is not valid for another.
 * - A cookie is denied by its jti, and one without a jti by its payload.
 * - An id that express-session signed has no times: the row that it names
 *	 decides, and no policy ends the cookie.
 * - A payload without claims is accepted only where a foreign system sealed a
 *	 bare session id.
 * - A policy ends a cookie by its tenant, its role and the time at which it
 *	 was issued.
 * - A cookie that is a session by itself is a jwt or jwe.  Its identity has no
 *	 row; it ends when the cookie expires or is denied.
 */
#include "postgres.h"

#include <limits.h>

#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "audit/event.h"
#include "compat.h"
#include "cookie/cookie.h"
#include "cookie/proof.h"
#include "model/amr.h"
#include "model/digest.h"
#include "model/json.h"
#include "model/scope.h"
#include "table/denylist.h"
#include "table/policies.h"
#include "wire/base64url.h"
#include "wire/token.h"

/* Mints a cookie from an object that has no iat, exp and jti. */
text *
session_cookie_mint(Jsonb *payload, const SessionCodec *codec, int64 ttl,
					const char *purpose)
{
	SessionCodecKey key = session_proof_signer(purpose, codec, false);
	SessionRules rules;
	SessionStamp stamp;

	session_policies_find(&rules, session_json_member(payload, "tid", 3),
						  session_json_member(payload, "role", 4));
	stamp.issued = session_proof_seconds(session_proof_creation(&rules,
																GetCurrentTimestamp()));
	stamp.expires = stamp.issued + ttl;
	return session_proof_encode(payload, &stamp, codec, purpose, &key);
}

/*
 * Opening
 */

/* Returns the denylist key of a cookie: of its jti, else of its payload. */
static SessionDenylistKey
denylist_key_of_cookie(const SessionProof *proof, const char *purpose)
{
	const char *jti = session_proof_string(proof, "jti");
	const char *iss = session_proof_string(proof, "iss");
	StringInfoData named;
	SessionDenylistKey key;

	initStringInfo(&named);
	/* An issuer chooses its own jti, which is unique there only. */
	if (jti != NULL && iss != NULL && proof->of_issuer)
		appendStringInfo(&named, "%s\niss\n%zu\n%s", purpose, strlen(iss), iss);
	else
		appendStringInfo(&named, "%s\n%s\n", purpose, jti == NULL ? "" : "jti");
	if (jti != NULL)
		appendStringInfoString(&named, jti);
	else
		appendBinaryStringInfo(&named, proof->payload, (int) proof->len);
	session_digest_sha256(key.hash, named.data, named.len);
	pfree(named.data);
	return key;
}

/*
 * Returns whether a payload that is not an object is the bare session id of a
 * foreign system: printable ASCII in a sealed cookie of an imported key.
 */
static bool
is_bare_id(const SessionProof *proof)
{
	/* A payload that starts like JSON was meant as JSON, and is damaged. */
	if (!proof->imported || proof->codec != &session_codec_sealed ||
		proof->len == 0 || strchr("{[\"", proof->payload[0]) != NULL)
		return false;
	for (size_t i = 0; i < proof->len; i++)
		if (proof->payload[i] <= ' ' || proof->payload[i] > '~')
			return false;
	return true;
}

/*
 * Checks the times of a proven cookie; without claims it has none.  The clock
 * counts as not earlier than the second that a cookie names that was made
 * after others were ended.
 */
static SessionStatus
check_times(const SessionProof *proof, bool has_claims)
{
	int64		now = session_proof_seconds(GetCurrentTimestamp());
	int64		earliest;
	SessionRules rules;

	if (proof->codec == &session_codec_express)
		return SESSION_ACTIVE;
	session_proof_rules(proof, &rules);
	earliest = session_proof_earliest(&rules);
	if (session_proof_issued(proof) < earliest)
		return SESSION_REVOKED;
	if (!has_claims || session_proof_in_time(proof, Max(now, earliest)))
		return SESSION_ACTIVE;
	return SESSION_EXPIRED;
}

/* Proves a cookie and checks its times, but not the denylist. */
static SessionStatus
open_undenied(SessionProof *proof, const char *value, size_t len,
			  const char *purpose)
{
	SessionStatus status = session_proof_verify(proof, value, len, purpose,
												purpose, false);
	bool		has_claims;

	if (status != SESSION_ACTIVE)
		return status;
	has_claims = session_proof_read_claims(proof);
	if (!has_claims && !is_bare_id(proof))
		return SESSION_UNKNOWN;
	return check_times(proof, has_claims);
}

/* Proves a cookie, and checks its times and the denylist. */
static SessionStatus
open_cookie(SessionProof *proof, const char *value, size_t len,
			const char *purpose, SessionDenylistKey *key, SessionEndStamp *stamp)
{
	SessionStatus status = open_undenied(proof, value, len, purpose);

	if (status != SESSION_ACTIVE)
		return status;
	*key = denylist_key_of_cookie(proof, purpose);
	return session_denylist_has(key, stamp) ? SESSION_REVOKED : SESSION_ACTIVE;
}

/* Returns a bare id as a JSON string. */
static Jsonb *
bare_id_string(const SessionProof *proof)
{
	StringInfoData quoted;

	initStringInfo(&quoted);
	escape_json(&quoted, pnstrdup(proof->payload, proof->len));
	return session_json_parse(quoted.data, quoted.len);
}

/* Returns the payload of a cookie that is valid now; NULL for any other. */
Jsonb *
session_cookie_open(const char *value, size_t len, const char *purpose)
{
	SessionProof proof = {0};
	SessionDenylistKey key;
	SessionEndStamp stamp;
	SessionStatus status = open_cookie(&proof, value, len, purpose, &key,
									   &stamp);

	session_proof_count(status, NULL);
	if (status != SESSION_ACTIVE)
		return NULL;
	if (is_bare_id(&proof))
		return bare_id_string(&proof);
	return session_proof_claims(&proof);
}

/* Returns the id that express-session signed; NULL for any other cookie. */
text *
session_cookie_signed_id(const char *value, size_t len, const char *purpose)
{
	SessionProof proof = {0};
	SessionDenylistKey key;
	SessionEndStamp stamp;

	if (!session_codec_is_express(value, len) ||
		open_cookie(&proof, value, len, purpose, &key, &stamp) != SESSION_ACTIVE)
		return NULL;
	return session_proof_text(&proof, "sid");
}

/*
 * Returns the time of the claim auth_time.  A time in the future is not a time
 * of authentication and counts as none.
 */
static TimestampTz
authenticated_claim(const SessionProof *proof)
{
	int64		seconds = session_proof_date(proof, "auth_time", -1);
	int64		now = session_proof_seconds(GetCurrentTimestamp());

	if (seconds < 0 || seconds > now + SESSION_PROOF_LEEWAY)
		return SESSION_NO_TIME;
	return session_proof_time(seconds);
}

/*
 * Reads a claim that may be missing or null (*value is NULL then).  Returns
 * false when it is neither that nor a string.
 */
static bool
read_text_claim(text **value, const Jsonb *claims, const char *name)
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

/* Reads a claim that is a UUID; returns false for any other or none. */
static bool
read_uuid_claim(pg_uuid_t *id, const Jsonb *claims, const char *name)
{
	text	   *value;

	return read_text_claim(&value, claims, name) && value != NULL &&
		session_token_parse_id(id->data, VARDATA_ANY(value),
							   VARSIZE_ANY_EXHDR(value));
}

/*
 * Returns the words of the claim amr; NULL when it is missing or not an array
 * of names, which proves no method.
 */
static text *
methods_claim(const Jsonb *claims)
{
	JsonbValue	scratch;
	JsonbValue *found;
	JsonbValue	name;
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	StringInfoData words;
	int			count = 0;

	found = getKeyJsonValueFromContainer(unconstify(JsonbContainer *,
													&claims->root),
										 "amr", strlen("amr"), &scratch);
	if (found == NULL || found->type != jbvBinary ||
		!JsonContainerIsArray(found->val.binary.data))
		return NULL;
	initStringInfo(&words);
	iterator = JsonbIteratorInit(found->val.binary.data);
	while ((token = JsonbIteratorNext(&iterator, &name, true)) != WJB_DONE)
		if (token == WJB_ELEM &&
			(name.type != jbvString || ++count > SESSION_AMR_NAMES ||
			 !session_words_append(&words, name.val.string.val,
								   name.val.string.len,
								   session_amr_is_name)))
			return NULL;
	return words.len == 0 ? NULL :
		cstring_to_text_with_len(words.data, words.len);
}

/*
 * Returns the words of the claim scope (RFC 9068), without those that are not
 * scopes and those beyond the limit; NULL when it is missing.  A claim that is
 * not a string allows nothing.
 */
static text *
scopes_claim(const Jsonb *claims)
{
	JsonbValue	scratch;
	JsonbValue *found = session_json_find(claims, "scope", &scratch);
	StringInfoData words;
	const char *word;
	const char *next;
	size_t		len;
	int			count = 0;

	if (found == NULL || found->type == jbvNull)
		return NULL;
	initStringInfo(&words);
	next = found->type == jbvString ? found->val.string.val : "";
	while (count < SESSION_SCOPES && found->type == jbvString &&
		   (len = session_words_next(&word, &next, found->val.string.val +
									 found->val.string.len)) > 0)
		if (session_words_append(&words, word, len, session_scope_is_name))
			count++;
	return cstring_to_text_with_len(words.data, words.len);
}

/*
 * Reads the actor from the claim act (RFC 8693).  Returns false when it is
 * there and does not say who acts.
 */
static bool
read_actor_claim(text **actor_id, const Jsonb *claims)
{
	JsonbValue	scratch;
	JsonbValue *found = session_json_find(claims, "act", &scratch);

	*actor_id = NULL;
	if (found == NULL || found->type == jbvNull)
		return true;
	return found->type == jbvBinary &&
		JsonContainerIsObject(found->val.binary.data) &&
		read_text_claim(actor_id, JsonbValueToJsonb(found), "sub") &&
		*actor_id != NULL;
}

/*
 * Reads the claim cnf (RFC 7800): the key that who presents the cookie must
 * prove, as a thumbprint.  A claim that names a key in another way makes a
 * thumbprint of zeroes, which no key has.
 */
static void
read_confirmation(SessionBound *bound, const Jsonb *claims)
{
	text	   *cnf = session_json_member(claims, "cnf", 3);
	Jsonb	   *object;
	text	   *jkt = NULL;

	memset(bound, 0, sizeof(*bound));
	if (cnf == NULL)
		return;
	bound->by = SESSION_BOUND_DBSC;
	object = session_json_parse_local(text_to_cstring(cnf));
	if (object != NULL && JB_ROOT_IS_OBJECT(object))
		jkt = session_json_member(object, "jkt", 3);
	if (jkt != NULL &&
		VARSIZE_ANY_EXHDR(jkt) == SESSION_BASE64URL_CHARS(SESSION_SHA256_BYTES) &&
		!session_base64url_decode(bound->thumbprint, VARDATA_ANY(jkt),
								  VARSIZE_ANY_EXHDR(jkt)))
		memset(bound->thumbprint, 0, sizeof(bound->thumbprint));
}

/*
 * Fills an identity from a cookie without a row.  Returns false when sub, tid
 * or role is neither a string nor null, or act does not say who acts.
 */
static bool
fill_identity(SessionIdentity *identity, const SessionProof *proof,
			  Jsonb *claims)
{
	int64		expires = session_proof_date(proof, "exp", -1);
	int64		level = session_proof_integer(proof, "lvl", 1);

	memset(identity, 0, sizeof(*identity));
	if (!read_text_claim(&identity->user_id, claims, "sub") ||
		!read_text_claim(&identity->tenant_id, claims, "tid") ||
		!read_text_claim(&identity->role, claims, "role") ||
		!read_actor_claim(&identity->actor_id, claims))
		return false;
	identity->has_id = read_uuid_claim(&identity->id, claims, "sid") ||
		read_uuid_claim(&identity->id, claims, "jti");
	identity->of_issuer = proof->of_issuer;
	identity->scopes = scopes_claim(claims);
	read_confirmation(&identity->bound, claims);
	/* Without a user, nothing was authenticated, as in a row. */
	identity->authenticated_at = SESSION_NO_TIME;
	if (identity->user_id != NULL)
	{
		identity->auth_level = (int32) Max(0, Min(INT_MAX, level));
		identity->amr = methods_claim(claims);
		identity->authenticated_at = authenticated_claim(proof);
	}
	identity->issued_at = session_proof_issued(proof);
	identity->expires_at = expires < 0 ? DT_NOEND :
		session_proof_time(expires +
						   (proof->imported ? SESSION_PROOF_LEEWAY : 0));
	identity->check_at = identity->expires_at;
	session_identity_store_claims(identity, claims);
	return true;
}

/* Opens a cookie that is a session by itself, and fills its identity. */
SessionStatus
session_cookie_identify(const char *value, size_t len, const char *purpose,
						bool foreign, SessionIdentity *identity,
						bool *has_identity)
{
	SessionProof proof = {0};
	SessionDenylistKey key;
	SessionEndStamp stamp;
	SessionStatus status = open_cookie(&proof, value, len, purpose, &key,
									   &stamp);
	Jsonb	   *claims;

	if (status == SESSION_MALFORMED || status == SESSION_UNKNOWN)
		return status;
	if ((foreign && !proof.imported) ||
		(proof.codec != &session_codec_jwt &&
		 proof.codec != &session_codec_jwe))
		return SESSION_UNKNOWN;
	if (status != SESSION_ACTIVE)
		return status;
	claims = session_proof_claims(&proof);
	if (claims == NULL)
		return SESSION_UNKNOWN;
	*has_identity = fill_identity(identity, &proof, claims);
	identity->proof = session_denylist_key_text(&key);
	identity->stamp = stamp;
	return SESSION_ACTIVE;
}

/* Writes an event about a cookie that was denied. */
static void
note_denied(const SessionProof *proof)
{
	SessionIdentity identity = {0};
	Jsonb	   *claims = NULL;

	if (!is_bare_id(proof))
		claims = session_proof_claims(proof);
	if (claims != NULL)
		(void) fill_identity(&identity, proof, claims);
	session_event_denied(identity.has_id ? &identity.id : NULL,
						 identity.user_id, identity.tenant_id);
}

/* Denies a cookie that is valid now until it expires. */
bool
session_cookie_deny(const char *value, size_t len, const char *purpose)
{
	SessionProof proof = {0};
	SessionDenylistKey key;
	int64		expires;

	/*
	 * The denylist is not asked: an entry of another cookie with this jti may
	 * end before this cookie expires.
	 */
	if (open_undenied(&proof, value, len, purpose) != SESSION_ACTIVE)
		return false;
	key = denylist_key_of_cookie(&proof, purpose);
	expires = session_proof_date(&proof, "exp", -1);
	if (!session_denylist_add(&key, expires < 0 ? DT_NOEND :
							  session_proof_time(expires +
												 SESSION_PROOF_LEEWAY)))
		return false;
	note_denied(&proof);
	return true;
}
