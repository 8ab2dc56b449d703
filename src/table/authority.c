/*
 * authority.c
 *	  Acting as the owner of our tables on behalf of somebody else.
 *
 * Rules: our own statements name everything by schema, but triggers that
 * somebody has put on our tables, and event triggers, run within them as the
 * owner.  What these call by a bare name must not be the caller's to choose, so
 * meanwhile a name without a schema means the server's own.  The caller's
 * temporary tables come last, and functions and operators are never looked for
 * among them.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/guc.h"

#include "table/authority.h"

void
session_authority_take(SessionAuthority *before, Oid owner)
{
	before->level = NewGUCNestLevel();
	(void) set_config_option("search_path", "pg_catalog, pg_temp",
							 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE,
							 true, 0, false);
	GetUserIdAndSecContext(&before->user, &before->context);
	SetUserIdAndSecContext(owner, before->context |
						   SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_NOFORCE_RLS);
}

void
session_authority_give_back(const SessionAuthority *before)
{
	SetUserIdAndSecContext(before->user, before->context);
	AtEOXact_GUC(true, before->level);
}
