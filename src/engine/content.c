/*
 * content.c
 *	  The data of a session as its row stores it.
 *
 * Rules:
 * - A row stores the data as it is or, with "session.encrypt_data", sealed
 *	 (see table/seal.c), as a JSON string.
 * - Data in either form can be read, regardless of the setting now.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "compat.h"
#include "engine/content.h"
#include "settings.h"
#include "table/seal.h"
#include "wire/base64url.h"

/* What the data is sealed for. */
#define USE "data"

/* Errors unless the value can be the data of a session. */
void
session_content_check(const Jsonb *data)
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

/* Returns data in the form in which the row stores it. */
struct varlena *
session_content_stored(const SessionRow *row, Jsonb *data)
{
	size_t		len = VARSIZE(data) - VARHDRSZ;
	size_t		sealed_len = len + SESSION_SEAL_OVERHEAD;
	uint8	   *sealed;
	JsonbValue	value;

	if (!session_settings.encrypt_data)
		return (struct varlena *) data;
	sealed = palloc(sealed_len);
	session_seal_close(sealed, VARDATA(data), len, USE, &row->id);
	value.type = jbvString;
	value.val.string.len = SESSION_BASE64URL_CHARS(sealed_len);
	value.val.string.val = palloc(value.val.string.len);
	session_base64url_encode(value.val.string.val, sealed, sealed_len);
	return (struct varlena *) JsonbValueToJsonb(&value);
}

static pg_noinline void
refuse_damaged(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("sealed data of a session is damaged")));
}

/* Opens sealed data, which is a JSON string. */
static Jsonb *
open_data(const SessionRow *row, Jsonb *kept)
{
	JsonbValue	value;
	size_t		sealed_len;
	uint8	   *sealed;
	Jsonb	   *data;

	if (!JsonbExtractScalar(&kept->root, &value) || value.type != jbvString)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("data of a session is neither an object nor sealed")));
	sealed_len = SESSION_BASE64URL_BYTES(value.val.string.len);
	sealed = palloc(sealed_len);
	if (!session_base64url_decode(sealed, value.val.string.val,
								  value.val.string.len) ||
		sealed_len < SESSION_SEAL_OVERHEAD)
		refuse_damaged();
	data = palloc(VARHDRSZ + sealed_len - SESSION_SEAL_OVERHEAD);
	SET_VARSIZE(data, VARHDRSZ + sealed_len - SESSION_SEAL_OVERHEAD);
	if (!session_seal_open((uint8 *) VARDATA(data), sealed, sealed_len, USE,
						   &row->id))
		refuse_damaged();
	return data;
}

/* Returns whether the row stores its data sealed. */
bool
session_content_is_sealed(const SessionRow *row)
{
	return !JB_ROOT_IS_OBJECT(DatumGetJsonbP(PointerGetDatum(row->data)));
}

/* Returns the data of a row, in whichever form it is stored. */
Jsonb *
session_content_of(const SessionRow *row)
{
	Jsonb	   *kept = DatumGetJsonbP(PointerGetDatum(row->data));

	return JB_ROOT_IS_OBJECT(kept) ? kept : open_data(row, kept);
}
