#include "tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "mount_internal.h"
#include "request.h"
#include "tree_internal.h"
#include "userns.h"
#include "util.h"
#include "verbs.h"

void tree_names_add(struct tree_names *names, const char *name)
{
	size_t n = strlen(name) + 1;

	if (names->size + n > names->room) {
		names->room = 2 * names->room + n + 256;
		names->text = xrealloc(names->text, names->room);
	}
	memcpy(names->text + names->size, name, n);
	names->size += n;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void tree_names_sort(struct tree_names *names)
{
	size_t n = 0, at = 0;

	for (size_t i = 0; i < names->size; i++)
		n += names->text[i] == '\0';
	if (n < 2)
		return;
	const char **list = xcalloc(n, sizeof(*list));
	char *sorted = xmalloc(names->room);
	for (size_t i = 0; i < n; i++) {
		list[i] = names->text + at;
		at += strlen(list[i]) + 1;
	}
	qsort(list, n, sizeof(*list), compare_names);
	at = 0;
	for (size_t i = 0; i < n; i++) {
		size_t size = strlen(list[i]) + 1;
		memcpy(sorted + at, list[i], size);
		at += size;
	}
	free(list);
	free(names->text);
	names->text = sorted;
}

const char *tree_names_next(struct tree_names *names)
{
	if (names->at == names->size)
		return NULL;
	const char *name = names->text + names->at;
	names->at += strlen(name) + 1;
	return name;
}

int tree_open(int parent, const char *name)
{
	struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_NO_XDEV | RESOLVE_BENEATH,
	};
	long fd;

	do
		fd = syscall(SYS_openat2, parent, name, &how, sizeof(how));
	while (fd < 0 && (errno == EINTR || errno == EAGAIN));
	return fd < 0 ? -errno : (int)fd;
}

int tree_level_begin(struct tree_level *level, int fd)
{
	struct stat st;

	*level = (struct tree_level){ .fd = fd };
	if (fstat(fd, &st) < 0)
		return -errno;
	level->dev = st.st_dev;
	level->ino = st.st_ino;
	return 0;
}

int tree_level_reopen(struct tree_level *level, int below)
{
	struct stat st;

	if (level->fd >= 0)
		return 0;
	level->fd = openat(below, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (level->fd < 0 || fstat(level->fd, &st) < 0)
		return -errno;
	return st.st_dev == level->dev && st.st_ino == level->ino ? 0 : -ESTALE;
}

void tree_level_end(struct tree_level *level)
{
	if (level->fd >= 0)
		close(level->fd);
	free(level->names.text);
	*level = (struct tree_level){ .fd = -1 };
}

int tree_list(int fd, int (*visit)(void *, int, const char *, unsigned char), void *data)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), status = 0;
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);

	if (!dir) {
		status = -errno;
		if (copy >= 0)
			close(copy);
		return status;
	}
	while (status == 0) {
		errno = 0;
		struct dirent *entry = readdir(dir);
		if (!entry) {
			status = -errno;
			break;
		}
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			status = visit(data, fd, entry->d_name, entry->d_type);
	}
	closedir(dir);
	return status;
}

/* tree_remove()'s walk. */
struct removal {
	const char *root; /* for messages */
	struct tree_level *levels;
	size_t n, room;
	int status;      /* of the first failure */
	struct err *err; /* filled by it */
};

/* The name that tree_names_next() gave last. */
static const char *taken_name(const struct tree_names *names)
{
	const char *name = names->text + names->at;

	do
		name--;
	while (name > names->text && name[-1]);
	return name;
}

/* Note a failure with OBJECT, which lies in the last level. */
static void failed(struct removal *removal, int code, const char *object)
{
	char path[sizeof(removal->err->object)];
	size_t n = (size_t)snprintf(path, sizeof(path), "%s", removal->root);

	if (removal->status)
		return;
	for (size_t i = 0; i + 1 < removal->n && n < sizeof(path); i++)
		n += (size_t)snprintf(path + n, sizeof(path) - n, "/%s", taken_name(&removal->levels[i].names));
	if (removal->n && n < sizeof(path))
		snprintf(path + n, sizeof(path) - n, "/%s", object);
	removal->status = err_set(removal->err, code, "remove", path);
}

