/*
 * context.h
 *	  The session that belongs to the running transaction.
 */
#ifndef SESSION_CONTEXT_H
#define SESSION_CONTEXT_H

#include "engine/carry.h"
#include "model/identity.h"

/* Binds an identity to the running transaction; NULL removes it. */
extern void session_context_bind(const SessionIdentity *identity);

/*
 * Returns the bound identity, which stays in memory until another is bound;
 * NULL when none is.  Errors with 55000 if another server has sent it too long
 * ago.  The second function returns that one, too.  Both return NULL for one
 * that another server has sent to an earlier transaction.
 */
extern const SessionIdentity *session_context_identity(void);
extern const SessionIdentity *session_context_bound(void);

/*
 * Returns the bound identity as text that another server can bind, and until
 * when that server may use it: DT_NOEND = without limit.
 */
extern char *session_context_text_elsewhere(void);
extern TimestampTz session_context_end_elsewhere(void);

/*
 * Between the two calls, a statement that sets the setting has no effect here.
 */
extern void session_context_pass_on(bool begin);

/* Sets whether values of other servers are accepted. */
extern void session_context_accept(SessionAccept accept);

/*
 * Sets when to prove the bound identity again.  A rollback to a savepoint that
 * brings back an earlier identity also brings back when to prove that.
 */
extern void session_context_keep(const SessionEndStamp *stamp,
								 TimestampTz check_at);

/* Returns the bound identity as text; an empty string when none is. */
extern const char *session_context_value(void);

/*
 * Binds the identity of such a text until session_context_take_back is called
 * with what this returned, or the running (sub)transaction is rolled back.
 */
extern int	session_context_lend(const char *value);
extern void session_context_take_back(int lent);

/*
 * Returns a number that changes whenever an identity is bound or removed.  It
 * is never 0.
 */
extern uint64 session_context_generation(void);

/*
 * Records that the transaction has proven or created this session without
 * binding it.  Used only by session_context_is_current.
 */
extern void session_context_set_proven(const pg_uuid_t *id);

/*
 * Returns whether a list of sessions shows this one as current: it is the
 * bound one or, where none is bound, the one proven last in the transaction.
 */
extern bool session_context_is_current(const pg_uuid_t *id);

/* The setting that keeps a bound identity. */
#define SESSION_CONTEXT_SETTING "session.context"

/* Defines that setting; called once, from _PG_init. */
extern void session_context_init(void);

#endif							/* SESSION_CONTEXT_H */
