/*
 * table.c
 *	  Access to the extension's own tables, for the modules that own them.
 *
 * Rules:
 * - The OID of a table, its column numbers and its index OIDs are cached for
 *	 the life of the backend, and dropped by a relcache callback.  The table is
 *	 looked up by name in schema "session", never through search_path, and is
 *	 used only if shape.c finds it as declared.
 * - A read takes a snapshot of its own, so a long REPEATABLE READ transaction
 *	 sees what was committed meanwhile.
 * - Statements run as the table's owner, qualify every name with a schema, and
 *	 receive values only as parameters.  After an error, the end of the
 *	 transaction or subtransaction restores the user.
 * - A commit is flushed where a crash must not undo a change.  After a
 *	 rollback to a savepoint, the commit is flushed although that is no longer
 *	 needed.  PREPARE TRANSACTION and COMMIT PREPARED always flush.  A worker
 *	 of logical replication receives again what a crash undoes, because it
 *	 reports only what is flushed; its commits follow the setting of the
 *	 subscription.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "replication/logicalworker.h"
#include "storage/lmgr.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "shared/database.h"
#include "shared/revocation.h"
#include "shared/stamp.h"
#include "table/shape.h"
#include "table/table.h"

/* The tables that were opened; they are static variables of their modules. */
static SessionTable *tables = NULL;

/* Functions of other modules that are called when a relation changes. */
#define WATCHERS 4
static SessionTableWatcher watchers[WATCHERS];
static int	nwatchers = 0;

/* Drops what is cached about a relation, or about all if relid is invalid. */
static void
forget_table(Datum arg, Oid relid)
{
	for (int i = 0; i < nwatchers; i++)
		watchers[i] (relid);
	for (SessionTable *table = tables; table != NULL; table = table->next)
	{
		if (!OidIsValid(relid) || relid == table->relid)
		{
			table->relid = InvalidOid;
			/* It may have been dropped, with the sessions in it. */
			session_stamp_note_here();
		}
		if (!OidIsValid(relid) || relid == table->pending)
			table->pending = InvalidOid;
	}
}

/*
 * Registers the callback.  A backend has room for few of them, and Citus takes
 * half of these, so this library has only one.
 */
static void
watch_relations(void)
{
	static bool watching = false;

	if (!watching)
		CacheRegisterRelcacheCallback(forget_table, (Datum) 0);
	watching = true;
}

/* Has a function called when a relation changes. */
void
session_table_watch(SessionTableWatcher watcher)
{
	if (nwatchers == WATCHERS)
		elog(ERROR, "too many functions watch relations");
	watch_relations();
	watchers[nwatchers++] = watcher;
}

/* Registers a table, so that catalog changes clear what is cached. */
static void
watch_table(SessionTable *table)
{
	watch_relations();
	table->next = tables;
	table->listed = true;
	tables = table;
}

/* Registers this database in shared memory as one that uses the library. */
void
session_table_attach(void)
{
	if (session_database_attach())
	{
		session_revocation_begin_era();
		session_stamp_begin();
	}
}

/* Returns the OID of one of our tables; errors if it does not exist. */
static Oid
find_relation(const char *name)
{
	Oid			schema = get_namespace_oid(SESSION_TABLE_SCHEMA, true);
	Oid			relid = InvalidOid;

	if (OidIsValid(schema))
		relid = get_relname_relid(name, schema);
	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("relation \"%s.%s\" does not exist",
						SESSION_TABLE_SCHEMA, name),
				 errhint("Run CREATE EXTENSION session, or ALTER EXTENSION "
						 "session UPDATE.")));
	return relid;
}

/*
 * Fills the cache.  The look-ups can deliver an invalidation.  Then relid
 * stays invalid: what was found is correct while the table is locked, and is
 * looked up again the next time.
 */
