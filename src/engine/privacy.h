/*
 * privacy.h
 *	  Data protection: what is kept about a user, in all tenants.
 *
 * Both work on what is committed when they run.  What another transaction
 * writes about the user at the same time is left out, or stays.
 */
#ifndef SESSION_PRIVACY_H
#define SESSION_PRIVACY_H

#include "utils/jsonb.h"

/*
 * Returns what is kept as an object with the arrays "sessions", "events",
 * "acts" and "origins".
 */
extern Jsonb *session_privacy_export(text *user_id);

/*
 * Ends and deletes the user's sessions, and those in which the user acts as
 * others; deletes events and origins.  Returns the number of rows deleted.
 */
extern int64 session_privacy_erase(text *user_id);

#endif							/* SESSION_PRIVACY_H */
