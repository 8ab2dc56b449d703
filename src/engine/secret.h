/*
 * secret.h
 *	  What a client is given, and what is kept of it.
 */
#ifndef SESSION_SECRET_H
#define SESSION_SECRET_H

#include "model/row.h"
#include "wire/token.h"

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

/* Was the refresh token made with the row's key, whatever its generation? */
extern bool session_secret_made(const SessionRow *row,
								const SessionRefreshToken *token);

#endif							/* SESSION_SECRET_H */
