/*
 * privacy.c
 *	  Data protection: returns or deletes what is kept about a user.
 *
 * Rules:
 * - A user is the same in all tenants.
 * - Erasing is part of the caller's transaction, and rolls back with it.
 * - Live sessions end as if they were revoked: their snapshots and identities
 *	 are no longer believed.  No event says so, because it would be deleted.
 * - Sessions in which the user acted as others end with an event for those,
 *	 and are deleted, because they name the user.
 * - Rows are locked in the order of their ids, as in lifecycle.c, and deleted
 *	 in batches.  Only the ids of all sessions are in memory.
 * - Evidence that waits in shared memory is written first, so that it is
 *	 deleted with the other events, and comes back with a rollback.
 * - What remains is one event without the user, and the empty text as the
 *	 actor of events that are about others.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "audit/event.h"
#include "audit/evidence.h"
#include "audit/origin.h"
#include "compat.h"
#include "engine/activity.h"
#include "engine/ending.h"
#include "engine/privacy.h"
#include "model/json.h"
#include "model/policy.h"
#include "shared/database.h"
#include "table/store.h"

/* Sessions that are deleted by one statement. */
#define BATCH 1000

/* Returns ids as an array of SQL. */
static ArrayType *
ids_array(const SessionIds *ids)
{
	Datum	   *values = palloc_array(Datum, Max(ids->count, 1));
	ArrayType  *array;

	for (int i = 0; i < ids->count; i++)
		values[i] = UUIDPGetDatum(&ids->ids[i]);
	array = construct_array(values, ids->count, UUIDOID, UUID_LEN, false,
							TYPALIGN_CHAR);
	pfree(values);
	return array;
}

/* Returns whether an object has an array that is not empty. */
static bool
has_items(Jsonb *object)
{
	JsonbIterator *it = JsonbIteratorInit(&object->root);
	JsonbValue	value;
	JsonbIteratorToken token;

	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
		if (token == WJB_VALUE && value.type == jbvBinary &&
			JsonContainerSize(value.val.binary.data) > 0)
			return true;
	return false;
}

/* Returns what is kept about a user. */
Jsonb *
session_privacy_export(text *user_id)
{
	SessionIds	ids = {0};
	Jsonb	   *result;

	session_store_ids_of_user(&ids, user_id, NULL, SESSION_STORE_REVOKED);
	result = session_store_export(user_id);
	result = session_json_merged(result,
								 session_event_export(user_id, ids_array(&ids)));
	result = session_json_merged(result, session_origin_export(user_id));
	/* If nothing is kept, the event would store the user's id again. */
	if (has_items(result))
		session_event_administration("user_exported", user_id, NULL, NULL);
	return result;
}

/*
 * Locks the row of a session.  If the session can still be used or refreshed,
 * ends its snapshots.  Returns false if it was deleted meanwhile.
 */
static bool
end_locked(const pg_uuid_t *id)
{
	SessionRow	row;

	if (!session_store_lock(id, &row))
		return false;
	session_activity_overlay(&row);
	if (session_policy_life(&row, GetCurrentTimestamp()) == SESSION_ACTIVE)
	{
		session_store_note_change(&row, NULL);
		session_database_count(SESSION_COUNT_ENDED);
	}
	return true;
}

/* Ends and deletes some sessions.  Returns the number deleted. */
static int64
delete_batch(const pg_uuid_t *ids, int count, MemoryContext work)
{
	pg_uuid_t	held[BATCH];
	int			nheld = 0;

	for (int i = 0; i < count; i++)
	{
		MemoryContext caller = MemoryContextSwitchTo(work);

		CHECK_FOR_INTERRUPTS();
		if (end_locked(&ids[i]))
			held[nheld++] = ids[i];
		MemoryContextSwitchTo(caller);
		MemoryContextReset(work);
	}
	if (nheld > 0)
	{
		session_ending_end_acting(held, nheld);
		session_store_delete(held, nheld);
	}
	return nheld;
}

static int
compare_ids(const void *a, const void *b)
{
	return memcmp(a, b, UUID_LEN);
}

/* Ends and deletes the sessions with the ids from a number on. */
static int64
delete_from(SessionIds *ids, int first)
{
	MemoryContext work = AllocSetContextCreate(CurrentMemoryContext,
											   "session erase",
											   ALLOCSET_DEFAULT_SIZES);
	int64		deleted = 0;

	if (ids->count > first)
		qsort(&ids->ids[first], ids->count - first, sizeof(pg_uuid_t),
			  compare_ids);
	for (int i = first; i < ids->count; i += BATCH)
		deleted += delete_batch(&ids->ids[i], Min(BATCH, ids->count - i),
								work);
	MemoryContextDelete(work);
	return deleted;
}

/*
 * Ends and deletes the sessions of a user, and adds their ids to an array.
 * Returns the number deleted.
 */
static int64
delete_sessions(text *user_id, SessionIds *ids)
{
	int64		deleted = 0;
	int			first;

	/* While the rows were locked, others may have committed more. */
	do
	{
		first = ids->count;
		session_store_ids_of_user(ids, user_id, NULL, SESSION_STORE_REVOKED);
		deleted += delete_from(ids, first);
	} while (ids->count > first);
	return deleted;
}

/*
 * Deletes the sessions in which a user acted as others, which have ended with
 * those of the user.  Their events remain, as they are about the others.
 */
static int64
delete_acting(const text *user_id)
{
	SessionIds	ids = {0};

	session_store_ids_of_actor(&ids, user_id);
	return delete_from(&ids, 0);
}

/* Writes the event that remains. */
static void
note_erased(int64 sessions, int64 events, int64 origins)
{
	Jsonb	   *detail = session_json_empty();

	detail = session_json_with_int(detail, "sessions", sessions);
	detail = session_json_with_int(detail, "events", events);
	detail = session_json_with_int(detail, "origins", origins);
	session_event_administration("user_erased", NULL, NULL, detail);
}

/* Ends and deletes what is kept about a user. */
int64
session_privacy_erase(text *user_id)
{
	SessionIds	ids = {0};
	int64		sessions;
	int64		events;
	int64		origins;

	session_evidence_flush();
	sessions = delete_sessions(user_id, &ids);
	sessions += delete_acting(user_id);
	events = (int64) session_event_erase(user_id, ids_array(&ids));
	origins = (int64) session_origin_erase(user_id);
	note_erased(sessions, events, origins);
	/* Last: the user may be the actor of the event that was just written. */
	session_event_erase_actor(user_id);
	return sessions + events + origins;
}
