/*
 * context.c
 *	  The session that belongs to the running transaction.
 *
 * A bound identity is the value of the setting "session.context", set locally:
 * so it ends with the transaction, follows savepoints and travels to parallel
 * workers by the server's own machinery.
 *
 * Rules:
 * - Nobody but us can give the setting a value.  The check hook refuses every
 *	 one that does not come from session_context_bind, or from the leader of a
 *	 parallel worker, whose own value came from there.  What a user, a database
 *	 or a client brings along has another source than a leader's, so it is
 *	 refused in a worker too, whenever the library is loaded.
 * - Clearing it is allowed: less than nobody one cannot be.
 * - The parsed form is made by the check hook and lives as long as the server
 *	 keeps the value, so reading it costs nothing.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#include "compat.h"
#include "engine/context.h"
#include "model/row.h"

/* The value of the setting, as the server keeps it. */
static char *setting;

static const SessionIdentity *bound;
static uint64 generation = 1;
static bool binding;			/* a value that comes now is ours */

static pg_uuid_t noted;
static LocalTransactionId noted_in = InvalidLocalTransactionId;

/*
 * The form in the setting: numbers and lengths in decimal, each followed by a
 * colon, and after a length so many bytes; -1 is the length of NULL.
 */

static void
put_number(StringInfo out, int64 number)
{
	appendStringInfo(out, INT64_FORMAT ":", number);
}

static void
put_bytes(StringInfo out, const char *bytes, int len)
{
	put_number(out, len);
	appendBinaryStringInfo(out, bytes, len);
}

static void
put_context_text(StringInfo out, const text *source)
{
	if (source == NULL)
		put_number(out, -1);
	else
		put_bytes(out, VARDATA_ANY(source), VARSIZE_ANY_EXHDR(source));
}

static char *
serialize(const SessionIdentity *identity)
{
	StringInfoData out;

	initStringInfo(&out);
	put_number(&out, identity->has_row);
	put_number(&out, identity->has_id);
	for (int i = 0; i < UUID_LEN; i++)
		put_number(&out, identity->has_id ? identity->id.data[i] : 0);
	put_number(&out, identity->auth_level);
	put_number(&out, identity->authenticated_at);
	put_number(&out, identity->expires_at);
	put_context_text(&out, identity->user_id);
	put_context_text(&out, identity->tenant_id);
	put_context_text(&out, identity->role);
	put_context_text(&out, identity->claims);
	put_context_text(&out, identity->proof);
	return out.data;
}

/* Reading it; nothing here may raise or use palloc. */
typedef struct Reader
{
	const char *next;
	char	   *room;			/* for the next text */
	bool		good;
} Reader;

static int64
take_number(Reader *reader)
{
	char	   *end;
	int64		number;

	errno = 0;
	number = strtoi64(reader->next, &end, 10);
	if (errno != 0 || end == reader->next || *end != ':')
	{
		reader->good = false;
		return 0;
	}
	reader->next = end + 1;
	return number;
}

static text *
take_context_text(Reader *reader)
{
	int64		len = take_number(reader);
	text	   *result = (text *) reader->room;

	if (!reader->good || len < 0)
		return NULL;
	if ((size_t) len != strnlen(reader->next, (size_t) len))
	{
		reader->good = false;
		return NULL;
	}
	SET_VARSIZE(result, VARHDRSZ + len);
	memcpy(VARDATA(result), reader->next, len);
	reader->next += len;
	reader->room += INTALIGN(VARHDRSZ + len);
	return result;
}

/* NULL when there is no memory, or it is none of ours after all. */
static SessionIdentity *
parse_identity(const char *source)
{
	/* The texts are in the source, each with a header and padding more. */
	size_t		size = MAXALIGN(sizeof(SessionIdentity)) + strlen(source) +
	5 * (VARHDRSZ + ALIGNOF_INT);
	SessionIdentity *identity = session_compat_guc_malloc(size);
	Reader		reader = {.next = source,.good = true};

	if (identity == NULL)
		return NULL;
	reader.room = (char *) identity + MAXALIGN(sizeof(SessionIdentity));
	identity->has_row = take_number(&reader) != 0;
	identity->has_id = take_number(&reader) != 0;
	for (int i = 0; i < UUID_LEN; i++)
		identity->id.data[i] = (unsigned char) take_number(&reader);
	identity->auth_level = (int32) take_number(&reader);
	identity->authenticated_at = take_number(&reader);
	identity->expires_at = take_number(&reader);
	identity->user_id = take_context_text(&reader);
	identity->tenant_id = take_context_text(&reader);
	identity->role = take_context_text(&reader);
	identity->claims = take_context_text(&reader);
	identity->proof = take_context_text(&reader);
	if (reader.good && *reader.next == '\0')
		return identity;
	session_compat_guc_free(identity);
	return NULL;
}

/*
 * The setting
 */

static bool
check_context(char **newval, void **extra, GucSource source)
{
	if (**newval == '\0')
		return true;
	if (!binding &&
		!(InitializingParallelWorker && source == PGC_S_SESSION))
	{
		GUC_check_errcode(ERRCODE_INSUFFICIENT_PRIVILEGE);
		GUC_check_errmsg("parameter \"%s\" cannot be set",
						 SESSION_CONTEXT_SETTING);
		GUC_check_errhint("Only session_authenticate() and "
						  "session_pre_request() give it a value.");
		return false;
	}
	*extra = parse_identity(*newval);
	if (*extra == NULL)
	{
		/* The server's own message would repeat the value. */
		GUC_check_errcode(ERRCODE_OUT_OF_MEMORY);
		GUC_check_errmsg("out of memory");
	}
	return *extra != NULL;
}

static void
assign_context(const char *newval, void *extra)
{
	bound = extra;
	generation++;
}

/* Whose it is, and none of the rest. */
static const char *
show_context(void)
{
	if (bound == NULL || !bound->has_id)
		return "";
	return DatumGetCString(DirectFunctionCall1(uuid_out,
											   UUIDPGetDatum(&bound->id)));
}

void
session_context_init(void)
{
	DefineCustomStringVariable(SESSION_CONTEXT_SETTING,
							   "Shows the session of the current transaction.",
							   "It cannot be set.",
							   &setting, "", PGC_USERSET,
							   GUC_NO_SHOW_ALL | GUC_NOT_IN_SAMPLE |
							   GUC_DISALLOW_IN_FILE,
							   check_context, assign_context, show_context);
}

static void
set_locally(const char *to)
{
	(void) set_config_option(SESSION_CONTEXT_SETTING, to, PGC_USERSET,
							 PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
}

void
session_context_bind(const SessionIdentity *identity)
{
	char	   *to = identity == NULL ? "" : serialize(identity);

	binding = identity != NULL;
	PG_TRY();
	{
		set_locally(to);
	}
	PG_FINALLY();
	{
		binding = false;
	}
	PG_END_TRY();
	if (identity != NULL)
		pfree(to);
}

const SessionIdentity *
session_context_identity(void)
{
	return bound;
}

uint64
session_context_generation(void)
{
	return generation;
}

/*
 * What was proven without being bound
 */

void
session_context_note(const pg_uuid_t *id)
{
	noted = *id;
	noted_in = session_compat_lxid();
}

bool
session_context_is_current(const pg_uuid_t *id)
{
	if (bound != NULL)
		return bound->has_row &&
			memcmp(bound->id.data, id->data, UUID_LEN) == 0;
	return LocalTransactionIdIsValid(noted_in) &&
		noted_in == session_compat_lxid() &&
		memcmp(noted.data, id->data, UUID_LEN) == 0;
}
