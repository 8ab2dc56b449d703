/*
 * denylist.c
 *	  The only door to session.denylist.
 *
 * Rules: a look is a direct index scan over what is committed now; an entry
 * lives until the cookie it denies would have expired.  The commit of a new
 * entry is flushed.
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
#include "table/denylist.h"
#include "table/table.h"

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
hash_datum(const SessionDenied *denied)
{
	return PointerGetDatum(cstring_to_text_with_len((const char *) denied->hash,
													sizeof(denied->hash)));
}

/* Whether a cookie is denied, at least until a moment. */
static bool
is_denied(const SessionDenied *denied, TimestampTz until)
{
	Relation	rel = session_table_open(&denylist, AccessShareLock);
	SessionTableScan scan;
	ScanKeyData key;
	bool		found;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_BYTEAEQ, hash_datum(denied));
	session_table_begin(&scan, rel, denylist.indexes[BY_HASH], &key);
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

bool
session_denylist_has(const SessionDenied *denied)
{
	return is_denied(denied, DT_NOBEGIN);
}

bool
session_denylist_add(const SessionDenied *denied, TimestampTz until)
{
	Datum		values[] = {hash_datum(denied), TimestampTzGetDatum(until)};
	uint64		written;

	session_table_flush_commit(&denylist);
	written = session_table_execute(&insert_statement, values, NULL);
	/* An entry that lasts as long was there, or the cookie is not denied. */
	if (written == 0 && is_denied(denied, until))
		return false;
	session_table_expect(&denylist, written, 1);
	return true;
}

int64
session_denylist_trim(TimestampTz now, SessionBudget *budget, int limit)
{
	return session_table_trim(&denylist, BY_EXPIRY, now, budget, limit);
}
