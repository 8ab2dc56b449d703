/*
 * event.h
 *	  The audit log: what happened to which session.
 *
 * Every function looks at "session.log_events" first, and does nothing more
 * for a kind of event that is not in it.
 */
#ifndef SESSION_EVENT_H
#define SESSION_EVENT_H

#include "utils/jsonb.h"

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
	SESSION_EVENT_NEW_IP,
	SESSION_EVENT_NEW_USER_AGENT,
	SESSION_EVENT_FAILURES,
	SESSION_EVENT_KINDS
} SessionEventKind;

/* Pointers may be NULL = not known. */
typedef struct SessionEvent
{
	SessionEventKind kind;
	TimestampTz at;
	const pg_uuid_t *session_id;
	text	   *user_id;
	text	   *tenant_id;
	inet	   *ip;
	text	   *user_agent;
	Jsonb	   *detail;
	bool		notify;			/* tell those who listen, too */
} SessionEvent;

/* The kinds that "session.log_events" lists, a bit for each. */
extern PGDLLIMPORT uint32 session_event_kinds;

static inline bool
session_event_wanted(SessionEventKind kind)
{
	return (session_event_kinds & (1U << kind)) != 0;
}

/* May this transaction write one? */
extern bool session_event_possible(void);

/*
 * Writes an event in the running transaction, wanted or not.  Does nothing
 * where nothing may be written.
 */
extern void session_event_write(const SessionEvent *event);

/*
 * Returns false when the table has an event of the same kind and session, or of
 * the same address (or /64 of IPv6) where there is no session, that is younger
 * than span; or has as many as most of that kind.  Events that are not
 * committed yet count.  Those with and without a session are counted apart.
 */
extern bool session_event_is_news(const SessionEvent *event, int64 span,
								  int most);

/* A session was made; if it has a user, somebody logged in. */
extern void session_event_created(const SessionRow *row);

/* Its lifetime started again; by a refresh token if it is refreshable. */
extern void session_event_refreshed(const SessionRow *row);

/* It got new tokens; login says that it got its user, too. */
extern void session_event_regenerated(const SessionRow *row, bool login);

/* It was revoked, or evicted, for the reason in the row. */
extern void session_event_revoked(const SessionRow *row);

/* It ended by itself, and its row is about to be deleted. */
extern void session_event_purged(SessionRow *row, TimestampTz now);

/*
 * Deletes events that are older than "session.event_retention", at most limit,
 * as far as the budget goes, skipping locked ones.  Returns the number deleted.
 */
extern int64 session_event_trim(TimestampTz now, SessionBudget *budget,
								int limit);

/* The table that events are in. */
extern Oid	session_event_table(void);

/* Defines the setting "session.log_events"; called once, from _PG_init. */
extern void session_event_init(void);

#endif							/* SESSION_EVENT_H */
