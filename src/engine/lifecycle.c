/*
 * lifecycle.c
 *	  What can happen to a session, from its creation to its end.
 *
 * Rules:
 * - The clock is GetCurrentTimestamp(), never now(): a long transaction must
 *	 not keep a dead session alive.  It is read after every wait for a lock.
 * - A change locks the row, then reads its newest version, decides, and
 *	 writes.  So an ended session stays ended, and concurrent writers lose no
 *	 update.
 * - A session is looked at before its row is locked, so that a guessed token
 *	 never waits for a lock and never makes a client wait.
 * - A user's sessions are counted under a lock on that user and tenant.  That
 *	 lock is taken before any row is locked, and what was read before is read
 *	 again.
 * - Rows of several sessions are locked in the order of their ids, so that two
 *	 transactions cannot deadlock.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "audit/event.h"
#include "audit/evidence.h"
#include "compat.h"
#include "engine/activity.h"
#include "engine/challenge.h"
#include "engine/content.h"
#include "engine/context.h"
#include "engine/dpop.h"
#include "engine/ending.h"
#include "engine/lifecycle.h"
#include "engine/risk.h"
#include "engine/secret.h"
#include "model/digest.h"
#include "model/json.h"
#include "model/random.h"
#include "shared/database.h"
#include "shared/revocation.h"
#include "table/policies.h"
#include "table/store.h"

/* Microseconds between 1970 and 2000. */
#define UNIX_EPOCH_USECS \
	((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY)

/* Sets *id to the public id that a session token contains. */
static void
token_id(pg_uuid_t *id, const SessionToken *token)
{
	memcpy(id->data, token->id, sizeof(id->data));
}

/*
 * Reading
 */

/*
 * Reads the row of a token, without a look at the life of its session.  The
 * address is that of the request, or NULL if the caller does not know it; a
 * failure is recorded as evidence under it.
 *
 * A token of no session is hashed and compared like that of a session.  So the
 * time of its refusal differs from that of a wrong secret only by the reading
 * of the row.
 */
static bool
read_proven(const SessionToken *token, const inet *ip, SessionRow *row)
{
	pg_uuid_t	id;
	bool		found;
	bool		matches;

	token_id(&id, token);
	found = session_store_read(&id, row);
	if (!found)
		memset(row->token_hash, 0, sizeof(row->token_hash));
	matches = session_digest_matches(row, token);
	if (!found)
	{
		session_evidence_failure(ip);
		return false;
	}
	if (!matches)
	{
		session_evidence_guess(row, ip);
		return false;
	}
	return true;
}

/* Reads the session of a token and returns the token's status. */
static SessionStatus
find_session_from(const SessionToken *token, const inet *ip, SessionRow *row)
{
	if (!read_proven(token, ip, row))
		return SESSION_UNKNOWN;
	return session_activity_status(row, GetCurrentTimestamp());
}

/* Reads the session of a token when the address is not known. */
static SessionStatus
find_session(const SessionToken *token, SessionRow *row)
{
	return find_session_from(token, NULL, row);
}

/*
 * Returns whether a request has proven the key of an active session, if it is
 * bound to one, or may lack it because it was bound just now.  A proof of DPoP
 * is used up unless "uses" is false.
 */
static bool
has_key(const SessionRow *row, const SessionPossession *proven, bool uses)
{
	if (row->bound.by == SESSION_BOUND_DPOP)
		return session_dpop_proves(row, proven->dpop, uses);
	return session_policy_proves_key(&row->bound, &row->id, proven) ||
		session_policy_bound_lately(row->bound_at, &session_settings,
									GetCurrentTimestamp());
}

/*
 * Returns whether a request may use an active session that may be bound to a
 * key.  If not, leaves evidence.
 */
static bool
proves_key(const SessionRow *row, const SessionBinding *binding)
{
	if (has_key(row, &binding->proven, true))
		return true;
	session_evidence_unbound(row, binding);
	return false;
}

/* Reads the active session of a token, for a request that may use it. */
static bool
find_usable(const SessionToken *token, const SessionBinding *binding,
			SessionRow *row)
{
	return find_session_from(token, binding->ip, row) == SESSION_ACTIVE &&
		proves_key(row, binding);
}

/*
 * The session to which the running transaction has given new tokens.  The
 * client does not have them yet, so a use in the same transaction is not a use
 * by the client and is not recorded.
 */
static pg_uuid_t handed;
static LocalTransactionId handed_in = InvalidLocalTransactionId;
static SubTransactionId handed_in_sub;

/* Forgets the session when a rollback to a savepoint takes its tokens back. */
static void
forget_handed(SubXactEvent event, SubTransactionId mine,
			  SubTransactionId parent, void *arg)
{
	/* Subtransactions that began later are part of the one that ends. */
	if (event == SUBXACT_EVENT_ABORT_SUB && handed_in_sub >= mine)
		handed_in = InvalidLocalTransactionId;
}

/* Notes that the transaction has given new tokens to a session. */
static void
note_handed(const SessionRow *row)
{
	static bool watching = false;

	if (!watching)
		RegisterSubXactCallback(forget_handed, NULL);
	watching = true;
	handed = row->id;
	handed_in = session_compat_lxid();
	handed_in_sub = GetCurrentSubTransactionId();
}

/* Returns whether the transaction has given new tokens to a session. */
static bool
is_handed_out(const SessionRow *row)
{
	return LocalTransactionIdIsValid(handed_in) &&
		handed_in == session_compat_lxid() &&
		memcmp(handed.data, row->id.data, UUID_LEN) == 0;
}

/*
 * Returns the status of the session of a row that was just read, and records a
 * use if it is active.
 */
static SessionStatus
use_session(SessionRow *row)
{
	TimestampTz now = GetCurrentTimestamp();

	return is_handed_out(row) ? session_activity_status(row, now) :
		session_activity_use(row, now);
}

/*
 * Returns the status of a session for a request, after asking about the risk.
 * Sets *risk, and lowers the level in the row if the risk says so.
 */
static SessionStatus
ask_risk(const SessionToken *token, const SessionBinding *binding,
		 SessionRow *row, SessionRisk *risk)
{
	SessionStatus status = session_activity_status(row, GetCurrentTimestamp());

	if (status == SESSION_ACTIVE)
		*risk = session_risk_of_use(row, binding);
	if (*risk == SESSION_RISK_REJECT)
		return SESSION_RISKY;
	if (*risk != SESSION_RISK_UNASKED)
	{
		/* The function may have ended the session. */
		status = find_session_from(token, binding->ip, row);
		session_risk_lower(row, *risk);
	}
	return status;
}

/*
 * Returns whether a request lacks the key that an active session is bound to,
 * and sets the status then.  The session of a proof of DPoP must be active
 * before the proof is used up.  A bound cookie was checked before, so the
 * status needs no look at its own for it.
 */
static bool
lacks_key(SessionRow *row, const SessionBinding *binding, bool uses,
		  SessionStatus *status)
{
	bool		by_dpop = row->bound.by == SESSION_BOUND_DPOP;

	if (row->bound.by == SESSION_BOUND_NOT ||
		(!by_dpop && has_key(row, &binding->proven, uses)) ||
		session_activity_status(row, GetCurrentTimestamp()) != SESSION_ACTIVE ||
		(by_dpop && has_key(row, &binding->proven, uses)))
		return false;
	*status = SESSION_UNBOUND;
	return true;
}

/*
 * Returns the status of a session token for a request, and sets *risk.  Lowers
 * the level in the row if the risk says so.  Records the use of an active
 * session if asked to: with the look at its status, if nothing else decides.
 */
static SessionStatus
check_request(const SessionToken *token, const SessionBinding *binding,
			  bool records, SessionRow *row, SessionRisk *risk)
{
	SessionStatus status;

	*risk = SESSION_RISK_UNASKED;
	if (!read_proven(token, binding->ip, row))
		status = SESSION_UNKNOWN;
	else if (!session_policy_matches_binding(row, &session_settings, binding))
	{
		status = session_activity_status(row, GetCurrentTimestamp());
		if (status == SESSION_ACTIVE)
			status = SESSION_BINDING;
	}
	else if (lacks_key(row, binding, records, &status))
		Assert(status == SESSION_UNBOUND);
	else if (session_risk_may_be_asked())
	{
		status = ask_risk(token, binding, row, risk);
		if (records && status == SESSION_ACTIVE)
			status = use_session(row);
	}
	else if (records)
		status = use_session(row);
	else
		status = session_activity_status(row, GetCurrentTimestamp());
	session_database_count(SESSION_COUNT_STATUS + status);
	return status;
}

/* Returns the status of a session token and changes nothing. */
SessionStatus
session_lifecycle_check(const SessionToken *token,
						const SessionBinding *binding, SessionRow *row)
{
	SessionRisk risk;

	return check_request(token, binding, false, row, &risk);
}

/*
 * Reads an active session by its token and records the use.  From now on,
 * session_info shows the session as the current one of the transaction.
 */
bool
session_lifecycle_use(const SessionToken *token,
					  const SessionPossession *proven, SessionRow *row)
{
	SessionBinding binding = {.proven = *proven};

	if (!read_proven(token, NULL, row))
		return false;
	if (row->bound.by != SESSION_BOUND_NOT &&
		(session_activity_status(row, GetCurrentTimestamp()) != SESSION_ACTIVE ||
		 !proves_key(row, &binding)))
		return false;
	if (use_session(row) != SESSION_ACTIVE)
		return false;
	session_context_set_proven(&row->id);
	return true;
}

/* Ends a session, whose row is locked, because of a binding mismatch. */
static void
end_mismatched(SessionRow *row)
{
	session_ending_end(row, cstring_to_text("binding_mismatch"),
					   GetCurrentTimestamp());
}

/*
 * Returns whether the binding of a request differs from that of the session,
 * whose row is locked.  If so, records evidence, and ends the session if
 * "session.on_mismatch" says so.
 */
static bool
refuse_mismatch(SessionRow *row, const SessionBinding *binding)
{
	if (session_policy_matches_binding(row, &session_settings, binding))
		return false;
	session_evidence_mismatch(row, binding);
	if (session_settings.on_mismatch == SESSION_MISMATCH_REVOKE)
		end_mismatched(row);
	return true;
}

/*
 * Asks about the risk of a request for an active session, sets *risk and
 * leaves evidence.  Returns whether the request is rejected.
 */
static bool
refuse_risk(const SessionRow *row, const SessionBinding *binding,
			SessionRisk *risk)
{
	*risk = session_risk_of_use(row, binding);
	session_risk_note(row, binding, *risk);
	return *risk == SESSION_RISK_REJECT;
}

/*
 * Locks the row that was read for a token.  Returns false unless the token is
 * still active.
 */
static bool
lock_active(const SessionToken *token, SessionRow *row)
{
	return session_store_lock(&row->id, row) &&
		session_digest_matches(row, token) &&
		session_activity_status(row, GetCurrentTimestamp()) == SESSION_ACTIVE;
}

/* Returns the status of a session token and records the use. */
SessionStatus
session_lifecycle_validate(const SessionToken *token,
						   const SessionBinding *binding, SessionRow *row)
{
	SessionRisk risk;
	SessionStatus status = check_request(token, binding, true, row, &risk);

	if (status == SESSION_ACTIVE)
		session_context_set_proven(&row->id);
	session_risk_note(row, binding, risk);
	if (status == SESSION_BINDING)
		session_evidence_mismatch(row, binding);
	if (status == SESSION_UNBOUND &&
		(binding->proven.dpop == NULL || !binding->proven.dpop->lacks_nonce))
		session_evidence_unbound(row, binding);
	if (status == SESSION_BINDING &&
		session_settings.on_mismatch == SESSION_MISMATCH_REVOKE &&
		!XactReadOnly)
	{
		SessionRow	held = *row;

		if (lock_active(token, &held))
			end_mismatched(&held);
	}
	return status;
}

/*
 * Locks the row of an active session, for a request that may use it.  Of the
 * binding, only the proven key counts.
 */
static bool
hold_from(const SessionToken *token, const SessionBinding *binding,
		  SessionRow *row)
{
	/* Look before locking: a guessed token must not make a client wait. */
	if (!find_usable(token, binding, row) || !lock_active(token, row) ||
		!proves_key(row, binding))
		return false;
	session_context_set_proven(&row->id);
	return true;
}

/* Locks the row of an active session until the transaction ends. */
bool
session_lifecycle_hold(const SessionToken *token,
					   const SessionPossession *proven, SessionRow *row)
{
	SessionBinding binding = {.proven = *proven};

	return hold_from(token, &binding, row);
}

/*
 * Returns whether the transaction is bound to a session as a request for which
 * its level was lowered.
 */
static bool
is_lowered(const SessionRow *row)
{
	const SessionIdentity *bound = session_context_identity();

	return bound != NULL && bound->lowered &&
		session_identity_is_of_row(bound, row);
}

/* Reads an active session for a credential that is made from its row. */
bool
session_lifecycle_reread(const SessionToken *token,
						 const SessionPossession *proven, bool leaves,
						 SessionRow *row)
{
	SessionBinding binding = {.proven = *proven};
	bool		live;

	if (XactReadOnly)
		live = find_usable(token, &binding, row);
	else
		live = hold_from(token, &binding, row);
	if (live && is_lowered(row))
		session_risk_lower(row, SESSION_RISK_STEP_UP);
	/* A snapshot of an uncommitted row asks the row when it is used. */
	if (live && (leaves || !row->uncommitted))
		session_activity_record(row, GetCurrentTimestamp());
	return live;
}

/* Returns whether a session can still be used or refreshed, by its id. */
bool
session_lifecycle_lives(const pg_uuid_t *id)
{
	SessionRow	row;

	if (!session_store_read_without_data(id, &row))
		return RecoveryInProgress();
	session_activity_overlay(&row);
	return session_policy_life(&row, GetCurrentTimestamp()) == SESSION_ACTIVE;
}

/* Reads an active session by its public id, without proof or data. */
bool
session_lifecycle_peek(const pg_uuid_t *id, SessionRow *row)
{
	if (!session_store_read_without_data(id, row))
		return false;
	return session_activity_status(row, GetCurrentTimestamp()) == SESSION_ACTIVE;
}

/*
 * Limits
 */

/* Compares rows by creation, newest first, then by id. */
static int
compare_created(const ListCell *a, const ListCell *b)
{
	const SessionRow *left = lfirst(a);
	const SessionRow *right = lfirst(b);

	if (left->created_at != right->created_at)
		return left->created_at > right->created_at ? -1 : 1;
	return -memcmp(left->id.data, right->id.data, UUID_LEN);
}

static int
compare_id(const ListCell *a, const ListCell *b)
{
	const SessionRow *left = lfirst(a);
	const SessionRow *right = lfirst(b);

	return memcmp(left->id.data, right->id.data, UUID_LEN);
}

/* Sorts rows by creation, newest first. */
void
session_lifecycle_sort(List *rows)
{
	list_sort(rows, compare_created);
}

/*
 * Returns the rows of sessions that can still be used or refreshed, without
 * that of an id (may be NULL).  Sessions that were made of others do not count
 * towards the limit: they are limited by "session.max_derived".
 */
static List *
keep_live(List *rows, const pg_uuid_t *except)
{
	List	   *live = NIL;
	TimestampTz now = GetCurrentTimestamp();
	ListCell   *cell;

	foreach(cell, rows)
	{
		SessionRow *row = lfirst(cell);

		if (row->has_parent ||
			(except != NULL &&
			 memcmp(row->id.data, except->data, UUID_LEN) == 0))
			continue;
		session_activity_overlay(row);
		if (session_policy_life(row, now) == SESSION_ACTIVE)
			live = lappend(live, row);
	}
	return live;
}

/*
 * Returns the limit on a user's sessions when one of a role is added, 0 if
 * there is none.  `asked` is what the caller asks for, or -1.  If there is a
 * limit, locks the user and tenant, so that no other transaction adds a
 * session of that user until this one ends.
 */
static int
hold_user(const text *user_id, const text *tenant_id, const text *role,
		  int asked)
{
	SessionRules rules;
	int			limit;

	session_policies_find(&rules, tenant_id, role);
	limit = session_policy_limit(&rules, &session_settings, asked);
	if (limit == 0 || user_id == NULL)
		return 0;
	session_store_lock_user(user_id, tenant_id);
	return limit;
}

/*
 * Lists the sessions that must be evicted so that a user can have one more.
 * The session that will be that one (may be NULL) does not count.  Errors with
 * 53400 if "session.on_limit" is "reject".  The user is locked.
 */
static List *
find_surplus(text *user_id, text *tenant_id, int limit, const pg_uuid_t *kept)
{
	List	   *live;

	if (limit == 0)
		return NIL;
	live = keep_live(session_store_of_user(user_id, tenant_id,
										   SESSION_STORE_ONE_TENANT), kept);
	if (list_length(live) < limit)
		return NIL;
	if (session_settings.on_limit == SESSION_LIMIT_REJECT)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("user has too many sessions"),
				 errdetail("%d of %d sessions are live.",
						   list_length(live), limit),
				 errhint("Revoke a session, or see \"session.max_sessions\" "
						 "and \"session.on_limit\".")));
	session_lifecycle_sort(live);
	return list_copy_tail(live, limit - 1);
}

