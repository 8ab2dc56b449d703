/*
 * proof.c
 *	  What every cookie that carries its own proof has: a key, times, claims.
 *
 * Rules:
 * - A cookie is proven before anything in it is read, by the keys of its
 *	 ring that are not retired.  Its header may only choose among these keys.
 * - A key for signatures proves only JWTs of its own ring: its signatures say
 *	 nothing about the purpose.
 * - The key of an issuer proves a JWT only together with its claims iss and
 *	 aud, because it signs for others, too.
 * - Leeway for clocks is granted only where the key was imported.  A cookie
 *	 that is made here is checked by the clock that made it.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "audit/evidence.h"
#include "compat.h"
#include "cookie/proof.h"
#include "model/json.h"
#include "model/random.h"
#include "settings.h"
#include "shared/database.h"
#include "table/keyring.h"
#include "table/policies.h"

/* Seconds between 1970 and 2000. */
#define UNIX_EPOCH_SECONDS \
	((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY)

/* Returns the time in seconds since 1970, rounded down. */
int64
session_proof_seconds(TimestampTz time)
{
	int64		seconds = time / USECS_PER_SEC;

	/* A division rounds a time before 2000 up. */
	if (time % USECS_PER_SEC < 0)
		seconds--;
	return seconds + UNIX_EPOCH_SECONDS;
}

/* Returns the time that is this number of seconds after 1970. */
TimestampTz
session_proof_time(int64 seconds)
{
	return (seconds - UNIX_EPOCH_SECONDS) * USECS_PER_SEC;
}

/*
 * Minting
 */

/* Returns the codec that "session.cookie_encoding" names. */
const SessionCodec *
session_proof_codec(void)
{
	static const SessionCodec *const codecs[] = {
		[SESSION_ENCODING_COMPACT] = &session_codec_compact,
		[SESSION_ENCODING_JWT] = &session_codec_jwt,
		[SESSION_ENCODING_JWE] = &session_codec_jwe,
		[SESSION_ENCODING_SEALED] = &session_codec_sealed,
	};

	return codecs[session_settings.cookie_encoding];
}

/*
 * Returns a key of the ring in the form that codecs take.  With derive, an
 * imported one is not used as it is.
 */
static SessionCodecKey
codec_key(const SessionKey *key, bool derive)
{
	SessionCodecKey result = session_keyring_codec_key(key);

	result.imported = result.imported && !derive;
	return result;
}

/* Returns the key that signs for a ring.  Errors when there is none. */
SessionCodecKey
session_proof_signer(const char *ring, const SessionCodec *codec, bool derive)
{
	return codec_key(session_keyring_signer(ring,
											derive || !codec->signatures),
					 derive);
}

/* Returns the earliest iat, in seconds, that the rules have not ended. */
int64
session_proof_earliest(const SessionRules *rules)
{
	if ((rules->says & SESSION_RULE_VALID_AFTER) == 0)
		return PG_INT64_MIN;
	return session_proof_seconds(rules->valid_after) + 1;
}

/* Returns the time at which a cookie is made. */
TimestampTz
session_proof_creation(const SessionRules *rules, TimestampTz now)
{
	int64		earliest = session_proof_earliest(rules);

	return session_proof_seconds(now) < earliest ?
		session_proof_time(earliest) : now;
}

/*
 * Writes a random UUID of version 4.  It is not a secret, so random bytes are
 * fetched for many at once: a fetch takes as long as the MAC of a cookie.
 */
static void
append_random_uuid(StringInfo out)
{
	static pg_uuid_t pool[32];
	static int	left = 0;
	pg_uuid_t  *id;

	if (left == 0)
	{
		session_random_bytes(pool, sizeof(pool));
		left = lengthof(pool);
	}
	id = &pool[--left];
	id->data[6] = 0x40 | (id->data[6] & 0x0F);
	id->data[8] = 0x80 | (id->data[8] & 0x3F);
	appendStringInfoString(out,
						   DatumGetCString(DirectFunctionCall1(uuid_out,
															   UUIDPGetDatum(id))));
}

/*
 * Returns a payload with iat, exp and a random jti before its own members.
 * The text is put together, because adding members to jsonb takes longer than
 * the MAC of a cookie.
 */
static char *
stamped(const char *payload, size_t *len, const SessionStamp *stamp)
{
	StringInfoData out;

	initStringInfo(&out);
	appendStringInfo(&out, "{\"iat\":" INT64_FORMAT ",\"exp\":" INT64_FORMAT
					 ",\"jti\":\"", stamp->issued, stamp->expires);
	append_random_uuid(&out);
	appendStringInfoString(&out, *len > strlen("{}") ? "\"," : "\"");
	appendBinaryStringInfo(&out, payload + 1, (int) *len - 1);
	*len = out.len;
	return out.data;
}

/* Errors when a cookie with this payload could not be accepted. */
static void
check_payload(const char *payload, size_t len, const SessionCodec *codec,
			  const SessionCodecKey *key)
{
	int			count;

	if (len > SESSION_CODEC_CHARS ||
		codec->bound(len, key) > SESSION_CODEC_CHARS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("payload is too large"),
				 errdetail("A cookie may have %d characters.",
						   SESSION_CODEC_CHARS)));
	if (!session_claims_read(palloc_array(SessionMember, SESSION_MEMBERS),
							 &count, payload, len))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("payload is too large"),
				 errdetail("It may have %d members, %d levels, and numbers of "
						   "%d characters.", SESSION_MEMBERS,
						   SESSION_JSON_DEPTH, SESSION_NUMBER_CHARS)));
}

