/* rootfs: ROOTFS of a request turned into one detached mount. */
#include "mount.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "forest.h"
#include "lazyfs.h"
#include "mount_internal.h"
#include "util.h"

#define FSCONFIG_LIMIT 255 /* bytes of a value */

static int read_overlay(json_t *object, struct rootfs *rootfs, json_t **lower, json_t **data, struct err *err)
{
	const char *driver;
	json_t *lazy = NULL, *fetcher = NULL; /* fetcher.h reads that */
	int is_volatile = 0, tmpfs = 0, r;

	if (rootfs->driver == ROOTFS_FUSE_OVERLAYFS)
		r = request_unpack(object, err, "rootfs", "{s:s,s:s,s:o,s:s,s:s!}", "driver", &driver, "program",
			&rootfs->program, "lower", lower, "upper", &rootfs->upper, "work", &rootfs->work);
	else if (json_object_get(object, "tmpfs"))
		r = request_unpack(object, err, "rootfs", "{s:s,s:o,s:b!}", "driver", &driver, "lower", lower, "tmpfs", &tmpfs);
	else
		r = request_unpack(object, err, "rootfs", "{s:s,s:o,s:s,s:s,s:b,s?o,s?o!}", "driver", &driver, "lower", lower,
			"upper", &rootfs->upper, "work", &rootfs->work, "volatile", &is_volatile, "data", data, "lazy", &lazy);
	if (r == 0 && lazy)
		r = request_unpack(lazy, err, "rootfs.lazy", "{s:s,s:s,s:s,s?o!}", "directory", &rootfs->lazy_directory, "layers",
			&rootfs->lazy_layers, "socket", &rootfs->lazy_socket, "fetcher", &fetcher);
	if (r == 0 && lazy && rootfs->lazy_directory[0] != '/')
		return err_setf(err, 0, "read request", "rootfs.lazy", "not an absolute path");
	rootfs->tmpfs = tmpfs;
	rootfs->is_volatile = is_volatile;
	if (r == 0 && !tmpfs && !rootfs->upper)
		return err_setf(err, 0, "read request", "rootfs", "neither an upper directory nor tmpfs");
	return r;
}

/* A list of directories, *N of them: *OUT is owned, its strings are borrowed. Return: 0, or -errno with ERR. */
static int read_directories(json_t *array, const char *what, const char ***out, size_t *n, struct err *err)
{
	json_t *value;
	size_t i;

	if (!json_is_array(array) || json_array_size(array) == 0)
		return err_setf(err, 0, "read request", "rootfs", "%s is not a list of directories", what);
	*out = xcalloc(json_array_size(array), sizeof(**out));
	json_array_foreach(array, i, value) {
		const char *path = json_string_value(value);

		if (!path || path[0] != '/')
			return err_setf(err, 0, "read request", "rootfs", "%s directory %zu is not an absolute path", what, i);
		(*out)[(*n)++] = path;
	}
	return 0;
}

static int fill(struct rootfs *rootfs, struct err *err)
{
	const char *driver = json_string_value(json_object_get(rootfs->json, "driver"));
	json_t *lower = NULL, *data = NULL;
	int r;

	if (driver && strcmp(driver, "plain") == 0) {
		rootfs->driver = ROOTFS_PLAIN;
		return request_unpack(rootfs->json, err, "rootfs", "{s:s,s:s!}", "driver", &driver, "path", &rootfs->path);
	}
	if (driver && strcmp(driver, "overlay") == 0)
		rootfs->driver = ROOTFS_OVERLAY;
	else if (driver && strcmp(driver, "fuse-overlayfs") == 0)
		rootfs->driver = ROOTFS_FUSE_OVERLAYFS;
	else
		return err_setf(err, 0, "read request", "rootfs", "unknown driver \"%s\"", driver ? driver : "");
	r = read_overlay(rootfs->json, rootfs, &lower, &data, err);
	if (r == 0)
		r = read_directories(lower, "lower", &rootfs->lower, &rootfs->n_lower, err);
	return r < 0 || !data ? r : read_directories(data, "data", &rootfs->data, &rootfs->n_data, err);
}

