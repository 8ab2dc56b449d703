/*
 * statement.c
 *	  Running the library's own statements.
 *
 * Rules:
 * - Statements do not go through SPI, because that would add their text to the
 *	 context of every error.  Neither the client nor the log sees a statement
 *	 that the caller did not write, and no error has a position in one.
 *	 Triggers that users have added to a table show their context as always.
 * - A statement runs as the role that the caller names, with a search path
 *	 that the client cannot influence; see authority.c.
 * - A statement has its own snapshot of what is committed now.  If rules turn
 *	 it into several commands, each sees the effects of the earlier ones.
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/executor.h"
#include "lib/stringinfo.h"
#include "nodes/params.h"
#include "nodes/parsenodes.h"
#include "nodes/plannodes.h"
#include "optimizer/cost.h"
#include "parser/parsetree.h"
#include "tcop/dest.h"
#include "tcop/tcopprot.h"
#include "tcop/utility.h"
#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/plancache.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"

#include "compat.h"
#include "table/authority.h"
#include "table/checks.h"
#include "table/statement.h"

/* A position in our statement would point into the client's text. */
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

static int
count_params(const SessionStatement *statement)
{
	int			count = 0;

	while (OidIsValid(statement->types[count]))
		count++;
	return count;
}

static void
prepare_statement(SessionStatement *statement)
{
	const char *sql = statement->sql;
	int			count = count_params(statement);
	RawStmt    *raw = parse_own(sql);
	CachedPlanSource *source = CreateCachedPlan(raw, sql,
												CreateCommandTag(raw->stmt));
	List	   *queries = pg_analyze_and_rewrite_fixedparams(raw, sql,
															 statement->types,
															 count, NULL);

	CompleteCachedPlan(source, queries, NULL, statement->types, count, NULL,
					   NULL, statement->generic ? CURSOR_OPT_GENERIC_PLAN : 0,
					   false);
	SaveCachedPlan(source);
	statement->plan = source;
}

static ParamListInfo
make_params(const SessionStatement *statement, const Datum *values,
			const char *nulls)
{
	int			count = count_params(statement);
	ParamListInfo params = makeParamList(count);

	for (int i = 0; i < count; i++)
	{
		params->params[i].value = values[i];
		params->params[i].isnull = nulls != NULL && nulls[i] == 'n';
		params->params[i].pflags = PARAM_FLAG_CONST;
		params->params[i].ptype = statement->types[i];
	}
	return params;
}

/*
 * Returns whether a command works on the relation.  A rule can replace our
 * command by one on another table.
 */
static bool
works_on(const PlannedStmt *command, Oid relid)
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

/* A receiver that keeps the first value of the first row. */
typedef struct FirstValue
{
	DestReceiver receiver;
	MemoryContext memory;		/* where the value is copied to */
	bool		found;
	bool		null;
	Datum		value;
} FirstValue;

static bool
receive_value(TupleTableSlot *slot, DestReceiver *self)
{
	FirstValue *first = (FirstValue *) self;
	Form_pg_attribute attr = TupleDescAttr(slot->tts_tupleDescriptor, 0);
	MemoryContext caller;
	Datum		value;

	if (first->found)
		return true;
	first->found = true;
	value = slot_getattr(slot, 1, &first->null);
	if (first->null)
		return true;
	caller = MemoryContextSwitchTo(first->memory);
	first->value = datumCopy(value, attr->attbyval, attr->attlen);
	MemoryContextSwitchTo(caller);
	return true;
}

static void
receive_start(DestReceiver *self, int operation, TupleDesc typeinfo)
{
}

static void
receive_end(DestReceiver *self)
{
}

static void
init_receiver(FirstValue *first, MemoryContext memory)
{
	memset(first, 0, sizeof(*first));
	first->receiver.receiveSlot = receive_value;
	first->receiver.rStartup = receive_start;
	first->receiver.rShutdown = receive_end;
	first->receiver.rDestroy = receive_end;
	first->receiver.mydest = DestNone;
	first->memory = memory;
	first->null = true;
}

/*
 * Runs a command of a statement over the active snapshot.  Returns the number
 * of rows that it processed.
 */
static uint64
run_command(const SessionStatement *statement, PlannedStmt *command,
			const SessionTarget *target, ParamListInfo params,
			DestReceiver *receiver)
{
	QueryDesc  *desc;
	uint64		processed;

	if (command->commandType == CMD_UTILITY)
	{
		ProcessUtility(command, statement->sql, true, PROCESS_UTILITY_QUERY,
					   params, NULL, None_Receiver, NULL);
		return 0;
	}
	desc = CreateQueryDesc(command, statement->sql, GetActiveSnapshot(),
						   InvalidSnapshot, receiver, params, NULL, 0);
	ExecutorStart(desc, 0);
	session_checks_give(target->checks, desc->estate, target->relid);
	session_compat_executor_run(desc);
	processed = desc->estate->es_processed;
	ExecutorFinish(desc);
	ExecutorEnd(desc);
	FreeQueryDesc(desc);
	return processed;
}

