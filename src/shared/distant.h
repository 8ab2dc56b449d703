/*
 * distant.h
 *	  Transactions of other servers that have sent their identity here.
 *
 * Such a transaction counts as ended when the first transaction here that has
 * its identity ends.  Without preloading, or without Citus, there is no shared
 * memory, and no identity is accepted.
 */
#ifndef SESSION_DISTANT_H
#define SESSION_DISTANT_H

#include "datatype/timestamp.h"
#include "wire/carried.h"

/* The setting of Citus that has it forward SET LOCAL. */
#define SESSION_DISTANT_FORWARDING "citus.propagate_set_commands"

/* How far ahead the clock of another server may be. */
#define SESSION_DISTANT_AHEAD (5 * USECS_PER_SEC)

/*
 * Sets the random number that this server has from its start to its end.
 * Returns false without shared memory.
 */
extern bool session_distant_server(uint64 *server);

/* Returns whether the library of Citus is preloaded. */
extern bool session_distant_has_citus(void);

/* Remembers that the transaction that sent a value has ended. */
extern void session_distant_end(const SessionCarried *carried);

/* What is known about a transaction. */
typedef enum SessionDistantState
{
	SESSION_DISTANT_RUNS,
	SESSION_DISTANT_ENDED,
	SESSION_DISTANT_FORGOTTEN	/* it may have ended: its value was made
								 * before others whose end is not known */
} SessionDistantState;

/* Returns what is known about the transaction that sent a value. */
extern SessionDistantState session_distant_state(const SessionCarried *carried);

/* Requests the shared memory of this module, and creates it. */
extern void session_distant_shmem_request(void);
extern void session_distant_shmem_init(void);

#endif							/* SESSION_DISTANT_H */
