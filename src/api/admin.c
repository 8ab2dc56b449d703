/*
 * admin.c
 *	  SQL entry points: sessions by id, user and tenant, and upkeep.
 *
 *	  session_get			session_list		session_revoke_id
 *	  session_revoke_user	session_revoke_tenant
 *	  session_cleanup		session_grant
 *
 * Rules: nothing here takes or returns a token.  A user or tenant that is
 * NULL is refused rather than taken to mean all.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_proc.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "api/api.h"
#include "compat.h"
#include "engine/activity.h"
#include "engine/authority.h"
#include "engine/event.h"
#include "engine/evidence.h"
#include "engine/lifecycle.h"
#include "engine/store.h"

PG_FUNCTION_INFO_V1(session_get);
PG_FUNCTION_INFO_V1(session_list);
PG_FUNCTION_INFO_V1(session_revoke_id);
PG_FUNCTION_INFO_V1(session_revoke_user);
PG_FUNCTION_INFO_V1(session_revoke_tenant);
PG_FUNCTION_INFO_V1(session_cleanup);
PG_FUNCTION_INFO_V1(session_grant);

Datum
session_get(PG_FUNCTION_ARGS)
{
	SessionRow	row;

	if (PG_ARGISNULL(0) || !session_store_read(PG_GETARG_UUID_P(0), &row))
		return session_return_none(fcinfo);
	session_activity_overlay(&row);
	return session_return_info(fcinfo, &row,
							   session_policy_life(&row,
												   GetCurrentTimestamp()));
}

static text *
required_name(FunctionCallInfo fcinfo, int n, const char *name)
{
	session_arg_required(fcinfo, n, name);
	return session_arg_name(fcinfo, n, name, SESSION_NAME_BYTES);
}

Datum
session_list(PG_FUNCTION_ARGS)
{
	text	   *user_id = required_name(fcinfo, 0, "user_id");
	text	   *tenant_id = session_arg_name(fcinfo, 1, "tenant_id",
											 SESSION_NAME_BYTES);
	bool		include_ended = !PG_ARGISNULL(2) && PG_GETARG_BOOL(2);
	TimestampTz now = GetCurrentTimestamp();
	List	   *rows;
	ListCell   *cell;

	session_begin_infos(fcinfo);
	rows = session_store_of_user(user_id, tenant_id,
								 SESSION_STORE_DATA |
								 (include_ended ? SESSION_STORE_REVOKED : 0));
	session_lifecycle_sort(rows);
	foreach(cell, rows)
	{
		SessionRow *row = lfirst(cell);
		SessionStatus status;

		session_activity_overlay(row);
		status = session_policy_life(row, now);
		if (status == SESSION_ACTIVE || include_ended)
			session_put_info(fcinfo, row, status);
	}
	PG_RETURN_NULL();
}

Datum
session_revoke_id(PG_FUNCTION_ARGS)
{
	text	   *reason = session_arg_name(fcinfo, 1, "reason",
										  SESSION_REASON_BYTES);

	PreventCommandIfReadOnly("session_revoke_id()");
	if (PG_ARGISNULL(0))
		PG_RETURN_BOOL(false);
	if (reason == NULL)
		reason = cstring_to_text("admin");
	PG_RETURN_BOOL(session_lifecycle_revoke_id(PG_GETARG_UUID_P(0), reason));
}

Datum
session_revoke_user(PG_FUNCTION_ARGS)
{
	text	   *user_id = required_name(fcinfo, 0, "user_id");
	text	   *tenant_id = session_arg_name(fcinfo, 1, "tenant_id",
											 SESSION_NAME_BYTES);
	pg_uuid_t  *except = PG_ARGISNULL(2) ? NULL : PG_GETARG_UUID_P(2);
	SessionIds	ids = {0};

	PreventCommandIfReadOnly("session_revoke_user()");
	session_store_ids_of_user(&ids, user_id, tenant_id, 0);
	PG_RETURN_INT64(session_lifecycle_revoke_all(&ids, "user", except));
}

Datum
session_revoke_tenant(PG_FUNCTION_ARGS)
{
	text	   *tenant_id = required_name(fcinfo, 0, "tenant_id");
	SessionIds	ids = {0};

	PreventCommandIfReadOnly("session_revoke_tenant()");
	session_store_ids_of_tenant(&ids, tenant_id);
	PG_RETURN_INT64(session_lifecycle_revoke_all(&ids, "tenant", NULL));
}

Datum
session_cleanup(PG_FUNCTION_ARGS)
{
	int64		limit = 0;

	PreventCommandIfReadOnly("session_cleanup()");
	if (!PG_ARGISNULL(0))
	{
		limit = PG_GETARG_INT32(0);
		if (limit < 1)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("max_rows must be at least 1")));
	}
	(void) session_evidence_write();
	PG_RETURN_INT64(session_lifecycle_purge(limit));
}

/*
 * Granting
 */

