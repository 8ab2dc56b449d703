/*
 * uses.c
 *	  The last use of each session that is in use, in shared memory.
 *
 * Rules:
 * - The table is a hash (idmap.c), cut into parts.  Each part has a schedule
 *	 (schedule.c) of its entries: the waiting ones, whose use the row lacks, by
 *	 the time at which it is due to be written, and the settled ones.
 * - seen_at of a waiting entry changes under a shared lock, everything else
 *	 under an exclusive one.  So most uses take one shared lock, and one use of
 *	 a session in each "session.update_age" takes an exclusive one.
 * - An entry stays when its use was written.  A use that finds no free entry
 *	 evicts the first of these that its part has:
 *
 *	 1. a settled entry, the one whose row has the oldest use: nothing is lost;
 *	 2. a fresh entry: the use that its row has is less than a quarter of
 *		"session.update_age" old, and therefore good enough.  A use that is
 *		fresh itself evicts none, and is not noted either;
 *	 3. if its database has less than its share: an entry of the database that
 *		has most, which loses a use.  The share is the part divided by the
 *		number of databases that have entries in it;
 *	 4. on a standby, where no use is ever written: an entry of its own
 *		database that was used long ago.
 *
 *	 A use that finds none of these is not noted.
 * - Requests wake the launcher, or the worker that writes uses, when a part is
 *	 pressed:
 *
 *	 1. a quarter of it is waiting and most of that is due.  It has to be
 *		written anyway, and requests may fill the rest before the next round;
 *	 2. three quarters of it are waiting, and some are not fresh.  The worker
 *		then writes uses that are not due, until half of the part is waiting.
 * - A worker takes some uses of each part in turn, whether the part is pressed
 *	 or not.  Otherwise the last part fills up while the others are written.
 * - A backend that read the row before a settled entry was written into it,
 *	 and looks here after the entry was evicted, misses the use.  Therefore the
 *	 part keeps the time of the last eviction, and session_uses_look says that
 *	 the row must be read again.
 */
#include "postgres.h"

#include "common/pg_prng.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#include "settings.h"
#include "shared/database.h"
#include "shared/idmap.h"
#include "shared/schedule.h"
#include "shared/uses.h"

/*
 * How long a backend takes at most from reading a row to looking for its use
 * here.
 */
#define KEEP (60 * USECS_PER_SEC)

/* How much later than its age a waiting use can be due: it was put off. */
#define PUT_OFF_AT_MOST (15 * USECS_PER_SEC)

/* The part of the age for which the use that a row has is good enough. */
#define FRESH(age) ((age) / 4)

/*
 * A part with more than HIGH waiting entries is pressed.  Then the worker
 * writes until LOW are left.  With more than BUSY, it is pressed if most of
 * them are due.
 */
#define BUSY(room) ((room) / 4)
#define HIGH(room) ((room) / 4 * 3)
#define LOW(room) ((room) / 2)

/* How many uses of a part a worker writes before the next part's turn. */
#define TURN(room) Max((room) / 16, 8)

/* How many random entries are looked at, to find one to evict. */
#define SAMPLE 16
#define PROBES 256

/* How many entries the launcher looks at in a part that is pressed. */
#define SURVEY 4096

typedef struct Use
{
	SessionIdEntry head;
	TimestampTz created_at;
	pg_atomic_uint64 seen_at;
	SessionScheduled scheduled; /* its "own": see below */
} Use;

/*
 * The bits of "own": how far the row may lag behind, as a number and by how
 * many bits it is shifted, and two flags.
 */
#define AGE_BITS 25
#define SHIFT_BITS 5
#define PUT_OFF 0x40000000		/* due_at is when to try again */
#define NEEDED 0x80000000		/* as SessionUseNote has it */

/* A database that has entries in a part. */
typedef struct Owner
{
	Oid			database;
	int32		count;
} Owner;

typedef union Part
{
	struct
	{
		SessionSchedule schedule;
		TimestampTz evicted_at; /* when a settled entry was last evicted */
		Owner	   *owners;
		int32		nowners;
	}			s;
	char		pad[PG_CACHE_LINE_SIZE];
} Part;

#define TRANCHE "session_activity"

typedef struct Table
{
	SessionIdMap map;
	Part	   *parts;
	int			owners_room;	/* of each part */
	pg_atomic_uint32 pressed;	/* 1 = pressure that was not taken yet */
	Latch	   *volatile listeners[SESSION_USES_LISTENERS];
} Table;

