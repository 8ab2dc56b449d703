/*
 * database.h
 *	  What the backends share about each database that uses the library.
 *
 * Without preloading there is no shared memory: session_database_current returns
 * NULL, counting and noting do nothing, and questions about what was noted get
 * the answer "not known".
 */
#ifndef SESSION_DATABASE_H
#define SESSION_DATABASE_H

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "port/atomics.h"

#include "model/policy.h"

/* What is counted for each database, since the server started. */
typedef enum SessionCounter
{
	/* looks at a session token, by what came of it, as SessionStatus */
	SESSION_COUNT_STATUS,
	SESSION_COUNT_CREATED = SESSION_COUNT_STATUS + SESSION_ACTIVE + 1,
	SESSION_COUNT_REFRESHED,	/* by either kind of token */
	SESSION_COUNT_REGENERATED,
	SESSION_COUNT_ENDED,		/* for any reason, the next two included */
	SESSION_COUNT_EVICTED,
	SESSION_COUNT_REFRESH_REUSED,	/* ended by an old refresh token */
	SESSION_COUNT_SNAPSHOT_ACCEPTED,	/* snapshots, without a look at the
										 * row */
	SESSION_COUNT_SNAPSHOT_CHECKED, /* snapshots not yet due that asked the
									 * row */
	SESSION_COUNT_ACTIVITY_DROPPED, /* uses that found no room in shared
									 * memory */
	SESSION_COUNTERS
} SessionCounter;

/* The last round of upkeep in a database. */
typedef struct SessionRound
{
	TimestampTz started_at;		/* SESSION_NO_TIME = there was none */
	TimestampTz finished_at;	/* before started_at = it runs, or died */
	int64		written;		/* rows that got their activity */
	int64		deleted;		/* rows of dead sessions */
	int64		evidence;		/* events of shared memory that got written */
	int64		trimmed;		/* entries of the denylist, and events */
	int64		errors;			/* batches that failed */
} SessionRound;

/* How many tables of a database are remembered as warned of. */
#define SESSION_DATABASE_WARNED 32

/* Kinds of evidence, each of which has room and a budget of its own. */
#define SESSION_EVIDENCE_KINDS 4

/* A database that uses the library. */
typedef struct SessionDatabase
{
	Oid			database;		/* InvalidOid = free */
	bool		present;		/* has the extension, as far as is known */
	bool		unfinished;		/* the last round left work behind */
	TimestampTz cleaned_at;		/* start of the last cleanup that finished */
	SessionRound last;
	int64		rounds;
	int64		errors;			/* in all rounds */
	bool		sealed;			/* has keys that are sealed, as far as is
								 * known */
	bool		key_checked;	/* a worker has looked at the master key */
	int64		evidence_minute;	/* when evidence was last queued, and */
	int			evidence[SESSION_EVIDENCE_KINDS];	/* how much in it */
	pg_atomic_uint64 use_lost_at;	/* every use after that is known */
	Oid			warned[SESSION_DATABASE_WARNED];	/* bound tables */
	pg_atomic_uint64 counts[SESSION_COUNTERS];
} SessionDatabase;

/* Whether upkeep can run, as far as the launcher knows. */
typedef enum SessionWorkers
{
	SESSION_WORKERS_NO_LAUNCHER,	/* it has not started */
	SESSION_WORKERS_OK,
	SESSION_WORKERS_NO_SLOT		/* it found none for a worker */
}			SessionWorkers;

/* How many databases can be looked after. */
#define SESSION_DATABASES 1024

/* Shared memory of this module: how much to ask for, and making it. */
extern void session_database_shmem_request(void);
extern void session_database_shmem_init(void);

/* Returns whether there is shared memory: the library was preloaded. */
extern bool session_database_is_shared(void);

/*
 * Notes that this database uses the library.  Returns true when that was not
 * known; costs nothing when it was.
 */
extern bool session_database_attach(void);

/* The entry of this database; NULL when there is none. */
extern SessionDatabase *session_database_current(void);

/* Counts one; how much was counted in a database. */
extern void session_database_count(SessionCounter which);
extern void session_database_count_many(SessionCounter which, int64 count);
extern uint64 session_database_counter_value(SessionDatabase *database, SessionCounter which);

/*
 * Notes that a use of a session of this database, or of every database, was
 * not recorded at some moment.
 */
extern void session_database_note_lost_use(TimestampTz at);
extern void session_database_note_all_lost_use(TimestampTz at);

/*
 * Returns whether every use of a session here after a moment is recorded, as far
 * as this server's own uses go; see session_revocation_has_uses_since.
 */
extern bool session_database_has_uses_since(TimestampTz since);

/* Copies of the entries of all databases, a list of SessionDatabase. */
extern List *session_database_list(void);

/* Writes down how a round in this database goes. */
extern void session_database_note_round(const SessionRound *round, bool unfinished,
										TimestampTz cleaned_at);

/* Sets whether this database has the extension, as far as is known. */
extern void session_database_set_present(bool present);

/*
 * Remembers the tables, at most SESSION_DATABASE_WARNED, that there is to warn
 * of, and tells which of them were not among those of the last time.  Without
 * shared memory it is this backend that remembers.
 */
extern void session_database_remember_warned(const Oid *tables, int count, bool *fresh);

/* Notes that a round in this database failed before it began. */
extern void session_database_note_round_failed(void);

/* Notes that whoever did a round in a database since then died of it. */
extern void session_database_note_worker_died(Oid database, TimestampTz since);

/*
 * Notes whether this database has keys that are sealed.  Without an entry for
 * it, does nothing.
 */
extern void session_database_set_sealed(bool sealed);

/* Returns another database that has keys that are sealed; InvalidOid = none. */
extern Oid	session_database_find_other_sealed(void);

/* True the first time it is called in this database since the server started. */
extern bool session_database_is_first_key_check(void);

/*
 * Notes, and tells, that the launcher has had a worker look at every database
 * since the server started.
 */
extern void session_database_set_all_visited(void);
extern bool session_database_all_visited(void);

/* Sets and returns what the launcher knows about slots for workers. */
extern void session_database_set_workers(SessionWorkers workers);
extern SessionWorkers session_database_workers(void);

/* Frees the entry of a database that was dropped. */
extern void session_database_forget(Oid database);

#endif							/* SESSION_DATABASE_H */
