/*
 * verify.c
 *	  Measures verifying signatures and MACs beside what OpenSSL takes for them.
 *
 *	  verify MICROSECONDS ROUNDS
 *
 * It links the sources of the extension that need no server.  For each
 * algorithm, these take turns, each for some microseconds:
 *
 * - bare: OpenSSL alone, with a context that is ready.  For ES256 and RS256
 *	 that is EVP_PKEY_verify with a hash, as in "openssl speed".
 * - verify: session_signature_verify, or session_crypto_hmac_sha256 and a
 *	 comparison, with a key that is ready
 * - proof: a key is made of its JWK, verifies once and is freed, as for a proof
 *	 that carries its key
 *
 * Prints the names of way and algorithm for each block, and the time on a
 * processor of one verification, in microseconds.
 */
#include "postgres.h"

#include <time.h>

#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "crypto/crypto.h"
#include "crypto/signature.h"
#include "wire/jwk.h"

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

/* Ends the program unless something has worked. */
static void
require(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "failed: %s\n", what);
	exit(1);
}

/* Makes a key and its public half in OpenSSL, and signs the text. */
static void
prepare(Case *c)
{
	uint8		pkcs8[SESSION_PRIVATE_KEY_BYTES];
	const uint8 *end = pkcs8;
	size_t		pkcs8_len;
	SessionSignatureKey *private;
	SessionPublicParts parts;

	require(session_signature_generate(c->algorithm, pkcs8, &pkcs8_len),
			"generate");
	private = session_signature_private(c->algorithm, pkcs8, pkcs8_len);
	require(private != NULL && session_signature_parts(&parts, private) &&
			session_signature_sign(c->signature, &c->len, message, sizeof(message),
								   private), "sign");
	c->key = session_signature_public(&parts);
	c->jwk_len = session_jwk_write(c->jwk, &parts, NULL);
	session_signature_free(private);

	c->pkey = d2i_AutoPrivateKey(NULL, &end, pkcs8_len);
	require(c->pkey != NULL, "d2i_AutoPrivateKey");
	if (c->algorithm == &session_algorithm_eddsa)
	{
		c->one_shot = EVP_MD_CTX_new();
		memcpy(c->bare, c->signature, c->len);
		c->bare_len = c->len;
		return;
	}
	c->verifier = EVP_PKEY_CTX_new_from_pkey(NULL, c->pkey, NULL);
	require(EVP_PKEY_sign_init(c->verifier) == 1, "sign_init");
	if (c->algorithm == &session_algorithm_rs256)
		require(EVP_PKEY_CTX_set_signature_md(c->verifier,
											  EVP_sha256()) == 1, "md");
	c->bare_len = sizeof(c->bare);
	require(EVP_PKEY_sign(c->verifier, c->bare, &c->bare_len, hash,
						  sizeof(hash)) == 1 &&
			EVP_PKEY_verify_init(c->verifier) == 1, "EVP_PKEY_sign");
	if (c->algorithm == &session_algorithm_rs256)
		require(EVP_PKEY_CTX_set_signature_md(c->verifier,
											  EVP_sha256()) == 1, "md");
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
	SessionSignatureKey *key = NULL;
	bool		ok;

	if (session_jwk_read(&jwk, c->jwk, c->jwk_len) == SESSION_JWK_OK)
		key = session_signature_public(&jwk.parts);
	ok = key != NULL &&
		session_signature_verify(c->signature, c->len, message, sizeof(message),
								 key);
	session_signature_free(key);
	return ok;
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

/* Lets a way run for some microseconds.  Returns how long it took once. */
static double
measure(bool (*run) (Case *c), Case *c, double microseconds)
{
	double		begun = now();
	double		ended;
	int			times = 0;

	do
	{
		for (int i = 0; i < 20; i++)
			require(run(c), c->algorithm->name);
		times += 20;
		ended = now();
	} while (ended - begun < microseconds);
	return (ended - begun) / times;
}

int
main(int argc, char **argv)
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
	double		microseconds = argc > 1 ? atof(argv[1]) : 10000;
	int			rounds = argc > 2 ? atoi(argv[2]) : 1;

	memset(message, 'a', sizeof(message));
	require(session_crypto_sha256(hash, message, sizeof(message)), "SHA-256");
	for (size_t i = 0; i < lengthof(cases); i++)
		if (cases[i].algorithm->symmetric)
			prepare_mac(&cases[i]);
		else
			prepare(&cases[i]);
	for (int round = 0; round < rounds; round++)
		for (size_t i = 0; i < lengthof(cases); i++)
			for (size_t way = 0; way < lengthof(ways); way++)
			{
				if (ways[way].run == proof && cases[i].mac != NULL)
					continue;
				printf("%s %s %.4f\n", ways[way].name,
					   cases[i].algorithm->name,
					   measure(ways[way].run, &cases[i], microseconds));
			}
	return 0;
}
