/*
 * signature.h
 *	  Signatures with public keys, and the algorithms of keys.
 *
 * A signature has the form that JWS gives it (RFC 7518 section 3, RFC 8037):
 * r and s of 32 bytes each for ES256, 64 bytes for EdDSA, and as many bytes as
 * the modulus for RS256.
 *
 * The functions use no server state.  One that returns false or NULL has
 * written nothing usable.
 */
#ifndef SESSION_SIGNATURE_H
#define SESSION_SIGNATURE_H

/* Fewest and most bits of the modulus of an RSA key. */
#define SESSION_RSA_BITS 2048
#define SESSION_RSA_MOST_BITS 8192

/* Most bytes of a signature. */
#define SESSION_SIGNATURE_BYTES (SESSION_RSA_MOST_BITS / 8)

/* Most bytes of the private form of a key, which is that of RS256. */
#define SESSION_PRIVATE_KEY_BYTES 1160

/* What a key can do; there is one descriptor for each algorithm. */
typedef struct SessionAlgorithm
{
	const char *name;			/* in the header "alg" of a JWS */
	const char *kty;			/* of a JWK */
	const char *crv;			/* of a JWK; NULL = it has none */
	bool		symmetric;		/* HS256: the functions below do not apply */
	size_t		part_bytes[2];	/* x and y, or x; 0 = of any length: n and e */
} SessionAlgorithm;

extern const SessionAlgorithm session_algorithm_hs256;
extern const SessionAlgorithm session_algorithm_es256;
extern const SessionAlgorithm session_algorithm_eddsa;
extern const SessionAlgorithm session_algorithm_rs256;

/* Returns the algorithm of a name, which is case-sensitive; or NULL. */
extern const SessionAlgorithm *session_algorithm_find(const char *name,
													  size_t len);

/*
 * The numbers that a public key consists of, big-endian, as a JWK holds them:
 * x and y of ES256, x of EdDSA, n and e of RS256.
 */
typedef struct SessionPublicParts
{
	const SessionAlgorithm *algorithm;
	uint8		first[SESSION_RSA_MOST_BITS / 8];	/* x or n */
	size_t		first_len;
	uint8		second[32];		/* y or e */
	size_t		second_len;		/* 0 with EdDSA */
} SessionPublicParts;

/*
 * A key that is ready for use.  It is not in memory of PostgreSQL: it lives
 * until session_signature_free, also after an error.
 */
typedef struct SessionSignatureKey SessionSignatureKey;

/*
 * Makes a key from its public parts.  Returns NULL when these are no key:
 * a point that is not on the curve, a modulus of too few or too many bits, an
 * exponent that is even, 1 or of more than 64 bits, a leading zero in n or e.
 */
extern SessionSignatureKey *session_signature_public(const SessionPublicParts *parts);

/*
 * Makes a key from its private form.  Returns NULL when it is not a key of the
 * algorithm.  The form has no header, and its numbers are big-endian:
 *
 *	 ES256	the private number, 32 bytes
 *	 EdDSA	the seed, 32 bytes
 *	 RS256	n, e, d, p, q, d mod (p - 1), d mod (q - 1), q^-1 mod p, of 256, 8,
 *			256 and five times 128 bytes: n has SESSION_RSA_BITS
 */
extern SessionSignatureKey *session_signature_private(const SessionAlgorithm *algorithm,
													  const uint8 *private,
													  size_t len);

/* Generates a key and writes its private form; the caller wipes it. */
extern pg_nodiscard bool session_signature_generate(const SessionAlgorithm *algorithm,
													uint8 private[SESSION_PRIVATE_KEY_BYTES],
													size_t *len);

/* Writes the public parts of a key. */
extern pg_nodiscard bool session_signature_parts(SessionPublicParts *parts,
												 const SessionSignatureKey *key);

/* Signs, with a private key. */
extern pg_nodiscard bool session_signature_sign(uint8 out[SESSION_SIGNATURE_BYTES],
												size_t *out_len,
												const void *in, size_t len,
												SessionSignatureKey *key);

/*
 * Returns whether a signature was made with the private half of a key.  Any
 * bytes of any length may be given for one.
 */
extern pg_nodiscard bool session_signature_verify(const uint8 *signature,
												  size_t signature_len,
												  const void *in, size_t len,
												  SessionSignatureKey *key);

/*
 * Does the same with a public key that verifies once only.  Returns false for
 * parts of which session_signature_public makes no key.
 */
extern pg_nodiscard bool session_signature_verify_once(const uint8 *signature,
													   size_t signature_len,
													   const void *in,
													   size_t len,
													   const SessionPublicParts *parts);

/* Returns the algorithm of a key. */
extern const SessionAlgorithm *session_signature_algorithm(const SessionSignatureKey *key);

/* Frees a key, and wipes its private half; NULL is allowed. */
extern void session_signature_free(SessionSignatureKey *key);

#endif							/* SESSION_SIGNATURE_H */
