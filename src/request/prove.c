/*
 * prove.c
 *	  Proves the identity behind a web request, by "session.strategy".
 *
 *	database		the row of the token decides
 *	cookie_cache	a snapshot beside the token decides, else the row
 *	stateless		the cookie is the session
 *
 * Rules:
 * - A credential that cannot be proven is invalid, and raises no error.
 * - A snapshot counts only beside the token it was made for, and never on a
 *	 sensitive path.  It does not count either while its session is bound to an
 *	 address or a user agent, or "session.risk_function" is set, because it
 *	 does not contain them.
 * - A snapshot of a session that is bound to a key counts only if the request
 *	 proves that key, in its bound cookie.  Otherwise the row decides, which
 *	 leaves evidence of the request.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/timestamp.h"

#include "audit/evidence.h"
#include "compat.h"
#include "cookie/cookie.h"
#include "cookie/proof.h"
#include "cookie/snapshot.h"
#include "crypto/crypto.h"
#include "engine/activity.h"
#include "engine/claims.h"
#include "engine/lifecycle.h"
#include "request/csrf.h"
#include "request/identity.h"
#include "request/prove.h"
#include "request/request.h"
#include "settings.h"
#include "wire/path.h"

/*
 * Gives the client a snapshot of the session whose row was just read.  If none
 * can be made, the row decides the next request as well.
 */
static void
send_snapshot(const SessionRow *row, const SessionSnapshotTime *time,
			  Jsonb *added)
{
	text	   *value = session_snapshot_try_mint(row, time, added);

	if (value != NULL)
		session_request_send_snapshot(value, session_policy_deadline(row));
}

/*
 * Returns whether the client of a session has to use DPoP.  If not, the scheme
 * of its credential is wrong (RFC 9449 section 7.1).
 */
static bool
is_of_dpop(const SessionRow *row)
{
	return row->bound.by == SESSION_BOUND_DPOP;
}

/* Validates the token by its row, and sends a snapshot if one is wanted. */
static SessionProveVerdict
prove_by_row(const SessionRequest *request, const SessionToken *token,
			 SessionIdentity *identity, bool want_snapshot)
{
	SessionBinding binding = session_request_binding(request);
	SessionSnapshotTime time = {0};
	SessionRow	row;
	Jsonb	   *added;
	SessionStatus status;

	if (want_snapshot)
		time = session_snapshot_time();
	status = session_lifecycle_validate(token, &binding, &row);
	if (status == SESSION_BINDING && !XactReadOnly &&
		session_settings.on_mismatch == SESSION_MISMATCH_REVOKE)
		return SESSION_PROVE_ENDED;
	if (status == SESSION_UNBOUND && session_request_renews(request))
		return SESSION_PROVE_RENEWING;
	if (status == SESSION_UNBOUND && request->proof != NULL &&
		request->proof->lacks_nonce)
		return SESSION_PROVE_NO_NONCE;
	if (status != SESSION_ACTIVE || (request->is_dpop && !is_of_dpop(&row)))
		return SESSION_PROVE_INVALID;
	added = session_claims_added(&row);
	session_identity_of_row(identity, &row);
	session_identity_complete(identity, added);
	if (want_snapshot &&
		!session_policy_needs_row(&row.rules, &session_settings))
		send_snapshot(&row, &time, added);
	return SESSION_PROVE_PROVEN;
}

/* Returns whether the row must decide because of the request's path. */
static bool
is_sensitive(void)
{
	char	   *path;

	if (session_settings.sensitive_paths[0] == '\0')
		return false;
	/* Without a path, the request may go to a sensitive one. */
	path = session_request_path();
	return path == NULL || session_path_listed(session_settings.sensitive_paths,
											   path, strlen(path));
}

/* Reads the snapshot beside a token; returns false unless it is for that. */
static bool
read_snapshot(const SessionRequest *request, const SessionToken *token,
			  SessionSnapshot *snapshot)
{
	text	   *value = session_request_cookie(request,
											   session_request_snapshot_name());

	return value != NULL &&
		session_snapshot_read(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value),
							  snapshot) &&
		session_identity_is_of_token(&snapshot->identity, token);
}

/* Returns whether the request may use the session of a snapshot. */
static bool
proves_key_of(const SessionRequest *request, const SessionSnapshot *snapshot)
{
	const SessionIdentity *identity = &snapshot->identity;
	SessionPossession proven = {0};

	if (identity->bound.by != SESSION_BOUND_NOT)
		session_request_possession(request, &proven);
	return session_policy_proves_key(&identity->bound, &identity->id, &proven);
}

