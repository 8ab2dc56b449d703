/*
 * risk.c
 *	  What the function of "session.risk_function" makes of a request.
 *
 * Rules:
 * - The function is called at every login, and for a request that comes from
 *	 another address than the row of its session has.  In all other
 *	 cases, the setting costs one comparison.
 * - A result other than "ok", "step_up" or "reject" is an error.  So while
 *	 the function fails, the logins and requests that it judges fail.
 * - A call that the function makes and that needs the function again is an
 *	 error: the inner call can be neither judged nor left out.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/inet.h"

#include "audit/evidence.h"
#include "compat.h"
#include "engine/hook.h"
#include "engine/risk.h"
#include "settings.h"

static const SessionHook hook = {
	.setting = "session.risk_function",
	.name = &session_settings.risk_function,
	.takes = "a session_info, an inet and a text",
	.returns = "\"ok\", \"step_up\" or \"reject\" as text",
	.nmore = 2,
	.more = {INETOID, TEXTOID},
	.result = TEXTOID
};

static const char *const risk_names[] = {
	[SESSION_RISK_UNASKED] = NULL,
	[SESSION_RISK_OK] = "ok",
	[SESSION_RISK_STEP_UP] = "step_up",
	[SESSION_RISK_REJECT] = "reject",
};

/* Returns the name of a result; NULL if the function was not called. */
const char *
session_risk_name(SessionRisk risk)
{
	return risk_names[risk];
}

/* Returns the result with the name that the function returned. */
static SessionRisk
parse_risk(Datum result)
{
	const text *name = DatumGetTextPP(result);

	for (SessionRisk risk = SESSION_RISK_OK; risk <= SESSION_RISK_REJECT; risk++)
		if (VARSIZE_ANY_EXHDR(name) == strlen(risk_names[risk]) &&
			memcmp(VARDATA_ANY(name), risk_names[risk],
				   VARSIZE_ANY_EXHDR(name)) == 0)
			return risk;
	session_hook_refuse(&hook, "returned something other than its results");
}

/* Calls the function, which is set. */
static SessionRisk
ask(const SessionRow *row, const SessionBinding *binding)
{
	static bool asking = false;
	const		NullableDatum more[] = {
		{PointerGetDatum(binding->ip), binding->ip == NULL},
		{PointerGetDatum(binding->user_agent), binding->user_agent == NULL}
	};
	Datum		result;
	bool		isnull;

	if (asking)
		session_hook_refuse(&hook,
							"names a function whose own calls need the function");
	asking = true;
	PG_TRY();
	{
		result = session_hook_call(&hook, row, more, &isnull);
	}
	PG_FINALLY();
	{
		asking = false;
	}
	PG_END_TRY();
	if (isnull)
		session_hook_refuse(&hook, "returned null");
	return parse_risk(result);
}

/* Asks the function about a login. */
SessionRisk
session_risk_of_login(SessionRow *row)
{
	SessionBinding binding = {.ip = row->ip,.user_agent = row->user_agent};
	SessionRisk risk;

	if (!session_hook_is_set(&hook))
		return SESSION_RISK_UNASKED;
	risk = ask(row, &binding);
	if (risk == SESSION_RISK_STEP_UP)
	{
		row->auth_level = Min(row->auth_level, 1);
		row->amr = NULL;
	}
	if (risk != SESSION_RISK_REJECT)
		return risk;
	session_evidence_risk_login(row, risk_names[risk]);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
			 errmsg("the login was rejected"),
			 errhint("The function of \"session.risk_function\" decided so.")));
}

/* Returns whether there is a function that may be asked about a request. */
bool
session_risk_may_be_asked(void)
{
	return session_hook_is_set(&hook);
}

/* Asks the function about a request from another address. */
SessionRisk
session_risk_of_use(const SessionRow *row, const SessionBinding *binding)
{
	if (!session_hook_is_set(&hook) ||
		!session_policy_has_moved(row, &session_settings, binding))
		return SESSION_RISK_UNASKED;
	return ask(row, binding);
}

/* Leaves evidence of what the function said about a request. */
void
session_risk_note(const SessionRow *row, const SessionBinding *binding,
				  SessionRisk risk)
{
	if (risk == SESSION_RISK_STEP_UP || risk == SESSION_RISK_REJECT)
		session_evidence_risk(row, binding, risk_names[risk]);
}

/* Lowers the level in a row if the function said so. */
void
session_risk_lower(SessionRow *row, SessionRisk risk)
{
	if (risk != SESSION_RISK_STEP_UP)
		return;
	row->lowered = true;
	row->auth_level = Min(row->auth_level, 1);
	row->amr = NULL;
}
