/* mount: `mounts`, `maskedPaths` and `readonlyPaths` of config.json. */
#include "mount.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "mount_internal.h"
#include "path.h"
#include "tree.h"
#include "util.h"

/* One entry of `mounts`. Strings are borrowed from the bundle. */
struct mount_entry {
	const char *type, *source, *destination;
	json_t *options;
	int tree;               /* the source of a bind mount, detached, or -1 */
	bool bind, recursive;
	bool late;              /* the source is mounted by volumes_prepare() */
	bool top_only;          /* attributes are not for what is mounted below the source */
	bool copy_up;           /* what the image has there is copied into the new file system */
	bool idmap;
	bool borrowed;          /* the source is in the mount namespace of another container: mount_borrow() */
	uint64_t attr_set, attr_clr;
	uint64_t propagation;   /* MS_PRIVATE …, 0: as it comes */
	bool propagation_recursive;
	const char **data;      /* options for the file system itself; the array is owned */
	size_t n_data;
};

struct mounts {
	const struct bundle *bundle;
	struct mount_entry *entries;
	size_t n;
	int null_fd, empty_fd; /* what hides masked files and directories */
};

int mount_fsconfig(int fs, const char *key, const char *value)
{
	return fsconfig(fs, value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, key, value, 0);
}

int mount_fsmount(int fs, unsigned int attr)
{
	int fd;

	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	fd = fsmount(fs, FSMOUNT_CLOEXEC, attr);
	return fd < 0 ? -errno : fd;
}

int mount_fs_error(int fs, int code, const char *step, const char *object, struct err *err)
{
	char words[256];
	ssize_t length = read(fs, words, sizeof(words) - 1); /* "e overlay: …", fsopen(2) */

	words[length > 0 ? length : 0] = '\0';
	words[strcspn(words, "\n")] = '\0';
	return err_setf(err, code, step, object, "%s", length > 2 ? words + 2 : "");
}

int mount_open_tree(int dirfd, const char *path, bool recursive)
{
	unsigned int flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_NO_AUTOMOUNT | (*path ? 0 : AT_EMPTY_PATH);
	int fd = open_tree(dirfd, path, flags | (recursive ? AT_RECURSIVE : 0));

	/* EINVAL: mounts inherited from a more privileged namespace stay on what they cover. */
	if (fd < 0 && errno == EINVAL && !recursive)
		fd = open_tree(dirfd, path, flags | AT_RECURSIVE);
	return fd < 0 ? -errno : fd;
}