/* Revokes sessions because their user has too many. */
static void
evict_sessions(List *rows)
{
	SessionIds	ids = {0};
	int64		ended;
	ListCell   *cell;

	foreach(cell, rows)
		session_store_add_id(&ids, &((SessionRow *) lfirst(cell))->id);
	ended = session_ending_revoke_all(&ids, "evicted", NULL);
	session_database_count_many(SESSION_COUNT_EVICTED, ended);
}

/*
 * Before the row of a token is locked, locks those of the other sessions whose
 * ids sort before its own, to keep to the order of locking.
 */
static void
lock_before(const SessionToken *token, List *others)
{
	ListCell   *cell;

	list_sort(others, compare_id);
	foreach(cell, others)
	{
		const SessionRow *other = lfirst(cell);
		SessionRow	scratch;

		if (memcmp(other->id.data, token->id, UUID_LEN) < 0)
			(void) session_store_lock(&other->id, &scratch);
	}
}

/*
 * Changing
 */

/* Errors if a session without a user, who proved nothing, gets a level. */
static void
check_level(const text *user_id, int32 auth_level)
{
	if (user_id == NULL && auth_level > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("auth_level must not be set on a session without a user")));
}

/* Errors if a session without a user, who proved nothing, gets methods. */
static void
check_methods(const text *user_id, const text *amr)
{
	if (user_id == NULL && amr != NULL && VARSIZE_ANY_EXHDR(amr) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("amr must not be set on a session without a user")));
}

