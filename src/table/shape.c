/*
 * shape.c
 *	  Checking that this library can work with a table.
 *
 * Rules:
 * - A table must be an ordinary heap table of the extension without parents or
 *	 children, and must not be distributed by Citus.  Scans and statements of
 *	 this library see only the rows of that relation itself, so with any other
 *	 kind of table they would return wrong results.
 * - Columns are found by name, and indexes by their columns.  Dropped columns,
 *	 and columns and indexes that a user has added, are ignored.
 * - The results are valid until the next invalidation of the relation cache,
 *	 and table.c caches them until then.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "commands/extension.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/primnodes.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "compat.h"
#include "table/shape.h"

_Noreturn static void refuse_table(const SessionTable *table,
								   const char *detail, const char *hint);
_Noreturn static void refuse_version(const SessionTable *table,
									 const char *detail);

/*
 * The kind of table
 */

/* Errors because of the kind of a table; the hint says what to do. */
static void
refuse_table(const SessionTable *table, const char *detail, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("cannot work with table \"%s.%s\"",
					SESSION_TABLE_SCHEMA, table->name),
			 errdetail_internal("%s", detail),
			 errhint("%s", hint)));
}

#define ORDINARY_HINT \
	"The session extension needs it as the extension's script creates it: " \
	"an ordinary heap table without partitions or children."

/* Checks that a table is an ordinary heap table without relatives. */
static void
check_ordinary(const SessionTable *table, Relation rel)
{
	const		FormData_pg_class *form = rel->rd_rel;
	Oid			relid = RelationGetRelid(rel);

	if (form->relkind == RELKIND_PARTITIONED_TABLE)
		refuse_table(table, "It is a partitioned table.", ORDINARY_HINT);
	if (form->relkind == RELKIND_FOREIGN_TABLE)
		refuse_table(table, "It is a foreign table.", ORDINARY_HINT);
	if (form->relkind != RELKIND_RELATION)
		refuse_table(table, "It is not a table.", ORDINARY_HINT);
	if (form->relispartition)
		refuse_table(table, "It is a partition of another table.", ORDINARY_HINT);
	if (has_superclass(relid))
		refuse_table(table, "It inherits from another table.", ORDINARY_HINT);
	/* The flag remains set after the last child was dropped. */
	if (form->relhassubclass &&
		find_inheritance_children(relid, NoLock) != NIL)
		refuse_table(table, "Another table inherits from it.", ORDINARY_HINT);
	if (form->relam != HEAP_TABLE_AM_OID)
		refuse_table(table, psprintf("Its access method is \"%s\".",
									 get_am_name(form->relam)),
					 ORDINARY_HINT);
	if (table->durable && form->relpersistence != RELPERSISTENCE_PERMANENT)
		refuse_table(table, "It is unlogged, so a crash would empty it.",
					 psprintf("Run ALTER TABLE %s.%s SET LOGGED.",
							  SESSION_TABLE_SCHEMA, table->name));
}

/*
 * Citus
 *
 * Citus lists the tables whose rows are on other nodes in pg_dist_partition,
 * which may be in any schema.  The number of the node's group is in
 * pg_dist_local_group; that of the coordinator is 0.  A table of such a name
 * counts only if a superuser owns it: otherwise any role that may create a
 * table could make this library refuse to work.
 */

/* Returns whether such a table lists a relation. */
static bool
catalog_lists(Relation catalog, Oid relid)
{
	AttrNumber	number = get_attnum(RelationGetRelid(catalog), "logicalrelid");
	SysScanDesc scan;
	ScanKeyData key;
	bool		found;

	if (number <= 0 ||
		get_atttype(RelationGetRelid(catalog), number) != REGCLASSOID)
		return false;
	ScanKeyInit(&key, number, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relid));
	scan = systable_beginscan(catalog, InvalidOid, false, NULL, 1, &key);
	found = HeapTupleIsValid(systable_getnext(scan));
	systable_endscan(scan);
	return found;
}

/* Opens such a table, and returns whether it lists a relation. */
static bool
is_listed_in(Oid catalog_id, Oid relid)
{
	Relation	catalog = try_relation_open(catalog_id, AccessShareLock);
	bool		listed;

	if (catalog == NULL)
		return false;
	listed = catalog_lists(catalog, relid);
	relation_close(catalog, AccessShareLock);
	return listed;
}

/* What is asked of a table of Citus; relid is what it is asked about. */
typedef bool (*CitusQuestion) (Oid catalog_id, Oid relid);

