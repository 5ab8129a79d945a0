/*
 * sink: where an archive is written to. Bytes are gathered in a buffer, and on request hashed and compressed on their way; nothing grows with the
 * archive.
 *
 * Compression is gzip in members of SINK_MEMBER bytes each (RFC 1952 allows any number of them), so that several threads can work at once; the bytes that
 * come out do not depend on how many those are.
 */
#ifndef PROA_SINK_H
#define PROA_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "err.h"
#include "sha256.h"

#define SINK_MEMBER (1 << 20) /* bytes that one gzip member holds */

struct sink;

/* What went through: DIFF_ID and SIZE of what was written, DIGEST and STORED of what came out behind the compressor. */
struct sink_total {
	char diff_id[SHA256_TEXT], digest[SHA256_TEXT];
	uint64_t size, stored;
};

/* Write to FD, which stays the caller's. DIGESTS: both are taken. */
struct sink *sink_new(int fd, bool gzip, bool digests);

/* Return: 0, or -errno with ERR. */
int sink_write(struct sink *sink, const void *data, size_t size, struct err *err);

/*
 * SIZE bytes at OFFSET of the file FROM, by the kernel alone where it can. A file that has become shorter is filled up with zeros: its header is written
 * already. NAME is for messages. Return: 0, or -errno with ERR.
 */
int sink_copy(struct sink *sink, int from, off_t offset, uint64_t size, const char *name, struct err *err);

/* Zeros up to a whole number of BLOCK bytes. */
int sink_pad(struct sink *sink, size_t block, struct err *err);

/* Write what is still held back. Return: 0 with *TOTAL (which may be NULL), or -errno with ERR. */
int sink_finish(struct sink *sink, struct sink_total *total, struct err *err);

/* Bytes that were written to it so far. */
uint64_t sink_size(const struct sink *sink);

void sink_free(struct sink *sink);

#endif
