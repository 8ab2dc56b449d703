/*
 * idmap.c
 *	  A hash of fixed size in shared memory, by database and session id.
 *
 * Rules:
 * - A part has its own entries, chains and list of free entries, all linked by
 *	 number.  Nothing is allocated after the start.
 * - Ids spread evenly over the parts, so the parts fill up at about the same
 *	 time.
 *
 * It is not dynahash, which cannot scan one partition under its own lock, as
 * making room in a full part needs.  It is not shared/window.c, which
 * overwrites entries when it needs room: an entry here stays until its owner
 * removes it.  It is not the queue of audit/evidence.c, whose entries have an
 * order and are not looked up by their key.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"

#include "shared/idmap.h"

/* A part has at least this many entries. */
#define MIN_PART_ENTRIES 256

/* A part, padded to a cache line of its own. */
typedef union SessionIdPart
{
	struct
	{
		int32		free;		/* first free entry, -1 = full */
		int32		used;
	}			s;
	char		pad[PG_CACHE_LINE_SIZE];
} SessionIdPart;

/* Returns the number of parts, each with a lock, for some entries. */
int
session_idmap_locks(int entries)
{
	int			nparts = 1;

	while (nparts < SESSION_IDMAP_PARTS &&
		   entries / (nparts * 2) >= MIN_PART_ENTRIES)
		nparts *= 2;
	return nparts;
}

/* Returns the number of entries in each part. */
static int
part_entries(int entries)
{
	int			nparts = session_idmap_locks(entries);

	return (entries + nparts - 1) / nparts;
}

/* Returns the memory that a map of some entries takes. */
Size
session_idmap_size(int entries, Size entry_size)
{
	Size		nparts = session_idmap_locks(entries);
	Size		total = nparts * part_entries(entries);

	return CACHELINEALIGN(nparts * sizeof(SessionIdPart)) +
		CACHELINEALIGN(total * sizeof(int32)) +
		CACHELINEALIGN(total * MAXALIGN(entry_size));
}

/* Returns entry number n of a part. */
static SessionIdEntry *
entry_at(const SessionIdMap *map, int part, int32 n)
{
	return (SessionIdEntry *)
		(map->entries +
		 ((Size) part * map->part_entries + n) * map->entry_size);
}

/* Makes an empty map in memory of that size. */
void
session_idmap_init(SessionIdMap *map, void *memory, int entries,
				   Size entry_size, LWLockPadded *locks)
{
	char	   *next = memory;
	Size		total;

	map->nparts = session_idmap_locks(entries);
	map->part_entries = part_entries(entries);
	map->entry_size = MAXALIGN(entry_size);
	map->locks = locks;
	total = (Size) map->nparts * map->part_entries;

	map->parts = (SessionIdPart *) next;
	next += CACHELINEALIGN(map->nparts * sizeof(SessionIdPart));
	map->heads = (int32 *) next;
	next += CACHELINEALIGN(total * sizeof(int32));
	map->entries = next;

	memset(map->heads, 0xFF, total * sizeof(int32));
	memset(map->entries, 0, total * map->entry_size);
	for (int part = 0; part < map->nparts; part++)
	{
		map->parts[part].s.free = 0;
		map->parts[part].s.used = 0;
		for (int32 n = 0; n < map->part_entries; n++)
			entry_at(map, part, n)->next =
				n + 1 < map->part_entries ? n + 1 : -1;
	}
}

/* Sets where the key of a slot belongs: the part, and the chain in it. */
static void
place_slot(SessionIdMap *map, SessionIdSlot *slot)
{
	uint32		hash = hash_bytes((const unsigned char *) &slot->key,
								  sizeof(slot->key));

	slot->map = map;
	slot->part = hash % map->nparts;
	slot->head = map->heads + (Size) slot->part * map->part_entries +
		hash / map->nparts % map->part_entries;
}

/* Locks the part of a session of this database, and sets the slot. */
void
session_idmap_lock(SessionIdMap *map, SessionIdSlot *slot,
				   const pg_uuid_t *id, LWLockMode mode)
{
	slot->key.database = MyDatabaseId;
	slot->key.id = *id;
	place_slot(map, slot);
	session_idmap_lock_part(map, slot->part, mode);
}

/* Locks a part. */
void
session_idmap_lock_part(SessionIdMap *map, int part, LWLockMode mode)
{
	LWLockAcquire(&map->locks[part].lock, mode);
}

/* Unlocks a part. */
void
session_idmap_unlock_part(SessionIdMap *map, int part)
{
	LWLockRelease(&map->locks[part].lock);
}

