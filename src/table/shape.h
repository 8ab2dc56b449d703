/*
 * shape.h
 *	  Whether a table is one that this library can work with.
 */
#ifndef SESSION_SHAPE_H
#define SESSION_SHAPE_H

#include "utils/relcache.h"

#include "table/declaration.h"

/* Where a table has what its declaration names, in that order. */
typedef struct SessionShape
{
	AttrNumber	numbers[SESSION_TABLE_COLUMNS];
	Oid			indexes[SESSION_TABLE_INDEXES];
} SessionShape;

/*
 * Finds the columns and indexes of an open relation that has the table's name.
 * Errors with 55000 and a hint unless all of it is as declared.
 */
extern void session_shape_find(SessionShape *shape, const SessionTable *table,
							   Relation rel);

#endif							/* SESSION_SHAPE_H */
