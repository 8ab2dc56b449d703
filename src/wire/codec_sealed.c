/*
 * codec_sealed.c
 *	  base64url(nonce || ciphertext || tag) with AES-256-GCM.
 *
 * The key is derived, and encoding and purpose are authenticated as associated
 * data.  An imported key of exactly 32 bytes follows the format of rockstar:
 * it is used directly, there is no associated data, and the text is padded.  A
 * value names no key.
 */
#include "postgres.h"

#include "wire/codec_common.h"

#define NAME "sealed"
#define EXTRA_BYTES (SESSION_GCM_NONCE_BYTES + SESSION_GCM_TAG_BYTES)

/* The key and the associated data. */
typedef struct ContentKey
{
	bool		padded;
	uint8		bytes[SESSION_GCM_KEY_BYTES];	/* wipe after use */
	char		aad[SESSION_LABEL_BYTES];
	size_t		aad_len;
} ContentKey;

static size_t
sealed_bound(size_t payload_len, const SessionCodecKey *key)
{
	return (payload_len + EXTRA_BYTES + 2) / 3 * 4;
}

/* Derives the key, or takes that of rockstar, and sets the associated data. */
static bool
sealed_make_key(ContentKey *content, const char *purpose, const SessionCodecKey *key)
{
	if (!session_codec_key_usable(key, purpose))
		return false;
	content->aad_len = 0;
	content->padded = key->imported &&
		key->secret_len == SESSION_GCM_KEY_BYTES;
	if (content->padded)
	{
		memcpy(content->bytes, key->secret, SESSION_GCM_KEY_BYTES);
		return true;
	}
	if (!session_codec_derive(content->bytes, NAME, purpose, key))
		return false;
	content->aad_len = session_codec_label(content->aad, NAME, purpose);
	return true;
}

/*
 * Encrypts the payload and writes the value.  Nonce, ciphertext and tag are
 * written to the end of the room of their characters, and encoded in place.
 */
static bool
sealed_seal(char *out, size_t *out_len, const char *payload, size_t payload_len,
			const ContentKey *content)
{
	size_t		raw_len = payload_len + EXTRA_BYTES;
	uint8	   *nonce;
	uint8	   *body;
	char	   *end;

	nonce = (uint8 *) out + SESSION_BASE64URL_CHARS(raw_len) - raw_len;
	body = nonce + SESSION_GCM_NONCE_BYTES;
	if (!session_crypto_random(nonce, SESSION_GCM_NONCE_BYTES) ||
		!session_crypto_aes256gcm_seal(body, body + payload_len, payload,
									   payload_len, content->aad,
									   content->aad_len, nonce,
									   content->bytes))
		return false;
	end = session_codec_put(out, nonce, raw_len);
	while (content->padded && (end - out) % 4 != 0)
		*end++ = '=';
	*out_len = end - out;
	return true;
}

static bool
sealed_encode(char *out, size_t *out_len, const char *payload, size_t payload_len,
			  const char *purpose, const SessionCodecKey *key)
{
	ContentKey	content;
	bool		ok;

	ok = session_codec_fits(&session_codec_sealed, payload_len, key) &&
		sealed_make_key(&content, purpose, key) &&
		sealed_seal(out, out_len, payload, payload_len, &content);
	session_crypto_wipe(&content, sizeof(content));
	return ok;
}

/* Removes the padding; false when the length is no multiple of four. */
static bool
strip_padding(const char *value, size_t *len)
{
	if (*len % 4 != 0)
		return false;
	for (int i = 0; i < 2 && *len > 0 && value[*len - 1] == '='; i++)
		(*len)--;
	return true;
}

/* Decodes and decrypts a value without padding. */
static bool
sealed_unseal(char *out, size_t *out_len, const char *value, size_t len,
			  const ContentKey *content)
{
	size_t		raw_len = SESSION_BASE64URL_BYTES(len);
	size_t		body_len;
	uint8		nonce[SESSION_GCM_NONCE_BYTES];
	uint8		tag[SESSION_GCM_TAG_BYTES];

	if (raw_len < EXTRA_BYTES ||
		!session_base64url_decode((uint8 *) out, value, len))
		return false;
	body_len = raw_len - EXTRA_BYTES;
	memcpy(nonce, out, sizeof(nonce));
	memcpy(tag, out + raw_len - sizeof(tag), sizeof(tag));
	memmove(out, out + sizeof(nonce), body_len);
	*out_len = body_len;
	return session_crypto_aes256gcm_open((uint8 *) out, out, body_len, tag,
										 content->aad, content->aad_len,
										 nonce, content->bytes);
}

static bool
sealed_decode(char *out, size_t *out_len, const char *value, size_t len,
			  const char *purpose, const SessionCodecKey *key)
{
	ContentKey	content;
	bool		ok;

	ok = len <= SESSION_CODEC_CHARS &&
		sealed_make_key(&content, purpose, key) &&
		(!content.padded || strip_padding(value, &len)) &&
		sealed_unseal(out, out_len, value, len, &content);
	session_crypto_wipe(&content, sizeof(content));
	return ok;
}

const SessionCodec session_codec_sealed = {
	.name = NAME,
	.bound = sealed_bound,
	.encode = sealed_encode,
	.decode = sealed_decode,
};
