/*
 * carry.h
 *	  Identities on their way from one server to another.
 *
 * A server that has a key of the purpose "context" can send the identity of a
 * transaction to servers that have the same key.
 */
#ifndef SESSION_CARRY_H
#define SESSION_CARRY_H

#include "datatype/timestamp.h"
#include "wire/carried.h"

/*
 * Returns whether this server sends identities: the libraries are preloaded,
 * and there is a key.
 */
extern bool session_carry_sends(void);

/*
 * Returns the value that sends an identity, written as text, from the running
 * transaction to a connection of the current user on another server.  An empty
 * text sends that no identity is bound.
 */
extern char *session_carry_value(const char *identity);

/* How a value came here. */
typedef enum SessionAccept
{
	SESSION_ACCEPT_NONE,		/* not as another server sends it */
	SESSION_ACCEPT_UNSAFE,		/* so, but another library has seen it first */
	SESSION_ACCEPT_SENT			/* as a client's statement SET LOCAL */
} SessionAccept;

/* What a value that came here is. */
typedef enum SessionCarryVerdict
{
	SESSION_CARRY_REFUSED,		/* it is not valid here */
	SESSION_CARRY_OTHER_ROLE,	/* it is for a connection of another role */
	SESSION_CARRY_LATE,			/* it was valid, and is too old now */
	SESSION_CARRY_GOOD
} SessionCarryVerdict;

/*
 * Judges a value that came here, and sets what it says, in memory of the
 * caller.  If it is refused, sets the reason, as a sentence.
 */
extern SessionCarryVerdict session_carry_judge(SessionCarried *carried,
											   const char **why,
											   const char *value,
											   SessionAccept accept);

/*
 * Remembers that the running transaction has accepted a value, so that the end
 * of that transaction is the end of the value.
 */
extern void session_carry_accept(const SessionCarried *carried);

/*
 * Errors if the transaction that sent the accepted value has ended, if its
 * session has ended, at a time that is given, or if the value is minutes old.
 */
extern void session_carry_check(TimestampTz end);

#endif							/* SESSION_CARRY_H */
