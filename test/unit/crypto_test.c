/*
 * crypto_test.c
 *	  Cryptographic primitives, tested with known answers of their standards.
 */
#include "postgres.h"

#include "crypto/crypto.h"
#include "hex.h"
#include "tap.h"
#include "wire/base64url.h"

/* RFC 7638 section 3.1. */
#define JWK \
	"{\"e\":\"AQAB\",\"kty\":\"RSA\",\"n\":\"0vx7agoebGcQSuuPiLJXZptN9nndrQmb" \
	"XEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCi" \
	"FV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0" \
	"_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD" \
	"08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44" \
	"-csFCur-kEgU8awapJzKnqDKgw\"}"

static void
test_sha512(void)
{
	uint8		hash[SESSION_SHA512_BYTES];

	tap_ok(session_crypto_sha512(hash, "abc", 3) &&
		   is_hex(hash, sizeof(hash),
				  "ddaf35a193617abacc417349ae204131"
				  "12e6fa4e89a97ea20a9eeee64b55d39a"
				  "2192992a274fc1a836ba3c23a3feebbd"
				  "454d4423643ce80e2a9ac94fa54ca49f"),
		   "SHA-512 of abc is the value of FIPS 180-4");
}

static void
test_thumbprint(void)
{
	uint8		hash[SESSION_SHA256_BYTES];
	char		chars[SESSION_BASE64URL_CHARS(SESSION_SHA256_BYTES)];

	if (!session_crypto_sha256(hash, JWK, strlen(JWK)))
		memset(hash, 0, sizeof(hash));
	session_base64url_encode(chars, hash, sizeof(hash));
	tap_ok(memcmp(chars, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs",
				  sizeof(chars)) == 0,
		   "SHA-256 gives the thumbprint of RFC 7638");
}

/* RFC 4231. */
static void
test_hmac(void)
{
	static const struct
	{
		const char *title;
		int			byte;		/* repeated in the key; 0 = the key is Jefe */
		size_t		key_len;
		const char *in;
		const char *sha256;
		const char *sha512;
	}			rows[] =
	{
		{"HMAC is that of RFC 4231, test case 1", 0x0B, 20, "Hi There",
			"b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
			"87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde"
		"daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854"},
		{"HMAC is that of RFC 4231, test case 2", 0, 4,
			"what do ya want for nothing?",
			"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
			"164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
		"9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"},
		{"HMAC is that of RFC 4231, test case 6, a key longer than a block",
			0xAA, 131, "Test Using Larger Than Block-Size Key - Hash Key First",
			"60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
			"80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352"
		"6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598"},
	};

	for (size_t i = 0; i < lengthof(rows); i++)
	{
		uint8		key[131] = "Jefe";
		uint8		one[SESSION_SHA256_BYTES];
		uint8		two[SESSION_SHA512_BYTES];

		if (rows[i].byte != 0)
			memset(key, rows[i].byte, sizeof(key));
		tap_ok(session_crypto_hmac_sha256(one, rows[i].in, strlen(rows[i].in),
										  key, rows[i].key_len) &&
			   session_crypto_hmac_sha512(two, rows[i].in, strlen(rows[i].in),
										  key, rows[i].key_len) &&
			   is_hex(one, sizeof(one), rows[i].sha256) &&
			   is_hex(two, sizeof(two), rows[i].sha512), rows[i].title);
	}
}

/* Returns whether a key that is ready gives the same MAC. */
static bool
is_mac(const uint8 *expected, const char *in, const SessionMac *mac)
{
	uint8		out[SESSION_SHA256_BYTES];

	return session_crypto_mac(out, in, strlen(in), mac) &&
		memcmp(out, expected, sizeof(out)) == 0;
}

