/*
 * codec_test.c
 *	  Every encoding, tested with values of the original software and with
 *	  values that must be refused.
 */
#include "postgres.h"

#include "crypto/crypto.h"
#include "hex.h"
#include "tap.h"
#include "wire/base64url.h"
#include "wire/codec.h"
#include "vectors.h"

#define ALPHABET \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

#define PURPOSE "session"

/* Room for the values and payloads here. */
#define ROOM 4096

static const uint8 own_secret[32] = {
	0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
	16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
};

static SessionCodecKey
own_key(void)
{
	SessionCodecKey key = {
		.kid = "k1",.secret = own_secret,.secret_len = sizeof(own_secret)
	};

	return key;
}

static SessionCodecKey
imported_key(const char *secret)
{
	SessionCodecKey key = {
		.kid = "",.secret = (const uint8 *) secret,
		.secret_len = strlen(secret),.imported = true
	};

	return key;
}

/* A value whose payload is known. */
typedef struct Known
{
	const char *title;
	const SessionCodec *codec;
	const char *value;
	const char *payload;
	const char *purpose;
	SessionCodecKey key;
} Known;

/* Returns whether the value is decoded to the payload. */
static bool
decodes_to(const SessionCodec *codec, const char *value, size_t len,
		   const char *purpose, SessionCodecKey key, const char *payload)
{
	char		out[ROOM];
	size_t		out_len = 0;

	return len <= sizeof(out) &&
		codec->decode(out, &out_len, value, len, purpose, &key) &&
		out_len == strlen(payload) && memcmp(out, payload, out_len) == 0;
}

static bool
decodes(const SessionCodec *codec, const char *value, size_t len,
		const char *purpose, SessionCodecKey key)
{
	char		out[ROOM];
	size_t		out_len;

	return codec->decode(out, &out_len, value, len, purpose, &key);
}

/* Writes a value with a terminator. Returns its length, or zero. */
static size_t
make(char *out, const SessionCodec *codec, const char *payload,
	 const char *purpose, SessionCodecKey key)
{
	size_t		len;

	if (codec->bound(strlen(payload), &key) >= ROOM ||
		!codec->encode(out, &len, payload, strlen(payload), purpose, &key) ||
		len > codec->bound(strlen(payload), &key))
		return 0;
	out[len] = '\0';
	return len;
}

/* Values of the original software, of RFCs, and of our own key derivation. */
static int
all_known(Known *known)
{
	SessionCodecKey auth = imported_key(AUTH_SECRET);
	SessionCodecKey goauth = imported_key(GOAUTH_SECRET);
	static uint8 rfc[64];
	SessionCodecKey rfc7515 = {
		.kid = "",.secret = rfc,.secret_len = sizeof(rfc),.imported = true
	};
	Known		all[] = {
		{"compact decodes a value of goauth", &session_codec_compact,
		GOAUTH_COMPACT, GOAUTH_COMPACT_PAYLOAD, PURPOSE, goauth},
		{"jwt decodes a value of goauth", &session_codec_jwt,
		GOAUTH_JWT, GOAUTH_JWT_PAYLOAD, PURPOSE, goauth},
		{"jwt decodes the value of RFC 7515, appendix A.1", &session_codec_jwt,
		RFC7515_JWT, RFC7515_PAYLOAD, PURPOSE, rfc7515},
		{"jwe decodes Auth.js's", &session_codec_jwe,
		AUTH_CBC, AUTH_PAYLOAD, AUTH_SALT, auth},
		{"jwe decodes the secure cookie of Auth.js", &session_codec_jwe,
		AUTH_SECURE_CBC, AUTH_PAYLOAD, AUTH_SECURE_SALT, auth},
		{"jwe decodes Auth.js's in A256GCM", &session_codec_jwe,
		AUTH_GCM, AUTH_PAYLOAD, AUTH_SALT, auth},
		{"jwe decodes the secure cookie of Auth.js with A256GCM",
			&session_codec_jwe,
		AUTH_SECURE_GCM, AUTH_PAYLOAD, AUTH_SECURE_SALT, auth},
		{"sealed decodes a value of rockstar", &session_codec_sealed,
			ROCKSTAR_SEALED, ROCKSTAR_PAYLOAD, PURPOSE,
		imported_key(ROCKSTAR_SECRET)},
		{"compact decodes a value of an own key", &session_codec_compact,
		OWN_COMPACT, OWN_PAYLOAD, PURPOSE, own_key()},
		{"jwt decodes a value of an own key", &session_codec_jwt,
		OWN_JWT, OWN_PAYLOAD, PURPOSE, own_key()},
		{"sealed decodes a value of an own key", &session_codec_sealed,
		OWN_SEALED, OWN_PAYLOAD, PURPOSE, own_key()},
	};

	if (!session_base64url_decode(rfc, RFC7515_KEY, strlen(RFC7515_KEY)))
		return 0;
	memcpy(known, all, sizeof(all));
	return lengthof(all);
}

static void
test_known(const Known *known, int count)
{
	for (int i = 0; i < count; i++)
		tap_ok(decodes_to(known[i].codec, known[i].value,
						  strlen(known[i].value), known[i].purpose,
						  known[i].key, known[i].payload), known[i].title);
}

/*
 * Encodings without a random part write the same value as the original
 * software.
 */
