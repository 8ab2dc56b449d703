/*
 * settings.c
 *	  Name, range, unit and text of the settings that several modules share.
 *
 * A setting whose hooks belong to a module is defined by that module:
 * session.context by engine/context.c, session.log_events by audit/event.c.
 *
 * Rules: a setting is PGC_SUSET when a weaker value would weaken security, so
 * that no application role can loosen its own sessions; ALTER DATABASE and
 * ALTER ROLE still work for the administrator.  Upper bounds keep every sum
 * of a setting and a timestamp inside what int64 microseconds can hold.
 */
#include "postgres.h"

#include <limits.h>

#include "miscadmin.h"
#include "utils/guc.h"

#include "settings.h"
#include "wire/cookie_header.h"
#include "wire/path.h"
#include "wire/uri.h"

#define MINUTE 60
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

SessionSettings session_settings = {
	.lifetime = DAY,
	.update_age = 10 * MINUTE,
	.max_derived = 20,
	.on_limit = SESSION_LIMIT_EVICT,
	.bind_ip = SESSION_BIND_OFF,
	.bind_ip_prefix_v4 = 24,
	.bind_ip_prefix_v6 = 64,
	.store_ip = SESSION_STORE_IP_FULL,
	.on_mismatch = SESSION_MISMATCH_REJECT,
	.max_data_size = 64 * 1024,
	.access_lifetime = 15 * MINUTE,
	.refresh_lifetime = 30 * DAY,
	.refresh_grace = 10,
	.cookie_secure = true,
	.cookie_http_only = true,
	.cookie_same_site = SESSION_SAME_SITE_LAX,
	.cookie_encoding = SESSION_ENCODING_COMPACT,
	.cookie_cache_ttl = 5 * MINUTE,
	.key_lead = HOUR,
	.bound_cookie_ttl = 10 * MINUTE,
	.dbsc_grace = 5,
	.dpop_window = MINUTE,
	.dpop_size = 65536,
	.strategy = SESSION_STRATEGY_DATABASE,
	.on_invalid = SESSION_INVALID_ANONYMOUS,
	.live_identity = true,
	.csrf = SESSION_CSRF_OFF,
	.activity_size = 100000,
	.naptime = 10,
	.cleanup_interval = HOUR,
	.cleanup_batch = 1000,
	.cleanup_pace = 0.5,
	.revoked_retention = DAY,
	.redact_log = true,
	.event_retention = 30 * DAY,
	.failure_threshold = 20,
};

static const struct config_enum_entry on_limit_options[] = {
	{"evict", SESSION_LIMIT_EVICT, false},
	{"reject", SESSION_LIMIT_REJECT, false},
	{NULL, 0, false}
};

static const struct config_enum_entry bind_ip_options[] = {
	{"off", SESSION_BIND_OFF, false},
	{"subnet", SESSION_BIND_SUBNET, false},
	{"exact", SESSION_BIND_EXACT, false},
	{NULL, 0, false}
};

static const struct config_enum_entry store_ip_options[] = {
	{"full", SESSION_STORE_IP_FULL, false},
	{"subnet", SESSION_STORE_IP_SUBNET, false},
	{"off", SESSION_STORE_IP_OFF, false},
	{NULL, 0, false}
};

static const struct config_enum_entry on_mismatch_options[] = {
	{"reject", SESSION_MISMATCH_REJECT, false},
	{"revoke", SESSION_MISMATCH_REVOKE, false},
	{NULL, 0, false}
};

static const struct config_enum_entry same_site_options[] = {
	{"lax", SESSION_SAME_SITE_LAX, false},
	{"strict", SESSION_SAME_SITE_STRICT, false},
	{"none", SESSION_SAME_SITE_NONE, false},
	{NULL, 0, false}
};

static const struct config_enum_entry encoding_options[] = {
	{"compact", SESSION_ENCODING_COMPACT, false},
	{"jwt", SESSION_ENCODING_JWT, false},
	{"jwe", SESSION_ENCODING_JWE, false},
	{"sealed", SESSION_ENCODING_SEALED, false},
	{NULL, 0, false}
};

static const struct config_enum_entry strategy_options[] = {
	{"database", SESSION_STRATEGY_DATABASE, false},
	{"cookie_cache", SESSION_STRATEGY_COOKIE_CACHE, false},
	{"stateless", SESSION_STRATEGY_STATELESS, false},
	{NULL, 0, false}
};

static const struct config_enum_entry on_invalid_options[] = {
	{"anonymous", SESSION_INVALID_ANONYMOUS, false},
	{"reject", SESSION_INVALID_REJECT, false},
	{NULL, 0, false}
};