/* Returns whether the answer of a table of a name is yes. */
static bool
ask_citus(const char *name, CitusQuestion question, Oid relid)
{
	Relation	classes = table_open(RelationRelationId, AccessShareLock);
	bool		yes = false;
	SysScanDesc scan;
	ScanKeyData key;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_class_relname, BTEqualStrategyNumber, F_NAMEEQ,
				CStringGetDatum(name));
	scan = systable_beginscan(classes, ClassNameNspIndexId, true, NULL, 1,
							  &key);
	while (!yes && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_class form = (Form_pg_class) GETSTRUCT(tuple);

		yes = form->relkind == RELKIND_RELATION &&
			form->relam == HEAP_TABLE_AM_OID &&
			superuser_arg(form->relowner) &&
			question(form->oid, relid);
	}
	systable_endscan(scan);
	table_close(classes, AccessShareLock);
	return yes;
}

/* Returns whether Citus has distributed a relation. */
static bool
is_distributed(Oid relid)
{
	return ask_citus("pg_dist_partition", is_listed_in, relid);
}

/* Returns whether the row of such a table names the group of a worker. */
static bool
names_worker(Oid catalog_id, Oid relid)
{
	Relation	catalog = try_relation_open(catalog_id, AccessShareLock);
	AttrNumber	number = catalog == NULL ? InvalidAttrNumber :
	get_attnum(catalog_id, "groupid");
	bool		worker = false;

	if (number > 0 && get_atttype(catalog_id, number) == INT4OID)
	{
		SysScanDesc scan = systable_beginscan(catalog, InvalidOid, false, NULL,
											  0, NULL);
		HeapTuple	tuple = systable_getnext(scan);
		bool		null = true;
		Datum		group = (Datum) 0;

		if (HeapTupleIsValid(tuple))
			group = heap_getattr(tuple, number, RelationGetDescr(catalog),
								 &null);
		worker = !null && DatumGetInt32(group) > 0;
		systable_endscan(scan);
	}
	if (catalog != NULL)
		relation_close(catalog, AccessShareLock);
	return worker;
}

/* Returns whether this is a worker of Citus: its group is not 0. */
bool
session_shape_is_on_worker(void)
{
	return ask_citus("pg_dist_local_group", names_worker, InvalidOid);
}

static void
check_distribution(const SessionTable *table, Relation rel)
{
	if (is_distributed(RelationGetRelid(rel)))
		refuse_table(table, "Citus has distributed it.",
					 psprintf("Run undistribute_table('%s.%s') and keep it on the "
							  "coordinator.", SESSION_TABLE_SCHEMA, table->name));
}

/*
 * Columns
 */

/* Errors because a table is not the one that this library was built for. */
static void
refuse_version(const SessionTable *table, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("table \"%s.%s\" is not the one this version of the "
					"session library works with", SESSION_TABLE_SCHEMA,
					table->name),
			 errdetail_internal("%s", detail),
			 errhint("Run ALTER EXTENSION session UPDATE after installing "
					 "a new version.")));
}

static void
check_membership(const SessionTable *table, Relation rel)
{
	Oid			extension = get_extension_oid("session", true);

	if (!OidIsValid(extension) ||
		getExtensionOfObject(RelationRelationId,
							 RelationGetRelid(rel)) != extension)
		refuse_version(table, "It does not belong to the extension.");
}

/* Returns the collation of a column: all text is compared byte by byte. */
static Oid
collation_of(const SessionColumn *column)
{
	return column->type == TEXTOID || column->type == TEXTARRAYOID ?
		C_COLLATION_OID : InvalidOid;
}

static void
check_column(const SessionTable *table, const SessionColumn *column,
			 Form_pg_attribute attribute)
{
	if (attribute->atttypid != column->type ||
		attribute->attcollation != collation_of(column))
		refuse_version(table, psprintf("Column \"%s\" is not of type %s%s.",
									   column->name,
									   format_type_be(column->type),
									   OidIsValid(collation_of(column)) ?
									   " with collation \"C\"" : ""));
	if (column->required && !attribute->attnotnull)
		refuse_version(table, psprintf("Column \"%s\" can be null.",
									   column->name));
	if (attribute->attgenerated != '\0')
		refuse_version(table, psprintf("Column \"%s\" is generated.",
									   column->name));
}

/*
 * Finds a column by its name, starting at its position in the script, where it
 * usually is.  Returns its number.
 */
