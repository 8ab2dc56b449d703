/*
 * cleanup.h
 *	  Upkeep within the caller's transaction.
 */
#ifndef SESSION_CLEANUP_H
#define SESSION_CLEANUP_H

#include "nodes/pg_list.h"

/*
 * Does all steps of upkeep, deleting the rows of at most max_deleted sessions
 * (0 = no limit).  Returns how many it has deleted, and in *failed a list of
 * the names of the steps in which something failed, which is a WARNING.
 */
extern int64 session_cleanup_run(int64 max_deleted, List **failed);

#endif							/* SESSION_CLEANUP_H */
