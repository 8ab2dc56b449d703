/*
 * request.c
 *	  The web request that a gateway describes in the settings request.*.
 *
 * Rules:
 * - What a client sends is data and raises no error.  A header, cookie or
 *	 address that cannot be read counts as missing.
 * - A token in a header comes before one in a cookie: a browser sends cookies
 *	 by itself, a header is sent on purpose.
 * - Nothing here sets request.*, and response.headers is only added to.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/inet.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "cookie/cookie.h"
#include "cookie/dbsc.h"
#include "crypto/crypto.h"
#include "engine/info.h"
#include "engine/lifecycle.h"
#include "engine/secret.h"
#include "model/address.h"
#include "model/json.h"
#include "request/request.h"
#include "settings.h"
#include "wire/authorization.h"
#include "wire/cookie_header.h"
#include "wire/flat.h"

/*
 * Reading
 */

/* Returns a setting of the gateway; NULL when it is empty or missing. */
static char *
gateway_setting(const char *name)
{
	const char *value = GetConfigOption(name, true, false);

	if (value == NULL || value[0] == '\0')
		return NULL;
	return pstrdup(value);
}

/* An object with more members or bytes is read as jsonb. */
#define FLAT_MEMBERS 64
#define FLAT_BYTES (64 * 1024)

/* Reads the text of an object of strings; returns false for any other text. */
static bool
read_flat_object(SessionRequestObject *object, const char *json, size_t len)
{
	SessionMember *members;

	if (len > FLAT_BYTES)
		return false;
	members = palloc_array(SessionMember, FLAT_MEMBERS);
	if (!session_flat_read(members, &object->count, FLAT_MEMBERS, palloc(len),
						   json, len))
		return false;
	for (int i = 0; i < object->count; i++)
		if (members[i].kind != SESSION_JSON_STRING)
			return false;
	object->members = members;
	return true;
}

/* Reads a setting that is a JSON object; any other counts as missing. */
static void
read_gateway_object(SessionRequestObject *object, const char *name)
{
	char	   *value = gateway_setting(name);
	Jsonb	   *whole;

	memset(object, 0, sizeof(*object));
	if (value == NULL || read_flat_object(object, value, strlen(value)))
		return;
	whole = session_json_parse_local(value);
	if (whole != NULL && JB_ROOT_IS_OBJECT(whole))
		object->whole = whole;
}

/* Returns whether the gateway has set the object. */
static bool
has_object(const SessionRequestObject *object)
{
	return object->members != NULL || object->whole != NULL;
}

/* Returns a member as text; NULL when it is missing or null. */
static text *
object_member(const SessionRequestObject *object, const char *name)
{
	if (object->whole != NULL)
		return session_json_member(object->whole, name, strlen(name));
	if (object->members == NULL)
		return NULL;
	/* As in jsonb, the last of several members of a name counts. */
	for (int i = object->count - 1; i >= 0; i--)
		if (strcmp(object->members[i].name, name) == 0)
			return cstring_to_text(object->members[i].string);
	return NULL;
}

/*
 * Returns the member whose name consists of two parts, as text.  Most requests
 * have none, so its name is not put together to find that out.
 */
static text *
object_member_of(const SessionRequestObject *object, const char *start,
				 const char *end)
{
	size_t		len = strlen(start);

	if (object->whole != NULL)
		return object_member(object, psprintf("%s%s", start, end));
	if (object->members == NULL)
		return NULL;
	for (int i = object->count - 1; i >= 0; i--)
		if (strncmp(object->members[i].name, start, len) == 0 &&
			strcmp(object->members[i].name + len, end) == 0)
			return cstring_to_text(object->members[i].string);
	return NULL;
}

/* Returns a header by its name, in any case; NULL when there is none. */
static text *
header_value(const SessionRequest *request, const char *name)
{
	char	   *lower;

	if (name == NULL || name[0] == '\0')
		return NULL;
	lower = pstrdup(name);
	for (char *c = lower; *c != '\0'; c++)
		*c = pg_ascii_tolower((unsigned char) *c);
	return object_member(&request->headers, lower);
}

static SessionCookieText
cookie_text_of(const char *chars, size_t len)
{
	SessionCookieText result = {chars, len};

	return result;
}

