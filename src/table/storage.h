/*
 * storage.h
 *	  Where and how session.sessions is kept.
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
 * Moves the sessions, which stay; nobody reaches them meanwhile.  tablespace
 * is NULL for the database's own.
 */
extern void session_storage_move(SessionStorage kind, const char *tablespace);

#endif							/* SESSION_STORAGE_H */