static void
cache_relation(SessionTable *table, Relation rel)
{
	SessionShape shape;

	table->pending = RelationGetRelid(rel);
	session_shape_find(&shape, table, rel);
	memcpy(table->numbers, shape.numbers, sizeof(table->numbers));
	memcpy(table->indexes, shape.indexes, sizeof(table->indexes));
	table->owner = rel->rd_rel->relowner;
	table->elsewhere = shape.elsewhere;
	table->relid = table->pending;
	session_table_attach();
}

/*
 * Opens the relation that the cache names.  Returns NULL if the cache names
 * none or turns out to be outdated: invalidations arrive with the lock, so
 * what is cached can be relied on only after that.  The relation then exists
 * for sure, and need not be looked up in the catalog.
 */
static Relation
open_cached(SessionTable *table, LOCKMODE mode)
{
	Oid			relid = table->relid;

	if (!OidIsValid(relid))
		return NULL;
	LockRelationOid(relid, mode);
	if (!OidIsValid(table->relid))
	{
		UnlockRelationOid(relid, mode);
		return NULL;
	}
	/* The worker may have seen the database without the extension. */
	session_table_attach();
	return relation_open(relid, NoLock);
}

/* Returns whether the tables of the extension are in this database. */
bool
session_table_exist(void)
{
	Oid			schema = get_namespace_oid(SESSION_TABLE_SCHEMA, true);

	return OidIsValid(schema) &&
		OidIsValid(get_relname_relid("sessions", schema)) &&
		OidIsValid(get_relname_relid("denylist", schema)) &&
		OidIsValid(get_relname_relid("policies", schema));
}

/* Opens a table, after checking that this library can work with it. */
Relation
session_table_open(SessionTable *table, LOCKMODE mode)
{
	Relation	rel;

	if (!table->listed)
		watch_table(table);
	rel = open_cached(table, mode);
	if (rel != NULL)
		return rel;
	/* A relation that is dropped before it is locked is looked up again. */
	while (rel == NULL)
		rel = try_relation_open(find_relation(table->name), mode);
	cache_relation(table, rel);
	return rel;
}

/* Begins a scan of an index with a snapshot. */
static void
begin_scan(SessionTableScan *scan, Relation rel, Oid index, ScanKey key,
		   Snapshot snapshot)
{
	scan->memory = CurrentMemoryContext;
	scan->index = index_open(index, AccessShareLock);
	scan->snapshot = RegisterSnapshot(snapshot);
	scan->slot = table_slot_create(rel, NULL);
	scan->desc = session_compat_beginscan(rel, scan->index, scan->snapshot,
										  key == NULL ? 0 : 1);
	session_table_rescan(scan, key);
}

/* Begins a scan of an index, over what is committed now. */
void
session_table_begin(SessionTableScan *scan, Relation rel, Oid index,
					ScanKey key)
{
	begin_scan(scan, rel, index, key, GetLatestSnapshot());
}

/* Begins a scan of a whole index with the snapshot of the statement. */
void
session_table_begin_stable(SessionTableScan *scan, Relation rel, Oid index)
{
	begin_scan(scan, rel, index, NULL, GetActiveSnapshot());
}

/* Restarts a scan with another key and the same snapshot. */
void
session_table_rescan(SessionTableScan *scan, ScanKey key)
{
	index_rescan(scan->desc, key, key == NULL ? 0 : 1, NULL, 0);
}

/* Moves to the next tuple.  Returns false if there is none. */
bool
session_table_next(SessionTableScan *scan)
{
	/* What btree allocates during a scan must live until its end. */
	MemoryContext caller = MemoryContextSwitchTo(scan->memory);
	bool		found = index_getnext_slot(scan->desc, ForwardScanDirection,
										   scan->slot);

	MemoryContextSwitchTo(caller);
	return found;
}

/* Ends a scan and releases what it holds. */
void
session_table_end(SessionTableScan *scan)
{
	index_endscan(scan->desc);
	ExecDropSingleTupleTableSlot(scan->slot);
	UnregisterSnapshot(scan->snapshot);
	index_close(scan->index, AccessShareLock);
}

