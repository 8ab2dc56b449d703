/*
 * secret.c
 *	  What a client is given, and what is kept of it.
 *
 * Rules: a row holds the hash of its session token's secret.  A refreshable
 * row also holds the key its tokens are derived from, sealed under the master
 * key and bound to the session's id; opened, it never leaves this file and is
 * wiped.  Comparisons are constant-time.
 */
#include "postgres.h"

#include "compat.h"
#include "crypto/crypto.h"
#include "table/keyring.h"
#include "engine/secret.h"

#define SEALED_BYTES (SESSION_SECRET_BYTES + SESSION_SEAL_BYTES)

void
session_secret_random(void *out, size_t len)
{
	if (!session_crypto_random(out, len))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random values")));
}

static void
refuse_crypto(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
			 errmsg("could not compute a hash")));
}

void
session_secret_hash(uint8 hash[SESSION_SHA256_BYTES], const SessionToken *token)
{
	if (!session_crypto_sha256(hash, token->secret, sizeof(token->secret)))
		refuse_crypto();
}

bool
session_secret_matches(const SessionRow *row, const SessionToken *token)
{
	uint8		hash[SESSION_SHA256_BYTES];

	session_secret_hash(hash, token);
	return session_crypto_equal(hash, row->token_hash, sizeof(hash));
}

char *
session_secret_digest(const SessionRow *row)
{
	uint8		hash[SESSION_SHA256_BYTES];
	char	   *digest = palloc0(SESSION_DIGEST_CHARS + 1);

	if (!session_crypto_sha256(hash, row->token_hash, sizeof(row->token_hash)))
		refuse_crypto();
	session_base64url_encode(digest, hash, SESSION_DIGEST_BYTES);
	return digest;
}

char *
session_secret_token_digest(const SessionToken *token)
{
	SessionRow	row = {0};

	session_secret_hash(row.token_hash, token);
	return session_secret_digest(&row);
}

bool
session_secret_same_digest(const char *one, const char *other)
{
	return one != NULL && other != NULL && strlen(one) == strlen(other) &&
		session_crypto_equal(one, other, strlen(one));
}

/* Opens the row's key; whoever calls wipes it. */
static void
open_key(uint8 key[SESSION_SECRET_BYTES], const SessionRow *row)
{
	if (VARSIZE_ANY_EXHDR(row->refresh_key) != SEALED_BYTES)
		elog(ERROR, "refresh_key of a session has the wrong size");
	session_keyring_open(key, VARDATA_ANY(row->refresh_key), SEALED_BYTES,
						 "refresh", row->id.data, sizeof(row->id.data));
}

static void
make_key(SessionRow *row)
{
	uint8		key[SESSION_SECRET_BYTES];

	session_secret_random(key, sizeof(key));
	row->refresh_key = palloc0(VARHDRSZ + SEALED_BYTES);
	SET_VARSIZE(row->refresh_key, VARHDRSZ + SEALED_BYTES);
	session_keyring_seal((uint8 *) VARDATA(row->refresh_key), key, sizeof(key),
						 "refresh", row->id.data, sizeof(row->id.data));
	session_crypto_wipe(key, sizeof(key));
}

void
session_secret_derive(SessionRow *row, SessionCredentials *given)
{
	uint8		key[SESSION_SECRET_BYTES];
	bool		derived;

	open_key(key, row);
	given->refreshable = true;
	derived = session_token_derive(&given->token, &given->refresh,
								   row->id.data,
								   (uint32) row->refresh_generation, key);
	session_crypto_wipe(key, sizeof(key));
	if (!derived)
		refuse_crypto();
	session_secret_hash(row->token_hash, &given->token);
}

void
session_secret_issue(SessionRow *row, SessionCredentials *given)
{
	if (row->refresh_expires_at != SESSION_NO_TIME)
	{
		make_key(row);
		/* Nothing of an earlier key is good, so they may begin again. */
		row->refresh_generation = row->refresh_generation < PG_INT32_MAX ?
			row->refresh_generation + 1 : 1;
		row->rotated_at = SESSION_NO_TIME;
		session_secret_derive(row, given);
		return;
	}
	given->refreshable = false;
	memcpy(given->token.id, row->id.data, sizeof(given->token.id));
	session_secret_random(given->token.secret, sizeof(given->token.secret));
	session_secret_hash(row->token_hash, &given->token);
}

bool
session_secret_made(const SessionRow *row, const SessionRefreshToken *token)
{
	uint8		key[SESSION_SECRET_BYTES];
	SessionToken unused;
	SessionRefreshToken expected;
	bool		derived;
	bool		same;

	open_key(key, row);
	derived = session_token_derive(&unused, &expected, row->id.data,
								   session_token_generation(token), key);
	session_crypto_wipe(key, sizeof(key));
	if (!derived)
		refuse_crypto();
	same = session_crypto_equal(&expected, token, sizeof(expected));
	session_crypto_wipe(&unused, sizeof(unused));
	session_crypto_wipe(&expected, sizeof(expected));
	return same;
}
