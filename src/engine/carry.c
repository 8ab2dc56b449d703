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
 * A value can be seen on the network, and in pg_stat_activity of a worker by
 * every connection of the same role.  A client of the coordinator can have
 * Citus run any statement there.  So a value is valid only
 *
 * - where track_activities is off, so that pg_stat_activity does not show it.
 *	 Where it is on, the value ends for this server;
 * - as a statement SET LOCAL of its own, which Citus sends, and which no other
 *	 library has seen before this one.  A function call in a query, which Citus
 *	 would also run on a worker, cannot set it;
 * - with a MAC by a key of the purpose "context", for the database of this
 *	 name;
 * - for a connection of the role that the sender had;
 * - for SESSION_CARRY_LIFE after it was made;
 * - until one of the transactions here that have it ends, see
 *	 shared/distant.c.  The transaction that sent it ends at that time;
 * - on another server than the one that sent it, which Citus calls a worker;
 * - in a transaction that has no value of another transaction, and no newer
 *	 one of the same.
 *
 * Anyone who still sees a value, and can connect here as the same role, can
 * use it within these limits.  The documentation says how to prevent that.
 *
 * Rules:
 * - Citus sends a connection that it opens later all values of the
 *	 transaction, the oldest first, and values for all roles.  So a value that
 *	 is too old is no error by itself: reading the identity is one, unless a
 *	 newer value follows.  A value for another role binds no identity.
 * - The value has the end of the session.  A client's statement that begins
 *	 later fails (request/live.c), and so does one that begins long after the
 *	 last value: the sender sends a new one before each of its statements.
 * - A value can say that no identity is bound.  It is a value like others, so
 *	 that an older one cannot follow it.
 * - A server that does not preload the library accepts no value, because it
 *	 does not know which transactions have ended.
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "utils/backend_status.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "engine/carry.h"
#include "model/digest.h"
#include "model/identity.h"
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

/* Returns whether this server sends identities. */
bool
session_carry_sends(void)
{
	uint64		server;

	return session_distant_server(&server) &&
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
		.format = SESSION_IDENTITY_FORMAT,
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
static SessionCarried accepted;
static bool has_accepted = false;

/* Returns whether the running transaction has a value of another one. */
static bool
has_value_of_other(const SessionCarried *carried)
{
	return has_accepted &&
		(accepted.server != carried->server ||
		 accepted.backend != carried->backend ||
		 accepted.transaction != carried->transaction);
}

/* Judges a value that is proven. */
static SessionCarryVerdict
judge_proven(const SessionCarried *carried, const char **why)
{
	uint64		server;
	TimestampTz now = GetCurrentTimestamp();

	*why = "This server has sent it itself.";
	if (session_distant_server(&server) && carried->server == server)
		return SESSION_CARRY_REFUSED;
	/* Others of this role can see it, so it must not be accepted later. */
	*why = "The setting track_activities is on for this connection, so that "
		"others of its role could see the value.";
	if (pgstat_track_activities && !superuser_arg(GetSessionUserId()))
	{
		session_distant_end(carried);
		return SESSION_CARRY_REFUSED;
	}
	*why = "A version of the extension with another format has made it.";
	if (carried->format != SESSION_IDENTITY_FORMAT)
		return SESSION_CARRY_REFUSED;
	*why = "It was made later than now: the clocks of the servers differ.";
	if (carried->made > now + SESSION_DISTANT_AHEAD)
		return SESSION_CARRY_REFUSED;
	*why = "This transaction has an identity that another one has sent.";
	if (has_value_of_other(carried))
		return SESSION_CARRY_REFUSED;
	*why = "This transaction has a newer value.";
	if (has_accepted && carried->made < accepted.made)
		return SESSION_CARRY_REFUSED;
	if (!is_for_role(carried))
		return SESSION_CARRY_OTHER_ROLE;
	if (carried->made <= now - SESSION_CARRY_LIFE)
		return SESSION_CARRY_LATE;
	switch (session_distant_state(carried))
	{
		case SESSION_DISTANT_ENDED:
			*why = "The transaction that sent it has ended.";
			return SESSION_CARRY_REFUSED;
		case SESSION_DISTANT_FORGOTTEN:
			*why = "It was made before this server started, or before others "
				"whose end this server no longer knows.";
			return SESSION_CARRY_REFUSED;
		case SESSION_DISTANT_RUNS:
			break;
	}
	return SESSION_CARRY_GOOD;
}

/*
 * Returns why this server, or this connection, accepts no value at all; NULL
 * if it does.
 */
static const char *
refuses_all(SessionAccept accept)
{
	uint64		server;

	if (!session_distant_server(&server))
		return "This server does not preload the libraries of Citus and of "
			"this extension.";
	if (accept == SESSION_ACCEPT_NONE)
		return "Another server sets it with SET LOCAL, as a statement of its "
			"own.";
	if (accept == SESSION_ACCEPT_UNSAFE)
		return "The library \"session\" is not the last one in "
			"shared_preload_libraries.";
	if (!IsTransactionState() || IsInParallelMode())
		return "It can only be set in a transaction.";
	if (!session_table_exist() || !session_shape_is_on_worker())
		return "This server is not a worker of Citus.";
	return NULL;
}

/* Judges a value that came here. */
SessionCarryVerdict
session_carry_judge(SessionCarried *carried, const char **why,
					const char *value, SessionAccept accept)
{
	size_t		len = strlen(value);
	uint8	   *room;

	*why = refuses_all(accept);
	if (*why != NULL)
		return SESSION_CARRY_REFUSED;
	*why = "No key of the purpose \"context\" has made it for this database.";
	room = palloc(SESSION_BASE64URL_BYTES(len));
	if (!session_carried_parse(carried, room, value, len) ||
		!is_from_key_of_ours(room, carried))
		return SESSION_CARRY_REFUSED;
	return judge_proven(carried, why);
}

/*
 * The end of the transaction that has an identity from elsewhere
 */

/* Transaction callback: remembers that the transaction has ended. */
static void
carry_at_transaction_end(XactEvent event, void *arg)
{
	if (!has_accepted ||
		(event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT &&
		 event != XACT_EVENT_PREPARE))
		return;
	has_accepted = false;
	session_distant_end(&accepted);
}

/* Remembers that the running transaction has accepted a value. */
void
session_carry_accept(const SessionCarried *carried)
{
	static bool watching = false;

	if (!watching)
		RegisterXactCallback(carry_at_transaction_end, NULL);
	watching = true;
	accepted = *carried;
	/* The texts are not kept. */
	accepted.role = accepted.identity = NULL;
	has_accepted = true;
}

/* Errors if an identity from another server may have ended. */
void
session_carry_check(TimestampTz end)
{
	TimestampTz now = GetCurrentTimestamp();

	if (!has_accepted)
		return;
	if (session_distant_state(&accepted) == SESSION_DISTANT_ENDED)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the transaction that sent the identity of this one "
						"has ended")));
	if (now >= end || accepted.made <= now - SESSION_CARRY_LAST)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the identity of this transaction must be sent again "
						"by the server that has bound it"),
				 now >= end ? errdetail("Its session has reached its end.") :
				 errdetail("The last value was made more than 5 minutes "
						   "ago.")));
}
