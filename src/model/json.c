/*
 * json.c
 *	  Builds, reads and converts JSON objects that are kept as jsonb.
 *
 * Rules: the functions return UTF-8 text in every encoding of the database.
 * Text that a client sent never raises an error here, even when jsonb cannot
 * hold it.
 */
#include "postgres.h"

#include <limits.h>

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

#include "compat.h"
#include "model/json.h"

/* Returns the members of both objects; the second one wins. */
Jsonb *
session_json_merged(Jsonb *first, Jsonb *second)
{
	return DatumGetJsonbP(DirectFunctionCall2(jsonb_concat,
											  JsonbPGetDatum(first),
											  JsonbPGetDatum(second)));
}

/* Returns an object without members. */
Jsonb *
session_json_empty(void)
{
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum("{}")));
}

/* Begins an object. */
void
session_json_begin(JsonbParseState **object)
{
	*object = NULL;
	pushJsonbValue(object, WJB_BEGIN_OBJECT, NULL);
}

/* Ends an object and returns it. */
Jsonb *
session_json_end(JsonbParseState **object)
{
	return JsonbValueToJsonb(pushJsonbValue(object, WJB_END_OBJECT, NULL));
}

/* Adds the name of a member, whose value comes next. */
static void
put_member_name(JsonbParseState **object, const char *name)
{
	JsonbValue	key;

	key.type = jbvString;
	key.val.string.val = unconstify(char *, name);
	key.val.string.len = strlen(name);
	pushJsonbValue(object, WJB_KEY, &key);
}

/* Makes a string, which points into the text. */
static void
make_string(JsonbValue *string, const text *value)
{
	string->type = jbvString;
	string->val.string.val = VARDATA_ANY(unconstify(text *, value));
	string->val.string.len = VARSIZE_ANY_EXHDR(value);
}

/* Adds a string to an object that is being built. */
void
session_json_put_text(JsonbParseState **object, const char *name,
					  const text *value)
{
	JsonbValue	string;

	make_string(&string, value);
	put_member_name(object, name);
	pushJsonbValue(object, WJB_VALUE, &string);
}

/* Adds a string to an object that is being built, unless it is NULL. */
void
session_json_put_optional(JsonbParseState **object, const char *name,
						  const text *value)
{
	if (value != NULL)
		session_json_put_text(object, name, value);
}

/* Adds a member that is any value. */
void
session_json_put_value(JsonbParseState **object, const char *name,
					   Jsonb *value)
{
	JsonbValue	item;

	JsonbToJsonbValue(value, &item);
	put_member_name(object, name);
	pushJsonbValue(object, WJB_VALUE, &item);
}

/* Adds a string in the encoding of the database. */
void
session_json_put_string(JsonbParseState **object, const char *name,
						const char *value)
{
	JsonbValue	string;

	string.type = jbvString;
	string.val.string.val = unconstify(char *, value);
	string.val.string.len = (int) strlen(value);
	put_member_name(object, name);
	pushJsonbValue(object, WJB_VALUE, &string);
}

/* Adds an integer to an object that is being built. */
void
session_json_put_int(JsonbParseState **object, const char *name, int64 value)
{
	JsonbValue	number;

	number.type = jbvNumeric;
	number.val.numeric = int64_to_numeric(value);
	put_member_name(object, name);
	pushJsonbValue(object, WJB_VALUE, &number);
}

/* Adds an array of strings to an object that is being built. */
void
session_json_put_array(JsonbParseState **object, const char *name,
					   ArrayType *value)
{
	Datum	   *elements;
	int			count;

	deconstruct_array(value, TEXTOID, -1, false, TYPALIGN_INT, &elements,
					  NULL, &count);
	put_member_name(object, name);
	pushJsonbValue(object, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < count; i++)
	{
		JsonbValue	string;

		make_string(&string, DatumGetTextPP(elements[i]));
		pushJsonbValue(object, WJB_ELEM, &string);
	}
	pushJsonbValue(object, WJB_END_ARRAY, NULL);
}

/* Returns the object with a string added or replaced. */
Jsonb *
session_json_with_text(Jsonb *object, const char *name, const text *value)
{
	JsonbParseState *member;

	session_json_begin(&member);
	session_json_put_text(&member, name, value);
	return session_json_merged(object, session_json_end(&member));
}

/* Returns the object with a string added or replaced, unless it is NULL. */
Jsonb *
session_json_with_optional(Jsonb *object, const char *name, const text *value)
{
	return value == NULL ? object :
		session_json_with_text(object, name, value);
}

