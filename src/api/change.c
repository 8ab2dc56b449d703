/*
 * change.c
 *	  SQL entry points: the trigger functions of session.sessions and
 *	  session.denylist.
 *
 *	  session_sessions_changed (a trigger, not for calling)
 *	  session_denylist_changed (a trigger, not for calling)
 */
#include "postgres.h"

#include "commands/trigger.h"
#include "fmgr.h"

#include "api/api.h"
#include "compat.h"
#include "engine/change.h"
#include "table/denylist.h"

PG_FUNCTION_INFO_V1(session_sessions_changed);
PG_FUNCTION_INFO_V1(session_denylist_changed);

/* Returns whether a trigger is one that the installation script created. */
static bool
is_expected(TriggerEvent event)
{
	if (!TRIGGER_FIRED_AFTER(event))
		return false;
	if (TRIGGER_FIRED_FOR_ROW(event))
		return TRIGGER_FIRED_BY_UPDATE(event) || TRIGGER_FIRED_BY_DELETE(event);
	return TRIGGER_FIRED_BY_TRUNCATE(event);
}

/* Notes changes of sessions; the trigger function of session.sessions. */
Datum
session_sessions_changed(PG_FUNCTION_ARGS)
{
	const TriggerData *data = (const TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"session_sessions_changed\" was not called "
						"by trigger manager")));
	if (!is_expected(data->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"session_sessions_changed\" must be fired "
						"after UPDATE or DELETE for each row, or after "
						"TRUNCATE")));
	if (TRIGGER_FIRED_FOR_ROW(data->tg_event))
		session_change_row(data);
	else
		session_change_emptied(data);
	PG_RETURN_POINTER(NULL);
}

/* Notes a new entry; the trigger function of session.denylist. */
Datum
session_denylist_changed(PG_FUNCTION_ARGS)
{
	const TriggerData *data = (const TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"session_denylist_changed\" was not called "
						"by trigger manager")));
	if (!TRIGGER_FIRED_AFTER(data->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(data->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"session_denylist_changed\" must be fired "
						"after INSERT or UPDATE for each row")));
	session_denylist_note_change(data);
	PG_RETURN_POINTER(NULL);
}
