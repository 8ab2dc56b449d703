/*
 * revocation.c
 *	  The snapshots of sessions that must be checked against the row.
 *
 * A snapshot is a cookie that is accepted for "session.cookie_cache_ttl"
 * without reading the session's row.  This module keeps, in shared memory, the
 * sessions for which the row must be read.
 *
 * Rules:
 * - A transaction that ends a session, changes what its snapshots say or gives
 *	 it another token, notes the session here before it commits.  A backend
 *	 that checks a snapshot after the commit finds the entry.
 * - What an entry means depends on the transaction that noted it:
 *
 *	 transaction		snapshots that are checked against the row
 *	 runs				all
 *	 has committed		those for other tokens than the new one, until no
 *						snapshot from before the commit can be valid
 *	 was rolled back	all, as long as after a commit, if the session had an
 *						entry before; otherwise none, the entry is removed
 *
 * - That time starts when the commit is visible to all backends, because a
 *	 snapshot can be made from the old row until then.
 * - A session gets a token that it had earlier only if an administrator writes
 *	 it into the row.  Snapshots from the first time may still exist, so those
 *	 for such a token are checked, too.
 * - One transaction at a time owns an entry: the one that has changed the row.
 *	 Another can change the row, and take the entry over, only when the first
 *	 has ended or has rolled its change back to a savepoint.  The first then
 *	 leaves the entry alone.
 * - When an entry finds no room, all snapshots are checked.
 * - A clock that is set back and forth accepts no snapshot that a right clock
 *	 would not: an entry stays until no snapshot can be valid that was made at
 *	 the latest time that the clock has said, and once it is removed, all
 *	 snapshots are checked while the clock says a time before its end.
 * - Entries exist only since the server started or was promoted.  All
 *	 snapshots from before are checked: they name another era.  All snapshots
 *	 are checked on a standby, and while transactions exist that were prepared
 *	 before.  TRUNCATE begins a new era instead of noting every session.
 *
 * What happens to the notes of a transaction:
 *
 *	 commit				entries get the new token and an end
 *	 abort				new entries are removed, others get an end
 *	 savepoint rollback	entries stay, without a new token, because a note does
 *						not say in which subtransaction it was made
 *	 prepare			entries stay; a sweep sees that the transaction ended
 *
 * The other modules with transaction callbacks need the opposite at some of
 * these events, so they share no mechanism: a note too many only costs a read
 * of the row here, while audit/evidence.c must put back exactly what a
 * savepoint undid, engine/activity.c publishes only what was committed, and
 * table/keyring.c keeps two flags.
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/procarray.h"
#include "storage/shmem.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "model/array.h"
#include "model/digest.h"
#include "model/random.h"
#include "settings.h"
#include "shared/database.h"
#include "shared/idmap.h"
#include "shared/revocation.h"

/*
 * Most earlier tokens of a session that an entry holds.  With more of them,
 * every snapshot is checked.
 */
#define EARLIER_TOKENS 6

typedef struct Revocation
{
	SessionIdEntry head;
	TransactionId xid;			/* its owner; invalid once that has ended */
	bool		prepared;		/* the owner was prepared */
	bool		fresh;			/* the owner has added the entry */
	char		digest[SESSION_DIGEST_CHARS + 1];	/* of the new token, or
													 * empty */
	uint32		earlier[EARLIER_TOKENS];	/* hashes of the digests of
											 * earlier tokens */
	int			earlier_count;	/* EARLIER_TOKENS + 1 = there were more */
	TimestampTz until;			/* when to remove it, if xid is invalid */
} Revocation;

#define TRANCHE "session_revocation"