static Table *table = NULL;

/*
 * Shared memory
 */

/* Returns the number of entries in a part of a table with so many entries. */
static int
part_room(int entries)
{
	int			nparts = session_idmap_locks(entries);

	return (entries + nparts - 1) / nparts;
}

/* Returns how many databases a part can tell apart. */
static int
owners_room(int entries)
{
	return Min(Max(part_room(entries) / 4, 4), SESSION_DATABASES);
}

/* Returns the memory of the parts, their schedules and their owners. */
static Size
parts_size(int entries)
{
	Size		nparts = session_idmap_locks(entries);

	return nparts * sizeof(Part) +
		CACHELINEALIGN(nparts * owners_room(entries) * sizeof(Owner)) +
		CACHELINEALIGN(nparts * part_room(entries) * sizeof(int32));
}

/* Requests the shared memory. */
void
session_uses_shmem_request(void)
{
	int			entries = session_settings.activity_size;

	RequestAddinShmemSpace(MAXALIGN(sizeof(Table)));
	RequestAddinShmemSpace(session_idmap_size(entries, sizeof(Use)));
	RequestAddinShmemSpace(parts_size(entries));
	RequestNamedLWLockTranche(TRANCHE, session_idmap_locks(entries));
}

/* Makes the parts in memory of the size that parts_size returns. */
static void
make_parts(char *memory, int entries)
{
	int			nparts = table->map.nparts;
	int			room = table->map.part_entries;
	Owner	   *owners;
	int32	   *order;

	table->owners_room = owners_room(entries);
	table->parts = (Part *) memory;
	memory += nparts * sizeof(Part);
	owners = (Owner *) memory;
	memory += CACHELINEALIGN((Size) nparts * table->owners_room * sizeof(Owner));
	order = (int32 *) memory;
	for (int i = 0; i < nparts; i++)
	{
		Part	   *part = &table->parts[i];
		char	   *first = session_idmap_entry(&table->map, i, 0);

		MemSet(part, 0, sizeof(*part));
		session_schedule_init(&part->s.schedule,
							  first + offsetof(Use, scheduled),
							  table->map.entry_size,
							  order + (Size) i * room, room);
		part->s.evicted_at = DT_NOBEGIN;
		part->s.owners = owners + (Size) i * table->owners_room;
	}
}

/* Makes the shared memory. */
void
session_uses_shmem_init(void)
{
	int			entries = session_settings.activity_size;
	bool		found;
	void	   *memory;
	void	   *parts;

	memory = ShmemInitStruct(TRANCHE, session_idmap_size(entries, sizeof(Use)),
							 &found);
	parts = ShmemInitStruct(TRANCHE "_parts", parts_size(entries), &found);
	table = ShmemInitStruct(TRANCHE "_state", sizeof(Table), &found);
	if (found)
		return;
	session_idmap_init(&table->map, memory, entries, sizeof(Use),
					   GetNamedLWLockTranche(TRANCHE));
	make_parts(parts, entries);
	pg_atomic_init_u32(&table->pressed, 0);
	for (int i = 0; i < SESSION_USES_LISTENERS; i++)
		table->listeners[i] = NULL;
}

/* Returns whether there is shared memory: the library was preloaded. */
bool
session_uses_are_shared(void)
{
	return table != NULL;
}

/*
 * Entries
 */

static TimestampTz
seen_at(Use *use)
{
	return (TimestampTz) pg_atomic_read_u64(&use->seen_at);
}

/*
 * Notes a use in an entry, unless it has a later one: another request may have
 * come later and been faster.  A time in the future is from a clock that was
 * ahead.
 */
static void
advance(Use *use, TimestampTz now)
{
	uint64		known = pg_atomic_read_u64(&use->seen_at);

	do
	{
		if ((TimestampTz) known > now &&
			(TimestampTz) known <= GetCurrentTimestamp())
			return;
	} while (!pg_atomic_compare_exchange_u64(&use->seen_at, &known,
											 (uint64) now));
}

/* Returns how far the row of an entry may lag behind. */
static int64
age_of(const Use *use)
{
	uint32		own = use->scheduled.own;

	return (int64) (own & ((1 << AGE_BITS) - 1))
		<< ((own >> AGE_BITS) & ((1 << SHIFT_BITS) - 1));
}

