/*
 * acting.c
 *	  Sessions in which an administrator acts as a user.
 *
 * Rules:
 * - The session of the administrator is the parent of the new one, which ends
 *	 with it.  Its user is the actor, whom every event names.
 * - The function of "session.act_as_function" decides each time.  Without one,
 *	 acting as a user is an error.
 * - Such a session has at most level 1, because the administrator has proven
 *	 nothing as that user.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/uuid.h"

#include "audit/event.h"
#include "audit/evidence.h"
#include "compat.h"
#include "engine/acting.h"
#include "engine/derive.h"
#include "engine/hook.h"
#include "engine/lifecycle.h"
#include "model/json.h"
#include "settings.h"

static const SessionHook hook = {
	.setting = "session.act_as_function",
	.name = &session_settings.act_as_function,
	.takes = "a session_info and three texts",
	.returns = "a boolean",
	.nmore = 3,
	.more = {TEXTOID, TEXTOID, TEXTOID},
	.result = BOOLOID
};

/* Errors if there is no function that decides who may act as whom. */
static void
check_hook(void)
{
	if (!session_hook_is_set(&hook))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("no administrator may act as a user"),
				 errhint("Set \"session.act_as_function\" to a function that "
						 "decides who may.")));
}

/* Errors if the user of a session cannot act as another. */
static void
check_actor(const SessionRow *parent, const SessionActingOptions *options)
{
	if (parent->user_id == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("token must be that of a session with a user")));
	if (parent->has_parent)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("a session that was made of another cannot act as a "
						"user")));
	if (session_policy_is_of_user(parent, options->user_id,
								  options->tenant_id))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("user_id must not be the user of the session")));
}

/* Returns whether the function of the application allows it. */
static bool
is_allowed(const SessionRow *parent, const SessionActingOptions *options)
{
	const		NullableDatum more[] = {
		{PointerGetDatum(options->user_id), false},
		{PointerGetDatum(options->tenant_id), options->tenant_id == NULL},
		{PointerGetDatum(options->reason), false}
	};
	bool		isnull;
	Datum		result = session_hook_call(&hook, parent, more, &isnull);

	return !isnull && DatumGetBool(result);
}

/* Writes who acts as whom, why, and in which session. */
static void
note_acting(const SessionRow *row, const SessionActingOptions *options)
{
	char	   *id = DatumGetCString(DirectFunctionCall1(uuid_out,
														 UUIDPGetDatum(&row->id)));
	Jsonb	   *detail = session_json_empty();

	detail = session_json_with_text(detail, "actor_id", row->actor_id);
	detail = session_json_with_text(detail, "reason", options->reason);
	detail = session_json_with_text(detail, "session_id", cstring_to_text(id));
	session_event_administration("act_as", row->user_id, row->tenant_id,
								 detail);
}

/* Makes a session in which the user of a token acts as another user. */
bool
session_acting_begin(const SessionToken *token,
					 const SessionActingOptions *options, SessionRow *row,
					 SessionCredentials *given)
{
	SessionRow	parent;

	check_hook();
	if (session_lifecycle_validate(token, &options->binding,
								   &parent) != SESSION_ACTIVE)
		return false;
	check_actor(&parent, options);
	if (!is_allowed(&parent, options))
	{
		session_evidence_act_as(&parent, options->user_id, &options->binding);
		return false;
	}
	/* The function may have changed or ended the session. */
	if (!session_derive_hold(token, &options->binding.proven, &parent))
		return false;
	check_actor(&parent, options);
	memset(row, 0, sizeof(*row));
	row->user_id = options->user_id;
	row->tenant_id = options->tenant_id;
	row->role = options->role;
	row->auth_level = Min(parent.auth_level, 1);
	row->actor_id = parent.user_id;
	session_derive_add(row, &parent, session_json_empty(), options->lifetime,
					   given);
	note_acting(row, options);
	return true;
}
