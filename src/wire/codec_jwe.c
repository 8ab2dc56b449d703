/*
 * codec_jwe.c
 *	  JWE compact serialization with alg "dir" (RFC 7516), as in Auth.js 5.
 *
 * The key is derived by HKDF-SHA-256 from the secret, whether that is imported
 * or ours.  The salt is the purpose, which in Auth.js is the cookie's name.
 * The key id is the thumbprint (RFC 7638) of the derived key, so it differs
 * between purposes.
 *
 * Rules: the value is written with A256CBC-HS512.  A256GCM is read with an
 * imported key only: no value of ours uses it, and the key for it would be the
 * first half of the key for A256CBC-HS512.  With A256CBC-HS512 the tag is
 * checked before anything is decrypted, with A256GCM before anything that was
 * decrypted is used.
 */
#include "postgres.h"

#include "wire/codec_common.h"

#define NAME "jwe"
#define ENC_CBC "A256CBC-HS512"
#define ENC_GCM "A256GCM"

#define KEY_INFO "Auth.js Generated Encryption Key (%s)"
#define KEY_INFO_BYTES (sizeof(KEY_INFO) + SESSION_PURPOSE_BYTES)

/* The members in the order that RFC 7638 requires. */
#define THUMBPRINT "{\"k\":\"%s\",\"kty\":\"oct\"}"

#define HEADER "{\"alg\":\"dir\",\"enc\":\"" ENC_CBC "\",\"kid\":\"%s\"}"
#define MAX_KID_CHARS SESSION_BASE64URL_CHARS(SESSION_SHA512_BYTES)
#define HEADER_BYTES (sizeof(HEADER) + MAX_KID_CHARS)

/* The parts of a JWE. */
enum
{
	HEADER_PART,
	KEY_PART,
	IV_PART,
	BODY_PART,
	TAG_PART,
	PARTS
};

/* The derived key, and its id. */
typedef struct ContentKey
{
	bool		gcm;
	uint8		bytes[SESSION_CBC_KEY_BYTES];	/* wipe after use */
	char		kid[MAX_KID_CHARS + 1];
} ContentKey;

static size_t
jwe_bound(size_t payload_len, const SessionCodecKey *key)
{
	return SESSION_BASE64URL_CHARS(HEADER_BYTES) + 2 +
		SESSION_BASE64URL_CHARS(SESSION_CBC_IV_BYTES) + 1 +
		SESSION_BASE64URL_CHARS(SESSION_CBC_BYTES(payload_len)) + 1 +
		SESSION_BASE64URL_CHARS(SESSION_CBC_TAG_BYTES);
}

/* Returns the size of the key, which depends on the cipher. */
static size_t
key_bytes(const ContentKey *content)
{
	return content->gcm ? SESSION_GCM_KEY_BYTES : SESSION_CBC_KEY_BYTES;
}

/*
 * Sets the id to the thumbprint of the key, with the hash that Auth.js uses
 * for a key of that size.
 */
static bool
make_kid(ContentKey *content)
{
	char		k[SESSION_BASE64URL_CHARS(SESSION_CBC_KEY_BYTES) + 1];
	char		jwk[sizeof(THUMBPRINT) + sizeof(k)];
	uint8		hash[SESSION_SHA512_BYTES];
	size_t		len;
	bool		ok;

	*session_codec_put(k, content->bytes, key_bytes(content)) = '\0';
	len = snprintf(jwk, sizeof(jwk), THUMBPRINT, k);
	if (content->gcm)
		ok = session_crypto_sha256(hash, jwk, len);
	else
		ok = session_crypto_sha512(hash, jwk, len);
	*session_codec_put(content->kid, hash, content->gcm ?
					   SESSION_SHA256_BYTES : SESSION_SHA512_BYTES) = '\0';
	session_crypto_wipe(k, sizeof(k));
	session_crypto_wipe(jwk, sizeof(jwk));
	return ok;
}

/* Derives the key of a purpose, for either cipher. */
static bool
make_content_key(ContentKey *content, bool gcm, const char *purpose,
				 const SessionCodecKey *key)
{
	char		info[KEY_INFO_BYTES];
	size_t		len;

	if (!session_codec_key_usable(key, purpose))
		return false;
	content->gcm = gcm;
	len = snprintf(info, sizeof(info), KEY_INFO, purpose);
	return session_crypto_hkdf_sha256(content->bytes, key_bytes(content),
									  info, len, purpose, strlen(purpose),
									  key->secret, key->secret_len) &&
		make_kid(content);
}

/*
 * Encrypts the payload and writes the parts behind the header.  The ciphertext
 * is written to the end of the room of its characters, and encoded in place.
 */
