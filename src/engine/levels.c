/*
 * levels.c
 *	  Which objects of the extension each level gives access to.
 *
 * Rules:
 * - Only its owner can use an object that is not in these lists.  So a new
 *	 function, view or type for others is one line here, and the installation
 *	 script grants and revokes no other privileges.
 * - The level "app" includes what is public, and the level "admin" includes
 *	 the level "app".
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/pg_class.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "engine/levels.h"

#define PUBLIC SESSION_LEVEL_PUBLIC
#define APP SESSION_LEVEL_APP
#define ADMIN SESSION_LEVEL_ADMIN
#define MONITOR SESSION_LEVEL_MONITOR

typedef struct Entry
{
	const char *name;
	int			levels;
} Entry;

/* *INDENT-OFF* */
static const Entry functions[] = {
	{"session_actor_id", PUBLIC},
	{"session_amr", PUBLIC},
	{"session_auth_level", PUBLIC},
	{"session_authenticate", PUBLIC},
	{"session_authenticated_at", PUBLIC},
	{"session_claim", PUBLIC},
	{"session_claims", PUBLIC},
	{"session_cookie_clear", PUBLIC},
	{"session_cookie_header", PUBLIC},
	{"session_cookie_read", PUBLIC},
	{"session_csrf_check", PUBLIC},
	{"session_csrf_token", PUBLIC},
	{"session_has_scope", PUBLIC},
	{"session_id", PUBLIC},
	{"session_ip", PUBLIC},
	{"session_jwks", PUBLIC},
	{"session_mine", PUBLIC},
	{"session_pre_request", PUBLIC},
	{"session_require", PUBLIC},
	{"session_revoke_mine", PUBLIC},
	{"session_revoke_others", PUBLIC},
	{"session_role", PUBLIC},
	{"session_scopes", PUBLIC},
	{"session_tenant_id", PUBLIC},
	{"session_user_id", PUBLIC},

	{"session_bind_key", APP},
	{"session_cookie_decode", APP},
	{"session_cookie_encode", APP},
	{"session_cookie_issue", APP},
	{"session_cookie_revoke", APP},
	{"session_cookie_validate", APP},
	{"session_create", APP},
	{"session_login", APP},
	{"session_data", APP},
	{"session_data_append", APP},
	{"session_data_clear", APP},
	{"session_data_delete", APP},
	{"session_data_get", APP},
	{"session_data_merge", APP},
	{"session_data_pop", APP},
	{"session_data_replace", APP},
	{"session_data_save", APP},
	{"session_data_set", APP},
	{"session_dbsc_offer", APP},
	{"session_dbsc_refresh", APP},
	{"session_dbsc_register", APP},
	{"session_derive", APP},
	{"session_dpop_nonce", APP},
	{"session_is_expired", APP},
	{"session_is_valid", APP},
	{"session_jwt", APP},
	{"session_refresh", APP},
	{"session_regenerate", APP},
	{"session_revoke", APP},
	{"session_status", APP},
	{"session_touch", APP},
	{"session_validate", APP},

	{"session_act_as", ADMIN},
	{"session_bind_users", ADMIN},
	{"session_cleanup", ADMIN},
	{"session_directory_current", ADMIN},
	{"session_directory_data", ADMIN},
	{"session_directory_ends", ADMIN},
	{"session_directory_ready", ADMIN},
	{"session_directory_seen", ADMIN},
	{"session_directory_status", ADMIN},
	{"session_erase", ADMIN},
	{"session_export", ADMIN},
	{"session_get", ADMIN},
	{"session_grant", ADMIN},
	{"session_key_import", ADMIN},
	{"session_key_import_jwk", ADMIN},
	{"session_key_retire", ADMIN},
	{"session_key_rotate", ADMIN},
	{"session_levels", ADMIN | MONITOR},
	{"session_list", ADMIN},
	{"session_master_key_rotate", ADMIN},
	{"session_policy_drop", ADMIN},
	{"session_policy_set", ADMIN},
	{"session_revoke_all", ADMIN},
	{"session_revoke_id", ADMIN},
	{"session_revoke_ids", ADMIN},
	{"session_revoke_tenant", ADMIN},
	{"session_revoke_user", ADMIN},
	{"session_stats", MONITOR},
	{"session_storage", ADMIN},
	{"session_unbind_users", ADMIN},
};

