/*
 * base64url.h
 *	  base64url (RFC 4648 section 5) without padding, for cookies and tokens.
 */
#ifndef SESSION_BASE64URL_H
#define SESSION_BASE64URL_H

/* Characters that "len" bytes are encoded as. */
#define SESSION_BASE64URL_CHARS(len) (((len) * 4 + 2) / 3)

/* Most bytes that "len" characters are decoded to. */
#define SESSION_BASE64URL_BYTES(len) ((len) * 3 / 4)

/*
 * Writes SESSION_BASE64URL_CHARS(len) characters without a terminator.  The
 * input may overlap the output if both end at the same place.
 */
extern void session_base64url_encode(char *out, const uint8 *in, size_t len);

/*
 * Writes SESSION_BASE64URL_BYTES(len) bytes.  Returns false, with nothing
 * usable in "out", for a character outside the alphabet, padding, an
 * impossible length, or unused bits that are not zero.
 */
extern pg_nodiscard bool session_base64url_decode(uint8 *out, const char *in,
												  size_t len);

#endif							/* SESSION_BASE64URL_H */
