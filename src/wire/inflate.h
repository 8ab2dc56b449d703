/*
 * inflate.h
 *	  Decompresses what zlib compressed (RFC 1950).
 */
#ifndef SESSION_INFLATE_H
#define SESSION_INFLATE_H

/*
 * Writes at most "room" bytes and sets their number.  Returns false when the
 * input is not exactly one complete stream, or stands for more bytes.
 */
extern pg_nodiscard bool session_inflate_all(uint8 *out, size_t *out_len,
											 size_t room, const uint8 *in,
											 size_t len);

#endif							/* SESSION_INFLATE_H */
