/*
 * carried_fuzz.c
 *	  No text is a genuine identity of another server.  Text that is parsed as
 *	  one is written as the same text, but for the MAC.
 */
#include "postgres.h"

#include "fuzz.h"
#include "wire/carried.h"

static const uint8 secret[SESSION_KEY_BYTES] = "0123456789abcdef0123456789abcde";

static const SessionCodecKey key = {
	.kid = "k",.secret = secret,.secret_len = sizeof(secret)
};

static void
try_carried(const char *copy, size_t size)
{
	uint8	   *room = malloc(size + 1);
	uint8	   *again = malloc(size + 1);
	char	   *chars = malloc(size + 1);
	SessionCarried carried;

	if (session_carried_parse(&carried, room, copy, size))
	{
		size_t		proven = SESSION_CARRIED_PREFIX_CHARS +
		SESSION_BASE64URL_CHARS(SESSION_CARRIED_OVERHEAD -
								SESSION_SHA256_BYTES) - 1;

		fuzz_require(!session_carried_verify(room, &carried, "shop", &key));
		fuzz_require(session_carried_chars(&carried) == size);
		fuzz_require(session_carried_write(chars, again, &carried, "shop", &key));
		fuzz_require(memcmp(chars, copy, proven) == 0);
		fuzz_require(session_carried_verify(again, &carried, "shop", &key));
	}
	free(room);
	free(again);
	free(chars);
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	char	   *copy = fuzz_copy(data, size);

	if (size >= SESSION_CARRIED_PREFIX_CHARS)
		try_carried(copy, size);
	free(copy);
	return 0;
}
