/*
 * carried.c
 *	  An identity as one server sends it to another in "session.context".
 *
 * Rules:
 * - The key of the MAC is derived for this use and the realm, from an imported
 *	 secret, too.  So no other value that is made with the secret is one of
 *	 these.
 * - MACs are compared in constant time.
 */
#include "postgres.h"

#include "wire/carried.h"
#include "wire/codec_common.h"

/* The name of what is proven. */
#define CARRIED "carried-context"

/* Where the parts begin. */
#define FORMAT_AT 0
#define MADE_AT 1
#define SERVER_AT 9
#define BACKEND_AT 17
#define TRANSACTION_AT 25
#define ROLE_LEN_AT 29
#define ROLE_AT 30

StaticAssertDecl(SESSION_CARRIED_OVERHEAD == ROLE_AT + SESSION_SHA256_BYTES,
				 "the overhead is all that is beside the role and the identity");

static void
put_big_endian(uint8 *out, uint64 value, int bytes)
{
	for (int i = bytes - 1; i >= 0; i--)
	{
		out[i] = (uint8) value;
		value >>= 8;
	}
}

static uint64
get_big_endian(const uint8 *in, int bytes)
{
	uint64		value = 0;

	for (int i = 0; i < bytes; i++)
		value = value << 8 | in[i];
	return value;
}

/* Returns whether a text begins as such a value does. */
bool
session_carried_begins(const char *chars)
{
	return strncmp(chars, SESSION_CARRIED_PREFIX,
				   SESSION_CARRIED_PREFIX_CHARS) == 0;
}

/* Returns the number of bytes that the MAC is about. */
static size_t
proven_bytes(const SessionCarried *carried)
{
	return ROLE_AT + carried->role_len + carried->identity_len;
}

/* Returns the characters of a value. */
size_t
session_carried_chars(const SessionCarried *carried)
{
	return SESSION_CARRIED_PREFIX_CHARS +
		SESSION_BASE64URL_CHARS(proven_bytes(carried) + SESSION_SHA256_BYTES);
}

/* Computes the MAC of the bytes; an imported secret is used like others. */
static bool
carried_mac(uint8 mac[SESSION_SHA256_BYTES], const uint8 *bytes, size_t len,
			const char *realm, const SessionCodecKey *key)
{
	SessionCodecKey own = *key;

	own.imported = false;
	return session_codec_mac(mac, (const char *) bytes, len, CARRIED, realm,
							 &own);
}

/* Writes a value. */
bool
session_carried_write(char *out, uint8 *room, const SessionCarried *carried,
					  const char *realm, const SessionCodecKey *key)
{
	size_t		len = proven_bytes(carried);

	if (carried->role_len > SESSION_CARRIED_ROLE_BYTES)
		return false;
	room[FORMAT_AT] = carried->format;
	put_big_endian(room + MADE_AT, (uint64) carried->made, 8);
	put_big_endian(room + SERVER_AT, carried->server, 8);
	put_big_endian(room + BACKEND_AT, carried->backend, 8);
	put_big_endian(room + TRANSACTION_AT, carried->transaction, 4);
	room[ROLE_LEN_AT] = (uint8) carried->role_len;
	memcpy(room + ROLE_AT, carried->role, carried->role_len);
	memcpy(room + ROLE_AT + carried->role_len, carried->identity,
		   carried->identity_len);
	if (!carried_mac(room + len, room, len, realm, key))
		return false;
	memcpy(out, SESSION_CARRIED_PREFIX, SESSION_CARRIED_PREFIX_CHARS);
	session_base64url_encode(out + SESSION_CARRIED_PREFIX_CHARS, room,
							 len + SESSION_SHA256_BYTES);
	return true;
}

/* Decodes a value; false for any other text. */
bool
session_carried_parse(SessionCarried *carried, uint8 *room, const char *chars,
					  size_t len)
{
	size_t		bytes;

	if (len < SESSION_CARRIED_PREFIX_CHARS || !session_carried_begins(chars))
		return false;
	chars += SESSION_CARRIED_PREFIX_CHARS;
	len -= SESSION_CARRIED_PREFIX_CHARS;
	bytes = SESSION_BASE64URL_BYTES(len);
	if (bytes < SESSION_CARRIED_OVERHEAD ||
		!session_base64url_decode(room, chars, len))
		return false;
	carried->format = room[FORMAT_AT];
	carried->made = (int64) get_big_endian(room + MADE_AT, 8);
	carried->server = get_big_endian(room + SERVER_AT, 8);
	carried->backend = get_big_endian(room + BACKEND_AT, 8);
	carried->transaction = (uint32) get_big_endian(room + TRANSACTION_AT, 4);
	carried->role_len = room[ROLE_LEN_AT];
	carried->role = (const char *) room + ROLE_AT;
	if (bytes - SESSION_CARRIED_OVERHEAD < carried->role_len)
		return false;
	carried->identity = carried->role + carried->role_len;
	carried->identity_len = bytes - SESSION_CARRIED_OVERHEAD -
		carried->role_len;
	return true;
}

/* Returns whether the MAC of the decoded bytes is right. */
bool
session_carried_verify(const uint8 *room, const SessionCarried *carried,
					   const char *realm, const SessionCodecKey *key)
{
	uint8		expected[SESSION_SHA256_BYTES];
	size_t		len = proven_bytes(carried);
	bool		same;

	same = carried_mac(expected, room, len, realm, key) &&
		session_crypto_equal(expected, room + len, sizeof(expected));
	session_crypto_wipe(expected, sizeof(expected));
	return same;
}
