/*
 * wire_test.c
 *	  Tokens, base64url and their primitives, tested with known answers.
 */
#include "postgres.h"

#include "crypto/crypto.h"
#include "hex.h"
#include "tap.h"
#include "wire/base64url.h"
#include "wire/token.h"

#define ALPHABET \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

static bool
encodes(const void *in, size_t len, const char *expected)
{
	char		out[128];

	if (strlen(expected) != SESSION_BASE64URL_CHARS(len))
		return false;
	session_base64url_encode(out, in, len);
	return memcmp(out, expected, strlen(expected)) == 0;
}

static bool
decodes(const char *in, const void *expected, size_t len)
{
	uint8		out[128];

	return session_base64url_decode(out, in, strlen(in)) &&
		SESSION_BASE64URL_BYTES(strlen(in)) == len &&
		memcmp(out, expected, len) == 0;
}

static bool
refuses(const char *in)
{
	uint8		out[128];

	return !session_base64url_decode(out, in, strlen(in));
}

static void
test_base64url(void)
{
	uint8		all[48];
	char		one[5] = "AAA?";
	int			accepted = 0;
	bool		same = true;

	/* RFC 4648 section 10, without the padding. */
	tap_ok(encodes("", 0, "") && encodes("f", 1, "Zg") &&
		   encodes("fo", 2, "Zm8") && encodes("foo", 3, "Zm9v") &&
		   encodes("foob", 4, "Zm9vYg") && encodes("fooba", 5, "Zm9vYmE") &&
		   encodes("foobar", 6, "Zm9vYmFy"), "RFC 4648 vectors encode");
	tap_ok(decodes("", "", 0) && decodes("Zg", "f", 1) &&
		   decodes("Zm8", "fo", 2) && decodes("Zm9v", "foo", 3) &&
		   decodes("Zm9vYg", "foob", 4) && decodes("Zm9vYmE", "fooba", 5) &&
		   decodes("Zm9vYmFy", "foobar", 6), "RFC 4648 vectors decode");

	same = session_base64url_decode(all, ALPHABET, 64) &&
		encodes(all, 48, ALPHABET);
	tap_ok(same, "every character of the alphabet survives a round trip");

	for (int c = 1; c < 256; c++)
	{
		bool		known = strchr(ALPHABET, c) != NULL;
		uint8		out[3];

		one[3] = (char) c;
		if (session_base64url_decode(out, one, 4) != known)
			same = false;
		accepted += known;
	}
	tap_ok(same && accepted == 64, "no other character is accepted");
	tap_ok(refuses("Zg==") && refuses("Zm8="), "padding is refused");
	tap_ok(refuses("A") && refuses("AAAAA"),
		   "a length that no encoder makes is refused");
	tap_ok(refuses("Zh") && refuses("Zm9"), "stray bits are refused");
	tap_ok(refuses("Zm+v") && refuses("Zm/v"),
		   "the alphabet of plain base64 is refused");
}

/* Characters are mapped eight at a time, and the rest one by one. */
static void
test_base64url_positions(void)
{
	char		chars[20];
	char		back[sizeof(chars)];
	uint8		bytes[SESSION_BASE64URL_BYTES(sizeof(chars))];
	bool		same = true;

	for (size_t i = 0; i < sizeof(chars); i++)
		for (int c = 0; c < 256; c++)
		{
			bool		known = memchr(ALPHABET, c, strlen(ALPHABET)) != NULL;

			for (size_t j = 0; j < sizeof(chars); j++)
				chars[j] = ALPHABET[(i * 7 + j * 11) % 64];
			chars[i] = (char) c;
			if (session_base64url_decode(bytes, chars, sizeof(chars)) != known)
				same = false;
			session_base64url_encode(back, bytes, sizeof(bytes));
			if (known && memcmp(back, chars, sizeof(chars)) != 0)
				same = false;
		}
	tap_ok(same, "every character is read and written at every place, and no other");
}

/*
 * In place, the input at the end of the buffer is read before it is
 * overwritten.
 */
