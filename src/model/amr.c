/*
 * amr.c
 *	  Authentication methods (RFC 8176): how the user of a session proved who
 *	  they are.
 */
#include "postgres.h"

#include "compat.h"
#include "model/amr.h"

/* Returns whether some bytes are the name of a method. */
bool
session_amr_is_name(const char *name, size_t len)
{
	if (len == 0 || len > SESSION_AMR_NAME_BYTES)
		return false;
	for (size_t i = 0; i < len; i++)
		if (name[i] <= ' ' || name[i] > '~')
			return false;
	return true;
}

/* Reads the words of an array; returns false for what is not names. */
bool
session_amr_read(text **words, ArrayType *array)
{
	return session_words_read(words, array, SESSION_AMR_NAMES,
							  session_amr_is_name);
}

/* Returns whether a name is one of some words. */
static bool
has_word(const text *words, const char *name, size_t name_len)
{
	const char *next = VARDATA_ANY(words);
	const char *end = next + VARSIZE_ANY_EXHDR(words);
	const char *word;
	size_t		len;

	while ((len = session_words_next(&word, &next, end)) > 0)
		if (len == name_len && memcmp(word, name, len) == 0)
			return true;
	return false;
}

/* Returns whether one of the words is also one of those wanted. */
bool
session_amr_has_any(const text *words, const text *wanted)
{
	const char *next = VARDATA_ANY(wanted);
	const char *end = next + VARSIZE_ANY_EXHDR(wanted);
	const char *word;
	size_t		len;

	if (words == NULL)
		return false;
	while ((len = session_words_next(&word, &next, end)) > 0)
		if (has_word(words, word, len))
			return true;
	return false;
}
