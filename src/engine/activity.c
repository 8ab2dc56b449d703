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
 * - shared/uses.c says which entries are evicted when shared memory is full.
 *	 Then upkeep writes early, up to four times as often.
 * - Without shared memory, or when no entry can be evicted, a use is written
 *	 into its row at once, under the same throttle.  A transaction that may not
 *	 write then records nothing.
 * - One look at shared memory finds the last use of a session and records the
 *	 new one.  The time is read before it, and after the row.  If the session
 *	 looks idle and its entry may have been evicted, the row is read again.  So
 *	 every use from before the look is seen, in memory or in the row.
 * - Whether the sessions are alive that a session was made of is found out
 *	 with the same look, before it.
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
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "audit/event.h"
#include "engine/activity.h"
#include "engine/lineage.h"
#include "model/array.h"
#include "model/policy.h"
#include "settings.h"
#include "shared/database.h"
#include "shared/uses.h"
#include "table/store.h"

/* After what time a row that was locked or failed is tried again. */
#define RETRY (10 * USECS_PER_SEC)

/*
 * Recording
 */

/* Fills a note about a use. */
static void
make_note(SessionUseNote *note, const SessionRow *row, TimestampTz now)
{
	note->id = &row->id;
	note->created_at = row->created_at;
	note->now = now;
	note->row_seen_at = row->stored_seen_at;
	note->age = session_policy_touch_age(row, &session_settings);

	/*
	 * The first use after a rotation decides what a repeated refresh gets,
	 * see session_policy_rotation.
	 */
	note->needed = row->rotated_at != SESSION_NO_TIME &&
		row->stored_seen_at == row->rotated_at;
	note->standby = false;
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

/* Records a use that session_uses_look could not note. */
static void
note_use(SessionRow *row, TimestampTz now)
{
	SessionUsesResult result = SESSION_USES_NO_ROOM;
	SessionUseNote note;

	if (session_database_current() != NULL)
	{
		make_note(&note, row, now);
		note.standby = RecoveryInProgress();
		result = session_uses_note(&note);
		if (result == SESSION_USES_NO_ROOM)
			session_database_count(SESSION_COUNT_ACTIVITY_DROPPED);
	}
	if (result == SESSION_USES_NOTED)
		row->last_seen_at = now;
	else if (result == SESSION_USES_NO_ROOM && !write_row_now(row, now))
		session_database_note_lost_use(now);
}

/* A judge that asks for every use to be noted. */
static bool
always(TimestampTz seen_at, void *arg)
{
	return true;
}

/* Records that a live session was used now. */
void
session_activity_record(SessionRow *row, TimestampTz now)
{
	SessionUseNote note;

	make_note(&note, row, now);
	if (session_uses_are_shared() &&
		session_uses_look(&note, always, NULL) == SESSION_USES_KNOWN)
		row->last_seen_at = now;
	else
		note_use(row, now);
}

/* Records another use of a session without its row. */
bool
session_activity_again(const pg_uuid_t *id, TimestampTz until, TimestampTz now)
{
	return session_database_current() == NULL ||
		session_uses_note_again(id, until, now);
}

/*
 * Looking
 */

/* A look at the last use of a session. */
typedef struct Look
{
	SessionRow *row;
	TimestampTz now;
	bool		records;		/* a use, if the session is active */
	SessionStatus status;
} Look;

/*
 * Moves last_seen_at of the row forward to a use, and judges the session.
 * Returns whether to note another use.
 */
static bool
judge(TimestampTz seen_at, void *arg)
{
	Look	   *look = arg;
	SessionRow *row = look->row;

	/* Another request may have come a moment later and been faster. */
	if (seen_at > row->last_seen_at &&
		(seen_at <= look->now || seen_at <= GetCurrentTimestamp()))
		row->last_seen_at = seen_at;
	look->status = session_policy_status(row, look->now);
	return look->records && look->status == SESSION_ACTIVE;
}

/* Returns whether a session was not ended or rotated since it was read. */
static bool
is_same_session(const SessionRow *row, const SessionRow *newest)
{
	/* session.directory does not read the hash. */
	bool		has_hash = ItemPointerIsValid(&row->tid);

	return newest->created_at == row->created_at &&
		newest->revoked_at == row->revoked_at &&
		(!has_hash || memcmp(newest->token_hash, row->token_hash,
							 sizeof(row->token_hash)) == 0);
}

/*
 * Reads the last use from the row again.  Since the row was read, the use may
 * have been written into it and evicted from shared memory.
 */
static void
read_use_again(SessionRow *row)
{
	SessionRow	newest;

	if (session_store_read_without_data(&row->id, &newest) &&
		is_same_session(row, &newest))
		row->last_seen_at = Max(row->last_seen_at, newest.last_seen_at);
}

/*
 * Returns the status of a session whose lineage is known, if it has one, and
 * records a use if asked to.
 */
static SessionStatus
look_at_use(SessionRow *row, TimestampTz now, bool records)
{
	Look		look = {.row = row,.now = now,.records = records};
	SessionUsesLook found = SESSION_USES_ABSENT;
	SessionUseNote note;

	if (session_uses_are_shared())
	{
		make_note(&note, row, now);
		found = session_uses_look(&note, judge, &look);
	}
	if (found == SESSION_USES_ABSENT || found == SESSION_USES_GONE)
		look.status = session_policy_status(row, now);
	if (found == SESSION_USES_GONE && look.status == SESSION_IDLE)
	{
		read_use_again(row);
		look.status = session_policy_status(row, now);
	}
	if (!records || look.status != SESSION_ACTIVE)
		return look.status;
	if (found == SESSION_USES_KNOWN)
		row->last_seen_at = now;
	else
		note_use(row, now);
	return look.status;
}

/* Moves last_seen_at of a parent forward to the last use that is known. */
static void
see_parent(SessionRow *row, TimestampTz now)
{
	if (session_uses_are_shared())
		(void) look_at_use(row, now, false);
}

/* Returns the status of a session, and records a use if asked to. */
static SessionStatus
look_at(SessionRow *row, TimestampTz now, bool records)
{
	if (row->has_parent)
		session_lineage_look(row, now, see_parent);
	return look_at_use(row, now, records);
}

/* Moves last_seen_at of a row forward to the last use that is known. */
void
session_activity_overlay(SessionRow *row)
{
	if (row->has_parent || session_uses_are_shared())
		(void) look_at(row, GetCurrentTimestamp(), false);
}

/* Returns the status of a session at a time. */
SessionStatus
session_activity_status(SessionRow *row, TimestampTz now)
{
	return look_at(row, now, false);
}

/* Returns the status of a session, and records a use if it is active. */
SessionStatus
session_activity_use(SessionRow *row, TimestampTz now)
{
	return look_at(row, now, true);
}

/*
 * Uses that were written
 */

/* The uses that this transaction has written. */
static SessionUse *written = NULL;
static int	nwritten = 0;
static int	room = 0;

/* After a rollback: makes the uses of this transaction due at once. */
static void
take_back_written(void)
{
	TimestampTz now = GetCurrentTimestamp();

	while (nwritten > 0)
		session_uses_take_back(&written[--nwritten], now);
}

/* Notes which uses are in their rows when the transaction commits. */
static void
activity_at_transaction_end(XactEvent event, void *arg)
{
	if (written == NULL)
		return;
	switch (event)
	{
		case XACT_EVENT_COMMIT:
			for (int i = 0; i < nwritten; i++)
				session_uses_settle(&written[i], written[i].seen_at);
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
 * Makes all uses of this transaction due again, because it is not known which
 * of them were written since the savepoint.
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

/* Finds uses of this database; returns their number. */
int
session_activity_find(TimestampTz now, bool in_turns, int limit,
					  SessionUse *uses)
{
	return session_uses_are_shared() ?
		session_uses_find(now, in_turns, limit, uses) : 0;
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

	if (stored > now || (stored < found->seen_at && now - stored >= found->lag))
		return false;
	if (row->uncommitted)
		return true;			/* this transaction has written it */
	if (stored < found->seen_at)
		session_uses_note_row(found, stored);
	else
		session_uses_settle(found, stored);
	return true;
}

/* Writes a use into its row if that is due and the row is not locked. */
static bool
write_one(const SessionUse *found)
{
	TimestampTz now = GetCurrentTimestamp();
	SessionRow	row;

	/* If this one fails, the others come first. */
	session_uses_put_off(found, now + RETRY);
	if (found->seen_at > now)
		session_database_note_lost_use(found->seen_at);
	if (!session_store_read_without_data(&found->id, &row) ||
		row.created_at != found->created_at || found->seen_at > now)
	{
		session_uses_remove(found);
		return false;
	}
	if (need_not_write(found, &row, now))
		return false;
	row.last_seen_at = found->seen_at;
	if (row.has_parent)
		session_lineage_look(&row, now, see_parent);
	if (session_policy_life(&row, now) != SESSION_ACTIVE)
	{
		session_uses_remove(found);
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
