/*
 * codec_express.c
 *	  "s:" value "." base64(HMAC-SHA-256 over the value), as express-session
 *	  signs the id of a session (the package cookie-signature).
 *
 * Rules:
 * - Only imported keys read it, and they are used directly.  None is written.
 * - The value may arrive as it is in the cookie, with percent-encoding, or as
 *	 frameworks decode it.
 * - The MAC has no padding, and is in the only form that the original accepts.
 * - The payload is an object with the member sid.  A value with characters
 *	 that a token cannot have, or JSON would escape, is refused.
 */
#include "postgres.h"

#include "wire/codec_common.h"
#include "wire/hex.h"

#define NAME "express"
#define MARK "s:"
#define ENCODED_MARK "s%3a"
#define MAC_CHARS SESSION_BASE64URL_CHARS(SESSION_SHA256_BYTES)

#define BEFORE "{\"sid\":\""
#define BEHIND "\"}"

/* Returns the length of the mark at the beginning of a value, or zero. */
static size_t
mark_chars(const char *value, size_t len)
{
	if (len >= strlen(MARK) && memcmp(value, MARK, strlen(MARK)) == 0)
		return strlen(MARK);
	if (len >= strlen(ENCODED_MARK) &&
		pg_strncasecmp(value, ENCODED_MARK, strlen(ENCODED_MARK)) == 0 &&
		value[0] == 's')
		return strlen(ENCODED_MARK);
	return 0;
}

/* Returns whether a value has the mark of this encoding. */
bool
session_codec_is_express(const char *value, size_t len)
{
	return mark_chars(value, len) > 0;
}

/*
 * Copies the value behind the mark, without percent-encoding if the mark had
 * it.  Returns the number of characters, zero if one is not allowed.
 */
static size_t
copy_value(char *out, const char *value, size_t len)
{
	size_t		mark = mark_chars(value, len);
	bool		encoded = mark == strlen(ENCODED_MARK);
	const char *end = value + len;
	char	   *to = out;

	for (const char *from = value + mark; from < end; from++)
	{
		int			c = (unsigned char) *from;

		if (encoded && c == '%')
		{
			int			high = end - from > 2 ? session_hex_digit(from[1]) : -1;
			int			low = high < 0 ? -1 : session_hex_digit(from[2]);

			if (low < 0)
				return 0;
			c = high << 4 | low;
			from += 2;
		}
		if (c <= ' ' || c > '~' || c == '"' || c == '\\')
			return 0;
		*to++ = (char) c;
	}
	return to - out;
}

/* Writes the MAC of a value in base64. */
static bool
put_mac(char out[MAC_CHARS], const char *value, size_t len,
		const char *purpose, const SessionCodecKey *key)
{
	uint8		mac[SESSION_SHA256_BYTES];

	if (!session_codec_mac(mac, value, len, NAME, purpose, key))
		return false;
	session_base64url_encode(out, mac, sizeof(mac));
	session_crypto_wipe(mac, sizeof(mac));
	for (size_t i = 0; i < MAC_CHARS; i++)
		if (out[i] == '-')
			out[i] = '+';
		else if (out[i] == '_')
			out[i] = '/';
	return true;
}

/*
 * The value is copied into the output, and its MAC is as long as more than
 * what the object has around it.
 */
static bool
express_decode(char *out, size_t *out_len, const char *value, size_t len,
			   const char *purpose, const SessionCodecKey *key)
{
	char		mac[MAC_CHARS];
	size_t		chars;
	size_t		sid;
	bool		ok;

	StaticAssertStmt(sizeof(BEFORE) + sizeof(BEHIND) < MAC_CHARS,
					 "the object must fit where the value was");
	if (!key->imported || len > SESSION_CODEC_CHARS ||
		mark_chars(value, len) == 0)
		return false;
	chars = copy_value(out, value, len);
	if (chars < MAC_CHARS + 2 || out[chars - MAC_CHARS - 1] != '.')
		return false;
	sid = chars - MAC_CHARS - 1;
	ok = put_mac(mac, out, sid, purpose, key) &&
		session_crypto_equal(mac, out + sid + 1, MAC_CHARS);
	session_crypto_wipe(mac, sizeof(mac));
	memmove(out + strlen(BEFORE), out, sid);
	memcpy(out, BEFORE, strlen(BEFORE));
	memcpy(out + strlen(BEFORE) + sid, BEHIND, strlen(BEHIND));
	*out_len = strlen(BEFORE) + sid + strlen(BEHIND);
	return ok;
}

const SessionCodec session_codec_express = {
	.name = NAME,
	.decode = express_decode,
};
