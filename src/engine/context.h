/*
 * context.h
 *	  The session that belongs to the running transaction.
 */
#ifndef SESSION_CONTEXT_H
#define SESSION_CONTEXT_H

#include "datatype/timestamp.h"
#include "utils/uuid.h"

/*
 * Who is behind a transaction, as it was proven.  Texts are NULL where there
 * is nothing to say.
 */
typedef struct SessionIdentity
{
	bool		has_row;		/* a row of session.sessions stands behind it */
	bool		has_id;			/* always, if has_row */
	pg_uuid_t	id;
	int32		auth_level;
	TimestampTz authenticated_at;	/* SESSION_NO_TIME = not known */
	TimestampTz expires_at;		/* without a row: when it stops being good */
	text	   *user_id;
	text	   *tenant_id;
	text	   *role;
	text	   *claims;			/* a JSON object, in the server's encoding */
	text	   *proof;			/* what it is proven again by; no secret */
} SessionIdentity;

/* Binds an identity to the running transaction, or none if it is NULL. */
extern void session_context_bind(const SessionIdentity *identity);

/* The identity that is bound, until it changes; NULL = none. */
extern const SessionIdentity *session_context_identity(void);

/* Another number whenever another identity, or none, is bound. */
extern uint64 session_context_generation(void);

/*
 * The transaction has just proved, or made, this session.  Counts only for
 * what a list calls "current", and only where no identity is bound.
 */
extern void session_context_note(const pg_uuid_t *id);

/* Is it the one that is bound, or else was noted last? */
extern bool session_context_is_current(const pg_uuid_t *id);

/* The setting that keeps a bound identity. */
#define SESSION_CONTEXT_SETTING "session.context"

/* Defines it; called once, from _PG_init. */
extern void session_context_init(void);

#endif							/* SESSION_CONTEXT_H */
