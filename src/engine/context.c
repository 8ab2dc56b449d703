/*
 * context.c
 *	  The session that belongs to the running transaction.
 *
 * Rules: the note is only good while the transaction it was made in runs, so
 * nothing leaks to the next user of a pooled connection; it marks rows of a
 * list as "current" and decides nothing.
 */
#include "postgres.h"

#include "compat.h"
#include "engine/context.h"

static pg_uuid_t noted;
static LocalTransactionId noted_in = InvalidLocalTransactionId;

void
session_context_note(const pg_uuid_t *id)
{
	noted = *id;
	noted_in = session_compat_lxid();
}

bool
session_context_is_current(const pg_uuid_t *id)
{
	return LocalTransactionIdIsValid(noted_in) &&
		noted_in == session_compat_lxid() &&
		memcmp(noted.data, id->data, UUID_LEN) == 0;
}
