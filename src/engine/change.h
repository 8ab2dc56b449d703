/*
 * change.h
 *	  Noting changes of session.sessions, from any source.
 */
#ifndef SESSION_CHANGE_H
#define SESSION_CHANGE_H

#include "commands/trigger.h"

/*
 * For the trigger on a row: notes that an UPDATE has changed what snapshots
 * contain, or that a DELETE has removed an active session.  Snapshots of it
 * are then checked against its row, and the commit is flushed.
 */
extern void session_change_row(const TriggerData *data);

/*
 * For the trigger on TRUNCATE: notes that all sessions were removed, with the
 * same effects.
 */
extern void session_change_emptied(const TriggerData *data);

/*
 * Warns if one of our triggers, on session.sessions or session.keys, does not
 * fire for every change.
 */
extern void session_change_check_triggers(void);

#endif							/* SESSION_CHANGE_H */
