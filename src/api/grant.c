/*
 * grant.c
 *	  SQL entry points: who may call what.
 *
 *	  session_grant		session_levels		session_restore_privileges
 *
 * Rules:
 * - session_grant acts as the owner of the tables, who has to own the other
 *	 objects too; what that does not reach is an error, not half a level.
 * - What it gave is recorded as a privilege on a column of session.granted.
 * - Transactions that change levels wait for each other, because the server
 *	 fails when two of them change one list of privileges at once.
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
#include "compat.h"
#include "engine/levels.h"
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

/* What GRANT says of a kind of object, and where its privileges are. */
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

static const Kind *
kind_of(const SessionObject *object)
{
	for (size_t i = 0; i < lengthof(kinds); i++)
		if (kinds[i].classid == object->classid)
			return &kinds[i];
	elog(ERROR, "object of class %u has no level", object->classid);
}

/* The object as GRANT names it, with its schema. */
static char *
identity_of(const SessionObject *object)
{
	ObjectAddress address = {.classId = object->classid,
	.objectId = object->objid};

	return getObjectIdentity(&address, false);
}

/*
 * Returns whether a list of privileges gives one to a role by name.  With a
 * grantor, only what that role granted counts.
 */
static bool
gives(Datum value, Oid role, AclMode mode, Oid grantor)
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

/* Releases the tuple, which may be none. */
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
	given = !null && gives(value, role, mode, grantor);
	ReleaseSysCache(tuple);
	return given;
}

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
 * Returns whether a role has, by name, what a level gives on an object,
 * whichever role granted it.
 */
static bool
is_given(const SessionObject *object, Oid role)
{
	return is_given_by(object, role, InvalidOid);
}

/*
 * Returns whether the owner of the object granted it, so that it does not go
 * when another grantor loses the right.  The schema of the functions may have
 * another owner.
 */
static bool
is_given_for_good(const SessionObject *object, Oid role)
{
	return is_given_by(object, role,
					   object->classid == NamespaceRelationId ? InvalidOid :
					   session_store_owner());
}

/*
 * What was given
 */

/* The column that records who was given USAGE on a schema. */
static const char *
column_of_schema(const SessionObject *object)
{
	return object->objid == session_levels_schema() ? "functions" : "storage";
}

/* A record that another role than the owner made counts for nothing. */
static bool
is_recorded(const char *column, Oid role)
{
	Oid			schema = get_namespace_oid("session", false);
	Oid			relid = get_relname_relid("granted", schema);

	return tuple_gives(SearchSysCacheAttName(relid, column), ATTNAME,
					   Anum_pg_attribute_attacl, role, ACL_SELECT,
					   session_store_owner());
}

static void
record(const char *column, const Grantee *role)
{
	session_statement_run(session_store_owner(),
						  "GRANT SELECT (%s) ON %s TO %s", column, GRANTED,
						  role->name);
	if (!is_recorded(column, role->oid))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("could not grant table %s", GRANTED),
				 errhint("The owner of table session.sessions must own %s "
						 "too.", GRANTED)));
}

static void
erase(const char *column, const Grantee *role)
{
	if (is_recorded(column, role->oid))
		session_statement_run(session_store_owner(),
							  "REVOKE SELECT (%s) ON %s FROM %s", column,
							  GRANTED, role->name);
}

/*
 * Giving
 */

/* A grantor without the right to grant gets a warning only; we do not. */
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
			 errhint("The owner of table session.sessions needs the right to "
					 "grant USAGE on the schema.") :
			 errhint("The owner of table session.sessions must own the other "
					 "objects of the extension too.")));
}

/* A schema that the role could use before is not recorded, so it stays open. */
static void
give_object(const SessionObject *object, const Grantee *role)
{
	const Kind *kind = kind_of(object);

	if (is_given_for_good(object, role->oid))
		return;
	session_statement_run(session_store_owner(), "GRANT %s ON %s %s TO %s",
						  kind->privilege, kind->keyword, identity_of(object),
						  role->name);
	check_granted(object, role->oid);
	if (object->classid == NamespaceRelationId && is_given(object, role->oid))
		record(column_of_schema(object), role);
}

