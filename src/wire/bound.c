/*
 * bound.c
 *	  What the server gives to a client whose session is bound to a key: the
 *	  bound cookie, challenges, and the value that goes with the first of them.
 *
 * Rules:
 * - Each is proven with a key of its own, which is derived for its name and
 *	 the realm.
 * - MACs are compared in constant time.
 * - What is proven of a cookie fits, with the padding, into one block of the
 *	 hash.
 */
#include "postgres.h"

#include "wire/bound.h"
#include "wire/codec_common.h"

#define PREFIX "sb_"
#define PREFIX_CHARS 3
#define COOKIE_BYTES sizeof(SessionBoundCookie)

StaticAssertDecl(SESSION_BOUND_CHARS ==
				 PREFIX_CHARS + SESSION_BASE64URL_CHARS(COOKIE_BYTES),
				 "a cookie has as many characters as its bytes need");
StaticAssertDecl(offsetof(SessionBoundCookie, mac) <= 64 - 9,
				 "what is proven fits into one block");

/* The names of what is proven. */
#define COOKIE "bound-cookie"
#define CHALLENGE "bound-challenge"
#define AUTHORIZATION "bound-authorization"

/* Reads a bound cookie; false for any other text. */
bool
session_bound_parse(SessionBoundCookie *cookie, const char *chars, size_t len)
{
	return len == SESSION_BOUND_CHARS &&
		memcmp(chars, PREFIX, PREFIX_CHARS) == 0 &&
		session_base64url_decode((uint8 *) cookie, chars + PREFIX_CHARS,
								 len - PREFIX_CHARS);
}

/* Writes a bound cookie. */
void
session_bound_format(char *out, const SessionBoundCookie *cookie)
{
	memcpy(out, PREFIX, PREFIX_CHARS);
	session_base64url_encode(out + PREFIX_CHARS, (const uint8 *) cookie,
							 COOKIE_BYTES);
}

/* Returns the expiry of a cookie, in seconds since 1970. */
int64
session_bound_expires(const SessionBoundCookie *cookie)
{
	int64		seconds = 0;

	for (size_t i = 0; i < sizeof(cookie->expires); i++)
		seconds = seconds << 8 | cookie->expires[i];
	return seconds;
}

/* Sets the expiry of a cookie, in seconds since 1970. */
void
session_bound_set_expires(SessionBoundCookie *cookie, int64 seconds)
{
	uint32		value = (uint32) Max(0, Min(seconds, PG_UINT32_MAX));

	for (int i = sizeof(cookie->expires) - 1; i >= 0; i--)
	{
		cookie->expires[i] = (uint8) value;
		value >>= 8;
	}
}

/* Computes the MAC of a cookie. */
static bool
cookie_mac(uint8 mac[SESSION_SHA256_BYTES], const SessionBoundCookie *cookie,
		   const char *realm, const SessionCodecKey *key)
{
	return session_codec_mac(mac, (const char *) cookie,
							 offsetof(SessionBoundCookie, mac), COOKIE, realm,
							 key);
}

/* Sets the MAC of a cookie. */
bool
session_bound_sign(SessionBoundCookie *cookie, const char *realm,
				   const SessionCodecKey *key)
{
	return cookie_mac(cookie->mac, cookie, realm, key);
}

/* Returns whether the MAC of a cookie is right. */
bool
session_bound_verify(const SessionBoundCookie *cookie, const char *realm,
					 const SessionCodecKey *key)
{
	uint8		expected[SESSION_SHA256_BYTES];
	bool		same;

	same = cookie_mac(expected, cookie, realm, key) &&
		session_crypto_equal(expected, cookie->mac, sizeof(expected));
	session_crypto_wipe(expected, sizeof(expected));
	return same;
}

/* What is proven of a challenge. */
typedef struct ChallengeText
{
	uint8		made[8];		/* big-endian */
	uint8		id[SESSION_ID_BYTES];
	uint8		use;
} ChallengeText;

/* Computes the MAC of a challenge. */
static bool
challenge_mac(uint8 mac[SESSION_SHA256_BYTES],
			  const uint8 made[8], const uint8 id[SESSION_ID_BYTES],
			  SessionChallengeUse use, const char *realm,
			  const SessionCodecKey *key)
{
	ChallengeText text;

	memcpy(text.made, made, sizeof(text.made));
	memcpy(text.id, id, sizeof(text.id));
	text.		use = (uint8) use;

	return session_codec_mac(mac, (const char *) &text, sizeof(text),
							 CHALLENGE, realm, key);
}

/* Writes a challenge. */
bool
session_bound_challenge(char out[SESSION_CHALLENGE_CHARS], int64 made,
						const uint8 id[SESSION_ID_BYTES],
						SessionChallengeUse use, const char *realm,
						const SessionCodecKey *key)
{
	uint8		bytes[SESSION_CHALLENGE_BYTES];
	uint64		rest = (uint64) made;

	for (int i = 7; i >= 0; i--)
	{
		bytes[i] = (uint8) rest;
		rest >>= 8;
	}
	if (!challenge_mac(bytes + 8, bytes, id, use, realm, key))
		return false;
	session_base64url_encode(out, bytes, sizeof(bytes));
	return true;
}

/* Reads the time of a challenge that was made with this key. */
bool
session_bound_read_challenge(int64 *made, const char *chars, size_t len,
							 const uint8 id[SESSION_ID_BYTES],
							 SessionChallengeUse use, const char *realm,
							 const SessionCodecKey *key)
{
	uint8		bytes[SESSION_CHALLENGE_BYTES];
	uint8		expected[SESSION_SHA256_BYTES];
	uint64		time = 0;
	bool		same;

	same = len == SESSION_CHALLENGE_CHARS &&
		session_base64url_decode(bytes, chars, len) &&
		challenge_mac(expected, bytes, id, use, realm, key) &&
		session_crypto_equal(expected, bytes + 8, sizeof(expected));
	session_crypto_wipe(expected, sizeof(expected));
	if (!same)
		return false;
	for (int i = 0; i < 8; i++)
		time = time << 8 | bytes[i];
	*made = (int64) time;
	return true;
}

/* Writes the value that ties a challenge to the token of its session. */
bool
session_bound_authorization(char out[SESSION_AUTHORIZATION_CHARS],
							const uint8 id[SESSION_ID_BYTES],
							const uint8 token_hash[SESSION_SHA256_BYTES],
							const char *realm, const SessionCodecKey *key)
{
	uint8 text[ SESSION_ID_BYTES + SESSION_SHA256_BYTES];
	uint8		mac[SESSION_SHA256_BYTES];
	bool		made;

	memcpy(text, id, SESSION_ID_BYTES);
	memcpy(text +SESSION_ID_BYTES, token_hash, SESSION_SHA256_BYTES);
	made = session_codec_mac(mac, (const char *) text, sizeof(text),
							 AUTHORIZATION, realm, key);
	if (made)
		session_base64url_encode(out, mac, sizeof(mac));
	session_crypto_wipe(mac, sizeof(mac));
	return made;
}
