/*
 * signature.c
 *	  Signatures with public keys: ES256, EdDSA with Ed25519, and RS256.
 *
 * Rules:
 * - It uses no server state, so that the fuzzers and unit tests can link it.
 *	 Keys are in OpenSSL's memory, and live until they are freed.
 * - A public key from outside is checked completely before it is used, and is
 *	 of its algorithm only: a P-256 point, an Ed25519 point, an RSA key.
 * - Lengths are exact, and numbers are in their range: nothing is trimmed,
 *	 padded or reduced before it is verified.
 * - The contexts for importing keys live as long as the process, and see no
 *	 private key.  A context for signing or verifying refers to its key, and is
 *	 freed, which wipes it, with the key.
 * - To verify once, a public key is put into one that lives as long as the
 *	 process: making a key of P-256 takes half as long as verifying with it.
 *	 The context for verifying is a new one each time.
 * - Private keys are read and written as bare numbers, without OpenSSL's
 *	 encoder and decoder of PKCS #8, which free copies of them without wiping
 *	 these.  So the only copies are in the key and in our own buffers.
 */
#include "postgres.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include "crypto/crypto.h"
#include "crypto/signature.h"

/* Bytes of a coordinate, of r and of s, on P-256; and of a key of Ed25519. */
#define NUMBER_BYTES 32

/* A point of P-256: a format byte, x and y (SEC 1 section 2.3.3). */
#define POINT_BYTES (1 + 2 * NUMBER_BYTES)
#define POINT_UNCOMPRESSED 0x04

/* Most bytes of a pair of numbers of 32 bytes in DER. */
#define PAIR_BYTES (2 + 2 * (2 + 1 + NUMBER_BYTES))

/* Most bits of an RSA key's exponent; the time of verifying grows with it. */
#define MAX_EXPONENT_BITS 64

/* Bytes of an RSA key that signs: its modulus, half of that, its exponent. */
#define MODULUS_BYTES (SESSION_RSA_BITS / 8)
#define FACTOR_BYTES (MODULUS_BYTES / 2)
#define EXPONENT_BYTES 8

/* How OpenSSL does what an algorithm asks for. */
typedef struct Method
{
	const SessionAlgorithm *algorithm;
	const char *type;			/* OpenSSL's name for the keys */
	EVP_PKEY_CTX *importer;		/* NULL until it is first used */

	/* Returns a key made of parts whose lengths were checked; or NULL. */
	EVP_PKEY   *(*import) (struct Method *method,
						   const SessionPublicParts *parts);
	/* Returns whether a key of the type is one of the algorithm. */
	bool		(*check) (EVP_PKEY *pkey);

	/*
	 * Puts other parts into a public key; false when they are no key.  NULL
	 * for an algorithm where a key is made each time.
	 */
	bool		(*replace) (EVP_PKEY *pkey, const SessionPublicParts *parts);
	SessionSignatureKey *spare; /* to put parts into; NULL = not made yet */

	/* Makes a key of its private form; or returns NULL. */
	EVP_PKEY   *(*open) (const uint8 *private, size_t len);
	/* Generates a key and writes its private form. */
	bool		(*generate) (uint8 *private, size_t *len);
	bool		(*export) (SessionPublicParts *parts, const EVP_PKEY *pkey);
	bool		(*sign) (uint8 *out, size_t *out_len, const void *in,
						 size_t len, SessionSignatureKey *key);
	bool		(*verify) (const uint8 *signature, size_t signature_len,
						   const void *in, size_t len,
						   SessionSignatureKey *key);
} Method;

struct SessionSignatureKey
{
	Method	   *method;
	EVP_PKEY   *pkey;
	EVP_PKEY_CTX *signer;		/* NULL until the key first signs */
	EVP_PKEY_CTX *verifier;		/* NULL until it first verifies */
	EVP_MD_CTX *one_shot;		/* of EdDSA, for both; NULL until then */
};

const SessionAlgorithm session_algorithm_hs256 = {
	.name = "HS256",.kty = "oct",.symmetric = true,
};
const SessionAlgorithm session_algorithm_es256 = {
	.name = "ES256",.kty = "EC",.crv = "P-256",
	.part_bytes = {NUMBER_BYTES, NUMBER_BYTES},
};
const SessionAlgorithm session_algorithm_eddsa = {
	.name = "EdDSA",.kty = "OKP",.crv = "Ed25519",
	.part_bytes = {NUMBER_BYTES, 0},
};
const SessionAlgorithm session_algorithm_rs256 = {
	.name = "RS256",.kty = "RSA",
};

