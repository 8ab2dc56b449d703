/*
 * bound.h
 *	  What the server gives to a client whose session is bound to a key: the
 *	  bound cookie, challenges, and the value that goes with the first of them.
 *
 * All three are proven by MACs, so nothing of them is stored.  The functions
 * raise no errors and read no clock.
 */
#ifndef SESSION_WIRE_BOUND_H
#define SESSION_WIRE_BOUND_H

#include "crypto/crypto.h"
#include "wire/base64url.h"
#include "wire/codec.h"
#include "wire/token.h"

/*
 * A bound cookie is sb_ + base64url(id || expiry || thumbprint || MAC).  It
 * says until when its client counts as one that has the key of the thumbprint,
 * in the session of the id.  It is no credential: without the session's token
 * it is of no use.  It is short, because it goes with every request.
 */
#define SESSION_BOUND_CHARS 115

typedef struct SessionBoundCookie
{
	uint8		id[SESSION_ID_BYTES];
	uint8		expires[4];		/* seconds since 1970, big-endian */
	uint8		thumbprint[SESSION_SHA256_BYTES];
	uint8		mac[SESSION_SHA256_BYTES];
} SessionBoundCookie;

/*
 * Reads a bound cookie.  Returns false for any other text.  The MAC is not
 * checked.
 */
extern pg_nodiscard bool session_bound_parse(SessionBoundCookie *cookie,
											 const char *chars, size_t len);

/* Writes SESSION_BOUND_CHARS characters without a terminator. */
extern void session_bound_format(char *out, const SessionBoundCookie *cookie);

/* Reads and sets the expiry; one that is too late becomes the latest. */
extern int64 session_bound_expires(const SessionBoundCookie *cookie);
extern void session_bound_set_expires(SessionBoundCookie *cookie,
									  int64 seconds);

/*
 * Sets the MAC of a cookie, or returns whether it is right.  The realm is part
 * of what is proven: a cookie of one is not valid in another.
 */
extern pg_nodiscard bool session_bound_sign(SessionBoundCookie *cookie,
											const char *realm,
											const SessionCodecKey *key);
extern pg_nodiscard bool session_bound_verify(const SessionBoundCookie *cookie,
											  const char *realm,
											  const SessionCodecKey *key);

/*
 * A challenge is base64url(time || MAC).  The MAC is about the time, the
 * session and the use.
 */
#define SESSION_CHALLENGE_BYTES (8 + SESSION_SHA256_BYTES)
#define SESSION_CHALLENGE_CHARS SESSION_BASE64URL_CHARS(SESSION_CHALLENGE_BYTES)

/* What a challenge is for. */
typedef enum SessionChallengeUse
{
	SESSION_CHALLENGE_REGISTER = 'r',	/* to bind a session to a key */
	SESSION_CHALLENGE_REFRESH = 'c',	/* to renew a bound cookie */
	SESSION_CHALLENGE_NONCE = 'n'	/* to be part of a proof of DPoP */
} SessionChallengeUse;

/* Writes a challenge; returns false when OpenSSL refuses. */
extern pg_nodiscard bool session_bound_challenge(char out[SESSION_CHALLENGE_CHARS],
												 int64 made,
												 const uint8 id[SESSION_ID_BYTES],
												 SessionChallengeUse use,
												 const char *realm,
												 const SessionCodecKey *key);

/*
 * Reads the time of a challenge that was made with this key.  Returns false
 * for any other text.
 */
extern pg_nodiscard bool session_bound_read_challenge(int64 *made,
													  const char *chars,
													  size_t len,
													  const uint8 id[SESSION_ID_BYTES],
													  SessionChallengeUse use,
													  const char *realm,
													  const SessionCodecKey *key);

/*
 * The value that goes with the challenge to bind a session, and ties it to the
 * token that the session had then: base64url(MAC).
 */
#define SESSION_AUTHORIZATION_CHARS SESSION_BASE64URL_CHARS(SESSION_SHA256_BYTES)

/* Writes that value; returns false when OpenSSL refuses. */
extern pg_nodiscard bool session_bound_authorization(char out[SESSION_AUTHORIZATION_CHARS],
													 const uint8 id[SESSION_ID_BYTES],
													 const uint8 token_hash[SESSION_SHA256_BYTES],
													 const char *realm,
													 const SessionCodecKey *key);

#endif							/* SESSION_WIRE_BOUND_H */
