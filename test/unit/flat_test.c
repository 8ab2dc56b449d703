/*
 * flat_test.c
 *	  Which objects are flat, and what their members are.
 */
#include "postgres.h"

#include "tap.h"
#include "wire/claims.h"
#include "wire/flat.h"

#define MAX 64

static SessionMember members[MAX];
static char strings[4096];

/* Returns the number of members, or -1 if the text is not a flat object. */
static int
read_flat(const char *json)
{
	int			count = 77;

	if (session_flat_read(members, &count, MAX, strings, json, strlen(json)))
		return count;
	return count == 0 ? -1 : -2;
}

static bool
has_string(int i, const char *name, const char *string)
{
	return strcmp(members[i].name, name) == 0 &&
		members[i].kind == SESSION_JSON_STRING &&
		strcmp(members[i].string, string) == 0;
}

static bool
has_integer(int i, const char *name, int64 integer)
{
	return strcmp(members[i].name, name) == 0 &&
		members[i].kind == SESSION_JSON_INTEGER &&
		members[i].string == NULL && members[i].integer == integer;
}

static void
test_flat(void)
{
	tap_ok(read_flat("{}") == 0 && read_flat(" \t{\r\n} ") == 0,
		   "an object without members is flat");
	tap_ok(read_flat("{\"a\":\"x\"}") == 1 && has_string(0, "a", "x"),
		   "a string");
	tap_ok(read_flat(" { \"a\" : \"x\" , \"\" : \"\" } ") == 2 &&
		   has_string(0, "a", "x") && has_string(1, "", ""),
		   "whitespace between tokens, an empty name and an empty string");
	tap_ok(read_flat("{\"a\":0,\"b\":-7,\"c\":999999999999999999,\"d\":-0,"
					 "\"e\":-999999999999999999}") == 5 &&
		   has_integer(0, "a", 0) && has_integer(1, "b", -7) &&
		   has_integer(2, "c", INT64CONST(999999999999999999)) &&
		   has_integer(3, "d", 0) &&
		   has_integer(4, "e", -INT64CONST(999999999999999999)),
		   "integers of up to 18 digits");
	tap_ok(read_flat("{\"\\\"\\\\\":\"a\\/b\\b\\f\\n\\r\\tc\\\"\"}") == 1 &&
		   has_string(0, "\"\\", "a/b\b\f\n\r\tc\""),
		   "escapes, in names too");
	tap_ok(read_flat("{\"a\":\"\xC3\xA9 and \x7F\"}") == 1 &&
		   has_string(0, "a", "\xC3\xA9 and \x7F"),
		   "bytes above 127 are copied");
	tap_ok(read_flat("{\"a\":\"1\",\"a\":\"2\"}") == 2 &&
		   has_string(0, "a", "1") && has_string(1, "a", "2"),
		   "a name may occur twice");
}

static void
test_not_flat(void)
{
	static const char *const texts[] = {
		"", " ", "[]", "\"a\"", "1", "null", "{", "}", "{]", "[}", "{}{}",
		"{} x", "x {}", "{,}", "{\"a\"}", "{\"a\":}", "{\"a\":\"x\",}",
		"{\"a\":\"x\" \"b\":\"y\"}", "{\"a\":\"x\";\"b\":\"y\"}",
		"{\"a\" \"x\"}", "{a:\"x\"}", "{'a':'x'}", "{\"a:\"x\"}", "{\"a",
		"{\"a\":\"x", "{\"a\":\"x\"", "{\"a\":\"x\\", "{\"a\":\"x\\\"}",
		"{\"a\":\"\\u0041\"}", "{\"\\u0041\":\"\"}", "{\"a\":\"\\x\"}",
		"{\"a\":\"\n\"}", "{\"a\":\"1234567890\x01\"}", "{\"a\":\"\x1F\"}",
		"{\"a\":01}", "{\"a\":-01}", "{\"a\":00}", "{\"a\":-}", "{\"a\":+1}",
		"{\"a\":--1}", "{\"a\":1.0}", "{\"a\":1e3}", "{\"a\":.5}",
		"{\"a\":1 2}", "{\"a\":1x}", "{\"a\":1234567890123456789}",
		"{\"a\":true}", "{\"a\":null}", "{\"a\":[]}", "{\"a\":{}}",
		"{\"a\":\"x\"}\f", "\xEF\xBB\xBF{}",
	};

	for (size_t i = 0; i < lengthof(texts); i++)
	{
		char		title[100];

		snprintf(title, sizeof(title), "not flat: text %d", (int) i);
		tap_ok(read_flat(texts[i]) == -1, title);
	}
}

/* Every character at every place of a string, and a string of every length. */
static void
test_places(void)
{
	char		json[64];
	bool		right = true;

	for (int len = 1; len < 32; len++)
		for (int at = 0; at < len; at++)
			for (int c = 0; c < 256; c++)
			{
				int			count;
				bool		plain = c >= ' ' && c != '"' && c != '\\';
				bool		flat;

				memset(json, 'x', sizeof(json));
				memcpy(json, "{\"a\":\"", 6);
				memcpy(json + 6 + len, "\"}", 2);
				json[6 + at] = (char) c;
				flat = session_flat_read(members, &count, MAX, strings, json,
										 len + 8);
				right = right && flat == plain &&
					(!flat || (strlen(members[0].string) == (size_t) len &&
							   members[0].string[at] == (char) c));
			}
	tap_ok(right, "a character means the same at every place of a string");
}

static void
test_limits(void)
{
	char		json[8 * (MAX + 1) + 3] = "{";
	int			count;

	for (int i = 0; i < MAX; i++)
		strcat(json, i == 0 ? "\"a\":1" : ",\"a\":1");
	strcat(json, "}");
	tap_ok(read_flat(json) == MAX, "as many members as there is room for");
	json[strlen(json) - 1] = '\0';
	strcat(json, ",\"a\":1}");
	tap_ok(read_flat(json) == -1, "more members than there is room for");
	tap_ok(session_flat_read(members, &count, 0, strings, "{}", 2) &&
		   !session_flat_read(members, &count, 0, strings, "{\"a\":1}", 7),
		   "no room for members");
}

/* An object of claims means the same whether it is read as flat or not. */
static void
test_claims(void)
{
	SessionMember claims[SESSION_MEMBERS];
	int			count;
	static const char twins[] = "{\"a\":1,\"b\":\"\",\"a\":2}";
	static const char bytes[] = "{\"a\":\"\xC3\"}";

	tap_ok(!session_claims_read(claims, &count, twins, strlen(twins)) &&
		   count == 0, "a flat payload with a name twice is refused");
	tap_ok(!session_claims_read(claims, &count, bytes, strlen(bytes)) &&
		   count == 0, "a flat payload that is not UTF-8 is refused");
	tap_ok(session_claims_read(claims, &count, "{}", 2) && count == 0,
		   "a flat payload without members is accepted");
}

int
main(void)
{
	test_flat();
	test_not_flat();
	test_places();
	test_limits();
	test_claims();
	return tap_done();
}
