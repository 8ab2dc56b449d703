/*
 * dbsc.c
 *	  Device Bound Session Credentials: sessions that are bound to a key which
 *	  the browser keeps.
 *
 * The application offers the browser to bind the session when its user logs
 * in.  The browser makes a key and proves that it has it; the session is bound
 * then.  From then on a request also needs the bound cookie, which is good for
 * a few minutes.  When it is over, the browser proves again that it has the
 * key, and gets another.
 *
 * Requests that the browser sent before it had its first bound cookie arrive
 * after the session was bound.  So for "session.dbsc_grace" after that, the
 * token alone is accepted, as it was just before.  That time counts from the
 * binding, and no renewal starts it again.
 *
 * Rules:
 * - A challenge is good for one session, one use and five minutes, and is
 *	 answered once: the row has the time of the last one.
 * - A proof that binds a session contains its key, is for the token that the
 *	 session had when it was offered, and uses an algorithm that was offered.
 *	 One that renews contains no key: that of the row counts.
 * - A proof is verified before a row is locked for it, unless the token of the
 *	 session came with it.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/timestamp.h"

#include "audit/evidence.h"
#include "compat.h"
#include "cookie/cookie.h"
#include "cookie/dbsc.h"
#include "cookie/proof.h"
#include "engine/bind.h"
#include "engine/challenge.h"
#include "engine/lifecycle.h"
#include "model/digest.h"
#include "model/json.h"
#include "settings.h"
#include "table/denylist.h"
#include "table/keyring.h"
#include "table/store.h"
#include "wire/bound.h"
#include "wire/cookie_header.h"
#include "wire/jwk.h"
#include "wire/possession.h"

/* The ring and purpose of cookies that are a session by themselves. */
#define COOKIE_RING "session"

/* The algorithms that are offered, as a structured field (RFC 9651). */
#define OFFERED "(ES256 RS256)"

/*
 * A bound cookie is accepted for some seconds after its Max-Age, because the
 * browser counts that from when it gets the cookie, and a request takes time.
 */
#define GRACE 15

/* A session that is bound, or is to be bound. */
typedef struct Bindable
{
	pg_uuid_t	id;
	uint8		hash[SESSION_SHA256_BYTES]; /* of its token, or the cookie */
	SessionBound bound;
	Jsonb	   *key;			/* NULL = not bound */
	TimestampTz answered;		/* the last challenge, or SESSION_NO_TIME */
} Bindable;

/* Returns the session of a row. */
static Bindable
bindable_row(const SessionRow *row)
{
	Bindable	session = {
		.id = row->id,.bound = row->bound,.answered = row->answered_at
	};

	memcpy(session.hash, row->token_hash, sizeof(session.hash));
	if (row->bound_key != NULL)
		session.key = DatumGetJsonbP(PointerGetDatum(row->bound_key));
	return session;
}

/*
 * Bound cookies
 */

/* Returns whether one of the keys has made a bound cookie. */
static bool
is_genuine(const SessionBoundCookie *cookie)
{
	ListCell   *cell;

	foreach(cell, session_keyring_of(SESSION_KEYRING_BOUND))
	{
		SessionCodecKey key = session_keyring_codec_key(lfirst(cell));

		if (session_bound_verify(cookie, session_challenge_realm(), &key))
			return true;
	}
	return false;
}

/* Sets what a bound cookie proves. */
void
session_dbsc_prove(SessionPossession *proven, const char *value, size_t len)
{
	SessionBoundCookie cookie;

	memset(proven, 0, sizeof(*proven));
	if (!session_bound_parse(&cookie, value, len) ||
		session_bound_expires(&cookie) <=
		session_proof_seconds(GetCurrentTimestamp()) ||
		!is_genuine(&cookie))
		return;
	proven->bound.by = SESSION_BOUND_DBSC;
	memcpy(proven->bound.thumbprint, cookie.thumbprint,
		   sizeof(cookie.thumbprint));
	memcpy(proven->id.data, cookie.id, UUID_LEN);
}

