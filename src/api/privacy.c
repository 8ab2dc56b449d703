/*
 * privacy.c
 *	  SQL entry points: what is kept about a user.
 *
 *	  session_export	session_erase
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/jsonb.h"

#include "api/api.h"
#include "engine/privacy.h"

PG_FUNCTION_INFO_V1(session_export);
PG_FUNCTION_INFO_V1(session_erase);

/* Returns a user; errors if it is NULL, empty or too long. */
static text *
arg_user(FunctionCallInfo fcinfo)
{
	session_arg_required(fcinfo, 0, "user_id");
	return session_arg_name(fcinfo, 0, "user_id", SESSION_NAME_BYTES);
}

/* Returns everything that is kept about a user. */
Datum
session_export(PG_FUNCTION_ARGS)
{
	PG_RETURN_JSONB_P(session_privacy_export(arg_user(fcinfo)));
}

/* Ends and deletes everything that is kept about a user. */
Datum
session_erase(PG_FUNCTION_ARGS)
{
	text	   *user_id = arg_user(fcinfo);

	PreventCommandIfReadOnly("session_erase()");
	PG_RETURN_INT64(session_privacy_erase(user_id));
}