/* Encodes the claims and a stamp.  Errors when they are too large. */
text *
session_proof_encode(Jsonb *claims, const SessionStamp *stamp,
					 const SessionCodec *codec, const char *purpose,
					 const SessionCodecKey *key)
{
	size_t		len;
	char	   *payload = session_json_text(claims, &len);
	text	   *value;
	size_t		value_len;

	if (stamp != NULL && len <= SESSION_CODEC_CHARS)
		payload = stamped(payload, &len, stamp);
	check_payload(payload, len, codec, key);
	value = palloc(VARHDRSZ + codec->bound(len, key));
	if (!codec->encode(VARDATA(value), &value_len, payload, len, purpose, key))
		ereport(ERROR,
				(errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
				 errmsg("could not encode a cookie as \"%s\"", codec->name)));
	SET_VARSIZE(value, VARHDRSZ + value_len);
	return value;
}

/*
 * Verifying
 */

/*
 * Returns whether the claim aud, a string or an array, names an audience.
 * Without an audience there must be no such claim (RFC 7519 section 4.1.3).
 */
static bool
is_for_audience(const Jsonb *claims, const char *audience)
{
	JsonbValue	scratch;
	JsonbValue	expected;
	JsonbValue *aud = session_json_find(claims, "aud", &scratch);

	if (audience == NULL || aud == NULL)
		return audience == NULL && aud == NULL;
	if (aud->type == jbvString)
		return session_json_is_string(aud, audience);
	if (aud->type != jbvBinary || !JsonContainerIsArray(aud->val.binary.data))
		return false;
	expected.type = jbvString;
	expected.val.string.val = unconstify(char *, audience);
	expected.val.string.len = (int) strlen(audience);
	return findJsonbValueFromContainer(aud->val.binary.data, JB_FARRAY,
									   &expected) != NULL;
}

/* Returns whether the claims are of the issuer of a key, and for us. */
static bool
is_of_issuer(const SessionProof *proof, const SessionKey *key)
{
	Jsonb	   *claims = session_json_parse(proof->payload, proof->len);
	JsonbValue	scratch;
	JsonbValue *iss;

	if (claims == NULL || !JB_ROOT_IS_OBJECT(claims))
		return false;
	iss = session_json_find(claims, "iss", &scratch);
	return (key->issuer == NULL ||
			(iss != NULL && session_json_is_string(iss, key->issuer))) &&
		is_for_audience(claims, key->audience);
}

/* Returns whether a key of the ring made a value, and decodes its payload. */
static bool
is_made_with(SessionProof *proof, const char *value, size_t len,
			 const SessionKey *key, const char *purpose, bool derive)
{
	SessionCodecKey with = codec_key(key, derive);

	if (key->signature != NULL && (derive || !proof->codec->signatures))
		return false;
	if (!proof->codec->decode(proof->payload, &proof->len, value, len, purpose,
							  &with))
		return false;
	proof->imported = with.imported;
	proof->of_issuer = !key->signs;
	return !proof->of_issuer || is_of_issuer(proof, key);
}

/* Finds the key of the ring that made a value, and decodes its payload. */
SessionStatus
session_proof_verify(SessionProof *proof, const char *value, size_t len,
					 const char *ring, const char *purpose, bool derive)
{
	const SessionCodec *codec = session_codec_of(value, len);
	ListCell   *cell;

	if (codec == NULL)
		return SESSION_MALFORMED;
	proof->codec = codec;
	proof->payload = palloc(session_codec_room(codec, value, len) + 1);
	foreach(cell, session_keyring_of(ring))
		if (is_made_with(proof, value, len, lfirst(cell), purpose, derive))
		return SESSION_ACTIVE;
	return SESSION_UNKNOWN;
}

