/*
 * replay.c
 *	  The proofs of keys that were used, so that none is used twice.
 *
 * A proof is a slot in one bucket.  The slot of a proof is not freed: a new
 * proof replaces the oldest of its bucket.
 *
 * Rules:
 * - A proof is not accepted twice.  When one is replaced, the bucket refuses
 *	 all proofs that are not newer.  So a full table does not forget; it makes
 *	 the time in which a proof is accepted shorter.
 * - A key has its proofs in a few of the buckets, and at most half of a full
 *	 one.  Beyond that its own oldest proof is replaced, and only its own
 *	 proofs are refused as too old.  So one client cannot use up the room of
 *	 the others.
 * - What was used before the server started is not known, so proofs from
 *	 before are refused.  A proof whose time was ahead of the clock, at most
 *	 SESSION_DPOP_AHEAD seconds, is accepted again if the server starts before
 *	 that time.  To refuse these as well, the server would have to refuse all
 *	 proofs for as many seconds after each start.
 * - Keys and buckets are hashes with a random seed, so that a client cannot
 *	 choose proofs that share a bucket with those of another.  Two proofs with
 *	 the same hash would only make the server refuse the second.
 *
 * The table is not shared/idmap.c, which keeps an entry until it is removed
 * and refuses a new one when it is full, nor shared/window.c, which counts.
 */
#include "postgres.h"

#include <time.h>

#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"

#include "settings.h"
#include "shared/database.h"
#include "shared/replay.h"

#define BUCKET_SLOTS 32
#define KEY_SHARE (BUCKET_SLOTS / 2)	/* slots of a key in a full bucket */
#define KEY_PART 16				/* a key uses one of so many buckets */
#define REPLAY_LOCKS 32
#define REPLAY_TRANCHE "session_replay"

/*
 * A proof that was used.  With proof 0, all proofs of the key that were made
 * until then count as used.
 */
typedef struct Slot
{
	uint64		key;			/* hash of database and thumbprint */
	uint64		proof;			/* hash of the identifier; never 0 */
	uint32		made;			/* seconds since 1970; 0 = free */
} Slot;

typedef struct ProofBucket
{
	uint32		until;			/* proofs made until then count as used */
	Slot		slots[BUCKET_SLOTS];
} ProofBucket;

typedef struct Proofs
{
	uint64		seed;
	uint32		nbuckets;
	ProofBucket buckets[FLEXIBLE_ARRAY_MEMBER];
} Proofs;

static Proofs *proofs = NULL;
static LWLockPadded *proof_locks = NULL;

/* Returns the number of buckets, as "session.dpop_size" says. */
static uint32
count_buckets(void)
{
	return (uint32) Max(KEY_PART, session_settings.dpop_size / BUCKET_SLOTS);
}

/* Returns the size of the table, in bytes. */
static Size
proofs_size(void)
{
	return offsetof(Proofs, buckets) + count_buckets() * sizeof(ProofBucket);
}

/* Requests the shared memory of the proofs. */
void
session_replay_shmem_request(void)
{
	RequestAddinShmemSpace(proofs_size());
	RequestNamedLWLockTranche(REPLAY_TRANCHE, REPLAY_LOCKS);
}

/* Makes an empty table, which refuses proofs from before. */
static void
make_proofs(void)
{
	MemSet(proofs, 0, proofs_size());
	proofs->nbuckets = count_buckets();
	if (!pg_strong_random(&proofs->seed, sizeof(proofs->seed)))
		proofs->seed = (uint64) time(NULL);
	for (uint32 i = 0; i < proofs->nbuckets; i++)
		proofs->buckets[i].until = (uint32) time(NULL);
}

/* Creates the table in shared memory, or finds it there. */
void
session_replay_shmem_init(void)
{
	bool		found;

	proofs = ShmemInitStruct(REPLAY_TRANCHE, proofs_size(), &found);
	if (!found)
		make_proofs();
	proof_locks = GetNamedLWLockTranche(REPLAY_TRANCHE);
}

/* Sets the slot that a proof would have. */
static void
make_slot(Slot *slot, const SessionReplayProof *proof)
{
	unsigned char key[sizeof(Oid) + SESSION_SHA256_BYTES];

	memcpy(key, &MyDatabaseId, sizeof(Oid));
	memcpy(key + sizeof(Oid), proof->thumbprint, SESSION_SHA256_BYTES);
	slot->key = hash_bytes_extended(key, sizeof(key), proofs->seed);
	slot->proof = hash_bytes_extended((const unsigned char *) proof->jti,
									  (int) strlen(proof->jti), slot->key) | 1;
	slot->made = (uint32) proof->made;
}

