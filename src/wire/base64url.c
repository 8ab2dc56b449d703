/*
 * base64url.c
 *	  Strict base64url in a time that depends on the length alone.
 *
 * Rules: the bytes are often secret, so characters are mapped by arithmetic
 * instead of tables and branches: eight at once, as the lanes of an integer.
 * Fewer are filled up with characters that stand for zero bits.  Exactly one
 * text stands for a sequence of bytes: there is no padding, and unused bits
 * are zero.
 */
#include "postgres.h"

#include "port/pg_bswap.h"

#include "wire/base64url.h"

/* Eight lanes of a byte each, all with the same value. */
#define LANES(value) (UINT64CONST(0x0101010101010101) * (value))

/* Sets the high bit of each lane that is at least lo; all are below 128. */
static inline uint64
reach(uint64 lanes, uint64 lo)
{
	return lanes + LANES(0x80 - lo);
}

/* Returns 1 in each lane with lo <= value <= hi; all are below 128. */
static inline uint64
lanes_in_range(uint64 lanes, uint64 lo, uint64 hi)
{
	return ((reach(lanes, lo) ^ reach(lanes, hi + 1)) >> 7) & LANES(1);
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
		+ lanes_in_range(lanes, 0, 25) * 'A'
		+ lanes_in_range(lanes, 26, 51) * ('a' - 26)
		+ lanes_in_range(lanes, 63, 63) * ('_' - 63)
		- lanes_in_range(lanes, 52, 61) * (52 - '0')
		- lanes_in_range(lanes, 62, 62) * (62 - '-');
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
	bad = (chars & LANES(0x80)) |
		((upper | lower | digit | dash | line) ^ LANES(1));

	/* No lane overflows into another. */
	lanes = lanes + digit * (52 - '0') + dash * (62 - '-')
		- upper * 'A' - lower * ('a' - 26) - line * ('_' - 63);
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
	uint8		last[6] = {0};
	char		chars[8];

	for (; len >= 6; len -= 6, in += 6, out += 8)
		encode_lanes(out, in);
	if (len == 0)
		return;
	memcpy(last, in, len);
	encode_lanes(chars, last);
	memcpy(out, chars, SESSION_BASE64URL_CHARS(len));
}

/* Reads base64url; false for any text that encoding does not write. */
bool
session_base64url_decode(uint8 *out, const char *in, size_t len)
{
	uint64		bad = 0;
	char		chars[8];
	uint8		last[6];
	size_t		bytes;

	if (len % 4 == 1)
		return false;
	for (; len >= 8; len -= 8, in += 8, out += 6)
		bad |= decode_lanes(out, in);
	if (len == 0)
		return bad == 0;
	bytes = SESSION_BASE64URL_BYTES(len);
	memset(chars, 'A', sizeof(chars));
	memcpy(chars, in, len);
	bad |= decode_lanes(last, chars);
	memcpy(out, last, bytes);
	/* The first of the other bytes has the unused bits. */
	while (bytes < sizeof(last))
		bad |= last[bytes++];
	return bad == 0;
}