/*
 * Sets how far the row of an entry may lag behind, rounded down to seven
 * digits, and the flags of the entry.
 */
static void
set_own(Use *use, int64 age, uint32 flags)
{
	uint32		shift = 0;

	while (age >> shift >= (1 << AGE_BITS))
		shift++;
	use->scheduled.own = (uint32) (age >> shift) | shift << AGE_BITS | flags;
}

static bool
has_flag(const Use *use, uint32 flag)
{
	return (use->scheduled.own & flag) != 0;
}

static bool
is_waiting(const Part *part, const Use *use)
{
	return session_schedule_is_waiting(&part->s.schedule, &use->scheduled);
}

/* Returns when the row of an entry was about as new as its last use. */
static TimestampTz
row_time(const Use *use)
{
	return use->scheduled.due_at - age_of(use);
}

/* Returns whether the use that the row of a waiting entry has is fresh. */
static bool
is_fresh(const Use *use, TimestampTz now)
{
	return !has_flag(use, PUT_OFF | NEEDED) && row_time(use) <= now &&
		now < row_time(use) + FRESH(age_of(use));
}

/* Returns whether a waiting entry can be written early. */
static bool
is_worth_writing(const Use *use, TimestampTz now)
{
	return use->scheduled.due_at <= now ||
		(!has_flag(use, PUT_OFF) && now >= row_time(use) + FRESH(age_of(use)));
}

/* Returns the entry that is at a place of the schedule of a part. */
static Use *
use_at(const Part *part, int32 place)
{
	return session_idmap_entry(&table->map, part - table->parts,
							   part->s.schedule.order[place]);
}

/* Returns the number of an entry of a part. */
static int32
number_of(const Part *part, const Use *use)
{
	return session_idmap_number(&table->map, part - table->parts, use);
}

/* Finds the entry of a session, not that of an earlier session of its id. */
static Use *
find_use(const SessionIdSlot *slot, TimestampTz created_at)
{
	Use		   *use = session_idmap_find(slot);

	return use != NULL && use->created_at == created_at ? use : NULL;
}

/*
 * Owners
 */

/* Returns the owner of a database in a part, or NULL. */
static Owner *
find_owner(const Part *part, Oid database)
{
	for (int i = 0; i < part->s.nowners; i++)
		if (part->s.owners[i].database == database)
			return &part->s.owners[i];
	return NULL;
}

/* Counts a new entry, unless too many databases are counted already. */
static void
count_entry(Part *part, Oid database)
{
	Owner	   *owner = find_owner(part, database);

	if (owner != NULL)
		owner->count++;
	else if (part->s.nowners < table->owners_room)
	{
		owner = &part->s.owners[part->s.nowners++];
		owner->database = database;
		owner->count = 1;
	}
}

/* Returns whether a part may have entries of databases it does not count. */
static bool
may_have_uncounted(const Part *part)
{
	return part->s.nowners == table->owners_room;
}

/* Counts the entries of a database that was not counted, if there is one. */
static void
count_another(Part *part)
{
	Oid			database = InvalidOid;

	for (int n = 0; n < table->map.part_entries; n++)
	{
		const Use  *use = session_idmap_entry(&table->map,
											  part - table->parts, n);
		Oid			owner = use->head.key.database;

		if (!OidIsValid(owner) || (OidIsValid(database) ? owner != database :
								   find_owner(part, owner) != NULL))
			continue;
		database = owner;
		part->s.owners[part->s.nowners].database = database;
		part->s.owners[part->s.nowners].count++;
	}
	if (OidIsValid(database))
		part->s.nowners++;
}

/* Counts off an entry that was removed. */
static void
uncount_entry(Part *part, Oid database)
{
	Owner	   *owner = find_owner(part, database);
	bool		had_others = may_have_uncounted(part);

	if (owner == NULL || --owner->count > 0)
		return;
	*owner = part->s.owners[--part->s.nowners];
	part->s.owners[part->s.nowners].count = 0;
	if (had_others)
		count_another(part);
}

/* Returns the owner that has most entries of a part; there is one. */
static const Owner *
biggest_owner(const Part *part)
{
	const Owner *most = &part->s.owners[0];

	for (int i = 1; i < part->s.nowners; i++)
		if (part->s.owners[i].count > most->count)
			most = &part->s.owners[i];
	return most;
}

/*
 * Room
 */

