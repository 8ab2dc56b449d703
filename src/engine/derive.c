/*
 * derive.c
 *	  Making sessions of other sessions.
 *
 * Rules:
 * - The rows of the parent, and of all that it was made of, stay locked until
 *	 the transaction ends, those first.  So a session that is about to end gets
 *	 no more descendants, which its end would not know, and transactions that
 *	 count them wait for each other.
 * - A derived session is not a login, because no user authenticated: the risk
 *	 function is not asked, no origin is noted, and "session.max_sessions" does
 *	 not limit it.
 * - It is bound to no key, also if its parent is.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "audit/event.h"
#include "compat.h"
#include "engine/content.h"
#include "engine/context.h"
#include "engine/derive.h"
#include "engine/ending.h"
#include "engine/lifecycle.h"
#include "engine/lineage.h"
#include "model/digest.h"
#include "model/scope.h"
#include "settings.h"
#include "shared/database.h"
#include "table/policies.h"
#include "table/store.h"

/* Adds a session that is made of another. */
void
session_derive_add(SessionRow *row, const SessionRow *parent, Jsonb *data,
				   int64 lifetime, SessionCredentials *given)
{
	/* A parent is never younger, even if the clock was set back. */
	TimestampTz now = Max(GetCurrentTimestamp(), parent->created_at);

	row->has_parent = true;
	row->parent_id = parent->id;
	session_lifecycle_make_id(&row->id, now);
	row->ip = parent->ip;
	row->user_agent = parent->user_agent;
	session_policies_find(&row->rules, row->tenant_id, row->role);
	row->data = session_content_stored(row, data);
	session_policy_derive(row, parent, &session_settings, lifetime, now);
	session_lineage_extend(row, parent);
	session_secret_issue(row, given);
	(void) session_store_insert(row, false);
	session_event_created(row, NULL);
	session_database_count(SESSION_COUNT_CREATED);
	session_context_set_proven(&row->id);
}

/* Errors if sessions cannot be derived from a session. */
static void
check_parent(const SessionRow *parent)
{
	if (parent->user_id == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("token must be that of a session with a user")));
	if (parent->actor_id != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("a session cannot be derived from one in which an "
						"administrator acts as the user")));
	if (parent->has_parent &&
		parent->lineage.generation >= SESSION_GENERATIONS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a session cannot be derived from one that was "
						"derived %d times", SESSION_GENERATIONS)));
}

/* Errors if a session does not cover the scopes of one derived from it. */
static void
check_scopes(const SessionRow *parent, const text *scopes)
{
	if (scopes == NULL || parent->scopes == NULL ||
		session_scope_covers_all(VARDATA_ANY(parent->scopes),
								 VARSIZE_ANY_EXHDR(parent->scopes),
								 VARDATA_ANY(scopes),
								 VARSIZE_ANY_EXHDR(scopes)))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("scopes must be covered by those of the session of the "
					"token")));
}

/* Returns the id of the session that a session comes from, or its own. */
static pg_uuid_t
find_root(const SessionRow *row)
{
	SessionIds	ids = {0};

	session_lineage_add_ancestors(&ids, row);
	return ids.count == 0 ? row->id : ids.ids[ids.count - 1];
}

/*
 * Returns how many live sessions come from a session, in all generations,
 * without those in which its user acts as another.
 */
static int
count_live(const pg_uuid_t *root)
{
	TimestampTz now = GetCurrentTimestamp();
	SessionIds	ids = {0};
	int			live = 0;

	session_store_add_id(&ids, root);
	session_lineage_add_descendants(&ids);
	session_ending_sort(&ids, root);
	for (int i = 0; i < ids.count; i++)
	{
		SessionRow	row;

		if (session_store_read_without_data(&ids.ids[i], &row) &&
			row.actor_id == NULL && session_ending_is_alive(&row, now))
			live++;
	}
	return live;
}

/* Errors if too many sessions come from the same one as a session. */
static void
check_limit(const SessionRow *parent)
{
	pg_uuid_t	root = find_root(parent);
	int			live = count_live(&root);

	if (live < session_settings.max_derived)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			 errmsg("too many sessions are derived from the same session"),
			 errdetail("%d of %d sessions are live.", live,
					   session_settings.max_derived),
			 errhint("Revoke one of them, or see \"session.max_derived\".")));
}

/*
 * Locks the rows of the session of a token and of those it was made of, in the
 * order of their ids.
 */
static void
lock_family(const SessionToken *token)
{
	SessionIds	ids = {0};
	SessionRow	row;
	pg_uuid_t	id;

	memcpy(id.data, token->id, sizeof(id.data));
	/* Look before locking: a guessed token must not make a client wait. */
	if (!session_store_read_without_data(&id, &row) ||
		!session_digest_matches(&row, token))
		return;
	session_store_add_id(&ids, &id);
	session_lineage_add_ancestors(&ids, &row);
	session_ending_sort(&ids, NULL);
	for (int i = 0; i < ids.count; i++)
		(void) session_store_lock(&ids.ids[i], &row);
}

/* Locks the active session of a token, of which another will be made. */
bool
session_derive_hold(const SessionToken *token, const SessionPossession *proven,
					SessionRow *parent)
{
	lock_family(token);
	/* What is made of it is bound to no key, so no grace lets this pass. */
	return session_lifecycle_reread(token, proven, true, parent) &&
		(parent->bound.by != SESSION_BOUND_DBSC ||
		 session_policy_proves_key(&parent->bound, &parent->id, proven));
}

/* Derives a session from the active session of a token. */
bool
session_derive_make(const SessionToken *token, const SessionPossession *proven,
					const SessionDeriveOptions *options, SessionRow *row,
					SessionCredentials *given)
{
	SessionRow	parent;

	if (!session_derive_hold(token, proven, &parent))
		return false;
	check_parent(&parent);
	check_scopes(&parent, options->scopes);
	check_limit(&parent);
	memset(row, 0, sizeof(*row));
	row->user_id = parent.user_id;
	row->tenant_id = parent.tenant_id;
	row->role = parent.role;
	row->auth_level = parent.auth_level;
	row->amr = parent.amr;
	row->scopes = options->scopes != NULL ? options->scopes : parent.scopes;
	session_derive_add(row, &parent, options->data, options->lifetime, given);
	return true;
}
