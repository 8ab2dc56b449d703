/*
 * users.c
 *	  Tables of users whose changes end sessions.
 *
 * The binding of a table consists of three triggers on it that all call one
 * function of the extension.  It is stored nowhere else, so it is part of a
 * dump of the table and disappears with the table:
 *
 *	 session_users_changed	 after DELETE, and after UPDATE OF the two columns.
 *							 The column list of this trigger records which they
 *							 are, so renaming them does no harm.
 *	 session_users_rewritten after an UPDATE that has changed one of them, also
 *							 if the UPDATE does not name the column and a
 *							 BEFORE trigger has changed it.
 *	 session_users_emptied	 before TRUNCATE, while the rows still exist.
 *
 * Rules:
 * - An id is compared with sessions' user_id as text, in each form that an
 *	 application may have used (see Conversion).
 * - Sessions end with the privileges of the extension, not of the role that
 *	 changes the table.
 * - The triggers fire with every session_replication_role, and are dropped
 *	 with the extension.
 * - The triggers are identified by their function, so users may rename them.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/nbtree.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "catalog/namespace.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "parser/parse_coerce.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/bytea.h"
#include "utils/float.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "audit/event.h"
#include "compat.h"
#include "engine/ending.h"
#include "engine/lifecycle.h"
#include "engine/users.h"
#include "model/json.h"
#include "shared/database.h"
#include "table/authority.h"
#include "table/statement.h"
#include "table/store.h"

#define REASON "user"

/* The two columns of a bound table. */
typedef struct Columns
{
	AttrNumber	id;
	AttrNumber	active;			/* 0 = none */
} Columns;

/* Finds the columns of a binding.  Returns false if the table is not bound. */
static bool
find_columns(Columns *columns, Relation users, Oid function)
{
	TriggerDesc *triggers = users->trigdesc;

	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
	{
		const Trigger *trigger = &triggers->triggers[i];

		if (trigger->tgfoid != function || trigger->tgnattr == 0)
			continue;
		columns->id = trigger->tgattr[0];
		columns->active = trigger->tgnattr > 1 ? trigger->tgattr[1] : 0;
		return true;
	}
	return false;
}

/*
 * Changed rows
 */

/*
 * The conversions of an id to text: by a cast, and by the type's output
 * function.  An application may use either, and for a few types they differ,
 * for instance in trailing blanks or in the netmask of an address.  Only casts
 * that belong to the server are used: one that a user created could run any
 * code as the role that changes the table.
 */
typedef struct Conversion
{
	bool		casts;			/* there is a cast, by a function */
	FmgrInfo	cast;
	FmgrInfo	output;
} Conversion;

/* Looks up the conversions of a type. */
static void
find_conversion(Conversion *conversion, Oid type)
{
	Oid			function;
	bool		is_varlena;

	getTypeOutputInfo(type, &function, &is_varlena);
	fmgr_info(function, &conversion->output);
	conversion->casts = getBaseType(type) != TEXTOID &&
		find_coercion_pathway(TEXTOID, type, COERCION_EXPLICIT,
							  &function) == COERCION_PATH_FUNC &&
		function < FirstNormalObjectId;
	if (conversion->casts)
		fmgr_info(function, &conversion->cast);
}

/* The settings that output functions depend on, and their defaults. */
static const struct
{
	const char *name;
	const char *value;
}			defaults[] =

{
	{"bytea_output", "hex"},
	{"datestyle", "ISO"},
	{"extra_float_digits", "1"},
	{"intervalstyle", "postgres"},
};

/* Returns whether these settings have their defaults. */
static bool
prints_by_default(void)
{
	return bytea_output == BYTEA_OUTPUT_HEX && DateStyle == USE_ISO_DATES &&
		extra_float_digits > 0 && IntervalStyle == INTSTYLE_POSTGRES;
}