/* Keys of all lengths around that of a block, used in turn. */
static void
test_ready_mac(void)
{
	static const char *const texts[] = {"", "Hi There", "a text that is as "
	"long as two blocks of the hash, so that it needs three of them in all"};
	uint8		key[131];
	uint8		mac[SESSION_SHA256_BYTES];
	SessionMac *last = NULL;
	bool		same = true;

	for (size_t len = 0; len <= sizeof(key); len++)
	{
		SessionMac *ready;

		memset(key, (uint8) len, sizeof(key));
		ready = session_crypto_mac_new(key, len);
		same = same && ready != NULL;
		for (size_t i = 0; same && i < 2 * lengthof(texts); i++)
		{
			const char *in = texts[i % lengthof(texts)];

			same = session_crypto_hmac_sha256(mac, in, strlen(in), key,
											  len) &&
				is_mac(mac, in, ready) &&
				(last == NULL || !is_mac(mac, in, last));
		}
		/* Padded with zeros, no key is the same as one zero. */
		session_crypto_mac_free(last);
		last = len == 0 ? NULL : ready;
		if (last == NULL)
			session_crypto_mac_free(ready);
	}
	session_crypto_mac_free(last);
	tap_ok(same, "a key of HMAC that is ready gives the same MACs");
}

/* The expected value was computed with another implementation. */
static void
test_hmac_block(void)
{
	uint8		key[100];
	uint8		mac[SESSION_SHA512_BYTES];

	memset(key, 0xAA, sizeof(key));
	tap_ok(session_crypto_hmac_sha512(mac, "x", 1, key, sizeof(key)) &&
		   is_hex(mac, sizeof(mac),
				  "a4ae1968cbfa6b30a371750f3607d76c"
				  "8cf98e0d8dfd96d425166b7fe7b613ea"
				  "e86e787cb969af8d0fb571648c87e479"
				  "656476e8e6d597796c4b4db872d7bbc7"),
		   "a key shorter than a block is used without hashing it");
}

/* RFC 5869 appendix A. Its inputs are runs of bytes. */
static void
test_hkdf(void)
{
	uint8		bytes[256];
	uint8		key[22];
	uint8		out[SESSION_HKDF_BYTES + 1];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8) i;
	memset(key, 0x0B, sizeof(key));
	tap_ok(session_crypto_hkdf_sha256(out, 42, bytes + 0xF0, 10, bytes, 13,
									  key, sizeof(key)) &&
		   is_hex(out, 42, "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5d"
				  "b02d56ecc4c5bf34007208d5b887185865"),
		   "HKDF is that of RFC 5869, appendix A.1");
	tap_ok(session_crypto_hkdf_sha256(out, 82, bytes + 0xB0, 80, bytes + 0x60,
									  80, bytes, 80) &&
		   is_hex(out, 82, "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a0"
				  "50cc4c19afa97c59045a99cac7827271cb41c65e590e09da3275600c2f"
				  "09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"),
		   "HKDF is that of RFC 5869, appendix A.2");
	tap_ok(session_crypto_hkdf_sha256(out, 42, NULL, 0, NULL, 0, key,
									  sizeof(key)) &&
		   is_hex(out, 42, "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3"
				  "454e5f3c738d2d9d201395faa4b61a96c8"),
		   "HKDF is that of RFC 5869, appendix A.3");
	tap_ok(session_crypto_hkdf_sha256(out, SESSION_HKDF_BYTES, NULL, 0, NULL,
									  0, key, sizeof(key)) &&
		   !session_crypto_hkdf_sha256(out, SESSION_HKDF_BYTES + 1, NULL, 0,
									   NULL, 0, key, sizeof(key)),
		   "HKDF returns at most 255 blocks");
}

#define GCM_KEY \
	"feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"
#define GCM_NONCE "cafebabefacedbaddecaf888"
#define GCM_PLAIN \
	"d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72" \
	"1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
#define GCM_CIPHER \
	"522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa" \
	"8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
#define ZERO_KEY \
	"0000000000000000000000000000000000000000000000000000000000000000"
#define ZERO_NONCE "000000000000000000000000"

/* McGrew and Viega, "The Galois/Counter Mode of Operation", appendix B. */
static const struct
{
	const char *title;
	const char *key;
	const char *nonce;
	const char *plain;
	const char *aad;
	const char *cipher;
	const char *tag;
}			gcm_rows[] =