/* Reads the claims; returns false when the payload is not a JSON object. */
bool
session_proof_read_claims(SessionProof *proof)
{
	proof->members = palloc_array(SessionMember, SESSION_MEMBERS);
	if (session_claims_read(proof->members, &proof->count, proof->payload,
							proof->len))
		return true;
	proof->count = 0;
	return false;
}

/* Returns whether all claims are strings and integers. */
static bool
is_flat(const SessionProof *proof)
{
	for (int i = 0; i < proof->count; i++)
		if (proof->members[i].kind != SESSION_JSON_STRING &&
			proof->members[i].kind != SESSION_JSON_INTEGER)
			return false;
	return true;
}

/*
 * Returns the claims as jsonb.  Most are strings and integers, which need not
 * be read again: parsing takes longer than the MAC of a cookie.
 */
Jsonb *
session_proof_claims(const SessionProof *proof)
{
	JsonbParseState *object;

	if (GetDatabaseEncoding() != PG_UTF8 || !is_flat(proof))
		return session_json_parse(proof->payload, proof->len);
	session_json_begin(&object);
	for (int i = 0; i < proof->count; i++)
	{
		const SessionMember *member = &proof->members[i];

		if (member->kind == SESSION_JSON_STRING)
			session_json_put_string(&object, member->name, member->string);
		else
			session_json_put_int(&object, member->name, member->integer);
	}
	return session_json_end(&object);
}

/* Returns the iat of the claims in seconds, rounded down. */
int64
session_proof_issued(const SessionProof *proof)
{
	const SessionMember *member = session_claims_find(proof->members,
													  proof->count, "iat");

	/* The fraction of a decimal was rounded up. */
	if (member != NULL && member->kind == SESSION_JSON_DECIMAL)
		return member->integer - 1;
	return session_proof_integer(proof, "iat", PG_INT64_MIN);
}

/* Sets the rules for the tenant and role in the claims. */
void
session_proof_rules(const SessionProof *proof, SessionRules *rules)
{
	Jsonb	   *claims = NULL;

	/* The claims are converted only if there are policies at all. */
	if (session_policies_fingerprint()[0] != '\0' && proof->count > 0)
		claims = session_proof_claims(proof);
	if (claims == NULL)
		session_policies_find(rules, NULL, NULL);
	else
		session_policies_find(rules, session_json_member(claims, "tid", 3),
							  session_json_member(claims, "role", 4));
}

/* Returns whether the times in the claims allow its use at a time. */
bool
session_proof_in_time(const SessionProof *proof, int64 now)
{
	if (proof->of_issuer &&
		session_claims_find(proof->members, proof->count, "exp") == NULL)
		return false;
	return session_claims_in_time(proof->members, proof->count, now,
								  proof->imported ? SESSION_PROOF_LEEWAY : 0,
								  !proof->imported);
}

/* Returns a claim that is a string; NULL for any other or none. */
const char *
session_proof_string(const SessionProof *proof, const char *name)
{
	const SessionMember *member = session_claims_find(proof->members,
													  proof->count, name);

	if (member == NULL || member->kind != SESSION_JSON_STRING)
		return NULL;
	return member->string;
}

/* Returns a claim that is a string, in the server's encoding. */
text *
session_proof_text(const SessionProof *proof, const char *name)
{
	const char *string = session_proof_string(proof, name);

	if (string == NULL)
		return NULL;
	return cstring_to_text(pg_any_to_server(string, (int) strlen(string),
											PG_UTF8));
}

/* Returns a claim that is an integer; the default for any other or none. */
int64
session_proof_integer(const SessionProof *proof, const char *name, int64 none)
{
	const SessionMember *member = session_claims_find(proof->members,
													  proof->count, name);

	if (member == NULL || member->kind != SESSION_JSON_INTEGER)
		return none;
	return member->integer;
}

/* Returns the seconds of a claim that is a NumericDate, or the default. */
int64
session_proof_date(const SessionProof *proof, const char *name, int64 none)
{
	const SessionMember *member = session_claims_find(proof->members,
													  proof->count, name);

	if (member != NULL && member->kind == SESSION_JSON_DECIMAL)
		return member->integer;
	return session_proof_integer(proof, name, none);
}

/* Counts the check of a cookie, and records a forged one as evidence. */
void
session_proof_count(SessionStatus status, const inet *ip)
{
	session_database_count(SESSION_COUNT_STATUS + status);
	if (status == SESSION_MALFORMED || status == SESSION_UNKNOWN)
		session_evidence_failure(ip);
}
