/*
 * crypto.c
 *	  Hashes, MACs and ciphers, with OpenSSL.
 *
 * Rules:
 * - It uses no server state, so that the fuzzers and unit tests can link it.
 * - The digest context and the fetched algorithms live as long as the process:
 *	 fetching them in every call costs more than the hash.  Nothing secret
 *	 stays in them, because finishing clears the block buffer and the next
 *	 initialization wipes the context.
 * - A context that holds a cipher's key is created and freed, which wipes it,
 *	 in each call.
 * - HMAC and HKDF are built from digests here, because both run on every
 *	 request.  OpenSSL's own objects for them keep the key between calls, and
 *	 take twice (HMAC) and three times (HKDF) as long.
 * - A key of HMAC that is ready is two hashes that have read its first block.
 *	 They are copied for each MAC.  Freeing them wipes them.
 */
#include "postgres.h"

#include <limits.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include "crypto/crypto.h"

#define MAX_BLOCK_BYTES 128
#define MAX_HASH_BYTES SESSION_SHA512_BYTES
#define CBC_MAC_KEY_BYTES 32

/* A hash function, fetched when it is first used. */
typedef struct Hash
{
	const char *name;
	size_t		bytes;
	size_t		block;
	EVP_MD	   *md;
} Hash;

/* A piece of the hashed bytes. */
typedef struct Piece
{
	const void *data;
	size_t		len;
} Piece;

static Hash sha256 = {"SHA256", SESSION_SHA256_BYTES, 64, NULL};
static Hash sha512 = {"SHA512", SESSION_SHA512_BYTES, 128, NULL};
static EVP_MD_CTX *digest = NULL;
static EVP_CIPHER *gcm = NULL;
static EVP_CIPHER *cbc = NULL;

/* Fills memory with random bytes. */
bool
session_crypto_random(void *out, size_t len)
{
	return pg_strong_random(out, len);
}

/* Fetches a hash function and makes the context, when first used. */
static bool
prepare(Hash *hash)
{
	if (hash->md == NULL)
		hash->md = EVP_MD_fetch(NULL, hash->name, NULL);
	if (digest == NULL)
		digest = EVP_MD_CTX_new();
	return hash->md != NULL && digest != NULL;
}

/* Hashes some bytes and the pieces that follow them. */
static bool
hash_pieces(Hash *hash, uint8 *out, const void *in, size_t len,
			const Piece *more, int count)
{
	bool		ok;

	ok = prepare(hash) &&
		EVP_DigestInit_ex2(digest, hash->md, NULL) == 1 &&
		EVP_DigestUpdate(digest, in, len) == 1;
	for (int i = 0; ok && i < count; i++)
		ok = EVP_DigestUpdate(digest, more[i].data, more[i].len) == 1;
	ok = ok && EVP_DigestFinal_ex(digest, out, NULL) == 1;
	if (!ok)
		ERR_clear_error();
	return ok;
}

/* Computes SHA-256. */
bool
session_crypto_sha256(uint8 out[SESSION_SHA256_BYTES], const void *in,
					  size_t len)
{
	return hash_pieces(&sha256, out, in, len, NULL, 0);
}

/* Computes SHA-512. */
bool
session_crypto_sha512(uint8 out[SESSION_SHA512_BYTES], const void *in,
					  size_t len)
{
	return hash_pieces(&sha512, out, in, len, NULL, 0);
}

/* Writes the key as the first block of the inner hash of HMAC. */
static bool
make_inner_pad(uint8 pad[MAX_BLOCK_BYTES], Hash *hash, const void *key,
			   size_t key_len)
{
	bool		ok = true;

	memset(pad, 0, MAX_BLOCK_BYTES);
	if (key_len > hash->block)
		ok = hash_pieces(hash, pad, key, key_len, NULL, 0);
	else if (key_len > 0)
		memcpy(pad, key, key_len);
	for (size_t i = 0; i < hash->block; i++)
		pad[i] ^= 0x36;
	return ok;
}

/* Makes that block the first one of the outer hash. */
static void
make_outer_pad(uint8 pad[MAX_BLOCK_BYTES], const Hash *hash)
{
	for (size_t i = 0; i < hash->block; i++)
		pad[i] ^= 0x36 ^ 0x5C;
}

