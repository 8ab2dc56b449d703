/*
 * forwarded.c
 *	  The address of a client, as proxies write it into a request.
 *
 * A value is a list of elements between commas.  An element is either a node,
 * as in X-Forwarded-For and X-Real-IP, or pairs of a name and a value, as in
 * Forwarded (RFC 7239 section 4); the node is then the value of "for".  A node
 * (section 6) is an address with or without a port, "unknown", or a name that
 * hides the address.
 *
 * Rules:
 * - Elements are found from the right.  The trusted proxies' elements are well
 *	 formed and stand at the end, so nothing that a client wrote before them,
 *	 such as a quote that is never closed, changes where they begin.
 * - An empty element counts, because a proxy that does not know the address
 *	 may have written it.
 * - An address is complete and is nothing else: no network, no name of a host,
 *	 no leading zeros in IPv4, which some programs read as octal numbers.
 */
#include "postgres.h"

#include <arpa/inet.h>

#include "wire/forwarded.h"

/* Longest node: an address, brackets, a zone and a port. */
#define NODE_BYTES 128

/* What is left to read of an element. */
typedef struct ElementRest
{
	const char *at;
	const char *end;
} ElementRest;

/* The value of a pair; `fits` is false if it is too long to be a node. */
typedef struct PairValue
{
	char		chars[NODE_BYTES];
	size_t		len;
	bool		fits;
} PairValue;

static bool
is_white(char c)
{
	return c == ' ' || c == '\t';
}

static bool
is_decimal(char c)
{
	return c >= '0' && c <= '9';
}

/* Returns whether a character may stand in an obfuscated name or a zone. */
static bool
is_label(char c)
{
	return is_decimal(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		c == '.' || c == '_' || c == '-';
}

/*
 * Elements
 */

/* Returns whether an odd number of backslashes stands before a position. */
static bool
is_escaped(const char *value, size_t first, size_t at)
{
	size_t		before = at;

	while (before > first && value[before - 1] == '\\')
		before--;
	return (at - before) % 2 == 1;
}

/*
 * Finds element number n from the right.  Returns false if it does not begin
 * within the bytes that are read.
 */
static bool
find_element(ElementRest *element, const char *value, size_t len, int n)
{
	size_t		first = len - Min(len, SESSION_FORWARDED_BYTES);
	size_t		at = len;
	bool		quoted = false;

	element->end = value + len;
	while (at > first)
	{
		at--;
		if (value[at] == '"' && !is_escaped(value, first, at))
			quoted = !quoted;
		if (value[at] != ',' || quoted)
			continue;
		element->at = value + at + 1;
		if (n-- == 1)
			return true;
		element->end = value + at;
	}
	element->at = value;
	return first == 0 && n == 1;
}

static void
skip_white(ElementRest *rest)
{
	while (rest->at < rest->end && is_white(*rest->at))
		rest->at++;
}

/* Removes white space at both ends. */
static void
trim(ElementRest *rest)
{
	skip_white(rest);
	while (rest->end > rest->at && is_white(rest->end[-1]))
		rest->end--;
}

/*
 * Pairs
 */

static void
put_char(PairValue *value, char c)
{
	if (value->len < NODE_BYTES)
		value->chars[value->len++] = c;
	else
		value->fits = false;
}

/*
 * Reads a name, or a value without quotes.  RFC 7239 allows only characters of
 * a token, but proxies also write addresses with a port without quotes.
 */
static bool
read_plain(ElementRest *rest, PairValue *value, const char *stop)
{
	const char *first = rest->at;

	while (rest->at < rest->end && *rest->at > ' ' && *rest->at < 0x7F &&
		   strchr(stop, *rest->at) == NULL)
		put_char(value, *rest->at++);
	return rest->at > first;
}

/* Reads a value in quotes; a backslash quotes the next character. */
static bool
read_quoted(ElementRest *rest, PairValue *value)
{
	for (rest->at++; rest->at < rest->end; rest->at++)
	{
		if (*rest->at == '"')
		{
			rest->at++;
			return true;
		}
		if (*rest->at == '\\' && ++rest->at == rest->end)
			return false;
		put_char(value, *rest->at);
	}
	return false;
}

/* Reads a name, an equals sign and a value. */
static bool
read_pair(ElementRest *rest, PairValue *name, PairValue *value)
{
	if (!read_plain(rest, name, "=;\"") || rest->at == rest->end ||
		*rest->at++ != '=' || rest->at == rest->end)
		return false;
	return *rest->at == '"' ? read_quoted(rest, value) :
		read_plain(rest, value, ";\"");
}

/* Reads the next pair, if there is one before the next semicolon. */
static bool
read_between(ElementRest *rest, PairValue *name, PairValue *value)
{
	name->len = value->len = 0;
	name->fits = value->fits = true;
	skip_white(rest);
	if (rest->at < rest->end && *rest->at != ';' &&
		!read_pair(rest, name, value))
		return false;
	skip_white(rest);
	return rest->at == rest->end || *rest->at++ == ';';
}

static bool
is_for(const PairValue *name)
{
	return name->len == 3 && pg_strncasecmp(name->chars, "for", 3) == 0;
}

/*
 * Reads the value of "for" among pairs between semicolons.  Returns false if
 * there is none or more than one, or if the pairs are not well formed.
 */
static bool
read_for(PairValue *node, ElementRest *rest)
{
	PairValue	name;
	PairValue	value;
	bool		found = false;

	while (rest->at < rest->end)
	{
		if (!read_between(rest, &name, &value))
			return false;
		if (!is_for(&name))
			continue;
		if (found)
			return false;
		found = true;
		*node = value;
	}
	return found && node->fits;
}

/*
 * Nodes
 */

/* Returns whether a text has only characters of a label, and at least one. */
static bool
is_labels(const char *chars, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!is_label(chars[i]))
			return false;
	return len > 0;
}

