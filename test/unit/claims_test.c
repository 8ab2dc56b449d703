/*
 * claims_test.c
 *	  Which payloads are accepted, and when they may be used.
 */
#include "postgres.h"

#include "tap.h"
#include "wire/claims.h"
#include "wire/codec.h"

#define NOW INT64CONST(1700000000)

/*
 * Returns the number of members, or -1 if the text is refused, or -2 if it is
 * refused and count is not zero.
 */
static int
count_members(const char *json, size_t len)
{
	SessionMember members[SESSION_MEMBERS];
	int			count;
	bool		ok = session_claims_read(members, &count, json, len);

	if (!ok)
		return count == 0 ? -1 : -2;
	session_claims_free(members, count);
	return count;
}

static bool
accepts(const char *json)
{
	return count_members(json, strlen(json)) >= 0;
}

static void
test_members(void)
{
	static const char json[] =
	" {\"a\":\"x\\u00e9\\ud83d\\ude00\\n\\\"\", \"b\" : -12,\"c\":1.5,"
	"\"d\":{\"a\":[\"deep\",{\"b\":\"\"}]},\"\\u0065\":null,\"f\":1e3,"
	"\"g\":9223372036854775807,\"h\":9223372036854775808,"
	"\"i\":-9223372036854775808,\"j\":\"\",\"k\":-0}\n";
	SessionMember members[SESSION_MEMBERS];
	const SessionMember *m = members;
	int			count;

	if (!session_claims_read(members, &count, json, strlen(json)))
		memset(members, 0, sizeof(members));
	tap_ok(count == 11 && strcmp(m[0].name, "a") == 0 &&
		   m[0].kind == SESSION_JSON_STRING &&
		   strcmp(m[0].string, "x\xC3\xA9\xF0\x9F\x98\x80\n\"") == 0,
		   "the escapes of a string are decoded");
	tap_ok(m[1].kind == SESSION_JSON_INTEGER && m[1].integer == -12 &&
		   m[6].kind == SESSION_JSON_INTEGER &&
		   m[6].integer == PG_INT64_MAX &&
		   m[8].kind == SESSION_JSON_INTEGER &&
		   m[8].integer == PG_INT64_MIN &&
		   m[10].kind == SESSION_JSON_INTEGER && m[10].integer == 0,
		   "integers are read to the ends of 64 bits");
	tap_ok(m[2].kind == SESSION_JSON_DECIMAL &&
		   m[5].kind == SESSION_JSON_DECIMAL &&
		   m[7].kind == SESSION_JSON_NUMBER,
		   "a fraction, an exponent and a larger number are not integers");
	tap_ok(m[3].kind == SESSION_JSON_OTHER && m[3].string == NULL &&
		   m[4].kind == SESSION_JSON_OTHER && m[9].string[0] == '\0',
		   "values of other kinds are listed without their value");
	tap_ok(session_claims_find(members, count, "e") == &m[4] &&
		   session_claims_find(members, count, "deep") == NULL &&
		   session_claims_find(members, count, "E") == NULL,
		   "a member is found by its unescaped name, at the top level");
	session_claims_free(members, count);
}

/* Reads one number. Returns false if it is refused. */
static bool
read_number(const char *number, SessionMember *member)
{
	char		json[SESSION_NUMBER_CHARS + 16];
	SessionMember members[SESSION_MEMBERS];
	int			count;

	snprintf(json, sizeof(json), "{\"a\":%s}", number);
	if (!session_claims_read(members, &count, json, strlen(json)))
		return false;
	*member = members[0];
	session_claims_free(members, count);
	return true;
}

/* Returns whether the text of a member's value is an expected one. */
static bool
has_text(const SessionMember *member, const char *expected)
{
	return member->kind == SESSION_JSON_OTHER &&
		member->json_len == strlen(expected) &&
		memcmp(member->json, expected, member->json_len) == 0;
}

