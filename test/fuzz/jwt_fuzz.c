/*
 * jwt_fuzz.c
 *	  Values and payloads of the encoding "jwt".
 */
#include "postgres.h"

#include "codec_fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	return fuzz_codec(&session_codec_jwt, data, size);
}