/* Proves the identity by the snapshot beside the token, or else by the row. */
static SessionProveVerdict
prove_by_snapshot(const SessionRequest *request, const SessionToken *token,
				  SessionIdentity *identity)
{
	SessionSnapshot snapshot;
	bool		fresh = read_snapshot(request, token, &snapshot) &&
	!snapshot.should_refresh;

	if (!fresh || snapshot.must_check_row || is_sensitive() ||
		session_snapshot_needs_row(&snapshot) ||
		!proves_key_of(request, &snapshot) ||
		!session_activity_again(&snapshot.identity.id, snapshot.made_before,
								GetCurrentTimestamp()))
		return prove_by_row(request, token, identity, !fresh);
	*identity = snapshot.identity;
	session_identity_complete(identity, session_snapshot_added(&snapshot));
	return SESSION_PROVE_PROVEN;
}

/*
 * Returns whether a request may use a cookie that is a session by itself, and
 * may name a key.  If not, leaves evidence.
 */
static bool
proves_key_of_cookie(const SessionRequest *request,
					 const SessionIdentity *identity)
{
	SessionBinding binding;
	SessionBound bound = identity->bound;
	SessionRow	row = {.id = identity->id};

	if (bound.by == SESSION_BOUND_NOT)
		return true;
	binding = session_request_binding(request);
	/* The cookie names the key, and not the way to prove it. */
	if (binding.proven.bound.by != SESSION_BOUND_NOT)
		bound.by = binding.proven.bound.by;
	if (session_policy_proves_key(&bound, &identity->id, &binding.proven))
		return true;
	session_evidence_unbound(&row, &binding);
	return false;
}

/*
 * Proves the identity by a cookie that is a session by itself: one that was
 * made here, or one of a foreign system, whose purpose is the cookie's name.
 */
static SessionProveVerdict
prove_by_cookie(const SessionRequest *request, SessionIdentity *identity)
{
	const char *value = VARDATA_ANY(request->credential);
	size_t		len = VARSIZE_ANY_EXHDR(request->credential);
	bool		has_identity = false;
	SessionStatus status;

	status = session_cookie_identify(value, len, "session", false, identity,
									 &has_identity);
	if (status != SESSION_ACTIVE)
	{
		SessionStatus foreign = session_cookie_identify(value, len,
														session_settings.cookie_name,
														true, identity,
														&has_identity);

		status = Max(status, foreign);
	}
	if (status == SESSION_ACTIVE && has_identity &&
		!proves_key_of_cookie(request, identity))
		status = SESSION_UNBOUND;
	session_proof_count(status, session_request_client_ip(request));
	if (status == SESSION_UNBOUND && session_request_renews(request))
		return SESSION_PROVE_RENEWING;
	if (status != SESSION_ACTIVE || !has_identity)
		return SESSION_PROVE_INVALID;
	return SESSION_PROVE_PROVEN;
}

/* Proves the identity by the credential of a request that has one. */
static SessionProveVerdict
prove_credential(const SessionRequest *request, SessionIdentity *identity)
{
	SessionToken token;
	SessionProveVerdict verdict;

	if (session_settings.strategy == SESSION_STRATEGY_STATELESS)
		return request->is_dpop ? SESSION_PROVE_INVALID :
			prove_by_cookie(request, identity);
	if (!session_request_token(request, &token))
	{
		session_proof_count(SESSION_MALFORMED,
							session_request_client_ip(request));
		return SESSION_PROVE_INVALID;
	}
	if (session_settings.strategy == SESSION_STRATEGY_COOKIE_CACHE &&
		!request->from_header)
		verdict = prove_by_snapshot(request, &token, identity);
	else
		verdict = prove_by_row(request, &token, identity, false);
	session_crypto_wipe(&token, sizeof(token));
	return verdict;
}

/* Proves the identity behind the running request. */
SessionProveVerdict
session_prove_request(SessionIdentity *identity)
{
	SessionRequest request = {0};
	SessionProveVerdict verdict;

	session_request_read(&request);
	if (session_csrf_is_foreign(&request))
		return SESSION_PROVE_FOREIGN;
	session_request_send_nonce(&request);
	if (request.credential == NULL)
		return SESSION_PROVE_ANONYMOUS;
	verdict = prove_credential(&request, identity);
	if (verdict == SESSION_PROVE_PROVEN &&
		!session_csrf_has_token(&request, identity))
		return SESSION_PROVE_NO_CSRF;
	return verdict;
}