int rootfs_parse(json_t *object, struct rootfs **out, struct err *err)
{
	struct rootfs *rootfs = xcalloc(1, sizeof(*rootfs));
	int r;

	rootfs->json = json_incref(object);
	r = fill(rootfs, err);
	if (r < 0) {
		rootfs_free(rootfs);
		return r;
	}
	*out = rootfs;
	return 0;
}

void rootfs_free(struct rootfs *rootfs)
{
	if (!rootfs)
		return;
	json_decref(rootfs->json);
	free(rootfs->lower);
	free(rootfs->data);
	free(rootfs);
}

/* The option string of mount(2) is one page; layers are named relative to their common parent directory. */
static size_t common_parent(const struct overlay *overlay)
{
	size_t length = strlen(overlay->lower[0]);

	for (size_t i = 1; i < overlay->n_lower; i++) {
		size_t same = 0;

		while (same < length && overlay->lower[i][same] == overlay->lower[0][same])
			same++;
		length = same;
	}
	while (length > 0 && overlay->lower[0][length - 1] != '/')
		length--;
	return length;
}

/* A ':' or ',' in a name ends it in overlay's option string, a '\' quotes. */
static bool append_quoted(char *options, size_t *used, size_t room, const char *name)
{
	for (; *name; name++) {
		if (*used + 3 > room)
			return false;
		if (*name == ':' || *name == ',' || *name == '\\')
			options[(*used)++] = '\\';
		options[(*used)++] = *name;
	}
	options[*used] = '\0';
	return true;
}

/* By mount(2), for kernels without lowerdir+ (before 6.8) and for long names. */
static int overlay_by_options(const struct overlay *overlay, const char *target, struct err *err)
{
	size_t parent = overlay->n_data ? 0 : common_parent(overlay), used, room = (size_t)sysconf(_SC_PAGESIZE) - 1;
	autofree char *options = xmalloc(room + 64), *directory = xasprintf("%.*s", (int)parent, overlay->lower[0]);
	bool fits = true;

	used = (size_t)sprintf(options, "userxattr,%slowerdir=", overlay->is_volatile ? "volatile," : "");
	for (size_t i = 0; i < overlay->n_lower && fits; i++) {
		const char *name = overlay->lower[i] + parent;

		if (i > 0)
			options[used++] = ':';
		fits = append_quoted(options, &used, room, *name ? name : ".");
	}
	for (size_t i = 0; i < overlay->n_data && fits; i++) {
		options[used++] = ':'; /* two of them: what follows is looked at for data only */
		options[used++] = ':';
		fits = append_quoted(options, &used, room, overlay->data[i]);
	}
	if (overlay->upper) {
		used += (size_t)(fits ? sprintf(options + used, ",upperdir=") : 0);
		fits = fits && append_quoted(options, &used, room - 16, overlay->upper);
		used += (size_t)(fits ? sprintf(options + used, ",workdir=") : 0);
		fits = fits && append_quoted(options, &used, room, overlay->work);
	}
	if (!fits)
		return err_setf(err, E2BIG, "mount overlay", target, "%zu layers are too many for this kernel", overlay->n_lower);
	if (chdir(*directory ? directory : "/") < 0)
		return err_set(err, errno, "enter directory", directory);
	if (mount("overlay", target, "overlay", 0, options) < 0)
		return err_set(err, errno, "mount overlay", target);
	return 0;
}

/* fsconfig(2) takes values below 256 bytes, and overlay reads '\' differently in the two kinds of directories. */
static bool fits_fsconfig(const struct overlay *overlay)
{
	for (size_t i = 0; i < overlay->n_lower; i++)
		if (strlen(overlay->lower[i]) > FSCONFIG_LIMIT)
			return false;
	for (size_t i = 0; i < overlay->n_data; i++)
		if (strlen(overlay->data[i]) > FSCONFIG_LIMIT)
			return false;
	return !overlay->upper || (strlen(overlay->upper) <= FSCONFIG_LIMIT && strlen(overlay->work) <= FSCONFIG_LIMIT &&
		!strchr(overlay->upper, '\\') && !strchr(overlay->work, '\\'));
}

