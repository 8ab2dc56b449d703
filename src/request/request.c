/*
 * request.c
 *	  The web request that a gateway describes in the settings request.*.
 *
 * Rules:
 * - Whatever a client sends is data: what cannot be read is as good as nothing
 *	 there.  What cannot be proven is invalid, and never an error.
 * - A token in a header comes before one in a cookie, because a header is
 *	 there on purpose.
 * - A snapshot counts only beside the token it was made for, never on a
 *	 sensitive path, and never while sessions are bound to an address or agent,
 *	 which it does not know.
 * - Nothing here sets request.*; response.headers is only added to.
 */
#include "postgres.h"

#include <sys/socket.h>

#include "access/xact.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/inet.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "audit/evidence.h"
#include "compat.h"
#include "cookie/cookie.h"
#include "engine/activity.h"
#include "engine/claims.h"
#include "engine/info.h"
#include "engine/lifecycle.h"
#include "model/digest.h"
#include "model/json.h"
#include "request/identity.h"
#include "request/request.h"
#include "shared/database.h"
#include "wire/authorization.h"
#include "wire/cookie_header.h"
#include "wire/path.h"

typedef struct Request
{
	Jsonb	   *cookies;		/* NULL = none */
	Jsonb	   *headers;		/* NULL = none; names in lower case */
	text	   *credential;		/* NULL = none */
	bool		from_header;
} Request;

/*
 * Reading it
 */

/* A setting of the gateway's; NULL when it is empty or not there. */
static char *
gateway_setting(const char *name)
{
	const char *value = GetConfigOption(name, true, false);

	if (value == NULL || value[0] == '\0')
		return NULL;
	return pstrdup(value);
}

/* The same, as a JSON object; NULL when it is none. */
static Jsonb *
gateway_object(const char *name)
{
	char	   *value = gateway_setting(name);
	Jsonb	   *object;

	if (value == NULL)
		return NULL;
	object = session_json_parse_local(value);
	return object != NULL && JB_ROOT_IS_OBJECT(object) ? object : NULL;
}

static text *
member(const Jsonb *object, const char *name)
{
	return object == NULL ? NULL :
		session_json_member(object, name, strlen(name));
}

/* A header by its name in any case; NULL when there is none. */
static text *
header(const Request *request, const char *name)
{
	char	   *lower;

	if (request->headers == NULL || name == NULL || name[0] == '\0')
		return NULL;
	lower = pstrdup(name);
	for (char *c = lower; *c != '\0'; c++)
		*c = pg_ascii_tolower((unsigned char) *c);
	return member(request->headers, lower);
}

static SessionCookieText
cookie_text_of(const char *chars, size_t len)
{
	SessionCookieText result = {chars, len};

	return result;
}

