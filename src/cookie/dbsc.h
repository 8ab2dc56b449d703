/*
 * dbsc.h
 *	  Device Bound Session Credentials: sessions that are bound to a key which
 *	  the browser keeps.
 */
#ifndef SESSION_DBSC_H
#define SESSION_DBSC_H

#include "model/policy.h"

/*
 * Sets what a bound cookie proves: the key of a session.  Any text may be
 * given; one that is no valid bound cookie proves nothing.
 */
extern void session_dbsc_prove(SessionPossession *proven, const char *value,
							   size_t len);

#endif							/* SESSION_DBSC_H */
