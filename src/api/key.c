/*
 * key.c
 *	  SQL entry points: the key ring.
 *
 *	  session_key_rotate	session_key_import	session_key_retire
 *	  session_key_import_jwk	session_jwks
 *	  session_master_key_rotate
 *	  session_keys_changed (a trigger, not for calling)
 *
 * Rules: secrets are accepted as arguments but never returned.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/rel.h"

#include "api/api.h"
#include "audit/event.h"
#include "compat.h"
#include "model/json.h"
#include "table/issuers.h"
#include "table/keyring.h"
#include "table/keystore.h"
#include "table/reseal.h"
#include "table/seal.h"
#include "wire/codec.h"

PG_FUNCTION_INFO_V1(session_key_rotate);
PG_FUNCTION_INFO_V1(session_key_import);
PG_FUNCTION_INFO_V1(session_key_import_jwk);
PG_FUNCTION_INFO_V1(session_key_retire);
PG_FUNCTION_INFO_V1(session_jwks);
PG_FUNCTION_INFO_V1(session_master_key_rotate);
PG_FUNCTION_INFO_V1(session_keys_changed);

/* Writes an event about a key, without its secret. */
static void
note_key(const char *action, const char *kid, const char *purpose)
{
	Jsonb	   *detail = session_json_with_text(session_json_empty(), "kid",
												cstring_to_text(kid));

	detail = session_json_with_text(detail, "purpose",
									cstring_to_text(purpose));
	session_event_administration(action, NULL, NULL, detail);
}

/* Returns the algorithm of a name, HS256 for SQL NULL.  Errors for others. */
static const SessionAlgorithm *
arg_algorithm(FunctionCallInfo fcinfo, int n)
{
	const SessionAlgorithm *algorithm;
	text	   *name;

	if (PG_ARGISNULL(n))
		return &session_algorithm_hs256;
	name = PG_GETARG_TEXT_PP(n);
	algorithm = session_algorithm_find(VARDATA_ANY(name),
									   VARSIZE_ANY_EXHDR(name));
	if (algorithm == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("algorithm must be \"HS256\", \"ES256\", \"EdDSA\" or "
						"\"RS256\"")));
	return algorithm;
}

/* Generates a key of a purpose. */
Datum
session_key_rotate(PG_FUNCTION_ARGS)
{
	char	   *purpose = session_arg_purpose(fcinfo, 0);
	const SessionAlgorithm *algorithm = arg_algorithm(fcinfo, 1);
	char	   *kid;

	PreventCommandIfReadOnly("session_key_rotate()");
	if (!algorithm->symmetric &&
		(session_keyring_is_reserved(purpose) ||
		 strcmp(purpose, SESSION_KEYRING_CONTEXT) == 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("algorithm must be \"HS256\" for purpose \"%s\"",
						purpose)));
	kid = session_keyring_rotate(purpose, algorithm);
	note_key("key_rotated", kid, purpose);
	PG_RETURN_TEXT_P(cstring_to_text(kid));
}

/*
 * Returns a kid, or NULL.  It is copied into the headers of tokens, so it must
 * consist of characters that need no escape there.
 */
static char *
arg_kid(FunctionCallInfo fcinfo, int n)
{
	text	   *value = session_arg_name(fcinfo, n, "kid", SESSION_KID_CHARS);
	char	   *kid;

	if (value == NULL)
		return NULL;
	kid = text_to_cstring(value);
	for (const char *c = kid; *c != '\0'; c++)
		if (*c <= ' ' || *c >= 0x7F || *c == '"' || *c == '\\')
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("kid must consist of printable ASCII characters "
							"other than quotes, backslashes and spaces")));
	return kid;
}

/* Errors if keys of a purpose are not imported. */
static void
check_importable(const char *purpose)
{
	if (session_keyring_is_reserved(purpose))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("purpose must not be \"%s\", whose keys are not "
						"imported", purpose)));
}

/* Imports a foreign secret as a key. */
Datum
session_key_import(PG_FUNCTION_ARGS)
{
	bytea	   *secret;
	char	   *kid = arg_kid(fcinfo, 1);
	char	   *purpose = session_arg_purpose(fcinfo, 2);

	check_importable(purpose);
	session_arg_required(fcinfo, 0, "secret");
	PreventCommandIfReadOnly("session_key_import()");
	secret = PG_GETARG_BYTEA_PP(0);
	if (VARSIZE_ANY_EXHDR(secret) < SESSION_KEY_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("secret must have at least %d bytes",
						SESSION_KEY_BYTES)));
	if (VARSIZE_ANY_EXHDR(secret) > SESSION_IMPORT_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("secret must have at most %d bytes",
						SESSION_IMPORT_BYTES)));
	kid = session_keyring_import((const uint8 *) VARDATA_ANY(secret),
								 VARSIZE_ANY_EXHDR(secret), kid, purpose);
	note_key("key_imported", kid, purpose);
	PG_RETURN_TEXT_P(cstring_to_text(kid));
}

