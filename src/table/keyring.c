/*
 * keyring.c
 *	  The key ring: keys are generated or imported, stored sealed, and opened
 *	  when they are needed.
 *
 * Rules:
 * - A backend opens the keys of a purpose once and caches them in a memory
 *	 context of their own, with the keys that codecs derive from them.  The
 *	 context is wiped before it is freed.
 * - A backend drops this cache when a change of session.keys commits, see
 *	 keystore.c.
 * - Pairs of keys for signatures are not in memory of PostgreSQL.  They are
 *	 freed when the context is.
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
#include "utils/timestamp.h"

#include "compat.h"
#include "crypto/crypto.h"
#include "model/json.h"
#include "model/random.h"
#include "settings.h"
#include "shared/database.h"
#include "table/keyring.h"
#include "table/keyseal.h"
#include "table/keystore.h"
#include "table/table.h"
#include "wire/base64url.h"
#include "wire/jwk.h"

#define KID_RANDOM_BYTES 12

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

/* Marks the cached keys as stale when the table has changed. */
static void
invalidate_keys(Oid relid)
{
	Oid			keys = session_keystore_table.relid;

	if (!OidIsValid(relid) || relid == keys || !OidIsValid(keys))
		rings_stale = true;
}

static void
watch_changes(void)
{
	static bool watching = false;

	if (!watching)
		session_table_watch(invalidate_keys);
	watching = true;
}

/*
 * Loading
 */

