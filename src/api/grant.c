/*
 * grant.c
 *	  SQL entry points: who may call what.
 *
 *	  session_grant
 *
 * Rules: it grants and takes back as the owner of the tables, who has to own the
 * functions too; what that does not reach is an error, not half a level.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/pg_class.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_proc.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/syscache.h"

#include "api/api.h"
#include "compat.h"
#include "engine/authority.h"
#include "engine/event.h"
#include "engine/store.h"

PG_FUNCTION_INFO_V1(session_grant);

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

/* Does a list of privileges, in a catalog, give one to a role by name? */
static bool
is_given(int cache, Oid object, AttrNumber column, Oid role, AclMode mode)
{
	HeapTuple	tuple = SearchSysCache1(cache, ObjectIdGetDatum(object));
	bool		given = false;
	bool		null = true;
	Datum		value = 0;

	if (HeapTupleIsValid(tuple))
		value = SysCacheGetAttr(cache, tuple, column, &null);
	if (!null)
	{
		Acl		   *acl = DatumGetAclP(value);
		const AclItem *items = (AclItem *) ((char *) acl +
											ARR_OVERHEAD_NONULLS(1));

		for (int i = 0; i < ACL_NUM(acl); i++)
			if (items[i].ai_grantee == role &&
				(ACLITEM_GET_PRIVS(items[i]) & mode) != 0)
				given = true;
	}
	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	return given;
}

static bool
has_events(Oid role)
{
	return is_given(RELOID, session_event_table(), Anum_pg_class_relacl, role,
					ACL_SELECT);
}

/* A grantor without the right to grant gets a warning only; we do not. */
static void
check_granted(Oid function, Oid role)
{
	if (!is_given(PROCOID, function, Anum_pg_proc_proacl, role, ACL_EXECUTE))
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
	if (!has_events(role_id))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("could not grant table session.events"),
				 errhint("The owner of table session.sessions must own "
						 "session.events too.")));
}

/*
 * Taking back
 */

/* What somebody else has granted is not ours to take. */
static void
check_taken(bool given, const char *what)
{
	if (given)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("could not take back %s", what),
				 errhint("It was granted by somebody other than its owner, who "
						 "has to revoke it.")));
}

/* USAGE on the tables' schema may have been given for other reasons. */
static void
take_back_events(Oid role_id, const char *role)
{
	if (!has_events(role_id))
		return;
	withdraw("SELECT ON TABLE", "session.events", role);
	withdraw("USAGE ON SCHEMA", "session", role);
	check_taken(has_events(role_id), "table session.events");
}

/*
 * Takes back what any level gives.  The schema of the functions may hold other
 * things, and was perhaps open before, so it stays open.
 */
static void
take_back(Oid role_id, const char *role)
{
	ListCell   *cell;

	foreach(cell, extension_functions(get_extension_oid("session", false)))
	{
		Oid			function = lfirst_oid(cell);

		if (level_of(function) == LEVEL_NONE)
			continue;
		withdraw("EXECUTE ON FUNCTION", format_procedure_qualified(function),
				 role);
		check_taken(is_given(PROCOID, function, Anum_pg_proc_proacl, role_id,
							 ACL_EXECUTE),
					psprintf("function %s", format_procedure(function)));
	}
	take_back_events(role_id, role);
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
		take_back(role_id, role);
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
