/*
 * flat_fuzz.c
 *	  A flat object has the members that the reader of any object finds.
 */
#include "postgres.h"

#include "fuzz.h"
#include "mb/pg_wchar.h"
#include "wire/claims.h"
#include "wire/codec.h"
#include "wire/flat.h"

/* Most members, so that one more may be added. */
#define MAX (SESSION_MEMBERS - 1)

/* Returns whether a name occurs twice. */
static bool
has_duplicates(const SessionMember *members, int count)
{
	for (int i = 1; i < count; i++)
		if (session_claims_find(members, i, members[i].name) != NULL)
			return true;
	return false;
}

static void
check_same(const SessionMember *one, const SessionMember *other)
{
	fuzz_require(strcmp(one->name, other->name) == 0);
	fuzz_require(one->kind == other->kind);
	if (one->kind == SESSION_JSON_STRING)
		fuzz_require(strcmp(one->string, other->string) == 0);
	else
		fuzz_require(one->string == NULL &&
					 one->integer == other->integer);
}

/*
 * Reads the object with a member more, that makes it not flat.  Its name is
 * one that a name of the object cannot be: it has a line break of its own.
 */
static void
check_members(const SessionMember *members, int count, const char *json,
			  size_t size)
{
	static const char more[] = "\"\\u000Amore\\u000A\":null}";
	SessionMember others[SESSION_MEMBERS];
	char	   *longer = malloc(size + sizeof(more) + 1);
	size_t		len = size;
	int			found;

	fuzz_require(longer != NULL);
	memcpy(longer, json, size);
	while (longer[len - 1] != '}')
		len--;
	longer[len - 1] = ',';
	len -= count == 0;
	memcpy(longer + len, more, sizeof(more) - 1);
	len += sizeof(more) - 1;
	if (session_claims_find(members, count, "\nmore\n") == NULL &&
		len <= SESSION_CODEC_CHARS)
	{
		bool		ok = session_claims_read(others, &found, longer, len);

		fuzz_require(ok == !has_duplicates(members, count));
		if (ok)
		{
			fuzz_require(found == count + 1);
			for (int i = 0; i < count; i++)
				check_same(&members[i], &others[i]);
			session_claims_free(others, found);
		}
	}
	free(longer);
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	SessionMember members[MAX];
	int			count = -1;
	char	   *json = fuzz_copy(data, size);
	char	   *strings = malloc(size);

	if (session_flat_read(members, &count, MAX, strings, json, size))
	{
		fuzz_require(count >= 0 && count <= MAX);
		if (pg_encoding_verifymbstr(PG_UTF8, json, (int) size) == (int) size)
			check_members(members, count, json, size);
	}
	else
		fuzz_require(count == 0);
	free(strings);
	free(json);
	return 0;
}
