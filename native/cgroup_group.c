#include "cgroup_group.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>

#include "path.h"
#include "userns.h"
#include "util.h"

#define FILE_LIMIT (1 << 20)
#define FREEZE_MS 2000
#define KILL_MS 5000
#define AT_ONCE 64 /* processes that are held for killing */

int group_write(const char *path, const char *file, const char *text)
{
	autofree char *full = xasprintf("%s/%s", path, file);
	autoclose int fd = open(full, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

int group_move(const char *path, pid_t pid)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", (int)pid);
	return group_write(path, "cgroup.procs", text);
}

static ssize_t read_group(const char *path, const char *file, char **out)
{
	autofree char *full = xasprintf("%s/%s", path, file);

	return read_file_at(AT_FDCWD, full, out, FILE_LIMIT);
}

int group_move_all(const char *from, const char *to)
{
	autofree char *text = NULL;
	ssize_t n = read_group(from, "cgroup.procs", &text);
	char *rest = NULL;
	int r = 0;

	if (n < 0)
		return (int)n;
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		pid_t pid = (pid_t)atoi(line);
		int one = pid <= 0 ? 0 : group_move(to, pid);

		if (one < 0 && one != -ESRCH)
			r = one;
	}
	return r;
}

char *group_of(pid_t pid, const char *mount)
{
	char path[40];
	autofree char *text = NULL;
	char *line, *end;

	snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
	if (read_file_at(AT_FDCWD, path, &text, FILE_LIMIT) < 0)
		return NULL;
	line = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
	if (!line)
		return NULL;
	line = strchr(line, '/');
	if (!line)
		return NULL;
	end = strchr(line, '\n');
	if (end)
		*end = '\0';
	return xasprintf("%s%s", mount, strcmp(line, "/") == 0 ? "" : line);
}

