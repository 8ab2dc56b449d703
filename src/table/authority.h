/*
 * authority.h
 *	  Acting as the owner of our tables on behalf of somebody else.
 */
#ifndef SESSION_AUTHORITY_H
#define SESSION_AUTHORITY_H

/* Who acted before. */
typedef struct SessionAuthority
{
	Oid			user;
	int			context;
	int			level;			/* of settings */
} SessionAuthority;

/*
 * Acts as a role until what was before is given back; an error gives it back
 * with the (sub)transaction.
 */
extern void session_authority_take(SessionAuthority *before, Oid owner);
extern void session_authority_give_back(const SessionAuthority *before);

#endif							/* SESSION_AUTHORITY_H */
