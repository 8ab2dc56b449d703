/*
 * statement.c
 *	  Running the library's own statements.
 *
 * Rules:
 * - Statements do not go through SPI, which would add their text to the context
 *	 of every error: neither the caller nor the log is shown a statement that
 *	 the caller has not written, and no error points into one.  Functions that
 *	 users have attached to a table show their own context as ever.
 * - Callers set the user and the search path first; see authority.c.
 * - A statement has its own snapshot of what is committed now, and each of the
 *	 commands that rules make of it sees the effects of those before.
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/executor.h"
#include "nodes/params.h"
#include "nodes/plannodes.h"
#include "parser/parsetree.h"
#include "tcop/dest.h"
#include "tcop/tcopprot.h"
#include "tcop/utility.h"
#include "utils/memutils.h"
#include "utils/plancache.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"

#include "compat.h"
#include "table/statement.h"

/* A position in our text means nothing in the text that the client sent. */
static void
hide_position(void *arg)
{
	if (geterrposition() > 0)
		errposition(0);
}

static void
begin_hiding(ErrorContextCallback * callback)
{
	callback->callback = hide_position;
	callback->arg = NULL;
	callback->previous = error_context_stack;
	error_context_stack = callback;
}

static void
end_hiding(ErrorContextCallback * callback)
{
	error_context_stack = callback->previous;
}

static RawStmt *
parse_own(const char *sql)
{
	return linitial_node(RawStmt, pg_parse_query(sql));
}

static SessionPlan
prepare(const char *sql, Oid *types, int nparams)
{
	RawStmt    *raw = parse_own(sql);
	CachedPlanSource *source = CreateCachedPlan(raw, sql,
												CreateCommandTag(raw->stmt));
	List	   *queries = pg_analyze_and_rewrite_fixedparams(raw, sql, types,
															 nparams, NULL);

	CompleteCachedPlan(source, queries, NULL, types, nparams, NULL, NULL, 0,
					   false);
	SaveCachedPlan(source);
	return source;
}

static ParamListInfo
parameters(int nparams, const Oid *types, const Datum *values,
		   const char *nulls)
{
	ParamListInfo params = makeParamList(nparams);

	for (int i = 0; i < nparams; i++)
	{
		params->params[i].value = values[i];
		params->params[i].isnull = nulls != NULL && nulls[i] == 'n';
		params->params[i].pflags = PARAM_FLAG_CONST;
		params->params[i].ptype = types[i];
	}
	return params;
}

/*
 * Whether the rows that a command processes count.  A rule can put a command on
 * another table in the place of ours.
 */
static bool
counts(const PlannedStmt * command, Oid relid)
{
	int			target;

	if (!command->canSetTag)
		return false;
	if (command->commandType == CMD_SELECT)
		return true;
	if (command->resultRelations == NIL)
		return false;
	target = linitial_int(command->resultRelations);
	return rt_fetch(target, command->rtable)->relid == relid;
}

/* Runs one command over the active snapshot; returns the rows processed. */
static uint64
run_command(PlannedStmt * command, const char *sql, ParamListInfo params)
{
	QueryDesc  *desc;
	uint64		processed;

	if (command->commandType == CMD_UTILITY)
	{
		ProcessUtility(command, sql, true, PROCESS_UTILITY_QUERY, params,
					   NULL, None_Receiver, NULL);
		return 0;
	}
	desc = CreateQueryDesc(command, sql, GetActiveSnapshot(), InvalidSnapshot,
						   None_Receiver, params, NULL, 0);
	ExecutorStart(desc, 0);
	session_compat_executor_run(desc);
	processed = desc->estate->es_processed;
	ExecutorFinish(desc);
	ExecutorEnd(desc);
	FreeQueryDesc(desc);
	return processed;
}

/*
 * Whether a command of a plan is still ours.  A rule can put something else, or
 * nothing, in its place.
 */
static bool
reaches(const CachedPlan * plan, Oid relid)
{
	ListCell   *cell;

	foreach(cell, plan->stmt_list)
		if (counts(lfirst_node(PlannedStmt, cell), relid))
		return true;
	return false;
}

/* Runs the commands of a plan; returns the number of rows that count. */
static uint64
run_commands(const CachedPlan * plan, const char *sql, Oid relid,
			 ParamListInfo params)
{
	uint64		changed = 0;
	ListCell   *cell;

	PushCopiedSnapshot(GetLatestSnapshot());
	foreach(cell, plan->stmt_list)
	{
		PlannedStmt *command = lfirst_node(PlannedStmt, cell);
		uint64		processed;

		CommandCounterIncrement();
		UpdateActiveSnapshotCommandId();
		processed = run_command(command, sql, params);
		if (counts(command, relid))
			changed += processed;
	}
	PopActiveSnapshot();
	CommandCounterIncrement();
	return changed;
}

/*
 * Runs a plan if it reaches the relation.  One that does not need not depend on
 * the relation, so that dropping the rule would not invalidate it: it is not
 * kept.
 */
static uint64
run_plan(SessionPlan *source, Oid relid, ParamListInfo params)
{
	CachedPlan *plan = GetCachedPlan(*source, params, CurrentResourceOwner,
									 NULL);
	bool		ours = reaches(plan, relid);
	uint64		changed = 0;

	if (ours)
		changed = run_commands(plan, (*source)->query_string, relid, params);
	ReleaseCachedPlan(plan, CurrentResourceOwner);
	if (!ours)
	{
		DropCachedPlan(*source);
		*source = NULL;
	}
	return changed;
}

uint64
session_statement_execute(SessionPlan *plan, const char *sql, Oid relid,
						  int nparams, Oid *types, Datum *values,
						  const char *nulls)
{
	MemoryContext work = AllocSetContextCreate(CurrentMemoryContext,
											   "session statement",
											   ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(work);
	ErrorContextCallback hiding;
	uint64		changed;

	begin_hiding(&hiding);
	if (*plan == NULL)
		*plan = prepare(sql, types, nparams);
	changed = run_plan(plan, relid, parameters(nparams, types, values, nulls));
	end_hiding(&hiding);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(work);
	return changed;
}

void
session_statement_run(const char *sql)
{
	ErrorContextCallback hiding;
	List	   *queries;
	ListCell   *cell;

	begin_hiding(&hiding);
	queries = pg_analyze_and_rewrite_fixedparams(parse_own(sql), sql, NULL, 0,
												 NULL);
	foreach(cell, pg_plan_queries(queries, sql, 0, NULL))
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		ProcessUtility(lfirst_node(PlannedStmt, cell), sql, false,
					   PROCESS_UTILITY_QUERY, NULL, NULL, None_Receiver, NULL);
		PopActiveSnapshot();
		CommandCounterIncrement();
	}
	end_hiding(&hiding);
}