/* Makes the bound cookie of a session, good from now on. */
static text *
make_cookie(const pg_uuid_t *id, const SessionBound *bound)
{
	SessionCodecKey key = session_challenge_key();
	SessionBoundCookie cookie;
	char		chars[SESSION_BOUND_CHARS];

	memcpy(cookie.id, id->data, UUID_LEN);
	memcpy(cookie.thumbprint, bound->thumbprint, sizeof(cookie.thumbprint));
	session_bound_set_expires(&cookie,
							  session_proof_seconds(GetCurrentTimestamp()) +
							  session_settings.bound_cookie_ttl + GRACE);
	if (!session_bound_sign(&cookie, session_challenge_realm(), &key))
		session_digest_fail();
	session_bound_format(chars, &cookie);
	return cstring_to_text_with_len(chars, sizeof(chars));
}

/*
 * Returns the Set-Cookie of the bound cookie, which is like the session
 * cookie.  Errors where the settings describe no cookie that browsers accept.
 */
static text *
set_cookie(const text *value, int64 max_age)
{
	SessionCookie cookie = session_policy_cookie(&session_settings);
	char	   *name = psprintf("%s%s", session_settings.cookie_name,
								SESSION_COOKIE_BOUND_SUFFIX);
	char		line[SESSION_COOKIE_BYTES];
	size_t		len;

	cookie.name.chars = name;
	cookie.name.len = strlen(name);
	cookie.value.chars = VARDATA_ANY(value);
	cookie.value.len = VARSIZE_ANY_EXHDR(value);
	cookie.max_age = max_age;
	if (session_cookie_header_check(&cookie) != SESSION_COOKIE_OK ||
		session_cookie_header_chunks(&cookie) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the settings describe no cookie that browsers accept"),
				 errhint("session_cookie_header() says which setting is "
						 "wrong.")));
	len = session_cookie_header_write(line, &cookie, SESSION_COOKIE_WHOLE);
	return cstring_to_text_with_len(line, (int) len);
}

/*
 * Challenges
 */

/*
 * Returns a challenge to the client of a session, which is later than the one
 * that it answered last.
 */
static char *
make_challenge(const pg_uuid_t *id, TimestampTz answered,
			   SessionChallengeUse use)
{
	TimestampTz made = session_policy_challenge_time(answered,
													 GetCurrentTimestamp());

	return session_challenge_make(made, id->data, use);
}

/* Returns the value of Secure-Session-Challenge for a session. */
static text *
challenge_header(const pg_uuid_t *id, TimestampTz answered)
{
	char	   *name = DatumGetCString(DirectFunctionCall1(uuid_out,
														   UUIDPGetDatum(id)));

	return cstring_to_text(psprintf("\"%s\";id=\"%s\"",
									make_challenge(id, answered,
												   SESSION_CHALLENGE_REFRESH),
									name));
}

/* Returns whether a value is the one that was given with an offer. */
static bool
is_authorization(const char *chars, const Bindable *session)
{
	char		expected[SESSION_AUTHORIZATION_CHARS];
	ListCell   *cell;

	if (strlen(chars) != sizeof(expected))
		return false;
	foreach(cell, session_keyring_of(SESSION_KEYRING_BOUND))
	{
		SessionCodecKey key = session_keyring_codec_key(lfirst(cell));

		if (session_bound_authorization(expected, session->id.data,
										session->hash, session_challenge_realm(), &key) &&
			session_crypto_equal(chars, expected, sizeof(expected)))
			return true;
	}
	return false;
}

/*
 * Answers
 */

/* Appends a JSON string. */
static void
put_json_string(StringInfo out, const char *prefix, const char *value)
{
	appendStringInfoString(out, prefix);
	escape_json(out, value);
}

