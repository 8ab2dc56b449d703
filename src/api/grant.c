/*
 * grant.c
 *	  SQL entry points: the privileges of roles on the extension.
 *
 *	  session_grant		session_levels		session_restore_privileges
 *
 * Rules:
 * - session_grant runs GRANT and REVOKE as the owner of the tables, who must
 *	 own the other objects too.  If a statement has no effect, that is an
 *	 error: a role never gets a part of a level.
 * - The levels that it granted are recorded as privileges on the columns of
 *	 session.granted.
 * - Transactions that change levels wait for each other, because the server
 *	 raises an error if two of them change the privileges of one object at the
 *	 same time.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "api/api.h"
#include "audit/event.h"
#include "compat.h"
#include "engine/levels.h"
#include "model/json.h"
#include "table/authority.h"
#include "table/statement.h"
#include "table/store.h"

PG_FUNCTION_INFO_V1(session_grant);
PG_FUNCTION_INFO_V1(session_levels);
PG_FUNCTION_INFO_V1(session_restore_privileges);

#define GRANTED "session.granted"
#define LEVELS_OF_APP (SESSION_LEVEL_PUBLIC | SESSION_LEVEL_APP)
#define LEVELS_OF_ADMIN (LEVELS_OF_APP | SESSION_LEVEL_ADMIN)

/* The role whose level changes. */
typedef struct Grantee
{
	Oid			oid;
	const char *name;			/* quoted */
} Grantee;

/*
 * A kind of object: what GRANT calls it, the privilege that a level gives, and
 * the catalog column that stores privileges.
 */
typedef struct Kind
{
	Oid			classid;
	const char *privilege;
	const char *keyword;
	AclMode		mode;
	int			cache;
	AttrNumber	acl;
} Kind;

static const Kind kinds[] = {
	{ProcedureRelationId, "EXECUTE", "FUNCTION", ACL_EXECUTE, PROCOID,
	Anum_pg_proc_proacl},
	{RelationRelationId, "SELECT", "TABLE", ACL_SELECT, RELOID,
	Anum_pg_class_relacl},
	{TypeRelationId, "USAGE", "TYPE", ACL_USAGE, TYPEOID,
	Anum_pg_type_typacl},
	{NamespaceRelationId, "USAGE", "SCHEMA", ACL_USAGE, NAMESPACEOID,
	Anum_pg_namespace_nspacl},
};

/* Returns the kind of an object. */
static const Kind *
kind_of(const SessionObject *object)
{
	for (size_t i = 0; i < lengthof(kinds); i++)
		if (kinds[i].classid == object->classid)
			return &kinds[i];
	elog(ERROR, "object of class %u has no level", object->classid);
}

/* Returns the object as GRANT names it, with its schema. */
static char *
identity_of(const SessionObject *object)
{
	ObjectAddress address = {.classId = object->classid,
	.objectId = object->objid};

	return getObjectIdentity(&address, false);
}

/*
 * Returns whether a list of privileges contains one for a role by name.  If a
 * grantor is valid, only what that role granted counts.
 */
static bool
acl_gives(Datum value, Oid role, AclMode mode, Oid grantor)
{
	Acl		   *acl = DatumGetAclP(value);
	const AclItem *items = (AclItem *) ((char *) acl +
										ARR_OVERHEAD_NONULLS(1));

	for (int i = 0; i < ACL_NUM(acl); i++)
		if (items[i].ai_grantee == role &&
			(!OidIsValid(grantor) || items[i].ai_grantor == grantor) &&
			(ACLITEM_GET_PRIVS(items[i]) & mode) != 0)
			return true;
	return false;
}

/*
 * Returns whether the privileges in a catalog tuple contain one for a role,
 * and releases the tuple.  An invalid tuple contains none.
 */
static bool
tuple_gives(HeapTuple tuple, int cache, AttrNumber column, Oid role,
			AclMode mode, Oid grantor)
{
	bool		given;
	bool		null;
	Datum		value;

	if (!HeapTupleIsValid(tuple))
		return false;
	value = SysCacheGetAttr(cache, tuple, column, &null);
	given = !null && acl_gives(value, role, mode, grantor);
	ReleaseSysCache(tuple);
	return given;
}

