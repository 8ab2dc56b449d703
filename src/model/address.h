/*
 * address.h
 *	  Addresses of clients as values of the type inet.
 */
#ifndef SESSION_ADDRESS_H
#define SESSION_ADDRESS_H

#include "utils/inet.h"

/*
 * Returns the address that session_forwarded_address reads, palloc'd; NULL if
 * there is none.
 */
extern inet *session_address_forwarded(const char *value, size_t len,
									   int hops);

#endif							/* SESSION_ADDRESS_H */
