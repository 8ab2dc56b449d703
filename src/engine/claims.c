/*
 * claims.c
 *	  JSON objects that become, or were, the payload of a cookie.
 *
 * Rules: payloads are UTF-8 whatever the encoding of the database is.  What a
 * stranger sent never raises here, even when jsonb cannot hold it.  The claims
 * function is the administrator's choice: it runs with the rights of whoever
 * mints, who need not have the right to call it, and with a search path in
 * which nothing of theirs is found.
 */
#include "postgres.h"

#include <limits.h>

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "parser/parse_func.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/regproc.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#include "compat.h"
#include "table/authority.h"
#include "engine/claims.h"
#include "engine/info.h"
#include "engine/levels.h"
#include "table/store.h"
#include "settings.h"

Jsonb *
session_claims_merged(Jsonb *first, Jsonb *second)
{
	return DatumGetJsonbP(DirectFunctionCall2(jsonb_concat,
											  JsonbPGetDatum(first),
											  JsonbPGetDatum(second)));
}

Jsonb *
session_claims_empty(void)
{
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum("{}")));
}

/* Adds a member to an object, or replaces it. */
static Jsonb *
with_value(Jsonb *claims, const char *name, JsonbValue *value)
{
	JsonbParseState *state = NULL;
	JsonbValue	key;
	JsonbValue *object;

	key.type = jbvString;
	key.val.string.val = unconstify(char *, name);
	key.val.string.len = strlen(name);
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	pushJsonbValue(&state, WJB_KEY, &key);
	pushJsonbValue(&state, WJB_VALUE, value);
	object = pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	return session_claims_merged(claims, JsonbValueToJsonb(object));
}

Jsonb *
session_claims_with_text(Jsonb *claims, const char *name, const text *value)
{
	JsonbValue	string;

	string.type = jbvString;
	string.val.string.val = VARDATA_ANY(unconstify(text *, value));
	string.val.string.len = VARSIZE_ANY_EXHDR(value);
	return with_value(claims, name, &string);
}

Jsonb *
session_claims_with_int(Jsonb *claims, const char *name, int64 value)
{
	JsonbValue	number;

	number.type = jbvNumeric;
	number.val.numeric = int64_to_numeric(value);
	return with_value(claims, name, &number);
}

Jsonb *
session_claims_without(Jsonb *claims, const char *name)
{
	return DatumGetJsonbP(DirectFunctionCall2(jsonb_delete,
											  JsonbPGetDatum(claims),
											  CStringGetTextDatum(name)));
}

/* The JSON of one value. */
static text *
value_text(JsonbValue *value)
{
	Jsonb	   *whole = JsonbValueToJsonb(value);

	return cstring_to_text(JsonbToCString(NULL, &whole->root, VARSIZE(whole)));
}

text *
session_claims_member(const Jsonb *claims, const char *name, size_t len)
{
	JsonbValue	scratch;
	JsonbValue *value;

	if (!JB_ROOT_IS_OBJECT(claims) || len > INT_MAX)
		return NULL;
	value = getKeyJsonValueFromContainer(unconstify(JsonbContainer *,
													&claims->root),
										 name, (int) len, &scratch);
	if (value == NULL || value->type == jbvNull)
		return NULL;
	if (value->type == jbvString)
		return cstring_to_text_with_len(value->val.string.val,
										value->val.string.len);
	return value_text(value);
}

Jsonb *
session_claims_without_reserved(Jsonb *claims)
{
	static const char *const reserved[] = {
		"sid", "sub", "uid", "tid", "role", "lvl", "aut", "tok", "end", "era",
		"iat", "exp", "nbf", "jti"
	};

	for (size_t i = 0; i < lengthof(reserved); i++)
		claims = session_claims_without(claims, reserved[i]);
	return claims;
}

/* Drops the blanks that jsonb writes between tokens, in place. */
static size_t
squeeze(char *json)
{
	char	   *out = json;
	bool		quoted = false;

	for (const char *in = json; *in != '\0'; in++)
	{
		if (*in == '"')
			quoted = !quoted;
		if (*in == '\\' && in[1] != '\0')
			*out++ = *in++;
		if (quoted || *in != ' ')
			*out++ = *in;
	}
	*out = '\0';
	return out - json;
}

