/*
 * evidence.c
 *	  Events that must not be undone by whoever caused them.
 *
 * Rules:
 * - The queue has a fixed size; what finds it full is dropped and counted.
 * - The same thing about the same session or address is one event a minute, so
 *	 nobody can flood the queue or the log by repeating it.
 * - Whoever writes what is queued takes it out, so it is in nobody's way however
 *	 long that transaction lasts; its rollback puts it back for the next one.
 * - An entry holds no more of its session than the id; the texts are looked up
 *	 when it is written, in the row if that is still there.
 */
#include "postgres.h"

#include <limits.h>

#include "access/xact.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "engine/claims.h"
#include "engine/event.h"
#include "engine/evidence.h"
#include "engine/shared.h"
#include "engine/store.h"
#include "engine/window.h"

#define ENTRIES 2048
#define TRANCHE "session_evidence"

/* One that cannot be written is tried again after a minute, for an hour. */
#define RETRY USECS_PER_MINUTE
#define KEEP USECS_PER_HOUR

/* More addresses than that, within a minute, are not worth a row each. */
#define FAILING_ADDRESSES 100

/* Of a user agent, enough to recognize it. */
#define AGENT_BYTES 255

typedef struct Entry
{
	SessionWindowKey key;		/* its database is InvalidOid = free */
	uint64		number;			/* in the order in which they came */
	TimestampTz at;
	int			count;			/* within the minute, then */
	bool		notify;
	TimestampTz try_at;			/* not before */
	bool		has_ip;
	inet		ip;
	char		user_agent[AGENT_BYTES + 1];	/* empty = not said */
} Entry;

typedef struct Queue
{
	uint64		last;			/* number of the last entry */
	int			used;
	uint64		dropped;
	Entry		entries[ENTRIES];
} Queue;

static Queue *queue = NULL;
static LWLock *lock = NULL;

/* What this transaction took out of the queue, and has written. */
typedef struct Taken
{
	Entry		entry;
	SubTransactionId in;
} Taken;

static Taken *taken = NULL;
static int	ntaken = 0;

void
session_evidence_request(void)
{
	RequestAddinShmemSpace(sizeof(Queue));
	RequestNamedLWLockTranche(TRANCHE, 1);
	session_window_request();
}

void
session_evidence_startup(void)
{
	bool		found;

	queue = ShmemInitStruct(TRANCHE, sizeof(Queue), &found);
	if (!found)
		MemSet(queue, 0, sizeof(Queue));
	lock = &GetNamedLWLockTranche(TRANCHE)->lock;
	session_window_startup();
}

/*
 * Writing
 */

/* Writes an entry as an event. */
static void
write_entry(const Entry *entry)
{
	SessionEvent event = {
		.kind = entry->key.kind,
		.at = entry->at,
		.notify = entry->notify
	};
	SessionRow	row;

	if (event.kind != SESSION_EVENT_FAILURES)
		event.session_id = &entry->key.id;
	if (event.session_id != NULL && session_store_read(&entry->key.id, &row))
	{
		event.user_id = row.user_id;
		event.tenant_id = row.tenant_id;
		/* Where the call did not say where it came from. */
		if (event.kind == SESSION_EVENT_REFRESH_REUSE)
		{
			event.ip = row.ip;
			event.user_agent = row.user_agent;
		}
	}
	if (entry->has_ip)
		event.ip = unconstify(inet *, &entry->ip);
	if (entry->user_agent[0] != '\0')
		event.user_agent = cstring_to_text(entry->user_agent);
	event.detail = session_claims_with_int(session_claims_empty(), "count",
										   session_window_count(&entry->key,
																entry->at,
																entry->count));
	session_event_write(&event);
}

/* Puts an entry into the queue, or drops it if that is full. */
static void
put(const Entry *entry)
{
	/* They are numbered from 1, so mostly the oldest place is free. */
	int			place = (entry->number - 1) % ENTRIES;

	if (queue->used == ENTRIES)
	{
		queue->dropped++;
		return;
	}
	while (OidIsValid(queue->entries[place].key.database))
		place = (place + 1) % ENTRIES;
	queue->entries[place] = *entry;
	queue->used++;
}

/* Puts back what was taken since a subtransaction began. */
static void
put_back(SubTransactionId since)
{
	int			kept = 0;

	LWLockAcquire(lock, LW_EXCLUSIVE);
	for (int i = 0; i < ntaken; i++)
		if (taken[i].in >= since)
			put(&taken[i].entry);
		else
			taken[kept++] = taken[i];
	LWLockRelease(lock);
	ntaken = kept;
}

static void
at_transaction_end(XactEvent event, void *arg)
{
	if (taken == NULL)
		return;
	switch (event)
	{
		case XACT_EVENT_PREPARE:
			/* It may still be rolled back; rather tell it twice than never. */
		case XACT_EVENT_ABORT:
			put_back(InvalidSubTransactionId);
			/* FALLTHROUGH */
		case XACT_EVENT_COMMIT:
			taken = NULL;		/* goes with the transaction's memory */
			ntaken = 0;
			break;
		default:
			break;
	}
}

