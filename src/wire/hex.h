/*
 * hex.h
 *	  Hexadecimal digits.
 */
#ifndef SESSION_HEX_H
#define SESSION_HEX_H

/* Returns the value of a digit in either case, or -1. */
static inline int
session_hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

#endif							/* SESSION_HEX_H */