typedef struct Revocations
{
	SessionIdMap map;
	/* A sweep of a part finds nothing before; protected by the part's lock. */
	TimestampTz sweep_at[SESSION_IDMAP_PARTS];

	/* The present era, which snapshots name; 0 = none yet. */
	pg_atomic_uint32 era;
	/* The longest validity of a snapshot, in usec; 0 = none was made. */
	pg_atomic_uint64 longest_ttl;
	/* The latest time at which one was made, perhaps by a wrong clock. */
	pg_atomic_uint64 latest_made;
	/* Transactions that have not ended and whose notes found no room. */
	pg_atomic_uint32 overflowing;

	/* Protects "waiting" and "wait_for", and is held to change the era. */
	LWLockPadded *lock;

	/*
	 * How many of the overflowing are prepared transactions, whose end is not
	 * reported here.  They count until all transactions before an id have
	 * ended.
	 */
	uint32		waiting;
	TransactionId wait_for;

	/*
	 * Until then all snapshots are checked: a note found no room, or an entry
	 * was removed at that time and the clock has been set back since.
	 */
	pg_atomic_uint64 checked_until;
	/* Transactions whose notes found no room, since the server started. */
	pg_atomic_uint64 overflows;
} Revocations;

static Revocations *revocations = NULL;

/* What this transaction has noted about a session. */
typedef struct Note
{
	pg_uuid_t	id;
	char		digest[SESSION_DIGEST_CHARS + 1];	/* of the new token, or
													 * empty */
} Note;

static Note *notes = NULL;
static int	count = 0;
static int	allocated = 0;
static bool overflows = false;
static TransactionId noting_xid = InvalidTransactionId;

/* Requests the shared memory of the set. */
void
session_revocation_shmem_request(void)
{
	int			entries = session_settings.activity_size;

	RequestAddinShmemSpace(MAXALIGN(sizeof(Revocations)));
	RequestAddinShmemSpace(session_idmap_size(entries, sizeof(Revocation)));
	RequestNamedLWLockTranche(TRANCHE, session_idmap_locks(entries) + 1);
}

/* Initializes the set. */
static void
make_revocations(void)
{
	int			entries = session_settings.activity_size;
	LWLockPadded *locks = GetNamedLWLockTranche(TRANCHE);
	bool		found;
	void	   *memory;

	MemSet(revocations, 0, sizeof(*revocations));
	memory = ShmemInitStruct(TRANCHE,
							 session_idmap_size(entries, sizeof(Revocation)),
							 &found);
	session_idmap_init(&revocations->map, memory, entries, sizeof(Revocation),
					   locks);
	revocations->lock = &locks[session_idmap_locks(entries)];
	pg_atomic_init_u32(&revocations->era, 0);
	pg_atomic_init_u64(&revocations->longest_ttl, 0);
	pg_atomic_init_u64(&revocations->latest_made, 0);
	pg_atomic_init_u32(&revocations->overflowing, 0);
	pg_atomic_init_u64(&revocations->checked_until, 0);
	pg_atomic_init_u64(&revocations->overflows, 0);
	for (int i = 0; i < SESSION_IDMAP_PARTS; i++)
		revocations->sweep_at[i] = SESSION_NO_TIME;
}

/* Creates the set in shared memory, or finds it there. */
void
session_revocation_shmem_init(void)
{
	bool		found;

	revocations = ShmemInitStruct(TRANCHE "_state", sizeof(Revocations),
								  &found);
	if (!found)
		make_revocations();
}

/* Removes the sessions of a database that was dropped. */
void
session_revocation_forget(Oid database)
{
	session_idmap_forget(&revocations->map, database);
}

/* Returns how many transactions found no room. */
uint64
session_revocation_overflows(void)
{
	return pg_atomic_read_u64(&revocations->overflows);
}

/* Raises a shared number to a value, unless it is higher. */
static void
raise_number(pg_atomic_uint64 *number, uint64 value)
{
	uint64		old = pg_atomic_read_u64(number);

	while (old < value && !pg_atomic_compare_exchange_u64(number, &old, value))
		;
}

/*
 * Returns until when a snapshot that was made before now can be valid.  It may
 * have been made at a later time, if the clock was set back.
 */
static TimestampTz
end_of_validity(void)
{
	TimestampTz latest =
	(TimestampTz) pg_atomic_read_u64(&revocations->latest_made);

	return Max(GetCurrentTimestamp(), latest) +
		(TimestampTz) pg_atomic_read_u64(&revocations->longest_ttl);
}

