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

typedef struct SessionRow
{
	ItemPointerData tid;		/* the version that was read */
	bool		uncommitted;	/* which this transaction has written */

	pg_uuid_t	id;				/* public, safe to log */
	uint8		token_hash[SESSION_SHA256_BYTES];
	uint8		stored_hash[SESSION_SHA256_BYTES];	/* as it was read */

	text	   *user_id;		/* NULL = anonymous */
	text	   *tenant_id;
	text	   *role;
	int32		auth_level;		/* factors proven; 0 = anonymous */
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

	TimestampTz revoked_at;		/* SESSION_NO_TIME = not revoked */
	text	   *revoked_reason;
	TimestampTz purge_at;
} SessionRow;

#endif							/* SESSION_ROW_H */
