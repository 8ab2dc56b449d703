/*
 * request.h
 *	  The web request that a gateway describes in the settings request.*.
 *
 * The settings are those of PostgREST.  Each may be missing or empty, and all
 * but response.headers come from a client.
 *
 *	request.cookies		a JSON object
 *	request.headers		a JSON object
 *	request.method		the method that the gateway carries out
 *	request.path		a path
 *	response.headers	a JSON array
 */
#ifndef SESSION_REQUEST_H
#define SESSION_REQUEST_H

#include "utils/jsonb.h"

#include "engine/dpop.h"
#include "model/policy.h"
#include "wire/member.h"
#include "wire/token.h"

/*
 * A setting of the gateway that is a JSON object.  An object whose values are
 * all strings is kept as members, any other as jsonb.  Both are NULL when the
 * setting is missing.
 */
typedef struct SessionRequestObject
{
	SessionMember *members;
	int			count;			/* of the members */
	Jsonb	   *whole;
} SessionRequestObject;

typedef struct SessionRequest
{
	SessionRequestObject cookies;
	SessionRequestObject headers;	/* names in lower case */
	text	   *credential;		/* NULL = none */
	bool		from_header;	/* the credential came in a header */
	bool		is_dpop;		/* it has the scheme DPoP */
	SessionDpopProof *proof;	/* of DPoP; NULL = none */
} SessionRequest;

/* Reads the running request, and which credential it has. */
extern void session_request_read(SessionRequest *request);

/*
 * Returns whether the headers of the request are known: request.headers is a
 * JSON object, which may have no members.
 */
extern bool session_request_has_headers(const SessionRequest *request);

/*
 * Returns a header by its name, in any case; NULL when there is none or it is
 * empty.
 */
extern text *session_request_header(const SessionRequest *request,
									const char *name);

/* Returns request.method; NULL when it is not known. */
extern char *session_request_method(void);

/* Returns request.path; NULL when it is not known. */
extern char *session_request_path(void);

/*
 * Returns the value of a cookie, joined if it came in chunks; NULL when there
 * is none.
 */
extern text *session_request_cookie(const SessionRequest *request,
									const char *name);

/*
 * Reads the credential as a session token.  Returns false when it is none.
 * With foreign tokens, a cookie may also be an id that express-session signed.
 * Call it only for a request that has a credential.
 */
extern bool session_request_token(const SessionRequest *request,
								  SessionToken *token);

/* Returns the client's address; NULL when it is not known. */
extern inet *session_request_client_ip(const SessionRequest *request);

/* Sets the key that the request's bound cookie proves. */
extern void session_request_possession(const SessionRequest *request,
									   SessionPossession *proven);

/*
 * Returns whether a browser sends the request to renew its bound cookie, as
 * far as its headers say.
 */
extern bool session_request_renews(const SessionRequest *request);

/* Returns the client's address and user agent, and the key it has proven. */
extern SessionBinding session_request_binding(const SessionRequest *request);

/*
 * Gives the client a snapshot of a session that ends at a time: adds its
 * cookie to response.headers, in place of one that an earlier call added.
 * Does nothing where the settings describe no valid cookie for it, or
 * response.headers cannot be read.
 */
extern void session_request_send_snapshot(const text *value, TimestampTz end);

/* Returns the name of the cookie that holds the snapshot. */
extern char *session_request_snapshot_name(void);

/*
 * Gives the client a nonce for its next proofs of DPoP, if it uses DPoP and
 * "session.dpop_nonce" is on: adds the header DPoP-Nonce to response.headers.
 */
extern void session_request_send_nonce(const SessionRequest *request);

/*
 * Raises the error for a request whose credential is not valid.  It tells a
 * browser to delete the cookie, because every request with it would fail.  A
 * client that uses DPoP is told so, and that its proof lacks only a nonce if
 * that is so.
 */
_Noreturn extern void session_request_refuse(bool lacks_nonce);

#endif							/* SESSION_REQUEST_H */
