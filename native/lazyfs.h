/*
 * lazyfs: a read-only file system (FUSE, the kernel's protocol itself) of layers that are still on their way, as lower directories of an overlay. Each
 * layer is a directory at its root, with whiteouts and opaque directories as overlay wants them.
 *
 * It is served by a fork of who starts the container: in the container's user namespace, but in the host's mount and pid namespaces, with nothing open but
 * what it reads. It ends when the mount does. Everything but reading a chunk that has not come is answered at once; such reads are put aside until it has,
 * who waits is killed, or minutes have passed.
 */
#ifndef PROA_LAZYFS_H
#define PROA_LAZYFS_H

#include <stdbool.h>
#include <sys/types.h>

#include "err.h"
#include "lazy_data.h"
#include "mount.h"

/* Whether a layer of ROOTFS has not arrived yet: it is to be mounted with a lazyfs then. */
bool lazyfs_is_needed(const struct rootfs *rootfs);

/*
 * Mount it at PLACE, where the overlay will hide it. ROOTFS's missing layers become directories of it, by names that are good until *MOUNT is closed.
 * Return: the descriptor of the device to be served, or -errno with ERR.
 */
int lazyfs_mount(struct rootfs *rootfs, const struct rootfs_place *place, int *mount, struct err *err);

/*
 * Open what lazyfs_start() will need, if layers are missing: whoever fetches them removes it soon after the last one has come. Return: 0, with or
 * without open FILES, or -errno with ERR.
 */
int lazyfs_open(const struct rootfs *rootfs, struct lazy_files *files, struct err *err);

/*
 * Serve DEVICE by a child of ours, in the user namespace of PID. KEEPER: who has a fetcher started where none is there (fetcher.h), or -1; the child has it,
 * too. Return: 0 with the child in *SERVER, or -errno with ERR.
 */
int lazyfs_start(const struct rootfs *rootfs, struct lazy_files *files, pid_t pid, int device, int keeper, pid_t *server, struct err *err);

#endif
