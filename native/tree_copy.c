#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "request.h"
#include "tree_internal.h"
#include "util.h"

#define BUFFER (256 << 10)       /* bytes, for reading and writing where the kernel does not copy by itself */
#define XATTR_LIMIT (64 << 10)   /* XATTR_SIZE_MAX and XATTR_LIST_MAX, linux/limits.h */

/* A file with several names: where its copy is. */
struct known {
	dev_t dev;
	ino_t ino;
	char *path; /* in the copy; NULL: a free slot */
};

struct copy_level {
	struct tree_level from, to;
	struct stat st;   /* of FROM */
	size_t path_size; /* length of copy->path before this level was entered */
	bool is_public;   /* everybody may go through it and all above it */
};

struct copy {
	struct copy_level *levels;
	size_t n, room;
	int to_root;
	dev_t to_dev;
	ino_t to_ino;
	char *path;       /* from the top to the last level, "a/b/" */
	size_t path_size, path_room;
	struct known *known; /* a hash table by inode */
	size_t n_known, known_room;
	const struct tree_change *change; /* or NULL */
	bool no_reflink, no_kernel_copy; /* tried once, not possible here */
	char *buffer, *list, *value;
};

static int fail(struct copy *copy, struct err *err, int code, const char *name)
{
	autofree char *path = xasprintf("%.*s%s", (int)(copy->path_size < 400 ? copy->path_size : 400), copy->path, name);

	return err_set(err, code, "copy", path);
}

static struct known *find_known(struct copy *copy, const struct stat *st)
{
	size_t at = (size_t)(st->st_ino * 0x9e3779b97f4a7c15u >> 20) & (copy->known_room - 1);

	while (copy->known[at].path && (copy->known[at].ino != st->st_ino || copy->known[at].dev != st->st_dev))
		at = (at + 1) & (copy->known_room - 1);
	return &copy->known[at];
}

static void grow_known(struct copy *copy)
{
	struct known *old = copy->known;
	size_t n = copy->known_room;

	copy->known_room = n ? 2 * n : 256;
	copy->known = xcalloc(copy->known_room, sizeof(*copy->known));
	for (size_t i = 0; i < n; i++)
		if (old[i].path)
			*find_known(copy, &(struct stat){ .st_dev = old[i].dev, .st_ino = old[i].ino }) = old[i];
	free(old);
}

/*
 * Make NAME a link to the copy of the same file, or remember that its copy will be there.
 * Return: 1 linked, 0 to be copied, or -errno.
 */
static int link_or_remember(struct copy *copy, int to, const char *name, const struct stat *st)
{
	if (copy->n_known >= copy->known_room / 2)
		grow_known(copy);
	struct known *known = find_known(copy, st);
	if (known->path) {
		if (linkat(copy->to_root, known->path, to, name, 0) == 0)
			return 1;
		/* Too deep to be named in one call, or too many links: a copy of its own is the best that can be had. */
		return errno == ENAMETOOLONG || errno == EMLINK ? 0 : -errno;
	}
	*known = (struct known){ st->st_dev, st->st_ino, xasprintf("%.*s%s", (int)copy->path_size, copy->path, name) };
	copy->n_known++;
	return 0;
}

