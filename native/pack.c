#include "pack.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

#include "tar_write.h"
#include "tree_internal.h"
#include "util.h"

#ifndef MQUEUE_MAGIC
#define MQUEUE_MAGIC 0x19800202
#endif

#define XATTR_LIMIT (64 << 10)       /* XATTR_SIZE_MAX and XATTR_LIST_MAX, linux/limits.h */
#define XATTRS_MAX 64                /* of one file; the reader takes a pax header of 1 MiB */
#define HOLE_LEAST (64 << 10)        /* bytes of holes that make a file a sparse one */

/* A file with several names: the one that was written. */
struct known {
	dev_t dev;
	ino_t ino;
	char *path; /* NULL: a free slot */
};

struct pack_level {
	struct tree_level tree;
	size_t path_size; /* length of pack->path before this level was entered */
};

struct pack {
	struct sink *sink;
	struct pack_options options;
	struct pack_level *levels;
	size_t n, room;
	char *path;
	size_t path_size, path_room;
	struct known *known; /* a hash table by inode */
	size_t n_known, known_room;
	uint64_t entries;
	char *list, *values; /* of extended attributes */
	struct tar_xattr xattrs[XATTRS_MAX];
	size_t n_xattrs;
	struct tar_stretch *map;
	size_t n_map, map_room;
};

struct pack *pack_new(struct sink *sink, const struct pack_options *options)
{
	struct pack *pack = xcalloc(1, sizeof(*pack));

	pack->sink = sink;
	pack->options = *options;
	pack->list = xmalloc(XATTR_LIMIT);
	pack->values = xmalloc(4 * XATTR_LIMIT);
	pack->path = xstrdup("");
	pack->path_room = 1;
	return pack;
}

uint64_t pack_entries(const struct pack *pack)
{
	return pack->entries;
}

bool pack_is_kernels(int fd)
{
	static const unsigned long types[] = {
		PROC_SUPER_MAGIC, SYSFS_MAGIC, DEVPTS_SUPER_MAGIC, CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, DEBUGFS_MAGIC,
		TRACEFS_MAGIC, SECURITYFS_MAGIC, BPF_FS_MAGIC, PSTOREFS_MAGIC, MQUEUE_MAGIC, BINFMTFS_MAGIC, AUTOFS_SUPER_MAGIC,
	};
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return false;
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		if ((unsigned long)fs.f_type == types[i])
			return true;
	return false;
}

static struct known *find_known(struct pack *pack, dev_t dev, ino_t ino)
{
	size_t at = (size_t)(ino * 0x9e3779b97f4a7c15u >> 20) & (pack->known_room - 1);

	while (pack->known[at].path && (pack->known[at].ino != ino || pack->known[at].dev != dev))
		at = (at + 1) & (pack->known_room - 1);
	return &pack->known[at];
}

static void grow_known(struct pack *pack)
{
	struct known *old = pack->known;
	size_t n = pack->known_room;

	pack->known_room = n ? 2 * n : 256;
	pack->known = xcalloc(pack->known_room, sizeof(*pack->known));
	for (size_t i = 0; i < n; i++)
		if (old[i].path)
			*find_known(pack, old[i].dev, old[i].ino) = old[i];
	free(old);
}

/* Where the same file was written before; NULL, and it is remembered, when this is its first name. */
static const char *known_path(struct pack *pack, const struct stat *st, const char *path)
{
	if (pack->n_known >= pack->known_room / 2)
		grow_known(pack);
	struct known *known = find_known(pack, st->st_dev, st->st_ino);
	if (known->path)
		return known->path;
	*known = (struct known){ st->st_dev, st->st_ino, xstrdup(path) };
	pack->n_known++;
	return NULL;
}

/* The same as a layer may have (unpack_meta.c): what overlay keeps for itself never leaves. */
static bool is_packed(const char *name)
{
	return !strcmp(name, "security.capability") ||
	       (!strncmp(name, "user.", 5) && strncmp(name, "user.overlay.", 13) != 0 && strncmp(name, "user.fuseoverlayfs.", 19) != 0 &&
		strncmp(name, "user.containers.override_stat", 29) != 0);
}

static void read_xattrs(struct pack *pack, int fd)
{
	ssize_t size = flistxattr(fd, pack->list, XATTR_LIMIT);
	size_t used = 0;

	pack->n_xattrs = 0;
	for (const char *name = pack->list; name < pack->list + size && pack->n_xattrs < XATTRS_MAX; name += strlen(name) + 1) {
		if (!is_packed(name) || 4 * XATTR_LIMIT - used == 0)
			continue;
		ssize_t n = fgetxattr(fd, name, pack->values + used, 4 * XATTR_LIMIT - used);
		if (n < 0)
			continue; /* gone meanwhile, or not for us */
		pack->xattrs[pack->n_xattrs++] = (struct tar_xattr){ name, (uint8_t *)pack->values + used, (size_t)n };
		used += (size_t)n;
	}
}

