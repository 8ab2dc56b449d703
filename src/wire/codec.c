/*
 * codec.c
 *	  The table of encodings.
 */
#include "postgres.h"

#include "wire/codec.h"

/*
 * An encoding, and the number of dots in each of its values.  Those with a
 * negative number have a colon in each value, which the others never have.
 */
typedef struct Entry
{
	const SessionCodec *codec;
	int			dots;
} Entry;

static const Entry codecs[] = {
	{&session_codec_compact, 1},
	{&session_codec_jwt, 2},
	{&session_codec_jwe, 4},
	{&session_codec_sealed, 0},
	{&session_codec_express, -1},
	{&session_codec_django, -1},
};

/* Returns the encoding of a name, or NULL. */
const SessionCodec *
session_codec_find(const char *name, size_t len)
{
	for (size_t i = 0; i < lengthof(codecs); i++)
	{
		if (strlen(codecs[i].codec->name) == len &&
			memcmp(codecs[i].codec->name, name, len) == 0)
			return codecs[i].codec;
	}
	return NULL;
}

/* Returns the encoding that a value can be in, or NULL. */
const SessionCodec *
session_codec_of(const char *value, size_t len)
{
	const char *end = value + len;
	const char *dot = value;
	int			dots = 0;

	if (len == 0 || len > SESSION_CODEC_CHARS)
		return NULL;
	if (session_codec_is_express(value, len))
		return &session_codec_express;
	if (memchr(value, ':', len) != NULL)
		return &session_codec_django;
	while ((dot = memchr(dot, '.', end - dot)) != NULL)
	{
		dots++;
		dot++;
	}
	for (size_t i = 0; i < lengthof(codecs); i++)
	{
		if (codecs[i].dots == dots)
			return codecs[i].codec;
	}
	return NULL;
}

/* Returns the number of bytes that decoding a value needs. */
size_t
session_codec_room(const SessionCodec *codec, const char *value, size_t len)
{
	return codec->room == NULL ? len : codec->room(value, len);
}

/* Returns whether a text can be the id of a key. */
bool
session_codec_kid_valid(const char *kid)
{
	size_t		len = strlen(kid);

	for (size_t i = 0; i < len; i++)
	{
		if (kid[i] <= ' ' || kid[i] > '~' || kid[i] == '"' || kid[i] == '\\')
			return false;
	}
	return len > 0 && len <= SESSION_KID_CHARS;
}
