/*
 * digest.c
 *	  Hashes of tokens, and the digests that say which token a row has.
 *
 * Rules: a comparison takes a time that depends on the length alone.
 */
#include "postgres.h"

#include "crypto/crypto.h"
#include "model/digest.h"

/* Raises the error for a hash that OpenSSL refused to compute. */
void
session_digest_fail(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
			 errmsg("could not compute a hash")));
}

/* Computes SHA-256, or raises an error. */
void
session_digest_sha256(uint8 hash[SESSION_SHA256_BYTES], const void *data,
					  size_t len)
{
	if (!session_crypto_sha256(hash, data, len))
		session_digest_fail();
}

/* Makes the id and the secret of a foreign token, or raises an error. */
void
session_digest_foreign(SessionToken *token, const char *chars, size_t len)
{
	if (!session_token_of_foreign(token, chars, len))
		session_digest_fail();
}

/* Computes the hash of a token's secret that a row stores. */
void
session_digest_hash(uint8 hash[SESSION_SHA256_BYTES], const SessionToken *token)
{
	session_digest_sha256(hash, token->secret, sizeof(token->secret));
}

/* Returns whether a token's secret is the one of the row, in constant time. */
bool
session_digest_matches(const SessionRow *row, const SessionToken *token)
{
	uint8		hash[SESSION_SHA256_BYTES];

	session_digest_hash(hash, token);
	return session_crypto_equal(hash, row->token_hash, sizeof(hash));
}

/* Returns the digest of the token of a row. */
char *
session_digest_of_row(const SessionRow *row)
{
	uint8		hash[SESSION_SHA256_BYTES];
	char	   *digest = palloc0(SESSION_DIGEST_CHARS + 1);

	session_digest_sha256(hash, row->token_hash, sizeof(row->token_hash));
	session_base64url_encode(digest, hash, SESSION_DIGEST_BYTES);
	return digest;
}

/* Returns the digest of a token that a client sent. */
char *
session_digest_of_token(const SessionToken *token)
{
	SessionRow	row = {0};

	session_digest_hash(row.token_hash, token);
	return session_digest_of_row(&row);
}

/* Compares two digests in constant time; false when either is NULL. */
bool
session_digest_equal(const char *one, const char *other)
{
	return one != NULL && other != NULL && strlen(one) == strlen(other) &&
		session_crypto_equal(one, other, strlen(one));
}