/* Computes HMAC by RFC 2104 section 2; out may be one of the pieces. */
static bool
hmac_pieces(Hash *hash, uint8 *out, const Piece *pieces, int count,
			const void *key, size_t key_len)
{
	uint8		pad[MAX_BLOCK_BYTES];
	uint8		inner[MAX_HASH_BYTES];
	Piece		tail = {inner, hash->bytes};
	bool		ok;

	ok = make_inner_pad(pad, hash, key, key_len) &&
		hash_pieces(hash, inner, pad, hash->block, pieces, count);
	make_outer_pad(pad, hash);
	ok = ok && hash_pieces(hash, out, pad, hash->block, &tail, 1);
	session_crypto_wipe(pad, sizeof(pad));
	session_crypto_wipe(inner, sizeof(inner));
	return ok;
}

struct SessionMac
{
	EVP_MD_CTX *inner;			/* each has hashed one block */
	EVP_MD_CTX *outer;
};

/* Returns a hash that has read one block; NULL when OpenSSL refuses. */
static EVP_MD_CTX *
begin_with(const uint8 *block)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	if (ctx != NULL && EVP_DigestInit_ex2(ctx, sha256.md, NULL) == 1 &&
		EVP_DigestUpdate(ctx, block, sha256.block) == 1)
		return ctx;
	EVP_MD_CTX_free(ctx);
	return NULL;
}

/* Makes a key of HMAC-SHA-256 that is ready for use. */
SessionMac *
session_crypto_mac_new(const void *key, size_t key_len)
{
	SessionMac *mac = OPENSSL_zalloc(sizeof(SessionMac));
	uint8		pad[MAX_BLOCK_BYTES];

	if (mac != NULL && prepare(&sha256) &&
		make_inner_pad(pad, &sha256, key, key_len))
	{
		mac->inner = begin_with(pad);
		make_outer_pad(pad, &sha256);
		mac->outer = begin_with(pad);
	}
	session_crypto_wipe(pad, sizeof(pad));
	if (mac != NULL && mac->inner != NULL && mac->outer != NULL)
		return mac;
	session_crypto_mac_free(mac);
	ERR_clear_error();
	return NULL;
}

/* Hashes some bytes after the block that a hash has read. */
static bool
hash_after(uint8 *out, const EVP_MD_CTX *begun, const void *in, size_t len)
{
	bool		ok;

	ok = EVP_MD_CTX_copy_ex(digest, begun) == 1 &&
		EVP_DigestUpdate(digest, in, len) == 1 &&
		EVP_DigestFinal_ex(digest, out, NULL) == 1;
	if (!ok)
		ERR_clear_error();
	return ok;
}

/* Computes HMAC-SHA-256 with a key that is ready. */
bool
session_crypto_mac(uint8 out[SESSION_SHA256_BYTES], const void *in,
				   size_t len, const SessionMac *mac)
{
	uint8		inner[SESSION_SHA256_BYTES];
	bool		ok;

	ok = hash_after(inner, mac->inner, in, len) &&
		hash_after(out, mac->outer, inner, sizeof(inner));
	session_crypto_wipe(inner, sizeof(inner));
	return ok;
}

/* Frees a key, and wipes it. */
void
session_crypto_mac_free(SessionMac *mac)
{
	if (mac == NULL)
		return;
	EVP_MD_CTX_free(mac->inner);
	EVP_MD_CTX_free(mac->outer);
	OPENSSL_free(mac);
}

/* Computes HMAC-SHA-256. */
bool
session_crypto_hmac_sha256(uint8 out[SESSION_SHA256_BYTES], const void *in,
						   size_t len, const void *key, size_t key_len)
{
	Piece		piece = {in, len};

	return hmac_pieces(&sha256, out, &piece, 1, key, key_len);
}

/* Computes HMAC-SHA-512. */
bool
session_crypto_hmac_sha512(uint8 out[SESSION_SHA512_BYTES], const void *in,
						   size_t len, const void *key, size_t key_len)
{
	Piece		piece = {in, len};

	return hmac_pieces(&sha512, out, &piece, 1, key, key_len);
}

