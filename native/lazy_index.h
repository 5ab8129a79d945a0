/*
 * lazy_index: the files of layers that are still on their way, as their tables of contents describe them. TypeScript checks those and writes the index
 * (src/image/_lazy-index.ts, which has the form of the file); here it is mapped and read. What it says is checked once more where memory depends on it.
 */
#ifndef PROA_LAZY_INDEX_H
#define PROA_LAZY_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

#define LAZY_NONE UINT32_MAX

/* A file, of any type. The records are those of the file, little endian. */
struct lazy_node {
	uint32_t mode, uid, gid, nlink;
	uint64_t size;
	int64_t mtime_s;
	uint32_t mtime_ns, rdev;
	uint32_t first, count;        /* of a directory its names, of a regular file its chunks */
	uint32_t text, text_length;   /* of a link its target, of a regular file its path in the layer */
	uint32_t xattrs, xattrs_length;
	uint32_t layer, parent;
	uint64_t reserved;
};

/* A name in a directory; those of one directory stand together, sorted by their bytes. */
struct lazy_name {
	uint32_t node, text, length, reserved;
};

/* A piece of a regular file, in the file of pieces that have come. */
struct lazy_chunk {
	uint64_t file_offset, data_offset;
	uint32_t size, is_hole;
};

/* A layer: its directory's name, which is that of its directory at the root, too. */
struct lazy_layer {
	uint32_t text, length;
};

struct lazy_index {
	const unsigned char *map;
	size_t size;
	const struct lazy_node *nodes; /* the first is the root, which has a directory for each layer */
	const struct lazy_name *names;
	const struct lazy_chunk *chunks;
	const struct lazy_layer *layers;
	const char *bytes;
	uint32_t n_nodes, n_names, n_chunks, n_layers, n_bytes;
};

/* Map the index behind FD. Return: 0, or -errno with ERR. */
int lazy_index_open(int fd, struct lazy_index *index, struct err *err);

/* Text of the pool; NULL where the index is damaged. */
const char *lazy_index_text(const struct lazy_index *index, uint32_t text, uint32_t length);

/* The names of the directory NODE, or the chunks of the regular file NODE; NULL, and *COUNT 0, where it has none. */
const struct lazy_name *lazy_index_names(const struct lazy_index *index, const struct lazy_node *node, uint32_t *count);
const struct lazy_chunk *lazy_index_chunks(const struct lazy_index *index, const struct lazy_node *node, uint32_t *count);

/* The number of the node called NAME in DIRECTORY, or LAZY_NONE. */
uint32_t lazy_index_find(const struct lazy_index *index, const struct lazy_node *directory, const char *name, size_t length);

/* An extended attribute, when it has one of that name: its value and *SIZE; else NULL. */
const char *lazy_index_xattr(const struct lazy_index *index, const struct lazy_node *node, const char *name, size_t *size);

/* All names of NODE's extended attributes, each with a NUL, into BUF of ROOM bytes. Return: the bytes that they need. */
size_t lazy_index_xattrs(const struct lazy_index *index, const struct lazy_node *node, char *buf, size_t room);

#endif
