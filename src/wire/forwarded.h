/*
 * forwarded.h
 *	  The address of a client, as proxies write it into a request.
 *
 * The function raises no errors and allocates nothing.
 */
#ifndef SESSION_FORWARDED_H
#define SESSION_FORWARDED_H

#include "c.h"

/*
 * How many bytes are read, from the end of a value.  What a client writes
 * stands at the beginning, so it cannot push the proxies' part out.
 */
#define SESSION_FORWARDED_BYTES 8192

/* An address: the first 4 bytes for IPv4, 16 for IPv6. */
typedef struct SessionForwardedAddress
{
	bool		is_v6;
	uint8		bytes[16];
} SessionForwardedAddress;

/*
 * Reads an address from a value of X-Forwarded-For, Forwarded (RFC 7239) or
 * X-Real-IP.  `hops`, at least 1, is the number of trusted proxies.  Each of
 * them adds one element at the end, so the client's address is in element
 * number `hops` from the right.  An IPv4-mapped address is read as IPv4, and a
 * port or zone is left out.
 *
 * Returns false if that element has no address, or if there are fewer.  No
 * other element is read in its place: a client may have written it.
 */
extern pg_nodiscard bool session_forwarded_address(SessionForwardedAddress *address,
												   const char *value,
												   size_t len, int hops);

#endif							/* SESSION_FORWARDED_H */
