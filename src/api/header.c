/*
 * header.c
 *	  SQL entry points: headers of cookies.
 *
 *	  session_cookie_header		session_cookie_clear	session_cookie_read
 *
 * Rules:
 * - The parts of a Set-Cookie header come from the application or from the
 *	 settings.  An error names the argument or setting that is wrong, and never
 *	 repeats a value.
 * - A Cookie header comes from a client.  Nothing in it raises an error, and
 *	 nothing of it is returned except the value of a cookie.
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "nodes/execnodes.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "api/api.h"
#include "compat.h"
#include "crypto/crypto.h"
#include "wire/cookie_header.h"

PG_FUNCTION_INFO_V1(session_cookie_header);
PG_FUNCTION_INFO_V1(session_cookie_clear);
PG_FUNCTION_INFO_V1(session_cookie_read);

/* The parts of a cookie that can be wrong. */
typedef enum CookiePart
{
	PART_VALUE,
	PART_NAME,
	PART_MAX_AGE,
	PART_PATH,
	PART_DOMAIN,
	PART_SECURE,
	PART_HTTP_ONLY,
	PARTS
} CookiePart;

/* A cookie, and the name of the argument or setting that each part is from. */
typedef struct DescribedCookie
{
	SessionCookie cookie;
	const char *source[PARTS];
} DescribedCookie;

static const struct
{
	CookiePart	part;
	int			sqlstate;
	const char *message;
	const char *detail;
}			faults[] =

{
	[SESSION_COOKIE_BAD_NAME] = {
		.part = PART_NAME,
		.sqlstate = ERRCODE_INVALID_PARAMETER_VALUE,
		.message = "cannot be the name of a cookie",
		.detail = "A name consists of letters, digits and the characters "
		"!#$%&'*+-.^_`|~.",
	},
	[SESSION_COOKIE_LONG_NAME] = {
		.part = PART_NAME,
		.sqlstate = ERRCODE_PROGRAM_LIMIT_EXCEEDED,
		.message = "must have at most 1024 bytes",
	},
	[SESSION_COOKIE_BAD_PATH] = {
		.part = PART_PATH,
		.sqlstate = ERRCODE_INVALID_PARAMETER_VALUE,
		.message = "cannot be the path of a cookie",
		.detail = "A path starts with a slash and has no spaces, quotes, commas, "
		"semicolons, backslashes, control or non-ASCII characters.",
	},
	[SESSION_COOKIE_LONG_PATH] = {
		.part = PART_PATH,
		.sqlstate = ERRCODE_PROGRAM_LIMIT_EXCEEDED,
		.message = "must have at most 1024 bytes",
	},
	[SESSION_COOKIE_BAD_DOMAIN] = {
		.part = PART_DOMAIN,
		.sqlstate = ERRCODE_INVALID_PARAMETER_VALUE,
		.message = "must be the name of a host",
		.detail = "It consists of letters, digits and hyphens between dots, "
		"without a port; other alphabets take their \"xn--\" form.",
	},
	[SESSION_COOKIE_BAD_MAX_AGE] = {
		.part = PART_MAX_AGE,
		.sqlstate = ERRCODE_INVALID_PARAMETER_VALUE,
		.message = "must be between zero and 400 days",
	},
	[SESSION_COOKIE_BAD_VALUE] = {
		.part = PART_VALUE,
		.sqlstate = ERRCODE_INVALID_PARAMETER_VALUE,
		.message = "cannot be the value of a cookie",
		.detail = "A value has no spaces, quotes, commas, semicolons, "
		"backslashes, control or non-ASCII characters.",
	},
	[SESSION_COOKIE_LONG_VALUE] = {
		.part = PART_VALUE,
		.sqlstate = ERRCODE_PROGRAM_LIMIT_EXCEEDED,
		.message = "is too large",
		.detail = "It does not fit into 100 cookies of 4096 bytes, "
		"attributes included.",
	},
	[SESSION_COOKIE_PREFIX_SECURE] = {
		.part = PART_SECURE,
		.sqlstate = ERRCODE_INVALID_PARAMETER_VALUE,
		.message = "must be true for a cookie of that name",
		.detail = "Browsers refuse names that start with \"__Host-\", "
		"\"__Secure-\" or \"__Http-\" otherwise.",
	},
	[SESSION_COOKIE_PREFIX_HTTP_ONLY] = {
		.part = PART_HTTP_ONLY,
		.sqlstate = ERRCODE_INVALID_PARAMETER_VALUE,
		.message = "must be true for a cookie of that name",
		.detail = "Browsers refuse names that start with \"__Http-\" or "
		"\"__Host-Http-\" otherwise.",
	},
	[SESSION_COOKIE_PREFIX_PATH] = {
		.part = PART_PATH,
		.sqlstate = ERRCODE_INVALID_PARAMETER_VALUE,
		.message = "must be \"/\" for a cookie of that name",
		.detail = "Browsers refuse names that start with \"__Host-\" "
		"otherwise.",
	},
	[SESSION_COOKIE_PREFIX_DOMAIN] = {
		.part = PART_DOMAIN,
		.sqlstate = ERRCODE_INVALID_PARAMETER_VALUE,
		.message = "must be empty for a cookie of that name",
		.detail = "Browsers refuse names that start with \"__Host-\" "
		"otherwise.",
	},
	[SESSION_COOKIE_SAME_SITE_SECURE] = {
		.part = PART_SECURE,
		.sqlstate = ERRCODE_INVALID_PARAMETER_VALUE,
		.message = "must be true for a cookie with SameSite=None",
	},
	[SESSION_COOKIE_PARTITIONED_SECURE] = {
		.part = PART_SECURE,
		.sqlstate = ERRCODE_INVALID_PARAMETER_VALUE,
		.message = "must be true for a partitioned cookie",
	},
};

