/*
 * hook.h
 *	  Functions of the application that settings name: they get a session.
 */
#ifndef SESSION_ENGINE_HOOK_H
#define SESSION_ENGINE_HOOK_H

#include "model/row.h"

/* Most arguments of such a function, the session included. */
#define SESSION_HOOK_ARGS 4

/* A setting that names such a function, and the form of the function. */
typedef struct SessionHook
{
	const char *setting;		/* name of the setting */
	char	  **name;			/* its value; empty = there is no function */
	const char *takes;			/* "a session_info and ..." */
	const char *returns;		/* a word, with its article if any */
	int			nmore;			/* arguments after the session */
	Oid			more[SESSION_HOOK_ARGS - 1];	/* their types */
	Oid			result;			/* its type */
} SessionHook;

/* Returns whether the setting names a function. */
static inline bool
session_hook_is_set(const SessionHook *hook)
{
	return *hook->name != NULL && (*hook->name)[0] != '\0';
}

/*
 * Calls the function of a setting that is not empty, with a session as it is
 * while it is active, and the other arguments.  Sets *isnull if the result is
 * NULL, as that of a STRICT function is where an argument is NULL.
 *
 * The function is found with the rights of the extension's owner, and runs
 * with the caller's own rights and the search path "pg_catalog, pg_temp".  Its
 * errors go to the caller.
 */
extern Datum session_hook_call(const SessionHook *hook, const SessionRow *row,
							   const NullableDatum * more, bool *isnull);

/* Errors with 22023: says what is wrong with the value of the setting. */
_Noreturn extern void session_hook_refuse(const SessionHook *hook,
										  const char *problem);

#endif							/* SESSION_ENGINE_HOOK_H */
