/*
 * activity.h
 *	  Who was seen when.
 */
#ifndef SESSION_ACTIVITY_H
#define SESSION_ACTIVITY_H

#include "nodes/pg_list.h"

#include "model/row.h"

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

/* A use of a session of this database that is to be written, as found. */
typedef struct SessionUse
{
	pg_uuid_t	id;
	TimestampTz created_at;		/* of the session */
	TimestampTz seen_at;
	int64		age;			/* microseconds, how old the row's may get */
} SessionUse;

/* Finds what shared memory knows and was due at a moment; how many? */
extern int	session_activity_find_due(TimestampTz now, int limit,
									  SessionUse *uses);

/*
 * Writes some of that into their rows, passing over those that somebody holds;
 * how many?  None of them is due at the same moment any more.
 */
extern int	session_activity_write(const SessionUse *uses, int count);

/* The databases with something to flush, a list of Oid. */
extern List *session_activity_due(TimestampTz now);

/* Returns how many entries are in use, and how many there can be. */
extern int	session_activity_used(void);
extern int	session_activity_room(void);

/* Drops the entries of a database. */
extern void session_activity_forget(Oid database);

/* Shared memory of this module: asking for it, and making it. */
extern void session_activity_shmem_request(void);
extern void session_activity_shmem_init(void);

#endif							/* SESSION_ACTIVITY_H */
