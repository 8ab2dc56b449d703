/*
 * snapshot.h
 *	  Snapshots: signed copies of a session that spare reading its row.
 */
#ifndef SESSION_SNAPSHOT_H
#define SESSION_SNAPSHOT_H

#include "utils/jsonb.h"

#include "model/identity.h"
#include "model/policy.h"
#include "table/policies.h"
#include "wire/claims.h"
#include "wire/codec.h"
#include "wire/token.h"

/* What holds for a snapshot from before its row was read. */
typedef struct SessionSnapshotTime
{
	TimestampTz read_at;		/* not after the row was read */
	uint32		era;			/* see shared/revocation.h */
	/* Of the policies before the row was read; see table/policies.h. */
	char		policies[SESSION_FINGERPRINT_CHARS + 1];
} SessionSnapshotTime;

/* Returns the time for a row.  Call it before the row is read. */
extern SessionSnapshotTime session_snapshot_time(void);

/*
 * Mints a snapshot of the live session of a token; NULL when the token is not
 * valid for one.  Holds the row while it mints, so that no snapshot is made of
 * a version that a running revocation replaces.
 */
extern text *session_snapshot_mint(const SessionToken *token,
								   const SessionPossession *proven,
								   const SessionCodec *codec);

/*
 * Mints a snapshot from the row of a live session that was read after the
 * time.  added is the result of the claims function for it, NULL = nothing.
 */
extern text *session_snapshot_mint_of_row(const SessionRow *row,
										  const SessionSnapshotTime *time,
										  Jsonb *added,
										  const SessionCodec *codec);

/*
 * Does the same in the encoding of "session.cookie_encoding", and returns NULL
 * where that is not possible: there is no key, the claims do not fit into a
 * cookie, or the snapshot would be due already.
 */
extern text *session_snapshot_try_mint(const SessionRow *row,
									   const SessionSnapshotTime *time,
									   Jsonb *added);

/* A snapshot that was proven. */
typedef struct SessionSnapshot
{
	SessionIdentity identity;	/* its claims are not set */
	TimestampTz made_before;	/* and so was its session created */
	bool		from_row;		/* the identity was read from the row */
	bool		should_refresh; /* the client should get a new snapshot */
	bool		must_check_row; /* not due, but the row must decide */
	const char *payload;		/* as it was signed */
	size_t		len;
	const SessionMember *members;	/* of the payload */
	int			count;
} SessionSnapshot;

/*
 * Reads a snapshot and no table.  Returns false when it is not one, or is due.
 * The snapshot may be of another token, and the row may have to decide.
 */
extern bool session_snapshot_read(const char *value, size_t len,
								  SessionSnapshot *snapshot);

/*
 * Returns whether the row must decide because the session is bound to an
 * address or a user agent, or is judged by its address.  A snapshot contains
 * neither.
 */
extern bool session_snapshot_needs_row(const SessionSnapshot *snapshot);

/*
 * Returns claims of a snapshot, among them those that the claims function had
 * added to it; NULL when it had added none.  Reserved ones may be among them.
 */
extern Jsonb *session_snapshot_added(const SessionSnapshot *snapshot);

/* What the caller knows beside a snapshot. */
typedef struct SessionSnapshotRequest
{
	bool		sensitive;		/* the row decides in any case */
	const SessionToken *token;	/* NULL = not given */
	SessionBinding binding;
} SessionSnapshotRequest;

/*
 * Validates a snapshot.  Returns false for a value that is not a snapshot, for
 * a token of another session, and where the row decides and the token is not
 * valid or not given.
 *
 * The snapshot decides by itself, and no table is read, while all of these
 * hold.  Otherwise the row decides, as in session_lifecycle_validate.
 *
 *	- the snapshot is not due
 *	- its session was not ended, changed or rotated since
 *	- no policy was changed since
 *	- the request is not sensitive
 *	- its session is not bound to an address or a user agent
 *	- the request proves the key that its session is bound to, if it is
 *	- the token, if one is given, is the one that the snapshot was made for
 */
extern bool session_snapshot_resolve(const char *value, size_t len,
									 const SessionSnapshotRequest *request,
									 SessionSnapshot *snapshot);

#endif							/* SESSION_SNAPSHOT_H */
