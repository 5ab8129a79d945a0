/*
 * mount: the root file system of a container and everything that is mounted in it.
 * All of it runs in the container's own mount namespace, on descriptors: a path that the image has a say in is only ever
 * resolved below the root's descriptor (openat2 RESOLVE_IN_ROOT), never as a string handed to mount(2).
 */
#ifndef PROA_MOUNT_H
#define PROA_MOUNT_H

#include <jansson.h>
#include <stdbool.h>

#include "bundle.h"
#include "err.h"

enum rootfs_driver { ROOTFS_OVERLAY, ROOTFS_FUSE_OVERLAYFS, ROOTFS_PLAIN };

/* ROOTFS of a request; the strings are borrowed from its JSON. */
struct rootfs {
	json_t *json; /* the record itself, owned */
	enum rootfs_driver driver;
	const char **lower; /* topmost first; the array is owned */
	size_t n_lower;
	const char **data; /* layers that hold only the data of files of LOWER (overlay: data-only layers); owned; may be NULL */
	size_t n_data;
	const char *upper, *work; /* NULL with tmpfs */
	const char *lazy_directory, *lazy_layers, *lazy_socket; /* layers may be missing: lazyfs.h; else NULL */
	const char *program;      /* fuse-overlayfs */
	const char *path;         /* plain */
	bool is_volatile, tmpfs;
};

/* Read ROOTFS. Return: 0 with *OUT owned by the caller, or -errno with ERR. */
int rootfs_parse(json_t *object, struct rootfs **out, struct err *err);
void rootfs_free(struct rootfs *rootfs);

/* A root file system on its way: where it goes and what it is made of. */
struct rootfs_place {
	const char *path; /* of the target; borrowed */
	int target;
	int source; /* a configured context of overlay, the tree of plain, else -1 */
	int *directories; /* of an overlay that may have to be mounted by names: lower ones, upper, work; owned, NULL for none */
};

/*
 * Open all directories of ROOTFS, and the existing directory TARGET that it will be mounted at. Call while the user id is the
 * caller's, as only that may be let to them; no id needs to be mapped. Return: 0, or -errno with ERR.
 */
int rootfs_open(const struct rootfs *rootfs, const char *target, struct rootfs_place *place, struct err *err);

/*
 * What ROOTFS writes to becomes the container root's where it is still the caller's, who is another in its user namespace. Call when the
 * ids are mapped, before the user id changes. Return: 0, or -errno with ERR.
 */
int rootfs_give(const struct rootfs *rootfs, struct err *err);

/* The same for the file or directory PATH, which may be missing. Return: 0 or -errno. */
int rootfs_give_path(const char *path);

/*
 * Mount ROOTFS at PLACE (which is closed) in a mount namespace of our own, as root of the user namespace: what overlay creates
 * for itself belongs to who mounts it, and that must be a mapped id.
 * Return: a descriptor of the mount's root, with *FUSE_DEVICE the descriptor that fuse-overlayfs is to serve, else -1; or
 * -errno with ERR.
 */
int rootfs_mount(const struct rootfs *rootfs, struct rootfs_place *place, int *fuse_device, struct err *err);

struct mounts; /* `mounts` of a bundle, with the sources of bind mounts already open; it lives as long as the process */

/* Cut the new mount namespace off from the host's. Return: 0, or -errno with ERR. */
int mount_isolate(const struct bundle *bundle, struct err *err);

/*
 * Read `mounts` and open what comes from the host. Call before the user id changes: the host's directories may be open to
 * the caller's id only. BUNDLE must outlive *OUT. Return: 0, or -errno with ERR.
 */
int mounts_open(const struct bundle *bundle, struct mounts **out, struct err *err);

/*
 * The id-mapped mount FD (taken) is the source of mount number INDEX, which has the option for it. Return: 0, or -errno with ERR.
 */
int mounts_take(struct mounts *mounts, size_t index, int fd, struct err *err);

/*
 * Make all mounts below ROOT in their order; mount points are created. OWN_PIDS: the pid namespace is the container's, and so
 * its proc must be. *PROC becomes a descriptor of the first proc mounted, or -1. Return: 0, or -errno with ERR.
 */
int mounts_apply(struct mounts *mounts, int root, bool own_pids, int *proc, struct err *err);

/* Whether a bind mount goes to exactly DESTINATION. */
bool mounts_bind_at(const struct mounts *mounts, const char *destination);

/* maskedPaths, readonlyPaths, root.readonly. Return: 0, or -errno with ERR. */
int mounts_protect(struct mounts *mounts, int root, struct err *err);

/* Make ROOT the root and the working directory, and let go of the host's tree. Return: 0, or -errno with ERR. */
int mount_enter(const struct bundle *bundle, int root, struct err *err);

struct devices; /* the devices of /dev, opened on the host */

/* Open the runtime spec's default devices and linux.devices. Call like mounts_open(). Return: 0, or -errno with ERR. */
int devices_open(const struct bundle *bundle, struct devices **out, struct err *err);

/* Put them and the spec's links into /dev below ROOT. Return: 0, or -errno with ERR. */
int devices_apply(struct devices *devices, int root, struct err *err);

/* Mount the terminal behind the descriptor SLAVE on /dev/console below ROOT. Return: 0, or -errno with ERR. */
int devices_console(int root, int slave, struct err *err);

#endif
