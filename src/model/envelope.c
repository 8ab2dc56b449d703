/*
 * envelope.c
 *	  Values sealed with a key: the nonce, the ciphertext and the tag of
 *	  AES-256-GCM, one after the other.
 */
#include "postgres.h"

#include "crypto/crypto.h"
#include "model/envelope.h"

#define INFO_BYTES 64

/* Seals a value with a key and a random nonce. */
void
session_envelope_seal(uint8 *out, const void *in, size_t len,
					  const void *context, size_t context_len,
					  const uint8 key[SESSION_GCM_KEY_BYTES])
{
	uint8	   *body = out + SESSION_GCM_NONCE_BYTES;

	if (!session_crypto_random(out, SESSION_GCM_NONCE_BYTES) ||
		!session_crypto_aes256gcm_seal(body, body + len, in, len,
									   context, context_len, out, key))
		ereport(ERROR,
				(errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
				 errmsg("could not seal a secret")));
}

/* Opens a sealed value; returns false if it does not open. */
bool
session_envelope_open(uint8 *out, const void *in, size_t len,
					  const void *context, size_t context_len,
					  const uint8 key[SESSION_GCM_KEY_BYTES])
{
	const uint8 *nonce = in;
	const uint8 *body = nonce + SESSION_GCM_NONCE_BYTES;
	size_t		plain_len = len - SESSION_ENVELOPE_BYTES;

	return len >= SESSION_ENVELOPE_BYTES &&
		session_crypto_aes256gcm_open(out, body, plain_len, body + plain_len,
									  context, context_len, nonce, key);
}

/* Derives a sealing key from a secret, for one use. */
void
session_envelope_derive(uint8 key[SESSION_GCM_KEY_BYTES], const char *use,
						const uint8 *secret, size_t secret_len)
{
	char		info[INFO_BYTES];
	size_t		len = snprintf(info, sizeof(info), "session seal %s", use);

	if (!session_crypto_hkdf_sha256(key, SESSION_GCM_KEY_BYTES, info, len,
									NULL, 0, secret, secret_len))
		ereport(ERROR,
				(errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
				 errmsg("could not derive a key")));
}
