/*
 * authorization.h
 *	  The value of the Authorization header.
 *
 * The functions raise no errors and allocate nothing.
 */
#ifndef SESSION_AUTHORIZATION_H
#define SESSION_AUTHORIZATION_H

#include "c.h"

/*
 * Finds the token of the scheme Bearer (RFC 9110 section 11.6.2, RFC 6750
 * section 2.1).  *token points into the value and is not empty, but may be any
 * text.  Returns false for another scheme, and for Bearer without a token.
 */
extern pg_nodiscard bool session_authorization_bearer(const char **token,
													  size_t *token_len,
													  const char *value,
													  size_t len);

/* Does the same for the scheme DPoP (RFC 9449 section 7.1). */
extern pg_nodiscard bool session_authorization_dpop(const char **token,
													size_t *token_len,
													const char *value,
													size_t len);

#endif							/* SESSION_AUTHORIZATION_H */
