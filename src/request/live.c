/*
 * live.c
 *	  Ends the identity of a transaction when its session ends.
 *
 * Hooks of the executor look at the bound identity when a client's statement
 * begins.  If its session may have ended, it is proven again, and removed if
 * that fails.
 *
 * Rules:
 * - An identity is proven again if its stamp is not current (shared/stamp.h),
 *	 or the time has come at which its session runs out.  Otherwise a statement
 *	 costs a few comparisons.
 * - The decision is made once a statement.  Statements of functions, parallel
 *	 workers and triggers see what was decided for the client's statement.
 *	 Transaction control decides nothing, and neither does FETCH.
 * - A query that was begun before sees what was decided when it began: the
 *	 identity that was removed since is bound while rows are fetched from a
 *	 cursor or a portal.  If another was bound since, that is seen.
 * - The server calls some code outside of any statement of a client: functions
 *	 that the planner evaluates, and deferred triggers at the commit.  The
 *	 first decide too, before their statement does.  The second do not.
 * - An identity that another server has sent is proven there.  Here a client's
 *	 statement fails when the transaction that sent it has ended, when its
 *	 session has reached its end, and when the last value is minutes old.  The
 *	 statement that sets another value does not fail.
 * - The same hooks send the identity to other servers (forward.c): before a
 *	 statement begins, and before its rows are fetched.
 * - There are no hooks without preload, and nothing is done without an
 *	 identity.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "lib/ilist.h"
#include "tcop/pquery.h"
#include "tcop/utility.h"
#include "utils/fmgrprotos.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "engine/carry.h"
#include "engine/context.h"
#include "request/forward.h"
#include "request/identity.h"
#include "request/live.h"
#include "settings.h"
#include "shared/stamp.h"

static ExecutorStart_hook_type earlier_start = NULL;
static ExecutorRun_hook_type earlier_run = NULL;
static ExecutorFinish_hook_type earlier_finish = NULL;
static ProcessUtility_hook_type earlier_utility = NULL;

/* What runs. */
typedef struct Running
{
	bool		statement;		/* a client's: what begins now is part of it */
	bool		loading;		/* a statement that inserts or copies rows */
} Running;

static Running running = {false, false};

/*
 * Queries that were begun under an identity
 */

/* A query that has begun and may be run in pieces. */
typedef struct OpenQuery
{
	dlist_node	node;
	QueryDesc  *desc;
	uint64		generation;		/* of the context when it began */
	char	   *removed;		/* the identity it began under, if that was
								 * removed since; else NULL */
	MemoryContextCallback at_end;
} OpenQuery;

static dlist_head open_queries = DLIST_STATIC_INIT(open_queries);

/* How many of them have lost their identity. */
static int	removed_from = 0;

/* Called when the memory of an open query is freed, also after an error. */
static void
forget_query(void *arg)
{
	OpenQuery  *query = arg;

	dlist_delete(&query->node);
	if (query->removed != NULL)
		removed_from--;
}

/* Remembers under which identity a query has begun. */
static void
remember_query(QueryDesc *desc)
{
	MemoryContext memory = desc->estate->es_query_cxt;
	OpenQuery  *query = MemoryContextAlloc(memory, sizeof(OpenQuery));

	query->desc = desc;
	query->generation = session_context_generation();
	query->removed = NULL;
	query->at_end.func = forget_query;
	query->at_end.arg = query;
	dlist_push_head(&open_queries, &query->node);
	MemoryContextRegisterResetCallback(memory, &query->at_end);
}

/* Lets the queries that began under the bound identity keep it. */
static void
leave_identity_to_queries(void)
{
	dlist_iter	iter;

	dlist_foreach(iter, &open_queries)
	{
		OpenQuery  *query = dlist_container(OpenQuery, node, iter.cur);

		if (query->removed != NULL ||
			query->generation != session_context_generation())
			continue;
		query->removed = MemoryContextStrdup(query->desc->estate->es_query_cxt,
											 session_context_value());
		removed_from++;
	}
}

