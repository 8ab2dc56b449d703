/*
 * lineage.h
 *	  Sessions that were made of other sessions: derived ones, and those of
 *	  administrators who act as a user.
 *
 * The session that another was made of is its parent.  A session lives no
 * longer than its parent, nor than the parent of that, and so on.
 */
#ifndef SESSION_LINEAGE_H
#define SESSION_LINEAGE_H

#include "model/row.h"
#include "table/store.h"

/* How many sessions a session can be made of, one of the other. */
#define SESSION_GENERATIONS 4

/*
 * Moves last_seen_at of a row forward to the last use that is known, as
 * session_activity_overlay does.  The time is the present.
 */
typedef void (*SessionLineageSeen) (SessionRow *row, TimestampTz now);

/*
 * Reads the sessions that a session with a parent was made of, as they are
 * committed now, and sets the lineage of its row.  Lowers the level in the row
 * to the lowest of theirs.
 */
extern void session_lineage_look(SessionRow *row, TimestampTz now,
								 SessionLineageSeen see);

/*
 * Sets the lineage of a row to that of a session without parent, so that its
 * own life alone counts.
 */
extern void session_lineage_disregard(SessionRow *row);

/*
 * Sets the lineage of a new session of a parent that is active and has just
 * been looked at.
 */
extern void session_lineage_extend(SessionRow *row, const SessionRow *parent);

/*
 * Adds the sessions that were made of sessions in an array, and those that
 * were made of these, except revoked ones.  Ids may be there twice then.
 */
extern void session_lineage_add_descendants(SessionIds *ids);

/* Adds the sessions that a session was made of. */
extern void session_lineage_add_ancestors(SessionIds *ids,
										  const SessionRow *row);

/* Returns whether a session was made of one with this id. */
extern bool session_lineage_descends(const SessionRow *row,
									 const pg_uuid_t *id);

/*
 * Returns a list of SessionRow in which every row comes after that of its
 * parent, if that is there, and before the next row without a parent.
 * Otherwise the order stays.
 */
extern List *session_lineage_sort(List *rows);

/*
 * Notes that snapshots of the sessions that were made of a session must be
 * checked against their rows.
 */
extern void session_lineage_note_change(const pg_uuid_t *id);

#endif							/* SESSION_LINEAGE_H */
