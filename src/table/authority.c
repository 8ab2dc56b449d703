/*
 * authority.c
 *	  Running code as another role, such as the owner of our tables.
 *
 * Rules: our own statements qualify every name with a schema.  But triggers
 * that users have added to our tables, and event triggers, run within these
 * statements and have the owner's privileges.  The caller must not choose what
 * the unqualified names in them refer to.  So the search path is pg_catalog
 * alone, followed by the caller's temporary schema, in which the server never
 * looks for functions and operators.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/guc.h"

#include "table/authority.h"

/* Switches to a role, with a search path that the caller cannot influence. */
void
session_authority_take(SessionAuthority *before, Oid role)
{
	before->level = NewGUCNestLevel();
	(void) set_config_option("search_path", "pg_catalog, pg_temp",
							 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE,
							 true, 0, false);
	GetUserIdAndSecContext(&before->user, &before->context);
	SetUserIdAndSecContext(role, before->context |
						   SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_NOFORCE_RLS);
}

/* Switches back to the role that session_authority_take saved. */
void
session_authority_give_back(const SessionAuthority *before)
{
	SetUserIdAndSecContext(before->user, before->context);
	AtEOXact_GUC(true, before->level);
}
