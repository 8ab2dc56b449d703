/*
 * idmap.h
 *	  A hash of fixed size in shared memory, by database and session id.
 *
 * It is cut into parts with a lock each.  Whoever calls holds the lock of a
 * key's part, shared to look and exclusive to change what is there, and does
 * nothing meanwhile that could fail.
 */
#ifndef SESSION_IDMAP_H
#define SESSION_IDMAP_H

#include "storage/lwlock.h"
#include "utils/uuid.h"

/* Parts at most: enough that requests of that many processors hardly meet. */
#define SESSION_IDMAP_PARTS 64

typedef struct SessionIdKey
{
	Oid			database;		/* InvalidOid = the entry is free */
	pg_uuid_t	id;
} SessionIdKey;

/* What every entry begins with. */
typedef struct SessionIdEntry
{
	int32		next;			/* in its chain or among the free, -1 = last */
	SessionIdKey key;
} SessionIdEntry;

typedef struct SessionIdMap
{
	int			nparts;
	int			part_entries;	/* how many fit into each part */
	Size		entry_size;
	LWLockPadded *locks;		/* one a part */
	union SessionIdPart *parts;
	int32	   *heads;			/* part_entries chains a part */
	char	   *entries;
} SessionIdMap;

/* Where a key is, while the lock of its part is held. */
typedef struct SessionIdSlot
{
	SessionIdMap *map;
	SessionIdKey key;
	int			part;
	int32	   *head;
} SessionIdSlot;

/* How many locks, and how much memory, for so many entries. */
extern int	session_idmap_locks(int entries);
extern Size session_idmap_size(int entries, Size entry_size);

/* Makes an empty map in memory of that size. */
extern void session_idmap_init(SessionIdMap *map, void *memory, int entries,
							   Size entry_size, LWLockPadded *locks);

/* Locks the part of a session of this database. */
extern void session_idmap_lock(SessionIdMap *map, SessionIdSlot *slot,
							   const pg_uuid_t *id, LWLockMode mode);
extern void session_idmap_unlock(const SessionIdSlot *slot);

/* The entry at a place, or NULL. */
extern void *session_idmap_find(const SessionIdSlot *slot);

/* Adds an entry that is not there; NULL when its part is full. */
extern void *session_idmap_add(const SessionIdSlot *slot);
extern void session_idmap_remove(const SessionIdSlot *slot);

/* Looks at an entry; true = remove it (with an exclusive lock only). */
typedef bool (*SessionIdVisit) (void *entry, void *arg);

/* Visits the entries of the part of a place that is locked. */
extern void session_idmap_visit_part(const SessionIdSlot *slot,
									 SessionIdVisit visit, void *arg);

/* Visits all entries, a part at a time. */
extern void session_idmap_visit(SessionIdMap *map, LWLockMode mode,
								SessionIdVisit visit, void *arg);

/* Removes the entries of a database. */
extern void session_idmap_forget(SessionIdMap *map, Oid database);

/* How many entries are in use, and how many there can be. */
extern int	session_idmap_used(const SessionIdMap *map);
extern int	session_idmap_room(const SessionIdMap *map);

#endif							/* SESSION_IDMAP_H */
