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

/* The setting of Citus that has it forward SET LOCAL. */
#define SESSION_CARRY_FORWARDING "citus.propagate_set_commands"

/*
 * Returns whether this server sends identities: the library of Citus is
 * loaded, and there is a key.
 */
extern bool session_carry_sends(void);

/*
 * Returns the value that sends an identity, written as text, from the running
 * transaction to a connection of the current user on another server.
 */
extern char *session_carry_value(const char *identity);

/* What a value that came here is. */
typedef enum SessionCarryVerdict
{
	SESSION_CARRY_REFUSED,		/* it is no good value for this server */
	SESSION_CARRY_OTHER_ROLE,	/* it is for a connection of another role */
	SESSION_CARRY_LATE,			/* it was good, and is too old */
	SESSION_CARRY_GOOD
} SessionCarryVerdict;

/*
 * Judges a value that came here.  Unless it is refused, sets what it says,
 * which is in memory of the caller.  Otherwise sets why, as a sentence.
 */
extern SessionCarryVerdict session_carry_judge(SessionCarried *carried,
											   const char **why,
											   const char *value);

/*
 * Notes that the running transaction has the identity of a value, so that its
 * end is the end of the value.
 */
extern void session_carry_note(const SessionCarried *carried);

/*
 * Errors if the transaction that sent the noted identity has ended, if the
 * time has come at which its session ends, or if the last value is minutes
 * old.
 */
extern void session_carry_check(TimestampTz end);

#endif							/* SESSION_CARRY_H */
