/*
 * upkeep.c
 *	  Upkeep: one list of steps, which the worker and session_cleanup both run.
 *
 * Rules:
 * - A step is a series of batches.  The driver decides what a batch is: the
 *	 worker runs each in a transaction of its own, session_cleanup in a
 *	 savepoint of the caller's transaction.
 * - A batch that fails is repeated in halves, down to the item that makes it
 *	 fail.  That item is put off, so that it does not keep the others from
 *	 being done.
 * - After many failures in a row, or after two batches in a row that missed a
 *	 lock, the rest of the step is left to the next run.
 * - A step that fails does not keep the other steps from running.
 * - The cost of a survey does not grow with the table: it reads a sample.
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "audit/event.h"
#include "audit/evidence.h"
#include "audit/origin.h"
#include "engine/activity.h"
#include "engine/change.h"
#include "engine/upkeep.h"
#include "engine/users.h"
#include "model/array.h"
#include "model/policy.h"
#include "settings.h"
#include "table/budget.h"
#include "table/denylist.h"
#include "table/store.h"

/* Short, because a change of one of these sessions waits for the batch. */
#define FLUSH_BATCH 100

/*
 * How many items a step looks for at once.  Many, because looking is
 * expensive: a search for dead rows first passes the rows that earlier batches
 * deleted, until they are vacuumed.  The worker looks for fewer dead rows at
 * first, so that a search is as short as a batch, and so does a caller that
 * has few rows deleted.  A step looks for more when searches become slow, so
 * that they do not take most of its time.
 */
#define FIND 50000
#define FIND_FIRST 2000
#define FIND_MOST 1000000

/*
 * After so many failures in a row, the rest of a step is left to the next run.
 * Items that could not even be put off have a higher limit, because the next
 * run finds them first again.
 */
#define GIVE_UP 100
#define GIVE_UP_STUCK 5000

/* After what time a row that could not be deleted is tried again. */
#define RETRY USECS_PER_HOUR

/* How many errors of a run are reported, so that they do not fill the log. */
#define REPORTS 10

/* How many pages of the table a survey reads at most. */
#define SURVEY_PAGES 500

/* A step has a trim, or a check, or find, work and (may be NULL) put_off. */
struct SessionUpkeepStep
{
	const char *name;			/* as session_cleanup returns it */
	const char *activity;		/* as pg_stat_activity shows it */
	bool		cleans;			/* only every "session.cleanup_interval" */

	/* Deletes rows that were due at `now`; returns the number deleted. */
	int64		(*trim) (TimestampTz now, SessionBudget *budget, int limit);

	/* Looks at the catalogs and warns; changes nothing. */
	void		(*check) (void);

	/* Finds items that were due when upkeep began; returns their number. */
	int			(*find) (SessionUpkeep *upkeep, int limit, void *items);

	/*
	 * Works on some items, as many as the budget allows.  Returns how many it
	 * has tried, and sets *done if it has changed anything.
	 */
	int			(*work) (SessionUpkeep *upkeep, const void *items, int count,
						 SessionBudget *budget, bool *done);

	/*
	 * Makes an item that failed due later.  NULL if `work` does that already.
	 */
	void		(*put_off) (const void *item);

	Size		item_size;
	int			most;			/* items in a batch of a worker; 0 = any */
	bool		again;			/* a worker looks until there are none */
	bool		counts;			/* items done count against max_deleted */
};

/*
 * The steps
 */

/*
 * Returns whether a row whose purge_at has passed can be deleted: its session
 * has ended, even with the last use that shared memory knows.
 */
static bool
is_dead(SessionRow *row, TimestampTz now)
{
	session_activity_overlay(row);
	return session_policy_life(row, now) != SESSION_ACTIVE;
}

/* Finds rows of dead sessions; the items are their ids. */
static int
find_dead(SessionUpkeep *upkeep, int limit, void *items)
{
	return session_store_find_dead(upkeep->result.started_at, limit, is_dead,
								   items);
}

/* Deletes rows that are dead still and writes an event for each. */
static int
delete_dead(SessionUpkeep *upkeep, const void *items, int count,
			SessionBudget *budget, bool *done)
{
	int			deleted = 0;
	int			tried;

	tried = session_store_delete_dead(upkeep->result.started_at, items, count,
									  is_dead, session_event_purged, budget,
									  &deleted);
	upkeep->result.deleted += deleted;
	*done = deleted > 0;
	return tried;
}

/* Moves purge_at of a row that could not be deleted, unless it is locked. */
static void
put_off_dead(const void *item)
{
	SessionRow	row;

	if (!session_store_read_without_data(item, &row) || !session_store_try_lock(&row))
		return;
	row.purge_at = GetCurrentTimestamp() + RETRY;
	session_store_save_activity(&row);
}

