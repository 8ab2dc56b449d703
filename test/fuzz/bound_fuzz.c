/*
 * bound_fuzz.c
 *	  Text that is parsed as a bound cookie is formatted as the same text.  No
 *	  text is a genuine bound cookie or a challenge.
 */
#include "postgres.h"

#include "fuzz.h"
#include "wire/bound.h"

static const uint8 secret[SESSION_KEY_BYTES] = "0123456789abcdef0123456789abcde";
static const uint8 id[SESSION_ID_BYTES] = {1};

static const SessionCodecKey key = {
	.kid = "k",.secret = secret,.secret_len = sizeof(secret)
};

static void
try_cookie(const uint8 *data, size_t size, const char *copy)
{
	SessionBoundCookie cookie;
	char		chars[SESSION_BOUND_CHARS];
	int64		expires;

	if (!session_bound_parse(&cookie, copy, size))
		return;
	session_bound_format(chars, &cookie);
	fuzz_require(size == sizeof(chars));
	fuzz_require(memcmp(chars, data, size) == 0);
	fuzz_require(!session_bound_verify(&cookie, "1", &key));
	expires = session_bound_expires(&cookie);
	session_bound_set_expires(&cookie, expires);
	fuzz_require(session_bound_expires(&cookie) == expires);
	fuzz_require(session_bound_sign(&cookie, "1", &key));
	fuzz_require(session_bound_verify(&cookie, "1", &key));
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	char	   *copy = fuzz_copy(data, size);
	int64		made;

	try_cookie(data, size, copy);
	fuzz_require(!session_bound_read_challenge(&made, copy, size, id,
											   SESSION_CHALLENGE_REFRESH, "1",
											   &key));
	free(copy);
	return 0;
}
