/*
 * database.c
 *	  What the backends share about each database that uses the library.
 *
 * Rules:
 * - The table of databases has a fixed size.  A database has its entry from
 *	 the first use of our tables there until it is dropped, so a backend looks
 *	 up the entry of its own database once.
 * - Counters start at zero when the server starts.
 * - The lock protects the entries, with these exceptions:
 *
 *	 counts, use_lost_at		are atomic
 *	 evidence_minute, evidence	are protected by the lock of audit/evidence.c
 *	 present, sealed			are written under the lock; a backend reads
 *								those of its own database without it
 *	 cleaned_at					is written under the lock; the worker that
 *								alone writes it reads it without
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#include "shared/database.h"

#define TRANCHE "session"

typedef struct Databases
{
	LWLockPadded *lock;			/* see the banner for what it protects */
	pg_atomic_uint32 workers;	/* SessionWorkers */
	/* 1 = a worker has visited every database since the server started */
	pg_atomic_uint32 all_visited;
	SessionDatabase entries[SESSION_DATABASES];
} Databases;

static Databases *databases = NULL;

/* The entry of this backend's database, or that there is no room for one. */
static SessionDatabase *mine = NULL;
static bool no_room = false;

/* Requests the shared memory of the table of databases. */
void
session_database_shmem_request(void)
{
	RequestAddinShmemSpace(MAXALIGN(sizeof(Databases)));
	RequestNamedLWLockTranche(TRANCHE, 1);
}

/* Initializes the table of databases. */
static void
make_databases(void)
{
	MemSet(databases, 0, sizeof(*databases));
	databases->lock = GetNamedLWLockTranche(TRANCHE);
	pg_atomic_init_u32(&databases->workers, SESSION_WORKERS_NO_LAUNCHER);
	pg_atomic_init_u32(&databases->all_visited, 0);
	for (int i = 0; i < SESSION_DATABASES; i++)
	{
		pg_atomic_init_u64(&databases->entries[i].use_lost_at, 0);
		for (int j = 0; j < SESSION_COUNTERS; j++)
			pg_atomic_init_u64(&databases->entries[i].counts[j], 0);
	}
}

/* Creates the table of databases, or finds it in shared memory. */
void
session_database_shmem_init(void)
{
	bool		found;

	databases = ShmemInitStruct(TRANCHE, sizeof(Databases), &found);
	if (!found)
		make_databases();
}

/* Returns whether there is shared memory. */
bool
session_database_is_shared(void)
{
	return databases != NULL;
}

/*
 * Entries
 */

/* Takes a free entry for this database; NULL if all are in use. */
static SessionDatabase *
take_entry(void)
{
	for (int i = 0; i < SESSION_DATABASES; i++)
	{
		SessionDatabase *entry = &databases->entries[i];

		if (OidIsValid(entry->database))
			continue;
		entry->database = MyDatabaseId;
		entry->unfinished = false;
		entry->cleaned_at = SESSION_NO_TIME;
		MemSet(&entry->last, 0, sizeof(entry->last));
		entry->last.started_at = SESSION_NO_TIME;
		entry->last.finished_at = SESSION_NO_TIME;
		entry->rounds = 0;
		entry->errors = 0;
		entry->sealed = false;
		entry->key_checked = false;
		entry->evidence_minute = 0;
		MemSet(entry->warned, 0, sizeof(entry->warned));
		pg_atomic_write_u64(&entry->use_lost_at,
							(uint64) GetCurrentTimestamp());
		for (int j = 0; j < SESSION_COUNTERS; j++)
			pg_atomic_write_u64(&entry->counts[j], 0);
		return entry;
	}
	return NULL;
}

/* Returns the entry of a database, or NULL.  The lock is held. */
static SessionDatabase *
find_database(Oid database)
{
	for (int i = 0; i < SESSION_DATABASES; i++)
		if (databases->entries[i].database == database)
			return &databases->entries[i];
	return NULL;
}

