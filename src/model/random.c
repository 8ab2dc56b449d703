/*
 * random.c
 *	  Random bytes for secrets and ids.
 */
#include "postgres.h"

#include "crypto/crypto.h"
#include "model/random.h"

/* Fills memory with random bytes, or raises an error. */
void
session_random_bytes(void *out, size_t len)
{
	if (!session_crypto_random(out, len))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random values")));
}