/* Returns whether a grantor, or any if invalid, gave a role its privilege. */
static bool
is_given_by(const SessionObject *object, Oid role, Oid grantor)
{
	const Kind *kind = kind_of(object);
	HeapTuple	tuple = SearchSysCache1(kind->cache,
										ObjectIdGetDatum(object->objid));

	return tuple_gives(tuple, kind->cache, kind->acl, role, kind->mode,
					   grantor);
}

/*
 * Returns whether a role has, by name, the privilege that a level gives on an
 * object, whichever role granted it.
 */
static bool
is_given(const SessionObject *object, Oid role)
{
	return is_given_by(object, role, InvalidOid);
}

/*
 * Returns whether the owner of the object granted that privilege, so that it
 * does not disappear when another grantor loses the grant option.  For a
 * schema any grantor counts, because that of the functions may have another
 * owner.
 */
static bool
is_given_for_good(const SessionObject *object, Oid role)
{
	return is_given_by(object, role,
					   object->classid == NamespaceRelationId ? InvalidOid :
					   session_store_owner());
}

/*
 * Records of what was granted
 */

/* Returns the column that records which roles got USAGE on a schema. */
static const char *
column_of_schema(const SessionObject *object)
{
	return object->objid == session_levels_schema() ? "functions" : "storage";
}

/* Returns whether the owner has recorded a grant to a role in a column. */
static bool
is_recorded(const char *column, Oid role)
{
	Oid			schema = get_namespace_oid("session", false);
	Oid			relid = get_relname_relid("granted", schema);

	return tuple_gives(SearchSysCacheAttName(relid, column), ATTNAME,
					   Anum_pg_attribute_attacl, role, ACL_SELECT,
					   session_store_owner());
}

/* Records a grant to a role in a column. */
static void
record_grant(const char *column, const Grantee *role)
{
	session_statement_run(session_store_owner(),
						  "GRANT SELECT (%s) ON %s TO %s", column, GRANTED,
						  role->name);
	if (!is_recorded(column, role->oid))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("could not grant SELECT on table %s", GRANTED),
				 errhint("The owner of table session.sessions must own %s "
						 "too.", GRANTED)));
}

/* Removes the record of a grant to a role. */
static void
erase_grant(const char *column, const Grantee *role)
{
	if (is_recorded(column, role->oid))
		session_statement_run(session_store_owner(),
							  "REVOKE SELECT (%s) ON %s FROM %s", column,
							  GRANTED, role->name);
}

/*
 * Granting
 */

/*
 * Errors unless a GRANT has had an effect.  The server only warns if the
 * grantor has no grant option.
 */
static void
check_granted(const SessionObject *object, Oid role)
{
	bool		is_schema = object->classid == NamespaceRelationId;

	if (is_given_for_good(object, role) ||
		(is_schema && is_given(object, ACL_ID_PUBLIC)))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("could not grant %s on %s", kind_of(object)->privilege,
					identity_of(object)),
			 is_schema ?
			 errhint("The owner of table session.sessions needs the grant "
					 "option for USAGE on the schema.") :
			 errhint("The owner of table session.sessions must own the other "
					 "objects of the extension too.")));
}

/*
 * Grants the privilege of a level on an object.  USAGE on a schema that the
 * role had before is not recorded, so that it is not revoked later.
 */
static void
grant_object(const SessionObject *object, const Grantee *role)
{
	const Kind *kind = kind_of(object);

	if (is_given_for_good(object, role->oid))
		return;
	session_statement_run(session_store_owner(), "GRANT %s ON %s %s TO %s",
						  kind->privilege, kind->keyword, identity_of(object),
						  role->name);
	check_granted(object, role->oid);
	if (object->classid == NamespaceRelationId && is_given(object, role->oid))
		record_grant(column_of_schema(object), role);
}

/* Grants what some levels give. */
static void
grant_levels(const Grantee *role, int levels)
{
	ListCell   *cell;

	foreach(cell, session_levels_objects())
	{
		const SessionObject *object = lfirst(cell);

		if ((object->levels & levels) != 0)
			grant_object(object, role);
	}
}

/*
 * Revoking
 */

/* Errors unless a REVOKE has had an effect: another role may have granted. */
static void
check_revoked(const SessionObject *object, Oid role)
{
	if (is_given(object, role))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("could not revoke %s on %s",
						kind_of(object)->privilege, identity_of(object)),
				 errhint("A role other than the owner of the object has granted "
						 "it and must revoke it.")));
}

