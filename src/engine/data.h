/*
 * data.h
 *	  The data of a session: a JSON object with a size limit.
 *
 * Each function takes a token and says nothing of one that is not good for a
 * live session but NULL or false.
 */
#ifndef SESSION_DATA_H
#define SESSION_DATA_H

#include "utils/jsonb.h"

#include "model/row.h"
#include "wire/token.h"

/*
 * Errors unless the value is an object that fits; a new session is checked
 * with it too.
 */
extern void session_data_check(const Jsonb *data);

/*
 * The form in which data is kept in a row: as it is, or sealed under the
 * master key and bound to the session's id if "session.encrypt_data" is on.
 */
extern struct varlena *session_data_kept(const SessionRow *row, Jsonb *data);

/* The data of a row, whichever form it is kept in. */
extern Jsonb *session_data_of(const SessionRow *row);

/* The whole data; reading counts as use of the session. */
extern Jsonb *session_data_read(const SessionToken *token);

/* The value of a key; also NULL when there is no such key. */
extern Jsonb *session_data_read_key(const SessionToken *token,
									const text *key);

/* Removes a key and returns what it held, NULL when there was none. */
extern Jsonb *session_data_take_key(const SessionToken *token, text *key);

extern bool session_data_write_key(const SessionToken *token, text *key,
								   Jsonb *value);

/* True for a live session, whether it had the key or not. */
extern bool session_data_remove_key(const SessionToken *token, text *key);

/* Puts data that has passed session_data_check in place of the old. */
extern bool session_data_replace(const SessionToken *token, Jsonb *data);

#endif							/* SESSION_DATA_H */