static void
test_written(void)
{
	char		out[ROOM];
	const char *dot = strchr(AUTH_CBC, '.');

	tap_ok(make(out, &session_codec_compact, GOAUTH_COMPACT_PAYLOAD, PURPOSE,
				imported_key(GOAUTH_SECRET)) > 0 &&
		   strcmp(out, GOAUTH_COMPACT) == 0,
		   "compact writes the value of goauth");
	tap_ok(make(out, &session_codec_jwt, GOAUTH_JWT_PAYLOAD, PURPOSE,
				imported_key(GOAUTH_SECRET)) > 0 &&
		   strcmp(out, GOAUTH_JWT) == 0, "jwt writes the value of goauth");
	tap_ok(make(out, &session_codec_compact, OWN_PAYLOAD, PURPOSE,
				own_key()) > 0 &&
		   strcmp(out, OWN_COMPACT) == 0,
		   "compact derives the key from an own key");
	tap_ok(make(out, &session_codec_jwt, OWN_PAYLOAD, PURPOSE,
				own_key()) > 0 &&
		   strcmp(out, OWN_JWT) == 0,
		   "jwt derives the key from an own key and names it in kid");
	tap_ok(make(out, &session_codec_jwe, AUTH_PAYLOAD, AUTH_SALT,
				imported_key(AUTH_SECRET)) == strlen(AUTH_CBC) &&
		   memcmp(out, AUTH_CBC, dot + 2 - AUTH_CBC) == 0,
		   "jwe writes the header and the length of Auth.js");
	tap_ok(make(out, &session_codec_sealed, "1234567890", PURPOSE,
				imported_key(ROCKSTAR_SECRET)) == 52 &&
		   strcmp(out + 51, "=") == 0, "sealed is padded as in rockstar");
}

static void
test_round_trip(const SessionCodec *codec, SessionCodecKey key)
{
	char		payload[ROOM / 4];
	char		out[ROOM];
	char		again[ROOM];
	bool		same = true;
	size_t		len = 0;

	memset(payload, '\0', sizeof(payload));
	for (size_t i = 0; i < 300; i++)
	{
		len = make(out, codec, payload, PURPOSE, key);
		same = same && len > 0 && session_codec_of(out, len) == codec &&
			decodes_to(codec, out, len, PURPOSE, key, payload);
		payload[i] = (char) (1 + i * 31 % 255);
	}
	tap_ok(same, psprintf("%s decodes payloads of every length, %s key",
						  codec->name,
						  key.imported ? "imported" : "own"));
	if (codec == &session_codec_jwe || codec == &session_codec_sealed)
		tap_ok(make(again, codec, payload, PURPOSE, key) > 0 &&
			   make(out, codec, payload, PURPOSE, key) > 0 &&
			   strcmp(out, again) != 0,
			   psprintf("%s never writes the same value twice, %s key",
						codec->name,
						key.imported ? "imported" : "own"));
}

/* Replaces each character of a value by every other. */
static void
test_changed_character(const Known *known)
{
	size_t		len = strlen(known->value);
	char		copy[ROOM];
	int			accepted = 0;

	memcpy(copy, known->value, len);
	for (size_t i = 0; i < len; i++)
	{
		for (const char *c = ALPHABET ".=+/ "; *c != '\0'; c++)
		{
			copy[i] = *c;
			if (*c != known->value[i])
				accepted += decodes(known->codec, copy, len, known->purpose,
									known->key);
		}
		copy[i] = known->value[i];
	}
	tap_ok(accepted == 0 &&
		   decodes(known->codec, copy, len, known->purpose, known->key),
		   psprintf("%s, and refuses it with any character changed",
					known->title));
}

/* Flips every bit of the tag, which is the last part or its end. */
static void
test_changed_tag(const Known *known)
{
	size_t		len = strlen(known->value);
	const char *last = strrchr(known->value, '.');
	size_t		head = last == NULL ? 0 : last + 1 - known->value;
	size_t		tag_len = SESSION_BASE64URL_BYTES(len - head);
	size_t		first_bit = last == NULL ? (tag_len - 16) * 8 : 0;
	char		copy[ROOM];
	uint8		tag[ROOM];
	int			accepted = 0;
	int			flipped = 0;

	memcpy(copy, known->value, len);
	accepted -= !session_base64url_decode(tag, copy + head, len - head);
	for (size_t bit = first_bit; bit < tag_len * 8; bit++)
	{
		tag[bit / 8] ^= 1 << bit % 8;
		session_base64url_encode(copy + head, tag, tag_len);
		accepted += decodes(known->codec, copy, len, known->purpose,
							known->key);
		tag[bit / 8] ^= 1 << bit % 8;
		flipped++;
	}
	session_base64url_encode(copy + head, tag, tag_len);
	tap_ok(accepted == 0 && (flipped == 256 || flipped == 128) &&
		   decodes(known->codec, copy, len, known->purpose, known->key),
		   psprintf("%s, and refuses it with a flipped bit in the tag",
					known->title));

	for (size_t cut = 1; cut <= tag_len; cut++)
	{
		size_t		rest = SESSION_BASE64URL_CHARS(tag_len - cut);

		session_base64url_encode(copy + head, tag, tag_len - cut);
		accepted += decodes(known->codec, copy, head + rest, known->purpose,
							known->key);
	}
	tap_ok(accepted == 0, psprintf("%s, and refuses it with a shorter tag",
								   known->title));
}