/* Converts an id with the output function and the default settings. */
static char *
print_by_default(Conversion *conversion, Datum value)
{
	int			level = NewGUCNestLevel();
	char	   *printed;

	for (size_t i = 0; i < lengthof(defaults); i++)
		(void) set_config_option(defaults[i].name, defaults[i].value,
								 PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
	printed = OutputFunctionCall(&conversion->output, value);
	AtEOXact_GUC(true, level);
	return printed;
}

/* Adds a text to a list that does not contain it. */
static List *
add_text(List *texts, const char *chars)
{
	ListCell   *cell;

	foreach(cell, texts)
		if (strcmp(text_to_cstring(lfirst(cell)), chars) == 0)
		return texts;
	return lappend(texts, cstring_to_text(chars));
}

/*
 * Returns the different texts of an id, usually one, as a list of text.  The
 * settings of the application may differ from those of the backend that
 * changes the table.
 */
static List *
texts_of(Conversion *conversion, Datum value)
{
	List	   *texts;

	texts = add_text(NIL, OutputFunctionCall(&conversion->output, value));
	if (!prints_by_default())
		texts = add_text(texts, print_by_default(conversion, value));
	if (conversion->casts)
		texts = add_text(texts,
						 TextDatumGetCString(FunctionCall1(&conversion->cast,
														   value)));
	return texts;
}

/* Returns the different texts of the id in a row; NIL if it is NULL. */
static List *
id_in(HeapTuple row, TupleDesc desc, AttrNumber column)
{
	bool		null;
	Datum		value = heap_getattr(row, column, desc, &null);
	Conversion	conversion;

	if (null)
		return NIL;
	find_conversion(&conversion, TupleDescAttr(desc, column - 1)->atttypid);
	return texts_of(&conversion, value);
}

static bool
same_texts(const List *one, const List *other)
{
	if (list_length(one) != list_length(other))
		return false;
	for (int i = 0; i < list_length(one); i++)
		if (strcmp(text_to_cstring(list_nth(one, i)),
				   text_to_cstring(list_nth(other, i))) != 0)
			return false;
	return true;
}

/* Returns whether the user in a row is active. */
static bool
active_in(HeapTuple row, TupleDesc desc, AttrNumber column)
{
	bool		null;
	Datum		value = heap_getattr(row, column, desc, &null);

	return !null && DatumGetBool(value);
}

/*
 * Returns whether the user's sessions may continue: after an UPDATE that kept
 * the id and did not make the user inactive.
 */
static bool
user_stays(const TriggerData *data, const Columns *columns, const List *id)
{
	TupleDesc	desc = RelationGetDescr(data->tg_relation);

	if (!TRIGGER_FIRED_BY_UPDATE(data->tg_event) ||
		!same_texts(id, id_in(data->tg_newtuple, desc, columns->id)))
		return false;
	return columns->active == 0 ||
		active_in(data->tg_newtuple, desc, columns->active) ||
		!active_in(data->tg_trigtuple, desc, columns->active);
}

/* Ends the sessions of a user whose row was changed or deleted. */
void
session_users_changed_row(const TriggerData *data)
{
	Columns		columns;
	SessionIds	sessions = {0};
	List	   *id;
	ListCell   *cell;

	if (!find_columns(&columns, data->tg_relation, data->tg_trigger->tgfoid))
		return;
	id = id_in(data->tg_trigtuple, RelationGetDescr(data->tg_relation),
			   columns.id);
	if (id == NIL || user_stays(data, &columns, id))
		return;
	foreach(cell, id)
		session_store_ids_of_user(&sessions, lfirst(cell), NULL, 0);
	(void) session_ending_revoke_all(&sessions, REASON, NULL);
}

/*
 * TRUNCATE
 *
 * The table may contain many more users than there are sessions, and there
 * may be sessions of users of other tables.  So the users who have sessions
 * are put into a hash table, and the table of users is read once.
 */

/* A user who has sessions, which are consecutive in an array. */
typedef struct User
{
	const text *id;				/* key */
	int			first;			/* index of the first session */
	int			count;			/* of sessions */
	bool		gone;			/* is in the table */
} User;

static uint32
hash_id(const void *key, Size size)
{
	const text *id = *(const text *const *) key;

	return hash_bytes((const unsigned char *) VARDATA_ANY(id),
					  VARSIZE_ANY_EXHDR(id));
}

static int
compare_id_texts(const void *a, const void *b, Size size)
{
	const text *left = *(const text *const *) a;
	const text *right = *(const text *const *) b;

	if (VARSIZE_ANY_EXHDR(left) != VARSIZE_ANY_EXHDR(right))
		return 1;
	return memcmp(VARDATA_ANY(left), VARDATA_ANY(right),
				  VARSIZE_ANY_EXHDR(left));
}

/* Puts the users of some sessions into a hash table. */
static HTAB *
hash_users(const SessionOwned *sessions, int count)
{
	HASHCTL		control = {
		.keysize = sizeof(text *),
		.entrysize = sizeof(User),
		.hash = hash_id,
		.match = compare_id_texts,
		.hcxt = CurrentMemoryContext
	};
	HTAB	   *users = hash_create("session users", Max(count, 16), &control,
									HASH_ELEM | HASH_FUNCTION | HASH_COMPARE |
									HASH_CONTEXT);

	for (int i = 0; i < count; i++)
	{
		bool		found;
		User	   *user = hash_search(users, &sessions[i].user_id, HASH_ENTER,
									   &found);

		if (!found)
		{
			user->first = i;
			user->count = 0;
			user->gone = false;
		}
		user->count++;
	}
	return users;
}

/* Marks the users whose id is one of some texts. */
static void
mark_texts(HTAB *users, const List *texts)
{
	ListCell   *cell;

	foreach(cell, texts)
	{
		text	   *key = lfirst(cell);
		User	   *user = hash_search(users, &key, HASH_FIND, NULL);

		if (user != NULL)
			user->gone = true;
	}
}

/* Marks the users who are in a table. */
static void
mark_users(HTAB *users, Oid relid, const char *column)
{
	Relation	table = table_open(relid, NoLock);
	AttrNumber	id = get_attnum(relid, column);
	TupleTableSlot *slot = table_slot_create(table, NULL);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	TableScanDesc scan = table_beginscan(table, snapshot, 0, NULL);
	MemoryContext row = AllocSetContextCreate(CurrentMemoryContext,
											  "session user",
											  ALLOCSET_SMALL_SIZES);
	Conversion	conversion;

	find_conversion(&conversion, get_atttype(relid, id));
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		MemoryContext caller = MemoryContextSwitchTo(row);
		bool		null;
		Datum		value = slot_getattr(slot, id, &null);

		CHECK_FOR_INTERRUPTS();
		if (!null)
			mark_texts(users, texts_of(&conversion, value));
		MemoryContextSwitchTo(caller);
		MemoryContextReset(row);
	}
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	ExecDropSingleTupleTableSlot(slot);
	MemoryContextDelete(row);
	table_close(table, NoLock);
}

