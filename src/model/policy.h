/*
 * policy.h
 *	  The rules of a session's life.
 *
 * Every function is pure: what it needs to know, the time included, is an
 * argument, and what it decides is the result or a member of the row.
 */
#ifndef SESSION_POLICY_H
#define SESSION_POLICY_H

#include "model/row.h"
#include "settings.h"
#include "wire/cookie_header.h"

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
typedef struct SessionLifetimes
{
	int64		lifetime;		/* 0 = as set */
	int64		idle_timeout;	/* 0 = none, -1 = as set */
	bool		refreshable;
} SessionLifetimes;

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

/*
 * The bytes of an address that tell whose it is: all 4 of IPv4, and of IPv6 the
 * 8 of its /64, because a client that has one address there has all of them.
 */
extern const uint8 *session_policy_network(const inet *ip, int *len);

/* Returns whether sessions are bound to an address or a user agent. */
extern bool session_policy_requires_binding(const SessionSettings *settings);

/* Does the request come from where the session was created? */
extern bool session_policy_matches_binding(const SessionRow *row,
										   const SessionSettings *settings,
										   const SessionBinding *binding);

/* Is it a session of this user, and in exactly this tenant?  NULL = none. */
extern bool session_policy_is_of_user(const SessionRow *row, const text *user_id,
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
								const SessionLifetimes *lifetimes,
								bool authenticated, TimestampTz now);

/* The session was used. */
extern void session_policy_touch(SessionRow *row, TimestampTz now);

/* The session's lifetime starts again, up to its cap. */
extern void session_policy_extend(SessionRow *row, TimestampTz now);

/* What a refresh token gets. */
typedef enum SessionRotation
{
	SESSION_ROTATION_NONE,		/* nothing */
	SESSION_ROTATION_NEXT,		/* the pair of the next generation */
	SESSION_ROTATION_SAME,		/* the row's pair once more */
	SESSION_ROTATION_AGAIN,		/* the same, and its lifetime starts again */
	SESSION_ROTATION_REUSE		/* the end of its session */
} SessionRotation;

/* A refresh token that was made with the row's key, and when it came. */
typedef struct SessionPresented
{
	uint32		generation;
	TimestampTz asked;			/* when the call began */
	TimestampTz now;			/* after it waited for the row */
	bool		uses_known;		/* last_seen_at has every use after rotated_at */
} SessionPresented;

/*
 * Decides what a refresh token gets, by its generation and that of the row's
 * pair.  The first line that fits decides.
 *
 *	generation		and						result	why
 *	any				session not alive		NONE	it is over
 *	last possible							NONE	there is no next one
 *	newer									NEXT	we made it, and lost the
 *													rotation in a failover
 *	current									NEXT	its first use
 *	one before		grace is zero, or the	REUSE	no second use is allowed
 *					pair was not rotated
 *	one before		rotated_at is after now	REUSE	the clock was set back, so
 *													nothing is known of the age
 *	one before		asked within the grace	SAME	a request in parallel, or
 *													a repetition
 *	one before		uses are known, and		AGAIN	the answer was lost
 *					there was none
 *	one before		otherwise				REUSE
 *	older									REUSE
 *
 * The grace is measured to when the call began: a call that waits for the
 * rotation by another has not used its time up.  That rotation may be later
 * than "asked", but never than "now", which is how it is told from a clock that
 * was set back.
 *
 * A pair that was rotated and never used has last_seen_at equal to rotated_at.
 * A use moves last_seen_at, also one that overlaps the rotation and still had
 * the token before it.
 *
 * AGAIN gains a thief little: while the client has not used the pair, a thief
 * with the token before it gets the same pair as the client.  As soon as one of
 * the two refreshes and uses what that gives, the refresh token of the other
 * ends the session.  A use that may be unknown counts as a use, but for one on a
 * standby, which the primary never hears of.
 */
extern SessionRotation session_policy_rotation(const SessionRow *row,
											   const SessionSettings *settings,
											   const SessionPresented *presented);

/* The tokens of the generation that follows another replace the row's. */
extern void session_policy_rotate(SessionRow *row, uint32 generation,
								  TimestampTz now);

/* The row's pair, which was not used, is given once more. */
extern void session_policy_repeat(SessionRow *row, TimestampTz now);

/* Someone logged in, or proved more, within the session. */
extern void session_policy_authenticate(SessionRow *row, TimestampTz now);

/* The session is over; its row stays for a while to say so. */
extern void session_policy_revoke(SessionRow *row,
								  const SessionSettings *settings,
								  text *reason, TimestampTz now);

/*
 * Returns the cookie that the settings describe, without a value and without a
 * max_age.
 */
extern SessionCookie session_policy_cookie(const SessionSettings *settings);

#endif							/* SESSION_POLICY_H */
