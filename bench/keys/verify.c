/*
 * verify.c
 *	  Verifies signatures and MACs in a backend, with and without the extension.
 *
 *	  CREATE FUNCTION f(way text, algorithm text, times integer) RETURNS void
 *
 * It links the sources of the extension that verify.  Ways are
 *
 * - bare: OpenSSL alone, with a context that is ready.  For ES256 and RS256
 *	 that is EVP_PKEY_verify with a hash, as in "openssl speed".
 * - verify: session_signature_verify, or session_crypto_hmac_sha256 and a
 *	 comparison, with a key that is ready
 * - proof: session_signature_verify_once with a JWK, as for a proof that
 *	 carries its key; not of HS256
 *
 * The keys are made by the first call, which takes longer.
 */
#include "postgres.h"

#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "fmgr.h"
#include "utils/builtins.h"

#include "crypto/crypto.h"
#include "crypto/signature.h"
#include "wire/jwk.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(bench_verify);

/* A key and a signature, as OpenSSL and as the extension use them. */
typedef struct Case
{
	const SessionAlgorithm *algorithm;
	SessionSignatureKey *key;
	char		jwk[SESSION_JWK_WRITTEN_BYTES];
	size_t		jwk_len;
	uint8		signature[SESSION_SIGNATURE_BYTES];
	size_t		len;
	EVP_PKEY   *pkey;
	EVP_PKEY_CTX *verifier;		/* NULL for EdDSA */
	EVP_MD_CTX *one_shot;		/* of EdDSA */
	EVP_MAC_CTX *mac;			/* of HS256 */
	uint8		bare[SESSION_SIGNATURE_BYTES];
	size_t		bare_len;
} Case;

/* As long as what is signed in most JWTs. */
static char message[200];
static uint8 hash[SESSION_SHA256_BYTES];

static void
require(bool ok, const char *what)
{
	if (!ok)
		elog(ERROR, "failed: %s", what);
}

/* Generates a key in OpenSSL. */
static EVP_PKEY *
generate(const SessionAlgorithm *algorithm)
{
	if (algorithm == &session_algorithm_es256)
		return EVP_EC_gen("P-256");
	if (algorithm == &session_algorithm_eddsa)
		return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	return EVP_RSA_gen(SESSION_RSA_BITS);
}

/* Makes a key of OpenSSL alone, and signs the text with it. */
static void
prepare_bare(Case *c)
{
	c->pkey = generate(c->algorithm);
	require(c->pkey != NULL, "keygen");
	c->bare_len = sizeof(c->bare);
	if (c->algorithm == &session_algorithm_eddsa)
	{
		c->one_shot = EVP_MD_CTX_new();
		require(EVP_DigestSignInit(c->one_shot, NULL, NULL, NULL,
								   c->pkey) == 1 &&
				EVP_DigestSign(c->one_shot, c->bare, &c->bare_len,
							   (uint8 *) message, sizeof(message)) == 1,
				"EVP_DigestSign");
		return;
	}
	c->verifier = EVP_PKEY_CTX_new_from_pkey(NULL, c->pkey, NULL);
	require(EVP_PKEY_sign_init(c->verifier) == 1, "sign_init");
	if (c->algorithm == &session_algorithm_rs256)
		require(EVP_PKEY_CTX_set_signature_md(c->verifier,
											  EVP_sha256()) == 1, "md");
	require(EVP_PKEY_sign(c->verifier, c->bare, &c->bare_len, hash,
						  sizeof(hash)) == 1 &&
			EVP_PKEY_verify_init(c->verifier) == 1, "EVP_PKEY_sign");
	if (c->algorithm == &session_algorithm_rs256)
		require(EVP_PKEY_CTX_set_signature_md(c->verifier,
											  EVP_sha256()) == 1, "md");
}

/* Makes a key of the extension and one of OpenSSL, and signs the text. */
static void
prepare(Case *c)
{
	uint8		form[SESSION_PRIVATE_KEY_BYTES];
	size_t		len;
	SessionSignatureKey *private;
	SessionPublicParts parts;

	require(session_signature_generate(c->algorithm, form, &len), "generate");
	private = session_signature_private(c->algorithm, form, len);
	require(private != NULL && session_signature_parts(&parts, private) &&
			session_signature_sign(c->signature, &c->len, message, sizeof(message),
								   private), "sign");
	c->key = session_signature_public(&parts);
	c->jwk_len = session_jwk_write(c->jwk, &parts, NULL);
	session_signature_free(private);
	prepare_bare(c);
}

