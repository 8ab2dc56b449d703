/*
 * codec_jwt_test.c
 *	  JWTs with keys for signatures.
 */
#include "postgres.h"

#include "crypto/crypto.h"
#include "crypto/signature.h"
#include "tap.h"
#include "signature_vectors.h"
#include "wire/base64url.h"
#include "wire/codec.h"
#include "wire/jwk.h"

#define PURPOSE "jwt"
#define PAYLOAD "{\"sub\":\"ada\"}"
#define ROOM 4096

static const SessionAlgorithm *const algorithms[] = {
	&session_algorithm_es256, &session_algorithm_eddsa, &session_algorithm_rs256
};

/* Returns a key with a generated pair. */
static SessionCodecKey
new_key(const SessionAlgorithm *algorithm)
{
	uint8		private[SESSION_PRIVATE_KEY_BYTES];
	size_t		len;
	SessionCodecKey key = {.kid = "k1"};

	if (session_signature_generate(algorithm, private, &len))
		key.signature = session_signature_private(algorithm, private, len);
	return key;
}

/* Returns the key of an issuer from its JWK. */
static SessionCodecKey
issuer_key(const char *json, const char *kid)
{
	SessionJwk	jwk;
	SessionCodecKey key = {.kid = kid,.imported = true};

	if (session_jwk_read(&jwk, json, strlen(json)) == SESSION_JWK_OK)
		key.signature = session_signature_public(&jwk.parts);
	return key;
}

static bool
is_accepted(const char *value, size_t len, const SessionCodecKey *key)
{
	char		out[ROOM];
	size_t		out_len;

	return session_codec_jwt.decode(out, &out_len, value, len, PURPOSE, key);
}

/* Writes a JWT of a key.  Returns its length, or zero. */
static size_t
make(char out[ROOM], const SessionCodecKey *key)
{
	size_t		len;

	if (!session_codec_jwt.encode(out, &len, PAYLOAD, strlen(PAYLOAD),
								  PURPOSE, key) ||
		len > session_codec_jwt.bound(strlen(PAYLOAD), key))
		return 0;
	out[len] = '\0';
	return len;
}

/* Signs any header. Returns the length of the value, or zero. */
static size_t
make_with_header(char out[ROOM], const char *header,
				 const SessionCodecKey *key)
{
	uint8		signature[SESSION_SIGNATURE_BYTES];
	size_t		signature_len;
	size_t		len = SESSION_BASE64URL_CHARS(strlen(header));

	session_base64url_encode(out, (const uint8 *) header, strlen(header));
	out[len++] = '.';
	session_base64url_encode(out + len, (const uint8 *) PAYLOAD,
							 strlen(PAYLOAD));
	len += SESSION_BASE64URL_CHARS(strlen(PAYLOAD));
	if (!session_signature_sign(signature, &signature_len, out, len,
								key->signature))
		return 0;
	out[len++] = '.';
	session_base64url_encode(out + len, signature, signature_len);
	return len + SESSION_BASE64URL_CHARS(signature_len);
}

static void
test_round_trip(const SessionAlgorithm *algorithm)
{
	SessionCodecKey key = new_key(algorithm);
	SessionCodecKey other = new_key(algorithm);
	char		value[ROOM];
	char		out[ROOM];
	char		header[ROOM] = "";
	size_t		out_len = 0;
	size_t		len = make(value, &key);
	size_t		header_len = strcspn(value, ".");

	tap_ok(len > 0 && is_accepted(value, len, &key) &&
		   session_codec_jwt.decode(out, &out_len, value, len, PURPOSE,
									&key) &&
		   out_len == strlen(PAYLOAD) && memcmp(out, PAYLOAD, out_len) == 0,
		   psprintf("a JWT with %s is decoded", algorithm->name));
	tap_ok(session_base64url_decode((uint8 *) header, value, header_len) &&
		   strcmp(header, psprintf("{\"alg\":\"%s\",\"typ\":\"JWT\",\"kid\":\"k1\"}",
								   algorithm->name)) == 0,
		   psprintf("its header names %s and the key", algorithm->name));
	tap_ok(!is_accepted(value, len, &other),
		   psprintf("another key of %s proves nothing", algorithm->name));
	session_signature_free(key.signature);
	session_signature_free(other.signature);
}

/* No character can be changed, removed or added. */
static void
test_changed(const SessionAlgorithm *algorithm)
{
	SessionCodecKey key = new_key(algorithm);
	char		value[ROOM];
	size_t		len = make(value, &key);
	bool		refused = len > 0;

	for (size_t i = 0; i < len; i++)
	{
		char		was = value[i];

		value[i] = was == 'A' ? 'B' : 'A';
		refused = refused && !is_accepted(value, len, &key);
		value[i] = was;
		refused = refused && !is_accepted(value, i, &key);
	}
	value[len] = 'A';
	refused = refused && !is_accepted(value, len + 1, &key);
	memcpy(value + len, "AAAA", 4);
	refused = refused && !is_accepted(value, len + 4, &key);
	tap_ok(refused && is_accepted(value, len, &key),
		   psprintf("no character of a JWT with %s can be changed",
					algorithm->name));
	session_signature_free(key.signature);
}