/* Computes HKDF-SHA-256 by RFC 5869 section 2; no salt is a salt of zeroes. */
bool
session_crypto_hkdf_sha256(uint8 *out, size_t out_len, const void *info,
						   size_t info_len, const void *salt, size_t salt_len,
						   const void *key, size_t key_len)
{
	uint8		prk[SESSION_SHA256_BYTES];
	uint8		block[SESSION_SHA256_BYTES];
	uint8		counter = 0;
	Piece		secret = {key, key_len};
	Piece		pieces[] = {{block, 0}, {info, info_len}, {&counter, 1}};
	bool		ok;

	ok = out_len <= SESSION_HKDF_BYTES &&
		hmac_pieces(&sha256, prk, &secret, 1, salt, salt_len);
	while (ok && out_len > 0)
	{
		size_t		some = Min(out_len, sizeof(block));

		counter++;
		ok = hmac_pieces(&sha256, block, pieces, lengthof(pieces), prk,
						 sizeof(prk));
		memcpy(out, block, some);
		pieces[0].len = sizeof(block);
		out += some;
		out_len -= some;
	}
	session_crypto_wipe(prk, sizeof(prk));
	session_crypto_wipe(block, sizeof(block));
	return ok;
}

/* Returns a context with key and IV; NULL when OpenSSL refuses. */
static EVP_CIPHER_CTX *
begin_cipher(EVP_CIPHER **cipher, const char *name, const uint8 *iv,
			 const uint8 *key, bool seal)
{
	EVP_CIPHER_CTX *ctx;

	ERR_clear_error();
	if (*cipher == NULL)
		*cipher = EVP_CIPHER_fetch(NULL, name, NULL);
	ctx = *cipher == NULL ? NULL : EVP_CIPHER_CTX_new();
	if (ctx != NULL &&
		EVP_CipherInit_ex2(ctx, *cipher, key, iv, seal, NULL) != 1)
	{
		EVP_CIPHER_CTX_free(ctx);
		ctx = NULL;
	}
	return ctx;
}

/* Frees a context, which wipes its key, and clears OpenSSL's error queue. */
static void
end_cipher(EVP_CIPHER_CTX *ctx)
{
	EVP_CIPHER_CTX_free(ctx);
	ERR_clear_error();
}

/* Runs bytes through a cipher; out is NULL for associated data. */
static bool
run_cipher(EVP_CIPHER_CTX *ctx, uint8 *out, int *out_len, const void *in,
		   size_t len)
{
	*out_len = 0;
	return len == 0 ||
		(len < INT_MAX / 2 &&
		 EVP_CipherUpdate(ctx, out, out_len, in, (int) len) == 1);
}

/* Encrypts with AES-256-GCM, and writes the tag. */
bool
session_crypto_aes256gcm_seal(uint8 *out, uint8 tag[SESSION_GCM_TAG_BYTES],
							  const void *in, size_t len,
							  const void *aad, size_t aad_len,
							  const uint8 nonce[SESSION_GCM_NONCE_BYTES],
							  const uint8 key[SESSION_GCM_KEY_BYTES])
{
	EVP_CIPHER_CTX *ctx = begin_cipher(&gcm, "AES-256-GCM", nonce, key, true);
	uint8		rest[EVP_MAX_BLOCK_LENGTH];
	int			n;
	bool		ok;

	ok = ctx != NULL && run_cipher(ctx, NULL, &n, aad, aad_len) &&
		run_cipher(ctx, out, &n, in, len) && (size_t) n == len &&
		EVP_CipherFinal_ex(ctx, rest, &n) == 1 && n == 0 &&
		EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, SESSION_GCM_TAG_BYTES,
							tag) == 1;
	end_cipher(ctx);
	return ok;
}

/* Checks the tag and decrypts with AES-256-GCM. */
bool
session_crypto_aes256gcm_open(uint8 *out, const void *in, size_t len,
							  const uint8 tag[SESSION_GCM_TAG_BYTES],
							  const void *aad, size_t aad_len,
							  const uint8 nonce[SESSION_GCM_NONCE_BYTES],
							  const uint8 key[SESSION_GCM_KEY_BYTES])
{
	EVP_CIPHER_CTX *ctx = begin_cipher(&gcm, "AES-256-GCM", nonce, key, false);
	uint8		rest[EVP_MAX_BLOCK_LENGTH];
	int			n;
	bool		ok;

	ok = ctx != NULL &&
		EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, SESSION_GCM_TAG_BYTES,
							unconstify(uint8 *, tag)) == 1 &&
		run_cipher(ctx, NULL, &n, aad, aad_len) &&
		run_cipher(ctx, out, &n, in, len) && (size_t) n == len &&
		EVP_CipherFinal_ex(ctx, rest, &n) == 1 && n == 0;
	end_cipher(ctx);
	/* GCM decrypts before the tag is checked: wipe bytes without proof. */
	if (!ok && len > 0)
		session_crypto_wipe(out, len);
	return ok;
}

