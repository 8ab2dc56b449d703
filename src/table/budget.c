/*
 * budget.c
 *	  How many items a batch of upkeep may still process.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "table/budget.h"

/* Starts the time of a batch. */
void
session_budget_begin(SessionBudget *budget, int64 usecs, int most)
{
	budget->usecs = usecs;
	budget->most = most;
	budget->started_at = GetCurrentTimestamp();
	budget->last_at = budget->started_at;
	budget->last = 0;
}

/* Returns how many items fit into the remaining time at the last speed. */
static int
count_fitting(const SessionBudget *budget, TimestampTz now)
{
	int64		left = budget->usecs - (now - budget->started_at);
	int64		took = Max(now - budget->last_at, 1);

	/* A clock that was set back ends the batch as well. */
	if (left <= 0 || now < budget->started_at)
		return 0;
	return (int) Max(1, Min(budget->last * 2, left * budget->last / took));
}

/* Returns how many of the remaining items to process next. */
int
session_budget_next(SessionBudget *budget, int left)
{
	TimestampTz now;
	int			next;

	if (left <= 0 || budget->usecs == 0)
		return Max(0, Min(left, budget->most));
	now = GetCurrentTimestamp();
	next = budget->last == 0 ? 1 : count_fitting(budget, now);
	next = Min(next, Min(left, budget->most));
	budget->last_at = now;
	budget->last = next;
	return next;
}
