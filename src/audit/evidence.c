/*
 * evidence.c
 *	  Evidence: events that survive the rollback of their transaction.
 *
 * Rules:
 * - Every kind of evidence has its own room in the queue, so many entries of
 *	 one kind do not keep out another.  Worse kinds have more room.
 * - The databases share the room of a kind.  When it is full, a new entry
 *	 replaces the newest entry of the database that has the most, if that would
 *	 still have no fewer than the new entry's database.  Otherwise the new
 *	 entry is dropped.  Dropped entries are counted.
 * - There is one event a minute for a kind and a session, across all
 *	 addresses; for failures, for a kind and an address, or /64 of IPv6; for
 *	 rejected logins, for a user.
 * - A kind also has a budget of events for each minute and database.
 * - Without shared memory the table is used to apply the same limits: a
 *	 transaction writes an event after it has read those of the last minute,
 *	 including those that other transactions have not committed yet.
 * - An entry holds only the id of its session.  The texts are read from the
 *	 row, if that still exists, when the entry is written.  A rejected login
 *	 has no row, so its entry holds the user.
 * - The actor of an event is the one of the failure, not the one that writes
 *	 the entry.
 * - The transaction that writes entries takes them out of the queue:
 *
 *	 commit				the entries are gone
 *	 abort				all go back into the queue
 *	 savepoint rollback	those taken since the savepoint go back
 *	 prepare			all go back: the transaction may still be rolled back,
 *						and an event written twice is better than none
 *
 * The other modules with transaction callbacks follow other rules, so they
 * share no mechanism: shared/revocation.c must keep its notes when a savepoint
 * is rolled back or the transaction is prepared, engine/activity.c publishes
 * what was committed, and table/keyring.c keeps two flags.
 *
 * The queue is neither shared/idmap.c nor dynahash: its entries have an order
 * and are not looked up by session, and there may be several of a session.  It
 * is not shared/window.c, which keeps counts and overwrites them without
 * counting what it loses.
 */
#include "postgres.h"

#include <limits.h>

#include "access/xact.h"
#include "commands/extension.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "audit/actor.h"
#include "audit/event.h"
#include "audit/evidence.h"
#include "compat.h"
#include "model/array.h"
#include "model/digest.h"
#include "model/json.h"
#include "shared/database.h"
#include "shared/window.h"
#include "table/store.h"

#define TRANCHE "session_evidence"

/* The kinds, worst first.  Each has its entries, windows and budget. */
enum
{
	REUSE,						/* of a refresh token that was replaced */
	MISMATCH,					/* with the binding of a session */
	UNBOUND,					/* the key of a session was not proven */
	RISK,						/* of a login, or of a use of a session */
	ACT_AS,						/* a user may not act as another */
	GUESSING,					/* wrong secrets for one session */
	FAILURE,					/* bad tokens from one address */
	KINDS
};

StaticAssertDecl(KINDS == SESSION_EVIDENCE_KINDS &&
				 KINDS <= SESSION_WINDOW_KINDS,
				 "every kind of evidence has windows and a budget");

typedef struct Kind
{
	SessionEventKind event;
	int			first;			/* its first place in the queue */
	int			room;			/* its number of places */
	int			budget;			/* events a minute and database */
} Kind;

static const Kind kinds[KINDS] = {
	[REUSE] = {SESSION_EVENT_REFRESH_REUSE, 0, 1024, 1000},
	[MISMATCH] = {SESSION_EVENT_BINDING_MISMATCH, 1024, 512, 300},
	[UNBOUND] = {SESSION_EVENT_UNBOUND, 1536, 512, 300},
	[RISK] = {SESSION_EVENT_RISK, 2048, 512, 300},
	[ACT_AS] = {SESSION_EVENT_ADMINISTRATION, 2560, 256, 100},
	[GUESSING] = {SESSION_EVENT_FAILURES, 2816, 256, 100},
	[FAILURE] = {SESSION_EVENT_FAILURES, 3072, 256, 100},
};

/* The sum of their room. */
#define ENTRIES 3328

/*
 * An entry that cannot be written is tried again after a minute, and dropped
 * after an hour.
 */
