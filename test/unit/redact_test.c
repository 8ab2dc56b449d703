/*
 * redact_test.c
 *	  Tokens and keys are replaced in any text, and ordinary words are kept.
 */
#include "postgres.h"

#include "tap.h"
#include "wire/redact.h"

/* The payload of a token whose id is 01020304-0506-0708-090a-0b0c0d0e0f10. */
#define ID "AQIDBAUGBwgJCgsMDQ4PE"
#define SECRET "BESExQVFhcYGRobHB0eHyAhIiMkJSYnKCkqKywtLi8w"
#define PAYLOAD ID SECRET
#define UUID "01020304-0506-0708-090a-0b0c0d0e0f10"

static bool
becomes(const char *chars, const char *expected)
{
	char		out[1024];
	size_t		size = session_redact_size(chars);

	if (size == 0)
		return strcmp(chars, expected) == 0;
	if (size > sizeof(out))
		return false;
	memset(out, 'x', sizeof(out));
	session_redact_write(out, chars);
	if (size == strlen(expected) + 1 && strcmp(out, expected) == 0)
		return true;
	fprintf(stdout, "# %s\n# %s\n", chars, out);
	return false;
}

static bool
stays(const char *chars)
{
	return session_redact_size(chars) == 0;
}

/*
 * A header, the payload of RFC 7515 appendix A.1, and a MAC of 43 characters.
 */
#define HEADER "eyJhbGciOiJIUzI1NiJ9"
#define CLAIMS "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
#define MAC "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"

/* Appends the text to out in hexadecimal. */
static void
append_hex(char *out, const char *chars)
{
	for (out += strlen(out); *chars != '\0'; chars++, out += 2)
		sprintf(out, "%02x", (unsigned char) *chars);
}

static void
test_whole(void)
{
	tap_ok(strlen(PAYLOAD) == 64, "the test token has the size of a token");
	tap_ok(becomes("st_" PAYLOAD, "st_" UUID),
		   "a session token is replaced by its id");
	tap_ok(becomes("rt_" PAYLOAD, "rt_" UUID),
		   "a refresh token is replaced by its id");
	tap_ok(becomes("sb_" PAYLOAD PAYLOAD "-_", "sb_" UUID) &&
		   becomes("a-bound=sb_" PAYLOAD PAYLOAD "; b=2", "a-bound=sb_" UUID "; b=2"),
		   "a bound cookie is replaced by the id of its session");
	tap_ok(becomes("SET LOCAL session.context TO 'sx_" PAYLOAD PAYLOAD "';", "SET LOCAL session.context TO '(redacted)';") &&
		   becomes("issuing BEGIN;SET LOCAL session.context TO 'sx_" PAYLOAD "...", "issuing BEGIN;SET LOCAL session.context TO '(redacted)...") &&
		   stays("sx_active") && stays("asx_options_of_the_last_request"),
		   "an identity on its way to another server is redacted");
	tap_ok(becomes("x-csrf-token: sc_" PAYLOAD PAYLOAD ";", "x-csrf-token: (redacted);") &&
		   becomes("{\"x-csrf-token\":\"sc_" PAYLOAD "...", "{\"x-csrf-token\":\"(redacted)...") &&
		   stays("sc_active") && stays("misc_options_of_the_last_request"),
		   "a token against requests of other origins is removed");
	tap_ok(stays("rb_" PAYLOAD) && stays("rc_" PAYLOAD) && stays("tc_" PAYLOAD) && stays("tb_" PAYLOAD) && stays("ss_" PAYLOAD),
		   "no other prefix is that of a token");
	tap_ok(becomes("ST_" PAYLOAD, "st_" UUID) && becomes("Rt_" PAYLOAD, "rt_" UUID),
		   "the prefix of a token may be in any case");
	tap_ok(becomes("SELECT f('st_" PAYLOAD "', \"rt_" PAYLOAD "\")",
				   "SELECT f('st_" UUID "', \"rt_" UUID "\")"),
		   "several tokens are replaced, and the rest is kept");
	tap_ok(becomes("{st_" PAYLOAD ",st_" PAYLOAD "}", "{st_" UUID ",st_" UUID "}"),
		   "tokens in an array are replaced");
	tap_ok(becomes("{\"a\": \"\\nst_" PAYLOAD "\\n\"}", "{\"a\": \"\\nst_" UUID "\\n\"}"),
		   "a token in JSON is replaced, beside an escape");
	tap_ok(becomes("a=1; __Host-session=st_" PAYLOAD "; b=2",
				   "a=1; __Host-session=st_" UUID "; b=2"),
		   "a token in a Cookie header is replaced");
	tap_ok(becomes("url=a%3Dst_" PAYLOAD "%26b", "url=a%3Dst_" UUID "%26b"),
		   "a token in a URL is replaced");
	tap_ok(becomes("x9st_" PAYLOAD, "x9st_" UUID),
		   "a token in the middle of a word is replaced");
	tap_ok(becomes("\303\244st_" PAYLOAD "\303\244", "\303\244st_" UUID "\303\244"),
		   "a token between multibyte characters is replaced");
	tap_ok(becomes("st_" PAYLOAD "-_xyz09 A", "st_" UUID " A"),
		   "characters that follow without a gap are removed with the token");
	tap_ok(becomes("st_" PAYLOAD "st_" PAYLOAD "!", "st_" UUID "!"),
		   "another token that follows without a gap is removed too");
	tap_ok(session_redact_size("st_st_" PAYLOAD) > 0 &&
		   becomes("st_" PAYLOAD "=", "st_" UUID "="),
		   "text that looks like a token is replaced");
	tap_ok(stays("") && stays("_") && stays("t_") && stays("st_") && stays("...") &&
		   stays("SELECT 1"), "texts without a token are kept");
	tap_ok(stays("st_" UUID) && stays("rt_" UUID "...") &&
		   stays("session st_" UUID " of ada"), "ids are kept");
}

