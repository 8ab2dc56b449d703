/*
 * distant.c
 *	  Transactions of other servers that have sent their identity here.
 *
 * A backend of another server has one slot, which has the last of its
 * transactions that has ended here.  A backend numbers its transactions in
 * their order, so those before have ended, too.
 *
 * Rules:
 * - The table has a fixed size.  A backend that needs a slot in a full bucket
 *	 replaces the slot whose transaction ended first.  From then on, values
 *	 that were made until that end count as ended if their backend has no slot.
 *	 So a replaced slot makes no old value valid.  The clock of another
 *	 server may be ahead, so SESSION_DISTANT_AHEAD is added to the end.
 * - The numbers of servers and backends are random, and proven by a MAC before
 *	 they are used here.  So their bits choose the bucket without a hash.
 * - Transactions are compared modulo 2^32: a slot covers the 2^31 transactions
 *	 before the one that it has.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "shared/distant.h"

#define TRANCHE "session_distant"
#define BUCKETS 1024			/* a power of two */
#define BUCKET_SLOTS 16

typedef struct DistantSlot
{
	uint64		server;			/* 0 = free */
	uint64		backend;
	int64		until;			/* its values made until then may have ended */
	uint32		transaction;	/* this one and those before have ended */
} DistantSlot;

typedef struct DistantBucket
{
	int64		until;			/* values made until then count as ended */
	DistantSlot slots[BUCKET_SLOTS];
} DistantBucket;

typedef struct Distant
{
	uint64		server;			/* of this server */
	LWLockPadded *lock;
	DistantBucket buckets[BUCKETS];
} Distant;

static Distant *distant = NULL;

/*
 * Returns whether the library of Citus is preloaded.  A client can give a
 * value to a setting that no library has defined; that is a placeholder.
 */
bool
session_distant_has_citus(void)
{
	return GetConfigOption(SESSION_DISTANT_FORWARDING, true, false) != NULL &&
		(GetConfigOptionFlags(SESSION_DISTANT_FORWARDING, true) &
		 GUC_CUSTOM_PLACEHOLDER) == 0;
}

/* Requests the shared memory of the table. */
void
session_distant_shmem_request(void)
{
	if (!session_distant_has_citus())
		return;
	RequestAddinShmemSpace(MAXALIGN(sizeof(Distant)));
	RequestNamedLWLockTranche(TRANCHE, 1);
}

/* Creates the table in shared memory, or finds it there. */
void
session_distant_shmem_init(void)
{
	bool		found;

	if (!session_distant_has_citus())
		return;
	distant = ShmemInitStruct(TRANCHE, sizeof(Distant), &found);
	if (found)
		return;
	MemSet(distant, 0, sizeof(*distant));
	distant->lock = GetNamedLWLockTranche(TRANCHE);
	if (!pg_strong_random(&distant->server, sizeof(distant->server)))
		ereport(FATAL,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random values")));
	/* What ended before the server started is not known. */
	for (int i = 0; i < BUCKETS; i++)
		distant->buckets[i].until = GetCurrentTimestamp() +
			SESSION_DISTANT_AHEAD;
}

/* Sets the random number of this server. */
bool
session_distant_server(uint64 *server)
{
	if (distant == NULL)
		return false;
	*server = distant->server;
	return true;
}

static DistantBucket *
bucket_of(const SessionCarried *carried)
{
	return &distant->buckets[(carried->server ^ carried->backend) &
							 (BUCKETS - 1)];
}

/* Returns the slot of a backend, NULL if it has none.  The lock is held. */
static DistantSlot *
find_slot(DistantBucket *bucket, const SessionCarried *carried)
{
	for (int i = 0; i < BUCKET_SLOTS; i++)
		if (bucket->slots[i].backend == carried->backend &&
			bucket->slots[i].server == carried->server)
			return &bucket->slots[i];
	return NULL;
}

/* Returns a slot for a backend that has none.  The lock is held. */
static DistantSlot *
take_slot(DistantBucket *bucket)
{
	DistantSlot *oldest = &bucket->slots[0];

	for (int i = 0; i < BUCKET_SLOTS; i++)
	{
		if (bucket->slots[i].server == 0)
			return &bucket->slots[i];
		if (bucket->slots[i].until < oldest->until)
			oldest = &bucket->slots[i];
	}
	bucket->until = Max(bucket->until, oldest->until);
	return oldest;
}

/* Returns whether the second number of a backend does not follow the first. */
static bool
is_covered(uint32 ended, uint32 transaction)
{
	return (int32) (transaction - ended) <= 0;
}

/* Remembers that the transaction that sent a value has ended. */
void
session_distant_end(const SessionCarried *carried)
{
	DistantBucket *bucket = bucket_of(carried);
	DistantSlot *slot;

	LWLockAcquire(&distant->lock->lock, LW_EXCLUSIVE);
	slot = find_slot(bucket, carried);
	if (slot == NULL)
	{
		slot = take_slot(bucket);
		slot->server = carried->server;
		slot->backend = carried->backend;
		slot->transaction = carried->transaction;
	}
	else if (!is_covered(slot->transaction, carried->transaction))
		slot->transaction = carried->transaction;
	/* The transaction may have had newer values in another backend here. */
	slot->until = GetCurrentTimestamp() + SESSION_DISTANT_AHEAD;
	LWLockRelease(&distant->lock->lock);
}

/* Returns what is known about the transaction that sent a value. */
SessionDistantState
session_distant_state(const SessionCarried *carried)
{
	DistantBucket *bucket = bucket_of(carried);
	SessionDistantState state = SESSION_DISTANT_RUNS;
	DistantSlot *slot;

	LWLockAcquire(&distant->lock->lock, LW_SHARED);
	slot = find_slot(bucket, carried);
	if (slot == NULL && carried->made <= bucket->until)
		state = SESSION_DISTANT_FORGOTTEN;
	else if (slot != NULL && is_covered(slot->transaction,
										carried->transaction))
		state = SESSION_DISTANT_ENDED;
	LWLockRelease(&distant->lock->lock);
	return state;
}
