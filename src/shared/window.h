/*
 * window.h
 *	  How often something happened within a minute.
 *
 * Counted for the whole server when the library is preloaded, and otherwise by
 * each backend for itself.  Each kind has windows of its own, so that counting
 * many things of one kind does not displace what is counted of another.
 */
#ifndef SESSION_WINDOW_H
#define SESSION_WINDOW_H

#include "datatype/timestamp.h"
#include "utils/uuid.h"

#define SESSION_WINDOW_KINDS 4

/* What is counted; without padding, and zero where there is nothing to say. */
typedef struct SessionWindowKey
{
	Oid			database;
	int32		kind;			/* less than SESSION_WINDOW_KINDS */
	pg_uuid_t	id;
	int32		len;			/* bytes of the address */
	uint8		address[16];
} SessionWindowKey;

/*
 * Counts one more.  True if that is the one, within a minute that begins with
 * the first, that makes it more than limit; *count is how many there were.
 */
extern bool session_window_exceeds(const SessionWindowKey *key,
								   TimestampTz now, int limit, int *count);

/* How many there were in the minute that had begun at some time; or least. */
extern int	session_window_count(const SessionWindowKey *key, TimestampTz at,
								 int least);

/* Asks for the shared memory, and makes it. */
extern void session_window_shmem_request(void);
extern void session_window_shmem_init(void);

#endif							/* SESSION_WINDOW_H */
