/*
 * key.c
 *	  SQL entry points: the key ring.
 *
 *	  session_key_rotate	session_key_import	session_key_retire
 *	  session_keys_changed (a trigger, not for calling)
 *
 * Rules: secrets are accepted as arguments but never returned.
 */
#include "postgres.h"

#include "commands/trigger.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "api/api.h"
#include "audit/event.h"
#include "compat.h"
#include "model/json.h"
#include "table/keyring.h"
#include "table/keystore.h"
#include "table/seal.h"
#include "wire/codec.h"

PG_FUNCTION_INFO_V1(session_key_rotate);
PG_FUNCTION_INFO_V1(session_key_import);
PG_FUNCTION_INFO_V1(session_key_retire);
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

/* Generates a key of a purpose, which signs from then on. */
Datum
session_key_rotate(PG_FUNCTION_ARGS)
{
	char	   *purpose = session_arg_purpose(fcinfo, 0);
	char	   *kid;

	PreventCommandIfReadOnly("session_key_rotate()");
	kid = session_keyring_rotate(purpose);
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

/* Returns how the table of keys was changed. */
static SessionKeystoreChange
change_of(const TriggerData *trigger)
{
	if (TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
		return SESSION_KEYSTORE_ADDED;
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
