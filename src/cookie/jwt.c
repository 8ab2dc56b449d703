/*
 * jwt.c
 *	  JWTs about a session, for other services to verify.
 *
 * Rules:
 * - Keys come from the ring "jwt", never from the ring of the sessions'
 *	 cookies.
 * - A JWT does not outlive the session token it was made for.
 * - What the claims function adds yields to the call's own claims, and both
 *	 to what is set here.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "cookie/jwt.h"
#include "cookie/proof.h"
#include "engine/claims.h"
#include "engine/lifecycle.h"
#include "model/identity.h"
#include "model/json.h"
#include "wire/base64url.h"

/* The ring of the keys and the purpose of the tokens. */
#define JWT_RING "jwt"

/*
 * Returns the claims with the key that a session is bound to with DPoP, in the
 * form that resource servers expect (RFC 9449 section 6.1).
 */
static Jsonb *
with_confirmation(Jsonb *claims, const SessionBound *bound)
{
	char		jkt[SESSION_BASE64URL_CHARS(SESSION_SHA256_BYTES)];
	char	   *json;

	if (bound->by != SESSION_BOUND_DPOP)
		return claims;
	session_base64url_encode(jkt, bound->thumbprint,
							 sizeof(bound->thumbprint));
	json = psprintf("{\"cnf\": {\"jkt\": \"%.*s\"}}", (int) sizeof(jkt), jkt);
	return session_json_merged(claims, session_json_parse_local(json));
}

/*
 * Errors if the application asks for other scopes than the session has.  For a
 * session that may do everything, it chooses them.
 */
static void
check_scope(const Jsonb *claims, const SessionRow *row)
{
	JsonbValue	scratch;

	if (row->scopes != NULL &&
		session_json_find(claims, "scope", &scratch) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("claims must not have the claim \"scope\""),
				 errdetail("The session has scopes itself.")));
}

/* Mints a JWT for a live session; NULL when the token is not valid for one. */
text *
session_jwt_mint(const SessionToken *token, const SessionPossession *proven,
				 int64 ttl, Jsonb *claims, text *audience)
{
	TimestampTz now = GetCurrentTimestamp();	/* before the row is read */
	SessionCodecKey key;
	SessionIdentity identity;
	SessionRow	row;
	Jsonb	   *added;
	SessionStamp stamp;

	if (!session_lifecycle_reread(token, proven, true, &row))
		return NULL;
	check_scope(claims, &row);
	added = session_claims_added(&row);
	if (added != NULL)
		claims = session_json_merged(session_claims_without_reserved(added),
									 claims);
	stamp.issued = session_proof_seconds(session_proof_creation(&row.rules,
																now));
	session_identity_of_row(&identity, &row);
	stamp.expires = Min(session_proof_seconds(identity.expires_at),
						stamp.issued + ttl);
	claims = with_confirmation(session_identity_write_claims(claims, &identity),
							   &row.bound);
	if (audience != NULL)
		claims = session_json_with_text(claims, "aud", audience);
	/* Fetch the signer last: the claims function may reload the ring. */
	key = session_proof_signer(JWT_RING, &session_codec_jwt, false);
	return session_proof_encode(claims, &stamp, &session_codec_jwt, JWT_RING,
								&key);
}
