/*
 * launcher.h
 *	  Starts a worker in each database that has upkeep to do.
 */
#ifndef SESSION_LAUNCHER_H
#define SESSION_LAUNCHER_H

/* Registers the launcher; called once, from _PG_init, while preloading. */
extern void session_launcher_init(void);

/* The entry point of the launcher. */
extern PGDLLEXPORT void session_launcher_main(Datum arg);

#endif							/* SESSION_LAUNCHER_H */