/* Returns the identity that was removed since a query began, or NULL. */
static const char *
removed_from_query(const QueryDesc *desc)
{
	dlist_iter	iter;

	if (removed_from == 0 || session_context_bound() != NULL)
		return NULL;
	dlist_foreach(iter, &open_queries)
	{
		OpenQuery  *query = dlist_container(OpenQuery, node, iter.cur);

		if (query->desc == desc)
			return query->removed;
	}
	return NULL;
}

/*
 * Deciding
 */

/* Returns whether nothing can have ended the session of an identity. */
static bool
is_unchanged(const SessionIdentity *identity)
{
	/* A change of session.policies arrives this way. */
	AcceptInvalidationMessages();
	return session_stamp_is_current(&identity->stamp) &&
		(identity->check_at == DT_NOEND ||
		 GetCurrentTimestamp() < identity->check_at);
}

/* Removes the bound identity unless it is still valid. */
static void
prove_again(const SessionIdentity *bound)
{
	SessionIdentity identity = *bound;

	if (session_identity_continues(&identity))
		session_context_keep(&identity.stamp, identity.check_at);
	else
	{
		leave_identity_to_queries();
		session_context_bind(NULL);
	}
}

/* Returns whether a trigger runs that was deferred until the commit. */
static bool
in_deferred_trigger(void)
{
	return ActivePortal == NULL &&
		DatumGetInt32(DirectFunctionCall1(pg_trigger_depth, (Datum) 0)) > 0;
}

/* Decides about the bound identity, at the start of a client's statement. */
static void
begin_statement(void)
{
	const SessionIdentity *identity = session_context_bound();

	if (identity == NULL || IsInParallelMode() || !IsTransactionState() ||
		in_deferred_trigger())
		return;
	if (identity->arrival != SESSION_FROM_HERE)
		session_carry_check(identity->check_at);
	else if (session_settings.live_identity && !is_unchanged(identity))
		prove_again(identity);
}

/*
 * The hooks
 */

static void
start_query(QueryDesc *desc, int flags)
{
	if (earlier_start)
		earlier_start(desc, flags);
	else
		standard_ExecutorStart(desc, flags);
}

/* The ExecutorStart hook. */
static void
live_start(QueryDesc *desc, int flags)
{
	if (!running.statement)
		begin_statement();
	session_forward_identity(running.loading);
	if (running.statement)
		start_query(desc, flags);
	else
	{
		running.statement = true;
		PG_TRY();
		{
			start_query(desc, flags);
		}
		PG_FINALLY();
		{
			running.statement = false;
		}
		PG_END_TRY();
	}
	/* What is not started by PortalStart runs to its end at once. */
	if (session_context_bound() != NULL && ActivePortal != NULL &&
		ActivePortal->status == PORTAL_DEFINED)
		remember_query(desc);
}

static void
run_query(SESSION_COMPAT_RUN_PARAMS)
{
	if (earlier_run)
		earlier_run(SESSION_COMPAT_RUN_ARGS);
	else
		standard_ExecutorRun(SESSION_COMPAT_RUN_ARGS);
}

/*
 * Runs a query under the identity that was removed since it began; NULL =
 * under the bound one.
 */
static void
run_query_under(const char *removed, bool loading, SESSION_COMPAT_RUN_PARAMS)
{
	int			lent = removed == NULL ? 0 : session_context_lend(removed);

	session_forward_identity(loading);
	run_query(SESSION_COMPAT_RUN_ARGS);
	if (removed != NULL)
		session_context_take_back(lent);
}

/*
 * Returns whether a query inserts rows, or copies its rows out, as Citus does
 * with those of a subquery that it sends to other servers.
 */
static bool
loads_rows(const QueryDesc *desc)
{
	return desc->operation == CMD_INSERT ||
		desc->plannedstmt->hasModifyingCTE ||
		desc->dest->mydest == DestCopyOut;
}

/* The ExecutorRun hook. */
static void
live_run(SESSION_COMPAT_RUN_PARAMS)
{
	const char *removed = removed_from_query(desc);
	const Running outer = running;

	running.statement = true;
	running.loading |= loads_rows(desc);
	if (outer.statement && running.loading == outer.loading && removed == NULL)
	{
		run_query_under(NULL, outer.loading, SESSION_COMPAT_RUN_ARGS);
		return;
	}
	PG_TRY();
	{
		run_query_under(removed, outer.loading, SESSION_COMPAT_RUN_ARGS);
	}
	PG_FINALLY();
	{
		running = outer;
	}
	PG_END_TRY();
}

