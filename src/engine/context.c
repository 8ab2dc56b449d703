/*
 * context.c
 *	  The session that belongs to the running transaction.
 *
 * A bound identity is the value of the setting "session.context", set locally.
 * So it ends with the transaction, follows savepoints, and travels to parallel
 * workers by the server's own machinery.
 *
 * Rules:
 * - Only session_context_bind gives the setting a value.  The check hook
 *	 accepts a value from there, and in a parallel worker the value of the
 *	 leader, which came from there.  It refuses every other value.  A value
 *	 that a user, a database or a client brings has another source than that of
 *	 the leader, so a worker refuses it too, whenever the library is loaded.
 * - It also accepts an identity that another server has sent, in a value with
 *	 a MAC (engine/carry.c), which a client's statement SET LOCAL sets.  The
 *	 setting then has the identity alone, as if it was bound here.
 * - Such an identity ends with the transaction, as every value of SET LOCAL.
 *	 As a second defence, the parsed form has the transaction, and is no
 *	 identity in another one.
 * - Clearing is allowed: it can only take rights from the caller.
 * - The check hook parses the value, and the server keeps the parsed form as
 *	 long as the value.  So reading the identity costs nothing.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "common/int.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#include "audit/actor.h"
#include "compat.h"
#include "engine/carry.h"
#include "engine/context.h"
#include "settings.h"
#include "wire/hex.h"

/* The value of the setting, which the server keeps. */
static char *setting;

static SessionIdentity *bound;
static uint64 generation = 1;
static bool binding;			/* session_context_bind is setting the value */
static bool passing;			/* see session_context_pass_on */
static SessionAccept accepting = SESSION_ACCEPT_NONE;

/* The session that was proven last without being bound, and where. */
static pg_uuid_t proven;
static LocalTransactionId proven_in = InvalidLocalTransactionId;

/*
 * Writing the value
 *
 * Numbers are decimal and end with a colon.  An id is its hexadecimal digits.
 * A text is its length as a number, then its bytes; the length -1 stands for
 * NULL.
 */

static void
put_number(StringInfo out, int64 number)
{
	char		digits[MAXINT8LEN + 2];
	int			len = pg_lltoa(number, digits);

	/* appendStringInfo would take ten times as long. */
	digits[len++] = ':';
	appendBinaryStringInfo(out, digits, len);
}

static void
put_id(StringInfo out, const pg_uuid_t *id)
{
	static const char digits[] = "0123456789abcdef";
	char		hex[2 * UUID_LEN];

	for (int i = 0; i < UUID_LEN; i++)
	{
		hex[2 * i] = digits[id->data[i] >> 4];
		hex[2 * i + 1] = digits[id->data[i] & 15];
	}
	appendBinaryStringInfo(out, hex, sizeof(hex));
}

static void
put_context_text(StringInfo out, const text *source)
{
	if (source == NULL)
		put_number(out, -1);
	else
	{
		put_number(out, VARSIZE_ANY_EXHDR(source));
		appendBinaryStringInfo(out, VARDATA_ANY(source),
							   VARSIZE_ANY_EXHDR(source));
	}
}

/* Returns an identity as the value of the setting. */
static char *
serialize_identity(const SessionIdentity *identity)
{
	static const pg_uuid_t none;
	StringInfoData out;

	initStringInfo(&out);
	put_number(&out, identity->arrival);
	put_number(&out, identity->has_row);
	put_number(&out, identity->has_id);
	put_id(&out, identity->has_id ? &identity->id : &none);
	put_number(&out, identity->auth_level);
	put_number(&out, identity->lowered);
	put_number(&out, identity->derived);
	put_number(&out, identity->authenticated_at);
	put_number(&out, identity->expires_at);
	put_number(&out, identity->issued_at);
	put_number(&out, identity->stamp.place);
	put_number(&out, (int64) identity->stamp.value);
	put_number(&out, identity->check_at);
	put_context_text(&out, identity->user_id);
	put_context_text(&out, identity->tenant_id);
	put_context_text(&out, identity->role);
	put_context_text(&out, identity->amr);
	put_context_text(&out, identity->actor_id);
	put_context_text(&out, identity->scopes);
	put_context_text(&out, identity->claims);
	put_context_text(&out, identity->proof);
	return out.data;
}

