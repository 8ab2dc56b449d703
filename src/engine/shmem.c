/*
 * shmem.c
 *	  Shared memory of all modules: asked for, made, and cleared of a database.
 *
 * Rules:
 * - Each module sizes and makes its own shared memory; this file only calls
 *	 them.  Everything has a fixed size, which is asked for at server start.
 * - Nothing in shared memory survives a restart or a crash.  What is lost then
 *	 is activity that was not written yet, evidence that was not written yet, and
 *	 counters.  Snapshots from before ask the row, because a new era begins.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"

#include "audit/evidence.h"
#include "engine/activity.h"
#include "engine/shmem.h"
#include "shared/database.h"
#include "shared/revocation.h"
#include "shared/window.h"

static shmem_request_hook_type earlier_request = NULL;
static shmem_startup_hook_type earlier_startup = NULL;

static void
request_memory(void)
{
	if (earlier_request)
		earlier_request();
	session_database_shmem_request();
	session_revocation_shmem_request();
	session_window_shmem_request();
	session_evidence_shmem_request();
	session_activity_shmem_request();
}

static void
make_memory(void)
{
	if (earlier_startup)
		earlier_startup();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	session_database_shmem_init();
	session_revocation_shmem_init();
	session_window_shmem_init();
	session_evidence_shmem_init();
	session_activity_shmem_init();
	LWLockRelease(AddinShmemInitLock);
}

void
session_shmem_init(void)
{
	earlier_request = shmem_request_hook;
	shmem_request_hook = request_memory;
	earlier_startup = shmem_startup_hook;
	shmem_startup_hook = make_memory;
}

void
session_shmem_absent(bool (*is_absent) (void))
{
	/*
	 * A backend that uses an extension created meanwhile sets the database to
	 * present unless it is present already.  Clearing it before the second
	 * look makes sure that such a use is not missed between the two looks.
	 */
	session_database_set_present(false);
	if (!is_absent())
	{
		session_database_set_present(true);
		return;
	}

	/*
	 * Revocations stay: they may be about sessions of a new extension, and
	 * they expire.
	 */
	session_activity_forget(MyDatabaseId);
	session_evidence_forget(MyDatabaseId);
}

void
session_shmem_forget(Oid database)
{
	session_database_forget(database);
	session_activity_forget(database);
	session_revocation_forget(database);
	session_evidence_forget(database);
}
