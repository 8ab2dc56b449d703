/*
 * redact.c
 *	  Finds tokens, cookies and keys in texts.
 *
 * Rules: nothing is allocated, no error is raised, and the time is linear in
 * the size of the text.  A text that may be a token is redacted: a word
 * missing in the log does no harm.
 *
 * The server shortens parameters, names and JSON, so a text may contain the
 * beginning of a token.  It matters if it has more than the 22 characters of
 * the public id, and so some of the secret; it has fewer than 64.  Words can
 * look like that, for example ST_SimplifyPreserveTopology, so such a part is
 * redacted only if one of these is true:
 *
 * - It has capitals, small letters and digits.
 * - The mark of a cut follows it.
 * - No letter, digit or underscore precedes it, and either it ends the text or
 *	 it has at least 40 characters.
 *
 * A cookie that carries its own proof is base64url of a JSON object, which
 * begins with {" and so is encoded with eyJ at the beginning, and up to four
 * parts after dots.  It is redacted if one of these parts is too long for a
 * word: the MAC, or the rest of it that a cut leaves.  A sealed cookie has no
 * such form.
 *
 * A private key is found as a JWK: a member of JSON with one of the names d,
 * p, q, dp, dq, qi and k, whose value is a string in base64 or base64url.
 * Other JSON has members of these names, too, so the value is redacted if it
 * has at least the 22 characters of 16 bytes, or is cut.  The quotes may be
 * doubled, or follow backslashes, as in values of composite types and E''
 * strings.
 *
 * A shared secret has no form at all, so the arguments of session_key_import
 * and session_key_import_jwk are redacted if there is a literal among them.
 * Where it is unclear how far they go, the rest of the text is redacted.
 */
#include "postgres.h"

#include "wire/base64url.h"
#include "wire/hex.h"
#include "wire/redact.h"
#include "wire/token.h"

#define PREFIX_CHARS 3
#define ID_CHARS 22				/* the last one has bits of the secret */
#define UUID_CHARS 36
#define PAYLOAD_CHARS (SESSION_TOKEN_CHARS - PREFIX_CHARS)
#define LONG_CHARS 40			/* longer than words get */

#define CUT "..."				/* the server's mark of a cut */
#define REDACTED "(redacted)"

#define OBJECT "eyJ"			/* the beginning of an object in base64url */
#define OBJECT_CHARS 16			/* shortest header or payload */
#define PARTS 4					/* most parts after the first */

#define MEMBER_CHARS 22			/* shortest value of a key that is not cut */
#define BASE64 "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" \
	"0123456789-_+/="
#define SPACES " \t\r\n"

/* How the names of functions that take keys begin, and where the mark is. */
#define TAKES_KEY "session_key_import"
#define TAKES_KEY_MARK 7

/*
 * Characters after the ( of these functions in which a literal is looked for.
 * Longer arguments count as if they had one.
 */
#define MAX_BEFORE_LITERAL 1000

/* Longest tag of dollar quotes, with the first dollar. */
#define TAG_CHARS 64

/*
 * Characters at which a secret may be found: the _ of st_ and of a function,
 * the 7 of s or r in hexadecimal, the dot of a cut or at the end of a part,
 * the quote before the name of a member.
 */
#define MARKS "_7.\""

/* A run of characters of base64url. */
typedef struct Run
{
	size_t		chars;
	const char *end;
	bool		has_upper;
	bool		has_lower;
	bool		has_digit;
} Run;

/* A secret in the text, and the text that replaces it. */
typedef struct Secret
{
	const char *start;
	const char *end;
	char		shown[PREFIX_CHARS + UUID_CHARS];
	size_t		shown_chars;
} Secret;

/*
 * Returns the character that one byte (width 1) or two hexadecimal digits
 * (width 2) stand for.
 */
static int
char_at(const char *p, int width)
{
	int			high;
	int			low;

	if (width == 1)
		return (unsigned char) *p;
	high = session_hex_digit(p[0]);
	low = high < 0 ? -1 : session_hex_digit(p[1]);
	return low < 0 ? 0 : high << 4 | low;
}

/* Classes of ASCII characters, in every locale. */

static bool
is_upper(int c)
{
	return c >= 'A' && c <= 'Z';
}

static bool
is_lower(int c)
{
	return c >= 'a' && c <= 'z';
}

static bool
is_digit(int c)
{
	return c >= '0' && c <= '9';
}

static bool
is_word(int c)
{
	return is_upper(c) || is_lower(c) || is_digit(c) || c == '_';
}