{
	{"AES-256-GCM seals and opens test case 13", ZERO_KEY, ZERO_NONCE, "",
	"", "", "530f8afbc74536b9a963b4f1c4cb738b"},
	{"AES-256-GCM seals and opens test case 14", ZERO_KEY, ZERO_NONCE,
		"00000000000000000000000000000000", "",
		"cea7403d4d606b6e074ec5d3baf39d18",
	"d0d1c8a799996bf0265b98b5d48ab919"},
	{"AES-256-GCM seals and opens test case 15", GCM_KEY, GCM_NONCE,
		GCM_PLAIN "1aafd255", "", GCM_CIPHER "898015ad",
	"b094dac5d93471bdec1a502270e3cc6c"},
	{"AES-256-GCM seals and opens test case 16", GCM_KEY, GCM_NONCE,
		GCM_PLAIN, "feedfacedeadbeeffeedfacedeadbeefabaddad2", GCM_CIPHER,
	"76fc6ece0f4e1768cddf8853bb2d551b"},
};

static void
test_gcm(void)
{
	for (size_t i = 0; i < lengthof(gcm_rows); i++)
	{
		uint8		key[SESSION_GCM_KEY_BYTES];
		uint8		nonce[SESSION_GCM_NONCE_BYTES];
		uint8		body[64];
		uint8		aad[20];
		uint8		tag[SESSION_GCM_TAG_BYTES];
		size_t		len = from_hex(body, gcm_rows[i].plain);
		size_t		aad_len = from_hex(aad, gcm_rows[i].aad);
		bool		ok;

		from_hex(key, gcm_rows[i].key);
		from_hex(nonce, gcm_rows[i].nonce);
		ok = session_crypto_aes256gcm_seal(body, tag, body, len, aad, aad_len,
										   nonce, key) &&
			is_hex(body, len, gcm_rows[i].cipher) &&
			is_hex(tag, sizeof(tag), gcm_rows[i].tag);
		tap_ok(ok && session_crypto_aes256gcm_open(body, body, len, tag, aad,
												   aad_len, nonce, key) &&
			   is_hex(body, len, gcm_rows[i].plain), gcm_rows[i].title);
	}
}

/* A ciphertext that is refused leaves no plaintext in the output. */
static void
test_gcm_refuses(void)
{
	uint8		key[SESSION_GCM_KEY_BYTES] = {1};
	uint8		nonce[SESSION_GCM_NONCE_BYTES] = {2};
	uint8		tag[SESSION_GCM_TAG_BYTES];
	uint8		sealed[40];
	uint8		out[40];
	uint8		zero[40] = {0};
	int			opened = 0;
	bool		clean = true;

	if (!session_crypto_aes256gcm_seal(sealed, tag, JWK, sizeof(sealed), "a",
									   1, nonce, key))
		memset(tag, 0, sizeof(tag));
	for (int bit = 0; bit <= (int) sizeof(tag) * 8; bit++)
	{
		/* In the last iteration the tag is right. */
		if (bit < (int) sizeof(tag) * 8)
			tag[bit / 8] ^= 1 << bit % 8;
		memset(out, 0xFF, sizeof(out));
		if (session_crypto_aes256gcm_open(out, sealed, sizeof(out), tag, "a",
										  1, nonce, key))
			opened += bit + 1;
		else
			clean = clean && memcmp(out, zero, sizeof(out)) == 0;
		if (bit < (int) sizeof(tag) * 8)
			tag[bit / 8] ^= 1 << bit % 8;
	}
	tap_ok(opened == (int) sizeof(tag) * 8 + 1,
		   "a GCM tag with any bit flipped is refused");
	tap_ok(clean, "a GCM ciphertext that is refused leaves zeroes");
	tap_ok(!session_crypto_aes256gcm_open(out, sealed, sizeof(out), tag, "b",
										  1, nonce, key) &&
		   !session_crypto_aes256gcm_open(out, sealed, sizeof(out), tag, "a",
										  0, nonce, key) &&
		   !session_crypto_aes256gcm_open(out, sealed, sizeof(out) - 1, tag,
										  "a", 1, nonce, key),
		   "other associated data or a shorter ciphertext are refused");
}

#define KERCKHOFFS \
	"A cipher system must not be required to be secret, and it must be able " \
	"to fall into the hands of the enemy without inconvenience"
