/*
 * base64url.c
 *	  Strict base64url in a time that depends on the length alone.
 *
 * Rules: the bytes are often secret, so characters are mapped by arithmetic
 * instead of tables and branches: eight at once, as the lanes of an integer,
 * and the rest one by one.  Exactly one text stands for a sequence of
 * bytes: there is no padding, and unused bits are zero.
 */
#include "postgres.h"

#include "port/pg_bswap.h"

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

/* Eight lanes of a byte each, all with the same value. */
#define LANES(value) (UINT64CONST(0x0101010101010101) * (value))

/* Returns all ones in each lane with lo <= value <= hi; all are below 128. */
static inline uint64
lanes_in_range(uint64 lanes, uint64 lo, uint64 hi)
{
	uint64		least = lanes + LANES(0x80 - lo);
	uint64		above = lanes + LANES(0x7F - hi);

	return ((least & ~above & LANES(0x80)) >> 7) * 0xFF;
}

/* Writes 6 bytes as 8 characters, after reading them. */
static inline void
encode_lanes(char *out, const uint8 *in)
{
	uint64		bits = 0;
	uint64		lanes;

	memcpy(&bits, in, 6);
	lanes = pg_ntoh64(bits) >> 16;
	lanes = ((lanes << 8) & UINT64CONST(0x00FFFFFF00000000)) |
		(lanes & UINT64CONST(0x0000000000FFFFFF));
	lanes = ((lanes << 4) & UINT64CONST(0x0FFF00000FFF0000)) |
		(lanes & UINT64CONST(0x00000FFF00000FFF));
	lanes = ((lanes << 2) & UINT64CONST(0x3F003F003F003F00)) |
		(lanes & UINT64CONST(0x003F003F003F003F));

	/* No lane overflows into another. */
	lanes = lanes
		+ (lanes_in_range(lanes, 0, 25) & LANES('A'))
		+ (lanes_in_range(lanes, 26, 51) & LANES('a' - 26))
		+ (lanes_in_range(lanes, 63, 63) & LANES('_' - 63))
		- (lanes_in_range(lanes, 52, 61) & LANES(52 - '0'))
		- (lanes_in_range(lanes, 62, 62) & LANES(62 - '-'));
	lanes = pg_hton64(lanes);
	memcpy(out, &lanes, 8);
}

/*
 * Reads 8 characters into 6 bytes.  Returns zero if all are of the alphabet.
 */
static inline uint64
decode_lanes(uint8 *out, const char *in)
{
	uint64		chars;
	uint64		lanes;
	uint64		upper;
	uint64		lower;
	uint64		digit;
	uint64		dash;
	uint64		line;
	uint64		bad;

	memcpy(&chars, in, 8);
	chars = pg_ntoh64(chars);
	lanes = chars & LANES(0x7F);
	upper = lanes_in_range(lanes, 'A', 'Z');
	lower = lanes_in_range(lanes, 'a', 'z');
	digit = lanes_in_range(lanes, '0', '9');
	dash = lanes_in_range(lanes, '-', '-');
	line = lanes_in_range(lanes, '_', '_');
	bad = (chars & LANES(0x80)) | ~(upper | lower | digit | dash | line);

	/* No lane overflows into another. */
	lanes = lanes + (digit & LANES(52 - '0')) + (dash & LANES(62 - '-'))
		- (upper & LANES('A')) - (lower & LANES('a' - 26))
		- (line & LANES('_' - 63));
	lanes = ((lanes & UINT64CONST(0x3F003F003F003F00)) >> 2) |
		(lanes & UINT64CONST(0x003F003F003F003F));
	lanes = ((lanes & UINT64CONST(0x0FFF00000FFF0000)) >> 4) |
		(lanes & UINT64CONST(0x00000FFF00000FFF));
	lanes = ((lanes & UINT64CONST(0x00FFFFFF00000000)) >> 8) |
		(lanes & UINT64CONST(0x0000000000FFFFFF));
	lanes = pg_hton64(lanes << 16);
	memcpy(out, &lanes, 6);
	return bad;
}

/* Writes bytes as base64url. */
void
session_base64url_encode(char *out, const uint8 *in, size_t len)
{
	uint32		bits = 0;
	int			held = 0;

	for (; len >= 6; len -= 6, in += 6, out += 8)
		encode_lanes(out, in);
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
	uint64		bad = 0;
	int			held = 0;

	if (len % 4 == 1)
		return false;
	for (; len >= 8; len -= 8, in += 8, out += 6)
		bad |= decode_lanes(out, in);
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
