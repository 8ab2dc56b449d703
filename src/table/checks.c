/*
 * checks.c
 *	  The expressions of CHECK constraints, kept from statement to statement.
 *
 * The executor reads the expression of each constraint from its text in the
 * catalog again for each statement that writes to the table, and prepares its
 * evaluation, which took more than half of the time of creating a session.
 * This file keeps the prepared expressions and gives them to the executor,
 * which evaluates them as always.
 *
 * Rules:
 * - Every constraint is checked, also one that a user has added.  The
 *	 expressions are used only if the texts in the open relation are those that
 *	 they were made from, and if plancache.c has not seen a change of what they
 *	 depend on.
 * - Expressions are freed when no statement uses them any more.  A trigger can
 *	 change a constraint's function and then run a statement of ours within
 *	 another one.
 * - What is prepared is kept only for expressions of built-in functions of
 *	 columns and constants.  Others may keep something of the statement that
 *	 evaluates them, or of a domain or function that changes.
 * - What is prepared serves one statement at a time.  A statement within
 *	 another prepares its own.
 * - Preparing checks that the role may execute the functions, so another role
 *	 prepares again.  A change of the privileges of a function is seen by
 *	 plancache.c.
 * - Expressions that have failed to be read or simplified are not kept.  What
 *	 was kept until then is freed at the next attempt.
 */
#include "postgres.h"

#include "access/transam.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "nodes/nodeFuncs.h"
#include "utils/memutils.h"
#include "utils/plancache.h"
#include "utils/rel.h"

#include "compat.h"
#include "table/checks.h"

/* A constraint: its text in the catalog, and the expression. */
typedef struct Check
{
	char	   *text;
	CachedExpression *expression;
	bool		lasts;			/* can be prepared for many statements */
	ExprState  *state;			/* the prepared expression, if it lasts */
} Check;

struct SessionChecks
{
	MemoryContext memory;		/* of this struct and the texts */
	MemoryContext prepared;		/* of the prepared expressions */
	Oid			role;			/* prepared them; InvalidOid = not prepared */
	int			users;			/* executing statements, and *kept */
	int			count;
	Check		check[FLEXIBLE_ARRAY_MEMBER];
};

/* Ends one use of the expressions, and frees them after the last. */
static void
release_checks(void *arg)
{
	SessionChecks *checks = arg;

	if (--checks->users > 0)
		return;
	for (int i = 0; i < checks->count; i++)
		FreeCachedExpression(checks->check[i].expression);
	MemoryContextDelete(checks->memory);
}

/* Keeps the expressions until a statement's memory is freed. */
static void
hold_checks(SessionChecks *checks, EState *estate)
{
	MemoryContextCallback *callback;

	callback = MemoryContextAlloc(estate->es_query_cxt, sizeof(*callback));
	callback->func = release_checks;
	callback->arg = checks;
	checks->users++;
	MemoryContextRegisterResetCallback(estate->es_query_cxt, callback);
}

/* Returns whether expressions are those of a relation's constraints. */
static bool
are_current(const SessionChecks *checks, const TupleConstr *constr)
{
	if (checks->count != constr->num_check)
		return false;
	for (int i = 0; i < checks->count; i++)
		if (!checks->check[i].expression->is_valid ||
			strcmp(checks->check[i].text, constr->check[i].ccbin) != 0)
			return false;
	return true;
}

/* Returns whether a function is not built-in. */
static bool
is_added(Oid function, void *arg)
{
	return function >= FirstNormalObjectId;
}

/* Returns whether a node keeps something of the statement, or may. */
static bool
keeps_something(Node *node, void *arg)
{
	if (node == NULL)
		return false;
	if (check_functions_in_node(node, is_added, NULL))
		return true;
	switch (nodeTag(node))
	{
		case T_Var:
			if (((Var *) node)->varattno <= 0)
				return true;	/* a whole row has a descriptor */
			break;
		case T_NullTest:
			if (((NullTest *) node)->argisrow)
				return true;
			break;
		case T_ScalarArrayOpExpr:
			if (OidIsValid(((ScalarArrayOpExpr *) node)->hashfuncid))
				return true;	/* has a table of hashes */
			break;
		case T_List:
		case T_Const:
		case T_OpExpr:
		case T_DistinctExpr:
		case T_NullIfExpr:
		case T_FuncExpr:
		case T_BoolExpr:
		case T_BooleanTest:
		case T_RelabelType:
		case T_CaseExpr:
		case T_CaseWhen:
		case T_CaseTestExpr:
		case T_CoalesceExpr:
		case T_ArrayExpr:
			break;
		default:
			return true;
	}
	return expression_tree_walker(node, keeps_something, NULL);
}

