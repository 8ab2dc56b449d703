/*
 * evidence.h
 *	  Events that must not be undone by the transaction that causes them.
 *
 * With shared memory they are queued there, from READ ONLY transactions too,
 * and another transaction writes them, so they survive the rollback of the one
 * they happened in.  Without it they are written at once in a transaction that
 * may write, and not at all in another.
 */
#ifndef SESSION_EVIDENCE_H
#define SESSION_EVIDENCE_H

#include "nodes/pg_list.h"

#include "model/policy.h"
#include "model/row.h"

/*
 * A token that no session has, or that is none, was presented from an address
 * (NULL = not said).  One event a minute and address, or /64 of IPv6, tells of
 * more than "session.failure_threshold".
 */
extern void session_evidence_failure(const inet *ip);

/*
 * The same, for a wrong secret of a session that exists.  It counts for that
 * session as well, from whatever addresses.
 */
extern void session_evidence_guess(const SessionRow *row, const inet *ip);

/* A refresh token that had been replaced was used, from somewhere. */
extern void session_evidence_reuse(const SessionRow *row,
								   const SessionBinding *binding);

/*
 * The token of a session was presented from elsewhere.  One event a minute and
 * session has the address and user agent of the first such request.
 */
extern void session_evidence_mismatch(const SessionRow *row,
									  const SessionBinding *binding);

/* Finds the numbers of what is queued for this database, in order; how many? */
extern int	session_evidence_find(int limit, uint64 *numbers);

/*
 * Writes some of it in the running transaction, and returns how many were there
 * still.  A rollback puts it back into the queue.
 */
extern int	session_evidence_write(const uint64 *numbers, int count);

/* Has one that could not be written wait; after an hour of that, drops it. */
extern void session_evidence_put_off(uint64 number);

/* The databases that have something to be written, a list of Oid. */
extern List *session_evidence_due(void);

/* Drops what is queued for a database that is gone. */
extern void session_evidence_forget(Oid database);

/* What was lost because the queue was full, since the server started. */
extern uint64 session_evidence_dropped(void);

/* Ask for shared memory, and make it while AddinShmemInitLock is held. */
extern void session_evidence_shmem_request(void);
extern void session_evidence_shmem_init(void);

#endif							/* SESSION_EVIDENCE_H */
