/*
 * event.c
 *	  The only door to session.events, the audit log.
 *
 * Rules:
 * - An event is written in the transaction that causes it, and is rolled back
 *	 with it.  An event that must survive a rollback goes through evidence.c.
 * - A kind of event that is not logged costs the test of a bit.
 * - No token, hash or key is in an event.  Its texts are those of the row, and
 *	 the reason that the caller gave.
 * - Every event has an actor; see actor.c.
 * - A notification that would be too long is shortened, so its length never
 *	 raises an error.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_am.h"
#include "catalog/pg_type.h"
#include "commands/async.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/inet.h"
#include "utils/json.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"
#include "utils/varlena.h"

#include "audit/event.h"
#include "audit/origin.h"
#include "compat.h"
#include "model/json.h"
#include "model/policy.h"
#include "table/table.h"

enum
{
	COL_ID,
	COL_AT,
	COL_KIND,
	COL_SESSION_ID,
	COL_USER_ID,
	COL_TENANT_ID,
	COL_IP,
	COL_USER_AGENT,
	COL_ACTOR,
	COL_ACTOR_KIND,
	COL_DETAIL,
	N_COLUMNS
};

static const SessionColumn columns[N_COLUMNS] = {
	[COL_ID] = {"id", INT8OID, true},
	[COL_AT] = {"at", TIMESTAMPTZOID, true},
	[COL_KIND] = {"kind", TEXTOID, true},
	[COL_SESSION_ID] = {"session_id", UUIDOID, false},
	[COL_USER_ID] = {"user_id", TEXTOID, false},
	[COL_TENANT_ID] = {"tenant_id", TEXTOID, false},
	[COL_IP] = {"ip", INETOID, false},
	[COL_USER_AGENT] = {"user_agent", TEXTOID, false},
	[COL_ACTOR] = {"actor", TEXTOID, true},
	[COL_ACTOR_KIND] = {"actor_kind", TEXTOID, true},
	[COL_DETAIL] = {"detail", JSONBOID, false},
};

enum
{
	BY_TIME
};

static const SessionIndex indexes[] = {
	[BY_TIME] = {BTREE_AM_OID, 2, {COL_AT, COL_ID},.unique = false},
};

static SessionTable events = {
	.name = "events",
	.ncolumns = lengthof(columns),
	.columns = columns,
	.nindexes = lengthof(indexes),
	.needed = indexes
};

/* Its parameters are the columns after the id, which the table gives. */
static SessionStatement insert_statement = {
	.table = &events,
	.sql = "INSERT INTO session.events (at, kind, session_id, user_id,"
	" tenant_id, ip, user_agent, actor, actor_kind, detail)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
	.types = {TIMESTAMPTZOID, TEXTOID, UUIDOID, TEXTOID, TEXTOID, INETOID,
	TEXTOID, TEXTOID, TEXTOID, JSONBOID}
};

static const char *const kind_names[SESSION_EVENT_KINDS] = {
	[SESSION_EVENT_CREATED] = "created",
	[SESSION_EVENT_REFRESHED] = "refreshed",
	[SESSION_EVENT_REGENERATED] = "regenerated",
	[SESSION_EVENT_REVOKED] = "revoked",
	[SESSION_EVENT_EVICTED] = "evicted",
	[SESSION_EVENT_EXPIRED] = "expired",
	[SESSION_EVENT_REFRESH_REUSE] = "refresh_reuse",
	[SESSION_EVENT_BINDING_MISMATCH] = "binding_mismatch",
	[SESSION_EVENT_BOUND] = "bound",
	[SESSION_EVENT_UNBOUND] = "unbound",
	[SESSION_EVENT_RISK] = "risk",
	[SESSION_EVENT_NEW_IP] = "new_ip",
	[SESSION_EVENT_NEW_USER_AGENT] = "new_user_agent",
	[SESSION_EVENT_FAILURES] = "failures",
	[SESSION_EVENT_ACCESSED] = "accessed",
	[SESSION_EVENT_ADMINISTRATION] = "administration",
};

