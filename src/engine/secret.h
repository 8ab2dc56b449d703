/*
 * secret.h
 *	  The tokens that a client gets, and the secrets of them that a row stores.
 */
#ifndef SESSION_SECRET_H
#define SESSION_SECRET_H

#include "model/row.h"
#include "wire/token.h"

/* The tokens that a client gets. */
typedef struct SessionCredentials
{
	SessionToken token;
	SessionRefreshToken refresh;	/* of a refreshable session only */
	bool		refreshable;

	/* A foreign token, which the client gets in place of the session token. */
	char		foreign[SESSION_FOREIGN_MAX_CHARS];
	size_t		foreign_len;	/* 0 = none */
} SessionCredentials;

/*
 * Reads a session token: one of our own, or a foreign one if
 * "session.foreign_tokens" is on.  Returns false for any other text.
 */
extern pg_nodiscard bool session_secret_read(SessionToken *token,
											 const char *chars, size_t len);

/* Like session_secret_read, for a token that is returned to the client. */
extern pg_nodiscard bool session_secret_read_given(SessionCredentials *given,
												   const char *chars,
												   size_t len);

/*
 * Gives a new row the id and the hash of a foreign token, which must have the
 * form of one.
 */
extern void session_secret_adopt(SessionRow *row, const text *foreign,
								 SessionCredentials *given);

/*
 * Gives the row new tokens and makes all earlier ones invalid.  The session
 * token gets a random secret.  A refreshable session gets a new key and the
 * tokens of the next generation.
 */
extern void session_secret_issue(SessionRow *row, SessionCredentials *given);

/*
 * Derives the tokens of a refreshable row from its key and generation, and
 * sets the row's hash to match.  The row's key is sealed again if that was
 * done with an older key of the ring.
 */
extern void session_secret_derive(SessionRow *row, SessionCredentials *given);

/*
 * Returns whether a refresh token was made with the row's key, in any
 * generation.
 */
extern bool session_secret_made(const SessionRow *row,
								const SessionRefreshToken *token);

/*
 * Returns whether a refreshable row has this key, as it was sealed when the
 * row was read before.
 */
extern bool session_secret_has_key(const SessionRow *row,
								   const bytea *sealed);

#endif							/* SESSION_SECRET_H */
