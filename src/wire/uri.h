/*
 * uri.h
 *	  Absolute URIs of http and https, in one spelling.
 *
 * The functions raise no errors and allocate nothing.
 */
#ifndef SESSION_URI_H
#define SESSION_URI_H

#include "c.h"

/* Longest URI that is read, in bytes, and longest one that is written. */
#define SESSION_URI_BYTES 4096
#define SESSION_URI_NORMAL_BYTES (3 * SESSION_URI_BYTES + 1)

/*
 * Writes the spelling in which two URIs that RFC 9449 section 4.3 calls the
 * same are equal, without query and fragment, and its length.  That is the
 * normalization of RFC 3986 section 6.2.2 and 6.2.3: scheme and host in lower
 * case, no default port, no escapes of unreserved characters and the others in
 * upper case, no dot segments, and / for an empty path.  Bytes above 127 are
 * escaped.  There is no terminator.
 *
 * Returns false for any other text: another scheme, user information, an
 * invalid escape, a space or a control character.
 */
extern pg_nodiscard bool session_uri_normalize(char out[SESSION_URI_NORMAL_BYTES],
											   size_t *out_len,
											   const char *uri, size_t len);

/* Returns whether two texts are the same URI, as described above. */
extern bool session_uri_same(const char *a, size_t a_len, const char *b,
							 size_t b_len);

/*
 * Returns whether a text is the origin of a URI: scheme, host and port, as
 * browsers write them in the header Origin.  False for the origin null, and
 * for several.
 */
extern bool session_uri_is_origin(const char *origin, size_t origin_len,
								  const char *uri, size_t uri_len);

/* Returns whether a text begins as an absolute URI of http or https does. */
extern bool session_uri_has_scheme(const char *uri, size_t len);

#endif							/* SESSION_URI_H */
