/*
 * words.c
 *	  Short lists of names, as words and as arrays.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "compat.h"
#include "model/words.h"

/* Appends a name to words; returns false for what is not a name. */
bool
session_words_append(StringInfo words, const char *name, size_t len,
					 SessionWordTest is_name)
{
	if (!is_name(name, len))
		return false;
	if (words->len > 0)
		appendStringInfoChar(words, ' ');
	appendBinaryStringInfo(words, name, (int) len);
	return true;
}

/* Reads the words of an array; returns false for what is not names. */
bool
session_words_read(text **words, ArrayType *array, int most,
				   SessionWordTest is_name)
{
	StringInfoData found;
	Datum	   *elements;
	bool	   *nulls;
	int			count;

	/* Look at the size first: the array may be one that a client made. */
	if (ARR_NDIM(array) > 1 ||
		ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array)) > most)
		return false;
	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &elements,
					  &nulls, &count);
	initStringInfo(&found);
	for (int i = 0; i < count; i++)
	{
		text	   *name = nulls[i] ? NULL : DatumGetTextPP(elements[i]);

		if (name == NULL ||
			!session_words_append(&found, VARDATA_ANY(name),
								  VARSIZE_ANY_EXHDR(name), is_name))
			return false;
	}
	*words = cstring_to_text_with_len(found.data, found.len);
	return true;
}

/* Moves to the next word and returns its length, 0 when there is none. */
size_t
session_words_next(const char **word, const char **next, const char *end)
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
session_words_array(const text *words)
{
	Datum	   *elements;
	int			count = 0;
	const char *next;
	const char *end;
	const char *word;
	size_t		len;

	if (words == NULL)
		return NULL;
	next = VARDATA_ANY(words);
	end = next + VARSIZE_ANY_EXHDR(words);
	/* A word takes at least two bytes, with the space behind it. */
	elements = palloc_array(Datum, VARSIZE_ANY_EXHDR(words) / 2 + 1);
	while ((len = session_words_next(&word, &next, end)) > 0)
		elements[count++] =
			PointerGetDatum(cstring_to_text_with_len(word, (int) len));
	return construct_array(elements, count, TEXTOID, -1, false, TYPALIGN_INT);
}