/* Wipes and frees what a ring holds, before its memory is freed. */
static void
wipe_ring(void *arg)
{
	Ring	   *ring = arg;
	ListCell   *cell;

	foreach(cell, ring->list)
	{
		SessionKey *key = lfirst(cell);

		session_signature_free(key->signature);
		if (key->secret != NULL)
			session_crypto_wipe(unconstify(uint8 *, key->secret),
								key->secret_len);
		if (key->derived != NULL)
			session_codec_forget(key->derived);
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

/* Opens the secret of the key in the slot.  The caller wipes it. */
static uint8 *
open_secret(TupleTableSlot *slot, const SessionKey *key,
			const char *algorithm, size_t *len)
{
	SessionKeysealName name = {key->kid, key->purpose, algorithm};
	Datum		sealed = session_keystore_value(slot, SESSION_KEYSTORE_SECRET);

	return session_keyseal_open(&name, DatumGetByteaPP(sealed), len);
}

/* Makes the key in the slot from its sealed private half. */
static SessionSignatureKey *
private_key(TupleTableSlot *slot, const SessionKey *key,
			const SessionAlgorithm *algorithm)
{
	size_t		len;
	uint8	   *private = open_secret(slot, key, algorithm->name, &len);
	SessionSignatureKey *signature;

	signature = session_signature_private(algorithm, private, len);
	session_crypto_wipe(private, len);
	return signature;
}

/* Makes the key in the slot from its public half. */
static SessionSignatureKey *
public_key(TupleTableSlot *slot)
{
	Jsonb	   *value = DatumGetJsonbP(session_keystore_value(slot, SESSION_KEYSTORE_PUBLIC_JWK));
	SessionJwk	jwk;
	size_t		len;
	char	   *json = session_json_text(value, &len);

	if (session_jwk_read(&jwk, json, len) != SESSION_JWK_OK)
		return NULL;
	return session_signature_public(&jwk.parts);
}

/* Returns the algorithm of the key in the slot. */
static const SessionAlgorithm *
key_algorithm(TupleTableSlot *slot)
{
	char	   *name = session_keystore_text(slot, SESSION_KEYSTORE_ALGORITHM);
	const SessionAlgorithm *algorithm = NULL;

	if (name != NULL)
		algorithm = session_algorithm_find(name, strlen(name));
	if (algorithm == NULL)
		elog(ERROR, "algorithm of key \"%s\" is not known",
			 session_keystore_text(slot, SESSION_KEYSTORE_KID));
	return algorithm;
}

/*
 * Opens the key in the slot, which is in the list of its ring, so that an
 * error frees what was opened.
 */
static void
fill_key(SessionKey *key, TupleTableSlot *slot)
{
	const SessionAlgorithm *algorithm = key_algorithm(slot);

	key->kid = session_keystore_text(slot, SESSION_KEYSTORE_KID);
	key->purpose = session_keystore_text(slot, SESSION_KEYSTORE_PURPOSE);
	key->imported = DatumGetBool(session_keystore_value(slot, SESSION_KEYSTORE_IMPORTED));
	key->activated_at = DatumGetTimestampTz(session_keystore_value(slot, SESSION_KEYSTORE_ACTIVATED_AT));
	key->pending = true;
	key->signs = !session_keystore_is_null(slot, SESSION_KEYSTORE_SECRET);
	key->issuer = session_keystore_text(slot, SESSION_KEYSTORE_ISSUER);
	key->audience = session_keystore_text(slot, SESSION_KEYSTORE_AUDIENCE);
	key->token_kid = key->signs ? key->kid :
		session_keystore_text(slot, SESSION_KEYSTORE_TOKEN_KID);
	if (key->token_kid == NULL)
		key->token_kid = "";
	if (algorithm->symmetric)
	{
		key->secret = open_secret(slot, key, algorithm->name, &key->secret_len);
		key->derived = palloc0_object(SessionDerivedKeys);
		return;
	}
	key->signature = key->signs ? private_key(slot, key, algorithm) :
		public_key(slot);
	if (key->signature == NULL ||
		session_signature_algorithm(key->signature) != algorithm)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("key \"%s\" is damaged", key->kid)));
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
		if (session_keystore_is_of(scan.slot, ring->purpose))
		{
			SessionKey *key;

			MemoryContextSwitchTo(ring->memory);
			key = palloc0_object(SessionKey);
			ring->list = lcons(key, ring->list);
			fill_key(key, scan.slot);
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

/* Returns whether the time of activation of a key has not come. */
static bool
is_pending(SessionKey *key)
{
	/* The clock is not read again once it has. */
	if (key->pending)
		key->pending = key->activated_at > GetCurrentTimestamp();
	return key->pending;
}

/* Returns the key of a purpose that signs, NULL if there is none. */
const SessionKey *
session_keyring_find_signer(const char *purpose, bool secret)
{
	const SessionKey *earliest = NULL;
	ListCell   *cell;

	foreach(cell, session_keyring_of(purpose))
	{
		SessionKey *key = lfirst(cell);

		if (!key->signs || (secret && key->secret == NULL))
			continue;
		if (!is_pending(key))
			return key;
		earliest = key;
	}
	return earliest;
}

/* Returns the key of a purpose that signs; errors if there is none. */
const SessionKey *
session_keyring_signer(const char *purpose, bool secret)
{
	const SessionKey *key = session_keyring_find_signer(purpose, secret);

	if (key == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 secret && session_keyring_find_signer(purpose, false) != NULL ?
				 errmsg("there is no active key of algorithm HS256 for purpose \"%s\"",
						purpose) :
				 errmsg("there is no active key for purpose \"%s\"", purpose),
				 errhint("Create one with session_key_rotate('%s').",
						 purpose)));
	return key;
}

/* Returns the key of one of our purposes that signs, generating the first. */
const SessionKey *
session_keyring_reserved_signer(const char *purpose)
{
	const SessionKey *key = session_keyring_find_signer(purpose, true);

	if (key != NULL)
		return key;
	if (XactReadOnly)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("there is no active key for purpose \"%s\", and a "
						"read-only transaction cannot generate one", purpose),
				 errhint("Create one with session_key_rotate('%s').",
						 purpose)));
	pfree(session_keyring_rotate(purpose, &session_algorithm_hs256));
	return session_keyring_signer(purpose, true);
}

/* Returns a key in the form that the encodings take. */
SessionCodecKey
session_keyring_codec_key(const SessionKey *key)
{
	SessionCodecKey result = {
		.kid = key->token_kid,
		.secret = key->secret,
		.secret_len = key->secret_len,
		.derived = key->derived,
		.signature = key->signature,
		.imported = key->imported
	};

	return result;
}

/*
 * Opens one key of a purpose that is a secret, retired or not, without caching
 * it.
 */
SessionKey *
session_keyring_open_one(const char *kid, const char *purpose)
{
	Relation	rel = session_table_open(&session_keystore_table,
										 AccessShareLock);
	SessionKey *key = NULL;
	SessionTableScan scan;

	if (session_keystore_begin(&scan, rel, kid) &&
		strcmp(session_keystore_text(scan.slot, SESSION_KEYSTORE_PURPOSE),
			   purpose) == 0 &&
		key_algorithm(scan.slot)->symmetric)
	{
		key = palloc0_object(SessionKey);
		fill_key(key, scan.slot);
	}
	session_table_end(&scan);
	table_close(rel, AccessShareLock);
	return key;
}

/* Wipes a key that session_keyring_open_one has returned. */
void
session_keyring_close_one(SessionKey *key)
{
	session_crypto_wipe(unconstify(uint8 *, key->secret), key->secret_len);
	session_codec_forget(key->derived);
}

