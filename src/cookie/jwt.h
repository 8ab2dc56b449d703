/*
 * jwt.h
 *	  JWTs about a session, for other services to verify.
 */
#ifndef SESSION_JWT_H
#define SESSION_JWT_H

#include "utils/jsonb.h"

#include "model/policy.h"
#include "wire/token.h"

/*
 * Mints a JWT for a live session; NULL when the token is not valid for one.
 * ttl is in seconds.  claims has none of sid, sub, tid, role, lvl, iat, exp
 * and jti, and with an audience no aud: these are set here.
 */
extern text *session_jwt_mint(const SessionToken *token,
							  const SessionPossession *proven, int64 ttl,
							  Jsonb *claims, text *audience);

#endif							/* SESSION_JWT_H */
