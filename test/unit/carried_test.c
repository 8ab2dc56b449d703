/*
 * carried_test.c
 *	  Tests of identities that one server sends to another.
 */
#include "postgres.h"

#include "tap.h"
#include "wire/carried.h"

static uint8 secret[SESSION_KEY_BYTES] = {1, 2, 3};
static uint8 other_secret[SESSION_KEY_BYTES] = {1, 2, 4};
static const SessionCodecKey key = {
	.kid = "k",.secret = secret,.secret_len = sizeof(secret)
};
static const SessionCodecKey imported = {
	.kid = "k",.secret = secret,.secret_len = sizeof(secret),.imported = true
};
static const SessionCodecKey other_key = {
	.kid = "k",.secret = other_secret,.secret_len = sizeof(other_secret)
};

static const SessionCarried sent = {
	.format = 200,.made = 1700000000000000,.server = UINT64CONST(0xF123456789ABCDEF),
	.backend = 42,.transaction = 0xFFFFFFFE,
	.role = "web",.role_len = 3,
	.identity = "1:1:any text",.identity_len = 12
};

#define ROOM 500

/* Writes a value with a terminator; returns its length. */
static size_t
write_value(char *out, const SessionCarried *carried,
			const SessionCodecKey *with)
{
	uint8		room[ROOM];
	size_t		len = session_carried_chars(carried);

	if (!session_carried_write(out, room, carried, "shop", with))
		return 0;
	out[len] = '\0';
	return len;
}

/* Returns whether a value is proven. */
static bool
is_proven(SessionCarried *carried, uint8 *room, const char *value, size_t len,
		  const char *realm, const SessionCodecKey *with)
{
	return session_carried_parse(carried, room, value, len) &&
		session_carried_verify(room, carried, realm, with);
}

static void
test_round_trip(void)
{
	char		value[ROOM];
	uint8		room[ROOM];
	SessionCarried got;
	size_t		len = write_value(value, &sent, &key);

	tap_ok(len == strlen(value) && session_carried_begins(value),
		   "a value has the announced length and the prefix");
	tap_ok(is_proven(&got, room, value, len, "shop", &key) &&
		   got.format == sent.format &&
		   got.made == sent.made && got.server == sent.server &&
		   got.backend == sent.backend && got.transaction == sent.transaction &&
		   got.role_len == 3 && memcmp(got.role, "web", 3) == 0 &&
		   got.identity_len == 12 &&
		   memcmp(got.identity, sent.identity, 12) == 0,
		   "everything survives a round trip");
	tap_ok(!is_proven(&got, room, value, len, "shoq", &key),
		   "a value of another database is refused");
	tap_ok(!is_proven(&got, room, value, len, "shop", &other_key),
		   "a value of another key is refused");
	tap_ok(is_proven(&got, room, value, len, "shop", &imported),
		   "an imported secret proves what the same generated one does");
}

static void
test_tampering(void)
{
	char		value[ROOM];
	uint8		room[ROOM];
	SessionCarried got;
	size_t		len = write_value(value, &sent, &key);
	bool		refused = true;

	for (size_t i = 0; i < len; i++)
	{
		char		was = value[i];

		for (const char *c = "Aa0-_z"; *c != '\0'; c++)
		{
			value[i] = *c;
			refused = refused && (*c == was ||
								  !is_proven(&got, room, value, len, "shop", &key));
		}
		value[i] = was;
	}
	tap_ok(refused, "a value with another character anywhere is refused");
	for (size_t n = 0; n < len; n++)
		refused = refused && !is_proven(&got, room, value, n, "shop", &key);
	value[len] = 'A';
	for (size_t n = 1; n < 4; n++, value[len + n] = 'A')
		refused = refused && !is_proven(&got, room, value, len + n, "shop", &key);
	tap_ok(refused, "a value of another length is refused");
}

static void
test_edges(void)
{
	char		value[ROOM];
	uint8		room[ROOM];
	SessionCarried got;
	SessionCarried least = {.made = PG_INT64_MIN,.role = "",.identity = ""};
	SessionCarried most = sent;
	size_t		len = write_value(value, &least, &key);

	tap_ok(is_proven(&got, room, value, len, "shop", &key) &&
		   got.made == PG_INT64_MIN && got.role_len == 0 &&
		   got.identity_len == 0,
		   "a value without a role and an identity is read");
	most.role_len = SESSION_CARRIED_ROLE_BYTES + 1;
	tap_ok(!session_carried_write(value, room, &most, "shop", &key),
		   "a role that is too long is refused");

	/* A length of the role that is more than there is. */
	memset(room, 0xFF, sizeof(room));
	session_base64url_encode(value + SESSION_CARRIED_PREFIX_CHARS, room,
							 SESSION_CARRIED_OVERHEAD + 254);
	memcpy(value, SESSION_CARRIED_PREFIX, SESSION_CARRIED_PREFIX_CHARS);
	tap_ok(!session_carried_parse(&got, room, value,
								  SESSION_CARRIED_PREFIX_CHARS +
								  SESSION_BASE64URL_CHARS(SESSION_CARRIED_OVERHEAD + 254)),
		   "a role that ends behind the value is refused");
}

int
main(void)
{
	test_round_trip();
	test_tampering();
	test_edges();
	return tap_done();
}
