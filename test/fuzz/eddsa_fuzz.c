/*
 * eddsa_fuzz.c
 *	  Signatures and keys of EdDSA with Ed25519.
 */
#include "postgres.h"

#include "signature_fuzz.h"

static const FuzzSignature known = {
	.algorithm = &session_algorithm_eddsa,
	.first =
	"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
	.second = "",
	.signature =
	"acfec4ee0ec6a91f07ac3de2d736298e6b3d105f8168cf5e54330f7f85561677ae"
	"af64752703ed4d4b25ad7f866f1508deffe79c91d85cdf964f85a8817b580c",
};

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	return fuzz_signature(&known, data, size);
}
