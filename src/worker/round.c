/*
 * round.c
 *	  One round of upkeep in one database.
 *
 * Rules:
 * - A round is a few steps, each of them a number of batches, each of those a
 *	 transaction that holds no row for longer than it takes and waits for none.
 * - It works with the rights of the tables' owner in a restricted operation:
 *	 what the owner may have attached to the tables cannot do more in the hands
 *	 of a worker than in theirs.
 * - It makes way for whoever wants to drop or copy the database, and ends after
 *	 a while, so that the other databases get their turn; the next goes on.
 * - A batch that fails is reported and counted, and done again one by one; what
 *	 cannot be done is put off, so that it keeps nothing else from being done.
 *	 When many fail in a row the rest of the step is left to the next round, and
 *	 when a lock is not to be had twice, to the next time; the other steps are
 *	 done.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_database.h"
#include "commands/extension.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/lock.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "engine/activity.h"
#include "engine/denylist.h"
#include "engine/event.h"
#include "engine/evidence.h"
#include "engine/keyring.h"
#include "engine/lifecycle.h"
#include "engine/shared.h"
#include "engine/store.h"
#include "engine/users.h"
#include "worker/round.h"

/* How long a round may take before the others get their turn. */
#define TURN_MS 10000

/* A change of one of these sessions waits for the batch, so it is short. */
#define FLUSH_BATCH 100

/*
 * Looking for dead rows begins where those of the last batches were, which
 * takes time until they are vacuumed, and looking for uses goes through all of
 * them; so many are found at once.
 */
#define FIND 50000

/*
 * When so many fail one after the other, the rest will have to wait; more of
 * them where not even putting off can be done, because they come first again.
 */
#define GIVE_UP 100
#define GIVE_UP_STUCK 5000

/* When a row that could not be deleted is tried again. */
#define RETRY USECS_PER_HOUR

/* How many errors of a round are reported, so that they do not fill the log. */
#define REPORT 10

/* What a step has found. */
typedef struct Backlog
{
	char	   *items;			/* NULL = it has not looked yet */
	int			count;
	int			next;			/* of them, from there on they are not done */
	int			alone;			/* up to there they are done one by one */
	bool		progress;		/* anything was done since it looked */
	int			failures;		/* in a row, of those that were put off */
	int			stuck;			/* of those that could not be */
	int			locked;			/* batches in a row that missed a lock */
} Backlog;

typedef struct Round
{
	SessionRound result;
	TimestampTz cleaned_at;		/* as it will be */
	bool		clean;			/* it is time for that, too */
	bool		yields;			/* somebody needs the database */
	bool		absent;			/* there is no extension in it */
	bool		gave_up;		/* a step left something to the next round */
	Backlog		backlog;		/* of the step that is under way */
} Round;

/* Does one batch and says how much of it was done. */
typedef int64 (*RunBatch) (Round *round, int limit);

/* Finds items that were due when the round began, at most limit; how many? */
typedef int (*FindItems) (Round *round, int limit, void *items);

/* Works on some of them, and says how many of them something was done about. */
typedef int (*WorkOnItems) (Round *round, const void *items, int count);

/* Has one that failed come up later. */
typedef void (*PutOff) (const void *item);

/* It has either a run, or the other three. */
typedef struct Step
{
	const char *activity;		/* as pg_stat_activity shows it */
	bool		cleans;			/* every "session.cleanup_interval" only */
	RunBatch	run;
	FindItems	find;
	WorkOnItems work;
	PutOff		put_off;		/* NULL = it is already */
	Size		item_size;
	int			most;			/* in a batch, or 0 */
} Step;

/*
 * The steps
 */

static int
find_uses(Round *round, int limit, void *items)
{
	return session_activity_find_due(round->result.started_at, limit, items);
}

/* None of them is found again, even if its row is held. */
static int
write_uses(Round *round, const void *items, int count)
{
	round->result.written += session_activity_write(items, count);
	return count;
}

static int
find_dead(Round *round, int limit, void *items)
{
	return session_lifecycle_find_dead(round->result.started_at, limit, items);
}

