/*
 * codec_foreign_test.c
 *	  The encodings that are only read, tested with values of the original
 *	  software (cookie-signature 1.2 and Django 3.2) and with values that must
 *	  be refused.
 */
#include "postgres.h"

#include "crypto/crypto.h"
#include "tap.h"
#include "wire/base64url.h"
#include "wire/codec.h"
#include "wire/inflate.h"

/* The secret "keyboard cat", which HMAC pads with zeroes to 64 bytes. */
#define CAT "keyboard cat\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define SID "abcdefghijklmnopqrstuvwxyz012345"
#define SID_OBJECT "{\"sid\":\"" SID "\"}"
#define EXPRESS "s:" SID ".2T3g1YIBqofc0ViEUEt59cUq+a6Wlfi59xfb4RQsxSQ"
#define ENCODED "s%3A" SID ".2T3g1YIBqofc0ViEUEt59cUq%2Ba6Wlfi59xfb4RQsxSQ"

#define SECRET "django-insecure-a-secret-key-of-a-test-0123456789"
#define SALT "django.contrib.sessions.SessionStore"
#define COOKIE_SALT "django.contrib.sessions.backends.signed_cookies"
#define PLAIN \
	"eyJfYXV0aF91c2VyX2lkIjoiNDIifQ:1r31eq:" \
	"Sl4PbqJ9vnUN8vsoBMAS4E2kahXId_uMxTf7fXv0v3Q"
#define COOKIE \
	"eyJfYXV0aF91c2VyX2lkIjoiNDIifQ:1r31eq:" \
	"M7BubrH9B-qoaC4qYcN5pJKxIRnIG2X4OYnUA0RwJ_0"
#define PLAIN_PAYLOAD "{\"iat\":1700000000,\"_auth_user_id\":\"42\"}"
#define COMPRESSED \
	".eJyrVopPLC3JiC8tTi2Kz0xRslIyMVLSUUpOLCpRsopWKklNBPJGChlbCwBo7kzs:" \
	"1r31eq:z67U5hOGUegYBpev78mfLs517phGi5UEpIyEY3Jhuuk"
#define COMPRESSED_BEGIN \
	"{\"iat\":1700000000,\"_auth_user_id\":\"42\",\"cart\":[\"tea\""
#define EMPTY "e30:1r31eq:eP4O4S-JcFL66tVBggwxLijWzJEeJKHLe_q0j20Luu8"
#define ARRAY "WzFd:1r31eq:1_1hEQatMkeMxPlijkUw_1sTSLFnMNgmqr67_bj0Z1o"

/* The member a of these has 65000 and 70000 letters. */
#define FITS \
	".eJztwQENADAIAzAvk4GbuyAheL8Q2k5eKg0AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" \
	"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAJyT_TEVDdU:1r31eq:" \
	"8j4rFVNh0jtGx5Yr8tIBJgkR0sJO9lygbMmeCjuObBE"
#define TOO_LARGE \
	".eJztwUENADAIBDAvJwM3c0FC8D4TPNtOXioNAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" \
	"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAJzLfpf_Nhw:1r31eq:" \
	"f9wSAciBzpFPl7r78E2oodpyEdQWOcjNTX56ApAfVJw"

static char out[2 * SESSION_CODEC_CHARS + 1];
static size_t out_len;

static SessionCodecKey
imported(const char *secret, size_t len)
{
	SessionCodecKey key = {
		.kid = "",.secret = (const uint8 *) secret,.secret_len = len,
		.imported = true
	};

	return key;
}

static SessionCodecKey
cat(void)
{
	return imported(CAT, 32);
}

static SessionCodecKey
django(void)
{
	return imported(SECRET, strlen(SECRET));
}

/*
 * Decodes a copy of exactly that size.  The room behind what a decoder may use
 * must stay as it is.
 */
static bool
decodes(const SessionCodec *codec, const char *value, size_t len,
		const char *purpose, SessionCodecKey key)
{
	size_t		room = session_codec_room(codec, value, len);
	char	   *copy = malloc(len + 1);
	bool		ok;

	memcpy(copy, value, len);
	memset(out, '#', sizeof(out));
	ok = codec->decode(out, &out_len, copy, len, purpose, &key) &&
		out_len <= room && out[room] == '#';
	free(copy);
	return ok;
}

