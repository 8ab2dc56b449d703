/*
 * declaration.h
 *	  What a module declares about its table, and what is cached about it.
 */
#ifndef SESSION_DECLARATION_H
#define SESSION_DECLARATION_H

#include "access/attnum.h"

#include "table/statement.h"

#define SESSION_TABLE_SCHEMA "session"
#define SESSION_TABLE_COLUMNS 32
#define SESSION_TABLE_INDEXES 4

/* A column: text has collation "C". */
typedef struct SessionColumn
{
	const char *name;
	Oid			type;
	bool		required;		/* NOT NULL */
} SessionColumn;

/* An index by what it serves, whatever its name. */
typedef struct SessionIndex
{
	Oid			method;
	int			ncolumns;
	int			columns[2];		/* numbers in the declaration of the table */
	bool		unique;
	bool		partial;		/* may leave out NULL in the first column */
} SessionIndex;

/* One of our tables: its name in the schema "session", and what it needs. */
typedef struct SessionTable
{
	const char *name;
	int			ncolumns;
	const SessionColumn *columns;
	int			nindexes;
	const SessionIndex *needed;
	bool		durable;		/* must survive a crash: never unlogged */

	/* Its triggers that must fire for every change, NULL at the end. */
	const char *const *triggers;
	uint64		changes_heard;	/* how often this backend ran one of them */

	/* What the catalogs say; cached while relid is valid. */
	Oid			relid;
	Oid			owner;
	AttrNumber	numbers[SESSION_TABLE_COLUMNS]; /* of the columns */
	Oid			indexes[SESSION_TABLE_INDEXES];
	Oid			pending;		/* is being looked up and has not changed */
	struct SessionTable *next;	/* in the list of those that were opened */
	bool		listed;

	/* What session_table_trim runs; made at its first use. */
	SessionStatement trim;
	SessionStatement probe;
} SessionTable;

#endif							/* SESSION_DECLARATION_H */
