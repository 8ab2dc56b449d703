/*
 * signature_test.c
 *	  Signatures: those of the RFCs, those that must be refused, and keys that
 *	  are none.
 */
#include "postgres.h"

#include "crypto/signature.h"
#include "hex.h"
#include "signature_vectors.h"
#include "tap.h"
#include "wire/base64url.h"
#include "wire/jwk.h"

/* A signature and what it signs. */
typedef struct Signed
{
	const char *in;
	size_t		in_len;
	uint8		signature[SESSION_SIGNATURE_BYTES];
	size_t		len;
} Signed;

/* Decodes base64url.  Returns the number of bytes. */
static size_t
decode(uint8 *out, const char *chars)
{
	if (!session_base64url_decode(out, chars, strlen(chars)))
		return 0;
	return SESSION_BASE64URL_BYTES(strlen(chars));
}

/* Splits a JWS before its signature. */
static Signed
split(const char *jws)
{
	const char *dot = strrchr(jws, '.');
	Signed		result = {.in = jws,.in_len = dot - jws};

	result.len = decode(result.signature, dot + 1);
	return result;
}

static bool
verify(SessionSignatureKey *key, const Signed *what)
{
	return session_signature_verify(what->signature, what->len, what->in,
									what->in_len, key);
}

/* Returns the key of a JWK, or NULL. */
static SessionSignatureKey *
key_of(const char *json)
{
	SessionJwk	jwk;

	if (session_jwk_read(&jwk, json, strlen(json)) != SESSION_JWK_OK)
		return NULL;
	return session_signature_public(&jwk.parts);
}

/* Returns a key of two numbers in base64url, or NULL. */
static SessionSignatureKey *
key_of_numbers(const SessionAlgorithm *algorithm, const char *first,
			   const char *second)
{
	SessionPublicParts parts = {.algorithm = algorithm};

	parts.first_len = decode(parts.first, first);
	parts.second_len = decode(parts.second, second);
	return session_signature_public(&parts);
}

/* Returns whether two numbers are no key. */
static bool
no_key(const SessionAlgorithm *algorithm, const char *first,
	   const char *second)
{
	SessionSignatureKey *key = key_of_numbers(algorithm, first, second);
	bool		none = key == NULL;

	session_signature_free(key);
	return none;
}

/* Returns a private key from its form in base64url, or NULL. */
static SessionSignatureKey *
private_key_of(const SessionAlgorithm *algorithm, const char *chars)
{
	uint8		bytes[SESSION_PRIVATE_KEY_BYTES];

	return session_signature_private(algorithm, bytes, decode(bytes, chars));
}

static const SessionAlgorithm *const algorithms[] = {
	&session_algorithm_es256, &session_algorithm_eddsa, &session_algorithm_rs256
};

static void
test_names(void)
{
	tap_ok(session_algorithm_find("ES256", 5) == &session_algorithm_es256 &&
		   session_algorithm_find("EdDSA", 5) == &session_algorithm_eddsa &&
		   session_algorithm_find("RS256", 5) == &session_algorithm_rs256 &&
		   session_algorithm_find("HS256", 5) == &session_algorithm_hs256,
		   "each algorithm is found by its name");
	tap_ok(session_algorithm_find("none", 4) == NULL &&
		   session_algorithm_find("es256", 5) == NULL &&
		   session_algorithm_find("ES256 ", 6) == NULL &&
		   session_algorithm_find("ES25", 4) == NULL &&
		   session_algorithm_find("", 0) == NULL,
		   "no other name is one");
	tap_ok(session_algorithm_hs256.symmetric &&
		   !session_algorithm_es256.symmetric,
		   "HS256 is the symmetric one");
}