static bool
decodes_to(const SessionCodec *codec, const char *value, const char *purpose,
		   SessionCodecKey key, const char *payload)
{
	return decodes(codec, value, strlen(value), purpose, key) &&
		out_len == strlen(payload) && memcmp(out, payload, out_len) == 0;
}

/*
 * Every other character at every place is refused, and so is every part of the
 * value.  Two places may differ: an encoded character in the other case.
 */
static void
test_changed(const SessionCodec *codec, const char *value,
			 const char *purpose, SessionCodecKey key, const char *title)
{
	size_t		len = strlen(value);
	char	   *copy = strdup(value);
	int			accepted = 0;

	for (size_t i = 0; i < len; i++)
	{
		for (int c = 0; c < 256; c++)
		{
			copy[i] = (char) c;
			if (c != (unsigned char) value[i] &&
				decodes(codec, copy, len, purpose, key) &&
				!(i >= 2 && (value[i - 2] == '%' || value[i - 1] == '%')))
				accepted++;
		}
		copy[i] = value[i];
		accepted += decodes(codec, value, i, purpose, key);
	}
	copy = realloc(copy, len + 2);
	copy[len + 1] = '\0';
	for (int c = 0; c < 256; c++)
	{
		copy[len] = (char) c;
		accepted += decodes(codec, copy, len + 1, purpose, key);
	}
	tap_ok(accepted == 0, title);
	free(copy);
}

static void
test_express(void)
{
	const SessionCodec *codec = &session_codec_express;
	SessionCodecKey own = cat();

	own.imported = false;
	tap_ok(decodes_to(codec, EXPRESS, "any", cat(), SID_OBJECT),
		   "express decodes a value of express-session");
	tap_ok(decodes_to(codec, ENCODED, "any", cat(), SID_OBJECT),
		   "express decodes the value as the cookie has it");
	test_changed(codec, EXPRESS, "any", cat(),
				 "express refuses a changed value");
	test_changed(codec, ENCODED, "any", cat(),
				 "express refuses a changed cookie");
	tap_ok(!decodes(codec, EXPRESS, strlen(EXPRESS), "any", own) &&
		   !decodes(codec, EXPRESS, strlen(EXPRESS), "any", imported(CAT, 31)) &&
		   !decodes(codec, EXPRESS, strlen(EXPRESS), "any", django()),
		   "express takes an imported key of 32 bytes, and only that key");
	tap_ok(!decodes(codec, "s:" ENCODED, strlen("s:" ENCODED), "any", cat()) &&
		   !decodes(codec, "s:abc%2Ed", strlen("s:abc%2Ed"), "any", cat()),
		   "express decodes nothing twice");
}

/* Signs a value as express-session does.  Returns its length. */
static size_t
sign_id(char *to, const char *id)
{
	uint8		mac[SESSION_SHA256_BYTES];
	SessionCodecKey key = cat();
	size_t		len = sprintf(to, "s:%s.", id);

	if (!session_crypto_hmac_sha256(mac, id, strlen(id), key.secret,
									key.secret_len))
		return 0;
	session_base64url_encode(to + len, mac, sizeof(mac));
	for (size_t i = len; i < len + 43; i++)
		to[i] = to[i] == '-' ? '+' : to[i] == '_' ? '/' : to[i];
	return len + 43;
}

static bool
opens_id(const char *id)
{
	static char value[SESSION_CODEC_CHARS + 64];
	size_t		len = sign_id(value, id);

	return decodes(&session_codec_express, value, len, "any", cat());
}

static void
test_express_ids(void)
{
	static char id[SESSION_CODEC_CHARS + 1];

	tap_ok(opens_id("a") && opens_id("a.b:c~!") && !opens_id(""),
		   "express accepts ids of printable characters");
	tap_ok(!opens_id("a\"b") && !opens_id("a\\b") && !opens_id("a b") &&
		   !opens_id("a\nb") && !opens_id("a\x7F") && !opens_id("\xC3\xA9"),
		   "express refuses ids that JSON would escape");
	memset(id, 'a', SESSION_CODEC_CHARS - 46);
	tap_ok(opens_id(id), "express accepts the longest value");
	id[SESSION_CODEC_CHARS - 46] = 'a';
	tap_ok(!opens_id(id), "express refuses a longer one");
}

