/*
 * table.c
 *	  How store.c, keyring.c and their like reach the extension's own tables.
 *
 * Rules:
 * - The OIDs of a table and its indexes are cached for the life of the backend
 *	 and dropped by a relcache callback; they are looked up by name in schema
 *	 "session", never through search_path, and only believed when the table
 *	 belongs to the extension and has the columns this library expects.
 * - A read takes a snapshot of its own, so a long REPEATABLE READ transaction
 *	 sees what was committed meanwhile.
 * - Plans run as the table's owner, name everything by schema, and carry
 *	 values as parameters only.  An error restores the user with the
 *	 (sub)transaction.
 * - A commit is flushed where a crash must not undo a change.  A savepoint that
 *	 is rolled back leaves the transaction with a flush it does not need, and
 *	 PREPARE TRANSACTION and COMMIT PREPARED always flush.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "engine/authority.h"
#include "engine/shared.h"
#include "engine/table.h"

#define SCHEMA "session"

/* Every table that was opened; they are static in their modules. */
static SessionTable *tables = NULL;

/* Drops what is cached about a relation, or about all of them. */
static void
forget(Datum arg, Oid relid)
{
	for (SessionTable *table = tables; table != NULL; table = table->next)
		if (!OidIsValid(relid) || relid == table->relid)
			table->relid = InvalidOid;
}

/* Has the table cleared from the cache when the catalogs change. */
static void
watch(SessionTable *table)
{
	if (tables == NULL)
		CacheRegisterRelcacheCallback(forget, (Datum) 0);
	table->next = tables;
	table->listed = true;
	tables = table;
}

/* Refuses a table that is not the one this library was built for. */
static void
check_shape(const SessionTable *table, Relation rel)
{
	TupleDesc	desc = RelationGetDescr(rel);
	Oid			extension = get_extension_oid("session", true);
	bool		ours;

	ours = OidIsValid(extension) && desc->natts == table->ncolumns &&
		getExtensionOfObject(RelationRelationId,
							 RelationGetRelid(rel)) == extension;
	for (int i = 0; ours && i < table->ncolumns; i++)
		ours = TupleDescAttr(desc, i)->atttypid == table->column_types[i];
	if (!ours)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s.%s\" is not the one this version of the "
						"session library works with", SCHEMA, table->name),
				 errhint("Run ALTER EXTENSION session UPDATE after installing "
						 "a new version.")));
}

static Oid
find_relation(const char *name)
{
	Oid			schema = get_namespace_oid(SCHEMA, true);
	Oid			relid = InvalidOid;

	if (OidIsValid(schema))
		relid = get_relname_relid(name, schema);
	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("relation \"%s.%s\" does not exist", SCHEMA, name),
				 errhint("Run CREATE EXTENSION session, or ALTER EXTENSION "
						 "session UPDATE.")));
	return relid;
}

/*
 * Fills the cache.  Nothing is assigned before everything is found, because
 * looking can deliver an invalidation.
 */
static void
remember(SessionTable *table, Relation rel)
{
	Oid			indexes[SESSION_TABLE_INDEXES] = {InvalidOid};

	for (int i = 0; i < SESSION_TABLE_INDEXES; i++)
		if (table->index_names[i] != NULL)
			indexes[i] = find_relation(table->index_names[i]);
	memcpy(table->indexes, indexes, sizeof(indexes));
	table->owner = rel->rd_rel->relowner;
	table->relid = RelationGetRelid(rel);
	session_shared_attach();
}

/*
 * Taking the lock is what delivers invalidations, so what is cached is only
 * trusted from then on.
 */
