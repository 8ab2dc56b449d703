/*
 * event.h
 *	  The audit log: what happened to which session.
 *
 * The functions for the kinds of events, session_event_created to
 * session_event_accessed, write nothing if "session.log_events" does not list
 * the kind.
 */
#ifndef SESSION_EVENT_H
#define SESSION_EVENT_H

#include "utils/array.h"
#include "utils/jsonb.h"

#include "audit/actor.h"
#include "model/row.h"
#include "table/budget.h"

typedef enum SessionEventKind
{
	SESSION_EVENT_CREATED,
	SESSION_EVENT_REFRESHED,
	SESSION_EVENT_REGENERATED,
	SESSION_EVENT_REVOKED,
	SESSION_EVENT_EVICTED,
	SESSION_EVENT_EXPIRED,
	SESSION_EVENT_REFRESH_REUSE,
	SESSION_EVENT_BINDING_MISMATCH,
	SESSION_EVENT_BOUND,
	SESSION_EVENT_UNBOUND,
	SESSION_EVENT_RISK,
	SESSION_EVENT_NEW_IP,
	SESSION_EVENT_NEW_USER_AGENT,
	SESSION_EVENT_FAILURES,
	SESSION_EVENT_ACCESSED,
	SESSION_EVENT_ADMINISTRATION,
	SESSION_EVENT_KINDS
} SessionEventKind;

/* An event; NULL = unknown. */
typedef struct SessionEvent
{
	SessionEventKind kind;
	TimestampTz at;
	const pg_uuid_t *session_id;
	text	   *user_id;
	text	   *tenant_id;
	const inet *ip;				/* stored as "session.store_ip" says */
	text	   *user_agent;
	const SessionActor *actor;	/* NULL = who acts now */
	Jsonb	   *detail;
	bool		notify;			/* also send a notification */
} SessionEvent;

/* The kinds that "session.log_events" lists, a bit for each. */
extern PGDLLIMPORT uint32 session_event_kinds;

static inline bool
session_event_wanted(SessionEventKind kind)
{
	return (session_event_kinds & (1U << kind)) != 0;
}

/* Returns whether this transaction may write events. */
extern bool session_event_possible(void);

/*
 * Writes an event in the running transaction, whether "session.log_events"
 * lists it or not.  Does nothing when this transaction may not write.
 */
extern void session_event_write(const SessionEvent *event);

/*
 * Looks at the events of the same kind that are younger than "span", including
 * those that are not committed yet.  An event with a session is compared with
 * those that have one, and an event without a session with those that have
 * none.  Returns false if there are at least "most" of them, or if one has the
 * same session or, without a session, the same address (or /64 of IPv6).
 */
extern bool session_event_is_news(const SessionEvent *event, int64 span,
								  int most);

/*
 * Writes that a session was created.  If it has a user, and was not made of
 * another session, writes also that the user logged in from a new address or
 * with a new user agent.  The risk is what "session.risk_function" said about
 * the login; NULL = it was not asked.
 */
extern void session_event_created(const SessionRow *row, const char *risk);

/*
 * Writes that the lifetime of a session started again; if the session is
 * refreshable, by a refresh token.
 */
extern void session_event_refreshed(const SessionRow *row);

/*
 * Writes that a session got new tokens.  "login" says that it got its user at
 * the same time.  The risk is as in session_event_created.
 */
extern void session_event_regenerated(const SessionRow *row, bool login,
									  const char *risk);

/* Writes that a session was bound to a key, and in which way. */
extern void session_event_bound(const SessionRow *row, const char *by);

/* Writes that a session was revoked or evicted, by the reason in its row. */
extern void session_event_revoked(const SessionRow *row);

/*
 * Writes that a cookie that is a session by itself was denied before it
 * expired, with the id and the texts of its claims; NULL = unknown.  A text
 * that is too long for a column is left out.
 */
extern void session_event_denied(const pg_uuid_t *id, text *user_id,
								 text *tenant_id);

/*
 * Writes that a session expired or became idle; its row is about to be
 * deleted.  Does nothing for a session that was revoked.
 */
extern void session_event_purged(SessionRow *row, TimestampTz now);

/*
 * Writes that a session was used, when its row has just been written with that
 * use.  Does nothing if the last use that the row had before is of the same
 * interval; see session_policy_touch_is_news.
 */
extern void session_event_accessed(const SessionRow *row);

/*
 * Writes that an administrator changed something, or looked at what is kept
 * about a user: an event of the kind "administration" with the action in its
 * detail, for instance "key_rotated".  Does nothing if "session.log_events"
 * does not list the kind, or if this transaction may not write.
 *
 * user_id and tenant_id say whom the action is about; NULL = no user or no
 * tenant.  The detail adds members to the action and may be NULL.  It has
 * no secret, and its texts are short, because a notification has room for
 * about 3 kB of it.
 */
extern void session_event_administration(const char *action, text *user_id,
										 text *tenant_id, Jsonb *detail);

/*
 * Returns what is kept about a user as an object: the array "events" has the
 * events of the user's sessions and those about the user, and "acts" what the
 * user did to others, without them.  The ids, an array of uuid, are those of
 * the user's sessions.
 */
extern Jsonb *session_event_export(text *user_id, ArrayType *ids);

/*
 * Deletes the events of a user's sessions and those about the user.  Returns
 * the number deleted.
 */
extern uint64 session_event_erase(text *user_id, ArrayType *ids);

/* Makes the actor of events nameless where it is this user. */
extern void session_event_erase_actor(text *user_id);

/*
 * Deletes events that are older than "session.event_retention", at most
 * "limit" and within the budget, skipping locked rows.  Returns the number
 * deleted.
 */
extern int64 session_event_trim(TimestampTz now, SessionBudget *budget,
								int limit);

/* Returns the OID of the table of events. */
extern Oid	session_event_table(void);

/* Defines the setting "session.log_events"; called once, from _PG_init. */
extern void session_event_init(void);

#endif							/* SESSION_EVENT_H */
