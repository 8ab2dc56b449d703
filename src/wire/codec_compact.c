/*
 * codec_compact.c
 *	  base64url(payload) "." base64url(HMAC-SHA-256 over the first part).
 *
 * The format is that of bete7512/goauth, whose imported keys are used
 * directly.  A value names no key.  The MAC is checked before the payload is
 * read.
 */
#include "postgres.h"

#include "wire/codec_common.h"

#define NAME "compact"
#define MAC_BYTES SESSION_SHA256_BYTES

static size_t
compact_bound(size_t payload_len, const SessionCodecKey *key)
{
	return SESSION_BASE64URL_CHARS(payload_len) + 1 +
		SESSION_BASE64URL_CHARS(MAC_BYTES);
}

static bool
compact_encode(char *out, size_t *out_len, const char *payload, size_t payload_len,
			   const char *purpose, const SessionCodecKey *key)
{
	uint8		mac[MAC_BYTES];
	char	   *end;

	if (!session_codec_fits(&session_codec_compact, payload_len, key))
		return false;
	end = session_codec_put(out, payload, payload_len);
	if (!session_codec_mac(mac, out, end - out, NAME, purpose, key))
		return false;
	*end++ = '.';
	end = session_codec_put(end, mac, sizeof(mac));
	*out_len = end - out;
	return true;
}

static bool
compact_decode(char *out, size_t *out_len, const char *value, size_t len,
			   const char *purpose, const SessionCodecKey *key)
{
	SessionPart parts[2];
	uint8		mac[MAC_BYTES];
	uint8		expected[MAC_BYTES];
	bool		ok;

	ok = session_codec_split(parts, lengthof(parts), value, len) &&
		session_codec_get(mac, sizeof(mac), parts[1]) &&
		session_codec_mac(expected, parts[0].chars, parts[0].len, NAME,
						  purpose, key) &&
		session_crypto_equal(mac, expected, sizeof(mac)) &&
		session_base64url_decode((uint8 *) out, parts[0].chars, parts[0].len);
	session_crypto_wipe(expected, sizeof(expected));
	if (ok)
		*out_len = SESSION_BASE64URL_BYTES(parts[0].len);
	return ok;
}

const SessionCodec session_codec_compact = {
	.name = NAME,
	.bound = compact_bound,
	.encode = compact_encode,
	.decode = compact_decode,
};
