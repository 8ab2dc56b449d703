/*
 * window.c
 *	  How often something happened within a minute.
 *
 * Rules:
 * - The table has a fixed size, and each kind has a part of it.
 * - A key has one bucket of a few windows that it can be in, by a hash with a
 *	 random seed that no client knows.
 * - A bucket that is full gives up a window whose minute is over, or else the
 *	 one that counted least: many addresses that do little do not hide one that
 *	 does much.
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

/* Of each kind. */
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
	int			nbuckets;		/* of each kind */
	Bucket		buckets[FLEXIBLE_ARRAY_MEMBER];
} Windows;

static Windows *table = NULL;
static LWLockPadded *locks = NULL;	/* NULL = the table is this backend's */

static Size
table_size(int nbuckets)
{
	return offsetof(Windows, buckets) +
		SESSION_WINDOW_KINDS * nbuckets * sizeof(Bucket);
}

static void
make_windows(Windows *windows, int nbuckets)
{
	MemSet(windows, 0, table_size(nbuckets));
	windows->nbuckets = nbuckets;
	if (!pg_strong_random(&windows->seed, sizeof(windows->seed)))
		windows->seed = (uint64) GetCurrentTimestamp();
}

void
session_window_shmem_request(void)
{
	RequestAddinShmemSpace(table_size(SHARED_BUCKETS));
	RequestNamedLWLockTranche(TRANCHE, LOCKS);
}

void
session_window_shmem_init(void)
{
	bool		found;

	table = ShmemInitStruct(TRANCHE, table_size(SHARED_BUCKETS), &found);
	if (!found)
		make_windows(table, SHARED_BUCKETS);
	locks = GetNamedLWLockTranche(TRANCHE);
}

/* Finds and locks the bucket of a key. */
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

static void
unlock_bucket(LWLock *lock)
{
	if (lock != NULL)
		LWLockRelease(lock);
}

/* Is the minute over, or the clock back before it? */
static bool
is_window_over(const Window *window, TimestampTz now)
{
	return window->count == 0 || now < window->began_at ||
		now - window->began_at >= USECS_PER_MINUTE;
}

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

/* The window that there is least to lose of. */
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
