/*
 * revocation.c
 *	  Which snapshots of sessions must not be believed without asking the row.
 *
 * Rules:
 * - Whatever ends a session, changes what a snapshot says of it or gives it
 *	 another token is noted in shared memory before the commit, so a backend
 *	 that begins to look after the commit finds it.  While the transaction runs,
 *	 the row is asked.  After the commit it is asked for as long as a snapshot
 *	 from before could be believed, unless a snapshot is for the new token.
 *	 After a rollback too, if the session was noted before, which costs a
 *	 look-up and changes nothing.
 * - A token that a session had before it is given again only by hand.  Then
 *	 there may be snapshots that say what was true the first time, so those for
 *	 this token ask the row as well.
 * - The time starts when the commit is visible to everybody: a snapshot can be
 *	 minted from the old row until then.
 * - A session is noted by the transaction that changes its row; another can
 *	 only take over when the first has ended or rolled that change back, and
 *	 then the first has nothing more to say about it.  A prepared transaction
 *	 leaves its notes behind until it is seen to have ended.
 * - What found no room has every snapshot ask the row.
 * - Only what was noted since the server started, or was promoted, is known:
 *	 older snapshots ask the row, on a standby all do, and while transactions
 *	 that were prepared before are there.  TRUNCATE begins a new era as well,
 *	 in place of a note for every session.
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

/* Earlier tokens of a session that are told apart; with more the row is asked. */
#define EARLIER_TOKENS 6

typedef struct Revocation
{
	SessionIdEntry head;
	TransactionId xid;			/* who noted it and has not ended, if valid */
	bool		prepared;		/* it was prepared, and does not say when */
	bool		fresh;			/* there was no entry before it */
	char		digest[SESSION_DIGEST_CHARS + 1];	/* of the new token, or
													 * empty */
	uint32		earlier[EARLIER_TOKENS];	/* hashes of the digests of
											 * earlier tokens */
	int			earlier_count;	/* EARLIER_TOKENS + 1 = there were more */
	TimestampTz until;			/* when to forget it, unless xid is valid */
} Revocation;

#define TRANCHE "session_revocation"

typedef struct Revocations
{
	SessionIdMap map;
	/* Sweeping a part is in vain before; protected by its lock. */
	TimestampTz sweep_at[SESSION_IDMAP_PARTS];

	/* What is in the snapshots that need not ask the row; 0 = none yet. */
	pg_atomic_uint32 era;
	/* The longest time a snapshot made here is believed; 0 = none was made. */
	pg_atomic_uint64 longest_ttl;
	/* Transactions under way whose revocations found no room. */
	pg_atomic_uint32 overflowing;

	/* Protects what follows, and changes of the era. */
	LWLockPadded *lock;

	/*
	 * How many of those have not said when they end: until all before an id
	 * have.
	 */
	uint32		waiting;
	TransactionId wait_for;
	/* Until then every snapshot asks the row. */
	pg_atomic_uint64 overflowed_until;
	/* How many of those there were, since the server started. */
	pg_atomic_uint64 overflows;
} Revocations;

static Revocations *revocations = NULL;

/* What this transaction noted. */
typedef struct Note
{
	pg_uuid_t	id;
	char		digest[SESSION_DIGEST_CHARS + 1];
} Note;

static Note *notes = NULL;
static int	count = 0;
static int	allocated = 0;
static bool overflows = false;
static TransactionId noting_xid = InvalidTransactionId;

void
session_revocation_shmem_request(void)
{
	int			entries = session_settings.activity_size;

	RequestAddinShmemSpace(MAXALIGN(sizeof(Revocations)));
	RequestAddinShmemSpace(session_idmap_size(entries, sizeof(Revocation)));
	RequestNamedLWLockTranche(TRANCHE, session_idmap_locks(entries) + 1);
}

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
	pg_atomic_init_u32(&revocations->overflowing, 0);
	pg_atomic_init_u64(&revocations->overflowed_until, 0);
	pg_atomic_init_u64(&revocations->overflows, 0);
	for (int i = 0; i < SESSION_IDMAP_PARTS; i++)
		revocations->sweep_at[i] = SESSION_NO_TIME;
}

