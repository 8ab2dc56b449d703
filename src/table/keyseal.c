/*
 * keyseal.c
 *	  How the secrets of session.keys are sealed under the master key.
 *
 * Rules:
 * - A secret is sealed with AES-256-GCM under a key derived from the master
 *	 key, and bound to its kid, purpose and algorithm.  The table holds no
 *	 others, so a dump contains no others.
 * - The master key is the one that opens the witness: the current one, or the
 *	 new one while the current one is being replaced (see reseal.c).
 * - The master key is wiped as soon as keys are derived from it.  These are
 *	 cached, and wiped when a change of the table commits.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "crypto/crypto.h"
#include "shared/database.h"
#include "table/keyseal.h"
#include "table/keystore.h"
#include "table/table.h"

#define WITNESS SESSION_KEYSEAL_WITNESS

/* What the witness seals: zeroes. */
#define WITNESS_BYTES 32

/* The class of an advisory lock, which no SQL function can lock. */
#define WITNESS_LOCK_CLASS 6

/* The witness is retired from the start, so it is a key of no purpose. */
static SessionStatement insert_witness_statement = {
	.table = &session_keystore_table,
	.sql = "INSERT INTO session.keys (kid, purpose, algorithm, secret,"
	" imported, created_at, activated_at, retired_at)"
	" VALUES ($1, $1, 'HS256', $2, false, $3, $3, $3)"
	" ON CONFLICT (kid) DO NOTHING",
	.types = {TEXTOID, BYTEAOID, TIMESTAMPTZOID}
};

/* The keys derived from the master key, in use. */
static SessionKeysealer cached;
static bool is_cached = false;

/* Set by the invalidation callback. */
static bool stale = false;

/* Derives the keys of a master key, and wipes that. */
void
session_keyseal_derive(SessionKeysealer *sealer,
					   uint8 master[SESSION_MASTER_BYTES])
{
	session_envelope_derive(sealer->secret, "key", master,
							SESSION_MASTER_BYTES);
	session_envelope_derive(sealer->witness, "witness", master,
							SESSION_MASTER_BYTES);
	session_crypto_wipe(master, SESSION_MASTER_BYTES);
}

/*
 * The witness
 */

/* Returns the sealed witness; NULL if there is none. */
bytea *
session_keyseal_read_witness(void)
{
	Relation	rel = session_table_open(&session_keystore_table,
										 AccessShareLock);
	bytea	   *sealed = NULL;
	SessionTableScan scan;

	if (session_keystore_begin(&scan, rel, WITNESS))
		sealed = DatumGetByteaPCopy(session_keystore_value(scan.slot,
														   SESSION_KEYSTORE_SECRET));
	session_table_end(&scan);
	table_close(rel, AccessShareLock);
	return sealed;
}

/* Returns whether a witness was sealed with these keys. */
bool
session_keyseal_fits(const SessionKeysealer *sealer, const bytea *witness)
{
	uint8		zeroes[WITNESS_BYTES];

	return VARSIZE_ANY_EXHDR(witness) == WITNESS_BYTES + SESSION_ENVELOPE_BYTES &&
		session_envelope_open(zeroes, VARDATA_ANY(witness),
							  VARSIZE_ANY_EXHDR(witness), WITNESS,
							  strlen(WITNESS), sealer->witness);
}

/* Seals the witness. */
bytea *
session_keyseal_make_witness(const SessionKeysealer *sealer)
{
	uint8		zeroes[WITNESS_BYTES] = {0};
	bytea	   *sealed = palloc0(VARHDRSZ + WITNESS_BYTES +
								 SESSION_ENVELOPE_BYTES);

	SET_VARSIZE(sealed, VARHDRSZ + WITNESS_BYTES + SESSION_ENVELOPE_BYTES);
	session_envelope_seal((uint8 *) VARDATA(sealed), zeroes, WITNESS_BYTES,
						  WITNESS, strlen(WITNESS), sealer->witness);
	return sealed;
}

