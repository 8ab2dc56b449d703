/*
 * claims.c
 *	  Claims that an application adds to snapshots and tokens.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/jsonb.h"

#include "engine/claims.h"
#include "engine/hook.h"
#include "model/json.h"
#include "settings.h"

static const SessionHook hook = {
	.setting = "session.claims_function",
	.name = &session_settings.claims_function,
	.takes = "a session_info",
	.returns = "jsonb",
	.result = JSONBOID
};

/* The claims that only this extension sets. */
static const char *const reserved[] = {
	"sid", "sub", "uid", "tid", "role", "lvl", "amr", "aut", "tok", "end",
	"era", "pol", "bby", "bnd", "scope", "scp", "act", "aby", "drv", "iat",
	"exp", "nbf", "jti"
};

/* Returns whether only this extension sets a claim. */
bool
session_claims_is_reserved(const char *name)
{
	for (size_t i = 0; i < lengthof(reserved); i++)
		if (name[0] == reserved[i][0] && strcmp(name, reserved[i]) == 0)
			return true;
	return false;
}

/* Returns claims without those that only this extension sets. */
Jsonb *
session_claims_without_reserved(Jsonb *claims)
{
	return session_json_without(claims, reserved, lengthof(reserved));
}

/* Returns what "session.claims_function" adds for a session. */
Jsonb *
session_claims_added(const SessionRow *row)
{
	bool		isnull;
	Datum		result;

	if (!session_hook_is_set(&hook))
		return NULL;
	result = session_hook_call(&hook, row, NULL, &isnull);
	if (isnull)
		return NULL;
	if (!JB_ROOT_IS_OBJECT(DatumGetJsonbP(result)))
		session_hook_refuse(&hook,
							"returned something other than an object");
	return DatumGetJsonbP(result);
}
