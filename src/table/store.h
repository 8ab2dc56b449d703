/*
 * store.h
 *	  The only door to our tables.
 *
 * Reading needs no privilege and no transaction snapshot: every read sees
 * what is committed at that moment, whatever the isolation level.  Writing
 * happens under the authority of the table's owner, to rows that were locked
 * here first.
 */
#ifndef SESSION_STORE_H
#define SESSION_STORE_H

#include "executor/tuptable.h"
#include "nodes/pg_list.h"
#include "utils/relcache.h"

#include "model/row.h"
#include "table/budget.h"

/* Finds a session as committed now; false when there is none. */
extern bool session_store_read(const pg_uuid_t *id, SessionRow *row);

/* The same without the data, so that its size makes no difference. */
extern bool session_store_read_without_data(const pg_uuid_t *id, SessionRow *row);

/*
 * Like session_store_read, then holds the row until the transaction ends and
 * returns its newest version.  Waits for whoever holds it.
 */
extern bool session_store_lock(const pg_uuid_t *id, SessionRow *row);

/* Holds the version that was read, or returns false without waiting. */
extern bool session_store_try_lock(const SessionRow *row);

/* What is wanted besides the sessions that were not revoked, and of them. */
#define SESSION_STORE_REVOKED 0x01	/* those that were, too */
#define SESSION_STORE_DATA 0x02 /* their data */
#define SESSION_STORE_ONE_TENANT 0x04	/* no tenant is one, not all */

/*
 * Lists the sessions of a user, in one tenant or (NULL) in all, as committed
 * now and in no order; a list of SessionRow.
 */
extern List *session_store_of_user(text *user_id, text *tenant_id, int which);

/* Some sessions, by id: of a million, no more than 16 MB.  Begins as zeros. */
typedef struct SessionIds
{
	pg_uuid_t  *ids;
	int			count;
	int			room;
} SessionIds;

extern void session_store_add_id(SessionIds *ids, const pg_uuid_t *id);

/* Add the same sessions, without their data, or those of a tenant. */
extern void session_store_ids_of_user(SessionIds *ids, text *user_id,
									  text *tenant_id, int which);
extern void session_store_ids_of_tenant(SessionIds *ids, text *tenant_id);

/* Whose session it is. */
typedef struct SessionOwned
{
	text	   *user_id;
	pg_uuid_t	id;
} SessionOwned;

/* Lists the sessions that have a user and were not revoked, user by user. */
extern SessionOwned *session_store_owned(int *count);

/*
 * Holds the right to count and add to a user's sessions in a tenant until the
 * transaction ends.  Waits for whoever holds it.
 */
extern void session_store_lock_user(const text *user_id,
									const text *tenant_id);

/*
 * For triggers on the table: fails unless it is the table of sessions, tells
 * whether an UPDATE has made snapshots wrong, and reads the row, without its
 * data, of a slot.
 */
extern void session_store_check_table(Relation rel);
extern bool session_store_differs(TupleTableSlot *before,
								  TupleTableSlot *after);
extern void session_store_load(TupleTableSlot *slot, SessionRow *row);

/* Warns if one of the table's own triggers does not fire for every change. */
extern void session_store_check_triggers(void);

/*
 * Has snapshots ask the row of a session that was changed or (after is NULL)
 * removed, and the commit flushed.
 */
extern void session_store_note_change(const SessionRow *before,
									  const SessionRow *after);

/* The same for all sessions, which TRUNCATE has removed. */
extern void session_store_note_emptied(void);

/*
 * Writes a new row.  With an id that may be taken, returns false if there is a
 * session of that id; waits for a transaction that is making one.
 */
extern bool session_store_insert(const SessionRow *row, bool may_be_taken);

/* Writes last_seen_at and purge_at of a locked row. */
extern void session_store_save_activity(const SessionRow *row);

/* Writes the data, last_seen_at and purge_at of a locked row. */
extern void session_store_save_data(const SessionRow *row);

/*
 * Writes what can change, except the data and the end, of a locked row.  This
 * and the next fail when a change that snapshots must hear of was not noted.
 */
extern void session_store_save_state(const SessionRow *row);

/* Writes revoked_at, revoked_reason and purge_at of a locked row. */
extern void session_store_save_end(const SessionRow *row);

/* Is this row, whose time has come, really dead? */
typedef bool (*SessionStoreTest) (SessionRow *row, TimestampTz now);

/* Hears of a row that is about to be deleted. */
typedef void (*SessionStoreFarewell) (SessionRow *row, TimestampTz now);

/* Finds the ids of at most limit rows that are dead; returns their number. */
extern int	session_store_find_dead(TimestampTz now, int limit,
									SessionStoreTest is_dead, pg_uuid_t *ids);

/*
 * Deletes those of some rows that are dead still, skipping locked ones, as far
 * as the budget goes.  Returns how many it has come by, and in *deleted how
 * many of them it has deleted.
 */
extern int	session_store_delete_dead(TimestampTz now, const pg_uuid_t *ids,
									  int count, SessionStoreTest is_dead,
									  SessionStoreFarewell farewell,
									  SessionBudget *budget, int *deleted);

/* False on a standby, where there are no files of an unlogged table. */
extern bool session_store_is_here(void);

/*
 * Reads the rows, without their data, of at most so many pages of the table,
 * taken at random if it has more, as committed now.  Returns how many times
 * as many pages there are.
 */
typedef void (*SessionStoreVisit) (SessionRow *row, void *arg);

extern double session_store_sample(uint32 pages, SessionStoreVisit visit,
								   void *arg);

/* The role under whose authority the tables are read and written. */
extern Oid	session_store_owner(void);

#endif							/* SESSION_STORE_H */
