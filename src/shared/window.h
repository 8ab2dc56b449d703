/*
 * window.h
 *	  Counts how often something happened within a minute.
 *
 * With preloading the counts are those of the whole server, otherwise each
 * backend has its own.  Each kind has its own windows, so many events of one
 * kind do not displace the counts of another.
 */
#ifndef SESSION_WINDOW_H
#define SESSION_WINDOW_H

#include "datatype/timestamp.h"
#include "utils/uuid.h"

#define SESSION_WINDOW_KINDS 7

/*
 * What is counted.  Keys are compared as bytes: the struct has no padding, and
 * members that do not apply are zero.
 */
typedef struct SessionWindowKey
{
	Oid			database;
	int32		kind;			/* less than SESSION_WINDOW_KINDS */
	pg_uuid_t	id;
	int32		len;			/* bytes of the address */
	uint8		address[16];
} SessionWindowKey;

/*
 * Counts one event, and sets *count to the number of events in the minute that
 * began with the first one.  Returns true once a minute: for the event that
 * takes the count past the limit.
 */
extern bool session_window_exceeds(const SessionWindowKey *key,
								   TimestampTz now, int limit, int *count);

/*
 * Returns the number of events in the minute that "at" is in, or "least" if
 * that is larger or the minute is not known any more.
 */
extern int	session_window_count(const SessionWindowKey *key, TimestampTz at,
								 int least);

/* Requests the shared memory of this module, and creates it. */
extern void session_window_shmem_request(void);
extern void session_window_shmem_init(void);

#endif							/* SESSION_WINDOW_H */
