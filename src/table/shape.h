/*
 * shape.h
 *	  Checking that this library can work with a table.
 */
#ifndef SESSION_SHAPE_H
#define SESSION_SHAPE_H

#include "utils/relcache.h"

#include "table/declaration.h"

/* Column numbers and index OIDs of a table, in the declaration's order. */
typedef struct SessionShape
{
	AttrNumber	numbers[SESSION_TABLE_COLUMNS];
	Oid			indexes[SESSION_TABLE_INDEXES];
	bool		elsewhere;
} SessionShape;

/*
 * Finds the declared columns and indexes in an open relation of the table's
 * name.  Errors with 55000 and a hint unless all of them are as declared.
 */
extern void session_shape_find(SessionShape *shape, const SessionTable *table,
							   Relation rel);

/* Returns whether this server is a worker of Citus, which Citus has noted. */
extern bool session_shape_is_on_worker(void);

#endif							/* SESSION_SHAPE_H */