/* Raises the error for a fault; returns when there is none. */
static void
refuse_cookie(const DescribedCookie *described, SessionCookieFault fault)
{
	if (fault == SESSION_COOKIE_OK)
		return;
	ereport(ERROR,
			(errcode(faults[fault].sqlstate),
			 errmsg("%s %s", described->source[faults[fault].part],
					faults[fault].message),
			 faults[fault].detail == NULL ? 0 :
			 errdetail("%s", faults[fault].detail)));
}

static SessionCookieText
header_cookie_text(const text *value)
{
	SessionCookieText result = {VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)};

	return result;
}

static SessionCookieText
header_setting_text(const char *value)
{
	SessionCookieText result = {value, strlen(value)};

	return result;
}

/* Begins with the cookie that the settings describe. */
static void
use_settings(DescribedCookie *described)
{
	const char **source = described->source;

	memset(described, 0, sizeof(*described));
	described->cookie = session_policy_cookie(&session_settings);
	source[PART_VALUE] = "value";
	source[PART_MAX_AGE] = "max_age";
	source[PART_NAME] = "session.cookie_name";
	source[PART_PATH] = "session.cookie_path";
	source[PART_DOMAIN] = "session.cookie_domain";
	source[PART_SECURE] = "session.cookie_secure";
	source[PART_HTTP_ONLY] = "session.cookie_http_only";
}

/* Replaces a setting by an argument, unless that is NULL. */
static void
take_text_argument(FunctionCallInfo fcinfo, int n, const char *name,
				   SessionCookieText *value, const char **source)
{
	if (PG_ARGISNULL(n))
		return;
	*value = header_cookie_text(PG_GETARG_TEXT_PP(n));
	*source = name;
}

static void
take_bool_argument(FunctionCallInfo fcinfo, int n, const char *name, bool *value,
				   const char **source)
{
	if (PG_ARGISNULL(n))
		return;
	*value = PG_GETARG_BOOL(n);
	*source = name;
}

/*
 * Returns max_age in whole seconds.  A fraction is dropped, so that the cookie
 * does not outlive the credential in it.  session_cookie_header_check refuses
 * the -1 that stands for an interval out of range.
 */
static int64
arg_max_age(FunctionCallInfo fcinfo, int n)
{
	int64		usecs;

	if (PG_ARGISNULL(n))
		return SESSION_COOKIE_NO_MAX_AGE;
	if (!session_policy_usecs(&usecs, PG_GETARG_INTERVAL_P(n)) || usecs < 0)
		return -1;
	return usecs / USECS_PER_SEC;
}

static void
take_same_site_argument(FunctionCallInfo fcinfo, int n, SessionSameSite *same_site)
{
	SessionCookieText value;

	if (PG_ARGISNULL(n))
		return;
	value = header_cookie_text(PG_GETARG_TEXT_PP(n));
	if (!session_cookie_header_same_site(same_site, &value))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("same_site must be \"lax\", \"strict\" or \"none\"")));
}

/* Drops the dot before a domain; RFC 6265 ignores it, applications use it. */
static void
drop_leading_dot(SessionCookieText *domain)
{
	if (domain->len > 1 && domain->chars[0] == '.')
	{
		domain->chars++;
		domain->len--;
	}
}

/* Adds one header to the result.  The cookie's value in it is secret. */
static void
add_header_row(FunctionCallInfo fcinfo, const SessionCookie *cookie, int chunk)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	char		line[SESSION_COOKIE_BYTES];
	size_t		len = session_cookie_header_write(line, cookie, chunk);
	text	   *value = cstring_to_text_with_len(line, (int) len);
	Datum		datum = PointerGetDatum(value);
	bool		null = false;

	session_crypto_wipe(line, sizeof(line));
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, &datum, &null);
}

/* Returns the cookie that makes a browser delete another. */
static SessionCookie
removal_of(const SessionCookie *cookie)
{
	SessionCookie removal = *cookie;

	removal.value = header_setting_text("");
	removal.max_age = 0;
	return removal;
}

/*
 * Adds the headers of a cookie.  A value in chunks needs the removal of an
 * older cookie without chunks too, because a reader prefers that one.
 */
