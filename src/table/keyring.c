/*
 * keyring.c
 *	  The key ring: keys are generated or imported, stored sealed, and opened
 *	  when they are needed.
 *
 * Rules:
 * - session.keys holds secrets sealed with AES-256-GCM under a key derived
 *	 from the master key and bound to their kid and purpose.  It holds no
 *	 others, so a dump contains no others.
 * - A backend opens the keys of a purpose once and caches them in a memory
 *	 context of their own, with the keys that codecs derive from them.  The
 *	 context is wiped before it is freed.
 * - When a change of the table commits, its trigger makes every backend drop
 *	 this cache, through the relcache, so the next call sees a rotation.  The
 *	 trigger also has that commit flushed: a crash neither brings back a
 *	 retired key nor loses a key that was used.
 * - The master key is wiped as soon as keys are derived from it.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_am.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "crypto/crypto.h"
#include "model/random.h"
#include "shared/database.h"
#include "table/keyring.h"
#include "table/master.h"
#include "table/table.h"
#include "wire/base64url.h"

#define KID_RANDOM_BYTES 12

/* Columns of session.keys. */
enum
{
	COL_KID,
	COL_PURPOSE,
	COL_SECRET,
	COL_IMPORTED,
	COL_CREATED_AT,
	COL_ACTIVATED_AT,
	COL_RETIRED_AT,
	N_COLUMNS
};

static const SessionColumn columns[N_COLUMNS] = {
	[COL_KID] = {"kid", TEXTOID, true},
	[COL_PURPOSE] = {"purpose", TEXTOID, true},
	[COL_SECRET] = {"secret", BYTEAOID, true},
	[COL_IMPORTED] = {"imported", BOOLOID, true},
	[COL_CREATED_AT] = {"created_at", TIMESTAMPTZOID, true},
	[COL_ACTIVATED_AT] = {"activated_at", TIMESTAMPTZOID, true},
	[COL_RETIRED_AT] = {"retired_at", TIMESTAMPTZOID, false},
};

enum
{
	PRIMARY_KEY,
	BY_ACTIVATION
};

static const SessionIndex indexes[] = {
	[PRIMARY_KEY] = {BTREE_AM_OID, 1, {COL_KID},.unique = true},
	[BY_ACTIVATION] = {BTREE_AM_OID, 1, {COL_ACTIVATED_AT},.unique = false},
};

static const char *const triggers[] = {"keys_changed", "keys_emptied", NULL};

static SessionTable keys = {
	.name = "keys",
	.triggers = triggers,
	.ncolumns = lengthof(columns),
	.columns = columns,
	.nindexes = lengthof(indexes),
	.needed = indexes,
	.durable = true
};

/* The witness is retired from the start, so it is a key of no purpose. */
static SessionStatement insert_witness_statement = {
	.table = &keys,
	.sql = "INSERT INTO session.keys (kid, purpose, secret, imported,"
	" created_at, activated_at, retired_at)"
	" VALUES ($1, $1, $2, false, $3, $3, $3)"
	" ON CONFLICT (kid) DO NOTHING",
	.types = {TEXTOID, BYTEAOID, TIMESTAMPTZOID}
};

/* A new key is activated after all others, even if the clock was set back. */
static SessionStatement insert_statement = {
	.table = &keys,
	.sql = "INSERT INTO session.keys (kid, purpose, secret, imported,"
	" created_at, activated_at)"
	" VALUES ($1, $2, $3, $4, $5, GREATEST($5,"
	" (SELECT k.activated_at OPERATOR(pg_catalog.+) INTERVAL '1 microsecond'"
	" FROM ONLY session.keys k ORDER BY k.activated_at DESC LIMIT 1)))"
	" ON CONFLICT (kid) DO NOTHING",
	.types = {TEXTOID, TEXTOID, BYTEAOID, BOOLOID, TIMESTAMPTZOID}
};

static SessionStatement retire_statement = {
	.table = &keys,
	.sql = "UPDATE ONLY session.keys SET retired_at = $2"
	" WHERE kid OPERATOR(pg_catalog.=) $1 AND retired_at IS NULL",
	.types = {TEXTOID, TIMESTAMPTZOID}
};

