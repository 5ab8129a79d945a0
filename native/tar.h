/*
 * tar: a streaming reader of tar archives as layers have them.
 *
 * Takes v7, ustar, GNU (long names, base-256 numbers, old sparse files), star's ustar and pax (local and global records, sparse files 0.0, 0.1 and 1.0).
 * Names are bytes. A name here is what the archive says: whether it may be used is for layer.c to judge.
 */
#ifndef PROA_TAR_H
#define PROA_TAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "err.h"

#define TAR_NAME_MAX (64 << 10)    /* bytes of a name or a link's target */
#define TAR_PAX_MAX (1 << 20)      /* bytes of one pax header: xattrs have at most 64 KiB each */
#define TAR_SPARSE_MAX (256 << 10) /* stretches of data in a sparse file */

/* Where the bytes come from; stream_peek() and stream_skip() fit (see stream.h for what they promise). */
struct tar_source {
	void *data;
	ssize_t (*peek)(void *data, size_t want, const uint8_t **at, struct err *err);
	void (*skip)(void *data, size_t n);
	/* May be NULL: bytes to OFFSET of the file TO without a look at them, when none are held back. Return: how many, 0 for none, or -errno. */
	ssize_t (*move)(void *data, int to, uint64_t offset, size_t n);
};

enum tar_type { TAR_FILE, TAR_HARD_LINK, TAR_SYMLINK, TAR_CHAR, TAR_BLOCK, TAR_DIRECTORY, TAR_FIFO };

/* Data of a sparse file. */
struct tar_stretch {
	uint64_t offset, size;
};

struct tar_xattr {
	const char *name;
	const uint8_t *value;
	size_t size;
};

/* An entry, until the next tar_next(). */
struct tar_entry {
	enum tar_type type;
	const char *name;         /* not empty, no NUL within; may be absolute, hold "..", end in '/' */
	const char *link;         /* target of a link, "" otherwise */
	mode_t mode;              /* permissions and set-id bits, nothing else */
	int64_t uid, gid;         /* as written: may be beyond what the system has */
	struct timespec mtime;
	struct timespec atime;    /* mtime where the archive has none */
	uint64_t size;            /* bytes of the file when unpacked, holes included; 0 for everything but files */
	const struct tar_xattr *xattrs;
	size_t n_xattrs;
};

struct tar;

struct tar *tar_new(const struct tar_source *source);
void tar_free(struct tar *tar);

/*
 * Read the next entry's headers, after whatever is left of the one before.
 * Return: 1 with *ENTRY, 0 at the end of the archive (two blocks of zeros, or the end of the source between entries), or -errno with ERR.
 */
int tar_next(struct tar *tar, const struct tar_entry **entry, struct err *err);

/*
 * The next piece of the entry's data: *SIZE bytes at *AT that belong at *OFFSET of the file, valid until the next call. Holes are left out.
 * Return: 1, 0 when there is no more, or -errno with ERR.
 */
int tar_data(struct tar *tar, const uint8_t **at, size_t *size, uint64_t *offset, struct err *err);

/*
 * Move as much of the entry's data as can go to its place in the file TO without being looked at; may be called between two tar_data().
 * Return: where the data that was moved ends in the file, 0 when none was, or -errno with ERR.
 */
int64_t tar_move(struct tar *tar, int to, struct err *err);

#endif
