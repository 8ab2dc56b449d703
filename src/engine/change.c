/*
 * change.c
 *	  Changes of session.sessions, whoever makes them.
 *
 * Rules:
 * - Snapshots hear of a change of the table from its triggers alone.  They
 *	 fire for the statements of store.c, for those that an administrator runs,
 *	 for the cascade of a foreign key and for what logical replication applies.
 * - An UPDATE is noted when it has changed a column that a snapshot is made
 *	 from, or that ends a session.  Recording activity and writing data are not.
 * - The WHEN clause of the trigger for DELETE passes over revoked and expired
 *	 sessions, and this file over idle ones: their snapshots are over or noted
 *	 already, and purging them must not fill the shared set.
 * - An INSERT needs no note: when a row of the same id was there before, its
 *	 end was noted.
 */
#include "postgres.h"

#include "utils/rel.h"
#include "utils/timestamp.h"

#include "engine/activity.h"
#include "engine/change.h"
#include "model/policy.h"
#include "table/keyring.h"
#include "table/store.h"

static bool
is_alive(SessionRow *row)
{
	session_activity_overlay(row);
	return session_policy_life(row, GetCurrentTimestamp()) == SESSION_ACTIVE;
}

void
session_change_row(const TriggerData *data)
{
	bool		updated = TRIGGER_FIRED_BY_UPDATE(data->tg_event);
	SessionRow	before;
	SessionRow	after;

	session_store_check_table(data->tg_relation);
	if (updated && !session_store_differs(data->tg_trigslot, data->tg_newslot))
		return;
	session_store_load(data->tg_trigslot, &before);
	if (updated)
	{
		session_store_load(data->tg_newslot, &after);
		session_store_note_change(&before, &after);
	}
	else if (is_alive(&before))
		session_store_note_change(&before, NULL);
}

void
session_change_emptied(const TriggerData *data)
{
	session_store_check_table(data->tg_relation);
	session_store_note_emptied();
}

void
session_change_check_triggers(void)
{
	session_store_check_triggers();
	session_keyring_check_triggers();
}
