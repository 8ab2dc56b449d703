/*
 * activity.h
 *	  When sessions were used: shared memory first, then the rows.
 */
#ifndef SESSION_ACTIVITY_H
#define SESSION_ACTIVITY_H

#include "nodes/pg_list.h"

#include "model/row.h"

/*
 * Moves last_seen_at of a row forward to the last use that shared memory
 * knows.
 */
extern void session_activity_overlay(SessionRow *row);

/*
 * Records that a live session was used now, and sets last_seen_at of the row
 * if that could be recorded.  Never waits, and does not fail in a transaction
 * that may not write.  The caller has just checked the session's token.
 */
extern void session_activity_record(SessionRow *row, TimestampTz now);

/*
 * Records another use of a session without its row, as when a snapshot is
 * believed.  Does nothing if shared memory has no use of the session yet.
 */
extern void session_activity_again(const pg_uuid_t *id, TimestampTz now);

/* A use of a session of this database that is due to be written. */
typedef struct SessionUse
{
	pg_uuid_t	id;
	TimestampTz created_at;		/* of the session */
	TimestampTz seen_at;
	int64		age;			/* microseconds that the row may lag behind */
} SessionUse;

/* Finds at most `limit` uses that were due at `now`; returns their number. */
extern int	session_activity_find_due(TimestampTz now, int limit,
									  SessionUse *uses);

/*
 * Writes uses into their rows, skipping locked rows.  Returns the number of
 * rows written.  Afterwards none of the uses is due at the same time as
 * before.
 */
extern int	session_activity_write(const SessionUse *uses, int count);

/* Returns the databases that have uses to be written, as a list of Oid. */
extern List *session_activity_due(TimestampTz now);

/* Return the number of entries in use, and the number there can be. */
extern int	session_activity_used(void);
extern int	session_activity_room(void);

/* Drops the entries of a database. */
extern void session_activity_forget(Oid database);

/* Request and make this module's shared memory. */
extern void session_activity_shmem_request(void);
extern void session_activity_shmem_init(void);

#endif							/* SESSION_ACTIVITY_H */
