/*
 * constant.c
 *	  A function that returns one constant row of the type session_info, in the
 *	  cheapest way that C allows.  So it shows what every function costs that
 *	  returns such a row in FROM.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "utils/builtins.h"
#include "utils/inet.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"
#include "utils/uuid.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(bench_constant);

#define COLUMNS 19

static Datum values[COLUMNS];
static bool nulls[COLUMNS];
static bool made = false;

/* Makes a value of a type from text. */
static Datum
value_of(PGFunction input, const char *source)
{
	return DirectFunctionCall3(input, CStringGetDatum(source),
							   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
}

/* Makes the values of the row, in the order of session_info. */
static void
make_values(void)
{
	MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);

	values[0] = value_of(uuid_in, "01890a5d-ac96-774b-bcce-b302099a8057");
	values[1] = CStringGetTextDatum("active");
	values[2] = CStringGetTextDatum("user-12345");
	values[3] = CStringGetTextDatum("tenant-12");
	nulls[4] = true;
	values[5] = Int32GetDatum(1);
	for (int i = 6; i < 10; i++)
		nulls[i] = true;
	values[10] = value_of(jsonb_in, "{\"cart\": [{\"item\": 12345, \"count\": 1}], "
						 "\"theme\": \"dark\", \"locale\": \"en\"}");
	values[11] = value_of(inet_in, "192.0.2.1");
	values[12] = CStringGetTextDatum("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) "
									"Gecko/20100101 Firefox/128.0");
	for (int i = 13; i < 17; i++)
		values[i] = TimestampTzGetDatum(GetCurrentTimestamp());
	values[17] = BoolGetDatum(true);
	MemoryContextSwitchTo(caller);
	made = true;
}

/* Returns the row in a tuplestore. */
Datum
bench_constant(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext caller;

	if (!made)
		make_values();
	caller = MemoryContextSwitchTo(rsinfo->econtext->ecxt_per_query_memory);
	rsinfo->setResult =
		tuplestore_begin_heap((rsinfo->allowedModes & SFRM_Materialize_Random) != 0,
							  false, work_mem);
	MemoryContextSwitchTo(caller);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->expectedDesc, values, nulls);
	rsinfo->returnMode = SFRM_Materialize;
	PG_RETURN_NULL();
}
