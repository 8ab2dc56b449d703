/*
 * denylist.c
 *	  The only door to session.denylist.
 *
 * Rules: a cookie is looked up by a direct index scan of the rows that are
 * committed now.  An entry is kept until the cookie that it denies expires.
 * The commit of a new entry is flushed to disk.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_am.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "shared/stamp.h"
#include "table/denylist.h"
#include "table/table.h"
#include "wire/base64url.h"

enum
{
	COL_HASH,
	COL_EXPIRES_AT,
	N_COLUMNS
};

static const SessionColumn columns[N_COLUMNS] = {
	[COL_HASH] = {"hash", BYTEAOID, true},
	[COL_EXPIRES_AT] = {"expires_at", TIMESTAMPTZOID, true},
};

enum
{
	BY_HASH,
	BY_EXPIRY
};

static const SessionIndex indexes[] = {
	[BY_HASH] = {BTREE_AM_OID, 1, {COL_HASH},.unique = true},
	[BY_EXPIRY] = {BTREE_AM_OID, 1, {COL_EXPIRES_AT},.unique = false},
};

static SessionTable denylist = {
	.name = "denylist",
	.ncolumns = lengthof(columns),
	.columns = columns,
	.nindexes = lengthof(indexes),
	.needed = indexes,
	.durable = true
};

static SessionStatement insert_statement = {
	.table = &denylist,
	.sql = "INSERT INTO session.denylist AS d (hash, expires_at)"
	" VALUES ($1, $2) ON CONFLICT (hash) DO UPDATE"
	" SET expires_at = EXCLUDED.expires_at"
	" WHERE d.expires_at OPERATOR(pg_catalog.<) EXCLUDED.expires_at",
	.types = {BYTEAOID, TIMESTAMPTZOID}
};

static Datum
hash_datum(const SessionDenylistKey *key)
{
	return PointerGetDatum(cstring_to_text_with_len((const char *) key->hash,
													sizeof(key->hash)));
}

/* Returns a key as text in base64url. */
text *
session_denylist_key_text(const SessionDenylistKey *key)
{
	char		chars[SESSION_BASE64URL_CHARS(SESSION_SHA256_BYTES)];

	session_base64url_encode(chars, key->hash, sizeof(key->hash));
	return cstring_to_text_with_len(chars, sizeof(chars));
}

/* Reads a key from such a text; false for any other text and NULL. */
bool
session_denylist_parse_key(SessionDenylistKey *key, const text *source)
{
	return source != NULL &&
		VARSIZE_ANY_EXHDR(source) ==
		SESSION_BASE64URL_CHARS(SESSION_SHA256_BYTES) &&
		session_base64url_decode(key->hash, VARDATA_ANY(source),
								 VARSIZE_ANY_EXHDR(source));
}

/* Returns whether a cookie is denied at least until a time. */
static bool
is_denied(const SessionDenylistKey *key, TimestampTz until)
{
	Relation	rel = session_table_open(&denylist, AccessShareLock);
	SessionTableScan scan;
	ScanKeyData scan_key;
	bool		found;

	ScanKeyInit(&scan_key, 1, BTEqualStrategyNumber, F_BYTEAEQ, hash_datum(key));
	session_table_begin(&scan, rel, denylist.indexes[BY_HASH], &scan_key);
	found = session_table_next(&scan);
	if (found)
	{
		bool		null;
		Datum		expires_at = session_table_value(&denylist, scan.slot,
													 COL_EXPIRES_AT, &null);

		found = !null && DatumGetTimestampTz(expires_at) >= until;
	}
	session_table_end(&scan);
	table_close(rel, AccessShareLock);
	return found;
}

/* Returns whether a cookie is denied, and the stamp from before the look. */
bool
session_denylist_has(const SessionDenylistKey *key, SessionEndStamp *stamp)
{
	*stamp = session_stamp_of(key->hash);
	return is_denied(key, DT_NOBEGIN);
}

/* Denies a cookie until a time; false when it is denied for as long. */
bool
session_denylist_add(const SessionDenylistKey *key, TimestampTz until)
{
	Datum		values[] = {hash_datum(key), TimestampTzGetDatum(until)};
	uint64		written;

	session_table_flush_commit(&denylist);
	session_stamp_note(key->hash);
	written = session_table_execute(&insert_statement, values, NULL);

	/*
	 * Nothing is written where an entry lasts as long already.  If there is
	 * no such entry, a rule or trigger has suppressed the write: an error.
	 */
	if (written == 0 && is_denied(key, until))
		return false;
	session_table_expect(&denylist, written, 1);
	return true;
}

/* Deletes expired entries; returns the number deleted. */
int64
session_denylist_trim(TimestampTz now, SessionBudget *budget, int limit)
{
	return session_table_trim(&denylist, BY_EXPIRY, now, budget, limit);
}
