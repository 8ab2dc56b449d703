/*
 * keystore.c
 *	  The rows of session.keys, with their secrets as they are stored: sealed.
 *
 * Rules:
 * - When a change of the table commits, its trigger makes every backend drop
 *	 the keys that it has opened, through the relcache, so the next call sees a
 *	 rotation.  The trigger also has that commit flushed: a crash neither
 *	 brings back a retired key nor loses a key that was used.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_am.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "model/json.h"
#include "shared/database.h"
#include "table/keystore.h"

static const SessionColumn columns[SESSION_KEYSTORE_COLUMNS] = {
	[SESSION_KEYSTORE_KID] = {"kid", TEXTOID, true},
	[SESSION_KEYSTORE_PURPOSE] = {"purpose", TEXTOID, true},
	[SESSION_KEYSTORE_ALGORITHM] = {"algorithm", TEXTOID, true},
	[SESSION_KEYSTORE_SECRET] = {"secret", BYTEAOID, false},
	[SESSION_KEYSTORE_PUBLIC_JWK] = {"public_jwk", JSONBOID, false},
	[SESSION_KEYSTORE_TOKEN_KID] = {"token_kid", TEXTOID, false},
	[SESSION_KEYSTORE_ISSUER] = {"issuer", TEXTOID, false},
	[SESSION_KEYSTORE_AUDIENCE] = {"audience", TEXTOID, false},
	[SESSION_KEYSTORE_IMPORTED] = {"imported", BOOLOID, true},
	[SESSION_KEYSTORE_CREATED_AT] = {"created_at", TIMESTAMPTZOID, true},
	[SESSION_KEYSTORE_ACTIVATED_AT] = {"activated_at", TIMESTAMPTZOID, true},
	[SESSION_KEYSTORE_RETIRED_AT] = {"retired_at", TIMESTAMPTZOID, false},
};

static const SessionIndex indexes[SESSION_KEYSTORE_INDEXES] = {
	[SESSION_KEYSTORE_BY_KID] = {BTREE_AM_OID, 1, {SESSION_KEYSTORE_KID},.unique = true},
	[SESSION_KEYSTORE_BY_ACTIVATION] = {BTREE_AM_OID, 1, {SESSION_KEYSTORE_ACTIVATED_AT},.unique = false},
};

static const char *const triggers[] = {"keys_changed", "keys_emptied", NULL};

SessionTable session_keystore_table = {
	.name = "keys",
	.triggers = triggers,
	.ncolumns = lengthof(columns),
	.columns = columns,
	.nindexes = lengthof(indexes),
	.needed = indexes,
	.durable = true
};

/* $11 is the time of activation of a key that must be published before. */
static SessionStatement insert_statement = {
	.table = &session_keystore_table,
	.sql = "INSERT INTO session.keys (kid, purpose, algorithm, secret,"
	" public_jwk, token_kid, issuer, audience, imported, created_at,"
	" activated_at)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, GREATEST("
	" CASE WHEN $4 IS NOT NULL AND $5 IS NOT NULL AND EXISTS ("
	" SELECT FROM ONLY session.keys k"
	" WHERE k.purpose OPERATOR(pg_catalog.=) $2 AND k.retired_at IS NULL"
	" AND k.secret IS NOT NULL AND k.public_jwk IS NOT NULL"
	" AND k.activated_at OPERATOR(pg_catalog.<=) $10)"
	" THEN $11 ELSE $10 END,"
	" (SELECT k.activated_at OPERATOR(pg_catalog.+) INTERVAL '1 microsecond'"
	" FROM ONLY session.keys k"
	" WHERE k.purpose OPERATOR(pg_catalog.=) $2 AND k.retired_at IS NULL"
	" AND k.secret IS NOT NULL AND $4 IS NOT NULL"
	" ORDER BY k.activated_at DESC LIMIT 1)))"
	" ON CONFLICT (kid) DO NOTHING",
	.types = {TEXTOID, TEXTOID, TEXTOID, BYTEAOID, JSONBOID, TEXTOID, TEXTOID,
	TEXTOID, BOOLOID, TIMESTAMPTZOID, TIMESTAMPTZOID}
};

