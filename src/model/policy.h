/*
 * policy.h
 *	  The rules of a session's life.
 *
 * Every function is pure: all that it needs to know, the time included, is an
 * argument.  Its decision is the result, or is written into the row.
 */
#ifndef SESSION_POLICY_H
#define SESSION_POLICY_H

#include "model/address.h"
#include "model/row.h"
#include "settings.h"
#include "wire/cookie_header.h"

/* The status of a token.  The first that applies is the status. */
typedef enum SessionStatus
{
	SESSION_MALFORMED,			/* not the text of a token */
	SESSION_UNKNOWN,			/* no such session, or a wrong secret */
	SESSION_REVOKED,
	SESSION_EXPIRED,			/* past the hard deadline */
	SESSION_IDLE,				/* not used for the idle timeout */
	SESSION_BINDING,			/* the request does not match the binding */
	SESSION_UNBOUND,			/* it does not prove the session's key */
	SESSION_RISKY,				/* "session.risk_function" rejects it */
	SESSION_ACTIVE
} SessionStatus;

/* The key that a request has proven to have, just now, and for a session. */
typedef struct SessionPossession
{
	SessionBound bound;			/* by is SESSION_BOUND_NOT if it has not */
	pg_uuid_t	id;				/* of the session */
	struct SessionDpopProof *dpop;	/* not looked at yet, see engine/dpop.h;
									 * NULL = none */
} SessionPossession;

/* Where a request comes from, as far as the caller says; NULL = unknown. */
typedef struct SessionBinding
{
	const inet *ip;
	const text *user_agent;		/* cut to SESSION_USER_AGENT_BYTES */
	SessionPossession proven;
} SessionBinding;

/* Longest user agent that is kept and compared, in bytes. */
#define SESSION_USER_AGENT_BYTES 1024

/* Deadlines that a caller asks for in a new session, in microseconds. */
typedef struct SessionLifetimes
{
	int64		lifetime;		/* 0 = that of the settings */
	int64		idle_timeout;	/* 0 = none, -1 = that of the settings */
	bool		refreshable;
	bool		sliding;		/* if not refreshable */
} SessionLifetimes;

/*
 * Converts an interval to microseconds: a month is 30 days and a day 24 hours.
 * Returns false when the interval is infinite or does not fit.
 */
extern pg_nodiscard bool session_policy_usecs(int64 *usecs,
											  const Interval *interval);

/*
 * Rules
 *
 * What rows of session.policies say about a session.  For each rule, the
 * most specific row that sets it counts: that of the tenant
 * and the role, of the tenant, of the role, for all sessions, and then the
 * settings.  valid_after is the exception: the latest of all rows counts, so
 * that the row of a tenant does not undo the end of all sessions.
 */

/*
 * Adds what a row says to what more specific rows say.
 */
extern void session_policy_add_rules(SessionRules *rules,
									 const SessionRules *row);

/*
 * Returns whether the rules have ended what was created, or issued, at a time.
 */
extern bool session_policy_has_ended(const SessionRules *rules,
									 TimestampTz created_at);

/*
 * Returns the time at which a session is created now: later than the end of
 * earlier ones, even if the clock was set back.
 */
extern TimestampTz session_policy_creation(const SessionRules *rules,
										   TimestampTz now);

/*
 * Returns the limit on a user's sessions, 0 for none.  `asked` is what the
 * caller asks for, or -1.  It does not raise the limit of the rules.
 */
extern int	session_policy_limit(const SessionRules *rules,
								 const SessionSettings *settings, int asked);

/* Returns how addresses are compared. */
extern SessionBindIp session_policy_bind_ip(const SessionRules *rules,
											const SessionSettings *settings);

/* Returns whether user agents are compared. */
extern bool session_policy_bind_user_agent(const SessionRules *rules,
										   const SessionSettings *settings);

/* Makes an interval of days and a rest, which is more readable than hours. */
extern void session_policy_interval(Interval *interval, int64 usecs);

/*
 * Returns whether the session is alive, or why not.  A refreshable session is
 * alive while it can be refreshed, even after its session token has expired.
 * Never returns SESSION_BINDING.
 */
extern SessionStatus session_policy_life(const SessionRow *row,
										 TimestampTz now);

/*
 * Returns whether the session token is valid, or why not.  Never returns
 * SESSION_BINDING.
 */
extern SessionStatus session_policy_status(const SessionRow *row,
										   TimestampTz now);

/* Returns the 4 or 16 bytes of an address. */
extern const uint8 *session_policy_address(const inet *ip, int *len);

