/*
 * codec.h
 *	  The encodings of a cookie's payload, with a descriptor for each.
 *
 * A payload is the text of a JSON object.  Encoding turns it into a value that
 * is safe in a cookie.  Decoding proves that the value was made with the key,
 * and returns the payload's bytes as they were received.  The claims in a
 * payload are read elsewhere (claims.h).
 *
 * The functions raise no errors and read no clock.  The caller provides
 * buffers of the sizes below.  Memory for reading a header is allocated and
 * freed again.
 */
#ifndef SESSION_CODEC_H
#define SESSION_CODEC_H

#include "crypto/crypto.h"
#include "crypto/signature.h"

/* Longest value that is decoded, in characters. */
#define SESSION_CODEC_CHARS (64 * 1024)

/* Longest key id, in characters, and longest purpose, in bytes. */
#define SESSION_KID_CHARS 128
#define SESSION_PURPOSE_BYTES 128

/* Shortest secret, in bytes. */
#define SESSION_KEY_BYTES 32

/* Longest secret that can be imported, in bytes. */
#define SESSION_IMPORT_BYTES 1024

/* Longest label of a derivation, in bytes. */
#define SESSION_LABEL_BYTES (64 + SESSION_PURPOSE_BYTES)

/* A key that was derived from a secret for an encoding and a purpose. */
typedef struct SessionDerivedKey
{
	const char *encoding;		/* a constant; NULL = there is no key */
	char		purpose[SESSION_PURPOSE_BYTES + 1];
	uint8		bytes[SESSION_KEY_BYTES];
	SessionMac *mac;			/* of the same key; NULL until first used */
} SessionDerivedKey;

/* How many keys are kept with a secret: few purposes are used in turn. */
#define SESSION_DERIVED_KEYS 4

/*
 * The keys that were derived last from one secret.  The owner of the secret
 * provides the memory, zeroed, and calls session_codec_forget when it wipes
 * the secret.
 */
typedef struct SessionDerivedKeys
{
	SessionDerivedKey keys[SESSION_DERIVED_KEYS];
	int			next;			/* the one to be replaced */
} SessionDerivedKeys;

/*
 * A key is a secret, or it is a pair of keys of an algorithm for signatures.
 * Then it has no secret, and only encodings with signatures can use it.
 */
typedef struct SessionCodecKey
{
	const char *kid;			/* NUL-terminated; may be empty if imported */
	const uint8 *secret;
	size_t		secret_len;		/* at least SESSION_KEY_BYTES */
	bool		imported;		/* used as the foreign format requires */
	SessionDerivedKeys *derived;	/* NULL = none are kept */
	SessionSignatureKey *signature; /* NULL = the key is a secret */
} SessionCodecKey;

/* Wipes derived keys, and frees what is not in their memory. */
extern void session_codec_forget(SessionDerivedKeys *derived);

typedef struct SessionCodec
{
	const char *name;
	bool		signatures;		/* can use keys for signatures */

	/*
	 * Returns the most characters that a payload is encoded as with a key.  A
	 * payload for which that is more than SESSION_CODEC_CHARS is not encoded.
	 * NULL, as is encode, for a format that is only read.
	 */
	size_t		(*bound) (size_t payload_len, const SessionCodecKey *key);

	/*
	 * Writes the value without a terminator.  Returns false when a primitive
	 * failed, or when payload, purpose or key break a limit above.
	 */
	bool		(*encode) (char *out, size_t *out_len,
						   const char *payload, size_t payload_len,
						   const char *purpose, const SessionCodecKey *key);

	/*
	 * Returns the most bytes that decode writes; NULL = the length of the
	 * value.
	 */
	size_t		(*room) (const char *value, size_t len);

	/*
	 * Proves the value and writes its payload.  The caller provides
	 * session_codec_room bytes, of which some may be used for the work.
	 * Returns false when the value is not exactly of the format, or was not
	 * made with this key for this purpose.
	 */
	bool		(*decode) (char *out, size_t *out_len,
						   const char *value, size_t len,
						   const char *purpose, const SessionCodecKey *key);
} SessionCodec;

/*
 * Returns whether a text can be the id of a key: printable ASCII that needs no
 * escapes in JSON.
 */
extern bool session_codec_kid_valid(const char *kid);

/* Returns the encoding of a name, or NULL. */
extern const SessionCodec *session_codec_find(const char *name, size_t len);

/*
 * Returns the only encoding that a value can be in, by its colons and the
 * number of its parts; NULL when there is none.
 */
extern const SessionCodec *session_codec_of(const char *value, size_t len);

/* Returns the number of bytes that decoding a value needs. */
extern size_t session_codec_room(const SessionCodec *codec, const char *value,
								 size_t len);

/* Returns whether a value has the form of a signed id of express-session. */
extern bool session_codec_is_express(const char *value, size_t len);

extern const SessionCodec session_codec_compact;
extern const SessionCodec session_codec_jwt;
extern const SessionCodec session_codec_jwe;
extern const SessionCodec session_codec_sealed;
extern const SessionCodec session_codec_express;
extern const SessionCodec session_codec_django;

#endif							/* SESSION_CODEC_H */
