/*
 * store.h
 *	  The only access to session.sessions.
 *
 * Reading needs no privilege and no transaction snapshot: every read sees what
 * is committed at that moment, in every isolation level.  Rows are
 * written as the owner of the table, and are locked first by a function of
 * this module.
 */
#ifndef SESSION_STORE_H
#define SESSION_STORE_H

#include "executor/tuptable.h"
#include "nodes/pg_list.h"
#include "utils/jsonb.h"
#include "utils/relcache.h"

#include "model/row.h"
#include "table/budget.h"

/* Reads a session as committed now.  Returns false if there is none. */
extern bool session_store_read(const pg_uuid_t *id, SessionRow *row);

/*
 * Like session_store_read, but leaves out the data, so that the time does not
 * depend on its size.
 */
extern bool session_store_read_without_data(const pg_uuid_t *id,
											SessionRow *row);

/*
 * Locks the newest version of a session's row until the transaction ends, and
 * reads it.  Waits for other transactions that hold it.  Returns false if
 * there is none.
 */
extern bool session_store_lock(const pg_uuid_t *id, SessionRow *row);

/* Decides about a row at a time. */
typedef bool (*SessionStoreTest) (SessionRow *row, TimestampTz now);

/*
 * Locks the newest versions of the rows of some sessions until the transaction
 * ends, in the order of the ids, of which there is at least one.  Waits for
 * other transactions, or leaves out the rows that they hold, as `waits` says;
 * never waits for the row of a session that does not pass the test.  Returns a
 * list of SessionRow, without the data; whether the newest versions pass the
 * test is for the caller to find out.
 */
extern List *session_store_lock_many(const pg_uuid_t *ids, int count,
									 SessionStoreTest test, bool waits);

/* Locks the version that was read, or returns false without waiting. */
extern bool session_store_try_lock(const SessionRow *row);

/* What a list contains besides sessions that are not revoked. */
#define SESSION_STORE_REVOKED 0x01	/* revoked sessions, too */
#define SESSION_STORE_DATA 0x02 /* the sessions' data */
/* With tenant_id NULL: only sessions without a tenant, not those of all. */
#define SESSION_STORE_ONE_TENANT 0x04

/*
 * Returns the sessions of a user in one tenant, or in all if tenant_id is
 * NULL, as committed now and in no order: a list of SessionRow.
 */
extern List *session_store_of_user(text *user_id, text *tenant_id, int which);

/*
 * A growing array of session ids, which starts as zeros.  A million ids take
 * 16 MB.
 */
typedef struct SessionIds
{
	pg_uuid_t  *ids;
	int			count;
	int			room;
} SessionIds;

/* Adds an id. */
extern void session_store_add_id(SessionIds *ids, const pg_uuid_t *id);

/* Adds the ids of the sessions that session_store_of_user would return. */
extern void session_store_ids_of_user(SessionIds *ids, text *user_id,
									  text *tenant_id, int which);

/* Adds the ids of a tenant's sessions that are not revoked. */
extern void session_store_ids_of_tenant(SessionIds *ids, text *tenant_id);

/*
 * Adds the ids of the sessions in which a user acts or acted as others.  Reads
 * every session that was made of another.
 */
extern void session_store_ids_of_actor(SessionIds *ids, const text *actor_id);

/* Returns whether a session was made of another.  Reads one index entry. */
extern bool session_store_has_children(void);

/*
 * Adds, for each id from the one with the number `first` on, the ids of the
 * sessions that were made of it and are not revoked.
 */
extern void session_store_add_children(SessionIds *ids, int first);

/*
 * Returns the sessions that were made of a session and are not revoked, as
 * committed now and in no order: a list of SessionRow without the data.
 */
extern List *session_store_of_parent(const pg_uuid_t *parent_id);

/* A session and its user. */
typedef struct SessionOwned
{
	text	   *user_id;
	pg_uuid_t	id;
} SessionOwned;

/*
 * Returns the sessions that have a user and are not revoked, in the order of
 * their users; NULL if there are none.
 */
extern SessionOwned *session_store_owned(int *count);

/*
 * Takes the lock on counting and adding a user's sessions in a tenant, until
 * the transaction ends.  Waits for other transactions that hold it.
 */
extern void session_store_lock_user(const text *user_id,
									const text *tenant_id);

/*
 * Returns an idle timeout in microseconds.  One that is too long to count in
 * never ends a session, so it is 0.
 */
extern int64 session_store_idle_timeout(const Interval *interval);

/*
 * For triggers on the table.
 */

/* Errors with 55000 unless the relation is the table of sessions. */
extern void session_store_check_table(Relation rel);

/*
 * Returns whether an UPDATE has made snapshots of the session wrong.  With
 * `of_children`, returns whether it has made snapshots of sessions that were
 * made of this one wrong: they do not depend on its token.
 */