/* Returns words, but NULL for no words. */
static text *
without_empty(text *words)
{
	return words == NULL || VARSIZE_ANY_EXHDR(words) == 0 ? NULL : words;
}

/* Errors if what an application asks for in a session does not fit. */
static void
check_account(const SessionCreateOptions *options)
{
	/* 1 is the default of the argument, so it may not have been asked for. */
	if (options->auth_level != 1)
		check_level(options->user_id, options->auth_level);
	check_methods(options->user_id, options->amr);
}

/* Sets user, tenant, role, level, methods, address and user agent. */
static void
set_account(SessionRow *row, const SessionCreateOptions *options)
{
	row->user_id = options->user_id;
	row->tenant_id = options->tenant_id;
	row->role = options->role;
	row->auth_level = options->user_id == NULL ? 0 : options->auth_level;
	row->amr = without_empty(options->amr);
	row->ip = options->ip;
	row->user_agent = options->user_agent;
}

/* Makes the id of a session that is created now. */
void
session_lifecycle_make_id(pg_uuid_t *id, TimestampTz now)
{
	session_random_bytes(id->data, sizeof(id->data));
	session_token_make_id(id->data, (uint64) (now + UNIX_EPOCH_USECS));
}

/*
 * Sets the id of a new session.  A foreign token brings the id, and is the
 * token of the session.
 */
