/*
 * cookie_test.c
 *	  Writing and refusing Set-Cookie headers, and reading Cookie headers.
 */
#include "postgres.h"

#include "tap.h"
#include "model/policy.h"
#include "wire/cookie_header.h"

#define TEXT(literal) {(literal), sizeof(literal) - 1}
#define LAX SESSION_SAME_SITE_LAX
#define NO_AGE SESSION_COOKIE_NO_MAX_AGE

/* The attributes of the test cookies unless a test changes them. */
#define ORDINARY \
	.name = TEXT("a"), .value = TEXT("b"), .path = TEXT("/"), \
	.max_age = NO_AGE, .secure = true, .http_only = true, .same_site = LAX

static char filler[SESSION_COOKIE_CHUNKS * SESSION_COOKIE_BYTES];

static SessionCookieText
bytes_of(const char *chars, size_t len)
{
	SessionCookieText result = {chars, len};

	return result;
}

static SessionCookieText
text_of(const char *chars)
{
	return bytes_of(chars, strlen(chars));
}

static bool
writes(const SessionCookie *cookie, int chunk, const char *expected)
{
	char		out[SESSION_COOKIE_BYTES];

	return session_cookie_header_check(cookie) == SESSION_COOKIE_OK &&
		session_cookie_header_write(out, cookie, chunk) == strlen(expected) &&
		memcmp(out, expected, strlen(expected)) == 0;
}

static void
test_write(void)
{
	SessionCookie ordinary = {ORDINARY};
	SessionCookie full = {ORDINARY};
	SessionCookie bare = {0};

	tap_ok(writes(&ordinary, SESSION_COOKIE_WHOLE,
				  "a=b; Path=/; Secure; HttpOnly; SameSite=Lax"),
		   "an ordinary cookie is written");

	full.domain = text_of("example.com");
	full.max_age = SESSION_COOKIE_MAX_AGE;
	full.same_site = SESSION_SAME_SITE_NONE;
	full.partitioned = true;
	tap_ok(writes(&full, SESSION_COOKIE_WHOLE,
				  "a=b; Path=/; Domain=example.com; Max-Age=34560000; "
				  "Secure; HttpOnly; SameSite=None; Partitioned"),
		   "every attribute is written, in order");

	bare.name = text_of("a");
	bare.max_age = NO_AGE;
	bare.same_site = SESSION_SAME_SITE_STRICT;
	tap_ok(writes(&bare, SESSION_COOKIE_WHOLE, "a=; SameSite=Strict"),
		   "attributes that are off are left out");
	tap_ok(writes(&bare, 0, "a.0=; SameSite=Strict") &&
		   writes(&bare, 7, "a.7=; SameSite=Strict") &&
		   writes(&bare, 10, "a.10=; SameSite=Strict") &&
		   writes(&bare, 99, "a.99=; SameSite=Strict"),
		   "a chunk has a number after its name");

	bare.max_age = 0;
	tap_ok(writes(&bare, SESSION_COOKIE_WHOLE,
				  "a=; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; "
				  "SameSite=Strict"),
		   "a removal has Max-Age and Expires, for every client");
}