/*
 * Returns the instructions for a browser: the cookie that it keeps fresh, and
 * how.  Without a line of Set-Cookie, they say that the session is over.
 */
static Jsonb *
make_instructions(const pg_uuid_t *id, const text *refresh_path,
				  const text *line)
{
	StringInfoData json;

	initStringInfo(&json);
	put_json_string(&json, "{\"session_identifier\": ",
					DatumGetCString(DirectFunctionCall1(uuid_out,
														UUIDPGetDatum(id))));
	if (line == NULL)
		appendStringInfoString(&json, ", \"continue\": false}");
	else
	{
		/* The attributes are what follows the name and the empty value. */
		char	   *attributes = text_to_cstring(line);

		attributes = strstr(attributes, "; ");
		put_json_string(&json, ", \"refresh_url\": ",
						text_to_cstring(refresh_path));
		put_json_string(&json, ", \"scope\": {\"include_site\": false}, "
						"\"credentials\": [{\"type\": \"cookie\", \"name\": ",
						psprintf("%s%s", session_settings.cookie_name,
								 SESSION_COOKIE_BOUND_SUFFIX));
		put_json_string(&json, ", \"attributes\": ",
						attributes == NULL ? "" : attributes + 2);
		appendStringInfoString(&json, "}]}");
	}
	return session_json_parse_local(json.data);
}

/* Fills the answer to a browser that has proven its key. */
static void
grant_cookie(SessionDbscAnswer *answer, const Bindable *session,
			 const text *refresh_path)
{
	text	   *nothing = cstring_to_text("");

	answer->cookie = make_cookie(&session->id, &session->bound);
	answer->line = set_cookie(answer->cookie,
							  session_settings.bound_cookie_ttl);
	answer->instructions =
		make_instructions(&session->id, refresh_path,
						  set_cookie(nothing, SESSION_COOKIE_NO_MAX_AGE));
	answer->challenge = challenge_header(&session->id, session->answered);
}

/*
 * Binding
 */

/* Returns whether the session that a token names is bound to a key. */
static bool
is_bound_already(const SessionToken *token)
{
	SessionRow	row;
	pg_uuid_t	id;

	memcpy(id.data, token->id, UUID_LEN);
	return session_lifecycle_peek(&id, &row) &&
		row.bound.by != SESSION_BOUND_NOT;
}

/* Returns the value of Secure-Session-Registration for a session. */
static text *
make_offer(const Bindable *session, const text *path)
{
	char		authorization[SESSION_AUTHORIZATION_CHARS + 1] = {0};
	SessionCodecKey key = session_challenge_key();

	if (!session_bound_authorization(authorization, session->id.data,
									 session->hash, session_challenge_realm(), &key))
		session_digest_fail();
	return cstring_to_text(psprintf("%s;path=\"%s\";challenge=\"%s\";"
									"authorization=\"%s\"", OFFERED,
									text_to_cstring(path),
									make_challenge(&session->id,
												   SESSION_NO_TIME,
												   SESSION_CHALLENGE_REGISTER),
									authorization));
}

/* Offers to bind the session of a token. */
text *
session_dbsc_make_offer(const SessionToken *token, const text *path)
{
	SessionPossession none = {0};
	SessionRow	row;
	Bindable	session;

	/* To offer it for a session that is bound already is no theft. */
	if (is_bound_already(token) ||
		!session_lifecycle_use(token, &none, &row) || row.has_parent)
		return NULL;
	session = bindable_row(&row);
	return make_offer(&session, path);
}

/* Returns whether an algorithm was offered. */
static bool
is_offered(const SessionAlgorithm *algorithm)
{
	return algorithm == &session_algorithm_es256 ||
		algorithm == &session_algorithm_rs256;
}

/*
 * Returns whether a proof answers the offer to bind a session, and sets the
 * time of its challenge.
 */
