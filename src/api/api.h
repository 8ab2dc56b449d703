/*
 * api.h
 *	  What the SQL entry points share: taking arguments and giving results.
 *
 * An argument that only an application can get wrong raises, with a message
 * that names it; a token never does.
 */
#ifndef SESSION_API_H
#define SESSION_API_H

#include "fmgr.h"

#include "engine/secret.h"
#include "model/policy.h"
#include "model/row.h"
#include "wire/token.h"

/* Longest user and tenant ids; both are index keys. */
#define SESSION_NAME_BYTES 1024

/* Longest secret that can be imported, in bytes. */
#define SESSION_IMPORT_BYTES 1024

/* Longest reason of a revocation. */
#define SESSION_REASON_BYTES 256

/* Purpose of a key or cookie for which the call names none. */
#define SESSION_DEFAULT_PURPOSE "session"

/* False for NULL and for anything that is not exactly a session token. */
extern pg_nodiscard bool session_arg_token(FunctionCallInfo fcinfo, int n,
										   SessionToken *token);

/* The same for a refresh token. */
extern pg_nodiscard bool session_arg_refresh(FunctionCallInfo fcinfo, int n,
											 SessionRefreshToken *token);

/*
 * Says that an argument which came from an address (NULL = it was not said) is
 * no token, unless it is NULL or empty, which is none at all.
 */
extern void session_arg_refused(FunctionCallInfo fcinfo, int n,
								const inet *ip);

/* NULL for SQL NULL; errors when empty or longer than max bytes. */
extern text *session_arg_name(FunctionCallInfo fcinfo, int n,
							  const char *name, Size max);

/*
 * The purpose of a key or cookie, SESSION_DEFAULT_PURPOSE for SQL NULL; errors for odd
 * characters.
 */
extern char *session_arg_purpose(FunctionCallInfo fcinfo, int n);

/* Errors for SQL NULL. */
extern void session_arg_required(FunctionCallInfo fcinfo, int n,
								 const char *name);

/* NULL for SQL NULL. */
extern inet *session_arg_inet(FunctionCallInfo fcinfo, int n);

/* NULL for SQL NULL; cut to SESSION_USER_AGENT_BYTES. */
extern text *session_arg_user_agent(FunctionCallInfo fcinfo, int n);

/* Microseconds, or none for SQL NULL; errors outside least to 68 years. */
extern int64 session_arg_interval(FunctionCallInfo fcinfo, int n,
								  const char *name, int64 least, int64 none);

/* None for SQL NULL; errors when negative. */
extern int32 session_arg_count(FunctionCallInfo fcinfo, int n,
							   const char *name, int32 none);

/* Ends a SETOF function with one composite value, or with none. */
extern Datum session_return_none(FunctionCallInfo fcinfo);
extern Datum session_return_values(FunctionCallInfo fcinfo, const Oid *types,
								   int columns, Datum *values, bool *nulls);
extern Datum session_return_info(FunctionCallInfo fcinfo,
								 const SessionRow *row, SessionStatus status);
extern Datum session_return_credentials(FunctionCallInfo fcinfo,
										const SessionRow *row,
										const SessionCredentials *given);

/* Begins the result of a SETOF function, and adds one session_info to it. */
extern void session_begin_infos(FunctionCallInfo fcinfo);
extern void session_put_info(FunctionCallInfo fcinfo, const SessionRow *row,
							 SessionStatus status);

#endif							/* SESSION_API_H */