/* Removes an entry. */
static void
remove_use(Part *part, Use *use)
{
	Oid			database = use->head.key.database;

	session_schedule_remove(&part->s.schedule, number_of(part, use));
	session_idmap_evict(&table->map, part - table->parts, use);
	uncount_entry(part, database);
}

/* Returns a waiting entry at random. */
static Use *
random_use(const Part *part)
{
	return use_at(part, pg_prng_uint64_range(&pg_global_prng_state, 0,
											 part->s.schedule.waiting - 1));
}

/* Finds a fresh entry in a sample; NULL if the sample has none. */
static Use *
find_fresh(const Part *part, TimestampTz now)
{
	for (int i = 0; i < SAMPLE; i++)
	{
		Use		   *use = random_use(part);

		if (is_fresh(use, now))
			return use;
	}
	return NULL;
}

/* Finds the entry of a database that was used least recently in a sample. */
static Use *
find_old(const Part *part, Oid database)
{
	Use		   *oldest = NULL;
	int			found = 0;

	for (int i = 0; i < PROBES && found < SAMPLE; i++)
	{
		Use		   *use = random_use(part);

		if (use->head.key.database != database)
			continue;
		found++;
		if (oldest == NULL || seen_at(use) < seen_at(oldest))
			oldest = use;
	}
	for (int32 i = 0; oldest == NULL && i < part->s.schedule.waiting; i++)
		if (use_at(part, i)->head.key.database == database)
			oldest = use_at(part, i);
	return oldest;
}

/*
 * Chooses the database that loses an entry to this database, in a part in
 * which all entries are waiting; InvalidOid if none loses one.
 */
static Oid
choose_loser(const Part *part, bool standby)
{
	const Owner *mine = find_owner(part, MyDatabaseId);
	const Owner *most = biggest_owner(part);
	int			count = mine == NULL ? 0 : mine->count;
	int			share = part->s.schedule.room /
	(part->s.nowners + (mine == NULL ? 1 : 0));

	if (mine == NULL && may_have_uncounted(part))
		return standby ? most->database : InvalidOid;
	if (count < share && most->count > share)
		return most->database;
	if (standby)
		return mine == NULL ? most->database : MyDatabaseId;
	return InvalidOid;
}

/* A waiting use that was evicted for a use of another database. */
typedef struct LostUse
{
	Oid			database;		/* InvalidOid = none */
	TimestampTz seen_at;
} LostUse;

/* Makes room for a use in a part that is full; returns whether it could. */
static bool
free_an_entry(Part *part, const SessionUseNote *note, bool fresh, LostUse *lost)
{
	int32		settled = session_schedule_first_settled(&part->s.schedule);
	Use		   *use;
	Oid			loser;

	if (settled >= 0)
	{
		part->s.evicted_at = note->now;
		remove_use(part, session_idmap_entry(&table->map, part - table->parts,
											 settled));
		return true;
	}
	if (fresh && !note->standby)
		return false;
	use = note->standby ? NULL : find_fresh(part, note->now);
	if (use == NULL)
	{
		loser = choose_loser(part, note->standby);
		if (!OidIsValid(loser))
			return false;
		use = find_old(part, loser);
		if (!note->standby)
		{
			lost->database = loser;
			lost->seen_at = seen_at(use);
		}
	}
	remove_use(part, use);
	return true;
}

/*
 * Looking and noting
 */

/*
 * Returns whether an entry can have a new use under a shared lock.  One that
 * is due too late was noted before the clock was set back, or before the
 * session got a shorter idle timeout.
 */
static bool
can_note_shared(const Part *part, const Use *use, const SessionUseNote *note)
{
	return is_waiting(part, use) &&
		(!note->needed || has_flag(use, NEEDED)) &&
		use->scheduled.due_at <= note->now + note->age + PUT_OFF_AT_MOST;
}

/* Looks for the last use of a session, and notes another one. */
SessionUsesLook
session_uses_look(const SessionUseNote *note, SessionUsesJudge judge,
				  void *arg)
{
	SessionIdSlot slot;
	SessionUsesLook found = SESSION_USES_KNOWN;
	Part	   *part;
	Use		   *use;

	session_idmap_lock(&table->map, &slot, note->id, LW_SHARED);
	part = &table->parts[slot.part];
	use = find_use(&slot, note->created_at);
	if (use == NULL)
		found = note->now >= part->s.evicted_at + KEEP ?
			SESSION_USES_ABSENT : SESSION_USES_GONE;
	else if (judge(seen_at(use), arg))
	{
		if (can_note_shared(part, use, note))
			advance(use, note->now);
		else
			found = SESSION_USES_TO_NOTE;
	}
	session_idmap_unlock(&slot);
	return found;
}

