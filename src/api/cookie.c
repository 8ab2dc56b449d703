/*
 * cookie.c
 *	  SQL entry points: cookies, and tokens for other services.
 *
 *	  session_cookie_encode		session_cookie_decode	session_cookie_revoke
 *	  session_cookie_issue		session_cookie_validate
 *	  session_jwt
 *
 * Rules: a cookie is a client's: one that is not good is NULL, false or no
 * row.  Its length is looked at before its bytes are.
 */
#include "postgres.h"

#include <limits.h>

#include "access/detoast.h"
#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "api/api.h"
#include "compat.h"
#include "cookie/cookie.h"
#include "model/json.h"

PG_FUNCTION_INFO_V1(session_cookie_encode);
PG_FUNCTION_INFO_V1(session_cookie_decode);
PG_FUNCTION_INFO_V1(session_cookie_revoke);
PG_FUNCTION_INFO_V1(session_cookie_issue);
PG_FUNCTION_INFO_V1(session_cookie_validate);
PG_FUNCTION_INFO_V1(session_jwt);

/* What session_cookie_validate says. */
static const Oid snapshot_types[] = {
	UUIDOID, TEXTOID, TEXTOID, TEXTOID, INT4OID, TIMESTAMPTZOID, TEXTOID,
	BOOLOID
};

#define SNAPSHOT_COLUMNS lengthof(snapshot_types)

/* NULL for SQL NULL and for anything too long to be a cookie. */
static text *
arg_cookie(FunctionCallInfo fcinfo, int n)
{
	if (PG_ARGISNULL(n) ||
		toast_raw_datum_size(PG_GETARG_DATUM(n)) - VARHDRSZ > SESSION_CODEC_CHARS)
		return NULL;
	return PG_GETARG_TEXT_PP(n);
}

/* Returns a JSON object, the empty one for SQL NULL. */
static Jsonb *
arg_object(FunctionCallInfo fcinfo, int n, const char *name)
{
	Jsonb	   *value;

	if (PG_ARGISNULL(n))
		return session_json_empty();
	value = PG_GETARG_JSONB_P(n);
	if (!JB_ROOT_IS_OBJECT(value))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be a JSON object", name)));
	return value;
}

/* Errors when an object has a claim that the function sets itself. */
static void
check_own_claims(Jsonb *object, const char *name, const char *const *own,
				 size_t count)
{
	for (size_t i = 0; i < count; i++)
	{
		JsonbValue	scratch;

		if (getKeyJsonValueFromContainer(&object->root, own[i], strlen(own[i]),
										 &scratch) != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("%s must not have the claim \"%s\"", name, own[i]),
					 errdetail("The function sets it itself.")));
	}
}

/* Returns the encoding of that name; NULL for SQL NULL; errors for others. */
static const SessionCodec *
arg_encoding(FunctionCallInfo fcinfo, int n)
{
	text	   *name;
	const SessionCodec *codec;

	if (PG_ARGISNULL(n))
		return NULL;
	name = PG_GETARG_TEXT_PP(n);
	codec = session_codec_find(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
	if (codec == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("encoding must be \"compact\", \"jwt\", \"jwe\" or "
						"\"sealed\"")));
	return codec;
}

Datum
session_cookie_encode(PG_FUNCTION_ARGS)
{
	static const char *const own[] = {"iat", "exp", "jti"};
	Jsonb	   *payload;
	const SessionCodec *codec = arg_encoding(fcinfo, 1);
	char	   *purpose = session_arg_purpose(fcinfo, 3);
	int64		ttl;

	session_arg_required(fcinfo, 0, "payload");
	payload = arg_object(fcinfo, 0, "payload");
	check_own_claims(payload, "payload", own, lengthof(own));
	if (codec == NULL)
		codec = &session_codec_compact;
	ttl = session_arg_interval(fcinfo, 2, "ttl", USECS_PER_SEC,
							   session_settings.lifetime * USECS_PER_SEC);
	PG_RETURN_TEXT_P(session_cookie_mint(payload, codec, ttl / USECS_PER_SEC,
										 purpose));
}

Datum
session_cookie_decode(PG_FUNCTION_ARGS)
{
	text	   *cookie = arg_cookie(fcinfo, 0);
	char	   *purpose = session_arg_purpose(fcinfo, 1);
	Jsonb	   *payload;

	if (cookie == NULL)
	{
		session_arg_refused(fcinfo, 0, NULL);
		PG_RETURN_NULL();
	}
	payload = session_cookie_open(VARDATA_ANY(cookie),
								  VARSIZE_ANY_EXHDR(cookie), purpose);
	if (payload == NULL)
		PG_RETURN_NULL();
	PG_RETURN_JSONB_P(payload);
}

