/*
 * launcher.c
 *	  Who has upkeep done.
 *
 * Rules: one launcher a server, connected to no database, so it keeps none
 * from being dropped.  Every "session.naptime" it looks which databases have
 * work, and has a worker of its own do a round in one after the other.  A
 * database shows itself by using the library; when work begins, each is asked
 * once.  On a standby there is nothing to do until it is promoted.
 *
 * It does not wait without looking at the time and at what it is told, so a
 * server that is shut down need not wait for it.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_database.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "audit/evidence.h"
#include "compat.h"
#include "engine/activity.h"
#include "engine/shmem.h"
#include "shared/database.h"
#include "shared/revocation.h"
#include "worker/launcher.h"
#include "worker/round.h"

#define LAUNCHER "session launcher"
#define WORKER "session worker"

/*
 * When no slot for a worker is free it is tried again after "session.naptime",
 * then after twice as long and so on, up to a minute; and the log says so once
 * an hour.
 */
#define RETRY_AT_MOST USECS_PER_MINUTE
#define REPORT_EVERY USECS_PER_HOUR

/* Seconds until a launcher that died is replaced. */
#define RESTART_AFTER 1

/*
 * Does what was asked of this process meanwhile.  To leave with 1 is to be
 * replaced, unless the server is shut down.
 */
static void
serve_signals(void)
{
	CHECK_FOR_INTERRUPTS();
	if (ShutdownRequestPending)
		proc_exit(1);
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
}

/* Waits until something happens, at most so long. */
static void
wait_for(long milliseconds)
{
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 milliseconds, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	serve_signals();
}

/* Seconds to the next look, as the setting is now. */
static int
nap_length(void)
{
	return session_revocation_is_waiting() ? 1 : session_settings.naptime;
}

static void
nap_since(TimestampTz start)
{
	for (;;)
	{
		TimestampTz now = GetCurrentTimestamp();
		TimestampTz end = start + nap_length() * USECS_PER_SEC;

		/* Nor does a clock that is put back make it longer. */
		if (now < start || now >= end)
			return;
		wait_for(TimestampDifferenceMilliseconds(now, end));
	}
}

/*
 * Slots for workers
 */

/* How long to wait between attempts, and until when; 0 = a slot was free. */
static int64 retry_after = 0;
static TimestampTz retry_at;
static TimestampTz reported_at = SESSION_NO_TIME;

static bool
slot_may_be_free(TimestampTz now)
{
	/* A clock that is set back must not make it longer. */
	return retry_after == 0 || now >= retry_at ||
		retry_at - now > retry_after;
}

/* Returns whether the log is to say again that no slot is free. */
static bool
is_report_due(TimestampTz now)
{
	return reported_at == SESSION_NO_TIME || now < reported_at ||
		now - reported_at >= REPORT_EVERY;
}

static void
note_no_slot(void)
{
	TimestampTz now = GetCurrentTimestamp();
	int64		nap = session_settings.naptime * USECS_PER_SEC;
	bool		report = is_report_due(now);

	ereport(report ? LOG : DEBUG1,
			(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
			 errmsg("could not start a session worker"),
			 errdetail("No slot for a background worker is free.  Until one is, "
					   "only session_cleanup() does upkeep."),
			 errhint("You might need to increase \"max_worker_processes\".")));
	if (report)
		reported_at = now;
	retry_after = Max(nap, Min(RETRY_AT_MOST, retry_after * 2));
	retry_at = now + retry_after;
	session_database_set_workers(SESSION_WORKERS_NO_SLOT);
}

static void
note_slot(void)
{
	retry_after = 0;
	session_database_set_workers(SESSION_WORKERS_OK);
}

/*
 * Rounds
 */

/*
 * Has a round done in a database, and waits for its end.  Returns false when
 * there is no slot for a worker.
 */
