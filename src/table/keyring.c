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
 * - A backend drops this cache when a change of session.keys commits, see
 *	 keystore.c.
 * - The master key is wiped as soon as keys are derived from it.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "compat.h"
#include "crypto/crypto.h"
#include "model/random.h"
#include "shared/database.h"
#include "table/keyring.h"
#include "table/keystore.h"
#include "table/master.h"
#include "table/table.h"
#include "wire/base64url.h"

#define KID_RANDOM_BYTES 12

/* The witness is retired from the start, so it is a key of no purpose. */
static SessionStatement insert_witness_statement = {
	.table = &session_keystore_table,
	.sql = "INSERT INTO session.keys (kid, purpose, secret, imported,"
	" created_at, activated_at, retired_at)"
	" VALUES ($1, $1, $2, false, $3, $3, $3)"
	" ON CONFLICT (kid) DO NOTHING",
	.types = {TEXTOID, BYTEAOID, TIMESTAMPTZOID}
};

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

/* Reads the sealed witness.  Returns NULL if there is none. */
static bytea *
read_witness(void)
{
	Relation	rel = session_table_open(&session_keystore_table, AccessShareLock);
	bytea	   *sealed = NULL;
	SessionTableScan scan;

	if (session_keystore_begin(&scan, rel, WITNESS))
		sealed = DatumGetByteaPCopy(session_keystore_value(scan.slot, SESSION_KEYSTORE_SECRET));
	session_table_end(&scan);
	table_close(rel, AccessShareLock);
	return sealed;
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

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, session_keystore_table.relid, 0, WITNESS_LOCK_CLASS);
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
		session_table_expect(&session_keystore_table, written, 1);
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
	if (!OidIsValid(relid) || relid == session_keystore_table.relid || !OidIsValid(session_keystore_table.relid))
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

	key->kid = TextDatumGetCString(session_keystore_value(slot, SESSION_KEYSTORE_KID));
	key->purpose = TextDatumGetCString(session_keystore_value(slot, SESSION_KEYSTORE_PURPOSE));
	key->imported = DatumGetBool(session_keystore_value(slot, SESSION_KEYSTORE_IMPORTED));
	sealed = DatumGetByteaPP(session_keystore_value(slot, SESSION_KEYSTORE_SECRET));
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
	return slot_attisnull(slot, session_keystore_table.numbers[SESSION_KEYSTORE_RETIRED_AT]) &&
		strcmp(TextDatumGetCString(session_keystore_value(slot, SESSION_KEYSTORE_PURPOSE)),
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
	Relation	rel = session_table_open(&session_keystore_table, AccessShareLock);
	SessionTableScan scan;

	session_table_begin(&scan, rel, session_keystore_table.indexes[SESSION_KEYSTORE_BY_ACTIVATION], NULL);
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

/* Opens one key of a purpose, retired or not, without caching it. */
SessionKey *
session_keyring_open_one(const char *kid, const char *purpose)
{
	Relation	rel = session_table_open(&session_keystore_table, AccessShareLock);
	SessionKey *key = NULL;
	SessionTableScan scan;

	if (session_keystore_begin(&scan, rel, kid) &&
		strcmp(TextDatumGetCString(session_keystore_value(scan.slot, SESSION_KEYSTORE_PURPOSE)),
			   purpose) == 0)
		key = load_key(scan.slot);
	session_table_end(&scan);
	table_close(rel, AccessShareLock);
	return key;
}

/* Wipes a key that session_keyring_open_one has returned. */
void
session_keyring_close_one(SessionKey *key)
{
	session_crypto_wipe(unconstify(uint8 *, key->secret), key->secret_len);
	session_crypto_wipe(key->derived, sizeof(SessionDerivedKeys));
}

/* Returns whether a purpose is one of ours. */
bool
session_keyring_is_reserved(const char *purpose)
{
	return strcmp(purpose, SESSION_KEYRING_SEAL) == 0;
}

/*
 * Changing
 */

/* Seals and writes a new key.  Errors with 23505 if the kid is taken. */
static void
insert_key(const char *kid, const char *purpose, const uint8 *secret,
		   size_t len, bool imported)
{
	bytea	   *sealed = palloc0(VARHDRSZ + len + SESSION_SEAL_BYTES);
	size_t		context_len;
	char	   *context = key_context(kid, purpose, &context_len);

	SET_VARSIZE(sealed, VARHDRSZ + len + SESSION_SEAL_BYTES);
	session_keyring_seal((uint8 *) VARDATA(sealed), secret, len, "key",
						 context, context_len);
	session_keystore_insert(kid, purpose, sealed, imported);
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
