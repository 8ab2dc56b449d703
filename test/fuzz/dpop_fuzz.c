/*
 * dpop_fuzz.c
 *	  The claims of any JSON are read or refused, and fit no request but their
 *	  own.
 */
#include "postgres.h"

#include "fuzz.h"
#include "wire/dpop.h"

/* Reads a payload into a proof that has a key, or returns false. */
static bool
read_claims(SessionPossessionProof *proof, const char *json, size_t size)
{
	memset(proof, 0, sizeof(*proof));
	proof->has_key = true;
	return session_claims_read(proof->members, &proof->count, json, size);
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	static SessionPossessionProof proof;
	char	   *copy = fuzz_copy(data, size);
	SessionDpopClaims claims;

	if (session_possession_read(&proof, copy, size, SESSION_POSSESSION_DPOP))
	{
		fuzz_require(!proof.has_key || proof.key.algorithm == proof.algorithm);
		(void) session_possession_verify(&proof, &proof.key);
		session_possession_free(&proof);
	}
	if (read_claims(&proof, copy, size))
	{
		if (session_dpop_claims_read(&claims, &proof))
		{
			SessionDpopRequest request = {
				.method = claims.htm,.method_len = strlen(claims.htm),
				.url = claims.htu,.url_len = strlen(claims.htu),
				.now = claims.iat,.may_lack_hash = true
			};

			fuzz_require(strlen(claims.jti) > 0 &&
						 strlen(claims.jti) <= SESSION_DPOP_JTI_CHARS);
			if (session_dpop_claims_fit(&claims, &request))
			{
				fuzz_require(claims.ath == NULL);
				request.now += 1;
				fuzz_require(!session_dpop_claims_fit(&claims, &request));
			}
		}
		session_possession_free(&proof);
	}
	free(copy);
	return 0;
}
