/*
 * identity.c
 *	  What a proven identity can do: be proven again, manage its own sessions.
 *
 * Rules:
 * - An identity is proven again by its row if it has one, else by the
 *	 denylist.  The credential itself is not kept.
 * - The sessions of an identity are those of its user in exactly its tenant.
 *	 The sessions of an anonymous identity are its own session alone.
 * - A session of another user is treated as missing, and its row is not waited
 *	 for.
 * - The sessions of an identity whose session was made of another one, with
 *	 scopes or for an actor, are its own session and those made of it, because
 *	 it can do less than its user.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "audit/event.h"
#include "compat.h"
#include "cookie/proof.h"
#include "engine/activity.h"
#include "engine/claims.h"
#include "engine/ending.h"
#include "engine/lifecycle.h"
#include "engine/lineage.h"
#include "engine/risk.h"
#include "model/policy.h"
#include "request/identity.h"
#include "table/denylist.h"
#include "table/policies.h"
#include "table/store.h"
#include "table/table.h"

/* Sets the claims that the claims function added to an identity. */
void
session_identity_complete(SessionIdentity *identity, Jsonb *added)
{
	if (added != NULL)
		session_identity_store_claims(identity,
									  session_claims_without_reserved(added));
}

/*
 * Proving it again
 */

/* Returns whether the session of the row is live and has the same token. */
static bool
row_holds(SessionIdentity *identity)
{
	SessionRow	row;

	if (!session_lifecycle_peek(&identity->id, &row) ||
		!session_identity_is_of_row(identity, &row))
		return false;
	if (identity->lowered)
		session_risk_lower(&row, SESSION_RISK_STEP_UP);
	identity->auth_level = row.auth_level;
	identity->amr = row.amr;
	identity->derived = row.has_parent;
	identity->actor_id = row.actor_id;
	identity->scopes = row.scopes;
	identity->authenticated_at = row.authenticated_at;
	return true;
}

/* Returns whether the cookie has not expired, been ended or been denied. */
static bool
cookie_holds(SessionIdentity *identity)
{
	SessionDenylistKey key;
	SessionRules rules;

	session_policies_find(&rules, identity->tenant_id, identity->role);
	return GetCurrentTimestamp() < identity->expires_at &&
		identity->issued_at >= session_proof_earliest(&rules) &&
		session_denylist_parse_key(&key, identity->proof) &&
		!session_denylist_has(&key, &identity->stamp);
}

/* Returns whether the identity is still valid. */
bool
session_identity_holds(SessionIdentity *identity)
{
	if (identity->arrival != SESSION_FROM_HERE)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the session of this transaction is on another "
						"server"),
				 errhint("Call this function on the server that has bound "
						 "it.")));
	return identity->has_row ? row_holds(identity) : cookie_holds(identity);
}

/*
 * Returns whether the session of the row is live, and has the token and the
 * user that the identity was made from, or others that this transaction gave
 * it.
 */
static bool
row_continues(SessionIdentity *identity)
{
	SessionRow	row;

	if (!session_lifecycle_peek(&identity->id, &row))
		return false;
	if (!row.uncommitted &&
		!(session_identity_is_of_row(identity, &row) &&
		  session_policy_same_text(identity->user_id, row.user_id) &&
		  session_policy_same_text(identity->tenant_id, row.tenant_id) &&
		  session_policy_same_text(identity->role, row.role) &&
		  session_policy_same_text(identity->actor_id, row.actor_id) &&
		  session_policy_same_text(identity->scopes, row.scopes)))
		return false;
	identity->stamp = row.stamp;
	identity->check_at = session_policy_deadline(&row);
	return true;
}

/* Returns whether an identity that was bound earlier is still valid. */
bool
session_identity_continues(SessionIdentity *identity)
{
	if (!session_table_exist())
		return false;
	return identity->has_row ? row_continues(identity) :
		cookie_holds(identity);
}

/*
 * Its sessions
 */

/* Returns whether the id is that of the identity's own session or cookie. */
static bool
is_own_id(const SessionIdentity *identity, const pg_uuid_t *id)
{
	return identity->has_id &&
		memcmp(id->data, identity->id.data, UUID_LEN) == 0;
}

/*
 * Reads the session of an identity, if it has one.  Returns whether the
 * identity can do less than its user, so that its sessions are itself and its
 * descendants.
 */