/* Ends the sessions of the marked users. */
static void
end_marked(HTAB *users, const SessionOwned *sessions)
{
	SessionIds	ids = {0};
	HASH_SEQ_STATUS status;
	User	   *user;

	hash_seq_init(&status, users);
	while ((user = hash_seq_search(&status)) != NULL)
		for (int i = 0; user->gone && i < user->count; i++)
			session_store_add_id(&ids, &sessions[user->first + i].id);
	(void) session_ending_revoke_all(&ids, REASON, NULL);
}

/* Ends the sessions of all users in a table that TRUNCATE empties. */
void
session_users_truncated(const TriggerData *data)
{
	Relation	table = data->tg_relation;
	Columns		columns;
	int			count;
	SessionOwned *sessions;
	HTAB	   *users;
	const char *column;
	ListCell   *cell;

	if (!find_columns(&columns, table, data->tg_trigger->tgfoid))
		return;
	sessions = session_store_owned(&count);
	if (count == 0)
		return;
	users = hash_users(sessions, count);
	column = get_attname(RelationGetRelid(table), columns.id, false);
	/* TRUNCATE has locked the partitions and child tables. */
	foreach(cell, find_all_inheritors(RelationGetRelid(table), NoLock, NULL))
	{
		Oid			part = lfirst_oid(cell);

		if (get_rel_relkind(part) == RELKIND_FOREIGN_TABLE)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("cannot truncate users in foreign table \"%s\"",
							get_rel_name(part)),
					 errhint("Use DELETE, which ends their sessions.")));
		if (get_rel_relkind(part) == RELKIND_RELATION)
			mark_users(users, part, column);
	}
	end_marked(users, sessions);
	hash_destroy(users);
}

