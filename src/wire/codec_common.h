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

/* Longest header that is looked at, in bytes. */
#define SESSION_HEADER_BYTES 1024

/* Longest text that separates keys, in bytes. */
#define SESSION_LABEL_BYTES (64 + SESSION_PURPOSE_BYTES)

/* What is between two dots. */
typedef struct SessionPart
{
	const char *chars;
	size_t		len;
} SessionPart;

/* The members of a header. */
typedef struct SessionHeader
{
	SessionMember members[SESSION_MEMBERS];
	int			count;
} SessionHeader;

/* Will the value of a payload be short enough to be decoded? */
extern bool session_codec_fits(const SessionCodec *codec, size_t payload_len);

/* Is the key long enough, and the purpose not too long? */
extern bool session_codec_key_usable(const SessionCodecKey *key,
									 const char *purpose);

/* False unless the value has exactly count parts and an allowed length. */
extern bool session_codec_split(SessionPart *parts, int count,
								const char *value, size_t len);

/* Writes bytes as base64url and gives the place behind them. */
extern char *session_codec_put(char *out, const void *bytes, size_t len);

/* False unless the part stands for exactly len bytes. */
extern bool session_codec_get(uint8 *out, size_t len, SessionPart part);

/* The name of an encoding and a purpose; gives its length. */
extern size_t session_codec_label(char label[SESSION_LABEL_BYTES],
								  const char *encoding, const char *purpose);

/* A key of 32 bytes for one encoding and one purpose; wipe it after use. */
extern bool session_codec_derive(uint8 out[SESSION_KEY_BYTES],
								 const char *encoding, const char *purpose,
								 const SessionCodecKey *key);

/* HMAC-SHA-256 with the derived key, or with an imported one as it is. */
extern bool session_codec_mac(uint8 mac[SESSION_SHA256_BYTES],
							  const char *in, size_t len,
							  const char *encoding, const char *purpose,
							  const SessionCodecKey *key);

/*
 * Reads a JOSE header.  False when it is not one, or has members that change
 * what the rest means: crit, zip, b64.  Free its members after use.
 */
extern bool session_codec_header(SessionHeader *header, SessionPart part);

/* Has the header this string under the name, or nothing where that is fine? */
extern bool session_codec_header_has(const SessionHeader *header, const char *name,
									 const char *string, bool optional);

#endif							/* SESSION_CODEC_COMMON_H */
