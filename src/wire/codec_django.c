/*
 * codec_django.c
 *	  ["."] base64url(payload) ":" time ":" base64url(HMAC-SHA-256 over what
 *	  is before it), as django.core.signing.dumps of Django 3.1 and later.
 *
 * Rules:
 * - Only imported keys read it: the secret is Django's SECRET_KEY.  The MAC
 *	 has a key of the salt and the secret, and the purpose is the salt.  None
 *	 is written.
 * - A dot at the beginning means that the payload is compressed.  It is
 *	 decompressed after the MAC was checked, to a limited size.
 * - The payload is an object.  It gets the time at which Django signed it as
 *	 its member iat: the format has no exp, and Django compares the time with
 *	 an age that only the reader knows.
 */
#include "postgres.h"

#include "wire/codec_common.h"
#include "wire/inflate.h"

#define NAME "django"
#define SIGNER "signer"

/* Most digits of a time: more than a time needs for millions of years. */
#define TIME_DIGITS 8

/* Most characters of the member iat, with the brace before it. */
#define IAT_CHARS 32

/* The parts of a value. */
typedef struct SignedParts
{
	bool		compressed;
	SessionPart payload;		/* without the dot */
	int64		time;
	size_t		covered;		/* characters that the MAC covers */
	uint8		mac[SESSION_SHA256_BYTES];
} SignedParts;

/* Returns the place of the last colon; NULL when there is none. */
static const char *
last_colon(const char *value, size_t len)
{
	for (const char *at = value + len; at > value; at--)
		if (at[-1] == ':')
			return at - 1;
	return NULL;
}

/* Reads a number in base 62: 0 to 9, A to Z, a to z. */
static bool
read_time(int64 *time, const char *digits, size_t len)
{
	*time = 0;
	for (size_t i = 0; i < len; i++)
	{
		char		c = digits[i];
		int			digit;

		if (c >= '0' && c <= '9')
			digit = c - '0';
		else if (c >= 'A' && c <= 'Z')
			digit = c - 'A' + 10;
		else if (c >= 'a' && c <= 'z')
			digit = c - 'a' + 36;
		else
			return false;
		*time = *time * 62 + digit;
	}
	return len > 0;
}

/* Finds the parts of a value; false when it is not of the format. */
static bool
read_parts(SignedParts *parts, const char *value, size_t len)
{
	const char *mac = last_colon(value, len);
	const char *time;
	SessionPart encoded;

	if (len > SESSION_CODEC_CHARS || mac == NULL)
		return false;
	time = last_colon(value, mac - value);
	if (time == NULL || mac - time - 1 > TIME_DIGITS)
		return false;
	parts->covered = mac - value;
	parts->compressed = value[0] == '.';
	parts->payload.chars = value + (parts->compressed ? 1 : 0);
	parts->payload.len = time - parts->payload.chars;
	encoded.chars = mac + 1;
	encoded.len = value + len - encoded.chars;
	return time >= parts->payload.chars &&
		read_time(&parts->time, time + 1, mac - time - 1) &&
		session_codec_get(parts->mac, sizeof(parts->mac), encoded);
}

/* Derives the key of the MAC, as salted_hmac does. */
static bool
derive_salted(uint8 out[SESSION_SHA256_BYTES], const char *purpose,
			  const SessionCodecKey *key)
{
	uint8		salted[SESSION_PURPOSE_BYTES + sizeof(SIGNER) +
					   SESSION_IMPORT_BYTES];
	size_t		len = strlen(purpose);
	bool		ok;

	if (!session_codec_key_usable(key, purpose) ||
		key->secret_len > SESSION_IMPORT_BYTES)
		return false;
	memcpy(salted, purpose, len);
	memcpy(salted + len, SIGNER, strlen(SIGNER));
	len += strlen(SIGNER);
	memcpy(salted + len, key->secret, key->secret_len);
	ok = session_crypto_sha256(out, salted, len + key->secret_len);
	session_crypto_wipe(salted, sizeof(salted));
	return ok;
}

/* Returns whether the MAC of the parts is right. */
static bool
is_signed(const SignedParts *parts, const char *value, const char *purpose,
		  const SessionCodecKey *key)
{
	uint8		derived[SESSION_SHA256_BYTES];
	uint8		expected[SESSION_SHA256_BYTES];
	bool		ok;

	ok = derive_salted(derived, purpose, key) &&
		session_crypto_hmac_sha256(expected, value, parts->covered, derived,
								   sizeof(derived)) &&
		session_crypto_equal(expected, parts->mac, sizeof(expected));
	session_crypto_wipe(derived, sizeof(derived));
	session_crypto_wipe(expected, sizeof(expected));
	return ok;
}

/*
 * Writes the payload of proven parts.  A compressed one is decoded behind the
 * room for what it stands for.
 */
static bool
unpack_payload(char *out, size_t *out_len, const SignedParts *parts)
{
	uint8	   *to = (uint8 *) out;

	*out_len = SESSION_BASE64URL_BYTES(parts->payload.len);
	if (parts->compressed)
		to += SESSION_CODEC_CHARS;
	if (!session_base64url_decode(to, parts->payload.chars, parts->payload.len))
		return false;
	return !parts->compressed ||
		session_inflate_all((uint8 *) out, out_len,
							SESSION_CODEC_CHARS - IAT_CHARS, to, *out_len);
}

/* Adds the member iat to the text of an object; false for any other. */
static bool
add_time(char *out, size_t *out_len, int64 time)
{
	char		iat[IAT_CHARS];
	size_t		chars;

	if (*out_len < strlen("{}") || out[0] != '{')
		return false;
	chars = snprintf(iat, sizeof(iat), "{\"iat\":" INT64_FORMAT "%s", time,
					 *out_len == strlen("{}") ? "" : ",");
	memmove(out + chars, out + 1, *out_len - 1);
	memcpy(out, iat, chars);
	*out_len += chars - 1;
	return true;
}

/* Returns the most bytes that a value is decoded to. */
static size_t
django_room(const char *value, size_t len)
{
	return len > 0 && value[0] == '.' ? SESSION_CODEC_CHARS + len : len;
}

/*
 * Without compression, the time and the MAC have more characters than the
 * member iat.
 */
static bool
django_decode(char *out, size_t *out_len, const char *value, size_t len,
			  const char *purpose, const SessionCodecKey *key)
{
	SignedParts parts;

	StaticAssertStmt(IAT_CHARS < SESSION_BASE64URL_CHARS(SESSION_SHA256_BYTES),
					 "the member iat must fit where the MAC was");
	return key->imported &&
		read_parts(&parts, value, len) &&
		is_signed(&parts, value, purpose, key) &&
		unpack_payload(out, out_len, &parts) &&
		add_time(out, out_len, parts.time);
}

const SessionCodec session_codec_django = {
	.name = NAME,
	.room = django_room,
	.decode = django_decode,
};
