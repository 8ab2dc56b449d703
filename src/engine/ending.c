/*
 * ending.c
 *	  The end of sessions, and of those that were made of them.
 *
 * Rules:
 * - The rows of sessions that are to end are locked in the order of their ids,
 *	 so that two transactions cannot deadlock.
 * - The rows of their descendants are not waited for, because transactions end
 *	 parents and children in any order.  One that is locked stays as it is: its
 *	 session has ended all the same, because its parent has.
 * - While no session was made of another, none is looked for.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "audit/event.h"
#include "engine/activity.h"
#include "engine/ending.h"
#include "engine/lineage.h"
#include "model/policy.h"
#include "settings.h"
#include "shared/database.h"

/* The reason for which descendants end. */
#define REASON_PARENT "parent"

/* How many rows are in memory at a time. */
#define BATCH 1000

/* Returns whether a session can still be used or refreshed. */
bool
session_ending_is_alive(SessionRow *row, TimestampTz now)
{
	session_activity_overlay(row);
	return session_policy_life(row, now) == SESSION_ACTIVE;
}

/* Returns whether a session would be alive if its parents were. */
static bool
is_alive_alone(SessionRow *row, TimestampTz now)
{
	session_activity_overlay(row);
	session_lineage_disregard(row);
	return session_policy_life(row, now) == SESSION_ACTIVE;
}

static int
compare_uuids(const void *a, const void *b)
{
	return memcmp(a, b, UUID_LEN);
}

/* Returns whether an id is one of some, which are in order. */
static bool
has_id(const SessionIds *ids, const pg_uuid_t *id)
{
	return ids->count > 0 &&
		bsearch(id, ids->ids, ids->count, sizeof(pg_uuid_t),
				compare_uuids) != NULL;
}

/* Puts ids in order, without those that are there twice and without one. */
void
session_ending_sort(SessionIds *ids, const pg_uuid_t *except)
{
	int			count = 0;

	if (ids->count > 1)
		qsort(ids->ids, ids->count, sizeof(pg_uuid_t), compare_uuids);
	for (int i = 0; i < ids->count; i++)
	{
		pg_uuid_t	id = ids->ids[i];

		if ((count > 0 && compare_uuids(&id, &ids->ids[count - 1]) == 0) ||
			(except != NULL && compare_uuids(&id, except) == 0))
			continue;
		ids->ids[count++] = id;
	}
	ids->count = count;
}

/*
 * Returns whether a session ends: it is alive, or was until this transaction
 * has revoked one that it was made of.
 */
static bool
ends_now(SessionRow *row, TimestampTz now)
{
	return session_ending_is_alive(row, now) ||
		(row->has_parent && row->lineage.is_ours && is_alive_alone(row, now));
}

/* Writes the end of some sessions, whose rows are locked. */
static void
write_ends(List *rows, text *reason, TimestampTz now)
{
	ListCell   *cell;

	if (rows == NIL)
		return;
	foreach(cell, rows)
		session_policy_revoke(lfirst(cell), &session_settings, reason, now);
	session_store_save_ends(rows);
	session_database_count_many(SESSION_COUNT_ENDED, list_length(rows));
	foreach(cell, rows)
		session_event_revoked(lfirst(cell));
}

/*
 * Ends the live ones of a batch of sessions.  Waits for locked rows, or leaves
 * them out.  Returns the number of sessions ended.
 */
static int
end_batch(const pg_uuid_t *ids, int count, text *reason, bool waits)
{
	List	   *held = session_store_lock_many(ids, count, is_alive_alone, waits);
	TimestampTz now = GetCurrentTimestamp();
	List	   *ended = NIL;
	ListCell   *cell;

	foreach(cell, held)
		if (ends_now(lfirst(cell), now))
		ended = lappend(ended, lfirst(cell));
	write_ends(ended, reason, now);
	return list_length(ended);
}

/* Ends the live ones of some sessions, in batches; returns their number. */
static int64
end_each(const SessionIds *ids, const char *reason, bool waits)
{
	text	   *because = cstring_to_text(reason);
	MemoryContext work = AllocSetContextCreate(CurrentMemoryContext,
											   "session revoke",
											   ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(work);
	int64		ended = 0;

	for (int i = 0; i < ids->count; i += BATCH)
	{
		ended += end_batch(&ids->ids[i], Min(ids->count - i, BATCH), because,
						   waits);
		MemoryContextReset(work);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(work);
	return ended;
}

/*
 * Adds descendants to ids, which are in order, and sets *more to those that
 * were not among them yet.
 */
static void
find_more(SessionIds *ids, SessionIds *more)
{
	SessionIds	known;
	int			count = ids->count;

	more->count = 0;
	session_lineage_add_descendants(ids);
	known = *ids;
	known.count = count;
	for (int i = count; i < ids->count; i++)
		if (!has_id(&known, &ids->ids[i]))
			session_store_add_id(more, &ids->ids[i]);
	if (ids->count == count)
		return;
	session_ending_sort(ids, NULL);
	session_ending_sort(more, NULL);
}

/*
 * Ends the descendants of some sessions, whose ids are in order.  Looks for
 * them again until there are none: others may have been made meanwhile.
 */
static void
end_descendants(SessionIds *ids)
{
	SessionIds	more = {0};

	for (find_more(ids, &more); more.count > 0; find_more(ids, &more))
		(void) end_each(&more, REASON_PARENT, false);
}

/* Ends the sessions in which the user of some sessions acts as others. */
void
session_ending_end_acting(const pg_uuid_t *ids, int count)
{
	SessionIds	acting = {0};

	if (!session_store_has_children())
		return;
	for (int i = 0; i < count; i++)
	{
		ListCell   *cell;

		foreach(cell, session_store_of_parent(&ids[i]))
		{
			SessionRow *row = lfirst(cell);

			if (row->actor_id != NULL)
				session_store_add_id(&acting, &row->id);
		}
	}
	session_ending_sort(&acting, NULL);
	(void) end_each(&acting, REASON_PARENT, false);
}

/* Ends an alive session, whose row is locked, and its descendants. */
void
session_ending_end(SessionRow *row, text *reason, TimestampTz now)
{
	SessionIds	ids = {0};

	session_policy_revoke(row, &session_settings, reason, now);
	session_store_save_end(row);
	session_database_count(SESSION_COUNT_ENDED);
	session_event_revoked(row);
	session_store_add_id(&ids, &row->id);
	end_descendants(&ids);
}

/* Revokes the live ones of some sessions, and ends their descendants. */
int64
session_ending_revoke_all(SessionIds *ids, const char *reason,
						  const pg_uuid_t *except)
{
	int64		ended;

	session_ending_sort(ids, except);
	ended = end_each(ids, reason, true);
	if (ids->count > 0)
		end_descendants(ids);
	return ended;
}