Datum
session_cookie_revoke(PG_FUNCTION_ARGS)
{
	text	   *cookie = arg_cookie(fcinfo, 0);
	char	   *purpose = session_arg_purpose(fcinfo, 1);

	PreventCommandIfReadOnly("session_cookie_revoke()");
	PG_RETURN_BOOL(cookie != NULL &&
				   session_cookie_deny(VARDATA_ANY(cookie),
									   VARSIZE_ANY_EXHDR(cookie), purpose));
}

Datum
session_cookie_issue(PG_FUNCTION_ARGS)
{
	const SessionCodec *codec = arg_encoding(fcinfo, 1);
	SessionToken token;
	text	   *cookie;

	if (codec == NULL)
		codec = session_cookie_codec();
	if (!session_arg_token(fcinfo, 0, &token))
		PG_RETURN_NULL();
	cookie = session_cookie_snapshot(&token, codec);
	session_crypto_wipe(&token, sizeof(token));
	if (cookie == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cookie);
}

static Datum
return_snapshot(FunctionCallInfo fcinfo, const SessionSnapshot *snapshot)
{
	Datum		values[SNAPSHOT_COLUMNS];
	bool		nulls[SNAPSHOT_COLUMNS] = {false};

	values[0] = UUIDPGetDatum(&snapshot->id);
	values[1] = PointerGetDatum(snapshot->user_id);
	nulls[1] = snapshot->user_id == NULL;
	values[2] = PointerGetDatum(snapshot->tenant_id);
	nulls[2] = snapshot->tenant_id == NULL;
	values[3] = PointerGetDatum(snapshot->role);
	nulls[3] = snapshot->role == NULL;
	values[4] = Int32GetDatum(snapshot->auth_level);
	values[5] = TimestampTzGetDatum(snapshot->expires_at);
	values[6] = CStringGetTextDatum(snapshot->from_row ? "database" : "cookie");
	values[7] = BoolGetDatum(snapshot->should_refresh);
	return session_return_values(fcinfo, snapshot_types, SNAPSHOT_COLUMNS,
								 values, nulls);
}

Datum
session_cookie_validate(PG_FUNCTION_ARGS)
{
	text	   *cookie = arg_cookie(fcinfo, 0);
	SessionSnapshotRequest request = {
		.sensitive = !PG_ARGISNULL(1) && PG_GETARG_BOOL(1),
		.binding.ip = session_arg_inet(fcinfo, 3),
		.binding.user_agent = session_arg_user_agent(fcinfo, 4)
	};
	SessionToken token;
	SessionSnapshot snapshot;
	bool		good;

	if (cookie == NULL)
		session_arg_refused(fcinfo, 0, request.binding.ip);
	if (!PG_ARGISNULL(2))
	{
		if (!session_arg_token(fcinfo, 2, &token))
		{
			session_arg_refused(fcinfo, 2, request.binding.ip);
			return session_return_none(fcinfo);
		}
		request.token = &token;
	}
	good = cookie != NULL &&
		session_cookie_believe(VARDATA_ANY(cookie), VARSIZE_ANY_EXHDR(cookie),
							   &request, &snapshot);
	if (request.token != NULL)
		session_crypto_wipe(&token, sizeof(token));
	if (!good)
		return session_return_none(fcinfo);
	return return_snapshot(fcinfo, &snapshot);
}

Datum
session_jwt(PG_FUNCTION_ARGS)
{
	/* The last one only if the call has an audience. */
	static const char *const own[] = {
		"sid", "sub", "tid", "role", "lvl", "iat", "exp", "jti", "aud"
	};
	int64		ttl = session_arg_interval(fcinfo, 1, "ttl", USECS_PER_SEC,
										   15 * 60 * USECS_PER_SEC);
	Jsonb	   *claims = arg_object(fcinfo, 2, "claims");
	text	   *audience = session_arg_name(fcinfo, 3, "audience",
											SESSION_NAME_BYTES);
	SessionToken token;
	text	   *jwt;

	check_own_claims(claims, "claims", own,
					 lengthof(own) - (audience == NULL ? 1 : 0));
	if (!session_arg_token(fcinfo, 0, &token))
		PG_RETURN_NULL();
	jwt = session_cookie_jwt(&token, ttl / USECS_PER_SEC, claims, audience);
	session_crypto_wipe(&token, sizeof(token));
	if (jwt == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(jwt);
}
