/*
 * session.c
 *	  What happens when the server loads the library; nothing else.
 */
#include "postgres.h"

#include "fmgr.h"

#include "compat.h"
#include "engine/redact.h"
#include "settings.h"

SESSION_MODULE_MAGIC;

extern PGDLLEXPORT void _PG_init(void);

void
_PG_init(void)
{
	session_settings_init();
	session_redact_init();
}