/*
 * Let us list and change the directory NAME, whatever its mode says, if it is ours. By an O_PATH descriptor, since chmod(2) of a name
 * would follow a link that took its place.
 */
static bool make_accessible(int parent, const char *name)
{
	autoclose int fd = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return fd >= 0 && chmod(path, 0700) == 0;
}

/* Remove what is no directory, and directories that are empty; the names of the others are kept for later. */
static int remove_or_keep(void *data, int fd, const char *name, unsigned char type)
{
	struct removal *removal = data;
	struct tree_level *level = &removal->levels[removal->n - 1];

	if (unlinkat(fd, name, type == DT_DIR ? AT_REMOVEDIR : 0) == 0 || errno == ENOENT)
		return 0;
	if (errno == EACCES && fchmod(fd, 0700) == 0 && unlinkat(fd, name, type == DT_DIR ? AT_REMOVEDIR : 0) == 0)
		return 0;
	/* With DT_UNKNOWN a directory says EISDIR; one that is not empty ENOTEMPTY, or on some file systems EEXIST. */
	if (type == DT_DIR ? errno == ENOTEMPTY || errno == EEXIST || errno == EACCES : errno == EISDIR)
		tree_names_add(&level->names, name);
	else
		failed(removal, errno, name);
	return 0;
}

/* Go into the directory behind FD, which is taken. */
static void enter(struct removal *removal, int fd)
{
	if (removal->n == removal->room) {
		removal->room = removal->room ? 2 * removal->room : 16;
		removal->levels = xrealloc(removal->levels, removal->room * sizeof(*removal->levels));
	}
	struct tree_level *level = &removal->levels[removal->n++];
	int status = tree_level_begin(level, fd);
	if (status == 0)
		status = tree_list(fd, remove_or_keep, removal);
	if (status == -EACCES && fchmod(fd, 0700) == 0) /* it may be read, and not be searched */
		status = tree_list(fd, remove_or_keep, removal);
	if (status < 0)
		failed(removal, -status, "");
	else if (removal->n > TREE_OPEN_LEVELS) {
		close(level[-1].fd);
		level[-1].fd = -1;
	}
}

/* Open NAME in PARENT for removal. Return: the descriptor, or -1 after a failure was noted. */
static int open_doomed(struct removal *removal, int parent, const char *name)
{
	int fd = tree_open(parent, name);

	if (fd == -EACCES && make_accessible(parent, name))
		fd = tree_open(parent, name);
	if (fd < 0 && fd != -ENOENT)
		failed(removal, fd == -EXDEV ? EBUSY : -fd, name);
	return fd < 0 ? -1 : fd;
}

/* The last level is empty, or as empty as we get it: leave it and remove it from the one above. */
static void leave(struct removal *removal)
{
	struct tree_level level = removal->levels[--removal->n];
	struct tree_level *above = removal->n ? &removal->levels[removal->n - 1] : NULL;
	int status = above ? tree_level_reopen(above, level.fd) : 0;
	const char *name = above ? taken_name(&above->names) : "";

	tree_level_end(&level);
	if (status < 0) {
		/* Somebody moves directories under our feet: what is above is not known to be ours any more. */
		failed(removal, -status, name);
		while (removal->n)
			tree_level_end(&removal->levels[--removal->n]);
	} else if (above && unlinkat(above->fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT &&
		   !(errno == EACCES && fchmod(above->fd, 0700) == 0 && unlinkat(above->fd, name, AT_REMOVEDIR) == 0)) {
		failed(removal, errno, name);
	}
}

/* As tree_remove_at(); ROOT is NAME in full, for messages. */
static int remove_at(int dir, const char *name, const char *root, struct err *err)
{
	struct removal removal = { .err = err, .root = root };
	int fd;

	if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR)
		return err_set(err, errno, "remove", root);
	fd = open_doomed(&removal, dir, name);
	if (fd < 0)
		return removal.status;
	for (enter(&removal, fd); removal.n;) {
		struct tree_level *level = &removal.levels[removal.n - 1];
		const char *next = tree_names_next(&level->names);
		if (!next) {
			leave(&removal);
			continue;
		}
		fd = open_doomed(&removal, level->fd, next);
		if (fd >= 0)
			enter(&removal, fd);
	}
	free(removal.levels);
	if (unlinkat(dir, name, AT_REMOVEDIR) < 0 && errno != ENOENT && removal.status == 0)
		return err_set(err, errno, "remove", root);
	return removal.status;
}

