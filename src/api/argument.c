/*
 * argument.c
 *	  Reads the arguments of SQL functions.
 *
 * Rules: the size of a client's value is checked before its bytes are read, so
 * that a value that is too large is never copied, decompressed or fetched.
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
#include "cookie/dbsc.h"
#include "engine/dpop.h"
#include "engine/info.h"
#include "engine/secret.h"
#include "model/amr.h"
#include "model/scope.h"
#include "model/words.h"
#include "settings.h"
#include "shared/database.h"
#include "wire/base64url.h"
#include "wire/codec.h"
#include "wire/possession.h"
#include "wire/uri.h"

StaticAssertDecl(SESSION_FOREIGN_MAX_CHARS >= SESSION_TOKEN_CHARS,
				 "foreign tokens may be the longest tokens");

/* Returns the text of a token, or NULL if it is too long for any token. */
static text *
token_text(FunctionCallInfo fcinfo, int n)
{
	if (PG_ARGISNULL(n) ||
		toast_raw_datum_size(PG_GETARG_DATUM(n)) - VARHDRSZ > SESSION_FOREIGN_MAX_CHARS)
		return NULL;
	return PG_GETARG_TEXT_PP(n);
}

/* Parses a session token; returns whether the argument is one. */
bool
session_arg_token(FunctionCallInfo fcinfo, int n, SessionToken *token)
{
	text	   *value = token_text(fcinfo, n);

	return value != NULL &&
		session_secret_read(token, VARDATA_ANY(value),
							VARSIZE_ANY_EXHDR(value));
}

/* Parses a session token that is returned to the client. */
bool
session_arg_given(FunctionCallInfo fcinfo, int n, SessionCredentials *given)
{
	text	   *value = token_text(fcinfo, n);

	return value != NULL &&
		session_secret_read_given(given, VARDATA_ANY(value),
								  VARSIZE_ANY_EXHDR(value));
}

/* Returns a new foreign token; errors if it is none, without its value. */
text *
session_arg_foreign(FunctionCallInfo fcinfo, int n)
{
	text	   *value;

	if (PG_ARGISNULL(n))
		return NULL;
	if (!session_settings.foreign_tokens)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("token must not be given while "
						"\"session.foreign_tokens\" is off")));
	value = session_arg_name(fcinfo, n, "token", SESSION_FOREIGN_MAX_CHARS);
	if (!session_token_is_foreign(VARDATA_ANY(value),
								  VARSIZE_ANY_EXHDR(value)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("token must have %d to %d printable ASCII characters "
						"without spaces, and must not start with st_ or rt_",
						SESSION_FOREIGN_MIN_CHARS, SESSION_FOREIGN_MAX_CHARS)));
	return value;
}

/* Parses a refresh token; returns whether the argument is one. */
bool
session_arg_refresh(FunctionCallInfo fcinfo, int n,
					SessionRefreshToken *token)
{
	text	   *value = token_text(fcinfo, n);

	return value != NULL &&
		session_token_parse_refresh(token, VARDATA_ANY(value),
									VARSIZE_ANY_EXHDR(value));
}

/* Sets the key that a bound cookie proves. */
void
session_arg_bound(FunctionCallInfo fcinfo, int n, SessionPossession *proven)
{
	/* A function that was created by another script may not have it. */
	text	   *value = n < PG_NARGS() ? token_text(fcinfo, n) : NULL;

	memset(proven, 0, sizeof(*proven));
	if (value != NULL)
		session_dbsc_prove(proven, VARDATA_ANY(value),
						   VARSIZE_ANY_EXHDR(value));
}

/* Returns the URL of a request; errors if it is not absolute. */
static text *
arg_url(FunctionCallInfo fcinfo, int n)
{
	text	   *url;

	session_arg_required(fcinfo, n, "url");
	url = PG_GETARG_TEXT_PP(n);
	if (!session_uri_has_scheme(VARDATA_ANY(url), VARSIZE_ANY_EXHDR(url)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("url must start with https:// or http://")));
	return url;
}

/* Sets the proof of DPoP in an argument, and what it has to be for. */
void
session_arg_proof(FunctionCallInfo fcinfo, int n, SessionPossession *proven)
{
	SessionDpopProof *proof;
	text	   *value;
	text	   *method;
	text	   *url;

	proven->dpop = NULL;
	if (n + 2 >= PG_NARGS() || PG_ARGISNULL(n))
		return;
	session_arg_required(fcinfo, n + 1, "method");
	method = PG_GETARG_TEXT_PP(n + 1);
	url = arg_url(fcinfo, n + 2);
	proof = palloc0_object(SessionDpopProof);
	proven->dpop = proof;
	proof->method = VARDATA_ANY(method);
	proof->method_len = VARSIZE_ANY_EXHDR(method);
	proof->url = VARDATA_ANY(url);
	proof->url_len = VARSIZE_ANY_EXHDR(url);
	/* A text that is too long for a proof stays an empty one, which is bad. */
	if (toast_raw_datum_size(PG_GETARG_DATUM(n)) - VARHDRSZ <=
		SESSION_POSSESSION_CHARS)
	{
		value = PG_GETARG_TEXT_PP(n);
		proof->chars = VARDATA_ANY(value);
		proof->len = VARSIZE_ANY_EXHDR(value);
	}
	value = token_text(fcinfo, 0);
	if (value != NULL)
	{
		proof->token = VARDATA_ANY(value);
		proof->token_len = VARSIZE_ANY_EXHDR(value);
	}
}