extern bool session_store_differs(TupleTableSlot *before,
								  TupleTableSlot *after, bool of_children);

/* Reads the row in a slot, without its data. */
extern void session_store_load(TupleTableSlot *slot, SessionRow *row);

/* Warns if one of the table's own triggers does not fire for every change. */
extern void session_store_check_triggers(void);

/*
 * Notes that a session was changed, or removed if after is NULL.  Snapshots of
 * it are then checked against its row, and the commit is flushed.
 */
extern void session_store_note_change(const SessionRow *before,
									  const SessionRow *after);

/*
 * Notes that a session was changed of which the one with this id was made.
 * Identities bound by this one are then checked against its row.
 */
extern void session_store_note_descendant(const pg_uuid_t *id);

/* Notes that TRUNCATE has removed all sessions, with the same effects. */
extern void session_store_note_emptied(void);

/*
 * Writes a new row.  If may_be_taken is set and there is a session of its id,
 * returns false; waits for other transactions that insert one.
 */
extern bool session_store_insert(const SessionRow *row, bool may_be_taken);

/* Writes last_seen_at and purge_at of a locked row. */
extern void session_store_save_activity(const SessionRow *row);

/* Writes the data, last_seen_at and purge_at of a locked row. */
extern void session_store_save_data(const SessionRow *row);

/*
 * Writes the columns of a locked row that a refresh can change.  Errors with
 * 55000 if the token changed and the trigger did not note that.
 */
extern void session_store_save_state(const SessionRow *row);

/*
 * Writes all columns of a locked row that a login can change: all but the id,
 * created_at and the end; the data only where with_data says so.  The row has
 * a new token.  Errors with 55000 if the trigger did not note that.
 */
extern void session_store_save_account(const SessionRow *row, bool with_data);

/*
 * Writes the key that a locked row, which was bound to none, is bound to from
 * now on.  Errors with 55000 if the trigger did not note that.
 */
extern void session_store_save_bound(const SessionRow *row);

/* Writes answered_at of a locked row that is bound. */
extern void session_store_save_answered(const SessionRow *row);

/* Returns the name of a way to bind a session, as bound_by has it. */
extern const char *session_store_bound_name(int by);

/*
 * Writes revoked_at, revoked_reason and purge_at of a locked row.  Errors with
 * 55000 if the trigger did not note that.
 */
extern void session_store_save_end(const SessionRow *row);

/*
 * Like session_store_save_end for a list of SessionRow, which is not empty and
 * in which all rows end at the same time for the same reason.
 */
extern void session_store_save_ends(const List *rows);

/* Deletes locked rows, live or not, and ends no snapshot of them. */
extern void session_store_delete(const pg_uuid_t *ids, int count);

/*
 * Returns the sessions of a user in all tenants as an object with the array
 * "sessions": all columns except those that prove something, with the data
 * opened.
 */
extern Jsonb *session_store_export(text *user_id);

/*
 * Returns whether a row, ended ones included, has something that is sealed
 * with the key of a kid.  Reads the whole table.
 */
extern bool session_store_has_sealed(const uint8 *kid, size_t len,
									 const char *kid_text);

/* Is called for a locked row that is about to be deleted. */
typedef void (*SessionStoreBeforeDelete) (SessionRow *row, TimestampTz now);

/*
 * Finds the ids of rows whose purge_at has passed and that are dead, at most
 * limit.  Returns their number.
 */
extern int	session_store_find_dead(TimestampTz now, int limit,
									SessionStoreTest is_dead, pg_uuid_t *ids);

/*
 * Deletes those of some rows that are still dead, as many as the budget
 * allows, skipping locked rows.  Returns how many of the ids it processed,
 * and adds the number of deleted rows to *deleted.
 */
extern int	session_store_delete_dead(TimestampTz now, const pg_uuid_t *ids,
									  int count, SessionStoreTest is_dead,
									  SessionStoreBeforeDelete before_delete,
									  SessionBudget *budget, int *deleted);

/*
 * Returns whether the table can be read.  On a standby, an unlogged table has
 * no files.
 */
extern bool session_store_is_here(void);

/* Returns whether a relation is the table of sessions. */
extern bool session_store_is(Oid relid);

/* Is called for each row of a sample. */
typedef void (*SessionStoreVisit) (SessionRow *row, void *arg);

/*
 * Visits the rows, without their data, of at most a number of pages, which
 * are chosen at random if the table has more, as committed now.  Returns the
 * number of pages of the table divided by the number of pages read.
 */
extern double session_store_sample(uint32 pages, SessionStoreVisit visit,
								   void *arg);

/* Returns the owner of the table, as whom our statements run. */
extern Oid	session_store_owner(void);

#endif							/* SESSION_STORE_H */
