/*
 * rules.h
 *	  Rules for all sessions, or those of a tenant, a role or both, and the
 *	  end of all sessions at once.
 */
#ifndef SESSION_RULES_H
#define SESSION_RULES_H

#include "model/row.h"

/* Sets what the policy of a tenant and a role says, except valid_after. */
extern void session_rules_set(text *tenant_id, const text *role,
							  const SessionRules *rules);

/*
 * Clears what the policy of a tenant and a role says, except valid_after: no
 * session that was ended lives again.  Returns false if it said nothing.
 */
extern bool session_rules_drop(text *tenant_id, const text *role);

/*
 * Ends the sessions of a tenant or, for NULL, all sessions that were created
 * at or before a time, by one row of session.policies.  SESSION_NO_TIME stands
 * for all that exist.  Returns the time at or before which a session must have
 * been created to be ended.
 */
extern TimestampTz session_rules_end_all(text *tenant_id, TimestampTz until,
										 const text *reason);

#endif							/* SESSION_RULES_H */
