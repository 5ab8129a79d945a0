#include "unpack.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "path.h"
#include "tree.h"
#include "unpack_internal.h"
#include "util.h"

/*
 * Clean NAME into TO: no empty components, no ".", and ".." taken with the component before it, as Go's filepath.Clean does for the
 * other engines. Return: the length, or -1 where it leads above the top.
 */
static ssize_t clean(const char *name, char *to)
{
	size_t n = 0;

	while (*name) {
		size_t part = strcspn(name, "/");
		if (part == 2 && name[0] == '.' && name[1] == '.') {
			if (n == 0)
				return -1;
			while (n && to[n - 1] != '/')
				n--;
			n -= n > 0; /* the slash */
		} else if (part && !(part == 1 && name[0] == '.')) {
			if (n)
				to[n++] = '/';
			memcpy(to + n, name, part);
			n += part;
		}
		name += part + (name[part] == '/');
	}
	to[n] = '\0';
	return (ssize_t)n;
}

void unpack_leave(struct unpack *unpack)
{
	if (unpack->parent >= 0)
		close(unpack->parent);
	unpack->parent = -1;
}

/* Keep FD, which is now ours, as the directory of the N bytes at DIR. Return: 0 or -errno. */
static int keep_parent(struct unpack *unpack, int fd, const char *dir, size_t n)
{
	struct stat st;

	unpack_leave(unpack);
	if (fstat(fd, &st) < 0) {
		int code = errno;
		close(fd);
		return -code;
	}
	if (unpack->parent_room < n + 1) {
		unpack->parent_room = n + 256;
		unpack->parent_path = xrealloc(unpack->parent_path, unpack->parent_room);
	}
	memcpy(unpack->parent_path, dir, n);
	unpack->parent_path[n] = '\0';
	unpack->parent = fd;
	unpack->parent_ino = st.st_ino;
	unpack->parent_setgid = st.st_mode & S_ISGID;
	return 0;
}

int unpack_enter(struct unpack *unpack, const char *dir, size_t n, bool make)
{
	if (unpack->parent >= 0 && strlen(unpack->parent_path) == n && !memcmp(unpack->parent_path, dir, n))
		return 0;
	autofree char *path = xmalloc(n + 2);
	memcpy(path, n ? dir : ".", n ? n : 1);
	path[n ? n : 1] = '\0';
	int fd = path_open(unpack->options.target, path, O_PATH | O_DIRECTORY, PATH_FOLLOW);
	/* Parents that the archive does not name are root's and open to all, as with every other engine. */
	if (fd == -ENOENT && make)
		fd = path_make(unpack->options.target, path, true, 0755, PATH_FOLLOW);
	return fd < 0 ? fd : keep_parent(unpack, fd, dir, n);
}

void unpack_mark(struct unpack *unpack, const char *name)
{
	if (!unpack->options.overlay && !unpack->options.copy)
		hashset_add(&unpack->put, hashset_key(unpack->parent_ino, name));
}

static int refuse(const struct tar_entry *entry, bool is_directory, struct err *err)
{
	return err_setf(err, 0, "copy", entry->name, is_directory ? "cannot overwrite directory with non-directory"
								   : "cannot overwrite non-directory with directory");
}

/* Remove what is at NAME in the kept directory. *WAS_WHITEOUT: it was a mark of ours. Return: 0 or -errno with ERR. */
static int make_way(struct unpack *unpack, const char *name, bool *was_whiteout, const struct tar_entry *entry,
		    struct err *err)
{
	struct stat st;

