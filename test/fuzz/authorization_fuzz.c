/*
 * authorization_fuzz.c
 *	  A bearer token follows a scheme and a space, and only blanks follow it.
 */
#include "postgres.h"

#include "fuzz.h"
#include "wire/authorization.h"

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	char	   *copy = fuzz_copy(data, size);
	const char *token;
	size_t		len;

	if (session_authorization_bearer(&token, &len, copy, size))
	{
		size_t		start = token - copy;

		fuzz_require(len > 0 && start >= strlen("Bearer "));
		fuzz_require(start + len <= size);
		fuzz_require(token[-1] == ' ' && token[0] != ' ');
		fuzz_require(token[len - 1] != ' ' && token[len - 1] != '\t');
		for (size_t i = start + len; i < size; i++)
			fuzz_require(copy[i] == ' ' || copy[i] == '\t');
	}
	free(copy);
	return 0;
}
