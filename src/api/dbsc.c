/*
 * dbsc.c
 *	  SQL entry points: Device Bound Session Credentials.
 *
 *	  session_dbsc_offer	session_dbsc_register	session_dbsc_refresh
 *
 * Rules: a token, a proof and the id of a session come from a client, so what
 * is not valid gives NULL, no row, a challenge, or the end of the binding.  A
 * value that is too long is not detoasted.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "api/api.h"
#include "compat.h"
#include "cookie/dbsc.h"
#include "settings.h"
#include "wire/possession.h"

PG_FUNCTION_INFO_V1(session_dbsc_offer);
PG_FUNCTION_INFO_V1(session_dbsc_register);
PG_FUNCTION_INFO_V1(session_dbsc_refresh);

/* The columns that a browser's answer consists of. */
enum
{
	ANSWER_INSTRUCTIONS,
	ANSWER_COOKIE,
	ANSWER_LINE,
	ANSWER_CHALLENGE,
	ANSWER_TOKEN,
	ANSWER_COLUMNS
};

static const Oid answer_types[ANSWER_COLUMNS] = {
	[ANSWER_INSTRUCTIONS] = JSONBOID,
	[ANSWER_COOKIE] = TEXTOID,
	[ANSWER_LINE] = TEXTOID,
	[ANSWER_CHALLENGE] = TEXTOID,
	[ANSWER_TOKEN] = TEXTOID,
};

/* Longest path, in bytes. */
#define PATH_BYTES 1024

/*
 * Returns a path of the application, which stands in a header and in JSON.
 * Errors with 22023 unless it is one on the same host that needs no escapes.
 */
static text *
arg_path(FunctionCallInfo fcinfo, int n, const char *name)
{
	text	   *path;
	const char *chars;
	int			len;
	bool		good;

	session_arg_required(fcinfo, n, name);
	path = session_arg_name(fcinfo, n, name, PATH_BYTES);
	chars = VARDATA_ANY(path);
	len = VARSIZE_ANY_EXHDR(path);
	/* Two slashes begin the name of another host, also as backslashes. */
	good = chars[0] == '/' && (len == 1 || chars[1] != '/');
	for (int i = 0; i < len; i++)
		good = good && chars[i] > ' ' && chars[i] <= '~' &&
			chars[i] != '"' && chars[i] != '\\';
	if (!good)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be a path that begins with one slash and has "
						"only printable ASCII characters, without spaces, "
						"quotes and backslashes", name)));
	return path;
}

/*
 * Returns a proof without the quotes that the header Secure-Session-Response
 * has by the draft.  Returns NULL for none; one that is too long is no proof.
 */
static text *
arg_proof(FunctionCallInfo fcinfo, int n)
{
	Size		size;
	text	   *value;
	const char *chars;
	int			len;

	if (PG_ARGISNULL(n))
		return NULL;
	size = toast_raw_datum_size(PG_GETARG_DATUM(n)) - VARHDRSZ;
	if (size == 0)
		return NULL;
	/* What is too long is no proof, and neither is its beginning. */
	if (size > SESSION_POSSESSION_CHARS)
		return cstring_to_text("too long");
	value = PG_GETARG_TEXT_PP(n);
	chars = VARDATA_ANY(value);
	len = VARSIZE_ANY_EXHDR(value);
	if (len < 2 || chars[0] != '"' || chars[len - 1] != '"')
		return value;
	return cstring_to_text_with_len(chars + 1, len - 2);
}

/*
 * Reads the id of a session as the header Sec-Secure-Session-Id has it: a UUID
 * with or without quotes.
 */
static bool
arg_session(FunctionCallInfo fcinfo, int n, pg_uuid_t *id)
{
	text	   *value;
	const char *chars;
	int			len;

	if (PG_ARGISNULL(n) ||
		toast_raw_datum_size(PG_GETARG_DATUM(n)) - VARHDRSZ > 64)
		return false;
	value = PG_GETARG_TEXT_PP(n);
	chars = VARDATA_ANY(value);
	len = VARSIZE_ANY_EXHDR(value);
	if (len >= 2 && chars[0] == '"' && chars[len - 1] == '"')
	{
		chars++;
		len -= 2;
	}
	return session_token_parse_id(id->data, chars, len);
}

/* Sets a column to a value, or to SQL NULL for NULL. */
static void
put_answer(Datum *values, bool *nulls, int column, const void *value)
{
	values[column] = PointerGetDatum(value);
	nulls[column] = value == NULL;
}