/* Releases the lock of a slot's part. */
void
session_idmap_unlock(const SessionIdSlot *slot)
{
	session_idmap_unlock_part(slot->map, slot->part);
}

/* Returns the link that points to a key's entry, or the end of its chain. */
static int32 *
find_link(const SessionIdSlot *slot)
{
	int32	   *link = slot->head;

	while (*link >= 0)
	{
		SessionIdEntry *entry = entry_at(slot->map, slot->part, *link);

		if (memcmp(&entry->key, &slot->key, sizeof(entry->key)) == 0)
			break;
		link = &entry->next;
	}
	return link;
}

/* Returns the entry of a slot's key, or NULL. */
void *
session_idmap_find(const SessionIdSlot *slot)
{
	int32		n = *find_link(slot);

	return n < 0 ? NULL : entry_at(slot->map, slot->part, n);
}

/* Adds an entry for a key that has none; NULL when the part is full. */
void *
session_idmap_add(const SessionIdSlot *slot)
{
	SessionIdPart *part = &slot->map->parts[slot->part];
	int32		n = part->s.free;
	SessionIdEntry *entry;

	if (n < 0)
		return NULL;
	entry = entry_at(slot->map, slot->part, n);
	part->s.free = entry->next;
	part->s.used++;
	memset(entry, 0, slot->map->entry_size);
	entry->key = slot->key;
	entry->next = *slot->head;
	*slot->head = n;
	return entry;
}

/* Moves the entry that a link points to from its chain to the free list. */
static void
unlink_entry(SessionIdMap *map, int part, int32 *link)
{
	int32		n = *link;
	SessionIdEntry *entry = entry_at(map, part, n);

	*link = entry->next;
	entry->key.database = InvalidOid;
	entry->next = map->parts[part].s.free;
	map->parts[part].s.free = n;
	map->parts[part].s.used--;
}

/* Removes the entry of a slot's key, if there is one. */
void
session_idmap_remove(const SessionIdSlot *slot)
{
	int32	   *link = find_link(slot);

	if (*link >= 0)
		unlink_entry(slot->map, slot->part, link);
}

/* Returns an entry by its number within its part. */
void *
session_idmap_entry(const SessionIdMap *map, int part, int n)
{
	return entry_at(map, part, n);
}

/* Returns the number of an entry within its part. */
int
session_idmap_number(const SessionIdMap *map, int part, const void *entry)
{
	return ((const char *) entry - (char *) entry_at(map, part, 0)) /
		map->entry_size;
}

/* Removes an entry of a part. */
void
session_idmap_evict(SessionIdMap *map, int part, void *entry)
{
	SessionIdSlot slot;

	slot.key = ((SessionIdEntry *) entry)->key;
	place_slot(map, &slot);
	Assert(slot.part == part);
	session_idmap_remove(&slot);
}

/* Visits the entries of a part, and removes those that "visit" says. */
static void
visit_part(SessionIdMap *map, int part, SessionIdVisit visit, void *arg)
{
	int32	   *heads = map->heads + (Size) part * map->part_entries;

	for (int chain = 0; chain < map->part_entries; chain++)
	{
		int32	   *link = &heads[chain];

		while (*link >= 0)
		{
			SessionIdEntry *entry = entry_at(map, part, *link);

			if (visit(entry, arg))
				unlink_entry(map, part, link);
			else
				link = &entry->next;
		}
	}
}

/* Visits the entries of a slot's part, which is locked. */
void
session_idmap_visit_part(const SessionIdSlot *slot, SessionIdVisit visit,
						 void *arg)
{
	visit_part(slot->map, slot->part, visit, arg);
}

/* Visits all entries, locking a part at a time. */
void
session_idmap_visit(SessionIdMap *map, LWLockMode mode, SessionIdVisit visit,
					void *arg)
{
	for (int part = 0; part < map->nparts; part++)
	{
		session_idmap_lock_part(map, part, mode);
		if (map->parts[part].s.used > 0)
			visit_part(map, part, visit, arg);
		session_idmap_unlock_part(map, part);
	}
}

/* Visitor: returns whether an entry belongs to a database. */
static bool
is_of_database(void *entry, void *arg)
{
	return ((SessionIdEntry *) entry)->key.database == *(Oid *) arg;
}

/* Removes the entries of a database. */
void
session_idmap_forget(SessionIdMap *map, Oid database)
{
	session_idmap_visit(map, LW_EXCLUSIVE, is_of_database, &database);
}

/* Returns the number of all entries. */
int
session_idmap_room(const SessionIdMap *map)
{
	return map->nparts * map->part_entries;
}
