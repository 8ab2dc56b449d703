/*
 * csrf.h
 *	  Refuses requests that a page of another origin causes in the browser of
 *	  a user (CSRF), as "session.csrf" says.
 */
#ifndef SESSION_CSRF_H
#define SESSION_CSRF_H

#include "model/identity.h"
#include "request/request.h"

/*
 * Returns whether the request comes from a page of another origin and must be
 * refused.  A request whose headers are not known counts as one.  One whose
 * method changes nothing, or whose credential came in a header, does not.
 */
extern bool session_csrf_is_foreign(const SessionRequest *request);

/*
 * Returns whether the request of a proven identity has the token that it
 * needs, if it needs one.
 */
extern bool session_csrf_has_token(const SessionRequest *request,
								   const SessionIdentity *identity);

/*
 * Returns a token of the identity's session; NULL for no identity.  The first
 * call generates the key; errors with 55000 if there is none and the
 * transaction is READ ONLY.
 */
extern text *session_csrf_make_token(const SessionIdentity *identity);

/*
 * Returns whether a text is a token of the identity's session, made for the
 * credential that it has now.  False for no identity (NULL).
 */
extern bool session_csrf_is_token(const SessionIdentity *identity,
								  const char *chars, size_t len);

/* Raise the errors for requests that are refused. */
_Noreturn extern void session_csrf_refuse_foreign(void);
_Noreturn extern void session_csrf_refuse_token(void);

#endif							/* SESSION_CSRF_H */
