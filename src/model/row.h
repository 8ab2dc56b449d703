/*
 * row.h
 *	  A session: a row of session.sessions.
 *
 * Variable-length members point into the memory context in which the row was
 * read, and may have short headers.  NULL stands for SQL NULL.  No member is
 * stored out of line, so a row can be used after the table is closed.
 */
#ifndef SESSION_ROW_H
#define SESSION_ROW_H

#include "datatype/timestamp.h"
#include "storage/itemptr.h"
#include "utils/inet.h"
#include "utils/uuid.h"

#include "crypto/crypto.h"

/* The value of a time that is SQL NULL. */
#define SESSION_NO_TIME DT_NOBEGIN

/* What rows of session.policies can say about a session; bits of a set. */
#define SESSION_RULE_LIFETIME 0x01
#define SESSION_RULE_IDLE_TIMEOUT 0x02
#define SESSION_RULE_MAX_SESSIONS 0x04
#define SESSION_RULE_BIND_IP 0x08
#define SESSION_RULE_BIND_USER_AGENT 0x10
#define SESSION_RULE_VALID_AFTER 0x20

/*
 * What one row of session.policies says, or what all rows that apply to a
 * session say together.  Zeros say nothing.
 */
typedef struct SessionRules
{
	int			says;			/* the members below that are set */
	int64		lifetime;		/* microseconds; 0 = without limit */
	int64		idle_timeout;	/* microseconds; 0 = none */
	int32		max_sessions;	/* 0 = no limit */
	int			bind_ip;		/* SessionBindIp */
	bool		bind_user_agent;
	TimestampTz valid_after;	/* sessions created until then are over */
} SessionRules;

/* How a session is bound to a key of its client. */
typedef enum SessionBoundBy
{
	SESSION_BOUND_NOT,
	SESSION_BOUND_DBSC,			/* Device Bound Session Credentials */
	SESSION_BOUND_DPOP			/* RFC 9449 */
} SessionBoundBy;

/* The key that a session is bound to, or that a request has proven. */
typedef struct SessionBound
{
	int			by;				/* SessionBoundBy */
	uint8		thumbprint[SESSION_SHA256_BYTES];	/* RFC 7638; zero without
													 * a key */
} SessionBound;

/* Tells whether a session may have ended since; see shared/stamp.h. */
typedef struct SessionEndStamp
{
	uint32		place;			/* which counter */
	uint64		value;			/* 0 = never current */
} SessionEndStamp;

/*
 * What the sessions that a session was made of say about it: its parent, the
 * parent of that, and so on.  See engine/lineage.c.
 */
typedef struct SessionLineage
{
	bool		known;			/* they were looked at */
	int			generation;		/* how many they are */
	int			status;			/* SessionStatus: active if all of them are
								 * alive, else the status of one that is not */
	bool		is_ours;		/* this transaction has revoked that one */
	TimestampTz end;			/* when the first of them ends */
} SessionLineage;

typedef struct SessionRow
{
	ItemPointerData tid;		/* the version that was read */
	bool		uncommitted;	/* which this transaction has written */
	SessionEndStamp stamp;		/* from before it was read */

	pg_uuid_t	id;				/* public, safe to log */
	uint8		token_hash[SESSION_SHA256_BYTES];
	uint8		stored_hash[SESSION_SHA256_BYTES];	/* as it was read */

	text	   *user_id;		/* NULL = anonymous */
	text	   *tenant_id;
	text	   *role;
	int32		auth_level;		/* factors proven; 0 = anonymous */
	text	   *amr;			/* how they were proven: words, see amr.h */
	bool		has_parent;		/* it was made of the session parent_id */
	pg_uuid_t	parent_id;
	text	   *actor_id;		/* who acts as user_id; NULL = the user */
	text	   *scopes;			/* words, see scope.h; NULL = everything */
	struct varlena *data;		/* jsonb, may be compressed */
	inet	   *ip;
	text	   *user_agent;

	TimestampTz created_at;
	TimestampTz authenticated_at;	/* SESSION_NO_TIME = anonymous */
	TimestampTz refreshed_at;	/* SESSION_NO_TIME = never */
	TimestampTz last_seen_at;
	TimestampTz stored_seen_at; /* last_seen_at as it was read */
	TimestampTz expires_at;		/* DT_NOEND = no hard deadline */
	int64		idle_timeout;	/* microseconds; 0 = none */
	TimestampTz max_expires_at; /* SESSION_NO_TIME = no cap */

	bytea	   *refresh_key;	/* sealed */
	int32		refresh_generation;
	TimestampTz refresh_expires_at; /* SESSION_NO_TIME = not refreshable */
	TimestampTz rotated_at;

	SessionBound bound;
	struct varlena *bound_key;	/* jsonb: its public key, with DBSC */
	TimestampTz bound_at;		/* with DBSC; else SESSION_NO_TIME */
	TimestampTz answered_at;	/* when the last challenge was made that the
								 * client answered; SESSION_NO_TIME = none */

	TimestampTz revoked_at;		/* SESSION_NO_TIME = not revoked */
	text	   *revoked_reason;
	TimestampTz purge_at;

	SessionRules rules;			/* of its tenant and role when it was read */
	SessionLineage lineage;		/* if it has a parent */
	bool		lowered;		/* auth_level and amr are not those stored,
								 * see engine/risk.c */
} SessionRow;

#endif							/* SESSION_ROW_H */
