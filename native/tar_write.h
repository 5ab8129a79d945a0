/*
 * tar_write: entries of an archive, as POSIX.1-2001 has them (ustar with pax headers where ustar has no room): long names, ids and sizes of any kind, times to the
 * nanosecond, extended attributes (SCHILY.xattr), sparse files (GNU.sparse 1.0). Names are bytes.
 */
#ifndef PROA_TAR_WRITE_H
#define PROA_TAR_WRITE_H

#include <sys/stat.h>

#include "sink.h"
#include "tar.h"

/* An entry to be written. Everything is borrowed. */
struct tar_head {
	const char *name;        /* of a directory with or without its slash */
	const char *hard_link;   /* the name of an earlier entry that this is, or NULL */
	const char *symlink;     /* target of a symbolic link */
	struct stat st;          /* type, mode, owner, times, size, rdev */
	const struct tar_xattr *xattrs;
	size_t n_xattrs;
	const struct tar_stretch *map; /* of a sparse file; NULL: all of it is data */
	size_t n_map;
};

/* The headers of HEAD. The caller writes the data of a file behind them (with a map: its stretches), then sink_pad(). Return: 0 or -errno with ERR. */
int tar_write_head(struct sink *sink, const struct tar_head *head, struct err *err);

/* The end of the archive. Return: 0 or -errno with ERR. */
int tar_write_end(struct sink *sink, struct err *err);

#endif
