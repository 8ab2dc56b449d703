/*
 * schedule_test.c
 *	  The schedule of uses, beside a simple model of it.
 */
#include "postgres.h"

#include "shared/schedule.h"
#include "tap.h"

#define ROOM 37
#define STEPS 200000

typedef struct Item
{
	char		before[24];
	SessionScheduled scheduled;
} Item;

static Item items[ROOM];
static int32 order[ROOM];
static SessionSchedule schedule;

/* The model: what each item should be. */
enum
{
	ABSENT,
	WAITING,
	SETTLED
};
static int	states[ROOM];
static TimestampTz dues[ROOM];

static uint32 seed = 42;

/* Returns a number below a limit. */
static int
draw(int limit)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % limit;
}

static void
begin(void)
{
	memset(states, 0, sizeof(states));
	session_schedule_init(&schedule, &items[0].scheduled, sizeof(Item), order,
						  ROOM);
}

/* Returns the number of items of a state that are due at a time. */
static int
count_due(int state, TimestampTz now)
{
	int			count = 0;

	for (int i = 0; i < ROOM; i++)
		count += states[i] == state && dues[i] <= now;
	return count;
}

/* Returns whether the first item of a state is one that is due first. */
static bool
is_first(int32 item, int state)
{
	if (item < 0)
		return count_due(state, PG_INT64_MAX) == 0;
	return states[item] == state &&
		dues[item] == items[item].scheduled.due_at &&
		count_due(state, dues[item] - 1) == 0;
}

/* Returns whether exactly the waiting items that are due are visited, once. */
static bool
visits_due(TimestampTz now)
{
	bool		visited[ROOM] = {false};
	int32		place = -1;
	int			count = 0;

	while ((place = session_schedule_next_due(&schedule, place, now)) >= 0)
	{
		int32		item = order[place];

		if (visited[item] || states[item] != WAITING || dues[item] > now)
			return false;
		visited[item] = true;
		count++;
	}
	return count == count_due(WAITING, now);
}

/* Does something at random to the schedule and to the model. */
static void
change(void)
{
	int			item = draw(ROOM);
	int			state = 1 + draw(2);
	TimestampTz due = draw(100);

	if (states[item] == ABSENT)
		session_schedule_add(&schedule, item, due, state == WAITING);
	else if (draw(3) == 0)
	{
		session_schedule_remove(&schedule, item);
		state = ABSENT;
	}
	else
		session_schedule_set(&schedule, item, due, state == WAITING);
	states[item] = state;
	dues[item] = due;
}

static void
test_model(void)
{
	bool		sound = true;
	bool		first = true;
	bool		due = true;
	bool		counts = true;

	begin();
	for (int i = 0; i < STEPS; i++)
	{
		change();
		sound = sound && session_schedule_is_sound(&schedule);
		first = first &&
			is_first(session_schedule_first_waiting(&schedule), WAITING) &&
			is_first(session_schedule_first_settled(&schedule), SETTLED);
		due = due && visits_due(draw(110) - 5);
		counts = counts &&
			schedule.waiting == count_due(WAITING, PG_INT64_MAX) &&
			schedule.settled == count_due(SETTLED, PG_INT64_MAX);
	}
	tap_ok(sound, "after any changes each item knows its place");
	tap_ok(first, "the first item of each kind is one that is due first");
	tap_ok(due, "exactly the waiting items that are due are visited");
	tap_ok(counts, "the items of each kind are counted");
}

/* Fills the schedule, empties it, and does so again. */
static void
test_full(void)
{
	TimestampTz last = -1;
	bool		in_order = true;

	begin();
	for (int i = 0; i < ROOM; i++)
		session_schedule_add(&schedule, i, draw(1000), i % 2 == 0);
	tap_ok(session_schedule_is_sound(&schedule) &&
		   schedule.waiting + schedule.settled == ROOM,
		   "every item has a place");
	while (schedule.waiting > 0)
	{
		int32		item = session_schedule_first_waiting(&schedule);

		in_order = in_order && items[item].scheduled.due_at >= last;
		last = items[item].scheduled.due_at;
		session_schedule_set(&schedule, item, last, false);
	}
	tap_ok(in_order && schedule.settled == ROOM,
		   "items are settled in the order in which they are due");
	while (schedule.settled > 0)
		session_schedule_remove(&schedule,
								session_schedule_first_settled(&schedule));
	tap_ok(session_schedule_first_waiting(&schedule) == -1 &&
		   session_schedule_first_settled(&schedule) == -1 &&
		   session_schedule_next_due(&schedule, -1, PG_INT64_MAX) == -1,
		   "an empty schedule has no first item and none that is due");
}

/* Items that are not due are not visited, however many there are. */
static void
test_cost(void)
{
	int32		place = -1;
	int			visited = 0;

	begin();
	for (int i = 0; i < ROOM; i++)
		session_schedule_add(&schedule, i, i, true);
	while ((place = session_schedule_next_due(&schedule, place, 2)) >= 0)
		visited++;
	tap_ok(visited == 3, "three of many items are due");
}

int
main(void)
{
	test_model();
	test_full();
	test_cost();
	return tap_done();
}
