/*
 * dpop.c
 *	  Proofs of DPoP (RFC 9449): that a request comes from a client which has
 *	  the key of its session.
 *
 * Rules:
 * - A proof is used up only if it is good in every way, so nobody but a client
 *	 with the token and the key of a session can fill the memory of proofs.
 * - The cheap checks come first: a signature is verified only if the key is
 *	 that of the session and the proof is for the request.
 * - A transaction that has accepted a proof for a session may go on to use
 *	 that session.  A client sends one proof with a request, and an application
 *	 calls several functions for it.
 * - Nonces are proven, as challenges are, for this database; none is stored.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "engine/dpop.h"
#include "model/digest.h"
#include "model/policy.h"
#include "settings.h"
#include "shared/replay.h"
#include "table/keyring.h"
#include "wire/bound.h"
#include "wire/dpop.h"
#include "wire/jwk.h"

/* The nonces of a whole minute are the same, so clients can use them again. */
#define NONCE_USECS USECS_PER_MINUTE

/* Microseconds from 1970 to the epoch of PostgreSQL. */
#define EPOCH_USECS \
	((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY)

/* A nonce belongs to no session. */
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

/* Returns the realm of nonces: this database, as for bound cookies. */
static char *
nonce_realm(void)
{
	return psprintf("%u", MyDatabaseId);
}

/* Returns a key of the ring in the form that wire/bound.c takes. */
static SessionCodecKey
nonce_key(const SessionKey *key)
{
	SessionCodecKey result = {
		.kid = key->kid,
		.secret = key->secret,
		.secret_len = key->secret_len,
		.derived = key->derived
	};

	return result;
}

/* Returns whether a text is a nonce that may still be used. */
static bool
is_nonce(const char *nonce)
{
	TimestampTz now = GetCurrentTimestamp();
	char	   *realm = nonce_realm();
	ListCell   *cell;

	foreach(cell, session_keyring_of(SESSION_KEYRING_BOUND))
	{
		SessionCodecKey key = nonce_key(lfirst(cell));
		int64		made;

		if (session_bound_read_challenge(&made, nonce, strlen(nonce), no_id,
										 SESSION_CHALLENGE_NONCE, realm,
										 &key))
			return session_policy_challenge_good(made, SESSION_NO_TIME, now);
	}
	return false;
}

/* Returns the key that proves new nonces, and generates the first one. */
static const SessionKey *
nonce_signer(void)
{
	const SessionKey *key = session_keyring_find_signer(SESSION_KEYRING_BOUND,
														true);

	if (key != NULL)
		return key;
	if (XactReadOnly)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("there is no key for nonces, and a read-only "
						"transaction cannot generate it"),
				 errhint("Call session_key_rotate('bound') once, or turn "
						 "\"session.dpop_nonce\" off.")));
	pfree(session_keyring_rotate(SESSION_KEYRING_BOUND,
								 &session_algorithm_hs256));
	return session_keyring_signer(SESSION_KEYRING_BOUND, true);
}

/* Returns whether a nonce can be made without an error. */
bool
session_dpop_has_nonce(void)
{
	return !XactReadOnly ||
		session_keyring_find_signer(SESSION_KEYRING_BOUND, true) != NULL;
}

/* Returns a nonce for proofs. */
char *
session_dpop_make_nonce(void)
{
	TimestampTz now = GetCurrentTimestamp();
	SessionCodecKey key = nonce_key(nonce_signer());
	char	   *nonce = palloc0(SESSION_CHALLENGE_CHARS + 1);

	if (!session_bound_challenge(nonce, now - now % NONCE_USECS, no_id,
								 SESSION_CHALLENGE_NONCE, nonce_realm(), &key))
		session_digest_fail();
	return nonce;
}

/* Generates the key of nonces if it will be needed. */
void
session_dpop_prepare(void)
{
	if (session_settings.dpop_nonce)
		(void) nonce_signer();
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