/* Errors if a required column of a row is NULL. */
static void
check_required(const SessionTable *table, int column, bool null)
{
	/* 18 has NOT NULL constraints that older rows may violate. */
	if (null && table->columns[column].required)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("column \"%s\" of table \"%s.%s\" contains null values",
						table->columns[column].name, SESSION_TABLE_SCHEMA,
						table->name)));
}

/* Returns the value of a required column in a tuple. */
Datum
session_table_required_value(const SessionTable *table, TupleTableSlot *slot,
							 int column)
{
	bool		null;
	Datum		value = session_table_value(table, slot, column, &null);

	check_required(table, column, null);
	return value;
}

/* Copies a tuple and returns the values of all declared columns. */
HeapTuple
session_table_deform(const SessionTable *table, TupleTableSlot *slot,
					 Datum *values, bool *nulls)
{
	TupleDesc	desc = slot->tts_tupleDescriptor;
	HeapTuple	tuple = ExecCopySlotHeapTuple(slot);
	Datum	   *all = palloc(desc->natts * (sizeof(Datum) + sizeof(bool)));
	bool	   *all_nulls = (bool *) (all + desc->natts);

	heap_deform_tuple(tuple, desc, all, all_nulls);
	for (int i = 0; i < table->ncolumns; i++)
	{
		AttrNumber	number = table->numbers[i];

		values[i] = all[number - 1];
		nulls[i] = all_nulls[number - 1];
		check_required(table, i, nulls[i]);
	}
	pfree(all);
	return tuple;
}

/* Returns whether the table has a row with a time at or before a given one. */
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

/* Finds the table of a statement. */
static void
find_target(SessionTarget *target, SessionTable *table)
{
	Relation	rel = session_table_open(table, AccessShareLock);

	target->owner = table->owner;
	target->relid = RelationGetRelid(rel);
	target->checks = &table->checks;
	table_close(rel, AccessShareLock);
}

/* Runs a statement as the owner of its table, over what is committed now. */
uint64
session_table_execute(SessionStatement *statement, const Datum *values,
					  const char *nulls)
{
	SessionTarget target;

	find_target(&target, statement->table);
	return session_statement_execute(statement, &target, values, nulls);
}

/* Runs a query as the owner of its table; its result is one value. */
Jsonb *
session_table_fetch(SessionStatement *statement, const Datum *values,
					const char *nulls)
{
	SessionTarget target;
	bool		null;
	Datum		value;

	find_target(&target, statement->table);
	value = session_statement_fetch(statement, &target, values, nulls, &null);
	if (null)
		elog(ERROR, "a query of table \"%s.%s\" has no result",
			 SESSION_TABLE_SCHEMA, statement->table->name);
	return DatumGetJsonbP(value);
}

/* Errors with 55000 unless the expected number of rows was changed. */
void
session_table_expect(const SessionTable *table, uint64 changed,
					 uint64 expected)
{
	if (changed != expected)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("could not change table \"%s.%s\"",
						SESSION_TABLE_SCHEMA, table->name),
				 errdetail("%llu of %llu rows were changed.",
						   (unsigned long long) changed,
						   (unsigned long long) expected),
				 errhint("Look for a rule or a trigger on the table that "
						 "suppresses changes.")));
}

/* Errors with 55000 if our trigger has noted fewer changes than expected. */
void
session_table_expect_noted(const SessionTable *table, uint64 before,
						   uint64 expected)
{
	if (table->changes_noted - before < expected)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("trigger \"%s\" of table \"%s.%s\" did not fire",
						table->triggers[0], SESSION_TABLE_SCHEMA, table->name),
				 errhint("Run ALTER TABLE %s.%s ENABLE ALWAYS TRIGGER %s, and "
						 "look for other triggers that undo changes.",
						 SESSION_TABLE_SCHEMA, table->name,
						 table->triggers[0])));
}

/* Returns whether a trigger exists and fires for every change. */
static bool
always_fires(Relation rel, const char *name)
{
	for (int i = 0; rel->trigdesc != NULL && i < rel->trigdesc->numtriggers; i++)
		if (strcmp(rel->trigdesc->triggers[i].tgname, name) == 0)
			return rel->trigdesc->triggers[i].tgenabled == TRIGGER_FIRES_ALWAYS;
	return false;
}

