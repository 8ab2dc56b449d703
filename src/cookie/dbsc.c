/*
 * dbsc.c
 *	  Device Bound Session Credentials: sessions that are bound to a key which
 *	  the browser keeps.
 *
 * Rules:
 * - Everything that is made here is proven by the keys of a ring of its own,
 *	 which only this file uses, and for this database.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "cookie/dbsc.h"
#include "cookie/proof.h"
#include "table/keyring.h"
#include "wire/bound.h"

/*
 * Returns the realm of this database, because a copy of a database has the
 * same keys and the same sessions.
 */
static const char *
realm(void)
{
	static char name[12];

	snprintf(name, sizeof(name), "%u", MyDatabaseId);
	return name;
}

/* Returns a key of the ring in the form that wire/bound.c takes. */
static SessionCodecKey
bound_key(const SessionKey *key)
{
	SessionCodecKey result = {
		.kid = key->kid,
		.secret = key->secret,
		.secret_len = key->secret_len,
		.derived = key->derived
	};

	return result;
}

/* Returns whether one of the keys has made a bound cookie. */
static bool
is_genuine(const SessionBoundCookie *cookie)
{
	ListCell   *cell;

	foreach(cell, session_keyring_of(SESSION_KEYRING_BOUND))
	{
		SessionCodecKey key = bound_key(lfirst(cell));

		if (session_bound_verify(cookie, realm(), &key))
			return true;
	}
	return false;
}

/* Sets what a bound cookie proves. */
void
session_dbsc_prove(SessionPossession *proven, const char *value, size_t len)
{
	SessionBoundCookie cookie;

	memset(proven, 0, sizeof(*proven));
	if (!session_bound_parse(&cookie, value, len) ||
		session_bound_expires(&cookie) <=
		session_proof_seconds(GetCurrentTimestamp()) ||
		!is_genuine(&cookie))
		return;
	proven->bound.by = SESSION_BOUND_DBSC;
	memcpy(proven->bound.thumbprint, cookie.thumbprint,
		   sizeof(cookie.thumbprint));
	memcpy(proven->id.data, cookie.id, UUID_LEN);
}
