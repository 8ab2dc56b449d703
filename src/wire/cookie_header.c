/*
 * cookie_header.c
 *	  Checks and writes Set-Cookie, and reads Cookie.
 *
 * Rules:
 * - Only printable ASCII of the classes below is sent, so no value can end its
 *	 attribute or its header.
 * - Reading visits every byte a fixed number of times, and keeps only where
 *	 the cookies of one name are.
 * - A value is returned as it was received.  Quotes belong to the value, as in
 *	 RFC 6265 section 5.  Nothing is decoded, because a second spelling of a
 *	 value could pass a filter that knows only the first.
 */
#include "postgres.h"

#include "wire/cookie_header.h"

#define EPOCH "Thu, 01 Jan 1970 00:00:00 GMT"
#define LABEL_BYTES 63			/* RFC 1035 section 2.3.4 */
#define LAST_CHUNK (SESSION_COOKIE_CHUNKS - 1)
#define NOT_OURS (-2)

/* Most bytes of a cookie beside its value. */
#define OVERHEAD_BYTES \
	(SESSION_COOKIE_NAME_BYTES + sizeof(".99=") + \
	 SESSION_COOKIE_PATH_BYTES + sizeof("; Path=") + \
	 SESSION_COOKIE_DOMAIN_BYTES + sizeof("; Domain=") + \
	 sizeof("; Max-Age=34560000; Expires=" EPOCH) + \
	 sizeof("; Secure; HttpOnly; SameSite=Strict; Partitioned"))

StaticAssertDecl(SESSION_COOKIE_CHUNKS == 100,
				 "the number of a chunk has at most two digits");
StaticAssertDecl(OVERHEAD_BYTES < SESSION_COOKIE_BYTES,
				 "every cookie must have room for some of its value");

static const char *const same_site_names[] = {
	[SESSION_SAME_SITE_LAX] = "Lax",
	[SESSION_SAME_SITE_STRICT] = "Strict",
	[SESSION_SAME_SITE_NONE] = "None",
};

/*
 * What browsers require of cookies with a prefix in their names, in any case.
 */
static const struct
{
	const char *prefix;
	bool		host;			/* Path=/ and no Domain */
	bool		http_only;
}			prefixes[] =

{
	{"__Host-Http-", true, true},
	{"__Host-", true, false},
	{"__Http-", false, true},
	{"__Secure-", false, false},
};

/*
 * Checking
 */

/* Returns whether a character is an ASCII letter or digit. */
static bool
is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
		(c >= 'a' && c <= 'z');
}

/* Returns whether it is a cookie-octet of RFC 6265 section 4.1.1. */
static bool
is_cookie_octet(char c)
{
	return c > ' ' && c <= '~' && c != '"' && c != ',' && c != ';' &&
		c != '\\';
}

/* Returns whether all characters of a text are cookie-octets. */
static bool
are_cookie_octets(const SessionCookieText *text)
{
	for (size_t i = 0; i < text->len; i++)
	{
		if (!is_cookie_octet(text->chars[i]))
			return false;
	}
	return true;
}

/* Returns whether it is a token of RFC 9110 section 5.6.2. */
bool
session_cookie_header_is_name(const SessionCookieText *name)
{
	for (size_t i = 0; i < name->len; i++)
	{
		char		c = name->chars[i];

		if (!is_cookie_octet(c) || strchr("()/:<=>?@[]{}", c) != NULL)
			return false;
	}
	return name->len > 0;
}

/*
 * Returns whether it is the name of a host by RFC 1123 section 2.1, or an IPv4
 * address.
 */
static bool
is_host(const SessionCookieText *host)
{
	size_t		label = 0;		/* length of the label so far */
	char		last = '.';

	if (host->len > SESSION_COOKIE_DOMAIN_BYTES)
		return false;
	for (size_t i = 0; i < host->len; i++)
	{
		char		c = host->chars[i];

		if (c == '.' && (last == '.' || last == '-'))
			return false;
		if (c == '-' && last == '.')
			return false;
		if (c != '.' && c != '-' && !is_alnum(c))
			return false;
		label = c == '.' ? 0 : label + 1;
		if (label > LABEL_BYTES)
			return false;
		last = c;
	}
	return last != '.' && last != '-';
}