static bool
answers_offer(const SessionPossessionProof *proof, const Bindable *session,
			  TimestampTz *made)
{
	const char *challenge = session_possession_string(proof, "jti");
	const char *authorization = session_possession_string(proof,
														  "authorization");

	return proof->has_key && is_offered(proof->algorithm) &&
		challenge != NULL && authorization != NULL &&
		session_challenge_read(made, challenge, session->id.data,
							   SESSION_CHALLENGE_REGISTER) &&
		session_policy_challenge_good(*made, SESSION_NO_TIME,
									  GetCurrentTimestamp()) &&
		is_authorization(authorization, session) &&
		session_possession_verify(proof, &proof->key);
}

/* Leaves evidence of a proof that was not good. */
static void
note_guess(const Bindable *session)
{
	SessionRow	row = {.id = session->id};

	session_evidence_guess(&row, NULL);
}

/*
 * Binds a session to the key in a proof, if that answers the offer.  Otherwise
 * leaves evidence, and returns false.
 */
static bool
take_key(Bindable *session, const char *chars, size_t len)
{
	SessionPossessionProof *proof = palloc(sizeof(*proof));
	bool		good;

	good = session_possession_read(proof, chars, len, SESSION_POSSESSION_DBSC);
	if (good)
	{
		good = answers_offer(proof, session, &session->answered);
		session_possession_free(proof);
	}
	if (good)
	{
		char		json[SESSION_JWK_WRITTEN_BYTES];

		session->bound.by = SESSION_BOUND_DBSC;
		if (!session_jwk_thumbprint(session->bound.thumbprint, &proof->key))
			session_digest_fail();
		session->key = session_json_parse(json,
										  session_jwk_write(json, &proof->key,
															NULL));
	}
	else
		note_guess(session);
	pfree(proof);
	return good;
}

/* Binds the session of a token to the key in a proof. */
bool
session_dbsc_bind(const SessionToken *token, const char *proof, size_t len,
				  const text *refresh_path, SessionDbscAnswer *answer)
{
	SessionPossession none = {0};
	SessionRow	row;
	Bindable	session;

	memset(answer, 0, sizeof(*answer));
	if (!session_lifecycle_hold(token, &none, &row) ||
		row.bound.by != SESSION_BOUND_NOT || row.has_parent)
		return false;
	session = bindable_row(&row);
	if (!take_key(&session, proof, len))
		return false;
	row.bound = session.bound;
	row.bound_key = (struct varlena *) session.key;
	row.bound_at = GetCurrentTimestamp();
	row.answered_at = session.answered;
	session_bind_to_key(&row);
	grant_cookie(answer, &session, refresh_path);
	return true;
}

/*
 * Renewing
 */

/* Reads a key as it was stored; false if it cannot be read. */
static bool
read_stored_key(SessionPublicParts *key, Jsonb *stored)
{
	SessionJwk	jwk;
	size_t		len;
	char	   *json = session_json_text(stored, &len);

	if (session_jwk_read(&jwk, json, len) != SESSION_JWK_OK)
		return false;
	*key = jwk.parts;
	return true;
}

/*
 * Returns whether a proof was made with the key of a session and answers a
 * challenge to it.  Sets the time of that.
 */
static bool
answers_challenge(const SessionPossessionProof *proof,
				  const Bindable *session, TimestampTz *made)
{
	const char *challenge = session_possession_string(proof, "jti");
	SessionPublicParts key;

	return !proof->has_key && challenge != NULL &&
		session_challenge_read(made, challenge, session->id.data,
							   SESSION_CHALLENGE_REFRESH) &&
		read_stored_key(&key, session->key) &&
		session_possession_verify(proof, &key);
}

/*
 * Returns whether a text proves the key of a session, and sets the time of the
 * challenge that it answers.  If not, leaves evidence.
 */
