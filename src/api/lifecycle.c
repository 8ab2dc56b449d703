/*
 * lifecycle.c
 *	  SQL entry points: what an application does with one session.
 *
 *	  session_create		session_login		session_validate
 *	  session_status		session_is_valid	session_is_expired
 *	  session_touch			session_refresh		session_regenerate
 *	  session_derive		session_revoke
 *
 * Rules:
 * - A token that is malformed, unknown, wrong or expired gives no row, NULL or
 *	 false, never an error.
 * - Tokens are wiped from the stack before a function returns.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "api/api.h"
#include "compat.h"
#include "engine/content.h"
#include "engine/derive.h"
#include "engine/dpop.h"
#include "engine/info.h"
#include "engine/lifecycle.h"
#include "model/json.h"
#include "table/policies.h"

PG_FUNCTION_INFO_V1(session_create);
PG_FUNCTION_INFO_V1(session_login);
PG_FUNCTION_INFO_V1(session_validate);
PG_FUNCTION_INFO_V1(session_status);
PG_FUNCTION_INFO_V1(session_is_valid);
PG_FUNCTION_INFO_V1(session_is_expired);
PG_FUNCTION_INFO_V1(session_touch);
PG_FUNCTION_INFO_V1(session_refresh);
PG_FUNCTION_INFO_V1(session_regenerate);
PG_FUNCTION_INFO_V1(session_derive);
PG_FUNCTION_INFO_V1(session_revoke);

/* Returns the data of a new session, the empty object for SQL NULL. */
static Jsonb *
arg_data(FunctionCallInfo fcinfo, int n)
{
	Jsonb	   *data;

	if (PG_ARGISNULL(n))
		return session_json_empty();
	data = PG_GETARG_JSONB_P(n);
	session_content_check(data);
	return data;
}

/* Adds a hint to an error about a setting that a policy overrides. */
static int
hint_at_policy(const SessionRules *rules, int rule)
{
	if ((rules->says & rule) == 0)
		return 0;
	return errhint("A policy for its tenant or role overrides the setting; "
				   "see the table session.policies.");
}

/* Errors if the session would fail the check of its binding at every use. */
static void
check_bindable(const SessionCreateOptions *options)
{
	SessionRules rules;
	SessionBindIp how;

	session_policies_find(&rules, options->tenant_id, options->role);
	how = session_policy_bind_ip(&rules, &session_settings);
	session_lifecycle_check_ip_stored(how);
	if (how != SESSION_BIND_OFF && options->ip == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("ip must not be null while \"session.bind_ip\" is on"),
				 hint_at_policy(&rules, SESSION_RULE_BIND_IP)));
	if (session_policy_bind_user_agent(&rules, &session_settings) &&
		options->user_agent == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("user_agent must not be null while "
						"\"session.bind_user_agent\" is on"),
				 hint_at_policy(&rules, SESSION_RULE_BIND_USER_AGENT)));
}

/* Numbers of the arguments that session_create and session_login share. */
typedef struct AccountArgs
{
	int			data;			/* and tenant_id, role, ip, user_agent,
								 * lifetime, idle_timeout, auth_level,
								 * refreshable, max_sessions */
	int			sliding;		/* and amr */
} AccountArgs;

/* Returns whether the argument "sliding", or the setting, says so. */
static bool
arg_sliding(FunctionCallInfo fcinfo, int n, bool refreshable)
{
	if (PG_ARGISNULL(n))
		return session_settings.sliding;
	if (PG_GETARG_BOOL(n) && refreshable)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("sliding must not be true for a refreshable session")));
	return PG_GETARG_BOOL(n);
}