/* Returns the run that starts at p. */
static Run
measure_spelling(const char *p, int width)
{
	Run			run = {0};
	int			c;

	while (c = char_at(p, width), is_word(c) || c == '-')
	{
		run.has_upper |= is_upper(c);
		run.has_lower |= is_lower(c);
		run.has_digit |= is_digit(c);
		run.chars++;
		p += width;
	}
	/* A cut may leave one of two hexadecimal digits. */
	if (width == 2 && session_hex_digit(*p) >= 0 && session_hex_digit(p[1]) < 0)
		p++;
	run.end = p;
	return run;
}

/* Returns whether a run has capitals, small letters and digits. */
static bool
looks_random(const Run *run)
{
	return run->has_upper && run->has_lower && run->has_digit;
}

/* Returns whether no letter, digit or underscore precedes p. */
static bool
begins_word(const char *text, const char *p, int width)
{
	size_t		before = p - text;

	if (width == 2)
		return before < 2 || !is_word(char_at(p - 2, 2));
	return before == 0 || !is_word((unsigned char) p[-1]);
}

/* Returns whether a run is a public id, as redacting writes it. */
static bool
is_uuid(const char *p, int width, const Run *run)
{
	if (run->chars != UUID_CHARS || run->has_upper)
		return false;
	for (int i = 0; i < UUID_CHARS; i++)
	{
		bool		dash = i == 8 || i == 13 || i == 18 || i == 23;
		char		c = (char) char_at(p + i * width, width);

		if (dash ? c != '-' : session_hex_digit(c) < 0)
			return false;
	}
	return true;
}

/*
 * Returns whether the run after the prefix at p is a token or a part of one.
 */
static bool
is_secret(const char *text, const char *p, int width, const Run *run)
{
	if (run->chars >= PAYLOAD_CHARS)
		return true;
	if (run->chars <= ID_CHARS || is_uuid(p + PREFIX_CHARS * width, width, run))
		return false;
	if (looks_random(run) || strncmp(run->end, CUT, strlen(CUT)) == 0)
		return true;
	return begins_word(text, p, width) &&
		(run->chars >= LONG_CHARS || *run->end == '\0');
}

/* Replaces a token by its prefix and public id. */
static void
show_id(Secret *secret, const char *p, int width)
{
	static const char digits[] = "0123456789abcdef";
	char		chars[24];
	uint8		id[SESSION_BASE64URL_BYTES(sizeof(chars))];
	char	   *out = secret->shown;

	*out++ = (char) (char_at(p, width) | 0x20);
	*out++ = (char) (char_at(p + width, width) | 0x20);
	*out++ = '_';
	memset(chars, 'A', sizeof(chars));
	for (int i = 0; i < ID_CHARS; i++)
		chars[i] = (char) char_at(p + (PREFIX_CHARS + i) * width, width);
	if (!session_base64url_decode(id, chars, sizeof(chars)))
		memset(id, 0, sizeof(id));
	for (int i = 0; i < SESSION_ID_BYTES; i++)
	{
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*out++ = '-';
		*out++ = digits[id[i] >> 4];
		*out++ = digits[id[i] & 15];
	}
	secret->shown_chars = out - secret->shown;
}

/* Replaces a secret that has no public id. */
static void
show_redacted(Secret *secret)
{
	secret->shown_chars = strlen(REDACTED);
	memcpy(secret->shown, REDACTED, secret->shown_chars);
}

/* Returns whether st_, rt_, sb_, sc_ or sx_ is at p. */
static bool
is_prefix(const char *p, int width)
{
	int			first = char_at(p, width) | 0x20;
	int			second = first != 's' && first != 'r' ? 0 :
	char_at(p + width, width) | 0x20;

	return (second == 't' ||
			(first == 's' &&
			 (second == 'b' || second == 'c' || second == 'x'))) &&
		char_at(p + 2 * width, width) == '_';
}

/* Returns whether what has the prefix at p begins with a public id. */
static bool
has_public_id(const char *p, int width)
{
	int			second = char_at(p + width, width) | 0x20;

	return second != 'c' && second != 'x';
}

/* Finds a token whose prefix is at p. */
static bool
match_token(Secret *secret, const char *text, const char *p, int width)
{
	Run			run;

	if (!is_prefix(p, width))
		return false;
	run = measure_spelling(p + PREFIX_CHARS * width, width);
	if (!is_secret(text, p, width, &run))
		return false;
	secret->start = p;
	secret->end = run.end;
	if (has_public_id(p, width))
		show_id(secret, p, width);
	else
		show_redacted(secret);
	return true;
}

/* Returns whether a run is too long, or too random, for a word. */
static bool
is_no_word(const Run *run)
{
	return run->chars > ID_CHARS &&
		(run->chars >= LONG_CHARS || looks_random(run));
}

