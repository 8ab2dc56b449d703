/*
 * users.c
 *	  SQL entry points: tables of users whose changes end sessions.
 *
 *	  session_bind_users	session_unbind_users
 *	  session_users_changed (a trigger, not for calling)
 *
 * Rules: only session_bind_users may create triggers with the function
 * session_users_changed.  Otherwise any role that can create a table could end
 * the sessions of others.
 */
#include "postgres.h"

#include "commands/trigger.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "api/api.h"
#include "compat.h"
#include "engine/users.h"

PG_FUNCTION_INFO_V1(session_bind_users);
PG_FUNCTION_INFO_V1(session_unbind_users);
PG_FUNCTION_INFO_V1(session_users_changed);

/* Binds a table of users, whose changes then end sessions. */
Datum
session_bind_users(PG_FUNCTION_ARGS)
{
	session_arg_required(fcinfo, 0, "users");
	session_arg_required(fcinfo, 1, "id_column");
	PreventCommandIfReadOnly("session_bind_users()");
	session_users_bind(PG_GETARG_OID(0), NameStr(*PG_GETARG_NAME(1)),
					   PG_ARGISNULL(2) ? NULL : NameStr(*PG_GETARG_NAME(2)));
	PG_RETURN_VOID();
}

/* Removes the binding of a table of users. */
Datum
session_unbind_users(PG_FUNCTION_ARGS)
{
	session_arg_required(fcinfo, 0, "users");
	PreventCommandIfReadOnly("session_unbind_users()");
	session_users_unbind(PG_GETARG_OID(0));
	PG_RETURN_VOID();
}

/* Ends the sessions of changed users; the trigger function of bound tables. */
Datum
session_users_changed(PG_FUNCTION_ARGS)
{
	const TriggerData *data = (const TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"session_users_changed\" was not called by "
						"trigger manager")));
	if (TRIGGER_FIRED_FOR_ROW(data->tg_event))
		session_users_changed_row(data);
	else
		session_users_truncated(data);
	PG_RETURN_POINTER(NULL);
}
