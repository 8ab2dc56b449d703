/*
 * round.h
 *	  One round of upkeep in one database.
 */
#ifndef SESSION_ROUND_H
#define SESSION_ROUND_H

#include "shared/database.h"

/*
 * Could a round begin in a database, or is it being dropped or copied?  Within
 * a transaction.
 */
extern bool session_round_may_begin(Oid database);

/* Is it time for a database to be cleaned? */
extern bool session_round_is_due(const SessionDatabase *database,
								 TimestampTz now);

/* Where a worker begins; its argument is the database. */
extern PGDLLEXPORT void session_round_main(Datum arg);

#endif							/* SESSION_ROUND_H */