/* Returns the value of a required column; errors if it is NULL. */
static Datum
key_value(TupleTableSlot *slot, int column)
{
	return session_table_required_value(&keys, slot, column);
}

/* The cached keys of one purpose. */
typedef struct Ring
{
	MemoryContext memory;		/* holds everything below */
	char	   *purpose;
	List	   *list;			/* of SessionKey, newest first */
	struct Ring *next;
} Ring;

static Ring *rings = NULL;

/*
 * How many purposes are cached.  Applications choose the purposes; few have
 * more than a handful.
 */
#define RINGS 20

/* Set by the invalidation callback, which must not free memory itself. */
static bool rings_stale = false;
static bool sealers_stale = false;

/* A cached sealing key, derived for one use; wiped when stale. */
typedef struct Sealer
{
	char		use[16];
	uint8		key[SESSION_GCM_KEY_BYTES];
	struct Sealer *next;
} Sealer;

static Sealer *sealers = NULL;

/*
 * Sealing
 */

/*
 * Seals a value with a key.  A sealed value is the nonce, then the ciphertext,
 * then the tag.
 */
static void
seal_with(const uint8 *key, uint8 *out, const void *in, size_t len,
		  const void *context, size_t context_len)
{
	uint8	   *body = out + SESSION_GCM_NONCE_BYTES;

	if (!session_crypto_random(out, SESSION_GCM_NONCE_BYTES) ||
		!session_crypto_aes256gcm_seal(body, body + len, in, len,
									   context, context_len, out, key))
		ereport(ERROR,
				(errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
				 errmsg("could not seal a secret")));
}

/* Opens a sealed value with a key.  Returns false if it does not open. */
static bool
unseal_with(const uint8 *key, uint8 *out, const void *in, size_t len,
			const void *context, size_t context_len)
{
	const uint8 *nonce = in;
	const uint8 *body = nonce + SESSION_GCM_NONCE_BYTES;
	size_t		plain_len = len - SESSION_SEAL_BYTES;

	return len >= SESSION_SEAL_BYTES &&
		session_crypto_aes256gcm_open(out, body, plain_len, body + plain_len,
									  context, context_len, nonce, key);
}

/*
 * The kid of the witness, a row that was sealed with the master key when that
 * was first used, even if there are no keys.  Opening it shows whether a
 * master key is the right one.  No key can have this kid, because it contains
 * a space.
 */
#define WITNESS "session master"

/* The class of an advisory lock, which no SQL function can lock. */
#define WITNESS_LOCK_CLASS 6

/* Begins a scan for the row of a kid.  Returns false if there is none. */
static bool
begin_kid(SessionTableScan *scan, Relation rel, const char *kid)
{
	ScanKeyData key;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_TEXTEQ,
				CStringGetTextDatum(kid));
	session_table_begin(scan, rel, keys.indexes[PRIMARY_KEY], &key);
	return session_table_next(scan);
}

/* Reads the sealed witness.  Returns NULL if there is none. */
static bytea *
read_witness(void)
{
	Relation	rel = session_table_open(&keys, AccessShareLock);
	bytea	   *sealed = NULL;
	SessionTableScan scan;

	if (begin_kid(&scan, rel, WITNESS))
		sealed = DatumGetByteaPCopy(key_value(scan.slot, COL_SECRET));
	session_table_end(&scan);
	table_close(rel, AccessShareLock);
	return sealed;
}

/* Returns whether a key exists; a retired one counts only if asked for. */
static bool
has_key(const char *kid, bool retired_too)
{
	Relation	rel = session_table_open(&keys, AccessShareLock);
	SessionTableScan scan;
	bool		found;

	found = begin_kid(&scan, rel, kid) &&
		(retired_too ||
		 slot_attisnull(scan.slot, keys.numbers[COL_RETIRED_AT]));
	session_table_end(&scan);
	table_close(rel, AccessShareLock);
	return found;
}

