/*
 * acting.h
 *	  Sessions in which an administrator acts as a user.
 */
#ifndef SESSION_ACTING_H
#define SESSION_ACTING_H

#include "engine/secret.h"
#include "model/policy.h"
#include "model/row.h"
#include "wire/token.h"

/* What an application asks for; a NULL pointer is SQL NULL. */
typedef struct SessionActingOptions
{
	text	   *user_id;		/* as whom to act */
	text	   *reason;
	text	   *tenant_id;
	text	   *role;
	int64		lifetime;		/* microseconds */
	SessionBinding binding;		/* the request of the administrator */
} SessionActingOptions;

/*
 * Makes a session in which the user of a token acts as another user.  Returns
 * false unless the token is active for this request, and the function of
 * "session.act_as_function" allows it.  A refusal of that function is
 * evidence.
 *
 * Errors with 42501 if there is no such function, or if the session of the
 * token was itself made of another, and with 22023 if it has no user, or if
 * that is already the user to act as.
 */
extern bool session_acting_begin(const SessionToken *token,
								 const SessionActingOptions *options,
								 SessionRow *row, SessionCredentials *given);

#endif							/* SESSION_ACTING_H */
