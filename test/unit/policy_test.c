/*
 * policy_test.c
 *	  The rules of a session's life, one row of a table for each case.
 *
 * ZERO is a moment far from any epoch, at which the test sessions are created.
 */
#include "postgres.h"

#include <sys/socket.h>

#include "compat.h"
#include "model/policy.h"
#include "tap.h"

#define S USECS_PER_SEC
#define MINUTE (60 * S)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define NONE SESSION_NO_TIME

/* 2026-01-01 00:00 UTC, a full hour. */
#define ZERO ((int64) 9497 * DAY)

static const SessionSettings defaults = {
	.lifetime = 24 * 60 * 60,
	.update_age = 10 * 60,
	.bind_ip_prefix_v4 = 24,
	.bind_ip_prefix_v6 = 64,
	.revoked_retention = 24 * 60 * 60,
};

/* The status of a session. */
static void
test_status(void)
{
	static const struct
	{
		const char *title;
		int64		expires_at;
		int64		idle_timeout;
		int64		last_seen_at;
		int64		revoked_at;
		int64		now;
		SessionStatus status;
	}			rows[] =
	{
		{"a session is active before its deadline",
		ZERO + 10, 0, ZERO, NONE, ZERO + 9, SESSION_ACTIVE},
		{"a session is expired at its deadline, not after it",
		ZERO + 10, 0, ZERO, NONE, ZERO + 10, SESSION_EXPIRED},
		{"a session without a hard deadline never expires",
		DT_NOEND, 0, ZERO, NONE, END_TIMESTAMP - 1, SESSION_ACTIVE},
		{"a session is active before its idle timeout",
		ZERO + DAY, 10, ZERO + 5, NONE, ZERO + 14, SESSION_ACTIVE},
		{"a session is idle when its idle timeout has passed",
		ZERO + DAY, 10, ZERO + 5, NONE, ZERO + 15, SESSION_IDLE},
		{"expired has precedence over idle",
		ZERO + 10, 5, ZERO, NONE, ZERO + 10, SESSION_EXPIRED},
		{"revoked has precedence over expired",
		ZERO + 10, 0, ZERO, ZERO + 1, ZERO + 20, SESSION_REVOKED},
		{"a revocation in the future is a revocation",
		ZERO + 10, 0, ZERO, ZERO + 9, ZERO + 5, SESSION_REVOKED},
		{"an idle timeout past the end of time does not overflow",
		DT_NOEND, PG_INT64_MAX, ZERO, NONE, ZERO + DAY, SESSION_ACTIVE},
		{"a session seen in the future is active",
		ZERO + DAY, 10, ZERO + HOUR, NONE, ZERO, SESSION_ACTIVE},
	};

	for (size_t i = 0; i < lengthof(rows); i++)
	{
		SessionRow	row = {
			.expires_at = rows[i].expires_at,
			.idle_timeout = rows[i].idle_timeout,
			.last_seen_at = rows[i].last_seen_at,
			.refresh_expires_at = NONE,
			.revoked_at = rows[i].revoked_at,
		};

		tap_ok(session_policy_status(&row, rows[i].now) == rows[i].status,
			   rows[i].title);
	}
}

/* The status and deadlines of a session that was made of another. */
static void
test_lineage(void)
{
	static const struct
	{
		const char *title;
		bool		has_parent;
		SessionLineage lineage;
		int64		now;
		SessionStatus status;
		int64		deadline;
	}			rows[] =
	{
		{"a lineage counts only with a parent",
		false, {true, 1, SESSION_REVOKED, false, ZERO}, ZERO, SESSION_ACTIVE, ZERO + 10},
		{"a session with an unknown lineage has ended",
		true, {false, 0, SESSION_ACTIVE, false, DT_NOEND}, ZERO, SESSION_REVOKED, ZERO + 10},
		{"a session of a live parent is active",
		true, {true, 1, SESSION_ACTIVE, false, DT_NOEND}, ZERO + 9, SESSION_ACTIVE, ZERO + 10},
		{"a session ends with its parent",
		true, {true, 1, SESSION_ACTIVE, false, ZERO + 5}, ZERO + 4, SESSION_ACTIVE, ZERO + 5},
		{"at the end of its parent a session is expired",
		true, {true, 1, SESSION_ACTIVE, false, ZERO + 5}, ZERO + 5, SESSION_EXPIRED, ZERO + 5},
		{"a session of a revoked parent is revoked",
		true, {true, 1, SESSION_REVOKED, false, ZERO + 5}, ZERO, SESSION_REVOKED, ZERO + 5},
		{"a session of an idle parent is idle",
		true, {true, 1, SESSION_IDLE, false, ZERO + 5}, ZERO, SESSION_IDLE, ZERO + 5},
		{"its own end has precedence",
		true, {true, 1, SESSION_REVOKED, false, ZERO}, ZERO + 10, SESSION_EXPIRED, ZERO},
	};

	for (size_t i = 0; i < lengthof(rows); i++)
	{
		SessionRow	row = {
			.expires_at = ZERO + 10,
			.refresh_expires_at = NONE,
			.revoked_at = NONE,
			.has_parent = rows[i].has_parent,
			.lineage = rows[i].lineage,
		};

		if (!row.lineage.known)
			row.lineage.end = DT_NOEND;
		tap_ok(session_policy_life(&row, rows[i].now) == rows[i].status &&
			   session_policy_deadline(&row) == rows[i].deadline,
			   rows[i].title);
	}
}

/* The times of a session that is made of another. */
static void
test_derive(void)
{
	static const struct
	{
		const char *title;
		int64		lifetime;
		int64		parent_expires;
		int64		parent_refresh;
		int64		expires_at;
	}			rows[] =
	{
		{"the lifetime is that of the setting", 0, DT_NOEND, NONE, ZERO + DAY},
		{"the lifetime of the call has precedence", HOUR, DT_NOEND, NONE, ZERO + HOUR},
		{"the deadline of the parent limits the lifetime", DAY, ZERO + HOUR, NONE, ZERO + HOUR},
		{"that of a refreshable parent is the last refresh",
		DAY, ZERO + MINUTE, ZERO + HOUR, ZERO + HOUR},
	};

	for (size_t i = 0; i < lengthof(rows); i++)
	{
		SessionRow	row = {0};
		SessionRow	parent = {
			.authenticated_at = ZERO - DAY,
			.expires_at = rows[i].parent_expires,
			.refresh_expires_at = rows[i].parent_refresh,
			.max_expires_at = NONE,
			.purge_at = ZERO + HOUR,
		};

		session_policy_derive(&row, &parent, &defaults, rows[i].lifetime, ZERO);
		tap_ok(row.expires_at == rows[i].expires_at &&
			   row.max_expires_at == row.expires_at &&
			   row.refresh_expires_at == NONE &&
			   row.authenticated_at == ZERO - DAY &&
			   row.purge_at <= parent.purge_at, rows[i].title);
	}
}