/* Finds evidence in shared memory; the items are its numbers. */
static int
find_evidence(SessionUpkeep *upkeep, int limit, void *items)
{
	return session_evidence_find(limit, items);
}

/* Writes evidence as events. */
static int
write_evidence(SessionUpkeep *upkeep, const void *items, int count,
			   SessionBudget *budget, bool *done)
{
	const uint64 *numbers = items;
	int			tried = 0;
	int			size;

	while ((size = session_budget_next(budget, count - tried)) > 0)
	{
		int			written = session_evidence_write(numbers + tried, size);

		upkeep->result.evidence += written;
		*done = *done || written > 0;
		tried += size;
	}
	return tried;
}

/* Makes evidence that could not be written due later. */
static void
put_off_evidence(const void *item)
{
	session_evidence_put_off(*(const uint64 *) item);
}

/*
 * Finds uses of sessions in shared memory that their rows do not have yet.  A
 * worker, whose batches are committed one by one, writes early when shared
 * memory fills up.
 */
static int
find_uses(SessionUpkeep *upkeep, int limit, void *items)
{
	return session_activity_find(upkeep->result.started_at,
								 !upkeep->driver->whole, limit, items);
}

/*
 * Writes uses into their rows.  A use whose row is locked becomes due later,
 * so every batch makes progress.
 */
static int
write_uses(SessionUpkeep *upkeep, const void *items, int count,
		   SessionBudget *budget, bool *done)
{
	const SessionUse *uses = items;
	int			tried = 0;
	int			size;

	while ((size = session_budget_next(budget, count - tried)) > 0)
	{
		upkeep->result.written += session_activity_write(uses + tried, size);
		tried += size;
	}
	*done = true;
	return tried;
}

/*
 * Dead sessions come first, because the table grows without this step.
 * Activity comes last, because in session_cleanup the rows of live sessions
 * stay locked until the caller's transaction ends.
 *
 * To trim another table, write a function like session_event_trim and add an
 * entry here.
 */
static const SessionUpkeepStep steps[] = {
	{
		.name = "sessions",
		.activity = "deleting dead sessions",
		.cleans = true,
		.find = find_dead,
		.work = delete_dead,
		.put_off = put_off_dead,
		.item_size = sizeof(pg_uuid_t),
		.counts = true
	},
	{
		.name = "evidence",
		.activity = "writing evidence",
		.find = find_evidence,
		.work = write_evidence,
		.put_off = put_off_evidence,
		.item_size = sizeof(uint64)
	},
	{
		.name = "denylist",
		.activity = "trimming the denylist",
		.cleans = true,
		.trim = session_denylist_trim
	},
	{
		.name = "events",
		.activity = "trimming events",
		.cleans = true,
		.trim = session_event_trim
	},
	{
		.name = "origins",
		.activity = "trimming origins",
		.cleans = true,
		.trim = session_origin_trim
	},
	{
		.name = "bound_tables",
		.activity = "checking bound tables",
		.cleans = true,
		.check = session_users_check
	},
	{
		.name = "triggers",
		.activity = "checking triggers",
		.cleans = true,
		.check = session_change_check_triggers
	},
	{
		.name = "activity",
		.activity = "writing activity",
		.find = find_uses,
		.work = write_uses,
		.item_size = sizeof(SessionUse),
		.most = FLUSH_BATCH,
		.again = true
	},
};

/* Returns the name of the step under way. */
const char *
session_upkeep_step(const SessionUpkeep *upkeep)
{
	return upkeep->step->name;
}

/* Returns whether this step deletes ended sessions and old records. */
bool
session_upkeep_cleans(const SessionUpkeep *upkeep)
{
	return upkeep->step->cleans;
}

/* Returns what pg_stat_activity shows for the step under way. */
const char *
session_upkeep_activity(const SessionUpkeep *upkeep)
{
	return upkeep->step->activity;
}

/*
 * Batches
 */

/* Returns how many items the next batch has; 0 = look for more first. */
static int
batch_size(const SessionUpkeep *upkeep)
{
	const SessionBacklog *backlog = &upkeep->backlog;
	int			size = backlog->count - backlog->next;

	if (!upkeep->driver->whole)
	{
		size = Min(size, session_settings.cleanup_batch);
		if (upkeep->step->most > 0)
			size = Min(size, upkeep->step->most);
	}
	if (backlog->size > 0)
		size = Min(size, backlog->size);
	if (upkeep->step->counts && upkeep->max_deleted > 0)
		size = (int) Min(size, upkeep->max_deleted - upkeep->result.deleted);
	return size;
}

