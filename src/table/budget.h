/*
 * budget.h
 *	  How many items a batch of upkeep may still process.
 *
 * Triggers that users have added to our tables can make every row slow.  So a
 * batch with a time limit starts with one item, doubles the number while that
 * is fast, and ends when its time is used up.
 */
#ifndef SESSION_BUDGET_H
#define SESSION_BUDGET_H

#include "datatype/timestamp.h"

typedef struct SessionBudget
{
	int64		usecs;			/* time limit of the batch, 0 = none */
	int			most;			/* items at a time */
	TimestampTz started_at;
	TimestampTz last_at;		/* when the last items were started */
	int			last;			/* how many they were; 0 = none yet */
} SessionBudget;

/* Starts the time of a batch: usecs in all, at most `most` items at a time. */
extern void session_budget_begin(SessionBudget *budget, int64 usecs, int most);

/*
 * Returns how many of the remaining items to process next, or 0 if none is
 * left or the time is used up.  The first call returns at least 1 if an item
 * is left.
 */
extern int	session_budget_next(SessionBudget *budget, int left);

#endif							/* SESSION_BUDGET_H */
