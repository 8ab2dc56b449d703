/*
 * jwk_test.c
 *	  JSON Web Keys that are read, refused and written, and their thumbprints.
 */
#include "postgres.h"

#include "signature_vectors.h"
#include "tap.h"
#include "wire/base64url.h"
#include "wire/claims.h"
#include "wire/jwk.h"

#define X "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"
#define Y "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
#define EC "\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X "\",\"y\":\"" Y "\""
#define OKP "\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" X "\""
#define RSA "\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"AQAB\""

static SessionJwkFault
fault_of(const char *json)
{
	SessionJwk	jwk;

	return session_jwk_read(&jwk, json, strlen(json));
}

/* Returns whether the thumbprint of a JWK is one in base64url. */
static bool
has_thumbprint(const char *json, const char *expected)
{
	SessionJwk	jwk;
	uint8		hash[SESSION_SHA256_BYTES];
	char		chars[SESSION_BASE64URL_CHARS(SESSION_SHA256_BYTES)];

	if (session_jwk_read(&jwk, json, strlen(json)) != SESSION_JWK_OK ||
		!session_jwk_thumbprint(hash, &jwk.parts))
		return false;
	session_base64url_encode(chars, hash, sizeof(hash));
	return strlen(expected) == sizeof(chars) &&
		memcmp(chars, expected, sizeof(chars)) == 0;
}

static void
test_thumbprints(void)
{
	tap_ok(has_thumbprint(RFC7638_JWK, RFC7638_THUMBPRINT),
		   "the thumbprint of an RSA key is that of RFC 7638, 3.1");
	tap_ok(has_thumbprint(RFC8037_JWK, RFC8037_THUMBPRINT),
		   "the thumbprint of an Ed25519 key is that of RFC 8037, A.3");
	tap_ok(has_thumbprint(RFC7515_EC_JWK, RFC7515_EC_THUMBPRINT),
		   "the thumbprint of a P-256 key is that of another implementation");
	tap_ok(has_thumbprint("{\"alg\":\"ES256\",\"y\":\"" Y "\",\"x\":\"" X "\","
						  "\"kid\":\"a\",\"crv\":\"P-256\",\"kty\":\"EC\"}",
						  RFC7515_EC_THUMBPRINT),
		   "the thumbprint does not depend on the order, nor on other members");
}