/* More or fewer parts, padding, and bits that no encoder sets. */
static void
test_changed_shape(const Known *known)
{
	static const char *const tails[] = {
		".", "..", ".AAAA", "=", "==", "====", "A"
	};
	size_t		len = strlen(known->value);
	char		copy[ROOM];
	int			accepted = 0;
	const char *dot;

	for (size_t i = 0; i < lengthof(tails); i++)
	{
		int			n = sprintf(copy, "%s%s", known->value, tails[i]);

		accepted += decodes(known->codec, copy, n, known->purpose,
							known->key);
		n = sprintf(copy, "%s%s", tails[i], known->value);
		accepted += decodes(known->codec, copy, n, known->purpose,
							known->key);
	}
	for (size_t n = 0; n < len; n++)
		accepted += decodes(known->codec, known->value, n, known->purpose,
							known->key);
	for (dot = known->value; (dot = strchr(dot, '.')) != NULL; dot++)
	{
		int			n = sprintf(copy, "%.*s=%s", (int) (dot - known->value),
								known->value, dot);

		accepted += decodes(known->codec, copy, n, known->purpose,
							known->key);
		n = sprintf(copy, "%.*s%s", (int) (dot - known->value), known->value,
					dot + 1);
		accepted += decodes(known->codec, copy, n, known->purpose,
							known->key);
	}
	tap_ok(accepted == 0, psprintf("%s, and refuses it in any other shape",
								   known->title));
}

/* The last character has four values that stand for the same bytes. */
static void
test_stray_bits(const Known *known)
{
	size_t		len = strlen(known->value);
	const char *last = strrchr(known->value, '.');
	char		copy[ROOM];
	int			accepted = 0;

	if (last == NULL || (len - (last + 1 - known->value)) % 4 == 0)
		return;
	memcpy(copy, known->value, len);
	for (const char *c = ALPHABET; *c != '\0'; c++)
	{
		copy[len - 1] = *c;
		accepted += decodes(known->codec, copy, len, known->purpose,
							known->key);
	}
	tap_ok(accepted == 1, psprintf("%s, and refuses it with stray bits",
								   known->title));
}

static void
test_other_key(const Known *known)
{
	uint8		secret[64];
	SessionCodecKey key = known->key;
	size_t		len = strlen(known->value);
	bool		accepted;

	memcpy(secret, key.secret, key.secret_len);
	secret[key.secret_len - 1] ^= 1;
	key.secret = secret;
	accepted = decodes(known->codec, known->value, len, known->purpose, key);
	key.secret = known->key.secret;
	key.secret_len = SESSION_KEY_BYTES - 1;
	accepted |= decodes(known->codec, known->value, len, known->purpose, key);
	tap_ok(!accepted, psprintf("%s, and refuses it with another key",
							   known->title));
}

/* A value of one purpose, encoding or kind of key is refused for any other. */
static void
test_separation(const SessionCodec *codec)
{
	char		out[ROOM];
	char		long_purpose[SESSION_PURPOSE_BYTES + 2];
	SessionCodecKey own = own_key();
	SessionCodecKey foreign = own_key();
	size_t		len = make(out, codec, OWN_PAYLOAD, PURPOSE, own);

	foreign.imported = true;
	tap_ok(len > 0 && decodes(codec, out, len, PURPOSE, own) &&
		   !decodes(codec, out, len, "mfa", own) &&
		   !decodes(codec, out, len, "", own) &&
		   !decodes(codec, out, len, "session ", own),
		   psprintf("%s is accepted for its purpose only", codec->name));
	if (codec != &session_codec_jwe)
		tap_ok(!decodes(codec, out, len, PURPOSE, foreign),
			   psprintf("%s of an own key is refused with the same key "
						"imported", codec->name));

	memset(long_purpose, 'p', sizeof(long_purpose));
	long_purpose[SESSION_PURPOSE_BYTES + 1] = '\0';
	tap_ok(make(out, codec, OWN_PAYLOAD, long_purpose, own) == 0 &&
		   make(out, codec, OWN_PAYLOAD, long_purpose, foreign) == 0 &&
		   make(out, codec, OWN_PAYLOAD, long_purpose + 1, own) > 0 &&
		   make(out, codec, OWN_PAYLOAD, long_purpose + 1, foreign) > 0,
		   psprintf("%s takes purposes of at most 128 bytes", codec->name));
}

/*
 * Keeping derived keys changes no value, also when there are more purposes
 * than keys are kept, and a key is used for its purpose and encoding only.
 */