#define RETRY USECS_PER_MINUTE
#define KEEP USECS_PER_HOUR

/* Longest part of a user agent that an entry holds, enough to recognize it. */
#define AGENT_BYTES 255

/* Longest user id that an entry about a rejected login holds. */
#define USER_BYTES 255

/* Bytes of the name of a risk, and a zero byte. */
#define RISK_BYTES 8

typedef struct Entry
{
	SessionWindowKey key;		/* its database is InvalidOid = free */
	uint64		number;			/* in the order of arrival; see below */
	Oid			extension;		/* that was installed then */
	TimestampTz at;
	int			count;			/* events in that minute, at that time */
	SessionActorNote actor;
	bool		notify;
	TimestampTz try_at;			/* not to be written before */
	bool		has_ip;
	SessionAddress address;
	char		user_agent[AGENT_BYTES + 1];	/* empty = unknown */
	char		risk[RISK_BYTES];	/* empty = of another kind */
	bool		is_login;		/* rejected; the key's id is no session's */
	char		user_id[USER_BYTES + 1];	/* of the login; empty = unknown */
} Entry;

/*
 * The number of an entry is KINDS times a counter of all entries, plus its
 * kind.  So the number says at which place to look for the entry.
 */
typedef struct Queue
{
	uint64		last;			/* how many entries were numbered */
	int			used[KINDS];
	uint64		dropped;
	Entry		entries[ENTRIES];
} Queue;

static Queue *queue = NULL;
static LWLock *lock = NULL;

/* The entries that this transaction has taken out of the queue. */
typedef struct Taken
{
	Entry		entry;
	SubTransactionId in;
} Taken;

static Taken *taken = NULL;
static int	ntaken = 0;
static int	taken_room = 0;

/* Requests the shared memory of the queue. */
void
session_evidence_shmem_request(void)
{
	RequestAddinShmemSpace(sizeof(Queue));
	RequestNamedLWLockTranche(TRANCHE, 1);
}

/* Creates the queue in shared memory, or finds it there. */
void
session_evidence_shmem_init(void)
{
	bool		found;

	queue = ShmemInitStruct(TRANCHE, sizeof(Queue), &found);
	if (!found)
		MemSet(queue, 0, sizeof(Queue));
	lock = &GetNamedLWLockTranche(TRANCHE)->lock;
}

/*
 * Writing
 */

/* Returns whether an entry is about a session, whose id is in its key. */
static bool
has_session(const Entry *entry)
{
	return entry->key.kind != FAILURE && !entry->is_login;
}

/* Returns the detail of the event of an entry. */
static Jsonb *
entry_detail(const Entry *entry)
{
	Jsonb	   *detail = session_json_empty();

	if (entry->key.kind == ACT_AS)
		detail = session_json_with_text(detail, "action",
										cstring_to_text("act_as_refused"));
	if (entry->risk[0] != '\0')
	{
		detail = session_json_with_text(detail, "risk",
										cstring_to_text(entry->risk));
		detail = session_json_with_text(detail, "at",
										cstring_to_text(entry->is_login ?
														"login" : "use"));
	}
	return session_json_with_int(detail, "count",
								 session_window_count(&entry->key, entry->at,
													  entry->count));
}

/* Writes an entry as an event. */
static void
write_entry(const Entry *entry)
{
	SessionEvent event = {
		.kind = kinds[entry->key.kind].event,
		.at = entry->at,
		.notify = entry->notify
	};
	SessionActor actor;
	SessionRow	row;

	session_actor_of_note(&actor, &entry->actor);
	event.actor = &actor;
	if (has_session(entry))
		event.session_id = &entry->key.id;
	if (entry->user_id[0] != '\0')
		event.user_id = cstring_to_text(entry->user_id);
	if (event.session_id != NULL && session_store_read(&entry->key.id, &row))
	{
		/* If the user may not act as another, the event is about that one. */
		if (entry->key.kind != ACT_AS)
		{
			event.user_id = row.user_id;
			event.tenant_id = row.tenant_id;
		}
		/* The address at creation, unless the call gave one. */
		if (event.kind == SESSION_EVENT_REFRESH_REUSE)
		{
			event.ip = row.ip;
			event.user_agent = row.user_agent;
		}
	}
	if (entry->has_ip)
		event.ip = &entry->address.ip;
	if (entry->user_agent[0] != '\0')
		event.user_agent = cstring_to_text(entry->user_agent);
	event.detail = entry_detail(entry);
	session_event_write(&event);
}