static void
test_django(void)
{
	const SessionCodec *codec = &session_codec_django;
	SessionCodecKey own = django();

	own.imported = false;
	tap_ok(decodes_to(codec, PLAIN, SALT, django(), PLAIN_PAYLOAD),
		   "django decodes a row of django_session");
	tap_ok(decodes_to(codec, COOKIE, COOKIE_SALT, django(), PLAIN_PAYLOAD),
		   "django decodes a cookie of signed_cookies");
	tap_ok(decodes(codec, COMPRESSED, strlen(COMPRESSED), SALT, django()) &&
		   out_len == strlen(COMPRESSED_BEGIN) + 39 * strlen(",\"tea\"") + 2 &&
		   memcmp(out, COMPRESSED_BEGIN, strlen(COMPRESSED_BEGIN)) == 0 &&
		   memcmp(out + out_len - 2, "]}", 2) == 0,
		   "django decodes a compressed payload");
	tap_ok(decodes_to(codec, EMPTY, SALT, django(), "{\"iat\":1700000000}"),
		   "django decodes an empty object");
	tap_ok(!decodes(codec, ARRAY, strlen(ARRAY), SALT, django()),
		   "django refuses a payload that is no object");
	tap_ok(decodes(codec, FITS, strlen(FITS), SALT, django()) &&
		   out_len == 65000 + 8 + 17,
		   "django decodes a large compressed payload");
	/* The limit leaves 32 bytes for the member iat. */
	tap_ok(!decodes(codec, TOO_LARGE, strlen(TOO_LARGE), SALT, django()) &&
		   out[SESSION_CODEC_CHARS - 32] == '#',
		   "django refuses one that is too large, and writes only to the limit");
	test_changed(codec, PLAIN, SALT, django(),
				 "django refuses a changed value");
	test_changed(codec, COMPRESSED, SALT, django(),
				 "django refuses a changed compressed value");
	tap_ok(!decodes(codec, PLAIN, strlen(PLAIN), COOKIE_SALT, django()) &&
		   !decodes(codec, PLAIN, strlen(PLAIN), "", django()) &&
		   !decodes(codec, PLAIN, strlen(PLAIN), SALT, own) &&
		   !decodes(codec, PLAIN, strlen(PLAIN), SALT, imported(SECRET, 48)),
		   "django needs the purpose and the imported key of the value");
}

/* Signs the parts before the MAC as Django does.  Returns the length. */
static size_t
sign_parts(char *to, const char *parts)
{
	static const char salted[] = SALT "signer" SECRET;
	uint8		key[SESSION_SHA256_BYTES];
	uint8		mac[SESSION_SHA256_BYTES];
	size_t		len = strlen(parts);

	memmove(to, parts, len);
	if (!session_crypto_sha256(key, salted, strlen(salted)) ||
		!session_crypto_hmac_sha256(mac, to, len, key, sizeof(key)))
		return 0;
	to[len] = ':';
	session_base64url_encode(to + len + 1, mac, sizeof(mac));
	return len + 1 + 43;
}

static bool
opens_parts(const char *parts)
{
	static char value[SESSION_CODEC_CHARS + 64];
	size_t		len = sign_parts(value, parts);

	return decodes(&session_codec_django, value, len, SALT, django());
}

