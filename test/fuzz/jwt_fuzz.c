/*
 * jwt_fuzz.c
 *	  Values and payloads of the encoding "jwt", with secrets and with keys for
 *	  signatures.
 */
#include "postgres.h"

#include "codec_fuzz.h"

/* Generates a key for signatures; such keys are never the same. */
static SessionCodecKey
make_pair(const SessionAlgorithm *algorithm, bool imported)
{
	uint8		private[SESSION_PRIVATE_KEY_BYTES];
	size_t		len;
	SessionCodecKey key = {.kid = imported ? "" : "k1",.imported = imported};

	fuzz_require(session_signature_generate(algorithm, private, &len));
	key.signature = session_signature_private(algorithm, private, len);
	fuzz_require(key.signature != NULL);
	return key;
}

/* No input is a value of a key that no other program has. */
static void
fuzz_signed_value(const SessionCodecKey *key, const uint8 *data, size_t size)
{
	char	   *value = fuzz_copy(data, size);
	char	   *out = malloc(size);
	size_t		len;

	fuzz_require(!session_codec_jwt.decode(out, &len, value, size, "session",
										   key));
	free(out);
	free(value);
}

/* Signs the input. Decoding must return the same payload. */
static void
fuzz_signed_payload(const SessionCodecKey *key, const uint8 *data, size_t size)
{
	size_t		bound = session_codec_jwt.bound(size, key);
	char	   *value = malloc(bound);
	char	   *out = malloc(bound);
	size_t		len;
	size_t		out_len;

	if (session_codec_jwt.encode(value, &len, (const char *) data, size,
								 "session", key))
	{
		fuzz_require(len <= bound);
		fuzz_require(session_codec_jwt.decode(out, &out_len, value, len,
											  "session", key));
		fuzz_require(out_len == size);
		fuzz_require(size == 0 || memcmp(out, data, size) == 0);
		fuzz_changed(&session_codec_jwt, data, size, value, len, "session",
					 key);
	}
	else
		fuzz_require(bound > SESSION_CODEC_CHARS);
	free(out);
	free(value);
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	static SessionCodecKey keys[3];

	if (keys[0].signature == NULL)
	{
		keys[0] = make_pair(&session_algorithm_es256, false);
		keys[1] = make_pair(&session_algorithm_eddsa, true);
		keys[2] = make_pair(&session_algorithm_rs256, true);
	}
	for (size_t i = 0; i < lengthof(keys); i++)
		fuzz_signed_value(&keys[i], data, size);
	/* Signatures are slow: one input in sixteen is signed. */
	if (size > 0 && data[size - 1] % 16 == 0)
		fuzz_signed_payload(&keys[data[0] % 2], data, size);
	return fuzz_codec(&session_codec_jwt, data, size);
}
