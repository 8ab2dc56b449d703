/*
 * round.c
 *	  One round of upkeep in one database.
 *
 * Rules:
 * - A round runs the steps of engine/upkeep.c.  A batch is a transaction of
 *	 its own.  It never waits for a row and ends after a second, so that the
 *	 worker notices in time that the database is to be dropped.
 * - It works with the rights of the tables' owner, in a security-restricted
 *	 operation.  A trigger that the owner has put on the tables can do no more
 *	 in a worker than in the owner's own hands.
 * - It ends when a command wants to drop, rename or copy the database.  It
 *	 also ends after ten seconds, so that the other databases get their turn;
 *	 the next round goes on.
 * - A step gets half of the time that is left, so that a long one does not
 *	 keep the others from running.  Rests count as time.
 * - While shared memory fills up with uses of this database, the round
 *	 goes on, and requests wake the worker when there are uses to be written.
 *	 That costs less than to start a worker each time.  The deletions come
 *	 after half of the round, however many requests there are.
 * - Between deletions the worker rests, as "session.cleanup_pace" says.  It
 *	 holds no transaction and no lock then.
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
#include "storage/latch.h"
#include "storage/lock.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "audit/actor.h"
#include "engine/shmem.h"
#include "engine/upkeep.h"
#include "shared/database.h"
#include "shared/uses.h"
#include "table/keyseal.h"
#include "table/store.h"
#include "worker/round.h"

/* How long a round may take before the other databases get their turn. */
#define TURN_MS 10000

/* How long a batch may take: DROP DATABASE waits five seconds for backends. */
#define BATCH_MS 1000

/* How long a round waits for more uses to be written. */
#define LINGER_MS 1000

/*
 * How long a batch of deletions may take when the worker rests between them.
 * Short, because a request may wait for the processor that long.
 */
#define PACED_BATCH_MS 5

/*
 * A rest that would be shorter is added to the next one.  A rest is a series
 * of naps; after a long nap the worker checks whether a command needs the
 * database.
 */
#define SHORTEST_REST_MS 1
#define LONGEST_NAP_MS 100

typedef struct Round
{
	SessionUpkeep upkeep;
	TimestampTz cleaned_at;		/* start of the last complete cleanup */
	bool		yields;			/* a command needs the database */
	bool		absent;			/* the database does not have the extension */
	const SessionUpkeepStep *step;	/* the step that step_ends_at is for */
	TimestampTz step_ends_at;
	int64		owed;			/* microseconds to rest; negative = too long */
} Round;

/*
 * Returns whether a round can begin in a database.  DROP DATABASE, and CREATE
 * DATABASE with this one as the template, lock the database and then wait a
 * few seconds for other backends to leave it.
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

/* Returns whether the current database has the extension. */
static bool
has_extension(void)
{
	return OidIsValid(get_extension_oid("session", true));
}

/*
 * Returns whether no command needs the database and it has the extension.
 * Called in a transaction.
 */
static bool
can_work(Round *round)
{
	round->yields = !session_round_may_begin(MyDatabaseId);
	round->absent = !round->yields && !has_extension();
	return !round->yields && !round->absent;
}

/* Returns, in a transaction of its own, whether there is no extension. */
static bool
is_absent(void)
{
	bool		absent;

	StartTransactionCommand();
	absent = !has_extension();
	CommitTransactionCommand();
	return absent;
}

/* Calls `work` in a transaction of its own, with the rights of the owner. */
static void
work_in_transaction(Round *round, void (*work) (SessionUpkeep *upkeep))
{
	Oid			user;
	int			context;

	pgstat_report_activity(STATE_RUNNING,
						   session_upkeep_activity(&round->upkeep));
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	GetUserIdAndSecContext(&user, &context);
	if (can_work(round))
	{
		SetUserIdAndSecContext(session_store_owner(),
							   context | SECURITY_RESTRICTED_OPERATION);
		work(&round->upkeep);
	}
	else
		round->upkeep.stopped = true;
	PopActiveSnapshot();
	/* Deferred triggers run at the commit, so the rights stay until then. */
	CommitTransactionCommand();
	SetUserIdAndSecContext(user, context);
	pgstat_report_stat(false);
}

/* Called in PG_CATCH.  Ends the failed transaction, and reports its error. */
static void
end_failed_transaction(bool report)
{
	MemoryContextSwitchTo(TopMemoryContext);
	HOLD_INTERRUPTS();
	if (report)
		EmitErrorReport();
	AbortCurrentTransaction();
	FlushErrorState();
	RESUME_INTERRUPTS();
}

