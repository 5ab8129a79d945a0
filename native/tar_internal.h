/*
 * tar_internal: what the two halves of the reader share: tar.c (blocks, entries, data) and tar_pax.c (records, sparse maps).
 */
#ifndef PROA_TAR_INTERNAL_H
#define PROA_TAR_INTERNAL_H

#include "tar.h"

#define TAR_BLOCK_SIZE 512

/* Text that is kept from entry to entry so that it is not allocated anew. */
struct tar_text {
	char *text;
	size_t size, room;
	bool set;
};

/* What extension headers said about the next entry. */
struct tar_extra {
	struct tar_text path, link;          /* pax path and linkpath */
	struct tar_text long_name, long_link; /* GNU's 'L' and 'K' */
	struct tar_text sparse_name;         /* GNU.sparse.name: the file's name, where `path` is a made-up one */
	struct tar_text records;             /* the pax header itself: xattrs point into it */
	bool has_size, has_uid, has_gid, has_mtime, has_atime;
	uint64_t size;
	int64_t uid, gid;
	struct timespec mtime, atime;
	/* GNU.sparse.* */
	bool sparse;              /* there is a map: in MAP, or with SPARSE_MAJOR 1 before the data */
	unsigned int sparse_major, sparse_minor;
	bool has_real_size;
	uint64_t real_size;
	uint64_t pending_offset;  /* of format 0.0: GNU.sparse.offset seen, its numbytes not yet */
	bool has_pending;
};

struct tar {
	struct tar_source source;
	struct tar_entry entry;
	struct tar_extra extra;
	/* Global pax records: owner and times only, see tar_pax_apply(). */
	struct tar_extra global;
	struct tar_text name, link_text; /* of the entry, where they come from the header block */
	struct tar_xattr *xattrs;
	size_t n_xattrs, xattr_room;
	struct tar_stretch *map;
	size_t n_map, map_room;
	/* The entry's data: */
	uint64_t left;     /* bytes not read yet, in the archive */
	unsigned int padding; /* bytes behind them up to a whole block */
	bool sparse;       /* by MAP */
	size_t at_stretch; /* of MAP */
	uint64_t offset;   /* in the file, of the next byte; within the stretch when sparse */
	size_t peeked;     /* bytes handed out and to be skipped first */
};

/* Replace what TEXT holds by N bytes of FROM, with a NUL behind. */
void tar_text_set(struct tar_text *text, const void *from, size_t n);

/* Parse the pax records in tar->extra.records. Return: 0 or -EINVAL with ERR. */
int tar_pax_parse(struct tar *tar, bool global, struct err *err);

/* Append a stretch to the sparse map. Return: 0, or -EINVAL with ERR when it lies before the last, is too large, or one too many. */
int tar_map_add(struct tar *tar, uint64_t offset, uint64_t size, struct err *err);

/* Read the map of sparse format 1.0, which stands before the data and counts as part of it. Return: 0 or -errno with ERR. */
int tar_map_read(struct tar *tar, struct err *err);

/* Check the map against the sizes. Return: 0 or -EINVAL with ERR. */
int tar_map_check(struct tar *tar, struct err *err);

/* "bad tar archive": the facts for whatever is wrong with its bytes. Return: -EINVAL. */
int tar_bad(const struct tar *tar, struct err *err, const char *why);

/* A peek of exactly N bytes, the end of the source being an error. Return: 0 or -errno with ERR. */
int tar_peek(struct tar *tar, size_t n, const uint8_t **at, struct err *err);

/* Decimal number of exactly N characters. Return: false where it is none or does not fit 63 bits. */
bool tar_decimal(const char *text, size_t n, uint64_t *out);

#endif
