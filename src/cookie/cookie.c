/*
 * cookie.c
 *	  Cookies that carry their own proof: minting, opening, denying.
 *
 * Rules:
 * - A cookie is proven before anything in it is read, by the keys of its
 *	 purpose that are not retired; its own header chooses among them at most.
 * - Times are checked with leeway for clocks only where the key was imported:
 *	 what is made here is checked by the clock that made it.
 * - A snapshot is made with keys derived for snapshots, even from an imported
 *	 secret, and for a purpose that nothing else can have, so nothing else an
 *	 application encodes can pass for one.  It carries a digest of the token
 *	 it was made for and is worthless beside another; what it says about the
 *	 session is believed until it is due.  Its time counts from before the row
 *	 was read, so that nothing that ended since is believed for longer.
 */
#include "postgres.h"

#include <limits.h>

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "audit/evidence.h"
#include "compat.h"
#include "cookie/cookie.h"
#include "engine/activity.h"
#include "engine/claims.h"
#include "engine/lifecycle.h"
#include "model/digest.h"
#include "model/json.h"
#include "model/random.h"
#include "shared/database.h"
#include "shared/revocation.h"
#include "table/denylist.h"
#include "table/keyring.h"
#include "table/store.h"
#include "wire/base64url.h"
#include "wire/claims.h"

/* Seconds that a foreign clock may be off. */
#define LEEWAY 15

