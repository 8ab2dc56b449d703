/*
 * claims.c
 *	  Reads a JSON object with PostgreSQL's own lexer, unless it is flat.
 *
 * Rules: no text raises an error.  So the grammar is parsed here and not by
 * pg_parse_json, which raises an error when its stack runs out, counts levels
 * only after it has gone down, and in some encodings raises an error for an
 * escape.  The lexer does none of that as long as it does not process escapes.
 */
#include "postgres.h"

#include "common/int.h"
#include "compat.h"
#include "mb/pg_wchar.h"
#include "wire/claims.h"
#include "wire/codec.h"
#include "wire/flat.h"
#include "wire/hex.h"

/* Latest time a claim may name, in seconds since 1970. */
#define MAX_TIME (INT64CONST(1) << 40)

typedef struct Reader
{
	JsonLexContext lex;
	SessionMember *members;
	int			count;
	char	   *room;			/* where the next unescaped string goes */
} Reader;

static bool read_value(Reader *reader, int depth);

/* Reads the next token; false for invalid JSON. */
static inline bool
next_token(Reader *reader)
{
	return json_lex(&reader->lex) == JSON_SUCCESS;
}

/* Reads four hexadecimal digits. */
static bool
read_hex(pg_wchar *code, const char *in, const char *end)
{
	if (end - in < 4)
		return false;
	*code = 0;
	for (int i = 0; i < 4; i++)
	{
		int			digit = session_hex_digit(in[i]);

		if (digit < 0)
			return false;
		*code = *code * 16 + digit;
	}
	return true;
}

/* Reads the digits after \u, and the second half of a surrogate pair. */
static bool
read_code(pg_wchar *code, const char **in, const char *end)
{
	pg_wchar	second;

	if (!read_hex(code, *in, end))
		return false;
	*in += 4;
	if (is_utf16_surrogate_second(*code))
		return false;
	if (!is_utf16_surrogate_first(*code))
		return *code != 0;
	if (end - *in < 6 || (*in)[0] != '\\' || (*in)[1] != 'u' ||
		!read_hex(&second, *in + 2, end) || !is_utf16_surrogate_second(second))
		return false;
	*in += 6;
	*code = surrogate_pair_to_codepoint(*code, second);
	return true;
}

/* Reads an escape, after its backslash, and writes its character. */
static bool
read_escape(char **out, const char **in, const char *end)
{
	static const char names[] = "\"\\/bfnrt";
	static const char values[] = "\"\\/\b\f\n\r\t";
	pg_wchar	code;
	const char *at;
	char		c;

	if (*in == end)
		return false;
	c = *(*in)++;
	if (c == 'u')
	{
		if (!read_code(&code, in, end))
			return false;
		unicode_to_utf8(code, (unsigned char *) *out);
		*out += pg_utf_mblen((unsigned char *) *out);
		return true;
	}
	at = memchr(names, c, sizeof(names) - 1);
	if (at == NULL)
		return false;
	*(*out)++ = values[at - names];
	return true;
}

/*
 * Unescapes the string that is the current token into the room.  The quotes of
 * the token leave enough room for the terminator.
 */
static bool
read_string(Reader *reader, const char **string)
{
	const char *in = reader->lex.token_start + 1;
	const char *end = reader->lex.token_terminator - 1;
	char	   *out = reader->room;

	while (in < end)
	{
		char		c = *in++;

		if (c != '\\')
			*out++ = c;
		else if (!read_escape(&out, &in, end))
			return false;
	}
	*out++ = '\0';
	*string = reader->room;
	reader->room = out;
	return true;
}

/* Returns where the exponent of the current number starts, or its end. */
static const char *
find_exponent(const Reader *reader)
{
	const char *in = reader->lex.token_start;

	while (in < reader->lex.token_terminator && *in != 'e' && *in != 'E')
		in++;
	return in;
}

/* Returns whether numeric can hold the current number. */
static bool
check_number(const Reader *reader)
{
	const char *end = reader->lex.token_terminator;
	const char *exponent = find_exponent(reader);

	if (end - reader->lex.token_start > SESSION_NUMBER_CHARS)
		return false;
	if (exponent == end)
		return true;
	exponent++;
	if (*exponent == '+' || *exponent == '-')
		exponent++;
	return end - exponent <= SESSION_EXPONENT_DIGITS;
}