static bool add_stretch(struct pack *pack, off_t start, off_t end)
{
	if (pack->n_map == TAR_SPARSE_MAX)
		return false;
	if (pack->n_map == pack->map_room) {
		pack->map_room = pack->map_room ? 2 * pack->map_room : 64;
		pack->map = xrealloc(pack->map, pack->map_room * sizeof(*pack->map));
	}
	pack->map[pack->n_map++] = (struct tar_stretch){ (uint64_t)start, (uint64_t)(end - start) };
	return true;
}

/* Where FD has data. Return: false where it has no holes worth it, or the file system does not tell. */
static bool read_map(struct pack *pack, int fd, const struct stat *st)
{
	off_t at = 0, holes = 0;

	pack->n_map = 0;
	if ((off_t)st->st_blocks * 512 + HOLE_LEAST > st->st_size)
		return false;
	while (at < st->st_size) {
		off_t data = lseek(fd, at, SEEK_DATA), hole;
		if (data < 0 && errno != ENXIO)
			return false;
		if (data < 0 || data >= st->st_size)
			break; /* only a hole follows */
		hole = lseek(fd, data, SEEK_HOLE);
		if (hole <= data)
			return false;
		hole = hole < st->st_size ? hole : st->st_size;
		holes += data - at;
		if (!add_stretch(pack, data, hole))
			return false;
		at = hole;
	}
	holes += st->st_size - at;
	/* By convention the last one tells where the file ends. */
	return holes >= HOLE_LEAST && (at == st->st_size || add_stretch(pack, st->st_size, st->st_size));
}

static uint32_t map_id(const struct id_map *map, size_t n, uint32_t id)
{
	for (size_t i = 0; i < n; i++)
		if (id >= map[i].outside && id - map[i].outside < map[i].size)
			return map[i].inside + (id - map[i].outside);
	return 0;
}

static void set_owner(const struct pack *pack, struct stat *st)
{
	const struct id_maps *maps = pack->options.maps;

	if (pack->options.owners == PACK_ROOT) {
		st->st_uid = 0;
		st->st_gid = 0;
	} else if (pack->options.owners == PACK_MAP) {
		st->st_uid = map_id(maps->uid, maps->n_uid, st->st_uid);
		st->st_gid = map_id(maps->gid, maps->n_gid, st->st_gid);
	}
}

/* Gone, or something else since it was looked at: left out, as if it had gone a moment before. */
static bool has_vanished(int code)
{
	return code == ENOENT || code == ELOOP || code == ENOTDIR || code == ENXIO || code == ESTALE || code == ENODEV;
}

static int failed(int code, const char *path, struct err *err)
{
	return err_set(err, code, "read", path);
}

static int write_head(struct pack *pack, struct tar_head *head, struct err *err)
{
	set_owner(pack, &head->st);
	if (pack->options.comparable && (S_ISDIR(head->st.st_mode) || S_ISCHR(head->st.st_mode)))
		head->st.st_mtim = (struct timespec){ 0 };
	pack->entries++;
	return tar_write_head(pack->sink, head, err);
}

int pack_file(struct pack *pack, int fd, const char *path, struct err *err)
{
	struct tar_head head = { .name = path };
	int status;

	if (fstat(fd, &head.st) < 0)
		return failed(errno, path, err);
	if (!S_ISREG(head.st.st_mode))
		return 0;
	if (head.st.st_nlink > 1 && (head.hard_link = known_path(pack, &head.st, path)))
		return write_head(pack, &head, err);
	read_xattrs(pack, fd);
	head.xattrs = pack->xattrs;
	head.n_xattrs = pack->n_xattrs;
	if (!read_map(pack, fd, &head.st)) {
		status = write_head(pack, &head, err);
		if (status == 0)
			status = sink_copy(pack->sink, fd, 0, (uint64_t)head.st.st_size, path, err);
		return status < 0 ? status : sink_pad(pack->sink, 512, err);
	}
	head.map = pack->map;
	head.n_map = pack->n_map;
	status = write_head(pack, &head, err);
	for (size_t i = 0; i < pack->n_map && status == 0; i++)
		status = sink_copy(pack->sink, fd, (off_t)pack->map[i].offset, pack->map[i].size, path, err);
	return status < 0 ? status : sink_pad(pack->sink, 512, err);
}

static int pack_link(struct pack *pack, int dir, const char *name, const char *path, const struct stat *st, struct err *err)
{
	struct tar_head head = { .name = path, .st = *st };
	char target[PATH_MAX + 1];
	ssize_t n = readlinkat(dir, name, target, PATH_MAX);

	if (n < 0)
		return has_vanished(errno) || errno == EINVAL ? 0 : failed(errno, path, err);
	target[n] = '\0';
	head.symlink = target;
	if (st->st_nlink > 1)
		head.hard_link = known_path(pack, st, path);
	return write_head(pack, &head, err);
}

int pack_directory(struct pack *pack, int fd, const char *path, struct err *err)
{
	struct tar_head head = { .name = path };

	if (fstat(fd, &head.st) < 0)
		return failed(errno, path, err);
	read_xattrs(pack, fd);
	head.xattrs = pack->xattrs;
	head.n_xattrs = pack->n_xattrs;
	return write_head(pack, &head, err);
}