static void
test_nested(void)
{
	static const char json[] =
	"{\"a\": { \"b\" : [1, {\"c\":\"}\"}] } , \"d\":[],\"e\" :true,"
	"\"f\":false , \"g\":null\n,\"h\":[\"\\\"]\", 1.50 ],\"i\":\"x\",\"j\":1}";
	SessionMember members[SESSION_MEMBERS];
	const SessionMember *m = members;
	int			count;
	bool		ok;

	ok = session_claims_read(members, &count, json, strlen(json)) &&
		count == 8;
	tap_ok(ok && has_text(&m[0], "{ \"b\" : [1, {\"c\":\"}\"}] }") &&
		   has_text(&m[1], "[]") && has_text(&m[5], "[\"\\\"]\", 1.50 ]"),
		   "the text of an object and of an array is found");
	tap_ok(ok && has_text(&m[2], "true") && has_text(&m[3], "false") &&
		   has_text(&m[4], "null"), "the text of true, false and null is found");
	tap_ok(ok && m[6].json == NULL && m[7].json == NULL,
		   "strings and numbers have no such text");
	session_claims_free(members, count);
}

/* A decimal is rounded up exactly, or marked as too large. */
static void
test_decimals(void)
{
	static const struct
	{
		const char *number;
		bool		fits;
		int64		value;
	}			rows[] =
	{
		{"0.0", true, 0},
		{"1.0", true, 1},
		{"1.5", true, 2},
		{"1.0000000000000000000000000000000001", true, 2},
		{"1700000000.999", true, 1700000001},
		{"1.5e9", true, 1500000000},
		{"1e10", true, INT64CONST(10000000000)},
		{"1E+3", true, 1000},
		{"1.2345e3", true, 1235},
		{"1.234e3", true, 1234},
		{"12.5e-1", true, 2},
		{"1000e-3", true, 1},
		{"1001e-3", true, 2},
		{"0.001e5", true, 100},
		{"0e999", true, 0},
		{"0.000e-999", true, 0},
		{"1e-999", true, 1},
		{"-0.0", true, 0},
		{"-0e9", true, 0},
		{"9007199254740993.0", true, INT64CONST(9007199254740993)},
		{"9223372036854775807.0", true, PG_INT64_MAX},
		{"9223372036854775806.5", true, PG_INT64_MAX},
		{"9.223372036854775807e18", true, PG_INT64_MAX},
		{"9223372036854775807.5", false, 0},
		{"9223372036854775808.0", false, 0},
		{"9223372036854775808", false, 0},
		{"1e19", false, 0},
		{"1e400", false, 0},
		{"-1.0", false, 0},
		{"-0.5", false, 0},
		{"-1e-999", false, 0},
		{"-1e400", false, 0},
	};

	for (size_t i = 0; i < lengthof(rows); i++)
	{
		SessionMember member;
		char		title[100];

		snprintf(title, sizeof(title),
				 "%s is read exactly, or is not usable as a time",
				 rows[i].number);
		tap_ok(read_number(rows[i].number, &member) &&
			   member.kind == (rows[i].fits ? SESSION_JSON_DECIMAL :
							   SESSION_JSON_NUMBER) &&
			   (!rows[i].fits || member.integer == rows[i].value), title);
	}
}

/* Numbers with the maximum number of digits, before and after the point. */
static void
test_long_decimals(void)
{
	char		number[SESSION_NUMBER_CHARS + 1];
	SessionMember member;

	memset(number, '0', sizeof(number));
	number[1] = '.';
	strcpy(number + SESSION_NUMBER_CHARS - 5, "1e994");
	tap_ok(read_number(number, &member) &&
		   member.kind == SESSION_JSON_DECIMAL && member.integer == 1,
		   "an exponent makes up for many zeros after the point");
	memset(number, '0', sizeof(number));
	number[0] = '2';
	strcpy(number + SESSION_NUMBER_CHARS - 5, "e-994");
	tap_ok(read_number(number, &member) &&
		   member.kind == SESSION_JSON_DECIMAL && member.integer == 2,
		   "a negative exponent makes up for many zeros before the point");
	memset(number, '9', sizeof(number));
	strcpy(number + SESSION_NUMBER_CHARS - 2, ".5");
	tap_ok(read_number(number, &member) &&
		   member.kind == SESSION_JSON_NUMBER,
		   "998 digits before the point do not fit");
}

