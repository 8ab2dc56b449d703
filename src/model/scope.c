/*
 * scope.c
 *	  Scopes (RFC 6749, section 3.3): what a derived session may do.
 */
#include "postgres.h"

#include "model/scope.h"

/* Returns whether some bytes are a scope. */
bool
session_scope_is_name(const char *name, size_t len)
{
	if (len == 0 || len > SESSION_SCOPE_BYTES)
		return false;
	for (size_t i = 0; i < len; i++)
		if (name[i] <= ' ' || name[i] > '~' || name[i] == '"' ||
			name[i] == '\\')
			return false;
	return true;
}

/*
 * Returns the length of the word that begins where *next points, and moves
 * *next behind it and the space that follows.
 */
static size_t
take_scope(const char **next, const char *end)
{
	const char *begin = *next;
	const char *space = memchr(begin, ' ', end - begin);

	*next = space == NULL ? end : space + 1;
	return (space == NULL ? end : space) - begin;
}

/* Returns whether one scope covers another. */
static bool
covers_one(const char *granted, size_t len, const char *scope,
		   size_t scope_len)
{
	if (len == scope_len && memcmp(granted, scope, len) == 0)
		return true;
	if (len == 0 || granted[len - 1] != '*')
		return false;
	if (len == 1)
		return true;
	return granted[len - 2] == ':' && scope_len >= len - 1 &&
		memcmp(granted, scope, len - 1) == 0;
}

/* Returns whether one of the words covers a scope. */
bool
session_scope_covers(const char *words, size_t len, const char *scope,
					 size_t scope_len)
{
	const char *next = words;
	const char *end = words + len;

	if (scope_len == 0)
		return false;
	while (next < end)
	{
		const char *word = next;
		size_t		word_len = take_scope(&next, end);

		if (covers_one(word, word_len, scope, scope_len))
			return true;
	}
	return false;
}

/* Returns whether the words together cover each of the words wanted. */
bool
session_scope_covers_all(const char *words, size_t len, const char *wanted,
						 size_t wanted_len)
{
	const char *next = wanted;
	const char *end = wanted + wanted_len;

	while (next < end)
	{
		const char *word = next;
		size_t		word_len = take_scope(&next, end);

		if (word_len > 0 && !session_scope_covers(words, len, word, word_len))
			return false;
	}
	return true;
}