/* Returns when a use is due to be written. */
static TimestampTz
due_of_note(const SessionUseNote *note)
{
	/* A time in the future must soon be corrected in the row. */
	if (note->now < note->row_seen_at)
		return note->now;
	return note->row_seen_at + note->age;
}

/*
 * Returns when another use of an entry is due.  It counts from the last time
 * that the row was written.
 */
static TimestampTz
next_due_time(const Part *part, const Use *use, const SessionUseNote *note)
{
	TimestampTz due_at = use->scheduled.due_at;

	if (!is_waiting(part, use))
		due_at = Max(due_at, due_of_note(note));
	else if (due_at <= note->now + note->age + PUT_OFF_AT_MOST)
		return due_at;
	return Min(due_at, note->now + note->age);
}

/* Returns whether the use that the row has is good enough. */
static bool
is_row_fresh(const SessionUseNote *note)
{
	return !note->needed && note->now >= note->row_seen_at &&
		note->now < note->row_seen_at + FRESH(note->age);
}

/* Adds an entry for a note; NULL if there is no room. */
static Use *
add_use(const SessionIdSlot *slot, const SessionUseNote *note, LostUse *lost)
{
	Part	   *part = &table->parts[slot->part];
	Use		   *use = session_idmap_add(slot);

	if (use == NULL && free_an_entry(part, note, is_row_fresh(note), lost))
		use = session_idmap_add(slot);
	if (use == NULL)
		return NULL;
	count_entry(part, MyDatabaseId);
	use->created_at = note->created_at;
	set_own(use, note->age, note->needed ? NEEDED : 0);
	session_schedule_add(&part->s.schedule, number_of(part, use),
						 due_of_note(note), true);
	return use;
}

/* Changes the entry of a session for another use. */
static void
change_use(Part *part, Use *use, const SessionUseNote *note)
{
	bool		same = use->created_at == note->created_at;
	TimestampTz due_at = same ? next_due_time(part, use, note) : due_of_note(note);
	uint32		flags = same && is_waiting(part, use) ?
	use->scheduled.own & (PUT_OFF | NEEDED) : 0;

	if (!same)
		pg_atomic_write_u64(&use->seen_at, 0);
	use->created_at = note->created_at;
	set_own(use, note->age, flags | (note->needed ? NEEDED : 0));
	session_schedule_set(&part->s.schedule, number_of(part, use), due_at, true);
}

/* Returns whether most of the waiting entries of a part are due. */
static bool
is_mostly_due(const Part *part, TimestampTz now)
{
	int			due = 0;

	for (int i = 0; i < SAMPLE; i++)
		if (random_use(part)->scheduled.due_at <= now)
			due++;
	return due > SAMPLE / 2;
}

/* Returns whether a part fills up with uses that can be written. */
static bool
is_pressed(const Part *part, TimestampTz now)
{
	const SessionSchedule *schedule = &part->s.schedule;

	if (schedule->waiting <= BUSY(schedule->room))
		return false;
	if (schedule->waiting <= HIGH(schedule->room))
		return is_mostly_due(part, now);
	/* The first ones may have been put off. */
	for (int32 i = 0; i < Min(SAMPLE, schedule->waiting); i++)
		if (is_worth_writing(use_at(part, i), now))
			return true;
	return false;
}

/* Notes pressure, and wakes the listeners. */
static void
note_pressure(void)
{
	if (pg_atomic_read_u32(&table->pressed) != 0 ||
		pg_atomic_exchange_u32(&table->pressed, 1) != 0)
		return;
	for (int i = 0; i < SESSION_USES_LISTENERS; i++)
	{
		Latch	   *latch = table->listeners[i];

		if (latch != NULL)
			SetLatch(latch);
	}
}

