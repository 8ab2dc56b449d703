/*
 * dpop.h
 *	  Proofs of DPoP (RFC 9449): that a request comes from a client which has
 *	  the key of its session.
 */
#ifndef SESSION_DPOP_H
#define SESSION_DPOP_H

#include "datatype/timestamp.h"

#include "model/row.h"

/*
 * A proof that came with a request.  It is not looked at before a session that
 * is bound to a key was found by its token: signatures are slow to verify.
 */
typedef struct SessionDpopProof
{
	const char *chars;
	size_t		len;
	const char *method;			/* of the request */
	size_t		method_len;
	const char *url;			/* NULL = "session.public_url" is not set */
	size_t		url_len;
	const char *token;			/* beside the proof */
	size_t		token_len;
	bool		may_lack_hash;	/* the proof may lack the hash of the token */

	/* The rest is set by the functions below. */
	bool		good;			/* it was found good, and its jti is used */
	bool		lacks_nonce;	/* it has no nonce, or an old one */
} SessionDpopProof;

/*
 * Returns whether a request may use a session that is bound to a key with
 * DPoP: its proof is good, or it has none (NULL) but the transaction has
 * accepted one for the session before.  A good proof is used up, at once and
 * for all transactions, unless "uses" is false.
 *
 * Call it only for an active session whose token was presented.  Errors with
 * 55000 if "session.public_url" is needed and not set.
 */
extern bool session_dpop_proves(const SessionRow *row, SessionDpopProof *proof,
								bool uses);

/* Sets the thumbprint of the key of a good proof, which is used up. */
extern bool session_dpop_find_key(uint8 thumbprint[SESSION_SHA256_BYTES],
								  SessionDpopProof *proof);

/* Lets the transaction use a session that it has just bound to a key. */
extern void session_dpop_note_bound(const SessionRow *row);

/*
 * Returns a nonce for proofs.  The first call generates its key; errors with
 * 55000 if there is none and the transaction is READ ONLY.
 */
extern char *session_dpop_make_nonce(void);

/*
 * Returns a nonce for the answer to a request; NULL if "session.dpop_nonce" is
 * off, and if there is no key yet: one that is generated in a transaction that
 * refuses a request is rolled back with it.
 */
extern char *session_dpop_find_nonce(void);

/*
 * Generates the key of nonces, if there is none and "session.dpop_nonce" is
 * on, so that requests that are read-only can use it.
 */
extern void session_dpop_prepare(void);

#endif							/* SESSION_DPOP_H */
