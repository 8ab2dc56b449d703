/*
 * dpop.c
 *	  Proofs of DPoP (RFC 9449): that a request comes from a client which has
 *	  the key of its session.
 *
 * Rules:
 * - A proof is used up only if it is good in every way, so only a client with
 *	 the token and the key of a session can fill the memory of proofs.
 * - The cheap checks come first: a signature is verified only if the key is
 *	 that of the session and the proof is for the request.
 * - A transaction that has accepted a proof for a session may go on to use
 *	 that session.  A client sends one proof with a request, and an application
 *	 calls several functions for it.
 * - A nonce is a challenge that belongs to no session.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "compat.h"
#include "engine/challenge.h"
#include "engine/dpop.h"
#include "model/digest.h"
#include "model/policy.h"
#include "settings.h"
#include "shared/replay.h"
#include "wire/dpop.h"
#include "wire/jwk.h"

/* The nonces of a whole minute are the same, so clients can use them again. */
#define NONCE_USECS USECS_PER_MINUTE

/* Microseconds from 1970 to the epoch of PostgreSQL. */
#define EPOCH_USECS \
	((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY)

/* The id in a nonce, which belongs to no session. */
static const uint8 no_id[SESSION_ID_BYTES] = {0};

/* The session for which the running transaction has accepted a proof. */
static pg_uuid_t proven_id;
static SessionBound proven_bound;
static LocalTransactionId proven_in = InvalidLocalTransactionId;

/* Lets the transaction use a session. */
void
session_dpop_note_bound(const SessionRow *row)
{
	proven_id = row->id;
	proven_bound = row->bound;
	proven_in = session_compat_lxid();
}

/* Returns whether the transaction has proven the key of a session. */
static bool
is_proven(const SessionRow *row)
{
	return LocalTransactionIdIsValid(proven_in) &&
		proven_in == session_compat_lxid() &&
		memcmp(proven_id.data, row->id.data, UUID_LEN) == 0 &&
		memcmp(proven_bound.thumbprint, row->bound.thumbprint,
			   sizeof(proven_bound.thumbprint)) == 0;
}

/*
 * Nonces
 */

/* Returns whether a text is a nonce that may still be used. */
static bool
is_nonce(const char *nonce)
{
	TimestampTz made;

	return session_challenge_read(&made, nonce, no_id,
								  SESSION_CHALLENGE_NONCE) &&
		session_policy_challenge_good(made, SESSION_NO_TIME,
									  GetCurrentTimestamp());
}

/* Returns a nonce for proofs. */
char *
session_dpop_make_nonce(void)
{
	TimestampTz now = GetCurrentTimestamp();

	return session_challenge_make(now - now % NONCE_USECS, no_id,
								  SESSION_CHALLENGE_NONCE);
}

/* Returns a nonce, or NULL if there is none to be given. */
char *
session_dpop_find_nonce(void)
{
	if (!session_settings.dpop_nonce || !session_challenge_has_key())
		return NULL;
	return session_dpop_make_nonce();
}

/* Generates the key of nonces if it will be needed. */
void
session_dpop_prepare(void)
{
	if (session_settings.dpop_nonce)
		(void) session_challenge_key();
}

/*
 * Proofs
 */

/* Returns the request that a proof has to be for. */
static SessionDpopRequest
request_of(const SessionDpopProof *proof)
{
	SessionDpopRequest request = {
		.method = proof->method,
		.method_len = proof->method_len,
		.url = proof->url,
		.url_len = proof->url_len,
		.token = proof->token,
		.token_len = proof->token_len,
		.may_lack_hash = proof->may_lack_hash,
		.now = (GetCurrentTimestamp() + EPOCH_USECS) / USECS_PER_SEC,
		.window = session_settings.dpop_window
	};

	if (proof->url == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("\"session.public_url\" must be set for DPoP"),
				 errhint("Set it to the URL under which clients reach the "
						 "gateway.")));
	return request;
}

/*
 * Returns whether a proof that was read is good for a request, and not used
 * before.  The thumbprint is set to that of its key, or compared with it if it
 * is known.
 */
static bool
accept_read(SessionDpopProof *proof, const SessionPossessionProof *read,
			uint8 *thumbprint, bool known, bool uses)
{
	SessionDpopRequest request = request_of(proof);
	SessionDpopClaims claims;
	SessionReplayProof replay = {.thumbprint = thumbprint};
	uint8		own[SESSION_SHA256_BYTES];

	if (!session_dpop_claims_read(&claims, read) ||
		!session_dpop_claims_fit(&claims, &request))
		return false;
	if (!session_jwk_thumbprint(own, &read->key))
		session_digest_fail();
	if (known && memcmp(thumbprint, own, sizeof(own)) != 0)
		return false;
	if (!session_possession_verify(read, &read->key))
		return false;
	memcpy(thumbprint, own, sizeof(own));
	if (session_settings.dpop_nonce &&
		(claims.nonce == NULL || !is_nonce(claims.nonce)))
	{
		proof->lacks_nonce = true;
		return false;
	}
	replay.jti = claims.jti;
	replay.made = claims.iat;
	return uses ? session_replay_use(&replay, request.now - request.window) :
		session_replay_is_new(&replay);
}

/* Does the same for a proof that is still text. */
static bool
accept_proof(SessionDpopProof *proof, uint8 *thumbprint, bool known, bool uses)
{
	SessionPossessionProof *read = palloc(sizeof(*read));
	bool		good;

	good = session_possession_read(read, proof->chars, proof->len,
								   SESSION_POSSESSION_DPOP);
	if (good)
	{
		good = accept_read(proof, read, thumbprint, known, uses);
		session_possession_free(read);
	}
	pfree(read);
	return good;
}

/* Returns whether a request may use a session that is bound to a key. */
bool
session_dpop_proves(const SessionRow *row, SessionDpopProof *proof, bool uses)
{
	uint8		thumbprint[SESSION_SHA256_BYTES];
	bool		good;

	if (proof == NULL)
		return is_proven(row);
	/* A function may look at the session again, after it has locked it. */
	if (proof->good)
		return is_proven(row);
	memcpy(thumbprint, row->bound.thumbprint, sizeof(thumbprint));
	good = accept_proof(proof, thumbprint, true, uses);
	if (good && uses)
	{
		proof->good = true;
		session_dpop_note_bound(row);
	}
	return good;
}

/* Sets the thumbprint of the key of a good proof. */
bool
session_dpop_find_key(uint8 thumbprint[SESSION_SHA256_BYTES],
					  SessionDpopProof *proof)
{
	return accept_proof(proof, thumbprint, false, true);
}
