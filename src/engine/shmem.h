/*
 * shmem.h
 *	  Shared memory of all modules: asked for, made, and cleared of a database.
 */
#ifndef SESSION_SHMEM_H
#define SESSION_SHMEM_H

/* Asks for the memory; called once, from _PG_init, while preloading. */
extern void session_shmem_init(void);

/*
 * Notes that this database has no extension, and drops what is kept about its
 * sessions, unless a second look says that it has one again.  The callback is
 * that look, in a transaction of its own.
 */
extern void session_shmem_absent(bool (*is_absent) (void));

/* Drops everything that is kept about a database that was dropped. */
extern void session_shmem_forget(Oid database);

#endif							/* SESSION_SHMEM_H */