/* The deadlines of a new session. */
static void
test_open(void)
{
	static const struct
	{
		const char *title;
		int			lifetime;
		int			idle_timeout;
		int			max_lifetime;
		SessionLifetimes lifetimes;
		int64		expires_at;
		int64		idle;
		int64		max_expires_at;
	}			rows[] =
	{
		{"the lifetime is that of the setting",
		100, 0, 0, {0, -1, false, false}, ZERO + 100 * S, 0, NONE},
		{"the lifetime of the call has precedence",
		100, 0, 0, {7 * S, -1, false, false}, ZERO + 7 * S, 0, NONE},
		{"the idle timeout is that of the setting",
		100, 30, 0, {0, -1, false, false}, ZERO + 100 * S, 30 * S, NONE},
		{"the idle timeout of the call has precedence",
		100, 30, 0, {0, 5 * S, false, false}, ZERO + 100 * S, 5 * S, NONE},
		{"a call can turn the idle timeout of the setting off",
		100, 30, 0, {0, 0, false, false}, ZERO + 100 * S, 0, NONE},
		{"the cap limits the lifetime",
		100, 0, 60, {0, -1, false, false}, ZERO + 60 * S, 0, ZERO + 60 * S},
		{"the cap limits the lifetime of the call too",
		100, 0, 60, {DAY, -1, false, false}, ZERO + 60 * S, 0, ZERO + 60 * S},
		{"a cap beyond the lifetime is stored",
		100, 0, 600, {0, -1, false, false}, ZERO + 100 * S, 0, ZERO + 600 * S},
		{"with sliding the lifetime is the idle timeout",
		100, 0, 0, {0, -1, false, true}, DT_NOEND, 100 * S, NONE},
		{"with sliding the cap is the hard deadline",
		100, 0, 600, {0, -1, false, true}, ZERO + 600 * S, 100 * S, ZERO + 600 * S},
		{"sliding uses the lifetime of the call",
		100, 0, 0, {7 * S, -1, false, true}, DT_NOEND, 7 * S, NONE},
		{"sliding keeps a shorter idle timeout",
		100, 0, 0, {0, 5 * S, false, true}, DT_NOEND, 5 * S, NONE},
		{"with sliding a session always has an idle timeout",
		100, 0, 0, {0, 0, false, true}, DT_NOEND, 100 * S, NONE},
	};

	for (size_t i = 0; i < lengthof(rows); i++)
	{
		SessionSettings settings = defaults;
		SessionRow	row = {0};

		settings.lifetime = rows[i].lifetime;
		settings.idle_timeout = rows[i].idle_timeout;
		settings.max_lifetime = rows[i].max_lifetime;
		session_policy_open(&row, &settings, &rows[i].lifetimes, true, ZERO);
		tap_ok(row.expires_at == rows[i].expires_at &&
			   row.idle_timeout == rows[i].idle &&
			   row.max_expires_at == rows[i].max_expires_at &&
			   row.created_at == ZERO && row.last_seen_at == ZERO &&
			   row.authenticated_at == ZERO && row.refreshed_at == NONE &&
			   row.revoked_at == NONE && row.revoked_reason == NULL,
			   rows[i].title);
	}
}

/* The deadlines after a refresh. */
static void
test_extend(void)
{
	static const struct
	{
		const char *title;
		int64		refreshed_at;
		int64		expires_at;
		int64		max_expires_at;
		int64		now;
		int64		extended;
	}			rows[] =
	{
		{"a refresh restarts the lifetime",
		NONE, ZERO + 100, NONE, ZERO + 60, ZERO + 160},
		{"a second refresh restarts the same lifetime",
		ZERO + 60, ZERO + 160, NONE, ZERO + 150, ZERO + 250},
		{"no refresh extends a session beyond the cap",
		NONE, ZERO + 100, ZERO + 130, ZERO + 60, ZERO + 130},
		{"a refresh at the cap changes nothing",
		ZERO + 60, ZERO + 130, ZERO + 130, ZERO + 120, ZERO + 130},
		{"a session without a hard deadline gets none from a refresh",
		NONE, DT_NOEND, NONE, ZERO + 60, DT_NOEND},
		{"a lifetime past the end of time does not overflow",
		NONE, END_TIMESTAMP - 1, NONE, ZERO + 60, DT_NOEND},
	};

	for (size_t i = 0; i < lengthof(rows); i++)
	{
		SessionRow	row = {
			.created_at = ZERO,
			.last_seen_at = ZERO,
			.refreshed_at = rows[i].refreshed_at,
			.expires_at = rows[i].expires_at,
			.max_expires_at = rows[i].max_expires_at,
			.refresh_expires_at = NONE,
		};

		session_policy_extend(&row, rows[i].now);
		tap_ok(row.expires_at == rows[i].extended &&
			   row.created_at == ZERO &&
			   row.max_expires_at == rows[i].max_expires_at &&
			   row.refreshed_at == rows[i].now &&
			   row.last_seen_at == rows[i].now,
			   rows[i].title);
	}
}

/* Which of the uses that are written are worth an event. */
static void
test_touch_news(void)
{
	static const struct
	{
		TimestampTz stored;
		TimestampTz now;
		int			update_age; /* in seconds */
		int64		idle_timeout;
		bool		news;
		const char *what;
	}			cases[] = {
		{ZERO, ZERO + 10 * MINUTE - 1, 600, 0, false, "the interval of the creation"},
		{ZERO, ZERO + 10 * MINUTE, 600, 0, true, "the next interval"},
		{ZERO + 9 * MINUTE, ZERO + 11 * MINUTE, 600, 0, true, "another interval, soon after"},
		{ZERO + 11 * MINUTE, ZERO + 12 * MINUTE, 600, 0, false, "the same interval"},
		{ZERO + 11 * MINUTE, ZERO + 10 * DAY, 600, 0, true, "a much later interval"},
		{ZERO + 5 * MINUTE, ZERO + 6 * MINUTE, 600, 2 * MINUTE, true, "an interval of half the idle timeout"},
		{ZERO + 5 * MINUTE, ZERO + 6 * MINUTE - 1, 600, 2 * MINUTE, false, "the same half of the idle timeout"},
		{ZERO, ZERO, 0, 0, true, "any time, with update_age 0"},
	};

	for (size_t i = 0; i < lengthof(cases); i++)
	{
		SessionSettings settings = defaults;
		SessionRow	row = {
			.created_at = ZERO,
			.stored_seen_at = cases[i].stored,
			.idle_timeout = cases[i].idle_timeout
		};

		settings.update_age = cases[i].update_age;
		tap_ok(session_policy_touch_is_news(&row, &settings, cases[i].now) ==
			   cases[i].news, cases[i].what);
	}
}

/* The deadlines after the session gets another lifetime. */
static void
test_relive(void)
{
	static const struct
	{
		const char *title;
		bool		sliding;
		int64		expires_at;
		int64		idle_timeout;
		int64		max_expires_at;
		int64		refresh_expires_at;
		int64		new_expires_at;
		int64		new_idle_timeout;
	}			rows[] =
	{
		{"another lifetime starts now",
		false, ZERO + 100, 0, NONE, NONE, ZERO + 67, 0},
		{"another lifetime leaves the idle timeout",
		false, ZERO + 100, 3, NONE, NONE, ZERO + 67, 3},
		{"another lifetime ends at the cap",
		false, ZERO + 30, 0, ZERO + 65, NONE, ZERO + 65, 0},
		{"another lifetime of a session that slides is its idle timeout",
		false, DT_NOEND, 100, NONE, NONE, DT_NOEND, 7},
		{"another lifetime slides where sessions do",
		true, ZERO + 100, 30, ZERO + 100, NONE, ZERO + 100, 7},
		{"another lifetime of a refreshable session ends before its family",
		true, ZERO + 62, 0, NONE, ZERO + 64, ZERO + 64, 0},
	};

	for (size_t i = 0; i < lengthof(rows); i++)
	{
		SessionSettings settings = defaults;
		SessionRow	row = {
			.created_at = ZERO,
			.last_seen_at = ZERO,
			.refreshed_at = NONE,
			.expires_at = rows[i].expires_at,
			.idle_timeout = rows[i].idle_timeout,
			.max_expires_at = rows[i].max_expires_at,
			.refresh_expires_at = rows[i].refresh_expires_at,
		};

		settings.sliding = rows[i].sliding;
		settings.idle_timeout = 0;
		session_policy_relive(&row, &settings, 7, ZERO + 60);
		tap_ok(row.expires_at == rows[i].new_expires_at &&
			   row.idle_timeout == rows[i].new_idle_timeout &&
			   row.max_expires_at == rows[i].max_expires_at &&
			   row.created_at == ZERO && row.refreshed_at == ZERO + 60,
			   rows[i].title);
	}
}

