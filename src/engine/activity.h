/*
 * activity.h
 *	  When sessions were used: shared memory first, then the rows.
 */
#ifndef SESSION_ACTIVITY_H
#define SESSION_ACTIVITY_H

#include "model/policy.h"
#include "shared/uses.h"

/*
 * Moves last_seen_at of a row forward to the last use that shared memory
 * knows, and looks at the sessions that it was made of; see lineage.h.
 */
extern void session_activity_overlay(SessionRow *row);

/*
 * Return the status of a session at a time that was read after the row, and
 * move last_seen_at of the row forward to the last use that shared memory
 * knows.  session_activity_use also records a use of an active session, as
 * session_activity_record does.
 */
extern SessionStatus session_activity_status(SessionRow *row, TimestampTz now);
extern SessionStatus session_activity_use(SessionRow *row, TimestampTz now);

/*
 * Records that a live session was used now, and sets last_seen_at of the row
 * if that could be recorded.  Never waits, and does not fail in a transaction
 * that may not write.  The caller has just checked the session's token.
 */
extern void session_activity_record(SessionRow *row, TimestampTz now);

/*
 * Records another use of a session without its row, as for a snapshot that is
 * accepted.  The session was not created later than `until`.  Returns false if
 * the use can be recorded only with the row.
 */
extern bool session_activity_again(const pg_uuid_t *id, TimestampTz until,
								   TimestampTz now);

/*
 * Finds at most `limit` uses of this database that were due at `now`; returns
 * their number.  With `in_turns`, which is for a caller that asks until there
 * are none, finds some of each part of shared memory; if that fills up, also
 * uses that will be due later.
 */
extern int	session_activity_find(TimestampTz now, bool in_turns, int limit,
								  SessionUse *uses);

/*
 * Writes uses into their rows, skipping locked rows.  Returns the number of
 * rows written.  Afterwards none of the uses is due at the same time as
 * before.
 */
extern int	session_activity_write(const SessionUse *uses, int count);

#endif							/* SESSION_ACTIVITY_H */
