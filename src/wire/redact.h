/*
 * redact.h
 *	  Texts that may hold tokens and cookies, without what is secret in them.
 *
 * A token of either kind becomes st_ or rt_ and its public id as a uuid.
 * Found, and never mind what stands around it, is a prefix with 64 characters
 * of base64url or more behind it; the same in the hexadecimal of a bytea; and
 * what a cut leaves of a token.  Everything of base64url that follows goes
 * too.  See redact.c for what a cut leaves.
 *
 * A compact, jwt or jwe cookie, snapshot or JWT becomes (redacted).  Those that
 * are sealed cannot be told from other text.
 */
#ifndef SESSION_REDACT_H
#define SESSION_REDACT_H

/*
 * The room that the text without its tokens and cookies takes, with the
 * terminator; 0 when there is none in it.
 */
extern size_t session_redact_size(const char *text);

/* Writes that; out has the room. */
extern void session_redact_write(char *out, const char *text);

#endif							/* SESSION_REDACT_H */