/* Returns the object with an integer added or replaced. */
Jsonb *
session_json_with_int(Jsonb *object, const char *name, int64 value)
{
	JsonbParseState *member;

	session_json_begin(&member);
	session_json_put_int(&member, name, value);
	return session_json_merged(object, session_json_end(&member));
}

/* Returns the object with a value added or replaced. */
Jsonb *
session_json_with_value(Jsonb *object, const char *name, Jsonb *value)
{
	JsonbParseState *member;

	session_json_begin(&member);
	session_json_put_value(&member, name, value);
	return session_json_merged(object, session_json_end(&member));
}

/* Returns whether the name of a member is one of some names. */
static bool
is_one_of(const JsonbValue *member, const char *const *names, int count)
{
	for (int i = 0; i < count; i++)
		if (strlen(names[i]) == (size_t) member->val.string.len &&
			memcmp(names[i], member->val.string.val,
				   member->val.string.len) == 0)
			return true;
	return false;
}

/* Returns the object without the members of some names. */
Jsonb *
session_json_without(Jsonb *object, const char *const *names, int count)
{
	JsonbParseState *kept;
	JsonbIterator *members = JsonbIteratorInit(&object->root);
	JsonbValue	name;
	JsonbValue	value;

	session_json_begin(&kept);
	(void) JsonbIteratorNext(&members, &name, true);
	while (JsonbIteratorNext(&members, &name, true) == WJB_KEY)
	{
		(void) JsonbIteratorNext(&members, &value, true);
		if (is_one_of(&name, names, count))
			continue;
		pushJsonbValue(&kept, WJB_KEY, &name);
		pushJsonbValue(&kept, WJB_VALUE, &value);
	}
	return session_json_end(&kept);
}

/* Returns the value of a member, NULL if there is none or no object. */
static JsonbValue *
member_of(JsonbContainer *object, JsonbValue *name, JsonbValue *scratch)
{
	if (object == NULL)
		return NULL;
	return getKeyJsonValueFromContainer(object, name->val.string.val,
										name->val.string.len, scratch);
}

/* Returns the container of a value that is an object, NULL for any other. */
static JsonbContainer *
object_of(JsonbValue *value)
{
	if (value == NULL || value->type != jbvBinary ||
		!JsonContainerIsObject(value->val.binary.data))
		return NULL;
	return value->val.binary.data;
}

static JsonbValue *push_patched(JsonbParseState **state,
								JsonbContainer *object, JsonbContainer *patch);

/*
 * Adds a member of a patch that is not null to the result.  The value is what
 * the patched object has under the name, NULL if it has nothing.
 */
static void
push_change(JsonbParseState **state, JsonbValue *name, JsonbValue *value,
			JsonbValue *change)
{
	JsonbContainer *patch = object_of(change);

	pushJsonbValue(state, WJB_KEY, name);
	if (patch != NULL)
		push_patched(state, object_of(value), patch);
	else
		pushJsonbValue(state, WJB_VALUE, change);
}

/* Adds the members of an object, as a patch changes them, to the result. */
static void
push_members(JsonbParseState **state, JsonbContainer *object,
			 JsonbContainer *patch)
{
	JsonbIterator *members = JsonbIteratorInit(object);
	JsonbValue	name;
	JsonbValue	value;
	JsonbValue	scratch;

	(void) JsonbIteratorNext(&members, &name, true);
	while (JsonbIteratorNext(&members, &name, true) == WJB_KEY)
	{
		JsonbValue *change = member_of(patch, &name, &scratch);

		(void) JsonbIteratorNext(&members, &value, true);
		if (change == NULL)
		{
			pushJsonbValue(state, WJB_KEY, &name);
			pushJsonbValue(state, WJB_VALUE, &value);
		}
		else if (change->type != jbvNull)
			push_change(state, &name, &value, change);
	}
}

/* Adds the members of a patch whose names the object lacks to the result. */
static void
push_new_members(JsonbParseState **state, JsonbContainer *object,
				 JsonbContainer *patch)
{
	JsonbIterator *members = JsonbIteratorInit(patch);
	JsonbValue	name;
	JsonbValue	change;
	JsonbValue	scratch;

	(void) JsonbIteratorNext(&members, &name, true);
	while (JsonbIteratorNext(&members, &name, true) == WJB_KEY)
	{
		(void) JsonbIteratorNext(&members, &change, true);
		if (change.type != jbvNull &&
			member_of(object, &name, &scratch) == NULL)
			push_change(state, &name, NULL, &change);
	}
}

/*
 * Adds an object, as a patch changes it, to the result and returns it.  The
 * object is NULL where the patch makes a new one.
 */
