/*
 * random.h
 *	  Random bytes for secrets and ids.
 */
#ifndef SESSION_RANDOM_H
#define SESSION_RANDOM_H

/*
 * Fills memory with random bytes.  Raises an error when the system has none.
 */
extern void session_random_bytes(void *out, size_t len);

#endif							/* SESSION_RANDOM_H */
