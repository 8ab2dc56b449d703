/*
 * stamp.c
 *	  Numbers that change when a session may have ended.
 *
 * A transaction that ends a session, gives it another token or denies a cookie
 * notes that here.  Its commit adds one to a counter.  An identity that is
 * bound to a transaction elsewhere is proven again when its counter has
 * changed.
 *
 * Rules:
 * - There is a fixed number of counters, chosen by a hash of the database and
 *	 the key.  Two sessions can share one: then an identity is proven again
 *	 without need.  Another counter is for all sessions.
 * - Counters change after the commit is visible to all backends, and before
 *	 the client is told of it.  A stamp is read before the row.  So a stamp is
 *	 not current if the row that was read is not the last one committed.
 * - What a transaction notes is a set of bits, so it takes no memory however
 *	 many sessions a transaction ends.  A rollback forgets it.
 * - No callback reports the end of a transaction that was prepared.  While one
 *	 that has noted something may exist, no stamp is current.  Neither is one
 *	 after the start of the server until the transactions that were prepared
 *	 before have ended.
 * - A standby has no callbacks either.  There a stamp is the end of the WAL
 *	 that was replayed.  The server updates it after the commit is visible.
 * - Numbers only grow.  So the sum of several is unchanged if all are, and a
 *	 stamp is one sum.
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "access/xlogrecovery.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "storage/lwlock.h"
#include "storage/procarray.h"
#include "storage/shmem.h"
#include "utils/snapmgr.h"

#include "compat.h"
#include "shared/stamp.h"

#define TRANCHE "session_stamp"

/* Number of counters: a power of two. */
#define PLACE_BITS 12
#define PLACES (1 << PLACE_BITS)

/* The value of a stamp that is never current. */
#define NEVER_CURRENT 0

/* Keeps the stamps of a standby apart from those after its promotion. */
#define ON_STANDBY (UINT64CONST(1) << 63)

typedef struct Stamps
{
	/* For what concerns all sessions. */
	pg_atomic_uint64 all;

	/*
	 * 1 until all transactions before wait_for have ended, or for as long as
	 * wait_for is invalid.  The lock is held to change either.
	 */
	pg_atomic_uint32 waiting;
	TransactionId wait_for;
	LWLockPadded *lock;

	char		padding[PG_CACHE_LINE_SIZE];
	pg_atomic_uint64 counters[PLACES];
} Stamps;

static Stamps *stamps = NULL;

/* For what concerns this backend.  It begins so that no sum is 0. */
static uint64 here = NEVER_CURRENT + 1;

/* What this transaction has noted: a bit for each counter. */
#define WORD_BITS 64
static uint64 noted[PLACES / WORD_BITS];
static bool noted_some = false;
static bool noted_all = false;

/*
 * Shared memory
 */

/* Requests the shared memory of the counters. */
void
session_stamp_shmem_request(void)
{
	RequestAddinShmemSpace(MAXALIGN(sizeof(Stamps)));
	RequestNamedLWLockTranche(TRANCHE, 1);
}

/* Creates the counters in shared memory, or finds them there. */
void
session_stamp_shmem_init(void)
{
	bool		found;

	stamps = ShmemInitStruct(TRANCHE, sizeof(Stamps), &found);
	if (found)
		return;
	MemSet(stamps, 0, sizeof(*stamps));
	pg_atomic_init_u64(&stamps->all, 0);
	/* Until session_stamp_begin. */
	pg_atomic_init_u32(&stamps->waiting, 1);
	stamps->wait_for = InvalidTransactionId;
	stamps->lock = GetNamedLWLockTranche(TRANCHE);
	for (int i = 0; i < PLACES; i++)
		pg_atomic_init_u64(&stamps->counters[i], 0);
}

/*
 * Reading
 */

/* Returns which counter the key of this database has. */
static uint32
counter_of(const uint8 *key)
{
	uint64		halves[2];

	StaticAssertStmt(sizeof(halves) == SESSION_STAMP_KEY_BYTES,
					 "a key has two halves");
	memcpy(halves, key, sizeof(halves));
	/* The odd numbers are those of splitmix64. */
	halves[0] = (halves[0] ^ MyDatabaseId) * UINT64CONST(0xBF58476D1CE4E5B9);
	halves[0] ^= halves[0] >> 32;
	halves[0] = (halves[0] ^ halves[1]) * UINT64CONST(0x94D049BB133111EB);
	return halves[0] >> (64 - PLACE_BITS);
}

/* Returns the present value of the stamps of a counter. */
static uint64
present_value(uint32 place)
{
	if (stamps == NULL)
		return NEVER_CURRENT;
	if (RecoveryInProgress())
		return (GetXLogReplayRecPtr(NULL) + here) | ON_STANDBY;
	if (pg_atomic_read_u32(&stamps->waiting) != 0)
		return NEVER_CURRENT;
	return pg_atomic_read_u64(&stamps->all) +
		pg_atomic_read_u64(&stamps->counters[place]) + here;
}

