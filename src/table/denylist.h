/*
 * denylist.h
 *	  Cookies that are good by themselves and must not be accepted any more.
 */
#ifndef SESSION_DENYLIST_H
#define SESSION_DENYLIST_H

#include "datatype/timestamp.h"

#include "crypto/crypto.h"
#include "table/budget.h"

/* What a denied cookie is known by: a hash, so the list tells nobody. */
typedef struct SessionDenied
{
	uint8		hash[SESSION_SHA256_BYTES];
} SessionDenied;

extern bool session_denylist_has(const SessionDenied *denied);

/* Denies until a moment; false when it is denied for as long already. */
extern bool session_denylist_add(const SessionDenied *denied,
								 TimestampTz until);

/*
 * Deletes entries of cookies that have expired, at most limit, as far as the
 * budget goes, skipping locked ones.  Returns the number deleted.
 */
extern int64 session_denylist_trim(TimestampTz now, SessionBudget *budget,
								   int limit);

#endif							/* SESSION_DENYLIST_H */
