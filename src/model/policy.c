/*
 * policy.c
 *	  The rules of a session's life: (row, settings, binding, now) -> verdict.
 *
 * Rules:
 * - No clock, no input or output, no memory allocation, no ereport.  So a unit
 *	 test links this file without a server, and every rule is a row in its
 *	 table.
 * - Sums of time saturate at infinity instead of overflowing.
 * - A comparison that cannot be made counts as a mismatch.
 * - Intervals are lengths, not calendar steps: a day is 24 hours and a month
 *	 30 days, as when PostgreSQL compares intervals.  So a session that is
 *	 created before a change to summer time lives as long as any other.
 */
#include "postgres.h"

#include <sys/socket.h>

#include "common/int.h"

#include "compat.h"
#include "model/policy.h"

#define SECONDS(n) ((int64) (n) * USECS_PER_SEC)

/* Converts an interval to microseconds; false when it does not fit. */
bool
session_policy_usecs(int64 *usecs, const Interval *interval)
{
	int64		days = (int64) interval->month * DAYS_PER_MONTH + interval->day;

	return session_compat_interval_finite(interval) &&
		!pg_mul_s64_overflow(days, USECS_PER_DAY, usecs) &&
		!pg_add_s64_overflow(*usecs, interval->time, usecs);
}

/* Makes an interval of days and a rest. */
void
session_policy_interval(Interval *interval, int64 usecs)
{
	interval->month = 0;
	interval->day = (int32) (usecs / USECS_PER_DAY);
	interval->time = usecs % USECS_PER_DAY;
}

/* Returns the time that is a length after another. */
static TimestampTz
time_after(TimestampTz start, int64 length)
{
	TimestampTz result;

	if (TIMESTAMP_NOT_FINITE(start))
		return start;
	if (pg_add_s64_overflow(start, length, &result) ||
		result >= END_TIMESTAMP)
		return DT_NOEND;
	return result;
}

/* Returns the full hour at or after a time. */
static TimestampTz
round_up_to_hour(TimestampTz moment)
{
	int64		past;

	if (TIMESTAMP_NOT_FINITE(moment))
		return moment;
	past = moment % USECS_PER_HOUR;
	if (past == 0)
		return moment;
	return time_after(moment, past > 0 ? USECS_PER_HOUR - past : -past);
}

/*
 * Rules
 */

/* Adds what a row says to what more specific rows say. */
void
session_policy_add_rules(SessionRules *rules, const SessionRules *row)
{
	int			news = row->says & ~rules->says;

	if ((news & SESSION_RULE_LIFETIME) != 0)
		rules->lifetime = row->lifetime;
	if ((news & SESSION_RULE_IDLE_TIMEOUT) != 0)
		rules->idle_timeout = row->idle_timeout;
	if ((news & SESSION_RULE_MAX_SESSIONS) != 0)
		rules->max_sessions = row->max_sessions;
	if ((news & SESSION_RULE_BIND_IP) != 0)
		rules->bind_ip = row->bind_ip;
	if ((news & SESSION_RULE_BIND_USER_AGENT) != 0)
		rules->bind_user_agent = row->bind_user_agent;
	if ((news & SESSION_RULE_VALID_AFTER) != 0)
		rules->valid_after = row->valid_after;
	else if ((row->says & SESSION_RULE_VALID_AFTER) != 0)
		rules->valid_after = Max(rules->valid_after, row->valid_after);
	rules->says |= news;
}

/* Returns whether the rules have ended what was created at a time. */
bool
session_policy_has_ended(const SessionRules *rules, TimestampTz created_at)
{
	return (rules->says & SESSION_RULE_VALID_AFTER) != 0 &&
		created_at <= rules->valid_after;
}

/* Returns the time at which a session is created now. */
TimestampTz
session_policy_creation(const SessionRules *rules, TimestampTz now)
{
	if (session_policy_has_ended(rules, now))
		return time_after(rules->valid_after, 1);
	return now;
}

/* Returns the limit on a user's sessions, 0 for none. */
int
session_policy_limit(const SessionRules *rules,
					 const SessionSettings *settings, int asked)
{
	bool		ruled = (rules->says & SESSION_RULE_MAX_SESSIONS) != 0;

	if (asked < 0)
		return ruled ? rules->max_sessions : settings->max_sessions;
	if (!ruled || rules->max_sessions == 0)
		return asked;
	return asked == 0 ? rules->max_sessions : Min(asked, rules->max_sessions);
}