/* Notes a use. */
SessionUsesResult
session_uses_note(const SessionUseNote *note)
{
	LostUse		lost = {0};
	SessionIdSlot slot;
	bool		pressed;
	Part	   *part;
	Use		   *use;

	session_idmap_lock(&table->map, &slot, note->id, LW_EXCLUSIVE);
	part = &table->parts[slot.part];
	use = session_idmap_find(&slot);
	if (use == NULL)
		use = add_use(&slot, note, &lost);
	else
		change_use(part, use, note);
	if (use != NULL)
		advance(use, note->now);
	pressed = !note->standby && !session_uses_are_pressed() &&
		is_pressed(part, note->now);
	session_idmap_unlock(&slot);
	if (pressed)
		note_pressure();
	if (OidIsValid(lost.database))
		session_database_note_dropped_use(lost.database, lost.seen_at);
	if (use != NULL)
		return SESSION_USES_NOTED;
	return is_row_fresh(note) ? SESSION_USES_SPARED : SESSION_USES_NO_ROOM;
}

/* Finds the entry of a session that was not created later than some time. */
static Use *
find_use_until(const SessionIdSlot *slot, TimestampTz until)
{
	Use		   *use = session_idmap_find(slot);

	return use != NULL && use->created_at <= until ? use : NULL;
}

/* Notes another use of a session in an entry that is waiting. */
static bool
note_waiting_again(const pg_uuid_t *id, TimestampTz until, TimestampTz now)
{
	SessionIdSlot slot;
	bool		noted;
	Use		   *use;

	session_idmap_lock(&table->map, &slot, id, LW_SHARED);
	use = find_use_until(&slot, until);
	noted = use != NULL && is_waiting(&table->parts[slot.part], use);
	if (noted)
		advance(use, now);
	session_idmap_unlock(&slot);
	return noted;
}

/*
 * Notes another use of a session that was not created later than `until`, if
 * it has an entry.
 */
bool
session_uses_note_again(const pg_uuid_t *id, TimestampTz until,
						TimestampTz now)
{
	SessionIdSlot slot;
	Use		   *use;

	if (note_waiting_again(id, until, now))
		return true;
	session_idmap_lock(&table->map, &slot, id, LW_EXCLUSIVE);
	use = find_use_until(&slot, until);
	if (use != NULL)
	{
		Part	   *part = &table->parts[slot.part];

		if (!is_waiting(part, use))
			session_schedule_set(&part->s.schedule, number_of(part, use),
								 Min(use->scheduled.due_at,
									 now + age_of(use)), true);
		advance(use, now);
	}
	session_idmap_unlock(&slot);
	return use != NULL;
}

/*
 * Finding uses to be written
 */

/* The uses found so far. */
typedef struct Collection
{
	TimestampTz now;
	int			count;
	int			limit;
	SessionUse *uses;
} Collection;

/* Adds an entry to the collection if it belongs to this database. */
static bool
collect_use(Collection *c, Use *use, bool early)
{
	SessionUse *found;

	if (use->head.key.database != MyDatabaseId || c->count == c->limit)
		return false;
	found = &c->uses[c->count++];
	found->id = use->head.key.id;
	found->created_at = use->created_at;
	found->seen_at = seen_at(use);
	found->age = age_of(use);
	found->lag = early ? FRESH(found->age) : found->age;
	return true;
}

/* Collects the entries of a part that are due. */
static void
collect_due(Collection *c, const Part *part)
{
	int32		place = -1;

	while (c->count < c->limit &&
		   (place = session_schedule_next_due(&part->s.schedule, place,
											  c->now)) >= 0)
		(void) collect_use(c, use_at(part, place), false);
}

/*
 * Collects entries of a part that are not due but can be written, as many as
 * wait beyond LOW.  The order of the heap is about that in which they are due.
 */
static void
collect_early(Collection *c, const Part *part)
{
	const SessionSchedule *schedule = &part->s.schedule;
	TimestampTz now = GetCurrentTimestamp();
	int			surplus = schedule->waiting - LOW(schedule->room);

	for (int32 i = 0; i < schedule->waiting && surplus > 0; i++)
	{
		Use		   *use = use_at(part, i);

		if (use->scheduled.due_at <= c->now)
			surplus--;
		else if (is_worth_writing(use, now) && collect_use(c, use, true))
			surplus--;
	}
}