/* Reads what an application asks for in a session, except its user. */
static void
arg_account(FunctionCallInfo fcinfo, AccountArgs args,
			SessionCreateOptions *options)
{
	SessionLifetimes *lifetimes = &options->lifetimes;
	int			n = args.data;

	options->data = arg_data(fcinfo, n++);
	options->tenant_id = session_arg_name(fcinfo, n++, "tenant_id",
										  SESSION_NAME_BYTES);
	options->role = session_arg_name(fcinfo, n++, "role", NAMEDATALEN - 1);
	options->ip = session_arg_inet(fcinfo, n++);
	options->user_agent = session_arg_user_agent(fcinfo, n++);
	lifetimes->lifetime = session_arg_interval(fcinfo, n++, "lifetime", 1, 0);
	lifetimes->idle_timeout = session_arg_interval(fcinfo, n++, "idle_timeout",
												   0, -1);
	options->auth_level = session_arg_count(fcinfo, n++, "auth_level", 1);
	lifetimes->refreshable = !PG_ARGISNULL(n) && PG_GETARG_BOOL(n);
	n++;
	options->max_sessions = session_arg_count(fcinfo, n, "max_sessions", -1);
	lifetimes->sliding = arg_sliding(fcinfo, args.sliding,
									 lifetimes->refreshable);
	options->amr = session_arg_amr(fcinfo, args.sliding + 1);
	check_bindable(options);
}

/* Errors if a session with a foreign token cannot be what is asked for. */
static void
check_foreign(const SessionCreateOptions *options)
{
	if (options->token == NULL)
		return;
	if (options->id != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("id and token must not both be given"),
				 errdetail("The id of a session with a foreign token is made "
						   "of the token.")));
	if (options->lifetimes.refreshable)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("refreshable must not be true if token is given"),
				 errdetail("The tokens of a refreshable session are made by "
						   "the extension.")));
}

/*
 * Returns whether the time at which the user authenticated is given, and the
 * time.  Errors for one in the future, which would always be recent.
 */
static bool
arg_authenticated_at(FunctionCallInfo fcinfo, int n, TimestampTz *value)
{
	if (PG_ARGISNULL(n))
		return false;
	*value = PG_GETARG_TIMESTAMPTZ(n);
	if (TIMESTAMP_NOT_FINITE(*value) || *value > GetCurrentTimestamp())
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("authenticated_at must not be infinite or in the future"),
				 errhint("Leave it out if the user authenticates now.")));
	return true;
}

/* Creates a session and returns its tokens. */
Datum
session_create(PG_FUNCTION_ARGS)
{
	static const AccountArgs args = {.data = 1,.sliding = 12};
	SessionCreateOptions options = {0};
	TimestampTz authenticated_at;
	SessionRow	row;
	SessionCredentials given;

	PreventCommandIfReadOnly("session_create()");
	options.user_id = session_arg_name(fcinfo, 0, "user_id", SESSION_NAME_BYTES);
	arg_account(fcinfo, args, &options);
	options.id = PG_ARGISNULL(11) ? NULL : PG_GETARG_UUID_P(11);
	options.token = session_arg_foreign(fcinfo, 14);
	options.bound = session_arg_jkt(fcinfo, 15);
	if (arg_authenticated_at(fcinfo, 16, &authenticated_at))
		options.authenticated_at = &authenticated_at;
	check_foreign(&options);

	session_lifecycle_create(&options, &row, &given);
	return session_return_credentials(fcinfo, true, &row, &given);
}

/* Logs a user in and returns new tokens.  The token may be invalid. */
Datum
session_login(PG_FUNCTION_ARGS)
{
	static const AccountArgs args = {.data = 2,.sliding = 12};
	SessionCreateOptions options = {0};
	SessionToken token;
	bool		has_token;
	SessionRow	row;
	SessionCredentials given;

	PreventCommandIfReadOnly("session_login()");
	session_arg_required(fcinfo, 1, "user_id");
	options.user_id = session_arg_name(fcinfo, 1, "user_id", SESSION_NAME_BYTES);
	arg_account(fcinfo, args, &options);

	session_arg_bound(fcinfo, 14, &options.proven);
	options.bound = session_arg_jkt(fcinfo, 15);
	has_token = session_arg_token(fcinfo, 0, &token);
	if (!has_token)
		session_arg_refused(fcinfo, 0, options.ip);
	session_lifecycle_login(has_token ? &token : NULL, &options, &row, &given);
	session_crypto_wipe(&token, sizeof(token));
	return session_return_credentials(fcinfo, true, &row, &given);
}

