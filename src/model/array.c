/*
 * array.c
 *	  Arrays that grow as items are added at their end.
 *
 * Rules: an array doubles, so that adding an item takes constant time on
 * average, and may become larger than 1 GB.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "model/array.h"

#define FIRST_ROOM 16

/* Makes sure that an array has room for a number of items of a size. */
void *
session_array_reserve(void *items, Size count, int *room, Size size,
					  MemoryContext memory)
{
	Size		wanted = Max(count, Max((Size) *room * 2, FIRST_ROOM));

	if (items != NULL && count <= (Size) *room)
		return items;
	if (items == NULL)
		items = MemoryContextAllocHuge(memory, wanted * size);
	else
		items = repalloc_huge(items, wanted * size);
	*room = (int) wanted;
	return items;
}
