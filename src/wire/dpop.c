/*
 * dpop.c
 *	  What a proof of DPoP says, and whether it is for a request (RFC 9449
 *	  section 4).
 */
#include "postgres.h"

#include "wire/dpop.h"
#include "wire/uri.h"

/* Returns whether a text can identify a proof. */
static bool
is_jti(const char *jti)
{
	size_t		len = 0;

	if (jti == NULL)
		return false;
	for (; jti[len] != '\0'; len++)
		if (jti[len] < ' ' || jti[len] > '~' || len == SESSION_DPOP_JTI_CHARS)
			return false;
	return len > 0;
}

/* Reads a claim that is text or missing; returns false for any other. */
static bool
read_optional(const char **value, const SessionPossessionProof *proof,
			  const char *name)
{
	*value = session_possession_string(proof, name);
	return *value != NULL ||
		session_claims_find(proof->members, proof->count, name) == NULL;
}

/* Reads the time of a proof, which may have a fraction. */
static bool
read_iat(int64 *iat, const SessionPossessionProof *proof)
{
	const SessionMember *member = session_claims_find(proof->members,
													  proof->count, "iat");

	if (member == NULL || (member->kind != SESSION_JSON_INTEGER &&
						   member->kind != SESSION_JSON_DECIMAL))
		return false;
	*iat = member->integer;
	return *iat >= 0 && *iat <= PG_UINT32_MAX;
}

/* Reads the claims of a proof. */
bool
session_dpop_claims_read(SessionDpopClaims *claims,
						 const SessionPossessionProof *proof)
{
	claims->jti = session_possession_string(proof, "jti");
	claims->htm = session_possession_string(proof, "htm");
	claims->htu = session_possession_string(proof, "htu");
	return proof->has_key && is_jti(claims->jti) && claims->htm != NULL &&
		claims->htu != NULL && read_iat(&claims->iat, proof) &&
		read_optional(&claims->ath, proof, "ath") &&
		read_optional(&claims->nonce, proof, "nonce");
}

/* Returns whether a proof has the hash of a request's token. */
static bool
is_for_token(const SessionDpopClaims *claims, const SessionDpopRequest *request)
{
	uint8		hash[SESSION_SHA256_BYTES];
	char		chars[SESSION_BASE64URL_CHARS(SESSION_SHA256_BYTES)];

	if (claims->ath == NULL)
		return request->token == NULL || request->may_lack_hash;
	if (request->token == NULL ||
		!session_crypto_sha256(hash, request->token, request->token_len))
		return false;
	session_base64url_encode(chars, hash, sizeof(hash));
	return strlen(claims->ath) == sizeof(chars) &&
		session_crypto_equal(claims->ath, chars, sizeof(chars));
}

/* Returns whether a proof is for a request, and its time is right. */
bool
session_dpop_claims_fit(const SessionDpopClaims *claims,
						const SessionDpopRequest *request)
{
	return claims->iat <= request->now + SESSION_DPOP_AHEAD &&
		claims->iat >= request->now - request->window &&
		strlen(claims->htm) == request->method_len &&
		memcmp(claims->htm, request->method, request->method_len) == 0 &&
		session_uri_same(claims->htu, strlen(claims->htu), request->url,
						 request->url_len) &&
		is_for_token(claims, request);
}
