/*
 * schedule.h
 *	  Numbered items in the order in which they become due.
 *
 * An item is waiting or settled.  Among the waiting ones, those that are due
 * are found without looking at the others; of the settled ones, the first is
 * found at once.  A change costs the logarithm of the number of items.
 * Nothing is allocated.  The caller's lock protects everything here.
 */
#ifndef SESSION_SCHEDULE_H
#define SESSION_SCHEDULE_H

#include "datatype/timestamp.h"

/* The part of an item that the schedule uses; "own" is the caller's. */
typedef struct SessionScheduled
{
	TimestampTz due_at;
	int32		place;			/* in "order" */
	uint32		own;
} SessionScheduled;

typedef struct SessionSchedule
{
	char	   *items;			/* the SessionScheduled of item 0 */
	Size		stride;			/* bytes from one item to the next */
	int32	   *order;			/* waiting from the left, settled from the
								 * right: two heaps that never meet */
	int32		room;			/* items that there can be */
	int32		waiting;
	int32		settled;
} SessionSchedule;

/* Makes an empty schedule; "order" has a place for each of "room" items. */
extern void session_schedule_init(SessionSchedule *schedule, void *items,
								  Size stride, int32 *order, int32 room);

/* Adds an item that is not in the schedule. */
extern void session_schedule_add(SessionSchedule *schedule, int32 item,
								 TimestampTz due_at, bool waiting);

/* Removes an item that is in the schedule. */
extern void session_schedule_remove(SessionSchedule *schedule, int32 item);

/* Changes when an item is due, and whether it is waiting. */
extern void session_schedule_set(SessionSchedule *schedule, int32 item,
								 TimestampTz due_at, bool waiting);

/* Returns whether an item is waiting. */
extern bool session_schedule_is_waiting(const SessionSchedule *schedule,
										const SessionScheduled *item);

/* Return the item that is due first, or -1. */
extern int32 session_schedule_first_waiting(const SessionSchedule *schedule);
extern int32 session_schedule_first_settled(const SessionSchedule *schedule);

/*
 * Returns the place of the next waiting item that is due at a time, or -1.
 * The first call passes -1 as the place before.  The items come in no order.
 */
extern int32 session_schedule_next_due(const SessionSchedule *schedule,
									   int32 place, TimestampTz now);

/* Returns whether all places are right; for tests. */
extern bool session_schedule_is_sound(const SessionSchedule *schedule);

#endif							/* SESSION_SCHEDULE_H */
