/*
 * redact.h
 *	  Removes tokens, cookies and keys from texts.
 *
 * A token of either kind, or a bound cookie, is replaced by st_, rt_ or sb_
 * and its public id as a uuid.  It is a prefix that is followed by at least 64
 * characters of base64url, in any surroundings; the same in the hexadecimal of
 * a bytea; and the part of it that a cut leaves, as described in redact.c.
 * All characters of base64url that follow are removed as well.
 *
 * A token of session_csrf_token(), with the prefix sc_, and an identity on its
 * way to another server, with the prefix sx_, are found in the same way and
 * replaced by (redacted), because they have no public id.
 *
 * A compact, jwt or jwe cookie, snapshot or JWT is replaced by (redacted).  A
 * sealed one cannot be told from other text.  So are the private members of a
 * JWK, and the arguments of functions that import keys if they are literals.
 */
#ifndef SESSION_REDACT_H
#define SESSION_REDACT_H

/*
 * Returns the size of the redacted text with its terminator; 0 when nothing
 * has to be redacted.
 */
extern size_t session_redact_size(const char *text);

/* Writes the redacted text; out has the size of session_redact_size. */
extern void session_redact_write(char *out, const char *text);

#endif							/* SESSION_REDACT_H */
