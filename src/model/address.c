/*
 * address.c
 *	  Addresses of clients as values of the type inet.
 */
#include "postgres.h"

#include <sys/socket.h>

#include "compat.h"
#include "model/address.h"
#include "wire/forwarded.h"

/* Returns the address of a client behind proxies; NULL if there is none. */
inet *
session_address_forwarded(const char *value, size_t len, int hops)
{
	SessionForwardedAddress address;
	inet	   *ip;

	if (!session_forwarded_address(&address, value, len, hops))
		return NULL;
	ip = palloc0(sizeof(inet));
	ip_family(ip) = address.is_v6 ? PGSQL_AF_INET6 : PGSQL_AF_INET;
	ip_bits(ip) = ip_maxbits(ip);
	memcpy(ip_addr(ip), address.bytes, ip_addrsize(ip));
	SET_INET_VARSIZE(ip);
	return ip;
}
