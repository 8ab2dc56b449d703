/*
 * store.c
 *	  The only access to session.sessions.
 *
 * Rules:
 * - A read sees what is committed now, in every isolation level.
 * - A write first locks the row through the table access method, which finds
 *	 the newest version with any snapshot of the transaction, and then runs a
 *	 statement as the owner.  In a SERIALIZABLE transaction, both count towards
 *	 serialization failures.
 * - A tid is valid only within the scan that found it.
 * - Triggers on the table note a change that ends a session or gives it
 *	 another token, for snapshots, and have its commit flushed (see change.c).
 *	 A write whose trigger has not fired is an error.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "common/pg_prng.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "model/amr.h"
#include "model/array.h"
#include "model/digest.h"
#include "model/policy.h"
#include "model/scope.h"
#include "model/words.h"
#include "shared/revocation.h"
#include "shared/stamp.h"
#include "table/policies.h"
#include "table/store.h"
#include "table/table.h"

/* Columns of session.sessions. */
enum
{
	COL_ID,
	COL_TOKEN_HASH,
	COL_USER_ID,
	COL_TENANT_ID,
	COL_ROLE,
	COL_AUTH_LEVEL,
	COL_AMR,
	COL_PARENT_ID,
	COL_ACTOR_ID,
	COL_SCOPES,
	COL_DATA,
	COL_IP,
	COL_USER_AGENT,
	COL_CREATED_AT,
	COL_AUTHENTICATED_AT,
	COL_REFRESHED_AT,
	COL_LAST_SEEN_AT,
	COL_EXPIRES_AT,
	COL_IDLE_TIMEOUT,
	COL_MAX_EXPIRES_AT,
	COL_REFRESH_KEY,
	COL_REFRESH_GENERATION,
	COL_REFRESH_EXPIRES_AT,
	COL_ROTATED_AT,
	COL_BOUND_BY,
	COL_BOUND_THUMBPRINT,
	COL_BOUND_KEY,
	COL_BOUND_AT,
	COL_ANSWERED_AT,
	COL_REVOKED_AT,
	COL_REVOKED_REASON,
	COL_PURGE_AT,
	N_COLUMNS
};

static const SessionColumn columns[N_COLUMNS] = {
	[COL_ID] = {"id", UUIDOID, true},
	[COL_TOKEN_HASH] = {"token_hash", BYTEAOID, true},
	[COL_USER_ID] = {"user_id", TEXTOID, false},
	[COL_TENANT_ID] = {"tenant_id", TEXTOID, false},
	[COL_ROLE] = {"role", TEXTOID, false},
	[COL_AUTH_LEVEL] = {"auth_level", INT4OID, true},
	[COL_AMR] = {"amr", TEXTARRAYOID, false},
	[COL_PARENT_ID] = {"parent_id", UUIDOID, false},
	[COL_ACTOR_ID] = {"actor_id", TEXTOID, false},
	[COL_SCOPES] = {"scopes", TEXTARRAYOID, false},
	[COL_DATA] = {"data", JSONBOID, true},
	[COL_IP] = {"ip", INETOID, false},
	[COL_USER_AGENT] = {"user_agent", TEXTOID, false},
	[COL_CREATED_AT] = {"created_at", TIMESTAMPTZOID, true},
	[COL_AUTHENTICATED_AT] = {"authenticated_at", TIMESTAMPTZOID, false},
	[COL_REFRESHED_AT] = {"refreshed_at", TIMESTAMPTZOID, false},
	[COL_LAST_SEEN_AT] = {"last_seen_at", TIMESTAMPTZOID, true},
	[COL_EXPIRES_AT] = {"expires_at", TIMESTAMPTZOID, true},
	[COL_IDLE_TIMEOUT] = {"idle_timeout", INTERVALOID, false},
	[COL_MAX_EXPIRES_AT] = {"max_expires_at", TIMESTAMPTZOID, false},
	[COL_REFRESH_KEY] = {"refresh_key", BYTEAOID, false},
	[COL_REFRESH_GENERATION] = {"refresh_generation", INT4OID, false},
	[COL_REFRESH_EXPIRES_AT] = {"refresh_expires_at", TIMESTAMPTZOID, false},
	[COL_ROTATED_AT] = {"rotated_at", TIMESTAMPTZOID, false},
	[COL_BOUND_BY] = {"bound_by", TEXTOID, false},
	[COL_BOUND_THUMBPRINT] = {"bound_thumbprint", BYTEAOID, false},
	[COL_BOUND_KEY] = {"bound_key", JSONBOID, false},
	[COL_BOUND_AT] = {"bound_at", TIMESTAMPTZOID, false},
	[COL_ANSWERED_AT] = {"answered_at", TIMESTAMPTZOID, false},
	[COL_REVOKED_AT] = {"revoked_at", TIMESTAMPTZOID, false},
	[COL_REVOKED_REASON] = {"revoked_reason", TEXTOID, false},
	[COL_PURGE_AT] = {"purge_at", TIMESTAMPTZOID, true},
};

enum
{
	PRIMARY_KEY,
	BY_USER,
	BY_TENANT,
	BY_PARENT,
	BY_PURGE
};

static const SessionIndex indexes[] = {
	[PRIMARY_KEY] = {BTREE_AM_OID, 1, {COL_ID},.unique = true},
	[BY_USER] = {BTREE_AM_OID, 1, {COL_USER_ID},.unique = false},
	[BY_TENANT] = {BTREE_AM_OID, 1, {COL_TENANT_ID},.partial = true},
	[BY_PARENT] = {BTREE_AM_OID, 1, {COL_PARENT_ID},.partial = true},
	[BY_PURGE] = {BTREE_AM_OID, 1, {COL_PURGE_AT},.unique = false},
};

static const char *const triggers[] = {
	"sessions_changed", "sessions_deleted", "sessions_emptied", NULL
};

static SessionTable sessions = {
	.name = "sessions",
	.triggers = triggers,
	.ncolumns = lengthof(columns),
	.columns = columns,
	.nindexes = lengthof(indexes),
	.needed = indexes,
	.central = true
};

/*
 * Returns whether the table has files: an unlogged one has none on a standby.
 */
static bool
is_here(Relation table)
{
	return table->rd_rel->relpersistence != RELPERSISTENCE_UNLOGGED ||
		!RecoveryInProgress();
}

/* Returns whether the table can be read. */
bool
session_store_is_here(void)
{
	Relation	table = session_table_open(&sessions, AccessShareLock);
	bool		here = is_here(table);

	table_close(table, AccessShareLock);
	return here;
}

/* Returns whether a relation is the table of sessions. */
bool
session_store_is(Oid relid)
{
	Relation	table = session_table_open(&sessions, AccessShareLock);
	bool		same = RelationGetRelid(table) == relid;

	table_close(table, AccessShareLock);
	return same;
}

/* Opens the table; errors if it has no files. */
static Relation
open_table(LOCKMODE mode)
{
	Relation	table = session_table_open(&sessions, mode);

	if (!is_here(table))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot access unlogged table \"session.sessions\" "
						"during recovery"),
				 errhint("Use the primary, or run session_storage('database') "
						 "on it.")));
	return table;
}

/* Returns the owner of the table, as whom our statements run. */
Oid
session_store_owner(void)
{
	table_close(open_table(AccessShareLock), AccessShareLock);
	return sessions.owner;
}

/*
 * Reading
 */

