#include "tree_each.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "hashset.h"
#include "request.h"
#include "tree_internal.h"
#include "userns.h"
#include "util.h"
#include "verbs.h"

struct walk {
	struct tree_level *levels;
	size_t n, room;
};

static int add_name(void *data, int fd, const char *name, unsigned char type)
{
	(void)fd;
	(void)type;
	tree_names_add(data, name);
	return 0;
}

/* Go down into FD, which is taken. */
static int enter(struct walk *walk, int fd)
{
	struct tree_level *level;
	int r;

	if (walk->n == walk->room) {
		walk->room = 2 * walk->room + 16;
		walk->levels = xrealloc(walk->levels, walk->room * sizeof(*walk->levels));
	}
	level = &walk->levels[walk->n++];
	r = tree_level_begin(level, fd);
	if (r == 0)
		r = tree_list(level->fd, add_name, &level->names);
	if (r == 0 && walk->n > TREE_OPEN_LEVELS)
		close_fd(&level[-1].fd);
	return r;
}

static int leave(struct walk *walk)
{
	struct tree_level *level = &walk->levels[--walk->n];
	int r = walk->n > 0 ? tree_level_reopen(&level[-1], level->fd) : 0;

	tree_level_end(level);
	return r;
}

int tree_each(int fd, int (*visit)(void *, int, const char *, const struct stat *), void *data, const char *step,
	      struct err *err)
{
	struct walk walk = { 0 };
	const char *name = "";
	struct stat st;
	int top = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;

	if (top < 0 || fstat(top, &st) < 0)
		r = -errno;
	else
		r = visit(data, top, "", &st);
	if (r < 0) {
		if (top >= 0)
			close(top);
		return err_set(err, -r, step, "");
	}
	r = enter(&walk, top);
	while (r >= 0 && walk.n > 0) {
		struct tree_level *level = &walk.levels[walk.n - 1];
		int below;

		name = tree_names_next(&level->names);
		if (!name) {
			name = "";
			r = leave(&walk);
			continue;
		}
		if (fstatat(level->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
			r = errno == ENOENT ? 0 : -errno;
			continue;
		}
		below = S_ISDIR(st.st_mode) ? tree_open(level->fd, name) : -ENOTDIR;
		if (below == -EXDEV || below == -ENOENT)
			continue;
		if (S_ISDIR(st.st_mode) && below < 0) {
			r = below;
			continue;
		}
		r = visit(data, level->fd, name, &st);
		if (r < 0 && below >= 0)
			close(below);
		if (r >= 0 && below >= 0)
			r = enter(&walk, below);
	}
	r = r < 0 ? err_set(err, -r, step, name) : 0;
	while (walk.n > 0)
		tree_level_end(&walk.levels[--walk.n]);
	free(walk.levels);
	return r;
}

struct owner {
	uid_t uid;
	gid_t gid;
};

static int give(void *data, int dir, const char *name, const struct stat *st)
{
	const struct owner *owner = data;

	if (st->st_uid == owner->uid && st->st_gid == owner->gid)
		return 0;
	return fchownat(dir, name, owner->uid, owner->gid, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) < 0 ? -errno : 0;
}

int tree_chown(int fd, uid_t uid, gid_t gid, struct err *err)
{
	struct owner owner = { uid, gid };
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return err_set(err, errno, "change owner", "");
	if (S_ISDIR(st.st_mode))
		return tree_each(fd, give, &owner, "change owner", err);
	r = give(&owner, fd, "", &st);
	return r < 0 ? err_set(err, -r, "change owner", "") : 0;
}

struct size {
	uint64_t bytes;
	struct hashset seen; /* files with several names */
};

static int add_size(void *data, int dir, const char *name, const struct stat *st)
{
	struct size *size = data;

	(void)dir;
	(void)name;
	if (!S_ISREG(st->st_mode) && !S_ISLNK(st->st_mode))
		return 0;
	if (st->st_nlink > 1) {
		uint64_t key = hashset_key(st->st_ino, "");

		if (hashset_has(&size->seen, key))
			return 0;
		hashset_add(&size->seen, key);
	}
	size->bytes += (uint64_t)st->st_size;
	return 0;
}

/* What a verb of this file does in the user namespace. */
struct work {
	int fd;
	uid_t uid;
	gid_t gid;
	pid_t caller;
};

static int is_orphan(const struct work *work)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	return getppid() != work->caller;
}

static int chown_in_namespace(void *data)
{
	const struct work *work = data;
	struct err err = { 0 };

	if (is_orphan(work))
		return 1;
	return tree_chown(work->fd, work->uid, work->gid, &err) < 0 ? reply_error(&err) : reply_ok(json_object());
}

static int size_in_namespace(void *data)
{
	const struct work *work = data;
	struct size size = { 0 };
	struct err err = { 0 };

	if (is_orphan(work))
		return 1;
	if (tree_each(work->fd, add_size, &size, "read", &err) < 0)
		return reply_error(&err);
	hashset_free(&size.seen);
	return reply_ok(json_pack("{s:I}", "sizeBytes", (json_int_t)size.bytes));
}

/* Open PATH, and run FUNCTION, which replies, as root of a user namespace. Return: the exit status. */
static int run_mapped(json_t *mappings, const char *path, int (*function)(void *), struct work *work)
{
	struct err err = { 0 };
	struct id_maps maps;
	pid_t pid;
	int status = 0, r;

	autoclose int fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT && function == size_in_namespace)
		return reply_ok(json_pack("{s:i}", "sizeBytes", 0));
	r = fd < 0 ? err_set(&err, errno, "open directory", path) : request_mappings(mappings, &maps, &err);
	if (r < 0)
		return reply_error(&err);
	work->fd = fd;
	work->caller = getpid();
	r = userns_spawn(&maps, function, work, &pid, &err);
	id_maps_free(&maps);
	if (r < 0)
		return reply_error(&err);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	err_setf(&err, 0, "read tree", path, "the process was killed by signal %d", WTERMSIG(status));
	return reply_error(&err);
}

int verb_chown_tree(json_t *request)
{
	struct work work = { 0 };
	struct err err = { 0 };
	const char *path;
	json_t *mappings;
	json_int_t uid, gid;

	if (request_unpack(request, &err, "chown-tree", "{s:s,s:I,s:I,s:o!}", "path", &path, "uid", &uid, "gid", &gid,
			   "mappings", &mappings) < 0)
		return reply_error(&err);
	if (path[0] != '/' || uid < 0 || uid >= UINT32_MAX || gid < 0 || gid >= UINT32_MAX) {
		err_setf(&err, 0, "read request", "chown-tree", "not an absolute path and two ids");
		return reply_error(&err);
	}
	work.uid = (uid_t)uid;
	work.gid = (gid_t)gid;
	return run_mapped(mappings, path, chown_in_namespace, &work);
}

int verb_tree_size(json_t *request)
{
	struct work work = { 0 };
	struct err err = { 0 };
	const char *path;
	json_t *mappings;

	if (request_unpack(request, &err, "tree-size", "{s:s,s:o!}", "path", &path, "mappings", &mappings) < 0)
		return reply_error(&err);
	if (path[0] != '/') {
		err_setf(&err, 0, "read request", "tree-size", "not an absolute path");
		return reply_error(&err);
	}
	return run_mapped(mappings, path, size_in_namespace, &work);
}
