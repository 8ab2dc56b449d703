/*
 * amr.c
 *	  Authentication methods (RFC 8176): how the user of a session proved who
 *	  they are.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "compat.h"
#include "model/amr.h"

/* Appends a name to words; returns false for what is not a name. */
bool
session_amr_append(StringInfo words, const char *name, size_t len)
{
	if (len == 0 || len > SESSION_AMR_NAME_BYTES)
		return false;
	for (size_t i = 0; i < len; i++)
		if (name[i] <= ' ' || name[i] > '~')
			return false;
	if (words->len > 0)
		appendStringInfoChar(words, ' ');
	appendBinaryStringInfo(words, name, (int) len);
	return true;
}

/* Reads the words of an array; returns false for what is not names. */
bool
session_amr_read(text **words, ArrayType *array)
{
	StringInfoData found;
	Datum	   *elements;
	bool	   *nulls;
	int			count;

	/* Look at the size first: the array may be one that a client made. */
	if (ARR_NDIM(array) > 1 ||
		ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array)) > SESSION_AMR_NAMES)
		return false;
	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &elements,
					  &nulls, &count);
	initStringInfo(&found);
	for (int i = 0; i < count; i++)
	{
		text	   *name = nulls[i] ? NULL : DatumGetTextPP(elements[i]);

		if (name == NULL ||
			!session_amr_append(&found, VARDATA_ANY(name),
								VARSIZE_ANY_EXHDR(name)))
			return false;
	}
	*words = cstring_to_text_with_len(found.data, found.len);
	return true;
}

/*
 * Moves to the next word: sets *word to where it begins and *next behind it.
 * Returns its length, 0 when there is none.
 */
static size_t
next_word(const char **word, const char **next, const char *end)
{
	*word = *next;
	while (*word < end && **word == ' ')
		(*word)++;
	*next = *word;
	while (*next < end && **next != ' ')
		(*next)++;
	return *next - *word;
}

/* Returns the words as an array; NULL for NULL. */
ArrayType *
session_amr_array(const text *words)
{
	Datum		elements[SESSION_AMR_NAMES];
	int			count = 0;
	const char *next;
	const char *end;
	const char *word;
	size_t		len;

	if (words == NULL)
		return NULL;
	next = VARDATA_ANY(words);
	end = next + VARSIZE_ANY_EXHDR(words);
	while (count < SESSION_AMR_NAMES &&
		   (len = next_word(&word, &next, end)) > 0)
		elements[count++] =
			PointerGetDatum(cstring_to_text_with_len(word, (int) len));
	return construct_array(elements, count, TEXTOID, -1, false, TYPALIGN_INT);
}

/* Returns whether a name is one of some words. */
static bool
has_word(const text *words, const char *name, size_t name_len)
{
	const char *next = VARDATA_ANY(words);
	const char *end = next + VARSIZE_ANY_EXHDR(words);
	const char *word;
	size_t		len;

	while ((len = next_word(&word, &next, end)) > 0)
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
	while ((len = next_word(&word, &next, end)) > 0)
		if (has_word(words, word, len))
			return true;
	return false;
}
