/*
 * master.h
 *	  The master key, which lives outside the database.
 */
#ifndef SESSION_MASTER_H
#define SESSION_MASTER_H

#define SESSION_MASTER_BYTES 32

/* What is known of the master key of a database. */
typedef enum SessionMasterState
{
	SESSION_MASTER_UNUSED,		/* nothing is sealed */
	SESSION_MASTER_OK,
	SESSION_MASTER_MISSING,		/* there is no file, or the command fails */
	SESSION_MASTER_WRONG		/* it cannot be used, or is another */
} SessionMasterState;

/*
 * Reads the master key from "session.master_key_file", or from the output of
 * "session.master_key_command" if that is set.  Makes the file when there is
 * none, may_make says that nothing of this database is sealed yet, and nothing
 * is known to be sealed elsewhere on the server.  Errors name the file and what
 * to do.  Wipe the key after use.
 */
extern void session_master_read(uint8 key[SESSION_MASTER_BYTES],
								bool may_make);

/*
 * Reads the master key if it can, makes no file and raises no error.  Returns
 * SESSION_MASTER_OK, _MISSING or _WRONG.
 */
extern SessionMasterState session_master_try(uint8 key[SESSION_MASTER_BYTES]);

/*
 * Leaves a mark in the data directory that something on this server is sealed,
 * so that no new master key is made when the file is lost.
 */
extern void session_master_mark(void);

/* Returns whether the key comes from a command. */
extern bool session_master_is_command(void);

/* Warns in the log that the key is missing or wrong for this database. */
extern void session_master_warn(SessionMasterState state);

/* Errors because something was not sealed with the master key in use. */
extern void session_master_mismatch(void) pg_attribute_noreturn();

#endif							/* SESSION_MASTER_H */
