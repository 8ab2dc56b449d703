/*
 * express_fuzz.c
 *	  Values of the encoding "express".
 */
#include "postgres.h"

#include "codec_fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	return fuzz_codec(&session_codec_express, data, size);
}