/*
 * By the new mount API: a file system context with all directories in it. Return: its descriptor, -EOPNOTSUPP without ERR when
 * this kernel or these names need mount(2), or -errno with ERR.
 */
static int overlay_configure(const struct overlay *overlay, struct err *err)
{
	autoclose int fs = -1;

	if (!fits_fsconfig(overlay))
		return -EOPNOTSUPP;
	fs = fsopen("overlay", FSOPEN_CLOEXEC);
	if (fs < 0)
		return err_set(err, errno, "mount overlay", overlay->lower[0]);
	mount_fsconfig(fs, "source", "overlay"); /* only for those who read the list of mounts */
	for (size_t i = 0; i < overlay->n_lower; i++)
		if (mount_fsconfig(fs, "lowerdir+", overlay->lower[i]) < 0) {
			if (i == 0 && errno == EINVAL)
				return -EOPNOTSUPP;
			return mount_fs_error(fs, errno, "add layer", overlay->lower[i], err);
		}
	for (size_t i = 0; i < overlay->n_data; i++)
		if (mount_fsconfig(fs, "datadir+", overlay->data[i]) < 0)
			return mount_fs_error(fs, errno, "add data layer", overlay->data[i], err);
	if (overlay->upper && mount_fsconfig(fs, "upperdir", overlay->upper) < 0)
		return mount_fs_error(fs, errno, "add upper directory", overlay->upper, err);
	if (overlay->work && mount_fsconfig(fs, "workdir", overlay->work) < 0)
		return mount_fs_error(fs, errno, "add work directory", overlay->work, err);
	if (mount_fsconfig(fs, "userxattr", NULL) < 0 || (overlay->is_volatile && mount_fsconfig(fs, "volatile", NULL) < 0))
		return mount_fs_error(fs, errno, "mount overlay", overlay->lower[0], err);
	return steal_fd(&fs);
}

