/*
 * argument.c
 *	  Taking arguments apart.
 *
 * Rules: the size of a client's value is looked at before its bytes are, so
 * junk is turned away without being copied, decompressed or fetched.
 */
#include "postgres.h"

#include <limits.h>

#include "access/detoast.h"
#include "utils/builtins.h"
#include "utils/inet.h"
#include "utils/timestamp.h"

#include "api/api.h"
#include "audit/evidence.h"
#include "compat.h"
#include "engine/info.h"
#include "shared/database.h"
#include "wire/codec.h"

/* The text of a token of either kind; NULL unless it has the right size. */
static text *
token_text(FunctionCallInfo fcinfo, int n)
{
	if (PG_ARGISNULL(n) ||
		toast_raw_datum_size(PG_GETARG_DATUM(n)) - VARHDRSZ != SESSION_TOKEN_CHARS)
		return NULL;
	return PG_GETARG_TEXT_PP(n);
}

bool
session_arg_token(FunctionCallInfo fcinfo, int n, SessionToken *token)
{
	text	   *value = token_text(fcinfo, n);

	return value != NULL &&
		session_token_parse(token, VARDATA_ANY(value),
							VARSIZE_ANY_EXHDR(value));
}

bool
session_arg_refresh(FunctionCallInfo fcinfo, int n,
					SessionRefreshToken *token)
{
	text	   *value = token_text(fcinfo, n);

	return value != NULL &&
		session_token_parse_refresh(token, VARDATA_ANY(value),
									VARSIZE_ANY_EXHDR(value));
}

void
session_arg_refused(FunctionCallInfo fcinfo, int n, const inet *ip)
{
	session_database_count(SESSION_COUNT_STATUS + SESSION_MALFORMED);
	if (!PG_ARGISNULL(n) &&
		toast_raw_datum_size(PG_GETARG_DATUM(n)) > VARHDRSZ)
		session_evidence_failure(ip);
}

void
session_arg_required(FunctionCallInfo fcinfo, int n, const char *name)
{
	if (PG_ARGISNULL(n))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", name)));
}

text *
session_arg_name(FunctionCallInfo fcinfo, int n, const char *name, Size max)
{
	Size		size;

	if (PG_ARGISNULL(n))
		return NULL;
	size = toast_raw_datum_size(PG_GETARG_DATUM(n)) - VARHDRSZ;
	if (size == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be empty", name)));
	if (size > max)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("%s is too long", name),
				 errdetail("It has %zu bytes, and at most %zu are allowed.",
						   size, max)));
	return PG_GETARG_TEXT_PP(n);
}

/* Purposes are names of cookies too, so they keep to what those may hold. */
char *
session_arg_purpose(FunctionCallInfo fcinfo, int n)
{
	text	   *value = session_arg_name(fcinfo, n, "purpose",
										 SESSION_PURPOSE_BYTES);
	char	   *purpose;

	if (value == NULL)
		return pstrdup(SESSION_DEFAULT_PURPOSE);
	purpose = text_to_cstring(value);
	for (const char *c = purpose; *c != '\0'; c++)
		if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				   "0123456789!#$%&'*+-.^_`|~", *c) == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("purpose must consist of characters that the name "
							"of a cookie may have")));
	return purpose;
}

inet *
session_arg_inet(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : PG_GETARG_INET_PP(n);
}

text *
session_arg_user_agent(FunctionCallInfo fcinfo, int n)
{
	if (PG_ARGISNULL(n))
		return NULL;
	/* One byte more tells whether a character straddles the cut. */
	return session_info_user_agent(PG_GETARG_TEXT_P_SLICE(n, 0,
														  SESSION_USER_AGENT_BYTES + 1));
}

int64
session_arg_interval(FunctionCallInfo fcinfo, int n, const char *name,
					 int64 least, int64 none)
{
	int64		usecs;

	if (PG_ARGISNULL(n))
		return none;
	if (!session_policy_usecs(&usecs, PG_GETARG_INTERVAL_P(n)) ||
		usecs < least || usecs > INT_MAX * USECS_PER_SEC)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 least > 0 ?
				 errmsg("%s must be more than zero and at most 68 years",
						name) :
				 errmsg("%s must be between zero and 68 years", name)));
	return usecs;
}

int32
session_arg_count(FunctionCallInfo fcinfo, int n, const char *name, int32 none)
{
	int32		count;

	if (PG_ARGISNULL(n))
		return none;
	count = PG_GETARG_INT32(n);
	if (count < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be negative", name)));
	return count;
}
