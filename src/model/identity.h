/*
 * identity.h
 *	  The identity that a credential proves: user, tenant, role, level, times.
 *
 * Snapshots, cookies that are a session by themselves, JWTs and the context of
 * a transaction share this struct, so a policy sees the same regardless of the
 * strategy.  A row is converted in one place, session_identity_of_row.
 */
#ifndef SESSION_MODEL_IDENTITY_H
#define SESSION_MODEL_IDENTITY_H

#include "utils/jsonb.h"

#include "model/row.h"
#include "wire/token.h"

/*
 * The format of an identity as text, which servers exchange: changed whenever
 * that text or what it means changes.
 */
#define SESSION_IDENTITY_FORMAT 1

/* Whether another server has sent the identity. */
typedef enum SessionArrival
{
	SESSION_FROM_HERE,
	SESSION_ARRIVED,
	SESSION_ARRIVED_LATE		/* it must not be read */
} SessionArrival;

/* Texts are NULL where the credential does not have them. */
typedef struct SessionIdentity
{
	SessionArrival arrival;
	bool		has_row;		/* there is a row in session.sessions */
	bool		has_id;			/* always true with has_row */
	bool		of_issuer;		/* the token of an issuer */
	pg_uuid_t	id;
	text	   *user_id;		/* NULL = anonymous */
	text	   *tenant_id;
	text	   *role;
	int32		auth_level;
	text	   *amr;			/* words, see amr.h */
	bool		derived;		/* its session was made of another one */
	text	   *actor_id;		/* who acts as the user; NULL = the user */
	text	   *scopes;			/* words, see scope.h; NULL = everything */
	bool		lowered;		/* has at most level 1 and no amr, even if its
								 * row has more; see engine/risk.c */
	SessionBound bound;			/* the key that a request has to prove */
	TimestampTz authenticated_at;	/* SESSION_NO_TIME = not known */
	TimestampTz expires_at;		/* deadline of the session token or the
								 * cookie; DT_NOEND = none */
	int64		issued_at;		/* of a cookie, in seconds since 1970; the
								 * least number = not known */

	/*
	 * A JSON object, in the server's encoding.  Without a row, it has all
	 * claims of the cookie.  With a row, it has those that do not follow from
	 * the other fields; NULL = none.
	 */
	text	   *claims;

	/*
	 * What session_identity_holds() proves the identity again by.  Not
	 * secret. With a row, the digest of its session token; without, the key
	 * of the cookie in the denylist.
	 */
	text	   *proof;

	/* When to prove it again: if the stamp is not current, or at a time. */
	SessionEndStamp stamp;
	TimestampTz check_at;		/* DT_NOEND = never */

	/* The transaction here that has it, if another server has sent it. */
	LocalTransactionId arrived_in;
} SessionIdentity;

/* How claims are written. */
typedef enum SessionIdentityForm
{
	SESSION_IDENTITY_PUBLIC,	/* for services and policies: sid is a UUID,
								 * the user is in sub */
	SESSION_IDENTITY_SHORT		/* for snapshots: sid is base64url, the user
								 * is in uid, a missing lvl means 1, amr is a
								 * string, scopes are in scp, the actor is in
								 * aby, drv is 1 if it is derived */
} SessionIdentityForm;

/* Fills an identity, except its claims, from the row of a live session. */
extern void session_identity_of_row(SessionIdentity *identity,
									const SessionRow *row);

/*
 * Returns whether a row, or the token that a client sent, is still the one
 * that the identity was made from: the id and the digest are equal.
 */
extern bool session_identity_is_of_row(const SessionIdentity *identity,
									   const SessionRow *row);
extern bool session_identity_is_of_token(const SessionIdentity *identity,
										 const SessionToken *token);

/*
 * Adds sid, sub (or uid), tid, role, lvl and amr, and what a derived session
 * has, to an object of claims.
 */
extern void session_identity_put_claims(JsonbParseState **claims,
										const SessionIdentity *identity,
										SessionIdentityForm form);

/*
 * Returns the claims with sid, sub, tid, role, lvl and amr set, and with scope
 * and act if the session has scopes and an actor.
 */
extern Jsonb *session_identity_write_claims(Jsonb *claims,
											const SessionIdentity *identity);

/*
 * Stores claims in the identity as text in the server's encoding.  Those that
 * follow from its other fields are not among them if it has a row.
 */
extern void session_identity_store_claims(SessionIdentity *identity,
										  Jsonb *claims);

/* Returns whether the identity may do what a scope names. */
extern bool session_identity_has_scope(const SessionIdentity *identity,
									   const text *scope);

/* Returns all claims of the identity; NULL when they cannot be read. */
extern Jsonb *session_identity_claims(const SessionIdentity *identity);

#endif							/* SESSION_MODEL_IDENTITY_H */
