/*
 * carry.c
 *	  Identities on their way from one server to another.
 *
 * With Citus, sessions are on the coordinator, and policies are also evaluated
 * on workers.  The coordinator sends the identity of a transaction with the
 * statement SET LOCAL session.context, which Citus forwards to every
 * connection of that transaction, also to those that it opens later
 * (request/forward.c).  The check hook of the setting accepts the value
 * (engine/context.c).
 *
 * A value may be seen: in the network, and for a moment in pg_stat_activity of
 * a worker.  So it is good only
 *
 * - with a MAC by a key of the purpose "context", for the database of this
 *	 name: nothing else makes one, and no other value can be changed into one;
 * - for a connection of the role that the sender had;
 * - for SESSION_CARRY_LIFE after it was made;
 * - until one of the transactions here that have it ends, see
 *	 shared/distant.c.  Then the transaction that sent it ends, too;
 * - on another server than the one that sent it, which Citus calls a worker;
 * - in a transaction that has no value of another transaction.
 *
 * Within that, one who has seen a value and can connect here as the same role
 * can use it.  The documentation demands that no one can.
 *
 * Rules:
 * - Citus sends a connection that it opens later all values of the
 *	 transaction, the oldest first, and values for all roles.  So a value that
 *	 is too old is no error by itself: reading the identity is one, unless a
 *	 newer value follows.  A value for another role binds no identity.
 * - The value has the end of the session.  A statement that begins later fails
 *	 (request/live.c), and so does one that begins long after the last value:
 *	 the sender sends a new one before each of its statements.
 * - A server that does not preload the library accepts no value, because it
 *	 does not know which transactions have ended.
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "engine/carry.h"
#include "model/digest.h"
#include "model/random.h"
#include "shared/distant.h"
#include "table/keyring.h"
#include "table/shape.h"
#include "table/table.h"

/* How long after it was made a value is accepted. */
#define SESSION_CARRY_LIFE (10 * USECS_PER_SEC)

/* How old the last value may be when a statement begins. */
#define SESSION_CARRY_LAST (5 * USECS_PER_MINUTE)

/* Returns the name of this database, which cannot change while it is used. */
static const char *
realm(void)
{
	static char name[NAMEDATALEN];

	if (name[0] == '\0')
		strlcpy(name, get_database_name(MyDatabaseId), sizeof(name));
	return name;
}

/*
 * Sending
 */

/* Returns whether Citus can forward SET LOCAL; see request/forward.c. */
static bool
is_forwarded(void)
{
	return GetConfigOption(SESSION_CARRY_FORWARDING, true, false) != NULL;
}

/* Returns whether this server sends identities. */
bool
session_carry_sends(void)
{
	uint64		server;

	return is_forwarded() && session_distant_server(&server) &&
		session_keyring_find_signer(SESSION_KEYRING_CONTEXT, true) != NULL;
}

/* Returns the random number of this backend. */
static uint64
own_number(void)
{
	static uint64 number = 0;

	while (number == 0)
		session_random_bytes(&number, sizeof(number));
	return number;
}

/* Returns the value that sends an identity. */
char *
session_carry_value(const char *identity)
{
	const char *role = GetUserNameFromId(GetUserId(), false);
	SessionCarried carried = {
		.made = GetCurrentTimestamp(),
		.backend = own_number(),
		.transaction = session_compat_lxid(),
		.role = role,
		.role_len = strlen(role),
		.identity = identity,
		.identity_len = strlen(identity)
	};
	SessionCodecKey key;
	size_t		chars = session_carried_chars(&carried);
	char	   *value = palloc0(chars + 1);
	uint8	   *room = palloc(chars);

	if (!session_distant_server(&carried.server))
		elog(ERROR, "there is no shared memory");
	key = session_keyring_codec_key(session_keyring_signer(SESSION_KEYRING_CONTEXT,
														   true));
	if (!session_carried_write(value, room, &carried, realm(), &key))
		session_digest_fail();
	pfree(room);
	return value;
}

/*
 * Receiving
 */

/* Returns whether one of our keys made a value. */
static bool
is_from_key_of_ours(const uint8 *room, const SessionCarried *carried)
{
	ListCell   *cell;

	foreach(cell, session_keyring_of(SESSION_KEYRING_CONTEXT))
	{
		const SessionKey *secret = lfirst(cell);
		SessionCodecKey key = session_keyring_codec_key(secret);

		if (secret->secret != NULL &&
			session_carried_verify(room, carried, realm(), &key))
			return true;
	}
	return false;
}

