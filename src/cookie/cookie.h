/*
 * cookie.h
 *	  Cookies that carry their own proof: minting, opening, denying.
 */
#ifndef SESSION_COOKIE_H
#define SESSION_COOKIE_H

#include "utils/jsonb.h"

#include "model/policy.h"
#include "model/row.h"
#include "table/denylist.h"
#include "wire/codec.h"
#include "wire/token.h"

/* The ring whose keys sign snapshots. */
#define SESSION_COOKIE_RING "session"

/*
 * Mints a cookie from an object that has no iat, exp and jti: these are set
 * here.  ttl is in seconds.  Errors when there is no key.
 */
extern text *session_cookie_mint(Jsonb *payload, const SessionCodec *codec,
								 int64 ttl, const char *purpose);

/*
 * The payload of a cookie that is good now; NULL of any other.  A forged one
 * counts as a failed credential.
 */
extern Jsonb *session_cookie_open(const char *value, size_t len,
								  const char *purpose);

/* What a cookie says that is a session all by itself. */
typedef struct SessionCarried
{
	Jsonb	   *claims;			/* its payload */
	int32		auth_level;
	TimestampTz authenticated_at;	/* SESSION_NO_TIME = it does not say */
	TimestampTz expires_at;		/* DT_NOEND = never */
	SessionDenied denied;		/* what it would be denied as */
} SessionCarried;

/*
 * Opens one, which is a jwt or jwe, and made with an imported key if it has to
 * be foreign.  Returns SESSION_ACTIVE when it is good now, SESSION_EXPIRED out
 * of its time, SESSION_REVOKED when it was denied, SESSION_MALFORMED when it is
 * in none of the encodings, and SESSION_UNKNOWN when no key made it or it is
 * not a session.
 */
extern SessionStatus session_cookie_carried(const char *value, size_t len,
											const char *purpose, bool foreign,
											SessionCarried *carried);

/*
 * Counts a cookie that came from an address (NULL = not said).  A forged one
 * is a failed credential; one that is over is not.
 */
extern void session_cookie_note(SessionStatus status, const inet *ip);

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
	TimestampTz authenticated_at;	/* SESSION_NO_TIME = anonymous */
	TimestampTz expires_at;		/* the session token's deadline */
	const char *digest;			/* of the token it was made for; or NULL */
	bool		from_row;		/* the row was looked at */
	bool		should_refresh; /* a new snapshot is due */
	bool		doubtful;		/* it is not due, and the row has to decide */
	const char *payload;		/* as it was signed */
	size_t		len;
} SessionSnapshot;

/* When a row was read that a snapshot is minted from. */
typedef struct SessionMoment
{
	TimestampTz read_at;		/* not after it was read */
	uint32		era;			/* see engine/revocation.h */
} SessionMoment;

/* Call it before the row is read. */
extern SessionMoment session_cookie_moment(void);

/*
 * Mints a snapshot of the live session of a token; NULL when the token is not
 * good for one.  The row is held while it is minted, so what a revocation that
 * is under way leaves can not be minted from.
 */
extern text *session_cookie_snapshot(const SessionToken *token,
									 const SessionCodec *codec);

/*
 * Mints a snapshot of a live session whose row was read at that moment, with
 * what the claims function added for it.
 */
extern text *session_cookie_snapshot_of(const SessionRow *row,
										const SessionMoment *moment, Jsonb *added,
										const SessionCodec *codec);

/*
 * The same in the encoding that is set; NULL where there is no key, or what
 * there is to say does not fit into a cookie, or it would be due already.
 */
extern text *session_cookie_try_snapshot(const SessionRow *row,
										 const SessionMoment *moment,
										 Jsonb *added);

/* The codec of "session.cookie_encoding". */
extern const SessionCodec *session_cookie_codec(void);

/* Reads a snapshot that is not due, and asks no table. */
extern bool session_cookie_trust(const char *value, size_t len,
								 SessionSnapshot *snapshot);

/* What the claims function had added to a snapshot. */
extern Jsonb *session_cookie_added(const SessionSnapshot *snapshot);

/* What a request says beside a snapshot. */
typedef struct SessionSnapshotRequest
{
	bool		sensitive;		/* the row decides in any case */
	const SessionToken *token;	/* NULL = not said */
	SessionBinding binding;
} SessionSnapshotRequest;

/*
 * Validates a snapshot.  It decides by itself, and no table is read, while all
 * of these hold: it is not due, its session was not ended or rotated since, the
 * request is not sensitive, sessions are not bound, and the token, if there is
 * one, is the one it was made for.  Otherwise the token decides, as in
 * session_lifecycle_validate; a snapshot alone is not a credential then.
 * Returns false for anything that is no snapshot, and for a token of another
 * session.
 */
extern bool session_cookie_believe(const char *value, size_t len,
								   const SessionSnapshotRequest *request,
								   SessionSnapshot *snapshot);

/*
 * Mints a token of the kind other services verify for a live session; NULL
 * when the token is not good for one.  ttl is in seconds.  claims has none of
 * sid, sub, tid, role, lvl, iat, exp and jti, and with an audience no aud:
 * these are set here.
 */
extern text *session_cookie_jwt(const SessionToken *token, int64 ttl,
								Jsonb *claims, text *audience);

#endif							/* SESSION_COOKIE_H */
