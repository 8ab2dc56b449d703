/*
 * cleanup.h
 *	  Upkeep in the caller's transaction: the driver of session_cleanup.
 */
#ifndef SESSION_CLEANUP_H
#define SESSION_CLEANUP_H

#include "nodes/pg_list.h"

/*
 * Runs all steps of upkeep and deletes the rows of at most max_deleted
 * sessions (0 = no limit).  Returns the number deleted.  Errors are reported
 * as WARNINGs, and *failed becomes a list of the names of the steps that had
 * one.
 */
extern int64 session_cleanup_run(int64 max_deleted, List **failed);

#endif							/* SESSION_CLEANUP_H */