/* Writes the witness, unless another transaction already has. */
void
session_keyseal_insert_witness(const SessionKeysealer *sealer)
{
	Datum		values[] = {
		CStringGetTextDatum(WITNESS),
		PointerGetDatum(session_keyseal_make_witness(sealer)),
		TimestampTzGetDatum(GetCurrentTimestamp())
	};
	uint64		written = session_table_execute(&insert_witness_statement,
												values, NULL);

	if (session_keyseal_read_witness() == NULL)
		session_table_expect(&session_keystore_table, written, 1);
}

/*
 * Takes the lock on writing the witness.  Returns false, without waiting, if
 * another transaction holds it.
 */
static bool
claim_witness(void)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, session_keystore_table.relid, 0,
						 WITNESS_LOCK_CLASS);
	return LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
}

/*
 * Finding the master key
 */

/* Derives the keys of the master key in a place, if that fits the witness. */
static SessionMasterState
try_place(SessionKeysealer *sealer, SessionMasterPlace place,
		  const bytea *witness)
{
	uint8		master[SESSION_MASTER_BYTES];
	SessionMasterState state = session_master_try(master, place);

	if (state != SESSION_MASTER_OK)
		return state;
	session_keyseal_derive(sealer, master);
	if (session_keyseal_fits(sealer, witness))
		return SESSION_MASTER_OK;
	session_crypto_wipe(sealer, sizeof(*sealer));
	return SESSION_MASTER_WRONG;
}

/*
 * Derives the keys of the master key that sealed the witness.  Returns
 * SESSION_MASTER_OK if that is the current one, and SESSION_MASTER_REPLACED if
 * it is the new one.
 */
static SessionMasterState
find_sealer(SessionKeysealer *sealer, const bytea *witness)
{
	SessionMasterState state = try_place(sealer, SESSION_MASTER_CURRENT,
										 witness);

	if (state == SESSION_MASTER_OK)
		return state;
	if (try_place(sealer, SESSION_MASTER_NEW, witness) == SESSION_MASTER_OK)
		return SESSION_MASTER_REPLACED;
	/* The new file may have been moved after the current one was read. */
	return session_master_is_command() ? state :
		try_place(sealer, SESSION_MASTER_CURRENT, witness);
}

/* Errors because neither master key sealed the witness. */
static pg_noinline void
refuse_witness(void)
{
	uint8		master[SESSION_MASTER_BYTES];

	/* A new file that cannot be used may be the one that is needed. */
	if (!session_master_is_command() &&
		session_master_try(master, SESSION_MASTER_NEW) == SESSION_MASTER_WRONG)
		session_master_read(master, SESSION_MASTER_NEW);
	session_master_read(master, SESSION_MASTER_CURRENT);
	session_crypto_wipe(master, sizeof(master));
	session_master_mismatch();
}

/*
 * Derives the keys in a database without a witness, and writes that if it is
 * possible now.
 */
static void
begin_sealing(SessionKeysealer *sealer)
{
	uint8		master[SESSION_MASTER_BYTES];

	session_master_read_first(master);
	if (!XactReadOnly)
		session_master_warn_begun(master);
	session_keyseal_derive(sealer, master);
	if (!XactReadOnly && claim_witness())
		session_keyseal_insert_witness(sealer);
	else
		stale = true;			/* the next use tries again */
}

/*
 * The keys in use
 */

/* Marks the cached keys as stale when the table has changed. */
static void
invalidate_sealer(Oid relid)
{
	Oid			keys = session_keystore_table.relid;

	if (!OidIsValid(relid) || relid == keys || !OidIsValid(keys))
		stale = true;
}

static void
watch_master(void)
{
	static bool watching = false;

	if (!watching)
		session_table_watch(invalidate_sealer);
	watching = true;
}

static void
drop_sealer(void)
{
	session_crypto_wipe(&cached, sizeof(cached));
	is_cached = stale = false;
}

/* Returns the keys in use.  They are valid until the table changes. */
static const SessionKeysealer *
current_sealer(void)
{
	SessionKeysealer fresh;
	bytea	   *witness;

	watch_master();
	if (stale)
		drop_sealer();
	if (is_cached)
		return &cached;
	witness = session_keyseal_read_witness();
	if (witness == NULL)
		begin_sealing(&fresh);
	else if (find_sealer(&fresh, witness) > SESSION_MASTER_REPLACED)
		refuse_witness();
	session_master_mark();
	session_database_set_sealed(true);
	cached = fresh;
	is_cached = true;
	session_crypto_wipe(&fresh, sizeof(fresh));
	return &cached;
}

