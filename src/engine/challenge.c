/*
 * challenge.c
 *	  Challenges to the clients of bound sessions, and the keys that prove what
 *	  these clients get.
 *
 * Rules:
 * - Challenges, nonces, bound cookies and the tokens of request/csrf.c are
 *	 proven by the keys of a ring of their own, and for this database.  None is
 *	 stored.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "engine/challenge.h"
#include "model/digest.h"
#include "settings.h"
#include "table/keyring.h"

/* Returns the realm of this database. */
const char *
session_challenge_realm(void)
{
	static char name[12];

	/* A process has one database. */
	if (name[0] == '\0')
		snprintf(name, sizeof(name), "%u", MyDatabaseId);
	return name;
}

/* Returns the key that proves what is made now, generating the first one. */
SessionCodecKey
session_challenge_key(void)
{
	return session_keyring_codec_key(session_keyring_reserved_signer(SESSION_KEYRING_BOUND));
}

/* Generates the first key if tokens will be needed. */
void
session_challenge_prepare(void)
{
	if (session_settings.csrf == SESSION_CSRF_TOKEN)
		(void) session_challenge_key();
}

/* Returns whether there is such a key. */
bool
session_challenge_has_key(void)
{
	return session_keyring_find_signer(SESSION_KEYRING_BOUND, true) != NULL;
}

/* Returns a challenge to the client of a session. */
char *
session_challenge_make(TimestampTz made, const uint8 id[SESSION_ID_BYTES],
					   SessionChallengeUse use)
{
	SessionCodecKey key = session_challenge_key();
	char	   *chars = palloc0(SESSION_CHALLENGE_CHARS + 1);

	if (!session_bound_challenge(chars, made, id, use,
								 session_challenge_realm(), &key))
		session_digest_fail();
	return chars;
}

/* Reads the time of a challenge that was made here. */
bool
session_challenge_read(TimestampTz *made, const char *chars,
					   const uint8 id[SESSION_ID_BYTES],
					   SessionChallengeUse use)
{
	ListCell   *cell;

	foreach(cell, session_keyring_of(SESSION_KEYRING_BOUND))
	{
		SessionCodecKey key = session_keyring_codec_key(lfirst(cell));

		if (session_bound_read_challenge(made, chars, strlen(chars), id, use,
										 session_challenge_realm(), &key))
			return true;
	}
	return false;
}