/* Which attributes the names and kinds of cookies require. */
static void
test_together(void)
{
	enum
	{
		PLAIN = 0,
		S = 1,					/* Secure */
		H = 2,					/* HttpOnly */
		P = 4,					/* Partitioned */
		N = 8					/* SameSite=None */
	};

	static const struct
	{
		const char *title;
		SessionCookieFault fault;
		const char *name;
		const char *path;
		const char *domain;
		int			flags;
	}			rows[] =
	{
		{"__Host- is accepted with Secure, Path=/ and no Domain",
		SESSION_COOKIE_OK, "__Host-a", "/", "", S},
		{"__Host- requires Secure",
		SESSION_COOKIE_PREFIX_SECURE, "__Host-a", "/", "", H},
		{"__Host- requires a path",
		SESSION_COOKIE_PREFIX_PATH, "__Host-a", "", "", S},
		{"__Host- requires the path /",
		SESSION_COOKIE_PREFIX_PATH, "__Host-a", "/x", "", S},
		{"__Host- refuses Domain",
		SESSION_COOKIE_PREFIX_DOMAIN, "__Host-a", "/", "a.example", S},
		{"the case of a prefix does not matter",
		SESSION_COOKIE_PREFIX_DOMAIN, "__hOST-a", "/", "a.example", S},
		{"a name that is only a prefix has the prefix",
		SESSION_COOKIE_PREFIX_SECURE, "__Host-", "/", "", PLAIN},
		{"__Secure- requires Secure",
		SESSION_COOKIE_PREFIX_SECURE, "__Secure-a", "/", "", H},
		{"__Secure- requires nothing else",
		SESSION_COOKIE_OK, "__Secure-a", "/x", "a.example", S},
		{"__Http- requires HttpOnly",
		SESSION_COOKIE_PREFIX_HTTP_ONLY, "__Http-a", "/", "", S},
		{"__Http- requires Secure",
		SESSION_COOKIE_PREFIX_SECURE, "__HTTP-a", "/", "", H},
		{"__Http- requires nothing else",
		SESSION_COOKIE_OK, "__Http-a", "/x", "a.example", S | H},
		{"__Host-Http- requires HttpOnly",
		SESSION_COOKIE_PREFIX_HTTP_ONLY, "__Host-Http-a", "/", "", S},
		{"__Host-Http- refuses Domain",
		SESSION_COOKIE_PREFIX_DOMAIN, "__host-http-a", "/", "a.example", S | H},
		{"a prefix counts only at the start of the name",
		SESSION_COOKIE_OK, "a__Host-", "/", "", PLAIN},
		{"SameSite=None requires Secure",
		SESSION_COOKIE_SAME_SITE_SECURE, "a", "/", "", N},
		{"SameSite=None is accepted with Secure",
		SESSION_COOKIE_OK, "a", "/", "", N | S},
		{"Partitioned requires Secure",
		SESSION_COOKIE_PARTITIONED_SECURE, "a", "/", "", P},
		{"Partitioned is accepted with Secure",
		SESSION_COOKIE_OK, "a", "/", "", P | S},
	};

	for (size_t i = 0; i < lengthof(rows); i++)
	{
		SessionCookie cookie = {
			.name = text_of(rows[i].name),
			.path = text_of(rows[i].path),
			.domain = text_of(rows[i].domain),
			.max_age = NO_AGE,
			.secure = (rows[i].flags & S) != 0,
			.http_only = (rows[i].flags & H) != 0,
			.partitioned = (rows[i].flags & P) != 0,
			.same_site = rows[i].flags & N ? SESSION_SAME_SITE_NONE : LAX,
		};

		tap_ok(session_cookie_header_check(&cookie) == rows[i].fault,
			   rows[i].title);
	}
}

static SessionCookieFault
fault_of_max_age(int64 max_age)
{
	SessionCookie cookie = {ORDINARY};

	cookie.max_age = max_age;
	return session_cookie_header_check(&cookie);
}

static SessionCookieFault
fault_of_path(const char *chars, size_t len)
{
	SessionCookie cookie = {ORDINARY};

	cookie.path = bytes_of(chars, len);
	return session_cookie_header_check(&cookie);
}

static SessionCookieFault
fault_of_name(const char *chars, size_t len)
{
	SessionCookie cookie = {ORDINARY};

	cookie.name = bytes_of(chars, len);
	return session_cookie_header_check(&cookie);
}

static void
test_limits(void)
{
	tap_ok(fault_of_max_age(0) == SESSION_COOKIE_OK &&
		   fault_of_max_age(34560000) == SESSION_COOKIE_OK,
		   "Max-Age goes from zero to 400 days");
	tap_ok(fault_of_max_age(-1) == SESSION_COOKIE_BAD_MAX_AGE &&
		   fault_of_max_age(34560001) == SESSION_COOKIE_BAD_MAX_AGE &&
		   fault_of_max_age(PG_INT64_MAX) == SESSION_COOKIE_BAD_MAX_AGE,
		   "any other Max-Age is refused");
	tap_ok(fault_of_path("x/", 2) == SESSION_COOKIE_BAD_PATH &&
		   fault_of_path("", 0) == SESSION_COOKIE_OK,
		   "a path is absolute or empty");
	tap_ok(fault_of_path(filler, 1024) == SESSION_COOKIE_OK &&
		   fault_of_path(filler, 1025) == SESSION_COOKIE_LONG_PATH,
		   "a path has at most 1024 bytes");
	tap_ok(fault_of_name(filler + 1, 1024) == SESSION_COOKIE_OK &&
		   fault_of_name(filler + 1, 1025) == SESSION_COOKIE_LONG_NAME &&
		   fault_of_name("", 0) == SESSION_COOKIE_BAD_NAME,
		   "a name has 1 to 1024 bytes");
}