static void
test_django_parts(void)
{
	static char parts[SESSION_CODEC_CHARS + 1];
	const char *colon = strchr(COMPRESSED, ':');
	size_t		most = SESSION_CODEC_CHARS - 44;
	int			accepted = 0;

	tap_ok(opens_parts("e30:1r31eq") && opens_parts("e30:0") &&
		   opens_parts("e30:zzzzzzzz"), "django accepts any time");
	tap_ok(!opens_parts("e30:") && !opens_parts("e30:-1") &&
		   !opens_parts("e30:000000001") && !opens_parts("e30") &&
		   !opens_parts("e30:1 "), "django refuses what is no time");
	tap_ok(!opens_parts("e3:1") && !opens_parts(":1") &&
		   !opens_parts("e31:1") && !opens_parts("e30=:1") &&
		   !opens_parts("..e30:1") && !opens_parts(".:1") &&
		   !opens_parts(".e30:1") && !opens_parts("e30:e30:1"),
		   "django refuses what is no payload, even if it is signed");
	for (size_t i = 2; i < (size_t) (colon - COMPRESSED); i++)
	{
		memcpy(parts, COMPRESSED, i);
		strcpy(parts + i, ":1");
		accepted += opens_parts(parts);
	}
	tap_ok(accepted == 0, "django refuses a part of a compressed payload");
	sprintf(parts, "%.*sAAAA:1", (int) (colon - COMPRESSED - 3), COMPRESSED);
	tap_ok(!opens_parts(parts),
		   "django refuses a payload whose checksum is wrong");
	/* An object of spaces, in as many characters as fit. */
	memset(parts, 'A', most);
	for (size_t i = 0; i + 4 <= most - 6; i += 4)
		memcpy(parts + i, i == 0 ? "eyAg" : "ICAg", 4);
	strcpy(parts + (most - 6) / 4 * 4, "ICB9:1");
	tap_ok(opens_parts(parts), "django accepts a long value");
	strcpy(parts + (most - 6) / 4 * 4, "ICAgICB9:1");
	tap_ok(!opens_parts(parts), "django refuses a value that is too long");
}

/* The stream of four letters, and what is no stream. */
static void
test_inflate(void)
{
	static const uint8 stream[] = {
		0x78, 0x9c, 0x4b, 0x4c, 0x4c, 0x4c, 0x04, 0x00, 0x03, 0xce, 0x01, 0x85,
		0x00
	};
	uint8		room[5] = {0};
	size_t		len;

	tap_ok(session_inflate_all(room, &len, 4, stream, 12) && len == 4 &&
		   memcmp(room, "aaaa", 5) == 0, "a stream is decompressed");
	tap_ok(!session_inflate_all(room, &len, 3, stream, 12) && room[4] == 0,
		   "one that stands for more than there is room for is refused");
	tap_ok(!session_inflate_all(room, &len, 4, stream, sizeof(stream)) &&
		   !session_inflate_all(room, &len, 4, stream, 11) &&
		   !session_inflate_all(room, &len, 4, stream, 0),
		   "more than one complete stream, and less, is refused");
}

static void
test_recognized(void)
{
	static char garbage[SESSION_CODEC_CHARS + 1];
	const SessionCodec *codecs[] = {
		&session_codec_express, &session_codec_django
	};
	int			accepted = 0;

	tap_ok(session_codec_of(EXPRESS, strlen(EXPRESS)) == codecs[0] &&
		   session_codec_of(ENCODED, strlen(ENCODED)) == codecs[0] &&
		   session_codec_of("s:", 2) == codecs[0] &&
		   session_codec_of("s%3a", 4) == codecs[0] &&
		   session_codec_of(PLAIN, strlen(PLAIN)) == codecs[1] &&
		   session_codec_of(COMPRESSED, strlen(COMPRESSED)) == codecs[1] &&
		   session_codec_of(":", 1) == codecs[1],
		   "colons give the encoding");
	tap_ok(session_codec_of("S%3A", 4) == &session_codec_sealed &&
		   session_codec_of("s%3", 3) == &session_codec_sealed &&
		   session_codec_of("s", 1) == &session_codec_sealed,
		   "without a colon it is another");
	tap_ok(session_codec_find("express", 7) == codecs[0] &&
		   session_codec_find("django", 6) == codecs[1] &&
		   codecs[0]->encode == NULL && codecs[1]->encode == NULL,
		   "these encodings are found by name and are only read");
	for (int fill = 0; fill < 256; fill++)
		for (int i = 0; i < 2; i++)
			for (int head = 0; head < 3; head++)
			{
				memset(garbage, fill, sizeof(garbage));
				memcpy(garbage, head == 0 ? "s:" : head == 1 ? "s%3A" : "....",
					   head == 0 ? 2 : 4);
				accepted += decodes(codecs[i], garbage, SESSION_CODEC_CHARS,
									SALT, i == 0 ? cat() : django());
				accepted += decodes(codecs[i], garbage, sizeof(garbage),
									SALT, i == 0 ? cat() : django());
			}
	tap_ok(accepted == 0, "64 kB of anything are refused");
}

int
main(void)
{
	test_express();
	test_express_ids();
	test_django();
	test_django_parts();
	test_inflate();
	test_recognized();
	return tap_done();
}
