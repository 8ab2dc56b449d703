/*
 * jwk.c
 *	  Reads and writes public keys as JSON Web Keys.
 *
 * Rules:
 * - A JWK comes from outside: an administrator's identity provider, or any
 *	 client that sends a proof.
 * - Each key has one form: numbers have exactly the length of the curve, or no
 *	 leading zeros, and base64url has no padding.  So equal keys have equal
 *	 thumbprints.
 * - Private keys are refused, not ignored: one that got here is not secret any
 *	 more.
 */
#include "postgres.h"

#include "wire/base64url.h"
#include "wire/claims.h"
#include "wire/jwk.h"

/* A JWK that is being read. */
typedef struct Reader
{
	SessionMember members[SESSION_MEMBERS];
	int			count;
} Reader;

/* How a kty and a crv are written, and where the numbers are. */
typedef struct Form
{
	const SessionAlgorithm *algorithm;
	const char *first;			/* the names of the numbers */
	const char *second;			/* NULL = there is one only */
} Form;

static const Form forms[] = {
	{&session_algorithm_es256, "x", "y"},
	{&session_algorithm_eddsa, "x", NULL},
	{&session_algorithm_rs256, "n", "e"},
};

/*
 * Reads a member that must be a string.  Returns false when it is of another
 * kind.  The string is NULL when there is no such member.
 */
static bool
find_string(const Reader *reader, const char *name, const char **string)
{
	const SessionMember *member;

	member = session_claims_find(reader->members, reader->count, name);
	*string = member == NULL ? NULL : member->string;
	return member == NULL || member->kind == SESSION_JSON_STRING;
}

