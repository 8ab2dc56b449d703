/*
 * levels.h
 *	  Which objects of the extension each level gives access to.
 */
#ifndef SESSION_LEVELS_H
#define SESSION_LEVELS_H

#include "nodes/pg_list.h"

/* The levels are flags: an object may belong to several. */
#define SESSION_LEVEL_PUBLIC 0x01	/* every role */
#define SESSION_LEVEL_APP 0x02
#define SESSION_LEVEL_ADMIN 0x04
#define SESSION_LEVEL_MONITOR 0x08	/* pg_monitor */

/* An object that belongs to at least one level. */
typedef struct SessionObject
{
	Oid			classid;
	Oid			objid;
	int			levels;
} SessionObject;

/*
 * Returns the objects of the extension that belong to a level, and the schema
 * of its functions: a list of SessionObject.
 */
extern List *session_levels_objects(void);

/* Returns the schema of the extension's functions. */
extern Oid	session_levels_schema(void);

/*
 * Waits until no other transaction changes privileges of the extension, and
 * makes others wait until this one ends.
 */
extern void session_levels_lock(void);

#endif							/* SESSION_LEVELS_H */