/* Returns the purpose of a key, retired or not; NULL if there is none. */
char *
session_keyring_purpose(const char *kid)
{
	Relation	rel = session_table_open(&keys, AccessShareLock);
	char	   *purpose = NULL;
	SessionTableScan scan;

	if (begin_kid(&scan, rel, kid))
		purpose = TextDatumGetCString(key_value(scan.slot, COL_PURPOSE));
	session_table_end(&scan);
	table_close(rel, AccessShareLock);
	return purpose;
}

/* Derives the sealing key of a use from the master key. */
static void
derive_sealer(Sealer *sealer, const char *use, const uint8 *master)
{
	char		info[64];

	strlcpy(sealer->use, use, sizeof(sealer->use));
	snprintf(info, sizeof(info), "session seal %s", use);
	if (!session_crypto_hkdf_sha256(sealer->key, sizeof(sealer->key),
									info, strlen(info), NULL, 0,
									master, SESSION_MASTER_BYTES))
		ereport(ERROR,
				(errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
				 errmsg("could not derive a key")));
}

/*
 * Takes the lock on writing the witness.  Returns false, without waiting, if
 * another transaction holds it.
 */
static bool
claim_witness(void)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, keys.relid, 0, WITNESS_LOCK_CLASS);
	return LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
}

/* Writes the witness, unless another transaction already has. */
static void
insert_witness(const Sealer *sealer)
{
	Datum		values[3];
	uint8		nothing[SESSION_SECRET_KEY_BYTES] = {0};
	bytea	   *sealed = palloc0(VARHDRSZ + sizeof(nothing) + SESSION_SEAL_BYTES);
	uint64		written;

	SET_VARSIZE(sealed, VARHDRSZ + sizeof(nothing) + SESSION_SEAL_BYTES);
	seal_with(sealer->key, (uint8 *) VARDATA(sealed), nothing, sizeof(nothing),
			  WITNESS, strlen(WITNESS));
	values[0] = CStringGetTextDatum(WITNESS);
	values[1] = PointerGetDatum(sealed);
	values[2] = TimestampTzGetDatum(GetCurrentTimestamp());
	written = session_table_execute(&insert_witness_statement, values, NULL);
	if (read_witness() == NULL)
		session_table_expect(&keys, written, 1);
}

/* Returns whether the witness was sealed with this key. */
static bool
opens_witness(const Sealer *sealer, const bytea *witness)
{
	uint8		nothing[SESSION_SECRET_KEY_BYTES];

	return VARSIZE_ANY_EXHDR(witness) == sizeof(nothing) + SESSION_SEAL_BYTES &&
		unseal_with(sealer->key, nothing, VARDATA_ANY(witness),
					VARSIZE_ANY_EXHDR(witness), WITNESS, strlen(WITNESS));
}

/*
 * Returns whether the master key is the one that sealed the witness.  Without
 * a witness it is, and the witness is written if that is possible now.
 */
static bool
check_witness(const uint8 *master, const bytea *witness)
{
	Sealer		sealer;
	bool		same = true;

	derive_sealer(&sealer, "witness", master);
	if (witness != NULL)
		same = opens_witness(&sealer, witness);
	else if (!XactReadOnly && claim_witness())
		insert_witness(&sealer);
	else
		sealers_stale = true;	/* the next use tries again */
	session_crypto_wipe(&sealer, sizeof(sealer));
	return same;
}

/* Returns whether the master key is the one that sealed what is stored. */
SessionMasterState
session_keyring_master(void)
{
	bytea	   *witness = read_witness();
	uint8		master[SESSION_MASTER_BYTES];
	Sealer		sealer;
	SessionMasterState state;

	if (witness == NULL)
		return SESSION_MASTER_UNUSED;
	state = session_master_try(master);
	if (state == SESSION_MASTER_OK)
	{
		derive_sealer(&sealer, "witness", master);
		if (!opens_witness(&sealer, witness))
			state = SESSION_MASTER_WRONG;
		session_crypto_wipe(&sealer, sizeof(sealer));
	}
	session_crypto_wipe(master, sizeof(master));
	return state;
}

