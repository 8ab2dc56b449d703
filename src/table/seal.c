/*
 * seal.c
 *	  What rows of session.sessions hold sealed: keys of refresh tokens, and
 *	  data.
 *
 * Rules:
 * - Values are sealed under keys of the ring "seal", not under the master key.
 *	 The newest key seals.  The first one is generated when it is needed, in
 *	 the transaction that needs it.  Two transactions that need it at once
 *	 generate one each, because neither waits for the other; both stay in use.
 * - Each session and use has its own AES key, derived from the secret of the
 *	 ring's key and the session's id.  So few values are sealed with one AES
 *	 key, and random nonces never repeat.  A value that is copied to another
 *	 session does not open.
 * - The derivation is the second step of HKDF-SHA-256 alone: the secret is
 *	 uniformly random (RFC 5869 section 3.3), and a validation of a session
 *	 with sealed data derives a key.
 * - A sealed value is the 12 bytes that the kid encodes, then an envelope.
 * - A derived key is wiped after the call.  The secrets of the ring are cached
 *	 as those of other rings are; see keyring.c.
 * - A retired key seals nothing, but still opens.  A key is retired only if no
 *	 row is sealed with it, but a transaction that has not committed yet may
 *	 have used it.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/uuid.h"

#include "compat.h"
#include "crypto/crypto.h"
#include "table/keyring.h"
#include "table/seal.h"
#include "table/store.h"
#include "wire/base64url.h"

/* Room for the label of a use, an id, and the number of the block. */
#define INFO_BYTES 64

#define KID_CHARS SESSION_BASE64URL_CHARS(SESSION_SEAL_KID_BYTES)

/* Returns the key that seals, generating the first one. */
static const SessionKey *
newest_key(void)
{
	return session_keyring_reserved_signer(SESSION_KEYRING_SEAL);
}

/* Decodes a kid. */
static void
write_kid(uint8 *out, const char *kid)
{
	if (strlen(kid) != KID_CHARS ||
		!session_base64url_decode(out, kid, KID_CHARS))
		elog(ERROR, "key \"%s\" has a name that was not generated", kid);
}

/*
 * Derives the AES key of a session and use: the first block of HKDF-Expand,
 * RFC 5869 section 2.3.  No use is the end of another.
 */
static void
derive_key(uint8 key[SESSION_GCM_KEY_BYTES], const SessionKey *secret,
		   const char *use, const pg_uuid_t *id)
{
	char		info[INFO_BYTES];
	size_t		len = snprintf(info, sizeof(info), "session seal %s", use);

	memcpy(info + len, id->data, sizeof(id->data));
	len += sizeof(id->data);
	info[len++] = 1;
	if (!session_crypto_hmac_sha256(key, info, len, secret->secret,
									secret->secret_len))
		ereport(ERROR,
				(errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
				 errmsg("could not derive a key")));
}

/* Seals a value of a session for one use. */
void
session_seal_close(uint8 *out, const void *in, size_t len, const char *use,
				   const pg_uuid_t *id)
{
	const SessionKey *secret = newest_key();
	uint8		key[SESSION_GCM_KEY_BYTES];

	write_kid(out, secret->kid);
	derive_key(key, secret, use, id);
	session_envelope_seal(out + SESSION_SEAL_KID_BYTES, in, len, NULL, 0, key);
	session_crypto_wipe(key, sizeof(key));
}

/* Returns whether a sealed value was sealed with the newest key. */
bool
session_seal_is_newest(const void *sealed)
{
	uint8		kid[SESSION_SEAL_KID_BYTES];

	write_kid(kid, newest_key()->kid);
	return memcmp(sealed, kid, sizeof(kid)) == 0;
}

/* Returns the key of the ring with a kid; NULL if there is none. */
static const SessionKey *
find_in_ring(const char *kid)
{
	ListCell   *cell;

	foreach(cell, session_keyring_of(SESSION_KEYRING_SEAL))
	{
		const SessionKey *secret = lfirst(cell);

		if (strcmp(secret->kid, kid) == 0)
			return secret;
	}
	return NULL;
}

/* Errors because a key does not exist. */
static pg_noinline void
refuse_unknown(const char *kid, const pg_uuid_t *id)
{
	Datum		session = DirectFunctionCall1(uuid_out, UUIDPGetDatum(id));

	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("key \"%s\", with which a session is sealed, does not "
					"exist", kid),
			 errdetail("The session is %s.", DatumGetCString(session)),
			 errhint("Restore the row of this key in session.keys.  Without "
					 "it, the session can only be revoked.")));
}

/*
 * Derives the AES key of a value from the secret that its kid names.  A
 * retired secret is opened for this call alone.
 */
static void
find_derived_key(uint8 key[SESSION_GCM_KEY_BYTES], const uint8 *kid_bytes,
				 const char *use, const pg_uuid_t *id)
{
	char		kid[KID_CHARS + 1] = "";
	const SessionKey *secret;
	SessionKey *retired = NULL;

	session_base64url_encode(kid, kid_bytes, SESSION_SEAL_KID_BYTES);
	secret = find_in_ring(kid);
	if (secret == NULL)
		secret = retired = session_keyring_open_one(kid, SESSION_KEYRING_SEAL);
	if (secret == NULL)
		refuse_unknown(kid, id);
	derive_key(key, secret, use, id);
	if (retired != NULL)
		session_keyring_close_one(retired);
}

/* Opens a sealed value of a session. */
bool
session_seal_open(uint8 *out, const void *in, size_t len, const char *use,
				  const pg_uuid_t *id)
{
	const uint8 *bytes = in;
	uint8		key[SESSION_GCM_KEY_BYTES];
	bool		opened;

	if (len < SESSION_SEAL_OVERHEAD)
		return false;
	find_derived_key(key, bytes, use, id);
	opened = session_envelope_open(out, bytes + SESSION_SEAL_KID_BYTES,
								   len - SESSION_SEAL_KID_BYTES, NULL, 0, key);
	session_crypto_wipe(key, sizeof(key));
	return opened;
}

/* Errors if a session has a value that is sealed with this key. */
void
session_seal_check_unused(const char *kid)
{
	uint8		bytes[SESSION_SEAL_KID_BYTES];

	write_kid(bytes, kid);
	if (session_store_has_sealed(bytes, sizeof(bytes), kid))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot retire key \"%s\", because sessions are sealed "
						"with it", kid),
				 errhint("Let session_key_rotate('seal') make a newer key, and "
						 "retire this one when these sessions have been written "
						 "again or have ended.")));
}