/*
 * Returns the place in the queue for a number, or the place that is "after"
 * places behind it.
 */
static Entry *
slot_of(uint64 number, int after)
{
	const Kind *kind = &kinds[number % KINDS];

	return &queue->entries[kind->first +
						   (number / KINDS + after) % kind->room];
}

/* Frees the place of an entry. */
static void
remove_entry(Entry *entry)
{
	queue->used[entry->key.kind]--;
	entry->key.database = InvalidOid;
}

/*
 * Returns how many entries of a kind a database has, and sets *newest to the
 * newest of them.
 */
static int
count_entries(const Kind *kind, Oid database, Entry **newest)
{
	int			count = 0;

	*newest = NULL;
	for (int i = kind->first; i < kind->first + kind->room; i++)
	{
		Entry	   *entry = &queue->entries[i];

		if (entry->key.database != database)
			continue;
		count++;
		if (*newest == NULL || entry->number > (*newest)->number)
			*newest = entry;
	}
	return count;
}

/*
 * Removes the newest entry of the database that has the most entries of a
 * kind, to make room for an entry of another database.  Returns false, without
 * doing so, if the other database would have more entries than that one then.
 */
static bool
make_room(const Kind *kind, Oid database)
{
	Oid			largest = InvalidOid;
	int			most = 0;
	Entry	   *newest;

	for (int i = kind->first; i < kind->first + kind->room; i++)
	{
		Oid			other = queue->entries[i].key.database;
		int			count;

		/* Skip repeated counting; most entries are of few databases. */
		if (other == largest)
			continue;
		count = count_entries(kind, other, &newest);
		if (count > most)
		{
			largest = other;
			most = count;
		}
	}
	if (count_entries(kind, database, &newest) + 1 >= most)
		return false;
	(void) count_entries(kind, largest, &newest);
	remove_entry(newest);
	return true;
}

/* Puts an entry into the queue, or drops it or another if there is no room. */
static void
queue_entry(const Entry *entry)
{
	const Kind *kind = &kinds[entry->key.kind];
	int			after = 0;

	if (queue->used[entry->key.kind] == kind->room)
	{
		queue->dropped++;
		if (!make_room(kind, entry->key.database))
			return;
	}
	/* The places are used in a ring, so this one is usually free. */
	while (OidIsValid(slot_of(entry->number, after)->key.database))
		after++;
	*slot_of(entry->number, after) = *entry;
	queue->used[entry->key.kind]++;
}

/* Puts back the entries that were taken since a subtransaction began. */
static void
restore_taken(SubTransactionId since)
{
	int			kept = 0;

	LWLockAcquire(lock, LW_EXCLUSIVE);
	for (int i = 0; i < ntaken; i++)
		if (taken[i].in >= since)
			queue_entry(&taken[i].entry);
		else
			taken[kept++] = taken[i];
	LWLockRelease(lock);
	ntaken = kept;
}

/* Transaction callback; the banner says what it does at each event. */
static void
evidence_at_transaction_end(XactEvent event, void *arg)
{
	if (taken == NULL)
		return;
	switch (event)
	{
		case XACT_EVENT_PREPARE:
			/* It may still be rolled back, and no callback reports that. */
		case XACT_EVENT_ABORT:
			restore_taken(InvalidSubTransactionId);
			/* FALLTHROUGH */
		case XACT_EVENT_COMMIT:
			taken = NULL;		/* goes with the transaction's memory */
			ntaken = 0;
			taken_room = 0;
			break;
		default:
			break;
	}
}

/* Subtransaction callback; puts back what a rollback to a savepoint undoes. */
static void
evidence_at_savepoint_end(SubXactEvent event, SubTransactionId mine,
						  SubTransactionId parent, void *arg)
{
	/* Subtransactions that began later have higher ids and end with it. */
	if (ntaken > 0 && event == SUBXACT_EVENT_ABORT_SUB)
		restore_taken(mine);
}

