/*
 * fuzz.h
 *	  Shared by the fuzz targets.
 *
 * A target is linked with libFuzzer and the sources that need no server.  It
 * aborts if a property does not hold, as a sanitizer does for a memory error.
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

/*
 * Returns a copy of exactly that size, so that a sanitizer detects a read
 * beyond it.
 */
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