/* Returns whether two strings are equal, or both are missing. */
static bool
same_string(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* Returns the form of the kty and crv; NULL for another one. */
static const Form *
find_form(const char *kty, const char *crv)
{
	for (size_t i = 0; i < lengthof(forms); i++)
	{
		const SessionAlgorithm *algorithm = forms[i].algorithm;

		if (strcmp(algorithm->kty, kty) == 0 &&
			(algorithm->crv == NULL || same_string(algorithm->crv, crv)))
			return &forms[i];
	}
	return NULL;
}

/* Returns whether a member names something that must stay secret. */
static bool
holds_secret(const Reader *reader)
{
	static const char *const names[] = {
		"d", "k", "p", "q", "dp", "dq", "qi", "oth"
	};
	const char *kty;

	for (size_t i = 0; i < lengthof(names); i++)
		if (session_claims_find(reader->members, reader->count,
								names[i]) != NULL)
			return true;
	return find_string(reader, "kty", &kty) && same_string(kty, "oct");
}

/* Returns the place behind a string, which begins with its first quote. */
static const char *
skip_string(const char *in)
{
	for (in++; *in != '"'; in++)
		in += *in == '\\';
	return in + 1;
}

/*
 * Returns whether a JSON array, which is valid, consists of strings, and sets
 * whether one of them is a given one.  A string that is written with escapes
 * is another one.
 */
static bool
read_strings(const SessionMember *array, const char *string, bool *found)
{
	const char *end = array->json + array->json_len - 1;
	size_t		len = strlen(string);

	*found = false;
	for (const char *in = array->json + 1; in < end;)
	{
		const char *next = in + 1;

		if (*in == '"')
		{
			next = skip_string(in);
			*found |= (size_t) (next - in) == len + 2 &&
				memcmp(in + 1, string, len) == 0;
		}
		else if (strchr(" \t\r\n,", *in) == NULL)
			return false;
		in = next;
	}
	return true;
}

/* Returns whether the key is for signatures, as far as the JWK says so. */
static SessionJwkFault
check_use(const Reader *reader)
{
	const SessionMember *operations;
	const char *use;
	bool		found;

	if (!find_string(reader, "use", &use))
		return SESSION_JWK_INVALID;
	if (use != NULL && strcmp(use, "sig") != 0)
		return SESSION_JWK_NOT_SIGNING;
	operations = session_claims_find(reader->members, reader->count,
									 "key_ops");
	if (operations == NULL)
		return SESSION_JWK_OK;
	if (operations->kind != SESSION_JSON_OTHER ||
		operations->json[0] != '[' ||
		!read_strings(operations, "verify", &found))
		return SESSION_JWK_INVALID;
	return found ? SESSION_JWK_OK : SESSION_JWK_NOT_SIGNING;
}

/* Reads kty, crv and alg. */
static SessionJwkFault
read_algorithm(const Form **form, const Reader *reader)
{
	const char *kty;
	const char *crv;
	const char *alg;

	if (!find_string(reader, "kty", &kty) || kty == NULL ||
		!find_string(reader, "crv", &crv) ||
		!find_string(reader, "alg", &alg))
		return SESSION_JWK_INVALID;
	*form = find_form(kty, crv);
	if (*form == NULL ||
		(alg != NULL && strcmp(alg, (*form)->algorithm->name) != 0))
		return SESSION_JWK_UNSUPPORTED;
	return SESSION_JWK_OK;
}

/* Reads a number, of "exact" bytes unless that is 0, of at most "max". */
static SessionJwkFault
read_bytes(uint8 *out, size_t *out_len, size_t exact, size_t max,
		   const Reader *reader, const char *name)
{
	const char *chars;
	size_t		len;

	if (!find_string(reader, name, &chars) || chars == NULL)
		return SESSION_JWK_INVALID;
	len = strlen(chars);
	*out_len = SESSION_BASE64URL_BYTES(len);
	if (*out_len == 0 || (exact != 0 && *out_len != exact))
		return SESSION_JWK_INVALID;
	if (*out_len > max)
		return SESSION_JWK_WEAK;
	if (!session_base64url_decode(out, chars, len) ||
		(exact == 0 && out[0] == 0))
		return SESSION_JWK_INVALID;
	return SESSION_JWK_OK;
}

/* Returns the number of bits of a number without leading zeros. */
static size_t
count_bits(const uint8 *bytes, size_t len)
{
	size_t		bits = len * 8;

	for (int mask = 0x80; mask != 0 && (bytes[0] & mask) == 0; mask >>= 1)
		bits--;
	return bits;
}

/* Reads the numbers of a key. */
static SessionJwkFault
read_numbers(SessionPublicParts *parts, const Form *form,
			 const Reader *reader)
{
	const size_t *bytes = form->algorithm->part_bytes;
	SessionJwkFault fault;
	size_t		bits;

	parts->algorithm = form->algorithm;
	fault = read_bytes(parts->first, &parts->first_len, bytes[0],
					   sizeof(parts->first), reader, form->first);
	if (fault == SESSION_JWK_OK && form->second != NULL)
		fault = read_bytes(parts->second, &parts->second_len, bytes[1],
						   sizeof(parts->second), reader, form->second);
	if (fault != SESSION_JWK_OK || bytes[0] != 0)
		return fault;
	bits = count_bits(parts->first, parts->first_len);
	return bits >= SESSION_RSA_BITS && bits <= SESSION_RSA_MOST_BITS ?
		SESSION_JWK_OK : SESSION_JWK_WEAK;
}

/* Reads the kid, which may be missing. */
static SessionJwkFault
read_kid(char kid[SESSION_KID_CHARS + 1], const Reader *reader)
{
	const char *found;

	if (!find_string(reader, "kid", &found))
		return SESSION_JWK_INVALID;
	if (found == NULL)
		return SESSION_JWK_OK;
	if (!session_codec_kid_valid(found))
		return SESSION_JWK_INVALID;
	strlcpy(kid, found, SESSION_KID_CHARS + 1);
	return SESSION_JWK_OK;
}

/* Reads a JWK whose members were read. */
static SessionJwkFault
read_members(SessionJwk *jwk, const Reader *reader)
{
	const Form *form;
	SessionJwkFault fault;

	if (holds_secret(reader))
		return SESSION_JWK_PRIVATE;
	fault = read_algorithm(&form, reader);
	if (fault == SESSION_JWK_OK)
		fault = check_use(reader);
	if (fault == SESSION_JWK_OK)
		fault = read_numbers(&jwk->parts, form, reader);
	if (fault == SESSION_JWK_OK)
		fault = read_kid(jwk->kid, reader);
	return fault;
}

/* Reads a JWK. */
SessionJwkFault
session_jwk_read(SessionJwk *jwk, const char *json, size_t len)
{
	Reader		reader;
	SessionJwkFault fault;

	memset(jwk, 0, sizeof(*jwk));
	if (len > SESSION_JWK_BYTES ||
		!session_claims_read(reader.members, &reader.count, json, len))
		return SESSION_JWK_INVALID;
	fault = read_members(jwk, &reader);
	session_claims_free(reader.members, reader.count);
	return fault;
}

/* Reads the JWK that is a member of an object. */
SessionJwkFault
session_jwk_read_member(SessionJwk *jwk, const SessionMember *member)
{
	if (member == NULL || member->kind != SESSION_JSON_OTHER)
	{
		memset(jwk, 0, sizeof(*jwk));
		return SESSION_JWK_INVALID;
	}
	return session_jwk_read(jwk, member->json, member->json_len);
}

/* Writes a member whose value needs no escapes, and a comma. */
static char *
write_text(char *out, const char *name, const char *text)
{
	return out + sprintf(out, "\"%s\":\"%s\",", name, text);
}

/* Writes a member whose value is a number in base64url, and a comma. */
static char *
write_number(char *out, const char *name, const uint8 *bytes, size_t len)
{
	out += sprintf(out, "\"%s\":\"", name);
	session_base64url_encode(out, bytes, len);
	out += SESSION_BASE64URL_CHARS(len);
	*out++ = '"';
	*out++ = ',';
	return out;
}

/* Writes the members that RFC 7638 requires, in the order of their names. */
static char *
write_required(char *out, const SessionPublicParts *parts)
{
	const SessionAlgorithm *algorithm = parts->algorithm;

	if (algorithm->crv == NULL)
	{
		out = write_number(out, "e", parts->second, parts->second_len);
		out = write_text(out, "kty", algorithm->kty);
		return write_number(out, "n", parts->first, parts->first_len);
	}
	out = write_text(out, "crv", algorithm->crv);
	out = write_text(out, "kty", algorithm->kty);
	out = write_number(out, "x", parts->first, parts->first_len);
	if (parts->second_len > 0)
		out = write_number(out, "y", parts->second, parts->second_len);
	return out;
}

/* Writes the JWK of a key. */
size_t
session_jwk_write(char out[SESSION_JWK_WRITTEN_BYTES],
				  const SessionPublicParts *parts, const char *kid)
{
	char	   *end = out;

	*end++ = '{';
	end = write_required(end, parts);
	if (kid != NULL)
	{
		end = write_text(end, "alg", parts->algorithm->name);
		if (session_codec_kid_valid(kid))
			end = write_text(end, "kid", kid);
		end = write_text(end, "use", "sig");
	}
	end[-1] = '}';				/* in place of the last comma */
	return (size_t) (end - out);
}

/* Computes the thumbprint of a key. */
bool
session_jwk_thumbprint(uint8 out[SESSION_SHA256_BYTES],
					   const SessionPublicParts *parts)
{
	char		json[SESSION_JWK_WRITTEN_BYTES];
	size_t		len = session_jwk_write(json, parts, NULL);

	return session_crypto_sha256(out, json, len);
}