/*
 * Binding
 */

/*
 * Opens a table and locks it as CREATE TRIGGER does.  Errors unless the caller
 * may create triggers on it.
 */
static Relation
open_users(Oid users)
{
	char		kind = get_rel_relkind(users);
	AclResult	allowed;
	Relation	table;

	if (kind != '\0')
	{
		allowed = pg_class_aclcheck(users, GetUserId(), ACL_TRIGGER);
		if (allowed != ACLCHECK_OK)
			aclcheck_error(allowed, get_relkind_objtype(kind),
						   get_rel_name(users));
	}
	table = try_relation_open(users, ShareRowExclusiveLock);
	if (table == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", users)));
	return table;
}

/* Checks that a table is of a kind that can be bound. */
static void
check_kind(Relation table)
{
	char		kind = table->rd_rel->relkind;

	if (kind != RELKIND_RELATION && kind != RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("cannot bind relation \"%s\"",
						RelationGetRelationName(table)),
				 errdetail_relkind_not_supported(kind)));
	if (kind == RELKIND_RELATION &&
		find_inheritance_children(RelationGetRelid(table), NoLock) != NIL)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("cannot bind table \"%s\" because it has child tables",
						RelationGetRelationName(table)),
				 errhint("Bind the child tables.")));
}

/* Returns the type of a column that an argument names. */
static Oid
column_type(Relation table, const char *argument, const char *column)
{
	AttrNumber	number = get_attnum(RelationGetRelid(table), column);
	char		generated;

	if (number <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of relation \"%s\" does not exist",
						column, RelationGetRelationName(table))));
	/* A virtual column (18) is not in the rows that triggers receive. */
	generated = get_attgenerated(RelationGetRelid(table), number);
	if (generated != '\0' && generated != ATTRIBUTE_GENERATED_STORED)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("%s must not be a virtual generated column",
						argument)));
	return get_atttype(RelationGetRelid(table), number);
}

/*
 * Returns whether different texts of a type can be equal, as with citext.  If
 * the operator class of a type has the support function "equalimage", values
 * are equal only if their bytes are.
 */
static bool
compares_loosely(Oid type)
{
	TypeCacheEntry *entry;
	char		category;
	bool		preferred;

	get_type_category_preferred(type, &category, &preferred);
	if (category != TYPCATEGORY_STRING)
		return false;
	entry = lookup_type_cache(type, TYPECACHE_BTREE_OPFAMILY);
	return OidIsValid(entry->btree_opf) &&
		!OidIsValid(get_opfamily_proc(entry->btree_opf, entry->btree_opintype,
									  entry->btree_opintype,
									  BTEQUALIMAGE_PROC));
}

/*
 * Checks that different texts in the id column are different ids.  Sessions
 * are found by the bytes of their user_id, so those of an equal but different
 * text would not end.
 */
static void
check_exact(Relation table, const char *id)
{
	Form_pg_attribute column;
	Oid			type;
	char	   *reason = NULL;

	column = TupleDescAttr(RelationGetDescr(table),
						   get_attnum(RelationGetRelid(table), id) - 1);
	type = getBaseType(column->atttypid);
	if (OidIsValid(column->attcollation) &&
		!get_collation_isdeterministic(column->attcollation))
		reason = psprintf("Its collation \"%s\" is nondeterministic.",
						  get_collation_name(column->attcollation));
	else if (compares_loosely(type))
		reason = psprintf("Its type %s does not compare texts byte by byte.",
						  format_type_be(type));
	if (reason != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("id_column must not be a column in which different "
						"texts are equal"),
				 errdetail_internal("%s", reason),
				 errhint("Bind a column of type text with a deterministic "
						 "collation that has one spelling of each id, such as "
						 "a generated column, and create sessions with its "
						 "text.")));
}

