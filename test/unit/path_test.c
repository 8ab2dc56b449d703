/*
 * path_test.c
 *	  Which paths match a list of patterns, and which lists are valid.
 */
#include "postgres.h"

#include "tap.h"
#include "wire/path.h"

/*
 * Copies the path without a terminator, so that a sanitizer detects a read
 * beyond it.
 */
static bool
listed_bytes(const char *list, const char *path, size_t len)
{
	char	   *copy = malloc(Max(len, 1));
	bool		result;

	memcpy(copy, path, len);
	result = session_path_listed(list, copy, len);
	free(copy);
	return result;
}

static bool
listed(const char *list, const char *path)
{
	return listed_bytes(list, path, strlen(path));
}

/* Returns whether all of the paths are listed, or none of them. */
static bool
all(bool expected, const char *list, const char *const *paths)
{
	bool		result = true;

	for (; *paths != NULL; paths++)
		if (listed(list, *paths) != expected)
		{
			fprintf(stdout, "# %s: %s\n", list, *paths);
			result = false;
		}
	return result;
}

#define MEANT(list, ...) \
	all(true, list, (const char *const []) {__VA_ARGS__, NULL})
#define NOT_MEANT(list, ...) \
	all(false, list, (const char *const []) {__VA_ARGS__, NULL})

static void
test_patterns(void)
{
	tap_ok(MEANT("/admin", "/admin", "/admin/") &&
		   NOT_MEANT("/admin", "/", "/admi", "/admins", "/admin/x", "/x/admin",
					 "/Admin", "/ADMIN"),
		   "a pattern matches the path with and without a slash at the end");
	tap_ok(MEANT("/admin/", "/admin", "/admin/") &&
		   NOT_MEANT("/admin/", "/", "/admin/x", "/admins"),
		   "a pattern with a slash at the end matches the same paths");
	tap_ok(MEANT("/admin/*", "/admin", "/admin/", "/admin/x", "/admin/x/y",
				 "/admin/*") &&
		   NOT_MEANT("/admin/*", "/", "/admi", "/admins", "/administration",
					 "/x/admin/y"),
		   "a star matches the path itself and all paths below");
	tap_ok(MEANT("/*", "/", "/x", "/x/y", "//") &&
		   MEANT("/", "/", "//") && NOT_MEANT("/", "/x"),
		   "the root is a path like any other");
	tap_ok(MEANT("/a,/b/* ,\t/c\n/d", "/a", "/b", "/b/x", "/c", "/d") &&
		   NOT_MEANT("/a,/b/* ,\t/c\n/d", "/", "/a/x", "/c/x", "/d,", "/,") &&
		   MEANT(",, /a ,,", "/a"),
		   "patterns are separated by commas and blanks");
	tap_ok(NOT_MEANT("", "/", "/x", "", "x", "/x/../y", "/%") &&
		   NOT_MEANT(" , \t", "/", "/x", "", "x", "/x/../y", "/%"),
		   "an empty list matches nothing");
}

static void
test_resolution(void)
{
	tap_ok(MEANT("/admin/*", "/%61dmin", "/%61%64%6d%69%6E", "/a%64min/x") &&
		   NOT_MEANT("/admin/*", "/%62dmin", "/x%20admin", "/%41dmin"),
		   "percent escapes are decoded");
	tap_ok(MEANT("/admin/*", "//admin", "/admin//x", "///admin///",
				 "//admin//x//") &&
		   MEANT("/a/b", "/a//b", "//a///b//"),
		   "several slashes in a row count as one");
	tap_ok(MEANT("/admin", "/admin?", "/admin?x=/y", "/admin/?a#b", "/admin#x") &&
		   NOT_MEANT("/admin", "/x?/admin", "/x#/admin", "/?admin"),
		   "the query and the fragment are ignored");
	tap_ok(MEANT("/admin", "/admin?/../x") &&
		   NOT_MEANT("/admin", "/x?/../y", "/x?a=%zz", "/x?a;b", "/x#\\"),
		   "doubtful characters in the query and the fragment are ignored");
}

