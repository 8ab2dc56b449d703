/*
 * activity.c
 *	  Writing down that a session was used, without getting in the way.
 *
 * Rules: with shared memory a use is noted there, by whatever transaction,
 * and every backend takes the later of the row and that.  It reaches the row
 * in a batch, at most once per "session.update_age" and session, or per half
 * its idle timeout.  What was not written when the server crashes is lost.
 *
 * Whatever could not be written is tried again a little later, after others.
 *
 * Without shared memory, or when it is full, the direct path is all there is:
 * the same throttle, and a transaction that may not write records nothing.
 *
 * Either way a row that somebody holds is passed over: whoever holds it is
 * either recording the same or ending the session, and a session that was
 * ended must not look alive again.
 *
 * What is noted belongs to the session that was created at that very moment,
 * not to a later one of the same id.  It stays noted even if the transaction
 * is rolled back: the session was used.  A moment that is still to come, from
 * a clock that was ahead, is not believed.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/shmem.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "engine/activity.h"
#include "model/array.h"
#include "model/policy.h"
#include "settings.h"
#include "shared/database.h"
#include "shared/idmap.h"
#include "table/store.h"

/*
 * How long what was written stays noted: a backend that read the row before
 * it was written must still find it here.
 */
#define KEEP (60 * USECS_PER_SEC)

/* When a row that was held, or could not be written, is tried again. */
#define RETRY (10 * USECS_PER_SEC)

/* seen_at may change under a shared lock, the rest under an exclusive one. */
typedef struct Use
{
	SessionIdEntry head;
	TimestampTz created_at;
	pg_atomic_uint64 seen_at;
	TimestampTz written_at;		/* the last use that is in the row */
	TimestampTz due_at;			/* when to write the next */
	int64		age;			/* how old it may get meanwhile */
} Use;

#define TRANCHE "session_activity"

/* NULL = the library was not preloaded. */
static SessionIdMap *map = NULL;

void
session_activity_shmem_request(void)
{
	int			entries = session_settings.activity_size;

	RequestAddinShmemSpace(MAXALIGN(sizeof(SessionIdMap)));
	RequestAddinShmemSpace(session_idmap_size(entries, sizeof(Use)));
	RequestNamedLWLockTranche(TRANCHE, session_idmap_locks(entries));
}

void
session_activity_shmem_init(void)
{
	int			entries = session_settings.activity_size;
	bool		found;
	void	   *memory;

	memory = ShmemInitStruct(TRANCHE, session_idmap_size(entries, sizeof(Use)),
							 &found);
	map = ShmemInitStruct(TRANCHE "_state", sizeof(SessionIdMap), &found);
	if (!found)
		session_idmap_init(map, memory, entries, sizeof(Use),
						   GetNamedLWLockTranche(TRANCHE));
}

void
session_activity_forget(Oid database)
{
	session_idmap_forget(map, database);
}

int
session_activity_used(void)
{
	return session_idmap_used(map);
}

int
session_activity_room(void)
{
	return session_idmap_room(map);
}

static TimestampTz
seen_at(Use *use)
{
	return (TimestampTz) pg_atomic_read_u64(&use->seen_at);
}

/* Finds what is noted of a session, and not of an earlier one of its id. */
static Use *
find_use(const SessionIdSlot *place, TimestampTz created_at)
{
	Use		   *use = session_idmap_find(place);

	return use != NULL && use->created_at == created_at ? use : NULL;
}

void
session_activity_overlay(SessionRow *row)
{
	SessionIdSlot place;
	TimestampTz seen = SESSION_NO_TIME;
	Use		   *use;

	if (map == NULL)
		return;
	session_idmap_lock(map, &place, &row->id, LW_SHARED);
	use = find_use(&place, row->created_at);
	if (use != NULL)
		seen = seen_at(use);
	session_idmap_unlock(&place);
	if (seen > row->last_seen_at && seen <= GetCurrentTimestamp())
		row->last_seen_at = seen;
}

/*
 * Recording
 */

/* Notes the use of a session that is noted already. */
static bool
note_again(const SessionRow *row, TimestampTz now)
{
	SessionIdSlot place;
	Use		   *use;

	session_idmap_lock(map, &place, &row->id, LW_SHARED);
	use = find_use(&place, row->created_at);
	if (use != NULL)
		pg_atomic_write_u64(&use->seen_at, (uint64) now);
	session_idmap_unlock(&place);
	return use != NULL;
}

void
session_activity_again(const pg_uuid_t *id, TimestampTz now)
{
	SessionIdSlot place;
	Use		   *use;

	if (session_database_current() == NULL)
		return;
	session_idmap_lock(map, &place, id, LW_SHARED);
	use = session_idmap_find(&place);
	if (use != NULL)
		pg_atomic_write_u64(&use->seen_at, (uint64) now);
	session_idmap_unlock(&place);
}