/* A cookie from the header itself, which some gateways leave to us. */
static text *
cookie_in_header(const Request *request, const char *name)
{
	text	   *line = header(request, "cookie");
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

/* The value of a cookie, put together if it came in chunks. */
static text *
cookie(const Request *request, const char *name)
{
	StringInfoData joined;
	text	   *value = member(request->cookies, name);

	if (value != NULL)
		return value;
	if (request->cookies == NULL)
		return cookie_in_header(request, name);
	initStringInfo(&joined);
	for (int i = 0; i < SESSION_COOKIE_CHUNKS; i++)
	{
		value = member(request->cookies, psprintf("%s.%d", name, i));
		if (value == NULL)
			break;
		appendBinaryStringInfo(&joined, VARDATA_ANY(value),
							   VARSIZE_ANY_EXHDR(value));
	}
	return joined.len == 0 ? NULL :
		cstring_to_text_with_len(joined.data, joined.len);
}

/* An empty value is how some say that there is none. */
static text *
unless_empty(text *value)
{
	return value == NULL || VARSIZE_ANY_EXHDR(value) == 0 ? NULL : value;
}

/*
 * The credential in the header that is named for it; NULL = none.  In the
 * Authorization header it has the scheme Bearer, and the credential of any
 * other scheme is meant for another system.
 */
static text *
header_credential(const Request *request)
{
	text	   *value = header(request, session_settings.token_header);
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

static void
read_request(Request *request)
{
	request->cookies = gateway_object("request.cookies");
	request->headers = gateway_object("request.headers");
	request->credential = unless_empty(header_credential(request));
	request->from_header = request->credential != NULL;
	if (!request->from_header && session_settings.cookie_name[0] != '\0')
		request->credential = unless_empty(cookie(request,
												  session_settings.cookie_name));
}

static bool
is_port(const char *port)
{
	return *port != '\0' && port[strspn(port, "0123456789")] == '\0';
}

/*
 * The last address of a list, which the nearest proxy added; without a port,
 * and without the brackets that go with one.
 */
static char *
last_address(const text *list)
{
	char	   *all = text_to_cstring(list);
	char	   *last = strrchr(all, ',');
	char	   *port;

	last = last == NULL ? all : last + 1;
	last += strspn(last, " \t");
	last[strcspn(last, " \t")] = '\0';
	if (last[0] == '[')
	{
		port = strchr(++last, ']');
		if (port == NULL)
			return NULL;
		*port++ = '\0';
		if (*port == '\0')
			return last;
	}
	else
	{
		port = strchr(last, ':');
		/* With more than one colon, it is an address without a port. */
		if (port == NULL || strchr(port + 1, ':') != NULL)
			return last;
	}
	if (*port != ':' || !is_port(port + 1))
		return NULL;
	*port = '\0';
	return last;
}

/* The client's address; NULL where it is not known. */
static inet *
client_ip(const Request *request)
{
	text	   *value = header(request, session_settings.client_ip_header);
	char	   *address;
	bool		v6;
	inet	   *ip;

	if (value == NULL)
		return NULL;
	address = last_address(value);
	/* The type would raise what it does not like, and take a mask. */
	if (address == NULL || strchr(address, '/') != NULL)
		return NULL;
	v6 = strchr(address, ':') != NULL;
	ip = palloc0(sizeof(inet));
	ip_family(ip) = v6 ? PGSQL_AF_INET6 : PGSQL_AF_INET;
	ip_bits(ip) = ip_maxbits(ip);
	if (pg_inet_net_pton(ip_family(ip), address, ip_addr(ip), -1) !=
		ip_maxbits(ip))
		return NULL;
	SET_INET_VARSIZE(ip);
	return ip;
}

static SessionBinding
request_binding(const Request *request)
{
	text	   *agent = header(request, "user-agent");
	SessionBinding binding = {
		.ip = client_ip(request),
		.user_agent = agent == NULL ? NULL : session_info_user_agent(agent)
	};

	return binding;
}

/*
 * Proving it
 */

static bool
credential_token(const Request *request, SessionToken *token)
{
	return session_token_parse(token, VARDATA_ANY(request->credential),
							   VARSIZE_ANY_EXHDR(request->credential));
}

/* Tells whether a header of the response is the Set-Cookie of a cookie. */
static bool
sets_cookie(JsonbValue *entry, const char *name)
{
	text	   *value = session_json_member(JsonbValueToJsonb(entry),
											"Set-Cookie", 10);
	size_t		len = strlen(name);

	return value != NULL && VARSIZE_ANY_EXHDR(value) > len &&
		memcmp(VARDATA_ANY(value), name, len) == 0 &&
		VARDATA_ANY(value)[len] == '=';
}

/* Drops the Set-Cookie headers of a cookie. */
static Jsonb *
without_cookie(Jsonb *headers, const char *name)
{
	for (int i = JB_ROOT_COUNT(headers) - 1; i >= 0; i--)
	{
		JsonbValue *entry = getIthJsonbValueFromContainer(&headers->root, i);

		if (entry->type == jbvBinary && sets_cookie(entry, name))
			headers = DatumGetJsonbP(DirectFunctionCall2(jsonb_delete_idx,
														 JsonbPGetDatum(headers),
														 Int32GetDatum(i)));
	}
	return headers;
}

/*
 * Adds the Set-Cookie header of a cookie to the response, in place of one that
 * an earlier call added.  Does nothing if response.headers cannot be read.
 */
static void
set_response_cookie(const char *name, const text *line)
{
	char	   *before = gateway_setting("response.headers");
	Jsonb	   *headers;
	Jsonb	   *entry = session_json_with_text(session_json_empty(),
											   "Set-Cookie", line);

	headers = session_json_parse_local(before == NULL ? "[]" : before);
	if (headers == NULL || !JB_ROOT_IS_ARRAY(headers) ||
		JB_ROOT_IS_SCALAR(headers))
		return;
	headers = without_cookie(headers, name);
	headers = DatumGetJsonbP(DirectFunctionCall2(jsonb_concat,
												 JsonbPGetDatum(headers),
												 JsonbPGetDatum(entry)));
	(void) set_config_option("response.headers",
							 JsonbToCString(NULL, &headers->root,
											VARSIZE(headers)),
							 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL,
							 true, 0, false);
}

/* The cookie that holds the snapshot. */
static char *
snapshot_name(void)
{
	return psprintf("%s%s", session_settings.cookie_name,
					SESSION_COOKIE_CACHE_SUFFIX);
}

/* The Set-Cookie of a snapshot; NULL where the settings describe none. */
static text *
snapshot_header(const text *value, TimestampTz end)
{
	char	   *name = snapshot_name();
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

/*
 * Gives the client a snapshot of the session whose row was just read.  Where
 * none can be made it is not missed: the row is asked instead.
 */
static void
send_snapshot(const SessionRow *row, const SessionMoment *moment, Jsonb *added)
{
	text	   *value = session_cookie_try_snapshot(row, moment, added);
	text	   *line;

	if (value == NULL)
		return;
	line = snapshot_header(value, session_policy_deadline(row));
	if (line != NULL)
		set_response_cookie(snapshot_name(), line);
}

/* Asks the row, and gives the client a snapshot of it if one is wanted. */
static SessionRequestVerdict
prove_by_row(const Request *request, const SessionToken *token,
			 SessionIdentity *identity, bool want_snapshot)
{
	SessionBinding binding = request_binding(request);
	SessionMoment moment = {0};
	SessionRow	row;
	Jsonb	   *added;
	SessionStatus status;

	if (want_snapshot)
		moment = session_cookie_moment();
	status = session_lifecycle_validate(token, &binding, &row);
	if (status == SESSION_BINDING && !XactReadOnly &&
		session_settings.on_mismatch == SESSION_MISMATCH_REVOKE)
		return SESSION_REQUEST_ENDED;
	if (status != SESSION_ACTIVE)
		return SESSION_REQUEST_INVALID;
	added = session_claims_added(&row);
	session_identity_of_row(identity, &row, added);
	if (want_snapshot)
		send_snapshot(&row, &moment, added);
	return SESSION_REQUEST_PROVEN;
}

/* Does the row have to decide, whatever a snapshot says? */
static bool
is_sensitive(void)
{
	char	   *path;

	if (session_settings.sensitive_paths[0] == '\0')
		return false;
	/* A request that does not say where it goes could go anywhere. */
	path = gateway_setting("request.path");
	return path == NULL || session_path_listed(session_settings.sensitive_paths,
											   path, strlen(path));
}

/* Reads the snapshot beside a token; false unless it is to be believed. */
static bool
read_snapshot(const Request *request, const SessionToken *token,
			  SessionSnapshot *snapshot)
{
	text	   *value = cookie(request, snapshot_name());

	return value != NULL &&
		session_cookie_trust(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value),
							 snapshot) &&
		memcmp(snapshot->id.data, token->id, UUID_LEN) == 0 &&
		session_digest_equal(snapshot->digest,
							 session_digest_of_token(token));
}

static SessionRequestVerdict
prove_cached(const Request *request, const SessionToken *token,
			 SessionIdentity *identity)
{
	SessionSnapshot snapshot;
	bool		fresh = read_snapshot(request, token, &snapshot) &&
	!snapshot.should_refresh;

	if (!fresh || snapshot.doubtful || is_sensitive())
		return prove_by_row(request, token, identity, !fresh);
	session_activity_again(&snapshot.id, GetCurrentTimestamp());
	session_identity_of_snapshot(identity, &snapshot);
	return SESSION_REQUEST_PROVEN;
}

/*
 * The cookie is the session: one of ours, or one of a foreign system whose
 * purpose is the cookie's name.
 */
static SessionRequestVerdict
prove_carried(const Request *request, SessionIdentity *identity)
{
	const char *value = VARDATA_ANY(request->credential);
	size_t		len = VARSIZE_ANY_EXHDR(request->credential);
	SessionCarried carried;
	SessionStatus status;

	status = session_cookie_carried(value, len, "session", false, &carried);
	if (status != SESSION_ACTIVE)
	{
		SessionStatus foreign = session_cookie_carried(value, len,
													   session_settings.cookie_name,
													   true, &carried);

		status = Max(status, foreign);
	}
	session_cookie_note(status, client_ip(request));
	if (status != SESSION_ACTIVE ||
		!session_identity_of_cookie(identity, &carried))
		return SESSION_REQUEST_INVALID;
	return SESSION_REQUEST_PROVEN;
}

SessionRequestVerdict
session_request_prove(SessionIdentity *identity)
{
	Request		request = {0};
	SessionToken token;
	SessionRequestVerdict verdict;

	read_request(&request);
	if (request.credential == NULL)
		return SESSION_REQUEST_ANONYMOUS;
	if (session_settings.strategy == SESSION_STRATEGY_STATELESS)
		return prove_carried(&request, identity);
	if (!credential_token(&request, &token))
	{
		session_database_count(SESSION_COUNT_STATUS + SESSION_MALFORMED);
		session_evidence_failure(client_ip(&request));
		return SESSION_REQUEST_INVALID;
	}
	if (session_settings.strategy == SESSION_STRATEGY_COOKIE_CACHE &&
		!request.from_header && !session_policy_requires_binding(&session_settings))
		verdict = prove_cached(&request, &token, identity);
	else
		verdict = prove_by_row(&request, &token, identity, false);
	session_crypto_wipe(&token, sizeof(token));
	return verdict;
}

/*
 * Refusing it
 */

/* What PostgREST turns into the HTTP status 401. */
#define ERRCODE_HTTP_UNAUTHORIZED MAKE_SQLSTATE('P', 'T', '4', '0', '1')

/* What PostgREST takes status and headers from. */
#define ERRCODE_HTTP_RESPONSE MAKE_SQLSTATE('P', 'G', 'R', 'S', 'T')

/*
 * The Set-Cookie that removes the cookie, or the first of its chunks, without
 * which the others are nothing; NULL where there is none.
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
 * Returns whether the session that the request's token names lives on.  The
 * token may have been rotated while the request was on its way, and the
 * browser may hold the new one by now.
 */
static bool
session_lives_on(const Request *request)
{
	SessionToken token;
	pg_uuid_t	id;

	if (session_settings.strategy == SESSION_STRATEGY_STATELESS ||
		request->credential == NULL || !credential_token(request, &token))
		return false;
	memcpy(id.data, token.id, UUID_LEN);
	session_crypto_wipe(&token, sizeof(token));
	return session_lifecycle_lives(&id);
}

/*
 * The Set-Cookie that a refused request is answered with.  NULL for a token in
 * a header, for a gateway that does not fill request.cookies, and while the
 * session lives on: a removal would delete the cookie with the new token.
 */
static text *
refusal_header(void)
{
	Request		request = {0};

	read_request(&request);
	if (request.from_header || request.cookies == NULL ||
		session_lives_on(&request))
		return NULL;
	return removal_header(member(request.cookies,
								 session_settings.cookie_name) != NULL);
}

void
session_request_refuse(void)
{
	StringInfoData quoted;
	text	   *line = refusal_header();

	if (line == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_HTTP_UNAUTHORIZED),
				 errmsg("session is not valid")));
	/* A gateway that fills request.cookies answers with what this says. */
	initStringInfo(&quoted);
	escape_json(&quoted, text_to_cstring(line));
	ereport(ERROR,
			(errcode(ERRCODE_HTTP_RESPONSE),
			 errmsg("{\"code\": \"PT401\", \"message\": \"session is not valid\"}"),
			 errdetail("{\"status\": 401, \"headers\": {\"Set-Cookie\": %s}}",
					   quoted.data)));
}
