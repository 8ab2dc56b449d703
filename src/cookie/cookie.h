/*
 * cookie.h
 *	  Cookies of an application's own claims: minting, opening, denying.
 *
 * With "session.strategy" = stateless, such a cookie is a session by itself.
 */
#ifndef SESSION_COOKIE_H
#define SESSION_COOKIE_H

#include "utils/jsonb.h"

#include "model/identity.h"
#include "model/policy.h"
#include "wire/codec.h"

/*
 * Mints a cookie from an object that has no iat, exp and jti, which are set
 * here.  ttl is in seconds.  Errors when the purpose has no active key.
 */
extern text *session_cookie_mint(Jsonb *payload, const SessionCodec *codec,
								 int64 ttl, const char *purpose);

/*
 * Returns the payload of a cookie that is valid now; NULL for any other.  A
 * forged cookie counts as a failed credential.
 */
extern Jsonb *session_cookie_open(const char *value, size_t len,
								  const char *purpose);

/*
 * Returns the id in a cookie that express-session signed with a key of the
 * purpose; NULL for any other cookie, and for one that was denied.
 */
extern text *session_cookie_signed_id(const char *value, size_t len,
									  const char *purpose);

/*
 * Opens a cookie that is a session by itself: a jwt or jwe, and with foreign
 * only one that an imported key made.  Counts nothing.
 *
 *	SESSION_ACTIVE		it is valid now
 *	SESSION_EXPIRED		its times do not allow its use now
 *	SESSION_REVOKED		it is on the denylist
 *	SESSION_MALFORMED	it is in none of the encodings
 *	SESSION_UNKNOWN		no key made it, or it is not a session
 *
 * With SESSION_ACTIVE, *has_identity says whether the identity was filled.  It
 * is not when sub, tid or role is neither a string nor null.
 */
extern SessionStatus session_cookie_identify(const char *value, size_t len,
											 const char *purpose, bool foreign,
											 SessionIdentity *identity,
											 bool *has_identity);

/*
 * Denies a cookie that is valid now until it expires.  Returns false for any
 * other, and when it is denied for as long already.
 */
extern bool session_cookie_deny(const char *value, size_t len,
								const char *purpose);

#endif							/* SESSION_COOKIE_H */
