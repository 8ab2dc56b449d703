/*
 * distant.h
 *	  Transactions of other servers whose identities came here.
 *
 * Such a transaction has ended when the first of its transactions here has.
 * Without preloading there is no shared memory, and no identity comes here.
 */
#ifndef SESSION_DISTANT_H
#define SESSION_DISTANT_H

#include "datatype/timestamp.h"
#include "wire/carried.h"

/* How far ahead the clock of another server may be. */
#define SESSION_DISTANT_AHEAD (5 * USECS_PER_SEC)

/*
 * Sets the random number that this server has from its start to its end.
 * Returns false without shared memory.
 */
extern bool session_distant_server(uint64 *server);

/* Remembers that the transaction has ended that sent an identity. */
extern void session_distant_end(const SessionCarried *carried);

/* Returns whether it is known to have ended. */
extern bool session_distant_has_ended(const SessionCarried *carried);

/*
 * Returns whether it has ended, or may have: a value that was not sent later
 * than one whose end had to be forgotten.
 */
extern bool session_distant_may_have_ended(const SessionCarried *carried);

/* Requests the shared memory of this module, and creates it. */
extern void session_distant_shmem_request(void);
extern void session_distant_shmem_init(void);

#endif							/* SESSION_DISTANT_H */
