/*
 * dbsc.h
 *	  Device Bound Session Credentials: sessions that are bound to a key which
 *	  the browser keeps.
 *
 * What a browser sends is data, not an error.
 */
#ifndef SESSION_DBSC_H
#define SESSION_DBSC_H

#include "utils/jsonb.h"

#include "model/policy.h"
#include "wire/token.h"

/*
 * Sets what a bound cookie proves: the key of a session.  Any text may be
 * given; one that is no valid bound cookie proves nothing.
 */
extern void session_dbsc_prove(SessionPossession *proven, const char *value,
							   size_t len);

/*
 * Returns the value of the header Secure-Session-Registration, which offers a
 * browser to bind a session; NULL unless the token is active and its session
 * is bound to no key.  The path is where the browser sends its proof; it has
 * no character that a quoted string does not contain as it is.
 */
extern text *session_dbsc_make_offer(const SessionToken *token,
									 const text *path);

/* What a browser gets; NULL = nothing. */
typedef struct SessionDbscAnswer
{
	Jsonb	   *instructions;	/* the body */
	text	   *cookie;			/* the bound cookie */
	text	   *line;			/* the Set-Cookie of that cookie */
	text	   *challenge;		/* the value of Secure-Session-Challenge */
	text	   *token;			/* the new value of a cookie that is a session
								 * by itself */
} SessionDbscAnswer;

/*
 * Binds the session of a token to the key in a proof, which answers an offer.
 * Returns false, and changes nothing, unless the token is active, its session
 * is bound to no key, and the proof is good.
 */
extern bool session_dbsc_bind(const SessionToken *token, const char *proof,
							  size_t len, const text *refresh_path,
							  SessionDbscAnswer *answer);

/*
 * Renews the bound cookie of a session.  Without a proof (NULL), and with one
 * that is not good, the answer is only a challenge.  If there is no live
 * session of that id that is bound to such a key, the answer are instructions
 * that the browser forgets it.
 */
extern void session_dbsc_renew(const pg_uuid_t *id, const char *proof,
							   size_t len, const text *refresh_path,
							   SessionDbscAnswer *answer);

/*
 * The same for a cookie that is a session by itself, with "session.strategy" =
 * stateless.  Binding it makes another cookie, which contains the key, and
 * denies the one from before.  So to renew the bound cookie, that cookie is
 * needed too.
 */
extern text *session_dbsc_offer_cookie(const char *value, size_t len,
									   const text *path);
extern bool session_dbsc_bind_cookie(const char *value, size_t len,
									 const char *proof, size_t proof_len,
									 const text *refresh_path,
									 SessionDbscAnswer *answer);
extern void session_dbsc_renew_cookie(const pg_uuid_t *id, const char *value,
									  size_t len, const char *proof,
									  size_t proof_len,
									  const text *refresh_path,
									  SessionDbscAnswer *answer);

#endif							/* SESSION_DBSC_H */