/* The earliest and the latest use in a part, then which of them must go. */
typedef struct Span
{
	TimestampTz first;
	TimestampTz last;
} Span;

static bool
measure_span(void *entry, void *arg)
{
	Span	   *span = arg;
	TimestampTz seen = seen_at(entry);

	span->first = Min(span->first, seen);
	span->last = Max(span->last, seen);
	return false;
}

static bool
is_early(void *entry, void *arg)
{
	const Span *span = arg;

	return seen_at(entry) <= span->first + (span->last - span->first) / 8;
}

/*
 * Makes room in a part that is full.  On a standby nothing is ever written,
 * so the sessions that were not used for longest make way; elsewhere the
 * worker makes room by writing.
 */
static void
make_activity_room(const SessionIdSlot *place)
{
	Span		span = {DT_NOEND, DT_NOBEGIN};

	if (!RecoveryInProgress())
		return;
	session_idmap_visit_part(place, measure_span, &span);
	session_idmap_visit_part(place, is_early, &span);
}

static Use *
add_use(const SessionIdSlot *place)
{
	Use		   *use = session_idmap_find(place);

	if (use == NULL)
		use = session_idmap_add(place);
	if (use == NULL)
	{
		make_activity_room(place);
		use = session_idmap_add(place);
	}
	return use;
}

/* Notes the first use of a session; false when there is no room. */
static bool
note_first(const SessionRow *row, TimestampTz now)
{
	SessionIdSlot place;
	int64		age = session_policy_touch_age(row, &session_settings);
	Use		   *use;

	session_idmap_lock(map, &place, &row->id,
					   LW_EXCLUSIVE);
	use = add_use(&place);
	if (use != NULL)
	{
		use->created_at = row->created_at;
		use->written_at = row->last_seen_at;
		use->age = age;
		/* A time the clock has not reached is set right soon. */
		use->due_at = now < row->last_seen_at ? now : row->last_seen_at + age;
		pg_atomic_write_u64(&use->seen_at, (uint64) now);
	}
	session_idmap_unlock(&place);
	if (use == NULL)
		session_database_count(SESSION_COUNT_ACTIVITY_DROPPED);
	return use != NULL;
}

/* Writes a use into its row if that is due and possible without waiting. */
static bool
write_row_now(SessionRow *row, TimestampTz now)
{
	if (!session_policy_touch_due(row, &session_settings, now))
		return false;
	if (XactReadOnly || RecoveryInProgress() || IsInParallelMode())
		return false;
	if (!session_store_try_lock(row))
		return false;
	session_policy_touch(row, now);
	session_store_save_activity(row);
	return true;
}

void
session_activity_record(SessionRow *row, TimestampTz now)
{
	if (session_database_current() != NULL &&
		(note_again(row, now) || note_first(row, now)))
		row->last_seen_at = now;
	else if (!write_row_now(row, now))
		session_database_note_lost_use(now);
}

/*
 * What was written
 */

/* What this transaction wrote. */
static SessionUse *written = NULL;
static int	nwritten = 0;
static int	room = 0;

/* Finds, and holds, what is noted of a session that was found. */
static Use *
lock_use(SessionIdSlot *place, const SessionUse *found)
{
	session_idmap_lock(map, place, &found->id,
					   LW_EXCLUSIVE);
	return find_use(place, found->created_at);
}

/* Notes what is in the row, and when to look at it again. */
static void
note_row(const SessionUse *found, TimestampTz written_at, TimestampTz due_at)
{
	SessionIdSlot place;
	Use		   *use = lock_use(&place, found);

	if (use != NULL)
	{
		use->written_at = written_at;
		use->due_at = due_at;
	}
	session_idmap_unlock(&place);
}

/* Sets when to look at a session again. */
static void
set_due(const SessionUse *found, TimestampTz due_at)
{
	SessionIdSlot place;
	Use		   *use = lock_use(&place, found);

	if (use != NULL)
		use->due_at = due_at;
	session_idmap_unlock(&place);
}

/* What was rolled back can be written again at once. */
static void
take_back_written(void)
{
	TimestampTz now = GetCurrentTimestamp();

	while (nwritten > 0)
		set_due(&written[--nwritten], now);
}

/* What was written is noted when that is committed. */
static void
activity_at_transaction_end(XactEvent event, void *arg)
{
	TimestampTz now;

	if (written == NULL)
		return;
	switch (event)
	{
		case XACT_EVENT_COMMIT:
			now = GetCurrentTimestamp();
			for (int i = 0; i < nwritten; i++)
				note_row(&written[i], written[i].seen_at,
						 now + written[i].age);
			break;
		case XACT_EVENT_ABORT:
			take_back_written();
			break;
		case XACT_EVENT_PREPARE:
			break;				/* like a row that is held */
		default:
			return;
	}
	written = NULL;				/* goes with the transaction's memory */
	nwritten = 0;
	room = 0;
}

