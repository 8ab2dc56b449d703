/*
 * hook.c
 *	  Functions of the application that settings name: they get a session.
 *
 * Rules:
 * - The administrator chooses the function.  It runs with the rights of the
 *	 calling role, which does not need EXECUTE on it.
 * - It runs with a search path that finds none of the caller's objects, so the
 *	 caller cannot influence its result.
 * - A function that cannot be used is an error that names the setting, so the
 *	 call fails.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "parser/parse_func.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "compat.h"
#include "engine/hook.h"
#include "engine/info.h"
#include "engine/levels.h"
#include "table/authority.h"
#include "table/store.h"

/* Errors because the setting does not name a usable function. */
void
session_hook_refuse(const SessionHook *hook, const char *problem)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("\"%s\" %s", hook->setting, problem),
			 errhint("It must name a function that takes %s and returns %s.",
					 hook->takes, hook->returns)));
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
 * Finds the function by its name and its arguments, of which the first has the
 * row type session_info.  Other functions of that name do not matter.
 */
static Oid
find_function(const SessionHook *hook, Oid row_type)
{
	List	   *name = session_compat_name_list(*hook->name);
	Oid			types[SESSION_HOOK_ARGS] = {row_type};
	Oid			function;

	/* Without a schema, the caller's search_path would choose the function. */
	if (list_length(name) < 2)
		session_hook_refuse(hook, "does not say the schema of its function");
	memcpy(&types[1], hook->more, hook->nmore * sizeof(Oid));
	function = LookupFuncName(name, 1 + hook->nmore, types, true);
	if (!OidIsValid(function))
		session_hook_refuse(hook, psprintf("does not name a function that takes %s",
										   hook->takes));
	if (get_func_prokind(function) != PROKIND_FUNCTION ||
		get_func_retset(function) ||
		get_func_rettype(function) != hook->result)
		session_hook_refuse(hook, psprintf("names a function that does not return one %s",
										   format_type_be(hook->result)));
	return function;
}

/*
 * Finds the function with the rights of the extension's owner, because the
 * caller may not have USAGE on its schema.
 */
static Oid
find_function_as_owner(const SessionHook *hook, Oid *row_type)
{
	Oid			function;
	SessionAuthority before;

	session_authority_take(&before, session_store_owner());
	*row_type = find_info_type();
	function = find_function(hook, *row_type);
	session_authority_give_back(&before);
	return function;
}

/* Returns a session as a value of the row type session_info. */
static Datum
make_info(const SessionHook *hook, const SessionRow *row, Oid row_type)
{
	Datum		values[SESSION_INFO_COLUMNS];
	bool		nulls[SESSION_INFO_COLUMNS];
	TupleDesc	desc = lookup_rowtype_tupdesc(row_type, -1);
	Datum		result;

	if (!session_info_fits(desc, session_info_types, SESSION_INFO_COLUMNS))
		session_hook_refuse(hook, "takes a session_info of another shape");
	session_info_values(row, SESSION_ACTIVE, values, nulls);
	result = HeapTupleGetDatum(heap_form_tuple(desc, values, nulls));
	ReleaseTupleDesc(desc);
	return result;
}

/*
 * Invokes the function with the search path "pg_catalog, pg_temp", so that the
 * caller's functions, operators and temporary tables cannot change its result.
 * Settings that the function leaves behind are restored.
 */
static Datum
invoke(FunctionCallInfo fcinfo)
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

/* Calls the function of a setting. */
Datum
session_hook_call(const SessionHook *hook, const SessionRow *row,
				  const NullableDatum * more, bool *isnull)
{
	LOCAL_FCINFO(fcinfo, SESSION_HOOK_ARGS);
	FmgrInfo	function;
	Oid			row_type;
	Datum		result;

	fmgr_info(find_function_as_owner(hook, &row_type), &function);
	InitFunctionCallInfoData(*fcinfo, &function, 1 + hook->nmore,
							 DEFAULT_COLLATION_OID, NULL, NULL);
	fcinfo->args[0].value = make_info(hook, row, row_type);
	fcinfo->args[0].isnull = false;
	*isnull = true;
	for (int i = 0; i < hook->nmore; i++)
	{
		fcinfo->args[1 + i] = more[i];
		if (more[i].isnull && function.fn_strict)
			return (Datum) 0;
	}
	result = invoke(fcinfo);
	*isnull = fcinfo->isnull;
	return result;
}
