#include "forest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "mount_internal.h"
#include "util.h"

#define DEPTH 8     /* directories with mounts below them, one in the other */
#define FILES 1000  /* files beside such mounts, each of which costs a mount */

struct forest {
	const char *base; /* a name of the tmpfs */
	size_t prefix; /* bytes of a host path before what the new tree has, too */
	unsigned int overlays, files;
};

/* File systems that are the running host's own, not files somebody keeps. */
static bool is_kernels(const char *path)
{
	static const unsigned long types[] = {
		PROC_SUPER_MAGIC, SYSFS_MAGIC, TMPFS_MAGIC, DEVPTS_SUPER_MAGIC, CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC,
		DEBUGFS_MAGIC, TRACEFS_MAGIC, SECURITYFS_MAGIC, BPF_FS_MAGIC, PSTOREFS_MAGIC, HUGETLBFS_MAGIC,
		FUSE_SUPER_MAGIC, AUTOFS_SUPER_MAGIC,
	};
	struct statfs fs;

	if (statfs(path, &fs) < 0)
		return true;
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		if ((unsigned long)fs.f_type == types[i])
			return true;
	return false;
}

/* An overlay over the directory LOWER in its place of the new tree. Return: 0, -EINVAL where mounts are below it, or -errno. */
static int grow(struct forest *forest, const char *lower, mode_t mode)
{
	autofree char *upper = xasprintf("%s/upper/%u", forest->base, forest->overlays);
	autofree char *work = xasprintf("%s/work/%u", forest->base, forest->overlays);
	autofree char *destination = xasprintf("%s/root%s", forest->base, lower + forest->prefix);
	const struct overlay overlay = { .lower = &lower, .n_lower = 1, .upper = upper, .work = work };

	if (mkdir(upper, 0700) < 0 || chmod(upper, mode) < 0 || mkdir(work, 0700) < 0)
		return -errno;
	forest->overlays++;
	return mount_overlay(&overlay, destination, NULL);
}

/* A file beside mounts: the host's, read-only. What cannot be shown is left out. */
static void show_file(struct forest *forest, int from, int to, const char *name)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };
	autoclose int tree = -1, target = -1;

	if (forest->files++ >= FILES || mknodat(to, name, S_IFREG | 0644, 0) < 0)
		return;
	tree = mount_open_tree(from, name, false);
	target = openat(to, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (tree < 0 || target < 0 || mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return;
	mount_attach(tree, target);
}

static void show_link(int from, int to, const char *name)
{
	char link[PATH_MAX];
	ssize_t length = readlinkat(from, name, link, sizeof(link) - 1);

	if (length < 0)
		return;
	link[length] = '\0';
	if (symlinkat(link, to, name) < 0)
		return; /* the directory is ours and fresh: only memory can be missing, and the next step will say so */
}

static int plant(struct forest *forest, const char *path, int to, int depth, struct err *err);

static int show_directory(struct forest *forest, const char *path, mode_t mode, int to, const char *name, int depth,
	struct err *err)
{
	autoclose int target = -1;
	int r;

	if (mkdirat(to, name, 0700) < 0 || fchmodat(to, name, mode, 0) < 0)
		return err_set(err, errno, "create directory", path);
	if (is_kernels(path))
		return 0;
	r = grow(forest, path, mode);
	if (r == -EINVAL && depth < DEPTH) {
		target = openat(to, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		return target < 0 ? err_set(err, errno, "open directory", path) : plant(forest, path, target, depth + 1, err);
	}
	/* Some file systems cannot be below an overlay. Their directories stay empty, as if not mounted. */
	return r < 0 && r != -EINVAL && r != -ELOOP && r != -EACCES ? err_set(err, -r, "mount overlay", path) : 0;
}

/* Show all entries of the directory PATH in the fresh directory TO. */
static int plant(struct forest *forest, const char *path, int to, int depth, struct err *err)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	int r = 0;

	if (!dir)
		return errno == EACCES ? 0 : err_set(err, errno, "open directory", path);
	while (r == 0 && (entry = readdir(dir))) {
		autofree char *child = xasprintf("%s/%s", strcmp(path, "/") == 0 ? "" : path, entry->d_name);
		struct stat st;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
		    fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (S_ISDIR(st.st_mode))
			r = show_directory(forest, child, st.st_mode & 07777, to, entry->d_name, depth, err);
		else if (S_ISLNK(st.st_mode))
			show_link(dirfd(dir), to, entry->d_name);
		else if (S_ISREG(st.st_mode))
			show_file(forest, dirfd(dir), to, entry->d_name);
	}
	closedir(dir);
	return r;
}

int forest_mount(const char *lower, int base, const char *path, struct err *err)
{
	struct forest forest = { .base = path, .prefix = strcmp(lower, "/") == 0 ? 0 : strlen(lower) };
	autoclose int root = openat(base, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return root < 0 ? err_set(err, errno, "open directory", path) : plant(&forest, lower, root, 0, err);
}