static void
at_savepoint_end(SubXactEvent event, SubTransactionId mine,
				 SubTransactionId parent, void *arg)
{
	/* What began later is part of it. */
	if (ntaken > 0 && event == SUBXACT_EVENT_ABORT_SUB)
		put_back(mine);
}

/* Has the end of the transaction reported here, and makes room to take. */
static void
prepare_to_take(int count)
{
	static bool watching = false;
	Size		size = (Size) (ntaken + count) * sizeof(Taken);

	if (!watching)
	{
		RegisterXactCallback(at_transaction_end, NULL);
		RegisterSubXactCallback(at_savepoint_end, NULL);
		watching = true;
	}
	if (taken == NULL)
		taken = MemoryContextAllocHuge(TopTransactionContext, size);
	else
		taken = repalloc_huge(taken, size);
}

static Entry *
find_entry(uint64 number)
{
	/* Where it was put, unless that was taken. */
	for (int i = 0; i < ENTRIES; i++)
	{
		Entry	   *entry = &queue->entries[(number - 1 + i) % ENTRIES];

		if (entry->key.database == MyDatabaseId && entry->number == number)
			return entry;
	}
	return NULL;
}

static void
remove_entry(Entry *entry)
{
	entry->key.database = InvalidOid;
	queue->used--;
}

/* Takes those of some entries that are there still. */
static void
take(const uint64 *numbers, int count)
{
	prepare_to_take(count);
	LWLockAcquire(lock, LW_EXCLUSIVE);
	for (int i = 0; i < count; i++)
	{
		Entry	   *entry = find_entry(numbers[i]);

		if (entry == NULL)
			continue;
		taken[ntaken].entry = *entry;
		taken[ntaken++].in = GetCurrentSubTransactionId();
		remove_entry(entry);
	}
	LWLockRelease(lock);
}

static int
compare_numbers(const void *a, const void *b)
{
	uint64		left = *(const uint64 *) a;
	uint64		right = *(const uint64 *) b;

	return left < right ? -1 : left > right;
}

int
session_evidence_find(int limit, uint64 *numbers)
{
	TimestampTz now = GetCurrentTimestamp();
	int			count = 0;

	if (queue == NULL || !session_event_possible())
		return 0;
	LWLockAcquire(lock, LW_SHARED);
	for (int i = 0; queue->used > 0 && i < ENTRIES && count < limit; i++)
	{
		const Entry *entry = &queue->entries[i];

		if (entry->key.database == MyDatabaseId && entry->try_at <= now)
			numbers[count++] = entry->number;
	}
	LWLockRelease(lock);
	if (count > 1)
		qsort(numbers, count, sizeof(uint64), compare_numbers);
	return count;
}

int
session_evidence_write(const uint64 *numbers, int count)
{
	int			first = ntaken;

	take(numbers, count);
	count = ntaken - first;
	for (int i = first; i < first + count; i++)
	{
		/* What is attached to the table may get here too, and take more. */
		Entry		entry = taken[i].entry;

		write_entry(&entry);
	}
	return count;
}

void
session_evidence_write_all(void)
{
	uint64	   *numbers = palloc_array(uint64, ENTRIES);
	int			count = session_evidence_find(ENTRIES, numbers);

	if (count > 0)
		(void) session_evidence_write(numbers, count);
	pfree(numbers);
}

void
session_evidence_put_off(uint64 number)
{
	TimestampTz now = GetCurrentTimestamp();
	Entry	   *entry;

	LWLockAcquire(lock, LW_EXCLUSIVE);
	entry = find_entry(number);
	if (entry != NULL && now - entry->at > KEEP)
	{
		remove_entry(entry);
		queue->dropped++;
	}
	else if (entry != NULL)
		entry->try_at = now + RETRY;
	LWLockRelease(lock);
}

/*
 * Noting
 */

/* Are the addresses that fail in this database within a minute still few? */
static bool
few_fail(TimestampTz now)
{
	SessionDatabase *database = session_shared_database();
	int64		minute = now / USECS_PER_MINUTE;

	if (database == NULL)
		return true;
	if (database->failing_minute != minute)
		database->failing = 0;
	database->failing_minute = minute;
	return database->failing++ < FAILING_ADDRESSES;
}

/*
 * Is there room for one more?  No database gets all of it; and anybody can
 * present bad tokens, in any number and from any address, so these get less.
 */
static bool
has_room(const Entry *entry)
{
	bool		failure = entry->key.kind == SESSION_EVENT_FAILURES;
	int			own = 0;
	int			failures = 0;
	int			own_failures = 0;

	for (int i = 0; queue->used > 0 && i < ENTRIES; i++)
	{
		const SessionWindowKey *key = &queue->entries[i].key;
		bool		is_own = key->database == entry->key.database;

		if (!OidIsValid(key->database))
			continue;
		own += is_own;
		failures += key->kind == SESSION_EVENT_FAILURES;
		own_failures += is_own && key->kind == SESSION_EVENT_FAILURES;
	}
	if (queue->used == ENTRIES || own >= ENTRIES / 2)
		return false;
	return !failure || (failures < ENTRIES / 4 &&
						own_failures < ENTRIES / 16 &&
						few_fail(entry->at));
}