/* Returns the OID of the table of events. */
Oid
session_event_table(void)
{
	table_close(session_table_open(&events, AccessShareLock), AccessShareLock);
	return events.relid;
}

/*
 * The kinds that are logged
 */

/* Returns the bits of a name in the list; 0 = there is no such kind. */
static uint32
kind_bits(const char *name)
{
	if (strcmp(name, "all") == 0)
		return (1U << SESSION_EVENT_KINDS) - 1;
	for (int i = 0; i < SESSION_EVENT_KINDS; i++)
		if (strcmp(name, kind_names[i]) == 0)
			return 1U << i;
	return 0;
}

/* The value of "session.log_events", and a bit for each kind in it. */
static char *setting;
uint32		session_event_kinds;

/* Sets the bits of the names in a list; false for an unknown name. */
static bool
parse_kinds(List *names, uint32 *kinds)
{
	ListCell   *cell;

	*kinds = 0;
	foreach(cell, names)
	{
		const char *name = lfirst(cell);
		uint32		bits = kind_bits(name);

		if (bits == 0)
		{
			GUC_check_errdetail("Unrecognized kind of event: \"%s\".", name);
			GUC_check_errhint("Available values: created, refreshed, regenerated, "
							  "revoked, evicted, expired, refresh_reuse, "
							  "binding_mismatch, bound, unbound, risk, "
							  "new_ip, new_user_agent, failures, accessed, "
							  "administration, all.");
			return false;
		}
		*kinds |= bits;
	}
	return true;
}

/* Check hook of "session.log_events". */
static bool
check_kinds(char **newval, void **extra, GucSource source)
{
	char	   *raw = pstrdup(*newval);
	List	   *names = NIL;
	uint32		kinds;
	bool		good = SplitIdentifierString(raw, ',', &names);

	if (!good)
		GUC_check_errdetail("List syntax is invalid.");
	else
		good = parse_kinds(names, &kinds);
	list_free(names);
	pfree(raw);
	if (!good)
		return false;
	*extra = session_compat_guc_malloc(sizeof(uint32));
	if (*extra == NULL)
		return false;
	*(uint32 *) *extra = kinds;
	return true;
}

/* Assign hook of "session.log_events". */
static void
assign_kinds(const char *newval, void *extra)
{
	session_event_kinds = *(uint32 *) extra;
}

/* Defines "session.log_events"; called once, from _PG_init. */
void
session_event_init(void)
{
	DefineCustomStringVariable("session.log_events",
							   "Sets the kinds of events that are written to "
							   "session.events.",
							   "The value is a comma-separated list; \"all\" "
							   "stands for all kinds.",
							   &setting,
							   "evicted, refresh_reuse, binding_mismatch, "
							   "unbound, risk, failures, administration", PGC_SUSET, GUC_LIST_INPUT,
							   check_kinds, assign_kinds, NULL);
}

/*
 * Notifications
 */

#define CHANNEL "session"

/*
 * The server accepts less than 8000 bytes with the usual block size.  A
 * payload whose texts are cut fits even if JSON takes six bytes for each of
 * theirs.
 */
#define PAYLOAD_BYTES Min(7999, BLCKSZ - NAMEDATALEN - 129)
#define CUT_BYTES 200

/*
 * Appends a member: NULL as null, and a text cut to at most "max" bytes (0 =
 * not cut).
 */
static void
put_json_text(StringInfo json, const char *name, const text *value, int max)
{
	appendStringInfo(json, ", \"%s\": ", name);
	if (value == NULL)
		appendStringInfoString(json, "null");
	else
	{
		int			len = VARSIZE_ANY_EXHDR(value);

		if (max > 0 && len > max)
			len = pg_mbcliplen(VARDATA_ANY(value), len, max);
		escape_json(json, pnstrdup(VARDATA_ANY(value), len));
	}
}

