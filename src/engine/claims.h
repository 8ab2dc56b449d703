/*
 * claims.h
 *	  Claims that an application adds to snapshots and tokens.
 */
#ifndef SESSION_ENGINE_CLAIMS_H
#define SESSION_ENGINE_CLAIMS_H

#include "utils/jsonb.h"

#include "model/row.h"

/* Returns whether only this extension sets a claim. */
extern bool session_claims_is_reserved(const char *name);

/*
 * Returns claims without those that only this extension sets.  Applied to the
 * result of the claims function and to the payload of a snapshot.
 */
extern Jsonb *session_claims_without_reserved(Jsonb *claims);

/*
 * Returns what "session.claims_function" adds for a session, or NULL when it
 * adds nothing or the setting is empty.  The function runs with the caller's
 * own rights and the search path "pg_catalog, pg_temp".  Its errors go to the
 * caller.
 */
extern Jsonb *session_claims_added(const SessionRow *row);

#endif							/* SESSION_ENGINE_CLAIMS_H */
