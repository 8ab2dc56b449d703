/*
 * path.h
 *	  Matches paths of requests with a list of patterns.
 *
 * A pattern is a path, or a path followed by "/" and "*", which matches the
 * path and all paths below it.  Patterns are separated by commas and blanks.
 */
#ifndef SESSION_PATH_H
#define SESSION_PATH_H

#include "c.h"

/* Returns whether every pattern of the list can match a path. */
extern bool session_path_list_valid(const char *list);

/*
 * Returns whether a pattern of the list matches the path.  The path is
 * compared as a server resolves it: escapes decoded, several slashes as one,
 * no slash at the end, no query.  A path that servers may resolve in different
 * ways, such as one with "..", matches every list that is not empty.
 */
extern bool session_path_listed(const char *list, const char *path,
								size_t len);

#endif							/* SESSION_PATH_H */
