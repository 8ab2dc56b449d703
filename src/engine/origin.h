/*
 * origin.h
 *	  Where users have logged in from, for as long as events are kept.
 */
#ifndef SESSION_ORIGIN_H
#define SESSION_ORIGIN_H

#include "engine/row.h"

/*
 * Has the user of the row, within its tenant, not logged in from its address,
 * or with its user agent, before?  Remembers that they have now.
 */
extern bool session_origin_is_new_ip(const SessionRow *row, TimestampTz now);
extern bool session_origin_is_new_user_agent(const SessionRow *row,
											 TimestampTz now);

/* Forgets what was used before a moment, at most limit rows; how many? */
extern int64 session_origin_trim(TimestampTz before, int limit);

#endif							/* SESSION_ORIGIN_H */
