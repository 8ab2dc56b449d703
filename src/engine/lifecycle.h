/*
 * lifecycle.h
 *	  What can happen to a session, from its creation to its end.
 *
 * A token that does not open a live session is data, not an error: the
 * functions that take a token return a status or false for it.
 *
 * The token alone is no use for a session that is bound to a key: the request
 * has to prove the key too, for everything but the end of the session.  A
 * request that does not is recorded as evidence.
 */
#ifndef SESSION_LIFECYCLE_H
#define SESSION_LIFECYCLE_H

#include "nodes/pg_list.h"
#include "utils/jsonb.h"

#include "engine/secret.h"
#include "model/policy.h"
#include "model/row.h"
#include "table/store.h"
#include "wire/token.h"

/* What an application asks for; a NULL pointer is SQL NULL. */
typedef struct SessionCreateOptions
{
	const pg_uuid_t *id;		/* NULL = make a new one */
	const text *token;			/* a foreign one; NULL = make a new one */
	text	   *user_id;
	text	   *tenant_id;
	text	   *role;
	int32		auth_level;
	text	   *amr;			/* words, see amr.h */
	const TimestampTz *authenticated_at;	/* NULL = now */
	Jsonb	   *data;
	inet	   *ip;
	text	   *user_agent;
	SessionLifetimes lifetimes;
	int			max_sessions;	/* 0 = no limit, -1 = "session.max_sessions" */
	SessionPossession proven;	/* the key of the session of a login's token */
	const SessionBound *bound;	/* the key to bind it to; NULL = none */
} SessionCreateOptions;

/* What session_lifecycle_regenerate changes; NULL, 0 or -1 = no change. */
typedef struct SessionChange
{
	text	   *user_id;
	text	   *tenant_id;
	text	   *role;
	int32		auth_level;		/* -1 = no change */
	text	   *amr;			/* words, see amr.h; empty = none */
	int64		lifetime;		/* microseconds */
	SessionBinding binding;
} SessionChange;

/*
 * Creates a session and returns its tokens.  If the user has too many
 * sessions, evicts the oldest or raises an error, as "session.on_limit" says.
 * With a user it is a login, which "session.risk_function" judges.
 */
extern void session_lifecycle_create(const SessionCreateOptions *options,
									 SessionRow *row,
									 SessionCredentials *given);

/* Makes the id of a session that is created now. */
extern void session_lifecycle_make_id(pg_uuid_t *id, TimestampTz now);

/*
 * Logs a user in and returns new tokens.  The token may be invalid or NULL.
 * If the session of the token is active, and is anonymous or of this user, the
 * login goes on with it: id, created_at and data stay, and the data of the
 * options is merged into the data.  Otherwise the login creates a session, and
 * ends the session of the token, if that is alive, with the reason "login":
 * also one that was made of another session.
 * Everything else about the resulting session is as the options say, also the
 * key that it is bound to.
 *
 * Limits apply as in session_lifecycle_create; a session of the user that is
 * kept does not count twice.  The id of the options is not used.
 */
extern void session_lifecycle_login(const SessionToken *token,
									const SessionCreateOptions *options,
									SessionRow *row,
									SessionCredentials *given);

/*
 * Readers
 *
 * All of them see the newest committed version of the row, with the last use
 * taken from shared memory.  What each does besides:
 *
 *	function	takes			locks	checks	records	loads	returns
 *								row		binding	use		data
 *	check		session token	no		yes (5)	no		yes		status
 *	validate	session token	no (1)	yes (5)	yes (2)	yes		status
 *	use			session token	no		key (6)	yes (2)	yes		is it active
 *	hold		session token	yes		key (6)	no		yes		is it active
 *	reread		session token	yes (3)	key (6)	yes (4)	yes		is it active
 *	peek		public id		no		no		no		no		is it active
 *	lives		public id		no		no		no		no		is it alive
 *
 * "Active" means that the session token is good, "alive" that the session can
 * still be used or refreshed.
 *
 * (1) After a binding mismatch that ends the session, the row is locked.
 * (2) Not in the transaction that hands out the session's new tokens after a
 *	   refresh, because the client does not have them yet.
 * (3) In a read-only transaction the row is read again instead.
 * (4) Not of a row that the transaction has not committed yet, unless `leaves`
 *	   is true.
 * (5) And asks "session.risk_function" about another address.  If that says
 *	   "step_up", the level in the row is lowered, but not stored.
 * (6) Only whether the request proves the key that the session is bound to.
 */

/*
 * Returns the status of a session token and changes nothing.  Fills the row
 * unless the status is SESSION_MALFORMED or SESSION_UNKNOWN.
 */
