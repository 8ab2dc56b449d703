/*
 * role.c
 *	  The database role of a request, and the settings that come with it.
 *
 * The server applies ALTER ROLE ... SET at login only.  A gateway logs in as
 * one role and runs each request as another, so the settings of the role that
 * a request is switched to are applied here, for the rest of the transaction.
 *
 * Rules:
 * - A parameter is set with the rights of the client, never more: the login
 *	 role or the assumed role must be allowed to SET it.  At login the server
 *	 applies these settings as a superuser, because only the role itself can
 *	 log in as it.  Here every member of the role can assume it, and must not
 *	 gain a parameter from it that the member may not set.  A stored setting
 *	 does not tell which role has stored it.
 * - The settings of a role cannot change the identity, the role, the request,
 *	 the transaction, or the encoding of the client.
 * - A setting that cannot be applied is skipped.  A check hook can raise an
 *	 error, so each attempt is a subtransaction.
 * - All parameters are set locally: they end with the transaction and follow
 *	 savepoints by the server's own machinery.  The list of changes is made to
 *	 follow savepoints here.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_db_role_setting.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/resowner.h"

#include "compat.h"
#include "request/role.h"
#include "settings.h"

/* A parameter that was set.  The newest is first in its list. */
typedef struct ChangedSetting
{
	char	   *name;
	char	   *before;			/* NULL = the connection's own value */
	char	   *after;			/* NULL = it has no value */
	struct ChangedSetting *earlier;
} ChangedSetting;

/*
 * A change of the role.  There is at most one for each open savepoint, so
 * rolling back to a savepoint restores the change before it, as the server
 * restores the settings.
 */
typedef struct RoleChange
{
	char		left[NAMEDATALEN];	/* the setting "role" before it */
	char		assumed[NAMEDATALEN];	/* and after; empty = it was undone */
	ChangedSetting *settings;
	SubTransactionId in;
	struct RoleChange *before;
} RoleChange;

static RoleChange *last_change = NULL;	/* in the transaction's memory */
static LocalTransactionId changed_in = InvalidLocalTransactionId;

/*
 * Changes and savepoints
 */

/* Returns the newest change of this transaction; NULL when there is none. */
static RoleChange *
last_role_change(void)
{
	if (changed_in != session_compat_lxid())
		last_change = NULL;
	return last_change;
}

static void
free_settings(RoleChange *change)
{
	while (change->settings != NULL)
	{
		ChangedSetting *setting = change->settings;

		change->settings = setting->earlier;
		pfree(setting->name);
		if (setting->before != NULL)
			pfree(setting->before);
		if (setting->after != NULL)
			pfree(setting->after);
		pfree(setting);
	}
}

/* Makes the newest change belong to the parent of its savepoint. */
static void
merge_change_into(SubTransactionId parent)
{
	RoleChange *before = last_change->before;

	last_change->in = parent;
	if (before == NULL || before->in != parent)
		return;
	last_change->before = before->before;
	free_settings(before);
	pfree(before);
}

/* Callback: keeps the list of changes right at the end of a savepoint. */
static void
at_role_savepoint_end(SubXactEvent event, SubTransactionId mine,
					  SubTransactionId parent, void *arg)
{
	if (last_role_change() == NULL)
		return;
	/* Savepoints that began later are rolled back with it. */
	if (event == SUBXACT_EVENT_ABORT_SUB)
		while (last_change != NULL && last_change->in >= mine)
			last_change = last_change->before;
	else if (event == SUBXACT_EVENT_COMMIT_SUB && last_change->in == mine)
		merge_change_into(parent);
}

/* Adds a change, or replaces the one that the open savepoint already has. */
static RoleChange *
add_role_change(const char *left, const char *assumed)
{
	static bool watching = false;
	RoleChange *change = last_role_change();

	if (!watching)
		RegisterSubXactCallback(at_role_savepoint_end, NULL);
	watching = true;
	if (change != NULL && change->in == GetCurrentSubTransactionId())
		free_settings(change);
	else
	{
		change = MemoryContextAllocZero(TopTransactionContext,
										sizeof(RoleChange));
		change->in = GetCurrentSubTransactionId();
		change->before = last_change;
		last_change = change;
		changed_in = session_compat_lxid();
	}
	strlcpy(change->left, left, sizeof(change->left));
	strlcpy(change->assumed, assumed, sizeof(change->assumed));
	return change;
}

/*
 * Parameters
 */

/* Returns the value of a parameter; NULL when it has none. */
static char *
current_value(const char *name)
{
	const char *value = GetConfigOption(name, true, false);

	return value == NULL ? NULL : pstrdup(value);
}

static bool
same_value(const char *first, const char *second)
{
	if (first == NULL || second == NULL)
		return first == second;
	return strcmp(first, second) == 0;
}

/* Returns whether the settings of a role may set the parameter. */
static bool
is_for_roles(const char *name)
{
	static const char *const refused[] = {
		"role", "session_authorization", SESSION_CONTEXT_SETTING,
		"transaction_isolation", "transaction_read_only",
		"transaction_deferrable", "client_encoding"
	};

	for (int i = 0; i < (int) lengthof(refused); i++)
		if (pg_strcasecmp(name, refused[i]) == 0)
			return false;
	return pg_strncasecmp(name, "request.", strlen("request.")) != 0 &&
		pg_strncasecmp(name, "response.", strlen("response.")) != 0;
}