static void
set_id(SessionRow *row, const SessionCreateOptions *options, TimestampTz now,
	   SessionCredentials *given)
{
	if (options->token != NULL)
	{
		session_secret_adopt(row, options->token, given);
		return;
	}
	if (options->id != NULL)
	{
		row->id = *options->id;
		return;
	}
	session_lifecycle_make_id(&row->id, now);
}

/*
 * Writes the row of a new session.  Errors with 23505 if the caller has given
 * the id or token of another session, which may have ended as long as its row
 * is kept.
 */
static void
insert_new(const SessionRow *row, const SessionCreateOptions *options)
{
	bool		may_be_taken = options->id != NULL || options->token != NULL;

	if (!session_store_insert(row, may_be_taken))
		ereport(ERROR,
				(errcode(ERRCODE_UNIQUE_VIOLATION),
				 options->token != NULL ?
				 errmsg("token must not be that of another session") :
				 errmsg("id must not be that of another session")));
}

/* Makes a session one that is bound to this key alone; NULL = to none. */
static void
bind_again(SessionRow *row, const SessionBound *bound)
{
	memset(&row->bound, 0, sizeof(row->bound));
	row->bound_key = NULL;
	row->bound_at = row->answered_at = SESSION_NO_TIME;
	if (bound != NULL)
		row->bound = *bound;
}

