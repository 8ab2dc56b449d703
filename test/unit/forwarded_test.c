/*
 * forwarded_test.c
 *	  Which address a value of X-Forwarded-For, Forwarded or X-Real-IP has.
 */
#include "postgres.h"

#include <arpa/inet.h>

#include "tap.h"
#include "wire/forwarded.h"

/*
 * Returns whether the expected address is read, or none if NULL.  The value is
 * copied without a terminator, so that a sanitizer detects a read beyond it.
 */
static bool
reads_bytes(const char *value, size_t len, int hops, const char *expected)
{
	char	   *copy = malloc(Max(len, 1));
	char text[	INET6_ADDRSTRLEN];
	SessionForwardedAddress address;
	bool		found;

	memcpy(copy, value, len);
	found = session_forwarded_address(&address, copy, len, hops);
	free(copy);
	if (!found)
		return expected == NULL;
	inet_ntop(address.is_v6 ? AF_INET6 : AF_INET, address.bytes, text,
			  sizeof(text));
	return expected != NULL && strcmp(text, expected) == 0;
}

static bool
reads(const char *value, int hops, const char *expected)
{
	bool		result = reads_bytes(value, strlen(value), hops, expected);

	if (!result)
		fprintf(stdout, "# \"%s\", %d\n", value, hops);
	return result;
}

static bool
refuses(const char *value)
{
	return reads(value, 1, NULL);
}

static void
test_nodes(void)
{
	tap_ok(reads("192.0.2.43", 1, "192.0.2.43") &&
		   reads("0.0.0.0", 1, "0.0.0.0") &&
		   reads("255.255.255.255", 1, "255.255.255.255"),
		   "an IPv4 address is read");
	tap_ok(reads("2001:db8:cafe::17", 1, "2001:db8:cafe::17") &&
		   reads("2001:DB8:0:0::0001", 1, "2001:db8::1") &&
		   reads("::", 1, "::") && reads("::1", 1, "::1") &&
		   reads("64:ff9b::192.0.2.1", 1, "64:ff9b::c000:201"),
		   "an IPv6 address is read without brackets");
	tap_ok(reads("[::1]", 1, "::1") &&
		   reads("[2001:db8::1]:80", 1, "2001:db8::1") &&
		   reads("192.0.2.43:47011", 1, "192.0.2.43") &&
		   reads("192.0.2.43:0", 1, "192.0.2.43") &&
		   reads("192.0.2.43:_port-1.x", 1, "192.0.2.43"),
		   "brackets, ports and obfuscated ports are left out");
	tap_ok(reads("fe80::1%eth0", 1, "fe80::1") &&
		   reads("[fe80::1%en-0.1_a]:80", 1, "fe80::1") &&
		   refuses("fe80::1%") && refuses("fe80::1%eth0:80") &&
		   refuses("fe80::1%a%b") && refuses("fe80::1%a/64") &&
		   refuses("192.0.2.1%eth0"),
		   "a zone of an IPv6 address is left out");
	tap_ok(reads("::ffff:192.0.2.43", 1, "192.0.2.43") &&
		   reads("::FFFF:c000:22b", 1, "192.0.2.43") &&
		   reads("[::ffff:192.0.2.43]:80", 1, "192.0.2.43") &&
		   reads("0:0:0:0:0:ffff:192.0.2.43", 1, "192.0.2.43") &&
		   reads("::192.0.2.43", 1, "::192.0.2.43"),
		   "an IPv4-mapped address is read as IPv4");
}