static void
test_vectors(void)
{
	static const struct
	{
		const char *title;
		const char *jwk;
		const char *jws;
	}			rows[] =
	{
		{"RS256 of RFC 7515, A.2", RFC7515_RSA_JWK, RFC7515_RS256},
		{"ES256 of RFC 7515, A.3", RFC7515_EC_JWK, RFC7515_ES256},
		{"EdDSA of RFC 8037, A.4", RFC8037_JWK, RFC8037_EDDSA},
		{"RS256 of RFC 7520, 4.1", RFC7520_JWK, RFC7520_RS256},
	};

	for (size_t i = 0; i < lengthof(rows); i++)
	{
		SessionSignatureKey *key = key_of(rows[i].jwk);
		Signed		good = split(rows[i].jws);
		bool		ok = key != NULL && verify(key, &good) &&
		verify(key, &good);

		/* Every bit counts, of the text and of the signature. */
		for (size_t bit = 0; ok && bit < good.len * 8; bit++)
		{
			Signed		bad = good;

			bad.signature[bit / 8] ^= 1 << bit % 8;
			ok = !verify(key, &bad);
		}
		for (size_t len = 0; ok && len < good.len; len++)
		{
			Signed		bad = good;

			bad.len = len;
			ok = !verify(key, &bad);
			bad.len = good.len;
			bad.in_len = len < good.in_len ? len : good.in_len - 1;
			ok = ok && !verify(key, &bad);
		}
		tap_ok(ok && verify(key, &good), rows[i].title);
		session_signature_free(key);
	}
}

/* ES256 takes a random number, so its signatures are never the same. */
static void
test_sign_vectors(void)
{
	SessionSignatureKey *key;
	Signed		good = split(RFC8037_EDDSA);
	Signed		made = good;

	key = private_key_of(&session_algorithm_eddsa, RFC8037_D);
	memset(made.signature, 0, sizeof(made.signature));
	tap_ok(key != NULL &&
		   session_signature_sign(made.signature, &made.len, good.in,
								  good.in_len, key) &&
		   made.len == good.len &&
		   memcmp(made.signature, good.signature, good.len) == 0,
		   "signing gives the signature of RFC 8037, A.4");
	session_signature_free(key);

	key = private_key_of(&session_algorithm_es256, RFC7515_EC_D);
	good = split(RFC7515_ES256);
	tap_ok(key != NULL && verify(key, &good),
		   "the private key of RFC 7515, A.3 verifies what it has signed");
	session_signature_free(key);
}

/* Generates a key, signs with it and verifies with its public half. */
static bool
round_trip(const SessionAlgorithm *algorithm)
{
	uint8		private[SESSION_PRIVATE_KEY_BYTES];
	size_t		len;
	SessionSignatureKey *key = NULL;
	SessionSignatureKey *public = NULL;
	SessionSignatureKey *other = NULL;
	SessionPublicParts parts;
	Signed		made = {.in = "message",.in_len = 7};
	bool		ok;

	if (session_signature_generate(algorithm, private, &len))
		key = session_signature_private(algorithm, private, len);
	if (key != NULL && session_signature_parts(&parts, key))
		public = session_signature_public(&parts);
	if (session_signature_generate(algorithm, private, &len))
		other = session_signature_private(algorithm, private, len);
	ok = public != NULL && other != NULL &&
		session_signature_algorithm(key) == algorithm &&
		session_signature_algorithm(public) == algorithm;
	for (int i = 0; ok && i < 3; i++)
		ok = session_signature_sign(made.signature, &made.len, made.in,
									made.in_len, key) &&
			verify(public, &made) && verify(key, &made) &&
			!verify(other, &made);
	made.in_len = 0;
	ok = ok && !verify(public, &made) &&
		session_signature_sign(made.signature, &made.len, made.in,
							   made.in_len, key) &&
		verify(public, &made) &&
		!session_signature_sign(made.signature, &made.len, made.in,
								made.in_len, public);
	session_signature_free(key);
	session_signature_free(public);
	session_signature_free(other);
	return ok;
}

static void
test_round_trip(void)
{
	for (size_t i = 0; i < lengthof(algorithms); i++)
	{
		char		title[80];

		snprintf(title, sizeof(title),
				 "a new key of %s signs, and its public half verifies",
				 algorithms[i]->name);
		tap_ok(round_trip(algorithms[i]), title);
	}
}

