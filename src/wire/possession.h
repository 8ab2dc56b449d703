/*
 * possession.h
 *	  Proofs that a client has a private key: JWTs that it signs for one
 *	  request, as Device Bound Session Credentials and DPoP (RFC 9449) have
 *	  them.
 *
 * The functions raise no errors and read no clock.
 */
#ifndef SESSION_POSSESSION_H
#define SESSION_POSSESSION_H

#include "crypto/crypto.h"
#include "crypto/signature.h"
#include "wire/claims.h"
#include "wire/codec.h"

/* Longest proof that is read, in characters. */
#define SESSION_POSSESSION_CHARS (8 * 1024)

/* The values of "typ" in the header. */
#define SESSION_POSSESSION_DBSC "dbsc+jwt"
#define SESSION_POSSESSION_DPOP "dpop+jwt"

/*
 * A proof that was read.  Nothing of it is proven before
 * session_possession_verify returns true.
 */
typedef struct SessionPossessionProof
{
	const SessionAlgorithm *algorithm;	/* that its header names */
	bool		has_key;
	SessionPublicParts key;		/* that its header contains */

	const char *signed_chars;	/* in the text that was read */
	size_t		signed_len;
	uint8		signature[SESSION_SIGNATURE_BYTES];
	size_t		signature_len;

	SessionMember members[SESSION_MEMBERS]; /* of the payload */
	int			count;
} SessionPossessionProof;

/*
 * Reads a proof of a type.  Returns false for text that is no such proof: its
 * header must have that typ, exactly, an algorithm with public keys and, if it
 * contains a key, one of that algorithm which is public and strong enough.
 * The caller frees what was read with session_possession_free.
 */
extern pg_nodiscard bool session_possession_read(SessionPossessionProof *proof,
												 const char *chars, size_t len,
												 const char *typ);

/* Frees the members of a proof that was read. */
extern void session_possession_free(SessionPossessionProof *proof);

/*
 * Returns whether a proof was signed with the private half of a key, by the
 * algorithm that the key is for.
 */
extern pg_nodiscard bool session_possession_verify(const SessionPossessionProof *proof,
												   const SessionPublicParts *key);

/* Returns a member of the payload that is a string; NULL for any other. */
extern const char *session_possession_string(const SessionPossessionProof *proof,
											 const char *name);

#endif							/* SESSION_POSSESSION_H */