static void
test_faults(void)
{
	static const struct
	{
		const char *title;
		SessionJwkFault fault;
		const char *json;
	}			rows[] =
	{
		{"a key of P-256", SESSION_JWK_OK, "{" EC "}"},
		{"a key of Ed25519", SESSION_JWK_OK, "{" OKP "}"},
		{"an RSA key", SESSION_JWK_OK, "{" RSA "}"},
		{"unknown members are ignored", SESSION_JWK_OK,
		"{" EC ",\"x5t\":\"a\",\"x5c\":[\"b\"],\"ext\":true,\"n\":1}"},
		{"escapes are read", SESSION_JWK_OK,
			"{\"\\u006bty\":\"E\\u0043\",\"crv\":\"P\\u002d256\",\"x\":\"" X "\","
		"\"y\":\"" Y "\"}"},
		{"the algorithm may be named", SESSION_JWK_OK,
		"{" EC ",\"alg\":\"ES256\"}"},
		{"another algorithm of the curve", SESSION_JWK_UNSUPPORTED,
		"{" EC ",\"alg\":\"ECDH-ES\"}"},
		{"another algorithm of RSA", SESSION_JWK_UNSUPPORTED,
		"{" RSA ",\"alg\":\"PS256\"}"},
		{"the algorithm of another key", SESSION_JWK_UNSUPPORTED,
		"{" RSA ",\"alg\":\"HS256\"}"},
		{"an algorithm that is no string", SESSION_JWK_INVALID,
		"{" RSA ",\"alg\":256}"},
		{"P-384", SESSION_JWK_UNSUPPORTED,
		"{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"" X "\",\"y\":\"" Y "\"}"},
		{"secp256k1", SESSION_JWK_UNSUPPORTED,
			"{\"kty\":\"EC\",\"crv\":\"secp256k1\",\"x\":\"" X "\",\"y\":\"" Y
		"\"}"},
		{"no curve", SESSION_JWK_UNSUPPORTED,
		"{\"kty\":\"EC\",\"x\":\"" X "\",\"y\":\"" Y "\"}"},
		{"a curve of another kty", SESSION_JWK_UNSUPPORTED,
		"{\"kty\":\"OKP\",\"crv\":\"P-256\",\"x\":\"" X "\",\"y\":\"" Y "\"}"},
		{"X25519", SESSION_JWK_UNSUPPORTED,
		"{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"" X "\"}"},
		{"another kty", SESSION_JWK_UNSUPPORTED, "{\"kty\":\"AKP\"}"},
		{"a kty in other case", SESSION_JWK_UNSUPPORTED,
		"{\"kty\":\"ec\",\"crv\":\"P-256\",\"x\":\"" X "\",\"y\":\"" Y "\"}"},
		{"no kty", SESSION_JWK_INVALID, "{\"x\":\"" X "\"}"},
		{"a kty that is null", SESSION_JWK_INVALID, "{\"kty\":null}"},
		{"a key for encryption", SESSION_JWK_NOT_SIGNING,
		"{" EC ",\"use\":\"enc\"}"},
		{"a key for signatures", SESSION_JWK_OK, "{" EC ",\"use\":\"sig\"}"},
		{"a use that is no string", SESSION_JWK_INVALID,
		"{" EC ",\"use\":[\"sig\"]}"},
		{"operations with verify", SESSION_JWK_OK,
		"{" EC ",\"key_ops\":[ \"sign\" , \"verify\" ]}"},
		{"operations without verify", SESSION_JWK_NOT_SIGNING,
		"{" EC ",\"key_ops\":[\"encrypt\",\"verify \",\"\\\"verify\"]}"},
		{"no operations", SESSION_JWK_NOT_SIGNING, "{" EC ",\"key_ops\":[]}"},
		{"operations that are no array", SESSION_JWK_INVALID,
		"{" EC ",\"key_ops\":\"verify\"}"},
		{"operations in an object", SESSION_JWK_INVALID,
		"{" EC ",\"key_ops\":{\"verify\":1}}"},
		{"operations in an empty object", SESSION_JWK_INVALID,
		"{" EC ",\"key_ops\":{}}"},
		{"operations that are no strings", SESSION_JWK_INVALID,
		"{" EC ",\"key_ops\":[\"verify\",1]}"},
		{"operations in an array of arrays", SESSION_JWK_INVALID,
		"{" EC ",\"key_ops\":[[\"verify\"]]}"},
		{"a private key of P-256", SESSION_JWK_PRIVATE,
		"{" EC ",\"d\":\"" X "\"}"},
		{"a private key of Ed25519", SESSION_JWK_PRIVATE, RFC8037_PRIVATE_JWK},
		{"a private key without its value", SESSION_JWK_PRIVATE,
		"{" RSA ",\"d\":null}"},
		{"a prime of an RSA key", SESSION_JWK_PRIVATE,
		"{" RSA ",\"p\":\"AQAB\"}"},
		{"the other prime of an RSA key", SESSION_JWK_PRIVATE,
		"{" RSA ",\"q\":\"AQAB\"}"},
		{"an exponent of an RSA key", SESSION_JWK_PRIVATE,
		"{" RSA ",\"dq\":\"AQAB\"}"},
		{"a shared secret", SESSION_JWK_PRIVATE,
		"{\"kty\":\"oct\",\"k\":\"" X "\"}"},
		{"a kty of shared secrets", SESSION_JWK_PRIVATE, "{\"kty\":\"oct\"}"},
		{"a shared secret beside a public key", SESSION_JWK_PRIVATE,
		"{" EC ",\"k\":\"" X "\"}"},
		{"a private key for encryption", SESSION_JWK_PRIVATE,
		"{" EC ",\"use\":\"enc\",\"d\":\"" X "\"}"},
		{"a member that occurs twice", SESSION_JWK_INVALID,
		"{" EC ",\"x\":\"" X "\"}"},
		{"a name that occurs twice, once with an escape", SESSION_JWK_INVALID,
		"{" EC ",\"\\u0078\":\"" X "\"}"},
		{"no x", SESSION_JWK_INVALID,
		"{\"kty\":\"EC\",\"crv\":\"P-256\",\"y\":\"" Y "\"}"},
		{"no y", SESSION_JWK_INVALID,
		"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X "\"}"},
		{"an x of 31 bytes", SESSION_JWK_INVALID,
			"{\"kty\":\"EC\",\"crv\":\"P-256\",\"y\":\"" Y "\",\"x\":"
		"\"83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\"}"},
		{"an x with a leading zero", SESSION_JWK_INVALID,
			"{\"kty\":\"EC\",\"crv\":\"P-256\",\"y\":\"" Y "\",\"x\":"
		"\"AH_Nzidw9sRdQYPL7m_bS3tYBzM1e-nvE7rPbjx70VRF\"}"},
		{"an x with padding", SESSION_JWK_INVALID,
			"{\"kty\":\"EC\",\"crv\":\"P-256\",\"y\":\"" Y "\",\"x\":"
		"\"" X "=\"}"},
		{"an x in base64", SESSION_JWK_INVALID,
			"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X "\",\"y\":"
		"\"x/FEzRu9m36HLN/tue659LNpXW6pCyStikYjKIWI5a0\"}"},
		{"an x with unused bits", SESSION_JWK_INVALID,
			"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":"
		"\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEV\"}"},
		{"an x that is a number", SESSION_JWK_INVALID,
		"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":1}"},
		{"an empty x", SESSION_JWK_INVALID,
		"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"\"}"},
		{"an n with a leading zero", SESSION_JWK_INVALID,
		"{\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"AAAA" RSA_N "\"}"},
		{"an e with a leading zero", SESSION_JWK_INVALID,
		"{\"kty\":\"RSA\",\"e\":\"AAEAAQ\",\"n\":\"" RSA_N "\"}"},
		{"no e", SESSION_JWK_INVALID, "{\"kty\":\"RSA\",\"n\":\"" RSA_N "\"}"},
		{"no n", SESSION_JWK_INVALID, "{\"kty\":\"RSA\",\"e\":\"AQAB\"}"},
		{"1024 bits", SESSION_JWK_WEAK,
		"{\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"" RSA1024_N "\"}"},
		{"a kid", SESSION_JWK_OK, "{" EC ",\"kid\":\"2026-11/a=\"}"},
		{"an empty kid", SESSION_JWK_INVALID, "{" EC ",\"kid\":\"\"}"},
		{"a kid with a quote", SESSION_JWK_INVALID,
		"{" EC ",\"kid\":\"a\\\"b\"}"},
		{"a kid that is a number", SESSION_JWK_INVALID, "{" EC ",\"kid\":1}"},
		{"an array", SESSION_JWK_INVALID, "[{" EC "}]"},
		{"a set of keys", SESSION_JWK_INVALID, "{\"keys\":[{" EC "}]}"},
		{"bytes behind the object", SESSION_JWK_INVALID, "{" EC "}}"},
		{"no JSON", SESSION_JWK_INVALID, "{" EC},
		{"nothing", SESSION_JWK_INVALID, ""},
	};

	for (size_t i = 0; i < lengthof(rows); i++)
		tap_ok(fault_of(rows[i].json) == rows[i].fault, rows[i].title);
}

