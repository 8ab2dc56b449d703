/*
 * activity.c
 *	  Writing down that a session was used, without getting in the way.
 *
 * Rules: at most one write per "session.update_age" and session, or per half
 * its idle timeout.  A row that somebody holds is passed over: whoever holds
 * it is either recording the same or ending the session, and a session that
 * was ended must not look alive again.  A transaction that may not write
 * records nothing.
 *
 * This is the direct path, all there is without shared memory.  What shared
 * memory will know beyond the table enters through session_activity_overlay.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"

#include "engine/activity.h"
#include "engine/policy.h"
#include "engine/store.h"

void
session_activity_overlay(SessionRow *row)
{
	/* The table is the only witness yet. */
}

void
session_activity_record(SessionRow *row, TimestampTz now)
{
	if (!session_policy_touch_due(row, &session_settings, now))
		return;
	if (XactReadOnly || RecoveryInProgress() || IsInParallelMode())
		return;
	if (!session_store_try_lock(row))
		return;
	session_policy_touch(row, now);
	session_store_save_activity(row);
}
