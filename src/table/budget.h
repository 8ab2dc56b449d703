/*
 * budget.h
 *	  How much of a batch of upkeep may still be done.
 *
 * What users have attached to our tables can make every row take long.  So a
 * batch begins with one item, does twice as many at a time while that is fast,
 * and ends when its time is over.
 */
#ifndef SESSION_BUDGET_H
#define SESSION_BUDGET_H

#include "datatype/timestamp.h"

typedef struct SessionBudget
{
	int64		usecs;			/* how long all of it may take, 0 = no limit */
	int			most;			/* items at a time */
	TimestampTz started_at;
	TimestampTz last_at;		/* when the last items were begun, */
	int			last;			/* and how many; 0 = none yet */
} SessionBudget;

extern void session_budget_begin(SessionBudget *budget, int64 usecs, int most);

/*
 * Returns how many of the items that are left to do next; 0 when none is left
 * or the time is over.  The first time there is always something to do.
 */
extern int	session_budget_next(SessionBudget *budget, int left);

#endif							/* SESSION_BUDGET_H */