static void
test_kept_keys(const SessionCodec *codec)
{
	static const char *const purposes[] = {"a", "b", "c", "d", "e", "f", "g"};
	SessionDerivedKeys derived = {0};
	SessionCodecKey own = own_key();
	SessionCodecKey keeping = own_key();
	char		out[ROOM];
	bool		same = true;
	bool		separate = true;

	keeping.derived = &derived;
	for (int i = 0; i < 4 * SESSION_DERIVED_KEYS; i++)
	{
		const char *purpose = purposes[i % lengthof(purposes)];
		size_t		len = make(out, codec, OWN_PAYLOAD, purpose, keeping);

		same = same && len > 0 && decodes(codec, out, len, purpose, own);
		len = make(out, codec, OWN_PAYLOAD, purpose, own);
		same = same && decodes(codec, out, len, purpose, keeping);
		for (size_t j = 0; j < lengthof(purposes); j++)
			separate = separate && (purposes[j] == purpose ||
									!decodes(codec, out, len, purposes[j],
											 keeping));
	}
	session_codec_forget(&derived);
	tap_ok(same, psprintf("%s is the same with derived keys kept",
						  codec->name));
	tap_ok(separate, psprintf("%s with derived keys kept is accepted for its "
							  "purpose only", codec->name));
}

/* Codecs that use one secret in turn do not take each other's derived key. */
static void
test_kept_keys_of_codecs(const SessionCodec *const *codecs, int count)
{
	SessionDerivedKeys derived = {0};
	static const SessionDerivedKey zeros[SESSION_DERIVED_KEYS];
	SessionCodecKey own = own_key();
	SessionCodecKey keeping = own_key();
	char		out[ROOM];
	bool		same = true;

	keeping.derived = &derived;
	for (int i = 0; i < 3 * count; i++)
	{
		const SessionCodec *codec = codecs[i % count];
		size_t		len = make(out, codec, OWN_PAYLOAD, PURPOSE, keeping);

		same = same && len > 0 && decodes(codec, out, len, PURPOSE, own);
	}
	tap_ok(same, "derived keys are kept for their encoding only");
	session_codec_forget(&derived);
	same = memcmp(derived.keys, zeros, sizeof(zeros)) == 0;
	tap_ok(same && make(out, codecs[0], OWN_PAYLOAD, PURPOSE, keeping) > 0,
		   "derived keys are wiped, and derived again");
	session_codec_forget(&derived);
}

static void
test_short_key(const SessionCodec *codec)
{
	char		out[ROOM];
	SessionCodecKey own = own_key();
	SessionCodecKey foreign = own_key();

	foreign.imported = true;
	own.secret_len = foreign.secret_len = SESSION_KEY_BYTES - 1;
	tap_ok(make(out, codec, OWN_PAYLOAD, PURPOSE, own) == 0 &&
		   make(out, codec, OWN_PAYLOAD, PURPOSE, foreign) == 0,
		   psprintf("%s takes keys of at least 32 bytes", codec->name));
}

/* No value of one encoding is accepted in another. */
static void
test_other_encoding(const Known *known, int count)
{
	int			accepted = 0;

	for (int i = 0; i < count; i++)
	{
		for (int j = 0; j < count; j++)
		{
			if (known[i].codec != known[j].codec)
				accepted += decodes(known[j].codec, known[i].value,
									strlen(known[i].value), known[i].purpose,
									known[i].key);
		}
	}
	tap_ok(accepted == 0, "no value is accepted in another encoding");
}

/* Signs any header and payload with an imported key. */
static size_t
forge_jwt(char *out, const char *header, const char *payload,
		  SessionCodecKey key)
{
	uint8		mac[SESSION_SHA256_BYTES];
	char	   *end = out;

	session_base64url_encode(end, (const uint8 *) header, strlen(header));
	end += SESSION_BASE64URL_CHARS(strlen(header));
	*end++ = '.';
	session_base64url_encode(end, (const uint8 *) payload, strlen(payload));
	end += SESSION_BASE64URL_CHARS(strlen(payload));
	if (!session_crypto_hmac_sha256(mac, out, end - out, key.secret,
									key.secret_len))
		return 0;
	*end++ = '.';
	session_base64url_encode(end, mac, sizeof(mac));
	return end + SESSION_BASE64URL_CHARS(sizeof(mac)) - out;
}

/* A value with a key that is too short is refused even if it is signed. */
static void
test_signed_short_key(void)
{
	char		value[ROOM];
	SessionCodecKey key = imported_key("0123456789abcdef0123456789abcdef");
	bool		accepted[2];

	for (int i = 0; i < 2; i++)
	{
		size_t		len;

		key.secret_len = SESSION_KEY_BYTES - i;
		len = forge_jwt(value, "{\"alg\":\"HS256\"}", "{}", key);
		accepted[i] = decodes(&session_codec_jwt, value, len, PURPOSE, key);
	}
	tap_ok(accepted[0] && !accepted[1],
		   "a jwt with a key of 31 bytes is refused even if its MAC is right");
}

