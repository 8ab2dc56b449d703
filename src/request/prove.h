/*
 * prove.h
 *	  Proves the identity behind a web request, by "session.strategy".
 */
#ifndef SESSION_PROVE_H
#define SESSION_PROVE_H

#include "model/identity.h"

typedef enum SessionProveVerdict
{
	SESSION_PROVE_ANONYMOUS,	/* the request has no credential */
	SESSION_PROVE_INVALID,		/* its credential is not valid */
	SESSION_PROVE_NO_NONCE,		/* not valid: its proof lacks only a nonce */
	SESSION_PROVE_ENDED,		/* not valid, and its use ended the session */
	SESSION_PROVE_RENEWING,		/* not valid before the browser has renewed
								 * its bound cookie, which it is about to do */
	SESSION_PROVE_FOREIGN,		/* not looked at: a page of another origin
								 * causes the request */
	SESSION_PROVE_NO_CSRF,		/* valid, but a token against such requests is
								 * missing; see csrf.h */
	SESSION_PROVE_PROVEN		/* the identity was filled */
} SessionProveVerdict;

/*
 * Proves the identity behind the running request.  With the strategy
 * cookie_cache, adds a new snapshot to response.headers when one is due.
 */
extern SessionProveVerdict session_prove_request(SessionIdentity *identity);

#endif							/* SESSION_PROVE_H */
