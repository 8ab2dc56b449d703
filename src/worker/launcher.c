/*
 * launcher.c
 *	  Starts a worker in each database that has upkeep to do.
 *
 * Rules:
 * - A server has one launcher.  It is connected to no database, so it keeps
 *	 none from being dropped.
 * - Every "session.naptime" it looks for databases that have work.  For one
 *	 after the other, it starts a worker that does a round, and waits for it.
 * - Requests wake it earlier when shared memory fills up with uses that a
 *	 worker can write.  To start a worker for a few uses costs more than the
 *	 requests that noted them.  So when a worker has written few, requests
 *	 cannot wake the launcher for a while.
 * - Shared memory knows a database as soon as a backend in it uses the
 *	 library.  After a start, a worker looks at every database once, known or
 *	 not.
 * - On a standby it does nothing until the promotion.
 * - Every wait ends at signals, so the server can shut down at once.
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

#include "audit/actor.h"
#include "audit/evidence.h"
#include "compat.h"
#include "engine/shmem.h"
#include "shared/database.h"
#include "shared/revocation.h"
#include "shared/stamp.h"
#include "shared/uses.h"
#include "worker/launcher.h"
#include "worker/round.h"

#define LAUNCHER "session launcher"
#define WORKER SESSION_ACTOR_WORKER_NAME

/*
 * When no slot for a worker is free, the launcher tries again after
 * "session.naptime", then after twice that time and so on, up to a minute.
 * The message goes to the log once an hour.
 */
#define RETRY_AT_MOST USECS_PER_MINUTE
#define REPORT_EVERY USECS_PER_HOUR

/*
 * For how long requests cannot wake the launcher, after workers have written
 * no use for requests, or fewer than FEW.
 */
#define DELAY_AFTER_NONE (10 * USECS_PER_SEC)
#define DELAY_AFTER_FEW USECS_PER_SEC
#define FEW 100

/* Seconds after which the server restarts a launcher that exited. */
#define RESTART_AFTER 1

/*
 * Handles signals that have arrived.  After an exit code of 1 the postmaster
 * starts the launcher again, unless the server shuts down.
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

/* Waits for a signal, at most for some time, and handles it. */
static void
wait_for(long milliseconds)
{
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 milliseconds, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	serve_signals();
}

/* Returns the seconds from one look for work to the next. */
static int
nap_length(void)
{
	return session_revocation_is_waiting() || session_stamp_is_waiting() ?
		1 : session_settings.naptime;
}

/* From when on requests can end a nap. */
static TimestampTz wakes_from = SESSION_NO_TIME;

/* Sets wakes_from, after workers have written so many uses for requests. */
static void
delay_requests(int64 written)
{
	wakes_from = GetCurrentTimestamp();
	if (written == 0)
		wakes_from += DELAY_AFTER_NONE;
	else if (written < FEW)
		wakes_from += DELAY_AFTER_FEW;
}

/*
 * Waits until the time for a nap that began at `start` is over, or until
 * requests end it.
 */
static void
nap_since(TimestampTz start)
{
	for (;;)
	{
		TimestampTz now = GetCurrentTimestamp();
		TimestampTz end = start + nap_length() * USECS_PER_SEC;

		if (session_uses_are_pressed())
			end = Min(end, wakes_from);

		/* A clock that was set back must not make the nap longer. */
		if (now < start || now >= end)
			return;
		wait_for(TimestampDifferenceMilliseconds(now, end));
	}
}

/*
 * Slots for workers
 */

/* How long to wait after a failed attempt; 0 = the last one found a slot. */
static int64 retry_after = 0;

/* When to try again, and when the log last had the message. */
static TimestampTz retry_at;
static TimestampTz reported_at = SESSION_NO_TIME;

/* Returns whether it is time to try to start a worker. */
static bool
slot_may_be_free(TimestampTz now)
{
	/* A clock that was set back must not make the wait longer. */
	return retry_after == 0 || now >= retry_at ||
		retry_at - now > retry_after;
}

