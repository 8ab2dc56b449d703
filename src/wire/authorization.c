/*
 * authorization.c
 *	  The value of the Authorization header.
 *
 * Rules: only a credential with the scheme Bearer or DPoP is ours.  What
 * follows the scheme is not checked to be a b64token: the caller's parser
 * rejects any text that is not a token, and counts it as a failed credential.
 */
#include "postgres.h"

#include "wire/authorization.h"

/* Returns whether a character is white space around a field value. */
static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Finds the token of a scheme in an Authorization header. */
static bool
find_token(const char **token, size_t *token_len, const char *value,
		   size_t len, const char *scheme)
{
	size_t		scheme_len = strlen(scheme);

	while (len > 0 && is_blank(*value))
	{
		value++;
		len--;
	}
	while (len > 0 && is_blank(value[len - 1]))
		len--;
	if (len <= scheme_len || value[scheme_len] != ' ' ||
		pg_strncasecmp(value, scheme, scheme_len) != 0)
		return false;
	value += scheme_len;
	len -= scheme_len;
	while (*value == ' ')
	{
		value++;
		len--;
	}
	*token = value;
	*token_len = len;
	return true;
}

/* Finds the token of the scheme Bearer. */
bool
session_authorization_bearer(const char **token, size_t *token_len,
							 const char *value, size_t len)
{
	return find_token(token, token_len, value, len, "Bearer");
}

/* Finds the token of the scheme DPoP. */
bool
session_authorization_dpop(const char **token, size_t *token_len,
						   const char *value, size_t len)
{
	return find_token(token, token_len, value, len, "DPoP");
}
