/*
 * amr.h
 *	  Authentication methods (RFC 8176): how the user of a session proved who
 *	  they are.
 *
 * They are words (see words.h); NULL = none.
 */
#ifndef SESSION_AMR_H
#define SESSION_AMR_H

#include "model/words.h"

/* Most names of a session, and longest name in bytes. */
#define SESSION_AMR_NAMES 16
#define SESSION_AMR_NAME_BYTES 64

/*
 * Returns whether some bytes are a name: 1 to SESSION_AMR_NAME_BYTES printable
 * ASCII characters and no space.
 */
extern bool session_amr_is_name(const char *name, size_t len);

/*
 * Reads the words of an array, of at most SESSION_AMR_NAMES names.  Returns
 * false as session_words_read does.
 */
extern pg_nodiscard bool session_amr_read(text **words, ArrayType *array);

/* Returns whether one of the words is also one of those wanted. */
extern bool session_amr_has_any(const text *words, const text *wanted);

#endif							/* SESSION_AMR_H */