/*
 * Returns a cookie from the Cookie header, for a gateway that does not fill
 * request.cookies; NULL when there is none.
 */
static text *
cookie_in_header(const SessionRequest *request, const char *name)
{
	text	   *line = header_value(request, "cookie");
	SessionCookieText in;
	SessionCookieText wanted = cookie_text_of(name, strlen(name));
	SessionCookieFound found;
	size_t		len;
	text	   *value;

	if (line == NULL)
		return NULL;
	in = cookie_text_of(VARDATA_ANY(line), VARSIZE_ANY_EXHDR(line));
	session_cookie_header_find(&found, &in, &wanted);
	if (!session_cookie_header_value_len(&found, &len))
		return NULL;
	value = palloc(VARHDRSZ + len);
	SET_VARSIZE(value, VARHDRSZ + len);
	session_cookie_header_value(VARDATA(value), &found);
	return value;
}

/* Returns the value of a cookie, joined if it came in chunks. */
text *
session_request_cookie(const SessionRequest *request, const char *name)
{
	StringInfoData joined;
	text	   *value = object_member(&request->cookies, name);

	if (value != NULL)
		return value;
	if (!has_object(&request->cookies))
		return cookie_in_header(request, name);
	initStringInfo(&joined);
	for (int i = 0; i < SESSION_COOKIE_CHUNKS; i++)
	{
		value = object_member(&request->cookies,
							  psprintf("%s.%d", name, i));
		if (value == NULL)
			break;
		appendBinaryStringInfo(&joined, VARDATA_ANY(value),
							   VARSIZE_ANY_EXHDR(value));
	}
	return joined.len == 0 ? NULL :
		cstring_to_text_with_len(joined.data, joined.len);
}

/* Returns the value, or NULL for an empty one, which stands for none. */
static text *
unless_empty(text *value)
{
	return value == NULL || VARSIZE_ANY_EXHDR(value) == 0 ? NULL : value;
}

/*
 * Returns the token with the scheme DPoP in the Authorization header; NULL
 * when there is none.  Without "session.public_url" no proof could be good, so
 * it is meant for another system.
 */
static text *
dpop_credential(const SessionRequest *request)
{
	text	   *value;
	const char *token;
	size_t		len;

	if (session_settings.public_url[0] == '\0')
		return NULL;
	value = header_value(request, "authorization");
	if (value == NULL ||
		!session_authorization_dpop(&token, &len, VARDATA_ANY(value),
									VARSIZE_ANY_EXHDR(value)))
		return NULL;
	return cstring_to_text_with_len(token, (int) len);
}

/*
 * Returns the credential in the header "session.token_header"; NULL when there
 * is none.  In the Authorization header only the scheme Bearer counts: the
 * credential of another scheme is meant for another system.
 */
static text *
header_credential(const SessionRequest *request)
{
	text	   *value = header_value(request, session_settings.token_header);
	const char *token;
	size_t		len;

	if (value == NULL ||
		pg_strcasecmp(session_settings.token_header, "authorization") != 0)
		return value;
	if (!session_authorization_bearer(&token, &len, VARDATA_ANY(value),
									  VARSIZE_ANY_EXHDR(value)))
		return NULL;
	return cstring_to_text_with_len(token, (int) len);
}

/*
 * Returns whether a proof of DPoP may go with the credential: it has that
 * scheme, or comes in a header without a scheme.  A token with the scheme
 * Bearer, or in a cookie, says that its client uses no proofs.
 */
static bool
may_have_proof(const SessionRequest *request)
{
	return request->is_dpop ||
		(request->from_header &&
		 pg_strcasecmp(session_settings.token_header, "authorization") != 0);
}

/* Returns the URL of the request; NULL when it is not known. */
static char *
request_url(void)
{
	size_t		len = strlen(session_settings.public_url);
	char	   *path = session_request_path();

	if (len == 0)
		return NULL;
	if (session_settings.public_url[len - 1] == '/')
		len--;
	return psprintf("%.*s%s", (int) len, session_settings.public_url,
					path == NULL ? "" : path);
}

