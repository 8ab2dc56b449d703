/*
 * possession.c
 *	  Proofs that a client has a private key: JWTs that it signs for one
 *	  request (RFC 7515, RFC 9449 section 4).
 *
 * Rules:
 * - The header is not proven, so its algorithm and its key only say what the
 *	 proof is to be verified with.  The caller decides which it accepts.
 * - A header that changes the meaning of the rest (crit, b64, zip) makes the
 *	 proof invalid.
 */
#include "postgres.h"

#include "wire/codec_common.h"
#include "wire/jwk.h"
#include "wire/possession.h"

/* The name of EdDSA with this curve, and no other (RFC 9864 section 2.2). */
#define ED25519 "Ed25519"

/* Reads the algorithm of a header; false unless it has public keys. */
static bool
read_proof_algorithm(SessionPossessionProof *proof, const SessionHeader *header)
{
	const SessionMember *alg = session_claims_find(header->members,
												   header->count, "alg");

	if (alg == NULL || alg->kind != SESSION_JSON_STRING)
		return false;
	proof->algorithm = strcmp(alg->string, ED25519) == 0 ?
		&session_algorithm_eddsa :
		session_algorithm_find(alg->string, strlen(alg->string));
	return proof->algorithm != NULL && !proof->algorithm->symmetric;
}

/* Reads the key of a header, if it has one; false for one that is not good. */
static bool
read_proof_key(SessionPossessionProof *proof, const SessionHeader *header)
{
	const SessionMember *jwk = session_claims_find(header->members,
												   header->count, "jwk");
	SessionJwk	key;

	proof->has_key = jwk != NULL;
	if (jwk == NULL)
		return true;
	if (jwk->kind != SESSION_JSON_OTHER ||
		session_jwk_read(&key, jwk->json, jwk->json_len) != SESSION_JWK_OK)
		return false;
	proof->key = key.parts;
	return key.parts.algorithm == proof->algorithm;
}

/* Reads the header of a proof of a type. */
static bool
read_proof_header(SessionPossessionProof *proof, SessionPart part, const char *typ)
{
	SessionHeader *header = palloc(sizeof(SessionHeader));
	bool		good;

	if (!session_codec_header(header, part))
	{
		pfree(header);
		return false;
	}
	good = session_codec_header_has(header, "typ", typ, false) &&
		read_proof_algorithm(proof, header) && read_proof_key(proof, header);
	session_claims_free(header->members, header->count);
	pfree(header);
	return good;
}

/* Reads the payload of a proof, which is a JSON object. */
static bool
read_payload(SessionPossessionProof *proof, SessionPart part)
{
	size_t		len = SESSION_BASE64URL_BYTES(part.len);
	uint8	   *json = palloc(len + 1);
	bool		good;

	good = session_base64url_decode(json, part.chars, part.len) &&
		session_claims_read(proof->members, &proof->count,
							(const char *) json, len);
	pfree(json);
	return good;
}

/* Reads the signature, of any length that one can have. */
static bool
read_signature(SessionPossessionProof *proof, SessionPart part)
{
	proof->signature_len = SESSION_BASE64URL_BYTES(part.len);
	return proof->signature_len <= sizeof(proof->signature) &&
		session_base64url_decode(proof->signature, part.chars, part.len);
}

/* Reads a proof of a type; false for any other text. */
bool
session_possession_read(SessionPossessionProof *proof, const char *chars,
						size_t len, const char *typ)
{
	SessionPart parts[3];

	if (len > SESSION_POSSESSION_CHARS ||
		!session_codec_split(parts, lengthof(parts), chars, len) ||
		!read_signature(proof, parts[2]) ||
		!read_proof_header(proof, parts[0], typ) ||
		!read_payload(proof, parts[1]))
		return false;
	proof->signed_chars = chars;
	proof->signed_len = parts[2].chars - 1 - chars;
	return true;
}

/* Frees the members of a proof. */
void
session_possession_free(SessionPossessionProof *proof)
{
	session_claims_free(proof->members, proof->count);
	proof->count = 0;
}

/* Returns whether a proof was signed with the private half of a key. */
bool
session_possession_verify(const SessionPossessionProof *proof,
						  const SessionPublicParts *key)
{
	return proof->algorithm == key->algorithm &&
		session_signature_verify_once(proof->signature, proof->signature_len,
									  proof->signed_chars, proof->signed_len,
									  key);
}

/* Returns a member of the payload that is a string; NULL for any other. */
const char *
session_possession_string(const SessionPossessionProof *proof,
						  const char *name)
{
	const SessionMember *member = session_claims_find(proof->members,
													  proof->count, name);

	return member == NULL || member->kind != SESSION_JSON_STRING ? NULL :
		member->string;
}