/* Returns whether a purpose is one of ours, whose keys are secrets. */
bool
session_keyring_is_reserved(const char *purpose)
{
	return strcmp(purpose, SESSION_KEYRING_SEAL) == 0 ||
		strcmp(purpose, SESSION_KEYRING_BOUND) == 0;
}

/*
 * Changing
 */

/*
 * Seals a secret and writes it as a new key; see session_keystore_insert.  The
 * table is locked first, see session_keyseal_close.
 */
static void
insert_key(SessionKeystoreRow *row, const uint8 *secret, size_t len, int lead)
{
	SessionKeysealName name = {row->kid, row->purpose, row->algorithm};

	table_close(session_table_open(&session_keystore_table, RowExclusiveLock),
				NoLock);
	row->sealed = session_keyseal_close(&name, secret, len);
	session_keystore_insert(row, lead);
}

/* Generates the name of a key. */
char *
session_keyring_new_kid(void)
{
	uint8		random[KID_RANDOM_BYTES];
	char	   *kid = palloc0(SESSION_BASE64URL_CHARS(KID_RANDOM_BYTES) + 1);

	session_random_bytes(random, sizeof(random));
	session_base64url_encode(kid, random, sizeof(random));
	return kid;
}

/* Returns the public half of a pair, as the table has it. */
static Jsonb *
public_jwk(const SessionPublicParts *parts)
{
	char		json[SESSION_JWK_WRITTEN_BYTES];

	return session_json_parse(json, session_jwk_write(json, parts, NULL));
}

/*
 * Writes a new key, which is a pair if it has public parts, and wipes its
 * secret, also after an error.
 */
static void
insert_generated(SessionKeystoreRow *row, uint8 *secret, size_t len,
				 const SessionPublicParts *parts)
{
	PG_TRY();
	{
		if (parts != NULL)
			row->public_jwk = public_jwk(parts);
		insert_key(row, secret, len,
				   parts == NULL ? 0 : session_settings.key_lead);
	}
	PG_CATCH();
	{
		session_crypto_wipe(secret, len);
		PG_RE_THROW();
	}
	PG_END_TRY();
	session_crypto_wipe(secret, len);
}

/* Generates a key that is a secret. */
static void
generate_secret(SessionKeystoreRow *row)
{
	uint8		secret[SESSION_SECRET_KEY_BYTES];

	session_random_bytes(secret, sizeof(secret));
	insert_generated(row, secret, sizeof(secret), NULL);
}

/* Generates a pair of keys.  Returns false when OpenSSL refuses. */
static bool
make_pair(uint8 private[SESSION_PRIVATE_KEY_BYTES], size_t *len,
		  SessionPublicParts *parts, const SessionAlgorithm *algorithm)
{
	SessionSignatureKey *key;
	bool		ok;

	if (!session_signature_generate(algorithm, private, len))
		return false;
	key = session_signature_private(algorithm, private, *len);
	ok = key != NULL && session_signature_parts(parts, key);
	session_signature_free(key);
	if (!ok)
		session_crypto_wipe(private, *len);
	return ok;
}

/* Generates a key that is a pair. */
static void
generate_pair(SessionKeystoreRow *row, const SessionAlgorithm *algorithm)
{
	uint8		private[SESSION_PRIVATE_KEY_BYTES];
	SessionPublicParts parts;
	size_t		len;

	if (!make_pair(private, &len, &parts, algorithm))
		ereport(ERROR,
				(errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
				 errmsg("could not generate a key")));
	insert_generated(row, private, len, &parts);
}

/* Generates a key and returns its kid. */
char *
session_keyring_rotate(const char *purpose, const SessionAlgorithm *algorithm)
{
	SessionKeystoreRow row = {
		.kid = session_keyring_new_kid(),
		.purpose = purpose,
		.algorithm = algorithm->name
	};

	if (algorithm->symmetric)
		generate_secret(&row);
	else
		generate_pair(&row, algorithm);
	return pstrdup(row.kid);
}

/* Stores a foreign secret as a key and returns its kid. */
char *
session_keyring_import(const uint8 *secret, size_t len, const char *kid,
					   const char *purpose)
{
	SessionKeystoreRow row = {
		.kid = kid == NULL ? session_keyring_new_kid() : kid,
		.purpose = purpose,
		.algorithm = session_algorithm_hs256.name,
		.imported = true
	};

	insert_key(&row, secret, len, 0);
	return pstrdup(row.kid);
}
