/*
 * redact.h
 *	  Texts that may hold tokens, without what is secret in them.
 *
 * A token of either kind becomes st_ or rt_ and its public id as a uuid.
 * Found, and never mind what stands around it, is a prefix with 64 characters
 * of base64url or more behind it; the same in the hexadecimal of a bytea; and
 * what a cut leaves of a token.  Everything of base64url that follows goes
 * too.  See redact.c for what a cut leaves.
 */
#ifndef SESSION_REDACT_H
#define SESSION_REDACT_H

/*
 * The room that the text without its tokens takes, with the terminator; 0
 * when there is no token in it.
 */
extern size_t session_redact_size(const char *text);

/* Writes that; out has the room. */
extern void session_redact_write(char *out, const char *text);

#endif							/* SESSION_REDACT_H */
