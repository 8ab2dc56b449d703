/*
 * info.c
 *	  A session as SQL shows it: a value of the type session_info.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/inet.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "compat.h"
#include "engine/content.h"
#include "engine/context.h"
#include "engine/info.h"
#include "model/words.h"

const Oid	session_info_types[SESSION_INFO_COLUMNS] = {
	UUIDOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, INT4OID, TEXTARRAYOID,
	UUIDOID, TEXTOID, TEXTARRAYOID, JSONBOID, INETOID, TEXTOID,
	TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID, BOOLOID,
	BOOLOID
};

/* Returns whether a row type has exactly these columns. */
bool
session_info_fits(TupleDesc desc, const Oid *types, int columns)
{
	if (desc->natts != columns)
		return false;
	for (int i = 0; i < columns; i++)
		if (TupleDescAttr(desc, i)->atttypid != types[i])
			return false;
	return true;
}

static const char *const status_names[] = {
	[SESSION_MALFORMED] = "malformed",
	[SESSION_UNKNOWN] = "unknown",
	[SESSION_REVOKED] = "revoked",
	[SESSION_EXPIRED] = "expired",
	[SESSION_IDLE] = "idle",
	[SESSION_BINDING] = "binding",
	[SESSION_UNBOUND] = "unbound",
	[SESSION_RISKY] = "risk",
	[SESSION_ACTIVE] = "active",
};

/* Returns the name of a status, as session_status() returns it. */
const char *
session_info_status(SessionStatus status)
{
	return status_names[status];
}

/* Returns a user agent, cut to SESSION_USER_AGENT_BYTES. */
text *
session_info_user_agent(text *agent)
{
	int			len = VARSIZE_ANY_EXHDR(agent);

	if (len <= SESSION_USER_AGENT_BYTES)
		return agent;
	len = pg_mbcliplen(VARDATA_ANY(agent), len, SESSION_USER_AGENT_BYTES);
	return cstring_to_text_with_len(VARDATA_ANY(agent), len);
}

/* Sets a column to a text, or to SQL NULL if it is NULL. */
static void
put_info_text(Datum *value, bool *null, const text *source)
{
	*null = source == NULL;
	*value = PointerGetDatum(source);
}

/* Sets a column to the array of some words, or to SQL NULL. */
static void
put_words(Datum *value, bool *null, const text *words)
{
	*null = words == NULL;
	*value = PointerGetDatum(session_words_array(words));
}

/* Sets a column to a time, or to SQL NULL if it is SESSION_NO_TIME. */
static void
put_time(Datum *value, bool *null, TimestampTz moment)
{
	*null = moment == SESSION_NO_TIME;
	*value = TimestampTzGetDatum(moment);
}

/*
 * Returns when a session was last used.  On a standby that is what the primary
 * has written to the row: it is the same on every standby, and shows when the
 * primary has to hear of a use.
 */
TimestampTz
session_info_seen_at(const SessionRow *row)
{
	return RecoveryInProgress() ? row->stored_seen_at : row->last_seen_at;
}

/* Fills the columns of session_info. */
void
session_info_values(const SessionRow *row, SessionStatus status,
					Datum *values, bool *nulls)
{
	int			i = 0;

	memset(nulls, 0, SESSION_INFO_COLUMNS * sizeof(bool));
	values[i++] = UUIDPGetDatum(&row->id);
	values[i++] = CStringGetTextDatum(session_info_status(status));
	put_info_text(&values[i], &nulls[i], row->user_id), i++;
	put_info_text(&values[i], &nulls[i], row->tenant_id), i++;
	put_info_text(&values[i], &nulls[i], row->role), i++;
	values[i++] = Int32GetDatum(row->auth_level);
	put_words(&values[i], &nulls[i], row->amr), i++;
	nulls[i] = !row->has_parent;
	values[i++] = UUIDPGetDatum(&row->parent_id);
	put_info_text(&values[i], &nulls[i], row->actor_id), i++;
	put_words(&values[i], &nulls[i], row->scopes), i++;
	nulls[i] = row->data == NULL;
	values[i++] = row->data == NULL ? (Datum) 0 :
		JsonbPGetDatum(session_content_of(row));
	nulls[i] = row->ip == NULL;
	values[i++] = PointerGetDatum(row->ip);
	put_info_text(&values[i], &nulls[i], row->user_agent), i++;
	values[i++] = TimestampTzGetDatum(row->created_at);
	put_time(&values[i], &nulls[i], row->authenticated_at), i++;
	values[i++] = TimestampTzGetDatum(session_info_seen_at(row));
	values[i++] = TimestampTzGetDatum(session_policy_deadline(row));
	values[i++] = BoolGetDatum(session_context_is_current(&row->id));
	values[i++] = BoolGetDatum(row->bound.by != SESSION_BOUND_NOT);
	Assert(i == SESSION_INFO_COLUMNS);
}
