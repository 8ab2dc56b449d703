/*
 * data.c
 *	  SQL entry points: the data of one session.
 *
 *	  session_data			session_data_get	session_data_pop
 *	  session_data_set		session_data_delete	session_data_clear
 *	  session_data_save		session_data_merge	session_data_append
 *	  session_data_replace
 *
 * Rules: a token that is not that of an active session gives NULL or false.  A
 * missing key gives NULL too; a key with a JSON null gives 'null'.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"

#include "api/api.h"
#include "compat.h"
#include "engine/content.h"
#include "engine/data.h"

PG_FUNCTION_INFO_V1(session_data);
PG_FUNCTION_INFO_V1(session_data_get);
PG_FUNCTION_INFO_V1(session_data_pop);
PG_FUNCTION_INFO_V1(session_data_set);
PG_FUNCTION_INFO_V1(session_data_delete);
PG_FUNCTION_INFO_V1(session_data_clear);
PG_FUNCTION_INFO_V1(session_data_save);
PG_FUNCTION_INFO_V1(session_data_merge);
PG_FUNCTION_INFO_V1(session_data_append);
PG_FUNCTION_INFO_V1(session_data_replace);

/* Returns the argument "key"; errors if it is NULL. */
static text *
arg_key(FunctionCallInfo fcinfo)
{
	session_arg_required(fcinfo, 1, "key");
	return PG_GETARG_TEXT_PP(1);
}

/* Returns a jsonb argument; errors if it is NULL. */
static Jsonb *
arg_jsonb(FunctionCallInfo fcinfo, int n, const char *name)
{
	session_arg_required(fcinfo, n, name);
	return PG_GETARG_JSONB_P(n);
}

/* Returns a value, SQL NULL for a NULL pointer. */
static Datum
return_jsonb(FunctionCallInfo fcinfo, Jsonb *value)
{
	if (value == NULL)
		PG_RETURN_NULL();
	PG_RETURN_JSONB_P(value);
}

/* Returns the whole data. */
Datum
session_data(PG_FUNCTION_ARGS)
{
	SessionToken token;
	SessionPossession proven;
	Jsonb	   *data;

	if (!session_arg_token(fcinfo, 0, &token))
		PG_RETURN_NULL();
	session_arg_bound(fcinfo, 1, &proven);
	data = session_data_read(&token, &proven);
	session_crypto_wipe(&token, sizeof(token));
	return return_jsonb(fcinfo, data);
}

/* Returns the value of a key. */
Datum
session_data_get(PG_FUNCTION_ARGS)
{
	text	   *key = arg_key(fcinfo);
	SessionToken token;
	SessionPossession proven;
	Jsonb	   *value;

	if (!session_arg_token(fcinfo, 0, &token))
		PG_RETURN_NULL();
	session_arg_bound(fcinfo, 2, &proven);
	value = session_data_read_key(&token, &proven, key);
	session_crypto_wipe(&token, sizeof(token));
	return return_jsonb(fcinfo, value);
}

/* Removes a key and returns its value. */
Datum
session_data_pop(PG_FUNCTION_ARGS)
{
	text	   *key = arg_key(fcinfo);
	SessionToken token;
	SessionPossession proven;
	Jsonb	   *value;

	PreventCommandIfReadOnly("session_data_pop()");
	if (!session_arg_token(fcinfo, 0, &token))
		PG_RETURN_NULL();
	session_arg_bound(fcinfo, 2, &proven);
	value = session_data_take_key(&token, &proven, key);
	session_crypto_wipe(&token, sizeof(token));
	return return_jsonb(fcinfo, value);
}

/* Sets a key to a value. */
Datum
session_data_set(PG_FUNCTION_ARGS)
{
	text	   *key = arg_key(fcinfo);
	Jsonb	   *value = arg_jsonb(fcinfo, 2, "value");
	SessionToken token;
	SessionPossession proven;
	bool		live;

	PreventCommandIfReadOnly("session_data_set()");
	if (!session_arg_token(fcinfo, 0, &token))
		PG_RETURN_BOOL(false);
	session_arg_bound(fcinfo, 3, &proven);
	live = session_data_write_key(&token, &proven, key, value);
	session_crypto_wipe(&token, sizeof(token));
	PG_RETURN_BOOL(live);
}

