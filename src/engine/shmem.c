/*
 * shmem.c
 *	  Requests, makes and clears the shared memory of all modules.
 *
 * Rules:
 * - Each module sizes and makes its own shared memory; this file only calls
 *	 them.  All of it has a fixed size that is requested when the server
 *	 starts.
 * - Shared memory does not survive a restart or a crash.  Uses and evidence
 *	 that were not written yet are lost, and so are counters.  Snapshots from
 *	 before ask the row, because a new era begins.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"

#include "audit/evidence.h"
#include "engine/shmem.h"
#include "shared/database.h"
#include "shared/distant.h"
#include "shared/replay.h"
#include "shared/revocation.h"
#include "shared/stamp.h"
#include "shared/uses.h"
#include "shared/window.h"

static shmem_request_hook_type earlier_request = NULL;
static shmem_startup_hook_type earlier_startup = NULL;

/* The shmem_request hook. */
static void
request_memory(void)
{
	if (earlier_request)
		earlier_request();
	session_database_shmem_request();
	session_revocation_shmem_request();
	session_window_shmem_request();
	session_evidence_shmem_request();
	session_uses_shmem_request();
	session_replay_shmem_request();
	session_stamp_shmem_request();
	session_distant_shmem_request();
}

/* The shmem_startup hook. */
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
	session_uses_shmem_init();
	session_replay_shmem_init();
	session_stamp_shmem_init();
	session_distant_shmem_init();
	LWLockRelease(AddinShmemInitLock);
}

/* Installs the hooks. */
void
session_shmem_init(void)
{
	earlier_request = shmem_request_hook;
	shmem_request_hook = request_memory;
	earlier_startup = shmem_startup_hook;
	shmem_startup_hook = make_memory;
}

/* Notes that this database has no extension, after a second look. */
void
session_shmem_absent(bool (*is_absent) (void))
{
	/*
	 * The extension may have been created since the first look.  A backend
	 * that uses it sets "present" only if that is not set yet.  Therefore
	 * clear it before the second look, not after: otherwise a use between the
	 * look and the clearing would be missed.
	 */
	session_database_set_present(false);
	if (!is_absent())
	{
		session_database_set_present(true);
		return;
	}

	/*
	 * Revocations stay, because they may belong to sessions of an extension
	 * that was created since.  They expire.
	 */
	session_uses_forget(MyDatabaseId);
	session_evidence_forget(MyDatabaseId);
}

/* Drops everything about a database that was dropped. */
void
session_shmem_forget(Oid database)
{
	session_database_forget(database);
	session_uses_forget(database);
	session_revocation_forget(database);
	session_evidence_forget(database);
}