/* The algorithm is that of the key, not that of the header. */
static void
test_algorithm(const SessionAlgorithm *algorithm)
{
	static const char *const names[] = {
		"none", "None", "HS256", "ES256", "EdDSA", "RS256", "RS512", "PS256",
		"ES384", "Ed25519", "es256", "eddsa", "rs256", ""
	};
	SessionCodecKey key = new_key(algorithm);
	char		value[ROOM];
	int			accepted = 0;

	for (size_t i = 0; i < lengthof(names); i++)
	{
		size_t		len = make_with_header(value, psprintf("{\"alg\":\"%s\",\"typ\":\"JWT\",\"kid\":\"k1\"}",
														   names[i]), &key);

		if (is_accepted(value, len, &key))
			accepted += strcmp(names[i], algorithm->name) == 0 ? 1 : 100;
	}
	tap_ok(accepted == 1, psprintf("a key of %s accepts no other algorithm",
								   algorithm->name));
	session_signature_free(key.signature);
}

/*
 * Makes a value with a MAC, whose secret is what everyone knows: the public
 * key, as numbers and as the text of its JWK.
 */
static void
test_public_secret(const SessionAlgorithm *algorithm)
{
	SessionCodecKey key = new_key(algorithm);
	SessionPublicParts parts;
	char		jwk[SESSION_JWK_WRITTEN_BYTES];
	char		value[ROOM];
	bool		refused = session_signature_parts(&parts, key.signature);
	SessionCodecKey forged[] = {
		{.kid = "k1",.secret = parts.first,.secret_len = parts.first_len,.imported = true},
		{.kid = "k1",.secret = (uint8 *) jwk,.imported = true},
	};

	forged[1].secret_len = session_jwk_write(jwk, &parts, "k1");
	for (size_t i = 0; i < lengthof(forged); i++)
	{
		size_t		len = make(value, &forged[i]);

		refused = refused && len > 0 && is_accepted(value, len, &forged[i]) &&
			!is_accepted(value, len, &key);
	}
	key.imported = true;
	for (size_t i = 0; i < lengthof(forged); i++)
		refused = refused && !is_accepted(value, make(value, &forged[i]), &key);
	tap_ok(refused, psprintf("a public key of %s is no secret of a MAC",
							 algorithm->name));
	session_signature_free(key.signature);
}