/* Generates a key, signs with it and sets its public parts. */
static bool
make_signed(Signed *made, SessionPublicParts *parts,
			const SessionAlgorithm *algorithm)
{
	uint8		pkcs8[SESSION_PRIVATE_KEY_BYTES];
	size_t		len;
	SessionSignatureKey *key = NULL;
	bool		ok;

	made->in = "message";
	made->in_len = 7;
	if (session_signature_generate(algorithm, pkcs8, &len))
		key = session_signature_private(algorithm, pkcs8, len);
	ok = key != NULL && session_signature_parts(parts, key) &&
		session_signature_sign(made->signature, &made->len, made->in,
							   made->in_len, key);
	session_signature_free(key);
	return ok;
}

static bool
verify_once(const SessionPublicParts *parts, const Signed *what)
{
	return session_signature_verify_once(what->signature, what->len, what->in,
										 what->in_len, parts);
}

/* Verifies once with keys that change, and with parts that are no key. */
static bool
once_in_turn(const SessionAlgorithm *algorithm)
{
	Signed		made[2];
	SessionPublicParts parts[2];
	SessionPublicParts wrong;
	bool		ok = make_signed(&made[0], &parts[0], algorithm) &&
	make_signed(&made[1], &parts[1], algorithm);

	wrong = parts[0];
	if (algorithm == &session_algorithm_rs256)
		wrong.second[wrong.second_len - 1] ^= 1;
	else if (algorithm == &session_algorithm_es256)
		wrong.second[31] ^= 1;
	else
		memset(wrong.first, 0, sizeof(wrong.first));
	for (int i = 0; ok && i < 6; i++)
	{
		int			mine = i % 2;

		ok = !verify_once(&wrong, &made[0]) && !verify_once(&wrong, &made[1]) &&
			verify_once(&parts[mine], &made[mine]) &&
			verify_once(&parts[mine], &made[mine]) &&
			!verify_once(&parts[mine], &made[1 - mine]) &&
			!verify_once(&parts[1 - mine], &made[mine]);
	}
	wrong = parts[0];
	wrong.first_len--;
	return ok && !verify_once(&wrong, &made[0]);
}

static void
test_once(void)
{
	SessionPublicParts none = {.algorithm = &session_algorithm_hs256};
	Signed		empty = {.in = ""};

	for (size_t i = 0; i < lengthof(algorithms); i++)
	{
		char		title[80];

		snprintf(title, sizeof(title),
				 "%s verifies once with each key, and with no other",
				 algorithms[i]->name);
		tap_ok(once_in_turn(algorithms[i]), title);
	}
	tap_ok(!verify_once(&none, &empty), "HS256 has no public keys");
}

/* One signature in 128 has an r or s that begins with a byte of zeros. */
static void
test_short_numbers(void)
{
	SessionSignatureKey *key;
	Signed		made = {.in = "message",.in_len = 7};
	bool		ok = true;
	int			found = 0;

	key = private_key_of(&session_algorithm_es256, RFC7515_EC_D);
	for (int i = 0; ok && found < 4 && i < 10000; i++)
	{
		ok = session_signature_sign(made.signature, &made.len, made.in,
									made.in_len, key) &&
			made.len == 64 && verify(key, &made);
		found += made.signature[0] == 0 || made.signature[32] == 0;
	}
	tap_ok(ok && found == 4, "r and s have 32 bytes also when they are small");
	session_signature_free(key);
}

/* Adds a number of 32 bytes to another one. */
static void
add_number(uint8 *to, const uint8 *number)
{
	int			carry = 0;

	for (int i = 31; i >= 0; i--)
	{
		carry += to[i] + number[i];
		to[i] = (uint8) carry;
		carry >>= 8;
	}
}

/* Writes r and s in DER. */
static size_t
to_der(uint8 *der, const uint8 *raw)
{
	size_t		len = 2;

	for (int i = 0; i < 2; i++, raw += 32)
	{
		size_t		pad = raw[0] >= 0x80;

		der[len++] = 0x02;
		der[len++] = (uint8) (32 + pad);
		der[len] = 0;
		memcpy(der + len + pad, raw, 32);
		len += 32 + pad;
	}
	der[0] = 0x30;
	der[1] = (uint8) (len - 2);
	return len;
}