/*
 * Runs AES-256-CBC with PKCS#7 padding.  Decrypts only ciphertext whose tag
 * has been checked.
 */
static bool
run_cbc(uint8 *out, size_t *out_len, const void *in, size_t len,
		const uint8 *iv, const uint8 *key, bool seal)
{
	EVP_CIPHER_CTX *ctx = begin_cipher(&cbc, "AES-256-CBC", iv, key, seal);
	int			n = 0;
	int			last = 0;
	bool		ok;

	ok = ctx != NULL && run_cipher(ctx, out, &n, in, len) &&
		EVP_CipherFinal_ex(ctx, out + n, &last) == 1;
	end_cipher(ctx);
	*out_len = (size_t) n + (size_t) last;
	return ok;
}

/*
 * Computes the tag of A256CBC-HS512: RFC 7518 section 5.2.2.1, steps 4 to 6.
 */
static bool
make_cbc_tag(uint8 tag[SESSION_CBC_TAG_BYTES], const void *in, size_t len,
			 const void *aad, size_t aad_len, const uint8 *iv,
			 const uint8 *key)
{
	uint8		mac[SESSION_SHA512_BYTES];
	uint8		bits[8];
	Piece		pieces[] = {
		{aad, aad_len}, {iv, SESSION_CBC_IV_BYTES}, {in, len},
		{bits, sizeof(bits)}
	};
	bool		ok;

	for (int i = 0; i < 8; i++)
		bits[i] = (uint8) (((uint64) aad_len * 8) >> (8 * (7 - i)));
	ok = hmac_pieces(&sha512, mac, pieces, lengthof(pieces), key,
					 CBC_MAC_KEY_BYTES);
	memcpy(tag, mac, SESSION_CBC_TAG_BYTES);
	session_crypto_wipe(mac, sizeof(mac));
	return ok;
}

/* Encrypts with A256CBC-HS512, and writes the tag. */
bool
session_crypto_aes256cbc_hs512_seal(uint8 *out,
									uint8 tag[SESSION_CBC_TAG_BYTES],
									const void *in, size_t len,
									const void *aad, size_t aad_len,
									const uint8 iv[SESSION_CBC_IV_BYTES],
									const uint8 key[SESSION_CBC_KEY_BYTES])
{
	size_t		out_len;

	return run_cbc(out, &out_len, in, len, iv, key + CBC_MAC_KEY_BYTES,
				   true) &&
		make_cbc_tag(tag, out, out_len, aad, aad_len, iv, key);
}

/* Checks the tag, then decrypts with A256CBC-HS512. */
bool
session_crypto_aes256cbc_hs512_open(uint8 *out, size_t *out_len,
									const void *in, size_t len,
									const uint8 tag[SESSION_CBC_TAG_BYTES],
									const void *aad, size_t aad_len,
									const uint8 iv[SESSION_CBC_IV_BYTES],
									const uint8 key[SESSION_CBC_KEY_BYTES])
{
	uint8		expected[SESSION_CBC_TAG_BYTES];
	bool		ok;

	ok = make_cbc_tag(expected, in, len, aad, aad_len, iv, key) &&
		session_crypto_equal(expected, tag, sizeof(expected)) &&
		run_cbc(out, out_len, in, len, iv, key + CBC_MAC_KEY_BYTES, false);
	session_crypto_wipe(expected, sizeof(expected));
	if (!ok && len > 0)
		session_crypto_wipe(out, len);
	return ok;
}

/* Compares two secrets in constant time. */
bool
session_crypto_equal(const void *a, const void *b, size_t len)
{
	return CRYPTO_memcmp(a, b, len) == 0;
}

/* Overwrites a secret in a way that the compiler does not remove. */
void
session_crypto_wipe(void *secret, size_t len)
{
	explicit_bzero(secret, len);
}