static void
test_parts(void)
{
	tap_ok(becomes("'st_" ID "BE...'", "'st_" UUID "...'"),
		   "a truncated value is replaced by the id");
	tap_ok(becomes("f('st_" ID "BESExQVFhcY", "f('st_" UUID),
		   "a token at the end of a truncated statement is replaced");
	tap_ok(becomes("column \"st_" ID "BESExQVFhcYGRobHB0eHyAhIiMkJSYnKCkqKyw\"",
				   "column \"st_" UUID "\""),
		   "a token in a truncated name is replaced");
	tap_ok(becomes("like 'st_" ID "BESEx%'", "like 'st_" UUID "%'"),
		   "a part of a token that looks like one is replaced");
	tap_ok(session_redact_size("'st_bcdefghijklmnopqrstuvwxyz-bcdefghijklmnop'") > 0,
		   "a part that is too long for a word is replaced");
	tap_ok(becomes("a%3Dst_" ID "BESEx%26", "a%3Dst_" UUID "%26") &&
		   becomes("E'\\nst_" ID "BESEx'", "E'\\nst_" UUID "'"),
		   "a part of a token behind an escape is replaced");
	tap_ok(stays("'st_" ID "B'") && stays("'st_" ID "...'") && stays("st_" ID),
		   "the encoded id alone is kept");
	tap_ok(stays("ST_SimplifyPreserveTopology(g)") &&
		   stays("st_simplifypreservetopology(g)") &&
		   stays("rt_events_of_the_year_2024_in_parts "),
		   "names that begin like a token are kept");
	tap_ok(becomes("xst_" ID "BESEx", "xst_" UUID) &&
		   becomes("xst_" ID "B...", "xst_" ID "B...") &&
		   session_redact_size("xst_bcdefghijklmnopqrstuvwx...") > 0,
		   "a part of a token in the middle of a word is replaced");
	tap_ok(stays("last_password_change_of_the_user") &&
		   stays("request_id_of_the_previous_authentication_attempt"),
		   "names with a prefix of a token in the middle are kept");
	tap_ok(becomes("line 1: ...DBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHy\" x",
				   "line 1: ...(redacted)\" x"),
		   "the end of a token whose start was cut off is removed");
	tap_ok(becomes("line 1: ... \"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A\", }",
				   "line 1: ... \"(redacted)\", }") &&
		   becomes("...\":\"nWGxne_9WmC6hEr0kuwsxER\"", "...\":\"(redacted)\""),
		   "a value whose name was cut off is removed");
	tap_ok(stays("...and_so_on_and_so_on_and_so_on") && stays("...AQIDBAUGBwgJCgsMDQ4P1") &&
		   stays("a.b.AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA"),
		   "words after dots are kept");
}

