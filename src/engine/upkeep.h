/*
 * upkeep.h
 *	  Upkeep: one list of steps, which the worker and session_cleanup both run.
 *
 * A driver runs the batches: the worker in a transaction for each, and
 * session_cleanup in a savepoint of the caller's transaction for each.
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
	 * Calls `work` in a transaction or savepoint of its own.  Returns 0, or
	 * the SQLSTATE of the error that rolled it back.
	 */
	int			(*attempt) (SessionUpkeep *upkeep,
							void (*work) (SessionUpkeep *upkeep));

	/*
	 * Called after a batch, which took upkeep->took.  Returns whether there
	 * is time for another one of the step.
	 */
	bool		(*may_go_on) (SessionUpkeep *upkeep);

	/* Returns how many microseconds a batch may take; 0 = no limit. */
	int64		(*batch_usecs) (const SessionUpkeep *upkeep);

	bool		whole;			/* a batch takes all items that were found */
} SessionUpkeepDriver;

/* The items that a step has found and not done yet. */
typedef struct SessionBacklog
{
	char	   *items;			/* NULL = the step has not looked yet */
	int			room;			/* how many items there is memory for */
	int			count;
	int			next;			/* index of the first that is not done */
	int			limit;			/* how many the next search looks for */
	int			sought;			/* how many the last search looked for */
	int64		worked;			/* microseconds, since the last search */
	int			size;			/* largest batch; 0 = no limit */
	bool		progress;		/* some were done since the step looked */
	int			failures;		/* in a row: failed and put off */
	int			stuck;			/* in a row: failed and not put off */
	int			locked;			/* batches in a row that missed a lock */
} SessionBacklog;

struct SessionUpkeep
{
	/* Set by the driver before it begins. */
	const SessionUpkeepDriver *driver;
	bool		cleans;			/* all steps; else those of every round */
	int64		max_deleted;	/* rows of sessions; 0 = no limit */
	SessionRound result;		/* started_at is set */

	/* Set by the driver at any time. */
	bool		stopped;		/* nothing more can be done */

	/* Set by the run. */
	MemoryContext memory;		/* lives as long as the run */
	const SessionUpkeepStep *step;	/* the step under way */
	SessionBacklog backlog;		/* of that step */
	int			size;			/* of the batch under way; 0 = it looks */
	int64		took;			/* microseconds of the last batch */
	bool		putting_off;	/* the batch only puts off a failed item */
	bool		more;			/* the step may have more to do */
	bool		left_over;		/* something is left for the next run */
	List	   *failed;			/* names of the steps that had an error */
};

/*
 * Return the name of the step under way, as session_cleanup returns it, and
 * what pg_stat_activity shows for it.
 */
extern const char *session_upkeep_step(const SessionUpkeep *upkeep);
extern const char *session_upkeep_activity(const SessionUpkeep *upkeep);

/* Returns whether this step deletes ended sessions and old records. */
extern bool session_upkeep_cleans(const SessionUpkeep *upkeep);

/*
 * Returns whether the driver should report an error of the batch under way.
 * A batch that fails is repeated in halves, and only the error of the item
 * that made it fail is reported; so is a lock that was missed twice.  The
 * number of reports in a run is limited.
 */
extern bool session_upkeep_reports(const SessionUpkeep *upkeep, int code);

/*
 * Runs the steps.  Returns whether all of them have finished; otherwise the
 * next run goes on.
 */
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
