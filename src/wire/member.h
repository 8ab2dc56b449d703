/*
 * member.h
 *	  A member of a JSON object, as the readers of this folder return it.
 */
#ifndef SESSION_MEMBER_H
#define SESSION_MEMBER_H

/* Kind of a JSON value. */
typedef enum SessionJsonKind
{
	SESSION_JSON_STRING,
	SESSION_JSON_INTEGER,		/* no fraction or exponent, fits 64 bits */
	SESSION_JSON_DECIMAL,		/* with one of them, not negative, fits */
	SESSION_JSON_NUMBER,		/* any other number */
	SESSION_JSON_OTHER			/* object, array, true, false, null */
} SessionJsonKind;

/*
 * One top-level member of an object.  The value of another kind stays where
 * the caller has the text of the object, and is valid JSON.
 */
typedef struct SessionMember
{
	const char *name;			/* unescaped, NUL-terminated */
	SessionJsonKind kind;
	const char *string;			/* of a string, like the name */
	int64		integer;		/* of an integer; a decimal rounded up */
	const char *json;			/* of other kinds: the text that was read */
	size_t		json_len;
} SessionMember;

#endif							/* SESSION_MEMBER_H */