static void
test_es256_numbers(void)
{
	SessionSignatureKey *key = key_of(RFC7515_EC_JWK);
	Signed		good = split(RFC7515_ES256);
	uint8		order[32];
	bool		ok = true;

	from_hex(order, P256_ORDER);
	/* 0, 1, the order and all ones, in place of r, of s, and of both. */
	for (int i = 0; i < 12; i++)
	{
		Signed		bad = good;

		for (int half = 0; half < 2; half++)
		{
			uint8	   *number = bad.signature + 32 * half;

			if (i % 3 != 2 && half != i % 3)
				continue;
			memset(number, i / 3 == 3 ? 0xFF : 0, 32);
			if (i / 3 == 1)
				number[31] = 1;
			else if (i / 3 == 2)
				memcpy(number, order, 32);
		}
		ok &= !verify(key, &bad);
	}
	tap_ok(ok, "r and s of 0, 1, the order and more are refused");
	session_signature_free(key);
}

/* The order can be added to a small r or s only, within 32 bytes. */
static void
test_es256_range(void)
{
	SessionSignatureKey *key;
	Signed		good = {.in = "message",.in_len = 7,.len = 64};
	uint8		order[32];

	key = key_of_numbers(&session_algorithm_es256, SMALL_X, SMALL_Y);
	good.signature[31] = SMALL_R;
	good.signature[63] = SMALL_S;
	tap_ok(key != NULL && verify(key, &good),
		   "small r and s of 32 bytes are accepted");
	from_hex(order, P256_ORDER);
	for (int half = 0; half < 2; half++)
	{
		Signed		bad = good;

		add_number(bad.signature + 32 * half, order);
		tap_ok(!verify(key, &bad), half == 0 ?
			   "r is refused when the order was added to it" :
			   "s is refused when the order was added to it");
	}
	session_signature_free(key);
}

static void
test_es256_form(void)
{
	SessionSignatureKey *key = key_of(RFC7515_EC_JWK);
	Signed		good = split(RFC7515_ES256);
	Signed		bad = good;

	bad.len = to_der(bad.signature, good.signature);
	tap_ok(bad.len >= 70 && !verify(key, &bad), "DER is refused");

	bad = good;
	memmove(bad.signature + 1, good.signature, 64);
	bad.signature[0] = 0;
	bad.len = 65;
	tap_ok(!verify(key, &bad), "a leading zero before r is refused");

	bad = good;
	memmove(bad.signature + 34, good.signature + 32, 32);
	memmove(bad.signature + 1, good.signature, 32);
	bad.signature[0] = bad.signature[33] = 0;
	bad.len = 66;
	tap_ok(!verify(key, &bad), "a leading zero in r and s is refused");

	bad = good;
	bad.signature[64] = 0;
	bad.len = 65;
	tap_ok(!verify(key, &bad), "a byte behind r and s is refused");

	bad.len = SESSION_SIGNATURE_BYTES;
	tap_ok(!verify(key, &bad), "a signature of the most bytes is refused");
	session_signature_free(key);
}

static void
test_es256_points(void)
{
	SessionJwk	jwk;
	uint8		zero[32] = {0};
	char		chars[SESSION_BASE64URL_CHARS(32) + 1] = "";

	session_base64url_encode(chars, zero, 32);
	tap_ok(no_key(&session_algorithm_es256, SECP256K1_X, SECP256K1_Y),
		   "a point of secp256k1 is refused");
	tap_ok(no_key(&session_algorithm_es256, chars, chars),
		   "the point at infinity, written as zeros, is refused");
	tap_ok(!no_key(&session_algorithm_es256, chars, P256_Y_OF_ZERO),
		   "the point with x = 0 is a key");
	tap_ok(no_key(&session_algorithm_es256, P256_PRIME, P256_Y_OF_ZERO),
		   "an x that is the prime of the field is refused");
	if (session_jwk_read(&jwk, RFC7515_EC_JWK,
						 strlen(RFC7515_EC_JWK)) != SESSION_JWK_OK)
		memset(&jwk, 0, sizeof(jwk));
	jwk.parts.second[31] ^= 1;
	tap_ok(session_signature_public(&jwk.parts) == NULL,
		   "a point that is not on the curve is refused");
	jwk.parts.second[31] ^= 1;
	jwk.parts.second_len = 31;
	tap_ok(session_signature_public(&jwk.parts) == NULL,
		   "a coordinate of 31 bytes is refused");
}

