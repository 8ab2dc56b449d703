/*
 * csrf.c
 *	  Refuses requests that a page of another origin causes in the browser of
 *	  a user (CSRF).
 *
 * A browser adds the cookie to such a request by itself, and says where the
 * request comes from, in headers that no page can set:
 *
 *	Sec-Fetch-Site	same-origin, or none for the user's own action; any other
 *					value is foreign, and so is another page of the same site
 *	Origin			decides where a browser does not send that header
 *
 * A client that sends neither is no browser, or an old one.  It may go on, but
 * with "session.csrf" = token it needs a token.  If the gateway passes on no
 * headers, or they cannot be read, the request may have any of them and counts
 * as foreign.
 *
 * Rules:
 * - A foreign request is refused before anything is read or recorded for it.
 *	 It is refused also if it has no cookie: it may log its user in to the
 *	 account of an attacker.
 * - A credential in a header is not checked: a page of another origin cannot
 *	 send one unless the gateway allows that origin (CORS).
 * - A request whose method is not known may change something.
 * - A request by which the browser itself proves its key (DBSC) has no token,
 *	 because no script can add one.  It has to say that it is of this origin.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "compat.h"
#include "crypto/crypto.h"
#include "engine/challenge.h"
#include "model/digest.h"
#include "model/random.h"
#include "request/csrf.h"
#include "settings.h"
#include "table/keyring.h"
#include "wire/authorization.h"
#include "wire/csrf.h"
#include "wire/uri.h"

/* The header with the token. */
#define TOKEN_HEADER "x-csrf-token"

/* Where a request comes from. */
typedef enum Source
{
	SOURCE_UNKNOWN,
	SOURCE_OWN,
	SOURCE_FOREIGN
} Source;

/*
 * Where a request comes from
 */

/* Returns whether a header has exactly this value. */
static bool
is_value(const text *header, const char *value)
{
	size_t		len = strlen(value);

	return VARSIZE_ANY_EXHDR(header) == len &&
		memcmp(VARDATA_ANY(header), value, len) == 0;
}

/*
 * Returns whether an origin is that of the URL under which clients reach the
 * gateway.  If that is not set, the host of the request counts, and the scheme
 * is not compared, which the gateway may not know.
 */
static bool
is_own_origin(const SessionRequest *request, const text *origin)
{
	const char *chars = VARDATA_ANY(origin);
	size_t		len = VARSIZE_ANY_EXHDR(origin);
	const char *url = session_settings.public_url;
	text	   *host;

	if (!session_uri_has_scheme(chars, len))
		return false;
	if (url[0] == '\0')
	{
		size_t		scheme_len = (const char *) memchr(chars, '/', len) + 2 - chars;

		host = session_request_header(request, "host");
		if (host == NULL)
			return false;
		url = psprintf("%.*s%s", (int) scheme_len, chars,
					   text_to_cstring(host));
	}
	return session_uri_is_origin(chars, len, url, strlen(url));
}

/* Returns where a request comes from. */
static Source
source_of(const SessionRequest *request)
{
	text	   *site;
	text	   *origin;

	if (!session_request_has_headers(request))
		return SOURCE_FOREIGN;
	site = session_request_header(request, "sec-fetch-site");
	if (site != NULL)
		return is_value(site, "same-origin") || is_value(site, "none") ?
			SOURCE_OWN : SOURCE_FOREIGN;
	origin = session_request_header(request, "origin");
	if (origin == NULL)
		return SOURCE_UNKNOWN;
	return is_own_origin(request, origin) ? SOURCE_OWN : SOURCE_FOREIGN;
}

/*
 * Which requests are checked
 */

/* Returns whether the request may change something, as far as is known. */
static bool
may_change(void)
{
	char	   *method = session_request_method();

	return method == NULL || !session_csrf_is_safe_method(method);
}

/*
 * Returns whether the request has a token for another system, in the header
 * Authorization.  Browsers send the credentials of other schemes, such as
 * Basic, by themselves.
 */
static bool
has_other_token(const SessionRequest *request)
{
	text	   *value = session_request_header(request, "authorization");
	const char *token;
	size_t		len;

	return value != NULL &&
		(session_authorization_bearer(&token, &len, VARDATA_ANY(value),
									  VARSIZE_ANY_EXHDR(value)) ||
		 session_authorization_dpop(&token, &len, VARDATA_ANY(value),
									VARSIZE_ANY_EXHDR(value)));
}