/* Returns a text of an issuer, NULL for SQL NULL. */
static char *
arg_of_issuer(FunctionCallInfo fcinfo, int n, const char *name)
{
	text	   *value = session_arg_name(fcinfo, n, name, SESSION_NAME_BYTES);

	return value == NULL ? NULL : text_to_cstring(value);
}

/* Adds the kids of an import to the result, and writes its events. */
static void
return_import(FunctionCallInfo fcinfo, const SessionIssuerImport *import,
			  const char *purpose)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	ListCell   *cell;

	foreach(cell, import->added)
		note_key("key_imported", lfirst(cell), purpose);
	foreach(cell, import->retired)
		note_key("key_retired", lfirst(cell), purpose);
	foreach(cell, import->in_use)
	{
		Datum		kid = CStringGetTextDatum(lfirst(cell));
		bool		null = false;

		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, &kid, &null);
	}
}

/* Imports public keys of an issuer. */
Datum
session_key_import_jwk(PG_FUNCTION_ARGS)
{
	SessionIssuer issuer;
	SessionIssuerImport import;

	session_arg_required(fcinfo, 0, "jwk");
	session_arg_required(fcinfo, 1, "purpose");
	issuer.purpose = session_arg_purpose(fcinfo, 1);
	issuer.issuer = arg_of_issuer(fcinfo, 2, "issuer");
	issuer.audience = arg_of_issuer(fcinfo, 3, "audience");
	PreventCommandIfReadOnly("session_key_import_jwk()");
	check_importable(issuer.purpose);
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	session_issuers_import(&import, &issuer, PG_GETARG_JSONB_P(0));
	return_import(fcinfo, &import, issuer.purpose);
	PG_RETURN_NULL();
}

/* Retires a key.  Returns false if there is none or it is retired. */
Datum
session_key_retire(PG_FUNCTION_ARGS)
{
	char	   *kid;
	char	   *purpose;

	PreventCommandIfReadOnly("session_key_retire()");
	if (PG_ARGISNULL(0))
		PG_RETURN_BOOL(false);
	kid = text_to_cstring(PG_GETARG_TEXT_PP(0));
	purpose = session_keystore_purpose(kid);
	if (purpose == NULL || !session_keystore_retire(kid))
		PG_RETURN_BOOL(false);
	if (strcmp(purpose, SESSION_KEYRING_SEAL) == 0)
		session_seal_check_unused(kid);
	note_key("key_retired", kid, purpose);
	PG_RETURN_BOOL(true);
}

/*
 * Returns the public keys of a purpose.  The purpose may come from a client,
 * so one that no key can have is the purpose of no key.
 */
Datum
session_jwks(PG_FUNCTION_ARGS)
{
	const char *purpose = "jwt";

	if (!PG_ARGISNULL(0))
		purpose = toast_raw_datum_size(PG_GETARG_DATUM(0)) - VARHDRSZ >
			SESSION_PURPOSE_BYTES ? "" :
			text_to_cstring(PG_GETARG_TEXT_PP(0));
	PG_RETURN_JSONB_P(session_keystore_jwks(purpose));
}

/* Seals the secrets of the keys again with the new master key. */
Datum
session_master_key_rotate(PG_FUNCTION_ARGS)
{
	int64		count;

	PreventCommandIfReadOnly("session_master_key_rotate()");
	count = session_reseal_all();
	if (count >= 0)
		session_event_administration("master_key_rotated", NULL, NULL,
									 session_json_with_int(session_json_empty(),
														   "keys", count));
	PG_RETURN_INT64(Max(count, 0));
}

/* Returns how the table of keys was changed. */
static SessionKeystoreChange
change_of(const TriggerData *trigger)
{
	/* A public key seals nothing. */
	if (TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
		return session_keystore_is_sealed(trigger->tg_trigtuple,
										  RelationGetDescr(trigger->tg_relation)) ?
			SESSION_KEYSTORE_ADDED : SESSION_KEYSTORE_CHANGED;
	if (TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
		return SESSION_KEYSTORE_CHANGED;
	return SESSION_KEYSTORE_REMOVED;
}

/* Notes a change of the key ring; the trigger function of session.keys. */
Datum
session_keys_changed(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"session_keys_changed\" was not called by "
						"trigger manager")));
	session_keystore_changed(change_of((TriggerData *) fcinfo->context));
	PG_RETURN_POINTER(NULL);
}