/* Removes a key. */
Datum
session_data_delete(PG_FUNCTION_ARGS)
{
	text	   *key = arg_key(fcinfo);
	SessionToken token;
	SessionPossession proven;
	bool		live;

	PreventCommandIfReadOnly("session_data_delete()");
	if (!session_arg_token(fcinfo, 0, &token))
		PG_RETURN_BOOL(false);
	session_arg_bound(fcinfo, 2, &proven);
	live = session_data_remove_key(&token, &proven, key);
	session_crypto_wipe(&token, sizeof(token));
	PG_RETURN_BOOL(live);
}

/*
 * Replaces the data of the session whose token is the first argument, and
 * whose bound cookie is the argument "bound".
 */
static Datum
replace_data(FunctionCallInfo fcinfo, Jsonb *data, int bound)
{
	SessionToken token;
	SessionPossession proven;
	bool		live;

	if (!session_arg_token(fcinfo, 0, &token))
		PG_RETURN_BOOL(false);
	session_arg_bound(fcinfo, bound, &proven);
	live = session_data_write(&token, &proven, data);
	session_crypto_wipe(&token, sizeof(token));
	PG_RETURN_BOOL(live);
}

/* Replaces the data by an empty object. */
Datum
session_data_clear(PG_FUNCTION_ARGS)
{
	Datum		empty = DirectFunctionCall1(jsonb_in, CStringGetDatum("{}"));

	PreventCommandIfReadOnly("session_data_clear()");
	return replace_data(fcinfo, DatumGetJsonbP(empty), 1);
}

/* Replaces the data. */
Datum
session_data_save(PG_FUNCTION_ARGS)
{
	Jsonb	   *data = arg_jsonb(fcinfo, 1, "data");

	PreventCommandIfReadOnly("session_data_save()");
	session_content_check(data);
	return replace_data(fcinfo, data, 2);
}

/* Returns the argument "patch"; errors unless it is an object. */
static Jsonb *
arg_patch(FunctionCallInfo fcinfo)
{
	Jsonb	   *patch = arg_jsonb(fcinfo, 1, "patch");

	if (!JB_ROOT_IS_OBJECT(patch))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("patch must be a JSON object")));
	return patch;
}

/* Changes the data by a merge patch (RFC 7396). */
Datum
session_data_merge(PG_FUNCTION_ARGS)
{
	Jsonb	   *patch = arg_patch(fcinfo);
	SessionToken token;
	SessionPossession proven;
	bool		live;

	PreventCommandIfReadOnly("session_data_merge()");
	if (!session_arg_token(fcinfo, 0, &token))
		PG_RETURN_BOOL(false);
	session_arg_bound(fcinfo, 2, &proven);
	live = session_data_patch(&token, &proven, patch);
	session_crypto_wipe(&token, sizeof(token));
	PG_RETURN_BOOL(live);
}

/* Adds an element to the array under a key. */
Datum
session_data_append(PG_FUNCTION_ARGS)
{
	text	   *key = arg_key(fcinfo);
	Jsonb	   *value = arg_jsonb(fcinfo, 2, "value");
	SessionToken token;
	SessionPossession proven;
	bool		live;

	PreventCommandIfReadOnly("session_data_append()");
	if (!session_arg_token(fcinfo, 0, &token))
		PG_RETURN_BOOL(false);
	session_arg_bound(fcinfo, 3, &proven);
	live = session_data_add_element(&token, &proven, key, value);
	session_crypto_wipe(&token, sizeof(token));
	PG_RETURN_BOOL(live);
}

/* Returns a jsonb argument, NULL for SQL NULL. */
static Jsonb *
arg_optional(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : PG_GETARG_JSONB_P(n);
}

/* Sets a key to a value if it has the expected one. */
Datum
session_data_replace(PG_FUNCTION_ARGS)
{
	text	   *key = arg_key(fcinfo);
	Jsonb	   *expected = arg_optional(fcinfo, 2);
	Jsonb	   *value = arg_optional(fcinfo, 3);
	SessionToken token;
	SessionPossession proven;
	bool		replaced;

	PreventCommandIfReadOnly("session_data_replace()");
	if (!session_arg_token(fcinfo, 0, &token))
		PG_RETURN_BOOL(false);
	session_arg_bound(fcinfo, 4, &proven);
	replaced = session_data_compare_and_set(&token, &proven, key, expected, value);
	session_crypto_wipe(&token, sizeof(token));
	PG_RETURN_BOOL(replaced);
}