/* Returns whether the bytes, in hexadecimal, are a key of Ed25519. */
static bool
is_edwards_key(const char *hex)
{
	SessionPublicParts parts = {.algorithm = &session_algorithm_eddsa};
	SessionSignatureKey *key;
	bool		ok;

	parts.first_len = from_hex(parts.first, hex);
	key = session_signature_public(&parts);
	ok = key != NULL;
	session_signature_free(key);
	return ok;
}

static void
test_eddsa_points(void)
{
	static const char *const small[] = {ED25519_SMALL};
	bool		ok = true;

	for (size_t i = 0; i < lengthof(small); i++)
		ok &= !is_edwards_key(small[i]);
	tap_ok(ok, "points of small order are refused, in all their encodings");
	tap_ok(!is_edwards_key(ED25519_NO_POINT), "a y of no point is refused");
	tap_ok(is_edwards_key(ED25519_SMALLEST) &&
		   !is_edwards_key(ED25519_ABOVE_PRIME),
		   "a y is a key, and not when the prime was added to it");
	tap_ok(!is_edwards_key("00") && !is_edwards_key(""),
		   "a point of another length is refused");
}

static void
test_eddsa_scalar(void)
{
	SessionSignatureKey *key = key_of(RFC8037_JWK);
	Signed		good = split(RFC8037_EDDSA);
	Signed		bad = good;
	uint8		order[32];
	int			carry = 0;

	from_hex(order, ED25519_ORDER);
	for (int i = 0; i < 32; i++)
	{
		carry += bad.signature[32 + i] + order[i];
		bad.signature[32 + i] = (uint8) carry;
		carry >>= 8;
	}
	tap_ok(carry == 0 && !verify(key, &bad),
		   "an S that the order was added to is refused");
	bad = good;
	memset(bad.signature, 0, 64);
	tap_ok(!verify(key, &bad), "R and S of zeros are refused");
	bad.signature[0] = 1;
	tap_ok(!verify(key, &bad), "the neutral point as R is refused");
	bad = good;
	bad.signature[64] = 0;
	bad.len = 65;
	tap_ok(!verify(key, &bad), "a byte behind R and S is refused");
	session_signature_free(key);
}

/* Returns whether a signature in base64url of "message" is accepted. */
static bool
verify_message(SessionSignatureKey *key, const char *signature)
{
	Signed		what = {.in = "message",.in_len = 7};

	what.len = decode(what.signature, signature);
	return what.len > 0 && verify(key, &what);
}

static void
test_rs256_padding(void)
{
	static const struct
	{
		const char *title;
		const char *signature;
	}			rows[] =
	{
		{"PSS is refused", RSA_PSS},
		{"SHA-512 is refused", RSA_SHA512},
		{"SHA-1 is refused", RSA_SHA1},
		{"a hash without its algorithm is refused", RSA_NO_INFO},
		{"an algorithm without parameters is refused", RSA_NO_NULL},
		{"a length in two bytes is refused", RSA_LONG_LENGTH},
		{"the padding of encryption is refused", RSA_TYPE_2},
		{"short padding, with bytes behind the hash, is refused",
		RSA_SHORT_PADDING},
		{"padding of zeros is refused", RSA_ZERO_PADDING},
		{"a signature that the modulus was added to is refused", RSA_PLUS_N},
	};
	SessionSignatureKey *key;

	key = key_of_numbers(&session_algorithm_rs256, RSA_N, "AQAB");
	tap_ok(key != NULL && verify_message(key, RSA_RS256),
		   "a signature of RS256 is accepted");
	for (size_t i = 0; i < lengthof(rows); i++)
		tap_ok(!verify_message(key, rows[i].signature), rows[i].title);
	session_signature_free(key);

	key = key_of_numbers(&session_algorithm_rs256, RSA3_N, "Aw");
	tap_ok(key != NULL && verify_message(key, RSA3_RS256),
		   "a signature with the exponent 3 is accepted");
	tap_ok(!verify_message(key, RSA3_FORGED),
		   "a cube root of the begin of a signature is refused");
	session_signature_free(key);
}