/* Returns the proof of DPoP beside the credential; NULL when there is none. */
static SessionDpopProof *
read_proof(const SessionRequest *request)
{
	text	   *value = header_value(request, "dpop");
	char	   *method = session_request_method();
	SessionDpopProof *proof;

	if (value == NULL)
		return NULL;
	proof = palloc0_object(SessionDpopProof);
	/* No proof is good for a request whose method or path is not known. */
	proof->chars = VARDATA_ANY(value);
	proof->len = method == NULL || session_request_path() == NULL ? 0 :
		VARSIZE_ANY_EXHDR(value);
	proof->method = method == NULL ? "" : method;
	proof->method_len = strlen(proof->method);
	proof->url = request_url();
	proof->url_len = proof->url == NULL ? 0 : strlen(proof->url);
	proof->token = VARDATA_ANY(request->credential);
	proof->token_len = VARSIZE_ANY_EXHDR(request->credential);
	return proof;
}

/* Reads the running request, and which credential it has. */
void
session_request_read(SessionRequest *request)
{
	read_gateway_object(&request->cookies, "request.cookies");
	read_gateway_object(&request->headers, "request.headers");
	request->credential = dpop_credential(request);
	request->is_dpop = request->credential != NULL;
	if (!request->is_dpop)
		request->credential = unless_empty(header_credential(request));
	request->from_header = request->credential != NULL;
	if (may_have_proof(request))
		request->proof = read_proof(request);
	if (!request->from_header && session_settings.cookie_name[0] != '\0')
		request->credential = unless_empty(session_request_cookie(request, session_settings.cookie_name));
}

/* Returns whether request.headers is a JSON object. */
bool
session_request_has_headers(const SessionRequest *request)
{
	return has_object(&request->headers);
}

/* Returns a header by its name; NULL when there is none or it is empty. */
text *
session_request_header(const SessionRequest *request, const char *name)
{
	return unless_empty(header_value(request, name));
}

/* Returns request.method; NULL when it is not known. */
char *
session_request_method(void)
{
	return gateway_setting("request.method");
}

/* Returns request.path; NULL when it is not known. */
char *
session_request_path(void)
{
	return gateway_setting("request.path");
}

/*
 * Returns the id in a cookie that express-session signed, if a key that was
 * imported for the cookie's name proves it; NULL for any other credential.
 */
static text *
signed_id(const SessionRequest *request)
{
	if (!session_settings.foreign_tokens || request->from_header)
		return NULL;
	return session_cookie_signed_id(VARDATA_ANY(request->credential),
									VARSIZE_ANY_EXHDR(request->credential),
									session_settings.cookie_name);
}

/*
 * Reads the credential as a session token, or the foreign token in it; returns
 * false when it is none.
 */
bool
session_request_token(const SessionRequest *request, SessionToken *token)
{
	text	   *chars = signed_id(request);

	if (chars == NULL)
		chars = request->credential;
	return session_secret_read(token, VARDATA_ANY(chars),
							   VARSIZE_ANY_EXHDR(chars));
}

/*
 * Returns the client's address: the last in its header, which the nearest
 * proxy wrote.  NULL when it is not known.
 */
inet *
session_request_client_ip(const SessionRequest *request)
{
	text	   *value = header_value(request, session_settings.client_ip_header);

	return value == NULL ? NULL :
		session_address_forwarded(VARDATA_ANY(value),
								  VARSIZE_ANY_EXHDR(value), 1);
}

/* Sets the key that the request's bound cookie proves. */
void
session_request_possession(const SessionRequest *request,
						   SessionPossession *proven)
{
	text	   *value = object_member_of(&request->cookies,
										 session_settings.cookie_name,
										 SESSION_COOKIE_BOUND_SUFFIX);

	if (value == NULL && !has_object(&request->cookies))
		value = cookie_in_header(request,
								 psprintf("%s%s", session_settings.cookie_name,
										  SESSION_COOKIE_BOUND_SUFFIX));
	memset(proven, 0, sizeof(*proven));
	if (value != NULL)
		session_dbsc_prove(proven, VARDATA_ANY(value),
						   VARSIZE_ANY_EXHDR(value));
}

/* Returns whether a browser sends the request to renew its bound cookie. */
bool
session_request_renews(const SessionRequest *request)
{
	return header_value(request, "sec-secure-session-id") != NULL;
}