/* Appends a member as its type's output function writes it; NULL as null. */
static void
put_json_output(StringInfo json, const char *name, PGFunction output,
				const void *value)
{
	appendStringInfo(json, ", \"%s\": ", name);
	if (value == NULL)
		appendStringInfoString(json, "null");
	else
		escape_json(json,
					DatumGetCString(DirectFunctionCall1(output,
														PointerGetDatum(value))));
}

/*
 * Returns an event as a JSON object, its texts cut to at most "max" bytes (0 =
 * not cut).
 */
static char *
make_payload(const SessionEvent *event, const SessionActor *actor, int max)
{
	StringInfoData json;
	char		at[MAXDATELEN + 1];
	int			utc = 0;

	JsonEncodeDateTime(at, TimestampTzGetDatum(event->at), TIMESTAMPTZOID,
					   &utc);
	initStringInfo(&json);
	appendStringInfo(&json, "{\"kind\": \"%s\", \"at\": \"%s\"",
					 kind_names[event->kind], at);
	put_json_output(&json, "session_id", uuid_out, event->session_id);
	put_json_text(&json, "user_id", event->user_id, max);
	put_json_text(&json, "tenant_id", event->tenant_id, max);
	put_json_output(&json, "ip", inet_out, event->ip);
	put_json_text(&json, "user_agent", event->user_agent, max);
	put_json_text(&json, "actor", actor->name, max);
	appendStringInfo(&json, ", \"actor_kind\": \"%s\", \"detail\": ",
					 session_actor_kind_name(actor->kind));
	if (event->detail == NULL)
		appendStringInfoString(&json, "null");
	else
		(void) JsonbToCString(&json, &event->detail->root,
							  VARSIZE(event->detail));
	if (max > 0)
		appendStringInfoString(&json, ", \"cut\": true");
	appendStringInfoChar(&json, '}');
	return json.data;
}

/* Sends an event as a notification. */
static void
notify(const SessionEvent *event, const SessionActor *actor)
{
	char	   *json = make_payload(event, actor, 0);

	if (strlen(json) > PAYLOAD_BYTES)
		json = make_payload(event, actor, CUT_BYTES);
	if (strlen(json) <= PAYLOAD_BYTES)
		Async_Notify(CHANNEL, json);
}

/*
 * Writing
 */

/* Sets the values of the columns after the id. */
static void
put_columns(Datum *values, char *nulls, const SessionEvent *event,
			const SessionActor *actor)
{
	const void *const pointers[N_COLUMNS] = {
		[COL_KIND] = cstring_to_text(kind_names[event->kind]),
		[COL_SESSION_ID] = event->session_id,
		[COL_USER_ID] = event->user_id,
		[COL_TENANT_ID] = event->tenant_id,
		[COL_IP] = event->ip,
		[COL_USER_AGENT] = event->user_agent,
		[COL_ACTOR] = actor->name,
		[COL_ACTOR_KIND] =
		cstring_to_text(session_actor_kind_name(actor->kind)),
		[COL_DETAIL] = event->detail,
	};

	for (int i = COL_AT + 1; i < N_COLUMNS; i++)
	{
		values[i - 1] = PointerGetDatum(pointers[i]);
		nulls[i - 1] = pointers[i] == NULL ? 'n' : ' ';
	}
	values[COL_AT - 1] = TimestampTzGetDatum(event->at);
	nulls[COL_AT - 1] = ' ';
}

/* Returns whether this transaction may write events. */
bool
session_event_possible(void)
{
	return !XactReadOnly && !RecoveryInProgress() && !IsInParallelMode();
}

