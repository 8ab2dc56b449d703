/*
 * path_fuzz.c
 *	  A path that a server would resolve to a pattern of the list is matched in
 *	  every spelling.
 *
 * The input is a list of patterns and a path, separated by a zero.
 */
#include "postgres.h"

#include "fuzz.h"
#include "wire/path.h"

/* Returns a string of exactly that size and a terminator. */
static char *
string_of(const uint8 *data, size_t size)
{
	char	   *string = malloc(size + 1);

	fuzz_require(string != NULL);
	if (size > 0)
		memcpy(string, data, size);
	string[size] = '\0';
	return string;
}

static bool
is_blank(const char *list)
{
	return list[strspn(list, ", \t\r\n")] == '\0';
}

/*
 * Writes a path in several spellings that mean the same. All must be listed.
 */
static void
require_each_way(const char *list, const char *path, size_t len)
{
	char	   *way = malloc(3 * len + 2);
	size_t		n = 0;

	fuzz_require(way != NULL);
	for (size_t i = 0; i < len; i++)
	{
		if (strchr("/?#\\%;", path[i]) != NULL)
			way[n++] = path[i];
		else
			n += (size_t) sprintf(way + n, "%%%02X", (uint8) path[i]);
	}
	fuzz_require(n > 8192 || session_path_listed(list, way, n));
	memcpy(way, path, len);
	way[len] = '?';
	fuzz_require(session_path_listed(list, way, len + 1));
	memmove(way + 1, path, len);
	way[0] = '/';
	fuzz_require(len + 1 > 8192 || session_path_listed(list, way, len + 1));
	free(way);
}

/* Returns whether no server can interpret the path in another way. */
static bool
is_plain(const char *path, size_t len)
{
	if (len == 0 || len > 2048 || path[0] != '/')
		return false;
	for (size_t i = 0; i < len; i++)
		if (memchr("\0?#\\%;.", path[i], 7) != NULL ||
			(i > 0 && path[i] == '/' && path[i - 1] == '/'))
			return false;
	return true;
}

/* Requires that every pattern matches itself. */
static void
require_own(const char *list)
{
	const char *next = list;

	while (!is_blank(next))
	{
		const char *pattern = next + strspn(next, ", \t\r\n");
		size_t		len = strcspn(pattern, ", \t\r\n");

		fuzz_require(pattern[0] == '/');
		fuzz_require(len > 8192 ||
					 session_path_listed(list, pattern, len));
		if (is_plain(pattern, len))
			require_each_way(list, pattern, len);
		next = pattern + len;
	}
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	const uint8 *zero = memchr(data, '\0', size);
	size_t		list_len = zero == NULL ? size : (size_t) (zero - data);
	size_t		len = zero == NULL ? 0 : size - list_len - 1;
	char	   *list = string_of(data, list_len);
	char	   *path = fuzz_copy(data + size - len, len);
	bool		listed = session_path_listed(list, path, len);

	fuzz_require(!listed || !is_blank(list));
	if (session_path_list_valid(list))
	{
		require_own(list);
		if (listed && is_plain(path, len))
			require_each_way(list, path, len);
		fuzz_require(is_blank(list) || len > 8192 || listed ||
					 session_path_listed("/*", path, len));
	}
	free(path);
	free(list);
	return 0;
}