static const struct config_enum_entry csrf_options[] = {
	{"off", SESSION_CSRF_OFF, false},
	{"same_origin", SESSION_CSRF_SAME_ORIGIN, false},
	{"token", SESSION_CSRF_TOKEN, false},
	{NULL, 0, false}
};

/*
 * Defines an integer that only a superuser may change.  Its value now is its
 * default.
 */
static void
define_int(const char *name, int *value, int min, int max, int unit,
		   const char *short_text, const char *long_text)
{
	DefineCustomIntVariable(name, short_text, long_text, value, *value,
							min, max, PGC_SUSET, unit, NULL, NULL, NULL);
}

/* Defines an integer that has one value for the whole server. */
static void
define_server_int(const char *name, int *value, int min, int max,
				  GucContext context, int unit,
				  const char *short_text, const char *long_text)
{
	DefineCustomIntVariable(name, short_text, long_text, value, *value,
							min, max, context, unit, NULL, NULL, NULL);
}

static void
define_bool(const char *name, bool *value,
			const char *short_text, const char *long_text)
{
	DefineCustomBoolVariable(name, short_text, long_text, value, *value,
							 PGC_SUSET, 0, NULL, NULL, NULL);
}

static void
define_enum(const char *name, int *value,
			const struct config_enum_entry *options,
			const char *short_text, const char *long_text)
{
	DefineCustomEnumVariable(name, short_text, long_text, value, *value,
							 options, PGC_SUSET, 0, NULL, NULL, NULL);
}

static void
define_string(const char *name, char **value, const char *initial,
			  GucContext context, int flags, const char *short_text,
			  const char *long_text)
{
	DefineCustomStringVariable(name, short_text, long_text, value, initial,
							   context, flags, NULL, NULL, NULL);
}

static void
define_time(void)
{
	SessionSettings *s = &session_settings;

	define_int("session.lifetime", &s->lifetime, 1, INT_MAX, GUC_UNIT_S,
			   "Sets how long a new session lives.",
			   "A call may ask for another lifetime.");
	define_int("session.idle_timeout", &s->idle_timeout, 0, INT_MAX,
			   GUC_UNIT_S,
			   "Sets how long a new session may go unused before it ends.",
			   "If set to zero, sessions do not end from idleness.");
	define_int("session.max_lifetime", &s->max_lifetime, 0, INT_MAX,
			   GUC_UNIT_S,
			   "Sets the maximum age of a session, however often it "
			   "is refreshed.",
			   "If set to zero, there is no maximum.");
	define_bool("session.sliding", &s->sliding,
				"Restarts the lifetime of new sessions with every "
				"use.",
				"The lifetime is then the idle timeout, and "
				"\"session.max_lifetime\" the hard deadline.");
	define_int("session.update_age", &s->update_age, 0, INT_MAX, GUC_UNIT_S,
			   "Sets how old the recorded activity of a session may get "
			   "before it is written again.",
			   "Half the idle timeout is used where that is shorter.  If set "
			   "to zero, every validation writes.");
}

static void
define_refresh(void)
{
	SessionSettings *s = &session_settings;

	define_int("session.access_lifetime", &s->access_lifetime, 1, INT_MAX,
			   GUC_UNIT_S,
			   "Sets how long the session token of a refreshable session "
			   "lives.",
			   "A call may ask for another lifetime.");
	define_int("session.refresh_lifetime", &s->refresh_lifetime, 1, INT_MAX,
			   GUC_UNIT_S,
			   "Sets how long a refreshable session lives in all.",
			   "It is counted from the creation of the session.  "
			   "\"session.max_lifetime\" may end it sooner.");
	define_int("session.refresh_grace", &s->refresh_grace, 0, 3600,
			   GUC_UNIT_S,
			   "Sets how long a refresh token that was just used "
			   "returns the same new tokens again.",
			   "It does so longer while the new tokens are not "
			   "used.  If set to zero, using a refresh token twice "
			   "always ends the session.");
}

static void
define_tokens(void)
{
	define_bool("session.foreign_tokens", &session_settings.foreign_tokens,
				"Accepts session tokens that the application chooses "
				"itself.",
				"How hard they are to guess cannot be checked, and the server's "
				"log cannot be kept free of them.");
}