/* Notes that this database uses the library; true if that is news. */
bool
session_database_attach(void)
{
	if (databases == NULL || !OidIsValid(MyDatabaseId) || no_room ||
		(mine != NULL && mine->present))
		return false;
	LWLockAcquire(&databases->lock->lock, LW_EXCLUSIVE);
	if (mine == NULL)
		mine = find_database(MyDatabaseId);
	if (mine == NULL)
		mine = take_entry();
	if (mine != NULL)
		mine->present = true;
	else
		no_room = true;
	LWLockRelease(&databases->lock->lock);
	return true;
}

/* Returns the entry of this database; NULL when there is none. */
SessionDatabase *
session_database_current(void)
{
	return mine;
}

/* Adds one to a counter of this database. */
void
session_database_count(SessionCounter which)
{
	session_database_count_many(which, 1);
}

/* Adds to a counter of this database. */
void
session_database_count_many(SessionCounter which, int64 count)
{
	if (mine != NULL)
		pg_atomic_fetch_add_u64(&mine->counts[which], count);
}

/* Returns the value of a counter of a database. */
uint64
session_database_counter_value(SessionDatabase *database, SessionCounter which)
{
	return pg_atomic_read_u64(&database->counts[which]);
}

/* Raises use_lost_at.  It never goes back, not even when the clock does. */
static void
raise_use_lost_at(SessionDatabase *database, TimestampTz at)
{
	uint64		old = pg_atomic_read_u64(&database->use_lost_at);

	while ((TimestampTz) old < at &&
		   !pg_atomic_compare_exchange_u64(&database->use_lost_at, &old,
										   (uint64) at))
		;
}

/* Notes that a use in this database was not recorded at a time. */
void
session_database_note_lost_use(TimestampTz at)
{
	if (mine != NULL)
		raise_use_lost_at(mine, at);
}

/* Notes that uses in any database may not have been recorded at a time. */
void
session_database_note_all_lost_use(TimestampTz at)
{
	for (int i = 0; i < SESSION_DATABASES; i++)
		raise_use_lost_at(&databases->entries[i], at);
}

/*
 * Notes and counts a use of a database that was evicted for a use of another
 * database.
 */
void
session_database_note_dropped_use(Oid database, TimestampTz at)
{
	SessionDatabase *entry;

	LWLockAcquire(&databases->lock->lock, LW_SHARED);
	entry = find_database(database);
	if (entry != NULL)
	{
		pg_atomic_fetch_add_u64(&entry->counts[SESSION_COUNT_ACTIVITY_DROPPED],
								1);
		raise_use_lost_at(entry, at);
	}
	LWLockRelease(&databases->lock->lock);
}

/* Returns whether every use in this database after a time is recorded. */
bool
session_database_has_uses_since(TimestampTz since)
{
	return mine != NULL &&
		since > (TimestampTz) pg_atomic_read_u64(&mine->use_lost_at);
}

/* Returns copies of the entries of all databases. */
List *
session_database_list(void)
{
	SessionDatabase *copies = palloc(sizeof(databases->entries));
	List	   *result = NIL;

	LWLockAcquire(&databases->lock->lock, LW_SHARED);
	memcpy(copies, databases->entries,
		   sizeof(databases->entries));
	LWLockRelease(&databases->lock->lock);
	for (int i = 0; i < SESSION_DATABASES; i++)
		if (OidIsValid(copies[i].database))
			result = lappend(result, &copies[i]);
	return result;
}

/* Stores the state of a round of upkeep in this database. */
void
session_database_note_round(const SessionRound *round, bool unfinished,
							TimestampTz cleaned_at)
{
	LWLockAcquire(&databases->lock->lock, LW_EXCLUSIVE);
	if (round->finished_at < round->started_at)
		mine->rounds++;
	else
		mine->errors += round->errors;
	mine->last = *round;
	mine->unfinished = unfinished;
	mine->cleaned_at = cleaned_at;
	LWLockRelease(&databases->lock->lock);
}

/* Sets whether this database has the extension. */
void
session_database_set_present(bool present)
{
	SessionDatabase *entry;

	LWLockAcquire(&databases->lock->lock, LW_EXCLUSIVE);
	entry = find_database(MyDatabaseId);
	if (entry != NULL)
		entry->present = present;
	LWLockRelease(&databases->lock->lock);
}

/*
 * Sets fresh[i] for tables that are not in "warned", and replaces that list.
 */
