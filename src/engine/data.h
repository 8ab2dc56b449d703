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

/* Puts data that has passed session_content_check in place of the old. */
extern bool session_data_replace(const SessionToken *token, Jsonb *data);

#endif							/* SESSION_DATA_H */