/* Writes an event, if this transaction may write. */
void
session_event_write(const SessionEvent *event)
{
	SessionEvent stored = *event;
	SessionActor actor;
	SessionAddress room;
	Datum		values[N_COLUMNS - 1];
	char		nulls[N_COLUMNS - 1];
	uint64		written;

	if (!session_event_possible())
		return;
	stored.ip = session_policy_stored_ip(event->ip, &session_settings, &room);
	if (event->actor != NULL)
		actor = *event->actor;
	else
		session_actor_current(&actor);
	put_columns(values, nulls, &stored, &actor);
	written = session_table_execute(&insert_statement, values, nulls);
	session_table_expect(&events, written, 1);
	if (event->notify)
		notify(&stored, &actor);
}

/*
 * Reading recent events
 */

/* Returns whether two addresses are of the same client; NULL equals NULL. */
static bool
same_network(const inet *a, const inet *b)
{
	int			a_len;
	int			b_len;
	const uint8 *a_bytes;
	const uint8 *b_bytes;

	if (a == NULL || b == NULL)
		return a == b;
	a_bytes = session_policy_network(a, &a_len);
	b_bytes = session_policy_network(b, &b_len);
	return a_len == b_len && memcmp(a_bytes, b_bytes, a_len) == 0;
}

/* Returns whether a text is a given word. */
static bool
is_text(const text *value, const char *word)
{
	return VARSIZE_ANY_EXHDR(value) == strlen(word) &&
		memcmp(VARDATA_ANY(value), word, strlen(word)) == 0;
}

/*
 * Returns whether a row is of the same kind as an event, and either both have
 * a session or neither has.
 */
static bool
is_same_kind(TupleTableSlot *slot, const SessionEvent *event)
{
	bool		null;
	Datum		value = session_table_value(&events, slot, COL_KIND, &null);

	if (null || !is_text(DatumGetTextPP(value), kind_names[event->kind]))
		return false;
	(void) session_table_value(&events, slot, COL_SESSION_ID, &null);
	return null == (event->session_id == NULL);
}

/*
 * Returns whether a row is about the same session as an event or, without a
 * session, from the same address.
 */
static bool
is_same_subject(TupleTableSlot *slot, const SessionEvent *event)
{
	bool		null;
	Datum		value;

	if (event->session_id != NULL)
	{
		value = session_table_value(&events, slot, COL_SESSION_ID, &null);
		return memcmp(DatumGetUUIDP(value)->data, event->session_id->data,
					  UUID_LEN) == 0;
	}
	value = session_table_value(&events, slot, COL_IP, &null);
	return same_network(event->ip, null ? NULL : DatumGetInetPP(value));
}

/* Returns whether a row is from the future: the clock was ahead then. */
static bool
is_ahead(TupleTableSlot *slot, TimestampTz now)
{
	bool		null;
	Datum		at = session_table_value(&events, slot, COL_AT, &null);

	return DatumGetTimestampTz(at) > now + USECS_PER_SEC;
}

/*
 * Returns whether the table has neither a similar recent event nor "most" of
 * the kind.
 */
bool
session_event_is_news(const SessionEvent *event, int64 span, int most)
{
	Relation	rel = session_table_open(&events, AccessShareLock);
	Relation	index = index_open(events.indexes[BY_TIME], AccessShareLock);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	SnapshotData dirty;
	IndexScanDesc scan;
	ScanKeyData key;
	int			count = 0;
	bool		news = true;

	InitDirtySnapshot(dirty);
	ScanKeyInit(&key, 1, BTGreaterStrategyNumber, F_TIMESTAMPTZ_GT,
				TimestampTzGetDatum(event->at - span));
	scan = session_compat_beginscan(rel, index, &dirty, 1);
	index_rescan(scan, &key, 1, NULL, 0);
	while (news && index_getnext_slot(scan, ForwardScanDirection, slot) &&
		   !is_ahead(slot, event->at))
	{
		CHECK_FOR_INTERRUPTS();
		if (is_same_kind(slot, event))
			news = ++count < most && !is_same_subject(slot, event);
	}
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	index_close(index, AccessShareLock);
	table_close(rel, AccessShareLock);
	return news;
}

/*
 * Events of a session
 */

