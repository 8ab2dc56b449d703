/*
 * storage.h
 *	  Moving session.sessions to another kind of storage.
 */
#ifndef SESSION_STORAGE_H
#define SESSION_STORAGE_H

typedef enum SessionStorage
{
	SESSION_STORAGE_DATABASE,	/* logged */
	SESSION_STORAGE_CACHE,		/* unlogged */
	SESSION_STORAGE_FILESYSTEM	/* logged, in a tablespace of its own */
} SessionStorage;

/*
 * Moves the table and its indexes.  The sessions are kept; the table is locked
 * exclusively until the transaction ends.  tablespace is NULL for the
 * database's own.  Errors with 42704 if the tablespace does not exist.
 */
extern void session_storage_move(SessionStorage kind, const char *tablespace);

#endif							/* SESSION_STORAGE_H */