/*
 * Returns the bytes of an address that identify a client: all 4 of IPv4, and
 * the first 8 of IPv6, because a client that has one address of a /64 network
 * usually has all of them.
 */
extern const uint8 *session_policy_network(const inet *ip, int *len);

/*
 * Returns what is stored of an address, as "session.store_ip" says: the
 * address, its network in *room, or NULL.  To apply it twice changes nothing.
 */
extern const inet *session_policy_stored_ip(const inet *ip,
											const SessionSettings *settings,
											SessionAddress *room);

/*
 * Returns whether only its row can say if a request is good for a session:
 * that is bound to an address or a user agent, or "session.risk_function" is
 * set.
 */
extern bool session_policy_needs_row(const SessionRules *rules,
									 const SessionSettings *settings);

/*
 * Returns whether a request comes from another address than the session, as
 * far as it would be stored.  A request of unknown address does not; one of a
 * known address does, if the session has none.
 */
extern bool session_policy_has_moved(const SessionRow *row,
									 const SessionSettings *settings,
									 const SessionBinding *binding);

/*
 * Returns whether a request matches the binding of a session: the address and
 * user agent that it was created with, as far as its rules and the settings
 * compare them.
 */
extern bool session_policy_matches_binding(const SessionRow *row,
										   const SessionSettings *settings,
										   const SessionBinding *binding);

/*
 * Returns whether a request may use a session: the session is not bound to a
 * key, or the request has proven that key, in the way that the session is
 * bound, and for this session.
 */
extern bool session_policy_proves_key(const SessionBound *bound,
									  const pg_uuid_t *id,
									  const SessionPossession *proven);

/*
 * Returns whether a session that was bound to the key of its browser at a time
 * (SESSION_NO_TIME = not) was bound so lately that a request may lack that
 * key, because the browser may have sent it before it had the bound cookie: at
 * most "session.dbsc_grace" ago.  A time that is so little in the future is
 * that of a server whose clock is ahead; a later one means that the clock was
 * set back, so the age is unknown.
 */
extern bool session_policy_bound_lately(TimestampTz bound_at,
										const SessionSettings *settings,
										TimestampTz now);

/*
 * Returns whether a challenge that was made at a time may be answered now: it
 * is later than the last one that was answered (SESSION_NO_TIME = none), and
 * at most SESSION_CHALLENGE_USECS old.
 */
extern bool session_policy_challenge_good(TimestampTz made,
										  TimestampTz answered,
										  TimestampTz now);

/*
 * Returns the time of a challenge that is made now, so that it is later than
 * the last one that was answered, even if the clock was set back.
 */
extern TimestampTz session_policy_challenge_time(TimestampTz answered,
												 TimestampTz now);

/* How long a challenge can be answered, in microseconds. */
#define SESSION_CHALLENGE_USECS (5 * USECS_PER_MINUTE)

/* Returns whether two texts are equal; NULL equals NULL. */
extern bool session_policy_same_text(const text *a, const text *b);

/*
 * Returns whether a session is of this user, and in exactly this tenant; NULL
 * stands for a session without tenant.
 */
extern bool session_policy_is_of_user(const SessionRow *row,
									  const text *user_id,
									  const text *tenant_id);

/* Returns when the session token expires, if it is not used again. */
extern TimestampTz session_policy_deadline(const SessionRow *row);

/* Returns when the session ends, if it is not used again. */
extern TimestampTz session_policy_end(const SessionRow *row);

/*
 * Returns how old the recorded use of a session may get before the next use is
 * written, in microseconds.
 */
extern int64 session_policy_touch_age(const SessionRow *row,
									  const SessionSettings *settings);

/* Returns whether a use of the session is to be written now. */
extern bool session_policy_touch_due(const SessionRow *row,
									 const SessionSettings *settings,
									 TimestampTz now);

/*
 * Time since the creation of a session is divided into intervals as long as
 * session_policy_touch_age.  Returns whether now is in another interval than
 * the last use that the row had when it was read.  So of the uses that are
 * written into the row, however often that is, about one in each interval is
 * worth an event.
 */
extern bool session_policy_touch_is_news(const SessionRow *row,
										 const SessionSettings *settings,
										 TimestampTz now);

/*
 * Sets all times of a new session, whose rules are set.  "authenticated" says
 * whether a user has logged in.  The cap counts from now.
 */
extern void session_policy_open(SessionRow *row,
								const SessionSettings *settings,
								const SessionLifetimes *lifetimes,
								bool authenticated, TimestampTz now);

/*
 * Sets all times of a new session that is made of another, whose rules are
 * set.  It is not refreshable, and its hard deadline, which never moves, is
 * not after the one that the other has now.  The lifetime is in microseconds,
 * 0 = that of the settings.
 */
