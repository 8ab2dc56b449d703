/*
 * csrf.c
 *	  SQL entry points: tokens against requests of pages of other origins.
 *
 *	  session_csrf_token	session_csrf_check
 *
 * Rules:
 * - A token comes from a client: what is none is false.  One that is too long
 *	 is not detoasted.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "fmgr.h"

#include "api/api.h"
#include "compat.h"
#include "engine/context.h"
#include "request/csrf.h"
#include "wire/csrf.h"

PG_FUNCTION_INFO_V1(session_csrf_token);
PG_FUNCTION_INFO_V1(session_csrf_check);

/* Returns a token of the bound session. */
Datum
session_csrf_token(PG_FUNCTION_ARGS)
{
	text	   *token = session_csrf_make_token(session_context_identity());

	if (token == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(token);
}

/* Returns whether a text is a token of the bound session. */
Datum
session_csrf_check(PG_FUNCTION_ARGS)
{
	text	   *token;

	if (PG_ARGISNULL(0) ||
		toast_raw_datum_size(PG_GETARG_DATUM(0)) - VARHDRSZ != SESSION_CSRF_CHARS)
		PG_RETURN_BOOL(false);
	token = PG_GETARG_TEXT_PP(0);
	PG_RETURN_BOOL(session_csrf_is_token(session_context_identity(),
										 VARDATA_ANY(token),
										 VARSIZE_ANY_EXHDR(token)));
}
