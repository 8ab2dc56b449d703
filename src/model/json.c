/*
 * json.c
 *	  Builds, reads and converts JSON objects that are kept as jsonb.
 *
 * Rules: text that leaves here is UTF-8, whatever the encoding of the database
 * is.  Text that a client sent never raises an error here, even when jsonb
 * cannot hold it.
 */
#include "postgres.h"

#include <limits.h>

#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

#include "model/json.h"

Jsonb *
session_json_merged(Jsonb *first, Jsonb *second)
{
	return DatumGetJsonbP(DirectFunctionCall2(jsonb_concat,
											  JsonbPGetDatum(first),
											  JsonbPGetDatum(second)));
}

Jsonb *
session_json_empty(void)
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
	return session_json_merged(claims, JsonbValueToJsonb(object));
}

Jsonb *
session_json_with_text(Jsonb *claims, const char *name, const text *value)
{
	JsonbValue	string;

	string.type = jbvString;
	string.val.string.val = VARDATA_ANY(unconstify(text *, value));
	string.val.string.len = VARSIZE_ANY_EXHDR(value);
	return with_value(claims, name, &string);
}

Jsonb *
session_json_with_int(Jsonb *claims, const char *name, int64 value)
{
	JsonbValue	number;

	number.type = jbvNumeric;
	number.val.numeric = int64_to_numeric(value);
	return with_value(claims, name, &number);
}

Jsonb *
session_json_without(Jsonb *claims, const char *name)
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
session_json_member(const Jsonb *claims, const char *name, size_t len)
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

/* Drops the blanks that jsonb writes between tokens, in place. */
static size_t
remove_blanks(char *json)
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
session_json_text(Jsonb *claims, size_t *len)
{
	char	   *json = JsonbToCString(NULL, &claims->root, VARSIZE(claims));
	char	   *utf8;

	*len = remove_blanks(json);
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
parse_json(const char *json, size_t len, int encoding)
{
	char	   *terminated = pnstrdup(json, len);
	char	   *local = pg_any_to_server(terminated, (int) len, encoding);

	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
											  CStringGetDatum(local)));
}

/*
 * Returns whether an error is about a value that was read or written, and not
 * about the state of the server.
 */
static bool
is_about_input(int sqlerrcode)
{
	int			category = ERRCODE_TO_CATEGORY(sqlerrcode);

	return category == ERRCODE_TO_CATEGORY(ERRCODE_DATA_EXCEPTION) ||
		category == ERRCODE_TO_CATEGORY(ERRCODE_PROGRAM_LIMIT_EXCEEDED) ||
		sqlerrcode == ERRCODE_FEATURE_NOT_SUPPORTED ||
		sqlerrcode == ERRCODE_UNDEFINED_FUNCTION;
}

void
session_json_swallow_error(MemoryContext caller)
{
	ErrorData  *error;

	MemoryContextSwitchTo(caller);
	error = CopyErrorData();
	if (!is_about_input(error->sqlerrcode))
		PG_RE_THROW();
	FlushErrorState();
	FreeErrorData(error);
}

/* Returns NULL for text that is not JSON. */
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
		result = parse_json(json, len, encoding);
	}
	PG_CATCH();
	{
		session_json_swallow_error(caller);
	}
	PG_END_TRY();
	return result;
}

Jsonb *
session_json_parse(const char *json, size_t len)
{
	return parse_if_json(json, len, PG_UTF8);
}

Jsonb *
session_json_parse_local(const char *json)
{
	return parse_if_json(json, strlen(json), GetDatabaseEncoding());
}