static void
define_keys(void)
{
	SessionSettings *s = &session_settings;

	define_string("session.master_key_file", &s->master_key_file,
				  "session_master.key", PGC_SIGHUP, GUC_SUPERUSER_ONLY,
				  "Sets the file that contains the master key, which "
				  "seals all other keys.",
				  "The file is created at first use.  A relative path "
				  "is relative to the data directory.");
	define_string("session.master_key_command", &s->master_key_command,
				  "", PGC_SIGHUP, GUC_SUPERUSER_ONLY,
				  "Sets a shell command that prints the master key.",
				  "If set, the file is not used.  \"%k\" is replaced by "
				  "\"current\" or \"new\", \"%%\" by \"%\".");
	define_bool("session.encrypt_data", &s->encrypt_data,
				"Seals the data of sessions.",
				"Data that was written while the setting had the "
				"other value stays readable.");
	define_int("session.key_lead", &s->key_lead, 0, 30 * DAY, GUC_UNIT_S,
			   "Sets how long a new public key is published before its "
			   "private half signs.",
			   "The first such key of a purpose signs at once.");
}

static void
define_cookies(void)
{
	SessionSettings *s = &session_settings;

	define_string("session.cookie_name", &s->cookie_name, "__Host-session",
				  PGC_SUSET, 0,
				  "Sets the name of the session cookie.", NULL);
	define_string("session.cookie_path", &s->cookie_path, "/", PGC_SUSET, 0,
				  "Sets the path of the session cookie.", NULL);
	define_string("session.cookie_domain", &s->cookie_domain, "",
				  PGC_SUSET, 0,
				  "Sets the domain of the session cookie.",
				  "If empty, browsers send the cookie only to the host "
				  "that set it.");
	define_bool("session.cookie_secure", &s->cookie_secure,
				"Sets the attribute Secure: browsers send the "
				"session cookie over encrypted connections only.", NULL);
	define_bool("session.cookie_http_only", &s->cookie_http_only,
				"Sets the attribute HttpOnly: scripts cannot read "
				"the session cookie.", NULL);
	define_enum("session.cookie_same_site", &s->cookie_same_site,
				same_site_options,
				"Sets whether requests from other sites carry the session "
				"cookie.", NULL);
	define_enum("session.cookie_encoding", &s->cookie_encoding,
				encoding_options,
				"Sets how snapshots of sessions are encoded.", NULL);
	define_int("session.cookie_cache_ttl", &s->cookie_cache_ttl, 1, DAY,
			   GUC_UNIT_S,
			   "Sets how long a snapshot of a session is accepted "
			   "without reading the session's row.", NULL);
	define_int("session.bound_cookie_ttl", &s->bound_cookie_ttl, 60, DAY,
			   GUC_UNIT_S,
			   "Sets how long a browser counts as one that has the key of its "
			   "session.",
			   "Then it proves the key again.  A stolen cookie is of no use "
			   "after that time.");
	define_int("session.dbsc_grace", &s->dbsc_grace, 0, MINUTE,
			   GUC_UNIT_S,
			   "Sets how long a session that its browser has just bound to a "
			   "key is accepted without the bound cookie.",
			   "The browser may have sent requests before it had that cookie.  "
			   "If set to zero, they are refused.");
	define_string("session.claims_function", &s->claims_function, "",
				  PGC_SUSET, 0,
				  "Sets a function that adds claims to snapshots and tokens.",
				  "Its name includes the schema; it takes a session_info and "
				  "returns jsonb.");
}

/* Refuses a pattern that could never match: it would protect nothing. */
static bool
check_sensitive_paths(char **newval, void **extra, GucSource source)
{
	if (session_path_list_valid(*newval))
		return true;
	GUC_check_errdetail("Every path must start with a slash and be written "
						"without escapes, queries or empty segments, and a * "
						"may only stand for all that follows the last slash.");
	return false;
}