static void
test_rs256_length(void)
{
	SessionSignatureKey *key;
	Signed		what = {.in = "message",.in_len = 7};

	key = key_of_numbers(&session_algorithm_rs256, RSA_N, "AQAB");
	what.len = decode(what.signature + 1, RSA_RS256) + 1;
	tap_ok(!verify(key, &what), "a leading zero of RS256 is refused");
	what.len = decode(what.signature, RSA_RS256);
	what.signature[what.len++] = 0;
	tap_ok(!verify(key, &what), "a byte behind one of RS256 is refused");
	what.len -= 2;
	tap_ok(!verify(key, &what), "a signature of a byte less is refused");
	what.len = 0;
	tap_ok(!verify(key, &what), "an empty signature is refused");
	session_signature_free(key);
}

/* Returns whether a modulus of ones, of some bits, is a key. */
static bool
is_modulus(size_t bits)
{
	SessionPublicParts parts = {
		.algorithm = &session_algorithm_rs256,
		.second = {1, 0, 1},.second_len = 3,
	};
	SessionSignatureKey *key;
	bool		ok;

	parts.first_len = (bits + 7) / 8;
	memset(parts.first, 0xFF, Min(parts.first_len, sizeof(parts.first)));
	parts.first[0] = 0xFF >> (parts.first_len * 8 - bits);
	key = session_signature_public(&parts);
	ok = key != NULL;
	session_signature_free(key);
	return ok;
}

static void
test_rs256_keys(void)
{
	char		even[] = RSA_N;

	tap_ok(!is_modulus(1024) && !is_modulus(2047) && is_modulus(2048) &&
		   is_modulus(8192) && !is_modulus(8193) && !is_modulus(16384),
		   "a modulus has 2048 to 8192 bits");
	tap_ok(no_key(&session_algorithm_rs256, RSA_N, "AQ") &&
		   no_key(&session_algorithm_rs256, RSA_N, "AA") &&
		   no_key(&session_algorithm_rs256, RSA_N, "Ag") &&
		   no_key(&session_algorithm_rs256, RSA_N, "AQAA") &&
		   no_key(&session_algorithm_rs256, RSA_N, ""),
		   "an exponent of 0 or 1, and an even one, is refused");
	tap_ok(no_key(&session_algorithm_rs256, RSA_N, "AAEAAQ"),
		   "an exponent with a leading zero is refused");
	tap_ok(!no_key(&session_algorithm_rs256, RSA_N, "gAAAAAAAAAE") &&
		   no_key(&session_algorithm_rs256, RSA_N, "AYAAAAAAAAAB"),
		   "an exponent has 64 bits or less");
	/* The last character but one of 342 has the lowest bit of n. */
	even[strlen(even) - 1] = 'A';
	even[strlen(even) - 2] = 'A';
	tap_ok(no_key(&session_algorithm_rs256, even, "AQAB"),
		   "an even modulus is refused");
}

/* Returns whether 32 bytes in hexadecimal are a private key of ES256. */
static bool
is_private_number(const char *hex)
{
	uint8		bytes[32];
	SessionSignatureKey *key;
	bool		ok;

	key = session_signature_private(&session_algorithm_es256, bytes,
									from_hex(bytes, hex));
	ok = key != NULL;
	session_signature_free(key);
	return ok;
}

