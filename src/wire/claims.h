/*
 * claims.h
 *	  What a proven payload, or a header that is yet to be proven, says.
 */
#ifndef SESSION_CLAIMS_H
#define SESSION_CLAIMS_H

/* Kind of a JSON value. */
typedef enum SessionJsonKind
{
	SESSION_JSON_STRING,
	SESSION_JSON_INTEGER,		/* without fraction or exponent, in 64 bits */
	SESSION_JSON_DECIMAL,		/* with one of them; not negative, in 64 bits */
	SESSION_JSON_NUMBER,		/* any other number */
	SESSION_JSON_OTHER			/* object, array, true, false, null */
} SessionJsonKind;

/* One top-level member of an object. */
typedef struct SessionMember
{
	const char *name;			/* unescaped UTF-8, NUL-terminated */
	SessionJsonKind kind;
	const char *string;			/* likewise, of a string */
	int64		integer;		/* of an integer; a decimal rounded up */
} SessionMember;

/* Most top-level members an object may have. */
#define SESSION_MEMBERS 256

/* Deepest nesting, the object itself being the first level. */
#define SESSION_JSON_DEPTH 64

/* Longest number, in characters, and digits of its exponent. */
#define SESSION_NUMBER_CHARS 1000
#define SESSION_EXPONENT_DIGITS 3

/*
 * Reads the top-level members of a JSON object that is the whole text.  False
 * for anything that is not strictly that: invalid JSON or UTF-8, a name that
 * occurs twice, a NUL character, half a surrogate pair, nesting deeper than
 * SESSION_JSON_DEPTH, too many members, more than SESSION_CODEC_CHARS bytes, a
 * number that is absurdly long or large.  What is accepted can be made a jsonb
 * without an error in a database whose encoding is UTF-8.
 *
 * Strings are allocated with palloc, all in one piece that
 * session_claims_free gives back; there are none when the result is false.
 */
extern pg_nodiscard bool session_claims_read(SessionMember *members,
											 int *count, const char *json,
											 size_t len);

extern void session_claims_free(SessionMember *members, int count);

/* NULL when there is no such member. */
extern const SessionMember *session_claims_find(const SessionMember *members,
												int count, const char *name);

/*
 * Returns whether exp, nbf and iat allow the payload to be used.  Times are
 * seconds since 1970, between 0 and 2^40.  nbf and iat may be leeway seconds
 * ahead of now, exp less than that behind, so that without leeway a payload is
 * over at exp.
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