/* Checks that the columns exist and have suitable types. */
static void
check_columns(Relation table, const char *id, const char *active)
{
	(void) column_type(table, "id_column", id);
	check_exact(table, id);
	if (active == NULL)
		return;
	if (getBaseType(column_type(table, "active_column", active)) != BOOLOID)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("active_column must be of type boolean")));
	if (strcmp(id, active) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("active_column must not be the id_column")));
}

/*
 * Returns the function of our triggers.  Unlike LookupFuncName, does not need
 * the caller to have USAGE on its schema.
 */
static Oid
trigger_function(void)
{
	return GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid,
						   CStringGetDatum("session_users_changed"),
						   PointerGetDatum(buildoidvector(NULL, 0)),
						   ObjectIdGetDatum(get_namespace_oid("session", false)));
}

/* Returns the names of our triggers on a table. */
static List *
our_triggers(Relation table)
{
	Oid			function = trigger_function();
	TriggerDesc *triggers = table->trigdesc;
	List	   *names = NIL;

	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
		if (triggers->triggers[i].tgfoid == function &&
			!triggers->triggers[i].tgisclone)
			names = lappend(names, pstrdup(triggers->triggers[i].tgname));
	return names;
}

/*
 * Adds a trigger to a table: when names the events, rest the level and the
 * condition.
 */
static void
add_trigger(const char *on, const char *name, const char *when,
			const char *rest)
{
	Oid			owner = session_store_owner();

	session_statement_run(owner, "CREATE TRIGGER %s %s ON %s FOR EACH %s"
						  " EXECUTE FUNCTION session.session_users_changed()",
						  name, when, on, rest);
	session_statement_run(owner, "ALTER TABLE %s ENABLE ALWAYS TRIGGER %s",
						  on, name);
	session_statement_run(owner, "ALTER TRIGGER %s ON %s"
						  " DEPENDS ON EXTENSION session", name, on);
}

/* Adds our triggers.  All names are quoted; active may be NULL. */
static void
add_triggers(const char *on, const char *id, const char *active)
{
	StringInfoData changed;

	initStringInfo(&changed);
	/* Compares the bytes; the function then compares the texts. */
	appendStringInfo(&changed, "ROW WHEN (pg_catalog.record_image_ne("
					 "ROW(OLD.%s), ROW(NEW.%s))", id, id);
	if (active != NULL)
		appendStringInfo(&changed, " OR (OLD.%s AND NEW.%s IS NOT TRUE)",
						 active, active);
	appendStringInfoChar(&changed, ')');

	add_trigger(on, "session_users_changed",
				active == NULL ?
				psprintf("AFTER DELETE OR UPDATE OF %s", id) :
				psprintf("AFTER DELETE OR UPDATE OF %s, %s", id, active),
				"ROW");
	add_trigger(on, "session_users_rewritten", "AFTER UPDATE",
				changed.data);
	add_trigger(on, "session_users_emptied", "BEFORE TRUNCATE",
				"STATEMENT");
}

/*
 * Replaces our triggers, or drops them if id is NULL, as the owner of the
 * extension's tables.  Closes the table, which stays locked.  Returns whether
 * there were any.
 */
static bool
replace_triggers(Relation table, const char *id, const char *active)
{
	const char *on = quote_qualified_identifier(get_namespace_name(RelationGetNamespace(table)),
												RelationGetRelationName(table));
	List	   *names = our_triggers(table);
	ListCell   *cell;

	/* DROP TRIGGER refuses a table that is open. */
	relation_close(table, NoLock);
	foreach(cell, names)
		session_statement_run(session_store_owner(), "DROP TRIGGER %s ON %s",
							  quote_identifier(lfirst(cell)), on);
	if (id != NULL)
		add_triggers(on, quote_identifier(id),
					 active == NULL ? NULL : quote_identifier(active));
	return names != NIL;
}

