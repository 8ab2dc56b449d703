/*
 * api.h
 *	  What the SQL entry points share: reading arguments and building results.
 *
 * A bad argument of the application raises an error that names the argument.
 * A bad token, which comes from a client, never raises an error.
 */
#ifndef SESSION_API_H
#define SESSION_API_H

#include "fmgr.h"

#include "engine/secret.h"
#include "model/policy.h"
#include "model/row.h"
#include "wire/token.h"

/* Longest user and tenant id, in bytes; both are index keys. */
#define SESSION_NAME_BYTES 1024

/* Longest reason of a revocation, in bytes. */
#define SESSION_REASON_BYTES 256

/* Longest reason to act as a user, in bytes. */
#define SESSION_ACT_REASON_BYTES 500

/* Purpose of a key or cookie when the argument is NULL. */
#define SESSION_DEFAULT_PURPOSE "session"

/*
 * Parses a session token: one of our own, or a foreign one if
 * "session.foreign_tokens" is on.  Returns false for NULL and for anything
 * that is not exactly a session token.
 */
extern pg_nodiscard bool session_arg_token(FunctionCallInfo fcinfo, int n,
										   SessionToken *token);

/* Like session_arg_token, for a token that is returned to the client. */
extern pg_nodiscard bool session_arg_given(FunctionCallInfo fcinfo, int n,
										   SessionCredentials *given);

/*
 * Returns the foreign token of a new session, NULL for SQL NULL.  Errors with
 * 55000 if "session.foreign_tokens" is off, with 54000 if it is too long, and
 * with 22023 if it has not the form of one.
 */
extern text *session_arg_foreign(FunctionCallInfo fcinfo, int n);

/*
 * Parses a refresh token.  Returns false for NULL and for anything that is not
 * exactly a refresh token.
 */
extern pg_nodiscard bool session_arg_refresh(FunctionCallInfo fcinfo, int n,
											 SessionRefreshToken *token);

/*
 * Sets the key that a bound cookie proves; none for NULL and for any other
 * text.
 */
extern void session_arg_bound(FunctionCallInfo fcinfo, int n,
							  SessionPossession *proven);

/*
 * Sets the proof of DPoP in an argument, which is followed by the method and
 * the URL of the request; the token is the first argument.  Errors with 22004
 * for a proof without these, and with 22023 for a URL that is not absolute.
 */
extern void session_arg_proof(FunctionCallInfo fcinfo, int n,
							  SessionPossession *proven);

/*
 * Returns the key of DPoP in an argument, the thumbprint of a JWK; NULL for
 * none.  Errors with 22023 if it is no thumbprint.
 */
extern SessionBound *session_arg_jkt(FunctionCallInfo fcinfo, int n);

/*
 * Counts an argument that is not a token, and records evidence about the
 * address (may be NULL).  A NULL or empty argument means that the client sent
 * no token, so there is no evidence of it.
 */
extern void session_arg_refused(FunctionCallInfo fcinfo, int n,
								const inet *ip);

/*
 * Returns a text, NULL for SQL NULL.  Errors with 22023 if it is empty and
 * with 54000 if it is longer than max bytes.
 */
extern text *session_arg_name(FunctionCallInfo fcinfo, int n,
							  const char *name, Size max);

/*
 * Returns the purpose of a key or cookie, SESSION_DEFAULT_PURPOSE for SQL
 * NULL.  Errors with 22023 if it has a character that the name of a cookie may
 * not have.
 */
extern char *session_arg_purpose(FunctionCallInfo fcinfo, int n);

/* Errors with 22004 if an argument is NULL. */
extern void session_arg_required(FunctionCallInfo fcinfo, int n,
								 const char *name);

/*
 * Returns the words of an array of authentication methods (see amr.h), NULL
 * for SQL NULL.  Errors with 22023 if it is not such an array.
 */
extern text *session_arg_amr(FunctionCallInfo fcinfo, int n);

/*
 * Returns the words of an array of scopes (see scope.h), NULL for SQL NULL.
 * Errors with 22023 if it is not such an array.
 */
extern text *session_arg_scopes(FunctionCallInfo fcinfo, int n);

/* Returns a scope, NULL for SQL NULL.  Errors for any other text. */
extern text *session_arg_scope(FunctionCallInfo fcinfo, int n);

/* Returns an address, NULL for SQL NULL. */
extern inet *session_arg_inet(FunctionCallInfo fcinfo, int n);

/* Returns a user agent cut to SESSION_USER_AGENT_BYTES, NULL for SQL NULL. */
extern text *session_arg_user_agent(FunctionCallInfo fcinfo, int n);

/*
 * Returns an interval in microseconds, `none` for SQL NULL.  Errors with 22023
 * unless it is at least `least` and at most 68 years.
 */
extern int64 session_arg_interval(FunctionCallInfo fcinfo, int n,
								  const char *name, int64 least, int64 none);

/* Returns a number, `none` for SQL NULL.  Errors with 22023 if negative. */
extern int32 session_arg_count(FunctionCallInfo fcinfo, int n,
							   const char *name, int32 none);

/*
 * Return the result of a function: no row, a composite value or a
 * session_info.  In a SETOF function the value is the only row.
 */
extern Datum session_return_none(FunctionCallInfo fcinfo);
extern Datum session_return_values(FunctionCallInfo fcinfo, const Oid *types,
								   int columns, Datum *values, bool *nulls);
extern Datum session_return_info(FunctionCallInfo fcinfo,
								 const SessionRow *row, SessionStatus status);

/*
 * Returns session_credentials, or no row if the call gave none.  Wipes what it
 * gave.
 */
extern Datum session_return_credentials(FunctionCallInfo fcinfo, bool gave,
										const SessionRow *row,
										SessionCredentials *given);

/* Begin a set of session_info, and add a session to it. */
extern void session_begin_infos(FunctionCallInfo fcinfo);
extern void session_put_info(FunctionCallInfo fcinfo, const SessionRow *row,
							 SessionStatus status);

#endif							/* SESSION_API_H */