/* Revokes the privilege of a level on an object. */
static void
revoke_object(const SessionObject *object, const Grantee *role)
{
	const Kind *kind = kind_of(object);

	if (!is_given(object, role->oid))
		return;
	session_statement_run(session_store_owner(), "REVOKE %s ON %s %s FROM %s",
						  kind->privilege, kind->keyword, identity_of(object),
						  role->name);
	check_revoked(object, role->oid);
}

/* Revokes USAGE on a schema if session_grant had granted it. */
static void
revoke_schema(const SessionObject *schema, const Grantee *role)
{
	const char *column = column_of_schema(schema);

	if (!is_recorded(column, role->oid))
		return;
	revoke_object(schema, role);
	erase_grant(column, role);
}

/*
 * Revokes what any level gives.  pg_monitor keeps what the installation
 * granted to it.
 */
static void
revoke_levels(const Grantee *role)
{
	ListCell   *cell;

	foreach(cell, session_levels_objects())
	{
		const SessionObject *object = lfirst(cell);

		if ((object->levels & LEVELS_OF_ADMIN) == 0)
			continue;
		if (object->classid == NamespaceRelationId)
			revoke_schema(object, role);
		else
			revoke_object(object, role);
	}
	erase_grant("app", role);
	erase_grant("admin", role);
	if (role->oid == ROLE_PG_MONITOR)
		grant_levels(role, SESSION_LEVEL_MONITOR);
}

/*
 * The entry points
 */

/* Returns the levels that an argument names; 0 = none. */
static int
arg_levels(FunctionCallInfo fcinfo, int n)
{
	char	   *name;

	session_arg_required(fcinfo, n, "level");
	name = text_to_cstring(PG_GETARG_TEXT_PP(n));
	if (strcmp(name, "none") == 0)
		return 0;
	if (strcmp(name, "app") == 0)
		return LEVELS_OF_APP;
	if (strcmp(name, "admin") == 0)
		return LEVELS_OF_ADMIN;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("level must be \"none\", \"app\" or \"admin\"")));
}

/* Returns the role that an argument names. */
static Grantee
arg_role(FunctionCallInfo fcinfo, int n)
{
	Grantee		role;
	char	   *name;

	session_arg_required(fcinfo, n, "role");
	role.oid = PG_GETARG_OID(n);
	name = GetUserNameFromId(role.oid, true);
	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("role with OID %u does not exist", role.oid)));
	role.name = quote_identifier(name);
	return role;
}

/* Grants a level to a role, or revokes all if levels is 0. */
static void
set_level(const Grantee *role, int levels)
{
	if (levels == 0)
	{
		if (role->oid == session_store_owner())
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("role must not be the owner of the tables")));
		revoke_levels(role);
		return;
	}
	grant_levels(role, levels);
	record_grant(levels == LEVELS_OF_ADMIN ? "admin" : "app", role);
}

/* Writes an event: a role was given a level, or all were taken from it. */
static void
note_level(Oid role, const text *level, int levels)
{
	text	   *name = cstring_to_text(GetUserNameFromId(role, false));
	Jsonb	   *detail = session_json_with_text(session_json_empty(), "role",
												name);

	if (levels != 0)
		detail = session_json_with_text(detail, "level", level);
	session_event_administration(levels != 0 ? "level_granted" :
								 "levels_revoked", NULL, NULL, detail);
}

/* Gives a role a level, or takes all levels from it. */
Datum
session_grant(PG_FUNCTION_ARGS)
{
	int			levels = arg_levels(fcinfo, 1);
	Grantee		role = arg_role(fcinfo, 0);

	PreventCommandIfReadOnly("session_grant()");
	session_levels_lock();
	set_level(&role, levels);
	note_level(role.oid, PG_GETARG_TEXT_PP(1), levels);
	PG_RETURN_VOID();
}

static const struct
{
	int			level;
	const char *name;
}			level_names[] =

{
	{SESSION_LEVEL_PUBLIC, "public"},
	{SESSION_LEVEL_APP, "app"},
	{SESSION_LEVEL_ADMIN, "admin"},
	{SESSION_LEVEL_MONITOR, "monitor"},
};