int mount_attach(int tree, int target)
{
	return move_mount(tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0 ? -errno : 0;
}

/* Options that are attributes of the mount (runtime spec, "Linux mount options"). */
static const struct {
	const char *name;
	uint64_t set, clear;
} attributes[] = {
	{ "ro", MOUNT_ATTR_RDONLY, 0 },
	{ "rw", 0, MOUNT_ATTR_RDONLY },
	{ "nosuid", MOUNT_ATTR_NOSUID, 0 },
	{ "suid", 0, MOUNT_ATTR_NOSUID },
	{ "nodev", MOUNT_ATTR_NODEV, 0 },
	{ "dev", 0, MOUNT_ATTR_NODEV },
	{ "noexec", MOUNT_ATTR_NOEXEC, 0 },
	{ "exec", 0, MOUNT_ATTR_NOEXEC },
	{ "nodiratime", MOUNT_ATTR_NODIRATIME, 0 },
	{ "diratime", 0, MOUNT_ATTR_NODIRATIME },
	{ "nosymfollow", MOUNT_ATTR_NOSYMFOLLOW, 0 },
	{ "symfollow", 0, MOUNT_ATTR_NOSYMFOLLOW },
	{ "noatime", MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME },
	{ "atime", 0, MOUNT_ATTR_NOATIME },
	{ "relatime", MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME },
	{ "norelatime", 0, MOUNT_ATTR_RELATIME },
	{ "strictatime", MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME },
	{ "nostrictatime", 0, MOUNT_ATTR_STRICTATIME },
};

static const struct {
	const char *name;
	uint64_t propagation;
} propagations[] = {
	{ "private", MS_PRIVATE }, { "slave", MS_SLAVE }, { "shared", MS_SHARED }, { "unbindable", MS_UNBINDABLE },
};

/* The propagation NAME ("rslave") in NAME's words. Return: MS_* or 0; *RECURSIVE from the leading r. */
static uint64_t propagation_of(const char *name, bool *recursive)
{
	bool r = name[0] == 'r';

	for (size_t i = 0; i < sizeof(propagations) / sizeof(*propagations); i++)
		if (strcmp(name + r, propagations[i].name) == 0) {
			*recursive = r;
			return propagations[i].propagation;
		}
	return 0;
}

/* The attribute NAME, also in its recursive form ("rro"): all that we set is set recursively. */
static bool read_attribute(struct mount_entry *entry, const char *name)
{
	for (size_t i = 0; i < sizeof(attributes) / sizeof(*attributes); i++)
		if (strcmp(name, attributes[i].name) == 0 || (name[0] == 'r' && strcmp(name + 1, attributes[i].name) == 0)) {
			entry->attr_set = (entry->attr_set & ~attributes[i].clear) | attributes[i].set;
			entry->attr_clr |= attributes[i].clear & MOUNT_ATTR__ATIME;
			return true;
		}
	return false;
}

static int read_option(struct mount_entry *entry, const char *option, struct err *err)
{
	bool recursive;
	uint64_t propagation;

	if (strcmp(option, "bind") == 0 || strcmp(option, "rbind") == 0) {
		entry->bind = true;
		entry->recursive = option[0] == 'r';
		return 0;
	}
	if (strcmp(option, "defaults") == 0 || read_attribute(entry, option))
		return 0;
	propagation = propagation_of(option, &recursive);
	if (propagation) {
		entry->propagation = propagation;
		entry->propagation_recursive = recursive;
		return 0;
	}
	if (strcmp(option, "tmpcopyup") == 0 || strcmp(option, "idmap") == 0) {
		*(option[0] == 't' ? &entry->copy_up : &entry->idmap) = true;
		return 0;
	}
	if (strcmp(option, "remount") == 0 || strcmp(option, "ridmap") == 0)
		return err_setf(err, 0, "mount", entry->destination, "option \"%s\" is not supported", option);
	entry->data[entry->n_data++] = option;
	return 0;
}

static int read_entry(json_t *object, struct mount_entry *entry, struct err *err)
{
	json_t *options = json_object_get(object, "options"), *option, *own = json_object_get(object, "proa");
	size_t i;
	int r = 0;

	entry->tree = -1;
	entry->late = json_is_string(json_object_get(own, "scratch"));
	entry->top_only = json_is_true(json_object_get(own, "topOnly"));
	entry->borrowed = json_is_true(json_object_get(own, "borrowed"));
	entry->type = json_string_value(json_object_get(object, "type"));
	entry->source = json_string_value(json_object_get(object, "source"));
	entry->destination = json_string_value(json_object_get(object, "destination"));
	if (!entry->destination || entry->destination[0] != '/')
		return err_setf(err, 0, "read bundle", "mounts", "a destination is not an absolute path");
	if (entry->destination[strspn(entry->destination, "/.")] == '\0')
		return err_setf(err, 0, "mount", entry->destination, "the root itself cannot be mounted over");
	if (json_object_get(object, "uidMappings") || json_object_get(object, "gidMappings"))
		return err_setf(err, 0, "mount", entry->destination, "id-mapped mounts are not supported");
	entry->data = xcalloc(json_array_size(options), sizeof(*entry->data));
	json_array_foreach(options, i, option) {
		if (!json_is_string(option))
			return err_setf(err, 0, "mount", entry->destination, "an option is not a string");
		r = read_option(entry, json_string_value(option), err);
		if (r < 0)
			return r;
	}
	if (entry->type && strcmp(entry->type, "bind") == 0)
		entry->bind = true;
	if (entry->bind ? !entry->source : !entry->type)
		return err_setf(err, 0, "mount", entry->destination, entry->bind ? "no source" : "no type");
	return 0;
}

/* Set the entry's attributes on the detached mount TREE. */
static int set_attributes(const struct mount_entry *entry, int tree)
{
	struct mount_attr attr = {
		.attr_set = entry->attr_set,
		.attr_clr = entry->attr_clr,
		.propagation = entry->bind && !entry->propagation ? MS_PRIVATE : entry->propagation,
	};
	bool apart = entry->propagation && !entry->propagation_recursive;
	unsigned int flags = AT_EMPTY_PATH | (entry->top_only ? 0 : AT_RECURSIVE);

	if (apart)
		attr.propagation = 0;
	if ((attr.attr_set || attr.attr_clr || attr.propagation) &&
	    mount_setattr(tree, "", flags, &attr, sizeof(attr)) < 0) {
		/* Access times of a mount from a more privileged namespace are locked: they stay what they are. */
		if (errno != EPERM || !attr.attr_clr)
			return -errno;
		attr.attr_clr = 0;
		attr.attr_set &= ~(uint64_t)(MOUNT_ATTR__ATIME | MOUNT_ATTR_NODIRATIME);
		if (mount_setattr(tree, "", flags, &attr, sizeof(attr)) < 0)
			return -errno;
	}
	if (apart) {
		struct mount_attr propagation = { .propagation = entry->propagation };

		if (mount_setattr(tree, "", AT_EMPTY_PATH, &propagation, sizeof(propagation)) < 0)
			return -errno;
	}
	return 0;
}

static int open_source(const struct bundle *bundle, struct mount_entry *entry, struct err *err)
{
	autofree char *path =
		entry->source[0] == '/' ? xstrdup(entry->source) : xasprintf("%s/%s", bundle->dir, entry->source);
	int r;

	entry->tree = entry->borrowed ? mount_borrow(path) : mount_open_tree(AT_FDCWD, path, entry->recursive);
	if (entry->tree < 0)
		return err_set(err, -entry->tree, "open mount source", path);
	r = set_attributes(entry, entry->tree);
	return r < 0 ? err_set(err, -r, "set mount options", entry->destination) : 0;
}

static int open_null(struct err *err)
{
	autoclose int fd = open("/dev/null", O_PATH | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(err, errno, "open", "/dev/null");
	if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3))
		return err_setf(err, 0, "open", "/dev/null", "not the null device");
	return steal_fd(&fd);
}