/*
 * Removing entries
 */

/* Most prepared transactions that a sweep looks up. */
#define PREPARED 64

/* The shortest time between two sweeps of a full part. */
#define SWEEP_EVERY USECS_PER_SEC

typedef struct Sweep
{
	TimestampTz now;
	TimestampTz next;			/* when the next entry expires */
	int			count;
	TransactionId prepared[PREPARED];	/* owners that were prepared */
} Sweep;

/* Adds the owner of an entry to the sweep if it was prepared. */
static void
note_prepared(const Revocation *revocation, Sweep *sweep)
{
	if (!revocation->prepared || sweep->count == PREPARED)
		return;
	for (int i = 0; i < sweep->count; i++)
		if (sweep->prepared[i] == revocation->xid)
			return;
	sweep->prepared[sweep->count++] = revocation->xid;
}

/* Visitor: returns whether no valid snapshot can contradict an entry. */
static bool
is_revocation_over(void *entry, void *arg)
{
	Revocation *revocation = entry;
	Sweep	   *sweep = arg;

	if (TransactionIdIsValid(revocation->xid))
		note_prepared(revocation, sweep);
	else if (revocation->until <= sweep->now)
	{
		raise_number(&revocations->checked_until, (uint64) revocation->until);
		return true;
	}
	else
		sweep->next = Min(sweep->next, revocation->until);
	return false;
}

/*
 * Removes expired entries of a full part.  Returns false without a look if
 * none can have expired since the last sweep: an entry whose owner has not
 * ended expires a whole validity after that end.
 */
static bool
sweep_part(const SessionIdSlot *slot)
{
	TimestampTz *sweep_at = &revocations->sweep_at[slot->part];
	TimestampTz now = GetCurrentTimestamp();
	Sweep		sweep = {.now = now,.next = end_of_validity()};

	if (now < *sweep_at)
		return false;
	session_idmap_visit_part(slot, is_revocation_over, &sweep);
	*sweep_at = Max(sweep.next, now + SWEEP_EVERY);
	return true;
}

/*
 * Visitor: gives an end to an entry of a prepared transaction that has ended.
 */
static bool
end_prepared(void *entry, void *arg)
{
	Revocation *revocation = entry;

	if (revocation->prepared && revocation->xid == *(TransactionId *) arg)
	{
		revocation->until = end_of_validity();
		revocation->xid = InvalidTransactionId;
		revocation->prepared = false;
	}
	return false;
}

/*
 * Has all snapshots checked until every transaction that has an id now has
 * ended.  The lock is held.
 */
static void
wait_for_running(void)
{
	revocations->wait_for = ReadNextTransactionId();
	revocations->waiting++;
	pg_atomic_fetch_add_u32(&revocations->overflowing, 1);
}

/* Returns whether all snapshots are checked until transactions end. */
bool
session_revocation_is_waiting(void)
{
	bool		waits;

	LWLockAcquire(&revocations->lock->lock, LW_SHARED);
	waits = revocations->waiting > 0;
	LWLockRelease(&revocations->lock->lock);
	return waits;
}

/*
 * Ends the wait of wait_for_running if those transactions have ended.  All
 * snapshots made before are then checked for as long as they are valid.
 */
static void
end_waiting(void)
{
	TransactionId oldest = GetActiveSnapshot()->xmin;

	LWLockAcquire(&revocations->lock->lock, LW_EXCLUSIVE);
	if (revocations->waiting > 0 &&
		TransactionIdFollowsOrEquals(oldest, revocations->wait_for))
	{
		raise_number(&revocations->checked_until,
					 (uint64) end_of_validity());
		pg_atomic_fetch_sub_u32(&revocations->overflowing,
								revocations->waiting);
		revocations->waiting = 0;
	}
	LWLockRelease(&revocations->lock->lock);
}

