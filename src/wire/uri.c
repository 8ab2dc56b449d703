/*
 * uri.c
 *	  Absolute URIs of http and https, in one spelling (RFC 3986 section 6).
 *
 * Rules:
 * - Nothing is added that the URI does not say, but the path / for none.
 * - Escapes are normalized before dot segments are removed, because %2E is a
 *	 dot.
 */
#include "postgres.h"

#include "wire/hex.h"
#include "wire/uri.h"

/* A scheme, and the port that stands for none. */
typedef struct Scheme
{
	const char *start;
	const char *port;
} Scheme;

static const Scheme schemes[] = {
	{"https://", ":443"},
	{"http://", ":80"},
};

/* Returns the scheme that a text begins with, in any case; or NULL. */
static const Scheme *
find_scheme(const char *uri, size_t len)
{
	for (size_t i = 0; i < lengthof(schemes); i++)
	{
		size_t		start_len = strlen(schemes[i].start);

		if (len >= start_len &&
			pg_strncasecmp(uri, schemes[i].start, start_len) == 0)
			return &schemes[i];
	}
	return NULL;
}

/* Returns whether a text begins as an absolute URI does. */
bool
session_uri_has_scheme(const char *uri, size_t len)
{
	return find_scheme(uri, len) != NULL;
}

