/*
 * The low-level functions are deprecated in favour of EVP, which drags providers and configuration files into a static program.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "sha256.h"

#include <assert.h>
#include <openssl/sha.h>
#include <string.h>

static_assert(sizeof(SHA256_CTX) <= sizeof(((struct sha256 *)0)->state), "the state holds libcrypto's");

void sha256_begin(struct sha256 *hash)
{
	SHA256_Init((SHA256_CTX *)(void *)hash->state);
}

void sha256_add(struct sha256 *hash, const void *data, size_t size)
{
	SHA256_Update((SHA256_CTX *)(void *)hash->state, data, size);
}

void sha256_end(struct sha256 *hash, char text[SHA256_TEXT])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char digest[SHA256_DIGEST_LENGTH];

	SHA256_Final(digest, (SHA256_CTX *)(void *)hash->state);
	memcpy(text, "sha256:", 7);
	for (size_t i = 0; i < sizeof(digest); i++) {
		text[7 + 2 * i] = digits[digest[i] >> 4];
		text[8 + 2 * i] = digits[digest[i] & 15];
	}
	text[7 + 2 * sizeof(digest)] = '\0';
}