/* Calls `work` in a transaction; returns 0 or the SQLSTATE of its error. */
static int
attempt_in_transaction(SessionUpkeep *upkeep, void (*work) (SessionUpkeep *upkeep))
{
	volatile int code = 0;

	PG_TRY();
	{
		work_in_transaction((Round *) upkeep, work);
	}
	PG_CATCH();
	{
		code = geterrcode();
		end_failed_transaction(session_upkeep_reports(upkeep, code));
	}
	PG_END_TRY();
	return code;
}

/*
 * Rests
 *
 * The worker rests between deletions, outside a transaction, in proportion to
 * the time that they took.  Writing activity and evidence is never followed by
 * a rest, because requests wait for room in shared memory.
 */

/* Handles signals that have arrived. */
static void
serve_round_signals(void)
{
	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
}

/*
 * Returns, in a transaction of its own, whether a command needs the database.
 */
static bool
must_yield(void)
{
	bool		yields;

	StartTransactionCommand();
	yields = !session_round_may_begin(MyDatabaseId);
	CommitTransactionCommand();
	return yields;
}

/*
 * Sleeps until a signal arrives, at most for some time, and counts that as
 * rest.  Returns the time.
 */
static TimestampTz
nap(Round *round, TimestampTz now, int64 usecs)
{
	TimestampTz end;
	int64		slept;

	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 (usecs + 999) / 1000, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	serve_round_signals();
	end = GetCurrentTimestamp();
	slept = Max(end - now, 0);
	round->owed -= slept;
	round->upkeep.result.rested += slept;
	return end;
}

/*
 * Rests for the time that is owed.  Ends sooner when the setting changes, the
 * time of the step is over, uses have to be written, or a command needs the
 * database.
 */
static void
rest(Round *round)
{
	double		pace = session_settings.cleanup_pace;
	TimestampTz now = GetCurrentTimestamp();

	if (round->owed < SHORTEST_REST_MS * INT64CONST(1000))
		return;
	pgstat_report_activity(STATE_IDLE, NULL);
	while (round->owed > 0 && now < round->step_ends_at)
	{
		int64		usecs = Min(round->owed, LONGEST_NAP_MS * INT64CONST(1000));

		now = nap(round, now, usecs);
		if (session_settings.cleanup_pace != pace || session_uses_are_pressed())
			round->owed = 0;
		else if (usecs == LONGEST_NAP_MS * INT64CONST(1000) && must_yield())
			return;
	}
}

/* Rests after a batch of deletions, as long as "session.cleanup_pace" says. */
static void
rest_after_batch(Round *round)
{
	if (!session_upkeep_cleans(&round->upkeep) || round->upkeep.stopped)
		return;
	round->owed += (int64) (round->upkeep.took * session_settings.cleanup_pace);
	rest(round);
}

/* Returns how long a batch may take. */
static int64
round_batch_usecs(const SessionUpkeep *upkeep)
{
	if (session_upkeep_cleans(upkeep) && session_settings.cleanup_pace > 0)
		return PACED_BATCH_MS * INT64CONST(1000);
	return BATCH_MS * INT64CONST(1000);
}

/* Returns whether it is time for a database to be cleaned. */
bool
session_round_is_due(const SessionDatabase *database, TimestampTz now)
{
	TimestampTz last = database->cleaned_at;

	/* A time in the future comes from a clock that was ahead. */
	return database->unfinished || last > now ||
		last <= now - session_settings.cleanup_interval * USECS_PER_SEC;
}

/*
 * Rests if that is due, and returns whether the step and the round have time
 * left.  A clock that was set back ends the round.
 */
static bool
round_may_go_on(SessionUpkeep *upkeep)
{
	Round	   *round = (Round *) upkeep;
	TimestampTz begin = upkeep->result.started_at;
	TimestampTz now = GetCurrentTimestamp();

	serve_round_signals();
	if (round->step != upkeep->step)
	{
		int64		left = begin + TURN_MS * INT64CONST(1000) - now;

		round->step = upkeep->step;
		round->step_ends_at = now + left / 2;
	}
	rest_after_batch(round);
	now = GetCurrentTimestamp();
	return now >= begin && now < round->step_ends_at;
}

static const SessionUpkeepDriver driver = {
	.attempt = attempt_in_transaction,
	.may_go_on = round_may_go_on,
	.batch_usecs = round_batch_usecs
};

/* Waits a while; returns whether a request found that memory fills up. */
static bool
wait_for_pressure(void)
{
	if (!session_uses_are_pressed())
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 LINGER_MS, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	return session_uses_take_pressure();
}

