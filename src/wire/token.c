/*
 * token.c
 *	  Reads and writes session tokens and refresh tokens, and reads foreign
 *	  tokens.
 *
 * Rules: the length is checked first, so a text of any other length costs one
 * comparison.  A token that does not parse is wiped.
 */
#include "postgres.h"

#include "crypto/crypto.h"
#include "wire/base64url.h"
#include "wire/hex.h"
#include "wire/token.h"

#define SESSION_PREFIX "st_"
#define REFRESH_PREFIX "rt_"
#define PREFIX_CHARS 3
#define PAYLOAD_BYTES (SESSION_ID_BYTES + SESSION_SECRET_BYTES)

StaticAssertDecl(PREFIX_CHARS + SESSION_BASE64URL_CHARS(PAYLOAD_BYTES) ==
				 SESSION_TOKEN_CHARS, "a token has 67 characters");
StaticAssertDecl(sizeof(SessionToken) == PAYLOAD_BYTES,
				 "SessionToken must have no padding");
StaticAssertDecl(sizeof(SessionRefreshToken) == PAYLOAD_BYTES,
				 "SessionRefreshToken must have no padding");

/* Reads a token of a kind into its bytes. */
static bool
parse_token(uint8 *payload, const char *prefix, const char *chars, size_t len)
{
	if (len != SESSION_TOKEN_CHARS || memcmp(chars, prefix, PREFIX_CHARS) != 0)
		return false;
	if (session_base64url_decode(payload, chars + PREFIX_CHARS,
								 len - PREFIX_CHARS))
		return true;
	session_crypto_wipe(payload, PAYLOAD_BYTES);
	return false;
}

/* Writes a token of a kind from its bytes. */
static void
format_token(char *out, const char *prefix, const uint8 *payload)
{
	memcpy(out, prefix, PREFIX_CHARS);
	session_base64url_encode(out + PREFIX_CHARS, payload, PAYLOAD_BYTES);
}

/* Reads a session token; false for any other text. */
bool
session_token_parse(SessionToken *token, const char *chars, size_t len)
{
	return parse_token((uint8 *) token, SESSION_PREFIX, chars, len);
}

/*
 * Returns whether a text has the form of a foreign token.  A text with the
 * prefix of a token of our own is a damaged one, and not foreign.
 */
bool
session_token_is_foreign(const char *chars, size_t len)
{
	if (len < SESSION_FOREIGN_MIN_CHARS || len > SESSION_FOREIGN_MAX_CHARS ||
		memcmp(chars, SESSION_PREFIX, PREFIX_CHARS) == 0 ||
		memcmp(chars, REFRESH_PREFIX, PREFIX_CHARS) == 0)
		return false;
	for (size_t i = 0; i < len; i++)
		if (chars[i] < 0x21 || chars[i] > 0x7E)
			return false;
	return true;
}

/* Makes the id and the secret of a foreign token. */
bool
session_token_of_foreign(SessionToken *token, const char *chars, size_t len)
{
	static const char key[] = "session foreign token";
	uint8		hash[SESSION_SHA256_BYTES];

	if (!session_crypto_sha256(hash, chars, len) ||
		!session_crypto_hmac_sha256(token->secret, chars, len, key,
									sizeof(key) - 1))
		return false;
	memcpy(token->id, hash, SESSION_ID_BYTES);
	token->id[6] = (uint8) (0x80 | (token->id[6] & 0x0F));
	token->id[8] = (uint8) (0x80 | (token->id[8] & 0x3F));
	return true;
}

/* Reads a refresh token; false for any other text. */
bool
session_token_parse_refresh(SessionRefreshToken *token, const char *chars,
							size_t len)
{
	return parse_token((uint8 *) token, REFRESH_PREFIX, chars, len);
}

/* Writes a session token. */
void
session_token_format(char *out, const SessionToken *token)
{
	format_token(out, SESSION_PREFIX, (const uint8 *) token);
}

/* Writes a refresh token. */
void
session_token_format_refresh(char *out, const SessionRefreshToken *token)
{
	format_token(out, REFRESH_PREFIX, (const uint8 *) token);
}

/* Returns the generation of a refresh token. */
uint32
session_token_generation(const SessionRefreshToken *token)
{
	const uint8 *g = token->generation;

	return (uint32) g[0] << 24 | (uint32) g[1] << 16 | (uint32) g[2] << 8 | g[3];
}

/* Derives one of the two values of a generation; "use" says which. */
static bool
derive_bytes(uint8 out[SESSION_SHA256_BYTES], const char *use,
			 const SessionRefreshToken *refresh, const uint8 *key)
{
	uint8		in[16 + SESSION_ID_BYTES + 4] = {0};

	strlcpy((char *) in, use, 16);
	memcpy(in + 16, refresh->id, SESSION_ID_BYTES);
	memcpy(in + 16 + SESSION_ID_BYTES, refresh->generation, 4);
	return session_crypto_hmac_sha256(out, in, sizeof(in), key,
									  SESSION_SECRET_BYTES);
}

/* Derives the tokens of a generation from the session's key. */
bool
session_token_derive(SessionToken *token, SessionRefreshToken *refresh,
					 const uint8 id[SESSION_ID_BYTES], uint32 generation,
					 const uint8 key[SESSION_SECRET_BYTES])
{
	uint8		mac[SESSION_SHA256_BYTES];
	bool		ok;

	memcpy(token->id, id, SESSION_ID_BYTES);
	memcpy(refresh->id, id, SESSION_ID_BYTES);
	for (int i = 0; i < 4; i++)
		refresh->generation[i] = (uint8) (generation >> (8 * (3 - i)));
	ok = derive_bytes(token->secret, "session secret", refresh, key) &&
		derive_bytes(mac, "refresh token", refresh, key);
	memcpy(refresh->mac, mac, SESSION_MAC_BYTES);
	session_crypto_wipe(mac, sizeof(mac));
	return ok;
}

/* Makes a UUIDv7 from a time and random bytes. */
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

/* Reads a UUID of 36 characters; false for any other text. */
bool
session_token_parse_id(uint8 id[SESSION_ID_BYTES], const char *chars,
					   size_t len)
{
	static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
	int			digits = 0;

	if (len != sizeof(form) - 1)
		return false;
	for (size_t i = 0; i < len; i++)
	{
		int			digit = session_hex_digit(chars[i]);

		if (form[i] == '-' ? chars[i] != '-' : digit < 0)
			return false;
		if (form[i] == '-')
			continue;
		if (digits % 2 == 0)
			id[digits / 2] = (uint8) (digit << 4);
		else
			id[digits / 2] |= (uint8) digit;
		digits++;
	}
	return true;
}