static void
replace_warned(Oid *warned, const Oid *tables, int count, bool *fresh)
{
	for (int i = 0; i < count; i++)
	{
		fresh[i] = true;
		for (int j = 0; j < SESSION_DATABASE_WARNED; j++)
			if (warned[j] == tables[i])
				fresh[i] = false;
	}
	for (int j = 0; j < SESSION_DATABASE_WARNED; j++)
		warned[j] = j < count ? tables[j] : InvalidOid;
}

/* Remembers tables that upkeep warns about, and tells which are new. */
void
session_database_remember_warned(const Oid *tables, int count, bool *fresh)
{
	static Oid	here[SESSION_DATABASE_WARNED];

	if (mine == NULL)
	{
		replace_warned(here, tables, count, fresh);
		return;
	}
	LWLockAcquire(&databases->lock->lock, LW_EXCLUSIVE);
	replace_warned(mine->warned, tables, count, fresh);
	LWLockRelease(&databases->lock->lock);
}

/* Counts a round in this database that failed before it began. */
void
session_database_note_round_failed(void)
{
	SessionDatabase *entry;

	LWLockAcquire(&databases->lock->lock, LW_EXCLUSIVE);
	entry = find_database(MyDatabaseId);
	if (entry != NULL)
		entry->errors++;
	LWLockRelease(&databases->lock->lock);
}

/* Counts an error for a worker that died during a round. */
void
session_database_note_worker_died(Oid database, TimestampTz since)
{
	SessionDatabase *entry;

	LWLockAcquire(&databases->lock->lock, LW_EXCLUSIVE);
	entry = find_database(database);
	if (entry != NULL && entry->last.started_at >= since &&
		entry->last.finished_at < entry->last.started_at)
	{
		entry->last.errors++;
		entry->errors++;
	}
	LWLockRelease(&databases->lock->lock);
}

/* Notes whether this database has sealed keys. */
void
session_database_set_sealed(bool sealed)
{
	if (mine == NULL || mine->sealed == sealed)
		return;
	LWLockAcquire(&databases->lock->lock, LW_EXCLUSIVE);
	mine->sealed = sealed;
	LWLockRelease(&databases->lock->lock);
}

/* Returns another database with sealed keys; InvalidOid if none. */
Oid
session_database_find_other_sealed(void)
{
	Oid			found = InvalidOid;

	if (databases == NULL)
		return InvalidOid;
	LWLockAcquire(&databases->lock->lock, LW_SHARED);
	for (int i = 0; i < SESSION_DATABASES && !OidIsValid(found); i++)
	{
		const SessionDatabase *entry = &databases->entries[i];

		if (entry->database != MyDatabaseId && entry->present &&
			entry->sealed)
			found = entry->database;
	}
	LWLockRelease(&databases->lock->lock);
	return found;
}

/* Returns true for the first call in this database. */
bool
session_database_is_first_key_check(void)
{
	bool		first;

	if (mine == NULL)
		return false;
	LWLockAcquire(&databases->lock->lock, LW_EXCLUSIVE);
	first = !mine->key_checked;
	mine->key_checked = true;
	LWLockRelease(&databases->lock->lock);
	return first;
}

/* Notes that a worker has visited every database. */
void
session_database_set_all_visited(void)
{
	pg_atomic_write_u32(&databases->all_visited, 1);
}

/* Returns whether a worker has visited every database. */
bool
session_database_all_visited(void)
{
	return pg_atomic_read_u32(&databases->all_visited) != 0;
}

/* Sets what the launcher knows about slots for workers. */
void
session_database_set_workers(SessionWorkers workers)
{
	pg_atomic_write_u32(&databases->workers, workers);
}

/* Returns what the launcher knows about slots for workers. */
SessionWorkers
session_database_workers(void)
{
	return (SessionWorkers) pg_atomic_read_u32(&databases->workers);
}

/* Frees the entry of a database that was dropped. */
void
session_database_forget(Oid database)
{
	SessionDatabase *entry;

	LWLockAcquire(&databases->lock->lock, LW_EXCLUSIVE);
	entry = find_database(database);
	if (entry != NULL)
		entry->database = InvalidOid;
	LWLockRelease(&databases->lock->lock);
}
