/*
 * redact.c
 *	  Finding tokens and cookies in texts.
 *
 * Rules: nothing is allocated, nothing raises, and the time is linear in the
 * size of the text.  When in doubt, it is a token: the public id of something
 * that is none says nothing, and a word less in the log does no harm.
 *
 * A part of a token has more characters than the 22 of the public id, so some
 * of the secret, and fewer than 64.  It comes of parameters, names and JSON
 * that the server cuts.  Words can look like that, ST_SimplifyPreserveTopology
 * does, so such a part counts only when it has capitals, small letters and
 * digits all three, or the mark of a cut behind it, or nothing behind it or
 * many characters, and no letter, digit or underscore in front of it.
 *
 * A cookie that carries its own proof is base64url of a JSON object, which
 * begins with {" and so with eyJ, and up to four parts behind dots.  It counts
 * when one of these is too long for a word: the MAC, or what a cut leaves of
 * it.  One that is sealed has no such shape.
 */
#include "postgres.h"

#include "wire/base64url.h"
#include "wire/hex.h"
#include "wire/redact.h"
#include "wire/token.h"

#define PREFIX_CHARS 3
#define ID_CHARS 22				/* the last has bits of the secret, too */
#define UUID_CHARS 36
#define PAYLOAD_CHARS (SESSION_TOKEN_CHARS - PREFIX_CHARS)
#define LONG_CHARS 40			/* longer than words get */

#define CUT "..."				/* how the server marks it */
#define REDACTED "(redacted)"

#define OBJECT "eyJ"			/* how base64url of an object begins */
#define OBJECT_CHARS 16			/* fewer are no header or payload */
#define PARTS 4					/* behind the first */

/*
 * Where something to look at may be: st_, hexadecimal of s or r, a cut or the
 * end of a part.
 */
#define MARKS "_7."

/* Characters of base64url, one after the other. */
typedef struct Run
{
	size_t		chars;
	const char *end;
	bool		has_upper;
	bool		has_lower;
	bool		has_digit;
} Run;

/* What is replaced, and by what. */
typedef struct Secret
{
	const char *start;
	const char *end;
	char		shown[PREFIX_CHARS + UUID_CHARS];
	size_t		shown_chars;
} Secret;

/* The character that one byte, or two hexadecimal digits, stand for. */
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
	/* A cut may leave half of a character. */
	if (width == 2 && session_hex_digit(*p) >= 0 && session_hex_digit(p[1]) < 0)
		p++;
	run.end = p;
	return run;
}

static bool
looks_random(const Run *run)
{
	return run->has_upper && run->has_lower && run->has_digit;
}

/* Is that the first character of a word, as far as one can tell? */
static bool
begins_word(const char *text, const char *p, int width)
{
	size_t		before = p - text;

	if (width == 2)
		return before < 2 || !is_word(char_at(p - 2, 2));
	return before == 0 || !is_word((unsigned char) p[-1]);
}

/* Is that a public id, as written in the place of a token? */
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

/* Is what follows the prefix at p a token, or enough of one? */
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

/* Shows the prefix and the public id. */
static void
show_id(Secret *secret, const char *p, int width)
{
	static const char digits[] = "0123456789abcdef";
	char		chars[24];
	uint8		id[SESSION_BASE64URL_BYTES(sizeof(chars))];
	char	   *out = secret->shown;

	*out++ = (char) (char_at(p, width) | 0x20);
	*out++ = 't';
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

/* A token in text whose prefix is at p. */
static bool
match_token(Secret *secret, const char *text, const char *p, int width)
{
	int			kind = char_at(p, width) | 0x20;
	Run			run;

	if ((kind != 's' && kind != 'r') ||
		(char_at(p + width, width) | 0x20) != 't' ||
		char_at(p + 2 * width, width) != '_')
		return false;
	run = measure_spelling(p + PREFIX_CHARS * width, width);
	if (!is_secret(text, p, width, &run))
		return false;
	secret->start = p;
	secret->end = run.end;
	show_id(secret, p, width);
	return true;
}

/* Replaces all of something that has no public id. */
static void
show_redacted(Secret *secret)
{
	secret->shown_chars = strlen(REDACTED);
	memcpy(secret->shown, REDACTED, secret->shown_chars);
}

/* Returns whether a run is too long, or too random, for a word. */
static bool
is_no_word(const Run *run)
{
	return run->chars > ID_CHARS &&
		(run->chars >= LONG_CHARS || looks_random(run));
}

/* The end of a token of which a cut took the beginning. */
static bool
match_tail(Secret *secret, const char *p)
{
	Run			run;

	if (strncmp(p, CUT, strlen(CUT)) != 0)
		return false;
	run = measure_spelling(p + strlen(CUT), 1);
	if (!is_no_word(&run))
		return false;
	secret->start = p + strlen(CUT);
	secret->end = run.end;
	show_redacted(secret);
	return true;
}

/* Returns where an object begins in the run that ends at p; NULL if not. */
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

/* A cookie whose first part ends at p. */
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

/* Finds the first one in text that does not begin before from. */
static bool
find_secret(Secret *secret, const char *text, const char *from)
{
	for (const char *p = from + strcspn(from, MARKS); *p != '\0';
		 p++, p += strcspn(p, MARKS))
	{
		if (*p == '_' && p - from >= 2 && match_token(secret, text, p - 2, 1))
			return true;
		if (*p == '7' && match_token(secret, text, p, 2))
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
