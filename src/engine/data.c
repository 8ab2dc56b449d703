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
#include "table/keyring.h"
#include "engine/lifecycle.h"
#include "table/store.h"
#include "wire/base64url.h"

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

struct varlena *
session_data_kept(const SessionRow *row, Jsonb *data)
{
	size_t		len = VARSIZE(data) - VARHDRSZ;
	size_t		sealed_len = len + SESSION_SEAL_BYTES;
	uint8	   *sealed;
	JsonbValue	value;

	if (!session_settings.encrypt_data)
		return (struct varlena *) data;
	sealed = palloc(sealed_len);
	session_keyring_seal(sealed, VARDATA(data), len, "data", row->id.data,
						 sizeof(row->id.data));
	value.type = jbvString;
	value.val.string.len = SESSION_BASE64URL_CHARS(sealed_len);
	value.val.string.val = palloc(value.val.string.len);
	session_base64url_encode(value.val.string.val, sealed, sealed_len);
	return (struct varlena *) JsonbValueToJsonb(&value);
}

/* Opens sealed data, which is kept as a JSON string. */
static Jsonb *
open_data(const SessionRow *row, Jsonb *kept)
{
	JsonbValue	value;
	size_t		sealed_len;
	uint8	   *sealed;
	Jsonb	   *data;

	if (!JsonbExtractScalar(&kept->root, &value) || value.type != jbvString)
		elog(ERROR, "data of a session is neither an object nor sealed");
	sealed_len = SESSION_BASE64URL_BYTES(value.val.string.len);
	sealed = palloc(sealed_len);
	if (!session_base64url_decode(sealed, value.val.string.val,
								  value.val.string.len) ||
		sealed_len < SESSION_SEAL_BYTES)
		elog(ERROR, "sealed data of a session is damaged");
	data = palloc(VARHDRSZ + sealed_len - SESSION_SEAL_BYTES);
	SET_VARSIZE(data, VARHDRSZ + sealed_len - SESSION_SEAL_BYTES);
	session_keyring_open((uint8 *) VARDATA(data), sealed, sealed_len, "data",
						 row->id.data, sizeof(row->id.data));
	return data;
}

static bool
is_sealed(const SessionRow *row)
{
	return !JB_ROOT_IS_OBJECT(DatumGetJsonbP(PointerGetDatum(row->data)));
}

Jsonb *
session_data_of(const SessionRow *row)
{
	Jsonb	   *kept = DatumGetJsonbP(PointerGetDatum(row->data));

	return JB_ROOT_IS_OBJECT(kept) ? kept : open_data(row, kept);
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
	return session_data_of(&row);
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

	/* What is the same is written all the same where its form is not. */
	if (VARSIZE(old) == VARSIZE(data) &&
		memcmp(old, data, VARSIZE(data)) == 0 &&
		is_sealed(row) == session_settings.encrypt_data)
	{
		session_activity_record(row, now);
		return;
	}
	row->data = session_data_kept(row, data);
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
	data = session_data_of(&row);
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
	old = session_data_of(&row);
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
	old = session_data_of(&row);
	write_data(&row, old, without_key(old, key));
	return true;
}

bool
session_data_replace(const SessionToken *token, Jsonb *data)
{
	SessionRow	row;

	if (!session_lifecycle_hold(token, &row))
		return false;
	write_data(&row, session_data_of(&row), data);
	return true;
}
