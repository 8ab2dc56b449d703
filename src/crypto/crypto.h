/*
 * crypto.h
 *	  All cryptographic primitives of the extension.
 *
 * Out parameters come first, the key last.  Lengths are in bytes.  A function
 * that returns false has written nothing usable; every caller checks the
 * result.  A plaintext and its ciphertext may be the same memory, but must not
 * overlap otherwise.
 */
#ifndef SESSION_CRYPTO_H
#define SESSION_CRYPTO_H

#define SESSION_SHA256_BYTES 32
#define SESSION_SHA512_BYTES 64

/* Most bytes that HKDF-SHA-256 can derive. */
#define SESSION_HKDF_BYTES (255 * SESSION_SHA256_BYTES)

/* AES-256-GCM.  A nonce must never be used twice with one key. */
#define SESSION_GCM_KEY_BYTES 32
#define SESSION_GCM_NONCE_BYTES 12
#define SESSION_GCM_TAG_BYTES 16

/* A256CBC-HS512 of RFC 7518 section 5.2.5.  An IV must be unpredictable. */
#define SESSION_CBC_KEY_BYTES 64
#define SESSION_CBC_IV_BYTES 16
#define SESSION_CBC_TAG_BYTES 32
#define SESSION_CBC_BYTES(len) (((len) / 16 + 1) * 16)

/* Fills memory with random bytes; false when the system has none. */
extern pg_nodiscard bool session_crypto_random(void *out, size_t len);

/* Compute a hash.  Return false when OpenSSL refuses. */
extern pg_nodiscard bool session_crypto_sha256(uint8 out[SESSION_SHA256_BYTES],
											   const void *in, size_t len);
extern pg_nodiscard bool session_crypto_sha512(uint8 out[SESSION_SHA512_BYTES],
											   const void *in, size_t len);

/* Compute HMAC (RFC 2104).  Compare the results with session_crypto_equal. */
extern pg_nodiscard bool session_crypto_hmac_sha256(uint8 out[SESSION_SHA256_BYTES],
													const void *in, size_t len,
													const void *key,
													size_t key_len);
extern pg_nodiscard bool session_crypto_hmac_sha512(uint8 out[SESSION_SHA512_BYTES],
													const void *in, size_t len,
													const void *key,
													size_t key_len);

/*
 * A key of HMAC-SHA-256 that is ready for use: each MAC takes half the time.
 * It is in OpenSSL's memory, and lives until session_crypto_mac_free, which
 * wipes it.  session_crypto_mac_new returns NULL when OpenSSL refuses.
 */
typedef struct SessionMac SessionMac;

extern SessionMac *session_crypto_mac_new(const void *key, size_t key_len);
extern pg_nodiscard bool session_crypto_mac(uint8 out[SESSION_SHA256_BYTES],
											const void *in, size_t len,
											const SessionMac *mac);
extern void session_crypto_mac_free(SessionMac *mac);

/*
 * Derives a key by HKDF-SHA-256 (RFC 5869).  Returns false if out_len is more
 * than SESSION_HKDF_BYTES, or when OpenSSL refuses.
 */
extern pg_nodiscard bool session_crypto_hkdf_sha256(uint8 *out, size_t out_len,
													const void *info,
													size_t info_len,
													const void *salt,
													size_t salt_len,
													const void *key,
													size_t key_len);

/*
 * Authenticated encryption.  The ciphertext of GCM is as long as the
 * plaintext, that of CBC has SESSION_CBC_BYTES(len) bytes.  The functions that
 * open return false and leave zeroes when the tag is wrong.  The one for CBC
 * sets the length of the plaintext.
 */
extern pg_nodiscard bool session_crypto_aes256gcm_seal(uint8 *out,
													   uint8 tag[SESSION_GCM_TAG_BYTES],
													   const void *in, size_t len,
													   const void *aad,
													   size_t aad_len,
													   const uint8 nonce[SESSION_GCM_NONCE_BYTES],
													   const uint8 key[SESSION_GCM_KEY_BYTES]);
extern pg_nodiscard bool session_crypto_aes256gcm_open(uint8 *out,
													   const void *in, size_t len,
													   const uint8 tag[SESSION_GCM_TAG_BYTES],
													   const void *aad,
													   size_t aad_len,
													   const uint8 nonce[SESSION_GCM_NONCE_BYTES],
													   const uint8 key[SESSION_GCM_KEY_BYTES]);
extern pg_nodiscard bool session_crypto_aes256cbc_hs512_seal(uint8 *out,
															 uint8 tag[SESSION_CBC_TAG_BYTES],
															 const void *in,
															 size_t len,
															 const void *aad,
															 size_t aad_len,
															 const uint8 iv[SESSION_CBC_IV_BYTES],
															 const uint8 key[SESSION_CBC_KEY_BYTES]);
extern pg_nodiscard bool session_crypto_aes256cbc_hs512_open(uint8 *out,
															 size_t *out_len,
															 const void *in,
															 size_t len,
															 const uint8 tag[SESSION_CBC_TAG_BYTES],
															 const void *aad,
															 size_t aad_len,
															 const uint8 iv[SESSION_CBC_IV_BYTES],
															 const uint8 key[SESSION_CBC_KEY_BYTES]);

/*
 * Compares memory in a time that depends on the length alone.  Use it for
 * every secret.
 */
extern bool session_crypto_equal(const void *a, const void *b, size_t len);

/* Overwrites a secret in a way that the compiler does not remove. */
extern void session_crypto_wipe(void *secret, size_t len);

#endif							/* SESSION_CRYPTO_H */
