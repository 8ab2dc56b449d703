/*
 * activity.h
 *	  Who was seen when.
 */
#ifndef SESSION_ACTIVITY_H
#define SESSION_ACTIVITY_H

#include "nodes/pg_list.h"

#include "engine/row.h"

/* Brings last_seen_at of a row up to what is known beyond the table. */
extern void session_activity_overlay(SessionRow *row);

/*
 * Records that a live session was used now, and updates the row to match if
 * that was written down.  Never waits and never fails for want of a right to
 * write; whoever calls has just proved the session.
 */
extern void session_activity_record(SessionRow *row, TimestampTz now);

/*
 * Notes in shared memory that a session was used again whose row nobody has
 * looked at.  Does nothing where no use of it is noted.
 */
extern void session_activity_again(const pg_uuid_t *id, TimestampTz now);

/*
 * Writes what shared memory knows about sessions of this database, and was due
 * at a moment, into their rows, for at most limit of them.  Returns how many
 * were looked at, 0 when nothing is left, and counts those that were written.
 */
extern int	session_activity_flush(TimestampTz now, int limit, int64 *written);

/* The databases with something to flush, a list of Oid. */
extern List *session_activity_due(TimestampTz now);

/* What an entry takes in shared memory. */
extern const Size session_activity_entry_size;

#endif							/* SESSION_ACTIVITY_H */
