/*
 * issuers.h
 *	  The public keys of issuers: other systems, such as identity providers,
 *	  whose tokens are accepted here.
 */
#ifndef SESSION_ISSUERS_H
#define SESSION_ISSUERS_H

#include "nodes/pg_list.h"
#include "utils/jsonb.h"

/* Most keys of a JWK Set. */
#define SESSION_ISSUER_KEYS 100

/* Which tokens the keys of an issuer prove. */
typedef struct SessionIssuer
{
	const char *purpose;
	const char *issuer;			/* NULL = any claim iss, or none */
	const char *audience;		/* NULL = only without a claim aud */
} SessionIssuer;

/* What an import did: lists of kids. */
typedef struct SessionIssuerImport
{
	List	   *in_use;			/* the keys of the argument */
	List	   *added;			/* those of them that are new */
	List	   *retired;
} SessionIssuerImport;

/*
 * Imports a JWK, or a JWK Set, which replaces all keys of the purpose and the
 * issuer.  A key that is in use already is kept.  Keys of a set that this
 * library cannot use are left out.
 *
 * Errors with 22023 when the argument is neither, when it has a private key or
 * a shared secret, and when no key is left; with 54000 for too many keys.
 */
extern void session_issuers_import(SessionIssuerImport *import,
								   const SessionIssuer *issuer, Jsonb *jwk);

#endif							/* SESSION_ISSUERS_H */
