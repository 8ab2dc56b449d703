/*
 * possession_fuzz.c
 *	  No text is a proof that was signed with a key that is not in it.  What is
 *	  read lies within the text.
 */
#include "postgres.h"

#include "fuzz.h"
#include "wire/possession.h"

/* The key of RFC 7515 appendix A.3. */
static const SessionPublicParts key = {
	.algorithm = &session_algorithm_es256,
	.first = {
		127, 205, 206, 39, 112, 246, 196, 93, 65, 131, 203, 238, 111, 219,
		75, 123, 88, 7, 51, 53, 123, 233, 239, 19, 186, 207, 110, 60, 123,
		209, 84, 69
	},
	.first_len = 32,
	.second = {
		199, 241, 68, 205, 27, 189, 155, 126, 135, 44, 223, 237, 185, 238,
		185, 244, 179, 105, 93, 110, 169, 11, 36, 173, 138, 70, 35, 40, 133,
		136, 229, 173
	},
	.second_len = 32
};

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	static SessionPossessionProof proof;
	char	   *copy = fuzz_copy(data, size);

	if (session_possession_read(&proof, copy, size, SESSION_POSSESSION_DBSC))
	{
		const char *jti = session_possession_string(&proof, "jti");

		fuzz_require(!proof.algorithm->symmetric);
		fuzz_require(proof.signed_chars == copy && proof.signed_len < size);
		fuzz_require(jti == NULL || strlen(jti) < size);
		fuzz_require(!session_possession_verify(&proof, &key));
		if (proof.has_key)
			(void) session_possession_verify(&proof, &proof.key);
		session_possession_free(&proof);
	}
	free(copy);
	return 0;
}
