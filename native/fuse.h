/*
 * fuse: the program that serves a fuse-overlayfs root file system.
 * It runs in the container's user namespace, but in the host's mount and pid namespaces: so it sees the layers, no process of
 * the container sees it, and it keeps no mount of the container alive. It ends by itself when the mount is gone.
 */
#ifndef PROA_FUSE_H
#define PROA_FUSE_H

#include <sys/types.h>

#include "err.h"
#include "mount.h"

struct fuse {
	pid_t pid; /* 0: not started */
	int words; /* what it wrote to stderr */
};

#define FUSE_NONE { 0, -1 }

/*
 * Start ROOTFS's program as our child in the user namespace of PID, on DEVICE, an open /dev/fuse that is mounted already.
 * Return: 0, or -errno with ERR.
 */
int fuse_start(struct fuse *fuse, const struct rootfs *rootfs, pid_t pid, int device, struct err *err);

/* Put the last words of a program that has ended into the detail of ERR, the failure that followed from it. */
void fuse_explain(struct fuse *fuse, struct err *err);

/* End it. */
void fuse_stop(struct fuse *fuse);

/* Let it live on; it stays our child and is reaped as any. */
void fuse_release(struct fuse *fuse);

#endif
