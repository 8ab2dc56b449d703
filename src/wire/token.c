/*
 * token.c
 *	  Parsing and writing session tokens.
 *
 * Rules: the length is looked at first, so junk of any size costs one
 * comparison; a token that does not parse leaves nothing behind.
 */
#include "postgres.h"

#include "crypto/crypto.h"
#include "wire/base64url.h"
#include "wire/token.h"

#define PREFIX "st_"
#define PREFIX_CHARS 3
#define PAYLOAD_BYTES (SESSION_ID_BYTES + SESSION_SECRET_BYTES)

StaticAssertDecl(PREFIX_CHARS + SESSION_BASE64URL_CHARS(PAYLOAD_BYTES) ==
				 SESSION_TOKEN_CHARS, "a session token has 67 characters");
StaticAssertDecl(sizeof(SessionToken) == PAYLOAD_BYTES,
				 "SessionToken must have no padding");

bool
session_token_parse(SessionToken *token, const char *chars, size_t len)
{
	if (len != SESSION_TOKEN_CHARS || memcmp(chars, PREFIX, PREFIX_CHARS) != 0)
		return false;
	if (session_base64url_decode((uint8 *) token, chars + PREFIX_CHARS,
								 len - PREFIX_CHARS))
		return true;
	session_crypto_wipe(token, sizeof(*token));
	return false;
}

void
session_token_format(char *out, const SessionToken *token)
{
	memcpy(out, PREFIX, PREFIX_CHARS);
	session_base64url_encode(out + PREFIX_CHARS, (const uint8 *) token,
							 sizeof(*token));
}

void
session_token_make_id(uint8 id[SESSION_ID_BYTES], uint64 unix_us)
{
	uint64		ms = unix_us / 1000;
	uint32		fraction = (uint32) (unix_us % 1000 * 4096 / 1000);

	for (int i = 0; i < 6; i++)
		id[i] = (uint8) (ms >> (8 * (5 - i)));
	id[6] = (uint8) (0x70 | (fraction >> 8));
	id[7] = (uint8) fraction;
	id[8] = (uint8) (0x80 | (id[8] & 0x3F));
}
