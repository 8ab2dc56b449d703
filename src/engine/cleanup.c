/*
 * cleanup.c
 *	  Upkeep in the caller's transaction: the driver of session_cleanup.
 *
 * Rules:
 * - A batch is a subtransaction and takes all items that were found.  Smaller
 *	 batches would gain nothing, because locks are held until the caller's
 *	 transaction ends, and many subtransactions slow down other backends.
 * - An error rolls back its batch and becomes a WARNING.  A cancelled query
 *	 and a serialization failure stay errors: the caller must stop, or repeat
 *	 the transaction.
 * - It never rests: the caller would hold its locks longer.  So
 *	 "session.cleanup_pace" has no effect here.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

#include "engine/cleanup.h"
#include "engine/upkeep.h"

/* Returns whether an error must end the caller's transaction. */
static bool
ends_transaction(int code)
{
	return code == ERRCODE_QUERY_CANCELED ||
		code == ERRCODE_T_R_SERIALIZATION_FAILURE;
}

/* Reports the error of a batch as a WARNING. */
static void
warn_of_error(const SessionUpkeep *upkeep, const ErrorData *error)
{
	ereport(WARNING,
			(errcode(error->sqlerrcode),
			 errmsg("upkeep of %s failed: %s", session_upkeep_step(upkeep),
					error->message),
			 error->detail == NULL ? 0 :
			 errdetail_internal("%s", error->detail),
			 error->hint == NULL ? 0 : errhint("%s", error->hint),
			 error->context == NULL ? 0 : errcontext("%s", error->context)));
}

/*
 * Called in PG_CATCH.  Rolls back the batch, reports its error if that is due,
 * and returns its SQLSTATE.
 */
static int
undo_batch(const SessionUpkeep *upkeep, MemoryContext memory, ResourceOwner owner)
{
	ErrorData  *error;
	int			code;

	MemoryContextSwitchTo(memory);
	error = CopyErrorData();
	FlushErrorState();
	RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(memory);
	CurrentResourceOwner = owner;
	if (ends_transaction(error->sqlerrcode))
		ReThrowError(error);
	code = error->sqlerrcode;
	if (session_upkeep_reports(upkeep, code))
		warn_of_error(upkeep, error);
	FreeErrorData(error);
	return code;
}

/* Calls `work` in a savepoint; returns 0 or the SQLSTATE of its error. */
static int
attempt_in_savepoint(SessionUpkeep *upkeep, void (*work) (SessionUpkeep *upkeep))
{
	MemoryContext memory = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile int code = 0;

	BeginInternalSubTransaction(NULL);
	PG_TRY();
	{
		work(upkeep);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(memory);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		code = undo_batch(upkeep, memory, owner);
	}
	PG_END_TRY();
	return code;
}

/* There is no limit of time. */
static bool
cleanup_may_go_on(SessionUpkeep *upkeep)
{
	CHECK_FOR_INTERRUPTS();
	return true;
}

/* There is no limit of time for a batch either. */
static int64
cleanup_batch_usecs(const SessionUpkeep *upkeep)
{
	return 0;
}

static const SessionUpkeepDriver driver = {
	.attempt = attempt_in_savepoint,
	.may_go_on = cleanup_may_go_on,
	.batch_usecs = cleanup_batch_usecs,
	.whole = true
};

/* Runs all steps of upkeep; returns the number of session rows deleted. */
int64
session_cleanup_run(int64 max_deleted, List **failed)
{
	SessionUpkeep upkeep = {
		.driver = &driver,
		.cleans = true,
		.max_deleted = max_deleted
	};

	upkeep.result.started_at = GetCurrentTimestamp();
	(void) session_upkeep_run(&upkeep);
	*failed = upkeep.failed;
	return upkeep.result.deleted;
}
