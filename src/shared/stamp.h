/*
 * stamp.h
 *	  Numbers that change when a session may have ended.
 *
 * An identity that is bound to a transaction has a stamp from before it was
 * proven.  While the stamp is current, nothing has happened that could end its
 * session, except that time has passed.
 */
#ifndef SESSION_STAMP_H
#define SESSION_STAMP_H

#include "model/row.h"

/* Bytes of a key: the id of a session, or the first of a denied cookie's. */
#define SESSION_STAMP_KEY_BYTES 16

/*
 * Returns the present stamp of a key.  Call it before what the stamp is for is
 * read.  It is never current without shared memory, and while transactions
 * exist whose end is not reported.
 */
extern SessionEndStamp session_stamp_of(const uint8 *key);

/* Returns whether nothing was noted for the key of a stamp since. */
extern bool session_stamp_is_current(const SessionEndStamp *stamp);

/*
 * Note that the running transaction may have ended the session or the cookie
 * of a key, or all of them.  No stamp of the key from before the commit is
 * current after it, and in this backend none from before the call.
 */
extern void session_stamp_note(const uint8 *key);
extern void session_stamp_note_all(void);

/*
 * Notes that sessions may be seen to have ended in this backend: no stamp of
 * this backend from before the call is current.
 */
extern void session_stamp_note_here(void);

/*
 * Begins to trust stamps, after the server has started or was promoted: when
 * the transactions that run now have ended.
 */
extern void session_stamp_begin(void);

/* Returns whether no stamp is current until a sweep sees transactions end. */
extern bool session_stamp_is_waiting(void);

/*
 * Looks whether those transactions have ended.  The caller's transaction has
 * an active snapshot.
 */
extern void session_stamp_sweep(void);

/* Requests the shared memory of this module, and creates it. */
extern void session_stamp_shmem_request(void);
extern void session_stamp_shmem_init(void);

#endif							/* SESSION_STAMP_H */