/* Returns the key of DPoP in an argument. */
SessionBound *
session_arg_jkt(FunctionCallInfo fcinfo, int n)
{
	SessionBound *bound;
	text	   *jkt;

	/* A function that was created by another script may not have it. */
	if (n >= PG_NARGS() || PG_ARGISNULL(n))
		return NULL;
	jkt = PG_GETARG_TEXT_PP(n);
	bound = palloc0_object(SessionBound);
	bound->by = SESSION_BOUND_DPOP;
	if (VARSIZE_ANY_EXHDR(jkt) != SESSION_BASE64URL_CHARS(SESSION_SHA256_BYTES) ||
		!session_base64url_decode(bound->thumbprint, VARDATA_ANY(jkt),
								  VARSIZE_ANY_EXHDR(jkt)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("jkt must be the SHA-256 thumbprint of a JWK, %d "
						"characters of base64url",
						(int) SESSION_BASE64URL_CHARS(SESSION_SHA256_BYTES))));
	return bound;
}

/* Counts a malformed token, and records it as evidence unless it is empty. */
void
session_arg_refused(FunctionCallInfo fcinfo, int n, const inet *ip)
{
	session_database_count(SESSION_COUNT_STATUS + SESSION_MALFORMED);
	if (!PG_ARGISNULL(n) &&
		toast_raw_datum_size(PG_GETARG_DATUM(n)) > VARHDRSZ)
		session_evidence_failure(ip);
}

/* Errors if an argument is NULL. */
void
session_arg_required(FunctionCallInfo fcinfo, int n, const char *name)
{
	if (PG_ARGISNULL(n))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", name)));
}

/* Returns a text; errors if it is empty or too long. */
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

/*
 * Returns a purpose.  Purposes are used as names of cookies, so the characters
 * are those of a token in RFC 9110, section 5.6.2.
 */
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

/* Returns the words of an array of authentication methods. */
text *
session_arg_amr(FunctionCallInfo fcinfo, int n)
{
	text	   *words = NULL;

	if (!PG_ARGISNULL(n) &&
		!session_amr_read(&words, PG_GETARG_ARRAYTYPE_P(n)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("amr must be an array of at most %d names",
						SESSION_AMR_NAMES),
				 errdetail("A name has 1 to %d printable ASCII characters and "
						   "no space.", SESSION_AMR_NAME_BYTES)));
	return words;
}

/* Returns the words of an array of scopes. */
text *
session_arg_scopes(FunctionCallInfo fcinfo, int n)
{
	text	   *words = NULL;

	if (!PG_ARGISNULL(n) &&
		!session_words_read(&words, PG_GETARG_ARRAYTYPE_P(n), SESSION_SCOPES,
							session_scope_is_name))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("scopes must be an array of at most %d scopes",
						SESSION_SCOPES),
				 errdetail("A scope has 1 to %d printable ASCII characters, and "
						   "no space, quotation mark or backslash.",
						   SESSION_SCOPE_BYTES)));
	return words;
}

/* Returns a scope. */
text *
session_arg_scope(FunctionCallInfo fcinfo, int n)
{
	text	   *scope;

	if (PG_ARGISNULL(n))
		return NULL;
	scope = PG_GETARG_TEXT_PP(n);
	if (!session_scope_is_name(VARDATA_ANY(scope), VARSIZE_ANY_EXHDR(scope)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("scope must have 1 to %d characters of a scope",
						SESSION_SCOPE_BYTES),
				 errdetail("They are printable ASCII characters except space, "
						   "quotation mark and backslash.")));
	return scope;
}

/* Returns an address. */
inet *
session_arg_inet(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : PG_GETARG_INET_PP(n);
}

/* Returns a user agent, cut to SESSION_USER_AGENT_BYTES. */
text *
session_arg_user_agent(FunctionCallInfo fcinfo, int n)
{
	if (PG_ARGISNULL(n))
		return NULL;
	/* One byte more shows whether the cut would split a character. */
	return session_info_user_agent(PG_GETARG_TEXT_P_SLICE(n, 0,
														  SESSION_USER_AGENT_BYTES + 1));
}

/* Returns an interval in microseconds; errors if it is out of range. */
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

/* Returns a number; errors if it is negative. */
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