/* The times of a session that a login goes on with. */
static void
test_reopen(void)
{
	SessionSettings settings = defaults;
	SessionLifetimes lifetimes = {.lifetime = DAY,.idle_timeout = HOUR};
	SessionRow	row = {
		.created_at = ZERO,
		.last_seen_at = ZERO,
		.refreshed_at = ZERO + 1,
		.expires_at = ZERO + 2 * DAY,
		.max_expires_at = ZERO + 2 * DAY,
		.refresh_expires_at = ZERO + 2 * DAY,
		.rotated_at = ZERO + 1,
	};

	settings.max_lifetime = 7 * 24 * 60 * 60;
	session_policy_reopen(&row, &settings, &lifetimes, ZERO + DAY);
	tap_ok(row.created_at == ZERO && row.refreshed_at == ZERO + DAY,
		   "a login leaves created_at");
	tap_ok(row.authenticated_at == ZERO + DAY &&
		   row.expires_at == ZERO + 2 * DAY && row.idle_timeout == HOUR &&
		   row.max_expires_at == ZERO + 8 * DAY,
		   "a login starts the lifetime and the cap again");
	tap_ok(row.refresh_expires_at == NONE && row.rotated_at == NONE,
		   "a login can end that a session is refreshable");
	session_policy_extend(&row, ZERO + DAY + HOUR);
	tap_ok(row.expires_at == ZERO + 2 * DAY + HOUR,
		   "a refresh after a login restarts the lifetime of the login");
}

/* When activity is written, and when a row may be purged. */
static void
test_touch(void)
{
	SessionSettings settings = defaults;
	SessionRow	row = {0};
	SessionLifetimes half_hour_idle = {.idle_timeout = 30 * MINUTE};
	SessionLifetimes minute_idle = {.idle_timeout = MINUTE};
	SessionLifetimes lasting = {.lifetime = DAY};

	session_policy_open(&row, &settings, &half_hour_idle, true, ZERO);
	tap_ok(!session_policy_touch_due(&row, &settings, ZERO + 10 * MINUTE - 1),
		   "activity is not written before update_age");
	tap_ok(session_policy_touch_due(&row, &settings, ZERO + 10 * MINUTE),
		   "activity is written from update_age on");
	tap_ok(row.purge_at == ZERO + 2 * HOUR,
		   "with an idle timeout purge_at is an hour after the rounded end");

	session_policy_touch(&row, ZERO + 89 * MINUTE);
	tap_ok(row.purge_at == ZERO + 2 * HOUR,
		   "purge_at does not move before that is necessary");
	session_policy_touch(&row, ZERO + 91 * MINUTE);
	tap_ok(row.purge_at == ZERO + 4 * HOUR,
		   "purge_at moves an hour further than necessary");
	session_policy_touch(&row, ZERO + 209 * MINUTE);
	tap_ok(row.purge_at == ZERO + 4 * HOUR,
		   "purge_at does not move again within two hours");
	session_policy_open(&row, &settings, &lasting, true, ZERO + 1);
	tap_ok(row.purge_at == ZERO + DAY + HOUR,
		   "any other session's purge_at is its deadline, rounded up");
	session_policy_open(&row, &settings, &half_hour_idle, true,
						ZERO + 31 * MINUTE);
	tap_ok(session_policy_touch_due(&row, &settings, ZERO + 5 * MINUTE),
		   "activity is written when the clock was ahead");
	session_policy_touch(&row, ZERO + 5 * MINUTE);
	tap_ok(row.last_seen_at == ZERO + 5 * MINUTE,
		   "last_seen_at follows a clock that was set back");

	session_policy_open(&row, &settings, &minute_idle, true, ZERO);
	tap_ok(!session_policy_touch_due(&row, &settings, ZERO + 30 * S - 1),
		   "activity is not written before half a short idle timeout");
	tap_ok(session_policy_touch_due(&row, &settings, ZERO + 30 * S),
		   "activity is written from half a short idle timeout on");
	settings.update_age = 0;
	tap_ok(session_policy_touch_due(&row, &settings, ZERO),
		   "with update_age 0, activity is always written");

	session_policy_revoke(&row, &settings, NULL, ZERO + 1);
	tap_ok(row.revoked_at == ZERO + 1 && row.purge_at == ZERO + DAY + HOUR,
		   "the row of a revoked session stays for revoked_retention");
}

static inet *
address(int family, const uint8 *bytes, int len)
{
	static SessionAddress pool[32];
	static int	used = 0;
	inet	   *ip = &pool[used++ % lengthof(pool)].ip;

	memset(ip, 0, sizeof(*ip));
	ip->inet_data.family = family;
	ip->inet_data.bits = len * 8;
	memcpy(ip->inet_data.ipaddr, bytes, len);
	SET_VARSIZE(ip, VARHDRSZ + 2 + len);
	return ip;
}

#define V4(a, b, c, d) \
	address(PGSQL_AF_INET, (const uint8[]) {a, b, c, d}, 4)
#define MAPPED(a, b, c, d) \
	address(PGSQL_AF_INET6, (const uint8[16]) \
			{[10] = 0xFF, 0xFF, a, b, c, d}, 16)
#define V6(seventh, eighth, last) \
	address(PGSQL_AF_INET6, (const uint8[16]) \
			{0x20, 0x01, 0x0D, 0xB8, [6] = seventh, [7] = eighth, \
			[15] = last}, 16)

/*
 * Whether the address of a request matches the one at the session's creation.
 */
static void
test_binding(void)
{
	const struct
	{
		const char *title;
		int			mode;
		int			prefix_v4;
		const inet *session;
		const inet *request;
		bool		bound;
	}			rows[] =
	{
		{"an unbound session accepts any address",
		SESSION_BIND_OFF, 24, V4(10, 0, 0, 1), V4(99, 0, 0, 1), true},
		{"an unbound session accepts a request without an address",
		SESSION_BIND_OFF, 24, V4(10, 0, 0, 1), NULL, true},
		{"exact accepts the same address",
		SESSION_BIND_EXACT, 24, V4(10, 0, 0, 1), V4(10, 0, 0, 1), true},
		{"exact refuses a neighbour",
		SESSION_BIND_EXACT, 24, V4(10, 0, 0, 1), V4(10, 0, 0, 2), false},
		{"no address is a mismatch",
		SESSION_BIND_EXACT, 24, V4(10, 0, 0, 1), NULL, false},
		{"a session without an address matches none",
		SESSION_BIND_SUBNET, 24, NULL, V4(10, 0, 0, 1), false},
		{"subnet accepts a neighbour",
		SESSION_BIND_SUBNET, 24, V4(10, 0, 0, 1), V4(10, 0, 0, 99), true},
		{"subnet refuses an address of another subnet",
		SESSION_BIND_SUBNET, 24, V4(10, 0, 0, 1), V4(10, 0, 1, 1), false},
		{"a prefix that ends within a byte accepts its subnet",
		SESSION_BIND_SUBNET, 20, V4(10, 0, 16, 1), V4(10, 0, 31, 1), true},
		{"a prefix that ends within a byte refuses another subnet",
		SESSION_BIND_SUBNET, 20, V4(10, 0, 16, 1), V4(10, 0, 32, 1), false},
		{"a prefix of 0 accepts any address of the family",
		SESSION_BIND_SUBNET, 0, V4(10, 0, 0, 1), V4(99, 9, 9, 9), true},
		{"a prefix of 0 refuses the other family",
		SESSION_BIND_SUBNET, 0, V4(10, 0, 0, 1), V6(0, 1, 1), false},
		{"a prefix of 32 is exact",
		SESSION_BIND_SUBNET, 32, V4(10, 0, 0, 1), V4(10, 0, 0, 0), false},
		{"subnet accepts an IPv6 neighbour in the same /64",
		SESSION_BIND_SUBNET, 24, V6(0, 1, 1), V6(0, 1, 2), true},
		{"subnet refuses an IPv6 address of another /64",
		SESSION_BIND_SUBNET, 24, V6(0, 1, 1), V6(0, 2, 1), false},
		{"exact compares all bits of an IPv6 address",
		SESSION_BIND_EXACT, 24, V6(0, 1, 1), V6(0, 1, 2), false},
		{"an IPv4-mapped IPv6 address equals the IPv4 address",
		SESSION_BIND_EXACT, 24, V4(10, 0, 0, 1), MAPPED(10, 0, 0, 1), true},
		{"an IPv4-mapped IPv6 address has IPv4 subnets",
		SESSION_BIND_SUBNET, 24, MAPPED(10, 0, 0, 1), MAPPED(10, 0, 1, 1), false},
	};

	for (size_t i = 0; i < lengthof(rows); i++)
	{
		SessionSettings settings = defaults;
		SessionRow	row = {.ip = unconstify(inet *, rows[i].session)};
		SessionBinding binding = {.ip = rows[i].request};

		settings.bind_ip = rows[i].mode;
		settings.bind_ip_prefix_v4 = rows[i].prefix_v4;
		tap_ok(session_policy_matches_binding(&row, &settings, &binding) == rows[i].bound,
			   rows[i].title);
	}
}