static void
test_refused(void)
{
	static const struct
	{
		const char *title;
		const char *json;
	}			rows[] =
	{
		{"no text is not an object", ""},
		{"white space is not an object", " \n"},
		{"an array is not an object", "[]"},
		{"a string is not an object", "\"{}\""},
		{"a number is not an object", "1"},
		{"an object that does not end is refused", "{\"a\":1"},
		{"an object that ends in a number is refused", "{\"a\":12"},
		{"an object with a tail is refused", "{}{}"},
		{"an object behind a byte order mark is refused", "\xEF\xBB\xBF{}"},
		{"a name that is not a string is refused", "{a:1}"},
		{"a number as a name is refused", "{1:1}"},
		{"a name without a value is refused", "{\"a\"}"},
		{"a colon without a value is refused", "{\"a\":}"},
		{"a name without a colon is refused", "{\"a\" 1}"},
		{"a trailing comma is refused", "{\"a\":1,}"},
		{"a missing comma is refused", "{\"a\":1 \"b\":2}"},
		{"a trailing comma in an array is refused", "{\"a\":[1,]}"},
		{"brackets of the wrong kind are refused", "{\"a\":[1}"},
		{"brackets that cross are refused", "{\"a\":[{]}}"},
		{"single quotes are refused", "{'a':1}"},
		{"a comment is refused", "{/**/}"},
		{"a leading zero is refused", "{\"a\":01}"},
		{"a plus sign is refused", "{\"a\":+1}"},
		{"a fraction without digits is refused", "{\"a\":1.}"},
		{"NaN is refused", "{\"a\":NaN}"},
		{"True is refused", "{\"a\":True}"},
		{"an unknown escape is refused", "{\"a\":\"\\x\"}"},
		{"an escape that does not end is refused", "{\"a\":\"\\u12\"}"},
		{"an escape that is not hexadecimal is refused",
		"{\"a\":\"\\u00zz\"}"},
		{"a line break in a string is refused", "{\"a\":\"\n\"}"},
		{"a string that does not end is refused", "{\"a\":\"x}"},
		{"an escaped NUL is refused", "{\"a\":\"\\u0000\"}"},
		{"an escaped NUL in a name is refused", "{\"a\\u0000\":1}"},
		{"an escaped NUL is refused at any depth",
		"{\"a\":[{\"b\":\"\\u0000\"}]}"},
		{"a first half of a pair alone is refused", "{\"a\":\"\\ud83d\"}"},
		{"a first half and a character are refused",
		"{\"a\":\"\\ud83d\\u0041\"}"},
		{"two first halves are refused", "{\"a\":\"\\ud83d\\ud83d\"}"},
		{"a second half alone is refused", "{\"a\":\"\\ude00\"}"},
		{"half a pair is refused at any depth", "{\"a\":[\"\\ude00\"]}"},
		{"a lone continuation byte is refused", "{\"a\":\"\x80\"}"},
		{"an overlong encoding is refused", "{\"a\":\"\xC0\xAF\"}"},
		{"an encoded surrogate is refused", "{\"a\":\"\xED\xA0\x80\"}"},
		{"a character beyond Unicode is refused",
		"{\"a\":\"\xF4\x90\x80\x80\"}"},
		{"a character cut short is refused", "{\"a\":\"\xC3\"}"},
		{"a name that occurs twice is refused", "{\"a\":1,\"a\":1}"},
		{"a name that occurs twice, escaped once, is refused",
		"{\"exp\":1,\"\\u0065xp\":2}"},
		{"a number that numeric cannot hold is refused",
		"{\"a\":1e131073}"},
		{"a fraction that numeric cannot hold is refused",
		"{\"a\":[1E-16384]}"},
	};

	for (size_t i = 0; i < lengthof(rows); i++)
		tap_ok(count_members(rows[i].json, strlen(rows[i].json)) == -1,
			   rows[i].title);
	tap_ok(count_members("{\"a\":\"\0\"}", 9) == -1 &&
		   count_members("{}\0", 3) == -1, "a NUL character is refused");
}

static void
test_accepted(void)
{
	tap_ok(count_members("{}", 2) == 0 &&
		   count_members("\t{\r\n} ", 6) == 0, "an empty object is accepted");
	tap_ok(accepts("{\"a\":{\"b\":1,\"b\":2}}"),
		   "a name may occur twice inside a nested object");
	tap_ok(accepts("{\"a\":1e999,\"b\":[1E-999,-0.5e+10]}"),
		   "numbers may have an exponent of three digits");
	tap_ok(accepts("{\"a\":[],\"b\":{},\"c\":[[],{},true,false,null]}"),
		   "brackets may be empty");
	tap_ok(count_members("{\"a\":1}}", 7) == 1,
		   "nothing is read beyond the length");
}

/*
 * Returns whether the text is accepted that consists of before, several times
 * again, and after.
 */