static void
test_jwt_header(void)
{
	static const struct
	{
		const char *title;
		const char *header;
		const char *kid;
		bool		accepted;
	}			rows[] =
	{
		{"a jwt names its key",
		"{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"k1\"}", "k1", true},
		{"an imported key need not be named",
		"{\"alg\":\"HS256\",\"typ\":\"JWT\"}", "k1", true},
		{"with an imported key typ may be missing", "{\"alg\":\"HS256\"}",
		"k1", true},
		{"unknown members are ignored",
			"{\"x\":[{}],\"alg\":\"HS256\",\"cty\":\"a\",\"jwk\":{}}", "k1",
		true},
		{"another kid is refused",
		"{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"k2\"}", "k1", false},
		{"a kid is not matched by its beginning",
		"{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"k\"}", "k1", false},
		{"a kid is refused by a key that has none",
		"{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"k1\"}", "", false},
		{"a kid that is a number is refused",
		"{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":1}", "1", false},
		{"alg none is refused", "{\"alg\":\"none\",\"typ\":\"JWT\"}", "k1",
		false},
		{"alg None is refused", "{\"alg\":\"None\",\"typ\":\"JWT\"}", "k1",
		false},
		{"alg RS256 is refused", "{\"alg\":\"RS256\",\"typ\":\"JWT\"}", "k1",
		false},
		{"alg HS512 is refused", "{\"alg\":\"HS512\",\"typ\":\"JWT\"}", "k1",
		false},
		{"alg in lower case is refused",
		"{\"alg\":\"hs256\",\"typ\":\"JWT\"}", "k1", false},
		{"a missing alg is refused", "{\"typ\":\"JWT\"}", "k1", false},
		{"an alg that is not a string is refused",
		"{\"alg\":[\"HS256\"],\"typ\":\"JWT\"}", "k1", false},
		{"alg given twice is refused",
			"{\"alg\":\"HS256\",\"alg\":\"HS256\",\"typ\":\"JWT\"}", "k1",
		false},
		{"any member given twice is refused",
		"{\"alg\":\"HS256\",\"x\":1,\"\\u0078\":1}", "k1", false},
		{"with an imported key the case of typ does not matter",
		"{\"alg\":\"HS256\",\"typ\":\"jWt\"}", "k1", true},
		{"with an imported key typ may be a whole media type",
		"{\"alg\":\"HS256\",\"typ\":\"application/jwt\"}", "k1", true},
		{"with an imported key the case of a media type does not matter",
		"{\"alg\":\"HS256\",\"typ\":\"Application/JWT\"}", "k1", true},
		{"a media type of another kind is refused",
		"{\"alg\":\"HS256\",\"typ\":\"text/jwt\"}", "k1", false},
		{"the beginning of a media type is refused",
		"{\"alg\":\"HS256\",\"typ\":\"application/\"}", "k1", false},
		{"the prefix application/ is removed once",
			"{\"alg\":\"HS256\",\"typ\":\"application/application/jwt\"}",
		"k1", false},
		{"a typ with a tail is refused",
		"{\"alg\":\"HS256\",\"typ\":\"JWT;x=1\"}", "k1", false},
		{"an empty typ is refused", "{\"alg\":\"HS256\",\"typ\":\"\"}", "k1",
		false},
		{"another typ is refused", "{\"alg\":\"HS256\",\"typ\":\"at+jwt\"}",
		"k1", false},
		{"typ of null is refused", "{\"alg\":\"HS256\",\"typ\":null}", "k1",
		false},
		{"crit is refused", "{\"alg\":\"HS256\",\"crit\":[\"x\"]}", "k1",
		false},
		{"zip is refused", "{\"alg\":\"HS256\",\"zip\":\"DEF\"}", "k1",
		false},
		{"b64 is refused", "{\"alg\":\"HS256\",\"b64\":true}", "k1", false},
		{"a header that is not an object is refused",
		"[\"HS256\"]", "k1", false},
		{"an empty header is refused", "", "k1", false},
		{"a header with a tail is refused", "{\"alg\":\"HS256\"} x", "k1",
		false},
		{"a header that is not UTF-8 is refused",
		"{\"alg\":\"HS256\",\"x\":\"\xFF\"}", "k1", false},
	};
	SessionCodecKey key = imported_key(GOAUTH_SECRET);
	char		value[ROOM];

	for (size_t i = 0; i < lengthof(rows); i++)
	{
		size_t		len = forge_jwt(value, rows[i].header, "{}", key);

		key.kid = rows[i].kid;
		tap_ok(len > 0 &&
			   decodes(&session_codec_jwt, value, len, PURPOSE, key) ==
			   rows[i].accepted, rows[i].title);
	}
}

/* With a key that session made the header must be complete. */
static void
test_jwt_own_header(void)
{
	static const struct
	{
		const char *title;
		const char *header;
		bool		accepted;
	}			rows[] =
	{
		{"members may come in any order",
		"{\"kid\":\"k1\",\"typ\":\"JWT\",\"alg\":\"HS256\"}", true},
		{"an own key must be named", "{\"alg\":\"HS256\",\"typ\":\"JWT\"}",
		false},
		{"with an own key typ must be in upper case",
		"{\"alg\":\"HS256\",\"typ\":\"jwt\",\"kid\":\"k1\"}", false},
		{"with an own key typ must not be a whole media type",
			"{\"alg\":\"HS256\",\"typ\":\"application/JWT\",\"kid\":\"k1\"}",
		false},
		{"with an own key typ must not be missing",
		"{\"alg\":\"HS256\",\"kid\":\"k1\"}", false},
	};
	static const char label[] = "session jwt:" PURPOSE;
	uint8		derived[32];
	SessionCodecKey forging = {
		.kid = "k1",.secret = derived,.secret_len = sizeof(derived),
		.imported = true
	};
	char		value[ROOM];

	if (!session_crypto_hkdf_sha256(derived, sizeof(derived), label,
									strlen(label), NULL, 0, own_secret,
									sizeof(own_secret)))
		memset(derived, 0, sizeof(derived));
	for (size_t i = 0; i < lengthof(rows); i++)
	{
		size_t		len = forge_jwt(value, rows[i].header, "{}", forging);

		tap_ok(decodes(&session_codec_jwt, value, len, PURPOSE, own_key()) ==
			   rows[i].accepted, rows[i].title);
	}
}

