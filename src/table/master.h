/*
 * master.h
 *	  The master key, which is kept outside the database.
 */
#ifndef SESSION_MASTER_H
#define SESSION_MASTER_H

#define SESSION_MASTER_BYTES 32

/* Where a master key is. */
typedef enum SessionMasterPlace
{
	SESSION_MASTER_CURRENT,		/* the file, or what the command prints */
	SESSION_MASTER_NEW			/* the key that is about to replace it */
} SessionMasterPlace;

/* The state of the master key, as a database sees it. */
typedef enum SessionMasterState
{
	SESSION_MASTER_UNUSED,		/* nothing is sealed */
	SESSION_MASTER_OK,
	SESSION_MASTER_REPLACED,	/* the new key is in use, not the current */
	SESSION_MASTER_MISSING,		/* there is no file, or the command fails */
	SESSION_MASTER_WRONG		/* it is unusable, or another key */
} SessionMasterState;

/*
 * Reads a master key: the file that "session.master_key_file" names, the new
 * one with ".new" after its name, or the output of
 * "session.master_key_command" if that is set.  Errors name the file and the
 * remedy.  The caller wipes the key after use.
 */
extern void session_master_read(uint8 key[SESSION_MASTER_BYTES],
								SessionMasterPlace place);

/*
 * Reads the master key for a database that has nothing sealed: the current
 * one, or the new one if there is no other.  Creates the file if there is none
 * and nothing is known to be sealed in another database of the server.
 */
extern void session_master_read_first(uint8 key[SESSION_MASTER_BYTES]);

/*
 * Reads a master key without creating a file or raising an error about the
 * key.  Returns SESSION_MASTER_OK, _MISSING or _WRONG.
 */
extern SessionMasterState session_master_try(uint8 key[SESSION_MASTER_BYTES],
											 SessionMasterPlace place);

/* Returns the name of the file of a key. */
extern const char *session_master_path(SessionMasterPlace place);

/*
 * Warns if there is a new master key file with another key.  Call it when a
 * database that has nothing sealed begins to use the current key.
 */
extern void session_master_warn_begun(const uint8 current[SESSION_MASTER_BYTES]);

/*
 * Writes a marker file to the data directory, which says that something on
 * this server is sealed.  While it exists, no master key is created in the
 * place of a lost one.
 */
extern void session_master_mark(void);

/* Returns whether the key comes from a command. */
extern bool session_master_is_command(void);

/* Warns that the master key of this database is missing or wrong. */
extern void session_master_warn(SessionMasterState state);

/* Errors because a value was sealed with another master key. */
_Noreturn extern void session_master_mismatch(void);

/* Errors because the new key is the current one. */
_Noreturn extern void session_master_refuse_same(void);

#endif							/* SESSION_MASTER_H */
