/*
 * table.h
 *	  Access to the extension's own tables, for the modules that own them.
 */
#ifndef SESSION_TABLE_H
#define SESSION_TABLE_H

#include "access/genam.h"
#include "access/htup.h"
#include "datatype/timestamp.h"
#include "executor/tuptable.h"
#include "utils/jsonb.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

#include "table/budget.h"
#include "table/declaration.h"

/*
 * Opens a table and locks it; close it with table_close.  Errors with 55000
 * and a hint if the extension is not installed or has another version, or if
 * this library cannot work with the table (see shape.c).
 */
extern Relation session_table_open(SessionTable *table, LOCKMODE mode);

/*
 * Has a function called when the definition of a relation may have changed, or
 * that of all if relid is invalid.  It must not allocate or free memory.
 */
typedef void (*SessionTableWatcher) (Oid relid);

extern void session_table_watch(SessionTableWatcher watcher);

/*
 * Returns whether the tables that prove an identity are in this database.
 * Opening them without the extension is an error.
 */
extern bool session_table_exist(void);

/*
 * Registers this database in shared memory as one that uses the library, and
 * begins the era of snapshots if there is none yet.  session_table_open calls
 * it.
 */
extern void session_table_attach(void);

/*
 * An index scan over what is committed now, and what this transaction has
 * done.
 */
typedef struct SessionTableScan
{
	Relation	index;
	Snapshot	snapshot;
	IndexScanDesc desc;
	TupleTableSlot *slot;		/* the current tuple */
	MemoryContext memory;		/* where the access method may allocate */
} SessionTableScan;

/*
 * Begins a scan of an index with a key, whose column number counts the columns
 * of the index, or of the whole index if the key is NULL.
 */
extern void session_table_begin(SessionTableScan *scan, Relation rel,
								Oid index, ScanKey key);

/*
 * Begins a scan of a whole index with the snapshot of the running statement.
 * It is for functions that are STABLE, and possible in a parallel worker.
 */
extern void session_table_begin_stable(SessionTableScan *scan, Relation rel,
									   Oid index);

/* Restarts a scan with another key and the same snapshot. */
extern void session_table_rescan(SessionTableScan *scan, ScanKey key);

/* Moves to the next tuple.  Returns false if there is none. */
extern bool session_table_next(SessionTableScan *scan);

/* Ends a scan and releases what it holds. */
extern void session_table_end(SessionTableScan *scan);

/* Returns the value of a declared column in a tuple. */
static inline Datum
session_table_value(const SessionTable *table, TupleTableSlot *slot,
					int column, bool *null)
{
	return slot_getattr(slot, table->numbers[column], null);
}

/*
 * Returns the value of a required column in a tuple.  Errors with XX001 if it
 * is NULL.
 */
extern Datum session_table_required_value(const SessionTable *table,
										  TupleTableSlot *slot, int column);

/*
 * Copies the tuple in a slot into the current memory context, and returns the
 * values of all declared columns, which point into that copy.  Errors with
 * XX001 if a required column is NULL.
 */
extern HeapTuple session_table_deform(const SessionTable *table,
									  TupleTableSlot *slot, Datum *values,
									  bool *nulls);

/*
 * Returns whether the table has a row with a time, the first column of an
 * index, at or before a given one.  Reads one index entry.
 */
extern bool session_table_has_by(SessionTable *table, int index,
								 TimestampTz time);

/*
 * Runs a statement as the owner of its table, over what is committed now.
 * Returns the number of rows of the table that it changed or locked.  The next
 * read sees its effects.  An error does not show the statement.  nulls has an
 * 'n' for each value that is NULL, and may itself be NULL.
 */
extern uint64 session_table_execute(SessionStatement *statement,
									const Datum *values, const char *nulls);

/*
 * Runs a query as the owner of its table, over what is committed now.  Returns
 * its result, which is one value of type jsonb and never NULL.
 */
extern Jsonb *session_table_fetch(SessionStatement *statement,
								  const Datum *values, const char *nulls);

/*
 * Errors with 55000 unless the expected number of rows was changed.  A rule or
 * a trigger that users have added to the table can suppress a change.
 */
extern void session_table_expect(const SessionTable *table, uint64 changed,
								 uint64 expected);

/*
 * Errors with 55000 unless the table's changes_noted has grown by the expected
 * number since it was "before".  Then our trigger is disabled, or a trigger of
 * a user has undone a change.
 */
extern void session_table_expect_noted(const SessionTable *table,
									   uint64 before, uint64 expected);

/*
 * Warns about triggers of the table that are disabled, missing, or do not fire
 * for changes that logical replication applies.
 */
extern void session_table_check_triggers(SessionTable *table);

/*
 * Deletes rows with a time, the first column of an index, at or before a given
 * one: the earliest first, at most limit and as many as the budget allows,
 * skipping locked rows.  A table has one such index.  Returns the number
 * deleted.
 */
extern int64 session_table_trim(SessionTable *table, int index,
								TimestampTz time, SessionBudget *budget,
								int limit);

/*
 * Makes the commit of this transaction wait for the disk, with every value of
 * synchronous_commit.  Has no effect on an unlogged table, which a crash
 * empties anyway, and in a worker of logical replication, which receives the
 * change again after a crash.  Call it before the change, or in a trigger that
 * the change fires, so that no change is made without it.
 */
extern void session_table_flush_commit(SessionTable *table);

#endif							/* SESSION_TABLE_H */
