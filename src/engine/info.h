/*
 * info.h
 *	  A session as SQL shows it: a value of the type session_info.
 */
#ifndef SESSION_INFO_H
#define SESSION_INFO_H

#include "engine/policy.h"

#define SESSION_INFO_COLUMNS 14

extern const char *session_info_status(SessionStatus status);

/* Fills the columns of session_info, in the order of the type. */
extern void session_info_values(const SessionRow *row, SessionStatus status,
								Datum *values, bool *nulls);

#endif							/* SESSION_INFO_H */