/* Returns whether a value is for connections of the role of this one. */
static bool
is_for_role(const SessionCarried *carried)
{
	const char *role = GetUserNameFromId(GetSessionUserId(), true);

	return role != NULL && strlen(role) == carried->role_len &&
		memcmp(role, carried->role, carried->role_len) == 0;
}

/* The last value that the running transaction has accepted. */
static SessionCarried noted;
static bool has_noted = false;

/* Returns whether the running transaction has a value of another one. */
static bool
has_value_of_other(const SessionCarried *carried)
{
	return has_noted &&
		(noted.server != carried->server ||
		 noted.backend != carried->backend ||
		 noted.transaction != carried->transaction);
}

/* Judges a value that is proven. */
static SessionCarryVerdict
judge_proven(const SessionCarried *carried, uint64 server, const char **why)
{
	TimestampTz now = GetCurrentTimestamp();

	*why = "This server has sent it itself.";
	if (carried->server == server)
		return SESSION_CARRY_REFUSED;
	*why = "It was made later than now: the clocks of the servers differ.";
	if (carried->made > now + SESSION_DISTANT_AHEAD)
		return SESSION_CARRY_REFUSED;
	if (!is_for_role(carried))
		return SESSION_CARRY_OTHER_ROLE;
	*why = "This transaction has an identity that another one has sent.";
	if (has_value_of_other(carried))
		return SESSION_CARRY_REFUSED;
	if (carried->made <= now - SESSION_CARRY_LIFE)
		return SESSION_CARRY_LATE;
	*why = "The transaction that sent it has ended.";
	if (session_distant_may_have_ended(carried))
		return SESSION_CARRY_REFUSED;
	return SESSION_CARRY_GOOD;
}

/* Judges a value that came here. */
SessionCarryVerdict
session_carry_judge(SessionCarried *carried, const char **why,
					const char *value)
{
	size_t		len = strlen(value);
	uint8	   *room;
	uint64		server;

	*why = "This server does not preload the library.";
	if (!session_distant_server(&server))
		return SESSION_CARRY_REFUSED;
	*why = "It can only be set in a transaction.";
	if (!IsTransactionState() || IsInParallelMode())
		return SESSION_CARRY_REFUSED;
	*why = "This server is not a worker of Citus.";
	if (!session_table_exist() || !session_shape_is_on_worker())
		return SESSION_CARRY_REFUSED;
	*why = "No key of the purpose \"context\" has made it for this database.";
	room = palloc(SESSION_BASE64URL_BYTES(len));
	if (!session_carried_parse(carried, room, value, len) ||
		!is_from_key_of_ours(room, carried))
		return SESSION_CARRY_REFUSED;
	return judge_proven(carried, server, why);
}

/*
 * The end of the transaction that has an identity from elsewhere
 */

/* Transaction callback: remembers that the transaction has ended. */
static void
carry_at_transaction_end(XactEvent event, void *arg)
{
	if (!has_noted ||
		(event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT &&
		 event != XACT_EVENT_PREPARE))
		return;
	has_noted = false;
	session_distant_end(&noted);
}

/* Notes that the running transaction has the identity of a value. */
void
session_carry_note(const SessionCarried *carried)
{
	static bool watching = false;

	if (!watching)
		RegisterXactCallback(carry_at_transaction_end, NULL);
	watching = true;
	noted = *carried;
	/* The texts are not kept. */
	noted.role = noted.identity = NULL;
	has_noted = true;
}

/* Errors if an identity from elsewhere may be over. */
void
session_carry_check(TimestampTz end)
{
	TimestampTz now = GetCurrentTimestamp();

	if (!has_noted)
		return;
	if (session_distant_has_ended(&noted))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the transaction that sent the identity of this one "
						"has ended")));
	if (now >= end || noted.made <= now - SESSION_CARRY_LAST)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the identity of this transaction must be sent again "
						"by the server that has bound it"),
				 now >= end ? errdetail("Its session was to end by now.") :
				 errdetail("The last value was made more than 5 minutes "
						   "ago.")));
}
