/*
 * evidence.h
 *	  Evidence: events that survive the rollback of their transaction.
 *
 * With shared memory, evidence is queued there, also by READ ONLY
 * transactions, and another transaction writes it.  Without shared memory, it
 * is written at once by a transaction that may write, and is lost in any
 * other.
 */
#ifndef SESSION_EVIDENCE_H
#define SESSION_EVIDENCE_H

#include "nodes/pg_list.h"

#include "model/policy.h"
#include "model/row.h"

/*
 * Notes that a malformed or unknown token was presented from an address (NULL
 * = unknown).  There is one event a minute for an address, or /64 of IPv6,
 * with more of them than "session.failure_threshold".
 */
extern void session_evidence_failure(const inet *ip);

/*
 * Notes a failure as session_evidence_failure does, for a token with the id of
 * a session and a wrong secret.  It counts for that session as well, across
 * all addresses.
 */
extern void session_evidence_guess(const SessionRow *row, const inet *ip);

/* Notes that a refresh token was used that had been replaced. */
extern void session_evidence_reuse(const SessionRow *row,
								   const SessionBinding *binding);

/*
 * Notes that the token of a session was presented by a request that does not
 * match its binding.  There is one event a minute for a session, with the
 * address and user agent of the first such request.
 */
extern void session_evidence_mismatch(const SessionRow *row,
									  const SessionBinding *binding);

/*
 * Notes that the token of a session was presented by a request that did not
 * prove the key that the session is bound to.  There is one event a minute for
 * a session, with the address and user agent of the first such request.
 */
extern void session_evidence_unbound(const SessionRow *row,
									 const SessionBinding *binding);

/*
 * Notes that "session.risk_function" said something other than "ok" about a
 * request for a session.  There is one event a minute for a session and a
 * result, with the address and user agent of the first such request.
 */
extern void session_evidence_risk(const SessionRow *row,
								  const SessionBinding *binding,
								  const char *risk);

/*
 * Notes that "session.risk_function" rejected a login.  The row is that of the
 * session that was not created.  There is one event a minute for its user and
 * tenant.
 */
extern void session_evidence_risk_login(const SessionRow *row,
										const char *risk);

/*
 * Notes that "session.act_as_function" did not let the user of a session act
 * as another.  There is one event a minute for a session, with the first user
 * to act as, unless the id is long.
 */
extern void session_evidence_act_as(const SessionRow *row,
									const text *user_id,
									const SessionBinding *binding);

/*
 * Sets the numbers of the entries of this database that are due, in order, at
 * most "limit".  Returns how many there are.
 */
extern int	session_evidence_find(int limit, uint64 *numbers);

/*
 * Takes entries out of the queue and writes them in the running transaction,
 * unless the extension of that time was dropped.  A rollback puts them back.
 * Returns how many were still in the queue.
 */
extern int	session_evidence_write(const uint64 *numbers, int count);

/* Writes all entries of this database, as session_evidence_write does. */
extern void session_evidence_flush(void);

/*
 * Puts off an entry that could not be written, for a minute.  Drops it if it
 * is older than an hour.
 */
extern void session_evidence_put_off(uint64 number);

/* Returns the databases that have entries that are due, a list of Oid. */
extern List *session_evidence_due(void);

/* Drops the entries of a database that was dropped or has no extension. */
extern void session_evidence_forget(Oid database);

/*
 * Returns how many entries were dropped since the server started: the queue
 * was full, the budget was used up, or they could not be written for an hour.
 */
extern uint64 session_evidence_dropped(void);

/* Requests the shared memory, and creates it under AddinShmemInitLock. */
extern void session_evidence_shmem_request(void);
extern void session_evidence_shmem_init(void);

#endif							/* SESSION_EVIDENCE_H */
