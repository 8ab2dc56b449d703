/*
 * signature_fuzz.h
 *	  Properties of the signatures and keys of each algorithm.
 *
 * The input is used as a signature, as a public key and as a private key.
 */
#ifndef SESSION_SIGNATURE_FUZZ_H
#define SESSION_SIGNATURE_FUZZ_H

#include "crypto/signature.h"
#include "fuzz.h"

/* What the corpus has signatures of. */
#define FUZZ_MESSAGE "message"

/* A key, and its signature of the message, which the corpus has, too. */
typedef struct FuzzSignature
{
	const SessionAlgorithm *algorithm;
	const char *first;			/* hexadecimal, as all */
	const char *second;
	const char *signature;
	const char *other;			/* another one that is as good; or NULL */
} FuzzSignature;

/* Converts hexadecimal to bytes.  Returns their number. */
static size_t
fuzz_bytes(uint8 *out, const char *hex)
{
	size_t		len = strlen(hex) / 2;

	for (size_t i = 0; i < len; i++)
	{
		unsigned int byte;

		fuzz_require(sscanf(hex + 2 * i, "%2x", &byte) == 1);
		out[i] = (uint8) byte;
	}
	return len;
}

/* Returns whether the input is a signature in hexadecimal. */
static bool
fuzz_is(const uint8 *data, size_t size, const char *hex)
{
	uint8		bytes[SESSION_SIGNATURE_BYTES];

	return hex != NULL && size == strlen(hex) / 2 &&
		fuzz_bytes(bytes, hex) == size && memcmp(bytes, data, size) == 0;
}

/* Verifies with a key that lives as long as the process. */
static bool
fuzz_verify(const FuzzSignature *known, const uint8 *data, size_t size,
			const char *message)
{
	static SessionSignatureKey *key = NULL;
	static SessionPublicParts parts;
	uint8	   *copy = (uint8 *) fuzz_copy(data, size);
	bool		ok;

	if (key == NULL)
	{
		parts.algorithm = known->algorithm;
		parts.first_len = fuzz_bytes(parts.first, known->first);
		parts.second_len = fuzz_bytes(parts.second, known->second);
		key = session_signature_public(&parts);
		fuzz_require(key != NULL);
	}
	ok = session_signature_verify(copy, size, message, strlen(message), key);
	fuzz_require(ok == session_signature_verify_once(copy, size, message,
													 strlen(message), &parts));
	fuzz_require(size == 0 || memcmp(copy, data, size) == 0);
	free(copy);
	return ok;
}

/* The known signatures are accepted, and no others. */
static void
fuzz_as_signature(const FuzzSignature *known, const uint8 *data, size_t size)
{
	fuzz_require(fuzz_verify(known, data, size, FUZZ_MESSAGE) ==
				 (fuzz_is(data, size, known->signature) ||
				  fuzz_is(data, size, known->other)));
	fuzz_require(!fuzz_verify(known, data, size, "another message"));
}

/*
 * A key has the parts that it was made of.  It accepts no signature of zeros,
 * and not the neutral point of Ed25519.  Parts that are no key, or another
 * one, change nothing for the known key that verifies next.
 */
static void
fuzz_as_public(const SessionAlgorithm *algorithm, const uint8 *data,
			   size_t size)
{
	uint8		zeros[SESSION_SIGNATURE_BYTES] = {0};
	SessionPublicParts parts = {.algorithm = algorithm};
	SessionPublicParts again;
	SessionSignatureKey *key;

	parts.second_len = algorithm->part_bytes[0] == 0 ? 3 :
		algorithm->part_bytes[1];
	if (size < parts.second_len ||
		size - parts.second_len > sizeof(parts.first))
		return;
	parts.first_len = size - parts.second_len;
	memcpy(parts.first, data, parts.first_len);
	memcpy(parts.second, data + parts.first_len, parts.second_len);
	fuzz_require(!session_signature_verify_once(zeros, 64, FUZZ_MESSAGE, 7,
												&parts));
	key = session_signature_public(&parts);
	if (key == NULL)
		return;
	fuzz_require(session_signature_parts(&again, key) &&
				 memcmp(&again, &parts, sizeof(parts)) == 0);
	for (int i = 0; i < 2; i++, zeros[0] = 1)
	{
		fuzz_require(!session_signature_verify(zeros, 64, FUZZ_MESSAGE, 7,
											   key));
		fuzz_require(!session_signature_verify(zeros, parts.first_len,
											   FUZZ_MESSAGE, 7, key));
	}
	session_signature_free(key);
}

/* What the private half of a key has signed, the public half verifies. */
static void
fuzz_pair(SessionSignatureKey *key, const SessionPublicParts *parts)
{
	SessionSignatureKey *public = session_signature_public(parts);
	uint8		signature[SESSION_SIGNATURE_BYTES];
	size_t		len;

	fuzz_require(public != NULL);
	fuzz_require(session_signature_sign(signature, &len, FUZZ_MESSAGE, 7,
										key));
	fuzz_require(session_signature_verify(signature, len, FUZZ_MESSAGE, 7,
										  public));
	session_signature_free(public);
}

/*
 * A private key has public parts, which belong to it.  Those of RS256 are
 * given with it and need not: private keys come from our own table.
 */
static void
fuzz_as_private(const SessionAlgorithm *algorithm, const uint8 *data,
				size_t size)
{
	uint8	   *copy = (uint8 *) fuzz_copy(data, size);
	SessionSignatureKey *key = session_signature_private(algorithm, copy,
														 size);
	SessionPublicParts parts;

	if (key != NULL && session_signature_parts(&parts, key))
	{
		fuzz_require(session_signature_algorithm(key) == algorithm);
		fuzz_require(parts.algorithm == algorithm);
		if (algorithm->part_bytes[0] != 0)
			fuzz_pair(key, &parts);
	}
	fuzz_require(size == 0 || memcmp(copy, data, size) == 0);
	session_signature_free(key);
	free(copy);
}

static int
fuzz_signature(const FuzzSignature *known, const uint8 *data, size_t size)
{
	fuzz_as_signature(known, data, size);
	fuzz_as_public(known->algorithm, data, size);
	fuzz_as_private(known->algorithm, data, size);
	return 0;
}

#endif							/* SESSION_SIGNATURE_FUZZ_H */