/* Returns whether a text is a colon and a port, or an obfuscated port. */
static bool
is_port(const char *chars, size_t len)
{
	if (len < 2 || chars[0] != ':')
		return false;
	if (chars[1] == '_')
		return is_labels(chars + 2, len - 2);
	for (size_t i = 1; i < len; i++)
		if (!is_decimal(chars[i]))
			return false;
	return len <= sizeof(":65535") - 1;
}

/* Reads an address of a family. */
static bool
read_address(uint8 *bytes, int family, const char *chars, size_t len)
{
	char		copy[INET6_ADDRSTRLEN];

	if (len >= sizeof(copy) || memchr(chars, '\0', len) != NULL)
		return false;
	memcpy(copy, chars, len);
	copy[len] = '\0';
	return inet_pton(family, copy, bytes) == 1;
}

static bool
read_v4(SessionForwardedAddress *address, const char *chars, size_t len)
{
	address->is_v6 = false;
	return read_address(address->bytes, AF_INET, chars, len);
}

/* Reads an IPv6 address with or without a zone. */
static bool
read_v6(SessionForwardedAddress *address, const char *chars, size_t len)
{
	static const uint8 mapped[12] = {[10] = 0xFF,[11] = 0xFF};
	const char *zone = memchr(chars, '%', len);
	size_t		address_len = zone == NULL ? len : (size_t) (zone - chars);

	if (zone != NULL && !is_labels(zone + 1, len - address_len - 1))
		return false;
	if (!read_address(address->bytes, AF_INET6, chars, address_len))
		return false;
	address->is_v6 = memcmp(address->bytes, mapped, sizeof(mapped)) != 0;
	if (!address->is_v6)
		memmove(address->bytes, address->bytes + sizeof(mapped), 4);
	return true;
}

/* Reads an IPv6 address in brackets, with or without a port. */
static bool
read_bracketed(SessionForwardedAddress *address, const char *chars, size_t len)
{
	const char *bracket = memchr(chars, ']', len);
	size_t		rest_len;

	if (bracket == NULL)
		return false;
	rest_len = len - (bracket + 1 - chars);
	return (rest_len == 0 || is_port(bracket + 1, rest_len)) &&
		read_v6(address, chars + 1, bracket - chars - 1);
}

/* Reads the address of a node. */
static bool
read_node(SessionForwardedAddress *address, const char *chars, size_t len)
{
	const char *colon = memchr(chars, ':', len);
	size_t		rest_len;

	if (len > 0 && chars[0] == '[')
		return read_bracketed(address, chars, len);
	if (colon == NULL)
		return read_v4(address, chars, len);
	rest_len = len - (colon - chars);
	/* With more than one colon, it is an IPv6 address without a port. */
	if (memchr(colon + 1, ':', rest_len - 1) != NULL)
		return read_v6(address, chars, len);
	return is_port(colon, rest_len) &&
		read_v4(address, chars, len - rest_len);
}

/* Reads the client's address from what proxies wrote. */
bool
session_forwarded_address(SessionForwardedAddress *address, const char *value,
						  size_t len, int hops)
{
	ElementRest element;
	PairValue	node;

	if (!find_element(&element, value, len, hops))
		return false;
	trim(&element);
	if (memchr(element.at, '=', element.end - element.at) == NULL)
		return read_node(address, element.at, element.end - element.at);
	return read_for(&node, &element) &&
		read_node(address, node.chars, node.len);
}
