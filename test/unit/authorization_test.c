/*
 * authorization_test.c
 *	  Which values of the Authorization header hold a bearer token.
 */
#include "postgres.h"

#include "tap.h"
#include "wire/authorization.h"

/*
 * Returns whether the expected token is found, or none if NULL. The value is
 * copied without a terminator, so that a sanitizer detects a read beyond it.
 */
static bool
finds(const char *value, const char *expected)
{
	size_t		len = strlen(value);
	char	   *copy = malloc(Max(len, 1));
	const char *token = NULL;
	size_t		token_len = 0;
	bool		found;
	bool		result;

	memcpy(copy, value, len);
	found = session_authorization_bearer(&token, &token_len, copy, len);
	if (expected == NULL)
		result = !found;
	else
		result = found && token_len == strlen(expected) &&
			memcmp(token, expected, token_len) == 0;
	free(copy);
	if (!result)
		fprintf(stdout, "# \"%s\"\n", value);
	return result;
}

int
main(void)
{
	tap_ok(finds("Bearer mF_9.B5f-4.1JqM", "mF_9.B5f-4.1JqM") &&
		   finds("Bearer dG9rZW4+/~=", "dG9rZW4+/~="),
		   "the token follows the scheme (RFC 6750 section 2.1)");
	tap_ok(finds("bearer x", "x") && finds("BEARER x", "x") &&
		   finds("bEaReR x", "x"),
		   "the scheme is compared without case (RFC 9110 section 11.1)");
	tap_ok(finds("Bearer   x", "x") && finds(" \tBearer x\t ", "x"),
		   "spaces after the scheme and around the value are ignored");
	tap_ok(finds("Basic YTpi", NULL) && finds("Digest username=\"x\"", NULL) &&
		   finds("Bearerx y", NULL) && finds("XBearer y", NULL) &&
		   finds("Bearer-x y", NULL) && finds("Bearer=x", NULL),
		   "a value with another scheme holds no bearer token");
	tap_ok(finds("st_AAAA", NULL) && finds("x", NULL) &&
		   finds("Bearer\tx", NULL) && finds("Bearer,x", NULL),
		   "a token without the scheme is not found");
	tap_ok(finds("", NULL) && finds(" ", NULL) && finds("B", NULL) &&
		   finds("Beare", NULL) && finds("Bearer", NULL) &&
		   finds("Bearer ", NULL) && finds("Bearer \t ", NULL),
		   "the scheme without a token holds no token");
	tap_ok(finds("Bearer x y", "x y") && finds("Bearer x, Bearer y", "x, Bearer y") &&
		   finds("Bearer \tx", "\tx") && finds("Bearer realm=\"x\"", "realm=\"x\"") &&
		   finds("Bearer Bearer x", "Bearer x"),
		   "text that is not a token is returned whole, to fail as a token");
	return tap_done();
}
