/*
 * policy.c
 *	  SQL entry points: policies, and the end of all sessions.
 *
 *	  session_policy_set	session_policy_drop
 *	  session_revoke_all
 *	  session_policies_changed (a trigger, not for calling)
 */
#include "postgres.h"

#include "commands/trigger.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "api/api.h"
#include "compat.h"
#include "engine/rules.h"
#include "table/policies.h"

PG_FUNCTION_INFO_V1(session_policy_set);
PG_FUNCTION_INFO_V1(session_policy_drop);
PG_FUNCTION_INFO_V1(session_revoke_all);
PG_FUNCTION_INFO_V1(session_policies_changed);

/* Sets the tenant and the role that two arguments name; NULL for SQL NULL. */
static void
arg_scope(FunctionCallInfo fcinfo, text **tenant_id, text **role)
{
	*tenant_id = session_arg_name(fcinfo, 0, "tenant_id", SESSION_NAME_BYTES);
	*role = session_arg_name(fcinfo, 1, "role", NAMEDATALEN - 1);
}

/* Returns how addresses are compared; errors unless it is a known name. */
static int
arg_bind_ip(FunctionCallInfo fcinfo, int n)
{
	text	   *name = session_arg_name(fcinfo, n, "bind_ip", NAMEDATALEN - 1);
	int			value = session_policies_bind_ip(name);

	if (value < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("bind_ip must be \"off\", \"subnet\" or \"exact\"")));
	return value;
}

/* Sets what a policy says from the arguments that are not NULL. */
static void
arg_rules(FunctionCallInfo fcinfo, int first, SessionRules *rules)
{
	static const int all[] = {
		SESSION_RULE_LIFETIME, SESSION_RULE_IDLE_TIMEOUT,
		SESSION_RULE_MAX_SESSIONS, SESSION_RULE_BIND_IP,
		SESSION_RULE_BIND_USER_AGENT
	};

	for (int i = 0; i < (int) lengthof(all); i++)
		if (!PG_ARGISNULL(first + i))
			rules->says |= all[i];
	rules->lifetime = session_arg_interval(fcinfo, first, "lifetime", 1, 0);
	rules->idle_timeout = session_arg_interval(fcinfo, first + 1,
											   "idle_timeout", 0, 0);
	rules->max_sessions = session_arg_count(fcinfo, first + 2, "max_sessions",
											0);
	if (!PG_ARGISNULL(first + 3))
		rules->bind_ip = arg_bind_ip(fcinfo, first + 3);
	if (!PG_ARGISNULL(first + 4))
		rules->bind_user_agent = PG_GETARG_BOOL(first + 4);
	if (rules->says == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("at least one rule is needed"),
				 errhint("Set at least one of lifetime, idle_timeout, "
						 "max_sessions, bind_ip and bind_user_agent, or call "
						 "session_policy_drop().")));
}

/* Sets the policy of a tenant, a role, both, or all sessions. */
Datum
session_policy_set(PG_FUNCTION_ARGS)
{
	text	   *tenant_id;
	text	   *role;
	SessionRules rules = {0};

	PreventCommandIfReadOnly("session_policy_set()");
	arg_scope(fcinfo, &tenant_id, &role);
	arg_rules(fcinfo, 2, &rules);
	session_rules_set(tenant_id, role, &rules);
	PG_RETURN_VOID();
}

/* Clears a policy.  Returns false if there is none. */
Datum
session_policy_drop(PG_FUNCTION_ARGS)
{
	text	   *tenant_id;
	text	   *role;

	PreventCommandIfReadOnly("session_policy_drop()");
	arg_scope(fcinfo, &tenant_id, &role);
	PG_RETURN_BOOL(session_rules_drop(tenant_id, role));
}

/*
 * Returns the time until which sessions are to be over, SESSION_NO_TIME for
 * SQL NULL.  Errors for a time that would end sessions of the future, too.
 */
static TimestampTz
arg_valid_after(FunctionCallInfo fcinfo, int n)
{
	TimestampTz value;

	if (PG_ARGISNULL(n))
		return SESSION_NO_TIME;
	value = PG_GETARG_TIMESTAMPTZ(n);
	if (TIMESTAMP_NOT_FINITE(value) || value > GetCurrentTimestamp())
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("valid_after must not be infinite or in the future"),
				 errhint("Leave it out to end all sessions that exist.")));
	return value;
}

/* Ends the sessions of a tenant or of all users, or those until a time. */
Datum
session_revoke_all(PG_FUNCTION_ARGS)
{
	text	   *reason = session_arg_name(fcinfo, 0, "reason",
										  SESSION_REASON_BYTES);
	text	   *tenant_id = session_arg_name(fcinfo, 1, "tenant_id",
											 SESSION_NAME_BYTES);
	TimestampTz until = arg_valid_after(fcinfo, 2);

	PreventCommandIfReadOnly("session_revoke_all()");
	if (reason == NULL)
		reason = cstring_to_text("admin");
	PG_RETURN_TIMESTAMPTZ(session_rules_end_all(tenant_id, until, reason));
}

/* Notes a change of the policies; the trigger function of session.policies. */
Datum
session_policies_changed(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"session_policies_changed\" was not called "
						"by trigger manager")));
	session_policies_note_change();
	PG_RETURN_POINTER(NULL);
}
