/*
 * inflate.c
 *	  Decompresses what zlib compressed; the only file that includes zlib.h.
 *
 * Rules: never more is written than the caller has room for, so the memory and
 * the time of a small input that stands for a large output are limited.  zlib
 * allocates its own memory, about 40 kB, and it is freed before the return.
 */
#include "postgres.h"

#include <zlib.h>

#include "wire/inflate.h"

/* Decompresses one complete stream into at most "room" bytes. */
bool
session_inflate_all(uint8 *out, size_t *out_len, size_t room, const uint8 *in,
					size_t len)
{
	z_stream	stream = {0};
	bool		ok;

	if (len > PG_INT32_MAX || room > PG_INT32_MAX)
		return false;
	stream.next_in = unconstify(uint8 *, in);
	stream.avail_in = (uInt) len;
	if (inflateInit(&stream) != Z_OK)
		return false;
	stream.next_out = out;
	stream.avail_out = (uInt) room;
	ok = inflate(&stream, Z_FINISH) == Z_STREAM_END && stream.avail_in == 0;
	*out_len = room - stream.avail_out;
	(void) inflateEnd(&stream);
	return ok;
}
