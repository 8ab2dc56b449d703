/*
 * log.h
 *	  Keeps tokens out of the server's log.
 */
#ifndef SESSION_ENGINE_LOG_H
#define SESSION_ENGINE_LOG_H

/* Installs the log hook; called once, from _PG_init. */
extern void session_log_init(void);

#endif							/* SESSION_ENGINE_LOG_H */