static SessionStatement retire_statement = {
	.table = &session_keystore_table,
	.sql = "UPDATE ONLY session.keys SET retired_at = $2"
	" WHERE kid OPERATOR(pg_catalog.=) $1 AND retired_at IS NULL",
	.types = {TEXTOID, TIMESTAMPTZOID}
};

/* Returns the value of a required column; errors if it is NULL. */
Datum
session_keystore_value(TupleTableSlot *slot, int column)
{
	return session_table_required_value(&session_keystore_table, slot, column);
}

/* Returns the value of a text, NULL if it is NULL. */
char *
session_keystore_text(TupleTableSlot *slot, int column)
{
	bool		null;
	Datum		value = session_table_value(&session_keystore_table, slot,
											column, &null);

	return null ? NULL : TextDatumGetCString(value);
}

/* Returns whether a value is NULL. */
bool
session_keystore_is_null(TupleTableSlot *slot, int column)
{
	return slot_attisnull(slot, session_keystore_table.numbers[column]);
}

/* Returns whether the row in a slot is a key of a purpose in use. */
bool
session_keystore_is_of(TupleTableSlot *slot, const char *purpose)
{
	return session_keystore_is_null(slot, SESSION_KEYSTORE_RETIRED_AT) &&
		strcmp(session_keystore_text(slot, SESSION_KEYSTORE_PURPOSE),
			   purpose) == 0;
}

/* Begins a scan for the row of a kid.  Returns false if there is none. */
bool
session_keystore_begin(SessionTableScan *scan, Relation rel, const char *kid)
{
	ScanKeyData key;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_TEXTEQ,
				CStringGetTextDatum(kid));
	session_table_begin(scan, rel, session_keystore_table.indexes[SESSION_KEYSTORE_BY_KID], &key);
	return session_table_next(scan);
}

/* Returns whether a key exists; a retired one counts only if asked for. */
bool
session_keystore_has(const char *kid, bool retired_too)
{
	Relation	rel = session_table_open(&session_keystore_table, AccessShareLock);
	SessionTableScan scan;
	bool		found;

	found = session_keystore_begin(&scan, rel, kid) &&
		(retired_too ||
		 session_keystore_is_null(scan.slot, SESSION_KEYSTORE_RETIRED_AT));
	session_table_end(&scan);
	table_close(rel, AccessShareLock);
	return found;
}

/* Returns the purpose of a key, retired or not; NULL if there is none. */
char *
session_keystore_purpose(const char *kid)
{
	Relation	rel = session_table_open(&session_keystore_table, AccessShareLock);
	char	   *purpose = NULL;
	SessionTableScan scan;

	if (session_keystore_begin(&scan, rel, kid))
		purpose = TextDatumGetCString(session_keystore_value(scan.slot, SESSION_KEYSTORE_PURPOSE));
	session_table_end(&scan);
	table_close(rel, AccessShareLock);
	return purpose;
}

/*
 * Changing
 */

/* Sets a parameter of a statement, NULL for a NULL pointer. */
static void
put_text(Datum *values, char *nulls, int n, const char *text)
{
	nulls[n] = text == NULL ? 'n' : ' ';
	values[n] = text == NULL ? (Datum) 0 : CStringGetTextDatum(text);
}

/* Writes a new key.  Errors with 23505 if the kid is taken. */
void
session_keystore_insert(const SessionKeystoreRow *row, int lead)
{
	TimestampTz now = GetCurrentTimestamp();
	Datum		values[11];
	char		nulls[] = "           ";
	uint64		noted = session_keystore_table.changes_noted;
	uint64		written;

	put_text(values, nulls, 0, row->kid);
	put_text(values, nulls, 1, row->purpose);
	put_text(values, nulls, 2, row->algorithm);
	nulls[3] = row->sealed == NULL ? 'n' : ' ';
	values[3] = PointerGetDatum(row->sealed);
	nulls[4] = row->public_jwk == NULL ? 'n' : ' ';
	values[4] = JsonbPGetDatum(row->public_jwk);
	put_text(values, nulls, 5, row->token_kid);
	put_text(values, nulls, 6, row->issuer);
	put_text(values, nulls, 7, row->audience);
	values[8] = BoolGetDatum(row->imported);
	values[9] = TimestampTzGetDatum(now);
	values[10] = TimestampTzGetDatum(now + lead * USECS_PER_SEC);
	written = session_table_execute(&insert_statement, values, nulls);
	if (written == 0 && session_keystore_has(row->kid, true))
		ereport(ERROR,
				(errcode(ERRCODE_UNIQUE_VIOLATION),
				 errmsg("key \"%s\" already exists", row->kid)));
	session_table_expect(&session_keystore_table, written, 1);
	session_table_expect_noted(&session_keystore_table, noted, 1);
}

