/*
 * live.h
 *	  Ends the identity of a transaction when its session ends.
 */
#ifndef SESSION_LIVE_H
#define SESSION_LIVE_H

/*
 * Installs the hooks; called once, from _PG_init, and only when the library is
 * preloaded.
 */
extern void session_live_init(void);

#endif							/* SESSION_LIVE_H */
