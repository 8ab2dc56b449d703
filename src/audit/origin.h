/*
 * origin.h
 *	  Where users have logged in from, for as long as events are kept.
 */
#ifndef SESSION_ORIGIN_H
#define SESSION_ORIGIN_H

#include "model/row.h"
#include "table/budget.h"

#define SESSION_ORIGIN_IP 0x01
#define SESSION_ORIGIN_USER_AGENT 0x02

/*
 * Which of these has the user of a row, within its tenant, not logged in with
 * before?  Remembers that they have now.  What the row does not have is not
 * new.
 */
extern int	session_origin_news(const SessionRow *row, int which,
								TimestampTz now);

/*
 * Deletes what was used longer ago than "session.event_retention", at most
 * limit rows, as far as the budget goes.  Returns the number deleted.
 */
extern int64 session_origin_trim(TimestampTz now, SessionBudget *budget,
								 int limit);

#endif							/* SESSION_ORIGIN_H */
