/*
 * lifecycle.h
 *	  What can happen to a session, from its creation to its end.
 *
 * A token that is not good for a live session is data, not an error: the
 * functions that take one say so in their result.
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

/* What an application asks for; pointers may be NULL = SQL NULL. */
typedef struct SessionCreateOptions
{
	const pg_uuid_t *id;		/* NULL = make one */
	text	   *user_id;
	text	   *tenant_id;
	text	   *role;
	int32		auth_level;
	Jsonb	   *data;
	inet	   *ip;
	text	   *user_agent;
	SessionLifetimes lifetimes;
	int			max_sessions;	/* 0 = no limit, -1 = as set */
} SessionCreateOptions;

/* Changes to a session that is given a new secret; NULL or -1 = none. */
typedef struct SessionChange
{
	text	   *user_id;
	text	   *role;
	int32		auth_level;
} SessionChange;

/* Makes a session, ending older ones or failing if the user has too many. */
extern void session_lifecycle_create(const SessionCreateOptions *options,
									 SessionRow *row,
									 SessionCredentials *given);

/*
 * Says what the token is worth right now and changes nothing.  The row is
 * filled unless the answer is SESSION_MALFORMED or SESSION_UNKNOWN.
 */
extern SessionStatus session_lifecycle_check(const SessionToken *token,
											 const SessionBinding *binding,
											 SessionRow *row);

/* Checks, records the activity, and ends the session if that is due. */
extern SessionStatus session_lifecycle_validate(const SessionToken *token,
												const SessionBinding *binding,
												SessionRow *row);

/*
 * Reads a live session at a moment at which no revocation of it is under way:
 * the row is held for that, or where nothing may be written, read again.  Is
 * a use of the session, because what is minted from the row is good by itself;
 * what leaves, and is never validated here, is one even in the transaction that
 * hands out the tokens.
 */
extern bool session_lifecycle_reread(const SessionToken *token, bool leaves,
									 SessionRow *row);

/*
 * Returns whether a session can still be used or refreshed, with whatever
 * token.  Reads the row by its public id, without any proof.  On a standby, a
 * row that is not there may be on its way, so the session may live.
 */
extern bool session_lifecycle_lives(const pg_uuid_t *id);

/* Reads a live session by its public id, without any proof or its data. */
extern bool session_lifecycle_peek(const pg_uuid_t *id, SessionRow *row);

/*
 * Uses a live session without saying where from: the binding is not looked
 * at, the activity is recorded.
 */
extern bool session_lifecycle_use(const SessionToken *token, SessionRow *row);

/*
 * Holds the row of a live session until the transaction ends; false when the
 * token is not good for one.  The binding is not looked at.
 */
extern bool session_lifecycle_hold(const SessionToken *token,
								   SessionRow *row);

extern bool session_lifecycle_touch(const SessionToken *token);

/*
 * Starts the lifetime of a session again.  False for a refreshable session
 * too: it has a token for that.  A request from elsewhere is handled as by
 * session_lifecycle_validate.
 */
extern bool session_lifecycle_extend(const SessionToken *token,
									 const SessionBinding *binding,
									 SessionRow *row);

/*
 * Gives the next pair of tokens for a refresh token, or the last pair again, as
 * session_policy_rotation decides.  Reuse ends the session, whichever address
 * it comes from; any other request from elsewhere is handled as by
 * session_lifecycle_validate.  Returns false in both cases, and never raises an
 * error, which would undo the end.
 */
extern bool session_lifecycle_rotate(const SessionRefreshToken *token,
									 const SessionBinding *binding,
									 SessionRow *row,
									 SessionCredentials *given);

extern bool session_lifecycle_regenerate(const SessionToken *token,
										 const SessionChange *change,
										 SessionRow *row,
										 SessionCredentials *given);

extern bool session_lifecycle_revoke(const SessionToken *token);
extern bool session_lifecycle_revoke_refresh(const SessionRefreshToken *token);

/* Ends a session by its public id; false unless that ended it. */
extern bool session_lifecycle_revoke_id(const pg_uuid_t *id, text *reason);

/*
 * Ends the live ones among sessions, which it sorts, but not except (may be
 * NULL); how many?
 */
extern int64 session_lifecycle_revoke_all(SessionIds *ids, const char *reason,
										  const pg_uuid_t *except);

/* Sorts rows by creation, newest first. */
extern void session_lifecycle_sort(List *rows);

#endif							/* SESSION_LIFECYCLE_H */