/* Checks which of all 256 bytes one of the texts of a cookie may contain. */
static bool
admits_only(const char *allowed, SessionCookieText *place,
			const SessionCookie *cookie)
{
	bool		same = true;
	int			skip = place == &cookie->name;

	for (int c = 0; c < 256; c++)
	{
		char		chars[3] = {'/', (char) c, 'a'};
		bool		known = c != 0 && strchr(allowed, c) != NULL;

		*place = bytes_of(chars + skip, sizeof(chars) - skip);
		if ((session_cookie_header_check(cookie) == SESSION_COOKIE_OK) != known)
			same = false;
	}
	return same;
}

#define ALPHANUMERIC \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
#define OCTETS ALPHANUMERIC "!#$%&'()*+-./:<=>?@[]^_`{|}~"

static void
test_characters(void)
{
	SessionCookie cookie = {ORDINARY};

	tap_ok(admits_only(ALPHANUMERIC "!#$%&'*+-.^_`|~", &cookie.name, &cookie),
		   "a name has only characters of an RFC 9110 token");
	cookie.name = text_of("a");
	tap_ok(admits_only(OCTETS, &cookie.path, &cookie),
		   "a path has only cookie-octets");
	cookie.path = text_of("/");
	tap_ok(admits_only(OCTETS, &cookie.value, &cookie),
		   "a value has only cookie-octets");
}

static bool
takes_domain(const char *domain)
{
	SessionCookie cookie = {ORDINARY};

	cookie.domain = text_of(domain);
	return session_cookie_header_check(&cookie) == SESSION_COOKIE_OK;
}

static void
test_domain(void)
{
	char		label[65];
	char		name[256];

	tap_ok(takes_domain("example.com") && takes_domain("localhost") &&
		   takes_domain("xn--bcher-kva.example") && takes_domain("10.0.0.1") &&
		   takes_domain("A-b.3c") && takes_domain(""),
		   "a domain is the name of a host");
	tap_ok(!takes_domain(".example.com") && !takes_domain("example.com.") &&
		   !takes_domain("a..b") && !takes_domain("."),
		   "a domain has no empty label");
	tap_ok(!takes_domain("-a.b") && !takes_domain("a-.b") &&
		   !takes_domain("a.-b") && !takes_domain("a.b-"),
		   "a label neither starts nor ends with a hyphen");
	tap_ok(!takes_domain("a.example;") && !takes_domain("a.example:80") &&
		   !takes_domain("[::1]") && !takes_domain("b\303\274cher.example") &&
		   !takes_domain("a.example\r\nX: y") && !takes_domain("a b"),
		   "a domain has no other characters");

	memset(label, 'a', sizeof(label));
	label[63] = '\0';
	for (int i = 0; i < 4; i++)
		memcpy(name + 64 * i, label, 64), name[64 * i + 63] = '.';
	name[253] = '\0';
	tap_ok(takes_domain(label) && takes_domain(name),
		   "a label may have 63 characters and a domain 253");
	label[63] = 'a';
	label[64] = '\0';
	name[253] = 'a';
	name[254] = '\0';
	tap_ok(!takes_domain(label) && !takes_domain(name),
		   "a label of 64 characters and a domain of 254 are refused");
}

static void
test_same_site(void)
{
	SessionSameSite same_site = LAX;
	SessionCookieText strict = TEXT("sTrict");
	SessionCookieText none = TEXT("None");
	SessionCookieText no = TEXT("non");
	SessionCookieText laxer = TEXT("laxer");

	tap_ok(session_cookie_header_same_site(&same_site, &strict) &&
		   same_site == SESSION_SAME_SITE_STRICT &&
		   session_cookie_header_same_site(&same_site, &none) &&
		   same_site == SESSION_SAME_SITE_NONE,
		   "SameSite is taken in any case");
	tap_ok(!session_cookie_header_same_site(&same_site, &no) &&
		   !session_cookie_header_same_site(&same_site, &laxer) &&
		   same_site == SESSION_SAME_SITE_NONE,
		   "any other SameSite is refused");
}

/*
 * Writes the headers, and reads the value from the Cookie header with which a
 * client would answer.  Returns whether the headers are complete and the value
 * is the same.
 */