/* A header is read only up to a limit that every real header is below. */
static void
test_jwt_long_header(void)
{
	SessionCodecKey key = imported_key(GOAUTH_SECRET);
	char		header[2050];
	char		value[ROOM];
	size_t		len;

	memset(header, ' ', sizeof(header));
	memcpy(header, "{\"alg\":\"HS256\"", 14);
	header[2047] = '}';
	header[2048] = '\0';
	len = forge_jwt(value, header, "{}", key);
	tap_ok(decodes(&session_codec_jwt, value, len, PURPOSE, key),
		   "a header of 2048 bytes is read");
	header[2048] = ' ';
	header[2049] = '\0';
	len = forge_jwt(value, header, "{}", key);
	tap_ok(!decodes(&session_codec_jwt, value, len, PURPOSE, key),
		   "a longer header is refused");
}

/* A payload whose last character has stray bits, but with a right MAC. */
static void
test_signed_stray_bits(void)
{
	SessionCodecKey key = imported_key(GOAUTH_SECRET);
	uint8		mac[SESSION_SHA256_BYTES];
	char		value[ROOM];
	bool		accepted[2];

	for (int i = 0; i < 2; i++)
	{
		const char *part = i == 0 ? "e30" : "e31";

		strcpy(value, part);
		value[3] = '.';
		if (!session_crypto_hmac_sha256(mac, part, 3, key.secret,
										key.secret_len))
			memset(mac, 0, sizeof(mac));
		session_base64url_encode(value + 4, mac, sizeof(mac));
		accepted[i] = decodes(&session_codec_compact, value, 4 + 43, PURPOSE,
							  key);
	}
	tap_ok(accepted[0] && !accepted[1],
		   "a payload with stray bits is refused even if its MAC is right");
}

/*
 * Encrypts with any header, as A256CBC-HS512 with the key of the known value.
 */
static size_t
forge_jwe(char *out, const char *header, const char *encrypted_key)
{
	uint8		key[SESSION_CBC_KEY_BYTES];
	uint8		iv[SESSION_CBC_IV_BYTES] = {1};
	uint8		tag[SESSION_CBC_TAG_BYTES];
	uint8		body[16];
	char	   *end = out;
	size_t		aad_len = SESSION_BASE64URL_CHARS(strlen(header));

	from_hex(key, AUTH_KEY);
	session_base64url_encode(end, (const uint8 *) header, strlen(header));
	if (!session_crypto_aes256cbc_hs512_seal(body, tag, "{}", 2, out, aad_len,
											 iv, key))
		return 0;
	end += aad_len;
	end += sprintf(end, ".%s.", encrypted_key);
	session_base64url_encode(end, iv, sizeof(iv));
	end += 22;
	*end++ = '.';
	session_base64url_encode(end, body, sizeof(body));
	end += 22;
	*end++ = '.';
	session_base64url_encode(end, tag, sizeof(tag));
	return end + 43 - out;
}

static void
test_jwe_header(void)
{
	static const struct
	{
		const char *title;
		const char *header;
		const char *encrypted_key;
		bool		accepted;
	}			rows[] =
	{
		{"a jwe names its key", "{\"alg\":\"dir\",\"enc\":\"A256CBC-HS512\","
		"\"kid\":\"" AUTH_KID "\"}", "", true},
		{"the imported key of a jwe need not be named",
		"{\"alg\":\"dir\",\"enc\":\"A256CBC-HS512\"}", "", true},
		{"unknown members of a jwe are ignored",
			"{\"alg\":\"dir\",\"enc\":\"A256CBC-HS512\",\"typ\":\"JWT\"}", "",
		true},
		{"an encrypted key is refused",
		"{\"alg\":\"dir\",\"enc\":\"A256CBC-HS512\"}", "AAAA", false},
		{"another kid is refused in a jwe",
			"{\"alg\":\"dir\",\"enc\":\"A256CBC-HS512\",\"kid\":\"k1\"}", "",
		false},
		{"the kid of the other cipher is refused",
			"{\"alg\":\"dir\",\"enc\":\"A256CBC-HS512\",\"kid\":\""
		AUTH_GCM_KID "\"}", "", false},
		{"alg A256KW is refused",
		"{\"alg\":\"A256KW\",\"enc\":\"A256CBC-HS512\"}", "", false},
		{"alg none is refused in a jwe",
		"{\"alg\":\"none\",\"enc\":\"A256CBC-HS512\"}", "", false},
		{"a missing alg is refused in a jwe",
			"{\"enc\":\"A256CBC-HS512\"}", "",
		false},
		{"a weaker enc is refused",
		"{\"alg\":\"dir\",\"enc\":\"A128CBC-HS256\"}", "", false},
		{"a missing enc is refused", "{\"alg\":\"dir\"}", "", false},
		{"A256GCM in the header of the other cipher is refused",
		"{\"alg\":\"dir\",\"enc\":\"A256GCM\"}", "", false},
		{"crit is refused in a jwe",
			"{\"alg\":\"dir\",\"enc\":\"A256CBC-HS512\",\"crit\":[\"x\"]}",
		"", false},
		{"zip is refused in a jwe",
			"{\"alg\":\"dir\",\"enc\":\"A256CBC-HS512\",\"zip\":\"DEF\"}", "",
		false},
		{"enc given twice is refused",
			"{\"alg\":\"dir\",\"enc\":\"A256CBC-HS512\","
		"\"enc\":\"A256CBC-HS512\"}", "", false},
	};
	SessionCodecKey key = imported_key(AUTH_SECRET);
	char		value[ROOM];

	for (size_t i = 0; i < lengthof(rows); i++)
	{
		size_t		len = forge_jwe(value, rows[i].header,
									rows[i].encrypted_key);

		tap_ok(len > 0 &&
			   decodes(&session_codec_jwe, value, len, AUTH_SALT, key) ==
			   rows[i].accepted, rows[i].title);
	}
}