/* Returns the algorithm of a name, or NULL. */
const SessionAlgorithm *
session_algorithm_find(const char *name, size_t len)
{
	static const SessionAlgorithm *const algorithms[] = {
		&session_algorithm_hs256, &session_algorithm_es256,
		&session_algorithm_eddsa, &session_algorithm_rs256,
	};

	for (size_t i = 0; i < lengthof(algorithms); i++)
	{
		if (strlen(algorithms[i]->name) == len &&
			memcmp(algorithms[i]->name, name, len) == 0)
			return algorithms[i];
	}
	return NULL;
}

/*
 * What the algorithms share
 */

/* Makes a public key of OpenSSL's parameters; NULL when it refuses. */
static EVP_PKEY *
import_params(Method *method, OSSL_PARAM *params)
{
	EVP_PKEY   *pkey = NULL;

	if (method->importer == NULL)
		method->importer = EVP_PKEY_CTX_new_from_name(NULL, method->type,
													  NULL);
	if (method->importer == NULL || params == NULL ||
		EVP_PKEY_fromdata_init(method->importer) != 1 ||
		EVP_PKEY_fromdata(method->importer, &pkey, EVP_PKEY_PUBLIC_KEY,
						  params) != 1)
		return NULL;
	return pkey;
}

/* Begins to sign or to verify hashes; does nothing when it was done before. */
static bool
begin(EVP_PKEY_CTX **ctx, EVP_PKEY *pkey, const OSSL_PARAM *params,
	  int (*init) (EVP_PKEY_CTX *, const OSSL_PARAM *))
{
	EVP_PKEY_CTX *made;

	if (*ctx != NULL)
		return true;
	made = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
	if (made != NULL && init(made, params) == 1)
	{
		*ctx = made;
		return true;
	}
	EVP_PKEY_CTX_free(made);
	return false;
}

/* Writes a number as exactly "len" bytes, and frees it. */
static bool
export_number(uint8 *out, size_t len, BIGNUM *number)
{
	bool		ok = number != NULL &&
	BN_bn2binpad(number, out, (int) len) == (int) len;

	BN_clear_free(number);
	return ok;
}

/*
 * Makes a key of OpenSSL's parameters, of which some are private.  OpenSSL
 * copies them into the key, and nowhere else.
 */
static EVP_PKEY *
open_params(const char *type, OSSL_PARAM *params)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	EVP_PKEY   *pkey = NULL;

	if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
		EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_KEYPAIR, params) != 1)
		pkey = NULL;
	EVP_PKEY_CTX_free(ctx);
	return pkey;
}

/* Converts a number between big-endian and the host's order, in its place. */
static void
swap_order(uint8 *number, size_t len)
{
#ifndef WORDS_BIGENDIAN
	for (size_t i = 0; i < len / 2; i++)
	{
		uint8		byte = number[i];

		number[i] = number[len - 1 - i];
		number[len - 1 - i] = byte;
	}
#endif
}

/*
 * ES256: ECDSA with P-256 and SHA-256
 */

/* Writes a point. */
static void
write_point(uint8 point[POINT_BYTES], const SessionPublicParts *parts)
{
	point[0] = POINT_UNCOMPRESSED;
	memcpy(point + 1, parts->first, NUMBER_BYTES);
	memcpy(point + 1 + NUMBER_BYTES, parts->second, NUMBER_BYTES);
}

/* Makes a key of a point; OpenSSL refuses one that is not on the curve. */
static EVP_PKEY *
es256_import(Method *method, const SessionPublicParts *parts)
{
	uint8		point[POINT_BYTES];
	OSSL_PARAM	params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME,
										 "P-256", 0),
		OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point,
										  sizeof(point)),
		OSSL_PARAM_construct_end(),
	};

	write_point(point, parts);
	return import_params(method, params);
}

/*
 * Puts another point into a key.  OpenSSL refuses one that is not on the
 * curve.  An uncompressed point is never the one at infinity.
 */
static bool
es256_replace(EVP_PKEY *pkey, const SessionPublicParts *parts)
{
	uint8		point[POINT_BYTES];

	write_point(point, parts);
	return EVP_PKEY_set1_encoded_public_key(pkey, point, sizeof(point)) == 1;
}