static int
delete_dead(Round *round, const void *items, int count)
{
	int			deleted;

	deleted = session_lifecycle_delete_dead(round->result.started_at, items,
											count);
	round->result.deleted += deleted;
	return deleted;
}

static void
put_off_dead(const void *item)
{
	session_lifecycle_put_off(item, GetCurrentTimestamp() + RETRY);
}

static int
find_evidence(Round *round, int limit, void *items)
{
	return session_evidence_find(limit, items);
}

static int
write_evidence(Round *round, const void *items, int count)
{
	int			written = session_evidence_write(items, count);

	round->result.evidence += written;
	return written;
}

static void
put_off_evidence(const void *item)
{
	session_evidence_put_off(*(const uint64 *) item);
}

static int64
trim_denylist(Round *round, int limit)
{
	int64		trimmed;

	trimmed = session_denylist_trim_some(round->result.started_at, limit);
	round->result.trimmed += trimmed;
	return trimmed;
}

static int64
trim_events(Round *round, int limit)
{
	int64		trimmed;

	trimmed = session_event_trim(round->result.started_at, limit);
	round->result.trimmed += trimmed;
	return trimmed;
}

static int64
check_bound_tables(Round *round, int limit)
{
	session_users_check();
	return 0;
}

/* Another table to be trimmed is another entry. */
static const Step steps[] = {
	{
		.activity = "writing activity",
		.find = find_uses,
		.work = write_uses,
		.item_size = sizeof(SessionUse),
		.most = FLUSH_BATCH
	},
	{
		.activity = "writing evidence",
		.find = find_evidence,
		.work = write_evidence,
		.put_off = put_off_evidence,
		.item_size = sizeof(uint64)
	},
	{
		.activity = "deleting dead sessions",
		.cleans = true,
		.find = find_dead,
		.work = delete_dead,
		.put_off = put_off_dead,
		.item_size = sizeof(pg_uuid_t)
	},
	{
		.activity = "trimming the denylist",
		.cleans = true,
		.run = trim_denylist
	},
	{
		.activity = "trimming events",
		.cleans = true,
		.run = trim_events
	},
	{
		.activity = "checking bound tables",
		.cleans = true,
		.run = check_bound_tables
	},
};

/*
 * Batches
 */

/* How many items make the next batch; 0 = it is time to look for more. */
static int
batch_size(const Backlog *backlog, const Step *step)
{
	int			size = session_settings.cleanup_batch;

	if (step->most > 0)
		size = Min(size, step->most);
	if (backlog->next < backlog->alone)
		size = 1;
	return Min(size, backlog->count - backlog->next);
}

/* Looks for items; false when there are none. */
static bool
look(Round *round, const Step *step)
{
	Backlog    *backlog = &round->backlog;
	int			limit = Max(FIND, session_settings.cleanup_batch);

	/* What could not be done is found again, so there must be an end. */
	if (backlog->items != NULL &&
		(backlog->count < limit || !backlog->progress))
		return false;
	if (backlog->items == NULL)
		backlog->items = MemoryContextAllocHuge(TopMemoryContext,
												limit * step->item_size);
	backlog->count = step->find(round, limit, backlog->items);
	backlog->next = 0;
	backlog->alone = 0;
	backlog->progress = false;
	return backlog->count > 0;
}

/* Does the next batch of a step; true = there may be more. */
static bool
do_batch(Round *round, const Step *step, int size)
{
	Backlog    *backlog = &round->backlog;
	int			limit = session_settings.cleanup_batch;

	if (step->run != NULL)
		return step->run(round, limit) == limit;
	if (size == 0)
		return look(round, step);
	if (step->work(round, backlog->items + backlog->next * step->item_size,
				   size) > 0)
		backlog->progress = true;
	return true;
}

/*
 * Running them
 */

/*
 * DROP DATABASE, and CREATE DATABASE with this one as the template, lock the
 * database, then wait for others to leave, though not for long.
 */