/* Makes the expressions of a relation's constraints. */
static void
make_checks(SessionChecks **kept, const TupleConstr *constr)
{
	MemoryContext memory = AllocSetContextCreate(CacheMemoryContext,
												 "session checks",
												 ALLOCSET_DEFAULT_SIZES);
	SessionChecks *checks;

	checks = MemoryContextAllocZero(memory, offsetof(SessionChecks, check) +
									constr->num_check * sizeof(Check));
	checks->memory = memory;
	checks->prepared = AllocSetContextCreate(memory, "session prepared checks",
											 ALLOCSET_DEFAULT_SIZES);
	checks->users = 1;
	*kept = checks;
	for (int i = 0; i < constr->num_check; i++)
	{
		Check	   *check = &checks->check[i];

		check->text = MemoryContextStrdup(memory, constr->check[i].ccbin);
		check->expression = GetCachedExpression(stringToNode(check->text));
		check->lasts = !keeps_something(check->expression->expr, NULL);
		checks->count = i + 1;
	}
}

/* Prepares an expression in some memory. */
static ExprState *
prepare_check(const Check *check, MemoryContext memory)
{
	MemoryContext caller = MemoryContextSwitchTo(memory);
	ExprState  *state = ExecInitExpr((Expr *) check->expression->expr, NULL);

	MemoryContextSwitchTo(caller);
	return state;
}

/* Prepares what lasts for all statements of the current role. */
static void
prepare_all(SessionChecks *checks)
{
	if (checks->role == GetUserId())
		return;
	checks->role = InvalidOid;
	MemoryContextReset(checks->prepared);
	for (int i = 0; i < checks->count; i++)
		if (checks->check[i].lasts)
			checks->check[i].state = prepare_check(&checks->check[i],
												   checks->prepared);
	checks->role = GetUserId();
}

/*
 * Returns the prepared expressions of those constraints that are enforced, for
 * a statement that holds them.
 */
static ExprState **
prepared_checks(SessionChecks *checks, const TupleConstr *constr,
				EState *estate)
{
	bool		alone = checks->users == 2;
	ExprState **states = MemoryContextAllocZero(estate->es_query_cxt,
												checks->count * sizeof(ExprState *));

	if (alone)
		prepare_all(checks);
	for (int i = 0; i < checks->count; i++)
	{
		const Check *check = &checks->check[i];

		if (session_compat_is_enforced(&constr->check[i]))
			states[i] = alone && check->lasts ? check->state :
				prepare_check(check, estate->es_query_cxt);
	}
	return states;
}

/* Gives the expressions of a relation's constraints to a statement. */
static void
give_checks(SessionChecks **kept, EState *estate, ResultRelInfo *target)
{
	const TupleConstr *constr = RelationGetDescr(target->ri_RelationDesc)->constr;

	if (constr == NULL || constr->num_check == 0 ||
		session_compat_has_virtual(constr))
		return;
	if (*kept != NULL && !are_current(*kept, constr))
	{
		release_checks(*kept);
		*kept = NULL;
	}
	if (*kept == NULL)
		make_checks(kept, constr);
	hold_checks(*kept, estate);
	session_compat_set_checks(target, prepared_checks(*kept, constr, estate));
}

/* Gives the expressions to a statement that is about to be executed. */
void
session_checks_give(SessionChecks **kept, EState *estate, Oid relid)
{
	ListCell   *cell;

	foreach(cell, estate->es_opened_result_relations)
	{
		ResultRelInfo *target = lfirst(cell);

		if (RelationGetRelid(target->ri_RelationDesc) == relid)
			give_checks(kept, estate, target);
	}
}
