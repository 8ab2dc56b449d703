/*
 * revocation.h
 *	  The snapshots of sessions that must be checked against the row.
 *
 * Without shared memory no snapshot has to be checked.
 */
#ifndef SESSION_REVOCATION_H
#define SESSION_REVOCATION_H

#include "model/row.h"

/*
 * Notes, before the commit, that this transaction has changed or ended a
 * session.  "earlier" is the digest of the token that the session had before,
 * "digest" that of a new token, or NULL when it got none.
 */
extern void session_revocation_note_change(const pg_uuid_t *id,
										   const char *earlier,
										   const char *digest);

/*
 * Begins a new era, so that all snapshots made so far are checked against the
 * row.  The caller's transaction has removed all rows, and keeps others from
 * reading the table until it ends.
 */
extern void session_revocation_note_truncate(void);

/*
 * An era begins when the server starts or is promoted, or the table is
 * emptied.  It is a random number of eight digits, because clocks do not tell
 * whether a snapshot was made before or after.
 */
#define SESSION_FIRST_ERA 10000000
#define SESSION_LAST_ERA 99999999

/*
 * Notes, before the row is read, that a snapshot may be made at a time, which
 * is valid for a number of seconds.  Returns the era, or 0 on a standby and
 * without shared memory.
 */
extern uint32 session_revocation_note_snapshot(TimestampTz now, int seconds);

/*
 * Returns whether a snapshot of a session must be checked against the row.
 * The snapshot was made in an era (0 = it names none), for the token of a
 * digest (NULL = it names none).
 */
extern bool session_revocation_must_check_row(const pg_uuid_t *id,
											  const char *digest, uint32 era);

/*
 * Returns whether a snapshot of an era is from another era than the present
 * one.  Returns false on a standby and without shared memory, where there is
 * no era.
 */
extern bool session_revocation_is_outdated(uint32 era);

/* Begins an era, unless there is one; does nothing on a standby. */
extern void session_revocation_begin_era(void);

/*
 * Returns whether all snapshots are checked against the row until a sweep sees
 * that the transactions running at some time have ended.
 */
extern bool session_revocation_is_waiting(void);

/*
 * Removes the entries that no valid snapshot can contradict any more.  The
 * caller's transaction has an active snapshot.
 */
extern void session_revocation_sweep(void);

/*
 * Returns whether every use of a session of this database after a time is
 * recorded.  Returns false before the first era, when another server may have
 * been the primary.
 */
extern bool session_revocation_has_uses_since(TimestampTz since);

/* Returns how many transactions found no room, since the server started. */
extern uint64 session_revocation_overflows(void);

/* Removes the sessions of a database that was dropped. */
extern void session_revocation_forget(Oid database);

/* Requests the shared memory of this module, and creates it. */
extern void session_revocation_shmem_request(void);
extern void session_revocation_shmem_init(void);

#endif							/* SESSION_REVOCATION_H */
