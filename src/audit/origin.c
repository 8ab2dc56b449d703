/*
 * origin.c
 *	  The only door to session.origins: where users have logged in from.
 *
 * Rules:
 * - A row says that an origin, which is an address or a user agent of a user,
 *	 was used at a time.  It holds a hash, which reveals nothing by itself and
 *	 is found by one index probe.
 * - An address and a user agent that were used together are also noted as a
 *	 pair.  If the pair is known, as it usually is, both are known after one
 *	 look-up.
 * - No row is updated, so no transaction waits for another.  A use is noted
 *	 again when the last note is older than a fraction of the retention.  So an
 *	 origin has at most a few dozen rows, and it may count as new that fraction
 *	 too early.
 * - Two simultaneous logins from a new origin may both be reported as the
 *	 first.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "access/table.h"
#include "catalog/pg_am.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "port/pg_bswap.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/timestamp.h"

#include "audit/origin.h"
#include "compat.h"
#include "model/digest.h"
#include "model/policy.h"
#include "model/random.h"
#include "table/table.h"

/* A use is noted again after the retention divided by this. */
#define FRACTION 32

enum
{
	COL_HASH,
	COL_USER_HASH,
	COL_USED_AT,
	COL_NONCE,
	N_COLUMNS
};

static const SessionColumn columns[N_COLUMNS] = {
	[COL_HASH] = {"hash", INT8OID, true},
	[COL_USER_HASH] = {"user_hash", INT8OID, true},
	[COL_USED_AT] = {"used_at", TIMESTAMPTZOID, true},
	[COL_NONCE] = {"nonce", INT8OID, true},
};

enum
{
	BY_HASH,
	BY_TIME
};

static const SessionIndex indexes[] = {
	[BY_HASH] = {HASH_AM_OID, 1, {COL_HASH},.unique = false},
	[BY_TIME] = {BTREE_AM_OID, 2, {COL_USED_AT, COL_NONCE},.unique = false},
};

static SessionTable origins = {
	.name = "origins",
	.ncolumns = lengthof(columns),
	.columns = columns,
	.nindexes = lengthof(indexes),
	.needed = indexes
};

static SessionStatement insert_statement = {
	.table = &origins,
	.sql = "INSERT INTO session.origins (hash, user_hash, used_at, nonce)"
	" VALUES ($1, $2, $3, $4)",
	.types = {INT8OID, INT8OID, TIMESTAMPTZOID, INT8OID}
};

/* Appends a part with its length, so that no two lists of parts look alike. */
static void
put_part(StringInfo whole, const void *data, int len)
{
	uint32		size = pg_hton32((uint32) len);

	appendBinaryStringInfo(whole, (const char *) &size, sizeof(size));
	if (len > 0)
		appendBinaryStringInfo(whole, data, len);
}

