#include "userns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util.h"

enum { UID, GID, KINDS };

static const char *const map_file[KINDS] = { "uid_map", "gid_map" };
static const char *const map_program[KINDS] = { "newuidmap", "newgidmap" };
static const char *const map_path[KINDS] = { "/usr/bin/newuidmap", "/usr/bin/newgidmap" };

static int write_proc(pid_t pid, const char *name, const char *text, struct err *err)
{
	autofree char *path = xasprintf("/proc/%d/%s", (int)pid, name);
	autoclose int fd = open(path, O_WRONLY | O_CLOEXEC);

	/* The kernel takes a map in one write only. */
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return err_set(err, errno, "write id map", name);
	return 0;
}

static int write_map(pid_t pid, int kind, const struct id_map *map, size_t n, struct err *err)
{
	autofree char *text = xcalloc(n, 33); /* three numbers of ten digits, two spaces, a newline; NUL once */
	size_t used = 0;

	for (size_t i = 0; i < n; i++)
		used += (size_t)sprintf(text + used, "%u %u %u\n", map[i].inside, map[i].outside, map[i].size);
	return write_proc(pid, map_file[kind], text, err);
}

/* newuidmap or newgidmap at work. */
struct mapper {
	pid_t pid;    /* 0: not needed */
	int words_fd; /* reads its stderr */
};

static int mapper_start(struct mapper *mapper, int kind, pid_t target, const struct id_map *map, size_t n, struct err *err)
{
	autofree char **argv = xcalloc(n * 3 + 3, sizeof(*argv)), *numbers = xcalloc(n * 3 + 1, 12);
	char *number = numbers;
	volatile int failure = 0; /* the vfork child shares our memory */
	int words[2];
	size_t a = 0;

	argv[a++] = (char *)map_program[kind];
	argv[a++] = number;
	number += sprintf(number, "%d", (int)target) + 1;
	for (size_t i = 0; i < n; i++)
		for (int j = 0; j < 3; j++) {
			argv[a++] = number;
			number += sprintf(number, "%u", j == 0 ? map[i].inside : j == 1 ? map[i].outside : map[i].size) + 1;
		}
	if (pipe2(words, O_CLOEXEC) < 0)
		return err_set(err, errno, "create pipe", map_program[kind]);
	mapper->pid = vfork();
	if (mapper->pid == 0) {
		if (dup2(words[1], STDERR_FILENO) >= 0) {
			execvp(argv[0], argv);
			if (errno == ENOENT || errno == EACCES) /* a PATH without it: where every distribution has it */
				execv(map_path[kind], argv);
		}
		failure = errno;
		_exit(127);
	}
	close(words[1]);
	mapper->words_fd = words[0];
	if (mapper->pid < 0) {
		mapper->pid = 0;
		close(words[0]);
		return err_set(err, errno, "run", map_program[kind]);
	}
	if (failure) {
		while (waitpid(mapper->pid, NULL, 0) < 0 && errno == EINTR)
			;
		mapper->pid = 0;
		close(words[0]);
		return err_setf(err, failure, "run", map_program[kind], failure == ENOENT ? "not found in PATH" : "");
	}
	return 0;
}

