/*
 * address.h
 *	  Addresses of clients as values of the type inet.
 */
#ifndef SESSION_ADDRESS_H
#define SESSION_ADDRESS_H

#include "utils/inet.h"

/*
 * Room for an address.  A variable of the type inet may be at any address,
 * but the server reads the length of a value as an integer.
 */
typedef union SessionAddress
{
	inet		ip;
	int32		length;
} SessionAddress;

/*
 * Returns the address that session_forwarded_address reads, palloc'd; NULL if
 * there is none.
 */
extern inet *session_address_forwarded(const char *value, size_t len,
									   int hops);

#endif							/* SESSION_ADDRESS_H */