int mount_layers(const struct overlay *overlay, const char *target, struct err *err)
{
	autoclose int fs = -1;
	int fd = -EINVAL, r;

	if (overlay->n_lower == 1) {
		fd = open(overlay->lower[0], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		return fd < 0 ? err_set(err, errno, "open directory", overlay->lower[0]) : fd;
	}
	fs = overlay_configure(overlay, err);
	if (fs < 0 && fs != -EOPNOTSUPP)
		return fs;
	if (fs >= 0)
		fd = mount_fsmount(fs, 0);
	if (fd >= 0) {
		autoclose int tree = fd; /* attached to nothing: it goes with its descriptors */
		fd = openat(tree, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		return fd < 0 ? err_set(err, errno, "open layers", overlay->lower[0]) : fd;
	}
	if (fd != -EINVAL)
		return mount_fs_error(fs, -fd, "mount overlay", overlay->lower[0], err);
	r = overlay_by_options(overlay, target, err);
	if (r < 0)
		return r;
	fd = open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? err_set(err, errno, "open layers", target) : fd;
}

int mount_overlay(const struct overlay *overlay, const char *target, struct err *err)
{
	autoclose int fs = overlay_configure(overlay, err), fd = -1;

	if (fs == -EOPNOTSUPP)
		return overlay_by_options(overlay, target, err);
	if (fs < 0)
		return fs;
	fd = mount_fsmount(fs, 0);
	if (fd == -EINVAL) /* before 6.5 every key is taken, and refused only here */
		return overlay_by_options(overlay, target, err);
	if (fd < 0)
		return mount_fs_error(fs, -fd, "mount overlay", overlay->lower[0], err);
	if (move_mount(fd, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return err_set(err, errno, "attach overlay", target);
	return 0;
}

static struct overlay overlay_of(const struct rootfs *rootfs)
{
	return (struct overlay){
		rootfs->lower, rootfs->n_lower, rootfs->upper, rootfs->work, rootfs->is_volatile, rootfs->data, rootfs->n_data,
	};
}

/* Whether overlay may still have to be mounted by names: what fsconfig(2) does not take is known at once only since 6.5, and it takes layers since 6.8. */
static bool may_need_names(int source)
{
	struct utsname kernel;
	unsigned int major = 0, minor = 0;

	if (source == -EOPNOTSUPP)
		return true;
	return uname(&kernel) < 0 || sscanf(kernel.release, "%u.%u", &major, &minor) != 2 || major < 6 || (major == 6 && minor < 8);
}

static const char *directory_of(const struct overlay *overlay, size_t i)
{
	return i < overlay->n_lower ? overlay->lower[i] : i == overlay->n_lower ? overlay->upper : overlay->work;
}

static void close_directories(struct rootfs_place *place, size_t n_lower)
{
	for (size_t i = 0; place->directories && i < n_lower + 2; i++)
		close_fd(&place->directories[i]);
	free(place->directories);
	place->directories = NULL;
}

/* The way to them may be closed to the container's root, who may be another than the caller. Return: 0, or -errno with ERR. */
static int open_directories(const struct overlay *overlay, struct rootfs_place *place, struct err *err)
{
	const size_t n = overlay->n_lower + 2;
	int r = 0;

	place->directories = xcalloc(n, sizeof(*place->directories));
	for (size_t i = 0; i < n; i++)
		place->directories[i] = -1;
	for (size_t i = 0; i < n && r == 0; i++) {
		const char *path = directory_of(overlay, i);

		place->directories[i] = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (place->directories[i] < 0)
			r = err_set(err, errno, "open directory", path);
	}
	if (r < 0)
		close_directories(place, overlay->n_lower);
	return r;
}

/* Append the numbers of the lower directories, as names in /proc/self/fd. Return: whether they fit. */
static bool name_descriptors(char *value, size_t room, const int *fds, size_t n)
{
	size_t used = 0;

	for (size_t i = 0; i < n && used < room; i++)
		used += (size_t)snprintf(value + used, room - used, i > 0 ? ":%d" : "%d", fds[i]);
	return used < room;
}

/*
 * Overlay's old options, by the descriptors of the directories: neither the way to them nor to the place needs to be open to who mounts. A value of fsconfig(2) is as
 * short as ever, but numbers are, too. Return: a mount that is attached nowhere, or -errno with ERR.
 */
static int overlay_by_descriptors(const struct overlay *overlay, const struct rootfs_place *place, struct err *err)
{
	autoclose int fs = fsopen("overlay", FSOPEN_CLOEXEC);
	char lower[FSCONFIG_LIMIT + 1], upper[32], work[32];
	int fd;

	if (fs < 0)
		return err_set(err, errno, "mount overlay", place->path);
	if (!name_descriptors(lower, sizeof(lower), place->directories, overlay->n_lower))
		return err_setf(err, E2BIG, "mount overlay", place->path, "%zu layers are too many for this kernel and these ids", overlay->n_lower);
	snprintf(upper, sizeof(upper), "/proc/self/fd/%d", place->directories[overlay->n_lower]);
	snprintf(work, sizeof(work), "/proc/self/fd/%d", place->directories[overlay->n_lower + 1]);
	if (chdir("/proc/self/fd") < 0)
		return err_set(err, errno, "enter directory", "/proc/self/fd");
	mount_fsconfig(fs, "source", "overlay");
	if (mount_fsconfig(fs, "lowerdir", lower) < 0 || mount_fsconfig(fs, "upperdir", upper) < 0 || mount_fsconfig(fs, "workdir", work) < 0 ||
	    mount_fsconfig(fs, "userxattr", NULL) < 0 || (overlay->is_volatile && mount_fsconfig(fs, "volatile", NULL) < 0))
		return mount_fs_error(fs, errno, "mount overlay", place->path, err);
	fd = mount_fsmount(fs, 0);
	return fd < 0 ? mount_fs_error(fs, -fd, "mount overlay", place->path, err) : fd;
}

int rootfs_open(const struct rootfs *rootfs, const char *target, struct rootfs_place *place, struct err *err)
{
	const struct overlay overlay = overlay_of(rootfs);

	*place = (struct rootfs_place){ .path = target, .source = -1 };
	place->target = open(target, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (place->target < 0)
		return err_set(err, errno, "open directory", target);
	if (lazyfs_is_needed(rootfs)) /* what it is made of is still to be mounted */
		return 0;
	if (rootfs->driver == ROOTFS_OVERLAY && !rootfs->tmpfs) {
		place->source = overlay_configure(&overlay, err);
		if (place->source < 0 && place->source != -EOPNOTSUPP)
			return place->source;
		return overlay.upper && overlay.n_data == 0 && may_need_names(place->source) ? open_directories(&overlay, place, err) : 0;
	}
	if (rootfs->driver == ROOTFS_PLAIN) {
		place->source = mount_open_tree(AT_FDCWD, rootfs->path, true);
		if (place->source < 0)
			return err_set(err, -place->source, "open root file system", rootfs->path);
	}
	return 0;
}

int rootfs_give_path(const char *path)
{
	const uid_t own = geteuid();
	struct stat st;

	if (own == 0 || lstat(path, &st) < 0 || st.st_uid != own)
		return 0;
	/* EINVAL: no root is mapped. EPERM: the caller is not, and then who made it has given it away. */
	return lchown(path, 0, 0) < 0 && errno != EINVAL && errno != EPERM ? -errno : 0;
}

/*
 * A volatile overlay leaves a mark that keeps it from being mounted again, since a crash of the host may have lost something of it. It is mounted again
 * only by the supervisor that it was mounted for first: then there was none.
 */
static void forget_volatile(const char *work)
{
	autofree char *dirty = xasprintf("%s/work/incompat/volatile/dirty", work);

	if (rmdir(dirty) == 0 || unlink(dirty) == 0)
		rmdir(dirname(dirty));
}

int rootfs_give(const struct rootfs *rootfs, struct err *err)
{
	const char *const directories[] = { rootfs->upper, rootfs->work };

	for (size_t i = 0; i < sizeof(directories) / sizeof(*directories); i++) {
		int r = directories[i] ? rootfs_give_path(directories[i]) : 0;

		if (r < 0)
			return err_set(err, -r, "give directory to the container's root", directories[i]);
	}
	if (rootfs->is_volatile && rootfs->work)
		forget_volatile(rootfs->work);
	return 0;
}

/* Attach the detached mount TREE (taken) at PLACE. Return: it, or -errno with ERR. */
static int attach(int tree, const struct rootfs_place *place, struct err *err)
{
	autoclose int fd = tree;
	int r = mount_attach(fd, place->target);

	return r < 0 ? err_set(err, -r, "attach root file system", place->path) : steal_fd(&fd);
}

static int place_overlay(const struct rootfs *rootfs, const struct rootfs_place *place, struct err *err)
{
	struct overlay overlay = overlay_of(rootfs);
	int fd = place->source < 0 ? -EINVAL : mount_fsmount(place->source, 0), r;

	if (fd >= 0)
		return attach(fd, place, err);
	if (rootfs->lazy_directory) {
		r = mount_overlay(&overlay, place->path, err);
	} else if (fd == -EIO && overlay.is_volatile) {
		/* Refused as long as the file system remembers a failed write (a disk that was full): durable works. */
		overlay.is_volatile = false;
		r = mount_overlay(&overlay, place->path, err);
	} else if (fd == -EINVAL) {
		r = overlay_by_options(&overlay, place->path, err);
		if (r == -EACCES && place->directories) {
			fd = overlay_by_descriptors(&overlay, place, err);
			return fd < 0 ? fd : attach(fd, place, err);
		}
	} else {
		return mount_fs_error(place->source, -fd, "mount overlay", rootfs->upper, err);
	}
	if (r < 0)
		return r;
	fd = open(place->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? err_set(err, errno, "open root file system", place->path) : fd;
}

/* Upper and work on a tmpfs, which is attached at the place itself, to be hidden by the overlay a moment later. */
static int place_on_tmpfs(const struct rootfs *rootfs, const struct rootfs_place *place, struct err *err)
{
	autoclose int fs = fsopen("tmpfs", FSOPEN_CLOEXEC), memory = -1;
	autofree char *base = NULL, *upper = NULL, *work = NULL, *root = NULL;
	struct overlay overlay = overlay_of(rootfs);
	int tree, r;

	if (fs < 0)
		return err_set(err, errno, "mount tmpfs", place->path);
	memory = mount_fsmount(fs, 0);
	if (memory < 0)
		return mount_fs_error(fs, -memory, "mount tmpfs", place->path, err);
	r = mount_attach(memory, place->target);
	if (r < 0)
		return err_set(err, -r, "attach root file system", place->path);
	if (mkdirat(memory, "upper", 0755) < 0 || mkdirat(memory, "work", 0755) < 0 || mkdirat(memory, "root", 0755) < 0)
		return err_set(err, errno, "create upper directory", place->path);
	/* By the descriptor: the way there may be closed to the container's root. */
	base = xasprintf("/proc/self/fd/%d", memory);
	overlay.upper = upper = xasprintf("%s/upper", base);
	overlay.work = work = xasprintf("%s/work", base);
	root = xasprintf("%s/root", base);
	r = mount_overlay(&overlay, root, err);
	if (r == -EINVAL && rootfs->n_lower == 1)
		r = forest_mount(rootfs->lower[0], memory, base, err);
	if (r < 0)
		return r;
	tree = mount_open_tree(AT_FDCWD, root, true);
	return tree < 0 ? err_set(err, -tree, "open root file system", place->path) : attach(tree, place, err);
}

/*
 * fuse-overlayfs: we mount, so that the kernel holds every request until the program answers, and nobody has to wait for a
 * mount to appear. The supervisor starts the program on the descriptor (fuse.h).
 */
static int place_fuse(const struct rootfs_place *place, int *device, struct err *err)
{
	autoclose int fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC), fs = -1;
	char number[12];
	int fd;

	if (fuse < 0)
		return err_set(err, errno, "open", "/dev/fuse");
	fs = fsopen("fuse", FSOPEN_CLOEXEC);
	if (fs < 0)
		return err_set(err, errno, "mount fuse-overlayfs", place->path);
	snprintf(number, sizeof(number), "%d", fuse);
	if (mount_fsconfig(fs, "source", "fuse-overlayfs") < 0 || mount_fsconfig(fs, "fd", number) < 0 ||
	    mount_fsconfig(fs, "rootmode", "40000") < 0 || mount_fsconfig(fs, "user_id", "0") < 0 ||
	    mount_fsconfig(fs, "group_id", "0") < 0 || mount_fsconfig(fs, "allow_other", NULL) < 0 ||
	    mount_fsconfig(fs, "default_permissions", NULL) < 0)
		return mount_fs_error(fs, errno, "mount fuse-overlayfs", place->path, err);
	fd = mount_fsmount(fs, 0);
	if (fd < 0)
		return mount_fs_error(fs, -fd, "mount fuse-overlayfs", place->path, err);
	fd = attach(fd, place, err);
	if (fd >= 0)
		*device = steal_fd(&fuse);
	return fd;
}

int rootfs_mount(const struct rootfs *rootfs, struct rootfs_place *place, int *fuse_device, struct err *err)
{
	int root;

	*fuse_device = -1;
	if (rootfs->driver == ROOTFS_PLAIN)
		root = attach(steal_fd(&place->source), place, err);
	else if (rootfs->driver == ROOTFS_FUSE_OVERLAYFS)
		root = place_fuse(place, fuse_device, err);
	else
		root = rootfs->tmpfs ? place_on_tmpfs(rootfs, place, err) : place_overlay(rootfs, place, err);
	if (place->source >= 0)
		close(place->source);
	close_directories(place, rootfs->n_lower);
	close(place->target);
	return root;
}
