/*
 * token.h
 *	  The session token, the refresh token, the id that both carry, and foreign
 *	  tokens.
 *
 * A session token is st_ + base64url(id || secret): 67 characters that are
 * safe in a cookie, a header and a URL.  The id is public; the secret
 * authenticates.
 */
#ifndef SESSION_TOKEN_H
#define SESSION_TOKEN_H

#define SESSION_ID_BYTES 16
#define SESSION_SECRET_BYTES 32
#define SESSION_TOKEN_CHARS 67

typedef struct SessionToken
{
	uint8		id[SESSION_ID_BYTES];
	uint8		secret[SESSION_SECRET_BYTES];	/* wipe after use */
} SessionToken;

/*
 * Reads a session token.  Returns false, with the token wiped, for any other
 * text.
 */
extern pg_nodiscard bool session_token_parse(SessionToken *token,
											 const char *chars, size_t len);

/* Writes SESSION_TOKEN_CHARS characters without a terminator. */
extern void session_token_format(char *out, const SessionToken *token);

/*
 * A foreign token is a secret that the application has chosen itself: 22 to
 * 512 characters of printable ASCII without spaces, that do not begin like a
 * token of our own.
 */
#define SESSION_FOREIGN_MIN_CHARS 22
#define SESSION_FOREIGN_MAX_CHARS 512

/* Returns whether a text has the form of a foreign token. */
extern pg_nodiscard bool session_token_is_foreign(const char *chars,
												  size_t len);

/*
 * Makes the id and the secret of a foreign token.  Returns false when OpenSSL
 * refuses.
 *
 *	id		SHA-256 of the token, its first 16 bytes as a UUIDv8 (RFC 9562
 *			section 5.8)
 *	secret	HMAC-SHA-256 of the token under a fixed key, which is not secret
 *
 * So the secret cannot be computed from the id, which is public.  With
 * the id, guesses of the whole token can be tested, as with the hash in the
 * row.  That is of no use if the token has 128 bits of entropy.
 */
extern pg_nodiscard bool session_token_of_foreign(SessionToken *token,
												  const char *chars,
												  size_t len);

/*
 * A refresh token is rt_ + base64url(id || generation || MAC), as long as a
 * session token.  The tokens of a refreshable session are derived from a key
 * that belongs to the session, so those of a generation can be given again
 * without being stored.
 */
#define SESSION_MAC_BYTES 28

typedef struct SessionRefreshToken
{
	uint8		id[SESSION_ID_BYTES];
	uint8		generation[4];	/* big-endian */
	uint8		mac[SESSION_MAC_BYTES]; /* wipe after use */
} SessionRefreshToken;

/*
 * Reads a refresh token.  Returns false, with the token wiped, for any other
 * text.  The MAC is not checked.
 */
extern pg_nodiscard bool session_token_parse_refresh(SessionRefreshToken *token,
													 const char *chars,
													 size_t len);

/* Writes SESSION_TOKEN_CHARS characters without a terminator. */
extern void session_token_format_refresh(char *out,
										 const SessionRefreshToken *token);

/* Returns the generation of a refresh token. */
extern uint32 session_token_generation(const SessionRefreshToken *token);

/*
 * Derives the tokens of a generation from the session's key.  Returns false
 * when OpenSSL refuses.
 */
extern pg_nodiscard bool session_token_derive(SessionToken *token,
											  SessionRefreshToken *refresh,
											  const uint8 id[SESSION_ID_BYTES],
											  uint32 generation,
											  const uint8 key[SESSION_SECRET_BYTES]);

/* Reads a UUID of 36 characters; false for any other text. */
extern pg_nodiscard bool session_token_parse_id(uint8 id[SESSION_ID_BYTES],
												const char *chars, size_t len);

/*
 * Makes a UUIDv7 (RFC 9562 section 5.7) from microseconds since 1970 and 16
 * random bytes already in id.  The 12 bits after the version hold the
 * fraction of the millisecond (section 6.2, method 3), so that ids sort by
 * creation within one.
 */
extern void session_token_make_id(uint8 id[SESSION_ID_BYTES], uint64 unix_us);

#endif							/* SESSION_TOKEN_H */
