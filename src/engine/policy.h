/*
 * policy.h
 *	  The rules of a session's life.
 *
 * Every function is pure: what it needs to know, the time included, is an
 * argument, and what it decides is the result or a member of the row.
 */
#ifndef SESSION_POLICY_H
#define SESSION_POLICY_H

#include "engine/row.h"
#include "settings.h"

/* In the order in which the questions are asked. */
typedef enum SessionStatus
{
	SESSION_MALFORMED,			/* not a token at all */
	SESSION_UNKNOWN,			/* no such session, or not its secret */
	SESSION_REVOKED,
	SESSION_EXPIRED,			/* past the hard deadline */
	SESSION_IDLE,				/* unused for too long */
	SESSION_BINDING,			/* presented from somewhere else */
	SESSION_ACTIVE
} SessionStatus;

/* Where a request says it comes from; NULL = it does not say. */
typedef struct SessionBinding
{
	const inet *ip;
	const text *user_agent;		/* cut as session_policy_user_agent_bytes */
} SessionBinding;

/* Longest user agent that is kept and compared, in bytes. */
#define SESSION_USER_AGENT_BYTES 1024

/* What a caller asks of a new session's deadlines, in microseconds. */
typedef struct SessionTerms
{
	int64		lifetime;		/* 0 = as set */
	int64		idle_timeout;	/* 0 = none, -1 = as set */
	bool		refreshable;
} SessionTerms;

/*
 * The length of an interval in microseconds: a month is 30 days and a day 24
 * hours.  False when it is infinite or too long to count.
 */
extern pg_nodiscard bool session_policy_usecs(int64 *usecs,
											  const Interval *interval);

/*
 * Is the session alive?  A refreshable one is while it can be refreshed, even
 * if its session token is not good any more.  Never SESSION_BINDING.
 */
extern SessionStatus session_policy_life(const SessionRow *row,
										 TimestampTz now);

/* Is its session token good?  Never SESSION_BINDING. */
extern SessionStatus session_policy_status(const SessionRow *row,
										   TimestampTz now);

/* The 4 or 16 bytes of an address. */
extern const uint8 *session_policy_address(const inet *ip, int *len);

/* Does the request come from where the session was created? */
extern bool session_policy_bound(const SessionRow *row,
								 const SessionSettings *settings,
								 const SessionBinding *binding);

/* Is it a session of this user, and in exactly this tenant?  NULL = none. */
extern bool session_policy_belongs(const SessionRow *row, const text *user_id,
								   const text *tenant_id);

/* When the session token stops being good if it is not used again. */
extern TimestampTz session_policy_deadline(const SessionRow *row);

/* When the session ends if it is not used again. */
extern TimestampTz session_policy_end(const SessionRow *row);

/* How old the recorded use of a session may get before it is written again. */
extern int64 session_policy_touch_age(const SessionRow *row,
									  const SessionSettings *settings);

/* Is it time to write down that the session was used? */
extern bool session_policy_touch_due(const SessionRow *row,
									 const SessionSettings *settings,
									 TimestampTz now);

/* Sets every time of a new session; authenticated says someone logged in. */
extern void session_policy_open(SessionRow *row,
								const SessionSettings *settings,
								const SessionTerms *terms,
								bool authenticated, TimestampTz now);

/* The session was used. */
extern void session_policy_touch(SessionRow *row, TimestampTz now);

/* The session's lifetime starts again, up to its cap. */
extern void session_policy_extend(SessionRow *row, TimestampTz now);

/* What to do with a refresh token of a generation. */
typedef enum SessionRotation
{
	SESSION_ROTATION_NONE,		/* nothing: it is not good for anything */
	SESSION_ROTATION_NEXT,		/* give the next tokens */
	SESSION_ROTATION_SAME,		/* give the tokens it was just used for */
	SESSION_ROTATION_REUSE		/* it was used before: end the session */
} SessionRotation;

/* The grace is over by when it was asked for, not by when it is decided. */
extern SessionRotation session_policy_rotation(const SessionRow *row,
											   const SessionSettings *settings,
											   uint32 generation,
											   TimestampTz asked,
											   TimestampTz now);

/* The tokens were replaced by the next generation's. */
extern void session_policy_rotate(SessionRow *row, TimestampTz now);

/* Someone logged in, or proved more, within the session. */
extern void session_policy_authenticate(SessionRow *row, TimestampTz now);

/* The session is over; its row stays for a while to say so. */
extern void session_policy_revoke(SessionRow *row,
								  const SessionSettings *settings,
								  text *reason, TimestampTz now);

#endif							/* SESSION_POLICY_H */
