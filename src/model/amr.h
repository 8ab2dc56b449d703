/*
 * amr.h
 *	  Authentication methods (RFC 8176): how the user of a session proved who
 *	  they are.
 *
 * In a row and in SQL they are an array of text.  Everywhere else they are
 * words: a text of names that are separated by one space, NULL = none.
 */
#ifndef SESSION_AMR_H
#define SESSION_AMR_H

#include "lib/stringinfo.h"
#include "utils/array.h"

/* Most names of a session, and longest name in bytes. */
#define SESSION_AMR_NAMES 16
#define SESSION_AMR_NAME_BYTES 64

/*
 * Appends a name to words.  Returns false, with the words unchanged, unless
 * it is 1 to SESSION_AMR_NAME_BYTES printable ASCII characters and no space.
 */
extern pg_nodiscard bool session_amr_append(StringInfo words,
											const char *name, size_t len);

/*
 * Reads the words of an array; an empty array has empty words.  Returns false
 * for an array with more than one dimension, more than SESSION_AMR_NAMES
 * elements, a NULL or something that is not a name.
 */
extern pg_nodiscard bool session_amr_read(text **words, ArrayType *array);

/* Returns the words as an array; NULL for NULL. */
extern ArrayType *session_amr_array(const text *words);

/* Returns whether one of the words is also one of those wanted. */
extern bool session_amr_has_any(const text *words, const text *wanted);

#endif							/* SESSION_AMR_H */
