/*
 * admin.c
 *	  SQL entry points: sessions by id, user and tenant, and upkeep.
 *
 *	  session_get			session_list		session_revoke_id
 *	  session_revoke_ids	session_revoke_user	session_revoke_tenant
 *	  session_cleanup		session_act_as
 *
 * Rules: only session_act_as takes and returns a token.  A user or tenant that
 * is NULL is an error where it would otherwise mean "all".
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "api/api.h"
#include "compat.h"
#include "engine/acting.h"
#include "engine/activity.h"
#include "engine/cleanup.h"
#include "engine/ending.h"
#include "engine/lifecycle.h"
#include "table/store.h"

PG_FUNCTION_INFO_V1(session_get);
PG_FUNCTION_INFO_V1(session_list);
PG_FUNCTION_INFO_V1(session_revoke_id);
PG_FUNCTION_INFO_V1(session_revoke_ids);
PG_FUNCTION_INFO_V1(session_revoke_user);
PG_FUNCTION_INFO_V1(session_revoke_tenant);
PG_FUNCTION_INFO_V1(session_cleanup);
PG_FUNCTION_INFO_V1(session_act_as);

/* Returns a session by its id, live or ended. */
Datum
session_get(PG_FUNCTION_ARGS)
{
	SessionRow	row;

	if (PG_ARGISNULL(0) || !session_store_read(PG_GETARG_UUID_P(0), &row))
		return session_return_none(fcinfo);
	session_activity_overlay(&row);
	return session_return_info(fcinfo, &row,
							   session_policy_life(&row,
												   GetCurrentTimestamp()));
}

/* Returns a text argument; errors if it is NULL, empty or too long. */
static text *
required_name(FunctionCallInfo fcinfo, int n, const char *name)
{
	session_arg_required(fcinfo, n, name);
	return session_arg_name(fcinfo, n, name, SESSION_NAME_BYTES);
}

/* Lists the sessions of a user, newest first. */
Datum
session_list(PG_FUNCTION_ARGS)
{
	text	   *user_id = required_name(fcinfo, 0, "user_id");
	text	   *tenant_id = session_arg_name(fcinfo, 1, "tenant_id",
											 SESSION_NAME_BYTES);
	bool		include_ended = !PG_ARGISNULL(2) && PG_GETARG_BOOL(2);
	TimestampTz now = GetCurrentTimestamp();
	List	   *rows;
	ListCell   *cell;

	session_begin_infos(fcinfo);
	rows = session_store_of_user(user_id, tenant_id,
								 SESSION_STORE_DATA |
								 (include_ended ? SESSION_STORE_REVOKED : 0));
	session_lifecycle_sort(rows);
	foreach(cell, rows)
	{
		SessionRow *row = lfirst(cell);
		SessionStatus status;

		session_activity_overlay(row);
		status = session_policy_life(row, now);
		if (status == SESSION_ACTIVE || include_ended)
			session_put_info(fcinfo, row, status);
	}
	PG_RETURN_NULL();
}

/* Returns the reason of a revocation, "admin" for SQL NULL. */
static text *
reason_or_admin(FunctionCallInfo fcinfo, int n)
{
	text	   *reason = session_arg_name(fcinfo, n, "reason",
										  SESSION_REASON_BYTES);

	return reason == NULL ? cstring_to_text("admin") : reason;
}

/* Revokes a session by its id. */
Datum
session_revoke_id(PG_FUNCTION_ARGS)
{
	text	   *reason = reason_or_admin(fcinfo, 1);

	PreventCommandIfReadOnly("session_revoke_id()");
	if (PG_ARGISNULL(0))
		PG_RETURN_BOOL(false);
	PG_RETURN_BOOL(session_lifecycle_revoke_id(PG_GETARG_UUID_P(0), reason));
}

/* Adds the elements of an array that are not NULL. */
static void
add_array(SessionIds *ids, ArrayType *array)
{
	ArrayIterator elements = array_create_iterator(array, 0, NULL);
	Datum		value;
	bool		null;

	while (array_iterate(elements, &value, &null))
		if (!null)
			session_store_add_id(ids, DatumGetUUIDP(value));
	array_free_iterator(elements);
}

/*
 * Revokes the sessions with these ids.  NULL is what array_agg() returns where
 * no session was selected, so it revokes nothing.
 */
