/*
 * csrf_test.c
 *	  Requests of other origins: methods, origins, and masked tokens with their
 *	  MAC.
 */
#include "postgres.h"

#include "tap.h"
#include "wire/csrf.h"
#include "wire/uri.h"

static const uint8 secret[SESSION_KEY_BYTES] = "0123456789abcdef0123456789abcde";
static const uint8 other_secret[SESSION_KEY_BYTES] = "another secret with 32 bytes...";

static const SessionCodecKey key = {
	.kid = "k",.secret = secret,.secret_len = sizeof(secret)
};
static const SessionCodecKey other_key = {
	.kid = "k",.secret = other_secret,.secret_len = sizeof(other_secret)
};

static const uint8 id[SESSION_ID_BYTES] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
static const uint8 other_id[SESSION_ID_BYTES] = {1};
static const uint8 zero_id[SESSION_ID_BYTES] = {0};

static void
test_methods(void)
{
	tap_ok(session_csrf_is_safe_method("GET") && session_csrf_is_safe_method("HEAD") &&
		   session_csrf_is_safe_method("OPTIONS") && session_csrf_is_safe_method("TRACE"),
		   "GET, HEAD, OPTIONS and TRACE change nothing");
	tap_ok(!session_csrf_is_safe_method("POST") && !session_csrf_is_safe_method("PUT") &&
		   !session_csrf_is_safe_method("PATCH") && !session_csrf_is_safe_method("DELETE") &&
		   !session_csrf_is_safe_method("CONNECT") && !session_csrf_is_safe_method("QUERY"),
		   "other methods may change something");
	tap_ok(!session_csrf_is_safe_method("get") && !session_csrf_is_safe_method("GET ") &&
		   !session_csrf_is_safe_method(" GET") && !session_csrf_is_safe_method("GETX") &&
		   !session_csrf_is_safe_method("GE") && !session_csrf_is_safe_method(""),
		   "the spelling of a method counts");
}

/* Returns whether a text is the origin of a URI. */
static bool
is_origin(const char *origin, const char *uri)
{
	return session_uri_is_origin(origin, strlen(origin), uri, strlen(uri));
}