/* Returns how addresses are compared. */
SessionBindIp
session_policy_bind_ip(const SessionRules *rules,
					   const SessionSettings *settings)
{
	return (rules->says & SESSION_RULE_BIND_IP) != 0 ? rules->bind_ip :
		settings->bind_ip;
}

/* Returns whether user agents are compared. */
bool
session_policy_bind_user_agent(const SessionRules *rules,
							   const SessionSettings *settings)
{
	return (rules->says & SESSION_RULE_BIND_USER_AGENT) != 0 ?
		rules->bind_user_agent : settings->bind_user_agent;
}

/*
 * Life
 */

/*
 * Returns a deadline, or the session's cap or last refresh if that is earlier.
 */
static TimestampTz
cap_deadline(const SessionRow *row, TimestampTz deadline)
{
	if (row->max_expires_at != SESSION_NO_TIME)
		deadline = Min(deadline, row->max_expires_at);
	if (row->refresh_expires_at != SESSION_NO_TIME)
		deadline = Min(deadline, row->refresh_expires_at);
	return deadline;
}

/* Returns whether the session has a refresh token. */
static bool
is_refreshable(const SessionRow *row)
{
	return row->refresh_expires_at != SESSION_NO_TIME;
}

/* Returns the last hard deadline that the session itself has. */
static TimestampTz
own_deadline(const SessionRow *row)
{
	return is_refreshable(row) ? row->refresh_expires_at : row->expires_at;
}

/*
 * Returns a hard deadline, or the end of the lifetime that the rules give the
 * session if that is earlier.  The lifetime starts again with a refresh.  That
 * of a refreshable session, whose refreshes only replace its tokens, starts
 * again when its user authenticates: a login may go on with an older session.
 */
static TimestampTz
cap_at_rules(const SessionRow *row, TimestampTz deadline)
{
	TimestampTz start = is_refreshable(row) ? row->authenticated_at :
	row->refreshed_at;

	if (row->rules.lifetime == 0)
		return deadline;
	start = Max(start, row->created_at);
	return Min(deadline, time_after(start, row->rules.lifetime));
}

/* Returns the idle timeout of the session or its rules; 0 = none. */
static int64
idle_timeout(const SessionRow *row)
{
	if (row->idle_timeout == 0 || row->rules.idle_timeout == 0)
		return Max(row->idle_timeout, row->rules.idle_timeout);
	return Min(row->idle_timeout, row->rules.idle_timeout);
}

/* Returns the earlier of a hard deadline and the end of an idle timeout. */
static TimestampTz
cap_at_idle(const SessionRow *row, TimestampTz deadline, int64 idle)
{
	if (idle == 0)
		return deadline;
	return Min(deadline, time_after(row->last_seen_at, idle));
}

/*
 * Returns the status that a session has because of those it was made of.  If
 * they were not looked at, it has ended.
 */
static SessionStatus
life_of_lineage(const SessionLineage *lineage, TimestampTz now)
{
	if (!lineage->known)
		return SESSION_REVOKED;
	if (lineage->status == SESSION_ACTIVE && now >= lineage->end)
		return SESSION_EXPIRED;
	return lineage->status;
}

/* Returns a deadline, or the end of a session's lineage if that is earlier. */
static TimestampTz
cap_at_lineage(const SessionRow *row, TimestampTz deadline)
{
	return row->has_parent ? Min(deadline, row->lineage.end) : deadline;
}

/* Returns the status of a session, by the last deadline it can reach. */
SessionStatus
session_policy_life(const SessionRow *row, TimestampTz now)
{
	TimestampTz end = cap_at_rules(row, own_deadline(row));

	if (row->revoked_at != SESSION_NO_TIME ||
		session_policy_has_ended(&row->rules, row->created_at))
		return SESSION_REVOKED;
	if (now >= end)
		return SESSION_EXPIRED;
	if (now >= cap_at_idle(row, end, idle_timeout(row)))
		return SESSION_IDLE;
	return row->has_parent ? life_of_lineage(&row->lineage, now) :
		SESSION_ACTIVE;
}

/* Returns the status of a session, by the deadline of its session token. */
SessionStatus
session_policy_status(const SessionRow *row, TimestampTz now)
{
	SessionStatus life = session_policy_life(row, now);

	if (life == SESSION_ACTIVE && now >= cap_at_rules(row, row->expires_at))
		return SESSION_EXPIRED;
	return life;
}