static JsonbValue *
push_patched(JsonbParseState **state, JsonbContainer *object,
			 JsonbContainer *patch)
{
	/* The patch can be nested as deeply as jsonb allows. */
	check_stack_depth();
	pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
	if (object != NULL)
		push_members(state, object, patch);
	push_new_members(state, object, patch);
	return pushJsonbValue(state, WJB_END_OBJECT, NULL);
}

/* Returns the object changed by a merge patch (RFC 7396, section 2). */
Jsonb *
session_json_patched(Jsonb *object, Jsonb *patch)
{
	JsonbParseState *state = NULL;

	return JsonbValueToJsonb(push_patched(&state, &object->root,
										  &patch->root));
}

/* Returns an array without elements. */
Jsonb *
session_json_empty_array(void)
{
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum("[]")));
}

/* Returns the array with a value as its new last element. */
Jsonb *
session_json_with_element(Jsonb *array, Jsonb *value)
{
	JsonbParseState *state = NULL;
	JsonbValue	element;
	JsonbValue *last;

	/* jsonb_concat would add the elements of an array one by one. */
	JsonbToJsonbValue(value, &element);
	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	pushJsonbValue(&state, WJB_ELEM, &element);
	last = pushJsonbValue(&state, WJB_END_ARRAY, NULL);
	return session_json_merged(array, JsonbValueToJsonb(last));
}

/* Returns whether two values are equal. */
bool
session_json_equal(Jsonb *a, Jsonb *b)
{
	return compareJsonbContainers(&a->root, &b->root) == 0;
}

/* Returns a member of an object, NULL if it has none. */
JsonbValue *
session_json_find(const Jsonb *object, const char *name, JsonbValue *scratch)
{
	return getKeyJsonValueFromContainer(unconstify(JsonbContainer *,
												   &object->root),
										name, (int) strlen(name), scratch);
}

/* Returns whether a value is a given string. */
bool
session_json_is_string(const JsonbValue *value, const char *string)
{
	return value->type == jbvString &&
		value->val.string.len == (int) strlen(string) &&
		memcmp(value->val.string.val, string, strlen(string)) == 0;
}

/* Returns the JSON text of a value. */
static text *
value_text(JsonbValue *value)
{
	Jsonb	   *whole = JsonbValueToJsonb(value);

	return cstring_to_text(JsonbToCString(NULL, &whole->root, VARSIZE(whole)));
}

/* Returns a member as text; NULL when it is missing or null. */
text *
session_json_member(const Jsonb *object, const char *name, size_t len)
{
	JsonbValue	scratch;
	JsonbValue *value;

	if (!JB_ROOT_IS_OBJECT(object) || len > INT_MAX)
		return NULL;
	value = getKeyJsonValueFromContainer(unconstify(JsonbContainer *,
													&object->root),
										 name, (int) len, &scratch);
	if (value == NULL || value->type == jbvNull)
		return NULL;
	if (value->type == jbvString)
		return cstring_to_text_with_len(value->val.string.val,
										value->val.string.len);
	return value_text(value);
}

/*
 * Removes the blanks that jsonb writes between tokens, in place.  Returns the
 * length that is left.
 */
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

/* Returns the object as UTF-8 text without blanks, and its length. */
char *
session_json_text(Jsonb *object, size_t *len)
{
	char	   *json = JsonbToCString(NULL, &object->root, VARSIZE(object));
	char	   *utf8;

	*len = remove_blanks(json);
	utf8 = pg_server_to_any(json, (int) *len, PG_UTF8);
	if (utf8 == json)
		return utf8;
	*len = strlen(utf8);
	/* Some characters of some encodings do not survive the round trip. */
	if (strcmp(pg_any_to_server(utf8, (int) *len, PG_UTF8), json) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNTRANSLATABLE_CHARACTER),
				 errmsg("payload contains characters whose conversion to UTF-8 is not reversible")));
	return utf8;
}

/* Converts text to the database's encoding, and parses it. */
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

/* Drops an error about a JSON value, and throws any other again. */
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

/* Parses text; returns NULL when it is not JSON. */
static Jsonb *
parse_if_json(const char *json, size_t len, int encoding)
{
	MemoryContext caller = CurrentMemoryContext;
	Jsonb	   *volatile result = NULL;

	/*
	 * No subtransaction is needed: the called functions do nothing but
	 * allocate memory in the caller's context.
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

/* Parses UTF-8 text; returns NULL when it is not JSON. */
Jsonb *
session_json_parse(const char *json, size_t len)
{
	return parse_if_json(json, len, PG_UTF8);
}

/* Parses text in the database's encoding; NULL when it is not JSON. */
Jsonb *
session_json_parse_local(const char *json)
{
	return parse_if_json(json, strlen(json), GetDatabaseEncoding());
}
