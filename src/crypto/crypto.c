/*
 * crypto.c
 *	  The only file that includes OpenSSL.
 *
 * Rules: no server state beyond postgres.h, so that the fuzzers and unit
 * tests link it as it is.  The digest context and the fetched algorithm live
 * as long as the process: fetching on every call costs more than the hash.
 * Nothing secret stays in them, because a context is wiped when it is
 * initialised again and finishing clears the block buffer.
 */
#include "postgres.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include "crypto/crypto.h"

static EVP_MD *sha256 = NULL;
static EVP_MD_CTX *digest = NULL;

bool
session_crypto_random(void *out, size_t len)
{
	return pg_strong_random(out, len);
}

bool
session_crypto_sha256(uint8 out[SESSION_SHA256_BYTES], const void *in,
					  size_t len)
{
	bool		ok;

	if (sha256 == NULL)
		sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	if (digest == NULL)
		digest = EVP_MD_CTX_new();
	ok = sha256 != NULL && digest != NULL &&
		EVP_DigestInit_ex2(digest, sha256, NULL) == 1 &&
		EVP_DigestUpdate(digest, in, len) == 1 &&
		EVP_DigestFinal_ex(digest, out, NULL) == 1;
	if (!ok)
		ERR_clear_error();
	return ok;
}

bool
session_crypto_equal(const void *a, const void *b, size_t len)
{
	return CRYPTO_memcmp(a, b, len) == 0;
}

void
session_crypto_wipe(void *secret, size_t len)
{
	explicit_bzero(secret, len);
}