static AttrNumber
find_column(const SessionTable *table, TupleDesc desc, int which)
{
	const SessionColumn *column = &table->columns[which];

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, (which + i) % desc->natts);

		if (attribute->attisdropped ||
			strcmp(NameStr(attribute->attname), column->name) != 0)
			continue;
		check_column(table, column, attribute);
		return attribute->attnum;
	}
	refuse_version(table, psprintf("It has no column \"%s\".", column->name));
}

/*
 * Indexes
 */

/* Returns whether the predicate of an index is "column IS NOT NULL". */
static bool
leaves_out_nulls(List *predicate, AttrNumber number)
{
	NullTest   *test;
	Var		   *var;

	if (list_length(predicate) != 1 || !IsA(linitial(predicate), NullTest))
		return false;
	test = linitial_node(NullTest, predicate);
	if (test->nulltesttype != IS_NOT_NULL || test->argisrow ||
		!IsA(test->arg, Var))
		return false;
	var = (Var *) test->arg;
	return var->varattno == number;
}

/* Returns whether an index compares and sorts a column in the type's way. */
static bool
is_plain(Relation index, int n, const SessionColumn *column)
{
	Oid			opclass = GetDefaultOpClass(column->type,
											index->rd_rel->relam);

	return index->rd_opfamily[n] == get_opclass_family(opclass) &&
		index->rd_opcintype[n] == get_opclass_input_type(opclass) &&
		index->rd_indcollation[n] == collation_of(column) &&
		index->rd_indoption[n] == 0;
}

/* Returns whether an index is the one that a declaration describes. */
static bool
index_matches(Relation index, const SessionTable *table, const SessionIndex *wanted,
			  const AttrNumber *numbers)
{
	Form_pg_index form = index->rd_index;
	List	   *predicate;

	if (!form->indisvalid || !form->indisready || !form->indislive ||
		index->rd_rel->relam != wanted->method ||
		form->indnkeyatts != wanted->ncolumns ||
		(wanted->unique && !(form->indisunique && form->indimmediate)))
		return false;
	for (int i = 0; i < wanted->ncolumns; i++)
	{
		int			column = wanted->columns[i];

		if (form->indkey.values[i] != numbers[column] ||
			!is_plain(index, i, &table->columns[column]))
			return false;
	}
	predicate = RelationGetIndexPredicate(index);
	return predicate == NIL ||
		(wanted->partial &&
		 leaves_out_nulls(predicate, numbers[wanted->columns[0]]));
}

/* Returns the statement that creates a missing index. */
static char *
index_statement(const SessionTable *table, const SessionIndex *wanted)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "CREATE %sINDEX ON %s.%s USING %s (",
					 wanted->unique ? "UNIQUE " : "", SESSION_TABLE_SCHEMA,
					 table->name, get_am_name(wanted->method));
	for (int i = 0; i < wanted->ncolumns; i++)
		appendStringInfo(&sql, "%s%s", i > 0 ? ", " : "",
						 table->columns[wanted->columns[i]].name);
	appendStringInfoChar(&sql, ')');
	return sql.data;
}

/* Finds an index by its columns; returns its OID. */
static Oid
find_index(const SessionTable *table, Relation rel,
		   const SessionIndex *wanted, const AttrNumber *numbers)
{
	List	   *indexes = RelationGetIndexList(rel);
	ListCell   *cell;

	foreach(cell, indexes)
	{
		Relation	index = index_open(lfirst_oid(cell), AccessShareLock);
		bool		found = index_matches(index, table, wanted, numbers);

		index_close(index, AccessShareLock);
		if (found)
			return lfirst_oid(cell);
	}
	refuse_table(table, "An index that the session extension needs is missing or "
				 "invalid.",
				 psprintf("Run REINDEX if it is invalid, or %s.",
						  index_statement(table, wanted)));
}

/* Finds the declared columns and indexes in a relation. */
void
session_shape_find(SessionShape *shape, const SessionTable *table,
				   Relation rel)
{
	TupleDesc	desc = RelationGetDescr(rel);

	check_ordinary(table, rel);
	check_distribution(table, rel);
	check_membership(table, rel);
	shape->elsewhere = table->central && session_shape_is_on_worker();
	for (int i = 0; i < table->ncolumns; i++)
		shape->numbers[i] = find_column(table, desc, i);
	for (int i = 0; i < table->nindexes; i++)
		shape->indexes[i] = find_index(table, rel, &table->needed[i],
									   shape->numbers);
}
