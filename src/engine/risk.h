/*
 * risk.h
 *	  What the function of "session.risk_function" makes of a request.
 */
#ifndef SESSION_ENGINE_RISK_H
#define SESSION_ENGINE_RISK_H

#include "model/policy.h"
#include "model/row.h"

typedef enum SessionRisk
{
	SESSION_RISK_UNASKED,		/* the function was not called */
	SESSION_RISK_OK,
	SESSION_RISK_STEP_UP,
	SESSION_RISK_REJECT
} SessionRisk;

/* Returns the name of a result of the function; NULL if it was not called. */
extern const char *session_risk_name(SessionRisk risk);

/*
 * Asks the function about a login: the row is the session as it will be.
 * Lowers the level of the row, and forgets its methods of authentication, if
 * the function says "step_up".  Errors with
 * 28000, and leaves evidence, if it says "reject".
 */
extern SessionRisk session_risk_of_login(SessionRow *row);

/* Returns whether there is a function that may be asked about a request. */
extern bool session_risk_may_be_asked(void);

/*
 * Asks the function about a request for an active session, if the request has
 * another address than the row.  Changes nothing.
 */
extern SessionRisk session_risk_of_use(const SessionRow *row,
									   const SessionBinding *binding);

/* Leaves evidence of what the function said about a request, unless "ok". */
extern void session_risk_note(const SessionRow *row,
							  const SessionBinding *binding, SessionRisk risk);

/*
 * Lowers the level in a row, in memory, if the function said "step_up" about a
 * request.
 */
extern void session_risk_lower(SessionRow *row, SessionRisk risk);

#endif							/* SESSION_ENGINE_RISK_H */
