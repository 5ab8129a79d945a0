#include "volume.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mount_internal.h"
#include "path.h"
#include "request.h"
#include "tree.h"
#include "tree_each.h"
#include "tree_internal.h"
#include "util.h"

#define DATA "_data"
#define COPY "copy"
#define COPY_UNFINISHED "copy.tmp"
#define HIDDEN ".proa-" /* in front of them within a directory of the user's */

/* A mount with a member "proa". Strings are borrowed from the bundle. */
struct volume {
	const char *from, *destination, *scratch, *subpath, *upper, *work;
	json_t *lower;
	bool has_owner, has_overlay, overlay_on_tmpfs, fresh, keep_owner, within;
	uid_t uid;
	gid_t gid;
	int source; /* O_PATH of FROM */
	int store;  /* of a volume that is filled if it is empty, or -1 */
	int marker; /* where it is noted that this has been done */
};

struct volumes {
	struct volume *list;
	size_t n;
};

static int read_copy_up(json_t *object, struct volume *volume, struct err *err)
{
	const char *store, *marker;
	int keep_owner, within = 0, r;
	struct stat st;

	r = request_unpack(object, err, "copyUp", "{s:s,s:s,s:b,s?b!}", "store", &store, "marker", &marker, "keepOwner", &keep_owner,
			   "within", &within);
	if (r == 0 && within && volume->source < 0)
		r = err_setf(err, 0, "read bundle", "copyUp", "no directory to be filled");
	if (r < 0)
		return r;
	volume->keep_owner = keep_owner;
	volume->within = within;
	volume->store = open(store, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (volume->store < 0)
		return err_set(err, errno, "open volume", store);
	volume->marker = open(marker, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (volume->marker < 0 || fstat(volume->marker, &st) < 0)
		return err_set(err, errno, "open", marker);
	if (st.st_size > 0) { /* a life before has seen to it: what it has emptied stays so */
		close_fd(&volume->marker);
		close_fd(&volume->store);
	}
	return 0;
}

static int read_overlay(json_t *object, struct volume *volume, struct err *err)
{
	int tmpfs = 0, fresh = 0;
	int r = request_unpack(object, err, "overlay", "{s?o,s?s,s?s,s?b,s?b!}", "lower", &volume->lower, "upper", &volume->upper,
			       "work", &volume->work, "tmpfs", &tmpfs, "fresh", &fresh);

	volume->has_overlay = true;
	volume->overlay_on_tmpfs = tmpfs;
	volume->fresh = fresh;
	if (r == 0 && (!volume->scratch || (!tmpfs && (!volume->upper || !volume->work))))
		return err_setf(err, 0, "read bundle", "overlay", "a directory is missing");
	return r;
}

static int read_volume(json_t *mount, json_t *object, struct volume *volume, struct err *err)
{
	json_t *owner = NULL, *copy_up = NULL, *overlay = NULL;
	int top_only = 0, borrowed = 0; /* mount.c reads these two */
	int r = request_unpack(object, err, "mount", "{s?s,s?s,s?s,s?o,s?o,s?o,s?b,s?b!}", "from", &volume->from, "scratch",
			       &volume->scratch, "subpath", &volume->subpath, "owner", &owner, "copyUp", &copy_up, "overlay", &overlay,
			       "topOnly", &top_only, "borrowed", &borrowed);

	*volume = (struct volume){
		.from = volume->from, .scratch = volume->scratch, .subpath = volume->subpath, .source = -1, .store = -1, .marker = -1,
		.destination = json_string_value(json_object_get(mount, "destination")),
	};
	if (r == 0 && !volume->destination)
		r = err_setf(err, 0, "read bundle", "mounts", "a destination is missing");
	if (r == 0 && volume->from) {
		volume->source = open(volume->from, O_PATH | O_CLOEXEC);
		if (volume->source < 0)
			r = err_set(err, errno, "open mount source", volume->from);
	}
	if (r == 0 && owner) {
		json_int_t uid, gid;

		r = request_unpack(owner, err, "owner", "{s:I,s:I!}", "uid", &uid, "gid", &gid);
		volume->uid = (uid_t)uid;
		volume->gid = (gid_t)gid;
		volume->has_owner = true;
	}
	if (r == 0 && copy_up)
		r = read_copy_up(copy_up, volume, err);
	if (r == 0 && overlay)
		r = read_overlay(overlay, volume, err);
	return r;
}

int volumes_open(const struct bundle *bundle, struct volumes **out, struct err *err)
{
	json_t *mounts = json_object_get(bundle->config, "mounts"), *mount;
	struct volumes *volumes = xcalloc(1, sizeof(*volumes));
	size_t i;
	int r = 0;

	volumes->list = xcalloc(json_array_size(mounts) + 1, sizeof(*volumes->list));
	json_array_foreach(mounts, i, mount) {
		json_t *object = json_object_get(mount, "proa");

		if (r == 0 && object)
			r = read_volume(mount, object, &volumes->list[volumes->n++], err);
	}
	*out = volumes;
	return r;
}

static int found_one(void *data, int fd, const char *name, unsigned char type)
{
	(void)data;
	(void)fd;
	(void)type;
	return strcmp(name, HIDDEN COPY_UNFINISHED) != 0 && strcmp(name, HIDDEN COPY) != 0;
}

/* A copy on its way into DATA. */
struct filling {
	int data, place;           /* place: what the copy is made in */
	const char *copy, *unfinished;
};

/* Return: 1, 0, or -errno. */
static int is_empty(int dir)
{
	int r = tree_list(dir, found_one, NULL);

	return r < 0 ? r : r == 0;
}

/* Move NAME from the directory FD into the one behind DATA. What a container has there already, which wanted no copy, stays. */
static int move_entry(void *data, int fd, const char *name, unsigned char type)
{
	const int *to = data;

	(void)type;
	if (renameat2(fd, name, *to, name, RENAME_NOREPLACE) == 0)
		return 0;
	return errno == EEXIST ? tree_remove_at(fd, name, NULL) : -errno;
}

/* The copy is complete: let it be the content of the volume. Nothing to do where there is none. */
static int take_copy(const struct volume *volume, const struct filling *filling, struct err *err)
{
	autoclose int copy = openat(filling->place, filling->copy, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st, before;
	int data = filling->data, r;

	if (copy < 0)
		return errno == ENOENT ? 0 : err_set(err, errno, "fill volume", volume->destination);
	if (fstat(copy, &st) < 0 || fstat(data, &before) < 0)
		return err_set(err, errno, "fill volume", volume->destination);
	r = tree_list(copy, move_entry, &data);
	if (r < 0)
		return err_set(err, -r, "fill volume", volume->destination);
	/* It is empty now, and has only its own attributes. */
	r = volume->within ? 0 : tree_copy(copy, data, err);
	if (r < 0)
		return r;
	if (volume->keep_owner && fchown(data, before.st_uid, before.st_gid) < 0)
		return err_set(err, errno, "fill volume", volume->destination);
	futimens(data, (const struct timespec[2]){ st.st_atim, st.st_mtim });
	return tree_remove_at(filling->place, filling->copy, err);
}

/* Copy what the image has at the volume's place, beside the volume. */
static int make_copy(const struct volume *volume, const struct filling *filling, int from, struct err *err)
{
	autoclose int to = -1;
	int place = filling->place, r = tree_remove_at(place, filling->unfinished, err);

	if (r < 0)
		return r;
	if (mkdirat(place, filling->unfinished, 0700) < 0)
		return volume->within && (errno == EACCES || errno == EROFS) ? 0 :
			err_set(err, errno, "fill volume", volume->destination);
	to = openat(place, filling->unfinished, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	r = to < 0 ? err_set(err, errno, "fill volume", volume->destination) : tree_copy(from, to, err);
	if (r == 0 && renameat(place, filling->unfinished, place, filling->copy) < 0)
		r = err_set(err, errno, "fill volume", volume->destination);
	if (r < 0) /* a full disk: what is of no use takes no room */
		tree_remove_at(place, filling->unfinished, NULL);
	return r;
}

static int copy_up(const struct volume *volume, int root, struct err *err)
{
	struct filling filling = { .place = volume->store, .copy = COPY, .unfinished = COPY_UNFINISHED };
	autoclose int data = -1, from = -1;
	int r;

	while (flock(volume->store, LOCK_EX) < 0)
		if (errno != EINTR)
			return err_set(err, errno, "lock volume", volume->destination);
	data = volume->within ? openat(volume->source, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) :
				openat(volume->store, DATA, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (data < 0 && volume->within && (errno == ENOTDIR || errno == EACCES)) /* not ours to fill */
		return 0;
	if (data < 0)
		return err_set(err, errno, "open volume", volume->destination);
	filling.data = data;
	if (volume->within)
		filling = (struct filling){ data, data, HIDDEN COPY, HIDDEN COPY_UNFINISHED };
	r = take_copy(volume, &filling, err);
	if (r < 0)
		return r;
	r = is_empty(data);
	if (r < 0)
		return err_set(err, -r, "open volume", volume->destination);
	if (r == 1)
		from = path_open(root, volume->destination, O_RDONLY | O_DIRECTORY, PATH_FOLLOW);
	if (from < 0) /* the image has no such directory */
		return 0;
	r = make_copy(volume, &filling, from, err);
	return r < 0 ? r : take_copy(volume, &filling, err);
}

/* Make the mount TREE visible at PATH, which is made as what it needs. */
static int show(int tree, const char *path, struct err *err)
{
	autoclose int target = -1;
	struct stat st;
	int r;

	if (fstat(tree, &st) < 0)
		return err_set(err, errno, "open mount source", path);
	if (unlink(path) < 0 && errno == EISDIR) /* of a life before, when it may have been something else */
		rmdir(path);
	r = S_ISDIR(st.st_mode) ? mkdir(path, 0755) : mknod(path, S_IFREG | 0644, 0);
	if (r < 0 && errno != EEXIST)
		return err_set(err, errno, "create mount point", path);
	target = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (target < 0)
		return err_set(err, errno, "open mount point", path);
	r = mount_attach(tree, target);
	return r < 0 ? err_set(err, -r, "mount", path) : 0;
}

/* What the subpath leads to below the source: links end at the volume's top, as if that were the root. */
static int enter_subpath(struct volume *volume, struct err *err)
{
	int fd = path_open(volume->source, volume->subpath, O_PATH, PATH_FOLLOW);

	if (fd < 0)
		return err_setf(err, -fd, "open mount source", volume->from ? volume->from : volume->destination, "subpath \"%s\"",
				volume->subpath);
	close(volume->source);
	volume->source = fd;
	return 0;
}

/* The upper directory's owner and mode are what the overlay shows of its top. */
static int make_alike(const char *upper, int lower, struct err *err)
{
	struct stat st;

	if (fstat(lower, &st) < 0)
		return err_set(err, errno, "mount overlay", upper);
	if (!S_ISDIR(st.st_mode))
		return err_set(err, ENOTDIR, "mount overlay", upper);
	if (lchown(upper, st.st_uid, st.st_gid) < 0 || chmod(upper, st.st_mode & 07777) < 0)
		return err_set(err, errno, "mount overlay", upper);
	return 0;
}

/* An empty directory in place of what PATH is. */
static int make_empty(const char *path, struct err *err)
{
	int r = tree_remove(path, err);

	if (r == 0 && mkdir(path, 0755) < 0)
		r = err_set(err, errno, "create directory", path);
	return r;
}

/* A tmpfs at PATH with the directories "upper" and "work". */
static int make_memory(const char *path, struct err *err)
{
	autoclose int fs = fsopen("tmpfs", FSOPEN_CLOEXEC), memory = -1;

	if (fs < 0)
		return err_set(err, errno, "mount tmpfs", path);
	memory = mount_fsmount(fs, 0);
	if (memory < 0)
		return mount_fs_error(fs, -memory, "mount tmpfs", path, err);
	if (mkdirat(memory, "upper", 0755) < 0 || mkdirat(memory, "work", 0755) < 0)
		return err_set(err, errno, "create upper directory", path);
	return show(memory, path, err);
}

static int lay_overlay(struct volume *volume, const char *target, struct err *err)
{
	size_t n = json_array_size(volume->lower), i;
	autofree const char **lower = xcalloc(n + 1, sizeof(*lower));
	autofree char *source = NULL, *memory = NULL, *upper = NULL, *work = NULL;
	struct overlay overlay = { .lower = lower, .n_lower = n, .upper = volume->upper, .work = volume->work };
	autoclose int top = -1;
	json_t *value;
	int r;

	json_array_foreach(volume->lower, i, value) {
		lower[i] = json_string_value(value);
		if (!lower[i] || lower[i][0] != '/')
			return err_setf(err, 0, "read bundle", "overlay", "lower directory %zu is not an absolute path", i);
	}
	if (n == 0) {
		/* By the descriptor: the way there may be closed to the container's root. */
		source = xasprintf("/proc/self/fd/%d", volume->source);
		lower[0] = source;
		overlay.n_lower = 1;
	}
	if (volume->overlay_on_tmpfs) {
		memory = xasprintf("%s.memory", volume->scratch);
		overlay.upper = upper = xasprintf("%s/upper", memory);
		overlay.work = work = xasprintf("%s/work", memory);
		r = make_memory(memory, err);
		if (r < 0)
			return r;
	}
	r = volume->fresh ? make_empty(overlay.upper, err) : 0;
	if (r == 0 && volume->fresh)
		r = make_empty(overlay.work, err);
	if (r < 0)
		return r;
	top = open(lower[0], O_PATH | O_CLOEXEC);
	if (top < 0)
		return err_set(err, errno, "open mount source", lower[0]);
	r = make_alike(overlay.upper, top, err);
	if (r < 0)
		return r;
	if (mkdir(target, 0755) < 0 && errno != EEXIST)
		return err_set(err, errno, "create mount point", target);
	r = mount_overlay(&overlay, target, err);
	if (r == -EINVAL && err)
		snprintf(err->detail, sizeof(err->detail), "something else may be mounted below the source");
	return r;
}

/* The overlay goes first where it has layers of its own: the subpath is then within it. */
static int prepare_one(struct volume *volume, int root, struct err *err)
{
	autofree char *whole = NULL;
	bool is_image = volume->has_overlay && volume->lower;
	autoclose int tree = -1;
	int r = volume->store >= 0 ? copy_up(volume, root, err) : 0;

	if (r == 0 && is_image) {
		whole = volume->subpath ? xasprintf("%s.whole", volume->scratch) : xstrdup(volume->scratch);
		r = lay_overlay(volume, whole, err);
		if (r == 0 && volume->subpath) {
			volume->source = open(whole, O_PATH | O_DIRECTORY | O_CLOEXEC);
			if (volume->source < 0)
				r = err_set(err, errno, "open mount source", whole);
		}
	}
	if (r == 0 && volume->subpath)
		r = enter_subpath(volume, err);
	if (r == 0 && volume->has_owner) {
		r = tree_chown(volume->source, volume->uid, volume->gid, err);
		if (r < 0 && err)
			snprintf(err->object, sizeof(err->object), "%s", volume->from ? volume->from : volume->destination);
	}
	if (r < 0 || !volume->scratch)
		return r;
	if (volume->has_overlay && !is_image)
		return lay_overlay(volume, volume->scratch, err);
	if (is_image && !volume->subpath)
		return 0;
	tree = mount_open_tree(volume->source, "", true);
	if (tree < 0)
		return err_set(err, -tree, "open mount source", volume->from ? volume->from : volume->destination);
	return show(tree, volume->scratch, err);
}

int volumes_prepare(struct volumes *volumes, int root, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < volumes->n && r == 0; i++) {
		r = prepare_one(&volumes->list[i], root, err);
		if (volumes->list[i].store >= 0)
			close_fd(&volumes->list[i].store); /* and with it its lock */
	}
	for (size_t i = 0; i < volumes->n && r == 0; i++) {
		const struct volume *volume = &volumes->list[i];

		if (volume->marker >= 0 && write(volume->marker, "1", 1) != 1)
			r = err_set(err, errno, "note that the volume is filled", volume->destination);
	}
	return r;
}