static void
put_headers(FunctionCallInfo fcinfo, const SessionCookie *cookie)
{
	int			chunks = session_cookie_header_chunks(cookie);
	SessionCookie removal = removal_of(cookie);

	if (chunks == 1)
	{
		add_header_row(fcinfo, cookie, SESSION_COOKIE_WHOLE);
		return;
	}
	add_header_row(fcinfo, &removal, SESSION_COOKIE_WHOLE);
	for (int i = 0; i < chunks; i++)
		add_header_row(fcinfo, cookie, i);
}

Datum
session_cookie_header(PG_FUNCTION_ARGS)
{
	DescribedCookie described;
	SessionCookie *cookie = &described.cookie;
	const char **source = described.source;

	session_arg_required(fcinfo, 0, "value");
	use_settings(&described);
	cookie->value = header_cookie_text(PG_GETARG_TEXT_PP(0));
	take_text_argument(fcinfo, 1, "name", &cookie->name, &source[PART_NAME]);
	cookie->max_age = arg_max_age(fcinfo, 2);
	take_text_argument(fcinfo, 3, "path", &cookie->path, &source[PART_PATH]);
	take_text_argument(fcinfo, 4, "domain", &cookie->domain, &source[PART_DOMAIN]);
	take_bool_argument(fcinfo, 5, "secure", &cookie->secure, &source[PART_SECURE]);
	take_bool_argument(fcinfo, 6, "http_only", &cookie->http_only,
					   &source[PART_HTTP_ONLY]);
	take_same_site_argument(fcinfo, 7, &cookie->same_site);
	cookie->partitioned = !PG_ARGISNULL(8) && PG_GETARG_BOOL(8);
	drop_leading_dot(&cookie->domain);
	refuse_cookie(&described, session_cookie_header_check(cookie));

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	put_headers(fcinfo, cookie);
	PG_RETURN_NULL();
}

/* Adds removals of the chunks that a Cookie header has. */
static void
put_chunk_removals(FunctionCallInfo fcinfo, const SessionCookie *removal,
				   const text *header)
{
	SessionCookieText in = header_cookie_text(header);
	SessionCookieFound found;

	session_cookie_header_find(&found, &in, &removal->name);
	for (int i = 0; i < SESSION_COOKIE_CHUNKS; i++)
	{
		if (found.chunks[i].chars != NULL)
			add_header_row(fcinfo, removal, i);
	}
}

/*
 * Adds removals of the cookie whose name has another end, and of its chunks,
 * if the header has them: the snapshot, and the bound cookie.
 */
static void
put_removals_of(FunctionCallInfo fcinfo, const SessionCookie *removal,
				const char *suffix, const text *header)
{
	SessionCookieText in = header_cookie_text(header);
	SessionCookie other = *removal;
	SessionCookieFound found;

	other.name = header_setting_text(psprintf("%.*s%s", (int) removal->name.len,
											  removal->name.chars, suffix));
	if (session_cookie_header_check(&other) != SESSION_COOKIE_OK)
		return;
	session_cookie_header_find(&found, &in, &other.name);
	if (found.whole.chars != NULL)
		add_header_row(fcinfo, &other, SESSION_COOKIE_WHOLE);
	put_chunk_removals(fcinfo, &other, header);
}

Datum
session_cookie_clear(PG_FUNCTION_ARGS)
{
	DescribedCookie described;
	SessionCookie *cookie = &described.cookie;

	use_settings(&described);
	take_text_argument(fcinfo, 0, "name", &cookie->name, &described.source[PART_NAME]);
	drop_leading_dot(&cookie->domain);
	*cookie = removal_of(cookie);
	refuse_cookie(&described, session_cookie_header_check(cookie));

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	add_header_row(fcinfo, cookie, SESSION_COOKIE_WHOLE);
	if (!PG_ARGISNULL(1))
	{
		put_chunk_removals(fcinfo, cookie, PG_GETARG_TEXT_PP(1));
		put_removals_of(fcinfo, cookie, SESSION_COOKIE_CACHE_SUFFIX,
						PG_GETARG_TEXT_PP(1));
		put_removals_of(fcinfo, cookie, SESSION_COOKIE_BOUND_SUFFIX,
						PG_GETARG_TEXT_PP(1));
	}
	PG_RETURN_NULL();
}

Datum
session_cookie_read(PG_FUNCTION_ARGS)
{
	DescribedCookie described;
	SessionCookieText header;
	SessionCookieFound found;
	size_t		len;
	text	   *value;

	use_settings(&described);
	take_text_argument(fcinfo, 1, "name", &described.cookie.name,
					   &described.source[PART_NAME]);
	if (!session_cookie_header_is_name(&described.cookie.name))
		refuse_cookie(&described, SESSION_COOKIE_BAD_NAME);
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	header = header_cookie_text(PG_GETARG_TEXT_PP(0));
	session_cookie_header_find(&found, &header, &described.cookie.name);
	if (!session_cookie_header_value_len(&found, &len))
		PG_RETURN_NULL();
	value = palloc(VARHDRSZ + len);
	SET_VARSIZE(value, VARHDRSZ + len);
	session_cookie_header_value(VARDATA(value), &found);
	PG_RETURN_TEXT_P(value);
}
