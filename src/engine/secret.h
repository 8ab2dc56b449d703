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
} SessionCredentials;

/*
 * Gives the row new tokens and makes all earlier ones invalid.  The session
 * token gets a random secret.  A refreshable session gets a new key and the
 * tokens of the next generation.
 */
extern void session_secret_issue(SessionRow *row, SessionCredentials *given);

/*
 * Derives the tokens of a refreshable row from its key and generation, and
 * sets the row's hash to match.
 */
extern void session_secret_derive(SessionRow *row, SessionCredentials *given);

/*
 * Returns whether a refresh token was made with the row's key, in any
 * generation.
 */
extern bool session_secret_made(const SessionRow *row,
								const SessionRefreshToken *token);

#endif							/* SESSION_SECRET_H */