typedef enum Level
{
	LEVEL_NONE,
	LEVEL_APP,
	LEVEL_ADMIN
} Level;

/*
 * Who may call what.  A function that is not here is either public by the
 * installation script or nobody's but the owner's.
 */
static const struct
{
	const char *name;
	Level		level;
}			levels[] =

{
	{"session_create", LEVEL_APP},
	{"session_validate", LEVEL_APP},
	{"session_status", LEVEL_APP},
	{"session_is_valid", LEVEL_APP},
	{"session_is_expired", LEVEL_APP},
	{"session_touch", LEVEL_APP},
	{"session_refresh", LEVEL_APP},
	{"session_regenerate", LEVEL_APP},
	{"session_revoke", LEVEL_APP},
	{"session_data", LEVEL_APP},
	{"session_data_get", LEVEL_APP},
	{"session_data_pop", LEVEL_APP},
	{"session_data_set", LEVEL_APP},
	{"session_data_delete", LEVEL_APP},
	{"session_data_clear", LEVEL_APP},
	{"session_data_save", LEVEL_APP},
	{"session_cookie_encode", LEVEL_APP},
	{"session_cookie_decode", LEVEL_APP},
	{"session_cookie_revoke", LEVEL_APP},
	{"session_cookie_issue", LEVEL_APP},
	{"session_cookie_validate", LEVEL_APP},
	{"session_jwt", LEVEL_APP},
	{"session_get", LEVEL_ADMIN},
	{"session_list", LEVEL_ADMIN},
	{"session_revoke_id", LEVEL_ADMIN},
	{"session_revoke_user", LEVEL_ADMIN},
	{"session_revoke_tenant", LEVEL_ADMIN},
	{"session_key_rotate", LEVEL_ADMIN},
	{"session_key_import", LEVEL_ADMIN},
	{"session_key_retire", LEVEL_ADMIN},
	{"session_cleanup", LEVEL_ADMIN},
	{"session_bind_users", LEVEL_ADMIN},
	{"session_unbind_users", LEVEL_ADMIN},
	{"session_storage", LEVEL_ADMIN},
	{"session_grant", LEVEL_ADMIN},
};

static Level
arg_level(FunctionCallInfo fcinfo, int n)
{
	char	   *name;

	session_arg_required(fcinfo, n, "level");
	name = text_to_cstring(PG_GETARG_TEXT_PP(n));
	if (strcmp(name, "none") == 0)
		return LEVEL_NONE;
	if (strcmp(name, "app") == 0)
		return LEVEL_APP;
	if (strcmp(name, "admin") == 0)
		return LEVEL_ADMIN;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("level must be \"none\", \"app\" or \"admin\"")));
}

static Level
level_of(Oid function)
{
	char	   *name = get_func_name(function);

	for (Size i = 0; name != NULL && i < lengthof(levels); i++)
		if (strcmp(name, levels[i].name) == 0)
			return levels[i].level;
	return LEVEL_NONE;
}

