/*
 * uri_fuzz.c
 *	  The spelling of a URI is a URI that has this spelling.
 */
#include "postgres.h"

#include "fuzz.h"
#include "wire/uri.h"

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	static char out[SESSION_URI_NORMAL_BYTES];
	static char again[SESSION_URI_NORMAL_BYTES];
	char	   *copy = fuzz_copy(data, size);
	size_t		len;
	size_t		again_len;

	if (session_uri_normalize(out, &len, copy, size))
	{
		fuzz_require(len <= sizeof(out) && session_uri_has_scheme(out, len));
		for (size_t i = 0; i < len; i++)
			fuzz_require(out[i] > ' ' && out[i] < 0x7f && out[i] != '?' &&
						 out[i] != '#');
		if (len <= SESSION_URI_BYTES)
		{
			fuzz_require(session_uri_normalize(again, &again_len, out, len));
			fuzz_require(again_len == len && memcmp(out, again, len) == 0);
		}
		fuzz_require(session_uri_same(copy, size, copy, size));
	}
	/* What is an origin is that of itself. */
	if (session_uri_is_origin(copy, size, "https://example.com", 19))
		fuzz_require(session_uri_is_origin(copy, size, copy, size));
	free(copy);
	return 0;
}