/* Returns the client's address and user agent, and the key it has proven. */
SessionBinding
session_request_binding(const SessionRequest *request)
{
	text	   *agent = header_value(request, "user-agent");
	SessionBinding binding = {
		.ip = session_request_client_ip(request),
		.user_agent = agent == NULL ? NULL : session_info_user_agent(agent)
	};

	session_request_possession(request, &binding.proven);
	binding.proven.dpop = request->proof;
	return binding;
}

/*
 * Answering
 */

/*
 * Returns whether an entry of response.headers has a header whose value starts
 * in a way.
 */
static bool
is_entry_of(JsonbValue *entry, const char *header, const char *start)
{
	text	   *value = session_json_member(JsonbValueToJsonb(entry), header,
											strlen(header));
	size_t		len = strlen(start);

	return value != NULL && VARSIZE_ANY_EXHDR(value) > len &&
		memcmp(VARDATA_ANY(value), start, len) == 0;
}

/* Returns the headers without those of a name whose value starts in a way. */
static Jsonb *
without_header(Jsonb *headers, const char *header, const char *start)
{
	for (int i = JB_ROOT_COUNT(headers) - 1; i >= 0; i--)
	{
		JsonbValue *entry = getIthJsonbValueFromContainer(&headers->root, i);

		if (entry->type == jbvBinary && is_entry_of(entry, header, start))
			headers = DatumGetJsonbP(DirectFunctionCall2(jsonb_delete_idx,
														 JsonbPGetDatum(headers),
														 Int32GetDatum(i)));
	}
	return headers;
}

/*
 * Adds a header to the response, in place of those that earlier calls added
 * whose value starts in a way.  Does nothing if response.headers cannot be
 * read.
 */
static void
set_response_header(const char *header, const char *start, const text *line)
{
	char	   *before = gateway_setting("response.headers");
	Jsonb	   *headers;
	Jsonb	   *entry = session_json_with_text(session_json_empty(), header,
											   line);

	headers = session_json_parse_local(before == NULL ? "[]" : before);
	if (headers == NULL || !JB_ROOT_IS_ARRAY(headers) ||
		JB_ROOT_IS_SCALAR(headers))
		return;
	headers = without_header(headers, header, start);
	headers = DatumGetJsonbP(DirectFunctionCall2(jsonb_concat,
												 JsonbPGetDatum(headers),
												 JsonbPGetDatum(entry)));
	(void) set_config_option("response.headers",
							 JsonbToCString(NULL, &headers->root,
											VARSIZE(headers)),
							 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL,
							 true, 0, false);
}

/* Returns the name of the cookie that holds the snapshot. */
char *
session_request_snapshot_name(void)
{
	return psprintf("%s%s", session_settings.cookie_name,
					SESSION_COOKIE_CACHE_SUFFIX);
}

/*
 * Returns the Set-Cookie of a snapshot; NULL where the settings describe no
 * valid cookie for it.
 */