/* Fetches a value that is stored out of line; it may remain compressed. */
static void *
fetch_value(Datum value)
{
	struct varlena *stored = (struct varlena *) DatumGetPointer(value);

	if (VARATT_IS_EXTERNAL(stored))
		return detoast_external_attr(stored);
	return stored;
}

/* Returns an idle timeout in microseconds. */
int64
session_store_idle_timeout(const Interval *interval)
{
	int64		usecs;

	/* An interval that is too long to count in never ends a session. */
	return session_policy_usecs(&usecs, interval) ? usecs : 0;
}

/*
 * Returns the methods of the column amr; NULL when it has none, or is not an
 * array of names.
 */
static text *
load_methods(Datum value)
{
	text	   *words;

	if (!session_amr_read(&words, DatumGetArrayTypeP(value)) ||
		VARSIZE_ANY_EXHDR(words) == 0)
		return NULL;
	return words;
}

/*
 * Returns the scopes of the column.  An array that is not one of scopes allows
 * nothing.
 */
static text *
load_scopes(Datum value)
{
	text	   *words;

	if (!session_words_read(&words, DatumGetArrayTypeP(value), SESSION_SCOPES,
							session_scope_is_name))
		words = cstring_to_text("");
	return words;
}

/* The values of bound_by. */
static const char *const bound_names[] = {
	[SESSION_BOUND_DBSC] = "dbsc",
	[SESSION_BOUND_DPOP] = "dpop"
};

/*
 * Fills the key that a session is bound to from its columns bound_by and
 * bound_thumbprint.
 */
static void
load_bound(SessionBound *bound, Datum by, const bytea *thumbprint)
{
	text	   *name = DatumGetTextPP(by);

	bound->by = SESSION_BOUND_DBSC;
	while (bound->by < (int) lengthof(bound_names) &&
		   (strlen(bound_names[bound->by]) != VARSIZE_ANY_EXHDR(name) ||
			memcmp(bound_names[bound->by], VARDATA_ANY(name),
				   VARSIZE_ANY_EXHDR(name)) != 0))
		bound->by++;
	if (bound->by == lengthof(bound_names) || thumbprint == NULL ||
		VARSIZE_ANY_EXHDR(thumbprint) != sizeof(bound->thumbprint))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("a session is bound to a key in an unknown way")));
	memcpy(bound->thumbprint, VARDATA_ANY(thumbprint),
		   sizeof(bound->thumbprint));
}

/*
 * Fills the row from the slot's tuple, which is copied into the current memory
 * context, and sets the rules that apply to it now.  The data is left out
 * where only the life of the session matters.
 */
static void
load_row(SessionRow *row, TupleTableSlot *slot, bool with_data)
{
	Datum		v[N_COLUMNS];
	bool		null[N_COLUMNS];
	HeapTuple	tuple = session_table_deform(&sessions, slot, v, null);
	bytea	   *hash;

#define TEXT_OR_NULL(col) \
	(null[col] ? NULL : (text *) PG_DETOAST_DATUM_PACKED(v[col]))
#define BYTEA_OR_NULL(col) \
	(null[col] ? NULL : DatumGetByteaPP(v[col]))
#define TIME_OR_NONE(col) \
	(null[col] ? SESSION_NO_TIME : DatumGetTimestampTz(v[col]))

	row->tid = slot->tts_tid;
	memset(&row->stamp, 0, sizeof(row->stamp));
	row->uncommitted =
		TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tuple->t_data));
	row->id = *DatumGetUUIDP(v[COL_ID]);
	hash = DatumGetByteaPP(v[COL_TOKEN_HASH]);
	if (VARSIZE_ANY_EXHDR(hash) != SESSION_SHA256_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("token_hash of a session has the wrong size")));
	memcpy(row->token_hash, VARDATA_ANY(hash), SESSION_SHA256_BYTES);
	memcpy(row->stored_hash, row->token_hash, SESSION_SHA256_BYTES);
	row->user_id = TEXT_OR_NULL(COL_USER_ID);
	row->tenant_id = TEXT_OR_NULL(COL_TENANT_ID);
	row->role = TEXT_OR_NULL(COL_ROLE);
	row->auth_level = DatumGetInt32(v[COL_AUTH_LEVEL]);
	row->amr = null[COL_AMR] ? NULL : load_methods(v[COL_AMR]);
	row->has_parent = !null[COL_PARENT_ID];
	if (row->has_parent)
		row->parent_id = *DatumGetUUIDP(v[COL_PARENT_ID]);
	row->actor_id = TEXT_OR_NULL(COL_ACTOR_ID);
	row->scopes = null[COL_SCOPES] ? NULL : load_scopes(v[COL_SCOPES]);
	row->data = with_data ? fetch_value(v[COL_DATA]) : NULL;
	row->ip = null[COL_IP] ? NULL : DatumGetInetPP(v[COL_IP]);
	row->user_agent = TEXT_OR_NULL(COL_USER_AGENT);
	row->created_at = DatumGetTimestampTz(v[COL_CREATED_AT]);
	row->authenticated_at = TIME_OR_NONE(COL_AUTHENTICATED_AT);
	row->refreshed_at = TIME_OR_NONE(COL_REFRESHED_AT);
	row->last_seen_at = DatumGetTimestampTz(v[COL_LAST_SEEN_AT]);
	row->stored_seen_at = row->last_seen_at;
	row->expires_at = DatumGetTimestampTz(v[COL_EXPIRES_AT]);
	row->idle_timeout = null[COL_IDLE_TIMEOUT] ? 0 :
		session_store_idle_timeout(DatumGetIntervalP(v[COL_IDLE_TIMEOUT]));
	row->max_expires_at = TIME_OR_NONE(COL_MAX_EXPIRES_AT);
	row->refresh_key = BYTEA_OR_NULL(COL_REFRESH_KEY);
	row->refresh_generation = null[COL_REFRESH_GENERATION] ? 0 :
		DatumGetInt32(v[COL_REFRESH_GENERATION]);
	row->refresh_expires_at = TIME_OR_NONE(COL_REFRESH_EXPIRES_AT);
	row->rotated_at = TIME_OR_NONE(COL_ROTATED_AT);
	memset(&row->bound, 0, sizeof(row->bound));
	if (!null[COL_BOUND_BY])
		load_bound(&row->bound, v[COL_BOUND_BY],
				   BYTEA_OR_NULL(COL_BOUND_THUMBPRINT));
	row->bound_key = null[COL_BOUND_KEY] ? NULL :
		PG_DETOAST_DATUM_PACKED(v[COL_BOUND_KEY]);
	row->bound_at = TIME_OR_NONE(COL_BOUND_AT);
	row->answered_at = TIME_OR_NONE(COL_ANSWERED_AT);
	row->revoked_at = TIME_OR_NONE(COL_REVOKED_AT);
	row->revoked_reason = TEXT_OR_NULL(COL_REVOKED_REASON);
	row->purge_at = DatumGetTimestampTz(v[COL_PURGE_AT]);
	session_policies_find(&row->rules, row->tenant_id, row->role);
	row->lineage.known = false;
	row->lowered = false;

#undef TEXT_OR_NULL
#undef BYTEA_OR_NULL
#undef TIME_OR_NONE
}

/* Sets a scan key to the row of a session. */
static void
init_id_key(ScanKey key, const pg_uuid_t *id)
{
	ScanKeyInit(key, 1, BTEqualStrategyNumber, F_UUID_EQ,
				UUIDPGetDatum(unconstify(pg_uuid_t *, id)));
}