/* Writes an event of a session, with the user and address of its row. */
static void
note_event(SessionEventKind kind, const SessionRow *row, Jsonb *detail,
		   TimestampTz at)
{
	SessionEvent event = {
		.kind = kind,
		.at = at,
		.session_id = &row->id,
		.user_id = row->user_id,
		.tenant_id = row->tenant_id,
		.ip = row->ip,
		.user_agent = row->user_agent,
		.detail = detail,
		.notify = session_settings.notify
	};

	if (row->actor_id != NULL)
		event.detail = session_json_with_text(detail == NULL ?
											  session_json_empty() : detail,
											  "actor_id", row->actor_id);
	session_event_write(&event);
}

/*
 * Notes the address and user agent of a login, and writes an event for each
 * that is new to the user.
 */
static void
note_login(const SessionRow *row, TimestampTz now)
{
	int			which = 0;
	int			news;

	if (session_event_wanted(SESSION_EVENT_NEW_IP))
		which |= SESSION_ORIGIN_IP;
	if (session_event_wanted(SESSION_EVENT_NEW_USER_AGENT))
		which |= SESSION_ORIGIN_USER_AGENT;
	if (which == 0)
		return;
	news = session_origin_news(row, which, now);
	if ((news & SESSION_ORIGIN_IP) != 0)
		note_event(SESSION_EVENT_NEW_IP, row, NULL, now);
	if ((news & SESSION_ORIGIN_USER_AGENT) != 0)
		note_event(SESSION_EVENT_NEW_USER_AGENT, row, NULL, now);
}

/* Returns the detail (may be NULL) with the risk added, if there is one. */
static Jsonb *
with_risk(Jsonb *detail, const char *risk)
{
	if (risk == NULL)
		return detail;
	return session_json_with_text(detail == NULL ? session_json_empty() : detail,
								  "risk", cstring_to_text(risk));
}

/* Returns what the event of a new session says about its parent, if any. */
static Jsonb *
describe_parent(const SessionRow *row)
{
	Datum		id = DirectFunctionCall1(uuid_out,
										 UUIDPGetDatum(&row->parent_id));
	Jsonb	   *detail = session_json_with_text(session_json_empty(), "parent_id",
												cstring_to_text(DatumGetCString(id)));

	return session_json_with_optional(detail, "scope", row->scopes);
}

/* Writes that a session was created, and where a user logged in from. */
void
session_event_created(const SessionRow *row, const char *risk)
{
	Jsonb	   *detail = row->has_parent ? describe_parent(row) : NULL;

	if (session_event_wanted(SESSION_EVENT_CREATED))
		note_event(SESSION_EVENT_CREATED, row, with_risk(detail, risk),
				   row->created_at);
	if (row->user_id != NULL && !row->has_parent)
		note_login(row, row->created_at);
}

/* Returns a detail that holds a number. */
static Jsonb *
detail_number(const char *name, int64 value)
{
	return session_json_with_int(session_json_empty(), name, value);
}

/* Writes that the lifetime of a session started again. */
void
session_event_refreshed(const SessionRow *row)
{
	if (session_event_wanted(SESSION_EVENT_REFRESHED))
		note_event(SESSION_EVENT_REFRESHED, row,
				   row->refresh_expires_at == SESSION_NO_TIME ? NULL :
				   detail_number("generation", row->refresh_generation),
				   row->refreshed_at);
}

/* Writes that a session got new tokens, and a login if there was one. */
void
session_event_regenerated(const SessionRow *row, bool login, const char *risk)
{
	if (session_event_wanted(SESSION_EVENT_REGENERATED))
		note_event(SESSION_EVENT_REGENERATED, row,
				   with_risk(detail_number("auth_level", row->auth_level), risk),
				   row->last_seen_at);
	if (login)
		note_login(row, row->last_seen_at);
}

/* Returns a detail that holds a text. */
static Jsonb *
detail_text(const char *name, const text *value)
{
	return session_json_with_text(session_json_empty(), name, value);
}

