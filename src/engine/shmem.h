/*
 * shmem.h
 *	  Requests, makes and clears the shared memory of all modules.
 */
#ifndef SESSION_SHMEM_H
#define SESSION_SHMEM_H

/* Installs the hooks; called once, from _PG_init, while preloading. */
extern void session_shmem_init(void);

/*
 * Notes that this database has no extension and drops what shared memory has
 * about its sessions, unless a second look finds the extension.  The callback
 * takes that look, in a transaction of its own.
 */
extern void session_shmem_absent(bool (*is_absent) (void));

/* Drops what shared memory has about a database that was dropped. */
extern void session_shmem_forget(Oid database);

#endif							/* SESSION_SHMEM_H */
