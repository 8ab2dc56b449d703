/*
 * challenge.h
 *	  Challenges to the clients of bound sessions, and the keys that prove what
 *	  these clients get.
 */
#ifndef SESSION_CHALLENGE_H
#define SESSION_CHALLENGE_H

#include "datatype/timestamp.h"

#include "wire/bound.h"

/*
 * Returns the realm of this database.  It is part of what is proven, because a
 * copy of a database has the same keys and the same sessions.
 */
extern const char *session_challenge_realm(void);

/*
 * Returns the key that proves what is made now, and generates the first one.
 * Errors with 55000 if there is none and the transaction is READ ONLY.
 */
extern SessionCodecKey session_challenge_key(void);

/*
 * Generates the first key if "session.csrf" is token, so that requests that
 * are read-only can make tokens.
 */
extern void session_challenge_prepare(void);

/* Returns whether there is such a key. */
extern bool session_challenge_has_key(void);

/*
 * Returns a challenge to the client of a session that was made at a time, as a
 * string.  It needs such a key.
 */
extern char *session_challenge_make(TimestampTz made,
									const uint8 id[SESSION_ID_BYTES],
									SessionChallengeUse use);

/*
 * Reads the time of a challenge that was made here.  Returns false for any
 * other text.
 */
extern bool session_challenge_read(TimestampTz *made, const char *chars,
								   const uint8 id[SESSION_ID_BYTES],
								   SessionChallengeUse use);

#endif							/* SESSION_CHALLENGE_H */
