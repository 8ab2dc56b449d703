/*
 * activity.c
 *	  When sessions were used: shared memory first, then the rows.
 *
 * Rules:
 * - With shared memory, a use is noted there, in read-only transactions too.
 *	 Every backend takes the later of the row's last_seen_at and that entry.
 * - Upkeep writes uses into the rows in batches, at most once for each session
 *	 per "session.update_age" or half its idle timeout.  A crash loses the uses
 *	 that are not written.
 * - A use that could not be written is tried again later, after the others.
 * - Without shared memory, or when it is full, a use is written into its row
 *	 at once, under the same throttle.  A transaction that may not write then
 *	 records nothing.
 * - A locked row is skipped.  Its holder is recording a use too or is ending
 *	 the session, and an ended session must not look alive again.
 * - An entry belongs to the session with its id and created_at, not to a later
 *	 session of the same id.
 * - An entry stays when the transaction is rolled back: the session was used.
 * - A use in the future, from a clock that was ahead, is ignored.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/shmem.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "audit/event.h"
#include "engine/activity.h"
#include "model/array.h"
#include "model/policy.h"
#include "settings.h"
#include "shared/database.h"
#include "shared/idmap.h"
#include "table/store.h"

/*
 * How long an entry stays after it was written.  A backend that read the row
 * before that must still find the use here.
 */
#define KEEP (60 * USECS_PER_SEC)

/* After what time a row that was locked or failed is tried again. */
#define RETRY (10 * USECS_PER_SEC)

/* seen_at changes under a shared lock, the rest under an exclusive one. */
typedef struct Use
{
	SessionIdEntry head;
	TimestampTz created_at;
	pg_atomic_uint64 seen_at;
	TimestampTz written_at;		/* the last use that the row has */
	TimestampTz due_at;			/* when to look whether to write */
	int64		age;			/* how far the row may lag behind */
} Use;

#define TRANCHE "session_activity"

/* NULL = the library was not preloaded. */
static SessionIdMap *map = NULL;

/* Requests this module's shared memory. */
void
session_activity_shmem_request(void)
{
	int			entries = session_settings.activity_size;

	RequestAddinShmemSpace(MAXALIGN(sizeof(SessionIdMap)));
	RequestAddinShmemSpace(session_idmap_size(entries, sizeof(Use)));
	RequestNamedLWLockTranche(TRANCHE, session_idmap_locks(entries));
}

/* Makes this module's shared memory. */
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

/* Drops the entries of a database. */
void
session_activity_forget(Oid database)
{
	session_idmap_forget(map, database);
}

/* Returns the number of entries in use. */
int
session_activity_used(void)
{
	return session_idmap_used(map);
}

/* Returns the number of entries there can be. */
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

/* Finds the entry of a session, and not one of an earlier one of its id. */
static Use *
find_use(const SessionIdSlot *place, TimestampTz created_at)
{
	Use		   *use = session_idmap_find(place);

	return use != NULL && use->created_at == created_at ? use : NULL;
}

/* Moves last_seen_at of a row forward to the last use that is known. */
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

/* Updates the entry of a session; returns false if it has none. */
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

/* Updates the entry of a session, if it has one, without its row. */
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

/* The earliest and the latest use in a part of the map. */
typedef struct Span
{
	TimestampTz first;
	TimestampTz last;
} Span;

/* Extends the span to an entry. */
static bool
measure_span(void *entry, void *arg)
{
	Span	   *span = arg;
	TimestampTz seen = seen_at(entry);

	span->first = Min(span->first, seen);
	span->last = Max(span->last, seen);
	return false;
}

/* Returns whether an entry is in the first eighth of the span. */
static bool
is_early(void *entry, void *arg)
{
	const Span *span = arg;

	return seen_at(entry) <= span->first + (span->last - span->first) / 8;
}

/*
 * Makes room in a part of the map that is full.  On a standby no use is ever
 * written, so the sessions that were not used for longest lose their entries.
 * Elsewhere upkeep makes room by writing.
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

/* Finds or adds the entry of a session; NULL when there is no room. */
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

/* Adds an entry for a session; returns false when there is no room. */
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
		/* A time in the future must soon be corrected in the row. */
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
	session_event_accessed(row);
	return true;
}

/* Records that a live session was used now. */
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
 * Uses that were written
 */

/* The uses that this transaction has written. */
static SessionUse *written = NULL;
static int	nwritten = 0;
static int	room = 0;

/* Locks the part of the map of a use, and finds its entry. */
static Use *
lock_use(SessionIdSlot *place, const SessionUse *found)
{
	session_idmap_lock(map, place, &found->id,
					   LW_EXCLUSIVE);
	return find_use(place, found->created_at);
}

/* Notes what last_seen_at of the row is, and when to look at it again. */
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

/* After a rollback: makes the uses of this transaction due at once. */
static void
take_back_written(void)
{
	TimestampTz now = GetCurrentTimestamp();

	while (nwritten > 0)
		set_due(&written[--nwritten], now);
}

/* Notes which uses are in their rows when the transaction commits. */
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
			break;				/* the row stays locked; try it later */
		default:
			return;
	}
	written = NULL;				/* freed with the transaction's memory */
	nwritten = 0;
	room = 0;
}

/*
 * Makes all uses of this transaction due again, because there is no note of
 * which were written since the savepoint.
 */
static void
activity_at_savepoint_end(SubXactEvent event, SubTransactionId mine,
						  SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		take_back_written();
}

/* Remembers that this transaction has written a use. */
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
 * Writing uses into rows
 */

/* Uses found so far, and the most there may be. */
typedef struct Collection
{
	TimestampTz now;
	int			count;
	int			limit;
	SessionUse *uses;
} Collection;

/*
 * Returns whether an entry is due: it has a use to be written, or its use was
 * written so long ago that the entry can go.
 */
static bool
is_due(Use *use, TimestampTz now)
{
	if (now < use->due_at)
		return false;
	return seen_at(use) != use->written_at || now - use->due_at >= KEEP;
}

/* Adds an entry of this database to the collection if it is due. */
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

/* Finds uses that were due at a time; returns their number. */
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

/* Removes an entry, unless the session was used since it was found. */
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
 * Returns whether a use need not be written, because its row does not lag
 * behind or not far enough, and updates the entry then.  A time in the row
 * that is in the future must be corrected, so it counts as lagging behind.
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

/* Writes a use into its row if that is due and the row is not locked. */
static bool
write_one(const SessionUse *found)
{
	TimestampTz now = GetCurrentTimestamp();
	SessionRow	row;

	/* If this one fails, the others come first. */
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
	session_event_accessed(&row);
	return true;
}

/* Writes uses into their rows; returns the number of rows written. */
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

/* Databases that have something due. */
typedef struct DueDatabases
{
	TimestampTz now;
	int			count;
	Oid			databases[SESSION_DATABASES];
} DueDatabases;

/* Adds the database of an entry that is due. */
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

/* Returns the databases that have uses to be written. */
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
