/*
 * redact.h
 *	  Keeping tokens out of the server's log.
 */
#ifndef SESSION_ENGINE_REDACT_H
#define SESSION_ENGINE_REDACT_H

/* Looks at what is logged from now on; called once, from _PG_init. */
extern void session_redact_init(void);

#endif							/* SESSION_ENGINE_REDACT_H */