/* Returns whether a text starts with a prefix, in any case. */
static bool
starts_with(const SessionCookieText *text, const char *prefix)
{
	size_t		len = strlen(prefix);

	return text->len >= len && pg_strncasecmp(text->chars, prefix, len) == 0;
}

/* Checks a cookie against the prefix of its name. */
static SessionCookieFault
check_prefix(const SessionCookie *cookie)
{
	size_t		i = 0;

	while (i < lengthof(prefixes) &&
		   !starts_with(&cookie->name, prefixes[i].prefix))
		i++;
	if (i == lengthof(prefixes))
		return SESSION_COOKIE_OK;
	if (!cookie->secure)
		return SESSION_COOKIE_PREFIX_SECURE;
	if (prefixes[i].http_only && !cookie->http_only)
		return SESSION_COOKIE_PREFIX_HTTP_ONLY;
	if (prefixes[i].host && cookie->path.len != 1)
		return SESSION_COOKIE_PREFIX_PATH;
	if (prefixes[i].host && cookie->domain.len != 0)
		return SESSION_COOKIE_PREFIX_DOMAIN;
	return SESSION_COOKIE_OK;
}

/* Checks what the attributes of a cookie, and its name, require of others. */
static SessionCookieFault
check_together(const SessionCookie *cookie)
{
	SessionCookieFault fault = check_prefix(cookie);

	if (fault != SESSION_COOKIE_OK || cookie->secure)
		return fault;
	if (cookie->same_site == SESSION_SAME_SITE_NONE)
		return SESSION_COOKIE_SAME_SITE_SECURE;
	if (cookie->partitioned)
		return SESSION_COOKIE_PARTITIONED_SECURE;
	return SESSION_COOKIE_OK;
}

/* Returns what keeps a cookie from being sent, or SESSION_COOKIE_OK. */
SessionCookieFault
session_cookie_header_check(const SessionCookie *cookie)
{
	if (!session_cookie_header_is_name(&cookie->name))
		return SESSION_COOKIE_BAD_NAME;
	if (cookie->name.len > SESSION_COOKIE_NAME_BYTES)
		return SESSION_COOKIE_LONG_NAME;
	if (!are_cookie_octets(&cookie->path) ||
		(cookie->path.len > 0 && cookie->path.chars[0] != '/'))
		return SESSION_COOKIE_BAD_PATH;
	if (cookie->path.len > SESSION_COOKIE_PATH_BYTES)
		return SESSION_COOKIE_LONG_PATH;
	if (cookie->domain.len > 0 && !is_host(&cookie->domain))
		return SESSION_COOKIE_BAD_DOMAIN;
	if (cookie->max_age != SESSION_COOKIE_NO_MAX_AGE &&
		(cookie->max_age < 0 || cookie->max_age > SESSION_COOKIE_MAX_AGE))
		return SESSION_COOKIE_BAD_MAX_AGE;
	if (!are_cookie_octets(&cookie->value))
		return SESSION_COOKIE_BAD_VALUE;
	if (session_cookie_header_chunks(cookie) == 0)
		return SESSION_COOKIE_LONG_VALUE;
	return check_together(cookie);
}

/* Reads a value of SameSite, in any case. */
bool
session_cookie_header_same_site(SessionSameSite *same_site,
								const SessionCookieText *text)
{
	for (size_t i = 0; i < lengthof(same_site_names); i++)
	{
		if (text->len == strlen(same_site_names[i]) &&
			starts_with(text, same_site_names[i]))
		{
			*same_site = (SessionSameSite) i;
			return true;
		}
	}
	return false;
}

/*
 * Writing
 */

