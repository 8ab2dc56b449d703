/*
 * cookie_header.h
 *	  The values of the Set-Cookie and Cookie headers.
 *
 * A cookie is checked before it is sent: by RFC 6265 section 4.1, and by what
 * browsers require in addition (RFC 6265bis; the __Http- prefixes of its
 * successor, layered cookies).  A cookie that passes the check is safe in a
 * header.  A Cookie header is read by section 4.2, with any content.
 *
 * A value that is too long for one cookie is sent in chunks named name.0,
 * name.1 and so on, as Auth.js does.
 *
 * The functions raise no errors and allocate nothing.
 */
#ifndef SESSION_COOKIE_HEADER_H
#define SESSION_COOKIE_HEADER_H

/*
 * Longest Set-Cookie, in bytes.  Browsers allow that much for name and value
 * alone.  Here the attributes count as well, so that every proxy between the
 * server and the browser lets the header pass.
 */
#define SESSION_COOKIE_BYTES 4096

/* Longest texts, in bytes.  Browsers ignore longer attributes. */
#define SESSION_COOKIE_NAME_BYTES 1024
#define SESSION_COOKIE_PATH_BYTES 1024
#define SESSION_COOKIE_DOMAIN_BYTES 253

/* Most cookies that a value may be split into. */
#define SESSION_COOKIE_CHUNKS 100

/* Longest Max-Age that browsers accept: 400 days. */
#define SESSION_COOKIE_MAX_AGE (400 * 24 * 60 * 60)

/* The max_age of a cookie without Max-Age, and the chunk of a whole cookie. */
#define SESSION_COOKIE_NO_MAX_AGE PG_INT64_MIN
#define SESSION_COOKIE_WHOLE (-1)

typedef enum SessionSameSite
{
	SESSION_SAME_SITE_LAX,
	SESSION_SAME_SITE_STRICT,
	SESSION_SAME_SITE_NONE
} SessionSameSite;

typedef struct SessionCookieText
{
	const char *chars;			/* no terminator */
	size_t		len;
} SessionCookieText;

typedef struct SessionCookie
{
	SessionCookieText name;
	SessionCookieText value;
	SessionCookieText path;		/* empty = derived from the request's path */
	SessionCookieText domain;	/* empty = only the host of the request */
	int64		max_age;		/* in seconds; 0 removes the cookie */
	bool		secure;
	bool		http_only;
	SessionSameSite same_site;
	bool		partitioned;
} SessionCookie;

/* Why a cookie cannot be sent. */
typedef enum SessionCookieFault
{
	SESSION_COOKIE_OK,
	SESSION_COOKIE_BAD_NAME,	/* not a token */
	SESSION_COOKIE_LONG_NAME,
	SESSION_COOKIE_BAD_PATH,	/* not absolute, or not cookie-octets */
	SESSION_COOKIE_LONG_PATH,
	SESSION_COOKIE_BAD_DOMAIN,	/* not the name of a host */
	SESSION_COOKIE_BAD_MAX_AGE,
	SESSION_COOKIE_BAD_VALUE,	/* not cookie-octets */
	SESSION_COOKIE_LONG_VALUE,	/* too long for SESSION_COOKIE_CHUNKS */
	SESSION_COOKIE_PREFIX_SECURE,	/* the name requires Secure */
	SESSION_COOKIE_PREFIX_HTTP_ONLY,	/* the name requires HttpOnly */
	SESSION_COOKIE_PREFIX_PATH, /* the name requires Path=/ */
	SESSION_COOKIE_PREFIX_DOMAIN,	/* the name forbids Domain */
	SESSION_COOKIE_SAME_SITE_SECURE,	/* SameSite=None requires Secure */
	SESSION_COOKIE_PARTITIONED_SECURE	/* Partitioned requires Secure */
} SessionCookieFault;

/* Returns whether a text of any length can be the name of a cookie. */
extern bool session_cookie_header_is_name(const SessionCookieText *name);

/* Reads lax, strict and none, in any case; false for any other text. */
extern pg_nodiscard bool session_cookie_header_same_site(SessionSameSite *same_site,
														 const SessionCookieText *text);

/*
 * Returns the first fault of a cookie in the order above, or
 * SESSION_COOKIE_OK.
 */
extern SessionCookieFault session_cookie_header_check(const SessionCookie *cookie);

/*
 * Returns in how many cookies a value is sent; 0 when it is too long.  Name,
 * path and domain of the cookie have been checked.
 */
extern int	session_cookie_header_chunks(const SessionCookie *cookie);

/*
 * Writes the value of a Set-Cookie header for a checked cookie, at most
 * SESSION_COOKIE_BYTES without a terminator.  Returns its length.  The chunk
 * is a number below the result of session_cookie_header_chunks, or
 * SESSION_COOKIE_WHOLE when that is 1.  To remove a cookie, write it without a
 * value, under the name of any chunk or as a whole.
 */
extern size_t session_cookie_header_write(char *out,
										  const SessionCookie *cookie,
										  int chunk);

/*
 * The cookies of one name in a Cookie header.  The texts point into the
 * header; chars are NULL for a cookie that is missing.
 */
typedef struct SessionCookieFound
{
	SessionCookieText whole;
	SessionCookieText chunks[SESSION_COOKIE_CHUNKS];
} SessionCookieFound;

/* The end of the name of the cookie that holds a session's snapshot. */
#define SESSION_COOKIE_CACHE_SUFFIX "-cache"

/* The end of the name of the cookie that says that a key was proven. */
#define SESSION_COOKIE_BOUND_SUFFIX "-bound"

/*
 * Finds the cookie of exactly the name, and its chunks.  Of several cookies of
 * a name the first counts: browsers send the one with the longer path first,
 * then the older one.
 */
extern void session_cookie_header_find(SessionCookieFound *found,
									   const SessionCookieText *header,
									   const SessionCookieText *name);

/*
 * Sets the length of the value found: that of the whole cookie, or else of all
 * chunks.  Returns false when there is neither, or a chunk is missing.
 */
extern pg_nodiscard bool session_cookie_header_value_len(const SessionCookieFound *found,
														 size_t *len);

/* Writes the value found, as long as that length, without a terminator. */
extern void session_cookie_header_value(char *out,
										const SessionCookieFound *found);

#endif							/* SESSION_COOKIE_HEADER_H */