/* Warns about triggers of the table that do not fire for every change. */
void
session_table_check_triggers(SessionTable *table)
{
	Relation	rel = session_table_open(table, AccessShareLock);

	for (int i = 0; table->triggers[i] != NULL; i++)
		if (!always_fires(rel, table->triggers[i]))
			ereport(WARNING,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("trigger \"%s\" of table \"%s.%s\" does not fire "
							"for every change", table->triggers[i],
							SESSION_TABLE_SCHEMA, table->name),
					 errdetail("Snapshots and other backends do not notice "
							   "changes that are made without it."),
					 errhint("Run ALTER TABLE %s.%s ENABLE ALWAYS TRIGGER %s.",
							 SESSION_TABLE_SCHEMA, table->name,
							 table->triggers[i])));
	table_close(rel, AccessShareLock);
}

/*
 * Makes the statement that deletes the rows of a table whose time has come,
 * and the one that only locks the first of them.
 */
static void
declare_trim(SessionTable *table, int index)
{
	const char *time = table->columns[table->needed[index].columns[0]].name;
	SessionStatement statement = {.table = table,.by_key = true,
	.types = {TIMESTAMPTZOID, INT8OID}};
	MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);

	table->probe = table->trim = statement;
	table->probe.sql =
		psprintf("SELECT t.ctid FROM ONLY " SESSION_TABLE_SCHEMA ".%s t"
				 " WHERE t.%s OPERATOR(pg_catalog.<=) $1"
				 " ORDER BY t.%s LIMIT $2 FOR UPDATE SKIP LOCKED",
				 table->name, time, time);
	table->trim.sql =
		psprintf("DELETE FROM ONLY " SESSION_TABLE_SCHEMA ".%s"
				 " WHERE ctid OPERATOR(pg_catalog.=) ANY (ARRAY(%s))",
				 table->name, table->probe.sql);
	MemoryContextSwitchTo(caller);
}

/* Runs one of the two statements.  Returns the number of rows. */
static uint64
run_trim(SessionStatement *statement, TimestampTz time, int limit)
{
	Datum		values[] = {TimestampTzGetDatum(time), Int64GetDatum(limit)};

	return session_table_execute(statement, values, NULL);
}

/*
 * Deletes rows, at most limit.  Errors if a rule or trigger keeps all of them.
 */
static int64
trim_some(SessionTable *table, TimestampTz time, int limit)
{
	uint64		deleted = run_trim(&table->trim, time, limit);

	/*
	 * No row was deleted: either other transactions have locked all of them,
	 * which the probe tells, or something on the table keeps them.
	 */
	if (deleted == 0)
	{
		uint64		locked = run_trim(&table->probe, time, 1);

		if (locked > 0)
			deleted = run_trim(&table->trim, time, limit);
		if (deleted == 0)
			session_table_expect(table, deleted, locked);
	}
	return (int64) deleted;
}

/* Deletes rows with a time at or before a given one, within a budget. */
int64
session_table_trim(SessionTable *table, int index, TimestampTz time,
				   SessionBudget *budget, int limit)
{
	int64		deleted = 0;
	int			size;

	if (!session_table_has_by(table, index, time))
		return 0;
	if (table->trim.sql == NULL)
		declare_trim(table, index);
	while ((size = session_budget_next(budget, limit - (int) deleted)) > 0)
	{
		int64		some = trim_some(table, time, size);

		deleted += some;
		if (some < size)
			break;
	}
	return deleted;
}

/* Makes the commit of this transaction wait for the disk. */
void
session_table_flush_commit(SessionTable *table)
{
	Relation	rel;

	if (IsLogicalWorker())
		return;
	rel = session_table_open(table, AccessShareLock);
	if (RelationIsPermanent(rel))
		ForceSyncCommit();
	table_close(rel, AccessShareLock);
}