static bool
have_round(Oid database)
{
	BackgroundWorker worker = {
		.bgw_flags = BGWORKER_SHMEM_ACCESS |
		BGWORKER_BACKEND_DATABASE_CONNECTION,
		.bgw_start_time = BgWorkerStart_RecoveryFinished,
		.bgw_restart_time = BGW_NEVER_RESTART,
		.bgw_main_arg = ObjectIdGetDatum(database),
		.bgw_notify_pid = MyProcPid,
		.bgw_type = WORKER,
		.bgw_library_name = "session",
		.bgw_function_name = "session_round_main"
	};
	BackgroundWorkerHandle *handle;
	TimestampTz started = GetCurrentTimestamp();
	pid_t		pid;

	snprintf(worker.bgw_name, BGW_MAXLEN, WORKER " for database %u", database);
	if (!RegisterDynamicBackgroundWorker(&worker, &handle))
	{
		note_no_slot();
		return false;
	}
	note_slot();
	while (GetBackgroundWorkerPid(handle, &pid) != BGWH_STOPPED)
		wait_for(1000);
	pfree(handle);
	session_database_note_worker_died(database, started);
	return true;
}

/* Has rounds done in databases; false when there was no slot for one. */
static bool
have_rounds(List *databases)
{
	static Oid	missed = InvalidOid;
	ListCell   *cell;

	/* The one that found no slot the last time is the first. */
	if (list_member_oid(databases, missed))
		databases = lcons_oid(missed, list_delete_oid(databases, missed));
	missed = InvalidOid;
	foreach(cell, databases)
	{
		if (have_round(lfirst_oid(cell)))
			continue;
		missed = lfirst_oid(cell);
		return false;
	}
	return true;
}

/*
 * Databases
 */

typedef struct Database
{
	Oid			oid;
	bool		open;			/* one can connect to it */
} Database;

/* Lists the databases there are, in the context of the caller. */
static List *
all_databases(void)
{
	MemoryContext caller = CurrentMemoryContext;
	List	   *result = NIL;
	Relation	catalog;
	TableScanDesc scan;
	HeapTuple	tuple;

	catalog = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(catalog, 0, NULL);
	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		Form_pg_database form = (Form_pg_database) GETSTRUCT(tuple);
		MemoryContext old = MemoryContextSwitchTo(caller);
		Database   *database = palloc_object(Database);

		database->oid = form->oid;
		/* A limit of -2 marks one that is half dropped. */
		database->open = form->datallowconn && !form->datistemplate &&
			form->datconnlimit >= -1;
		result = lappend(result, database);
		MemoryContextSwitchTo(old);
	}
	table_endscan(scan);
	table_close(catalog, AccessShareLock);
	return result;
}

static SessionDatabase *
known_as(List *known, Oid oid)
{
	ListCell   *cell;

	foreach(cell, known)
	{
		SessionDatabase *entry = lfirst(cell);

		if (entry->database == oid)
			return entry;
	}
	return NULL;
}

static bool
database_exists(List *databases, Oid oid)
{
	ListCell   *cell;

	foreach(cell, databases)
	{
		if (((Database *) lfirst(cell))->oid == oid)
			return true;
	}
	return false;
}

/*
 * Forgets those that were dropped.  They were known before the others were
 * listed, so none of them is too new to be there.
 */
static void
forget_dropped(List *known, List *due, List *databases)
{
	ListCell   *cell;

	foreach(cell, known)
	{
		SessionDatabase *entry = lfirst(cell);

		if (!database_exists(databases, entry->database))
			session_shmem_forget(entry->database);
	}
	/* What a database that was never known has left behind. */
	foreach(cell, due)
	{
		if (!database_exists(databases, lfirst_oid(cell)))
			session_shmem_forget(lfirst_oid(cell));
	}
}

static bool
has_work(const SessionDatabase *entry, List *due, TimestampTz now)
{
	return entry->present &&
		(session_round_is_due(entry, now) ||
		 list_member_oid(due, entry->database));
}

