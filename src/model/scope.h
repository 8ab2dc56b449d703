/*
 * scope.h
 *	  Scopes (RFC 6749, section 3.3): what a derived session may do.
 *
 * They are words (see words.h).  NULL = everything; without words, nothing.
 *
 * A scope that ends with ":*" covers every scope that begins with what stands
 * before the asterisk, and "*" covers all.  An asterisk elsewhere is an
 * ordinary character, and case matters.
 *
 * Nothing here needs a server.  Words are bytes that need no terminator.
 */
#ifndef SESSION_SCOPE_H
#define SESSION_SCOPE_H

/* Most scopes of a session, and longest scope in bytes. */
#define SESSION_SCOPES 64
#define SESSION_SCOPE_BYTES 128

/*
 * Returns whether some bytes are a scope: 1 to SESSION_SCOPE_BYTES printable
 * ASCII characters without space, quotation mark and backslash.
 */
extern bool session_scope_is_name(const char *name, size_t len);

/* Returns whether one of the words covers a scope. */
extern bool session_scope_covers(const char *words, size_t len,
								 const char *scope, size_t scope_len);

/* Returns whether the words together cover each of the words wanted. */
extern bool session_scope_covers_all(const char *words, size_t len,
									 const char *wanted, size_t wanted_len);

#endif							/* SESSION_SCOPE_H */
