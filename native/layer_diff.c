/*
 * layer-diff: what a container has changed in its image, as a list or as the layer that makes the same change.
 *
 * Two directories are walked side by side: the one that the container wrote to (an overlay's upper directory, or the whole tree of a container without overlay) and
 * what the image's layers show. Names come in the order of their bytes, a directory before what is in it.
 *
 * The places where something is mounted are no content: the empty files and directories that were made for that, and directories that hold nothing else.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "files.h"
#include "mount_internal.h"
#include "pack.h"
#include "request.h"
#include "tar_write.h"
#include "tree_internal.h"
#include "userns.h"
#include "util.h"
#include "verbs.h"

#define WHITEOUT ".wh."
#define WHITEOUT_OPAQUE ".wh..wh..opq"

struct difference {
	/* The request: */
	const char *upper, *target;
	json_t *lower_paths, *data_paths; /* lists of directories; of data-only layers, or NULL */
	int upper_fd;
	struct overlay lower; /* with data-only layers, where the others have no data */
	json_t *mounts;  /* destinations */
	bool is_overlay; /* UPPER is an overlay's: it holds changes alone, with marks for what is gone */
	bool as_list, gzip, comparable;
	int data;
	struct id_maps maps;
	pid_t caller;
	/* The walk: */
	struct sink *sink;
	struct pack *pack;
	struct diff_level *levels;
	size_t n, room;
	char *path; /* "/a/b" of what is looked at; its directory is the last level's */
	size_t path_room;
	uint64_t changes;
};

/* A directory on both sides. */
struct diff_level {
	int upper, lower;   /* lower -1: the image has none */
	struct tree_names names, lower_names;
	const char *next, *next_lower; /* taken from them, to be looked at */
	size_t path_size;   /* length of its own path, "" for the top */
	bool told;          /* it was written or listed */
	bool hides;         /* what the image has in it is gone unless it is here too */
};

static int close_level(struct difference *diff)
{
	struct diff_level *level = &diff->levels[--diff->n];

	close_fd(&level->upper);
	close_fd(&level->lower);
	free(level->names.text);
	free(level->lower_names.text);
	return 0;
}

static void set_path(struct difference *diff, size_t directory, const char *name)
{
	size_t n = strlen(name);

	if (directory + n + 2 > diff->path_room) {
		diff->path_room = 2 * (directory + n) + 256;
		diff->path = xrealloc(diff->path, diff->path_room);
	}
	diff->path[directory] = '/';
	memcpy(diff->path + directory + 1, name, n + 1);
}

/* How the path relates to where something is mounted. */
static void look_for_mounts(const struct difference *diff, const char *path, bool *is_one, bool *leads_to_one)
{
	size_t n = strlen(path), i;
	json_t *value;

	*is_one = *leads_to_one = false;
	json_array_foreach(diff->mounts, i, value) {
		const char *mount = json_string_value(value);

		if (strncmp(mount, path, n) != 0)
			continue;
		*is_one |= mount[n] == '\0';
		*leads_to_one |= mount[n] == '/';
	}
}

static int add_name(void *data, int fd, const char *name, unsigned char type)
{
	(void)fd;
	(void)type;
	tree_names_add(data, name);
	return 0;
}

static int read_names(struct tree_names *names, int fd)
{
	int status = tree_list(fd, add_name, names);

	tree_names_sort(names);
	return status;
}

static int count_name(void *data, int fd, const char *name, unsigned char type)
{
	(void)data;
	(void)fd;
	(void)type;
	return strncmp(name, WHITEOUT, strlen(WHITEOUT)) != 0; /* fuse-overlayfs' marks on a directory that is new */
}

static bool is_placeholder(int dir, const char *name, const struct stat *st)
{
	if (S_ISREG(st->st_mode))
		return st->st_size == 0 && st->st_nlink == 1;
	if (!S_ISDIR(st->st_mode))
		return false;
	autoclose int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd >= 0 && tree_list(fd, count_name, NULL) == 0;
}

static bool is_whiteout(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == makedev(0, 0);
}

