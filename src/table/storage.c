/*
 * storage.c
 *	  Where and how session.sessions is kept.
 *
 * Rules: it is the server that moves tables, at the word of their owner, who
 * also needs the right to the tablespace.  Only sessions move: keys and what
 * is denied must survive a crash, however sessions are kept.
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

/* The names of the table's indexes; the table is locked for what follows. */
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

void
session_storage_move(SessionStorage kind, const char *tablespace)
{
	if (tablespace == NULL)
		tablespace = get_tablespace_name(MyDatabaseTableSpace);
	else if (!OidIsValid(get_tablespace_oid(tablespace, true)))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("tablespace must be an existing tablespace")));
	move_table(kind, quote_identifier(tablespace));
}
