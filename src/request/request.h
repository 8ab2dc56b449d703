/*
 * request.h
 *	  The web request that a gateway describes in the settings request.*.
 *
 * As PostgREST has them: request.cookies and request.headers are JSON objects,
 * request.path is a path; response.headers is a JSON array.  Any may be
 * missing or empty, and all but the last come from a client.
 */
#ifndef SESSION_REQUEST_H
#define SESSION_REQUEST_H

#include "engine/context.h"

typedef enum SessionRequestVerdict
{
	SESSION_REQUEST_ANONYMOUS,	/* it has no credential */
	SESSION_REQUEST_INVALID,	/* it has one that is not good */
	SESSION_REQUEST_ENDED,		/* neither, and has ended its session */
	SESSION_REQUEST_PROVEN
} SessionRequestVerdict;

/*
 * Says who the running request is from, by "session.strategy".  A snapshot
 * that is due is added to the response's headers.
 */
extern SessionRequestVerdict session_request_prove(SessionIdentity *identity);

/*
 * Fails the request, whose credential is not good.  A browser is told to drop
 * the cookie, because with it no request would get through again.
 */
extern void session_request_refuse(void) pg_attribute_noreturn();

#endif							/* SESSION_REQUEST_H */