/* The key of HS256. */
static const uint8 secret[32] = {1};

static void
prepare_mac(Case *c)
{
	OSSL_PARAM	params[] = {
		OSSL_PARAM_construct_utf8_string("digest", "SHA256", 0),
		OSSL_PARAM_construct_end(),
	};
	EVP_MAC    *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);

	c->mac = EVP_MAC_CTX_new(mac);
	require(EVP_MAC_init(c->mac, secret, sizeof(secret), params) == 1 &&
			session_crypto_hmac_sha256(c->signature, message, sizeof(message),
									   secret, sizeof(secret)), "HMAC");
}

static bool
bare_mac(Case *c)
{
	uint8		out[SESSION_SHA256_BYTES];
	size_t		len;

	return EVP_MAC_init(c->mac, secret, sizeof(secret), NULL) == 1 &&
		EVP_MAC_update(c->mac, (uint8 *) message, sizeof(message)) == 1 &&
		EVP_MAC_final(c->mac, out, &len, sizeof(out)) == 1 &&
		CRYPTO_memcmp(out, c->signature, sizeof(out)) == 0;
}

static bool
verify_mac(Case *c)
{
	uint8		out[SESSION_SHA256_BYTES];

	return session_crypto_hmac_sha256(out, message, sizeof(message), secret,
									  sizeof(secret)) &&
		session_crypto_equal(out, c->signature, sizeof(out));
}

static bool
bare(Case *c)
{
	if (c->mac != NULL)
		return bare_mac(c);
	if (c->verifier != NULL)
		return EVP_PKEY_verify(c->verifier, c->bare, c->bare_len, hash,
							   sizeof(hash)) == 1;
	/* From OpenSSL 3.4 on, a context must begin anew for each message. */
	return EVP_DigestVerifyInit(c->one_shot, NULL, NULL, NULL,
								c->pkey) == 1 &&
		EVP_DigestVerify(c->one_shot, c->bare, c->bare_len,
						 (uint8 *) message, sizeof(message)) == 1;
}

static bool
verify(Case *c)
{
	if (c->mac != NULL)
		return verify_mac(c);
	return session_signature_verify(c->signature, c->len, message, sizeof(message),
									c->key);
}

static bool
proof(Case *c)
{
	SessionJwk	jwk;

	return session_jwk_read(&jwk, c->jwk, c->jwk_len) == SESSION_JWK_OK &&
		session_signature_verify_once(c->signature, c->len, message,
									  sizeof(message), &jwk.parts);
}

/* Makes what all ways need, once in a backend. */
static void
prepare_all(Case *cases, int count)
{
	memset(message, 'a', sizeof(message));
	require(session_crypto_sha256(hash, message, sizeof(message)), "SHA-256");
	for (int i = 0; i < count; i++)
		if (cases[i].algorithm->symmetric)
			prepare_mac(&cases[i]);
		else
			prepare(&cases[i]);
}

Datum
bench_verify(PG_FUNCTION_ARGS)
{
	static const struct
	{
		const char *name;
		bool		(*run) (Case *c);
	}			ways[] = {{"bare", bare}, {"verify", verify}, {"proof", proof}};
	static Case cases[] = {
		{.algorithm = &session_algorithm_es256},
		{.algorithm = &session_algorithm_eddsa},
		{.algorithm = &session_algorithm_rs256},
		{.algorithm = &session_algorithm_hs256},
	};
	static bool prepared = false;
	char	   *way = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *algorithm = text_to_cstring(PG_GETARG_TEXT_PP(1));
	int32		times = PG_GETARG_INT32(2);

	if (!prepared)
		prepare_all(cases, lengthof(cases));
	prepared = true;
	for (size_t i = 0; i < lengthof(cases); i++)
		for (size_t j = 0; j < lengthof(ways); j++)
			if (strcmp(cases[i].algorithm->name, algorithm) == 0 &&
				strcmp(ways[j].name, way) == 0)
				for (int n = 0; n < times; n++)
					require(ways[j].run(&cases[i]), way);
	PG_RETURN_VOID();
}
