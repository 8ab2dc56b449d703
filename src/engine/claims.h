/*
 * claims.h
 *	  JSON objects that become, or were, the payload of a cookie.
 */
#ifndef SESSION_ENGINE_CLAIMS_H
#define SESSION_ENGINE_CLAIMS_H

#include "utils/jsonb.h"

#include "engine/row.h"

/* Adds a member, or replaces the one of that name. */
extern Jsonb *session_claims_with_text(Jsonb *claims, const char *name,
									   const text *value);
extern Jsonb *session_claims_with_int(Jsonb *claims, const char *name,
									  int64 value);
extern Jsonb *session_claims_without(Jsonb *claims, const char *name);

/* The members of both; those of the second count where both have one. */
extern Jsonb *session_claims_merged(Jsonb *first, Jsonb *second);

extern Jsonb *session_claims_empty(void);

/* The text, without the blanks between its tokens; *len without terminator. */
extern char *session_claims_text(Jsonb *claims, size_t *len);

/* Never errors: NULL when the text is not JSON that jsonb can hold. */
extern Jsonb *session_claims_parse(const char *json, size_t len);

/*
 * What "session.claims_function" adds for a session, called with the caller's
 * own rights; an empty object when it is not set.  Its errors are the
 * caller's to see.
 */
extern Jsonb *session_claims_added(const SessionRow *row);

#endif							/* SESSION_ENGINE_CLAIMS_H */