extern SessionStatus session_lifecycle_check(const SessionToken *token,
											 const SessionBinding *binding,
											 SessionRow *row);

/*
 * Like session_lifecycle_check, and records the use.  A binding mismatch is
 * recorded as evidence, and ends the session if "session.on_mismatch" says so
 * and the transaction may write.  A risk is recorded as evidence.
 */
extern SessionStatus session_lifecycle_validate(const SessionToken *token,
												const SessionBinding *binding,
												SessionRow *row);

/*
 * Reads an active session for a snapshot or JWT that is made from its row.
 * The lock waits for a revocation under way, so no credential is made from a
 * session that is about to end.  Making the credential is a use of the
 * session, because the credential is good without the row.
 *
 * `leaves` says that this server will not validate the credential, as with a
 * JWT.  Then making it is recorded even if the row is not committed.  A
 * snapshot of an uncommitted row is not recorded: its first use asks the row.
 *
 * A credential that is made for a request whose level was lowered does not
 * have the level of the row.
 */
extern bool session_lifecycle_reread(const SessionToken *token,
									 const SessionPossession *proven,
									 bool leaves, SessionRow *row);

/*
 * Returns whether a session can still be used or refreshed.  Takes the public
 * id, without proof.  On a standby, a missing row may not have been replayed
 * yet, so the result is true.
 */
extern bool session_lifecycle_lives(const pg_uuid_t *id);

/* Reads an active session by its public id, without proof. */
extern bool session_lifecycle_peek(const pg_uuid_t *id, SessionRow *row);

/* Reads an active session by its token and records the use. */
extern bool session_lifecycle_use(const SessionToken *token,
								  const SessionPossession *proven,
								  SessionRow *row);

/* Locks the row of an active session until the transaction ends. */
extern bool session_lifecycle_hold(const SessionToken *token,
								   const SessionPossession *proven,
								   SessionRow *row);

/*
 * Changes.  All of them lock the row and return whether they have changed it.
 */

/* Writes the use of an active session into its row at once. */
extern bool session_lifecycle_touch(const SessionToken *token,
									const SessionPossession *proven);

/*
 * Restarts the lifetime of an active session, by its session token.  Returns
 * false for a refreshable session, which is extended by its refresh token
 * alone, and for one that was made of another session.  Handles a binding
 * mismatch and a risk like session_lifecycle_validate.
 */
extern bool session_lifecycle_extend(const SessionToken *token,
									 const SessionBinding *binding,
									 SessionRow *row);

/*
 * Returns the next pair of tokens for a refresh token, or the last pair again,
 * as session_policy_rotation decides.  Reuse ends the session, with any
 * binding.  Any other request with a binding mismatch, or a risk, is handled
 * like in session_lifecycle_validate.  Returns false then; an error would
 * undo the end of the session.
 */
extern bool session_lifecycle_rotate(const SessionRefreshToken *token,
									 const SessionBinding *binding,
									 SessionRow *row,
									 SessionCredentials *given);

/*
 * Errors with 55000 if so little of an address is stored that it cannot be
 * compared later, as the binding of a session requires.
 */
extern void session_lifecycle_check_ip_stored(SessionBindIp how);

/*
 * Applies a change to an active session and gives it new tokens.  Errors with
 * 22023 if the session already has another user, or was made of another
 * session and would change in anything but its tokens.  If the change has an
 * address or a user agent, a binding mismatch and a risk are handled as in
 * session_lifecycle_validate.  A level that the risk lowers is stored, because
 * the address of the change becomes that of the session; the change can raise
 * the level again.  A change that gives the session its user is a login, which
 * "session.risk_function" judges as one.
 *
 * A session that is bound to the key of a browser is bound to none after a
 * change that says that its user authenticated: a login, a level that is not
 * lower, or methods.  After any other change it stays bound to that key, and
 * one that is bound with DPoP always does.
 */
extern bool session_lifecycle_regenerate(const SessionToken *token,
										 const SessionChange *change,
										 SessionRow *row,
										 SessionCredentials *given);

/* Revokes the session of a session token or of a refresh token: logout. */
extern bool session_lifecycle_revoke(const SessionToken *token);
extern bool session_lifecycle_revoke_refresh(const SessionRefreshToken *token);

/* Revokes a session by its public id. */
extern bool session_lifecycle_revoke_id(const pg_uuid_t *id, text *reason);

/* Sorts a list of SessionRow by creation, newest first. */
extern void session_lifecycle_sort(List *rows);

#endif							/* SESSION_LIFECYCLE_H */
