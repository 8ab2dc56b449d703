/*
 * cookie.c
 *	  SQL entry points: cookies, and tokens for other services.
 *
 *	  session_cookie_encode		session_cookie_decode	session_cookie_revoke
 *	  session_cookie_issue		session_cookie_validate
 *	  session_jwt
 *
 * Rules: a cookie comes from a client, so one that is not valid gives NULL,
 * false or no row.  A value that is too long for a cookie is not detoasted.
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
#include "cookie/jwt.h"
#include "cookie/proof.h"
#include "cookie/snapshot.h"
#include "model/amr.h"
#include "model/json.h"

PG_FUNCTION_INFO_V1(session_cookie_encode);
PG_FUNCTION_INFO_V1(session_cookie_decode);
PG_FUNCTION_INFO_V1(session_cookie_revoke);
PG_FUNCTION_INFO_V1(session_cookie_issue);
PG_FUNCTION_INFO_V1(session_cookie_validate);
PG_FUNCTION_INFO_V1(session_jwt);

/* The columns that session_cookie_validate returns. */
enum
{
	SNAPSHOT_ID,
	SNAPSHOT_USER_ID,
	SNAPSHOT_TENANT_ID,
	SNAPSHOT_ROLE,
	SNAPSHOT_AUTH_LEVEL,
	SNAPSHOT_AMR,
	SNAPSHOT_ACTOR_ID,
	SNAPSHOT_SCOPES,
	SNAPSHOT_EXPIRES_AT,
	SNAPSHOT_SOURCE,
	SNAPSHOT_SHOULD_REFRESH,
	SNAPSHOT_COLUMNS
};

static const Oid snapshot_types[SNAPSHOT_COLUMNS] = {
	[SNAPSHOT_ID] = UUIDOID,
	[SNAPSHOT_USER_ID] = TEXTOID,
	[SNAPSHOT_TENANT_ID] = TEXTOID,
	[SNAPSHOT_ROLE] = TEXTOID,
	[SNAPSHOT_AUTH_LEVEL] = INT4OID,
	[SNAPSHOT_AMR] = TEXTARRAYOID,
	[SNAPSHOT_ACTOR_ID] = TEXTOID,
	[SNAPSHOT_SCOPES] = TEXTARRAYOID,
	[SNAPSHOT_EXPIRES_AT] = TIMESTAMPTZOID,
	[SNAPSHOT_SOURCE] = TEXTOID,
	[SNAPSHOT_SHOULD_REFRESH] = BOOLOID,
};

/* Returns a cookie; NULL for SQL NULL and for a value that is too long. */
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

/*
 * Returns the encoding of that name; NULL for SQL NULL.  Errors for others,
 * and for those that are only read.
 */
static const SessionCodec *
arg_encoding(FunctionCallInfo fcinfo, int n)
{
	text	   *name;
	const SessionCodec *codec;

	if (PG_ARGISNULL(n))
		return NULL;
	name = PG_GETARG_TEXT_PP(n);
	codec = session_codec_find(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
	if (codec == NULL || codec->encode == NULL)
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
	SessionPossession proven;
	text	   *cookie;

	if (codec == NULL)
		codec = session_proof_codec();
	if (!session_arg_token(fcinfo, 0, &token))
		PG_RETURN_NULL();
	session_arg_bound(fcinfo, 2, &proven);
	cookie = session_snapshot_mint(&token, &proven, codec);
	session_crypto_wipe(&token, sizeof(token));
	if (cookie == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cookie);
}

/* Sets a column to a text, or to SQL NULL for NULL. */
static void
put_column_text(Datum *values, bool *nulls, int column, const text *value)
{
	values[column] = PointerGetDatum(value);
	nulls[column] = value == NULL;
}

/* Returns a snapshot as the row of session_cookie_validate. */
static Datum
return_snapshot(FunctionCallInfo fcinfo, const SessionSnapshot *snapshot)
{
	const SessionIdentity *identity = &snapshot->identity;
	Datum		values[SNAPSHOT_COLUMNS];
	bool		nulls[SNAPSHOT_COLUMNS] = {false};

	values[SNAPSHOT_ID] = UUIDPGetDatum(&identity->id);
	put_column_text(values, nulls, SNAPSHOT_USER_ID, identity->user_id);
	put_column_text(values, nulls, SNAPSHOT_TENANT_ID, identity->tenant_id);
	put_column_text(values, nulls, SNAPSHOT_ROLE, identity->role);
	values[SNAPSHOT_AUTH_LEVEL] = Int32GetDatum(identity->auth_level);
	values[SNAPSHOT_AMR] = PointerGetDatum(session_words_array(identity->amr));
	nulls[SNAPSHOT_AMR] = identity->amr == NULL;
	put_column_text(values, nulls, SNAPSHOT_ACTOR_ID, identity->actor_id);
	values[SNAPSHOT_SCOPES] = PointerGetDatum(session_words_array(identity->scopes));
	nulls[SNAPSHOT_SCOPES] = identity->scopes == NULL;
	values[SNAPSHOT_EXPIRES_AT] = TimestampTzGetDatum(identity->expires_at);
	values[SNAPSHOT_SOURCE] = CStringGetTextDatum(snapshot->from_row ?
												  "database" : "cookie");
	values[SNAPSHOT_SHOULD_REFRESH] = BoolGetDatum(snapshot->should_refresh);
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
	bool		valid;

	session_arg_bound(fcinfo, 5, &request.binding.proven);
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
	valid = cookie != NULL &&
		session_snapshot_resolve(VARDATA_ANY(cookie), VARSIZE_ANY_EXHDR(cookie),
								 &request, &snapshot);
	if (request.token != NULL)
		session_crypto_wipe(&token, sizeof(token));
	if (!valid)
		return session_return_none(fcinfo);
	return return_snapshot(fcinfo, &snapshot);
}

Datum
session_jwt(PG_FUNCTION_ARGS)
{
	/* aud, the last, is set here only if the call has an audience. */
	static const char *const own[] = {
		"sid", "sub", "tid", "role", "lvl", "amr", "act", "iat", "exp", "jti",
		"aud"
	};
	int64		ttl = session_arg_interval(fcinfo, 1, "ttl", USECS_PER_SEC,
										   15 * 60 * USECS_PER_SEC);
	Jsonb	   *claims = arg_object(fcinfo, 2, "claims");
	text	   *audience = session_arg_name(fcinfo, 3, "audience",
											SESSION_NAME_BYTES);
	SessionToken token;
	SessionPossession proven;
	text	   *jwt;

	check_own_claims(claims, "claims", own,
					 lengthof(own) - (audience == NULL ? 1 : 0));
	if (!session_arg_token(fcinfo, 0, &token))
		PG_RETURN_NULL();
	session_arg_bound(fcinfo, 4, &proven);
	jwt = session_jwt_mint(&token, &proven, ttl / USECS_PER_SEC, claims,
						   audience);
	session_crypto_wipe(&token, sizeof(token));
	if (jwt == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(jwt);
}