static bool watch_notes(void);

/* Returns the present stamp of a key. */
SessionEndStamp
session_stamp_of(const uint8 *key)
{
	SessionEndStamp stamp;

	/* From now on, a rollback to a savepoint makes it outdated. */
	(void) watch_notes();
	stamp.place = counter_of(key);
	stamp.value = present_value(stamp.place);
	/* What the stamp is for is read after this. */
	pg_read_barrier();
	return stamp;
}

/* Returns whether nothing was noted for the key of a stamp since. */
bool
session_stamp_is_current(const SessionEndStamp *stamp)
{
	return stamp->value != NEVER_CURRENT &&
		stamp->value == present_value(stamp->place % PLACES);
}

/*
 * Waiting
 */

/* Has no stamp count as current until the running transactions have ended. */
static void
wait_for_others(void)
{
	LWLockAcquire(&stamps->lock->lock, LW_EXCLUSIVE);
	stamps->wait_for = ReadNextTransactionId();
	pg_atomic_write_u32(&stamps->waiting, 1);
	LWLockRelease(&stamps->lock->lock);
}

/* Trusts stamps from now on, and none from before.  The lock is held. */
static void
stop_waiting(void)
{
	pg_atomic_fetch_add_u64(&stamps->all, 1);
	pg_atomic_write_u32(&stamps->waiting, 0);
}

/* Begins to trust stamps. */
void
session_stamp_begin(void)
{
	TransactionId next;

	if (stamps == NULL || RecoveryInProgress() ||
		TransactionIdIsValid(stamps->wait_for))
		return;
	next = ReadNextTransactionId();
	LWLockAcquire(&stamps->lock->lock, LW_EXCLUSIVE);
	if (!TransactionIdIsValid(stamps->wait_for))
	{
		/* A transaction that was prepared before may end a session later. */
		stamps->wait_for = next;
		if (!TransactionIdPrecedes(session_compat_oldest_active(), next))
			stop_waiting();
	}
	LWLockRelease(&stamps->lock->lock);
}

/* Returns whether no stamp is current until a sweep sees transactions end. */
bool
session_stamp_is_waiting(void)
{
	return pg_atomic_read_u32(&stamps->waiting) != 0;
}

/* Looks whether the transactions have ended that are waited for. */
void
session_stamp_sweep(void)
{
	TransactionId oldest = GetActiveSnapshot()->xmin;

	if (!session_stamp_is_waiting())
		return;
	LWLockAcquire(&stamps->lock->lock, LW_EXCLUSIVE);
	if (session_stamp_is_waiting() && TransactionIdIsValid(stamps->wait_for) &&
		TransactionIdFollowsOrEquals(oldest, stamps->wait_for))
		stop_waiting();
	LWLockRelease(&stamps->lock->lock);
}

/*
 * Noting
 */

/* Changes the counters that this transaction has noted. */
static void
publish_notes(void)
{
	if (noted_all)
		pg_atomic_fetch_add_u64(&stamps->all, 1);
	for (int i = 0; i < (int) lengthof(noted); i++)
		for (uint64 word = noted[i]; word != 0; word &= word - 1)
			pg_atomic_fetch_add_u64(&stamps->counters[i * WORD_BITS +
													  pg_rightmost_one_pos64(word)],
									1);
}

/* Transaction callback; the banner says what it does at each event. */
static void
stamp_at_transaction_end(XactEvent event, void *arg)
{
	if (!noted_some ||
		(event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT &&
		 event != XACT_EVENT_PREPARE))
		return;
	if (event == XACT_EVENT_COMMIT)
		publish_notes();
	else if (event == XACT_EVENT_PREPARE)
		wait_for_others();
	MemSet(noted, 0, sizeof(noted));
	noted_some = noted_all = false;
}

/*
 * Subtransaction callback.  A rollback to a savepoint brings back sessions
 * that this transaction had ended.
 */
static void
stamp_at_savepoint_end(SubXactEvent event, SubTransactionId mine,
					   SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		here++;
}

/* Registers the callbacks.  Returns whether there is shared memory. */
static bool
watch_notes(void)
{
	static bool watching = false;

	if (stamps == NULL)
		return false;
	if (!watching)
	{
		RegisterXactCallback(stamp_at_transaction_end, NULL);
		RegisterSubXactCallback(stamp_at_savepoint_end, NULL);
		watching = true;
	}
	return true;
}

/* Notes that this transaction may have ended the session of a key. */
void
session_stamp_note(const uint8 *key)
{
	uint32		place = counter_of(key);

	here++;
	if (!watch_notes())
		return;
	noted[place / WORD_BITS] |= UINT64CONST(1) << (place % WORD_BITS);
	noted_some = true;
}

/* Notes that this transaction may have ended all sessions. */
void
session_stamp_note_all(void)
{
	here++;
	if (watch_notes())
		noted_some = noted_all = true;
}

/* Notes that sessions may be seen to have ended in this backend. */
void
session_stamp_note_here(void)
{
	here++;
}
