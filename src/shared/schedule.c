/*
 * schedule.c
 *	  Numbered items in the order in which they become due.
 *
 * Two binary heaps share one array of item numbers: that of the waiting items
 * begins at its left end, that of the settled ones at its right end.  An item
 * is in one of them at most, so they never meet.  Each item knows its place in
 * the array, so it can be moved without a search.
 *
 * The file knows no server state and is linked into the unit tests.
 */
#include "postgres.h"

#include "shared/schedule.h"

/* Makes an empty schedule. */
void
session_schedule_init(SessionSchedule *schedule, void *items, Size stride,
					  int32 *order, int32 room)
{
	schedule->items = items;
	schedule->stride = stride;
	schedule->order = order;
	schedule->room = room;
	schedule->waiting = 0;
	schedule->settled = 0;
}

static SessionScheduled *
item_at(const SessionSchedule *schedule, int32 item)
{
	return (SessionScheduled *) (schedule->items + item * schedule->stride);
}

/* Returns the place in the array of a position in one of the heaps. */
static int32
place_of(const SessionSchedule *schedule, bool waiting, int32 position)
{
	return waiting ? position : schedule->room - 1 - position;
}

/* Puts an item at a position of a heap. */
static void
put_item(SessionSchedule *schedule, bool waiting, int32 position, int32 item)
{
	int32		place = place_of(schedule, waiting, position);

	schedule->order[place] = item;
	item_at(schedule, item)->place = place;
}

/* Returns the item at a position of a heap. */
static int32
get_item(const SessionSchedule *schedule, bool waiting, int32 position)
{
	return schedule->order[place_of(schedule, waiting, position)];
}

/* Returns when the item at a position of a heap is due. */
static TimestampTz
due_at(const SessionSchedule *schedule, bool waiting, int32 position)
{
	return item_at(schedule, get_item(schedule, waiting, position))->due_at;
}

/* Puts an item at an empty position or at one before it, where it belongs. */
static void
sift_up(SessionSchedule *schedule, bool waiting, int32 position, int32 item)
{
	TimestampTz due = item_at(schedule, item)->due_at;

	while (position > 0)
	{
		int32		parent = (position - 1) / 2;

		if (due_at(schedule, waiting, parent) <= due)
			break;
		put_item(schedule, waiting, position,
				 get_item(schedule, waiting, parent));
		position = parent;
	}
	put_item(schedule, waiting, position, item);
}

/* Puts an item at an empty position or at one after it, where it belongs. */
static void
sift_down(SessionSchedule *schedule, bool waiting, int32 position, int32 item)
{
	TimestampTz due = item_at(schedule, item)->due_at;
	int32		count = waiting ? schedule->waiting : schedule->settled;

	for (;;)
	{
		int32		child = 2 * position + 1;

		if (child + 1 < count &&
			due_at(schedule, waiting, child + 1) < due_at(schedule, waiting, child))
			child++;
		if (child >= count || due <= due_at(schedule, waiting, child))
			break;
		put_item(schedule, waiting, position,
				 get_item(schedule, waiting, child));
		position = child;
	}
	put_item(schedule, waiting, position, item);
}

/* Returns whether an item is waiting. */
bool
session_schedule_is_waiting(const SessionSchedule *schedule,
							const SessionScheduled *item)
{
	return item->place < schedule->waiting;
}

/* Adds an item that is not in the schedule. */
void
session_schedule_add(SessionSchedule *schedule, int32 item,
					 TimestampTz due, bool waiting)
{
	int32	   *count = waiting ? &schedule->waiting : &schedule->settled;

	item_at(schedule, item)->due_at = due;
	(*count)++;
	sift_up(schedule, waiting, *count - 1, item);
}

/* Removes an item that is in the schedule. */
void
session_schedule_remove(SessionSchedule *schedule, int32 item)
{
	const SessionScheduled *removed = item_at(schedule, item);
	bool		waiting = session_schedule_is_waiting(schedule, removed);
	int32	   *count = waiting ? &schedule->waiting : &schedule->settled;
	int32		position = place_of(schedule, waiting, removed->place);
	int32		last = get_item(schedule, waiting, *count - 1);

	(*count)--;
	if (last == item)
		return;
	/* The last item fills the gap. */
	if (position > 0 && item_at(schedule, last)->due_at <
		due_at(schedule, waiting, (position - 1) / 2))
		sift_up(schedule, waiting, position, last);
	else
		sift_down(schedule, waiting, position, last);
}

/* Changes when an item is due, and whether it is waiting. */
void
session_schedule_set(SessionSchedule *schedule, int32 item, TimestampTz due,
					 bool waiting)
{
	session_schedule_remove(schedule, item);
	session_schedule_add(schedule, item, due, waiting);
}

/* Returns the waiting item that is due first, or -1. */
int32
session_schedule_first_waiting(const SessionSchedule *schedule)
{
	return schedule->waiting > 0 ? get_item(schedule, true, 0) : -1;
}

/* Returns the settled item that is due first, or -1. */
int32
session_schedule_first_settled(const SessionSchedule *schedule)
{
	return schedule->settled > 0 ? get_item(schedule, false, 0) : -1;
}

/*
 * Returns the place of the next waiting item that is due.  The items below one
 * that is not due are not due either, so they are left out.
 */
int32
session_schedule_next_due(const SessionSchedule *schedule, int32 place,
						  TimestampTz now)
{
	place = place < 0 ? 0 : 2 * place + 1;
	for (;;)
	{
		if (place < schedule->waiting && due_at(schedule, true, place) <= now)
			return place;
		/* Go to the sibling, or to that of the nearest parent that has one. */
		while (place > 0 && place % 2 == 0)
			place = (place - 1) / 2;
		if (place == 0)
			return -1;
		place++;
	}
}

/* Returns whether the items of a heap know their places and are in order. */
static bool
is_heap(const SessionSchedule *schedule, bool waiting, int32 count)
{
	for (int32 i = 0; i < count; i++)
	{
		int32		item = get_item(schedule, waiting, i);

		if (item < 0 || item >= schedule->room ||
			item_at(schedule, item)->place != place_of(schedule, waiting, i) ||
			due_at(schedule, waiting, (i - 1) / 2) > due_at(schedule, waiting, i))
			return false;
	}
	return true;
}

/* Returns whether all places are right. */
bool
session_schedule_is_sound(const SessionSchedule *schedule)
{
	return schedule->waiting >= 0 && schedule->settled >= 0 &&
		schedule->waiting + schedule->settled <= schedule->room &&
		is_heap(schedule, true, schedule->waiting) &&
		is_heap(schedule, false, schedule->settled);
}
