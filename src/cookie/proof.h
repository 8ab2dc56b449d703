/*
 * proof.h
 *	  What every cookie that carries its own proof has: a key, times, claims.
 */
#ifndef SESSION_PROOF_H
#define SESSION_PROOF_H

#include "utils/inet.h"
#include "utils/jsonb.h"

#include "model/policy.h"
#include "wire/claims.h"
#include "wire/codec.h"

/* Seconds that the clock of another system may differ from ours. */
#define SESSION_PROOF_LEEWAY 15

/* A cookie that a key has proven, and its claims. */
typedef struct SessionProof
{
	const SessionCodec *codec;	/* NULL = in none of the encodings */
	char	   *payload;
	size_t		len;
	bool		imported;		/* the key was imported */
	bool		of_issuer;		/* an issuer's key, whose claims are checked */
	SessionMember *members;		/* set by session_proof_read_claims */
	int			count;
} SessionProof;

/* When a cookie is made, and when it expires, in seconds since 1970. */
typedef struct SessionStamp
{
	int64		issued;
	int64		expires;
} SessionStamp;

/* Returns the time in seconds since 1970, rounded down. */
extern int64 session_proof_seconds(TimestampTz time);

/* Returns the time that is this number of seconds after 1970. */
extern TimestampTz session_proof_time(int64 seconds);

/* Returns the codec that "session.cookie_encoding" names. */
extern const SessionCodec *session_proof_codec(void);

/*
 * Returns the key that signs for a ring in an encoding.  With derive, the
 * codec derives its key from an imported secret too, where it would otherwise
 * use that secret as it is.  Errors when the ring has no active key that can.
 */
extern SessionCodecKey session_proof_signer(const char *ring,
											const SessionCodec *codec,
											bool derive);

/*
 * Returns the earliest iat, in seconds, that the rules have not ended; the
 * least number if they have ended none.  iat is a whole second, so what is
 * made in the second in which others are ended names the next one.
 */
extern int64 session_proof_earliest(const SessionRules *rules);

/*
 * Returns the time at which a cookie is made: `now`, or the beginning of the
 * earliest second that the rules have not ended.  For a cookie made of a row,
 * `now` is not after the row was read: what ends the session from then on ends
 * the cookie.
 */
extern TimestampTz session_proof_creation(const SessionRules *rules,
										  TimestampTz now);

/*
 * Encodes the claims.  With a stamp, adds its iat and exp and a random jti,
 * which the claims must not have.  Errors with 54000 when they are too large
 * for a cookie or for our own parser.
 */
extern text *session_proof_encode(Jsonb *claims, const SessionStamp *stamp,
								  const SessionCodec *codec,
								  const char *purpose,
								  const SessionCodecKey *key);

/*
 * Finds the key of the ring that made a value, and decodes its payload.
 * Checks no times.  Returns SESSION_ACTIVE, SESSION_MALFORMED for a value in
 * none of the encodings, and SESSION_UNKNOWN for a value that no key made, or
 * that the key of an issuer made but not this issuer, or not for us.
 */
extern SessionStatus session_proof_verify(SessionProof *proof,
										  const char *value, size_t len,
										  const char *ring,
										  const char *purpose, bool derive);

/* Reads the claims; returns false when the payload is not a JSON object. */
extern bool session_proof_read_claims(SessionProof *proof);

/*
 * Returns the claims, which were read, as jsonb; NULL when jsonb cannot hold
 * them.
 */
extern Jsonb *session_proof_claims(const SessionProof *proof);

/*
 * Returns the iat of the claims in seconds, rounded down; the least number for
 * any other or none, so that it is earlier than any time.
 */
extern int64 session_proof_issued(const SessionProof *proof);

/*
 * Sets the rules for the tenant and role in the claims; both may be missing.
 */
extern void session_proof_rules(const SessionProof *proof,
								SessionRules *rules);

/*
 * Returns whether the times in the claims allow its use at a time, in seconds.
 * Leeway is granted only for an imported key.  Only what an imported secret
 * made may have no exp.
 */
extern bool session_proof_in_time(const SessionProof *proof, int64 now);

/* Returns a claim that is a string; NULL for any other or none. */
extern const char *session_proof_string(const SessionProof *proof,
										const char *name);

/* Returns a claim that is a string, in the server's encoding. */
extern text *session_proof_text(const SessionProof *proof, const char *name);

/* Returns a claim that is an integer; the default for any other or none. */
extern int64 session_proof_integer(const SessionProof *proof,
								   const char *name, int64 none);

/*
 * Returns the seconds of a claim that is a NumericDate, without its fraction;
 * the default for any other or none.
 */
extern int64 session_proof_date(const SessionProof *proof, const char *name,
								int64 none);

/*
 * Counts the check of a cookie that came from an address (NULL = not known).
 * A malformed or forged cookie is evidence of a failed credential; a cookie
 * that has expired or was revoked is not.
 */
extern void session_proof_count(SessionStatus status, const inet *ip);

#endif							/* SESSION_PROOF_H */