static text *
snapshot_header(const text *value, TimestampTz end)
{
	char	   *name = session_request_snapshot_name();
	SessionCookie described = session_policy_cookie(&session_settings);
	int64		left = (end - GetCurrentTimestamp()) / USECS_PER_SEC;
	char		line[SESSION_COOKIE_BYTES];

	described.name = cookie_text_of(name, strlen(name));
	described.value = cookie_text_of(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
	described.max_age = Max(0, Min(left, session_settings.cookie_cache_ttl));
	if (session_cookie_header_check(&described) != SESSION_COOKIE_OK ||
		session_cookie_header_chunks(&described) != 1)
		return NULL;
	return cstring_to_text_with_len(line, session_cookie_header_write(line,
																	  &described,
																	  SESSION_COOKIE_WHOLE));
}

/* Gives the client a snapshot of a session that ends at a time. */
void
session_request_send_snapshot(const text *value, TimestampTz end)
{
	text	   *line = snapshot_header(value, end);

	if (line != NULL)
		set_response_header("Set-Cookie",
							psprintf("%s=", session_request_snapshot_name()),
							line);
}

/* Gives the client a nonce for its next proofs, if it needs one. */
void
session_request_send_nonce(const SessionRequest *request)
{
	char	   *nonce = request->is_dpop ? session_dpop_find_nonce() : NULL;

	if (nonce != NULL)
		set_response_header("DPoP-Nonce", "", cstring_to_text(nonce));
}

/*
 * Refusing
 */

/* PostgREST turns this into the HTTP status 401. */
#define ERRCODE_HTTP_UNAUTHORIZED MAKE_SQLSTATE('P', 'T', '4', '0', '1')

/* PostgREST takes the status and headers of the response from this error. */
#define ERRCODE_HTTP_RESPONSE MAKE_SQLSTATE('P', 'G', 'R', 'S', 'T')

/*
 * Returns the Set-Cookie that removes the cookie, or the first of its chunks,
 * without which the others are not read; NULL where the settings describe no
 * valid cookie.
 */
static text *
removal_header(bool whole)
{
	SessionCookie removal = session_policy_cookie(&session_settings);
	char		line[SESSION_COOKIE_BYTES];
	size_t		len;

	removal.value = cookie_text_of("", 0);
	removal.max_age = 0;
	if (session_cookie_header_check(&removal) != SESSION_COOKIE_OK)
		return NULL;
	len = session_cookie_header_write(line, &removal,
									  whole ? SESSION_COOKIE_WHOLE : 0);
	return cstring_to_text_with_len(line, (int) len);
}

/*
 * Returns whether the session that the request's token names is still live,
 * with any token.  The token may have been rotated while the request was on
 * its way, and the browser may have the new token by now.
 */
static bool
is_session_live(const SessionRequest *request)
{
	SessionToken token;
	pg_uuid_t	id;

	if (session_settings.strategy == SESSION_STRATEGY_STATELESS ||
		request->credential == NULL || !session_request_token(request, &token))
		return false;
	memcpy(id.data, token.id, UUID_LEN);
	session_crypto_wipe(&token, sizeof(token));
	return session_lifecycle_lives(&id);
}

/*
 * Returns the Set-Cookie that answers a refused request.  NULL for a token in
 * a header, for a gateway that does not fill request.cookies, and while the
 * session is live: a removal would delete the cookie with the new token.
 */
static text *
refusal_cookie(const SessionRequest *request)
{
	if (request->from_header || !has_object(&request->cookies) ||
		is_session_live(request))
		return NULL;
	return removal_header(object_member(&request->cookies,
										session_settings.cookie_name) != NULL);
}

/* Returns the WWW-Authenticate that answers a refused request with DPoP. */
static text *
refusal_challenge(bool lacks_nonce)
{
	return cstring_to_text(psprintf("DPoP error=\"%s\", "
									"algs=\"ES256 EdDSA Ed25519 RS256\"",
									lacks_nonce ? "use_dpop_nonce" :
									"invalid_token"));
}

/*
 * Returns the headers that answer a refused request, an empty object for none.
 * None for a gateway that does not fill request.cookies.
 */
static Jsonb *
refusal_headers(bool lacks_nonce)
{
	SessionRequest request = {0};
	Jsonb	   *headers = session_json_empty();
	text	   *line;
	char	   *nonce;

	session_request_read(&request);
	line = refusal_cookie(&request);
	if (line != NULL)
		headers = session_json_with_text(headers, "Set-Cookie", line);
	if (!request.is_dpop || !has_object(&request.cookies))
		return headers;
	headers = session_json_with_text(headers, "WWW-Authenticate",
									 refusal_challenge(lacks_nonce));
	nonce = session_dpop_find_nonce();
	if (nonce != NULL)
		headers = session_json_with_text(headers, "DPoP-Nonce",
										 cstring_to_text(nonce));
	return headers;
}

/* Raises the error for a request whose credential is not valid. */
void
session_request_refuse(bool lacks_nonce)
{
	Jsonb	   *headers = refusal_headers(lacks_nonce);

	if (JB_ROOT_COUNT(headers) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_HTTP_UNAUTHORIZED),
				 errmsg("session is not valid")));
	/* A gateway that fills request.cookies sends this status and headers. */
	ereport(ERROR,
			(errcode(ERRCODE_HTTP_RESPONSE),
			 errmsg("{\"code\": \"PT401\", \"message\": \"session is not valid\"}"),
			 errdetail("{\"status\": 401, \"headers\": %s}",
					   JsonbToCString(NULL, &headers->root,
									  VARSIZE(headers)))));
}