int mounts_open(const struct bundle *bundle, struct mounts **out, struct err *err)
{
	json_t *array = json_object_get(bundle->config, "mounts"), *object;
	struct mounts *mounts = xcalloc(1, sizeof(*mounts));
	size_t i;
	int r;

	mounts->bundle = bundle;
	mounts->entries = xcalloc(json_array_size(array), sizeof(*mounts->entries));
	mounts->empty_fd = -1;
	mounts->null_fd = open_null(err);
	if (mounts->null_fd < 0)
		return mounts->null_fd;
	json_array_foreach(array, i, object) {
		struct mount_entry *entry = &mounts->entries[mounts->n++];

		r = read_entry(object, entry, err);
		if (r == 0 && entry->bind && !entry->late && !entry->idmap)
			r = open_source(bundle, entry, err);
		if (r < 0)
			return r;
	}
	*out = mounts;
	return 0;
}

int mounts_take(struct mounts *mounts, size_t index, int fd, struct err *err)
{
	struct mount_entry *entry = index < mounts->n ? &mounts->entries[index] : NULL;
	int r;

	if (!entry || !entry->idmap || entry->tree >= 0)
		return err_setf(err, 0, "map ids of mount", "", "unexpected descriptor");
	entry->tree = fd;
	r = set_attributes(entry, fd);
	return r < 0 ? err_set(err, -r, "set mount options", entry->destination) : 0;
}

/* A detached copy of the host's PATH and all below it with ATTRIBUTES, in place of a file system that we may not mount. */
static int open_host(const char *path, uint64_t attributes_set)
{
	struct mount_attr attr = {
		.attr_set = attributes_set | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
		.propagation = MS_PRIVATE,
	};
	autoclose int tree = mount_open_tree(AT_FDCWD, path, true);

	if (tree < 0)
		return tree;
	if (mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)) < 0)
		return -errno;
	return steal_fd(&tree);
}

