/*
 * redact_fuzz.c
 *	  No part of a token's secret or of a key is left in any text, and never
 *	  both the payload and the MAC of a cookie.
 */
#include "postgres.h"

#include "fuzz.h"
#include "wire/base64url.h"
#include "wire/redact.h"
#include "wire/token.h"

#define PAYLOAD_BYTES (SESSION_ID_BYTES + SESSION_SECRET_BYTES)
#define PIECE 10

/* Returns the redacted text in memory of exactly its size. */
static char *
redact(const char *chars)
{
	size_t		size = session_redact_size(chars);
	char	   *out;

	if (size == 0)
		return fuzz_copy(chars, strlen(chars) + 1);
	out = malloc(size);
	fuzz_require(out != NULL);
	session_redact_write(out, chars);
	fuzz_require(strlen(out) + 1 == size);
	return out;
}

static bool
has_piece(const char *chars, const char *piece)
{
	char		wanted[PIECE + 1];

	memcpy(wanted, piece, PIECE);
	wanted[PIECE] = '\0';
	return strstr(chars, wanted) != NULL;
}

/* Puts a token between two texts. Its secret must not be in the result. */
static void
try_between(const char *before, const uint8 *payload, char kind,
			const char *after)
{
	size_t		before_len = strlen(before);
	char		token[SESSION_TOKEN_CHARS] = {kind, 't', '_'};
	char	   *whole = malloc(before_len + sizeof(token) + strlen(after) + 1);
	char	   *out;

	fuzz_require(whole != NULL);
	session_base64url_encode(token + 3, payload, PAYLOAD_BYTES);
	memcpy(whole, before, before_len);
	memcpy(whole + before_len, token, sizeof(token));
	strcpy(whole + before_len + sizeof(token), after);
	out = redact(whole);
	whole[before_len + 3] = '\0';	/* the text before the secret is not
									 * checked */
	for (int i = 3 + 22; i + PIECE <= SESSION_TOKEN_CHARS; i++)
		fuzz_require(has_piece(whole, token + i) ||
					 has_piece(after, token + i) ||
					 !has_piece(out, token + i));
	free(out);
	free(whole);
}

/*
 * Appends a compact cookie to the text. Its payload and its MAC must not both
 * be in the result.
 */
static void
try_cookie(const char *before, const uint8 *bytes)
{
	char		payload[] = "eyJhAAAAAAAAAAAAAAAAAAAA";
	char		mac[SESSION_BASE64URL_CHARS(32) + 1] = {0};
	size_t		room = strlen(before) + sizeof(payload) + sizeof(mac);
	char	   *whole = malloc(room);
	char	   *out;

	fuzz_require(whole != NULL);
	session_base64url_encode(payload + 4, bytes, 15);
	session_base64url_encode(mac, bytes + 15, 32);
	snprintf(whole, room, "%s%s.%s", before, payload, mac);
	out = redact(whole);
	fuzz_require(strstr(out, mac) == NULL || strstr(out, payload) == NULL ||
				 strstr(before, payload) != NULL);
	free(out);
	free(whole);
}

/* Puts a key between two texts, in a form that is found.  It must be gone. */
static void
try_key(const char *before, const char *form, const char *key,
		const char *after)
{
	size_t		room = strlen(before) + strlen(form) + strlen(key) +
	strlen(after);
	char	   *whole = malloc(room);
	char	   *out;

	fuzz_require(whole != NULL);
	snprintf(whole, room, "%s", before);
	snprintf(whole + strlen(whole), room - strlen(whole), form, key);
	strcat(whole, after);
	out = redact(whole);
	for (size_t i = 0; i + PIECE <= strlen(key); i++)
		fuzz_require(has_piece(before, key + i) || has_piece(after, key + i) ||
					 !has_piece(out, key + i));
	free(out);
	free(whole);
}

/* Puts the private key of a JWK, and an argument, between two texts. */
static void
try_keys(const char *before, const uint8 *bytes, const char *after)
{
	char		key[SESSION_BASE64URL_CHARS(32) + 1] = {0};
	char		digits[2 * 32 + 1];

	session_base64url_encode(key, bytes, 32);
	for (int i = 0; i < 32; i++)
		sprintf(digits + 2 * i, "%02x", bytes[i]);
	try_key(before, " {\"d\":\"%s\"}", key, after);
	try_key(before, " {\\\"k\\\" : \\\"%s\\\"}", key, after);
	try_key(before, " session_key_import('\\x%s')", digits, after);
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	char	   *chars = malloc(size + 1);

	fuzz_require(chars != NULL);
	memcpy(chars, data, size);
	chars[size] = '\0';
	free(redact(chars));
	if (size > PAYLOAD_BYTES)
	{
		char	   *before = chars + PAYLOAD_BYTES;
		size_t		middle = strlen(before) / 2;
		char	   *after = fuzz_copy(before + middle,
									  strlen(before + middle) + 1);

		before[middle] = '\0';
		try_between(before, data, data[0] & 1 ? 's' : 'r', after);
		try_cookie(before, data);
		try_keys(before, data, after);
		free(after);
	}
	free(chars);
	return 0;
}