static bool is_opaque(int fd)
{
	char value;

	return (fgetxattr(fd, "user.overlay.opaque", &value, 1) == 1 && value == 'y') ||
	       (fgetxattr(fd, "user.fuseoverlayfs.opaque", &value, 1) == 1 && value == 'y') ||
	       faccessat(fd, WHITEOUT_OPAQUE, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool same_owner_and_mode(const struct stat *a, const struct stat *b)
{
	return a->st_mode == b->st_mode && a->st_uid == b->st_uid && a->st_gid == b->st_gid;
}

static bool same_link(int dir, int other_dir, const char *name)
{
	char target[PATH_MAX], other[PATH_MAX];
	ssize_t n = readlinkat(dir, name, target, sizeof(target)), m = readlinkat(other_dir, name, other, sizeof(other));

	return n >= 0 && n == m && !memcmp(target, other, (size_t)n);
}

/* Whether a file that is no directory was left as it is. In an overlay's upper directory nothing was. */
static bool is_unchanged(const struct difference *diff, const struct diff_level *level, const char *name, const struct stat *upper,
			 const struct stat *lower)
{
	if (diff->is_overlay || !same_owner_and_mode(upper, lower) || !same_time(upper->st_mtim, lower->st_mtim))
		return false;
	if (S_ISLNK(upper->st_mode))
		return same_link(level->upper, level->lower, name);
	return S_ISREG(upper->st_mode) ? upper->st_size == lower->st_size : upper->st_rdev == lower->st_rdev;
}

static int list_change(struct difference *diff, char kind, const char *path, size_t size, struct err *err)
{
	int status = sink_write(diff->sink, &kind, 1, err);

	diff->changes++;
	if (status == 0)
		status = sink_write(diff->sink, path, size, err);
	return status < 0 ? status : sink_write(diff->sink, "", 1, err);
}

/* An empty file that says what is gone. */
static int write_whiteout(struct difference *diff, const char *directory, size_t size, const char *name, struct err *err)
{
	autofree char *path = xasprintf("%.*s%s%s", (int)size, directory, size ? "/" : "", name);
	const struct tar_head head = { .name = path, .st = { .st_mode = S_IFREG } };

	diff->changes++;
	return tar_write_head(diff->sink, &head, err);
}

/* The directory of the level AT, and those it lies in, if they have not been told of yet. */
static int tell_directories(struct difference *diff, size_t at, struct err *err)
{
	struct diff_level *level = &diff->levels[at];
	int status = 0;

	if (level->told)
		return 0;
	level->told = true;
	if (at > 0)
		status = tell_directories(diff, at - 1, err);
	if (status < 0 || at == 0)
		return status;
	if (diff->as_list)
		return list_change(diff, level->lower >= 0 ? 'C' : 'A', diff->path, level->path_size, err);
	autofree char *path = xasprintf("%.*s/", (int)level->path_size - 1, diff->path + 1);
	diff->changes++;
	status = pack_directory(diff->pack, level->upper, path, err);
	if (status == 0 && level->hides && level->lower >= 0 && diff->is_overlay)
		status = write_whiteout(diff, diff->path + 1, level->path_size - 1, WHITEOUT_OPAQUE, err);
	return status;
}

/* NAME of the last level, whose path is set, was changed in the way KIND. */
static int tell(struct difference *diff, char kind, const char *name, const struct stat *st, struct err *err)
{
	const struct diff_level *level = &diff->levels[diff->n - 1];
	int status;

	if (S_ISSOCK(st->st_mode) && !diff->as_list)
		return 0;
	status = tell_directories(diff, diff->n - 1, err);
	if (status < 0)
		return status;
	if (diff->as_list)
		return list_change(diff, kind, diff->path, strlen(diff->path), err);
	if (kind == 'D') {
		autofree char *mark = xasprintf(WHITEOUT "%s", name);
		return write_whiteout(diff, diff->path + 1, level->path_size ? level->path_size - 1 : 0, mark, err);
	}
	diff->changes++;
	return pack_entry(diff->pack, level->upper, name, diff->path + 1, st, err);
}

static int failed(const struct difference *diff, int code, struct err *err)
{
	return err_set(err, code, "compare with image", diff->path);
}

/* Go into the directory behind UPPER, and its counterpart behind LOWER (-1: none), both of which are taken. */
static int enter(struct difference *diff, int upper, int lower, struct err *err)
{
	bool is_mount, leads_to_mount, differs = lower < 0;
	struct stat st, lower_st;

	if (diff->n == diff->room) {
		diff->room = diff->room ? 2 * diff->room : 16;
		diff->levels = xrealloc(diff->levels, diff->room * sizeof(*diff->levels));
	}
	struct diff_level *level = &diff->levels[diff->n++];
	*level = (struct diff_level){ .upper = upper, .lower = lower, .path_size = diff->n == 1 ? 0 : strlen(diff->path) };
	level->hides = !diff->is_overlay || is_opaque(upper);
	if (fstat(upper, &st) < 0 || (lower >= 0 && fstat(lower, &lower_st) < 0))
		return failed(diff, errno, err);
	int status = read_names(&level->names, upper);
	if (status == 0 && lower >= 0 && level->hides)
		status = read_names(&level->lower_names, lower);
	if (status < 0)
		return failed(diff, -status, err);
	level->next = tree_names_next(&level->names);
	level->next_lower = tree_names_next(&level->lower_names);
	look_for_mounts(diff, diff->n == 1 ? "" : diff->path, &is_mount, &leads_to_mount);
	if (lower >= 0)
		differs = !same_owner_and_mode(&st, &lower_st) || (diff->is_overlay && level->hides) ||
			(!leads_to_mount && !same_time(st.st_mtim, lower_st.st_mtim));
	else if (leads_to_mount)
		differs = false; /* perhaps it was only made for the mount: what is in it will tell */
	if (diff->n == 1)
		level->told = diff->as_list || !differs || lower < 0 || same_owner_and_mode(&st, &lower_st);
	return differs ? tell_directories(diff, diff->n - 1, err) : 0;
}

/* A directory in the upper tree; LOWER is what the image has there, if anything. */
static int visit_directory(struct difference *diff, const char *name, const struct stat *lower, struct err *err)
{
	const struct diff_level *level = &diff->levels[diff->n - 1];
	int fd = tree_open(level->upper, name), lower_fd = -1;

	if (fd < 0)
		return fd == -ENOENT ? 0 : failed(diff, -fd, err);
	if (lower && S_ISDIR(lower->st_mode)) {
		lower_fd = openat(level->lower, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (lower_fd < 0) {
			int code = errno;
			close(fd);
			return failed(diff, code, err);
		}
	}
	return enter(diff, fd, lower_fd, err);
}

/* NAME is in the upper tree. */
static int visit_upper(struct difference *diff, const char *name, struct err *err)
{
	const struct diff_level *level = &diff->levels[diff->n - 1];
	const char *real = name;
	bool gone = false, is_mount, leads_to_mount, in_lower;
	struct stat st, lower;

	if (fstatat(level->upper, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : failed(diff, errno, err);
	if (diff->is_overlay && !strncmp(name, WHITEOUT, strlen(WHITEOUT)) && S_ISREG(st.st_mode) && st.st_size == 0) {
		/* fuse-overlayfs' marks where it cannot make devices. */
		if (!strncmp(name, WHITEOUT WHITEOUT, strlen(WHITEOUT WHITEOUT)))
			return 0;
		real = name + strlen(WHITEOUT);
		gone = true;
		set_path(diff, level->path_size, real);
	}
	gone |= diff->is_overlay && is_whiteout(&st);
	in_lower = level->lower >= 0 && fstatat(level->lower, real, &lower, AT_SYMLINK_NOFOLLOW) == 0;
	if (gone)
		return in_lower && !level->hides ? tell(diff, 'D', real, &st, err) : 0;
	look_for_mounts(diff, diff->path, &is_mount, &leads_to_mount);
	if (is_mount && !in_lower && is_placeholder(level->upper, name, &st))
		return 0;
	if (S_ISDIR(st.st_mode))
		return visit_directory(diff, name, in_lower ? &lower : NULL, err);
	if (in_lower && (lower.st_mode & S_IFMT) == (st.st_mode & S_IFMT) && is_unchanged(diff, level, name, &st, &lower))
		return 0;
	return tell(diff, in_lower ? 'C' : 'A', name, &st, err);
}

/* NAME is in the image only, and hidden. */
static int visit_hidden(struct difference *diff, const char *name, struct err *err)
{
	const struct stat st = { .st_mode = S_IFREG };

	/* Of an opaque directory a layer says so as a whole. */
	if (diff->is_overlay && !diff->as_list)
		return 0;
	return tell(diff, 'D', name, &st, err);
}

/* The next name of the last level. Return: 1, 0 when it has no more, or -errno with ERR. */
static int step(struct difference *diff, struct err *err)
{
	struct diff_level *level = &diff->levels[diff->n - 1];
	const char *upper = level->next, *lower = level->next_lower;
	int order, status;

	if (!upper && !lower)
		return 0;
	order = !upper ? 1 : !lower ? -1 : strcmp(upper, lower);
	set_path(diff, level->path_size, order > 0 ? lower : upper);
	if (order <= 0)
		level->next = tree_names_next(&level->names);
	if (order >= 0)
		level->next_lower = tree_names_next(&level->lower_names);
	status = order > 0 ? visit_hidden(diff, lower, err) : visit_upper(diff, upper, err);
	return status < 0 ? status : 1;
}

static int walk(struct difference *diff, struct err *err)
{
	int lower = -1, upper = openat(diff->upper_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), status;

	if (upper < 0)
		return err_set(err, errno, "open directory", diff->upper);
	if (diff->lower.n_lower) {
		lower = mount_layers(&diff->lower, diff->target, err);
		if (lower < 0) {
			close(upper);
			return lower;
		}
	}
	diff->path = xstrdup("");
	diff->path_room = 1;
	status = enter(diff, upper, lower, err);
	while (status >= 0 && diff->n) {
		status = step(diff, err);
		if (status == 0)
			close_level(diff);
	}
	while (diff->n)
		close_level(diff);
	free(diff->levels);
	free(diff->path);
	return status;
}

static int difference_in_namespace(void *data)
{
	struct difference *diff = data;
	const struct pack_options options = { .owners = PACK_KEEP, .comparable = diff->comparable };
	struct sink_total total = { .diff_id = "" };
	struct err err = { 0 };
	int status;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != diff->caller)
		return 1;
	signal(SIGPIPE, SIG_IGN);
	diff->sink = sink_new(diff->data, diff->gzip, !diff->as_list);
	diff->pack = pack_new(diff->sink, &options);
	status = walk(diff, &err);
	if (status == 0 && !diff->as_list)
		status = tar_write_end(diff->sink, &err);
	if (status == 0)
		status = sink_finish(diff->sink, &total, &err);
	pack_free(diff->pack);
	sink_free(diff->sink);
	err.exit = FILES_EXIT;
	if (status < 0)
		return reply_error(&err);
	return reply_ok(json_pack("{s:I,s:I,s:I,s:s,s:s}", "entries", (json_int_t)diff->changes, "sizeBytes", (json_int_t)total.size,
				  "storedBytes", (json_int_t)total.stored, "diffId", total.diff_id, "digest", total.digest));
}

/*
 * Open the directories of ARRAY (NULL: none), and name them by their descriptors: the way to them may be closed to the container's root, whose user namespace they
 * are read in. Return: 0 with *OUT and *N, or -errno with ERR.
 */
static int open_layers(json_t *array, const char *const **out, size_t *n, struct err *err)
{
	const char **names = xcalloc(json_array_size(array) + 1, sizeof(*names));
	json_t *value;
	size_t i;

	*out = names;
	json_array_foreach(array, i, value) {
		const char *path = json_string_value(value);
		int fd;

		if (!path || path[0] != '/')
			return err_setf(err, 0, "read request", "lower", "not absolute paths");
		fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			return err_set(err, errno, "open directory", path);
		names[(*n)++] = xasprintf("/proc/self/fd/%d", fd); /* both to the process's end */
	}
	return 0;
}

/* Before the maps are written, in the mount namespace that they are to be mounted in. */
static int open_all(void *data, struct err *err)
{
	struct difference *diff = data;
	int status = open_layers(diff->lower_paths, &diff->lower.lower, &diff->lower.n_lower, err);

	if (status == 0)
		status = open_layers(diff->data_paths, &diff->lower.data, &diff->lower.n_data, err);
	if (status < 0)
		return status;
	diff->upper_fd = open(diff->upper, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return diff->upper_fd < 0 ? err_set(err, errno, "open directory", diff->upper) : 0;
}

static int parse(json_t *request, struct difference *diff, struct err *err)
{
	json_t *mappings, *value;
	int is_overlay, as_list, gzip, comparable = 0;
	size_t i;
	int status = request_unpack(request, err, "layer-diff", "{s:s,s:s,s:o,s:o,s:b,s:b,s:b,s:i,s:o,s?o,s?b!}", "upper", &diff->upper, "target",
				    &diff->target, "lower", &diff->lower_paths, "mounts", &diff->mounts, "overlay", &is_overlay, "list", &as_list,
				    "gzip", &gzip, "dataFd", &diff->data, "mappings", &mappings,
				    "data", &diff->data_paths, "comparable", &comparable);

	if (status < 0)
		return status;
	diff->is_overlay = is_overlay;
	diff->as_list = as_list;
	diff->gzip = gzip;
	diff->comparable = comparable;
	json_array_foreach(diff->mounts, i, value)
		if (!json_is_string(value))
			return err_setf(err, 0, "read request", "mounts", "not a list of paths");
	return request_mappings(mappings, &diff->maps, err);
}

int verb_layer_diff(json_t *request)
{
	struct difference diff = { .data = -1, .upper_fd = -1, .caller = getpid() };
	struct err err = { 0 };
	pid_t pid;
	int result = -1, status = parse(request, &diff, &err);

	if (status == 0)
		status = userns_spawn_prepared(&diff.maps, open_all, difference_in_namespace, &diff, &pid, &err);
	if (status == 0) {
		while (waitpid(pid, &result, 0) < 0 && errno == EINTR)
			;
		if (!WIFEXITED(result))
			status = err_setf(&err, 0, "compare with image", diff.upper, "the process was killed by signal %d", WTERMSIG(result));
	}
	id_maps_free(&diff.maps);
	err.exit = FILES_EXIT;
	return status < 0 ? reply_error(&err) : WEXITSTATUS(result);
}