/* Returns what a browser gets as a row. */
static Datum
return_answer(FunctionCallInfo fcinfo, const SessionDbscAnswer *answer)
{
	Datum		values[ANSWER_COLUMNS];
	bool		nulls[ANSWER_COLUMNS];

	put_answer(values, nulls, ANSWER_INSTRUCTIONS, answer->instructions);
	put_answer(values, nulls, ANSWER_COOKIE, answer->cookie);
	put_answer(values, nulls, ANSWER_LINE, answer->line);
	put_answer(values, nulls, ANSWER_CHALLENGE, answer->challenge);
	put_answer(values, nulls, ANSWER_TOKEN, answer->token);
	return session_return_values(fcinfo, answer_types, ANSWER_COLUMNS,
								 values, nulls);
}

/*
 * Returns a cookie that may be a session by itself; NULL where such cookies
 * are not used, and for a value that is none.
 */
static text *
arg_session_cookie(FunctionCallInfo fcinfo, int n)
{
	if (session_settings.strategy != SESSION_STRATEGY_STATELESS ||
		PG_ARGISNULL(n) ||
		toast_raw_datum_size(PG_GETARG_DATUM(n)) - VARHDRSZ > SESSION_CODEC_CHARS)
		return NULL;
	return PG_GETARG_TEXT_PP(n);
}

/* Returns the header that offers a browser to bind a session. */
Datum
session_dbsc_offer(PG_FUNCTION_ARGS)
{
	text	   *path = arg_path(fcinfo, 1, "path");
	text	   *cookie = arg_session_cookie(fcinfo, 0);
	SessionToken token;
	text	   *offer;

	if (cookie != NULL)
	{
		offer = session_dbsc_offer_cookie(VARDATA_ANY(cookie),
										  VARSIZE_ANY_EXHDR(cookie), path);
		if (offer == NULL)
			PG_RETURN_NULL();
		PG_RETURN_TEXT_P(offer);
	}
	if (!session_arg_token(fcinfo, 0, &token))
		PG_RETURN_NULL();
	offer = session_dbsc_make_offer(&token, path);
	session_crypto_wipe(&token, sizeof(token));
	if (offer == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(offer);
}

/* Binds a session to the key in a proof. */
Datum
session_dbsc_register(PG_FUNCTION_ARGS)
{
	text	   *refresh_path = arg_path(fcinfo, 2, "refresh_path");
	text	   *proof = arg_proof(fcinfo, 1);
	text	   *cookie = arg_session_cookie(fcinfo, 0);
	SessionToken token;
	SessionDbscAnswer answer;
	bool		bound = false;

	PreventCommandIfReadOnly("session_dbsc_register()");
	if (proof == NULL)
		return session_return_none(fcinfo);
	if (cookie != NULL)
		bound = session_dbsc_bind_cookie(VARDATA_ANY(cookie),
										 VARSIZE_ANY_EXHDR(cookie),
										 VARDATA_ANY(proof),
										 VARSIZE_ANY_EXHDR(proof),
										 refresh_path, &answer);
	else if (session_arg_token(fcinfo, 0, &token))
	{
		bound = session_dbsc_bind(&token, VARDATA_ANY(proof),
								  VARSIZE_ANY_EXHDR(proof), refresh_path,
								  &answer);
		session_crypto_wipe(&token, sizeof(token));
	}
	if (!bound)
		return session_return_none(fcinfo);
	return return_answer(fcinfo, &answer);
}

/* Renews the bound cookie of a session, or answers with a challenge. */
Datum
session_dbsc_refresh(PG_FUNCTION_ARGS)
{
	text	   *refresh_path = arg_path(fcinfo, 2, "refresh_path");
	text	   *proof = arg_proof(fcinfo, 1);
	const char *chars = proof == NULL ? NULL : VARDATA_ANY(proof);
	size_t		len = proof == NULL ? 0 : VARSIZE_ANY_EXHDR(proof);
	text	   *cookie = arg_session_cookie(fcinfo, 3);
	pg_uuid_t	id;
	SessionDbscAnswer answer;

	if (proof != NULL)
		PreventCommandIfReadOnly("session_dbsc_refresh()");
	if (!arg_session(fcinfo, 0, &id))
		return session_return_none(fcinfo);
	if (cookie != NULL)
		session_dbsc_renew_cookie(&id, VARDATA_ANY(cookie),
								  VARSIZE_ANY_EXHDR(cookie), chars, len,
								  refresh_path, &answer);
	else
		session_dbsc_renew(&id, chars, len, refresh_path, &answer);
	return return_answer(fcinfo, &answer);
}
