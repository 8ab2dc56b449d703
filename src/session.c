/*
 * session.c
 *	  What happens when the server loads the library; nothing else.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/guc.h"

#include "audit/event.h"
#include "compat.h"
#include "engine/context.h"
#include "engine/log.h"
#include "engine/shmem.h"
#include "request/live.h"
#include "settings.h"
#include "worker/launcher.h"

SESSION_MODULE_MAGIC;

extern PGDLLEXPORT void _PG_init(void);

void
_PG_init(void)
{
	session_settings_init();
	session_context_init();
	session_event_init();
	MarkGUCPrefixReserved("session");
	session_log_init();
	if (process_shared_preload_libraries_in_progress)
	{
		session_shmem_init();
		session_launcher_init();
		session_live_init();
	}
}