static void
test_hex(void)
{
	char		chars[256] = "'\\x";

	append_hex(chars, "st_" PAYLOAD);
	strcat(chars, "'");
	tap_ok(becomes(chars, "'\\xst_" UUID "'"),
		   "a token in hexadecimal is replaced");

	strcpy(chars, "\\x");
	append_hex(chars, "a=rt_" PAYLOAD ";b");
	tap_ok(becomes(chars, "\\x613drt_" UUID "3b62"),
		   "a token in hexadecimal is replaced among other bytes");

	strcpy(chars, "\\x");
	append_hex(chars, "st_" ID "BESE");
	strcat(chars, "7...");
	tap_ok(becomes(chars, "\\xst_" UUID "..."),
		   "a truncated token in hexadecimal is replaced, even in half a byte");

	strcpy(chars, "\\x");
	append_hex(chars, "last_password_change_of_the_user");
	tap_ok(stays(chars) && stays("73745f") && stays("73745") && stays("7"),
		   "other bytes in hexadecimal are kept");

	strcpy(chars, "\\x");
	append_hex(chars, "st_" PAYLOAD);
	for (char *c = chars; *c != '\0'; c++)
		*c = *c == 'x' ? 'x' : (char) pg_toupper((unsigned char) *c);
	tap_ok(becomes(chars, "\\xst_" UUID),
		   "a token in upper-case hexadecimal is replaced");
}

static void
test_cookies(void)
{
	tap_ok(becomes(HEADER "." CLAIMS "." MAC, "(redacted)"),
		   "a JWT is replaced");
	tap_ok(becomes(CLAIMS "." MAC, "(redacted)"),
		   "a compact cookie is replaced");
	tap_ok(becomes(HEADER "..AxY8DCtDaGlsbGljb3RoZQ." CLAIMS "." MAC, "(redacted)"),
		   "an encrypted cookie is replaced");
	tap_ok(becomes("a=1; __Host-session-cache=" CLAIMS "." MAC "; b=2",
				   "a=1; __Host-session-cache=(redacted); b=2") &&
		   becomes("f('" CLAIMS "." MAC "', '" HEADER "." CLAIMS "." MAC "').",
				   "f('(redacted)', '(redacted)')."),
		   "cookies in a Cookie header and in a statement are replaced");
	tap_ok(becomes("a%3D" CLAIMS "." MAC "%26", "a%3D(redacted)%26") &&
		   becomes("got " CLAIMS "." MAC ". Next", "got (redacted). Next"),
		   "a cookie in a URL and before a full stop is replaced");
	tap_ok(becomes("'" CLAIMS ".dBjftJeZ4CVP-mB92K27uhb...'", "'(redacted)...'") &&
		   becomes("'" HEADER "." CLAIMS ".dBjf...'", "'(redacted).dBjf...'"),
		   "a truncated part of more than 22 characters is replaced");
	tap_ok(stays("'" CLAIMS "...'") && stays("'" CLAIMS ".dBjftJeZ4CVP-mB92K27uh...'") &&
		   stays("'" HEADER "'"), "a payload alone is kept");
	tap_ok(stays("KeyJoinOfTheTables.TheColumnThatIsReferenced") &&
		   stays("eyJournal.TheColumnThatIsReferenced2024Here") &&
		   stays("a.eyJ.b.c") && stays("eyJ") && stays("eyJ."),
		   "words that begin like a cookie are kept");
	tap_ok(becomes("st_" PAYLOAD "." MAC, "st_" UUID "." MAC) &&
		   becomes(CLAIMS "." MAC " st_" PAYLOAD, "(redacted) st_" UUID),
		   "a token beside a cookie is replaced by its id");
}

