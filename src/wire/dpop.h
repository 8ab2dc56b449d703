/*
 * dpop.h
 *	  What a proof of DPoP says (RFC 9449 section 4.2), and whether it is for a
 *	  request (section 4.3).
 *
 * The signature is checked by session_possession_verify.  The functions raise
 * no errors, allocate nothing and read no clock.
 */
#ifndef SESSION_WIRE_DPOP_H
#define SESSION_WIRE_DPOP_H

#include "wire/base64url.h"
#include "wire/possession.h"

/* Longest identifier of a proof, in characters. */
#define SESSION_DPOP_JTI_CHARS 256

/* How many seconds ahead of the server's clock a client's may be. */
#define SESSION_DPOP_AHEAD 5

/* The claims of a proof; those that may be missing are then NULL. */
typedef struct SessionDpopClaims
{
	const char *jti;
	const char *htm;
	const char *htu;
	int64		iat;			/* seconds since 1970 */
	const char *ath;			/* may be missing */
	const char *nonce;			/* may be missing */
} SessionDpopClaims;

/* The request that a proof has to be for. */
typedef struct SessionDpopRequest
{
	const char *method;
	size_t		method_len;
	const char *url;
	size_t		url_len;
	const char *token;			/* that came with it; NULL = none */
	size_t		token_len;
	bool		may_lack_hash;	/* the proof may lack the hash of the token */
	int64		now;			/* seconds since 1970 */
	int64		window;			/* how old a proof may be, in seconds */
} SessionDpopRequest;

/*
 * Reads the claims of a proof, which stay where the proof is.  Returns false
 * if one is missing or of another kind, for a jti without a character, with
 * more than SESSION_DPOP_JTI_CHARS or one that is not printable ASCII, and for
 * a proof without a key.
 */
extern pg_nodiscard bool session_dpop_claims_read(SessionDpopClaims *claims,
												  const SessionPossessionProof *proof);

/* Returns whether a proof is for a request, and its time is right. */
extern bool session_dpop_claims_fit(const SessionDpopClaims *claims,
									const SessionDpopRequest *request);

#endif							/* SESSION_WIRE_DPOP_H */
