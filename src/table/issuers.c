/*
 * issuers.c
 *	  The public keys of issuers: other systems, such as identity providers,
 *	  whose tokens are accepted here.
 *
 * Rules:
 * - A key is the same as another one of its purpose and issuer if it has the
 *	 same numbers, which RFC 7638 makes its thumbprint of, and the same kid in
 *	 tokens.
 * - A key has a generated name, because issuers choose their kids: two of them
 *	 may have the same.
 * - Imports for the same purpose and issuer wait for one another, so that two
 *	 of them do not add the same key.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "model/json.h"
#include "table/issuers.h"
#include "table/keyring.h"
#include "table/keystore.h"
#include "wire/jwk.h"

/* A key of the argument, or one that is in use. */
typedef struct IssuerKey
{
	const char *kid;			/* NULL = it has no row */
	const char *algorithm;
	Jsonb	   *jwk;			/* the members that RFC 7638 requires */
	const char *token_kid;		/* NULL = none */
	const char *audience;		/* of a key in use */
	bool		wanted;			/* of a key in use: the argument has it */
} IssuerKey;

static SessionStatement audience_statement = {
	.table = &session_keystore_table,
	.sql = "UPDATE ONLY session.keys SET audience = $2"
	" WHERE kid OPERATOR(pg_catalog.=) $1",
	.types = {TEXTOID, TEXTOID}
};

/*
 * Reading the argument
 */

/* Errors because of a JWK that cannot be imported, without showing it. */
static void
refuse_jwk(SessionJwkFault fault)
{
	switch (fault)
	{
		case SESSION_JWK_PRIVATE:
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("jwk must not have a private key or a shared secret"),
					 errhint("Import the public key only.  For shared secrets "
							 "there is session_key_import.")));
			break;
		case SESSION_JWK_UNSUPPORTED:
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("jwk must be of the algorithm ES256, EdDSA (Ed25519) or "
							"RS256")));
			break;
		case SESSION_JWK_NOT_SIGNING:
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("jwk must be for verifying signatures")));
			break;
		case SESSION_JWK_WEAK:
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("jwk must have %d to %d bits", SESSION_RSA_BITS,
							SESSION_RSA_MOST_BITS)));
			break;
		default:
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("jwk must be a public key as a JWK, or a JWK Set")));
	}
}

/* Reads a JWK; on success also checks that its numbers are a key. */
static SessionJwkFault
read_jwk(SessionJwk *jwk, Jsonb *value)
{
	size_t		len;
	char	   *json = session_json_text(value, &len);
	SessionJwkFault fault = session_jwk_read(jwk, json, len);
	SessionSignatureKey *key;

	if (fault != SESSION_JWK_OK)
		return fault;
	key = session_signature_public(&jwk->parts);
	if (key == NULL)
		return SESSION_JWK_INVALID;
	session_signature_free(key);
	return SESSION_JWK_OK;
}

/* Returns whether two texts are equal, or both NULL. */
static bool
equal_texts(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* Returns the same key in a list, NULL if it has none. */
static IssuerKey *
find_key(List *keys, const IssuerKey *key)
{
	ListCell   *cell;

	foreach(cell, keys)
	{
		IssuerKey  *other = lfirst(cell);

		if (equal_texts(other->token_kid, key->token_kid) &&
			session_json_equal(other->jwk, key->jwk))
			return other;
	}
	return NULL;
}

/* Adds a key that was read to a list, unless the list has it. */
static List *
add_key(List *keys, const SessionJwk *jwk)
{
	char		json[SESSION_JWK_WRITTEN_BYTES];
	size_t		len = session_jwk_write(json, &jwk->parts, NULL);
	IssuerKey  *key = palloc0_object(IssuerKey);

	key->algorithm = jwk->parts.algorithm->name;
	key->jwk = session_json_parse(json, len);
	key->token_kid = jwk->kid[0] == '\0' ? NULL : pstrdup(jwk->kid);
	return find_key(keys, key) == NULL ? lappend(keys, key) : keys;
}

/*
 * Reads a JWK Set.  Keys that cannot be used are left out, as RFC 7517 section
 * 5 says, except secrets.
 */
static List *
read_set(JsonbContainer *set)
{
	JsonbIterator *iterator = JsonbIteratorInit(set);
	JsonbIteratorToken token;
	JsonbValue	item;
	List	   *keys = NIL;

	while ((token = JsonbIteratorNext(&iterator, &item, true)) != WJB_DONE)
	{
		SessionJwk	jwk;
		SessionJwkFault fault;

		if (token != WJB_ELEM)
			continue;
		fault = read_jwk(&jwk, JsonbValueToJsonb(&item));
		if (fault == SESSION_JWK_PRIVATE)
			refuse_jwk(fault);
		if (fault == SESSION_JWK_OK)
			keys = add_key(keys, &jwk);
	}
	if (keys == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("jwk must have a key for verifying signatures"),
				 errdetail("The set has %d keys, none of which is for signatures "
						   "with ES256, EdDSA (Ed25519) or RS256.",
						   JsonContainerSize(set))));
	return keys;
}

