/*
 * token_fuzz.c
 *	  Text that is parsed as a token is formatted as the same text.
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

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	char	   *copy = fuzz_copy(data, size);

	try_session(data, size, copy);
	try_refresh(data, size, copy);
	free(copy);
	return 0;
}