/* Adds a row to the result of session_levels. */
static void
put_level(ReturnSetInfo *rsinfo, const SessionObject *object,
		  const char *level)
{
	Datum		values[] = {
		ObjectIdGetDatum(object->classid),
		ObjectIdGetDatum(object->objid),
		CStringGetTextDatum(level)
	};
	bool		nulls[lengthof(values)] = {false};

	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* Returns the objects of the extension and the levels that they belong to. */
Datum
session_levels(PG_FUNCTION_ARGS)
{
	ListCell   *cell;

	InitMaterializedSRF(fcinfo, 0);
	foreach(cell, session_levels_objects())
	{
		const SessionObject *object = lfirst(cell);

		for (size_t i = 0; i < lengthof(level_names); i++)
			if ((object->levels & level_names[i].level) != 0)
				put_level((ReturnSetInfo *) fcinfo->resultinfo, object,
						  level_names[i].name);
	}
	PG_RETURN_NULL();
}

/*
 * Restoring privileges
 */

/*
 * Runs a query of session.privileges through SPI, over what is committed now.
 * $1 is the schema of the functions.
 */
static void
query_privileges(const char *sql, const char *schema)
{
	Datum		name = CStringGetTextDatum(schema);
	Oid			type = TEXTOID;
	int			code;

	PushActiveSnapshot(GetLatestSnapshot());
	code = SPI_execute_with_args(sql, 1, &type, &name, NULL, true, 0);
	PopActiveSnapshot();
	if (code != SPI_OK_SELECT)
		elog(ERROR, "could not execute \"%s\": %s", sql,
			 SPI_result_code_string(code));
}

/*
 * Runs the remedies of all objects of the extension once.  Returns the number
 * of remedies.
 */
static int64
restore_once(const char *schema)
{
	SPITupleTable *remedies;
	uint64		count;

	query_privileges("SELECT DISTINCT remedy FROM session.privileges"
					 " WHERE kind <> 'schema' OR object <> $1", schema);
	remedies = SPI_tuptable;
	count = SPI_processed;
	for (uint64 i = 0; i < count; i++)
		session_statement_run(GetUserId(), "%s",
							  SPI_getvalue(remedies->vals[i],
										   remedies->tupdesc, 1));
	return count;
}

/* The most rounds of remedies.  A few are enough to restore everything. */
#define RESTORE_ROUNDS 10

/*
 * Runs remedies until there are none left.  Revoking a grant option from a
 * role also revokes what that role has granted, which may have to be granted
 * again.  Returns the number of remedies.
 */
static int64
restore_privileges(const char *schema)
{
	int64		total = 0;
	int64		count;

	for (int i = 0; i < RESTORE_ROUNDS; i++)
	{
		count = restore_once(schema);
		total += count;
		if (count == 0)
			return total;
	}
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("could not restore the privileges of the extension \"session\""),
			 errhint("Read session.privileges.")));
}

/*
 * Warns if other roles may create functions in the schema of the functions.
 * Only the administrator of the schema can decide about that.
 */
static void
warn_about_schema(const char *schema)
{
	char	   *roles;

	query_privileges("SELECT string_agg(grantee, ', ' ORDER BY grantee)"
					 " FROM session.privileges"
					 " WHERE kind = 'schema' AND object = $1", schema);
	roles = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	if (roles == NULL)
		return;
	ereport(WARNING,
			(errmsg("other roles may create functions in schema %s, where the "
					"functions of the extension \"session\" are", schema),
			 errdetail("These roles have the privilege CREATE: %s.", roles),
			 errhint("A function of the same name can take the calls. Revoke "
					 "the privilege, or create the extension in a schema of "
					 "its own: CREATE EXTENSION session SCHEMA ...")));
}

/*
 * Restores the privileges of the extension.  Runs with the caller's
 * privileges, but with a search path that the caller cannot influence.
 * Returns the number of statements run.
 */
Datum
session_restore_privileges(PG_FUNCTION_ARGS)
{
	SessionAuthority before;
	const char *schema;
	int64		count;

	PreventCommandIfReadOnly("session_restore_privileges()");
	session_levels_lock();
	schema = quote_identifier(get_namespace_name(session_levels_schema()));
	session_authority_take(&before, GetUserId());
	SPI_connect();
	count = restore_privileges(schema);
	warn_about_schema(schema);
	SPI_finish();
	session_authority_give_back(&before);
	if (count > 0 && !creating_extension)
		session_event_administration("privileges_restored", NULL, NULL,
									 session_json_with_int(session_json_empty(),
														   "statements",
														   count));
	PG_RETURN_INT64(count);
}
