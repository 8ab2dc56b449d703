/*
 * possession_test.c
 *	  Proofs that a client has a private key: the example of RFC 9449, and what
 *	  is no proof.
 */
#include "postgres.h"

#include "signature_vectors.h"
#include "tap.h"
#include "wire/base64url.h"
#include "wire/jwk.h"
#include "wire/possession.h"

/* The example of RFC 9449 section 4.1. */
#define HEADER \
	"eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6" \
	"Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZF" \
	"NGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2" \
	"In19"
#define PAYLOAD \
	"eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8v" \
	"c2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ"
#define SIGNATURE \
	"2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK7" \
	"0nfbV37xRZT3Lg"
#define EXAMPLE HEADER "." PAYLOAD "." SIGNATURE

/* Section 6.1. */
#define THUMBPRINT "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"

static SessionPossessionProof proof;

/* Returns whether a text is a proof of DPoP; frees what was read. */
static bool
is_proof(const char *chars)
{
	bool		read;

	read = session_possession_read(&proof, chars, strlen(chars),
								   SESSION_POSSESSION_DPOP);
	if (read)
		session_possession_free(&proof);
	return read;
}

/* Returns whether a header makes a proof, with the rest of the example. */
static bool
is_header(const char *header)
{
	char		chars[8192];
	size_t		len = strlen(header);

	session_base64url_encode(chars, (const uint8 *) header, len);
	strcpy(chars + SESSION_BASE64URL_CHARS(len), "." PAYLOAD "." SIGNATURE);
	return is_proof(chars);
}

static void
test_example(void)
{
	uint8		thumbprint[SESSION_SHA256_BYTES];
	char		chars[SESSION_BASE64URL_CHARS(SESSION_SHA256_BYTES)];
	SessionPublicParts other;

	if (!session_possession_read(&proof, EXAMPLE, strlen(EXAMPLE),
								 SESSION_POSSESSION_DPOP))
	{
		tap_ok(false, "the example is read");
		return;
	}
	tap_ok(proof.has_key && proof.algorithm == &session_algorithm_es256,
		   "the example has a key and an algorithm");
	tap_ok(session_possession_verify(&proof, &proof.key),
		   "the example was signed with its key");
	tap_ok(strcmp(session_possession_string(&proof, "htm"), "POST") == 0 &&
		   strcmp(session_possession_string(&proof, "jti"),
				  "-BwC3ESc6acc2lTc") == 0,
		   "its claims are read");
	tap_ok(session_possession_string(&proof, "iat") == NULL &&
		   session_possession_string(&proof, "ath") == NULL,
		   "a number, and a claim that is missing, are no strings");
	tap_ok(session_jwk_thumbprint(thumbprint, &proof.key), "its key is hashed");
	session_base64url_encode(chars, thumbprint, sizeof(thumbprint));
	tap_ok(memcmp(chars, THUMBPRINT, sizeof(chars)) == 0,
		   "the thumbprint is that of section 6.1");
	other = proof.key;
	other.algorithm = &session_algorithm_rs256;
	tap_ok(!session_possession_verify(&proof, &other),
		   "a key of another algorithm does not verify it");
	other = proof.key;
	other.second[31] ^= 1;
	tap_ok(!session_possession_verify(&proof, &other),
		   "another key does not verify it");
	proof.signed_len--;
	tap_ok(!session_possession_verify(&proof, &proof.key),
		   "the signature is of the whole text");
	session_possession_free(&proof);
}

static void
test_refused(void)
{
	tap_ok(is_proof(EXAMPLE), "the example is a proof");
	tap_ok(!session_possession_read(&proof, EXAMPLE, strlen(EXAMPLE),
									SESSION_POSSESSION_DBSC),
		   "a proof of one type is none of another");
	tap_ok(!session_possession_read(&proof, NULL, 0, "dpop+jwt"),
		   "no text at all is no proof");
	tap_ok(!is_proof("") && !is_proof("..") && !is_proof(HEADER "." PAYLOAD) &&
		   !is_proof(EXAMPLE ".") && !is_proof(EXAMPLE "=") &&
		   !is_proof(HEADER ".." SIGNATURE) &&
		   !is_proof(HEADER ".W10." SIGNATURE),
		   "other texts are none");
	tap_ok(is_header("{\"typ\":\"dpop+jwt\",\"alg\":\"ES256\"}") &&
		   !proof.has_key, "a proof need not have a key");
	tap_ok(!is_header("{\"typ\":\"dpop+jwt\"}") &&
		   !is_header("{\"typ\":\"dpop+jwt\",\"alg\":1}") &&
		   !is_header("{\"typ\":\"dpop+jwt\",\"alg\":\"none\"}") &&
		   !is_header("{\"typ\":\"dpop+jwt\",\"alg\":\"HS256\"}") &&
		   !is_header("{\"typ\":\"dpop+jwt\",\"alg\":\"es256\"}"),
		   "a proof has an algorithm with public keys");
	tap_ok(!is_header("{\"typ\":\"DPOP+JWT\",\"alg\":\"ES256\"}") &&
		   !is_header("{\"typ\":\"application/dpop+jwt\",\"alg\":\"ES256\"}") &&
		   !is_header("{\"alg\":\"ES256\"}"),
		   "the type is written in one way");
	tap_ok(!is_header("{\"typ\":\"dpop+jwt\",\"alg\":\"ES256\",\"crit\":[]}") &&
		   !is_header("{\"typ\":\"dpop+jwt\",\"alg\":\"ES256\",\"b64\":false}"),
		   "a header does not change what the rest means");
	tap_ok(!is_header("{\"typ\":\"dpop+jwt\",\"alg\":\"ES256\",\"jwk\":null}") &&
		   !is_header("{\"typ\":\"dpop+jwt\",\"alg\":\"ES256\",\"jwk\":[]}") &&
		   !is_header("{\"typ\":\"dpop+jwt\",\"alg\":\"ES256\",\"jwk\":{}}") &&
		   !is_header("{\"typ\":\"dpop+jwt\",\"alg\":\"EdDSA\",\"jwk\":{\"kty\":\"EC\","
					  "\"crv\":\"P-256\",\"x\":\"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs\","
					  "\"y\":\"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA\"}}") &&
		   !is_header("{\"typ\":\"dpop+jwt\",\"alg\":\"RS256\",\"jwk\":{\"kty\":\"RSA\","
					  "\"e\":\"AQAB\",\"n\":\"sXchDaQebHnPiGvyDOAT4saGEUetSyo9MKLOoWFsueri\"}}"),
		   "a key is one of the algorithm, and strong enough");
}

/* The key is in the proof, so the proof is the longest of the algorithms. */
static void
test_longest(void)
{
	tap_ok(is_proof(RSA8192_PROOF) && proof.has_key &&
		   proof.key.first_len == SESSION_RSA_MOST_BITS / 8 &&
		   proof.signature_len == SESSION_SIGNATURE_BYTES &&
		   session_possession_verify(&proof, &proof.key),
		   "a proof by an RSA key of the most bits is good");
	proof.signature[SESSION_SIGNATURE_BYTES - 1] ^= 1;
	tap_ok(!session_possession_verify(&proof, &proof.key),
		   "with another signature it is not");
	session_possession_free(&proof);
}

int
main(void)
{
	test_example();
	test_longest();
	test_refused();
	return tap_done();
}
