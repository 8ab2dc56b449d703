/*
 * csrf.h
 *	  Requests that a page of another origin causes: which methods may be
 *	  such, and tokens that such a page does not know.
 *
 * The functions raise no errors and allocate nothing.
 */
#ifndef SESSION_WIRE_CSRF_H
#define SESSION_WIRE_CSRF_H

#include "crypto/crypto.h"
#include "wire/base64url.h"
#include "wire/codec.h"
#include "wire/token.h"

/*
 * Returns whether a method changes nothing (RFC 9110 section 9.2.1).  Methods
 * are in capitals; any other spelling is another method.
 */
extern bool session_csrf_is_safe_method(const char *method);

/*
 * A token is sc_ + base64url(mask || mask XOR MAC).  The mask is random, so no
 * two tokens are alike, and a page that contains one can be compressed: the
 * size of the answers does not tell the MAC (BREACH).
 */
#define SESSION_CSRF_CHARS \
	(3 + SESSION_BASE64URL_CHARS(2 * SESSION_SHA256_BYTES))

/* What a token is about: a session, and its credential at the moment. */
typedef struct SessionCsrfSubject
{
	const uint8 *id;			/* SESSION_ID_BYTES; NULL = it has none */
	const char *proof;			/* changes with the credential */
	size_t		proof_len;
} SessionCsrfSubject;

/* Longest proof, in bytes. */
#define SESSION_CSRF_PROOF_BYTES 256

/*
 * Computes the MAC.  The realm is part of what is proven.  Returns false for a
 * proof that is too long, or when OpenSSL refuses.
 */
extern pg_nodiscard bool session_csrf_mac(uint8 mac[SESSION_SHA256_BYTES],
										  const SessionCsrfSubject *subject,
										  const char *realm,
										  const SessionCodecKey *key);

/* Writes SESSION_CSRF_CHARS characters without a terminator. */
extern void session_csrf_format(char *out,
								const uint8 mask[SESSION_SHA256_BYTES],
								const uint8 mac[SESSION_SHA256_BYTES]);

/* Reads the MAC of a token; returns false for any other text. */
extern pg_nodiscard bool session_csrf_parse(uint8 mac[SESSION_SHA256_BYTES],
											const char *chars, size_t len);

#endif							/* SESSION_WIRE_CSRF_H */