/*
 * Writes an event about a binding: the table, with its schema, and its columns
 * if there are any.
 */
static void
note_binding(const char *action, Oid users, const char *id,
			 const char *active)
{
	char	   *name = quote_qualified_identifier(get_namespace_name(get_rel_namespace(users)),
												  get_rel_name(users));
	Jsonb	   *detail = session_json_with_text(session_json_empty(), "table",
												cstring_to_text(name));

	if (id != NULL)
		detail = session_json_with_text(detail, "id_column",
										cstring_to_text(id));
	if (active != NULL)
		detail = session_json_with_text(detail, "active_column",
										cstring_to_text(active));
	session_event_administration(action, NULL, NULL, detail);
}

/* Binds a table of users. */
void
session_users_bind(Oid users, const char *id, const char *active)
{
	Relation	table = open_users(users);

	check_kind(table);
	check_columns(table, id, active);
	(void) replace_triggers(table, id, active);
	note_binding("users_bound", users, id, active);
}

/* Removes the binding of a table of users. */
void
session_users_unbind(Oid users)
{
	if (!replace_triggers(open_users(users), NULL, NULL))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("table \"%s\" is not bound", get_rel_name(users))));
	note_binding("users_unbound", users, NULL, NULL);
}

/*
 * Upkeep
 */

/*
 * Returns the owner of session.bound_tables.  It is read as its owner, because
 * the owner of the tables may have no privilege on it.
 */
static Oid
owner_of_view(void)
{
	Oid			schema = get_namespace_oid("session", false);
	HeapTuple	tuple;
	Oid			owner;

	tuple = SearchSysCache1(RELOID,
							ObjectIdGetDatum(get_relname_relid("bound_tables",
															   schema)));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "view session.bound_tables does not exist");
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

/* The columns that session_users_check reads. */
enum
{
	RESULT_USERS = 1,
	RESULT_NAME,
	RESULT_PROBLEMS
};

/* Warns about the table in a row of the result. */
static void
warn_about_table(SPITupleTable * rows, uint64 nth)
{
	ereport(WARNING,
			(errmsg("changes of users in table %s do not end all sessions",
					SPI_getvalue(rows->vals[nth], rows->tupdesc, RESULT_NAME)),
			 errdetail_internal("%s", SPI_getvalue(rows->vals[nth],
												   rows->tupdesc,
												   RESULT_PROBLEMS)),
			 errhint("Bind child tables too, or bind the table again with "
					 "session_bind_users; see session.bound_tables.")));
}

/* Warns about each bound table whose changes do not end all sessions. */
void
session_users_check(void)
{
	SessionAuthority before;
	Oid			tables[SESSION_DATABASE_WARNED];
	bool		fresh[SESSION_DATABASE_WARNED];
	SPITupleTable *rows;
	int			count;

	session_authority_take(&before, owner_of_view());
	SPI_connect();
	if (SPI_execute("SELECT users::oid, users::text,"
					" array_to_string(problems, '; ')"
					" FROM session.bound_tables WHERE problems <> '{}'"
					" ORDER BY users::oid", true,
					SESSION_DATABASE_WARNED) != SPI_OK_SELECT)
		elog(ERROR, "could not read session.bound_tables");
	rows = SPI_tuptable;
	count = (int) SPI_processed;
	for (int i = 0; i < count; i++)
	{
		bool		null;

		tables[i] = DatumGetObjectId(SPI_getbinval(rows->vals[i],
												   rows->tupdesc,
												   RESULT_USERS, &null));
	}
	session_database_remember_warned(tables, count, fresh);
	for (int i = 0; i < count; i++)
		if (fresh[i])
			warn_about_table(rows, i);
	SPI_finish();
	session_authority_give_back(&before);
}
