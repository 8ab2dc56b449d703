/*
 * forward.c
 *	  Sends the identity of a transaction to the other servers of Citus.
 *
 * Citus forwards the statement SET LOCAL to the connections of a transaction,
 * and to those that it opens later, with citus.propagate_set_commands = local.
 * So the identity is sent by running such a statement, which changes nothing
 * here.  Without Citus nothing is sent, and no key is looked for.
 *
 * Rules:
 * - It is sent in transaction blocks only.  Outside of one, Citus forwards SET
 *	 LOCAL in some cases only, such as DO: a new identity would not always
 *	 replace the one that was sent before.
 * - It is sent before a statement runs, not when the identity is bound: the
 *	 role for which the value is can change in between.
 * - It is sent again when another identity is bound or none, when the current
 *	 role changes, and when the last value is older than FRESH, so that a
 *	 connection which a statement opens gets a value that is valid for some
 *	 seconds.
 * - It is sent again when the end of the session has changed, because the
 *	 other servers compare that with the time.
 * - While rows are inserted or copied, a connection of Citus can be in the
 *	 state of COPY, and takes no other statement.  So the age alone does not
 *	 have a value sent again then.
 * - A client can change the setting of Citus.  So the statement runs with the
 *	 value that it needs: otherwise a client could prevent that the workers
 *	 learn of the removal of an identity.
 * - At the end of a savepoint, Citus restores what was sent before it, for new
 *	 connections also when it was released.  So what was sent within it is
 *	 sent again.
 * - The statement has no query id, so that pg_stat_statements does not keep
 *	 its text.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "parser/parser.h"
#include "tcop/dest.h"
#include "tcop/utility.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "engine/carry.h"
#include "engine/context.h"
#include "request/forward.h"
#include "shared/distant.h"

/* How old the last value gets before another is sent. */
#define FRESH (3 * USECS_PER_SEC)

/* The generation of the context that needs nothing to be sent. */
static uint64 settled = 0;

static bool sending = false;

/* What this transaction has sent, if anything. */
static bool has_sent = false;
static bool outdated;			/* the savepoint has ended */
static uint64 sent_generation;
static Oid	sent_as;
static SubTransactionId sent_in;
static TimestampTz sent_at;
static TimestampTz sent_end;	/* of the session */

/* Transaction callback: what was sent has ended. */
static void
forward_at_transaction_end(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT ||
		event == XACT_EVENT_PREPARE)
		has_sent = false;
}

/* Subtransaction callback; see the rules. */
static void
forward_at_savepoint_end(SubXactEvent event, SubTransactionId mine,
						 SubTransactionId parent, void *arg)
{
	if (has_sent && sent_in >= mine &&
		(event == SUBXACT_EVENT_COMMIT_SUB || event == SUBXACT_EVENT_ABORT_SUB))
		outdated = true;
}

static void
watch_what_was_sent(void)
{
	static bool watching = false;

	if (watching)
		return;
	RegisterXactCallback(forward_at_transaction_end, NULL);
	RegisterSubXactCallback(forward_at_savepoint_end, NULL);
	watching = true;
}

/* Returns whether the other servers need another value. */
static bool
is_due(const SessionIdentity *identity, bool loading)
{
	if (!has_sent)
		return identity != NULL && session_carry_sends();
	return outdated || sent_generation != session_context_generation() ||
		(identity != NULL &&
		 (sent_as != GetUserId() ||
		  sent_end != session_context_end_elsewhere() ||
		  (!loading && GetCurrentTimestamp() - sent_at > FRESH)));
}

/* Runs a statement with the setting of Citus that has it forwarded. */
static void
run_forwarded(PlannedStmt *planned, const char *sql)
{
	int			level = NewGUCNestLevel();

	(void) set_config_option(SESSION_DISTANT_FORWARDING, "local", PGC_USERSET,
							 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	ProcessUtility(planned, sql, false, PROCESS_UTILITY_QUERY, NULL, NULL,
				   None_Receiver, NULL);
	/* This also removes what SET LOCAL has put on the stack. */
	AtEOXact_GUC(true, level);
}

/* Runs a statement that sets the setting, for other servers alone. */
static void
run_set(const char *value)
{
	char	   *sql = psprintf("SET LOCAL %s TO '%s'", SESSION_CONTEXT_SETTING,
							   value);
	PlannedStmt *planned = makeNode(PlannedStmt);

	planned->commandType = CMD_UTILITY;
	planned->utilityStmt = linitial_node(RawStmt,
										 raw_parser(sql, RAW_PARSE_DEFAULT))->stmt;
	planned->stmt_location = -1;
	sending = true;
	session_context_pass_on(true);
	PG_TRY();
	{
		run_forwarded(planned, sql);
	}
	PG_FINALLY();
	{
		session_context_pass_on(false);
		sending = false;
	}
	PG_END_TRY();
}

/* Returns the value to send. */
static const char *
value_to_send(const SessionIdentity *identity)
{
	if (identity != NULL)
		return session_carry_value(session_context_text_elsewhere());
	/* An empty value has the same effect, but older ones can follow it. */
	return session_carry_sends() ? session_carry_value("") : "";
}

/* Sends the identity, or that there is none. */
static void
send_identity(const SessionIdentity *identity)
{
	MemoryContext work = AllocSetContextCreate(CurrentMemoryContext,
											   "session forward",
											   ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(work);

	watch_what_was_sent();
	run_set(value_to_send(identity));
	has_sent = true;
	outdated = false;
	sent_generation = session_context_generation();
	sent_as = GetUserId();
	sent_in = GetCurrentSubTransactionId();
	sent_at = GetCurrentTimestamp();
	sent_end = identity == NULL ? DT_NOEND : session_context_end_elsewhere();
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(work);
}

/* Sends the bound identity if the other servers do not have it. */
void
session_forward_identity(bool loading)
{
	const SessionIdentity *identity;

	if (!has_sent && settled == session_context_generation())
		return;
	if (sending || IsInParallelMode() || !IsTransactionState() ||
		!IsTransactionBlock())
		return;
	identity = session_context_bound();
	/* Citus itself forwards what another server has sent. */
	if (identity != NULL && identity->arrival != SESSION_FROM_HERE)
		return;
	if (is_due(identity, loading))
		send_identity(identity);
	else if (!has_sent)
		settled = session_context_generation();
}