/*
 * Returns whether the key is a point of P-256.  The quick check is complete,
 * because the order of the group is a prime.  The full one multiplies the
 * point by that order, which takes longer than verifying a signature.
 */
static bool
es256_check(EVP_PKEY *pkey)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
	char		group[32];
	bool		ok;

	ok = EVP_PKEY_get_group_name(pkey, group, sizeof(group), NULL) == 1 &&
		strcmp(group, SN_X9_62_prime256v1) == 0 &&
		ctx != NULL && EVP_PKEY_public_check_quick(ctx) == 1;
	EVP_PKEY_CTX_free(ctx);
	return ok;
}

/*
 * Writes the point that belongs to a private number.  Returns false unless the
 * number is in the range from 1 to order - 1.
 */
static bool
multiply_generator(uint8 point[POINT_BYTES], const uint8 *private)
{
	EC_GROUP   *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
	EC_POINT   *product = group == NULL ? NULL : EC_POINT_new(group);
	BIGNUM	   *number = BN_bin2bn(private, NUMBER_BYTES, NULL);
	bool		ok;

	ok = product != NULL && number != NULL && !BN_is_zero(number) &&
		BN_cmp(number, EC_GROUP_get0_order(group)) < 0 &&
		EC_POINT_mul(group, product, number, NULL, NULL, NULL) == 1 &&
		EC_POINT_point2oct(group, product, POINT_CONVERSION_UNCOMPRESSED,
						   point, POINT_BYTES, NULL) == POINT_BYTES;
	BN_clear_free(number);
	EC_POINT_free(product);
	EC_GROUP_free(group);
	return ok;
}

/* The private form is the private number, as in a JWK. */
static EVP_PKEY *
es256_open(const uint8 *private, size_t len)
{
	uint8		point[POINT_BYTES];
	uint8		number[NUMBER_BYTES];
	OSSL_PARAM	params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME,
										 "P-256", 0),
		OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point,
										  sizeof(point)),
		OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_PRIV_KEY, number,
								sizeof(number)),
		OSSL_PARAM_construct_end(),
	};
	EVP_PKEY   *pkey;

	if (len != NUMBER_BYTES || !multiply_generator(point, private))
		return NULL;
	memcpy(number, private, sizeof(number));
	swap_order(number, sizeof(number));
	pkey = open_params("EC", params);
	session_crypto_wipe(number, sizeof(number));
	return pkey;
}

static bool
es256_generate(uint8 *private, size_t *len)
{
	EVP_PKEY   *pkey = EVP_EC_gen("P-256");
	OSSL_PARAM	params[] = {
		OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_PRIV_KEY, private,
								NUMBER_BYTES),
		OSSL_PARAM_construct_end(),
	};
	bool		ok = pkey != NULL && EVP_PKEY_get_params(pkey, params) == 1 &&
	OSSL_PARAM_modified(params);

	if (ok)
		swap_order(private, NUMBER_BYTES);
	*len = NUMBER_BYTES;
	EVP_PKEY_free(pkey);
	return ok;
}

static bool
es256_export(SessionPublicParts *parts, const EVP_PKEY *pkey)
{
	BIGNUM	   *x = NULL;
	BIGNUM	   *y = NULL;
	bool		ok;

	ok = EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_EC_PUB_X, &x) == 1 &&
		EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_EC_PUB_Y, &y) == 1;
	ok &= export_number(parts->first, NUMBER_BYTES, x);
	ok &= export_number(parts->second, NUMBER_BYTES, y);
	parts->first_len = parts->second_len = NUMBER_BYTES;
	return ok;
}

/* Writes r and s, as they are in a JWS, in DER.  Returns the length, or 0. */
static size_t
pair_to_der(uint8 out[PAIR_BYTES], const uint8 *raw)
{
	ECDSA_SIG  *pair = ECDSA_SIG_new();
	BIGNUM	   *r = BN_bin2bn(raw, NUMBER_BYTES, NULL);
	BIGNUM	   *s = BN_bin2bn(raw + NUMBER_BYTES, NUMBER_BYTES, NULL);
	int			len = 0;

	if (pair != NULL && r != NULL && s != NULL &&
		ECDSA_SIG_set0(pair, r, s) == 1)
		len = i2d_ECDSA_SIG(pair, &out);
	else
	{
		BN_free(r);
		BN_free(s);
	}
	ECDSA_SIG_free(pair);
	return Max(len, 0);
}

