/*
 * jwk.h
 *	  Public keys as JSON Web Keys (RFC 7517, RFC 7518 section 6, RFC 8037).
 *
 * The functions raise no errors, and use no server state.
 */
#ifndef SESSION_JWK_H
#define SESSION_JWK_H

#include "crypto/crypto.h"
#include "crypto/signature.h"
#include "wire/codec.h"
#include "wire/member.h"

/* Longest JWK that is read, in bytes.  Certificates (x5c) are long. */
#define SESSION_JWK_BYTES (16 * 1024)

/* Most bytes that session_jwk_write writes. */
#define SESSION_JWK_WRITTEN_BYTES 2048

/* What is wrong with a JWK. */
typedef enum SessionJwkFault
{
	SESSION_JWK_OK,
	SESSION_JWK_INVALID,		/* not a JWK, or its numbers are no key */
	SESSION_JWK_PRIVATE,		/* it holds a private key or a shared secret */
	SESSION_JWK_UNSUPPORTED,	/* kty, crv or alg of another algorithm */
	SESSION_JWK_NOT_SIGNING,	/* use or key_ops: it is for something else */
	SESSION_JWK_WEAK			/* an RSA key of too few or too many bits */
} SessionJwkFault;

/* A public key that was read. */
typedef struct SessionJwk
{
	SessionPublicParts parts;
	char		kid[SESSION_KID_CHARS + 1]; /* empty = it has none */
} SessionJwk;

/*
 * Reads a JWK.  Members that say nothing about the key are ignored.  A key
 * without alg is of the algorithm that its kty and crv allow.  A kid that no
 * key can have (session_codec_kid_valid) makes the JWK invalid.
 *
 * Checks everything but that the numbers are a key, which
 * session_signature_public does.
 */
extern SessionJwkFault session_jwk_read(SessionJwk *jwk, const char *json,
										size_t len);

/*
 * Reads the JWK that is a member of an object, as in the header of a proof.
 * The text of the object must still be there.  No member, and a member that is
 * not an object, is invalid.
 */
extern SessionJwkFault session_jwk_read_member(SessionJwk *jwk,
											   const SessionMember *member);

/*
 * Writes the JWK of a key, without a terminator, and returns its length.  With
 * kid NULL, only the members that RFC 7638 requires are written, in its form,
 * so that the hash of the text is the thumbprint.  Otherwise also alg, use and
 * kid; not a kid that no key can have, so an empty text stands for none.
 */
extern size_t session_jwk_write(char out[SESSION_JWK_WRITTEN_BYTES],
								const SessionPublicParts *parts,
								const char *kid);

/* Computes the thumbprint of a key (RFC 7638, SHA-256). */
extern pg_nodiscard bool session_jwk_thumbprint(uint8 out[SESSION_SHA256_BYTES],
												const SessionPublicParts *parts);

#endif							/* SESSION_JWK_H */
