/*
 * result.c
 *	  Putting results together: session_info and session_credentials.
 *
 * Rules: a set is always handed over as a tuplestore, so that it is right
 * beside other sets in a select list too.  The descriptor the executor already
 * has is used where it names the row type.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "utils/builtins.h"
#include "utils/inet.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "api/api.h"
#include "compat.h"
#include "engine/context.h"

#define INFO_COLUMNS 14
#define CREDENTIAL_COLUMNS 5

static const char *const status_names[] = {
	[SESSION_MALFORMED] = "malformed",
	[SESSION_UNKNOWN] = "unknown",
	[SESSION_REVOKED] = "revoked",
	[SESSION_EXPIRED] = "expired",
	[SESSION_IDLE] = "idle",
	[SESSION_BINDING] = "binding",
	[SESSION_ACTIVE] = "active",
};

const char *
session_status_name(SessionStatus status)
{
	return status_names[status];
}

/* The row type of the result; errors where the caller cannot take one. */
static TupleDesc
result_desc(FunctionCallInfo fcinfo, int columns)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	TupleDesc	desc;

	if (rsinfo != NULL && IsA(rsinfo, ReturnSetInfo) &&
		rsinfo->expectedDesc != NULL &&
		rsinfo->expectedDesc->tdtypeid != RECORDOID &&
		rsinfo->expectedDesc->tdtypeid == get_fn_expr_rettype(fcinfo->flinfo))
		desc = rsinfo->expectedDesc;
	else if (fcinfo->flinfo->fn_extra != NULL)
		desc = fcinfo->flinfo->fn_extra;
	else
	{
		MemoryContext caller = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);

		if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
			elog(ERROR, "return type must be a row type");
		fcinfo->flinfo->fn_extra = desc;
		MemoryContextSwitchTo(caller);
	}
	if (desc->natts != columns)
		elog(ERROR, "return type has %d columns instead of %d", desc->natts,
			 columns);
	return desc;
}

/* How the caller wants its rows; errors when it cannot take a set. */
static ReturnSetInfo *
set_info(FunctionCallInfo fcinfo)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	if (rsinfo == NULL || !IsA(rsinfo, ReturnSetInfo) ||
		(rsinfo->allowedModes & SFRM_Materialize) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("set-valued function called in context that cannot "
						"accept a set")));
	return rsinfo;
}

/* No tuplestore is needed to say that there is nothing in it. */
Datum
session_return_none(FunctionCallInfo fcinfo)
{
	set_info(fcinfo)->isDone = ExprEndResult;
	PG_RETURN_NULL();
}

/*
 * Hands over one row as a set.  The executor would make the same tuplestore
 * for a set returned by value, and a copy of the row's descriptor besides.
 */
static void
put_set(ReturnSetInfo *rsinfo, TupleDesc desc, Datum *values, bool *nulls)
{
	MemoryContext caller;

	caller = MemoryContextSwitchTo(rsinfo->econtext->ecxt_per_query_memory);
	rsinfo->setResult =
		tuplestore_begin_heap((rsinfo->allowedModes & SFRM_Materialize_Random) != 0,
							  false, work_mem);
	MemoryContextSwitchTo(caller);
	tuplestore_putvalues(rsinfo->setResult, desc, values, nulls);
	rsinfo->returnMode = SFRM_Materialize;
}

/* Returns a row, which of a SETOF function is the only one. */
static Datum
return_row(FunctionCallInfo fcinfo, int columns, Datum *values, bool *nulls)
{
	TupleDesc	desc = result_desc(fcinfo, columns);

	if (!fcinfo->flinfo->fn_retset)
		return HeapTupleGetDatum(heap_form_tuple(desc, values, nulls));
	put_set(set_info(fcinfo), desc, values, nulls);
	PG_RETURN_NULL();
}

static void
put_text(Datum *value, bool *null, const text *source)
{
	*null = source == NULL;
	*value = PointerGetDatum(source);
}

static void
put_time(Datum *value, bool *null, TimestampTz moment)
{
	*null = moment == SESSION_NO_TIME;
	*value = TimestampTzGetDatum(moment);
}

/* Fills the columns of session_info, in the order of the type. */
static void
info_values(const SessionRow *row, SessionStatus status,
			Datum *values, bool *nulls)
{
	int			i = 0;

	memset(nulls, 0, INFO_COLUMNS * sizeof(bool));
	values[i++] = UUIDPGetDatum(&row->id);
	values[i++] = CStringGetTextDatum(session_status_name(status));
	put_text(&values[i], &nulls[i], row->user_id), i++;
	put_text(&values[i], &nulls[i], row->tenant_id), i++;
	put_text(&values[i], &nulls[i], row->role), i++;
	values[i++] = Int32GetDatum(row->auth_level);
	values[i++] = PointerGetDatum(row->data);
	nulls[i] = row->ip == NULL;
	values[i++] = PointerGetDatum(row->ip);
	put_text(&values[i], &nulls[i], row->user_agent), i++;
	values[i++] = TimestampTzGetDatum(row->created_at);
	put_time(&values[i], &nulls[i], row->authenticated_at), i++;
	values[i++] = TimestampTzGetDatum(row->last_seen_at);
	values[i++] = TimestampTzGetDatum(session_policy_deadline(row));
	values[i++] = BoolGetDatum(session_context_is_current(&row->id));
	Assert(i == INFO_COLUMNS);
}

Datum
session_return_info(FunctionCallInfo fcinfo, const SessionRow *row,
					SessionStatus status)
{
	Datum		values[INFO_COLUMNS];
	bool		nulls[INFO_COLUMNS];

	info_values(row, status, values, nulls);
	return return_row(fcinfo, INFO_COLUMNS, values, nulls);
}

void
session_put_info(FunctionCallInfo fcinfo, const SessionRow *row,
				 SessionStatus status)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Datum		values[INFO_COLUMNS];
	bool		nulls[INFO_COLUMNS];

	info_values(row, status, values, nulls);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

Datum
session_return_credentials(FunctionCallInfo fcinfo, const SessionRow *row,
						   const SessionToken *token)
{
	Datum		values[CREDENTIAL_COLUMNS];
	bool		nulls[CREDENTIAL_COLUMNS] = {false, false, true, false, true};
	char		text_form[SESSION_TOKEN_CHARS];

	session_token_format(text_form, token);
	values[0] = UUIDPGetDatum(&row->id);
	values[1] = PointerGetDatum(cstring_to_text_with_len(text_form,
														 sizeof(text_form)));
	values[2] = (Datum) 0;
	values[3] = TimestampTzGetDatum(session_policy_deadline(row));
	values[4] = (Datum) 0;
	session_crypto_wipe(text_form, sizeof(text_form));
	return return_row(fcinfo, CREDENTIAL_COLUMNS, values, nulls);
}
