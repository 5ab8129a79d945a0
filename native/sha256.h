/*
 * sha256: digests as the image specification writes them, "sha256:" and 64 hexadecimal digits.
 */
#ifndef PROA_SHA256_H
#define PROA_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_TEXT 72 /* "sha256:", 64 digits, NUL */

/* libcrypto's low-level state, opaque here: it picks SHA-NI or AVX2 by itself (1.5 GB/s where there is SHA-NI). */
struct sha256 {
	_Alignas(8) unsigned char state[128];
};

void sha256_begin(struct sha256 *hash);
void sha256_add(struct sha256 *hash, const void *data, size_t size);

/* Write the digest of all that was added as text. HASH may be begun again. */
void sha256_end(struct sha256 *hash, char text[SHA256_TEXT]);

#endif