/*
 * Returns the address and user agent of a request, in two arguments, and the
 * key that its bound cookie proves, in another.
 */
static SessionBinding
arg_binding(FunctionCallInfo fcinfo, int first, int bound)
{
	SessionBinding binding = {
		.ip = session_arg_inet(fcinfo, first),
		.user_agent = session_arg_user_agent(fcinfo, first + 1)
	};

	session_arg_bound(fcinfo, bound, &binding.proven);
	return binding;
}

/* Returns the session of a token and records the use. */
Datum
session_validate(PG_FUNCTION_ARGS)
{
	SessionToken token;
	SessionBinding binding;
	SessionRow	row;
	SessionStatus status;

	if (!session_arg_token(fcinfo, 0, &token))
	{
		session_arg_refused(fcinfo, 0, session_arg_inet(fcinfo, 1));
		return session_return_none(fcinfo);
	}
	binding = arg_binding(fcinfo, 1, 3);
	session_arg_proof(fcinfo, 4, &binding.proven);
	status = session_lifecycle_validate(&token, &binding, &row);
	session_crypto_wipe(&token, sizeof(token));
	if (status != SESSION_ACTIVE)
		return session_return_none(fcinfo);
	return session_return_info(fcinfo, &row, status);
}

/* Returns the status of the token in the first argument. */
static SessionStatus
status_of(FunctionCallInfo fcinfo, const SessionBinding *binding)
{
	SessionToken token;
	SessionRow	row;
	SessionStatus status;

	if (!session_arg_token(fcinfo, 0, &token))
	{
		session_arg_refused(fcinfo, 0, binding->ip);
		return SESSION_MALFORMED;
	}
	status = session_lifecycle_check(&token, binding, &row);
	session_crypto_wipe(&token, sizeof(token));
	return status;
}

/* Returns the status of a token as text. */
Datum
session_status(PG_FUNCTION_ARGS)
{
	SessionBinding binding = arg_binding(fcinfo, 1, 3);
	SessionStatus status;

	session_arg_proof(fcinfo, 4, &binding.proven);
	status = status_of(fcinfo, &binding);
	PG_RETURN_TEXT_P(cstring_to_text(session_info_status(status)));
}

/* Returns whether a token is active, for a request of unknown origin. */
Datum
session_is_valid(PG_FUNCTION_ARGS)
{
	SessionBinding nowhere = {0};

	session_arg_bound(fcinfo, 1, &nowhere.proven);
	PG_RETURN_BOOL(status_of(fcinfo, &nowhere) == SESSION_ACTIVE);
}

/* Returns whether a token is past its deadline or its idle timeout. */
Datum
session_is_expired(PG_FUNCTION_ARGS)
{
	SessionBinding nowhere = {0};
	SessionStatus status = status_of(fcinfo, &nowhere);

	PG_RETURN_BOOL(status == SESSION_EXPIRED || status == SESSION_IDLE);
}

/* Writes the use of a session into its row at once. */
Datum
session_touch(PG_FUNCTION_ARGS)
{
	SessionToken token;
	SessionPossession proven;
	bool		touched;

	PreventCommandIfReadOnly("session_touch()");
	if (!session_arg_token(fcinfo, 0, &token))
		PG_RETURN_BOOL(false);
	session_arg_bound(fcinfo, 1, &proven);
	touched = session_lifecycle_touch(&token, &proven);
	session_crypto_wipe(&token, sizeof(token));
	PG_RETURN_BOOL(touched);
}