/* Appends a text; NULL differs from every text. */
static void
put_text_part(StringInfo whole, const text *value)
{
	if (value == NULL)
		put_part(whole, NULL, -1);
	else
		put_part(whole, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
}

/* Returns the first 64 bits of the SHA-256 of a list of parts. */
static int64
hash_parts(StringInfo whole)
{
	uint8		digest[SESSION_SHA256_BYTES];
	uint64		hash;

	session_digest_sha256(digest, whole->data, whole->len);
	pfree(whole->data);
	/* Independent of the byte order, so that a dump fits every machine. */
	memcpy(&hash, digest, sizeof(hash));
	return (int64) pg_ntoh64(hash);
}

/* Returns the hash of a user, in whichever tenant. */
static int64
hash_user(const text *user_id)
{
	StringInfoData whole;

	initStringInfo(&whole);
	put_part(&whole, "user", strlen("user"));
	put_text_part(&whole, user_id);
	return hash_parts(&whole);
}

/*
 * Returns the hash of an origin of the row's user: of one kind, or the pair.
 */
static int64
origin_hash(const SessionRow *row, int which)
{
	static const char *const kinds[] = {
		[SESSION_ORIGIN_IP] = "ip",
		[SESSION_ORIGIN_USER_AGENT] = "user_agent",
		[SESSION_ORIGIN_IP | SESSION_ORIGIN_USER_AGENT] = "both"
	};
	StringInfoData whole;

	initStringInfo(&whole);
	put_part(&whole, kinds[which], strlen(kinds[which]));
	put_text_part(&whole, row->user_id);
	put_text_part(&whole, row->tenant_id);
	if ((which & SESSION_ORIGIN_IP) != 0)
	{
		int			len;
		const uint8 *address = session_policy_network(row->ip, &len);

		put_part(&whole, address, len);
	}
	if ((which & SESSION_ORIGIN_USER_AGENT) != 0)
		put_text_part(&whole, row->user_agent);
	return hash_parts(&whole);
}

/* A look-up of an origin, and its result. */
typedef struct OriginLookup
{
	int			which;
	int64		hash;
	TimestampTz last;			/* last noted use, or SESSION_NO_TIME */
} OriginLookup;

/* Sets the last use from the rows that a scan returns. */
static void
read_last_use(SessionTableScan *scan, OriginLookup *lookup)
{
	lookup->last = SESSION_NO_TIME;
	while (session_table_next(scan))
	{
		bool		null;
		Datum		used_at = session_table_value(&origins, scan->slot,
												  COL_USED_AT, &null);

		lookup->last = Max(lookup->last, DatumGetTimestampTz(used_at));
	}
}

/* Looks up origins, opening the table and its index once. */
static void
look_up(OriginLookup *lookups, int count)
{
	Relation	rel = session_table_open(&origins, AccessShareLock);
	SessionTableScan scan;
	ScanKeyData key;

	ScanKeyInit(&key, 1, HTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(lookups[0].hash));
	session_table_begin(&scan, rel, origins.indexes[BY_HASH], &key);
	read_last_use(&scan, &lookups[0]);
	for (int i = 1; i < count; i++)
	{
		key.sk_argument = Int64GetDatum(lookups[i].hash);
		session_table_rescan(&scan, &key);
		read_last_use(&scan, &lookups[i]);
	}
	session_table_end(&scan);
	table_close(rel, AccessShareLock);
}

/* Writes that an origin of a user was used. */
static void
note_origin_use(int64 hash, const text *user_id, TimestampTz now)
{
	int64		nonce;
	Datum		values[4];

	session_random_bytes(&nonce, sizeof(nonce));
	values[0] = Int64GetDatum(hash);
	values[1] = Int64GetDatum(hash_user(user_id));
	values[2] = TimestampTzGetDatum(now);
	values[3] = Int64GetDatum(nonce);
	session_table_expect(&origins,
						 session_table_execute(&insert_statement, values, NULL),
						 1);
}

/* Returns whether an origin was used within the retention. */
static bool
is_known(const OriginLookup *lookup, TimestampTz now)
{
	int64		retention = session_settings.event_retention * USECS_PER_SEC;

	return lookup->last != SESSION_NO_TIME &&
		(retention == 0 || lookup->last > now - retention);
}

/* Returns whether a use must be noted for the origin to stay known. */
static bool
is_stale(const OriginLookup *lookup, TimestampTz now)
{
	int64		retention = session_settings.event_retention * USECS_PER_SEC;

	return !is_known(lookup, now) ||
		(retention > 0 && lookup->last < now - retention / FRACTION);
}

/* Prepares the look-up of an origin of the row's user. */
static void
init_lookup(OriginLookup *lookup, const SessionRow *row, int which)
{
	lookup->which = which;
	lookup->hash = origin_hash(row, which);
}

/* Notes a login, and returns which of its origins are new to the user. */
int
session_origin_news(const SessionRow *row, int which, TimestampTz now)
{
	SessionRow	stored = *row;
	SessionAddress room;
	OriginLookup pair;
	OriginLookup lookups[2];
	int			count = 0;
	int			news = 0;

	/* The hash of a full IPv4 address would give it away. */
	stored.ip = unconstify(inet *,
						   session_policy_stored_ip(row->ip, &session_settings,
													&room));
	if (stored.ip == NULL)
		which &= ~SESSION_ORIGIN_IP;
	if (stored.user_agent == NULL)
		which &= ~SESSION_ORIGIN_USER_AGENT;
	if (which == 0)
		return 0;
	init_lookup(&pair, &stored, which);
	look_up(&pair, 1);
	if (!is_stale(&pair, now))
		return 0;
	if ((which & SESSION_ORIGIN_IP) != 0)
		init_lookup(&lookups[count++], &stored, SESSION_ORIGIN_IP);
	if ((which & SESSION_ORIGIN_USER_AGENT) != 0)
		init_lookup(&lookups[count++], &stored, SESSION_ORIGIN_USER_AGENT);
	look_up(lookups, count);
	for (int i = 0; i < count; i++)
	{
		if (!is_known(&lookups[i], now))
			news |= lookups[i].which;
		if (is_stale(&lookups[i], now))
			note_origin_use(lookups[i].hash, row->user_id, now);
	}
	if (count > 1)
		note_origin_use(pair.hash, row->user_id, now);
	return news;
}

/*
 * Of one user.  There is no index for this, because each one would make logins
 * slower.
 */

static SessionStatement export_statement = {
	.table = &origins,
	.sql = "SELECT pg_catalog.jsonb_build_object('origins',"
	" coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object("
	" 'hash', hash::pg_catalog.text, 'used_at', used_at)"
	" ORDER BY used_at, nonce), '[]'))"
	" FROM ONLY session.origins WHERE user_hash OPERATOR(pg_catalog.=) $1",
	.types = {INT8OID}
};

static SessionStatement erase_statement = {
	.table = &origins,
	.sql = "DELETE FROM ONLY session.origins"
	" WHERE user_hash OPERATOR(pg_catalog.=) $1",
	.types = {INT8OID}
};

/* Returns the origins of a user as JSON. */
Jsonb *
session_origin_export(const text *user_id)
{
	Datum		value = Int64GetDatum(hash_user(user_id));

	return session_table_fetch(&export_statement, &value, NULL);
}

/* Deletes the origins of a user; returns their number. */
uint64
session_origin_erase(const text *user_id)
{
	Datum		value = Int64GetDatum(hash_user(user_id));

	return session_table_execute(&erase_statement, &value, NULL);
}

/* Deletes expired origins, at most "limit".  Returns the number deleted. */
int64
session_origin_trim(TimestampTz now, SessionBudget *budget, int limit)
{
	int64		retention = session_settings.event_retention * USECS_PER_SEC;

	if (retention == 0)
		return 0;
	return session_table_trim(&origins, BY_TIME, now - retention, budget,
							  limit);
}
