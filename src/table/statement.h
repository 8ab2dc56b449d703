/*
 * statement.h
 *	  Running the library's own statements.
 */
#ifndef SESSION_STATEMENT_H
#define SESSION_STATEMENT_H

#include "table/checks.h"

#define SESSION_STATEMENT_PARAMS 32

/*
 * A statement that changes or locks rows of one of our tables.  A module
 * declares its statements as static variables; see session_table_execute.
 */
typedef struct SessionStatement
{
	struct SessionTable *table;
	const char *sql;
	/* The types of the parameters; InvalidOid ends the list. */
	Oid			types[SESSION_STATEMENT_PARAMS + 1];
	bool		generic;		/* no plan for particular values is better */
	bool		by_key;			/* an index finds the rows, however few */
	/* Saved at the first use for the life of the backend. */
	struct CachedPlanSource *plan;
} SessionStatement;

/* The table that a statement works on. */
typedef struct SessionTarget
{
	Oid			owner;			/* the role that runs the statement */
	Oid			relid;
	SessionChecks **checks;		/* see session_checks_give */
} SessionTarget;

/*
 * Runs a statement as the owner of the table, over what is committed now.
 * Returns the number of rows of the table that it changed or locked.  nulls
 * has an 'n' for each value that is NULL, and may itself be NULL.
 */
extern uint64 session_statement_execute(SessionStatement *statement,
										const SessionTarget *target,
										const Datum *values,
										const char *nulls);

/*
 * Runs a query as the owner of the table, over what is committed now.  Returns
 * the first value of its first row, in the current memory context; *null =
 * there is none.
 */
extern Datum session_statement_fetch(SessionStatement *statement,
									 const SessionTarget *target,
									 const Datum *values, const char *nulls,
									 bool *null);

/*
 * Runs a utility statement, which is formatted as by printf, as a role.  The
 * attribute is not pg_attribute_printf, because clang does not know the one
 * that the headers of a server built with gcc expand that to.
 */
extern void session_statement_run(Oid role, const char *format,...)
			__attribute__((format(printf, 2, 3)));

#endif							/* SESSION_STATEMENT_H */