/* Returns whether a character is never escaped (RFC 3986 section 2.3). */
static bool
is_unreserved(uint8 c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		(c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
}

/* Writes the escape of a byte; returns the place behind it. */
static char *
put_escape(char *out, uint8 byte)
{
	static const char digits[] = "0123456789ABCDEF";

	*out++ = '%';
	*out++ = digits[byte >> 4];
	*out++ = digits[byte & 15];
	return out;
}

/*
 * Copies a part of a URI with its escapes in one spelling.  Returns the place
 * behind the copy; NULL for an invalid escape and for a character that no URI
 * contains.
 */
static char *
put_uri_part(char *out, const char *part, size_t len)
{
	for (size_t i = 0; i < len; i++)
	{
		uint8		c = (uint8) part[i];

		if (c == '%')
		{
			int			high = i + 2 < len ? session_hex_digit(part[i + 1]) : -1;
			int			low = i + 2 < len ? session_hex_digit(part[i + 2]) : -1;

			if (high < 0 || low < 0)
				return NULL;
			c = (uint8) (high << 4 | low);
			if (is_unreserved(c))
				*out++ = (char) c;
			else
				out = put_escape(out, c);
			i += 2;
		}
		else if (c <= ' ' || c == 0x7f)
			return NULL;
		else if (c > 0x7f)
			out = put_escape(out, c);
		else
			*out++ = (char) c;
	}
	return out;
}

/* Returns how many bytes there are before the first of some characters. */
static size_t
length_before(const char *text, size_t len, const char *ends)
{
	size_t		i = 0;

	while (i < len && (text[i] == '\0' || strchr(ends, text[i]) == NULL))
		i++;
	return i;
}

/*
 * Returns the length of a host without the port that follows it, if there is
 * one; 0 if there is no host or what follows is no port.
 */
static size_t
host_length(const char *authority, size_t len)
{
	size_t		host = 0;

	/* The colons of an address are in brackets. */
	if (len > 0 && authority[0] == '[')
		host = length_before(authority, len, "]");
	host += length_before(authority + host, len - host, ":");
	for (size_t i = host + 1; i < len; i++)
		if (authority[i] < '0' || authority[i] > '9')
			return 0;
	return host;
}

/*
 * Brings a host, with or without a port, into one spelling in place.  Returns
 * its length; 0 for none.
 */
static size_t
normalize_authority(char *authority, size_t len, const char *port)
{
	size_t		host = host_length(authority, len);

	/* An escape that is left is in upper case. */
	for (size_t i = 0; i < len; i++)
	{
		if (authority[i] == '%')
			i += 2;
		else
			authority[i] = (char) pg_ascii_tolower((unsigned char) authority[i]);
	}
	if (host == 0)
		return 0;
	if (len == host + 1 || (len == host + strlen(port) &&
							memcmp(authority + host, port, strlen(port)) == 0))
		return host;
	return len;
}

/*
 * Removes the dot segments of a path in place (RFC 3986 section 5.2.4).  The
 * path begins with a slash.  Returns its length.
 */
static size_t
remove_dots(char *path, size_t len)
{
	size_t		written = 0;
	size_t		i = 0;

	while (i < len)
	{
		/* A segment with the slash before it. */
		size_t		segment = 1 + length_before(path + i + 1, len - i - 1, "/");
		bool		last = i + segment == len;

		if (segment == 2 && path[i + 1] == '.')
		{
			if (last)
				path[written++] = '/';
		}
		else if (segment == 3 && path[i + 1] == '.' && path[i + 2] == '.')
		{
			while (written > 0 && path[--written] != '/')
				continue;
			if (last)
				path[written++] = '/';
		}
		else
		{
			memmove(path + written, path + i, segment);
			written += segment;
		}
		i += segment;
	}
	return written;
}

/*
 * Writes the path that begins a text, or the path / if there is none.  Returns
 * the place behind it, or NULL if it is not valid.
 */
static char *
put_path(char *out, const char *text, size_t len)
{
	size_t		path_len = length_before(text, len, "?#");
	char	   *end = put_uri_part(out, text, path_len);

	if (end == NULL)
		return NULL;
	if (end == out)
		*end++ = '/';
	return out + remove_dots(out, end - out);
}

/* Writes a URI in one spelling, without query and fragment. */
bool
session_uri_normalize(char out[SESSION_URI_NORMAL_BYTES], size_t *out_len,
					  const char *uri, size_t len)
{
	const Scheme *scheme = find_scheme(uri, len);
	size_t		authority_len;
	char	   *host;
	char	   *end;

	if (scheme == NULL || len > SESSION_URI_BYTES)
		return false;
	memcpy(out, scheme->start, strlen(scheme->start));
	host = out + strlen(scheme->start);
	uri += strlen(scheme->start);
	len -= strlen(scheme->start);

	authority_len = length_before(uri, len, "/?#");
	if (memchr(uri, '@', authority_len) != NULL)
		return false;
	end = put_uri_part(host, uri, authority_len);
	if (end == NULL)
		return false;
	end = host + normalize_authority(host, end - host, scheme->port);
	if (end == host)
		return false;
	end = put_path(end, uri + authority_len, len - authority_len);
	if (end == NULL)
		return false;
	*out_len = end - out;
	return true;
}

/* Returns whether two texts are the same URI. */
bool
session_uri_same(const char *a, size_t a_len, const char *b, size_t b_len)
{
	char		normal_a[SESSION_URI_NORMAL_BYTES];
	char		normal_b[SESSION_URI_NORMAL_BYTES];

	return session_uri_normalize(normal_a, &a_len, a, a_len) &&
		session_uri_normalize(normal_b, &b_len, b, b_len) &&
		a_len == b_len && memcmp(normal_a, normal_b, a_len) == 0;
}

/* Returns whether a text is the origin of a URI. */
bool
session_uri_is_origin(const char *origin, size_t origin_len, const char *uri,
					  size_t uri_len)
{
	char		normal[SESSION_URI_NORMAL_BYTES];
	char		normal_uri[SESSION_URI_NORMAL_BYTES];
	const Scheme *scheme = find_scheme(origin, origin_len);
	size_t		start_len = scheme == NULL ? 0 : strlen(scheme->start);

	if (scheme == NULL ||
		length_before(origin + start_len, origin_len - start_len, "/?#") !=
		origin_len - start_len)
		return false;
	/* In one spelling, both have a slash after the authority. */
	return session_uri_normalize(normal, &origin_len, origin, origin_len) &&
		session_uri_normalize(normal_uri, &uri_len, uri, uri_len) &&
		uri_len >= origin_len && memcmp(normal, normal_uri, origin_len) == 0;
}