static bool
comes_back(const SessionCookie *cookie)
{
	static char header[SESSION_COOKIE_CHUNKS * (SESSION_COOKIE_BYTES + 2)];
	static char value[sizeof(filler)];
	char		line[SESSION_COOKIE_BYTES + 1];
	int			chunks = session_cookie_header_chunks(cookie);
	SessionCookieText in = {header, 0};
	SessionCookieFound found;
	size_t		len;

	/* The last chunk first, because their order does not matter. */
	for (int i = chunks; i-- > 0;)
	{
		line[SESSION_COOKIE_BYTES] = '\1';
		len = session_cookie_header_write(line, cookie, chunks == 1 ?
										  SESSION_COOKIE_WHOLE : i);
		if (len > SESSION_COOKIE_BYTES || line[SESSION_COOKIE_BYTES] != '\1' ||
			(i < chunks - 1 && len < SESSION_COOKIE_BYTES - 1))
			return false;
		len = (char *) memchr(line, ';', len) - line;
		memcpy(header + in.len, line, len);
		memcpy(header + in.len + len, "; ", 2);
		in.len += len + 2;
	}
	session_cookie_header_find(&found, &in, &cookie->name);
	if (!session_cookie_header_value_len(&found, &len) ||
		len != cookie->value.len)
		return false;
	session_cookie_header_value(value, &found);
	return memcmp(value, filler, len) == 0;
}

static void
test_chunks(void)
{
	SessionCookie cookie = {ORDINARY};
	size_t		beside = strlen("a=; Path=/; Secure; HttpOnly; SameSite=Lax");
	size_t		whole = SESSION_COOKIE_BYTES - beside;
	size_t		each = whole - strlen(".99");
	bool		same = true;

	cookie.value = bytes_of(filler, whole);
	tap_ok(session_cookie_header_chunks(&cookie) == 1 && comes_back(&cookie),
		   "a cookie may have 4096 bytes, its attributes included");
	cookie.value.len = whole + 1;
	tap_ok(session_cookie_header_chunks(&cookie) == 2 && comes_back(&cookie),
		   "a value of one byte more is written in two chunks");
	for (cookie.value.len = 0; cookie.value.len < 3 * each; cookie.value.len++)
		same = same && comes_back(&cookie);
	tap_ok(same, "a value of any length is read back unchanged");

	cookie.value.len = SESSION_COOKIE_CHUNKS * each;
	tap_ok(session_cookie_header_check(&cookie) == SESSION_COOKIE_OK &&
		   session_cookie_header_chunks(&cookie) == SESSION_COOKIE_CHUNKS &&
		   comes_back(&cookie), "a hundred full chunks are read back");
	cookie.value.len++;
	tap_ok(session_cookie_header_check(&cookie) == SESSION_COOKIE_LONG_VALUE,
		   "a value that needs more chunks is refused");

	cookie.name = bytes_of(filler + 1, SESSION_COOKIE_NAME_BYTES);
	cookie.path = bytes_of(filler, SESSION_COOKIE_PATH_BYTES);
	cookie.value.len = 20000;
	tap_ok(session_cookie_header_check(&cookie) == SESSION_COOKIE_OK &&
		   comes_back(&cookie),
		   "the longest name and path leave room for a value");
}

/*
 * Returns whether the cookie "s" is read from a header; NULL = it is missing.
 */
static bool
reads(const char *header, const char *expected)
{
	static char value[256];
	SessionCookieText in = text_of(header);
	SessionCookieText name = TEXT("s");
	SessionCookieFound found;
	size_t		len;

	session_cookie_header_find(&found, &in, &name);
	if (!session_cookie_header_value_len(&found, &len))
		return expected == NULL;
	session_cookie_header_value(value, &found);
	return expected != NULL && len == strlen(expected) &&
		memcmp(value, expected, len) == 0;
}