/* Errors because the sessions are on another node of Citus. */
static pg_noinline void
refuse_elsewhere(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("this worker of Citus has no sessions"),
			 errhint("Sessions are on the coordinator.  Call functions that "
					 "need them there.")));
}

/*
 * Reads a session as committed now.  Returns false if there is none; errors on
 * a worker of Citus.
 */
static bool
read_row(const pg_uuid_t *id, SessionRow *row, bool with_data)
{
	SessionEndStamp stamp = session_stamp_of(id->data);
	Relation	table = open_table(AccessShareLock);
	ScanKeyData key;
	SessionTableScan scan;
	bool		found;

	init_id_key(&key, id);
	session_table_begin(&scan, table, sessions.indexes[PRIMARY_KEY], &key);
	found = session_table_next(&scan);
	if (found)
	{
		load_row(row, scan.slot, with_data);
		row->stamp = stamp;
	}
	session_table_end(&scan);
	table_close(table, AccessShareLock);
	if (!found && sessions.elsewhere)
		refuse_elsewhere();
	return found;
}

/* Reads a session as committed now. */
bool
session_store_read(const pg_uuid_t *id, SessionRow *row)
{
	return read_row(id, row, true);
}

/* Reads a session as committed now, without its data. */
bool
session_store_read_without_data(const pg_uuid_t *id, SessionRow *row)
{
	return read_row(id, row, false);
}

static bool
is_null(TupleTableSlot *slot, int column)
{
	return slot_attisnull(slot, sessions.numbers[column]);
}

/* Is called for each row of a scan. */
typedef void (*VisitSlot) (TupleTableSlot *slot, int which, void *arg);

/*
 * Returns whether the row belongs to a tenant.  tenant_id NULL stands for all
 * tenants or, with SESSION_STORE_ONE_TENANT, for no tenant.
 */
static bool
in_tenant(TupleTableSlot *slot, text *tenant_id, int which)
{
	bool		null;
	Datum		value = session_table_value(&sessions, slot, COL_TENANT_ID, &null);

	if (tenant_id == NULL)
		return null || (which & SESSION_STORE_ONE_TENANT) == 0;
	return !null &&
		DatumGetBool(DirectFunctionCall2Coll(texteq, C_COLLATION_OID, value,
											 PointerGetDatum(tenant_id)));
}

/*
 * Visits the rows of a scan that are not revoked, or all, in one tenant or in
 * all.
 */
static void
visit_scan(SessionTableScan *scan, text *tenant_id, int which,
		   VisitSlot visit, void *arg)
{
	while (session_table_next(scan))
	{
		CHECK_FOR_INTERRUPTS();
		/* A user can have thousands of revoked sessions. */
		if (((which & SESSION_STORE_REVOKED) != 0 ||
			 is_null(scan->slot, COL_REVOKED_AT)) &&
			in_tenant(scan->slot, tenant_id, which))
			visit(scan->slot, which, arg);
	}
}

/*
 * Visits the rows whose indexed text column equals a value, in one tenant or
 * in all.
 */
static void
visit_where(int index, text *value, text *tenant_id, int which,
			VisitSlot visit, void *arg)
{
	Relation	table = open_table(AccessShareLock);
	ScanKeyData key;
	SessionTableScan scan;

	/* ScanKeyInit compares in collation "C", which the columns have. */
	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_TEXTEQ,
				PointerGetDatum(value));
	session_table_begin(&scan, table, sessions.indexes[index], &key);
	visit_scan(&scan, tenant_id, which, visit, arg);
	session_table_end(&scan);
	table_close(table, AccessShareLock);
}

/* Adds the row in the slot to a list. */
static void
add_row(TupleTableSlot *slot, int which, void *arg)
{
	List	  **rows = arg;
	SessionRow *row = palloc_object(SessionRow);

	load_row(row, slot, (which & SESSION_STORE_DATA) != 0);
	*rows = lappend(*rows, row);
}

/* Returns the sessions of a user as a list of SessionRow. */
List *
session_store_of_user(text *user_id, text *tenant_id, int which)
{
	List	   *rows = NIL;

	visit_where(BY_USER, user_id, tenant_id, which, add_row, &rows);
	return rows;
}

/* Adds an id to an array. */
void
session_store_add_id(SessionIds *ids, const pg_uuid_t *id)
{
	ids->ids = session_array_reserve(ids->ids, ids->count + 1, &ids->room,
									 sizeof(pg_uuid_t), CurrentMemoryContext);
	ids->ids[ids->count++] = *id;
}

/* Adds the id of the row in the slot to an array. */
static void
add_id(TupleTableSlot *slot, int which, void *arg)
{
	bool		null;
	Datum		id = session_table_value(&sessions, slot, COL_ID, &null);

	session_store_add_id(arg, DatumGetUUIDP(id));
}

/* Adds the ids of a user's sessions. */
void
session_store_ids_of_user(SessionIds *ids, text *user_id, text *tenant_id,
						  int which)
{
	visit_where(BY_USER, user_id, tenant_id, which, add_id, ids);
}

/* Adds the ids of a tenant's sessions that are not revoked. */
void
session_store_ids_of_tenant(SessionIds *ids, text *tenant_id)
{
	visit_where(BY_TENANT, tenant_id, NULL, 0, add_id, ids);
}

/* Sets a scan key to the rows of the sessions that were made of one. */
static void
init_parent_key(ScanKey key, const pg_uuid_t *parent_id)
{
	ScanKeyInit(key, 1, BTEqualStrategyNumber, F_UUID_EQ,
				UUIDPGetDatum(unconstify(pg_uuid_t *, parent_id)));
}

/* Returns whether a session was made of another. */
bool
session_store_has_children(void)
{
	Relation	table = open_table(AccessShareLock);
	SessionTableScan scan;
	bool		found;

	session_table_begin(&scan, table, sessions.indexes[BY_PARENT], NULL);
	found = session_table_next(&scan);
	session_table_end(&scan);
	table_close(table, AccessShareLock);
	return found;
}

/* Adds the ids of the sessions in which a user acts or acted as others. */
void
session_store_ids_of_actor(SessionIds *ids, const text *actor_id)
{
	Relation	table = open_table(AccessShareLock);
	SessionTableScan scan;

	session_table_begin(&scan, table, sessions.indexes[BY_PARENT], NULL);
	while (session_table_next(&scan))
	{
		bool		null;
		Datum		value = session_table_value(&sessions, scan.slot,
												COL_ACTOR_ID, &null);

		CHECK_FOR_INTERRUPTS();
		if (!null &&
			DatumGetBool(DirectFunctionCall2Coll(texteq, C_COLLATION_OID, value,
												 PointerGetDatum(actor_id))))
			add_id(scan.slot, 0, ids);
	}
	session_table_end(&scan);
	table_close(table, AccessShareLock);
}

/* Adds the ids of the sessions that were made of those in an array. */
void
session_store_add_children(SessionIds *ids, int first)
{
	Relation	table = open_table(AccessShareLock);
	int			count = ids->count;
	ScanKeyData key;
	SessionTableScan scan;

	init_parent_key(&key, &ids->ids[first]);
	session_table_begin(&scan, table, sessions.indexes[BY_PARENT], &key);
	for (int i = first; i < count; i++)
	{
		pg_uuid_t	parent_id = ids->ids[i];	/* the array may move */

		init_parent_key(&key, &parent_id);
		session_table_rescan(&scan, &key);
		visit_scan(&scan, NULL, 0, add_id, ids);
	}
	session_table_end(&scan);
	table_close(table, AccessShareLock);
}

