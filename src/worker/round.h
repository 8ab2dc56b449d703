/*
 * round.h
 *	  One round of upkeep in one database.
 */
#ifndef SESSION_ROUND_H
#define SESSION_ROUND_H

#include "shared/database.h"

/*
 * Returns whether a round can begin in a database: it is not being dropped,
 * renamed or copied.  Called in a transaction.
 */
extern bool session_round_may_begin(Oid database);

/*
 * Returns whether it is time for a database to be cleaned: the last cleanup
 * did not finish, or began "session.cleanup_interval" ago.
 */
extern bool session_round_is_due(const SessionDatabase *database,
								 TimestampTz now);

/* The entry point of a worker; its argument is the database. */
extern PGDLLEXPORT void session_round_main(Datum arg);

#endif							/* SESSION_ROUND_H */