/*
 * Sets a parameter locally; NULL stands for the connection's own value.
 * Either role may allow it: the login role is checked here, and the assumed
 * role, which is the current one, by the server.
 */
static bool
set_parameter(const char *name, const char *value)
{
	GucContext	rights = PGC_USERSET;

	if (pg_parameter_aclcheck(name, GetSessionUserId(), ACL_SET) ==
		ACLCHECK_OK)
		rights = PGC_SUSET;
	return set_config_option(name, value, rights, PGC_S_SESSION,
							 GUC_ACTION_LOCAL, true, DEBUG1, false) > 0;
}

/*
 * Sets a parameter in a subtransaction.  Returns false when that fails.  With
 * reads_as, only tries it: stores there how the server would show the value,
 * and restores the parameter.
 */
static bool
try_setting(const char *name, const char *value, char **reads_as)
{
	MemoryContext memory = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;
	volatile bool done = false;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(memory);
	PG_TRY();
	{
		done = set_parameter(name, value);
		if (reads_as != NULL)
			*reads_as = done ? current_value(name) : NULL;
		if (reads_as == NULL && done)
			ReleaseCurrentSubTransaction();
		else
			RollbackAndReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(memory);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		done = false;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(memory);
	CurrentResourceOwner = owner;
	if (error != NULL && error->sqlerrcode == ERRCODE_QUERY_CANCELED)
		ReThrowError(error);
	return done;
}

/* Sets a parameter, if possible, and adds it to the change. */
static void
change_setting(RoleChange *change, const char *name, const char *value)
{
	char	   *before = current_value(name);
	char	   *after;
	ChangedSetting *setting;
	MemoryContext old;

	if (!try_setting(name, value, NULL))
		return;
	after = current_value(name);
	if (same_value(before, after))
		return;
	old = MemoryContextSwitchTo(TopTransactionContext);
	setting = palloc(sizeof(ChangedSetting));
	setting->name = pstrdup(name);
	setting->before = before == NULL ? NULL : pstrdup(before);
	setting->after = after == NULL ? NULL : pstrdup(after);
	setting->earlier = change->settings;
	change->settings = setting;
	MemoryContextSwitchTo(old);
}

/*
 * Stored settings
 */

typedef struct StoredSetting
{
	char	   *name;
	char	   *value;
} StoredSetting;

/* Adds the elements "name=value" whose parameter is allowed. */
static List *
add_elements(List *settings, ArrayType *array)
{
	Datum	   *elements;
	int			n;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &elements,
					  NULL, &n);
	for (int i = 0; i < n; i++)
	{
		StoredSetting *setting = palloc(sizeof(StoredSetting));
		char	   *equals;

		setting->name = TextDatumGetCString(elements[i]);
		equals = strchr(setting->name, '=');
		if (equals == NULL)
			continue;
		*equals = '\0';
		setting->value = equals + 1;
		if (is_for_roles(setting->name))
			settings = lappend(settings, setting);
	}
	return settings;
}

/* What ALTER ROLE has stored for a role; NULL = nothing. */
typedef struct RoleSettings
{
	Oid			role;
	ArrayType  *everywhere;
	ArrayType  *here;			/* in this database */
} RoleSettings;

/* Copies what a row of the catalog has for one of the roles. */
static void
read_stored_row(Relation catalog, HeapTuple tuple, RoleSettings *roles,
				int count)
{
	Form_pg_db_role_setting row = (Form_pg_db_role_setting) GETSTRUCT(tuple);
	bool		is_null;
	Datum		array;

	if (OidIsValid(row->setdatabase) && row->setdatabase != MyDatabaseId)
		return;
	for (int i = 0; i < count; i++)
	{
		if (row->setrole != roles[i].role || !OidIsValid(roles[i].role))
			continue;
		array = heap_getattr(tuple, Anum_pg_db_role_setting_setconfig,
							 RelationGetDescr(catalog), &is_null);
		if (is_null)
			continue;
		if (OidIsValid(row->setdatabase))
			roles[i].here = DatumGetArrayTypePCopy(array);
		else
			roles[i].everywhere = DatumGetArrayTypePCopy(array);
	}
}

/* Scans the catalog, by its index if there are keys. */
static void
scan_stored(Relation catalog, ScanKey keys, int nkeys, RoleSettings *roles,
			int count)
{
	SysScanDesc scan = systable_beginscan(catalog,
										  DbRoleSettingDatidRolidIndexId,
										  nkeys > 0, NULL, nkeys, keys);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		read_stored_row(catalog, tuple, roles, count);
	systable_endscan(scan);
}

/*
 * Reads what is stored for a role: in one database, or in all databases if
 * `database` is InvalidOid.
 */
