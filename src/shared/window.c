/*
 * window.c
 *	  Counts how often something happened within a minute.
 *
 * Rules:
 * - The table has a fixed size, and each kind has a part of it.
 * - A key belongs to one bucket of a few windows, chosen by a hash with a
 *	 random seed, so that a client cannot choose keys that share a bucket.
 * - A new key in a full bucket replaces a window whose minute is over, or else
 *	 the one with the lowest count.  So many addresses with few events do not
 *	 hide one with many.
 *
 * It is neither shared/idmap.c nor dynahash: those keep an entry until it is
 * removed, and refuse a new one when they are full.  A window may be
 * overwritten at any time, and a new key always finds room with a look at one
 * bucket.  It is not the queue of audit/evidence.c, which keeps events and not
 * counts.
 */
#include "postgres.h"

#include <limits.h>

#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "shared/window.h"

/* Buckets of each kind. */
#define SHARED_BUCKETS 512
#define LOCAL_BUCKETS 16

#define BUCKET_WINDOWS 8
#define LOCKS 16
#define TRANCHE "session_window"

typedef struct Window
{
	SessionWindowKey key;
	int32		count;			/* 0 = free */
	TimestampTz began_at;
	bool		exceeded;
} Window;

typedef struct Bucket
{
	Window		windows[BUCKET_WINDOWS];
} Bucket;

typedef struct Windows
{
	uint64		seed;
	int			nbuckets;		/* for each kind */
	Bucket		buckets[FLEXIBLE_ARRAY_MEMBER];
} Windows;

static Windows *table = NULL;
static LWLockPadded *locks = NULL;	/* NULL = the table is backend-local */

/* Returns the size of a table, in bytes. */
static Size
table_size(int nbuckets)
{
	return offsetof(Windows, buckets) +
		SESSION_WINDOW_KINDS * nbuckets * sizeof(Bucket);
}

/* Initializes a table. */
static void
make_windows(Windows *windows, int nbuckets)
{
	MemSet(windows, 0, table_size(nbuckets));
	windows->nbuckets = nbuckets;
	if (!pg_strong_random(&windows->seed, sizeof(windows->seed)))
		windows->seed = (uint64) GetCurrentTimestamp();
}

/* Requests the shared memory of the windows. */
void
session_window_shmem_request(void)
{
	RequestAddinShmemSpace(table_size(SHARED_BUCKETS));
	RequestNamedLWLockTranche(TRANCHE, LOCKS);
}

/* Creates the windows in shared memory, or finds them there. */
void
session_window_shmem_init(void)
{
	bool		found;

	table = ShmemInitStruct(TRANCHE, table_size(SHARED_BUCKETS), &found);
	if (!found)
		make_windows(table, SHARED_BUCKETS);
	locks = GetNamedLWLockTranche(TRANCHE);
}

/*
 * Returns the bucket of a key, locked if the table is shared.  Creates the
 * table of this backend on the first call without shared memory.
 */
static Bucket *
lock_bucket(const SessionWindowKey *key, LWLock **lock)
{
	uint64		hash;

	if (table == NULL)
	{
		Windows    *local = MemoryContextAlloc(TopMemoryContext,
											   table_size(LOCAL_BUCKETS));

		make_windows(local, LOCAL_BUCKETS);
		table = local;
	}
	hash = hash_bytes_extended((const unsigned char *) key, sizeof(*key),
							   table->seed);
	*lock = NULL;
	if (locks != NULL)
	{
		*lock = &locks[hash % table->nbuckets % LOCKS].lock;
		LWLockAcquire(*lock, LW_EXCLUSIVE);
	}
	return &table->buckets[key->kind * table->nbuckets +
						   hash % table->nbuckets];
}

/* Releases the lock of a bucket, if the table is shared. */
static void
unlock_bucket(LWLock *lock)
{
	if (lock != NULL)
		LWLockRelease(lock);
}

/* Returns whether a window's minute is over, or the clock was set back. */
static bool
is_window_over(const Window *window, TimestampTz now)
{
	return window->count == 0 || now < window->began_at ||
		now - window->began_at >= USECS_PER_MINUTE;
}

/* Returns the window of a key, or NULL. */
static Window *
find_window(Bucket *bucket, const SessionWindowKey *key)
{
	for (int i = 0; i < BUCKET_WINDOWS; i++)
	{
		Window	   *window = &bucket->windows[i];

		if (window->count > 0 &&
			memcmp(&window->key, key, sizeof(*key)) == 0)
			return window;
	}
	return NULL;
}

/*
 * Returns the window that a new key replaces: one that is over, or the one
 * with the lowest count, or the oldest of those.
 */
static Window *
find_replaceable(Bucket *bucket, TimestampTz now)
{
	Window	   *result = &bucket->windows[0];

	for (int i = 0; i < BUCKET_WINDOWS; i++)
	{
		Window	   *window = &bucket->windows[i];

		if (is_window_over(window, now))
			return window;
		if (window->count < result->count ||
			(window->count == result->count &&
			 window->began_at < result->began_at))
			result = window;
	}
	return result;
}

/* Counts an event; true if it is the one that exceeds the limit. */
bool
session_window_exceeds(const SessionWindowKey *key, TimestampTz now,
					   int limit, int *count)
{
	LWLock	   *lock;
	Bucket	   *bucket = lock_bucket(key, &lock);
	Window	   *window = find_window(bucket, key);
	bool		result;

	if (window == NULL)
	{
		window = find_replaceable(bucket, now);
		window->count = 0;
	}
	if (is_window_over(window, now))
	{
		window->key = *key;
		window->count = 0;
		window->began_at = now;
		window->exceeded = false;
	}
	if (window->count < INT_MAX)
		window->count++;
	result = window->count > limit && !window->exceeded;
	if (result)
		window->exceeded = true;
	*count = window->count;
	unlock_bucket(lock);
	return result;
}

/* Returns the number of events of a minute, at least "least". */
int
session_window_count(const SessionWindowKey *key, TimestampTz at, int least)
{
	LWLock	   *lock;
	Bucket	   *bucket = lock_bucket(key, &lock);
	Window	   *window = find_window(bucket, key);
	int			count = least;

	if (window != NULL && !is_window_over(window, at))
		count = Max(least, window->count);
	unlock_bucket(lock);
	return count;
}
