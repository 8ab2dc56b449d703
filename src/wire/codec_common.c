/*
 * codec_common.c
 *	  What the encodings share: parts, keys, headers.
 *
 * Rules:
 * - A derived key is kept with the secret, if its owner provides the memory,
 *	 and wiped with it: deriving it takes longer than the MAC of most cookies.
 *	 Otherwise, and where it is copied, it is wiped after the call.
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

	/* An empty value may be NULL, which memchr does not take. */
	if (len == 0 || len > SESSION_CODEC_CHARS)
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

/* Wipes a derived key. */
static void
forget_key(SessionDerivedKey *key)
{
	session_crypto_mac_free(key->mac);
	session_crypto_wipe(key, sizeof(*key));
}

/* Wipes derived keys. */
void
session_codec_forget(SessionDerivedKeys *derived)
{
	for (int i = 0; i < SESSION_DERIVED_KEYS; i++)
		forget_key(&derived->keys[i]);
}

/* Returns the key that was derived and kept; NULL when none was. */
static SessionDerivedKey *
find_derived(SessionDerivedKeys *derived, const char *encoding,
			 const char *purpose)
{
	for (int i = 0; i < SESSION_DERIVED_KEYS; i++)
	{
		SessionDerivedKey *key = &derived->keys[i];

		if (key->encoding != NULL && strcmp(key->encoding, encoding) == 0 &&
			strcmp(key->purpose, purpose) == 0)
			return key;
	}
	return NULL;
}

/* Returns the place for another key, which is that of the oldest one. */
static SessionDerivedKey *
replace_oldest(SessionDerivedKeys *derived)
{
	SessionDerivedKey *oldest = &derived->keys[derived->next];

	derived->next = (derived->next + 1) % SESSION_DERIVED_KEYS;
	forget_key(oldest);
	return oldest;
}

/* Derives a key. */
static bool
fill_derived(SessionDerivedKey *derived, const char *encoding,
			 const char *purpose, const SessionCodecKey *key)
{
	char		label[SESSION_LABEL_BYTES];
	size_t		len = session_codec_label(label, encoding, purpose);

	if (!session_crypto_hkdf_sha256(derived->bytes, SESSION_KEY_BYTES, label,
									len, NULL, 0, key->secret,
									key->secret_len))
		return false;
	strlcpy(derived->purpose, purpose, sizeof(derived->purpose));
	derived->encoding = encoding;
	return true;
}

/*
 * Returns the key of an encoding and a purpose: one that is kept, or one that
 * is derived now.  It is "own", which is zeroed, if none are kept.  Returns
 * NULL when the key or the purpose breaks a limit, or OpenSSL refuses.
 */
static SessionDerivedKey *
derived_key(SessionDerivedKey *own, const char *encoding, const char *purpose,
			const SessionCodecKey *key)
{
	SessionDerivedKey *kept;

	if (!session_codec_key_usable(key, purpose))
		return NULL;
	if (key->derived != NULL)
	{
		kept = find_derived(key->derived, encoding, purpose);
		if (kept != NULL)
			return kept;
		own = replace_oldest(key->derived);
	}
	return fill_derived(own, encoding, purpose, key) ? own : NULL;
}

/* Derives the key of an encoding and a purpose. */
bool
session_codec_derive(uint8 out[SESSION_KEY_BYTES], const char *encoding,
					 const char *purpose, const SessionCodecKey *key)
{
	SessionDerivedKey own = {.encoding = NULL};
	const SessionDerivedKey *derived = derived_key(&own, encoding, purpose,
												   key);

	if (derived != NULL)
		memcpy(out, derived->bytes, SESSION_KEY_BYTES);
	if (derived == &own)
		forget_key(&own);
	return derived != NULL;
}

/* Computes HMAC-SHA-256 with the derived key, or an imported one. */
bool
session_codec_mac(uint8 mac[SESSION_SHA256_BYTES], const char *in, size_t len,
				  const char *encoding, const char *purpose,
				  const SessionCodecKey *key)
{
	SessionDerivedKey own = {.encoding = NULL};
	SessionDerivedKey *derived;
	bool		ok;

	if (key->imported)
		return session_codec_key_usable(key, purpose) &&
			session_crypto_hmac_sha256(mac, in, len, key->secret,
									   key->secret_len);
	derived = derived_key(&own, encoding, purpose, key);
	if (derived != NULL && derived->mac == NULL)
		derived->mac = session_crypto_mac_new(derived->bytes,
											  sizeof(derived->bytes));
	ok = derived != NULL && derived->mac != NULL &&
		session_crypto_mac(mac, in, len, derived->mac);
	if (derived == &own)
		forget_key(&own);
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