/* Lists the OIDs of the functions that belong to the extension. */
static List *
extension_functions(Oid extension)
{
	Relation	depend = table_open(DependRelationId, AccessShareLock);
	List	   *result = NIL;
	ScanKeyData key[2];
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key[0], Anum_pg_depend_refclassid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(ExtensionRelationId));
	ScanKeyInit(&key[1], Anum_pg_depend_refobjid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(extension));
	scan = systable_beginscan(depend, DependReferenceIndexId, true, NULL,
							  lengthof(key), key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_depend row = (Form_pg_depend) GETSTRUCT(tuple);

		if (row->classid == ProcedureRelationId &&
			row->deptype == DEPENDENCY_EXTENSION)
			result = lappend_oid(result, row->objid);
	}
	systable_endscan(scan);
	table_close(depend, AccessShareLock);
	return result;
}

static void
run(const char *sql)
{
	if (SPI_execute(sql, false, 0) != SPI_OK_UTILITY)
		elog(ERROR, "could not execute \"%s\"", sql);
}

static void
grant(const char *what, const char *object, const char *role)
{
	run(psprintf("GRANT %s %s TO %s", what, object, role));
}

static void
withdraw(const char *what, const char *object, const char *role)
{
	run(psprintf("REVOKE %s %s FROM %s", what, object, role));
}

/* A grantor without the right to grant gets a warning only; we do not. */
static void
check_granted(Oid function, Oid role)
{
	if (!session_compat_may_execute(function, role))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("could not grant function %s",
						format_procedure(function)),
				 errhint("The owner of table session.sessions must own the "
						 "functions of the extension too.")));
}

/* Grants every function up to a level, as the extension's owner. */
static void
grant_functions(Oid role_id, const char *role, Level level)
{
	Oid			extension = get_extension_oid("session", false);
	Oid			schema = InvalidOid;
	ListCell   *cell;

	foreach(cell, extension_functions(extension))
	{
		Oid			function = lfirst_oid(cell);
		Level		needed = level_of(function);

		if (needed == LEVEL_NONE || needed > level)
			continue;
		schema = get_func_namespace(function);
		grant("EXECUTE ON FUNCTION", format_procedure_qualified(function),
			  role);
		check_granted(function, role_id);
	}
	if (OidIsValid(schema))
		grant("USAGE ON SCHEMA", quote_identifier(get_namespace_name(schema)),
			  role);
}

/* Grants the right to read the audit log, as its owner. */
static void
grant_events(Oid role_id, const char *role)
{
	grant("USAGE ON SCHEMA", "session", role);
	grant("SELECT ON TABLE", "session.events", role);
	if (pg_class_aclcheck(session_event_table(), role_id,
						  ACL_SELECT) != ACLCHECK_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("could not grant table session.events"),
				 errhint("The owner of table session.sessions must own "
						 "session.events too.")));
}

/*
 * Takes back what any level gives.  The schema of the functions may hold other
 * things, and was perhaps open before, so it stays open.
 */
static void
take_back(const char *role)
{
	Oid			extension = get_extension_oid("session", false);
	ListCell   *cell;

	foreach(cell, extension_functions(extension))
	{
		Oid			function = lfirst_oid(cell);

		if (level_of(function) != LEVEL_NONE)
			withdraw("EXECUTE ON FUNCTION", format_procedure_qualified(function),
					 role);
	}
	withdraw("SELECT ON TABLE", "session.events", role);
	withdraw("USAGE ON SCHEMA", "session", role);
}

static void
set_level(Oid role_id, const char *role, Level level)
{
	if (level == LEVEL_NONE)
	{
		if (role_id == session_store_owner())
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("role must not be the owner of the tables")));
		take_back(role);
		return;
	}
	grant_functions(role_id, role, level);
	if (level == LEVEL_ADMIN)
		grant_events(role_id, role);
}

Datum
session_grant(PG_FUNCTION_ARGS)
{
	Level		level = arg_level(fcinfo, 1);
	char	   *role;
	SessionAuthority before;

	session_arg_required(fcinfo, 0, "role");
	role = GetUserNameFromId(PG_GETARG_OID(0), true);
	if (role == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("role must be an existing role")));

	session_authority_take(&before, session_store_owner());
	SPI_connect();
	set_level(PG_GETARG_OID(0), quote_identifier(role), level);
	SPI_finish();
	session_authority_give_back(&before);
	PG_RETURN_VOID();
}
