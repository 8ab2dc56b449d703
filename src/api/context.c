/*
 * context.c
 *	  SQL entry points: the identity of the running transaction.
 *
 *	  session_authenticate		session_pre_request
 *	  session_require
 *	  session_id				session_user_id
 *	  session_tenant_id			session_role
 *	  session_auth_level		session_amr
 *	  session_authenticated_at
 *	  session_actor_id			session_scopes
 *	  session_has_scope
 *	  session_claims			session_claim
 *	  session_mine				session_revoke_mine
 *	  session_revoke_others
 *
 * Rules: every role may call these, so they act only on a credential that is
 * proven by itself, or on the identity that was bound by one.  A session of
 * another user is treated as missing, and its row is not waited for.
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "api/api.h"
#include "compat.h"
#include "engine/activity.h"
#include "engine/claims.h"
#include "engine/context.h"
#include "engine/ending.h"
#include "engine/lifecycle.h"
#include "engine/lineage.h"
#include "model/amr.h"
#include "model/json.h"
#include "request/csrf.h"
#include "request/identity.h"
#include "request/prove.h"
#include "request/request.h"
#include "request/role.h"

PG_FUNCTION_INFO_V1(session_authenticate);
PG_FUNCTION_INFO_V1(session_pre_request);
PG_FUNCTION_INFO_V1(session_require);
PG_FUNCTION_INFO_V1(session_id);
PG_FUNCTION_INFO_V1(session_user_id);
PG_FUNCTION_INFO_V1(session_tenant_id);
PG_FUNCTION_INFO_V1(session_role);
PG_FUNCTION_INFO_V1(session_auth_level);
PG_FUNCTION_INFO_V1(session_amr);
PG_FUNCTION_INFO_V1(session_authenticated_at);
PG_FUNCTION_INFO_V1(session_actor_id);
PG_FUNCTION_INFO_V1(session_scopes);
PG_FUNCTION_INFO_V1(session_has_scope);
PG_FUNCTION_INFO_V1(session_claims);
PG_FUNCTION_INFO_V1(session_claim);
PG_FUNCTION_INFO_V1(session_mine);
PG_FUNCTION_INFO_V1(session_revoke_mine);
PG_FUNCTION_INFO_V1(session_revoke_others);

/*
 * Binding
 */

Datum
session_authenticate(PG_FUNCTION_ARGS)
{
	SessionBinding binding = {
		.ip = session_arg_inet(fcinfo, 1),
		.user_agent = session_arg_user_agent(fcinfo, 2)
	};
	SessionToken token;
	SessionIdentity identity;
	SessionRow	row;
	SessionStatus status;

	/* An invalid token clears the identity that was bound before. */
	session_context_bind(NULL);
	session_arg_bound(fcinfo, 3, &binding.proven);
	session_arg_proof(fcinfo, 4, &binding.proven);
	if (!session_arg_token(fcinfo, 0, &token))
	{
		session_arg_refused(fcinfo, 0, binding.ip);
		PG_RETURN_BOOL(false);
	}
	status = session_lifecycle_validate(&token, &binding, &row);
	session_crypto_wipe(&token, sizeof(token));
	if (status != SESSION_ACTIVE)
		PG_RETURN_BOOL(false);
	session_identity_of_row(&identity, &row);
	session_identity_complete(&identity, session_claims_added(&row));
	session_context_bind(&identity);
	PG_RETURN_BOOL(true);
}

Datum
session_pre_request(PG_FUNCTION_ARGS)
{
	SessionIdentity identity;

	session_context_bind(NULL);
	session_role_leave();
	switch (session_prove_request(&identity))
	{
		case SESSION_PROVE_ANONYMOUS:
		case SESSION_PROVE_ENDED:
			/* An error would undo the end of the session. */
		case SESSION_PROVE_RENEWING:
			/* An error would keep the browser from renewing its cookie. */
			break;
		case SESSION_PROVE_INVALID:
			if (session_settings.on_invalid == SESSION_INVALID_REJECT)
				session_request_refuse(false);
			break;
		case SESSION_PROVE_NO_NONCE:
			if (session_settings.on_invalid == SESSION_INVALID_REJECT)
				session_request_refuse(true);
			break;
		case SESSION_PROVE_FOREIGN:
			session_csrf_refuse_foreign();
		case SESSION_PROVE_NO_CSRF:
			session_csrf_refuse_token();
		case SESSION_PROVE_PROVEN:
			session_context_bind(&identity);
			session_role_assume(&identity);
			break;
	}
	PG_RETURN_VOID();
}

/*
 * Reading
 */

/*
 * The value that a call site returned last, for the next rows of the query.
 *
 * A tuple that points to the value may be used after the identity has changed,
 * so a value is kept as long as the call site.  A call site therefore keeps
 * only a few values.  If the identity changes more often, each later call
 * returns a copy in the memory of its caller.
 */