/* Reads the argument; *is_set says whether it is a set. */
static List *
read_keys(Jsonb *argument, bool *is_set)
{
	JsonbValue	scratch;
	JsonbValue *keys = NULL;
	SessionJwk	jwk;
	SessionJwkFault fault;

	if (JB_ROOT_IS_OBJECT(argument))
		keys = session_json_find(argument, "keys", &scratch);
	*is_set = keys != NULL;
	if (*is_set && keys->type == jbvBinary &&
		JsonContainerIsArray(keys->val.binary.data))
	{
		if (JsonContainerSize(keys->val.binary.data) > SESSION_ISSUER_KEYS)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("jwk must have at most %d keys",
							SESSION_ISSUER_KEYS)));
		return read_set(keys->val.binary.data);
	}
	fault = *is_set || !JB_ROOT_IS_OBJECT(argument) ? SESSION_JWK_INVALID :
		read_jwk(&jwk, argument);
	if (fault != SESSION_JWK_OK)
		refuse_jwk(fault);
	return add_key(NIL, &jwk);
}

/*
 * Changing the table
 */

/* Returns the key in a slot if it is one in use of an issuer, else NULL. */
static IssuerKey *
key_in_use(TupleTableSlot *slot, const SessionIssuer *issuer)
{
	IssuerKey  *key;

	if (!session_keystore_is_null(slot, SESSION_KEYSTORE_SECRET) ||
		!session_keystore_is_of(slot, issuer->purpose) ||
		!equal_texts(session_keystore_text(slot, SESSION_KEYSTORE_ISSUER),
					 issuer->issuer))
		return NULL;
	key = palloc0_object(IssuerKey);
	key->kid = session_keystore_text(slot, SESSION_KEYSTORE_KID);
	key->token_kid = session_keystore_text(slot, SESSION_KEYSTORE_TOKEN_KID);
	key->audience = session_keystore_text(slot, SESSION_KEYSTORE_AUDIENCE);
	key->jwk = DatumGetJsonbPCopy(session_keystore_value(slot,
														 SESSION_KEYSTORE_PUBLIC_JWK));
	return key;
}

/* The class of an advisory lock, which no SQL function can lock. */
#define ISSUER_LOCK_CLASS 8

/*
 * Lets no other import for a purpose and an issuer begin until the end of the
 * transaction.
 */
static void
lock_issuer(const SessionIssuer *issuer)
{
	char	   *name = psprintf("%s\n%s", issuer->purpose,
								issuer->issuer == NULL ? "" : issuer->issuer);
	uint32		hash = hash_bytes((const unsigned char *) name,
								  (int) strlen(name));
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, session_keystore_table.relid, hash,
						 ISSUER_LOCK_CLASS);
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
}

/* Locks an issuer, and returns its keys that are in use. */
static List *
lock_keys(const SessionIssuer *issuer)
{
	Relation	rel = session_table_open(&session_keystore_table,
										 AccessShareLock);
	SessionTableScan scan;
	List	   *keys = NIL;

	lock_issuer(issuer);
	session_table_begin(&scan, rel,
						session_keystore_table.indexes[SESSION_KEYSTORE_BY_ACTIVATION],
						NULL);
	while (session_table_next(&scan))
	{
		IssuerKey  *key = key_in_use(scan.slot, issuer);

		if (key != NULL)
			keys = lappend(keys, key);
	}
	session_table_end(&scan);
	table_close(rel, AccessShareLock);
	return keys;
}

/* Writes a new key of an issuer.  Returns its kid. */
static char *
insert_public(const IssuerKey *key, const SessionIssuer *issuer)
{
	SessionKeystoreRow row = {
		.kid = session_keyring_new_kid(),
		.purpose = issuer->purpose,
		.algorithm = key->algorithm,
		.public_jwk = key->jwk,
		.token_kid = key->token_kid,
		.issuer = issuer->issuer,
		.audience = issuer->audience,
		.imported = true
	};

	session_keystore_insert(&row, 0);
	return pstrdup(row.kid);
}

/* Changes the audience of a key in use. */
static void
change_audience(const IssuerKey *key, const char *audience)
{
	Datum		values[] = {CStringGetTextDatum(key->kid), (Datum) 0};
	uint64		noted = session_keystore_table.changes_noted;
	uint64		changed;

	if (audience != NULL)
		values[1] = CStringGetTextDatum(audience);
	changed = session_table_execute(&audience_statement, values,
									audience == NULL ? " n" : NULL);
	session_table_expect(&session_keystore_table, changed, 1);
	session_table_expect_noted(&session_keystore_table, noted, 1);
}

/* Makes a key of the argument one in use.  Returns its kid. */
static const char *
use_key(SessionIssuerImport *import, const IssuerKey *key, List *in_use,
		const SessionIssuer *issuer)
{
	IssuerKey  *same = find_key(in_use, key);
	char	   *kid;

	if (same == NULL)
	{
		kid = insert_public(key, issuer);
		import->added = lappend(import->added, kid);
		return kid;
	}
	same->wanted = true;
	if (!equal_texts(same->audience, issuer->audience))
		change_audience(same, issuer->audience);
	return same->kid;
}

/* Imports a JWK, or a JWK Set. */
void
session_issuers_import(SessionIssuerImport *import,
					   const SessionIssuer *issuer, Jsonb *jwk)
{
	bool		is_set;
	List	   *wanted = read_keys(jwk, &is_set);
	List	   *in_use = lock_keys(issuer);
	ListCell   *cell;

	memset(import, 0, sizeof(*import));
	foreach(cell, wanted)
		import->in_use = lappend(import->in_use,
								 unconstify(char *, use_key(import, lfirst(cell),
															in_use, issuer)));
	foreach(cell, in_use)
	{
		IssuerKey  *key = lfirst(cell);

		if (is_set && !key->wanted && session_keystore_retire(key->kid))
			import->retired = lappend(import->retired,
									  unconstify(char *, key->kid));
	}
}