/*
 * Records that a session is bound to a key of DPoP since it was written, if it
 * is: the transaction may use it, although its client has proven nothing yet.
 */
static void
note_bound(const SessionRow *row, bool is_new)
{
	if (row->bound.by != SESSION_BOUND_DPOP)
		return;
	session_dpop_note_bound(row);
	if (!is_new)
		return;
	session_dpop_prepare();
	session_event_bound(row, session_store_bound_name(row->bound.by));
}

/* Adds a session, for which there is room, and returns its tokens. */
static void
add_session(const SessionCreateOptions *options, SessionRow *row,
			SessionCredentials *given)
{
	TimestampTz now = GetCurrentTimestamp();
	SessionRisk risk = SESSION_RISK_UNASKED;

	memset(row, 0, sizeof(*row));
	set_id(row, options, now, given);
	set_account(row, options);
	session_policies_find(&row->rules, row->tenant_id, row->role);
	row->data = session_content_stored(row, options->data);
	if (options->bound != NULL)
		row->bound = *options->bound;
	session_policy_open(row, &session_settings, &options->lifetimes,
						options->user_id != NULL, now);
	if (options->user_id != NULL && options->authenticated_at != NULL)
		row->authenticated_at = *options->authenticated_at;
	if (options->user_id != NULL)
		risk = session_risk_of_login(row);
	if (options->token == NULL)
		session_secret_issue(row, given);
	insert_new(row, options);
	session_event_created(row, session_risk_name(risk));
	session_challenge_prepare();
	note_bound(row, true);
	session_database_count(SESSION_COUNT_CREATED);
	session_context_set_proven(&row->id);
}

/* Creates a session and returns its tokens. */
void
session_lifecycle_create(const SessionCreateOptions *options, SessionRow *row,
						 SessionCredentials *given)
{
	int			limit;

	check_account(options);
	limit = hold_user(options->user_id, options->tenant_id, options->role,
					  options->max_sessions);
	evict_sessions(find_surplus(options->user_id, options->tenant_id, limit,
								NULL));
	add_session(options, row, given);
}

/* Writes the use of an active session into its row at once. */
bool
session_lifecycle_touch(const SessionToken *token,
						const SessionPossession *proven)
{
	SessionRow	row;

	if (!session_lifecycle_hold(token, proven, &row))
		return false;
	session_policy_touch(&row, GetCurrentTimestamp());
	session_store_save_activity(&row);
	session_event_accessed(&row);
	return true;
}

/* Restarts the lifetime of a session that is not refreshable. */
bool
session_lifecycle_extend(const SessionToken *token,
						 const SessionBinding *binding, SessionRow *row)
{
	SessionRisk risk;

	/*
	 * Only its refresh token extends a refreshable session, and nothing one
	 * that was made of another.
	 */
	if (!hold_from(token, binding, row) || refuse_mismatch(row, binding) ||
		row->refresh_expires_at != SESSION_NO_TIME || row->has_parent ||
		refuse_risk(row, binding, &risk))
		return false;
	session_policy_extend(row, GetCurrentTimestamp());
	session_store_save_state(row);
	session_event_refreshed(row);
	session_database_count(SESSION_COUNT_REFRESHED);
	return true;
}

/* Returns whether the session is refreshable and alive. */
static bool
is_row_refreshable(const SessionRow *row)
{
	return row->refresh_expires_at != SESSION_NO_TIME &&
		session_policy_life(row, GetCurrentTimestamp()) == SESSION_ACTIVE;
}

/*
 * Reads the live session of a refresh token that was made with its key, of any
 * generation.  The address is that of the request, or NULL; a failure is
 * recorded as evidence under it.
 */
static bool
find_refresh(const SessionRefreshToken *token, const inet *ip, SessionRow *row)
{
	pg_uuid_t	id;

	memcpy(id.data, token->id, sizeof(id.data));
	if (session_store_read(&id, row))
	{
		session_activity_overlay(row);
		if (is_row_refreshable(row) && session_secret_made(row, token))
			return true;
		/* The key of an ended session was not tried, so this is no guess. */
		if (session_policy_life(row, GetCurrentTimestamp()) == SESSION_ACTIVE)
			session_evidence_guess(row, ip);
	}
	else
		session_evidence_failure(ip);
	return false;
}

/*
 * Finds the session of a refresh token, locks its row and checks it again.  If
 * the row still has the same key, sealed the same, the token was made with it.
 */
static bool
hold_refresh(const SessionRefreshToken *token, const inet *ip, SessionRow *row)
{
	const bytea *key;

	/* Look before locking, as in hold_from. */
	if (!find_refresh(token, ip, row))
		return false;
	key = row->refresh_key;
	if (!session_store_lock(&row->id, row))
		return false;
	session_activity_overlay(row);
	return is_row_refreshable(row) &&
		(session_secret_has_key(row, key) || session_secret_made(row, token));
}

/* Ends a session whose refresh token was reused; its row is locked. */
static void
end_reused(SessionRow *row, const SessionBinding *binding, TimestampTz now)
{
	session_ending_end(row, cstring_to_text("refresh_reuse"), now);
	session_evidence_reuse(row, binding);
	session_database_count(SESSION_COUNT_REFRESH_REUSED);
}