/* Tells other databases whether this one has something sealed. */
void
session_keyring_announce(void)
{
	session_database_set_sealed(read_witness() != NULL);
	/* A command may be slow, and other databases would wait for it. */
	if (session_database_is_first_key_check() && !session_master_is_command())
		session_master_warn(session_keyring_master());
}

/* Marks the cached keys as stale when the table's definition changes. */
static void
invalidate_keys(Datum arg, Oid relid)
{
	if (!OidIsValid(relid) || relid == keys.relid || !OidIsValid(keys.relid))
		rings_stale = sealers_stale = true;
}

static void
watch_changes(void)
{
	static bool watching = false;

	if (!watching)
		CacheRegisterRelcacheCallback(invalidate_keys, (Datum) 0);
	watching = true;
}

/* Wipes the cached sealing keys.  Callers of sealing_key keep no pointer. */
static void
drop_sealers(void)
{
	while (sealers != NULL)
	{
		Sealer	   *sealer = sealers;

		sealers = sealer->next;
		session_crypto_wipe(sealer, sizeof(*sealer));
		pfree(sealer);
	}
	sealers_stale = false;
}

/* Returns the sealing key of a use, cached or derived from the master key. */
static const uint8 *
sealing_key(const char *use)
{
	uint8		master[SESSION_MASTER_BYTES];
	bytea	   *witness;
	Sealer		fresh;
	Sealer	   *sealer;
	bool		same;

	watch_changes();
	if (sealers_stale)
		drop_sealers();
	for (sealer = sealers; sealer != NULL; sealer = sealer->next)
		if (strcmp(sealer->use, use) == 0)
			return sealer->key;

	witness = read_witness();
	session_master_read(master, witness == NULL);
	same = check_witness(master, witness);
	if (same)
		derive_sealer(&fresh, use, master);
	session_crypto_wipe(master, sizeof(master));
	if (!same)
		session_master_mismatch();
	session_master_mark();
	session_database_set_sealed(true);

	sealer = MemoryContextAlloc(TopMemoryContext, sizeof(Sealer));
	*sealer = fresh;
	session_crypto_wipe(&fresh, sizeof(fresh));
	sealer->next = sealers;
	sealers = sealer;
	return sealer->key;
}

/* Seals a value for one use, bound to a context. */
void
session_keyring_seal(uint8 *out, const void *in, size_t len, const char *use,
					 const void *context, size_t context_len)
{
	seal_with(sealing_key(use), out, in, len, context, context_len);
}

/* Opens a sealed value; errors if it does not open. */
void
session_keyring_open(uint8 *out, const void *in, size_t len, const char *use,
					 const void *context, size_t context_len)
{
	if (!unseal_with(sealing_key(use), out, in, len, context, context_len))
		session_master_mismatch();
}

/*
 * Returns the context that a key's secret is bound to: kid and purpose.  A kid
 * cannot contain the line break between them.
 */
static char *
key_context(const char *kid, const char *purpose, size_t *len)
{
	*len = strlen(kid) + 1 + strlen(purpose);
	return psprintf("%s\n%s", kid, purpose);
}

/*
 * Loading
 */

/* Wipes the secrets of a ring before its memory is freed. */
static void
wipe_ring(void *arg)
{
	Ring	   *ring = arg;
	ListCell   *cell;

	foreach(cell, ring->list)
	{
		SessionKey *key = lfirst(cell);

		session_crypto_wipe(unconstify(uint8 *, key->secret), key->secret_len);
		session_crypto_wipe(key->derived, sizeof(SessionDerivedKeys));
	}
}

static void
drop_rings(void)
{
	while (rings != NULL)
	{
		Ring	   *ring = rings;

		rings = ring->next;
		MemoryContextDelete(ring->memory);
	}
	rings_stale = false;
}

