/*
 * csrf.c
 *	  Requests that a page of another origin causes: which methods may be
 *	  such, and tokens that such a page does not know.
 *
 * Rules:
 * - What is proven cannot be read in two ways: it begins with whether there is
 *	 an id, and the id has one length.
 */
#include "postgres.h"

#include "wire/codec_common.h"
#include "wire/csrf.h"

#define PREFIX "sc_"
#define PREFIX_CHARS 3

/* The name of what is proven. */
#define LABEL "csrf"

/* The methods that change nothing. */
static const char *const safe_methods[] = {"GET", "HEAD", "OPTIONS", "TRACE"};

/* Returns whether a method changes nothing. */
bool
session_csrf_is_safe_method(const char *method)
{
	for (size_t i = 0; i < lengthof(safe_methods); i++)
		if (strcmp(method, safe_methods[i]) == 0)
			return true;
	return false;
}

/* Computes the MAC of a token. */
bool
session_csrf_mac(uint8 mac[SESSION_SHA256_BYTES],
				 const SessionCsrfSubject *subject, const char *realm,
				 const SessionCodecKey *key)
{
	char		in[1 + SESSION_ID_BYTES + SESSION_CSRF_PROOF_BYTES] = {0};

	if (subject->proof_len > SESSION_CSRF_PROOF_BYTES)
		return false;
	in[0] = subject->id != NULL;
	if (subject->id != NULL)
		memcpy(in + 1, subject->id, SESSION_ID_BYTES);
	memcpy(in + 1 + SESSION_ID_BYTES, subject->proof, subject->proof_len);
	return session_codec_mac(mac, in,
							 1 + SESSION_ID_BYTES + subject->proof_len,
							 LABEL, realm, key);
}

/* Writes a token. */
void
session_csrf_format(char *out, const uint8 mask[SESSION_SHA256_BYTES],
					const uint8 mac[SESSION_SHA256_BYTES])
{
	uint8		bytes[2 * SESSION_SHA256_BYTES];

	memcpy(bytes, mask, SESSION_SHA256_BYTES);
	for (int i = 0; i < SESSION_SHA256_BYTES; i++)
		bytes[SESSION_SHA256_BYTES + i] = mask[i] ^ mac[i];
	memcpy(out, PREFIX, PREFIX_CHARS);
	session_base64url_encode(out + PREFIX_CHARS, bytes, sizeof(bytes));
}

/* Reads the MAC of a token. */
bool
session_csrf_parse(uint8 mac[SESSION_SHA256_BYTES], const char *chars,
				   size_t len)
{
	uint8		bytes[2 * SESSION_SHA256_BYTES];

	if (len != SESSION_CSRF_CHARS ||
		memcmp(chars, PREFIX, PREFIX_CHARS) != 0 ||
		!session_base64url_decode(bytes, chars + PREFIX_CHARS,
								  len - PREFIX_CHARS))
		return false;
	for (int i = 0; i < SESSION_SHA256_BYTES; i++)
		mac[i] = bytes[i] ^ bytes[SESSION_SHA256_BYTES + i];
	return true;
}
