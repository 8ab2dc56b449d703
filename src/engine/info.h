/*
 * info.h
 *	  A session as SQL shows it: a value of the type session_info.
 */
#ifndef SESSION_INFO_H
#define SESSION_INFO_H

#include "access/tupdesc.h"

#include "model/policy.h"

#define SESSION_INFO_COLUMNS 19

/* Types of the columns of session_info, in their order. */
extern const Oid session_info_types[SESSION_INFO_COLUMNS];

/*
 * Returns whether a row type has exactly these columns.  A dropped or added
 * column makes it false.
 */
extern bool session_info_fits(TupleDesc desc, const Oid *types, int columns);

/* Returns the name of a status, as session_status() returns it. */
extern const char *session_info_status(SessionStatus status);

/*
 * Returns a user agent as rows store it: cut to SESSION_USER_AGENT_BYTES, at
 * the end of a character.
 */
extern text *session_info_user_agent(text *agent);

/*
 * Returns when a session was last used, as the server knows it; on a standby,
 * as the row says.
 */
extern TimestampTz session_info_seen_at(const SessionRow *row);

/*
 * Fills the columns of session_info, in the order of the type.  The data is
 * SQL NULL if the row was read without it.
 */
extern void session_info_values(const SessionRow *row, SessionStatus status,
								Datum *values, bool *nulls);

#endif							/* SESSION_INFO_H */