/* Writes r and s, as they are in DER, as in a JWS. */
static bool
pair_from_der(uint8 *raw, const uint8 *der, size_t len)
{
	ECDSA_SIG  *pair = d2i_ECDSA_SIG(NULL, &der, (long) len);
	bool		ok;

	ok = pair != NULL &&
		BN_bn2binpad(ECDSA_SIG_get0_r(pair), raw,
					 NUMBER_BYTES) == NUMBER_BYTES &&
		BN_bn2binpad(ECDSA_SIG_get0_s(pair), raw + NUMBER_BYTES,
					 NUMBER_BYTES) == NUMBER_BYTES;
	ECDSA_SIG_free(pair);
	return ok;
}

static bool
es256_sign(uint8 *out, size_t *out_len, const void *in, size_t len,
		   SessionSignatureKey *key)
{
	uint8		hash[SESSION_SHA256_BYTES];
	uint8		der[PAIR_BYTES];
	size_t		der_len = sizeof(der);

	*out_len = 2 * NUMBER_BYTES;
	return begin(&key->signer, key->pkey, NULL, EVP_PKEY_sign_init_ex) &&
		session_crypto_sha256(hash, in, len) &&
		EVP_PKEY_sign(key->signer, der, &der_len, hash, sizeof(hash)) == 1 &&
		pair_from_der(out, der, der_len);
}

/* OpenSSL refuses r and s unless they are in the range from 1 to order - 1. */
static bool
es256_verify(const uint8 *signature, size_t signature_len, const void *in,
			 size_t len, SessionSignatureKey *key)
{
	uint8		hash[SESSION_SHA256_BYTES];
	uint8		der[PAIR_BYTES];
	size_t		der_len;

	if (signature_len != 2 * NUMBER_BYTES)
		return false;
	der_len = pair_to_der(der, signature);
	return der_len > 0 &&
		begin(&key->verifier, key->pkey, NULL, EVP_PKEY_verify_init_ex) &&
		session_crypto_sha256(hash, in, len) &&
		EVP_PKEY_verify(key->verifier, der, der_len, hash,
						sizeof(hash)) == 1;
}

static Method es256 = {
	.algorithm = &session_algorithm_es256,
	.type = "EC",
	.import = es256_import,
	.check = es256_check,
	.replace = es256_replace,
	.open = es256_open,
	.generate = es256_generate,
	.export = es256_export,
	.sign = es256_sign,
	.verify = es256_verify,
};

/*
 * EdDSA with Ed25519 (RFC 8032)
 */

/*
 * Returns whether bytes are a point of Ed25519 that a private key can belong
 * to, which OpenSSL does not check: y is below the prime, x^2 = u / v is a
 * square where u = y^2 - 1 and v = d y^2 + 1, and the order is not 1, 2, 4 or
 * 8.  The points of these orders have y = 1, y = -1, y = 0, and y with
 * y^2 + x^2 = 0, because their double has y = 0.
 */
static bool
check_edwards_point(const uint8 *bytes)
{
	static const uint8 d_bytes[NUMBER_BYTES] = {
		0x52, 0x03, 0x6C, 0xEE, 0x2B, 0x6F, 0xFE, 0x73,
		0x8C, 0xC7, 0x40, 0x79, 0x77, 0x79, 0xE8, 0x98,
		0x00, 0x70, 0x0A, 0x4D, 0x41, 0x41, 0xD8, 0xAB,
		0x75, 0xEB, 0x4D, 0xCA, 0x13, 0x59, 0x78, 0xA3
	};
	BN_CTX	   *ctx = BN_CTX_new();
	BIGNUM	   *p;
	BIGNUM	   *d;
	BIGNUM	   *y;
	BIGNUM	   *u;
	BIGNUM	   *v;
	BIGNUM	   *w;
	bool		ok = false;

	if (ctx == NULL)
		return false;
	BN_CTX_start(ctx);
	p = BN_CTX_get(ctx);
	d = BN_CTX_get(ctx);
	y = BN_CTX_get(ctx);
	u = BN_CTX_get(ctx);
	v = BN_CTX_get(ctx);
	w = BN_CTX_get(ctx);
	/* The highest bit is the sign of x. */
	if (w != NULL && BN_set_bit(p, 255) && BN_sub_word(p, 19) &&
		BN_bin2bn(d_bytes, sizeof(d_bytes), d) != NULL &&
		BN_lebin2bn(bytes, NUMBER_BYTES, y) != NULL &&
		(!BN_is_bit_set(y, 255) || BN_clear_bit(y, 255)) &&
		BN_cmp(y, p) < 0 && !BN_is_zero(y) &&
		BN_mod_sqr(w, y, p, ctx) &&
		BN_mod_sub(u, w, BN_value_one(), p, ctx) && !BN_is_zero(u) &&
		BN_mod_mul(v, d, w, p, ctx) &&
		BN_mod_add(v, v, BN_value_one(), p, ctx) &&
		BN_mod_mul(w, w, v, p, ctx) && BN_mod_add(w, w, u, p, ctx) &&
		!BN_is_zero(w) && BN_mod_mul(w, u, v, p, ctx))
		ok = BN_kronecker(w, p, ctx) == 1;
	BN_CTX_end(ctx);
	BN_CTX_free(ctx);
	return ok;
}