/*
 * Choices that a foreign format allows are refused with a key that session
 * made.
 */
static void
test_jwe_own(void)
{
	SessionCodecKey key = imported_key(AUTH_SECRET);
	char		value[ROOM];
	size_t		len;

	key.imported = false;
	tap_ok(decodes_to(&session_codec_jwe, AUTH_CBC, strlen(AUTH_CBC),
					  AUTH_SALT, key, AUTH_PAYLOAD),
		   "the key of a jwe is derived as in Auth.js for an own key too");
	len = forge_jwe(value, "{\"alg\":\"dir\",\"enc\":\"A256CBC-HS512\"}", "");
	tap_ok(!decodes(&session_codec_jwe, value, len, AUTH_SALT, key),
		   "a jwe of an own key must name its key");
	tap_ok(!decodes(&session_codec_jwe, AUTH_GCM, strlen(AUTH_GCM),
					AUTH_SALT, key),
		   "A256GCM is refused with an own key");
	tap_ok(!decodes(&session_codec_jwe, AUTH_CBC, strlen(AUTH_CBC),
					AUTH_SECURE_SALT, key),
		   "the kid of a key differs for another purpose");
}

static void
test_sealed_padding(void)
{
	SessionCodecKey key = imported_key(ROCKSTAR_SECRET);
	SessionCodecKey own = own_key();
	char		value[ROOM];
	size_t		len = make(value, &session_codec_sealed, "1234567890",
						   PURPOSE, key);

	tap_ok(decodes(&session_codec_sealed, value, len, PURPOSE, key) &&
		   !decodes(&session_codec_sealed, value, len - 1, PURPOSE, key),
		   "the padding of rockstar must not be missing");
	strcpy(value + len, "====");
	tap_ok(!decodes(&session_codec_sealed, value, len + 4, PURPOSE, key) &&
		   !decodes(&session_codec_sealed, value, len + 1, PURPOSE, key),
		   "more padding is refused");
	tap_ok(!decodes(&session_codec_sealed, "====", 4, PURPOSE, key) &&
		   !decodes(&session_codec_sealed, "", 0, PURPOSE, key),
		   "padding alone is refused");
	len = make(value, &session_codec_sealed, "1234567890", PURPOSE, own);
	strcpy(value + len, "=");
	tap_ok(len == 51 &&
		   decodes(&session_codec_sealed, value, 51, PURPOSE, own) &&
		   !decodes(&session_codec_sealed, value, 52, PURPOSE, own),
		   "padding is refused with an own key");
}

/*
 * No other software uses an imported key of another length, so the key is
 * derived and bound to a purpose.
 */
static void
test_sealed_imported(void)
{
	SessionCodecKey key = imported_key(AUTH_SECRET);
	char		value[ROOM];
	size_t		len = make(value, &session_codec_sealed, "1234567890",
						   PURPOSE, key);

	tap_ok(len == 51 &&
		   decodes(&session_codec_sealed, value, len, PURPOSE, key) &&
		   !decodes(&session_codec_sealed, value, len, "mfa", key),
		   "an imported key of another length than rockstar's is derived");
}

static void
test_kid(void)
{
	char		kid[SESSION_KID_CHARS + 2];
	SessionCodecKey key = own_key();
	char		value[ROOM];

	memset(kid, '~', sizeof(kid));
	kid[SESSION_KID_CHARS] = '\0';
	tap_ok(session_codec_kid_valid("k1") && session_codec_kid_valid("!") &&
		   session_codec_kid_valid(kid) && !session_codec_kid_valid(""),
		   "a kid has 1 to 128 characters");
	key.kid = kid;
	tap_ok(make(value, &session_codec_jwt, "{}", PURPOSE, key) > 0 &&
		   decodes(&session_codec_jwt, value, strlen(value), PURPOSE, key),
		   "the longest kid fits into a header");
	kid[SESSION_KID_CHARS] = '~';
	kid[SESSION_KID_CHARS + 1] = '\0';
	tap_ok(!session_codec_kid_valid(kid) &&
		   make(value, &session_codec_jwt, "{}", PURPOSE, key) == 0,
		   "a longer kid is refused");
	key.kid = "";
	tap_ok(make(value, &session_codec_jwt, "{}", PURPOSE, key) == 0,
		   "an own key without a kid writes nothing");
	tap_ok(!session_codec_kid_valid("a\"") && !session_codec_kid_valid("\\") &&
		   !session_codec_kid_valid("a b") && !session_codec_kid_valid("\n") &&
		   !session_codec_kid_valid("\x7F") &&
		   !session_codec_kid_valid("\xC3\xA9"),
		   "a kid has no character that needs an escape");
}

