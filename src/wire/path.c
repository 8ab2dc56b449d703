/*
 * path.c
 *	  Matches paths of requests with a list of patterns.
 *
 * Rules: the list protects resources, so a path that servers may resolve in
 * different ways matches every list.
 */
#include "postgres.h"

#include "wire/hex.h"
#include "wire/path.h"

#define SEPARATORS ", \t\r\n"

/* Longest path, longer than web servers accept. */
#define PATH_CHARS 8192

/* Takes the next pattern off the list; false at its end. */
static bool
next_pattern(const char **list, const char **pattern, size_t *len)
{
	*pattern = *list + strspn(*list, SEPARATORS);
	*len = strcspn(*pattern, SEPARATORS);
	*list = *pattern + *len;
	return *len > 0;
}

/* Decodes the escape at *i; false if servers decode it in different ways. */
static bool
unescape_char(char *c, const char *path, size_t len, size_t *i)
{
	int			high = *i + 2 < len ? session_hex_digit(path[*i + 1]) : -1;
	int			low = *i + 2 < len ? session_hex_digit(path[*i + 2]) : -1;

	if (high < 0 || low < 0)
		return false;
	*c = (char) (high * 16 + low);
	*i += 2;
	return strchr("/\\%", *c) == NULL && *c != '\0';
}

/* Returns whether a path has a segment "." or "..". */
static bool
has_dots(const char *path, size_t len)
{
	size_t		start = 0;

	for (size_t i = 0; i <= len; i++)
	{
		if (i < len && path[i] != '/')
			continue;
		if ((i == start + 1 || (i == start + 2 && path[start + 1] == '.')) &&
			path[start] == '.')
			return true;
		start = i + 1;
	}
	return false;
}

/*
 * Writes the path as a server resolves it; false if servers may resolve it in
 * different ways.
 */
static bool
resolve_path(char *out, size_t *out_len, const char *path, size_t len)
{
	size_t		n = 0;

	if (len > PATH_CHARS)
		return false;
	for (size_t i = 0; i < len && path[i] != '?' && path[i] != '#'; i++)
	{
		char		c = path[i];

		if (c == '\\' || c == ';' || (c == '%' && !unescape_char(&c, path, len, &i)))
			return false;
		if (c != '/' || n == 0 || out[n - 1] != '/')
			out[n++] = c;
	}
	if (n > 1 && out[n - 1] == '/')
		n--;
	*out_len = n;
	return n > 0 && out[0] == '/' && !has_dots(out, n);
}

/* Returns whether a resolved path matches a pattern. */
static bool
matches_pattern(const char *pattern, size_t pattern_len, const char *path, size_t len)
{
	if (pattern[pattern_len - 1] == '*')
	{
		/* All below the last slash, and the path without that slash. */
		size_t		stem = pattern_len - 1;

		return (len >= stem && memcmp(path, pattern, stem) == 0) ||
			(len == stem - 1 && memcmp(path, pattern, len) == 0);
	}
	if (pattern_len > 1 && pattern[pattern_len - 1] == '/')
		pattern_len--;
	return len == pattern_len && memcmp(path, pattern, len) == 0;
}

/*
 * Returns whether a pattern, without a star or slash at its end, is a resolved
 * path.
 */
static bool
can_match(const char *pattern, size_t len)
{
	char		resolved[PATH_CHARS];
	size_t		resolved_len;

	if (len > 1 && pattern[len - 1] == '*')
		len--;
	if (memchr(pattern, '*', len) != NULL ||
		(len > 1 && memcmp(pattern + len - 2, "//", 2) == 0) ||
		!resolve_path(resolved, &resolved_len, pattern, len))
		return false;
	if (len > 1 && pattern[len - 1] == '/')
		len--;
	return resolved_len == len && memcmp(resolved, pattern, len) == 0;
}

/* Returns whether every pattern of a list can match a path. */
bool
session_path_list_valid(const char *list)
{
	const char *pattern;
	size_t		len;

	while (next_pattern(&list, &pattern, &len))
	{
		if (!can_match(pattern, len) ||
			(pattern[len - 1] == '*' && pattern[len - 2] != '/'))
			return false;
	}
	return true;
}

/* Returns whether a pattern of the list matches a path. */
bool
session_path_listed(const char *list, const char *path, size_t len)
{
	char		resolved[PATH_CHARS];
	bool		clear = resolve_path(resolved, &len, path, len);
	const char *pattern;
	size_t		pattern_len;

	while (next_pattern(&list, &pattern, &pattern_len))
		if (!clear || matches_pattern(pattern, pattern_len, resolved, len))
			return true;
	return false;
}
