/*
 * denylist.h
 *	  Cookies that carry their own proof and must not be accepted any more.
 */
#ifndef SESSION_DENYLIST_H
#define SESSION_DENYLIST_H

#include "commands/trigger.h"
#include "datatype/timestamp.h"

#include "crypto/crypto.h"
#include "model/row.h"
#include "table/budget.h"

/* The key of a denied cookie: a hash, so the table reveals no cookie. */
typedef struct SessionDenylistKey
{
	uint8		hash[SESSION_SHA256_BYTES];
} SessionDenylistKey;

/* Returns a key as text in base64url. */
extern text *session_denylist_key_text(const SessionDenylistKey *key);

/* Reads a key from such a text; false for any other text and NULL. */
extern bool session_denylist_parse_key(SessionDenylistKey *key,
									   const text *source);

/*
 * Returns whether a cookie is denied, and the stamp of its key from before the
 * look.
 */
extern bool session_denylist_has(const SessionDenylistKey *key,
								 SessionEndStamp *stamp);

/*
 * Returns whether a cookie has an entry, which may deny it only after
 * "session.dbsc_grace".
 */
extern bool session_denylist_lists(const SessionDenylistKey *key);

/*
 * Denies a cookie until a time.  Returns false when it is denied for at least
 * as long already.
 */
extern bool session_denylist_add(const SessionDenylistKey *key,
								 TimestampTz until);

/*
 * Denies a cookie, which was bound to the key of its browser at a time by
 * making another cookie, from "session.dbsc_grace" after that on.  Returns
 * false when the cookie has an entry already.
 */
extern bool session_denylist_replace(const SessionDenylistKey *key,
									 TimestampTz until, TimestampTz bound_at);

/* Notes that a row was added or changed, for the table's trigger. */
extern void session_denylist_note_change(const TriggerData *data);

/* Warns if the table's own trigger does not fire for every change. */
extern void session_denylist_check_triggers(void);

/*
 * Deletes expired entries, at most limit and as far as the budget goes,
 * skipping locked rows.  Returns the number deleted.
 */
extern int64 session_denylist_trim(TimestampTz now, SessionBudget *budget,
								   int limit);

#endif							/* SESSION_DENYLIST_H */
