/*
 * carried.h
 *	  An identity as one server sends it to another in "session.context".
 *
 * The value is sx_ and base64url of: the format of the identity, when the
 * value was made, the server, its backend and the transaction that sent it,
 * the role that it is for, the identity, and a MAC of all that.  The MAC also
 * proves the realm, which is the name of the database.  The functions raise no
 * errors and read no clock.
 */
#ifndef SESSION_WIRE_CARRIED_H
#define SESSION_WIRE_CARRIED_H

#include "crypto/crypto.h"
#include "wire/base64url.h"
#include "wire/codec.h"

#define SESSION_CARRIED_PREFIX "sx_"
#define SESSION_CARRIED_PREFIX_CHARS 3

/* Bytes beside the role and the identity. */
#define SESSION_CARRIED_OVERHEAD (1 + 8 + 8 + 8 + 4 + 1 + SESSION_SHA256_BYTES)

/* Longest name of a role. */
#define SESSION_CARRIED_ROLE_BYTES 255

typedef struct SessionCarried
{
	uint8		format;			/* of the identity */
	int64		made;			/* microseconds */
	uint64		server;			/* random numbers */
	uint64		backend;
	uint32		transaction;	/* counted by the backend */
	const char *role;
	size_t		role_len;
	const char *identity;
	size_t		identity_len;	/* 0 = none is bound */
} SessionCarried;

/* Returns whether a text begins as such a value does. */
extern bool session_carried_begins(const char *chars);

/* Returns the characters of a value, without a terminator. */
extern size_t session_carried_chars(const SessionCarried *carried);

/*
 * Writes the value without a terminator.  The room has
 * session_carried_chars(), and so has the memory for its bytes.  Returns false
 * when the role is too long, or OpenSSL refuses.
 */
extern pg_nodiscard bool session_carried_write(char *out, uint8 *room,
											   const SessionCarried *carried,
											   const char *realm,
											   const SessionCodecKey *key);

/*
 * Decodes a value into memory of SESSION_BASE64URL_BYTES(len), to which the
 * result points.  Returns false for any other text.  The MAC is not checked.
 */
extern pg_nodiscard bool session_carried_parse(SessionCarried *carried,
											   uint8 *room,
											   const char *chars, size_t len);

/* Returns whether the MAC of the decoded bytes is right. */
extern pg_nodiscard bool session_carried_verify(const uint8 *room,
												const SessionCarried *carried,
												const char *realm,
												const SessionCodecKey *key);

#endif							/* SESSION_WIRE_CARRIED_H */
