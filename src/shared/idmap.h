/*
 * idmap.h
 *	  A hash of fixed size in shared memory, by database and session id.
 *
 * The hash is cut into parts, each with its own lock.  session_idmap_lock
 * takes the lock of a key's part: shared to read, exclusive to change entries.
 * While the lock is held, the caller calls nothing that can raise an error.
 */
#ifndef SESSION_IDMAP_H
#define SESSION_IDMAP_H

#include "storage/lwlock.h"
#include "utils/uuid.h"

/* Most parts: requests on that many processors rarely wait for each other. */
#define SESSION_IDMAP_PARTS 64

typedef struct SessionIdKey
{
	Oid			database;		/* InvalidOid = the entry is free */
	pg_uuid_t	id;
} SessionIdKey;

/* The head of every entry. */
typedef struct SessionIdEntry
{
	int32		next;			/* in its chain or free list, -1 = last */
	SessionIdKey key;
} SessionIdEntry;

typedef struct SessionIdMap
{
	int			nparts;
	int			part_entries;	/* entries in each part */
	Size		entry_size;
	LWLockPadded *locks;		/* one for each part */
	union SessionIdPart *parts;
	int32	   *heads;			/* part_entries chains in each part */
	char	   *entries;
} SessionIdMap;

/* Where a key belongs, while the lock of its part is held. */
typedef struct SessionIdSlot
{
	SessionIdMap *map;
	SessionIdKey key;
	int			part;
	int32	   *head;
} SessionIdSlot;

/* Return the number of locks, and the memory, that a map of a size needs. */
extern int	session_idmap_locks(int entries);
extern Size session_idmap_size(int entries, Size entry_size);

/* Makes an empty map in memory of that size. */
extern void session_idmap_init(SessionIdMap *map, void *memory, int entries,
							   Size entry_size, LWLockPadded *locks);

/* Locks the part of a session of this database, and sets the slot. */
extern void session_idmap_lock(SessionIdMap *map, SessionIdSlot *slot,
							   const pg_uuid_t *id, LWLockMode mode);

/* Releases the lock of a slot's part. */
extern void session_idmap_unlock(const SessionIdSlot *slot);

/* Returns the entry of a slot's key, or NULL. */
extern void *session_idmap_find(const SessionIdSlot *slot);

/*
 * Adds an entry for a key that has none, with all members zero.  Returns NULL
 * when the part is full.
 */
extern void *session_idmap_add(const SessionIdSlot *slot);

/* Removes the entry of a slot's key, if there is one. */
extern void session_idmap_remove(const SessionIdSlot *slot);

/*
 * Return an entry by its number within its part, and that number.  An entry
 * keeps it as long as it is in use.
 */
extern void *session_idmap_entry(const SessionIdMap *map, int part, int n);
extern int	session_idmap_number(const SessionIdMap *map, int part,
								 const void *entry);

/* Removes an entry of a part, which is locked exclusively. */
extern void session_idmap_evict(SessionIdMap *map, int part, void *entry);

/* Lock and unlock a part. */
extern void session_idmap_lock_part(SessionIdMap *map, int part,
									LWLockMode mode);
extern void session_idmap_unlock_part(SessionIdMap *map, int part);

/*
 * Called for an entry; returns whether to remove it.  Only a visit with an
 * exclusive lock may remove entries.
 */
typedef bool (*SessionIdVisit) (void *entry, void *arg);

/* Visits the entries of a slot's part, which is locked. */
extern void session_idmap_visit_part(const SessionIdSlot *slot,
									 SessionIdVisit visit, void *arg);

/* Visits all entries, locking a part at a time. */
extern void session_idmap_visit(SessionIdMap *map, LWLockMode mode,
								SessionIdVisit visit, void *arg);

/* Removes the entries of a database. */
extern void session_idmap_forget(SessionIdMap *map, Oid database);

/* Returns the number of all entries. */
extern int	session_idmap_room(const SessionIdMap *map);

#endif							/* SESSION_IDMAP_H */
