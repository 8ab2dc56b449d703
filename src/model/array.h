/*
 * array.h
 *	  Arrays that grow as items are added at their end.
 */
#ifndef SESSION_ARRAY_H
#define SESSION_ARRAY_H

/*
 * Makes sure that an array has room for a number of items of a size.  *room is
 * the number of items that it has room for.  An array that does not exist yet
 * is NULL, has no room, and is allocated in the memory context.  Returns the
 * array, which may have moved.  If there is no memory, the error leaves the
 * array and its room as they were.
 */
extern void *session_array_reserve(void *items, Size count, int *room,
								   Size size, MemoryContext memory);

#endif							/* SESSION_ARRAY_H */