/* Returns whether it is time for another message that no slot is free. */
static bool
is_report_due(TimestampTz now)
{
	return reported_at == SESSION_NO_TIME || now < reported_at ||
		now - reported_at >= REPORT_EVERY;
}

/* Notes and reports that no slot was free. */
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

/* Notes that a slot was free. */
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
 * Starts a worker that does a round in a database, and waits for its end.
 * Returns false when no slot for a worker is free.
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

/*
 * Has a round done in each of the databases.  Stops and returns false when no
 * slot for a worker is free.
 */
static bool
have_rounds(List *databases)
{
	static Oid	missed = InvalidOid;
	ListCell   *cell;

	/* Begin with the database that found no slot the last time. */
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
	bool		open;			/* a worker can connect to it */
} Database;

/* Lists the databases of the server, in the caller's memory context. */
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
		/* A limit of -2 marks a database whose DROP was interrupted. */
		database->open = form->datallowconn && !form->datistemplate &&
			form->datconnlimit >= -1;
		result = lappend(result, database);
		MemoryContextSwitchTo(old);
	}
	table_endscan(scan);
	table_close(catalog, AccessShareLock);
	return result;
}

/* Returns the entry of a database in a list of entries, or NULL. */
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

/* Returns whether a database is in a list of Database. */
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
 * Drops what shared memory has about databases that no longer exist.  `known`
 * and `due` were read before `databases`, so a database that is missing there
 * was dropped; it is not one that was just created.
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
	/* A database without an entry may have left uses or evidence behind. */
	foreach(cell, due)
	{
		if (!database_exists(databases, lfirst_oid(cell)))
			session_shmem_forget(lfirst_oid(cell));
	}
}

/* Returns whether a known database needs a round. */
static bool
has_work(const SessionDatabase *entry, List *due, TimestampTz now)
{
	return entry->present &&
		(session_round_is_due(entry, now) ||
		 list_member_oid(due, entry->database));
}

/*
 * Lists the databases that need a round, in the current memory context.  With
 * ask_all, the list contains the unknown databases too.
 */
static List *
databases_with_work(bool ask_all)
{
	TimestampTz now = GetCurrentTimestamp();
	MemoryContext caller = CurrentMemoryContext;
	List	   *known = session_database_list();
	List	   *due = list_concat_unique_oid(session_uses_databases(now),
											 session_evidence_due());
	List	   *result = NIL;
	List	   *databases;
	ListCell   *cell;

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	MemoryContextSwitchTo(caller);
	databases = all_databases();
	session_revocation_sweep();
	session_stamp_sweep();
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
 * Looks for work once and has it done.  Returns whether there is more to do at
 * once.  *ask_all says that a worker has not looked at every database yet; it
 * is cleared when that is done.
 */
static bool
look_for_work(bool *ask_all)
{
	bool		more = false;
	bool		pressed = session_uses_take_pressure();
	TimestampTz start = GetCurrentTimestamp();
	int64		written = 0;
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

		if (entry->last.started_at >= start)
			written += entry->last.written;
		if (done && entry->present && entry->unfinished &&
			list_member_oid(wanted, entry->database) &&
			entry->last.finished_at >= entry->last.started_at &&
			entry->last.errors == 0 &&
			entry->last.written + entry->last.deleted +
			entry->last.trimmed > 0)
			more = true;
	}
	if (pressed)
		delay_requests(written);
	pgstat_report_activity(STATE_IDLE, NULL);
	return more;
}

/* Looks for work until the process is told to end. */
static void
run_launcher(void)
{
	MemoryContext cycle = AllocSetContextCreate(TopMemoryContext,
												"session launcher cycle",
												ALLOCSET_DEFAULT_SIZES);
	bool		ask_all = true;

	session_revocation_begin_era();
	session_stamp_begin();
	session_uses_listen(SESSION_USES_LAUNCHER, true);
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

/* The entry point of the launcher. */
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

/* Registers the launcher with the postmaster. */
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

	/* pg_upgrade must find the data as it was. */
	if (!IsBinaryUpgrade)
		RegisterBackgroundWorker(&worker);
}