extern void session_policy_derive(SessionRow *row, const SessionRow *parent,
								  const SessionSettings *settings,
								  int64 lifetime, TimestampTz now);

/*
 * Makes a session, whose tenant or role has changed, one that was created
 * after the end of earlier sessions of that tenant and role.
 */
extern void session_policy_move(SessionRow *row);

/* Records a use of the session. */
extern void session_policy_touch(SessionRow *row, TimestampTz now);

/* Starts the session's lifetime again, up to its cap. */
extern void session_policy_extend(SessionRow *row, TimestampTz now);

/* What a refresh token gets. */
typedef enum SessionRotation
{
	SESSION_ROTATION_NONE,		/* nothing */
	SESSION_ROTATION_NEXT,		/* the tokens of the next generation */
	SESSION_ROTATION_SAME,		/* the row's tokens once more */
	SESSION_ROTATION_AGAIN,		/* the same, and the lifetime starts again */
	SESSION_ROTATION_REUSE		/* the end of its session */
} SessionRotation;

/* A refresh token that was made with the row's key, and when it came. */
typedef struct SessionPresented
{
	uint32		generation;
	TimestampTz asked;			/* when the call began */
	TimestampTz now;			/* after it waited for the row */
	bool		uses_known;		/* every use after rotated_at is recorded */
} SessionPresented;

/*
 * Decides what a refresh token gets, by its generation and that of the row's
 * tokens.  The first line that applies decides.
 *
 *	generation		and						result	why
 *	any				session not alive		NONE	the session has ended
 *	last possible							NONE	there is no next generation
 *	newer									NEXT	we made it, and lost the
 *													rotation in a failover
 *	current									NEXT	its first use
 *	one before		grace is zero, or the	REUSE	no second use is allowed
 *					tokens never rotated
 *	one before		rotated_at is after now	REUSE	the clock was set back, so
 *													the age is unknown
 *	one before		asked within the grace	SAME	a parallel or repeated
 *													request
 *	one before		uses are known, and		AGAIN	the response was lost
 *					there was none
 *	one before		otherwise				REUSE
 *	older									REUSE
 *
 * The grace is measured to the beginning of the call: the time that a call
 * waits for another rotation of the row does not count.  That rotation may be
 * later than "asked", but never later than "now".  So a rotated_at after "now"
 * means that the clock was set back.
 *
 * Tokens that were rotated and never used have last_seen_at equal to
 * rotated_at.  A use moves last_seen_at, even one with the earlier token that
 * overlaps the rotation.
 *
 * AGAIN gives a thief little: while the client has not used the new tokens, a
 * thief with the earlier refresh token gets the same tokens as the client.  As
 * soon as one of the two refreshes and uses the result, the refresh token of
 * the other ends the session.  A use that may be unknown counts as a use.  The
 * exception is a use on a standby, which the primary never learns about.
 */
extern SessionRotation session_policy_rotation(const SessionRow *row,
											   const SessionSettings *settings,
											   const SessionPresented *presented);

/* Replaces the row's tokens by those of the generation after a given one. */
extern void session_policy_rotate(SessionRow *row, uint32 generation,
								  TimestampTz now);

/* Gives the row's tokens, which were not used, once more. */
extern void session_policy_repeat(SessionRow *row, TimestampTz now);

/*
 * Sets all times of a session that a login goes on with, but created_at, as
 * those of a new session.
 */
extern void session_policy_reopen(SessionRow *row,
								  const SessionSettings *settings,
								  const SessionLifetimes *lifetimes,
								  TimestampTz now);

/*
 * Gives the session another lifetime, in microseconds, which starts now and
 * ends at its cap at the latest.  If the session has no hard deadline, or
 * sessions slide by the settings, the lifetime is its idle timeout, as in a
 * new session.
 */
extern void session_policy_relive(SessionRow *row,
								  const SessionSettings *settings,
								  int64 lifetime, TimestampTz now);

/* Records a login, or a further factor, within the session. */
extern void session_policy_authenticate(SessionRow *row, TimestampTz now);

/*
 * Revokes the session.  Its row stays for "session.revoked_retention", so that
 * its token is reported as revoked until then.
 */
extern void session_policy_revoke(SessionRow *row,
								  const SessionSettings *settings,
								  text *reason, TimestampTz now);

/*
 * Returns the cookie that the settings describe, without a value and without a
 * max_age.
 */
extern SessionCookie session_policy_cookie(const SessionSettings *settings);

#endif							/* SESSION_POLICY_H */