/* Wait for it, also to leave no zombie after the other one failed: then ERR is NULL. */
static int mapper_finish(struct mapper *mapper, int kind, struct err *err)
{
	char words[400];
	ssize_t length;
	int status = 0;

	if (mapper->pid == 0)
		return 0;
	length = read_all(mapper->words_fd, words, sizeof(words) - 1);
	close(mapper->words_fd);
	while (waitpid(mapper->pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_set(err, errno, "wait for", map_program[kind]);
	if (status == 0)
		return 0;
	words[length < 0 ? 0 : length] = '\0';
	for (char *c = words; *c; c++)
		if (*c == '\n')
			*c = c[1] ? ' ' : '\0';
	return err_setf(err, EPERM, "write id map", map_program[kind], "%s", words);
}

int userns_write_maps(pid_t pid, const struct id_maps *maps, struct err *err)
{
	const struct id_map *const map[KINDS] = { maps->uid, maps->gid };
	const size_t n[KINDS] = { maps->n_uid, maps->n_gid };
	const uint32_t own[KINDS] = { geteuid(), getegid() };
	struct mapper mapper[KINDS] = { { 0, -1 }, { 0, -1 } };
	bool direct[KINDS], root = own[UID] == 0;
	int r = 0;

	for (int kind = 0; kind < KINDS; kind++) {
		if (n[kind] == 0)
			return err_setf(err, 0, "write id map", map_file[kind], "no ids are mapped");
		direct[kind] = root || (n[kind] == 1 && map[kind][0].size == 1 && map[kind][0].outside == own[kind]);
	}
	for (int kind = 0; kind < KINDS && r == 0; kind++)
		if (!direct[kind])
			r = mapper_start(&mapper[kind], kind, pid, map[kind], n[kind], err);
	/* Groups of ours that were given to keep us out of something stay ours: user_namespaces(7), setgroups. */
	if (r == 0 && direct[GID] && !root)
		r = write_proc(pid, "setgroups", "deny", err);
	for (int kind = 0; kind < KINDS && r == 0; kind++)
		if (direct[kind])
			r = write_map(pid, kind, map[kind], n[kind], err);
	for (int kind = 0; kind < KINDS; kind++) {
		int finished = mapper_finish(&mapper[kind], kind, r == 0 ? err : NULL);

		r = r == 0 ? finished : r;
	}
	return r;
}

static uint32_t outside_of_root(const struct id_map *map, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (map[i].inside == 0)
			return map[i].outside;
	return 0;
}

int userns_give(const char *path, const struct id_maps *maps, struct err *err)
{
	uid_t uid = outside_of_root(maps->uid, maps->n_uid);
	struct stat st;

	if (geteuid() != 0 || uid == 0 || lstat(path, &st) < 0 || st.st_uid != 0)
		return 0;
	/* EINVAL, EPERM: root of a user namespace only, in which that id may not even exist. */
	if (lchown(path, uid, outside_of_root(maps->gid, maps->n_gid)) < 0 && errno != EINVAL && errno != EPERM)
		return err_set(err, errno, "give directory to the container's root", path);
	return 0;
}

static int become_root(struct err *err)
{
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return err_set(err, errno, "become root of the user namespace", "");
	return 0;
}

static int private_mounts(struct err *err)
{
	if (unshare(CLONE_NEWNS) < 0)
		return err_set(err, errno, "create mount namespace", "");
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_set(err, errno, "make mounts private", "/");
	return 0;
}

/*
 * The child of userns_spawn() up to its FUNCTION. It tells each step by an err on REPLIES: first that the namespace is
 * there (code 0), then, after a byte on GO says that the maps are written, that it is root.
 */
static int enter_fresh(int replies, int go, int (*prepare)(void *, struct err *), void *data)
{
	struct err err = { 0 };
	char byte;

	if (unshare(CLONE_NEWUSER) < 0)
		err_set(&err, errno, "create user namespace", "");
	else if (prepare && private_mounts(&err) == 0)
		prepare(data, &err);
	if (write_all(replies, &err, sizeof(err)) < 0 || err.step[0] || read_all(go, &byte, 1) != 1)
		return -1;
	if (become_root(&err) == 0 && !prepare)
		private_mounts(&err);
	if (write_all(replies, &err, sizeof(err)) < 0 || err.step[0])
		return -1;
	return 0;
}

static int await_reply(int fd, struct err *err)
{
	struct err reply;

	if (read_all(fd, &reply, sizeof(reply)) != sizeof(reply))
		return err_setf(err, 0, "create user namespace", "", "the child process died");
	if (reply.step[0] == '\0')
		return 0;
	if (err)
		*err = reply;
	return reply.code ? -reply.code : -EINVAL;
}

int userns_spawn(const struct id_maps *maps, int (*function)(void *), void *data, pid_t *pid, struct err *err)
{
	return userns_spawn_prepared(maps, NULL, function, data, pid, err);
}

int userns_spawn_prepared(const struct id_maps *maps, int (*prepare)(void *, struct err *), int (*function)(void *), void *data,
			  pid_t *pid, struct err *err)
{
	int replies[2], go[2], r;
	pid_t child;

	if (pipe2(replies, O_CLOEXEC) < 0)
		return err_set(err, errno, "create pipe", "");
	if (pipe2(go, O_CLOEXEC) < 0) {
		r = err_set(err, errno, "create pipe", "");
		close(replies[0]);
		close(replies[1]);
		return r;
	}
	child = fork();
	if (child == 0) {
		close(replies[0]);
		close(go[1]);
		if (enter_fresh(replies[1], go[0], prepare, data) < 0)
			_exit(125);
		close(replies[1]);
		close(go[0]);
		_exit(function(data));
	}
	r = child < 0 ? err_set(err, errno, "fork", "") : 0;
	close(replies[1]);
	close(go[0]);
	if (r == 0)
		r = await_reply(replies[0], err);
	if (r == 0)
		r = userns_write_maps(child, maps, err);
	if (r == 0 && write_all(go[1], "", 1) < 0)
		r = err_setf(err, 0, "create user namespace", "", "the child process died");
	close(go[1]); /* a child that still waits ends here */
	if (r == 0)
		r = await_reply(replies[0], err);
	close(replies[0]);
	if (r < 0 && child > 0)
		while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
			;
	if (r == 0)
		*pid = child;
	return r;
}

int userns_enter_and_run(int fd, int (*function)(void *), void *data, struct err *err)
{
	int replies[2], r, status = 0;
	pid_t child;

	if (pipe2(replies, O_CLOEXEC) < 0)
		return err_set(err, errno, "create pipe", "");
	child = fork();
	if (child == 0) {
		struct err failure = { 0 };

		if (setns(fd, CLONE_NEWUSER) < 0)
			err_set(&failure, errno, "enter user namespace", "");
		else if (become_root(&failure) == 0)
			private_mounts(&failure);
		if (write_all(replies[1], &failure, sizeof(failure)) < 0 || failure.step[0])
			_exit(125);
		close(replies[0]);
		close(replies[1]);
		_exit(function(data));
	}
	r = child < 0 ? err_set(err, errno, "fork", "") : 0;
	close(replies[1]);
	if (r == 0)
		r = await_reply(replies[0], err);
	close(replies[0]);
	if (child > 0)
		while (waitpid(child, &status, 0) < 0 && errno == EINTR)
			;
	if (r < 0)
		return r;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