static void
test_junk(void)
{
	tap_ok(refuses("") && refuses(" ") && refuses(",") && refuses("-") &&
		   refuses("unknown") && refuses("_hidden") && refuses("localhost") &&
		   refuses("example.com") && refuses("unix:") && refuses("unix:/run/x"),
		   "unknown, obfuscated names and names of hosts are no address");
	tap_ok(refuses("192.0.2.0/24") && refuses("192.0.2.1/32") &&
		   refuses("2001:db8::/32") && refuses("[2001:db8::1]/128") &&
		   refuses("192.0.2") && refuses("192.0.2.") && refuses(".192.0.2.1") &&
		   refuses("192.0.2.1.1") && refuses("3221225985") && refuses("127.1"),
		   "a network and a part of an address are no address");
	tap_ok(refuses("010.0.0.1") && refuses("10.0.0.01") && refuses("0x7f.0.0.1") &&
		   refuses("00.0.0.1") && refuses("::ffff:010.0.0.1") &&
		   refuses("256.0.0.1") && refuses("1e1.0.0.1") && refuses("+1.0.0.1") &&
		   refuses("-1.0.0.1"),
		   "numbers that could be octal, and other numbers, are refused");
	tap_ok(refuses("192.0.2.1:") && refuses("192.0.2.1:x") &&
		   refuses("192.0.2.1:123456") && refuses("192.0.2.1:_") &&
		   refuses("192.0.2.1:80:80") && refuses("192.0.2.1:-1") &&
		   refuses(":80") && refuses(":") && refuses("[::1]80") &&
		   refuses("[::1]:") && refuses("[::1") && refuses("::1]") &&
		   refuses("[]") && refuses("[") && refuses("[192.0.2.1]") &&
		   refuses("[[::1]]") && refuses("[::1]:80:80"),
		   "a port that is none, and brackets that do not fit, are refused");
	tap_ok(refuses(":::") && refuses("1:2:3:4:5:6:7") && refuses("::1::") &&
		   refuses("1:2:3:4:5:6:7:8:9") && refuses("12345::") &&
		   refuses("g::1") && refuses("::192.0.2.1.1"),
		   "text that only looks like IPv6 is refused");
	tap_ok(refuses("192.0.2.1 192.0.2.2") && refuses("192.0. 2.1") &&
		   refuses("192.0.2.1;") && refuses("192.0.2.1\n") &&
		   refuses("192.0.2.1\r\n") && refuses("\"192.0.2.1\"") &&
		   refuses("'192.0.2.1'") && refuses("\xc2\xa0" "192.0.2.1") &&
		   reads_bytes("192.0.2.1\0", 10, 1, NULL) &&
		   reads_bytes("192.0.2.1\0.1", 12, 1, NULL),
		   "nothing else may stand beside an address");
}

static void
test_lists(void)
{
	const char *three = "192.0.2.1, 192.0.2.2,\t192.0.2.3 ";

	tap_ok(reads(three, 1, "192.0.2.3") && reads(three, 2, "192.0.2.2") &&
		   reads(three, 3, "192.0.2.1"),
		   "hops counts elements from the right");
	tap_ok(reads(three, 4, NULL) && reads(three, PG_INT32_MAX, NULL) &&
		   reads("192.0.2.1", 2, NULL) && reads("", 2, NULL),
		   "with fewer elements than hops there is no address");
	tap_ok(reads("192.0.2.1, junk, 192.0.2.3", 2, NULL) &&
		   reads("192.0.2.1, unknown", 1, NULL) &&
		   reads("192.0.2.1, , 192.0.2.3", 2, NULL) &&
		   reads("192.0.2.1,", 1, NULL) && reads("192.0.2.1,", 2, "192.0.2.1") &&
		   reads(",,192.0.2.1", 1, "192.0.2.1"),
		   "an element that is junk or empty counts, and is not skipped");
	tap_ok(reads("junk, \", =, 192.0.2.3", 1, "192.0.2.3") &&
		   reads("192.0.2.1/24, 192.0.2.2, x", 2, "192.0.2.2"),
		   "junk in other elements changes nothing");
}

