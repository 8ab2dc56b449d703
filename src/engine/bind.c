/*
 * bind.c
 *	  Binding sessions to keys that only their clients have.
 *
 * Rules:
 * - A session is bound once.  To bind it to another key of a browser, its user
 *	 authenticates again, which unbinds it (see lifecycle.c).  A thief who has
 *	 the token and a bound cookie cannot do that.
 * - A challenge is answered once: the row has the time of the last one.
 * - What strangers can send is checked before a row is locked.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "audit/event.h"
#include "compat.h"
#include "engine/activity.h"
#include "engine/bind.h"
#include "engine/dpop.h"
#include "engine/lifecycle.h"
#include "table/store.h"

/* Binds an active session, whose row is locked. */
void
session_bind_to_key(SessionRow *row)
{
	session_store_save_bound(row);
	session_event_bound(row, session_store_bound_name(row->bound.by));
}

/* Binds the active session of a token to the key of a proof of DPoP. */
bool
session_bind_by_proof(const SessionToken *token, SessionDpopProof *proof)
{
	SessionPossession none = {0};
	SessionRow	row;

	if (!session_lifecycle_hold(token, &none, &row) ||
		row.bound.by != SESSION_BOUND_NOT || row.actor_id != NULL ||
		!session_dpop_find_key(row.bound.thumbprint, proof))
		return false;
	session_dpop_prepare();
	row.bound.by = SESSION_BOUND_DPOP;
	session_bind_to_key(&row);
	session_dpop_note_bound(&row);
	return true;
}

/* Returns whether a session is alive, and bound in a way. */
static bool
is_bound(SessionRow *row, int by)
{
	session_activity_overlay(row);
	return row->bound.by == by &&
		session_policy_life(row, GetCurrentTimestamp()) == SESSION_ACTIVE;
}

/* Reads a session that is alive and bound in a way, by its public id. */
bool
session_bind_find(const pg_uuid_t *id, int by, SessionRow *row)
{
	return session_store_read_without_data(id, row) && is_bound(row, by);
}

/* Records that the client of a session has answered a challenge. */
bool
session_bind_answer(SessionRow *row, TimestampTz made)
{
	SessionBound before = row->bound;

	if (!session_store_lock(&row->id, row) || !is_bound(row, before.by) ||
		memcmp(row->bound.thumbprint, before.thumbprint,
			   sizeof(before.thumbprint)) != 0 ||
		!session_policy_challenge_good(made, row->answered_at,
									   GetCurrentTimestamp()))
		return false;
	row->answered_at = made;
	session_store_save_answered(row);
	return true;
}
