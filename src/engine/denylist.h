/*
 * denylist.h
 *	  Cookies that are good by themselves and must not be accepted any more.
 */
#ifndef SESSION_DENYLIST_H
#define SESSION_DENYLIST_H

#include "datatype/timestamp.h"

#include "crypto/crypto.h"

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
 * Deletes what need not be denied any more, batch at a time, passing over what
 * somebody holds; how much?
 */
extern int64 session_denylist_trim(TimestampTz now, int batch);

/* The same for one batch. */
extern int64 session_denylist_trim_some(TimestampTz now, int batch);

#endif							/* SESSION_DENYLIST_H */
