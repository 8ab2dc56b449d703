/*
 * declaration.h
 *	  The declaration of one of our tables, and what is cached about it.
 */
#ifndef SESSION_DECLARATION_H
#define SESSION_DECLARATION_H

#include "access/attnum.h"

#include "table/statement.h"

#define SESSION_TABLE_SCHEMA "session"
#define SESSION_TABLE_COLUMNS 32
#define SESSION_TABLE_INDEXES 5

/* A column.  One of type text has collation "C". */
typedef struct SessionColumn
{
	const char *name;
	Oid			type;
	bool		required;		/* NOT NULL */
} SessionColumn;

/* An index, which is identified by its columns and not by its name. */
typedef struct SessionIndex
{
	Oid			method;
	int			ncolumns;
	int			columns[2];		/* numbers in the declaration of the table */
	bool		unique;
	bool		partial;		/* may omit rows with NULL in columns[0] */
} SessionIndex;

/* A table of the schema "session". */
typedef struct SessionTable
{
	const char *name;
	int			ncolumns;
	const SessionColumn *columns;
	int			nindexes;
	const SessionIndex *needed;
	bool		durable;		/* must survive a crash: never unlogged */
	bool		central;		/* its rows are on Citus' coordinator */

	/* Its triggers that must fire for every change; NULL ends the list. */
	const char *const *triggers;
	/* How many changes those triggers have noted in this backend. */
	uint64		changes_noted;

	/* What the catalogs contain; cached while relid is valid. */
	Oid			relid;
	Oid			owner;
	bool		elsewhere;		/* central, and this is a worker of Citus */
	AttrNumber	numbers[SESSION_TABLE_COLUMNS]; /* of the columns */
	Oid			indexes[SESSION_TABLE_INDEXES];
	/* The relation being looked up; invalid once its definition changes. */
	Oid			pending;
	struct SessionTable *next;	/* in the list of tables that were opened */
	bool		listed;			/* is in that list */
	SessionChecks *checks;		/* see session_checks_give */

	/* What session_table_trim runs; made at its first use. */
	SessionStatement trim;
	SessionStatement probe;
} SessionTable;

#endif							/* SESSION_DECLARATION_H */