/* Reads the current number if it is an integer of 64 bits. */
static bool
read_integer(const Reader *reader, int64 *integer)
{
	const char *in = reader->lex.token_start;
	bool		negative = *in == '-';

	*integer = 0;
	for (in += negative; in < reader->lex.token_terminator; in++)
	{
		int64		digit = *in - '0';

		if (digit < 0 || digit > 9 ||
			pg_mul_s64_overflow(*integer, 10, integer) ||
			pg_add_s64_overflow(*integer, negative ? -digit : digit, integer))
			return false;
	}
	return true;
}

/* Appends a digit to a whole number; false if it does not fit any more. */
static bool
append_digit(int64 *number, int digit)
{
	return !pg_mul_s64_overflow(*number, 10, number) &&
		!pg_add_s64_overflow(*number, digit, number);
}

/* Returns the exponent of the current number, which check_number accepted. */
static int
read_exponent(const Reader *reader)
{
	const char *in = find_exponent(reader);
	const char *end = reader->lex.token_terminator;
	bool		negative;
	int			exponent = 0;

	if (in == end)
		return 0;
	in++;
	negative = *in == '-';
	if (*in == '-' || *in == '+')
		in++;
	for (; in < end; in++)
		exponent = exponent * 10 + (*in - '0');
	return negative ? -exponent : exponent;
}

/*
 * Reads the current number, rounded up to an integer, without floating point.
 * Returns false if it is negative or does not fit.
 */
static bool
read_decimal(const Reader *reader, int64 *integer)
{
	const char *in = reader->lex.token_start;
	const char *end = find_exponent(reader);
	const char *point = memchr(in, '.', end - in);
	bool		negative = *in == '-';
	bool		fraction = false;
	int			whole;			/* digits before the point, as it is moved */

	in += negative;
	whole = (int) ((point == NULL ? end : point) - in) + read_exponent(reader);
	*integer = 0;
	for (; in < end; in++)
	{
		if (in == point)
			continue;
		if (whole-- <= 0)
			fraction |= *in != '0';
		else if (!append_digit(integer, *in - '0'))
			return false;
	}
	for (; whole > 0 && *integer != 0; whole--)
		if (!append_digit(integer, 0))
			return false;
	if (negative)
		return *integer == 0 && !fraction;
	return !fraction || !pg_add_s64_overflow(*integer, 1, integer);
}

/* Reads the current number as the value of a member. */
static bool
read_number(const Reader *reader, SessionMember *member)
{
	if (!check_number(reader))
		return false;
	if (read_integer(reader, &member->integer))
		member->kind = SESSION_JSON_INTEGER;
	else if (read_decimal(reader, &member->integer))
		member->kind = SESSION_JSON_DECIMAL;
	else
		member->kind = SESSION_JSON_NUMBER;
	return true;
}

/*
 * Reads the name that is the current token, and adds a member.  Returns false
 * if there are too many members or one has the name.
 */
static bool
read_name(Reader *reader)
{
	SessionMember *member = &reader->members[reader->count];

	if (reader->count == SESSION_MEMBERS)
		return false;
	memset(member, 0, sizeof(*member));
	member->kind = SESSION_JSON_OTHER;
	if (!read_string(reader, &member->name) ||
		session_claims_find(reader->members, reader->count, member->name))
		return false;
	reader->count++;
	return true;
}

/* Reads a member: a name, a colon and a value. */
static bool
read_member(Reader *reader, int depth)
{
	const char *nested;

	if (reader->lex.token_type != JSON_TOKEN_STRING)
		return false;
	if (depth == 1 ? !read_name(reader) : !read_string(reader, &nested))
		return false;
	return next_token(reader) && reader->lex.token_type == JSON_TOKEN_COLON &&
		next_token(reader) && read_value(reader, depth);
}

/* Reads the items between brackets, and the token behind them. */
static bool
read_items(Reader *reader, int depth, JsonTokenType end,
		   bool (*read_item) (Reader *, int))
{
	if (depth > SESSION_JSON_DEPTH || !next_token(reader))
		return false;
	if (reader->lex.token_type == end)
		return next_token(reader);
	while (read_item(reader, depth))
	{
		if (reader->lex.token_type == end)
			return next_token(reader);
		if (reader->lex.token_type != JSON_TOKEN_COMMA || !next_token(reader))
			return false;
	}
	return false;
}

/* Reads the items between brackets, which are the value of a member. */
static bool
read_nested(Reader *reader, SessionMember *member, int depth,
			JsonTokenType end, bool (*read_item) (Reader *, int))
{
	member->json = reader->lex.token_start;
	if (!read_items(reader, depth, end, read_item))
		return false;
	member->json_len = reader->lex.prev_token_terminator - member->json;
	return true;
}