Datum
session_revoke_ids(PG_FUNCTION_ARGS)
{
	text	   *reason = reason_or_admin(fcinfo, 1);
	SessionIds	ids = {0};

	PreventCommandIfReadOnly("session_revoke_ids()");
	if (!PG_ARGISNULL(0))
		add_array(&ids, PG_GETARG_ARRAYTYPE_P(0));
	PG_RETURN_INT64(session_ending_revoke_all(&ids, text_to_cstring(reason),
											  NULL));
}

/* Revokes the sessions of a user, but not `except`. */
Datum
session_revoke_user(PG_FUNCTION_ARGS)
{
	text	   *user_id = required_name(fcinfo, 0, "user_id");
	text	   *tenant_id = session_arg_name(fcinfo, 1, "tenant_id",
											 SESSION_NAME_BYTES);
	pg_uuid_t  *except = PG_ARGISNULL(2) ? NULL : PG_GETARG_UUID_P(2);
	SessionIds	ids = {0};

	PreventCommandIfReadOnly("session_revoke_user()");
	session_store_ids_of_user(&ids, user_id, tenant_id, 0);
	PG_RETURN_INT64(session_ending_revoke_all(&ids, "user", except));
}

/* Revokes the sessions of a tenant. */
Datum
session_revoke_tenant(PG_FUNCTION_ARGS)
{
	text	   *tenant_id = required_name(fcinfo, 0, "tenant_id");
	SessionIds	ids = {0};

	PreventCommandIfReadOnly("session_revoke_tenant()");
	session_store_ids_of_tenant(&ids, tenant_id);
	PG_RETURN_INT64(session_ending_revoke_all(&ids, "tenant", NULL));
}

/* Returns a list of C strings as an array of text. */
static Datum
names_array(List *names)
{
	Datum	   *values = palloc_array(Datum, Max(list_length(names), 1));
	int			count = 0;
	ListCell   *cell;

	foreach(cell, names)
		values[count++] = CStringGetTextDatum(lfirst(cell));
	return PointerGetDatum(construct_array(values, count, TEXTOID, -1, false,
										   TYPALIGN_INT));
}

/* Runs all steps of upkeep in the caller's transaction. */
Datum
session_cleanup(PG_FUNCTION_ARGS)
{
	TupleDesc	desc;
	Datum		values[2];
	bool		nulls[2] = {false, false};
	int64		limit = 0;
	List	   *failed;

	PreventCommandIfReadOnly("session_cleanup()");
	if (!PG_ARGISNULL(0))
	{
		limit = PG_GETARG_INT32(0);
		if (limit < 1)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("max_rows must be at least 1")));
	}
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type of session_cleanup must be a row type");
	values[0] = Int64GetDatum(session_cleanup_run(limit, &failed));
	values[1] = names_array(failed);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, values, nulls)));
}

/* Makes a session in which an administrator acts as a user. */
Datum
session_act_as(PG_FUNCTION_ARGS)
{
	SessionActingOptions options = {
		.user_id = required_name(fcinfo, 1, "user_id")
	};
	SessionToken token;
	SessionCredentials given;
	SessionRow	row;
	bool		gave;

	PreventCommandIfReadOnly("session_act_as()");
	session_arg_required(fcinfo, 2, "reason");
	options.reason = session_arg_name(fcinfo, 2, "reason",
									  SESSION_ACT_REASON_BYTES);
	options.tenant_id = session_arg_name(fcinfo, 3, "tenant_id",
										 SESSION_NAME_BYTES);
	options.role = session_arg_name(fcinfo, 4, "role", SESSION_NAME_BYTES);
	options.lifetime = session_arg_interval(fcinfo, 5, "lifetime", 1,
											15 * 60 * USECS_PER_SEC);
	options.binding.ip = session_arg_inet(fcinfo, 6);
	options.binding.user_agent = session_arg_user_agent(fcinfo, 7);
	session_arg_bound(fcinfo, 8, &options.binding.proven);
	session_arg_proof(fcinfo, 9, &options.binding.proven);
	if (!session_arg_token(fcinfo, 0, &token))
	{
		session_arg_refused(fcinfo, 0, options.binding.ip);
		return session_return_none(fcinfo);
	}
	gave = session_acting_begin(&token, &options, &row, &given);
	session_crypto_wipe(&token, sizeof(token));
	return session_return_credentials(fcinfo, gave, &row, &given);
}