static void
test_pairs(void)
{
	/* The examples of RFC 7239 sections 4 and 6.3. */
	tap_ok(refuses("for=\"_gazonk\"") &&
		   reads("For=\"[2001:db8:cafe::17]:4711\"", 1, "2001:db8:cafe::17") &&
		   reads("for=192.0.2.60;proto=http;by=203.0.113.43", 1, "192.0.2.60") &&
		   reads("for=192.0.2.43, for=198.51.100.17", 1, "198.51.100.17") &&
		   reads("for=192.0.2.43, for=198.51.100.17", 2, "192.0.2.43") &&
		   refuses("for=_hidden, for=_SEVKISEK") &&
		   reads("for=192.0.2.43,for=\"[2001:db8:cafe::17]\",for=unknown", 1, NULL) &&
		   reads("for=192.0.2.43,for=\"[2001:db8:cafe::17]\",for=unknown", 2, "2001:db8:cafe::17") &&
		   reads("for=192.0.2.43,for=\"[2001:db8:cafe::17]\",for=unknown", 3, "192.0.2.43"),
		   "the examples of RFC 7239 are read");
	tap_ok(reads("proto=https; by=_x ; for=192.0.2.1", 1, "192.0.2.1") &&
		   reads("host=\"a;for=b\";FOR=192.0.2.1", 1, "192.0.2.1") &&
		   reads(";;for=192.0.2.1;", 1, "192.0.2.1") &&
		   reads("for=192.0.2.1;secret=\"\"", 1, "192.0.2.1") &&
		   reads("for=\"1\\92.0.2.\\1\"", 1, "192.0.2.1") &&
		   reads("for=192.0.2.1:80;host=a.example:443;sig=x==", 1, "192.0.2.1") &&
		   reads("for=[2001:db8::1]:80", 1, "2001:db8::1"),
		   "other pairs in any order and quoted characters change nothing");
	tap_ok(refuses("for=192.0.2.1;for=192.0.2.2") &&
		   refuses("by=192.0.2.1") && refuses("xfor=192.0.2.1") &&
		   refuses("for=") && refuses("=192.0.2.1") && refuses("for=\"\"") &&
		   refuses("for=;by=192.0.2.1") && refuses("for = 192.0.2.1") &&
		   refuses("for=192.0.2.1 192.0.2.2") && refuses("for=\"192.0.2.1\"x") &&
		   refuses("x;for=192.0.2.1") && refuses("192.0.2.1;proto=http") &&
		   refuses("for=\" 192.0.2.1\"") && refuses("for=\"192.0.2.1") &&
		   refuses("for=192.0.2.1\"") && refuses("for=\"192.0.2.1\\"),
		   "pairs that are not well formed, and without one \"for\", are refused");
	tap_ok(reads("for=192.0.2.1;host=\"a, for=192.0.2.9\"", 1, "192.0.2.1") &&
		   reads("for=192.0.2.1;host=\"a\\\", for=192.0.2.9\"", 1, "192.0.2.1") &&
		   reads("for=192.0.2.1;host=\"a\\\\\", for=192.0.2.9", 1, "192.0.2.9"),
		   "a comma in quotes does not end an element");
	tap_ok(reads("for=\", for=192.0.2.1", 1, "192.0.2.1") &&
		   reads("for=192.0.2.9;x=\", for=\"[::1]\"", 1, "::1") &&
		   reads("for=192.0.2.9;x=\", for=\"[::1]\";by=\"_x\"", 1, "::1") &&
		   reads("x=\"\\, for=\"[::1]\"", 1, "::1") &&
		   reads("for=192.0.2.9;x=\", for=192.0.2.1", 2, NULL),
		   "a quote that a client left open does not reach the proxy's element");
}

/* A value of any length is read from its end, and no further than a limit. */
static void
test_limits(void)
{
	static char value[2 * SESSION_FORWARDED_BYTES];
	char	   *end = value + sizeof(value);
	size_t		limit = SESSION_FORWARDED_BYTES;

	memset(value, ',', sizeof(value));
	memcpy(end - 9, "192.0.2.1", 9);
	tap_ok(reads_bytes(value, sizeof(value), 1, "192.0.2.1") &&
		   reads_bytes(value, sizeof(value), 2, NULL),
		   "what a client writes before an address does not hide it");
	memset(value, ' ', sizeof(value));
	memcpy(end - limit, "192.0.2.1", 9);
	tap_ok(reads_bytes(end - limit, limit, 1, "192.0.2.1") &&
		   reads_bytes(end - limit - 1, limit + 1, 1, NULL),
		   "an element that begins before the limit is not read");
	memcpy(end - limit - 1, ",192.0.2.1", 10);
	tap_ok(reads_bytes(end - limit - 1, limit + 1, 1, NULL) &&
		   reads_bytes(end - limit, limit, 1, "192.0.2.1"),
		   "an address is not cut at the limit");
	memset(value, '\\', sizeof(value));
	memcpy(value, "for=\"", 5);
	end[-1] = '"';
	tap_ok(reads_bytes(value, sizeof(value), 1, NULL) &&
		   reads_bytes(value, 200, 1, NULL),
		   "a long value in quotes is no address");
	memset(value, 'a', sizeof(value));
	memcpy(value, "for=192.0.2.1:_", 15);
	tap_ok(reads_bytes(value, 100, 1, "192.0.2.1") &&
		   reads_bytes(value, 1000, 1, NULL),
		   "a value that is too long to be a node is not cut");
	memcpy(value, "for=192.0.2.1;host=", 19);
	tap_ok(reads_bytes(value, 4000, 1, "192.0.2.1"),
		   "another pair may be long");
}

int
main(void)
{
	test_nodes();
	test_junk();
	test_lists();
	test_pairs();
	test_limits();
	return tap_done();
}