/* Returns the detail with a time added, in UTC. */
static Jsonb *
with_time(Jsonb *detail, const char *name, TimestampTz at)
{
	char		chars[MAXDATELEN + 1];
	int			utc = 0;

	JsonEncodeDateTime(chars, TimestampTzGetDatum(at), TIMESTAMPTZOID, &utc);
	return session_json_with_text(detail, name, cstring_to_text(chars));
}

/* Writes that a session was bound to a key. */
void
session_event_bound(const SessionRow *row, const char *by)
{
	if (session_event_wanted(SESSION_EVENT_BOUND))
		note_event(SESSION_EVENT_BOUND, row,
				   detail_text("by", cstring_to_text(by)),
				   GetCurrentTimestamp());
}

/* Writes that a session was revoked or evicted, by the reason in its row. */
void
session_event_revoked(const SessionRow *row)
{
	SessionEventKind kind = SESSION_EVENT_REVOKED;

	if (is_text(row->revoked_reason, "evicted"))
		kind = SESSION_EVENT_EVICTED;
	if (session_event_wanted(kind))
		note_event(kind, row, detail_text("reason", row->revoked_reason),
				   row->revoked_at);
}

/* Longest user or tenant of a session, and so of an event. */
#define NAME_BYTES 1024

/* Returns a claim of a cookie, or NULL if it is longer than a name can be. */
static text *
name_in_claim(text *value)
{
	return value == NULL || VARSIZE_ANY_EXHDR(value) > NAME_BYTES ? NULL :
		value;
}

/* Writes that a cookie that is a session by itself was denied. */
void
session_event_denied(const pg_uuid_t *id, text *user_id, text *tenant_id)
{
	SessionEvent event = {
		.kind = SESSION_EVENT_REVOKED,
		.session_id = id,
		.user_id = name_in_claim(user_id),
		.tenant_id = name_in_claim(tenant_id),
		.notify = session_settings.notify
	};

	if (!session_event_wanted(SESSION_EVENT_REVOKED))
		return;
	event.at = GetCurrentTimestamp();
	event.detail = detail_text("reason", cstring_to_text("logout"));
	session_event_write(&event);
}

/* Writes that a session expired, before its row is deleted. */
void
session_event_purged(SessionRow *row, TimestampTz now)
{
	Jsonb	   *detail;

	if (!session_event_wanted(SESSION_EVENT_EXPIRED) ||
		session_policy_life(row, now) == SESSION_REVOKED)
		return;
	detail = detail_text("status",
						 cstring_to_text(session_policy_life(row, now) == SESSION_IDLE ?
										 "idle" : "expired"));
	note_event(SESSION_EVENT_EXPIRED, row,
			   with_time(detail, "ended_at", session_policy_end(row)), now);
}

/* Writes that a session was used, unless that was written recently. */
void
session_event_accessed(const SessionRow *row)
{
	TimestampTz now;

	if (!session_event_wanted(SESSION_EVENT_ACCESSED))
		return;
	now = GetCurrentTimestamp();
	if (session_policy_touch_is_news(row, &session_settings, now))
		note_event(SESSION_EVENT_ACCESSED, row,
				   with_time(session_json_empty(), "last_seen_at",
							 row->last_seen_at), now);
}

/*
 * Administration
 */

/* Writes that an administrator changed something. */
void
session_event_administration(const char *action, text *user_id,
							 text *tenant_id, Jsonb *detail)
{
	SessionEvent event = {
		.kind = SESSION_EVENT_ADMINISTRATION,
		.user_id = user_id,
		.tenant_id = tenant_id,
		.notify = session_settings.notify
	};

	if (!session_event_wanted(SESSION_EVENT_ADMINISTRATION))
		return;
	event.at = GetCurrentTimestamp();
	event.detail = detail_text("action", cstring_to_text(action));
	if (detail != NULL)
		event.detail = session_json_merged(event.detail, detail);
	session_event_write(&event);
}

