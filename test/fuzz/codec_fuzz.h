/*
 * codec_fuzz.h
 *	  Properties of every encoding, with own and imported keys.
 *
 * The input is used as a value, then as a payload.  The imported keys are
 * those of the known values in the corpus.
 */
#ifndef SESSION_CODEC_FUZZ_H
#define SESSION_CODEC_FUZZ_H

#include "fuzz.h"
#include "wire/codec.h"

/* A key and its purpose. */
typedef struct FuzzKey
{
	SessionCodecKey key;
	const char *purpose;
} FuzzKey;

#define AS_BYTES(text) (const uint8 *) (text), sizeof(text) - 1

static const FuzzKey fuzz_keys[] = {
	{{"k1", AS_BYTES("a key that was made in our server"), false}, "session"},
	{{"", AS_BYTES("0123456789abcdef0123456789abcdef"), true}, "session"},
	{{"", AS_BYTES("test-secret-key-for-session-cookies"), true}, "session"},
	{{"", AS_BYTES("correct horse battery staple 0123456789"), true},
	"authjs.session-token"},
	{{"", AS_BYTES("keyboard cat\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
	true}, "connect.sid"},
	{{"", AS_BYTES("django-insecure-a-secret-key-of-a-test-0123456789"), true},
	"django.contrib.sessions.SessionStore"},
};

/* Decodes the input with every key. At most one key may accept a value. */
static void
fuzz_value(const SessionCodec *codec, const uint8 *data, size_t size)
{
	char	   *value = fuzz_copy(data, size);
	size_t		room = session_codec_room(codec, value, size);
	char	   *out = malloc(room);
	int			accepted = 0;

	for (size_t i = 0; i < lengthof(fuzz_keys); i++)
	{
		size_t		len = SIZE_MAX;

		if (codec->decode(out, &len, value, size, fuzz_keys[i].purpose,
						  &fuzz_keys[i].key))
		{
			fuzz_require(len <= room);
			fuzz_require(session_codec_of(value, size) == codec);
			accepted++;
		}
	}
	fuzz_require(accepted <= 1);
	fuzz_require(size == 0 || memcmp(value, data, size) == 0);
	free(out);
	free(value);
}

/* Flips one bit, chosen by the input. The changed value must be refused. */
static void
fuzz_changed(const SessionCodec *codec, const uint8 *data, size_t size,
			 char *value, size_t len, const char *purpose,
			 const SessionCodecKey *key)
{
	char	   *out = malloc(len);
	uint32		at = 0;
	size_t		out_len;

	for (size_t i = 0; i < size; i++)
		at = at * 31 + data[i];
	value[at / 8 % len] ^= 1 << at % 8;
	fuzz_require(!codec->decode(out, &out_len, value, len, purpose, key));
	free(out);
}

/* Encodes the input with every key. Decoding must return the same payload. */
static void
fuzz_payload(const SessionCodec *codec, const uint8 *data, size_t size)
{
	char	   *payload = fuzz_copy(data, size);

	for (size_t i = 0; i < lengthof(fuzz_keys); i++)
	{
		const SessionCodecKey *key = &fuzz_keys[i].key;
		const char *purpose = fuzz_keys[i].purpose;
		size_t		bound = codec->bound(size, key);
		char	   *value = malloc(bound);
		size_t		len;
		size_t		out_len;
		char	   *out;

		if (!codec->encode(value, &len, payload, size, purpose, key))
		{
			fuzz_require(bound > SESSION_CODEC_CHARS);
			free(value);
			continue;
		}
		fuzz_require(len <= bound);
		out = malloc(len);
		fuzz_require(codec->decode(out, &out_len, value, len, purpose, key));
		fuzz_require(out_len == size);
		fuzz_require(size == 0 || memcmp(out, data, size) == 0);
		fuzz_require(!codec->decode(out, &out_len, value, len, "other",
									&fuzz_keys[0].key));
		free(out);
		fuzz_changed(codec, data, size, value, len, purpose, key);
		free(value);
	}
	free(payload);
}

static int
fuzz_codec(const SessionCodec *codec, const uint8 *data, size_t size)
{
	fuzz_value(codec, data, size);
	if (codec->encode != NULL)
		fuzz_payload(codec, data, size);
	return 0;
}

#endif							/* SESSION_CODEC_FUZZ_H */