/* Puts a new entry into the queue, or drops it. */
static void
push(Entry *entry)
{
	/* Nothing else may have told the launcher of this database. */
	session_shared_attach();
	LWLockAcquire(lock, LW_EXCLUSIVE);
	if (!has_room(entry))
		queue->dropped++;
	else
	{
		entry->number = queue->last + 1;
		put(entry);
		queue->last = entry->number;
	}
	LWLockRelease(lock);
}

static void
set_ip(Entry *entry, const inet *ip)
{
	const uint8 *address;

	if (ip == NULL)
		return;
	address = session_policy_address(ip, &entry->key.len);
	memcpy(entry->key.address, address, entry->key.len);
	entry->has_ip = true;
	memcpy(&entry->ip, ip, VARSIZE_ANY(ip));
}

static void
set_user_agent(Entry *entry, const text *user_agent)
{
	int			len;

	if (user_agent == NULL)
		return;
	len = pg_mbcliplen(VARDATA_ANY(user_agent),
					   VARSIZE_ANY_EXHDR(user_agent), AGENT_BYTES);
	memcpy(entry->user_agent, VARDATA_ANY(user_agent), len);
}

/* Notes what an entry says, unless it was said within the minute. */
static void
note(Entry *entry, int limit)
{
	entry->at = GetCurrentTimestamp();
	entry->try_at = SESSION_NO_TIME;
	entry->key.database = MyDatabaseId;
	entry->notify = session_settings.notify;
	/* What cannot be written now may be in another transaction. */
	if (queue == NULL && !session_event_possible())
		limit = INT_MAX;
	if (!session_window_exceeds(&entry->key, entry->at, limit, &entry->count))
		return;
	if (queue != NULL)
		push(entry);
	else
		write_entry(entry);
}

void
session_evidence_failure(const inet *ip)
{
	Entry		entry = {.key.kind = SESSION_EVENT_FAILURES};

	if (!session_event_wanted(SESSION_EVENT_FAILURES) ||
		session_settings.failure_threshold == 0)
		return;
	set_ip(&entry, ip);
	/* Whoever has an address of IPv6 has the 2^64 beside it. */
	if (entry.key.len == 16)
	{
		inet	   *network = cidr_set_masklen_internal(ip, 64);

		memcpy(&entry.ip, network, VARSIZE_ANY(network));
		MemSet(entry.key.address + 8, 0, 8);
	}
	note(&entry, session_settings.failure_threshold);
}

void
session_evidence_reuse(const SessionRow *row, const SessionBinding *binding)
{
	Entry		entry = {.key.kind = SESSION_EVENT_REFRESH_REUSE};

	if (!session_event_wanted(SESSION_EVENT_REFRESH_REUSE))
		return;
	entry.key.id = row->id;
	/* Not in the key: one session is one event a minute from anywhere. */
	if (binding->ip != NULL)
	{
		entry.has_ip = true;
		memcpy(&entry.ip, binding->ip, VARSIZE_ANY(binding->ip));
	}
	set_user_agent(&entry, binding->user_agent);
	note(&entry, 0);
}

void
session_evidence_mismatch(const SessionRow *row,
						  const SessionBinding *binding)
{
	Entry		entry = {.key.kind = SESSION_EVENT_BINDING_MISMATCH};

	if (!session_event_wanted(SESSION_EVENT_BINDING_MISMATCH))
		return;
	entry.key.id = row->id;
	set_ip(&entry, binding->ip);
	set_user_agent(&entry, binding->user_agent);
	note(&entry, 0);
}

/*
 * For upkeep
 */

List *
session_evidence_due(void)
{
	TimestampTz now = GetCurrentTimestamp();
	List	   *databases = NIL;
	Oid		   *found;
	int			count = 0;

	if (queue == NULL)
		return NIL;
	found = palloc_array(Oid, ENTRIES);
	LWLockAcquire(lock, LW_SHARED);
	for (int i = 0; queue->used > 0 && i < ENTRIES; i++)
		if (OidIsValid(queue->entries[i].key.database) &&
			queue->entries[i].try_at <= now)
			found[count++] = queue->entries[i].key.database;
	LWLockRelease(lock);
	for (int i = 0; i < count; i++)
		databases = list_append_unique_oid(databases, found[i]);
	pfree(found);
	return databases;
}

void
session_evidence_forget(Oid database)
{
	if (queue == NULL)
		return;
	LWLockAcquire(lock, LW_EXCLUSIVE);
	for (int i = 0; i < ENTRIES; i++)
	{
		Entry	   *entry = &queue->entries[i];

		if (entry->key.database == database)
			remove_entry(entry);
	}
	LWLockRelease(lock);
}

uint64
session_evidence_dropped(void)
{
	uint64		dropped;

	if (queue == NULL)
		return 0;
	LWLockAcquire(lock, LW_SHARED);
	dropped = queue->dropped;
	LWLockRelease(lock);
	return dropped;
}
