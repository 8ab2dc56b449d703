/*
 * codec_jwt.c
 *	  JWS compact serialization (RFC 7515, RFC 7519) with HS256, ES256, EdDSA
 *	  and RS256.
 *
 * Rules:
 * - The algorithm comes from the key.  A header that names another algorithm
 *	 is rejected.
 * - The header names this key, and says that the value is a JWT.  Only with an
 *	 imported key may it leave these out.
 * - Other members of the header are ignored, except those that change the
 *	 meaning of the rest.
 * - The MAC or the signature is checked before the payload is read.
 * - A signature does not depend on the purpose: a key for signatures must be
 *	 used for one purpose only.
 */
#include "postgres.h"

#include "wire/codec_common.h"

#define NAME "jwt"
#define MAC_BYTES SESSION_SHA256_BYTES

#define HEADER "{\"alg\":\"%s\",\"typ\":\"JWT\"}"
#define HEADER_WITH_KID "{\"alg\":\"%s\",\"typ\":\"JWT\",\"kid\":\"%s\"}"
#define ALGORITHM_CHARS 5
#define HEADER_BYTES \
	(sizeof(HEADER_WITH_KID) + ALGORITHM_CHARS + SESSION_KID_CHARS)

/* Returns the name of the algorithm of a key. */
static const char *
algorithm_name(const SessionCodecKey *key)
{
	return key->signature == NULL ? session_algorithm_hs256.name :
		session_signature_algorithm(key->signature)->name;
}

static size_t
jwt_bound(size_t payload_len, const SessionCodecKey *key)
{
	size_t		proof_len = key->signature == NULL ? MAC_BYTES :
	SESSION_SIGNATURE_BYTES;

	return SESSION_BASE64URL_CHARS(HEADER_BYTES) + 1 +
		SESSION_BASE64URL_CHARS(payload_len) + 1 +
		SESSION_BASE64URL_CHARS(proof_len);
}

/*
 * Writes the header.  Returns the place behind it, or NULL if the key's id
 * cannot be written.
 */
static char *
put_jwt_header(char *out, const SessionCodecKey *key)
{
	char		header[HEADER_BYTES];
	int			len;

	if (key->imported && key->kid[0] == '\0')
		len = snprintf(header, sizeof(header), HEADER, algorithm_name(key));
	else if (session_codec_kid_valid(key->kid))
		len = snprintf(header, sizeof(header), HEADER_WITH_KID,
					   algorithm_name(key), key->kid);
	else
		return NULL;
	return session_codec_put(out, header, len);
}

/* Computes the MAC or the signature of a header and a payload. */
static bool
make_proof(uint8 proof[SESSION_SIGNATURE_BYTES], size_t *proof_len,
		   const char *in, size_t len, const char *purpose,
		   const SessionCodecKey *key)
{
	if (key->signature != NULL)
		return session_signature_sign(proof, proof_len, in, len,
									  key->signature);
	*proof_len = MAC_BYTES;
	return session_codec_mac(proof, in, len, NAME, purpose, key);
}

static bool
jwt_encode(char *out, size_t *out_len, const char *payload, size_t payload_len,
		   const char *purpose, const SessionCodecKey *key)
{
	uint8		proof[SESSION_SIGNATURE_BYTES];
	size_t		proof_len;
	char	   *end;

	if (!session_codec_fits(&session_codec_jwt, payload_len, key))
		return false;
	end = put_jwt_header(out, key);
	if (end == NULL)
		return false;
	*end++ = '.';
	end = session_codec_put(end, payload, payload_len);
	if (!make_proof(proof, &proof_len, out, end - out, purpose, key))
		return false;
	*end++ = '.';
	end = session_codec_put(end, proof, proof_len);
	*out_len = end - out;
	return true;
}

/*
 * Returns whether the header allows the value to be a JWT.  With an imported
 * key typ may be missing; it is a media type, so its case does not matter and
 * "application/" may stand before it (RFC 7515 section 4.1.9).  An access
 * token of an issuer has a type of its own (RFC 9068 section 2.1).
 */
static bool
is_jwt(const SessionHeader *header, const SessionCodecKey *key)
{
	static const char prefix[] = "application/";
	const SessionMember *typ;
	const char *type;

	if (!key->imported)
		return session_codec_header_has(header, "typ", "JWT", false);
	typ = session_claims_find(header->members, header->count, "typ");
	if (typ == NULL)
		return true;
	if (typ->kind != SESSION_JSON_STRING)
		return false;
	type = typ->string;
	if (pg_strncasecmp(type, prefix, strlen(prefix)) == 0)
		type += strlen(prefix);
	return pg_strcasecmp(type, "JWT") == 0 ||
		(key->signature != NULL && pg_strcasecmp(type, "at+jwt") == 0);
}

/* Returns whether the header agrees with the key. */
static bool
check_header(SessionPart part, const SessionCodecKey *key)
{
	SessionHeader header;
	bool		ok;

	if (!session_codec_header(&header, part))
		return false;
	ok = session_codec_header_has(&header, "alg", algorithm_name(key), false) &&
		is_jwt(&header, key) &&
		session_codec_header_has(&header, "kid", key->kid, key->imported);
	session_claims_free(header.members, header.count);
	return ok;
}

/* Returns whether the MAC of a value is right. */
static bool
has_mac(SessionPart part, const char *in, size_t len, const char *purpose,
		const SessionCodecKey *key)
{
	uint8		mac[MAC_BYTES];
	uint8		expected[MAC_BYTES];
	bool		ok;

	ok = session_codec_get(mac, sizeof(mac), part) &&
		session_codec_mac(expected, in, len, NAME, purpose, key) &&
		session_crypto_equal(mac, expected, sizeof(mac));
	session_crypto_wipe(expected, sizeof(expected));
	return ok;
}

/* Returns whether the signature of a value is right. */
static bool
has_signature(SessionPart part, const char *in, size_t len,
			  const SessionCodecKey *key)
{
	uint8		signature[SESSION_SIGNATURE_BYTES];
	size_t		signature_len = SESSION_BASE64URL_BYTES(part.len);

	return signature_len <= sizeof(signature) &&
		session_codec_get(signature, signature_len, part) &&
		session_signature_verify(signature, signature_len, in, len,
								 key->signature);
}

static bool
jwt_decode(char *out, size_t *out_len, const char *value, size_t len,
		   const char *purpose, const SessionCodecKey *key)
{
	SessionPart parts[3];
	size_t		proven;			/* characters that the proof covers */

	if (!session_codec_split(parts, lengthof(parts), value, len) ||
		!check_header(parts[0], key))
		return false;
	proven = parts[2].chars - 1 - value;
	if (!(key->signature == NULL ?
		  has_mac(parts[2], value, proven, purpose, key) :
		  has_signature(parts[2], value, proven, key)) ||
		!session_base64url_decode((uint8 *) out, parts[1].chars, parts[1].len))
		return false;
	*out_len = SESSION_BASE64URL_BYTES(parts[1].len);
	return true;
}

const SessionCodec session_codec_jwt = {
	.name = NAME,
	.signatures = true,
	.bound = jwt_bound,
	.encode = jwt_encode,
	.decode = jwt_decode,
};
