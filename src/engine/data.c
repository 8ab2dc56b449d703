/*
 * data.c
 *	  The data of a session: a JSON object with a size limit.
 *
 * Rules: a change is computed from the newest version of the held row, so
 * writers of different keys lose nothing; what comes out as it went in is not
 * written again.  Keys and values are built with the server's own jsonb
 * functions, called directly, so nobody's operators take part.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "engine/activity.h"
#include "engine/data.h"
#include "engine/lifecycle.h"
#include "engine/store.h"

void
session_data_check(const Jsonb *data)
{
	int			size = VARSIZE(data) - VARHDRSZ;

	if (!JB_ROOT_IS_OBJECT(data))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("data must be a JSON object")));
	if (size > session_settings.max_data_size)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("data of a session is too large"),
				 errdetail("It would have %d bytes, and \"%s\" is %d.",
						   size, "session.max_data_size",
						   session_settings.max_data_size)));
}

static Jsonb *
data_of(const SessionRow *row)
{
	return DatumGetJsonbP(PointerGetDatum(row->data));
}

static Jsonb *
value_of(Jsonb *data, const text *key)
{
	JsonbValue *value;

	value = getKeyJsonValueFromContainer(&data->root, VARDATA_ANY(key),
										 VARSIZE_ANY_EXHDR(key), NULL);
	return value == NULL ? NULL : JsonbValueToJsonb(value);
}

/* Reads the data of a live session, which counts as using it. */
Jsonb *
session_data_read(const SessionToken *token)
{
	SessionRow	row;

	if (!session_lifecycle_use(token, &row))
		return NULL;
	return data_of(&row);
}

Jsonb *
session_data_read_key(const SessionToken *token, const text *key)
{
	Jsonb	   *data = session_data_read(token);

	return data == NULL ? NULL : value_of(data, key);
}

/* Puts new data into a held row. */
static void
write_data(SessionRow *row, Jsonb *old, Jsonb *data)
{
	TimestampTz now = GetCurrentTimestamp();

	if (VARSIZE(old) == VARSIZE(data) &&
		memcmp(old, data, VARSIZE(data)) == 0)
	{
		session_activity_record(row, now);
		return;
	}
	row->data = (struct varlena *) data;
	session_policy_touch(row, now);
	session_store_save_data(row);
}

static Jsonb *
without_key(Jsonb *data, text *key)
{
	return DatumGetJsonbP(DirectFunctionCall2(jsonb_delete,
											  JsonbPGetDatum(data),
											  PointerGetDatum(key)));
}

static Jsonb *
with_key(Jsonb *data, text *key, Jsonb *value)
{
	Datum		path[1] = {PointerGetDatum(key)};

	return DatumGetJsonbP(DirectFunctionCall4(jsonb_set,
											  JsonbPGetDatum(data),
											  PointerGetDatum(construct_array(path, 1, TEXTOID, -1, false, TYPALIGN_INT)),
											  JsonbPGetDatum(value),
											  BoolGetDatum(true)));
}

Jsonb *
session_data_take_key(const SessionToken *token, text *key)
{
	SessionRow	row;
	Jsonb	   *data;
	Jsonb	   *value;

	if (!session_lifecycle_hold(token, &row))
		return NULL;
	data = data_of(&row);
	value = value_of(data, key);
	write_data(&row, data, value == NULL ? data : without_key(data, key));
	return value;
}

bool
session_data_write_key(const SessionToken *token, text *key, Jsonb *value)
{
	SessionRow	row;
	Jsonb	   *old;
	Jsonb	   *data;

	if (!session_lifecycle_hold(token, &row))
		return false;
	old = data_of(&row);
	data = with_key(old, key, value);
	session_data_check(data);
	write_data(&row, old, data);
	return true;
}

bool
session_data_remove_key(const SessionToken *token, text *key)
{
	SessionRow	row;
	Jsonb	   *old;

	if (!session_lifecycle_hold(token, &row))
		return false;
	old = data_of(&row);
	write_data(&row, old, without_key(old, key));
	return true;
}

bool
session_data_replace(const SessionToken *token, Jsonb *data)
{
	SessionRow	row;

	if (!session_lifecycle_hold(token, &row))
		return false;
	write_data(&row, data_of(&row), data);
	return true;
}
