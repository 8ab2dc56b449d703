/*
 * storage.c
 *	  Moving session.sessions to another kind of storage.
 *
 * Rules: ALTER TABLE and ALTER INDEX move the table.  They run as its owner,
 * who also needs the privilege CREATE on the tablespace.  Only sessions are
 * moved: keys and the denylist must survive a crash even if sessions do not.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/namespace.h"
#include "commands/tablespace.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "compat.h"
#include "table/statement.h"
#include "table/storage.h"
#include "table/store.h"

/* Locks the table exclusively, and returns the names of its indexes. */
static List *
lock_table(void)
{
	Oid			relid = get_relname_relid("sessions",
										  get_namespace_oid("session", false));
	Relation	table = table_open(relid, AccessExclusiveLock);
	List	   *names = NIL;
	ListCell   *cell;

	foreach(cell, RelationGetIndexList(table))
		names = lappend(names, get_rel_name(lfirst_oid(cell)));
	table_close(table, NoLock);
	return names;
}

/* Moves the table and its indexes; the name of the tablespace is quoted. */
static void
move_table(SessionStorage kind, const char *tablespace)
{
	Oid			owner = session_store_owner();
	List	   *indexes = lock_table();
	ListCell   *cell;

	session_statement_run(owner, "ALTER TABLE session.sessions SET %s,"
						  " SET TABLESPACE %s",
						  kind == SESSION_STORAGE_CACHE ? "UNLOGGED" : "LOGGED",
						  tablespace);
	foreach(cell, indexes)
		session_statement_run(owner, "ALTER INDEX session.%s SET TABLESPACE %s",
							  quote_identifier(lfirst(cell)), tablespace);
}

/* Moves the table to another kind of storage or tablespace. */
void
session_storage_move(SessionStorage kind, const char *tablespace)
{
	if (tablespace == NULL)
		tablespace = get_tablespace_name(MyDatabaseTableSpace);
	else if (!OidIsValid(get_tablespace_oid(tablespace, true)))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("tablespace \"%s\" does not exist", tablespace)));
	move_table(kind, quote_identifier(tablespace));
}
