/*
 * derive.h
 *	  Making sessions of other sessions.
 */
#ifndef SESSION_DERIVE_H
#define SESSION_DERIVE_H

#include "utils/jsonb.h"

#include "engine/secret.h"
#include "model/policy.h"
#include "model/row.h"
#include "wire/token.h"

/* What an application asks for in a derived session. */
typedef struct SessionDeriveOptions
{
	text	   *scopes;			/* words, see scope.h; NULL = as its parent */
	int64		lifetime;		/* microseconds; 0 = that of the settings */
	Jsonb	   *data;
} SessionDeriveOptions;

/*
 * Locks the active session of a token, of which another will be made, and
 * those that it was made of.  Making it is a use of that session.  Returns
 * false unless that is active, and the request has proven its key: what is
 * made of it is bound to none, so "session.dbsc_grace" does not count.
 */
extern bool session_derive_hold(const SessionToken *token,
								const SessionPossession *proven,
								SessionRow *parent);

/*
 * Derives a session from the active session of a token: of the same user, with
 * the same or fewer scopes, at most as long a life and the same level.
 * Returns false where session_derive_hold does.
 *
 * Errors with 22023 if the session has no user, 42501 if it may not derive or
 * does not cover the scopes, 53400 at the limit "session.max_derived", 54000
 * if it was itself derived too many times.
 */
extern bool session_derive_make(const SessionToken *token,
								const SessionPossession *proven,
								const SessionDeriveOptions *options,
								SessionRow *row, SessionCredentials *given);

/*
 * Adds a session that is made of another, its parent, which is active and
 * whose row is locked.  The caller has set the user, tenant, role, level,
 * methods, actor and scopes in the row, and zeros in the rest; this sets the
 * rest, and returns the token.  The lifetime is as in session_policy_derive.
 */
extern void session_derive_add(SessionRow *row, const SessionRow *parent,
							   Jsonb *data, int64 lifetime,
							   SessionCredentials *given);

#endif							/* SESSION_DERIVE_H */
