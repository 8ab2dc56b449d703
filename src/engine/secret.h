/*
 * secret.h
 *	  What a client is given, and what is kept of it.
 */
#ifndef SESSION_SECRET_H
#define SESSION_SECRET_H

#include "model/row.h"
#include "wire/base64url.h"
#include "wire/token.h"

/*
 * Bytes of the digest that ties a snapshot to a token, and its characters.
 * The snapshot is signed and the secret is random, so all it takes is that two
 * of a session differ.
 */
#define SESSION_DIGEST_BYTES 9
#define SESSION_DIGEST_CHARS SESSION_BASE64URL_CHARS(SESSION_DIGEST_BYTES)

typedef struct SessionCredentials
{
	SessionToken token;
	SessionRefreshToken refresh;	/* of a refreshable session only */
	bool		refreshable;
} SessionCredentials;

/*
 * Gives the row new tokens and forgets every earlier one: a random secret, or
 * for a refreshable session a new key and the next generation's tokens.
 */
extern void session_secret_issue(SessionRow *row, SessionCredentials *given);

/*
 * Gives the tokens of the generation a refreshable row is at, and puts the
 * hash that goes with them into the row.
 */
extern void session_secret_derive(SessionRow *row, SessionCredentials *given);

/* What a row keeps of a token. */
extern void session_secret_hash(uint8 hash[SESSION_SHA256_BYTES],
								const SessionToken *token);

/* Is the token's secret the row's?  Takes the same time either way. */
extern bool session_secret_matches(const SessionRow *row,
								   const SessionToken *token);

/* Says which token a row has, in URL-safe characters. */
extern char *session_secret_digest(const SessionRow *row);

/* The same for a token that a client has. */
extern char *session_secret_token_digest(const SessionToken *token);

/* In constant time; false when either is NULL. */
extern bool session_secret_same_digest(const char *one, const char *other);

/* Was the refresh token made with the row's key, whatever its generation? */
extern bool session_secret_made(const SessionRow *row,
								const SessionRefreshToken *token);

/* Fills memory with random bytes, or errors. */
extern void session_secret_random(void *out, size_t len);

#endif							/* SESSION_SECRET_H */