static bool
check_renewal(const char *chars, size_t len, const Bindable *session,
			  TimestampTz *made)
{
	SessionPossessionProof *proof = palloc(sizeof(*proof));
	bool		good;

	good = session_possession_read(proof, chars, len, SESSION_POSSESSION_DBSC);
	if (good)
	{
		good = answers_challenge(proof, session, made);
		session_possession_free(proof);
	}
	pfree(proof);
	if (!good)
		note_guess(session);
	return good;
}

/*
 * Returns whether a missing session may be one that a standby does not have
 * yet.
 */
static bool
may_come(const pg_uuid_t *id)
{
	SessionRow	row;

	return RecoveryInProgress() &&
		session_keyring_of(SESSION_KEYRING_BOUND) != NIL &&
		!session_store_read_without_data(id, &row);
}

/*
 * Answers about a session that is not bound, or has ended: the browser forgets
 * it.
 */
static void
end_binding(SessionDbscAnswer *answer, const pg_uuid_t *id)
{
	if (may_come(id))
		answer->challenge = challenge_header(id, SESSION_NO_TIME);
	else
		answer->instructions = make_instructions(id, NULL, NULL);
}

/* Renews the bound cookie of a session, or answers with a challenge. */
void
session_dbsc_renew(const pg_uuid_t *id, const char *proof, size_t len,
				   const text *refresh_path, SessionDbscAnswer *answer)
{
	SessionRow	row;
	Bindable	session;
	TimestampTz made;

	memset(answer, 0, sizeof(*answer));
	if (!session_bind_find(id, SESSION_BOUND_DBSC, &row))
	{
		end_binding(answer, id);
		return;
	}
	session = bindable_row(&row);
	if (proof == NULL || !check_renewal(proof, len, &session, &made))
		answer->challenge = challenge_header(id, session.answered);
	else if (session_bind_answer(&row, made))
	{
		session.answered = made;
		grant_cookie(answer, &session, refresh_path);
	}
	else
		session_dbsc_renew(id, NULL, 0, refresh_path, answer);
}

/*
 * Cookies that are a session by themselves
 *
 * The key is in the cookie, in the claim cnf (RFC 7800).  The cookie from
 * before is denied, after the grace.  A challenge that was answered is denied
 * like a cookie.
 */

/*
 * Reads the session that a cookie is.  Returns false unless it has an id, and
 * for one in whose place another was made.
 */
static bool
read_cookie(Bindable *session, SessionIdentity *identity, const char *value,
			size_t len)
{
	bool		has_identity = false;
	SessionDenylistKey key;
	text	   *cnf;
	Jsonb	   *object = NULL;

	if (session_cookie_identify(value, len, COOKIE_RING, false, identity,
								&has_identity) != SESSION_ACTIVE ||
		!has_identity || !identity->has_id || identity->of_issuer ||
		!session_denylist_parse_key(&key, identity->proof) ||
		session_denylist_lists(&key))
		return false;
	memset(session, 0, sizeof(*session));
	session->id = identity->id;
	session->bound = identity->bound;
	session->answered = SESSION_NO_TIME;
	session_digest_sha256(session->hash, value, len);
	cnf = session_json_member(session_identity_claims(identity), "cnf", 3);
	if (cnf != NULL)
		object = session_json_parse_local(text_to_cstring(cnf));
	cnf = object == NULL ? NULL : session_json_member(object, "jwk", 3);
	if (cnf != NULL)
		session->key = session_json_parse_local(text_to_cstring(cnf));
	return true;
}

/* Offers to bind a cookie. */
text *
session_dbsc_offer_cookie(const char *value, size_t len, const text *path)
{
	SessionIdentity identity;
	Bindable	session;

	if (!read_cookie(&session, &identity, value, len) ||
		session.bound.by != SESSION_BOUND_NOT)
		return NULL;
	return make_offer(&session, path);
}

