/*
 * shared.c
 *	  What the backends share when the library is preloaded.
 *
 * Rules: everything has a fixed size that is asked for at server start.
 * Nothing here outlives the server or a crash, and nothing may have to: what
 * is lost was activity that is not written yet, and snapshots from before are
 * not believed any more.  A database has its entry from its first use of our
 * tables until it is dropped, so a backend looks its own up once.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#include "engine/activity.h"
#include "audit/evidence.h"
#include "shared/revocation.h"
#include "engine/shared.h"

SessionShared *session_shared = NULL;

static shmem_request_hook_type earlier_request = NULL;
static shmem_startup_hook_type earlier_startup = NULL;

/* This backend's database, once it was found, or that there is no room for it. */
static SessionDatabase *mine = NULL;
static bool no_room = false;

static void
request(void)
{
	int			entries = session_settings.activity_size;

	if (earlier_request)
		earlier_request();
	RequestAddinShmemSpace(MAXALIGN(sizeof(SessionShared)));
	RequestAddinShmemSpace(session_idmap_size(entries,
											  session_activity_entry_size));
	RequestAddinShmemSpace(session_idmap_size(entries,
											  session_revocation_entry_size));
	RequestNamedLWLockTranche("session", 1);
	RequestNamedLWLockTranche("session_activity",
							  session_idmap_locks(entries));
	RequestNamedLWLockTranche("session_revocation",
							  session_idmap_locks(entries));
	session_evidence_request();
}

/* Makes one of the maps; when another process did, only finds it. */
static void
make_map(SessionIdMap *map, const char *name, Size entry_size)
{
	int			entries = session_settings.activity_size;
	bool		found;
	void	   *memory;

	memory = ShmemInitStruct(name, session_idmap_size(entries, entry_size),
							 &found);
	if (!found)
		session_idmap_init(map, memory, entries, entry_size,
						   GetNamedLWLockTranche(name));
}

static void
make(SessionShared *shared)
{
	MemSet(shared, 0, sizeof(*shared));
	shared->lock = GetNamedLWLockTranche("session");
	pg_atomic_init_u32(&shared->workers, SESSION_WORKERS_NO_LAUNCHER);
	pg_atomic_init_u32(&shared->era, 0);
	pg_atomic_init_u32(&shared->asked, 0);
	pg_atomic_init_u64(&shared->longest_belief, 0);
	pg_atomic_init_u32(&shared->overflowing, 0);
	pg_atomic_init_u64(&shared->overflown_until, 0);
	pg_atomic_init_u64(&shared->overflows, 0);
	for (int i = 0; i < SESSION_IDMAP_PARTS; i++)
		shared->sweep_at[i] = SESSION_NO_TIME;
	for (int i = 0; i < SESSION_DATABASES; i++)
	{
		pg_atomic_init_u64(&shared->databases[i].use_lost_at, 0);
		for (int j = 0; j < SESSION_COUNTERS; j++)
			pg_atomic_init_u64(&shared->databases[i].counts[j], 0);
	}
}

static void
startup(void)
{
	bool		found;

	if (earlier_startup)
		earlier_startup();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	session_shared = ShmemInitStruct("session", sizeof(SessionShared), &found);
	if (!found)
		make(session_shared);
	make_map(&session_shared->activity, "session_activity",
			 session_activity_entry_size);
	make_map(&session_shared->revocations, "session_revocation",
			 session_revocation_entry_size);
	session_evidence_startup();
	LWLockRelease(AddinShmemInitLock);
}

void
session_shared_init(void)
{
	earlier_request = shmem_request_hook;
	shmem_request_hook = request;
	earlier_startup = shmem_startup_hook;
	shmem_startup_hook = startup;
}

