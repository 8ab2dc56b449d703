/*
 * table.h
 *	  How store.c, keyring.c and their like reach the extension's own tables.
 */
#ifndef SESSION_TABLE_H
#define SESSION_TABLE_H

#include "access/genam.h"
#include "datatype/timestamp.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

#define SESSION_TABLE_INDEXES 4

/* One table of ours: what it is called and what it must look like. */
typedef struct SessionTable
{
	const char *name;			/* within the schema "session" */
	int			ncolumns;
	const Oid  *column_types;
	const char *index_names[SESSION_TABLE_INDEXES];

	/* What the catalogs say; cached while relid is valid. */
	Oid			relid;
	Oid			owner;
	Oid			indexes[SESSION_TABLE_INDEXES];
	struct SessionTable *next;	/* in the list of those that were opened */
	bool		listed;
} SessionTable;

/*
 * Opens the table; errors when the extension is not there, or is of another
 * version.  Close it with table_close.
 */
extern Relation session_table_open(SessionTable *table, LOCKMODE mode);

/* A scan over what is committed now, and what this transaction did. */
typedef struct SessionTableScan
{
	Relation	index;
	Snapshot	snapshot;
	IndexScanDesc desc;
	TupleTableSlot *slot;		/* the current tuple */
	MemoryContext memory;		/* where the access method may allocate */
} SessionTableScan;

extern void session_table_begin(SessionTableScan *scan, Relation rel,
								Oid index, ScanKey key);

/* Begins again, for another key, over the same snapshot. */
extern void session_table_rescan(SessionTableScan *scan, ScanKey key);
extern bool session_table_next(SessionTableScan *scan);
extern void session_table_end(SessionTableScan *scan);

/*
 * Is there a row whose time, which comes first in an index, is not after some
 * other?  One look at the index tells.
 */
extern bool session_table_has_by(SessionTable *table, int index,
								 TimestampTz time);

/*
 * Runs a statement as the table's owner, over what is committed now, and
 * returns how many rows it processed.  Its effects are visible to the next
 * read.  The plan is kept in *plan for the life of the backend.
 */
extern uint64 session_table_execute(SessionTable *table, const char *sql,
									int nparams, Oid *types, Datum *values,
									const char *nulls, SPIPlanPtr *plan);

/*
 * Has the commit of the running transaction flush to disk, whatever
 * "synchronous_commit" says.  Call it with a change of the table that a crash
 * must not undo.  Does nothing for an unlogged table, which a crash empties.
 */
extern void session_table_flush_commit(SessionTable *table);

#endif							/* SESSION_TABLE_H */
