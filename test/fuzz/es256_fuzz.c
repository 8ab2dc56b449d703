/*
 * es256_fuzz.c
 *	  Signatures and keys of ES256.
 */
#include "postgres.h"

#include "signature_fuzz.h"

static const FuzzSignature known = {
	.algorithm = &session_algorithm_es256,
	.first =
	"7fcdce2770f6c45d4183cbee6fdb4b7b580733357be9ef13bacf6e3c7bd15445",
	.second =
	"c7f144cd1bbd9b7e872cdfedb9eeb9f4b3695d6ea90b24ad8a4623288588e5ad",
	.signature =
	"9654eec44ece55b86fdce636b059e75df719d25721366c5b97e1990f8b1acbbe42"
	"4d715a2de49aeee03ffd8a894701ea12b9f00e4a979cff11a31e7bb95e8012",
	.other =
	"9654eec44ece55b86fdce636b059e75df719d25721366c5b97e1990f8b1acbbebd"
	"b28ea4d21b65121fc0027576b8fe15aa2d0a9f5c800185e216ac474304a53f",
};

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	return fuzz_signature(&known, data, size);
}