/* Returns the sessions that were made of a session. */
List *
session_store_of_parent(const pg_uuid_t *parent_id)
{
	Relation	table = open_table(AccessShareLock);
	List	   *rows = NIL;
	ScanKeyData key;
	SessionTableScan scan;

	init_parent_key(&key, parent_id);
	session_table_begin(&scan, table, sessions.indexes[BY_PARENT], &key);
	visit_scan(&scan, NULL, 0, add_row, &rows);
	session_table_end(&scan);
	table_close(table, AccessShareLock);
	return rows;
}

/* Copies the ids of the session in the slot and of its user. */
static void
load_owned(SessionOwned *owned, TupleTableSlot *slot, Datum user_id)
{
	bool		null;
	Datum		id = session_table_value(&sessions, slot, COL_ID, &null);

	owned->user_id = PG_DETOAST_DATUM_COPY(user_id);
	owned->id = *DatumGetUUIDP(id);
}

/* Returns the sessions that have a user and are not revoked, user by user. */
SessionOwned *
session_store_owned(int *count)
{
	Relation	table = open_table(AccessShareLock);
	int			room = 0;
	SessionOwned *owned = NULL;
	SessionTableScan scan;

	*count = 0;
	session_table_begin(&scan, table, sessions.indexes[BY_USER], NULL);
	while (session_table_next(&scan))
	{
		bool		null;
		Datum		user_id = session_table_value(&sessions, scan.slot, COL_USER_ID, &null);

		CHECK_FOR_INTERRUPTS();
		if (null || !is_null(scan.slot, COL_REVOKED_AT))
			continue;
		owned = session_array_reserve(owned, *count + 1, &room,
									  sizeof(SessionOwned),
									  CurrentMemoryContext);
		load_owned(&owned[(*count)++], scan.slot, user_id);
	}
	session_table_end(&scan);
	table_close(table, AccessShareLock);
	return owned;
}

/*
 * Locking
 */

/*
 * Locks the row version that a scan found, or the newest after it if a flag
 * says so, and puts the locked version into the slot.
 */
static TM_Result
lock_tuple(Relation table, Snapshot snapshot, TupleTableSlot *slot,
		   ItemPointer tid, LockTupleMode mode, LockWaitPolicy wait,
		   uint8 flags)
{
	TM_FailureData failure;

	return table_tuple_lock(table, tid, snapshot, slot,
							GetCurrentCommandId(false),
							mode, wait, flags, &failure);
}

/*
 * Locks the newest version of the row that a scan has found, and puts it into
 * the slot.
 */
static TM_Result
lock_newest(SessionTableScan *scan, Relation table, LockWaitPolicy wait)
{
	ItemPointerData tid = scan->slot->tts_tid;

	return lock_tuple(table, scan->snapshot, scan->slot, &tid,
					  LockTupleNoKeyExclusive, wait,
					  TUPLE_LOCK_FLAG_FIND_LAST_VERSION);
}

/* Errors if a row that could not be locked was not deleted. */
static void
check_deleted(TM_Result outcome)
{
	if (outcome != TM_Deleted)
		elog(ERROR, "unexpected result %d of locking a session", outcome);
}

/* Locks the newest version of a row and reads it; waits for other holders. */
bool
session_store_lock(const pg_uuid_t *id, SessionRow *row)
{
	Relation	table = open_table(RowShareLock);

	/* Invalidations that arrive during a wait clear it in the cache. */
	Oid			index = sessions.indexes[PRIMARY_KEY];
	ScanKeyData key;
	TM_Result	outcome = TM_Updated;

	init_id_key(&key, id);
	while (outcome == TM_Updated)
	{
		SessionTableScan scan;

		CHECK_FOR_INTERRUPTS();
		session_table_begin(&scan, table, index, &key);
		outcome = !session_table_next(&scan) ? TM_Deleted :
			lock_newest(&scan, table, LockWaitBlock);
		if (outcome == TM_Ok)
			load_row(row, scan.slot, true);
		session_table_end(&scan);
	}
	table_close(table, NoLock);
	if (outcome != TM_Ok)
		check_deleted(outcome);
	return outcome == TM_Ok;
}

/*
 * Locks the newest version of the row that a scan has found, if the version
 * that it has found passes a test, and reads it without its data.
 */
static bool
lock_if(SessionTableScan *scan, Relation table, SessionStoreTest test,
		bool waits, SessionRow *row)
{
	TM_Result	outcome;

	load_row(row, scan->slot, false);
	if (!test(row, GetCurrentTimestamp()))
		return false;
	outcome = lock_newest(scan, table, waits ? LockWaitBlock : LockWaitSkip);
	if (!waits && outcome != TM_Ok)
		return false;
	/* Another snapshot is needed. */
	if (outcome == TM_Updated)
		return session_store_lock(&row->id, row);
	if (outcome == TM_Ok)
		load_row(row, scan->slot, false);
	else
		check_deleted(outcome);
	return outcome == TM_Ok;
}

/* Locks the rows of some sessions and reads them. */
List *
session_store_lock_many(const pg_uuid_t *ids, int count, SessionStoreTest test,
						bool waits)
{
	Relation	table = open_table(RowShareLock);
	List	   *rows = NIL;
	ScanKeyData key;
	SessionTableScan scan;

	init_id_key(&key, &ids[0]);
	session_table_begin(&scan, table, sessions.indexes[PRIMARY_KEY], &key);
	for (int i = 0; i < count; i++)
	{
		SessionRow *row = palloc_object(SessionRow);

		CHECK_FOR_INTERRUPTS();
		init_id_key(&key, &ids[i]);
		session_table_rescan(&scan, &key);
		if (session_table_next(&scan) && lock_if(&scan, table, test, waits,
												 row))
			rows = lappend(rows, row);
	}
	session_table_end(&scan);
	table_close(table, NoLock);
	return rows;
}

/*
 * Locks the version that was read, or returns false without waiting.  The
 * table was unlocked after the row was read, so VACUUM FULL may have moved
 * the row, and it is looked up again.  The table is locked in the mode of the
 * UPDATE that follows, so that the UPDATE does not wait either.
 */
bool
session_store_try_lock(const SessionRow *row)
{
	Relation	table = open_table(AccessShareLock);
	Oid			index = sessions.indexes[PRIMARY_KEY];
	bool		held = false;

	if (ConditionalLockRelation(table, RowExclusiveLock))
	{
		ScanKeyData key;
		SessionTableScan scan;

		init_id_key(&key, &row->id);
		session_table_begin(&scan, table, index, &key);
		if (session_table_next(&scan) &&
			ItemPointerEquals(&scan.slot->tts_tid, unconstify(ItemPointerData *, &row->tid)))
		{
			ItemPointerData tid = row->tid;

			held = lock_tuple(table, scan.snapshot, scan.slot, &tid,
							  LockTupleNoKeyExclusive, LockWaitSkip, 0) == TM_Ok;
		}
		session_table_end(&scan);
		if (!held)
			UnlockRelation(table, RowExclusiveLock);
	}
	table_close(table, AccessShareLock);
	return held;
}

/*
 * An advisory lock of a class that no SQL function can lock, so applications'
 * advisory locks never conflict with it.
 */
#define USER_LOCK_CLASS 5