/* Returns the bucket of a proof, locked. */
static ProofBucket *
lock_proofs(const Slot *slot, LWLock **lock)
{
	/* The lowest bit is always set, so it does not tell proofs apart. */
	uint32		nth = (slot->proof >> 1) % (proofs->nbuckets / KEY_PART);
	uint64		place = hash_bytes_extended((const unsigned char *) &nth,
											sizeof(nth), slot->key) %
	proofs->nbuckets;

	*lock = &proof_locks[place % REPLAY_LOCKS].lock;
	LWLockAcquire(*lock, LW_EXCLUSIVE);
	return &proofs->buckets[place];
}

/* What a bucket has of the key of a proof, and which slot is the oldest. */
typedef struct Look
{
	bool		used;			/* the proof, as far as is known */
	int			count;			/* slots of the key */
	Slot	   *own_until;		/* the slot with proof 0; NULL = none */
	Slot	   *own_oldest;		/* of the others; NULL = none */
	Slot	   *oldest;			/* of all; a free one is the oldest */
} Look;

/* Looks at a bucket for a proof. */
static void
look_for_proof(Look *look, ProofBucket *bucket, const Slot *wanted)
{
	memset(look, 0, sizeof(*look));
	look->used = wanted->made <= bucket->until;
	for (int i = 0; i < BUCKET_SLOTS; i++)
	{
		Slot	   *slot = &bucket->slots[i];

		if (look->oldest == NULL || slot->made < look->oldest->made)
			look->oldest = slot;
		if (slot->made == 0 || slot->key != wanted->key)
			continue;
		look->count++;
		if (slot->proof == 0)
		{
			look->own_until = slot;
			look->used |= wanted->made <= slot->made;
			continue;
		}
		look->used |= slot->proof == wanted->proof;
		if (look->own_oldest == NULL || slot->made < look->own_oldest->made)
			look->own_oldest = slot;
	}
}

/*
 * Makes room in a bucket that is full of proofs which may still be presented,
 * half of them of the key of a new one: returns the slot of the oldest of its
 * own.  From now on, its own until then count as used.
 */
static Slot *
give_up_own(const Look *look)
{
	Slot	   *slot = look->own_oldest;

	if (look->own_until != NULL)
	{
		look->own_until->made = Max(look->own_until->made, slot->made);
		return slot;
	}
	/* The slot itself says so; the next oldest has to be replaced. */
	slot->proof = 0;
	return NULL;
}

/*
 * Puts a proof in place of the oldest of its bucket, or of its own.  Returns
 * whether that one could still be presented.
 */
static bool
put_proof(ProofBucket *bucket, const Slot *wanted, int64 oldest, Look *look)
{
	bool		full = look->oldest->made >= oldest;
	Slot	   *slot = look->oldest;

	if (full && look->count >= KEY_SHARE)
	{
		slot = give_up_own(look);
		if (slot == NULL)
		{
			look_for_proof(look, bucket, wanted);
			slot = give_up_own(look);
		}
	}
	else
		bucket->until = Max(bucket->until, slot->made);
	*slot = *wanted;
	return full;
}

/* Remembers a proof; returns false if it was used before. */
bool
session_replay_use(const SessionReplayProof *proof, int64 oldest)
{
	Slot		wanted;
	Look		look;
	LWLock	   *lock;
	ProofBucket *bucket;
	bool		used;
	bool		evicted = false;

	if (proofs == NULL)
		return true;
	make_slot(&wanted, proof);
	bucket = lock_proofs(&wanted, &lock);
	look_for_proof(&look, bucket, &wanted);
	used = look.used;
	if (!used)
		evicted = put_proof(bucket, &wanted, oldest, &look);
	LWLockRelease(lock);
	if (used)
		session_database_count(SESSION_COUNT_PROOF_REPLAYED);
	if (evicted)
		session_database_count(SESSION_COUNT_PROOF_EVICTED);
	return !used;
}

/* Returns whether a proof was not used before. */
bool
session_replay_is_new(const SessionReplayProof *proof)
{
	Slot		wanted;
	Look		look;
	LWLock	   *lock;

	if (proofs == NULL)
		return true;
	make_slot(&wanted, proof);
	look_for_proof(&look, lock_proofs(&wanted, &lock), &wanted);
	LWLockRelease(lock);
	return !look.used;
}
