/*
 * database.h
 *	  What the backends share about each database that uses the library.
 *
 * Without preloading there is no shared memory.  Then session_database_current
 * returns NULL, the functions that count or note do nothing, and
 * session_database_has_uses_since returns false.
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
	/* validations of a session token, one counter for each SessionStatus */
	SESSION_COUNT_STATUS,
	SESSION_COUNT_CREATED = SESSION_COUNT_STATUS + SESSION_ACTIVE + 1,
	SESSION_COUNT_REFRESHED,	/* by a session token or a refresh token */
	SESSION_COUNT_REGENERATED,
	SESSION_COUNT_ENDED,		/* for any reason, the next two included */
	SESSION_COUNT_EVICTED,
	SESSION_COUNT_REFRESH_REUSED,	/* ended by an old refresh token */
	SESSION_COUNT_SNAPSHOT_ACCEPTED,	/* without reading the row */
	SESSION_COUNT_SNAPSHOT_CHECKED, /* against the row, before their ttl */
	SESSION_COUNT_ACTIVITY_DROPPED, /* uses without room in shared memory */
	SESSION_COUNT_PROOF_REPLAYED,	/* proofs of DPoP that were used before */
	SESSION_COUNT_PROOF_EVICTED,	/* forgotten before they were too old */
	SESSION_COUNTERS
} SessionCounter;

/* A round of upkeep in a database. */
typedef struct SessionRound
{
	TimestampTz started_at;		/* SESSION_NO_TIME = no round yet */
	TimestampTz finished_at;	/* before started_at = running, or died */
	int64		written;		/* rows whose activity was written */
	int64		deleted;		/* rows of dead sessions */
	int64		evidence;		/* queued events that were written */
	int64		trimmed;		/* denylist entries and events deleted */
	int64		errors;			/* batches that failed */
	int64		rested;			/* microseconds between deletions */
} SessionRound;

/* Most tables of a database that are remembered as warned about. */
#define SESSION_DATABASE_WARNED 32

/* Kinds of evidence, each with its own room and budget. */
#define SESSION_EVIDENCE_KINDS 7

/*
 * A database that uses the library.  shared/database.c says which lock
 * protects which member.
 */
typedef struct SessionDatabase
{
	Oid			database;		/* InvalidOid = free */
	bool		present;		/* has the extension, as far as is known */
	bool		unfinished;		/* the last round left work behind */
	TimestampTz cleaned_at;		/* start of the last cleanup that finished */
	SessionRound last;
	int64		rounds;
	int64		errors;			/* in all rounds */
	bool		sealed;			/* has sealed keys, as far as is known */
	bool		key_checked;	/* a worker has checked the master key */
	int64		evidence_minute;	/* when evidence was last queued */
	int			evidence[SESSION_EVIDENCE_KINDS];	/* queued in that minute */
	pg_atomic_uint64 use_lost_at;	/* every use after that is recorded */
	Oid			warned[SESSION_DATABASE_WARNED];	/* tables warned about */
	pg_atomic_uint64 counts[SESSION_COUNTERS];
} SessionDatabase;

/* Whether upkeep can run, as far as the launcher knows. */
typedef enum SessionWorkers
{
	SESSION_WORKERS_NO_LAUNCHER,	/* the launcher has not started */
	SESSION_WORKERS_OK,
	SESSION_WORKERS_NO_SLOT		/* there was no free slot for a worker */
} SessionWorkers;

/* Most databases that are looked after. */
#define SESSION_DATABASES 1024

/* Requests the shared memory of this module, and creates it. */
extern void session_database_shmem_request(void);
extern void session_database_shmem_init(void);

/* Returns whether there is shared memory: the library was preloaded. */
extern bool session_database_is_shared(void);

/*
 * Notes that this database uses the library.  Returns whether that was unknown
 * before; a call for a known database takes no lock.
 */
extern bool session_database_attach(void);

/* Returns the entry of this database; NULL when there is none. */
extern SessionDatabase *session_database_current(void);

/* Adds one to a counter of this database. */
extern void session_database_count(SessionCounter which);

/* Adds to a counter of this database. */
extern void session_database_count_many(SessionCounter which, int64 count);

/* Returns the value of a counter of a database. */
extern uint64 session_database_counter_value(SessionDatabase *database,
											 SessionCounter which);

/*
 * Notes that a use of a session of this database, or of every database, was
 * not recorded at some time.
 */
extern void session_database_note_lost_use(TimestampTz at);
extern void session_database_note_all_lost_use(TimestampTz at);

/*
 * Notes and counts a use of a database that was evicted for a use of another
 * database.
 */
extern void session_database_note_dropped_use(Oid database, TimestampTz at);

/*
 * Returns whether every use of a session of this database after a time is
 * recorded, considering this run of the server only; see
 * session_revocation_has_uses_since.
 */
extern bool session_database_has_uses_since(TimestampTz since);

/*
 * Returns copies of the entries of all databases, a list of SessionDatabase.
 */
extern List *session_database_list(void);

/* Stores the state of a round of upkeep in this database. */
extern void session_database_note_round(const SessionRound *round,
										bool unfinished,
										TimestampTz cleaned_at);

/* Sets whether this database has the extension, as far as is known. */
extern void session_database_set_present(bool present);

/*
 * Remembers the tables that upkeep warns about, at most
 * SESSION_DATABASE_WARNED.  Sets fresh[i] for each table that was not among
 * those of the previous call.  Without shared memory the backend remembers
 * them for itself.
 */
extern void session_database_remember_warned(const Oid *tables, int count,
											 bool *fresh);

/* Counts a round in this database that failed before it began. */
extern void session_database_note_round_failed(void);

/*
 * Counts an error for a worker that died during a round in a database, if that
 * round began at or after a time.
 */
extern void session_database_note_worker_died(Oid database, TimestampTz since);

/*
 * Notes whether this database has sealed keys.  Does nothing when the database
 * has no entry.
 */
extern void session_database_set_sealed(bool sealed);

/* Returns another database that has sealed keys; InvalidOid when none has. */
extern Oid	session_database_find_other_sealed(void);

/*
 * Returns true for the first call in this database since the server started,
 * and false for later ones.  The first caller checks the master key.
 */
extern bool session_database_is_first_key_check(void);

/*
 * Notes, and returns, that the launcher has started a worker in every database
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
