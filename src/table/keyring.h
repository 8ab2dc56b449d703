/*
 * keyring.h
 *	  The keys: made or imported, sealed at rest, opened when needed.
 *
 * A key belongs to one purpose.  The newest active key of a purpose signs; all
 * that are not retired verify.  What is asked for here is as committed now,
 * and valid until the next call into this module.
 */
#ifndef SESSION_KEYRING_H
#define SESSION_KEYRING_H

#include "nodes/pg_list.h"

#include "table/master.h"

/* Bytes of a secret made here; imported ones are at least as long. */
#define SESSION_SECRET_KEY_BYTES 32

typedef struct SessionKey
{
	const char *kid;			/* public */
	const char *purpose;
	const uint8 *secret;
	size_t		secret_len;
	bool		imported;		/* used exactly as its foreign format wants */
} SessionKey;

/* The keys of a purpose that are not retired, newest first. */
extern List *session_keyring_of(const char *purpose);

/* The key of a purpose that signs; errors when there is none. */
extern const SessionKey *session_keyring_signer(const char *purpose);

/* Makes a key and returns its kid. */
extern char *session_keyring_rotate(const char *purpose);

/* Takes a foreign secret and returns its kid (made when NULL). */
extern char *session_keyring_import(const uint8 *secret, size_t len,
									const char *kid, const char *purpose);

/* False unless there was such a key and it was not retired. */
extern bool session_keyring_retire(const char *kid);

/* How the table of keys was changed. */
typedef enum SessionKeyringChange
{
	SESSION_KEYRING_ADDED,
	SESSION_KEYRING_CHANGED,
	SESSION_KEYRING_REMOVED
} SessionKeyringChange;

/*
 * Has every backend drop what it keeps when the transaction commits, and the
 * commit flushed; for the trigger that watches the table.
 */
extern void session_keyring_changed(SessionKeyringChange change);

/*
 * Says whether the master key is the one that sealed what this database has.
 * Makes no key and raises no error about it.
 */
extern SessionMasterState session_keyring_master(void);

/*
 * For a worker, when it has come to a database: notes for the other databases
 * whether it has something sealed, and warns once since the server started if
 * the master key file is missing or wrong.
 */
extern void session_keyring_announce(void);

/*
 * Sealing under the master key, for one use ("key", "refresh", "data") and
 * bound to the bytes of a context.  A sealed value is SESSION_SEAL_BYTES
 * longer.  Opening what does not open errors with what to do about the master
 * key.
 */
#define SESSION_SEAL_BYTES 28

extern void session_keyring_seal(uint8 *out, const void *in, size_t len,
								 const char *use, const void *context,
								 size_t context_len);
extern void session_keyring_open(uint8 *out, const void *in, size_t len,
								 const char *use, const void *context,
								 size_t context_len);

/* Warns if one of the table's own triggers does not fire for every change. */
extern void session_keyring_check_triggers(void);

#endif							/* SESSION_KEYRING_H */
