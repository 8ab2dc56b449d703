/*
 * settings.c
 *	  Name, range, unit and text of every setting.
 *
 * Rules: a setting is PGC_SUSET when a weaker value would weaken security, so
 * that no application role can loosen its own sessions; ALTER DATABASE and
 * ALTER ROLE still work for the administrator.  Upper bounds keep every sum
 * of a setting and a timestamp inside what int64 microseconds can hold.
 */
#include "postgres.h"

#include <limits.h>

#include "utils/guc.h"

#include "settings.h"

#define MINUTE 60
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

SessionSettings session_settings = {
	.lifetime = DAY,
	.update_age = 10 * MINUTE,
	.on_limit = SESSION_LIMIT_EVICT,
	.bind_ip = SESSION_BIND_OFF,
	.bind_ip_prefix_v4 = 24,
	.bind_ip_prefix_v6 = 64,
	.on_mismatch = SESSION_MISMATCH_REJECT,
	.max_data_size = 64 * 1024,
	.cleanup_batch = 1000,
	.revoked_retention = DAY,
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

static const struct config_enum_entry on_mismatch_options[] = {
	{"reject", SESSION_MISMATCH_REJECT, false},
	{"revoke", SESSION_MISMATCH_REVOKE, false},
	{NULL, 0, false}
};

/* Defines a number only a superuser may change; its value now is its default. */
static void
define_int(const char *name, int *value, int min, int max, int unit,
		   const char *short_text, const char *long_text)
{
	DefineCustomIntVariable(name, short_text, long_text, value, *value,
							min, max, PGC_SUSET, unit, NULL, NULL, NULL);
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
			   "Sets the age that no refresh can carry a session past.",
			   "If set to zero, there is no such cap.");
	define_bool("session.sliding", &s->sliding,
				"Makes the lifetime of new sessions start again with every use.",
				"The lifetime is then the idle timeout, and "
				"\"session.max_lifetime\" the hard deadline.");
	define_int("session.update_age", &s->update_age, 0, INT_MAX, GUC_UNIT_S,
			   "Sets how old the recorded activity of a session may get "
			   "before it is written again.",
			   "Half the idle timeout is used where that is shorter.  If set "
			   "to zero, every validation writes.");
}

static void
define_limits(void)
{
	SessionSettings *s = &session_settings;

	define_int("session.max_sessions", &s->max_sessions, 0, INT_MAX, 0,
			   "Sets how many live sessions a user may have within a tenant.",
			   "If set to zero, there is no limit.");
	define_enum("session.on_limit", &s->on_limit, on_limit_options,
				"Sets what happens when a user is at the limit of sessions.",
				"With \"evict\" the oldest sessions end, with \"reject\" no "
				"session is made.");
	define_int("session.max_data_size", &s->max_data_size,
			   1024, 256 * 1024 * 1024, GUC_UNIT_BYTE,
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
	define_bool("session.bind_user_agent", &s->bind_user_agent,
				"Requires the user agent that the session was created with.",
				NULL);
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

	define_int("session.cleanup_batch", &s->cleanup_batch, 1, 1000000, 0,
			   "Sets how many dead sessions are deleted at a time.",
			   NULL);
	define_int("session.revoked_retention", &s->revoked_retention,
			   0, INT_MAX, GUC_UNIT_S,
			   "Sets how long the row of a revoked session is kept.",
			   "Until then its token is reported as revoked, afterwards as "
			   "unknown.");
}

void
session_settings_init(void)
{
	define_time();
	define_limits();
	define_binding();
	define_upkeep();
	MarkGUCPrefixReserved("session");
}
