/*
 * checks.h
 *	  The expressions of CHECK constraints, kept from statement to statement.
 */
#ifndef SESSION_CHECKS_H
#define SESSION_CHECKS_H

/* The expressions of the constraints of one table. */
typedef struct SessionChecks SessionChecks;

struct EState;

/*
 * Gives the expressions to a statement that is about to be executed, if it
 * inserts or updates rows of a relation.  *kept starts as NULL; call this with
 * the role that executes the statement.
 */
extern void session_checks_give(SessionChecks **kept, struct EState *estate,
								Oid relid);

#endif							/* SESSION_CHECKS_H */