static void
define_requests(void)
{
	SessionSettings *s = &session_settings;

	define_enum("session.strategy", &s->strategy, strategy_options,
				"Sets what the session cookie contains and how a "
				"request is validated.",
				"With \"database\" the session's row is read, with "
				"\"cookie_cache\" a snapshot beside the token is "
				"accepted for a while, with \"stateless\" the cookie "
				"is the session and there is no row.");
	DefineCustomStringVariable("session.sensitive_paths",
							   "Sets the paths of requests for which the session's "
							   "row is read even if there is a valid snapshot.",
							   "A comma-separated list.  /x/* stands for /x and all "
							   "paths below it.",
							   &s->sensitive_paths, "", PGC_SUSET, 0,
							   check_sensitive_paths, NULL, NULL);
	define_string("session.token_header", &s->token_header,
				  "x-session-token", PGC_SUSET, 0,
				  "Sets the request header that may hold the token in place of "
				  "the cookie.",
				  "In the header Authorization, the token follows the "
				  "scheme Bearer.  If empty, no header is read.");
	define_string("session.client_ip_header", &s->client_ip_header, "",
				  PGC_SUSET, 0,
				  "Sets the request header that holds the client's address.",
				  "The last address of a list is used.  If empty, the "
				  "address is unknown.");
	define_string("session.authenticated_role", &s->authenticated_role, "",
				  PGC_SUSET, 0,
				  "Sets the role of requests whose session has a user and no "
				  "role of its own.",
				  "If empty, the role of such requests does not change.");
	define_enum("session.on_invalid", &s->on_invalid, on_invalid_options,
				"Sets what happens to a request whose credential is "
				"not valid.",
				"With \"anonymous\" it continues without a session, "
				"with \"reject\" it fails.");
	define_bool("session.live_identity", &s->live_identity,
				"Ends the identity of a transaction when its session ends.",
				"It is checked at the start of each statement.  Only used "
				"when the library is preloaded.");
	define_enum("session.csrf", &s->csrf, csrf_options,
				"Sets which requests that may change something are refused "
				"because a page of another origin may have caused them.",
				"With \"same_origin\", those that a browser says come from "
				"another origin; with \"token\", also those with a cookie "
				"and without a token of session_csrf_token().");
}

/* Refuses a URL to which no proof could belong. */
static bool
check_public_url(char **newval, void **extra, GucSource source)
{
	char		normal[SESSION_URI_NORMAL_BYTES];
	size_t		len = strlen(*newval);
	size_t		normal_len;

	if (len == 0 ||
		(strpbrk(*newval, "?#") == NULL &&
		 session_uri_normalize(normal, &normal_len, *newval, len)))
		return true;
	GUC_check_errdetail("The URL must start with https:// or http:// and a "
						"host, and have no query or fragment.");
	return false;
}

static void
define_proofs(void)
{
	SessionSettings *s = &session_settings;

	DefineCustomStringVariable("session.public_url",
							   "Sets the URL under which clients reach the "
							   "gateway.",
							   "The path of a request is appended to it, and "
							   "the proof of a client with DPoP must be for "
							   "that URL.  If empty, DPoP is not accepted in "
							   "the Authorization header.",
							   &s->public_url, "", PGC_SUSET, 0,
							   check_public_url, NULL, NULL);
	define_int("session.dpop_window", &s->dpop_window, 1, HOUR, GUC_UNIT_S,
			   "Sets how old a proof of DPoP may be.", NULL);
	define_bool("session.dpop_nonce", &s->dpop_nonce,
				"Requires a nonce of the server in proofs of DPoP.", NULL);
	define_server_int("session.dpop_size", &s->dpop_size, 512, 10000000,
	/* shared memory has one size for the life of the server */
					  process_shared_preload_libraries_in_progress ?
					  PGC_POSTMASTER : PGC_SIGHUP, 0,
					  "Sets how many proofs of DPoP shared memory has room "
					  "for.",
					  "Each takes 24 bytes.  Only used when the library is "
					  "preloaded.");
}

static void
define_limits(void)
{
	SessionSettings *s = &session_settings;

	define_int("session.max_sessions", &s->max_sessions, 0, INT_MAX, 0,
			   "Sets how many live sessions a user may have within a tenant.",
			   "If set to zero, there is no limit.");
	define_int("session.max_derived", &s->max_derived, 0, INT_MAX, 0,
			   "Sets how many live sessions may be derived from a session, in all generations.",
			   "If set to zero, none can be derived.");
	define_enum("session.on_limit", &s->on_limit, on_limit_options,
				"Sets what happens when a user is at the limit of sessions.",
				"With \"evict\" the oldest sessions end, with "
				"\"reject\" no session is created.");
	define_int("session.max_data_size", &s->max_data_size,
			   1024, 128 * 1024 * 1024, GUC_UNIT_BYTE,
			   "Sets how large the data of a session may get.",
			   "The size is that of the jsonb value, before compression.");
}