Relation
session_table_open(SessionTable *table, LOCKMODE mode)
{
	Relation	rel;

	if (!table->listed)
		watch(table);
	if (OidIsValid(table->relid))
	{
		rel = try_table_open(table->relid, mode);
		if (rel != NULL && OidIsValid(table->relid))
		{
			/* The worker may have found the extension gone, before. */
			session_shared_attach();
			return rel;
		}
		if (rel != NULL)
			table_close(rel, mode);
		table->relid = InvalidOid;
	}

	rel = try_table_open(find_relation(table->name), mode);
	if (rel == NULL)			/* dropped meanwhile; is it back? */
		return session_table_open(table, mode);
	check_shape(table, rel);
	remember(table, rel);
	return rel;
}

void
session_table_begin(SessionTableScan *scan, Relation rel, Oid index,
					ScanKey key)
{
	scan->memory = CurrentMemoryContext;
	scan->index = index_open(index, AccessShareLock);
	scan->snapshot = RegisterSnapshot(GetLatestSnapshot());
	scan->slot = table_slot_create(rel, NULL);
	scan->desc = session_compat_beginscan(rel, scan->index, scan->snapshot,
										  key == NULL ? 0 : 1);
	session_table_rescan(scan, key);
}

void
session_table_rescan(SessionTableScan *scan, ScanKey key)
{
	index_rescan(scan->desc, key, key == NULL ? 0 : 1, NULL, 0);
}

bool
session_table_next(SessionTableScan *scan)
{
	/* btree keeps what it allocates on the way until the scan ends. */
	MemoryContext caller = MemoryContextSwitchTo(scan->memory);
	bool		found = index_getnext_slot(scan->desc, ForwardScanDirection,
										   scan->slot);

	MemoryContextSwitchTo(caller);
	return found;
}

void
session_table_end(SessionTableScan *scan)
{
	index_endscan(scan->desc);
	ExecDropSingleTupleTableSlot(scan->slot);
	UnregisterSnapshot(scan->snapshot);
	index_close(scan->index, AccessShareLock);
}

bool
session_table_has_by(SessionTable *table, int index, TimestampTz time)
{
	Relation	rel = session_table_open(table, AccessShareLock);
	SessionTableScan scan;
	ScanKeyData key;
	bool		found;

	ScanKeyInit(&key, 1, BTLessEqualStrategyNumber, F_TIMESTAMPTZ_LE,
				TimestampTzGetDatum(time));
	session_table_begin(&scan, rel, table->indexes[index], &key);
	found = session_table_next(&scan);
	session_table_end(&scan);
	table_close(rel, AccessShareLock);
	return found;
}

/* Prepares a statement on first use and keeps its plan for the backend. */
static SPIPlanPtr
saved_plan(const char *sql, int nparams, Oid *types, SPIPlanPtr *plan)
{
	if (*plan == NULL)
	{
		SPIPlanPtr	fresh = SPI_prepare(sql, nparams, types);

		if (fresh == NULL || SPI_keepplan(fresh) != 0)
			elog(ERROR, "could not prepare \"%s\": %s", sql,
				 SPI_result_code_string(SPI_result));
		*plan = fresh;
	}
	return *plan;
}

uint64
session_table_execute(SessionTable *table, const char *sql, int nparams,
					  Oid *types, Datum *values, const char *nulls,
					  SPIPlanPtr *plan)
{
	SessionAuthority before;
	uint64		processed;
	int			code;

	table_close(session_table_open(table, AccessShareLock), AccessShareLock);
	session_authority_take(&before, table->owner);
	SPI_connect();
	code = SPI_execute_snapshot(saved_plan(sql, nparams, types, plan),
								values, nulls, GetLatestSnapshot(),
								InvalidSnapshot, false, true, 0);
	if (code < 0)
		elog(ERROR, "could not execute \"%s\": %s", sql,
			 SPI_result_code_string(code));
	processed = SPI_processed;
	SPI_finish();
	session_authority_give_back(&before);
	CommandCounterIncrement();
	return processed;
}

void
session_table_flush_commit(SessionTable *table)
{
	Relation	rel = session_table_open(table, AccessShareLock);

	if (RelationIsPermanent(rel))
		ForceSyncCommit();
	table_close(rel, AccessShareLock);
}