static bool
accepts_repeated(const char *before, const char *again, int times,
				 const char *after)
{
	size_t		len = strlen(before) + strlen(again) * times + strlen(after);
	char	   *json = malloc(len + 1);
	char	   *end = json + sprintf(json, "%s", before);
	bool		ok;

	for (int i = 0; i < times; i++)
		end += sprintf(end, "%s", again);
	strcpy(end, after);
	ok = count_members(json, len) >= 0;
	free(json);
	return ok;
}

static void
test_limits(void)
{
	static char json[SESSION_CODEC_CHARS + 2];
	char		closing[SESSION_JSON_DEPTH + 2];
	char		many[SESSION_MEMBERS * 10 + 20];
	char	   *end = many;

	memset(closing, ']', sizeof(closing));
	closing[SESSION_JSON_DEPTH - 1] = '}';
	closing[SESSION_JSON_DEPTH] = '\0';
	tap_ok(accepts_repeated("{\"a\":", "[", SESSION_JSON_DEPTH - 1, closing),
		   "64 levels are accepted");
	closing[SESSION_JSON_DEPTH - 1] = ']';
	closing[SESSION_JSON_DEPTH] = '}';
	closing[SESSION_JSON_DEPTH + 1] = '\0';
	tap_ok(!accepts_repeated("{\"a\":", "[", SESSION_JSON_DEPTH, closing),
		   "65 levels are refused");
	tap_ok(!accepts_repeated("{\"a\":", "[", 60000, "") &&
		   !accepts_repeated("", "{\"a\":", 13000, "") &&
		   !accepts_repeated("{\"a\":", "[{\"a\":", 10000, ""),
		   "nesting without an end is refused");

	tap_ok(accepts_repeated("{\"a\":", "1", SESSION_NUMBER_CHARS, "}") &&
		   !accepts_repeated("{\"a\":", "1", SESSION_NUMBER_CHARS + 1, "}"),
		   "a number has at most 1000 characters");

	for (int i = 0; i < SESSION_MEMBERS; i++)
		end += sprintf(end, "%c\"%d\":0", i == 0 ? '{' : ',', i);
	strcpy(end, "}");
	tap_ok(count_members(many, strlen(many)) == SESSION_MEMBERS,
		   "256 members are accepted");
	strcpy(end, ",\"x\":0}");
	tap_ok(!accepts(many), "257 members are refused");

	memset(json, ' ', sizeof(json));
	json[0] = '{';
	json[1] = '}';
	tap_ok(count_members(json, SESSION_CODEC_CHARS) == 0 &&
		   count_members(json, SESSION_CODEC_CHARS + 1) == -1,
		   "a text is at most as long as a value");
}