#define KERCKHOFFS_AAD "The second principle of Auguste Kerckhoffs"
#define KERCKHOFFS_CIPHER \
	"4affaaadb78c31c5da4b1b590d10ffbd3dd8d5d302423526912da037ecbcc7bd" \
	"822c301dd67c373bccb584ad3e9279c2e6d12a1374b77f077553df829410446b" \
	"36ebd97066296ae6427ea75c2e0846a11a09ccf5370dc80bfecbad28c73f09b3" \
	"a3b75e662a2594410ae496b2e2e6609e31e6e02cc837f053d21f37ff4f51950b" \
	"be2638d09dd7a4930930806d0703b1f6"
#define KERCKHOFFS_TAG \
	"4dd3b4c088a7f45c216839645b2012bf2e6269a8c56a816dbc1b267761955bc5"

/* RFC 7518 appendix B.3. */
static void
test_cbc(void)
{
	uint8		key[SESSION_CBC_KEY_BYTES];
	uint8		iv[SESSION_CBC_IV_BYTES];
	uint8		tag[SESSION_CBC_TAG_BYTES];
	uint8		body[SESSION_CBC_BYTES(sizeof(KERCKHOFFS) - 1)];
	uint8		out[sizeof(body)];
	size_t		len = 0;
	bool		sealed;
	bool		clean;

	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = (uint8) i;
	from_hex(iv, "1af38c2dc2b96ffdd86694092341bc04");
	sealed = session_crypto_aes256cbc_hs512_seal(body, tag, KERCKHOFFS,
												 strlen(KERCKHOFFS),
												 KERCKHOFFS_AAD,
												 strlen(KERCKHOFFS_AAD), iv,
												 key);
	tap_ok(sealed && is_hex(body, sizeof(body), KERCKHOFFS_CIPHER) &&
		   is_hex(tag, sizeof(tag), KERCKHOFFS_TAG),
		   "A256CBC-HS512 seals as in RFC 7518, appendix B.3");

	tag[31] ^= 0x80;
	memset(out, 0xFF, sizeof(out));
	clean = !session_crypto_aes256cbc_hs512_open(out, &len, body,
												 sizeof(body), tag,
												 KERCKHOFFS_AAD,
												 strlen(KERCKHOFFS_AAD), iv,
												 key);
	for (size_t i = 0; i < sizeof(out); i++)
		clean = clean && out[i] == 0;
	tap_ok(clean, "A256CBC-HS512 with a wrong tag leaves zeroes");

	tag[31] ^= 0x80;
	tap_ok(session_crypto_aes256cbc_hs512_open(body, &len, body, sizeof(body),
											   tag, KERCKHOFFS_AAD,
											   strlen(KERCKHOFFS_AAD), iv,
											   key) &&
		   len == strlen(KERCKHOFFS) && memcmp(body, KERCKHOFFS, len) == 0,
		   "A256CBC-HS512 opens RFC 7518, appendix B.3, in place");
}

/* Paddings of one to sixteen bytes. */
static void
test_cbc_padding(void)
{
	uint8		key[SESSION_CBC_KEY_BYTES] = {1};
	uint8		iv[SESSION_CBC_IV_BYTES] = {2};
	uint8		tag[SESSION_CBC_TAG_BYTES];
	uint8		body[SESSION_CBC_BYTES(33)];
	size_t		out_len;
	bool		same = true;

	for (size_t len = 0; len <= 33; len++)
	{
		same = same &&
			session_crypto_aes256cbc_hs512_seal(body, tag, JWK, len, NULL, 0,
												iv, key) &&
			session_crypto_aes256cbc_hs512_open(body, &out_len, body,
												SESSION_CBC_BYTES(len), tag,
												NULL, 0, iv, key) &&
			out_len == len && memcmp(body, JWK, len) == 0;
	}
	tap_ok(same, "A256CBC-HS512 decrypts plaintexts of every length");
}

int
main(void)
{
	test_sha512();
	test_thumbprint();
	test_hmac();
	test_ready_mac();
	test_hmac_block();
	test_hkdf();
	test_gcm();
	test_gcm_refuses();
	test_cbc();
	test_cbc_padding();
	return tap_done();
}