/* Create the file system of ENTRY. Return: a detached mount, or -errno with ERR. */
static int create_file_system(const struct mount_entry *entry, const char *type, const char *skip, struct err *err)
{
	autoclose int fs = fsopen(type, FSOPEN_CLOEXEC);
	int fd;

	if (fs < 0)
		return err_setf(err, errno, "mount", entry->destination, "file system %s", type);
	if (entry->source && *entry->source && mount_fsconfig(fs, "source", entry->source) < 0)
		return mount_fs_error(fs, errno, "mount", entry->destination, err);
	for (size_t i = 0; i < entry->n_data; i++) {
		autofree char *key = xstrdup(entry->data[i]);
		char *value = strchr(key, '=');

		if (skip && strncmp(key, skip, strlen(skip)) == 0)
			continue;
		if (value)
			*value++ = '\0';
		if (mount_fsconfig(fs, key, value) < 0) {
			int code = errno;

			mount_fs_error(fs, code, "mount", entry->destination, err);
			if (err && !err->detail[0])
				snprintf(err->detail, sizeof(err->detail), "option \"%s\"", entry->data[i]);
			return -code;
		}
	}
	fd = mount_fsmount(fs, (unsigned int)entry->attr_set);
	return fd < 0 ? mount_fs_error(fs, -fd, "mount", entry->destination, err) : fd;
}

/*
 * The file systems that need more than their name. cgroup is no reason to fail: -ENOTSUP says to do without it.
 */
static int open_file_system(const struct mount_entry *entry, bool own_pids, struct err *err)
{
	bool cgroup = strcmp(entry->type, "cgroup") == 0 || strcmp(entry->type, "cgroup2") == 0;
	int fd = create_file_system(entry, cgroup ? "cgroup2" : entry->type, NULL, err);

	if (fd >= 0)
		return fd;
	if (cgroup) {
		fd = open_host("/sys/fs/cgroup", MOUNT_ATTR_RDONLY);
		return fd < 0 ? -ENOTSUP : fd;
	}
	/*
	 * sysfs and proc are mounted by who owns the network and the pid namespace. Where the container has the host's, it has
	 * the host's view of it.
	 */
	if (fd == -EPERM && strcmp(entry->type, "sysfs") == 0)
		fd = open_host("/sys", MOUNT_ATTR_RDONLY);
	else if (fd == -EPERM && strcmp(entry->type, "proc") == 0 && !own_pids)
		fd = open_host("/proc", entry->attr_set & MOUNT_ATTR_RDONLY);
	else if (fd == -EINVAL && strcmp(entry->type, "devpts") == 0)
		/* The terminals' group is not mapped in a map of a single id. */
		return create_file_system(entry, entry->type, "gid=", err);
	return fd < 0 && err && !err->step[0] ? err_set(err, -fd, "mount", entry->destination) : fd;
}

static bool is_kernel_type(const struct mount_entry *entry)
{
	return !entry->bind && (strcmp(entry->type, "proc") == 0 || strcmp(entry->type, "sysfs") == 0);
}

static bool has_data(const struct mount_entry *entry, const char *key)
{
	for (size_t i = 0; i < entry->n_data; i++)
		if (strncmp(entry->data[i], key, strlen(key)) == 0)
			return true;
	return false;
}

/*
 * Copy what the image has at the place of ENTRY, if it is a directory, into the new file system TREE, with all attributes of its own that
 * the options leave open. READONLY: it is to be so afterwards.
 */