/* Removes the entries that no valid snapshot can contradict any more. */
void
session_revocation_sweep(void)
{
	Sweep		sweep = {.now = GetCurrentTimestamp()};

	session_idmap_visit(&revocations->map, LW_EXCLUSIVE, is_revocation_over,
						&sweep);
	for (int i = 0; i < sweep.count; i++)
		if (!TransactionIdIsInProgress(sweep.prepared[i]))
			session_idmap_visit(&revocations->map, LW_EXCLUSIVE,
								end_prepared, &sweep.prepared[i]);
	end_waiting();
}

/*
 * Earlier tokens of a session
 */

/* Returns the hash by which an entry holds the digest of a token. */
static uint32
hash_digest(const char *digest)
{
	return hash_bytes((const unsigned char *) digest, (int) strlen(digest));
}

/* Returns whether a session may have had a token earlier. */
static bool
may_have_had(const Revocation *entry, uint32 token)
{
	for (int i = 0; i < Min(entry->earlier_count, EARLIER_TOKENS); i++)
		if (entry->earlier[i] == token)
			return true;
	return entry->earlier_count > EARLIER_TOKENS;
}

/* Adds a token to the earlier ones of an entry. */
static void
add_earlier(Revocation *entry, uint32 token)
{
	if (may_have_had(entry, token))
		return;
	if (entry->earlier_count < EARLIER_TOKENS)
		entry->earlier[entry->earlier_count] = token;
	entry->earlier_count++;
}

/*
 * Sets the token whose snapshots are accepted.  None are, if the session had
 * this token earlier.
 */
static void
set_digest(Revocation *entry, const char *digest)
{
	if (digest[0] != '\0' && may_have_had(entry, hash_digest(digest)))
		digest = "";
	strlcpy(entry->digest, digest, sizeof(entry->digest));
}

/*
 * The end of a transaction
 */

/*
 * Gives the entry of a note an end, or removes it.  Notes are settled from the
 * last to the first, so of several notes of a session the last one counts:
 * after that, this transaction does not own the entry any more.
 */
static void
settle_note(const Note *note, bool committed, TimestampTz until)
{
	bool		minted = pg_atomic_read_u64(&revocations->longest_ttl) > 0;
	SessionIdSlot slot;
	Revocation *entry;

	session_idmap_lock(&revocations->map, &slot, &note->id,
					   LW_EXCLUSIVE);
	entry = session_idmap_find(&slot);
	if (entry != NULL && entry->xid == noting_xid)
	{
		entry->xid = InvalidTransactionId;
		entry->until = until;
		if (committed)
			set_digest(entry, note->digest);
		if (committed ? !minted : entry->fresh)
			session_idmap_remove(&slot);
	}
	session_idmap_unlock(&slot);
}

/* Forgets the notes of this transaction. */
static void
reset_notes(void)
{
	notes = NULL;				/* goes with the transaction's memory */
	count = 0;
	allocated = 0;
	overflows = false;
}

/* Settles all notes, and the overflow, of a transaction that has ended. */
static void
settle_notes(bool committed)
{
	TimestampTz until = end_of_validity();

	while (count > 0)
		settle_note(&notes[--count], committed, until);
	if (overflows)
	{
		if (committed)
			raise_number(&revocations->checked_until, (uint64) until);
		pg_atomic_fetch_sub_u32(&revocations->overflowing, 1);
	}
	reset_notes();
}

/*
 * Leaves the entries of a transaction that was prepared to the sweeps, because
 * no callback reports its end.  If it overflowed, all snapshots are checked
 * until the transactions running now have ended.
 */
static void
mark_prepared(void)
{
	if (overflows)
	{
		LWLockAcquire(&revocations->lock->lock, LW_EXCLUSIVE);
		wait_for_running();
		LWLockRelease(&revocations->lock->lock);
		pg_atomic_fetch_sub_u32(&revocations->overflowing, 1);
	}
	while (count > 0)
	{
		SessionIdSlot slot;
		Revocation *entry;

		session_idmap_lock(&revocations->map, &slot,
						   &notes[--count].id, LW_EXCLUSIVE);
		entry = session_idmap_find(&slot);
		if (entry != NULL && entry->xid == noting_xid)
			entry->prepared = true;
		session_idmap_unlock(&slot);
	}
	reset_notes();
}

