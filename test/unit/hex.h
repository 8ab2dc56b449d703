/*
 * hex.h
 *	  Known answers of the tests are written in hexadecimal.
 */
#ifndef SESSION_HEX_H
#define SESSION_HEX_H

/* Converts pairs of digits to bytes. Returns the number of bytes. */
static inline size_t
from_hex(uint8 *out, const char *hex)
{
	size_t		len = strlen(hex) / 2;

	for (size_t i = 0; i < len; i++)
	{
		char		pair[3] = {hex[2 * i], hex[2 * i + 1], '\0'};

		out[i] = (uint8) strtoul(pair, NULL, 16);
	}
	return len;
}

/* Returns whether the bytes are those that hex describes. */
static inline bool
is_hex(const uint8 *bytes, size_t len, const char *hex)
{
	uint8		expected[512];

	return strlen(hex) == 2 * len && from_hex(expected, hex) == len &&
		memcmp(bytes, expected, len) == 0;
}

#endif							/* SESSION_HEX_H */
