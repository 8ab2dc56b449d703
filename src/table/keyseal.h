/*
 * keyseal.h
 *	  How the secrets of session.keys are sealed under the master key.
 */
#ifndef SESSION_KEYSEAL_H
#define SESSION_KEYSEAL_H

#include "model/envelope.h"
#include "table/master.h"

/*
 * The kid of the witness, a row that was sealed with the master key when that
 * was first used, even if there are no keys.  Opening it shows whether a
 * master key is the right one.  No key can have this kid, because it contains
 * a space.
 */
#define SESSION_KEYSEAL_WITNESS "session master"

/* What a secret is bound to. */
typedef struct SessionKeysealName
{
	const char *kid;
	const char *purpose;
	const char *algorithm;
} SessionKeysealName;

/*
 * Seals a secret, or opens one and sets its length.  Creates the master key if
 * there is none and that is allowed.  Errors with 55000 and a hint if the
 * master key is missing or wrong.  The caller wipes what is opened.
 *
 * To seal, lock the table first, as the statement that writes the row does:
 * then no other transaction replaces the master key in between.
 */
extern bytea *session_keyseal_close(const SessionKeysealName *name,
									const uint8 *secret, size_t len);
extern uint8 *session_keyseal_open(const SessionKeysealName *name,
								   const bytea *sealed, size_t *len);

/*
 * Returns whether the master key is the one that sealed what this database
 * has.  Creates no key and raises no error about it.
 */
extern SessionMasterState session_keyseal_master(void);

/*
 * Tells the other databases, through shared memory, whether this database has
 * something sealed.  Warns if the master key file is missing or wrong, once
 * since the server started.  A worker calls it when it connects to a database.
 */
extern void session_keyseal_announce(void);

/*
 * For replacing the master key: the keys that are derived from one, and what
 * is done with them.  The caller wipes them.
 */
typedef struct SessionKeysealer
{
	uint8		secret[SESSION_GCM_KEY_BYTES];	/* seals secrets */
	uint8		witness[SESSION_GCM_KEY_BYTES]; /* seals the witness */
} SessionKeysealer;

/* Derives the keys of a master key, and wipes that. */
extern void session_keyseal_derive(SessionKeysealer *sealer,
								   uint8 master[SESSION_MASTER_BYTES]);

/* Returns the sealed witness; NULL if there is none. */
extern bytea *session_keyseal_read_witness(void);

/* Returns whether a witness was sealed with these keys. */
extern pg_nodiscard bool session_keyseal_fits(const SessionKeysealer *sealer,
											  const bytea *witness);

/* Seals the witness. */
extern bytea *session_keyseal_make_witness(const SessionKeysealer *sealer);

/* Writes the witness, unless another transaction already has. */
extern void session_keyseal_insert_witness(const SessionKeysealer *sealer);

/*
 * Seals a secret, or opens one and sets its length, with these keys.  Returns
 * NULL if the secret was not sealed with them.
 */
extern bytea *session_keyseal_close_with(const SessionKeysealer *sealer,
										 const SessionKeysealName *name,
										 const uint8 *secret, size_t len);
extern uint8 *session_keyseal_open_with(const SessionKeysealer *sealer,
										const SessionKeysealName *name,
										const bytea *sealed, size_t *len);

#endif							/* SESSION_KEYSEAL_H */