/* Transaction callback; the banner says what it does at each event. */
static void
revocation_at_transaction_end(XactEvent event, void *arg)
{
	if (notes == NULL && !overflows)
		return;
	if (event == XACT_EVENT_COMMIT)
		settle_notes(true);
	else if (event == XACT_EVENT_ABORT)
		settle_notes(false);
	else if (event == XACT_EVENT_PREPARE)
		mark_prepared();
}

/*
 * Subtransaction callback.  Drops the new tokens of all notes at a rollback to
 * a savepoint, because the notes do not say which were given after it.
 */
static void
revocation_at_savepoint_end(SubXactEvent event, SubTransactionId mine,
							SubTransactionId parent, void *arg)
{
	if (event != SUBXACT_EVENT_ABORT_SUB)
		return;
	for (int i = 0; i < count; i++)
		notes[i].digest[0] = '\0';
}

/*
 * Adding entries
 */

/* Registers the callbacks, and gets the id of the transaction. */
static void
watch_transaction(void)
{
	static bool watching = false;

	if (!watching)
	{
		RegisterXactCallback(revocation_at_transaction_end, NULL);
		RegisterSubXactCallback(revocation_at_savepoint_end, NULL);
		watching = true;
	}
	noting_xid = GetTopTransactionId();
}

/*
 * Returns the entry of a session, which may be new.  Sweeps a full part once.
 * Returns NULL when there is no room.
 */
static Revocation *
add_entry(const SessionIdSlot *slot)
{
	Revocation *entry = session_idmap_find(slot);

	if (entry != NULL)
	{
		entry->fresh = entry->fresh && entry->xid == noting_xid;
		return entry;
	}
	entry = session_idmap_add(slot);
	if (entry == NULL && sweep_part(slot))
		entry = session_idmap_add(slot);
	if (entry != NULL)
	{
		entry->fresh = true;
		entry->earlier_count = 0;
	}
	return entry;
}

/* Has all snapshots checked, because a note found no room. */
static void
note_overflow(void)
{
	overflows = true;
	pg_atomic_fetch_add_u32(&revocations->overflowing, 1);
	pg_atomic_fetch_add_u64(&revocations->overflows, 1);
}

/* Notes that this transaction has changed or ended a session. */
void
session_revocation_note_change(const pg_uuid_t *id, const char *earlier,
							   const char *digest)
{
	SessionIdSlot slot;
	uint32		token = hash_digest(earlier);
	Revocation *entry;
	Note	   *note;

	/* While all snapshots are checked, those of this session are. */
	if (revocations == NULL || overflows)
		return;
	watch_transaction();
	/* Before anything depends on there being memory. */
	notes = session_array_reserve(notes, count + 1, &allocated, sizeof(Note),
								  TopTransactionContext);
	session_idmap_lock(&revocations->map, &slot, id, LW_EXCLUSIVE);
	entry = add_entry(&slot);
	if (entry != NULL)
	{
		entry->xid = noting_xid;
		entry->prepared = false;
		entry->digest[0] = '\0';
		add_earlier(entry, token);
	}
	session_idmap_unlock(&slot);
	if (entry == NULL)
	{
		note_overflow();
		return;
	}
	note = &notes[count++];
	note->id = *id;
	strlcpy(note->digest, digest == NULL ? "" : digest, sizeof(note->digest));
}

/*
 * Eras, and checking snapshots
 */

/* Returns a random era. */
static uint32
make_era(void)
{
	uint32		era;

	session_random_bytes(&era, sizeof(era));
	return SESSION_FIRST_ERA +
		era % (SESSION_LAST_ERA - SESSION_FIRST_ERA + 1);
}