/* Copy SIZE bytes at OFFSET. Return: 0 or -errno. A file that got shorter meanwhile is copied as far as it goes. */
static int copy_range(struct copy *copy, int from, int to, off_t offset, off_t size)
{
	while (size > 0) {
		off_t in = offset, out = offset;
		size_t want = size < BUFFER ? (size_t)size : BUFFER;
		ssize_t n = -1;
		if (!copy->no_kernel_copy) {
			n = copy_file_range(from, &in, to, &out, (size_t)size < SSIZE_MAX ? (size_t)size : SSIZE_MAX, 0);
			if (n < 0 && (errno == EXDEV || errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL)) {
				copy->no_kernel_copy = true;
				continue;
			}
		} else {
			n = pread(from, copy->buffer, want, offset);
			for (ssize_t done = 0; n > 0 && done < n;) {
				ssize_t wrote = pwrite(to, copy->buffer + done, (size_t)(n - done), offset + done);
				if (wrote < 0 && errno != EINTR)
					return -errno;
				done += wrote > 0 ? wrote : 0;
			}
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		offset += n;
		size -= n;
	}
	return 0;
}

static int copy_data(struct copy *copy, int from, int to, const struct stat *st)
{
	if (st->st_size == 0)
		return 0;
	if (!copy->no_reflink) {
		if (ioctl(to, FICLONE, from) == 0)
			return 0;
		copy->no_reflink = true;
	}
	if ((off_t)st->st_blocks * 512 >= st->st_size) /* no room for a hole */
		return copy_range(copy, from, to, 0, st->st_size);
	for (off_t data = 0; (data = lseek(from, data, SEEK_DATA)) >= 0;) {
		off_t hole = lseek(from, data, SEEK_HOLE);
		if (hole < 0)
			return -errno;
		int status = copy_range(copy, from, to, data, hole - data);
		if (status < 0)
			return status;
		data = hole;
	}
	if (errno != ENXIO) /* which says that only a hole follows */
		return -errno;
	return ftruncate(to, st->st_size) < 0 ? -errno : 0;
}

static bool is_copied(const char *name)
{
	return !strncmp(name, "user.", 5) || !strcmp(name, "security.capability") || !strncmp(name, "system.posix_acl_", 17);
}

/*
 * File capabilities hold for the user namespace whose root wrote them: to be of use in another one its root is named in them. Return: the
 * new size of VALUE.
 */
static size_t rewrite_capability(const struct copy *copy, size_t size)
{
	struct vfs_ns_cap_data *data = (struct vfs_ns_cap_data *)copy->value;

	if (!copy->change || (size != XATTR_CAPS_SZ_2 && size != XATTR_CAPS_SZ_3))
		return size;
	data->magic_etc = (data->magic_etc & ~(uint32_t)VFS_CAP_REVISION_MASK) | VFS_CAP_REVISION_3;
	data->rootid = copy->change->root_uid;
	return XATTR_CAPS_SZ_3;
}

static int copy_xattrs(struct copy *copy, int from, int to)
{
	ssize_t size = flistxattr(from, copy->list, XATTR_LIMIT);

	if (size < 0)
		return errno == ENOTSUP ? 0 : -errno;
	for (const char *name = copy->list; name < copy->list + size; name += strlen(name) + 1) {
		if (!is_copied(name))
			continue;
		ssize_t n = fgetxattr(from, name, copy->value, XATTR_LIMIT);
		if (n < 0 && errno == ENODATA)
			continue;
		if (n > 0 && name[0] == 's' && name[1] == 'e')
			n = (ssize_t)rewrite_capability(copy, (size_t)n);
		if (n < 0 || (fsetxattr(to, name, copy->value, (size_t)n, 0) < 0 && errno != ENOTSUP))
			return -errno;
	}
	return 0;
}

static bool change_id(const struct id_map *map, size_t n, uint32_t *id, uint32_t otherwise)
{
	for (size_t i = 0; i < n; i++)
		if (*id >= map[i].inside && *id - map[i].inside < map[i].size) {
			*id = map[i].outside + (*id - map[i].inside);
			return true;
		}
	*id = otherwise;
	return false;
}

/* ST with the owners that the copy is to have. */
static struct stat changed(const struct copy *copy, const struct stat *st)
{
	const struct tree_change *change = copy->change;
	struct stat result = *st;

	if (!change)
		return result;
	if (!change_id(change->uid, change->n_uid, &result.st_uid, change->root_uid))
		result.st_mode &= ~(mode_t)S_ISUID;
	if (!change_id(change->gid, change->n_gid, &result.st_gid, change->root_gid))
		result.st_mode &= ~(mode_t)S_ISGID;
	return result;
}

/* In the order that keeps set-id bits and capabilities: chown(2) takes them away. */
static int copy_attributes(struct copy *copy, int from, int to, const struct stat *original)
{
	const struct stat copied = changed(copy, original), *st = &copied;
	struct timespec times[] = { st->st_atim, st->st_mtim };

	if (fchown(to, st->st_uid, st->st_gid) < 0 || fchmod(to, st->st_mode & 07777) < 0)
		return -errno;
	int status = copy_xattrs(copy, from, to);
	return status < 0 ? status : futimens(to, times) < 0 ? -errno : 0;
}

/* Whether the data of a file at the last level is left where it is. */
static bool stays(const struct copy *copy, const struct stat *st)
{
	const enum tree_data data = copy->change ? copy->change->data : TREE_DATA_COPY;

	if (data == TREE_DATA_COPY || st->st_size == 0)
		return false;
	return data == TREE_DATA_REDIRECT || (copy->levels[copy->n - 1].is_public && (st->st_mode & 0444) == 0444);
}

/* TO, empty, becomes a file of overlay's whose data is in a data layer (Documentation/filesystems/overlayfs, "Data-only lower layers"). */
static int redirect(const struct copy *copy, int to, const char *name, off_t size)
{
	autofree char *path = xasprintf("/%.*s%s", (int)copy->path_size, copy->path, name);

	if (ftruncate(to, size) < 0 || fsetxattr(to, "user.overlay.metacopy", "", 0, 0) < 0 ||
	    fsetxattr(to, "user.overlay.redirect", path, strlen(path), 0) < 0)
		return -errno;
	return 0;
}

static int copy_file(struct copy *copy, int from_dir, int to_dir, const char *name)
{
	struct stat st;
	autoclose int from = openat(from_dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (from < 0 || fstat(from, &st) < 0)
		return -errno;
	autoclose int to = openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (to < 0)
		return -errno;
	int status = stays(copy, &st) ? redirect(copy, to, name, st.st_size) : copy_data(copy, from, to, &st);
	return status < 0 ? status : copy_attributes(copy, from, to, &st);
}

/* A symbolic link, a fifo or a whiteout. */
static int copy_node(const struct copy *copy, int from, int to, const char *name, const struct stat *original)
{
	const struct stat copied = changed(copy, original), *st = &copied;
	struct timespec times[] = { st->st_atim, st->st_mtim };
	char target[PATH_MAX];

	if (S_ISLNK(st->st_mode)) {
		ssize_t n = readlinkat(from, name, target, sizeof(target) - 1);
		if (n < 0)
			return -errno;
		target[n] = '\0';
		if (symlinkat(target, to, name) < 0)
			return -errno;
	} else if (mknodat(to, name, st->st_mode & (S_IFMT | 0777), st->st_rdev) < 0) {
		return -errno;
	}
	if (fchownat(to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!S_ISLNK(st->st_mode) && fchmodat(to, name, st->st_mode & 07777, 0) < 0)
		return -errno;
	return utimensat(to, name, times, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static int add_name(void *data, int fd, const char *name, unsigned char type)
{
	(void)fd;
	(void)type;
	tree_names_add(data, name);
	return 0;
}

/* Whether everybody may go through the last level's directory in each layer that has it: the modes that are seen are the topmost one's. */
static bool is_open_in_layers(const struct copy *copy)
{
	const struct tree_change *change = copy->change;
	const size_t size = copy->path_size ? copy->path_size - 1 : 0; /* without the slash at its end */

	if (!change || change->data != TREE_DATA_REDIRECT_PUBLIC || change->n_layers < 2)
		return true;
	autofree char *path = xasprintf("%.*s", (int)size, copy->path);
	for (size_t i = 0; i < change->n_layers; i++) {
		struct stat st;

		if (fstatat(change->layers[i], path, &st, AT_SYMLINK_NOFOLLOW | (*path ? 0 : AT_EMPTY_PATH)) == 0 &&
		    S_ISDIR(st.st_mode) && (st.st_mode & 0111) != 0111)
			return false;
	}
	return true;
}

/* Go into the directories behind FROM and TO, which are taken. NAME is theirs, "" at the top. Return: 0 or -errno. */
static int enter(struct copy *copy, int from, int to, const char *name)
{
	if (copy->n == copy->room) {
		copy->room = copy->room ? 2 * copy->room : 16;
		copy->levels = xrealloc(copy->levels, copy->room * sizeof(*copy->levels));
	}
	struct copy_level *level = &copy->levels[copy->n++];
	size_t n = strlen(name);
	int status = tree_level_begin(&level->from, from), other = tree_level_begin(&level->to, to);
	level->path_size = copy->path_size;
	if (copy->path_size + n + 2 > copy->path_room) {
		copy->path_room = 2 * copy->path_room + n + 256;
		copy->path = xrealloc(copy->path, copy->path_room);
	}
	memcpy(copy->path + copy->path_size, name, n);
	copy->path_size += n;
	if (n)
		copy->path[copy->path_size++] = '/';
	if (status < 0 || other < 0)
		return status < 0 ? status : other;
	if (fstat(from, &level->st) < 0)
		return -errno;
	level->is_public = (copy->n == 1 || level[-1].is_public) && (level->st.st_mode & 0111) == 0111 && is_open_in_layers(copy);
	if (level->from.dev == copy->to_dev && level->from.ino == copy->to_ino)
		return -EINVAL; /* the copy lies within what is copied: there would be no end */
	status = tree_list(from, add_name, &level->from.names);
	if (status == 0 && copy->n > TREE_OPEN_LEVELS) {
		close(level[-1].from.fd);
		close(level[-1].to.fd);
		level[-1].from.fd = level[-1].to.fd = -1;
	}
	return status;
}

static int enter_directory(struct copy *copy, const struct copy_level *level, const char *name)
{
	int from = tree_open(level->from.fd, name);

	if (from == -EXDEV) /* another file system is mounted there: its place is copied, as an empty directory */
		return mkdirat(level->to.fd, name, 0755) < 0 ? -errno : 0;
	if (from < 0)
		return from;
	int to = mkdirat(level->to.fd, name, 0700) < 0 ? -errno : tree_open(level->to.fd, name);
	if (to < 0) {
		close(from);
		return to;
	}
	return enter(copy, from, to, name);
}

static int copy_entry(struct copy *copy, const char *name)
{
	const struct copy_level *level = &copy->levels[copy->n - 1];
	struct stat st;

	if (fstatat(level->from.fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (S_ISDIR(st.st_mode))
		return enter_directory(copy, level, name);
	bool whiteout = S_ISCHR(st.st_mode) && st.st_rdev == makedev(0, 0);
	if (!S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode) && !S_ISFIFO(st.st_mode) && !whiteout)
		return 0;
	int status = st.st_nlink > 1 ? link_or_remember(copy, level->to.fd, name, &st) : 0;
	if (status)
		return status < 0 ? status : 0;
	if (S_ISREG(st.st_mode))
		return copy_file(copy, level->from.fd, level->to.fd, name);
	return copy_node(copy, level->from.fd, level->to.fd, name, &st);
}

/* The last level is complete: its own attributes come now, when nothing is made in it any more. Return: 0 or -errno. */
static int leave(struct copy *copy)
{
	struct copy_level *level = &copy->levels[copy->n - 1];
	int status = copy_attributes(copy, level->from.fd, level->to.fd, &level->st);

	if (status == 0 && copy->n > 1)
		status = tree_level_reopen(&level[-1].from, level->from.fd);
	if (status == 0 && copy->n > 1)
		status = tree_level_reopen(&level[-1].to, level->to.fd);
	if (status < 0)
		return status;
	copy->path_size = level->path_size;
	tree_level_end(&level->from);
	tree_level_end(&level->to);
	copy->n--;
	return 0;
}

static int walk(struct copy *copy, int from, struct err *err)
{
	int top = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (top < 0)
		return fail(copy, err, errno, "");
	int to = openat(copy->to_root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (to < 0) {
		int code = errno;
		close(top);
		return fail(copy, err, code, "");
	}
	int status = enter(copy, top, to, "");
	if (status < 0)
		return fail(copy, err, -status, "");
	while (copy->n) {
		const char *name = tree_names_next(&copy->levels[copy->n - 1].from.names);
		status = name ? copy_entry(copy, name) : leave(copy);
		if (status < 0)
			return fail(copy, err, -status, name ? name : "");
	}
	return 0;
}

int tree_copy(int from, int to, struct err *err)
{
	return tree_copy_changed(from, to, NULL, err);
}

int tree_copy_changed(int from, int to, const struct tree_change *change, struct err *err)
{
	struct copy copy = { .to_root = to, .path = xstrdup(""), .change = change };
	struct stat st;

	if (fstat(to, &st) < 0) {
		free(copy.path);
		return err_set(err, errno, "copy", "");
	}
	copy.to_dev = st.st_dev;
	copy.to_ino = st.st_ino;
	copy.path_room = 1;
	copy.buffer = xmalloc(BUFFER);
	copy.list = xmalloc(XATTR_LIMIT);
	copy.value = xmalloc(XATTR_LIMIT);
	int status = walk(&copy, from, err);
	while (copy.n) {
		tree_level_end(&copy.levels[copy.n - 1].from);
		tree_level_end(&copy.levels[--copy.n].to);
	}
	for (size_t i = 0; i < copy.known_room; i++)
		free(copy.known[i].path);
	free(copy.known);
	free(copy.levels);
	free(copy.path);
	free(copy.buffer);
	free(copy.list);
	free(copy.value);
	return status;
}