static void
finish_query(QueryDesc *desc)
{
	if (earlier_finish)
		earlier_finish(desc);
	else
		standard_ExecutorFinish(desc);
}

/* The ExecutorFinish hook: triggers run there. */
static void
live_finish(QueryDesc *desc)
{
	const Running outer = running;

	running.statement = true;
	PG_TRY();
	{
		finish_query(desc);
	}
	PG_FINALLY();
	{
		running = outer;
	}
	PG_END_TRY();
}

#define UTILITY_PARAMS \
	PlannedStmt *pstmt, const char *source, bool read_only_tree, \
	ProcessUtilityContext context, ParamListInfo params, \
	QueryEnvironment *environment, DestReceiver *dest, QueryCompletion *qc
#define UTILITY_ARGS \
	pstmt, source, read_only_tree, context, params, environment, dest, qc

static void
do_utility(UTILITY_PARAMS)
{
	if (earlier_utility)
		earlier_utility(UTILITY_ARGS);
	else
		standard_ProcessUtility(UTILITY_ARGS);
}

/* Returns whether a decision is made at the start of a utility statement. */
static bool
decides(const Node *statement)
{
	return !IsA(statement, TransactionStmt) && !IsA(statement, FetchStmt) &&
		!IsA(statement, ClosePortalStmt);
}

/* Returns whether a statement sets the setting of the identity. */
static bool
sets_identity(const Node *statement)
{
	const		VariableSetStmt *set = (const VariableSetStmt *) statement;

	return IsA(set, VariableSetStmt) && set->name != NULL &&
		pg_strcasecmp(set->name, SESSION_CONTEXT_SETTING) == 0;
}

static void live_utility(UTILITY_PARAMS);

/*
 * Accepts a value that a statement sets as another server does.  A library
 * that has put its hook before ours may have kept the value.
 */
static void
accept_sent(const PlannedStmt *planned, ProcessUtilityContext context)
{
	if (sets_identity(planned->utilityStmt) &&
		context == PROCESS_UTILITY_TOPLEVEL &&
		castNode(VariableSetStmt, planned->utilityStmt)->is_local)
		session_context_accept(ProcessUtility_hook == live_utility ?
							   SESSION_ACCEPT_SENT : SESSION_ACCEPT_UNSAFE);
}

/* Returns whether a utility statement copies rows into a table. */
static bool
copies_in(const Node *statement)
{
	return IsA(statement, CopyStmt) && ((const CopyStmt *) statement)->is_from;
}

/* Runs a utility statement, which is a client's or copies rows. */
static void
do_marked_utility(UTILITY_PARAMS)
{
	const Running outer = running;

	accept_sent(pstmt, context);
	running.statement = true;
	running.loading |= copies_in(pstmt->utilityStmt);
	PG_TRY();
	{
		do_utility(UTILITY_ARGS);
	}
	PG_FINALLY();
	{
		session_context_accept(SESSION_ACCEPT_NONE);
		running = outer;
	}
	PG_END_TRY();
}

/* The ProcessUtility hook. */
static void
live_utility(UTILITY_PARAMS)
{
	bool		sets = sets_identity(pstmt->utilityStmt);

	if (decides(pstmt->utilityStmt))
	{
		if (!running.statement && !sets)
			begin_statement();
		session_forward_identity(running.loading);
	}
	/* pg_stat_statements, if preloaded before, must not keep a value. */
	if (sets)
		pstmt->queryId = 0;
	if (running.statement && !copies_in(pstmt->utilityStmt))
		do_utility(UTILITY_ARGS);
	else
		do_marked_utility(UTILITY_ARGS);
}

/* Installs the hooks. */
void
session_live_init(void)
{
	earlier_start = ExecutorStart_hook;
	ExecutorStart_hook = live_start;
	earlier_run = ExecutorRun_hook;
	ExecutorRun_hook = live_run;
	earlier_finish = ExecutorFinish_hook;
	ExecutorFinish_hook = live_finish;
	earlier_utility = ProcessUtility_hook;
	ProcessUtility_hook = live_utility;
}
