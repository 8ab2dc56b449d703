/*
 * origin.h
 *	  Where users have logged in from, for as long as events are kept.
 */
#ifndef SESSION_ORIGIN_H
#define SESSION_ORIGIN_H

#include "utils/jsonb.h"

#include "model/row.h"
#include "table/budget.h"

#define SESSION_ORIGIN_IP 0x01
#define SESSION_ORIGIN_USER_AGENT 0x02

/*
 * Notes a login with the origins of a row: address, user agent or both, as
 * "which" says.  Returns those that the user, within the tenant, has not
 * logged in with before.  An origin that the row does not have is not new.
 */
extern int	session_origin_news(const SessionRow *row, int which,
								TimestampTz now);

/*
 * Returns the origins of a user, in all tenants, as an object with the array
 * "origins": hashes, and when they were used.
 */
extern Jsonb *session_origin_export(const text *user_id);

/* Deletes the origins of a user in all tenants.  Returns their number. */
extern uint64 session_origin_erase(const text *user_id);

/*
 * Deletes origins that were used longer ago than "session.event_retention", at
 * most "limit" and within the budget.  Returns the number deleted.
 */
extern int64 session_origin_trim(TimestampTz now, SessionBudget *budget,
								 int limit);

#endif							/* SESSION_ORIGIN_H */
