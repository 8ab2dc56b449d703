/*
 * ending.h
 *	  The end of sessions, and of those that were made of them.
 *
 * The descendants of a session end in the same transaction, with the reason
 * "parent".  They have ended anyway (see lineage.h); this writes it down in
 * their rows and events.
 */
#ifndef SESSION_ENDING_H
#define SESSION_ENDING_H

#include "table/store.h"

/*
 * Returns whether the session of a row can still be used or refreshed, and
 * moves last_seen_at forward to the last use that is known.
 */
extern bool session_ending_is_alive(SessionRow *row, TimestampTz now);

/*
 * Puts ids in the order in which rows are locked, without those that are there
 * twice and without one (may be NULL).
 */
extern void session_ending_sort(SessionIds *ids, const pg_uuid_t *except);

/*
 * Ends the live sessions in which the user of some sessions, whose rows are
 * locked, acts as others.
 */
extern void session_ending_end_acting(const pg_uuid_t *ids, int count);

/* Ends an alive session, whose row is locked, and its descendants. */
extern void session_ending_end(SessionRow *row, text *reason, TimestampTz now);

/*
 * Revokes the live ones of some sessions, but not `except` (may be NULL), and
 * ends their descendants.  Changes the ids.  Returns the number of sessions
 * revoked, without descendants that are not among them.
 */
extern int64 session_ending_revoke_all(SessionIds *ids, const char *reason,
									   const pg_uuid_t *except);

#endif							/* SESSION_ENDING_H */
