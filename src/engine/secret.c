/*
 * secret.c
 *	  The tokens that a client gets, and the secrets of them that a row stores.
 *
 * Rules:
 * - A row stores the hash of its session token's secret.
 * - A foreign token is replaced by the id and the secret that are made of it
 *	 where it is read, so that nothing below knows of it.  Its text is kept
 *	 only to be returned.
 * - A refreshable row also stores the key from which its tokens are derived,
 *	 sealed (see table/seal.c).  The opened key never leaves this file and is
 *	 wiped after use.
 * - Secrets are compared in constant time.
 */
#include "postgres.h"

#include "compat.h"
#include "crypto/crypto.h"
#include "engine/secret.h"
#include "model/digest.h"
#include "model/random.h"
#include "settings.h"
#include "table/seal.h"

/* What the key is sealed for. */
#define USE "refresh"

#define SEALED_BYTES (SESSION_SECRET_BYTES + SESSION_SEAL_OVERHEAD)

/* Reads a session token of our own, or a foreign one if these are accepted. */
bool
session_secret_read(SessionToken *token, const char *chars, size_t len)
{
	if (session_token_parse(token, chars, len))
		return true;
	if (!session_settings.foreign_tokens ||
		!session_token_is_foreign(chars, len))
		return false;
	session_digest_foreign(token, chars, len);
	return true;
}

/* Keeps the text of a token if it is a foreign one. */
static void
keep_foreign(SessionCredentials *given, const char *chars, size_t len)
{
	given->refreshable = false;
	given->foreign_len = session_token_is_foreign(chars, len) ? len : 0;
	memcpy(given->foreign, chars, given->foreign_len);
}

/* Reads a session token that is returned to the client. */
bool
session_secret_read_given(SessionCredentials *given, const char *chars,
						  size_t len)
{
	if (!session_secret_read(&given->token, chars, len))
		return false;
	keep_foreign(given, chars, len);
	return true;
}

/* Gives a new row the id and the hash of a foreign token. */
void
session_secret_adopt(SessionRow *row, const text *foreign,
					 SessionCredentials *given)
{
	const char *chars = VARDATA_ANY(foreign);
	size_t		len = VARSIZE_ANY_EXHDR(foreign);

	session_digest_foreign(&given->token, chars, len);
	keep_foreign(given, chars, len);
	memcpy(row->id.data, given->token.id, sizeof(row->id.data));
	session_digest_hash(row->token_hash, &given->token);
}

/* Opens the row's key; the caller wipes it. */
static void
open_refresh_key(uint8 key[SESSION_SECRET_BYTES], const SessionRow *row)
{
	if (row->refresh_key == NULL ||
		VARSIZE_ANY_EXHDR(row->refresh_key) != SEALED_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("refresh_key of a session has the wrong size")));
	if (!session_seal_open(key, VARDATA_ANY(row->refresh_key), SEALED_BYTES,
						   USE, &row->id))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("refresh_key of a session is damaged")));
}

/* Seals the row's key with the newest key of the ring. */
static void
seal_refresh_key(SessionRow *row, const uint8 key[SESSION_SECRET_BYTES])
{
	row->refresh_key = palloc0(VARHDRSZ + SEALED_BYTES);
	SET_VARSIZE(row->refresh_key, VARHDRSZ + SEALED_BYTES);
	session_seal_close((uint8 *) VARDATA(row->refresh_key), key,
					   SESSION_SECRET_BYTES, USE, &row->id);
}

/*
 * Derives the tokens of the row's generation from its key, which is wiped, and
 * sets the row's hash.
 */
static void
derive_tokens(SessionRow *row, uint8 key[SESSION_SECRET_BYTES],
			  SessionCredentials *given)
{
	bool		derived;

	given->refreshable = true;
	given->foreign_len = 0;
	derived = session_token_derive(&given->token, &given->refresh,
								   row->id.data,
								   (uint32) row->refresh_generation, key);
	session_crypto_wipe(key, SESSION_SECRET_BYTES);
	if (!derived)
		session_digest_fail();
	session_digest_hash(row->token_hash, &given->token);
}

/*
 * Derives the tokens of the row's generation, and sets its hash.  The row's
 * key is sealed again if that was done with an older key of the ring.
 */
void
session_secret_derive(SessionRow *row, SessionCredentials *given)
{
	uint8		key[SESSION_SECRET_BYTES];

	open_refresh_key(key, row);
	if (!session_seal_is_newest(VARDATA_ANY(row->refresh_key)))
		seal_refresh_key(row, key);
	derive_tokens(row, key, given);
}

/* Gives a refreshable row a new key and the tokens of the next generation. */
static void
issue_refreshable(SessionRow *row, SessionCredentials *given)
{
	uint8		key[SESSION_SECRET_BYTES];

	session_random_bytes(key, sizeof(key));
	seal_refresh_key(row, key);
	/* Tokens of the old key are invalid, so generations may repeat. */
	row->refresh_generation = row->refresh_generation < PG_INT32_MAX ?
		row->refresh_generation + 1 : 1;
	row->rotated_at = SESSION_NO_TIME;
	derive_tokens(row, key, given);
}

/* Gives the row new tokens. */
void
session_secret_issue(SessionRow *row, SessionCredentials *given)
{
	if (row->refresh_expires_at != SESSION_NO_TIME)
	{
		issue_refreshable(row, given);
		return;
	}
	given->refreshable = false;
	given->foreign_len = 0;
	memcpy(given->token.id, row->id.data, sizeof(given->token.id));
	session_random_bytes(given->token.secret, sizeof(given->token.secret));
	session_digest_hash(row->token_hash, &given->token);
}

/* Returns whether the row has a sealed key. */
bool
session_secret_has_key(const SessionRow *row, const bytea *sealed)
{
	size_t		len = VARSIZE_ANY_EXHDR(sealed);

	return row->refresh_key != NULL &&
		VARSIZE_ANY_EXHDR(row->refresh_key) == len &&
		memcmp(VARDATA_ANY(row->refresh_key), VARDATA_ANY(sealed), len) == 0;
}

/* Returns whether a refresh token was made with the row's key. */
bool
session_secret_made(const SessionRow *row, const SessionRefreshToken *token)
{
	uint8		key[SESSION_SECRET_BYTES];
	SessionToken unused;
	SessionRefreshToken expected;
	bool		derived;
	bool		same;

	open_refresh_key(key, row);
	derived = session_token_derive(&unused, &expected, row->id.data,
								   session_token_generation(token), key);
	session_crypto_wipe(key, sizeof(key));
	if (!derived)
		session_digest_fail();
	same = session_crypto_equal(&expected, token, sizeof(expected));
	session_crypto_wipe(&unused, sizeof(unused));
	session_crypto_wipe(&expected, sizeof(expected));
	return same;
}
