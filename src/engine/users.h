/*
 * users.h
 *	  Tables of users whose changes end sessions.
 */
#ifndef SESSION_USERS_H
#define SESSION_USERS_H

#include "commands/trigger.h"

/*
 * Has a table of users end the sessions of those who go.  In place of what it
 * was told before; active is NULL for none.  Checks what the caller may.
 */
extern void session_users_bind(Oid users, const char *id, const char *active);

extern void session_users_unbind(Oid users);

/*
 * Warns, in the log and the client, of each bound table whose changes do not
 * end all sessions, once until that is put right or the server restarts.
 */
extern void session_users_check(void);

/* What the triggers do. */
extern void session_users_changed_row(const TriggerData *data);
extern void session_users_truncated(const TriggerData *data);

#endif							/* SESSION_USERS_H */