/*
 * Finds the end of a token whose beginning was cut off, or a value of JSON
 * whose name was.
 */
static bool
match_tail(Secret *secret, const char *p)
{
	Run			run;

	if (strncmp(p, CUT, strlen(CUT)) != 0)
		return false;
	p += strlen(CUT);
	p += strspn(p, ": \"");
	run = measure_spelling(p, 1);
	if (!is_no_word(&run))
		return false;
	secret->start = p;
	secret->end = run.end;
	show_redacted(secret);
	return true;
}

/* Returns where an object begins in the run that ends at p, or NULL. */
static const char *
find_object(const char *p, const char *from)
{
	const char *start = p;
	const char *object = NULL;

	while (start > from && (is_word((unsigned char) start[-1]) ||
							start[-1] == '-'))
	{
		start--;
		if (strncmp(start, OBJECT, strlen(OBJECT)) == 0)
			object = start;
	}
	return object != NULL && p - object >= OBJECT_CHARS ? object : NULL;
}

/* Finds a cookie whose first part ends at p. */
static bool
match_cookie(Secret *secret, const char *from, const char *p)
{
	secret->start = find_object(p, from);
	secret->end = NULL;
	if (secret->start == NULL)
		return false;
	for (int i = 0; i < PARTS && *p == '.'; i++)
	{
		Run			run = measure_spelling(p + 1, 1);

		p = run.end;
		if (is_no_word(&run))
			secret->end = p;
	}
	show_redacted(secret);
	return secret->end != NULL;
}

/* Returns the end of the quotes at p, or NULL. */
static const char *
skip_quotes(const char *p)
{
	p += strspn(p, "\\");
	return *p == '"' ? p + strspn(p, "\"") : NULL;
}

/* Returns the length of the name of a private member of a JWK at p, or 0. */
static size_t
measure_private_name(const char *p)
{
	if (*p == 'd' && (p[1] == 'p' || p[1] == 'q'))
		return 2;
	if (*p == 'q' && p[1] == 'i')
		return 2;
	return *p == 'd' || *p == 'p' || *p == 'q' || *p == 'k' ? 1 : 0;
}

/* Returns the value of a private member of a JWK named at p, or NULL. */
static const char *
find_private_value(const char *p)
{
	size_t		name = measure_private_name(p);

	p = name == 0 ? NULL : skip_quotes(p + name);
	if (p == NULL)
		return NULL;
	p += strspn(p, SPACES);
	if (*p != ':')
		return NULL;
	p++;
	return skip_quotes(p + strspn(p, SPACES));
}

/* Finds the value of a private member of a JWK whose first quote is at p. */
static bool
match_member(Secret *secret, const char *p)
{
	const char *value = find_private_value(p + 1);
	const char *end;

	if (value == NULL)
		return false;
	end = value + strspn(value, BASE64);
	if (end == value ||
		(end - value < MEMBER_CHARS && *end != '\0' &&
		 strncmp(end, CUT, strlen(CUT)) != 0))
		return false;
	secret->start = value;
	secret->end = end;
	show_redacted(secret);
	return true;
}

/* Returns whether a comment begins at p. */
static bool
begins_comment(const char *p)
{
	return (*p == '-' && p[1] == '-') || (*p == '/' && p[1] == '*');
}

/*
 * Returns whether there is a literal, in quotes or dollar quotes, among the
 * arguments at p, or whether there may be one.
 */
static bool
may_have_literal(const char *p)
{
	int			depth = 1;
	bool		in_name = false;

	for (int i = 0; i < MAX_BEFORE_LITERAL; i++, p++)
	{
		if (*p == '\'' || *p == '\\' || begins_comment(p) ||
			(*p == '$' && !is_digit(p[1])))
			return true;
		if (*p == '"')
			in_name = !in_name;
		else if (!in_name)
			depth += (*p == '(') - (*p == ')');
		if (*p == '\0' || depth == 0)
			return false;
	}
	return true;
}

/*
 * Skipping arguments
 *
 * These functions return NULL where the end is unclear: the text is cut or is
 * no SQL, the server's settings decide, or the call is itself in a literal, so
 * that its quotes are doubled.
 */

/* Returns whether c may be a part of a name or of the tag of dollar quotes. */
static bool
is_name(int c)
{
	return is_word(c) || c >= 0x80;
}

/* Returns the end of the literal in quotes at p. */
static const char *
skip_quoted(const char *p)
{
	bool		escaped = false;

	if (p[1] == '\'')
		return NULL;
	for (p++; *p != '\0'; p++)
	{
		if (*p == '\'' && escaped)
			return NULL;
		if (*p == '\'' && p[1] != '\'')
			return p + 1;
		if (*p == '\'')
			p++;
		escaped = *p == '\\' && !escaped;
	}
	return NULL;
}

