/*
 * unpack_internal: shared by unpack.c (files), unpack_whiteout.c (what a layer takes away) and unpack_meta.c (owners, xattrs, times).
 */
#ifndef PROA_UNPACK_INTERNAL_H
#define PROA_UNPACK_INTERNAL_H

#include <sys/stat.h>

#include "hashset.h"
#include "unpack.h"

#define WHITEOUT ".wh."
#define WHITEOUT_META ".wh..wh."
#define WHITEOUT_OPAQUE ".wh..wh..opq"

/* A directory's times, set when nothing is made in it any more. */
struct late_time {
	struct timespec atime, mtime;
	mode_t mode; /* as well, with "copy" */
	char *path;
};

struct unpack {
	struct unpack_options options;
	uint64_t skipped_devices;
	bool target_set;  /* the archive said what mode the target has */
	bool target_was_empty;
	/* The directory that was used last: most entries lie beside the one before. */
	int parent;       /* -1: none */
	uint64_t parent_ino;
	bool parent_setgid; /* files made in it get its group */
	char *parent_path;
	size_t parent_room;
	char path[TAR_NAME_MAX + 1], link[TAR_NAME_MAX + 1]; /* cleaned */
	struct late_time *late;
	size_t n_late, late_room, late_bytes;
	struct hashset put;     /* "delete" only: hashset_key() of what this layer has made */
	struct hashset skipped; /* paths of devices that were left out, for hard links to them */
};

/* Open the directory DIR (cleaned, "" for the target), making what is missing, and keep it as unpack->parent. Return: 0 or -errno. */
int unpack_enter(struct unpack *unpack, const char *dir, size_t n, bool make);

/* Forget the kept directory: something on its way was replaced. */
void unpack_leave(struct unpack *unpack);

/* Remember that this layer made NAME in the kept directory. */
void unpack_mark(struct unpack *unpack, const char *name);

/* Apply the whiteout NAME (".wh.…") in the directory DIR. Return: 0 or -errno with ERR. */
int unpack_whiteout(struct unpack *unpack, const char *dir, size_t n, const char *name, const struct tar_entry *entry,
		    struct err *err);

/* Make a directory opaque for overlay. Return: 0 or -errno. */
int unpack_set_opaque(int fd);

/* Which owner ENTRY gets. Return: 0, or -errno with ERR where its ids are not mapped. */
int unpack_owner(const struct unpack *unpack, const struct tar_entry *entry, uid_t *uid, gid_t *gid, struct err *err);

/* Set the extended attributes that a layer may have. Return: 0 or -errno with ERR. */
int unpack_xattrs(const struct unpack *unpack, int fd, const struct tar_entry *entry, struct err *err);

/* Set the directory's times later. Return: 0 or -errno with ERR. */
int unpack_later(struct unpack *unpack, const char *path, const struct tar_entry *entry, struct err *err);
int unpack_set_late_times(struct unpack *unpack, struct err *err);

#endif
