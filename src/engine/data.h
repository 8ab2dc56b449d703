/*
 * data.h
 *	  The data of a session: a JSON object with a size limit.
 *
 * Each function takes a session token and returns NULL or false unless the
 * token is that of an active session, and the key of the session was proven if
 * it is bound to one.
 */
#ifndef SESSION_DATA_H
#define SESSION_DATA_H

#include "utils/jsonb.h"

#include "model/policy.h"
#include "wire/token.h"

/* Returns the whole data.  Reading is a use of the session. */
extern Jsonb *session_data_read(const SessionToken *token,
								const SessionPossession *proven);

/* Returns the value of a key, NULL if there is no such key. */
extern Jsonb *session_data_read_key(const SessionToken *token,
									const SessionPossession *proven,
									const text *key);

/* Removes a key and returns its value, NULL if there was no such key. */
extern Jsonb *session_data_take_key(const SessionToken *token,
									const SessionPossession *proven, text *key);

/* Sets a key to a value.  Errors with 54000 if the data becomes too large. */
extern bool session_data_write_key(const SessionToken *token,
								   const SessionPossession *proven, text *key,
								   Jsonb *value);

/* Removes a key.  Returns true even if there was no such key. */
extern bool session_data_remove_key(const SessionToken *token,
									const SessionPossession *proven, text *key);

/* Replaces the data.  The caller has called session_content_check. */
extern bool session_data_write(const SessionToken *token,
							   const SessionPossession *proven, Jsonb *data);

/*
 * Changes the data by a merge patch (RFC 7396), which must be an object.
 * Errors with 54000 if the data becomes larger, and too large.
 */
extern bool session_data_patch(const SessionToken *token,
							   const SessionPossession *proven, Jsonb *patch);

/*
 * Adds an element to the array under a key, which is made if there is no such
 * key.  Errors with 22023 if the key has another value, and with 54000 if the
 * data becomes too large.
 */
extern bool session_data_add_element(const SessionToken *token,
									 const SessionPossession *proven, text *key,
									 Jsonb *element);

/*
 * Sets a key to a value if it has the expected one.  An expected value of NULL
 * is the absence of the key, and a new value of NULL removes it.  Returns
 * whether the key had the expected value.  Errors with 54000 if the data
 * becomes too large.
 */
extern bool session_data_compare_and_set(const SessionToken *token,
										 const SessionPossession *proven, text *key,
										 Jsonb *expected, Jsonb *value);

#endif							/* SESSION_DATA_H */