bool
session_round_may_begin(Oid database)
{
	LOCKTAG		tag;

	SET_LOCKTAG_OBJECT(tag, InvalidOid, DatabaseRelationId, database, 0);
	if (LockAcquire(&tag, RowExclusiveLock, false, true) ==
		LOCKACQUIRE_NOT_AVAIL)
		return false;
	LockRelease(&tag, RowExclusiveLock, false);
	return true;
}

static bool
has_extension(void)
{
	return OidIsValid(get_extension_oid("session", true));
}

/* Is the database free, and the extension in it?  Within a transaction. */
static bool
can_work(Round *round)
{
	round->yields = !session_round_may_begin(MyDatabaseId);
	round->absent = !round->yields && !has_extension();
	return !round->yields && !round->absent;
}

/* The same in a transaction of its own. */
static bool
is_absent(void)
{
	bool		absent;

	StartTransactionCommand();
	absent = !has_extension();
	CommitTransactionCommand();
	return absent;
}

/*
 * Does a batch in a transaction of its own, or puts off the item that was not
 * to be done by itself.
 */
static bool
run_batch(Round *round, const Step *step, int size, bool postpone)
{
	Backlog    *backlog = &round->backlog;
	bool		more = false;
	Oid			user;
	int			context;

	pgstat_report_activity(STATE_RUNNING, step->activity);
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	GetUserIdAndSecContext(&user, &context);
	if (can_work(round))
	{
		SetUserIdAndSecContext(session_store_owner(),
							   context | SECURITY_RESTRICTED_OPERATION);
		if (postpone)
			step->put_off(backlog->items + backlog->next * step->item_size);
		else
			more = do_batch(round, step, size);
	}
	PopActiveSnapshot();
	/* What waits for the commit has no more rights either. */
	CommitTransactionCommand();
	SetUserIdAndSecContext(user, context);
	pgstat_report_stat(false);
	return more;
}

/* Within PG_CATCH: ends what failed, reported if it is one of the first. */
static void
recover(int nth)
{
	MemoryContextSwitchTo(TopMemoryContext);
	HOLD_INTERRUPTS();
	if (nth <= REPORT)
		EmitErrorReport();
	AbortCurrentTransaction();
	FlushErrorState();
	RESUME_INTERRUPTS();
}

/* Puts off the next item, which failed by itself; false if it cannot. */
static bool
put_off(Round *round, const Step *step)
{
	volatile bool done = false;

	if (step->put_off == NULL)
		return true;
	PG_TRY();
	{
		(void) run_batch(round, step, 1, true);
		done = true;
	}
	PG_CATCH();
	{
		/* What it failed of is known. */
		recover(REPORT + 1);
	}
	PG_END_TRY();
	return done;
}

/* Goes on after a batch failed; false if that is no use. */
static bool
go_on(Round *round, const Step *step, int size, int code)
{
	Backlog    *backlog = &round->backlog;

	if (code == ERRCODE_LOCK_NOT_AVAILABLE)
		backlog->locked++;
	/* Who cannot look once, or is told to stop, does not go on. */
	if (size == 0 || code == ERRCODE_QUERY_CANCELED || backlog->locked > 1)
		return false;
	if (size > 1)
	{
		backlog->alone = backlog->next + size;
		return true;
	}
	if (put_off(round, step))
		backlog->failures++;
	else
		backlog->stuck++;
	backlog->next++;
	if (backlog->failures < GIVE_UP && backlog->stuck < GIVE_UP_STUCK)
		return true;
	round->gave_up = true;
	return false;
}

static bool
try_batch(Round *round, const Step *step)
{
	Backlog    *backlog = &round->backlog;
	SessionRound before = round->result;
	int			size = batch_size(backlog, step);
	volatile int code = 0;
	volatile bool more = false;

	PG_TRY();
	{
		more = run_batch(round, step, size, false);
	}
	PG_CATCH();
	{
		code = geterrcode();
		recover(++before.errors);
	}
	PG_END_TRY();
	if (code != 0)
	{
		round->result = before;
		return go_on(round, step, size, code);
	}
	backlog->next += size;
	if (size > 0)
		backlog->failures = backlog->stuck = backlog->locked = 0;
	return more;
}