static void
find_stored(Relation catalog, Oid database, RoleSettings *role)
{
	ScanKeyData keys[2];

	ScanKeyInit(&keys[0], Anum_pg_db_role_setting_setdatabase,
				BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(database));
	ScanKeyInit(&keys[1], Anum_pg_db_role_setting_setrole,
				BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(role->role));
	scan_stored(catalog, keys, lengthof(keys), role, 1);
}

/* Reads what is stored for some roles. */
static void
read_stored(RoleSettings *roles, int count)
{
	Relation	catalog = table_open(DbRoleSettingRelationId, AccessShareLock);
	BlockNumber blocks = RelationGetNumberOfBlocks(catalog);

	/* To read one page is faster than to read its index. */
	if (blocks == 1)
		scan_stored(catalog, NULL, 0, roles, count);
	for (int i = 0; i < count && blocks > 1; i++)
	{
		if (!OidIsValid(roles[i].role))
			continue;
		find_stored(catalog, InvalidOid, &roles[i]);
		find_stored(catalog, MyDatabaseId, &roles[i]);
	}
	table_close(catalog, AccessShareLock);
}

/*
 * Returns the settings of a role.  Of two for one parameter, the later one
 * counts.
 */
static List *
stored_settings(const RoleSettings *role)
{
	List	   *settings = NIL;

	if (role->everywhere != NULL)
		settings = add_elements(settings, role->everywhere);
	if (role->here != NULL)
		settings = add_elements(settings, role->here);
	return settings;
}

static bool
has_setting(List *settings, const char *name)
{
	ListCell   *cell;

	foreach(cell, settings)
	{
		const StoredSetting *setting = lfirst(cell);

		if (pg_strcasecmp(setting->name, name) == 0)
			return true;
	}
	return false;
}

/*
 * Returns whether the parameter has this value now.  Upper and lower case are
 * equal, because PostgREST sets the values of a role's settings in lower case.
 */
static bool
is_in_force(const StoredSetting *setting)
{
	char	   *now = current_value(setting->name);
	char	   *stored;

	return try_setting(setting->name, setting->value, &stored) &&
		now != NULL && stored != NULL && pg_strcasecmp(now, stored) == 0;
}

/*
 * Undoes the settings of the role that was left where the assumed role has
 * none for the parameter and the value is still that of the left role.
 * The search path stays, because the gateway has set its own schemas there.
 */
static void
undo_left_settings(RoleChange *change, List *left, List *assumed)
{
	ListCell   *cell;

	foreach(cell, left)
	{
		const StoredSetting *setting = lfirst(cell);

		if (!has_setting(assumed, setting->name) &&
			pg_strcasecmp(setting->name, "search_path") != 0 &&
			is_in_force(setting))
			change_setting(change, setting->name, NULL);
	}
}

/* Replaces the settings of the role that was left by the assumed role's. */
static void
apply_settings(RoleChange *change, Oid left, Oid assumed)
{
	RoleSettings roles[] = {{.role = left}, {.role = assumed}};
	List	   *now;
	ListCell   *cell;

	read_stored(roles, lengthof(roles));
	now = stored_settings(&roles[1]);
	undo_left_settings(change, stored_settings(&roles[0]), now);
	foreach(cell, now)
	{
		const StoredSetting *setting = lfirst(cell);

		change_setting(change, setting->name, setting->value);
	}
}

/*
 * The role
 */

static void
set_role(const char *role)
{
	(void) set_config_option("role", role,
							 superuser() ? PGC_SUSET : PGC_USERSET,
							 PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
}

/* Undoes what session_role_assume() did earlier in the transaction. */
void
session_role_leave(void)
{
	const RoleChange *change = last_role_change();

	if (change == NULL || change->assumed[0] == '\0')
		return;
	/* A setting or role that something else has changed since stays. */
	for (const ChangedSetting *setting = change->settings; setting != NULL;
		 setting = setting->earlier)
		if (same_value(current_value(setting->name), setting->after))
			(void) try_setting(setting->name, setting->before, NULL);
	if (strcmp(GetConfigOption("role", false, false), change->assumed) == 0)
		set_role(change->left);
	(void) add_role_change("", "");
}

/* Returns the role that an identity asks for; empty = none. */
static const char *
wanted_role(const SessionIdentity *identity)
{
	if (identity->role != NULL)
		return text_to_cstring(identity->role);
	return identity->user_id == NULL ? "" :
		session_settings.authenticated_role;
}

/* Sets the role of the rest of the transaction, with its settings. */
void
session_role_assume(const SessionIdentity *identity)
{
	const char *role = wanted_role(identity);
	Oid			before = GetUserId();
	Oid			left;
	RoleChange *change;

	if (role[0] == '\0')
		return;
	/* SET ROLE none would give the role of the connection. */
	if (strcmp(role, "none") == 0 || !OidIsValid(get_role_oid(role, true)))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("the session's role does not exist"),
				 errhint("See the role argument of session_create() and "
						 "\"session.authenticated_role\".")));
	change = add_role_change(GetConfigOption("role", false, false), role);
	set_role(role);
	left = get_role_oid(change->left, true);
	if (GetUserId() != before)
		apply_settings(change, left, GetUserId());
}