static void
test_private_numbers(void)
{
	SessionSignatureKey *key;
	SessionPublicParts parts;
	SessionJwk	jwk;

	tap_ok(!is_private_number(ZERO) && is_private_number(ONE) &&
		   is_private_number(P256_ORDER_LESS_ONE) &&
		   !is_private_number(P256_ORDER) && !is_private_number(ALL_ONES),
		   "a private key of ES256 is in the range from 1 to order - 1");
	key = private_key_of(&session_algorithm_es256, RFC7515_EC_D);
	tap_ok(key != NULL && session_signature_parts(&parts, key) &&
		   session_jwk_read(&jwk, RFC7515_EC_JWK,
							strlen(RFC7515_EC_JWK)) == SESSION_JWK_OK &&
		   memcmp(&parts, &jwk.parts, sizeof(parts)) == 0,
		   "the public half of ES256 is computed from the private one");
	session_signature_free(key);
	key = private_key_of(&session_algorithm_eddsa, RFC8037_D);
	tap_ok(key != NULL && session_signature_parts(&parts, key) &&
		   session_jwk_read(&jwk, RFC8037_JWK,
							strlen(RFC8037_JWK)) == SESSION_JWK_OK &&
		   memcmp(&parts, &jwk.parts, sizeof(parts)) == 0,
		   "the public half of EdDSA is computed from the seed");
	session_signature_free(key);
}

static void
test_private_lengths(void)
{
	uint8		bytes[SESSION_PRIVATE_KEY_BYTES + 1] = {0};
	uint8		made[SESSION_PRIVATE_KEY_BYTES];
	SessionSignatureKey *key;
	size_t		len;
	bool		ok;

	for (size_t i = 0; i < lengthof(algorithms); i++)
	{
		char		title[80];

		ok = session_signature_generate(algorithms[i], made, &len);
		memset(bytes, 0, sizeof(bytes));
		memcpy(bytes, made, len);
		for (size_t short_len = 0; short_len < len; short_len++)
			ok &= session_signature_private(algorithms[i], bytes,
											short_len) == NULL;
		ok &= session_signature_private(algorithms[i], bytes, len + 1) == NULL;
		key = session_signature_private(algorithms[i], bytes, len);
		ok &= key != NULL;
		session_signature_free(key);
		snprintf(title, sizeof(title),
				 "a private key of %s has exactly %zu bytes",
				 algorithms[i]->name, len);
		tap_ok(ok && memcmp(bytes, made, len) == 0, title);
	}
	tap_ok(private_key_of(&session_algorithm_hs256, RFC8037_D) == NULL &&
		   !session_signature_generate(&session_algorithm_hs256, bytes, &len),
		   "HS256 has no private keys");
}

/* The modulus, which is first in the private form, has 2048 bits. */
static void
test_private_modulus(void)
{
	uint8		bytes[SESSION_PRIVATE_KEY_BYTES];
	size_t		len;
	bool		ok;

	ok = session_signature_generate(&session_algorithm_rs256, bytes, &len);
	tap_ok(ok && (bytes[0] & 0x80) != 0, "a new key of RS256 has 2048 bits");
	bytes[0] &= 0x7F;
	tap_ok(ok && session_signature_private(&session_algorithm_rs256, bytes,
										   len) == NULL,
		   "a private key of RSA with fewer bits is refused");
	memset(bytes, 0, sizeof(bytes));
	tap_ok(session_signature_private(&session_algorithm_rs256, bytes,
									 len) == NULL,
		   "a private key of RSA that is zeros is refused");
}

int
main(void)
{
	test_names();
	test_vectors();
	test_sign_vectors();
	test_round_trip();
	test_once();
	test_short_numbers();
	test_es256_numbers();
	test_es256_range();
	test_es256_form();
	test_es256_points();
	test_eddsa_points();
	test_eddsa_scalar();
	test_rs256_padding();
	test_rs256_length();
	test_rs256_keys();
	test_private_numbers();
	test_private_lengths();
	test_private_modulus();
	return tap_done();
}