static int copy_image(const struct mount_entry *entry, int root, int tree, bool readonly, struct err *err)
{
	autoclose int from = path_open(root, entry->destination, O_RDONLY | O_DIRECTORY, PATH_FOLLOW);
	autoclose int to = openat(tree, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };
	struct stat st;
	int r;

	if (to < 0 || fstat(to, &st) < 0)
		return err_set(err, errno, "copy", entry->destination);
	r = from < 0 ? 0 : tree_copy(from, to, err);
	if (r == 0 && (has_data(entry, "uid=") || has_data(entry, "gid=")) && fchown(to, st.st_uid, st.st_gid) < 0)
		r = err_set(err, errno, "copy", entry->destination);
	if (r == 0 && has_data(entry, "mode=") && fchmod(to, st.st_mode & 07777) < 0)
		r = err_set(err, errno, "copy", entry->destination);
	if (r == 0 && readonly && mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		r = err_set(err, errno, "set mount options", entry->destination);
	return r;
}

/*
 * What reads and writes /proc, our own steps to come too, must find the kernel's files there. Only those that merely inform may be
 * replaced (lxcfs does), and a part of a /proc by another's.
 */
static int guard_proc(const struct mount_entry *entry, int tree, int target, struct err *err)
{
	static const char *const free_names[] = { "cpuinfo", "diskstats", "loadavg", "meminfo", "net/dev", "slabinfo", "stat", "swaps", "uptime" };
	struct statfs there, ours;

	if (is_kernel_type(entry) || fstatfs(target, &there) < 0 || there.f_type != PROC_SUPER_MAGIC ||
	    (fstatfs(tree, &ours) == 0 && ours.f_type == PROC_SUPER_MAGIC))
		return 0;
	for (size_t i = 0; i < sizeof(free_names) / sizeof(*free_names); i++)
		if (strncmp(entry->destination, "/proc/", 6) == 0 && strcmp(entry->destination + 6, free_names[i]) == 0)
			return 0;
	return err_setf(err, 0, "mount", entry->destination, "nothing may be mounted over the files of /proc");
}

static int apply_entry(const struct bundle *bundle, struct mount_entry *entry, int root, bool own_pids, int *proc,
	struct err *err)
{
	int late = entry->late ? open_source(bundle, entry, err) : 0;
	bool readonly = entry->copy_up && (entry->attr_set & MOUNT_ATTR_RDONLY);
	if (readonly)
		entry->attr_set &= ~(uint64_t)MOUNT_ATTR_RDONLY;
	autoclose int tree = entry->bind ? steal_fd(&entry->tree) : open_file_system(entry, own_pids, err), target = -1;
	struct stat st;
	int r;

	if (late < 0)
		return late;
	if (entry->idmap && tree < 0)
		return err_setf(err, EPERM, "map ids of mount", entry->destination, "the user namespace is not the container's own");
	if (tree == -ENOTSUP && !entry->bind && strncmp(entry->type, "cgroup", 6) == 0)
		return 0;
	if (tree < 0)
		return tree;
	if (!entry->bind && (entry->propagation || entry->attr_clr)) {
		r = set_attributes(entry, tree);
		if (r < 0)
			return err_set(err, -r, "set mount options", entry->destination);
	}
	if (fstat(tree, &st) < 0)
		return err_set(err, errno, "open mount source", entry->source);
	r = entry->copy_up && S_ISDIR(st.st_mode) ? copy_image(entry, root, tree, readonly, err) : 0;
	if (r < 0)
		return r;
	/* What reads /proc and /sys must find the kernel's there: no link of the image may lead elsewhere. */
	target = path_make(root, entry->destination, S_ISDIR(st.st_mode), S_ISDIR(st.st_mode) ? 0755 : 0644,
		is_kernel_type(entry) ? PATH_NO_LINKS : PATH_FOLLOW);
	if (target < 0)
		return err_set(err, -target, "create mount point", entry->destination);
	r = guard_proc(entry, tree, target, err);
	if (r < 0)
		return r;
	r = mount_attach(tree, target);
	if (r < 0)
		return err_set(err, -r, "mount", entry->destination);
	if (*proc < 0 && is_kernel_type(entry) && entry->type[0] == 'p')
		*proc = steal_fd(&tree);
	return 0;
}

int mounts_apply(struct mounts *mounts, int root, bool own_pids, int *proc, struct err *err)
{
	*proc = -1;
	for (size_t i = 0; i < mounts->n; i++) {
		int r = apply_entry(mounts->bundle, &mounts->entries[i], root, own_pids, proc, err);

		if (r < 0)
			return r;
	}
	return 0;
}

bool mounts_bind_at(const struct mounts *mounts, const char *destination)
{
	for (size_t i = 0; i < mounts->n; i++)
		if (mounts->entries[i].bind && strcmp(mounts->entries[i].destination, destination) == 0)
			return true;
	return false;
}

/* A tmpfs that is empty and stays so; the first is made, the others are copies. */
static int open_empty(struct mounts *mounts)
{
	autoclose int fs = -1;

	if (mounts->empty_fd >= 0)
		return mount_open_tree(mounts->empty_fd, "", false);
	fs = fsopen("tmpfs", FSOPEN_CLOEXEC);
	if (fs < 0 || mount_fsconfig(fs, "size", "4k") < 0 || mount_fsconfig(fs, "mode", "555") < 0 ||
	    mount_fsconfig(fs, "ro", NULL) < 0)
		return -errno;
	return mount_fsmount(fs, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
}

static int mask(struct mounts *mounts, int root, const char *path, struct err *err)
{
	autoclose int target = path_open(root, path, O_PATH, PATH_NO_LINKS), tree = -1;
	struct stat st;
	int r;

	if (target == -ENOENT || target == -ENOTDIR)
		return 0;
	if (target < 0 || fstat(target, &st) < 0)
		return err_set(err, target < 0 ? -target : errno, "mask", path);
	tree = S_ISDIR(st.st_mode) ? open_empty(mounts) : mount_open_tree(mounts->null_fd, "", false);
	if (tree < 0)
		return err_set(err, -tree, "mask", path);
	r = mount_attach(tree, target);
	if (r < 0)
		return err_set(err, -r, "mask", path);
	if (S_ISDIR(st.st_mode) && mounts->empty_fd < 0)
		mounts->empty_fd = steal_fd(&tree);
	return 0;
}

static int make_readonly(int root, const char *path, struct err *err)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };
	autoclose int target = path_open(root, path, O_PATH, PATH_NO_LINKS), tree = -1;
	int r;

	if (target == -ENOENT || target == -ENOTDIR)
		return 0;
	if (target < 0)
		return err_set(err, -target, "make read-only", path);
	tree = mount_open_tree(target, "", true);
	if (tree < 0)
		return err_set(err, -tree, "make read-only", path);
	if (mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)) < 0)
		return err_set(err, errno, "make read-only", path);
	r = mount_attach(tree, target);
	return r < 0 ? err_set(err, -r, "make read-only", path) : 0;
}