/* The private key of RFC 8037, appendix A, and its public half. */
#define D "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"
#define X "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"

static void
test_members(void)
{
	static const char *const names[] = {"d", "p", "q", "dp", "dq", "qi", "k"};
	static const char *const others[] = {"x", "y", "n", "e", "dk", "qp", "dd", "D", ""};
	char		chars[128];
	char		expected[128];
	bool		ok = true;

	for (size_t i = 0; i < lengthof(names); i++)
	{
		snprintf(chars, sizeof(chars), "{\"x\":\"" X "\",\"%s\":\"" D "\"}", names[i]);
		snprintf(expected, sizeof(expected),
				 "{\"x\":\"" X "\",\"%s\":\"(redacted)\"}", names[i]);
		ok &= becomes(chars, expected);
	}
	tap_ok(ok, "each private member of a JWK is replaced, and x is kept");
	for (size_t i = 0; i < lengthof(others); i++)
	{
		snprintf(chars, sizeof(chars), "{\"%s\":\"" D "\"}", others[i]);
		ok &= stays(chars);
	}
	tap_ok(ok, "members with other names are kept");
	tap_ok(becomes("{\"d\" : \n\"" D "\" , \"k\": \"" D "\"}",
				   "{\"d\" : \n\"(redacted)\" , \"k\": \"(redacted)\"}"),
		   "spaces and line breaks around the colon are allowed");
	tap_ok(becomes("E'{\\\"d\\\":\\\"" D "\\\"}'", "E'{\\\"d\\\":\\\"(redacted)\\\"}'") &&
		   becomes("(\"{\"\"d\"\": \"\"" D "\"\"}\",1)",
				   "(\"{\"\"d\"\": \"\"(redacted)\"\"}\",1)"),
		   "quotes may be escaped or doubled");
	tap_ok(becomes("\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ+EstJQLr/T=\"",
				   "\"k\":\"(redacted)\""),
		   "a value in base64 is replaced");
	tap_ok(becomes("$1 = '{\"d\":\"nWGx...'", "$1 = '{\"d\":\"(redacted)...'") &&
		   becomes("f('{\"d\": \"nWGx", "f('{\"d\": \"(redacted)"),
		   "the part of a value that a cut leaves is replaced");
	tap_ok(becomes("\"k\":\"0123456789abcdefghijkl\"", "\"k\":\"(redacted)\"") &&
		   stays("\"k\":\"0123456789abcdefghijk\"") &&
		   stays("\"q\":\"how to find a very long text\"") &&
		   stays("\"d\":1234567890123456789012") && stays("\"p\":null") &&
		   stays("\"d\":\"\"") && stays("\"d\":[\"" D "\"]") && stays("\"d\"") &&
		   stays("\"d\":") && stays("\"k\":\"") && stays("d:\"" D "\""),
		   "values that are no keys are kept");
	tap_ok(becomes("{\"token\":\"st_" PAYLOAD "\",\"d\":\"" D "\"}",
				   "{\"token\":\"st_" UUID "\",\"d\":\"(redacted)\"}"),
		   "a key beside a token is replaced");
}