static EVP_PKEY *
eddsa_import(Method *method, const SessionPublicParts *parts)
{
	OSSL_PARAM	params[] = {
		OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY,
										  unconstify(SessionPublicParts *, parts)->first,
										  NUMBER_BYTES),
		OSSL_PARAM_construct_end(),
	};

	if (!check_edwards_point(parts->first))
		return NULL;
	return import_params(method, params);
}

/* Points are checked before they are imported. */
static bool
eddsa_check(EVP_PKEY *pkey)
{
	return true;
}

/* The private form is the seed, which RFC 8032 calls the private key. */
static EVP_PKEY *
eddsa_open(const uint8 *private, size_t len)
{
	return len != NUMBER_BYTES ? NULL :
		EVP_PKEY_new_raw_private_key_ex(NULL, "ED25519", NULL, private, len);
}

/* Any 32 random bytes are a seed (RFC 8032 section 5.1.5). */
static bool
eddsa_generate(uint8 *private, size_t *len)
{
	*len = NUMBER_BYTES;
	return session_crypto_random(private, NUMBER_BYTES);
}

static bool
eddsa_export(SessionPublicParts *parts, const EVP_PKEY *pkey)
{
	parts->first_len = NUMBER_BYTES;
	parts->second_len = 0;
	return EVP_PKEY_get_raw_public_key(pkey, parts->first,
									   &parts->first_len) == 1;
}

/*
 * Begins to sign or to verify a message.  The context is kept for the fetched
 * algorithm, and must begin anew for each message.
 */
static bool
begin_one_shot(SessionSignatureKey *key,
			   int (*init) (EVP_MD_CTX *, EVP_PKEY_CTX **, const EVP_MD *,
							ENGINE *, EVP_PKEY *))
{
	if (key->one_shot == NULL)
		key->one_shot = EVP_MD_CTX_new();
	return key->one_shot != NULL &&
		init(key->one_shot, NULL, NULL, NULL, key->pkey) == 1;
}

static bool
eddsa_sign(uint8 *out, size_t *out_len, const void *in, size_t len,
		   SessionSignatureKey *key)
{
	*out_len = 2 * NUMBER_BYTES;
	return begin_one_shot(key, EVP_DigestSignInit) &&
		EVP_DigestSign(key->one_shot, out, out_len, in, len) == 1;
}

/* OpenSSL refuses an S that is not below the order, and R in another form. */
static bool
eddsa_verify(const uint8 *signature, size_t signature_len, const void *in,
			 size_t len, SessionSignatureKey *key)
{
	return signature_len == 2 * NUMBER_BYTES &&
		begin_one_shot(key, EVP_DigestVerifyInit) &&
		EVP_DigestVerify(key->one_shot, signature, signature_len, in,
						 len) == 1;
}

static Method eddsa = {
	.algorithm = &session_algorithm_eddsa,
	.type = "ED25519",
	.import = eddsa_import,
	.check = eddsa_check,
	.open = eddsa_open,
	.generate = eddsa_generate,
	.export = eddsa_export,
	.sign = eddsa_sign,
	.verify = eddsa_verify,
};

/*
 * RS256: RSASSA-PKCS1-v1_5 with SHA-256
 */

