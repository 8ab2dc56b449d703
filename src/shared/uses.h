/*
 * uses.h
 *	  The last use of each session that is in use, in shared memory.
 *
 * A use is waiting while the row lacks it, and settled when the row has it.
 * uses.c says which entries are evicted when there is no room.
 */
#ifndef SESSION_USES_H
#define SESSION_USES_H

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "utils/uuid.h"

/* Request and make the shared memory.  Without it, nothing here is called. */
extern void session_uses_shmem_request(void);
extern void session_uses_shmem_init(void);
extern bool session_uses_are_shared(void);

/* A use to be noted, and what the row of its session has. */
typedef struct SessionUseNote
{
	const pg_uuid_t *id;
	TimestampTz created_at;		/* of the session */
	TimestampTz now;
	TimestampTz row_seen_at;	/* the last use that the row has */
	int64		age;			/* microseconds that the row may lag behind */
	bool		needed;			/* the use in the row is never fresh */
	bool		standby;		/* no use can be written */
} SessionUseNote;

/*
 * Called with the last use that is known.  Returns whether to note another
 * one.  Must not raise errors, because a lock is held.
 */
typedef bool (*SessionUsesJudge) (TimestampTz seen_at, void *arg);

/* What session_uses_look has found. */
typedef enum SessionUsesLook
{
	SESSION_USES_ABSENT,		/* nothing; the judge was not called */
	SESSION_USES_GONE,			/* nothing, but a use may have been evicted
								 * after it was written into the row */
	SESSION_USES_KNOWN,			/* a use; if another was to be noted, it is */
	SESSION_USES_TO_NOTE		/* a use; the caller has to note another one
								 * with session_uses_note */
} SessionUsesLook;

/*
 * Looks for the last use of a session and calls the judge.  Takes one shared
 * lock, under which it can also note the new use in most cases.
 */
extern SessionUsesLook session_uses_look(const SessionUseNote *note,
										 SessionUsesJudge judge, void *arg);

typedef enum SessionUsesResult
{
	SESSION_USES_NOTED,
	SESSION_USES_SPARED,		/* no room, but the use in the row is fresh */
	SESSION_USES_NO_ROOM
} SessionUsesResult;

/* Notes a use. */
extern SessionUsesResult session_uses_note(const SessionUseNote *note);

/*
 * Notes another use of a session without its row.  Returns false if there is
 * no entry of the session, which was not created later than `until`.
 */
extern bool session_uses_note_again(const pg_uuid_t *id, TimestampTz until,
									TimestampTz now);

/* A use that is to be written into its row. */
typedef struct SessionUse
{
	pg_uuid_t	id;
	TimestampTz created_at;		/* of the session */
	TimestampTz seen_at;
	int64		age;			/* microseconds that the row may lag behind */
	int64		lag;			/* write it if the row lags so far behind */
} SessionUse;

/*
 * Finds at most `limit` uses of this database that are due to be written;
 * returns their number.  With `in_turns`, which is for a caller that asks
 * until there are none, finds some of each part of the table; if the table
 * fills up, also uses that will be due later.
 */
extern int	session_uses_find(TimestampTz now, bool in_turns, int limit,
							  SessionUse *uses);

/* Notes that the row has the use, or a later one, at row_seen_at. */
extern void session_uses_settle(const SessionUse *use,
								TimestampTz row_seen_at);

/* Notes that the row has an earlier use. */
extern void session_uses_note_row(const SessionUse *use,
								  TimestampTz row_seen_at);

/* Sets when to try to write the use again. */
extern void session_uses_put_off(const SessionUse *use, TimestampTz until);
extern void session_uses_take_back(const SessionUse *use, TimestampTz now);

/* Removes a use, unless the session was used since. */
extern void session_uses_remove(const SessionUse *use);

/* Removes the uses of a database. */
extern void session_uses_forget(Oid database);

/*
 * Returns the databases that have uses to be written, as a list of Oid.  Such
 * uses are due, or are in a part of the table that fills up.
 */
extern List *session_uses_databases(TimestampTz now);

/*
 * Pressure: a request has found that a part of the table fills up with uses
 * that can be written.  It then sets the latches of the listeners.
 */
typedef enum SessionUsesListener
{
	SESSION_USES_LAUNCHER,
	SESSION_USES_WORKER,
	SESSION_USES_LISTENERS
} SessionUsesListener;

/* Makes this process a listener, or ends that. */
extern void session_uses_listen(SessionUsesListener who, bool listens);

/*
 * Return whether there was pressure since session_uses_take_pressure was last
 * called, which resets it.
 */
extern bool session_uses_are_pressed(void);
extern bool session_uses_take_pressure(void);

/* Notes pressure that another process must relieve. */
extern void session_uses_leave_pressure(void);

/* Looks at the table, and returns whether there is pressure now. */
extern bool session_uses_need_relief(void);

/* Return the number of uses that are waiting, and the room for uses. */
extern int	session_uses_waiting(void);
extern int	session_uses_room(void);

#endif							/* SESSION_USES_H */
