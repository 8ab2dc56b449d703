/*
 * rules.c
 *	  Rules for all sessions, or those of a tenant, a role or both, and the
 *	  end of all sessions at once.
 *
 * Rules:
 * - A change takes effect on live sessions when it commits, everywhere: each
 *	 lookup of a session combines its row with the rules; see model/policy.c.
 * - Ending all sessions writes one row and one event for any number of them.
 *	 The rows of the sessions stay as they are, and are deleted when their own
 *	 time comes.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "audit/event.h"
#include "compat.h"
#include "engine/rules.h"
#include "model/json.h"
#include "table/policies.h"

/* Returns an object with a length added in seconds, rounded up. */
static Jsonb *
with_seconds(Jsonb *object, const char *name, int64 usecs)
{
	return session_json_with_int(object, name,
								 (usecs + USECS_PER_SEC - 1) / USECS_PER_SEC);
}

/* Returns what a policy says as the detail of an event. */
static Jsonb *
describe(const text *role, const SessionRules *rules)
{
	Jsonb	   *detail = session_json_with_optional(session_json_empty(), "role", role);

	if ((rules->says & SESSION_RULE_LIFETIME) != 0)
		detail = with_seconds(detail, "lifetime", rules->lifetime);
	if ((rules->says & SESSION_RULE_IDLE_TIMEOUT) != 0)
		detail = with_seconds(detail, "idle_timeout", rules->idle_timeout);
	if ((rules->says & SESSION_RULE_MAX_SESSIONS) != 0)
		detail = session_json_with_int(detail, "max_sessions",
									   rules->max_sessions);
	if ((rules->says & SESSION_RULE_BIND_IP) != 0)
		detail = session_json_with_text(detail, "bind_ip",
										cstring_to_text(session_policies_bind_ip_name(rules->bind_ip)));
	if ((rules->says & SESSION_RULE_BIND_USER_AGENT) != 0)
		detail = session_json_with_text(detail, "bind_user_agent",
										cstring_to_text(rules->bind_user_agent ? "on" : "off"));
	return detail;
}

/* Sets what the policy of a tenant and a role says. */
void
session_rules_set(text *tenant_id, const text *role, const SessionRules *rules)
{
	session_policies_set(tenant_id, role, rules);
	session_event_administration("policy_set", NULL, tenant_id,
								 describe(role, rules));
}

/* Clears what the policy of a tenant and a role says. */
bool
session_rules_drop(text *tenant_id, const text *role)
{
	if (!session_policies_clear(tenant_id, role))
		return false;
	session_event_administration("policy_dropped", NULL, tenant_id,
								 session_json_with_optional(session_json_empty(), "role",
															role));
	return true;
}

/* Ends the sessions of a tenant or of all users that are not later. */
TimestampTz
session_rules_end_all(text *tenant_id, TimestampTz until, const text *reason)
{
	TimestampTz valid_after = session_policies_cut(tenant_id, until);
	Jsonb	   *detail = session_json_with_text(session_json_empty(), "reason",
												reason);
	char		at[MAXDATELEN + 1];
	int			utc = 0;

	JsonEncodeDateTime(at, TimestampTzGetDatum(valid_after), TIMESTAMPTZOID,
					   &utc);
	detail = session_json_with_text(detail, "valid_after",
									cstring_to_text(at));
	session_event_administration("all_revoked", NULL, tenant_id, detail);
	return valid_after;
}