int mounts_protect(struct mounts *mounts, int root, struct err *err)
{
	json_t *linux_config = json_object_get(mounts->bundle->config, "linux"), *path;
	size_t i;
	int r = 0;

	json_array_foreach(json_object_get(linux_config, "readonlyPaths"), i, path) {
		if (!json_is_string(path))
			return err_setf(err, 0, "read bundle", "linux.readonlyPaths", "not a list of paths");
		r = make_readonly(root, json_string_value(path), err);
		if (r < 0)
			return r;
	}
	json_array_foreach(json_object_get(linux_config, "maskedPaths"), i, path) {
		if (!json_is_string(path))
			return err_setf(err, 0, "read bundle", "linux.maskedPaths", "not a list of paths");
		r = mask(mounts, root, json_string_value(path), err);
		if (r < 0)
			return r;
	}
	if (mounts->bundle->root_readonly) {
		struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };

		if (mount_setattr(root, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
			return err_set(err, errno, "make root file system read-only", mounts->bundle->root);
	}
	return 0;
}

int mount_isolate(const struct bundle *bundle, struct err *err)
{
	const char *name = json_string_value(
		json_object_get(json_object_get(bundle->config, "linux"), "rootfsPropagation"));
	bool recursive = true;
	uint64_t propagation = name && *name ? propagation_of(name, &recursive) : MS_PRIVATE;

	if (!propagation)
		return err_setf(err, 0, "read bundle", "linux.rootfsPropagation", "unknown propagation \"%s\"", name);
	/* Slave, not private: a bind mount with rslave is to see what the host mounts later. */
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return err_set(err, errno, "make mounts private", "/");
	return 0;
}

static int pivot_root_here(void)
{
	return (int)syscall(SYS_pivot_root, ".", ".");
}

int mount_enter(const struct bundle *bundle, int root, struct err *err)
{
	const char *name = json_string_value(
		json_object_get(json_object_get(bundle->config, "linux"), "rootfsPropagation"));
	bool recursive = false;
	uint64_t propagation = name && *name ? propagation_of(name, &recursive) : 0;

	if (fchdir(root) < 0)
		return err_set(err, errno, "enter root file system", bundle->root);
	/* The old root is stacked on the new one at ".", and taken off again: no directory is needed for it. */
	if (pivot_root_here() < 0)
		return err_set(err, errno, "change root file system", bundle->root);
	if (umount2(".", MNT_DETACH) < 0)
		return err_set(err, errno, "detach old root file system", "/");
	if (chdir("/") < 0)
		return err_set(err, errno, "enter root file system", "/");
	if (propagation && mount(NULL, "/", NULL, propagation | (recursive ? MS_REC : 0), NULL) < 0)
		return err_set(err, errno, "set propagation of root file system", name);
	return 0;
}