static void
grant_levels(const Grantee *role, int levels)
{
	ListCell   *cell;

	foreach(cell, session_levels_objects())
	{
		const SessionObject *object = lfirst(cell);

		if ((object->levels & levels) != 0)
			give_object(object, role);
	}
}

/*
 * Taking back
 */

/* What another role has granted is not ours to take. */
static void
check_taken(const SessionObject *object, Oid role)
{
	if (is_given(object, role))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("could not take back %s on %s",
						kind_of(object)->privilege, identity_of(object)),
				 errhint("It was granted by a role other than its owner, which "
						 "has to revoke it.")));
}

static void
take_object(const SessionObject *object, const Grantee *role)
{
	const Kind *kind = kind_of(object);

	if (!is_given(object, role->oid))
		return;
	session_statement_run(session_store_owner(), "REVOKE %s ON %s %s FROM %s",
						  kind->privilege, kind->keyword, identity_of(object),
						  role->name);
	check_taken(object, role->oid);
}

/* Takes back USAGE on a schema where session_grant had given it. */
static void
take_schema(const SessionObject *schema, const Grantee *role)
{
	const char *column = column_of_schema(schema);

	if (!is_recorded(column, role->oid))
		return;
	take_object(schema, role);
	erase(column, role);
}

/*
 * Takes back what any level gives.  What the installation gave to pg_monitor
 * is given again.
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
			take_schema(object, role);
		else
			take_object(object, role);
	}
	erase("app", role);
	erase("admin", role);
	if (role->oid == ROLE_PG_MONITOR)
		grant_levels(role, SESSION_LEVEL_MONITOR);
}

/*
 * The entry points
 */

/* The levels that an argument stands for; 0 = none. */
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
				 errmsg("role must be an existing role")));
	role.name = quote_identifier(name);
	return role;
}

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
	record(levels == LEVELS_OF_ADMIN ? "admin" : "app", role);
}

Datum
session_grant(PG_FUNCTION_ARGS)
{
	int			levels = arg_levels(fcinfo, 1);
	Grantee		role = arg_role(fcinfo, 0);

	PreventCommandIfReadOnly("session_grant()");
	session_levels_lock();
	set_level(&role, levels);
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
 * Putting privileges right
 */

/*
 * Asks session.privileges, of the schema of the functions or of all other
 * objects, for one column.  It is about what is committed now.
 */
static void
query(const char *sql, const char *schema)
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
 * Runs the remedies for all objects of the extension once; returns their
 * number.
 */
static int64
restore_once(const char *schema)
{
	SPITupleTable *remedies;
	uint64		count;

	query("SELECT DISTINCT remedy FROM session.privileges"
		  " WHERE kind <> 'schema' OR object <> $1", schema);
	remedies = SPI_tuptable;
	count = SPI_processed;
	for (uint64 i = 0; i < count; i++)
		session_statement_run(GetUserId(), "%s",
							  SPI_getvalue(remedies->vals[i],
										   remedies->tupdesc, 1));
	return count;
}

/* How often remedies are run, at most; a few rounds put everything right. */
#define RESTORE_ROUNDS 10

/*
 * Runs remedies until there are none left: taking a right to grant from a role
 * takes what that role had granted, which may have to be granted again.
 */
static int64
restore(const char *schema)
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

/* The schema of the functions is the administrator's to close. */
static void
warn_of_schema(const char *schema)
{
	char	   *roles;

	query("SELECT string_agg(grantee, ', ' ORDER BY grantee)"
		  " FROM session.privileges WHERE kind = 'schema' AND object = $1",
		  schema);
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

/* Acts as the caller, with names that the search_path has no part in. */
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
	count = restore(schema);
	warn_of_schema(schema);
	SPI_finish();
	session_authority_give_back(&before);
	PG_RETURN_INT64(count);
}