/* Prepares the first search of a step. */
static void
begin_backlog(SessionUpkeep *upkeep)
{
	SessionBacklog *backlog = &upkeep->backlog;
	bool		paced = upkeep->step->cleans && !upkeep->driver->whole;

	backlog->limit = paced ? FIND_FIRST : FIND;
	if (upkeep->step->counts && upkeep->max_deleted > 0)
		backlog->limit = (int) Min(backlog->limit,
								   Max(upkeep->max_deleted, FIND_FIRST));
}

/* Makes room for the items of the next search. */
static void
reserve_items(SessionUpkeep *upkeep)
{
	SessionBacklog *backlog = &upkeep->backlog;

	backlog->items = session_array_reserve(backlog->items, backlog->limit,
										   &backlog->room,
										   upkeep->step->item_size,
										   upkeep->memory);
}

/*
 * Doubles the number of items that the next searches look for, if this search
 * took more than half of the time of the work since the last one.
 */
static void
adapt_search(SessionBacklog *backlog, int64 took)
{
	if (backlog->worked > 0 && took > backlog->worked / 2)
		backlog->limit = Min(backlog->limit * 2, FIND_MOST);
	backlog->worked = 0;
}

/* Looks for items; returns whether there are any. */
static bool
look_for_items(SessionUpkeep *upkeep)
{
	SessionBacklog *backlog = &upkeep->backlog;

	/*
	 * Items that could not be done are found again.  Stop when there were
	 * fewer than the limit, or when none of the last ones could be done. Only
	 * a worker goes on: no deadline ends the step of another caller.
	 */
	if (backlog->items == NULL)
		begin_backlog(upkeep);
	else if ((backlog->count < backlog->sought &&
			  (!upkeep->step->again || upkeep->driver->whole)) ||
			 !backlog->progress)
		return false;
	reserve_items(upkeep);
	backlog->sought = backlog->limit;
	backlog->count = upkeep->step->find(upkeep, backlog->sought, backlog->items);
	backlog->next = 0;
	backlog->progress = false;
	return backlog->count > 0;
}

/* Returns the first item that is not done. */
static void *
next_item(const SessionUpkeep *upkeep)
{
	return upkeep->backlog.items +
		upkeep->backlog.next * upkeep->step->item_size;
}

/* Works on the next upkeep->size items, or fewer if the budget is used up. */
static void
work_on_items(SessionUpkeep *upkeep, SessionBudget *budget)
{
	bool		done = false;

	upkeep->size = upkeep->step->work(upkeep, next_item(upkeep), upkeep->size,
									  budget, &done);
	if (done)
		upkeep->backlog.progress = true;
	upkeep->more = true;
}

/*
 * Returns how many rows a batch changes at most.  A step that trims passes the
 * rows that earlier batches have deleted.  In one transaction they stay where
 * they are, so batches become larger.
 */
static int
most_rows(SessionUpkeep *upkeep)
{
	SessionBacklog *backlog = &upkeep->backlog;
	int			batch = session_settings.cleanup_batch;

	if (upkeep->step->trim == NULL || !upkeep->driver->whole)
		return batch;
	backlog->limit = Max(Min(backlog->limit * 2, FIND_MOST), batch);
	return backlog->limit;
}

/* Does one batch of the step, inside the driver's transaction. */
static void
do_batch(SessionUpkeep *upkeep)
{
	const SessionUpkeepStep *step = upkeep->step;
	int			batch = most_rows(upkeep);
	SessionBudget budget;

	session_budget_begin(&budget, upkeep->driver->batch_usecs(upkeep), batch);
	if (step->check != NULL)
		step->check();
	else if (step->trim != NULL)
	{
		int64		trimmed = step->trim(upkeep->result.started_at, &budget,
										 batch);

		upkeep->result.trimmed += trimmed;
		upkeep->more = trimmed > 0;
	}
	else if (upkeep->size == 0)
		upkeep->more = look_for_items(upkeep);
	else
		work_on_items(upkeep, &budget);
}

/* Puts off the next item, inside the driver's transaction. */
static void
do_put_off(SessionUpkeep *upkeep)
{
	upkeep->step->put_off(next_item(upkeep));
}

/* Puts off the item that made a batch fail; returns whether it could. */
static bool
put_off_item(SessionUpkeep *upkeep)
{
	int			code;

	if (upkeep->step->put_off == NULL)
		return true;
	upkeep->putting_off = true;
	code = upkeep->driver->attempt(upkeep, do_put_off);
	upkeep->putting_off = false;
	return code == 0;
}

/* Returns whether the driver should report an error of the batch under way. */
bool
session_upkeep_reports(const SessionUpkeep *upkeep, int code)
{
	if (upkeep->putting_off || upkeep->result.errors >= REPORTS)
		return false;
	return upkeep->size <= 1 || (code == ERRCODE_LOCK_NOT_AVAILABLE &&
								 upkeep->backlog.locked > 0);
}