/* Returns an address with a length of its network. */
static const inet *
with_bits(const inet *ip, int bits)
{
	unconstify(inet *, ip)->inet_data.bits = bits;
	return ip;
}

/* What is stored of an address. */
static void
test_stored_ip(void)
{
	const struct
	{
		const char *title;
		int			store_ip;
		int			prefix_v4;
		int			prefix_v6;
		const inet *given;
		const inet *stored;
	}			rows[] =
	{
		{"full stores the address",
		SESSION_STORE_IP_FULL, 24, 64, V4(10, 1, 2, 3), V4(10, 1, 2, 3)},
		{"off stores nothing",
		SESSION_STORE_IP_OFF, 24, 64, V4(10, 1, 2, 3), NULL},
		{"no address stays none",
		SESSION_STORE_IP_SUBNET, 24, 64, NULL, NULL},
		{"subnet stores the network of an IPv4 address",
			SESSION_STORE_IP_SUBNET, 24, 64, V4(10, 1, 2, 3),
		with_bits(V4(10, 1, 2, 0), 24)},
		{"a prefix within a byte cuts the byte",
			SESSION_STORE_IP_SUBNET, 13, 64, V4(10, 255, 2, 3),
		with_bits(V4(10, 248, 0, 0), 13)},
		{"a prefix of 0 stores no bit",
			SESSION_STORE_IP_SUBNET, 0, 64, V4(10, 1, 2, 3),
		with_bits(V4(0, 0, 0, 0), 0)},
		{"a prefix of 32 stores the address",
		SESSION_STORE_IP_SUBNET, 32, 64, V4(10, 1, 2, 3), V4(10, 1, 2, 3)},
		{"a network that is wider than the prefix stays as wide",
			SESSION_STORE_IP_SUBNET, 24, 64, with_bits(V4(10, 1, 2, 3), 8),
		with_bits(V4(10, 0, 0, 0), 8)},
		{"subnet stores the network of an IPv6 address",
			SESSION_STORE_IP_SUBNET, 24, 64, V6(1, 2, 3),
		with_bits(V6(1, 2, 0), 64)},
		{"an IPv6 prefix is not that of IPv4",
			SESSION_STORE_IP_SUBNET, 24, 56, V6(1, 2, 3),
		with_bits(V6(1, 0, 0), 56)},
		{"an IPv4-mapped address has the prefix of IPv4, within IPv6",
			SESSION_STORE_IP_SUBNET, 24, 64, MAPPED(10, 1, 2, 3),
		with_bits(MAPPED(10, 1, 2, 0), 120)},
	};

	for (size_t i = 0; i < lengthof(rows); i++)
	{
		SessionSettings settings = {
			.store_ip = rows[i].store_ip,
			.bind_ip_prefix_v4 = rows[i].prefix_v4,
			.bind_ip_prefix_v6 = rows[i].prefix_v6
		};
		SessionAddress room;
		SessionAddress again;
		const inet *stored = session_policy_stored_ip(rows[i].given, &settings, &room);

		tap_ok(stored == NULL ? rows[i].stored == NULL :
			   rows[i].stored != NULL &&
			   VARSIZE(stored) == VARSIZE(rows[i].stored) &&
			   memcmp(stored, rows[i].stored, VARSIZE(stored)) == 0,
			   rows[i].title);
		if (stored != NULL)
		{
			const inet *twice = session_policy_stored_ip(stored, &settings, &again);

			tap_ok(memcmp(stored, twice, VARSIZE(stored)) == 0,
				   "to reduce it again changes nothing");
		}
	}
}

/* Whether a request comes from another address than its session. */
static void
test_has_moved(void)
{
	const struct
	{
		const char *title;
		int			store_ip;
		const inet *had;
		const inet *has;
		bool		moved;
	}			rows[] = {
		{"a request of unknown address has not moved",
		SESSION_STORE_IP_FULL, V4(10, 1, 2, 3), NULL, false},
		{"a session without address and a request without one agree",
		SESSION_STORE_IP_FULL, NULL, NULL, false},
		{"a request has moved if the session has no address",
		SESSION_STORE_IP_FULL, NULL, V4(10, 1, 2, 3), true},
		{"the same address has not moved",
		SESSION_STORE_IP_FULL, V4(10, 1, 2, 3), V4(10, 1, 2, 3), false},
		{"another address has moved",
		SESSION_STORE_IP_FULL, V4(10, 1, 2, 3), V4(10, 1, 2, 4), true},
		{"an IPv4-mapped address is the IPv4 address",
		SESSION_STORE_IP_FULL, V4(10, 1, 2, 3), MAPPED(10, 1, 2, 3), false},
		{"IPv4 and IPv6 differ",
		SESSION_STORE_IP_FULL, V4(10, 1, 2, 3), V6(1, 2, 3), true},
		{"subnets are compared where they are stored",
			SESSION_STORE_IP_SUBNET, with_bits(V4(10, 1, 2, 0), 24),
		V4(10, 1, 2, 4), false},
		{"an address stored in full is compared as a subnet",
		SESSION_STORE_IP_SUBNET, V4(10, 1, 2, 3), MAPPED(10, 1, 2, 4), false},
		{"another subnet has moved",
			SESSION_STORE_IP_SUBNET, with_bits(V4(10, 1, 2, 0), 24),
		V4(10, 1, 3, 4), true},
		{"where nothing is stored, nothing has moved",
		SESSION_STORE_IP_OFF, V4(10, 1, 2, 3), V4(10, 1, 2, 4), false},
	};

	for (size_t i = 0; i < lengthof(rows); i++)
	{
		SessionSettings settings = {
			.store_ip = rows[i].store_ip,
			.bind_ip_prefix_v4 = 24,
			.bind_ip_prefix_v6 = 64
		};
		SessionRow	row = {.ip = unconstify(inet *, rows[i].had)};
		SessionBinding binding = {.ip = rows[i].has};

		tap_ok(session_policy_has_moved(&row, &settings, &binding) == rows[i].moved,
			   rows[i].title);
	}
}

/* Makes a text of the characters; NULL stays NULL. */
static text *
name(const char *chars)
{
	text	   *result;

	if (chars == NULL)
		return NULL;
	result = malloc(VARHDRSZ + strlen(chars));
	SET_VARSIZE(result, VARHDRSZ + strlen(chars));
	memcpy(VARDATA(result), chars, strlen(chars));
	return result;
}

