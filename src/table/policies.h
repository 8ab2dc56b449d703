/*
 * policies.h
 *	  The only access to session.policies: rules for all sessions, or
 *	  those of a tenant, a role or both.
 */
#ifndef SESSION_POLICIES_H
#define SESSION_POLICIES_H

#include "model/row.h"

/* Size of a fingerprint in bytes, and in characters without a terminator. */
#define SESSION_FINGERPRINT_BYTES 6
#define SESSION_FINGERPRINT_CHARS 8

/*
 * Sets the rules that apply to sessions of a tenant and a role, each of which
 * may be NULL, by what is committed now and what this transaction has done.
 * Reads no table, unless the table of policies has changed since the last
 * call.
 */
extern void session_policies_find(SessionRules *rules, const text *tenant_id,
								  const text *role);

/*
 * Returns the fingerprint of the whole table, an empty string if it has no
 * rows.  Fingerprints are equal if the content is.
 */
extern const char *session_policies_fingerprint(void);

/*
 * Sets what the row of a tenant and a role, each of which may be NULL, says,
 * except valid_after.  Makes the row if there is none.
 */
extern void session_policies_set(const text *tenant_id, const text *role,
								 const SessionRules *rules);

/*
 * Clears what a row says, except valid_after.  Deletes the row if it says
 * nothing then.  Returns false if there was nothing to clear.
 */
extern bool session_policies_clear(const text *tenant_id, const text *role);

/*
 * Moves valid_after of a tenant's row, or of the row for all sessions if it is
 * NULL, forward to a time.  SESSION_NO_TIME stands for the present time, or
 * the next second after its value if that is not earlier.  Returns its new
 * value.
 */
extern TimestampTz session_policies_cut(const text *tenant_id,
										TimestampTz valid_after);

/* Returns the value of a SessionBindIp by its name; -1 for any other name. */
extern int	session_policies_bind_ip(const text *name);

/* Returns the name of a SessionBindIp. */
extern const char *session_policies_bind_ip_name(int value);

/*
 * Notes that the running transaction has changed the table: every backend
 * reads it again after the commit, which is flushed.
 */
extern void session_policies_note_change(void);

/* Warns if one of the table's triggers does not fire for every change. */
extern void session_policies_check_triggers(void);

#endif							/* SESSION_POLICIES_H */