/* Reads an RSA key whose n has some bytes, the first of which is given. */
static SessionJwkFault
fault_of_modulus(size_t len, int first)
{
	uint8		n[4096];
	char		chars[SESSION_BASE64URL_CHARS(sizeof(n)) + 1];
	char		json[sizeof(chars) + 64];

	memset(n, 0x55, sizeof(n));
	memset(chars, 0, sizeof(chars));
	n[0] = (uint8) first;
	session_base64url_encode(chars, n, len);
	snprintf(json, sizeof(json), "{\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"%s\"}",
			 chars);
	return fault_of(json);
}

static void
test_sizes(void)
{
	char		json[SESSION_JWK_BYTES + 64];
	int			len;

	tap_ok(fault_of_modulus(256, 0x80) == SESSION_JWK_OK &&
		   fault_of_modulus(256, 0x7F) == SESSION_JWK_WEAK &&
		   fault_of_modulus(257, 0x01) == SESSION_JWK_OK,
		   "an n has 2048 bits or more");
	tap_ok(fault_of_modulus(1024, 0xFF) == SESSION_JWK_OK &&
		   fault_of_modulus(1025, 0x01) == SESSION_JWK_WEAK &&
		   fault_of_modulus(2048, 0xFF) == SESSION_JWK_WEAK &&
		   fault_of_modulus(4096, 0xFF) == SESSION_JWK_WEAK,
		   "an n has 8192 bits or less");

	len = snprintf(json, sizeof(json), "{" EC ",\"x5c\":[\"");
	memset(json + len, 'a', sizeof(json) - len);
	memcpy(json + SESSION_JWK_BYTES - 3, "\"]}", 4);
	tap_ok(fault_of(json) == SESSION_JWK_OK, "a JWK may have certificates");
	memcpy(json + SESSION_JWK_BYTES - 3, "a\"]}", 5);
	tap_ok(fault_of(json) == SESSION_JWK_INVALID, "a JWK may be too long");
}