/*
 * Lists the databases that need a round, in the current context; those that
 * are not known too, if everybody is to be asked.
 */
static List *
databases_with_work(bool ask_all)
{
	TimestampTz now = GetCurrentTimestamp();
	MemoryContext caller = CurrentMemoryContext;
	List	   *known = session_database_list();
	List	   *due = list_concat_unique_oid(session_activity_due(now),
											 session_evidence_due());
	List	   *result = NIL;
	List	   *databases;
	ListCell   *cell;

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	MemoryContextSwitchTo(caller);
	databases = all_databases();
	session_revocation_sweep();
	foreach(cell, databases)
	{
		Database   *database = lfirst(cell);
		SessionDatabase *entry = known_as(known, database->oid);

		if (database->open && session_round_may_begin(database->oid) &&
			(entry == NULL ? ask_all : has_work(entry, due, now)))
			result = lappend_oid(result, database->oid);
	}
	PopActiveSnapshot();
	CommitTransactionCommand();
	MemoryContextSwitchTo(caller);
	forget_dropped(known, due, databases);
	return result;
}

/*
 * The launcher
 */

/*
 * Looks for work once and has it done; true when there is more.  *ask_all says
 * that each database has still to be asked, and is cleared when that is done.
 */
static bool
look_for_work(bool *ask_all)
{
	bool		more = false;
	bool		done;
	ListCell   *cell;
	List	   *wanted;

	pgstat_report_activity(STATE_RUNNING, "looking for work");
	wanted = databases_with_work(*ask_all);
	done = slot_may_be_free(GetCurrentTimestamp()) &&
		have_rounds(list_copy(wanted));
	if (done && *ask_all)
	{
		*ask_all = false;
		session_database_set_all_visited();
	}
	foreach(cell, session_database_list())
	{
		SessionDatabase *entry = lfirst(cell);

		if (done && entry->present && entry->unfinished &&
			list_member_oid(wanted, entry->database) &&
			entry->last.finished_at >= entry->last.started_at &&
			entry->last.errors == 0 &&
			entry->last.written + entry->last.deleted +
			entry->last.trimmed > 0)
			more = true;
	}
	pgstat_report_activity(STATE_IDLE, NULL);
	return more;
}

static void
run_launcher(void)
{
	MemoryContext cycle = AllocSetContextCreate(TopMemoryContext,
												"session launcher cycle",
												ALLOCSET_DEFAULT_SIZES);
	bool		ask_all = true;

	session_revocation_begin_era();
	for (;;)
	{
		TimestampTz start = GetCurrentTimestamp();
		bool		more;

		MemoryContextSwitchTo(cycle);
		more = look_for_work(&ask_all);
		MemoryContextSwitchTo(TopMemoryContext);
		MemoryContextReset(cycle);
		serve_signals();
		if (!more)
			nap_since(start);
	}
}

void
session_launcher_main(Datum arg)
{
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	SetConfigOption("application_name", LAUNCHER, PGC_USERSET, PGC_S_OVERRIDE);
	pgstat_report_activity(STATE_IDLE, NULL);
	session_database_set_workers(SESSION_WORKERS_OK);
	while (RecoveryInProgress())
		nap_since(GetCurrentTimestamp());
	run_launcher();
}

void
session_launcher_init(void)
{
	BackgroundWorker worker = {
		.bgw_name = LAUNCHER,
		.bgw_type = LAUNCHER,
		.bgw_flags = BGWORKER_SHMEM_ACCESS |
		BGWORKER_BACKEND_DATABASE_CONNECTION,
		.bgw_start_time = BgWorkerStart_ConsistentState,
		.bgw_restart_time = RESTART_AFTER,
		.bgw_library_name = "session",
		.bgw_function_name = "session_launcher_main"
	};

	/* Nothing may change while the server is upgraded. */
	if (!IsBinaryUpgrade)
		RegisterBackgroundWorker(&worker);
}
