/*
 * keyring.h
 *	  The key ring: keys are generated or imported, stored sealed, and opened
 *	  when they are needed.
 *
 * A key belongs to one purpose.  Of those that can sign, the newest one whose
 * time of activation has passed does, and before that of all of them the one
 * that is activated first.  All keys that are not retired verify.
 *
 * A key is a secret, or a pair of keys of an algorithm for signatures.  Of the
 * pair of an issuer, another system, only the public half is here.
 *
 * The functions below see what is committed now.  The keys that they return
 * are valid until the next call into this module.
 */
#ifndef SESSION_KEYRING_H
#define SESSION_KEYRING_H

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"

#include "wire/codec.h"

/* Bytes of a generated secret; imported ones have at least as many. */
#define SESSION_SECRET_KEY_BYTES 32

typedef struct SessionKey
{
	const char *kid;			/* public */
	const char *purpose;
	const uint8 *secret;		/* NULL = it is a pair of keys */
	size_t		secret_len;
	bool		imported;		/* used as its foreign format requires */
	SessionDerivedKeys *derived;	/* from the secret, by the codecs */
	SessionSignatureKey *signature; /* NULL = it is a secret */
	bool		signs;			/* it is not an issuer's */
	bool		pending;		/* its time has not come, when last looked */
	TimestampTz activated_at;
	const char *token_kid;		/* in headers; empty = none */
	const char *issuer;			/* these two may be NULL */
	const char *audience;
} SessionKey;

/* The purpose of the keys that seal what rows hold; see seal.c. */
#define SESSION_KEYRING_SEAL "seal"

/*
 * The purpose of the keys that prove bound cookies, challenges, nonces and the
 * tokens of request/csrf.c; see engine/challenge.c.
 */
#define SESSION_KEYRING_BOUND "bound"

/*
 * The purpose of the keys that prove identities which another server sends;
 * see engine/carry.c.  They are secrets, and are imported on every server.
 */
#define SESSION_KEYRING_CONTEXT "context"

/*
 * Returns whether a purpose is one of ours, whose keys are secrets that were
 * generated here.
 */
extern bool session_keyring_is_reserved(const char *purpose);

/* Returns the keys of a purpose that are not retired, newest first. */
extern List *session_keyring_of(const char *purpose);

/*
 * Returns the key of a purpose that signs, NULL if there is none.  With
 * secret, only keys that are a secret count.
 */
extern const SessionKey *session_keyring_find_signer(const char *purpose,
													 bool secret);

/* Does the same, and errors with 55000 if there is none. */
extern const SessionKey *session_keyring_signer(const char *purpose,
												bool secret);

/*
 * Returns the key of one of our purposes that signs, and generates the first
 * one.  Errors with 55000 if there is none and the transaction is READ ONLY.
 */
extern const SessionKey *session_keyring_reserved_signer(const char *purpose);

/* Returns a key in the form that the encodings take. */
extern SessionCodecKey session_keyring_codec_key(const SessionKey *key);

/*
 * Opens one key of a purpose that is a secret, retired or not.  Returns NULL
 * if there is none.  It is not cached: pass it to session_keyring_close_one,
 * which wipes it.
 */
extern SessionKey *session_keyring_open_one(const char *kid,
											const char *purpose);
extern void session_keyring_close_one(SessionKey *key);

/* Generates a key and returns its kid. */
extern char *session_keyring_rotate(const char *purpose,
									const SessionAlgorithm *algorithm);

/* Generates the name of a key. */
extern char *session_keyring_new_kid(void);

/*
 * Stores a foreign secret as a key and returns its kid, which is generated if
 * the one given is NULL.  Errors with 23505 if the kid is taken.
 */
extern char *session_keyring_import(const uint8 *secret, size_t len,
									const char *kid, const char *purpose);

#endif							/* SESSION_KEYRING_H */