static void
test_base64url_in_place(void)
{
	uint8		bytes[200];
	char		apart[SESSION_BASE64URL_CHARS(sizeof(bytes))];
	char		room[sizeof(apart)];
	bool		same = true;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8) (i * 151 + 7);
	for (size_t len = 0; len <= sizeof(bytes); len++)
	{
		size_t		chars = SESSION_BASE64URL_CHARS(len);
		uint8	   *end = (uint8 *) room + chars - len;

		session_base64url_encode(apart, bytes, len);
		memcpy(end, bytes, len);
		session_base64url_encode(room, end, len);
		same = same && memcmp(room, apart, chars) == 0;
	}
	tap_ok(same, "bytes of every length are encoded in place");
}

static void
test_token(void)
{
	SessionToken token;
	SessionToken back;
	SessionToken zero = {0};
	char		chars[SESSION_TOKEN_CHARS + 1];

	for (size_t i = 0; i < sizeof(token); i++)
		((uint8 *) &token)[i] = (uint8) i;
	session_token_format(chars, &token);
	tap_ok(memcmp(chars, "st_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
				  "gISIjJCUmJygpKissLS4v", SESSION_TOKEN_CHARS) == 0,
		   "a token is st_, the id and the secret");
	tap_ok(session_token_parse(&back, chars, SESSION_TOKEN_CHARS) &&
		   memcmp(&back, &token, sizeof(token)) == 0,
		   "a token survives a round trip");

	chars[SESSION_TOKEN_CHARS] = 'A';
	tap_ok(!session_token_parse(&back, chars, SESSION_TOKEN_CHARS + 1) &&
		   !session_token_parse(&back, chars, SESSION_TOKEN_CHARS - 1) &&
		   !session_token_parse(&back, chars, 0),
		   "a token of another length is refused");
	chars[0] = 'S';
	tap_ok(!session_token_parse(&back, chars, SESSION_TOKEN_CHARS),
		   "another prefix is refused");
	chars[0] = 's';
	chars[40] = '=';
	tap_ok(!session_token_parse(&back, chars, SESSION_TOKEN_CHARS) &&
		   memcmp(&back, &zero, sizeof(zero)) == 0,
		   "a token that is refused leaves zeroes");
}

static void
test_refresh_token(void)
{
	static const uint8 id[SESSION_ID_BYTES] = {1, 2, 3};
	uint8		key[SESSION_SECRET_BYTES] = {4, 5, 6};
	SessionToken first;
	SessionToken second;
	SessionRefreshToken one;
	SessionRefreshToken two;
	SessionRefreshToken back;
	SessionToken other;
	char		chars[SESSION_TOKEN_CHARS];

	tap_ok(session_token_derive(&first, &one, id, 0x01020304, key) &&
		   memcmp(one.generation, "\1\2\3\4", 4) == 0 &&
		   session_token_generation(&one) == 0x01020304,
		   "a refresh token contains its generation, big-endian");
	tap_ok(session_token_derive(&second, &two, id, 0x01020304, key) &&
		   memcmp(&first, &second, sizeof(first)) == 0 &&
		   memcmp(&one, &two, sizeof(one)) == 0,
		   "the tokens of a generation can be derived again");
	tap_ok(session_token_derive(&second, &two, id, 0x01020305, key) &&
		   memcmp(first.secret, second.secret, SESSION_SECRET_BYTES) != 0 &&
		   memcmp(one.mac, two.mac, SESSION_MAC_BYTES) != 0,
		   "the tokens of the next generation are different");
	tap_ok(memcmp(first.secret, one.mac, SESSION_MAC_BYTES) != 0,
		   "the secret does not follow from the refresh token");
	key[31] ^= 1;
	tap_ok(session_token_derive(&second, &two, id, 0x01020304, key) &&
		   memcmp(first.secret, second.secret, SESSION_SECRET_BYTES) != 0 &&
		   memcmp(one.mac, two.mac, SESSION_MAC_BYTES) != 0,
		   "the tokens of another key are different");

	session_token_format_refresh(chars, &one);
	tap_ok(memcmp(chars, "rt_", 3) == 0 &&
		   session_token_parse_refresh(&back, chars, SESSION_TOKEN_CHARS) &&
		   memcmp(&back, &one, sizeof(one)) == 0,
		   "a refresh token survives a round trip");
	tap_ok(!session_token_parse(&other, chars, SESSION_TOKEN_CHARS),
		   "a refresh token is refused as a session token");
	session_token_format(chars, &first);
	tap_ok(!session_token_parse_refresh(&back, chars, SESSION_TOKEN_CHARS),
		   "a session token is refused as a refresh token");
}

