/*
 * replay.h
 *	  The proofs of keys that were used, so that none is used twice.
 *
 * Without preloading there is no shared memory.  Then no proof is remembered,
 * and each counts as new.
 */
#ifndef SESSION_REPLAY_H
#define SESSION_REPLAY_H

#include "crypto/crypto.h"

/* A proof: what makes it one of its own, and when it was made. */
typedef struct SessionReplayProof
{
	const uint8 *thumbprint;	/* of its key, SESSION_SHA256_BYTES */
	const char *jti;			/* its identifier */
	int64		made;			/* seconds since 1970, fits 32 bits */
} SessionReplayProof;

/*
 * Remembers a proof, which was made at or after "oldest" (seconds since 1970).
 * Returns false if it was used before, or may have been: it was made when the
 * server did not run yet, or proofs that were made then are forgotten.
 *
 * Call it only for a proof that is good in every other way.
 */
extern bool session_replay_use(const SessionReplayProof *proof, int64 oldest);

/* Returns what session_replay_use would, and remembers nothing. */
extern bool session_replay_is_new(const SessionReplayProof *proof);

/* Requests the shared memory of this module, and creates it. */
extern void session_replay_shmem_request(void);
extern void session_replay_shmem_init(void);

#endif							/* SESSION_REPLAY_H */