/* Opens the key in the slot into the ring's memory. */
static SessionKey *
load_key(TupleTableSlot *slot)
{
	SessionKey *key = palloc0_object(SessionKey);
	bytea	   *sealed;
	uint8	   *secret;
	char	   *context;
	size_t		context_len;

	key->kid = TextDatumGetCString(key_value(slot, COL_KID));
	key->purpose = TextDatumGetCString(key_value(slot, COL_PURPOSE));
	key->imported = DatumGetBool(key_value(slot, COL_IMPORTED));
	sealed = DatumGetByteaPP(key_value(slot, COL_SECRET));
	context = key_context(key->kid, key->purpose, &context_len);
	secret = palloc0(VARSIZE_ANY_EXHDR(sealed));
	session_keyring_open(secret, VARDATA_ANY(sealed), VARSIZE_ANY_EXHDR(sealed),
						 "key", context, context_len);
	key->secret = secret;
	key->secret_len = VARSIZE_ANY_EXHDR(sealed) - SESSION_SEAL_BYTES;
	key->derived = palloc0_object(SessionDerivedKeys);
	return key;
}

/* Returns whether the key in the slot is one of a ring and not retired. */
static bool
is_of_ring(const Ring *ring, TupleTableSlot *slot)
{
	return slot_attisnull(slot, keys.numbers[COL_RETIRED_AT]) &&
		strcmp(TextDatumGetCString(key_value(slot, COL_PURPOSE)),
			   ring->purpose) == 0;
}

/*
 * Reads the keys of a purpose that are not retired, newest first.  The ring's
 * memory context, which is cached, holds nothing but these.
 */
static void
load_ring(Ring *ring)
{
	MemoryContext work = AllocSetContextCreate(CurrentMemoryContext,
											   "session key scan",
											   ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(work);
	Relation	rel = session_table_open(&keys, AccessShareLock);
	SessionTableScan scan;

	session_table_begin(&scan, rel, keys.indexes[BY_ACTIVATION], NULL);
	while (session_table_next(&scan))
		if (is_of_ring(ring, scan.slot))
		{
			MemoryContextSwitchTo(ring->memory);
			ring->list = lcons(load_key(scan.slot), ring->list);
			MemoryContextSwitchTo(work);
		}
	session_table_end(&scan);
	table_close(rel, AccessShareLock);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(work);
}

/* Reads the keys of a purpose and caches them. */
static Ring *
make_ring(const char *purpose)
{
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext,
												 "session keys",
												 ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(memory);
	MemoryContextCallback *wipe = palloc0_object(MemoryContextCallback);
	Ring	   *ring = palloc0_object(Ring);

	ring->memory = memory;
	ring->purpose = pstrdup(purpose);
	wipe->func = wipe_ring;
	wipe->arg = ring;
	MemoryContextRegisterResetCallback(memory, wipe);
	MemoryContextSwitchTo(caller);
	load_ring(ring);

	/* After an error during loading, the ring is freed and not cached. */
	MemoryContextSetParent(memory, TopMemoryContext);
	ring->next = rings;
	rings = ring;
	return ring;
}

/* Returns the keys of a purpose that are not retired, newest first. */
List *
session_keyring_of(const char *purpose)
{
	Ring	   *ring;
	int			count = 0;

	watch_changes();

	/* See changes that were committed since the statement began. */
	AcceptInvalidationMessages();
	if (rings_stale)
		drop_rings();
	for (ring = rings; ring != NULL; ring = ring->next, count++)
		if (strcmp(ring->purpose, purpose) == 0)
			return ring->list;
	if (count >= RINGS)
		drop_rings();
	return make_ring(purpose)->list;
}

/* Returns the key of a purpose that signs; errors if there is none. */
const SessionKey *
session_keyring_signer(const char *purpose)
{
	List	   *list = session_keyring_of(purpose);

	if (list == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("there is no active key for purpose \"%s\"", purpose),
				 errhint("Create one with session_key_rotate('%s').",
						 purpose)));
	return linitial(list);
}

/*
 * Changing
 */

