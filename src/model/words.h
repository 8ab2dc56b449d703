/*
 * words.h
 *	  Short lists of names: methods of authentication, scopes.
 *
 * In a row and in SQL they are an array of text.  Everywhere else they are
 * words: a text of names that are separated by one space.
 */
#ifndef SESSION_WORDS_H
#define SESSION_WORDS_H

#include "lib/stringinfo.h"
#include "utils/array.h"

/* Returns whether some bytes are a name; one has no space. */
typedef bool (*SessionWordTest) (const char *name, size_t len);

/*
 * Appends a name to words.  Returns false, with the words unchanged, for what
 * is not a name.
 */
extern pg_nodiscard bool session_words_append(StringInfo words,
											  const char *name, size_t len,
											  SessionWordTest is_name);

/*
 * Reads the words of an array; an empty array has empty words.  Returns false
 * for an array with more than one dimension, more than `most` elements, a NULL
 * or something that is not a name.
 */
extern pg_nodiscard bool session_words_read(text **words, ArrayType *array,
											int most, SessionWordTest is_name);

/*
 * Moves to the next word: sets *word to where it begins and *next behind it.
 * Returns its length, 0 when there is none.
 */
extern size_t session_words_next(const char **word, const char **next,
								 const char *end);

/* Returns the words as an array; NULL for NULL. */
extern ArrayType *session_words_array(const text *words);

#endif							/* SESSION_WORDS_H */
