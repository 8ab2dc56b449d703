/*
 * seal.h
 *	  What rows of session.sessions hold sealed: keys of refresh tokens, and
 *	  data.
 */
#ifndef SESSION_SEAL_H
#define SESSION_SEAL_H

#include "utils/uuid.h"

#include "model/envelope.h"

/* The bytes of a kid, which a sealed value begins with. */
#define SESSION_SEAL_KID_BYTES 12

/* How much longer a sealed value is. */
#define SESSION_SEAL_OVERHEAD (SESSION_SEAL_KID_BYTES + SESSION_ENVELOPE_BYTES)

/*
 * Seals a value of a session for one use ("refresh", "data") with the newest
 * key of the ring.  Generates a key, in this transaction, if there is none.
 */
extern void session_seal_close(uint8 *out, const void *in, size_t len,
							   const char *use, const pg_uuid_t *id);

/*
 * Opens a sealed value of len bytes.  Returns false if it is damaged, or was
 * sealed for another session or use.  Errors with 55000 if its key does not
 * exist.
 */
extern pg_nodiscard bool session_seal_open(uint8 *out, const void *in,
										   size_t len, const char *use,
										   const pg_uuid_t *id);

/*
 * Returns whether a sealed value was sealed with the newest key.  Generates a
 * key, in this transaction, if there is none.
 */
extern bool session_seal_is_newest(const void *sealed);

/* Errors with 55000 if a session has a value that is sealed with this key. */
extern void session_seal_check_unused(const char *kid);

#endif							/* SESSION_SEAL_H */