/* Seconds between 1970 and 2000. */
#define UNIX_EPOCH_SECONDS \
	((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY)

static int64
unix_seconds(TimestampTz moment)
{
	int64		seconds = moment / USECS_PER_SEC;

	/* Round down before 2000 as well. */
	if (moment % USECS_PER_SEC < 0)
		seconds--;
	return seconds + UNIX_EPOCH_SECONDS;
}

static TimestampTz
from_unix_seconds(int64 seconds)
{
	return (seconds - UNIX_EPOCH_SECONDS) * USECS_PER_SEC;
}

/*
 * Minting
 */

static SessionCodecKey
codec_key(const SessionKey *key, bool derive)
{
	SessionCodecKey result = {
		.kid = key->kid,
		.secret = key->secret,
		.secret_len = key->secret_len,
		.imported = key->imported && !derive
	};

	return result;
}

/* Encodes claims as they are. */
static text *
encode_claims(Jsonb *claims, const SessionCodec *codec, const char *purpose,
			  const SessionCodecKey *key)
{
	size_t		len;
	char	   *payload = session_json_text(claims, &len);
	text	   *value;
	size_t		value_len;
	int			count;

	if (len > SESSION_CODEC_CHARS || codec->bound(len) > SESSION_CODEC_CHARS)
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
	value = palloc(VARHDRSZ + codec->bound(len));
	if (!codec->encode(VARDATA(value), &value_len, payload, len, purpose, key))
		ereport(ERROR,
				(errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
				 errmsg("could not encode a cookie as \"%s\"", codec->name)));
	SET_VARSIZE(value, VARHDRSZ + value_len);
	return value;
}

static text *
random_uuid(void)
{
	pg_uuid_t	id;

	session_random_bytes(id.data, sizeof(id.data));
	id.data[6] = 0x40 | (id.data[6] & 0x0F);
	id.data[8] = 0x80 | (id.data[8] & 0x3F);
	return cstring_to_text(DatumGetCString(DirectFunctionCall1(uuid_out,
															   UUIDPGetDatum(&id))));
}

/* Sets the claims that every cookie made here has. */
static Jsonb *
with_times(Jsonb *claims, TimestampTz now, int64 expires)
{
	claims = session_json_with_int(claims, "iat", unix_seconds(now));
	return session_json_with_int(claims, "exp", expires);
}

text *
session_cookie_mint(Jsonb *payload, const SessionCodec *codec, int64 ttl,
					const char *purpose)
{
	TimestampTz now = GetCurrentTimestamp();
	SessionCodecKey key = codec_key(session_keyring_signer(purpose), false);
	Jsonb	   *claims;

	claims = with_times(payload, now, unix_seconds(now) + ttl);
	claims = session_json_with_text(claims, "jti", random_uuid());
	return encode_claims(claims, codec, purpose, &key);
}

/*
 * Opening
 */

/* A cookie that was proven. */
typedef struct Proven
{
	char	   *payload;
	size_t		len;
	const SessionCodec *codec;
	bool		imported;
	SessionMember *members;
	int			count;
	bool		bare;			/* no claims, just an id */
} Proven;

/*
 * Finds the key that made a value, and what is in it.  Returns SESSION_ACTIVE,
 * or SESSION_MALFORMED or SESSION_UNKNOWN for a forged one.
 */
static SessionStatus
prove(Proven *proven, const char *value, size_t len, const char *ring,
	  const char *purpose, bool derive)
{
	const SessionCodec *codec = session_codec_of(value, len);
	ListCell   *cell;

	if (codec == NULL)
		return SESSION_MALFORMED;
	proven->codec = codec;
	proven->payload = palloc(len + 1);
	foreach(cell, session_keyring_of(ring))
	{
		SessionCodecKey key = codec_key(lfirst(cell), derive);

		if (codec->names(value, len, purpose, &key) &&
			codec->decode(proven->payload, &proven->len, value, len, purpose,
						  &key))
		{
			proven->imported = key.imported;
			return SESSION_ACTIVE;
		}
	}
	return SESSION_UNKNOWN;
}

static bool
read_claims(Proven *proven)
{
	proven->members = palloc_array(SessionMember, SESSION_MEMBERS);
	return session_claims_read(proven->members, &proven->count,
							   proven->payload, proven->len);
}

static bool
in_time(const Proven *proven, int64 now)
{
	return session_claims_in_time(proven->members, proven->count, now,
								  proven->imported ? LEEWAY : 0,
								  !proven->imported);
}

static const char *
string_claim(const Proven *proven, const char *name)
{
	const SessionMember *member = session_claims_find(proven->members,
													  proven->count, name);

	if (member == NULL || member->kind != SESSION_JSON_STRING)
		return NULL;
	return member->string;
}

/* The value of an integer claim, or what stands for none. */
static int64
integer_claim(const Proven *proven, const char *name, int64 none)
{
	const SessionMember *member = session_claims_find(proven->members,
													  proven->count, name);

	if (member == NULL || member->kind != SESSION_JSON_INTEGER)
		return none;
	return member->integer;
}

/* The seconds of a claim that is a time, or what stands for none. */
static int64
time_claim(const Proven *proven, const char *name, int64 none)
{
	const SessionMember *member = session_claims_find(proven->members,
													  proven->count, name);

	if (member != NULL && member->kind == SESSION_JSON_DECIMAL)
		return member->integer;
	return integer_claim(proven, name, none);
}

/* What the cookie would be denied as: by its jti, else by its payload. */
static SessionDenied
denylist_key_of_cookie(const Proven *proven, const char *purpose)
{
	const char *jti = string_claim(proven, "jti");
	StringInfoData named;
	SessionDenied denied;

	initStringInfo(&named);
	appendStringInfo(&named, "%s\n%s\n", purpose, jti == NULL ? "" : "jti");
	if (jti != NULL)
		appendStringInfoString(&named, jti);
	else
		appendBinaryStringInfo(&named, proven->payload, (int) proven->len);
	session_digest_sha256(denied.hash, named.data, named.len);
	pfree(named.data);
	return denied;
}

/* A foreign sealed cookie may hold no claims but a bare session id. */
static bool
is_bare(const Proven *proven)
{
	/* What starts as JSON does was meant as JSON, and is not good as such. */
	if (!proven->imported || proven->codec != &session_codec_sealed ||
		proven->len == 0 || strchr("{[\"", proven->payload[0]) != NULL)
		return false;
	for (size_t i = 0; i < proven->len; i++)
		if (proven->payload[i] <= ' ' || proven->payload[i] > '~')
			return false;
	return true;
}

/* Proves a cookie and checks that it is good now, denied or not. */
static SessionStatus
open_any(Proven *proven, const char *value, size_t len,
		 const char *purpose)
{
	SessionStatus status = prove(proven, value, len, purpose, purpose, false);

	if (status != SESSION_ACTIVE)
		return status;
	if (read_claims(proven))
		return in_time(proven, unix_seconds(GetCurrentTimestamp())) ?
			SESSION_ACTIVE : SESSION_EXPIRED;
	proven->count = 0;
	proven->bare = is_bare(proven);
	return proven->bare ? SESSION_ACTIVE : SESSION_UNKNOWN;
}

static SessionStatus
open_cookie(Proven *proven, const char *value, size_t len,
			const char *purpose, SessionDenied *denied)
{
	SessionStatus status = open_any(proven, value, len, purpose);

	if (status != SESSION_ACTIVE)
		return status;
	*denied = denylist_key_of_cookie(proven, purpose);
	return session_denylist_has(denied) ? SESSION_REVOKED : SESSION_ACTIVE;
}

void
session_cookie_note(SessionStatus status, const inet *ip)
{
	session_database_count(SESSION_COUNT_STATUS + status);
	if (status == SESSION_MALFORMED || status == SESSION_UNKNOWN)
		session_evidence_failure(ip);
}

/* The bare id as a JSON string. */
static Jsonb *
bare_text(const Proven *proven)
{
	StringInfoData quoted;

	initStringInfo(&quoted);
	escape_json(&quoted, pnstrdup(proven->payload, proven->len));
	return session_json_parse(quoted.data, quoted.len);
}

Jsonb *
session_cookie_open(const char *value, size_t len, const char *purpose)
{
	Proven		proven = {0};
	SessionDenied denied;
	SessionStatus status = open_cookie(&proven, value, len, purpose, &denied);

	session_cookie_note(status, NULL);
	if (status != SESSION_ACTIVE)
		return NULL;
	if (proven.bare)
		return bare_text(&proven);
	return session_json_parse(proven.payload, proven.len);
}

/* When somebody authenticated; what lies ahead is no time to say that. */
static TimestampTz
authenticated_claim(const Proven *proven)
{
	int64		seconds = time_claim(proven, "auth_time", -1);

	if (seconds < 0 ||
		seconds > unix_seconds(GetCurrentTimestamp()) + LEEWAY)
		return SESSION_NO_TIME;
	return from_unix_seconds(seconds);
}

SessionStatus
session_cookie_carried(const char *value, size_t len, const char *purpose,
					   bool foreign, SessionCarried *carried)
{
	Proven		proven = {0};
	SessionStatus status = open_cookie(&proven, value, len, purpose,
									   &carried->denied);
	int64		expires;

	if (status < SESSION_REVOKED)
		return status;
	if (proven.bare || (foreign && !proven.imported) ||
		(proven.codec != &session_codec_jwt &&
		 proven.codec != &session_codec_jwe))
		return SESSION_UNKNOWN;
	if (status != SESSION_ACTIVE)
		return status;
	carried->claims = session_json_parse(proven.payload, proven.len);
	if (carried->claims == NULL)
		return SESSION_UNKNOWN;
	expires = time_claim(&proven, "exp", -1);
	carried->expires_at = expires < 0 ? DT_NOEND :
		from_unix_seconds(expires + (proven.imported ? LEEWAY : 0));
	carried->authenticated_at = authenticated_claim(&proven);
	carried->auth_level = (int32) Max(0, Min(INT_MAX,
											 integer_claim(&proven, "lvl", 1)));
	return SESSION_ACTIVE;
}

bool
session_cookie_deny(const char *value, size_t len, const char *purpose)
{
	Proven		proven = {0};
	SessionDenied denied;
	int64		expires;

	/* Others with its jti may be denied already, but not as long. */
	if (open_any(&proven, value, len, purpose) != SESSION_ACTIVE)
		return false;
	denied = denylist_key_of_cookie(&proven, purpose);
	expires = time_claim(&proven, "exp", -1);
	return session_denylist_add(&denied, expires < 0 ? DT_NOEND :
								from_unix_seconds(expires + LEEWAY));
}

/*
 * Snapshots
 */

static Jsonb *
with_optional(Jsonb *claims, const char *name, const text *value)
{
	return value == NULL ? claims :
		session_json_with_text(claims, name, value);
}

/* Snapshots go with every request, so they are kept small. */
static text *
short_id(const pg_uuid_t *id)
{
	char		chars[SESSION_BASE64URL_CHARS(UUID_LEN)];

	session_base64url_encode(chars, id->data, UUID_LEN);
	return cstring_to_text_with_len(chars, sizeof(chars));
}

static text *
id_text(const pg_uuid_t *id)
{
	Datum		out = DirectFunctionCall1(uuid_out, UUIDPGetDatum(id));

	return cstring_to_text(DatumGetCString(out));
}

const SessionCodec *
session_cookie_codec(void)
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
 * When the row has to be asked again.  Use of a snapshot need not be written
 * down, so a session in use must come by before it looks idle.
 */
static TimestampTz
due_time(const SessionRow *row, const SessionMoment *moment)
{
	TimestampTz due = moment->read_at +
	session_settings.cookie_cache_ttl * USECS_PER_SEC;

	if (row->idle_timeout != 0)
		due = Min(due, moment->read_at + row->idle_timeout / 2);
	return Min(due, session_policy_deadline(row));
}

/*
 * What snapshots are signed for: a name that no application can give a purpose,
 * and no browser a cookie.  A copy of the database has the same keys, and may
 * have other sessions.
 */
static const char *
snapshot_purpose(void)
{
	static char purpose[SESSION_PURPOSE_BYTES + 1];

	snprintf(purpose, sizeof(purpose), "session/cache/%u", MyDatabaseId);
	return purpose;
}

SessionMoment
session_cookie_moment(void)
{
	SessionMoment moment;

	moment.era = session_revocation_note_snapshot(session_settings.cookie_cache_ttl);
	moment.read_at = GetCurrentTimestamp();
	return moment;
}

text *
session_cookie_snapshot_of(const SessionRow *row, const SessionMoment *moment,
						   Jsonb *added, const SessionCodec *codec)
{
	TimestampTz end = session_policy_deadline(row);
	TimestampTz due = due_time(row, moment);
	Jsonb	   *claims = session_claims_without_reserved(added);
	SessionCodecKey key;

	claims = session_json_with_text(claims, "sid", short_id(&row->id));
	claims = session_json_with_text(claims, "tok",
									cstring_to_text(session_digest_of_row(row)));
	claims = with_optional(claims, "uid", row->user_id);
	claims = with_optional(claims, "tid", row->tenant_id);
	claims = with_optional(claims, "role", row->role);
	if (row->auth_level != 1)
		claims = session_json_with_int(claims, "lvl", row->auth_level);
	if (row->authenticated_at != SESSION_NO_TIME)
		claims = session_json_with_int(claims, "aut",
									   unix_seconds(row->authenticated_at));
	if (!TIMESTAMP_NOT_FINITE(end))
		claims = session_json_with_int(claims, "end", unix_seconds(end));
	/* What may yet be rolled back is not to be believed by itself. */
	if (moment->era != 0 && !row->uncommitted)
		claims = session_json_with_int(claims, "era", moment->era);
	claims = with_times(claims, moment->read_at, unix_seconds(due));
	/* Only now: what the claims function calls may have the keys reloaded. */
	key = codec_key(session_keyring_signer(SESSION_COOKIE_RING), true);
	return encode_claims(claims, codec, snapshot_purpose(), &key);
}

text *
session_cookie_try_snapshot(const SessionRow *row,
							const SessionMoment *moment, Jsonb *added)
{
	MemoryContext caller = CurrentMemoryContext;
	text	   *volatile value = NULL;

	if (due_time(row, moment) <= GetCurrentTimestamp() ||
		session_keyring_of(SESSION_COOKIE_RING) == NIL)
		return NULL;

	/*
	 * No subtransaction: the keys are loaded, and nothing else that is called
	 * has effects other than memory of the caller's context.
	 */
	PG_TRY();
	{
		value = session_cookie_snapshot_of(row, moment, added,
										   session_cookie_codec());
	}
	PG_CATCH();
	{
		session_json_swallow_error(caller);
	}
	PG_END_TRY();
	return value;
}

text *
session_cookie_snapshot(const SessionToken *token, const SessionCodec *codec)
{
	SessionMoment moment = session_cookie_moment();
	SessionRow	row;

	if (!session_lifecycle_reread(token, false, &row))
		return NULL;
	return session_cookie_snapshot_of(&row, &moment,
									  session_claims_added(&row), codec);
}

static text *
cookie_text_claim(const Proven *proven, const char *name)
{
	const char *string = string_claim(proven, name);

	if (string == NULL)
		return NULL;
	return cstring_to_text(pg_any_to_server(string, (int) strlen(string),
											PG_UTF8));
}

static bool
cookie_id_claim(const Proven *proven, pg_uuid_t *id)
{
	const char *string = string_claim(proven, "sid");

	return string != NULL &&
		strlen(string) == SESSION_BASE64URL_CHARS(UUID_LEN) &&
		session_base64url_decode(id->data, string, strlen(string));
}

/* Fills a snapshot from what a proven one says. */
static void
from_claims(SessionSnapshot *snapshot, const Proven *proven, int64 now)
{
	int64		issued = integer_claim(proven, "iat", now);
	int64		due = integer_claim(proven, "exp", now);
	int64		end = integer_claim(proven, "end", -1);
	int64		authenticated = integer_claim(proven, "aut", -1);

	snapshot->user_id = cookie_text_claim(proven, "uid");
	snapshot->tenant_id = cookie_text_claim(proven, "tid");
	snapshot->role = cookie_text_claim(proven, "role");
	snapshot->auth_level = (int32) integer_claim(proven, "lvl", 1);
	snapshot->authenticated_at = authenticated < 0 ? SESSION_NO_TIME :
		from_unix_seconds(authenticated);
	snapshot->expires_at = end < 0 ? DT_NOEND : from_unix_seconds(end);
	snapshot->from_row = false;
	/* Early enough that a client in use hardly ever meets the deadline. */
	snapshot->should_refresh = (now - issued) * 5 >= (due - issued) * 4;
}

/* Fills a snapshot from the row of the token; false unless that is valid. */
static bool
from_row(SessionSnapshot *snapshot, const SessionSnapshotRequest *request)
{
	SessionRow	row;

	if (request->token == NULL ||
		session_lifecycle_validate(request->token, &request->binding,
								   &row) != SESSION_ACTIVE)
		return false;
	snapshot->user_id = row.user_id;
	snapshot->tenant_id = row.tenant_id;
	snapshot->role = row.role;
	snapshot->auth_level = row.auth_level;
	snapshot->authenticated_at = row.authenticated_at;
	snapshot->expires_at = session_policy_deadline(&row);
	snapshot->from_row = true;
	return true;
}

/* Proves a snapshot, whether it is due or not. */
static bool
open_snapshot(Proven *proven, const char *value, size_t len,
			  SessionSnapshot *snapshot)
{
	if (prove(proven, value, len, SESSION_COOKIE_RING,
			  snapshot_purpose(), true) != SESSION_ACTIVE ||
		!read_claims(proven) || !cookie_id_claim(proven, &snapshot->id))
		return false;
	snapshot->digest = string_claim(proven, "tok");
	snapshot->payload = proven->payload;
	snapshot->len = proven->len;
	return true;
}

/* Must the row be asked although a snapshot is not due yet? */
static bool
is_doubtful(const Proven *proven, SessionSnapshot *snapshot)
{
	int64		era = integer_claim(proven, "era", 0);
	bool		doubtful = session_revocation_must_check_row(&snapshot->id,
															 snapshot->digest,
															 (uint32) era);

	/* A new one would be of this era. */
	if (doubtful && session_revocation_is_outdated((uint32) era))
		snapshot->should_refresh = true;
	session_database_count(doubtful ? SESSION_COUNT_SNAPSHOT_CHECKED : SESSION_COUNT_SNAPSHOT_ACCEPTED);
	return doubtful;
}

bool
session_cookie_trust(const char *value, size_t len, SessionSnapshot *snapshot)
{
	int64		now = unix_seconds(GetCurrentTimestamp());
	Proven		proven = {0};

	if (!open_snapshot(&proven, value, len, snapshot) || !in_time(&proven, now))
		return false;
	from_claims(snapshot, &proven, now);
	snapshot->doubtful = is_doubtful(&proven, snapshot);
	return true;
}

/* Returns whether a token is the one that a snapshot was made for. */
static bool
is_for_token(const SessionSnapshot *snapshot, const SessionToken *token)
{
	return session_digest_equal(snapshot->digest,
								session_digest_of_token(token));
}

bool
session_cookie_believe(const char *value, size_t len,
					   const SessionSnapshotRequest *request,
					   SessionSnapshot *snapshot)
{
	int64		now = unix_seconds(GetCurrentTimestamp());
	const SessionToken *token = request->token;
	Proven		proven = {0};

	if (!open_snapshot(&proven, value, len, snapshot))
	{
		session_cookie_note(proven.codec == NULL ? SESSION_MALFORMED :
							SESSION_UNKNOWN, request->binding.ip);
		return false;
	}
	if (token != NULL && memcmp(snapshot->id.data, token->id, UUID_LEN) != 0)
		return false;
	/* A new one is due, unless this one says otherwise. */
	snapshot->should_refresh = true;
	if (request->sensitive || !in_time(&proven, now) ||
		(token != NULL && !is_for_token(snapshot, token)))
		return from_row(snapshot, request);
	from_claims(snapshot, &proven, now);
	/* One made for the row as it is might be doubted as well. */
	if (session_policy_requires_binding(&session_settings) ||
		is_doubtful(&proven, snapshot))
		return from_row(snapshot, request);
	session_activity_again(&snapshot->id, GetCurrentTimestamp());
	return true;
}

Jsonb *
session_cookie_added(const SessionSnapshot *snapshot)
{
	Jsonb	   *claims = session_json_parse(snapshot->payload, snapshot->len);

	return claims == NULL ? session_json_empty() :
		session_claims_without_reserved(claims);
}

/*
 * Tokens for other services
 */

text *
session_cookie_jwt(const SessionToken *token, int64 ttl, Jsonb *claims,
				   text *audience)
{
	TimestampTz now;
	SessionCodecKey key;
	SessionRow	row;
	Jsonb	   *added;
	int64		expires;

	if (!session_lifecycle_reread(token, true, &row))
		return NULL;
	added = session_claims_without_reserved(session_claims_added(&row));
	claims = session_json_merged(added, claims);
	now = GetCurrentTimestamp();
	expires = Min(unix_seconds(session_policy_deadline(&row)),
				  unix_seconds(now) + ttl);
	claims = session_json_with_text(claims, "sid", id_text(&row.id));
	claims = with_optional(claims, "sub", row.user_id);
	claims = with_optional(claims, "tid", row.tenant_id);
	claims = with_optional(claims, "role", row.role);
	claims = session_json_with_int(claims, "lvl", row.auth_level);
	claims = with_optional(claims, "aud", audience);
	claims = with_times(claims, now, expires);
	claims = session_json_with_text(claims, "jti", random_uuid());
	/* As above. */
	key = codec_key(session_keyring_signer("jwt"), false);
	return encode_claims(claims, &session_codec_jwt, "jwt", &key);
}