/* Whether a session belongs to the user and tenant that were asked for. */
static void
test_belongs(void)
{
	static const struct
	{
		const char *title;
		const char *user;
		const char *tenant;
		const char *asked_user;
		const char *asked_tenant;
		bool		belongs;
	}			rows[] =
	{
		{"a session belongs to its user without a tenant",
		"ada", NULL, "ada", NULL, true},
		{"a session belongs to its user in its tenant",
		"ada", "acme", "ada", "acme", true},
		{"a session does not belong to another user",
		"ada", NULL, "eve", NULL, false},
		{"a session does not belong to a user with a longer name",
		"ada", NULL, "adam", NULL, false},
		{"a session does not belong to another tenant",
		"ada", "acme", "ada", "evil", false},
		{"asking without a tenant does not match a session of a tenant",
		"ada", "acme", "ada", NULL, false},
		{"asking with a tenant does not match a session without one",
		"ada", NULL, "ada", "acme", false},
		{"an anonymous session belongs to no user",
		NULL, NULL, "ada", NULL, false},
		{"asking for no user matches no anonymous session",
		NULL, NULL, NULL, NULL, false},
	};

	for (size_t i = 0; i < lengthof(rows); i++)
	{
		text	   *user = name(rows[i].user);
		text	   *tenant = name(rows[i].tenant);
		text	   *asked_user = name(rows[i].asked_user);
		text	   *asked_tenant = name(rows[i].asked_tenant);
		SessionRow	row = {.user_id = user,.tenant_id = tenant};

		tap_ok(session_policy_is_of_user(&row, asked_user, asked_tenant) ==
			   rows[i].belongs, rows[i].title);
		free(user);
		free(tenant);
		free(asked_user);
		free(asked_tenant);
	}
}

/* The length of an interval. */
static void
test_usecs(void)
{
	static const struct
	{
		const char *title;
		Interval	interval;
		bool		countable;
		int64		usecs;
	}			rows[] =
	{
		{"a month is 30 days", {0, 0, 1}, true, 30 * DAY},
		{"a day is 24 hours", {0, 1, 0}, true, DAY},
		{"the parts add up", {5, -1, 1}, true, 29 * DAY + 5},
		{"too many days do not overflow", {0, INT_MAX, 0}, false, 0},
		{"too many months do not overflow", {0, 0, INT_MAX}, false, 0},
		{"a sum that is too long does not overflow",
		{PG_INT64_MAX, 1, 0}, false, 0},
	};

	for (size_t i = 0; i < lengthof(rows); i++)
	{
		int64		usecs = 0;
		bool		countable = session_policy_usecs(&usecs, &rows[i].interval);

		tap_ok(countable == rows[i].countable &&
			   (!countable || usecs == rows[i].usecs), rows[i].title);
	}
}

/* The deadlines of a refreshable session. */
static void
test_refreshable(void)
{
	SessionSettings settings = defaults;
	SessionLifetimes lifetimes = {.idle_timeout = -1,.refreshable = true};
	SessionRow	row = {0};

	settings.access_lifetime = 15 * 60;
	settings.refresh_lifetime = 30 * 24 * 60 * 60;
	session_policy_open(&row, &settings, &lifetimes, true, ZERO);
	tap_ok(row.expires_at == ZERO + 15 * MINUTE &&
		   row.refresh_expires_at == ZERO + 30 * DAY,
		   "a refreshable session has two deadlines");
	tap_ok(row.purge_at == ZERO + 30 * DAY,
		   "the row of a refreshable session stays until the later deadline");
	tap_ok(session_policy_status(&row, ZERO + HOUR) == SESSION_EXPIRED &&
		   session_policy_life(&row, ZERO + HOUR) == SESSION_ACTIVE,
		   "between the deadlines the token is expired and the session live");
	tap_ok(session_policy_life(&row, ZERO + 30 * DAY) == SESSION_EXPIRED,
		   "a refreshable session is expired at the later deadline");

	row.refresh_generation = 5;
	session_policy_rotate(&row, 5, ZERO + HOUR);
	tap_ok(row.refresh_generation == 6 && row.rotated_at == ZERO + HOUR &&
		   row.last_seen_at == ZERO + HOUR &&
		   row.expires_at == ZERO + HOUR + 15 * MINUTE &&
		   row.refresh_expires_at == ZERO + 30 * DAY,
		   "rotation moves the token's deadline and not the session's");
	session_policy_repeat(&row, ZERO + 2 * HOUR);
	tap_ok(row.refresh_generation == 6 && row.rotated_at == ZERO + 2 * HOUR &&
		   row.last_seen_at == ZERO + 2 * HOUR &&
		   row.expires_at == ZERO + 2 * HOUR + 15 * MINUTE &&
		   row.refresh_expires_at == ZERO + 30 * DAY,
		   "giving a pair again restarts its lifetime");
	session_policy_rotate(&row, 9, ZERO + 2 * HOUR);
	tap_ok(row.refresh_generation == 10,
		   "rotation continues from the generation that was presented");
	session_policy_rotate(&row, 10, ZERO + 30 * DAY - MINUTE);
	tap_ok(row.expires_at == ZERO + 30 * DAY,
		   "no rotation extends the token beyond the session's deadline");

	settings.max_lifetime = 60 * 60;
	session_policy_open(&row, &settings, &lifetimes, true, ZERO);
	tap_ok(row.refresh_expires_at == ZERO + HOUR,
		   "the cap limits both deadlines");
}

/*
 * The result for a refresh token. The row is at generation 6, rotated at HOUR.
 */