/* Begins the first era.  The lock is held. */
static void
begin_era(uint32 era)
{
	TransactionId next = ReadNextTransactionId();

	/* A transaction that was prepared before may end a session later. */
	if (TransactionIdPrecedes(session_compat_oldest_active(), next))
		wait_for_running();
	session_database_note_all_lost_use(GetCurrentTimestamp());
	pg_write_barrier();
	pg_atomic_write_u32(&revocations->era, era);
}

/* Begins an era, unless there is one or this is a standby. */
void
session_revocation_begin_era(void)
{
	uint32		era;

	if (revocations == NULL || RecoveryInProgress() ||
		pg_atomic_read_u32(&revocations->era) != 0)
		return;
	era = make_era();
	LWLockAcquire(&revocations->lock->lock, LW_EXCLUSIVE);
	if (pg_atomic_read_u32(&revocations->era) == 0)
		begin_era(era);
	LWLockRelease(&revocations->lock->lock);
}

/*
 * Begins a new era because the table is emptied.  No row can be read until the
 * transaction that empties it ends, so all snapshots of the new era are made
 * from rows that exist then.
 */
void
session_revocation_note_truncate(void)
{
	uint32		era;

	if (revocations == NULL)
		return;
	era = make_era();
	LWLockAcquire(&revocations->lock->lock, LW_EXCLUSIVE);
	if (pg_atomic_read_u32(&revocations->era) == era)
		era = era == SESSION_LAST_ERA ? SESSION_FIRST_ERA : era + 1;
	/* Without an era all snapshots are checked. */
	if (pg_atomic_read_u32(&revocations->era) != 0)
		pg_atomic_write_u32(&revocations->era, era);
	LWLockRelease(&revocations->lock->lock);
}

/* Returns the present era, begun if necessary; 0 on a standby. */
static uint32
current_era(void)
{
	session_revocation_begin_era();
	return RecoveryInProgress() ? 0 : pg_atomic_read_u32(&revocations->era);
}

/* Notes that a snapshot may be made at a time.  Returns the era. */
uint32
session_revocation_note_snapshot(TimestampTz now, int seconds)
{
	if (revocations == NULL)
		return 0;
	raise_number(&revocations->latest_made, (uint64) now);
	raise_number(&revocations->longest_ttl, (uint64) seconds * USECS_PER_SEC);
	return current_era();
}

/* Returns whether all snapshots are checked, without a look at the entries. */
static bool
are_all_checked(void)
{
	if (pg_atomic_read_u32(&revocations->overflowing) > 0)
		return true;
	pg_read_barrier();
	return GetCurrentTimestamp() <
		(TimestampTz) pg_atomic_read_u64(&revocations->checked_until);
}

/* Returns whether a session's entry has its snapshots of a token checked. */
static bool
requires_row(const pg_uuid_t *id, const char *digest)
{
	SessionIdSlot slot;
	Revocation *entry;
	bool		check;

	session_idmap_lock(&revocations->map, &slot, id, LW_SHARED);
	entry = session_idmap_find(&slot);
	check = entry != NULL &&
		(TransactionIdIsValid(entry->xid) || entry->digest[0] == '\0' ||
		 digest == NULL || strcmp(entry->digest, digest) != 0);
	session_idmap_unlock(&slot);
	return check;
}

/* Returns whether a snapshot's era is not the present one. */
bool
session_revocation_is_outdated(uint32 era)
{
	return revocations != NULL && !RecoveryInProgress() &&
		era != current_era();
}

/* Returns whether a snapshot must be checked against the row. */
bool
session_revocation_must_check_row(const pg_uuid_t *id, const char *digest,
								  uint32 era)
{
	if (revocations == NULL)
		return false;
	/* There are no entries for what happened before this era. */
	return era == 0 || era != current_era() || are_all_checked() ||
		requires_row(id, digest);
}

/* Returns whether every use in this database after a time is recorded. */
bool
session_revocation_has_uses_since(TimestampTz since)
{
	if (revocations == NULL || pg_atomic_read_u32(&revocations->era) == 0)
		return false;
	pg_read_barrier();
	return session_database_has_uses_since(since);
}