/* Retires a key.  Returns false if there is none or it is retired. */
bool
session_keystore_retire(const char *kid)
{
	Datum		values[] = {
		CStringGetTextDatum(kid),
		TimestampTzGetDatum(GetCurrentTimestamp())
	};
	uint64		noted = session_keystore_table.changes_noted;
	uint64		retired;

	retired = session_table_execute(&retire_statement, values, NULL);
	if (retired == 0 && !session_keystore_has(kid, false))
		return false;
	session_table_expect(&session_keystore_table, retired, 1);
	session_table_expect_noted(&session_keystore_table, noted, 1);
	return true;
}

/*
 * Publishing
 */

/* Returns the public half of the key in a slot, as others need it. */
static Jsonb *
published_key(TupleTableSlot *slot)
{
	Jsonb	   *jwk = DatumGetJsonbP(session_keystore_value(slot, SESSION_KEYSTORE_PUBLIC_JWK));

	jwk = session_json_with_text(jwk, "kid", DatumGetTextPP(session_keystore_value(slot, SESSION_KEYSTORE_KID)));
	jwk = session_json_with_text(jwk, "alg", DatumGetTextPP(session_keystore_value(slot, SESSION_KEYSTORE_ALGORITHM)));
	return session_json_with_text(jwk, "use", cstring_to_text("sig"));
}

/* Returns the JWK Set of a purpose. */
Jsonb *
session_keystore_jwks(const char *purpose)
{
	Relation	rel = session_table_open(&session_keystore_table,
										 AccessShareLock);
	Jsonb	   *set = session_json_empty_array();
	SessionTableScan scan;

	session_table_begin_stable(&scan, rel,
							   session_keystore_table.indexes[SESSION_KEYSTORE_BY_ACTIVATION]);
	while (session_table_next(&scan))
		if (session_keystore_is_of(scan.slot, purpose) &&
			!session_keystore_is_null(scan.slot, SESSION_KEYSTORE_SECRET) &&
			!session_keystore_is_null(scan.slot, SESSION_KEYSTORE_PUBLIC_JWK))
			set = session_json_with_element(set, published_key(scan.slot));
	session_table_end(&scan);
	table_close(rel, AccessShareLock);
	return session_json_with_value(session_json_empty(), "keys", set);
}

/*
 * Changes of the table by any statement
 */

/* Returns whether a row of the table has something sealed. */
bool
session_keystore_is_sealed(HeapTuple row, TupleDesc desc)
{
	table_close(session_table_open(&session_keystore_table, AccessShareLock),
				AccessShareLock);
	return !heap_attisnull(row, session_keystore_table.numbers[SESSION_KEYSTORE_SECRET],
						   desc);
}

/* Warns if one of the table's triggers does not fire for every change. */
void
session_keystore_check_triggers(void)
{
	session_table_check_triggers(&session_keystore_table);
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
keystore_at_transaction_end(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT && (added || removed))
		session_database_set_sealed(added);
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT ||
		event == XACT_EVENT_PREPARE)
		added = removed = false;
}

/* Notes a change of the table of keys. */
void
session_keystore_changed(SessionKeystoreChange change)
{
	static bool watching = false;
	Relation	rel = session_table_open(&session_keystore_table, AccessShareLock);

	CacheInvalidateRelcache(rel);
	table_close(rel, AccessShareLock);
	session_table_flush_commit(&session_keystore_table);
	session_keystore_table.changes_noted++;
	if (!watching)
		RegisterXactCallback(keystore_at_transaction_end, NULL);
	watching = true;
	added = added || change == SESSION_KEYSTORE_ADDED;
	removed = removed || change == SESSION_KEYSTORE_REMOVED;
}