static void
test_times(void)
{
	static const struct
	{
		const char *title;
		const char *json;
		int64		leeway;
		bool		strict;
		bool		in_time;
	}			rows[] =
	{
		{"a payload is used before exp", "{\"exp\":1700000001}", 0, true,
		true},
		{"a payload is over at exp", "{\"exp\":1700000000}", 0, true, false},
		{"leeway moves exp", "{\"exp\":1699999986}", 15, true, true},
		{"leeway moves exp no further", "{\"exp\":1699999985}", 15, true,
		false},
		{"a payload without exp is refused where it must be there", "{}", 0,
		true, false},
		{"a payload without exp is used where it may be missing", "{}", 0,
		false, true},
		{"an exp that may be missing still counts", "{\"exp\":1699999999}", 0,
		false, false},
		{"exp as a string is refused", "{\"exp\":\"1700000001\"}", 0, true,
		false},
		{"exp with a fraction is refused", "{\"exp\":1700000001.0}", 0, true,
		false},
		{"exp with an exponent is refused", "{\"exp\":17e8}", 1, true, false},
		{"exp of null is refused", "{\"exp\":null}", 0, false, false},
		{"exp of true is refused", "{\"exp\":true}", 0, false, false},
		{"exp in an array is refused", "{\"exp\":[1700000001]}", 0, true,
		false},
		{"exp of 2^40 is the latest", "{\"exp\":1099511627776}", 0, true,
		true},
		{"exp beyond 2^40 is refused", "{\"exp\":1099511627777}", 0, true,
		false},
		{"exp of 2^53 is refused", "{\"exp\":9007199254740992}", 0, true,
		false},
		{"exp beyond 64 bits is refused", "{\"exp\":18446744073709551617}",
		0, true, false},
		{"a negative exp is refused", "{\"exp\":-1}", 1700000015, true,
		false},
		{"exp inside another member does not count",
		"{\"a\":{\"exp\":1700000001}}", 0, true, false},
		{"nbf of now is used", "{\"exp\":1700000009,\"nbf\":1700000000}", 0,
		true, true},
		{"nbf in the future is refused",
		"{\"exp\":1700000009,\"nbf\":1700000001}", 0, true, false},
		{"leeway moves nbf", "{\"exp\":1700000099,\"nbf\":1700000015}", 15,
		true, true},
		{"leeway moves nbf no further",
		"{\"exp\":1700000099,\"nbf\":1700000016}", 15, true, false},
		{"nbf in the future is refused without exp", "{\"nbf\":1700000001}",
		0, false, false},
		{"nbf beyond 2^40 is refused, whatever the leeway",
			"{\"nbf\":1099511627777}", INT64CONST(1) << 41, false,
		false},
		{"nbf as a string is refused",
		"{\"exp\":1700000009,\"nbf\":\"1\"}", 0, true, false},
		{"a negative nbf is refused", "{\"exp\":1700000009,\"nbf\":-1}", 0,
		true, false},
		{"iat of now is used", "{\"exp\":1700000009,\"iat\":1700000000}", 0,
		true, true},
		{"iat in the future is refused",
		"{\"exp\":1700000009,\"iat\":1700000001}", 0, true, false},
		{"iat in the future is refused without exp", "{\"iat\":1700000001}",
		0, false, false},
		{"iat with a fraction is refused",
		"{\"exp\":1700000009,\"iat\":1.5}", 0, true, false},
		{"a foreign exp may have a fraction", "{\"exp\":1700000000.001}", 0,
		false, true},
		{"a foreign exp with a fraction is over when the second after it is",
		"{\"exp\":1699999999.999}", 0, false, false},
		{"leeway moves a foreign exp with a fraction",
		"{\"exp\":1699999985.5}", 15, false, true},
		{"leeway moves a foreign exp with a fraction no further",
		"{\"exp\":1699999984.5}", 15, false, false},
		{"a foreign exp may have an exponent", "{\"exp\":1.700000001e9}", 0,
		false, true},
		{"a foreign exp with an exponent is over at exp", "{\"exp\":17e8}",
		0, false, false},
		{"a foreign exp of 2^40 is the latest", "{\"exp\":1099511627776.0}",
		0, false, true},
		{"a foreign exp beyond 2^40 is refused",
		"{\"exp\":1099511627776.5}", 0, false, false},
		{"a foreign exp of 1e400 is refused", "{\"exp\":1e400}", 0, false,
		false},
		{"a foreign exp below zero is refused", "{\"exp\":-0.5}", 1700000015,
		false, false},
		{"a foreign exp as a string is refused", "{\"exp\":\"1.8e9\"}", 0,
		false, false},
		{"a foreign nbf may have a fraction", "{\"nbf\":1699999999.5}", 0,
		false, true},
		{"a foreign nbf with a fraction is not rounded down",
		"{\"nbf\":1700000000.5}", 0, false, false},
		{"leeway moves a foreign nbf with an exponent",
		"{\"nbf\":1700000015e0}", 15, false, true},
		{"leeway moves a foreign nbf with a fraction no further",
		"{\"nbf\":1700000015.001}", 15, false, false},
		{"a foreign iat may have a fraction", "{\"iat\":1699999999.5}", 0,
		false, true},
		{"a foreign iat with a fraction is not rounded down",
		"{\"iat\":1700000000.5}", 0, false, false},
		{"iat of 2^53 is refused",
		"{\"exp\":1700000009,\"iat\":9007199254740992}", 0, true, false},
	};

	for (size_t i = 0; i < lengthof(rows); i++)
	{
		SessionMember members[SESSION_MEMBERS];
		int			count;

		tap_ok(session_claims_read(members, &count, rows[i].json,
								   strlen(rows[i].json)) &&
			   session_claims_in_time(members, count, NOW, rows[i].leeway,
									  rows[i].strict) ==
			   rows[i].in_time, rows[i].title);
		session_claims_free(members, count);
	}
}

int
main(void)
{
	test_members();
	test_nested();
	test_decimals();
	test_long_decimals();
	test_refused();
	test_accepted();
	test_limits();
	test_times();
	return tap_done();
}
