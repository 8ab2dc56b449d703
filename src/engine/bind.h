/*
 * bind.h
 *	  Binding sessions to keys that only their clients have.
 */
#ifndef SESSION_BIND_H
#define SESSION_BIND_H

#include "model/policy.h"
#include "model/row.h"
#include "wire/token.h"

/*
 * Binds an active session, whose row is locked, and that is bound to no key.
 * From the commit on, its token alone is of no use.
 */
extern void session_bind_to_key(SessionRow *row);

/*
 * Binds the active session of a token to the key of a proof of DPoP.  Returns
 * false, and changes nothing, if the session is bound to a key already or the
 * proof is not good.
 */
extern bool session_bind_by_proof(const SessionToken *token,
								  struct SessionDpopProof *proof);

/*
 * Reads a session that is alive and bound in a way, by its public id, without
 * proof or data.
 */
extern bool session_bind_find(const pg_uuid_t *id, int by, SessionRow *row);

/*
 * Records that the client of such a session has answered a challenge that was
 * made at a time.  Locks the row.  Returns false if the session has ended or
 * is bound to another key by now, or if the challenge may not be answered any
 * more.
 */
extern bool session_bind_answer(SessionRow *row, TimestampTz made);

#endif							/* SESSION_BIND_H */