static void
test_rotation(void)
{
	static const struct
	{
		const char *title;
		uint32		generation;
		int64		asked;
		int64		now;
		int64		rotated_at;
		int64		last_seen_at;
		bool		uses_known;
		int			grace;
		SessionRotation rotation;
	}			rows[] =
	{
		{"the current generation gets the next pair",
		6, HOUR, HOUR, HOUR, HOUR, false, 10, SESSION_ROTATION_NEXT},
		{"without a grace the current generation gets the next pair",
		6, HOUR, HOUR, HOUR, HOUR, false, 0, SESSION_ROTATION_NEXT},
		{"the current generation gets the next pair after a use",
			6, 2 * HOUR, 2 * HOUR, HOUR, HOUR + 1, true, 10,
		SESSION_ROTATION_NEXT},
		{"the current generation gets the next pair if the clock is behind",
		6, MINUTE, MINUTE, HOUR, HOUR, true, 10, SESSION_ROTATION_NEXT},
		{"a newer generation continues from there",
		7, HOUR, HOUR, HOUR, HOUR, false, 10, SESSION_ROTATION_NEXT},
		{"a much newer generation continues from there",
			PG_INT32_MAX - 1, HOUR, HOUR, HOUR, HOUR, false, 10,
		SESSION_ROTATION_NEXT},
		{"the last generation gets no next pair",
			PG_INT32_MAX, HOUR, HOUR, HOUR, HOUR, false, 10,
		SESSION_ROTATION_NONE},
		{"a generation after the last gets no next pair",
			PG_UINT32_MAX, HOUR, HOUR, HOUR, HOUR, false, 10,
		SESSION_ROTATION_NONE},
		{"within the grace the pair is given again",
			5, HOUR + 10 * S - 1, HOUR + 10 * S - 1, HOUR, HOUR, false, 10,
		SESSION_ROTATION_SAME},
		{"within the grace the pair is given again after a use",
			5, HOUR + 10 * S - 1, HOUR + 10 * S - 1, HOUR, HOUR + 1, true, 10,
		SESSION_ROTATION_SAME},
		{"after the grace and a use the previous generation is reuse",
			5, HOUR + 10 * S, HOUR + 10 * S, HOUR, HOUR + 1, true, 10,
		SESSION_ROTATION_REUSE},
		{"waiting for the row does not count against the grace",
			5, HOUR, 2 * HOUR, HOUR, HOUR + 1, true, 10,
		SESSION_ROTATION_SAME},
		{"a rotation that began after the call is within the grace",
			5, HOUR - MINUTE, HOUR + MINUTE, HOUR, HOUR, true, 10,
		SESSION_ROTATION_SAME},
		{"a rotation in the future has no grace",
			5, HOUR - 1, HOUR - 1, HOUR, HOUR, true, 10,
		SESSION_ROTATION_REUSE},
		{"a rotation in the future has no grace for an older call either",
			5, MINUTE, HOUR - 1, HOUR, HOUR, true, 10,
		SESSION_ROTATION_REUSE},
		{"without a grace the previous generation is reuse at once",
		5, HOUR, HOUR, HOUR, HOUR, true, 0, SESSION_ROTATION_REUSE},
		{"without a grace a pair is not given again later",
			5, 2 * HOUR, 2 * HOUR, HOUR, HOUR, true, 0,
		SESSION_ROTATION_REUSE},
		{"the previous generation is reuse without a time of rotation",
			5, HOUR, HOUR, NONE, HOUR, true, 10,
		SESSION_ROTATION_REUSE},
		{"a pair that was not used is given again after the grace",
			5, HOUR + 10 * S, HOUR + 10 * S, HOUR, HOUR, true, 10,
		SESSION_ROTATION_AGAIN},
		{"a pair that was not used is given again at any later time",
			5, 29 * DAY, 29 * DAY, HOUR, HOUR, true, 10,
		SESSION_ROTATION_AGAIN},
		{"after the grace it is reuse if uses are not known",
			5, 2 * HOUR, 2 * HOUR, HOUR, HOUR, false, 10,
		SESSION_ROTATION_REUSE},
		{"a use while the clock was behind counts as a use",
			5, 2 * HOUR, 2 * HOUR, HOUR, HOUR - 1, true, 10,
		SESSION_ROTATION_REUSE},
		{"an older generation is reuse at any time",
		4, HOUR, HOUR, HOUR, HOUR, true, 10, SESSION_ROTATION_REUSE},
		{"generation zero is reuse at any time",
		0, HOUR, HOUR, HOUR, HOUR, true, 10, SESSION_ROTATION_REUSE},
		{"an expired session gives no pair",
			6, 30 * DAY, 30 * DAY, HOUR, HOUR, true, 10,
		SESSION_ROTATION_NONE},
		{"an expired session reports no reuse",
			4, 30 * DAY, 30 * DAY, HOUR, HOUR, true, 10,
		SESSION_ROTATION_NONE},
	};

	for (size_t i = 0; i < lengthof(rows); i++)
	{
		SessionSettings settings = {.refresh_grace = rows[i].grace};
		SessionRow	row = {
			.refresh_generation = 6,
			.created_at = ZERO,
			.rotated_at = rows[i].rotated_at == NONE ? NONE :
			ZERO + rows[i].rotated_at,
			.last_seen_at = ZERO + rows[i].last_seen_at,
			.expires_at = ZERO + 2 * HOUR,
			.refresh_expires_at = ZERO + 30 * DAY,
			.revoked_at = NONE,
		};
		SessionPresented presented = {
			.generation = rows[i].generation,
			.asked = ZERO + rows[i].asked,
			.now = ZERO + rows[i].now,
			.uses_known = rows[i].uses_known,
		};

		tap_ok(session_policy_rotation(&row, &settings, &presented) ==
			   rows[i].rotation, rows[i].title);
		if (rows[i].rotation == SESSION_ROTATION_NEXT)
		{
			row.revoked_at = ZERO;
			tap_ok(session_policy_rotation(&row, &settings, &presented) ==
				   SESSION_ROTATION_NONE,
				   "a revoked session gives no next pair");
		}
	}
}

/* A row of session.policies, NULL where it says nothing. */
typedef struct RuleCase
{
	const char *title;
	SessionRules rows[4];		/* most specific first */
	SessionRules sum;
} RuleCase;

#define LIFE(n) {.says = SESSION_RULE_LIFETIME,.lifetime = (n)}
#define IDLE(n) {.says = SESSION_RULE_IDLE_TIMEOUT,.idle_timeout = (n)}
#define MOST(n) {.says = SESSION_RULE_MAX_SESSIONS,.max_sessions = (n)}
#define BIND(how) {.says = SESSION_RULE_BIND_IP,.bind_ip = SESSION_BIND_##how}
#define AGENT(on) {.says = SESSION_RULE_BIND_USER_AGENT,.bind_user_agent = (on)}
#define AFTER(at) {.says = SESSION_RULE_VALID_AFTER,.valid_after = (at)}
#define NOTHING {.says = 0}

/* Which row of session.policies counts for each point. */
static void
test_precedence(void)
{
	static const RuleCase rows[] =
	{
		{"no row says nothing",
		{NOTHING, NOTHING, NOTHING, NOTHING}, NOTHING},
		{"the row of the tenant and the role counts first",
		{LIFE(1), LIFE(2), LIFE(3), LIFE(4)}, LIFE(1)},
		{"the row of the tenant counts second",
		{NOTHING, LIFE(2), LIFE(3), LIFE(4)}, LIFE(2)},
		{"the row of the role counts third",
		{NOTHING, NOTHING, LIFE(3), LIFE(4)}, LIFE(3)},
		{"the row of everybody counts last",
		{NOTHING, NOTHING, NOTHING, LIFE(4)}, LIFE(4)},
		{"a longer lifetime of a more specific row counts",
		{NOTHING, LIFE(9), NOTHING, LIFE(4)}, LIFE(9)},
		{"no idle timeout of a more specific row counts",
		{IDLE(0), IDLE(5), NOTHING, NOTHING}, IDLE(0)},
		{"no limit of a more specific row counts",
		{NOTHING, MOST(0), NOTHING, MOST(3)}, MOST(0)},
		{"a looser binding of a more specific row counts",
		{NOTHING, BIND(OFF), BIND(EXACT), BIND(SUBNET)}, BIND(OFF)},
		{"no binding of a more specific row counts",
		{NOTHING, AGENT(false), NOTHING, AGENT(true)}, AGENT(false)},
		{"the latest end of all rows counts: of everybody",
		{AFTER(1), AFTER(3), AFTER(2), AFTER(4)}, AFTER(4)},
		{"the latest end of all rows counts: of the tenant",
		{NOTHING, AFTER(5), AFTER(2), AFTER(4)}, AFTER(5)},
		{"an end before 2000 counts as well",
		{NOTHING, AFTER(-5), NOTHING, NOTHING}, AFTER(-5)},
		{"each point counts for itself",
			{
				LIFE(1), IDLE(2), BIND(EXACT),
				{
					.says = SESSION_RULE_LIFETIME | SESSION_RULE_IDLE_TIMEOUT |
					SESSION_RULE_MAX_SESSIONS | SESSION_RULE_BIND_IP |
					SESSION_RULE_BIND_USER_AGENT | SESSION_RULE_VALID_AFTER,
					.lifetime = 7,.idle_timeout = 7,.max_sessions = 7,
					.bind_ip = SESSION_BIND_OFF,.bind_user_agent = true,
					.valid_after = 7
				}
			},
			{
				.says = SESSION_RULE_LIFETIME | SESSION_RULE_IDLE_TIMEOUT |
				SESSION_RULE_MAX_SESSIONS | SESSION_RULE_BIND_IP |
				SESSION_RULE_BIND_USER_AGENT | SESSION_RULE_VALID_AFTER,
				.lifetime = 1,.idle_timeout = 2,.max_sessions = 7,
				.bind_ip = SESSION_BIND_EXACT,.bind_user_agent = true,
				.valid_after = 7
			}
		},
	};

	for (size_t i = 0; i < lengthof(rows); i++)
	{
		const SessionRules *want = &rows[i].sum;
		SessionRules sum = {0};

		for (size_t n = 0; n < lengthof(rows[i].rows); n++)
			session_policy_add_rules(&sum, &rows[i].rows[n]);
		tap_ok(sum.says == want->says && sum.lifetime == want->lifetime &&
			   sum.idle_timeout == want->idle_timeout &&
			   sum.max_sessions == want->max_sessions &&
			   sum.bind_ip == want->bind_ip &&
			   sum.bind_user_agent == want->bind_user_agent &&
			   sum.valid_after == want->valid_after, rows[i].title);
	}
}

