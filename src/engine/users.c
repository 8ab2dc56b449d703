/*
 * users.c
 *	  Tables of users whose changes end sessions.
 *
 * A table is bound by three triggers on it, all of one function of ours, and
 * by nothing else, so a dump has it and a drop leaves nothing:
 *
 *	 session_users_changed	 after DELETE, and UPDATE OF the two columns.  The
 *							 columns of this one say which they are, so that
 *							 renaming them makes no difference.
 *	 session_users_rewritten after an UPDATE that changed one of them without
 *							 naming it, by a BEFORE trigger that is.
 *	 session_users_emptied	 before TRUNCATE, while the rows are still there.
 *
 * Rules:
 * - The text of an id is what its type's output function makes of it; sessions
 *	 end under the authority of the extension.
 * - They fire whatever session_replication_role is, and go with the extension.
 * - Triggers are known by their function; their names are the user's to change.
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

#include "compat.h"
#include "engine/lifecycle.h"
#include "engine/users.h"
#include "shared/database.h"
#include "table/authority.h"
#include "table/statement.h"
#include "table/store.h"

#define REASON "user"

/* Which columns of a bound table mean what. */
typedef struct Columns
{
	AttrNumber	id;
	AttrNumber	active;			/* 0 = none */
} Columns;

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
 * Rows that change
 */

/*
 * How ids of a type become text: as a cast has it, and as the type prints it.
 * Applications hand over the one or the other, and a few types differ: blanks
 * at the end, the mask of an address.  Only the server's own casts count: one
 * that somebody has made could do anything, as whoever changes the table.
 */
typedef struct Conversion
{
	bool		casts;			/* by a function */
	FmgrInfo	cast;
	FmgrInfo	output;
} Conversion;

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

/* What types print by, as it is unless somebody sets it. */
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

static bool
prints_by_default(void)
{
	return bytea_output == BYTEA_OUTPUT_HEX && DateStyle == USE_ISO_DATES &&
		extra_float_digits > 0 && IntervalStyle == INTSTYLE_POSTGRES;
}

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

/* Adds a text to a list that does not have it. */
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
 * What an id may look like, a list of text, mostly of one: an application need
 * not have the settings of whoever changes the table.
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

/* The id in a row, as applications may write it; NIL for none. */
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

static bool
active_in(HeapTuple row, TupleDesc desc, AttrNumber column)
{
	bool		null;
	Datum		value = heap_getattr(row, column, desc, &null);

	return !null && DatumGetBool(value);
}

/* Is the user of the row still the same one, and not turned away? */
static bool
stays(const TriggerData *data, const Columns *columns, const List *id)
{
	TupleDesc	desc = RelationGetDescr(data->tg_relation);

	if (!TRIGGER_FIRED_BY_UPDATE(data->tg_event) ||
		!same_texts(id, id_in(data->tg_newtuple, desc, columns->id)))
		return false;
	return columns->active == 0 ||
		active_in(data->tg_newtuple, desc, columns->active) ||
		!active_in(data->tg_trigtuple, desc, columns->active);
}

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
	if (id == NIL || stays(data, &columns, id))
		return;
	foreach(cell, id)
		session_store_ids_of_user(&sessions, lfirst(cell), NULL, 0);
	(void) session_lifecycle_revoke_all(&sessions, REASON, NULL);
}

/*
 * Tables that are emptied
 *
 * There may be many more users than sessions, and sessions of others.  So the
 * users who have sessions are put into a hash, and the table is read once.
 */

/* A user who has sessions: the first of them in the list, and how many. */
typedef struct User
{
	const text *id;				/* key */
	int			first;
	int			count;
	bool		gone;
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

static void
mark(HTAB *users, const List *texts)
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

/* Marks those who are in a table. */
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
			mark(users, texts_of(&conversion, value));
		MemoryContextSwitchTo(caller);
		MemoryContextReset(row);
	}
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	ExecDropSingleTupleTableSlot(slot);
	MemoryContextDelete(row);
	table_close(table, NoLock);
}

/* Ends the sessions of marked users. */
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
	(void) session_lifecycle_revoke_all(&ids, REASON, NULL);
}

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
	/* TRUNCATE has locked all of them. */
	foreach(cell, find_all_inheritors(RelationGetRelid(table), NoLock, NULL))
	{
		Oid			part = lfirst_oid(cell);

		if (get_rel_relkind(part) == RELKIND_FOREIGN_TABLE)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("cannot truncate users in foreign table \"%s\"",
							get_rel_name(part)),
					 errhint("Delete them, which ends their sessions.")));
		if (get_rel_relkind(part) == RELKIND_RELATION)
			mark_users(users, part, column);
	}
	end_marked(users, sessions);
	hash_destroy(users);
}

