/*
 * denylist.c
 *	  The only door to session.denylist.
 *
 * Rules:
 * - A cookie is looked up by a direct index scan of the rows that are
 *	 committed now.
 * - An entry is kept until the cookie that it denies has expired, and a day
 *	 longer: after the clock was set forth and back, it still has to be denied.
 * - An entry of a cookie in whose place another was made, which is bound to a
 *	 key, denies it after "session.dbsc_grace".
 * - The trigger of the table ends the identities of a cookie that gets an
 *	 entry, and has the commit flushed to disk: for our statements, for those
 *	 of an administrator and for changes that logical replication applies.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_am.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "model/policy.h"
#include "settings.h"
#include "shared/stamp.h"
#include "table/denylist.h"
#include "table/table.h"
#include "wire/base64url.h"

enum
{
	COL_HASH,
	COL_EXPIRES_AT,
	COL_BOUND_AT,
	N_COLUMNS
};

/* How long an expired entry is kept. */
#define KEEP_EXPIRED USECS_PER_DAY

static const SessionColumn columns[N_COLUMNS] = {
	[COL_HASH] = {"hash", BYTEAOID, true},
	[COL_EXPIRES_AT] = {"expires_at", TIMESTAMPTZOID, true},
	[COL_BOUND_AT] = {"bound_at", TIMESTAMPTZOID, false},
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

static const char *const triggers[] = {"denylist_changed", NULL};

static SessionTable denylist = {
	.name = "denylist",
	.triggers = triggers,
	.ncolumns = lengthof(columns),
	.columns = columns,
	.nindexes = lengthof(indexes),
	.needed = indexes,
	.durable = true
};

/*
 * An entry that does not deny its cookie yet, because that was bound later
 * than $3, does so from now on.
 */
static SessionStatement insert_statement = {
	.table = &denylist,
	.sql = "INSERT INTO session.denylist AS d (hash, expires_at)"
	" VALUES ($1, $2) ON CONFLICT (hash) DO UPDATE"
	" SET expires_at = GREATEST(d.expires_at, EXCLUDED.expires_at),"
	" bound_at = NULL"
	" WHERE d.expires_at OPERATOR(pg_catalog.<) EXCLUDED.expires_at"
	" OR d.bound_at OPERATOR(pg_catalog.>) $3",
	.types = {BYTEAOID, TIMESTAMPTZOID, TIMESTAMPTZOID}
};

static SessionStatement replace_statement = {
	.table = &denylist,
	.sql = "INSERT INTO session.denylist (hash, expires_at, bound_at)"
	" VALUES ($1, $2, $3) ON CONFLICT (hash) DO NOTHING",
	.types = {BYTEAOID, TIMESTAMPTZOID, TIMESTAMPTZOID}
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

/* An entry. */
typedef struct Entry
{
	TimestampTz expires_at;
	TimestampTz bound_at;		/* SESSION_NO_TIME = denied at once */
} Entry;

/* Returns a time of the entry in a slot. */
static TimestampTz
time_of(TupleTableSlot *slot, int column)
{
	bool		null;
	Datum		value = session_table_value(&denylist, slot, column, &null);

	return null ? SESSION_NO_TIME : DatumGetTimestampTz(value);
}

/* Reads the entry of a cookie; false if it has none. */
static bool
find_denied(const SessionDenylistKey *key, Entry *entry)
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
		entry->expires_at = time_of(scan.slot, COL_EXPIRES_AT);
		entry->bound_at = time_of(scan.slot, COL_BOUND_AT);
	}
	session_table_end(&scan);
	table_close(rel, AccessShareLock);
	return found;
}

/* Returns whether a cookie has an entry. */
bool
session_denylist_lists(const SessionDenylistKey *key)
{
	Entry		entry;

	return find_denied(key, &entry);
}

/* Returns whether a cookie is denied, and the stamp from before the look. */
bool
session_denylist_has(const SessionDenylistKey *key, SessionEndStamp *stamp)
{
	Entry		entry;

	*stamp = session_stamp_of(key->hash);
	return find_denied(key, &entry) &&
		(entry.bound_at == SESSION_NO_TIME ||
		 !session_policy_bound_lately(entry.bound_at, &session_settings,
									  GetCurrentTimestamp()));
}

/*
 * Writes an entry.  Returns false if the cookie has one that lasts as long, so
 * that nothing was written.  Where there is no such entry, a rule or trigger
 * has suppressed the write: an error.
 */
static bool
put_entry(SessionStatement *statement, const SessionDenylistKey *key,
		  const Datum *values, TimestampTz until)
{
	uint64		noted = denylist.changes_noted;
	Entry		entry;
	uint64		written;

	written = session_table_execute(statement, values, NULL);
	if (written == 0 && find_denied(key, &entry) && entry.expires_at >= until)
		return false;
	session_table_expect(&denylist, written, 1);
	session_table_expect_noted(&denylist, noted, 1);
	return true;
}

/* Denies a cookie until a time; false when it is denied for as long. */
bool
session_denylist_add(const SessionDenylistKey *key, TimestampTz until)
{
	TimestampTz lately = GetCurrentTimestamp() -
	session_settings.dbsc_grace * USECS_PER_SEC;
	Datum		values[] = {
		hash_datum(key), TimestampTzGetDatum(until),
		TimestampTzGetDatum(lately)
	};

	return put_entry(&insert_statement, key, values, until);
}

/* Denies a cookie that was bound by making another; false if it was before. */
bool
session_denylist_replace(const SessionDenylistKey *key, TimestampTz until,
						 TimestampTz bound_at)
{
	Datum		values[] = {
		hash_datum(key), TimestampTzGetDatum(until),
		TimestampTzGetDatum(bound_at)
	};

	return put_entry(&replace_statement, key, values, DT_NOBEGIN);
}

/* Notes that a row was added or changed. */
void
session_denylist_note_change(const TriggerData *data)
{
	Relation	rel = session_table_open(&denylist, AccessShareLock);
	TupleTableSlot *slot = data->tg_trigslot;
	Datum		hash;

	if (RelationGetRelid(rel) != RelationGetRelid(data->tg_relation))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s\" is not \"session.denylist\"",
						RelationGetRelationName(data->tg_relation)),
				 errhint("Drop the trigger.")));
	if (TRIGGER_FIRED_BY_UPDATE(data->tg_event))
		slot = data->tg_newslot;
	hash = session_table_required_value(&denylist, slot, COL_HASH);
	session_stamp_note((const uint8 *) VARDATA_ANY(DatumGetByteaPP(hash)));
	session_table_flush_commit(&denylist);
	denylist.changes_noted++;
	table_close(rel, AccessShareLock);
}

/* Warns if the table's trigger does not fire for every change. */
void
session_denylist_check_triggers(void)
{
	session_table_check_triggers(&denylist);
}

/* Deletes entries that expired long ago; returns the number deleted. */
int64
session_denylist_trim(TimestampTz now, SessionBudget *budget, int limit)
{
	return session_table_trim(&denylist, BY_EXPIRY, now - KEEP_EXPIRED, budget,
							  limit);
}