#define KEPT_VALUES 8

typedef struct KeptValue
{
	uint64		generation;		/* of the context */
	void	   *value;			/* NULL = none is kept, or SQL NULL */
	int			count;			/* of the values kept so far */
} KeptValue;

/* Returns the kept value if the identity is still the same. */
#define RETURN_IF_KEPT() \
	do { \
		const KeptValue *before = fcinfo->flinfo->fn_extra; \
\
		if (likely(before != NULL && before->value != NULL && \
				   before->generation == session_context_generation())) \
			PG_RETURN_POINTER(before->value); \
	} while (0)

static KeptValue *
kept_value_of(FmgrInfo *site)
{
	if (site->fn_extra == NULL)
		site->fn_extra = MemoryContextAllocZero(site->fn_mcxt,
												sizeof(KeptValue));
	return site->fn_extra;
}

/* Returns a copy of a value, and keeps it while the call site has room. */
static Datum
return_kept(FunctionCallInfo fcinfo, const void *value, Size size)
{
	KeptValue  *kept;
	void	   *copy;

	if (value == NULL)
		PG_RETURN_NULL();
	kept = kept_value_of(fcinfo->flinfo);
	if (kept->count < KEPT_VALUES)
		copy = MemoryContextAlloc(fcinfo->flinfo->fn_mcxt, size);
	else
		copy = palloc(size);
	memcpy(copy, value, size);
	kept->value = NULL;
	if (kept->count < KEPT_VALUES)
	{
		kept->count++;
		kept->generation = session_context_generation();
		kept->value = copy;
	}
	PG_RETURN_POINTER(copy);
}

static Datum
return_kept_text(FunctionCallInfo fcinfo, const text *value)
{
	return return_kept(fcinfo, value, value == NULL ? 0 : VARSIZE_ANY(value));
}

static Datum
return_kept_words(FunctionCallInfo fcinfo, const text *words)
{
	ArrayType  *array = session_words_array(words);

	return return_kept(fcinfo, array, array == NULL ? 0 : VARSIZE(array));
}

Datum
session_id(PG_FUNCTION_ARGS)
{
	const SessionIdentity *identity = session_context_identity();

	RETURN_IF_KEPT();
	return return_kept(fcinfo, identity == NULL || !identity->has_id ? NULL :
					   &identity->id, UUID_LEN);
}

Datum
session_user_id(PG_FUNCTION_ARGS)
{
	const SessionIdentity *identity = session_context_identity();

	RETURN_IF_KEPT();
	return return_kept_text(fcinfo, identity == NULL ? NULL : identity->user_id);
}

Datum
session_tenant_id(PG_FUNCTION_ARGS)
{
	const SessionIdentity *identity = session_context_identity();

	RETURN_IF_KEPT();
	return return_kept_text(fcinfo, identity == NULL ? NULL : identity->tenant_id);
}

Datum
session_role(PG_FUNCTION_ARGS)
{
	const SessionIdentity *identity = session_context_identity();

	RETURN_IF_KEPT();
	return return_kept_text(fcinfo, identity == NULL ? NULL : identity->role);
}

Datum
session_actor_id(PG_FUNCTION_ARGS)
{
	const SessionIdentity *identity = session_context_identity();

	RETURN_IF_KEPT();
	return return_kept_text(fcinfo, identity == NULL ? NULL : identity->actor_id);
}

Datum
session_auth_level(PG_FUNCTION_ARGS)
{
	const SessionIdentity *identity = session_context_identity();

	if (identity == NULL)
		PG_RETURN_NULL();
	PG_RETURN_INT32(identity->auth_level);
}

Datum
session_amr(PG_FUNCTION_ARGS)
{
	const SessionIdentity *identity = session_context_identity();

	RETURN_IF_KEPT();
	return return_kept_words(fcinfo, identity == NULL ? NULL : identity->amr);
}

Datum
session_scopes(PG_FUNCTION_ARGS)
{
	const SessionIdentity *identity = session_context_identity();

	RETURN_IF_KEPT();
	return return_kept_words(fcinfo, identity == NULL ? NULL : identity->scopes);
}

Datum
session_has_scope(PG_FUNCTION_ARGS)
{
	const SessionIdentity *identity = session_context_identity();

	if (identity == NULL)
		PG_RETURN_NULL();
	PG_RETURN_BOOL(session_identity_has_scope(identity, PG_GETARG_TEXT_PP(0)));
}

Datum
session_authenticated_at(PG_FUNCTION_ARGS)
{
	const SessionIdentity *identity = session_context_identity();

	if (identity == NULL || identity->authenticated_at == SESSION_NO_TIME)
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(identity->authenticated_at);
}

/*
 * Returns the claims of the bound identity, made once for all call sites;
 * NULL when no identity is bound.  They are freed when another is bound.
 */