static void
test_origins(void)
{
	tap_ok(is_origin("https://example.com", "https://example.com") &&
		   is_origin("https://example.com", "https://example.com/api/") &&
		   is_origin("https://example.com:8443", "https://example.com:8443/a") &&
		   is_origin("http://[2001:db8::1]:3000", "http://[2001:DB8::1]:3000"),
		   "an origin is scheme, host and port of a URI");
	tap_ok(is_origin("https://example.com:443", "https://EXAMPLE.com/") &&
		   is_origin("HTTPS://Example.com", "https://example.com:443"),
		   "a default port and the case do not count");
	tap_ok(!is_origin("http://example.com", "https://example.com") &&
		   !is_origin("https://example.com:8443", "https://example.com") &&
		   !is_origin("https://example.com", "https://example.com:8443") &&
		   !is_origin("https://example.com:80", "https://example.com"),
		   "another scheme or port is another origin");
	tap_ok(!is_origin("https://www.example.com", "https://example.com") &&
		   !is_origin("https://example.com", "https://www.example.com") &&
		   !is_origin("https://example.com.evil.example", "https://example.com") &&
		   !is_origin("https://example.co", "https://example.com") &&
		   !is_origin("https://evil-example.com", "https://example.com"),
		   "another host is another origin");
	tap_ok(!is_origin("https://example.com.", "https://example.com") &&
		   is_origin("https://example.com.", "https://example.com."),
		   "a dot at the end of a host counts");
	tap_ok(!is_origin("https://b\xc3\xbc" "cher.example", "https://xn--bcher-kva.example") &&
		   is_origin("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
		   "a host with other letters is compared as it is written");
	tap_ok(!is_origin("null", "https://example.com") && !is_origin("", "https://example.com") &&
		   !is_origin("null", "null") && !is_origin("example.com", "https://example.com") &&
		   !is_origin("file://", "https://example.com") && !is_origin("https://", "https://"),
		   "null, and what is no origin, is none");
	tap_ok(!is_origin("https://example.com/", "https://example.com") &&
		   !is_origin("https://example.com/api", "https://example.com/api") &&
		   !is_origin("https://example.com?", "https://example.com") &&
		   !is_origin("https://example.com#", "https://example.com") &&
		   !is_origin("https://example.com@evil.example", "https://evil.example"),
		   "an origin has no path, query, fragment or user");
	tap_ok(!is_origin("https://example.com https://evil.example", "https://example.com") &&
		   !is_origin("https://example.com, https://evil.example", "https://example.com") &&
		   !is_origin("https://example.com,https://evil.example", "https://example.com") &&
		   !is_origin(" https://example.com", "https://example.com") &&
		   !is_origin("https://example.com ", "https://example.com"),
		   "several origins are none");
}

/* Returns whether two subjects have the same MAC. */
static bool
same_mac(const SessionCsrfSubject *a, const SessionCsrfSubject *b)
{
	uint8		mac_a[SESSION_SHA256_BYTES];
	uint8		mac_b[SESSION_SHA256_BYTES];

	if (!session_csrf_mac(mac_a, a, "1", &key) ||
		!session_csrf_mac(mac_b, b, "1", &key))
		abort();
	return memcmp(mac_a, mac_b, sizeof(mac_a)) == 0;
}

/*
 * The MAC was computed with another implementation of HKDF and HMAC: the key
 * is HKDF-SHA-256 of the secret with the info "session csrf:1".
 */
static void
test_mac(void)
{
	static const uint8 expected[] = {
		0xfd, 0x8c, 0xf5, 0xf1, 0x52, 0x7f, 0xf1, 0xcf,
		0x05, 0x20, 0x84, 0x0f, 0xb2, 0xbe, 0xa2, 0xf1,
		0xed, 0x74, 0xa6, 0xab, 0xc7, 0x0a, 0x3d, 0x43,
		0x8c, 0x0c, 0xe7, 0xa8, 0x72, 0xcb, 0x37, 0x18
	};
	static const char longest[SESSION_CSRF_PROOF_BYTES + 1] = {0};
	SessionCsrfSubject subject = {.id = id,.proof = "proof",.proof_len = 5};
	SessionCsrfSubject other = subject;
	uint8		mac[SESSION_SHA256_BYTES];

	tap_ok(session_csrf_mac(mac, &subject, "1", &key) &&
		   memcmp(mac, expected, sizeof(mac)) == 0,
		   "the MAC is as computed elsewhere");
	tap_ok(session_csrf_mac(mac, &subject, "2", &key) &&
		   memcmp(mac, expected, sizeof(mac)) != 0,
		   "it depends on the realm");
	tap_ok(session_csrf_mac(mac, &subject, "1", &other_key) &&
		   memcmp(mac, expected, sizeof(mac)) != 0,
		   "it depends on the key");
	other.proof_len = 4;
	tap_ok(!same_mac(&subject, &other), "it depends on the proof");
	other = subject;
	other.id = other_id;
	tap_ok(!same_mac(&subject, &other), "it depends on the id");
	subject.id = zero_id;
	other.id = NULL;
	tap_ok(!same_mac(&subject, &other), "no id is not the id of zeroes");
	other.proof = longest;
	other.proof_len = SESSION_CSRF_PROOF_BYTES;
	tap_ok(session_csrf_mac(mac, &other, "1", &key), "the longest proof has room");
	other.proof_len++;
	tap_ok(!session_csrf_mac(mac, &other, "1", &key), "a longer one is refused");
}

static void
test_token(void)
{
	uint8		mac[SESSION_SHA256_BYTES];
	uint8		mask[SESSION_SHA256_BYTES];
	uint8		read[SESSION_SHA256_BYTES];
	char		chars[SESSION_CSRF_CHARS + 2] = {0};

	memset(mac, 0xa5, sizeof(mac));
	memset(mask, 0x0f, sizeof(mask));
	session_csrf_format(chars, mask, mac);
	tap_ok(strlen(chars) == SESSION_CSRF_CHARS && SESSION_CSRF_CHARS == 89 &&
		   strncmp(chars, "sc_Dw8PDw8P", 11) == 0,
		   "a token begins with its prefix and the mask");
	tap_ok(session_csrf_parse(read, chars, SESSION_CSRF_CHARS) &&
		   memcmp(read, mac, sizeof(mac)) == 0,
		   "its MAC is read");
	mask[0] ^= 1;
	session_csrf_format(chars, mask, mac);
	tap_ok(session_csrf_parse(read, chars, SESSION_CSRF_CHARS) &&
		   memcmp(read, mac, sizeof(mac)) == 0,
		   "with any mask");
	chars[20] = chars[20] == 'A' ? 'B' : 'A';
	tap_ok(session_csrf_parse(read, chars, SESSION_CSRF_CHARS) &&
		   memcmp(read, mac, sizeof(mac)) != 0,
		   "a token with another mask has another MAC");
	tap_ok(!session_csrf_parse(read, chars, SESSION_CSRF_CHARS - 1) &&
		   !session_csrf_parse(read, chars, SESSION_CSRF_CHARS + 1) &&
		   !session_csrf_parse(read, chars, 0),
		   "a text of another length is no token");
	chars[1] = 't';
	tap_ok(!session_csrf_parse(read, chars, SESSION_CSRF_CHARS), "a text with another prefix is no token");
	chars[1] = 'c';
	chars[30] = '+';
	tap_ok(!session_csrf_parse(read, chars, SESSION_CSRF_CHARS), "a text with another alphabet is no token");
}

int
main(void)
{
	test_methods();
	test_origins();
	test_mac();
	test_token();
	return tap_done();
}
