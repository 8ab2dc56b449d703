/*
 * master.h
 *	  The master key, which is kept outside the database.
 */
#ifndef SESSION_MASTER_H
#define SESSION_MASTER_H

#define SESSION_MASTER_BYTES 32

/* The state of the master key, as a database sees it. */
typedef enum SessionMasterState
{
	SESSION_MASTER_UNUSED,		/* nothing is sealed */
	SESSION_MASTER_OK,
	SESSION_MASTER_MISSING,		/* there is no file, or the command fails */
	SESSION_MASTER_WRONG		/* it is unusable, or another key */
} SessionMasterState;

/*
 * Reads the master key from "session.master_key_file", or from the output of
 * "session.master_key_command" if that is set.  Creates the file if all of
 * this is true:
 *
 *	 - it does not exist,
 *	 - may_make, which says that nothing in this database is sealed yet, is
 *	 set,
 *	 - nothing is known to be sealed in another database of the server.
 *
 * Errors name the file and the remedy.  The caller wipes the key after use.
 */
extern void session_master_read(uint8 key[SESSION_MASTER_BYTES],
								bool may_make);

/*
 * Reads the master key without creating a file or raising an error about the
 * key.  Returns SESSION_MASTER_OK, _MISSING or _WRONG.
 */
extern SessionMasterState session_master_try(uint8 key[SESSION_MASTER_BYTES]);

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

#endif							/* SESSION_MASTER_H */