/* Writes a new key.  Errors with 23505 if the kid is taken. */
static void
insert_key(const char *kid, const char *purpose, const uint8 *secret,
		   size_t len, bool imported)
{
	bytea	   *sealed = palloc0(VARHDRSZ + len + SESSION_SEAL_BYTES);
	size_t		context_len;
	char	   *context = key_context(kid, purpose, &context_len);
	Datum		values[5];
	uint64		noted = keys.changes_noted;
	uint64		written;

	SET_VARSIZE(sealed, VARHDRSZ + len + SESSION_SEAL_BYTES);
	session_keyring_seal((uint8 *) VARDATA(sealed), secret, len, "key",
						 context, context_len);
	values[0] = CStringGetTextDatum(kid);
	values[1] = CStringGetTextDatum(purpose);
	values[2] = PointerGetDatum(sealed);
	values[3] = BoolGetDatum(imported);
	values[4] = TimestampTzGetDatum(GetCurrentTimestamp());
	written = session_table_execute(&insert_statement, values, NULL);
	if (written == 0 && has_key(kid, true))
		ereport(ERROR,
				(errcode(ERRCODE_UNIQUE_VIOLATION),
				 errmsg("key \"%s\" already exists", kid)));
	session_table_expect(&keys, written, 1);
	session_table_expect_noted(&keys, noted, 1);
}

/* Generates a random kid. */
static char *
new_kid(void)
{
	uint8		random[KID_RANDOM_BYTES];
	char	   *kid = palloc0(SESSION_BASE64URL_CHARS(KID_RANDOM_BYTES) + 1);

	session_random_bytes(random, sizeof(random));
	session_base64url_encode(kid, random, sizeof(random));
	return kid;
}

/* Generates a key and returns its kid. */
char *
session_keyring_rotate(const char *purpose)
{
	uint8		secret[SESSION_SECRET_KEY_BYTES];
	char	   *kid = new_kid();

	session_random_bytes(secret, sizeof(secret));
	insert_key(kid, purpose, secret, sizeof(secret), false);
	session_crypto_wipe(secret, sizeof(secret));
	return kid;
}

/* Stores a foreign secret as a key and returns its kid. */
char *
session_keyring_import(const uint8 *secret, size_t len, const char *kid,
					   const char *purpose)
{
	char	   *name = kid == NULL ? new_kid() : pstrdup(kid);

	insert_key(name, purpose, secret, len, true);
	return name;
}

/* Retires a key.  Returns false if there is none or it is retired. */
bool
session_keyring_retire(const char *kid)
{
	Datum		values[] = {
		CStringGetTextDatum(kid),
		TimestampTzGetDatum(GetCurrentTimestamp())
	};
	uint64		noted = keys.changes_noted;
	uint64		retired;

	retired = session_table_execute(&retire_statement, values, NULL);
	if (retired == 0 && !has_key(kid, false))
		return false;
	session_table_expect(&keys, retired, 1);
	session_table_expect_noted(&keys, noted, 1);
	return true;
}

/* Warns if one of the table's triggers does not fire for every change. */
void
session_keyring_check_triggers(void)
{
	session_table_check_triggers(&keys);
}

/* Whether this transaction has added or removed rows. */
static bool added = false;
static bool removed = false;

/*
 * At commit, notes for other databases whether this one has something sealed.
 * After rows were removed this says no, although some may be left: the next
 * use of a key notes them.
 */
static void
keyring_at_transaction_end(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT && (added || removed))
		session_database_set_sealed(added);
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT ||
		event == XACT_EVENT_PREPARE)
		added = removed = false;
}

/* Notes a change of the table of keys. */
void
session_keyring_changed(SessionKeyringChange change)
{
	static bool watching = false;
	Relation	rel = session_table_open(&keys, AccessShareLock);

	CacheInvalidateRelcache(rel);
	table_close(rel, AccessShareLock);
	session_table_flush_commit(&keys);
	keys.changes_noted++;
	if (!watching)
		RegisterXactCallback(keyring_at_transaction_end, NULL);
	watching = true;
	added = added || change == SESSION_KEYRING_ADDED;
	removed = removed || change == SESSION_KEYRING_REMOVED;
}
