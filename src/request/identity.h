/*
 * identity.h
 *	  Who is behind a credential, and whether they still are.
 */
#ifndef SESSION_IDENTITY_H
#define SESSION_IDENTITY_H

#include "nodes/pg_list.h"
#include "utils/jsonb.h"

#include "cookie/cookie.h"
#include "engine/context.h"
#include "model/policy.h"

/* Of a live session; added is what the claims function says of it. */
extern void session_identity_of_row(SessionIdentity *identity,
									const SessionRow *row, Jsonb *added);

/* Of a snapshot that is to be believed. */
extern void session_identity_of_snapshot(SessionIdentity *identity,
										 const SessionSnapshot *snapshot);

/*
 * Of a cookie that is a session by itself; false when what it says of whom is
 * no text.
 */
extern bool session_identity_of_cookie(SessionIdentity *identity,
									   const SessionCarried *carried);

/*
 * Looks again: false unless what the identity was proven by is good now.  The
 * level and the time of authentication are brought up to date.
 */
extern bool session_identity_holds(SessionIdentity *identity);

/*
 * The sessions of the identity's user in its tenant that have not been
 * revoked, without their data; of an anonymous one, itself.  A list of
 * SessionRow.
 */
extern List *session_identity_sessions(const SessionIdentity *identity);

/* Ends one of them that is live; false of any other. */
extern bool session_identity_revoke(const SessionIdentity *identity,
									const pg_uuid_t *id);

/* Ends those of them that are live, except its own; how many? */
extern int64 session_identity_revoke_others(const SessionIdentity *identity);

#endif							/* SESSION_IDENTITY_H */
