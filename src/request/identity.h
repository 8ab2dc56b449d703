/*
 * identity.h
 *	  What a proven identity can do: be proven again, manage its own sessions.
 */
#ifndef SESSION_IDENTITY_H
#define SESSION_IDENTITY_H

#include "nodes/pg_list.h"
#include "utils/jsonb.h"

#include "model/identity.h"

/*
 * Sets the claims that the claims function added to an identity with a row;
 * NULL = none.  A claim that only this extension sets is dropped.
 */
extern void session_identity_complete(SessionIdentity *identity,
									  Jsonb *added);

/*
 * Returns whether the identity is still valid: the session of its row is live
 * and has the same token, or its cookie has neither expired nor been denied.
 * Updates auth_level, amr, authenticated_at, actor and scopes from the row.
 * Errors with 55000 if another server has sent the identity.
 */
extern bool session_identity_holds(SessionIdentity *identity);

/*
 * Like session_identity_holds, for an identity that was bound earlier in the
 * transaction: a token that this transaction has replaced still counts.  What
 * is in the row otherwise must be as it was bound.  Sets only the stamp and
 * check_at.  Returns false where the extension is not installed any more.
 */
extern bool session_identity_continues(SessionIdentity *identity);

/*
 * Returns the sessions of the identity's user in its tenant that have not been
 * revoked, without their data: a list of SessionRow.  For an anonymous
 * identity, only its own session; for one whose session was made of another,
 * with scopes or for an actor, also those that were made of it.
 */
extern List *session_identity_sessions(const SessionIdentity *identity);

/*
 * Revokes one of these sessions, or denies the identity's own cookie.  Returns
 * false when it is not live, and when it is not the identity's.
 */
extern bool session_identity_revoke(const SessionIdentity *identity,
									const pg_uuid_t *id);

/*
 * Revokes the live ones among these sessions except the identity's own, and
 * those that it was made of.
 * Returns the number revoked.
 */
extern int64 session_identity_revoke_others(const SessionIdentity *identity);

#endif							/* SESSION_IDENTITY_H */