/* Returns when the session token expires, if it is not used again. */
TimestampTz
session_policy_deadline(const SessionRow *row)
{
	return cap_at_lineage(row, cap_at_idle(row, cap_at_rules(row, row->expires_at),
										   idle_timeout(row)));
}

/* Returns when the session ends, if it is not used again. */
TimestampTz
session_policy_end(const SessionRow *row)
{
	return cap_at_lineage(row, cap_at_idle(row, cap_at_rules(row, own_deadline(row)),
										   idle_timeout(row)));
}

/*
 * Returns the bytes of an address.  An IPv4 address inside IPv6
 * (::ffff:0:0/96, RFC 4291 section 2.5.5.2) is the IPv4 address: which of the
 * two a server sees depends only on how it opened its socket.
 */
const uint8 *
session_policy_address(const inet *ip, int *len)
{
	static const uint8 mapped[12] = {[10] = 0xFF,[11] = 0xFF};
	const uint8 *bytes = ip_addr(ip);

	if (ip_family(ip) == PGSQL_AF_INET)
	{
		*len = 4;
		return bytes;
	}
	if (memcmp(bytes, mapped, sizeof(mapped)) == 0)
	{
		*len = 4;
		return bytes + sizeof(mapped);
	}
	*len = 16;
	return bytes;
}

/* Returns the bytes of an address that identify a client. */
const uint8 *
session_policy_network(const inet *ip, int *len)
{
	const uint8 *bytes = session_policy_address(ip, len);

	*len = Min(*len, 8);
	return bytes;
}

/* Sets the bits of an address after the leading ones to zero. */
static void
clear_host_bits(uint8 *bytes, int len, int bits)
{
	for (int i = 0; i < len; i++)
	{
		int			kept = Max(0, Min(8, bits - i * 8));

		bytes[i] &= (uint8) (0xFF00 >> kept);
	}
}

/* Returns what is stored of an address; *room holds a network. */
const inet *
session_policy_stored_ip(const inet *ip, const SessionSettings *settings,
						 SessionAddress *room)
{
	inet_struct *network = &room->ip.inet_data;
	int			len;
	int			prefix;

	if (ip == NULL || settings->store_ip == SESSION_STORE_IP_OFF)
		return NULL;
	if (settings->store_ip == SESSION_STORE_IP_FULL)
		return ip;
	(void) session_policy_address(ip, &len);
	prefix = len == 4 ? settings->bind_ip_prefix_v4 :
		settings->bind_ip_prefix_v6;
	/* An IPv4 address inside IPv6 stays IPv6. */
	prefix += ip_maxbits(ip) - len * 8;

	memset(room, 0, sizeof(*room));
	network->family = ip_family(ip);
	network->bits = Min(ip_bits(ip), prefix);
	memcpy(network->ipaddr, ip_addr(ip), ip_addrsize(ip));
	clear_host_bits(network->ipaddr, ip_addrsize(ip), network->bits);
	SET_INET_VARSIZE(&room->ip);
	return &room->ip;
}

/* Returns whether two addresses agree in their leading bits. */
static bool
same_prefix(const uint8 *a, const uint8 *b, int bits)
{
	int			whole = bits / 8;
	uint8		mask = (uint8) (0xFF00 >> (bits % 8));

	if (memcmp(a, b, whole) != 0)
		return false;
	return mask == 0 || ((a[whole] ^ b[whole]) & mask) == 0;
}

/*
 * Returns whether two addresses are the same, as "session.bind_ip" or a policy
 * compares.
 */
static bool
same_address(const inet *a, const inet *b, SessionBindIp how,
			 const SessionSettings *settings)
{
	int			a_len;
	int			b_len;
	const uint8 *a_bytes;
	const uint8 *b_bytes;
	int			bits;

	if (a == NULL || b == NULL)
		return false;
	a_bytes = session_policy_address(a, &a_len);
	b_bytes = session_policy_address(b, &b_len);
	if (a_len != b_len)
		return false;
	if (how == SESSION_BIND_EXACT)
		bits = a_len * 8;
	else
		bits = a_len == 4 ? settings->bind_ip_prefix_v4 :
			settings->bind_ip_prefix_v6;
	return same_prefix(a_bytes, b_bytes, bits);
}