static int open_directory(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int pack_entry(struct pack *pack, int dir, const char *name, const char *path, const struct stat *st, struct err *err)
{
	struct tar_head head = { .name = path, .st = *st };

	switch (st->st_mode & S_IFMT) {
	case S_IFREG: {
		autoclose int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		if (fd < 0)
			return has_vanished(errno) ? 0 : failed(errno, path, err);
		return pack_file(pack, fd, path, err);
	}
	case S_IFLNK:
		return pack_link(pack, dir, name, path, st, err);
	case S_IFDIR: {
		autoclose int fd = open_directory(dir, name);
		if (fd < 0)
			return has_vanished(-fd) ? 0 : failed(-fd, path, err);
		return pack_directory(pack, fd, path, err);
	}
	case S_IFCHR: case S_IFBLK: case S_IFIFO:
		if (st->st_nlink > 1)
			head.hard_link = known_path(pack, st, path);
		return write_head(pack, &head, err);
	default: /* a socket lives with the process that listens on it */
		return 0;
	}
}

static int add_name(void *data, int fd, const char *name, unsigned char type)
{
	(void)fd;
	(void)type;
	tree_names_add(data, name);
	return 0;
}

/* Go into the directory behind FD, which is taken, and write its entry. NAME is its part of the path. */
static int enter(struct pack *pack, int fd, const char *name, struct err *err)
{
	size_t n = strlen(name);

	if (pack->n == pack->room) {
		pack->room = pack->room ? 2 * pack->room : 16;
		pack->levels = xrealloc(pack->levels, pack->room * sizeof(*pack->levels));
	}
	struct pack_level *level = &pack->levels[pack->n++];
	int status = tree_level_begin(&level->tree, fd);
	level->path_size = pack->path_size;
	if (pack->path_size + n + 2 > pack->path_room) {
		pack->path_room = 2 * (pack->path_size + n) + 256;
		pack->path = xrealloc(pack->path, pack->path_room);
	}
	memcpy(pack->path + pack->path_size, name, n);
	pack->path_size += n;
	if (n)
		pack->path[pack->path_size++] = '/';
	pack->path[pack->path_size] = '\0';
	if (status < 0)
		return failed(-status, pack->path, err);
	status = n ? pack_directory(pack, fd, pack->path, err) : 0;
	if (status < 0)
		return status;
	bool other = pack->n > 1 && level[-1].tree.dev != level->tree.dev;
	if ((other && pack->options.one_mount) || ((other || pack->n == 1) && pack_is_kernels(fd)))
		return 0;
	status = tree_list(fd, add_name, &level->tree.names);
	if (status < 0)
		return failed(-status, pack->path, err);
	tree_names_sort(&level->tree.names);
	if (pack->n > TREE_OPEN_LEVELS) {
		close(level[-1].tree.fd);
		level[-1].tree.fd = -1;
	}
	return 0;
}

static int pack_child(struct pack *pack, const char *name, struct err *err)
{
	int dir = pack->levels[pack->n - 1].tree.fd, status = 0;
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return has_vanished(errno) ? 0 : failed(errno, name, err);
	if (S_ISDIR(st.st_mode)) {
		int fd = open_directory(dir, name);
		if (fd < 0)
			return has_vanished(-fd) ? 0 : failed(-fd, name, err);
		return enter(pack, fd, name, err);
	}
	/* PACK->PATH stays as it is: only its end is written over. */
	autofree char *path = xasprintf("%s%s", pack->path, name);
	status = pack_entry(pack, dir, name, path, &st, err);
	return status;
}

static int leave(struct pack *pack, struct err *err)
{
	struct pack_level *level = &pack->levels[pack->n - 1];
	int status = pack->n > 1 ? tree_level_reopen(&level[-1].tree, level->tree.fd) : 0;

	if (status < 0) /* somebody moves directories about: where we are is not known any more */
		return err_setf(err, -status, "read", pack->path, "the directory was moved meanwhile");
	pack->path_size = level->path_size;
	pack->path[pack->path_size] = '\0';
	tree_level_end(&level->tree);
	pack->n--;
	return 0;
}

int pack_tree(struct pack *pack, int dir, const char *name, const char *base, struct err *err)
{
	struct stat st;
	int status;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return failed(errno, name, err);
	if (!S_ISDIR(st.st_mode))
		return pack_entry(pack, dir, name, base, &st, err);
	int fd = open_directory(dir, name);
	if (fd < 0)
		return failed(-fd, name, err);
	status = enter(pack, fd, base, err);
	while (status == 0 && pack->n) {
		const char *next = tree_names_next(&pack->levels[pack->n - 1].tree.names);
		status = next ? pack_child(pack, next, err) : leave(pack, err);
	}
	while (pack->n)
		tree_level_end(&pack->levels[--pack->n].tree);
	return status;
}

void pack_free(struct pack *pack)
{
	if (!pack)
		return;
	for (size_t i = 0; i < pack->known_room; i++)
		free(pack->known[i].path);
	free(pack->known);
	free(pack->levels);
	free(pack->path);
	free(pack->list);
	free(pack->values);
	free(pack->map);
	free(pack);
}
