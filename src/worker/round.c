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
 * - A step that fails is reported and counted, and the others are done.
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
#include "engine/lifecycle.h"
#include "engine/shared.h"
#include "engine/store.h"
#include "worker/round.h"

/* How long a round may take before the others get their turn. */
#define TURN_MS 10000

/* A change of one of these sessions waits for the batch, so it is short. */
#define FLUSH_BATCH 100

/*
 * Looking for dead rows begins where those of the last batches were, which
 * takes time until they are vacuumed; so many are found at once.
 */
#define FIND 50000

typedef struct Round
{
	SessionRound result;
	TimestampTz cleaned_at;		/* as it will be */
	bool		clean;			/* it is time for that, too */
	bool		yields;			/* somebody needs the database */
	bool		absent;			/* there is no extension in it */

	pg_uuid_t  *dead;			/* found, from next on not deleted yet */
	int			count;
	int			next;
	bool		found_all;
} Round;

/* Does one batch; true = there may be more. */
typedef bool (*RunStep) (Round *round);

typedef struct Step
{
	const char *activity;		/* as pg_stat_activity shows it */
	RunStep		run;
	bool		cleans;			/* every "session.cleanup_interval" only */
} Step;

/*
 * The steps
 */

static bool
flush(Round *round)
{
	return session_activity_flush(round->result.started_at, FLUSH_BATCH,
								  &round->result.written) == FLUSH_BATCH;
}

/* Finds the next dead rows; true when there are any. */
static bool
find_dead(Round *round)
{
	int			limit = Max(FIND, session_settings.cleanup_batch);

	if (round->found_all)
		return false;
	if (round->dead == NULL)
		round->dead = MemoryContextAllocHuge(TopMemoryContext,
											 limit * sizeof(pg_uuid_t));
	round->count = session_lifecycle_find_dead(round->result.started_at, limit,
											   round->dead);
	round->next = 0;
	round->found_all = round->count < limit;
	return round->count > 0;
}

static bool
delete_dead(Round *round)
{
	int			batch;
	int			deleted;

	if (round->next == round->count)
		return find_dead(round);
	batch = Min(session_settings.cleanup_batch, round->count - round->next);
	deleted = session_lifecycle_delete_dead(round->result.started_at,
											round->dead + round->next, batch);
	round->next += batch;
	round->result.deleted += deleted;
	/* Those that are held would be found for ever. */
	if (deleted == 0)
		round->found_all = true;
	return true;
}

static bool
trim_denylist(Round *round)
{
	int			batch = session_settings.cleanup_batch;
	int64		trimmed;

	trimmed = session_denylist_trim_some(round->result.started_at, batch);
	round->result.trimmed += trimmed;
	return trimmed == batch;
}

static bool
write_evidence(Round *round)
{
	round->result.evidence += session_evidence_write();
	return false;
}

static bool
trim_events(Round *round)
{
	int			batch = session_settings.cleanup_batch;
	int64		trimmed;

	trimmed = session_event_trim(round->result.started_at, batch);
	round->result.trimmed += trimmed;
	return trimmed == batch;
}

/* Another table to be trimmed is another line. */
static const Step steps[] = {
	{"writing activity", flush, false},
	{"writing evidence", write_evidence, false},
	{"deleting dead sessions", delete_dead, true},
	{"trimming the denylist", trim_denylist, true},
	{"trimming events", trim_events, true},
};

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

/* Is the database free, and the extension in it?  Within a transaction. */
static bool
can_work(Round *round)
{
	round->yields = !session_round_may_begin(MyDatabaseId);
	round->absent = !round->yields &&
		!OidIsValid(get_extension_oid("session", true));
	return !round->yields && !round->absent;
}

static bool
run_batch(Round *round, const Step *step)
{
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
		more = step->run(round);
	}
	PopActiveSnapshot();
	/* What waits for the commit has no more rights either. */
	CommitTransactionCommand();
	SetUserIdAndSecContext(user, context);
	pgstat_report_stat(false);
	return more;
}

/* The same; an error ends the step. */
static bool
try_batch(Round *round, const Step *step)
{
	bool		more = false;

	PG_TRY();
	{
		more = run_batch(round, step);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(TopMemoryContext);
		HOLD_INTERRUPTS();
		EmitErrorReport();
		AbortCurrentTransaction();
		FlushErrorState();
		round->result.errors++;
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
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

static bool
turn_is_over(const Round *round)
{
	return TimestampDifferenceExceeds(round->result.started_at,
									  GetCurrentTimestamp(), TURN_MS);
}

/* Does the steps; false when there is more to do. */
static bool
run_steps(Round *round)
{
	for (size_t i = 0; i < lengthof(steps); i++)
	{
		if (steps[i].cleans && !round->clean)
			continue;
		while (try_batch(round, &steps[i]))
		{
			CHECK_FOR_INTERRUPTS();
			if (turn_is_over(round))
				return false;
		}
		if (round->yields || round->absent)
			return false;
	}
	return true;
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
		session_shared_absent();
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
	/* Somebody may be rebuilding a table. */
	set("lock_timeout", "10s");
	/* What a crash undoes is done again. */
	set("synchronous_commit", "off");
}

/* Is the extension here?  If so the database is known from now on. */
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
		session_shared_absent();
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
	attach();
	if (session_shared_database() != NULL)
		run_round();
}
