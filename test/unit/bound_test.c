/*
 * bound_test.c
 *	  Bound cookies, challenges and what goes with them: known answers, and
 *	  what they are not good for.
 */
#include "postgres.h"

#include "tap.h"
#include "wire/bound.h"

static const uint8 secret[SESSION_KEY_BYTES] = "0123456789abcdef0123456789abcde";
static const uint8 other_secret[SESSION_KEY_BYTES] = "another secret with 32 bytes...";

static const SessionCodecKey key = {
	.kid = "k",.secret = secret,.secret_len = sizeof(secret)
};
static const SessionCodecKey other_key = {
	.kid = "k",.secret = other_secret,.secret_len = sizeof(other_secret)
};

static const uint8 id[SESSION_ID_BYTES] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
static const uint8 other_id[SESSION_ID_BYTES] = {1};

/* Makes a cookie of the id, with this expiry and a thumbprint of zeroes. */
static SessionBoundCookie
cookie_until(int64 seconds)
{
	SessionBoundCookie cookie = {.id = {0}};

	memcpy(cookie.id, id, sizeof(id));
	session_bound_set_expires(&cookie, seconds);
	if (!session_bound_sign(&cookie, "1", &key))
		abort();
	return cookie;
}

static void
test_cookie_text(void)
{
	SessionBoundCookie cookie = cookie_until(1700000000);
	SessionBoundCookie read;
	char		chars[SESSION_BOUND_CHARS + 1] = {0};

	session_bound_format(chars, &cookie);
	tap_ok(strncmp(chars, "sb_AQIDBAUGBwgJCgsMDQ4PEGVT8Q", 29) == 0,
		   "a bound cookie begins with its prefix, the id and the expiry");
	tap_ok(session_bound_parse(&read, chars, SESSION_BOUND_CHARS) &&
		   memcmp(&read, &cookie, sizeof(read)) == 0,
		   "a bound cookie survives a round trip");
	tap_ok(!session_bound_parse(&read, chars, SESSION_BOUND_CHARS - 1) &&
		   !session_bound_parse(&read, chars, 0),
		   "a shorter text is no bound cookie");
	chars[1] = 't';
	tap_ok(!session_bound_parse(&read, chars, SESSION_BOUND_CHARS),
		   "a text with another prefix is no bound cookie");
}

static void
test_cookie_mac(void)
{
	SessionBoundCookie cookie = cookie_until(1700000000);
	uint8	   *bytes = (uint8 *) &cookie;
	bool		refused = true;

	tap_ok(session_bound_verify(&cookie, "1", &key),
		   "a cookie is verified with the key and realm that made it");
	tap_ok(!session_bound_verify(&cookie, "2", &key),
		   "a cookie of another realm is refused");
	tap_ok(!session_bound_verify(&cookie, "1", &other_key),
		   "a cookie of another key is refused");
	for (size_t i = 0; i < sizeof(cookie) * 8; i++)
	{
		bytes[i / 8] ^= 1 << i % 8;
		refused = refused && !session_bound_verify(&cookie, "1", &key);
		bytes[i / 8] ^= 1 << i % 8;
	}
	tap_ok(refused, "a cookie with any other bit is refused");
}

static void
test_expires(void)
{
	SessionBoundCookie cookie = cookie_until(0);
	bool		same = session_bound_expires(&cookie) == 0;

	cookie = cookie_until(PG_UINT32_MAX);
	same = same && session_bound_expires(&cookie) == PG_UINT32_MAX;
	tap_ok(same, "the first and the last expiry survive a round trip");
	cookie = cookie_until((int64) PG_UINT32_MAX + 1);
	same = session_bound_expires(&cookie) == PG_UINT32_MAX;
	cookie = cookie_until(-1);
	tap_ok(same && session_bound_expires(&cookie) == 0,
		   "an expiry out of range is moved into it");
}

/* Returns whether a challenge of the id to register is read back. */
static bool
reads(const char *chars, size_t len, int64 expected)
{
	int64		made = 0;

	return session_bound_read_challenge(&made, chars, len, id,
										SESSION_CHALLENGE_REGISTER, "1",
										&key) &&
		made == expected;
}

static void
test_challenge(void)
{
	static const int64 times[] = {0, 1, -1, PG_INT64_MAX, PG_INT64_MIN};
	char		chars[SESSION_CHALLENGE_CHARS];
	int64		made;
	bool		same = true;

	for (size_t i = 0; i < lengthof(times); i++)
		same = same &&
			session_bound_challenge(chars, times[i], id,
									SESSION_CHALLENGE_REGISTER, "1", &key) &&
			reads(chars, sizeof(chars), times[i]);
	tap_ok(same, "a challenge says when it was made");
	tap_ok(!session_bound_read_challenge(&made, chars, sizeof(chars), other_id,
										 SESSION_CHALLENGE_REGISTER, "1", &key),
		   "a challenge is not good for another session");
	tap_ok(!session_bound_read_challenge(&made, chars, sizeof(chars), id,
										 SESSION_CHALLENGE_REFRESH, "1", &key),
		   "a challenge is not good for another use");
	tap_ok(!session_bound_read_challenge(&made, chars, sizeof(chars), id,
										 SESSION_CHALLENGE_REGISTER, "2", &key),
		   "a challenge is not good in another realm");
	tap_ok(!session_bound_read_challenge(&made, chars, sizeof(chars), id,
										 SESSION_CHALLENGE_REGISTER, "1",
										 &other_key),
		   "a challenge is not good for another key");
	for (size_t i = 0; i < sizeof(chars); i++)
	{
		char		was = chars[i];

		chars[i] = was == 'A' ? 'B' : 'A';
		same = same && !reads(chars, sizeof(chars), PG_INT64_MIN);
		chars[i] = was;
	}
	tap_ok(same && !reads(chars, sizeof(chars) - 1, PG_INT64_MIN) &&
		   !reads(chars, 0, PG_INT64_MIN),
		   "a challenge with another character, or fewer, is not good");
}

static void
test_authorization(void)
{
	uint8		hash[SESSION_SHA256_BYTES] = {1};
	char		one[SESSION_AUTHORIZATION_CHARS];
	char		other[SESSION_AUTHORIZATION_CHARS];
	bool		differ = true;

	tap_ok(session_bound_authorization(one, id, hash, "1", &key) &&
		   session_bound_authorization(other, id, hash, "1", &key) &&
		   memcmp(one, other, sizeof(one)) == 0,
		   "the authorization of a token is always the same");
	differ = session_bound_authorization(other, other_id, hash, "1", &key) &&
		memcmp(one, other, sizeof(one)) != 0;
	differ = differ &&
		session_bound_authorization(other, id, hash, "2", &key) &&
		memcmp(one, other, sizeof(one)) != 0;
	hash[31] = 1;
	differ = differ &&
		session_bound_authorization(other, id, hash, "1", &key) &&
		memcmp(one, other, sizeof(one)) != 0;
	tap_ok(differ, "that of another session, token or realm differs");
}

int
main(void)
{
	test_cookie_text();
	test_cookie_mac();
	test_expires();
	test_challenge();
	test_authorization();
	return tap_done();
}