static bool
is_confined(const SessionIdentity *identity, SessionRow *own)
{
	bool		read = identity->has_row &&
	session_store_read_without_data(&identity->id, own);

	if (!read)
		own->has_parent = false;
	return identity->scopes != NULL || identity->actor_id != NULL ||
		(read && (own->scopes != NULL || own->actor_id != NULL));
}

/*
 * Returns the ids of the identity's session and its descendants; none without
 * a row.
 */
static SessionIds
own_family(const SessionIdentity *identity)
{
	SessionIds	ids = {0};

	if (!identity->has_row)
		return ids;
	session_store_add_id(&ids, &identity->id);
	session_lineage_add_descendants(&ids);
	return ids;
}

/* Returns whether the row is one of the identity's sessions. */
static bool
owns_row(const SessionIdentity *identity, const SessionRow *row)
{
	SessionRow	own;

	if (is_confined(identity, &own))
		return identity->has_row &&
			(is_own_id(identity, &row->id) ||
			 session_lineage_descends(row, &identity->id));
	if (identity->user_id == NULL)
		return identity->has_row && is_own_id(identity, &row->id);
	return session_policy_is_of_user(row, identity->user_id, identity->tenant_id);
}

/* Returns the rows of some ids. */
static List *
read_sessions(SessionIds ids)
{
	List	   *rows = NIL;

	for (int i = 0; i < ids.count; i++)
	{
		SessionRow *row = palloc_object(SessionRow);

		if (session_store_read_without_data(&ids.ids[i], row))
			rows = lappend(rows, row);
	}
	return rows;
}

/* Returns the sessions of the identity that have not been revoked. */
List *
session_identity_sessions(const SessionIdentity *identity)
{
	SessionRow	own;

	if (is_confined(identity, &own))
		return read_sessions(own_family(identity));
	if (identity->user_id == NULL)
	{
		SessionIds	ids = {0};

		if (identity->has_row)
			session_store_add_id(&ids, &identity->id);
		return read_sessions(ids);
	}
	return session_store_of_user(identity->user_id, identity->tenant_id,
								 SESSION_STORE_ONE_TENANT);
}

/* Denies the cookie of an identity without a row. */
static bool
deny_own_cookie(const SessionIdentity *identity)
{
	SessionDenylistKey key;

	if (!session_denylist_parse_key(&key, identity->proof) ||
		!session_denylist_add(&key, identity->expires_at))
		return false;
	session_event_denied(&identity->id, identity->user_id,
						 identity->tenant_id);
	return true;
}

/* Revokes one of the identity's sessions, or denies its own cookie. */
bool
session_identity_revoke(const SessionIdentity *identity, const pg_uuid_t *id)
{
	bool		own = is_own_id(identity, id);
	SessionRow	row;

	if (own && !identity->has_row)
		return deny_own_cookie(identity);
	/* Check without a lock first: only a row to be revoked is waited for. */
	if (!session_store_read_without_data(id, &row) || !owns_row(identity, &row))
		return false;
	session_activity_overlay(&row);
	if (session_policy_life(&row, GetCurrentTimestamp()) != SESSION_ACTIVE)
		return false;
	return session_lifecycle_revoke_id(id,
									   cstring_to_text(own ? "logout" : "user"));
}

/* Removes the ids of the sessions that a session was made of. */
static void
remove_ancestors(SessionIds *ids, const SessionRow *row)
{
	SessionIds	ancestors = {0};
	int			count = 0;

	session_lineage_add_ancestors(&ancestors, row);
	for (int i = 0; i < ids->count; i++)
	{
		int			n = 0;

		while (n < ancestors.count &&
			   memcmp(&ancestors.ids[n], &ids->ids[i], UUID_LEN) != 0)
			n++;
		if (n == ancestors.count)
			ids->ids[count++] = ids->ids[i];
	}
	ids->count = count;
}

/*
 * Revokes the live sessions of the identity except its own and those that it
 * was made of, without which it would end.
 */
int64
session_identity_revoke_others(const SessionIdentity *identity)
{
	SessionIds	ids = {0};
	SessionRow	own;

	if (identity->user_id == NULL)
		return 0;
	if (is_confined(identity, &own))
		ids = own_family(identity);
	else
		session_store_ids_of_user(&ids, identity->user_id, identity->tenant_id,
								  SESSION_STORE_ONE_TENANT);
	if (own.has_parent)
		remove_ancestors(&ids, &own);
	return session_ending_revoke_all(&ids, "user", &identity->id);
}
