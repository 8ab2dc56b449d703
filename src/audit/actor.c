/*
 * actor.c
 *	  Who did what an event says: a user, a database role, or the worker.
 *
 * Rules:
 * - The role is the one that the client has set, or logged in as.  It is not
 *	 the current user, which is the owner while our statements run, and the
 *	 owner of a SECURITY DEFINER function in one.  PostgREST sets it for each
 *	 request with SET LOCAL ROLE.
 * - The bound identity is known to the engine, which is above this folder.  It
 *	 registers a function that returns the user.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"

#include "audit/actor.h"
#include "compat.h"

static const text *(*user_source) (void) = NULL;
static bool in_worker = false;

/* Registers the function that returns the user of the bound identity. */
void
session_actor_set_user_source(const text *(*user) (void))
{
	user_source = user;
}

/* Says that this process is a background worker of the extension. */
void
session_actor_set_worker(void)
{
	in_worker = true;
}

/* Returns the name of a kind of actor. */
const char *
session_actor_kind_name(SessionActorKind kind)
{
	static const char *const names[] = {
		[SESSION_ACTOR_ROLE] = "role",
		[SESSION_ACTOR_USER] = "user",
		[SESSION_ACTOR_WORKER] = "worker"
	};

	return names[kind];
}

/* Returns the user of the bound identity, or NULL. */
static const text *
bound_user(void)
{
	return user_source == NULL || in_worker ? NULL : user_source();
}

static void
set_actor(SessionActor *actor, SessionActorKind kind, const char *name,
		  int len)
{
	actor->kind = kind;
	actor->name = cstring_to_text_with_len(name, len);
}

/* Sets the actor to a role; InvalidOid stands for the worker. */
static void
set_role_actor(SessionActor *actor, Oid role)
{
	char	   *name;

	if (!OidIsValid(role))
	{
		set_actor(actor, SESSION_ACTOR_WORKER, SESSION_ACTOR_WORKER_NAME,
				  strlen(SESSION_ACTOR_WORKER_NAME));
		return;
	}
	name = GetUserNameFromId(role, true);
	if (name == NULL)
		name = psprintf("%u", role);
	set_actor(actor, SESSION_ACTOR_ROLE, name, strlen(name));
}

/* Returns the role of the client; InvalidOid in the worker. */
static Oid
acting_role(void)
{
	return in_worker ? InvalidOid : GetOuterUserId();
}

/* Sets the actor to who acts now. */
void
session_actor_current(SessionActor *actor)
{
	const text *user = bound_user();

	if (user != NULL)
		set_actor(actor, SESSION_ACTOR_USER, VARDATA_ANY(user),
				  VARSIZE_ANY_EXHDR(user));
	else
		set_role_actor(actor, acting_role());
}

/* Notes who acts now. */
void
session_actor_note(SessionActorNote *note)
{
	const text *user = bound_user();

	memset(note, 0, sizeof(*note));
	note->role = acting_role();
	if (user != NULL && VARSIZE_ANY_EXHDR(user) <= SESSION_ACTOR_USER_BYTES)
		memcpy(note->user, VARDATA_ANY(user), VARSIZE_ANY_EXHDR(user));
}

/* Sets the actor to the one of a note. */
void
session_actor_of_note(SessionActor *actor, const SessionActorNote *note)
{
	if (note->user[0] != '\0')
		set_actor(actor, SESSION_ACTOR_USER, note->user, strlen(note->user));
	else
		set_role_actor(actor, note->role);
}
