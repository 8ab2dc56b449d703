/*
 * table.h
 *	  How store.c, keyring.c and their like reach the extension's own tables.
 */
#ifndef SESSION_TABLE_H
#define SESSION_TABLE_H

#include "access/genam.h"
#include "access/htup.h"
#include "datatype/timestamp.h"
#include "executor/tuptable.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

#include "table/budget.h"
#include "table/declaration.h"

/*
 * Opens the table.  Errors with 55000 and a hint when the extension is not
 * there or of another version, or when the table is one that this library
 * cannot work with.  Close it with table_close.
 */
extern Relation session_table_open(SessionTable *table, LOCKMODE mode);

/*
 * Notes that this database uses the library, and begins the era of snapshots if
 * that was not known.  session_table_open calls it.
 */
extern void session_table_attach(void);

/* A scan over what is committed now, and what this transaction did. */
typedef struct SessionTableScan
{
	Relation	index;
	Snapshot	snapshot;
	IndexScanDesc desc;
	TupleTableSlot *slot;		/* the current tuple */
	MemoryContext memory;		/* where the access method may allocate */
} SessionTableScan;

/* The keys of a scan are columns of the index. */
extern void session_table_begin(SessionTableScan *scan, Relation rel,
								Oid index, ScanKey key);

/* Begins again, for another key, over the same snapshot. */
extern void session_table_rescan(SessionTableScan *scan, ScanKey key);
extern bool session_table_next(SessionTableScan *scan);
extern void session_table_end(SessionTableScan *scan);

/* The value of a column in the current tuple. */
static inline Datum
session_table_value(const SessionTable *table, TupleTableSlot *slot,
					int column, bool *null)
{
	return slot_getattr(slot, table->numbers[column], null);
}

/*
 * Copies the current tuple into the current context and gives the values of
 * all declared columns, which point into that copy.  A required one is not
 * NULL.
 */
extern HeapTuple session_table_deform(const SessionTable *table,
									  TupleTableSlot *slot, Datum *values,
									  bool *nulls);

/*
 * Whether there is a row whose time, which comes first in an index, is not
 * after some other.  This is one look at the index.
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
 * Errors with 55000 unless as many rows were changed as had to be: a rule or a
 * trigger that a user has put on the table can suppress a change.
 */
extern void session_table_expect(const SessionTable *table, uint64 changed,
								 uint64 expected);

/*
 * Errors with 55000 if no trigger of the table has run since it had heard of so
 * many changes: it is disabled, or a user's trigger has taken the change back.
 */
extern void session_table_expect_heard(const SessionTable *table,
									   uint64 before);

/*
 * Warns of triggers of the table that are disabled or gone, or that do not fire
 * for what logical replication applies.
 */
extern void session_table_check_triggers(SessionTable *table);

/*
 * Deletes at most limit rows whose time, which comes first in an index, is not
 * after some other, earliest first, as far as the budget goes, skipping locked
 * rows.  Returns the number deleted.
 */
extern int64 session_table_trim(SessionTable *table, int index,
								TimestampTz time, SessionBudget *budget,
								int limit);

/*
 * Has the commit of this transaction flushed, whatever synchronous_commit says.
 * Does nothing when the table is kept as a cache, which no crash leaves anything
 * of, or in a worker of logical replication, which receives the change again.
 * Call it before the change or in a trigger that the change fires, so that no
 * change is there without it.
 */
extern void session_table_flush_commit(SessionTable *table);

#endif							/* SESSION_TABLE_H */
