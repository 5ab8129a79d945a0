/*
 * mount-root: the root file system of a container, mounted where we are: for who looks at it in a user and mount namespace of his own (`unshare`).
 */
#include <errno.h>
#include <string.h>
#include <sys/mount.h>

#include "fuse.h"
#include "files.h"
#include "mount.h"
#include "mount_internal.h"
#include "request.h"
#include "util.h"
#include "verbs.h"

/* What is mounted already is not written to by two: its upper directory is one more layer, for reading. */
static int mount_view(const struct rootfs *rootfs, const char *target, struct err *err)
{
	autofree const char **lower = xcalloc(rootfs->n_lower + 1, sizeof(*lower));
	struct overlay overlay = { .lower = lower, .data = rootfs->data, .n_data = rootfs->n_data };

	if (rootfs->upper)
		lower[overlay.n_lower++] = rootfs->upper;
	for (size_t i = 0; i < rootfs->n_lower; i++)
		lower[overlay.n_lower++] = rootfs->lower[i];
	if (overlay.n_lower == 0)
		return err_setf(err, 0, "mount", target, "no layers");
	if (overlay.n_lower > 1)
		return mount_overlay(&overlay, target, err);
	if (mount(lower[0], target, NULL, MS_BIND, NULL) < 0 ||
	    mount(NULL, target, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL) < 0)
		return err_set(err, errno, "mount", target);
	return 0;
}

static int mount_whole(const struct rootfs *rootfs, const char *target, struct err *err)
{
	struct rootfs_place place;
	struct fuse fuse = FUSE_NONE;
	int device = -1, r = rootfs_open(rootfs, target, &place, err);

	if (r < 0)
		return r;
	autoclose int root = rootfs_mount(rootfs, &place, &device, err);
	if (root < 0)
		return root;
	if (device >= 0) {
		r = fuse_start(&fuse, rootfs, getpid(), device, err);
		close(device);
		fuse_release(&fuse);
	}
	return r;
}

int verb_mount_root(json_t *request)
{
	struct rootfs *rootfs = NULL;
	struct err err = { 0 };
	const char *target;
	json_t *object;
	int readonly, r = request_unpack(request, &err, "mount-root", "{s:o,s:s,s:b!}", "rootfs", &object, "target", &target, "readonly",
					 &readonly);

	if (r == 0)
		r = rootfs_parse(object, &rootfs, &err);
	if (r == 0)
		r = readonly && rootfs->driver == ROOTFS_OVERLAY ? mount_view(rootfs, target, &err)
								 : mount_whole(rootfs, target, &err);
	if (r == 0 && readonly && rootfs->driver == ROOTFS_PLAIN &&
	    mount(NULL, target, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL) < 0)
		r = err_set(&err, errno, "make read-only", target);
	rootfs_free(rootfs);
	err.exit = FILES_EXIT;
	return r < 0 ? reply_error(&err) : reply_ok(json_object());
}