/* Returns the pair of tokens that a rotation gives, and writes the row. */
static void
give_pair(SessionRow *row, SessionRotation rotation,
		  const SessionPresented *presented, SessionCredentials *given)
{
	if (rotation == SESSION_ROTATION_NEXT)
		session_policy_rotate(row, presented->generation, presented->now);
	if (rotation == SESSION_ROTATION_AGAIN)
		session_policy_repeat(row, presented->now);
	session_secret_derive(row, given);
	if (rotation != SESSION_ROTATION_SAME)
	{
		session_store_save_state(row);
		session_event_refreshed(row);
		/* Not for SAME: the client may have the pair already. */
		note_handed(row);
	}
	session_database_count(SESSION_COUNT_REFRESHED);
	session_context_set_proven(&row->id);
}

/* Returns the pair of tokens that a refresh token gets, if any. */
bool
session_lifecycle_rotate(const SessionRefreshToken *token,
						 const SessionBinding *binding, SessionRow *row,
						 SessionCredentials *given)
{
	SessionPresented presented = {
		.generation = session_token_generation(token),
		.asked = GetCurrentTimestamp()
	};
	SessionRotation rotation;
	SessionRisk risk;

	if (!hold_refresh(token, binding->ip, row))
		return false;
	presented.now = GetCurrentTimestamp();
	presented.uses_known = session_revocation_has_uses_since(row->rotated_at);
	rotation = session_policy_rotation(row, &session_settings, &presented);
	if (rotation == SESSION_ROTATION_REUSE)
		end_reused(row, binding, presented.now);
	if (rotation == SESSION_ROTATION_NONE ||
		rotation == SESSION_ROTATION_REUSE || refuse_mismatch(row, binding) ||
		!proves_key(row, binding) || refuse_risk(row, binding, &risk))
		return false;
	give_pair(row, rotation, &presented, given);
	return true;
}

/*
 * Errors if a session that has a user is given another one.  The data of the
 * session belongs to its user.
 */
static void
check_same_user(const SessionRow *row, const text *user_id)
{
	if (row->user_id != NULL && user_id != NULL &&
		!session_policy_same_text(row->user_id, user_id))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("user_id must be the user the session already has"),
				 errhint("Revoke the session and create another for the "
						 "other user.")));
}

/* Returns whether a change leaves a text as it is; NULL asks for nothing. */
static bool
leaves_text(const text *is, const text *asked)
{
	return asked == NULL || session_policy_same_text(is, asked);
}

/*
 * Errors if a session cannot be changed so: one that has a user cannot get
 * another, and one that was made of another session gets new tokens at most.
 */
static void
check_change(const SessionRow *row, const SessionChange *change)
{
	check_same_user(row, change->user_id);
	if (!row->has_parent ||
		(leaves_text(row->tenant_id, change->tenant_id) &&
		 leaves_text(row->role, change->role) && change->amr == NULL &&
		 (change->auth_level < 0 || change->auth_level == row->auth_level) &&
		 change->lifetime == 0))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("tenant_id, role, auth_level, lifetime and amr must not "
					"be given for a session that was made of another")));
}

/*
 * Applies the rules of the tenant and role that a session has now.  If the
 * earlier sessions of these were all ended, the session is not: created_at
 * moves to just after that end.  If those of the tenant and role before the
 * change were ended, also during this call, the session stays ended.
 */
static void
adopt_rules(SessionRow *row, const SessionRow *before)
{
	SessionRules left;

	/*
	 * Look up the former rules last: if all sessions are ended between the
	 * two lookups, this one knows, and the session is not moved past that
	 * end.
	 */
	session_policies_find(&row->rules, row->tenant_id, row->role);
	session_policies_find(&left, before->tenant_id, before->role);
	if (!session_policy_has_ended(&left, row->created_at))
		session_policy_move(row);
}

/*
 * Applies a change of level and methods to a row.  Returns whether they are
 * proof that the user authenticated.
 */
static bool
apply_proof(SessionRow *row, const SessionChange *change)
{
	int32		before = row->auth_level;
	bool		proves = false;

	if (change->auth_level >= 0)
	{
		check_level(row->user_id, change->auth_level);
		row->auth_level = change->auth_level;
		/* A lower level is no proof, so authenticated_at stays. */
		proves = row->user_id != NULL && row->auth_level >= before;
	}
	check_methods(row->user_id, change->amr);
	if (change->amr != NULL)
		row->amr = without_empty(change->amr);
	else if (row->auth_level < before)
		row->amr = NULL;		/* which method remains is not known */
	return proves || (row->auth_level >= before &&
					  without_empty(change->amr) != NULL);
}

/*
 * Applies a change to a row.  If the user authenticated, a browser registers a
 * new key for the session, so it is bound to none until then.  Another client
 * keeps the key that it has.
 */
static void
apply_change(SessionRow *row, const SessionChange *change, TimestampTz now)
{
	SessionRow	before = *row;
	bool		login = row->user_id == NULL && change->user_id != NULL;
	bool		proves;

	if (login)
	{
		row->user_id = change->user_id;
		row->auth_level = 1;
	}
	if (change->tenant_id != NULL)
		row->tenant_id = change->tenant_id;
	if (change->role != NULL)
		row->role = change->role;
	adopt_rules(row, &before);
	if (change->binding.ip != NULL)
		row->ip = unconstify(inet *, change->binding.ip);
	if (change->binding.user_agent != NULL)
		row->user_agent = unconstify(text *, change->binding.user_agent);
	proves = !row->has_parent && (apply_proof(row, change) || login);
	if (proves)
		session_policy_authenticate(row, now);
	else
		session_policy_touch(row, now);
	if (proves && row->bound.by == SESSION_BOUND_DBSC)
		bind_again(row, NULL);
	if (change->lifetime != 0)
		session_policy_relive(row, &session_settings, change->lifetime, now);
}

