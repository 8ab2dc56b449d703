/*
 * users.h
 *	  Tables of users whose changes end sessions.
 */
#ifndef SESSION_USERS_H
#define SESSION_USERS_H

#include "commands/trigger.h"

/*
 * Binds a table of users: a user's sessions end when the user is deleted, gets
 * another id, or becomes inactive.  id and active name columns; active may be
 * NULL.  Replaces an earlier binding of the table.  Errors unless the caller
 * may create triggers on it.
 */
extern void session_users_bind(Oid users, const char *id, const char *active);

/*
 * Removes the binding.  Errors with 42704 if the table is not bound.
 */
extern void session_users_unbind(Oid users);

/*
 * Warns about each bound table whose changes do not end all sessions.  Warns
 * once, until the table is repaired or the server restarts.
 */
extern void session_users_check(void);

/* For the triggers on a row: ends the sessions of the user if required. */
extern void session_users_changed_row(const TriggerData *data);

/* For the trigger on TRUNCATE: ends the sessions of all users in the table. */
extern void session_users_truncated(const TriggerData *data);

#endif							/* SESSION_USERS_H */
