/*
 * flat.c
 *	  Reads flat JSON objects.
 *
 * Rules: what is accepted here is an object for PostgreSQL's own parser too,
 * with the same members.  The function raises no errors and allocates nothing.
 */
#include "postgres.h"

#include "wire/flat.h"

/* Most digits of an integer: no number of that many overflows 64 bits. */
#define MAX_DIGITS 18

typedef struct FlatReader
{
	const char *in;
	const char *end;
	char	   *room;			/* where the next string goes */
} FlatReader;

/* Skips what JSON calls whitespace. */
static inline void
skip_space(FlatReader *reader)
{
	while (reader->in < reader->end &&
		   (*reader->in == ' ' || *reader->in == '\n' ||
			*reader->in == '\t' || *reader->in == '\r'))
		reader->in++;
}

/* Skips whitespace and a character; false if another one comes. */
static inline bool
take_char(FlatReader *reader, char c)
{
	skip_space(reader);
	if (reader->in == reader->end || *reader->in != c)
		return false;
	reader->in++;
	return true;
}

/* Returns what a character behind a backslash stands for; 0 for \u. */
static char
escaped_char(char c)
{
	switch (c)
	{
		case '"':
		case '\\':
		case '/':
			return c;
		case 'b':
			return '\b';
		case 'f':
			return '\f';
		case 'n':
			return '\n';
		case 'r':
			return '\r';
		case 't':
			return '\t';
		default:
			return '\0';
	}
}

/* Returns whether a character stands for itself in a string. */
static inline bool
stands_for_itself(char c)
{
	return (unsigned char) c >= ' ' && c != '"' && c != '\\';
}

#define EACH(c) (UINT64CONST(0x0101010101010101) * (c))

/*
 * Returns whether one of eight bytes is below a limit.  May also return true
 * where none is.
 */
static inline bool
may_be_below(uint64 bytes, uint64 limit)
{
	return ((bytes - EACH(limit)) & ~bytes & EACH(0x80)) != 0;
}

/*
 * Returns whether eight characters stand for themselves.  May return false
 * where they do.
 */
static inline bool
stand_for_themselves(const char *chars)
{
	uint64		bytes;

	memcpy(&bytes, chars, sizeof(bytes));
	return !may_be_below(bytes, ' ') &&
		!may_be_below(bytes ^ EACH('"'), 1) &&
		!may_be_below(bytes ^ EACH('\\'), 1);
}

/*
 * Copies characters that stand for themselves into the room, eight at a time
 * where possible.
 */
static void
take_plain(FlatReader *reader)
{
	const char *in = reader->in;
	char	   *out = reader->room;

	for (; reader->end - in >= 8 && stand_for_themselves(in); in += 8, out += 8)
		memcpy(out, in, 8);
	while (in < reader->end && stands_for_itself(*in))
		*out++ = *in++;
	reader->in = in;
	reader->room = out;
}

/* Reads a string, behind its first quote, into the room. */
static bool
take_string(FlatReader *reader, const char **string)
{
	*string = reader->room;
	take_plain(reader);
	while (reader->end - reader->in >= 2 && *reader->in == '\\')
	{
		*reader->room = escaped_char(reader->in[1]);
		if (*reader->room == '\0')
			return false;
		reader->room++;
		reader->in += 2;
		take_plain(reader);
	}
	if (reader->in == reader->end || *reader->in != '"')
		return false;
	reader->in++;
	*reader->room++ = '\0';
	return true;
}

/* Reads an integer.  The caller checks what comes after it. */
static bool
take_integer(FlatReader *reader, int64 *integer)
{
	const char *in = reader->in;
	bool		negative = in < reader->end && *in == '-';
	const char *first;

	in += negative;
	first = in;
	*integer = 0;
	for (; in < reader->end && *in >= '0' && *in <= '9'; in++)
	{
		/* No digit follows a leading zero. */
		if (in - first == MAX_DIGITS || (in > first && *first == '0'))
			return false;
		*integer = *integer * 10 + (*in - '0');
	}
	if (negative)
		*integer = -*integer;
	reader->in = in;
	return in > first;
}

/* Reads a name, a colon and a value. */
static bool
take_member(FlatReader *reader, SessionMember *member)
{
	if (!take_char(reader, '"') || !take_string(reader, &member->name) ||
		!take_char(reader, ':'))
		return false;
	member->integer = 0;
	member->string = NULL;
	member->json = NULL;
	member->json_len = 0;
	if (take_char(reader, '"'))
	{
		member->kind = SESSION_JSON_STRING;
		return take_string(reader, &member->string);
	}
	member->kind = SESSION_JSON_INTEGER;
	return take_integer(reader, &member->integer);
}

/* Reads the members, behind the first brace, and the last brace. */
static bool
take_members(FlatReader *reader, SessionMember *members, int *count, int max)
{
	if (take_char(reader, '}'))
		return true;
	do
	{
		if (*count == max || !take_member(reader, &members[*count]))
			return false;
		(*count)++;
	} while (take_char(reader, ','));
	return take_char(reader, '}');
}

/* Reads the members of a flat object; false for any other text. */
bool
session_flat_read(SessionMember *members, int *count, int max, char *strings,
				  const char *json, size_t len)
{
	FlatReader	reader = {json, json + len, strings};

	*count = 0;
	if (take_char(&reader, '{') &&
		take_members(&reader, members, count, max))
	{
		skip_space(&reader);
		if (reader.in == reader.end)
			return true;
	}
	*count = 0;
	return false;
}
