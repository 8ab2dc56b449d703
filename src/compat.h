/*
 * compat.h
 *	  The only place that knows which PostgreSQL major it is built against.
 *
 * Rules: every shim has the newest signature and degrades; nothing else in
 * the tree tests PG_VERSION_NUM.  The floor is 15.
 */
#ifndef SESSION_COMPAT_H
#define SESSION_COMPAT_H

#include "access/genam.h"
#include "access/tupdesc.h"
#include "common/jsonapi.h"
#include "datatype/timestamp.h"
#include "nodes/execnodes.h"
#include "storage/proc.h"
#include "storage/procarray.h"

#if PG_VERSION_NUM < 150000
#error "session needs PostgreSQL 15 or later"
#endif

/* 16 moved the variable-length macros out of postgres.h. */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* 18 lets a module carry its name and version. */
#ifdef PG_MODULE_MAGIC_EXT
#define SESSION_MODULE_MAGIC \
	PG_MODULE_MAGIC_EXT(.name = "session", .version = SESSION_VERSION)
#else
#define SESSION_MODULE_MAGIC PG_MODULE_MAGIC
#endif

/* Names the running transaction within this backend; 17 moved the field. */
static inline LocalTransactionId
session_compat_lxid(void)
{
#if PG_VERSION_NUM >= 170000
	return MyProc->vxid.lxid;
#else
	return MyProc->lxid;
#endif
}

/* 16 let the caller take the error of a bad name. */
#if PG_VERSION_NUM >= 160000
#define session_compat_name_list(name) stringToQualifiedNameList(name, NULL)
#else
#define session_compat_name_list(name) stringToQualifiedNameList(name)
#endif

/*
 * What a check hook hands to its assign hook comes from malloc before 16, and
 * from memory that the server keeps for settings since.
 */
#if PG_VERSION_NUM >= 160000
#define session_compat_guc_malloc(size) guc_malloc(LOG, size)
#define session_compat_guc_free(pointer) guc_free(pointer)
#else
#define session_compat_guc_malloc(size) malloc(size)
#define session_compat_guc_free(pointer) free(pointer)
#endif

/* 17 made infinite intervals. */
static inline bool
session_compat_interval_finite(const Interval *interval)
{
#ifdef INTERVAL_NOT_FINITE
	return !INTERVAL_NOT_FINITE(interval);
#else
	return true;
#endif
}

/*
 * Sets up a lexer in the caller's memory that does not undo escapes.  17 takes
 * the memory, and const text.
 */
static inline void
session_compat_json_lexer(JsonLexContext *lex, const char *json, size_t len,
						  int encoding)
{
#if PG_VERSION_NUM >= 170000
	makeJsonLexContextCstringLen(lex, json, len, encoding, false);
#else
	JsonLexContext *made;

	made = makeJsonLexContextCstringLen(unconstify(char *, json), (int) len,
										encoding, false);
	*lex = *made;
	pfree(made);
#endif
}

/* The oldest transaction that has an id and has not ended; 19 asks which. */
#if PG_VERSION_NUM >= 190000
#define session_compat_oldest_active() GetOldestActiveTransactionId(false, true)
#else
#define session_compat_oldest_active() GetOldestActiveTransactionId()
#endif

/* 18 added a place to count index searches. */
static inline IndexScanDesc
session_compat_beginscan(Relation heap, Relation index, Snapshot snapshot,
						 int nkeys)
{
#if PG_VERSION_NUM >= 180000
	return index_beginscan(heap, index, snapshot, NULL, nkeys, 0);
#else
	return index_beginscan(heap, index, snapshot, nkeys, 0);
#endif
}

/* Runs a query to its end; 18 no longer asks whether that is done once. */
#if PG_VERSION_NUM >= 180000
#define session_compat_executor_run(desc) \
	ExecutorRun(desc, ForwardScanDirection, 0)
#else
#define session_compat_executor_run(desc) \
	ExecutorRun(desc, ForwardScanDirection, 0, true)
#endif

/*
 * The arguments of an ExecutorRun hook.  18 no longer has the one that says
 * whether the query is run once.
 */
#if PG_VERSION_NUM >= 180000
#define SESSION_COMPAT_RUN_PARAMS \
	QueryDesc *desc, ScanDirection direction, uint64 count
#define SESSION_COMPAT_RUN_ARGS desc, direction, count
#else
#define SESSION_COMPAT_RUN_PARAMS \
	QueryDesc *desc, ScanDirection direction, uint64 count, bool once
#define SESSION_COMPAT_RUN_ARGS desc, direction, count, once
#endif

/* 18 has constraints that are not enforced. */
static inline bool
session_compat_is_enforced(const ConstrCheck *check)
{
#if PG_VERSION_NUM >= 180000
	return check->ccenforced;
#else
	return true;
#endif
}

/* 18 has columns whose expressions the executor puts into constraints. */
static inline bool
session_compat_has_virtual(const TupleConstr *constr)
{
#if PG_VERSION_NUM >= 180000
	return constr->has_generated_virtual;
#else
	return false;
#endif
}

/* Sets the expressions of CHECK constraints; 18 renamed the field. */
static inline void
session_compat_set_checks(ResultRelInfo *target, ExprState **states)
{
#if PG_VERSION_NUM >= 180000
	target->ri_CheckConstraintExprs = states;
#else
	target->ri_ConstraintExprs = states;
#endif
}

#endif							/* SESSION_COMPAT_H */