/* Tables and views. */
static const Entry relations[] = {
	{"bound_tables", ADMIN | MONITOR},
	{"directory", ADMIN},
	{"events", ADMIN},
	{"grants", ADMIN | MONITOR},
	{"policies", ADMIN},
	{"privileges", ADMIN | MONITOR},
	{"stats", MONITOR},
};

static const Entry types[] = {
	{"session_credentials", PUBLIC},
	{"session_info", PUBLIC},
};

static const Entry schemas[] = {
	{"session", ADMIN | MONITOR},
};

/* *INDENT-ON* */

/* Returns the levels of a name in a list; 0 = it is not in the list. */
static int
levels_in(const Entry *entries, size_t count, const char *name)
{
	for (size_t i = 0; name != NULL && i < count; i++)
		if (strcmp(name, entries[i].name) == 0)
			return entries[i].levels;
	return 0;
}

/*
 * Returns the levels of a type.  Row types of tables and views have none,
 * because their names are not in the list.
 */
static int
levels_of_type(Oid oid)
{
	HeapTuple	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(oid));
	int			levels = 0;

	if (HeapTupleIsValid(tuple))
	{
		Form_pg_type type = (Form_pg_type) GETSTRUCT(tuple);

		levels = levels_in(types, lengthof(types), NameStr(type->typname));
		ReleaseSysCache(tuple);
	}
	return levels;
}

/* Returns the levels that give access to an object of the extension. */
static int
levels_of(Oid classid, Oid objid)
{
	if (classid == ProcedureRelationId)
		return levels_in(functions, lengthof(functions),
						 get_func_name(objid));
	if (classid == RelationRelationId)
		return levels_in(relations, lengthof(relations),
						 get_rel_name(objid));
	if (classid == NamespaceRelationId)
		return levels_in(schemas, lengthof(schemas),
						 get_namespace_name(objid));
	if (classid == TypeRelationId)
		return levels_of_type(objid);
	return 0;
}

static List *
add_object(List *objects, Oid classid, Oid objid, int levels)
{
	SessionObject *object = palloc(sizeof(SessionObject));

	object->classid = classid;
	object->objid = objid;
	object->levels = levels;
	return lappend(objects, object);
}

/*
 * Lists the objects of the extension that belong to a level.  The schema of
 * the functions is no member of the extension, but levels need USAGE on it.
 */
List *
session_levels_objects(void)
{
	Relation	depend = table_open(DependRelationId, AccessShareLock);
	List	   *objects = NIL;
	ScanKeyData key[2];
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key[0], Anum_pg_depend_refclassid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(ExtensionRelationId));
	ScanKeyInit(&key[1], Anum_pg_depend_refobjid, BTEqualStrategyNumber,
				F_OIDEQ,
				ObjectIdGetDatum(get_extension_oid("session", false)));
	scan = systable_beginscan(depend, DependReferenceIndexId, true, NULL,
							  lengthof(key), key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_depend row = (Form_pg_depend) GETSTRUCT(tuple);
		int			levels = 0;

		if (row->deptype == DEPENDENCY_EXTENSION)
			levels = levels_of(row->classid, row->objid);
		if (levels != 0)
			objects = add_object(objects, row->classid, row->objid, levels);
	}
	systable_endscan(scan);
	table_close(depend, AccessShareLock);
	return add_object(objects, NamespaceRelationId, session_levels_schema(),
					  APP);
}

/* Returns the schema of the extension's functions. */
Oid
session_levels_schema(void)
{
	Relation	extensions = table_open(ExtensionRelationId, AccessShareLock);
	Oid			schema = InvalidOid;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_extension_oid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(get_extension_oid("session", false)));
	scan = systable_beginscan(extensions, ExtensionOidIndexId, true, NULL, 1,
							  &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		schema = ((Form_pg_extension) GETSTRUCT(tuple))->extnamespace;
	systable_endscan(scan);
	table_close(extensions, AccessShareLock);
	return schema;
}

/*
 * An advisory lock of a class that no SQL function can lock.  The extension
 * itself would not do: any role that owns a function can lock it, with ALTER
 * FUNCTION ... DEPENDS ON EXTENSION.
 */
#define LEVELS_LOCK_CLASS 7

/* Waits for, and keeps out, other transactions that change privileges. */
void
session_levels_lock(void)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, ExtensionRelationId, 0,
						 LEVELS_LOCK_CLASS);
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
	/* See the changes of the transaction that held the lock before. */
	AcceptInvalidationMessages();
}
