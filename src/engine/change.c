/*
 * change.c
 *	  Changes of session.sessions, whoever makes them.
 *
 * Rules:
 * - Snapshots hear of a change of the table from its triggers alone.  They
 *	 fire for the statements of store.c, for those that an administrator runs,
 *	 for the cascade of a foreign key and for what logical replication applies.
 * - The WHEN clause of the trigger for UPDATE lists the columns that a snapshot
 *	 is made from, so that recording activity and writing data do not get here.
 *	 What gets here is noted without another look.
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
#include "engine/policy.h"
#include "engine/store.h"

static bool
is_alive(SessionRow *row)
{
	session_activity_overlay(row);
	return session_policy_life(row, GetCurrentTimestamp()) == SESSION_ACTIVE;
}

void
session_change_row(const TriggerData *data)
{
	SessionRow	before;
	SessionRow	after;

	session_store_check_table(data->tg_relation);
	session_store_load(data->tg_trigslot, &before);
	if (TRIGGER_FIRED_BY_UPDATE(data->tg_event))
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