bool
session_round_is_due(const SessionDatabase *database, TimestampTz now)
{
	TimestampTz last = database->cleaned_at;

	/* A clock that was ahead must not put it off. */
	return database->unfinished || last > now ||
		last <= now - session_settings.cleanup_interval * USECS_PER_SEC;
}

/* A clock that is put back must not make it longer. */
static bool
turn_is_over(const Round *round)
{
	TimestampTz now = GetCurrentTimestamp();

	return now < round->result.started_at ||
		TimestampDifferenceExceeds(round->result.started_at, now, TURN_MS);
}

/* Does a step; false when there is more to do. */
static bool
run_step(Round *round, const Step *step)
{
	bool		finished = true;

	while (finished && try_batch(round, step))
	{
		CHECK_FOR_INTERRUPTS();
		finished = !turn_is_over(round);
	}
	if (round->backlog.items != NULL)
		pfree(round->backlog.items);
	MemSet(&round->backlog, 0, sizeof(round->backlog));
	return finished && !round->yields && !round->absent;
}

/* Does the steps; false when there is more to do. */
static bool
run_steps(Round *round)
{
	for (size_t i = 0; i < lengthof(steps); i++)
	{
		if (steps[i].cleans && !round->clean)
			continue;
		if (!run_step(round, &steps[i]))
			return false;
	}
	return !round->gave_up;
}

static void
run_round(void)
{
	SessionDatabase *database = session_shared_database();
	Round		round = {0};
	bool		finished;

	round.result.started_at = GetCurrentTimestamp();
	round.result.finished_at = SESSION_NO_TIME;
	round.cleaned_at = database->cleaned_at;
	round.clean = session_round_is_due(database, round.result.started_at);
	session_shared_round(&round.result, true, round.cleaned_at);

	finished = run_steps(&round);

	round.result.finished_at = GetCurrentTimestamp();
	if (finished && round.clean)
		round.cleaned_at = round.result.started_at;
	session_shared_round(&round.result, !finished, round.cleaned_at);
	if (round.absent)
		session_shared_absent(is_absent);
}

/*
 * The worker
 */

static void
set(const char *name, const char *value)
{
	/* Some are of newer servers. */
	if (GetConfigOption(name, true, false) != NULL)
		SetConfigOption(name, value, PGC_SUSET, PGC_S_OVERRIDE);
}

/* What an administrator sets for people's connections is not for this one. */
static void
settle_in(void)
{
	set("application_name", "session worker");
	set("search_path", "pg_catalog, pg_temp");
	set("default_transaction_read_only", "off");
	set("default_transaction_isolation", "read committed");
	set("statement_timeout", "0");
	set("transaction_timeout", "0");
	set("idle_in_transaction_session_timeout", "0");
	/* Somebody may be rebuilding a table; meanwhile there are others. */
	set("lock_timeout", "2s");
	/* What a crash undoes is done again. */
	set("synchronous_commit", "off");
}

/*
 * Looks for the extension.  If it is here, the database is known from now on.
 * Errors when sessions are in a table that cannot be worked with.
 */
static void
attach(void)
{
	Round		round = {0};

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (can_work(&round))
		(void) session_store_owner();
	PopActiveSnapshot();
	CommitTransactionCommand();
	if (round.absent)
		session_shared_absent(is_absent);
}

/* Says what the keys of the database are sealed with. */
static void
announce(void)
{
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (has_extension())
		session_keyring_announce();
	PopActiveSnapshot();
	CommitTransactionCommand();
}

/* Does one of the two; false after an error, which is reported. */
static bool
try_to(void (*prepare) (void))
{
	volatile bool done = false;

	PG_TRY();
	{
		prepare();
		done = true;
	}
	PG_CATCH();
	{
		session_shared_failed();
		recover(1);
	}
	PG_END_TRY();
	return done;
}

void
session_round_main(Datum arg)
{
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(arg),
											  InvalidOid, 0);
	settle_in();
	/* Every step of a round would fail of what attaching failed of. */
	if (!try_to(attach) || session_shared_database() == NULL)
		return;
	(void) try_to(announce);
	run_round();
}
