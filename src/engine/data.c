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
session_data_read(const SessionToken *token)
{
	SessionRow	row;

	if (!session_lifecycle_use(token, &row))
		return NULL;
	return session_content_of(&row);
}

/* Returns the value of a key, and records the use. */
Jsonb *
session_data_read_key(const SessionToken *token, const text *key)
{
	Jsonb	   *data = session_data_read(token);

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

/* Removes a key and returns its value. */
Jsonb *
session_data_take_key(const SessionToken *token, text *key)
{
	SessionRow	row;
	Jsonb	   *data;
	Jsonb	   *value;

	if (!session_lifecycle_hold(token, &row))
		return NULL;
	data = session_content_of(&row);
	value = value_of(data, key);
	write_data(&row, data, value == NULL ? data : without_key(data, key));
	return value;
}

/* Sets a key to a value. */
bool
session_data_write_key(const SessionToken *token, text *key, Jsonb *value)
{
	SessionRow	row;
	Jsonb	   *old;
	Jsonb	   *data;

	if (!session_lifecycle_hold(token, &row))
		return false;
	old = session_content_of(&row);
	data = with_key(old, key, value);
	session_content_check(data);
	write_data(&row, old, data);
	return true;
}

/* Removes a key. */
bool
session_data_remove_key(const SessionToken *token, text *key)
{
	SessionRow	row;
	Jsonb	   *old;

	if (!session_lifecycle_hold(token, &row))
		return false;
	old = session_content_of(&row);
	write_data(&row, old, without_key(old, key));
	return true;
}

/* Replaces the whole data. */
bool
session_data_replace(const SessionToken *token, Jsonb *data)
{
	SessionRow	row;

	if (!session_lifecycle_hold(token, &row))
		return false;
	write_data(&row, session_content_of(&row), data);
	return true;
}
