/*
 * master.h
 *	  The master key, which lives outside the database.
 */
#ifndef SESSION_MASTER_H
#define SESSION_MASTER_H

#define SESSION_MASTER_BYTES 32

/*
 * Reads the master key from "session.master_key_file", or from the output of
 * "session.master_key_command" if that is set.  Makes the file when there is
 * none and may_make says that nothing has been sealed yet.  Errors name the
 * file and what to do.  Wipe the key after use.
 */
extern void session_master_read(uint8 key[SESSION_MASTER_BYTES],
								bool may_make);

/* Errors because something was not sealed with the master key in use. */
extern void session_master_mismatch(void) pg_attribute_noreturn();

#endif							/* SESSION_MASTER_H */
