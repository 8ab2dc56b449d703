/*
 * change.c
 *	  Noting changes of session.sessions, from any source.
 *
 * Rules:
 * - The triggers on the table note a change for snapshots, and only
 *	 session_erase does so besides, before it deletes.  They fire for
 *	 the statements of store.c, for those of an administrator, for the cascade
 *	 of a foreign key and for changes that logical replication applies.
 * - An UPDATE is noted if it changes a column that snapshots contain, or one
 *	 that ends the session.  Recording activity and writing data are not noted.
 * - A change or a DELETE is noted for the live identities of the sessions that
 *	 were made of this one, too, unless only its token has changed: they end
 *	 with it, and have at most its level.  Snapshots of these always ask the
 *	 row.
 * - A DELETE of a session that has ended is not noted: its snapshots have
 *	 expired or its end was noted, and purging must not fill the shared set of
 *	 revocations.  The WHEN clause of the trigger excludes revoked and expired
 *	 sessions, this file idle ones.
 * - An INSERT is not noted: if there was a row of the same id before, its end
 *	 was noted.
 */
#include "postgres.h"

#include "utils/rel.h"
#include "utils/timestamp.h"

#include "engine/activity.h"
#include "engine/change.h"
#include "engine/lineage.h"
#include "model/policy.h"
#include "table/denylist.h"
#include "table/keystore.h"
#include "table/policies.h"
#include "table/store.h"

/*
 * Returns whether a session would be active if those it was made of were,
 * recorded activity included.  The statement may have deleted these as well.
 */
static bool
is_active(SessionRow *row)
{
	session_activity_overlay(row);
	session_lineage_disregard(row);
	return session_policy_life(row, GetCurrentTimestamp()) == SESSION_ACTIVE;
}

/* Notes that an UPDATE or DELETE has changed or removed a session. */
void
session_change_row(const TriggerData *data)
{
	bool		updated = TRIGGER_FIRED_BY_UPDATE(data->tg_event);
	SessionRow	before;
	SessionRow	after;

	session_store_check_table(data->tg_relation);
	if (updated &&
		!session_store_differs(data->tg_trigslot, data->tg_newslot, false))
		return;
	session_store_load(data->tg_trigslot, &before);
	if (!updated && !is_active(&before))
		return;
	if (updated)
		session_store_load(data->tg_newslot, &after);
	session_store_note_change(&before, updated ? &after : NULL);
	if (!updated ||
		session_store_differs(data->tg_trigslot, data->tg_newslot, true))
		session_lineage_note_change(&before.id);
}

/* Notes that TRUNCATE has removed all sessions. */
void
session_change_emptied(const TriggerData *data)
{
	session_store_check_table(data->tg_relation);
	session_store_note_emptied();
}

/* Warns if one of our triggers does not fire for every change. */
void
session_change_check_triggers(void)
{
	session_store_check_triggers();
	session_keystore_check_triggers();
	session_policies_check_triggers();
	session_denylist_check_triggers();
}