static EVP_PKEY *
rs256_import(Method *method, const SessionPublicParts *parts)
{
	OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
	OSSL_PARAM *params = NULL;
	BIGNUM	   *n = BN_bin2bn(parts->first, (int) parts->first_len, NULL);
	BIGNUM	   *e = BN_bin2bn(parts->second, (int) parts->second_len, NULL);
	EVP_PKEY   *pkey;

	if (builder != NULL && n != NULL && e != NULL &&
		OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
		OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e) == 1)
		params = OSSL_PARAM_BLD_to_param(builder);
	pkey = import_params(method, params);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(builder);
	BN_free(n);
	BN_free(e);
	return pkey;
}

/*
 * Returns whether n and e are of a size that is allowed, and odd.  OpenSSL's
 * check also proves that n is not a prime, which takes a hundred times as long
 * as verifying a signature: a client that sends a key must not cause that.  A
 * modulus that can be factored harms only the owner of the key.
 */
static bool
rs256_check(EVP_PKEY *pkey)
{
	BIGNUM	   *n = NULL;
	BIGNUM	   *e = NULL;
	bool		ok;

	ok = EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_N, &n) == 1 &&
		EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_E, &e) == 1 &&
		BN_num_bits(n) >= SESSION_RSA_BITS &&
		BN_num_bits(n) <= SESSION_RSA_MOST_BITS && BN_is_odd(n) &&
		BN_is_odd(e) && !BN_is_one(e) &&
		BN_num_bits(e) <= MAX_EXPONENT_BITS;
	BN_free(n);
	BN_free(e);
	return ok;
}

/* A number of a key that signs. */
typedef struct RsaNumber
{
	const char *name;			/* OpenSSL's */
	size_t		bytes;
} RsaNumber;

/* They are in the order of the private form. */
static const RsaNumber rsa_numbers[] = {
	{OSSL_PKEY_PARAM_RSA_N, MODULUS_BYTES},
	{OSSL_PKEY_PARAM_RSA_E, EXPONENT_BYTES},
	{OSSL_PKEY_PARAM_RSA_D, MODULUS_BYTES},
	{OSSL_PKEY_PARAM_RSA_FACTOR1, FACTOR_BYTES},
	{OSSL_PKEY_PARAM_RSA_FACTOR2, FACTOR_BYTES},
	{OSSL_PKEY_PARAM_RSA_EXPONENT1, FACTOR_BYTES},
	{OSSL_PKEY_PARAM_RSA_EXPONENT2, FACTOR_BYTES},
	{OSSL_PKEY_PARAM_RSA_COEFFICIENT1, FACTOR_BYTES},
};

StaticAssertDecl(2 * MODULUS_BYTES + EXPONENT_BYTES + 5 * FACTOR_BYTES ==
				 SESSION_PRIVATE_KEY_BYTES,
				 "the private form of an RSA key is the longest");

/* One for each number, and the end. */
typedef OSSL_PARAM RsaParams[lengthof(rsa_numbers) + 1];

/* Makes parameters whose values are the numbers in a private form. */
static void
rs256_describe(RsaParams params, uint8 *private)
{
	for (size_t i = 0; i < lengthof(rsa_numbers); i++)
	{
		params[i] = OSSL_PARAM_construct_BN(rsa_numbers[i].name, private,
											rsa_numbers[i].bytes);
		private += rsa_numbers[i].bytes;
	}
	params[lengthof(rsa_numbers)] = OSSL_PARAM_construct_end();
}

/* Converts each number in a private form. */
static void
rs256_swap_order(uint8 *private)
{
	for (size_t i = 0; i < lengthof(rsa_numbers); i++)
	{
		swap_order(private, rsa_numbers[i].bytes);
		private += rsa_numbers[i].bytes;
	}
}

static EVP_PKEY *
rs256_open(const uint8 *private, size_t len)
{
	uint8		numbers[SESSION_PRIVATE_KEY_BYTES];
	RsaParams	params;
	EVP_PKEY   *pkey;

	if (len != sizeof(numbers))
		return NULL;
	memcpy(numbers, private, sizeof(numbers));
	rs256_swap_order(numbers);
	rs256_describe(params, numbers);
	pkey = open_params("RSA", params);
	session_crypto_wipe(numbers, sizeof(numbers));
	return pkey;
}

