/*
 * directory.c
 *	  SQL entry points: what the view session.directory computes.
 *
 *	  session_directory_ready	session_directory_status
 *	  session_directory_seen	session_directory_ends
 *	  session_directory_data	session_directory_current
 *
 * Rules:
 * - The view reads session.sessions as any statement does, by the statement's
 *	 snapshot, so that filters on its columns use the indexes.
 * - A function gets the columns that it needs, never the whole row: that would
 *	 read data that is stored out of line.
 * - Only the columns that a statement selects are computed.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "api/api.h"
#include "engine/activity.h"
#include "engine/content.h"
#include "engine/context.h"
#include "engine/info.h"
#include "table/policies.h"
#include "table/store.h"

PG_FUNCTION_INFO_V1(session_directory_ready);
PG_FUNCTION_INFO_V1(session_directory_status);
PG_FUNCTION_INFO_V1(session_directory_seen);
PG_FUNCTION_INFO_V1(session_directory_ends);
PG_FUNCTION_INFO_V1(session_directory_data);
PG_FUNCTION_INFO_V1(session_directory_current);

/* Returns true, or errors if the view cannot list all sessions. */
Datum
session_directory_ready(PG_FUNCTION_ARGS)
{
	if (!session_store_is(PG_GETARG_OID(0)))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("view \"session.directory\" does not read table "
						"\"session.sessions\""),
				 errhint("Rename the table that the extension has created back "
						 "to its old name.")));
	PG_RETURN_BOOL(true);
}

/* Returns a time, SESSION_NO_TIME for SQL NULL. */
static TimestampTz
arg_time(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? SESSION_NO_TIME : PG_GETARG_TIMESTAMPTZ(n);
}

/*
 * Fills the members of a row that decide when the session ends, from arguments
 * that are the columns of the same names, and adds its last use.  Returns
 * false if an argument is NULL whose column is NOT NULL.
 */
static bool
arg_life(FunctionCallInfo fcinfo, SessionRow *row)
{
	if (PG_ARGISNULL(0) || PG_ARGISNULL(3) || PG_ARGISNULL(6) ||
		PG_ARGISNULL(7))
		return false;
	memset(row, 0, sizeof(*row));
	row->id = *PG_GETARG_UUID_P(0);
	row->tenant_id = PG_ARGISNULL(1) ? NULL : PG_GETARG_TEXT_PP(1);
	row->role = PG_ARGISNULL(2) ? NULL : PG_GETARG_TEXT_PP(2);
	row->created_at = PG_GETARG_TIMESTAMPTZ(3);
	row->authenticated_at = arg_time(fcinfo, 4);
	row->refreshed_at = arg_time(fcinfo, 5);
	row->last_seen_at = PG_GETARG_TIMESTAMPTZ(6);
	row->expires_at = PG_GETARG_TIMESTAMPTZ(7);
	row->idle_timeout = PG_ARGISNULL(8) ? 0 :
		session_store_idle_timeout(PG_GETARG_INTERVAL_P(8));
	row->max_expires_at = SESSION_NO_TIME;
	row->refresh_expires_at = arg_time(fcinfo, 9);
	row->rotated_at = SESSION_NO_TIME;
	row->revoked_at = arg_time(fcinfo, 10);
	row->has_parent = !PG_ARGISNULL(11);
	if (row->has_parent)
		row->parent_id = *PG_GETARG_UUID_P(11);
	row->user_id = PG_ARGISNULL(12) ? NULL : PG_GETARG_TEXT_PP(12);
	row->actor_id = PG_ARGISNULL(13) ? NULL : PG_GETARG_TEXT_PP(13);
	session_policies_find(&row->rules, row->tenant_id, row->role);
	session_activity_overlay(row);
	return true;
}

/* Returns the status of a session, as session_get() does. */
Datum
session_directory_status(PG_FUNCTION_ARGS)
{
	SessionRow	row;
	SessionStatus status;

	if (!arg_life(fcinfo, &row))
		PG_RETURN_NULL();
	status = session_policy_life(&row, GetCurrentTimestamp());
	PG_RETURN_TEXT_P(cstring_to_text(session_info_status(status)));
}

/* Returns when a session ends if it is not used again. */
Datum
session_directory_ends(PG_FUNCTION_ARGS)
{
	SessionRow	row;

	if (!arg_life(fcinfo, &row))
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(session_policy_deadline(&row));
}

/* Returns when a session was last used, as session_get() does. */
Datum
session_directory_seen(PG_FUNCTION_ARGS)
{
	SessionRow	row = {
		.id = *PG_GETARG_UUID_P(0),
		.created_at = PG_GETARG_TIMESTAMPTZ(1),
		.last_seen_at = PG_GETARG_TIMESTAMPTZ(2),
		.stored_seen_at = PG_GETARG_TIMESTAMPTZ(2)
	};

	session_activity_overlay(&row);
	PG_RETURN_TIMESTAMPTZ(session_info_seen_at(&row));
}

/* Returns the data of a session, opened if it is sealed. */
Datum
session_directory_data(PG_FUNCTION_ARGS)
{
	SessionRow	row = {
		.id = *PG_GETARG_UUID_P(0),
		.data = (struct varlena *) PG_GETARG_JSONB_P(1)
	};

	PG_RETURN_JSONB_P(session_content_of(&row));
}

/* Returns whether this transaction validated or created a session. */
Datum
session_directory_current(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(session_context_is_current(PG_GETARG_UUID_P(0)));
}