int tree_remove_at(int dir, const char *name, struct err *err)
{
	return remove_at(dir, name, name, err);
}

int tree_remove(const char *path, struct err *err)
{
	autofree char *copy = xstrdup(path);
	size_t n = strlen(copy);

	while (n > 1 && copy[n - 1] == '/')
		copy[--n] = '\0';
	char *slash = strrchr(copy, '/'), *name = slash ? slash + 1 : copy;
	if (!*name || !strcmp(name, ".") || !strcmp(name, ".."))
		return err_set(err, EINVAL, "remove", path);
	const char *dir = slash == copy ? "/" : slash ? copy : ".";
	if (slash && slash != copy)
		*slash = '\0';
	autoclose int parent = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (parent < 0)
		return errno == ENOENT ? 0 : err_set(err, errno, "remove", path);
	return remove_at(parent, name, path, err);
}

/* What a verb of this file does in the user namespace. */
struct work {
	json_t *paths;
	int from, to;
	struct tree_change *change;       /* NULL: owners as they are */
	json_t *layers;                   /* what is copied, merged, top first; NULL: FROM */
	pid_t caller;
};

/* Remove all. Return: 0, or -errno of the first failure with ERR. */
static int remove_all(json_t *paths, struct err *err)
{
	int status = 0;
	size_t i;
	json_t *path;

	json_array_foreach(paths, i, path) {
		struct err other;
		int one = tree_remove(json_string_value(path), status ? &other : err);
		status = status ? status : one;
	}
	return status;
}

static int removal_in_namespace(void *data)
{
	const struct work *work = data;
	struct err err = { 0 };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != work->caller)
		return 1;
	return remove_all(work->paths, &err) < 0 ? reply_error(&err) : reply_ok(json_object());
}

/* The merged view of LAYERS, which CHANGE is told of, to the process's end. Return: a descriptor, or -errno with ERR. */
static int open_merged(json_t *layers, struct tree_change *change, struct err *err)
{
	autofree const char **lower = xcalloc(json_array_size(layers), sizeof(*lower));
	int *fds = xcalloc(json_array_size(layers), sizeof(*fds));
	struct overlay overlay = { .lower = lower };
	json_t *path;
	size_t i;

	json_array_foreach(layers, i, path) {
		lower[overlay.n_lower++] = json_string_value(path);
		fds[i] = open(lower[i], O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (fds[i] < 0)
			return err_set(err, errno, "open directory", lower[i]);
	}
	if (change) {
		change->layers = fds;
		change->n_layers = overlay.n_lower;
	}
	return mount_layers(&overlay, "/tmp", err);
}

static int copy_in_namespace(void *data)
{
	const struct work *work = data;
	struct err err = { 0 };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != work->caller)
		return 1;
	umask(0);
	autoclose int merged = work->layers ? open_merged(work->layers, work->change, &err) : -1;
	if (work->layers && merged < 0)
		return reply_error(&err);
	int status = tree_copy_changed(work->layers ? merged : work->from, work->to, work->change, &err);
	return status < 0 ? reply_error(&err) : reply_ok(json_object());
}