/*
 * Returns whether a command of a plan works on the relation.  A rule can
 * replace all of them, or leave none.
 */
static bool
plan_works_on(const CachedPlan * plan, Oid relid)
{
	ListCell   *cell;

	foreach(cell, plan->stmt_list)
		if (works_on(lfirst_node(PlannedStmt, cell), relid))
		return true;
	return false;
}

/*
 * Runs the commands of a statement's plan.  Returns the number of rows that
 * those on the relation processed.
 */
static uint64
run_commands(const SessionStatement *statement, const CachedPlan * plan,
			 const SessionTarget *target, ParamListInfo params,
			 DestReceiver *receiver)
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
		processed = run_command(statement, command, target, params,
								receiver);
		if (works_on(command, target->relid))
			changed += processed;
	}
	PopActiveSnapshot();
	CommandCounterIncrement();
	return changed;
}

/*
 * Returns the plan of a statement.  A statement that finds its rows by a key
 * never scans the table: its plan is kept, and a table that is small when the
 * plan is made can have grown by millions of rows before it is made again.
 */
static CachedPlan *
get_plan(const SessionStatement *statement, ParamListInfo params)
{
	bool		before = enable_seqscan;
	CachedPlan *plan;

	PG_TRY();
	{
		if (statement->by_key)
			enable_seqscan = false;
		plan = GetCachedPlan(statement->plan, params, CurrentResourceOwner,
							 NULL);
	}
	PG_FINALLY();
	{
		enable_seqscan = before;
	}
	PG_END_TRY();
	return plan;
}

/*
 * Runs the plan of a statement if it works on the table, and drops it
 * otherwise: it may not depend on the table, and then dropping the rule would
 * not invalidate it.
 */
static uint64
run_plan(SessionStatement *statement, const SessionTarget *target,
		 ParamListInfo params, DestReceiver *receiver)
{
	CachedPlan *plan = get_plan(statement, params);
	bool		ours = plan_works_on(plan, target->relid);
	uint64		changed = 0;

	if (ours)
		changed = run_commands(statement, plan, target, params, receiver);
	ReleaseCachedPlan(plan, CurrentResourceOwner);
	if (!ours)
	{
		DropCachedPlan(statement->plan);
		statement->plan = NULL;
	}
	return changed;
}

/* Runs a statement as the owner of the table, in memory of its own. */
static uint64
execute(SessionStatement *statement, const SessionTarget *target,
		const Datum *values, const char *nulls, DestReceiver *receiver)
{
	MemoryContext work = AllocSetContextCreate(CurrentMemoryContext,
											   "session statement",
											   ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(work);
	SessionAuthority before;
	ErrorContextCallback hiding;
	uint64		changed;

	session_authority_take(&before, target->owner);
	begin_hiding(&hiding);
	if (statement->plan == NULL)
		prepare_statement(statement);
	changed = run_plan(statement, target,
					   make_params(statement, values, nulls), receiver);
	end_hiding(&hiding);
	session_authority_give_back(&before);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(work);
	return changed;
}

/*
 * Runs a statement; returns the number of rows of the table that it changed or
 * locked.
 */
uint64
session_statement_execute(SessionStatement *statement,
						  const SessionTarget *target, const Datum *values,
						  const char *nulls)
{
	return execute(statement, target, values, nulls, None_Receiver);
}

/* Runs a query; returns the first value of its first row. */
Datum
session_statement_fetch(SessionStatement *statement,
						const SessionTarget *target, const Datum *values,
						const char *nulls, bool *null)
{
	FirstValue	first;

	init_receiver(&first, CurrentMemoryContext);
	(void) execute(statement, target, values, nulls, &first.receiver);
	*null = first.null;
	return first.value;
}

static void
run_utility(const char *sql)
{
	List	   *queries;
	ListCell   *cell;

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
}

/* Runs a utility statement, which is formatted as by printf, as a role. */
void
session_statement_run(Oid role, const char *format,...)
{
	StringInfoData sql;
	int			missing = 0;
	SessionAuthority before;
	ErrorContextCallback hiding;

	initStringInfo(&sql);
	do
	{
		va_list		args;

		enlargeStringInfo(&sql, missing);
		va_start(args, format);
		missing = appendStringInfoVA(&sql, format, args);
		va_end(args);
	} while (missing > 0);

	session_authority_take(&before, role);
	begin_hiding(&hiding);
	run_utility(sql.data);
	end_hiding(&hiding);
	session_authority_give_back(&before);
}