/*
 * Reading the value
 *
 * A check hook must not raise an error, and the server frees the result, so
 * nothing here uses palloc.
 */

typedef struct IdentityReader
{
	const char *next;
	char	   *room;			/* for the next text */
	bool		valid;			/* everything read so far has the form */
} IdentityReader;

static int64
take_number(IdentityReader *reader)
{
	const char *in = reader->next;
	bool		negative = *in == '-';
	int64		number = 0;

	in += negative;
	if (*in == ':')
		reader->valid = false;
	/* The least number has no positive one, so this counts down. */
	for (; *in >= '0' && *in <= '9'; in++)
		if (pg_mul_s64_overflow(number, 10, &number) ||
			pg_sub_s64_overflow(number, *in - '0', &number))
			reader->valid = false;
	if (*in != ':' || (!negative && number == PG_INT64_MIN))
		reader->valid = false;
	if (!reader->valid)
		return 0;
	reader->next = in + 1;
	return negative ? number : -number;
}

static void
take_id(IdentityReader *reader, pg_uuid_t *id)
{
	for (int i = 0; i < UUID_LEN; i++)
	{
		int			high = session_hex_digit(reader->next[0]);
		int			low = high < 0 ? -1 : session_hex_digit(reader->next[1]);

		reader->valid = low >= 0;
		if (!reader->valid)
			return;
		id->data[i] = (unsigned char) (high << 4 | low);
		reader->next += 2;
	}
}

static text *
take_context_text(IdentityReader *reader)
{
	int64		len = take_number(reader);
	text	   *result = (text *) reader->room;

	if (!reader->valid || len < 0)
		return NULL;
	if ((size_t) len != strnlen(reader->next, (size_t) len))
	{
		reader->valid = false;
		return NULL;
	}
	SET_VARSIZE(result, VARHDRSZ + len);
	memcpy(VARDATA(result), reader->next, len);
	reader->next += len;
	reader->room += INTALIGN(VARHDRSZ + len);
	return result;
}

/*
 * Returns the identity of a value, in memory that the server frees.  NULL when
 * there is no memory, and for a value that serialize_identity did not make.
 */
static SessionIdentity *
parse_identity(const char *source)
{
	/* Each of the eight texts takes a header and padding beside its bytes. */
	size_t		size = MAXALIGN(sizeof(SessionIdentity)) + strlen(source) +
	8 * (VARHDRSZ + ALIGNOF_INT);
	SessionIdentity *identity = session_compat_guc_malloc(size);
	IdentityReader reader = {.next = source,.valid = true};

	if (identity == NULL)
		return NULL;
	reader.room = (char *) identity + MAXALIGN(sizeof(SessionIdentity));
	/* The key was proven before, and is not asked for again. */
	memset(&identity->bound, 0, sizeof(identity->bound));
	identity->arrived_in = session_compat_lxid();
	identity->arrival = (SessionArrival) take_number(&reader);
	identity->has_row = take_number(&reader) != 0;
	identity->has_id = take_number(&reader) != 0;
	take_id(&reader, &identity->id);
	identity->auth_level = (int32) take_number(&reader);
	identity->lowered = take_number(&reader) != 0;
	identity->derived = take_number(&reader) != 0;
	identity->authenticated_at = take_number(&reader);
	identity->expires_at = take_number(&reader);
	identity->issued_at = take_number(&reader);
	identity->stamp.place = (uint32) take_number(&reader);
	identity->stamp.value = (uint64) take_number(&reader);
	identity->check_at = take_number(&reader);
	identity->user_id = take_context_text(&reader);
	identity->tenant_id = take_context_text(&reader);
	identity->role = take_context_text(&reader);
	identity->amr = take_context_text(&reader);
	identity->actor_id = take_context_text(&reader);
	identity->scopes = take_context_text(&reader);
	identity->claims = take_context_text(&reader);
	identity->proof = take_context_text(&reader);
	if (reader.valid && *reader.next == '\0')
		return identity;
	session_compat_guc_free(identity);
	return NULL;
}

/*
 * The setting
 */

/* Replaces a value that the server keeps.  Returns false without memory. */
static bool
replace_value(char **value, const char *chars, size_t len)
{
	char	   *copy = session_compat_guc_malloc(len + 1);

	if (copy == NULL)
		return false;
	memcpy(copy, chars, len);
	copy[len] = '\0';
	session_compat_guc_free(*value);
	*value = copy;
	return true;
}