static bool
put_parts(char *out, size_t *out_len, char *end, const char *payload,
		  size_t payload_len, const ContentKey *content)
{
	size_t		body_len = SESSION_CBC_BYTES(payload_len);
	size_t		aad_len = end - out;
	uint8		iv[SESSION_CBC_IV_BYTES];
	uint8		tag[SESSION_CBC_TAG_BYTES];
	uint8	   *body;

	if (!session_crypto_random(iv, sizeof(iv)))
		return false;
	*end++ = '.';
	*end++ = '.';
	end = session_codec_put(end, iv, sizeof(iv));
	*end++ = '.';
	body = (uint8 *) end + SESSION_BASE64URL_CHARS(body_len) - body_len;
	if (!session_crypto_aes256cbc_hs512_seal(body, tag, payload, payload_len,
											 out, aad_len, iv, content->bytes))
		return false;
	end = session_codec_put(end, body, body_len);
	*end++ = '.';
	end = session_codec_put(end, tag, sizeof(tag));
	*out_len = end - out;
	return true;
}

static bool
jwe_encode(char *out, size_t *out_len, const char *payload, size_t payload_len,
		   const char *purpose, const SessionCodecKey *key)
{
	ContentKey	content;
	char		header[HEADER_BYTES];
	int			len;
	bool		ok;

	if (!session_codec_fits(&session_codec_jwe, payload_len, key))
		return false;
	ok = make_content_key(&content, false, purpose, key);
	if (ok)
	{
		len = snprintf(header, sizeof(header), HEADER, content.kid);
		ok = put_parts(out, out_len, session_codec_put(out, header, len),
					   payload, payload_len, &content);
	}
	session_crypto_wipe(&content, sizeof(content));
	return ok;
}

/* Derives the key that the header asks for, if it may ask for that key. */
static bool
read_header(ContentKey *content, SessionPart part, const char *purpose,
			const SessionCodecKey *key)
{
	SessionHeader header;
	bool		gcm;
	bool		ok;

	if (!session_codec_header(&header, part))
		return false;
	gcm = key->imported && session_codec_header_has(&header, "enc", ENC_GCM, false);
	ok = session_codec_header_has(&header, "alg", "dir", false) &&
		(gcm || session_codec_header_has(&header, "enc", ENC_CBC, false)) &&
		make_content_key(content, gcm, purpose, key) &&
		session_codec_header_has(&header, "kid", content->kid, key->imported);
	session_claims_free(header.members, header.count);
	return ok;
}

/* Checks the tag of the ciphertext in "out", and decrypts it in place. */
static bool
open_body(char *out, size_t *out_len, size_t body_len,
		  const SessionPart *parts, const ContentKey *content)
{
	uint8		iv[SESSION_CBC_IV_BYTES];
	uint8		tag[SESSION_CBC_TAG_BYTES];

	if (!content->gcm)
		return session_codec_get(iv, SESSION_CBC_IV_BYTES, parts[IV_PART]) &&
			session_codec_get(tag, SESSION_CBC_TAG_BYTES, parts[TAG_PART]) &&
			session_crypto_aes256cbc_hs512_open((uint8 *) out, out_len, out,
												body_len, tag,
												parts[HEADER_PART].chars,
												parts[HEADER_PART].len, iv,
												content->bytes);
	*out_len = body_len;
	return session_codec_get(iv, SESSION_GCM_NONCE_BYTES, parts[IV_PART]) &&
		session_codec_get(tag, SESSION_GCM_TAG_BYTES, parts[TAG_PART]) &&
		session_crypto_aes256gcm_open((uint8 *) out, out, body_len, tag,
									  parts[HEADER_PART].chars,
									  parts[HEADER_PART].len, iv,
									  content->bytes);
}

static bool
jwe_decode(char *out, size_t *out_len, const char *value, size_t len,
		   const char *purpose, const SessionCodecKey *key)
{
	SessionPart parts[PARTS];
	ContentKey	content;
	bool		ok;

	ok = session_codec_split(parts, PARTS, value, len) &&
		parts[KEY_PART].len == 0 &&
		read_header(&content, parts[HEADER_PART], purpose, key) &&
		session_base64url_decode((uint8 *) out, parts[BODY_PART].chars,
								 parts[BODY_PART].len) &&
		open_body(out, out_len, SESSION_BASE64URL_BYTES(parts[BODY_PART].len),
				  parts, &content);
	session_crypto_wipe(&content, sizeof(content));
	return ok;
}

const SessionCodec session_codec_jwe = {
	.name = NAME,
	.bound = jwe_bound,
	.encode = jwe_encode,
	.decode = jwe_decode,
};