char *
session_claims_text(Jsonb *claims, size_t *len)
{
	char	   *json = JsonbToCString(NULL, &claims->root, VARSIZE(claims));
	char	   *utf8;

	*len = squeeze(json);
	utf8 = pg_server_to_any(json, (int) *len, PG_UTF8);
	if (utf8 == json)
		return utf8;
	*len = strlen(utf8);
	/* Some encodings have characters that come back as others. */
	if (strcmp(pg_any_to_server(utf8, (int) *len, PG_UTF8), json) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNTRANSLATABLE_CHARACTER),
				 errmsg("payload has characters that UTF-8 does not tell apart")));
	return utf8;
}

/* jsonb_in and the conversion before it are all that is done here. */
static Jsonb *
parse(const char *json, size_t len, int encoding)
{
	char	   *terminated = pnstrdup(json, len);
	char	   *local = pg_any_to_server(terminated, (int) len, encoding);

	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
											  CStringGetDatum(local)));
}

/* Is it an error of a value that was read or written, and not of the server? */
static bool
about_input(int sqlerrcode)
{
	int			category = ERRCODE_TO_CATEGORY(sqlerrcode);

	return category == ERRCODE_TO_CATEGORY(ERRCODE_DATA_EXCEPTION) ||
		category == ERRCODE_TO_CATEGORY(ERRCODE_PROGRAM_LIMIT_EXCEEDED) ||
		sqlerrcode == ERRCODE_FEATURE_NOT_SUPPORTED ||
		sqlerrcode == ERRCODE_UNDEFINED_FUNCTION;
}

void
session_claims_forgive(MemoryContext caller)
{
	ErrorData  *error;

	MemoryContextSwitchTo(caller);
	error = CopyErrorData();
	if (!about_input(error->sqlerrcode))
		PG_RE_THROW();
	FlushErrorState();
	FreeErrorData(error);
}

/* NULL when it is not JSON. */
static Jsonb *
parse_if_json(const char *json, size_t len, int encoding)
{
	MemoryContext caller = CurrentMemoryContext;
	Jsonb	   *volatile result = NULL;

	/*
	 * No subtransaction: nothing that is called has effects other than memory
	 * of the caller's context.
	 */
	PG_TRY();
	{
		result = parse(json, len, encoding);
	}
	PG_CATCH();
	{
		session_claims_forgive(caller);
	}
	PG_END_TRY();
	return result;
}

Jsonb *
session_claims_parse(const char *json, size_t len)
{
	return parse_if_json(json, len, PG_UTF8);
}

Jsonb *
session_claims_parse_local(const char *json)
{
	return parse_if_json(json, strlen(json), GetDatabaseEncoding());
}

/*
 * The claims function
 */

static void
refuse_function(const char *problem)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("\"session.claims_function\" %s", problem),
			 errhint("It must name a function that takes a session_info and "
					 "returns jsonb.")));
}

/* Returns the type session_info. */
static Oid
find_info_type(void)
{
	return GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid,
						   CStringGetDatum("session_info"),
						   ObjectIdGetDatum(session_levels_schema()));
}

/*
 * Finds the function by its name and its argument, the row type session_info,
 * so that other functions of that name do not matter.
 */
static Oid
find_function(Oid *row_type)
{
	List	   *name = session_compat_name_list(session_settings.claims_function);
	Oid			function;

	/* The caller's search_path has no say in what is minted. */
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
 * Finds it with the rights of the extension's owner: whoever mints need not
 * know where it is.
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
 * Calls the function where a name without a schema means the server's own, so
 * that the caller's temporary tables, functions and operators have no part in
 * what it says.  Settings that it leaves behind are undone.
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
		return session_claims_empty();
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
		return session_claims_empty();
	if (!JB_ROOT_IS_OBJECT(DatumGetJsonbP(result)))
		refuse_function("returned something other than an object");
	return DatumGetJsonbP(result);
}