/* Sets the setting to a value of ours, or to an empty string. */
static void
set_context(const char *to, GucAction action)
{
	binding = *to != '\0';
	PG_TRY();
	{
		(void) set_config_option(SESSION_CONTEXT_SETTING, to, PGC_USERSET,
								 PGC_S_SESSION, action, true, 0, false);
	}
	PG_FINALLY();
	{
		binding = false;
	}
	PG_END_TRY();
}

/*
 * Receives a value that another server has sent, and replaces it by the
 * identity in it.  False if it is refused.
 */
static bool
receive(char **value)
{
	SessionCarried carried;
	const char *why;
	SessionCarryVerdict verdict;

	verdict = session_carry_judge(&carried, &why, *value, accepting);
	if (verdict == SESSION_CARRY_REFUSED)
	{
		GUC_check_errdetail("%s", why);
		return false;
	}
	if (verdict != SESSION_CARRY_LATE)
		session_carry_accept(&carried);
	if (verdict == SESSION_CARRY_OTHER_ROLE)
		return replace_value(value, "", 0);
	if (!replace_value(value, carried.identity, carried.identity_len))
		return false;
	if (verdict == SESSION_CARRY_LATE && **value == '0' + SESSION_ARRIVED)
		**value = '0' + SESSION_ARRIVED_LATE;
	return true;
}

/* Returns whether the value of a source is ours. */
static bool
is_own_value(GucSource source)
{
	return binding ||
		(InitializingParallelWorker && source == PGC_S_SESSION);
}

/* Refuses a value. */
static bool
refuse_value(void)
{
	GUC_check_errcode(ERRCODE_INSUFFICIENT_PRIVILEGE);
	GUC_check_errmsg("parameter \"%s\" cannot be set",
					 SESSION_CONTEXT_SETTING);
	GUC_check_errhint("Only session_authenticate() and "
					  "session_pre_request() give it a value.");
	return false;
}

/* Sets the parsed form of a value of ours. */
static bool
parse_value(const char *value, void **extra)
{
	*extra = parse_identity(value);
	if (*extra == NULL)
	{
		/* The server's own message would contain the value. */
		GUC_check_errcode(ERRCODE_OUT_OF_MEMORY);
		GUC_check_errmsg("out of memory");
	}
	return *extra != NULL;
}

/*
 * Replaces the new value by the current one, so that a statement for other
 * servers has no effect here.
 */
static bool
keep_value(char **newval, void **extra)
{
	SessionIdentity *same;

	if (!replace_value(newval, setting, strlen(setting)))
		return false;
	if (bound == NULL)
		return true;
	if (!parse_value(*newval, extra))
		return false;
	same = *extra;
	same->stamp = bound->stamp;
	same->check_at = bound->check_at;
	return true;
}

/* Check hook: refuses values from elsewhere, and parses ours. */
static bool
check_context(char **newval, void **extra, GucSource source)
{
	if (passing)
		return keep_value(newval, extra);
	if (**newval != '\0' && !is_own_value(source) &&
		!(source == PGC_S_SESSION && !InitializingParallelWorker &&
		  session_carried_begins(*newval) && receive(newval)))
		return refuse_value();
	return **newval == '\0' || parse_value(*newval, extra);
}

/* Assign hook: makes the parsed value the bound identity. */
static void
assign_context(const char *newval, void *extra)
{
	bound = extra;
	/* The same text is the same identity, which was not bound again. */
	if (setting == NULL || strcmp(newval, setting) != 0)
		generation++;
}

/* Returns the bound identity; NULL if it came in another transaction. */
static inline const SessionIdentity *
bound_here(void)
{
	if (bound != NULL && unlikely(bound->arrival != SESSION_FROM_HERE) &&
		!IsParallelWorker() && bound->arrived_in != session_compat_lxid())
		return NULL;
	return bound;
}

/* Returns the bound identity; NULL also if it must not be read. */
static const SessionIdentity *
readable(void)
{
	const SessionIdentity *identity = bound_here();

	return identity == NULL || identity->arrival == SESSION_ARRIVED_LATE ?
		NULL : identity;
}

