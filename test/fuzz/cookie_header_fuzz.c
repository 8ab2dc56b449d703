/*
 * cookie_header_fuzz.c
 *	  Every cookie is refused or read back unchanged, and every Cookie header
 *	  can be read.
 *
 * The input is a byte of flags, a byte for the number of repetitions of the
 * value, and then name, path, domain, value and Cookie header, separated by
 * zeroes.
 */
#include "postgres.h"

#include "wire/cookie_header.h"

#define FIELDS 5
#define ROOM (SESSION_COOKIE_CHUNKS * (SESSION_COOKIE_BYTES + 2))

#define REQUIRE(condition) \
	do { if (!(condition)) __builtin_trap(); } while (0)

extern int	LLVMFuzzerTestOneInput(const uint8 *data, size_t size);

/*
 * Returns a copy of exactly that size, so that a sanitizer detects a read
 * beyond it.
 */
static SessionCookieText
copy_of(const char *chars, size_t len, int times)
{
	char	   *copy = malloc(Max(len * times, 1));
	SessionCookieText result;

	REQUIRE(copy != NULL);
	for (int i = 0; i < times && len > 0; i++)
		memcpy(copy + i * len, chars, len);
	result.chars = copy;
	result.len = len * times;
	return result;
}

/* Splits the input at zeroes. The last field gets the rest. */
static void
cut(SessionCookieText fields[FIELDS], const char *chars, size_t size,
	int times)
{
	for (int i = 0; i < FIELDS; i++)
	{
		const char *end = i < FIELDS - 1 ? memchr(chars, '\0', size) : NULL;
		size_t		len = end != NULL ? end - chars : size;

		fields[i] = copy_of(chars, len, i == 3 ? times : 1);
		len += end != NULL;
		chars += len;
		size -= len;
	}
}

/*
 * Requires that the line does not end its header and has no additional
 * attribute.
 */
static void
require_clean(const char *line, size_t len, const SessionCookie *cookie)
{
	int			semicolons = 0;
	int			expected;

	expected = 1 + cookie->secure + cookie->http_only + cookie->partitioned +
		(cookie->path.len > 0) + (cookie->domain.len > 0) +
		(cookie->max_age != SESSION_COOKIE_NO_MAX_AGE) +
		(cookie->max_age == 0);
	REQUIRE(len <= SESSION_COOKIE_BYTES);
	for (size_t i = 0; i < len; i++)
	{
		REQUIRE(line[i] >= ' ' && line[i] <= '~' && line[i] != '"');
		REQUIRE(line[i] != ',' || cookie->max_age == 0);
		semicolons += line[i] == ';';
	}
	REQUIRE(semicolons == expected);
}

/*
 * Writes the cookie, and to out the Cookie header with which a client answers.
 * Returns the length of the latter.
 */
static size_t
answer(char *out, const SessionCookie *cookie)
{
	int			chunks = session_cookie_header_chunks(cookie);
	size_t		used = 0;

	REQUIRE(chunks >= 1 && chunks <= SESSION_COOKIE_CHUNKS);
	for (int i = 0; i < chunks; i++)
	{
		char		line[SESSION_COOKIE_BYTES];
		size_t		len;

		len = session_cookie_header_write(line, cookie, chunks == 1 ?
										  SESSION_COOKIE_WHOLE : i);
		require_clean(line, len, cookie);
		len = (char *) memchr(line, ';', len) - line;
		REQUIRE(used + len + 2 <= ROOM);
		memcpy(out + used, line, len);
		memcpy(out + used + len, "; ", 2);
		used += len + 2;
	}
	return used;
}

/*
 * Returns the value of a cookie in memory of exactly its size; NULL = it is
 * missing.
 */
static char *
value_of(const SessionCookieText *header, const SessionCookieText *name,
		 size_t *len)
{
	SessionCookieFound found;
	char	   *value;

	session_cookie_header_find(&found, header, name);
	if (!session_cookie_header_value_len(&found, len))
		return NULL;
	REQUIRE(*len <= header->len);
	value = malloc(Max(*len, 1));
	REQUIRE(value != NULL);
	session_cookie_header_value(value, &found);
	return value;
}

static void
try_round_trip(const SessionCookie *cookie)
{
	static char out[ROOM];
	SessionCookieText header;
	char	   *value;
	size_t		len;

	if (session_cookie_header_check(cookie) != SESSION_COOKIE_OK)
		return;
	header = copy_of(out, answer(out, cookie), 1);
	value = value_of(&header, &cookie->name, &len);
	REQUIRE(value != NULL && len == cookie->value.len);
	REQUIRE(len == 0 || memcmp(value, cookie->value.chars, len) == 0);
	free(value);
	free(unconstify(char *, header.chars));
}

/* Returns the cookie that the flags and the fields describe. */
static SessionCookie
cookie_of(uint8 flags, const SessionCookieText fields[FIELDS])
{
	static const int64 ages[] = {SESSION_COOKIE_NO_MAX_AGE, 0, 3600, -1};
	SessionCookie cookie = {0};

	cookie.secure = (flags & 1) != 0;
	cookie.http_only = (flags & 2) != 0;
	cookie.partitioned = (flags & 4) != 0;
	cookie.same_site = (SessionSameSite) ((flags >> 3 & 3) % 3);
	cookie.max_age = ages[flags >> 5 & 3];
	cookie.name = fields[0];
	cookie.path = fields[1];
	cookie.domain = fields[2];
	cookie.value = fields[3];
	return cookie;
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	SessionCookieText fields[FIELDS];
	SessionCookie cookie;
	size_t		len;

	if (size < 2)
		return 0;
	cut(fields, (const char *) data + 2, size - 2, data[1]);
	cookie = cookie_of(data[0], fields);
	try_round_trip(&cookie);
	if (session_cookie_header_is_name(&cookie.name))
		free(value_of(&fields[4], &cookie.name, &len));
	for (int i = 0; i < FIELDS; i++)
		free(unconstify(char *, fields[i].chars));
	return 0;
}