/* Reads true, false or null, and the token behind it. */
static bool
read_literal(Reader *reader, SessionMember *member)
{
	member->json = reader->lex.token_start;
	member->json_len = reader->lex.token_terminator - member->json;
	return next_token(reader);
}

/*
 * Reads the value that starts with the current token, and the token behind it.
 */
static bool
read_value(Reader *reader, int depth)
{
	SessionMember nested;
	SessionMember *member = &nested;

	if (depth == 1)
		member = &reader->members[reader->count - 1];
	switch (reader->lex.token_type)
	{
		case JSON_TOKEN_OBJECT_START:
			return read_nested(reader, member, depth + 1,
							   JSON_TOKEN_OBJECT_END, read_member);
		case JSON_TOKEN_ARRAY_START:
			return read_nested(reader, member, depth + 1,
							   JSON_TOKEN_ARRAY_END, read_value);
		case JSON_TOKEN_STRING:
			member->kind = SESSION_JSON_STRING;
			return read_string(reader, &member->string) && next_token(reader);
		case JSON_TOKEN_NUMBER:
			return read_number(reader, member) && next_token(reader);
		case JSON_TOKEN_TRUE:
		case JSON_TOKEN_FALSE:
		case JSON_TOKEN_NULL:
			return read_literal(reader, member);
		default:
			return false;
	}
}

/* Reads the members of any object with the lexer. */
static bool
read_object(SessionMember *members, int *count, char *strings,
			const char *json, size_t len)
{
	Reader		reader = {.members = members,.room = strings};

	session_compat_json_lexer(&reader.lex, json, len, PG_UTF8);
	if (!next_token(&reader) ||
		reader.lex.token_type != JSON_TOKEN_OBJECT_START ||
		!read_value(&reader, 0) || reader.lex.token_type != JSON_TOKEN_END)
		return false;
	*count = reader.count;
	return true;
}

/* Returns whether two members have the same name. */
static bool
has_duplicates(const SessionMember *members, int count)
{
	for (int i = 1; i < count; i++)
		if (session_claims_find(members, i, members[i].name) != NULL)
			return true;
	return false;
}

/* Reads the top-level members of a JSON object. */
bool
session_claims_read(SessionMember *members, int *count, const char *json,
					size_t len)
{
	char	   *strings;
	bool		ok;

	*count = 0;
	if (len == 0 || len > SESSION_CODEC_CHARS ||
		pg_encoding_verifymbstr(PG_UTF8, json, (int) len) != (int) len)
		return false;
	/* An unescaped string is shorter than its token, terminator included. */
	strings = palloc(len);
	if (session_flat_read(members, count, SESSION_MEMBERS, strings, json, len))
		ok = !has_duplicates(members, *count);
	else
		ok = read_object(members, count, strings, json, len);
	if (!ok)
		*count = 0;
	if (*count == 0)
		pfree(strings);
	return ok;
}

/* Frees the strings, which begin with the name of the first member. */
void
session_claims_free(SessionMember *members, int count)
{
	if (count > 0)
		pfree(unconstify(char *, members[0].name));
}

/* Returns the member of a name, or NULL. */
const SessionMember *
session_claims_find(const SessionMember *members, int count, const char *name)
{
	for (int i = 0; i < count; i++)
	{
		/* Most names differ in the first character. */
		if (members[i].name[0] == name[0] &&
			strcmp(members[i].name, name) == 0)
			return &members[i];
	}
	return NULL;
}

/*
 * Returns whether a time is missing or within a range.  If strict, it must be
 * an integer.
 */
static bool
time_between(const SessionMember *member, int64 low, int64 high, bool strict)
{
	return member == NULL ||
		((member->kind == SESSION_JSON_INTEGER ||
		  (member->kind == SESSION_JSON_DECIMAL && !strict)) &&
		 member->integer >= Max(low, 0) &&
		 member->integer <= Min(high, MAX_TIME));
}

/* Returns whether exp, nbf and iat allow the payload to be used. */
bool
session_claims_in_time(const SessionMember *members, int count, int64 now,
					   int64 leeway, bool strict)
{
	const SessionMember *exp = session_claims_find(members, count, "exp");
	const SessionMember *nbf = session_claims_find(members, count, "nbf");
	const SessionMember *iat = session_claims_find(members, count, "iat");

	if (exp == NULL && strict)
		return false;
	return time_between(exp, now - leeway + 1, MAX_TIME, strict) &&
		time_between(nbf, 0, now + leeway, strict) &&
		time_between(iat, 0, now + leeway, strict);
}
