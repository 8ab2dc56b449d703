/*
 * cookie_header.h
 *	  The values of the Set-Cookie and Cookie headers.
 *
 * What is sent obeys RFC 6265 section 4.1 and what browsers ask beyond it
 * (RFC 6265bis; the __Http- prefixes of its successor, layered cookies): it is
 * checked first, and one that passes is safe in a header.  What comes is read
 * as section 4.2 has it, whatever is in it.
 *
 * A value that is too long for one cookie goes out in chunks, name.0, name.1
 * and so on, as Auth.js has them.
 *
 * Nothing here raises or allocates.
 */
#ifndef SESSION_COOKIE_HEADER_H
#define SESSION_COOKIE_HEADER_H

/*
 * Longest Set-Cookie, in bytes.  Browsers count name and value only and allow
 * as much; with the attributes counted too it passes everything between.
 */
#define SESSION_COOKIE_BYTES 4096

/* Longest texts; browsers ignore attributes that are longer. */
#define SESSION_COOKIE_NAME_BYTES 1024
#define SESSION_COOKIE_PATH_BYTES 1024
#define SESSION_COOKIE_DOMAIN_BYTES 253

/* Most cookies that a value may be split into. */
#define SESSION_COOKIE_CHUNKS 100

/* Longest life of a cookie that browsers grant: 400 days. */
#define SESSION_COOKIE_MAX_AGE (400 * 24 * 60 * 60)

/* A cookie that ends with the browser, and one that is not in chunks. */
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
	SessionCookieText path;		/* empty = the request's, by RFC 6265 */
	SessionCookieText domain;	/* empty = the request's host and no other */
	int64		max_age;		/* in seconds; 0 removes the cookie */
	bool		secure;
	bool		http_only;
	SessionSameSite same_site;
	bool		partitioned;
} SessionCookie;

/* What keeps a cookie from being sent. */
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
	SESSION_COOKIE_LONG_VALUE,	/* too long for so many chunks */
	SESSION_COOKIE_PREFIX_SECURE,	/* the name asks for Secure */
	SESSION_COOKIE_PREFIX_HTTP_ONLY,	/* the name asks for HttpOnly */
	SESSION_COOKIE_PREFIX_PATH, /* the name asks for Path=/ */
	SESSION_COOKIE_PREFIX_DOMAIN,	/* the name asks for no Domain */
	SESSION_COOKIE_SAME_SITE_SECURE,	/* SameSite=None asks for Secure */
	SESSION_COOKIE_PARTITIONED_SECURE	/* Partitioned asks for Secure */
} SessionCookieFault;

/* Can it be the name of a cookie?  Its length is not looked at. */
extern bool session_cookie_header_is_name(const SessionCookieText *name);

/* Takes lax, strict and none, in any case; false for anything else. */
extern pg_nodiscard bool session_cookie_header_same_site(SessionSameSite *same_site,
														 const SessionCookieText *text);

/* Says what is wrong with a cookie, in the order of the list. */
extern SessionCookieFault session_cookie_header_check(const SessionCookie *cookie);

/* In how many cookies the value of a checked cookie goes out. */
extern int	session_cookie_header_chunks(const SessionCookie *cookie);

/*
 * Writes the value of one Set-Cookie header, at most SESSION_COOKIE_BYTES and
 * no terminator, and returns its length.  The chunk is a number below what
 * session_cookie_header_chunks gave, or SESSION_COOKIE_WHOLE when it gave 1.
 * A cookie without a value may be written under any of the names, to remove
 * what is there.  Only for cookies that have been checked.
 */
extern size_t session_cookie_header_write(char *out,
										  const SessionCookie *cookie,
										  int chunk);

/*
 * What a Cookie header holds under one name; chars are NULL where there is
 * nothing.  All of them point into the header.
 */
typedef struct SessionCookieFound
{
	SessionCookieText whole;
	SessionCookieText chunks[SESSION_COOKIE_CHUNKS];
} SessionCookieFound;

/* What the name of the cookie that holds a session's snapshot ends with. */
#define SESSION_COOKIE_CACHE_SUFFIX "-cache"

/*
 * Looks for a cookie of exactly the name and for its chunks.  Of several under
 * one name the first counts: browsers send the one of the longer path, then
 * the older one, first.
 */
extern void session_cookie_header_find(SessionCookieFound *found,
									   const SessionCookieText *header,
									   const SessionCookieText *name);

/*
 * The length of the value found: that of the whole cookie, or else of all
 * chunks.  False when there is neither, or a chunk is missing.
 */
extern pg_nodiscard bool session_cookie_header_value_len(const SessionCookieFound *found,
														 size_t *len);

/* Writes the value found, so many bytes, no terminator. */
extern void session_cookie_header_value(char *out,
										const SessionCookieFound *found);

#endif							/* SESSION_COOKIE_HEADER_H */
