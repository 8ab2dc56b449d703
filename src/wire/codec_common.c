/*
 * codec_common.c
 *	  What the encodings share: parts, keys, headers.
 *
 * Rules:
 * - A derived key is copied for one call, and the copy wiped in it.  The key
 *	 is kept with the secret, if its owner wants that, and wiped with it:
 *	 deriving it takes longer than the MAC of most cookies.
 * - A key of ours is never used directly: a key for the encoding and the
 *	 purpose is derived from it.  The label of the derivation is unambiguous,
 *	 because no encoding's name contains a colon.
 */
#include "postgres.h"

#include "wire/codec_common.h"

/* Returns whether the value of a payload is short enough to be decoded. */
bool
session_codec_fits(const SessionCodec *codec, size_t payload_len,
				   const SessionCodecKey *key)
{
	return payload_len <= SESSION_CODEC_CHARS &&
		codec->bound(payload_len, key) <= SESSION_CODEC_CHARS;
}

/* Returns whether key and purpose are within the limits. */
bool
session_codec_key_usable(const SessionCodecKey *key, const char *purpose)
{
	return key->secret_len >= SESSION_KEY_BYTES &&
		strlen(purpose) <= SESSION_PURPOSE_BYTES;
}

/* Splits a value at its dots; false unless it has "count" parts. */
bool
session_codec_split(SessionPart *parts, int count, const char *value,
					size_t len)
{
	const char *end = value + len;

	if (len > SESSION_CODEC_CHARS)
		return false;
	for (int i = 0; i < count; i++)
	{
		const char *dot = memchr(value, '.', end - value);

		/* All parts but the last are followed by a dot. */
		if ((dot != NULL) != (i < count - 1))
			return false;
		parts[i].chars = value;
		parts[i].len = (dot != NULL ? dot : end) - value;
		value += parts[i].len + 1;
	}
	return true;
}

/* Writes bytes as base64url.  Returns the place behind them. */
char *
session_codec_put(char *out, const void *bytes, size_t len)
{
	session_base64url_encode(out, bytes, len);
	return out + SESSION_BASE64URL_CHARS(len);
}

/* Decodes a part; false unless it stands for exactly "len" bytes. */
bool
session_codec_get(uint8 *out, size_t len, SessionPart part)
{
	return part.len == SESSION_BASE64URL_CHARS(len) &&
		session_base64url_decode(out, part.chars, part.len);
}

/* Writes the label of an encoding and a purpose.  Returns its length. */
size_t
session_codec_label(char label[SESSION_LABEL_BYTES], const char *encoding,
					const char *purpose)
{
	return (size_t) snprintf(label, SESSION_LABEL_BYTES, "session %s:%s",
							 encoding, purpose);
}

/* Returns the key that was derived by a label and kept; NULL when none was. */
static const SessionDerivedKey *
find_derived(const SessionDerivedKeys *derived, const char *label, size_t len)
{
	if (derived == NULL)
		return NULL;
	for (int i = 0; i < SESSION_DERIVED_KEYS; i++)
		if (derived->keys[i].label_len == len &&
			memcmp(derived->keys[i].label, label, len) == 0)
			return &derived->keys[i];
	return NULL;
}

/* Keeps a derived key in place of the oldest one. */
static void
keep_derived(SessionDerivedKeys *derived, const char *label, size_t len,
			 const uint8 *bytes)
{
	SessionDerivedKey *key;

	if (derived == NULL)
		return;
	key = &derived->keys[derived->next];
	derived->next = (derived->next + 1) % SESSION_DERIVED_KEYS;
	memcpy(key->label, label, len);
	key->label_len = len;
	memcpy(key->bytes, bytes, sizeof(key->bytes));
}

/* Derives the key of an encoding and a purpose. */
bool
session_codec_derive(uint8 out[SESSION_KEY_BYTES], const char *encoding,
					 const char *purpose, const SessionCodecKey *key)
{
	char		label[SESSION_LABEL_BYTES];
	size_t		len;
	const SessionDerivedKey *kept;

	if (!session_codec_key_usable(key, purpose))
		return false;
	len = session_codec_label(label, encoding, purpose);
	kept = find_derived(key->derived, label, len);
	if (kept != NULL)
	{
		memcpy(out, kept->bytes, SESSION_KEY_BYTES);
		return true;
	}
	if (!session_crypto_hkdf_sha256(out, SESSION_KEY_BYTES, label, len,
									NULL, 0, key->secret, key->secret_len))
		return false;
	keep_derived(key->derived, label, len, out);
	return true;
}

/* Computes HMAC-SHA-256 with the derived key, or an imported one. */
bool
session_codec_mac(uint8 mac[SESSION_SHA256_BYTES], const char *in, size_t len,
				  const char *encoding, const char *purpose,
				  const SessionCodecKey *key)
{
	uint8		derived[SESSION_KEY_BYTES];
	bool		ok;

	if (key->imported)
		return session_codec_key_usable(key, purpose) &&
			session_crypto_hmac_sha256(mac, in, len, key->secret,
									   key->secret_len);
	ok = session_codec_derive(derived, encoding, purpose, key) &&
		session_crypto_hmac_sha256(mac, in, len, derived, sizeof(derived));
	session_crypto_wipe(derived, sizeof(derived));
	return ok;
}

/* Reads a JOSE header; false if it changes what the rest means. */
bool
session_codec_header(SessionHeader *header, SessionPart part)
{
	if (part.len > SESSION_BASE64URL_CHARS(sizeof(header->json)) ||
		!session_base64url_decode(header->json, part.chars, part.len) ||
		!session_claims_read(header->members, &header->count,
							 (const char *) header->json,
							 SESSION_BASE64URL_BYTES(part.len)))
		return false;
	if (!session_claims_find(header->members, header->count, "crit") &&
		!session_claims_find(header->members, header->count, "zip") &&
		!session_claims_find(header->members, header->count, "b64"))
		return true;
	session_claims_free(header->members, header->count);
	return false;
}

/* Returns whether a member of the header is a given string. */
bool
session_codec_header_has(const SessionHeader *header, const char *name,
						 const char *string, bool optional)
{
	const SessionMember *member;

	member = session_claims_find(header->members, header->count, name);
	if (member == NULL)
		return optional;
	return member->kind == SESSION_JSON_STRING &&
		strcmp(member->string, string) == 0;
}
