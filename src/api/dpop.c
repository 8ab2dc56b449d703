/*
 * dpop.c
 *	  SQL entry points: sessions that are bound to a key with DPoP (RFC 9449).
 *
 *	  session_bind_key	session_dpop_nonce
 *
 * Rules:
 * - A token or proof that is not good gives false, never an error.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "api/api.h"
#include "compat.h"
#include "crypto/crypto.h"
#include "engine/bind.h"
#include "engine/dpop.h"

PG_FUNCTION_INFO_V1(session_bind_key);
PG_FUNCTION_INFO_V1(session_dpop_nonce);

/* Binds the session of a token to the key of a proof. */
Datum
session_bind_key(PG_FUNCTION_ARGS)
{
	SessionPossession proven = {0};
	SessionToken token;
	bool		bound;

	PreventCommandIfReadOnly("session_bind_key()");
	session_arg_proof(fcinfo, 1, &proven);
	if (!session_arg_token(fcinfo, 0, &token))
		PG_RETURN_BOOL(false);
	if (proven.dpop != NULL)
		proven.dpop->may_lack_hash = true;
	bound = proven.dpop != NULL && session_bind_by_proof(&token, proven.dpop);
	session_crypto_wipe(&token, sizeof(token));
	PG_RETURN_BOOL(bound);
}

/* Returns a nonce for proofs. */
Datum
session_dpop_nonce(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(session_dpop_make_nonce()));
}