static const Jsonb *
claims_of_identity(void)
{
	static MemoryContext memory = NULL;
	static const Jsonb *claims = NULL;
	static uint64 parsed_for = 0;	/* no context has the generation 0 */
	const SessionIdentity *identity = session_context_identity();
	Jsonb	   *parsed = NULL;

	if (identity == NULL)
		return NULL;
	if (parsed_for == session_context_generation())
		return claims;
	if (memory == NULL)
		memory = AllocSetContextCreate(CacheMemoryContext, "session claims",
									   ALLOCSET_SMALL_SIZES);
	parsed_for = 0;
	MemoryContextReset(memory);
	parsed = session_identity_claims(identity);
	claims = NULL;
	if (parsed != NULL)
		claims = memcpy(MemoryContextAlloc(memory, VARSIZE(parsed)), parsed,
						VARSIZE(parsed));
	parsed_for = session_context_generation();
	return claims;
}

Datum
session_claims(PG_FUNCTION_ARGS)
{
	const Jsonb *claims;

	RETURN_IF_KEPT();
	claims = claims_of_identity();
	return return_kept(fcinfo, claims, claims == NULL ? 0 : VARSIZE(claims));
}

Datum
session_claim(PG_FUNCTION_ARGS)
{
	const Jsonb *claims = claims_of_identity();
	text	   *key;
	text	   *value;

	if (claims == NULL || PG_ARGISNULL(0))
		PG_RETURN_NULL();
	key = PG_GETARG_TEXT_PP(0);
	value = session_json_member(claims, VARDATA_ANY(key),
								VARSIZE_ANY_EXHDR(key));
	if (value == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(value);
}

/*
 * Requiring
 */

/* Reads the bound identity; returns false unless it is still valid. */
static bool
still_bound(SessionIdentity *identity)
{
	const SessionIdentity *bound = session_context_identity();

	if (bound == NULL)
		return false;
	*identity = *bound;
	return session_identity_holds(identity);
}

static void
refuse_requirement(const char *problem)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("%s", problem)));
}

Datum
session_require(PG_FUNCTION_ARGS)
{
	int32		level = session_arg_count(fcinfo, 0, "auth_level", 1);
	int64		max_age = session_arg_interval(fcinfo, 1, "max_age", 0, -1);
	text	   *methods = session_arg_amr(fcinfo, 2);
	text	   *scope = session_arg_scope(fcinfo, 3);
	SessionIdentity identity;

	if (methods != NULL && VARSIZE_ANY_EXHDR(methods) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("amr must not be empty")));

	if (!still_bound(&identity))
		refuse_requirement("a session is required");
	if (identity.auth_level < level)
		refuse_requirement("a higher level of authentication is required");
	if (max_age >= 0 &&
		(identity.authenticated_at == SESSION_NO_TIME ||
		 GetCurrentTimestamp() - identity.authenticated_at > max_age))
		refuse_requirement("a more recent authentication is required");
	if (methods != NULL && !session_amr_has_any(identity.amr, methods))
		refuse_requirement("another method of authentication is required");
	if (scope != NULL && !session_identity_has_scope(&identity, scope))
		refuse_requirement("another scope is required");
	PG_RETURN_VOID();
}

/*
 * One's own
 */

Datum
session_mine(PG_FUNCTION_ARGS)
{
	SessionIdentity identity;
	TimestampTz now;
	List	   *rows;
	ListCell   *cell;

	session_begin_infos(fcinfo);
	if (!still_bound(&identity))
		PG_RETURN_NULL();
	now = GetCurrentTimestamp();
	rows = session_identity_sessions(&identity);
	foreach(cell, rows)
		if (!session_ending_is_alive(lfirst(cell), now))
		rows = foreach_delete_current(rows, cell);
	session_lifecycle_sort(rows);
	foreach(cell, session_lineage_sort(rows))
	{
		SessionRow *row = lfirst(cell);

		/* The data is for the application, not for its users. */
		row->data = NULL;
		session_put_info(fcinfo, row, SESSION_ACTIVE);
	}
	PG_RETURN_NULL();
}

Datum
session_revoke_mine(PG_FUNCTION_ARGS)
{
	SessionIdentity identity;

	PreventCommandIfReadOnly("session_revoke_mine()");
	PG_RETURN_BOOL(!PG_ARGISNULL(0) && still_bound(&identity) &&
				   session_identity_revoke(&identity, PG_GETARG_UUID_P(0)));
}

Datum
session_revoke_others(PG_FUNCTION_ARGS)
{
	SessionIdentity identity;

	PreventCommandIfReadOnly("session_revoke_others()");
	if (!still_bound(&identity))
		PG_RETURN_INT64(0);
	PG_RETURN_INT64(session_identity_revoke_others(&identity));
}
