/*
 * fuzz.h
 *	  What the fuzz targets share.
 *
 * A target is linked with libFuzzer and the parts that need no server.  It
 * ends the process when a property does not hold, as a sanitizer does for an
 * error in memory.
 */
#ifndef SESSION_FUZZ_H
#define SESSION_FUZZ_H

#include <stdio.h>

extern int	LLVMFuzzerTestOneInput(const uint8 *data, size_t size);

#define fuzz_require(property) \
	do { \
		if (!(property)) \
		{ \
			fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, \
					__LINE__, #property); \
			abort(); \
		} \
	} while (0)

/* A copy of exactly that size, so that a byte read beyond it is noticed. */
static inline char *
fuzz_copy(const void *data, size_t size)
{
	char	   *copy = malloc(size);

	fuzz_require(copy != NULL || size == 0);
	if (size > 0)
		memcpy(copy, data, size);
	return copy;
}

#endif							/* SESSION_FUZZ_H */