/* Prepares the next batch after one failed; returns whether there is one. */
static bool
go_on_after_error(SessionUpkeep *upkeep, int code)
{
	SessionBacklog *backlog = &upkeep->backlog;

	if (code == ERRCODE_LOCK_NOT_AVAILABLE)
		backlog->locked++;
	/* A step ends when it cannot even look, or when it was cancelled. */
	if (upkeep->size == 0 || code == ERRCODE_QUERY_CANCELED ||
		backlog->locked > 1)
		return false;
	backlog->size = Max(upkeep->size / 2, 1);
	if (upkeep->size > 1)
		return true;
	if (put_off_item(upkeep))
		backlog->failures++;
	else
		backlog->stuck++;
	backlog->next++;
	if (backlog->failures < GIVE_UP && backlog->stuck < GIVE_UP_STUCK)
		return true;
	upkeep->left_over = true;
	return false;
}

/* Does the next batch; returns whether the step has more to do. */
static bool
try_batch(SessionUpkeep *upkeep)
{
	SessionBacklog *backlog = &upkeep->backlog;
	SessionRound before = upkeep->result;
	int			size = batch_size(upkeep);
	int			code;

	if (size == 0 && backlog->next < backlog->count)
		return false;			/* max_deleted is reached */
	upkeep->size = size;
	upkeep->more = false;
	code = upkeep->driver->attempt(upkeep, do_batch);
	if (code != 0)
	{
		upkeep->result = before;
		upkeep->result.errors++;
		upkeep->size = size;
		return go_on_after_error(upkeep, code);
	}
	if (size > 0)
	{
		backlog->next += upkeep->size;
		backlog->size = Min(backlog->size * 2, FIND);
		backlog->failures = backlog->stuck = backlog->locked = 0;
	}
	return upkeep->more && !upkeep->stopped;
}

/* Does the next batch and times it; returns what try_batch returns. */
static bool
time_batch(SessionUpkeep *upkeep)
{
	TimestampTz begin = GetCurrentTimestamp();
	bool		more = try_batch(upkeep);
	int64		took = GetCurrentTimestamp() - begin;

	/* A clock that was set back measures nothing. */
	upkeep->took = Max(took, 0);
	if (upkeep->size > 0)
		upkeep->backlog.worked += upkeep->took;
	else
		adapt_search(&upkeep->backlog, upkeep->took);
	return more;
}

/* Runs a step; returns whether it has finished. */
static bool
run_step(SessionUpkeep *upkeep)
{
	int64		errors = upkeep->result.errors;
	bool		finished = true;

	while (finished && time_batch(upkeep))
		finished = upkeep->driver->may_go_on(upkeep);
	if (upkeep->result.errors > errors)
		upkeep->failed = lappend(upkeep->failed,
								 unconstify(char *, upkeep->step->name));
	if (upkeep->backlog.items != NULL)
		pfree(upkeep->backlog.items);
	MemSet(&upkeep->backlog, 0, sizeof(upkeep->backlog));
	return finished;
}

/* Runs the steps; returns whether all of them have finished. */
bool
session_upkeep_run(SessionUpkeep *upkeep)
{
	upkeep->memory = CurrentMemoryContext;
	for (size_t i = 0; i < lengthof(steps) && !upkeep->stopped; i++)
	{
		upkeep->step = &steps[i];
		if (upkeep->step->cleans && !upkeep->cleans)
			continue;
		if (!run_step(upkeep))
			upkeep->left_over = true;
	}
	return !upkeep->left_over && !upkeep->stopped;
}

/*
 * The survey
 */

/* Adds a row to the survey. */
static void
count_row(SessionRow *row, void *arg)
{
	SessionSurvey *survey = arg;
	TimestampTz now = GetCurrentTimestamp();
	SessionStatus life;

	session_activity_overlay(row);
	life = session_policy_life(row, now);
	if (life == SESSION_ACTIVE)
		survey->live++;
	else if (life == SESSION_IDLE)
		survey->idle++;
	else if (life == SESSION_EXPIRED)
		survey->expired++;
	else
		survey->revoked++;
	if (life != SESSION_ACTIVE && row->purge_at <= now)
		survey->overdue++;
}

/* Counts the sessions of this database, from a sample of their rows. */
void
session_upkeep_survey(SessionSurvey *survey)
{
	double		scale;

	memset(survey, 0, sizeof(*survey));
	scale = session_store_sample(SURVEY_PAGES, count_row, survey);
	survey->live *= scale;
	survey->idle *= scale;
	survey->expired *= scale;
	survey->revoked *= scale;
	survey->overdue *= scale;
}
