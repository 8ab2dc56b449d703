/*
 * upkeep.h
 *	  What has to be done now and then: one list of steps, for all who do it.
 *
 * A driver says what a transaction is: a worker has one for each batch,
 * session_cleanup a savepoint within the caller's.
 */
#ifndef SESSION_UPKEEP_H
#define SESSION_UPKEEP_H

#include "nodes/pg_list.h"

#include "shared/database.h"

typedef struct SessionUpkeep SessionUpkeep;
typedef struct SessionUpkeepStep SessionUpkeepStep;

typedef struct SessionUpkeepDriver
{
	/*
	 * Does some work in a transaction of its own.  Returns 0, or the SQLSTATE
	 * of the error that has undone it.
	 */
	int			(*attempt) (SessionUpkeep *upkeep,
							void (*work) (SessionUpkeep *upkeep));

	/* Whether there is time for another batch of the step. */
	bool		(*may_go_on) (SessionUpkeep *upkeep);

	int64		batch_usecs;	/* how long a batch may take, 0 = no limit */
	bool		whole;			/* a batch is as large as it can be */
} SessionUpkeepDriver;

/* What a step has found. */
typedef struct SessionBacklog
{
	char	   *items;			/* NULL = it has not looked yet */
	int			count;
	int			next;			/* of them, from there on they are not done */
	int			size;			/* of a batch, at most; 0 = no limit */
	bool		progress;		/* anything was done since it looked */
	int			failures;		/* in a row, of those that were put off */
	int			stuck;			/* of those that could not be */
	int			locked;			/* batches in a row that missed a lock */
} SessionBacklog;

struct SessionUpkeep
{
	/* Set by the driver before it begins. */
	const SessionUpkeepDriver *driver;
	bool		cleans;			/* all steps, not those of each round only */
	int64		max_deleted;	/* rows of sessions, 0 = no limit */
	SessionRound result;		/* with its start */

	/* Set by the driver at any time. */
	bool		stopped;		/* nothing more can be done */

	MemoryContext memory;		/* of all of it */
	const SessionUpkeepStep *step;	/* under way */
	SessionBacklog backlog;		/* of that */
	int			size;			/* of the batch under way; 0 = it looks */
	bool		putting_off;	/* it only puts off what failed */
	bool		more;			/* there may be more to do */
	bool		left_over;		/* something is left for the next time */
	List	   *failed;			/* names of steps in which something failed */
};

/* What the step under way is called, and what it is doing. */
extern const char *session_upkeep_step(const SessionUpkeep *upkeep);
extern const char *session_upkeep_activity(const SessionUpkeep *upkeep);

/*
 * Returns whether the driver should report an error of the batch under way.
 * A batch that fails is repeated in halves, and only the error of the item
 * that made it fail is reported; so is a lock that was missed twice.  The
 * number of reports in a run is limited.
 */
extern bool session_upkeep_reports(const SessionUpkeep *upkeep, int code);

/* Does the steps; false when something is left for the next time. */
extern bool session_upkeep_run(SessionUpkeep *upkeep);

/* Number of sessions of each kind, estimated from a sample of the table. */
typedef struct SessionSurvey
{
	double		live;
	double		idle;
	double		expired;
	double		revoked;
	double		overdue;		/* ended, and due to be deleted */
} SessionSurvey;

/* Counts the sessions of this database, from a sample of their rows. */
extern void session_upkeep_survey(SessionSurvey *survey);

#endif							/* SESSION_UPKEEP_H */
