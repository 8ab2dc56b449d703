/*
 * forward.h
 *	  Sends the identity of a transaction to the other servers of Citus.
 */
#ifndef SESSION_FORWARD_H
#define SESSION_FORWARD_H

/*
 * Sends the bound identity, or that there is none, if the other servers of the
 * transaction have another one.  Called by the hooks of live.c before a
 * statement runs, also one inside another; loading = a statement that inserts
 * or copies rows runs.  Does nothing without Citus, without a key of the
 * purpose "context", or outside of a transaction block.
 */
extern void session_forward_identity(bool loading);

#endif							/* SESSION_FORWARD_H */
