/*
 * base64url_fuzz.c
 *	  Encoding and decoding base64url are inverse to each other.
 */
#include "postgres.h"

#include "fuzz.h"
#include "wire/base64url.h"

/* Text that can be decoded is the encoding of its bytes. */
static void
fuzz_text(const uint8 *data, size_t size)
{
	char	   *text = fuzz_copy(data, size);
	size_t		len = SESSION_BASE64URL_BYTES(size);
	uint8	   *bytes = malloc(len);

	if (session_base64url_decode(bytes, text, size))
	{
		fuzz_require(SESSION_BASE64URL_CHARS(len) == size);
		session_base64url_encode(text, bytes, len);
		fuzz_require(size == 0 || memcmp(text, data, size) == 0);
	}
	free(bytes);
	free(text);
}

/* Encoded bytes can be decoded, and can be encoded in place. */
static void
fuzz_bytes(const uint8 *data, size_t size)
{
	size_t		len = SESSION_BASE64URL_CHARS(size);
	char	   *text = malloc(len);
	char	   *room = malloc(len);
	uint8	   *bytes = malloc(size);

	session_base64url_encode(text, data, size);
	fuzz_require(session_base64url_decode(bytes, text, len));
	fuzz_require(SESSION_BASE64URL_BYTES(len) == size);
	if (size > 0)
	{
		fuzz_require(memcmp(bytes, data, size) == 0);
		memcpy(room + len - size, data, size);
		session_base64url_encode(room, (uint8 *) room + len - size, size);
		fuzz_require(memcmp(room, text, len) == 0);
	}
	free(bytes);
	free(room);
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	fuzz_text(data, size);
	fuzz_bytes(data, size);
	return 0;
}