/* Returns whether a JWK is written as a text, and read again as the same key. */
static bool
is_written(const char *json, const char *kid, const char *expected)
{
	SessionJwk	jwk;
	SessionJwk	again;
	char		out[SESSION_JWK_WRITTEN_BYTES];
	size_t		len;

	if (session_jwk_read(&jwk, json, strlen(json)) != SESSION_JWK_OK)
		return false;
	len = session_jwk_write(out, &jwk.parts, kid);
	return len == strlen(expected) && memcmp(out, expected, len) == 0 &&
		session_jwk_read(&again, out, len) == SESSION_JWK_OK &&
		memcmp(&again.parts, &jwk.parts, sizeof(jwk.parts)) == 0 &&
		strcmp(again.kid, kid == NULL ? "" : kid) == 0;
}

static void
test_write(void)
{
	SessionPublicParts parts = {.algorithm = &session_algorithm_rs256};
	char		kid[SESSION_KID_CHARS + 1];
	char		out[SESSION_JWK_WRITTEN_BYTES];
	SessionJwk	jwk;
	size_t		len;

	tap_ok(is_written("{" EC ",\"kid\":\"a\"}", NULL,
					  "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"" X
					  "\",\"y\":\"" Y "\"}"),
		   "a key of P-256 is written as RFC 7638 says");
	tap_ok(is_written("{" OKP "}", "k1",
					  "{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\"" X
					  "\",\"alg\":\"EdDSA\",\"kid\":\"k1\",\"use\":\"sig\"}"),
		   "a key of Ed25519 is written with its kid");
	tap_ok(is_written("{" RSA "}", "",
					  "{\"e\":\"AQAB\",\"kty\":\"RSA\",\"n\":\"" RSA_N
					  "\",\"alg\":\"RS256\",\"use\":\"sig\"}"),
		   "an RSA key is written without a kid");

	memset(parts.first, 0xFF, sizeof(parts.first));
	parts.first_len = sizeof(parts.first);
	memset(parts.second, 0xFF, sizeof(parts.second));
	parts.second_len = sizeof(parts.second);
	memset(kid, 'k', SESSION_KID_CHARS);
	kid[SESSION_KID_CHARS] = '\0';
	len = session_jwk_write(out, &parts, kid);
	tap_ok(len <= sizeof(out) &&
		   session_jwk_read(&jwk, out, len) == SESSION_JWK_OK &&
		   memcmp(&jwk.parts, &parts, sizeof(parts)) == 0 &&
		   strcmp(jwk.kid, kid) == 0,
		   "the longest key with the longest kid has room");
}

/* Reads the member "jwk" of a header. */
static SessionJwkFault
fault_of_member(SessionJwk *jwk, const char *json)
{
	SessionMember members[SESSION_MEMBERS];
	int			count;
	SessionJwkFault fault;

	if (!session_claims_read(members, &count, json, strlen(json)))
		return SESSION_JWK_INVALID;
	fault = session_jwk_read_member(jwk, session_claims_find(members, count,
															 "jwk"));
	session_claims_free(members, count);
	return fault;
}

static void
test_member(void)
{
	SessionJwk	jwk;

	tap_ok(fault_of_member(&jwk, "{\"typ\":\"dpop+jwt\",\"jwk\": {" EC
						   ",\"kid\":\"a\"} ,\"alg\":\"ES256\"}") ==
		   SESSION_JWK_OK && strcmp(jwk.kid, "a") == 0 &&
		   jwk.parts.algorithm == &session_algorithm_es256,
		   "the JWK in a header is read");
	tap_ok(fault_of_member(&jwk, "{\"jwk\":{" EC ",\"d\":\"\"}}") ==
		   SESSION_JWK_PRIVATE, "a private key in a header is refused");
	tap_ok(fault_of_member(&jwk, "{\"jwk\":[{" EC "}]}") ==
		   SESSION_JWK_INVALID &&
		   fault_of_member(&jwk, "{\"jwk\":\"{}\"}") == SESSION_JWK_INVALID &&
		   fault_of_member(&jwk, "{\"jwk\":null}") == SESSION_JWK_INVALID &&
		   fault_of_member(&jwk, "{\"jwk\":1.5}") == SESSION_JWK_INVALID &&
		   fault_of_member(&jwk, "{\"alg\":\"ES256\"}") == SESSION_JWK_INVALID,
		   "a header without such an object has no key");
}

int
main(void)
{
	test_thumbprints();
	test_faults();
	test_sizes();
	test_write();
	test_member();
	return tap_done();
}
