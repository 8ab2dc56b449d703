/*
 * role.h
 *	  The database role of a request, and the settings that come with it.
 */
#ifndef SESSION_ROLE_H
#define SESSION_ROLE_H

#include "engine/context.h"

/*
 * Sets the role of the rest of the transaction and applies the settings of
 * that role: the identity's own role, else "session.authenticated_role" if it
 * has a user, else none.  Errors when the role does not exist, or the role of
 * the connection is not a member of it.
 */
extern void session_role_assume(const SessionIdentity *identity);

/* Undoes what session_role_assume() did earlier in the transaction. */
extern void session_role_leave(void);

#endif							/* SESSION_ROLE_H */
