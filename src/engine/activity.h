/*
 * activity.h
 *	  Who was seen when.
 */
#ifndef SESSION_ACTIVITY_H
#define SESSION_ACTIVITY_H

#include "engine/row.h"

/* Brings last_seen_at of a row up to what is known beyond the table. */
extern void session_activity_overlay(SessionRow *row);

/*
 * Records that a live session was used now, and updates the row to match if
 * that was written down.  Never waits and never fails for want of a right to
 * write; whoever calls has just proved the session.
 */
extern void session_activity_record(SessionRow *row, TimestampTz now);

#endif							/* SESSION_ACTIVITY_H */
