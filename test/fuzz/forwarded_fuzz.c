/*
 * forwarded_fuzz.c
 *	  What a client wrote before the proxies' elements does not change what is
 *	  read, and an address that is read stands in its element.
 */
#include "postgres.h"

#include <arpa/inet.h>

#include "fuzz.h"
#include "wire/forwarded.h"

#define OWN ", for=\"[2001:db8::7]:80\";host=\"a, \\\"b\";by=_x"

/* Requires an address that no other text than its own gives. */
static void
check_address(const SessionForwardedAddress *address)
{
	char text[	INET6_ADDRSTRLEN];
	SessionForwardedAddress again;

	fuzz_require(inet_ntop(address->is_v6 ? AF_INET6 : AF_INET,
						   address->bytes, text, sizeof(text)) != NULL);
	fuzz_require(strncmp(text, "::ffff:", 7) != 0 || strchr(text, '.') == NULL);
	fuzz_require(session_forwarded_address(&again, text, strlen(text), 1));
	fuzz_require(again.is_v6 == address->is_v6);
	fuzz_require(memcmp(again.bytes, address->bytes, address->is_v6 ? 16 : 4) == 0);
}

/* Requires that a trusted proxy's element is read whatever stands before it. */
static void
check_behind(const uint8 *data, size_t size)
{
	size_t		len = size + strlen(OWN);
	char	   *value = malloc(len);
	SessionForwardedAddress address;
	SessionForwardedAddress second;
	SessionForwardedAddress first;
	bool		has_second;

	if (size > 0)
		memcpy(value, data, size);
	memcpy(value + size, OWN, strlen(OWN));
	fuzz_require(session_forwarded_address(&address, value, len, 1));
	fuzz_require(address.is_v6 && address.bytes[15] == 7);
	/* The client's last element is second now. */
	has_second = session_forwarded_address(&second, value, len, 2);
	if (len <= SESSION_FORWARDED_BYTES)
		fuzz_require(has_second ==
					 session_forwarded_address(&first, value, size, 1));
	free(value);
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	char	   *copy = fuzz_copy(data, size);
	SessionForwardedAddress address;

	for (int hops = 1; hops < 5; hops++)
		if (session_forwarded_address(&address, copy, size, hops))
			check_address(&address);
	fuzz_require(!session_forwarded_address(&address, copy, size, size + 2));
	check_behind(data, size);
	free(copy);
	return 0;
}
