/*
 * claims_fuzz.c
 *	  An accepted object of claims is valid JSON for PostgreSQL too, and has the
 *	  members that the header promises.
 */
#include "postgres.h"

#include "compat.h"
#include "fuzz.h"
#include "mb/pg_wchar.h"
#include "wire/claims.h"

static void
check_text(const char *text)
{
	int			len = (int) strlen(text);

	fuzz_require(pg_encoding_verifymbstr(PG_UTF8, text, len) == len);
}

static void
check_member(const SessionMember *members, int count, int i)
{
	check_text(members[i].name);
	fuzz_require(session_claims_find(members, count, members[i].name) ==
				 &members[i]);
	if (members[i].kind == SESSION_JSON_STRING)
		check_text(members[i].string);
	else
		fuzz_require(members[i].string == NULL);
	if (members[i].kind == SESSION_JSON_DECIMAL)
		fuzz_require(members[i].integer >= 0);
}

/*
 * Parses the text with PostgreSQL's own parser. The nesting is known to be
 * limited.
 */
static void
check_json(const char *json, size_t size)
{
	JsonLexContext lex;

	session_compat_json_lexer(&lex, json, size, PG_UTF8);
	fuzz_require(pg_parse_json(&lex, &nullSemAction) == JSON_SUCCESS);
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	SessionMember members[SESSION_MEMBERS];
	int			count = -1;
	char	   *json = fuzz_copy(data, size);

	if (session_claims_read(members, &count, json, size))
	{
		check_json(json, size);
		fuzz_require(count >= 0 && count <= SESSION_MEMBERS);
		for (int i = 0; i < count; i++)
			check_member(members, count, i);
		if (session_claims_in_time(members, count, 1700000000, 0, true))
		{
			fuzz_require(session_claims_find(members, count, "exp")->integer >
						 1700000000);
			fuzz_require(session_claims_in_time(members, count, 1700000000, 0,
												false));
		}
		session_claims_free(members, count);
	}
	else
		fuzz_require(count == 0);
	free(json);
	return 0;
}
