/*
 * claims.h
 *	  The members of a JSON object: a proven payload, or an unproven header.
 */
#ifndef SESSION_CLAIMS_H
#define SESSION_CLAIMS_H

#include "wire/member.h"

/* Most top-level members an object may have. */
#define SESSION_MEMBERS 256

/* Deepest nesting, the object itself being the first level. */
#define SESSION_JSON_DEPTH 64

/* Longest number, in characters, and digits of its exponent. */
#define SESSION_NUMBER_CHARS 1000
#define SESSION_EXPONENT_DIGITS 3

/*
 * Reads the top-level members of a JSON object that is the whole text.  In a
 * database whose encoding is UTF-8, jsonb accepts every text that is accepted
 * here.  Returns false for
 *
 * - invalid JSON or UTF-8, and JSON that is not an object,
 * - a top-level name that occurs twice, and too many top-level members,
 * - a NUL character, and half a surrogate pair,
 * - nesting deeper than SESSION_JSON_DEPTH,
 * - more than SESSION_CODEC_CHARS bytes,
 * - a number longer than SESSION_NUMBER_CHARS, or with a longer exponent than
 *	 SESSION_EXPONENT_DIGITS.
 *
 * The strings are allocated with palloc as one chunk, which
 * session_claims_free frees.  Nothing is allocated when the result is false.
 */
extern pg_nodiscard bool session_claims_read(SessionMember *members,
											 int *count, const char *json,
											 size_t len);

/* Frees the strings of the members that were read. */
extern void session_claims_free(SessionMember *members, int count);

/* Returns the member of a name, or NULL. */
extern const SessionMember *session_claims_find(const SessionMember *members,
												int count, const char *name);

/*
 * Returns whether exp, nbf and iat allow the payload to be used.  Times are in
 * seconds since 1970, between 0 and 2^40.  nbf and iat may be "leeway" seconds
 * ahead of now, and exp less than "leeway" seconds behind it.  So without
 * leeway a payload expires at exp.
 *
 * A strict payload must have exp, and integers only.  Otherwise exp may be
 * missing, and a time may have a fraction or an exponent (RFC 7519 section 2).
 * It is rounded up, which makes the comparison with now exact, because now is
 * a whole second.
 */
extern pg_nodiscard bool session_claims_in_time(const SessionMember *members,
												int count, int64 now,
												int64 leeway, bool strict);

#endif							/* SESSION_CLAIMS_H */