#ifdef USE_ASSERT_CHECKING
/* Returns whether the members of a part are consistent. */
static bool
is_sound(const Part *part)
{
	const SessionSchedule *schedule = &part->s.schedule;
	int			owned = 0;
	int			used = 0;

	for (int i = 0; i < part->s.nowners; i++)
		owned += part->s.owners[i].count;
	for (int n = 0; n < schedule->room; n++)
	{
		const Use  *use = session_idmap_entry(&table->map, part - table->parts,
											  n);

		if (!OidIsValid(use->head.key.database))
			continue;
		used++;
		if (schedule->order[use->scheduled.place] != n)
			return false;
	}
	return session_schedule_is_sound(schedule) &&
		used == schedule->waiting + schedule->settled &&
		(owned == used || (owned < used && may_have_uncounted(part)));
}
#endif

/* Returns whether a part of the table is pressed. */
bool
session_uses_need_relief(void)
{
	TimestampTz now = GetCurrentTimestamp();
	bool		pressed = false;

	for (int i = 0; i < table->map.nparts && !pressed; i++)
	{
		session_idmap_lock_part(&table->map, i, LW_SHARED);
		Assert(is_sound(&table->parts[i]));
		pressed = is_pressed(&table->parts[i], now);
		session_idmap_unlock_part(&table->map, i);
	}
	return pressed;
}

/* Returns how many uses of each part to find, if `limit` can be found. */
static int
turn_length(int limit)
{
	return Min(TURN(table->map.part_entries), Max(limit / table->map.nparts, 1));
}

/* Finds uses to be written; returns their number. */
int
session_uses_find(TimestampTz now, bool in_turns, int limit, SessionUse *uses)
{
	Collection	c = {.now = now,.limit = limit,.uses = uses};
	bool		early = in_turns && session_uses_need_relief();

	/* Some may have become due since the caller began to ask. */
	if (early)
		c.now = GetCurrentTimestamp();
	for (int i = 0; i < table->map.nparts; i++)
	{
		if (in_turns)
			c.limit = Min(limit, c.count + turn_length(limit));
		session_idmap_lock_part(&table->map, i, LW_SHARED);
		collect_due(&c, &table->parts[i]);
		if (early)
			collect_early(&c, &table->parts[i]);
		session_idmap_unlock_part(&table->map, i);
	}
	return c.count;
}

/*
 * After an attempt to write a use
 */

/* Locks the part of a use, and finds its entry. */
static Use *
lock_use(SessionIdSlot *slot, const SessionUse *found)
{
	session_idmap_lock(&table->map, slot, &found->id, LW_EXCLUSIVE);
	return find_use(slot, found->created_at);
}

/* Sets when a use is due, whether it is waiting, and its flags. */
static void
reschedule(const SessionIdSlot *slot, Use *use, TimestampTz due_at,
		   bool waiting, uint32 flags)
{
	Part	   *part = &table->parts[slot->part];

	set_own(use, age_of(use), flags);
	session_schedule_set(&part->s.schedule, number_of(part, use), due_at,
						 waiting);
}

/* Notes that the row has the use, or a later one. */
void
session_uses_settle(const SessionUse *found, TimestampTz row_seen_at)
{
	SessionIdSlot slot;
	Use		   *use = lock_use(&slot, found);

	if (use != NULL)
		reschedule(&slot, use, row_seen_at + age_of(use),
				   seen_at(use) != found->seen_at, 0);
	session_idmap_unlock(&slot);
}

/* Notes that the row has an earlier use. */
void
session_uses_note_row(const SessionUse *found, TimestampTz row_seen_at)
{
	SessionIdSlot slot;
	Use		   *use = lock_use(&slot, found);

	if (use != NULL)
		reschedule(&slot, use, row_seen_at + age_of(use), true,
				   use->scheduled.own & NEEDED);
	session_idmap_unlock(&slot);
}

/* Sets when a waiting use is due. */
static void
set_due(const SessionUse *found, TimestampTz due_at, uint32 flag)
{
	SessionIdSlot slot;
	Use		   *use = lock_use(&slot, found);

	if (use != NULL && is_waiting(&table->parts[slot.part], use))
		reschedule(&slot, use, due_at, true,
				   (use->scheduled.own & NEEDED) | flag);
	session_idmap_unlock(&slot);
}

/* Makes a use due later, because it cannot be written now. */
void
session_uses_put_off(const SessionUse *found, TimestampTz until)
{
	set_due(found, until, PUT_OFF);
}

/* Makes a use due, because what was written was rolled back. */
void
session_uses_take_back(const SessionUse *found, TimestampTz now)
{
	set_due(found, now, PUT_OFF);
}

