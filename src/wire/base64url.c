/*
 * base64url.c
 *	  Strict base64url in a time that depends on the length alone.
 *
 * Rules: the bytes are often secret, so characters are mapped by arithmetic
 * instead of tables and branches.  Exactly one text stands for a sequence of
 * bytes: there is no padding, and unused bits are zero.
 */
#include "postgres.h"

#include "wire/base64url.h"

/* Returns all ones if lo <= c <= hi, else zero; all are below 256. */
static inline uint32
in_range(uint32 c, uint32 lo, uint32 hi)
{
	return ((lo - 1 - c) & (c - hi - 1)) >> 8;
}

/* Returns the character for a value of 0 to 63. */
static inline char
to_char(uint32 v)
{
	return (char)
		((in_range(v, 0, 25) & (v + 'A')) |
		 (in_range(v, 26, 51) & (v - 26 + 'a')) |
		 (in_range(v, 52, 61) & (v - 52 + '0')) |
		 (in_range(v, 62, 62) & '-') |
		 (in_range(v, 63, 63) & '_'));
}

/* Returns the value of a character, or a number above 63. */
static inline uint32
to_value(char ch)
{
	uint32		c = (unsigned char) ch;
	uint32		upper = in_range(c, 'A', 'Z');
	uint32		lower = in_range(c, 'a', 'z');
	uint32		digit = in_range(c, '0', '9');
	uint32		dash = in_range(c, '-', '-');
	uint32		line = in_range(c, '_', '_');
	uint32		known = upper | lower | digit | dash | line;

	return ((upper & (c - 'A')) |
			(lower & (c - 'a' + 26)) |
			(digit & (c - '0' + 52)) |
			(dash & 62) |
			(line & 63) |
			(~known & 64)) & 0xFF;
}

/* Writes bytes as base64url. */
void
session_base64url_encode(char *out, const uint8 *in, size_t len)
{
	uint32		bits = 0;
	int			held = 0;

	for (size_t i = 0; i < len; i++)
	{
		bits = (bits << 8) | in[i];
		held += 8;
		while (held >= 6)
		{
			held -= 6;
			*out++ = to_char((bits >> held) & 63);
		}
	}
	if (held > 0)
		*out = to_char((bits << (6 - held)) & 63);
}

/* Reads base64url; false for any text that encoding does not write. */
bool
session_base64url_decode(uint8 *out, const char *in, size_t len)
{
	uint32		bits = 0;
	uint32		bad = 0;
	int			held = 0;

	if (len % 4 == 1)
		return false;
	for (size_t i = 0; i < len; i++)
	{
		uint32		value = to_value(in[i]);

		bad |= value >> 6;
		bits = (bits << 6) | (value & 63);
		held += 6;
		if (held >= 8)
		{
			held -= 8;
			*out++ = (uint8) (bits >> held);
		}
	}
	bad |= bits & ((1U << held) - 1);
	return bad == 0;
}