/* Returns the end of the literal in dollar quotes, or the parameter, at p. */
static const char *
skip_dollars(const char *p)
{
	char		tag[TAG_CHARS + 1];
	size_t		len = 1;

	if (is_name((unsigned char) p[-1]))
		return NULL;
	if (is_digit(p[1]))
		return p + 1;
	while (len < TAG_CHARS && is_name((unsigned char) p[len]))
		len++;
	if (p[len] != '$' || len == TAG_CHARS)
		return NULL;
	len++;
	memcpy(tag, p, len);
	tag[len] = '\0';
	p = strstr(p + len, tag);
	return p == NULL ? NULL : p + len;
}

/* Returns the end of the name in quotes at p. */
static const char *
skip_quoted_name(const char *p)
{
	p++;
	p += strcspn(p, "\"'");
	return *p == '"' ? p + 1 : NULL;
}

/*
 * Returns the end of the parameter, or of the literal or name in any quotes,
 * at p.  A literal that goes on without a gap may be the end of one around the
 * call.
 */
static const char *
skip_item(const char *p)
{
	const char *end;

	if (*p == '"')
		return skip_quoted_name(p);
	if (*p == '$' && is_digit(p[1]))
		return skip_dollars(p);
	end = *p == '$' ? skip_dollars(p) : skip_quoted(p);
	if (end != NULL && (is_name((unsigned char) *end) || *end == '$'))
		return NULL;
	return end;
}

/* Returns the end of the parentheses that open at p. */
static const char *
skip_arguments(const char *p)
{
	int			depth = 0;

	while (p != NULL && *p != '\0')
	{
		if (*p == '\'' || *p == '$' || *p == '"')
			p = skip_item(p);
		else if (*p == '\\' || begins_comment(p))
			return NULL;
		else
		{
			depth += (*p == '(') - (*p == ')');
			p++;
			if (depth == 0)
				return p;
		}
	}
	return NULL;
}

/*
 * Finds the arguments of a function that takes a key, whose name is at p.
 * Where their end is unclear, they are redacted to the end of the text; so is
 * what follows a comment behind the name.
 */
static bool
match_arguments(Secret *secret, const char *p)
{
	if (pg_strncasecmp(p, TAKES_KEY, strlen(TAKES_KEY)) != 0)
		return false;
	p += strlen(TAKES_KEY);
	if (pg_strncasecmp(p, "_jwk", 4) == 0)
		p += 4;
	p += strspn(p, SPACES "\f\v\"");
	if (!begins_comment(p) && (*p != '(' || !may_have_literal(p + 1)))
		return false;
	secret->start = p;
	secret->end = begins_comment(p) ? NULL : skip_arguments(p);
	if (secret->end == NULL)
		secret->end = p + strlen(p);
	show_redacted(secret);
	return true;
}

/* Finds the first secret in the text that does not begin before "from". */
static bool
find_secret(Secret *secret, const char *text, const char *from)
{
	for (const char *p = from + strcspn(from, MARKS); *p != '\0';
		 p++, p += strcspn(p, MARKS))
	{
		if (*p == '_' && p - from >= 2 && match_token(secret, text, p - 2, 1))
			return true;
		if (*p == '_' && p - from >= TAKES_KEY_MARK &&
			match_arguments(secret, p - TAKES_KEY_MARK))
			return true;
		if (*p == '7' && match_token(secret, text, p, 2))
			return true;
		if (*p == '"' && match_member(secret, p))
			return true;
		if (*p == '.' && (match_tail(secret, p) || match_cookie(secret, from, p)))
			return true;
	}
	return false;
}

/* Returns the size of the redacted text; 0 when nothing is redacted. */
size_t
session_redact_size(const char *text)
{
	const char *from = text;
	size_t		size = 0;
	Secret		secret;

	while (find_secret(&secret, text, from))
	{
		size += (secret.start - from) + secret.shown_chars;
		from = secret.end;
	}
	return from == text ? 0 : size + strlen(from) + 1;
}

/* Writes the redacted text. */
void
session_redact_write(char *out, const char *text)
{
	const char *from = text;
	Secret		secret;

	while (find_secret(&secret, text, from))
	{
		memcpy(out, from, secret.start - from);
		out += secret.start - from;
		memcpy(out, secret.shown, secret.shown_chars);
		out += secret.shown_chars;
		from = secret.end;
	}
	memcpy(out, from, strlen(from) + 1);
}