/* Removes a use, unless the session was used since. */
void
session_uses_remove(const SessionUse *found)
{
	SessionIdSlot slot;
	Use		   *use = lock_use(&slot, found);

	if (use != NULL && seen_at(use) == found->seen_at)
		remove_use(&table->parts[slot.part], use);
	session_idmap_unlock(&slot);
}

/* Removes the uses of a database. */
void
session_uses_forget(Oid database)
{
	for (int i = 0; i < table->map.nparts; i++)
	{
		session_idmap_lock_part(&table->map, i, LW_EXCLUSIVE);
		for (int n = 0; n < table->map.part_entries; n++)
		{
			Use		   *use = session_idmap_entry(&table->map, i, n);

			if (use->head.key.database == database)
				remove_use(&table->parts[i], use);
		}
		Assert(is_sound(&table->parts[i]));
		session_idmap_unlock_part(&table->map, i);
	}
}

/*
 * For the launcher
 */

/* The databases found so far. */
typedef struct Databases
{
	int			count;
	Oid			oids[SESSION_DATABASES];
} Databases;

/* Returns whether a database was found already. */
static bool
has_database(const Databases *found, Oid database)
{
	for (int i = 0; i < found->count; i++)
		if (found->oids[i] == database)
			return true;
	return false;
}

/* Adds a database; returns false if it was found already. */
static bool
add_database(Databases *found, Oid database)
{
	if (found->count == SESSION_DATABASES || has_database(found, database))
		return false;
	found->oids[found->count++] = database;
	return true;
}

/*
 * Returns how many databases that were not found yet may have something to be
 * written in a part.
 */
static int
count_missing(const Databases *found, const Part *part)
{
	int			missing = 0;

	if (may_have_uncounted(part))
		return SESSION_DATABASES;
	for (int i = 0; i < part->s.nowners; i++)
		if (!has_database(found, part->s.owners[i].database))
			missing++;
	return missing;
}

/*
 * Adds the databases that have something to be written in a part.  It is
 * enough to find one use of each of them.
 */
static void
add_databases(Databases *found, const Part *part, TimestampTz now)
{
	const SessionSchedule *schedule = &part->s.schedule;
	int			missing = count_missing(found, part);
	int32		place = -1;

	while (missing > 0 &&
		   (place = session_schedule_next_due(schedule, place, now)) >= 0)
		if (add_database(found, use_at(part, place)->head.key.database))
			missing--;
	if (missing == 0 || !is_pressed(part, now))
		return;
	for (int32 i = 0; i < Min(schedule->waiting, SURVEY) && missing > 0; i++)
		if (is_worth_writing(use_at(part, i), now) &&
			add_database(found, use_at(part, i)->head.key.database))
			missing--;
}

/* Returns the databases that have uses to be written. */
List *
session_uses_databases(TimestampTz now)
{
	Databases  *found = palloc0_object(Databases);
	List	   *result = NIL;

	for (int i = 0; i < table->map.nparts; i++)
	{
		session_idmap_lock_part(&table->map, i, LW_SHARED);
		Assert(is_sound(&table->parts[i]));
		add_databases(found, &table->parts[i], now);
		session_idmap_unlock_part(&table->map, i);
	}
	for (int i = 0; i < found->count; i++)
		result = lappend_oid(result, found->oids[i]);
	pfree(found);
	return result;
}

/* Makes this process a listener, or ends that. */
void
session_uses_listen(SessionUsesListener who, bool listens)
{
	table->listeners[who] = listens ? MyLatch : NULL;
}

/* Returns whether there is pressure that was not taken yet. */
bool
session_uses_are_pressed(void)
{
	return pg_atomic_read_u32(&table->pressed) != 0;
}

/* Takes the pressure; returns whether there was any. */
bool
session_uses_take_pressure(void)
{
	return pg_atomic_exchange_u32(&table->pressed, 0) != 0;
}

/* Notes pressure that another process must relieve. */
void
session_uses_leave_pressure(void)
{
	pg_atomic_write_u32(&table->pressed, 1);
}

/* Returns the number of uses that are waiting, without taking locks. */
int
session_uses_waiting(void)
{
	int			waiting = 0;

	for (int i = 0; i < table->map.nparts; i++)
		waiting += table->parts[i].s.schedule.waiting;
	return waiting;
}

/* Returns the room for uses. */
int
session_uses_room(void)
{
	return session_idmap_room(&table->map);
}
