/*
 * stream: the bytes of a layer, decompressed and hashed by a thread of its own while the reader works.
 *
 * The two sides share a ring that is mapped twice in a row, so that every stretch of up to STREAM_RING bytes can be looked at in one piece
 * and written to a file from where it lies. The thread stops at the ring's fill, so nothing grows with the layer.
 */
#ifndef PROA_STREAM_H
#define PROA_STREAM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "err.h"
#include "sha256.h"

#define STREAM_PEEK_MAX (256 << 10) /* bytes: the most that stream_peek() can be asked for */

enum stream_compression { STREAM_AUTO, STREAM_PLAIN, STREAM_GZIP, STREAM_ZSTD };

struct stream;

/*
 * Start reading FD (a pipe, socket or file, which stays the caller's and must block). STREAM_AUTO goes by the first bytes: gzip's or zstd's magic
 * number, anything else is plain.
 * Return: 0 with *OUT, or -errno with ERR.
 */
int stream_open(int fd, enum stream_compression compression, struct stream **out, struct err *err);

/*
 * Wait until WANT bytes are there or the stream ends. Return: the number of bytes at *AT, less than WANT only at the end of the
 * stream, often more; or -errno with ERR when reading or decompressing failed before WANT bytes.
 */
ssize_t stream_peek(struct stream *stream, size_t want, const uint8_t **at, struct err *err);

/* Be done with N bytes that were peeked. */
void stream_skip(struct stream *stream, size_t n);

/*
 * Read to the end and tell what went by: DIGEST of all uncompressed bytes, their number. What is left in FD is nothing.
 * Return: 0, or -errno with ERR.
 */
int stream_drain(struct stream *stream, char digest[SHA256_TEXT], uint64_t *size, struct err *err);

/* Stop the thread, wherever it is, and free everything. STREAM may be NULL. */
void stream_close(struct stream *stream);

#endif