/* Returns whether two texts are equal; NULL equals NULL. */
bool
session_policy_same_text(const text *a, const text *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return VARSIZE_ANY_EXHDR(a) == VARSIZE_ANY_EXHDR(b) &&
		memcmp(VARDATA_ANY(a), VARDATA_ANY(b), VARSIZE_ANY_EXHDR(a)) == 0;
}

/* Returns whether only its row can say if a request is good for a session. */
bool
session_policy_needs_row(const SessionRules *rules,
						 const SessionSettings *settings)
{
	const char *function = settings->risk_function;

	return session_policy_bind_ip(rules, settings) != SESSION_BIND_OFF ||
		session_policy_bind_user_agent(rules, settings) ||
		(function != NULL && function[0] != '\0');
}

/* Returns whether a request comes from another address than the session. */
bool
session_policy_has_moved(const SessionRow *row,
						 const SessionSettings *settings,
						 const SessionBinding *binding)
{
	SessionAddress rooms[2];
	const inet *had = session_policy_stored_ip(row->ip, settings, &rooms[0]);
	const inet *has = session_policy_stored_ip(binding->ip, settings, &rooms[1]);

	if (had == NULL || has == NULL)
		return has != NULL;
	return !same_address(had, has, SESSION_BIND_EXACT, settings);
}

/* Returns whether a request matches the binding of its session. */
bool
session_policy_matches_binding(const SessionRow *row,
							   const SessionSettings *settings,
							   const SessionBinding *binding)
{
	SessionBindIp how = session_policy_bind_ip(&row->rules, settings);

	if (how != SESSION_BIND_OFF &&
		!same_address(row->ip, binding->ip, how, settings))
		return false;
	return !session_policy_bind_user_agent(&row->rules, settings) ||
		(row->user_agent != NULL &&
		 session_policy_same_text(row->user_agent, binding->user_agent));
}

/* Returns whether a request may use a session that may be bound to a key. */
bool
session_policy_proves_key(const SessionBound *bound, const pg_uuid_t *id,
						  const SessionPossession *proven)
{
	if (bound->by == SESSION_BOUND_NOT)
		return true;
	return bound->by == proven->bound.by &&
		memcmp(id->data, proven->id.data, UUID_LEN) == 0 &&
		memcmp(bound->thumbprint, proven->bound.thumbprint,
			   sizeof(bound->thumbprint)) == 0;
}

/* Returns whether a session was bound so lately that a key may be missing. */
bool
session_policy_bound_lately(TimestampTz bound_at,
							const SessionSettings *settings, TimestampTz now)
{
	int64		grace = SECONDS(settings->dbsc_grace);

	return bound_at != SESSION_NO_TIME &&
		now < time_after(bound_at, grace) && bound_at < time_after(now, grace);
}

/* Returns the time of a challenge that is made now. */
TimestampTz
session_policy_challenge_time(TimestampTz answered, TimestampTz now)
{
	return answered == SESSION_NO_TIME ? now : Max(now, answered + 1);
}

/* Returns whether a challenge may be answered now. */
bool
session_policy_challenge_good(TimestampTz made, TimestampTz answered,
							  TimestampTz now)
{
	/* If the clock was set back, it counts from the last answer. */
	TimestampTz latest = session_policy_challenge_time(answered, now);

	return made <= latest && latest - made <= SESSION_CHALLENGE_USECS &&
		(answered == SESSION_NO_TIME || made > answered);
}

/* Returns whether a session is of a user, and in exactly a tenant. */
bool
session_policy_is_of_user(const SessionRow *row, const text *user_id,
						  const text *tenant_id)
{
	return user_id != NULL && session_policy_same_text(row->user_id, user_id) &&
		session_policy_same_text(row->tenant_id, tenant_id);
}

/* Returns how old the recorded use may get before the next is written. */
int64
session_policy_touch_age(const SessionRow *row,
						 const SessionSettings *settings)
{
	int64		age = SECONDS(settings->update_age);
	int64		idle = idle_timeout(row);

	/* A session in use must not become idle because a use was not written. */
	if (idle != 0)
		age = Min(age, idle / 2);
	return age;
}

/* Returns whether a use of the session is to be written. */
bool
session_policy_touch_due(const SessionRow *row,
						 const SessionSettings *settings, TimestampTz now)
{
	int64		age = session_policy_touch_age(row, settings);

	/*
	 * If the clock was ahead and was set back, last_seen_at lies in the
	 * future. The next use corrects it, so that the session can become idle.
	 */
	return now < row->last_seen_at ||
		now >= time_after(row->last_seen_at, age);
}

