/*
 * result.c
 *	  Builds results: session_info and session_credentials.
 *
 * Rules:
 * - A set is always returned as a tuplestore, which also works beside other
 *	 sets in a select list.
 * - The tuple descriptor of the executor is used if it has the row type.
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
#include "engine/info.h"

static const Oid credential_types[] = {
	UUIDOID, TEXTOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID
};

#define CREDENTIAL_COLUMNS lengthof(credential_types)

/* Errors if the row type has other columns; its owner may have altered it. */
static void
check_desc(TupleDesc desc, const Oid *types, int columns)
{
	if (!session_info_fits(desc, types, columns))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the function's row type is not the one this version "
						"of the session library works with"),
				 errhint("Run ALTER EXTENSION session UPDATE after installing "
						 "a new version.")));
}

/* Returns the row type of the result; errors if it has other columns. */
static TupleDesc
result_desc(FunctionCallInfo fcinfo, const Oid *types, int columns)
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
		fcinfo->flinfo->fn_extra = desc = BlessTupleDesc(desc);
		MemoryContextSwitchTo(caller);
	}
	check_desc(desc, types, columns);
	return desc;
}

/* Returns what the executor says about the result; it must accept a set. */
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

/* Returns an empty set, for which no tuplestore is needed. */
Datum
session_return_none(FunctionCallInfo fcinfo)
{
	set_info(fcinfo)->isDone = ExprEndResult;
	PG_RETURN_NULL();
}

/*
 * Returns one row as a set, in a tuplestore.  For a set returned by value, the
 * executor would make the same tuplestore and a copy of the descriptor too.
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

/* Returns a row, or a set of one row if the function returns a set. */
Datum
session_return_values(FunctionCallInfo fcinfo, const Oid *types, int columns,
					  Datum *values, bool *nulls)
{
	TupleDesc	desc = result_desc(fcinfo, types, columns);

	if (!fcinfo->flinfo->fn_retset)
		return HeapTupleGetDatum(heap_form_tuple(desc, values, nulls));
	put_set(set_info(fcinfo), desc, values, nulls);
	PG_RETURN_NULL();
}

/* Returns a session as a session_info. */
Datum
session_return_info(FunctionCallInfo fcinfo, const SessionRow *row,
					SessionStatus status)
{
	Datum		values[SESSION_INFO_COLUMNS];
	bool		nulls[SESSION_INFO_COLUMNS];

	session_info_values(row, status, values, nulls);
	return session_return_values(fcinfo, session_info_types,
								 SESSION_INFO_COLUMNS, values, nulls);
}

/* Begins a set of session_info. */
void
session_begin_infos(FunctionCallInfo fcinfo)
{
	InitMaterializedSRF(fcinfo, 0);
	check_desc(((ReturnSetInfo *) fcinfo->resultinfo)->setDesc,
			   session_info_types, SESSION_INFO_COLUMNS);
}

/* Adds a session to a set of session_info. */
void
session_put_info(FunctionCallInfo fcinfo, const SessionRow *row,
				 SessionStatus status)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Datum		values[SESSION_INFO_COLUMNS];
	bool		nulls[SESSION_INFO_COLUMNS];

	session_info_values(row, status, values, nulls);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* Returns a token as text, and wipes its characters. */
static Datum
token_datum(char chars[SESSION_TOKEN_CHARS])
{
	text	   *value = cstring_to_text_with_len(chars, SESSION_TOKEN_CHARS);

	session_crypto_wipe(chars, SESSION_TOKEN_CHARS);
	return PointerGetDatum(value);
}

/* Returns the session token that the client gets. */
static Datum
given_datum(const SessionCredentials *given)
{
	char		chars[SESSION_TOKEN_CHARS];

	if (given->foreign_len > 0)
		return PointerGetDatum(cstring_to_text_with_len(given->foreign,
														(int) given->foreign_len));
	session_token_format(chars, &given->token);
	return token_datum(chars);
}

/* Returns a session's id, new tokens and deadlines. */
static Datum
return_tokens(FunctionCallInfo fcinfo, const SessionRow *row,
			  const SessionCredentials *given)
{
	Datum		values[CREDENTIAL_COLUMNS] = {0};
	bool		nulls[CREDENTIAL_COLUMNS] = {false};
	char		chars[SESSION_TOKEN_CHARS];

	values[0] = UUIDPGetDatum(&row->id);
	values[1] = given_datum(given);
	nulls[2] = nulls[4] = !given->refreshable;
	if (given->refreshable)
	{
		session_token_format_refresh(chars, &given->refresh);
		values[2] = token_datum(chars);
		values[4] = TimestampTzGetDatum(session_policy_end(row));
	}
	values[3] = TimestampTzGetDatum(session_policy_deadline(row));
	return session_return_values(fcinfo, credential_types, CREDENTIAL_COLUMNS,
								 values, nulls);
}

/* Returns what a call gave, if it gave anything, and wipes it. */
Datum
session_return_credentials(FunctionCallInfo fcinfo, bool gave,
						   const SessionRow *row, SessionCredentials *given)
{
	Datum		result = gave ? return_tokens(fcinfo, row, given) :
	session_return_none(fcinfo);

	session_crypto_wipe(given, sizeof(*given));
	return result;
}