/*
 * Binding
 */

/* The table, locked as a trigger wants it; checks what the caller may. */
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
				 errmsg("users must be an existing table")));
	return table;
}

static void
check_kind(Relation table)
{
	char		kind = table->rd_rel->relkind;

	if (kind != RELKIND_RELATION && kind != RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("users must be a table"),
				 errdetail_relkind_not_supported(kind)));
	if (kind == RELKIND_RELATION &&
		find_inheritance_children(RelationGetRelid(table), NoLock) != NIL)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("users must not be a table that others inherit from"),
				 errhint("Bind the tables that inherit from it.")));
}

/* The type of a column that an argument names. */
static Oid
column_type(Relation table, const char *argument, const char *column)
{
	AttrNumber	number = get_attnum(RelationGetRelid(table), column);
	char		generated;

	if (number <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("%s must be a column of table \"%s\"", argument,
						RelationGetRelationName(table)),
				 errdetail("There is no column \"%s\".", column)));
	/* A virtual one (18) is not in the rows that triggers get. */
	generated = get_attgenerated(RelationGetRelid(table), number);
	if (generated != '\0' && generated != ATTRIBUTE_GENERATED_STORED)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("%s must not be a virtual generated column",
						argument)));
	return get_atttype(RelationGetRelid(table), number);
}

/*
 * Is a type of texts compared by more than their bytes, as citext is?  Types
 * that are known to be equal only when their bytes are have a support function
 * in their operator class that says so.
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
 * Sessions are found by the bytes of their user_id.  A column in which other
 * texts are equal to an id would leave the sessions of these alive.
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

/* The function of our triggers; the caller needs no right to its schema. */
static Oid
trigger_function(void)
{
	return GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid,
						   CStringGetDatum("session_users_changed"),
						   PointerGetDatum(buildoidvector(NULL, 0)),
						   ObjectIdGetDatum(get_namespace_oid("session", false)));
}

/* The names of our triggers on a table. */
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

/* Adds one: when says at which events, rest for what and on what condition. */
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

/* All names are quoted; active may be NULL. */
static void
add_triggers(const char *on, const char *id, const char *active)
{
	StringInfoData changed;

	initStringInfo(&changed);
	/* Compares the bytes, whatever the type; then the texts are compared. */
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
 * Replaces our triggers, as the extension's owner, and closes the table, which
 * stays locked; were there any?
 */
static bool
replace_triggers(Relation table, const char *id, const char *active)
{
	const char *on = quote_qualified_identifier(get_namespace_name(RelationGetNamespace(table)),
												RelationGetRelationName(table));
	List	   *names = our_triggers(table);
	ListCell   *cell;

	/* Nothing can be changed about a table that is in use. */
	relation_close(table, NoLock);
	foreach(cell, names)
		session_statement_run(session_store_owner(), "DROP TRIGGER %s ON %s",
							  quote_identifier(lfirst(cell)), on);
	if (id != NULL)
		add_triggers(on, quote_identifier(id),
					 active == NULL ? NULL : quote_identifier(active));
	return names != NIL;
}

void
session_users_bind(Oid users, const char *id, const char *active)
{
	Relation	table = open_users(users);

	check_kind(table);
	check_columns(table, id, active);
	(void) replace_triggers(table, id, active);
}

void
session_users_unbind(Oid users)
{
	if (!replace_triggers(open_users(users), NULL, NULL))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("users must be a table that is bound")));
}

/*
 * Upkeep
 */

/* The tables may belong to a role that may not read the view. */
static Oid
owner_of_list(void)
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

/* What there is to say of a table; rows are users, name and problems. */
static void
warn_of_table(SPITupleTable * rows, uint64 nth)
{
	ereport(WARNING,
			(errmsg("changes of users in table %s do not end all sessions",
					SPI_getvalue(rows->vals[nth], rows->tupdesc, 2)),
			 errdetail_internal("%s", SPI_getvalue(rows->vals[nth],
												   rows->tupdesc, 3)),
			 errhint("Bind child tables too, or bind the table again with "
					 "session_bind_users; see session.bound_tables.")));
}

void
session_users_check(void)
{
	SessionAuthority before;
	Oid			tables[SESSION_DATABASE_WARNED];
	bool		fresh[SESSION_DATABASE_WARNED];
	SPITupleTable *rows;
	int			count;

	session_authority_take(&before, owner_of_list());
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
												   rows->tupdesc, 1, &null));
	}
	session_database_remember_warned(tables, count, fresh);
	for (int i = 0; i < count; i++)
		if (fresh[i])
			warn_of_table(rows, i);
	SPI_finish();
	session_authority_give_back(&before);
}
