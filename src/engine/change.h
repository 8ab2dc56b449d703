/*
 * change.h
 *	  Changes of session.sessions, whoever makes them.
 */
#ifndef SESSION_CHANGE_H
#define SESSION_CHANGE_H

#include "commands/trigger.h"

/*
 * Has snapshots ask the row of a session that an UPDATE has changed, or that a
 * DELETE has removed while it lived, and the commit flushed.
 */
extern void session_change_row(const TriggerData *data);

/* The same for all sessions, which TRUNCATE has removed. */
extern void session_change_emptied(const TriggerData *data);

/*
 * Warns if one of our triggers, on the keys included, does not fire for every
 * change.
 */
extern void session_change_check_triggers(void);

#endif							/* SESSION_CHANGE_H */
