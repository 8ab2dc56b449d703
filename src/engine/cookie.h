/*
 * cookie.h
 *	  Cookies that carry their own proof: minting, opening, denying.
 */
#ifndef SESSION_COOKIE_H
#define SESSION_COOKIE_H

#include "utils/jsonb.h"

#include "engine/row.h"
#include "wire/codec.h"
#include "wire/token.h"

/*
 * The ring whose keys sign snapshots, and what they are signed for: a name that
 * no application can give a purpose, and no browser a cookie.
 */
#define SESSION_COOKIE_RING "session"
#define SESSION_SNAPSHOT_PURPOSE "session/cache"

/*
 * Mints a cookie from an object.  iat, exp and jti are set here, in place of
 * any it has; ttl is in seconds.  Errors when there is no key.
 */
extern text *session_cookie_mint(Jsonb *payload, const SessionCodec *codec,
								 int64 ttl, const char *purpose);

/* The payload of a cookie that is good now; NULL of any other. */
extern Jsonb *session_cookie_open(const char *value, size_t len,
								  const char *purpose);

/* Denies a cookie that is good now until it expires; false of any other. */
extern bool session_cookie_deny(const char *value, size_t len,
								const char *purpose);

/* What a snapshot of a session says. */
typedef struct SessionSnapshot
{
	pg_uuid_t	id;
	text	   *user_id;
	text	   *tenant_id;
	text	   *role;
	int32		auth_level;
	TimestampTz expires_at;		/* the session token's deadline */
	bool		from_row;		/* the row was looked at */
	bool		should_refresh; /* a new snapshot is due */
} SessionSnapshot;

/*
 * Mints a snapshot of the live session of a token; NULL when the token is not
 * good for one.  The row is held while it is minted, so what a revocation that
 * is under way leaves can not be minted from.
 */
extern text *session_cookie_snapshot(const SessionToken *token,
									 const SessionCodec *codec);

/*
 * Believes a snapshot, or asks the row when it is due or sensitive; false when
 * it is no snapshot, or the row says otherwise.
 */
extern bool session_cookie_believe(const char *value, size_t len,
								   bool sensitive,
								   SessionSnapshot *snapshot);

/*
 * Mints a token of the kind other services verify for a live session; NULL
 * when the token is not good for one.  ttl is in seconds.
 */
extern text *session_cookie_jwt(const SessionToken *token, int64 ttl,
								Jsonb *claims, text *audience);

#endif							/* SESSION_COOKIE_H */