/* Returns the user that a session will have after a change. */
static text *
user_after(const SessionRow *row, const SessionChange *change)
{
	return change->user_id != NULL ? change->user_id : row->user_id;
}

/*
 * Returns whether a change adds a session to those of its user in a tenant,
 * which may be limited.
 */
static bool
adds_session(const SessionRow *row, const SessionChange *change)
{
	text	   *user_id = user_after(row, change);

	if (user_id == NULL)
		return false;
	return !session_policy_is_of_user(row, user_id, change->tenant_id != NULL ?
									  change->tenant_id : row->tenant_id);
}

/*
 * Makes room for a session that changes its user or its tenant: sets *evicted
 * to the sessions that must end.  Returns false unless the token is active.
 */
static bool
find_evicted(const SessionToken *token, const SessionChange *change,
			 SessionRow *row, List **evicted)
{
	text	   *user_id;
	text	   *tenant_id;
	int			limit;

	*evicted = NIL;
	if (change->user_id == NULL && change->tenant_id == NULL)
		return true;
	/* Lock the user before any row, as session_lifecycle_create does. */
	if (!find_usable(token, &change->binding, row))
		return false;
	check_change(row, change);
	if (!adds_session(row, change))
		return true;
	user_id = user_after(row, change);
	tenant_id = change->tenant_id != NULL ? change->tenant_id : row->tenant_id;
	limit = hold_user(user_id, tenant_id, change->role != NULL ?
					  change->role : row->role, -1);
	/* The session may have ended during the wait. */
	if (find_session(token, row) != SESSION_ACTIVE)
		return false;
	*evicted = find_surplus(user_id, tenant_id, limit, &row->id);
	return true;
}

/* Returns whether a change says where its request comes from. */
static bool
has_binding(const SessionChange *change)
{
	return change->binding.ip != NULL || change->binding.user_agent != NULL;
}

/* Errors if too little of an address is stored to compare it later. */
void
session_lifecycle_check_ip_stored(SessionBindIp how)
{
	if (how != SESSION_BIND_OFF &&
		session_settings.store_ip == SESSION_STORE_IP_OFF)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("\"session.bind_ip\" must be off while "
						"\"session.store_ip\" is off")));
	if (how == SESSION_BIND_EXACT &&
		session_settings.store_ip == SESSION_STORE_IP_SUBNET)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("\"session.bind_ip\" must not be exact while "
						"\"session.store_ip\" is subnet")));
}

/* Applies a change to an active session and gives it new tokens. */
bool
session_lifecycle_regenerate(const SessionToken *token,
							 const SessionChange *change, SessionRow *row,
							 SessionCredentials *given)
{
	List	   *evicted;
	SessionRisk risk = SESSION_RISK_UNASKED;
	bool		login;

	if (!find_evicted(token, change, row, &evicted))
		return false;
	lock_before(token, evicted);
	if (!hold_from(token, &change->binding, row) ||
		(has_binding(change) && refuse_mismatch(row, &change->binding)))
		return false;
	check_change(row, change);
	login = row->user_id == NULL && change->user_id != NULL;
	if (!login && refuse_risk(row, &change->binding, &risk))
		return false;
	session_risk_lower(row, risk);
	evict_sessions(evicted);
	apply_change(row, change, GetCurrentTimestamp());
	/* The address is written again, so too little of it may remain. */
	if (row->ip != NULL)
		session_lifecycle_check_ip_stored(session_policy_bind_ip(&row->rules,
																 &session_settings));
	if (login)
		risk = session_risk_of_login(row);
	session_secret_issue(row, given);
	session_store_save_account(row, false);
	session_event_regenerated(row, login, session_risk_name(risk));
	note_bound(row, false);
	session_database_count(SESSION_COUNT_REGENERATED);
	return true;
}

/*
 * Logging in
 */

/*
 * Revokes a session, whose row is locked, if it can still be used or
 * refreshed.  Returns whether it has.
 */
static bool
end_if_alive(SessionRow *row, text *reason)
{
	TimestampTz now = GetCurrentTimestamp();

	if (!session_ending_is_alive(row, now))
		return false;
	session_ending_end(row, reason, now);
	return true;
}

/* What a login does with the session of the token that came with it. */
typedef enum LoginPlan
{
	LOGIN_ALONE,				/* the token has no session */
	LOGIN_KEEP,					/* the login goes on with it */
	LOGIN_END					/* the login ends it */
} LoginPlan;

/* Returns where a login comes from, and the key that it has proven. */
static SessionBinding
binding_of_login(const SessionCreateOptions *options)
{
	SessionBinding binding = {
		options->ip, options->user_agent, options->proven
	};

	return binding;
}

/*
 * Decides what a login does with the session of a row: keeps an anonymous one
 * and one of the user, if its session token is active, and ends another that
 * is alive, or that was made of another session.
 */
