/*
 * token_fuzz.c
 *	  Text that is parsed as a token is formatted as the same text.  Text that
 *	  is no token is foreign only if it has the form of a foreign token, and then
 *	  it has the id of one.
 */
#include "postgres.h"

#include "fuzz.h"
#include "wire/token.h"

static const SessionToken zero = {0};

static void
try_session(const uint8 *data, size_t size, const char *copy)
{
	SessionToken token;
	char		chars[SESSION_TOKEN_CHARS];

	memset(&token, 0xFF, sizeof(token));
	if (session_token_parse(&token, copy, size))
	{
		session_token_format(chars, &token);
		fuzz_require(size == sizeof(chars));
		fuzz_require(memcmp(chars, data, size) == 0);
	}
	else if (size == SESSION_TOKEN_CHARS && memcmp(data, "st_", 3) == 0)
		fuzz_require(memcmp(&token, &zero, sizeof(token)) == 0);
}

static void
try_refresh(const uint8 *data, size_t size, const char *copy)
{
	SessionRefreshToken token;
	char		chars[SESSION_TOKEN_CHARS];

	memset(&token, 0xFF, sizeof(token));
	if (session_token_parse_refresh(&token, copy, size))
	{
		session_token_format_refresh(chars, &token);
		fuzz_require(size == sizeof(chars));
		fuzz_require(memcmp(chars, data, size) == 0);
	}
	else if (size == SESSION_TOKEN_CHARS && memcmp(data, "rt_", 3) == 0)
		fuzz_require(memcmp(&token, &zero, sizeof(token)) == 0);
}

static void
try_foreign(const uint8 *data, size_t size, const char *copy)
{
	SessionToken token;
	SessionRefreshToken refresh;

	if (!session_token_is_foreign(copy, size))
		return;
	fuzz_require(size >= 22 && size <= 512);
	for (size_t i = 0; i < size; i++)
		fuzz_require(data[i] > ' ' && data[i] < 127);
	fuzz_require(!session_token_parse(&token, copy, size));
	fuzz_require(!session_token_parse_refresh(&refresh, copy, size));
	fuzz_require(session_token_of_foreign(&token, copy, size));
	fuzz_require(token.id[6] >> 4 == 8 && token.id[8] >> 6 == 2);
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	char	   *copy = fuzz_copy(data, size);

	try_session(data, size, copy);
	try_refresh(data, size, copy);
	try_foreign(data, size, copy);
	free(copy);
	return 0;
}
