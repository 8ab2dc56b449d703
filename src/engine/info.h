/*
 * info.h
 *	  A session as SQL shows it: a value of the type session_info.
 */
#ifndef SESSION_INFO_H
#define SESSION_INFO_H

#include "access/tupdesc.h"

#include "model/policy.h"

#define SESSION_INFO_COLUMNS 14

/* The types of the columns of session_info. */
extern const Oid session_info_types[SESSION_INFO_COLUMNS];

/* Has a row type these columns, as it was made? */
extern bool session_info_fits(TupleDesc desc, const Oid *types, int columns);

extern const char *session_info_status(SessionStatus status);

/* A user agent as it is kept: cut to SESSION_USER_AGENT_BYTES. */
extern text *session_info_user_agent(text *agent);

/*
 * Fills the columns of session_info, in the order of the type; the data is NULL if the
 * row was read without.
 */
extern void session_info_values(const SessionRow *row, SessionStatus status,
								Datum *values, bool *nulls);

#endif							/* SESSION_INFO_H */
