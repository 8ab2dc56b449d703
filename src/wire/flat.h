/*
 * flat.h
 *	  Reads flat JSON objects, in a tenth of the time that PostgreSQL's lexer
 *	  takes.
 *
 * The values of a flat object are strings without \u and integers of at most
 * 18 digits.  Gateways describe most requests by flat objects, and most
 * payloads of cookies are flat.  For a text that is not a flat object, the
 * caller uses claims.h or jsonb, which also find out whether it is JSON.
 */
#ifndef SESSION_FLAT_H
#define SESSION_FLAT_H

#include "wire/member.h"

/*
 * Reads the members of a flat object that is the whole text, in the order of
 * the text; a name may occur more than once.  Returns false, with a count of
 * 0, when the text is not a flat object or has more than "max" members.
 *
 * "strings" has room for as many bytes as the text, and holds the strings of
 * the members.  Bytes above 127 are copied: the text must be valid in an
 * encoding in which they are never part of an ASCII character, as in every
 * encoding of a database.
 */
extern pg_nodiscard bool session_flat_read(SessionMember *members, int *count,
										   int max, char *strings,
										   const char *json, size_t len);

#endif							/* SESSION_FLAT_H */