/*
 * Of one user
 *
 * An event of a session belongs to the user of that session, even if the
 * session had no user yet.  The sessions are those that exist and those that
 * other events of the user name.
 */

#define OF_USERS_SESSIONS "user_id IS NULL AND session_id IN" \
	" (SELECT pg_catalog.unnest($2) UNION ALL" \
	" SELECT o.session_id FROM ONLY session.events o" \
	" WHERE o.user_id OPERATOR(pg_catalog.=) $1)"
#define BY_USER "actor_kind OPERATOR(pg_catalog.=) 'user'" \
	" AND actor OPERATOR(pg_catalog.=) $1"
#define ABOUT_ACTOR "(detail OPERATOR(pg_catalog.->>) 'actor_id')" \
	" OPERATOR(pg_catalog.=) $1"

static SessionStatement export_statement = {
	.table = &events,
	.sql = "SELECT pg_catalog.jsonb_build_object('events',"
	" (SELECT coalesce(pg_catalog.jsonb_agg(pg_catalog.to_jsonb(e)"
	" ORDER BY e.at, e.id), '[]') FROM ONLY session.events e"
	" WHERE user_id OPERATOR(pg_catalog.=) $1 OR " OF_USERS_SESSIONS "),"
	" 'acts',"
	" (SELECT coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object("
	" 'at', at, 'kind', kind, 'detail', detail)"
	" ORDER BY at, id), '[]') FROM ONLY session.events"
	" WHERE " BY_USER " AND user_id IS DISTINCT FROM $1))",
	.types = {TEXTOID, UUIDARRAYOID}
};

static SessionStatement erase_anonymous_statement = {
	.table = &events,
	.sql = "DELETE FROM ONLY session.events WHERE " OF_USERS_SESSIONS,
	.types = {TEXTOID, UUIDARRAYOID}
};

static SessionStatement erase_statement = {
	.table = &events,
	.sql = "DELETE FROM ONLY session.events"
	" WHERE user_id OPERATOR(pg_catalog.=) $1",
	.types = {TEXTOID}
};

/* No user's id is empty, so the empty actor is no user. */
static SessionStatement erase_actor_statement = {
	.table = &events,
	.sql = "UPDATE ONLY session.events SET"
	" actor = CASE WHEN " BY_USER " THEN '' ELSE actor END,"
	" detail = CASE WHEN " ABOUT_ACTOR
	" THEN detail OPERATOR(pg_catalog.-) 'actor_id' ELSE detail END"
	" WHERE " BY_USER " OR " ABOUT_ACTOR,
	.types = {TEXTOID}
};

/* Returns what the events keep about a user. */
Jsonb *
session_event_export(text *user_id, ArrayType *ids)
{
	Datum		values[] = {PointerGetDatum(user_id), PointerGetDatum(ids)};

	return session_table_fetch(&export_statement, values, NULL);
}

/* Deletes the events of a user; returns their number. */
uint64
session_event_erase(text *user_id, ArrayType *ids)
{
	Datum		values[] = {PointerGetDatum(user_id), PointerGetDatum(ids)};
	uint64		deleted;

	/* The first statement needs the rows that the second one deletes. */
	deleted = session_table_execute(&erase_anonymous_statement, values, NULL);
	return deleted + session_table_execute(&erase_statement, values, NULL);
}

/* Makes the actor of events nameless where it is this user. */
void
session_event_erase_actor(text *user_id)
{
	Datum		value = PointerGetDatum(user_id);

	(void) session_table_execute(&erase_actor_statement, &value, NULL);
}

/*
 * Upkeep
 */

/* Deletes expired events, at most "limit".  Returns the number deleted. */
int64
session_event_trim(TimestampTz now, SessionBudget *budget, int limit)
{
	int64		retention = session_settings.event_retention * USECS_PER_SEC;

	if (retention == 0)
		return 0;
	return session_table_trim(&events, BY_TIME, now - retention, budget,
							  limit);
}
