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

#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_am.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "shared/database.h"
#include "table/keystore.h"

static const SessionColumn columns[SESSION_KEYSTORE_COLUMNS] = {
	[SESSION_KEYSTORE_KID] = {"kid", TEXTOID, true},
	[SESSION_KEYSTORE_PURPOSE] = {"purpose", TEXTOID, true},
	[SESSION_KEYSTORE_SECRET] = {"secret", BYTEAOID, true},
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

/* A new key is activated after all others, even if the clock was set back. */
static SessionStatement insert_statement = {
	.table = &session_keystore_table,
	.sql = "INSERT INTO session.keys (kid, purpose, secret, imported,"
	" created_at, activated_at)"
	" VALUES ($1, $2, $3, $4, $5, GREATEST($5,"
	" (SELECT k.activated_at OPERATOR(pg_catalog.+) INTERVAL '1 microsecond'"
	" FROM ONLY session.keys k ORDER BY k.activated_at DESC LIMIT 1)))"
	" ON CONFLICT (kid) DO NOTHING",
	.types = {TEXTOID, TEXTOID, BYTEAOID, BOOLOID, TIMESTAMPTZOID}
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
		 slot_attisnull(scan.slot, session_keystore_table.numbers[SESSION_KEYSTORE_RETIRED_AT]));
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

/* Writes a new key.  Errors with 23505 if the kid is taken. */
void
session_keystore_insert(const char *kid, const char *purpose, bytea *sealed,
						bool imported)
{
	Datum		values[] = {
		CStringGetTextDatum(kid),
		CStringGetTextDatum(purpose),
		PointerGetDatum(sealed),
		BoolGetDatum(imported),
		TimestampTzGetDatum(GetCurrentTimestamp())
	};
	uint64		noted = session_keystore_table.changes_noted;
	uint64		written;

	written = session_table_execute(&insert_statement, values, NULL);
	if (written == 0 && session_keystore_has(kid, true))
		ereport(ERROR,
				(errcode(ERRCODE_UNIQUE_VIOLATION),
				 errmsg("key \"%s\" already exists", kid)));
	session_table_expect(&session_keystore_table, written, 1);
	session_table_expect_noted(&session_keystore_table, noted);
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
	session_table_expect_noted(&session_keystore_table, noted);
	return true;
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
