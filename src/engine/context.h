/*
 * context.h
 *	  The session that belongs to the running transaction.
 */
#ifndef SESSION_CONTEXT_H
#define SESSION_CONTEXT_H

#include "utils/uuid.h"

/* The transaction has just proved, or made, this session. */
extern void session_context_note(const pg_uuid_t *id);

/* Is it the one this transaction noted last? */
extern bool session_context_is_current(const pg_uuid_t *id);

#endif							/* SESSION_CONTEXT_H */
