/*
 * pack: files become the entries of an archive.
 *
 * The tree may be changed while it is read, also by somebody who means harm: every name is opened in its directory's descriptor without following a link, and what
 * it is, is asked of the descriptor. What vanishes is left out; what changes its size has the size that its header says.
 */
#ifndef PROA_PACK_H
#define PROA_PACK_H

#include <stdbool.h>
#include <sys/stat.h>

#include "err.h"
#include "request.h"
#include "sink.h"

/* Whose the entries are. */
enum pack_owners {
	PACK_KEEP, /* the files', as seen from here */
	PACK_ROOT, /* 0:0 */
	PACK_MAP,  /* the files' as seen from the host, turned into ids of a container by MAPS; root's where they have none there */
};

struct pack_options {
	enum pack_owners owners;
	const struct id_maps *maps; /* for PACK_MAP */
	bool one_mount;             /* other mounts below the top are empty directories; the kernel's own file systems always are */
	bool comparable;            /* without the times of directories and devices: those that a layer does not name, and whiteouts, have the time of their making */
};

struct pack;

struct pack *pack_new(struct sink *sink, const struct pack_options *options);

/*
 * Write NAME of the directory DIR, and all below it, as BASE ("." for the top itself: "./", "./a"; "": what is in it without the top, "a"). NAME is one component, never followed, or "." for DIR itself.
 * Return: 0, or -errno with ERR; -ENOENT where it is not there.
 */
int pack_tree(struct pack *pack, int dir, const char *name, const char *base, struct err *err);

/*
 * Write the single entry NAME of the directory DIR, of which ST was seen, as PATH. A directory is written without what is in it. What has vanished or cannot be in an
 * archive (a socket) is left out. Return: 0 or -errno with ERR.
 */
int pack_entry(struct pack *pack, int dir, const char *name, const char *path, const struct stat *st, struct err *err);

/* The regular file behind FD, open for reading, as PATH; what is none is left out. Return: 0 or -errno with ERR. */
int pack_file(struct pack *pack, int fd, const char *path, struct err *err);

/* The directory behind FD as PATH, without what is in it. Return: 0 or -errno with ERR. */
int pack_directory(struct pack *pack, int fd, const char *path, struct err *err);

/* Whether FD lies on a file system that shows the kernel, not files: proc, sysfs, cgroup, devpts, mqueue … */
bool pack_is_kernels(int fd);

/* Entries written so far. */
uint64_t pack_entries(const struct pack *pack);

void pack_free(struct pack *pack);

#endif