static bool
rs256_generate(uint8 *private, size_t *len)
{
	EVP_PKEY   *pkey = EVP_RSA_gen(SESSION_RSA_BITS);
	RsaParams	params;
	bool		ok;

	rs256_describe(params, private);
	ok = pkey != NULL && EVP_PKEY_get_params(pkey, params) == 1;
	for (size_t i = 0; i < lengthof(rsa_numbers); i++)
		ok &= OSSL_PARAM_modified(&params[i]);
	if (ok)
		rs256_swap_order(private);
	*len = SESSION_PRIVATE_KEY_BYTES;
	EVP_PKEY_free(pkey);
	return ok;
}

/* Writes a number without leading zeros, and frees it. */
static bool
export_rsa_number(uint8 *out, size_t *len, size_t max, BIGNUM *number)
{
	*len = number == NULL ? 0 : (size_t) BN_num_bytes(number);
	if (*len > 0 && *len <= max)
		return export_number(out, *len, number);
	BN_free(number);
	return false;
}

static bool
rs256_export(SessionPublicParts *parts, const EVP_PKEY *pkey)
{
	BIGNUM	   *n = NULL;
	BIGNUM	   *e = NULL;
	bool		ok;

	ok = EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_N, &n) == 1 &&
		EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_E, &e) == 1;
	ok &= export_rsa_number(parts->first, &parts->first_len,
							sizeof(parts->first), n);
	ok &= export_rsa_number(parts->second, &parts->second_len,
							sizeof(parts->second), e);
	return ok;
}

/* Returns the parameters of signing and verifying. */
static const OSSL_PARAM *
rs256_params(void)
{
	static OSSL_PARAM params[3];

	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE,
												 OSSL_PKEY_RSA_PAD_MODE_PKCSV15,
												 0);
	params[1] = OSSL_PARAM_construct_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST,
												 "SHA256", 0);
	params[2] = OSSL_PARAM_construct_end();
	return params;
}

static bool
rs256_sign(uint8 *out, size_t *out_len, const void *in, size_t len,
		   SessionSignatureKey *key)
{
	uint8		hash[SESSION_SHA256_BYTES];

	*out_len = SESSION_SIGNATURE_BYTES;
	return begin(&key->signer, key->pkey, rs256_params(),
				 EVP_PKEY_sign_init_ex) &&
		session_crypto_sha256(hash, in, len) &&
		EVP_PKEY_sign(key->signer, out, out_len, hash, sizeof(hash)) == 1;
}

static bool
rs256_verify(const uint8 *signature, size_t signature_len, const void *in,
			 size_t len, SessionSignatureKey *key)
{
	uint8		hash[SESSION_SHA256_BYTES];

	return signature_len == (size_t) EVP_PKEY_get_size(key->pkey) &&
		begin(&key->verifier, key->pkey, rs256_params(),
			  EVP_PKEY_verify_init_ex) &&
		session_crypto_sha256(hash, in, len) &&
		EVP_PKEY_verify(key->verifier, signature, signature_len, hash,
						sizeof(hash)) == 1;
}

static Method rs256 = {
	.algorithm = &session_algorithm_rs256,
	.type = "RSA",
	.import = rs256_import,
	.check = rs256_check,
	.open = rs256_open,
	.generate = rs256_generate,
	.export = rs256_export,
	.sign = rs256_sign,
	.verify = rs256_verify,
};

/*
 * Keys
 */

/* Returns the method of an algorithm; NULL for a symmetric one. */
static Method *
find_method(const SessionAlgorithm *algorithm)
{
	static Method *const methods[] = {&es256, &eddsa, &rs256};

	for (size_t i = 0; i < lengthof(methods); i++)
		if (methods[i]->algorithm == algorithm)
			return methods[i];
	return NULL;
}

/* Returns a key that owns what OpenSSL has made; NULL if that is NULL. */
static SessionSignatureKey *
make_key(Method *method, EVP_PKEY *pkey)
{
	SessionSignatureKey *key = NULL;

	if (pkey != NULL && EVP_PKEY_is_a(pkey, method->type) == 1 &&
		method->check(pkey))
		key = OPENSSL_zalloc(sizeof(SessionSignatureKey));
	if (key == NULL)
		EVP_PKEY_free(pkey);
	else
	{
		key->method = method;
		key->pkey = pkey;
	}
	/* OpenSSL leaves errors there even where it succeeds in the end. */
	ERR_clear_error();
	return key;
}