static LoginPlan
plan_for_row(SessionRow *row, const SessionCreateOptions *options)
{
	TimestampTz now = GetCurrentTimestamp();
	SessionBinding binding = binding_of_login(options);

	if (session_policy_life(row, now) != SESSION_ACTIVE)
		return LOGIN_ALONE;
	if (!row->has_parent &&
		session_policy_status(row, now) == SESSION_ACTIVE &&
		(row->user_id == NULL ||
		 session_policy_is_of_user(row, options->user_id, row->tenant_id)) &&
		session_policy_matches_binding(row, &session_settings, &binding) &&
		has_key(row, &binding.proven, true))
		return LOGIN_KEEP;
	return LOGIN_END;
}

/* Finds the session of a token (may be NULL) and decides. */
static LoginPlan
plan_login(const SessionToken *token, const SessionCreateOptions *options,
		   SessionRow *row)
{
	if (token == NULL ||
		find_session_from(token, options->ip, row) == SESSION_UNKNOWN)
		return LOGIN_ALONE;
	return plan_for_row(row, options);
}

/*
 * Locks the row of the token and decides again, because the session may have
 * changed before it was locked.
 */
static LoginPlan
replan_login(const SessionToken *token, const SessionCreateOptions *options,
			 SessionRow *row)
{
	if (!session_store_lock(&row->id, row) ||
		!session_digest_matches(row, token))
		return LOGIN_ALONE;
	session_activity_overlay(row);
	return plan_for_row(row, options);
}

/* Ends a session, whose row is locked, because its client logs in. */
static void
end_before_login(SessionRow *row, const SessionCreateOptions *options)
{
	SessionBinding binding = binding_of_login(options);

	if (!session_policy_matches_binding(row, &session_settings, &binding))
		session_evidence_mismatch(row, &binding);
	(void) proves_key(row, &binding);
	(void) end_if_alive(row, cstring_to_text("login"));
}

/* Makes a session, whose row is locked, the one that a login returns. */
static void
log_in_held(SessionRow *row, const SessionCreateOptions *options,
			SessionCredentials *given)
{
	SessionRow	before = *row;
	Jsonb	   *data = session_content_of(row);
	TimestampTz now = GetCurrentTimestamp();
	SessionRisk risk;

	data = session_json_merged(data, options->data);
	session_content_check(data);
	set_account(row, options);
	adopt_rules(row, &before);
	row->data = session_content_stored(row, data);
	bind_again(row, options->bound);
	session_policy_reopen(row, &session_settings, &options->lifetimes, now);
	if (row->refresh_expires_at == SESSION_NO_TIME)
		row->refresh_key = NULL;
	risk = session_risk_of_login(row);
	session_secret_issue(row, given);
	session_store_save_account(row, true);
	session_event_regenerated(row, true, session_risk_name(risk));
	note_bound(row, true);
	session_database_count(SESSION_COUNT_REGENERATED);
	session_context_set_proven(&row->id);
}

/* Logs a user in and returns new tokens.  The token may be invalid. */
void
session_lifecycle_login(const SessionToken *token,
						const SessionCreateOptions *options, SessionRow *row,
						SessionCredentials *given)
{
	List	   *evicted;
	LoginPlan	plan;
	int			limit;

	check_account(options);
	/* Lock the user before any row, as session_lifecycle_create does. */
	limit = hold_user(options->user_id, options->tenant_id, options->role,
					  options->max_sessions);
	plan = plan_login(token, options, row);
	evicted = find_surplus(options->user_id, options->tenant_id, limit,
						   plan == LOGIN_ALONE ? NULL : &row->id);
	if (plan != LOGIN_ALONE)
	{
		lock_before(token, evicted);
		plan = replan_login(token, options, row);
		/* If the session got another token meanwhile, it counts, too. */
		if (plan == LOGIN_ALONE)
			evicted = find_surplus(options->user_id, options->tenant_id,
								   limit, NULL);
	}
	if (plan == LOGIN_END)
		end_before_login(row, options);
	evict_sessions(evicted);
	if (plan == LOGIN_KEEP)
		log_in_held(row, options, given);
	else
		add_session(options, row, given);
}

/*
 * Ending
 */

/*
 * Returns whether a session can still be used or refreshed.  Checked before
 * the row is locked, so that ending an ended session does not wait.
 */
static bool
is_row_alive(const SessionRow *row)
{
	return session_policy_life(row, GetCurrentTimestamp()) == SESSION_ACTIVE;
}

/* Revokes the session of a session token: logout. */
bool
session_lifecycle_revoke(const SessionToken *token)
{
	SessionRow	row;

	/* An expired session token can still log out a refreshable session. */
	return find_session(token, &row) != SESSION_UNKNOWN && is_row_alive(&row) &&
		session_store_lock(&row.id, &row) &&
		session_digest_matches(&row, token) &&
		end_if_alive(&row, cstring_to_text("logout"));
}

/* Revokes the session of a refresh token: logout. */
bool
session_lifecycle_revoke_refresh(const SessionRefreshToken *token)
{
	SessionRow	row;

	return hold_refresh(token, NULL, &row) &&
		end_if_alive(&row, cstring_to_text("logout"));
}

/* Revokes a session by its public id. */
bool
session_lifecycle_revoke_id(const pg_uuid_t *id, text *reason)
{
	SessionRow	row;

	if (!session_store_read(id, &row))
		return false;
	session_activity_overlay(&row);
	return is_row_alive(&row) && session_store_lock(id, &row) &&
		end_if_alive(&row, reason);
}
