/*
 * revocation.h
 *	  Which snapshots of sessions must not be believed without asking the row.
 *
 * Without shared memory none is doubted.
 */
#ifndef SESSION_REVOCATION_H
#define SESSION_REVOCATION_H

#include "model/row.h"

/*
 * Notes, before the commit, that this transaction has changed or ended (digest
 * NULL) the session that had the token of the digest "left", or has given it
 * the token of a digest.
 */
extern void session_revocation_note_change(const pg_uuid_t *id, const char *earlier,
										   const char *digest);

/*
 * Has every snapshot that was made before ask the row.  Call it in a
 * transaction that has removed all rows and keeps others from reading the table
 * until it ends.
 */
extern void session_revocation_note_truncate(void);

/*
 * An era begins when the server starts or is promoted, or the table is emptied,
 * and is a random number of eight digits: clocks do not tell whether a snapshot
 * was made before.
 */
#define SESSION_FIRST_ERA 10000000
#define SESSION_LAST_ERA 99999999

/*
 * Notes, before the row is read, that a snapshot may be minted that is
 * believed for so many seconds.  Returns the era, 0 on a standby and without
 * shared memory.
 */
extern uint32 session_revocation_note_snapshot(int seconds);

/*
 * Must a snapshot of a session be checked against the row?  It was made in an
 * era (0 = it does not say) for the token of a digest (NULL = likewise).
 */
extern bool session_revocation_must_check_row(const pg_uuid_t *id, const char *digest,
											  uint32 era);

/* Is there an era now, and the snapshot is of another? */
extern bool session_revocation_is_outdated(uint32 era);

/* Begins an era, unless there is one; on a standby there is none. */
extern void session_revocation_begin_era(void);

/* Do all snapshots ask the row until something has ended that a sweep sees? */
extern bool session_revocation_is_waiting(void);

/*
 * Forgets what no snapshot can be believed against any more; within a
 * transaction that has a snapshot.
 */
extern void session_revocation_sweep(void);

/*
 * Returns whether every use of a session here after a moment is recorded.  It
 * is not before the first era, when another server may have been the primary.
 */
extern bool session_revocation_has_uses_since(TimestampTz since);

/* How many transactions found no room, since the server started. */
extern uint64 session_revocation_overflows(void);

/* Forgets the sessions of a database that was dropped. */
extern void session_revocation_forget(Oid database);

/* Shared memory of this module: asking for it, and making it. */
extern void session_revocation_shmem_request(void);
extern void session_revocation_shmem_init(void);

#endif							/* SESSION_REVOCATION_H */