/* Takes the lock on counting and adding a user's sessions in a tenant. */
void
session_store_lock_user(const text *user_id, const text *tenant_id)
{
	uint64		tenant = 0;
	uint64		hash;
	LOCKTAG		tag;

	if (tenant_id != NULL)
		tenant = hash_bytes_extended((const unsigned char *) VARDATA_ANY(tenant_id),
									 VARSIZE_ANY_EXHDR(tenant_id), 1);
	hash = hash_bytes_extended((const unsigned char *) VARDATA_ANY(user_id),
							   VARSIZE_ANY_EXHDR(user_id), tenant);
	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, (uint32) (hash >> 32),
						 (uint32) hash, USER_LOCK_CLASS);
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
}

/*
 * Noting changes
 */

/* Errors with 55000 unless the relation is the table of sessions. */
void
session_store_check_table(Relation rel)
{
	if (!session_store_is(RelationGetRelid(rel)))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s\" is not \"session.sessions\"",
						RelationGetRelationName(rel)),
				 errhint("Drop the trigger.")));
}

/* Warns if one of the table's triggers does not fire for every change. */
void
session_store_check_triggers(void)
{
	session_table_check_triggers(&sessions);
}

/*
 * The columns that snapshots contain, or that end a session.  The first one
 * does not matter to the sessions that were made of it.
 */
static const int snapshot_columns[] = {
	COL_TOKEN_HASH, COL_ID, COL_USER_ID, COL_TENANT_ID, COL_ROLE,
	COL_AUTH_LEVEL, COL_AMR, COL_PARENT_ID, COL_ACTOR_ID, COL_SCOPES,
	COL_CREATED_AT, COL_AUTHENTICATED_AT, COL_IDLE_TIMEOUT,
	COL_REFRESH_EXPIRES_AT, COL_BOUND_BY, COL_BOUND_THUMBPRINT, COL_REVOKED_AT
};

static bool
column_differs(TupleTableSlot *before, TupleTableSlot *after, int column)
{
	AttrNumber	number = sessions.numbers[column];
	Form_pg_attribute attr = TupleDescAttr(before->tts_tupleDescriptor,
										   number - 1);
	bool		null_before;
	bool		null_after;
	Datum		was = slot_getattr(before, number, &null_before);
	Datum		is = slot_getattr(after, number, &null_after);

	if (null_before || null_after)
		return null_before != null_after;
	return !datum_image_eq(was, is, attr->attbyval, attr->attlen);
}

/* Returns whether a time, which is not NULL, has become earlier. */
static bool
is_earlier(TupleTableSlot *before, TupleTableSlot *after, int column)
{
	bool		null;
	Datum		was = session_table_value(&sessions, before, column, &null);
	Datum		is = session_table_value(&sessions, after, column, &null);

	return DatumGetTimestampTz(is) < DatumGetTimestampTz(was);
}

/*
 * Returns whether an UPDATE has made snapshots wrong.  A deadline that has
 * moved to a later time does not.
 */
bool
session_store_differs(TupleTableSlot *before, TupleTableSlot *after,
					  bool of_children)
{
	for (int i = of_children ? 1 : 0; i < (int) lengthof(snapshot_columns); i++)
		if (column_differs(before, after, snapshot_columns[i]))
			return true;
	return is_earlier(before, after, COL_EXPIRES_AT) ||
		(!is_null(after, COL_IDLE_TIMEOUT) &&
		 is_earlier(before, after, COL_LAST_SEEN_AT));
}

/* Reads the row in a slot, without its data. */
void
session_store_load(TupleTableSlot *slot, SessionRow *row)
{
	load_row(row, slot, false);
}

/* Notes that a session was changed, or removed if after is NULL. */
void
session_store_note_change(const SessionRow *before, const SessionRow *after)
{
	char	   *given = NULL;

	/* A snapshot for the new token can only be made from the new row. */
	if (after != NULL && memcmp(&before->id, &after->id, UUID_LEN) == 0 &&
		memcmp(before->token_hash, after->token_hash,
			   SESSION_SHA256_BYTES) != 0)
		given = session_digest_of_row(after);
	session_revocation_note_change(&before->id, session_digest_of_row(before), given);
	session_stamp_note(before->id.data);
	session_table_flush_commit(&sessions);
	sessions.changes_noted++;
}

/* Notes that a session was changed of which the one with this id was made. */
void
session_store_note_descendant(const pg_uuid_t *id)
{
	session_stamp_note(id->data);
}

/* Notes that TRUNCATE has removed all sessions. */
void
session_store_note_emptied(void)
{
	session_revocation_note_truncate();
	session_stamp_note_all();
	session_table_flush_commit(&sessions);
}

/*
 * Writing
 */

/* A statement that writes columns of a row; $1 is the first of them. */
typedef struct RowStatement
{
	int			nparams;
	const int  *params;			/* numbers of columns */
	SessionStatement statement; /* its types are filled in at each use */
} RowStatement;

static const int insert_params[] = {
	COL_ID, COL_TOKEN_HASH, COL_USER_ID, COL_TENANT_ID, COL_ROLE,
	COL_AUTH_LEVEL, COL_DATA, COL_IP, COL_USER_AGENT, COL_CREATED_AT,
	COL_AUTHENTICATED_AT, COL_LAST_SEEN_AT, COL_EXPIRES_AT,
	COL_IDLE_TIMEOUT, COL_MAX_EXPIRES_AT, COL_PURGE_AT, COL_REFRESH_KEY,
	COL_REFRESH_GENERATION, COL_REFRESH_EXPIRES_AT, COL_AMR, COL_BOUND_BY,
	COL_BOUND_THUMBPRINT, COL_PARENT_ID, COL_ACTOR_ID, COL_SCOPES
};

#define INSERT "INSERT INTO session.sessions (id, token_hash, user_id," \
	" tenant_id, role, auth_level, data, ip, user_agent, created_at," \
	" authenticated_at, last_seen_at, expires_at, idle_timeout," \
	" max_expires_at, purge_at, refresh_key, refresh_generation," \
	" refresh_expires_at, amr, bound_by, bound_thumbprint, parent_id," \
	" actor_id, scopes) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10," \
	" $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24," \
	" $25)"

static RowStatement insert_statement = {
	.nparams = lengthof(insert_params),
	.params = insert_params,
	.statement.table = &sessions,
	.statement.sql = INSERT
};

static RowStatement insert_unless_taken_statement = {
	.nparams = lengthof(insert_params),
	.params = insert_params,
	.statement.table = &sessions,
	.statement.sql = INSERT " ON CONFLICT (id) DO NOTHING"
};

static const int activity_params[] = {
	COL_ID, COL_LAST_SEEN_AT, COL_PURGE_AT
};

static RowStatement activity_statement = {
	.nparams = lengthof(activity_params),
	.params = activity_params,
	.statement.table = &sessions,
	.statement.sql = "UPDATE ONLY session.sessions SET last_seen_at = $2, purge_at = $3"
	" WHERE id OPERATOR(pg_catalog.=) $1"
};

static const int data_params[] = {
	COL_ID, COL_DATA, COL_LAST_SEEN_AT, COL_PURGE_AT
};

static RowStatement data_statement = {
	.nparams = lengthof(data_params),
	.params = data_params,
	.statement.table = &sessions,
	.statement.sql = "UPDATE ONLY session.sessions SET data = $2, last_seen_at = $3,"
	" purge_at = $4 WHERE id OPERATOR(pg_catalog.=) $1"
};