/* Show hook: shows the session's id and nothing else of the identity. */
static const char *
show_context(void)
{
	const SessionIdentity *identity = readable();

	if (identity == NULL || !identity->has_id)
		return "";
	return DatumGetCString(DirectFunctionCall1(uuid_out,
											   UUIDPGetDatum(&identity->id)));
}

/* Returns who acts in the bound identity: its actor, else its user. */
static const text *
bound_actor_id(void)
{
	const SessionIdentity *identity = readable();

	if (identity == NULL)
		return NULL;
	return identity->actor_id != NULL ? identity->actor_id : identity->user_id;
}

/* Defines the setting that keeps a bound identity. */
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
	session_actor_set_user_source(bound_actor_id);
}

/* Binds an identity to the running transaction; NULL removes it. */
void
session_context_bind(const SessionIdentity *identity)
{
	char	   *to;

	/* Nothing is bound: the setting is empty already. */
	if (identity == NULL && bound == NULL)
		return;
	to = identity == NULL ? "" : serialize_identity(identity);
	set_context(to, GUC_ACTION_LOCAL);
	if (identity != NULL)
		pfree(to);
}

/* Sets when to prove the bound identity again. */
void
session_context_keep(const SessionEndStamp *stamp, TimestampTz check_at)
{
	/* In the parsed form alone, which parallel workers do not get. */
	bound->stamp = *stamp;
	bound->check_at = check_at;
}

/* Returns the bound identity as text. */
const char *
session_context_value(void)
{
	return setting;
}

/* Binds the identity of such a text for a while. */
int
session_context_lend(const char *value)
{
	int			level = NewGUCNestLevel();

	set_context(value, GUC_ACTION_SAVE);
	return level;
}

/* Removes an identity that was bound for a while. */
void
session_context_take_back(int lent)
{
	AtEOXact_GUC(true, lent);
}

/* Errors because an identity from another server is too old to be read. */
static pg_noinline void
refuse_late(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("the identity of the transaction is too old to be used "
					"here"),
			 errdetail("Another server has sent it more than 10 seconds ago."),
			 errhint("Compare the clocks of the servers.  A statement that "
					 "runs for longer must not open connections late.")));
}

/* Returns the bound identity; NULL when none is. */
const SessionIdentity *
session_context_identity(void)
{
	const SessionIdentity *identity = bound_here();

	if (unlikely(identity != NULL &&
				 identity->arrival == SESSION_ARRIVED_LATE))
		refuse_late();
	return identity;
}

/* Returns the same, also one that must not be read. */
const SessionIdentity *
session_context_bound(void)
{
	return bound_here();
}

/*
 * Sending it elsewhere
 */

/* Returns until when the bound identity is good on other servers. */
TimestampTz
session_context_end_elsewhere(void)
{
	return session_settings.live_identity ? bound->check_at :
		bound->expires_at;
}

/* Returns the bound identity as text for other servers. */
char *
session_context_text_elsewhere(void)
{
	SessionIdentity identity = *bound;

	identity.arrival = SESSION_ARRIVED;
	/* It is proven here alone, and sent again when it was. */
	memset(&identity.stamp, 0, sizeof(identity.stamp));
	identity.check_at = session_context_end_elsewhere();
	identity.proof = NULL;
	return serialize_identity(&identity);
}

/* Sets whether values of other servers are accepted. */
void
session_context_accept(SessionAccept accept)
{
	accepting = accept;
}

/* Begins or ends to set the setting for other servers alone. */
void
session_context_pass_on(bool begin)
{
	passing = begin;
}

/* Returns a number that changes whenever the bound identity does. */
uint64
session_context_generation(void)
{
	return generation;
}

/*
 * The current session of a list
 */

/* Records that the transaction has proven or created this session. */
void
session_context_set_proven(const pg_uuid_t *id)
{
	proven = *id;
	proven_in = session_compat_lxid();
}

/* Returns whether a list of sessions shows this one as current. */
bool
session_context_is_current(const pg_uuid_t *id)
{
	const SessionIdentity *identity = readable();

	if (identity != NULL)
		return identity->has_row &&
			memcmp(identity->id.data, id->data, UUID_LEN) == 0;
	return LocalTransactionIdIsValid(proven_in) &&
		proven_in == session_compat_lxid() &&
		memcmp(proven.data, id->data, UUID_LEN) == 0;
}
