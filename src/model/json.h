/*
 * json.h
 *	  Builds, reads and converts JSON objects that are kept as jsonb.
 */
#ifndef SESSION_JSON_H
#define SESSION_JSON_H

#include "utils/array.h"
#include "utils/jsonb.h"

/* Returns an object without members. */
extern Jsonb *session_json_empty(void);

/*
 * Builds an object member by member: begin, put, end.  Of two members with one
 * name, the later one counts.
 */
extern void session_json_begin(JsonbParseState **object);
extern void session_json_put_text(JsonbParseState **object, const char *name,
								  const text *value);
extern void session_json_put_string(JsonbParseState **object,
									const char *name, const char *value);
extern void session_json_put_int(JsonbParseState **object, const char *name,
								 int64 value);
extern Jsonb *session_json_end(JsonbParseState **object);

/* Adds a member that is any value. */
extern void session_json_put_value(JsonbParseState **object,
								   const char *name, Jsonb *value);

/* As session_json_put_text, but a NULL value adds no member. */
extern void session_json_put_optional(JsonbParseState **object,
									  const char *name, const text *value);

/* The value is an array of text without NULLs. */
extern void session_json_put_array(JsonbParseState **object,
								   const char *name, ArrayType *value);

/* Returns the object with a member added, or replaced if it has the name. */
extern Jsonb *session_json_with_text(Jsonb *object, const char *name,
									 const text *value);
extern Jsonb *session_json_with_int(Jsonb *object, const char *name,
									int64 value);

extern Jsonb *session_json_with_value(Jsonb *object, const char *name,
									  Jsonb *value);

/* As session_json_with_text, but a NULL value adds no member. */
extern Jsonb *session_json_with_optional(Jsonb *object, const char *name,
										 const text *value);

/* Returns the object without the members of some names. */
extern Jsonb *session_json_without(Jsonb *object, const char *const *names,
								   int count);

/*
 * Returns the members of both objects; a name that both have keeps the value
 * of the second.
 */
extern Jsonb *session_json_merged(Jsonb *first, Jsonb *second);

/*
 * Returns the object changed by a merge patch as RFC 7396 defines it: a null
 * removes the member of its name, an object is merged with the member, and any
 * other value replaces it.  Both arguments must be objects.
 */
extern Jsonb *session_json_patched(Jsonb *object, Jsonb *patch);

/* Returns the array with a value as its new last element. */
extern Jsonb *session_json_with_element(Jsonb *array, Jsonb *value);

/* Returns an array without elements. */
extern Jsonb *session_json_empty_array(void);

/* Returns whether two values are equal, as the operator = does. */
extern bool session_json_equal(Jsonb *a, Jsonb *b);

/* Returns a member of an object in the memory given, NULL if it has none. */
extern JsonbValue *session_json_find(const Jsonb *object, const char *name,
									 JsonbValue *scratch);

/* Returns whether a value is a given string. */
extern bool session_json_is_string(const JsonbValue *value,
								   const char *string);

/*
 * Returns a member as text, as the operator ->> does: the characters of a
 * string, the JSON of any other value.  Returns NULL for a name that the
 * object does not have and for a JSON null.
 */
extern text *session_json_member(const Jsonb *object, const char *name,
								 size_t len);

/*
 * Returns the object as UTF-8 text without blanks between its tokens, and its
 * length without the terminator in *len.  Raises 22P05 for characters
 * that do not survive the conversion to UTF-8 and back.
 */
extern char *session_json_text(Jsonb *object, size_t *len);

/*
 * Parses UTF-8 text.  Returns NULL when it is not JSON, or JSON that jsonb
 * cannot hold; raises no error for it.
 */
extern Jsonb *session_json_parse(const char *json, size_t len);

/* Parses text that is in the encoding of the database in the same way. */
extern Jsonb *session_json_parse_local(const char *json);

/*
 * Called within PG_CATCH: drops an error about a value that was read or
 * written as JSON, and throws any other error again.
 */
extern void session_json_swallow_error(MemoryContext caller);

#endif							/* SESSION_JSON_H */
