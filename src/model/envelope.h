/*
 * envelope.h
 *	  Values sealed with a key: the nonce, the ciphertext and the tag of
 *	  AES-256-GCM, one after the other.
 */
#ifndef SESSION_ENVELOPE_H
#define SESSION_ENVELOPE_H

#include "crypto/crypto.h"

/* How much longer a sealed value is. */
#define SESSION_ENVELOPE_BYTES (SESSION_GCM_NONCE_BYTES + SESSION_GCM_TAG_BYTES)

/*
 * Seals a value with a key and a random nonce, and binds it to the bytes of a
 * context.  Raises an error when OpenSSL refuses.
 */
extern void session_envelope_seal(uint8 *out, const void *in, size_t len,
								  const void *context, size_t context_len,
								  const uint8 key[SESSION_GCM_KEY_BYTES]);

/*
 * Opens a sealed value of len bytes.  Returns false if it is too short, or was
 * not sealed with this key and context.
 */
extern pg_nodiscard bool session_envelope_open(uint8 *out, const void *in,
											   size_t len, const void *context,
											   size_t context_len,
											   const uint8 key[SESSION_GCM_KEY_BYTES]);

/*
 * Derives a sealing key from a secret by HKDF-SHA-256, for one use.  Raises an
 * error when OpenSSL refuses.  The caller wipes the key.
 */
extern void session_envelope_derive(uint8 key[SESSION_GCM_KEY_BYTES],
									const char *use, const uint8 *secret,
									size_t secret_len);

#endif							/* SESSION_ENVELOPE_H */
