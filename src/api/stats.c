/*
 * stats.c
 *	  SQL entry points: statistics of the extension.
 *
 *	  session_stats			behind the view session.stats
 *
 * Rules:
 * - Nothing in the result names a user or a session.
 * - Without shared memory there is one row, for the current database, and its
 *	 column "preloaded" is false.
 */
#include "postgres.h"

#include "commands/dbcommands.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "api/api.h"
#include "audit/evidence.h"
#include "compat.h"
#include "engine/activity.h"
#include "engine/upkeep.h"
#include "shared/database.h"
#include "shared/revocation.h"
#include "table/keyseal.h"
#include "table/store.h"
#include "table/table.h"

PG_FUNCTION_INFO_V1(session_stats);

/* The columns of the function, in their order. */
enum
{
	STATS_DATABASE,
	STATS_PRELOADED,
	STATS_MASTER_KEY,
	STATS_WORKERS,
	STATS_LIVE,
	STATS_IDLE,
	STATS_EXPIRED,
	STATS_REVOKED,
	STATS_BACKLOG,
	STATS_CHECKS_ACTIVE,
	STATS_CHECKS_MALFORMED,
	STATS_CHECKS_UNKNOWN,
	STATS_CHECKS_REVOKED,
	STATS_CHECKS_EXPIRED,
	STATS_CHECKS_IDLE,
	STATS_CHECKS_BINDING,
	STATS_CHECKS_UNBOUND,
	STATS_CHECKS_RISK,
	STATS_SESSIONS_CREATED,
	STATS_SESSIONS_REFRESHED,
	STATS_SESSIONS_REGENERATED,
	STATS_SESSIONS_ENDED,
	STATS_SESSIONS_EVICTED,
	STATS_REFRESH_REUSES,
	STATS_SNAPSHOTS_ACCEPTED,
	STATS_SNAPSHOTS_CHECKED,
	STATS_PROOFS_REPLAYED,
	STATS_PROOFS_EVICTED,
	STATS_ACTIVITY_USED,
	STATS_ACTIVITY_SIZE,
	STATS_ACTIVITY_DROPPED,
	STATS_EVIDENCE_DROPPED,
	STATS_REVOCATION_OVERFLOWS,
	STATS_ROUNDS,
	STATS_ROUND_ERRORS,
	STATS_ROUND_STARTED_AT,
	STATS_ROUND_DURATION,
	STATS_ROUND_WRITTEN,
	STATS_ROUND_DELETED,
	STATS_ROUND_EVIDENCE,
	STATS_ROUND_TRIMMED,
	STATS_ROUND_RESTED,
	STATS_COLUMNS
};

/* A row of the result. */
typedef struct Line
{
	Datum		values[STATS_COLUMNS];
	bool		nulls[STATS_COLUMNS];
} Line;

/* Sets a column, which is NULL otherwise. */
static void
put_column(Line *line, int column, Datum value)
{
	line->values[column] = value;
	line->nulls[column] = false;
}

/* Sets a column to a rounded estimate. */
static void
put_estimate(Line *line, int column, double value)
{
	put_column(line, column, Int64GetDatum((int64) (value + 0.5)));
}

/* Sets the state of the master key. */
static void
put_master_key(Line *line)
{
	static const char *const states[] = {
		[SESSION_MASTER_UNUSED] = "unused",
		[SESSION_MASTER_OK] = "ok",
		[SESSION_MASTER_REPLACED] = "new",
		[SESSION_MASTER_MISSING] = "missing",
		[SESSION_MASTER_WRONG] = "wrong"
	};

	put_column(line, STATS_MASTER_KEY,
			   CStringGetTextDatum(states[session_keyseal_master()]));
}

/* Sets whether the launcher can start workers. */
static void
put_workers(Line *line)
{
	static const char *const states[] = {
		[SESSION_WORKERS_NO_LAUNCHER] = "no launcher",
		[SESSION_WORKERS_OK] = "ok",
		[SESSION_WORKERS_NO_SLOT] = "no slot"
	};

	put_column(line, STATS_WORKERS,
			   CStringGetTextDatum(states[session_database_workers()]));
}

/* Sets the columns that come from the tables of the current database. */
static void
put_tables(Line *line)
{
	SessionSurvey survey;

	session_upkeep_survey(&survey);
	put_estimate(line, STATS_LIVE, survey.live);
	put_estimate(line, STATS_IDLE, survey.idle);
	put_estimate(line, STATS_EXPIRED, survey.expired);
	put_estimate(line, STATS_REVOKED, survey.revoked);
	put_estimate(line, STATS_BACKLOG, survey.overdue);
}