/* Returns whether the master key is the one that sealed what is stored. */
SessionMasterState
session_keyseal_master(void)
{
	bytea	   *witness = session_keyseal_read_witness();
	SessionKeysealer sealer;
	SessionMasterState state;

	if (witness == NULL)
		return SESSION_MASTER_UNUSED;
	state = find_sealer(&sealer, witness);
	session_crypto_wipe(&sealer, sizeof(sealer));
	return state;
}

/* Tells other databases whether this one has something sealed. */
void
session_keyseal_announce(void)
{
	session_database_set_sealed(session_keyseal_read_witness() != NULL);
	/* A command may be slow, and other databases would wait for it. */
	if (session_database_is_first_key_check() && !session_master_is_command())
		session_master_warn(session_keyseal_master());
}

/*
 * Secrets
 */

/*
 * Returns the context that a secret is bound to: kid, purpose and algorithm.
 * None of them can contain the line break between them.
 */
static char *
make_context(const SessionKeysealName *name)
{
	return psprintf("%s\n%s\n%s", name->kid, name->purpose, name->algorithm);
}

/* Seals a secret with keys of a master key. */
bytea *
session_keyseal_close_with(const SessionKeysealer *sealer,
						   const SessionKeysealName *name,
						   const uint8 *secret, size_t len)
{
	bytea	   *sealed = palloc0(VARHDRSZ + len + SESSION_ENVELOPE_BYTES);
	char	   *context = make_context(name);

	SET_VARSIZE(sealed, VARHDRSZ + len + SESSION_ENVELOPE_BYTES);
	session_envelope_seal((uint8 *) VARDATA(sealed), secret, len, context,
						  strlen(context), sealer->secret);
	return sealed;
}

/* Opens a secret with keys of a master key; NULL if it does not open. */
uint8 *
session_keyseal_open_with(const SessionKeysealer *sealer,
						  const SessionKeysealName *name,
						  const bytea *sealed, size_t *len)
{
	size_t		sealed_len = VARSIZE_ANY_EXHDR(sealed);
	char	   *context = make_context(name);
	uint8	   *secret;

	if (sealed_len < SESSION_ENVELOPE_BYTES)
		return NULL;
	secret = palloc0(sealed_len);
	if (!session_envelope_open(secret, VARDATA_ANY(sealed), sealed_len, context,
							   strlen(context), sealer->secret))
		return NULL;
	*len = sealed_len - SESSION_ENVELOPE_BYTES;
	return secret;
}

/* Seals a secret. */
bytea *
session_keyseal_close(const SessionKeysealName *name, const uint8 *secret,
					  size_t len)
{
	return session_keyseal_close_with(current_sealer(), name, secret, len);
}

/*
 * Opens a secret with whichever master key is there.  The row may have been
 * read before the master key was replaced, and the witness after it, or the
 * other way round.
 */
static uint8 *
open_with_either(const SessionKeysealName *name, const bytea *sealed,
				 size_t *len)
{
	uint8	   *secret = NULL;

	for (int place = SESSION_MASTER_CURRENT;
		 secret == NULL && place <= SESSION_MASTER_NEW; place++)
	{
		uint8		master[SESSION_MASTER_BYTES];
		SessionKeysealer sealer;

		if (session_master_try(master, place) != SESSION_MASTER_OK)
			continue;
		session_keyseal_derive(&sealer, master);
		secret = session_keyseal_open_with(&sealer, name, sealed, len);
		session_crypto_wipe(&sealer, sizeof(sealer));
	}
	stale = true;
	return secret;
}

/* Opens a secret; errors if it does not open. */
uint8 *
session_keyseal_open(const SessionKeysealName *name, const bytea *sealed,
					 size_t *len)
{
	uint8	   *secret = session_keyseal_open_with(current_sealer(), name,
												   sealed, len);

	if (secret == NULL)
		secret = open_with_either(name, sealed, len);
	if (secret == NULL)
		session_master_mismatch();
	return secret;
}