/* Returns whether less than half of the round is over. */
static bool
may_linger(const Round *round)
{
	TimestampTz begin = round->upkeep.result.started_at;
	TimestampTz now = GetCurrentTimestamp();

	return now >= begin && now < begin + TURN_MS / 2 * INT64CONST(1000);
}

/*
 * Runs the steps that do not delete, again and again while shared memory fills
 * up with uses of this database.  What they leave over is for the
 * rest of the round.
 */
static void
relieve_pressure(Round *round)
{
	SessionUpkeep *upkeep = &round->upkeep;
	bool		cleans = upkeep->cleans;
	bool		finished;

	session_uses_listen(SESSION_USES_WORKER, true);
	upkeep->cleans = false;
	do
	{
		int64		written = upkeep->result.written;

		finished = session_upkeep_run(upkeep);
		if (finished && upkeep->result.written == written &&
			session_uses_need_relief())
		{
			/* The uses of another database fill it. */
			session_uses_leave_pressure();
			break;
		}
	} while (finished && may_linger(round) && wait_for_pressure());
	session_uses_listen(SESSION_USES_WORKER, false);
	upkeep->cleans = cleans;
	upkeep->left_over = false;
}

/* Does one round, and notes its start and its end in shared memory. */
static void
run_round(void)
{
	SessionDatabase *database = session_database_current();
	Round		round = {.upkeep = {.driver = &driver}};
	SessionRound *result = &round.upkeep.result;
	bool		finished;

	result->started_at = GetCurrentTimestamp();
	result->finished_at = SESSION_NO_TIME;
	round.cleaned_at = database->cleaned_at;
	round.upkeep.cleans = session_round_is_due(database, result->started_at);
	session_database_note_round(result, true, round.cleaned_at);

	if (session_uses_need_relief())
		relieve_pressure(&round);
	finished = session_upkeep_run(&round.upkeep);

	result->finished_at = GetCurrentTimestamp();
	if (finished && round.upkeep.cleans)
		round.cleaned_at = result->started_at;
	session_database_note_round(result, !finished, round.cleaned_at);
	if (round.absent)
		session_shmem_absent(is_absent);
}

/*
 * The worker
 */

/* Sets an option, if this version of the server has it. */
static void
set_option(const char *name, const char *value)
{
	if (GetConfigOption(name, true, false) != NULL)
		SetConfigOption(name, value, PGC_SUSET, PGC_S_OVERRIDE);
}

/*
 * Sets the options of the worker's own connection.  What an administrator sets
 * for clients, with ALTER DATABASE for example, must not apply to it.
 */
static void
set_worker_options(void)
{
	set_option("application_name", "session worker");
	set_option("search_path", "pg_catalog, pg_temp");
	set_option("default_transaction_read_only", "off");
	set_option("default_transaction_isolation", "read committed");
	set_option("statement_timeout", "0");
	set_option("transaction_timeout", "0");
	set_option("idle_in_transaction_session_timeout", "0");
	/* A table may be locked for a rebuild; the other steps can go on. */
	set_option("lock_timeout", "2s");
	/* Upkeep that a crash undoes is done again. */
	set_option("synchronous_commit", "off");
}

/*
 * Looks for the extension.  If the database has it, shared memory knows the
 * database from now on.  Errors when the table of sessions has a shape that
 * the extension cannot work with.
 */
static void
attach_database(void)
{
	Round		round = {0};

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (can_work(&round))
		(void) session_store_owner();
	PopActiveSnapshot();
	CommitTransactionCommand();
	if (round.absent)
		session_shmem_absent(is_absent);
}

/* Notes whether the database has sealed keys, and checks the master key. */
static void
announce_seals(void)
{
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (has_extension())
		session_keyseal_announce();
	PopActiveSnapshot();
	CommitTransactionCommand();
}

/* Calls a function; returns false after an error, which it reports. */
static bool
prepare_round(void (*prepare) (void))
{
	volatile bool done = false;

	PG_TRY();
	{
		prepare();
		done = true;
	}
	PG_CATCH();
	{
		session_database_note_round_failed();
		end_failed_transaction(true);
	}
	PG_END_TRY();
	return done;
}

/* The entry point of a worker; its argument is the database. */
void
session_round_main(Datum arg)
{
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(arg),
											  InvalidOid, 0);
	set_worker_options();
	session_actor_set_worker();
	/* An error of attaching would be an error of every step. */
	if (!prepare_round(attach_database) || session_database_current() == NULL)
		return;
	(void) prepare_round(announce_seals);
	run_round();
}