static const int state_params[] = {
	COL_ID, COL_TOKEN_HASH, COL_REFRESHED_AT, COL_LAST_SEEN_AT,
	COL_EXPIRES_AT, COL_PURGE_AT, COL_REFRESH_GENERATION, COL_ROTATED_AT,
	COL_REFRESH_KEY
};

static RowStatement state_statement = {
	.nparams = lengthof(state_params),
	.params = state_params,
	.statement.table = &sessions,
	.statement.sql = "UPDATE ONLY session.sessions SET token_hash = $2,"
	" refreshed_at = $3, last_seen_at = $4, expires_at = $5, purge_at = $6,"
	" refresh_generation = $7, rotated_at = $8, refresh_key = $9"
	" WHERE id OPERATOR(pg_catalog.=) $1"
};

static const int account_params[] = {
	COL_ID, COL_TOKEN_HASH, COL_USER_ID, COL_ROLE, COL_AUTH_LEVEL,
	COL_AUTHENTICATED_AT, COL_REFRESHED_AT, COL_LAST_SEEN_AT, COL_EXPIRES_AT,
	COL_PURGE_AT, COL_REFRESH_KEY, COL_REFRESH_GENERATION, COL_ROTATED_AT,
	COL_TENANT_ID, COL_AMR, COL_IP, COL_USER_AGENT, COL_IDLE_TIMEOUT,
	COL_MAX_EXPIRES_AT, COL_REFRESH_EXPIRES_AT, COL_CREATED_AT, COL_BOUND_BY,
	COL_BOUND_THUMBPRINT, COL_BOUND_KEY, COL_BOUND_AT, COL_ANSWERED_AT,
	COL_DATA
};

StaticAssertDecl(lengthof(account_params) <= SESSION_STATEMENT_PARAMS,
				 "a statement has room for the types of all parameters");

#define UPDATE_ACCOUNT "UPDATE ONLY session.sessions SET token_hash = $2," \
	" user_id = $3, role = $4, auth_level = $5, authenticated_at = $6," \
	" refreshed_at = $7, last_seen_at = $8, expires_at = $9, purge_at = $10," \
	" refresh_key = $11, refresh_generation = $12, rotated_at = $13," \
	" tenant_id = $14, amr = $15, ip = $16, user_agent = $17," \
	" idle_timeout = $18, max_expires_at = $19, refresh_expires_at = $20," \
	" created_at = $21, bound_by = $22, bound_thumbprint = $23," \
	" bound_key = $24, bound_at = $25, answered_at = $26"

static RowStatement account_statement = {
	.nparams = lengthof(account_params) - 1,
	.params = account_params,
	.statement.table = &sessions,
	.statement.sql = UPDATE_ACCOUNT " WHERE id OPERATOR(pg_catalog.=) $1"
};

static RowStatement account_and_data_statement = {
	.nparams = lengthof(account_params),
	.params = account_params,
	.statement.table = &sessions,
	.statement.sql = UPDATE_ACCOUNT ", data = $27"
	" WHERE id OPERATOR(pg_catalog.=) $1"
};

static const int bound_params[] = {
	COL_ID, COL_BOUND_BY, COL_BOUND_THUMBPRINT, COL_BOUND_KEY, COL_BOUND_AT,
	COL_ANSWERED_AT
};

static RowStatement bound_statement = {
	.nparams = lengthof(bound_params),
	.params = bound_params,
	.statement.table = &sessions,
	.statement.sql = "UPDATE ONLY session.sessions SET bound_by = $2,"
	" bound_thumbprint = $3, bound_key = $4, bound_at = $5, answered_at = $6"
	" WHERE id OPERATOR(pg_catalog.=) $1"
};

static const int end_params[] = {
	COL_ID, COL_REVOKED_AT, COL_REVOKED_REASON, COL_PURGE_AT
};

static RowStatement end_statement = {
	.nparams = lengthof(end_params),
	.params = end_params,
	.statement.table = &sessions,
	.statement.sql = "UPDATE ONLY session.sessions SET revoked_at = $2, revoked_reason = $3,"
	" purge_at = $4 WHERE id OPERATOR(pg_catalog.=) $1"
};

/* Makes a parameter of a length in microseconds. */
static Datum
length_value(int64 usecs)
{
	Interval   *interval = palloc_object(Interval);

	session_policy_interval(interval, usecs);
	return IntervalPGetDatum(interval);
}

/* Makes a parameter of a time. */
static Datum
time_value(TimestampTz moment, bool *null)
{
	*null = moment == SESSION_NO_TIME;
	return TimestampTzGetDatum(moment);
}

/* Makes a parameter of a pointer. */
static Datum
pointer_value(const void *pointer, bool *null)
{
	*null = pointer == NULL;
	return PointerGetDatum(pointer);
}

/* Makes a parameter of a row's value of a column. */
static Datum
column_value(const SessionRow *row, int column, bool *null)
{
	*null = false;
	switch (column)
	{
		case COL_ID:
			return UUIDPGetDatum(&row->id);
		case COL_TOKEN_HASH:
			return PointerGetDatum(cstring_to_text_with_len((const char *) row->token_hash,
															SESSION_SHA256_BYTES));
		case COL_USER_ID:
			return pointer_value(row->user_id, null);
		case COL_TENANT_ID:
			return pointer_value(row->tenant_id, null);
		case COL_ROLE:
			return pointer_value(row->role, null);
		case COL_AUTH_LEVEL:
			return Int32GetDatum(row->auth_level);
		case COL_AMR:
			return pointer_value(session_words_array(row->amr), null);
		case COL_PARENT_ID:
			*null = !row->has_parent;
			return UUIDPGetDatum(&row->parent_id);
		case COL_ACTOR_ID:
			return pointer_value(row->actor_id, null);
		case COL_SCOPES:
			return pointer_value(session_words_array(row->scopes), null);
		case COL_DATA:
			return pointer_value(row->data, null);
		case COL_IP:
			return pointer_value(session_policy_stored_ip(row->ip,
														  &session_settings,
														  palloc_object(SessionAddress)),
								 null);
		case COL_USER_AGENT:
			return pointer_value(row->user_agent, null);
		case COL_CREATED_AT:
			return TimestampTzGetDatum(row->created_at);
		case COL_AUTHENTICATED_AT:
			return time_value(row->authenticated_at, null);
		case COL_REFRESHED_AT:
			return time_value(row->refreshed_at, null);
		case COL_LAST_SEEN_AT:
			return TimestampTzGetDatum(row->last_seen_at);
		case COL_EXPIRES_AT:
			return TimestampTzGetDatum(row->expires_at);
		case COL_IDLE_TIMEOUT:
			*null = row->idle_timeout == 0;
			return length_value(row->idle_timeout);
		case COL_MAX_EXPIRES_AT:
			return time_value(row->max_expires_at, null);
		case COL_REFRESH_KEY:
			return pointer_value(row->refresh_key, null);
		case COL_REFRESH_GENERATION:
			*null = row->refresh_key == NULL;
			return Int32GetDatum(row->refresh_generation);
		case COL_REFRESH_EXPIRES_AT:
			return time_value(row->refresh_expires_at, null);
		case COL_ROTATED_AT:
			return time_value(row->rotated_at, null);
		case COL_BOUND_BY:
			*null = row->bound.by == SESSION_BOUND_NOT;
			return *null ? (Datum) 0 :
				CStringGetTextDatum(bound_names[row->bound.by]);
		case COL_BOUND_THUMBPRINT:
			*null = row->bound.by == SESSION_BOUND_NOT;
			return PointerGetDatum(cstring_to_text_with_len((const char *) row->bound.thumbprint,
															sizeof(row->bound.thumbprint)));
		case COL_BOUND_KEY:
			return pointer_value(row->bound_key, null);
		case COL_BOUND_AT:
			return time_value(row->bound_at, null);
		case COL_ANSWERED_AT:
			return time_value(row->answered_at, null);
		case COL_REVOKED_AT:
			return time_value(row->revoked_at, null);
		case COL_REVOKED_REASON:
			return pointer_value(row->revoked_reason, null);
		case COL_PURGE_AT:
			return TimestampTzGetDatum(row->purge_at);
	}
	elog(ERROR, "column %d of session.sessions is not written", column);
}