/* Returns whether now is in another interval than the stored last use. */
bool
session_policy_touch_is_news(const SessionRow *row,
							 const SessionSettings *settings, TimestampTz now)
{
	int64		age = session_policy_touch_age(row, settings);

	return age == 0 || (now - row->created_at) / age !=
		(row->stored_seen_at - row->created_at) / age;
}

/*
 * Returns when the session would end without rules.  The row stays until then:
 * rules change, and the row does not change with them.
 */
static TimestampTz
own_end(const SessionRow *row)
{
	return cap_at_idle(row, own_deadline(row), row->idle_timeout);
}

/*
 * Moves purge_at to or after the end of the session.  The column is indexed,
 * so an update that moves it is not HOT.  So when it has to move, it moves one
 * hour further than necessary, and a session in constant use moves it only
 * every other hour.
 */
static void
set_purge_at(SessionRow *row)
{
	TimestampTz end = own_end(row);

	if (row->purge_at < round_up_to_hour(end))
		row->purge_at = round_up_to_hour(time_after(end, USECS_PER_HOUR));
}

/* Sets all times of a new session. */
void
session_policy_open(SessionRow *row, const SessionSettings *settings,
					const SessionLifetimes *lifetimes, bool authenticated,
					TimestampTz now)
{
	int64		lifetime = lifetimes->lifetime;
	int64		idle = lifetimes->idle_timeout;

	now = session_policy_creation(&row->rules, now);
	if (lifetime == 0)
		lifetime = SECONDS(lifetimes->refreshable ? settings->access_lifetime :
						   settings->lifetime);
	if (idle < 0)
		idle = SECONDS(settings->idle_timeout);

	row->created_at = now;
	row->last_seen_at = now;
	row->authenticated_at = authenticated ? now : SESSION_NO_TIME;
	row->refreshed_at = SESSION_NO_TIME;
	row->revoked_at = SESSION_NO_TIME;
	row->revoked_reason = NULL;
	row->rotated_at = SESSION_NO_TIME;
	row->refresh_expires_at = SESSION_NO_TIME;
	row->max_expires_at = settings->max_lifetime == 0 ? SESSION_NO_TIME :
		time_after(now, SECONDS(settings->max_lifetime));

	row->expires_at = time_after(now, lifetime);
	if (lifetimes->refreshable)
		row->refresh_expires_at =
			cap_deadline(row, time_after(now,
										 SECONDS(settings->refresh_lifetime)));
	else if (lifetimes->sliding)
	{
		idle = idle == 0 ? lifetime : Min(idle, lifetime);
		row->expires_at = DT_NOEND;
	}
	row->expires_at = cap_deadline(row, row->expires_at);
	row->idle_timeout = idle;
	/* Uses move the end of a session with an idle timeout: leave an hour. */
	row->purge_at =
		round_up_to_hour(time_after(own_end(row),
									idle == 0 ? 0 : USECS_PER_HOUR));
}

/* Sets all times of a new session that is made of another. */
void
session_policy_derive(SessionRow *row, const SessionRow *parent,
					  const SessionSettings *settings, int64 lifetime,
					  TimestampTz now)
{
	SessionLifetimes lifetimes = {.lifetime = lifetime,.idle_timeout = -1};

	session_policy_open(row, settings, &lifetimes, row->user_id != NULL, now);
	/* The user, or who acts as the user, authenticated in the other one. */
	row->authenticated_at = parent->authenticated_at;
	row->expires_at = Min(row->expires_at, own_deadline(parent));
	row->max_expires_at = row->expires_at;
	row->purge_at = Min(row->purge_at, parent->purge_at);
}

/* Makes a session one that was created after the end of earlier ones. */
void
session_policy_move(SessionRow *row)
{
	row->created_at = session_policy_creation(&row->rules, row->created_at);
}

/* Records a use of the session. */
void
session_policy_touch(SessionRow *row, TimestampTz now)
{
	row->last_seen_at = now;
	set_purge_at(row);
}

/* Starts the session's lifetime again, up to its cap. */
void
session_policy_extend(SessionRow *row, TimestampTz now)
{
	TimestampTz start = Max(row->created_at, row->refreshed_at);

	/* The row does not hold the lifetime, but where it starts and ends. */
	if (!TIMESTAMP_NOT_FINITE(row->expires_at))
		row->expires_at =
			cap_deadline(row, time_after(now, row->expires_at - start));
	row->refreshed_at = now;
	session_policy_touch(row, now);
}