static void
test_arguments(void)
{
	tap_ok(becomes("SELECT session_key_import('\\x00ff'::bytea, 'k1'), 'a'",
				   "SELECT session_key_import(redacted), 'a'") &&
		   becomes("SELECT session_key_import(secret => convert_to('a (b''c)', 'UTF8'));",
				   "SELECT session_key_import(redacted);"),
		   "the arguments of session_key_import are replaced");
	tap_ok(becomes("f(public.SESSION_KEY_IMPORT (decode('AA', 'hex')))",
				   "f(public.SESSION_KEY_IMPORT (redacted))") &&
		   becomes("\"session_key_import\"($$secret$$)",
				   "\"session_key_import\"(redacted)"),
		   "the name may be in capitals, in quotes and before a space");
	tap_ok(becomes("session_key_import_jwk(jsonb_build_object('d', 'AA'), 'p')",
				   "session_key_import_jwk(redacted)"),
		   "the arguments of session_key_import_jwk are replaced");
	tap_ok(becomes("session_key_import('\\x00ff", "session_key_import(redacted)") &&
		   becomes("session_key_import(decode('AA)'", "session_key_import(redacted)"),
		   "the arguments of a statement that was cut are replaced");
	tap_ok(stays("SELECT session_key_import($1, $2)") &&
		   stays("SELECT session_key_import(secret) FROM secrets WHERE name = 'a'") &&
		   stays("cannot execute session_key_import() in 'a'") &&
		   stays("session_key_import") && stays("session_key_import(") &&
		   stays("session_key_imports('a')") && stays("key_import('a')") &&
		   stays("session_key_rotate('jwt')"),
		   "calls without literals, and other functions, are kept");
}

static void
test_dollar_quotes(void)
{
	tap_ok(becomes("SELECT session_key_import($$aaaa)bbbb$$, 1/0), 2",
				   "SELECT session_key_import(redacted), 2") &&
		   becomes("session_key_import($$a'b$$, 'c)secret'), 2",
				   "session_key_import(redacted), 2") &&
		   becomes("session_key_import($1, $$a(b$$)) + 2", "session_key_import(redacted)) + 2"),
		   "parentheses and quotes in dollar quotes do not count");
	tap_ok(becomes("session_key_import($a_1$b)$$c)$a_2$d)$b$a_1$, 2), 3",
				   "session_key_import(redacted), 3") &&
		   becomes("session_key_import($\303\244$b)$\303\244$), 3", "session_key_import(redacted), 3"),
		   "dollar quotes end with their own tag");
	tap_ok(becomes("session_key_import($$a), 2", "session_key_import(redacted)") &&
		   becomes("session_key_import($a$b)$A$, 2", "session_key_import(redacted)") &&
		   becomes("session_key_import($a b$c), 2", "session_key_import(redacted)") &&
		   becomes("session_key_import($", "session_key_import(redacted)"),
		   "dollar quotes that do not end go to the end of the text");
	tap_ok(becomes("session_key_import('a', b$$c), 2", "session_key_import(redacted)") &&
		   becomes("session_key_import($1$$c), 2", "session_key_import(redacted)"),
		   "a dollar in a name is unclear");
}

static void
test_unclear_arguments(void)
{
	tap_ok(becomes("session_key_import /* x */ ('secret'), 2", "session_key_import (redacted)") &&
		   becomes("session_key_import_jwk -- x\n('secret')", "session_key_import_jwk (redacted)") &&
		   becomes("\"session_key_import\"/* ( */('a')", "\"session_key_import\"(redacted)"),
		   "what follows a comment behind the name is replaced");
	tap_ok(becomes("session_key_import\f\v('secret'), 2", "session_key_import\f\v(redacted), 2"),
		   "every space may follow the name");
	tap_ok(becomes("session_key_import(/* it's */ 'a)secret')", "session_key_import(redacted)") &&
		   becomes("session_key_import(/* ) */ 'secret')", "session_key_import(redacted)") &&
		   becomes("session_key_import(-- )\n'secret')", "session_key_import(redacted)"),
		   "a comment among the arguments is unclear");
	tap_ok(becomes("session_key_import('a\\', 'b)secret')", "session_key_import(redacted)") &&
		   becomes("session_key_import(E'a\\', b)secret')", "session_key_import(redacted)") &&
		   becomes("session_key_import('a\\\\', 'b)c'), 2", "session_key_import(redacted), 2"),
		   "a backslash before a quote is unclear, and two are not");
	tap_ok(becomes("'SELECT session_key_import(''a)secret'')'", "'SELECT session_key_import(redacted)") &&
		   becomes("E'SELECT session_key_import(\\'a)secret\\')'", "E'SELECT session_key_import(redacted)") &&
		   becomes("'SELECT session_key_import(' || quote_literal('a)secret')", "'SELECT session_key_import(redacted)"),
		   "a call in a literal is unclear");
	tap_ok(becomes("session_key_import(\"a'b\", 'c)secret')", "session_key_import(redacted)") &&
		   becomes("session_key_import(\"a)\" || 'secret)'), 2", "session_key_import(redacted), 2") &&
		   stays("SELECT session_key_import(\"a)\") FROM b WHERE c = 'd'"),
		   "parentheses in names in quotes do not count");
}