/* Returns whether a text, in memory of exactly its size, is a foreign token. */
static bool
is_foreign(const char *chars, size_t len)
{
	char	   *copy = malloc(Max(len, 1));
	bool		result;

	memcpy(copy, chars, len);
	result = session_token_is_foreign(copy, len);
	free(copy);
	return result;
}

static void
test_foreign_form(void)
{
	char		chars[SESSION_FOREIGN_MAX_CHARS + 1];
	bool		same = true;
	int			accepted = 0;

	memset(chars, 'x', sizeof(chars));
	for (size_t len = 0; len <= sizeof(chars); len++)
		same = same && is_foreign(chars, len) == (len >= 22 && len <= 512);
	tap_ok(same, "a foreign token has 22 to 512 characters");

	for (size_t i = 0; i < 22; i++)
		for (int c = 0; c < 256; c++)
		{
			bool		good = c > ' ' && c < 127;

			chars[i] = (char) c;
			same = same && is_foreign(chars, 22) == good;
			accepted += good;
			chars[i] = 'x';
		}
	tap_ok(same && accepted == 22 * 94,
		   "a foreign token is of printable ASCII without spaces");

	tap_ok(!is_foreign("st_3456789012345678901", 22) &&
		   !is_foreign("rt_3456789012345678901", 22) &&
		   !is_foreign("st_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
					   "gISIjJCUmJygpKissLS4v", SESSION_TOKEN_CHARS),
		   "a text with the prefix of a token is not foreign");
	tap_ok(is_foreign("ST_3456789012345678901", 22) &&
		   is_foreign("st-3456789012345678901", 22) &&
		   is_foreign("xst_456789012345678901", 22),
		   "a text with any other prefix is");
}

/*
 * The id and the secret of a foreign token, from
 *	 printf %s TOKEN | openssl dgst -sha256
 *	 printf %s TOKEN | openssl dgst -sha256 -hmac 'session foreign token'
 * In the id, the first 16 bytes of the hash, the digit after the second dash
 * of the uuid became 8, and the two bits after the third dash 10.
 */
static void
test_foreign(void)
{
	static const char chars[] = "0123456789abcdefghijkl";
	SessionToken token;
	SessionToken other;

	tap_ok(session_token_of_foreign(&token, chars, 22) &&
		   is_hex(token.id, SESSION_ID_BYTES,
				  "26594ba2c73e8c17a047f2305663bc2c"),
		   "the id of a foreign token is a UUIDv8 of its SHA-256");
	tap_ok(is_hex(token.secret, SESSION_SECRET_BYTES,
				  "c26a12e00ae30f1ddecd5aae7d25a1689a7a0339b803af16b43baefbbff"
				  "b5624"),
		   "the secret of a foreign token is an HMAC of it");
	tap_ok(session_token_of_foreign(&other, chars, 21) &&
		   memcmp(other.id, token.id, SESSION_ID_BYTES) != 0 &&
		   memcmp(other.secret, token.secret, SESSION_SECRET_BYTES) != 0,
		   "another foreign token has another id and another secret");
}

static void
test_id(void)
{
	uint8		id[SESSION_ID_BYTES];
	uint8		next[SESSION_ID_BYTES];

	/* RFC 9562 appendix A.6: the millisecond 0x017F22E279B0. */
	static const uint8 expected[SESSION_ID_BYTES] = {
		0x01, 0x7F, 0x22, 0xE2, 0x79, 0xB0, 0x70, 0x00,
		0xBF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF
	};

	memset(id, 0xFF, sizeof(id));
	session_token_make_id(id, UINT64CONST(0x017F22E279B0) * 1000);
	tap_ok(memcmp(id, expected, sizeof(id)) == 0,
		   "an id is a UUIDv7 of its millisecond");
	memset(next, 0, sizeof(next));
	session_token_make_id(next, UINT64CONST(0x017F22E279B0) * 1000 + 1);
	tap_ok(memcmp(id, next, sizeof(id)) < 0,
		   "ids sort by the microsecond");
	session_token_make_id(next, UINT64CONST(0x017F22E279B0) * 1000 + 999);
	tap_ok(next[6] == 0x7F && next[7] == 0xFB,
		   "the last microsecond stays within the version's bits");
}