/* Only JWTs have signatures. */
static void
test_other_encodings(const SessionAlgorithm *algorithm)
{
	static const SessionCodec *const codecs[] = {
		&session_codec_compact, &session_codec_jwe, &session_codec_sealed
	};
	static const char *const values[] = {
		"e30.47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU",
		"eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	};
	SessionCodecKey key = new_key(algorithm);
	char		out[ROOM];
	size_t		len;
	bool		refused = !session_codec_compact.signatures &&
	!session_codec_jwe.signatures && !session_codec_sealed.signatures;

	for (int imported = 0; imported < 2; imported++)
	{
		key.imported = imported == 1;
		for (size_t i = 0; i < lengthof(codecs); i++)
			refused = refused &&
				!codecs[i]->encode(out, &len, PAYLOAD, strlen(PAYLOAD),
								   PURPOSE, &key) &&
				!codecs[i]->decode(out, &len, values[i], strlen(values[i]),
								   PURPOSE, &key);
	}
	tap_ok(refused, psprintf("no other encoding uses a key of %s",
							 algorithm->name));
	session_signature_free(key.signature);
}

/* Our own keys are always named, those of issuers only if the header does. */
static void
test_header(void)
{
	static const struct
	{
		const char *header;
		bool		own;
		bool		issuer;		/* with the kid "k1" */
		bool		nameless;	/* an issuer's key without a kid */
	}			cases[] = {
		{"{\"alg\":\"EdDSA\",\"typ\":\"JWT\",\"kid\":\"k1\"}", true, true, false},
		{"{\"alg\":\"EdDSA\",\"typ\":\"JWT\"}", false, true, true},
		{"{\"alg\":\"EdDSA\",\"kid\":\"k1\"}", false, true, false},
		{"{\"alg\":\"EdDSA\"}", false, true, true},
		{"{\"alg\":\"EdDSA\",\"typ\":\"JWT\",\"kid\":\"k2\"}", false, false, false},
		{"{\"alg\":\"EdDSA\",\"typ\":\"JWT\",\"kid\":\"\"}", false, false, true},
		{"{\"alg\":\"EdDSA\",\"typ\":\"JWT\",\"kid\":null}", false, false, false},
		{"{\"alg\":\"EdDSA\",\"typ\":\"jwt\",\"kid\":\"k1\"}", false, true, false},
		{"{\"alg\":\"EdDSA\",\"typ\":\"at+jwt\",\"kid\":\"k1\"}", false, true, false},
		{"{\"alg\":\"EdDSA\",\"typ\":\"application/at+JWT\"}", false, true, true},
		{"{\"alg\":\"EdDSA\",\"typ\":\"dpop+jwt\",\"kid\":\"k1\"}", false, false, false},
		{"{\"alg\":\"EdDSA\",\"typ\":\"dbsc+jwt\",\"kid\":\"k1\"}", false, false, false},
		{"{\"alg\":\"EdDSA\",\"typ\":\"logout+jwt\"}", false, false, false},
		{"{\"alg\":\"EdDSA\",\"typ\":\"JWT\",\"kid\":\"k1\",\"crit\":[\"b64\"],\"b64\":false}", false, false, false},
		{"{\"alg\":\"EdDSA\",\"typ\":\"JWT\",\"kid\":\"k1\",\"x5t\":\"x\",\"jku\":\"https://evil\"}", true, true, false},
		{"{\"typ\":\"JWT\",\"kid\":\"k1\"}", false, false, false},
		{"{\"alg\":[\"EdDSA\"],\"typ\":\"JWT\",\"kid\":\"k1\"}", false, false, false},
	};
	SessionCodecKey key = new_key(&session_algorithm_eddsa);
	char		value[ROOM];

	for (size_t i = 0; i < lengthof(cases); i++)
	{
		size_t		len = make_with_header(value, cases[i].header, &key);
		SessionCodecKey issuer = key;
		SessionCodecKey nameless = key;

		issuer.imported = nameless.imported = true;
		nameless.kid = "";
		tap_ok(len > 0 && is_accepted(value, len, &key) == cases[i].own &&
			   is_accepted(value, len, &issuer) == cases[i].issuer &&
			   is_accepted(value, len, &nameless) == cases[i].nameless,
			   psprintf("which keys accept the header %s", cases[i].header));
	}
	session_signature_free(key.signature);
}

/* Values of RFCs, whose headers name no type and sometimes no key. */
static void
test_known(void)
{
	static const struct
	{
		const char *title;
		const char *jwk;
		const char *kid;
		const char *value;
	}			known[] = {
		{"RFC 7515, A.2", RFC7515_RSA_JWK, "", RFC7515_RS256},
		{"RFC 7515, A.3", RFC7515_EC_JWK, "", RFC7515_ES256},
		{"RFC 8037, A.4", RFC8037_JWK, "", RFC8037_EDDSA},
		{"RFC 7520, 4.1", RFC7520_JWK, "bilbo.baggins@hobbiton.example", RFC7520_RS256},
	};

	for (size_t i = 0; i < lengthof(known); i++)
	{
		SessionCodecKey key = issuer_key(known[i].jwk, known[i].kid);
		SessionCodecKey own = key;
		const char *value = known[i].value;

		own.imported = false;
		tap_ok(key.signature != NULL &&
			   is_accepted(value, strlen(value), &key) &&
			   !is_accepted(value, strlen(value), &own),
			   psprintf("the value of %s is accepted of an issuer",
						known[i].title));
		session_signature_free(key.signature);
	}
}

/* The longest value is accepted, one more character is not. */
static void
test_length(const SessionAlgorithm *algorithm)
{
	static char payload[SESSION_CODEC_CHARS];
	static char value[SESSION_CODEC_CHARS + 1];
	static char out[SESSION_CODEC_CHARS + 1];
	SessionCodecKey key = new_key(algorithm);
	size_t		most = SESSION_CODEC_CHARS;
	size_t		len;
	size_t		out_len;

	while (session_codec_jwt.bound(most, &key) > SESSION_CODEC_CHARS)
		most--;
	memset(payload, 'x', sizeof(payload));
	tap_ok(session_codec_jwt.encode(value, &len, payload, most, PURPOSE,
									&key) &&
		   len <= SESSION_CODEC_CHARS &&
		   session_codec_jwt.decode(out, &out_len, value, len, PURPOSE,
									&key) &&
		   out_len == most &&
		   !session_codec_jwt.encode(value, &len, payload, most + 1, PURPOSE,
									 &key),
		   psprintf("no JWT with %s is too long", algorithm->name));
	session_signature_free(key.signature);
}

int
main(void)
{
	for (size_t i = 0; i < lengthof(algorithms); i++)
	{
		test_round_trip(algorithms[i]);
		test_changed(algorithms[i]);
		test_algorithm(algorithms[i]);
		test_public_secret(algorithms[i]);
		test_other_encodings(algorithms[i]);
		test_length(algorithms[i]);
	}
	test_header();
	test_known();
	return tap_done();
}
