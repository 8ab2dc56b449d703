/*
 * data.c
 *	  The data of a session: a JSON object with a size limit.
 *
 * Rules:
 * - A change is computed from the newest version of the locked row, so that
 *	 concurrent writers of different keys lose nothing.
 * - Data that a change leaves as it was is not written again.
 * - The data is changed with the server's own jsonb functions, called
 *	 directly.  A user's operators and search path cannot interfere.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "audit/event.h"
#include "compat.h"
#include "engine/activity.h"
#include "engine/content.h"
#include "engine/data.h"
#include "engine/lifecycle.h"
#include "model/json.h"
#include "table/store.h"

/* Returns the value of a key, NULL if there is none. */
static Jsonb *
value_of(Jsonb *data, const text *key)
{
	JsonbValue *value;

	value = getKeyJsonValueFromContainer(&data->root, VARDATA_ANY(key),
										 VARSIZE_ANY_EXHDR(key), NULL);
	return value == NULL ? NULL : JsonbValueToJsonb(value);
}

/* Returns the data of a session, and records the use. */
Jsonb *
session_data_read(const SessionToken *token, const SessionPossession *proven)
{
	SessionRow	row;

	if (!session_lifecycle_use(token, proven, &row))
		return NULL;
	return session_content_of(&row);
}

/* Returns the value of a key, and records the use. */
Jsonb *
session_data_read_key(const SessionToken *token,
					  const SessionPossession *proven, const text *key)
{
	Jsonb	   *data = session_data_read(token, proven);

	return data == NULL ? NULL : value_of(data, key);
}

/* Writes new data into a locked row; records a use if nothing changed. */
static void
write_data(SessionRow *row, Jsonb *old, Jsonb *data)
{
	TimestampTz now = GetCurrentTimestamp();

	/* Equal data is written again if it is to be sealed, or no longer. */
	if (VARSIZE(old) == VARSIZE(data) &&
		memcmp(old, data, VARSIZE(data)) == 0 &&
		session_content_is_sealed(row) == session_settings.encrypt_data)
	{
		session_activity_record(row, now);
		return;
	}
	row->data = session_content_stored(row, data);
	session_policy_touch(row, now);
	session_store_save_data(row);
	session_event_accessed(row);
}

/* Returns the data without a key. */
static Jsonb *
without_key(Jsonb *data, text *key)
{
	return DatumGetJsonbP(DirectFunctionCall2(jsonb_delete,
											  JsonbPGetDatum(data),
											  PointerGetDatum(key)));
}

/* Returns the data with a key set to a value. */
static Jsonb *
with_key(Jsonb *data, text *key, Jsonb *value)
{
	Datum		keys[1] = {PointerGetDatum(key)};
	ArrayType  *path = construct_array(keys, 1, TEXTOID, -1, false,
									   TYPALIGN_INT);

	return DatumGetJsonbP(DirectFunctionCall4(jsonb_set,
											  JsonbPGetDatum(data),
											  PointerGetDatum(path),
											  JsonbPGetDatum(value),
											  BoolGetDatum(true)));
}

/*
 * Locks the row of an active session and returns its data; NULL if there is
 * no such session.
 */
static Jsonb *
hold_data(const SessionToken *token, const SessionPossession *proven,
		  SessionRow *row)
{
	return session_lifecycle_hold(token, proven, row) ?
		session_content_of(row) : NULL;
}

/* Removes a key and returns its value. */
Jsonb *
session_data_take_key(const SessionToken *token,
					  const SessionPossession *proven, text *key)
{
	SessionRow	row;
	Jsonb	   *data;
	Jsonb	   *value;

	data = hold_data(token, proven, &row);
	if (data == NULL)
		return NULL;
	value = value_of(data, key);
	write_data(&row, data, value == NULL ? data : without_key(data, key));
	return value;
}

/* Sets a key to a value. */
bool
session_data_write_key(const SessionToken *token,
					   const SessionPossession *proven, text *key, Jsonb *value)
{
	SessionRow	row;
	Jsonb	   *old;
	Jsonb	   *data;

	old = hold_data(token, proven, &row);
	if (old == NULL)
		return false;
	data = with_key(old, key, value);
	session_content_check(data);
	write_data(&row, old, data);
	return true;
}

/* Removes a key. */
bool
session_data_remove_key(const SessionToken *token,
						const SessionPossession *proven, text *key)
{
	SessionRow	row;
	Jsonb	   *old;

	old = hold_data(token, proven, &row);
	if (old == NULL)
		return false;
	write_data(&row, old, without_key(old, key));
	return true;
}

/* Replaces the whole data. */
bool
session_data_write(const SessionToken *token,
				   const SessionPossession *proven, Jsonb *data)
{
	SessionRow	row;

	if (!session_lifecycle_hold(token, proven, &row))
		return false;
	write_data(&row, session_content_of(&row), data);
	return true;
}

/* Changes the data by a merge patch. */
bool
session_data_patch(const SessionToken *token,
				   const SessionPossession *proven, Jsonb *patch)
{
	SessionRow	row;
	Jsonb	   *old;
	Jsonb	   *data;

	old = hold_data(token, proven, &row);
	if (old == NULL)
		return false;
	data = session_json_patched(old, patch);
	/* As session_data_remove_key, a patch may make too large data smaller. */
	if (VARSIZE(data) > VARSIZE(old))
		session_content_check(data);
	write_data(&row, old, data);
	return true;
}

/* Returns the array under a key, an empty one if there is no such key. */
static Jsonb *
array_of(Jsonb *data, const text *key)
{
	Jsonb	   *value = value_of(data, key);

	if (value == NULL)
		return session_json_empty_array();
	if (!JB_ROOT_IS_ARRAY(value) || JB_ROOT_IS_SCALAR(value))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("key has a value that is not a JSON array")));
	return value;
}

/* Adds an element to the array under a key. */
bool
session_data_add_element(const SessionToken *token,
						 const SessionPossession *proven, text *key, Jsonb *element)
{
	SessionRow	row;
	Jsonb	   *old;
	Jsonb	   *array;
	Jsonb	   *data;

	old = hold_data(token, proven, &row);
	if (old == NULL)
		return false;
	array = session_json_with_element(array_of(old, key), element);
	data = with_key(old, key, array);
	session_content_check(data);
	write_data(&row, old, data);
	return true;
}

/* Returns whether a value is the expected one; NULL is no value. */
static bool
has_expected(Jsonb *value, Jsonb *expected)
{
	if (value == NULL || expected == NULL)
		return value == expected;
	return session_json_equal(value, expected);
}

/* Sets a key to a value if it has the expected one. */
bool
session_data_compare_and_set(const SessionToken *token,
							 const SessionPossession *proven, text *key,
							 Jsonb *expected, Jsonb *value)
{
	SessionRow	row;
	Jsonb	   *old;
	Jsonb	   *data;

	old = hold_data(token, proven, &row);
	if (old == NULL)
		return false;
	if (!has_expected(value_of(old, key), expected))
	{
		session_activity_record(&row, GetCurrentTimestamp());
		return false;
	}
	data = value == NULL ? without_key(old, key) : with_key(old, key, value);
	if (value != NULL)
		session_content_check(data);
	write_data(&row, old, data);
	return true;
}
