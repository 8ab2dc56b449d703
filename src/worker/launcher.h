/*
 * launcher.h
 *	  Who has upkeep done.
 */
#ifndef SESSION_LAUNCHER_H
#define SESSION_LAUNCHER_H

/* Has the server start the launcher; called once, while preloading. */
extern void session_launcher_init(void);

extern PGDLLEXPORT void session_launcher_main(Datum arg);

#endif							/* SESSION_LAUNCHER_H */
