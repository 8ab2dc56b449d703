/*
 * codec_jwt.c
 *	  JWS compact serialization with HS256 (RFC 7515, RFC 7519).
 *
 * Rules:
 * - The algorithm comes from the key, so it is HS256.  A header that names
 *	 another algorithm is rejected.
 * - The header names this key, and says that the value is a JWT.  Only with an
 *	 imported key may it leave these out.
 * - Other members of the header are ignored, except those that change the
 *	 meaning of the rest.
 * - The MAC is checked before the payload is read.
 */
#include "postgres.h"

#include "wire/codec_common.h"

#define NAME "jwt"
#define MAC_BYTES SESSION_SHA256_BYTES

#define HEADER "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"
#define HEADER_WITH_KID "{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"%s\"}"
#define HEADER_BYTES (sizeof(HEADER_WITH_KID) + SESSION_KID_CHARS)

static size_t
jwt_bound(size_t payload_len)
{
	return SESSION_BASE64URL_CHARS(HEADER_BYTES) + 1 +
		SESSION_BASE64URL_CHARS(payload_len) + 1 +
		SESSION_BASE64URL_CHARS(MAC_BYTES);
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
		return session_codec_put(out, HEADER, strlen(HEADER));
	if (!session_codec_kid_valid(key->kid))
		return NULL;
	len = snprintf(header, sizeof(header), HEADER_WITH_KID, key->kid);
	return session_codec_put(out, header, len);
}

static bool
jwt_encode(char *out, size_t *out_len, const char *payload, size_t payload_len,
		   const char *purpose, const SessionCodecKey *key)
{
	uint8		mac[MAC_BYTES];
	char	   *end;

	if (!session_codec_fits(&session_codec_jwt, payload_len))
		return false;
	end = put_jwt_header(out, key);
	if (end == NULL)
		return false;
	*end++ = '.';
	end = session_codec_put(end, payload, payload_len);
	if (!session_codec_mac(mac, out, end - out, NAME, purpose, key))
		return false;
	*end++ = '.';
	end = session_codec_put(end, mac, sizeof(mac));
	*out_len = end - out;
	return true;
}

/*
 * Returns whether the header allows the value to be a JWT.  With an imported
 * key typ may be missing; it is a media type, so its case does not matter and
 * "application/" may stand before it (RFC 7515 section 4.1.9).
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
	return pg_strcasecmp(type, "JWT") == 0;
}

/* Returns whether the header agrees with the key. */
static bool
check_header(SessionPart part, const SessionCodecKey *key)
{
	SessionHeader header;
	bool		ok;

	if (!session_codec_header(&header, part))
		return false;
	ok = session_codec_header_has(&header, "alg", "HS256", false) &&
		is_jwt(&header, key) &&
		session_codec_header_has(&header, "kid", key->kid, key->imported);
	session_claims_free(header.members, header.count);
	return ok;
}

static bool
jwt_names(const char *value, size_t len, const char *purpose,
		  const SessionCodecKey *key)
{
	SessionPart parts[3];

	return session_codec_split(parts, lengthof(parts), value, len) &&
		check_header(parts[0], key);
}

static bool
jwt_decode(char *out, size_t *out_len, const char *value, size_t len,
		   const char *purpose, const SessionCodecKey *key)
{
	SessionPart parts[3];
	uint8		mac[MAC_BYTES];
	uint8		expected[MAC_BYTES];
	bool		ok;

	ok = session_codec_split(parts, lengthof(parts), value, len) &&
		session_codec_get(mac, sizeof(mac), parts[2]) &&
		check_header(parts[0], key) &&
		session_codec_mac(expected, value, parts[2].chars - 1 - value, NAME,
						  purpose, key) &&
		session_crypto_equal(mac, expected, sizeof(mac)) &&
		session_base64url_decode((uint8 *) out, parts[1].chars, parts[1].len);
	session_crypto_wipe(expected, sizeof(expected));
	if (ok)
		*out_len = SESSION_BASE64URL_BYTES(parts[1].len);
	return ok;
}

const SessionCodec session_codec_jwt = {
	.name = NAME,
	.bound = jwt_bound,
	.encode = jwt_encode,
	.names = jwt_names,
	.decode = jwt_decode,
};
