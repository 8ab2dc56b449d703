/*
 * codec_common.h
 *	  What the encodings share; for codec*.c only.
 */
#ifndef SESSION_CODEC_COMMON_H
#define SESSION_CODEC_COMMON_H

#include "crypto/crypto.h"
#include "wire/base64url.h"
#include "wire/claims.h"
#include "wire/codec.h"

/* Longest header that is read, in bytes.  It may contain an RSA key. */
#define SESSION_HEADER_BYTES 2048

/* A part of a value, between two dots. */
typedef struct SessionPart
{
	const char *chars;
	size_t		len;
} SessionPart;

/* The members of a header, and its text, which some of them point to. */
typedef struct SessionHeader
{
	uint8		json[SESSION_HEADER_BYTES];
	SessionMember members[SESSION_MEMBERS];
	int			count;
} SessionHeader;

/* Returns whether the value of a payload is short enough to be decoded. */
extern bool session_codec_fits(const SessionCodec *codec, size_t payload_len,
							   const SessionCodecKey *key);

/* Returns whether the key is long enough, and the purpose not too long. */
extern bool session_codec_key_usable(const SessionCodecKey *key,
									 const char *purpose);

/*
 * Splits a value at its dots.  Returns false unless it has exactly "count"
 * parts and an allowed length, which is at least 1.
 */
extern bool session_codec_split(SessionPart *parts, int count,
								const char *value, size_t len);

/* Writes bytes as base64url.  Returns the place behind them. */
extern char *session_codec_put(char *out, const void *bytes, size_t len);

/* Decodes a part.  Returns false unless it stands for exactly "len" bytes. */
extern bool session_codec_get(uint8 *out, size_t len, SessionPart part);

/* Writes the label of an encoding and a purpose.  Returns its length. */
extern size_t session_codec_label(char label[SESSION_LABEL_BYTES],
								  const char *encoding, const char *purpose);

/*
 * Derives a key of 32 bytes for an encoding and a purpose, or takes the one
 * that is kept with the secret.  The caller wipes it after use.
 */
extern bool session_codec_derive(uint8 out[SESSION_KEY_BYTES],
								 const char *encoding, const char *purpose,
								 const SessionCodecKey *key);

/* Computes HMAC-SHA-256 with the derived key, or with an imported key. */
extern bool session_codec_mac(uint8 mac[SESSION_SHA256_BYTES],
							  const char *in, size_t len,
							  const char *encoding, const char *purpose,
							  const SessionCodecKey *key);

/*
 * Reads a JOSE header.  Returns false when it is invalid, or has members that
 * change the meaning of the rest: crit, zip, b64.  The caller frees the
 * members after use.
 */
extern bool session_codec_header(SessionHeader *header, SessionPart part);

/*
 * Returns whether the member of a name is a given string, or is missing and
 * optional.
 */
extern bool session_codec_header_has(const SessionHeader *header, const char *name,
									 const char *string, bool optional);

#endif							/* SESSION_CODEC_COMMON_H */