void
session_revocation_shmem_init(void)
{
	bool		found;

	revocations = ShmemInitStruct(TRANCHE "_state", sizeof(Revocations),
								  &found);
	if (!found)
		make_revocations();
}

void
session_revocation_forget(Oid database)
{
	session_idmap_forget(&revocations->map, database);
}

uint64
session_revocation_overflows(void)
{
	return pg_atomic_read_u64(&revocations->overflows);
}

/* Raises a shared number. */
static void
raise_number(pg_atomic_uint64 *number, uint64 value)
{
	uint64		old = pg_atomic_read_u64(number);

	while (old < value && !pg_atomic_compare_exchange_u64(number, &old, value))
		;
}

/* Until when a snapshot minted before now may be believed. */
static TimestampTz
end_of_validity(void)
{
	return GetCurrentTimestamp() +
		(TimestampTz) pg_atomic_read_u64(&revocations->longest_ttl);
}

/*
 * Forgetting
 */

#define PREPARED 64

/* A part that is full is not swept more often. */
#define SWEEP_EVERY USECS_PER_SEC

typedef struct Sweep
{
	TimestampTz now;
	TimestampTz next;			/* when more may be over */
	int			count;
	TransactionId prepared[PREPARED];	/* some that were */
} Sweep;

/* Notes the transaction of an entry if it was prepared. */
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

/* Has an entry become useless? */
static bool
is_revocation_over(void *entry, void *arg)
{
	Revocation *revocation = entry;
	Sweep	   *sweep = arg;

	if (TransactionIdIsValid(revocation->xid))
		note_prepared(revocation, sweep);
	else if (revocation->until <= sweep->now)
		return true;
	else
		sweep->next = Min(sweep->next, revocation->until);
	return false;
}

/*
 * Makes room in a part that is full, unless that is in vain: an entry whose
 * transaction goes on is kept for a time from its end.
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

/* Lets go what a prepared transaction that has ended left behind. */
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
 * Has all snapshots ask the row until every transaction has ended that has an
 * id now; with the lock held.
 */
static void
wait_for_running(void)
{
	revocations->wait_for = ReadNextTransactionId();
	revocations->waiting++;
	pg_atomic_fetch_add_u32(&revocations->overflowing, 1);
}

bool
session_revocation_is_waiting(void)
{
	bool		waits;

	LWLockAcquire(&revocations->lock->lock, LW_SHARED);
	waits = revocations->waiting > 0;
	LWLockRelease(&revocations->lock->lock);
	return waits;
}

/* Have they ended? */
static void
end_waiting(void)
{
	TransactionId oldest = GetActiveSnapshot()->xmin;

	LWLockAcquire(&revocations->lock->lock, LW_EXCLUSIVE);
	if (revocations->waiting > 0 &&
		TransactionIdFollowsOrEquals(oldest, revocations->wait_for))
	{
		raise_number(&revocations->overflowed_until, (uint64) end_of_validity());
		pg_atomic_fetch_sub_u32(&revocations->overflowing,
								revocations->waiting);
		revocations->waiting = 0;
	}
	LWLockRelease(&revocations->lock->lock);
}

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
 * Tokens that a session had
 */

static uint32
hash_digest(const char *digest)
{
	return hash_bytes((const unsigned char *) digest, (int) strlen(digest));
}

/* Returns whether a session may have had a token before. */
static bool
may_have_had(const Revocation *entry, uint32 token)
{
	for (int i = 0; i < Min(entry->earlier_count, EARLIER_TOKENS); i++)
		if (entry->earlier[i] == token)
			return true;
	return entry->earlier_count > EARLIER_TOKENS;
}

static void
add_earlier(Revocation *entry, uint32 token)
{
	if (may_have_had(entry, token))
		return;
	if (entry->earlier_count < EARLIER_TOKENS)
		entry->earlier[entry->earlier_count] = token;
	entry->earlier_count++;
}

/* Says for which token snapshots are believed: none, if there were others. */
static void
set_digest(Revocation *entry, const char *digest)
{
	if (digest[0] != '\0' && may_have_had(entry, hash_digest(digest)))
		digest = "";
	strlcpy(entry->digest, digest, sizeof(entry->digest));
}

