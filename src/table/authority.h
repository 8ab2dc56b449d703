/*
 * authority.h
 *	  Running code as another role, such as the owner of our tables.
 */
#ifndef SESSION_AUTHORITY_H
#define SESSION_AUTHORITY_H

/* The role and the settings to return to. */
typedef struct SessionAuthority
{
	Oid			user;
	int			context;		/* security context */
	int			level;			/* nesting level of settings */
} SessionAuthority;

/*
 * Switches to a role, with a search path that the caller cannot influence, and
 * saves the current role in *before.  Switch back with
 * session_authority_give_back.  After an error, the end of the transaction or
 * subtransaction switches back.
 */
extern void session_authority_take(SessionAuthority *before, Oid role);

/* Switches back to the role that session_authority_take saved. */
extern void session_authority_give_back(const SessionAuthority *before);

#endif							/* SESSION_AUTHORITY_H */