static void
test_crypto(void)
{
	/* FIPS 180-4 example: "abc". */
	static const uint8 abc[SESSION_SHA256_BYTES] = {
		0xBA, 0x78, 0x16, 0xBF, 0x8F, 0x01, 0xCF, 0xEA,
		0x41, 0x41, 0x40, 0xDE, 0x5D, 0xAE, 0x22, 0x23,
		0xB0, 0x03, 0x61, 0xA3, 0x96, 0x17, 0x7A, 0x9C,
		0xB4, 0x10, 0xFF, 0x61, 0xF2, 0x00, 0x15, 0xAD
	};
	uint8		hash[SESSION_SHA256_BYTES];
	uint8		other[SESSION_SHA256_BYTES];

	tap_ok(session_crypto_sha256(hash, "abc", 3) &&
		   session_crypto_equal(hash, abc, sizeof(abc)),
		   "SHA-256 of abc is the value of FIPS 180-4");
	tap_ok(session_crypto_sha256(hash, "abd", 3) &&
		   !session_crypto_equal(hash, abc, sizeof(abc)),
		   "a second hash does not depend on the first");
	tap_ok(session_crypto_random(hash, sizeof(hash)) &&
		   session_crypto_random(other, sizeof(other)) &&
		   !session_crypto_equal(hash, other, sizeof(hash)),
		   "random bytes differ");
	session_crypto_wipe(other, sizeof(other));
	memset(hash, 0, sizeof(hash));
	tap_ok(session_crypto_equal(hash, other, sizeof(hash)),
		   "wiping leaves zeroes");
}

/* Returns whether the id is read as these bytes, written in hexadecimal. */
static bool
reads_id(const char *chars, size_t len, const char *expected)
{
	char	   *copy = malloc(Max(len, 1));
	uint8		id[SESSION_ID_BYTES];
	char		hex[2 * SESSION_ID_BYTES + 1];
	bool		read;

	memcpy(copy, chars, len);
	read = session_token_parse_id(id, copy, len);
	free(copy);
	for (int i = 0; read && i < SESSION_ID_BYTES; i++)
		snprintf(hex + 2 * i, 3, "%02x", id[i]);
	return expected == NULL ? !read : read && strcmp(hex, expected) == 0;
}

static void
test_parse_id(void)
{
	static const char id[] = "01234567-89ab-cdef-0123-456789abcdef";
	static const char hex[] = "0123456789abcdef0123456789abcdef";
	char		other[sizeof(id)];
	bool		same = true;
	int			accepted = 0;

	tap_ok(reads_id(id, 36, hex) &&
		   reads_id("01234567-89AB-CDEF-0123-456789aBcDeF", 36, hex) &&
		   reads_id("ffffffff-ffff-ffff-ffff-ffffffffffff", 36,
					"ffffffffffffffffffffffffffffffff"),
		   "an id is read in upper and lower case");
	tap_ok(reads_id(id, 35, NULL) && reads_id(id, 0, NULL) &&
		   reads_id("01234567-89ab-cdef-0123-456789abcdef0", 37, NULL) &&
		   reads_id(hex, 32, NULL) &&
		   reads_id("{1234567-89ab-cdef-0123-456789abcde}", 36, NULL) &&
		   reads_id("0123-4567-89ab-cdef-0123-4567-89abcd", 36, NULL) &&
		   reads_id("------------------------------------", 36, NULL),
		   "an id in any other form is refused");
	for (int i = 0; i < 36; i++)
		for (int c = 0; c < 256; c++)
		{
			bool		dash = id[i] == '-';
			bool		good = dash ? c == '-' :
			c != 0 && strchr("0123456789abcdefABCDEF", c) != NULL;

			memcpy(other, id, sizeof(id));
			other[i] = (char) c;
			same = same && reads_id(other, 36, NULL) == !good;
			accepted += good;
		}
	tap_ok(same && accepted == 32 * 22 + 4,
		   "an id has only hexadecimal digits, and dashes in their places");
}

int
main(void)
{
	test_base64url();
	test_base64url_positions();
	test_base64url_in_place();
	test_token();
	test_refresh_token();
	test_foreign_form();
	test_foreign();
	test_id();
	test_crypto();
	test_parse_id();
	return tap_done();
}