/* Takes a free entry for this database; NULL when there is none. */
static SessionDatabase *
take_entry(void)
{
	for (int i = 0; i < SESSION_DATABASES; i++)
	{
		SessionDatabase *entry = &session_shared->databases[i];

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

static SessionDatabase *
find_entry(Oid database)
{
	for (int i = 0; i < SESSION_DATABASES; i++)
		if (session_shared->databases[i].database == database)
			return &session_shared->databases[i];
	return NULL;
}

void
session_shared_attach(void)
{
	if (session_shared == NULL || !OidIsValid(MyDatabaseId) || no_room ||
		(mine != NULL && mine->present))
		return;
	session_revocation_trust();
	LWLockAcquire(&session_shared->lock->lock, LW_EXCLUSIVE);
	if (mine == NULL)
		mine = find_entry(MyDatabaseId);
	if (mine == NULL)
		mine = take_entry();
	if (mine != NULL)
		mine->present = true;
	else
		no_room = true;
	LWLockRelease(&session_shared->lock->lock);
}

SessionDatabase *
session_shared_database(void)
{
	return mine;
}

void
session_count(SessionCounter which)
{
	if (mine != NULL)
		pg_atomic_fetch_add_u64(&mine->counts[which], 1);
}

uint64
session_counted(SessionDatabase *database, SessionCounter which)
{
	return pg_atomic_read_u64(&database->counts[which]);
}

/* A clock that is set back must not take back what was lost. */
static void
lose_use(SessionDatabase *database, TimestampTz at)
{
	uint64		old = pg_atomic_read_u64(&database->use_lost_at);

	while ((TimestampTz) old < at &&
		   !pg_atomic_compare_exchange_u64(&database->use_lost_at, &old,
										   (uint64) at))
		;
}

void
session_shared_lost_use(TimestampTz at)
{
	if (mine != NULL)
		lose_use(mine, at);
}

void
session_shared_lost_uses(TimestampTz at)
{
	for (int i = 0; i < SESSION_DATABASES; i++)
		lose_use(&session_shared->databases[i], at);
}

bool
session_shared_knows_uses(TimestampTz since)
{
	/* Before the first era, another server may be the primary. */
	if (mine == NULL || pg_atomic_read_u32(&session_shared->era) == 0)
		return false;
	pg_read_barrier();
	return since > (TimestampTz) pg_atomic_read_u64(&mine->use_lost_at);
}

const char *
session_counter_name(SessionCounter which)
{
	static const char *const names[SESSION_COUNTERS] = {
		[SESSION_COUNT_CHECKED + SESSION_MALFORMED] = "malformed",
		[SESSION_COUNT_CHECKED + SESSION_UNKNOWN] = "unknown",
		[SESSION_COUNT_CHECKED + SESSION_REVOKED] = "revoked",
		[SESSION_COUNT_CHECKED + SESSION_EXPIRED] = "expired",
		[SESSION_COUNT_CHECKED + SESSION_IDLE] = "idle",
		[SESSION_COUNT_CHECKED + SESSION_BINDING] = "binding",
		[SESSION_COUNT_CHECKED + SESSION_ACTIVE] = "active",
		[SESSION_COUNT_CREATED] = "sessions_created",
		[SESSION_COUNT_REFRESHED] = "sessions_refreshed",
		[SESSION_COUNT_REGENERATED] = "sessions_regenerated",
		[SESSION_COUNT_ENDED] = "sessions_ended",
		[SESSION_COUNT_EVICTED] = "sessions_evicted",
		[SESSION_COUNT_REUSED] = "refresh_reuses",
		[SESSION_COUNT_BELIEVED] = "snapshots_believed",
		[SESSION_COUNT_DOUBTED] = "snapshots_doubted",
		[SESSION_COUNT_DROPPED] = "activity_dropped",
	};

	return names[which];
}

List *
session_shared_databases(void)
{
	SessionDatabase *copies = palloc(sizeof(session_shared->databases));
	List	   *result = NIL;

	LWLockAcquire(&session_shared->lock->lock, LW_SHARED);
	memcpy(copies, session_shared->databases,
		   sizeof(session_shared->databases));
	LWLockRelease(&session_shared->lock->lock);
	for (int i = 0; i < SESSION_DATABASES; i++)
		if (OidIsValid(copies[i].database))
			result = lappend(result, &copies[i]);
	return result;
}

void
session_shared_round(const SessionRound *round, bool unfinished,
					 TimestampTz cleaned_at)
{
	LWLockAcquire(&session_shared->lock->lock, LW_EXCLUSIVE);
	if (round->finished_at < round->started_at)
		mine->rounds++;
	else
		mine->errors += round->errors;
	mine->last = *round;
	mine->unfinished = unfinished;
	mine->cleaned_at = cleaned_at;
	LWLockRelease(&session_shared->lock->lock);
}

/* Is the entry of the database that is gone? */
static bool
is_of(void *entry, void *arg)
{
	return ((SessionIdEntry *) entry)->key.database == *(Oid *) arg;
}

/* Sets whether this database has the extension, as far as is known. */
static void
set_present(bool present)
{
	SessionDatabase *entry;

	LWLockAcquire(&session_shared->lock->lock, LW_EXCLUSIVE);
	entry = find_entry(MyDatabaseId);
	if (entry != NULL)
		entry->present = present;
	LWLockRelease(&session_shared->lock->lock);
}

void
session_shared_absent(bool (*is_absent) (void))
{
	/*
	 * Whoever uses an extension that is new sets it as present unless it is
	 * already, so nobody is missed between the two looks.
	 */
	set_present(false);
	if (!is_absent())
	{
		set_present(true);
		return;
	}

	/*
	 * Revocations may be of a new extension's sessions, and pass by
	 * themselves.
	 */
	session_idmap_visit(&session_shared->activity, LW_EXCLUSIVE, is_of,
						&MyDatabaseId);
	session_evidence_forget(MyDatabaseId);
}

static void
replace_warned(Oid *warned, const Oid *tables, int count, bool *fresh)
{
	for (int i = 0; i < count; i++)
	{
		fresh[i] = true;
		for (int j = 0; j < SESSION_SHARED_WARNED; j++)
			if (warned[j] == tables[i])
				fresh[i] = false;
	}
	for (int j = 0; j < SESSION_SHARED_WARNED; j++)
		warned[j] = j < count ? tables[j] : InvalidOid;
}

void
session_shared_warned(const Oid *tables, int count, bool *fresh)
{
	static Oid	here[SESSION_SHARED_WARNED];

	if (mine == NULL)
	{
		replace_warned(here, tables, count, fresh);
		return;
	}
	LWLockAcquire(&session_shared->lock->lock, LW_EXCLUSIVE);
	replace_warned(mine->warned, tables, count, fresh);
	LWLockRelease(&session_shared->lock->lock);
}

void
session_shared_failed(void)
{
	SessionDatabase *entry;

	LWLockAcquire(&session_shared->lock->lock, LW_EXCLUSIVE);
	entry = find_entry(MyDatabaseId);
	if (entry != NULL)
		entry->errors++;
	LWLockRelease(&session_shared->lock->lock);
}

void
session_shared_died(Oid database, TimestampTz since)
{
	SessionDatabase *entry;

	LWLockAcquire(&session_shared->lock->lock, LW_EXCLUSIVE);
	entry = find_entry(database);
	if (entry != NULL && entry->last.started_at >= since &&
		entry->last.finished_at < entry->last.started_at)
	{
		entry->last.errors++;
		entry->errors++;
	}
	LWLockRelease(&session_shared->lock->lock);
}

void
session_shared_set_sealed(bool sealed)
{
	if (mine == NULL || mine->sealed == sealed)
		return;
	LWLockAcquire(&session_shared->lock->lock, LW_EXCLUSIVE);
	mine->sealed = sealed;
	LWLockRelease(&session_shared->lock->lock);
}

Oid
session_shared_sealed_elsewhere(void)
{
	Oid			found = InvalidOid;

	if (session_shared == NULL)
		return InvalidOid;
	LWLockAcquire(&session_shared->lock->lock, LW_SHARED);
	for (int i = 0; i < SESSION_DATABASES && !OidIsValid(found); i++)
	{
		const SessionDatabase *entry = &session_shared->databases[i];

		if (entry->database != MyDatabaseId && entry->present &&
			entry->sealed)
			found = entry->database;
	}
	LWLockRelease(&session_shared->lock->lock);
	return found;
}

bool
session_shared_first_check(void)
{
	bool		first;

	if (mine == NULL)
		return false;
	LWLockAcquire(&session_shared->lock->lock, LW_EXCLUSIVE);
	first = !mine->key_checked;
	mine->key_checked = true;
	LWLockRelease(&session_shared->lock->lock);
	return first;
}

void
session_shared_set_asked(void)
{
	pg_atomic_write_u32(&session_shared->asked, 1);
}

bool
session_shared_was_asked(void)
{
	return pg_atomic_read_u32(&session_shared->asked) != 0;
}

void
session_shared_forget(Oid database)
{
	SessionDatabase *entry;

	LWLockAcquire(&session_shared->lock->lock, LW_EXCLUSIVE);
	entry = find_entry(database);
	if (entry != NULL)
		entry->database = InvalidOid;
	LWLockRelease(&session_shared->lock->lock);
	session_idmap_visit(&session_shared->activity, LW_EXCLUSIVE, is_of,
						&database);
	session_idmap_visit(&session_shared->revocations, LW_EXCLUSIVE, is_of,
						&database);
	session_evidence_forget(database);
}
