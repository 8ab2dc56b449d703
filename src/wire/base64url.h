/*
 * base64url.h
 *	  RFC 4648 section 5, without padding, as cookies and tokens want it.
 */
#ifndef SESSION_BASE64URL_H
#define SESSION_BASE64URL_H

/* Characters that len bytes become. */
#define SESSION_BASE64URL_CHARS(len) (((len) * 4 + 2) / 3)

/* Bytes that len characters become, at most. */
#define SESSION_BASE64URL_BYTES(len) ((len) * 3 / 4)

/*
 * Writes SESSION_BASE64URL_CHARS(len) characters, no terminator.  The bytes
 * may be the last ones of the room that the characters take.
 */
extern void session_base64url_encode(char *out, const uint8 *in, size_t len);

/*
 * Writes SESSION_BASE64URL_BYTES(len) bytes.  False for a character outside
 * the alphabet, padding, an impossible length, or trailing bits that are not
 * zero; out then holds nothing usable.
 */
extern pg_nodiscard bool session_base64url_decode(uint8 *out, const char *in,
												  size_t len);

#endif							/* SESSION_BASE64URL_H */
