/*
 * digest.h
 *	  Hashes of tokens, and the digests that say which token a row has.
 *
 * A row keeps the SHA-256 of its session token's secret.  Snapshots and bound
 * identities carry a digest of that hash, which is not secret.  A digest is
 * short, because it only has to differ between the tokens of one session:
 * their secrets are random, and the digest is signed or kept in memory.
 */
#ifndef SESSION_DIGEST_H
#define SESSION_DIGEST_H

#include "model/row.h"
#include "wire/base64url.h"
#include "wire/token.h"

/* Size of a digest in bytes, and in characters without a terminator. */
#define SESSION_DIGEST_BYTES 9
#define SESSION_DIGEST_CHARS SESSION_BASE64URL_CHARS(SESSION_DIGEST_BYTES)

/* Raises the error for OpenSSL refusing to compute a hash. */
_Noreturn extern void session_digest_fail(void);

/*
 * Computes the SHA-256 of some bytes.  Raises an error when OpenSSL refuses.
 */
extern void session_digest_sha256(uint8 hash[SESSION_SHA256_BYTES],
								  const void *data, size_t len);

/*
 * Makes the id and the secret of a foreign token.  Raises an error when
 * OpenSSL refuses.
 */
extern void session_digest_foreign(SessionToken *token, const char *chars,
								   size_t len);

/* Computes the hash that a row keeps of a token. */
extern void session_digest_hash(uint8 hash[SESSION_SHA256_BYTES],
								const SessionToken *token);

/* Returns whether a token's secret is the one of the row, in constant time. */
extern bool session_digest_matches(const SessionRow *row,
								   const SessionToken *token);

/*
 * Returns the digest of a row's token, or of a token that a client sent, in
 * URL-safe characters.
 */
extern char *session_digest_of_row(const SessionRow *row);
extern char *session_digest_of_token(const SessionToken *token);

/* Compares two digests in constant time; false when either is NULL. */
extern bool session_digest_equal(const char *one, const char *other);

#endif							/* SESSION_DIGEST_H */
