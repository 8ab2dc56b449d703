/*
 * jwk_fuzz.c
 *	  A JWK that is accepted is a public key in its only form: it is the same
 *	  key when it is written, read again, or part of a header.
 */
#include "postgres.h"

#include "fuzz.h"
#include "wire/claims.h"
#include "wire/jwk.h"

/* Returns whether the object has a member. */
static bool
has_member(const char *json, size_t size, const char *name)
{
	SessionMember members[SESSION_MEMBERS];
	int			count;
	bool		found;

	fuzz_require(session_claims_read(members, &count, json, size));
	found = session_claims_find(members, count, name) != NULL;
	session_claims_free(members, count);
	return found;
}

static void
check_parts(const SessionPublicParts *parts)
{
	const size_t *bytes = parts->algorithm->part_bytes;

	fuzz_require(!parts->algorithm->symmetric);
	fuzz_require(parts->first_len > 0 &&
				 parts->first_len <= sizeof(parts->first));
	fuzz_require(parts->second_len <= sizeof(parts->second));
	if (bytes[0] == 0)
		fuzz_require(parts->first_len >= SESSION_RSA_BITS / 8 &&
					 parts->first[0] != 0 && parts->second[0] != 0);
	else
		fuzz_require(parts->first_len == bytes[0] &&
					 parts->second_len == bytes[1]);
}

/* Writes the key, and reads it again. */
static void
check_written(const SessionJwk *jwk, const char *kid)
{
	char		out[SESSION_JWK_WRITTEN_BYTES];
	size_t		len = session_jwk_write(out, &jwk->parts, kid);
	char	   *copy = fuzz_copy(out, len);
	SessionJwk	again;

	fuzz_require(len <= sizeof(out));
	fuzz_require(session_jwk_read(&again, copy, len) == SESSION_JWK_OK);
	fuzz_require(memcmp(&again.parts, &jwk->parts, sizeof(jwk->parts)) == 0);
	fuzz_require(strcmp(again.kid, kid == NULL ? "" : kid) == 0);
	free(copy);
}

/* Makes a key of the parts.  If they are one, it has the same parts. */
static void
check_key(const SessionPublicParts *parts)
{
	SessionSignatureKey *key = session_signature_public(parts);
	SessionPublicParts again;

	if (key == NULL)
		return;
	fuzz_require(session_signature_algorithm(key) == parts->algorithm);
	fuzz_require(session_signature_parts(&again, key));
	fuzz_require(memcmp(&again, parts, sizeof(again)) == 0);
	session_signature_free(key);
}

/* Reads the text as the member "jwk" of a header. */
static void
check_member(const SessionJwk *jwk, SessionJwkFault fault, const char *json,
			 size_t size)
{
	static const char before[] = "{\"alg\":\"ES256\",\"jwk\": ";
	static const char behind[] = " ,\"x\":1}";
	SessionMember members[SESSION_MEMBERS];
	int			count;
	char	   *text = malloc(size + sizeof(before) + sizeof(behind));
	size_t		len = strlen(before);
	SessionJwk	again;

	memcpy(text, before, len);
	memcpy(text +len, json, size);
	len += size;
	memcpy(text +len, behind, strlen(behind));
	len += strlen(behind);
	if (session_claims_read(members, &count, text, len))
	{
		const SessionMember *member = session_claims_find(members, count,
														  "jwk");
		SessionJwkFault nested = session_jwk_read_member(&again, member);

		/* Without an end of the object, the text can be several members. */
		if (count == 3)
		{
			fuzz_require(nested == fault);
			fuzz_require(memcmp(&again, jwk, sizeof(again)) == 0);
		}
		session_claims_free(members, count);
	}
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	char	   *json = fuzz_copy(data, size);
	SessionJwk	jwk;
	SessionJwkFault fault = session_jwk_read(&jwk, json, size);

	if (fault == SESSION_JWK_OK)
	{
		fuzz_require(!has_member(json, size, "d") &&
					 !has_member(json, size, "k") &&
					 !has_member(json, size, "p"));
		fuzz_require(jwk.kid[0] == '\0' || session_codec_kid_valid(jwk.kid));
		check_parts(&jwk.parts);
		check_written(&jwk, NULL);
		check_written(&jwk, jwk.kid);
		check_key(&jwk.parts);
	}
	if (size <= SESSION_JWK_BYTES)
		check_member(&jwk, fault, json, size);
	free(json);
	return 0;
}
