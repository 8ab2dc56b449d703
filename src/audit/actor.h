/*
 * actor.h
 *	  Who did what an event says: a user, a database role, or the worker.
 */
#ifndef SESSION_ACTOR_H
#define SESSION_ACTOR_H

#include "c.h"

typedef enum SessionActorKind
{
	SESSION_ACTOR_ROLE,
	SESSION_ACTOR_USER,
	SESSION_ACTOR_WORKER
} SessionActorKind;

/* The worker's name, which pg_stat_activity shows as its backend_type. */
#define SESSION_ACTOR_WORKER_NAME "session worker"

/* A user and a role may have the same name, so a name comes with its kind. */
typedef struct SessionActor
{
	SessionActorKind kind;
	text	   *name;
} SessionActor;

/* Returns the name of a kind of actor, as the column actor_kind has it. */
extern const char *session_actor_kind_name(SessionActorKind kind);

/*
 * Sets *actor to who acts now: the user of the bound identity, or who acts as
 * that user, else the role that the client has set or logged in as, not the
 * owner of a function that is running.  In a background worker of the
 * extension it is the worker.
 */
extern void session_actor_current(SessionActor *actor);

/* Longest user id that a note of an actor holds. */
#define SESSION_ACTOR_USER_BYTES 63

/*
 * A note of who acted, of a fixed size, from which another backend can tell
 * the actor later.  The user's id is kept if it is not too long; otherwise the
 * actor is the role.
 */
typedef struct SessionActorNote
{
	Oid			role;			/* InvalidOid = the worker */
	char		user[SESSION_ACTOR_USER_BYTES + 1]; /* empty = none */
} SessionActorNote;

/* Notes who acts now. */
extern void session_actor_note(SessionActorNote *note);

/*
 * Sets *actor to the one of a note.  A role that has been dropped since is
 * named by its OID.
 */
extern void session_actor_of_note(SessionActor *actor,
								  const SessionActorNote *note);

/*
 * Registers the function that returns the user of the bound identity, or who
 * acts as that user, or NULL.  The identity is known above this folder.
 */
extern void session_actor_set_user_source(const text *(*user) (void));

/* Says that this process is a background worker of the extension. */
extern void session_actor_set_worker(void);

#endif							/* SESSION_ACTOR_H */