/*
 * When a transaction ends
 */

/*
 * Settles what was noted of one session.  It was noted several times if the
 * entry is not ours any more: the last note comes first and is what counts.
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

static void
reset_notes(void)
{
	notes = NULL;				/* goes with the transaction's memory */
	count = 0;
	allocated = 0;
	overflows = false;
}

static void
settle_notes(bool committed)
{
	TimestampTz until = end_of_validity();

	while (count > 0)
		settle_note(&notes[--count], committed, until);
	if (overflows)
	{
		if (committed)
			raise_number(&revocations->overflowed_until, (uint64) until);
		pg_atomic_fetch_sub_u32(&revocations->overflowing, 1);
	}
	reset_notes();
}

/*
 * Nobody says when a prepared transaction ends.  It is looked after in the set,
 * or by itself where it found no room there.
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

/* Nothing says which of the new tokens were given since the savepoint. */
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
 * Noting
 */

/* Has the end of the transaction reported here. */
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

/* Has all snapshots ask the row, because one note found no room. */
static void
note_overflow(void)
{
	overflows = true;
	pg_atomic_fetch_add_u32(&revocations->overflowing, 1);
	pg_atomic_fetch_add_u64(&revocations->overflows, 1);
}

void
session_revocation_note_change(const pg_uuid_t *id, const char *earlier,
							   const char *digest)
{
	SessionIdSlot slot;
	uint32		token = hash_digest(earlier);
	Revocation *entry;
	Note	   *note;

	/* When all snapshots ask the row, those of one session do. */
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
 * Asking
 */

static uint32
make_era(void)
{
	uint32		era;

	session_random_bytes(&era, sizeof(era));
	return SESSION_FIRST_ERA +
		era % (SESSION_LAST_ERA - SESSION_FIRST_ERA + 1);
}

/* Begins the first era; with the lock held. */
static void
begin_era(uint32 era)
{
	TransactionId next = ReadNextTransactionId();

	/* One that was prepared before may end a session after. */
	if (TransactionIdPrecedes(session_compat_oldest_active(), next))
		wait_for_running();
	session_database_note_all_lost_use(GetCurrentTimestamp());
	pg_write_barrier();
	pg_atomic_write_u32(&revocations->era, era);
}

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
 * No row can be read between this and the end of the transaction that empties
 * the table, so a snapshot of the new era is of a row that is there.
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
	/* Without an era no snapshot is believed. */
	if (pg_atomic_read_u32(&revocations->era) != 0)
		pg_atomic_write_u32(&revocations->era, era);
	LWLockRelease(&revocations->lock->lock);
}

/* 0 = a standby's, or none. */
static uint32
current_era(void)
{
	session_revocation_begin_era();
	return RecoveryInProgress() ? 0 : pg_atomic_read_u32(&revocations->era);
}

uint32
session_revocation_note_snapshot(int seconds)
{
	if (revocations == NULL)
		return 0;
	raise_number(&revocations->longest_ttl, (uint64) seconds * USECS_PER_SEC);
	return current_era();
}

static bool
is_overflowed(void)
{
	if (pg_atomic_read_u32(&revocations->overflowing) > 0)
		return true;
	pg_read_barrier();
	return GetCurrentTimestamp() <
		(TimestampTz) pg_atomic_read_u64(&revocations->overflowed_until);
}

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

bool
session_revocation_is_outdated(uint32 era)
{
	return revocations != NULL && !RecoveryInProgress() &&
		era != current_era();
}

bool
session_revocation_must_check_row(const pg_uuid_t *id, const char *digest,
								  uint32 era)
{
	if (revocations == NULL)
		return false;
	/* Of what happened in another era, nothing is known. */
	return era == 0 || era != current_era() || is_overflowed() ||
		requires_row(id, digest);
}

bool
session_revocation_has_uses_since(TimestampTz since)
{
	if (revocations == NULL || pg_atomic_read_u32(&revocations->era) == 0)
		return false;
	pg_read_barrier();
	return session_database_has_uses_since(since);
}
