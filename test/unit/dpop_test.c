/*
 * dpop_test.c
 *	  Spellings of a URI, and for which request a proof of DPoP is.
 */
#include "postgres.h"

#include "tap.h"
#include "wire/dpop.h"
#include "wire/jwk.h"
#include "wire/uri.h"

/* The proof of RFC 9449 section 7.1, and the token that it is for. */
#define RFC_PROOF \
	"eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6Ik" \
	"VDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCR" \
	"nMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JE" \
	"QSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIj" \
	"oiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0Z" \
	"WRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNF" \
	"c05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71E" \
	"OptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA"
#define RFC_TOKEN "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"
#define RFC_IAT 1562262618

/* Returns whether a URI has a spelling; NULL = it is none. */
static bool
is_spelled(const char *uri, const char *expected)
{
	char		out[SESSION_URI_NORMAL_BYTES];
	size_t		len;

	if (!session_uri_normalize(out, &len, uri, strlen(uri)))
		return expected == NULL;
	return expected != NULL && len == strlen(expected) &&
		memcmp(out, expected, len) == 0;
}

static void
test_spelling(void)
{
	tap_ok(is_spelled("https://example.com/a/b", "https://example.com/a/b"),
		   "a URI in its own spelling stays as it is");
	tap_ok(is_spelled("HTTPS://EXAMPLE.Com/A", "https://example.com/A"),
		   "scheme and host are in lower case, the path is not");
	tap_ok(is_spelled("https://example.com:443/", "https://example.com/") &&
		   is_spelled("http://example.com:80/", "http://example.com/") &&
		   is_spelled("http://example.com:443/", "http://example.com:443/") &&
		   is_spelled("https://example.com:/", "https://example.com/") &&
		   is_spelled("https://example.com:8443", "https://example.com:8443/"),
		   "only a default port is left out");
	tap_ok(is_spelled("https://example.com", "https://example.com/") &&
		   is_spelled("https://example.com?a/b", "https://example.com/") &&
		   is_spelled("https://example.com#a", "https://example.com/"),
		   "an empty path is /");
	tap_ok(is_spelled("https://example.com/a?b=/c#d", "https://example.com/a") &&
		   is_spelled("https://example.com/a#b?c", "https://example.com/a"),
		   "query and fragment do not count");
	tap_ok(is_spelled("https://example.com/%7ea%2Db%5f%41", "https://example.com/~a-b_A") &&
		   is_spelled("https://example.com/%2f%3F%20%c3%bc", "https://example.com/%2F%3F%20%C3%BC") &&
		   is_spelled("https://example.com/\xc3\xbc", "https://example.com/%C3%BC") &&
		   is_spelled("https://ex%41mple.com/", "https://example.com/"),
		   "escapes have one spelling");
	tap_ok(is_spelled("https://example.com/a/./b/../c", "https://example.com/a/c") &&
		   is_spelled("https://example.com/../../a/..", "https://example.com/") &&
		   is_spelled("https://example.com/a/b/.", "https://example.com/a/b/") &&
		   is_spelled("https://example.com/a/%2e%2E/b", "https://example.com/b") &&
		   is_spelled("https://example.com/a//../b/...", "https://example.com/a/b/...") &&
		   is_spelled("https://example.com/.a/..b", "https://example.com/.a/..b"),
		   "dot segments are removed");
	tap_ok(is_spelled("https://[2001:DB8::1]:443/a", "https://[2001:db8::1]/a"),
		   "a host may be an address");
}

static void
test_no_uri(void)
{
	static char longest[SESSION_URI_BYTES + 2];
	char		out[SESSION_URI_NORMAL_BYTES];
	size_t		len;

	tap_ok(is_spelled("", NULL) && is_spelled("/a", NULL) &&
		   is_spelled("example.com/a", NULL) && is_spelled("ftp://example.com/", NULL) &&
		   is_spelled("https:/example.com/", NULL) && is_spelled("//example.com/", NULL),
		   "only absolute URIs of http and https are read");
	tap_ok(is_spelled("https://", NULL) && is_spelled("https:///a", NULL) &&
		   is_spelled("https://:443/a", NULL) && is_spelled("https://a::/", NULL) && is_spelled("https://a:b/", NULL) && is_spelled("https://?a", NULL),
		   "a URI has a host");
	tap_ok(is_spelled("https://me@example.com/", NULL) &&
		   is_spelled("https://me:pw@example.com/", NULL),
		   "user information is refused");
	tap_ok(is_spelled("https://example.com/%", NULL) && is_spelled("https://example.com/%4", NULL) &&
		   is_spelled("https://example.com/%4g", NULL) && is_spelled("https://example.com/%zz", NULL),
		   "an invalid escape is refused");
	tap_ok(is_spelled("https://example.com/a b", NULL) && is_spelled("https://example.com/a\n", NULL) &&
		   is_spelled("https://example.com/\x7f", NULL) &&
		   !session_uri_normalize(out, &len, "https://example.com/\0", 21),
		   "spaces and control characters are refused");
	memset(longest, '\xff', sizeof(longest) - 1);
	memcpy(longest, "https://a/", 10);
	tap_ok(is_spelled(longest, NULL), "a URI that is too long is refused");
	longest[SESSION_URI_BYTES] = '\0';
	tap_ok(session_uri_normalize(out, &len, longest, strlen(longest)) &&
		   len == 10 + 3 * (SESSION_URI_BYTES - 10),
		   "the longest URI has room");
	tap_ok(session_uri_same("https://a", 9, "https://A/", 10) &&
		   !session_uri_same("https://a", 9, "https://b", 9) &&
		   !session_uri_same("https://a", 9, "https://a/b", 11) &&
		   !session_uri_same("", 0, "", 0),
		   "URIs are compared by their spelling");
}