/* Returns whether the request comes from elsewhere and must be refused. */
bool
session_csrf_is_foreign(const SessionRequest *request)
{
	if (session_settings.csrf == SESSION_CSRF_OFF || request->from_header ||
		!may_change())
		return false;
	if (request->credential == NULL && has_other_token(request))
		return false;
	return source_of(request) == SOURCE_FOREIGN;
}

/* Returns whether the browser itself proves the key of a session. */
static bool
is_of_browser(const SessionRequest *request)
{
	return session_request_header(request, "secure-session-response") != NULL &&
		source_of(request) == SOURCE_OWN;
}

/* Returns whether the request has the token that it needs. */
bool
session_csrf_has_token(const SessionRequest *request,
					   const SessionIdentity *identity)
{
	text	   *token;

	if (session_settings.csrf != SESSION_CSRF_TOKEN || request->from_header ||
		!may_change() || is_of_browser(request))
		return true;
	token = session_request_header(request, TOKEN_HEADER);
	return token != NULL &&
		session_csrf_is_token(identity, VARDATA_ANY(token),
							  VARSIZE_ANY_EXHDR(token));
}

/*
 * Tokens
 */

/* Computes the MAC of an identity's tokens; false if it can have none. */
static bool
compute_mac(uint8 mac[SESSION_SHA256_BYTES], const SessionIdentity *identity,
			const SessionCodecKey *key)
{
	SessionCsrfSubject subject = {
		.id = identity->has_id ? identity->id.data : NULL,
		.proof = VARDATA_ANY(identity->proof),
		.proof_len = VARSIZE_ANY_EXHDR(identity->proof)
	};

	return session_csrf_mac(mac, &subject, session_challenge_realm(), key);
}

/* Returns a token of the identity's session; NULL for no identity. */
text *
session_csrf_make_token(const SessionIdentity *identity)
{
	char		chars[SESSION_CSRF_CHARS];
	uint8		mask[SESSION_SHA256_BYTES];
	uint8		mac[SESSION_SHA256_BYTES];
	SessionCodecKey key;

	if (identity == NULL || identity->proof == NULL)
		return NULL;
	key = session_challenge_key();
	if (!compute_mac(mac, identity, &key))
		session_digest_fail();
	session_random_bytes(mask, sizeof(mask));
	session_csrf_format(chars, mask, mac);
	session_crypto_wipe(mac, sizeof(mac));
	return cstring_to_text_with_len(chars, sizeof(chars));
}

/* Returns whether a text is a token of the identity's session. */
bool
session_csrf_is_token(const SessionIdentity *identity, const char *chars,
					  size_t len)
{
	uint8		mac[SESSION_SHA256_BYTES];
	uint8		expected[SESSION_SHA256_BYTES];
	bool		same = false;
	ListCell   *cell;

	if (identity == NULL || identity->proof == NULL ||
		!session_csrf_parse(mac, chars, len))
		return false;
	foreach(cell, session_keyring_of(SESSION_KEYRING_BOUND))
	{
		SessionCodecKey key = session_keyring_codec_key(lfirst(cell));

		if (compute_mac(expected, identity, &key) &&
			session_crypto_equal(expected, mac, sizeof(mac)))
			same = true;
	}
	session_crypto_wipe(expected, sizeof(expected));
	return same;
}

/*
 * Refusing
 */

/* PostgREST turns this into the HTTP status 403. */
#define ERRCODE_HTTP_FORBIDDEN MAKE_SQLSTATE('P', 'T', '4', '0', '3')

/* Raises the error for a request of a page of another origin. */
void
session_csrf_refuse_foreign(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_HTTP_FORBIDDEN),
			 errmsg("request comes from another origin")));
}

/* Raises the error for a request without the token that it needs. */
void
session_csrf_refuse_token(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_HTTP_FORBIDDEN),
			 errmsg("request has no valid CSRF token"),
			 errhint("Send what session_csrf_token() returns for the session "
					 "in the header X-CSRF-Token.")));
}