static void
test_read(void)
{
	tap_ok(reads("s=1", "1") && reads("a=0; s=1", "1") &&
		   reads("s=1; a=0", "1") && reads("a=0;s=1;b=2", "1"),
		   "a cookie is found at any position");
	tap_ok(reads("", NULL) && reads("a=1", NULL) && reads(";;; ;", NULL) &&
		   reads("s", NULL) && reads("s; =s; =", NULL),
		   "a missing cookie is not found");
	tap_ok(reads("S=1", NULL) && reads("s-x=1", NULL) && reads("xs=1", NULL) &&
		   reads("s.=1", NULL) && reads("s.x=1", NULL) && reads("s0=1", NULL) &&
		   reads("s-0=1", NULL) && reads("s-10=1", NULL) &&
		   reads("s\302\240=1", NULL) && reads("\vs=1", NULL),
		   "another name is not found");
	tap_ok(reads("  s \t=\t 1  ;a=2", "1") && reads(" ; ;s=1;;", "1"),
		   "spaces and empty pairs do not matter");
	tap_ok(reads("s=", "") && reads("s= ; a=1", ""),
		   "a value may be empty");
	tap_ok(reads("s=1=2==", "1=2==") && reads("s==", "="),
		   "a value may hold equals signs");
	tap_ok(reads("s=\"1\"", "\"1\"") && reads("s=\"1;2\"", "\"1"),
		   "quotes belong to the value and do not protect a semicolon");
	tap_ok(reads("s=%31+1", "%31+1") && reads("$Version=1; s=1, a=2", "1, a=2"),
		   "values are not decoded");
	tap_ok(reads("s=1; s=2", "1") && reads("s=; s=2", ""),
		   "the first of two cookies is used");
}

static void
test_join(void)
{
	tap_ok(reads("s.0=a; s.1=b; s.2=c", "abc") && reads("s.0=a", "a"),
		   "chunks are joined");
	tap_ok(reads("s.2=c; s.0=a; x=y; s.1=b", "abc"),
		   "chunks may come in any order");
	tap_ok(reads("s.0=a; s.2=c", NULL) && reads("s.1=b", NULL) &&
		   reads("s.0=a; s.99=z", NULL), "chunks with a gap are ignored");
	tap_ok(reads("s.0=a; s.1=b; s.0=x; s.1=y", "ab"),
		   "the first of two chunks with the same number is used");
	tap_ok(reads("s.0=a; s=b; s.1=c", "b") && reads("s.0=a; s=", ""),
		   "a whole cookie has precedence over chunks");
	tap_ok(reads("s.0=a; s.01=x; s.00=c; s.+1=d; s.1x=e; s.0.1=f; s.100=g; "
				 "s.-1=h; s.4294967296=i; s.1 =b", "ab"),
		   "only .0 to .99 are chunks");
}

/* The cookie that the settings describe, which has no value yet. */
static void
test_settings(void)
{
	char		name[] = "name";
	char		path[] = "/path";
	char		domain[] = "example.com";
	char		none[] = "";
	SessionSettings settings = {
		.cookie_name = name,
		.cookie_path = path,
		.cookie_domain = domain,
		.cookie_secure = true,
		.cookie_http_only = true,
		.cookie_same_site = SESSION_SAME_SITE_STRICT
	};
	SessionCookie cookie = session_policy_cookie(&settings);

	tap_ok(cookie.value.len == 0 && cookie.max_age == NO_AGE &&
		   !cookie.partitioned, "settings describe a cookie without a value");
	cookie.value = text_of("v");
	tap_ok(writes(&cookie, SESSION_COOKIE_WHOLE,
				  "name=v; Path=/path; Domain=example.com; Secure; HttpOnly; "
				  "SameSite=Strict"),
		   "a cookie has all attributes that the settings turn on");

	settings.cookie_path = settings.cookie_domain = none;
	settings.cookie_secure = settings.cookie_http_only = false;
	settings.cookie_same_site = SESSION_SAME_SITE_LAX;
	cookie = session_policy_cookie(&settings);
	cookie.value = text_of("v");
	tap_ok(writes(&cookie, SESSION_COOKIE_WHOLE, "name=v; SameSite=Lax"),
		   "a cookie has no attribute that the settings turn off");
	settings.cookie_same_site = SESSION_SAME_SITE_NONE;
	cookie = session_policy_cookie(&settings);
	tap_ok(session_cookie_header_check(&cookie) != SESSION_COOKIE_OK,
		   "settings that contradict each other describe an invalid cookie");
}

int
main(void)
{
	for (size_t i = 0; i < sizeof(filler); i++)
		filler[i] = (OCTETS)[i * 31 % strlen(OCTETS)];
	memset(filler, 'x', SESSION_COOKIE_PATH_BYTES + 2);
	filler[0] = '/';
	test_write();
	test_together();
	test_limits();
	test_characters();
	test_domain();
	test_same_site();
	test_chunks();
	test_read();
	test_join();
	test_settings();
	return tap_done();
}