/* A header that is being written; if out is NULL, it is only measured. */
typedef struct Line
{
	char	   *out;
	size_t		len;
} Line;

/* Appends characters. */
static void
put_chars(Line *line, const char *chars, size_t len)
{
	if (line->out != NULL && len > 0)
		memcpy(line->out + line->len, chars, len);
	line->len += len;
}

/* Appends a string. */
static void
put_string(Line *line, const char *chars)
{
	put_chars(line, chars, strlen(chars));
}

/* Appends an attribute, unless its text is empty. */
static void
put_cookie_text(Line *line, const char *attribute, const SessionCookieText *text)
{
	if (text->len == 0)
		return;
	put_string(line, attribute);
	put_chars(line, text->chars, text->len);
}

/* Appends the name of a cookie, or of one of its chunks. */
static void
put_name(Line *line, const SessionCookieText *name, int chunk)
{
	char		digit;

	put_chars(line, name->chars, name->len);
	if (chunk == SESSION_COOKIE_WHOLE)
		return;
	put_chars(line, ".", 1);
	digit = (char) ('0' + chunk / 10);
	if (digit != '0')
		put_chars(line, &digit, 1);
	digit = (char) ('0' + chunk % 10);
	put_chars(line, &digit, 1);
}

/*
 * Appends Max-Age.  A removal has Expires as well, for clients that do not
 * know Max-Age.
 */
static void
put_max_age(Line *line, int64 max_age)
{
	char		buffer[32];

	if (max_age == SESSION_COOKIE_NO_MAX_AGE)
		return;
	snprintf(buffer, sizeof(buffer), "; Max-Age=%lld", (long long) max_age);
	put_string(line, buffer);
	if (max_age == 0)
		put_string(line, "; Expires=" EPOCH);
}

/* Appends all attributes of a cookie. */
static void
put_attributes(Line *line, const SessionCookie *cookie)
{
	put_cookie_text(line, "; Path=", &cookie->path);
	put_cookie_text(line, "; Domain=", &cookie->domain);
	put_max_age(line, cookie->max_age);
	if (cookie->secure)
		put_string(line, "; Secure");
	if (cookie->http_only)
		put_string(line, "; HttpOnly");
	put_string(line, "; SameSite=");
	put_string(line, same_site_names[cookie->same_site]);
	if (cookie->partitioned)
		put_string(line, "; Partitioned");
}

/* Returns how many bytes of the value fit into one cookie or chunk. */
static size_t
value_room(const SessionCookie *cookie, int chunk)
{
	Line		line = {NULL, 0};

	put_name(&line, &cookie->name, chunk);
	put_chars(&line, "=", 1);
	put_attributes(&line, cookie);
	return SESSION_COOKIE_BYTES - line.len;
}

/* Returns in how many cookies a value is sent; 0 = it is too long. */
int
session_cookie_header_chunks(const SessionCookie *cookie)
{
	size_t		each = value_room(cookie, LAST_CHUNK);

	if (cookie->value.len <= value_room(cookie, SESSION_COOKIE_WHOLE))
		return 1;
	if (cookie->value.len > each * SESSION_COOKIE_CHUNKS)
		return 0;
	return (int) ((cookie->value.len + each - 1) / each);
}

/* Writes the value of a Set-Cookie header.  Returns its length. */
size_t
session_cookie_header_write(char *out, const SessionCookie *cookie, int chunk)
{
	Line		line = {out, 0};
	size_t		start = 0;
	size_t		end = cookie->value.len;

	if (chunk != SESSION_COOKIE_WHOLE)
	{
		size_t		each = value_room(cookie, LAST_CHUNK);

		start = Min(each * chunk, end);
		end = Min(start + each, end);
	}
	put_name(&line, &cookie->name, chunk);
	put_chars(&line, "=", 1);
	if (start < end)
		put_chars(&line, cookie->value.chars + start, end - start);
	put_attributes(&line, cookie);
	return line.len;
}

/*
 * Reading
 */

