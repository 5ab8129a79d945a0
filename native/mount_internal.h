/* mount_internal: what mount.c, rootfs.c and devices.c share. */
#ifndef PROA_MOUNT_INTERNAL_H
#define PROA_MOUNT_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "err.h"

/* Set KEY of the file system context FS to VALUE, or as a flag with NULL. Return: as fsconfig(2). */
int mount_fsconfig(int fs, const char *key, const char *value);

/* Create the file system of FS and a detached mount of it with ATTR (MOUNT_ATTR_*). Return: the mount, or -errno. */
int mount_fsmount(int fs, unsigned int attr);

/* Fill ERR from CODE and from the message that the kernel left in the context FS. Return: -CODE. */
int mount_fs_error(int fs, int code, const char *step, const char *object, struct err *err);

/*
 * A detached copy of the mount of PATH (DIRFD itself with ""), with everything mounted below it when RECURSIVE, and also
 * where the kernel does not let what lies under those mounts be seen. Return: a descriptor, or -errno.
 */
int mount_open_tree(int dirfd, const char *path, bool recursive);

/*
 * A detached copy of the mount at "/proc/PID/root/PATH", which lies in the mount namespace of PID and so cannot be taken from here; the rights
 * over that namespace are needed. Looked up in there, because a link in the other's tree would lead into ours. Return: a descriptor, or -errno (-EINVAL: the path is no such one).
 */
int mount_borrow(const char *path);

struct overlay {
	const char *const *lower; /* topmost first */
	size_t n_lower;
	const char *upper, *work; /* NULL, both: it can only be read */
	bool is_volatile;
	const char *const *data; /* data-only layers below them (since Linux 6.16 in a user namespace); may be NULL */
	size_t n_data;
};

/* What the layers of OVERLAY show together, for reading. TARGET is an empty directory that older kernels mount it at. Return: a descriptor of its top, or -errno with ERR. */
int mount_layers(const struct overlay *overlay, const char *target, struct err *err);

/* Mount OVERLAY at the absolute path TARGET, by whichever API this kernel has for it. Return: 0, or -errno with ERR. */
int mount_overlay(const struct overlay *overlay, const char *target, struct err *err);

/* Attach the detached mount TREE on TARGET, both descriptors. Return: 0 or -errno. */
int mount_attach(int tree, int target);

#endif