static void
test_doubt(void)
{
	char		longest[8192];
	char		longer[8193];

	tap_ok(MEANT("/admin", "/..", "/.", "/x/..", "/x/.", "/x/../y", "/x/./y",
				 "/../x", "/./x", "/x/%2e%2e/y", "/x/.%2E/y", "/x/../admin",
				 "/x//..//y") &&
		   NOT_MEANT("/admin", "/...", "/x/...", "/x/.y", "/x/..y", "/x/y..",
					 "/.x", "/x./y"),
		   "a path with a segment . or .. matches every list");
	tap_ok(MEANT("/admin", "/%", "/%6", "/x%", "/%6g", "/%g6", "/%%61", "/% 1",
				 "/%+1", "/x%2", "/x%2/"),
		   "a path with an invalid escape matches every list");
	tap_ok(MEANT("/admin", "/x%2fy", "/x%2Fy", "/x%5cy", "/x%5Cy", "/%25", "/x%00y",
				 "/%2561dmin", "/%00"),
		   "a path with an escape of a special character matches every list");
	tap_ok(MEANT("/admin", "/x\\y", "\\admin", "/x;y", "/admin;x", "/x;/y"),
		   "a path with a backslash or a semicolon matches every list");
	tap_ok(MEANT("/admin", "", "x", "admin", "?", "#", "*", "?x", "http://h/x",
				 " /x"),
		   "a path that does not begin with a slash matches every list");

	memset(longest, 'x', sizeof(longest));
	memset(longer, 'x', sizeof(longer));
	longest[0] = longer[0] = '/';
	tap_ok(!listed_bytes("/admin", longest, sizeof(longest)) &&
		   listed_bytes("/*", longest, sizeof(longest)) &&
		   listed_bytes("/admin", longer, sizeof(longer)),
		   "a path longer than 8192 bytes matches every list");
	tap_ok(!listed_bytes("/admin", "/x\0y", 4) &&
		   !listed_bytes("/x", "/x\0", 3) &&
		   !listed_bytes("/x\xC3\xA4", "/x\xC3", 3) &&
		   listed_bytes("/x\xC3\xA4", "/x%c3%A4", 8),
		   "bytes are compared without conversion");
}

static void
test_every_byte(void)
{
	bool		same = true;

	/*
	 * Checks that every byte means the same as itself and escaped, or makes
	 * the path match every list.
	 */
	for (int c = 1; c < 256; c++)
	{
		char		plain[] = {'/', 'a', (char) c, 'b'};
		char		escaped[16];
		bool		raw;
		bool		undone;

		snprintf(escaped, sizeof(escaped), "/a%%%02xb", c);
		raw = listed_bytes("/admin", plain, sizeof(plain));
		undone = listed("/admin", escaped);
		same = same &&
			raw == (strchr("\\;%", c) != NULL) &&
			undone == (strchr("/\\%", c) != NULL);
	}
	tap_ok(same, "no other byte makes a path match every list");
}

static bool
valid(const char *const *lists, bool expected)
{
	bool		result = true;

	for (; *lists != NULL; lists++)
		if (session_path_list_valid(*lists) != expected)
		{
			fprintf(stdout, "# %s\n", *lists);
			result = false;
		}
	return result;
}

static void
test_lists(void)
{
	static const char *const good[] = {
		"", " ", ",", "/", "/*", "/a", "/a/", "/a/*", "/a/b/*", "/a,/b",
		" /a , /b/* ", "/a /b\t/c\r\n/d", "/a,", ",/a", "/rpc/pay", "/.a",
		"/a.b", "/...", "/\xC3\xA4", NULL
	};
	static const char *const bad[] = {
		"a", "*", "a/*", "/a, b", "/a*", "/*a", "/*/a", "/a/**", "/a/*/",
		"/a/*/b", "/**", "/a,*", "/a/*,/b*", "'/a'", "\"/a\"",
		"//a", "/a//b", "/a//", "/a//*", "/a/../b", "/..", "/./a", "/a/.",
		"/a/../*", "/%61", "/a%2Fb", "/a%", "/a?b", "/a?", "/a#b", "/a;b",
		"/a\\b", "/a,/b//c", "//*", "//", NULL
	};

	tap_ok(valid(good, true), "patterns that can match are valid");
	tap_ok(valid(bad, false), "patterns that can never match are invalid");
}

int
main(void)
{
	test_patterns();
	test_resolution();
	test_doubt();
	test_every_byte();
	test_lists();
	return tap_done();
}