/* Refreshes the session whose token of either kind is the first argument. */
static bool
refresh_session(FunctionCallInfo fcinfo, SessionRow *row, SessionCredentials *given)
{
	SessionBinding binding = arg_binding(fcinfo, 1, 3);
	SessionRefreshToken token;
	bool		refreshed;

	session_arg_proof(fcinfo, 4, &binding.proven);
	if (session_arg_given(fcinfo, 0, given))
		return session_lifecycle_extend(&given->token, &binding, row);
	/* With a refresh token, a client asks as for its first tokens. */
	if (binding.proven.dpop != NULL)
		binding.proven.dpop->may_lack_hash = true;
	if (!session_arg_refresh(fcinfo, 0, &token))
	{
		session_arg_refused(fcinfo, 0, binding.ip);
		return false;
	}
	refreshed = session_lifecycle_rotate(&token, &binding, row, given);
	session_crypto_wipe(&token, sizeof(token));
	return refreshed;
}

/* Extends a session, or rotates the tokens of a refreshable one. */
Datum
session_refresh(PG_FUNCTION_ARGS)
{
	SessionCredentials given;
	SessionRow	row;
	bool		gave;

	PreventCommandIfReadOnly("session_refresh()");
	gave = refresh_session(fcinfo, &row, &given);
	return session_return_credentials(fcinfo, gave, &row, &given);
}

/* Changes whom a session is of, and gives it new tokens. */
Datum
session_regenerate(PG_FUNCTION_ARGS)
{
	SessionChange change = {0};
	SessionToken token;
	SessionCredentials given;
	SessionRow	row;
	bool		gave;

	PreventCommandIfReadOnly("session_regenerate()");
	change.user_id = session_arg_name(fcinfo, 1, "user_id", SESSION_NAME_BYTES);
	change.role = session_arg_name(fcinfo, 2, "role", NAMEDATALEN - 1);
	change.auth_level = session_arg_count(fcinfo, 3, "auth_level", -1);
	change.tenant_id = session_arg_name(fcinfo, 4, "tenant_id",
										SESSION_NAME_BYTES);
	change.lifetime = session_arg_interval(fcinfo, 5, "lifetime", 1, 0);
	change.binding = arg_binding(fcinfo, 6, 9);
	change.amr = session_arg_amr(fcinfo, 8);
	if (!session_arg_token(fcinfo, 0, &token))
		return session_return_none(fcinfo);
	gave = session_lifecycle_regenerate(&token, &change, &row, &given);
	session_crypto_wipe(&token, sizeof(token));
	return session_return_credentials(fcinfo, gave, &row, &given);
}

/* Derives a session from that of a token, and returns its token. */
Datum
session_derive(PG_FUNCTION_ARGS)
{
	SessionDeriveOptions options;
	SessionPossession proven;
	SessionToken token;
	SessionRow	row;
	SessionCredentials given;
	bool		gave;

	PreventCommandIfReadOnly("session_derive()");
	options.scopes = session_arg_scopes(fcinfo, 1);
	options.lifetime = session_arg_interval(fcinfo, 2, "lifetime", 1, 0);
	options.data = arg_data(fcinfo, 3);
	session_arg_bound(fcinfo, 4, &proven);
	session_arg_proof(fcinfo, 5, &proven);
	if (!session_arg_token(fcinfo, 0, &token))
		return session_return_none(fcinfo);
	gave = session_derive_make(&token, &proven, &options, &row, &given);
	session_crypto_wipe(&token, sizeof(token));
	return session_return_credentials(fcinfo, gave, &row, &given);
}

/* Revokes the session whose token of either kind is the argument. */
Datum
session_revoke(PG_FUNCTION_ARGS)
{
	SessionToken token;
	SessionRefreshToken refresh_token;
	bool		revoked = false;

	PreventCommandIfReadOnly("session_revoke()");
	if (session_arg_token(fcinfo, 0, &token))
	{
		revoked = session_lifecycle_revoke(&token);
		session_crypto_wipe(&token, sizeof(token));
	}
	else if (session_arg_refresh(fcinfo, 0, &refresh_token))
	{
		revoked = session_lifecycle_revoke_refresh(&refresh_token);
		session_crypto_wipe(&refresh_token, sizeof(refresh_token));
	}
	PG_RETURN_BOOL(revoked);
}