uint64_t group_number(const char *path, const char *file, const char *key)
{
	autofree char *text = NULL;
	const size_t len = strlen(key);

	if (read_group(path, file, &text) < 0)
		return 0;
	for (const char *line = text; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
		if (strncmp(line, key, len) == 0 && line[len] == ' ')
			return strtoull(line + len, NULL, 10);
	return 0;
}

/* Until KEY of cgroup.events is VALUE; the kernel tells of changes. Return: 0 or -errno. */
static int await(const char *path, const char *key, uint64_t value, int most_ms)
{
	autofree char *file = xasprintf("%s/cgroup.events", path);
	autoclose int fd = open(file, O_RDONLY | O_CLOEXEC);
	const int64_t until = monotonic_ms() + most_ms;
	char text[256];

	if (fd < 0)
		return -errno;
	for (;;) {
		ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
		const char *at;
		int64_t left;

		if (n < 0)
			return errno == ENODEV ? 0 : -errno;
		text[n] = '\0';
		at = strstr(text, key);
		if (!at || strtoull(at + strlen(key), NULL, 10) == value)
			return 0;
		left = until - monotonic_ms();
		if (left <= 0)
			return -ETIMEDOUT;
		struct pollfd slot = { .fd = fd, .events = POLLPRI };
		poll(&slot, 1, left > 100 ? 100 : (int)left);
	}
}

int group_freeze(const char *path, bool frozen)
{
	int r = group_write(path, "cgroup.freeze", frozen ? "1" : "0");

	return r < 0 ? r : await(path, "frozen ", frozen, FREEZE_MS);
}

void group_delegate(int root, ino_t group)
{
	static const char *const files[] = { ".", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads" };
	autoclose int dir = path_open(root, GROUP_ROOT, O_RDONLY | O_DIRECTORY, PATH_NO_LINKS);
	struct statfs fs;
	struct stat st;

	if (dir < 0 || fstatfs(dir, &fs) < 0 || fs.f_type != CGROUP2_SUPER_MAGIC || (fs.f_flags & ST_RDONLY) || fstat(dir, &st) < 0 || st.st_uid == 0)
		return;
	/* Another one is a directory of the user's, mounted there by a volume. There is one hierarchy, so the inode tells. */
	if (group == 0 || st.st_ino != group)
		return;
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
		if (fchownat(dir, files[i], 0, 0, AT_SYMLINK_NOFOLLOW) < 0)
			return;
}

/* Walk the groups below the one behind DIR (taken), the deepest first; ACT is called for each by its parent. */
static int walk(int dir, int depth, int (*act)(int parent, const char *name))
{
	DIR *list = depth > GROUP_DEPTH + 1 ? /* SCOPE is one more */ NULL : fdopendir(dir);
	struct dirent *entry;
	int r = 0;

	if (!list) {
		close(dir);
		return -ELOOP;
	}
	while ((entry = readdir(list))) {
		int below, one;

		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		below = openat(dirfd(list), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		one = below < 0 ? -errno : walk(below, depth + 1, act);
		if (one == 0)
			one = act(dirfd(list), entry->d_name);
		if (one < 0 && one != -ENOENT)
			r = one;
	}
	closedir(list);
	return r;
}

/* Whether PID is one of the lines of TEXT. */
static bool is_listed(const char *text, pid_t pid)
{
	for (const char *line = text; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
		if (atoi(line) == (int)pid)
			return true;
	return false;
}

/* Kill those behind PIDFDS, which are closed, that FILE still names: a pid that was read may have become another's before it was opened. */
static bool kill_held(int at, const char *file, const pid_t *pids, int *pidfds, size_t n)
{
	autofree char *text = NULL;
	bool any = false;

	if (n == 0)
		return false;
	if (read_file_at(at, file, &text, FILE_LIMIT) < 0)
		text = NULL;
	for (size_t i = 0; i < n; i++) {
		if (text && is_listed(text, pids[i]) && syscall(SYS_pidfd_send_signal, pidfds[i], SIGKILL, NULL, 0) == 0)
			any = true;
		close_fd(&pidfds[i]);
	}
	return any;
}

bool group_kill_listed(int at, const char *file)
{
	autofree char *text = NULL;
	char *rest = NULL;
	pid_t pids[AT_ONCE];
	int pidfds[AT_ONCE];
	size_t n = 0;
	bool any = false;

	if (read_file_at(at, file, &text, FILE_LIMIT) < 0)
		return false;
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		const pid_t pid = (pid_t)atoi(line);
		const int fd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;

		if (fd < 0)
			continue;
		pids[n] = pid;
		pidfds[n++] = fd;
		if (n < AT_ONCE)
			continue;
		any = kill_held(at, file, pids, pidfds, n) || any;
		n = 0;
	}
	return kill_held(at, file, pids, pidfds, n) || any;
}

/* Before Linux 5.14: all that are there, again and again while it stands still. */
static int kill_listed(int parent, const char *name)
{
	autofree char *file = xasprintf("%s/cgroup.procs", name);

	group_kill_listed(parent, file);
	return 0;
}

static int kill_one_by_one(const char *path)
{
	const int64_t until = monotonic_ms() + KILL_MS;
	int r;

	group_freeze(path, true);
	do {
		int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (dir < 0)
			return -errno;
		kill_listed(dir, ".");
		walk(dir, 0, kill_listed);
		group_write(path, "cgroup.freeze", "0");
		r = await(path, "populated ", 0, 50);
	} while (r == -ETIMEDOUT && monotonic_ms() < until);
	return r;
}

int group_kill(const char *path)
{
	int r = group_write(path, "cgroup.kill", "1");

	if (r == -ENOENT && access(path, F_OK) == 0)
		return kill_one_by_one(path);
	return r < 0 ? r : await(path, "populated ", 0, KILL_MS);
}

static int remove_one(int parent, const char *name)
{
	return unlinkat(parent, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

static int remove_below(void *data)
{
	const char *path = data;
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return dir < 0 ? 0 : walk(dir, 0, remove_one) < 0;
}

int group_remove(const char *path, int userns_fd)
{
	autofree char *copy = NULL;

	if (rmdir(path) == 0 || errno == ENOENT)
		return 0;
	if (errno != EBUSY && errno != ENOTEMPTY)
		return -errno;
	copy = xstrdup(path);
	if (remove_below(copy) != 0 && userns_fd >= 0)
		userns_enter_and_run(userns_fd, remove_below, copy, NULL);
	return rmdir(path) < 0 && errno != ENOENT ? -errno : 0;
}