/* Registers the callbacks, and allocates room to take entries. */
static void
reserve_taken(int count)
{
	static bool watching = false;

	if (!watching)
	{
		RegisterXactCallback(evidence_at_transaction_end, NULL);
		RegisterSubXactCallback(evidence_at_savepoint_end, NULL);
		watching = true;
	}
	taken = session_array_reserve(taken, ntaken + count, &taken_room,
								  sizeof(Taken), TopTransactionContext);
}

/* Returns the entry of this database with a number, or NULL. */
static Entry *
find_entry(uint64 number)
{
	int			room = kinds[number % KINDS].room;

	/* It is at its own place, or at one behind it if that was in use. */
	for (int after = 0; after < room; after++)
	{
		Entry	   *entry = slot_of(number, after);

		if (entry->key.database == MyDatabaseId && entry->number == number)
			return entry;
	}
	return NULL;
}

/* Takes entries out of the queue, if they are still there. */
static void
take_entries(const uint64 *numbers, int count)
{
	reserve_taken(count);
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

/* Comparison for qsort. */
static int
compare_numbers(const void *a, const void *b)
{
	uint64		left = *(const uint64 *) a;
	uint64		right = *(const uint64 *) b;

	return left < right ? -1 : left > right;
}

/*
 * Finds the entries of this database that are due at a time.  Returns their
 * number.
 */
static int
find_due(TimestampTz now, int limit, uint64 *numbers)
{
	int			count = 0;

	if (queue == NULL || !session_event_possible())
		return 0;
	LWLockAcquire(lock, LW_SHARED);
	/* The worst kinds come first. */
	for (int i = 0; i < ENTRIES && count < limit; i++)
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

/* Finds the entries of this database that are due.  Returns their number. */
int
session_evidence_find(int limit, uint64 *numbers)
{
	return find_due(GetCurrentTimestamp(), limit, numbers);
}

/* Returns the extension that is installed in this database. */
static Oid
installed(void)
{
	return get_extension_oid("session", true);
}

/* Writes entries of the queue as events.  Returns the number taken. */
int
session_evidence_write(const uint64 *numbers, int count)
{
	int			first = ntaken;
	Oid			extension = installed();

	take_entries(numbers, count);
	count = ntaken - first;
	for (int i = first; i < first + count; i++)
	{
		/* A trigger of the table may get here too, and move "taken". */
		Entry		entry = taken[i].entry;

		/* The extension may have been dropped and created since. */
		if (entry.extension == extension)
			write_entry(&entry);
	}
	return count;
}

/* Writes all entries of this database, also those that were put off. */
void
session_evidence_flush(void)
{
	uint64	   *numbers = palloc_array(uint64, ENTRIES);
	int			count = find_due(DT_NOEND, ENTRIES, numbers);

	if (count > 0)
		(void) session_evidence_write(numbers, count);
	pfree(numbers);
}

/*
 * Puts off an entry that could not be written, or drops it if it is too old.
 */
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
 * Queueing
 */

/*
 * Takes one event from the budget of this database for the kind and minute.
 * Returns false if nothing is left.  The lock is held.
 */
static bool
spend_budget(const Entry *entry)
{
	SessionDatabase *database = session_database_current();
	int64		minute = entry->at / USECS_PER_MINUTE;

	if (database == NULL)
		return true;
	if (database->evidence_minute != minute)
		MemSet(database->evidence, 0, sizeof(database->evidence));
	database->evidence_minute = minute;
	if (database->evidence[entry->key.kind] >= kinds[entry->key.kind].budget)
		return false;
	database->evidence[entry->key.kind]++;
	return true;
}

/* Puts a new entry into the queue, or drops it. */
static void
queue_new_entry(Entry *entry)
{
	/* The launcher may not know this database yet. */
	session_database_attach();
	entry->extension = installed();
	LWLockAcquire(lock, LW_EXCLUSIVE);
	if (spend_budget(entry))
	{
		entry->number = ++queue->last * KINDS + entry->key.kind;
		queue_entry(entry);
	}
	else
		queue->dropped++;
	LWLockRelease(lock);
}

/* Writes a new entry to the table at once, within the limits. */
static void
write_evidence_now(const Entry *entry)
{
	const Kind *kind = &kinds[entry->key.kind];
	SessionEvent event = {
		.kind = kind->event,
		.at = entry->at,
		.session_id = has_session(entry) ? &entry->key.id : NULL,
		.ip = entry->has_ip ? &entry->address.ip : NULL
	};

	if (session_event_is_news(&event, USECS_PER_MINUTE, kind->budget))
		write_entry(entry);
}

/* Sets the address of an entry, as far as it may be stored. */
static void
set_ip(Entry *entry, const inet *ip)
{
	SessionAddress room;

	ip = session_policy_stored_ip(ip, &session_settings, &room);
	if (ip == NULL)
		return;
	entry->has_ip = true;
	memcpy(&entry->address.ip, ip, VARSIZE_ANY(ip));
}

/* Sets the address of an entry, or the /64 network of an IPv6 address. */
static void
set_network(Entry *entry, const inet *ip)
{
	int			len;

	set_ip(entry, ip);
	if (ip == NULL)
		return;
	(void) session_policy_network(ip, &len);
	if (len != 4)
		set_ip(entry, cidr_set_masklen_internal(ip, 64));
}

/* Sets the user agent of an entry, cut to AGENT_BYTES. */
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

/*
 * Counts an entry, and queues or writes it if it is the one of its minute that
 * exceeds the limit.
 */
static void
note_evidence(Entry *entry, int limit)
{
	entry->at = GetCurrentTimestamp();
	entry->try_at = SESSION_NO_TIME;
	entry->key.database = MyDatabaseId;
	entry->notify = session_settings.notify;
	session_actor_note(&entry->actor);

	/*
	 * Without a queue, a transaction that may not write only counts.  A later
	 * one of the same minute can write the event.
	 */
	if (queue == NULL && !session_event_possible())
		limit = INT_MAX;
	if (!session_window_exceeds(&entry->key, entry->at, limit, &entry->count))
		return;
	if (queue != NULL)
		queue_new_entry(entry);
	else
		write_evidence_now(entry);
}

/* Returns whether failures are logged. */
static bool
failures_wanted(void)
{
	return session_event_wanted(SESSION_EVENT_FAILURES) &&
		session_settings.failure_threshold > 0;
}

/* Notes that an invalid token was presented from an address. */
void
session_evidence_failure(const inet *ip)
{
	Entry		entry = {.key.kind = FAILURE};

	if (!failures_wanted())
		return;
	set_network(&entry, ip);
	if (ip != NULL)
	{
		const uint8 *network = session_policy_network(ip, &entry.key.len);

		memcpy(entry.key.address, network, entry.key.len);
	}
	note_evidence(&entry, session_settings.failure_threshold);
}

/* Notes that a token with a wrong secret was presented for a session. */
void
session_evidence_guess(const SessionRow *row, const inet *ip)
{
	Entry		entry = {.key.kind = GUESSING};

	session_evidence_failure(ip);
	if (!failures_wanted())
		return;
	entry.key.id = row->id;
	set_network(&entry, ip);
	note_evidence(&entry, session_settings.failure_threshold);
}

/* Notes that a replaced refresh token of a session was used. */
void
session_evidence_reuse(const SessionRow *row, const SessionBinding *binding)
{
	Entry		entry = {.key.kind = REUSE};

	if (!session_event_wanted(SESSION_EVENT_REFRESH_REUSE))
		return;
	entry.key.id = row->id;
	set_ip(&entry, binding->ip);
	set_user_agent(&entry, binding->user_agent);
	note_evidence(&entry, 0);
}

/*
 * Notes that a session was used from a place that does not match its binding.
 */
void
session_evidence_mismatch(const SessionRow *row,
						  const SessionBinding *binding)
{
	Entry		entry = {.key.kind = MISMATCH};

	if (!session_event_wanted(SESSION_EVENT_BINDING_MISMATCH))
		return;
	entry.key.id = row->id;
	set_ip(&entry, binding->ip);
	set_user_agent(&entry, binding->user_agent);
	note_evidence(&entry, 0);
}

/* Notes that a request did not prove the key that its session is bound to. */
void
session_evidence_unbound(const SessionRow *row, const SessionBinding *binding)
{
	Entry		entry = {.key.kind = UNBOUND};

	if (!session_event_wanted(SESSION_EVENT_UNBOUND))
		return;
	entry.key.id = row->id;
	set_ip(&entry, binding->ip);
	set_user_agent(&entry, binding->user_agent);
	note_evidence(&entry, 0);
}

/*
 * Fills an entry about a risk.  Each result counts by itself, so that many
 * requests that need a step up do not hide one that was rejected.
 */
static void
set_risk(Entry *entry, const char *risk, const SessionBinding *binding)
{
	strlcpy(entry->risk, risk, RISK_BYTES);
	entry->key.len = RISK_BYTES;
	memcpy(entry->key.address, entry->risk, RISK_BYTES);
	set_ip(entry, binding->ip);
	set_user_agent(entry, binding->user_agent);
}

/* Notes what was said about the risk of a request for a session. */
void
session_evidence_risk(const SessionRow *row, const SessionBinding *binding,
					  const char *risk)
{
	Entry		entry = {.key.kind = RISK};

	if (!session_event_wanted(SESSION_EVENT_RISK))
		return;
	entry.key.id = row->id;
	set_risk(&entry, risk, binding);
	note_evidence(&entry, 0);
}

/* Sets the user of an entry, and an id made of user and tenant. */
static void
set_user(Entry *entry, const SessionRow *row)
{
	StringInfoData name;
	uint8		hash[SESSION_SHA256_BYTES];

	initStringInfo(&name);
	appendBinaryStringInfo(&name, VARDATA_ANY(row->user_id),
						   VARSIZE_ANY_EXHDR(row->user_id));
	/* No text contains a zero byte. */
	appendStringInfoChar(&name, '\0');
	if (row->tenant_id != NULL)
		appendBinaryStringInfo(&name, VARDATA_ANY(row->tenant_id),
							   VARSIZE_ANY_EXHDR(row->tenant_id));
	session_digest_sha256(hash, name.data, name.len);
	memcpy(entry->key.id.data, hash, UUID_LEN);
	if (VARSIZE_ANY_EXHDR(row->user_id) <= USER_BYTES)
		memcpy(entry->user_id, VARDATA_ANY(row->user_id),
			   VARSIZE_ANY_EXHDR(row->user_id));
	pfree(name.data);
}

/* Notes that a login was rejected. */
void
session_evidence_risk_login(const SessionRow *row, const char *risk)
{
	Entry		entry = {.key.kind = RISK,.is_login = true};
	SessionBinding binding = {.ip = row->ip,.user_agent = row->user_agent};

	if (!session_event_wanted(SESSION_EVENT_RISK))
		return;
	set_user(&entry, row);
	set_risk(&entry, risk, &binding);
	note_evidence(&entry, 0);
}

/* Notes that the user of a session may not act as another. */
void
session_evidence_act_as(const SessionRow *row, const text *user_id,
						const SessionBinding *binding)
{
	Entry		entry = {.key.kind = ACT_AS};

	if (!session_event_wanted(SESSION_EVENT_ADMINISTRATION))
		return;
	entry.key.id = row->id;
	if (VARSIZE_ANY_EXHDR(user_id) <= USER_BYTES)
		memcpy(entry.user_id, VARDATA_ANY(user_id), VARSIZE_ANY_EXHDR(user_id));
	set_ip(&entry, binding->ip);
	set_user_agent(&entry, binding->user_agent);
	note_evidence(&entry, 0);
}

/*
 * For upkeep
 */

/* Returns the databases that have entries to be written, a list of Oid. */
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
	for (int i = 0; i < ENTRIES; i++)
		if (OidIsValid(queue->entries[i].key.database) &&
			queue->entries[i].try_at <= now)
			found[count++] = queue->entries[i].key.database;
	LWLockRelease(lock);
	for (int i = 0; i < count; i++)
		databases = list_append_unique_oid(databases, found[i]);
	pfree(found);
	return databases;
}

/* Drops the entries of a database. */
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

/* Returns the number of entries dropped since the server started. */
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