/* The longest value is accepted, one more character is not. */
static void
test_length(const SessionCodec *codec)
{
	static char payload[SESSION_CODEC_CHARS];
	static char value[SESSION_CODEC_CHARS + 1];
	static char out[SESSION_CODEC_CHARS + 1];
	SessionCodecKey key = own_key();
	size_t		most = SESSION_CODEC_CHARS;
	size_t		len;
	size_t		out_len;

	while (codec->bound(most, &key) > SESSION_CODEC_CHARS)
		most--;
	memset(payload, 'x', sizeof(payload));
	tap_ok(codec->encode(value, &len, payload, most, PURPOSE, &key) &&
		   codec->decode(out, &out_len, value, len, PURPOSE, &key) &&
		   out_len == most && memcmp(out, payload, most) == 0 &&
		   !codec->encode(value, &len, payload, most + 1, PURPOSE, &key) &&
		   !codec->encode(value, &len, payload, SIZE_MAX / 4 + 1, PURPOSE,
						  &key),
		   psprintf("%s writes no value that is too long", codec->name));
}

/* A value that is right but too long. */
static void
test_too_long(void)
{
	static char value[SESSION_CODEC_CHARS + 64];
	static char out[SESSION_CODEC_CHARS + 64];
	SessionCodecKey key = imported_key(GOAUTH_SECRET);
	bool		accepted[2];

	for (int i = 0; i < 2; i++)
	{
		/* 65490 characters, or four more. */
		size_t		part = SESSION_CODEC_CHARS - 44 - 2 + 4 * i;
		uint8		mac[SESSION_SHA256_BYTES];
		size_t		out_len;

		memset(value, 'A', part);
		if (!session_crypto_hmac_sha256(mac, value, part, key.secret,
										key.secret_len))
			memset(mac, 0, sizeof(mac));
		value[part] = '.';
		session_base64url_encode(value + part + 1, mac, sizeof(mac));
		accepted[i] = session_codec_compact.decode(out, &out_len, value,
												   part + 44, PURPOSE, &key);
	}
	tap_ok(accepted[0] && !accepted[1],
		   "a value that is too long is refused even if its MAC is right");
	memset(value, 'A', sizeof(value));
	tap_ok(session_codec_of(value, SESSION_CODEC_CHARS) ==
		   &session_codec_sealed &&
		   session_codec_of(value, SESSION_CODEC_CHARS + 1) == NULL,
		   "a value that is too long has no encoding");
}

static void
test_lookup(void)
{
	tap_ok(session_codec_find("compact", 7) == &session_codec_compact &&
		   session_codec_find("jwt", 3) == &session_codec_jwt &&
		   session_codec_find("jwe", 3) == &session_codec_jwe &&
		   session_codec_find("sealed", 6) == &session_codec_sealed,
		   "encodings are found by name");
	tap_ok(session_codec_find("", 0) == NULL &&
		   session_codec_find("JWT", 3) == NULL &&
		   session_codec_find("jw", 2) == NULL &&
		   session_codec_find("jwt ", 4) == NULL,
		   "other names are not found");
	tap_ok(session_codec_of("a", 1) == &session_codec_sealed &&
		   session_codec_of(".", 1) == &session_codec_compact &&
		   session_codec_of("a.b.c", 5) == &session_codec_jwt &&
		   session_codec_of("a..b.c.d", 8) == &session_codec_jwe,
		   "the number of parts of a value gives its encoding");
	tap_ok(session_codec_of("", 0) == NULL &&
		   session_codec_of("...", 3) == NULL &&
		   session_codec_of(".....", 5) == NULL,
		   "other numbers of parts give no encoding");
}

int
main(void)
{
	static const SessionCodec *const codecs[] = {
		&session_codec_compact, &session_codec_jwt, &session_codec_jwe,
		&session_codec_sealed
	};
	Known		known[16];
	int			count = all_known(known);

	test_known(known, count);
	test_written();
	for (int i = 0; i < count; i++)
	{
		test_changed_character(&known[i]);
		test_changed_tag(&known[i]);
		test_changed_shape(&known[i]);
		test_stray_bits(&known[i]);
		test_other_key(&known[i]);
	}
	test_other_encoding(known, count);
	for (size_t i = 0; i < lengthof(codecs); i++)
	{
		test_round_trip(codecs[i], own_key());
		test_round_trip(codecs[i], imported_key(ROCKSTAR_SECRET));
		test_round_trip(codecs[i], imported_key(AUTH_SECRET));
		test_separation(codecs[i]);
		test_kept_keys(codecs[i]);
		test_short_key(codecs[i]);
		test_length(codecs[i]);
	}
	test_kept_keys_of_codecs(codecs, lengthof(codecs));
	test_signed_short_key();
	test_jwt_header();
	test_jwt_own_header();
	test_jwt_long_header();
	test_signed_stray_bits();
	test_jwe_header();
	test_jwe_own();
	test_sealed_padding();
	test_sealed_imported();
	test_kid();
	test_too_long();
	test_lookup();
	return tap_done();
}