/* Runs one of the statements above.  Returns the number of rows written. */
static uint64
run_row_statement(RowStatement *statement, const SessionRow *row)
{
	Datum		values[N_COLUMNS];
	char		nulls[N_COLUMNS] = {0};

	for (int i = 0; i < statement->nparams; i++)
	{
		int			column = statement->params[i];
		bool		null;

		statement->statement.types[i] = columns[column].type;
		values[i] = column_value(row, column, &null);
		nulls[i] = null ? 'n' : ' ';
	}
	statement->statement.by_key = true;
	return session_table_execute(&statement->statement, values, nulls);
}

/* Writes one row, or errors. */
static void
write_row(RowStatement *statement, const SessionRow *row)
{
	session_table_expect(&sessions, run_row_statement(statement, row), 1);
}

/* Writes a new row; returns false if the id is taken and may be. */
bool
session_store_insert(const SessionRow *row, bool may_be_taken)
{
	SessionRow	other;
	uint64		written;

	written = run_row_statement(may_be_taken ? &insert_unless_taken_statement :
								&insert_statement, row);
	if (sessions.elsewhere)
		refuse_elsewhere();
	if (!may_be_taken)
	{
		session_table_expect(&sessions, written, 1);
		return true;
	}
	if (written == 0 && session_store_read_without_data(&row->id, &other))
		return false;
	session_table_expect(&sessions, written, 1);
	return true;
}

/* Writes last_seen_at and purge_at of a locked row. */
void
session_store_save_activity(const SessionRow *row)
{
	write_row(&activity_statement, row);
}

/* Writes the data, last_seen_at and purge_at of a locked row. */
void
session_store_save_data(const SessionRow *row)
{
	write_row(&data_statement, row);
}

/* Writes a row, or errors if it cannot or the trigger has not noted that. */
static void
write_noted(RowStatement *statement, const SessionRow *row)
{
	uint64		before = sessions.changes_noted;

	write_row(statement, row);
	session_table_expect_noted(&sessions, before, 1);
}

/* Writes what a login can change of a locked row. */
void
session_store_save_account(const SessionRow *row, bool with_data)
{
	write_noted(with_data ? &account_and_data_statement : &account_statement,
				row);
}

/* Writes what a refresh can change of a locked row. */
void
session_store_save_state(const SessionRow *row)
{
	if (memcmp(row->token_hash, row->stored_hash, SESSION_SHA256_BYTES) != 0)
		write_noted(&state_statement, row);
	else
		write_row(&state_statement, row);
}

/* Writes the key that a locked row is bound to from now on. */
void
session_store_save_bound(const SessionRow *row)
{
	write_noted(&bound_statement, row);
}

/* Writes answered_at of a locked row. */
void
session_store_save_answered(const SessionRow *row)
{
	write_row(&bound_statement, row);
	session_table_flush_commit(&sessions);
}

/* Returns the name of a way to bind a session. */
const char *
session_store_bound_name(int by)
{
	return bound_names[by];
}

/* Writes revoked_at, revoked_reason and purge_at of a locked row. */
void
session_store_save_end(const SessionRow *row)
{
	write_noted(&end_statement, row);
}

static SessionStatement ends_statement = {
	.table = &sessions,
	.sql = "UPDATE ONLY session.sessions SET revoked_at = $2, revoked_reason = $3,"
	" purge_at = $4 WHERE id OPERATOR(pg_catalog.=) ANY ($1)",
	.types = {UUIDARRAYOID, TIMESTAMPTZOID, TEXTOID, TIMESTAMPTZOID},
	.generic = true,
	.by_key = true
};

/* Makes a parameter of the ids of some rows. */
static Datum
ids_value(const List *rows)
{
	Datum	   *ids = palloc_array(Datum, list_length(rows));

	for (int i = 0; i < list_length(rows); i++)
		ids[i] = UUIDPGetDatum(&((SessionRow *) list_nth(rows, i))->id);
	return PointerGetDatum(construct_array(ids, list_length(rows), UUIDOID,
										   UUID_LEN, false, TYPALIGN_CHAR));
}

/* Writes the same end into locked rows. */
void
session_store_save_ends(const List *rows)
{
	const SessionRow *end = linitial(rows);
	uint64		count = list_length(rows);
	uint64		before = sessions.changes_noted;
	Datum		values[] = {
		ids_value(rows), TimestampTzGetDatum(end->revoked_at),
		PointerGetDatum(end->revoked_reason), TimestampTzGetDatum(end->purge_at)
	};

	session_table_expect(&sessions,
						 session_table_execute(&ends_statement, values, NULL),
						 count);
	session_table_expect_noted(&sessions, before, count);
}

/* Sets a scan key to the rows whose purge_at has passed. */
static void
init_purge_key(ScanKey key, TimestampTz now)
{
	ScanKeyInit(key, 1, BTLessEqualStrategyNumber, F_TIMESTAMPTZ_LE,
				TimestampTzGetDatum(now));
}

static SessionStatement delete_statement = {
	.table = &sessions,
	.sql = "DELETE FROM ONLY session.sessions"
	" WHERE id OPERATOR(pg_catalog.=) ANY ($1)",
	.types = {UUIDARRAYOID},
	.by_key = true
};

/* Deletes locked rows. */
static void
delete_rows(Datum *ids, int count)
{
	Datum		value = PointerGetDatum(construct_array(ids, count, UUIDOID,
														UUID_LEN, false,
														TYPALIGN_CHAR));

	session_table_expect(&sessions,
						 session_table_execute(&delete_statement, &value, NULL),
						 count);
}

/* Deletes locked rows. */
void
session_store_delete(const pg_uuid_t *ids, int count)
{
	Datum	   *values = palloc_array(Datum, count);

	for (int i = 0; i < count; i++)
		values[i] = UUIDPGetDatum(unconstify(pg_uuid_t *, &ids[i]));
	delete_rows(values, count);
	pfree(values);
}

/*
 * Locks the row of a scan if it is dead and not locked, and calls
 * before_delete for it.  Returns whether it did.  Resets the memory that this
 * took.
 */
static bool
lock_dead(SessionTableScan *scan, Relation table, TimestampTz now,
		  SessionStoreTest is_dead, SessionStoreBeforeDelete before_delete,
		  MemoryContext work)
{
	MemoryContext caller = MemoryContextSwitchTo(work);
	ItemPointerData tid = scan->slot->tts_tid;
	SessionRow	row;
	bool		held;

	/* The row is still the same once it is locked, or locking it fails. */
	load_row(&row, scan->slot, false);
	held = is_dead(&row, now) &&
		lock_tuple(table, scan->snapshot, scan->slot, &tid,
				   LockTupleExclusive, LockWaitSkip, 0) == TM_Ok;
	if (held)
		before_delete(&row, now);
	MemoryContextSwitchTo(caller);
	MemoryContextReset(work);
	return held;
}