/* The smaller of the deadlines of a session and of its rules. */
static void
test_minimum(void)
{
	static const struct
	{
		const char *title;
		int64		expires_at;
		int64		idle_timeout;
		int64		refreshed_at;
		int64		refresh_expires_at;
		int64		lifetime;	/* of the rules; 0 = none */
		int64		rule_idle;	/* of the rules; 0 = none */
		int64		deadline;	/* of the session token */
		int64		end;		/* of the session */
	}			rows[] =
	{
		{"without rules the session's own deadline counts",
		ZERO + 100, 0, NONE, NONE, 0, 0, ZERO + 100, ZERO + 100},
		{"a shorter lifetime of the rules counts",
		ZERO + 100, 0, NONE, NONE, 60, 0, ZERO + 60, ZERO + 60},
		{"a longer lifetime of the rules lengthens nothing",
		ZERO + 100, 0, NONE, NONE, 200, 0, ZERO + 100, ZERO + 100},
		{"the lifetime of the rules starts with the last refresh",
		ZERO + 190, 0, ZERO + 90, NONE, 60, 0, ZERO + 150, ZERO + 150},
		{"a sliding session gets a hard deadline",
		DT_NOEND, 30, NONE, NONE, 20, 0, ZERO + 20, ZERO + 20},
		{"a sliding session keeps a shorter idle timeout",
		DT_NOEND, 30, NONE, NONE, 60, 0, ZERO + 30, ZERO + 30},
		{"a shorter idle timeout of the rules counts",
		ZERO + 100, 30, NONE, NONE, 0, 20, ZERO + 20, ZERO + 20},
		{"a longer idle timeout of the rules lengthens nothing",
		ZERO + 100, 30, NONE, NONE, 0, 40, ZERO + 30, ZERO + 30},
		{"a session without an idle timeout gets that of the rules",
		ZERO + 100, 0, NONE, NONE, 0, 40, ZERO + 40, ZERO + 40},
		{"rules without an idle timeout leave the session its own",
		ZERO + 100, 30, NONE, NONE, 60, 0, ZERO + 30, ZERO + 30},
		{"the lifetime of the rules caps both deadlines if refreshable",
		ZERO + 100, 0, NONE, ZERO + 900, 60, 0, ZERO + 60, ZERO + 60},
		{"a refresh does not start the lifetime of a refreshable session",
			ZERO + 190, 0, ZERO + 90, ZERO + 900, 150, 0, ZERO + 150,
		ZERO + 150},
		{"the lifetime of the rules leaves a shorter session token",
			ZERO + 100, 0, NONE, ZERO + 900, 300, 0, ZERO + 100,
		ZERO + 300},
		{"a lifetime past the end of time does not overflow",
			DT_NOEND, 0, NONE, NONE, PG_INT64_MAX, PG_INT64_MAX, DT_NOEND,
		DT_NOEND},
	};

	for (size_t i = 0; i < lengthof(rows); i++)
	{
		SessionRow	row = {
			.created_at = ZERO,
			.last_seen_at = ZERO,
			.refreshed_at = rows[i].refreshed_at,
			.expires_at = rows[i].expires_at,
			.idle_timeout = rows[i].idle_timeout,
			.max_expires_at = NONE,
			.refresh_expires_at = rows[i].refresh_expires_at,
			.revoked_at = NONE,
			.rules = {
				.says = SESSION_RULE_LIFETIME | SESSION_RULE_IDLE_TIMEOUT,
				.lifetime = rows[i].lifetime,
				.idle_timeout = rows[i].rule_idle,
			},
		};

		tap_ok(session_policy_deadline(&row) == rows[i].deadline &&
			   session_policy_end(&row) == rows[i].end &&
			   session_policy_status(&row, rows[i].deadline - 1) ==
			   SESSION_ACTIVE &&
			   (TIMESTAMP_NOT_FINITE(rows[i].deadline) ||
				session_policy_status(&row, rows[i].deadline) !=
				SESSION_ACTIVE) &&
			   session_policy_life(&row, rows[i].end - 1) == SESSION_ACTIVE &&
			   (TIMESTAMP_NOT_FINITE(rows[i].end) ||
				session_policy_life(&row, rows[i].end) != SESSION_ACTIVE),
			   rows[i].title);
	}
}

/* What rules do to a session besides its deadlines. */
static void
test_rules(void)
{
	SessionSettings settings = defaults;
	SessionLifetimes lifetimes = {.lifetime = DAY,.idle_timeout = 0};
	SessionRules cut = AFTER(ZERO);
	SessionRules nothing = NOTHING;
	SessionRow	row = {0};

	tap_ok(!session_policy_has_ended(&nothing, DT_NOBEGIN + 1) &&
		   session_policy_has_ended(&cut, ZERO) &&
		   !session_policy_has_ended(&cut, ZERO + 1),
		   "what was created at valid_after has ended, and not what is later");
	tap_ok(session_policy_creation(&cut, ZERO + 5) == ZERO + 5 &&
		   session_policy_creation(&cut, ZERO) == ZERO + 1 &&
		   session_policy_creation(&cut, ZERO - DAY) == ZERO + 1 &&
		   session_policy_creation(&nothing, ZERO) == ZERO,
		   "a session is created after valid_after, even if the clock is not");

	row.rules = cut;
	session_policy_open(&row, &settings, &lifetimes, true, ZERO - HOUR);
	tap_ok(row.created_at == ZERO + 1 && row.last_seen_at == ZERO + 1 &&
		   row.authenticated_at == ZERO + 1 &&
		   row.expires_at == ZERO + 1 + DAY &&
		   session_policy_life(&row, ZERO - HOUR) == SESSION_ACTIVE,
		   "a new session lives although the clock was set back");
	row.rules.valid_after = ZERO + 1;
	tap_ok(session_policy_life(&row, ZERO + 2) == SESSION_REVOKED &&
		   session_policy_status(&row, ZERO + 2) == SESSION_REVOKED &&
		   session_policy_life(&row, ZERO + 2 * DAY) == SESSION_REVOKED,
		   "a session that valid_after has ended is revoked, also later");
	session_policy_move(&row);
	tap_ok(row.created_at == ZERO + 2 &&
		   session_policy_life(&row, ZERO + 2) == SESSION_ACTIVE,
		   "a session that comes to a tenant lives");

	row.rules = nothing;
	session_policy_open(&row, &settings, &lifetimes, true, ZERO);
	row.rules = (SessionRules) LIFE(HOUR);
	session_policy_touch(&row, ZERO + MINUTE);
	tap_ok(row.purge_at == ZERO + DAY,
		   "the row stays until the session's own deadline");
	session_policy_extend(&row, ZERO + MINUTE);
	tap_ok(row.expires_at == ZERO + MINUTE + DAY &&
		   session_policy_deadline(&row) == ZERO + MINUTE + HOUR,
		   "a refresh restarts both lifetimes");
	row.refresh_expires_at = ZERO + DAY;
	row.authenticated_at = ZERO + 2 * MINUTE;
	tap_ok(session_policy_end(&row) == ZERO + 2 * MINUTE + HOUR,
		   "the lifetime of a refreshable session starts with its last login");
	row.refresh_expires_at = NONE;
	row.rules = (SessionRules) IDLE(MINUTE);
	tap_ok(session_policy_touch_age(&row, &settings) == 30 * S,
		   "uses are written within half the idle timeout of the rules");
}