static void
define_binding(void)
{
	SessionSettings *s = &session_settings;

	define_enum("session.bind_ip", &s->bind_ip, bind_ip_options,
				"Sets how the address of a request is compared with the one "
				"the session was created from.",
				NULL);
	define_int("session.bind_ip_prefix_v4", &s->bind_ip_prefix_v4, 0, 32, 0,
			   "Sets how many leading bits of two IPv4 addresses make them "
			   "one subnet.",
			   NULL);
	define_int("session.bind_ip_prefix_v6", &s->bind_ip_prefix_v6, 0, 128, 0,
			   "Sets how many leading bits of two IPv6 addresses make them "
			   "one subnet.",
			   NULL);
	define_enum("session.store_ip", &s->store_ip, store_ip_options,
				"Sets what sessions and events store of an address.",
				"With \"subnet\" the bits after those that "
				"\"session.bind_ip_prefix_v4\" and "
				"\"session.bind_ip_prefix_v6\" count are zero, with "
				"\"off\" nothing is stored.");
	define_bool("session.bind_user_agent", &s->bind_user_agent,
				"Requires the user agent that the session was created with.",
				NULL);
	define_string("session.risk_function", &s->risk_function, "",
				  PGC_SUSET, 0,
				  "Sets a function that judges logins, and requests from "
				  "another address.",
				  "Its name includes the schema; it takes a session_info, an "
				  "inet and a text, and returns \"ok\", \"step_up\" or "
				  "\"reject\".");
	define_string("session.act_as_function", &s->act_as_function, "",
				  PGC_SUSET, 0,
				  "Sets a function that decides who may act as whom.",
				  "Its name includes the schema; it takes a session_info and "
				  "the user, the tenant and the reason as text, and returns a "
				  "boolean.  Without one, session_act_as() is an error.");
	define_enum("session.on_mismatch", &s->on_mismatch, on_mismatch_options,
				"Sets what happens when a request does not match the binding "
				"of its session.",
				"With \"reject\" the request fails, with \"revoke\" the "
				"session ends too.");
}

static void
define_upkeep(void)
{
	SessionSettings *s = &session_settings;

	define_server_int("session.activity_size", &s->activity_size, 16, 10000000,
	/* shared memory has one size for the life of the server */
					  process_shared_preload_libraries_in_progress ?
					  PGC_POSTMASTER : PGC_SIGHUP, 0,
					  "Sets how many sessions shared memory has room for.",
					  "Each takes about 150 bytes.  Only used when the library is "
					  "preloaded.");
	define_server_int("session.naptime", &s->naptime, 1, DAY,
					  PGC_SIGHUP, GUC_UNIT_S,
					  "Sets how often the launcher looks for work.",
					  "Only used when the library is preloaded.");
	define_server_int("session.cleanup_interval", &s->cleanup_interval,
					  1, INT_MAX, PGC_SIGHUP, GUC_UNIT_S,
					  "Sets how often dead sessions of a database are "
					  "deleted.",
					  "Only used when the library is preloaded.");
	define_int("session.cleanup_batch", &s->cleanup_batch, 1, 1000000, 0,
			   "Sets how many dead sessions are deleted at a time.",
			   NULL);
	DefineCustomRealVariable("session.cleanup_pace",
							 "Sets how long the worker rests after it has "
							 "deleted rows, as a multiple of the time that "
							 "it took to delete them.",
							 "With 1 it works half of the time.  If set to "
							 "zero, it does not rest.  session_cleanup() "
							 "never rests.",
							 &s->cleanup_pace, s->cleanup_pace, 0, 100,
							 PGC_SIGHUP, 0, NULL, NULL, NULL);
	define_int("session.revoked_retention", &s->revoked_retention,
			   0, INT_MAX, GUC_UNIT_S,
			   "Sets how long the row of a revoked session is kept.",
			   "Until then its token is reported as revoked, afterwards as "
			   "unknown.");
}

static void
define_log(void)
{
	SessionSettings *s = &session_settings;

	define_bool("session.redact_log", &s->redact_log,
				"Keeps tokens and cookies out of the server's log.",
				"The public ids of tokens are logged in their place.");
}

static void
define_events(void)
{
	SessionSettings *s = &session_settings;

	define_bool("session.notify", &s->notify,
				"Also sends each event that is written on the "
				"channel \"session\".",
				"Any role that can connect may listen there.");
	define_int("session.event_retention", &s->event_retention, 0, INT_MAX,
			   GUC_UNIT_S,
			   "Sets how long events are kept.",
			   "If set to zero, they are never deleted.");
	define_int("session.failure_threshold", &s->failure_threshold,
			   0, INT_MAX, 0,
			   "Sets how many invalid tokens may come from an "
			   "address within a minute before an event is written.",
			   "If set to zero, there are no such events.");
}

/* Defines the settings; called once, from _PG_init. */
void
session_settings_init(void)
{
	define_time();
	define_refresh();
	define_tokens();
	define_keys();
	define_cookies();
	define_requests();
	define_proofs();
	define_limits();
	define_binding();
	define_upkeep();
	define_log();
	define_events();
}