/* Returns the claims of a cookie with its id and the key it is bound to. */
static Jsonb *
bound_claims(const SessionIdentity *identity, const Bindable *session)
{
	static const char *const stamps[] = {"iat", "exp", "jti"};
	char		jkt[SESSION_BASE64URL_CHARS(SESSION_SHA256_BYTES) + 1] = {0};
	char	   *id = DatumGetCString(DirectFunctionCall1(uuid_out,
														 UUIDPGetDatum(&session->id)));
	char	   *added;

	session_base64url_encode(jkt, session->bound.thumbprint,
							 sizeof(session->bound.thumbprint));
	added = psprintf("{\"sid\": \"%s\", \"cnf\": {\"jkt\": \"%s\", "
					 "\"jwk\": %s}}", id, jkt,
					 JsonbToCString(NULL, &session->key->root,
									VARSIZE(session->key)));
	return session_json_merged(session_json_without(session_identity_claims(identity),
													stamps, lengthof(stamps)),
							   session_json_parse_local(added));
}

/* Binds a cookie to the key in a proof: makes another, and denies it. */
bool
session_dbsc_bind_cookie(const char *value, size_t len, const char *proof,
						 size_t proof_len, const text *refresh_path,
						 SessionDbscAnswer *answer)
{
	SessionIdentity identity;
	SessionDenylistKey denied;
	Bindable	session;
	int64		left;

	memset(answer, 0, sizeof(*answer));
	if (!read_cookie(&session, &identity, value, len) ||
		session.bound.by != SESSION_BOUND_NOT ||
		!take_key(&session, proof, proof_len))
		return false;
	left = session_proof_seconds(identity.expires_at) -
		session_proof_seconds(GetCurrentTimestamp());
	/* A key that leaked, and was retired since, must not make it last. */
	left = Min(left, session_settings.lifetime);
	/* Of several calls for one cookie, only one denies it. */
	if (left <= 0 || TIMESTAMP_NOT_FINITE(identity.expires_at) ||
		!session_denylist_parse_key(&denied, identity.proof) ||
		!session_denylist_replace(&denied, identity.expires_at,
								  GetCurrentTimestamp()))
		return false;
	answer->token = session_cookie_mint(bound_claims(&identity, &session),
										session_codec_of(value, len), left,
										COOKIE_RING);
	grant_cookie(answer, &session, refresh_path);
	return true;
}

/*
 * Records that a challenge was answered.  Returns false if it was before, or
 * is too old.
 */
static bool
answer_challenge(const pg_uuid_t *id, TimestampTz made)
{
	char	   *named = psprintf("bound\n%s\n" INT64_FORMAT,
								 DatumGetCString(DirectFunctionCall1(uuid_out,
																	 UUIDPGetDatum(id))),
								 made);
	SessionDenylistKey key;

	if (!session_policy_challenge_good(made, SESSION_NO_TIME,
									   GetCurrentTimestamp()))
		return false;
	session_digest_sha256(key.hash, named, strlen(named));
	return session_denylist_add(&key, made + SESSION_CHALLENGE_USECS +
								USECS_PER_SEC);
}

/* Renews the bound cookie of a cookie, or answers with a challenge. */
void
session_dbsc_renew_cookie(const pg_uuid_t *id, const char *value, size_t len,
						  const char *proof, size_t proof_len,
						  const text *refresh_path, SessionDbscAnswer *answer)
{
	SessionIdentity identity;
	Bindable	session;
	TimestampTz made;

	memset(answer, 0, sizeof(*answer));
	if (!read_cookie(&session, &identity, value, len) ||
		session.key == NULL || memcmp(id->data, session.id.data, UUID_LEN) != 0)
		answer->instructions = make_instructions(id, NULL, NULL);
	else if (proof != NULL &&
			 check_renewal(proof, proof_len, &session, &made) &&
			 answer_challenge(id, made))
		grant_cookie(answer, &session, refresh_path);
	else
		answer->challenge = challenge_header(id, SESSION_NO_TIME);
}
