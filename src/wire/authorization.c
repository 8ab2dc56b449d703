/*
 * authorization.c
 *	  The value of the Authorization header.
 *
 * Rules: only a credential with the scheme Bearer is ours.  What follows the
 * scheme is not checked to be a b64token: the caller's parser rejects any text
 * that is not a token, and counts it as a failed credential.
 */
#include "postgres.h"

#include "wire/authorization.h"

#define SCHEME "Bearer"
#define SCHEME_LEN (sizeof(SCHEME) - 1)

/* Returns whether a character is white space around a field value. */
static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Finds the token of the scheme Bearer in an Authorization header. */
bool
session_authorization_bearer(const char **token, size_t *token_len,
							 const char *value, size_t len)
{
	while (len > 0 && is_blank(*value))
	{
		value++;
		len--;
	}
	while (len > 0 && is_blank(value[len - 1]))
		len--;
	if (len <= SCHEME_LEN || value[SCHEME_LEN] != ' ' ||
		pg_strncasecmp(value, SCHEME, SCHEME_LEN) != 0)
		return false;
	value += SCHEME_LEN;
	len -= SCHEME_LEN;
	while (*value == ' ')
	{
		value++;
		len--;
	}
	*token = value;
	*token_len = len;
	return true;
}