	if (fstatat(unpack->parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_set(err, errno, "unpack", entry->name);
	*was_whiteout |= !unpack->options.copy && S_ISCHR(st.st_mode) && st.st_rdev == makedev(0, 0);
	if (unpack->options.copy && !unpack->options.replace && S_ISDIR(st.st_mode) != (entry->type == TAR_DIRECTORY))
		return refuse(entry, S_ISDIR(st.st_mode), err);
	if (!S_ISDIR(st.st_mode))
		return unlinkat(unpack->parent, name, 0) < 0 ? err_set(err, errno, "unpack", entry->name) : 0;
	return tree_remove_at(unpack->parent, name, err);
}

/* What unpack_file() and the like have in common. */
struct place {
	const struct tar_entry *entry;
	const char *name; /* in unpack->parent */
	uid_t uid;
	gid_t gid;
	bool chown; /* the kernel would not give it this owner by itself */
};

/* Run MAKE, which returns 0 or -errno; where something is in the way, remove that and run it again. */
static int make_entry(struct unpack *unpack, const struct place *place, int (*make)(struct unpack *, const struct place *),
		      struct err *err)
{
	bool was_whiteout = false;
	int status = make(unpack, place);

	if (status == -EEXIST) {
		status = make_way(unpack, place->name, &was_whiteout, place->entry, err);
		if (status < 0)
			return status;
		status = make(unpack, place);
	}
	if (status < 0)
		return err_set(err, -status, "unpack", place->entry->name);
	return status;
}

static int make_file(struct unpack *unpack, const struct place *place)
{
	int fd = openat(unpack->parent, place->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			place->entry->mode & 0777);

	return fd < 0 ? -errno : fd;
}

static int make_symlink(struct unpack *unpack, const struct place *place)
{
	return symlinkat(place->entry->link, unpack->parent, place->name) < 0 ? -errno : 0;
}

static int make_fifo(struct unpack *unpack, const struct place *place)
{
	return mknodat(unpack->parent, place->name, S_IFIFO | (place->entry->mode & 0777), 0) < 0 ? -errno : 0;
}

static int write_at(int fd, const uint8_t *data, size_t size, uint64_t offset)
{
	while (size) {
		ssize_t n = pwrite(fd, data, size, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		size -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

static int copy_data(int fd, struct tar *tar, const struct tar_entry *entry, struct err *err)
{
	const uint8_t *at;
	size_t size;
	uint64_t offset, end = 0;
	int status;

	while ((status = tar_data(tar, &at, &size, &offset, err)) > 0) {
		if ((status = write_at(fd, at, size, offset)) < 0)
			return err_set(err, -status, "unpack", entry->name);
		end = offset + size;
		int64_t moved = tar_move(tar, fd, err);
		if (moved < 0)
			return (int)moved;
		end = moved ? (uint64_t)moved : end;
	}
	if (status == 0 && end != entry->size && ftruncate(fd, (off_t)entry->size) < 0) /* ends in a hole */
		return err_set(err, errno, "unpack", entry->name);
	return status;
}

/* Owner, mode, attributes and times, in this order: chown(2) takes away set-id bits and capabilities, writing takes away capabilities. */
static int finish_file(const struct unpack *unpack, int fd, const struct place *place, struct err *err)
{
	const struct tar_entry *entry = place->entry;
	struct timespec times[] = { entry->atime, entry->mtime };

	if (place->chown && fchown(fd, place->uid, place->gid) < 0)
		return err_set(err, errno, "set owner", entry->name);
	if (entry->mode & 07000 && fchmod(fd, entry->mode) < 0)
		return err_set(err, errno, "set mode", entry->name);
	int status = unpack_xattrs(unpack, fd, entry, err);
	if (status == 0 && futimens(fd, times) < 0)
		return err_set(err, errno, "set times", entry->name);
	return status;
}

/* A file that something is mounted on, as /etc/hosts is in every container, cannot be replaced; its content can. */
static int reuse_file(struct unpack *unpack, const struct place *place)
{
	autoclose int fd = openat(unpack->parent, place->name, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || ftruncate(fd, 0) < 0)
		return -EBUSY;
	return steal_fd(&fd);
}

static int unpack_file(struct unpack *unpack, struct tar *tar, const struct place *place, struct err *err)
{
	autoclose int fd = make_entry(unpack, place, make_file, err);

	if (fd == -EBUSY && unpack->options.copy)
		fd = reuse_file(unpack, place);
	if (fd < 0)
		return fd;
	int status = copy_data(fd, tar, place->entry, err);
	if (status == 0)
		status = finish_file(unpack, fd, place, err);
	/* A full quota may show only here. */
	if (status == 0 && close(steal_fd(&fd)) < 0)
		return err_set(err, errno, "unpack", place->entry->name);
	return status;
}

/* A link or a fifo, both of which have no descriptor to work on; the name was made a moment ago and nobody else is here. */
static int unpack_node(struct unpack *unpack, const struct place *place, int (*make)(struct unpack *, const struct place *),
		       struct err *err)
{
	const struct tar_entry *entry = place->entry;
	struct timespec times[] = { entry->atime, entry->mtime };
	int status = make_entry(unpack, place, make, err);

	if (status < 0)
		return status;
	if (place->chown && fchownat(unpack->parent, place->name, place->uid, place->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return err_set(err, errno, "set owner", entry->name);
	if (entry->type == TAR_FIFO && entry->mode & 07000 && fchmodat(unpack->parent, place->name, entry->mode, 0) < 0)
		return err_set(err, errno, "set mode", entry->name);
	if (utimensat(unpack->parent, place->name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return err_set(err, errno, "set times", entry->name);
	return 0;
}

/* Give an open directory what the entry says. */
static int finish_directory(struct unpack *unpack, int fd, const struct place *place, const char *path, bool is_new,
			    struct err *err)
{
	const struct tar_entry *entry = place->entry;

	if ((place->chown || (!is_new && unpack->options.owners != UNPACK_MINE)) && fchown(fd, place->uid, place->gid) < 0)
		return err_set(err, errno, "set owner", entry->name);
	/* In a set-group-id directory a new one gets that bit, too. */
	if (unpack->options.copy) {
		if (!is_new && fchmod(fd, entry->mode | 0700) < 0)
			return err_set(err, errno, "set mode", entry->name);
	} else if ((!is_new || entry->mode & 07000 || unpack->parent_setgid) && fchmod(fd, entry->mode) < 0) {
		return err_set(err, errno, "set mode", entry->name);
	}
	int status = unpack_xattrs(unpack, fd, entry, err);
	return status < 0 ? status : unpack_later(unpack, path, entry, err);
}

static int unpack_directory(struct unpack *unpack, const struct place *place, const char *path, struct err *err)
{
	bool is_new = true, was_whiteout = false;
	int fd = -1, status = 0;

	for (int attempt = 0; attempt < 2; attempt++) {
		/* Of a copy the mode comes in the end: until then it is open to us, whoever we are. */
		if (mkdirat(unpack->parent, place->name, unpack->options.copy ? 0700 : place->entry->mode & 0777) < 0) {
			if (errno != EEXIST)
				return err_set(err, errno, "unpack", place->entry->name);
			is_new = false;
		}
		fd = openat(unpack->parent, place->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd >= 0 || attempt || (errno != ENOTDIR && errno != ELOOP))
			break;
		is_new = true; /* a file or link is in the way */
		if ((status = make_way(unpack, place->name, &was_whiteout, place->entry, err)) < 0)
			return status;
	}
	if (fd < 0)
		return err_set(err, errno, "unpack", place->entry->name);
	/* Taken away from the layers below and made anew: theirs must not show through. */
	if (was_whiteout && (status = unpack_set_opaque(fd)) < 0)
		status = err_set(err, -status, "unpack", place->entry->name);
	if (status == 0)
		status = finish_directory(unpack, fd, place, path, is_new, err);
	if (status < 0) {
		close(fd);
		return status;
	}
	unpack_mark(unpack, place->name);
	/* What comes next most often lies in it. */
	status = keep_parent(unpack, fd, path, strlen(path));
	return status < 0 ? err_set(err, -status, "unpack", place->entry->name) : 0;
}

/* The entry "./": the target itself. */
static int unpack_target(struct unpack *unpack, const struct tar_entry *entry, struct err *err)
{
	struct place place = { .entry = entry, .name = "" };

	if (entry->type != TAR_DIRECTORY)
		return err_setf(err, 0, "unpack", entry->name, "the top of a layer is a directory");
	int status = unpack_owner(unpack, entry, &place.uid, &place.gid, err);
	if (status < 0)
		return status;
	if (unpack->options.copy && !unpack->options.top)
		return 0;
	unpack->target_set = true;
	unpack_leave(unpack); /* what it says of set-group-id may be old now */
	return finish_directory(unpack, unpack->options.target, &place, "", false, err);
}

static bool is_same_file(int dir, const char *name, int other_dir, const char *other_name)
{
	struct stat st, other;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       fstatat(other_dir, other_name, &other, AT_SYMLINK_NOFOLLOW) == 0 && st.st_ino == other.st_ino &&
	       st.st_dev == other.st_dev;
}

static int unpack_hard_link(struct unpack *unpack, const struct place *place, struct err *err)
{
	const struct tar_entry *entry = place->entry;
	bool was_whiteout = false;
	ssize_t n = clean(entry->link, unpack->link);

	if (n <= 0)
		return err_setf(err, 0, "unpack", entry->name, "a hard link out of the layer: %s", entry->link);
	if (hashset_has(&unpack->skipped, hashset_key(0, unpack->link))) {
		unpack->skipped_devices++;
		return 0;
	}
	char *slash = strrchr(unpack->link, '/'), *base = slash ? slash + 1 : unpack->link;
	if (slash)
		*slash = '\0';
	autoclose int dir = path_open(unpack->options.target, slash ? unpack->link : ".", O_PATH | O_DIRECTORY, PATH_FOLLOW);
	if (dir < 0)
		return err_setf(err, -dir, "unpack", entry->name, "hard link to %s", entry->link);
	if (linkat(dir, base, unpack->parent, place->name, 0) == 0)
		return 0;
	if (errno == EEXIST) {
		if (is_same_file(dir, base, unpack->parent, place->name))
			return 0;
		int status = make_way(unpack, place->name, &was_whiteout, entry, err);
		if (status < 0)
			return status;
		if (linkat(dir, base, unpack->parent, place->name, 0) == 0)
			return 0;
	}
	return err_setf(err, errno, "unpack", entry->name, "hard link to %s", entry->link);
}

/* Nobody in a user namespace can make a device. What it would have replaced goes all the same. */
static int skip_device(struct unpack *unpack, const char *path, const char *name, const struct tar_entry *entry,
		       struct err *err)
{
	bool was_whiteout = false;

	unpack->skipped_devices++;
	hashset_add(&unpack->skipped, hashset_key(0, path));
	return unpack->options.overlay ? 0 : make_way(unpack, name, &was_whiteout, entry, err);
}

/* The name of PATH is no whiteout's; may its directories be? Return: 0 go on, 1 leave the entry out, or -EINVAL with ERR. */
static int check_directories(const char *path, const struct tar_entry *entry, struct err *err)
{
	for (const char *part = path; (part = strstr(part, WHITEOUT)); part += strlen(WHITEOUT)) {
		if (part != path && part[-1] != '/')
			continue;
		if (!strncmp(part, WHITEOUT_META, strlen(WHITEOUT_META)) && strchr(part, '/'))
			return 1; /* aufs kept files there */
		if (strchr(part, '/'))
			return err_setf(err, 0, "unpack", entry->name, "a whiteout is not a directory");
	}
	return 0;
}

static int unpack_at(struct unpack *unpack, struct tar *tar, struct place *place, const char *path, struct err *err)
{
	const struct tar_entry *entry = place->entry;
	int status = 0;

	if (entry->type != TAR_HARD_LINK && entry->type != TAR_CHAR && entry->type != TAR_BLOCK)
		status = unpack_owner(unpack, entry, &place->uid, &place->gid, err);
	if (status < 0)
		return status;
	place->chown = unpack->options.owners != UNPACK_MINE && (place->uid || place->gid || unpack->parent_setgid);
	switch (entry->type) {
	case TAR_FILE:
		status = unpack_file(unpack, tar, place, err);
		break;
	case TAR_DIRECTORY:
		return unpack_directory(unpack, place, path, err);
	case TAR_SYMLINK:
		status = unpack_node(unpack, place, make_symlink, err);
		break;
	case TAR_FIFO:
		status = unpack_node(unpack, place, make_fifo, err);
		break;
	case TAR_HARD_LINK:
		status = unpack_hard_link(unpack, place, err);
		break;
	case TAR_CHAR: case TAR_BLOCK:
		return skip_device(unpack, path, place->name, entry, err);
	}
	if (status == 0)
		unpack_mark(unpack, place->name);
	return status;
}

int unpack_entry(struct unpack *unpack, struct tar *tar, const struct tar_entry *entry, struct err *err)
{
	ssize_t n = clean(entry->name, unpack->path);
	const char *path = unpack->path;

	if (n < 0)
		return err_setf(err, 0, "unpack", entry->name, "the name leads out of the layer");
	if (n == 0)
		return unpack_target(unpack, entry, err);
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	size_t dir = slash ? (size_t)(slash - path) : 0;
	int status = unpack->options.copy ? 0 : check_directories(path, entry, err);
	if (status)
		return status < 0 ? status : 0;
	if (!unpack->options.copy && !strncmp(name, WHITEOUT, strlen(WHITEOUT)))
		return unpack_whiteout(unpack, path, dir, name, entry, err);
	status = unpack_enter(unpack, path, dir, true);
	if (status < 0)
		return err_set(err, -status, "unpack", entry->name);
	struct place place = { .entry = entry, .name = name };
	return unpack_at(unpack, tar, &place, path, err);
}

static bool is_empty(int fd)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	int entries = 0;

	while (dir && readdir(dir))
		entries++;
	if (dir)
		closedir(dir);
	else if (copy >= 0)
		close(copy);
	return entries <= 2; /* "." and ".." */
}

int unpack_begin(const struct unpack_options *options, struct unpack **out, struct err *err)
{
	/* A default ACL that the target has from the user's own directory would go to every file, and set its mode. */
	if (!options->copy && fremovexattr(options->target, "system.posix_acl_default") < 0 && errno != ENODATA && errno != ENOTSUP)
		return err_set(err, errno, "unpack", "remove default ACL");
	*out = xcalloc(1, sizeof(**out));
	(*out)->options = *options;
	(*out)->parent = -1;
	(*out)->target_was_empty = is_empty(options->target);
	return 0;
}

int unpack_finish(struct unpack *unpack, struct err *err)
{
	if (!unpack->options.copy && !unpack->target_set && unpack->target_was_empty && fchmod(unpack->options.target, 0755) < 0)
		return err_set(err, errno, "set mode", ".");
	return unpack_set_late_times(unpack, err);
}

uint64_t unpack_skipped_devices(const struct unpack *unpack)
{
	return unpack->skipped_devices;
}

void unpack_free(struct unpack *unpack)
{
	if (!unpack)
		return;
	unpack_leave(unpack);
	for (size_t i = 0; i < unpack->n_late; i++)
		free(unpack->late[i].path);
	free(unpack->late);
	free(unpack->parent_path);
	hashset_free(&unpack->put);
	hashset_free(&unpack->skipped);
	free(unpack);
}
