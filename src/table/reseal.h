/*
 * reseal.h
 *	  Replacing the master key.
 */
#ifndef SESSION_RESEAL_H
#define SESSION_RESEAL_H

/*
 * Seals the secrets of session.keys again, with the new master key instead of
 * the current one, and returns how many there are.  The table is locked until
 * the transaction ends: secrets can be read, but not written.  Tells the
 * caller what to do next.
 *
 * Returns -1, and changes nothing, if they have been sealed with the new key
 * before.  Errors with 55000 and a hint if one of the keys is missing or
 * wrong, if both are the same, or if a secret does not open.
 */
extern int64 session_reseal_all(void);

#endif							/* SESSION_RESEAL_H */