/* The limit on the sessions of a user. */
static void
test_limit(void)
{
	static const struct
	{
		const char *title;
		SessionRules rules;
		int			setting;
		int			asked;
		int			limit;
	}			rows[] =
	{
		{"the setting counts first", NOTHING, 3, -1, 3},
		{"the call counts before the setting", NOTHING, 3, 5, 5},
		{"a call can ask for no limit", NOTHING, 3, 0, 0},
		{"the rules count before the setting", MOST(2), 3, -1, 2},
		{"the rules can raise the setting", MOST(9), 3, -1, 9},
		{"the rules can set no limit", MOST(0), 3, -1, 0},
		{"a call can ask for less than the rules", MOST(4), 3, 1, 1},
		{"a call cannot ask for more than the rules", MOST(4), 3, 8, 4},
		{"a call cannot ask for no limit against the rules",
		MOST(4), 3, 0, 4},
		{"a call can set a limit where the rules set none",
		MOST(0), 3, 5, 5},
	};

	for (size_t i = 0; i < lengthof(rows); i++)
	{
		SessionSettings settings = {.max_sessions = rows[i].setting};

		tap_ok(session_policy_limit(&rows[i].rules, &settings,
									rows[i].asked) == rows[i].limit,
			   rows[i].title);
	}
}

/* Whether rules and settings bind a session. */
static void
test_bound(void)
{
	SessionSettings loose = defaults;
	SessionSettings tight = defaults;
	SessionRules nothing = NOTHING;
	SessionRules off = BIND(OFF);
	SessionRules exact = BIND(EXACT);
	SessionRules agent = AGENT(true);
	SessionRules no_agent = AGENT(false);
	SessionRow	row = {.ip = V4(10, 0, 0, 1)};
	SessionBinding neighbour = {.ip = V4(10, 0, 0, 2)};
	SessionSettings judged = loose;
	char		function[] = "app.risk";

	tight.bind_ip = SESSION_BIND_EXACT;
	tight.bind_user_agent = true;
	tap_ok(!session_policy_needs_row(&nothing, &loose) &&
		   session_policy_needs_row(&nothing, &tight) &&
		   session_policy_needs_row(&exact, &loose) &&
		   session_policy_needs_row(&agent, &loose) &&
		   session_policy_needs_row(&off, &tight),
		   "rules bind sessions beside the settings");
	judged.risk_function = function;
	tap_ok(session_policy_needs_row(&nothing, &judged),
		   "a risk function needs the row");
	off.says |= no_agent.says;
	tap_ok(!session_policy_needs_row(&off, &tight),
		   "rules can turn the binding of the settings off");
	row.rules = exact;
	tap_ok(!session_policy_matches_binding(&row, &loose, &neighbour),
		   "a session is bound by its rules");
	row.rules = off;
	tap_ok(session_policy_matches_binding(&row, &tight, &neighbour),
		   "a session is not bound against its rules");
	row.rules = agent;
	tap_ok(!session_policy_matches_binding(&row, &loose, &neighbour),
		   "a session is bound to its user agent by its rules");
}

static void
test_key(void)
{
	SessionBound unbound = {0};
	SessionBound bound = {SESSION_BOUND_DBSC, {1}};
	SessionBound other = {SESSION_BOUND_DBSC, {2}};
	SessionBound dpop = {SESSION_BOUND_DPOP, {1}};
	pg_uuid_t	id = {{7}};
	pg_uuid_t	another = {{8}};
	SessionPossession nothing = {.id = id};
	SessionPossession proven = {.bound = bound,.id = id};
	SessionPossession elsewhere = {.bound = bound,.id = another};
	SessionPossession wrong = {.bound = other,.id = id};
	SessionPossession otherwise = {.bound = dpop,.id = id};

	tap_ok(session_policy_proves_key(&unbound, &id, &nothing) &&
		   session_policy_proves_key(&unbound, &id, &proven),
		   "a session that is bound to no key needs no proof");
	tap_ok(session_policy_proves_key(&bound, &id, &proven),
		   "the proof of its key opens a bound session");
	tap_ok(!session_policy_proves_key(&bound, &id, &nothing),
		   "a bound session is not opened without a proof");
	tap_ok(!session_policy_proves_key(&bound, &id, &wrong),
		   "a bound session is not opened by another key");
	tap_ok(!session_policy_proves_key(&bound, &id, &elsewhere),
		   "a bound session is not opened by a proof for another session");
	tap_ok(!session_policy_proves_key(&bound, &id, &otherwise) &&
		   !session_policy_proves_key(&dpop, &id, &proven),
		   "a bound session is not opened by another kind of proof");
}

static void
test_bound_lately(void)
{
	SessionSettings settings = {.dbsc_grace = 5};
	SessionSettings none = {.dbsc_grace = 0};
	TimestampTz now = ZERO;

	tap_ok(session_policy_bound_lately(now, &settings, now) &&
		   session_policy_bound_lately(now - 5 * S + 1, &settings, now),
		   "a key may be missing for the grace");
	tap_ok(!session_policy_bound_lately(now - 5 * S, &settings, now) &&
		   !session_policy_bound_lately(now - HOUR, &settings, now),
		   "a key must not be missing later");
	tap_ok(session_policy_bound_lately(now + 5 * S - 1, &settings, now),
		   "the clock of the server that bound the session may be ahead");
	tap_ok(!session_policy_bound_lately(now + 5 * S, &settings, now) &&
		   !session_policy_bound_lately(now + HOUR, &settings, now) &&
		   !session_policy_bound_lately(DT_NOEND, &settings, now),
		   "a key must not be missing after the clock was set back");
	tap_ok(!session_policy_bound_lately(NONE, &settings, now),
		   "there is no grace for a session that no browser has bound");
	tap_ok(!session_policy_bound_lately(now, &none, now) &&
		   !session_policy_bound_lately(now - 1, &none, now) &&
		   !session_policy_bound_lately(now + 1, &none, now),
		   "the grace can be turned off");
}

static void
test_challenge(void)
{
	TimestampTz now = ZERO;

	tap_ok(session_policy_challenge_good(now, NONE, now) &&
		   session_policy_challenge_good(now - 5 * MINUTE, NONE, now),
		   "a challenge can be answered for five minutes");
	tap_ok(!session_policy_challenge_good(now - 5 * MINUTE - 1, NONE, now),
		   "a challenge cannot be answered later");
	tap_ok(!session_policy_challenge_good(now + 1, NONE, now),
		   "a challenge cannot be from the future");
	tap_ok(session_policy_challenge_good(now - S, now - 2 * S, now),
		   "a challenge can be answered after an earlier one");
	tap_ok(!session_policy_challenge_good(now - S, now - S, now) &&
		   !session_policy_challenge_good(now - 2 * S, now - S, now),
		   "a challenge cannot be answered again, or after a later one");
	tap_ok(session_policy_challenge_time(NONE, now) == now &&
		   session_policy_challenge_time(now - S, now) == now,
		   "a challenge is of the present");
	tap_ok(session_policy_challenge_time(now + HOUR, now) == now + HOUR + 1 &&
		   session_policy_challenge_good(now + HOUR + 1, now + HOUR, now) &&
		   !session_policy_challenge_good(now + HOUR + 2, now + HOUR, now),
		   "after the clock was set back, one challenge at a time is good");
}

int
main(void)
{
	test_key();
	test_bound_lately();
	test_challenge();
	test_status();
	test_lineage();
	test_derive();
	test_open();
	test_extend();
	test_relive();
	test_reopen();
	test_touch();
	test_touch_news();
	test_binding();
	test_stored_ip();
	test_has_moved();
	test_belongs();
	test_usecs();
	test_refreshable();
	test_rotation();
	test_precedence();
	test_minimum();
	test_rules();
	test_limit();
	test_bound();
	return tap_done();
}