static void
test_size(void)
{
	size_t		len = 4 * 1024 * 1024;
	char	   *chars = malloc(len + 1);
	char	   *out;
	size_t		size;

	for (size_t i = 0; i < len; i++)
		chars[i] = "st_7."[i % 5];
	chars[len] = '\0';

	tap_ok(stays(chars), "a large text of prefixes of tokens is kept");

	for (size_t i = 0; i < len; i++)
		chars[i] = "eyJabcdefghijklmnopqr."[i % 22];
	tap_ok(stays(chars), "a large text of beginnings of cookies is kept");

	for (size_t i = 0; i < len; i++)
		chars[i] = "session_key_import( \"d\":)"[i % 25];
	tap_ok(stays(chars), "a large text of beginnings of keys is kept");

	for (size_t i = 0; i < len; i++)
		chars[i] = "session_key_import( \"d\": "[i % 25];
	tap_ok(becomes(chars, "session_key_import(redacted)"),
		   "arguments that are too long to look for a literal are replaced");

	for (size_t i = 0; i + 68 <= len; i += 68)
		memcpy(chars + i, "st_" PAYLOAD " ", 68);
	size = session_redact_size(chars);
	out = malloc(size);
	session_redact_write(out, chars);
	tap_ok(size == strlen(out) + 1 && strstr(out, "BESEx") == NULL,
		   "all tokens of a large text are replaced");

	memset(chars + 3, 'A', len - 3);
	tap_ok(becomes(chars, "st_00000000-0000-0000-0000-000000000000"),
		   "a large text that is one long token is replaced by an id");
	free(chars);
	free(out);
}

static void
test_dollar_size(void)
{
	static const char *const parts[] = {"$", "$a", "$a$", "$a$$", "$$ ", "session_key_import($", "session_key_import/*", "''", "\"", "\\"};
	static const char call[] = "session_key_import('', $a$";
	size_t		len = 10 * 1024 * 1024;
	char	   *chars = malloc(len + 1);
	bool		ok = true;

	for (size_t n = 0; n < lengthof(parts); n++)
	{
		size_t		part = strlen(parts[n]);

		for (size_t i = 0; i < len; i++)
			chars[i] = parts[n][i % part];
		chars[len] = '\0';
		(void) session_redact_size(chars);
		/* Once as literals of a call, and once as the first of them. */
		memcpy(chars, call, strlen(call));
		ok &= becomes(chars, "session_key_import(redacted)");
		memcpy(chars, "session_key_import($a$    ", strlen(call));
		ok &= session_redact_size(chars) > 0;
	}
	tap_ok(ok, "large texts of quotes behind the name of a function are replaced");
	free(chars);
}

int
main(void)
{
	test_whole();
	test_parts();
	test_hex();
	test_cookies();
	test_members();
	test_arguments();
	test_dollar_quotes();
	test_unclear_arguments();
	test_size();
	test_dollar_size();
	return tap_done();
}
