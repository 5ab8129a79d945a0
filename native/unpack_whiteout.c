/*
 * Whiteouts, image specification, "layer.md": they take away what the layers below have, never what their own layer has, wherever
 * in the archive they stand. With overlay the target holds this layer alone, so they become marks; otherwise the target holds
 * the layers below, too, and unpack->put tells them apart.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "tree.h"
#include "unpack_internal.h"
#include "util.h"

#define DEPTH_MAX 1000 /* levels of directories below a whiteout, each two descriptors; a path has room for about as many */

int unpack_set_opaque(int fd)
{
	return fsetxattr(fd, "user.overlay.opaque", "y", 1, 0) < 0 ? -errno : 0;
}

/* A descriptor for reading the directory NAME in PARENT, or -errno. */
static int open_directory(int parent, const char *name)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int hide(struct unpack *unpack, const char *name, const struct tar_entry *entry, struct err *err)
{
	if (mknodat(unpack->parent, name, S_IFCHR, makedev(0, 0)) == 0)
		return 0;
	if (errno != EEXIST)
		return err_set(err, errno, "unpack", entry->name);
	/* This layer has put something there before. A directory must not show the lower one's content; all else hides it already. */
	autoclose int fd = open_directory(unpack->parent, name);
	int status = fd >= 0 ? unpack_set_opaque(fd) : 0;
	return status < 0 ? err_set(err, -status, "unpack", entry->name) : 0;
}

/* Remove what the layers below have in directory FD, DEPTH levels below the whiteout. *KEPT tells whether something of this layer remains. */
static int empty(struct unpack *unpack, int fd, int depth, bool *kept, struct err *err);

/* The same for NAME in PARENT, whose inode is INO. */
static int remove_lower(struct unpack *unpack, int parent, uint64_t ino, const char *name, int depth, bool *kept,
			struct err *err)
{
	bool own = hashset_has(&unpack->put, hashset_key(ino, name)), inner = false;
	autoclose int fd = open_directory(parent, name);

	if (fd < 0) { /* not a directory */
		*kept |= own;
		return own || unlinkat(parent, name, 0) == 0 || errno == ENOENT ? 0 : err_set(err, errno, "apply whiteout", name);
	}
	int status = empty(unpack, fd, depth + 1, &inner, err);
	if (status < 0)
		return status;
	*kept |= own || inner;
	if (!own && !inner && unlinkat(parent, name, AT_REMOVEDIR) < 0)
		return err_set(err, errno, "apply whiteout", name);
	return 0;
}

static int empty(struct unpack *unpack, int fd, int depth, bool *kept, struct err *err)
{
	if (depth > DEPTH_MAX)
		return err_set(err, ENAMETOOLONG, "apply whiteout", "");

	struct stat st;
	int status = 0, copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);

	if (!dir || fstat(fd, &st) < 0) {
		status = err_set(err, errno, "apply whiteout", "");
		if (dir)
			closedir(dir);
		else if (copy >= 0)
			close(copy);
		return status;
	}
	for (struct dirent *entry; status == 0 && (entry = readdir(dir));) {
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			status = remove_lower(unpack, fd, st.st_ino, entry->d_name, depth, kept, err);
	}
	closedir(dir);
	return status;
}

static int make_opaque(struct unpack *unpack, const struct tar_entry *entry, struct err *err)
{
	autoclose int fd = open_directory(unpack->parent, ".");
	bool kept = false;
	int status = fd;

	if (fd >= 0 && !unpack->options.overlay)
		return empty(unpack, fd, 0, &kept, err);
	if (fd >= 0)
		status = unpack_set_opaque(fd);
	return status < 0 ? err_set(err, -status, "unpack", entry->name) : 0;
}

int unpack_whiteout(struct unpack *unpack, const char *dir, size_t n, const char *name, const struct tar_entry *entry,
		    struct err *err)
{
	const char *hidden = name + strlen(WHITEOUT);
	bool opaque = !strcmp(name, WHITEOUT_OPAQUE);
	bool kept = false;

	if (!opaque && (!*hidden || !strcmp(hidden, ".") || !strcmp(hidden, "..")))
		return err_setf(err, 0, "unpack", entry->name, "a whiteout of no file");
	if (!opaque && !strncmp(name, WHITEOUT_META, strlen(WHITEOUT_META)))
		return 0; /* aufs' own: .wh..wh.plnk, .wh..wh.orph … */
	int status = unpack_enter(unpack, dir, n, unpack->options.overlay);
	if (!unpack->options.overlay && (status == -ENOENT || status == -ENOTDIR))
		return 0; /* nothing is there that could be taken away */
	if (status < 0)
		return err_set(err, -status, "unpack", entry->name);
	if (opaque)
		return make_opaque(unpack, entry, err);
	if (unpack->options.overlay)
		return hide(unpack, hidden, entry, err);
	return remove_lower(unpack, unpack->parent, unpack->parent_ino, hidden, 0, &kept, err);
}
