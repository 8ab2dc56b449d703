/*
 * claims.c
 *	  Claims that an application adds to snapshots and tokens.
 *
 * Rules:
 * - The administrator chooses the claims function.  It runs with the rights of
 *	 the calling role, which does not need EXECUTE on it.
 * - It runs with a search path that finds none of the caller's objects, so the
 *	 caller cannot influence the claims.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "parser/parse_func.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#include "compat.h"
#include "engine/claims.h"
#include "engine/info.h"
#include "engine/levels.h"
#include "model/json.h"
#include "settings.h"
#include "table/authority.h"
#include "table/store.h"

/* Returns claims without those that only this extension sets. */
Jsonb *
session_claims_without_reserved(Jsonb *claims)
{
	static const char *const reserved[] = {
		"sid", "sub", "uid", "tid", "role", "lvl", "amr", "aut", "tok", "end",
		"era", "pol", "iat", "exp", "nbf", "jti"
	};

	for (size_t i = 0; i < lengthof(reserved); i++)
		claims = session_json_without(claims, reserved[i]);
	return claims;
}

/*
 * The claims function
 */

/* Errors because the setting does not name a usable function. */
static void
refuse_function(const char *problem)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("\"session.claims_function\" %s", problem),
			 errhint("It must name a function that takes a session_info and "
					 "returns jsonb.")));
}

/* Returns the OID of the type session_info. */
static Oid
find_info_type(void)
{
	return GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid,
						   CStringGetDatum("session_info"),
						   ObjectIdGetDatum(session_levels_schema()));
}

/*
 * Finds the function by its name and its argument, the row type session_info.
 * Other functions of that name do not matter.
 */
static Oid
find_function(Oid *row_type)
{
	List	   *name = session_compat_name_list(session_settings.claims_function);
	Oid			function;

	/* Without a schema, the caller's search_path would choose the function. */
	if (list_length(name) < 2)
		refuse_function("does not say the schema of its function");
	*row_type = find_info_type();
	function = LookupFuncName(name, 1, row_type, true);
	if (!OidIsValid(function))
		refuse_function("does not name a function that takes a session_info");
	if (get_func_prokind(function) != PROKIND_FUNCTION ||
		get_func_retset(function) || get_func_rettype(function) != JSONBOID)
		refuse_function("names a function that does not return one jsonb");
	return function;
}

/*
 * Finds the function with the rights of the extension's owner, because the
 * caller may not have USAGE on its schema.
 */
static Oid
find_function_as_owner(Oid *row_type)
{
	Oid			function;
	SessionAuthority before;

	session_authority_take(&before, session_store_owner());
	function = find_function(row_type);
	session_authority_give_back(&before);
	return function;
}

/*
 * Calls the function with the search path "pg_catalog, pg_temp", so that the
 * caller's functions, operators and temporary tables cannot change its result.
 * Settings that the function leaves behind are restored.
 */
static Datum
call_function(FunctionCallInfo fcinfo)
{
	int			level = NewGUCNestLevel();
	Datum		result;

	(void) set_config_option("search_path", "pg_catalog, pg_temp",
							 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE,
							 true, 0, false);
	result = FunctionCallInvoke(fcinfo);
	AtEOXact_GUC(false, level);
	return result;
}

/* Returns what "session.claims_function" adds for a session. */
Jsonb *
session_claims_added(const SessionRow *row)
{
	LOCAL_FCINFO(fcinfo, 1);
	Datum		values[SESSION_INFO_COLUMNS];
	bool		nulls[SESSION_INFO_COLUMNS];
	TupleDesc	desc;
	FmgrInfo	function;
	Oid			row_type;
	Datum		result;

	if (session_settings.claims_function == NULL ||
		session_settings.claims_function[0] == '\0')
		return session_json_empty();
	fmgr_info(find_function_as_owner(&row_type), &function);
	desc = lookup_rowtype_tupdesc(row_type, -1);
	if (!session_info_fits(desc, session_info_types, SESSION_INFO_COLUMNS))
		refuse_function("takes a session_info of another shape");
	session_info_values(row, SESSION_ACTIVE, values, nulls);
	InitFunctionCallInfoData(*fcinfo, &function, 1, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = HeapTupleGetDatum(heap_form_tuple(desc, values,
															  nulls));
	fcinfo->args[0].isnull = false;
	ReleaseTupleDesc(desc);
	result = call_function(fcinfo);
	if (fcinfo->isnull)
		return session_json_empty();
	if (!JB_ROOT_IS_OBJECT(DatumGetJsonbP(result)))
		refuse_function("returned something other than an object");
	return DatumGetJsonbP(result);
}
