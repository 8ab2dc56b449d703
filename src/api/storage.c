/*
 * storage.c
 *	  SQL entry points: moving sessions to another kind of storage.
 *
 *	  session_storage
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "api/api.h"
#include "audit/event.h"
#include "compat.h"
#include "model/json.h"
#include "table/storage.h"

PG_FUNCTION_INFO_V1(session_storage);

/* Returns the kind of storage that an argument names. */
static SessionStorage
arg_kind(FunctionCallInfo fcinfo, int n)
{
	char	   *kind;

	session_arg_required(fcinfo, n, "kind");
	kind = text_to_cstring(PG_GETARG_TEXT_PP(n));
	if (strcmp(kind, "database") == 0)
		return SESSION_STORAGE_DATABASE;
	if (strcmp(kind, "cache") == 0)
		return SESSION_STORAGE_CACHE;
	if (strcmp(kind, "filesystem") == 0)
		return SESSION_STORAGE_FILESYSTEM;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("kind must be \"database\", \"cache\" or \"filesystem\"")));
}

/* Writes an event about where sessions were moved. */
static void
note_storage(const text *kind, const char *tablespace)
{
	Jsonb	   *detail = session_json_with_text(session_json_empty(), "kind",
												kind);

	if (tablespace != NULL)
		detail = session_json_with_text(detail, "tablespace",
										cstring_to_text(tablespace));
	session_event_administration("storage_changed", NULL, NULL, detail);
}

/* Moves sessions to another kind of storage. */
Datum
session_storage(PG_FUNCTION_ARGS)
{
	SessionStorage kind = arg_kind(fcinfo, 0);
	const char *tablespace = NULL;

	if (kind == SESSION_STORAGE_FILESYSTEM)
		session_arg_required(fcinfo, 1, "tablespace");
	else if (!PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("tablespace must be null unless kind is \"filesystem\"")));
	PreventCommandIfReadOnly("session_storage()");
	if (!PG_ARGISNULL(1))
		tablespace = NameStr(*PG_GETARG_NAME(1));
	session_storage_move(kind, tablespace);
	note_storage(PG_GETARG_TEXT_PP(0), tablespace);
	PG_RETURN_VOID();
}
