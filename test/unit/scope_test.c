/*
 * scope_test.c
 *	  Which texts are scopes, and what covers what.
 */
#include "postgres.h"

#include "model/scope.h"
#include "tap.h"

/*
 * Copies bytes without a terminator, so that a sanitizer detects a read beyond
 * them.
 */
static char *
copy_of(const char *bytes)
{
	return memcpy(malloc(Max(strlen(bytes), 1)), bytes, strlen(bytes));
}

static bool
is_scope(const char *name)
{
	char	   *copy = copy_of(name);
	bool		result = session_scope_is_name(copy, strlen(name));

	free(copy);
	return result;
}

/* Calls one of the two functions that compare. */
static bool
asked(bool (*function) (const char *, size_t, const char *, size_t),
	  const char *words, const char *wanted)
{
	char	   *left = copy_of(words);
	char	   *right = copy_of(wanted);
	bool		result = function(left, strlen(words), right, strlen(wanted));

	free(left);
	free(right);
	return result;
}

static bool
covers(const char *words, const char *scope)
{
	return asked(session_scope_covers, words, scope);
}

static bool
covers_all(const char *words, const char *wanted)
{
	return asked(session_scope_covers_all, words, wanted);
}

/* Every character, alone and within a scope. */
static void
test_characters(void)
{
	bool		valid = true;

	for (int c = 0; c < 256; c++)
	{
		char		name[3] = {'a', (char) c, 'b'};
		bool		expected = c == 0x21 || (c >= 0x23 && c <= 0x5B) ||
		(c >= 0x5D && c <= 0x7E);

		if (session_scope_is_name(name, 3) != expected ||
			session_scope_is_name(&name[1], 1) != expected)
			valid = false;
	}
	tap_ok(valid, "a scope has the characters of RFC 6749");
}

static void
test_names(void)
{
	char		longest[SESSION_SCOPE_BYTES + 2] = {0};

	tap_ok(is_scope("todo:read") && is_scope("*") && is_scope("todo:*") &&
		   is_scope("https://example.com/mail") && is_scope("a*b"),
		   "scopes are accepted");
	tap_ok(!is_scope("") && !is_scope(" ") && !is_scope("todo read") &&
		   !is_scope("todo:read ") && !is_scope("caf\303\251"),
		   "other texts are not");
	memset(longest, 'a', SESSION_SCOPE_BYTES);
	tap_ok(is_scope(longest), "a scope can have 128 bytes");
	longest[SESSION_SCOPE_BYTES] = 'a';
	tap_ok(!is_scope(longest), "a scope cannot have 129 bytes");
}

static void
test_covers(void)
{
	tap_ok(covers("todo:read", "todo:read") &&
		   covers("a todo:read b", "todo:read") && covers("a b", "b") &&
		   covers("a b", "a"),
		   "a scope covers itself");
	tap_ok(!covers("todo:read", "todo:rea") &&
		   !covers("todo:read", "todo:reads") && !covers("todo", "todo:read") &&
		   !covers("todo:read", "Todo:read") && !covers("a b", "a b") &&
		   !covers("ab", "b"),
		   "a scope covers no other");
	tap_ok(covers("todo:*", "todo:read") && covers("todo:*", "todo:a:b") &&
		   covers("todo:*", "todo:*") && covers("todo:*", "todo:a:*") &&
		   covers("todo:*", "todo:") && covers("a:b:*", "a:b:c") &&
		   covers("x todo:*", "todo:read"),
		   "an asterisk behind a colon covers what begins the same");
	tap_ok(!covers("todo:*", "todo") && !covers("todo:*", "todos:read") &&
		   !covers("todo:*", "*") && !covers("todo:*", "other:todo:read") &&
		   !covers("a:b:*", "a:c") && !covers("todo:a:*", "todo:*"),
		   "and nothing else");
	tap_ok(covers("*", "todo:read") && covers("*", "*") && covers("*", "x:*") &&
		   covers("a *", "b"), "an asterisk alone covers all scopes");
	tap_ok(!covers("to*", "todo") && covers("to*", "to*") &&
		   !covers("*:read", "todo:read") && !covers("a*", "a:b") &&
		   !covers("**", "a") && !covers("todo:**", "todo:read") &&
		   !covers("todo:read", "todo:*"),
		   "an asterisk elsewhere is a character");
	tap_ok(!covers("", "a") && !covers("", "*") && !covers("a", "") &&
		   !covers("*", ""), "nothing covers nothing");
}

static void
test_covers_all(void)
{
	tap_ok(covers_all("a b todo:*", "b todo:read a") && covers_all("*", "a b *"),
		   "scopes cover a subset");
	tap_ok(!covers_all("a b", "a b c") && !covers_all("a b", "*") &&
		   !covers_all("todo:read", "todo:*"),
		   "scopes do not cover more");
	tap_ok(covers_all("a", "") && covers_all("", "") && !covers_all("", "a"),
		   "no scopes are a subset of all");
}

int
main(void)
{
	test_characters();
	test_names();
	test_covers();
	test_covers_all();
	return tap_done();
}
