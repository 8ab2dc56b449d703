/*
 * crypto.h
 *	  Everything cryptographic, behind names that say what for.
 *
 * Out parameters come first.  A function returns true or it has written
 * nothing usable; callers must look.
 */
#ifndef SESSION_CRYPTO_H
#define SESSION_CRYPTO_H

#define SESSION_SHA256_BYTES 32

/* Fills out with bytes nobody can predict; false when the system has none. */
extern pg_nodiscard bool session_crypto_random(void *out, size_t len);

extern pg_nodiscard bool session_crypto_sha256(uint8 out[SESSION_SHA256_BYTES],
											   const void *in, size_t len);

/* Compares in time that depends on len alone.  Use it for every secret. */
extern bool session_crypto_equal(const void *a, const void *b, size_t len);

/* Overwrites a secret in a way the compiler may not remove. */
extern void session_crypto_wipe(void *secret, size_t len);

#endif							/* SESSION_CRYPTO_H */
