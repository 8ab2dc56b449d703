/*
 * path.h
 *	  Which paths of requests are meant by a list of patterns.
 *
 * A pattern is a path, or a path and "/" followed by "*" for everything below
 * it, itself included.  Patterns are separated by commas and blanks.
 */
#ifndef SESSION_PATH_H
#define SESSION_PATH_H

#include "c.h"

/* Is every pattern of the list one that can match? */
extern bool session_path_list_valid(const char *list);

/*
 * Is the path meant?  It is compared as a server would resolve it: escapes
 * undone, slashes in a row as one, none at the end, no query.  What a server
 * might resolve otherwise, such as "..", is meant by any list but an empty one.
 */
extern bool session_path_listed(const char *list, const char *path,
								size_t len);

#endif							/* SESSION_PATH_H */