/* Run FUNCTION, which replies, as root of a user namespace. Return: the exit status. */
static int run_mapped(json_t *mappings, int (*function)(void *), struct work *work, const char *step, struct err *err)
{
	struct id_maps maps;
	pid_t pid;
	int result = 0;
	int status = request_mappings(mappings, &maps, err);

	if (status < 0)
		return reply_error(err);
	work->caller = getpid();
	status = userns_spawn(&maps, function, work, &pid, err);
	id_maps_free(&maps);
	if (status < 0)
		return reply_error(err);
	while (waitpid(pid, &result, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(result))
		return WEXITSTATUS(result);
	err_setf(err, 0, step, "", "the process was killed by signal %d", WTERMSIG(result));
	return reply_error(err);
}

int verb_remove_tree(json_t *request)
{
	struct work work = { 0 };
	struct err err = { 0 };
	json_t *mappings, *path;
	size_t i;

	if (request_unpack(request, &err, "remove-tree", "{s:o,s:o!}", "paths", &work.paths, "mappings", &mappings) < 0)
		return reply_error(&err);
	if (!json_is_array(work.paths))
		err_setf(&err, 0, "read request", "paths", "not a list");
	json_array_foreach(work.paths, i, path)
		if (!json_is_string(path) || json_string_value(path)[0] != '/')
			err_setf(&err, 0, "read request", "paths", "not an absolute path");
	if (*err.step)
		return reply_error(&err);
	/* Without the namespace it is quicker, and enough for whatever holds no file of a mapped id. */
	if (remove_all(work.paths, &err) == 0)
		return reply_ok(json_object());
	return run_mapped(mappings, removal_in_namespace, &work, "remove", &err);
}

/* CHANGE of a request. MAPS is what CHANGE borrows its tables from. Return: 0, or -errno with ERR. */
static int parse_change(json_t *object, struct tree_change *change, struct id_maps *maps, struct err *err)
{
	static const char *const ways[] = { "copy", "redirect", "redirect-public" };
	const char *data;
	json_int_t uid, gid;
	json_t *owners;

	if (request_unpack(object, err, "change", "{s:o,s:I,s:I,s:s!}", "owners", &owners, "rootUid", &uid, "rootGid", &gid, "data", &data) < 0 ||
	    request_mappings(owners, maps, err) < 0)
		return -EINVAL;
	*change = (struct tree_change){
		.uid = maps->uid, .n_uid = maps->n_uid, .gid = maps->gid, .n_gid = maps->n_gid,
		.root_uid = (uint32_t)uid, .root_gid = (uint32_t)gid,
	};
	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++)
		if (strcmp(data, ways[i]) == 0) {
			change->data = (enum tree_data)i;
			return 0;
		}
	return err_setf(err, 0, "read request", "change", "unknown way with data \"%s\"", data);
}

int verb_copy_tree(json_t *request)
{
	struct work work = { .from = -1, .to = -1 };
	struct tree_change change;
	struct id_maps owners; /* until the process ends */
	struct err err = { 0 };
	const char *from, *to;
	json_t *mappings, *changed = NULL, *path;
	size_t i;

	if (request_unpack(request, &err, "copy-tree", "{s:s,s:s,s:o,s?o,s?o!}", "from", &from, "to", &to, "mappings", &mappings,
		    "change", &changed, "layers", &work.layers) < 0)
		return reply_error(&err);
	json_array_foreach(work.layers, i, path)
		if (!json_is_string(path) || json_string_value(path)[0] != '/')
			err_setf(&err, 0, "read request", "layers", "not absolute paths");
	if (work.layers && json_array_size(work.layers) == 0)
		err_setf(&err, 0, "read request", "layers", "there is none");
	if (*err.step)
		return reply_error(&err);
	if (changed && parse_change(changed, &change, &owners, &err) < 0)
		return reply_error(&err);
	work.change = changed ? &change : NULL;
	autoclose int from_fd = open(from, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (from_fd < 0) {
		err_set(&err, errno, "open directory", from);
		return reply_error(&err);
	}
	if (mkdir(to, 0700) < 0 && errno != EEXIST) {
		err_set(&err, errno, "make directory", to);
		return reply_error(&err);
	}
	autoclose int to_fd = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (to_fd < 0) {
		err_set(&err, errno, "open directory", to);
		return reply_error(&err);
	}
	work.from = from_fd;
	work.to = to_fd;
	return run_mapped(mappings, copy_in_namespace, &work, "copy", &err);
}
