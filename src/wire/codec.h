/*
 * codec.h
 *	  The encodings of a cookie's payload, one descriptor each.
 *
 * A payload is the text of a JSON object.  Encoding turns it into a value that
 * is safe in a cookie; decoding proves that somebody with the key made the
 * value and gives the payload's bytes as they were received.  What the claims
 * in it say is looked at elsewhere (claims.h).
 *
 * Nothing here raises or reads a clock, and the caller brings buffers of the
 * size that the bounds below say; what reading a header takes is allocated and
 * freed again.
 */
#ifndef SESSION_CODEC_H
#define SESSION_CODEC_H

/* Longest value that is looked at, in characters. */
#define SESSION_CODEC_CHARS (64 * 1024)

/* Longest key id, in characters, and longest purpose, in bytes. */
#define SESSION_KID_CHARS 128
#define SESSION_PURPOSE_BYTES 128

/* Shortest secret, in bytes. */
#define SESSION_KEY_BYTES 32

typedef struct SessionCodecKey
{
	const char *kid;			/* NUL-terminated; may be empty if imported */
	const uint8 *secret;
	size_t		secret_len;		/* at least SESSION_KEY_BYTES */
	bool		imported;		/* used as the foreign format wants */
} SessionCodecKey;

typedef struct SessionCodec
{
	const char *name;

	/*
	 * Characters that a payload becomes, at most.  One for which that is more
	 * than SESSION_CODEC_CHARS is not encoded.
	 */
	size_t		(*bound) (size_t payload_len);

	/*
	 * Writes the value, no terminator; false when a primitive failed, or what
	 * is given breaks a limit above.
	 */
	bool		(*encode) (char *out, size_t *out_len,
						   const char *payload, size_t payload_len,
						   const char *purpose, const SessionCodecKey *key);

	/*
	 * Does the value name this key?  True as well for a value that names none
	 * where the format allows that for such a key.  Looks at unproven bytes,
	 * so it only saves work.
	 */
	bool		(*names) (const char *value, size_t len,
						  const char *purpose, const SessionCodecKey *key);

	/*
	 * Proves the value and writes its payload, at most len bytes.  False when
	 * it is not exactly of the format, or not made with this key for this
	 * purpose.
	 */
	bool		(*decode) (char *out, size_t *out_len,
						   const char *value, size_t len,
						   const char *purpose, const SessionCodecKey *key);
} SessionCodec;

/* Can the text be a key's id: printable ASCII that JSON need not escape? */
extern bool session_codec_kid_valid(const char *kid);

/* NULL when there is no encoding of that name. */
extern const SessionCodec *session_codec_find(const char *name, size_t len);

/* The one encoding a value can be in, by its parts; NULL when in none. */
extern const SessionCodec *session_codec_of(const char *value, size_t len);

extern const SessionCodec session_codec_compact;
extern const SessionCodec session_codec_jwt;
extern const SessionCodec session_codec_jwe;
extern const SessionCodec session_codec_sealed;

#endif							/* SESSION_CODEC_H */