/* Returns whether the parts have lengths that are allowed. */
static bool
check_lengths(const SessionPublicParts *parts)
{
	const size_t *bytes = parts->algorithm->part_bytes;

	if (bytes[0] != 0)
		return parts->first_len == bytes[0] && parts->second_len == bytes[1];
	return parts->first_len > 0 && parts->first_len <= sizeof(parts->first) &&
		parts->second_len > 0 &&
		parts->second_len <= sizeof(parts->second) &&
		parts->first[0] != 0 && parts->second[0] != 0;
}

/* Makes a key from its public parts. */
SessionSignatureKey *
session_signature_public(const SessionPublicParts *parts)
{
	Method	   *method = find_method(parts->algorithm);

	if (method == NULL || !check_lengths(parts))
		return NULL;
	return make_key(method, method->import(method, parts));
}

/* Makes a key from its private form. */
SessionSignatureKey *
session_signature_private(const SessionAlgorithm *algorithm,
						  const uint8 *private, size_t len)
{
	Method	   *method = find_method(algorithm);

	return method == NULL ? NULL : make_key(method, method->open(private, len));
}

/* Generates a key and writes its private form. */
bool
session_signature_generate(const SessionAlgorithm *algorithm,
						   uint8 private[SESSION_PRIVATE_KEY_BYTES],
						   size_t *len)
{
	Method	   *method = find_method(algorithm);
	bool		ok = method != NULL && method->generate(private, len);

	ERR_clear_error();
	return ok;
}

/* Writes the public parts of a key. */
bool
session_signature_parts(SessionPublicParts *parts,
						const SessionSignatureKey *key)
{
	bool		ok;

	memset(parts, 0, sizeof(*parts));
	parts->algorithm = key->method->algorithm;
	ok = key->method->export(parts, key->pkey);
	if (!ok)
		ERR_clear_error();
	return ok;
}

/* Signs, with a private key. */
bool
session_signature_sign(uint8 out[SESSION_SIGNATURE_BYTES], size_t *out_len,
					   const void *in, size_t len, SessionSignatureKey *key)
{
	bool		ok = key->method->sign(out, out_len, in, len, key);

	if (!ok)
		ERR_clear_error();
	return ok;
}

/* Returns whether a signature was made with the private half of a key. */
bool
session_signature_verify(const uint8 *signature, size_t signature_len,
						 const void *in, size_t len,
						 SessionSignatureKey *key)
{
	bool		ok = key->method->verify(signature, signature_len, in, len,
										 key);

	if (!ok)
		ERR_clear_error();
	return ok;
}

/*
 * Makes a key of the parts, or puts them into the spare one, which knows the
 * curve already.
 */
static SessionSignatureKey *
borrow_key(const SessionPublicParts *parts)
{
	Method	   *method = find_method(parts->algorithm);

	if (method == NULL || method->spare == NULL)
		return session_signature_public(parts);
	if (check_lengths(parts) && method->replace(method->spare->pkey, parts))
		return method->spare;
	ERR_clear_error();
	return NULL;
}

/* Frees a key, or keeps it as the spare one. */
static void
return_key(SessionSignatureKey *key)
{
	if (key == NULL)
		return;
	if (key->method->replace == NULL)
	{
		session_signature_free(key);
		return;
	}
	key->method->spare = key;
	/* A context may have a copy of the key. */
	EVP_PKEY_CTX_free(key->verifier);
	key->verifier = NULL;
}

/* Returns whether a signature was made with the private half of the parts. */
bool
session_signature_verify_once(const uint8 *signature, size_t signature_len,
							  const void *in, size_t len,
							  const SessionPublicParts *parts)
{
	SessionSignatureKey *key = borrow_key(parts);
	bool		ok = key != NULL &&
	session_signature_verify(signature, signature_len, in, len, key);

	return_key(key);
	return ok;
}

/* Returns the algorithm of a key. */
const SessionAlgorithm *
session_signature_algorithm(const SessionSignatureKey *key)
{
	return key->method->algorithm;
}

/* Frees a key, and wipes its private half. */
void
session_signature_free(SessionSignatureKey *key)
{
	if (key == NULL)
		return;
	EVP_PKEY_CTX_free(key->signer);
	EVP_PKEY_CTX_free(key->verifier);
	EVP_MD_CTX_free(key->one_shot);
	EVP_PKEY_free(key->pkey);
	OPENSSL_free(key);
}
