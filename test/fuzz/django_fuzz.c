/*
 * django_fuzz.c
 *	  Values of the encoding "django".
 */
#include "postgres.h"

#include "codec_fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	return fuzz_codec(&session_codec_django, data, size);
}
