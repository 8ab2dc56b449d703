/*
 * round.c
 *	  One round of upkeep in one database.
 *
 * Rules:
 * - A round does the steps of upkeep.c.  A batch is a transaction that holds no
 *	 row for longer than it takes, waits for none, and ends after a second, so
 *	 that the worker notices in time that the database is to be dropped.
 * - It works with the rights of the tables' owner in a restricted operation:
 *	 what the owner may have attached to the tables cannot do more in the hands
 *	 of a worker than in theirs.
 * - It makes way for a command that drops, renames or copies the database, and
 *	 ends after a while, so that the other databases get their turn; the next
 *	 round goes on.  A step takes half of what is left of the turn, so that a
 *	 long one does not keep the others from being done.
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

#include "engine/shmem.h"
#include "engine/upkeep.h"
#include "shared/database.h"
#include "table/keyring.h"
#include "table/store.h"
#include "worker/round.h"

/* How long a round may take before the others get their turn. */
#define TURN_MS 10000

/* How long a batch may take: shorter than DROP DATABASE waits for others. */
#define BATCH_MS 1000

typedef struct Round
{
	SessionUpkeep upkeep;
	TimestampTz cleaned_at;		/* as it will be */
	bool		yields;			/* a command needs the database */
	bool		absent;			/* there is no extension in it */
	const SessionUpkeepStep *step;	/* whose time runs */
	TimestampTz step_ends_at;
} Round;

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

/* Does some work in a transaction of its own. */
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
	/* What waits for the commit has no more rights either. */
	CommitTransactionCommand();
	SetUserIdAndSecContext(user, context);
	pgstat_report_stat(false);
}

/* Within PG_CATCH: ends what failed. */
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

bool
session_round_is_due(const SessionDatabase *database, TimestampTz now)
{
	TimestampTz last = database->cleaned_at;

	/* A clock that was ahead must not put it off. */
	return database->unfinished || last > now ||
		last <= now - session_settings.cleanup_interval * USECS_PER_SEC;
}

/* Whether there is time left; a clock that is set back makes it no longer. */
static bool
round_may_go_on(SessionUpkeep *upkeep)
{
	Round	   *round = (Round *) upkeep;
	TimestampTz begin = upkeep->result.started_at;
	TimestampTz now = GetCurrentTimestamp();

	CHECK_FOR_INTERRUPTS();
	if (round->step != upkeep->step)
	{
		int64		left = begin + TURN_MS * INT64CONST(1000) - now;

		round->step = upkeep->step;
		round->step_ends_at = now + left / 2;
	}
	return now >= begin && now < round->step_ends_at;
}

static const SessionUpkeepDriver driver = {
	.attempt = attempt_in_transaction,
	.may_go_on = round_may_go_on,
	.batch_usecs = BATCH_MS * INT64CONST(1000)
};

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

static void
set_option(const char *name, const char *value)
{
	/* Some are of newer servers. */
	if (GetConfigOption(name, true, false) != NULL)
		SetConfigOption(name, value, PGC_SUSET, PGC_S_OVERRIDE);
}

/* What an administrator sets for people's connections is not for this one. */
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
	/* Somebody may be rebuilding a table; meanwhile there are others. */
	set_option("lock_timeout", "2s");
	/* What a crash undoes is done again. */
	set_option("synchronous_commit", "off");
}

/*
 * Looks for the extension.  If it is here, the database is known from now on.
 * Errors when sessions are in a table that cannot be worked with.
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

/* Says what the keys of the database are sealed with. */
static void
announce_seals(void)
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

void
session_round_main(Datum arg)
{
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(arg),
											  InvalidOid, 0);
	set_worker_options();
	/* Every step of a round would fail of what attaching failed of. */
	if (!prepare_round(attach_database) || session_database_current() == NULL)
		return;
	(void) prepare_round(announce_seals);
	run_round();
}