/* Nothing says what of it was written since the savepoint. */
static void
activity_at_savepoint_end(SubXactEvent event, SubTransactionId mine,
						  SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		take_back_written();
}

static void
note_written(const SessionUse *found)
{
	static bool watching = false;

	if (!watching)
	{
		RegisterXactCallback(activity_at_transaction_end, NULL);
		RegisterSubXactCallback(activity_at_savepoint_end, NULL);
		watching = true;
	}
	written = session_array_reserve(written, nwritten + 1, &room,
									sizeof(SessionUse), TopTransactionContext);
	written[nwritten++] = *found;
}

/*
 * Flushing
 */

typedef struct Collection
{
	TimestampTz now;
	int			count;
	int			limit;
	SessionUse *uses;
} Collection;

/* What was written is looked at once more, to be forgotten. */
static bool
is_due(Use *use, TimestampTz now)
{
	if (now < use->due_at)
		return false;
	return seen_at(use) != use->written_at || now - use->due_at >= KEEP;
}

static bool
collect_use(void *entry, void *arg)
{
	Use		   *use = entry;
	Collection *c = arg;

	if (c->count < c->limit && use->head.key.database == MyDatabaseId &&
		is_due(use, c->now))
	{
		SessionUse *found = &c->uses[c->count++];

		found->id = use->head.key.id;
		found->created_at = use->created_at;
		found->seen_at = seen_at(use);
		found->age = use->age;
	}
	return false;
}

int
session_activity_find_due(TimestampTz now, int limit, SessionUse *uses)
{
	Collection	c = {0};

	c.now = now;
	c.limit = limit;
	c.uses = uses;
	if (map != NULL)
		session_idmap_visit(map, LW_SHARED, collect_use, &c);
	return c.count;
}

/* Forgets a use, unless there was another since. */
static void
forget_use(const SessionUse *found)
{
	SessionIdSlot place;
	Use		   *use = lock_use(&place, found);

	if (use != NULL && seen_at(use) == found->seen_at)
		session_idmap_remove(&place);
	session_idmap_unlock(&place);
}

/*
 * Decides about a use whose row is not behind it, or not by enough.  A time in
 * the row that the clock has not reached counts as behind.
 */
static bool
need_not_write(const SessionUse *found, const SessionRow *row, TimestampTz now)
{
	TimestampTz stored = row->last_seen_at;

	if (stored > now || (stored < found->seen_at && now - stored >= found->age))
		return false;
	if (stored < found->seen_at)
		note_row(found, stored, stored + found->age);
	else if (now - stored >= KEEP)
		forget_use(found);
	else
		note_row(found, found->seen_at, now);
	return true;
}

/* Writes a use into its row if that is due and the row is free. */
static bool
write_one(const SessionUse *found)
{
	TimestampTz now = GetCurrentTimestamp();
	SessionRow	row;

	/* Until then others come first, whatever becomes of this one. */
	set_due(found, now + RETRY);
	if (found->seen_at > now)
		session_database_note_lost_use(found->seen_at);
	if (!session_store_read_without_data(&found->id, &row) ||
		row.created_at != found->created_at || found->seen_at > now)
	{
		forget_use(found);
		return false;
	}
	if (need_not_write(found, &row, now))
		return false;
	row.last_seen_at = found->seen_at;
	if (session_policy_life(&row, now) != SESSION_ACTIVE)
	{
		forget_use(found);
		return false;
	}
	if (!session_store_try_lock(&row))
		return false;
	session_policy_touch(&row, found->seen_at);
	session_store_save_activity(&row);
	return true;
}

int
session_activity_write(const SessionUse *uses, int count)
{
	MemoryContext work = AllocSetContextCreate(CurrentMemoryContext,
											   "session flush",
											   ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(work);
	int			done = 0;

	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (write_one(&uses[i]))
		{
			note_written(&uses[i]);
			done++;
		}
		MemoryContextReset(work);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(work);
	return done;
}

typedef struct DueDatabases
{
	TimestampTz now;
	int			count;
	Oid			databases[SESSION_DATABASES];
} DueDatabases;

static bool
note_due_database(void *entry, void *arg)
{
	Use		   *use = entry;
	DueDatabases *due = arg;

	if (!is_due(use, due->now))
		return false;
	for (int i = 0; i < due->count; i++)
		if (due->databases[i] == use->head.key.database)
			return false;
	if (due->count < SESSION_DATABASES)
		due->databases[due->count++] = use->head.key.database;
	return false;
}

List *
session_activity_due(TimestampTz now)
{
	DueDatabases *due = palloc0_object(DueDatabases);
	List	   *databases = NIL;

	due->now = now;
	session_idmap_visit(map, LW_SHARED, note_due_database, due);
	for (int i = 0; i < due->count; i++)
		databases = lappend_oid(databases, due->databases[i]);
	pfree(due);
	return databases;
}