/* Sets the columns with the counts of a database. */
static void
put_counts(Line *line, SessionDatabase *database)
{
	static const int columns[SESSION_COUNTERS] = {
		[SESSION_COUNT_STATUS + SESSION_ACTIVE] = STATS_CHECKS_ACTIVE,
		[SESSION_COUNT_STATUS + SESSION_MALFORMED] = STATS_CHECKS_MALFORMED,
		[SESSION_COUNT_STATUS + SESSION_UNKNOWN] = STATS_CHECKS_UNKNOWN,
		[SESSION_COUNT_STATUS + SESSION_REVOKED] = STATS_CHECKS_REVOKED,
		[SESSION_COUNT_STATUS + SESSION_EXPIRED] = STATS_CHECKS_EXPIRED,
		[SESSION_COUNT_STATUS + SESSION_IDLE] = STATS_CHECKS_IDLE,
		[SESSION_COUNT_STATUS + SESSION_BINDING] = STATS_CHECKS_BINDING,
		[SESSION_COUNT_STATUS + SESSION_UNBOUND] = STATS_CHECKS_UNBOUND,
		[SESSION_COUNT_STATUS + SESSION_RISKY] = STATS_CHECKS_RISK,
		[SESSION_COUNT_CREATED] = STATS_SESSIONS_CREATED,
		[SESSION_COUNT_REFRESHED] = STATS_SESSIONS_REFRESHED,
		[SESSION_COUNT_REGENERATED] = STATS_SESSIONS_REGENERATED,
		[SESSION_COUNT_ENDED] = STATS_SESSIONS_ENDED,
		[SESSION_COUNT_EVICTED] = STATS_SESSIONS_EVICTED,
		[SESSION_COUNT_REFRESH_REUSED] = STATS_REFRESH_REUSES,
		[SESSION_COUNT_SNAPSHOT_ACCEPTED] = STATS_SNAPSHOTS_ACCEPTED,
		[SESSION_COUNT_SNAPSHOT_CHECKED] = STATS_SNAPSHOTS_CHECKED,
		[SESSION_COUNT_ACTIVITY_DROPPED] = STATS_ACTIVITY_DROPPED,
		[SESSION_COUNT_PROOF_REPLAYED] = STATS_PROOFS_REPLAYED,
		[SESSION_COUNT_PROOF_EVICTED] = STATS_PROOFS_EVICTED
	};

	for (int i = 0; i < SESSION_COUNTERS; i++)
		put_column(line, columns[i],
				   Int64GetDatum((int64) session_database_counter_value(database, i)));
}

/* Sets a column to a length of time in microseconds. */
static void
put_length(Line *line, int column, int64 usecs)
{
	Interval   *length = palloc0_object(Interval);

	length->time = usecs;
	put_column(line, column, IntervalPGetDatum(length));
}

/* Sets the columns about the last round of upkeep. */
static void
put_round(Line *line, const SessionRound *round)
{
	if (round->started_at == SESSION_NO_TIME)
		return;
	put_column(line, STATS_ROUND_STARTED_AT, TimestampTzGetDatum(round->started_at));
	put_column(line, STATS_ROUND_WRITTEN, Int64GetDatum(round->written));
	put_column(line, STATS_ROUND_DELETED, Int64GetDatum(round->deleted));
	put_column(line, STATS_ROUND_EVIDENCE, Int64GetDatum(round->evidence));
	put_column(line, STATS_ROUND_TRIMMED, Int64GetDatum(round->trimmed));
	if (round->finished_at < round->started_at)
		return;
	put_length(line, STATS_ROUND_DURATION, round->finished_at - round->started_at);
	put_length(line, STATS_ROUND_RESTED, round->rested);
}

/* Sets the columns that come from shared memory. */
static void
put_shared(Line *line, SessionDatabase *database)
{
	put_workers(line);
	put_counts(line, database);
	put_column(line, STATS_ACTIVITY_USED,
			   Int32GetDatum(session_uses_waiting()));
	put_column(line, STATS_ACTIVITY_SIZE,
			   Int32GetDatum(session_uses_room()));
	put_column(line, STATS_EVIDENCE_DROPPED,
			   Int64GetDatum((int64) session_evidence_dropped()));
	put_column(line, STATS_REVOCATION_OVERFLOWS,
			   Int64GetDatum((int64) session_revocation_overflows()));
	put_column(line, STATS_ROUNDS, Int64GetDatum(database->rounds));
	put_column(line, STATS_ROUND_ERRORS, Int64GetDatum(database->errors));
	put_round(line, &database->last);
}

/* Adds the row of a database; database is NULL without shared memory. */
static void
put_line(FunctionCallInfo fcinfo, Oid oid, SessionDatabase *database)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	char	   *name = get_database_name(oid);
	Line		line;

	if (name == NULL)
		return;					/* the database was just dropped */
	memset(line.nulls, true, sizeof(line.nulls));
	put_column(&line, STATS_DATABASE, DirectFunctionCall1(namein,
														  CStringGetDatum(name)));
	put_column(&line, STATS_PRELOADED, BoolGetDatum(session_database_is_shared()));
	if (oid == MyDatabaseId)
		put_master_key(&line);
	if (oid == MyDatabaseId && session_store_is_here())
		put_tables(&line);
	if (database != NULL)
		put_shared(&line, database);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, line.values,
						 line.nulls);
}

/* Returns a row for each database that has the extension. */
Datum
session_stats(PG_FUNCTION_ARGS)
{
	List	   *databases = NIL;
	ListCell   *cell;

	InitMaterializedSRF(fcinfo, 0);
	session_table_attach();
	if (session_database_is_shared())
		databases = session_database_list();
	else
		put_line(fcinfo, MyDatabaseId, NULL);
	foreach(cell, databases)
	{
		SessionDatabase *database = lfirst(cell);

		if (database->present)
			put_line(fcinfo, database->database, database);
	}
	PG_RETURN_NULL();
}