/* Creates a memory context for reading one row at a time. */
static MemoryContext
make_row_memory(void)
{
	return AllocSetContextCreate(CurrentMemoryContext, "session row",
								 ALLOCSET_DEFAULT_SIZES);
}

/* Finds the ids of dead rows, at most limit.  Returns their number. */
int
session_store_find_dead(TimestampTz now, int limit, SessionStoreTest is_dead,
						pg_uuid_t *ids)
{
	Relation	table = open_table(AccessShareLock);
	MemoryContext work = make_row_memory();
	int			count = 0;
	ScanKeyData key;
	SessionTableScan scan;

	init_purge_key(&key, now);
	session_table_begin(&scan, table, sessions.indexes[BY_PURGE], &key);
	while (count < limit && session_table_next(&scan))
	{
		MemoryContext caller = MemoryContextSwitchTo(work);
		SessionRow	row;

		CHECK_FOR_INTERRUPTS();
		load_row(&row, scan.slot, false);
		if (is_dead(&row, now))
			ids[count++] = row.id;
		MemoryContextSwitchTo(caller);
		MemoryContextReset(work);
	}
	session_table_end(&scan);
	table_close(table, AccessShareLock);
	MemoryContextDelete(work);
	return count;
}

/* Deletes those of some rows that are still dead, within a budget. */
int
session_store_delete_dead(TimestampTz now, const pg_uuid_t *ids, int count,
						  SessionStoreTest is_dead,
						  SessionStoreBeforeDelete before_delete,
						  SessionBudget *budget, int *deleted)
{
	Relation	table = open_table(RowExclusiveLock);
	Datum	   *held = palloc_array(Datum, count);
	MemoryContext work = make_row_memory();
	int			tried = 0;
	ScanKeyData key;
	SessionTableScan scan;
	int			size;

	init_id_key(&key, &ids[0]);
	session_table_begin(&scan, table, sessions.indexes[PRIMARY_KEY], &key);
	while ((size = session_budget_next(budget, count - tried)) > 0)
	{
		int			nheld = 0;

		for (int i = tried; i < tried + size; i++)
		{
			CHECK_FOR_INTERRUPTS();
			init_id_key(&key, &ids[i]);
			session_table_rescan(&scan, &key);
			if (session_table_next(&scan) &&
				lock_dead(&scan, table, now, is_dead, before_delete,
						  work))
				held[nheld++] = UUIDPGetDatum(unconstify(pg_uuid_t *, &ids[i]));
		}
		if (nheld > 0)
			delete_rows(held, nheld);
		*deleted += nheld;
		tried += size;
	}
	session_table_end(&scan);
	MemoryContextDelete(work);
	table_close(table, NoLock);
	return tried;
}

/*
 * A column that a user has added is part of the result.  The list of what is
 * left out must have every column that proves something.
 */
static SessionStatement export_statement = {
	.table = &sessions,
	.sql = "SELECT pg_catalog.jsonb_build_object('sessions',"
	" coalesce(pg_catalog.jsonb_agg("
	" (pg_catalog.to_jsonb(s) OPERATOR(pg_catalog.-)"
	" '{token_hash,refresh_key}'::pg_catalog.text[])"
	" OPERATOR(pg_catalog.||) pg_catalog.jsonb_build_object("
	" 'data', session.session_directory_data(s.id, s.data),"
	" 'last_seen_at', session.session_directory_seen(s.id, s.created_at,"
	" s.last_seen_at))"
	" ORDER BY s.created_at, s.id), '[]'))"
	" FROM ONLY session.sessions s WHERE s.user_id OPERATOR(pg_catalog.=) $1",
	.types = {TEXTOID},
	.by_key = true
};

/* Returns the sessions of a user as JSON. */
Jsonb *
session_store_export(text *user_id)
{
	Datum		value = PointerGetDatum(user_id);

	return session_table_fetch(&export_statement, &value, NULL);
}

/* What is sealed begins with the kid: as bytes, and in base64url as text. */
static SessionStatement has_sealed_statement = {
	.table = &sessions,
	.sql = "SELECT pg_catalog.to_jsonb(EXISTS (SELECT FROM ONLY session.sessions s"
	" WHERE pg_catalog.substring(s.refresh_key, 1, pg_catalog.length($1))"
	" OPERATOR(pg_catalog.=) $1"
	" OR (pg_catalog.jsonb_typeof(s.data) OPERATOR(pg_catalog.=) 'string'"
	" AND pg_catalog.starts_with(s.data OPERATOR(pg_catalog.#>>) '{}', $2))))",
	.types = {BYTEAOID, TEXTOID}
};

/* Returns whether a row has something that is sealed with a key. */
bool
session_store_has_sealed(const uint8 *kid, size_t len, const char *kid_text)
{
	bytea	   *bytes = palloc(VARHDRSZ + len);
	Datum		values[] = {
		PointerGetDatum(bytes), CStringGetTextDatum(kid_text)
	};
	Jsonb	   *found;
	JsonbValue	value;

	SET_VARSIZE(bytes, VARHDRSZ + len);
	memcpy(VARDATA(bytes), kid, len);
	found = session_table_fetch(&has_sealed_statement, values, NULL);
	return JsonbExtractScalar(&found->root, &value) && value.val.boolean;
}

/* Visits the rows of a range of pages. */
static void
visit_pages(Relation table, Snapshot snapshot, BlockNumber first,
			BlockNumber last, SessionStoreVisit visit, void *arg)
{
	MemoryContext work = make_row_memory();
	TupleTableSlot *slot = table_slot_create(table, NULL);
	ItemPointerData from;
	ItemPointerData to;
	TableScanDesc scan;

	ItemPointerSet(&from, first, FirstOffsetNumber);
	ItemPointerSet(&to, last, MaxOffsetNumber);
	scan = table_beginscan_tidrange(table, snapshot, &from, &to);
	while (table_scan_getnextslot_tidrange(scan, ForwardScanDirection, slot))
	{
		MemoryContext caller = MemoryContextSwitchTo(work);
		SessionRow	row;

		CHECK_FOR_INTERRUPTS();
		load_row(&row, slot, false);
		visit(&row, arg);
		MemoryContextSwitchTo(caller);
		MemoryContextReset(work);
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	MemoryContextDelete(work);
}

/* Visits the rows of a random sample of pages. */
double
session_store_sample(uint32 pages, SessionStoreVisit visit, void *arg)
{
	Relation	table = open_table(AccessShareLock);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	BlockNumber total = RelationGetNumberOfBlocks(table);

	if (total <= pages)
	{
		if (total > 0)
			visit_pages(table, snapshot, 0, total - 1, visit, arg);
		pages = total;
	}
	else
	{
		/* Divide the table into equal ranges and read a page of each. */
		for (uint32 i = 0; i < pages; i++)
		{
			BlockNumber begin = (BlockNumber) ((uint64) total * i / pages);
			BlockNumber end = (BlockNumber) ((uint64) total * (i + 1) / pages);
			BlockNumber page;

			page = (BlockNumber) pg_prng_uint64_range(&pg_global_prng_state,
													  begin, end - 1);

			visit_pages(table, snapshot, page, page, visit, arg);
		}
	}
	UnregisterSnapshot(snapshot);
	table_close(table, AccessShareLock);
	return pages == 0 ? 1 : (double) total / pages;
}
