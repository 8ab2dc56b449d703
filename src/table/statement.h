/*
 * statement.h
 *	  Running the library's own statements.
 */
#ifndef SESSION_STATEMENT_H
#define SESSION_STATEMENT_H

/* A prepared statement, kept for the life of the backend; NULL = not yet. */
typedef struct CachedPlanSource *SessionPlan;

/*
 * Runs a statement that changes or locks rows of a relation, over what is
 * committed now, and returns how many rows of it were changed or locked.
 * Prepares the statement on first use.  nulls may be NULL.
 */
extern uint64 session_statement_execute(SessionPlan *plan, const char *sql,
										Oid relid, int nparams, Oid *types,
										Datum *values, const char *nulls);

/* Runs a utility statement. */
extern void session_statement_run(const char *sql);

#endif							/* SESSION_STATEMENT_H */