/* The column is a signed integer, and generations do not wrap around. */
#define LAST_GENERATION PG_INT32_MAX

/* Decides what a refresh token of the generation before the row's gets. */
static SessionRotation
decide_repetition(const SessionRow *row, const SessionSettings *settings,
				  const SessionPresented *presented)
{
	if (settings->refresh_grace == 0 || row->rotated_at == SESSION_NO_TIME ||
		row->rotated_at > presented->now)
		return SESSION_ROTATION_REUSE;
	if (presented->asked < time_after(row->rotated_at,
									  SECONDS(settings->refresh_grace)))
		return SESSION_ROTATION_SAME;
	if (presented->uses_known && row->last_seen_at == row->rotated_at)
		return SESSION_ROTATION_AGAIN;
	return SESSION_ROTATION_REUSE;
}

/* Decides what a refresh token gets. */
SessionRotation
session_policy_rotation(const SessionRow *row, const SessionSettings *settings,
						const SessionPresented *presented)
{
	uint32		current = (uint32) row->refresh_generation;

	if (session_policy_life(row, presented->now) != SESSION_ACTIVE ||
		presented->generation >= LAST_GENERATION)
		return SESSION_ROTATION_NONE;
	if (presented->generation >= current)
		return SESSION_ROTATION_NEXT;
	if (presented->generation + 1 == current)
		return decide_repetition(row, settings, presented);
	return SESSION_ROTATION_REUSE;
}

/* Replaces the row's tokens by those of the next generation. */
void
session_policy_rotate(SessionRow *row, uint32 generation, TimestampTz now)
{
	row->refresh_generation = (int32) (generation + 1);
	session_policy_repeat(row, now);
}

/* Gives the row's tokens, which were not used, once more. */
void
session_policy_repeat(SessionRow *row, TimestampTz now)
{
	row->rotated_at = now;
	session_policy_extend(row, now);
}

/* Sets the times of a session that a login goes on with. */
void
session_policy_reopen(SessionRow *row, const SessionSettings *settings,
					  const SessionLifetimes *lifetimes, TimestampTz now)
{
	TimestampTz created_at = row->created_at;

	session_policy_open(row, settings, lifetimes, true, now);
	row->created_at = created_at;
	/* The lifetime starts at the later of created_at and refreshed_at. */
	row->refreshed_at = row->authenticated_at;
}

/* Gives the session another lifetime, which starts now. */
void
session_policy_relive(SessionRow *row, const SessionSettings *settings,
					  int64 lifetime, TimestampTz now)
{
	if (!is_refreshable(row) &&
		(settings->sliding || row->expires_at == DT_NOEND))
	{
		int64		idle = SECONDS(settings->idle_timeout);

		row->idle_timeout = idle == 0 ? lifetime : Min(idle, lifetime);
		row->expires_at = cap_deadline(row, DT_NOEND);
	}
	else
		row->expires_at = cap_deadline(row, time_after(now, lifetime));
	row->refreshed_at = now;
	session_policy_touch(row, now);
}

/* Records a login, or a further factor, within the session. */
void
session_policy_authenticate(SessionRow *row, TimestampTz now)
{
	row->authenticated_at = now;
	session_policy_extend(row, now);
}

/* Revokes the session; its row stays for "session.revoked_retention". */
void
session_policy_revoke(SessionRow *row, const SessionSettings *settings,
					  text *reason, TimestampTz now)
{
	row->revoked_at = now;
	row->revoked_reason = reason;
	row->purge_at =
		round_up_to_hour(time_after(now, SECONDS(settings->revoked_retention)));
}

/* Returns a setting's value as the text of a cookie. */
static SessionCookieText
setting_text(const char *value)
{
	SessionCookieText result = {value, strlen(value)};

	return result;
}

/* Returns the cookie of the settings, without value and max_age. */
SessionCookie
session_policy_cookie(const SessionSettings *settings)
{
	SessionCookie cookie = {
		.name = setting_text(settings->cookie_name),
		.path = setting_text(settings->cookie_path),
		.domain = setting_text(settings->cookie_domain),
		.max_age = SESSION_COOKIE_NO_MAX_AGE,
		.secure = settings->cookie_secure,
		.http_only = settings->cookie_http_only,
		.same_site = (SessionSameSite) settings->cookie_same_site
	};

	return cookie;
}
