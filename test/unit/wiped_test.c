/*
 * wiped_test.c
 *	  No memory that OpenSSL has freed has a copy of a private key.
 *
 * Freed memory is kept as it was, and is searched for the key.
 */
#include "postgres.h"

#include <openssl/crypto.h>

#include "crypto/crypto.h"
#include "crypto/signature.h"
#include "tap.h"

/* Bytes that are searched for: a copy may be a part of a number. */
#define PIECE 16

/* A block of memory, before the bytes that OpenSSL has. */
typedef struct Block
{
	struct Block *next;
	size_t		size;
	uint8		bytes[FLEXIBLE_ARRAY_MEMBER];
} Block;

static Block *freed = NULL;

static void *
get_memory(size_t size, const char *file, int line)
{
	Block	   *block = malloc(sizeof(Block) + size);

	if (block == NULL)
		return NULL;
	block->size = size;
	return block->bytes;
}

static void
keep_memory(void *bytes, const char *file, int line)
{
	Block	   *block;

	if (bytes == NULL)
		return;
	block = (Block *) ((uint8 *) bytes - offsetof(Block, bytes));
	block->next = freed;
	freed = block;
}

static void *
resize_memory(void *bytes, size_t size, const char *file, int line)
{
	uint8	   *copy = get_memory(size, file, line);
	Block	   *block;

	if (copy == NULL || bytes == NULL)
		return copy;
	block = (Block *) ((uint8 *) bytes - offsetof(Block, bytes));
	memcpy(copy, bytes, Min(size, block->size));
	keep_memory(bytes, file, line);
	return copy;
}

/* Returns whether freed memory has some bytes. */
static bool
was_freed(const uint8 piece[PIECE])
{
	for (Block *block = freed; block != NULL; block = block->next)
		for (size_t i = 0; i + PIECE <= block->size; i++)
			if (block->bytes[i] == piece[0] &&
				memcmp(block->bytes + i, piece, PIECE) == 0)
				return true;
	return false;
}

/* Returns whether freed memory has a part of a number, in either order. */
static bool
has_part(const uint8 *number)
{
	uint8		reversed[PIECE];

	for (int i = 0; i < PIECE; i++)
		reversed[i] = number[PIECE - 1 - i];
	return was_freed(number) || was_freed(reversed);
}

/*
 * Returns whether freed memory has a part of a private form.  The first bytes
 * of RS256 are public.
 */
static bool
has_private(const uint8 *private, size_t len)
{
	for (size_t i = len > 264 ? 264 : 0; i + PIECE <= len; i += PIECE)
		if (has_part(private + i))
			return true;
	return false;
}

static void
test_algorithm(const SessionAlgorithm *algorithm)
{
	uint8		private[SESSION_PRIVATE_KEY_BYTES];
	uint8		signature[SESSION_SIGNATURE_BYTES];
	char		title[80];
	SessionSignatureKey *key = NULL;
	size_t		len;
	size_t		signature_len;
	bool		ok;

	ok = session_signature_generate(algorithm, private, &len);
	snprintf(title, sizeof(title), "generating a key of %s wipes its copies",
			 algorithm->name);
	tap_ok(ok && !has_private(private, len), title);

	if (ok)
		key = session_signature_private(algorithm, private, len);
	ok = key != NULL && session_signature_sign(signature, &signature_len,
											   "message", 7, key);
	session_signature_free(key);
	snprintf(title, sizeof(title), "a key of %s is wiped after its use",
			 algorithm->name);
	tap_ok(ok && !has_private(private, len), title);
}

/* What is freed without being wiped is found. */
static void
test_search(void)
{
	uint8		number[PIECE];
	uint8	   *copy = OPENSSL_malloc(100);
	bool		ok = session_crypto_random(number, PIECE);

	memcpy(copy + 84, number, PIECE);
	ok = ok && !has_part(number);
	OPENSSL_free(copy);
	tap_ok(ok && has_part(number), "what was freed is searched");
}

int
main(void)
{
	if (CRYPTO_set_mem_functions(get_memory, resize_memory, keep_memory) != 1)
		return 1;
	test_search();
	test_algorithm(&session_algorithm_es256);
	test_algorithm(&session_algorithm_eddsa);
	test_algorithm(&session_algorithm_rs256);
	return tap_done();
}
