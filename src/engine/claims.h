/*
 * claims.h
 *	  JSON objects that become, or were, the payload of a cookie.
 */
#ifndef SESSION_ENGINE_CLAIMS_H
#define SESSION_ENGINE_CLAIMS_H

#include "utils/jsonb.h"

#include "model/row.h"

/* Adds a member, or replaces the one of that name. */
extern Jsonb *session_claims_with_text(Jsonb *claims, const char *name,
									   const text *value);
extern Jsonb *session_claims_with_int(Jsonb *claims, const char *name,
									  int64 value);
extern Jsonb *session_claims_without(Jsonb *claims, const char *name);

/*
 * Takes away the claims that only this extension sets, from what the claims
 * function returned and from a snapshot.
 */
extern Jsonb *session_claims_without_reserved(Jsonb *claims);

/*
 * A member as text, as ->> has it: the characters of a string, the JSON of
 * anything else; NULL for none and for a JSON null.
 */
extern text *session_claims_member(const Jsonb *claims, const char *name,
								   size_t len);

/* The members of both; those of the second count where both have one. */
extern Jsonb *session_claims_merged(Jsonb *first, Jsonb *second);

extern Jsonb *session_claims_empty(void);

/* The text, without the blanks between its tokens; *len without terminator. */
extern char *session_claims_text(Jsonb *claims, size_t *len);

/*
 * Within PG_CATCH: drops an error of a value that was read or written as JSON,
 * and throws one of the server's again.
 */
extern void session_claims_forgive(MemoryContext caller);

/* Never errors: NULL when the text is not JSON that jsonb can hold. */
extern Jsonb *session_claims_parse(const char *json, size_t len);

/* The same for text that is in the server's encoding. */
extern Jsonb *session_claims_parse_local(const char *json);

/*
 * What "session.claims_function" adds for a session, called with the caller's
 * own rights and a search path of the server's own; an empty object when it is
 * not set.  Its errors are the caller's to see.
 */
extern Jsonb *session_claims_added(const SessionRow *row);

#endif							/* SESSION_ENGINE_CLAIMS_H */