/* Returns a text without the blanks around it. */
static SessionCookieText
trim_blanks(const char *start, const char *end)
{
	SessionCookieText result;

	while (start < end && (*start == ' ' || *start == '\t'))
		start++;
	while (start < end && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	result.chars = start;
	result.len = end - start;
	return result;
}

/*
 * Takes the next "name=value" off the header; false at its end.  Skips pairs
 * without "=".  A semicolon ends a pair even between quotes.
 */
static bool
next_pair(SessionCookieText *name, SessionCookieText *value,
		  SessionCookieText *rest)
{
	while (rest->len > 0)
	{
		const char *start = rest->chars;
		const char *last = start + rest->len;
		const char *end = memchr(start, ';', rest->len);
		const char *equals;

		rest->chars = end != NULL ? end + 1 : last;
		rest->len = last - rest->chars;
		if (end == NULL)
			end = last;
		equals = memchr(start, '=', end - start);
		if (equals == NULL)
			continue;
		*name = trim_blanks(start, equals);
		*value = trim_blanks(equals + 1, end);
		return true;
	}
	return false;
}

/* Returns the value of a digit, or NOT_OURS. */
static int
read_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : NOT_OURS;
}

/*
 * Returns which part of the wanted cookie has the name: the number of a chunk,
 * SESSION_COOKIE_WHOLE, or NOT_OURS.  A number has no leading zeroes, so every
 * chunk has only one name.
 */
static int
find_part(const SessionCookieText *name, const SessionCookieText *wanted)
{
	const char *suffix;
	int			tens;
	int			ones;

	if (name->len < wanted->len ||
		memcmp(name->chars, wanted->chars, wanted->len) != 0)
		return NOT_OURS;
	if (name->len == wanted->len)
		return SESSION_COOKIE_WHOLE;
	suffix = name->chars + wanted->len;
	if (*suffix != '.')
		return NOT_OURS;
	if (name->len == wanted->len + 2)
		return read_digit(suffix[1]);
	if (name->len != wanted->len + 3)
		return NOT_OURS;
	tens = read_digit(suffix[1]);
	ones = read_digit(suffix[2]);
	return tens > 0 && ones >= 0 ? tens * 10 + ones : NOT_OURS;
}

/* Finds the cookie of a name, and its chunks, in a Cookie header. */
void
session_cookie_header_find(SessionCookieFound *found,
						   const SessionCookieText *header,
						   const SessionCookieText *name)
{
	SessionCookieText rest = *header;
	SessionCookieText pair_name;
	SessionCookieText pair_value;

	memset(found, 0, sizeof(*found));
	while (next_pair(&pair_name, &pair_value, &rest))
	{
		int			part = find_part(&pair_name, name);
		SessionCookieText *place;

		if (part == NOT_OURS)
			continue;
		place = part == SESSION_COOKIE_WHOLE ? &found->whole :
			&found->chunks[part];
		if (place->chars == NULL)
			*place = pair_value;
	}
}

/* Sets the length of the value found; false when there is none. */
bool
session_cookie_header_value_len(const SessionCookieFound *found, size_t *len)
{
	int			count = 0;

	*len = found->whole.len;
	if (found->whole.chars != NULL)
		return true;
	while (count < SESSION_COOKIE_CHUNKS && found->chunks[count].chars != NULL)
		*len += found->chunks[count++].len;
	for (int i = count; i < SESSION_COOKIE_CHUNKS; i++)
	{
		if (found->chunks[i].chars != NULL)
			return false;
	}
	return count > 0;
}

/* Writes the value found. */
void
session_cookie_header_value(char *out, const SessionCookieFound *found)
{
	Line		line = {out, 0};

	if (found->whole.chars != NULL)
	{
		put_chars(&line, found->whole.chars, found->whole.len);
		return;
	}
	for (int i = 0; i < SESSION_COOKIE_CHUNKS; i++)
		put_chars(&line, found->chunks[i].chars, found->chunks[i].len);
}