/* Reads the proof of the RFC and its claims. */
static void
read_rfc(SessionPossessionProof *proof, SessionDpopClaims *claims)
{
	if (!session_possession_read(proof, RFC_PROOF, strlen(RFC_PROOF),
								 SESSION_POSSESSION_DPOP) ||
		!session_dpop_claims_read(claims, proof))
		abort();
}

/* Returns the request that the proof of the RFC is for. */
static SessionDpopRequest
rfc_request(void)
{
	SessionDpopRequest request = {
		.method = "GET",
		.method_len = 3,
		.url = "https://resource.example.org/protectedresource",
		.url_len = 46,
		.token = RFC_TOKEN,
		.token_len = strlen(RFC_TOKEN),
		.now = RFC_IAT,
		.window = 60
	};

	return request;
}

static void
test_rfc(void)
{
	static SessionPossessionProof proof;
	SessionDpopClaims claims;
	SessionDpopRequest request = rfc_request();
	uint8		thumbprint[SESSION_SHA256_BYTES];
	char		chars[SESSION_BASE64URL_CHARS(SESSION_SHA256_BYTES)];

	read_rfc(&proof, &claims);
	tap_ok(session_possession_verify(&proof, &proof.key), "the proof of RFC 9449 section 7.1 is signed with its key");
	tap_ok(session_jwk_thumbprint(thumbprint, &proof.key),
		   "the thumbprint of its key is computed");
	session_base64url_encode(chars, thumbprint, sizeof(thumbprint));
	tap_ok(memcmp(chars, "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I", sizeof(chars)) == 0,
		   "it is that of RFC 9449 section 6.1");
	tap_ok(session_dpop_claims_fit(&claims, &request), "the proof is for the request of the RFC");
	tap_ok(strcmp(claims.jti, "e1j3V_bKic8-LAEB") == 0 && claims.nonce == NULL &&
		   claims.iat == RFC_IAT,
		   "its claims are read");
	session_possession_free(&proof);
}

static void
test_request(void)
{
	static SessionPossessionProof proof;
	SessionDpopClaims claims;
	SessionDpopRequest request = rfc_request();

	read_rfc(&proof, &claims);
	request.method = "get";
	tap_ok(!session_dpop_claims_fit(&claims, &request), "the method counts, and its case");
	request = rfc_request();
	request.method_len = 2;
	tap_ok(!session_dpop_claims_fit(&claims, &request), "a part of the method is another");
	request = rfc_request();
	request.url_len--;
	tap_ok(!session_dpop_claims_fit(&claims, &request), "the URL counts");
	request = rfc_request();
	request.token_len--;
	tap_ok(!session_dpop_claims_fit(&claims, &request), "the token counts");
	request.may_lack_hash = true;
	tap_ok(!session_dpop_claims_fit(&claims, &request), "also if the hash may be missing");
	request = rfc_request();
	request.token = NULL;
	tap_ok(!session_dpop_claims_fit(&claims, &request), "a hash needs a token");
	request = rfc_request();
	claims.ath = NULL;
	tap_ok(!session_dpop_claims_fit(&claims, &request), "a token needs a hash");
	request.may_lack_hash = true;
	tap_ok(session_dpop_claims_fit(&claims, &request), "unless it may be missing");
	session_possession_free(&proof);
}

static void
test_time(void)
{
	static SessionPossessionProof proof;
	SessionDpopClaims claims;
	SessionDpopRequest request = rfc_request();
	bool		good = true;

	read_rfc(&proof, &claims);
	for (request.now = RFC_IAT - SESSION_DPOP_AHEAD; request.now <= RFC_IAT + 60; request.now++)
		good = good && session_dpop_claims_fit(&claims, &request);
	tap_ok(good, "a proof is accepted within its window");
	tap_ok(!session_dpop_claims_fit(&claims, &request), "it is not accepted later");
	request.now = RFC_IAT - SESSION_DPOP_AHEAD - 1;
	tap_ok(!session_dpop_claims_fit(&claims, &request), "nor before, but for a few seconds");
	session_possession_free(&proof);
}

int
main(void)
{
	test_spelling();
	test_no_uri();
	test_rfc();
	test_request();
	test_time();
	return tap_done();
}
